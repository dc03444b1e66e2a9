//! Class folders, tars of them and split lists.

use super::*;
use crate::data::{LabelledSet, SourceKind};

/// Two classes of three pictures each, and one damaged file.
fn eurosat(folder: &Path) {
    for (class, red) in [("Forest", 10u8), ("River", 200)] {
        for number in 1..=3u8 {
            picture(&folder.join(format!("{class}/{class}_{number}.png")), 8, [red + number, 0, 0]);
        }
    }
    std::fs::write(folder.join("River/River_4.png"), b"\x89PNG\r\n\x1a\n cut off").unwrap();
}

fn tar_of(folder: &Path, top: &str) -> tempfile::NamedTempFile {
    let packed = tempfile::Builder::new().suffix(".tar").tempfile().unwrap();
    let mut builder = tar::Builder::new(packed.reopen().unwrap());
    builder.append_dir_all(top, folder).unwrap();
    builder.finish().unwrap();
    packed
}

#[test]
fn folders_are_classes_in_a_folder_and_in_a_tar() {
    let folder = tempfile::tempdir().unwrap();
    eurosat(folder.path());
    let packed = tar_of(folder.path(), "2750");
    for path in [folder.path(), packed.path()] {
        let mut warnings = Vec::new();
        let set = LabelledSet::open(path, None, &mut warnings).unwrap();
        assert_eq!(set.classes, ["Forest", "River"]);
        assert_eq!(set.labels, [0, 0, 0, 1, 1, 1]);
        assert_eq!(set.tile(4).unwrap().pixels()[0], 202.0 / 255.0);
        assert_eq!(set.tiles(&[0, 5]).unwrap()[1].pixels()[0], 203.0 / 255.0);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].what.contains("River/River_4.png"), "{warnings:?}");
        assert_eq!(set.thinned(2).labels, [0, 1]);
    }
}

#[test]
fn both_kinds_of_list_choose_and_order_the_pictures() {
    let folder = tempfile::tempdir().unwrap();
    eurosat(folder.path());
    let lists = tempfile::tempdir().unwrap();
    let comma = lists.path().join("aitlas_arena_train.csv");
    std::fs::write(&comma, "River/River_2.png,River\nForest/Forest_3.png,Forest\n\nForest/Forest_9.png,Forest\n")
        .unwrap();
    let plain = lists.path().join("scalemae_train.txt");
    std::fs::write(&plain, "./River/River_2.png\n./Forest/Forest_3.png\n./Forest/Forest_9.png\n").unwrap();
    for list in [&comma, &plain] {
        let mut warnings = Vec::new();
        let set = LabelledSet::open(folder.path(), Some(list), &mut warnings).unwrap();
        assert_eq!(set.names, ["River/River_2.png", "Forest/Forest_3.png"]);
        assert_eq!((set.labels.clone(), set.classes.len()), (vec![1, 0], 2));
        assert!(warnings[0].what.ends_with("not there: Forest/Forest_9.png"), "{warnings:?}");
    }
}

#[test]
fn pictures_outside_class_folders_have_no_label() {
    let folder = tempfile::tempdir().unwrap();
    picture(&folder.path().join("a.png"), 4, [1, 2, 3]);
    let error = LabelledSet::open(folder.path(), None, &mut Vec::new()).err().unwrap().to_string();
    assert!(error.starts_with("a.png lies in no class folder\nhint: "), "{error}");
    let (source, _) = open(&SourceSpec::new(folder.path()));
    assert_eq!((source.kind(), source.label(0)), (SourceKind::Folder, None));
}
