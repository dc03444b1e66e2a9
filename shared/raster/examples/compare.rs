//! Reads every file of a matrix (tests/reference/tiff_matrix.py) and names those that are not read as they must be.
//!
//! usage: `cargo run -p raster --example compare FOLDER`
#![expect(clippy::print_stdout, reason = "its answer")]

#[path = "../tests/matrix/compare.rs"]
mod compare;

use std::collections::BTreeMap;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_default();
    let (cases, wrong) = compare::compare(&read(Path::new(&folder))?);
    let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let kind = |name: &str| name.len() - name.trim_start_matches(|letter: char| letter.is_ascii_alphabetic()).len();
    for case in &cases {
        kinds.entry(&case.name[..kind(&case.name)]).or_default().0 += 1;
    }
    for (name, why) in &wrong {
        kinds.entry(&name[..kind(name)]).or_default().1 += 1;
        println!("{name}: {why}");
    }
    for (kind, (all, wrong)) in kinds {
        println!("{kind}: {all} files, {wrong} wrong");
    }
    let refused = cases.iter().filter(|case| case.refused.is_some()).count();
    println!("{} files, of which {refused} must be refused; {} wrong", cases.len(), wrong.len());
    Ok(())
}

/// The files of a folder.
fn read(folder: &Path) -> std::io::Result<compare::Files> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path())?))
    };
    std::fs::read_dir(folder)?.map(read).collect()
}
