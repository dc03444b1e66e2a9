//! What sits on top of the encoder in a model file: the readout, the linear head and the projection heads.

use std::collections::BTreeMap;

use super::container::RawTensor;
use super::{ArtifactError, Manifest, weights};
use crate::compare::dot;
use crate::tensors::NamedTensor;

/// The linear map from pooled features to the embedding of a model with [`Pooling::Moments`].
#[derive(Clone, Debug, PartialEq)]
pub struct Readout {
    /// `[width, pooled width]`, row-major.
    pub weight: Vec<f32>,
    /// `[width]`
    pub bias: Vec<f32>,
}

impl Readout {
    /// `[pooled width]` → `[width]`
    #[must_use]
    pub fn apply(&self, pooled: &[f32]) -> Vec<f32> {
        linear(&self.weight, &self.bias, pooled)
    }
}

/// A linear classifier on the raw embedding. Standardisation of the features, when it was trained with any, is part of
/// the weights.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearHead {
    /// `[classes, width]`, row-major.
    pub weight: Vec<f32>,
    /// `[classes]`
    pub bias: Vec<f32>,
}

impl LinearHead {
    /// `[width]` → `[classes]`
    #[must_use]
    pub fn logits(&self, embedding: &[f32]) -> Vec<f32> {
        linear(&self.weight, &self.bias, embedding)
    }
}

/// A projection head of the pre-training method: linear layers with ReLU between them, into one subspace.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    /// The subspace: letters, digits, `-` and `_`.
    pub name: String,
    /// Pairs `<layer>.weight` `[outputs, inputs]` and `<layer>.bias` `[outputs]`; layers apply in order of their names.
    pub tensors: Vec<NamedTensor>,
}

impl Projection {
    /// `[channels of the last feature map]` → `[outputs of the last layer]`, not normalised; `None` when the layers do not
    /// fit each other or `pooled`.
    #[must_use]
    pub fn apply(&self, pooled: &[f32]) -> Option<Vec<f32>> {
        let layers = self.layers(pooled.len())?;
        let mut values = pooled.to_vec();
        for (index, (weight, bias)) in layers.iter().enumerate() {
            if index > 0 {
                values.iter_mut().for_each(|value| *value = value.max(0.0));
            }
            values = linear(weight, bias, &values);
        }
        Some(values)
    }

    /// Weights and biases in order, when they form a chain from `width` on.
    fn layers(&self, width: usize) -> Option<Vec<(&[f32], &[f32])>> {
        let mut tensors: Vec<&NamedTensor> = self.tensors.iter().collect();
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        let mut inputs = width;
        let mut layers = Vec::new();
        for pair in tensors.chunks(2) {
            let [bias, weight] = pair else { return None };
            let layer = weight.name.strip_suffix(".weight")?;
            let outputs = *weight.shape.first()?;
            let fits = bias.name.strip_suffix(".bias")? == layer
                && weight.shape == [outputs, inputs]
                && bias.shape == [outputs]
                && weight.values.len() == outputs.checked_mul(inputs)?
                && bias.values.len() == outputs;
            if !fits || outputs == 0 {
                return None;
            }
            layers.push((weight.values.as_slice(), bias.values.as_slice()));
            inputs = outputs;
        }
        (!layers.is_empty()).then_some(layers)
    }
}

/// `weight` `[outputs, inputs]` · `input` `[inputs]` + `bias` `[outputs]`
fn linear(weight: &[f32], bias: &[f32], input: &[f32]) -> Vec<f32> {
    let rows = weight.chunks_exact(input.len().max(1));
    rows.zip(bias).map(|(row, bias)| dot(row, input) + bias).collect()
}

pub(super) fn store_readout(
    tensors: &mut BTreeMap<String, RawTensor<'_>>,
    readout: Option<&Readout>,
    manifest: &Manifest,
) -> Result<(), ArtifactError> {
    let layer = readout.map(|readout| (&readout.weight, &readout.bias));
    store_layer(tensors, "readout", layer, manifest.readout_shape(), manifest)
}

pub(super) fn load_readout(
    tensors: &mut BTreeMap<String, RawTensor<'_>>,
    manifest: &Manifest,
) -> Result<Option<Readout>, ArtifactError> {
    let layer = load_layer(tensors, "readout", manifest.readout_shape(), manifest)?;
    Ok(layer.map(|(weight, bias)| Readout { weight, bias }))
}

pub(super) fn store_head(
    tensors: &mut BTreeMap<String, RawTensor<'_>>,
    head: Option<&LinearHead>,
    manifest: &Manifest,
) -> Result<(), ArtifactError> {
    let layer = head.map(|head| (&head.weight, &head.bias));
    store_layer(tensors, "head", layer, manifest.head_shape(), manifest)
}

pub(super) fn load_head(
    tensors: &mut BTreeMap<String, RawTensor<'_>>,
    manifest: &Manifest,
) -> Result<Option<LinearHead>, ArtifactError> {
    let layer = load_layer(tensors, "head", manifest.head_shape(), manifest)?;
    Ok(layer.map(|(weight, bias)| LinearHead { weight, bias }))
}

/// Weight `[outputs, inputs]` and bias `[outputs]`.
type Layer = (Vec<f32>, Vec<f32>);

/// `<prefix>.weight` and `<prefix>.bias`, present exactly when the manifest implies a `shape` [outputs, inputs].
fn store_layer(
    tensors: &mut BTreeMap<String, RawTensor<'_>>,
    prefix: &str,
    layer: Option<(&Vec<f32>, &Vec<f32>)>,
    shape: Option<[usize; 2]>,
    manifest: &Manifest,
) -> Result<(), ArtifactError> {
    let weight_name = format!("{prefix}.weight");
    let ((weight, bias), shape) = match (layer, shape) {
        (None, None) => return Ok(()),
        (Some(layer), Some(shape)) => (layer, shape),
        (None, Some(_)) => return Err(ArtifactError::MissingTensor { name: weight_name }),
        (Some(_), None) => return Err(ArtifactError::UnexpectedTensor { name: weight_name }),
    };
    for (name, shape, values) in
        [(weight_name, shape.to_vec(), weight), (format!("{prefix}.bias"), vec![shape[0]], bias)]
    {
        let tensor = NamedTensor { name: name.clone(), shape, values: values.clone() };
        weights::store(tensors, name, &tensor, manifest.weight_format)?;
    }
    Ok(())
}

/// What [`store_layer`] stored: weight and bias.
fn load_layer(
    tensors: &mut BTreeMap<String, RawTensor<'_>>,
    prefix: &str,
    shape: Option<[usize; 2]>,
    manifest: &Manifest,
) -> Result<Option<Layer>, ArtifactError> {
    let Some(shape) = shape else { return Ok(None) };
    let mut part = |part: &str, shape: &[usize]| {
        let name = format!("{prefix}.{part}");
        weights::load(tensors, &name, &name, Some(shape), manifest.weight_format).map(|tensor| tensor.values)
    };
    let weight = part("weight", &shape)?;
    Ok(Some((weight, part("bias", &shape[..1])?)))
}

pub(super) fn store_projections(
    tensors: &mut BTreeMap<String, RawTensor<'_>>,
    projections: &[Projection],
    manifest: &Manifest,
) -> Result<(), ArtifactError> {
    for projection in projections {
        check(projection, manifest)?;
        for tensor in &projection.tensors {
            let name = format!("projection.{}.{}", projection.name, tensor.name);
            weights::store(tensors, name, tensor, manifest.weight_format)?;
        }
    }
    Ok(())
}

pub(super) fn load_projections(
    tensors: &mut BTreeMap<String, RawTensor<'_>>,
    manifest: &Manifest,
) -> Result<Vec<Projection>, ArtifactError> {
    let mut projections = Vec::new();
    for name in &manifest.subspaces {
        let prefix = format!("projection.{name}.");
        let is_weight = |stored: &&String| stored.starts_with(&prefix) && !stored.ends_with(".scale");
        let stored: Vec<String> = tensors.keys().filter(is_weight).cloned().collect();
        let mut own = Vec::new();
        for stored in stored {
            own.push(weights::load(tensors, &stored, &stored[prefix.len()..], None, manifest.weight_format)?);
        }
        let projection = Projection { name: name.clone(), tensors: own };
        check(&projection, manifest)?;
        projections.push(projection);
    }
    Ok(projections)
}

fn check(projection: &Projection, manifest: &Manifest) -> Result<(), ArtifactError> {
    let width = manifest.encoder.feature_width();
    if projection.layers(width).is_some() {
        return Ok(());
    }
    let name = &projection.name;
    let what = format!("the layers of projection {name:?} do not lead on from {width} values");
    Err(ArtifactError::Inconsistent(what))
}
