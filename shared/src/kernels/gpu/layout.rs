//! How feature maps lie in a device's memory: channels last, so that neighbouring units read neighbouring channels.
//!
//! Shapes stay `[n, c, h, w]`; only the strides say that channels are innermost.

use burn::tensor::{DType, Shape};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::{ElemType, FloatKind};
use cubecl::prelude::*;
use cubecl::zspace::{Strides, metadata::Metadata};

/// Cubes along the first axis of a launch at most; more go along the second.
const MOST_CUBES: usize = 32_768;

/// The type of a map's values in a kernel; `None` where ours do not compute in it.
pub(super) fn float_type(dtype: DType) -> Option<ElemType> {
    match dtype {
        DType::F32 => Some(ElemType::Float(FloatKind::F32)),
        DType::F16 => Some(ElemType::Float(FloatKind::F16)),
        DType::BF16 => Some(ElemType::Float(FloatKind::BF16)),
        _ => None,
    }
}

/// A tensor without content, of the given strides, on the device of `like`.
fn empty(like: &CubeTensor, shape: &[usize], strides: &[usize], dtype: DType) -> CubeTensor {
    let bytes = shape.iter().product::<usize>() * dtype.size();
    let handle = like.client.empty(bytes.max(dtype.size()));
    let metadata = Metadata::new(Shape::from(shape.to_vec()), Strides::new(strides));
    CubeTensor::new(like.client.clone(), handle, metadata, like.device.clone(), dtype)
}

/// Strides of a map whose channels are innermost.
fn last_strides([_, c, h, w]: [usize; 4]) -> [usize; 4] {
    [h * w * c, 1, w * c, c]
}

/// An empty map, channels last.
pub(super) fn map(like: &CubeTensor, dims: [usize; 4], dtype: DType) -> CubeTensor {
    empty(like, &dims, &last_strides(dims), dtype)
}

/// An empty tensor in the order its shape says.
pub(super) fn plain(like: &CubeTensor, dims: &[usize], dtype: DType) -> CubeTensor {
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    empty(like, dims, &strides, dtype)
}

/// `[n, c, h, w]` of a map.
pub(super) fn dims(tensor: &CubeTensor) -> [usize; 4] {
    let shape = tensor.meta.shape();
    [shape[0], shape[1], shape[2], shape[3]]
}

/// Whether the channels of a map are innermost and nothing lies between its values.
pub(super) fn is_channels_last(tensor: &CubeTensor) -> bool {
    let dims = dims(tensor);
    let strides = tensor.meta.strides();
    !tensor.meta.is_tiled() && (0..4).all(|axis| dims[axis] == 1 || strides[axis] == last_strides(dims)[axis])
}

/// The same map, channels last: moved only where it lies otherwise.
pub(super) fn channels_last(tensor: CubeTensor) -> CubeTensor {
    if is_channels_last(&tensor) {
        return tensor;
    }
    let dims = dims(&tensor);
    let seen = permuted(tensor, [0, 2, 3, 1]);
    let mut moved = into_contiguous(seen);
    // A step along an axis of one place may be anything; ours is what the shape says.
    moved.meta = Box::new(Metadata::new(Shape::from(dims.to_vec()), Strides::new(&last_strides(dims))));
    moved
}

fn permuted(mut tensor: CubeTensor, axes: [usize; 4]) -> CubeTensor {
    let (shape, strides) = (tensor.meta.shape().clone(), tensor.meta.strides().clone());
    let shape = axes.map(|axis| shape[axis]);
    let strides = axes.map(|axis| strides[axis]);
    tensor.meta = Box::new(Metadata::new(Shape::from(shape.to_vec()), Strides::new(&strides)));
    tensor
}

/// A tensor in the order its shape says, without gaps.
pub(super) fn dense(tensor: CubeTensor) -> CubeTensor {
    into_contiguous(tensor)
}

/// The buffer of a tensor, as an argument of a kernel.
pub(super) fn buffer(tensor: &CubeTensor) -> BufferArg {
    tensor.clone().into_buffer_arg()
}

/// Values that a kernel moves at a time where `channels` are innermost.
pub(super) fn vector(channels: usize) -> usize {
    if channels.is_multiple_of(4) { 4 } else { 1 }
}

/// `count` cubes, spread over two axes, by `z` along the third.
pub(super) fn grid(count: usize, z: usize) -> CubeCount {
    let x = count.min(MOST_CUBES);
    CubeCount::Static(x as u32, count.div_ceil(x.max(1)) as u32, z as u32)
}

/// How many things of `buffers` buffers each go into one launch on the device of `like`.
pub(super) fn together(like: &CubeTensor, buffers: usize) -> usize {
    // A few for scalars, and for what the runtime itself binds.
    let bound = like.client.properties().hardware.max_bindings as usize;
    (bound.saturating_sub(4) / buffers).max(1)
}
