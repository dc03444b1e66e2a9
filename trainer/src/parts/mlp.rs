//! BYOL's multi-layer perceptron, MoCLR's and DnC's head (Tian et al. 2021, §3.1): Linear – BatchNorm – ReLU – Linear, and
//! for projections a last BatchNorm.

use super::Linear;
use burn::module::Module;
use burn::tensor::{Device, Tensor, activation::relu};
use shared::encoder::{BatchNorm, NormMode};

/// Two linear layers with batch normalisation.
#[derive(Module, Debug)]
pub struct Mlp {
    fc1: Linear,
    bn1: BatchNorm,
    fc2: Linear,
    bn2: Option<BatchNorm>,
}

/// Widths of an [`Mlp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MlpShape {
    /// Inputs.
    pub width: usize,
    /// Hidden units.
    pub hidden: usize,
    /// Outputs.
    pub dim: usize,
    /// Whether a batch normalisation follows the last layer: in projections it does, in regressors it does not.
    pub is_normalised: bool,
}

impl MlpShape {
    /// Trainable parameters.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let last = if self.is_normalised { 2 * self.dim } else { 0 };
        (self.width + 1) * self.hidden + 2 * self.hidden + (self.hidden + 1) * self.dim + last
    }
}

impl Mlp {
    /// PyTorch's default initialisation, drawn from `seed`.
    #[must_use]
    pub fn random(shape: MlpShape, seed: u64, device: &Device) -> Self {
        let MlpShape { width, hidden, dim, is_normalised } = shape;
        Self {
            fc1: Linear::random(width, hidden, seed, device),
            bn1: BatchNorm::identity(hidden, device),
            fc2: Linear::random(hidden, dim, seed.wrapping_add(1), device),
            bn2: is_normalised.then(|| BatchNorm::identity(dim, device)),
        }
    }

    /// `[n, width]` → `[n, hidden]`: the hidden layer after its ReLU, on which DnC clusters.
    #[must_use]
    pub fn hidden(&self, features: Tensor<2>, mode: NormMode) -> Tensor<2> {
        relu(normalised(&self.bn1, self.fc1.forward(features), mode))
    }

    /// `[n, width]` → `[n, dim]`, not brought to length 1.
    #[must_use]
    pub fn forward(&self, features: Tensor<2>, mode: NormMode) -> Tensor<2> {
        let x = self.fc2.forward(self.hidden(features, mode));
        match &self.bn2 {
            Some(norm) => normalised(norm, x, mode),
            None => x,
        }
    }
}

/// Batch normalisation of vectors: of pictures of one pixel.
fn normalised(norm: &BatchNorm, x: Tensor<2>, mode: NormMode) -> Tensor<2> {
    let [n, width] = x.dims();
    norm.forward(x.reshape([n, width, 1, 1]), mode).reshape([n, width])
}
