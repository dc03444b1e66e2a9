//! What a model file says about itself.

use serde::{Deserialize, Serialize};

use super::sealed::SealedManifest;
use super::{ArtifactError, WeightFormat};
use crate::bands::Bands;
use crate::encoder::{EncoderConfig, Pooling};
use crate::preprocess::Normalisation;
use crate::tile::Tile;

/// The version of the manifest that this code writes; it reads all from 1 up to this.
pub const FORMAT_VERSION: u32 = 2;
/// Largest side of the input, in pixels.
const MAX_INPUT_PX: usize = 1024;
/// Most bands of the input.
const MAX_BANDS: usize = 256;
/// Longest name of a subspace.
const MAX_NAME_LEN: usize = 64;

/// The manifest: everything needed to use a model, and what is known about it.
///
/// A field more or less is a new [`FORMAT_VERSION`]; unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this structure. Set on writing.
    pub format_version: u32,
    /// What the model is called.
    pub name: String,
    /// The network.
    pub encoder: EncoderConfig,
    /// Whether batch normalisation is folded into the convolutions.
    pub folded: bool,
    /// What the planes of a tile mean, in order.
    pub bands: Bands,
    /// Brings tiles on the unit scale to what the network was trained on.
    pub normalisation: Normalisation,
    /// Side of the square input, in pixels.
    pub input_px: usize,
    /// What is read out of the feature maps; version 1 knew the mean only.
    #[serde(default)]
    pub pooling: Pooling,
    /// Width of the embedding: that of the pooled features, or what the readout makes of them.
    pub embedding_width: usize,
    /// Names of the classes of the linear head; empty when there is none.
    pub classes: Vec<String>,
    /// Temperature that calibrates the head's probabilities: softmax(logits / temperature). `None` means 1.
    pub calibration_temperature: Option<f32>,
    /// Names of the projection heads, for example SeCo's three. Set on writing.
    pub subspaces: Vec<String>,
    /// Where the weights come from.
    pub training: Training,
    /// What was measured, and how.
    pub metrics: Vec<Metric>,
    /// Licence of the weights, and credits they require.
    pub licence: String,
    /// An input and the embedding it must give, to prove a device before it is trusted.
    pub golden: Option<Golden>,
    /// How the weights are stored. Set on writing.
    pub weight_format: WeightFormat,
    /// SHA-256, in hexadecimal, of this manifest (with this field empty) and of all tensors. Set on writing.
    pub sha256: String,
}

/// Where weights come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Pre-training method, for example `seco`.
    pub method: String,
    /// What it was trained on, in words.
    pub data: String,
    /// Passes over the data.
    pub epochs: u32,
    /// Seed of the run.
    pub seed: u64,
    /// Optimiser steps.
    pub steps: u64,
}

/// A number with the protocol behind it, without which it means nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// What was measured, for example `k-NN-20 accuracy`.
    pub name: String,
    /// The value, a share of 1 for accuracies.
    pub value: f64,
    /// Data, split, input size and procedure.
    pub protocol: String,
}

/// An input given by formula and the embedding it must give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// The argument of [`golden_tile`].
    pub input_pattern: u32,
    /// The embedding of that tile, computed natively on the CPU from the weights as stored.
    pub embedding: Vec<f32>,
}

/// A tile of `px` × `px` made by integer arithmetic alone, so that it is the same everywhere: a ramp with texture, on the
/// unit scale.
#[must_use]
pub fn golden_tile(pattern: u32, bands: usize, px: usize) -> Tile {
    let (bands, px) = (bands.max(1), px.max(1));
    let mut pixels = Vec::with_capacity(bands * px * px);
    for band in 0..bands as u32 {
        for row in 0..px as u32 {
            for column in 0..px as u32 {
                let ramp = (3 * column + 5 * row + 37 * band).wrapping_add(pattern.wrapping_mul(11)) % 192;
                let mixed = (column ^ row.rotate_left(10) ^ band.rotate_left(20) ^ pattern.rotate_left(25))
                    .wrapping_mul(0x9E37_79B1);
                let noise = (mixed ^ (mixed >> 15)).wrapping_mul(0x85EB_CA77) >> 26; // 0 to 63
                pixels.push((ramp + noise) as f32 / 255.0);
            }
        }
    }
    Tile::from_parts(bands, px, px, pixels)
}

impl SealedManifest for Manifest {
    const KEY: &'static str = "solstice";
    const VERSION: u32 = FORMAT_VERSION;

    fn sha256(&mut self) -> &mut String {
        &mut self.sha256
    }
}

impl Manifest {
    /// A manifest with the given essentials, an unfolded encoder and nothing else known.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        encoder: EncoderConfig,
        bands: Bands,
        normalisation: Normalisation,
        input_px: usize,
    ) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            name: name.into(),
            encoder,
            folded: false,
            bands,
            normalisation,
            input_px,
            pooling: Pooling::Mean,
            embedding_width: encoder.feature_width(),
            classes: Vec::new(),
            calibration_temperature: None,
            subspaces: Vec::new(),
            training: Training::default(),
            metrics: Vec::new(),
            licence: String::new(),
            golden: None,
            weight_format: WeightFormat::F32,
            sha256: String::new(),
        }
    }

    /// Name and shape of every tensor of the encoder.
    pub(super) fn encoder_shapes(&self) -> Vec<(String, Vec<usize>)> {
        self.encoder.tensor_shapes(self.folded)
    }

    /// `[width, pooled width]` of the readout, when there is one.
    pub(super) fn readout_shape(&self) -> Option<[usize; 2]> {
        (self.pooling != Pooling::Mean).then(|| [self.embedding_width, self.encoder.pooled_width(self.pooling)])
    }

    /// `[classes, width]` of the linear head, when there is one.
    pub(super) fn head_shape(&self) -> Option<[usize; 2]> {
        (!self.classes.is_empty()).then_some([self.classes.len(), self.embedding_width])
    }

    /// Checks the fields against each other.
    pub(super) fn check(&self) -> Result<(), ArtifactError> {
        let problem = |what: String| Err(ArtifactError::Inconsistent(what));
        let bands = self.bands.len();
        if bands > MAX_BANDS || self.encoder.bands != bands || self.normalisation.bands() != bands {
            let (encoder, normalisation) = (self.encoder.bands, self.normalisation.bands());
            return problem(format!("{bands} bands, an encoder of {encoder} and a normalisation of {normalisation}"));
        }
        if !(1..=MAX_INPUT_PX).contains(&self.input_px) {
            return problem(format!("an input of {} pixels, not 1 to {MAX_INPUT_PX}", self.input_px));
        }
        let (width, pooled) = (self.embedding_width, self.encoder.pooled_width(self.pooling));
        let fits = if self.readout_shape().is_some() { (1..=pooled).contains(&width) } else { width == pooled };
        if !fits {
            return problem(format!("an embedding of {width} values from {pooled} pooled features"));
        }
        if let Some(temperature) = self.calibration_temperature
            && !(temperature.is_normal() && temperature > 0.0)
        {
            return problem(format!("a calibration temperature of {temperature}"));
        }
        for (index, name) in self.subspaces.iter().enumerate() {
            let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if name.is_empty() || name.len() > MAX_NAME_LEN || !name.chars().all(valid) {
                return problem(format!("a subspace called {name:?}"));
            }
            if self.subspaces[..index].contains(name) {
                return problem(format!("two subspaces called {name:?}"));
            }
        }
        if let Some(metric) = self.metrics.iter().find(|metric| !metric.value.is_finite()) {
            return problem(format!("metric {:?} is {}", metric.name, metric.value));
        }
        if let Some(golden) = &self.golden
            && (golden.embedding.len() != width || !golden.embedding.iter().all(|value| value.is_finite()))
        {
            return problem(format!("a golden embedding that is not {width} finite values"));
        }
        Ok(())
    }
}
