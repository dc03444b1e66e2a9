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
#[cfg_attr(not(feature = "autodiff"), expect(dead_code, reason = "the backward passes"))]
mod gpu;
#[cfg(feature = "flex")]
mod kept;
pub mod optimisers;
mod parameters;
#[cfg(feature = "flex")]
mod values;

use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, FloatDType, Tensor, activation};

/// Whether tensors on `device` are computed by kernels of ours.
#[cfg(any(feature = "flex", feature = "cube"))]
fn has_kernels(device: &Device) -> bool {
    #[cfg(feature = "flex")]
    if matches!(device.clone().without_autodiff().as_dispatch(), burn::backend::DispatchDevice::Flex(_)) {
        return true;
    }
    computes_together(device)
}

/// Whether `device` is faster in one large pass than in several small ones: graphics devices are.
#[must_use]
pub fn computes_together(device: &Device) -> bool {
    let _ = device;
    #[cfg(feature = "cube")]
    if gpu::has_kernels(device) {
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

/// A map whose moments may be known, for batch normalisation in groups: sample `i` belongs to group `i % groups`.
#[derive(Clone, Debug)]
pub struct Convolved {
    map: Tensor<4>,
    groups: usize,
    /// Pixels of a share, and the moments of the shares of every group.
    moments: Option<(usize, Tensor<4>)>,
}

impl Convolved {
    /// Any map `[n, c, h, w]`; `n` is a multiple of `groups`.
    #[must_use]
    pub fn new(map: Tensor<4>, groups: usize) -> Self {
        let [n, ..] = map.dims();
        assert!(groups > 0 && n.is_multiple_of(groups), "a batch of {n} cannot be normalised in {groups} equal groups");
        Self { map, groups, moments: None }
    }

    /// The map itself.
    #[must_use]
    pub fn into_map(self) -> Tensor<4> {
        self.map
    }

    /// `[n, c, h, w]`
    #[must_use]
    pub fn dims(&self) -> [usize; 4] {
        self.map.dims()
    }

    /// The map's precision.
    #[must_use]
    pub fn precision(&self) -> FloatDType {
        self.map.dtype().into()
    }

    /// The same in another precision.
    #[must_use]
    pub fn cast(self, precision: FloatDType) -> Self {
        if self.precision() == precision { self } else { Self { map: self.map.cast(precision), ..self } }
    }

    /// Whether batch normalisation of the map keeps statistics and parameters in single precision whatever the map's is.
    #[must_use]
    pub fn normalises_itself(&self) -> bool {
        computes_together(&self.map.device())
    }
}

/// [`conv2d`] without bias before a batch normalisation in `groups`: on GPUs the moments are taken while the map is written.
#[must_use]
pub fn conv2d_for_norm(
    x: Tensor<4>,
    weight: Tensor<4>,
    stride: [usize; 2],
    padding: [usize; 2],
    groups: usize,
) -> Convolved {
    #[cfg(feature = "cube")]
    if gpu::has_kernels(&x.device()) && groups > 0 && x.dims()[0].is_multiple_of(groups) {
        let [map, moments] = extension::conv2d_moments(x, weight, stride, padding, groups);
        let share = gpu::share(&map).filter(|_| moments.dims() != [1, 1, 1, 1]);
        return Convolved { moments: share.map(|share| (share, moments)), ..Convolved::new(map, groups) };
    }
    Convolved::new(conv2d(x, weight, None, stride, padding), groups)
}

/// What stands behind a batch normalisation.
#[derive(Clone, Debug, Default)]
pub struct After {
    /// A map that is added, of the same shape.
    pub residual: Option<Tensor<4>>,
    /// `max(0, ·)` at the end.
    pub relu: bool,
}

/// Batch normalisation with the statistics of the groups of the batch, and what ends a residual block, or stands between
/// its convolutions, in one operation: it saves several passes over memory in both directions.
///
/// # Shapes
/// `x` `[n, c, h, w]`, `gamma` and `beta` `[c]` → `[n, c, h, w]`.
#[must_use]
pub fn batch_norm_train(x: Convolved, gamma: Tensor<1>, beta: Tensor<1>, after: After, epsilon: f64) -> BatchNorm {
    #[cfg(any(feature = "flex", feature = "cube"))]
    if has_kernels(&x.map.device()) {
        return extension::batch_norm(x, [gamma, beta], after, epsilon);
    }
    let groups = x.groups;
    let [n, channels, height, width] = x.map.dims();
    // A group of samples is as good as extra channels.
    let grouped = x.map.reshape([n / groups, groups * channels, height, width]);
    let many = |values: Tensor<1>| if groups == 1 { values } else { values.repeat(&[groups]) };
    let result = burn::tensor::module::batch_norm_train(grouped, many(gamma), many(beta), epsilon);
    let output = result.output.reshape([n, channels, height, width]);
    let sum = match after.residual {
        Some(residual) => output + residual,
        None => output,
    };
    let output = if after.relu { activation::relu(sum) } else { sum };
    BatchNorm { output, mean: result.mean, variance: result.variance }
}

/// The running statistics of a layer, and those of the groups of new batches; none of the tensors may be tracked.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// Running mean and variance, `[c]`.
    pub old: [Tensor<1>; 2],
    /// Means and variances of the groups of every batch, `[batches · groups · c]`.
    pub fresh: [Tensor<1>; 2],
    /// What makes a batch's variance unbiased.
    pub unbias: f64,
}

/// Running means and variances after `batches` that came one behind the other:
/// `old ← old · (1 - momentum) + momentum · mean over the groups`. All layers at once, since devices are slow in many small
/// steps.
#[must_use]
pub fn blend(layers: Vec<Statistics>, momentum: f64, batches: usize) -> Vec<[Tensor<1>; 2]> {
    #[cfg(feature = "cube")]
    if let Some(found) = gpu::blend(&layers, momentum, batches) {
        return found;
    }
    let blend = |layer: Statistics| {
        let [channels] = layer.old[0].dims();
        let groups = layer.fresh[0].dims()[0] / channels / batches;
        // [batches · groups · c] → [batches, c]
        let averages =
            |fresh: Tensor<1>| fresh.reshape([batches, groups, channels]).mean_dim(1).reshape([batches, channels]);
        let joined = |old: Tensor<1>, fresh: Tensor<2>| {
            (0..batches).fold(old, |old, batch| {
                let fresh = fresh.clone().slice([batch..batch + 1, 0..channels]).reshape([channels]);
                old * (1.0 - momentum) + fresh * momentum
            })
        };
        let ([old_mean, old_variance], [mean, variance]) = (layer.old, layer.fresh);
        [joined(old_mean, averages(mean)), joined(old_variance, averages(variance) * layer.unbias)]
    };
    layers.into_iter().map(blend).collect()
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

/// The mean cross-entropy of what [`contrast`] found, with its gradient by the queries, and the share of positives that
/// won: `[1]` each.
///
/// # Shapes
/// `query` `[n, d]`, tracked where gradients are asked for.
#[must_use]
pub fn loss_of(query: Tensor<2>, found: Contrast) -> [Tensor<1>; 2] {
    #[cfg(feature = "cube")]
    if gpu::has_kernels(&query.device())
        && let Some(found) = gpu::loss_of(query.clone(), found.clone())
    {
        return found;
    }
    let [n, _] = query.dims();
    let tracked = query.device().is_autodiff();
    let slope = if tracked { found.gradients.autodiff() } else { found.gradients };
    // A number whose gradient by the query is the loss's, moved to the loss's value.
    let slope = (query * slope).sum() / n as f64;
    let rest = found.losses.mean() - slope.clone().without_autodiff();
    [slope + if tracked { rest.autodiff() } else { rest }, found.wins.mean()]
}

/// `x · weightᵀ + bias`, and `max(0, ·)` of it where `relu` says so: one operation on GPUs.
///
/// # Shapes
/// `x` `[n, i]`, `weight` `[o, i]`, `bias` `[o]` → `[n, o]`
#[must_use]
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>, relu: bool) -> Tensor<2> {
    #[cfg(feature = "cube")]
    if gpu::takes_rows(&x) {
        return gpu::linear(x, weight, bias, relu);
    }
    let y = x.matmul(weight.transpose()) + bias.unsqueeze::<2>();
    if relu { activation::relu(y) } else { y }
}

/// Rows of length 1, with PyTorch's `normalize`'s ε of 1e-12: one operation on GPUs.
///
/// # Shapes
/// `[n, d]` → `[n, d]`
#[must_use]
pub fn unit_rows(x: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "cube")]
    if gpu::takes_rows(&x) {
        return gpu::unit_rows(x);
    }
    let norm = x.clone().powi_scalar(2).sum_dim(1).sqrt().clamp_min(1e-12);
    x / norm
}

/// Tensors of one number each, `[1]`, side by side; none may be tracked.
#[must_use]
pub fn lined_up(numbers: Vec<Tensor<1>>) -> Tensor<1> {
    #[cfg(feature = "cube")]
    if let Some(found) = gpu::lined_up(&numbers) {
        return found;
    }
    Tensor::cat(numbers, 0)
}

/// Mean standard deviation over dimensions of unit-length rows, × √d: near 1 when they fill the sphere, 0 when they have
/// collapsed to a point. `x` may not be tracked.
///
/// # Shapes
/// `[n, d]` → `[1]`
#[must_use]
pub fn spread(x: Tensor<2>) -> Tensor<1> {
    let [_, width] = x.dims();
    let scale = (width as f64).sqrt();
    #[cfg(feature = "cube")]
    if let Some(found) = gpu::spread(&x, scale) {
        return found;
    }
    let centred = x.clone() - x.mean_dim(0);
    centred.powi_scalar(2).mean_dim(0).sqrt().mean() * scale
}
