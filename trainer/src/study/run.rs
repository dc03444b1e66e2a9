//! A study's runs, one after the other; what is there already is not made again.

use super::grid::{Cell, Grid};
use super::score::{Labelled, SCORE_FILE};
use super::summary::summarise;
use crate::config::RunConfig;
use crate::encoder_file::{CONFIG_FILE, ENCODER_FILE};
use crate::error::UsageError;
use crate::pretrain;
use crate::report::Reporter;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Name of the grid inside the study's folder.
const GRID_FILE: &str = "study.toml";

/// A study with everything that it needs.
pub struct Study<'a> {
    /// What is varied.
    pub grid: &'a Grid,
    /// Its runs.
    pub cells: &'a [Cell],
    /// The configuration of each.
    pub configs: &'a [RunConfig],
    /// Which of them are made here, by number.
    pub own: Vec<usize>,
    /// The study's folder.
    pub out: &'a Path,
    /// Where scores are computed.
    pub device: &'a str,
}

impl Study<'_> {
    /// Marks the folder as this study's.
    ///
    /// # Errors
    /// [`UsageError`] when it is another's.
    pub fn claim(&self) -> Result<()> {
        claim(self.out, self.grid)
    }

    /// Makes what is missing, and writes table and picture of all that is there.
    ///
    /// # Errors
    /// For unreadable data, or a disk that refuses.
    pub fn run(&self, labelled: &Labelled, reporter: &mut Reporter<'_>) -> Result<()> {
        let &Study { grid, cells, configs, out, device, .. } = self;
        for &at in &self.own {
            let folder = out.join(&cells[at].name);
            if folder.join(SCORE_FILE).is_file() {
                continue;
            }
            reporter.note(&format!("run {} of {}: {}", at + 1, cells.len(), cells[at].name));
            train(&configs[at], &folder, reporter)?;
            if !folder.join(ENCODER_FILE).is_file() {
                reporter.note("interrupted; the same command goes on from here");
                return Ok(());
            }
            let score = labelled.score(&cells[at], &folder, device, reporter)?;
            let text = serde_json::to_string_pretty(&score)?;
            atomic_file::write(&folder.join(SCORE_FILE), text.as_bytes())?;
        }
        summarise(grid, cells, out, labelled, reporter)
    }
}

/// Marks `out` as this grid's folder.
fn claim(out: &Path, grid: &Grid) -> Result<()> {
    let path = out.join(GRID_FILE);
    let text = toml::to_string_pretty(grid)?;
    if !path.is_file() {
        return atomic_file::write(&path, text.as_bytes());
    }
    let before = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    if Grid::parse(&before, &path.display().to_string())? != *grid {
        return Err(UsageError::new(format!(
            "{} holds the study of another grid\nhint: choose another --out, or --grid {}",
            out.display(),
            path.display()
        ))
        .into());
    }
    Ok(())
}

/// Trains a run, or goes on with it.
fn train(config: &RunConfig, folder: &Path, reporter: &mut Reporter<'_>) -> Result<()> {
    if folder.join(ENCODER_FILE).is_file() {
        return Ok(());
    }
    let path = folder.join(CONFIG_FILE);
    if !path.is_file() {
        return pretrain::train(config, folder, false, reporter);
    }
    let mut before = RunConfig::read(&path)?;
    before.run.device.clone_from(&config.run.device);
    if before != *config {
        return Err(UsageError::new(format!(
            "{} was begun with other settings\nhint: choose another --out, or leave --set and --data as they were",
            folder.display()
        ))
        .into());
    }
    pretrain::train(config, folder, true, reporter)
}
