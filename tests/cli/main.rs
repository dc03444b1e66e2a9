//! The trainer as a user meets it: exit codes, one line and one hint for every kind of bad input, and whole small runs,
//! driven in process on data that the tests make.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod bad_input;
mod gather;
mod resume;
mod site;
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
