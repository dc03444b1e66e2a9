//! Whole pictures: overlapping windows of the coarse picture, and their enlargements blended into one.

use shared::tile::Tile;

use crate::views::geometry::Window;

/// Windows of at most `side` × `side` that cover `height` × `width`, row by row, evenly spread, neighbours sharing at least
/// `overlap` pixels.
#[must_use]
pub fn windows(height: usize, width: usize, side: usize, overlap: usize) -> Vec<Window> {
    let (rows, columns) = (starts(height, side, overlap), starts(width, side, overlap));
    let (height, width) = (height.min(side), width.min(side));
    let row = |top: usize| columns.iter().map(move |&left| Window { top, left, height, width });
    rows.iter().flat_map(|&top| row(top)).collect()
}

fn starts(len: usize, side: usize, overlap: usize) -> Vec<usize> {
    if len <= side {
        return vec![0];
    }
    let stride = side.saturating_sub(overlap).max(1);
    let gaps = (len - side).div_ceil(stride);
    (0..=gaps).map(|at| at * (len - side) / gaps).collect()
}

/// Enlarged windows on their way to one picture. Each counts less towards its own border, over the width of the overlap.
#[derive(Clone, Debug)]
pub struct Blend {
    bands: usize,
    height: usize,
    width: usize,
    scale: usize,
    ramp: usize,
    sums: Vec<f64>,
    weights: Vec<f64>,
}

impl Blend {
    /// Nothing yet of a coarse picture of `height` × `width`, enlarged by `scale`; `overlap` as in [`windows`].
    #[must_use]
    pub fn new(bands: usize, [height, width]: [usize; 2], scale: usize, overlap: usize) -> Self {
        let (height, width) = (height * scale, width * scale);
        let (sums, weights) = (vec![0.0; bands * height * width], vec![0.0; height * width]);
        Self { bands, height, width, scale, ramp: (overlap * scale).max(1), sums, weights }
    }

    /// Adds the enlargement of `window`.
    pub fn add(&mut self, window: Window, tile: &Tile) {
        let (top, left) = (window.top * self.scale, window.left * self.scale);
        let ramp = |at: usize, len: usize| (at + 1).min(len - at).min(self.ramp) as f64;
        for row in 0..tile.height() {
            for column in 0..tile.width() {
                let weight = ramp(row, tile.height()) * ramp(column, tile.width());
                let at = (top + row) * self.width + left + column;
                self.weights[at] += weight;
                for band in 0..self.bands {
                    let value = tile.plane(band)[row * tile.width() + column];
                    self.sums[band * self.height * self.width + at] += weight * f64::from(value);
                }
            }
        }
    }

    /// The picture.
    ///
    /// # Errors
    /// When it is empty.
    pub fn finish(self) -> anyhow::Result<Tile> {
        let area = self.height * self.width;
        let pixels = self.sums.iter().enumerate().map(|(at, sum)| (sum / self.weights[at % area]) as f32);
        Ok(Tile::new(self.bands, self.height, self.width, pixels.collect())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::preprocess::crop;

    #[test]
    fn windows_cover_everything_and_overlap() {
        for (len, side, overlap) in [(32, 32, 8), (33, 32, 8), (100, 32, 8), (257, 48, 16), (10, 32, 8), (40, 8, 8)] {
            let starts = starts(len, side, overlap);
            assert_eq!((starts[0], starts[starts.len() - 1] + side.min(len)), (0, len), "{len} {side}");
            for pair in starts.windows(2) {
                assert!(pair[1] > pair[0] && pair[0] + side >= pair[1] + overlap.min(side - 1), "{starts:?}");
            }
        }
        assert_eq!(windows(40, 20, 32, 8).len(), 2);
    }

    #[test]
    fn windows_of_one_picture_blend_into_it() {
        let value = |at: usize| (((at * 2_654_435_761) >> 9) & 1023) as f32 / 1023.0;
        let picture = Tile::new(2, 60, 45, (0..2 * 60 * 45).map(value).collect()).expect("sizes agree");
        let mut blend = Blend::new(2, [20, 15], 3, 4);
        for window in windows(20, 15, 8, 4) {
            let part = crop(&picture, 3 * window.top, 3 * window.left, 3 * window.height, 3 * window.width);
            blend.add(window, &part.expect("inside"));
        }
        let blended = blend.finish().expect("not empty");
        let worst = blended.pixels().iter().zip(picture.pixels()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-6, "{worst}");
    }
}
