//! The gradients of the weights and of the bias.

use super::geometry::{ConvShape, Gather};
use super::lanes::{Kernels, MAX_ROWS, ReduceTile};
use super::threads::{Output, for_each, with_scratch};
use super::winograd;

/// Positions whose output gradient stays in a near cache while all weights of a piece of work pass over it.
const POSITIONS: usize = 256;
/// Input channels per piece of work.
const CHANNELS: usize = 16;
/// Pieces of work that the sum is split into at least, by images when there are too few input channels.
const PIECES: usize = 16;

/// `Σ gradient · x`: `[n, ci, h, w]`, `[n, co, oh, ow]` → `[co, ci, kh, kw]`.
pub(in crate::kernels) fn weight_gradient(
    shape: &ConvShape,
    output: [usize; 2],
    x: &[f32],
    gradient: &[f32],
) -> Vec<f32> {
    if winograd::suits(shape, output) {
        return winograd::weight_gradient(shape, output, x, gradient);
    }
    let gather = Gather::forward(shape, output);
    let depth = shape.depth();
    if gather.positions() * shape.n == 0 {
        return vec![0.0; shape.co * depth];
    }
    let kernels = Kernels::get();
    let lanes = Lanes::arrange(kernels, shape, gather.positions(), gradient);

    // Fixed by the shape: blocks of channels, and groups of images whose sums are added in order below.
    let channels_each = CHANNELS.min(shape.ci);
    let channel_groups = shape.ci.div_ceil(channels_each);
    let images_at_once = (POSITIONS / gather.positions()).clamp(1, shape.n);
    let image_groups = PIECES.div_ceil(channel_groups).min(shape.n.div_ceil(images_at_once));
    let images_each = shape.n.div_ceil(image_groups);
    let image_groups = shape.n.div_ceil(images_each);

    let partial_len = depth * lanes.total;
    let mut partials = vec![0.0; image_groups * partial_len];
    let sums = Output::of(&mut partials);
    for_each(image_groups * channel_groups, |index| {
        let (group, block) = (index / channel_groups, index % channel_groups);
        let channels = block * channels_each..((block + 1) * channels_each).min(shape.ci);
        let images = group * images_each..((group + 1) * images_each).min(shape.n);
        for first in images.clone().step_by(images_at_once) {
            let chunk = first..(first + images_at_once).min(images.end);
            let at = group * partial_len + channels.start * gather.taps.len() * lanes.total;
            // SAFETY: these rows of this group's sums belong to this piece alone.
            let target = unsafe { sums.at(at) };
            accumulate(kernels, &gather, &lanes, x, chunk, channels.clone(), target);
        }
    });

    let (first, rest) = partials.split_at_mut(partial_len);
    add_in_order(first, rest);
    // [ci, taps, co] → [co, ci, taps]
    let (result, target) = Output::reserve(shape.co * depth);
    let rows_each = 8 * gather.taps.len();
    for_each(depth.div_ceil(rows_each), |index| {
        let row = index * rows_each;
        let rows = rows_each.min(depth - row);
        let from = first[row * lanes.total..].as_ptr();
        // SAFETY: `rows` of the rows of one matrix, as many columns of the other, written by this piece alone.
        unsafe { kernels.transpose([rows, shape.co], from, lanes.total, target.at(row), depth) };
    });
    // SAFETY: every row was moved.
    unsafe { Output::finish(result, shape.co * depth) }
}

/// `Σ gradient` over images and positions: `[n, co, oh, ow]` → `[co]`.
pub(in crate::kernels) fn bias_gradient(shape: &ConvShape, output: [usize; 2], gradient: &[f32]) -> Vec<f32> {
    let plane = output[0] * output[1];
    let mut result = vec![0.0; shape.co];
    let sums = Output::of(&mut result);
    for_each(shape.co, |channel| {
        let images = (0..shape.n).map(|image| &gradient[(image * shape.co + channel) * plane..][..plane]);
        let sum: f64 = images.map(|values| values.iter().map(|&value| f64::from(value)).sum::<f64>()).sum();
        // SAFETY: each channel is written once.
        unsafe { *sums.at(channel) = sum as f32 };
    });
    result
}

/// Adds each of the equally long parts of `rest` to `first`, in order.
pub(super) fn add_in_order(first: &mut [f32], rest: &[f32]) {
    const BLOCK: usize = 4096;
    let len = first.len();
    let target = Output::of(first);
    for_each(len.div_ceil(BLOCK), |index| {
        let block = index * BLOCK..((index + 1) * BLOCK).min(len);
        for part in rest.chunks_exact(len) {
            for at in block.clone() {
                // SAFETY: this block belongs to this piece of work alone.
                unsafe { *target.at(at) += part[at] };
            }
        }
    });
}

/// The output gradient with channels last: per image, blocks of lanes, each `[positions, lanes]`.
pub(super) struct Lanes {
    pub values: Vec<f32>,
    /// All lanes of all blocks.
    pub total: usize,
    pub positions: usize,
}

impl Lanes {
    pub(super) fn arrange(kernels: &Kernels, shape: &ConvShape, positions: usize, gradient: &[f32]) -> Self {
        let total = shape.co.next_multiple_of(kernels.width);
        let len = shape.n * total * positions;
        let (values, target) = Output::reserve_or_zero(len, total == shape.co);
        let widest = kernels.width * kernels.max_vectors();
        for_each(shape.n, |image| {
            for first in (0..shape.co).step_by(widest) {
                let lanes = (total - first).min(widest);
                let count = (shape.co - first).min(lanes);
                let from = &gradient[(image * shape.co + first) * positions..][..count * positions];
                // SAFETY: `positions × lanes` floats of this image's part, which this piece alone writes.
                unsafe {
                    let to = target.at((image * total + first) * positions);
                    kernels.transpose([count, positions], from.as_ptr(), positions, to, lanes);
                }
            }
        });
        // SAFETY: every lane of every position was written, or is one of the zeros.
        let values = unsafe { Output::finish(values, len) };
        Self { values, total, positions }
    }
}

/// Adds the products of some images to `target`, `[channels, taps, all lanes]`.
fn accumulate(
    kernels: &Kernels,
    gather: &Gather,
    lanes: &Lanes,
    x: &[f32],
    images: std::ops::Range<usize>,
    channels: std::ops::Range<usize>,
    target: *mut f32,
) {
    let window = gather.window(gather.grid[0]);
    let plane = gather.size[0] * gather.size[1];
    let copy_step = channels.len() * window.plane();
    let copy_len = if window.in_place { 0 } else { images.len() * copy_step };
    let widest = kernels.width * kernels.max_vectors();
    with_scratch(copy_len + MAX_ROWS * widest, |scratch| {
        let (copy, spare) = scratch.split_at_mut(copy_len);
        let (start, image_step) = if window.in_place {
            (x[(images.start * gather.channels + channels.start) * plane..].as_ptr(), gather.channels * plane)
        } else {
            for (index, image) in images.clone().enumerate() {
                let from = (image * gather.channels + channels.start) * plane;
                let planes = &x[from..from + channels.len() * plane];
                window.fill(gather, 0, planes, &mut copy[index * copy_step..(index + 1) * copy_step]);
            }
            (copy.as_ptr(), copy_step)
        };
        let origin = window.place(gather, 0, 0, 0);
        // Where each weight reads at the first position: [channels, taps]
        let places: Vec<usize> = (0..channels.len())
            .flat_map(|channel| window.offsets.iter().map(move |offset| (channel, offset)))
            .map(|(channel, offset)| origin + channel * window.plane() + offset)
            .collect();
        for first in (0..lanes.total).step_by(widest) {
            let width = (lanes.total - first).min(widest);
            let vectors = width / kernels.width;
            let rows = kernels.reduce_rows[vectors - 1];
            for row in (0..places.len()).step_by(rows) {
                let whole = row + rows <= places.len();
                // A tile that sticks out is computed aside.
                let (out, out_row) = if whole {
                    (target.wrapping_add(row * lanes.total + first), lanes.total)
                } else {
                    (spare.as_mut_ptr(), width)
                };
                let tile = ReduceTile {
                    starts: std::array::from_fn(|r| start.wrapping_add(places[(row + r).min(places.len() - 1)])),
                    images: images.len(),
                    image_step,
                    lines: gather.grid[0],
                    line_step: gather.step[0] * window.pitch,
                    length: gather.grid[1],
                    step: gather.step[1],
                    lanes: lanes.values[(images.start * lanes.total + first) * lanes.positions..].as_ptr(),
                    lanes_image: lanes.total * lanes.positions,
                    out,
                    out_row,
                    adds: true,
                };
                if whole {
                    // SAFETY: the window holds what every weight reads at every position; `target` has these rows.
                    unsafe { (kernels.reduce[vectors - 1])(&tile) };
                    continue;
                }
                spare[..rows * width].fill(0.0);
                // SAFETY: as above; `spare` has room for the largest tile.
                unsafe { (kernels.reduce[vectors - 1])(&tile) };
                for (r, sums) in spare.chunks_exact(width).take(places.len() - row).enumerate() {
                    for (lane, sum) in sums.iter().enumerate() {
                        // SAFETY: a row of `target`.
                        unsafe { *target.add((row + r) * lanes.total + first + lane) += sum };
                    }
                }
            }
        }
    });
}
