//! Losses: tensors and numbers in, a tensor out. No state, no configuration, no device.

mod info_nce;
mod two_level;

pub use info_nce::{InfoNce, info_nce};
pub use two_level::{TwoLevel, two_level};
