//! Pictures that stand in two parts of a data set, by name or by content: what is learned from them is not tested on them.

use std::collections::HashMap;

/// Pairs named in a message.
const NAMED: usize = 3;

/// One tile of a part: its name, and what it is by content.
pub(super) type Tile<'a> = (&'a str, Option<u64>);

/// A picture in two parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overlap<'a> {
    /// Number of the part and name of the tile, where it was met first.
    pub(super) first: (usize, &'a str),
    /// The same in the other part.
    pub(super) second: (usize, &'a str),
}

/// Every tile that an earlier part has too, once.
pub(super) fn overlaps<'a>(parts: &[Vec<Tile<'a>>]) -> Vec<Overlap<'a>> {
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    let mut by_content: HashMap<u64, (usize, &str)> = HashMap::new();
    let mut found = Vec::new();
    for (part, tiles) in parts.iter().enumerate() {
        for &(name, content) in tiles {
            let same_name = by_name.get(name).map(|&first| (first, name));
            let same_content = content.and_then(|content| by_content.get(&content).copied());
            if let Some(first) = same_name.or(same_content).filter(|(first, _)| *first != part) {
                found.push(Overlap { first, second: (part, name) });
            }
        }
        // Only earlier parts count: a tile may be listed twice in one.
        for &(name, content) in tiles {
            by_name.entry(name).or_insert(part);
            if let Some(content) = content {
                by_content.entry(content).or_insert((part, name));
            }
        }
    }
    found
}

/// The first few in words, with the parts called by `names`, and how many there are.
pub(super) fn describe(overlaps: &[Overlap<'_>], names: [&str; 3]) -> String {
    let said = overlaps.iter().take(NAMED).map(|Overlap { first, second }| {
        let (of_first, of_second) = (names[first.0], names[second.0]);
        if first.1 == second.1 {
            format!("{} is in {of_first} and in {of_second}", first.1)
        } else {
            format!("{} of {of_first} is the same picture as {} of {of_second}", first.1, second.1)
        }
    });
    let said = said.collect::<Vec<_>>().join("; ");
    if overlaps.len() > NAMED { format!("{said}; {} such pictures in all", overlaps.len()) } else { said }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_contents_are_met_again() {
        let parts = [
            vec![("a", Some(1)), ("b", Some(2)), ("b", Some(2))],
            vec![("c", Some(3)), ("a", Some(1))],
            vec![("d", Some(2)), ("e", None), ("f", Some(4))],
        ];
        let found = overlaps(&parts);
        let expected = [Overlap { first: (0, "a"), second: (1, "a") }, Overlap { first: (0, "b"), second: (2, "d") }];
        assert_eq!(found, expected);
        assert_eq!(
            describe(&found, ["train", "val", "test"]),
            "a is in train and in val; b of train is the same picture as d of test"
        );
        assert!(overlaps(&parts[1..2]).is_empty());
    }
}
