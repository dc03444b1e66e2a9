//! Every folder layout, and what is said about those that cannot be used.

use shared::bands::{Band, Bands};

use super::*;
use crate::data::npy::tests::npy;
use crate::data::{Placement, SourceKind, Stretch, Survey};
use crate::views::{PixelRange, view_rng};

#[test]
fn places_have_their_dates_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for (place, dates) in [("north", 3u8), ("south", 2)] {
        for date in 0..dates {
            picture(&folder.path().join(format!("{place}/2021-0{}-15.png", date + 1)), 9, [date * 10, 0, 255]);
        }
    }
    let (source, warnings) = open(&SourceSpec::new(folder.path()));
    assert!(warnings.is_empty());
    assert_eq!((source.kind(), source.len()), (SourceKind::Places, 2));
    assert_eq!((source.dates(0), source.dates(1)), (3, 2));
    assert_eq!(first_tile(&source, 0, 2)[0], 20.0 / 255.0);
    assert_eq!(source.range(), PixelRange::Display);
    let survey = Survey::of(&source);
    assert_eq!(survey.months[..4], [2, 2, 1, 0]);
    assert_eq!(survey.dates_of_places, [(2, 1), (3, 1)]);
    assert_eq!(survey.bands[2].mean, 1.0);
    let named = source.describe();
    assert!(named.contains("2 places × 2–3 dates, bands B04 B03 B02"), "{named}");
}

#[test]
fn secos_tree_gives_any_bands_on_the_ten_metre_grid() {
    let folder = tempfile::tempdir().unwrap();
    let sides = |name: &str| match name {
        "B2" | "B3" | "B4" | "B8" => 264,
        "B1" | "B9" => 44,
        _ => 132,
    };
    for date in ["20190228T1", "20190523T1"] {
        for (index, name) in
            ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12"].iter().enumerate()
        {
            let path = folder.path().join(format!("000123/{date}/{name}.tif"));
            band(&path, sides(name), |x, _| if *name == "B5" { x as u8 } else { index as u8 * 20 });
        }
    }
    let (rgb, _) = open(&SourceSpec::new(folder.path()));
    assert_eq!((rgb.kind(), rgb.len(), rgb.dates(0)), (SourceKind::Seco, 1, 2));
    assert!(rgb.bands().is_rgb());
    let pixels = first_tile(&rgb, 0, 0);
    assert_eq!(pixels.len(), 3 * 264 * 264);
    assert_eq!([pixels[0], pixels[264 * 264], pixels[2 * 264 * 264]], [60.0 / 255.0, 40.0 / 255.0, 20.0 / 255.0]);

    let all = SourceSpec { bands: Some(Bands::sentinel_2_l2a()), ..SourceSpec::new(folder.path()) };
    let (all, _) = open(&all);
    assert_eq!((all.bands().len(), all.range()), (12, PixelRange::Open));
    let pixels = first_tile(&all, 0, 1);
    assert_eq!(pixels.len(), 12 * 264 * 264);
    // B5 is a ramp over 132 columns; on the finer grid column 101 lies at (101 + 0.5) / 2 − 0.5 = 50.25, rounded to 50
    assert_eq!(pixels[4 * 264 * 264 + 101], 50.0 / 255.0);

    let coarse = Bands::new(vec![Band::B05, Band::B09]).unwrap();
    let (coarse, _) = open(&SourceSpec { bands: Some(coarse), ..SourceSpec::new(folder.path()) });
    assert_eq!(first_tile(&coarse, 0, 0).len(), 2 * 132 * 132);

    let missing = Bands::new(vec![Band::B10]).unwrap();
    let message = error_of(&SourceSpec { bands: Some(missing), ..SourceSpec::new(folder.path()) });
    assert!(message.contains("has no band B10") && message.contains("\nhint: "), "{message}");
}

#[test]
fn secos_stretch_makes_display_values() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["B2", "B3", "B4"] {
        band(&folder.path().join(format!("1/2/{name}.tif")), 8, |x, _| if x < 4 { 0 } else { 129 });
    }
    let stretch = Some(Stretch::Named("seco".to_owned()));
    let (source, _) = open(&SourceSpec { stretch, ..SourceSpec::new(folder.path()) });
    assert_eq!(source.range(), PixelRange::Display);
    let pixels = first_tile(&source, 0, 0);
    assert!(pixels.iter().all(|&value| value == 0.0 || value == 1.0));
}

#[test]
fn mosaics_are_cut_at_the_same_place_on_every_date() {
    let folder = tempfile::tempdir().unwrap();
    for month in 1..=4u8 {
        let path = folder.path().join(format!("world.2004{month:02}.3x540x270.png"));
        textured(&path, (120, 60), 1);
        // the same texture, brighter every month
        let mut map = image::open(&path).unwrap().to_rgb8();
        map.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|value| value / 2 + month * 20));
        map.save(&path).unwrap();
    }
    let (source, warnings) = open(&SourceSpec { window_px: Some(16), ..SourceSpec::new(folder.path()) });
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!((source.kind(), source.len(), source.dates(0)), (SourceKind::Mosaic, 7 * 3, 4));
    let mut corners = std::collections::BTreeSet::new();
    for index in 0..20 {
        let tiles = source.read(0, &[0, 3], &mut view_rng(3, 0, index)).unwrap();
        let steps: Vec<i32> =
            tiles[1].pixels().iter().zip(tiles[0].pixels()).map(|(b, a)| ((b - a) * 255.0).round() as i32).collect();
        assert!(steps.iter().all(|&step| step == 60), "the same ground three months later");
        corners.insert(tiles[0].pixels()[..4].iter().map(|value| value.to_bits()).collect::<Vec<_>>());
    }
    assert!(corners.len() > 15, "windows lie anywhere");
    let (grid, _) =
        open(&SourceSpec { window_px: Some(16), placement: Placement::Grid, ..SourceSpec::new(folder.path()) });
    assert_eq!(first_tile(&grid, 3, 1), first_tile(&grid, 3, 1));
    assert_ne!(first_tile(&grid, 3, 1), first_tile(&grid, 4, 1));
    let keep = vec![[-180.0, -120.0]];
    let (west, _) = open(&SourceSpec { window_px: Some(16), keep_longitude: keep, ..SourceSpec::new(folder.path()) });
    assert_eq!(west.len(), 3, "20 of 120 columns hold one window a row");
}

#[test]
fn pairs_lie_beside_the_bands_they_were_made_of() {
    let folder = tempfile::tempdir().unwrap();
    for city in ["beirut", "pisa"] {
        for image in 1..=2 {
            textured(&folder.path().join(format!("{city}/pair/img{image}.png")), (330, 340), image);
            band(&folder.path().join(format!("{city}/imgs_{image}/T31UDQ_20161130_B02.tif")), 20, |_, _| 9);
        }
        std::fs::write(folder.path().join(city).join("dates.txt"), "date_1: 20150711\n").unwrap();
    }
    let (source, _) = open(&SourceSpec { kind: Some(SourceKind::Mosaic), ..SourceSpec::new(folder.path()) });
    assert_eq!((source.len(), source.dates(0)), (2 * 25, 2));
    assert_eq!(source.place_name(0), "beirut/pair");
    let include = Some("pisa/pair".to_owned());
    let (one, _) = open(&SourceSpec { include, kind: Some(SourceKind::Mosaic), ..SourceSpec::new(folder.path()) });
    assert_eq!((one.len(), one.place_name(0)), (25, "pisa/pair"));
    let chosen = |keep: &[&str], skip: &[&str]| SourceSpec {
        kind: Some(SourceKind::Mosaic),
        keep_places: keep.iter().map(|name| (*name).to_owned()).collect(),
        skip_places: skip.iter().map(|name| (*name).to_owned()).collect(),
        ..SourceSpec::new(folder.path())
    };
    for spec in [chosen(&["pisa"], &[]), chosen(&[], &["beirut"]), chosen(&["beirut", "pisa"], &["beirut/pair"])] {
        let (source, _) = open(&spec);
        assert_eq!((source.len(), source.place_name(0), source.picture_count()), (25, "pisa/pair", 2));
        assert_eq!(first_tile(&source, 7, 1).len(), 3 * 64 * 64);
        assert!(source.date_name(24, 1).starts_with("pisa/pair/img2"));
    }
    let message = error_of(&chosen(&[], &["beirut", "pis"]));
    assert!(
        message.contains("skip_places: ")
            && message.contains("has no place \"pis\"\nhint: it has beirut/pair, pisa/pair"),
        "{message}"
    );
    let (_, warnings) = open(&chosen(&["pisa", "nantes"], &[]));
    assert!(warnings[0].what.ends_with("has no place \"nantes\""), "{warnings:?}");
    let message = error_of(&chosen(&["nantes"], &[]));
    assert!(message.contains("has no place nantes\nhint: it has beirut/pair"), "{message}");
    let message = error_of(&chosen(&["pisa"], &["pisa"]));
    assert!(message.contains("leave nothing of") && message.contains("\nhint: "), "{message}");
    let sea = SourceSpec { kind: Some(SourceKind::Mosaic), min_date_std: 10.0, ..SourceSpec::new(folder.path()) };
    let message = error_of(&sea);
    assert!(message.contains("no window of 64 px") && message.contains("\nhint: lower min_share"), "{message}");
}

#[test]
fn series_of_both_orders_with_their_bands_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let planar: Vec<u8> = (0..3 * 2 * 4).flat_map(|at: u16| (at * 100).to_le_bytes()).collect(); // [3, 2, 2, 2]
    std::fs::write(folder.path().join("a.npy"), npy("<u2", &[3, 2, 2, 2], &planar)).unwrap();
    let mut chunky: Vec<u8> = (0..2 * 6 * 3).flat_map(|at| (at as f32 / 10.0).to_le_bytes()).collect(); // [2, 2, 3, 3]
    chunky[6 * 3 * 4..].fill(0); // the second date is missing
    std::fs::write(folder.path().join("b.npy"), npy("<f4", &[2, 2, 3, 3], &chunky)).unwrap();
    let index = r#"[{"name": "a", "bands": ["B02", "B08"], "dates": ["2018-08-04", "2018-08-14", "2018-09-03"], "heuristic_clear": [true, false, true]},
                    {"name": "b", "bands": ["B08", "B04", "B02"], "dates": ["2019-01-01", "2019-02-01"]},
                    {"name": "c", "bands": ["B01"], "dates": []}]"#;
    std::fs::write(folder.path().join("index.json"), index).unwrap();
    let (source, warnings) = open(&SourceSpec::new(folder.path()));
    assert_eq!((source.kind(), source.len(), source.dates(0), source.dates(1)), (SourceKind::Series, 2, 2, 1));
    assert_eq!(warnings[0].what, "left out c.npy: it lacks a wanted band");
    // date 0 of a: B02 is 0 to 300, B08 400 to 700; date 1 (the third picture) starts at 1600
    assert_eq!(first_tile(&source, 0, 0), [0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07]);
    assert_eq!(first_tile(&source, 0, 1)[0], 0.16);
    // b: three samples a pixel, of which the third is B02 and the first B08
    assert_eq!(first_tile(&source, 1, 0)[..2], [0.2, 0.5]);
    assert_eq!(first_tile(&source, 1, 0)[6..8], [0.0, 0.3]);
    let (all, _) = open(&SourceSpec { clear_only: false, ..SourceSpec::new(folder.path()) });
    assert_eq!(all.dates(0), 3);
}

#[test]
fn what_a_series_calls_nothing_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let values: [i16; 8] = [-1, 100, 200, 300, -1, -1, -1, -1];
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(folder.path().join("a.npy"), npy("<i2", &[2, 1, 2, 2], &data)).unwrap();
    let data: Vec<u8> = [-300i16, 100, 0, 1].iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(folder.path().join("b.npy"), npy("<i2", &[1, 1, 2, 2], &data)).unwrap();
    let index = r#"[{"name": "a", "bands": ["B02"], "dates": ["2018-08-04", "2018-08-14"], "nodata": -1},
                    {"name": "b", "bands": ["B02"], "dates": ["2018-08-04"], "nodata": null}]"#;
    std::fs::write(folder.path().join("index.json"), index).unwrap();
    let (source, _) = open(&SourceSpec::new(folder.path()));
    assert_eq!((source.dates(0), source.dates(1)), (1, 1), "a date of nothing is none");
    assert_eq!(first_tile(&source, 0, 0), [0.02, 0.01, 0.02, 0.03]);
    assert_eq!(first_tile(&source, 1, 0), [-0.03, 0.01, 0.0, 0.0001], "values below zero are kept");
}

#[test]
fn what_cannot_be_used_says_what_where_and_how() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(path("texts")).unwrap();
    std::fs::write(path("texts/a.txt"), "no picture").unwrap();
    assert!(error_of(&SourceSpec::new(path("texts"))).starts_with("no pictures in "));

    std::fs::create_dir_all(path("broken/A")).unwrap();
    for name in ["1.jpg", "2.jpg"] {
        std::fs::write(path("broken/A").join(name), b"\xff\xd8\xff\xe0 and then nothing").unwrap();
    }
    let message = error_of(&SourceSpec::new(path("broken")));
    assert!(
        message.contains("none of the 2 pictures in") && message.contains("A/1.jpg") && message.contains("\nhint: "),
        "{message}"
    );

    picture(&path("rgb/A/1.png"), 4, [1, 2, 3]);
    let named = Some(Bands::sentinel_2_l2a());
    let message = error_of(&SourceSpec { file_bands: named.clone(), ..SourceSpec::new(path("rgb")) });
    assert!(message.contains("have 3 bands, but file_bands names 12\nhint: "), "{message}");
    let message = error_of(&SourceSpec { bands: named, ..SourceSpec::new(path("rgb")) });
    assert!(message.contains("have 3 bands (B04 B03 B02), but B01 B02") && message.contains("\nhint: "), "{message}");

    let list = path("list.csv");
    std::fs::write(&list, "B/7.png,B\nB/8.png,B\n").unwrap();
    let message = error_of(&SourceSpec { split: Some(list), ..SourceSpec::new(path("rgb")) });
    assert!(message.contains("none of the 2 files that") && message.contains("B/7.png\nhint: "), "{message}");

    let date_line = SourceSpec { keep_longitude: vec![[170.0, -170.0]], ..SourceSpec::new(path("rgb")) };
    assert!(error_of(&date_line).contains("west below east\nhint: "));
    let unknown = SourceSpec { stretch: Some(Stretch::Named("best".to_owned())), ..SourceSpec::new(path("rgb")) };
    assert!(error_of(&unknown).contains("no stretch is called \"best\"\nhint: "));
}

#[test]
fn a_spec_is_read_from_toml_and_refuses_unknown_keys() {
    let text = "path = \"x\"\nkind = \"tar\"\nbands = [\"B8\", \"B4\"]\nstretch = { low = [0.0, 0.0], high = [0.3, 0.2] }\nskip_longitude = [[60, 100]]\n";
    let spec: SourceSpec = toml::from_str(text).unwrap();
    assert_eq!(spec.kind, Some(SourceKind::Folder));
    assert_eq!(spec.bands, Some(Bands::new(vec![Band::B08, Band::B04]).unwrap()));
    assert_eq!(spec.cache_mib, 2048);
    let again: SourceSpec = toml::from_str(&toml::to_string(&spec).unwrap()).unwrap();
    assert_eq!(again, spec);
    assert!(toml::from_str::<SourceSpec>("path = \"x\"\nweigth = 2.0\n").is_err());
}
