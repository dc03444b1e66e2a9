//! The forward pass and the gradient of the input.

use super::ELEMENTS;
use super::tiling::{Groups, Tiling};
use crate::kernels::cpu::geometry::ConvShape;
use crate::kernels::cpu::lanes::{KernelTransform, Kernels, MAX_ROWS, OutputTransform, ReduceTile};
use crate::kernels::cpu::threads::{Output, for_each, with_scratch};

/// Patches times input channels whose transforms fit a core's own cache.
const PATCHES: usize = 16384;
/// Weights that stay in the nearest cache while all patches of a group pass over them.
const WEIGHTS: usize = 8192;
/// Pieces of work that a pass is split into at least, by output channels when there are too few patches.
const PIECES: usize = 4;

/// The transformed kernels of a forward pass, from `weight` `[co, ci, 3, 3]` and `bias` `[co]`.
pub(in crate::kernels::cpu) fn arrange(shape: &ConvShape, weight: &[f32], bias: Option<&[f32]>) -> Weights {
    let order = Order { outputs: shape.co, inputs: shape.ci, steps: [shape.ci * 9, 9], is_turned: false };
    Weights::arrange(&order, weight, bias)
}

/// As [`super::super::convolution::forward`].
pub(in crate::kernels::cpu) fn forward(
    shape: &ConvShape,
    output: [usize; 2],
    x: &[f32],
    weights: &Weights,
) -> Vec<f32> {
    let tiling = Tiling { channels: shape.ci, size: shape.size, output, padding: shape.padding };
    run(&tiling, shape.n, x, weights)
}

/// As [`super::super::convolution::input_gradient`]: the output gradient convolved with the kernels turned by 180°.
pub(in crate::kernels::cpu) fn input_gradient(
    shape: &ConvShape,
    output: [usize; 2],
    weight: &[f32],
    gradient: &[f32],
) -> Vec<f32> {
    let padding = shape.padding.map(|padding| 2 - padding);
    let tiling = Tiling { channels: shape.co, size: output, output: shape.size, padding };
    let order = Order { outputs: shape.ci, inputs: shape.co, steps: [9, shape.ci * 9], is_turned: true };
    run(&tiling, shape.n, gradient, &Weights::arrange(&order, weight, None))
}

/// Which kernel belongs to which pair of channels: that of output `o` and input `i` starts at `o steps[0] + i steps[1]`.
struct Order {
    outputs: usize,
    inputs: usize,
    steps: [usize; 2],
    is_turned: bool,
}

/// Transformed kernels in blocks of output channels ("lanes"), each `[16, inputs, lanes]`.
pub(in crate::kernels) struct Weights {
    outputs: usize,
    blocks: Vec<Block>,
    values: Vec<f32>,
    bias: Vec<f32>,
    is_turned: bool,
}

/// The outputs `first..first + count`, in `vectors` vectors.
struct Block {
    first: usize,
    count: usize,
    vectors: usize,
    weights: usize,
}

impl Weights {
    fn arrange(order: &Order, weight: &[f32], bias: Option<&[f32]>) -> Self {
        let kernels = Kernels::get();
        let widest = kernels.width * kernels.max_vectors();
        let blocks: Vec<Block> = (0..order.outputs)
            .step_by(widest)
            .map(|first| {
                let count = (order.outputs - first).min(widest);
                let weights = first * ELEMENTS * order.inputs;
                Block { first, count, vectors: count.div_ceil(kernels.width), weights }
            })
            .collect();
        let lanes = order.outputs.next_multiple_of(kernels.width);
        let len = lanes * ELEMENTS * order.inputs;
        let (values, target) = Output::reserve(len);
        for_each(blocks.len(), |index| {
            let block = &blocks[index];
            let lanes = block.vectors * kernels.width;
            with_scratch(9 * lanes, |nine| {
                nine.fill(0.0);
                for input in 0..order.inputs {
                    let from = &weight[block.first * order.steps[0] + input * order.steps[1]..];
                    // SAFETY: `count` kernels of nine elements lie in `from`; `nine` has a row for each element. The blocks
                    // lie one behind the other in `values`, and each is written by one piece of work.
                    unsafe {
                        kernels.transpose([block.count, 9], from.as_ptr(), order.steps[0], nine.as_mut_ptr(), lanes);
                        (kernels.winograd.kernel)(&KernelTransform {
                            from: nine.as_ptr(),
                            from_step: lanes,
                            vectors: block.vectors,
                            out: target.at(block.weights + input * lanes),
                            out_step: order.inputs * lanes,
                        });
                    }
                }
            });
        });
        // SAFETY: every element, input and lane of every block was written.
        let values = unsafe { Output::finish(values, len) };
        let mut biases = vec![0.0; lanes];
        if let Some(bias) = bias {
            biases[..order.outputs].copy_from_slice(bias);
        }
        Self { outputs: order.outputs, blocks, values, bias: biases, is_turned: order.is_turned }
    }

    /// Floats of all blocks.
    pub(in crate::kernels::cpu) const fn len(&self) -> usize {
        self.values.len()
    }

    /// Where the kernels' element lies that patch element `element` is multiplied with. Turning a kernel exchanges the
    /// outer rows, and the outer columns, of its transform.
    fn element(&self, element: usize) -> usize {
        const TURNED: [usize; 4] = [3, 1, 2, 0];
        if self.is_turned { TURNED[element / 4] * 4 + TURNED[element % 4] } else { element }
    }
}

/// Convolves `[images, channels, h, w]` → `[images, outputs, oh, ow]`.
fn run(tiling: &Tiling, images: usize, input: &[f32], weights: &Weights) -> Vec<f32> {
    let len = images * weights.outputs * tiling.output[0] * tiling.output[1];
    let (memory, out) = Output::reserve(len);
    let groups = tiling.groups(images, (PATCHES / tiling.channels).clamp(64, 128));
    let lane_groups = PIECES.div_ceil(groups.len()).min(weights.blocks.len());
    let blocks_each = weights.blocks.len().div_ceil(lane_groups);
    let lane_groups = weights.blocks.len().div_ceil(blocks_each);
    for_each(groups.len() * lane_groups, |index| {
        let first = index % lane_groups * blocks_each;
        let blocks = &weights.blocks[first..(first + blocks_each).min(weights.blocks.len())];
        compute(tiling, &groups, index / lane_groups, input, weights, blocks, out);
    });
    // SAFETY: the groups cover all patches of all images, the blocks all channels, and patches all outputs.
    unsafe { Output::finish(memory, len) }
}

fn compute(
    tiling: &Tiling,
    groups: &Groups,
    index: usize,
    input: &[f32],
    weights: &Weights,
    blocks: &[Block],
    out: Output,
) {
    let kernels = Kernels::get();
    let widest = kernels.width * kernels.max_vectors();
    let [height, width] = tiling.output;
    let channels = tiling.channels;
    let inputs = channels.next_multiple_of(kernels.width);
    let group = &groups.get(index);
    let patches = group.patches();
    // The last tile may stick out.
    let room = patches + MAX_ROWS;
    let rows = group.rows.start * 2..(group.rows.end * 2).min(height);
    let per_image = rows.len() * width;
    let sizes = [
        tiling.aside(groups, inputs),
        ELEMENTS * patches * inputs,
        ELEMENTS * room * widest,
        // One position more, for outputs beyond the edge.
        (group.images.len() * per_image + 1) * widest,
    ];
    with_scratch(sizes.iter().sum(), |scratch| {
        let (aside, scratch) = scratch.split_at_mut(sizes[0]);
        let (transformed, scratch) = scratch.split_at_mut(sizes[1]);
        let (products, results) = scratch.split_at_mut(sizes[2]);
        tiling.transform(kernels, group, 0..channels, input, aside, transformed);
        for block in blocks {
            let lanes = block.vectors * kernels.width;
            for element in 0..ELEMENTS {
                let values =
                    &weights.values[block.weights + weights.element(element) * channels * lanes..][..channels * lanes];
                let patches_of = &transformed[element * patches * inputs..][..patches * inputs];
                let products = &mut products[element * room * lanes..][..room * lanes];
                multiply(kernels, [patches, channels, block.vectors], patches_of, values, products);
            }
            for patch in 0..patches {
                let [image, row, column] = group.place(patch);
                let beyond = group.images.len() * per_image;
                let at: [usize; 4] = std::array::from_fn(|i| {
                    let [y, x] = [row * 2 + i / 2, column * 2 + i % 2];
                    let inside = y < rows.len() && x < width;
                    (if inside { image * per_image + y * width + x } else { beyond }) * lanes
                });
                let transform = OutputTransform {
                    products: products[patch * lanes..].as_ptr(),
                    step: room * lanes,
                    vectors: block.vectors,
                    bias: weights.bias[block.first..].as_ptr(),
                    out: at.map(|at| results[at..].as_mut_ptr()),
                };
                // SAFETY: all products of this patch are there; the four outputs have `lanes` floats each.
                unsafe { (kernels.winograd.output)(&transform) };
            }
            for (slot, image) in group.images.clone().enumerate() {
                let from = &results[slot * per_image * lanes..];
                let at = ((image * weights.outputs + block.first) * height + rows.start) * width;
                // SAFETY: these rows of these channels of this image are written here alone.
                unsafe {
                    kernels.transpose([per_image, block.count], from.as_ptr(), lanes, out.at(at), height * width);
                }
            }
        }
    });
}

/// `[patches, channels]` and `[channels, lanes]` → `[patches, lanes]`.
fn multiply(
    kernels: &Kernels,
    [patches, channels, vectors]: [usize; 3],
    transformed: &[f32],
    weights: &[f32],
    products: &mut [f32],
) {
    let lanes = vectors * kernels.width;
    let inputs = transformed.len() / patches;
    let rows = kernels.reduce_rows[vectors - 1];
    let channels_each = (WEIGHTS / lanes).clamp(1, channels);
    for channel in (0..channels).step_by(channels_each) {
        for first in (0..patches).step_by(rows) {
            let start = |r: usize| transformed[(first + r).min(patches - 1) * inputs + channel..].as_ptr();
            let tile = ReduceTile {
                starts: std::array::from_fn(start),
                length: channels_each.min(channels - channel),
                step: 1,
                lanes: weights[channel * lanes..].as_ptr(),
                out: products[first * lanes..].as_mut_ptr(),
                out_row: lanes,
                adds: channel > 0,
                ..ReduceTile::PRODUCT
            };
            // SAFETY: `products` has room for `MAX_ROWS` patches more than there are.
            unsafe { (kernels.reduce[vectors - 1])(&tile) };
        }
    }
}
