//! The projection head: Linear – ReLU – Linear, output L2-normalised (MoCo-v2; SeCo §3.2). No batch normalisation.

use super::Linear;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use shared::kernels;

/// Two linear layers in PyTorch's layout (`weight` is `[outputs, inputs]`).
#[derive(Module, Debug)]
pub struct ProjectionHead {
    fc1: Linear,
    fc2: Linear,
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
        l2_normalise(self.fc2.forward(self.fc1.rectified(features)))
    }
}

/// Rows of length 1, `[n, d]` → `[n, d]`; PyTorch's `normalize` with its ε of 1e-12.
#[must_use]
pub fn l2_normalise(x: Tensor<2>) -> Tensor<2> {
    kernels::unit_rows(x)
}
