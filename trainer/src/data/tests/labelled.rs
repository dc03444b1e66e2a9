//! Class folders, tars of them and split lists.

use super::*;
use crate::data::npy::tests::npy;
use crate::data::{LabelledSet, SourceKind};
use shared::bands::Bands;

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
        let set = LabelledSet::open(path, None, &Bands::rgb(), &mut warnings).unwrap();
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
        let set = LabelledSet::open(folder.path(), Some(list), &Bands::rgb(), &mut warnings).unwrap();
        assert_eq!(set.names, ["River/River_2.png", "Forest/Forest_3.png"]);
        assert_eq!((set.labels.clone(), set.classes.len()), (vec![1, 0], 2));
        assert!(warnings[0].what.ends_with("not there: Forest/Forest_9.png"), "{warnings:?}");
    }
}

#[test]
fn pictures_outside_class_folders_have_no_label() {
    let folder = tempfile::tempdir().unwrap();
    picture(&folder.path().join("a.png"), 4, [1, 2, 3]);
    let error = LabelledSet::open(folder.path(), None, &Bands::rgb(), &mut Vec::new()).err().unwrap().to_string();
    assert!(error.starts_with("a.png lies in no class folder\nhint: "), "{error}");
    let (source, _) = open(&SourceSpec::new(folder.path()));
    assert_eq!((source.kind(), source.label(0)), (SourceKind::Folder, None));
}

#[test]
fn a_list_may_name_the_classes_of_some_pictures() {
    let folder = tempfile::tempdir().unwrap();
    eurosat(folder.path());
    let list = folder.path().join("some.csv");
    for text in [
        "file,class\nRiver/River_2.png,River\nForest/Forest_3.png,\nForest/Forest_1.png,Forest\n",
        "River/River_2.png,River\nForest/Forest_3.png\nForest/Forest_1.png,Forest\n",
        "Forest/Forest_3.png\nRiver/River_2.png,River\nForest/Forest_1.png,Forest\n",
    ] {
        std::fs::write(&list, text).unwrap();
        let spec = SourceSpec { split: Some(list.clone()), ..SourceSpec::new(folder.path()) };
        let (source, _) = open(&spec);
        let labels: Vec<Option<usize>> = (0..source.len()).map(|place| source.label(place)).collect();
        assert_eq!((labels.len(), labels.iter().flatten().count()), (3, 2), "all are there to train on: {text}");
        let mut warnings = Vec::new();
        let set = LabelledSet::open(folder.path(), Some(&list), &Bands::rgb(), &mut warnings).unwrap();
        assert_eq!(set.names, ["River/River_2.png", "Forest/Forest_1.png"], "{text}");
        assert!(warnings[0].what.contains("names no class of Forest/Forest_3.png"), "{warnings:?}");
    }
}

#[test]
fn classes_of_a_list_stand_in_the_place_of_the_folders() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..4u8 {
        picture(&folder.path().join(format!("images/{number}.png")), 4, [number, 0, 0]);
    }
    let set = |name: &str, text: &str| {
        let list = folder.path().join(name);
        std::fs::write(&list, text).unwrap();
        LabelledSet::open(folder.path(), Some(&list), &Bands::rgb(), &mut Vec::new()).unwrap()
    };
    let mut train = set("train.csv", "0.png,a\n1.png,b\n2.png,c\n");
    let mut test = set("test.csv", "3.png,c\n");
    assert_eq!((train.classes.join(""), test.classes.join("")), ("abc".to_owned(), "c".to_owned()), "no class images");
    LabelledSet::share_classes(&mut [&mut train, &mut test]);
    assert_eq!(
        (&train.labels[..], &test.labels[..]),
        (&[0, 1, 2][..], &[2][..]),
        "a class has one number in all parts"
    );
    assert_eq!(train.classes, test.classes);
}

#[test]
fn arrays_are_pictures_where_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let array = |name: &str, band: u8| {
        let values: Vec<u8> = (0..4 * 6 * 5).map(|at| band + (at / 30) as u8).collect();
        std::fs::create_dir_all(folder.path().join("x")).unwrap();
        std::fs::write(folder.path().join(name), npy("|u1", &[4, 6, 5], &values)).unwrap();
    };
    array("x/1.npy", 10);
    array("x/2.NPY", 50);
    let four = Bands::new(["B02", "B03", "B04", "B08"].map(|name| name.parse().unwrap()).to_vec()).unwrap();
    let spec = SourceSpec { file_bands: Some(four), ..SourceSpec::new(folder.path()).for_bands(&Bands::rgb()) };
    let (source, _) = open(&spec);
    assert_eq!((source.len(), source.bands()), (2, &Bands::rgb()));
    let tile = first_tile(&source, 1, 0);
    assert_eq!((tile[0], tile[30], tile[60]), (52.0 / 255.0, 51.0 / 255.0, 50.0 / 255.0));
    picture(&folder.path().join("x/3.png"), 4, [1, 2, 3]);
    assert_eq!(open(&SourceSpec::new(folder.path())).0.len(), 1, "beside pictures they are something else");
}

#[test]
fn files_of_other_formats_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a/1.jp2", "a/2.jp2", "a/notes.txt", "a/3.nc"] {
        std::fs::create_dir_all(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join(name), b"x").unwrap();
    }
    let message = error_of(&SourceSpec::new(folder.path()));
    assert!(message.contains("but 2 of .jp2, which is not read\nhint: gdal_translate"), "{message}");
}
