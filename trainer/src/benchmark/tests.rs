//! The shipped tasks, and whole runs of the command on small trees.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use shared::artifact::Training;
use shared::bands::Bands;
use shared::encoder::{Architecture, EncoderConfig, Stem};
use shared::preprocess::Normalisation;

use super::*;
use crate::encoder_file::{EncoderDescription, load_encoder, write_encoder};
use crate::parts::initialise::random_encoder_weights;

/// What a command line answered: exit code, results, and all else.
fn trainer(args: &[&str]) -> (i32, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let args = std::iter::once("trainer").chain(args.iter().copied());
    let code = crate::run(args, &mut out, &mut err, false);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

/// Class folders of coloured pictures, as EuroSAT names them.
fn class_folders(root: &Path, each: usize) {
    for (class, colour) in [("Forest", [40, 90, 50]), ("River", [30, 60, 120]), ("Industrial", [150, 140, 140])] {
        fs::create_dir_all(root.join(class)).unwrap();
        for index in 0..each {
            let picture = RgbImage::from_fn(24, 24, |x, y| {
                let noise = (x * 7 + y * 13 + index as u32 * 31) % 40;
                Rgb(colour.map(|value: u8| value.saturating_add(noise as u8)))
            });
            picture.save(root.join(class).join(format!("{class}_{index}.png"))).unwrap();
        }
    }
}

/// AiTLAS's lists for twelve pictures a class.
fn lists(data: &Path) {
    let list = |range: std::ops::Range<usize>| -> String {
        let classes = ["Forest", "River", "Industrial"];
        range.flat_map(|at| classes.map(|class| format!("{class}/{class}_{at}.png\n"))).collect()
    };
    for (name, range) in [("train", 0..6), ("val", 6..8), ("test", 8..12)] {
        fs::write(data.join(format!("aitlas_arena_{name}.csv")), list(range)).unwrap();
    }
}

#[test]
fn every_shipped_task_is_whole_and_survives_writing() {
    let tasks = Task::shipped().unwrap();
    assert_eq!(tasks.len(), 18);
    for task in &tasks {
        let text = toml::to_string_pretty(task).unwrap();
        assert_eq!(&Task::parse(&text, "written").unwrap(), task, "{}", task.name);
        for figure in &task.published {
            let protocol: Protocol = figure.protocol.parse().unwrap();
            assert!(protocol.suits(&task.what), "{}: {protocol}", task.name);
        }
        assert!(task.how_to_get.is_some() || !task.downloads.is_empty() || task.homepage.starts_with("http"));
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benchmarks");
    let files = fs::read_dir(folder).unwrap().count();
    assert_eq!(files, tasks.len(), "a file that is not shipped");
}

#[test]
fn task_files_that_contradict_themselves_are_refused() {
    let good = include_str!("../../benchmarks/eurosat-rgb.toml");
    for (from, to) in [
        ("version = 1", "version = 2"),
        ("name = \"eurosat-rgb\"", "name = \"Euro SAT\""),
        ("classes = 10", "classes = 1"),
        ("train = 0.6", "train = 1.6"),
        ("value = 93.14", "value = 931.4"),
        ("px = 64", "pixels = 64"),
        ("split = \"torchgeo-spatial\"", "split = \"unheard-of\""),
        ("file = \"EuroSAT.zip\"", "file = \"../EuroSAT.zip\""),
    ] {
        assert!(good.contains(from), "{from}");
        let error = Task::parse(&good.replacen(from, to, 1), "own.toml").unwrap_err().to_string();
        assert!(error.starts_with("own.toml: ") && error.contains("\nhint: "), "{to}: {error}");
    }
}

#[test]
fn scenes_are_measured_kept_and_not_measured_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    class_folders(&data.join("EuroSAT_RGB"), 24);
    let out = folder.path().join("out");
    let (data, out_text) = (data.display().to_string(), out.display().to_string());
    let args = [
        "benchmark",
        "--data",
        &data,
        "--task",
        "eurosat-rgb,aid",
        "--protocol",
        "knn,linear,few-shot",
        "--out",
        &out_text,
        "--device",
        "cpu",
    ];
    let (code, shown, said) = trainer(&args);
    assert_eq!(code, 0, "{said}");
    assert!(shown.contains("image statistics") && shown.contains("k-NN 5"), "{shown}");
    assert!(said.contains("not measured: aid: not there; looked for aid*.tar"), "{said}");
    let report = fs::read_to_string(out.join("report.md")).unwrap();
    for part in ["3 of 10 classes are here", "Published", "93.14", "OneDrive", "Licence: MIT", "10 draws|1 a class"] {
        let (first, second) = part.split_once('|').unwrap_or((part, part));
        assert!(report.contains(first) || report.contains(second), "{part}: {report}");
    }
    let json: serde_json::Value = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(json["rows"].as_array().unwrap().len(), 3);
    assert!(fs::read_to_string(out.join("report.svg")).unwrap().starts_with("<svg"));
    let (code, again, said) = trainer(&args);
    assert_eq!((code, again), (0, shown));
    assert!(said.contains("3 results were there already"), "{said}");
    let json_again: serde_json::Value = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(json, json_again);
}

#[test]
fn lists_decide_the_parts() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    class_folders(&data.join("2750"), 12);
    lists(&data);
    let task = Task::shipped().unwrap().remove(0);
    let folders = DataFolders { folders: vec![data.clone()], named: Vec::new() };
    let mut warnings = Vec::new();
    let set = scenes::SceneSet::open(&task, &data.join("2750"), None, &mut warnings).unwrap();
    let parts = set.draws(&task.splits[0], &folders, 0, 0, &mut warnings).unwrap().unwrap();
    assert_eq!((parts.len(), parts[0].counts(), parts[0].is_carved), (1, [18, 6, 12], false));
    assert!(set.notes(&parts, None).is_empty(), "{:?}", set.notes(&parts, None));
    assert_eq!(set.draws(&task.splits[1], &folders, 0, 0, &mut warnings).unwrap(), None, "lists that are not there");
    let leaking = scenes::Parts { test: parts[0].train.clone(), ..parts[0].clone() };
    assert!(set.notes(&[leaking], None)[0].contains("18 test pictures are learned from too"));
}

/// An encoder file with random weights.
fn encoder_file(path: &Path) {
    let encoder = EncoderConfig { architecture: Architecture::CompactXs, stem: Stem::Small, bands: 3 };
    let description = EncoderDescription {
        encoder,
        bands: Bands::rgb(),
        normalisation: Normalisation::new(vec![0.4; 3], vec![0.2; 3]).unwrap(),
        input_px: 24,
        training: Training { method: "none".into(), data: "none".into(), epochs: 0, seed: 0, steps: 0 },
    };
    let weights = random_encoder_weights(&encoder, 3).into_values().collect();
    write_encoder(path, &description, weights, &[]).unwrap();
}

#[test]
fn an_encoder_is_fine_tuned_kept_and_judged_beside_its_random_twin() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    class_folders(&data.join("2750"), 12);
    lists(&data);
    let encoder = folder.path().join("own.safetensors");
    encoder_file(&encoder);
    let out = folder.path().join("out");
    let paths = [&data, &encoder, &out].map(|path| path.display().to_string());
    let args = [
        "benchmark",
        "--data",
        &paths[0],
        "--encoder",
        &paths[1],
        "--out",
        &paths[2],
        "--task",
        "eurosat-rgb",
        "--protocol",
        "torchgeo-bench,seco-linear,fine-tune",
        "--epochs",
        "2",
        "--device",
        "cpu",
    ];
    let (code, shown, said) = trainer(&args);
    assert_eq!(code, 0, "{said}");
    let report: serde_json::Value = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    let rows = report["rows"].as_array().unwrap();
    let count = |protocol: &str| rows.iter().filter(|row| row["protocol"] == protocol).count();
    // Statistics have no weights to train.
    assert_eq!([count("torchgeo-bench"), count("seco-linear"), count("fine-tune")], [3, 2, 2], "{shown}");
    assert!(shown.contains("own") && shown.contains("random compact-xs"), "{shown}");
    let tuned = out.join("results/eurosat-rgb/aitlas/own/fine-tune/encoder.safetensors");
    let (before, after) = (load_encoder(&encoder).unwrap(), load_encoder(&tuned).unwrap());
    assert_eq!(after.description, before.description);
    assert_ne!(after.weights["conv1.weight"], before.weights["conv1.weight"]);
    assert_eq!(after.weights["head.weight"].shape, [3, 192]);
    let work = fs::read_dir(out.join("results/eurosat-rgb/aitlas/own")).unwrap();
    let left: Vec<String> = work.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert!(left.iter().all(|name| !name.contains("work-")), "{left:?}");
}

#[test]
fn a_broken_data_set_does_not_end_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    class_folders(&data.join("RSSCN7"), 6);
    for part in
        ["A/train_1.png", "B/train_1.png", "label/train_1.png", "A/train_2.png", "B/train_2.png", "label/train_2.png"]
            .into_iter()
            .chain(["A/test_1.png", "B/test_1.png", "label/test_1.png"])
    {
        fs::create_dir_all(data.join("LEVIR-CD").join(part).parent().unwrap()).unwrap();
        fs::write(data.join("LEVIR-CD").join(part), b"no picture").unwrap();
    }
    let (data, out) = (data.display().to_string(), folder.path().join("out").display().to_string());
    let (code, shown, said) = trainer(&[
        "benchmark",
        "--data",
        &data,
        "--task",
        "levir-cd,rsscn7",
        "--protocol",
        "tiny,knn",
        "--out",
        &out,
        "--device",
        "cpu",
    ]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("1 data sets broke off, levir-cd") && said.contains("cannot use"), "{said}");
    assert!(shown.contains("k-NN 5"), "{shown}");
    assert!(fs::read_to_string(folder.path().join("out/report.md")).unwrap().contains("## Broken off"));
}

#[test]
fn bad_usage_is_told_in_a_line_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out").display().to_string();
    let here = folder.path().display().to_string();
    for (args, expected) in [
        (vec!["benchmark", "--out", &out], "no data"),
        (vec!["benchmark", "--out", &out, "--data", "/nowhere-at-all"], "no folder /nowhere-at-all"),
        (vec!["benchmark", "--out", &out, "--data", &here, "--task", "eurosta"], "no task \"eurosta\""),
        (vec!["benchmark", "--out", &out, "--data", &here, "--split", "first"], "no task has a split"),
        (vec!["benchmark", "--out", &out, "--at", "aid=/nowhere-at-all"], "nothing at /nowhere-at-all"),
        (vec!["benchmark", "--out", &out, "--data", &here, "--no-baselines"], "nothing to measure"),
    ] {
        let (code, _, said) = trainer(&args);
        assert!(code == 2 && said.contains(expected) && said.contains("hint: "), "{args:?}: {code} {said}");
    }
    let (code, _, said) = trainer(&["benchmark", "--out", &out, "--data", &here, "--rate", "0"]);
    assert!(code == 2 && said.contains("a number above 0"), "{code} {said}");
    let (code, shown, _) = trainer(&["benchmark", "--list", "--data", &here]);
    assert!(code == 0 && shown.contains("levir-cd") && shown.contains("not found"), "{shown}");
    let (code, shown, _) = trainer(&["benchmark", "--print-task", "oscd"]);
    assert_eq!((code, Task::parse(&shown, "printed").unwrap().name.as_str()), (0, "oscd"));
}
