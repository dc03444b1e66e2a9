//! Arguments that several commands have in common.

use crate::eval::Splits;
use crate::report::Reporter;
use anyhow::Result;
use shared::bands::Bands;
use shared::encoder::Pooling;
use std::path::{Path, PathBuf};

/// How a data set is split.
#[derive(Clone, Debug, clap::Args)]
pub struct SplitArgs {
    /// List of the tiles to learn from
    #[arg(long, value_name = "FILE")]
    pub train_split: Option<PathBuf>,
    /// List of the tiles on which choices are made
    #[arg(long, value_name = "FILE")]
    pub val_split: Option<PathBuf>,
    /// List of the tiles that are reported on
    #[arg(long, value_name = "FILE")]
    pub test_split: Option<PathBuf>,
    /// Seed of the random baseline, and of the split where no lists are given
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

impl SplitArgs {
    /// The lists of training, validation and test part.
    #[must_use]
    pub fn lists(&self) -> [Option<&PathBuf>; 3] {
        [&self.train_split, &self.val_split, &self.test_split].map(Option::as_ref)
    }

    /// Opens `data` in its three parts, with the bands that the encoder reads; warnings are shown.
    ///
    /// # Errors
    /// When a file cannot be read, or one or two lists are given.
    pub fn open(&self, data: &Path, bands: &Bands, reporter: &mut Reporter<'_>) -> Result<Splits> {
        let mut warnings = Vec::new();
        let splits = Splits::open(data, bands, self.lists(), self.seed, &mut warnings)?;
        reporter.data_warnings(&warnings);
        Ok(splits)
    }
}

/// What `--readout` takes.
///
/// # Errors
/// For any other word.
pub fn parse_pooling(text: &str) -> Result<Pooling, String> {
    match text {
        "mean" => Ok(Pooling::Mean),
        "moments" => Ok(Pooling::Moments),
        _ => Err("one of mean, moments".to_owned()),
    }
}
