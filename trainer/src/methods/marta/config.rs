//! What can be set of MARTA GANs, and what must fit together.

use super::{DiscriminatorConfig, GeneratorShape};
use crate::methods::{Inputs, Outline};
use crate::parts::AdamConfig;
use crate::views::Recipe;
use serde::{Deserialize, Serialize};
use shared::encoder::EncoderConfig;

/// Sides of tiles that convolutions of stride 2 bring down to 4 × 4, with three layers to fuse.
const SIDES: [usize; 4] = [32, 64, 128, 256];

/// What the discriminator is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trunk {
    /// The encoder of `[encoder]`, which is evaluated and exported like any other.
    Encoder,
    /// The paper's own convolutions, which can be evaluated but not exported.
    Paper,
}

/// Hyper-parameters; the preset gives each its source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MartaConfig {
    /// Side of the tiles, real and generated: 32, 64, 128 or 256.
    pub px: usize,
    /// What the discriminator is made of.
    pub discriminator: Trunk,
    /// Length of the noise z.
    pub latent: usize,
    /// Channels of the generator at 4 × 4; they halve with every doubling of the side.
    pub generator_width: usize,
    /// Updates of the generator for each one of the discriminator.
    pub generator_updates: usize,
    /// What the feature matching loss is multiplied by.
    pub feature_weight: f64,
    /// The generator's optimiser; its learning rate is the run's.
    pub generator_adam: AdamConfig,
    /// What is done to a tile.
    pub view: Recipe,
}

impl MartaConfig {
    /// The paper's discriminator for tiles of `bands`, if that is the trunk.
    #[must_use]
    pub fn own_discriminator(&self, bands: usize) -> Option<DiscriminatorConfig> {
        (self.discriminator == Trunk::Paper).then_some(DiscriminatorConfig { px: self.px, bands })
    }

    /// The generator of tiles of `bands`.
    #[must_use]
    pub fn generator(&self, bands: usize) -> GeneratorShape {
        GeneratorShape { latent: self.latent, width: self.generator_width, px: self.px, bands }
    }

    /// Width of the fusion layer.
    #[must_use]
    pub fn fused_width(&self, encoder: &EncoderConfig) -> usize {
        match self.own_discriminator(encoder.bands) {
            Some(own) => own.fused_width(),
            None => encoder_fused_width(encoder, self.px),
        }
    }

    /// What stands beside the encoder.
    pub(super) fn outline(&self, encoder: &EncoderConfig, batch: usize) -> Outline {
        let generator = self.generator(encoder.bands);
        let path: Vec<String> = generator.channels().iter().map(ToString::to_string).collect();
        let fused = self.fused_width(encoder);
        Outline {
            rows: vec![
                ("noise", format!("[{batch}, {}]", self.latent)),
                ("generator", format!("{} channels, 4 px to {} px", path.join("-"), self.px)),
                ("generator parameters", format!("{:.2} M", generator.parameter_count() as f64 / 1e6)),
                ("fusion layer", format!("[{batch}, {fused}]")),
            ],
            head_parameters: fused + 1,
            // Of the generator too: weights, gradients and two moments.
            other_values: 4 * generator.parameter_count(),
            // There is no second network, but Adam has a second moment.
            networks: 2,
            // Real and generated tiles, and generated ones again for each of the generator's updates.
            passes: (2 + self.generator_updates, 1),
            own_multiply_adds: generator.multiply_adds() * 3 * self.generator_updates as u64,
            discriminator: self.own_discriminator(encoder.bands),
        }
    }

    /// Says what is wrong with the hyper-parameters, if anything.
    ///
    /// # Errors
    /// One line and a hint.
    pub(super) fn check(&self) -> Result<(), String> {
        if !SIDES.contains(&self.px) {
            return Err(format!("method.px must be 32, 64, 128 or 256, not {}\nhint: --set method.px=64", self.px));
        }
        if self.latent == 0 || self.generator_updates == 0 {
            return Err(
                "method.latent and method.generator_updates must be at least 1\nhint: --set method.latent=100".into()
            );
        }
        let least = self.px / 4;
        if self.generator_width < least || !self.generator_width.is_multiple_of(least / 2) {
            return Err(format!(
                "method.generator_width must be a multiple of {} from {least} on for {} pixels, not {}\nhint: --set \
                 method.generator_width=512",
                least / 2,
                self.px,
                self.generator_width
            ));
        }
        if !self.feature_weight.is_finite() || self.feature_weight < 0.0 {
            return Err(format!(
                "method.feature_weight must be 0 or more, not {}\nhint: --set method.feature_weight=1",
                self.feature_weight
            ));
        }
        self.generator_adam.check("method.generator_adam")
    }

    /// Says what of the run's other settings does not fit, if anything.
    ///
    /// # Errors
    /// One line and a hint.
    pub(super) fn check_inputs(&self, inputs: &Inputs<'_>) -> Result<(), String> {
        let px = self.px;
        if inputs.crop_px != [(0, px)] || inputs.input_px != px {
            return Err(format!(
                "the generator makes tiles of {px} px: train.crop_px must be [[0, {px}]] and tiles.input_px {px}\nhint: \
                 --set method.px={px} --set train.crop_px=[[0,{px}]] --set tiles.input_px={px}"
            ));
        }
        if inputs.mean.iter().chain(inputs.std).any(|&value| value != 0.5) {
            return Err(
                "the generator's tiles end in a tanh: tiles.mean and tiles.std must be 0.5 in every band\nhint: \
                        --set tiles.mean=[0.5,0.5,0.5] --set tiles.std=[0.5,0.5,0.5]"
                    .into(),
            );
        }
        if inputs.batch < 2 {
            return Err("batch statistics need at least 2 tiles\nhint: --set train.batch=64".into());
        }
        if !inputs.is_single_precision {
            return Err("the generator computes in single precision\nhint: --set train.precision=f32".into());
        }
        Ok(())
    }
}

/// The last three stages of an encoder: channels × the last one's area.
fn encoder_fused_width(encoder: &EncoderConfig, px: usize) -> usize {
    let spec = encoder.spec();
    let mut side = spec.stem.output_px(px);
    if spec.max_pool {
        side = (side + 2 - 3) / 2 + 1;
    }
    let mut channels = vec![spec.stem.outputs];
    for stage in &spec.stages {
        for conv in stage.iter().flat_map(|block| &block.convs) {
            side = conv.output_px(side);
        }
        let last = stage.last().and_then(|block| block.convs.last());
        channels.extend(last.map(|conv| conv.outputs));
    }
    channels.iter().rev().take(3).sum::<usize>() * side * side
}
