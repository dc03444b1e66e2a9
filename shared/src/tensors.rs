//! Named weight tensors: the common currency of encoders, model files, checkpoints and PyTorch state dicts.

use std::collections::BTreeMap;

/// A tensor by name, row-major, always f32.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Torchvision-style path, for example `layer1.0.conv1.weight`.
    pub name: String,
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// `shape.iter().product()` values.
    pub values: Vec<f32>,
}

/// Tensors by name.
pub type TensorMap = BTreeMap<String, NamedTensor>;

/// Collects tensors into a map keyed by name (the last of two equal names wins).
#[must_use]
pub fn into_map(tensors: Vec<NamedTensor>) -> TensorMap {
    tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect()
}
