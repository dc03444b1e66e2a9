//! Files that are whole or absent: written under a temporary name in the same folder, flushed to the disk, renamed, and
//! the folder flushed too, so that neither a kill nor a power cut leaves half a file under a name.
//!
//! The one writer of the workspace, in a crate of its own since `gather`, which knows nothing of the trainer, writes by it
//! as well.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Result, anyhow};
use tempfile::NamedTempFile;

/// How the name of a file begins until all of it is on disk.
const UNFINISHED: &str = ".writing-";

/// Writes `bytes` as `path`, replacing what was there only once everything is on disk.
///
/// # Errors
/// When the folder cannot be made or written, or the disk is full; nothing stays behind then.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// Like [`write`], with the content streamed by `fill`.
///
/// # Errors
/// See [`write`]; and whatever `fill` returns.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let write = || name(temporary(path, fill)?, path);
    write().map_err(|error| blame(path, &error))
}

/// Like [`write`]; what has reached the disk is read back and given to `check` before it takes its name.
///
/// # Errors
/// See [`write`]; and whatever `check` returns, with `path` as it was.
pub fn write_checked(path: &Path, bytes: &[u8], check: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
    let file = temporary(path, |file| file.write_all(bytes)).map_err(|error| blame(path, &error))?;
    check(&fs::read(file.path()).map_err(|error| blame(path, &error))?)?;
    name(file, path).map_err(|error| blame(path, &error))
}

/// Like [`write`]; the file that was at `path` is `previous` from then on, in the place of the one before.
///
/// Killed at any moment it leaves the old file under one of the two names, or under both.
///
/// # Errors
/// See [`write`].
pub fn write_keeping(path: &Path, previous: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let file = temporary(path, |file| file.write_all(bytes))?;
        if path.exists() {
            remove_if_there(previous)?;
            // A second name, so that the old file never lacks its own; some file systems give a file only one.
            fs::hard_link(path, previous).or_else(|_| fs::rename(path, previous))?;
        }
        name(file, path)
    };
    write().map_err(|error| blame(path, &error))
}

/// Whether `path` is what a killed [`write`] leaves behind: a file that never got its name.
#[must_use]
pub fn is_unfinished(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(UNFINISHED))
}

/// Removes what killed writes left in a folder; of use where nobody else is writing.
///
/// # Errors
/// When the folder cannot be read, or a file in it not be removed.
pub fn clear(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if is_unfinished(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Makes the names in a folder last.
///
/// # Errors
/// When the folder cannot be opened, or the disk refuses.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere folders cannot be opened.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn blame(path: &Path, error: &io::Error) -> anyhow::Error {
    let hint = "check that the folder exists, is writable and has room on its disk";
    anyhow!("cannot write {}: {error}\nhint: {hint}", path.display())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A filled and synced file beside `path` that vanishes unless it is named.
fn temporary(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<NamedTempFile> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any other new file, less the user's umask; temporary files are private otherwise.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    {
        let mut buffered = io::BufWriter::new(file.as_file_mut());
        fill(&mut buffered)?;
        buffered.flush()?;
    }
    file.as_file().sync_all()?;
    Ok(file)
}

/// Gives a synced file its name, for good.
fn name(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(folder_of(path))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/model.bin");
        write(&path, b"old").unwrap();
        let failed = write_with(&path, |file| {
            file.write_all(b"half")?;
            Err(std::io::ErrorKind::StorageFull.into())
        });
        assert!(format!("{:#}", failed.unwrap_err()).contains("hint:"));
        let refused = write_checked(&path, b"new", |on_disk| {
            assert_eq!(on_disk, b"new");
            Err(anyhow!("no"))
        });
        assert_eq!(refused.unwrap_err().to_string(), "no");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn the_file_before_stays_and_the_one_before_that_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let (path, previous) = (folder.path().join("new"), folder.path().join("old"));
        let found = |path: &Path| fs::read_to_string(path).ok();
        write_keeping(&path, &previous, b"1").unwrap();
        assert_eq!((found(&path), found(&previous)), (Some("1".to_owned()), None));
        for (new, old) in [("2", "1"), ("3", "2")] {
            write_keeping(&path, &previous, new.as_bytes()).unwrap();
            assert_eq!((found(&path).as_deref(), found(&previous).as_deref()), (Some(new), Some(old)));
        }
        fs::write(folder.path().join(".writing-x"), b"half").unwrap();
        clear(folder.path()).unwrap();
        // One name is missing: what the other says is kept.
        fs::remove_file(&path).unwrap();
        write_keeping(&path, &previous, b"4").unwrap();
        assert_eq!((found(&path).as_deref(), found(&previous).as_deref()), (Some("4"), Some("2")));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
