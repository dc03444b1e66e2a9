//! What an optimiser remembers of each parameter: as many values as it has, by the parameter's name.

use super::read;
use burn::tensor::{Device, Tensor, TensorData};
use shared::tensors::{NamedTensor, TensorMap};
use std::collections::BTreeMap;

/// Values by parameter name, on the plain device, and how they are arranged.
#[derive(Debug, Default)]
pub struct Slots(BTreeMap<String, (Vec<usize>, Tensor<1>)>);

impl Slots {
    /// Takes the values of the parameter `name` out, if there are any.
    #[must_use]
    pub fn take(&mut self, name: &str) -> Option<Tensor<1>> {
        self.0.remove(name).map(|(_, values)| values)
    }

    /// Keeps `values`, which are arranged as `shape`, for the parameter `name`.
    pub fn put(&mut self, name: String, shape: Vec<usize>, values: Tensor<1>) {
        self.0.insert(name, (shape, values));
    }

    /// Forgets the parameters whose names begin with `prefix`.
    pub fn forget(&mut self, prefix: &str) {
        self.0.retain(|name, _| !name.starts_with(prefix));
    }

    /// Every parameter's values, under `prefix.`.
    #[must_use]
    pub fn state(&self, prefix: &str) -> Vec<NamedTensor> {
        let tensors = self.0.iter().map(|(name, (shape, values))| NamedTensor {
            name: format!("{prefix}.{name}"),
            shape: shape.clone(),
            values: read(values.clone()),
        });
        tensors.collect()
    }

    /// Takes back [`Self::state`], on `device` (without autodiff).
    pub fn restore(&mut self, prefix: &str, state: &TensorMap, device: &Device) {
        let own = state.iter().filter_map(|(name, tensor)| {
            let name = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.'))?;
            let data = TensorData::new(tensor.values.clone(), [tensor.values.len()]);
            Some((name.to_owned(), (tensor.shape.clone(), Tensor::from_data(data, device))))
        });
        self.0 = own.collect();
    }
}
