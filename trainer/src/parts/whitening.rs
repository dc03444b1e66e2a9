//! Principal components with whitening: what DeepCluster and DeeperCluster do to features before k-means.

use super::{Rows, values_of};
use crate::linear_algebra::symmetric_eigen;
use burn::tensor::{Tensor, TensorData};

/// Components whose variance is a smaller share of the largest are noise and are left out.
const LEAST_SHARE: f64 = 1e-6;

/// A centre and directions, each divided by the standard deviation along it.
#[derive(Clone, Debug, PartialEq)]
pub struct Whitening {
    /// `[width]`
    mean: Vec<f32>,
    /// `[components, width]`, largest variance first.
    directions: Vec<f32>,
}

impl Whitening {
    /// Fits at most `components` directions to `rows`; the variance along each becomes 1 (over n − 1, as
    /// scikit-learn's `PCA(whiten=True)`). Fewer where the rows do not spread into so many.
    #[must_use]
    pub fn fit(rows: &Rows, components: usize) -> Self {
        let (count, width) = (rows.count() as f64, rows.width());
        let mut sum = vec![0.0_f64; width];
        for chunk in rows.chunks() {
            add(&mut sum, chunk.clone().sum_dim(0).into_data());
        }
        let mean: Vec<f32> = sum.iter().map(|sum| (sum / count) as f32).collect();
        let mut covariance = vec![0.0_f64; width * width];
        for chunk in rows.chunks() {
            let centre = Tensor::<2>::from_data(TensorData::new(mean.clone(), [1, width]), &chunk.device());
            let centred = chunk.clone() - centre;
            // [width, n] × [n, width]
            add(&mut covariance, centred.clone().transpose().matmul(centred).into_data());
        }
        covariance.iter_mut().for_each(|value| *value /= (count - 1.0).max(1.0));
        let (variances, vectors) = symmetric_eigen(&covariance, width);
        let largest = variances.first().copied().unwrap_or(0.0);
        let kept = variances.iter().take(components).take_while(|variance| **variance > largest * LEAST_SHARE).count();
        let directions = vectors.chunks_exact(width).zip(&variances).take(kept);
        let directions = directions.flat_map(|(vector, variance)| vector.iter().map(|value| value / variance.sqrt()));
        Self { mean, directions: directions.map(|value| value as f32).collect() }
    }

    /// Directions kept.
    #[must_use]
    pub fn components(&self) -> usize {
        self.directions.len() / self.mean.len().max(1)
    }

    /// `[n, width]` → `[n, components]`, chunk by chunk.
    #[must_use]
    pub fn apply(&self, rows: Rows) -> Rows {
        let (width, components) = (self.mean.len(), self.components());
        rows.map(|chunk| {
            let device = chunk.device();
            let mean = Tensor::<2>::from_data(TensorData::new(self.mean.clone(), [1, width]), &device);
            let directions = TensorData::new(self.directions.clone(), [components, width]);
            (chunk - mean).matmul(Tensor::<2>::from_data(directions, &device).transpose())
        })
    }
}

fn add(sums: &mut [f64], values: TensorData) {
    let values = values_of(values);
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value));
}
