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
        let precision = FloatDType::from(x.dtype());
        let bias = self.bias.as_ref().map(|bias| cast(bias.val(), precision));
        kernels::conv2d(x, cast(self.weight.val(), precision), bias, [self.stride; 2], [self.padding; 2])
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
        let x = cast(x, FloatDType::F32);
        let y = match mode {
            NormMode::Running => self.with_running_statistics(x),
            NormMode::Batch { splits } => self
                .with_batch_statistics(x, splits, |x, gamma, beta| kernels::batch_norm_train(x, gamma, beta, EPSILON)),
        };
        cast(y, precision)
    }

    /// `relu(forward(x) + shortcut)`, in one operation where statistics of a batch in single precision are wanted.
    pub(super) fn rectified(&self, x: Tensor<4>, shortcut: Option<Tensor<4>>, mode: NormMode) -> Tensor<4> {
        match mode {
            NormMode::Batch { splits } if FloatDType::from(x.dtype()) == FloatDType::F32 => {
                self.with_batch_statistics(x, splits, |x, gamma, beta| {
                    let shortcut = shortcut.map(|shortcut| shortcut.reshape(x.dims()));
                    kernels::batch_norm_relu_train(x, gamma, beta, shortcut, EPSILON)
                })
            }
            _ => rectified(self.forward(x, mode), shortcut),
        }
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
        normalise: impl FnOnce(Tensor<4>, Tensor<1>, Tensor<1>) -> kernels::BatchNorm,
    ) -> Tensor<4> {
        let [n, channels, h, w] = x.dims();
        assert!(splits > 0 && n % splits == 0, "a batch of {n} cannot be normalised in {splits} equal groups");
        let (gamma, beta) = (self.weight.val(), self.bias.val());
        // [n, c, h, w] → [n / s, s · c, h, w]: a group of samples becomes extra channels, without moving a value.
        let grouped = x.reshape([n / splits, splits * channels, h, w]);
        let (gamma, beta) = match splits {
            1 => (gamma, beta),
            _ => (gamma.repeat(&[splits]), beta.repeat(&[splits])),
        };
        let result = normalise(grouped, gamma, beta);
        let average = |statistic: Tensor<1>| {
            // [s · c] → [c]
            statistic.without_autodiff().reshape([splits, channels]).mean_dim(0).reshape([channels])
        };
        let count = (n / splits * h * w) as f64;
        // One value has no unbiased variance; PyTorch refuses such a batch, we keep the biased one.
        let unbias = if count > 1.0 { count / (count - 1.0) } else { 1.0 };
        blend(&self.running_mean, average(result.mean));
        blend(&self.running_var, average(result.variance) * unbias);
        result.output.reshape([n, channels, h, w])
    }
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

fn blend(buffer: &RunningState<Tensor<1>>, fresh: Tensor<1>) {
    let old = buffer.value_sync();
    buffer.update(old * (1.0 - MOMENTUM) + fresh * MOMENTUM);
    // Merge at once: visitors (checkpoints, exports) read the merged value only.
    buffer.value_sync();
}
