//! The whole of a decoder's training: epochs, validation, checkpoints.

use std::path::Path;

use anyhow::{Result, ensure};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use shared::encoder::{load_module, module_tensors};
use shared::preprocess::Normalisation;
use shared::tensors::TensorMap;

use super::super::standing::Standing;
use super::config::DenseConfig;
use super::loss::pixel_loss;
use super::network::{DenseNetwork, depth};
use super::patches::{Patch, epoch_of_patches, has_classes, patch};
use super::scene::Store;
use crate::engine::checkpoint;
use crate::parts::{Adam, AdamConfig, read};

/// What a checkpoint says of itself.
const KEY: &str = "decoder";

/// Patches that an exported model's batch normalisation is set up from.
const STATISTICS_OF: usize = 32;

/// What is learned from.
pub struct DenseData<'a> {
    /// Scenes.
    pub store: &'a Store<'a>,
    /// Rows of those that are learned from.
    pub train: &'a [usize],
    /// What the trunk was normalised with.
    pub normalisation: &'a Normalisation,
}

/// What came of it.
pub struct Fitted {
    /// The network to be tested, on the plain device.
    pub network: DenseNetwork,
    /// Validation score after every epoch.
    pub validation: Vec<f64>,
    /// The epoch, from 1, that it is of.
    pub epoch: usize,
}

/// Trains `network`, which is on `device` with autodiff, and gives the state that the recipe says; goes on from what is in
/// `folder`. `validate` scores a network on the plain device; `progress` hears of steps.
///
/// # Errors
/// When a scene cannot be read, training diverges, or the disk refuses.
#[expect(clippy::too_many_arguments, reason = "what a training is made of")]
pub fn fit(
    network: DenseNetwork,
    data: &DenseData<'_>,
    config: &DenseConfig,
    folder: &Path,
    seed: u64,
    device: &Device,
    validate: &mut dyn FnMut(&DenseNetwork) -> Result<f64>,
    progress: &mut dyn FnMut(&str, usize, usize),
) -> Result<Fitted> {
    let path = folder.join("checkpoint.safetensors");
    let mut network = network.training(config.trunk);
    let mut optimiser = Adam::decayed(AdamConfig::PYTORCH, config.weight_decay);
    let mut standing = Standing::default();
    let mut best = TensorMap::new();
    if let Some(newest) = checkpoint::read_newest::<Standing>(&path, KEY)? {
        standing = newest.content;
        network = load_module(network, &crate::encoder_file::under("now.", newest.tensors.clone()));
        best = crate::encoder_file::under("best.", newest.tensors.clone());
        optimiser.restore(super::super::standing::ADAM, &newest.tensors, device);
    }
    while standing.epochs < config.epochs && !standing.is_over(config.patience) {
        let epoch = standing.epochs;
        let what = format!("epoch {}/{}", epoch + 1, config.epochs);
        let mut told = |done: usize, total: usize| progress(&what, done, total);
        let (next, loss) = train_epoch(network, &mut optimiser, data, config, (epoch, seed), device, &mut told)?;
        network = next;
        let score = if config.takes_best { validate(&network.valid())? } else { 0.0 };
        standing.epochs += 1;
        standing.losses.push(loss);
        let is_better = standing.validation.iter().all(|earlier| score > *earlier);
        standing.validation.push(score);
        if is_better || !config.takes_best {
            standing.best = standing.epochs;
            best = module_tensors(&network);
        }
        standing.save(&path, KEY, &network, &best, &optimiser)?;
    }
    let network = load_module(network, &best).valid();
    Ok(Fitted { network, validation: standing.validation, epoch: standing.best })
}

fn train_epoch(
    mut network: DenseNetwork,
    optimiser: &mut Adam,
    data: &DenseData<'_>,
    config: &DenseConfig,
    (epoch, seed): (usize, u64),
    device: &Device,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<(DenseNetwork, f64)> {
    let px = patch_px(data.store, data.train, config)?;
    let order = epoch_of_patches(data.store, data.train, px, (epoch, seed))?;
    let numbered: Vec<(usize, usize)> = order.into_iter().enumerate().collect();
    let batches: Vec<&[(usize, usize)]> = numbered.chunks(config.batch).collect();
    let (mut sum, mut steps) = (0.0, 0);
    for (done, batch) in batches.iter().enumerate() {
        let draw = |&(at, row): &(usize, usize)| {
            patch(data.store, row, (px, at, config.is_turned), (epoch, seed), data.normalisation)
        };
        let patches: Vec<Patch> = batch.par_iter().map(draw).collect::<Result<_>>()?;
        let patches: Vec<Patch> = patches.into_iter().filter(has_classes).collect();
        if patches.is_empty() {
            continue;
        }
        let total = batches.len();
        let rate = config.schedule.learning_rate(config.learning_rate, epoch * total + done, total, config.epochs);
        let (next, loss) = step(network, optimiser, &patches, px, config, rate, device);
        network = next;
        ensure!(loss.is_finite(), "the loss of the decoder is {loss}\nhint: a lower learning rate may keep it finite");
        sum += loss;
        steps += 1;
        progress(done + 1, total);
    }
    ensure!(steps > 0, "no pixel of the training part has a class\nhint: do the masks hold the task's values?");
    Ok((network, sum / f64::from(steps)))
}

/// Side of the patches: the recipe's, or that of the smallest scene.
fn patch_px(store: &Store<'_>, rows: &[usize], config: &DenseConfig) -> Result<usize> {
    let sizes = rows.iter().map(|&row| Ok(store.scene(row)?.size()));
    let smallest = sizes.collect::<Result<Vec<[usize; 2]>>>()?.into_iter().flatten().min().unwrap_or(0);
    ensure!(smallest >= 8, "pictures of {smallest} pixels are too small to learn from\nhint: 8 at the least");
    Ok(config.patch_px.min(smallest))
}

/// Patches of the training scenes, as many as statistics need: `[n, bands, px, px]` on the plain device, earlier and later
/// pictures alike.
///
/// # Errors
/// When a scene cannot be read.
pub fn some_patches(
    store: &Store<'_>,
    rows: &[usize],
    config: &DenseConfig,
    seed: u64,
    normalisation: &Normalisation,
    device: &Device,
) -> Result<Tensor<4>> {
    let px = patch_px(store, rows, config)?;
    let draw = |at: usize| patch(store, rows[at % rows.len()], (px, at, false), (0, seed), normalisation);
    let patches: Vec<Patch> = (0..STATISTICS_OF).into_par_iter().map(draw).collect::<Result<_>>()?;
    let pictures: Vec<Vec<f32>> = patches.into_iter().flat_map(|patch| patch.pictures).collect();
    let (n, size) = (pictures.len(), pictures.first().map_or(0, Vec::len));
    Ok(Tensor::from_data(TensorData::new(pictures.concat(), [n, size / (px * px), px, px]), device))
}

/// One step: the network after it, and the loss before it.
fn step(
    network: DenseNetwork,
    optimiser: &mut Adam,
    patches: &[Patch],
    px: usize,
    config: &DenseConfig,
    rate: f64,
    device: &Device,
) -> (DenseNetwork, f64) {
    let count = patches.first().map_or(0, |patch| patch.pictures.len());
    let picture = |which: usize| {
        let values: Vec<f32> = patches.iter().flat_map(|patch| &patch.pictures[which]).copied().collect();
        let bands = values.len() / (patches.len() * px * px);
        Tensor::<4>::from_data(TensorData::new(values, [patches.len(), bands, px, px]), device)
    };
    let classes: Vec<u8> = patches.iter().flat_map(|patch| &patch.classes).copied().collect();
    let logits = network.forward((0..count).map(picture).collect(), config.trunk, true);
    let loss = pixel_loss(logits, &classes);
    let gradients = GradientsParams::from_grads(loss.backward(), &network);
    let stages = network.stages();
    let layer_rate =
        |name: &str| rate * config.layer_decay.powi(i32::try_from(depth(name, stages)).unwrap_or(i32::MAX));
    (optimiser.step_by_rates(&layer_rate, network, gradients), f64::from(read(loss.without_autodiff())[0]))
}
