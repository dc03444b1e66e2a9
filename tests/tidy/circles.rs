//! Circles of files that import each other: none of them can be read, tested or moved without the others. A module and those
//! below it are a family, and may name each other.

use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};

/// A module's path inside its crate; empty for the crate itself.
type Module = Vec<String>;

/// Chains of re-exports that are followed at most.
const LONGEST_CHAIN: usize = 16;

/// What a file imports.
#[derive(Default)]
struct Imports {
    /// Paths as written, `crate::a::B`.
    paths: BTreeSet<String>,
    /// Names that it imports or re-exports, and where they are from.
    names: BTreeMap<String, String>,
}

/// The circles among the files below `folder`, each as its modules' paths in order.
pub fn circles(sources: &[Source], folder: &str) -> Vec<Vec<String>> {
    let own = sources.iter().filter(|source| source.path.starts_with(folder));
    let modules: BTreeMap<Module, Imports> =
        own.filter_map(|source| Some((module_of(source.path.strip_prefix(folder)?)?, Imports::of(source)))).collect();
    let mut edges: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
    for (module, imports) in &modules {
        let targets = imports.paths.iter().filter_map(|path| resolve(&modules, module, path, 0));
        let strangers = targets.filter(|other| !other.starts_with(module) && !module.starts_with(other));
        edges.insert(module, strangers.collect());
    }
    let mut found: Vec<Vec<String>> = Vec::new();
    for &module in edges.keys() {
        let forth = reached(&edges, module);
        // Those that lead back: a circle, found once for its first member.
        let circle: Vec<&Module> =
            forth.iter().copied().filter(|other| reached(&edges, other).contains(module)).collect();
        if circle.first() == Some(&module) {
            found.push(circle.iter().map(|module| module.join("::")).collect());
        }
    }
    found
}

/// Every module that `from` imports, directly or by way of others.
fn reached<'a>(edges: &BTreeMap<&'a Module, BTreeSet<&'a Module>>, from: &Module) -> BTreeSet<&'a Module> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&Module> = edges.get(from).into_iter().flatten().copied().collect();
    while let Some(module) = open.pop() {
        if seen.insert(module) {
            open.extend(edges.get(module).into_iter().flatten());
        }
    }
    seen
}

/// `a/b.rs` and `a/b/mod.rs` → a, b; none for a program's own file.
fn module_of(path: &str) -> Option<Module> {
    let mut parts: Module = path.strip_suffix(".rs")?.split('/').map(str::to_owned).collect();
    match parts.last().map(String::as_str) {
        Some("main") => return None,
        Some("mod" | "lib") => drop(parts.pop()),
        _ => {}
    }
    Some(parts)
}

/// The module whose file defines what `path`, written in `module`, leads to; none for other crates.
fn resolve<'a>(
    modules: &'a BTreeMap<Module, Imports>,
    module: &Module,
    path: &str,
    depth: usize,
) -> Option<&'a Module> {
    let parts: Vec<&str> = path.split("::").collect();
    let ups = parts.iter().take_while(|part| **part == "super").count();
    let (mut at, rest): (Module, &[&str]) = match parts[0] {
        "crate" => (Vec::new(), &parts[1..]),
        "self" => (module.clone(), &parts[1..]),
        "super" => (module[..module.len().checked_sub(ups)?].to_vec(), &parts[ups..]),
        child if modules.contains_key(&below(module, child)) => (module.clone(), &parts[..]),
        _ => return None,
    };
    for part in rest {
        let child = below(&at, part);
        if modules.contains_key(&child) {
            at = child;
            continue;
        }
        let from = modules.get(&at).and_then(|imports| imports.names.get(*part));
        let further = from.filter(|_| depth < LONGEST_CHAIN).and_then(|from| resolve(modules, &at, from, depth + 1));
        return further.or_else(|| key(modules, &at));
    }
    key(modules, &at)
}

fn below(module: &Module, child: &str) -> Module {
    module.iter().cloned().chain([child.to_owned()]).collect()
}

fn key<'a>(modules: &'a BTreeMap<Module, Imports>, module: &Module) -> Option<&'a Module> {
    modules.get_key_value(module).map(|(module, _)| module)
}

impl Imports {
    fn of(source: &Source) -> Self {
        let text: String = source.lines.iter().map(|(_, line)| format!("{line}\n")).collect();
        let mut own = Self::default();
        // What stands between `use` and `;` is a tree of paths; elsewhere paths are written out.
        let mut rest = text.as_str();
        while let Some(at) = find_word(rest, "use") {
            own.written_out(&rest[..at]);
            let (tree, after) = rest[at + 3..].split_once(';').unwrap_or((&rest[at + 3..], ""));
            own.tree("", tree);
            rest = after;
        }
        own.written_out(rest);
        own
    }

    /// Paths in `text` that begin with `crate`, `super` or `self`.
    fn written_out(&mut self, text: &str) {
        let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        for word in text.split(|c: char| !is_path(c)) {
            if ["crate::", "super::", "self::"].iter().any(|start| word.starts_with(start)) {
                self.paths.insert(word.trim_end_matches(':').to_owned());
            }
        }
    }

    /// One branch of a tree of paths behind `prefix`, `a::{b, c::D as E}`.
    fn tree(&mut self, prefix: &str, tree: &str) {
        let tree = tree.trim();
        if let Some((start, branches)) = tree.split_once('{') {
            let branches = branches.trim_end().strip_suffix('}').unwrap_or(branches);
            let prefix = format!("{prefix}{}", start.trim());
            split_branches(branches).into_iter().for_each(|branch| self.tree(&prefix, branch));
            return;
        }
        let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
        let path = format!("{prefix}{}", path.trim());
        let path = path.trim_end_matches("::self").trim_end_matches("::*").trim_end_matches("::");
        let last = path.rsplit("::").next().unwrap_or(path);
        let name = if name.is_empty() { last } else { name.trim() };
        if !path.is_empty() {
            self.names.insert(name.to_owned(), path.to_owned());
            self.paths.insert(path.to_owned());
        }
    }
}

/// Where `word` stands by itself at the beginning of a statement.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = text[from..].find(word).map(|at| at + from) {
        let before = text[..at].trim_end_matches(' ').chars().next_back();
        let begins = before.is_none_or(|c| "\n;{})b".contains(c));
        if begins && text[at + word.len()..].starts_with(' ') {
            return Some(at);
        }
        from = at + word.len();
    }
    None
}

/// At the commas that are in no braces.
fn split_branches(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0_usize, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        circles(&sources, "x/src/")
    }

    #[test]
    fn a_circle_is_found_through_trees_and_re_exports() {
        let files = [
            ("x/src/lib.rs", "mod a;\nmod b;\nmod c;\n"),
            ("x/src/a.rs", "use crate::b::{self, inner::{\n    Deep as D,\n    Other,\n}};\n"),
            ("x/src/b/mod.rs", "mod inner;\npub use inner::Deep;\n"),
            ("x/src/b/inner.rs", "use std::fmt;\npub struct Deep(super::super::c::Thing);\n"),
            ("x/src/c.rs", "use crate::a::A;\n"),
        ];
        assert_eq!(of(&files), [["a", "b::inner", "c"]]);
        // The circle is open as soon as one of its imports is gone, in a comment or in a test.
        for (at, text) in [(4, "// use crate::a::A;\n"), (4, "#[cfg(test)]\nmod tests { use crate::a::A; }\n"), (1, "")]
        {
            let mut files = files;
            files[at].1 = text;
            assert!(of(&files).is_empty(), "{text}");
        }
        // By the name that another module gives it.
        let mut files = files;
        files[1].1 = "use crate::b::Deep;\n";
        assert_eq!(of(&files), [["a", "b::inner", "c"]]);
    }

    #[test]
    fn a_module_and_those_below_it_are_a_family() {
        let files = [
            ("x/src/lib.rs", "mod a;\n"),
            ("x/src/a.rs", "mod b;\nmod c;\npub use b::B;\npub struct A;\n"),
            ("x/src/a/b.rs", "use super::A;\npub struct B;\n"),
            ("x/src/a/c.rs", "use super::B;\n"),
        ];
        assert!(of(&files).is_empty());
        // Two children that name each other are none.
        let mut files = files;
        files[2].1 = "use super::A;\nuse super::c::C;\npub struct B;\n";
        assert_eq!(of(&files), [["a::b", "a::c"]]);
    }
}
