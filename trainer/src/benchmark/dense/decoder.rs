//! Decoders: maps of several sizes in, one answer a pixel out.

use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use serde::Serialize;
use shared::encoder::{BatchNorm, NormMode};
use shared::kernels;

use super::enlarge::enlarge;
use crate::parts::initialise::normal_values;

/// Which decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecoderKind {
    /// U-Net (Ronneberger et al. 2015): from the deepest map on, enlarged, joined with the next one, two convolutions.
    Unet,
    /// Every map to so many channels, summed from the deepest on, one convolution each.
    Tiny(usize),
}

/// A decoder of either kind.
#[derive(Module, Debug)]
pub struct Decoder {
    /// To a common number of channels, deepest first; none for a U-Net.
    laterals: Vec<ConvNorm>,
    /// Deepest first, one fewer than maps.
    levels: Vec<Level>,
    out: Out,
}

/// A convolution without bias, batch normalisation, ReLU.
#[derive(Module, Debug)]
struct ConvNorm {
    /// `[outputs, inputs, kernel, kernel]`
    weight: Param<Tensor<4>>,
    norm: BatchNorm,
}

#[derive(Module, Debug)]
struct Level {
    first: ConvNorm,
    second: Option<ConvNorm>,
}

/// 1 × 1 with bias.
#[derive(Module, Debug)]
struct Out {
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
}

impl Decoder {
    /// For maps of so many `channels`, shallowest first, with random weights.
    #[must_use]
    pub fn random(kind: DecoderKind, channels: &[usize], outputs: usize, seed: u64, device: &Device) -> Self {
        let mut next = seed;
        let mut conv = |inputs: usize, outputs: usize, kernel: usize| {
            next = next.wrapping_add(1);
            ConvNorm::random([outputs, inputs, kernel, kernel], next, device)
        };
        let deepest_first = || channels.iter().rev().copied();
        let (laterals, levels, width) = match kind {
            DecoderKind::Unet => {
                let pairs = deepest_first().zip(deepest_first().skip(1));
                let level = |(deep, own): (usize, usize)| Level {
                    first: conv(deep + own, own, 3),
                    second: Some(conv(own, own, 3)),
                };
                (Vec::new(), pairs.map(level).collect(), channels.first().copied().unwrap_or(1))
            }
            DecoderKind::Tiny(width) => {
                let laterals = deepest_first().map(|own| conv(own, width, 1)).collect();
                let levels = deepest_first().skip(1).map(|_| Level { first: conv(width, width, 3), second: None });
                (laterals, levels.collect(), width)
            }
        };
        let weight = normal_values(outputs * width, (1.0 / width as f64).sqrt(), seed.wrapping_add(1000));
        let weight = Tensor::from_data(TensorData::new(weight, [outputs, width, 1, 1]), device);
        let out =
            Out { weight: Param::from_tensor(weight), bias: Param::from_tensor(Tensor::zeros([outputs], device)) };
        Self { laterals, levels, out }
    }

    /// Maps `[n, channels, h, w]`, shallowest and largest first → `[n, outputs, height, width]`.
    #[must_use]
    pub fn forward(&self, mut maps: Vec<Tensor<4>>, size: [usize; 2], mode: NormMode) -> Tensor<4> {
        let Some(deepest) = maps.pop() else { unreachable!("an encoder has maps") };
        let mut x = match self.laterals.first() {
            Some(lateral) => lateral.forward(deepest, mode),
            None => deepest,
        };
        for (at, level) in self.levels.iter().enumerate() {
            let Some(skip) = maps.pop() else { break };
            let [.., height, width] = skip.dims();
            let larger = enlarge(x, [height, width]);
            x = level.forward(
                match self.laterals.get(at + 1) {
                    Some(lateral) => larger + lateral.forward(skip, mode),
                    None => Tensor::cat(vec![larger, skip], 1),
                },
                mode,
            );
        }
        let answer = kernels::conv2d(x, self.out.weight.val(), Some(self.out.bias.val()), [1; 2], [0; 2]);
        enlarge(answer, size)
    }
}

impl Level {
    fn forward(&self, x: Tensor<4>, mode: NormMode) -> Tensor<4> {
        let x = self.first.forward(x, mode);
        match &self.second {
            Some(second) => second.forward(x, mode),
            None => x,
        }
    }
}

impl ConvNorm {
    /// Kaiming-normal by what comes in.
    fn random(shape: [usize; 4], seed: u64, device: &Device) -> Self {
        let [outputs, inputs, kernel, _] = shape;
        let std = (2.0 / (inputs * kernel * kernel) as f64).sqrt();
        let weight = normal_values(shape.iter().product(), std, seed);
        Self {
            weight: Param::from_tensor(Tensor::from_data(TensorData::new(weight, shape), device)),
            norm: BatchNorm::identity(outputs, device),
        }
    }

    fn forward(&self, x: Tensor<4>, mode: NormMode) -> Tensor<4> {
        let weight = self.weight.val();
        let [.., kernel] = weight.dims();
        relu(self.norm.forward(kernels::conv2d(x, weight, None, [1; 2], [kernel / 2; 2]), mode))
    }
}
