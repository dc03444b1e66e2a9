//! Two-dimensional maps of embeddings: principal components and t-SNE.

use anyhow::{Result, ensure};
use bhtsne::tSNE;

/// Enough for two components whose variances differ by a few percent.
const MAX_POWER_ITERATIONS: usize = 1000;
/// A direction that moves less than this between two iterations has settled.
const SETTLED: f64 = 1e-10;
/// Iterations of the gradient descent.
const TSNE_EPOCHS: usize = 1000;
/// About how many neighbours a point has; fewer for small sets.
const TSNE_PERPLEXITY: f32 = 30.0;
/// Accuracy of the far field: 0 is exact.
const TSNE_THETA: f32 = 0.5;

/// `[rows, 2]`: the coordinates of each row of `values` (`[rows, width]`) on the two directions of largest variance,
/// found by power iteration on the covariance. Each direction's largest entry is positive, so that the map is the same
/// every time.
///
/// # Errors
/// When `values` does not consist of rows of `width`.
pub fn principal_components(values: &[f32], width: usize) -> Result<Vec<[f32; 2]>> {
    ensure!(width > 0 && values.len().is_multiple_of(width), "{} values are not rows of {width}", values.len());
    let rows = values.len() / width;
    let mut mean = vec![0.0_f64; width];
    for row in values.chunks_exact(width) {
        mean.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value) / rows as f64);
    }
    let centred: Vec<Vec<f64>> = values
        .chunks_exact(width)
        .map(|row| row.iter().zip(&mean).map(|(&value, mean)| f64::from(value) - mean).collect())
        .collect();
    // [width, width], not divided by the number of rows: only directions matter.
    let mut covariance = vec![vec![0.0; width]; width];
    for row in &centred {
        for (line, &value) in covariance.iter_mut().zip(row) {
            line.iter_mut().zip(row).for_each(|(sum, other)| *sum += value * other);
        }
    }
    let first = leading_direction(&covariance, None);
    let second = leading_direction(&covariance, Some(&first));
    Ok(centred.iter().map(|row| [dot(row, &first) as f32, dot(row, &second) as f32]).collect())
}

/// The direction of largest variance among those orthogonal to `found`; zero when nothing varies there.
fn leading_direction(covariance: &[Vec<f64>], found: Option<&[f64]>) -> Vec<f64> {
    let width = covariance.len();
    // Any start that is not orthogonal to the answer will do; this one has no structure.
    let mut direction: Vec<f64> = (0..width).map(|at| ((at * 7919 + 13) % 1009) as f64 / 1009.0 + 0.1).collect();
    for _ in 0..MAX_POWER_ITERATIONS {
        let mut next: Vec<f64> = covariance.iter().map(|line| dot(line, &direction)).collect();
        if let Some(found) = found {
            let along = dot(&next, found);
            next.iter_mut().zip(found).for_each(|(value, other)| *value -= along * other);
        }
        let length = dot(&next, &next).sqrt();
        if length < f64::MIN_POSITIVE.sqrt() {
            return vec![0.0; width];
        }
        next.iter_mut().for_each(|value| *value /= length);
        let moved: f64 = next.iter().zip(&direction).map(|(a, b)| (a - b).powi(2)).sum();
        direction = next;
        if moved < SETTLED * SETTLED {
            break;
        }
    }
    let largest = direction.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(0.0);
    if largest < 0.0 {
        direction.iter_mut().for_each(|value| *value = -*value);
    }
    direction
}

/// `[rows, 2]` by Barnes–Hut t-SNE on Euclidean distances, started from the principal components: the same map every
/// time, and neighbourhoods lie about where the components put them. Rows that are all the same lie in the middle; rows that
/// t-SNE cannot tell apart stay at their components.
///
/// # Errors
/// When `values` does not consist of rows of `width`, or no thread can be started.
pub fn tsne(values: &[f32], width: usize) -> Result<Vec<[f32; 2]>> {
    let components = principal_components(values, width)?;
    let rows: Vec<&[f32]> = values.chunks_exact(width).collect();
    if rows.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(vec![[0.0; 2]; rows.len()]);
    }
    if rows.len() < 4 {
        return Ok(components);
    }
    let perplexity = TSNE_PERPLEXITY.min((rows.len() - 1) as f32 / 3.0);
    // A small start, as t-SNE's own random one: the first component has standard deviation 1e-4.
    let variance = components.iter().map(|point| f64::from(point[0]).powi(2)).sum::<f64>() / rows.len() as f64;
    let scale = if variance > 0.0 { (1e-4 / variance.sqrt()) as f32 } else { 1.0 };
    let start: Vec<f32> = components.iter().flatten().map(|value| value * scale).collect();
    let distance = |a: &&[f32], b: &&[f32]| a.iter().zip(*b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
    // On several threads the order of its sums changes from run to run, and with it the map.
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let map = alone.install(|| {
        let mut map = tSNE::<f32, &[f32], 2>::new(&rows);
        map.perplexity(perplexity).epochs(TSNE_EPOCHS).initial_embedding(start);
        map.barnes_hut(TSNE_THETA, distance);
        map.embedding()
    });
    if map.iter().any(|value| !value.is_finite()) {
        return Ok(components);
    }
    Ok(map.chunks_exact(2).map(|point| [point[0], point[1]]).collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    /// Two tight clouds of 20 points, far apart along one axis.
    fn clouds() -> Vec<f32> {
        let point = |index: usize| {
            let wobble = |factor: usize| (index * factor % 17) as f32 / 170.0;
            [if index.is_multiple_of(2) { 0.0 } else { 10.0 }, wobble(5), wobble(11)]
        };
        (0..40).flat_map(point).collect()
    }

    #[test]
    fn components_of_an_ellipse_are_its_axes() {
        // x = 3 cos t · u + sin t · v with u, v orthogonal: scores are ±3 cos t and ±sin t.
        let (u, v) = ([0.6, 0.8, 0.0], [0.0, 0.0, 1.0]);
        let angle = |step: usize| step as f64 * std::f64::consts::TAU / 64.0;
        let values: Vec<f32> = (0..64)
            .flat_map(|step| {
                let (sin, cos) = angle(step).sin_cos();
                (0..3).map(move |at| (3.0 * cos * u[at] + sin * v[at] + 7.0) as f32)
            })
            .collect();
        for (step, [first, second]) in principal_components(&values, 3).unwrap().into_iter().enumerate() {
            let (sin, cos) = angle(step).sin_cos();
            assert!((f64::from(first) - 3.0 * cos).abs() < 1e-4, "{first} at {step}");
            assert!((f64::from(second) - sin).abs() < 1e-4, "{second} at {step}");
        }
    }

    #[test]
    fn without_variance_all_points_coincide() {
        assert_eq!(principal_components(&[2.0; 12], 3).unwrap(), [[0.0; 2]; 4]);
    }

    #[test]
    fn tsne_keeps_clouds_apart_and_is_repeatable() {
        let map = tsne(&clouds(), 3).unwrap();
        assert_eq!(map, tsne(&clouds(), 3).unwrap());
        let between = |a: usize, b: usize| (map[a][0] - map[b][0]).hypot(map[a][1] - map[b][1]);
        for index in 0..38 {
            let nearest = (0..40)
                .filter(|&other| other != index)
                .min_by(|&a, &b| between(index, a).total_cmp(&between(index, b)));
            assert_eq!(nearest.unwrap() % 2, index % 2, "point {index}");
        }
    }

    #[test]
    fn rows_that_are_all_the_same_have_a_map() {
        for rows in [3, 30] {
            let same = [0.25f32, -1.0, 3.0].repeat(rows);
            assert_eq!(tsne(&same, 3).unwrap(), vec![[0.0, 0.0]; rows]);
        }
        let mut almost = [0.25f32, -1.0, 3.0].repeat(30);
        almost[0] = 9.0;
        assert!(tsne(&almost, 3).unwrap().iter().flatten().all(|value| value.is_finite()));
    }
}
