//! `trainer distill`: one encoder taught by another.

use crate::{Answer, site, small_cluster_run, trainer};
use std::fs;
use std::path::Path;

/// A tiny distillation of `teacher` on `data`.
pub fn small_distillation(teacher: &Path, data: &Path, out: &Path) -> Vec<String> {
    let text = |path: &Path| path.display().to_string();
    let source = format!("kind=folder,path={}", data.display());
    let mut args: Vec<String> =
        ["distill", "--teacher", &text(teacher), "--device", "cpu", "--data", &source].map(String::from).to_vec();
    args.extend(["--out".to_owned(), text(out)]);
    for change in [
        "train.epochs=4",
        "train.learning_rate=0.01",
        "train.batch=8",
        "train.crop_px=[[0,16]]",
        "train.checkpoint_secs=0",
        "encoder.architecture=compact-xs",
        "method.hidden=16",
        "method.dim=8",
        "method.centre_px=16",
    ] {
        args.extend(["--set".to_owned(), change.to_owned()]);
    }
    args
}

fn ok(answer: &Answer) {
    assert_eq!(answer.code, 0, "{}", answer.err);
}

#[test]
fn a_student_learns_from_any_encoder() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let data = path("data");
    site::tiles(&data, 20);
    ok(&trainer(small_cluster_run("moclr", &data, &path("teacher"))));
    for (name, changes) in [
        ("features", &["method.layer=features"][..]),
        ("projection", &["method.layer=projection"]),
        ("views", &["method.layer=projection", "method.targets=view"]),
    ] {
        let mut args = small_distillation(&path("teacher"), &data, &path(name));
        args.extend(changes.iter().flat_map(|change| ["--set".to_owned(), (*change).to_owned()]));
        ok(&trainer(args));
        let log = fs::read_to_string(path(name).join("events.jsonl")).unwrap();
        let losses: Vec<f64> = log
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .filter(|event| event["event"] == "step")
            .map(|event| event["loss"].as_f64().unwrap())
            .collect();
        assert_eq!(losses.len(), 20);
        assert!(losses[15..].iter().sum::<f64>() < losses[..5].iter().sum::<f64>(), "{name}: {losses:?}");
    }
    // What comes out is an encoder like any other, and can teach in its turn.
    let text = |name: &str| path(name).display().to_string();
    ok(&trainer([
        "export",
        "--encoder",
        &text("views"),
        "--out",
        &text("models"),
        "--name",
        "small",
        "--device",
        "cpu",
    ]));
    let exported = path("models").join("small.safetensors");
    ok(&trainer(small_distillation(&exported, &data, &path("again"))));
    let config = fs::read_to_string(path("again").join("config.toml")).unwrap();
    let teachers = fs::read_to_string(path("teacher").join("config.toml")).unwrap();
    let mean = |text: &str| text.parse::<toml::Table>().unwrap()["tiles"]["mean"].clone();
    assert_eq!(mean(&config).to_string(), mean(&teachers).to_string(), "the student takes over the normalisation");
}

#[test]
fn what_cannot_teach_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let data = path("data");
    site::tiles(&data, 12);
    let says = |answer: &Answer, code: i32, what: &str| {
        let lines: Vec<&str> = answer.err.lines().collect();
        let [.., error, hint] = lines.as_slice() else { panic!("{}", answer.err) };
        assert!(error.starts_with("error: ") && error.contains(what) && hint.starts_with("hint: "), "{}", answer.err);
        assert_eq!(answer.code, code, "{}", answer.err);
    };
    says(&trainer(small_distillation(&path("nobody"), &data, &path("run"))), 1, "nobody");
    ok(&trainer(small_cluster_run("rotnet", &data, &path("rotnet"))));
    let mut args = small_distillation(&path("rotnet"), &data, &path("run"));
    args.extend(["--set".to_owned(), "method.layer=projection".to_owned()]);
    says(&trainer(args), 1, "deeper-cluster");
    says(&trainer(["pretrain", "--preset", "distill", "--dry-run"]), 2, "no teacher");
    let source = format!("kind=mosaic,path={}", data.display());
    let mut args = small_distillation(&path("rotnet"), &data, &path("run"));
    let at = args.iter().position(|arg| arg.starts_with("kind=")).unwrap();
    args[at] = format!("{source},window_px=16");
    says(&trainer(args), 2, "draws its windows anew");
}

#[test]
fn divide_and_contrast_goes_through_its_phases() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let data = path("data");
    site::tiles(&data, 40);
    let plan = trainer(["pretrain", "--preset", "dnc", "--dry-run"]);
    assert!(plan.out.contains("shared by the experts"), "{}", plan.out);
    for (name, changes, parts) in [
        ("both", &[][..], &["base", "expert"][..]),
        (
            "random",
            &["dnc.random_partition=true", "dnc.distill.targets=centre", "dnc.distill.centre_px=16"],
            &["base", "expert"],
        ),
    ] {
        let mut args = small_cluster_run("dnc", &data, &path(name));
        args.extend(changes.iter().flat_map(|change| ["--set".to_owned(), (*change).to_owned()]));
        ok(&trainer(args));
        for phase in ["base", "expert0", "expert1", "student"] {
            assert!(path(name).join(phase).join("encoder.safetensors").is_file(), "{phase}");
        }
        let log = fs::read_to_string(path(name).join("student/events.jsonl")).unwrap();
        assert!(parts.iter().all(|part| log.contains(&format!("[\"{part}\","))), "{name}: both losses are logged");
        // The experts shared ten steps an epoch by the sizes of their clusters.
        let steps = |expert: &str| {
            let log = fs::read_to_string(path(name).join(expert).join("events.jsonl")).unwrap();
            log.matches("\"event\":\"step\"").count()
        };
        assert_eq!(steps("expert0") + steps("expert1"), 3 * 10, "{name}");
    }
    let text = |name: &str| path(name).display().to_string();
    let answer =
        trainer(["evaluate", "--encoder", &text("both"), "--data", &text("data"), "--device", "cpu", "--px", "16"]);
    ok(&answer);
    assert!(answer.out.contains("dnc compact-xs"), "{}", answer.out);
    ok(&trainer(["export", "--encoder", &text("both"), "--out", &text("models"), "--device", "cpu"]));
    let answer = trainer(["pretrain", "--resume", &text("both"), "--device", "cpu"]);
    assert!(answer.code == 0 && answer.err.contains("complete"), "{}", answer.err);
    let answer = trainer(["pretrain", "--preset", "dnc", "--set", "dnc.clusters=1", "--dry-run"]);
    assert!(answer.code == 2 && answer.err.contains("dnc.clusters"), "{}", answer.err);
}
