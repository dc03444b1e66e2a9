//! What came of each patch.

use std::collections::BTreeSet;
use std::ops::Range;

use super::grid::Grid;
use super::settle::{Settled, prior_ratios};

/// A patch that waits.
pub const WAITING: u8 = 0;
/// A patch that was classified.
pub const ANSWERED: u8 = 1;
/// A patch of which more than half is missing.
pub const NO_DATA: u8 = 2;
/// A patch that was classified, but is unlike anything that the model knows: its class is a guess.
pub const UNLIKE: u8 = 3;

/// The answers, patch by patch.
#[derive(Clone, Debug, Default)]
pub struct Cells {
    classes: usize,
    /// Patches in a row.
    columns: usize,
    states: Vec<u8>,
    /// The patches whose answers came or changed, in the order in which they did.
    arrivals: Vec<Range<usize>>,
    /// What the model says, `[patches, classes]`.
    probabilities: Vec<f32>,
    /// What is shown of each patch: its best two classes.
    tops: Vec<Top>,
    /// Whether patches around one have a say in its class.
    has_neighbours: bool,
    /// How much more frequent each class is here than among what the model learned from; all 1 until the whole is seen.
    ratios: Vec<f32>,
}

/// The best two classes of a patch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Top {
    /// The most probable, the first of equals.
    pub class: usize,
    /// How probable.
    pub share: f32,
    /// The one behind it.
    pub second: usize,
    /// How probable that is.
    pub second_share: f32,
}

/// How a patch looks under the user's choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Not there yet.
    Waiting,
    /// Too much is missing.
    NoData,
    /// Unlike anything known.
    Unlike,
    /// Its best class is under the threshold.
    Unsure,
    /// Its class is switched off.
    Hidden,
    /// Painted.
    Class(usize),
}

/// The user's choices that decide what is painted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// A patch whose best class is less probable is left unpainted.
    pub threshold: f32,
    /// Classes that are switched off.
    pub hidden: BTreeSet<usize>,
}

impl Cells {
    /// Nothing answered yet; every patch speaks for itself.
    #[must_use]
    pub fn new(patches: usize, classes: usize) -> Self {
        Self {
            classes,
            columns: patches,
            states: vec![WAITING; patches],
            arrivals: Vec::new(),
            probabilities: vec![0.0; patches * classes],
            tops: vec![Top::default(); patches],
            has_neighbours: false,
            ratios: vec![1.0; classes],
        }
    }

    /// Nothing answered yet; with `has_neighbours`, patches around one have a say in its class.
    #[must_use]
    pub fn of(grid: &Grid, classes: usize, has_neighbours: bool) -> Self {
        Self { columns: grid.columns(), has_neighbours, ..Self::new(grid.count(), classes) }
    }

    /// Takes the answers of the patches from `first` on: a state each, and `[patches, classes]` probabilities. What does not
    /// fit is left out.
    pub fn put(&mut self, first: usize, states: &[u8], probabilities: &[f32]) {
        let place = |from: usize, count: usize, whole: usize| from <= whole && count <= whole - from;
        let from = first * self.classes;
        if place(first, states.len(), self.states.len()) && place(from, probabilities.len(), self.probabilities.len()) {
            self.states[first..first + states.len()].copy_from_slice(states);
            self.probabilities[from..from + probabilities.len()].copy_from_slice(probabilities);
            // Those around hear of it.
            let around = if self.has_neighbours { self.columns + 1 } else { 0 };
            self.settle(first.saturating_sub(around)..first + states.len() + around);
        }
    }

    /// Decides anew what is shown of some patches.
    pub fn settle(&mut self, patches: Range<usize>) {
        let patches = patches.start..patches.end.min(self.len());
        for patch in patches.clone() {
            self.tops[patch] = Top::of(&self.settled(patch));
        }
        self.arrivals.push(patches);
    }

    /// Lets patches around one have a say in its class, or not; [`Self::settle`] follows.
    pub fn choose_neighbours(&mut self, has_neighbours: bool) {
        self.has_neighbours = has_neighbours;
        self.ratios = vec![1.0; self.classes];
        self.learn_priors();
    }

    /// Once all patches are answered, finds out how frequent each class is here; true when [`Self::settle`] is to follow.
    pub fn learn_priors(&mut self) -> bool {
        let is_whole = !self.states.contains(&WAITING);
        if is_whole && self.has_neighbours && self.classes > 1 {
            let rows = self.probabilities.chunks_exact(self.classes).zip(&self.states);
            self.ratios = prior_ratios(rows.filter(|(_, state)| **state == ANSWERED).map(|(row, _)| row), self.classes);
            return true;
        }
        false
    }

    /// What is shown of a patch: the model's probabilities, with those around it and the frequency of each class here taken in;
    /// empty without an answer.
    #[must_use]
    pub fn settled(&self, patch: usize) -> Vec<f32> {
        let own = self.probabilities(patch);
        if !self.has_neighbours || self.state(patch) != ANSWERED || own.is_empty() {
            return own.to_vec();
        }
        let mut settled = Settled::new(own, &self.ratios);
        let (row, column) = (patch / self.columns, patch % self.columns);
        for row in row.saturating_sub(1)..=row + 1 {
            for column in column.saturating_sub(1)..=(column + 1).min(self.columns - 1) {
                let other = row * self.columns + column;
                if other != patch && self.state(other) == ANSWERED {
                    settled.hear(self.probabilities(other), &self.ratios);
                }
            }
        }
        settled.shares()
    }

    /// The patches whose answers came or changed, in the order in which they did.
    #[must_use]
    pub fn arrivals(&self) -> &[Range<usize>] {
        &self.arrivals
    }

    /// Classes of the model.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Whether patches around one have a say in its class.
    #[must_use]
    pub fn has_neighbours(&self) -> bool {
        self.has_neighbours
    }

    /// Patches in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// One of [`WAITING`], [`ANSWERED`], [`NO_DATA`] and [`UNLIKE`].
    #[must_use]
    pub fn state(&self, patch: usize) -> u8 {
        self.states.get(patch).copied().unwrap_or(WAITING)
    }

    /// What the model says of a patch by itself, when it has said anything.
    #[must_use]
    pub fn probabilities(&self, patch: usize) -> &[f32] {
        let from = patch * self.classes;
        let is_answered = matches!(self.state(patch), ANSWERED | UNLIKE);
        self.probabilities.get(from..from + self.classes).filter(|_| is_answered).unwrap_or(&[])
    }

    /// The best two classes of a patch, as they are shown.
    #[must_use]
    pub fn tops(&self, patch: usize) -> Option<Top> {
        let is_answered = matches!(self.state(patch), ANSWERED | UNLIKE) && self.classes > 0;
        self.tops.get(patch).copied().filter(|_| is_answered)
    }

    /// The most probable class, the first of equals, and its probability.
    #[must_use]
    pub fn top(&self, patch: usize) -> Option<(usize, f32)> {
        self.tops(patch).map(|top| (top.class, top.share))
    }

    /// How a patch looks.
    #[must_use]
    pub fn look(&self, patch: usize, filter: &Filter) -> Look {
        match (self.state(patch), self.top(patch)) {
            (NO_DATA, _) => Look::NoData,
            (UNLIKE, _) => Look::Unlike,
            (ANSWERED, Some((class, share))) if share >= filter.threshold => {
                if filter.hidden.contains(&class) {
                    Look::Hidden
                } else {
                    Look::Class(class)
                }
            }
            (ANSWERED, _) => Look::Unsure,
            _ => Look::Waiting,
        }
    }
}

impl Top {
    fn of(shares: &[f32]) -> Self {
        let mut top = Self { share: f32::NEG_INFINITY, second_share: f32::NEG_INFINITY, ..Self::default() };
        for (class, &share) in shares.iter().enumerate() {
            if share > top.share {
                top = Self { class, share, second: top.class, second_share: top.share };
            } else if share > top.second_share {
                (top.second, top.second_share) = (class, share);
            }
        }
        top
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells() -> Cells {
        let mut cells = Cells::new(4, 2);
        cells.put(0, &[ANSWERED, ANSWERED, NO_DATA], &[0.9, 0.1, 0.4, 0.6, 0.0, 0.0]);
        cells
    }

    #[test]
    fn threshold_and_legend_decide_what_is_painted() {
        let cells = cells();
        let filter = Filter { threshold: 0.7, hidden: BTreeSet::from([0]) };
        let looks: Vec<Look> = (0..4).map(|patch| cells.look(patch, &filter)).collect();
        assert_eq!(looks, [Look::Hidden, Look::Unsure, Look::NoData, Look::Waiting]);
        assert_eq!(cells.look(1, &Filter::default()), Look::Class(1));
        assert_eq!(cells.top(2), None);
    }

    #[test]
    fn what_is_unlike_anything_known_is_no_class_however_sure_the_model_is() {
        let mut cells = cells();
        cells.put(3, &[UNLIKE], &[0.99, 0.01]);
        assert_eq!(cells.look(3, &Filter::default()), Look::Unlike);
        assert_eq!(cells.top(3), Some((0, 0.99)), "what the model guesses can still be looked at");
    }

    #[test]
    fn answers_that_do_not_fit_are_left_out() {
        let mut cells = cells();
        cells.put(3, &[ANSWERED, ANSWERED], &[1.0, 0.0, 1.0, 0.0]);
        cells.put(usize::MAX / 4, &[ANSWERED], &[]);
        assert_eq!(cells.arrivals(), std::slice::from_ref(&(0..3)));
        assert_eq!(cells.state(3), WAITING);
        assert_eq!(cells.top(0), Some((0, 0.9)));
    }

    /// Three rows of three: the middle one says something else than all around it.
    fn island(has_neighbours: bool) -> Cells {
        let grid = Grid { width: 192, height: 192, patch_px: 64, stride_px: 64 };
        let mut cells = Cells::of(&grid, 2, has_neighbours);
        for patch in [8, 4, 0, 1, 2, 3, 5, 6, 7] {
            cells.put(patch, &[ANSWERED], if patch == 4 { &[0.4, 0.6] } else { &[0.8, 0.2] });
        }
        cells
    }

    #[test]
    fn patches_around_one_have_a_say_in_whatever_order_they_come() {
        assert_eq!(island(false).top(4), Some((1, 0.6)));
        let cells = island(true);
        let top = cells.tops(4).unwrap_or_default();
        // Two thirds its own, a third the mean of the eight around it.
        assert!((top.share - (0.4 * 2.0 + 0.8) / 3.0).abs() < 1e-6 && top.class == 0 && top.second == 1, "{top:?}");
        assert_eq!(cells.probabilities(4), [0.4, 0.6], "what the model said is kept");
        let mut again = Cells::of(&Grid { width: 192, height: 192, patch_px: 64, stride_px: 64 }, 2, true);
        for patch in 0..9 {
            again.put(patch, &[ANSWERED], if patch == 4 { &[0.4, 0.6] } else { &[0.8, 0.2] });
        }
        assert!((0..9).all(|patch| again.tops(patch) == cells.tops(patch)));
        again.choose_neighbours(false);
        again.settle(0..9);
        assert_eq!((again.top(4), again.arrivals().last()), (Some((1, 0.6)), Some(&(0..9))));
    }

    #[test]
    fn what_is_rare_in_the_whole_needs_more() {
        let mut cells = island(true);
        let before = cells.tops(4).unwrap_or_default().share;
        assert!(cells.learn_priors());
        cells.settle(0..9);
        assert!(cells.tops(4).unwrap_or_default().share > before, "the other class is everywhere");
        let mut half = Cells::of(&Grid { width: 128, height: 64, patch_px: 64, stride_px: 64 }, 2, true);
        half.put(0, &[ANSWERED], &[0.9, 0.1]);
        assert!(!half.learn_priors(), "not before the whole is seen");
    }
}
