//! A folder or a tar of one, read in place: a sorted list of files and their bytes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

/// Where a file's bytes are.
enum Place {
    /// A file of its own.
    Path(PathBuf),
    /// Part of a tar.
    Range { tar: usize, offset: u64, len: u64 },
}

/// The files of a folder (all levels), of a tar, or of all the tars that a folder holds, by path relative to it, with `/`
/// between folders, sorted.
pub struct Store {
    root: PathBuf,
    tars: Vec<Mutex<File>>,
    names: Vec<String>,
    places: Vec<Place>,
}

impl Store {
    /// Lists a folder or a tar.
    ///
    /// # Errors
    /// When `root` does not exist, cannot be read, is another kind of file, or holds no file at all.
    pub fn open(root: &Path) -> Result<Self> {
        let shown = root.display();
        let about = std::fs::metadata(root).with_context(|| {
            format!("no data at {shown}\nhint: check the path; it must be a folder of pictures or a .tar of one")
        })?;
        let mut entries = Vec::new();
        let mut tars = Vec::new();
        if about.is_dir() {
            walk(root, "", &mut entries).with_context(|| format!("cannot list the folder {shown}"))?;
            open_tars(&mut entries, &mut tars)?;
        } else {
            entries = index_tar(root, &mut tars)?;
        }
        if entries.is_empty() {
            bail!(
                "{shown} is empty\nhint: it must hold pictures (JPEG, PNG, WebP, TIFF), in folders named by class or place"
            );
        }
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        let (names, places) = entries.into_iter().unzip();
        Ok(Self { root: root.to_owned(), tars, names, places })
    }

    /// The folder or tar.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Keeps the files whose path passes `test`.
    pub fn retain(&mut self, test: impl Fn(&str) -> bool) {
        let (names, places) = (std::mem::take(&mut self.names), std::mem::take(&mut self.places));
        (self.names, self.places) = names.into_iter().zip(places).filter(|(name, _)| test(name)).unzip();
    }

    /// Paths of the files, sorted.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The bytes of the file at `index`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn bytes(&self, index: usize) -> std::io::Result<Vec<u8>> {
        match self.places[index] {
            Place::Path(ref path) => std::fs::read(path),
            Place::Range { tar, offset, len } => {
                let mut bytes = vec![0; usize::try_from(len).map_err(std::io::Error::other)?];
                let mut file =
                    self.tars[tar].lock().map_err(|_| std::io::Error::other("another reader of the tar failed"))?;
                file.seek(SeekFrom::Start(offset))?;
                file.read_exact(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

/// Puts the files inside the tars of a folder in place of the tars.
fn open_tars(entries: &mut Vec<(String, Place)>, tars: &mut Vec<Mutex<File>>) -> Result<()> {
    let (paths, mut files): (Vec<_>, Vec<_>) =
        std::mem::take(entries).into_iter().partition(|(name, _)| name.ends_with(".tar"));
    for (_, place) in paths {
        if let Place::Path(path) = place {
            files.extend(index_tar(&path, tars)?);
        }
    }
    *entries = files;
    Ok(())
}

/// Collects files of a folder, following links, leaving out hidden ones.
fn walk(folder: &Path, prefix: &str, entries: &mut Vec<(String, Place)>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        let relative = format!("{prefix}{name}");
        // a dangling link is a file that cannot be read, found out when it is
        if std::fs::metadata(entry.path()).is_ok_and(|about| about.is_dir()) {
            walk(&entry.path(), &format!("{relative}/"), entries)?;
        } else {
            entries.push((relative, Place::Path(entry.path())));
        }
    }
    Ok(())
}

/// Lists the files of a tar, and keeps it open.
fn index_tar(root: &Path, tars: &mut Vec<Mutex<File>>) -> Result<Vec<(String, Place)>> {
    let shown = root.display();
    let mut file = File::open(root).with_context(|| format!("cannot open {shown}"))?;
    let mut start = [0u8; 2];
    if file.read_exact(&mut start).is_ok() && (start == [0x1f, 0x8b] || start == *b"BZ" || start == *b"PK") {
        bail!("{shown} is compressed\nhint: unpack it, or repack it as a plain .tar (pictures do not shrink further)");
    }
    file.seek(SeekFrom::Start(0))?;
    let mut entries = Vec::new();
    let mut archive = tar::Archive::new(&file);
    let not_a_tar =
        || format!("{shown} is neither a folder nor a readable tar\nhint: give a folder of pictures or a .tar of one");
    for entry in archive.entries_with_seek().with_context(not_a_tar)? {
        let entry = entry.with_context(not_a_tar)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().with_context(not_a_tar)?.to_string_lossy().replace('\\', "/");
        let name = path.trim_start_matches("./").to_owned();
        if name.split('/').any(|part| part.starts_with('.')) {
            continue;
        }
        entries.push((name, Place::Range { tar: tars.len(), offset: entry.raw_file_position(), len: entry.size() }));
    }
    tars.push(Mutex::new(file));
    Ok(entries)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn a_folder_and_its_tar_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("b/deep")).unwrap();
        std::fs::write(folder.path().join("b/deep/2.jpg"), b"two").unwrap();
        std::fs::write(folder.path().join("a.jpg"), b"one").unwrap();
        std::fs::write(folder.path().join(".hidden"), b"x").unwrap();
        let packed = tempfile::NamedTempFile::new().unwrap();
        let mut builder = tar::Builder::new(packed.reopen().unwrap());
        builder.append_dir_all(".", folder.path()).unwrap();
        builder.finish().unwrap();
        let shards = tempfile::tempdir().unwrap();
        std::fs::copy(packed.path(), shards.path().join("places-000000.tar")).unwrap();
        for root in [folder.path(), packed.path(), shards.path()] {
            let store = Store::open(root).unwrap();
            assert_eq!(store.names(), ["a.jpg", "b/deep/2.jpg"]);
            assert_eq!(store.bytes(1).unwrap(), b"two");
            assert_eq!(store.bytes(0).unwrap(), b"one");
        }
    }

    #[test]
    fn what_is_missing_empty_or_no_tar_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Store::open(&folder.path().join("nowhere")).err().unwrap().to_string();
        assert!(missing.starts_with("no data at ") && missing.contains("\nhint: "), "{missing}");
        let empty = Store::open(folder.path()).err().unwrap().to_string();
        assert!(empty.contains(" is empty\nhint: "), "{empty}");
        let file = folder.path().join("data.tar");
        std::fs::write(&file, [0x1f, 0x8b, 8, 0]).unwrap();
        assert!(Store::open(&file).err().unwrap().to_string().contains("compressed"));
        std::fs::write(&file, vec![b'x'; 2000]).unwrap();
        assert!(Store::open(&file).err().unwrap().to_string().contains("neither a folder nor a readable tar"));
    }
}
