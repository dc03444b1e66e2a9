//! Folders as their publishers name them, and what is guessed of them.

use super::*;
use crate::data::{LabelledSet, SourceKind, Survey};
use shared::bands::Bands;

#[test]
fn class_folders_with_equal_file_names_are_classes_and_places_with_few_dates_places() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["agriculture", "forest", "urban", "water"] {
        (0..12).for_each(|at| picture(&folder.path().join(format!("{class}/{at:04}.png")), 4, [at as u8, 0, 0]));
    }
    let (source, warnings) = open(&SourceSpec::new(folder.path()));
    assert_eq!((source.kind(), source.len(), source.classes().len()), (SourceKind::Folder, 48, 4));
    assert!(warnings[0].what.contains("a guess: 4 folders") && warnings[0].what.contains("--kind"), "{warnings:?}");

    let folder = tempfile::tempdir().unwrap();
    for class in ["train/forest", "train/water", "train/urban", "val/forest", "val/water", "val/urban"] {
        (0..4).for_each(|at| picture(&folder.path().join(format!("{class}/{at}.png")), 4, [at as u8, 0, 0]));
    }
    assert_eq!(open(&SourceSpec::new(folder.path())).0.kind(), SourceKind::Folder);

    let folder = tempfile::tempdir().unwrap();
    for place in 0..12 {
        (0..4).for_each(|at| picture(&folder.path().join(format!("{place:04}/{at}.png")), 4, [at as u8, 0, 0]));
    }
    let (source, warnings) = open(&SourceSpec::new(folder.path()));
    assert_eq!((source.kind(), source.len(), source.dates(0)), (SourceKind::Places, 12, 4));
    assert!(warnings[0].what.contains("taken for places"), "{warnings:?}");
}

#[test]
fn flat_dated_chips_are_places_by_what_their_names_have_beside_the_date() {
    let folder = tempfile::tempdir().unwrap();
    for at in 0..10u8 {
        let name = format!("0__2017{:02}10_180840_103a__-122.{at}_37.76.png", at % 9 + 1);
        picture(&folder.path().join(name), 4, [at, 0, 0]);
    }
    let (source, warnings) = open(&SourceSpec::new(folder.path()));
    assert_eq!((source.kind(), source.len(), source.dates(0)), (SourceKind::Places, 10, 1));
    assert!(warnings[0].what.contains("--kind"), "{warnings:?}");
    picture(&folder.path().join("0__20180110_170000_103a__-122.3_37.76.png"), 4, [9, 0, 0]);
    let (source, _) = open(&SourceSpec::new(folder.path()));
    assert_eq!((source.len(), source.dates(3)), (10, 2));
}

#[test]
fn every_patch_of_bigearthnet_is_a_place_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    for (at, patch) in ["S2A_MSIL2A_20170613T101031_87_48", "S2A_MSIL2A_20170613T101031_3_45"].iter().enumerate() {
        for (name, side) in [("B02", 12), ("B03", 12), ("B04", 12), ("B01", 2)] {
            let path = folder.path().join(format!("BigEarthNet-v1.0/{patch}/{patch}_{name}.tif"));
            band(&path, side, |_, _| at as u8 * 50);
        }
        std::fs::write(folder.path().join(format!("BigEarthNet-v1.0/{patch}/{patch}_labels_metadata.json")), "{}")
            .unwrap();
    }
    let (source, _) = open(&SourceSpec::new(folder.path()));
    assert_eq!((source.kind(), source.len(), source.dates(0)), (SourceKind::Seco, 2, 1));
    assert!(source.place_name(1).ends_with("_87_48"), "{}", source.place_name(1));
}

#[test]
fn whole_pictures_in_folders_of_dates_are_dates_of_the_folder_above() {
    let folder = tempfile::tempdir().unwrap();
    for (place, date) in
        [("0001", "LC08_044034_20140318"), ("0001", "LC08_044034_20140606"), ("0002", "LC08_045030_20140318")]
    {
        picture(&folder.path().join(format!("{place}/{date}/all_bands.png")), 4, [1, 2, 3]);
    }
    let (source, _) = open(&SourceSpec::new(folder.path()));
    assert_eq!((source.kind(), source.len(), source.dates(0), source.dates(1)), (SourceKind::Places, 2, 2, 1));
    assert_eq!(Survey::of(&source).months[2], 2);
}

#[test]
fn masks_are_no_pictures_unless_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["3514", "3515", "3516"] {
        picture(&folder.path().join(format!("Train/Rural/images_png/{name}.png")), 4, [90, 0, 0]);
        picture(&folder.path().join(format!("Train/Rural/masks_png/{name}.png")), 4, [3, 3, 3]);
    }
    let (source, warnings) = open(&SourceSpec::new(folder.path()));
    assert_eq!(source.len(), 3);
    assert!(warnings[0].what.contains("masks_png") && warnings[0].count == 3, "{warnings:?}");
    let asked = SourceSpec { include: Some("masks_png/".to_owned()), ..SourceSpec::new(folder.path()) };
    assert_eq!(first_tile(&open(&asked).0, 0, 0)[0], 3.0 / 255.0);
}

#[test]
fn days_of_the_year_are_dates() {
    let folder = tempfile::tempdir().unwrap();
    for day in ["001", "105", "121"] {
        picture(&folder.path().join(format!("site1/MOD09A1.A2019{day}.png")), 4, [1, 2, 3]);
    }
    picture(&folder.path().join("site1/legend.png"), 4, [1, 2, 3]);
    let (source, _) = open(&SourceSpec { kind: Some(SourceKind::Places), ..SourceSpec::new(folder.path()) });
    let survey = Survey::of(&source);
    assert_eq!((survey.months[0], survey.months[3], survey.months[4], survey.undated), (1, 1, 1, 1));
}

#[test]
fn lists_of_two_parts_with_equal_names_do_not_leak() {
    let folder = tempfile::tempdir().unwrap();
    for (part, red) in [("train", 10), ("val", 200)] {
        (0..3).for_each(|at| picture(&folder.path().join(format!("data/{part}/water/{at}.png")), 4, [red + at, 0, 0]));
    }
    let list = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let data = folder.path().join("data");
    let first = |list: &Path| {
        LabelledSet::open(&data, Some(list), &Bands::rgb(), &mut Vec::new()).unwrap().tile(0).unwrap().pixels()[0]
    };
    assert_eq!(first(&list("train.csv", "train/water/1.png\n")), 11.0 / 255.0);
    assert_eq!(first(&list("val.csv", "val/water/1.png\n")), 201.0 / 255.0);
    let error = LabelledSet::open(&data, Some(&list("both.csv", "water/1.png\n")), &Bands::rgb(), &mut Vec::new())
        .err()
        .unwrap();
    assert!(error.to_string().contains("may mean train/water/1.png or val/water/1.png\nhint: "), "{error}");
}

#[test]
fn a_tile_of_which_most_is_missing_is_left_out_and_named() {
    let folder = tempfile::tempdir().unwrap();
    for (name, opaque) in [("a", 16), ("b", 3), ("c", 12)] {
        let pixel = |x: u32, y: u32| image::Rgba([40u8, 50, 60, if x + 4 * y < opaque { 255 } else { 0 }]);
        std::fs::create_dir_all(folder.path().join("x")).unwrap();
        ImageBuffer::from_fn(4, 4, pixel).save(folder.path().join(format!("x/{name}.png"))).unwrap();
    }
    let (source, _) = open(&SourceSpec::new(folder.path()));
    let survey = Survey::of(&source);
    assert_eq!(survey.damaged.len(), 1);
    assert_eq!(survey.damaged[0].to_string(), "cannot read x/b.png: 81 % of it is no data");
    assert_eq!(survey.holes, [("x/c.png".to_owned(), 0.25)]);
    assert_eq!((survey.bands[0].mean, survey.bands[0].std), (f64::from(40.0f32 / 255.0), 0.0));
    let mut warnings = Vec::new();
    assert_eq!(LabelledSet::open(folder.path(), None, &Bands::rgb(), &mut warnings).unwrap().len(), 2);
    assert!(warnings[0].what.contains("no data"), "{warnings:?}");
}
