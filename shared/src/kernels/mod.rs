//! Convolution, batch normalisation, max pooling and contrast: our own on the CPU, Burn's on every other device.
//!
//! Burn's CPU backend multiplies image by image and builds batch normalisation and softmax from a dozen passes over
//! memory, most of them on one thread; a training step spends nearly all its time there. The CPU versions here ([`cpu`]) replace them, forward and backward.
//! They are chosen per call, by where the tensor lives: `flex` in single precision takes them, everything else
//! (GPUs, the browser's WebGPU, other precisions) takes Burn's operation of the same name.

#[cfg(all(feature = "flex", feature = "autodiff"))]
mod autodiff;
#[cfg(feature = "flex")]
#[cfg_attr(not(feature = "autodiff"), expect(dead_code, reason = "the backward passes"))]
mod cpu;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod kept;
#[cfg(feature = "flex")]
mod values;

use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Tensor, activation};

/// Output and batch statistics of [`batch_norm_train`].
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// The normalised input, `[n, c, h, w]`.
    pub output: Tensor<4>,
    /// The batch mean, `[c]`, without gradient.
    pub mean: Tensor<1>,
    /// The biased batch variance without epsilon, `[c]`, without gradient.
    pub variance: Tensor<1>,
}

/// 2-D convolution without dilation or groups.
///
/// # Shapes
/// `x` `[n, ci, h, w]`, `weight` `[co, ci, kh, kw]`, `bias` `[co]` → `[n, co, oh, ow]`.
#[must_use]
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: [usize; 2],
    padding: [usize; 2],
) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if flex::has_kernels(&x.device()) {
        return flex::conv2d(x, weight, bias, stride, padding);
    }
    burn::tensor::module::conv2d(x, weight, bias, ConvOptions::new(stride, padding, [1, 1], 1))
}

/// Batch normalisation with the statistics of the batch.
///
/// # Shapes
/// `x` `[n, c, h, w]`, `gamma` and `beta` `[c]` → `[n, c, h, w]`.
#[must_use]
pub fn batch_norm_train(x: Tensor<4>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> BatchNorm {
    #[cfg(feature = "flex")]
    if flex::has_kernels(&x.device()) {
        return flex::batch_norm(x, gamma, beta, None, false, epsilon);
    }
    let result = burn::tensor::module::batch_norm_train(x, gamma, beta, epsilon);
    BatchNorm { output: result.output, mean: result.mean, variance: result.variance }
}

/// `relu(batch_norm_train(x) + residual)` in one operation: what ends a residual block, and without `residual` what
/// stands between its convolutions. On the CPU it saves several passes over memory in both directions.
///
/// # Shapes
/// As [`batch_norm_train`]; `residual` is `[n, c, h, w]`.
#[must_use]
pub fn batch_norm_relu_train(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    residual: Option<Tensor<4>>,
    epsilon: f64,
) -> BatchNorm {
    #[cfg(feature = "flex")]
    if flex::has_kernels(&x.device()) {
        return flex::batch_norm(x, gamma, beta, residual, true, epsilon);
    }
    let result = batch_norm_train(x, gamma, beta, epsilon);
    let sum = match residual {
        Some(residual) => result.output + residual,
        None => result.output,
    };
    BatchNorm { output: activation::relu(sum), ..result }
}

/// Max pooling of square windows; padding never wins.
///
/// # Shapes
/// `x` `[n, c, h, w]` → `[n, c, oh, ow]`, rounded down as PyTorch's default does.
#[must_use]
pub fn max_pool2d(x: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if flex::has_kernels(&x.device()) {
        return flex::max_pool2d(x, kernel, stride, padding);
    }
    let options = MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
    burn::tensor::module::max_pool2d(x, options)
}

/// Keys that are negatives of every query.
#[derive(Clone, Debug)]
pub struct Negatives {
    /// `[m, d]`
    pub keys: Tensor<2>,
    /// Whether row `i` of the keys is left out of query `i`'s sum; empty when none is.
    pub skips_own: Vec<bool>,
}

impl From<Tensor<2>> for Negatives {
    /// All of `keys`, for every query.
    fn from(keys: Tensor<2>) -> Self {
        Self { keys, skips_own: Vec::new() }
    }
}

/// What [`contrast`] finds.
#[derive(Clone, Debug)]
pub struct Contrast {
    /// The cross-entropy of each query, `[n]`.
    pub losses: Tensor<1>,
    /// Its gradient by that query, `[n, d]`.
    pub gradients: Tensor<2>,
    /// 1 where the positive has the highest logit, else 0, `[n]`.
    pub wins: Tensor<1>,
}

/// Softmax cross-entropy of one positive among shared negatives, with its gradient: logits are inner products over
/// `temperature`. `None` where only Burn's operations can do it; none of the tensors may be tracked.
///
/// # Shapes
/// `query` and `positive` `[n, d]`, the keys of each of `negatives` `[m, d]`.
#[must_use]
pub fn contrast(
    query: &Tensor<2>,
    positive: &Tensor<2>,
    negatives: &[Negatives],
    temperature: f64,
) -> Option<Contrast> {
    #[cfg(feature = "flex")]
    if flex::has_kernels(&query.device()) {
        return flex::contrast(query, positive, negatives, temperature);
    }
    let _ = (query, positive, negatives, temperature);
    None
}
