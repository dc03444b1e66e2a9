//! An encoder for PyTorch and the Hugging Face hub: a folder with the weights by torchvision's names, what a loader needs to
//! know, a module that loads both, and the model card.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;
use serde_json::json;
use shared::artifact::Artifact;
use shared::encoder::EncoderConfig;
use shared::encoder::architecture::Plan;
use shared::tensors::{NamedTensor, TensorMap};

use super::card::model_card;
use crate::encoder_file::LoadedEncoder;
use crate::engine::checkpoint::Floats;

/// PyTorch's ε of batch normalisation.
const EPSILON: f32 = 1e-5;
/// Builds the encoder in PyTorch and loads the weights.
const MODULE: &str = include_str!("pytorch/modeling_solstice.py");

/// Writes the folder: `model.safetensors`, `config.json`, `modeling_solstice.py`, `README.md`.
///
/// The encoder's weights are those of `loaded` in full precision, batch normalisation unfolded, so that it can be trained
/// further; readout and head are those of `model`.
///
/// # Errors
/// When the disk refuses.
pub fn write_pytorch(folder: &Path, loaded: &LoadedEncoder, model: &Artifact) -> Result<()> {
    let manifest = &model.manifest;
    let tensors = state_dict(loaded, model);
    let views = tensors.iter().map(|tensor| (tensor.name.as_str(), Floats(tensor)));
    // What PyTorch's loaders ask for.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    atomic_file::write(&folder.join("model.safetensors"), &safetensors::serialize(views, Some(metadata))?)?;
    let Plan { stem, widths, blocks, expansion, shrinks_early, .. } = manifest.encoder.architecture.plan();
    let config = json!({
        "architecture": manifest.encoder.architecture,
        "plan": {
            "stem": stem,
            "widths": widths,
            "blocks": blocks,
            "expansion": expansion,
            "shrinks_early": shrinks_early,
        },
        "stem": manifest.encoder.stem,
        "bands": manifest.bands,
        "mean": manifest.normalisation.mean(),
        "std": manifest.normalisation.std(),
        "input_px": manifest.input_px,
        "pooling": manifest.pooling,
        "embedding_width": manifest.embedding_width,
        "classes": manifest.classes,
        "calibration_temperature": manifest.calibration_temperature.unwrap_or(1.0),
    });
    atomic_file::write(&folder.join("config.json"), serde_json::to_string_pretty(&config)?.as_bytes())?;
    atomic_file::write(&folder.join("modeling_solstice.py"), MODULE.as_bytes())?;
    atomic_file::write(&folder.join("README.md"), model_card(manifest)?.as_bytes())
}

/// Every tensor by the name that torchvision gives it; `readout` has none there, and `fc` is the head.
fn state_dict(loaded: &LoadedEncoder, model: &Artifact) -> Vec<NamedTensor> {
    let config = loaded.description.encoder;
    let mut tensors = unfolded(&config, &loaded.weights, loaded.folded);
    let width = model.manifest.embedding_width;
    let mut linear = |name: &str, weight: &[f32], bias: &[f32], inputs: usize| {
        let tensor = |part: &str, shape: Vec<usize>, values: &[f32]| NamedTensor {
            name: format!("{name}.{part}"),
            shape,
            values: values.to_vec(),
        };
        tensors.push(tensor("weight", vec![bias.len(), inputs], weight));
        tensors.push(tensor("bias", vec![bias.len()], bias));
    };
    if let Some(readout) = &model.readout {
        linear("readout", &readout.weight, &readout.bias, config.pooled_width(model.manifest.pooling));
    }
    if let Some(head) = &model.head {
        linear("fc", &head.weight, &head.bias, width);
    }
    tensors
}

/// The encoder's tensors with a batch normalisation behind every convolution, in the order of the architecture. One that has
/// been folded into its convolution becomes the identity plus what the convolution adds.
fn unfolded(config: &EncoderConfig, weights: &TensorMap, folded: bool) -> Vec<NamedTensor> {
    if !folded {
        return config.tensor_shapes(false).iter().filter_map(|(name, _)| weights.get(name).cloned()).collect();
    }
    let mut tensors = Vec::new();
    for conv in config.spec().convs() {
        tensors.extend(weights.get(&format!("{}.weight", conv.conv)).cloned());
        let bias = weights.get(&format!("{}.bias", conv.conv)).map(|bias| bias.values.clone()).unwrap_or_default();
        let constant = |value: f32| vec![value; conv.outputs];
        // γ / √(σ² + ε) = 1
        for (part, values) in [
            ("weight", constant(1.0)),
            ("bias", bias),
            ("running_mean", constant(0.0)),
            ("running_var", constant(1.0 - EPSILON)),
        ] {
            tensors.push(NamedTensor { name: format!("{}.{part}", conv.norm), shape: vec![conv.outputs], values });
        }
    }
    tensors
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;
    use burn::tensor::{Device, Tensor, TensorData};
    use shared::encoder::{Architecture, Encoder, NormMode, Stem};
    use shared::tensors::into_map;

    use crate::parts::initialise::random_encoder_weights;

    #[test]
    fn a_folded_encoder_is_the_same_function_with_batch_normalisation() {
        for architecture in [Architecture::CompactXs, Architecture::Resnet50] {
            let config = EncoderConfig { architecture, stem: Stem::Imagenet, bands: 3 };
            let device = Device::flex();
            let mut weights = random_encoder_weights(&config, 7);
            for tensor in weights.values_mut().filter(|tensor| tensor.name.ends_with("running_mean")) {
                tensor.values.iter_mut().enumerate().for_each(|(index, value)| *value = (index % 5) as f32 / 20.0);
            }
            let folded = config.init(&device).load_named(&weights).unwrap().fold();
            let again = unfolded(&config, &into_map(folded.named_tensors()), true);
            let names: Vec<(String, Vec<usize>)> =
                again.iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone())).collect();
            assert_eq!(names, config.tensor_shapes(false), "{architecture}: every name and shape of torchvision's");
            let again = config.init(&device).load_named(&into_map(again)).unwrap();
            let features = |encoder: &Encoder| -> Vec<f32> {
                let tiles = (0..2 * 3 * 32 * 32).map(|index| (index * 37 % 101) as f32 / 50.0 - 1.0).collect();
                let tiles = Tensor::<4>::from_data(TensorData::new(tiles, [2, 3, 32, 32]), &device);
                encoder.forward(tiles, NormMode::Running).into_data().try_into_vec().unwrap()
            };
            let (folded, again) = (features(&folded), features(&again));
            let scale = folded.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            assert!(scale > 0.0);
            for (a, b) in folded.iter().zip(&again) {
                assert!((a - b).abs() <= 1e-5 * scale, "{architecture}: {a} and {b}");
            }
        }
    }
}
