//! Months out of names, and a whole run on a few places.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs;

use image::{Rgb, RgbImage};

use super::month_in;

#[test]
fn months_are_read_from_names() {
    for (name, month) in [
        ("L15-0331E-1257N_1327_3160_13/2018-01-15.webp", Some(0)),
        ("x/global_monthly_2019_12_mosaic_L15-0331E.tif", Some(11)),
        ("x/12018-01.png", None),
        ("x/2018-13-01.png", None),
        ("x/tile_7.png", None),
    ] {
        assert_eq!(month_in(name), month, "{name}");
    }
}

#[test]
fn places_are_known_again_and_the_month_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("muds");
    for place in 0..8_u32 {
        for month in 1..=12_u32 {
            let path = root.join(format!("place-{place}")).join(format!("2019-{month:02}-15.png"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            // Every place has a pattern of its own; green comes and goes with the months.
            let value = |x: u32, y: u32| {
                let stripe = if (x * (place + 1) + y * 3) % 11 < 5 { 60 } else { 0 };
                let noise = ((x * 31 + y * 17 + month * 5) % 12) as u8;
                [60 + stripe + noise, 40 + 12 * month as u8, if place % 2 == 0 { 40 } else { 200 } + noise]
            };
            RgbImage::from_fn(32, 32, |x, y| Rgb(value(x, y))).save(path).unwrap();
        }
    }
    let text = include_str!("../../../benchmarks/spacenet7-seasons.toml");
    let (start, _) = text.split_once("test = [").unwrap();
    let task = folder.path().join("own.toml");
    fs::write(&task, format!("{start}test = [\"place-6\", \"place-7\"]\n")).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let results = folder.path().join("out");
    let args = [
        "trainer",
        "benchmark",
        "--task",
        task.to_str().unwrap(),
        "--data",
        folder.path().to_str().unwrap(),
        "--px",
        "32",
        "--out",
        results.to_str().unwrap(),
        "--device",
        "cpu",
    ];
    let code = crate::run(args, &mut out, &mut err, false);
    assert_eq!(code, 0, "{}", String::from_utf8_lossy(&err));
    let report: serde_json::Value = serde_json::from_slice(&fs::read(results.join("report.json")).unwrap()).unwrap();
    let row = &report["rows"][0];
    assert_eq!(row["pictures"].to_string(), "[72,0,24]");
    let value = |name: &str| {
        let measures = row["measures"].as_array().unwrap();
        measures.iter().find(|measure| measure["name"] == name).unwrap()["value"].as_f64().unwrap()
    };
    assert!(value("month, statistics") > 0.8, "{row}");
    assert!(value("rank-1, statistics") > 0.5 && value("moved by flip, statistics") < 0.2, "{row}");
}
