//! Archives as lists of files: what lies where in a tar or a zip, without reading more than its lists.
//!
//! Plain logic, tested natively; the page reads the parts out of the dropped file (`components/incoming.rs`), so that an
//! archive of gigabytes is never in memory. (The crates for both read a whole file, or wait for its parts.)

pub mod tar;
pub mod zip;

/// Whether a file is worth taking out of a folder or an archive: what systems leave behind is not.
#[must_use]
pub fn is_wanted(path: &str) -> bool {
    let lower = path.to_lowercase();
    let is_hidden = path.split('/').any(|part| part.starts_with('.') || part == "__MACOSX");
    let kinds = [".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"];
    !is_hidden && kinds.iter().any(|kind| lower.ends_with(kind))
}

/// The paths without the folders that all of them share.
#[must_use]
pub fn without_common_folder(paths: Vec<String>) -> Vec<String> {
    let mut common =
        paths.first().and_then(|path| path.rsplit_once('/')).map_or(String::new(), |(folder, _)| format!("{folder}/"));
    while !common.is_empty() && !paths.iter().all(|path| path.starts_with(&common)) {
        let shorter = common.trim_end_matches('/').rsplit_once('/').map_or(0, |(folder, _)| folder.len() + 1);
        common.truncate(shorter);
    }
    // One folder of pictures keeps its name: it may be a date or a class.
    let start = if paths.len() > 1 { common.len() } else { 0 };
    paths.into_iter().map(|path| path[start..].to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_taken_and_what_systems_leave_behind_is_not() {
        assert!(is_wanted("EuroSAT/Forest/Forest_1.JPG") && is_wanted("a.tif"));
        for path in ["Forest/.DS_Store", "__MACOSX/Forest/._1.jpg", "readme.txt", ".thumbs/1.jpg"] {
            assert!(!is_wanted(path), "{path}");
        }
    }

    #[test]
    fn the_folders_that_differ_stay() {
        let stripped = |paths: &[&str]| without_common_folder(paths.iter().map(ToString::to_string).collect());
        assert_eq!(stripped(&["e/2750/Forest/1.jpg", "e/2750/River/2.jpg"]), ["Forest/1.jpg", "River/2.jpg"]);
        assert_eq!(stripped(&["tiles/1.jpg", "tiles/2.jpg"]), ["1.jpg", "2.jpg"]);
        assert_eq!(stripped(&["For/1.jpg", "Forest/2.jpg"]), ["For/1.jpg", "Forest/2.jpg"]);
        assert_eq!(stripped(&["2021-03-15/field.tif"]), ["2021-03-15/field.tif"]);
        assert!(stripped(&[]).is_empty());
    }
}
