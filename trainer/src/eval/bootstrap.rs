//! Bootstrap intervals: how far a score would move with another test part of the same size, drawn from the same tiles.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Test parts that are drawn.
pub const DRAWS: usize = 1000;
/// The share of the drawn scores that lies inside.
pub const COVERAGE: f64 = 0.95;

/// Where [`COVERAGE`] of the drawn scores lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Quantile (1 − [`COVERAGE`]) / 2.
    pub low: f64,
    /// Quantile (1 + [`COVERAGE`]) / 2.
    pub high: f64,
}

/// The percentile interval of `score` over `draws` samples, each `count` rows drawn with replacement; the same for the
/// same seed on any number of threads. `None` without rows, or when `score` is never a number.
#[must_use]
pub fn bootstrap(
    count: usize,
    draws: usize,
    seed: u64,
    score: impl Fn(&[usize]) -> Option<f64> + Sync,
) -> Option<Interval> {
    if count == 0 {
        return None;
    }
    let draw = |draw: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(draw as u64);
        let rows: Vec<usize> = (0..count).map(|_| rng.random_range(0..count)).collect();
        score(&rows).filter(|score| score.is_finite())
    };
    let mut scores: Vec<f64> = (0..draws).into_par_iter().filter_map(draw).collect();
    scores.sort_unstable_by(f64::total_cmp);
    let quantile = |share: f64| {
        let position = share * (scores.len().checked_sub(1)? as f64);
        let (below, above) = (scores[position.floor() as usize], scores[position.ceil() as usize]);
        Some(below + (above - below) * position.fract())
    };
    Some(Interval { low: quantile((1.0 - COVERAGE) / 2.0)?, high: quantile((1.0 + COVERAGE) / 2.0)? })
}

/// The interval of the share of `right`, from [`DRAWS`] draws.
#[must_use]
pub fn accuracy_interval(right: &[bool], seed: u64) -> Option<Interval> {
    bootstrap(right.len(), DRAWS, seed, |rows| {
        let hits = rows.iter().filter(|row| right[**row]).count();
        Some(hits as f64 / rows.len() as f64)
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn what_never_varies_has_an_interval_of_no_length() {
        assert_eq!(accuracy_interval(&[true; 7], 1), Some(Interval { low: 1.0, high: 1.0 }));
        assert_eq!(accuracy_interval(&[true], 1), Some(Interval { low: 1.0, high: 1.0 }));
        assert_eq!(accuracy_interval(&[], 1), None);
        assert_eq!(bootstrap(3, 10, 1, |_| None), None);
        assert_eq!(bootstrap(3, 0, 1, |_| Some(1.0)), None);
    }

    #[test]
    fn equal_seeds_give_equal_intervals() {
        let right: Vec<bool> = (0..200).map(|at| at % 3 > 0).collect();
        let first = accuracy_interval(&right, 5).unwrap();
        assert_eq!(Some(first), accuracy_interval(&right, 5));
        assert_ne!(Some(first), accuracy_interval(&right, 6));
        assert!(first.low < 2.0 / 3.0 && 2.0 / 3.0 < first.high);
    }
}
