//! MARTA GANs from the command line: train, look at the tiles, evaluate with a support vector machine, export.

use crate::{Answer, site, trainer};
use std::fs;
use std::path::Path;

/// A tiny run on `data`, three epochs of a few steps.
pub fn small_marta(data: &Path, out: &Path, discriminator: &str) -> Vec<String> {
    let source = format!("kind=folder,path={}", data.display());
    let mut args: Vec<String> =
        ["pretrain", "--preset", "marta", "--device", "cpu", "--data", &source].map(String::from).to_vec();
    args.extend(["--out".to_owned(), out.display().to_string()]);
    for change in [
        "train.epochs=3",
        "train.batch=8",
        "train.checkpoint_secs=0",
        "train.crop_px=[[0,32]]",
        "tiles.input_px=32",
        "encoder.architecture=compact-xs",
        "method.px=32",
        "method.latent=8",
        "method.generator_width=16",
        &format!("method.discriminator={discriminator}"),
    ] {
        args.extend(["--set".to_owned(), change.to_owned()]);
    }
    args
}

fn ok(answer: &Answer) {
    assert_eq!(answer.code, 0, "{}", answer.err);
}

fn says(answer: &Answer, code: i32, what: &str) {
    let lines: Vec<&str> = answer.err.lines().collect();
    let [.., error, hint] = lines.as_slice() else { panic!("{}", answer.err) };
    assert!(error.starts_with("error: ") && error.contains(what) && hint.starts_with("hint: "), "{}", answer.err);
    assert_eq!(answer.code, code, "{}", answer.err);
}

fn events(run: &Path, kind: &str) -> Vec<serde_json::Value> {
    let log = fs::read_to_string(run.join("events.jsonl")).unwrap();
    let events = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    events.filter(|event| event["event"] == kind).collect()
}

#[test]
fn both_discriminators_are_trained_and_evaluated_and_one_is_exported() {
    let folder = tempfile::tempdir().unwrap();
    let (path, text) =
        (|name: &str| folder.path().join(name), |name: &str| folder.path().join(name).display().to_string());
    let data = path("data");
    site::tiles(&data, 20);
    for discriminator in ["encoder", "paper"] {
        let run = path(discriminator);
        ok(&trainer(small_marta(&data, &run, discriminator)));
        let steps = events(&run, "step");
        let names = |event: &serde_json::Value| {
            event["parts"].as_array().unwrap().iter().map(|part| part[0].to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(&steps[0]), ["\"real\"", "\"generated\"", "\"generator\"", "\"features\""]);
        let generated = events(&run, "generated");
        assert_eq!(generated.len(), 3, "a picture an epoch");
        for event in &generated {
            let picture = image::open(run.join(event["path"].as_str().unwrap())).unwrap();
            assert_eq!((picture.width(), picture.height()), (8 * 34 - 2, 8 * 34 - 2), "64 tiles of 32 px");
        }
        // After a dozen small steps a generator still makes nearly the same of all noise.
        assert!(generated[0]["spread"].as_f64().unwrap() < 0.1);
        let warnings = events(&run, "warning");
        assert!(warnings[0]["what"].as_str().unwrap().starts_with("epoch 1: the generator has collapsed"));

        let answer = trainer([
            "evaluate",
            "--encoder",
            &text(discriminator),
            "--data",
            &text("data"),
            "--device",
            "cpu",
            "--svm",
            "--k",
            "1",
            "--out",
            &text("results"),
        ]);
        ok(&answer);
        assert!(answer.out.contains("squared hinge, C = 1000"), "{}", answer.out);
        let results: serde_json::Value =
            serde_json::from_slice(&fs::read(path("results/results.json")).unwrap()).unwrap();
        for scores in results["scores"].as_array().unwrap() {
            let accuracy = scores["svm"]["accuracy"].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&accuracy), "{scores}");
        }
        let width = results["scores"][0]["width"].as_u64().unwrap();
        assert!(discriminator == "encoder" || width == (16 + 32 + 64) * 16, "the fusion layer: {width}");
    }
    let export = |run: &str| {
        trainer(["export", "--encoder", &text(run), "--out", &text("models"), "--name", "marta", "--device", "cpu"])
    };
    ok(&export("encoder"));
    assert!(path("models/marta.safetensors").is_file());
    says(&export("paper"), 2, "own discriminator");
    let answer = trainer(["evaluate", "--encoder", &text("paper"), "--data", &text("data"), "--px", "64"]);
    says(&answer, 2, "fusion layer at 32 px");
}

#[test]
fn an_unfinished_discriminator_can_be_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let (data, run) = (folder.path().join("data"), folder.path().join("run"));
    site::tiles(&data, 20);
    ok(&trainer(small_marta(&data, &run, "paper")));
    let arguments = || {
        let text = |path: &Path| path.display().to_string();
        [
            "evaluate".into(),
            "--encoder".into(),
            text(&run),
            "--data".into(),
            text(&data),
            "--device".into(),
            "cpu".into(),
        ]
    };
    let table = |answer: &Answer| answer.out.lines().find(|line| line.contains("marta")).map(str::to_owned);
    let finished = trainer::<String>(arguments());
    fs::remove_file(run.join("encoder.safetensors")).unwrap();
    let from_checkpoint = trainer::<String>(arguments());
    ok(&from_checkpoint);
    assert!(table(&finished).is_some() && table(&finished) == table(&from_checkpoint), "{}", from_checkpoint.out);
}

#[test]
fn what_does_not_fit_together_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    site::tiles(&data, 12);
    for (change, what) in [
        ("method.px=48", "not 48"),
        ("method.px=64", "tiles of 64 px"),
        ("tiles.std=[0.2,0.2,0.2]", "tanh"),
        ("method.generator_width=6", "method.generator_width"),
        ("method.generator_updates=0", "method.generator_updates"),
        ("method.feature_weight=-1", "method.feature_weight"),
        ("train.adam.beta1=1.0", "train.adam"),
        ("method.generator_adam.epsilon=0.0", "method.generator_adam"),
        ("train.precision=bf16", "single precision"),
        ("train.batch=1", "at least 2 tiles"),
        ("train.adma=3", "\"adma\""),
    ] {
        let mut args = small_marta(&data, &folder.path().join("run"), "paper");
        args.extend(["--set".to_owned(), change.to_owned()]);
        says(&trainer(args), 2, what);
    }
    let answer = trainer(["evaluate", "--encoder", "x", "--data", "y", "--svm", "0"]);
    assert!(answer.code == 2 && answer.err.contains("a number above 0"), "{}", answer.err);
}

#[test]
fn a_dry_run_knows_both_networks() {
    for (discriminator, figures) in [
        ("encoder", &["compact-s", "512-256-128-64-3 channels", "[64, 7168]"][..]),
        ("paper", &["a discriminator of 4 convolutions", "[64, 3584]"]),
    ] {
        let answer = trainer([
            "pretrain",
            "--preset",
            "marta",
            "--dry-run",
            "--set",
            &format!("method.discriminator={discriminator}"),
        ]);
        ok(&answer);
        assert!(figures.iter().all(|figure| answer.out.contains(figure)), "{}", answer.out);
    }
}
