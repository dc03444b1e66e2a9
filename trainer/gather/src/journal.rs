//! Refused candidates, noted so that they are not asked for again.

use std::collections::{BTreeSet, HashSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::store::Store;

/// Refused candidates: one JSON a line.
const REFUSED_FILE: &str = "refused.jsonl";

/// A refused candidate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) place: usize,
    pub(crate) round: usize,
    pub(crate) why: String,
}

/// Refused candidates.
#[derive(Default)]
pub(crate) struct Journal {
    refusals: BTreeSet<Refusal>,
    known: HashSet<(usize, usize)>,
}

impl Journal {
    /// The notes of a folder; a line that was cut off is passed over.
    pub(crate) fn load(store: &Store) -> Result<Self> {
        let path = store.root().join(REFUSED_FILE);
        let mut journal = Self::default();
        if path.exists() {
            let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            for refusal in text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()) {
                journal.add(refusal);
            }
        }
        Ok(journal)
    }

    fn add(&mut self, refusal: Refusal) {
        self.known.insert((refusal.place, refusal.round));
        self.refusals.insert(refusal);
    }

    /// Takes in another folder's.
    pub(crate) fn join(&mut self, other: Self) {
        other.refusals.into_iter().for_each(|refusal| self.add(refusal));
    }

    pub(crate) fn has(&self, place: usize, round: usize) -> bool {
        self.known.contains(&(place, round))
    }

    /// Writes them in order, each once.
    pub(crate) fn save(&self, store: &Store) -> Result<()> {
        let mut text = String::new();
        for refusal in &self.refusals {
            text.push_str(&serde_json::to_string(refusal)?);
            text.push('\n');
        }
        atomic_file::write(&store.root().join(REFUSED_FILE), text.as_bytes())
    }

    pub(crate) fn append_to(store: &Store) -> Result<Notes> {
        // Written anew first: a line that was cut off would spoil the next one.
        Self::load(store)?.save(store)?;
        let path = store.root().join(REFUSED_FILE);
        let file = OpenOptions::new().append(true).open(&path);
        Ok(Notes(Mutex::new(file.with_context(|| format!("cannot write {}", path.display()))?)))
    }
}

/// The notes of a folder, while more are being written.
pub(crate) struct Notes(Mutex<File>);

impl Notes {
    /// Notes a candidate before the next one is tried: a kill must not lose it.
    pub(crate) fn add(&self, refusal: &Refusal) -> Result<()> {
        let mut line = serde_json::to_string(refusal)?;
        line.push('\n');
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes()).context("cannot note a refused place\nhint: check the disk's space")
    }
}
