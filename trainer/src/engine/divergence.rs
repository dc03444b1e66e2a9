//! What to say when a run has left the finite numbers: which checkpoint is good, and how to go on from it.

use super::checkpoint::{self, Progress};
use std::path::Path;

/// The error of a run whose weights after `step` steps are spoilt, for `what` was found of them; the files at `checkpoint`
/// are looked at now.
///
/// A checkpoint of fewer steps is good: the loss of the step behind it was finite. One of `step` itself was written before
/// anyone knew.
pub(super) fn explain(checkpoint: &Path, what: &str, step: usize) -> anyhow::Error {
    let folder = checkpoint.parent().unwrap_or(Path::new("")).display();
    let whole = |path: &Path| Some(checkpoint::read::<Progress>(path, "checkpoint").ok()?.0.step);
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let previous = checkpoint::previous_of(checkpoint);
    let (newest_step, previous_step) = (whole(checkpoint), whole(&previous));
    let (newest, previous) = (name(checkpoint), name(&previous));
    let resume = format!("lower train.learning_rate in {folder}/config.toml, then trainer pretrain --resume {folder}");
    let hint = match (newest_step, previous_step) {
        (Some(at), _) if at < step => format!("{newest} of step {at} is good: {resume}"),
        (_, Some(at)) if at < step => {
            format!("{previous} of step {at} is good: rename it to {newest}, {resume}")
        }
        _ => "no good checkpoint was saved: start again with a lower train.learning_rate".to_owned(),
    };
    anyhow::anyhow!("{what} after step {step}: the training has diverged\nhint: {hint}")
}
