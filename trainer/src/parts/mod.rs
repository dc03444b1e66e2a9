//! Stateful blocks that methods are built of.

pub mod adam;
pub mod convolution;
pub mod frozen;
pub mod initialise;
pub mod k_means;
pub mod linear;
pub mod mlp;
pub mod momentum;
pub mod projection;
pub mod queue;
pub mod read;
pub mod rows;
pub mod shuffle;
pub mod slots;
pub mod statistics;
pub mod update;
pub mod whitening;

pub use adam::{Adam, AdamConfig};
pub use convolution::{Doubling, Halving};
pub use frozen::Frozen;
pub use k_means::{Clusters, KMeans, Similarity};
pub use linear::Linear;
pub use mlp::Mlp;
pub use momentum::update_average;
pub use projection::ProjectionHead;
pub use queue::NegativeQueue;
pub use read::{read, values_of};
pub use rows::Rows;
pub use shuffle::{deinterleave, interleave, shuffle, unshuffle};
pub use slots::Slots;
pub use statistics::{as_constant, without_statistics};
pub use update::{Parameter, update};
pub use whitening::Whitening;
