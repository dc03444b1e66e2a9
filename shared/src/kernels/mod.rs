//! Convolution, batch normalisation, pooling and contrast: our own on the CPU and on GPUs.
//!
//! Burn's CPU backend multiplies image by image and builds batch normalisation and softmax from a dozen passes over
//! memory, most of them on one thread; its GPU backend without autotune multiplies one window after the other, and
//! with it compiles and times dozens of kernels in each new process. The CPU versions ([`cpu`]) and those for GPUs
//! ([`gpu`], the browser's WebGPU included) replace them, forward and backward. They are chosen per call, by where the
//! tensor lives: `flex` in single precision, and CubeCL's devices in single and half precision, take them; what is
//! left takes Burn's operation of the same name.

#[cfg(feature = "autodiff")]
mod autodiff;
#[cfg(feature = "flex")]
#[cfg_attr(not(feature = "autodiff"), expect(dead_code, reason = "the backward passes"))]
mod cpu;
#[cfg(any(feature = "flex", feature = "cube"))]
mod extension;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "cube")]
mod gpu;
#[cfg(feature = "flex")]
mod kept;
pub mod optimisers;
#[cfg(feature = "flex")]
mod values;

use burn::backend::DispatchDevice;
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, activation};

/// Whether tensors on `device` are computed by kernels of ours.
fn has_kernels(device: &Device) -> bool {
    #[cfg(feature = "cube")]
    if gpu::has_kernels(device) {
        return true;
    }
    match device.as_dispatch() {
        #[cfg(feature = "flex")]
        DispatchDevice::Flex(_) => true,
        #[cfg(feature = "autodiff")]
        DispatchDevice::Autodiff(_) => has_kernels(&device.clone().without_autodiff()),
        #[allow(unreachable_patterns, reason = "which other backends exist is another crate's choice")]
        _ => false,
    }
}

/// Whether batch normalisation of `x` keeps statistics and parameters in single precision by itself.
#[must_use]
pub fn normalises_in_half_precision(x: &Tensor<4>) -> bool {
    let _ = x;
    #[cfg(feature = "cube")]
    if gpu::has_kernels(&x.device()) {
        return true;
    }
    false
}

/// Output and batch statistics of [`batch_norm_train`].
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// The normalised input, `[n, c, h, w]`.
    pub output: Tensor<4>,
    /// The mean of every group, `[groups · c]`, without gradient.
    pub mean: Tensor<1>,
    /// The biased variance of every group without epsilon, `[groups · c]`, without gradient.
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
    #[cfg(any(feature = "flex", feature = "cube"))]
    if has_kernels(&x.device()) {
        return extension::conv2d(x, weight, bias, stride, padding);
    }
    burn::tensor::module::conv2d(x, weight, bias, ConvOptions::new(stride, padding, [1, 1], 1))
}

/// `relu(conv2d(x) + shortcut)`: a convolution that batch normalisation has been folded into, and what follows it. One
/// operation on GPUs where no gradient is asked for.
///
/// # Shapes
/// As [`conv2d`]; `shortcut` is `[n, co, oh, ow]`.
#[must_use]
pub fn conv2d_relu(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    shortcut: Option<Tensor<4>>,
    stride: [usize; 2],
    padding: [usize; 2],
) -> Tensor<4> {
    #[cfg(feature = "cube")]
    if let Some(found) = gpu::rectified_conv2d(&x, &weight, bias.as_ref(), shortcut.as_ref(), stride, padding) {
        return found;
    }
    let x = conv2d(x, weight, bias, stride, padding);
    activation::relu(match shortcut {
        Some(shortcut) => x + shortcut,
        None => x,
    })
}

/// Batch normalisation with the statistics of `groups` of the batch: sample `i` belongs to group `i % groups`.
///
/// # Shapes
/// `x` `[n, c, h, w]`, `gamma` and `beta` `[c]` → `[n, c, h, w]`; `n` is a multiple of `groups`.
#[must_use]
pub fn batch_norm_train(x: Tensor<4>, gamma: Tensor<1>, beta: Tensor<1>, groups: usize, epsilon: f64) -> BatchNorm {
    batch_norm(x, gamma, beta, None, groups, false, epsilon)
}

/// `relu(batch_norm_train(x) + residual)` in one operation: what ends a residual block, and without `residual` what
/// stands between its convolutions. It saves several passes over memory in both directions.
///
/// # Shapes
/// As [`batch_norm_train`]; `residual` is `[n, c, h, w]`.
#[must_use]
pub fn batch_norm_relu_train(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    residual: Option<Tensor<4>>,
    groups: usize,
    epsilon: f64,
) -> BatchNorm {
    batch_norm(x, gamma, beta, residual, groups, true, epsilon)
}

fn batch_norm(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    residual: Option<Tensor<4>>,
    groups: usize,
    relu: bool,
    epsilon: f64,
) -> BatchNorm {
    let [n, channels, height, width] = x.dims();
    assert!(groups > 0 && n % groups == 0, "a batch of {n} cannot be normalised in {groups} equal groups");
    #[cfg(any(feature = "flex", feature = "cube"))]
    if has_kernels(&x.device()) {
        return extension::batch_norm(x, gamma, beta, residual, groups, relu, epsilon);
    }
    // A group of samples is as good as extra channels.
    let grouped = x.reshape([n / groups, groups * channels, height, width]);
    let many = |values: Tensor<1>| if groups == 1 { values } else { values.repeat(&[groups]) };
    let result = burn::tensor::module::batch_norm_train(grouped, many(gamma), many(beta), epsilon);
    let output = result.output.reshape([n, channels, height, width]);
    let sum = match residual {
        Some(residual) => output + residual,
        None => output,
    };
    let output = if relu { activation::relu(sum) } else { sum };
    BatchNorm { output, mean: result.mean, variance: result.variance }
}

/// `old · (1 - momentum) + momentum · fresh` of a mean and a variance, where `fresh` are those of every group and are
/// averaged, and the variance is multiplied by `unbias`. None of the tensors may be tracked.
///
/// # Shapes
/// `old` `[c]`, `fresh` `[groups · c]` → `[c]`.
#[must_use]
pub fn blend(old: [Tensor<1>; 2], fresh: [Tensor<1>; 2], momentum: f64, unbias: f64) -> [Tensor<1>; 2] {
    #[cfg(feature = "cube")]
    if let Some(found) = gpu::blend([&old[0], &old[1]], fresh.clone(), momentum, unbias) {
        return found;
    }
    let ([old_mean, old_variance], [mean, variance]) = (old, fresh);
    let [channels] = old_mean.dims();
    let average = |fresh: Tensor<1>| {
        let groups = fresh.dims()[0] / channels;
        fresh.reshape([groups, channels]).mean_dim(0).reshape([channels])
    };
    let joined = |old: Tensor<1>, fresh: Tensor<1>| old * (1.0 - momentum) + fresh * momentum;
    [joined(old_mean, average(mean)), joined(old_variance, average(variance) * unbias)]
}

/// Max pooling of square windows; padding never wins.
///
/// # Shapes
/// `x` `[n, c, h, w]` → `[n, c, oh, ow]`, rounded down as PyTorch's default does.
#[must_use]
pub fn max_pool2d(x: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<4> {
    #[cfg(any(feature = "flex", feature = "cube"))]
    if has_kernels(&x.device()) {
        return extension::max_pool2d(x, kernel, stride, padding);
    }
    let options = MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
    burn::tensor::module::max_pool2d(x, options)
}

/// The mean of every channel, summed in single precision on GPUs.
///
/// # Shapes
/// `[n, c, h, w]` → `[n, c]`
#[must_use]
pub fn means(map: Tensor<4>) -> Tensor<2> {
    #[cfg(feature = "cube")]
    if gpu::has_kernels(&map.device()) {
        return gpu::means(map);
    }
    let [n, channels, h, w] = map.dims();
    map.reshape([n, channels, h * w]).mean_dim(2).reshape([n, channels])
}

/// Mean and standard deviation of every channel of several maps: the means from the last map to the first, then the
/// deviations.
///
/// # Shapes
/// `[n, c_i, h_i, w_i]` each → `[n, 2 · Σ c_i]`
#[must_use]
pub fn moments(maps: Vec<Tensor<4>>) -> Tensor<2> {
    #[cfg(feature = "cube")]
    if let Some(found) = gpu::moments(&maps) {
        return found;
    }
    let mut parts = Vec::with_capacity(2 * maps.len());
    let mut deviations = Vec::with_capacity(maps.len());
    for map in maps.into_iter().rev() {
        let [n, channels, h, w] = map.dims();
        let mean = means(map.clone());
        let centred = map - mean.clone().reshape([n, channels, 1, 1]);
        let variance = centred.square().reshape([n, channels, h * w]).mean_dim(2);
        parts.push(mean);
        deviations.push(variance.sqrt().reshape([n, channels]));
    }
    parts.extend(deviations);
    Tensor::cat(parts, 1)
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
    #[cfg(feature = "cube")]
    if gpu::has_kernels(&query.device()) {
        return gpu::contrast(query, positive, negatives, temperature);
    }
    #[cfg(feature = "flex")]
    if has_kernels(&query.device()) {
        return flex::contrast(query, positive, negatives, temperature);
    }
    let _ = (query, positive, negatives, temperature);
    None
}
