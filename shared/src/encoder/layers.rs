//! Convolution and batch normalisation with explicit modes: the caller says which statistics are used, nothing is
//! inferred from the device.

use super::spec::ConvSpec;
use crate::kernels;
use burn::module::{Module, Param, RunningState};
use burn::tensor::{Device, FloatDType, Tensor, activation::relu};

/// Added to variances under the root: PyTorch's default; folding must use the same.
pub const EPSILON: f64 = 1e-5;
/// Share of a batch in the running statistics: PyTorch's default.
pub const MOMENTUM: f64 = 0.1;

/// Which statistics batch normalisation uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormMode {
    /// The running statistics (inference); nothing is updated.
    Running,
    /// The statistics of the batch, running statistics updated (training; also the key encoder of a momentum pair).
    ///
    /// With `splits` above 1 the batch is normalised in that many interleaved groups (sample `i` belongs to group
    /// `i % splits`), which stands in for MoCo's shuffled BatchNorm on one device. The batch size must be divisible.
    Batch {
        /// Groups a batch is normalised in.
        splits: usize,
    },
}

/// A convolution: without bias when a batch normalisation follows, with bias when that has been folded in.
#[derive(Module, Debug)]
pub struct Conv {
    /// `[outputs, inputs, kernel, kernel]`
    pub weight: Param<Tensor<4>>,
    /// `[outputs]`
    pub bias: Option<Param<Tensor<1>>>,
    stride: usize,
    padding: usize,
}

impl Conv {
    pub(super) fn zeros(spec: &ConvSpec, folded: bool, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::zeros(spec.weight_shape(), device)),
            bias: folded.then(|| Param::from_tensor(Tensor::zeros([spec.outputs], device))),
            stride: spec.stride,
            padding: spec.padding,
        }
    }

    /// `[n, inputs, h, w]` → `[n, outputs, h', w']`, in the precision of `x`: weights follow it (mixed precision).
    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let (weight, bias) = self.parameters(&x);
        kernels::conv2d(x, weight, bias, [self.stride; 2], [self.padding; 2])
    }

    /// `relu(forward(x) + shortcut)`
    pub(super) fn rectified(&self, x: Tensor<4>, shortcut: Option<Tensor<4>>) -> Tensor<4> {
        let (weight, bias) = self.parameters(&x);
        kernels::conv2d_relu(x, weight, bias, shortcut, [self.stride; 2], [self.padding; 2])
    }

    fn parameters(&self, x: &Tensor<4>) -> (Tensor<4>, Option<Tensor<1>>) {
        let precision = FloatDType::from(x.dtype());
        let bias = self.bias.as_ref().map(|bias| cast(bias.val(), precision));
        (cast(self.weight.val(), precision), bias)
    }
}

/// Batch normalisation with PyTorch's buffers: the running variance is the unbiased one.
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// Scale γ, `[channels]`.
    pub weight: Param<Tensor<1>>,
    /// Shift β, `[channels]`.
    pub bias: Param<Tensor<1>>,
    /// `[channels]`
    pub running_mean: RunningState<Tensor<1>>,
    /// `[channels]`
    pub running_var: RunningState<Tensor<1>>,
}

impl BatchNorm {
    /// Scale 1, shift 0, running statistics of a standard normal.
    #[must_use]
    pub fn identity(channels: usize, device: &Device) -> Self {
        // Buffers take no part in a gradient: they live on the device without its autodiff context.
        let inner = device.clone().without_autodiff();
        Self {
            weight: Param::from_tensor(Tensor::ones([channels], device)),
            bias: Param::from_tensor(Tensor::zeros([channels], device)),
            running_mean: RunningState::new(Tensor::zeros([channels], &inner)),
            running_var: RunningState::new(Tensor::ones([channels], &inner)),
        }
    }

    /// `[n, channels, h, w]` → the same shape and precision; the statistics are single precision always.
    #[must_use]
    pub fn forward(&self, x: Tensor<4>, mode: NormMode) -> Tensor<4> {
        let precision = FloatDType::from(x.dtype());
        let y = match mode {
            NormMode::Running => self.with_running_statistics(cast(x, FloatDType::F32)),
            NormMode::Batch { splits } => {
                self.with_batch_statistics(own_precision(x), splits, kernels::batch_norm_train)
            }
        };
        cast(y, precision)
    }

    /// `relu(forward(x) + shortcut)`, in one operation where statistics of a batch are wanted.
    pub(super) fn rectified(&self, x: Tensor<4>, shortcut: Option<Tensor<4>>, mode: NormMode) -> Tensor<4> {
        let precision = FloatDType::from(x.dtype());
        let NormMode::Batch { splits } = mode else { return rectified(self.forward(x, mode), shortcut) };
        let y = self.with_batch_statistics(own_precision(x), splits, |x, gamma, beta, splits, epsilon| {
            let shortcut = shortcut.map(|shortcut| cast(shortcut, FloatDType::from(x.dtype())));
            kernels::batch_norm_relu_train(x, gamma, beta, shortcut, splits, epsilon)
        });
        cast(y, precision)
    }

    fn with_running_statistics(&self, x: Tensor<4>) -> Tensor<4> {
        let [channels] = self.weight.dims();
        let device = x.device();
        let var = self.running_var.value_sync().to_device(&device);
        let mean = self.running_mean.value_sync().to_device(&device);
        let (mean, var) = match device.is_autodiff() {
            true => (mean.autodiff(), var.autodiff()),
            false => (mean, var),
        };
        let scale = self.weight.val() / (var + EPSILON).sqrt();
        let shift = self.bias.val() - mean * scale.clone();
        x * scale.reshape([1, channels, 1, 1]) + shift.reshape([1, channels, 1, 1])
    }

    fn with_batch_statistics(
        &self,
        x: Tensor<4>,
        splits: usize,
        normalise: impl FnOnce(Tensor<4>, Tensor<1>, Tensor<1>, usize, f64) -> kernels::BatchNorm,
    ) -> Tensor<4> {
        let [n, _, h, w] = x.dims();
        let result = normalise(x, self.weight.val(), self.bias.val(), splits, EPSILON);
        let count = (n / splits * h * w) as f64;
        // One value has no unbiased variance; PyTorch refuses such a batch, we keep the biased one.
        let unbias = if count > 1.0 { count / (count - 1.0) } else { 1.0 };
        let old = [&self.running_mean, &self.running_var].map(RunningState::value_sync);
        let fresh = [result.mean, result.variance].map(Tensor::without_autodiff);
        let [mean, variance] = kernels::blend(old, fresh, MOMENTUM, unbias);
        for (buffer, value) in [(&self.running_mean, mean), (&self.running_var, variance)] {
            buffer.update(value);
            // Merge at once: visitors (checkpoints, exports) read the merged value only.
            buffer.value_sync();
        }
        result.output
    }
}

/// The precision that batch normalisation takes: what `x` has where its statistics are in single precision anyway.
fn own_precision(x: Tensor<4>) -> Tensor<4> {
    if kernels::normalises_in_half_precision(&x) { x } else { cast(x, FloatDType::F32) }
}

/// `relu(x + shortcut)`
pub(super) fn rectified(x: Tensor<4>, shortcut: Option<Tensor<4>>) -> Tensor<4> {
    relu(match shortcut {
        Some(shortcut) => x + shortcut,
        None => x,
    })
}

/// A cast that costs nothing when there is nothing to change.
fn cast<const D: usize>(x: Tensor<D>, precision: FloatDType) -> Tensor<D> {
    if FloatDType::from(x.dtype()) == precision { x } else { x.cast(precision) }
}
