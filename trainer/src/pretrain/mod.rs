//! Pre-training: from a configuration to a trained encoder in a run folder. One run is [`run`]; Divide and Contrast is several
//! of them, one a phase.

pub mod clusters;
mod online_knn;
mod phases;
mod plan;
mod pretrained;
mod run;
mod sources;
mod stop;
mod teachers;

pub use plan::{few_and_enough, print_plan};
pub use stop::{is_asked_to_stop, tell_when_asked};

use crate::config::RunConfig;
use crate::encoder_file::{CONFIG_FILE, ENCODER_FILE};
use crate::report::Reporter;
use std::path::Path;

/// Goes on with the run in `folder`, on another device if one is named.
///
/// # Errors
/// As [`train`].
pub fn resume(folder: &Path, device: Option<&str>, reporter: &mut Reporter<'_>) -> anyhow::Result<()> {
    let mut config = RunConfig::read(&folder.join(CONFIG_FILE))?;
    if let Some(device) = device {
        config.run.device = device.to_owned();
    }
    if folder.join(ENCODER_FILE).is_file() {
        reporter.note(&format!("{} is complete: nothing to resume", folder.display()));
        return Ok(());
    }
    train(&config, folder, true, reporter)
}

/// Trains in `folder`, from the start or from where it was interrupted.
///
/// # Errors
/// For bad usage, unreadable data, or a disk that refuses.
pub fn train(config: &RunConfig, folder: &Path, resume: bool, reporter: &mut Reporter<'_>) -> anyhow::Result<()> {
    let Some(dnc) = &config.dnc else {
        return run::train(config, folder, resume, reporter);
    };
    if !resume {
        run::check_free(folder)?;
        atomic_file::write(&folder.join(CONFIG_FILE), config.to_toml()?.as_bytes())?;
    }
    phases::train(config, dnc, folder, reporter)
}
