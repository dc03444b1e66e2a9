//! The self-supervised methods, one file each. They know nothing of files, epochs, progress bars or evaluation.
//!
//! A method is hyper-parameters, a [`Method`] (what happens in a step) and a [`Definition`] (what the rest of the program
//! asks of it: name, recipes, needs, outline, checks, export), all in its own file, and a line in `list.rs`.

mod deeper_cluster;
mod definition;
mod distill;
mod dnc;
mod epoch;
mod list;
mod marta;
mod moclr;
mod moco;
mod network;
mod seco;

pub use deeper_cluster::{DeeperCluster, DeeperClusterConfig};
pub use definition::{Definition, Exported, Inputs, Needs, Outline, Preset, Setup};
pub use distill::{Distill, DistillConfig, Layer, Targets, Teacher, Teachers};
pub use dnc::{DncConfig, share_budget};
pub use epoch::{ClusteringSummary, Encode, EpochContext, EpochEnd, EpochPlan, Generated, PlaceFeatures, StepContext};
pub use list::{MethodConfig, presets};
pub use marta::{
    Discriminator, DiscriminatorConfig, Generator, GeneratorShape, Marta, MartaConfig, Trunk as MartaTrunk, fuse,
};
pub use moclr::{Moclr, MoclrConfig};
pub use moco::{Moco, MocoConfig, MocoTp};
pub use network::{Backbone, Network};
pub use seco::{SUBSPACES, Seco, SecoConfig};

use crate::views::ViewSet;
use burn::tensor::Tensor;
use shared::tensors::{NamedTensor, TensorMap};

/// The default of switches that only comparisons turn off.
fn yes() -> bool {
    true
}

/// What one forward pass of a method gives the training loop.
#[derive(Debug)]
pub struct Losses {
    /// What is minimised, `[1]`.
    pub total: Tensor<1>,
    /// Its parts by name, each `[1]`.
    pub parts: Vec<(&'static str, Tensor<1>)>,
    /// Share of queries whose positive has the highest logit, of every part, `[1]` each; the mean of them is told.
    pub accuracy: Vec<Tensor<1>>,
    /// Projections of the query view in the first subspace, `[n, dim]`, rows of length 1, without gradient.
    pub embeddings: Tensor<2>,
}

/// A method in training: its networks, queues and losses.
pub trait Method {
    /// Which dates and augmentations the loader shall prepare, in the order in which [`Self::losses`] takes them.
    fn views(&self) -> ViewSet;

    /// Told before each epoch, and once more when a run is resumed in the middle of one. What is done here must depend on
    /// the method's state and the context alone, so that a resumed run does it again alike.
    ///
    /// # Errors
    /// When a tile cannot be read, or the data is not that of the checkpoint.
    fn begin_epoch(&mut self, _context: &mut EpochContext<'_>) -> anyhow::Result<EpochPlan> {
        Ok(EpochPlan::default())
    }

    /// Told before each step's [`Self::losses`].
    ///
    /// # Errors
    /// When something that should be known of a place is not.
    fn begin_step(&mut self, _context: &StepContext<'_>) -> anyhow::Result<()> {
        Ok(())
    }

    /// One forward pass: moves the key network's average on, encodes, computes the losses, fills the queues.
    ///
    /// `views[i]` is `[n, bands, px, px]` on the plain device (without autodiff).
    fn losses(&mut self, views: Vec<Tensor<4>>) -> Losses;

    /// Told after the optimiser's step at learning rate `lr`: a method with further networks of its own trains them here.
    /// Their losses, each `[1]`, to be reported with the step's.
    fn end_step(&mut self, _lr: f64) -> Vec<(&'static str, Tensor<1>)> {
        Vec::new()
    }

    /// Told after the last step of an epoch whose mean loss was `loss`.
    ///
    /// # Errors
    /// When what was made cannot be read from the device.
    fn end_epoch(&mut self, _loss: f64) -> anyhow::Result<EpochEnd> {
        Ok(EpochEnd::default())
    }

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
