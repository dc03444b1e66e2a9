//! Which files belong together, by the patterns of a task, and how they are split.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, anyhow};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::super::dense::Item;
use super::super::on_disk::files_below;
use super::super::pattern::{Captured, Pattern};
use super::super::run::Unusable;
use super::super::task::{Kind, SplitRule, SplitSpec};
use crate::data::evenly_spaced;

/// What lies below a folder.
#[derive(Debug)]
pub struct Found {
    /// Complete items, sorted by name.
    pub items: Vec<Item>,
    /// Whether masks hold colours.
    pub is_coloured: bool,
    /// Pictures that have no map.
    pub without_mask: usize,
}

/// Rows that are learned from, chosen on and tested on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fold {
    /// What is learned from.
    pub train: Vec<usize>,
    /// What choices are made on.
    pub validation: Vec<usize>,
    /// What is tested on.
    pub test: Vec<usize>,
}

/// The items below `root` by the first of the task's forms that any are of.
///
/// # Errors
/// [`Unusable`], with what was looked for, when there is none.
pub fn find(kind: &Kind, root: &Path) -> Result<Found> {
    let forms: Vec<(Vec<&str>, &str, bool)> = match kind {
        Kind::Change { forms, .. } => {
            forms.iter().map(|form| (vec![&form.before[..], &form.after], &form.mask[..], false)).collect()
        }
        Kind::Segmentation { forms, .. } => {
            forms.iter().map(|form| (vec![&form.image[..]], &form.mask[..], form.coloured)).collect()
        }
        _ => Vec::new(),
    };
    if !root.is_dir() {
        return Err(Unusable("no folder".to_owned()).into());
    }
    let files = files_below(root)?;
    let mut looked = Vec::new();
    for (pictures, mask, is_coloured) in forms {
        let patterns = pictures.iter().copied().chain([mask]);
        let mut columns: Vec<BTreeMap<Captured, &str>> = Vec::new();
        for text in patterns.clone() {
            let pattern = Pattern::new(text).map_err(|what| anyhow!(what))?;
            columns.push(files.iter().filter_map(|file| Some((pattern.captured(file)?, file.as_str()))).collect());
        }
        let counts: Vec<String> =
            patterns.zip(&columns).map(|(text, column)| format!("{} of {text}", column.len())).collect();
        looked.push(counts.join(", "));
        let Some((masks, pictures)) = columns.split_last() else { continue };
        let complete = |key: &&Captured| pictures.iter().all(|column| column.contains_key(*key));
        let keys: Vec<&Captured> =
            pictures.first().map(|first| first.keys().filter(complete).collect()).unwrap_or_default();
        let with_mask: Vec<&Captured> = keys.iter().copied().filter(|key| masks.contains_key(*key)).collect();
        if with_mask.is_empty() {
            continue;
        }
        let item = |key: &Captured| {
            let rest: Vec<&str> = key.iter().filter(|(name, _)| *name != "part").map(|(_, own)| own.as_str()).collect();
            Item {
                name: key.values().map(String::as_str).collect::<Vec<_>>().join("/"),
                id: rest.join("/"),
                part: key.get("part").cloned(),
                pictures: pictures.iter().map(|column| root.join(column[key])).collect(),
                mask: root.join(masks[key]),
            }
        };
        let mut items: Vec<Item> = with_mask.iter().copied().map(item).collect();
        items.sort_by(|a, b| a.name.cmp(&b.name));
        return Ok(Found { without_mask: keys.len() - with_mask.len(), items, is_coloured });
    }
    Err(Unusable(format!("no pictures with their maps: found {}", looked.join("; or "))).into())
}

/// The folds of a split, parts thinned to at most `limit` items (0 takes all); `None` when its parts are not here.
///
/// # Errors
/// When there are too few items to learn from, choose on and test on.
pub fn folds(items: &[Item], split: &SplitSpec, limit: usize, seed: u64) -> Result<Option<Vec<Fold>>> {
    let rows =
        |fits: &dyn Fn(&Item) -> bool| -> Vec<usize> { (0..items.len()).filter(|&row| fits(&items[row])).collect() };
    let of_part = |name: &str| rows(&|item| item.part.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(name)));
    let folds = match &split.by {
        SplitRule::Parts { train, validation, test } => {
            let validation = validation.as_ref().map(|name| of_part(name)).unwrap_or_default();
            vec![Fold { train: of_part(train), validation, test: of_part(test) }]
        }
        SplitRule::Names { train, test } => {
            let named = |names: &[String]| rows(&|item| names.contains(&item.id));
            vec![Fold { train: named(train), validation: Vec::new(), test: named(test) }]
        }
        SplitRule::Folds { folds } => {
            let folds = (*folds).min(items.len());
            let fold = |turn: usize| Fold {
                train: (0..items.len()).filter(|row| row % folds != turn).collect(),
                validation: Vec::new(),
                test: (0..items.len()).filter(|row| row % folds == turn).collect(),
            };
            (0..folds).map(fold).collect()
        }
        _ => return Ok(None),
    };
    if folds.is_empty() || folds.iter().any(|fold| fold.train.is_empty() || fold.test.is_empty()) {
        return Ok(None);
    }
    let finish = |(turn, fold): (usize, Fold)| {
        let thin = |rows: Vec<usize>| match limit {
            0 => rows,
            limit => evenly_spaced(rows.len(), limit).map(|at| rows[at]).collect(),
        };
        let mut fold = fold;
        if fold.validation.is_empty() && fold.train.len() > 1 {
            let mut order = fold.train.clone();
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(turn as u64);
            order.shuffle(&mut rng);
            let count = (order.len() / 5).max(1);
            fold.validation = order[..count].to_vec();
            fold.validation.sort_unstable();
            fold.train.retain(|row| !fold.validation.contains(row));
        }
        Fold { train: thin(fold.train), validation: thin(fold.validation), test: thin(fold.test) }
    };
    Ok(Some(folds.into_iter().enumerate().map(finish).collect()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::super::super::task::Task;
    use super::*;

    fn task(name: &str) -> Task {
        Task::shipped().unwrap().into_iter().find(|task| task.name == name).unwrap()
    }

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        root
    }

    fn ids(found: &Found) -> Vec<&str> {
        found.items.iter().map(|item| item.id.as_str()).collect()
    }

    #[test]
    fn files_of_the_published_layouts_belong_together() {
        let oscd = tree(&[
            "images/paris/pair/img1.png",
            "images/paris/pair/img2.png",
            "images/milano/pair/img1.png",
            "images/milano/pair/img2.png",
            "train_labels/paris/cm.png",
            "images/paris/dates.txt",
        ]);
        let found = find(&task("oscd").what, oscd.path()).unwrap();
        assert_eq!((ids(&found), found.without_mask), (vec!["paris"], 1));
        let levir = tree(&[
            "train/A/1.png",
            "train/B/1.png",
            "train/label/1.png",
            "test/A/2.png",
            "test/B/2.png",
            "test/label/2.png",
        ]);
        let found = find(&task("levir-cd").what, levir.path()).unwrap();
        let parts: Vec<_> = found.items.iter().map(|item| item.part.as_deref().unwrap()).collect();
        assert_eq!((ids(&found), parts), (vec!["1", "2"], vec!["train", "test"]));
        let flat = tree(&["A/val_27_0_256.png", "B/val_27_0_256.png", "label/val_27_0_256.png", "A/test_1.png"]);
        assert_eq!(ids(&find(&task("levir-cd").what, flat.path()).unwrap()), ["27_0_256"]);
        let whu = tree(&["test/A/7.tif", "test/B/7.tif", "test/OUT/7.tif"]);
        assert_eq!(ids(&find(&task("whu-cd").what, whu.path()).unwrap()), ["7"]);
        let love = tree(&[
            "Train/Rural/images_png/0.png",
            "Train/Rural/masks_png/0.png",
            "Train/Urban/images_png/0.png",
            "Train/Urban/masks_png/0.png",
        ]);
        assert_eq!(ids(&find(&task("loveda").what, love.path()).unwrap()), ["Rural/0", "Urban/0"]);
    }

    #[test]
    fn a_wrong_tree_is_told_what_was_looked_for() {
        let wrong = tree(&["A/1.jpg", "images/2.png"]);
        let error = find(&task("ombria").what, wrong.path()).unwrap_err();
        assert!(error.is::<Unusable>());
        assert!(error.to_string().contains("0 of OmbriaS2/{part}/BEFORE/S2_before_{id}.png"), "{error}");
    }

    #[test]
    fn parts_names_and_turns() {
        let item = |id: &str, part: Option<&str>| Item {
            name: id.into(),
            id: id.into(),
            part: part.map(str::to_owned),
            pictures: Vec::new(),
            mask: "".into(),
        };
        let mut items: Vec<Item> = (0..10).map(|at| item(&at.to_string(), Some("Train"))).collect();
        items.extend([item("10", Some("test")), item("11", None)]);
        let levir = task("levir-cd");
        let fold = folds(&items, &levir.splits[0], 0, 0).unwrap().unwrap().remove(0);
        assert_eq!((fold.train.len(), fold.validation.len(), fold.test), (8, 2, vec![10]));
        let oscd = task("oscd");
        assert_eq!(folds(&items, &oscd.splits[0], 0, 0).unwrap(), None, "no such cities");
        let turns = folds(&items, &oscd.splits[1], 0, 0).unwrap().unwrap();
        let mut tested: Vec<usize> = turns.iter().flat_map(|fold| fold.test.iter().copied()).collect();
        tested.sort_unstable();
        assert_eq!(tested, (0..12).collect::<Vec<_>>());
        for fold in &turns {
            let learned = || fold.train.iter().chain(&fold.validation);
            assert!(learned().all(|row| !fold.test.contains(row)) && !fold.validation.is_empty());
        }
        let thin = folds(&items, &levir.splits[0], 3, 0).unwrap().unwrap();
        assert_eq!((thin[0].train.len(), thin[0].validation.len()), (3, 2));
    }
}
