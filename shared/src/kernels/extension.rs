//! What our kernels add to a Burn backend, and the way from tensors to them.

#![cfg_attr(
    not(feature = "cube"),
    expect(dead_code, reason = "moments are taken while a map is written on GPUs alone")
)]

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, ExtensionType, backend_extension};
use burn::tensor::Tensor;

use super::{After, BatchNorm, Convolved};

/// A tensor that may be left out, in a form that Burn can pass between backends.
#[derive(ExtensionType)]
pub(super) enum Extra<B: Backend> {
    Given(FloatTensor<B>),
    Absent,
}

impl<B: Backend> Extra<B> {
    pub(super) fn from_option(tensor: Option<FloatTensor<B>>) -> Self {
        tensor.map_or(Self::Absent, Self::Given)
    }

    pub(super) fn into_option(self) -> Option<FloatTensor<B>> {
        match self {
            Self::Given(tensor) => Some(tensor),
            Self::Absent => None,
        }
    }
}

/// What a backend can do beyond Burn's own operations; the autodiff side is in `autodiff.rs`.
#[backend_extension(Flex: cfg(feature = "flex"), Cube: cfg(feature = "cube"), Autodiff: cfg(feature = "autodiff"))]
pub(super) trait TileKernels: Backend {
    /// See [`super::conv2d`].
    fn tile_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Extra<Self>,
        stride: [usize; 2],
        padding: [usize; 2],
    ) -> FloatTensor<Self>;

    /// A convolution, and the moments of shares of every group of its output, `[groups, shares, 2, co]`; `[1, 1, 1, 1]` where
    /// nobody took them.
    fn tile_conv2d_moments(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        stride: [usize; 2],
        padding: [usize; 2],
        groups: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// Output, mean and variance; see [`super::batch_norm_relu_train`]. `moments` are those of shares of `share` pixels.
    #[allow(clippy::too_many_arguments, reason = "tensors of one operation")]
    fn tile_batch_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        #[extension_type] residual: Extra<Self>,
        #[extension_type] moments: Extra<Self>,
        share: usize,
        groups: usize,
        relu: bool,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// See [`super::max_pool2d`].
    fn tile_max_pool2d(x: FloatTensor<Self>, kernel: usize, stride: usize, padding: usize) -> FloatTensor<Self>;
}

/// What a batch normalisation keeps for its gradients.
#[cfg(feature = "autodiff")]
pub(super) struct SavedNorm<B: Backend> {
    pub x: FloatTensor<B>,
    pub gamma: FloatTensor<B>,
    pub beta: FloatTensor<B>,
    /// Of every group.
    pub mean: FloatTensor<B>,
    pub variance: FloatTensor<B>,
    /// The output, where a shortcut was added before `max(0, ·)`.
    pub output: Option<FloatTensor<B>>,
    pub groups: usize,
    pub relu: bool,
    pub epsilon: f64,
}

/// The gradients of a backend's kernels.
#[cfg(feature = "autodiff")]
pub(super) trait TileGradients: TileKernels {
    /// Whether a convolution of these tensors has its gradients here.
    fn differentiates_conv(
        x: &FloatTensor<Self>,
        weight: &FloatTensor<Self>,
        bias: Option<&FloatTensor<Self>>,
        stride: [usize; 2],
        padding: [usize; 2],
    ) -> bool;

    /// Whether a batch normalisation has: `x`, the residual, γ and β.
    fn differentiates_norm(maps: [Option<&FloatTensor<Self>>; 2], parameters: [&FloatTensor<Self>; 2]) -> bool;

    /// Whether a max pooling has.
    fn differentiates_pool(x: &FloatTensor<Self>, kernel: usize, stride: usize, padding: usize) -> bool;

    /// By `x`, weight and bias, each only where it is wanted.
    fn conv_gradients(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        stride: [usize; 2],
        padding: [usize; 2],
        wanted: [bool; 3],
    ) -> [Option<FloatTensor<Self>>; 3];

    /// By `x`, γ, β and the residual.
    fn norm_gradients(saved: SavedNorm<Self>, gradient: FloatTensor<Self>) -> [FloatTensor<Self>; 4];

    /// By `x`.
    fn pool_gradient(
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self>;
}

fn extra<const D: usize>(tensor: Option<Tensor<D>>) -> Extra<Dispatch> {
    Extra::from_option(tensor.map(Tensor::into_dispatch))
}

pub(super) fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: [usize; 2],
    padding: [usize; 2],
) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::tile_conv2d(
        x.into_dispatch(),
        weight.into_dispatch(),
        extra(bias),
        stride,
        padding,
    ))
}

pub(super) fn conv2d_moments(
    x: Tensor<4>,
    weight: Tensor<4>,
    stride: [usize; 2],
    padding: [usize; 2],
    groups: usize,
) -> [Tensor<4>; 2] {
    let (map, moments) =
        Dispatch::tile_conv2d_moments(x.into_dispatch(), weight.into_dispatch(), stride, padding, groups);
    [Tensor::from_dispatch(map), Tensor::from_dispatch(moments)]
}

pub(super) fn batch_norm(x: Convolved, [gamma, beta]: [Tensor<1>; 2], after: After, epsilon: f64) -> BatchNorm {
    let (share, moments) = x.moments.map_or((0, None), |(share, moments)| (share, Some(moments)));
    let (output, mean, variance) = Dispatch::tile_batch_norm(
        x.map.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        extra(after.residual),
        extra(moments),
        share,
        x.groups,
        after.relu,
        epsilon,
    );
    BatchNorm {
        output: Tensor::from_dispatch(output),
        mean: Tensor::from_dispatch(mean),
        variance: Tensor::from_dispatch(variance),
    }
}

pub(super) fn max_pool2d(x: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::tile_max_pool2d(x.into_dispatch(), kernel, stride, padding))
}
