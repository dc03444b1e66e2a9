//! Starting a run from the weights of an encoder instead of random ones.

use crate::config::RunConfig;
use crate::data::{Loader, evenly_spaced};
use crate::encoder_file::{LoadedEncoder, load_encoder};
use crate::error::UsageError;
use crate::methods::Method;
use anyhow::{Context, Result};
use burn::tensor::{Device, Tensor, TensorData};
use shared::encoder::{EPSILON, EncoderConfig, MOMENTUM, NormMode};
use shared::tensors::{NamedTensor, TensorMap, into_map};
use std::path::PathBuf;

/// Tiles from which the batch normalisation of a folded encoder is set up anew.
const TILES: usize = 256;

/// The encoder that a run starts from.
#[derive(Debug)]
pub struct Pretrained {
    loaded: LoadedEncoder,
    path: PathBuf,
}

/// Reads the encoder that `config` names, if it names one.
///
/// # Errors
/// When it cannot be read, or is another architecture or of other bands than the configuration's.
pub fn read(config: &RunConfig) -> Result<Option<Pretrained>> {
    let Some(path) = config.encoder.pretrained.clone() else { return Ok(None) };
    let loaded = load_encoder(&path)?;
    let (found, wanted) = (loaded.description.encoder, config.encoder_config());
    let shown = path.display();
    let mismatch = if config.method.exported(wanted.bands).discriminator.is_some() {
        format!(
            "{shown}: MARTA GANs' own discriminator takes no encoder's weights\nhint: --set method.discriminator=encoder"
        )
    } else if found != wanted {
        let named = |what: &EncoderConfig| format!("{} ({} stem, {} bands)", what.architecture, what.stem, what.bands);
        format!(
            "{shown} is {}, and this run trains {}\nhint: --set encoder.architecture={} --set encoder.stem={}, and data of its bands",
            named(&found),
            named(&wanted),
            found.architecture,
            found.stem
        )
    } else {
        return Ok(Some(Pretrained { loaded, path }));
    };
    Err(UsageError::new(mismatch).into())
}

impl Pretrained {
    /// What it is, in a line.
    #[must_use]
    pub fn describe(&self) -> String {
        let training = &self.loaded.description.training;
        format!("starting from {}: {}, {} steps", self.path.display(), training.method, training.steps)
    }

    /// What is different between what it was trained on and what it will be, a sentence each.
    ///
    /// # Errors
    /// When the configuration's normalisation does not fit its bands.
    pub fn warnings(&self, config: &RunConfig) -> Result<Vec<String>> {
        let (own, shown) = (&self.loaded.description, self.path.display());
        let mut warnings = Vec::new();
        if own.bands != config.tiles.bands {
            warnings.push(format!(
                "{shown} was trained on the bands {}, and this run has {} (hint: --set tiles.bands, if that is not meant)",
                own.bands, config.tiles.bands
            ));
        }
        if own.normalisation != config.normalisation()? {
            warnings.push(format!(
                "{shown} was trained with another normalisation (hint: unless the data differ, tiles.mean = {:?} and \
                 tiles.std = {:?} are its own)",
                own.normalisation.mean(),
                own.normalisation.std()
            ));
        }
        Ok(warnings)
    }

    /// Puts its weights into every encoder of `method`, the query network's and those that follow it. Heads and queues
    /// stay as they were drawn.
    ///
    /// # Errors
    /// When no tile can be read to set up the batch normalisation of an exported model.
    pub fn start(&self, method: &mut dyn Method, loader: &Loader, px: usize, device: &Device) -> Result<()> {
        let weights = match self.loaded.folded {
            true => unfold(&self.loaded.description.encoder, &self.loaded.weights, tiles(loader, px, device)?),
            false => self.loaded.weights.clone(),
        };
        let mut state = into_map(method.query().state("query"));
        state.extend(into_map(method.state()));
        for (name, tensor) in &mut state {
            // query.encoder.conv1.weight, key.encoder.…, target.encoder.…
            if let Some(own) = name.split_once(".encoder.").and_then(|(_, own)| weights.get(own)) {
                tensor.values.clone_from(&own.values);
            }
        }
        let query = method.query().clone().restore("query", &state)?;
        method.set_query(query);
        method.restore(&state)
    }
}

/// Some tiles of the run, `[n, bands, px, px]`.
fn tiles(loader: &Loader, px: usize, device: &Device) -> Result<Tensor<4>> {
    let places = loader.places();
    let some: Vec<_> = evenly_spaced(places.len(), TILES).map(|index| places[index]).collect();
    let crops = loader.middle_crops(&some, px);
    let size = crops.bands * px * px;
    let read = crops.values.chunks_exact(size).zip(&crops.failures).filter(|(_, failure)| failure.is_none());
    let values: Vec<f32> = read.flat_map(|(tile, _)| tile.iter().copied()).collect();
    let n = values.len() / size;
    (n > 0).then_some(()).context("none of the tiles can be read\nhint: `trainer inspect-data` lists what is wrong")?;
    let data = TensorData::new(values, [n, crops.bands, px, px]);
    Ok(Tensor::from_data(data, &device.clone().without_autodiff()))
}

/// The weights of a trainable encoder that at inference computes what a folded one does, its batch normalisation set up
/// from the statistics of `tiles`. Filters are scaled to the length that random ones have, which changes nothing of what
/// is computed behind batch normalisation, and gives a learning rate its usual meaning.
///
/// With `z = r · (w ∗ x)` and the statistics `μ, σ` of `z`: `γ = σ / r`, `β = b + μ / r`, so that
/// `γ (z − μ) / σ + β = w ∗ x + b`.
fn unfold(config: &EncoderConfig, folded: &TensorMap, tiles: Tensor<4>) -> TensorMap {
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
