//! The convolutions of generator and discriminator, both ways, started with small normal weights as in DCGAN.

use super::initialise::normal_values;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use shared::kernels;

/// A convolution of stride 2 that halves both sides.
#[derive(Module, Debug)]
pub struct Halving {
    /// `[outputs, inputs, 5, 5]`
    weight: Param<Tensor<4>>,
    /// `[outputs]`, where no batch normalisation follows.
    bias: Option<Param<Tensor<1>>>,
}

/// A transposed convolution of stride 2 that doubles both sides, as PyTorch's `ConvTranspose2d(…, 4, 2, 1)`.
#[derive(Module, Debug)]
pub struct Doubling {
    /// `[inputs, outputs, 4, 4]`
    weight: Param<Tensor<4>>,
    /// `[outputs]`, where no batch normalisation follows.
    bias: Option<Param<Tensor<1>>>,
}

impl Halving {
    /// Side of the kernel.
    pub const KERNEL: usize = 5;

    /// Normal weights of standard deviation `std`, bias 0.
    #[must_use]
    pub fn normal([inputs, outputs]: [usize; 2], has_bias: bool, std: f64, seed: u64, device: &Device) -> Self {
        let weight = normal_weight([outputs, inputs, Self::KERNEL, Self::KERNEL], std, seed, device);
        Self { weight, bias: has_bias.then(|| no_bias(outputs, device)) }
    }

    /// `[n, inputs, 2h, 2w]` → `[n, outputs, h, w]`
    ///
    /// NOTE: zeros are added on both sides alike, as PyTorch does; TensorFlow's "same", which the release uses, adds one
    /// before and two after.
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let bias = self.bias.as_ref().map(Param::val);
        kernels::conv2d(x, self.weight.val(), bias, [2; 2], [Self::KERNEL / 2; 2])
    }
}

impl Doubling {
    /// Normal weights of standard deviation `std`, bias 0.
    #[must_use]
    pub fn normal([inputs, outputs]: [usize; 2], has_bias: bool, std: f64, seed: u64, device: &Device) -> Self {
        let weight = normal_weight([inputs, outputs, 4, 4], std, seed, device);
        Self { weight, bias: has_bias.then(|| no_bias(outputs, device)) }
    }

    /// `[n, inputs, h, w]` → `[n, outputs, 2h, 2w]`
    ///
    /// Of the 4 × 4 kernel, each of the four phases of the output (even and odd rows and columns) meets 2 × 2 values: one
    /// plain convolution with four times the channels gives all of them, and takes our own kernels both ways.
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [n, _, h, w] = x.dims();
        let [inputs, outputs, ..] = self.weight.dims();
        // Reversed, place 2t + p of the kernel is tap t of phase p: [ci, co, ty, py, tx, px] → [py, px, co, ci, ty, tx].
        let phases = self.weight.val().flip([2, 3]).reshape([inputs, outputs, 2, 2, 2, 2]);
        let phases = phases.permute([3, 5, 1, 0, 2, 4]).reshape([4 * outputs, inputs, 2, 2]);
        let all = kernels::conv2d(x, phases, None, [1; 2], [1; 2]);
        // Phase p of the output starts at row (column) p of h + 1.
        let phase = |row: usize, column: usize| {
            let first = (2 * row + column) * outputs;
            let own = all.clone().slice([0..n, first..first + outputs, row..row + h, column..column + w]);
            own.reshape([n, outputs, h, 1, w, 1])
        };
        let row = |row: usize| Tensor::cat(vec![phase(row, 0), phase(row, 1)], 5);
        let y = Tensor::cat(vec![row(0), row(1)], 3).reshape([n, outputs, 2 * h, 2 * w]);
        match &self.bias {
            Some(bias) => y + bias.val().reshape([1, outputs, 1, 1]),
            None => y,
        }
    }
}

fn normal_weight(shape: [usize; 4], std: f64, seed: u64, device: &Device) -> Param<Tensor<4>> {
    let values = normal_values(shape.iter().product(), std, seed);
    Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), device))
}

fn no_bias(outputs: usize, device: &Device) -> Param<Tensor<1>> {
    Param::from_tensor(Tensor::zeros([outputs], device))
}
