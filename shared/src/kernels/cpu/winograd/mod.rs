//! 3 × 3 convolutions of stride 1 by Winograd's minimal filtering F(2 × 2, 3 × 3): Lavin and Gray, *Fast Algorithms for
//! Convolutional Neural Networks* (CVPR 2016), §4.1.
//!
//! Two by two outputs are computed from a patch of four by four inputs with 16 products for each pair of channels
//! instead of 36: patches and kernels are transformed, multiplied element by element, which over all channels makes 16
//! matrix products, and transformed back. The gradient of the input is such a convolution too; that of the weights is
//! the transpose of the same three steps. The matrix products are the tiles of the direct convolution with one tap.

mod convolution;
mod tiling;
mod weight_gradient;

pub(super) use convolution::{Weights, arrange, forward, input_gradient};
pub(super) use weight_gradient::weight_gradient;

use super::geometry::ConvShape;

/// Elements of a transformed patch or kernel.
const ELEMENTS: usize = 16;

/// Channels on either side under which the transforms cost more than they save.
const MIN_CHANNELS: usize = 16;
/// Patches under which transforming the weights costs more than is saved.
const MIN_PATCHES: usize = 16;

/// Whether this way is the faster one; the weights' gradient has no weights to transform, but as many sums.
pub(super) fn suits(shape: &ConvShape, output: [usize; 2]) -> bool {
    let patches = shape.n * output[0].div_ceil(2) * output[1].div_ceil(2);
    shape.kernel == [3, 3]
        && shape.stride == [1, 1]
        && shape.padding.iter().all(|&padding| padding <= 2)
        && shape.ci.min(shape.co) >= MIN_CHANNELS
        && patches >= MIN_PATCHES
}
