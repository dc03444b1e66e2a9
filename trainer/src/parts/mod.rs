//! Stateful blocks that methods are built of.

pub mod initialise;
pub mod momentum;
pub mod projection;
pub mod queue;

pub use momentum::update_average;
pub use projection::ProjectionHead;
pub use queue::NegativeQueue;
