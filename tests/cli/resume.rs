//! A run that is killed goes on bit for bit as if it never had been.

use crate::distill::small_distillation;
use crate::marta::small_marta;
use crate::superres::small_job;
use crate::{site, small_cluster_run, small_run, trainer};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

fn weights(run: &Path) -> Vec<u8> {
    fs::read(run.join("encoder.safetensors")).unwrap()
}

/// The tensors of a checkpoint, without its description.
fn tensors(run: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = fs::read(run.join("checkpoint.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<_> = file.iter().map(|(name, view)| (name.to_owned(), view.data().to_vec())).collect();
    tensors.sort();
    tensors
}

/// This test program, asked to run one trainer command line: a process that can be killed.
fn start(args: &[String]) -> std::process::Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "resume::as_a_process", "--nocapture", "--test-threads=1"]);
    command.env("SOLSTICE_ARGS", args.join("\u{1f}"));
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Not a check of its own: what [`start`] runs. Without arguments in the environment it has nothing to do.
#[test]
fn as_a_process() {
    if let Ok(args) = std::env::var("SOLSTICE_ARGS") {
        let answer = trainer(args.split('\u{1f}').map(str::to_owned));
        std::process::exit(answer.code);
    }
}

#[test]
fn killed_at_random_points_a_run_ends_with_the_same_weights() {
    kill_again_and_again(3, |data, out| {
        let mut args = small_run(data, out);
        args.extend(["--set".into(), "train.epochs=5".into()]);
        args
    });
}

#[test]
fn killed_between_and_inside_clusterings_a_run_ends_with_the_same_weights() {
    kill_again_and_again(3, |data, out| small_cluster_run("deeper-cluster", data, out));
}

#[test]
fn a_student_killed_at_random_points_ends_with_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let (tiles, teacher) = (folder.path().join("tiles"), folder.path().join("teacher"));
    site::tiles(&tiles, 12);
    assert_eq!(trainer(small_cluster_run("moclr", &tiles, &teacher)).code, 0);
    kill_again_and_again(2, |data, out| {
        let mut args = small_distillation(&teacher, data, out);
        args.extend(["--set".into(), "method.targets=view".into()]);
        args
    });
}

#[test]
fn divide_and_contrast_killed_in_any_phase_ends_with_the_same_weights() {
    kill_again_and_again(4, |data, out| {
        let mut args = small_cluster_run("dnc", data, out);
        args.extend(["--set".into(), "train.epochs=2".into()]);
        args
    });
}

#[test]
fn two_networks_killed_at_random_points_end_with_the_same_weights() {
    kill_again_and_again(3, |data, out| small_marta(data, out, "encoder"));
}

#[test]
fn moclr_killed_at_random_points_ends_with_the_same_weights() {
    kill_again_and_again(3, |data, out| small_cluster_run("moclr", data, out));
}

#[test]
fn an_enlargement_killed_at_random_points_ends_with_the_same_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let job =
        |out: &Path| small_job(folder.path(), out, &["--checkpoint-secs", "0", "--window", "8", "--overlap", "4"]);
    let answer = trainer(job(&whole));
    assert_eq!(answer.code, 0, "{}", answer.err);
    let args = job(&broken);
    let kills = kill_until(|| broken.join("metrics.json").exists(), || args.clone());
    assert!(kills >= 3, "the job was over after {kills} kills");
    for mode in ["detail", "dip", "mip"] {
        let picture = |out: &Path| fs::read(out.join(format!("{mode}.png"))).unwrap();
        assert!(picture(&whole) == picture(&broken), "{mode}, byte for byte");
    }
    let fits = |out: &Path| {
        let text = fs::read(out.join("metrics.json")).unwrap();
        let metrics: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let results = metrics["results"].as_array().unwrap().iter();
        results.map(|entry| (entry["fits"].clone(), entry["quality"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(fits(&whole), fits(&broken));
}

/// Trains once without interruption and once killed at ever later moments; `args` makes the command line of a run on
/// some data into some folder.
fn kill_again_and_again(least_kills: usize, args: impl Fn(&Path, &Path) -> Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    site::tiles(&data, 32);
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let answer = trainer(args(&data, &whole));
    assert_eq!(answer.code, 0, "{}", answer.err);

    let first = args(&data, &broken);
    let resume: Vec<String> =
        ["pretrain", "--device", "cpu", "--resume", &broken.display().to_string()].map(String::from).to_vec();
    let kills = kill_until(
        || broken.join("encoder.safetensors").exists(),
        // A run killed before its configuration was written has nothing to resume: the folder is empty.
        || if broken.join("config.toml").exists() { resume.clone() } else { first.clone() },
    );
    assert!(kills >= least_kills, "the run was over after {kills} kills");
    assert!(weights(&broken) == weights(&whole), "the encoder's file, byte for byte");
    if phases(&whole).is_empty() {
        assert_same_run(&whole, &broken);
    }
    for phase in phases(&whole) {
        assert_same_run(&whole.join(&phase), &broken.join(&phase));
    }
}

/// Starts the command line that `args` makes and kills it at ever later moments, until `is_done`; how often it was killed.
fn kill_until(is_done: impl Fn() -> bool, args: impl Fn() -> Vec<String>) -> usize {
    let mut kills = 0;
    // Ever later moments, spread by a linear congruence: during start-up, inside a step, while a checkpoint is written.
    let mut moment: u64 = 12345;
    for attempt in 0..200 {
        let mut child = start(&args());
        moment = (moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)) >> 1;
        std::thread::sleep(Duration::from_millis(20 + moment % (120 + 25 * attempt)));
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
        if is_done() {
            break;
        }
    }
    kills
}

/// The folders of the phases of a run that has several.
fn phases(run: &Path) -> Vec<String> {
    let folders = fs::read_dir(run).unwrap().map(|entry| entry.unwrap()).filter(|entry| entry.path().is_dir());
    let names = folders.map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| name != "generated").collect()
}

fn assert_same_run(whole: &Path, broken: &Path) {
    assert!(tensors(broken) == tensors(whole), "every weight, velocity, key and queue");
    assert!(weights(broken) == weights(whole), "the encoder's file, byte for byte");
    let pictures = |run: &Path| {
        let files = fs::read_dir(run.join("generated")).into_iter().flatten().map(|entry| entry.unwrap().path());
        let mut pictures: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "png")).collect();
        pictures.sort();
        pictures.iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>()
    };
    assert!(pictures(broken) == pictures(whole), "the tiles that were generated");
    // The log has every step once.
    let steps = |run: &Path| {
        let log = fs::read_to_string(run.join("events.jsonl")).unwrap();
        let events = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let steps = events
            .filter(|event| event["event"] == "step")
            .map(|event| (event["step"].to_string(), event["loss"].to_string()));
        steps.collect::<Vec<_>>()
    };
    assert_eq!(steps(broken), steps(whole));
}

#[test]
fn threads_do_not_change_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    site::tiles(&data, 16);
    let run = |threads: usize| {
        let out = folder.path().join(format!("run{threads}"));
        let mut args = small_run(&data, &out);
        args.extend(["--set".into(), format!("run.threads={threads}")]);
        assert_eq!(trainer(args).code, 0);
        tensors(&out)
    };
    assert!(run(1) == run(3), "other threads, other weights");
}

#[test]
fn a_complete_run_has_nothing_to_resume() {
    let folder = tempfile::tempdir().unwrap();
    let (data, run) = (folder.path().join("data"), folder.path().join("run"));
    site::tiles(&data, 12);
    assert_eq!(trainer(small_run(&data, &run)).code, 0);
    let before = weights(&run);
    let answer = trainer(["pretrain", "--resume", &run.display().to_string()]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(answer.err.contains("complete"));
    assert!(weights(&run) == before, "nothing was written");
}
