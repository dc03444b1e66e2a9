//! What the source must not contain: each invariant of the architecture is an absence, and this is where it is looked for.
//! A place that is excused is named with its reason, and no longer excused once it has nothing to be excused for.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod circles;
mod rules;
mod source;

use rules::{EXCUSED_CIRCLES, RULES, Rule};
use source::Source;
use std::fs;
use std::path::Path;

/// One finding a line, for people to read.
fn findings(rule: &Rule, sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| rule.is_about(&source.path)) {
        let lines: Vec<&(usize, String)> =
            source.lines.iter().filter(|(_, line)| rule.forbidden.iter().any(|what| line.contains(what))).collect();
        match (rule.excused.iter().any(|(path, _)| *path == source.path), lines.is_empty()) {
            (true, true) => found.push(format!("{}: has nothing left to be excused for: {}", source.path, rule.what)),
            (true, false) => {}
            (false, _) => {
                found.extend(
                    lines.iter().map(|(at, line)| format!("{}:{at}: {}: {}", source.path, rule.what, line.trim())),
                );
            }
        }
    }
    for (path, _) in rule.excused {
        if !sources.iter().any(|source| source.path == *path) {
            found.push(format!("{path}: is excused and does not exist: {}", rule.what));
        }
    }
    found
}

fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn the_source_keeps_every_rule() {
    let sources = source::all(&solstice_tests::repository());
    assert!(sources.len() > 300, "{} files", sources.len());
    for rule in RULES {
        assert!(sources.iter().any(|source| rule.is_about(&source.path)), "a rule about nothing: {}", rule.what);
        assert_none(&findings(rule, &sources));
    }
}

/// Every forbidden word of every rule, put where the rule looks, is found; in a test or a comment it is not.
#[test]
fn a_broken_rule_is_found() {
    for rule in RULES {
        for word in rule.forbidden {
            for folder in rule.folders {
                let path = format!("{folder}made_up.rs");
                let broken = Source::new(&path, &format!("//! Doc.\nfn f() {{ {word} }}\n"));
                let unexcused = Rule { excused: &[], ..*rule };
                assert_eq!(findings(&unexcused, std::slice::from_ref(&broken)).len(), 1, "{}: {word}", rule.what);
                let excused = [(path.as_str(), "a reason")];
                let excused = Rule { excused: &excused, ..*rule };
                assert_none(&findings(&excused, &[broken]));
                let innocent = Source::new(&path, &format!("// {word}\n#[cfg(test)]\nmod tests {{ {word} }}\n"));
                assert_none(&findings(&unexcused, std::slice::from_ref(&innocent)));
                assert_eq!(findings(&excused, &[innocent]).len(), 1, "an excuse that is not needed");
            }
        }
    }
}

/// Files that import each other in a circle, with an excuse or without one.
#[test]
fn no_two_files_import_each_other() {
    let sources = source::all(&solstice_tests::repository());
    let mut found = Vec::new();
    for folder in source::FOLDERS {
        found.extend(circles::circles(&sources, &format!("{folder}/")).into_iter().map(|circle| (*folder, circle)));
    }
    let named = |folder: &str, circle: &[String]| format!("{folder}: {}", circle.join(", "));
    let is_excused = |folder: &str, circle: &[String]| {
        EXCUSED_CIRCLES.iter().any(|(own, members, _)| *own == folder && circle.iter().eq(members.iter()))
    };
    let strange = found.iter().filter(|(folder, circle)| !is_excused(folder, circle));
    assert_none(&strange.map(|(folder, circle)| named(folder, circle)).collect::<Vec<_>>());
    for (folder, members, _) in EXCUSED_CIRCLES {
        let is_there = found.iter().any(|(own, circle)| own == folder && circle.iter().eq(members.iter()));
        assert!(is_there, "{folder}: nothing left to be excused for: {}", members.join(", "));
    }
}

#[test]
fn crates_depend_on_each_other_one_way() {
    let root = solstice_tests::repository();
    let needs = |package: &str| -> Vec<String> {
        let text = fs::read_to_string(root.join(package).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        ["dependencies", "build-dependencies"]
            .iter()
            .filter_map(|kind| manifest.get(*kind)?.as_table())
            .flat_map(|table| table.keys().cloned())
            .collect()
    };
    let forbidden = [
        ("shared", &["trainer", "gather", "serve", "web"][..]),
        ("web", &["trainer", "gather", "serve"]),
        ("trainer", &["web"]),
        ("trainer/atomic-file", &["trainer", "gather", "serve", "burn", "web", "shared"]),
        ("trainer/gather", &["trainer", "burn", "web"]),
        ("trainer/serve", &["trainer", "burn", "web", "shared"]),
    ];
    for (package, others) in forbidden {
        let needs = needs(package);
        assert!(!needs.is_empty(), "{package}");
        for other in others {
            assert!(!needs.iter().any(|need| need == other), "{package} depends on {other}");
        }
    }
}

/// Relative links of Markdown files lead somewhere, to a heading too where one is named, and the first page stays short.
#[test]
fn readmes_lead_somewhere() {
    let root = solstice_tests::repository();
    for page in ["README.md", "trainer/README.md", "web/README.md", "trainer/gather/README.md", "tests/bench/README.md"]
    {
        let text = fs::read_to_string(root.join(page)).unwrap();
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root.join(page) } else { root.join(page).parent().unwrap().join(file) };
            assert!(target.exists(), "{page}: {link}");
            assert!(heading.is_empty() || headings(&target).contains(&heading.to_owned()), "{page}: {link}");
        }
    }
    let lines = fs::read_to_string(root.join("README.md")).unwrap().lines().count();
    assert!(lines <= 150, "README.md has {lines} lines");
}

/// The table of methods in the trainer's README is the program's own list.
#[test]
fn every_preset_has_its_row() {
    let text = fs::read_to_string(solstice_tests::repository().join("trainer/README.md")).unwrap();
    for preset in trainer::methods::presets() {
        let command =
            if preset.command == "pretrain" { String::new() } else { format!(" (`trainer {}`)", preset.command) };
        let row = format!("| `{}`{command} | {} | {} |", preset.name, preset.about, preset.source);
        assert!(text.contains(&row), "trainer/README.md has no row {row}");
    }
}

/// What stands in `](…)`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// The headings of a page as addresses have them.
fn headings(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let of = |line: &str| {
        let kept = line.trim_start_matches('#').trim().to_lowercase();
        kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
    };
    text.lines().filter(|line| line.starts_with('#')).map(of).collect()
}
