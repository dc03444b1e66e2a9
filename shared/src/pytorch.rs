//! Reading the encoder out of PyTorch checkpoints: torchvision's state dicts, MoCo's `.pth` and SeCo's Lightning `.ckpt`.
//!
//! Native only. This is the one place in the crate that is given a path: PyTorch's containers are archives that have to
//! be sought in, and the reader opens them itself.

use std::collections::BTreeSet;
use std::path::Path;

use half::{bf16, f16};
use pytorch_reader::{DType, PytorchReader, Tensor};

use crate::encoder::{Architecture, EncoderConfig, Stem};
use crate::tensors::{NamedTensor, TensorMap};

/// The weight that every residual encoder has, by torchvision's name.
const LANDMARK: &str = "layer1.0.conv1.weight";
/// The same where the encoder is an `nn.Sequential` of torchvision's children, as in SeCo.
const LANDMARK_SEQUENTIAL: &str = "4.0.conv1.weight";
/// Words of names that mark a copy which is not the trained encoder: the key side of a momentum pair and the like, as
/// `encoder_k` (MoCo), `momentum_backbone` (solo-learn), `backbone_momentum` (lightly), `teacher` (DINO), `target_network` (BYOL).
const NOT_THE_ENCODER: [&str; 7] =
    ["encoder_k", "key_encoder", "momentum", "teacher", "target", "ema", "optimizer_states"];
/// How many names an error quotes.
const QUOTED: usize = 6;

/// Why no encoder could be read.
#[derive(Debug, thiserror::Error)]
pub enum PytorchError {
    /// Not a PyTorch file, damaged, or unreadable.
    #[error("cannot read the PyTorch file: {0}\nhint: give a file written by torch.save, such as .pth, .pt or .ckpt")]
    Unreadable(#[from] pytorch_reader::PytorchError),
    /// A tensor whose values cannot be read.
    #[error("cannot read the values of {name:?}: {source}\nhint: the file is damaged; fetch or save it again")]
    Values {
        /// Name in the file.
        name: String,
        /// What went wrong.
        source: std::io::Error,
    },
    /// No residual encoder in the file.
    #[error(
        "no residual encoder found: the file holds {count} tensors, among them {names}\nhint: an encoder has torchvision's names, for example conv1.weight and layer1.0.conv1.weight, under any prefix"
    )]
    NoEncoder {
        /// Number of tensors in the file.
        count: usize,
        /// The first of their names.
        names: String,
    },
    /// Several encoders, and nothing says which one is meant.
    #[error("several encoders found, at {0}\nhint: save one of them alone")]
    Ambiguous(String),
    /// A weight that is not floating point.
    #[error("weight {name:?} holds {found}, not floating point\nhint: save the model in f32, f16 or bf16")]
    NotFloat {
        /// Name in the file.
        name: String,
        /// Its element type.
        found: String,
    },
}

/// The weights of the residual encoder in the file at `path`, by torchvision's names (`conv1.weight` …
/// `bn1.running_var` …), in f32.
///
/// The encoder may lie under any prefix (`state_dict.module.encoder_q.` in MoCo, `state_dict.encoder_q.` in SeCo, where
/// `0, 1, 4 … 7` stand for `conv1, bn1, layer1 … layer4`). Classifiers, projection heads, batch counters, queues, optimiser
/// states and momentum copies are left out.
///
/// # Errors
/// When the file cannot be read, or holds no encoder, or several.
pub fn read_state_dict(path: &Path) -> Result<TensorMap, PytorchError> {
    let file = PytorchReader::new(path)?.into_tensors();
    let names: BTreeSet<&str> = file.keys().map(String::as_str).collect();
    let (prefix, sequential) = find_encoder(&names)?;
    let mut weights = TensorMap::new();
    for (stored, tensor) in &file {
        let Some(name) = stored.strip_prefix(&prefix).and_then(|rest| encoder_name(rest, sequential)) else { continue };
        let values = floats(stored, tensor)?;
        weights.insert(name.clone(), NamedTensor { name, shape: tensor.shape().to_vec(), values });
    }
    Ok(weights)
}

/// The encoder that has exactly these weights, when it is one that this crate knows.
#[must_use]
pub fn detect_config(weights: &TensorMap) -> Option<EncoderConfig> {
    let bands = *weights.get("conv1.weight")?.shape.get(1)?;
    let stems = [Stem::Imagenet, Stem::Small];
    let candidates = Architecture::ALL
        .into_iter()
        .flat_map(|architecture| stems.map(|stem| EncoderConfig { architecture, stem, bands }));
    let fits = |config: &EncoderConfig| {
        let shapes = config.tensor_shapes(false);
        shapes.len() == weights.len()
            && shapes.iter().all(|(name, shape)| weights.get(name).is_some_and(|tensor| tensor.shape == *shape))
    };
    candidates.into_iter().find(fits)
}

/// Where the encoder lies: the prefix of its names, and whether they are an `nn.Sequential`'s.
fn find_encoder(names: &BTreeSet<&str>) -> Result<(String, bool), PytorchError> {
    let mut found: Vec<(&str, bool)> = Vec::new();
    for (landmark, stem, sequential) in [(LANDMARK, "conv1.weight", false), (LANDMARK_SEQUENTIAL, "0.weight", true)] {
        let prefixes = names.iter().filter_map(|name| name.strip_suffix(landmark));
        let whole = prefixes.filter(|prefix| prefix.is_empty() || prefix.ends_with('.'));
        found.extend(
            whole
                .filter(|prefix| names.contains(format!("{prefix}{stem}").as_str()))
                .map(|prefix| (prefix, sequential)),
        );
    }
    let is_copy = |prefix: &str| {
        let is = |part: &str, word: &str| {
            part.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
                || part.strip_suffix(word).is_some_and(|rest| rest.ends_with('_'))
        };
        prefix.split('.').any(|part| NOT_THE_ENCODER.iter().any(|word| is(part, word)))
    };
    // Of a file that holds nothing but a copy, the copy is meant.
    if found.iter().any(|(prefix, _)| !is_copy(prefix)) {
        found.retain(|(prefix, _)| !is_copy(prefix));
    }
    match found.as_slice() {
        [(prefix, sequential)] => Ok(((*prefix).to_owned(), *sequential)),
        [] => {
            let quoted: Vec<String> = names.iter().take(QUOTED).map(|name| format!("{name:?}")).collect();
            let quoted = if quoted.is_empty() { "none".to_owned() } else { quoted.join(", ") };
            Err(PytorchError::NoEncoder { count: names.len(), names: quoted })
        }
        several => {
            let prefixes: Vec<String> = several.iter().map(|(prefix, _)| format!("{prefix:?}")).collect();
            Err(PytorchError::Ambiguous(prefixes.join(", ")))
        }
    }
}

/// Torchvision's name of an encoder's weight from what follows the prefix; `None` for what is not part of the encoder.
fn encoder_name(rest: &str, sequential: bool) -> Option<String> {
    let (head, tail) = rest.split_once('.')?;
    let part = match (sequential, head) {
        (false, "conv1" | "bn1" | "layer1" | "layer2" | "layer3" | "layer4") => head,
        (true, "0") => "conv1",
        (true, "1") => "bn1",
        (true, "4") => "layer1",
        (true, "5") => "layer2",
        (true, "6") => "layer3",
        (true, "7") => "layer4",
        _ => return None,
    };
    (!tail.ends_with("num_batches_tracked")).then(|| format!("{part}.{tail}"))
}

/// The values of a floating-point tensor as f32.
fn floats(name: &str, tensor: &Tensor) -> Result<Vec<f32>, PytorchError> {
    let width = tensor.dtype().size();
    let bytes = tensor.read().map_err(|source| PytorchError::Values { name: name.to_owned(), source })?;
    let elements = bytes.chunks_exact(width);
    // the reader gives native byte order
    let two = |bytes: &[u8]| u16::from_ne_bytes([bytes[0], bytes[1]]);
    Ok(match tensor.dtype() {
        DType::F32 => bytes.as_chunks().0.iter().map(|four| f32::from_ne_bytes(*four)).collect(),
        DType::F64 => bytes.as_chunks().0.iter().map(|eight| f64::from_ne_bytes(*eight) as f32).collect(),
        DType::F16 => elements.map(|bytes| f16::from_bits(two(bytes)).to_f32()).collect(),
        DType::BF16 => elements.map(|bytes| bf16::from_bits(two(bytes)).to_f32()).collect(),
        other => return Err(PytorchError::NotFloat { name: name.to_owned(), found: format!("{other:?}") }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of a residual encoder under each of some prefixes.
    fn find(prefixes: &[(&str, bool)]) -> Result<(String, bool), PytorchError> {
        let names: Vec<String> = prefixes
            .iter()
            .flat_map(|(prefix, sequential)| {
                let own = if *sequential { ["0.weight", LANDMARK_SEQUENTIAL] } else { ["conv1.weight", LANDMARK] };
                own.map(|name| format!("{prefix}{name}"))
            })
            .collect();
        find_encoder(&names.iter().map(String::as_str).collect())
    }

    #[test]
    fn each_librarys_encoder_is_told_from_its_copies() {
        for (prefixes, expected) in [
            (&[("", false)][..], ""),
            (&[("state_dict.backbone.", false), ("state_dict.momentum_backbone.", false)], "state_dict.backbone."),
            (&[("backbone.", true), ("backbone_momentum.", true)], "backbone."),
            (
                &[("state_dict.module.base_encoder.", false), ("state_dict.module.momentum_encoder.", false)],
                "state_dict.module.base_encoder.",
            ),
            (&[("student.module.backbone.", false), ("teacher.backbone.", false)], "student.module.backbone."),
            (&[("online_network.", false), ("target_network.", false)], "online_network."),
            (
                &[("classy_state_dict.base_model.model.trunk._feature_blocks.", false)],
                "classy_state_dict.base_model.model.trunk._feature_blocks.",
            ),
            (&[("teacher.", false)], "teacher."),
        ] {
            assert_eq!(find(prefixes).ok().map(|(prefix, _)| prefix).as_deref(), Some(expected), "{prefixes:?}");
        }
        assert!(matches!(find(&[("a.", false), ("b.", false)]), Err(PytorchError::Ambiguous(_))));
    }
}
