//! Whether tiles hold what a normalisation was made for: values in another unit make features of nothing.

use shared::bands::Bands;
use shared::preprocess::Normalisation;
use shared::tile::Tile;

use crate::data::evenly_spaced;

/// Tiles that are looked at.
const SAMPLED: usize = 64;
/// A band whose mean lies further off, in the normalisation's deviations, is in another unit: backscatter in dB lies a hundred
/// off, digital numbers thousands; the darkest and brightest ground lies within four.
const MOST_DEVIATIONS: f64 = 8.0;

/// The numbers of some of `count` tiles, evenly spread.
pub fn sampled(count: usize) -> impl Iterator<Item = usize> {
    evenly_spaced(count, SAMPLED)
}

/// What to warn of when the tiles' values are far outside what `normalisation` was made for.
pub fn outside_normalisation(
    normalisation: &Normalisation,
    bands: &Bands,
    tiles: impl Iterator<Item = Tile>,
) -> Option<String> {
    let mut sums = vec![0.0f64; bands.len()];
    let mut count = 0.0;
    for tile in tiles.filter(|tile| tile.bands() == bands.len()) {
        count += 1.0;
        let area = (tile.height() * tile.width()) as f64;
        for (band, sum) in sums.iter_mut().enumerate() {
            *sum += tile.plane(band).iter().map(|value| f64::from(*value)).sum::<f64>() / area;
        }
    }
    let expected = normalisation.mean().iter().zip(normalisation.std());
    let off = sums.iter().zip(expected).zip(bands).find_map(|((sum, (&mean, &std)), band)| {
        let own = sum / f64::max(count, 1.0);
        let is_far = ((own - f64::from(mean)) / f64::from(std)).abs() > MOST_DEVIATIONS;
        is_far.then(|| format!("the mean of band {band} is {own:.4}, the encoder expects about {mean:.4} ± {std:.4}"))
    })?;
    (count > 0.0).then(|| {
        format!("{off}: are the values in another unit (backscatter in dB, digital numbers against reflectance)? dn_offset and the file's own scale change them")
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn decibels_are_warned_of_and_snow_is_not() {
        let normalisation = Normalisation::new(vec![0.34, 0.38, 0.41], vec![0.2, 0.14, 0.12]).unwrap();
        let warning = |value: f32| {
            let tile = Tile::new(3, 2, 2, vec![value; 12]).unwrap();
            outside_normalisation(&normalisation, &Bands::rgb(), std::iter::repeat_n(tile, 3))
        };
        assert_eq!((warning(0.0), warning(1.0)), (None, None));
        assert!(warning(-12.5).unwrap().contains("band B04 is -12.5000"));
        assert!(warning(1925.0).is_some());
        assert_eq!(outside_normalisation(&normalisation, &Bands::rgb(), std::iter::empty()), None);
        assert_eq!(sampled(3).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(sampled(6400).nth(1), Some(100));
    }
}
