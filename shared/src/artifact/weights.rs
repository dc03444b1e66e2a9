//! Storing f32 weights in fewer bits, and back.

use std::borrow::Cow;
use std::collections::BTreeMap;

use half::f16;
use serde::{Deserialize, Serialize};

use super::ArtifactError;
use super::container::{Element, RawTensor};
use crate::tensors::NamedTensor;

/// How the weights of a model file are stored. Vectors (biases) are always f32: they are few, and errors there shift
/// whole channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightFormat {
    /// 32-bit floating point, lossless.
    F32,
    /// 16-bit floating point: half the size.
    F16,
    /// 8-bit integers with one scale an output channel, symmetric: a quarter of the size. The scales of tensor `x` are
    /// in `x.scale`.
    Int8,
}

/// Suffix of the tensor that holds the scales of an 8-bit one.
const SCALE: &str = ".scale";
/// Largest magnitude of a stored 8-bit weight: symmetric, so −128 is left out.
const INT8_MAX: f32 = 127.0;

/// Adds `tensor` to `raw` under `name`, in `format`.
pub(super) fn store<'a>(
    raw: &mut BTreeMap<String, RawTensor<'a>>,
    name: String,
    tensor: &NamedTensor,
    format: WeightFormat,
) -> Result<(), ArtifactError> {
    if tensor.shape.iter().product::<usize>() != tensor.values.len() {
        let (found, expected) = (vec![tensor.values.len()], tensor.shape.clone());
        return Err(ArtifactError::WrongShape { name, found, expected });
    }
    let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
    if !finite(&tensor.values) {
        return Err(ArtifactError::NonFinite { name });
    }
    let format = if tensor.shape.len() < 2 { WeightFormat::F32 } else { format };
    let (element, bytes) = match format {
        WeightFormat::F32 => (Element::F32, tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        WeightFormat::F16 => {
            let halves: Vec<f16> = tensor.values.iter().map(|&value| f16::from_f32(value)).collect();
            if !halves.iter().all(|half| half.is_finite()) {
                return Err(ArtifactError::NonFinite { name });
            }
            (Element::F16, halves.iter().flat_map(|half| half.to_le_bytes()).collect())
        }
        WeightFormat::Int8 => {
            let channels = tensor.shape[0];
            let width = channel_width(&tensor.shape);
            let mut scales = Vec::with_capacity(channels);
            let mut bytes = Vec::with_capacity(tensor.values.len());
            for channel in tensor.values.chunks_exact(width.max(1)) {
                let largest = channel.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
                let scale = largest / INT8_MAX;
                // a channel of zeros (or denormals that vanish in the division) has scale 0
                let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
                let quantise = |&value: &f32| ((value * inverse).round().clamp(-INT8_MAX, INT8_MAX) as i8) as u8;
                bytes.extend(channel.iter().map(quantise));
                scales.push(scale);
            }
            let values: Vec<u8> = scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
            let scale = RawTensor { element: Element::F32, shape: vec![scales.len()], bytes: Cow::Owned(values) };
            raw.insert(format!("{name}{SCALE}"), scale);
            (Element::I8, bytes)
        }
    };
    raw.insert(name, RawTensor { element, shape: tensor.shape.clone(), bytes: Cow::Owned(bytes) });
    Ok(())
}

/// Takes `stored` out of `raw` as f32 and calls it `name`; its shape must be `expected`, or any when that is `None`.
pub(super) fn load(
    raw: &mut BTreeMap<String, RawTensor<'_>>,
    stored: &str,
    name: &str,
    expected: Option<&[usize]>,
    format: WeightFormat,
) -> Result<NamedTensor, ArtifactError> {
    let Some(tensor) = raw.remove(stored) else {
        return Err(ArtifactError::MissingTensor { name: stored.to_owned() });
    };
    if let Some(expected) = expected.filter(|expected| *expected != tensor.shape) {
        let (found, expected) = (tensor.shape, expected.to_vec());
        return Err(ArtifactError::WrongShape { name: stored.to_owned(), found, expected });
    }
    let element = match format {
        _ if tensor.shape.len() < 2 => Element::F32,
        WeightFormat::F32 => Element::F32,
        WeightFormat::F16 => Element::F16,
        WeightFormat::Int8 => Element::I8,
    };
    if tensor.element != element {
        return Err(ArtifactError::WrongElement {
            name: stored.to_owned(),
            found: format!("{:?}", tensor.element),
            expected: format!("{element:?}"),
        });
    }
    let mut values = floats(&tensor);
    if element == Element::I8 {
        let scales = load(raw, &format!("{stored}{SCALE}"), "", Some(&tensor.shape[..1]), format)?;
        for (channel, scale) in values.chunks_mut(channel_width(&tensor.shape).max(1)).zip(scales.values) {
            channel.iter_mut().for_each(|value| *value *= scale);
        }
    }
    if !values.iter().all(|value| value.is_finite()) {
        return Err(ArtifactError::NonFinite { name: stored.to_owned() });
    }
    Ok(NamedTensor { name: name.to_owned(), shape: tensor.shape, values })
}

/// The elements as they are, before any scale.
pub(crate) fn floats(tensor: &RawTensor<'_>) -> Vec<f32> {
    let bytes = &tensor.bytes;
    match tensor.element {
        Element::F32 => bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect(),
        Element::F16 => bytes.as_chunks().0.iter().map(|two| f16::from_le_bytes(*two).to_f32()).collect(),
        Element::U16 => bytes.as_chunks().0.iter().map(|two| f32::from(u16::from_le_bytes(*two))).collect(),
        Element::I8 => bytes.iter().map(|byte| f32::from(*byte as i8)).collect(),
    }
}

/// Weights an output channel (the first dimension) has.
fn channel_width(shape: &[usize]) -> usize {
    shape.iter().skip(1).product()
}
