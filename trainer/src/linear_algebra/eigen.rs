//! Eigenvalues and eigenvectors of a symmetric matrix.
//!
//! Householder reflections to a tridiagonal matrix, then QL iterations with implicit shifts (Bowdler, Martin, Reinsch
//! and Wilkinson 1968). A linear-algebra crate would change the features that Burn's own dependencies are built with.

/// Enough for any matrix: an eigenvalue takes two or three.
const MAX_ITERATIONS: usize = 60;

/// A reflection x → x − `scale` · (v · x) v, where v is zero up to `from`.
struct Reflection {
    from: usize,
    v: Vec<f64>,
    scale: f64,
}

/// Eigenvalues of the symmetric `matrix` (`[n, n]`) in descending order, and its eigenvectors (`[n, n]`), one a row, of
/// length 1, each with its largest entry positive: the same every time. Only finite values make sense.
#[must_use]
pub fn symmetric_eigen(matrix: &[f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    assert_eq!(matrix.len(), n * n, "a matrix of {n} × {n}");
    if n == 0 {
        return (Vec::new(), Vec::new());
    }
    let mut rows: Vec<Vec<f64>> = matrix.chunks_exact(n).map(<[f64]>::to_vec).collect();
    let (mut diagonal, mut beside, reflections) = tridiagonal(&mut rows);
    let mut vectors = transposed_product(n, &reflections);
    ql(&mut diagonal, &mut beside, &mut vectors);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| diagonal[b].total_cmp(&diagonal[a]));
    let values = order.iter().map(|&at| diagonal[at]).collect();
    let upright = |&at: &usize| {
        let vector = &vectors[at];
        let largest = vector.iter().copied().fold(0.0_f64, |best, x| if x.abs() > best.abs() { x } else { best });
        let sign = if largest < 0.0 { -1.0 } else { 1.0 };
        vector.iter().map(move |x| x * sign)
    };
    (values, order.iter().flat_map(upright).collect())
}

/// Diagonal, what lies beside it (one shorter, a zero behind), and the reflections that lead there, in order.
fn tridiagonal(rows: &mut [Vec<f64>]) -> (Vec<f64>, Vec<f64>, Vec<Reflection>) {
    let n = rows.len();
    let mut beside = vec![0.0; n];
    let mut reflections = Vec::with_capacity(n);
    for column in 0..n.saturating_sub(1) {
        let from = column + 1;
        let mut v: Vec<f64> = rows[from..].iter().map(|row| row[column]).collect();
        let length = dot(&v, &v).sqrt();
        let rest = v[1..].iter().any(|&x| x != 0.0);
        if !rest {
            beside[column] = v[0];
            continue;
        }
        let target = if v[0] > 0.0 { -length } else { length };
        beside[column] = target;
        v[0] -= target;
        let scale = 2.0 / dot(&v, &v);
        // A − v wᵀ − w vᵀ with p = scale · A v and w = p − scale / 2 · (v · p) v
        let mut w: Vec<f64> = rows[from..].iter().map(|row| scale * dot(&row[from..], &v)).collect();
        let along = 0.5 * scale * dot(&v, &w);
        add(&mut w, -along, &v);
        for ((row, &vi), &wi) in rows[from..].iter_mut().zip(&v).zip(&w) {
            add(&mut row[from..], -vi, &w);
            add(&mut row[from..], -wi, &v);
        }
        reflections.push(Reflection { from, v, scale });
    }
    let diagonal = rows.iter().enumerate().map(|(at, row)| row[at]).collect();
    (diagonal, beside, reflections)
}

/// The rows of (H₀ H₁ … )ᵀ.
fn transposed_product(n: usize, reflections: &[Reflection]) -> Vec<Vec<f64>> {
    let mut rows: Vec<Vec<f64>> = (0..n).map(|at| (0..n).map(|column| f64::from(at == column)).collect()).collect();
    for Reflection { from, v, scale } in reflections.iter().rev() {
        // Rows above are still those of the identity, which are zero where v is not.
        for row in &mut rows[*from..] {
            let along = scale * dot(&row[*from..], v);
            add(&mut row[*from..], -along, v);
        }
    }
    rows
}

/// Turns the tridiagonal matrix into its eigenvalues on `diagonal`; the rows of `vectors` are rotated along.
fn ql(diagonal: &mut [f64], beside: &mut [f64], vectors: &mut [Vec<f64>]) {
    let n = diagonal.len();
    for first in 0..n {
        for _ in 0..MAX_ITERATIONS {
            let negligible =
                |at: usize| beside[at].abs() <= f64::EPSILON * (diagonal[at].abs() + diagonal[at + 1].abs());
            let last = (first..n - 1).find(|&at| negligible(at)).unwrap_or(n - 1);
            if last == first {
                break;
            }
            let half = (diagonal[first + 1] - diagonal[first]) / (2.0 * beside[first]);
            let root = half.hypot(1.0).copysign(half);
            let mut g = diagonal[last] - diagonal[first] + beside[first] / (half + root);
            let (mut sine, mut cosine, mut shift) = (1.0, 1.0, 0.0);
            let mut split = false;
            for at in (first..last).rev() {
                let (f, b) = (sine * beside[at], cosine * beside[at]);
                let r = f.hypot(g);
                beside[at + 1] = r;
                if r == 0.0 {
                    diagonal[at + 1] -= shift;
                    beside[last] = 0.0;
                    split = true;
                    break;
                }
                (sine, cosine) = (f / r, g / r);
                g = diagonal[at + 1] - shift;
                let r = (diagonal[at] - g) * sine + 2.0 * cosine * b;
                shift = sine * r;
                diagonal[at + 1] = g + shift;
                g = cosine * r - b;
                let (low, high) = vectors.split_at_mut(at + 1);
                for (a, b) in low[at].iter_mut().zip(&mut high[0]) {
                    (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
                }
            }
            if !split {
                diagonal[first] -= shift;
                beside[first] = g;
                beside[last] = 0.0;
            }
        }
    }
}

/// `to` + `factor` · `values`, in place.
fn add(to: &mut [f64], factor: f64, values: &[f64]) {
    to.iter_mut().zip(values).for_each(|(to, value)| *to += factor * value);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Four sums at a time, so that the compiler may use vectors.
    let mut sums = [0.0; 4];
    let (a4, b4) = (a.chunks_exact(4), b.chunks_exact(4));
    let tail: f64 = a4.remainder().iter().zip(b4.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a4.zip(b4) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A symmetric matrix without structure.
    fn matrix(n: usize) -> Vec<f64> {
        let entry = |a: usize, b: usize| {
            let (low, high) = (a.min(b), a.max(b));
            ((low * 7919 + high * 104_729 + 13) % 1009) as f64 / 504.5 - 1.0
        };
        (0..n * n).map(|at| entry(at / n, at % n)).collect()
    }

    #[test]
    fn vectors_are_orthonormal_and_give_the_matrix_back() {
        for n in [1, 2, 3, 10, 61] {
            let original = matrix(n);
            let (values, vectors) = symmetric_eigen(&original, n);
            assert!(values.windows(2).all(|pair| pair[0] >= pair[1]));
            for a in 0..n {
                for b in 0..n {
                    let product: f64 = (0..n).map(|at| vectors[a * n + at] * vectors[b * n + at]).sum();
                    assert!((product - f64::from(a == b)).abs() < 1e-12, "{n}: vectors {a} and {b}: {product}");
                    let back: f64 = (0..n).map(|at| values[at] * vectors[at * n + a] * vectors[at * n + b]).sum();
                    assert!((back - original[a * n + b]).abs() < 1e-11 * n as f64, "{n}: entry {a} {b}: {back}");
                }
            }
        }
    }

    #[test]
    fn diagonal_and_repeated_values_are_found() {
        let (values, vectors) = symmetric_eigen(&[2.0, 0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.0, 2.0], 3);
        assert_eq!(values, [5.0, 2.0, 2.0]);
        assert_eq!(vectors[..3], [0.0, 1.0, 0.0]);
        // 1 1ᵀ has the values n and 0.
        let (values, vectors) = symmetric_eigen(&[1.0; 16], 4);
        assert!((values[0] - 4.0).abs() < 1e-14 && values[1..].iter().all(|value| value.abs() < 1e-14), "{values:?}");
        assert!(vectors[..4].iter().all(|entry| (entry - 0.5).abs() < 1e-14), "{vectors:?}");
    }

    #[test]
    fn the_second_difference_has_its_textbook_values() {
        // 2 on the diagonal and −1 beside it: 2 − 2 cos(k π / (n + 1)).
        let n = 40;
        let entry = |at: usize| match (at / n).abs_diff(at % n) {
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        };
        let (values, _) = symmetric_eigen(&(0..n * n).map(entry).collect::<Vec<_>>(), n);
        for (index, value) in values.iter().rev().enumerate() {
            let expected = 2.0 - 2.0 * ((index + 1) as f64 * std::f64::consts::PI / (n + 1) as f64).cos();
            assert!((value - expected).abs() < 1e-13, "{index}: {value} for {expected}");
        }
    }
}
