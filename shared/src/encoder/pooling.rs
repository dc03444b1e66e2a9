//! What is read out of the feature maps.

use serde::{Deserialize, Serialize};

/// How feature maps become one vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The global average of the last feature map: what the contrastive methods train and torchvision pools.
    #[default]
    Mean,
    /// Mean and standard deviation of every channel, of the stem's output and of every stage's. Means come first, then
    /// deviations, each from the last stage to the stem: the vector begins with that of [`Pooling::Mean`]. Early stages
    /// know colour and texture, which a contrastive loss teaches the last one to forget.
    Moments,
}
