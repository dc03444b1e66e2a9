//! What an optimiser remembers of each parameter: a tensor by the parameter's name.

use super::read;
use burn::tensor::{Device, Tensor, TensorData};
use shared::tensors::{NamedTensor, TensorMap};
use std::any::Any;
use std::collections::BTreeMap;

/// Tensors by parameter name, on the plain device.
#[derive(Debug, Default)]
pub struct Slots(BTreeMap<String, Slot>);

/// What a tensor holds.
type ShapeAndValues = (Vec<usize>, Vec<f32>);

/// A tensor whose rank is known where it is used.
#[derive(Debug)]
struct Slot {
    tensor: Box<dyn Any>,
    read: fn(&dyn Any) -> ShapeAndValues,
}

impl Slots {
    /// Takes the tensor of the parameter `name` out, if there is one.
    #[must_use]
    pub fn take<const D: usize>(&mut self, name: &str) -> Option<Tensor<D>> {
        self.0.remove(name).and_then(|slot| slot.tensor.downcast::<Tensor<D>>().ok()).map(|tensor| *tensor)
    }

    /// Keeps `tensor` for the parameter `name`.
    pub fn put<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
        self.0.insert(name.to_owned(), Slot::new(tensor));
    }

    /// Forgets the parameters whose names begin with `prefix`.
    pub fn forget(&mut self, prefix: &str) {
        self.0.retain(|name, _| !name.starts_with(prefix));
    }

    /// Every tensor, under `prefix.`.
    #[must_use]
    pub fn state(&self, prefix: &str) -> Vec<NamedTensor> {
        let tensors = self.0.iter().map(|(name, slot)| {
            let (shape, values) = (slot.read)(slot.tensor.as_ref());
            NamedTensor { name: format!("{prefix}.{name}"), shape, values }
        });
        tensors.collect()
    }

    /// Takes back [`Self::state`], on `device` (without autodiff).
    pub fn restore(&mut self, prefix: &str, state: &TensorMap, device: &Device) {
        self.0.clear();
        for (name, tensor) in state {
            let Some(name) = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.')) else { continue };
            let slot = match tensor.shape.len() {
                1 => stored::<1>(tensor, device),
                2 => stored::<2>(tensor, device),
                _ => stored::<4>(tensor, device),
            };
            self.0.insert(name.to_owned(), slot);
        }
    }
}

impl Slot {
    fn new<const D: usize>(tensor: Tensor<D>) -> Self {
        let read = |any: &dyn Any| match any.downcast_ref::<Tensor<D>>() {
            Some(tensor) => (tensor.dims().to_vec(), read(tensor.clone())),
            None => (Vec::new(), Vec::new()),
        };
        Self { tensor: Box::new(tensor), read }
    }
}

fn stored<const D: usize>(tensor: &NamedTensor, device: &Device) -> Slot {
    let data = TensorData::new(tensor.values.clone(), tensor.shape.clone());
    Slot::new(Tensor::<D>::from_data(data, device))
}
