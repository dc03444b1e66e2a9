//! Windows cut from co-registered mosaics at the same place on every date.
//!
//! The rule for windows without content, sea above all: a point of the ground *changes* when the variance of its value
//! over all dates, averaged over the bands, reaches `min_date_std`². (Of an area with one date only: the variance about
//! the mean of the whole area.) A window in which less than `min_share` of its points change is drawn again. Composites
//! such as Blue Marble paint open sea the same every month, so that its variance is exactly 0.

use std::sync::Arc;

use rand::RngExt;

use super::picture::Picture;
use crate::views::ViewRng;

/// Draws before a window is given up.
pub(super) const TRIES: usize = 1000;

/// How windows are chosen in every area of a source.
#[derive(Clone, Debug)]
pub(super) struct WindowRule {
    /// Side of a window.
    pub(super) px: usize,
    /// Longitudes of the left and right edge of the pictures.
    pub(super) extent: [f64; 2],
    /// Windows lie wholly inside one of these; none means everywhere.
    pub(super) keep: Vec<[f64; 2]>,
    /// Windows do not touch any of these.
    pub(super) skip: Vec<[f64; 2]>,
    /// Least deviation over dates of a point that changes, unit scale.
    pub(super) min_date_std: f32,
    /// Least share of such points.
    pub(super) min_share: f32,
}

/// The windows of one area.
pub(super) struct AreaWindows {
    px: usize,
    height: usize,
    /// Ranges of the first column, end excluded.
    columns: Vec<std::ops::Range<usize>>,
    change: Option<ChangeMap>,
    min_share: f32,
    /// Corners of the windows that fit side by side and pass the rule.
    cells: Vec<(usize, usize)>,
}

/// Which points of a coarse grid change over the dates.
struct ChangeMap {
    step: usize,
    rows: usize,
    columns: usize,
    changes: Vec<bool>,
}

impl AreaWindows {
    /// Surveys the pictures of one area, all of one size.
    pub(super) fn new(rule: &WindowRule, dates: &[Arc<Picture>]) -> Self {
        let (height, width) = dates.first().map_or((0, 0), |picture| (picture.height, picture.width));
        let px = rule.px;
        let columns = if height < px { Vec::new() } else { rule.first_columns(width) };
        let change = (rule.min_share > 0.0).then(|| ChangeMap::new(dates, (px / 8).max(1), rule.min_date_std));
        let mut windows = Self { px, height, columns, change, min_share: rule.min_share, cells: Vec::new() };
        windows.cells = windows.side_by_side();
        windows
    }

    /// Corners `(top, left)` of the windows that fit side by side and pass the rule.
    pub(super) fn cells(&self) -> &[(usize, usize)] {
        &self.cells
    }

    /// A random corner `(top, left)`, uniform over all that pass the rule.
    pub(super) fn draw(&self, rng: &mut ViewRng) -> Option<(usize, usize)> {
        let choices: usize = self.columns.iter().map(ExactSizeIterator::len).sum();
        if choices == 0 {
            return None;
        }
        (0..TRIES).find_map(|_| {
            let top = rng.random_range(0..=self.height - self.px);
            let mut at = rng.random_range(0..choices);
            let range = self.columns.iter().find(|range| {
                let inside = at < range.len();
                at -= if inside { 0 } else { range.len() };
                inside
            })?;
            let left = range.start + at;
            self.has_content(top, left).then_some((top, left))
        })
    }

    fn side_by_side(&self) -> Vec<(usize, usize)> {
        let tops = (0..self.height / self.px.max(1)).map(|row| row * self.px);
        let corners = tops.flat_map(|top| {
            self.columns.iter().flat_map(move |range| range.clone().step_by(self.px).map(move |left| (top, left)))
        });
        corners.filter(|&(top, left)| self.has_content(top, left)).collect()
    }

    fn has_content(&self, top: usize, left: usize) -> bool {
        self.change.as_ref().is_none_or(|change| change.share(top, left, self.px) >= self.min_share)
    }
}

impl WindowRule {
    /// Ranges of the first column of windows that respect the longitudes, for pictures of `width` columns.
    fn first_columns(&self, width: usize) -> Vec<std::ops::Range<usize>> {
        let [west, east] = self.extent;
        let column = |longitude: f64| (longitude - west) / (east - west) * width as f64;
        let inside = |range: &[f64; 2]| {
            (column(range[0]).ceil().max(0.0) as usize)..(column(range[1]).floor().max(0.0) as usize).min(width)
        };
        let touched = |range: &[f64; 2]| {
            (column(range[0]).floor().max(0.0) as usize)..(column(range[1]).ceil().max(0.0) as usize).min(width)
        };
        let whole: Vec<_> = if self.keep.is_empty() {
            std::iter::once(0..width).collect()
        } else {
            self.keep.iter().map(inside).collect()
        };
        let mut free = whole;
        for gap in self.skip.iter().map(touched) {
            free = free
                .into_iter()
                .flat_map(|range| [range.start..range.end.min(gap.start), range.start.max(gap.end)..range.end])
                .collect();
        }
        free.into_iter()
            .filter(|range| range.end >= range.start + self.px)
            .map(|range| range.start..range.end - self.px + 1)
            .collect()
    }
}

impl ChangeMap {
    fn new(dates: &[Arc<Picture>], step: usize, min_std: f32) -> Self {
        let (height, width, bands) =
            dates.first().map_or((0, 0, 0), |picture| (picture.height, picture.width, picture.bands));
        let (rows, columns) = (height.div_ceil(step), width.div_ceil(step));
        let points = || (0..rows).flat_map(|row| (0..columns).map(move |column| (row * step, column * step)));
        let alone = (dates.len() == 1).then(|| {
            let mean = |band| {
                let seen = || points().filter(|(y, x)| !dates[0].is_missing(*y, *x, band));
                seen().map(|(y, x)| dates[0].unit(y, x, band)).sum::<f32>() / seen().count().max(1) as f32
            };
            (0..bands).map(mean).collect::<Vec<f32>>()
        });
        let variance = |y: usize, x: usize, band: usize| {
            let values = || {
                dates
                    .iter()
                    .map(|picture| picture.unit(y, x, band))
                    .map(|value| if value.is_finite() { value } else { 0.0 })
            };
            let middle = alone.as_ref().map_or_else(|| values().sum::<f32>() / dates.len() as f32, |means| means[band]);
            values().map(|value| (value - middle).powi(2)).sum::<f32>() / dates.len() as f32
        };
        let least = min_std * min_std * bands as f32;
        // Where something is missing at some date, nothing is known to change.
        let is_seen = |y, x| (0..bands).all(|band| !dates.iter().any(|picture| picture.is_missing(y, x, band)));
        let is_changing = |(y, x)| is_seen(y, x) && (0..bands).map(|band| variance(y, x, band)).sum::<f32>() >= least;
        let changes = points().map(is_changing).collect();
        Self { step, rows, columns, changes }
    }

    /// The share of changing points among the grid points inside a window.
    fn share(&self, top: usize, left: usize, px: usize) -> f32 {
        let rows = top.div_ceil(self.step)..((top + px).div_ceil(self.step)).min(self.rows);
        let columns = left.div_ceil(self.step)..((left + px).div_ceil(self.step)).min(self.columns);
        let all = rows.len() * columns.len();
        let changing: usize = rows
            .map(|row| self.changes[row * self.columns..][columns.clone()].iter().filter(|&&changes| changes).count())
            .sum();
        if all == 0 { 0.0 } else { changing as f32 / all as f32 }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use crate::data::picture::Samples;
    use crate::views::view_rng;

    fn rule(px: usize) -> WindowRule {
        let (keep, skip) = (Vec::new(), Vec::new());
        WindowRule { px, extent: [-180.0, 180.0], keep, skip, min_date_std: 0.004, min_share: 0.5 }
    }

    /// Two dates of 40 × 80 pixels; only the right half changes.
    fn half_sea() -> Vec<Arc<Picture>> {
        [10u8, 60]
            .map(|land| {
                let samples = (0..40 * 80).map(|at| if at % 80 >= 40 { land } else { 7 }).collect();
                Arc::new(Picture::whole(1, 40, 80, Samples::U8(samples)))
            })
            .to_vec()
    }

    #[test]
    fn sea_is_never_drawn() {
        let windows = AreaWindows::new(&rule(16), &half_sea());
        for index in 0..300 {
            let (top, left) = windows.draw(&mut view_rng(1, 0, index)).unwrap();
            assert!(top <= 24 && (30..=64).contains(&left), "{top} {left}");
        }
        // side by side: two rows of columns 0, 16, 32, 48, 64, of which the first two are sea
        assert_eq!(windows.cells(), [(0, 32), (0, 48), (0, 64), (16, 32), (16, 48), (16, 64)]);
    }

    #[test]
    fn only_sea_gives_nothing() {
        let same = vec![Arc::clone(&half_sea()[0]); 2];
        let windows = AreaWindows::new(&rule(16), &same);
        assert_eq!(windows.draw(&mut view_rng(1, 0, 0)), None);
        assert!(windows.cells().is_empty());
        let too_large = AreaWindows::new(&rule(41), &half_sea());
        assert_eq!(too_large.draw(&mut view_rng(1, 0, 0)), None);
    }

    #[test]
    fn train_and_test_longitudes_share_no_pixel() {
        let mut train = rule(8);
        train.min_share = 0.0;
        train.skip = vec![[0.0, 45.0]];
        let mut test = train.clone();
        (test.keep, test.skip) = (vec![[0.0, 45.0]], Vec::new());
        // 80 columns, 4.5° each: 0° to 45° are columns 40 to 49
        let (train, test) = (AreaWindows::new(&train, &half_sea()), AreaWindows::new(&test, &half_sea()));
        for index in 0..300 {
            let (_, left) = train.draw(&mut view_rng(2, 0, index)).unwrap();
            assert!(left + 8 <= 40 || left >= 50, "{left}");
            let (_, left) = test.draw(&mut view_rng(2, 0, index)).unwrap();
            assert!(left >= 40 && left + 8 <= 50, "{left}");
        }
    }

    #[test]
    fn one_date_is_judged_by_its_texture() {
        let flat = Picture::whole(1, 16, 16, Samples::U8(vec![50; 256]));
        assert!(AreaWindows::new(&rule(8), &[Arc::new(flat)]).cells().is_empty());
        let busy = Picture::whole(1, 16, 16, Samples::U8((0..=255).collect()));
        assert_eq!(AreaWindows::new(&rule(8), &[Arc::new(busy)]).cells().len(), 4);
    }
}
