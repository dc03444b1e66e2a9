//! MoCo-v2 (He et al. 2020, arXiv 1911.05722; Chen et al. 2020, arXiv 2003.04297), and the same with temporal
//! positives, the baseline of Seasonal Contrast (Mañas et al. 2021, §4).

use super::definition::leaks;
use super::{Definition, Exported, Losses, Method, Needs, Network, Outline, Preset, Setup};
use crate::losses::info_nce;
use crate::parts::{NegativeQueue, update_average};
use crate::views::{Recipe, ViewSet, ViewSpec};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use shared::encoder::EncoderConfig;
use shared::tensors::{NamedTensor, TensorMap};

/// Hyper-parameters; the presets give each its source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MocoConfig {
    /// Softmax temperature T: 0.2 in MoCo-v2's recipe, 0.07 in SeCo's comparison.
    pub temperature: f64,
    /// Momentum m of the key network.
    pub momentum: f64,
    /// Negatives K in the queue.
    pub queue: usize,
    /// Width of the projection.
    pub dim: usize,
    /// Groups in which a batch is normalised, keys in other groups than their queries (split BatchNorm with MoCo's
    /// shuffle). 1 protects nothing: a query and its positive share the statistics of the whole batch, which the queue's
    /// keys do not have.
    pub norm_splits: usize,
    /// Normalise keys in other groups than their queries; false is the leak, for comparisons.
    #[serde(default = "super::yes")]
    pub shuffle_bn: bool,
    /// Draw the dates with replacement, as SeCo's released code does (`moco-tp` only; `moco-v2` draws one date).
    pub dates_with_replacement: bool,
    /// What is done to each of the two views.
    pub view: Recipe,
}

/// The momentum pair and its queue.
#[derive(Debug)]
pub struct Moco {
    config: MocoConfig,
    temporal: bool,
    query: Network,
    key: Network,
    queue: NegativeQueue,
}

impl Moco {
    /// Weights and queue drawn from `seed`; the key network starts as a copy of the query network.
    ///
    /// `temporal` takes the two views from two dates of a place.
    #[must_use]
    pub fn new(config: MocoConfig, temporal: bool, encoder: &EncoderConfig, seed: u64, device: &Device) -> Self {
        let plain = device.clone().without_autodiff();
        Self {
            query: Network::random(encoder, 1, config.dim, seed, &device.clone().autodiff()),
            key: Network::random(encoder, 1, config.dim, seed, &plain),
            queue: NegativeQueue::random(config.queue, config.dim, seed.wrapping_add(1), &plain),
            temporal,
            config,
        }
    }
}

impl Definition for Moco {
    type Config = MocoConfig;

    const NAME: &'static str = "moco-v2";

    const PRESETS: &'static [Preset] = &[
        Preset::new(
            "moco-v2",
            "two random views of one picture",
            "Chen et al. 2020",
            include_str!("../../presets/moco-v2.toml"),
        ),
        Preset::new(
            "luperson",
            "MoCo-v2 with views and temperature found by a study",
            "Fu et al. 2021",
            include_str!("../../presets/luperson.toml"),
        ),
    ];

    fn init(config: MocoConfig, setup: Setup<'_>) -> Box<dyn Method> {
        Box::new(Moco::new(config, false, setup.encoder, setup.seed, setup.device))
    }

    fn needs(config: &MocoConfig) -> Needs {
        Needs { dates: 1, queue: Some(config.queue), norm_splits: config.norm_splits, same_ground: false }
    }

    fn outline(config: &MocoConfig, encoder: &EncoderConfig, batch: usize) -> Outline {
        Outline::of_queues(1, [config.queue, config.dim], 1, encoder.feature_width(), batch)
    }

    fn exported(_config: &MocoConfig, _bands: usize) -> Exported {
        Exported::encoder()
    }

    fn check(_config: &MocoConfig) -> Result<(), String> {
        Ok(())
    }

    fn warnings(config: &MocoConfig) -> Vec<String> {
        leaks(config.norm_splits, config.shuffle_bn)
    }

    fn studied_view(config: &mut MocoConfig) -> Option<&mut Recipe> {
        Some(&mut config.view)
    }
}

/// [`Moco`] with temporal positives: the two views are two dates of a place.
#[derive(Debug)]
pub struct MocoTp;

impl Definition for MocoTp {
    type Config = MocoConfig;

    const NAME: &'static str = "moco-tp";

    const PRESETS: &'static [Preset] = &[
        Preset::new(
            "moco-tp",
            "two views of one place at two dates",
            "Mañas et al. 2021, after Ayush et al. 2021",
            include_str!("../../presets/moco-tp.toml"),
        ),
        Preset::new(
            "compact",
            "the same with a compact encoder for 64-pixel tiles, for small machines",
            "ours",
            include_str!("../../presets/compact.toml"),
        ),
        Preset::new(
            "demo",
            "the same in a few minutes, for trainer demo",
            "ours",
            include_str!("../../presets/demo.toml"),
        ),
    ];

    fn init(config: MocoConfig, setup: Setup<'_>) -> Box<dyn Method> {
        Box::new(Moco::new(config, true, setup.encoder, setup.seed, setup.device))
    }

    fn needs(config: &MocoConfig) -> Needs {
        Needs { dates: 2, ..Moco::needs(config) }
    }

    fn outline(config: &MocoConfig, encoder: &EncoderConfig, batch: usize) -> Outline {
        Moco::outline(config, encoder, batch)
    }

    fn exported(config: &MocoConfig, bands: usize) -> Exported {
        Moco::exported(config, bands)
    }

    fn check(config: &MocoConfig) -> Result<(), String> {
        Moco::check(config)
    }

    fn warnings(config: &MocoConfig) -> Vec<String> {
        Moco::warnings(config)
    }

    fn studied_view(config: &mut MocoConfig) -> Option<&mut Recipe> {
        Moco::studied_view(config)
    }
}

impl Method for Moco {
    fn views(&self) -> ViewSet {
        let view = |slot: usize| ViewSpec { slot, recipe: self.config.view.clone() };
        let second = usize::from(self.temporal);
        let with_replacement = self.config.dates_with_replacement;
        ViewSet { slots: second + 1, with_replacement, views: vec![view(0), view(second)] }
    }

    fn losses(&mut self, views: Vec<Tensor<4>>) -> Losses {
        let [q, k]: [Tensor<4>; 2] = views.try_into().expect("moco takes two views");
        let splits = self.config.norm_splits;

        // q: [n, bands, px, px] → [n, width] → [n, dim]
        let features = self.query.features(q.autodiff(), splits);
        let query = self.query.heads[0].forward(features);
        let embeddings = query.clone().without_autodiff();

        // The average moves first, then keys are encoded, with batch statistics and without gradient.
        self.key = update_average(self.key.clone(), &self.query, self.config.momentum);
        let features = match self.config.shuffle_bn {
            true => self.key.key_features(k, splits),
            false => self.key.features(k, splits),
        };
        let key = self.key.heads[0].forward(features);

        let constant = |x: &Tensor<2>| x.clone().autodiff();
        let result = info_nce(query, constant(&key), &[constant(&self.queue.keys()).into()], self.config.temperature);

        // After the logits: a key must not meet itself as a negative.
        self.queue.enqueue(key);
        Losses {
            total: result.loss.clone(),
            parts: vec![("info-nce", result.loss.without_autodiff())],
            accuracy: vec![result.accuracy],
            embeddings,
        }
    }

    fn query(&self) -> &Network {
        &self.query
    }

    fn set_query(&mut self, network: Network) {
        self.query = network;
    }

    fn state(&self) -> Vec<NamedTensor> {
        let mut state = self.key.state("key");
        state.extend(self.queue.state("queue0"));
        state
    }

    fn restore(&mut self, state: &TensorMap) -> anyhow::Result<()> {
        self.key = self.key.clone().restore("key", state)?;
        self.queue.restore("queue0", state)
    }
}
