//! The self-supervised methods, one file each, in the order of their papers. They know nothing of files, epochs,
//! progress bars or evaluation.

mod deeper_cluster;
mod distill;
mod dnc;
mod epoch;
mod marta;
mod moclr;
mod moco;
mod network;
mod seco;

pub use deeper_cluster::{DeeperCluster, DeeperClusterConfig};
pub use distill::{Distill, DistillConfig, Layer, Targets, Teacher, Teachers};
pub use dnc::{DncConfig, share_budget};
pub use epoch::{ClusteringSummary, Encode, EpochContext, EpochEnd, EpochPlan, Generated, StepContext, Survey};
pub use marta::{
    Discriminator, DiscriminatorConfig, Generator, GeneratorShape, Marta, MartaConfig, Trunk as MartaTrunk, fuse,
};
pub use moclr::{Moclr, MoclrConfig};
pub use moco::{Moco, MocoConfig};
pub use network::{Backbone, Network};
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
    /// DeeperCluster: turns and hierarchical clusters as pseudo-labels; DeepCluster and RotNet by its settings.
    DeeperCluster(DeeperClusterConfig),
    /// MoCLR: Divide and Contrast's base, contrast within the batch against a momentum target.
    Moclr(MoclrConfig),
    /// Distillation of one encoder, or of a base and its experts, into another.
    Distill(DistillConfig),
    /// MARTA GANs: a discriminator of real and generated tiles as the encoder.
    Marta(MartaConfig),
}

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
    /// Share of queries whose positive has the highest logit, averaged over the parts, `[1]`.
    pub accuracy: Tensor<1>,
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

impl MethodConfig {
    /// The name used in presets and reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MocoV2(_) => "moco-v2",
            Self::MocoTp(_) => "moco-tp",
            Self::Seco(_) => "seco",
            Self::DeeperCluster(_) => "deeper-cluster",
            Self::Moclr(_) => "moclr",
            Self::Distill(_) => "distill",
            Self::Marta(_) => "marta",
        }
    }

    /// Sets the method up with weights drawn from `seed`; `teachers` are those that a distillation names, none else.
    #[must_use]
    pub fn init(&self, encoder: &EncoderConfig, teachers: Teachers, seed: u64, device: &Device) -> Box<dyn Method> {
        match self {
            Self::MocoV2(config) => Box::new(Moco::new(config.clone(), false, encoder, seed, device)),
            Self::MocoTp(config) => Box::new(Moco::new(config.clone(), true, encoder, seed, device)),
            Self::Seco(config) => Box::new(Seco::new(config.clone(), encoder, seed, device)),
            Self::DeeperCluster(config) => Box::new(DeeperCluster::new(config.clone(), encoder, seed, device)),
            Self::Moclr(config) => Box::new(Moclr::new(config.clone(), encoder, seed, device)),
            Self::Distill(config) => Box::new(Distill::new(config.clone(), teachers, encoder, seed, device)),
            Self::Marta(config) => Box::new(Marta::new(config.clone(), encoder, seed, device)),
        }
    }

    /// Rows of each queue, which every batch size must divide; none for a method without queues.
    #[must_use]
    pub fn queue_length(&self) -> Option<usize> {
        match self {
            Self::MocoV2(config) | Self::MocoTp(config) => Some(config.queue),
            Self::Seco(config) => Some(config.queue),
            Self::DeeperCluster(_) | Self::Moclr(_) | Self::Distill(_) | Self::Marta(_) => None,
        }
    }

    /// Groups of split BatchNorm: it must divide every batch size.
    #[must_use]
    pub fn norm_splits(&self) -> usize {
        match self {
            Self::MocoV2(config) | Self::MocoTp(config) => config.norm_splits,
            Self::Seco(config) => config.norm_splits,
            Self::DeeperCluster(config) => config.norm_splits,
            Self::Moclr(config) => config.norm_splits,
            Self::Distill(config) => config.norm_splits,
            Self::Marta(_) => 1,
        }
    }

    /// Dates drawn for each sample.
    #[must_use]
    pub fn dates_drawn(&self) -> usize {
        match self {
            Self::Seco(_) => 3,
            Self::MocoTp(_) => 2,
            Self::Moclr(config) => 1 + usize::from(config.temporal),
            Self::MocoV2(_) | Self::DeeperCluster(_) | Self::Distill(_) | Self::Marta(_) => 1,
        }
    }

    /// What is allowed and probably not meant, a sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let (splits, shuffles) = match self {
            Self::MocoV2(config) | Self::MocoTp(config) => (config.norm_splits, config.shuffle_bn),
            Self::Seco(config) => (config.norm_splits, config.shuffle_bn),
            // Without a queue all keys of a group have the same statistics: they give no positive away.
            Self::DeeperCluster(_) | Self::Moclr(_) | Self::Distill(_) | Self::Marta(_) => return Vec::new(),
        };
        let what = match (splits, shuffles) {
            (1, _) => {
                "method.norm_splits = 1: a query shares its batch statistics with its positive and not with the queue"
            }
            (_, false) => "method.shuffle_bn = false: a query and its positive are normalised with the same companions",
            (_, true) => return Vec::new(),
        };
        vec![format!(
            "{what}; contrast can learn that instead of pictures (hint: --set method.norm_splits=8, shuffle_bn=true)"
        )]
    }

    /// Batches encoded with gradients, and without, in a step, for cost estimates.
    #[must_use]
    pub fn passes(&self) -> (usize, usize) {
        match self {
            Self::MocoV2(_) | Self::MocoTp(_) => (1, 1),
            Self::Seco(_) => (1, 3),
            Self::DeeperCluster(_) => (1, 0),
            Self::Moclr(_) => (2, 2),
            // The teachers are other networks: their cost is not counted here.
            Self::Distill(_) => (1, 0),
            // Real and generated tiles, and generated ones again for each of the generator's updates.
            Self::Marta(config) => (2 + config.generator_updates, 1),
        }
    }

    /// Whether a place must show the same ground each time it is read, because something is remembered of it.
    #[must_use]
    pub fn remembers_places(&self) -> bool {
        match self {
            Self::MocoV2(_) | Self::MocoTp(_) | Self::Seco(_) | Self::Moclr(_) | Self::Marta(_) => false,
            Self::DeeperCluster(config) => config.clusters(),
            Self::Distill(config) => config.targets == Targets::Centre || !config.experts.is_empty(),
        }
    }

    /// What stands behind `encoder`, for `--dry-run`.
    #[must_use]
    pub fn outline(&self, encoder: &EncoderConfig, batch: usize) -> Outline {
        let width = encoder.feature_width();
        match self {
            Self::MocoV2(MocoConfig { queue, dim, .. }) | Self::MocoTp(MocoConfig { queue, dim, .. }) => {
                contrastive_outline(1, *queue, *dim, width, batch)
            }
            Self::Seco(config) => contrastive_outline(SUBSPACES.len(), config.queue, config.dim, width, batch),
            Self::DeeperCluster(config) => {
                let (count, subs) = (config.super_classes(), config.sub_clusters);
                Outline {
                    rows: vec![
                        ("super-class logits", format!("[{batch}, {count}]")),
                        ("sub-class logits", format!("[{batch}, {count} × {subs}]")),
                        ("clustered", format!("every {} epochs", config.every_epochs)),
                    ],
                    head_parameters: (width + 1) * count * (1 + subs),
                    ..Outline::default()
                }
            }
            Self::Moclr(config) => Outline {
                rows: vec![
                    ("head", format!("[{batch}, {width}] → [{batch}, {}] → [{batch}, {}]", config.hidden, config.dim)),
                    ("logits", format!("2 × [{batch}, {batch}]")),
                ],
                head_parameters: config.head(width).parameters(),
                networks: 2,
                ..Outline::default()
            },
            Self::Distill(config) => config.outline(width, batch),
            Self::Marta(config) => config.outline(encoder, batch),
        }
    }

    /// Says what is wrong with the hyper-parameters, if anything: one line and a hint.
    ///
    /// # Errors
    /// With those words.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::MocoV2(_) | Self::MocoTp(_) | Self::Seco(_) | Self::Moclr(_) => Ok(()),
            Self::DeeperCluster(config) => config.check(),
            Self::Distill(config) => config.check(),
            Self::Marta(config) => config.check(),
        }
    }

    /// Says what of the run's other settings the method cannot work with, if anything: one line and a hint.
    ///
    /// # Errors
    /// With those words.
    pub fn check_inputs(&self, inputs: &Inputs<'_>) -> Result<(), String> {
        match self {
            Self::Marta(config) => config.check_inputs(inputs),
            _ => Ok(()),
        }
    }

    /// The discriminator that takes the encoder's place, for tiles of `bands`; none for the other methods.
    #[must_use]
    pub fn own_discriminator(&self, bands: usize) -> Option<DiscriminatorConfig> {
        match self {
            Self::Marta(config) => config.own_discriminator(bands),
            _ => None,
        }
    }
}

/// Settings of a run that a method may have to agree with.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Sides of the crops, each from an epoch on.
    pub crop_px: &'a [(usize, usize)],
    /// Side of a tile at evaluation.
    pub input_px: usize,
    /// Normalisation by band.
    pub mean: &'a [f32],
    /// The same.
    pub std: &'a [f32],
    /// Places a step.
    pub batch: usize,
    /// Whether everything is computed in f32.
    pub is_single_precision: bool,
}

/// What a method keeps beside its encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Names and shapes to print.
    pub rows: Vec<(&'static str, String)>,
    /// Trainable parameters behind the encoder.
    pub head_parameters: usize,
    /// Values kept beside weights (queues).
    pub other_values: usize,
    /// Copies of encoder and heads that are held: 2 with a momentum network.
    pub networks: usize,
    /// Multiply-adds a tile and step beside the encoder's.
    pub own_multiply_adds: u64,
    /// What takes the encoder's place.
    pub discriminator: Option<DiscriminatorConfig>,
}

impl Default for Outline {
    /// One network and nothing beside it.
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            head_parameters: 0,
            other_values: 0,
            networks: 1,
            own_multiply_adds: 0,
            discriminator: None,
        }
    }
}

fn contrastive_outline(heads: usize, queue: usize, dim: usize, width: usize, batch: usize) -> Outline {
    Outline {
        rows: vec![
            ("projections", format!("{heads} × [{batch}, {dim}]")),
            ("queues", format!("{heads} × [{queue}, {dim}]")),
        ],
        head_parameters: heads * ((width + 1) * width + (width + 1) * dim),
        other_values: heads * queue * dim,
        networks: 2,
        ..Outline::default()
    }
}
