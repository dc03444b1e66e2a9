//! One answer a pixel: decoders on the feature maps of an encoder, for change detection and segmentation.

mod config;
mod decoder;
mod enlarge;
mod loss;
mod maps;
mod network;
mod patches;
mod scene;
#[cfg(test)]
mod tests;
mod train;
mod windows;

pub use config::{DenseConfig, TINY_CHANNELS};
pub use decoder::DecoderKind;
pub use maps::{write_change, write_classes};
pub use network::{DenseNetwork, TrunkPart};
pub use scene::{IGNORED, Item, Scene, Store};
pub use train::{DenseData, fit, some_patches};
pub use windows::probabilities;
