//! The prior that migrates: the reference in the picture's colours, and how much of its detail to expect.
//!
//! Two dates of a place differ in colour, haze and content, so the reference's detail is not the picture's. What both
//! pictures show one octave *below* the missing detail tells how far they agree: the regression of the picture's detail
//! there on the reference's is the gain with which the missing detail is expected, as ratios between scales are used in
//! pansharpening (Ranchin and Wald, PE&RS 66, 2000).

use super::degradation::{detail, enlarge, reduce};
use shared::tile::Tile;

/// A band whose standard deviation is less than this is flat: a tenth of an 8-bit step.
const FLAT: f64 = 4e-4;

/// What a reference says about a coarse picture.
#[derive(Clone, Debug)]
pub struct Prior {
    /// The reference with the picture's mean and standard deviation in every band, `[bands, h, w]`.
    pub reference: Tile,
    /// The detail that is expected, `[bands, h, w]`: the reference's own times its gain.
    pub detail: Tile,
    /// The gain by band, 0 to 1.
    pub gains: Vec<f32>,
}

impl Prior {
    /// From a coarse picture and the reference of the same place, whose sides are larger by one factor.
    #[must_use]
    pub fn migrate(low: &Tile, reference: &Tile) -> Self {
        let (height, width) = (low.height(), low.width());
        let reference = matched(low, reference);
        let gains = gain(low, &reduce(&reference, height, width));
        let mut detail = detail(&reference, height, width);
        for (band, &gain) in gains.iter().enumerate() {
            detail.plane_mut(band).iter_mut().for_each(|value| *value *= gain);
        }
        Self { reference, detail, gains }
    }

    /// `low` enlarged, with the detail that is expected of it: what the prior says without a network.
    #[must_use]
    pub fn expected(&self, low: &Tile) -> Tile {
        let mut sum = enlarge(low, self.detail.height(), self.detail.width());
        for band in 0..sum.bands() {
            sum.plane_mut(band).iter_mut().zip(self.detail.plane(band)).for_each(|(value, detail)| *value += detail);
        }
        sum
    }
}

/// `reference` brought, band by band, to the mean and standard deviation that `low` has, both seen at the size of `low`.
#[must_use]
pub fn matched(low: &Tile, reference: &Tile) -> Tile {
    let coarse = reduce(reference, low.height(), low.width());
    let mut matched = reference.clone();
    for band in 0..low.bands() {
        let (from, to) = (moments(coarse.plane(band)), moments(low.plane(band)));
        let slope = if from.1 > FLAT { to.1 / from.1 } else { 1.0 };
        let plane = matched.plane_mut(band);
        plane.iter_mut().for_each(|value| *value = ((f64::from(*value) - from.0) * slope + to.0) as f32);
    }
    matched
}

/// For each band, the regression coefficient of the finest octave of `low` on that of `reference`, a picture of the same
/// size, kept on [0, 1]; 0 where the reference is flat.
#[must_use]
pub fn gain(low: &Tile, reference: &Tile) -> Vec<f32> {
    let octave = |tile: &Tile| detail(tile, tile.height().div_ceil(2), tile.width().div_ceil(2));
    let (own, other) = (octave(low), octave(reference));
    let regression = |band: usize| {
        let pairs = || own.plane(band).iter().zip(other.plane(band)).map(|(&a, &b)| (f64::from(a), f64::from(b)));
        let square: f64 = pairs().map(|(_, b)| b * b).sum();
        let product: f64 = pairs().map(|(a, b)| a * b).sum();
        let is_flat = square <= FLAT * FLAT * own.plane(band).len() as f64;
        if is_flat { 0.0 } else { (product / square).clamp(0.0, 1.0) as f32 }
    };
    (0..low.bands()).map(regression).collect()
}

/// Mean and standard deviation.
fn moments(plane: &[f32]) -> (f64, f64) {
    let count = plane.len() as f64;
    let mean = plane.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    let variance = plane.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(height: usize, width: usize, phase: usize) -> Tile {
        let value = |at: usize| (((at * 2_654_435_761 + phase * 97) >> 11) & 255) as f32 / 255.0;
        Tile::new(2, height, width, (0..2 * height * width).map(value).collect()).expect("sizes agree")
    }

    #[test]
    fn matching_brings_mean_and_deviation() {
        let (low, reference) = (wave(12, 10, 1), wave(48, 40, 2));
        let coarse = reduce(&matched(&low, &reference), 12, 10);
        for band in 0..2 {
            let (found, expected) = (moments(coarse.plane(band)), moments(low.plane(band)));
            assert!(
                (found.0 - expected.0).abs() < 1e-6 && (found.1 - expected.1).abs() < 1e-6,
                "{found:?} {expected:?}"
            );
        }
    }

    #[test]
    fn the_gain_is_what_the_reference_was_multiplied_with() {
        let reference = wave(16, 16, 3);
        let mut low = reference.clone();
        low.plane_mut(0).iter_mut().for_each(|value| *value = 0.25 * *value + 0.1);
        low.plane_mut(1).iter_mut().for_each(|value| *value = 0.8 - *value);
        let gains = gain(&low, &reference);
        assert!((gains[0] - 0.25).abs() < 1e-5, "{gains:?}");
        assert_eq!(gains[1], 0.0, "a picture turned inside out has nothing to give");
        let flat = Tile::new(2, 16, 16, vec![0.5; 512]).expect("sizes agree");
        assert_eq!(gain(&low, &flat), [0.0, 0.0]);
    }
}
