//! A change of variables that makes logistic regression round: then L-BFGS needs tens of steps where features are
//! strongly correlated, instead of thousands. The function that is minimised, and so the solution, stays the same.

/// Added to the diagonal, relative to its mean: features may depend on each other exactly.
const MIN_RELATIVE_DIAGONAL: f64 = 1e-9;

/// Near the minimum the curvature for one class is about c · C + λ I, with C the features' second moments and
/// c = (1/K)(1 − 1/K) for K classes. With L Lᵀ = c C + λ I the solver works on v = Lᵀ w, for which it is about 1.
pub(super) struct Preconditioner {
    /// Lower triangle L, `[width, width]`, zero above.
    lower: Vec<f64>,
    width: usize,
    classes: usize,
    /// The square root of c, for the bias.
    bias_scale: f64,
}

impl Preconditioner {
    /// `moments` is C, `[width, width]`.
    pub(super) fn new(moments: &[f64], width: usize, classes: usize, regulariser: f64) -> Self {
        let share = 1.0 / classes.max(2) as f64;
        let curvature = share * (1.0 - share);
        let mut matrix: Vec<f64> = moments.iter().map(|value| value * curvature).collect();
        let mean = (0..width).map(|at| matrix[at * width + at]).sum::<f64>() / width.max(1) as f64;
        for at in 0..width {
            matrix[at * width + at] += regulariser + (mean * MIN_RELATIVE_DIAGONAL).max(f64::MIN_POSITIVE);
        }
        Self { lower: cholesky(matrix, width), width, classes, bias_scale: curvature.sqrt() }
    }

    /// v = Lᵀ w, for parameters `[width, classes]` then `[classes]`.
    pub(super) fn to_solver(&self, parameters: &[f64]) -> Vec<f64> {
        let (width, classes) = (self.width, self.classes);
        let (weights, bias) = parameters.split_at(width * classes);
        let mut solver = vec![0.0; width * classes];
        for (row, line) in self.lower.chunks_exact(width.max(1)).enumerate() {
            let source = &weights[row * classes..(row + 1) * classes];
            for (column, &factor) in line[..=row].iter().enumerate() {
                add_scaled(&mut solver[column * classes..(column + 1) * classes], factor, source);
            }
        }
        solver.extend(bias.iter().map(|value| value * self.bias_scale));
        solver
    }

    /// w = L⁻ᵀ v: from the last row up.
    pub(super) fn to_parameters(&self, solver: &[f64]) -> Vec<f64> {
        let (width, classes) = (self.width, self.classes);
        let mut parameters = solver.to_vec();
        for row in (0..width).rev() {
            let (above, own) = parameters[..(row + 1) * classes].split_at_mut(row * classes);
            let line = &self.lower[row * width..row * width + row];
            let diagonal = self.lower[row * width + row];
            own.iter_mut().for_each(|value| *value /= diagonal);
            for (target, &factor) in above.chunks_exact_mut(classes).zip(line) {
                add_scaled(target, -factor, own);
            }
        }
        parameters[width * classes..].iter_mut().for_each(|value| *value /= self.bias_scale);
        parameters
    }

    /// The gradient for v from the gradient for w: L⁻¹ g, from the first row down.
    pub(super) fn gradient_to_solver(&self, gradient: &[f64]) -> Vec<f64> {
        let (width, classes) = (self.width, self.classes);
        let mut solved = gradient.to_vec();
        for row in 0..width {
            let (above, rest) = solved.split_at_mut(row * classes);
            let own = &mut rest[..classes];
            for (source, &factor) in above.chunks_exact(classes).zip(&self.lower[row * width..]) {
                add_scaled(own, -factor, source);
            }
            let diagonal = self.lower[row * width + row];
            own.iter_mut().for_each(|value| *value /= diagonal);
        }
        solved[width * classes..].iter_mut().for_each(|value| *value /= self.bias_scale);
        solved
    }
}

fn add_scaled(target: &mut [f64], factor: f64, source: &[f64]) {
    target.iter_mut().zip(source).for_each(|(value, other)| *value += factor * other);
}

/// The lower triangle L with L Lᵀ = `matrix` (`[width, width]`, symmetric, positive up to rounding).
fn cholesky(mut matrix: Vec<f64>, width: usize) -> Vec<f64> {
    for row in 0..width {
        let (above, own) = matrix.split_at_mut(row * width);
        for column in 0..row {
            let other = &above[column * width..column * width + column + 1];
            let dot: f64 = own[..column].iter().zip(other).map(|(a, b)| a * b).sum();
            own[column] = (own[column] - dot) / other[column];
        }
        let square = own[row] - own[..row].iter().map(|value| value * value).sum::<f64>();
        // Rounding may leave less than nothing of a feature that the others determine; its scale is then free.
        own[row] = if square > 0.0 { square.sqrt() } else { 1.0 };
        own[row + 1..width].fill(0.0);
    }
    matrix
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
    fn the_triangle_squares_to_the_matrix() {
        // By hand: L = [[2, 0, 0], [1, 3, 0], [-1, 2, 1]].
        let matrix = vec![4.0, 2.0, -2.0, 2.0, 10.0, 5.0, -2.0, 5.0, 6.0];
        close(&cholesky(matrix, 3), &[2.0, 0.0, 0.0, 1.0, 3.0, 0.0, -1.0, 2.0, 1.0]);
    }

    #[test]
    fn there_and_back_is_the_identity_and_slopes_agree() {
        let moments = [2.0, 0.9, 0.9, 1.0];
        let preconditioner = Preconditioner::new(&moments, 2, 3, 0.1);
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
