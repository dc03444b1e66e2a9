//! What stands between and behind a network's heads: matrices of a few hundred rows, where every launch costs more than its work.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::layout;

/// Units of a cube.
const UNITS: usize = 256;
/// Units of a cube that shares a row.
const ROW_UNITS: usize = 64;
/// Columns beside each other in a sum of columns.
const BESIDE: usize = 32;
/// PyTorch's `normalize` divides by this at least.
const SHORTEST: f32 = 1e-12;

/// The sum of what the units of a cube have, known to all of them.
#[cube]
fn summed(value: f32, shared: &mut Shared<[f32]>, #[comptime] units: usize) -> f32 {
    sync_cube();
    shared[UNIT_POS as usize] = value;
    sync_cube();
    let mut sum = 0.0f32;
    for other in 0..units {
        sum += shared[other];
    }
    sum
}

/// Rows of length 1: a cube for each.
#[cube(launch_unchecked)]
fn normalise_rows(x: &[f32], out: &mut [f32], lengths: &mut [f32], width: u32) {
    let mut shared = Shared::<[f32]>::new_slice(ROW_UNITS);
    let row = CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X;
    let start = row * width;
    let mut square = 0.0f32;
    for at in range_stepped(UNIT_POS, width, comptime!(ROW_UNITS as u32)) {
        let value = x[(start + at) as usize];
        square += value * value;
    }
    let length = f32::max(summed(square, &mut shared, ROW_UNITS).sqrt(), SHORTEST);
    for at in range_stepped(UNIT_POS, width, comptime!(ROW_UNITS as u32)) {
        out[(start + at) as usize] = x[(start + at) as usize] / length;
    }
    if UNIT_POS == 0u32 {
        lengths[row as usize] = length;
    }
}

/// `(g - y · (y · g)) / length`; a row that was shorter than the shortest was only divided.
#[cube(launch_unchecked)]
fn normalise_rows_gradient(y: &[f32], gradient: &[f32], lengths: &[f32], out: &mut [f32], width: u32) {
    let mut shared = Shared::<[f32]>::new_slice(ROW_UNITS);
    let row = CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X;
    let start = row * width;
    let mut product = 0.0f32;
    for at in range_stepped(UNIT_POS, width, comptime!(ROW_UNITS as u32)) {
        product += y[(start + at) as usize] * gradient[(start + at) as usize];
    }
    let length = lengths[row as usize];
    let along = select(length > SHORTEST, summed(product, &mut shared, ROW_UNITS), 0.0f32);
    for at in range_stepped(UNIT_POS, width, comptime!(ROW_UNITS as u32)) {
        let at = (start + at) as usize;
        out[at] = (gradient[at] - y[at] * along) / length;
    }
}

/// What passes `max(0, ·)`, where there is one, and the sum of every column of it.
#[cube(launch_unchecked)]
fn pass_and_sum(
    gradient: &[f32],
    output: ComptimeOption<&[f32]>,
    passed: &mut [f32],
    sums: &mut [f32],
    rows: u32,
    width: u32,
) {
    let beside = comptime!(BESIDE as u32);
    let lines = comptime!((UNITS / BESIDE) as u32);
    let column = CUBE_POS_X * beside + UNIT_POS % beside;
    let line = UNIT_POS / beside;
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let mut sum = 0.0f32;
    if column < width {
        for row in range_stepped(line, rows, lines) {
            let at = (row * width + column) as usize;
            let mut value = gradient[at];
            #[comptime]
            if let ComptimeOption::Some(output) = &output {
                if output[at] <= 0.0f32 {
                    value = 0.0f32;
                }
                passed[at] = value;
            }
            sum += value;
        }
    }
    shared[UNIT_POS as usize] = sum;
    sync_cube();
    if line == 0u32 && column < width {
        #[unroll]
        for other in 1..comptime!(UNITS / BESIDE) {
            sum += shared[UNIT_POS as usize + comptime!(other * BESIDE)];
        }
        sums[column as usize] = sum;
    }
}

/// The means of two columns of numbers.
#[cube(launch_unchecked)]
fn mean_both(first: &[f32], second: &[f32], first_mean: &mut [f32], second_mean: &mut [f32], count: u32) {
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let mut a = 0.0f32;
    let mut b = 0.0f32;
    for at in range_stepped(UNIT_POS, count, comptime!(UNITS as u32)) {
        a += first[at as usize];
        b += second[at as usize];
    }
    let a = summed(a, &mut shared, UNITS);
    let b = summed(b, &mut shared, UNITS);
    if UNIT_POS == 0u32 {
        first_mean[0] = a / f32::cast_from(count);
        second_mean[0] = b / f32::cast_from(count);
    }
}

/// `values · factor · scale`, where the factor is a tensor of one number.
#[cube(launch_unchecked)]
fn scale_all(values: &[f32], factor: &[f32], out: &mut [f32], scale: f32, total: u32) {
    let at = ABSOLUTE_POS as u32;
    if at < total {
        out[at as usize] = values[at as usize] * (factor[0] * scale);
    }
}

/// Numbers side by side.
#[cube(launch_unchecked)]
#[allow(clippy::needless_range_loop, reason = "a loop that is unrolled")]
fn line_up(numbers: &Sequence<Box<[f32]>>, out: &mut [f32]) {
    let count = numbers.len();
    #[unroll]
    for i in 0..count {
        if UNIT_POS == comptime!(i as u32) {
            out[i] = numbers.index(i)[0];
        }
    }
}

/// The mean over columns of their standard deviations, times `scale`: one cube, whose units each take columns.
#[cube(launch_unchecked)]
fn mean_deviation(x: &[f32], out: &mut [f32], rows: u32, width: u32, scale: f32) {
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let count = f32::cast_from(rows);
    let mut deviations = 0.0f32;
    for column in range_stepped(UNIT_POS, width, comptime!(UNITS as u32)) {
        let mut mean = 0.0f32;
        for row in 0..rows {
            mean += x[(row * width + column) as usize];
        }
        mean /= count;
        let mut square = 0.0f32;
        for row in 0..rows {
            let apart = x[(row * width + column) as usize] - mean;
            square += apart * apart;
        }
        deviations += (square / count).sqrt();
    }
    let sum = summed(deviations, &mut shared, UNITS);
    if UNIT_POS == 0u32 {
        out[0] = sum / f32::cast_from(width) * scale;
    }
}

fn matrix(tensor: &CubeTensor) -> [usize; 2] {
    let shape = tensor.meta.shape();
    [shape[0], shape[1]]
}

/// `[n, d]` → rows of length 1 and the lengths they had, `[n, d]` and `[n]`.
pub(super) fn unit_rows(x: CubeTensor) -> [CubeTensor; 2] {
    let x = layout::dense(x);
    let [rows, width] = matrix(&x);
    let (out, lengths) = (layout::plain(&x, &[rows, width], DType::F32), layout::plain(&x, &[rows], DType::F32));
    // SAFETY: the buffers are as large as the sizes say, and there are as many cubes as rows.
    unsafe {
        normalise_rows::launch_unchecked(
            &x.client,
            CubeCount::Static(rows as u32, 1, 1),
            CubeDim::new_1d(ROW_UNITS as u32),
            layout::buffer(&x),
            layout::buffer(&out),
            layout::buffer(&lengths),
            width as u32,
        );
    }
    [out, lengths]
}

/// The gradient of [`unit_rows`], by its input.
pub(super) fn unit_rows_gradient([y, lengths]: [CubeTensor; 2], gradient: CubeTensor) -> CubeTensor {
    let gradient = layout::dense(gradient);
    let [rows, width] = matrix(&y);
    let out = layout::plain(&y, &[rows, width], DType::F32);
    // SAFETY: as above.
    unsafe {
        normalise_rows_gradient::launch_unchecked(
            &y.client,
            CubeCount::Static(rows as u32, 1, 1),
            CubeDim::new_1d(ROW_UNITS as u32),
            layout::buffer(&y),
            layout::buffer(&gradient),
            layout::buffer(&lengths),
            layout::buffer(&out),
            width as u32,
        );
    }
    out
}

/// A gradient `[n, d]` behind `max(0, ·)` with this output, where there is one, and the sums of its columns, `[d]`.
pub(super) fn passed_and_summed(gradient: CubeTensor, output: Option<CubeTensor>) -> [CubeTensor; 2] {
    let gradient = layout::dense(gradient);
    let [rows, width] = matrix(&gradient);
    let sums = layout::plain(&gradient, &[width], DType::F32);
    let output = output.map(layout::dense);
    let passed = match &output {
        Some(_) => layout::plain(&gradient, &[rows, width], DType::F32),
        None => gradient.clone(),
    };
    // SAFETY: as above; what is passed is written only where there is an output.
    unsafe {
        pass_and_sum::launch_unchecked(
            &gradient.client,
            CubeCount::Static(width.div_ceil(BESIDE) as u32, 1, 1),
            CubeDim::new_1d(UNITS as u32),
            layout::buffer(&gradient),
            output.as_ref().map(layout::buffer).into(),
            layout::buffer(&if output.is_some() { passed.clone() } else { sums.clone() }),
            layout::buffer(&sums),
            rows as u32,
            width as u32,
        );
    }
    [passed, sums]
}

/// Means of both, `[1]` each.
pub(super) fn means_of_both(first: CubeTensor, second: CubeTensor) -> [CubeTensor; 2] {
    let count = first.meta.shape().num_elements();
    let (first, second) = (layout::dense(first), layout::dense(second));
    let means = [(); 2].map(|()| layout::plain(&first, &[1], DType::F32));
    // SAFETY: as above.
    unsafe {
        mean_both::launch_unchecked(
            &first.client,
            CubeCount::Static(1, 1, 1),
            CubeDim::new_1d(UNITS as u32),
            layout::buffer(&first),
            layout::buffer(&second),
            layout::buffer(&means[0]),
            layout::buffer(&means[1]),
            count as u32,
        );
    }
    means
}

/// `values · factor[0] · scale`, of the shape of `values` `[n, d]`.
pub(super) fn scaled(values: CubeTensor, factor: CubeTensor, scale: f64) -> CubeTensor {
    let values = layout::dense(values);
    let dims = matrix(&values);
    let out = layout::plain(&values, &dims, DType::F32);
    let total = dims[0] * dims[1];
    // SAFETY: as above.
    unsafe {
        scale_all::launch_unchecked(
            &values.client,
            layout::grid(total.div_ceil(UNITS), 1),
            CubeDim::new_1d(UNITS as u32),
            layout::buffer(&values),
            layout::buffer(&factor),
            layout::buffer(&out),
            scale as f32,
            total as u32,
        );
    }
    out
}

/// Tensors of one number each, side by side; few enough for one launch.
pub(super) fn lined_up(numbers: &[CubeTensor]) -> Option<CubeTensor> {
    let first = numbers.first()?;
    if numbers.len() > layout::together(first, 1).min(UNITS) {
        return None;
    }
    let out = layout::plain(first, &[numbers.len()], DType::F32);
    let mut buffers = SequenceArg::new();
    numbers.iter().for_each(|number| buffers.push(layout::buffer(number)));
    // SAFETY: as above.
    unsafe {
        line_up::launch_unchecked(
            &first.client,
            CubeCount::Static(1, 1, 1),
            CubeDim::new_1d(UNITS as u32),
            buffers,
            layout::buffer(&out),
        );
    }
    Some(out)
}

/// The mean over columns of their standard deviations, times `scale`: `[n, d]` → `[1]`.
pub(super) fn spread(x: CubeTensor, scale: f64) -> CubeTensor {
    let x = layout::dense(x);
    let [rows, width] = matrix(&x);
    let out = layout::plain(&x, &[1], DType::F32);
    // SAFETY: as above.
    unsafe {
        mean_deviation::launch_unchecked(
            &x.client,
            CubeCount::Static(1, 1, 1),
            CubeDim::new_1d(UNITS as u32),
            layout::buffer(&x),
            layout::buffer(&out),
            rows as u32,
            width as u32,
            scale as f32,
        );
    }
    out
}
