//! An encoder with a linear classifier on the mean of its last feature map.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData, activation};
use shared::encoder::{Encoder, NormMode};

use crate::parts::Linear;

/// What is fine-tuned.
#[derive(Module, Debug)]
pub struct TunedNetwork {
    /// The trunk.
    pub encoder: Encoder,
    /// `[width]` → `[classes]`
    pub head: Linear,
}

impl TunedNetwork {
    /// `encoder` with a new head, on the same device.
    #[must_use]
    pub fn new(encoder: Encoder, classes: usize, seed: u64, device: &Device) -> Self {
        let width = encoder.config().feature_width();
        Self { encoder, head: Linear::random(width, classes, seed, device) }
    }

    /// `[n, bands, h, w]` → `[n, classes]`
    #[must_use]
    pub fn logits(&self, x: Tensor<4>, mode: NormMode) -> Tensor<2> {
        self.head.forward(self.encoder.forward(x, mode))
    }

    /// How far a parameter lies below the head: 0 for the head itself, 1 for the last stage, and so on to the stem.
    #[must_use]
    pub fn depth(name: &str, stages: usize) -> usize {
        let stage = |name: &str| name.strip_prefix("encoder.layer")?.split('.').next()?.parse::<usize>().ok();
        match (name.starts_with("head."), stage(name)) {
            (true, _) => 0,
            (false, Some(stage)) => stages + 1 - stage.min(stages),
            (false, None) => stages + 1,
        }
    }
}

/// Mean cross-entropy with `smoothing` of each target spread over all classes. `logits` are `[n, classes]`.
#[must_use]
pub fn cross_entropy(logits: Tensor<2>, labels: &[usize], smoothing: f64) -> Tensor<1> {
    let [n, classes] = logits.dims();
    let rest = smoothing / classes as f64;
    let target = |row: usize| {
        (0..classes).map(move |class| if labels[row] == class { (1.0 - smoothing + rest) as f32 } else { rest as f32 })
    };
    let targets: Vec<f32> = (0..n).flat_map(target).collect();
    let targets = Tensor::<2>::from_data(TensorData::new(targets, [n, classes]), &logits.device());
    -(activation::log_softmax(logits, 1) * targets).sum() / n as f64
}
