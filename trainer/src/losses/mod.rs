//! Losses: tensors and numbers in, a tensor out. No state, no configuration, no device.

mod adversarial;
mod batch_contrast;
mod info_nce;
mod regression;
mod two_level;

pub use adversarial::{binary_cross_entropy, feature_matching};
pub use batch_contrast::{BatchContrast, batch_contrast};
pub use info_nce::{InfoNce, Negatives, by_operations, info_nce};
pub use regression::half_squared_distance;
pub use two_level::{TwoLevel, two_level};
