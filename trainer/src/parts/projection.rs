//! The projection head: Linear – ReLU – Linear, output L2-normalised (MoCo-v2; SeCo §3.2). No batch normalisation.

use crate::parts::initialise;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData, activation::relu};

/// Two linear layers in PyTorch's layout (`weight` is `[outputs, inputs]`).
#[derive(Module, Debug)]
pub struct ProjectionHead {
    fc1: Linear,
    fc2: Linear,
}

#[derive(Module, Debug)]
struct Linear {
    /// `[outputs, inputs]`
    weight: Param<Tensor<2>>,
    /// `[outputs]`
    bias: Param<Tensor<1>>,
}

impl ProjectionHead {
    /// A head `width` → `width` → `dim` with PyTorch's default initialisation.
    #[must_use]
    pub fn random(width: usize, dim: usize, seed: u64, device: &Device) -> Self {
        Self {
            fc1: Linear::random(width, width, seed, device),
            fc2: Linear::random(width, dim, seed.wrapping_add(1), device),
        }
    }

    /// `[n, width]` → `[n, dim]`, rows of length 1.
    #[must_use]
    pub fn forward(&self, features: Tensor<2>) -> Tensor<2> {
        l2_normalise(self.fc2.forward(relu(self.fc1.forward(features))))
    }
}

impl Linear {
    fn random(inputs: usize, outputs: usize, seed: u64, device: &Device) -> Self {
        let (weight, bias) = initialise::linear(inputs, outputs, seed);
        Self {
            weight: Param::from_tensor(Tensor::from_data(TensorData::new(weight, [outputs, inputs]), device)),
            bias: Param::from_tensor(Tensor::from_data(TensorData::new(bias, [outputs]), device)),
        }
    }

    /// `[n, inputs]` → `[n, outputs]`
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.val().transpose()) + self.bias.val().unsqueeze::<2>()
    }
}

/// Rows of length 1, `[n, d]` → `[n, d]`; PyTorch's `normalize` with its ε of 1e-12.
#[must_use]
pub fn l2_normalise(x: Tensor<2>) -> Tensor<2> {
    let norm = x.clone().powi_scalar(2).sum_dim(1).sqrt().clamp_min(1e-12);
    x / norm
}
