//! An encoder with its projection heads: the query or the key side of a momentum pair.

use crate::parts::{Linear, Mlp, ProjectionHead, initialise};
use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor};
use shared::encoder::{Encoder, EncoderConfig, NormMode, load_module, module_tensors};
use shared::tensors::{NamedTensor, TensorMap};

/// Backbone and whatever a method puts behind it; kinds of heads that it has not are empty.
#[derive(Module, Debug)]
pub struct Network {
    /// The backbone.
    pub encoder: Encoder,
    /// One head a subspace (contrastive methods).
    pub heads: Vec<ProjectionHead>,
    /// Classifiers of pseudo-labels (clustering methods).
    pub classifiers: Vec<Linear>,
    /// Projections and regressors with batch normalisation (MoCLR, distillation).
    pub mlps: Vec<Mlp>,
}

impl Network {
    /// A network with `heads` projection heads of `dim` outputs, weights drawn from `seed`.
    #[must_use]
    pub fn random(config: &EncoderConfig, heads: usize, dim: usize, seed: u64, device: &Device) -> Self {
        let width = config.feature_width();
        let head = |index: usize| {
            let seed = seed.wrapping_add(1000 + 10 * index as u64);
            ProjectionHead::random(width, dim, seed, device)
        };
        Self {
            encoder: initialise::random_encoder(config, seed, device),
            heads: (0..heads).map(head).collect(),
            classifiers: Vec::new(),
            mlps: Vec::new(),
        }
    }

    /// `[n, bands, h, w]` → features `[n, width]`.
    #[must_use]
    pub fn features(&self, x: Tensor<4>, splits: usize) -> Tensor<2> {
        // Heads and losses are single precision whatever the encoder computes in.
        self.encoder.forward(x, NormMode::Batch { splits }).cast(FloatDType::F32)
    }

    /// Every tensor, buffers included, under `prefix.`.
    #[must_use]
    pub fn state(&self, prefix: &str) -> Vec<NamedTensor> {
        let tensors = module_tensors(self).into_values();
        tensors.map(|tensor| NamedTensor { name: format!("{prefix}.{}", tensor.name), ..tensor }).collect()
    }

    /// Takes back [`Self::state`].
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn restore(self, prefix: &str, state: &TensorMap) -> anyhow::Result<Self> {
        let mut own = TensorMap::new();
        for (name, tensor) in module_tensors(&self) {
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
        Ok(load_module(self, &own))
    }
}
