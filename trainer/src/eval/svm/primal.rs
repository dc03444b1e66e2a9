//! Newton's method on the primal (Keerthi and DeCoste 2005, "A modified finite Newton method for fast solution of large
//! scale linear SVMs"): the objective is a parabola wherever the same rows lie inside the margin.

use super::{Rows, add_scaled};
use crate::linear_algebra::cholesky;

/// Steps after which it ends anyway; a dozen is usual.
const MAX_STEPS: usize = 200;
/// Done when the gradient has fallen to this share of the first one.
const TOLERANCE: f64 = 1e-10;
/// Halvings of the interval in which the best length of a step is sought.
const HALVINGS: usize = 60;

/// Weights and bias that separate the rows with `signs` 1 from those with −1, and whether the minimum was reached.
pub(super) fn separate(rows: &Rows, signs: &[f64], c: f64) -> (Vec<f64>, bool) {
    let size = rows.width + 1;
    let mut weights = vec![0.0; size];
    let mut first = None;
    for _ in 0..MAX_STEPS {
        let values = rows.values_under(&weights);
        let inside: Vec<usize> = (0..signs.len()).filter(|&at| signs[at] * values[at] < 1.0).collect();
        // w − 2 C Σ (y − f(x)) x
        let mut gradient = weights.clone();
        for &at in &inside {
            add_scaled(&mut gradient, 2.0 * c * (values[at] - signs[at]), rows.row(at));
        }
        let length = gradient.iter().map(|value| value * value).sum::<f64>().sqrt();
        if length <= TOLERANCE * *first.get_or_insert(length) {
            return (weights, true);
        }
        let step = solve(hessian(rows, &inside, c), gradient);
        let along = rows.values_under(&step);
        let scale = best_length(&weights, &step, [&values, &along], signs, c);
        weights.iter_mut().zip(&step).for_each(|(weight, step)| *weight += scale * step);
    }
    (weights, false)
}

/// I + 2 C Σ x xᵀ over the rows `inside` the margin, lower triangle: `[size, size]`.
fn hessian(rows: &Rows, inside: &[usize], c: f64) -> Vec<f64> {
    let size = rows.width + 1;
    let mut matrix = vec![0.0; size * size];
    for &at in inside {
        let row = rows.row(at);
        for (column, &x) in row.iter().enumerate() {
            let line = &mut matrix[column * size..column * size + column + 1];
            line.iter_mut().zip(row).for_each(|(sum, &other)| *sum += f64::from(x) * f64::from(other));
        }
        add_scaled(&mut matrix[rows.width * size..], 1.0, row);
    }
    matrix.iter_mut().for_each(|sum| *sum *= 2.0 * c);
    matrix.iter_mut().step_by(size + 1).for_each(|diagonal| *diagonal += 1.0);
    matrix
}

/// −`matrix`⁻¹ · `gradient`, of a symmetric matrix's lower triangle.
fn solve(matrix: Vec<f64>, gradient: Vec<f64>) -> Vec<f64> {
    let size = gradient.len();
    let lower = cholesky(matrix, size);
    let mut x = gradient;
    for row in 0..size {
        let line = &lower[row * size..(row + 1) * size];
        let known: f64 = line[..row].iter().zip(&x).map(|(factor, value)| factor * value).sum();
        x[row] = (x[row] - known) / line[row];
    }
    for row in (0..size).rev() {
        let line = &lower[row * size..(row + 1) * size];
        x[row] /= line[row];
        let own = x[row];
        x[..row].iter_mut().zip(line).for_each(|(value, factor)| *value -= factor * own);
    }
    x.iter_mut().for_each(|value| *value = -*value);
    x
}

/// How far along `step` the objective is least: its slope there rises, and is halved in on. `values` are those of the rows
/// under the weights and under the step.
fn best_length(weights: &[f64], step: &[f64], values: [&[f64]; 2], signs: &[f64], c: f64) -> f64 {
    let inner = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (start, growth) = (inner(weights, step), inner(step, step));
    let [values, along] = values;
    let slope = |length: f64| {
        let rows = values.iter().zip(along).zip(signs);
        let losses = rows.map(|((value, along), sign)| (sign * (value + length * along) - 1.0).min(0.0) * sign * along);
        start + length * growth + 2.0 * c * losses.sum::<f64>()
    };
    // A full step is the minimum while the same rows stay inside.
    let (mut low, mut high) = (0.0, 1.0);
    while slope(high) < 0.0 && high < 1e6 {
        (low, high) = (high, 2.0 * high);
    }
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if slope(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}
