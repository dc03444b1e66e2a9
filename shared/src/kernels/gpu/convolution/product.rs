//! The product itself: see the file above.

use cubecl::client::Client;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::{DEPTH, Window};
use crate::kernels::gpu::input::{Input, pixel_at};

/// How a product is cut up: rows and columns of a cube's tile, and rows of a unit's part of it, which is four columns wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tiling {
    pub rows: usize,
    pub columns: usize,
    pub unit_rows: usize,
}

impl Tiling {
    pub(super) const fn units(self) -> usize {
        self.rows / self.unit_rows * (self.columns / 4)
    }

    /// The largest tiling that leaves enough cubes to fill the device.
    pub(super) fn of(rows: usize, columns: usize, client: &Client) -> Self {
        // Adapters in software have as many units as their vectors have lanes, and nothing to hide waiting behind.
        let enough = if client.properties().hardware.plane_size_max <= LANES_OF_A_CPU { 1 } else { 128 };
        let wide = if columns > 32 { 64 } else { 32 };
        let cubes = |tile_rows: usize| rows.div_ceil(tile_rows) * columns.div_ceil(wide);
        match wide {
            64 if rows >= 128 && cubes(128) >= 2 * enough => Self { rows: 128, columns: 64, unit_rows: 8 },
            64 if rows >= 64 && cubes(64) >= enough => Self { rows: 64, columns: 64, unit_rows: 4 },
            64 if enough == 1 && rows <= 16 => Self { rows: 16, columns: 64, unit_rows: 4 },
            64 if enough == 1 => Self { rows: 32, columns: 64, unit_rows: 4 },
            64 => Self { rows: 32, columns: 32, unit_rows: 2 },
            _ if rows >= 128 && cubes(128) >= enough => Self { rows: 128, columns: 32, unit_rows: 8 },
            _ => Self { rows: 32, columns: 32, unit_rows: 2 },
        }
    }
}

/// More units than this go in step on no adapter in software, and fewer on no graphics chip.
const LANES_OF_A_CPU: u32 = 8;

/// What is fixed when the kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fixed {
    pub tiling: Tiling,
    pub window: Window,
    /// Whether this is the data gradient: the window turned round.
    pub turned: bool,
    /// `max(0, ·)` at the end.
    pub relu: bool,
    /// Whether the rows of a tile are of one group of the batch, and its moments are written down.
    pub grouped: bool,
}

/// Sizes and strides of one launch, in elements.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub(super) struct Sizes {
    /// Images.
    n: u32,
    /// What is summed over.
    input: Input,
    /// Channels of the output.
    columns: u32,
    out_height: u32,
    out_width: u32,
    /// From one output channel's weights to the next, and from one input channel's.
    weight_by_column: u32,
    weight_by_channel: u32,
    /// Tiles beside each other.
    column_tiles: u32,
    /// Groups of the batch, 1 where they do not matter.
    groups: u32,
}

/// Which rows of the output a cube has: every `step`-th from `first`, in both directions, of the images of a group.
#[derive(CubeType, Clone, Copy)]
struct Class {
    first_y: u32,
    first_x: u32,
    rows: u32,
    columns: u32,
    group: u32,
}

/// `out[row, column] = bias[column] + Σ input[pixel of the row under each tap, channel] · weight[column, channel, tap] (+ shortcut)`.
///
/// `input` holds single values (any strides) or vectors of four channels (channels last, a multiple of four of them).
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers of a kernel")]
pub(super) fn convolve<E: Float, NI: Size, NO: Size>(
    input: &[Vector<E, NI>],
    weight: &[E],
    bias: ComptimeOption<&[E]>,
    shortcut: ComptimeOption<&[Vector<E, NO>]>,
    out: &mut [Vector<E, NO>],
    parts: ComptimeOption<&mut [f32]>,
    sizes: Sizes,
    #[comptime] fixed: Fixed,
    #[define(E)] _dtype: ElemType,
) {
    let tiling = comptime!(fixed.tiling);
    let units = comptime!(tiling.units());
    let quads = comptime!(tiling.columns / 4);
    let input_loads = comptime!((tiling.rows * (DEPTH / 4)).div_ceil(units));
    let weight_loads = comptime!((DEPTH * quads).div_ceil(units));
    let row_step = comptime!(tiling.rows / tiling.unit_rows);
    let in_size = NI::value();
    let out_size = NO::value();
    let four = comptime!(in_size == 4);

    let unit = UNIT_POS as usize;
    let column0 = (CUBE_POS_Z % sizes.column_tiles) as usize * tiling.columns;
    let class = class_of(CUBE_POS_Z / sizes.column_tiles, &sizes, fixed);
    let row0 = (CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X) as usize * tiling.rows;
    let rows = (sizes.n / sizes.groups * class.rows * class.columns) as usize;

    // The taps that this class meets.
    let (first_r, step_r) =
        taps_of(class.first_y, comptime!(fixed.window.padding[0]), comptime!(fixed.window.stride[0]), fixed);
    let (first_s, step_s) =
        taps_of(class.first_x, comptime!(fixed.window.padding[1]), comptime!(fixed.window.stride[1]), fixed);
    let taps_r = (comptime!(fixed.window.kernel[0] as u32) + step_r - 1u32 - first_r) / step_r;
    let taps_s = (comptime!(fixed.window.kernel[1] as u32) + step_s - 1u32 - first_s) / step_s;
    let taps = taps_r * taps_s;

    let mut inputs = Shared::<[Vector<f32, Const<4>>]>::new_slice(comptime!(tiling.rows * (DEPTH / 4)));
    let mut weights = Shared::<[Vector<f32, Const<4>>]>::new_slice(comptime!(DEPTH * (quads + 1)));
    let mut next_inputs = Array::<Vector<f32, Const<4>>>::new(input_loads);
    let mut next_weights = Array::<Vector<f32, Const<4>>>::new(weight_loads);

    // Where the rows that this unit fetches begin: image, and the window's corner.
    let mut offsets = Array::<u32>::new(input_loads);
    let mut tops = Array::<i32>::new(input_loads);
    let mut lefts = Array::<i32>::new(input_loads);
    #[unroll]
    for load in 0..input_loads {
        let row = row0 + (unit + load * units) / (DEPTH / 4);
        let (image, y, x) = place(row as u32, &class, &sizes, fixed);
        offsets[load] = image * sizes.input.by_image;
        if comptime!(fixed.turned) {
            tops[load] = (y + comptime!(fixed.window.padding[0] as u32)) as i32;
            lefts[load] = (x + comptime!(fixed.window.padding[1] as u32)) as i32;
        } else {
            tops[load] =
                (y * comptime!(fixed.window.stride[0] as u32)) as i32 - comptime!(fixed.window.padding[0] as i32);
            lefts[load] =
                (x * comptime!(fixed.window.stride[1] as u32)) as i32 - comptime!(fixed.window.padding[1] as i32);
        }
        if row >= rows {
            // So far off that no tap is inside.
            tops[load] = comptime!(if fixed.turned { -1_000_000i32 } else { 1_000_000i32 }).runtime();
        }
    }

    let mut sums = Array::<Vector<f32, Const<4>>>::new(comptime!(tiling.unit_rows));
    #[unroll]
    for i in 0..comptime!(tiling.unit_rows) {
        sums[i] = Vector::new(0.0f32);
    }
    let unit_row = unit / quads;
    let unit_quad = unit % quads;

    let steps = if four {
        sizes.input.channels.div_ceil(comptime!(DEPTH as u32)) * taps
    } else {
        (sizes.input.channels * comptime!((fixed.window.kernel[0] * fixed.window.kernel[1]) as u32))
            .div_ceil(comptime!(DEPTH as u32))
    };
    for step in 0..steps + 1u32 {
        // What was fetched in the round before.
        if step > 0u32 {
            sync_cube();
            #[unroll]
            for load in 0..input_loads {
                let at = unit + load * units;
                if comptime!((tiling.rows * (DEPTH / 4)).is_multiple_of(units))
                    || at < comptime!(tiling.rows * (DEPTH / 4))
                {
                    inputs[at] = next_inputs[load];
                }
            }
            #[unroll]
            for load in 0..weight_loads {
                let at = unit + load * units;
                if comptime!((DEPTH * quads).is_multiple_of(units)) || at < comptime!(DEPTH * quads) {
                    weights[at % DEPTH * comptime!(quads + 1) + at / DEPTH] = next_weights[load];
                }
            }
            sync_cube();
        }
        if step < steps {
            let mut channel0 = 0u32.runtime();
            let mut r = 0u32.runtime();
            let mut s = 0u32.runtime();
            if four {
                channel0 = step / taps * comptime!(DEPTH as u32);
                let tap = step % taps;
                r = first_r + tap / taps_s * step_r;
                s = first_s + tap % taps_s * step_s;
            }
            #[unroll]
            for load in 0..input_loads {
                let part = (unit + load * units) as u32 % comptime!(DEPTH as u32 / 4);
                let mut values = Vector::<f32, Const<4>>::new(0.0f32);
                if four {
                    let channel = channel0 + part * 4u32;
                    let (inside, pixel) = under(tops[load], lefts[load], r, s, &sizes.input, fixed);
                    if inside && channel < sizes.input.channels {
                        let read = input[((offsets[load] + pixel + channel) / 4u32) as usize];
                        #[unroll]
                        for j in 0..in_size {
                            values.insert(j, f32::cast_from(read.extract(j)));
                        }
                    }
                } else {
                    #[unroll]
                    for j in 0..4usize {
                        let term = step * comptime!(DEPTH as u32) + part * 4u32 + comptime!(j as u32);
                        let (channel, r, s) = term_of(term, fixed);
                        let (inside, pixel) = under(tops[load], lefts[load], r, s, &sizes.input, fixed);
                        if inside && channel < sizes.input.channels {
                            let read = input[(offsets[load] + pixel + channel * sizes.input.by_channel) as usize];
                            values.insert(j, f32::cast_from(read.extract(0usize)));
                        }
                    }
                }
                next_inputs[load] = values;
            }
            #[unroll]
            for load in 0..weight_loads {
                let at = unit + load * units;
                let term = (at % DEPTH) as u32;
                let column = (column0 + at / DEPTH * 4) as u32;
                let mut channel = channel0 + term;
                let mut tap = r * comptime!(fixed.window.kernel[1] as u32) + s;
                if !four {
                    let (term_channel, r, s) = term_of(step * comptime!(DEPTH as u32) + term, fixed);
                    channel = term_channel;
                    tap = r * comptime!(fixed.window.kernel[1] as u32) + s;
                }
                let mut values = Vector::<f32, Const<4>>::new(0.0f32);
                if channel < sizes.input.channels {
                    let from = channel * sizes.weight_by_channel + tap;
                    #[unroll]
                    for j in 0..4usize {
                        let column = column + comptime!(j as u32);
                        if column < sizes.columns {
                            let read = weight[(column * sizes.weight_by_column + from) as usize];
                            values.insert(j, f32::cast_from(read));
                        }
                    }
                }
                next_weights[load] = values;
            }
        }
        if step > 0u32 {
            #[unroll]
            for quarter in 0..comptime!(DEPTH / 4) {
                let mut terms = Array::<Vector<f32, Const<4>>>::new(4usize);
                #[unroll]
                for j in 0..4usize {
                    terms[j] = weights[(quarter * 4 + j) * comptime!(quads + 1) + unit_quad];
                }
                #[unroll]
                for i in 0..comptime!(tiling.unit_rows) {
                    let factors = inputs[(unit_row + i * row_step) * comptime!(DEPTH / 4) + quarter];
                    #[unroll]
                    for j in 0..4usize {
                        sums[i] = fma(Vector::new(factors.extract(j)), terms[j], sums[i]);
                    }
                }
            }
        }
    }

    let column = (column0 + unit_quad * 4) as u32;
    let mut start = Vector::<f32, Const<4>>::new(0.0f32);
    #[comptime]
    if let ComptimeOption::Some(bias) = bias {
        #[unroll]
        for j in 0..4usize {
            if column + comptime!(j as u32) < sizes.columns {
                start.insert(j, f32::cast_from(bias[(column + comptime!(j as u32)) as usize]));
            }
        }
    }
    #[unroll]
    for i in 0..comptime!(tiling.unit_rows) {
        let row = row0 + unit_row + i * row_step;
        if row < rows {
            let (image, y, x) = place(row as u32, &class, &sizes, fixed);
            let at = ((image * sizes.out_height + y) * sizes.out_width + x) * sizes.columns + column;
            let sum = sums[i] + start;
            #[unroll]
            for part in 0..comptime!(4 / out_size) {
                let offset = comptime!(part * out_size);
                if column + comptime!(offset as u32) < sizes.columns {
                    let index = ((at + comptime!(offset as u32)) / comptime!(out_size as u32)) as usize;
                    let mut values = Vector::<E, NO>::new(E::from_int(0));
                    #[unroll]
                    for j in 0..out_size {
                        let mut value = sum.extract(comptime!(offset + j));
                        #[comptime]
                        if let ComptimeOption::Some(shortcut) = &shortcut {
                            value += f32::cast_from(shortcut[index].extract(j));
                        }
                        if comptime!(fixed.relu) {
                            // Not `max`, which would hide what is not a number.
                            value = select(value < 0.0f32, 0.0f32, value);
                        }
                        values.insert(j, E::cast_from(value));
                    }
                    out[index] = values;
                }
            }
        }
    }
    #[comptime]
    if let ComptimeOption::Some(parts) = parts {
        moments_of_tile(&sums, parts, row0, rows, column, unit_row, unit_quad, &class, &sizes, fixed);
    }
}

/// Mean and sum of squared deviations of every column of a tile, `[groups, tiles, 2, columns]`.
#[cube]
#[allow(clippy::too_many_arguments, reason = "what a unit knows of its tile")]
fn moments_of_tile(
    sums: &Array<Vector<f32, Const<4>>>,
    parts: &mut [f32],
    row0: usize,
    rows: usize,
    column: u32,
    unit_row: usize,
    unit_quad: usize,
    class: &Class,
    sizes: &Sizes,
    #[comptime] fixed: Fixed,
) {
    let tiling = comptime!(fixed.tiling);
    let quads = comptime!(tiling.columns / 4);
    let lines = comptime!(tiling.rows / tiling.unit_rows);
    let mut shared = Shared::<[Vector<f32, Const<4>>]>::new_slice(comptime!(tiling.units()));
    let mut means = Shared::<[Vector<f32, Const<4>>]>::new_slice(quads);
    let own = UNIT_POS as usize;
    let tile = CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X;
    let tiles = (rows as u32).div_ceil(comptime!(tiling.rows as u32));
    let at = (class.group * tiles + tile) * 2u32 * sizes.columns + column;
    let count = usize::min(rows, row0 + comptime!(tiling.rows)) - usize::min(rows, row0);
    let count = Vector::<f32, Const<4>>::new(f32::cast_from(count as u32));

    let mut sum = Vector::<f32, Const<4>>::new(0.0f32);
    #[unroll]
    for i in 0..comptime!(tiling.unit_rows) {
        if row0 + unit_row + i * lines < rows {
            sum += sums[i];
        }
    }
    shared[own] = sum;
    sync_cube();
    if unit_row == 0 {
        #[unroll]
        for other in 1..lines {
            sum += shared[own + comptime!(other * quads)];
        }
        means[unit_quad] = sum / count;
    }
    sync_cube();
    let mean = means[unit_quad];
    let mut square = Vector::<f32, Const<4>>::new(0.0f32);
    #[unroll]
    for i in 0..comptime!(tiling.unit_rows) {
        if row0 + unit_row + i * lines < rows {
            let apart = sums[i] - mean;
            square += apart * apart;
        }
    }
    shared[own] = square;
    sync_cube();
    if unit_row == 0 && row0 < rows {
        #[unroll]
        for other in 1..lines {
            square += shared[own + comptime!(other * quads)];
        }
        #[unroll]
        for j in 0..4usize {
            if column + comptime!(j as u32) < sizes.columns {
                parts[(at + comptime!(j as u32)) as usize] = mean.extract(j);
                parts[(at + comptime!(j as u32) + sizes.columns) as usize] = square.extract(j);
            }
        }
    }
}

/// The places that class number `index` has.
#[cube]
fn class_of(index: u32, sizes: &Sizes, #[comptime] fixed: Fixed) -> Class {
    let mut group = 0u32.runtime();
    let mut index = index;
    if comptime!(fixed.grouped) {
        group = index;
        index = 0u32.runtime();
    }
    let step_y = comptime!(if fixed.turned { fixed.window.stride[0] as u32 } else { 1 });
    let step_x = comptime!(if fixed.turned { fixed.window.stride[1] as u32 } else { 1 });
    let first_y = index / step_x;
    let first_x = index % step_x;
    Class {
        first_y,
        first_x,
        rows: (sizes.out_height + step_y - 1u32 - first_y) / step_y,
        columns: (sizes.out_width + step_x - 1u32 - first_x) / step_x,
        group,
    }
}

/// Image and place of a row of the product.
#[cube]
fn place(row: u32, class: &Class, sizes: &Sizes, #[comptime] fixed: Fixed) -> (u32, u32, u32) {
    let plane = class.rows * class.columns;
    let mut image = row / plane;
    if comptime!(fixed.grouped) {
        image = image * sizes.groups + class.group;
    }
    let rest = row % plane;
    let y = rest / class.columns;
    let x = rest % class.columns;
    if comptime!(fixed.turned) {
        (
            image,
            class.first_y + y * comptime!(fixed.window.stride[0] as u32),
            class.first_x + x * comptime!(fixed.window.stride[1] as u32),
        )
    } else {
        (image, y, x)
    }
}

/// The first tap of one direction that a class meets, and the step to the next.
#[cube]
fn taps_of(first: u32, #[comptime] padding: usize, #[comptime] stride: usize, #[comptime] fixed: Fixed) -> (u32, u32) {
    if comptime!(fixed.turned) {
        ((first + comptime!(padding as u32)) % comptime!(stride as u32), comptime!(stride as u32).runtime())
    } else {
        (0u32.runtime(), 1u32.runtime())
    }
}

/// Channel and tap of a term of the sum, where terms are counted as weights lie.
#[cube]
fn term_of(term: u32, #[comptime] fixed: Fixed) -> (u32, u32, u32) {
    let taps = comptime!((fixed.window.kernel[0] * fixed.window.kernel[1]) as u32);
    let columns = comptime!(fixed.window.kernel[1] as u32);
    let tap = term % taps;
    (term / taps, tap / columns, tap % columns)
}

/// Whether tap (`r`, `s`) of a window is inside the input, and at which offset.
#[cube]
fn under(top: i32, left: i32, r: u32, s: u32, input: &Input, #[comptime] fixed: Fixed) -> (bool, u32) {
    if comptime!(fixed.turned) {
        let y = top - r as i32;
        let x = left - s as i32;
        let (step_y, step_x) = comptime!((fixed.window.stride[0] as i32, fixed.window.stride[1] as i32));
        let row = y / step_y;
        let column = x / step_x;
        let (inside, offset) = pixel_at(row, column, input);
        (inside && row * step_y == y && column * step_x == x, offset)
    } else {
        pixel_at(top + r as i32, left + s as i32, input)
    }
}
