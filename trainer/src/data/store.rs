//! A folder or a tar of one, read in place: a sorted list of files and their bytes.

use std::collections::HashMap;
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
            walk(root, "", &mut Vec::new(), &mut entries).with_context(|| format!("cannot list the folder {shown}"))?;
            open_tars(&mut entries, &mut tars)?;
        } else {
            entries = index_tar(root, &mut tars)?;
        }
        if entries.is_empty() {
            bail!(
                "{shown} is empty\nhint: it must hold pictures (JPEG, PNG, WebP, TIFF, NumPy arrays), in folders named by class or place"
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
        std::mem::take(entries).into_iter().partition(|(name, _)| name.to_lowercase().ends_with(".tar"));
    for (_, place) in paths {
        if let Place::Path(path) = place {
            files.extend(index_tar(&path, tars)?);
        }
    }
    *entries = files;
    Ok(())
}

/// Whether a file or folder is of an operating system or a file server, not of the data: thumbnails and the like.
fn is_clutter(name: &str) -> bool {
    const OTHERS: [&str; 8] =
        ["@eadir", "__macosx", "$recycle.bin", "#recycle", "thumbs.db", "ehthumbs.db", "desktop.ini", "lost+found"];
    name.starts_with('.') || OTHERS.contains(&name.to_lowercase().as_str())
}

/// Collects files of a folder, following links, leaving out hidden ones; `above` are the real places of the folders that
/// led here, so that a link to one of them ends.
fn walk(
    folder: &Path,
    prefix: &str,
    above: &mut Vec<PathBuf>,
    entries: &mut Vec<(String, Place)>,
) -> std::io::Result<()> {
    let real = std::fs::canonicalize(folder)?;
    if above.contains(&real) {
        return Ok(());
    }
    above.push(real);
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if is_clutter(&name) {
            continue;
        }
        let relative = format!("{prefix}{name}");
        match std::fs::metadata(entry.path()) {
            Ok(about) if about.is_dir() => walk(&entry.path(), &format!("{relative}/"), above, entries)?,
            // A pipe or a device may never end.
            Ok(about) if !about.is_file() => {}
            // A dangling link is a file that cannot be read, found out when it is.
            _ => entries.push((relative, Place::Path(entry.path()))),
        }
    }
    above.pop();
    Ok(())
}

/// Lists the files of a tar, and keeps it open.
fn index_tar(root: &Path, tars: &mut Vec<Mutex<File>>) -> Result<Vec<(String, Place)>> {
    let shown = root.display();
    let mut file = File::open(root).with_context(|| format!("cannot open {shown}"))?;
    let mut start = [0u8; 2];
    // gzip, bzip2, zip, xz, zstd
    let packed = [[0x1f, 0x8b], *b"BZ", *b"PK", [0xfd, b'7'], [0x28, 0xb5]];
    if file.read_exact(&mut start).is_ok() && packed.contains(&start) {
        bail!("{shown} is compressed\nhint: unpack it, or repack it as a plain .tar (pictures do not shrink further)");
    }
    file.seek(SeekFrom::Start(0))?;
    // Of members with one name the last one counts, and a link stands for what it leads to.
    let mut members: HashMap<String, (u64, u64)> = HashMap::new();
    let mut links: Vec<(String, String)> = Vec::new();
    let mut archive = tar::Archive::new(&file);
    let not_a_tar =
        || format!("{shown} is neither a folder nor a readable tar\nhint: give a folder of pictures or a .tar of one");
    for entry in archive.entries_with_seek().with_context(not_a_tar)? {
        let entry = entry.with_context(not_a_tar)?;
        let plain = |path: &Path| path.to_string_lossy().replace('\\', "/").trim_start_matches("./").to_owned();
        let name = plain(&entry.path().with_context(not_a_tar)?);
        if name.split('/').any(is_clutter) {
            continue;
        }
        let kind = entry.header().entry_type();
        if kind.is_file() || kind.is_contiguous() {
            // A tar writes a file over a link of its name.
            links.retain(|(link, _)| *link != name);
            members.insert(name, (entry.raw_file_position(), entry.size()));
        } else if let Some(target) = entry.link_name().with_context(not_a_tar)? {
            let target = plain(&target);
            if kind.is_hard_link() {
                // What the target is now, not what may replace it later.
                if let Some(place) = members.get(&target).copied() {
                    members.insert(name, place);
                }
            } else if kind.is_symlink() {
                let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                links.push((name.clone(), joined(folder, &target)));
            }
        }
    }
    for (link, target) in links {
        if let Some(place) = members.get(&target).copied() {
            members.entry(link).or_insert(place);
        }
    }
    let tar = tars.len();
    tars.push(Mutex::new(file));
    Ok(members.into_iter().map(|(name, (offset, len))| (name, Place::Range { tar, offset, len })).collect())
}

/// A path relative to a folder of a tar, without `.` and `..`.
fn joined(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
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
    fn thumbnails_and_loops_of_links_add_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for clutter in ["a/@eaDir/1.jpg", "__MACOSX/a/1.jpg"] {
            std::fs::create_dir_all(at(clutter)).unwrap();
            std::fs::write(at(clutter).join("SYNOPHOTO_THUMB_M.jpg"), b"x").unwrap();
        }
        std::fs::write(at("a/1.jpg"), b"one").unwrap();
        std::fs::write(at("a/Thumbs.db"), b"x").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.path(), at("a/loop")).unwrap();
        assert_eq!(Store::open(folder.path()).unwrap().names(), ["a/1.jpg"]);
    }

    #[test]
    fn links_in_a_tar_lead_to_their_bytes_and_the_last_member_of_a_name_counts() {
        let packed = tempfile::NamedTempFile::new().unwrap();
        let mut builder = tar::Builder::new(packed.reopen().unwrap());
        let mut file = |name: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, name, bytes).unwrap();
        };
        file("a/1.jpg", b"old");
        file("a/1.jpg", b"new");
        file("a/2.jpg", b"two");
        for (kind, name, target) in [
            (tar::EntryType::Link, "b/hard.jpg", "a/2.jpg"),
            (tar::EntryType::Symlink, "b/soft.jpg", "../a/1.jpg"),
            (tar::EntryType::Symlink, "b/nowhere.jpg", "../a/9.jpg"),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(0);
            builder.append_link(&mut header, name, target).unwrap();
        }
        builder.finish().unwrap();
        let store = Store::open(packed.path()).unwrap();
        assert_eq!(store.names(), ["a/1.jpg", "a/2.jpg", "b/hard.jpg", "b/soft.jpg"]);
        let bytes: Vec<Vec<u8>> = (0..4).map(|index| store.bytes(index).unwrap()).collect();
        assert_eq!(bytes, [b"new", b"two", b"two", b"new"]);
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
