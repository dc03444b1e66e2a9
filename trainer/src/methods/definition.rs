//! What the program asks of a method before it trains. Each method fills in one [`Definition`] in its own file, beside its
//! mathematics; [`super::MethodConfig`] is the list of them.

use super::marta::DiscriminatorConfig;
use super::{DistillConfig, Method, Teachers};
use crate::parts::mlp::MlpShape;
use crate::views::Recipe;
use burn::tensor::Device;
use shared::encoder::EncoderConfig;

/// A method's entry: all that is known of it outside its own file.
pub trait Definition {
    /// Its hyper-parameters, the `[method]` table; the defaults of a preset are its paper's.
    type Config;

    /// The name used in presets and reports.
    const NAME: &'static str;

    /// Its recipes, the paper's first.
    const PRESETS: &'static [Preset];

    /// Sets the method up.
    fn init(config: Self::Config, setup: Setup<'_>) -> Box<dyn Method>;

    /// What it asks of data and batches.
    fn needs(config: &Self::Config) -> Needs;

    /// What stands behind `encoder`, for `--dry-run`.
    fn outline(config: &Self::Config, encoder: &EncoderConfig, batch: usize) -> Outline;

    /// What leaves with a trained encoder of tiles of `bands`.
    fn exported(config: &Self::Config, bands: usize) -> Exported;

    /// Says what is wrong with the hyper-parameters, if anything: one line and a hint.
    ///
    /// # Errors
    /// With those words.
    fn check(config: &Self::Config) -> Result<(), String>;

    /// Says what of the run's other settings the method cannot work with, if anything: one line and a hint.
    ///
    /// # Errors
    /// With those words.
    fn check_inputs(_config: &Self::Config, _inputs: &Inputs<'_>) -> Result<(), String> {
        Ok(())
    }

    /// What is allowed and probably not meant, a sentence each.
    fn warnings(_config: &Self::Config) -> Vec<String> {
        Vec::new()
    }

    /// The networks that it learns from, where it does: they are opened for it.
    fn distillation(_config: &Self::Config) -> Option<&DistillConfig> {
        None
    }

    /// The projection behind an encoder of `width` features, where it has one that others can learn from and divide by.
    fn projection(_config: &Self::Config, _width: usize) -> Option<MlpShape> {
        None
    }

    /// The augmentation that `trainer study` varies, where there is a single one.
    fn studied_view(_config: &mut Self::Config) -> Option<&mut Recipe> {
        None
    }
}

/// A recipe that can be named on the command line: a whole configuration but for the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// What `--preset` takes.
    pub name: &'static str,
    /// The command that trains by it.
    pub command: &'static str,
    /// What it learns from, a few words.
    pub about: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// The configuration (TOML).
    pub text: &'static str,
}

impl Preset {
    /// A recipe of `trainer pretrain`.
    #[must_use]
    pub const fn new(name: &'static str, about: &'static str, source: &'static str, text: &'static str) -> Self {
        Self { name, command: "pretrain", about, source, text }
    }
}

/// What a method is set up with.
#[derive(Debug)]
pub struct Setup<'a> {
    /// The encoder to train.
    pub encoder: &'a EncoderConfig,
    /// Those that [`Definition::distillation`] names, none else.
    pub teachers: Teachers,
    /// Weights are drawn from it.
    pub seed: u64,
    /// The plain device (without autodiff).
    pub device: &'a Device,
}

/// What a method asks of data and batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Dates drawn for each sample.
    pub dates: usize,
    /// Rows of each queue, which every batch size must divide; none for a method without queues.
    pub queue: Option<usize>,
    /// Groups of split BatchNorm: it must divide every batch size.
    pub norm_splits: usize,
    /// Whether a place must show the same ground each time it is read, because something is remembered of it.
    pub same_ground: bool,
}

/// What of a method leaves with the trained encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Names of the subspaces that its heads make, in the order of the heads; none where heads are discarded.
    pub subspaces: &'static [&'static str],
    /// What takes the encoder's place, and can be evaluated but not exported.
    pub discriminator: Option<DiscriminatorConfig>,
}

impl Exported {
    /// The encoder alone, as all but a few papers have it.
    #[must_use]
    pub const fn encoder() -> Self {
        Self { subspaces: &[], discriminator: None }
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

/// What a method keeps beside its encoder, and what a step costs.
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
    /// Batches encoded with gradients, and without, in a step.
    pub passes: (usize, usize),
    /// Multiply-adds a tile and step beside the encoder's.
    pub own_multiply_adds: u64,
    /// What takes the encoder's place.
    pub discriminator: Option<DiscriminatorConfig>,
}

impl Default for Outline {
    /// One network that sees one view, and nothing beside it.
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            head_parameters: 0,
            other_values: 0,
            networks: 1,
            passes: (1, 0),
            own_multiply_adds: 0,
            discriminator: None,
        }
    }
}

impl Outline {
    /// A momentum pair with `heads` projections of `dim`, and a queue of so many `rows` for each, behind an encoder of `width`
    /// features; `keys` batches are encoded without gradient.
    pub(super) fn of_queues(heads: usize, [rows, dim]: [usize; 2], keys: usize, width: usize, batch: usize) -> Self {
        Self {
            rows: vec![
                ("projections", format!("{heads} × [{batch}, {dim}]")),
                ("queues", format!("{heads} × [{rows}, {dim}]")),
            ],
            head_parameters: heads * ((width + 1) * width + (width + 1) * dim),
            other_values: heads * rows * dim,
            networks: 2,
            passes: (1, keys),
            ..Self::default()
        }
    }
}

/// What is wrong with the normalisation of a method that has a queue: without one all keys of a group have the same
/// statistics, and give no positive away.
pub(super) fn leaks(norm_splits: usize, shuffle_bn: bool) -> Vec<String> {
    let what = match (norm_splits, shuffle_bn) {
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
