//! What evaluation needs of a network that is no longer trained.

use super::initialise::random_encoder;
use burn::tensor::{Device, Tensor};
use shared::encoder::{Encoder, NormMode, Pooling};
use shared::tensors::NamedTensor;

/// A network in inference mode that turns normalised tiles into feature vectors.
pub trait Frozen {
    /// Planes of a tile.
    fn bands(&self) -> usize;

    /// Length of a feature vector.
    fn width(&self, pooling: Pooling) -> usize;

    /// `[n, bands, px, px]` → `[n, width]`, with running statistics.
    fn pooled(&self, x: Tensor<4>, pooling: Pooling) -> Tensor<2>;

    /// Every weight and running statistic, in a fixed order.
    fn tensors(&self) -> Vec<NamedTensor>;

    /// The same architecture on `device` with random weights drawn from `seed`.
    fn untrained(&self, seed: u64, device: &Device) -> Box<dyn Frozen>;
}

impl Frozen for Encoder {
    fn bands(&self) -> usize {
        self.config().bands
    }

    fn width(&self, pooling: Pooling) -> usize {
        self.config().pooled_width(pooling)
    }

    fn pooled(&self, x: Tensor<4>, pooling: Pooling) -> Tensor<2> {
        self.pooled(x, pooling, NormMode::Running)
    }

    fn tensors(&self) -> Vec<NamedTensor> {
        self.named_tensors()
    }

    fn untrained(&self, seed: u64, device: &Device) -> Box<dyn Frozen> {
        Box::new(random_encoder(self.config(), seed, device))
    }
}
