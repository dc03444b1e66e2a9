//! The linear probe: logistic regression on standardised features, its regulariser chosen on a validation split.

use anyhow::{Result, anyhow, ensure};
use serde::{Deserialize, Serialize};

use super::columns::moments;
use super::features::Embedded;
use super::logistic::{LogisticData, fit_logistic};
use super::metrics::accuracy;
use super::{calibration, negative_log_likelihood};

/// Deviations below this share of the largest one count as "never varies".
const MIN_RELATIVE_DEVIATION: f32 = 1e-6;

/// Mean and deviation of each feature over a training split.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardisation {
    mean: Vec<f32>,
    /// 1 / deviation; 0 for a feature that never varies.
    scale: Vec<f32>,
}

/// A linear classifier on raw features: the standardisation it was fitted with is folded in.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearProbe {
    /// `[classes, width]`
    pub weight: Vec<f32>,
    /// `[classes]`
    pub bias: Vec<f32>,
    /// Features a vector has.
    pub width: usize,
}

/// What one value of the regulariser gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GridPoint {
    /// λ of `mean cross-entropy + λ/2 ‖W‖²`.
    pub regulariser: f64,
    /// Accuracy on the validation split.
    pub validation_accuracy: f64,
    /// Mean cross-entropy on the validation split.
    pub validation_loss: f64,
    /// Objective on the training split.
    pub objective: f64,
    /// Steps of the solver.
    pub iterations: u64,
    /// Whether the solver came to rest.
    #[serde(default = "yes")]
    pub is_converged: bool,
}

/// Before it was written down, all did.
fn yes() -> bool {
    true
}

/// A probe and how it was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeOutcome {
    /// The classifier.
    pub probe: LinearProbe,
    /// The regulariser that was chosen.
    pub regulariser: f64,
    /// Softmax temperature fitted on the validation split.
    pub temperature: f64,
    /// Every value that was tried, strongest first.
    pub grid: Vec<GridPoint>,
}

/// The ten values of the regulariser that are tried: 10⁻¹ down to 10⁻⁷, at even steps of the exponent.
#[must_use]
pub fn regularisers() -> Vec<f64> {
    (0..10).map(|step| 10_f64.powf(-1.0 - 6.0 * f64::from(step) / 9.0)).collect()
}

/// Fits on `train` once for every value in `grid`, and keeps the one that is most accurate on `validation` (ties: the
/// lower cross-entropy). `progress` hears how many values are done.
///
/// # Errors
/// When the splits do not fit together or are empty.
pub fn linear_probe(
    train: &Embedded,
    validation: &Embedded,
    classes: usize,
    grid: &[f64],
    mut progress: impl FnMut(usize),
) -> Result<ProbeOutcome> {
    ensure!(train.width == validation.width, "features of width {} and {}", train.width, validation.width);
    ensure!(validation.count() > 0, "the validation split is empty\nhint: the regulariser is chosen on it");
    let standardisation = Standardisation::of(train);
    let data = LogisticData::new(standardisation.apply(train), train.width, &train.labels, classes)?;
    let mut strongest_first = grid.to_vec();
    strongest_first.sort_by(|a, b| b.total_cmp(a));
    let mut start: Option<Vec<f64>> = None;
    let mut points: Vec<GridPoint> = Vec::new();
    let mut best: Option<(GridPoint, LinearProbe)> = None;
    for (done, &regulariser) in strongest_first.iter().enumerate() {
        // From the stronger neighbour's solution on: most of the way is behind then.
        let fit = fit_logistic(&data, regulariser, start.as_deref())?;
        let probe = standardisation.fold(&fit.parameters, classes);
        let logits = probe.logits(validation);
        let point = GridPoint {
            regulariser,
            validation_accuracy: accuracy(&predictions(&logits, classes), &validation.labels),
            validation_loss: negative_log_likelihood(&logits, &validation.labels, classes, 1.0),
            objective: fit.objective,
            iterations: fit.iterations,
            is_converged: fit.is_converged,
        };
        let rank = |point: &GridPoint| (point.validation_accuracy, -point.validation_loss);
        if best.as_ref().is_none_or(|(other, _)| rank(&point) > rank(other)) {
            best = Some((point, probe));
        }
        points.push(point);
        start = Some(fit.parameters);
        progress(done + 1);
    }
    let (chosen, probe) = best.ok_or_else(|| anyhow!("no regulariser to try\nhint: give at least one"))?;
    let temperature = calibration::fit_temperature(&probe.logits(validation), &validation.labels, classes);
    Ok(ProbeOutcome { probe, regulariser: chosen.regulariser, temperature, grid: points })
}

impl Standardisation {
    /// Of the rows of `train`.
    #[must_use]
    pub fn of(train: &Embedded) -> Self {
        let (mean, deviations) = moments(&train.values, train.width);
        let deviations: Vec<f32> = deviations.iter().map(|&deviation| deviation as f32).collect();
        let least = deviations.iter().copied().fold(0.0, f32::max) * MIN_RELATIVE_DEVIATION;
        let scale = deviations.iter().map(|&deviation| if deviation > least { deviation.recip() } else { 0.0 });
        Self { scale: scale.collect(), mean: mean.iter().map(|&value| value as f32).collect() }
    }

    /// `(value − mean) / deviation` of every row: `[rows, width]`.
    #[must_use]
    pub fn apply(&self, rows: &Embedded) -> Vec<f32> {
        let standardise = |row: &[f32]| -> Vec<f32> {
            row.iter()
                .zip(self.mean.iter().zip(&self.scale))
                .map(|(value, (mean, scale))| (value - mean) * scale)
                .collect()
        };
        rows.rows().flat_map(standardise).collect()
    }

    /// The classifier on raw features that equals `parameters` (`[width, classes]`, then the bias) on standardised ones:
    /// w' = w / σ, b' = b − Σ w μ / σ.
    pub(super) fn fold(&self, parameters: &[f64], classes: usize) -> LinearProbe {
        let width = self.mean.len();
        let (weights, bias) = parameters.split_at(width * classes);
        let mut weight = Vec::with_capacity(width * classes);
        let mut folded_bias = Vec::with_capacity(classes);
        for class in 0..classes {
            let mut shift = 0.0;
            for (feature, (&mean, &scale)) in self.mean.iter().zip(&self.scale).enumerate() {
                let value = weights[feature * classes + class] * f64::from(scale);
                shift += value * f64::from(mean);
                weight.push(value as f32);
            }
            folded_bias.push((bias[class] - shift) as f32);
        }
        LinearProbe { weight, bias: folded_bias, width }
    }
}

impl LinearProbe {
    /// `[rows, classes]`, before the softmax.
    #[must_use]
    pub fn logits(&self, rows: &Embedded) -> Vec<f32> {
        let classes: Vec<&[f32]> = self.weight.chunks_exact(self.width).collect();
        let logit = |row: &[f32]| -> Vec<f32> {
            classes.iter().zip(&self.bias).map(|(weight, bias)| shared::compare::dot(row, weight) + bias).collect()
        };
        rows.rows().flat_map(logit).collect()
    }

    /// The most likely class of every row.
    #[must_use]
    pub fn predict(&self, rows: &Embedded) -> Vec<usize> {
        predictions(&self.logits(rows), self.bias.len())
    }
}

fn predictions(logits: &[f32], classes: usize) -> Vec<usize> {
    logits.chunks_exact(classes).map(|row| shared::compare::argmax(row).unwrap_or(0)).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn folding_changes_nothing_but_the_input() {
        let values = vec![1.0, 200.0, 5.0, 3.0, 180.0, 5.0, 2.0, 260.0, 5.0, 0.5, 240.0, 5.0];
        let rows = Embedded::new(values, 3, vec![0, 0, 1, 1]).unwrap();
        let standardisation = Standardisation::of(&rows);
        let parameters = [0.3, -0.2, 1.1, 0.4, -0.7, 0.9, 0.05, -0.05];
        let folded = standardisation.fold(&parameters, 2).logits(&rows);
        let direct = standardisation
            .apply(&rows)
            .chunks_exact(3)
            .flat_map(|row| {
                (0..2)
                    .map(|class| {
                        let dot: f64 = (0..3).map(|at| f64::from(row[at]) * parameters[at * 2 + class]).sum();
                        dot + parameters[6 + class]
                    })
                    .collect::<Vec<_>>()
            })
            .collect::<Vec<f64>>();
        for (ours, expected) in folded.iter().zip(direct) {
            assert!((f64::from(*ours) - expected).abs() < 1e-4, "{ours} against {expected}");
        }
    }

    #[test]
    fn the_grid_spans_six_decades() {
        let grid = regularisers();
        assert_eq!(grid.len(), 10);
        assert!((grid[0] - 1e-1).abs() < 1e-12 && (grid[9] - 1e-7).abs() < 1e-18);
    }
}
