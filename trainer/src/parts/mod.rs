//! Stateful blocks that methods are built of.

pub mod adam;
pub mod initialise;
pub mod k_means;
pub mod linear;
pub mod mlp;
pub mod momentum;
pub mod projection;
pub mod queue;
pub mod rows;
pub mod slots;
pub mod whitening;

pub use adam::{Adam, AdamConfig};
pub use k_means::{Clusters, KMeans, Similarity};
pub use linear::Linear;
pub use mlp::Mlp;
pub use momentum::update_average;
pub use projection::ProjectionHead;
pub use queue::NegativeQueue;
pub use rows::Rows;
pub use slots::Slots;
pub use whitening::Whitening;
