//! A camera of which nothing but its pictures is known, to measure enlargements with: they invert the project's own
//! reduction, and no real picture was made by that.

use crate::parts::initialise::normal_values;
use crate::views::blur::gaussian;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shared::tile::{Tile, TileError};

/// Gaussian optics, square detectors side by side, and noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// Standard deviation of the optics' point-spread function, in pixels of the coarse picture.
    pub sigma_px: f32,
    /// Standard deviation of the noise in every sample, unit scale.
    pub noise: f32,
}

impl Camera {
    /// A camera whose optics are drawn between `sigma_px`, uniformly.
    #[must_use]
    pub fn drawn(sigma_px: [f32; 2], noise: f32, seed: u64) -> Self {
        let [low, high] = sigma_px;
        let share: f32 = ChaCha8Rng::seed_from_u64(seed).random();
        Self { sigma_px: low + share * (high - low), noise }
    }

    /// What it makes of a scene whose sides `scale` divides; values outside [0, 1] are kept.
    ///
    /// # Shapes
    /// `[bands, h, w]` → `[bands, h / scale, w / scale]`
    ///
    /// # Errors
    /// When the scene is smaller than a detector.
    pub fn picture(&self, scene: &Tile, scale: usize, seed: u64) -> Result<Tile, TileError> {
        let mut blurred = scene.clone();
        if self.sigma_px > 0.0 {
            gaussian(&mut blurred, self.sigma_px * scale as f32);
        }
        let (height, width) = (scene.height() / scale, scene.width() / scale);
        let count = scene.bands() * height * width;
        let noise = if self.noise > 0.0 { normal_values(count, f64::from(self.noise), seed) } else { vec![0.0; count] };
        let detector = |at: usize| {
            let (band, row, column) = (at / (height * width), at / width % height, at % width);
            let plane = blurred.plane(band);
            let rows = (scale * row..scale * (row + 1)).map(|y| &plane[y * scene.width() + scale * column..][..scale]);
            rows.flatten().sum::<f32>() / (scale * scale) as f32
        };
        let values = noise.iter().enumerate().map(|(at, noise)| detector(at) + noise).collect();
        Tile::new(scene.bands(), height, width, values)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    const SIDE: usize = 48;

    fn scene(value: impl Fn(usize, usize) -> f32) -> Tile {
        Tile::new(1, SIDE, SIDE, (0..SIDE * SIDE).map(|at| value(at / SIDE, at % SIDE)).collect()).unwrap()
    }

    /// The integral of the normal density of deviation `sigma` from −∞ to `x`, by summing it in small steps.
    fn normal_share(x: f64, sigma: f64) -> f64 {
        let step = sigma / 2000.0;
        let from = -8.0 * sigma;
        let count = ((x - from) / step).max(0.0) as usize;
        let density = |at: f64| (-0.5 * (at / sigma).powi(2)).exp() / (sigma * (2.0 * std::f64::consts::PI).sqrt());
        (0..count).map(|index| density(from + (index as f64 + 0.5) * step) * step).sum()
    }

    #[test]
    fn an_edge_is_spread_as_optics_and_detectors_spread_it() {
        // A step from 0 to 1 between columns 23 and 24: its picture is the mean over a detector of the error function.
        let (scale, sigma_px) = (4, 0.5);
        let camera = Camera { sigma_px, noise: 0.0 };
        let edge = scene(|_, x| if x >= 24 { 1.0 } else { 0.0 });
        let picture = camera.picture(&edge, scale, 0).unwrap();
        for column in 3..9 {
            let sigma = f64::from(sigma_px) * scale as f64;
            let columns = (scale * column..scale * (column + 1)).map(|x| normal_share(x as f64 + 0.5 - 24.0, sigma));
            let expected = columns.sum::<f64>() / scale as f64;
            let found = f64::from(picture.plane(0)[5 * 12 + column]);
            // The kernel is cut at three deviations and sampled.
            assert!((found - expected).abs() < 4e-3, "column {column}: {found}, {expected}");
        }
    }

    #[test]
    fn noise_has_its_deviation_and_its_seed() {
        let camera = Camera { sigma_px: 0.4, noise: 0.02 };
        let flat = scene(|_, _| 0.5);
        let picture = camera.picture(&flat, 2, 7).unwrap();
        let deviations = picture.pixels().iter().map(|value| f64::from(value - 0.5));
        let variance = deviations.map(|value| value * value).sum::<f64>() / picture.pixels().len() as f64;
        // 576 samples: the deviation is known to 3 %.
        assert!((variance.sqrt() - 0.02).abs() < 0.0025, "{variance}");
        assert_eq!(picture, camera.picture(&flat, 2, 7).unwrap());
        assert_ne!(picture, camera.picture(&flat, 2, 8).unwrap());
    }

    #[test]
    fn optics_are_drawn_between_their_bounds() {
        let drawn: Vec<f32> = (0..50).map(|seed| Camera::drawn([0.3, 0.6], 0.0, seed).sigma_px).collect();
        assert!(drawn.iter().all(|sigma| (0.3..=0.6).contains(sigma)));
        assert!(drawn.iter().any(|&sigma| sigma < 0.4) && drawn.iter().any(|&sigma| sigma > 0.5), "{drawn:?}");
    }
}
