//! What is fitted behind an encoder when it is exported: the readout, without labels, and the linear head, both on the
//! weights as they will be stored.

use anyhow::{Context, Result};
use burn::tensor::Device;
use shared::artifact::{Artifact, LinearHead, Metric, Readout, WeightFormat};
use shared::encoder::{Encoder, Pooling};
use std::path::Path;

use crate::device::Resolved;
use crate::encoder_file::LoadedEncoder;
use crate::error::UsageError;
use crate::eval::{
    BATCH, Comparison, FeatureSettings, LinearProbe, Reading, Splits, Subject, WHITENING_POWER, accuracy,
    compare_with_baselines, data_name, features_of, fit_readout,
};
use crate::report::Reporter;

/// Neighbours that vote in the metrics of a model file.
const KS: [usize; 2] = [5, 20];

/// What is asked of readout and head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// What is read out of the network, where it is not what is usual.
    pub(super) readout: Option<Pooling>,
    /// Values of the embedding that it is fitted to, at most.
    pub(super) width: Option<usize>,
    /// How weights are stored.
    pub(super) format: WeightFormat,
    /// Seed of the random baseline.
    pub(super) seed: u64,
}

/// The model's readout: what the loaded one has, or one fitted on the training part with the weights as they will be
/// stored; `None` for the mean.
pub(super) fn readout(
    loaded: &LoadedEncoder,
    artifact: &Artifact,
    asked: Asked,
    splits: Option<&Splits>,
    resolved: &Resolved,
    reporter: &mut Reporter<'_>,
) -> Result<Option<Readout>> {
    match (loaded.reading(asked.readout, asked.width)?, splits) {
        (Reading::Mean | Reading::Fused, _) => Ok(None),
        (Reading::Given(readout), _) => Ok(Some(readout.clone())),
        (Reading::Fitted { .. }, None) if asked.readout.is_none() => Ok(None),
        // 8 bits a weight leave too little of what a readout magnifies.
        (Reading::Fitted { .. }, _) if asked.readout.is_none() && asked.format == WeightFormat::Int8 => Ok(None),
        (Reading::Fitted { .. }, None) => {
            Err(UsageError::new("a readout of moments is fitted on tiles\nhint: add --data, or --readout mean").into())
        }
        (Reading::Fitted { width: values }, Some(splits)) => {
            let (stored, encoder) = stored(artifact, asked.format, &resolved.device)?;
            let settings = FeatureSettings {
                normalisation: &stored.manifest.normalisation,
                px: stored.manifest.input_px,
                batch: BATCH,
                pooling: Pooling::Moments,
                device: &resolved.device,
            };
            let [train, ..] = splits.parts();
            let pooled = features_of(
                &encoder,
                train.len(),
                |index| splits.tile(train, index),
                settings,
                |done| {
                    reporter.progress("readout: features of training tiles", done, train.len());
                },
            )?;
            let width = encoder.config().pooled_width(Pooling::Moments);
            fit_readout(&pooled, width, values, WHITENING_POWER).map(Some)
        }
    }
}

/// Scores the weights as they will be stored, so that the numbers are those of the file.
pub(super) fn evaluate(
    artifact: &Artifact,
    asked: Asked,
    name: &str,
    splits: &Splits,
    data: &Path,
    resolved: &Resolved,
    reporter: &mut Reporter<'_>,
) -> Result<Comparison> {
    let (stored, encoder) = stored(artifact, asked.format, &resolved.device)?;
    let manifest = &stored.manifest;
    reporter.note(&format!("device: {} ({})", resolved.name, resolved.reason));
    let subject = Subject {
        name: name.to_owned(),
        encoder: &encoder,
        bands: &manifest.bands,
        normalisation: &manifest.normalisation,
        px: manifest.input_px,
        device: &resolved.device,
        batch: BATCH,
        reading: stored.readout.as_ref().map_or(Reading::Mean, Reading::Given),
        ks: &KS,
        svm: None,
        seed: asked.seed,
    };
    compare_with_baselines(&subject, splits, data_name(data), reporter)
}

/// Makes the probe the model's head, and its scores the model's metrics.
pub(super) fn add_head(
    artifact: &mut Artifact,
    comparison: &Comparison,
    classes: &[String],
    format: WeightFormat,
) -> Result<()> {
    let outcome = &comparison.encoder.probe;
    let LinearProbe { weight, bias, .. } = outcome.probe.clone();
    artifact.head = Some(LinearHead { weight, bias });
    artifact.manifest.classes = classes.to_vec();
    artifact.manifest.calibration_temperature = Some(outcome.temperature as f32);
    // What a user of the file gets: the head too is stored in `format`.
    let stored = Artifact::from_bytes(&artifact.to_bytes(format)?)?.head.context("the head was not stored")?;
    let test = &comparison.features.test;
    let probe = LinearProbe { weight: stored.weight, bias: stored.bias, width: test.width };
    let linear = accuracy(&probe.predict(test), &test.labels);
    let protocol = &comparison.evaluation.protocol;
    let protocol = format!("{}; {}", protocol.data, protocol.summary);
    let mut add = |name: String, value: f64| {
        artifact.manifest.metrics.push(Metric { name, value, protocol: protocol.clone() });
    };
    for (index, scores) in comparison.evaluation.scores.iter().enumerate() {
        let prefix = if index == 0 { String::new() } else { format!("{}: ", scores.name) };
        for knn in &scores.knn {
            add(format!("{prefix}k-NN-{} accuracy", knn.k), knn.accuracy);
        }
        add(format!("{prefix}linear accuracy"), if index == 0 { linear } else { scores.linear_accuracy });
    }
    Ok(())
}

/// The artifact as it will be read from disk, and its encoder.
fn stored(artifact: &Artifact, format: WeightFormat, device: &Device) -> Result<(Artifact, Encoder)> {
    let stored = Artifact::from_bytes(&artifact.to_bytes(format)?)?;
    let weights = shared::tensors::into_map(stored.encoder.clone());
    let encoder = stored.manifest.encoder.init_folded(device).load_named(&weights)?;
    Ok((stored, encoder))
}
