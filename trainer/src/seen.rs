//! The file that says which pictures a run has read to train on, by content, so that an evaluation can tell how many of
//! its test tiles are among them.
//!
//! `seen.txt` lies in the run folder; beside an exported model `NAME.safetensors` it is `NAME.seen.txt`. It is text: a
//! heading, then one fingerprint a line, ascending, 16 hexadecimal digits each. A fingerprint is of a whole picture: one
//! from which windows are cut is listed once, and a window of it is not recognised.

use crate::encoder_file::ENCODER_FILE;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Name of the record inside a run folder.
pub const SEEN_FILE: &str = "seen.txt";
/// The heading; its number is raised with every change.
const HEADING: &str = "# pictures trained on, by content: solstice seen 1";
/// Stands behind the heading where more may have been seen.
const INCOMPLETE: &str = ", incomplete";

/// The pictures of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    fingerprints: BTreeSet<u64>,
    is_incomplete: bool,
}

impl Seen {
    /// Reads a record.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        let mut lines = text.lines();
        let is_incomplete = match lines.next().and_then(|line| line.strip_prefix(HEADING)) {
            Some("") => false,
            Some(INCOMPLETE) => true,
            _ => bail!("{shown} is no record of pictures seen\nhint: it was written by another version, or damaged"),
        };
        let number = |line: &str| u64::from_str_radix(line, 16).ok().filter(|_| line.len() == 16);
        let fingerprints: Option<BTreeSet<u64>> = lines.map(number).collect();
        let fingerprints =
            fingerprints.with_context(|| format!("{shown} is damaged\nhint: remove it to go on without it"))?;
        Ok(Self { fingerprints, is_incomplete })
    }

    /// The record of an encoder's training, where there is one: of a run folder, of an encoder file in it, or of an
    /// exported model.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn of_encoder(encoder: &Path) -> Result<Option<Self>> {
        let path = if encoder.is_dir() {
            encoder.join(SEEN_FILE)
        } else if encoder.file_name().is_some_and(|name| name == ENCODER_FILE) {
            encoder.with_file_name(SEEN_FILE)
        } else {
            beside(encoder)
        };
        path.is_file().then(|| Self::read(&path)).transpose()
    }

    /// Writes the record.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, path: &Path) -> Result<()> {
        let end = if self.is_incomplete { INCOMPLETE } else { "" };
        let mut text = format!("{HEADING}{end}\n");
        text.extend(self.fingerprints.iter().map(|fingerprint| format!("{fingerprint:016x}\n")));
        atomic_file::write(path, text.as_bytes())
    }

    /// Adds pictures; whether any of them is new.
    pub fn extend(&mut self, fingerprints: impl IntoIterator<Item = u64>) -> bool {
        let before = self.len();
        self.fingerprints.extend(fingerprints);
        self.len() > before
    }

    /// Adds what a teacher has seen; a teacher without a record leaves this one incomplete.
    pub fn add_teacher(&mut self, teacher: Option<Self>) {
        self.is_incomplete |= teacher.as_ref().is_none_or(|teacher| teacher.is_incomplete);
        self.fingerprints.extend(teacher.into_iter().flat_map(|teacher| teacher.fingerprints));
    }

    /// Whether a picture is among them.
    #[must_use]
    pub fn contains(&self, fingerprint: u64) -> bool {
        self.fingerprints.contains(&fingerprint)
    }

    /// Number of pictures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fingerprints.len()
    }

    /// Whether nothing has been seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fingerprints.is_empty()
    }

    /// Whether more may have been seen than is listed.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.is_incomplete
    }
}

/// The record beside an exported model.
#[must_use]
pub fn beside(model: &Path) -> PathBuf {
    model.with_extension(SEEN_FILE)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_found_from_the_run_its_encoder_and_its_model() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path();
        let mut seen = Seen::default();
        assert!(seen.extend([7, u64::MAX, 7]) && !seen.extend([7]));
        for (encoder, record) in [(run.to_owned(), SEEN_FILE), (run.join("small.safetensors"), "small.seen.txt")] {
            assert_eq!(Seen::of_encoder(&encoder).unwrap(), None);
            seen.write(&run.join(record)).unwrap();
            assert_eq!(Seen::of_encoder(&encoder).unwrap(), Some(seen.clone()));
        }
        assert_eq!(Seen::of_encoder(&run.join(ENCODER_FILE)).unwrap(), Some(seen.clone()));
        let text = fs::read_to_string(run.join(SEEN_FILE)).unwrap();
        assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), ["0000000000000007", "ffffffffffffffff"]);
        for damaged in ["", "other\n", &text[..text.len() - 3], &text.replace("ffff", "fffg")] {
            fs::write(run.join(SEEN_FILE), damaged).unwrap();
            assert!(format!("{:#}", Seen::of_encoder(run).unwrap_err()).contains("\nhint: "), "{damaged}");
        }
    }

    #[test]
    fn a_teacher_without_a_record_leaves_a_gap_that_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SEEN_FILE);
        let mut student = Seen::default();
        student.add_teacher(Some(Seen { fingerprints: [3].into(), is_incomplete: false }));
        assert!(student.contains(3) && !student.is_incomplete());
        student.add_teacher(None);
        student.write(&path).unwrap();
        assert!(Seen::read(&path).unwrap().is_incomplete());
    }
}
