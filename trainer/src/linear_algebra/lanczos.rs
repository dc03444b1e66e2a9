//! The leading eigenvectors of a symmetric matrix that is too large to be taken apart, or even written down: Lanczos' iteration
//! with full reorthogonalisation (Golub and Van Loan, *Matrix Computations*, 4th edition, §10.3).

use super::symmetric_eigen;

/// Length of what is left of A v − λ v, over the largest eigenvalue, with which a vector counts as found.
const TOLERANCE: f64 = 1e-10;
/// Lengths below this share of the largest are rounding: nothing new lies in that direction.
const ROUNDING: f64 = 1e-13;

/// The `count` largest eigenvalues of a symmetric matrix of size `n` in descending order, and their eigenvectors (`[count, n]`), one
/// a row, of length 1, each with its largest entry positive: the same every time. `apply` multiplies a vector by the matrix.
/// Of exactly equal eigenvalues, which nothing measured has, one is sure to be found, the others where every direction was needed.
pub fn leading_eigen(n: usize, count: usize, apply: impl Fn(&[f64]) -> Vec<f64>) -> (Vec<f64>, Vec<f64>) {
    let count = count.min(n);
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let (mut diagonal, mut beside): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut next = direction(n, 0, &basis);
    let mut check_at = 2 * count + 8;
    while let Some(vector) = next.take().filter(|_| basis.len() < n && count > 0) {
        let mut product = apply(&vector);
        diagonal.push(dot(&vector, &product));
        basis.push(vector);
        let before = dot(&product, &product).sqrt();
        orthogonalise(&mut product, &basis);
        let length = dot(&product, &product).sqrt();
        if length > ROUNDING * before.max(largest(&diagonal)) {
            if basis.len() >= check_at {
                check_at += basis.len() / 4 + 1;
                if is_found(&diagonal, &beside, length, count) {
                    break;
                }
            }
            beside.push(length);
            product.iter_mut().for_each(|value| *value /= length);
            next = Some(product);
        } else {
            // What is reached from the start is known whole: another start.
            beside.push(0.0);
            next = direction(n, basis.len(), &basis);
        }
    }
    let (values, small) = tridiagonal_eigen(&diagonal, &beside);
    let size = diagonal.len();
    let mut vectors = Vec::with_capacity(count * n);
    for row in small.chunks_exact(size.max(1)).take(count) {
        let mut vector = vec![0.0; n];
        row.iter().zip(&basis).for_each(|(&share, own)| add(&mut vector, share, own));
        let length = dot(&vector, &vector).sqrt().copysign(largest(&vector));
        vectors.extend(vector.into_iter().map(|value| value / length));
    }
    (values.into_iter().take(count).collect(), vectors)
}

/// Whether the first `count` eigenvectors of the tridiagonal matrix are the large one's: the next coupling is `length`.
fn is_found(diagonal: &[f64], beside: &[f64], length: f64, count: usize) -> bool {
    let (values, vectors) = tridiagonal_eigen(diagonal, beside);
    let lasts = vectors.chunks_exact(diagonal.len()).take(count).filter_map(<[f64]>::last);
    let scale = values.first().map_or(0.0, |value| value.abs());
    lasts.into_iter().all(|last| (last * length).abs() <= TOLERANCE * scale)
}

/// Values and vectors of a small tridiagonal matrix.
fn tridiagonal_eigen(diagonal: &[f64], beside: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let n = diagonal.len();
    let mut matrix = vec![0.0; n * n];
    for (at, &value) in diagonal.iter().enumerate() {
        matrix[at * n + at] = value;
        if at + 1 < n {
            matrix[at * n + at + 1] = beside[at];
            matrix[(at + 1) * n + at] = beside[at];
        }
    }
    symmetric_eigen(&matrix, n)
}

/// A direction without a pattern, at right angles to the basis; none where the basis is everything.
fn direction(n: usize, seed: usize, basis: &[Vec<f64>]) -> Option<Vec<f64>> {
    let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    let mut vector: Vec<f64> = (0..n).map(|_| draw()).collect();
    orthogonalise(&mut vector, basis);
    let length = dot(&vector, &vector).sqrt();
    vector.iter_mut().for_each(|value| *value /= length);
    (length > ROUNDING).then_some(vector)
}

/// Takes out of `vector` what lies along the basis; twice, since the first time leaves rounding.
fn orthogonalise(vector: &mut [f64], basis: &[Vec<f64>]) {
    for _ in 0..2 {
        for own in basis {
            let along = dot(vector, own);
            add(vector, -along, own);
        }
    }
}

/// The entry that is farthest from zero.
fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0_f64, |best, value| if value.abs() > best.abs() { value } else { best })
}

fn add(to: &mut [f64], factor: f64, values: &[f64]) {
    to.iter_mut().zip(values).for_each(|(to, value)| *to += factor * value);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(matrix: &[f64], n: usize, expected: &[f64]) {
        let apply = |vector: &[f64]| -> Vec<f64> { matrix.chunks_exact(n).map(|row| dot(row, vector)).collect() };
        let (values, vectors) = leading_eigen(n, expected.len(), apply);
        let scale = expected[0].abs();
        for (at, (&value, &wanted)) in values.iter().zip(expected).enumerate() {
            assert!((value - wanted).abs() <= 1e-9 * scale, "{at}: {value} for {wanted}");
            let vector = &vectors[at * n..(at + 1) * n];
            let rest = apply(vector).iter().zip(vector).map(|(a, v)| (a - value * v).powi(2)).sum::<f64>().sqrt();
            assert!(rest <= 1e-8 * scale, "{at}: {rest} is left");
            assert!(largest(vector) > 0.0);
            for other in 0..=at {
                let product = dot(vector, &vectors[other * n..(other + 1) * n]);
                assert!((product - f64::from(at == other)).abs() < 1e-9, "{at} and {other}: {product}");
            }
        }
    }

    fn from(n: usize, entry: impl Fn(usize, usize) -> f64) -> Vec<f64> {
        (0..n * n).map(|at| entry(at / n, at % n)).collect()
    }

    #[test]
    fn the_second_difference_has_its_textbook_values() {
        // 2 − 2 cos(k π / (n + 1)), close together where they are largest.
        let n = 90;
        let matrix = from(n, |a, b| [2.0, -1.0, 0.0][a.abs_diff(b).min(2)]);
        let value = |k: usize| 2.0 - 2.0 * (k as f64 * std::f64::consts::PI / (n + 1) as f64).cos();
        check(&matrix, n, &(0..12).map(|at| value(n - at)).collect::<Vec<_>>());
    }

    #[test]
    fn values_that_fall_are_found_long_before_all_are() {
        // H diag(2^-k) H with the reflection H = 1 − 2 u uᵀ.
        let n = 200;
        let u: Vec<f64> = (0..n).map(|at| ((at * 37 % 101) as f64 - 50.0) / 50.0).collect();
        let length = dot(&u, &u);
        let reflect = |a: usize, b: usize| f64::from(a == b) - 2.0 * u[a] * u[b] / length;
        let spectrum: Vec<f64> = (0..n).map(|k| 0.5_f64.powi(k as i32)).collect();
        let matrix = from(n, |a, b| (0..n).map(|k| reflect(a, k) * spectrum[k] * reflect(b, k)).sum());
        let calls = std::cell::Cell::new(0);
        let (values, _) = leading_eigen(n, 10, |vector| {
            calls.set(calls.get() + 1);
            matrix.chunks_exact(n).map(|row| dot(row, vector)).collect()
        });
        assert!(calls.get() < n / 2, "{} products", calls.get());
        assert!(values.iter().zip(&spectrum).all(|(found, wanted)| (found - wanted).abs() < 1e-10));
        check(&matrix, n, &spectrum[..10]);
    }

    #[test]
    fn repeated_values_and_nothing_else() {
        // 5 three times, 2, and zeros: a start reaches each value once.
        let n = 9;
        let diagonal = [5.0, 0.0, 5.0, 0.0, 2.0, 5.0, 0.0, 0.0, 0.0];
        check(&from(n, |a, b| if a == b { diagonal[a] } else { 0.0 }), n, &[5.0, 5.0, 5.0, 2.0]);
        let (values, vectors) = leading_eigen(4, 9, |vector| vec![vector.iter().sum(); 4]);
        assert!((values[0] - 4.0).abs() < 1e-12 && values[1..].iter().all(|value| value.abs() < 1e-12), "{values:?}");
        assert_eq!(vectors.len(), 16);
        assert!(leading_eigen(0, 3, <[f64]>::to_vec).0.is_empty());
    }
}
