//! A trunk with whatever a method puts behind it: the query or the key side of a momentum pair.

use super::marta::{Discriminator, fuse};
use crate::parts::{Frozen, Linear, Mlp, ProjectionHead, deinterleave, initialise, interleave, shuffle, unshuffle};
use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor};
use shared::encoder::{Encoder, EncoderConfig, NormMode, load_module, module_tensors};
use shared::kernels::computes_together;
use shared::tensors::{NamedTensor, TensorMap};

/// Trunk and whatever a method puts behind it; kinds of heads that it has not are empty.
#[derive(Module, Debug)]
pub struct Network {
    /// One of the project's encoders, unless there is a discriminator.
    encoder: Option<Encoder>,
    /// One head a subspace (contrastive methods).
    pub heads: Vec<ProjectionHead>,
    /// Classifiers of pseudo-labels (clustering methods), or of real and generated tiles (MARTA GANs).
    pub classifiers: Vec<Linear>,
    /// Projections and regressors with batch normalisation (MoCLR, distillation).
    pub mlps: Vec<Mlp>,
    /// MARTA GANs' own trunk, where there is no encoder.
    discriminator: Option<Discriminator>,
}

/// What makes the features of a [`Network`].
#[derive(Clone, Copy, Debug)]
pub enum Backbone<'a> {
    /// One of the project's encoders.
    Encoder(&'a Encoder),
    /// MARTA GANs' own discriminator.
    Discriminator(&'a Discriminator),
}

/// Pixels that batches of keys have together at most, to go through together.
const MOST_PIXELS: usize = 1 << 22;

impl Network {
    /// An encoder with `heads` projection heads of `dim` outputs, weights drawn from `seed`.
    #[must_use]
    pub fn random(config: &EncoderConfig, heads: usize, dim: usize, seed: u64, device: &Device) -> Self {
        let width = config.feature_width();
        let head = |index: usize| {
            let seed = seed.wrapping_add(1000 + 10 * index as u64);
            ProjectionHead::random(width, dim, seed, device)
        };
        Self {
            encoder: Some(initialise::random_encoder(config, seed, device)),
            heads: (0..heads).map(head).collect(),
            classifiers: Vec::new(),
            mlps: Vec::new(),
            discriminator: None,
        }
    }

    /// A discriminator without heads.
    #[must_use]
    pub fn of_discriminator(discriminator: Discriminator) -> Self {
        let (heads, classifiers, mlps) = (Vec::new(), Vec::new(), Vec::new());
        Self { encoder: None, heads, classifiers, mlps, discriminator: Some(discriminator) }
    }

    /// The trunk.
    #[must_use]
    pub fn backbone(&self) -> Backbone<'_> {
        match (&self.encoder, &self.discriminator) {
            (Some(encoder), _) => Backbone::Encoder(encoder),
            (None, Some(discriminator)) => Backbone::Discriminator(discriminator),
            (None, None) => unreachable!("every network is built with a trunk"),
        }
    }

    /// A copy of the trunk in inference mode, on the plain device.
    #[must_use]
    pub fn frozen(&self) -> Box<dyn Frozen> {
        match self.backbone() {
            Backbone::Encoder(encoder) => Box::new(encoder.valid()),
            Backbone::Discriminator(discriminator) => Box::new(discriminator.valid()),
        }
    }

    /// `[n, bands, h, w]` → features `[n, width]`.
    #[must_use]
    pub fn features(&self, x: Tensor<4>, splits: usize) -> Tensor<2> {
        let mode = NormMode::Batch { splits };
        // Heads and losses are single precision whatever the trunk computes in.
        match self.backbone() {
            Backbone::Encoder(encoder) => encoder.forward(x, mode).cast(FloatDType::F32),
            Backbone::Discriminator(discriminator) => discriminator.fused(x, mode),
        }
    }

    /// [`Self::features`] of keys: normalised in other groups than queries, so that no pair shares its companions.
    #[must_use]
    pub fn key_features(&self, x: Tensor<4>, splits: usize) -> Tensor<2> {
        unshuffle(self.features(shuffle(x, splits), splits), splits)
    }

    /// Features of several batches of keys, each `[n, bands, h, w]`, one below the other: `[batches · n, width]`. Every batch is
    /// normalised by itself, as if it came alone; with `shuffled` as in [`Self::key_features`].
    #[must_use]
    pub fn features_of_batches(&self, views: Vec<Tensor<4>>, splits: usize, shuffled: bool) -> Tensor<2> {
        let (batches, [n, _, h, w]) = (views.len(), views[0].dims());
        let Backbone::Encoder(encoder) = self.backbone() else {
            return Tensor::cat(views.into_iter().map(|view| self.features(view, splits)).collect(), 0);
        };
        // A graphics device is slow in many small passes; memory is dear where tiles are large, and on the CPU nothing is gained.
        if !computes_together(&views[0].device()) || batches * n * h * w > MOST_PIXELS {
            let features = views.into_iter().map(|view| match shuffled {
                true => self.key_features(view, splits),
                false => self.features(view, splits),
            });
            return Tensor::cat(features.collect(), 0);
        }
        let x = interleave(Tensor::cat(views, 0), batches, splits, shuffled);
        let mode = NormMode::Batches { batches, splits };
        deinterleave(encoder.forward(x, mode).cast(FloatDType::F32), batches, splits, shuffled)
    }

    /// `[n, bands, h, w]` → the fusion layer `[n, fused width]` (MARTA GANs): the last three feature maps side by side.
    #[must_use]
    pub fn fused(&self, x: Tensor<4>, mode: NormMode) -> Tensor<2> {
        match self.backbone() {
            Backbone::Encoder(encoder) => fuse(encoder.feature_maps(x, mode)),
            Backbone::Discriminator(discriminator) => discriminator.fused(x, mode),
        }
    }

    /// Every tensor, buffers included, under `prefix.`.
    #[must_use]
    pub fn state(&self, prefix: &str) -> Vec<NamedTensor> {
        module_state(self, prefix)
    }

    /// Takes back [`Self::state`].
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn restore(self, prefix: &str, state: &TensorMap) -> anyhow::Result<Self> {
        restore_module(self, prefix, state)
    }
}

/// Every tensor of `module`, buffers included, under `prefix.`.
pub(super) fn module_state<M: Module>(module: &M, prefix: &str) -> Vec<NamedTensor> {
    let tensors = module_tensors(module).into_values();
    tensors.map(|tensor| NamedTensor { name: format!("{prefix}.{}", tensor.name), ..tensor }).collect()
}

/// Takes back [`module_state`].
///
/// # Errors
/// When a tensor is missing or has another shape.
pub(super) fn restore_module<M: Module>(module: M, prefix: &str, state: &TensorMap) -> anyhow::Result<M> {
    let mut own = TensorMap::new();
    for (name, tensor) in module_tensors(&module) {
        let stored = format!("{prefix}.{name}");
        let found = state.get(&stored).filter(|found| found.shape == tensor.shape);
        let found = found.ok_or_else(|| {
            anyhow::anyhow!(
                "the checkpoint has no {stored:?} of shape {:?}\nhint: it was written by another \
                 configuration; resume with the run's own config.toml",
                tensor.shape
            )
        })?;
        own.insert(name, found.clone());
    }
    Ok(load_module(module, &own))
}
