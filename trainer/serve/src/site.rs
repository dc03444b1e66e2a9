//! Which file an address names: folders laid over each other, the first that has the file answers.

use std::path::{Component, Path, PathBuf};

/// Folders under addresses.
#[derive(Clone, Debug)]
pub struct Site {
    /// (first part of the address or nothing, folders from the first to be asked to the last)
    places: Vec<(String, Vec<PathBuf>)>,
}

impl Site {
    /// One folder, served at `/`.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { places: vec![(String::new(), vec![folder.to_owned()])] }
    }

    /// The same site with `folders` at `/name/`: each file is that of the first folder that has it.
    #[must_use]
    pub fn with(mut self, name: &str, folders: Vec<PathBuf>) -> Self {
        self.places.insert(0, (name.to_owned(), folders));
        self
    }

    /// The file that an address names, when it lies inside one of the folders.
    #[must_use]
    pub fn file_of(&self, url: &str) -> Option<PathBuf> {
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let path = path.strip_prefix('/').unwrap_or(path);
        let is_inside =
            Path::new(path).components().all(|part| matches!(part, Component::Normal(_))) && !path.starts_with('/');
        if !is_inside {
            return None;
        }
        self.places.iter().find_map(|(name, folders)| {
            let rest = match path.strip_prefix(name.as_str()) {
                Some(rest) if name.is_empty() => rest,
                // `/name` alone would be a page whose relative addresses lack a part.
                Some(rest) => rest.strip_prefix('/')?,
                None => return None,
            };
            folders.iter().map(|folder| file_in(folder, rest)).find(|file| file.is_file())
        })
    }
}

fn file_in(folder: &Path, path: &str) -> PathBuf {
    let file = if path.is_empty() { folder.to_owned() } else { folder.join(path) };
    if file.is_dir() { file.join("index.html") } else { file }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;
    use std::fs;

    fn file(path: &Path) -> PathBuf {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
        path.to_owned()
    }

    #[test]
    fn nothing_outside_the_folder_is_served() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("page");
        let index = file(&page.join("index.html"));
        file(&folder.path().join("secret"));
        let site = Site::new(&page);
        assert_eq!(site.file_of("/"), Some(index.clone()));
        assert_eq!(site.file_of("/index.html?a=b"), Some(index));
        assert_eq!(site.file_of("/../secret"), None);
        assert_eq!(site.file_of("//etc/passwd"), None);
        assert_eq!(site.file_of("/missing"), None);
    }

    #[test]
    fn the_first_folder_that_has_a_file_answers() {
        let folder = tempfile::tempdir().unwrap();
        let (page, fresh) = (folder.path().join("page"), folder.path().join("fresh"));
        let script = file(&page.join("boot.js"));
        let shipped = file(&page.join("models/index.json"));
        let trained = file(&fresh.join("models/index.json"));
        let index = file(&page.join("index.html"));
        let site = Site::new(&page).with("trained", vec![fresh, page]);
        assert_eq!(site.file_of("/models/index.json"), Some(shipped));
        assert_eq!(site.file_of("/trained/models/index.json"), Some(trained));
        assert_eq!(site.file_of("/trained/boot.js"), Some(script));
        assert_eq!(site.file_of("/trained/"), Some(index));
        assert_eq!(site.file_of("/trained"), None);
        assert_eq!(site.file_of("/trainedboot.js"), None);
    }
}
