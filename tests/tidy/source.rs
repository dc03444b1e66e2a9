//! The Rust files of the repository without their tests and comments.

use std::fs;
use std::path::Path;

/// A file as the rules see it.
pub struct Source {
    /// From the repository's root, with `/`.
    pub path: String,
    /// (number, text) of the lines that are code and no test's.
    pub lines: Vec<(usize, String)>,
}

impl Source {
    /// `text` up to its tests, which stand last in a file.
    pub fn new(path: &str, text: &str) -> Self {
        let is_test = |line: &str| line.trim_start().starts_with("#[cfg(test)]");
        let mut lines = text.lines().enumerate().peekable();
        let mut kept = Vec::new();
        while let Some((at, line)) = lines.next() {
            if is_test(line) {
                // A module in a file of its own, or an import: only that line is the test's. Attributes may follow.
                let mut next = lines.next();
                while next.is_some_and(|(_, line)| line.trim_start().starts_with("#[")) {
                    next = lines.next();
                }
                if next.is_some_and(|(_, line)| line.trim_end().ends_with(';')) {
                    continue;
                }
                break;
            }
            let code = line.split("//").next().unwrap_or_default();
            if !code.trim().is_empty() {
                kept.push((at + 1, code.to_owned()));
            }
        }
        Self { path: path.to_owned(), lines: kept }
    }
}

/// The crates' sources.
pub const FOLDERS: &[&str] = &[
    "shared/src",
    "shared/label-head/src",
    "shared/raster/src",
    "trainer/src",
    "trainer/gather/src",
    "trainer/serve/src",
    "web/src",
];

/// Every Rust file of the crates that is no test.
pub fn all(root: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        collect(&root.join(folder), folder, &mut found);
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(folder: &Path, path: &str, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{path}/{name}");
        let is_test = name == "tests" || name == "tests.rs" || name.ends_with("_tests.rs");
        if is_test {
            continue;
        }
        if entry.path().is_dir() {
            collect(&entry.path(), &path, found);
        } else if name.ends_with(".rs") {
            found.push(Source::new(&path, &fs::read_to_string(entry.path()).unwrap()));
        }
    }
}
