//! A part of the matrix that tests/reference/tiff_matrix.py writes; and what damage does.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod compare;
mod damage;

use std::io::Read;

/// Written by `tiff_matrix.py --small` with GDAL and tifffile.
fn matrix() -> compare::Files {
    let packed = flate2::read::GzDecoder::new(&include_bytes!("../matrix.tar.gz")[..]);
    let mut archive = tar::Archive::new(packed);
    let mut files = compare::Files::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().file_name().map(|name| name.to_string_lossy().into_owned());
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.extend(name.map(|name| (name, bytes)));
    }
    files
}

#[test]
fn every_file_is_read_as_gdal_and_tifffile_read_it() {
    let (cases, wrong) = compare::compare(&matrix());
    assert!(cases.len() > 200, "{} files", cases.len());
    assert!(wrong.is_empty(), "{} of {}: {:#?}", wrong.len(), cases.len(), &wrong[..wrong.len().min(20)]);
}
