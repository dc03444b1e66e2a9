//! The way from tensors to the CPU kernels and back: a Burn backend extension of the `flex` backend.

use burn::backend::ops::{ActivationOps, ConvOptions, FloatTensorOps, ModuleOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, DispatchDevice, ExtensionType, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Device, Tensor, TensorData};

use super::cpu::{ConvShape, NormShape, PoolShape, contrast, convolution, normalisation, pooling};
use super::values::{Values, all_single, dense, slice, tensor};
use super::{BatchNorm, Contrast, Negatives, kept};

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

/// What `flex` can do beyond Burn's own operations; the autodiff side is in `autodiff.rs`.
#[backend_extension(Flex, Autodiff: cfg(feature = "autodiff"))]
pub(super) trait TileKernels: Backend {
    /// See [`super::conv2d`].
    fn tile_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Extra<Self>,
        stride: [usize; 2],
        padding: [usize; 2],
    ) -> FloatTensor<Self>;

    /// Output, mean and variance; see [`super::batch_norm_relu_train`].
    fn tile_batch_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        #[extension_type] residual: Extra<Self>,
        relu: bool,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// See [`super::max_pool2d`].
    fn tile_max_pool2d(x: FloatTensor<Self>, kernel: usize, stride: usize, padding: usize) -> FloatTensor<Self>;
}

/// Whether tensors on `device` are computed here.
pub(super) fn has_kernels(device: &Device) -> bool {
    match device.as_dispatch() {
        DispatchDevice::Flex(_) => true,
        #[cfg(feature = "autodiff")]
        DispatchDevice::Autodiff(_) => {
            matches!(device.clone().without_autodiff().as_dispatch(), DispatchDevice::Flex(_))
        }
        #[allow(unreachable_patterns, reason = "which other backends exist is another crate's choice")]
        _ => false,
    }
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

pub(super) fn batch_norm(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    residual: Option<Tensor<4>>,
    relu: bool,
    epsilon: f64,
) -> BatchNorm {
    let (output, mean, variance) = Dispatch::tile_batch_norm(
        x.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        extra(residual),
        relu,
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

/// See [`super::contrast`]; `None` unless everything is in single precision.
pub(super) fn contrast(
    query: &Tensor<2>,
    positive: &Tensor<2>,
    negatives: &[Negatives],
    temperature: f64,
) -> Option<Contrast> {
    let [n, width] = query.dims();
    let device = query.device();
    let data = |tensor: &Tensor<2>| tensor.clone().into_data();
    let (queries, positives) = (data(query), data(positive));
    let values: Vec<TensorData> = negatives.iter().map(|negatives| data(&negatives.keys)).collect();
    let keys: Vec<&[f32]> = values.iter().map(TensorData::as_slice).collect::<Result<_, _>>().ok()?;
    let banks = keys.into_iter().zip(negatives);
    let banks: Vec<contrast::Bank<'_>> =
        banks.map(|(keys, negatives)| contrast::Bank { keys, skips_own: &negatives.skips_own }).collect();
    let (queries, positives) = (queries.as_slice().ok()?, positives.as_slice().ok()?);
    let found = contrast::contrast(width, queries, positives, &banks, temperature as f32);
    let column = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, [n]), &device);
    Some(Contrast {
        losses: column(found.losses),
        gradients: Tensor::from_data(TensorData::new(found.gradients, [n, width]), &device),
        wins: column(found.wins),
    })
}

/// The sizes of a convolution of these tensors and of its output; `None` when the kernel does not fit.
pub(super) fn conv_shape(
    x: &Values,
    weight: &Values,
    stride: [usize; 2],
    padding: [usize; 2],
) -> Option<(ConvShape, [usize; 2])> {
    let [n, ci, height, width] = x.shape().dims();
    let [co, channels, rows, columns] = weight.shape().dims();
    let shape = ConvShape { n, ci, size: [height, width], co, kernel: [rows, columns], stride, padding };
    let output = shape.output_size()?;
    (channels == ci).then_some((shape, output))
}

/// The sizes of a batch normalisation of `x`.
pub(super) fn norm_shape(x: &Values) -> NormShape {
    let [n, channels, height, width] = x.shape().dims();
    NormShape { n, channels, plane: height * width }
}

/// The sizes of a max pooling of `x` and of its output; `None` when ours does not do it.
pub(super) fn pool_shape(x: &Values, kernel: usize, stride: usize, padding: usize) -> Option<(PoolShape, [usize; 2])> {
    let [n, channels, height, width] = x.shape().dims();
    let shape = PoolShape { planes: n * channels, size: [height, width], kernel, stride, padding };
    let output = shape.output_size().filter(|_| all_single(&[x]))?;
    Some((shape, output))
}

impl TileKernels for Flex {
    fn tile_conv2d(x: Values, weight: Values, bias: Extra<Self>, stride: [usize; 2], padding: [usize; 2]) -> Values {
        let bias = bias.into_option();
        let single = all_single(&[&x, &weight]) && bias.as_ref().is_none_or(|bias| all_single(&[bias]));
        let Some((shape, output)) = conv_shape(&x, &weight, stride, padding).filter(|_| single) else {
            return Flex::conv2d(x, weight, bias, ConvOptions::new(stride, padding, [1, 1], 1));
        };
        let (x, weight, bias) = (dense(&x), dense(&weight), bias.as_ref().map(dense));
        let weights = kept::arranged(&shape, output, &weight, bias.as_ref());
        let values = convolution::forward(&shape, output, slice(&x), &weights);
        tensor(values, [shape.n, shape.co, output[0], output[1]])
    }

    fn tile_batch_norm(
        x: Values,
        gamma: Values,
        beta: Values,
        residual: Extra<Self>,
        relu: bool,
        epsilon: f64,
    ) -> (Values, Values, Values) {
        let residual = residual.into_option();
        let single = all_single(&[&x, &gamma, &beta]) && residual.as_ref().is_none_or(|extra| all_single(&[extra]));
        if !single {
            let result = Flex::batch_norm_train(x, gamma, beta, epsilon);
            let sum = match residual {
                Some(residual) => Flex::float_add(result.output, residual),
                None => result.output,
            };
            let output = if relu { Flex::relu(sum) } else { sum };
            return (output, result.mean, result.variance);
        }
        let shape = norm_shape(&x);
        let dims: [usize; 4] = x.shape().dims();
        let (x, gamma, beta, residual) = (dense(&x), dense(&gamma), dense(&beta), residual.as_ref().map(dense));
        let result = normalisation::forward(
            shape,
            slice(&x),
            slice(&gamma),
            slice(&beta),
            residual.as_ref().map(slice),
            relu,
            epsilon,
        );
        let channels = [shape.channels];
        (tensor(result.output, dims), tensor(result.mean, channels), tensor(result.variance, channels))
    }

    fn tile_max_pool2d(x: Values, kernel: usize, stride: usize, padding: usize) -> Values {
        let Some((shape, output)) = pool_shape(&x, kernel, stride, padding) else {
            return Flex::max_pool2d(x, [kernel; 2], [stride; 2], [padding; 2], [1, 1], false);
        };
        let [n, channels, ..]: [usize; 4] = x.shape().dims();
        let values = pooling::forward(&shape, output, slice(&dense(&x)));
        tensor(values, [n, channels, output[0], output[1]])
    }
}
