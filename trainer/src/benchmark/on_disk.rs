//! Where a task's data lies: what is looked for, and what is said when it is not there.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::task::Task;
use crate::error::UsageError;

/// Folders that data sets are looked for in, and places that were named.
#[derive(Clone, Debug, Default)]
pub struct DataFolders {
    /// Folders that hold data sets, in order.
    pub folders: Vec<PathBuf>,
    /// Task names with the place of their data.
    pub named: Vec<(String, PathBuf)>,
}

impl DataFolders {
    /// Checks that everything named is there.
    ///
    /// # Errors
    /// [`UsageError`] when a folder is not.
    pub fn check(&self) -> Result<()> {
        for folder in &self.folders {
            if !folder.is_dir() {
                let what = format!("no folder {}\nhint: --data names a folder that holds data sets", folder.display());
                return Err(UsageError::new(what).into());
            }
        }
        for (task, path) in &self.named {
            if !path.exists() {
                let what = format!("nothing at {} for {task}\nhint: check the path", path.display());
                return Err(UsageError::new(what).into());
            }
        }
        Ok(())
    }

    /// Every place where the data of `task` may lie, the best first.
    ///
    /// # Errors
    /// When a folder cannot be listed.
    pub fn candidates(&self, task: &Task) -> Result<Vec<PathBuf>> {
        let named: Vec<PathBuf> =
            self.named.iter().filter(|(name, _)| *name == task.name).map(|(_, path)| path.clone()).collect();
        if !named.is_empty() {
            return Ok(named);
        }
        let mut found = Vec::new();
        for pattern in &task.data.look_for {
            for folder in &self.folders {
                matches(folder, pattern, &mut found)?;
            }
            // One folder deeper: data sets are often unpacked into a folder of their own.
            for folder in &self.folders {
                for inner in sorted(folder)?.into_iter().filter(|path| path.is_dir()) {
                    matches(&inner, pattern, &mut found)?;
                }
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        found.retain(|path| seen.insert(path.clone()));
        Ok(found)
    }

    /// The first of `names` that is a file in one of the folders, in one of their folders, or beside `data`.
    ///
    /// # Errors
    /// When a folder cannot be listed.
    pub fn list(&self, names: &[String], data: &Path) -> Result<Option<PathBuf>> {
        let beside = data.is_dir().then_some(data).into_iter().chain(data.parent());
        let folders = beside.map(Path::to_owned).chain(self.folders.iter().cloned());
        let mut all: Vec<PathBuf> = folders.collect();
        for folder in &self.folders {
            all.extend(sorted(folder)?.into_iter().filter(|path| path.is_dir()));
        }
        let mut every = names.iter().flat_map(|name| all.iter().map(move |folder| folder.join(name)));
        Ok(every.find(|path| path.is_file()))
    }
}

/// What to say of data that is not there.
#[must_use]
pub fn missing(task: &Task, folders: &DataFolders, why: &str) -> String {
    let looked = task.data.look_for.join(", ");
    let folders: Vec<String> = folders.folders.iter().map(|folder| folder.display().to_string()).collect();
    let place = if folders.is_empty() { "no folder (--data names one)".to_owned() } else { folders.join(", ") };
    let get = match (&task.how_to_get, task.downloads.is_empty()) {
        (Some(how), _) => how.clone(),
        (None, false) => format!("`trainer fetch {}`", task.name),
        (None, true) => format!("see {}", task.homepage),
    };
    format!("{}: {why}; looked for {looked} in {place} and one folder deeper; to get it: {get}", task.name)
}

/// Appends what fits `pattern` below `folder`; `*` stands for any part of one name.
fn matches(folder: &Path, pattern: &str, found: &mut Vec<PathBuf>) -> Result<()> {
    let (first, rest) = pattern.split_once('/').map_or((pattern, None), |(first, rest)| (first, Some(rest)));
    let next: Vec<PathBuf> = if first.contains('*') {
        let fits = |path: &PathBuf| path.file_name().is_some_and(|name| is_like(first, &name.to_string_lossy()));
        sorted(folder)?.into_iter().filter(fits).collect()
    } else {
        let path = if first == "." { folder.to_owned() } else { folder.join(first) };
        path.exists().then_some(path).into_iter().collect()
    };
    match rest {
        None => found.extend(next),
        Some(rest) => {
            for path in next.iter().filter(|path| path.is_dir()) {
                matches(path, rest, found)?;
            }
        }
    }
    Ok(())
}

/// Whether `name` is of `pattern`, in which `*` stands for anything.
fn is_like(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| is_like(after, &rest[at..]))
        }),
    }
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
    };
    let mut paths = listed().with_context(|| format!("cannot list {}\nhint: is it readable?", folder.display()))?;
    paths.sort();
    Ok(paths)
}

/// Every file below `root` as a path with `/` from there, sorted; links to folders are not followed.
///
/// # Errors
/// When a folder cannot be listed.
pub fn files_below(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![(root.to_owned(), String::new())];
    while let Some((folder, prefix)) = open.pop() {
        for path in sorted(&folder)? {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let name = format!("{prefix}{name}");
            let kind = fs::symlink_metadata(&path).with_context(|| format!("cannot look at {}", path.display()))?;
            if kind.is_dir() {
                open.push((path, format!("{name}/")));
            } else if path.is_file() {
                found.push(name);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    fn task(look_for: &[&str]) -> Task {
        let mut task = Task::shipped().unwrap().remove(0);
        task.data.look_for = look_for.iter().map(|path| (*path).to_owned()).collect();
        task
    }

    #[test]
    fn data_is_found_here_and_one_folder_deeper() {
        let root = tempfile::tempdir().unwrap();
        for path in ["set/A", "deep/UC/Images", "aid_small.tar.d", "set/train.csv"] {
            fs::create_dir_all(root.path().join(path).parent().unwrap()).unwrap();
            fs::create_dir_all(root.path().join(path)).unwrap();
        }
        let folders = DataFolders { folders: vec![root.path().to_owned()], named: Vec::new() };
        let found = |look_for: &[&str]| -> Vec<String> {
            let found = folders.candidates(&task(look_for)).unwrap();
            found.iter().map(|path| path.strip_prefix(root.path()).unwrap().display().to_string()).collect()
        };
        assert_eq!(found(&["UC/Images", "set"]), ["deep/UC/Images", "set"]);
        assert_eq!(found(&["aid*.d", "no*thing"]), ["aid_small.tar.d"]);
        assert!(found(&["nothing"]).is_empty());
        let said = missing(&task(&["nothing"]), &folders, "not there");
        assert!(said.contains("nothing") && said.contains("trainer fetch eurosat-rgb"), "{said}");
    }

    #[test]
    fn stars_stand_for_anything_in_a_name() {
        assert!(is_like("aid*.tar", "aid_150px_subset.tar") && is_like("*", "x") && is_like("a*b*c", "abc"));
        assert!(!is_like("aid*.tar", "aid.tar.gz") && !is_like("a*", "b"));
    }
}
