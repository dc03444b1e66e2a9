//! Patterns of file names: `{part}/A/{id}.png` finds `train/A/7.png` with part `train` and id `7`.
//!
//! A placeholder stands for one or more characters that are no `/`, as few as possible. `{ext}` is for endings that differ
//! between files that belong together; `{?}` for anything that does not matter.

use std::collections::BTreeMap;

/// What placeholders stand for, by name.
pub type Captured = BTreeMap<String, String>;

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Any(String),
}

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    /// For brackets that do not close, and names that are none or given twice.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| format!("{text:?} has a {{ without its }}"))?;
            let is_name = name == "?" || !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            let is_new = name == "?" || !pieces.iter().any(|piece| matches!(piece, Piece::Any(own) if own == name));
            if !is_name || !is_new {
                return Err(format!("{text:?}: {name:?} is no name, or given twice"));
            }
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            } else if matches!(pieces.last(), Some(Piece::Any(_))) {
                return Err(format!("{text:?} has two placeholders side by side"));
            }
            pieces.push(Piece::Any(name.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// The names of the placeholders that tell files apart, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let names = self.0.iter().filter_map(|piece| match piece {
            Piece::Any(name) if name != "ext" && name != "?" => Some(name.clone()),
            _ => None,
        });
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names
    }

    /// What the placeholders stand for in `path` (`/` between folders), if it is of this pattern; without `{ext}` and `{?}`.
    #[must_use]
    pub fn captured(&self, path: &str) -> Option<Captured> {
        let mut found = Captured::new();
        fits(&self.0, path, &mut found).then_some(found)
    }
}

fn fits(pieces: &[Piece], path: &str, found: &mut Captured) -> bool {
    match pieces.split_first() {
        None => path.is_empty(),
        Some((Piece::Text(text), rest)) => path.strip_prefix(text.as_str()).is_some_and(|path| fits(rest, path, found)),
        Some((Piece::Any(name), rest)) => {
            let ends = path.char_indices().map(|(at, letter)| (at + letter.len_utf8(), letter));
            for (end, _) in ends.take_while(|(_, letter)| *letter != '/') {
                if fits(rest, &path[end..], found) {
                    if name != "ext" && name != "?" {
                        found.insert(name.clone(), path[..end].to_owned());
                    }
                    return true;
                }
            }
            false
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    fn captured(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
        Pattern::new(pattern).unwrap().captured(path).map(|found| found.into_iter().collect())
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn placeholders_stand_for_parts_of_names() {
        assert_eq!(captured("{part}/A/{id}.png", "train/A/7.png"), Some(vec![pair("id", "7"), pair("part", "train")]));
        assert_eq!(
            captured("A/{part}_{id}.{ext}", "A/test_2_0_512.tif"),
            Some(vec![pair("id", "2_0_512"), pair("part", "test")])
        );
        assert_eq!(captured("S2Hand/{id}_S2Hand.tif", "S2Hand/Spain_7_S2Hand.tif"), Some(vec![pair("id", "Spain_7")]));
        assert_eq!(captured("{id}.png", "a/7.png"), None);
        assert_eq!(captured("{id}.png", ".png"), None);
        assert_eq!(captured("{id}.png", "é.png"), Some(vec![pair("id", "é")]));
        assert_eq!(captured("x/{?}/{id}.png", "x/any/1.png"), Some(vec![pair("id", "1")]));
    }

    #[test]
    fn patterns_that_are_none_are_refused() {
        for text in ["{id", "{}", "{id}/{id}", "{Id}", "{a}{b}"] {
            assert!(Pattern::new(text).is_err(), "{text}");
        }
        assert_eq!(Pattern::new("{part}/{id}.{ext}").unwrap().names(), ["id", "part"]);
    }
}
