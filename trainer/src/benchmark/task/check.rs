//! What a task file must not say.

use super::super::pattern::Pattern;
use super::{Kind, SplitRule, Task};

/// Says what is wrong with a task, if anything.
pub(super) fn check(task: &Task) -> Result<(), String> {
    let name_is_fine =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !name_is_fine(&task.name) {
        return Err(format!("name {:?} is not of lower-case letters, digits and dashes", task.name));
    }
    if task.data.look_for.is_empty() {
        return Err("data.look_for names no path".to_owned());
    }
    if task.data.px == 0 || task.data.input_px == Some(0) {
        return Err("data.px and data.input_px must be at least 1".to_owned());
    }
    let mut names = std::collections::BTreeSet::new();
    for split in &task.splits {
        if !name_is_fine(&split.name) || !names.insert(&split.name) {
            return Err(format!("split name {:?} is no name, or given twice", split.name));
        }
        check_rule(&split.by).map_err(|what| format!("split {}: {what}", split.name))?;
    }
    check_kind(task)?;
    for published in &task.published {
        if !(0.0..=100.0).contains(&published.value) {
            return Err(format!("{} is no percentage ({})", published.value, published.model));
        }
        if published.split.as_ref().is_some_and(|split| !names.contains(split)) {
            return Err(format!("the figure of {} stands beside no split of the task", published.model));
        }
        if published.source.trim().is_empty() {
            return Err(format!("the figure of {} has no source", published.model));
        }
    }
    for download in &task.downloads {
        let is_plain = !download.file.is_empty() && !download.file.contains(['/', '\\']) && download.file != "..";
        if !is_plain {
            return Err(format!("download.file {:?} is no file name", download.file));
        }
        if !(download.url.starts_with("https://") || download.url.starts_with("http://")) {
            return Err(format!("download.url {:?} is no web address", download.url));
        }
    }
    Ok(())
}

fn check_rule(rule: &SplitRule) -> Result<(), String> {
    let problem = match rule {
        SplitRule::Lists { train, test, .. } if train.is_empty() || test.is_empty() => "a list has no name",
        SplitRule::Share { train, .. } if !(*train > 0.0 && *train < 1.0) => "a share lies between 0 and 1",
        SplitRule::Share { draws: 0, .. } => "0 draws",
        SplitRule::Folds { folds: 0 | 1 } => "it takes 2 folds at least",
        SplitRule::Names { train, test } if train.iter().any(|name| test.contains(name)) => {
            "a picture is learned from and tested on"
        }
        _ => return Ok(()),
    };
    Err(problem.to_owned())
}

fn check_kind(task: &Task) -> Result<(), String> {
    let fits = |rule: &SplitRule| match task.what {
        Kind::Scenes { .. } | Kind::Labels { .. } => {
            matches!(rule, SplitRule::Lists { .. } | SplitRule::Share { .. })
        }
        Kind::Change { .. } | Kind::Segmentation { .. } => {
            matches!(rule, SplitRule::Parts { .. } | SplitRule::Names { .. } | SplitRule::Folds { .. })
        }
        Kind::Places { .. } => false,
    };
    if let Some(split) = task.splits.iter().find(|split| !fits(&split.by)) {
        return Err(format!("split {} cannot be made for {}", split.name, task.what.name()));
    }
    if task.splits.is_empty() && !matches!(task.what, Kind::Places { .. }) {
        return Err("there is no split".to_owned());
    }
    match &task.what {
        Kind::Change { forms, changed, ignored } => {
            if forms.is_empty() || changed.is_empty() {
                return Err("what.change needs forms and changed".to_owned());
            }
            if changed.contains(&0) || changed.iter().any(|value| ignored.contains(value)) {
                return Err("what.change.changed must hold neither 0 nor an ignored value".to_owned());
            }
            forms.iter().try_for_each(|form| same_names(&[&form.before, &form.after, &form.mask]))
        }
        Kind::Segmentation { forms, classes } => {
            if forms.is_empty() || classes.len() < 2 || classes.len() > 250 {
                return Err("what.segmentation needs forms, and 2 to 250 classes".to_owned());
            }
            forms.iter().try_for_each(|form| same_names(&[&form.image, &form.mask]))
        }
        Kind::Scenes { classes } if *classes < 2 => Err("what.scenes.classes must be at least 2".to_owned()),
        _ => Ok(()),
    }
}

/// Files belong together by what their placeholders stand for: all of one form must have the same.
fn same_names(patterns: &[&str]) -> Result<(), String> {
    let names = |text: &str| Pattern::new(text).map(|pattern| pattern.names());
    let first = names(patterns[0])?;
    for text in &patterns[1..] {
        if names(text)? != first {
            return Err(format!("{:?} and {text:?} have different placeholders", patterns[0]));
        }
    }
    if first.is_empty() { Err(format!("{:?} has no placeholder such as {{id}}", patterns[0])) } else { Ok(()) }
}
