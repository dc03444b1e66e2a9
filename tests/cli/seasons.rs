//! Places of few dates: what is said of them before training, and how places are found again at other dates.

use crate::{small_run, trainer};
use image::{Rgb, RgbImage};
use std::fs;
use std::path::Path;

/// `<place>/<date>.png`: each place a colour and a stripe of its own, brighter from month to month.
fn places(folder: &Path, dates: &[usize]) {
    for (place, &dates) in dates.iter().enumerate() {
        let own = folder.join(format!("place{place}"));
        fs::create_dir_all(&own).unwrap();
        for month in 0..dates {
            let picture = RgbImage::from_fn(24, 24, |x, y| {
                let stripe = if (x + 3 * y) as usize % (place + 3) < 2 { 60 } else { 0 };
                let hue = (place * 37 % 120) as u8;
                Rgb([40 + hue + stripe, 150 - hue + stripe, 60 + 4 * month as u8])
            });
            picture.save(own.join(format!("2019-{:02}-15.png", 1 + 3 * month))).unwrap();
        }
    }
}

#[test]
fn a_dry_run_says_which_share_of_the_samples_has_how_many_dates() {
    let folder = tempfile::tempdir().unwrap();
    let (one, many) = (folder.path().join("one"), folder.path().join("many"));
    places(&one, &[1; 6]);
    places(&many, &[2, 2, 4, 3]);
    let source = |path: &Path, weight: &str| format!("kind=places,path={},weight={weight}", path.display());
    let (one, many) = (source(&one, "0.6"), source(&many, "0.4"));
    let plan = |preset: &str| trainer(["pretrain", "--preset", preset, "--dry-run", "--data", &one, "--data", &many]);
    let rows = |out: &str| -> Vec<String> {
        let of_dates = out.lines().filter(|line| line.contains("samples at places with"));
        of_dates.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    let seco = plan("seco");
    assert_eq!(seco.code, 0, "{}", seco.err);
    assert_eq!(
        rows(&seco.out),
        [
            "samples at places with 1 date 60.0 %",
            "samples at places with 2 dates 20.0 %",
            "samples at places with 3 or more 20.0 %"
        ]
    );
    let temporal = plan("moco-tp");
    assert_eq!(
        rows(&temporal.out),
        ["samples at places with 1 date 60.0 %", "samples at places with 2 or more 40.0 %"]
    );
    assert!(rows(&plan("moco-v2").out).is_empty(), "it draws one date");
    let inspected = trainer(["inspect-data", folder.path().join("many").to_str().unwrap(), "--kind", "places"]);
    assert!(
        inspected.out.contains("samples by dates of their place: 2 dates: 50.0 %, 3 or more: 50.0 %"),
        "{}",
        inspected.out
    );
}

#[test]
fn contrast_without_groups_is_warned_of() {
    let said = |change: &str| trainer(["pretrain", "--preset", "seco", "--dry-run", "--set", change]).err;
    assert!(said("method.norm_splits=1").contains("a query shares its batch statistics with its positive"));
    assert!(said("method.shuffle_bn=false").contains("normalised with the same companions"));
    assert!(!said("method.norm_splits=4").contains("companions"));
}

#[test]
fn places_are_found_again_and_what_moves_an_embedding_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (data, run, out) = (folder.path().join("data"), folder.path().join("run"), folder.path().join("out"));
    places(&data, &[3; 8]);
    let mut args = small_run(&data, &run);
    args[4] = args[4].replace("kind=folder", "kind=places");
    let answer = trainer(args);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let source = format!("kind=places,path={}", data.display());
    let run = run.display().to_string();
    let seasons = |source: &str| {
        trainer([
            "seasons",
            "--encoder",
            &run,
            "--data",
            source,
            "--device",
            "cpu",
            "--px",
            "24",
            "--out",
            out.to_str().unwrap(),
        ])
    };
    let answer = seasons(&source);
    assert_eq!(answer.code, 0, "{}", answer.err);
    for space in ["mean of the last feature map", "random weights", "image statistics"] {
        assert!(answer.out.contains(space), "{}", answer.out);
    }
    let found: serde_json::Value = serde_json::from_slice(&fs::read(out.join("seasons.json")).unwrap()).unwrap();
    assert_eq!((&found["places"], &found["pictures"]), (&8.into(), &24.into()));
    let statistics = found["spaces"].as_array().unwrap().iter().find(|s| s["space"] == "image statistics").unwrap();
    assert_eq!(statistics["retrieval"]["rank_1"], 1.0, "colours alone tell these places apart: {statistics}");
    assert_eq!(statistics["retrieval"]["mean_average_precision"], 1.0);
    let moved: std::collections::BTreeMap<String, f64> =
        statistics["moved"].as_array().unwrap().iter().map(|m| serde_json::from_value(m.clone()).unwrap()).collect();
    assert!(moved["season"] < 0.3 && moved["flip"] < 1e-6 && moved["colour"] > moved["season"], "{moved:?}");
    places(&folder.path().join("single"), &[1; 3]);
    let single = seasons(&format!("kind=places,path={}", folder.path().join("single").display()));
    assert_eq!(single.code, 2);
    assert!(single.err.contains("has one date a place\nhint: "), "{}", single.err);
}
