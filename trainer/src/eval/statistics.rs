//! The baseline that has learned nothing: a few statistics of each band of a tile.

use shared::tile::Tile;

/// Mean, standard deviation, minimum, maximum, and the 10 %, 50 % and 90 % quantiles.
pub const STATISTICS_PER_BAND: usize = 7;

/// [`STATISTICS_PER_BAND`] numbers a band: `[bands × 7]`. A quantile q of n values lies at position q · (n − 1) of the
/// sorted values, between two of them by linear interpolation.
#[must_use]
pub fn image_statistics(tile: &Tile) -> Vec<f32> {
    (0..tile.bands()).flat_map(|band| band_statistics(tile.plane(band))).collect()
}

fn band_statistics(values: &[f32]) -> [f32; STATISTICS_PER_BAND] {
    let count = values.len() as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    let variance = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count;
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let quantile = |share: f64| {
        let position = share * (count - 1.0);
        let below = position.floor() as usize;
        let above = (below + 1).min(sorted.len() - 1);
        sorted[below] + (sorted[above] - sorted[below]) * (position - position.floor()) as f32
    };
    [
        mean as f32,
        variance.sqrt() as f32,
        sorted[0],
        sorted[sorted.len() - 1],
        quantile(0.1),
        quantile(0.5),
        quantile(0.9),
    ]
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn statistics_by_hand() {
        let ascending: Vec<f32> = (0..=10).map(|value| value as f32).collect();
        let tile = Tile::new(2, 1, 11, [ascending, vec![3.0; 11]].concat()).unwrap();
        let found = image_statistics(&tile);
        assert_eq!(found[..7], [5.0, 10.0_f32.sqrt(), 0.0, 10.0, 1.0, 5.0, 9.0]);
        assert_eq!(found[7..], [3.0, 0.0, 3.0, 3.0, 3.0, 3.0, 3.0]);
    }
}
