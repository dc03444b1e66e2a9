//! The forward pass and the gradient of the input, both as [`Gather`]s.

use std::mem::MaybeUninit;

use super::geometry::{ConvShape, Gather, Window};
use super::lanes::{GatherTile, Kernels, MAX_ROWS};
use super::threads::{Output, for_each, with_scratch};
use super::winograd;

/// Positions per piece of work: enough to reuse the weights, few enough for every core to have several pieces.
const POSITIONS: usize = 256;
/// Weights that stay in the nearest cache while all positions of a piece of work pass over them.
const WEIGHTS: usize = 8192;
/// Pieces of work that a pass is split into at least, by output channels when there are too few positions.
const PIECES: usize = 16;

/// Weights and bias of a convolution in the order that the forward pass reads them.
pub(in crate::kernels) enum Arranged {
    Direct(Weights),
    Winograd(winograd::Weights),
}

impl Arranged {
    /// From `weight` `[co, ci, kh, kw]` and `bias` `[co]`.
    pub(in crate::kernels) fn new(shape: &ConvShape, output: [usize; 2], weight: &[f32], bias: Option<&[f32]>) -> Self {
        if winograd::suits(shape, output) {
            return Self::Winograd(winograd::arrange(shape, weight, bias));
        }
        let depth = shape.depth();
        Self::Direct(Weights::arrange(shape.co, depth, bias, |kernels, block, lanes, to| {
            let from = &weight[block.first * depth..(block.first + block.count) * depth];
            // [lanes, depth] → [depth, lanes]
            // SAFETY: `from` has `count` rows; `to` has `depth` rows of at least as many lanes.
            unsafe { kernels.transpose([block.count, depth], from.as_ptr(), depth, to.as_mut_ptr().cast(), lanes) };
        }))
    }

    /// Whether a convolution of this shape with the same weights reads them in this order.
    pub(in crate::kernels) fn suits(&self, shape: &ConvShape, output: [usize; 2]) -> bool {
        matches!(self, Self::Winograd(_)) == winograd::suits(shape, output)
    }

    /// Bytes of memory.
    pub(in crate::kernels) fn size(&self) -> usize {
        let values = match self {
            Self::Direct(weights) => weights.values.len(),
            Self::Winograd(weights) => weights.len(),
        };
        values * size_of::<f32>()
    }
}

/// `x` convolved: `[n, ci, h, w]` → `[n, co, oh, ow]`.
pub(in crate::kernels) fn forward(shape: &ConvShape, output: [usize; 2], x: &[f32], weights: &Arranged) -> Vec<f32> {
    let weights = match weights {
        Arranged::Direct(weights) => weights,
        Arranged::Winograd(weights) => return winograd::forward(shape, output, x, weights),
    };
    let gather = Gather::forward(shape, output);
    let len = shape.n * shape.co * gather.positions();
    let (memory, out) = Output::reserve(len);
    let target = Target { out, size: output, first: [0, 0], step: [1, 1] };
    run(&gather, shape.n, x, weights, target);
    // SAFETY: the grid covers every output position of every image and channel.
    unsafe { Output::finish(memory, len) }
}

/// The gradient of `x`: `[n, co, oh, ow]` → `[n, ci, h, w]`.
pub(in crate::kernels) fn input_gradient(
    shape: &ConvShape,
    output: [usize; 2],
    weight: &[f32],
    gradient: &[f32],
) -> Vec<f32> {
    if winograd::suits(shape, output) {
        return winograd::input_gradient(shape, output, weight, gradient);
    }
    let len = shape.n * shape.ci * shape.input_plane();
    let elements = shape.kernel[0] * shape.kernel[1];
    let phases = |axis: usize| 0..shape.stride[axis].min(shape.size[axis]);
    let (used, unused): (Vec<_>, Vec<_>) = phases(0)
        .flat_map(|row| phases(1).map(move |column| [row, column]))
        .map(|phase| (phase, Gather::backward(shape, output, phase)))
        .partition(|(_, gather)| !gather.taps.is_empty());
    let (memory, out) = Output::reserve_or_zero(len, unused.is_empty());
    for (phase, gather) in used {
        let depth = shape.co * gather.taps.len();
        let weights = Weights::arrange(shape.ci, depth, None, |_, block, lanes, to| {
            let mut rows = to.chunks_exact_mut(lanes);
            for channel in 0..shape.co {
                let from = &weight[(channel * shape.ci + block.first) * elements..][..block.count * elements];
                for (tap, row) in gather.taps.iter().zip(&mut rows) {
                    for (lane, kernel) in row.iter_mut().zip(from.chunks_exact(elements)) {
                        lane.write(kernel[tap.element]);
                    }
                }
            }
        });
        let target = Target { out, size: shape.size, first: phase, step: shape.stride };
        run(&gather, shape.n, gradient, &weights, target);
    }
    // SAFETY: the phases make up the plane; those without taps are zero from the start.
    unsafe { Output::finish(memory, len) }
}

/// Weights in the order the tiles read them: blocks of lanes, each `[channels, taps, lanes]`, zero where there are
/// fewer output channels than lanes.
pub(in crate::kernels) struct Weights {
    outputs: usize,
    blocks: Vec<Block>,
    values: Vec<f32>,
    /// One value per lane of all blocks.
    bias: Vec<f32>,
}

/// The outputs `first..first + count`, in `vectors` vectors.
#[derive(Clone, Copy)]
struct Block {
    first: usize,
    count: usize,
    vectors: usize,
    weights: usize,
    bias: usize,
}

impl Weights {
    /// `fill` writes a block's weights, `[depth, lanes]`; it may leave lanes that belong to no output.
    fn arrange(
        outputs: usize,
        depth: usize,
        bias: Option<&[f32]>,
        fill: impl Fn(&Kernels, &Block, usize, &mut [MaybeUninit<f32>]) + Sync + Send,
    ) -> Self {
        let kernels = Kernels::get();
        let mut blocks = Vec::new();
        let (mut lanes, mut first) = (0, 0);
        while first < outputs {
            let vectors = (outputs - first).div_ceil(kernels.width).min(kernels.max_vectors());
            let count = (outputs - first).min(vectors * kernels.width);
            blocks.push(Block { first, count, vectors, weights: lanes * depth, bias: lanes });
            lanes += vectors * kernels.width;
            first += count;
        }
        let values_len = lanes * depth;
        let (values, target) = Output::reserve_or_zero(values_len, lanes == outputs);
        for_each(blocks.len(), |index| {
            let block = &blocks[index];
            let lanes = block.vectors * kernels.width;
            // SAFETY: the blocks lie one behind the other in `values`, and each is written by one piece of work.
            let to = unsafe { target.part(block.weights, depth * lanes) };
            fill(kernels, block, lanes, to);
        });
        // SAFETY: every lane of every block was written, or is one of the zeros.
        let values = unsafe { Output::finish(values, values_len) };
        let mut biases = vec![0.0; lanes];
        if let Some(bias) = bias {
            for block in &blocks {
                biases[block.bias..block.bias + block.count]
                    .copy_from_slice(&bias[block.first..block.first + block.count]);
            }
        }
        Self { outputs, blocks, values, bias: biases }
    }
}

/// Where results go: grid position `p` to element `first + p * step` of planes of `size`.
#[derive(Clone, Copy)]
struct Target {
    out: Output,
    size: [usize; 2],
    first: [usize; 2],
    step: [usize; 2],
}

/// A piece of work: grid rows `rows` of images `images`, for blocks `blocks`.
struct Piece {
    images: std::ops::Range<usize>,
    rows: std::ops::Range<usize>,
    blocks: std::ops::Range<usize>,
}

fn run(gather: &Gather, images: usize, input: &[f32], weights: &Weights, target: Target) {
    let [height, width] = gather.grid;
    if height * width == 0 || images == 0 {
        return;
    }
    // Several whole images, or some rows of one.
    let images_each = (POSITIONS / gather.positions()).clamp(1, images);
    let rows_each = (POSITIONS / width).clamp(1, height);
    let image_groups = images.div_ceil(images_each);
    let row_groups = height.div_ceil(rows_each);
    let lane_groups = PIECES.div_ceil(image_groups * row_groups).min(weights.blocks.len());
    let blocks_each = weights.blocks.len().div_ceil(lane_groups);
    let lane_groups = weights.blocks.len().div_ceil(blocks_each);
    let window = gather.window(rows_each);

    for_each(image_groups * row_groups * lane_groups, |index| {
        let (group, lanes) = (index / lane_groups, index % lane_groups);
        let (image, row) = (group / row_groups * images_each, group % row_groups * rows_each);
        let piece = Piece {
            images: image..(image + images_each).min(images),
            rows: row..(row + rows_each).min(height),
            blocks: lanes * blocks_each..((lanes + 1) * blocks_each).min(weights.blocks.len()),
        };
        compute(gather, &window, &piece, input, weights, target);
    });
}

fn compute(gather: &Gather, window: &Window, piece: &Piece, input: &[f32], weights: &Weights, target: Target) {
    let kernels = Kernels::get();
    let image_len = gather.channels * gather.size[0] * gather.size[1];
    let image_step = gather.channels * window.plane();
    let taps = gather.taps.len();
    let images = piece.images.len();
    let per_image = piece.rows.len() * gather.grid[1];
    let positions = images * per_image;
    let widest = kernels.width * kernels.max_vectors();
    let result_len = (positions + MAX_ROWS) * widest;
    let copy_len = if window.in_place { 0 } else { images * image_step };
    let source = &input[piece.images.start * image_len..piece.images.end * image_len];

    with_scratch(result_len + copy_len, |scratch| {
        let (results, copy) = scratch.split_at_mut(result_len);
        let start = if window.in_place {
            source.as_ptr()
        } else {
            window.fill(gather, piece.rows.start, source, copy);
            copy.as_ptr()
        };
        // Where each position is read; computed once, used by every block.
        let mut places = Vec::with_capacity(positions);
        for image in 0..images {
            for row in 0..piece.rows.len() {
                let line = image * image_step + window.place(gather, piece.rows.start, row, 0);
                places.extend((0..gather.grid[1]).map(|column| line + column * gather.step[1]));
            }
        }
        for block in &weights.blocks[piece.blocks.clone()] {
            let lanes = block.vectors * kernels.width;
            let rows = kernels.gather_rows[block.vectors - 1];
            let channels_each = (WEIGHTS / (taps * lanes)).clamp(1, gather.channels);
            for channel in (0..gather.channels).step_by(channels_each) {
                for first in (0..positions).step_by(rows) {
                    let at = |r: usize| places[(first + r).min(positions - 1)] + channel * window.plane();
                    let out = results[first * lanes..].as_mut_ptr();
                    let (seed, seed_row) = match channel {
                        0 => (weights.bias[block.bias..].as_ptr(), 0),
                        _ => (out.cast_const(), lanes),
                    };
                    let tile = GatherTile {
                        starts: std::array::from_fn(|r| start.wrapping_add(at(r))),
                        channels: channels_each.min(gather.channels - channel),
                        plane: window.plane(),
                        offsets: &window.offsets,
                        weights: weights.values[block.weights + channel * taps * lanes..].as_ptr(),
                        seed,
                        seed_row,
                        out,
                        out_row: lanes,
                    };
                    // SAFETY: the window holds every element that a tap of a position reads; weights and bias have
                    // `lanes` values where the block says; `results` has a whole tile of rows to spare at its end.
                    unsafe { (kernels.gather[block.vectors - 1])(&tile) };
                }
            }
            for image in 0..images {
                let from = &results[image * per_image * lanes..(image + 1) * per_image * lanes];
                let plane = target.size[0] * target.size[1];
                let at = ((piece.images.start + image) * weights.outputs + block.first) * plane;
                // SAFETY: this piece alone writes these rows of these channels of this image.
                unsafe { scatter(kernels, gather, piece, block.count, lanes, from, target, at) };
            }
        }
    });
}

/// Moves `[positions, lanes]` to the planes of `count` output channels that start at `at`.
///
/// # Safety
/// Nobody else writes these elements.
#[expect(clippy::too_many_arguments, reason = "the parts of one copy, named where it is called")]
unsafe fn scatter(
    kernels: &Kernels,
    gather: &Gather,
    piece: &Piece,
    count: usize,
    lanes: usize,
    from: &[f32],
    target: Target,
    at: usize,
) {
    let plane = target.size[0] * target.size[1];
    let width = gather.grid[1];
    if target.step == [1, 1] {
        // The block's rows are consecutive in the plane.
        let first = at + piece.rows.start * width;
        // SAFETY: `rows × width` positions of `count` planes, all inside the output.
        unsafe {
            let to = target.out.at(first);
            kernels.transpose([piece.rows.len() * width, count], from.as_ptr(), lanes, to, plane);
        }
        return;
    }
    for channel in 0..count {
        for (index, row) in piece.rows.clone().enumerate() {
            let line =
                at + channel * plane + (target.first[0] + row * target.step[0]) * target.size[1] + target.first[1];
            for column in 0..width {
                let value = from[(index * width + column) * lanes + channel];
                // SAFETY: inside the plane, since the grid is.
                unsafe { *target.out.at(line + column * target.step[1]) = value };
            }
        }
    }
}
