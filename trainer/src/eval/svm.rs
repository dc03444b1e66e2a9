//! A linear support vector machine, one class against the rest: the classifier that MARTA GANs are evaluated with.
//!
//! minimise over w, b, for each class: ½ (‖w‖² + b²) + C · Σ max(0, 1 − y (w·x + b))², with y = 1 in the class, −1 outside.
//!
//! That is scikit-learn's `LinearSVC` and liblinear's default, and the way is liblinear's too: dual coordinate descent
//! with shrinking (Hsieh et al. 2008, "A dual coordinate descent method for large-scale linear SVM", algorithm 3).

use anyhow::{Result, ensure};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::features::Embedded;
use super::probe::{LinearProbe, Standardisation};

/// C of the paper (Lin et al. 2017, §IV).
pub const PAPER_C: f64 = 1000.0;
/// Sums that a product of two rows runs in side by side.
const LANES: usize = 8;

/// What is minimised, and how far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SvmSettings {
    /// Weight C of the losses against the squared length of the weights.
    pub c: f64,
    /// Done when the projected gradients of the dual lie this close together.
    pub tolerance: f64,
    /// Passes over the rows after which it ends anyway.
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
        let found = separate(&rows, &signs, settings, class as u64);
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
}

/// Weights and bias that separate the rows with `signs` 1 from those with −1, and whether the tolerance was reached.
fn separate(rows: &Rows, signs: &[f64], settings: SvmSettings, seed: u64) -> (Vec<f64>, bool) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let slack = 0.5 / settings.c;
    let mut weights = vec![0.0; rows.width + 1];
    let mut alphas = vec![0.0; signs.len()];
    let mut active: Vec<usize> = (0..signs.len()).collect();
    let mut shrink_above = f64::INFINITY;
    for _ in 0..settings.max_passes {
        active.shuffle(&mut rng);
        let (mut highest, mut lowest) = (f64::NEG_INFINITY, f64::INFINITY);
        let mut kept = Vec::with_capacity(active.len());
        for &at in &active {
            let (row, sign) = (rows.row(at), signs[at]);
            let gradient = sign * (dot(row, &weights) + weights[rows.width]) - 1.0 + slack * alphas[at];
            if alphas[at] <= 0.0 && gradient > shrink_above {
                continue;
            }
            kept.push(at);
            let projected = if alphas[at] <= 0.0 { gradient.min(0.0) } else { gradient };
            highest = highest.max(projected);
            lowest = lowest.min(projected);
            if projected.abs() > 1e-12 {
                let moved = (alphas[at] - gradient / (rows.squares[at] + slack)).max(0.0);
                add_scaled(&mut weights, (moved - alphas[at]) * sign, row);
                alphas[at] = moved;
            }
        }
        let is_whole = kept.len() == signs.len();
        active = kept;
        if highest - lowest <= settings.tolerance {
            if is_whole {
                return (weights, true);
            }
            // What was set aside is looked at once more before the end.
            active = (0..signs.len()).collect();
            shrink_above = f64::INFINITY;
            continue;
        }
        shrink_above = if highest > 0.0 { highest } else { f64::INFINITY };
    }
    (weights, false)
}

/// Σ row · weights; the bias behind the weights is left out.
fn dot(row: &[f32], weights: &[f64]) -> f64 {
    let weights = &weights[..row.len()];
    let (rows, own) = (row.chunks_exact(LANES), weights.chunks_exact(LANES));
    let rest: f64 = rows.remainder().iter().zip(own.remainder()).map(|(&x, w)| f64::from(x) * w).sum();
    let mut sums = [0.0; LANES];
    for (x, w) in rows.zip(own) {
        for lane in 0..LANES {
            sums[lane] += f64::from(x[lane]) * w[lane];
        }
    }
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

    #[test]
    fn two_points_have_the_closed_form() {
        // x = ±1, y = ±1, no bias by symmetry: ½ w² + 2 C (1 − w)² is least at w = 4 C / (1 + 4 C).
        let train = Embedded::new(vec![-1.0, 1.0], 1, vec![0, 1]).unwrap();
        for c in [0.1, 1.0, 1000.0] {
            let settings = SvmSettings { tolerance: 1e-12, ..SvmSettings::new(c) };
            let svm = fit_svm(&train, 2, settings, |_| {}).unwrap();
            let expected = 4.0 * c / (1.0 + 4.0 * c);
            let [negative, positive] = [svm.classifier.weight[0], svm.classifier.weight[1]].map(f64::from);
            assert!((positive - expected).abs() < 1e-6 && (negative + expected).abs() < 1e-6, "C = {c}: {positive}");
            assert!(svm.classifier.bias.iter().all(|bias| bias.abs() < 1e-6));
            assert_eq!(svm.unfinished, 0);
        }
    }
}
