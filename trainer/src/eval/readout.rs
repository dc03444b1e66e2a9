//! The linear map from pooled features to an embedding: principal components of the training part, partly whitened.
//!
//! No label is used. Moments of different stages are in different units and strongly correlated, so that a cosine between
//! them would be a matter of a few directions; standardised, turned to their principal components and divided by a power
//! of each component's deviation, they count more evenly. A full whitening (power 1) would blow up the last ones.

use anyhow::{Result, ensure};
use rayon::prelude::*;
use shared::artifact::Readout;
use shared::encoder::{EncoderConfig, Pooling};

use super::columns::moments;
use super::features::Embedded;
use crate::linear_algebra::{leading_eigen, symmetric_eigen};

/// Width of the embedding, where the pooled features are wider and nobody asks for another.
pub const READOUT_WIDTH: usize = 256;
/// Components are divided by their deviation to this power. Chosen on the validation part of EuroSAT.
pub const WHITENING_POWER: f64 = 0.75;
/// Fewest tiles for every component that is kept: with fewer the small ones are this sample's chance.
const TILES_PER_COMPONENT: usize = 8;
/// Features up to which all eigenvectors are computed; of more (a ResNet's moments) only those that are kept.
const MOST_DENSE: usize = 1024;
/// Rows whose products are summed in one go; the sums do not depend on the number of threads.
const CHUNK_ROWS: usize = 2048;
/// A component whose deviation is this much smaller than the first one's is noise of the arithmetic.
const SMALLEST_DEVIATION: f64 = 1e-4;

/// How the pooled features of an encoder become what is evaluated.
#[derive(Clone, Copy, Debug)]
pub enum Reading<'a> {
    /// The mean of the last feature map, as it is.
    Mean,
    /// The fusion layer of MARTA GANs' own discriminator, as it is.
    Fused,
    /// Moments of all stages through a readout fitted on the training part.
    Fitted {
        /// Values of the embedding, at most.
        width: usize,
    },
    /// Moments of all stages through the readout of an exported model.
    Given(&'a Readout),
}

impl Reading<'_> {
    /// What is read out of the feature maps.
    #[must_use]
    pub fn pooling(self) -> Pooling {
        match self {
            // A discriminator has its fusion layer alone.
            Self::Mean | Self::Fused => Pooling::Mean,
            Self::Fitted { .. } | Self::Given(_) => Pooling::Moments,
        }
    }
}

/// What suits an encoder where nobody says otherwise: moments for the compact family, and for the ResNets the mean that
/// their published numbers are about.
#[must_use]
pub fn usual_pooling(encoder: &EncoderConfig) -> Pooling {
    encoder.architecture.plan().pooling
}

/// The readout for pooled features `[count, pooled width]` of unlabelled tiles: to at most `width` values, fewer for few
/// tiles or features that depend on each other.
///
/// # Errors
/// When there are fewer than two tiles, or nothing in the features varies.
pub fn fit_readout(pooled: &[f32], pooled_width: usize, width: usize, power: f64) -> Result<Readout> {
    let count = pooled.len() / pooled_width.max(1);
    ensure!(count >= 2, "a readout cannot be fitted on {count} tiles\nhint: give it more training tiles");
    let (mean, deviation) = moments(pooled, pooled_width);
    let inverse: Vec<f64> = deviation.iter().map(|&value| if value > 0.0 { 1.0 / value } else { 0.0 }).collect();
    let standard: Vec<f64> = pooled
        .chunks_exact(pooled_width)
        .flat_map(|row| {
            row.iter().zip(&mean).zip(&inverse).map(|((&x, mean), inverse)| (f64::from(x) - mean) * inverse)
        })
        .collect();
    let width = width.min(count.div_ceil(TILES_PER_COMPONENT));
    let (variances, directions) = match pooled_width {
        0..=MOST_DENSE => symmetric_eigen(&covariance(&standard, pooled_width), pooled_width),
        _ => leading_eigen(pooled_width, width, |vector| covariance_times(&standard, vector)),
    };
    let deviations: Vec<f64> = variances.iter().map(|variance| variance.max(0.0).sqrt()).collect();
    let first = deviations.first().copied().unwrap_or(0.0);
    ensure!(first > 0.0, "the features of all training tiles are the same\nhint: the encoder may have collapsed");
    let kept = deviations.iter().take(width).take_while(|&&deviation| deviation > SMALLEST_DEVIATION * first).count();
    let (mut weight, mut bias) = (Vec::with_capacity(kept * pooled_width), Vec::with_capacity(kept));
    for (direction, deviation) in directions.chunks_exact(pooled_width).zip(&deviations).take(kept) {
        let scale = deviation.powf(-power);
        let row: Vec<f64> = direction.iter().zip(&inverse).map(|(entry, inverse)| entry * inverse * scale).collect();
        bias.push(-row.iter().zip(&mean).map(|(entry, mean)| entry * mean).sum::<f64>() as f32);
        weight.extend(row.iter().map(|&entry| entry as f32));
    }
    Ok(Readout { weight, bias })
}

/// Every row through `readout`.
///
/// # Errors
/// When the readout is for another width.
pub fn read_out(pooled: &Embedded, readout: &Readout) -> Result<Embedded> {
    let width = readout.bias.len();
    ensure!(
        readout.weight.len() == width * pooled.width,
        "a readout of {} weights does not take {} features to {width}",
        readout.weight.len(),
        pooled.width
    );
    Embedded::new(read_out_rows(&pooled.values, pooled.width, readout), width, pooled.labels.clone())
}

/// Rows of `pooled_width` through `readout`, on all cores: `[count, width of the readout]`.
#[must_use]
pub fn read_out_rows(pooled: &[f32], pooled_width: usize, readout: &Readout) -> Vec<f32> {
    let rows = pooled.par_chunks_exact(pooled_width);
    rows.map(|row| readout.apply(row)).collect::<Vec<_>>().concat()
}

/// The covariance of centred rows times a vector, without ever writing it down: on all cores, summed in order.
fn covariance_times(rows: &[f64], vector: &[f64]) -> Vec<f64> {
    let width = vector.len();
    let partial = |rows: &[f64]| {
        let mut sums = vec![0.0; width];
        for row in rows.chunks_exact(width) {
            let along: f64 = row.iter().zip(vector).map(|(a, b)| a * b).sum();
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += along * value);
        }
        sums
    };
    let parts: Vec<Vec<f64>> = rows.par_chunks(CHUNK_ROWS * width).map(partial).collect();
    let mut product = vec![0.0; width];
    let count = (rows.len() / width) as f64;
    for part in parts {
        product.iter_mut().zip(part).for_each(|(sum, part)| *sum += part / count);
    }
    product
}

/// `[width, width]`: the mean product of every pair of columns of centred rows.
fn covariance(rows: &[f64], width: usize) -> Vec<f64> {
    let count = (rows.len() / width) as f64;
    let partial = |rows: &[f64]| {
        let mut sums = vec![0.0; width * width];
        for row in rows.chunks_exact(width) {
            for (at, &value) in row.iter().enumerate() {
                // The upper triangle is enough.
                let line = &mut sums[at * width + at..(at + 1) * width];
                line.iter_mut().zip(&row[at..]).for_each(|(sum, other)| *sum += value * other);
            }
        }
        sums
    };
    let parts: Vec<Vec<f64>> = rows.par_chunks(CHUNK_ROWS * width).map(partial).collect();
    let mut matrix = vec![0.0; width * width];
    for part in parts {
        matrix.iter_mut().zip(part).for_each(|(sum, part)| *sum += part / count);
    }
    for a in 0..width {
        for b in 0..a {
            matrix[a * width + b] = matrix[b * width + a];
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is computed of wide features is what is computed of narrow ones, sign by sign.
    #[test]
    fn both_ways_to_the_directions_agree() {
        let (count, width, kept) = (300, 40, 7);
        let value = |at: usize| {
            let (row, column) = (at / width, at % width);
            // Few directions, each weaker than the one before, and something of everything.
            let along =
                |k: usize| ((row * (k + 3) * 31 % 97) as f64 / 48.5 - 1.0) * ((column * (k + 1) + 1) as f64).sin();
            (0..9).map(|k| along(k) / (1 + k) as f64).sum::<f64>() + (at * 7919 % 101) as f64 / 5000.0
        };
        let rows: Vec<f64> = (0..count * width).map(value).collect();
        let dense = symmetric_eigen(&covariance(&rows, width), width);
        let leading = leading_eigen(width, kept, |vector| covariance_times(&rows, vector));
        for (at, (found, expected)) in leading.0.iter().zip(&dense.0).enumerate() {
            assert!((found - expected).abs() < 1e-9 * dense.0[0], "{at}: {found} for {expected}");
        }
        for (at, (found, expected)) in leading.1.iter().zip(&dense.1).enumerate() {
            assert!((found - expected).abs() < 1e-7, "{at}: {found} for {expected}");
        }
    }
}
