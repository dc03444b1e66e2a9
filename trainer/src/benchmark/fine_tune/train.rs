//! The whole of a fine-tuning: epochs, validation, checkpoints.

use std::path::Path;

use anyhow::Result;
use burn::module::Module;
use burn::tensor::Device;
use shared::encoder::{Encoder, load_module, module_tensors};
use shared::tensors::{NamedTensor, TensorMap};

use super::super::standing::Standing;
use super::config::{Encoder as TunedPart, FineTuneConfig};
use super::epoch::{predict, train_epoch};
use super::labelled::Labelled;
use super::network::TunedNetwork;
use crate::engine::checkpoint;
use crate::eval::accuracy;
use crate::parts::{Adam, AdamConfig};

/// What a checkpoint says of itself.
const KEY: &str = "fine-tuning";

/// What came of it.
pub struct Tuned {
    /// Classes of the test rows.
    pub predictions: Vec<usize>,
    /// Validation accuracy after every epoch.
    pub validation: Vec<f64>,
    /// The epoch, from 1, that was tested.
    pub epoch: usize,
    /// The network of that epoch.
    pub network: Vec<NamedTensor>,
}

/// Fine-tunes `encoder`, which is on `device` with autodiff, and tests what the recipe says; goes on from what is in `folder`, where it leaves a checkpoint after
/// every epoch. `progress` hears of steps: the epoch in words, how many are done, and of how many.
///
/// # Errors
/// When a picture cannot be read, training diverges, or the disk refuses.
pub fn fine_tune(
    encoder: Encoder,
    data: &Labelled<'_>,
    config: &FineTuneConfig,
    folder: &Path,
    seed: u64,
    device: &Device,
    mut progress: impl FnMut(&str, usize, usize),
) -> Result<Tuned> {
    let path = folder.join("checkpoint.safetensors");
    let mut network = TunedNetwork::new(encoder, data.classes, seed, &device.clone().autodiff());
    if config.encoder == TunedPart::StatisticsOnly {
        // A graph that no gradient is asked of would be kept for ever.
        network.encoder = network.encoder.no_grad();
    }
    let mut optimiser = Adam::decayed(AdamConfig::PYTORCH, config.weight_decay);
    let mut standing = Standing::default();
    let mut best = TensorMap::new();
    if let Some(newest) = checkpoint::read_newest::<Standing>(&path, KEY)? {
        standing = newest.content;
        network = load_module(network, &crate::encoder_file::under("now.", newest.tensors.clone()));
        best = crate::encoder_file::under("best.", newest.tensors.clone());
        optimiser.restore(super::super::standing::ADAM, &newest.tensors, device);
    }
    let most = config.ends_after.unwrap_or(config.epochs).min(config.epochs);
    while standing.epochs < most && !standing.is_over(config.patience) {
        let epoch = standing.epochs;
        let what = format!("epoch {}/{}", epoch + 1, config.epochs);
        let (next, loss) = train_epoch(network, &mut optimiser, data, config, (epoch, seed), device, |done, total| {
            progress(&what, done, total);
        })?;
        network = next;
        let score = match data.validation {
            [] => 0.0,
            rows => {
                let predictions = predict(&network, rows, data, device)?;
                let labels: Vec<usize> = rows.iter().map(|&row| data.labels[row]).collect();
                accuracy(&predictions, &labels)
            }
        };
        standing.epochs += 1;
        standing.losses.push(loss);
        // Without validation the last epoch counts.
        let is_better = standing.validation.iter().all(|earlier| score > *earlier);
        standing.validation.push(score);
        if is_better || !config.takes_best || data.validation.is_empty() {
            standing.best = standing.epochs;
            best = module_tensors(&network);
        }
        standing.save(&path, KEY, &network, &best, &optimiser)?;
    }
    let chosen = load_module(network, &best);
    Ok(Tuned {
        predictions: predict(&chosen, data.test, data, device)?,
        validation: standing.validation,
        epoch: standing.best,
        network: best.into_values().collect(),
    })
}
