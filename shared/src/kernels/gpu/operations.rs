//! The kernels as operations of the `Cube` backend.

use burn::backend::ops::{ActivationOps, ConvOptions, FloatTensorOps, ModuleOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Cube, Dispatch, DispatchDevice, backend_extension};
use burn::tensor::{DType, Device, Int, Shape, Tensor, TensorData};
use burn_cubecl::CubeDevice;
use burn_cubecl::tensor::CubeTensor;

use super::contrast as kernel;
use super::convolution::{self, Epilogue, Window};
use super::normalisation;
use super::{layout, optimisers, pooling, rows, statistics};
use crate::kernels::extension::{Extra, TileKernels};
use crate::kernels::parameters::{Adaptation, Averaged, Decays, Descent};
use crate::kernels::{Contrast, Negatives, Statistics};

#[cfg(feature = "autodiff")]
mod gradients;

/// The device of these kernels that `device` is, with gradients or without.
fn cube_device(device: &Device) -> Option<CubeDevice> {
    match device.clone().without_autodiff().as_dispatch() {
        DispatchDevice::Cube(device) => Some(device.clone()),
        #[allow(unreachable_patterns, reason = "which other backends exist is another crate's choice")]
        _ => None,
    }
}

/// Whether tensors on `device` are computed here.
pub(in crate::kernels) fn has_kernels(device: &Device) -> bool {
    cube_device(device).is_some()
}

/// Whether all maps are of one precision that the kernels compute in.
fn suit(maps: &[&CubeTensor]) -> bool {
    maps.iter().all(|map| map.dtype == maps[0].dtype && layout::float_type(map.dtype).is_some())
}

fn single(tensors: &[&CubeTensor]) -> bool {
    tensors.iter().all(|tensor| tensor.dtype == DType::F32)
}

fn window(weight: &CubeTensor, stride: [usize; 2], padding: [usize; 2]) -> Window {
    let [_, _, rows, columns] = layout::dims(weight);
    Window { kernel: [rows, columns], stride, padding }
}

/// Window and output size of a convolution of these tensors; `None` where the kernel does not take it.
fn convolves(
    x: &CubeTensor,
    weight: &CubeTensor,
    bias: Option<&CubeTensor>,
    stride: [usize; 2],
    padding: [usize; 2],
) -> Option<(Window, [usize; 2])> {
    let [_, channels, height, width] = layout::dims(x);
    let window = window(weight, stride, padding);
    let fits = layout::dims(weight)[1] == channels && suit(&[x, weight]) && bias.is_none_or(|bias| suit(&[x, bias]));
    window.output([height, width]).filter(|_| fits).map(|output| (window, output))
}

/// The size of a max pooling's output; `None` where the kernel does not take it.
fn pools(x: &CubeTensor, kernel: usize, stride: usize, padding: usize) -> Option<[usize; 2]> {
    let [_, _, height, width] = layout::dims(x);
    let window = Window { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2] };
    window.output([height, width]).filter(|_| suit(&[x]) && 2 * padding <= kernel)
}

impl TileKernels for Cube {
    fn tile_conv2d(
        x: CubeTensor,
        weight: CubeTensor,
        bias: Extra<Self>,
        stride: [usize; 2],
        padding: [usize; 2],
    ) -> CubeTensor {
        let bias = bias.into_option();
        match convolves(&x, &weight, bias.as_ref(), stride, padding) {
            Some((window, output)) => {
                convolution::forward(x, weight, window, output, Epilogue { bias, ..Epilogue::default() })
            }
            None => Self::conv2d(x, weight, bias, ConvOptions::new(stride, padding, [1, 1], 1)),
        }
    }

    fn tile_conv2d_moments(
        x: CubeTensor,
        weight: CubeTensor,
        stride: [usize; 2],
        padding: [usize; 2],
        groups: usize,
    ) -> (CubeTensor, CubeTensor) {
        let nothing = layout::plain(&x, &[1, 1, 1, 1], DType::F32);
        match convolves(&x, &weight, None, stride, padding) {
            Some((window, output)) => {
                let found = convolution::forward_with_moments(x, weight, window, output, groups);
                (found.map, found.parts.unwrap_or(nothing))
            }
            None => (Self::conv2d(x, weight, None, ConvOptions::new(stride, padding, [1, 1], 1)), nothing),
        }
    }

    fn tile_batch_norm(
        x: CubeTensor,
        gamma: CubeTensor,
        beta: CubeTensor,
        residual: Extra<Self>,
        moments: Extra<Self>,
        share: usize,
        groups: usize,
        relu: bool,
        epsilon: f64,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let residual = residual.into_option();
        if normalises([Some(&x), residual.as_ref()], [&gamma, &beta]) {
            let parts = moments.into_option().map(|moments| normalisation::Parts { moments, share });
            let found = normalisation::forward(x, [gamma, beta], residual, parts, groups, relu, epsilon);
            return (found.output, found.means, found.variances);
        }
        let dims = layout::dims(&x);
        let [n, channels, height, width] = dims;
        let grouped = Self::float_reshape(x, Shape::new([n / groups, groups * channels, height, width]));
        let many = |values: CubeTensor| match groups {
            1 => values,
            _ => Self::float_repeat_dim(values, 0, groups),
        };
        let result = Self::batch_norm_train(grouped, many(gamma), many(beta), epsilon);
        let output = Self::float_reshape(result.output, Shape::new(dims));
        let sum = match residual {
            Some(residual) => Self::float_add(output, residual),
            None => output,
        };
        (if relu { Self::relu(sum) } else { sum }, result.mean, result.variance)
    }

    fn tile_max_pool2d(x: CubeTensor, kernel: usize, stride: usize, padding: usize) -> CubeTensor {
        match pools(&x, kernel, stride, padding) {
            Some(output) => pooling::max_pool(x, output, [kernel, stride, padding]),
            None => Self::max_pool2d(x, [kernel; 2], [stride; 2], [padding; 2], [1, 1], false),
        }
    }
}

fn normalises(maps: [Option<&CubeTensor>; 2], parameters: [&CubeTensor; 2]) -> bool {
    let maps: Vec<&CubeTensor> = maps.into_iter().flatten().collect();
    suit(&maps) && single(&parameters)
}

/// What only these devices have kernels for.
#[backend_extension(Cube, Autodiff: cfg(feature = "autodiff"))]
pub(in crate::kernels) trait MapKernels: Backend {
    /// `[n, c, h, w]` → `[n, c]`, in the map's precision.
    fn map_means(map: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `max(0, ·)`, where `relu` says so, of `x · weightᵀ + bias`: `[n, i]`, `[o, i]`, `[o]` → `[n, o]`.
    fn map_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self>;

    /// Rows of length 1, `[n, d]` → `[n, d]`.
    fn map_unit_rows(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `value` `[1]`, whose gradient by `x` `[n, d]` is `slope` `[n, d]` over n.
    fn map_known_slope(x: FloatTensor<Self>, slope: FloatTensor<Self>, value: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl MapKernels for Cube {
    fn map_means(map: CubeTensor) -> CubeTensor {
        pooling::means(map)
    }

    fn map_linear(x: CubeTensor, weight: CubeTensor, bias: CubeTensor, relu: bool) -> CubeTensor {
        let [rows, outputs] = [x.meta.shape()[0], weight.meta.shape()[0]];
        let end = Epilogue { bias: Some(bias), shortcut: None, relu };
        let (x, weight) = (as_map(x), as_map(weight));
        Self::float_reshape(convolution::forward(x, weight, Window::POINT, [1, 1], end), Shape::new([rows, outputs]))
    }

    fn map_unit_rows(x: CubeTensor) -> CubeTensor {
        let [y, _] = rows::unit_rows(x);
        y
    }

    fn map_known_slope(_: CubeTensor, _: CubeTensor, value: CubeTensor) -> CubeTensor {
        value
    }
}

/// A matrix as a map of one pixel: `[n, d]` → `[n, d, 1, 1]`.
fn as_map(matrix: CubeTensor) -> CubeTensor {
    let matrix = layout::dense(matrix);
    let [n, width] = [matrix.meta.shape()[0], matrix.meta.shape()[1]];
    Cube::float_reshape(matrix, Shape::new([n, width, 1, 1]))
}

/// Whether the kernels of rows take `x`.
pub(in crate::kernels) fn takes_rows(x: &Tensor<2>) -> bool {
    x.dtype() == DType::F32 && x.dims()[0] > 0 && has_kernels(&x.device())
}

/// See [`crate::kernels::linear`].
pub(in crate::kernels) fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>, relu: bool) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::map_linear(x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch(), relu))
}

/// See [`crate::kernels::unit_rows`].
pub(in crate::kernels) fn unit_rows(x: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::map_unit_rows(x.into_dispatch()))
}

/// See [`crate::kernels::loss_of`].
pub(in crate::kernels) fn loss_of(query: Tensor<2>, found: Contrast) -> Option<[Tensor<1>; 2]> {
    let [losses, wins] = [plain(&found.losses)?, plain(&found.wins)?];
    let [loss, share] = rows::means_of_both(losses, wins).map(Tensor::<1>::from_primitive::<Cube>);
    let track = |x: Tensor<1>| if query.device().is_autodiff() { x.autodiff() } else { x };
    let loss = track(loss).into_dispatch();
    let slope = if query.device().is_autodiff() { found.gradients.autodiff() } else { found.gradients };
    let loss = Dispatch::map_known_slope(query.into_dispatch(), slope.into_dispatch(), loss);
    Some([Tensor::from_dispatch(loss), share])
}

/// See [`crate::kernels::means`].
pub(in crate::kernels) fn means(map: Tensor<4>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::map_means(map.into_dispatch()))
}

/// The tensors behind these, where all are on a device of ours, without gradients.
fn behind<const D: usize>(tensors: &[Tensor<D>]) -> Option<Vec<CubeTensor>> {
    tensors.iter().map(|tensor| tensor.clone().try_into_primitive::<Cube>().ok()).collect()
}

/// See [`crate::kernels::moments`].
pub(in crate::kernels) fn moments(maps: &[Tensor<4>]) -> Option<Tensor<2>> {
    let maps = behind(maps).filter(|maps| suit(&maps.iter().collect::<Vec<_>>()))?;
    Some(Tensor::from_primitive::<Cube>(pooling::moments(maps)))
}

/// See [`crate::kernels::conv2d_relu`].
pub(in crate::kernels) fn rectified_conv2d(
    x: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
    shortcut: Option<&Tensor<4>>,
    stride: [usize; 2],
    padding: [usize; 2],
) -> Option<Tensor<4>> {
    let one = |tensor: &Tensor<4>| tensor.clone().try_into_primitive::<Cube>().ok();
    let (x, weight) = (one(x)?, one(weight)?);
    let bias = match bias {
        Some(bias) => Some(bias.clone().try_into_primitive::<Cube>().ok()?),
        None => None,
    };
    let shortcut = match shortcut {
        Some(shortcut) => Some(one(shortcut)?),
        None => None,
    };
    let (window, output) = convolves(&x, &weight, bias.as_ref(), stride, padding)?;
    let end = Epilogue { bias, shortcut, relu: true };
    Some(Tensor::from_primitive::<Cube>(convolution::forward(x, weight, window, output, end)))
}

/// See [`crate::kernels::blend`].
pub(in crate::kernels) fn blend(layers: &[Statistics], momentum: f64, batches: usize) -> Option<Vec<[Tensor<1>; 2]>> {
    let both = |pair: &[Tensor<1>; 2]| Some([plain(&pair[0])?, plain(&pair[1])?]);
    let layers: Option<Vec<_>> = layers
        .iter()
        .map(|layer| {
            let (old, fresh) = (both(&layer.old)?, both(&layer.fresh)?);
            Some(statistics::Layer { old, fresh, unbias: layer.unbias })
        })
        .collect();
    Some(tensors(statistics::blend(layers?, momentum, batches)))
}

/// See [`crate::kernels::contrast`].
pub(in crate::kernels) fn contrast(
    query: &Tensor<2>,
    positive: &Tensor<2>,
    negatives: &[Negatives],
    temperature: f64,
) -> Option<Contrast> {
    let [n, _] = query.dims();
    let device = query.device();
    let mut banks = Vec::with_capacity(negatives.len());
    for negatives in negatives {
        let skips_own = match negatives.skips_own.iter().any(|&skips| skips) {
            true => {
                let mut flags: Vec<i32> = negatives.skips_own.iter().map(|&skips| i32::from(skips)).collect();
                flags.resize(n, 0);
                let flags = Tensor::<1, Int>::from_data(TensorData::new(flags, [n]), (&device, DType::I32));
                Some(flags.try_into_primitive::<Cube>().ok()?)
            }
            false => None,
        };
        let keys = negatives.keys.clone().try_into_primitive::<Cube>().ok()?;
        banks.push(kernel::Bank { keys, skips_own });
    }
    let one = |tensor: &Tensor<2>| tensor.clone().try_into_primitive::<Cube>().ok();
    let found = kernel::contrast(one(query)?, one(positive)?, banks, temperature)?;
    Some(Contrast {
        losses: Tensor::from_primitive::<Cube>(found.losses),
        gradients: Tensor::from_primitive::<Cube>(found.gradients),
        wins: Tensor::from_primitive::<Cube>(found.wins),
    })
}

/// The tensor behind this one, where it is on a device of ours, without gradients, in single precision.
fn plain(tensor: &Tensor<1>) -> Option<CubeTensor> {
    tensor.clone().try_into_primitive::<Cube>().ok().filter(|tensor| single(&[tensor]))
}

fn tensors<const N: usize>(results: Vec<[CubeTensor; N]>) -> Vec<[Tensor<1>; N]> {
    results.into_iter().map(|result| result.map(Tensor::from_primitive::<Cube>)).collect()
}

/// See [`crate::kernels::optimisers::average`].
pub(in crate::kernels) fn average(parameters: &[Averaged], momentum: f64) -> Option<Vec<Tensor<1>>> {
    let pairs: Option<Vec<_>> =
        parameters.iter().map(|parameter| Some([plain(&parameter.old)?, plain(&parameter.fresh)?])).collect();
    Some(optimisers::average(pairs?, momentum).into_iter().map(Tensor::from_primitive::<Cube>).collect())
}

/// See [`crate::kernels::optimisers::descend`].
pub(in crate::kernels) fn descend(parameters: &[Descent], rate: f64, momentum: f64) -> Option<Vec<[Tensor<1>; 2]>> {
    let parameters: Option<Vec<_>> = parameters
        .iter()
        .map(|parameter| {
            let velocity = match &parameter.velocity {
                Some(velocity) => Some(plain(velocity)?),
                None => None,
            };
            let (weight, gradient) = (plain(&parameter.weight)?, plain(&parameter.gradient)?);
            let (decay, trust) = (parameter.decay, parameter.trust);
            Some(optimisers::Descent { weight, gradient, velocity, decay, trust })
        })
        .collect();
    Some(tensors(optimisers::descend(parameters?, rate, momentum)))
}

/// See [`crate::kernels::optimisers::adapt`].
pub(in crate::kernels) fn adapt(parameters: &[Adaptation], decays: Decays) -> Option<Vec<[Tensor<1>; 3]>> {
    let parameters: Option<Vec<_>> = parameters
        .iter()
        .map(|parameter| {
            let moments = match &parameter.moments {
                Some([mean, square]) => Some([plain(mean)?, plain(square)?]),
                None => None,
            };
            let [by_mean, by_square] = parameter.corrections(decays);
            Some(optimisers::Adaptation {
                weight: plain(&parameter.weight)?,
                gradient: plain(&parameter.gradient)?,
                moments,
                rate: parameter.rate / by_mean,
                kept: parameter.kept(),
                correction: by_square,
            })
        })
        .collect();
    Some(tensors(optimisers::adapt(parameters?, [decays.beta1, decays.beta2, decays.epsilon])))
}

/// Pixels of a share of a map `[n, co, oh, ow]` whose moments a convolution wrote down.
pub(in crate::kernels) fn share(map: &Tensor<4>) -> Option<usize> {
    let [n, co, oh, ow] = map.dims();
    let device = cube_device(&map.device())?;
    Some(convolution::share(n * oh * ow, co, &device.client()))
}

/// See [`crate::kernels::lined_up`].
pub(in crate::kernels) fn lined_up(numbers: &[Tensor<1>]) -> Option<Tensor<1>> {
    let numbers: Option<Vec<_>> = numbers.iter().map(plain).collect();
    rows::lined_up(&numbers?).map(Tensor::from_primitive::<Cube>)
}

/// See [`crate::kernels::spread`].
pub(in crate::kernels) fn spread(x: &Tensor<2>, scale: f64) -> Option<Tensor<1>> {
    let x = x.clone().try_into_primitive::<Cube>().ok().filter(|x| single(&[x]))?;
    Some(Tensor::from_primitive::<Cube>(rows::spread(x, scale)))
}
