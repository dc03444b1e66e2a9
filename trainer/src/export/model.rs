//! The model file: assembled from folded weights, given a self-test, and compared with what it came from.

use anyhow::{Context, Result, ensure};
use burn::tensor::Device;
use shared::artifact::{Artifact, WeightFormat};
use shared::embedder::Embedder;
use shared::encoder::Pooling;
use shared::tile::Tile;

/// The argument of [`shared::artifact::golden_tile`] that model files are tested with.
const GOLDEN_PATTERN: u32 = 1;

/// How closely two sets of embeddings agree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// Over all tiles, the largest of max |difference| / max |reference|.
    pub max_relative_error: f64,
    /// Over all tiles, the smallest cosine between the two.
    pub min_cosine: f64,
}

/// The largest [`Agreement::max_relative_error`] that a stored model may have against the encoder it was made from.
///
/// f32 differs by folding alone (rounding, about 1e-6 a layer); f16 stores 11 bits of each weight; 8 bits a weight with
/// one scale a channel leave about 1 % on each, which adds up over the layers. A readout of moments takes the mean away
/// and brings what varies to one scale, so that the same rounding counts for more: little in a trained encoder, whose
/// features vary, and up to ten times as much in one that has hardly learned.
#[must_use]
pub fn error_bound(format: WeightFormat, pooling: Pooling) -> f64 {
    let of_means = match format {
        WeightFormat::F32 => 1e-4,
        WeightFormat::F16 => 5e-3,
        WeightFormat::Int8 => 0.15,
    };
    match (pooling, format) {
        (Pooling::Mean, _) => of_means,
        (Pooling::Moments, WeightFormat::Int8) => 0.5,
        (Pooling::Moments, _) => 10.0 * of_means,
    }
}

/// Compares embeddings `[n, width]`.
///
/// # Errors
/// When the two are not of the same size.
pub fn agreement(reference: &[f32], found: &[f32], width: usize) -> Result<Agreement> {
    ensure!(
        reference.len() == found.len() && width > 0,
        "{} values cannot be compared with {}",
        reference.len(),
        found.len()
    );
    let mut worst = Agreement { max_relative_error: 0.0, min_cosine: 1.0 };
    for (a, b) in reference.chunks_exact(width).zip(found.chunks_exact(width)) {
        let scale = a.iter().fold(f32::MIN_POSITIVE, |scale, value| scale.max(value.abs()));
        let difference = a.iter().zip(b).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
        // A NaN must not pass: `max` would drop it.
        let relative =
            if b.iter().all(|value| value.is_finite()) { f64::from(difference / scale) } else { f64::INFINITY };
        worst.max_relative_error = worst.max_relative_error.max(relative);
        worst.min_cosine = worst.min_cosine.min(f64::from(shared::compare::cosine(a, b)));
    }
    Ok(worst)
}

/// The bytes of `artifact` in `format`, with a self-test computed from the weights as they are stored.
///
/// # Errors
/// When the parts do not fit each other or a weight is not finite.
pub fn model_bytes(mut artifact: Artifact, format: WeightFormat) -> Result<Vec<u8>> {
    artifact.manifest.golden = None;
    let stored = Artifact::from_bytes(&artifact.to_bytes(format)?)?;
    let embedder = Embedder::from_artifact(stored, &Device::flex())?;
    artifact.manifest.golden = Some(pollster::block_on(embedder.golden(GOLDEN_PATTERN))?);
    Ok(artifact.to_bytes(format)?)
}

/// Embeddings of `tiles` by the very code that the browser runs, on the CPU.
///
/// # Errors
/// When the artifact or a tile is unusable.
pub fn embed(artifact: &Artifact, tiles: &[Tile]) -> Result<Vec<Vec<f32>>> {
    let embedder =
        Embedder::from_artifact(artifact.clone(), &Device::flex()).context("the exported model cannot be loaded")?;
    pollster::block_on(embedder.embed(tiles)).context("the exported model cannot embed")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn agreement_takes_the_worst_tile() {
        let reference = [1.0, -4.0, 0.0, 2.0];
        let found = [1.0, -4.0, 0.1, 2.0];
        let worst = agreement(&reference, &found, 2).unwrap();
        assert!((worst.max_relative_error - 0.05).abs() < 1e-6, "{worst:?}");
        assert!(worst.min_cosine < 1.0);
    }

    #[test]
    fn a_value_that_is_no_number_never_agrees() {
        assert!(agreement(&[1.0, 1.0], &[f32::NAN, 1.0], 2).unwrap().max_relative_error.is_infinite());
        assert!(agreement(&[1.0], &[1.0, 1.0], 1).is_err());
    }
}
