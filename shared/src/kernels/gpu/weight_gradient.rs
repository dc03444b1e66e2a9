//! The gradient of a convolution by its weights: a product of few rows and columns over very many pixels.
//!
//! The pixels are dealt to as many cubes as fill the chip; each writes what its share adds up to, and a second kernel sums the
//! shares in their order, so that the result does not depend on which cube was first.

use burn::backend::Cube;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::{DType, Shape};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::convolution::{DEPTH, Window};
use super::input::{self, Input, pixel_at};
use super::layout;

/// Cubes that fill a large chip.
const ENOUGH_CUBES: usize = 512;
/// Pixels that a cube sums at least: fewer, and the second kernel has more to do than the first.
const LEAST_PIXELS: usize = 256;
/// Columns of a cube's tile: input channel and tap.
const COLUMNS: usize = 64;
/// Output channels of a unit's part of the tile, which is four columns wide.
const UNIT_ROWS: usize = 8;

/// What is fixed when the kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Fixed {
    /// Output channels of a cube's tile.
    rows: usize,
    window: Window,
}

/// Sizes and strides of one launch, in elements.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
struct Sizes {
    /// What the windows were laid over.
    input: Input,
    /// Output channels.
    rows: u32,
    out_height: u32,
    out_width: u32,
    /// Pixels of the output, of all images.
    pixels: u32,
    /// Pixels of a share.
    share: u32,
    row_tiles: u32,
}

/// `[shares, rows, columns]`: a column is an input channel and a tap, taps first where the input is read in vectors.
#[cube(launch_unchecked)]
fn shares<E: Float, NX: Size, NG: Size>(
    x: &[Vector<E, NX>],
    gradient: &[Vector<E, NG>],
    out: &mut [f32],
    sizes: Sizes,
    #[comptime] fixed: Fixed,
    #[define(E)] _dtype: ElemType,
) {
    let quads = comptime!(COLUMNS / 4);
    let row_quads = comptime!(fixed.rows / 4);
    let units = comptime!(fixed.rows / UNIT_ROWS * quads);
    let x_loads = comptime!(DEPTH * quads / units);
    let gradient_loads = comptime!(DEPTH * row_quads / units);
    let taps = comptime!((fixed.window.kernel[0] * fixed.window.kernel[1]) as u32);
    let x_size = NX::value();
    let gradient_size = NG::value();
    let four = comptime!(x_size == 4);

    let unit = UNIT_POS as usize;
    let row0 = (CUBE_POS_Y % sizes.row_tiles) * comptime!(fixed.rows as u32);
    let column0 = (CUBE_POS_Y / sizes.row_tiles) * comptime!(COLUMNS as u32);
    let columns = sizes.input.channels * taps;
    let first = CUBE_POS_X * sizes.share;
    let end = u32::min(first + sizes.share, sizes.pixels);

    let mut inputs = Shared::<[Vector<f32, Const<4>>]>::new_slice(comptime!(DEPTH * quads));
    let mut gradients = Shared::<[Vector<f32, Const<4>>]>::new_slice(comptime!(DEPTH * row_quads));
    let mut next_inputs = Array::<Vector<f32, Const<4>>>::new(x_loads);
    let mut next_gradients = Array::<Vector<f32, Const<4>>>::new(gradient_loads);
    let mut sums = Array::<Vector<f32, Const<4>>>::new(UNIT_ROWS);
    #[unroll]
    for i in 0..comptime!(UNIT_ROWS) {
        sums[i] = Vector::new(0.0f32);
    }
    let unit_row = unit / quads;
    let unit_quad = unit % quads;
    let plane = sizes.out_height * sizes.out_width;

    // The columns that this unit fetches: always the same ones.
    let fetched = column0 + unit_quad as u32 * 4u32;
    let tap = fetched / sizes.input.channels;

    let steps = (u32::max(end, first) - first).div_ceil(comptime!(DEPTH as u32));
    for step in 0..steps + 1u32 {
        if step > 0u32 {
            sync_cube();
            #[unroll]
            for load in 0..x_loads {
                inputs[unit + load * units] = next_inputs[load];
            }
            #[unroll]
            for load in 0..gradient_loads {
                gradients[unit + load * units] = next_gradients[load];
            }
            sync_cube();
        }
        if step < steps {
            #[unroll]
            for load in 0..x_loads {
                let pixel = first + step * comptime!(DEPTH as u32) + ((unit + load * units) / quads) as u32;
                let mut values = Vector::<f32, Const<4>>::new(0.0f32);
                if pixel < end {
                    let image = pixel / plane;
                    let rest = pixel % plane;
                    let top = (rest / sizes.out_width * comptime!(fixed.window.stride[0] as u32)) as i32
                        - comptime!(fixed.window.padding[0] as i32);
                    let left = (rest % sizes.out_width * comptime!(fixed.window.stride[1] as u32)) as i32
                        - comptime!(fixed.window.padding[1] as i32);
                    if four {
                        let (inside, offset) = under(top, left, tap, &sizes.input, fixed);
                        if inside && fetched < columns {
                            let at = image * sizes.input.by_image + offset + fetched % sizes.input.channels;
                            let read = x[(at / 4u32) as usize];
                            #[unroll]
                            for j in 0..x_size {
                                values.insert(j, f32::cast_from(read.extract(j)));
                            }
                        }
                    } else {
                        #[unroll]
                        for j in 0..4usize {
                            let column = fetched + comptime!(j as u32);
                            let (inside, offset) = under(top, left, column % taps, &sizes.input, fixed);
                            if inside && column < columns {
                                let at = image * sizes.input.by_image + offset + column / taps * sizes.input.by_channel;
                                let read = x[at as usize];
                                values.insert(j, f32::cast_from(read.extract(0usize)));
                            }
                        }
                    }
                }
                next_inputs[load] = values;
            }
            #[unroll]
            for load in 0..gradient_loads {
                let at = unit + load * units;
                let pixel = first + step * comptime!(DEPTH as u32) + (at / row_quads) as u32;
                let row = row0 + (at % row_quads) as u32 * 4u32;
                let mut values = Vector::<f32, Const<4>>::new(0.0f32);
                if pixel < end {
                    #[unroll]
                    for part in 0..comptime!(4 / gradient_size) {
                        let row = row + comptime!((part * gradient_size) as u32);
                        if row < sizes.rows {
                            let index = (pixel * sizes.rows + row) / comptime!(gradient_size as u32);
                            let read = gradient[index as usize];
                            #[unroll]
                            for j in 0..gradient_size {
                                values.insert(comptime!(part * gradient_size + j), f32::cast_from(read.extract(j)));
                            }
                        }
                    }
                }
                next_gradients[load] = values;
            }
        }
        if step > 0u32 {
            #[unroll]
            for pixel in 0..comptime!(DEPTH) {
                let terms = inputs[pixel * quads + unit_quad];
                #[unroll]
                for quad in 0..comptime!(UNIT_ROWS / 4) {
                    let factors = gradients[pixel * row_quads + unit_row * comptime!(UNIT_ROWS / 4) + quad];
                    #[unroll]
                    for j in 0..4usize {
                        let i = comptime!(quad * 4 + j);
                        sums[i] = fma(Vector::new(factors.extract(j)), terms, sums[i]);
                    }
                }
            }
        }
    }

    #[unroll]
    for i in 0..comptime!(UNIT_ROWS) {
        let row = row0 + unit_row as u32 * comptime!(UNIT_ROWS as u32) + comptime!(i as u32);
        if row < sizes.rows {
            #[unroll]
            for j in 0..4usize {
                let column = fetched + comptime!(j as u32);
                if column < columns {
                    let at = (CUBE_POS_X * sizes.rows + row) * columns + column;
                    out[at as usize] = sums[i].extract(j);
                }
            }
        }
    }
}

/// Whether tap number `tap` of a window is inside the input, and at which offset.
#[cube]
fn under(top: i32, left: i32, tap: u32, input: &Input, #[comptime] fixed: Fixed) -> (bool, u32) {
    let columns = comptime!(fixed.window.kernel[1] as u32);
    pixel_at(top + (tap / columns) as i32, left + (tap % columns) as i32, input)
}

/// Sums shares into the order of the weights: `[shares, rows, columns]` → `[rows, channels, taps]`.
#[cube(launch_unchecked)]
fn gather<E: Float>(
    parts: &[f32],
    out: &mut [E],
    shares: u32,
    rows: u32,
    channels: u32,
    taps: u32,
    #[comptime] taps_first: bool,
    #[define(E)] _dtype: ElemType,
) {
    let columns = channels * taps;
    let at = ABSOLUTE_POS as u32;
    if at < rows * columns {
        let mut sum = 0.0f32;
        for share in 0..shares {
            sum += parts[(share * rows * columns + at) as usize];
        }
        let mut to = at;
        if taps_first {
            let column = at % columns;
            to = at - column + column % channels * taps + column / channels;
        }
        out[to as usize] = E::cast_from(sum);
    }
}

/// `x` `[n, ci, h, w]`, `gradient` `[n, co, oh, ow]` → `[co, ci, kh, kw]`.
pub(super) fn weight_gradient(x: CubeTensor, gradient: CubeTensor, window: Window) -> CubeTensor {
    let dtype = x.dtype;
    let kind = layout::float_type(dtype).expect("a precision of these kernels");
    let [_, channels, ..] = layout::dims(&x);
    let [n, rows, out_height, out_width] = layout::dims(&gradient);
    let four = layout::vector(channels) == 4;
    let x = if four { layout::channels_last(x) } else { x };
    let gradient = layout::channels_last(gradient);
    let taps = window.kernel.iter().product::<usize>();
    let (columns, pixels) = (channels * taps, n * out_height * out_width);
    let tile_rows = if rows > 32 { 64 } else { 32 };
    let tiles = rows.div_ceil(tile_rows) * columns.div_ceil(COLUMNS);
    let share = pixels.div_ceil(ENOUGH_CUBES.div_ceil(tiles)).max(LEAST_PIXELS).next_multiple_of(DEPTH);
    let count = pixels.div_ceil(share).max(1);
    let parts = layout::plain(&x, &[count, rows, columns], DType::F32);
    let dims = [rows, channels, window.kernel[0], window.kernel[1]];
    let sizes = SizesLaunch::new(
        input::argument(&x),
        rows as u32,
        out_height as u32,
        out_width as u32,
        pixels as u32,
        share as u32,
        rows.div_ceil(tile_rows) as u32,
    );
    let fixed = Fixed { rows: tile_rows, window };
    // SAFETY: the buffers are as large as the sizes say, and the kernels mind the edges of their tiles.
    unsafe {
        shares::launch_unchecked(
            &x.client,
            CubeCount::Static(count as u32, tiles as u32, 1),
            CubeDim::new_1d((tile_rows / UNIT_ROWS * (COLUMNS / 4)) as u32),
            layout::vector(channels),
            layout::vector(rows),
            layout::buffer(&x),
            layout::buffer(&gradient),
            layout::buffer(&parts),
            sizes,
            fixed,
            kind,
        );
        // One share, in the order and the precision of the weights: nothing is left to do.
        if count == 1 && (taps == 1 || !four) && dtype == DType::F32 {
            return Cube::float_reshape(parts, Shape::new(dims));
        }
        let output = layout::plain(&x, &dims, dtype);
        gather::launch_unchecked(
            &x.client,
            layout::grid((rows * columns).div_ceil(256), 1),
            CubeDim::new_1d(256),
            layout::buffer(&parts),
            layout::buffer(&output),
            count as u32,
            rows as u32,
            channels as u32,
            taps as u32,
            four,
            kind,
        );
        output
    }
}
