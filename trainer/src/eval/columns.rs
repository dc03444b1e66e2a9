//! Mean and deviation of columns.

/// Mean and (population) standard deviation of every column of `rows` (`[count, width]`).
#[must_use]
pub fn moments(rows: &[f32], width: usize) -> (Vec<f64>, Vec<f64>) {
    let count = (rows.len() / width.max(1)).max(1) as f64;
    let column_sums = |term: &dyn Fn(f64, usize) -> f64| {
        let mut sums = vec![0.0; width];
        for row in rows.chunks_exact(width.max(1)) {
            sums.iter_mut().zip(row).enumerate().for_each(|(at, (sum, &value))| *sum += term(f64::from(value), at));
        }
        sums
    };
    let mean: Vec<f64> = column_sums(&|value, _| value).iter().map(|sum| sum / count).collect();
    let squares = column_sums(&|value, at| (value - mean[at]).powi(2));
    let deviation = squares.iter().map(|sum| (sum / count).sqrt()).collect();
    (mean, deviation)
}
