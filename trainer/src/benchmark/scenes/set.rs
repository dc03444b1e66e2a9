//! The pictures of a classification task with their classes, as one candidate reads them.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use shared::bands::Bands;
use shared::tile::Tile;

use super::super::task::{SplitRule, SplitSpec, Task};
use super::super::{DataFolders, share};
use crate::data::{LabelledSet, SourceKind, SourceSpec, Warning, evenly_spaced};
use crate::seen::Seen;

/// An opened set.
pub struct SceneSet {
    set: LabelledSet,
    spec: SourceSpec,
}

/// Rows of the parts of one draw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Parts {
    /// What is learned from.
    pub train: Vec<usize>,
    /// What choices are made on.
    pub validation: Vec<usize>,
    /// What is tested on.
    pub test: Vec<usize>,
    /// Whether the validation part was taken out of the training part, and belongs to it once choices are made.
    pub is_carved: bool,
}

impl SceneSet {
    /// Opens the folder or tar at `path`; `bands` are those that are wanted, all of the file's when absent.
    ///
    /// # Errors
    /// When it is no set of class folders, or does not have the bands.
    pub fn open(task: &Task, path: &Path, bands: Option<&Bands>, warnings: &mut Vec<Warning>) -> Result<Self> {
        let spec = SourceSpec {
            kind: Some(SourceKind::Folder),
            name: Some(task.name.clone()),
            file_bands: task.data.file_bands.clone(),
            bands: bands.cloned().filter(|_| task.data.file_bands.is_some()),
            dn_offset: task.data.dn_offset,
            stretch: task.data.stretch.clone(),
            ..SourceSpec::new(path)
        };
        let set = LabelledSet::open_spec(&spec, Path::new(""), warnings)?;
        Ok(Self { set, spec })
    }

    /// Number of pictures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// Names of the classes.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.set.classes
    }

    /// Class of every picture.
    #[must_use]
    pub fn labels(&self) -> &[usize] {
        &self.set.labels
    }

    /// Path of every picture.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.set.names
    }

    /// The planes of the pictures.
    #[must_use]
    pub fn bands(&self) -> &Bands {
        self.set.bands()
    }

    /// A picture.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn tile(&self, index: usize) -> Result<Tile> {
        Ok(self.set.tile(index)?)
    }

    /// The parts of every draw of a split, each thinned to at most `limit` pictures (0 takes all); `None` when its lists are
    /// not on the disk.
    ///
    /// # Errors
    /// When a list cannot be read or names nothing that is here.
    pub fn draws(
        &self,
        split: &SplitSpec,
        folders: &DataFolders,
        limit: usize,
        seed: u64,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Vec<Parts>>> {
        let draws = match &split.by {
            SplitRule::Lists { train, validation, test } => {
                let list = |names: &[String]| folders.list(names, &self.spec.path);
                let (Some(train), Some(test)) = (list(train)?, list(test)?) else { return Ok(None) };
                let validation = if validation.is_empty() { None } else { list(validation)? };
                let train = self.listed(&train, warnings)?;
                let test = self.listed(&test, warnings)?;
                let validation = match validation {
                    Some(validation) => Some(self.listed(&validation, warnings)?).filter(|rows| !rows.is_empty()),
                    None => None,
                };
                vec![match validation {
                    Some(validation) => Parts { train, validation, test, is_carved: false },
                    None => self.carved(train, test, seed),
                }]
            }
            SplitRule::Share { train: part, draws } => {
                let all: Vec<usize> = (0..self.len()).collect();
                let draw = |draw: usize| {
                    let seed = seed.wrapping_add(draw as u64);
                    let (train, test) = share::stratified(&all, self.labels(), *part, seed);
                    self.carved(train, test, seed)
                };
                (0..*draws).map(draw).collect()
            }
            _ => return Ok(None),
        };
        Ok(Some(draws.into_iter().map(|parts| parts.thinned(limit)).collect()))
    }

    /// Says how many test pictures are learned from too, and how many `seen` has.
    #[must_use]
    pub fn notes(&self, draws: &[Parts], seen: Option<&Seen>) -> Vec<String> {
        let mut notes = Vec::new();
        let content = |rows: &[usize]| rows.iter().filter_map(|&row| self.set.fingerprint(row)).collect::<Vec<_>>();
        let twice = draws.iter().map(|parts| {
            let learned: HashSet<u64> = content(&parts.train).into_iter().chain(content(&parts.validation)).collect();
            content(&parts.test).into_iter().filter(|content| learned.contains(content)).count()
        });
        let twice = twice.max().unwrap_or(0);
        if twice > 0 {
            notes.push(format!("{twice} test pictures are learned from too, by their content"));
        }
        let tested: HashSet<usize> = draws.iter().flat_map(|parts| parts.test.iter().copied()).collect();
        if let Some(seen) = seen {
            let is_seen = |row: &&usize| self.set.fingerprint(**row).is_some_and(|content| seen.contains(content));
            let count = tested.iter().filter(is_seen).count();
            notes.push(format!("the encoder was trained on {count} of {} test pictures", tested.len()));
        }
        notes
    }

    /// Rows of the pictures that a list names.
    fn listed(&self, list: &Path, warnings: &mut Vec<Warning>) -> Result<Vec<usize>> {
        let spec = SourceSpec { split: Some(list.to_owned()), ..self.spec.clone() };
        let named = LabelledSet::open_spec(&spec, Path::new(""), warnings)?;
        let rows: HashMap<&str, usize> =
            self.set.names.iter().enumerate().map(|(row, name)| (name.as_str(), row)).collect();
        Ok(named.names.iter().filter_map(|name| rows.get(name.as_str()).copied()).collect())
    }

    /// A fifth of the training part of every class to make choices on.
    fn carved(&self, train: Vec<usize>, test: Vec<usize>, seed: u64) -> Parts {
        let (train, validation) = share::stratified(&train, self.labels(), share::LEARNED, seed);
        Parts { train, validation, test, is_carved: true }
    }
}

impl Parts {
    fn thinned(self, limit: usize) -> Self {
        let thin = |rows: Vec<usize>| match limit {
            0 => rows,
            limit => evenly_spaced(rows.len(), limit).map(|at| rows[at]).collect(),
        };
        Self { train: thin(self.train), validation: thin(self.validation), test: thin(self.test), ..self }
    }

    /// Pictures in training, validation and test part.
    #[must_use]
    pub fn counts(&self) -> [usize; 3] {
        [self.train.len(), self.validation.len(), self.test.len()]
    }
}
