//! Multinomial logistic regression by L-BFGS:
//!
//! minimise over W, b: mean over rows of cross-entropy(W x + b, y) + λ/2 · ‖W‖², the bias not penalised.
//!
//! scikit-learn writes the same as C · Σ cross-entropy + ½‖W‖² with C = 1 / (λ · rows).

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use anyhow::{Result, anyhow, ensure};
use argmin::core::{CostFunction, Executor, Gradient, State};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use super::preconditioner::{Moments, Preconditioner, uses_correlations};

/// Pairs of steps and gradient changes that stand in for the Hessian.
const MEMORY: usize = 10;
const MAX_ITERATIONS: u64 = 300;
/// The objective is flat to the precision of its f32 products below these.
const GRADIENT_TOLERANCE: f64 = 1e-5;
const COST_TOLERANCE: f64 = 1e-8;

/// Evaluations without a lower objective after which the solver is stopped: its line search has no limit of its own, and
/// on separable data it may look for a step for ever where the objective is flat to the precision of its products.
const MAX_FRUITLESS: usize = 50;
/// A gradient below this is that of a solution, as far as f32 products tell.
const FLAT_GRADIENT: f64 = 1e-3;

/// A fitted classifier.
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticFit {
    /// `[width, classes]`, then the bias `[classes]`.
    pub parameters: Vec<f64>,
    /// The objective at the solution, penalty included.
    pub objective: f64,
    /// Steps of the solver.
    pub iterations: u64,
    /// Whether the solver came to rest.
    pub is_converged: bool,
}

/// Fits `data`, starting from `start` (an earlier fit's parameters) or zero.
///
/// # Errors
/// When `start` is of another size.
pub fn fit_logistic(data: &LogisticData, regulariser: f64, start: Option<&[f64]>) -> Result<LogisticFit> {
    let size = (data.width + 1) * data.classes;
    let start = start.map_or_else(|| vec![0.0; size], <[f64]>::to_vec);
    ensure!(start.len() == size, "a start of {} parameters for {size}", start.len());
    let preconditioner = Preconditioner::new(&data.moments, data.width, data.classes, regulariser);
    let start = preconditioner.to_solver(&start);
    let progress = Rc::new(Progress::default());
    let objective = Objective {
        data,
        regulariser,
        preconditioner: &preconditioner,
        last: RefCell::new(None),
        progress: Rc::clone(&progress),
    };
    let failed = |error: argmin::core::Error| anyhow!("the linear probe cannot be fitted: {error}");
    let solver = LBFGS::new(MoreThuenteLineSearch::new(), MEMORY)
        .with_tolerance_grad(GRADIENT_TOLERANCE)
        .and_then(|solver| solver.with_tolerance_cost(COST_TOLERANCE))
        .map_err(failed)?;
    let run = Executor::new(objective, solver).configure(|state| state.param(start).max_iters(MAX_ITERATIONS));
    let (iterations, is_done) = match run.ctrlc(false).run() {
        Ok(result) => (result.state.get_iter(), result.state.get_iter() < MAX_ITERATIONS),
        // What was found until then counts.
        Err(_) if progress.best.borrow().is_some() => (progress.evaluations.get(), false),
        Err(error) => return Err(failed(error)),
    };
    let best = progress.best.take().ok_or_else(|| anyhow!("the linear probe found no solution"))?;
    let steepness = best.gradient.iter().map(|slope| slope * slope).sum::<f64>().sqrt();
    Ok(LogisticFit {
        parameters: preconditioner.to_parameters(&best.at),
        objective: best.cost,
        iterations,
        is_converged: is_done || steepness < FLAT_GRADIENT,
    })
}

/// How far a solver came.
#[derive(Default)]
struct Progress {
    best: RefCell<Option<Evaluated>>,
    evaluations: Cell<u64>,
    /// Evaluations since the best one.
    fruitless: Cell<usize>,
}

/// Rows and labels, laid out once for many fits.
pub struct LogisticData {
    /// `[rows, width]`
    rows: Tensor<2>,
    /// `[width, rows]`
    columns: Tensor<2>,
    /// Second moments of the features
    moments: Moments,
    labels: Vec<usize>,
    width: usize,
    classes: usize,
}

impl LogisticData {
    /// Takes `values` as `[labels.len(), width]`.
    ///
    /// # Errors
    /// When sizes disagree, there is no row, or a label is not below `classes`.
    pub fn new(values: Vec<f32>, width: usize, labels: &[usize], classes: usize) -> Result<Self> {
        let count = labels.len();
        ensure!(count > 0 && values.len() == count * width, "{} values are not {count} rows of {width}", values.len());
        ensure!(labels.iter().all(|&label| label < classes), "a label is not among the {classes} classes");
        let mut transposed = vec![0.0; values.len()];
        for (row, line) in values.chunks_exact(width.max(1)).enumerate() {
            line.iter().enumerate().for_each(|(column, &value)| transposed[column * count + row] = value);
        }
        let device = Device::flex();
        let rows = Tensor::<2>::from_data(TensorData::new(values, [count, width]), &device);
        let columns = Tensor::<2>::from_data(TensorData::new(transposed, [width, count]), &device);
        let moments = moments(&rows, &columns)?;
        Ok(Self { rows, columns, moments, labels: labels.to_vec(), width, classes })
    }

    /// Logits of every row under `parameters`: `[rows, classes]`, and mean cross-entropy with its residuals
    /// (probability − target) / rows.
    fn residuals(&self, parameters: &[f64]) -> Result<(f64, Vec<f32>)> {
        let (classes, count) = (self.classes, self.labels.len());
        let (weights, bias) = parameters.split_at(self.width * classes);
        let weights: Vec<f32> = weights.iter().map(|&value| value as f32).collect();
        let weights = Tensor::<2>::from_data(TensorData::new(weights, [self.width, classes]), &self.rows.device());
        // [rows, width] × [width, classes] → [rows, classes]
        let mut logits = floats(self.rows.clone().matmul(weights))?;
        // The exponentials and sums are in f64; only the products above are not. Each row's loss is kept, so that the
        // order of summation does not depend on threads.
        let row_loss = |(row, &label): (&mut [f32], &usize)| {
            let mut scores: Vec<f64> = row.iter().zip(bias).map(|(&logit, bias)| f64::from(logit) + bias).collect();
            let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let own = scores[label] - highest;
            scores.iter_mut().for_each(|score| *score = (*score - highest).exp());
            let total: f64 = scores.iter().sum();
            for (class, (value, share)) in row.iter_mut().zip(&scores).enumerate() {
                let target = if class == label { 1.0 } else { 0.0 };
                *value = ((share / total - target) / count as f64) as f32;
            }
            total.ln() - own
        };
        let losses: Vec<f64> =
            logits.par_chunks_exact_mut(classes).zip(&self.labels).with_min_len(512).map(row_loss).collect();
        let loss: f64 = losses.iter().sum();
        Ok((loss / count as f64, logits))
    }
}

/// Second moments of `[rows, width]`, which `columns` holds as `[width, rows]`.
fn moments(rows: &Tensor<2>, columns: &Tensor<2>) -> Result<Moments> {
    let [count, width] = rows.dims();
    let means = |sums: Vec<f32>| sums.into_iter().map(|sum| f64::from(sum) / count as f64).collect();
    Ok(if uses_correlations(width, count) {
        // [width, rows] × [rows, width] → [width, width]
        Moments::All(means(floats(columns.clone().matmul(rows.clone()))?))
    } else {
        Moments::Diagonal(means(floats(rows.clone().powi_scalar(2).sum_dim(0))?))
    })
}

fn floats(tensor: Tensor<2>) -> Result<Vec<f32>> {
    tensor.into_data().try_into_vec::<f32>().map_err(|error| anyhow!("cannot read a product: {error:?}"))
}

/// The objective and its gradient. The solver asks for both at the same point, one after the other: they are computed
/// together and remembered.
struct Objective<'a> {
    data: &'a LogisticData,
    regulariser: f64,
    preconditioner: &'a Preconditioner,
    last: RefCell<Option<Evaluated>>,
    progress: Rc<Progress>,
}

#[derive(Clone)]
struct Evaluated {
    at: Vec<f64>,
    cost: f64,
    gradient: Vec<f64>,
}

impl Objective<'_> {
    /// At the solver's variables.
    fn evaluate(&self, solver: &[f64]) -> Result<Evaluated> {
        if let Some(last) = self.last.borrow().as_ref().filter(|last| last.at == solver) {
            return Ok(last.clone());
        }
        let parameters = &self.preconditioner.to_parameters(solver);
        let (classes, count) = (self.data.classes, self.data.labels.len());
        let (loss, residuals) = self.data.residuals(parameters)?;
        let mut bias_gradient = vec![0.0; classes];
        for row in residuals.chunks_exact(classes) {
            bias_gradient.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        let residuals = Tensor::<2>::from_data(TensorData::new(residuals, [count, classes]), &self.data.rows.device());
        // [width, rows] × [rows, classes] → [width, classes]
        let weight_gradient = floats(self.data.columns.clone().matmul(residuals))?;
        let weights = &parameters[..self.data.width * classes];
        let penalty = weights.iter().map(|weight| weight * weight).sum::<f64>() * self.regulariser / 2.0;
        let gradient = weight_gradient.iter().zip(weights).map(|(&g, weight)| f64::from(g) + self.regulariser * weight);
        let gradient: Vec<f64> = gradient.chain(bias_gradient).collect();
        let gradient = self.preconditioner.gradient_to_solver(&gradient);
        let evaluated = Evaluated { at: solver.to_vec(), cost: loss + penalty, gradient };
        *self.last.borrow_mut() = Some(evaluated.clone());
        Ok(evaluated)
    }
}

impl CostFunction for Objective<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, parameters: &Self::Param) -> Result<f64, argmin::core::Error> {
        let evaluated = self.evaluate(parameters)?;
        let Progress { best, evaluations, fruitless } = &*self.progress;
        evaluations.set(evaluations.get() + 1);
        let cost = evaluated.cost;
        if best.borrow().as_ref().is_none_or(|best| cost < best.cost) {
            best.replace(Some(evaluated));
            fruitless.set(0);
        } else {
            fruitless.set(fruitless.get() + 1);
            if fruitless.get() > MAX_FRUITLESS {
                return Err(anyhow!("no lower objective in {MAX_FRUITLESS} evaluations"));
            }
        }
        Ok(cost)
    }
}

impl Gradient for Objective<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, parameters: &Self::Param) -> Result<Vec<f64>, argmin::core::Error> {
        Ok(self.evaluate(parameters)?.gradient)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_the_slope_of_the_objective() {
        let values: Vec<f32> = (0..12).map(|index| ((index * 37 % 11) as f32 - 5.0) / 3.0).collect();
        let data = LogisticData::new(values, 3, &[0, 1, 2, 1], 3).unwrap();
        let preconditioner = Preconditioner::new(&data.moments, 3, 3, 0.3);
        let objective = Objective {
            data: &data,
            regulariser: 0.3,
            preconditioner: &preconditioner,
            last: RefCell::new(None),
            progress: Rc::default(),
        };
        let at: Vec<f64> = (0..12).map(|index| f64::from(index * 7 % 5) / 4.0 - 0.5).collect();
        let gradient = objective.evaluate(&at).unwrap().gradient;
        for (index, slope) in gradient.iter().enumerate() {
            let shifted = |by: f64| {
                let mut moved = at.clone();
                moved[index] += by;
                objective.evaluate(&moved).unwrap().cost
            };
            // f32 products: a wide difference keeps their rounding (1e-7 / 2e-2) under the tolerance.
            let difference = (shifted(1e-2) - shifted(-1e-2)) / 2e-2;
            assert!((difference - slope).abs() < 1e-4, "parameter {index}: {difference} against {slope}");
        }
    }

    #[test]
    fn without_information_only_the_class_shares_are_learned() {
        let data = LogisticData::new(vec![0.0; 8], 2, &[0, 0, 0, 1], 2).unwrap();
        let fit = fit_logistic(&data, 1e-3, None).unwrap();
        // Entropy of (3/4, 1/4) in closed form.
        let entropy = -(0.75_f64 * 0.75_f64.ln() + 0.25 * 0.25_f64.ln());
        assert!((fit.objective - entropy).abs() < 1e-6, "{}", fit.objective);
    }

    #[test]
    fn separable_data_end_whatever_the_regulariser() {
        for seed in 0..40u32 {
            let (rows, width, classes) = (18 + seed as usize % 5, 96, 3);
            let labels: Vec<usize> = (0..rows).map(|row| row % classes).collect();
            let value = |row: usize, column: usize| {
                let hash =
                    (row as u32 * 7919 + column as u32 * 104_729 + seed * 15_485_863).wrapping_mul(2_654_435_761);
                let noise = f32::from((hash >> 16) as u16) / 65_535.0 - 0.5;
                noise * 0.01 + if column % classes == row % classes { 3.0 } else { -1.5 }
            };
            let values = (0..rows).flat_map(|row| (0..width).map(move |column| value(row, column))).collect();
            let data = LogisticData::new(values, width, &labels, classes).unwrap();
            let mut start: Option<Vec<f64>> = None;
            for regulariser in crate::eval::probe::regularisers() {
                let fit = fit_logistic(&data, regulariser, start.as_deref()).unwrap();
                // A weight along the classes' own directions alone reaches this.
                assert!(fit.objective.is_finite() && fit.objective < 1.1, "{seed} {regulariser} {}", fit.objective);
                start = Some(fit.parameters);
            }
        }
    }
}
