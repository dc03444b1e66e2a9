//! What shuffled batch normalisation stops: with the same companions on both sides, contrast finds positives by the
//! statistics of their group. k-NN does not tell the two apart in a run this small (its standard error is 3 points).

use crate::trainer;
use std::path::Path;

/// Mean contrastive accuracy over the last third of a small run on the embedded tiles, normalised in groups of two.
fn contrastive_accuracy(out: &Path, shuffle_bn: bool) -> f64 {
    let demo = solstice_tests::repository().join("public/demo");
    let source = format!(
        "kind=folder,path={},split={}",
        demo.join("eurosat.tar").display(),
        demo.join("eurosat_train.csv").display()
    );
    let shuffle_bn = format!("method.shuffle_bn={shuffle_bn}");
    let mut args = vec!["pretrain", "--preset", "demo", "--device", "cpu", "--data", &source, "--out"];
    args.push(out.to_str().unwrap());
    for change in [
        &shuffle_bn,
        "method.norm_splits=32",
        "train.epochs=12",
        "train.batch=64",
        "train.crop_px=[[0,16]]",
        "run.samples_per_epoch=0",
    ] {
        args.extend(["--set", change]);
    }
    let answer = trainer(args);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let text = std::fs::read_to_string(out.join("metrics.csv")).unwrap();
    let mut lines = text.lines();
    let column = lines.next().unwrap().split(',').position(|name| name == "contrastive_accuracy").unwrap();
    let all: Vec<f64> = lines.map(|line| line.split(',').nth(column).unwrap().parse().unwrap()).collect();
    let last = &all[all.len() * 2 / 3..];
    last.iter().sum::<f64>() / last.len() as f64
}

#[test]
fn a_leak_raises_contrastive_accuracy() {
    let folder = tempfile::tempdir().unwrap();
    let with = contrastive_accuracy(&folder.path().join("shuffled"), true);
    let without = contrastive_accuracy(&folder.path().join("leaking"), false);
    assert!(without > 2.0 * with, "{without} with the same companions, {with} with others");
}
