//! What a task is run with: its data, the encoders, what was asked for, and what has been found so far.

use std::path::{Path, PathBuf};

use anyhow::Result;
use burn::tensor::Device;

use super::cell::Cell;
use super::encoders::Candidate;
use super::on_disk::DataFolders;
use super::protocol::Protocol;
use super::row::Row;
use super::task::{Kind, SplitSpec, Task};

/// What is asked for, beside tasks and encoders.
pub struct Settings {
    /// Where results lie.
    pub out: PathBuf,
    /// Where data lies.
    pub folders: DataFolders,
    /// Protocols; those that do not train for long when empty.
    pub protocols: Vec<Protocol>,
    /// Names of splits; the first that the disk has when empty.
    pub splits: Vec<String>,
    /// Side of the input instead of the task's or the encoder's.
    pub px: Option<usize>,
    /// Pictures of each part at the most; all where 0.
    pub limit: usize,
    /// Epochs of trained protocols instead of their own.
    pub epochs: Option<usize>,
    /// Learning rate of trained protocols instead of their own.
    pub rate: Option<f64>,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Where networks compute (without autodiff).
    pub device: Device,
}

/// Everything that a benchmark found.
#[derive(Default)]
pub struct Findings {
    /// One a task, split, encoder and protocol.
    pub rows: Vec<Row>,
    /// Tasks that are not on the disk, and how to get them.
    pub absent: Vec<String>,
    /// What could not be measured, and why.
    pub left_out: Vec<String>,
    /// Tasks that broke off, and why.
    pub failed: Vec<String>,
    /// Cells that were there already.
    pub kept: usize,
}

/// A task whose data is there, with all that its runners need.
pub struct Run<'a> {
    /// The task.
    pub task: &'a Task,
    /// Where its data lies.
    pub path: &'a Path,
    /// What is compared.
    pub candidates: &'a [Candidate],
    /// What was asked for.
    pub settings: &'a Settings,
}

impl Settings {
    /// The protocols that are asked of such a task.
    #[must_use]
    pub fn protocols_of(&self, kind: &Kind) -> Vec<Protocol> {
        let asked = |protocol: &Protocol| match self.protocols.is_empty() {
            true => !protocol.is_long(),
            false => self.protocols.contains(protocol),
        };
        Protocol::ALL.into_iter().filter(|protocol| protocol.suits(kind)).filter(asked).collect()
    }

    /// Whether a split was asked for; by default only the first that is there is.
    #[must_use]
    pub fn wants(&self, split: &SplitSpec) -> bool {
        self.splits.is_empty() || self.splits.iter().any(|name| *name == split.name || name == "all")
    }
}

impl Run<'_> {
    /// Side of the input for a candidate.
    #[must_use]
    pub fn px(&self, candidate: &Candidate) -> usize {
        let own = || candidate.description().map_or(self.task.data.px, |description| description.input_px);
        self.settings.px.or(self.task.data.input_px).unwrap_or_else(own)
    }

    /// The place of a result that depends on the task, the candidate, the settings and `also`.
    ///
    /// # Errors
    /// As [`Cell::new`].
    pub fn cell(
        &self,
        split: &str,
        candidate: &Candidate,
        protocol: Protocol,
        also: &impl serde::Serialize,
    ) -> Result<Cell> {
        let Settings { out, limit, epochs, seed, .. } = self.settings;
        let data = (&self.task.data, &self.task.what);
        let depends_on = (data, split, candidate.identity(), protocol, self.px(candidate), limit, epochs, seed, also);
        Cell::new(out, [&self.task.name, split, &candidate.slug, protocol.name()], &depends_on)
    }

    /// A row with nothing measured yet.
    #[must_use]
    pub fn row(&self, split: &str, candidate: &Candidate, protocol: Protocol, pictures: [usize; 3]) -> Row {
        Row {
            task: self.task.name.clone(),
            split: split.to_owned(),
            encoder: candidate.name.clone(),
            protocol: protocol.name().to_owned(),
            procedure: String::new(),
            pictures,
            input_px: self.px(candidate),
            normalisation: candidate.normalisation_text(),
            measures: Vec::new(),
            notes: Vec::new(),
            details: serde_json::Value::Null,
        }
    }
}

/// Data that is there but not of the form that a task wants.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);
