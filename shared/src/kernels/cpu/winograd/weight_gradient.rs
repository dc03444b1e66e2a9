//! The gradient of the weights.

use std::ops::Range;

use super::ELEMENTS;
use super::tiling::{Group, Groups, Tiling};
use crate::kernels::cpu::geometry::ConvShape;
use crate::kernels::cpu::lanes::{GradientTransform, KernelTransform, Kernels, MAX_ROWS, ReduceTile};
use crate::kernels::cpu::threads::{Output, for_each, with_scratch};
use crate::kernels::cpu::weight_gradient::{Lanes, add_in_order};

/// Patches times output channels whose transforms fit a core's own cache beside the sums.
const PATCHES: usize = 8192;
/// Input channels times output channels of a piece of work: their sums share that cache.
const CHANNELS: usize = 8192;
/// Pieces of work that the sum is split into at least, by images when there are too few input channels.
const PIECES: usize = 8;

/// As [`super::super::weight_gradient::weight_gradient`].
pub(in crate::kernels::cpu) fn weight_gradient(
    shape: &ConvShape,
    output: [usize; 2],
    x: &[f32],
    gradient: &[f32],
) -> Vec<f32> {
    let kernels = Kernels::get();
    let tiling = Tiling { channels: shape.ci, size: shape.size, output, padding: shape.padding };
    let lanes = Lanes::arrange(kernels, shape, output[0] * output[1], gradient);

    // Fixed by the shape: blocks of channels, and sets of groups whose sums are added in order below.
    let groups = tiling.groups(shape.n, (PATCHES / lanes.total).clamp(32, 64));
    let channels_each = (CHANNELS / lanes.total).clamp(32, 64).min(shape.ci);
    let blocks = shape.ci.div_ceil(channels_each);
    let sets = PIECES.div_ceil(blocks).min(groups.len());
    let groups_each = groups.len().div_ceil(sets);
    let sets = groups.len().div_ceil(groups_each);

    // Per set and block `[16, channels, lanes]`, and room for a tile that sticks out.
    let element_len = (channels_each + MAX_ROWS) * lanes.total;
    let block_len = ELEMENTS * element_len;
    let mut partials = vec![0.0; sets * blocks * block_len];
    let sums = Output::of(&mut partials);
    for_each(sets * blocks, |index| {
        let (set, block) = (index / blocks, index % blocks);
        let channels = block * channels_each..((block + 1) * channels_each).min(shape.ci);
        let wanted = set * groups_each..((set + 1) * groups_each).min(groups.len());
        // SAFETY: this part of the sums belongs to this piece alone.
        let target = unsafe { sums.at(index * block_len) };
        accumulate(kernels, &tiling, &groups, wanted, &lanes, x, channels, target, element_len);
    });
    let (first, rest) = partials.split_at_mut(blocks * block_len);
    add_in_order(first, rest);

    // [16, ci, lanes] → [ci, 9, lanes] → [co, ci, 9]
    let (result, target) = Output::reserve(shape.co * shape.depth());
    for_each(shape.ci.div_ceil(8), |index| {
        let channels = index * 8..((index + 1) * 8).min(shape.ci);
        with_scratch(8 * 9 * lanes.total, |nine| {
            for (slot, channel) in channels.clone().enumerate() {
                let at = channel / channels_each * block_len + channel % channels_each * lanes.total;
                let transform = KernelTransform {
                    from: first[at..].as_ptr(),
                    from_step: element_len,
                    vectors: lanes.total / kernels.width,
                    out: nine[slot * 9 * lanes.total..].as_mut_ptr(),
                    out_step: lanes.total,
                };
                // SAFETY: sixteen rows of `total` lanes there, nine here.
                unsafe { (kernels.winograd.kernel_gradient)(&transform) };
            }
            let rows = channels.len() * 9;
            // SAFETY: `rows` of the rows of one matrix, as many columns of the other, written by this piece alone.
            unsafe {
                let to = target.at(channels.start * 9);
                kernels.transpose([rows, shape.co], nine.as_ptr(), lanes.total, to, shape.depth());
            }
        });
    });
    // SAFETY: every input channel's nine columns were moved.
    unsafe { Output::finish(result, shape.co * shape.depth()) }
}

/// Adds the products of some groups and channels to `target`, `[16, channels, lanes]`.
#[expect(clippy::too_many_arguments, reason = "what a piece of work is made of, named where it is called")]
fn accumulate(
    kernels: &Kernels,
    tiling: &Tiling,
    groups: &Groups,
    wanted: Range<usize>,
    lanes: &Lanes,
    x: &[f32],
    channels: Range<usize>,
    target: *mut f32,
    element_len: usize,
) {
    let widest = kernels.width * kernels.max_vectors();
    let inputs = channels.len().next_multiple_of(kernels.width);
    let largest = groups.largest();
    let sizes = [tiling.aside(groups, inputs), ELEMENTS * largest * inputs, ELEMENTS * largest * widest, widest];
    with_scratch(sizes.iter().sum(), |scratch| {
        let (aside, scratch) = scratch.split_at_mut(sizes[0]);
        let (transformed, scratch) = scratch.split_at_mut(sizes[1]);
        let (gradients, zeros) = scratch.split_at_mut(sizes[2]);
        zeros.fill(0.0);
        for group in wanted.map(|index| groups.get(index)) {
            let patches = group.patches();
            let transformed = &mut transformed[..ELEMENTS * patches * inputs];
            tiling.transform(kernels, &group, channels.clone(), x, aside, transformed);
            for first in (0..lanes.total).step_by(widest) {
                let width = (lanes.total - first).min(widest);
                let vectors = width / kernels.width;
                spread(kernels, tiling, &group, lanes, [first, width], zeros, gradients);
                let rows = kernels.reduce_rows[vectors - 1];
                for element in 0..ELEMENTS {
                    let patches_of = &transformed[element * patches * inputs..][..patches * inputs];
                    for channel in (0..channels.len()).step_by(rows) {
                        let start = |r: usize| patches_of[(channel + r).min(channels.len() - 1)..].as_ptr();
                        let tile = ReduceTile {
                            starts: std::array::from_fn(start),
                            length: patches,
                            step: inputs,
                            lanes: gradients[element * patches * width..].as_ptr(),
                            out: target.wrapping_add(element * element_len + channel * lanes.total + first),
                            out_row: lanes.total,
                            adds: true,
                            ..ReduceTile::PRODUCT
                        };
                        // SAFETY: `target` has room for `MAX_ROWS` channels more than there are.
                        unsafe { (kernels.reduce[vectors - 1])(&tile) };
                    }
                }
            }
        }
    });
}

/// The transformed output gradients of some lanes: `[16, patches, width]`.
fn spread(
    kernels: &Kernels,
    tiling: &Tiling,
    group: &Group,
    lanes: &Lanes,
    [first, width]: [usize; 2],
    zeros: &[f32],
    out: &mut [f32],
) {
    let [height, columns] = tiling.output;
    for patch in 0..group.patches() {
        let [image, row, column] = group.place(patch);
        let block = ((group.images.start + image) * lanes.total + first) * lanes.positions;
        let transform = GradientTransform {
            gradients: std::array::from_fn(|i| {
                let [y, x] = [(group.rows.start + row) * 2 + i / 2, column * 2 + i % 2];
                if y < height && x < columns {
                    lanes.values[block + (y * columns + x) * width..].as_ptr()
                } else {
                    zeros.as_ptr()
                }
            }),
            vectors: width / kernels.width,
            out: out[patch * width..].as_mut_ptr(),
            step: group.patches() * width,
        };
        // SAFETY: `width` floats at each of the four places; `out` has a row for each patch and element.
        unsafe { (kernels.winograd.gradient)(&transform) };
    }
}
