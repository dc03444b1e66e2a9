//! Files that are whole or absent: written under a temporary name in the same folder, flushed to disk, then renamed.

use std::fs;
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
    let file = temporary(path, fill).map_err(|error| blame(path, &error))?;
    file.persist(path).map_err(|error| blame(path, &error.error))?;
    Ok(())
}

/// Like [`write`]; what has reached the disk is read back and given to `check` before it takes its name.
///
/// # Errors
/// See [`write`]; and whatever `check` returns, with `path` as it was.
pub fn write_checked(path: &Path, bytes: &[u8], check: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
    let file = temporary(path, |file| file.write_all(bytes)).map_err(|error| blame(path, &error))?;
    check(&fs::read(file.path()).map_err(|error| blame(path, &error))?)?;
    file.persist(path).map_err(|error| blame(path, &error.error))?;
    Ok(())
}

/// Whether `path` is what a killed [`write`] leaves behind: a file that never got its name.
pub fn is_unfinished(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(UNFINISHED))
}

fn blame(path: &Path, error: &io::Error) -> anyhow::Error {
    let hint = "check that the folder exists, is writable and has room on its disk";
    anyhow!("cannot write {}: {error}\nhint: {hint}", path.display())
}

/// A filled and synced file beside `path` that vanishes unless it is persisted.
fn temporary(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
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
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
