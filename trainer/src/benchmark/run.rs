//! The benchmark: every task that the disk has, every encoder, every protocol that was asked for.

use std::path::{Path, PathBuf};

use anyhow::Result;
use burn::tensor::Device;

use super::cell::Cell;
use super::encoders::Candidate;
use super::on_disk::{DataFolders, missing};
use super::protocol::Protocol;
use super::row::Row;
use super::task::{Kind, SplitSpec, Task};
use super::{labels, pixels, places, scenes};
use crate::report::Reporter;

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

/// Runs everything; what was done before is taken from `settings.out`. After every result `on_change` hears all so far.
///
/// # Errors
/// When the report cannot be written. Data that cannot be used, and tasks that broke off, are told of among the findings.
pub fn run(
    tasks: &[Task],
    candidates: &[Candidate],
    settings: &Settings,
    reporter: &mut Reporter<'_>,
    on_change: &mut dyn FnMut(&Findings) -> Result<()>,
) -> Result<Findings> {
    let mut findings = Findings::default();
    for task in tasks {
        if settings.protocols_of(&task.what).is_empty() {
            continue;
        }
        let places = settings.folders.candidates(task)?;
        if places.is_empty() {
            findings.absent.push(missing(task, &settings.folders, "not there"));
            continue;
        }
        let mut problems = Vec::new();
        let mut is_done = false;
        for path in &places {
            reporter.note(&format!("{}: {}", task.name, path.display()));
            let before = findings.rows.len();
            let run = Run { task, path, candidates, settings };
            let done = match &task.what {
                Kind::Scenes { .. } => scenes::run(&run, &mut findings, reporter, on_change),
                Kind::Labels { .. } => labels::run(&run, &mut findings, reporter, on_change),
                Kind::Change { .. } | Kind::Segmentation { .. } => {
                    pixels::run(&run, &mut findings, reporter, on_change)
                }
                Kind::Places { .. } => places::run(&run, &mut findings, reporter, on_change),
            };
            match done {
                Ok(()) => {
                    is_done = true;
                    break;
                }
                // Data of another kind under an expected name: the next place may be the right one.
                Err(error) if error.is::<Unusable>() && findings.rows.len() == before => {
                    problems.push(format!("{}: {error}", path.display()));
                }
                // One bad data set does not keep the others from being measured.
                Err(error) => {
                    let why = crate::error::render(&error).replacen("error: ", "", 1);
                    reporter.warning(&format!("{} broke off: {why}", task.name));
                    findings.failed.push(format!("{} broke off: {why}", task.name));
                    is_done = true;
                    break;
                }
            }
        }
        if !is_done {
            findings.absent.push(missing(task, &settings.folders, &problems.join("; ")));
        }
        on_change(&findings)?;
    }
    Ok(findings)
}

/// Data that is there but not of the form that a task wants.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);
