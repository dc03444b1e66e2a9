//! Pairs of dates: how alike they are, and how well that tells one place from others.
//!
//! The vectors here are directions (length 1), so that a dot product is the cosine.

use crate::order;

/// `vector` scaled to length 1; a zero vector stays zero.
#[must_use]
pub fn direction(vector: &[f32]) -> Vec<f32> {
    let norm = vector.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
    vector.iter().map(|&value| (f64::from(value) * scale) as f32).collect()
}

/// Cosine of two directions, −1 to 1.
#[must_use]
pub fn similarity(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>().clamp(-1.0, 1.0)
}

/// Every date with every date: `[dates][dates]`, symmetric.
#[must_use]
pub fn matrix(dates: &[Vec<f32>]) -> Vec<Vec<f32>> {
    dates.iter().map(|a| dates.iter().map(|b| similarity(a, b)).collect()).collect()
}

/// Similarities of pairs of dates of the same place, and of pairs of dates of two places; both rising.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairs {
    /// Within a place.
    pub same: Vec<f32>,
    /// Between two places.
    pub other: Vec<f32>,
}

/// What a threshold does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Share of same-place pairs at or over it.
    pub hits: f64,
    /// Share of other-place pairs at or over it.
    pub false_alarms: f64,
}

/// Counts in equal steps from the smallest to the largest similarity, as shares of each kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Where the first step begins.
    pub low: f32,
    /// Where the last one ends.
    pub high: f32,
    /// Shares of the same-place pairs; they sum to 1.
    pub same: Vec<f64>,
    /// Shares of the other-place pairs; they sum to 1.
    pub other: Vec<f64>,
}

impl Pairs {
    /// Of `places` (each `[dates][width]`), all pairs; with `focus`, only those that one place takes part in.
    #[must_use]
    pub fn of(places: &[&[Vec<f32>]], focus: Option<usize>) -> Self {
        let mut pairs = Self::default();
        let counts = |index: usize| focus.is_none_or(|focus| focus == index);
        for (index, place) in places.iter().enumerate() {
            for (number, a) in place.iter().enumerate() {
                if counts(index) {
                    pairs.same.extend(place[..number].iter().map(|b| similarity(a, b)));
                }
                for (before, other) in places[..index].iter().enumerate() {
                    if counts(index) || counts(before) {
                        pairs.other.extend(other.iter().map(|b| similarity(a, b)));
                    }
                }
            }
        }
        order::sort_by(&mut pairs.same, f32::total_cmp);
        order::sort_by(&mut pairs.other, f32::total_cmp);
        pairs
    }

    /// Shares of pairs at or over a threshold.
    #[must_use]
    pub fn rates(&self, threshold: f32) -> Rates {
        let share = |sorted: &[f32]| {
            let under = sorted.partition_point(|&value| value < threshold);
            (sorted.len() - under) as f64 / sorted.len().max(1) as f64
        };
        Rates { hits: share(&self.same), false_alarms: share(&self.other) }
    }

    /// The receiver operating characteristic: (false alarms, hits) from (0, 0) to (1, 1), a corner for each value.
    #[must_use]
    pub fn curve(&self) -> Vec<(f64, f64)> {
        let mut values: Vec<f32> = self.same.iter().chain(&self.other).copied().collect();
        order::sort_by(&mut values, |a, b| b.total_cmp(a));
        values.dedup();
        let corner = |&value: &f32| {
            let Rates { hits, false_alarms } = self.rates(value);
            (false_alarms, hits)
        };
        std::iter::once((0.0, 0.0)).chain(values.iter().map(corner)).collect()
    }

    /// Area under the curve: how often a pair of the same place is more alike than a pair of two places, ties counted
    /// half. `None` when one kind is missing.
    #[must_use]
    pub fn area(&self) -> Option<f64> {
        if self.same.is_empty() || self.other.is_empty() {
            return None;
        }
        let wins: f64 = self
            .same
            .iter()
            .map(|same| {
                let under = self.other.partition_point(|other| other < same);
                let ties = self.other[under..].partition_point(|other| other <= same);
                under as f64 + ties as f64 / 2.0
            })
            .sum();
        Some(wins / (self.same.len() as f64 * self.other.len() as f64))
    }

    /// The threshold that has the most hits over false alarms.
    #[must_use]
    pub fn best_threshold(&self) -> Option<f32> {
        let gain = |threshold: f32| {
            let Rates { hits, false_alarms } = self.rates(threshold);
            hits - false_alarms
        };
        self.same.iter().copied().max_by(|&a, &b| gain(a).total_cmp(&gain(b)))
    }

    /// Smallest and largest similarity of all.
    #[must_use]
    pub fn range(&self) -> Option<(f32, f32)> {
        let ends = |sorted: &[f32]| Some((*sorted.first()?, *sorted.last()?));
        let all = ends(&self.same).into_iter().chain(ends(&self.other));
        all.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Both kinds in `steps` equal steps; `None` when there is no pair.
    #[must_use]
    pub fn histogram(&self, steps: usize) -> Option<Histogram> {
        let (low, high) = self.range()?;
        let width = ((high - low) / steps as f32).max(f32::MIN_POSITIVE);
        let shares = |values: &[f32]| {
            let mut shares = vec![0.0; steps];
            for value in values {
                shares[(((value - low) / width) as usize).min(steps - 1)] += 1.0 / values.len() as f64;
            }
            shares
        };
        Some(Histogram { low, high, same: shares(&self.same), other: shares(&self.other) })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    fn at(degrees: f32) -> Vec<f32> {
        vec![degrees.to_radians().cos(), degrees.to_radians().sin()]
    }

    fn pairs(same: &[f32], other: &[f32]) -> Pairs {
        Pairs { same: same.to_vec(), other: other.to_vec() }
    }

    #[test]
    fn similarity_is_the_cosine_of_the_angle() {
        assert_eq!(direction(&[3.0, 4.0]), [0.6, 0.8]);
        assert_eq!(direction(&[0.0, 0.0]), [0.0, 0.0]);
        let matrix = matrix(&[at(0.0), at(60.0), at(180.0)]);
        let expected = [[1.0, 0.5, -1.0], [0.5, 1.0, -0.5], [-1.0, -0.5, 1.0]];
        for (found, expected) in matrix.iter().flatten().zip(expected.iter().flatten()) {
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }

    #[test]
    fn pairs_are_counted_once_and_kept_apart() {
        let (a, b, c) = ([at(0.0), at(60.0), at(0.0)], [at(90.0)], [at(180.0), at(180.0)]);
        let places: [&[Vec<f32>]; 3] = [&a, &b, &c];
        let all = Pairs::of(&places, None);
        // 3 + 0 + 1 within; 3·1 + 3·2 + 1·2 between.
        assert_eq!((all.same.len(), all.other.len()), (4, 11));
        let of_b = Pairs::of(&places, Some(1));
        assert_eq!((of_b.same.len(), of_b.other.len()), (0, 5));
        assert!((of_b.other[4] - 30_f32.to_radians().cos()).abs() < 1e-6);
        let of_a = Pairs::of(&places, Some(0));
        assert_eq!((of_a.same.len(), of_a.other.len()), (3, 9));
        assert!(of_a.same.is_sorted() && of_a.other.is_sorted());
    }

    #[test]
    fn the_area_is_one_when_separate_half_when_alike_and_counts_ties_half() {
        assert_eq!(pairs(&[0.8, 0.9], &[0.1, 0.2, 0.7]).area(), Some(1.0));
        assert_eq!(pairs(&[0.1, 0.2], &[0.8, 0.9]).area(), Some(0.0));
        assert_eq!(pairs(&[0.3, 0.5], &[0.3, 0.5]).area(), Some(0.5));
        // of 2 · 3 comparisons: 0.5 wins over 0.1 and ties with 0.5; 0.9 wins over all
        assert_eq!(pairs(&[0.5, 0.9], &[0.1, 0.5, 0.7]).area(), Some((1.5 + 3.0) / 6.0));
        assert_eq!(pairs(&[], &[0.1]).area(), None);
    }

    #[test]
    fn the_area_is_that_under_the_curve() {
        let pairs = pairs(&[0.2, 0.5, 0.5, 0.9], &[0.1, 0.2, 0.4, 0.5, 0.7]);
        let curve = pairs.curve();
        assert_eq!((curve[0], *curve.last().unwrap()), ((0.0, 0.0), (1.0, 1.0)));
        let trapezoids: f64 = curve.windows(2).map(|w| (w[1].0 - w[0].0) * (w[0].1 + w[1].1) / 2.0).sum();
        assert!((trapezoids - pairs.area().unwrap()).abs() < 1e-12);
    }

    #[test]
    fn a_threshold_counts_what_is_at_or_over_it() {
        let pairs = pairs(&[0.5, 0.6, 0.9, 0.9], &[0.1, 0.5, 0.6, 0.7, 0.8]);
        assert_eq!(pairs.rates(0.6), Rates { hits: 0.75, false_alarms: 0.6 });
        assert_eq!(pairs.rates(-1.0), Rates { hits: 1.0, false_alarms: 1.0 });
        assert_eq!(pairs.rates(1.0), Rates { hits: 0.0, false_alarms: 0.0 });
        assert_eq!(pairs.best_threshold(), Some(0.9));
    }

    #[test]
    fn a_histogram_has_shares_of_each_kind() {
        let histogram = pairs(&[0.5, 1.0], &[0.0, 0.1, 0.1, 0.6]).histogram(4).unwrap();
        assert_eq!((histogram.low, histogram.high), (0.0, 1.0));
        assert_eq!(histogram.same, [0.0, 0.0, 0.5, 0.5]);
        assert_eq!(histogram.other, [0.75, 0.0, 0.25, 0.0]);
        // All equal: no step of width zero.
        assert_eq!(pairs(&[0.5], &[0.5]).histogram(3).unwrap().same, [1.0, 0.0, 0.0]);
        assert_eq!(pairs(&[], &[]).histogram(3), None);
    }
}
