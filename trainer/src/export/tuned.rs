//! A fine-tuned classifier as a model file that the page loads: the encoder folded, its linear head beside it.

use anyhow::{Context, Result, ensure};
use burn::tensor::{Device, Tensor, TensorData};
use shared::artifact::{Artifact, LinearHead, Manifest, Metric, WeightFormat};
use shared::encoder::NormMode;
use shared::preprocess;
use shared::tensors::{NamedTensor, into_map};
use shared::tile::Tile;

use super::model::model_bytes;
use crate::encoder_file::EncoderDescription;
use crate::parts::read;

/// The most that a logit of the model file may differ, over the largest logit.
const LOGIT_TOLERANCE: f64 = 1e-3;

/// What a fine-tuned classifier is called, and where it comes from.
pub struct TunedModel<'a> {
    /// Name of the model.
    pub name: &'a str,
    /// The encoder that was tuned.
    pub description: &'a EncoderDescription,
    /// Side of the input, pixels.
    pub px: usize,
    /// Names of the classes.
    pub classes: &'a [String],
    /// What it was tuned on, and under which terms that is.
    pub data: &'a str,
    /// What the head scores.
    pub metric: Metric,
}

impl TunedModel<'_> {
    /// The bytes of the model file. `tensors` are the encoder's by torchvision's names and `head.weight`, `head.bias`. What
    /// was written answers as they do on `tiles`, or nothing is.
    ///
    /// # Errors
    /// When tensors are missing, or the model's logits differ.
    pub fn bytes(&self, tensors: &[NamedTensor], tiles: &[Tile]) -> Result<Vec<u8>> {
        let map = into_map(tensors.to_vec());
        let part =
            |name: &str| map.get(name).map(|own| own.values.clone()).with_context(|| format!("{name} is missing"));
        let head = LinearHead { weight: part("head.weight")?, bias: part("head.bias")? };
        let (description, device) = (self.description, Device::flex());
        let encoder = description.encoder.init(&device).load_named(&map)?;
        let (bands, normalisation) = (description.bands.clone(), description.normalisation.clone());
        let mut manifest = Manifest::new(self.name, description.encoder, bands, normalisation, self.px);
        manifest.folded = true;
        manifest.classes = self.classes.to_vec();
        manifest.training = description.training.clone();
        manifest.training.data = format!("{}; fine-tuned on {}", description.training.data, self.data);
        manifest.licence = format!("fine-tuned on {}, whose terms hold", self.data);
        manifest.metrics = vec![self.metric.clone()];
        let folded = encoder.clone().fold().named_tensors();
        let artifact =
            Artifact { manifest, encoder: folded, readout: None, head: Some(head.clone()), projections: Vec::new() };
        let bytes = model_bytes(artifact, WeightFormat::F32)?;
        let written = Artifact::from_bytes(&bytes)?;
        let found = super::embed(&written, tiles)?;
        let stored = written.head.context("the head was not stored")?;
        for (tile, embedding) in tiles.iter().zip(found) {
            let pixels = preprocess::batch(std::slice::from_ref(tile), &description.normalisation, self.px)?;
            let shape = [1, description.bands.len(), self.px, self.px];
            let features =
                encoder.forward(Tensor::from_data(TensorData::new(pixels, shape), &device), NormMode::Running);
            let (expected, own) = (head.logits(&read(features)), stored.logits(&embedding));
            let scale = expected.iter().fold(f32::MIN_POSITIVE, |scale, value| scale.max(value.abs()));
            let worst = expected.iter().zip(&own).map(|(a, b)| f64::from((a - b).abs() / scale)).fold(0.0, f64::max);
            let is_same = worst <= LOGIT_TOLERANCE && own.iter().all(|value| value.is_finite());
            ensure!(is_same, "the model's logits differ from the tuned encoder's by {worst:.1e} of the largest");
        }
        Ok(bytes)
    }
}
