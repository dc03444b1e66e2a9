//! `trainer study`: a grid of runs in sequence or by shard, stopped and gone on with, and its table.

use crate::{site, trainer};
use std::fs;
use std::path::Path;

const GRID: &str = "preset = \"luperson\"
set = [\"encoder.architecture=compact-xs\", \"encoder.stem=small\", \"method.queue=32\", \"method.norm_splits=1\",
       \"train.epochs=1\", \"train.batch=8\", \"train.crop_px=[[0,16]]\", \"tiles.input_px=16\"]
temperatures = [0.1, 0.2]
seeds = [1]
[[views]]
name = \"plain\"
view = [{ flip_horizontal = { p = 0.5 } }]
[[views]]
name = \"erasing\"
view = [{ random_erasing = { scale = [0.02, 0.6], ratio = [0.3, 3.3], p = 0.5 } }]
";

fn study(folder: &Path, out: &str, extra: &[&str]) -> crate::Answer {
    let path = |name: &str| folder.join(name).display().to_string();
    let list = |range: std::ops::Range<usize>| -> String {
        let pair = |index| format!("Field/Field_{index}.jpg,Field\nWater/Water_{index}.jpg,Water\n");
        range.map(pair).collect()
    };
    if !folder.join("data").exists() {
        site::tiles(&folder.join("data"), 20);
        fs::write(folder.join("train.csv"), list(0..12)).unwrap();
        fs::write(folder.join("val.csv"), list(12..20)).unwrap();
        fs::write(folder.join("grid.toml"), GRID).unwrap();
    }
    let mut args: Vec<String> = ["study", "--device", "cpu", "--grid"].map(String::from).to_vec();
    args.extend([path("grid.toml"), "--data".into(), format!("kind=folder,path={}", path("data"))]);
    args.extend(["--labelled".into(), path("data"), "--train-split".into(), path("train.csv")]);
    args.extend(["--val-split".into(), path("val.csv"), "--out".into(), path(out)]);
    args.extend(extra.iter().map(ToString::to_string));
    trainer(args)
}

#[test]
fn shards_and_a_second_call_make_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let whole = study(folder.path(), "whole", &[]);
    assert_eq!(whole.code, 0, "{}", whole.err);
    assert!(whole.out.contains("what helped") && whole.out.contains("4 of 4 runs"), "{}", whole.out);
    for file in
        ["study.md", "study.svg", "study.toml", "erasing-t0.2-s1/encoder.safetensors", "plain-t0.1-s1/score.json"]
    {
        assert!(folder.path().join("whole").join(file).is_file(), "{file}");
    }
    let first = study(folder.path(), "parts", &["--shard", "1/2"]);
    assert!(
        first.out.contains("2 of 4 runs") && first.err.contains("2 runs are missing"),
        "{}{}",
        first.out,
        first.err
    );
    // One run of the other shard was stopped after training, before it was scored.
    let stopped = folder.path().join("parts/plain-t0.1-s1/score.json");
    fs::remove_file(stopped).unwrap();
    let second = study(folder.path(), "parts", &[]);
    assert_eq!(second.code, 0, "{}", second.err);
    let tables = |answer: &crate::Answer| answer.out[answer.out.find("augmentation").unwrap()..].to_owned();
    assert_eq!(tables(&second), tables(&whole), "the same runs, the same table");
    let again = study(folder.path(), "parts", &[]);
    assert!(
        tables(&again) == tables(&whole) && !again.err.contains("run 1 of 4"),
        "nothing is trained twice:\n{}",
        again.err
    );
}

#[test]
fn what_cannot_be_studied() {
    let folder = tempfile::tempdir().unwrap();
    let plan = study(folder.path(), "out", &["--dry-run"]);
    assert_eq!(plan.code, 0, "{}", plan.err);
    assert!(plan.out.contains("erasing-t0.2-s1") && plan.out.contains("multiply-adds"), "{}", plan.out);
    assert!(!folder.path().join("out").exists(), "nothing was made");
    for (from, to, what) in [
        ("\"luperson\"", "\"rotnet\"", "queue"),
        ("temperatures = [0.1, 0.2]", "temperatures = [0.1, -1.0]", "above 0"),
        ("name = \"erasing\"", "name = \"plain\"", "one name"),
    ] {
        fs::write(folder.path().join("grid.toml"), GRID.replacen(from, to, 1)).unwrap();
        let answer = study(folder.path(), "out", &[]);
        assert_eq!(answer.code, 2, "{}", answer.err);
        assert!(answer.err.contains(what) && answer.err.contains("\nhint: "), "{}", answer.err);
    }
    assert_eq!(study(folder.path(), "out", &["--shard", "3/2"]).code, 2);
    fs::write(folder.path().join("grid.toml"), GRID).unwrap();
    assert_eq!(study(folder.path(), "out", &["--shard", "2/2"]).code, 0);
    fs::write(folder.path().join("grid.toml"), GRID.replacen("seeds = [1]", "seeds = [1, 2]", 1)).unwrap();
    let answer = study(folder.path(), "out", &[]);
    assert!(answer.code == 2 && answer.err.contains("another grid"), "{}", answer.err);
}
