//! Every kind of bad input: the exit code, one line that says what and where, one hint.

use crate::{Answer, site, small_cluster_run, small_run, trainer};
use std::fs;
use std::path::Path;

/// One `error:` line naming `what`, then one `hint:` line, and nothing else on the last two lines.
fn assert_says(answer: &Answer, code: i32, what: &str) {
    let lines: Vec<&str> = answer.err.lines().collect();
    let error = lines.iter().position(|line| line.starts_with("error: "));
    let error = error.unwrap_or_else(|| panic!("no error line in:\n{}", answer.err));
    assert!(lines[error].contains(what), "{what:?} is not in: {}", lines[error]);
    assert!(lines.get(error + 1).is_some_and(|line| line.starts_with("hint: ")), "no hint after: {}", lines[error]);
    assert_eq!(lines.len(), error + 2, "something follows the hint:\n{}", answer.err);
    assert_eq!(answer.code, code, "{}", answer.err);
}

fn pretrain_with(data: &Path, extra: &[&str]) -> Answer {
    let out = tempfile::tempdir().unwrap();
    let mut args = small_run(data, &out.path().join("run"));
    args.extend(extra.iter().map(ToString::to_string));
    trainer(args)
}

fn data() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    site::tiles(folder.path(), 12);
    folder
}

#[test]
fn a_missing_folder() {
    let answer = pretrain_with(Path::new("no/such/folder"), &[]);
    assert_says(&answer, 1, "no/such/folder");
}

#[test]
fn an_empty_folder() {
    let empty = tempfile::tempdir().unwrap();
    let answer = pretrain_with(empty.path(), &[]);
    assert_says(&answer, 1, &empty.path().display().to_string());
}

#[test]
fn one_corrupt_picture_among_good_ones_is_named_and_the_run_goes_on() {
    let data = data();
    fs::write(data.path().join("Field/Field_3.jpg"), b"\xff\xd8\xff\xe0 no picture").unwrap();
    let answer = pretrain_with(data.path(), &[]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(answer.err.contains("warning: ") && answer.err.contains("Field_3.jpg"), "{}", answer.err);
}

#[test]
fn nothing_but_corrupt_pictures() {
    let data = tempfile::tempdir().unwrap();
    fs::create_dir(data.path().join("Field")).unwrap();
    for index in 0..16 {
        fs::write(data.path().join(format!("Field/{index}.jpg")), "text").unwrap();
    }
    let answer = pretrain_with(data.path(), &[]);
    assert_eq!(answer.code, 1, "{}", answer.err);
    assert!(answer.err.contains("error: ") && answer.err.contains("hint: "), "{}", answer.err);
}

#[test]
fn another_number_of_bands() {
    let data = data();
    let answer = pretrain_with(
        data.path(),
        &["--set", "tiles.bands=[\"B08\",\"B04\"]", "--set", "tiles.mean=[0.5,0.5]", "--set", "tiles.std=[0.2,0.2]"],
    );
    assert_says(&answer, 2, "3 bands");
}

#[test]
fn unknown_keys_and_values() {
    let data = data();
    assert_says(&pretrain_with(data.path(), &["--set", "train.epoch=3"]), 2, "\"epoch\"");
    assert_says(&pretrain_with(data.path(), &["--set", "train.epochs"]), 2, "key=value");
    assert_says(&pretrain_with(data.path(), &["--set", "train.epochs=many"]), 2, "configuration");
    assert_says(&pretrain_with(data.path(), &["--set", "method.queue=33"]), 2, "method.queue");
    assert_says(&pretrain_with(data.path(), &["--set", "run.device=tpu"]), 2, "\"tpu\"");
    assert_says(&pretrain_with(data.path(), &["--set", "run.device=wgpu:discrete:7"]), 2, "wgpu:discrete:7");
    assert_says(&trainer(["pretrain", "--preset", "moco-v9", "--print-config"]), 2, "\"moco-v9\"");
    assert_says(&trainer(["pretrain", "--preset", "seco", "--out", "x", "--set", "run.device=cpu"]), 2, "no data");
    let own = tempfile::tempdir().unwrap();
    let file = own.path().join("own.toml");
    fs::write(&file, "[train]\nepohcs = 3\n").unwrap();
    let file = file.display().to_string();
    assert_says(&trainer(["pretrain", "--preset", "seco", "--config", &file, "--print-config"]), 2, "epohcs");
}

#[test]
fn a_precision_that_the_device_does_not_compute_in() {
    let data = data();
    // Vulkan stores bf16 and converts it, and has no arithmetic in it.
    let answer = pretrain_with(data.path(), &["--set", "run.device=wgpu", "--set", "train.precision=bf16"]);
    assert_eq!(answer.code, 2, "{}", answer.err);
    assert!(answer.err.contains("does not compute in it") && answer.err.contains("hint: "), "{}", answer.err);
}

#[test]
fn clusterings_that_cannot_be() {
    let data = data();
    let run = |changes: &[&str]| {
        let out = tempfile::tempdir().unwrap();
        let mut args = small_cluster_run("deeper-cluster", data.path(), &out.path().join("run"));
        args.extend(changes.iter().flat_map(|change| ["--set".to_owned(), (*change).to_owned()]));
        trainer(args)
    };
    assert_says(&run(&["method.rotations=3"]), 2, "method.rotations");
    assert_says(&run(&["method.sub_clusters=0"]), 2, "at least 1");
    assert_says(&run(&["method.sub_clusters=50"]), 1, "24 tiles");
}

#[test]
fn a_run_is_never_overwritten() {
    let (data, out) = (data(), tempfile::tempdir().unwrap());
    let run = out.path().join("run");
    fs::create_dir(&run).unwrap();
    fs::write(run.join("notes.txt"), "mine").unwrap();
    assert_says(&trainer(small_run(data.path(), &run)), 2, "not overwritten");
    assert_eq!(fs::read_dir(&run).unwrap().count(), 1, "nothing was added");
}

#[test]
fn scraps_of_a_run_killed_at_once_are_in_nobodys_way() {
    let (data, out) = (data(), tempfile::tempdir().unwrap());
    let run = out.path().join("run");
    fs::create_dir(&run).unwrap();
    fs::write(run.join(".writing-x7Yq2a"), "[meth").unwrap();
    let answer = trainer(small_run(data.path(), &run));
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(run.join("encoder.safetensors").is_file());
}

#[test]
fn an_encoder_that_is_not_there_or_from_the_future() {
    let data = data();
    let path = data.path().display().to_string();
    assert_says(
        &trainer(["evaluate", "--encoder", "no/such/run", "--data", &path, "--device", "cpu"]),
        1,
        "no/such/run",
    );
    let future = data.path().join("future.safetensors");
    let metadata =
        std::collections::HashMap::from([("solstice".to_owned(), "{\"format_version\":999,\"new\":true}".to_owned())]);
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1], &[0; 4]).unwrap();
    let bytes = safetensors::serialize([("encoder.conv1.weight", view)], Some(metadata)).unwrap();
    fs::write(&future, bytes).unwrap();
    let file = future.display().to_string();
    assert_says(&trainer(["evaluate", "--encoder", &file, "--data", &path, "--device", "cpu"]), 1, "999");
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let data = data();
    let disk = tempfile::tempdir().unwrap();
    // 64 KiB: room for the configuration, not for a checkpoint. Mounting takes privileges that a user may not have.
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(disk.path())
        .status()
        .is_ok_and(|status| status.success());
    // Everywhere else /dev/full stands in: a device that is always full.
    let answer = if mounted {
        trainer(small_run(data.path(), &disk.path().join("run")))
    } else {
        let run = disk.path().join("run");
        fs::create_dir(&run).unwrap();
        std::os::unix::fs::symlink("/dev/full", run.join("checkpoint.safetensors.tmp")).unwrap();
        let args = small_run(data.path(), &disk.path().join("other"));
        let first = trainer(args);
        assert_eq!(first.code, 0, "{}", first.err);
        fs::copy(disk.path().join("other/config.toml"), run.join("config.toml")).unwrap();
        trainer(["pretrain", "--resume", &run.display().to_string(), "--device", "cpu"])
    };
    let whole = !disk.path().join("run/checkpoint.safetensors").exists();
    let left: Vec<_> = walk(disk.path()).into_iter().filter(|name| name.ends_with(".tmp")).collect();
    if mounted {
        let _ = std::process::Command::new("umount").arg(disk.path()).status();
    }
    assert_says(&answer, 1, "cannot write");
    assert!(whole && left.is_empty(), "left behind: {left:?}");
}

fn walk(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path.display().to_string()] }).collect()
}
