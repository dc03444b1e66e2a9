//! The triangle of a positive matrix.

/// The lower triangle L with L Lᵀ = `matrix` (`[width, width]`, symmetric, positive up to rounding; above its diagonal
/// nothing is read).
#[must_use]
pub fn cholesky(mut matrix: Vec<f64>, width: usize) -> Vec<f64> {
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
}
