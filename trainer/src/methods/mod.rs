//! The self-supervised methods, one file each, in the order of their papers. They know nothing of files, epochs,
//! progress bars or evaluation.

mod moco;
mod network;
mod seco;

pub use moco::{Moco, MocoConfig};
pub use network::Network;
pub use seco::{SUBSPACES, Seco, SecoConfig};

use crate::views::ViewSet;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use shared::encoder::EncoderConfig;
use shared::tensors::{NamedTensor, TensorMap};

/// Which method, with its hyper-parameters; the defaults of a preset are its paper's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum MethodConfig {
    /// MoCo-v2: every picture its own class, two augmented views of one date.
    MocoV2(MocoConfig),
    /// MoCo-v2 with temporal positives: the two views come from two dates of a place.
    MocoTp(MocoConfig),
    /// Seasonal Contrast: three subspaces over three dates.
    Seco(SecoConfig),
}

/// What one forward pass of a method gives the training loop.
#[derive(Debug)]
pub struct Losses {
    /// What is minimised, `[1]`.
    pub total: Tensor<1>,
    /// Its parts by name, each `[1]`.
    pub parts: Vec<(&'static str, Tensor<1>)>,
    /// Share of queries whose positive has the highest logit, averaged over the parts, `[1]`.
    pub accuracy: Tensor<1>,
    /// Projections of the query view in the first subspace, `[n, dim]`, rows of length 1, without gradient.
    pub embeddings: Tensor<2>,
}

/// A method in training: its networks, queues and losses.
pub trait Method {
    /// Which dates and augmentations the loader shall prepare, in the order in which [`Self::losses`] takes them.
    fn views(&self) -> ViewSet;

    /// One forward pass: moves the key network's average on, encodes, computes the losses, fills the queues.
    ///
    /// `views[i]` is `[n, bands, px, px]` on the plain device (without autodiff).
    fn losses(&mut self, views: Vec<Tensor<4>>) -> Losses;

    /// What the optimiser changes.
    fn query(&self) -> &Network;

    /// Puts back what the optimiser changed.
    fn set_query(&mut self, network: Network);

    /// Everything beside the query network that a resumed run needs.
    fn state(&self) -> Vec<NamedTensor>;

    /// Takes back [`Self::state`].
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    fn restore(&mut self, state: &TensorMap) -> anyhow::Result<()>;
}

impl MethodConfig {
    /// The name used in presets and reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MocoV2(_) => "moco-v2",
            Self::MocoTp(_) => "moco-tp",
            Self::Seco(_) => "seco",
        }
    }

    /// Sets the method up with weights drawn from `seed`.
    #[must_use]
    pub fn init(&self, encoder: &EncoderConfig, seed: u64, device: &Device) -> Box<dyn Method> {
        match self {
            Self::MocoV2(config) => Box::new(Moco::new(config.clone(), false, encoder, seed, device)),
            Self::MocoTp(config) => Box::new(Moco::new(config.clone(), true, encoder, seed, device)),
            Self::Seco(config) => Box::new(Seco::new(config.clone(), encoder, seed, device)),
        }
    }

    /// Rows of each queue: every batch size must divide it.
    #[must_use]
    pub fn queue_length(&self) -> usize {
        match self {
            Self::MocoV2(config) | Self::MocoTp(config) => config.queue,
            Self::Seco(config) => config.queue,
        }
    }

    /// Groups of split BatchNorm: it must divide every batch size.
    #[must_use]
    pub fn norm_splits(&self) -> usize {
        match self {
            Self::MocoV2(config) | Self::MocoTp(config) => config.norm_splits,
            Self::Seco(config) => config.norm_splits,
        }
    }

    /// Views encoded with gradients, and without, for cost estimates.
    #[must_use]
    pub fn passes(&self) -> (usize, usize) {
        match self {
            Self::MocoV2(_) | Self::MocoTp(_) => (1, 1),
            Self::Seco(_) => (1, 3),
        }
    }

    /// Projection heads, in the order of the subspaces.
    #[must_use]
    pub fn heads(&self) -> usize {
        match self {
            Self::MocoV2(_) | Self::MocoTp(_) => 1,
            Self::Seco(_) => 3,
        }
    }

    /// Width of a projection.
    #[must_use]
    pub fn dim(&self) -> usize {
        match self {
            Self::MocoV2(config) | Self::MocoTp(config) => config.dim,
            Self::Seco(config) => config.dim,
        }
    }
}
