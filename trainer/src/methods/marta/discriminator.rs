//! MARTA GANs' own discriminator, and the fusion layer that makes features of it, or of any network with feature maps.

use super::WEIGHT_STD;
use crate::parts::{Frozen, Halving};
use burn::module::Module;
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};
use shared::encoder::{BatchNorm, NormMode, Pooling, module_tensors};
use shared::kernels;
use shared::tensors::NamedTensor;

/// Side of the last feature map.
const LAST_PX: usize = 4;
/// Channels of the first convolution; each further one has twice as many.
const FIRST_CHANNELS: usize = 16;
/// Layers that are fused.
const FUSED: usize = 3;
/// Slope of LeakyReLU below zero.
const SLOPE: f64 = 0.2;

/// What the discriminator reads; everything else follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscriminatorConfig {
    /// Side of a tile: a power of two from 32 on.
    pub px: usize,
    /// Planes of a tile.
    pub bands: usize,
}

/// 5 × 5 convolutions of stride 2 down to 4 × 4, LeakyReLU, batch normalisation behind all but the first.
#[derive(Module, Debug)]
pub struct Discriminator {
    convs: Vec<Halving>,
    norms: Vec<BatchNorm>,
    #[module(skip)]
    config: DiscriminatorConfig,
}

impl DiscriminatorConfig {
    /// Channels from the tile's bands to the last feature map.
    #[must_use]
    pub fn channels(&self) -> Vec<usize> {
        let count = (self.px / LAST_PX).ilog2() as usize;
        std::iter::once(self.bands).chain((0..count).map(|index| FIRST_CHANNELS << index)).collect()
    }

    /// Features of the fusion layer: 14 336 at 256 pixels.
    #[must_use]
    pub fn fused_width(&self) -> usize {
        self.channels().iter().rev().take(FUSED).sum::<usize>() * LAST_PX * LAST_PX
    }

    /// Trainable parameters.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        let convs: usize = self.convolutions().map(|([inputs, outputs], _)| (inputs * 25 + 2) * outputs).sum();
        // The first convolution has a shift alone.
        convs - FIRST_CHANNELS
    }

    /// Multiply-adds of one forward pass over a tile.
    #[must_use]
    pub fn multiply_adds(&self) -> u64 {
        self.convolutions().map(|([inputs, outputs], side)| (inputs * outputs * 25 * side * side) as u64).sum()
    }

    /// Values of all feature maps of a tile.
    #[must_use]
    pub fn activations(&self) -> usize {
        self.convolutions().map(|([_, outputs], side)| outputs * side * side).sum()
    }

    /// Channels in and out, and the side of the output, of each convolution.
    fn convolutions(&self) -> impl Iterator<Item = ([usize; 2], usize)> {
        let channels = self.channels();
        let px = self.px;
        (1..channels.len()).map(move |at| ([channels[at - 1], channels[at]], px >> at))
    }

    /// Weights drawn from `seed`.
    #[must_use]
    pub fn random(&self, seed: u64, device: &Device) -> Discriminator {
        let conv = |(index, ([inputs, outputs], _)): (usize, ([usize; 2], usize))| {
            Halving::normal([inputs, outputs], index == 0, WEIGHT_STD, seed.wrapping_add(index as u64), device)
        };
        Discriminator {
            convs: self.convolutions().enumerate().map(conv).collect(),
            norms: self.channels()[2..].iter().map(|&channels| BatchNorm::identity(channels, device)).collect(),
            config: *self,
        }
    }
}

impl Discriminator {
    /// Its sizes.
    #[must_use]
    pub fn config(&self) -> &DiscriminatorConfig {
        &self.config
    }

    /// `[n, bands, px, px]` → `[n, fused width]`: the fusion layer.
    #[must_use]
    pub fn fused(&self, x: Tensor<4>, mode: NormMode) -> Tensor<2> {
        let mut maps: Vec<Tensor<4>> = Vec::with_capacity(self.convs.len());
        for (index, conv) in self.convs.iter().enumerate() {
            let input = maps.last().cloned().unwrap_or_else(|| x.clone());
            let y = conv.forward(input);
            let y = if index == 0 { y } else { self.norms[index - 1].forward(y, mode) };
            maps.push(leaky_relu(y, SLOPE));
        }
        fuse(maps)
    }
}

impl Frozen for Discriminator {
    fn bands(&self) -> usize {
        self.config.bands
    }

    /// There is the fusion layer alone.
    fn width(&self, _pooling: Pooling) -> usize {
        self.config.fused_width()
    }

    fn pooled(&self, x: Tensor<4>, _pooling: Pooling) -> Tensor<2> {
        self.fused(x, NormMode::Running)
    }

    fn tensors(&self) -> Vec<NamedTensor> {
        module_tensors(self).into_values().collect()
    }

    fn untrained(&self, seed: u64, device: &Device) -> Box<dyn Frozen> {
        Box::new(self.config.random(seed, device))
    }
}

/// The fusion layer (§III-B): the last three of `maps`, each max-pooled to the side of the very last, side by side.
///
/// # Shapes
/// `[n, channels, side · 2ᵏ, side · 2ᵏ]` each → `[n, all channels · side²]`, from the first map to the last
#[must_use]
pub fn fuse(mut maps: Vec<Tensor<4>>) -> Tensor<2> {
    let fused = maps.split_off(maps.len().saturating_sub(FUSED));
    let side = fused.last().map_or(1, |map| map.dims()[2]);
    let flat = fused.into_iter().map(|map| {
        let [n, channels, h, _] = map.dims();
        let map = if h > side { kernels::max_pool2d(map, h / side, h / side, 0) } else { map };
        map.cast(FloatDType::F32).reshape([n, channels * side * side])
    });
    Tensor::cat(flat.collect(), 1)
}
