//! What each class covers, counted as answers come.

use std::collections::BTreeSet;

use super::cells::{Cells, Filter, Look};
use super::georeference::Georeference;
use super::grid::Grid;

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

/// A tally that is kept up to date: only what came or changed is counted.
#[derive(Clone, Debug, Default)]
pub struct Counting {
    tally: Tally,
    threshold: f32,
    /// Arrivals that are counted.
    seen: usize,
    /// As what each patch was counted.
    counted: Vec<Option<Kind>>,
}

/// What a patch counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Class(u16),
    Unsure,
    Unlike,
    NoData,
}

impl Counting {
    /// Counts what came since the last time; all of it when the threshold or the picture is another one.
    pub fn follow(&mut self, cells: &Cells, grid: &Grid, place: Option<&Georeference>, threshold: f32) -> &Tally {
        let arrivals = cells.arrivals();
        let is_same = self.threshold == threshold
            && self.counted.len() == cells.len()
            && self.tally.classes.len() == cells.classes()
            && self.seen <= arrivals.len();
        if !is_same {
            let tally = Tally { classes: vec![Share::default(); cells.classes()], ..Tally::default() };
            *self = Self { tally, threshold, seen: 0, counted: vec![None; cells.len()] };
        }
        let filter = Filter { threshold, hidden: BTreeSet::new() };
        for patch in arrivals[self.seen..].iter().flat_map(Clone::clone) {
            let kind = match cells.look(patch, &filter) {
                Look::Waiting => None,
                Look::NoData => Some(Kind::NoData),
                Look::Unlike => Some(Kind::Unlike),
                Look::Class(class) => u16::try_from(class).ok().map(Kind::Class),
                Look::Unsure | Look::Hidden => Some(Kind::Unsure),
            };
            let before = std::mem::replace(&mut self.counted[patch], kind);
            if before != kind {
                let size = size_of(patch, grid, place);
                before.into_iter().for_each(|kind| self.tally.each(kind, |share| share.remove(size)));
                kind.into_iter().for_each(|kind| self.tally.each(kind, |share| share.add(size)));
            }
        }
        self.seen = arrivals.len();
        &self.tally
    }
}

/// Pixels and square metres of a patch's cell.
fn size_of(patch: usize, grid: &Grid, place: Option<&Georeference>) -> (usize, f64) {
    let cell = grid.cell(patch);
    let corners = [cell.left, cell.top, cell.right, cell.bottom].map(|edge| edge as f64);
    ((cell.right - cell.left) * (cell.bottom - cell.top), place.map_or(0.0, |place| place.area_m2(corners)))
}

impl Tally {
    fn each(&mut self, kind: Kind, change: impl Fn(&mut Share)) {
        let share = match kind {
            Kind::Class(class) => self.classes.get_mut(usize::from(class)),
            Kind::Unsure => Some(&mut self.unsure),
            Kind::Unlike => Some(&mut self.unlike),
            Kind::NoData => Some(&mut self.no_data),
        };
        share.into_iter().for_each(&change);
        change(&mut self.seen);
    }
}

impl Share {
    fn add(&mut self, (pixels, area_m2): (usize, f64)) {
        self.patches += 1;
        self.pixels += pixels;
        self.area_m2 += area_m2;
    }

    fn remove(&mut self, (pixels, area_m2): (usize, f64)) {
        self.patches -= 1;
        self.pixels -= pixels;
        // What is left of rounding in an empty share is no area.
        self.area_m2 = if self.patches == 0 { 0.0 } else { self.area_m2 - area_m2 };
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;
    use crate::scene::cells::{ANSWERED, NO_DATA, UNLIKE};

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
        let mut counting = Counting::default();
        let tally = counting.follow(&cells, &grid, Some(&place), 0.55);
        let parts: usize = tally.classes.iter().chain([&tally.unsure]).map(|share| share.pixels).sum();
        assert_eq!((parts, tally.seen.patches), (10_000, 4));
        assert_eq!((tally.classes[0].patches, tally.classes[1].patches, tally.unsure.patches), (2, 1, 1));
        assert!((tally.seen.area_m2 - 1e6).abs() < 1e-6);
    }

    #[test]
    fn what_comes_late_or_changes_is_counted_once() {
        let grid = Grid::new(256, 256, 64, 64).unwrap();
        let mut cells = Cells::of(&grid, 2, true);
        let mut counting = Counting::default();
        let row = |patch: usize| if patch.is_multiple_of(3) { [0.55, 0.45] } else { [0.2, 0.8] };
        for patch in [5, 4, 0, 15, 7, 1, 2, 3, 6, 8, 9, 10, 12, 13, 14, 11] {
            let state = [ANSWERED, ANSWERED, NO_DATA, UNLIKE][patch % 4];
            cells.put(patch, &[state], &row(patch));
            let so_far = counting.follow(&cells, &grid, None, 0.5).clone();
            assert_eq!(&so_far, Counting::default().follow(&cells, &grid, None, 0.5), "after patch {patch}");
        }
        let whole = counting.follow(&cells, &grid, None, 0.5).clone();
        assert_eq!(
            (whole.seen.patches, whole.seen.pixels, whole.no_data.patches, whole.unlike.patches),
            (16, 65_536, 4, 4)
        );
        assert_ne!(counting.follow(&cells, &grid, None, 0.75).unsure, whole.unsure);
        assert_eq!(counting.follow(&Cells::new(0, 2), &grid, None, 0.75).seen.patches, 0);
    }
}
