//! A change of variables that makes logistic regression round: then L-BFGS needs tens of steps where features are
//! strongly correlated, instead of thousands. The function that is minimised, and so the solution, stays the same.

use crate::linear_algebra::cholesky;

/// Added to the diagonal, relative to its mean: features may depend on each other exactly.
const MIN_RELATIVE_DIAGONAL: f64 = 1e-9;

/// Features up to which correlations always count, and up to which they do where there are more rows. Above, products and
/// triangle take longer than all steps without them, and each feature is scaled by itself.
const ALWAYS_CORRELATED: usize = 1024;
const MOST_CORRELATED: usize = 4096;

/// Whether the correlations of `width` features of `count` rows are worth what they cost.
pub(super) fn uses_correlations(width: usize, count: usize) -> bool {
    width <= ALWAYS_CORRELATED || (width <= MOST_CORRELATED && width < count)
}

/// Near the minimum the curvature for one class is about c · C + λ I, with C the features' second moments and
/// c = (1/K)(1 − 1/K) for K classes. With L Lᵀ = c C + λ I the solver works on v = Lᵀ w, for which it is about 1.
pub(super) struct Preconditioner {
    factor: Factor,
    width: usize,
    classes: usize,
    /// The square root of c, for the bias.
    bias_scale: f64,
}

/// Second moments of features.
pub(super) enum Moments {
    /// C, `[width, width]`.
    All(Vec<f64>),
    /// The diagonal of C, `[width]`.
    Diagonal(Vec<f64>),
}

/// L.
enum Factor {
    /// Lower triangle, `[width, width]`, zero above.
    Triangle(Vec<f64>),
    /// `[width]`
    Diagonal(Vec<f64>),
}

impl Preconditioner {
    /// For features of these second moments.
    pub(super) fn new(moments: &Moments, width: usize, classes: usize, regulariser: f64) -> Self {
        let share = 1.0 / classes.max(2) as f64;
        let curvature = share * (1.0 - share);
        let (stride, moments) = match moments {
            Moments::All(matrix) => (width + 1, matrix),
            Moments::Diagonal(diagonal) => (1, diagonal),
        };
        let mut matrix: Vec<f64> = moments.iter().map(|value| value * curvature).collect();
        let mean = matrix.iter().step_by(stride).sum::<f64>() / width.max(1) as f64;
        let raise = regulariser + (mean * MIN_RELATIVE_DIAGONAL).max(f64::MIN_POSITIVE);
        matrix.iter_mut().step_by(stride).for_each(|value| *value += raise);
        let factor = match stride {
            1 => Factor::Diagonal(matrix.into_iter().map(f64::sqrt).collect()),
            _ => Factor::Triangle(cholesky(matrix, width)),
        };
        Self { factor, width, classes, bias_scale: curvature.sqrt() }
    }

    /// v = Lᵀ w, for parameters `[width, classes]` then `[classes]`.
    pub(super) fn to_solver(&self, parameters: &[f64]) -> Vec<f64> {
        let (width, classes) = (self.width, self.classes);
        let (weights, bias) = parameters.split_at(width * classes);
        let mut solver = match &self.factor {
            Factor::Diagonal(diagonal) => scaled(weights, diagonal, classes, |value, factor| value * factor),
            Factor::Triangle(lower) => {
                let mut solver = vec![0.0; width * classes];
                for (row, line) in lower.chunks_exact(width.max(1)).enumerate() {
                    let source = &weights[row * classes..(row + 1) * classes];
                    for (column, &factor) in line[..=row].iter().enumerate() {
                        add_scaled(&mut solver[column * classes..(column + 1) * classes], factor, source);
                    }
                }
                solver
            }
        };
        solver.extend(bias.iter().map(|value| value * self.bias_scale));
        solver
    }

    /// w = L⁻ᵀ v: from the last row up.
    pub(super) fn to_parameters(&self, solver: &[f64]) -> Vec<f64> {
        self.solved(solver, |lower, parameters| {
            let (width, classes) = (self.width, self.classes);
            for row in (0..width).rev() {
                let (above, own) = parameters[..(row + 1) * classes].split_at_mut(row * classes);
                let line = &lower[row * width..row * width + row];
                let diagonal = lower[row * width + row];
                own.iter_mut().for_each(|value| *value /= diagonal);
                for (target, &factor) in above.chunks_exact_mut(classes).zip(line) {
                    add_scaled(target, -factor, own);
                }
            }
        })
    }

    /// The gradient for v from the gradient for w: L⁻¹ g, from the first row down.
    pub(super) fn gradient_to_solver(&self, gradient: &[f64]) -> Vec<f64> {
        self.solved(gradient, |lower, solved| {
            let (width, classes) = (self.width, self.classes);
            for row in 0..width {
                let (above, rest) = solved.split_at_mut(row * classes);
                let own = &mut rest[..classes];
                for (source, &factor) in above.chunks_exact(classes).zip(&lower[row * width..]) {
                    add_scaled(own, -factor, source);
                }
                let diagonal = lower[row * width + row];
                own.iter_mut().for_each(|value| *value /= diagonal);
            }
        })
    }

    /// `values` with their weights divided by the diagonal, or solved by `substitute` for a triangle, and their biases
    /// divided by their scale.
    fn solved(&self, values: &[f64], substitute: impl FnOnce(&[f64], &mut [f64])) -> Vec<f64> {
        let (weights, bias) = values.split_at(self.width * self.classes);
        let mut solved = match &self.factor {
            Factor::Diagonal(diagonal) => scaled(weights, diagonal, self.classes, |value, factor| value / factor),
            Factor::Triangle(lower) => {
                let mut solved = weights.to_vec();
                substitute(lower, &mut solved);
                solved
            }
        };
        solved.extend(bias.iter().map(|value| value / self.bias_scale));
        solved
    }
}

/// Each feature's `[classes]` values with its own factor.
fn scaled(values: &[f64], factors: &[f64], classes: usize, operation: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    values.iter().enumerate().map(|(at, &value)| operation(value, factors[at / classes])).collect()
}

fn add_scaled(target: &mut [f64], factor: f64, source: &[f64]) {
    target.iter_mut().zip(source).for_each(|(value, other)| *value += factor * other);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-9, "{found:?} against {expected:?}");
        }
    }

    #[test]
    fn there_and_back_is_the_identity_and_slopes_agree() {
        for moments in [Moments::All(vec![2.0, 0.9, 0.9, 1.0]), Moments::Diagonal(vec![2.0, 1.0])] {
            there_and_back(&Preconditioner::new(&moments, 2, 3, 0.1));
        }
    }

    fn there_and_back(preconditioner: &Preconditioner) {
        let parameters = [0.5, -1.0, 2.0, 0.3, 0.7, -0.2, 1.0, 2.0, 3.0];
        let solver = preconditioner.to_solver(&parameters);
        close(&preconditioner.to_parameters(&solver), &parameters);
        // A linear function g · w has the same rise along corresponding directions.
        let gradient = [1.0, 2.0, -1.0, 0.5, 0.0, 4.0, 1.0, -1.0, 0.5];
        let rise: f64 = gradient.iter().zip(&parameters).map(|(a, b)| a * b).sum();
        let same: f64 = preconditioner.gradient_to_solver(&gradient).iter().zip(&solver).map(|(a, b)| a * b).sum();
        assert!((rise - same).abs() < 1e-9);
    }
}
