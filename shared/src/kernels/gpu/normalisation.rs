//! Batch normalisation with the statistics of interleaved groups of a batch, what follows it, and its gradients.
//!
//! Statistics are taken in two steps: shares of the pixels by as many cubes as fill the chip, then the shares of each channel in
//! their order, so that the result does not depend on which cube was first. A share's squares are about a value of its own, as
//! squares of values far from zero lose what distinguishes them.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::layout;

/// Units of a cube.
const UNITS: usize = 256;
/// Cubes that fill a large chip.
const ENOUGH_CUBES: usize = 512;
/// Channels beside each other where shares are summed.
const SUMMED_BESIDE: usize = 32;

/// What stands behind the normalisation, as its gradient must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mask {
    /// Nothing, or a sum.
    Open,
    /// `max(0, ·)` of the normalised value, which is computed again.
    Normalised,
    /// `max(0, ·)` of a sum: the output says which values passed.
    Output,
}

/// What is fixed when the kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Fixed {
    /// Vectors of channels beside each other in a cube.
    beside: usize,
    /// Whether the batch is one group.
    whole: bool,
    mask: Mask,
}

/// Sizes of one launch.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
struct Sizes {
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
fn share_moments<E: Float, N: Size>(
    x: &[Vector<E, N>],
    out: &mut [Vector<f32, N>],
    sizes: Sizes,
    #[comptime] fixed: Fixed,
    #[define(E)] _dtype: ElemType,
) {
    let lines = comptime!((UNITS / fixed.beside) as u32);
    let column = CUBE_POS_Z * comptime!(fixed.beside as u32) + UNIT_POS % comptime!(fixed.beside as u32);
    let line = UNIT_POS / comptime!(fixed.beside as u32);
    let group = CUBE_POS_Y;
    let first = CUBE_POS_X * sizes.share;
    let end = u32::min(first + sizes.share, sizes.rows);
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
    sums[UNIT_POS as usize] = sum;
    squares[UNIT_POS as usize] = square;
    sync_cube();
    if line == 0u32 && column < sizes.channels {
        #[unroll]
        for other in 1..comptime!(UNITS / fixed.beside) {
            sum += sums[UNIT_POS as usize + comptime!(other * fixed.beside)];
            square += squares[UNIT_POS as usize + comptime!(other * fixed.beside)];
        }
        let count = Vector::<f32, N>::new(f32::cast_from(end - first));
        let at = (group * sizes.shares + CUBE_POS_X) * 2u32 * sizes.channels + column;
        let mean = sum / count;
        out[at as usize] = origin + mean;
        out[(at + sizes.channels) as usize] = max(square - sum * mean, Vector::new(0.0f32));
    }
}

/// Statistics of every group out of those of its shares: mean and biased variance, `[groups, channels]`.
#[cube(launch_unchecked)]
fn join_moments(parts: &[f32], means: &mut [f32], variances: &mut [f32], sizes: Sizes) {
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
fn normalise<E: Float, N: Size>(
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
fn share_gradients<E: Float, N: Size>(
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
    let column = CUBE_POS_Z * comptime!(fixed.beside as u32) + UNIT_POS % comptime!(fixed.beside as u32);
    let line = UNIT_POS / comptime!(fixed.beside as u32);
    let group = CUBE_POS_Y;
    let first = CUBE_POS_X * sizes.share;
    let end = u32::min(first + sizes.share, sizes.rows);
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
    sums[UNIT_POS as usize] = sum;
    products[UNIT_POS as usize] = product;
    sync_cube();
    if line == 0u32 && column < sizes.channels {
        #[unroll]
        for other in 1..comptime!(UNITS / fixed.beside) {
            sum += sums[UNIT_POS as usize + comptime!(other * fixed.beside)];
            product += products[UNIT_POS as usize + comptime!(other * fixed.beside)];
        }
        let at = (group * sizes.shares + CUBE_POS_X) * 2u32 * sizes.channels + column;
        out[at as usize] = sum;
        out[(at + sizes.channels) as usize] = product;
    }
}

/// The sums of every group, `[groups, 2, channels]`, and of all of them: the gradients of β and γ.
#[cube(launch_unchecked)]
fn join_gradients(parts: &[f32], sums: &mut [f32], gamma: &mut [f32], beta: &mut [f32], sizes: Sizes) {
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
fn normalise_gradient<E: Float, N: Size>(
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

/// How the pixels of a map are dealt out.
struct Plan {
    dims: [usize; 4],
    groups: usize,
    /// Values in a vector.
    vector: usize,
    beside: usize,
    /// Pixels of a group, of a share, and how many shares.
    rows: usize,
    share: usize,
    shares: usize,
}

impl Plan {
    fn of(dims: [usize; 4], groups: usize) -> Self {
        let [n, channels, height, width] = dims;
        let vector = layout::vector(channels);
        let beside = (channels / vector).next_power_of_two().min(32);
        let rows = n / groups * height * width;
        let across = groups * (channels / vector).div_ceil(beside);
        let lines = UNITS / beside;
        // A cube has four rows for each of its lines at least.
        let shares = ENOUGH_CUBES.div_ceil(across).min(rows.div_ceil(4 * lines)).max(1);
        let share = rows.div_ceil(shares).max(1);
        Self { dims, groups, vector, beside, rows, share, shares: rows.div_ceil(share).max(1) }
    }

    /// Sizes for kernels that move `vector` values at a time.
    fn sizes(&self, vector: usize) -> SizesLaunch {
        let [_, channels, height, width] = self.dims;
        SizesLaunch::new(
            (channels / vector) as u32,
            (height * width) as u32,
            self.groups as u32,
            self.rows as u32,
            self.share as u32,
            self.shares as u32,
        )
    }

    fn fixed(&self, mask: Mask) -> Fixed {
        Fixed { beside: self.beside, whole: self.groups == 1, mask }
    }

    fn share_grid(&self) -> CubeCount {
        let columns = (self.dims[1] / self.vector).div_ceil(self.beside);
        CubeCount::Static(self.shares as u32, self.groups as u32, columns as u32)
    }

    fn total(&self) -> usize {
        self.dims.iter().product::<usize>() / self.vector
    }
}

/// Output, and mean and biased variance of every group, `[groups · c]`.
pub(super) struct Normalised {
    pub output: CubeTensor,
    pub means: CubeTensor,
    pub variances: CubeTensor,
}

/// Moments of the shares of every group, where what made the map wrote them down.
pub(super) struct Parts {
    /// `[groups, shares, 2, c]`
    pub moments: CubeTensor,
    /// Pixels of a share.
    pub share: usize,
}

/// `x` and `shortcut` `[n, c, h, w]`, `gamma` and `beta` `[c]` in single precision; sample `i` is in group `i % groups`.
pub(super) fn forward(
    x: CubeTensor,
    [gamma, beta]: [CubeTensor; 2],
    shortcut: Option<CubeTensor>,
    parts: Option<Parts>,
    groups: usize,
    relu: bool,
    epsilon: f64,
) -> Normalised {
    let kind = layout::float_type(x.dtype).expect("a precision of these kernels");
    let (x, gamma, beta) = (layout::channels_last(x), layout::dense(gamma), layout::dense(beta));
    let shortcut = shortcut.map(layout::channels_last);
    let dims = layout::dims(&x);
    let mut plan = Plan::of(dims, groups);
    let channels = dims[1];
    let [means, variances] = [(); 2].map(|()| layout::plain(&x, &[groups * channels], DType::F32));
    let is_known = parts.is_some();
    let parts = match parts {
        Some(parts) => {
            (plan.share, plan.shares) = (parts.share, plan.rows.div_ceil(parts.share));
            parts.moments
        }
        None => layout::plain(&x, &[groups, plan.shares, 2, channels], DType::F32),
    };
    let output = layout::map(&x, dims, x.dtype);
    if plan.total() == 0 {
        return Normalised { output, means, variances };
    }
    // SAFETY: the buffers are as large as the sizes say.
    unsafe {
        if !is_known {
            share_moments::launch_unchecked(
                &x.client,
                plan.share_grid(),
                CubeDim::new_1d(UNITS as u32),
                plan.vector,
                layout::buffer(&x),
                layout::buffer(&parts),
                plan.sizes(plan.vector),
                plan.fixed(Mask::Open),
                kind,
            );
        }
        join_moments::launch_unchecked(
            &x.client,
            CubeCount::Static(channels.div_ceil(SUMMED_BESIDE) as u32, groups as u32, 1),
            CubeDim::new_1d(UNITS as u32),
            layout::buffer(&parts),
            layout::buffer(&means),
            layout::buffer(&variances),
            plan.sizes(1),
        );
        normalise::launch_unchecked(
            &x.client,
            layout::grid(plan.total().div_ceil(UNITS), 1),
            CubeDim::new_1d(UNITS as u32),
            plan.vector,
            layout::buffer(&x),
            layout::buffer(&gamma),
            layout::buffer(&beta),
            layout::buffer(&means),
            layout::buffer(&variances),
            shortcut.map(|shortcut| layout::buffer(&shortcut)).into(),
            layout::buffer(&output),
            epsilon as f32,
            plan.total() as u32,
            plan.sizes(plan.vector),
            relu,
            kind,
        );
    }
    Normalised { output, means, variances }
}

/// What a forward pass left.
pub(super) struct Saved {
    pub x: CubeTensor,
    pub gamma: CubeTensor,
    pub beta: CubeTensor,
    pub means: CubeTensor,
    pub variances: CubeTensor,
    /// Where [`Mask::Output`] needs it.
    pub output: Option<CubeTensor>,
    pub mask: Mask,
    pub groups: usize,
    pub epsilon: f64,
}

/// Gradients by `x`, γ, β, and the shortcut where it is another than the incoming one.
pub(super) struct Gradients {
    pub x: CubeTensor,
    pub gamma: CubeTensor,
    pub beta: CubeTensor,
    pub shortcut: Option<CubeTensor>,
}

pub(super) fn backward(saved: Saved, gradient: CubeTensor) -> Gradients {
    let kind = layout::float_type(saved.x.dtype).expect("a precision of these kernels");
    let x = layout::channels_last(saved.x);
    let gradient = layout::channels_last(gradient);
    let output = saved.output.map(layout::channels_last);
    let (gamma, beta) = (layout::dense(saved.gamma), layout::dense(saved.beta));
    let dims = layout::dims(&x);
    let plan = Plan::of(dims, saved.groups);
    let channels = dims[1];
    let parts = layout::plain(&x, &[saved.groups, plan.shares, 2, channels], DType::F32);
    let sums = layout::plain(&x, &[saved.groups, 2, channels], DType::F32);
    let [by_gamma, by_beta] = [(); 2].map(|()| layout::plain(&x, &[channels], DType::F32));
    let by_x = layout::map(&x, dims, x.dtype);
    // A sum without `max(0, ·)` passes the gradient as it is.
    let shortcut = (saved.mask == Mask::Output).then(|| layout::map(&x, dims, x.dtype));
    let found = |shortcut| Gradients { x: by_x.clone(), gamma: by_gamma.clone(), beta: by_beta.clone(), shortcut };
    if plan.total() == 0 {
        return found(shortcut);
    }
    let fixed = plan.fixed(saved.mask);
    // SAFETY: the buffers are as large as the sizes say.
    unsafe {
        share_gradients::launch_unchecked(
            &x.client,
            plan.share_grid(),
            CubeDim::new_1d(UNITS as u32),
            plan.vector,
            layout::buffer(&x),
            layout::buffer(&gradient),
            output.as_ref().map(layout::buffer).into(),
            layout::buffer(&gamma),
            layout::buffer(&beta),
            layout::buffer(&saved.means),
            layout::buffer(&saved.variances),
            layout::buffer(&parts),
            saved.epsilon as f32,
            plan.sizes(plan.vector),
            fixed,
            kind,
        );
        join_gradients::launch_unchecked(
            &x.client,
            CubeCount::Static(channels.div_ceil(SUMMED_BESIDE) as u32, 1, 1),
            CubeDim::new_1d(UNITS as u32),
            layout::buffer(&parts),
            layout::buffer(&sums),
            layout::buffer(&by_gamma),
            layout::buffer(&by_beta),
            plan.sizes(1),
        );
        normalise_gradient::launch_unchecked(
            &x.client,
            layout::grid(plan.total().div_ceil(UNITS), 1),
            CubeDim::new_1d(UNITS as u32),
            plan.vector,
            layout::buffer(&x),
            layout::buffer(&gradient),
            output.as_ref().map(layout::buffer).into(),
            layout::buffer(&gamma),
            layout::buffer(&beta),
            layout::buffer(&saved.means),
            layout::buffer(&saved.variances),
            layout::buffer(&sums),
            layout::buffer(&by_x),
            shortcut.as_ref().map(layout::buffer).into(),
            saved.epsilon as f32,
            plan.total() as u32,
            plan.sizes(plan.vector),
            fixed,
            kind,
        );
    }
    found(shortcut)
}
