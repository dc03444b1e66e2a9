//! A linear support vector machine, one class against the rest: the classifier that MARTA GANs are evaluated with.
//!
//! minimise over w, b, for each class: ½ (‖w‖² + b²) + C · Σ max(0, 1 − y (w·x + b))², with y = 1 in the class, −1 outside.
//!
//! That is scikit-learn's `LinearSVC` and liblinear's default. Two ways lead to the one minimum: Newton's method where
//! there are more rows than features, dual coordinate descent where features are many. The first would have to solve too
//! large systems there, and the second needs hundreds of thousands of passes where rows are not separable and C is large.

use anyhow::{Result, ensure};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::features::Embedded;
use super::probe::{LinearProbe, Standardisation};

mod dual;
mod primal;

/// C of the paper (Lin et al. 2017, §IV).
pub const PAPER_C: f64 = 1000.0;
/// Features up to which Newton's method solves its systems.
const MOST_SOLVED: usize = 1024;
/// Sums that a product of two rows runs in side by side.
const LANES: usize = 8;

/// What is minimised, and how far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SvmSettings {
    /// Weight C of the losses against the squared length of the weights.
    pub c: f64,
    /// Coordinate descent is done when the projected gradients of the dual lie this close together.
    pub tolerance: f64,
    /// Its passes over the rows after which it ends anyway.
    pub max_passes: usize,
}

impl SvmSettings {
    /// With scikit-learn's limits.
    #[must_use]
    pub fn new(c: f64) -> Self {
        Self { c, tolerance: 1e-4, max_passes: 1000 }
    }
}

/// A fitted machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Svm {
    /// One linear function a class, on raw features; the largest value is the answer.
    pub classifier: LinearProbe,
    /// Classes whose fit ended at the limit of passes.
    pub unfinished: usize,
}

/// Fits on `train`, standardised by itself. `progress` hears how many of the classes are done, from any thread.
///
/// # Errors
/// When there is no row.
pub fn fit_svm(
    train: &Embedded,
    classes: usize,
    settings: SvmSettings,
    progress: impl Fn(usize) + Sync,
) -> Result<Svm> {
    ensure!(train.count() > 0, "the training part is empty\nhint: it needs at least one tile");
    let standardisation = Standardisation::of(train);
    let rows = Rows::new(standardisation.apply(train), train.width);
    let done = AtomicUsize::new(0);
    let fit = |class: usize| {
        let signs: Vec<f64> = train.labels.iter().map(|&label| if label == class { 1.0 } else { -1.0 }).collect();
        let found = match rows.width <= MOST_SOLVED && rows.width < signs.len() {
            true => primal::separate(&rows, &signs, settings.c),
            false => dual::separate(&rows, &signs, settings, class as u64),
        };
        progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        found
    };
    let found: Vec<(Vec<f64>, bool)> = (0..classes).into_par_iter().map(fit).collect();
    // [width, classes], then the biases.
    let at = |feature: usize| found.iter().map(move |(weights, _)| weights[feature]);
    let parameters: Vec<f64> = (0..=train.width).flat_map(at).collect();
    let unfinished = found.iter().filter(|(_, is_done)| !is_done).count();
    Ok(Svm { classifier: standardisation.fold(&parameters, classes), unfinished })
}

/// Standardised rows with the square of their length, the constant 1 of the bias included.
struct Rows {
    values: Vec<f32>,
    width: usize,
    squares: Vec<f64>,
}

impl Rows {
    fn new(values: Vec<f32>, width: usize) -> Self {
        let square = |row: &[f32]| 1.0 + row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>();
        Self { squares: values.par_chunks_exact(width).map(square).collect(), values, width }
    }

    fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.width..(index + 1) * self.width]
    }

    /// `weights` · (x, 1) of every row.
    fn values_under(&self, weights: &[f64]) -> Vec<f64> {
        self.values.chunks_exact(self.width).map(|row| dot(row, weights) + weights[self.width]).collect()
    }
}

/// Σ row · weights; the bias behind the weights is left out.
fn dot(row: &[f32], weights: &[f64]) -> f64 {
    let (x, x_rest) = row.as_chunks::<LANES>();
    let (w, w_rest) = weights[..row.len()].as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (x, w) in x.iter().zip(w) {
        sums.iter_mut().zip(x.iter().zip(w)).for_each(|(sum, (&x, w))| *sum += f64::from(x) * w);
    }
    let rest: f64 = x_rest.iter().zip(w_rest).map(|(&x, w)| f64::from(x) * w).sum();
    rest + sums.iter().sum::<f64>()
}

/// `weights += factor · (row, 1)`
fn add_scaled(weights: &mut [f64], factor: f64, row: &[f32]) {
    let (own, bias) = weights.split_at_mut(row.len());
    own.iter_mut().zip(row).for_each(|(weight, &x)| *weight += factor * f64::from(x));
    bias[0] += factor;
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    /// By Newton's method and by coordinate descent: weights and bias.
    fn both_ways(rows: &Rows, signs: &[f64], c: f64) -> [Vec<f64>; 2] {
        let settings = SvmSettings { tolerance: 1e-10, max_passes: 100_000, ..SvmSettings::new(c) };
        [primal::separate(rows, signs, c), dual::separate(rows, signs, settings, 0)].map(|(weights, is_done)| {
            assert!(is_done, "C = {c}");
            weights
        })
    }

    #[test]
    fn two_points_have_the_closed_form() {
        // x = ±1, y = ±1, no bias by symmetry: ½ w² + 2 C (1 − w)² is least at w = 4 C / (1 + 4 C).
        let rows = Rows::new(vec![-1.0, 1.0], 1);
        for c in [0.1, 1.0, 1000.0] {
            for weights in both_ways(&rows, &[-1.0, 1.0], c) {
                assert!((weights[0] - 4.0 * c / (1.0 + 4.0 * c)).abs() < 1e-8, "C = {c}: {weights:?}");
                assert!(weights[1].abs() < 1e-8);
            }
        }
    }

    #[test]
    fn both_ways_lead_to_the_same_minimum() {
        // 60 rows of 9 features, not separable.
        let values: Vec<f32> = (0..540).map(|at| ((at * 7919 % 541) as f32 / 270.0) - 1.0).collect();
        let signs: Vec<f64> = (0..60).map(|row| if row * 31 % 7 < 3 { 1.0 } else { -1.0 }).collect();
        let rows = Rows::new(values, 9);
        for c in [0.1, 1.0, 10.0] {
            let [primal, dual] = both_ways(&rows, &signs, c);
            let error = primal.iter().zip(&dual).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(error < 1e-6, "C = {c}: {primal:?} against {dual:?}");
        }
    }

    #[test]
    fn a_limit_of_passes_is_told() {
        let train = Embedded::new((0..8).map(|at| (at * 5 % 7) as f32).collect(), 4, vec![0, 1]).unwrap();
        let hasty = SvmSettings { max_passes: 1, ..SvmSettings::new(1000.0) };
        assert_eq!(fit_svm(&train, 2, hasty, |_| {}).unwrap().unfinished, 2);
    }
}
