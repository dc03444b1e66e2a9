//! MoCLR, the base model of Divide and Contrast (Tian et al. 2021, arXiv 2105.08054, §3.1): BYOL's views and momentum
//! target, SimCLR's loss within the batch, neither predictor nor queue.

use super::{Definition, Exported, Losses, Method, Needs, Network, Outline, Preset, Setup, StepContext, dnc};
use crate::losses::batch_contrast;
use crate::parts::mlp::MlpShape;
use crate::parts::projection::l2_normalise;
use crate::parts::{Mlp, shuffle, unshuffle, update_average};
use crate::views::{Recipe, ViewSet, ViewSpec};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use shared::encoder::{EncoderConfig, NormMode};
use shared::tensors::{NamedTensor, TensorMap};

/// Hyper-parameters; the presets give each its source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoclrConfig {
    /// Softmax temperature. NOTE: not printed in the paper; ours.
    pub temperature: f64,
    /// Momentum of the target network at the start; it rises to 1 on half a cosine.
    pub momentum: f64,
    /// Hidden units of the head.
    pub hidden: usize,
    /// Width of the projection.
    pub dim: usize,
    /// Groups in which a batch is normalised, targets in other groups than what looks for them; 1 is the whole batch, as
    /// in the paper, where positives and negatives have the same statistics.
    pub norm_splits: usize,
    /// Take the two views from two dates of a place (ours; the paper's pictures have one).
    pub temporal: bool,
    /// What is done to the first view.
    pub view: Recipe,
    /// What is done to the second.
    pub other_view: Recipe,
}

/// The online and the target network.
#[derive(Debug)]
pub struct Moclr {
    config: MoclrConfig,
    online: Network,
    target: Network,
    /// Of the coming step.
    momentum: f64,
}

impl Moclr {
    /// Weights drawn from `seed`; the target starts as a copy of the online network.
    #[must_use]
    pub fn new(config: MoclrConfig, encoder: &EncoderConfig, seed: u64, device: &Device) -> Self {
        let shape = config.head(encoder.feature_width());
        let network = |device: &Device| {
            let mut network = Network::random(encoder, 0, 0, seed, device);
            network.mlps = vec![Mlp::random(shape, seed.wrapping_add(1000), device)];
            network
        };
        let (online, target) = (network(&device.clone().autodiff()), network(&device.clone().without_autodiff()));
        Self { momentum: config.momentum, config, online, target }
    }
}

impl MoclrConfig {
    /// The head behind an encoder of `width` features.
    #[must_use]
    pub fn head(&self, width: usize) -> MlpShape {
        MlpShape { width, hidden: self.hidden, dim: self.dim, is_normalised: true }
    }

    /// The target's momentum after `step` of `total` steps: from the first value to 1 on half a cosine (BYOL §3.2).
    #[must_use]
    pub fn momentum_at(&self, step: usize, total: usize) -> f64 {
        let share = step as f64 / total.max(1) as f64;
        1.0 - (1.0 - self.momentum) * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
    }
}

/// `[n, bands, px, px]` → `[n, dim]`, rows of length 1.
fn project(network: &Network, x: Tensor<4>, splits: usize) -> Tensor<2> {
    l2_normalise(network.mlps[0].forward(network.features(x, splits), NormMode::Batch { splits }))
}

impl Definition for Moclr {
    type Config = MoclrConfig;

    const NAME: &'static str = "moclr";

    const PRESETS: &'static [Preset] = &[
        Preset::new(
            "moclr",
            "two views of one picture, against the rest of the batch",
            "Tian et al. 2021",
            include_str!("../../presets/moclr.toml"),
        ),
        dnc::PRESET,
    ];

    fn init(config: MoclrConfig, setup: Setup<'_>) -> Box<dyn Method> {
        Box::new(Self::new(config, setup.encoder, setup.seed, setup.device))
    }

    fn needs(config: &MoclrConfig) -> Needs {
        let dates = 1 + usize::from(config.temporal);
        Needs { dates, queue: None, norm_splits: config.norm_splits, same_ground: false }
    }

    fn outline(config: &MoclrConfig, encoder: &EncoderConfig, batch: usize) -> Outline {
        let width = encoder.feature_width();
        Outline {
            rows: vec![
                ("head", format!("[{batch}, {width}] → [{batch}, {}] → [{batch}, {}]", config.hidden, config.dim)),
                ("logits", format!("2 × [{batch}, {batch}]")),
            ],
            head_parameters: config.head(width).parameters(),
            networks: 2,
            passes: (2, 2),
            ..Outline::default()
        }
    }

    fn exported(_config: &MoclrConfig, _bands: usize) -> Exported {
        Exported::encoder()
    }

    fn check(_config: &MoclrConfig) -> Result<(), String> {
        Ok(())
    }

    fn projection(config: &MoclrConfig, width: usize) -> Option<MlpShape> {
        Some(config.head(width))
    }
}

impl Method for Moclr {
    fn views(&self) -> ViewSet {
        let second = usize::from(self.config.temporal);
        let views = [(0, &self.config.view), (second, &self.config.other_view)];
        let views = views.map(|(slot, recipe)| ViewSpec { slot, recipe: recipe.clone() }).to_vec();
        ViewSet { slots: second + 1, with_replacement: false, views }
    }

    fn begin_step(&mut self, context: &StepContext<'_>) -> anyhow::Result<()> {
        self.momentum = self.config.momentum_at(context.step, context.total_steps);
        Ok(())
    }

    fn losses(&mut self, views: Vec<Tensor<4>>) -> Losses {
        let [first, second]: [Tensor<4>; 2] = views.try_into().expect("moclr takes two views");
        let (splits, temperature) = (self.config.norm_splits, self.config.temperature);
        let online = [&first, &second].map(|view| project(&self.online, view.clone().autodiff(), splits));

        // The average moves first, then targets are made, with batch statistics and without gradient.
        self.target = update_average(self.target.clone(), &self.online, self.momentum);
        let target = [first, second].map(|view| {
            // In other groups than the online projections, the head's normalisation included.
            unshuffle(project(&self.target, shuffle(view, splits), splits), splits).autodiff()
        });

        // Symmetrised: each view's online projection looks for the other view's target. The mean of both directions.
        let embeddings = online[0].clone().without_autodiff();
        let [a, b] = online;
        let [target_a, target_b] = target;
        let forth = batch_contrast(a, target_b, temperature);
        let back = batch_contrast(b, target_a, temperature);
        Losses {
            parts: vec![
                ("forth", forth.loss.clone().without_autodiff()),
                ("back", back.loss.clone().without_autodiff()),
            ],
            total: (forth.loss + back.loss) * 0.5,
            accuracy: vec![forth.accuracy, back.accuracy],
            embeddings,
        }
    }

    fn query(&self) -> &Network {
        &self.online
    }

    fn set_query(&mut self, network: Network) {
        self.online = network;
    }

    fn state(&self) -> Vec<NamedTensor> {
        self.target.state("target")
    }

    fn restore(&mut self, state: &TensorMap) -> anyhow::Result<()> {
        self.target = self.target.clone().restore("target", state)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_momentum_rises_to_one_on_half_a_cosine() {
        let config = MoclrConfig {
            temperature: 0.1,
            momentum: 0.996,
            hidden: 8,
            dim: 4,
            norm_splits: 1,
            temporal: false,
            view: Recipe::default(),
            other_view: Recipe::default(),
        };
        for (step, expected) in [(0, 0.996), (50, 0.998), (100, 1.0)] {
            assert!((config.momentum_at(step, 100) - expected).abs() < 1e-12, "step {step}");
        }
    }
}
