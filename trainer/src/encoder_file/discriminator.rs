//! MARTA GANs' own discriminator as a file: what `trainer evaluate` can read besides encoders, and nothing else does.

use super::{CHECKPOINT_FILE, CONFIG_FILE, ENCODER_FILE, LoadedEncoder, load_encoder, training};
use crate::config::RunConfig;
use crate::engine::checkpoint::{self, Progress};
use crate::error::UsageError;
use crate::methods::{Discriminator, DiscriminatorConfig};
use anyhow::ensure;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use shared::artifact::Training;
use shared::bands::Bands;
use shared::encoder::{load_module, module_tensors};
use shared::preprocess::Normalisation;
use shared::tensors::{NamedTensor, TensorMap};
use std::fs;
use std::path::Path;

/// Metadata key of a discriminator's file.
const KEY: &str = "solstice.discriminator";

/// What the file says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscriminatorDescription {
    /// Its sizes.
    pub discriminator: DiscriminatorConfig,
    /// Which bands.
    pub bands: Bands,
    /// Their normalisation.
    pub normalisation: Normalisation,
    /// How it was trained.
    pub training: Training,
}

/// A discriminator with all that is needed to use it.
#[derive(Clone, Debug)]
pub struct LoadedDiscriminator {
    /// What it is.
    pub description: DiscriminatorDescription,
    weights: TensorMap,
}

impl LoadedDiscriminator {
    /// The discriminator on `device`.
    ///
    /// # Errors
    /// When the weights do not fit it.
    pub fn discriminator(&self, device: &Device) -> anyhow::Result<Discriminator> {
        let empty = self.description.discriminator.random(0, device);
        let fits = |(name, tensor): (&String, &NamedTensor)| {
            self.weights.get(name).is_some_and(|found| found.shape == tensor.shape)
        };
        ensure!(
            module_tensors(&empty).iter().all(fits),
            "the weights do not fit the discriminator\nhint: the file is damaged; train or copy it again"
        );
        Ok(load_module(empty, &self.weights))
    }
}

/// Anything that can be evaluated.
#[derive(Clone, Debug)]
pub enum Evaluable {
    /// One of the project's encoders.
    Encoder(LoadedEncoder),
    /// MARTA GANs' own discriminator.
    Discriminator(LoadedDiscriminator),
}

/// Reads whatever can be evaluated: what [`load_encoder`] reads, or a discriminator.
///
/// # Errors
/// When there is nothing at `path`, or nothing that fits.
pub fn load_evaluable(path: &Path) -> anyhow::Result<Evaluable> {
    match find(path)? {
        Some(discriminator) => Ok(Evaluable::Discriminator(discriminator)),
        None => Ok(Evaluable::Encoder(load_encoder(path)?)),
    }
}

/// Writes a trained discriminator.
///
/// # Errors
/// When the disk refuses.
pub fn write_discriminator(
    path: &Path,
    config: &RunConfig,
    discriminator: DiscriminatorConfig,
    steps: usize,
    tensors: &[NamedTensor],
) -> anyhow::Result<()> {
    checkpoint::write(path, KEY, &describe(config, discriminator, steps)?, tensors)
}

/// Says so where only an encoder will do.
///
/// # Errors
/// [`UsageError`] when there is a discriminator at `path`.
pub(super) fn refuse(path: &Path) -> anyhow::Result<()> {
    if find(path)?.is_none() {
        return Ok(());
    }
    Err(UsageError::new(format!(
        "{} is MARTA GANs' own discriminator, which can be evaluated and nothing else\nhint: only an encoder can be \
         exported; train one with --set method.discriminator=encoder",
        path.display()
    ))
    .into())
}

/// The discriminator at `path`, a run folder or a file, if that is what is there.
fn find(path: &Path) -> anyhow::Result<Option<LoadedDiscriminator>> {
    let file = if path.is_dir() { path.join(ENCODER_FILE) } else { path.to_owned() };
    if file.is_file() && file.extension().is_some_and(|extension| extension == "safetensors") {
        let found = checkpoint::decode::<DiscriminatorDescription>(&fs::read(&file)?, KEY);
        return Ok(found.ok().map(|(description, weights)| LoadedDiscriminator { description, weights }));
    }
    if !path.join(CHECKPOINT_FILE).is_file() {
        return Ok(None);
    }
    let config = RunConfig::read(&path.join(CONFIG_FILE))?;
    let Some(own) = config.method.exported(config.tiles.bands.len()).discriminator else { return Ok(None) };
    let (progress, tensors): (Progress, _) = checkpoint::read(&path.join(CHECKPOINT_FILE), "checkpoint")?;
    let weights = super::under("query.discriminator.", tensors);
    Ok(Some(LoadedDiscriminator { description: describe(&config, own, progress.step)?, weights }))
}

fn describe(
    config: &RunConfig,
    discriminator: DiscriminatorConfig,
    steps: usize,
) -> anyhow::Result<DiscriminatorDescription> {
    Ok(DiscriminatorDescription {
        discriminator,
        bands: config.tiles.bands.clone(),
        normalisation: config.normalisation()?,
        training: training(config, steps)?,
    })
}
