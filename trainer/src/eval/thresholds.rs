//! Scores of a yes-or-no map at every threshold, from two histograms of its probabilities: maps of any size in a few
//! kilobytes.

use serde::{Deserialize, Serialize};

use super::pixel_scores::PixelScore;
use super::ratio::ratio;

/// Thresholds lie at k / this, so that .5 is one of them exactly.
pub const STEPS: usize = 1000;

/// How many pixels of each truth have a probability between k / STEPS and the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    yes: Vec<u64>,
    no: Vec<u64>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { yes: vec![0; STEPS + 1], no: vec![0; STEPS + 1] }
    }
}

impl Thresholds {
    /// Counts a pixel; one without truth, or a probability that is no number, is left out.
    pub fn add(&mut self, truth: Option<bool>, probability: f32) {
        let Some(truth) = truth.filter(|_| !probability.is_nan()) else { return };
        let step = ((f64::from(probability.clamp(0.0, 1.0)) * STEPS as f64) as usize).min(STEPS);
        if truth { self.yes[step] += 1 } else { self.no[step] += 1 }
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        let pairs = self.yes.iter_mut().zip(&other.yes).chain(self.no.iter_mut().zip(&other.no));
        pairs.for_each(|(own, other)| *own += other);
    }

    /// Pixels that were counted, and those of them that are true.
    #[must_use]
    pub fn pixels(&self) -> (u64, u64) {
        let yes = self.yes.iter().sum::<u64>();
        (yes + self.no.iter().sum::<u64>(), yes)
    }

    /// The scores where probabilities of `threshold` and more mean yes. The threshold is taken to the nearest step.
    #[must_use]
    pub fn at(&self, threshold: f64) -> PixelScore {
        let step = (threshold.clamp(0.0, 1.0) * STEPS as f64).round() as usize;
        let from = |counts: &[u64]| counts[step..].iter().sum::<u64>();
        let (right, wrong, truth) = (from(&self.yes), from(&self.no), self.yes.iter().sum::<u64>());
        PixelScore {
            precision: ratio(right, right + wrong),
            recall: ratio(right, truth),
            f1: ratio(2 * right, right + wrong + truth),
            iou: ratio(right, wrong + truth),
        }
    }

    /// The threshold with the highest F1, the lowest of equals; .5 where nothing is true.
    #[must_use]
    pub fn best(&self) -> f64 {
        let (mut best, mut highest) = (STEPS / 2, 0.0);
        let (mut right, mut wrong) = self.yes.iter().zip(&self.no).fold((0, 0), |(r, w), (yes, no)| (r + yes, w + no));
        let truth = right;
        for step in 0..=STEPS {
            let f1 = ratio(2 * right, right + wrong + truth).unwrap_or(0.0);
            if f1 > highest {
                (best, highest) = (step, f1);
            }
            right -= self.yes[step];
            wrong -= self.no[step];
        }
        best as f64 / STEPS as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_by_hand() {
        let mut counts = Thresholds::default();
        let pixels = [(true, 0.9), (true, 0.6), (false, 0.7), (true, 0.2), (false, 0.1)];
        pixels.into_iter().for_each(|(truth, probability)| counts.add(Some(truth), probability));
        counts.add(None, 0.9);
        counts.add(Some(true), f32::NAN);
        assert_eq!(counts.pixels(), (5, 3));
        let half = counts.at(0.5);
        assert_eq!((half.precision, half.recall, half.iou), (Some(2.0 / 3.0), Some(2.0 / 3.0), Some(0.5)));
        // .2 finds all three at the price of one: F1 6/7.
        assert!((counts.at(counts.best()).f1.unwrap_or(0.0) - 6.0 / 7.0).abs() < 1e-12, "{}", counts.best());
    }

    #[test]
    fn nothing_true_has_no_recall_and_the_middle_threshold() {
        let mut counts = Thresholds::default();
        counts.add(Some(false), 0.3);
        assert_eq!((counts.best(), counts.at(0.5).recall, counts.at(0.5).f1), (0.5, None, None));
        assert_eq!(counts.at(0.1).f1, Some(0.0));
        assert_eq!(Thresholds::default().at(0.5).iou, None);
    }

    #[test]
    fn the_middle_belongs_to_yes() {
        let mut counts = Thresholds::default();
        counts.add(Some(true), 0.5);
        assert_eq!(counts.at(0.5).recall, Some(1.0));
    }
}
