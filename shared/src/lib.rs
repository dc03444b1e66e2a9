//! What runs identically natively and in the browser: tiles, their preprocessing, the encoder, its model file, and
//! comparisons between embeddings. No files, clock, threads, environment or printing here.

pub mod artifact;
pub mod bands;
pub mod compare;
pub mod embedder;
pub mod encoder;
pub mod gallery;
pub mod kernels;
pub mod leave_one_out;
pub mod preprocess;
#[cfg(feature = "pytorch")]
pub mod pytorch;
pub mod tensors;
pub mod tile;
