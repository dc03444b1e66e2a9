//! Max pooling, and what is read out of a map.

use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::layout;

/// Units of a cube.
const UNITS: usize = 256;

/// What is fixed when the kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Fixed {
    kernel: usize,
    stride: usize,
    padding: usize,
}

/// Sizes of one launch: places of the map that is written, its channels in vectors, and the sizes of both maps.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
struct Sizes {
    total: u32,
    channels: u32,
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
}

/// The largest value under each window; what lies outside never wins.
#[cube(launch_unchecked)]
fn largest<E: Float, N: Size>(
    x: &[Vector<E, N>],
    out: &mut [Vector<E, N>],
    sizes: Sizes,
    #[comptime] fixed: Fixed,
    #[define(E)] _dtype: ElemType,
) {
    let at = ABSOLUTE_POS as u32;
    if at < sizes.total {
        let channel = at % sizes.channels;
        let place = at / sizes.channels;
        let x_at = place % sizes.out_width;
        let y_at = place / sizes.out_width % sizes.out_height;
        let image = place / (sizes.out_width * sizes.out_height);
        let mut best = Vector::<E, N>::new(E::min_value());
        #[unroll]
        for r in 0..comptime!(fixed.kernel) {
            #[unroll]
            for s in 0..comptime!(fixed.kernel) {
                // Padded places are counted from the padding's edge: never below zero.
                let y = y_at * comptime!(fixed.stride as u32) + comptime!(r as u32);
                let x_from = x_at * comptime!(fixed.stride as u32) + comptime!(s as u32);
                let padding = comptime!(fixed.padding as u32);
                if y >= padding && x_from >= padding && y - padding < sizes.height && x_from - padding < sizes.width {
                    let from = ((image * sizes.height + y - padding) * sizes.width + x_from - padding) * sizes.channels
                        + channel;
                    best = max(best, x[from as usize]);
                }
            }
        }
        out[at as usize] = best;
    }
}

/// The gradient of every window goes to the first of its largest values, in the order of reading.
#[cube(launch_unchecked)]
fn largest_gradient<E: Float, N: Size>(
    x: &[Vector<E, N>],
    gradient: &[Vector<E, N>],
    out: &mut [Vector<E, N>],
    sizes: Sizes,
    #[comptime] fixed: Fixed,
    #[define(E)] _dtype: ElemType,
) {
    let at = ABSOLUTE_POS as u32;
    if at < sizes.total {
        let channel = at % sizes.channels;
        let place = at / sizes.channels;
        let padding = comptime!(fixed.padding as u32);
        let stride = comptime!(fixed.stride as u32);
        let kernel = comptime!(fixed.kernel as u32);
        let x_at = place % sizes.width + padding;
        let y_at = place / sizes.width % sizes.height + padding;
        let image = place / (sizes.width * sizes.height);
        let own = x[at as usize];
        let mut sum = Vector::<f32, N>::new(0.0f32);
        let last_y = u32::min(y_at / stride + 1u32, sizes.out_height);
        let last_x = u32::min(x_at / stride + 1u32, sizes.out_width);
        let first_y = (u32::max(y_at + stride, kernel) - kernel) / stride;
        let first_x = (u32::max(x_at + stride, kernel) - kernel) / stride;
        for out_y in first_y..last_y {
            for out_x in first_x..last_x {
                // 1 where no value before ours is as large, and none behind is larger.
                let mut wins = Vector::<f32, N>::new(1.0f32);
                for tap in 0..kernel * kernel {
                    let y = out_y * stride + tap / kernel;
                    let x_from = out_x * stride + tap % kernel;
                    if y >= padding && x_from >= padding && y - padding < sizes.height && x_from - padding < sizes.width
                    {
                        let from = ((image * sizes.height + y - padding) * sizes.width + x_from - padding)
                            * sizes.channels
                            + channel;
                        let other = x[from as usize];
                        let before = y < y_at || (y == y_at && x_from < x_at);
                        #[unroll]
                        for j in 0..N::value() {
                            let (a, b) = (other.extract(j), own.extract(j));
                            let loses = a > b || (a == b && before);
                            if loses {
                                wins.insert(j, 0.0f32);
                            }
                        }
                    }
                }
                let incoming = gradient[(((image * sizes.out_height + out_y) * sizes.out_width + out_x)
                    * sizes.channels
                    + channel) as usize];
                sum += wins * Vector::cast_from(incoming);
            }
        }
        out[at as usize] = Vector::cast_from(sum);
    }
}

fn sizes(maps: [[usize; 4]; 2], total: [usize; 4]) -> (SizesLaunch, usize, usize) {
    let [[_, channels, height, width], [_, _, out_height, out_width]] = maps;
    let vector = layout::vector(channels);
    let total = total.iter().product::<usize>() / vector;
    let launch = SizesLaunch::new(
        total as u32,
        (channels / vector) as u32,
        height as u32,
        width as u32,
        out_height as u32,
        out_width as u32,
    );
    (launch, vector, total)
}

/// `[n, c, h, w]` → `[n, c, oh, ow]`, channels last.
pub(super) fn max_pool(x: CubeTensor, output: [usize; 2], [kernel, stride, padding]: [usize; 3]) -> CubeTensor {
    let kind = layout::float_type(x.dtype).expect("a precision of these kernels");
    let x = layout::channels_last(x);
    let dims = layout::dims(&x);
    let out_dims = [dims[0], dims[1], output[0], output[1]];
    let out = layout::map(&x, out_dims, x.dtype);
    let (sizes, vector, total) = sizes([dims, out_dims], out_dims);
    if total > 0 {
        // SAFETY: the buffers are as large as the sizes say.
        unsafe {
            largest::launch_unchecked(
                &x.client,
                layout::grid(total.div_ceil(UNITS), 1),
                CubeDim::new_1d(UNITS as u32),
                vector,
                layout::buffer(&x),
                layout::buffer(&out),
                sizes,
                Fixed { kernel, stride, padding },
                kind,
            );
        }
    }
    out
}

/// The gradient of [`max_pool`] by `x`, channels last.
pub(super) fn max_pool_gradient(
    x: CubeTensor,
    gradient: CubeTensor,
    [kernel, stride, padding]: [usize; 3],
) -> CubeTensor {
    let kind = layout::float_type(x.dtype).expect("a precision of these kernels");
    let (x, gradient) = (layout::channels_last(x), layout::channels_last(gradient));
    let (dims, out_dims) = (layout::dims(&x), layout::dims(&gradient));
    let out = layout::map(&x, dims, x.dtype);
    let (sizes, vector, total) = sizes([dims, out_dims], dims);
    if total > 0 {
        // SAFETY: the buffers are as large as the sizes say.
        unsafe {
            largest_gradient::launch_unchecked(
                &x.client,
                layout::grid(total.div_ceil(UNITS), 1),
                CubeDim::new_1d(UNITS as u32),
                vector,
                layout::buffer(&x),
                layout::buffer(&gradient),
                layout::buffer(&out),
                sizes,
                Fixed { kernel, stride, padding },
                kind,
            );
        }
    }
    out
}

/// Units beside each other in the kernel of moments: vectors of channels.
const BESIDE: usize = 16;

/// Mean and, where asked for, standard deviation of every channel of every image, written into rows of `pitch` values.
#[cube(launch_unchecked)]
fn moments_of<E: Float, N: Size>(
    x: &[Vector<E, N>],
    out: &mut [E],
    images: u32,
    channels: u32,
    plane: u32,
    pitch: u32,
    mean_at: u32,
    deviation_at: u32,
    #[comptime] deviations: bool,
    #[define(E)] _dtype: ElemType,
) {
    let size = N::value();
    let beside = comptime!(BESIDE as u32);
    let lines = comptime!((UNITS / BESIDE) as u32);
    let column = CUBE_POS_Z * beside + UNIT_POS % beside;
    let line = UNIT_POS / beside;
    let image = CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X;
    let columns = channels / comptime!(size as u32);
    let inside = column < columns && image < images;
    let start = image * plane * columns + column;
    let mut sums = Shared::<[Vector<f32, N>]>::new_slice(UNITS);
    let mut means = Shared::<[Vector<f32, N>]>::new_slice(BESIDE);
    let count = f32::cast_from(plane);

    let mut sum = Vector::<f32, N>::new(0.0f32);
    if inside {
        for place in range_stepped(line, plane, lines) {
            sum += Vector::cast_from(x[(start + place * columns) as usize]);
        }
    }
    sums[UNIT_POS as usize] = sum;
    sync_cube();
    if line == 0u32 {
        #[unroll]
        for other in 1..comptime!(UNITS / BESIDE) {
            sum += sums[UNIT_POS as usize + comptime!(other * BESIDE)];
        }
        let mean = sum / Vector::new(count);
        means[UNIT_POS as usize] = mean;
        if inside {
            #[unroll]
            for j in 0..N::value() {
                let at = image * pitch + mean_at + column * comptime!(size as u32) + comptime!(j as u32);
                out[at as usize] = E::cast_from(mean.extract(j));
            }
        }
    }
    if deviations {
        sync_cube();
        let mean = means[(UNIT_POS % beside) as usize];
        let mut squares = Vector::<f32, N>::new(0.0f32);
        if inside {
            for place in range_stepped(line, plane, lines) {
                let centred = Vector::<f32, N>::cast_from(x[(start + place * columns) as usize]) - mean;
                squares += centred * centred;
            }
        }
        sums[UNIT_POS as usize] = squares;
        sync_cube();
        if line == 0u32 && inside {
            #[unroll]
            for other in 1..comptime!(UNITS / BESIDE) {
                squares += sums[UNIT_POS as usize + comptime!(other * BESIDE)];
            }
            #[unroll]
            for j in 0..N::value() {
                let at = image * pitch + deviation_at + column * comptime!(size as u32) + comptime!(j as u32);
                out[at as usize] = E::cast_from((squares.extract(j) / count).sqrt());
            }
        }
    }
}

/// Every value of a map becomes its channel's share of the gradient of the mean.
#[cube(launch_unchecked)]
fn spread<E: Float, N: Size>(
    gradient: &[E],
    out: &mut [Vector<E, N>],
    total: u32,
    channels: u32,
    plane: u32,
    #[define(E)] _dtype: ElemType,
) {
    let at = ABSOLUTE_POS as u32;
    let size = N::value();
    if at < total {
        let columns = channels / comptime!(size as u32);
        let image = at / columns / plane;
        let from = image * channels + at % columns * comptime!(size as u32);
        let mut values = Vector::<E, N>::new(E::from_int(0));
        #[unroll]
        for j in 0..N::value() {
            let value = f32::cast_from(gradient[(from + comptime!(j as u32)) as usize]) / f32::cast_from(plane);
            values.insert(j, E::cast_from(value));
        }
        out[at as usize] = values;
    }
}

fn launch_moments(map: CubeTensor, out: &CubeTensor, pitch: usize, mean_at: usize, deviation_at: Option<usize>) {
    let kind = layout::float_type(map.dtype).expect("a precision of these kernels");
    let map = layout::channels_last(map);
    let [n, channels, height, width] = layout::dims(&map);
    let vector = layout::vector(channels);
    if n * channels == 0 {
        return;
    }
    // SAFETY: the buffers are as large as the sizes say.
    unsafe {
        moments_of::launch_unchecked(
            &map.client,
            layout::grid(n, (channels / vector).div_ceil(BESIDE)),
            CubeDim::new_1d(UNITS as u32),
            vector,
            layout::buffer(&map),
            layout::buffer(out),
            n as u32,
            channels as u32,
            (height * width) as u32,
            pitch as u32,
            mean_at as u32,
            deviation_at.unwrap_or_default() as u32,
            deviation_at.is_some(),
            kind,
        );
    }
}

/// `[n, c, h, w]` → `[n, c]`: the mean of every channel, summed in single precision.
pub(super) fn means(map: CubeTensor) -> CubeTensor {
    let [n, channels, ..] = layout::dims(&map);
    let out = layout::plain(&map, &[n, channels], map.dtype);
    launch_moments(map, &out, channels, 0, None);
    out
}

/// The gradient of [`means`] by a map of `dims`, in the precision of the gradient.
pub(super) fn means_gradient(gradient: CubeTensor, dims: [usize; 4]) -> CubeTensor {
    let kind = layout::float_type(gradient.dtype).expect("a precision of these kernels");
    let gradient = layout::dense(gradient);
    let [_, channels, height, width] = dims;
    let vector = layout::vector(channels);
    let out = layout::map(&gradient, dims, gradient.dtype);
    let total = dims.iter().product::<usize>() / vector;
    if total > 0 {
        // SAFETY: the buffers are as large as the sizes say.
        unsafe {
            spread::launch_unchecked(
                &gradient.client,
                layout::grid(total.div_ceil(UNITS), 1),
                CubeDim::new_1d(UNITS as u32),
                vector,
                layout::buffer(&gradient),
                layout::buffer(&out),
                total as u32,
                channels as u32,
                (height * width) as u32,
                kind,
            );
        }
    }
    out
}

/// Means of all maps, then deviations, each from the last map to the first: `[n, 2 · all channels]`.
pub(super) fn moments(maps: Vec<CubeTensor>) -> CubeTensor {
    let all: usize = maps.iter().map(|map| layout::dims(map)[1]).sum();
    let n = layout::dims(&maps[0])[0];
    let out = layout::plain(&maps[0], &[n, 2 * all], maps[0].dtype);
    let mut at = 0;
    for map in maps.into_iter().rev() {
        let channels = layout::dims(&map)[1];
        launch_moments(map, &out, 2 * all, at, Some(all + at));
        at += channels;
    }
    out
}
