//! Eigenvalues and eigenvectors of symmetric matrices, by Jacobi's rotations.

/// Sweeps after which what is left off the diagonal is rounding (quadratic convergence needs far fewer).
const MOST_SWEEPS: usize = 60;

/// Eigenvalues, descending, and the eigenvectors, one a row, of a symmetric `matrix` `[n, n]`.
///
/// # Shapes
/// `[n, n]` → (`[n]`, `[n, n]`)
#[must_use]
pub fn symmetric_eigen(matrix: &[f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut a = matrix.to_vec();
    // Rows of `vectors` become the eigenvectors.
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    let total: f64 = a.iter().map(|value| value * value).sum();
    for _ in 0..MOST_SWEEPS {
        let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * n + j].powi(2)).sum();
        if off <= total * 1e-28 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let apq = a[p * n + q];
                if apq.abs() <= f64::MIN_POSITIVE {
                    continue;
                }
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                rotate_rows(&mut a, n, p, q, c, t * c);
                rotate_columns(&mut a, n, p, q, c, t * c);
                rotate_rows(&mut vectors, n, p, q, c, t * c);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[j * n + j].total_cmp(&a[i * n + i]));
    let values = order.iter().map(|&i| a[i * n + i]).collect();
    let rows = order.iter().flat_map(|&i| vectors[i * n..(i + 1) * n].iter().copied()).collect();
    (values, rows)
}

fn rotate_rows(a: &mut [f64], n: usize, p: usize, q: usize, c: f64, s: f64) {
    let (head, tail) = a.split_at_mut(q * n);
    for (x, y) in head[p * n..(p + 1) * n].iter_mut().zip(&mut tail[..n]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

fn rotate_columns(a: &mut [f64], n: usize, p: usize, q: usize, c: f64, s: f64) {
    for row in a.chunks_exact_mut(n) {
        (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
    }
}
