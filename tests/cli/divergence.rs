//! Checkpoints that survive: a training that diverges and a damaged file leave something good to go on from.

use crate::{Answer, site, small_run, trainer};
use std::fs;
use std::path::Path;

/// A run of three epochs whose learning rate is multiplied by `factor` when the second begins, with a checkpoint after
/// every step or (`secs` large) every epoch.
fn run(data: &Path, out: &Path, factor: &str, secs: &str) -> Answer {
    let mut args = small_run(data, out);
    for change in [
        "train.epochs=3".to_owned(),
        format!("train.schedule={{kind=\"step\",epochs=[1],factor={factor}}}"),
        format!("train.checkpoint_secs={secs}"),
    ] {
        args.extend(["--set".to_owned(), change]);
    }
    trainer(args)
}

/// What a user is told to do: lowers the learning rate in the run's configuration, here to where it was, and resumes.
fn heal_and_resume(out: &Path, factor: f64) -> Answer {
    let path = out.join("config.toml");
    let mut config: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    let found = std::mem::replace(&mut config["train"]["schedule"]["factor"], toml::Value::Float(1.0));
    assert_eq!(found.as_float(), Some(factor));
    fs::write(&path, config.to_string()).unwrap();
    resume(out)
}

fn resume(out: &Path) -> Answer {
    trainer(["pretrain", "--device", "cpu", "--resume", &out.display().to_string()])
}

fn same_encoder(one: &Path, other: &Path) -> bool {
    let read = |run: &Path| fs::read(run.join("encoder.safetensors")).unwrap();
    read(one) == read(other)
}

/// 32 tiles in batches of 8: four steps an epoch.
const STEPS: usize = 4;

#[test]
fn after_a_divergence_the_last_good_checkpoint_is_named_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let data = path("data");
    site::tiles(&data, 16);
    let straight = path("straight");
    let answer = run(&data, &straight, "1.0", "1000");
    assert_eq!(answer.code, 0, "{}", answer.err);

    // A checkpoint an epoch: the newest is from before the divergence.
    let newest = path("newest");
    let answer = run(&data, &newest, "1e30", "1000");
    assert_eq!(answer.code, 1, "{}", answer.err);
    let good = format!("hint: checkpoint.safetensors of step {STEPS} is good: lower train.learning_rate");
    assert!(answer.err.contains("the training has diverged\n") && answer.err.contains(&good), "{}", answer.err);
    let answer = heal_and_resume(&newest, 1e30);
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(same_encoder(&newest, &straight), "as if it had not diverged");

    // One a step: the newest holds what the divergence began with, finite but spoilt; the one before it is good.
    let before = path("before");
    let answer = run(&data, &before, "1e30", "0");
    assert_eq!(answer.code, 1, "{}", answer.err);
    let good = format!("checkpoint.previous.safetensors of step {STEPS} is good: rename it to checkpoint.safetensors");
    assert!(answer.err.contains(&good), "{}", answer.err);
    fs::rename(before.join("checkpoint.previous.safetensors"), before.join("checkpoint.safetensors")).unwrap();
    let answer = heal_and_resume(&before, 1e30);
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(same_encoder(&before, &straight), "as if it had not diverged");

    // An update that is no number at once: it is not written at all.
    let refused = path("refused");
    let answer = run(&data, &refused, "1e60", "0");
    assert_eq!(answer.code, 1, "{}", answer.err);
    let what = format!(" after step {}: the training has diverged\n", STEPS + 1);
    let good = format!("hint: checkpoint.safetensors of step {STEPS} is good");
    assert!(answer.err.contains(&what) && answer.err.contains(&good), "{}", answer.err);
    let answer = heal_and_resume(&refused, 1e60);
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(same_encoder(&refused, &straight), "as if it had not diverged");
}

#[test]
fn a_run_that_diverges_at_once_has_nothing_good() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("run"));
    site::tiles(&data, 16);
    let mut args = small_run(&data, &out);
    args.extend(["--set".to_owned(), "train.learning_rate=1e30".to_owned()]);
    let answer = trainer(args);
    assert_eq!(answer.code, 1, "{}", answer.err);
    assert!(answer.err.contains("hint: no good checkpoint was saved: start again"), "{}", answer.err);
    assert!(!out.join("encoder.safetensors").exists());
}

#[test]
fn a_damaged_checkpoint_is_set_aside_for_the_one_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let (data, straight, out) = (folder.path().join("data"), folder.path().join("straight"), folder.path().join("run"));
    site::tiles(&data, 16);
    for run_folder in [&straight, &out] {
        assert_eq!(run(&data, run_folder, "1.0", "0").code, 0);
    }
    let newest = out.join("checkpoint.safetensors");
    let whole = fs::read(&newest).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [&whole[..whole.len() / 2], b"", &flipped] {
        fs::remove_file(out.join("encoder.safetensors")).unwrap();
        fs::write(&newest, damaged).unwrap();
        let answer = resume(&out);
        assert_eq!(answer.code, 0, "{}", answer.err);
        let lines: Vec<&str> = answer.err.lines().filter(|line| line.starts_with("warning: ")).collect();
        assert!(lines.len() == 1 && lines[0].contains("checkpoint.safetensors is damaged"), "{}", answer.err);
        assert!(lines[0].contains("going on from") && lines[0].contains("checkpoint.previous.safetensors"));
        assert!(fs::read(out.join("checkpoint.damaged.safetensors")).unwrap() == *damaged, "nothing is thrown away");
        assert!(same_encoder(&out, &straight), "as if nothing had happened");
        assert!(fs::read(&newest).unwrap() == whole);
    }
    fs::remove_file(out.join("encoder.safetensors")).unwrap();
    for file in ["checkpoint.safetensors", "checkpoint.previous.safetensors"] {
        fs::write(out.join(file), &whole[..100]).unwrap();
    }
    let answer = resume(&out);
    assert_eq!(answer.code, 1, "{}", answer.err);
    assert!(answer.err.contains("error: ") && answer.err.contains("\nhint: "), "{}", answer.err);
}
