//! Batch normalisation given back to an encoder that it was folded into, so that it can be trained further.

use burn::tensor::Tensor;
use shared::encoder::{EPSILON, EncoderConfig, MOMENTUM, NormMode};
use shared::tensors::{NamedTensor, TensorMap, into_map};

/// The weights of a trainable encoder that at inference computes what a folded one does, its batch normalisation set up
/// from the statistics of `tiles`. Filters are scaled to the length that random ones have, which changes nothing of what
/// is computed behind batch normalisation, and gives a learning rate its usual meaning.
///
/// With `z = r · (w ∗ x)` and the statistics `μ, σ` of `z`: `γ = σ / r`, `β = b + μ / r`, so that
/// `γ (z − μ) / σ + β = w ∗ x + b`.
pub fn unfold(config: &EncoderConfig, folded: &TensorMap, tiles: Tensor<4>) -> TensorMap {
    let spec = config.spec();
    let mut weights = TensorMap::new();
    let mut lengthened = Vec::new();
    for conv in spec.convs() {
        let name = format!("{}.weight", conv.conv);
        let mut weight = folded[&name].clone();
        let fan_in = weight.values.len() / conv.outputs;
        // He et al. 2015, fan-out mode, as drawn by `parts/initialise.rs`.
        let fan_out = conv.outputs * conv.kernel * conv.kernel;
        let length = (2.0 / fan_out as f64 * fan_in as f64).sqrt();
        let mut ratios = Vec::with_capacity(conv.outputs);
        for row in weight.values.chunks_exact_mut(fan_in) {
            let own = row.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>().sqrt();
            let ratio = if own > 0.0 { length / own } else { 1.0 };
            row.iter_mut().for_each(|w| *w = (f64::from(*w) * ratio) as f32);
            ratios.push(ratio);
        }
        weights.insert(name, weight);
        lengthened.push(ratios);
    }
    let identity = |weights: &mut TensorMap, name: String, values: Vec<f32>| {
        let tensor = NamedTensor { name: name.clone(), shape: vec![values.len()], values };
        weights.insert(name, tensor);
    };
    for conv in spec.convs() {
        identity(&mut weights, format!("{}.weight", conv.norm), vec![1.0; conv.outputs]);
        identity(&mut weights, format!("{}.bias", conv.norm), folded[&format!("{}.bias", conv.conv)].values.clone());
    }
    let device = tiles.device();
    // A layer's statistics are right once those before it are: each pass settles one layer more.
    for _ in spec.convs() {
        for conv in spec.convs() {
            identity(&mut weights, format!("{}.running_mean", conv.norm), vec![0.0; conv.outputs]);
            identity(&mut weights, format!("{}.running_var", conv.norm), vec![0.0; conv.outputs]);
        }
        let encoder = config.init(&device).load_named(&weights).expect("one tensor for every name");
        let _ = encoder.feature_map(tiles.clone(), NormMode::Batch { splits: 1 });
        let measured = into_map(encoder.named_tensors());
        for (conv, ratios) in spec.convs().zip(&lengthened) {
            // One update from zero leaves the batch's statistics times the momentum.
            let statistic = |part: &str| -> Vec<f32> {
                measured[&format!("{}.{part}", conv.norm)].values.iter().map(|value| value / MOMENTUM as f32).collect()
            };
            let (mean, var) = (statistic("running_mean"), statistic("running_var"));
            let bias = &folded[&format!("{}.bias", conv.conv)].values;
            let gamma = var.iter().zip(ratios).map(|(&v, r)| ((f64::from(v) + EPSILON).sqrt() / r) as f32).collect();
            let beta =
                (0..conv.outputs).map(|c| (f64::from(bias[c]) + f64::from(mean[c]) / ratios[c]) as f32).collect();
            for (part, values) in [("weight", gamma), ("bias", beta), ("running_mean", mean), ("running_var", var)] {
                identity(&mut weights, format!("{}.{part}", conv.norm), values);
            }
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::initialise::random_encoder;
    use burn::tensor::{Device, TensorData};
    use shared::encoder::{Architecture, Stem};

    #[test]
    fn an_unfolded_encoder_computes_what_the_folded_one_does() {
        let device = Device::flex();
        let config = EncoderConfig { architecture: Architecture::CompactXs, stem: Stem::Small, bands: 3 };
        let encoder = random_encoder(&config, 5, &device);
        let tile = |seed: usize| -> Vec<f32> {
            (0..3 * 24 * 24).map(|i| (((i * 37 + seed * 101) % 255) as f32) / 64.0 - 2.0).collect()
        };
        let tiles = |seeds: std::ops::Range<usize>| {
            let n = seeds.len();
            Tensor::<4>::from_data(TensorData::new(seeds.flat_map(tile).collect::<Vec<f32>>(), [n, 3, 24, 24]), &device)
        };
        // Statistics unlike those of the tiles it is unfolded with.
        let _ = encoder.feature_map(tiles(0..6) * 3.0 + 1.0, NormMode::Batch { splits: 1 });
        let folded = encoder.fold();
        let weights = unfold(&config, &into_map(folded.named_tensors()), tiles(6..14));
        let again = config.init(&device).load_named(&weights).expect("fits");
        let (expected, found) =
            (folded.forward(tiles(20..24), NormMode::Running), again.forward(tiles(20..24), NormMode::Running));
        let scale: f32 = expected.clone().abs().max().into_scalar();
        let difference: f32 = (expected - found).abs().max().into_scalar();
        assert!(difference < 1e-4 * scale, "{difference} of {scale}");
    }
}
