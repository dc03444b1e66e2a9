//! The CPU kernels as operations of the `flex` backend.

use burn::backend::ops::{ActivationOps, ConvOptions, FloatTensorOps, ModuleOps};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{Shape, Tensor, TensorData};

use super::cpu::{ConvShape, NormShape, PoolShape, contrast, convolution, normalisation, pooling};
use super::extension::{Extra, TileKernels};
use super::values::{Values, all_single, dense, slice, tensor};
use super::{Contrast, Negatives, kept};
#[cfg(feature = "autodiff")]
use super::{
    cpu::weight_gradient,
    extension::{SavedNorm, TileGradients},
};

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
fn conv_shape(x: &Values, weight: &Values, stride: [usize; 2], padding: [usize; 2]) -> Option<(ConvShape, [usize; 2])> {
    let [n, ci, height, width] = x.shape().dims();
    let [co, channels, rows, columns] = weight.shape().dims();
    let shape = ConvShape { n, ci, size: [height, width], co, kernel: [rows, columns], stride, padding };
    let output = shape.output_size()?;
    (channels == ci).then_some((shape, output))
}

/// The sizes of a max pooling of `x` and of its output; `None` when ours does not do it.
fn pool_shape(x: &Values, kernel: usize, stride: usize, padding: usize) -> Option<(PoolShape, [usize; 2])> {
    let [n, channels, height, width] = x.shape().dims();
    let shape = PoolShape { planes: n * channels, size: [height, width], kernel, stride, padding };
    let output = shape.output_size().filter(|_| all_single(&[x]))?;
    Some((shape, output))
}

/// Batch normalisation in `groups` of `x`, as the kernels see it: `[n, c, h, w]` is `[n / groups, groups · c, h, w]`, a group of
/// samples being extra channels, without moving a value.
struct Grouped {
    shape: NormShape,
    gamma: Vec<f32>,
    beta: Vec<f32>,
}

impl Grouped {
    fn new(x: &Values, gamma: &Values, beta: &Values, groups: usize) -> Self {
        let [n, channels, height, width] = x.shape().dims();
        let shape = NormShape { n: n / groups, channels: groups * channels, plane: height * width };
        Self { shape, gamma: slice(gamma).repeat(groups), beta: slice(beta).repeat(groups) }
    }
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

    fn tile_conv2d_moments(
        x: Values,
        weight: Values,
        stride: [usize; 2],
        padding: [usize; 2],
        _: usize,
    ) -> (Values, Values) {
        // Its normalisation reads a channel once for both moments, and finds it in the cache when it writes.
        let nothing = tensor(vec![0.0], [1, 1, 1, 1]);
        (Self::tile_conv2d(x, weight, Extra::Absent, stride, padding), nothing)
    }

    fn tile_batch_norm(
        x: Values,
        gamma: Values,
        beta: Values,
        residual: Extra<Self>,
        _: Extra<Self>,
        _: usize,
        groups: usize,
        relu: bool,
        epsilon: f64,
    ) -> (Values, Values, Values) {
        let residual = residual.into_option();
        let dims: [usize; 4] = x.shape().dims();
        let single = all_single(&[&x, &gamma, &beta]) && residual.as_ref().is_none_or(|extra| all_single(&[extra]));
        if !single {
            let [n, channels, height, width] = dims;
            let grouped = Flex::float_reshape(x, Shape::new([n / groups, groups * channels, height, width]));
            let many = |values: Values| match groups {
                1 => values,
                _ => Flex::float_repeat_dim(values, 0, groups),
            };
            let result = Flex::batch_norm_train(grouped, many(gamma), many(beta), epsilon);
            let output = Flex::float_reshape(result.output, Shape::new(dims));
            let sum = match residual {
                Some(residual) => Flex::float_add(output, residual),
                None => output,
            };
            let output = if relu { Flex::relu(sum) } else { sum };
            return (output, result.mean, result.variance);
        }
        let (x, gamma, beta, residual) = (dense(&x), dense(&gamma), dense(&beta), residual.as_ref().map(dense));
        let grouped = Grouped::new(&x, &gamma, &beta, groups);
        let result = normalisation::forward(
            grouped.shape,
            slice(&x),
            &grouped.gamma,
            &grouped.beta,
            residual.as_ref().map(slice),
            relu,
            epsilon,
        );
        let channels = [grouped.shape.channels];
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

#[cfg(feature = "autodiff")]
impl TileGradients for Flex {
    fn differentiates_conv(
        x: &Values,
        weight: &Values,
        bias: Option<&Values>,
        stride: [usize; 2],
        padding: [usize; 2],
    ) -> bool {
        all_single(&[x, weight])
            && bias.is_none_or(|bias| all_single(&[bias]))
            && conv_shape(x, weight, stride, padding).is_some()
    }

    fn differentiates_norm(maps: [Option<&Values>; 2], parameters: [&Values; 2]) -> bool {
        maps.into_iter().flatten().chain(parameters).all(|part| all_single(&[part]))
    }

    fn differentiates_pool(x: &Values, kernel: usize, stride: usize, padding: usize) -> bool {
        pool_shape(x, kernel, stride, padding).is_some()
    }

    fn conv_gradients(
        x: Values,
        weight: Values,
        gradient: Values,
        stride: [usize; 2],
        padding: [usize; 2],
        [dx, dw, db]: [bool; 3],
    ) -> [Option<Values>; 3] {
        let (x, weight, gradient) = (dense(&x), dense(&weight), dense(&gradient));
        let (shape, output) = conv_shape(&x, &weight, stride, padding).expect("sizes that the forward pass accepted");
        let by_x = dx.then(|| {
            let values = convolution::input_gradient(&shape, output, slice(&weight), slice(&gradient));
            tensor(values, [shape.n, shape.ci, shape.size[0], shape.size[1]])
        });
        let by_weight = dw.then(|| {
            let values = weight_gradient::weight_gradient(&shape, output, slice(&x), slice(&gradient));
            tensor(values, [shape.co, shape.ci, shape.kernel[0], shape.kernel[1]])
        });
        let by_bias = db.then(|| tensor(weight_gradient::bias_gradient(&shape, output, slice(&gradient)), [shape.co]));
        [by_x, by_weight, by_bias]
    }

    fn norm_gradients(saved: SavedNorm<Self>, gradient: Values) -> [Values; 4] {
        let dims: [usize; 4] = saved.x.shape().dims();
        let (x, gamma, beta) = (dense(&saved.x), dense(&saved.gamma), dense(&saved.beta));
        let grouped = Grouped::new(&x, &gamma, &beta, saved.groups);
        let relu = match (saved.relu, &saved.output) {
            (false, _) => normalisation::Relu::None,
            (true, None) => normalisation::Relu::Alone(&grouped.beta),
            (true, Some(output)) => normalisation::Relu::Joined(slice(output)),
        };
        let inputs = normalisation::Saved {
            x: slice(&x),
            gamma: &grouped.gamma,
            mean: slice(&saved.mean),
            variance: slice(&saved.variance),
            relu,
            epsilon: saved.epsilon,
        };
        let found = normalisation::backward(grouped.shape, &inputs, slice(&dense(&gradient)));
        let joined = |values: Vec<f32>| {
            let mut sum = vec![0.0; dims[1]];
            for group in values.chunks_exact(dims[1]) {
                sum.iter_mut().zip(group).for_each(|(sum, value)| *sum += value);
            }
            tensor(sum, [dims[1]])
        };
        let residual = found.residual.map_or(gradient, |values| tensor(values, dims));
        [tensor(found.x, dims), joined(found.gamma), joined(found.beta), residual]
    }

    fn pool_gradient(x: Values, gradient: Values, kernel: usize, stride: usize, padding: usize) -> Values {
        let x = dense(&x);
        let (shape, output) = pool_shape(&x, kernel, stride, padding).expect("sizes that the forward pass accepted");
        let values = pooling::input_gradient(&shape, output, slice(&x), slice(&dense(&gradient)));
        let dims: [usize; 4] = x.shape().dims();
        tensor(values, dims)
    }
}
