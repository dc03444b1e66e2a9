//! A fully connected layer in PyTorch's layout.

use crate::parts::initialise;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use shared::kernels;

/// `y = x·Wᵀ + b`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[outputs, inputs]`
    weight: Param<Tensor<2>>,
    /// `[outputs]`
    bias: Param<Tensor<1>>,
}

impl Linear {
    /// PyTorch's default initialisation, drawn from `seed`.
    #[must_use]
    pub fn random(inputs: usize, outputs: usize, seed: u64, device: &Device) -> Self {
        let (weight, bias) = initialise::linear(inputs, outputs, seed);
        Self::from_values(weight, bias, inputs, device)
    }

    /// Normal weights of standard deviation `std`, no bias: how the clustering methods start a classifier.
    #[must_use]
    pub fn normal(inputs: usize, outputs: usize, std: f64, seed: u64, device: &Device) -> Self {
        let weight = initialise::normal_values(inputs * outputs, std, seed);
        Self::from_values(weight, vec![0.0; outputs], inputs, device)
    }

    fn from_values(weight: Vec<f32>, bias: Vec<f32>, inputs: usize, device: &Device) -> Self {
        let outputs = bias.len();
        Self {
            weight: Param::from_tensor(Tensor::from_data(TensorData::new(weight, [outputs, inputs]), device)),
            bias: Param::from_tensor(Tensor::from_data(TensorData::new(bias, [outputs]), device)),
        }
    }

    /// `[n, inputs]` → `[n, outputs]`
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        kernels::linear(x, self.weight.val(), self.bias.val(), false)
    }

    /// `relu(forward(x))`
    #[must_use]
    pub fn rectified(&self, x: Tensor<2>) -> Tensor<2> {
        kernels::linear(x, self.weight.val(), self.bias.val(), true)
    }
}
