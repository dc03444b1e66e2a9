//! Results on disk, one file each: a benchmark that was stopped goes on where it was.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::row::{ROW_VERSION, Row};

/// What one result is of, and where it is kept.
#[derive(Clone, Debug)]
pub struct Cell {
    folder: PathBuf,
    protocol: String,
    /// SHA-256 of everything that the result depends on.
    fingerprint: String,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    fingerprint: String,
    row: Row,
}

impl Cell {
    /// The place of a result below `out`; `depends_on` is everything that decides it.
    ///
    /// # Errors
    /// When `depends_on` cannot be put into words, which nothing that is derived can.
    pub fn new(out: &Path, [task, split, encoder, protocol]: [&str; 4], depends_on: &impl Serialize) -> Result<Self> {
        let text = serde_json::to_string(depends_on)?;
        let fingerprint = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let folder = out.join("results").join(task).join(split).join(encoder);
        Ok(Self { folder, protocol: protocol.to_owned(), fingerprint })
    }

    /// The result that is there and was made of the same.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn kept(&self) -> Result<Option<Row>> {
        let path = self.path();
        if !path.is_file() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}\nhint: delete it to have it made again", path.display()))?;
        // What cannot be understood was written by another version: it is made again.
        let kept: Option<Kept> = serde_json::from_str(&text).ok();
        let fits = |kept: &Kept| kept.version == ROW_VERSION && kept.fingerprint == self.fingerprint;
        Ok(kept.filter(fits).map(|kept| kept.row))
    }

    /// Keeps a result; work in progress is no longer needed.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn keep(&self, row: &Row) -> Result<()> {
        let kept = Kept { version: ROW_VERSION, fingerprint: self.fingerprint.clone(), row: row.clone() };
        atomic_file::write(&self.path(), serde_json::to_string_pretty(&kept)?.as_bytes())?;
        let work = self.work_folder();
        if work.is_dir() {
            fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
        }
        Ok(())
    }

    /// A folder for what a long protocol goes on from, of this very computation: another fingerprint has another folder.
    #[must_use]
    pub fn work_folder(&self) -> PathBuf {
        self.folder.join(format!("{}.work-{}", self.protocol, &self.fingerprint[..12]))
    }

    /// A folder for maps and other pictures of the result.
    #[must_use]
    pub fn picture_folder(&self) -> PathBuf {
        self.folder.join(&self.protocol)
    }

    fn path(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.protocol))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;
    use crate::benchmark::row::Measure;

    fn row() -> Row {
        Row {
            task: "t".into(),
            split: "s".into(),
            encoder: "e".into(),
            protocol: "p".into(),
            procedure: String::new(),
            pictures: [1, 2, 3],
            input_px: 64,
            normalisation: String::new(),
            measures: vec![Measure::single("accuracy", Some(0.1 + 0.2)), Measure::single("nothing", None)],
            notes: vec!["note".into()],
            details: serde_json::json!({ "k": [1, 2] }),
        }
    }

    #[test]
    fn a_result_is_kept_for_what_it_was_made_of() {
        let folder = tempfile::tempdir().unwrap();
        let cell = |seed: u64| Cell::new(folder.path(), ["t", "s", "e", "p"], &("weights", seed)).unwrap();
        assert_eq!(cell(1).kept().unwrap(), None);
        fs::create_dir_all(cell(1).work_folder()).unwrap();
        cell(1).keep(&row()).unwrap();
        assert_eq!(cell(1).kept().unwrap(), Some(row()));
        assert!(!cell(1).work_folder().exists());
        assert_eq!(cell(2).kept().unwrap(), None, "another seed");
        fs::write(cell(1).path(), "{").unwrap();
        assert_eq!(cell(1).kept().unwrap(), None, "a file of another program");
    }
}
