//! The trainer as a user meets it: exit codes, one line and one hint for every kind of bad input, and whole small runs,
//! driven in process on data that the tests make.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod bad_input;
mod bands;
mod cases;
mod distill;
mod divergence;
mod gather;
mod marta;
mod pretrained;
mod resume;
mod seasons;
mod seen;
mod shuffle_bn;
mod site;
mod study;
mod superres;
mod whole_job;

use std::ffi::OsString;
use std::path::Path;

/// What one command line answered.
pub struct Answer {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs the trainer in this process.
pub fn trainer<S: Into<OsString> + Clone>(args: impl IntoIterator<Item = S>) -> Answer {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let args = std::iter::once(OsString::from("trainer")).chain(args.into_iter().map(Into::into));
    let code = trainer::run(args, &mut out, &mut err, false);
    Answer { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

/// A tiny run of the `demo` recipe on `data`, two epochs of a few steps.
pub fn small_run(data: &Path, out: &Path) -> Vec<String> {
    let source = format!("kind=folder,path={}", data.display());
    let mut args: Vec<String> = ["pretrain", "--preset", "demo", "--data", &source].map(String::from).to_vec();
    args.extend(["--out".to_owned(), out.display().to_string()]);
    for change in [
        "run.device=cpu",
        "train.epochs=2",
        "train.batch=8",
        "train.crop_px=[[0,16]]",
        "train.schedule={kind=\"constant\"}",
        "train.checkpoint_secs=0",
        "method.queue=32",
        "method.norm_splits=2",
    ] {
        args.extend(["--set".to_owned(), change.to_owned()]);
    }
    args
}

/// A tiny run of one of the clustering presets, or of MoCLR, on `data`, five epochs of a few steps.
pub fn small_cluster_run(preset: &str, data: &Path, out: &Path) -> Vec<String> {
    let source = format!("kind=folder,path={}", data.display());
    let mut args: Vec<String> =
        ["pretrain", "--preset", preset, "--device", "cpu", "--data", &source].map(String::from).to_vec();
    args.extend(["--out".to_owned(), out.display().to_string()]);
    for change in [
        "train.epochs=5",
        "train.batch=8",
        "train.crop_px=[[0,16]]",
        "train.learning_rate=0.02",
        "train.checkpoint_secs=0",
        "encoder.architecture=compact-xs",
    ] {
        args.extend(["--set".to_owned(), change.to_owned()]);
    }
    if preset == "deeper-cluster" {
        for change in
            ["method.super_clusters=2", "method.sub_clusters=4", "method.every_epochs=2", "method.components=16"]
        {
            args.extend(["--set".to_owned(), change.to_owned()]);
        }
    } else if preset == "moclr" || preset == "dnc" {
        if preset == "dnc" {
            for change in [
                "dnc.clusters=2",
                "dnc.expert_epochs=3",
                "dnc.distill_epochs=2",
                "dnc.distill_learning_rate=0.02",
                "dnc.distill.hidden=16",
                "dnc.distill.dim=8",
            ] {
                args.extend(["--set".to_owned(), change.to_owned()]);
            }
        }
        for change in ["method.hidden=16", "method.dim=8", "encoder.stem=small"] {
            args.extend(["--set".to_owned(), change.to_owned()]);
        }
    } else if preset == "deep-cluster" {
        args.extend(["--set".to_owned(), "method.sub_clusters=6".to_owned()]);
    }
    args
}
