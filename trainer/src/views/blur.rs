//! Gaussian blur: separable, in f32, reflected at the border as torchvision's `gaussian_blur` does.
//!
//! NOTE: the kernel reaches ceil(3 σ) pixels, where torchvision leaves its size to the caller and PIL's filter (which
//! MoCo and SeCo use) approximates the Gaussian by three box filters.

use shared::tile::Tile;

/// The weights of a Gaussian at −radius … radius, summing to 1; radius = ceil(3 σ), at least 1.
#[must_use]
pub fn kernel(sigma: f32) -> Vec<f32> {
    let sigma = f64::from(sigma).max(1e-3);
    let radius = ((3.0 * sigma).ceil() as i32).max(1);
    let raw: Vec<f64> = (-radius..=radius).map(|at| (-0.5 * (f64::from(at) / sigma).powi(2)).exp()).collect();
    let total: f64 = raw.iter().sum();
    raw.iter().map(|weight| (weight / total) as f32).collect()
}

/// Blurs every plane in place with standard deviation `sigma` in pixels.
pub fn gaussian(tile: &mut Tile, sigma: f32) {
    let kernel = kernel(sigma);
    let radius = kernel.len() / 2;
    let (height, width) = (tile.height(), tile.width());
    let mut padded = vec![0.0f32; width + 2 * radius];
    let mut narrowed = vec![0.0f32; height * width]; // after the pass along rows
    for band in 0..tile.bands() {
        let plane = tile.plane_mut(band);
        for (row, target) in plane.chunks_exact(width).zip(narrowed.chunks_exact_mut(width)) {
            for (at, value) in padded[..radius].iter_mut().enumerate() {
                *value = row[reflect(at as isize - radius as isize, width)];
            }
            padded[radius..radius + width].copy_from_slice(row);
            for (at, value) in padded[radius + width..].iter_mut().enumerate() {
                *value = row[reflect((width + at) as isize, width)];
            }
            weigh(target, kernel.iter().enumerate().map(|(tap, &weight)| (weight, &padded[tap..tap + width])));
        }
        for (y, target) in plane.chunks_exact_mut(width).enumerate() {
            weigh(
                target,
                kernel.iter().enumerate().map(|(tap, &weight)| {
                    let source = reflect((y + tap) as isize - radius as isize, height) * width;
                    (weight, &narrowed[source..source + width])
                }),
            );
        }
    }
}

/// target = Σ weight × row.
fn weigh<'a>(target: &mut [f32], rows: impl Iterator<Item = (f32, &'a [f32])>) {
    target.fill(0.0);
    for (weight, row) in rows {
        target.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
    }
}

/// Mirrors `at` into 0 … len−1 without repeating the border; again and again where the tile is smaller than the kernel.
fn reflect(at: isize, len: usize) -> usize {
    if len == 1 {
        return 0;
    }
    let period = 2 * (len as isize - 1);
    let folded = at.rem_euclid(period);
    folded.min(period - folded) as usize
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn borders_are_mirrored() {
        let mirrored: Vec<usize> = (-3..7).map(|at| reflect(at, 4)).collect();
        assert_eq!(mirrored, [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]);
        assert_eq!(reflect(5, 1), 0);
        assert_eq!(reflect(-7, 2), 1);
    }

    #[test]
    fn a_constant_stays_and_the_mean_of_a_spot_is_kept() {
        let mut tile = Tile::new(1, 5, 9, vec![1.7; 45]).unwrap();
        gaussian(&mut tile, 1.3);
        assert!(tile.pixels().iter().all(|value| (value - 1.7).abs() < 1e-6));
        let mut pixels = vec![0.0; 31 * 31];
        pixels[15 * 31 + 15] = 1.0;
        let mut tile = Tile::new(1, 31, 31, pixels).unwrap();
        gaussian(&mut tile, 2.0);
        assert!((tile.pixels().iter().sum::<f32>() - 1.0).abs() < 1e-5);
        // 1 / (2 π σ²) at the centre, up to the cut at 3 σ
        assert!((tile.pixels()[15 * 31 + 15] - 0.0398).abs() < 4e-4);
    }

    #[test]
    fn tiles_smaller_than_the_kernel_are_fine() {
        let mut tile = Tile::new(2, 1, 3, vec![0.0, 1.0, 0.0, 5.0, 5.0, 5.0]).unwrap();
        gaussian(&mut tile, 2.0);
        assert!(tile.pixels().iter().all(|value| value.is_finite()));
    }
}
