//! MARTA GANs' generator: noise in, tiles out.

use super::WEIGHT_STD;
use crate::parts::{Doubling, Linear};
use burn::module::Module;
use burn::tensor::activation::{relu, tanh};
use burn::tensor::{Device, Tensor};
use shared::encoder::{BatchNorm, NormMode};

/// Side of the first feature map.
const FIRST_PX: usize = 4;

/// Sizes of a generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneratorShape {
    /// Length of the noise.
    pub latent: usize,
    /// Channels of the first feature map; each further one has half as many.
    pub width: usize,
    /// Side of a tile.
    pub px: usize,
    /// Planes of a tile.
    pub bands: usize,
}

/// A dense layer to 4 × 4, then transposed convolutions of stride 2, batch normalisation and ReLU between them, tanh.
#[derive(Module, Debug)]
pub struct Generator {
    dense: Linear,
    norm: BatchNorm,
    layers: Vec<Doubling>,
    norms: Vec<BatchNorm>,
}

impl GeneratorShape {
    /// Channels from the first feature map to the tile's bands.
    #[must_use]
    pub fn channels(&self) -> Vec<usize> {
        let count = (self.px / FIRST_PX).ilog2() as usize;
        (0..count).map(|index| self.width >> index).chain([self.bands]).collect()
    }

    /// Trainable parameters.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        let first = self.width * FIRST_PX * FIRST_PX;
        let layers: usize = self.layers().map(|([inputs, outputs], _)| (inputs * 16 + 2) * outputs).sum();
        // The last layer has a shift alone.
        (self.latent + 1) * first + 2 * self.width + layers - self.bands
    }

    /// Multiply-adds of one tile.
    #[must_use]
    pub fn multiply_adds(&self) -> u64 {
        let layers = self.layers().map(|([inputs, outputs], side)| (inputs * outputs * 16 * side * side) as u64);
        (self.latent * self.width * FIRST_PX * FIRST_PX) as u64 + layers.sum::<u64>()
    }

    /// Channels in and out, and the side of the input, of each transposed convolution.
    fn layers(&self) -> impl Iterator<Item = ([usize; 2], usize)> {
        let channels = self.channels();
        (1..channels.len()).map(move |at| ([channels[at - 1], channels[at]], FIRST_PX << (at - 1)))
    }

    /// Weights drawn from `seed`.
    #[must_use]
    pub fn random(&self, seed: u64, device: &Device) -> Generator {
        let channels = self.channels();
        let last = channels.len() - 2;
        let layer = |(index, (ends, _)): (usize, ([usize; 2], usize))| {
            Doubling::normal(ends, index == last, WEIGHT_STD, seed.wrapping_add(1 + index as u64), device)
        };
        Generator {
            dense: Linear::normal(self.latent, self.width * FIRST_PX * FIRST_PX, WEIGHT_STD, seed, device),
            norm: BatchNorm::identity(self.width, device),
            layers: self.layers().enumerate().map(layer).collect(),
            norms: channels[1..=last].iter().map(|&channels| BatchNorm::identity(channels, device)).collect(),
        }
    }
}

impl Generator {
    /// `[n, latent]` → `[n, bands, px, px]` on (−1, 1)
    #[must_use]
    pub fn forward(&self, z: Tensor<2>, mode: NormMode) -> Tensor<4> {
        let [n, _] = z.dims();
        let x = self.dense.forward(z);
        let width = x.dims()[1] / (FIRST_PX * FIRST_PX);
        let mut x = relu(self.norm.forward(x.reshape([n, width, FIRST_PX, FIRST_PX]), mode));
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x);
            x = match self.norms.get(index) {
                Some(norm) => relu(norm.forward(x, mode)),
                None => tanh(x),
            };
        }
        x
    }
}
