//! The training loop and what it needs: optimiser, schedule, checkpoints, events. It knows no method by name.

pub mod checkpoint;
mod divergence;
pub mod event;
pub mod fit;
pub mod optimiser;
pub mod place_features;
pub mod schedule;
