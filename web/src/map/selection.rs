//! Which tiles are selected: a set of rows, small enough that the history can keep many of them.

/// How new rows meet those that are selected already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// Only the new ones.
    Replace,
    /// Both (Shift).
    Add,
    /// Without the new ones (Alt).
    Remove,
}

/// A set of rows, one bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    words: Vec<u64>,
}

impl Selection {
    /// Number of rows.
    #[must_use]
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// True without rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// True when the row is selected.
    #[must_use]
    pub fn contains(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// All rows, rising.
    pub fn rows(&self) -> impl Iterator<Item = usize> {
        let bits = |word: u64| (0..64).filter(move |bit| word >> bit & 1 == 1);
        self.words.iter().enumerate().flat_map(move |(at, &word)| bits(word).map(move |bit| at * 64 + bit))
    }

    /// This set and `rows`, combined.
    #[must_use]
    pub fn combined(&self, how: Combine, rows: impl IntoIterator<Item = usize>) -> Self {
        let mut words = if how == Combine::Replace { Vec::new() } else { self.words.clone() };
        for row in rows {
            let (at, bit) = (row / 64, 1 << (row % 64));
            if at >= words.len() {
                words.resize(at + 1, 0);
            }
            if how == Combine::Remove {
                words[at] &= !bit;
            } else {
                words[at] |= bit;
            }
        }
        while words.last() == Some(&0) {
            words.pop();
        }
        Self { words }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_behaves_like_a_set() {
        let (mut bits, mut set) = (Selection::default(), BTreeSet::new());
        for step in 0..200_usize {
            let rows: Vec<usize> = (0..step % 9).map(|at| (step * 37 + at * 61) % 300).collect();
            let how = [Combine::Add, Combine::Remove, Combine::Add, Combine::Replace][step % 4];
            match how {
                Combine::Replace => set = rows.iter().copied().collect(),
                Combine::Add => set.extend(rows.iter().copied()),
                Combine::Remove => set.retain(|row| !rows.contains(row)),
            }
            bits = bits.combined(how, rows);
            assert_eq!(bits.rows().collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
            assert_eq!((bits.count(), bits.is_empty()), (set.len(), set.is_empty()));
            assert!((0..310).all(|row| bits.contains(row) == set.contains(&row)));
        }
    }

    #[test]
    fn equal_sets_are_equal_however_they_came_about() {
        let detour = Selection::default().combined(Combine::Add, [3, 900]).combined(Combine::Remove, [900]);
        assert_eq!(detour, Selection::default().combined(Combine::Replace, [3]));
    }
}
