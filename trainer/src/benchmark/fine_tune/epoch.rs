//! One pass over the training pictures, and what a network makes of others.

use anyhow::{Result, anyhow, ensure};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use shared::compare::argmax;
use shared::encoder::NormMode;
use shared::preprocess::{self, normalise};

use super::config::{Encoder, FineTuneConfig};
use super::labelled::Labelled;
use super::network::{TunedNetwork, cross_entropy};
use crate::data::evenly_spaced;
use crate::parts::{Adam, read};
use crate::views::{Palette, view_rng};

/// Pictures a forward pass when nothing is learned.
const BATCH: usize = 128;
/// Pictures that an exported model's batch normalisation is set up from.
const STATISTICS_OF: usize = 256;

/// One step: the network after it, and the loss before it.
///
/// # Shapes
/// `pixels` `[labels.len(), bands, px, px]`
pub fn step(
    network: TunedNetwork,
    optimiser: &mut Adam,
    pixels: Tensor<4>,
    labels: &[usize],
    config: &FineTuneConfig,
    rate: f64,
) -> (TunedNetwork, Tensor<1>) {
    let mode = NormMode::Batch { splits: 1 };
    let (logits, stages) = (
        match config.encoder {
            Encoder::Whole => network.logits(pixels.autodiff(), mode),
            Encoder::StatisticsOnly => {
                // The statistics are the network's own; nothing else of the encoder has a gradient.
                let features = network.encoder.forward(pixels.autodiff(), mode).without_autodiff();
                network.head.forward(features.autodiff())
            }
        },
        network.encoder.config().spec().stages.len(),
    );
    let loss = cross_entropy(logits, labels, config.label_smoothing);
    let gradients = GradientsParams::from_grads(loss.backward(), &network);
    let layer_rate = |name: &str| {
        let depth = TunedNetwork::depth(name, stages);
        rate * config.layer_decay.powi(i32::try_from(depth).unwrap_or(i32::MAX))
    };
    (optimiser.step_by_rates(&layer_rate, network, gradients), loss.without_autodiff())
}

/// All training pictures once, in an order that depends on seed and epoch. The mean loss.
///
/// # Errors
/// When a picture cannot be read, or the loss is no finite number.
pub fn train_epoch(
    mut network: TunedNetwork,
    optimiser: &mut Adam,
    data: &Labelled<'_>,
    config: &FineTuneConfig,
    (epoch, seed): (usize, u64),
    device: &Device,
    mut progress: impl FnMut(usize, usize),
) -> Result<(TunedNetwork, f64)> {
    let mut order: Vec<usize> = (0..data.train.len()).collect();
    order.shuffle(&mut view_rng(seed, epoch as u64, u64::MAX));
    // A last batch of one picture has no batch statistics.
    let batches: Vec<&[usize]> =
        order.chunks(config.batch).filter(|batch| batch.len() > 1 || order.len() == 1).collect();
    ensure!(!batches.is_empty(), "fine-tuning needs two training pictures\nhint: name more in the training list");
    let mut sum = 0.0;
    for (done, batch) in batches.iter().enumerate() {
        let rows: Vec<usize> = batch.iter().map(|&at| data.train[at]).collect();
        let pixels = views(&rows, data, config, (epoch, seed))?;
        let pixels =
            Tensor::<4>::from_data(TensorData::new(pixels, [rows.len(), data.bands(), data.px, data.px]), device);
        let labels: Vec<usize> = rows.iter().map(|&row| data.labels[row]).collect();
        let steps = batches.len();
        let rate = config.schedule.learning_rate(config.learning_rate, epoch * steps + done, steps, config.epochs);
        let (next, loss) = step(network, optimiser, pixels, &labels, config, rate);
        network = next;
        let loss = f64::from(read(loss)[0]);
        ensure!(loss.is_finite(), "the loss of fine-tuning is {loss}\nhint: a lower learning rate may keep it finite");
        sum += loss;
        progress(done + 1, batches.len());
    }
    Ok((network, sum / batches.len() as f64))
}

/// Training pictures as the recipe changes them: `[rows, bands, px, px]`.
fn views(
    rows: &[usize],
    data: &Labelled<'_>,
    config: &FineTuneConfig,
    (epoch, seed): (usize, u64),
) -> Result<Vec<f32>> {
    let palette = Palette::new(data.band_names, data.range, data.normalisation.mean());
    let view = |&row: &usize| -> Result<Vec<f32>> {
        let mut rng = view_rng(seed, epoch as u64, row as u64);
        let mut tile = config.view.apply(&(data.read)(row)?, data.px, palette, &mut rng)?;
        normalise(&mut tile, data.normalisation)?;
        Ok(tile.into_pixels())
    };
    Ok(rows.par_iter().map(view).collect::<Result<Vec<_>>>()?.concat())
}

/// Training pictures without augmentation, as many as statistics need: `[n, bands, px, px]` on the plain device.
///
/// # Errors
/// When a picture cannot be read.
pub fn some_pictures(data: &Labelled<'_>, device: &Device) -> Result<Tensor<4>> {
    let rows: Vec<usize> = evenly_spaced(data.train.len(), STATISTICS_OF).map(|at| data.train[at]).collect();
    pictures(&rows, data, device)
}

/// Pictures as they are tested: `[rows, bands, px, px]`.
fn pictures(rows: &[usize], data: &Labelled<'_>, device: &Device) -> Result<Tensor<4>> {
    let prepare = |&row: &usize| {
        let tile = (data.read)(row)?;
        Ok(preprocess::batch(std::slice::from_ref(&tile), data.normalisation, data.px)?)
    };
    let pixels = rows.par_iter().map(prepare).collect::<Result<Vec<_>>>()?.concat();
    Ok(Tensor::from_data(TensorData::new(pixels, [rows.len(), data.bands(), data.px, data.px]), device))
}

/// The classes that the network gives to `rows`, with running statistics.
///
/// # Errors
/// When a picture cannot be read, or an answer is no finite number.
pub fn predict(network: &TunedNetwork, rows: &[usize], data: &Labelled<'_>, device: &Device) -> Result<Vec<usize>> {
    let network = network.valid();
    let mut found = Vec::with_capacity(rows.len());
    for batch in rows.chunks(BATCH) {
        let logits = read(network.logits(pictures(batch, data, device)?, NormMode::Running));
        let class =
            |row: &[f32]| argmax(row).ok_or_else(|| anyhow!("an answer of the fine-tuned encoder is no number"));
        found.extend(logits.chunks_exact(data.classes).map(class).collect::<Result<Vec<_>>>()?);
    }
    Ok(found)
}
