//! Convolution and batch normalisation with explicit modes: the caller says which statistics are used, nothing is
//! inferred from the device.

use super::spec::ConvSpec;
use crate::kernels::{self, After};
use burn::module::{Module, ModuleMapper, Param, RunningState};
use burn::tensor::{Device, FloatDType, Tensor, activation::relu};
use std::cell::RefCell;

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
    /// As many batches in one, as if one came after the other: sample `i` belongs to group `i % splits` of batch
    /// `i / splits % batches`.
    Batches {
        /// Batches that go through together.
        batches: usize,
        /// Groups that each is normalised in.
        splits: usize,
    },
}

impl NormMode {
    /// Batches and groups of each, where statistics of the batch are used.
    fn groups(self) -> Option<[usize; 2]> {
        match self {
            Self::Running => None,
            Self::Batch { splits } => Some([1, splits]),
            Self::Batches { batches, splits } => Some([batches, splits]),
        }
    }
}

/// The buffers of a layer, running mean and variance, and what is blended into them.
type Found = ([RunningState<Tensor<1>>; 2], kernels::Statistics);

/// One pass through a network, and the statistics that it has found so far. [`Pass::finish`] blends them into the running ones.
#[derive(Debug)]
pub(super) struct Pass {
    mode: NormMode,
    found: RefCell<Vec<Found>>,
}

impl Pass {
    pub(super) fn new(mode: NormMode) -> Self {
        Self { mode, found: RefCell::default() }
    }

    pub(super) fn finish(self) {
        let Some([batches, _]) = self.mode.groups() else { return };
        let (buffers, statistics): (Vec<_>, Vec<_>) = self.found.into_inner().into_iter().unzip();
        for ([mean, variance], [new_mean, new_variance]) in
            buffers.into_iter().zip(kernels::blend(statistics, MOMENTUM, batches))
        {
            set(mean, new_mean);
            set(variance, new_variance);
        }
    }
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

    /// [`Self::forward`] before a batch normalisation.
    fn for_norm(&self, x: Tensor<4>, mode: NormMode) -> kernels::Convolved {
        match (mode.groups(), &self.bias) {
            (Some([batches, splits]), None) => {
                let (weight, _) = self.parameters(&x);
                kernels::conv2d_for_norm(x, weight, [self.stride; 2], [self.padding; 2], batches * splits)
            }
            (groups, _) => {
                kernels::Convolved::new(self.forward(x), groups.map_or(1, |[batches, splits]| batches * splits))
            }
        }
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
        let pass = Pass::new(mode);
        let groups = mode.groups().map_or(1, |[batches, splits]| batches * splits);
        let y = self.normalised(kernels::Convolved::new(x, groups), After::default(), &pass);
        pass.finish();
        y
    }

    /// `relu(forward(x) + shortcut)`, or less of it, in one operation where statistics of a batch are wanted.
    fn normalised(&self, x: kernels::Convolved, after: After, pass: &Pass) -> Tensor<4> {
        let Some([batches, splits]) = pass.mode.groups() else {
            return then(self.with_running_statistics(x.into_map()), after);
        };
        let precision = x.precision();
        let [n, _, h, w] = x.dims();
        let x = if x.normalises_itself() { x } else { x.cast(FloatDType::F32) };
        let residual = after.residual.map(|residual| cast(residual, x.precision()));
        let after = After { residual, ..after };
        let result = kernels::batch_norm_train(x, self.weight.val(), self.bias.val(), after, EPSILON);
        let count = (n / (batches * splits) * h * w) as f64;
        // One value has no unbiased variance; PyTorch refuses such a batch, we keep the biased one.
        let unbias = if count > 1.0 { count / (count - 1.0) } else { 1.0 };
        let found = kernels::Statistics {
            old: [self.running_mean.value_sync(), self.running_var.value_sync()],
            fresh: [result.mean, result.variance].map(Tensor::without_autodiff),
            unbias,
        };
        pass.found.borrow_mut().push(([self.running_mean.clone(), self.running_var.clone()], found));
        cast(result.output, precision)
    }

    fn with_running_statistics(&self, x: Tensor<4>) -> Tensor<4> {
        let precision = FloatDType::from(x.dtype());
        let x = cast(x, FloatDType::F32);
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
        cast(x * scale.reshape([1, channels, 1, 1]) + shift.reshape([1, channels, 1, 1]), precision)
    }
}

/// A convolution, what normalises it where that has not been folded in, and what stands behind them.
pub(super) fn convolved(conv: &Conv, norm: Option<&BatchNorm>, x: Tensor<4>, after: After, pass: &Pass) -> Tensor<4> {
    match norm {
        Some(norm) => norm.normalised(conv.for_norm(x, pass.mode), after, pass),
        None if after.relu => conv.rectified(x, after.residual),
        None => then(conv.forward(x), after),
    }
}

/// `relu(x + residual)`, or less of it.
fn then(x: Tensor<4>, after: After) -> Tensor<4> {
    let sum = match after.residual {
        Some(residual) => x + residual,
        None => x,
    };
    if after.relu { relu(sum) } else { sum }
}

/// Writes `value` into a buffer. `RunningState::update` would divide it by the one thread that has seen it, and leave it to be
/// merged: a launch for every buffer of a network.
fn set(buffer: RunningState<Tensor<1>>, value: Tensor<1>) {
    struct Set(Tensor<1>);
    impl ModuleMapper for Set {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            Param::initialized(param.id, self.0.clone().reshape(param.dims()))
        }
    }
    // Clones of a buffer share what it holds.
    let _ = buffer.map(&mut Set(value));
}

/// A cast that costs nothing when there is nothing to change.
fn cast<const D: usize>(x: Tensor<D>, precision: FloatDType) -> Tensor<D> {
    if FloatDType::from(x.dtype()) == precision { x } else { x.cast(precision) }
}
