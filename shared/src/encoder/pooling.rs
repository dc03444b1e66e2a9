//! What is read out of the feature maps.

use burn::tensor::Tensor;
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

/// `[n, channels, h, w]` → `[n, channels]`
pub(super) fn means(map: Tensor<4>) -> Tensor<2> {
    let [n, channels, h, w] = map.dims();
    map.reshape([n, channels, h * w]).mean_dim(2).reshape([n, channels])
}

/// Feature maps from the first to the last → `[n, 2 · all channels]`, see [`Pooling::Moments`].
pub(super) fn moments(maps: Vec<Tensor<4>>) -> Tensor<2> {
    let mut parts = Vec::with_capacity(2 * maps.len());
    let mut deviations = Vec::with_capacity(maps.len());
    for map in maps.into_iter().rev() {
        let [n, channels, h, w] = map.dims();
        let mean = means(map.clone());
        let centred = map - mean.clone().reshape([n, channels, 1, 1]);
        let variance = centred.square().reshape([n, channels, h * w]).mean_dim(2);
        parts.push(mean);
        deviations.push(variance.sqrt().reshape([n, channels]));
    }
    parts.extend(deviations);
    Tensor::cat(parts, 1)
}
