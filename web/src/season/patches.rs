//! A picture as overlapping squares, and what is measured on them as a picture again.

use crate::scene::grid::Grid;

/// Squares are an eighth of the shorter side, but no smaller than this where the picture allows it: under it, the encoder
/// sees little but a few enlarged pixels.
const MIN_PATCH_PX: usize = 32;
/// Squares of a picture: bounds the work.
const MAX_PATCHES: usize = 256;
/// The smallest picture in which squares tell anything apart.
pub const MIN_SIDE_PX: usize = 16;

/// Where the squares of a picture lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patches {
    /// Size of the picture.
    pub width: usize,
    /// See `width`.
    pub height: usize,
    /// Side of a square.
    pub side: usize,
    /// From one square to the next, except the last, which is flush with the edge.
    pub stride: usize,
    /// How many there are beside each other.
    pub columns: usize,
    /// How many there are one under the other.
    pub rows: usize,
}

impl Patches {
    /// Squares that cover a picture up to its edges, overlapping by half or more; `None` for one that is too small, or too
    /// long a strip.
    #[must_use]
    pub fn of(width: usize, height: usize) -> Option<Self> {
        let shorter = width.min(height);
        if shorter < MIN_SIDE_PX {
            return None;
        }
        let along = |length: usize, side: usize, stride: usize| (length - side).div_ceil(stride) + 1;
        let grid = |side: usize, stride: usize| (along(width, side, stride), along(height, side, stride));
        let fits = |(columns, rows): (usize, usize)| columns * rows <= MAX_PATCHES;
        let mut side = (shorter / 8).max(MIN_PATCH_PX).min(shorter / 2);
        let mut stride = side / 4;
        while !fits(grid(side, stride)) {
            if stride < side / 2 {
                stride = side / 2;
            } else {
                side += side / 4;
                stride = side / 2;
            }
            if side > shorter {
                return None;
            }
        }
        let (columns, rows) = grid(side, stride);
        Some(Self { width, height, side, stride, columns, rows })
    }

    /// How many squares there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.columns * self.rows
    }

    /// Left and top edge of a square; they are counted row by row.
    #[must_use]
    pub fn origin(&self, index: usize) -> (usize, usize) {
        self.grid().corner(index)
    }

    /// The same squares as a large picture is cut by.
    #[must_use]
    pub const fn grid(&self) -> Grid {
        Grid { width: self.width, height: self.height, patch_px: self.side, stride_px: self.stride }
    }

    /// For each pixel of a picture of `width` × `height` of the same shape, the mean over the squares that cover it and have a
    /// value; NaN where none has.
    #[must_use]
    pub fn paint(&self, values: &[f32], width: usize, height: usize) -> Vec<f32> {
        let (mut sums, mut counts) = (vec![0.0_f32; width * height], vec![0_u32; width * height]);
        for (index, value) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            let (left, top) = self.origin(index);
            // A pixel belongs to a square when its middle lies in it.
            let range = |start: usize, whole: usize, pixels: usize| {
                let at = |place: usize| ((place * pixels) as f64 / whole as f64 - 0.5).ceil().max(0.0) as usize;
                at(start)..at(start + self.side).min(pixels)
            };
            for row in range(top, self.height, height) {
                for column in range(left, self.width, width) {
                    sums[row * width + column] += value;
                    counts[row * width + column] += 1;
                }
            }
        }
        sums.iter().zip(counts).map(|(sum, count)| sum / count as f32).collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn a_small_picture_has_25_squares_and_a_large_one_no_more_than_can_be_measured() {
        let small = Patches::of(64, 64).unwrap();
        assert_eq!((small.side, small.columns, small.rows), (32, 5, 5));
        assert_eq!((0..5).map(|index| small.origin(index).0).collect::<Vec<_>>(), [0, 8, 16, 24, 32]);
        assert_eq!(small.origin(24), (32, 32));
        assert_eq!(Patches::of(15, 400), None);
        assert_eq!(Patches::of(100_000, 16), None);
    }

    #[test]
    fn a_scene_is_cut_into_the_same_squares() {
        for (width, height) in [(64, 64), (333, 200), (1000, 700), (10_980, 10_980)] {
            let patches = Patches::of(width, height).unwrap();
            let grid = patches.grid();
            assert_eq!((grid.columns(), grid.rows()), (patches.columns, patches.rows), "{patches:?}");
        }
    }

    #[test]
    fn squares_lie_inside_and_leave_no_gap() {
        for (width, height) in [(16, 16), (64, 64), (100, 64), (333, 200), (256, 256), (1000, 700), (4000, 300)] {
            let patches = Patches::of(width, height).unwrap();
            assert!(patches.count() <= MAX_PATCHES, "{patches:?}");
            let mut covered = vec![false; width * height];
            for (left, top) in (0..patches.count()).map(|index| patches.origin(index)) {
                assert!(left + patches.side <= width && top + patches.side <= height, "{patches:?}");
                for row in top..top + patches.side {
                    covered[row * width + left..row * width + left + patches.side].fill(true);
                }
            }
            assert!(covered.iter().all(|covered| *covered), "{patches:?}");
        }
    }

    #[test]
    fn squares_without_a_value_leave_the_others() {
        let patches = Patches::of(64, 64).unwrap();
        let mut values = vec![f32::NAN; patches.count()];
        assert!(patches.paint(&values, 64, 64).iter().all(|value| value.is_nan()));
        values[0] = 0.25;
        let painted = patches.paint(&values, 64, 64);
        assert_eq!(painted[0], 0.25);
        assert_eq!(painted[31 * 64 + 31], 0.25);
        assert!(painted[63 * 64 + 63].is_nan());
    }

    #[test]
    fn a_pixel_is_the_mean_of_the_squares_over_it() {
        let patches = Patches::of(64, 48).unwrap();
        let values: Vec<f32> = (0..patches.count()).map(|index| (index * index % 17) as f32).collect();
        for scale in [1, 2] {
            let (width, height) = (64 * scale, 48 * scale);
            let painted = patches.paint(&values, width, height);
            for (row, column) in [(0, 0), (5, 60), (20, 31), (24, 32), (47, 63)] {
                let over = (0..patches.count()).filter(|&index| {
                    let (left, top) = patches.origin(index);
                    (left..left + patches.side).contains(&column) && (top..top + patches.side).contains(&row)
                });
                let over: Vec<f32> = over.map(|index| values[index]).collect();
                let expected = over.iter().sum::<f32>() / over.len() as f32;
                assert!((painted[row * scale * width + column * scale] - expected).abs() < 1e-4);
            }
        }
    }
}
