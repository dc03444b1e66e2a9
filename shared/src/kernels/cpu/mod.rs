//! Convolution, batch normalisation, max pooling and contrast on plain `f32` slices: the CPU's vector units, all
//! cores, no tensors.
//!
//! Everything is computed "channels last inside": a tile of the result holds a few positions (rows) by one or two
//! vectors of output channels (lanes). A step of the inner loop broadcasts one input value per row and multiplies it
//! with a vector of weights, so the input is read where it lies (once padded) and no patch matrix is ever built.
//! The same two tiles ([`lanes::GatherTile`] and [`lanes::ReduceTile`]) give the forward pass, the gradient of the
//! input (a convolution of the output gradient, one per stride phase) and the gradient of the weights.
//!
//! Results do not depend on the number of threads: work is split by shape alone and partial sums are added in order.

pub(super) mod contrast;
pub(super) mod convolution;
mod geometry;
mod lanes;
pub(super) mod normalisation;
pub(super) mod pooling;
mod threads;
pub(super) mod weight_gradient;
mod winograd;

pub(in crate::kernels) use geometry::ConvShape;
pub(in crate::kernels) use normalisation::NormShape;
pub(in crate::kernels) use pooling::PoolShape;
