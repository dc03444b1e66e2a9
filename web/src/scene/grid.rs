//! How a large picture is cut into the squares that the encoder sees.
//!
//! Patches start at 0, `stride_px`, 2 · `stride_px` …; where the last would leave a rest, one more lies flush with the
//! edge. Every pixel belongs to the patch whose middle is nearest: these *cells* cover the picture without gap or overlap,
//! whatever the stride.

use serde::{Deserialize, Serialize};

/// The cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// Pixels across the picture.
    pub width: usize,
    /// Pixels down the picture.
    pub height: usize,
    /// Side of a patch.
    pub patch_px: usize,
    /// From one patch to the next.
    pub stride_px: usize,
}

/// A rectangle of whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rectangle {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// One past the last column.
    pub right: usize,
    /// One past the last row.
    pub bottom: usize,
}

impl Grid {
    /// `None` when the picture is smaller than a patch, or a size is 0; a stride over the patch leaves gaps, and is none.
    #[must_use]
    pub fn new(width: usize, height: usize, patch_px: usize, stride_px: usize) -> Option<Self> {
        let fits = patch_px > 0 && width >= patch_px && height >= patch_px;
        let covers = stride_px > 0 && stride_px <= patch_px;
        (fits && covers).then_some(Self { width, height, patch_px, stride_px })
    }

    /// Patches in a row.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.along(self.width)
    }

    /// Rows of patches.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.along(self.height)
    }

    /// All patches.
    #[must_use]
    pub fn count(&self) -> usize {
        self.columns() * self.rows()
    }

    /// First column and first row of a patch, in pixels.
    #[must_use]
    pub fn corner(&self, patch: usize) -> (usize, usize) {
        let columns = self.columns().max(1);
        (self.start(patch % columns, self.width), self.start(patch / columns, self.height))
    }

    /// The patch that [`corner`](Self::corner) gives this pixel for.
    #[must_use]
    pub fn patch_from(&self, (left, top): (usize, usize)) -> Option<usize> {
        let along = |first: usize, length: usize| {
            let index = first.div_ceil(self.stride_px.max(1));
            (index < self.along(length) && self.start(index, length) == first).then_some(index)
        };
        Some(along(top, self.height)? * self.columns() + along(left, self.width)?)
    }

    /// What a patch speaks for: the pixels whose nearest middle is its own.
    #[must_use]
    pub fn cell(&self, patch: usize) -> Rectangle {
        let columns = self.columns().max(1);
        let (column, row) = (patch % columns, patch / columns);
        Rectangle {
            left: self.edge(column, self.width),
            top: self.edge(row, self.height),
            right: self.edge(column + 1, self.width),
            bottom: self.edge(row + 1, self.height),
        }
    }

    /// The patch whose cell holds a pixel; `None` outside the picture.
    #[must_use]
    pub fn patch_at(&self, x: f64, y: f64) -> Option<usize> {
        let column = self.cell_at(x, self.width)?;
        let row = self.cell_at(y, self.height)?;
        Some(row * self.columns() + column)
    }

    /// The patch beside another, `right` and `down` steps away, stopping at the edge.
    #[must_use]
    pub fn beside(&self, patch: usize, right: isize, down: isize) -> usize {
        let (columns, rows) = (self.columns().max(1), self.rows().max(1));
        let column = (patch % columns).saturating_add_signed(right).min(columns - 1);
        let row = (patch / columns).saturating_add_signed(down).min(rows - 1);
        row * columns + column
    }

    fn along(&self, length: usize) -> usize {
        match length.checked_sub(self.patch_px) {
            Some(rest) => rest.div_ceil(self.stride_px.max(1)) + 1,
            None => 0,
        }
    }

    /// Where the n-th patch starts; the last is flush with the edge.
    fn start(&self, index: usize, length: usize) -> usize {
        (index * self.stride_px).min(length.saturating_sub(self.patch_px))
    }

    /// Where the n-th cell starts: half way between two middles.
    fn edge(&self, index: usize, length: usize) -> usize {
        if index == 0 {
            return 0;
        }
        if index >= self.along(length) {
            return length;
        }
        (self.start(index - 1, length) + self.start(index, length) + self.patch_px) / 2
    }

    fn cell_at(&self, place: f64, length: usize) -> Option<usize> {
        if !(place >= 0.0 && place < length as f64) {
            return None;
        }
        let pixel = place as usize;
        // Cells are a stride wide but for the ends: the guess is off by a few at most.
        let guess = pixel.saturating_sub(self.patch_px) / self.stride_px.max(1);
        (guess..self.along(length)).find(|&index| pixel < self.edge(index + 1, length))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn whole_patches_are_their_own_cells() {
        let grid = Grid::new(256, 128, 64, 64).unwrap();
        assert_eq!((grid.columns(), grid.rows(), grid.count()), (4, 2, 8));
        assert_eq!(grid.corner(6), (128, 64));
        assert_eq!(grid.cell(6), Rectangle { left: 128, top: 64, right: 192, bottom: 128 });
    }

    #[test]
    fn a_patch_is_found_by_its_corner_and_by_no_other_pixel() {
        for (width, height, patch, stride) in [(256, 128, 64, 64), (67, 131, 64, 64), (90, 77, 20, 7), (20, 20, 20, 1)]
        {
            let grid = Grid::new(width, height, patch, stride).unwrap();
            let mut corners = vec![None; width * height];
            for patch in 0..grid.count() {
                let (left, top) = grid.corner(patch);
                corners[top * width + left] = Some(patch);
            }
            for (pixel, patch) in corners.into_iter().enumerate() {
                assert_eq!(grid.patch_from((pixel % width, pixel / width)), patch, "pixel {pixel} of {grid:?}");
            }
        }
    }

    #[test]
    fn a_rest_gets_a_patch_that_is_flush_with_the_edge() {
        let grid = Grid::new(5400, 2700, 64, 64).unwrap();
        assert_eq!((grid.columns(), grid.rows()), (85, 43));
        assert_eq!(grid.corner(84), (5400 - 64, 0));
        assert_eq!(grid.corner(grid.count() - 1), (5400 - 64, 2700 - 64));
    }

    #[test]
    fn cells_cover_every_pixel_once_and_are_found_again() {
        for (width, height, patch, stride) in [(70, 64, 64, 64), (130, 200, 64, 32), (97, 65, 32, 8), (64, 64, 64, 16)]
        {
            let grid = Grid::new(width, height, patch, stride).unwrap();
            let mut owner = vec![usize::MAX; width * height];
            for index in 0..grid.count() {
                let cell = grid.cell(index);
                for y in cell.top..cell.bottom {
                    for x in cell.left..cell.right {
                        assert_eq!(owner[y * width + x], usize::MAX, "{width} × {height}: twice at {x}, {y}");
                        owner[y * width + x] = index;
                        assert_eq!(grid.patch_at(x as f64 + 0.5, y as f64), Some(index));
                    }
                }
                let (left, top) = grid.corner(index);
                let is_inside =
                    cell.left >= left && cell.right <= left + patch && cell.top >= top && cell.bottom <= top + patch;
                assert!(is_inside, "a cell lies in its patch");
            }
            assert!(owner.iter().all(|owner| *owner != usize::MAX));
        }
    }

    #[test]
    fn what_is_too_small_or_leaves_gaps_is_no_grid() {
        assert_eq!(Grid::new(63, 640, 64, 64), None);
        assert_eq!(Grid::new(640, 640, 64, 65), None);
        assert_eq!(Grid::new(640, 640, 64, 0), None);
        let grid = Grid::new(640, 640, 64, 64).unwrap();
        assert_eq!(grid.patch_at(640.0, 3.0), None);
        assert_eq!(grid.patch_at(f64::NAN, 3.0), None);
    }

    #[test]
    fn the_cursor_stops_at_the_edges() {
        let grid = Grid::new(256, 128, 64, 64).unwrap();
        assert_eq!(grid.beside(0, -1, -1), 0);
        assert_eq!(grid.beside(0, 1, 1), 5);
        assert_eq!(grid.beside(7, 1, 1), 7);
    }
}
