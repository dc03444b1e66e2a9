//! Losses: tensors and numbers in, a tensor out. No state, no configuration, no device.

mod info_nce;

pub use info_nce::{InfoNce, info_nce};
