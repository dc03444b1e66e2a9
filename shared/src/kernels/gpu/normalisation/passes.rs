//! The passes over a map, and over what they write down of it.

use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::{Mask, SUMMED_BESIDE, UNITS};

/// What is fixed when the kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fixed {
    /// Vectors of channels beside each other in a cube.
    pub beside: usize,
    /// Whether the batch is one group.
    pub whole: bool,
    pub mask: Mask,
}

/// Sizes of one launch.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub(super) struct Sizes {
    /// Channels in vectors.
    channels: u32,
    /// Pixels of an image.
    plane: u32,
    groups: u32,
    /// Pixels of a group.
    rows: u32,
    /// Pixels of a share.
    share: u32,
    shares: u32,
}

/// Which vectors of a map a unit adds up: those of `column`, in every so-many-th row of a share from its own `line` on.
#[derive(CubeType, Clone, Copy)]
struct Seat {
    column: u32,
    line: u32,
    group: u32,
    first: u32,
    end: u32,
}

#[cube]
fn seat(sizes: &Sizes, #[comptime] fixed: Fixed) -> Seat {
    let beside = comptime!(fixed.beside as u32);
    let first = CUBE_POS_X * sizes.share;
    Seat {
        column: CUBE_POS_Z * beside + UNIT_POS % beside,
        line: UNIT_POS / beside,
        group: CUBE_POS_Y,
        first,
        end: u32::min(first + sizes.share, sizes.rows),
    }
}

/// The sum of what the units of a column have, known to the first line.
#[cube]
fn joined<N: Size>(
    value: Vector<f32, N>,
    shared: &mut Shared<[Vector<f32, N>]>,
    #[comptime] fixed: Fixed,
) -> Vector<f32, N> {
    shared[UNIT_POS as usize] = value;
    sync_cube();
    let mut sum = value;
    if UNIT_POS < comptime!(fixed.beside as u32) {
        #[unroll]
        for other in 1..comptime!(UNITS / fixed.beside) {
            sum += shared[UNIT_POS as usize + comptime!(other * fixed.beside)];
        }
    }
    sum
}

/// Where row `row` of group `group` lies, in vectors.
#[cube]
fn row_at(row: u32, group: u32, sizes: &Sizes, #[comptime] fixed: Fixed) -> u32 {
    let mut pixel = row;
    if comptime!(!fixed.whole) {
        pixel = (row / sizes.plane * sizes.groups + group) * sizes.plane + row % sizes.plane;
    }
    pixel * sizes.channels
}

/// Means and sums of squared deviations of shares: `[groups, shares, 2, channels]`.
#[cube(launch_unchecked)]
pub(super) fn share_moments<E: Float, N: Size>(
    x: &[Vector<E, N>],
    out: &mut [Vector<f32, N>],
    sizes: Sizes,
    #[comptime] fixed: Fixed,
    #[define(E)] _dtype: ElemType,
) {
    let lines = comptime!((UNITS / fixed.beside) as u32);
    let Seat { column, line, group, first, end } = seat(&sizes, fixed);
    let mut sums = Shared::<[Vector<f32, N>]>::new_slice(UNITS);
    let mut squares = Shared::<[Vector<f32, N>]>::new_slice(UNITS);
    let mut origin = Vector::<f32, N>::new(0.0f32);
    let mut sum = Vector::<f32, N>::new(0.0f32);
    let mut square = Vector::<f32, N>::new(0.0f32);
    if column < sizes.channels {
        origin = Vector::cast_from(x[(row_at(first, group, &sizes, fixed) + column) as usize]);
        for row in range_stepped(first + line, end, lines) {
            let value = Vector::<f32, N>::cast_from(x[(row_at(row, group, &sizes, fixed) + column) as usize]) - origin;
            sum += value;
            square += value * value;
        }
    }
    let sum = joined::<N>(sum, &mut sums, fixed);
    let square = joined::<N>(square, &mut squares, fixed);
    if line == 0u32 && column < sizes.channels {
        let count = Vector::<f32, N>::new(f32::cast_from(end - first));
        let at = (group * sizes.shares + CUBE_POS_X) * 2u32 * sizes.channels + column;
        let mean = sum / count;
        out[at as usize] = origin + mean;
        out[(at + sizes.channels) as usize] = max(square - sum * mean, Vector::new(0.0f32));
    }
}

/// Statistics of every group out of those of its shares: mean and biased variance, `[groups, channels]`.
#[cube(launch_unchecked)]
pub(super) fn join_moments(parts: &[f32], means: &mut [f32], variances: &mut [f32], sizes: Sizes) {
    let beside = comptime!(SUMMED_BESIDE as u32);
    let lines = comptime!((UNITS / SUMMED_BESIDE) as u32);
    let channel = CUBE_POS_X * beside + UNIT_POS % beside;
    let line = UNIT_POS / beside;
    let group = CUBE_POS_Y;
    let mut all_counts = Shared::<[f32]>::new_slice(UNITS);
    let mut all_means = Shared::<[f32]>::new_slice(UNITS);
    let mut all_squares = Shared::<[f32]>::new_slice(UNITS);
    let mut count = 0.0f32;
    let mut mean = 0.0f32;
    let mut square = 0.0f32;
    if channel < sizes.channels {
        for share in range_stepped(line, sizes.shares, lines) {
            let at = (group * sizes.shares + share) * 2u32 * sizes.channels + channel;
            let first = share * sizes.share;
            let more = f32::cast_from(u32::min(sizes.share, sizes.rows - first));
            let apart = parts[at as usize] - mean;
            let all = count + more;
            mean += apart * more / all;
            square += parts[(at + sizes.channels) as usize] + apart * apart * count * more / all;
            count = all;
        }
    }
    all_counts[UNIT_POS as usize] = count;
    all_means[UNIT_POS as usize] = mean;
    all_squares[UNIT_POS as usize] = square;
    sync_cube();
    if line == 0u32 && channel < sizes.channels {
        #[unroll]
        for other in 1..comptime!(UNITS / SUMMED_BESIDE) {
            let at = UNIT_POS as usize + comptime!(other * SUMMED_BESIDE);
            let more = all_counts[at];
            if more > 0.0f32 {
                let apart = all_means[at] - mean;
                let all = count + more;
                mean += apart * more / all;
                square += all_squares[at] + apart * apart * count * more / all;
                count = all;
            }
        }
        let at = (group * sizes.channels + channel) as usize;
        means[at] = mean;
        variances[at] = square / count;
    }
}

/// `(x - mean) / deviation · gamma + beta (+ shortcut)`, and `max(0, ·)` of it.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers of a kernel")]
pub(super) fn normalise<E: Float, N: Size>(
    x: &[Vector<E, N>],
    gamma: &[Vector<f32, N>],
    beta: &[Vector<f32, N>],
    means: &[Vector<f32, N>],
    variances: &[Vector<f32, N>],
    shortcut: ComptimeOption<&[Vector<E, N>]>,
    out: &mut [Vector<E, N>],
    epsilon: f32,
    total: u32,
    sizes: Sizes,
    #[comptime] relu: bool,
    #[define(E)] _dtype: ElemType,
) {
    let at = (CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X) * comptime!(UNITS as u32) + UNIT_POS;
    if at < total {
        let channel = at % sizes.channels;
        let statistic = (at / sizes.channels / sizes.plane % sizes.groups * sizes.channels + channel) as usize;
        let channel = channel as usize;
        let deviation = (variances[statistic] + Vector::new(epsilon)).sqrt();
        let scale = gamma[channel] / deviation;
        let mut value = (Vector::<f32, N>::cast_from(x[at as usize]) - means[statistic]) * scale + beta[channel];
        #[comptime]
        if let ComptimeOption::Some(shortcut) = shortcut {
            value += Vector::cast_from(shortcut[at as usize]);
        }
        if relu {
            // Not `max`, which would hide what is not a number.
            #[unroll]
            for j in 0..N::value() {
                if value.extract(j) < 0.0f32 {
                    value.insert(j, 0.0f32);
                }
            }
        }
        out[at as usize] = Vector::cast_from(value);
    }
}

/// The gradient that passes what followed the normalisation of one vector.
#[cube]
fn passed<N: Size>(
    gradient: Vector<f32, N>,
    scaled: Vector<f32, N>,
    gamma: Vector<f32, N>,
    beta: Vector<f32, N>,
    output: Vector<f32, N>,
    #[comptime] mask: Mask,
) -> Vector<f32, N> {
    let mut passing = gradient;
    if comptime!(mask != Mask::Open) {
        let mut value = output;
        if comptime!(mask == Mask::Normalised) {
            value = scaled * gamma + beta;
        }
        #[unroll]
        for j in 0..N::value() {
            if value.extract(j) <= 0.0f32 {
                passing.insert(j, 0.0f32);
            }
        }
    }
    passing
}

/// Sums of the gradient, and of the gradient times the scaled value, of shares: `[groups, shares, 2, channels]`.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers of a kernel")]
pub(super) fn share_gradients<E: Float, N: Size>(
    x: &[Vector<E, N>],
    gradient: &[Vector<E, N>],
    output: ComptimeOption<&[Vector<E, N>]>,
    gamma: &[Vector<f32, N>],
    beta: &[Vector<f32, N>],
    means: &[Vector<f32, N>],
    variances: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    epsilon: f32,
    sizes: Sizes,
    #[comptime] fixed: Fixed,
    #[define(E)] _dtype: ElemType,
) {
    let lines = comptime!((UNITS / fixed.beside) as u32);
    let Seat { column, line, group, first, end } = seat(&sizes, fixed);
    let mut sums = Shared::<[Vector<f32, N>]>::new_slice(UNITS);
    let mut products = Shared::<[Vector<f32, N>]>::new_slice(UNITS);
    let mut sum = Vector::<f32, N>::new(0.0f32);
    let mut product = Vector::<f32, N>::new(0.0f32);
    if column < sizes.channels {
        let statistic = (group * sizes.channels + column) as usize;
        let mean = means[statistic];
        let inverse = Vector::<f32, N>::new(1.0f32) / (variances[statistic] + Vector::new(epsilon)).sqrt();
        let (scale, shift) = (gamma[column as usize], beta[column as usize]);
        for row in range_stepped(first + line, end, lines) {
            let at = (row_at(row, group, &sizes, fixed) + column) as usize;
            let scaled = (Vector::<f32, N>::cast_from(x[at]) - mean) * inverse;
            let mut seen = Vector::<f32, N>::new(0.0f32);
            #[comptime]
            if let ComptimeOption::Some(output) = &output {
                seen = Vector::cast_from(output[at]);
            }
            let passing =
                passed::<N>(Vector::cast_from(gradient[at]), scaled, scale, shift, seen, comptime!(fixed.mask));
            sum += passing;
            product += passing * scaled;
        }
    }
    let sum = joined::<N>(sum, &mut sums, fixed);
    let product = joined::<N>(product, &mut products, fixed);
    if line == 0u32 && column < sizes.channels {
        let at = (group * sizes.shares + CUBE_POS_X) * 2u32 * sizes.channels + column;
        out[at as usize] = sum;
        out[(at + sizes.channels) as usize] = product;
    }
}

/// The sums of every group, `[groups, 2, channels]`, and of all of them: the gradients of β and γ.
#[cube(launch_unchecked)]
pub(super) fn join_gradients(parts: &[f32], sums: &mut [f32], gamma: &mut [f32], beta: &mut [f32], sizes: Sizes) {
    let beside = comptime!(SUMMED_BESIDE as u32);
    let lines = comptime!((UNITS / SUMMED_BESIDE) as u32);
    let channel = CUBE_POS_X * beside + UNIT_POS % beside;
    let line = UNIT_POS / beside;
    let mut first = Shared::<[f32]>::new_slice(UNITS);
    let mut second = Shared::<[f32]>::new_slice(UNITS);
    let mut all_sums = 0.0f32;
    let mut all_products = 0.0f32;
    for group in 0..sizes.groups {
        let mut sum = 0.0f32;
        let mut product = 0.0f32;
        if channel < sizes.channels {
            for share in range_stepped(line, sizes.shares, lines) {
                let at = (group * sizes.shares + share) * 2u32 * sizes.channels + channel;
                sum += parts[at as usize];
                product += parts[(at + sizes.channels) as usize];
            }
        }
        first[UNIT_POS as usize] = sum;
        second[UNIT_POS as usize] = product;
        sync_cube();
        if line == 0u32 && channel < sizes.channels {
            #[unroll]
            for other in 1..comptime!(UNITS / SUMMED_BESIDE) {
                sum += first[UNIT_POS as usize + comptime!(other * SUMMED_BESIDE)];
                product += second[UNIT_POS as usize + comptime!(other * SUMMED_BESIDE)];
            }
            let at = group * 2u32 * sizes.channels + channel;
            sums[at as usize] = sum;
            sums[(at + sizes.channels) as usize] = product;
            all_sums += sum;
            all_products += product;
        }
        sync_cube();
    }
    if line == 0u32 && channel < sizes.channels {
        beta[channel as usize] = all_sums;
        gamma[channel as usize] = all_products;
    }
}

/// The gradient by `x`, and by the shortcut where there is one.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers of a kernel")]
pub(super) fn normalise_gradient<E: Float, N: Size>(
    x: &[Vector<E, N>],
    gradient: &[Vector<E, N>],
    output: ComptimeOption<&[Vector<E, N>]>,
    gamma: &[Vector<f32, N>],
    beta: &[Vector<f32, N>],
    means: &[Vector<f32, N>],
    variances: &[Vector<f32, N>],
    sums: &[Vector<f32, N>],
    out: &mut [Vector<E, N>],
    shortcut: ComptimeOption<&mut [Vector<E, N>]>,
    epsilon: f32,
    total: u32,
    sizes: Sizes,
    #[comptime] fixed: Fixed,
    #[define(E)] _dtype: ElemType,
) {
    let at = (CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X) * comptime!(UNITS as u32) + UNIT_POS;
    if at < total {
        let channel = at % sizes.channels;
        let group = at / sizes.channels / sizes.plane % sizes.groups;
        let statistic = (group * sizes.channels + channel) as usize;
        let of_group = group * 2u32 * sizes.channels + channel;
        let count = Vector::<f32, N>::new(f32::cast_from(sizes.rows));
        let inverse = Vector::<f32, N>::new(1.0f32) / (variances[statistic] + Vector::new(epsilon)).sqrt();
        let scale = gamma[channel as usize];
        let at = at as usize;
        let scaled = (Vector::<f32, N>::cast_from(x[at]) - means[statistic]) * inverse;
        let mut seen = Vector::<f32, N>::new(0.0f32);
        #[comptime]
        if let ComptimeOption::Some(output) = &output {
            seen = Vector::cast_from(output[at]);
        }
        let shift = beta[channel as usize];
        let passing = passed::<N>(Vector::cast_from(gradient[at]), scaled, scale, shift, seen, comptime!(fixed.mask));
        #[comptime]
        if let ComptimeOption::Some(shortcut) = shortcut {
            shortcut[at] = Vector::cast_from(passing);
        }
        let sum = sums[of_group as usize] / count;
        let product = sums[(of_group + sizes.channels) as usize] / count;
        out[at] = Vector::cast_from(scale * inverse * (passing - sum - scaled * product));
    }
}
