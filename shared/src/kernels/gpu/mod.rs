//! Kernels for every device that CubeCL compiles for: CUDA, Vulkan, Metal, and WebGPU in the browser.
//!
//! Feature maps lie channels last ([`layout`]); sums are in single precision whatever the maps are stored in; what is computed, and
//! how it is cut up, follows from the shapes alone, so that nothing is tried out at run time and results do not change from run to run.

mod contrast;
mod convolution;
mod input;
mod layout;
mod normalisation;
mod operations;
mod optimisers;
mod pooling;
mod rows;
mod statistics;
mod weight_gradient;

pub(super) use operations::{
    adapt, average, blend, contrast, descend, has_kernels, linear, lined_up, loss_of, means, moments, rectified_conv2d,
    share, spread, takes_rows, unit_rows,
};
