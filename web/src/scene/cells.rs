//! What came of each patch, and what each class covers.

use std::collections::BTreeSet;
use std::ops::Range;

use super::georeference::Georeference;
use super::grid::Grid;

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
    states: Vec<u8>,
    /// The patches whose answers came, in the order in which they came.
    arrivals: Vec<Range<usize>>,
    /// `[patches, classes]`.
    probabilities: Vec<f32>,
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

/// What something covers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// Patches.
    pub patches: usize,
    /// Pixels of the picture.
    pub pixels: usize,
    /// Square metres; 0 when the ground is unknown.
    pub area_m2: f64,
}

/// What each class covers, whether it is shown or not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// One for each class.
    pub classes: Vec<Share>,
    /// Under the threshold.
    pub unsure: Share,
    /// Unlike anything known.
    pub unlike: Share,
    /// Without data.
    pub no_data: Share,
    /// All that was looked at.
    pub seen: Share,
}

impl Cells {
    /// Nothing answered yet.
    #[must_use]
    pub fn new(patches: usize, classes: usize) -> Self {
        let arrivals = Vec::new();
        Self { classes, states: vec![WAITING; patches], arrivals, probabilities: vec![0.0; patches * classes] }
    }

    /// Takes the answers of the patches from `first` on: a state each, and `[patches, classes]` probabilities. What does not
    /// fit is left out.
    pub fn put(&mut self, first: usize, states: &[u8], probabilities: &[f32]) {
        let place = |from: usize, count: usize, whole: usize| from <= whole && count <= whole - from;
        let from = first * self.classes;
        if place(first, states.len(), self.states.len()) && place(from, probabilities.len(), self.probabilities.len()) {
            self.states[first..first + states.len()].copy_from_slice(states);
            self.arrivals.push(first..first + states.len());
            self.probabilities[from..from + probabilities.len()].copy_from_slice(probabilities);
        }
    }

    /// The patches whose answers came, in the order in which they came.
    #[must_use]
    pub fn arrivals(&self) -> &[Range<usize>] {
        &self.arrivals
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

    /// A patch's probabilities, when it has any.
    #[must_use]
    pub fn probabilities(&self, patch: usize) -> &[f32] {
        let from = patch * self.classes;
        let is_answered = matches!(self.state(patch), ANSWERED | UNLIKE);
        self.probabilities.get(from..from + self.classes).filter(|_| is_answered).unwrap_or(&[])
    }

    /// The most probable class, the first of equals, and its probability.
    #[must_use]
    pub fn top(&self, patch: usize) -> Option<(usize, f32)> {
        let better = |best: Option<(usize, f32)>, (class, &share): (usize, &f32)| match best {
            Some((_, most)) if share <= most => best,
            _ => Some((class, share)),
        };
        self.probabilities(patch).iter().enumerate().fold(None, better)
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

    /// What each class covers.
    #[must_use]
    pub fn tally(&self, grid: &Grid, place: Option<&Georeference>, threshold: f32) -> Tally {
        let filter = Filter { threshold, hidden: BTreeSet::new() };
        let mut tally = Tally { classes: vec![Share::default(); self.classes], ..Tally::default() };
        for patch in 0..self.len() {
            let cell = grid.cell(patch);
            let pixels = (cell.right - cell.left) * (cell.bottom - cell.top);
            let corners = [cell.left, cell.top, cell.right, cell.bottom].map(|edge| edge as f64);
            let area_m2 = place.map_or(0.0, |place| place.area_m2(corners));
            let add = |share: &mut Share| {
                share.patches += 1;
                share.pixels += pixels;
                share.area_m2 += area_m2;
            };
            match self.look(patch, &filter) {
                Look::Waiting => continue,
                Look::NoData => add(&mut tally.no_data),
                Look::Unlike => add(&mut tally.unlike),
                Look::Class(class) => add(&mut tally.classes[class]),
                Look::Unsure | Look::Hidden => add(&mut tally.unsure),
            }
            add(&mut tally.seen);
        }
        tally
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
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
        let tally = cells.tally(&Grid::new(128, 128, 64, 64).unwrap(), None, 0.5);
        assert_eq!((tally.unlike.patches, tally.classes[0].patches, tally.seen.patches), (1, 1, 4));
    }

    #[test]
    fn areas_add_up_to_the_picture() {
        let grid = Grid::new(100, 100, 64, 64).unwrap();
        let mut cells = Cells::new(grid.count(), 2);
        cells.put(0, &[ANSWERED; 4], &[0.9, 0.1, 0.4, 0.6, 0.8, 0.2, 0.5, 0.5]);
        let place = Georeference {
            affine: [0.0, 10.0, 0.0, 0.0, 0.0, -10.0],
            epsg: None,
            is_geographic: false,
            metres_per_unit: 1.0,
        };
        let tally = cells.tally(&grid, Some(&place), 0.55);
        let parts: usize = tally.classes.iter().chain([&tally.unsure]).map(|share| share.pixels).sum();
        assert_eq!((parts, tally.seen.patches), (10_000, 4));
        assert_eq!((tally.classes[0].patches, tally.classes[1].patches, tally.unsure.patches), (2, 1, 1));
        assert!((tally.seen.area_m2 - 1e6).abs() < 1e-6);
    }

    #[test]
    fn answers_that_do_not_fit_are_left_out() {
        let mut cells = cells();
        cells.put(3, &[ANSWERED, ANSWERED], &[1.0, 0.0, 1.0, 0.0]);
        cells.put(usize::MAX / 4, &[ANSWERED], &[]);
        assert_eq!(cells.arrivals(), [0..3]);
        assert_eq!(cells.state(3), WAITING);
        assert_eq!(cells.top(0), Some((0, 0.9)));
    }
}
