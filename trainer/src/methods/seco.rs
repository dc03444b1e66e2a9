//! Seasonal Contrast (Mañas et al., ICCV 2021, arXiv 2103.16607, §3.2): three embedding subspaces over one backbone,
//! each invariant to something else, learned from several dates of every place.
//!
//! | subspace | invariant to | positive | negatives |
//! |---|---|---|---|
//! | Z0 | season and augmentation | k0: another date, augmented | queue 0 |
//! | Z1 | season | k1: another date, clean | queue 1, and k0, k2 of the batch through head 1 |
//! | Z2 | augmentation | k2: same date, augmented | queue 2, and k0, k1 of the batch through head 2 |
//!
//! At a place with fewer than three dates k0 or k1 may be of q's own date. To Z2 such a key is what k2 is, so it is no
//! negative of its own row.

use super::definition::leaks;
use super::{Definition, Exported, Losses, Method, Needs, Network, Outline, Preset, Setup, StepContext};
use crate::losses::{Negatives, info_nce};
use crate::parts::{NegativeQueue, update_average};
use crate::views::{Recipe, ViewSet, ViewSpec};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use shared::encoder::EncoderConfig;
use shared::tensors::{NamedTensor, TensorMap};

/// Hyper-parameters; the preset gives each its source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecoConfig {
    /// Softmax temperature T.
    pub temperature: f64,
    /// Momentum m of the key network.
    pub momentum: f64,
    /// Negatives in each of the three queues.
    pub queue: usize,
    /// Width of each projection.
    pub dim: usize,
    /// Groups in which a batch is normalised, keys in other groups than their queries (split BatchNorm with MoCo's
    /// shuffle). 1 protects nothing: a query and its positive share the statistics of the whole batch, which the queue's
    /// keys do not have.
    pub norm_splits: usize,
    /// Normalise keys in other groups than their queries; false is the leak, for comparisons.
    #[serde(default = "super::yes")]
    pub shuffle_bn: bool,
    /// Leave keys of q's own date out of their own row's negatives in Z2; false is the contradiction, for comparisons.
    #[serde(default = "super::yes")]
    pub skip_same_date: bool,
    /// Draw the three dates with replacement, as the released code does.
    // NOTE: later work (SSL4Eco, CaCo) reads the paper as "without"; that is our default.
    pub dates_with_replacement: bool,
    /// What is done to q and k1: the crop only.
    pub clean: Recipe,
    /// What is done to k0 and k2: synthetic augmentation, then the crop.
    pub augmented: Recipe,
}

/// The names of the subspaces, in the order of the heads.
pub const SUBSPACES: [&str; 3] = ["invariant", "seasonal-invariant", "augmentation-invariant"];

/// The momentum pair, its three heads and three queues.
#[derive(Debug)]
pub struct Seco {
    config: SecoConfig,
    query: Network,
    key: Network,
    queues: [NegativeQueue; 3],
    /// Whether k0, and k1, of each sample of the coming step is of q's own date; empty when none is.
    has_own_date: [Vec<bool>; 2],
}

impl Seco {
    /// Weights and queues drawn from `seed`; the key network starts as a copy of the query network.
    #[must_use]
    pub fn new(config: SecoConfig, encoder: &EncoderConfig, seed: u64, device: &Device) -> Self {
        let plain = device.clone().without_autodiff();
        let queue = |index: u64| NegativeQueue::random(config.queue, config.dim, seed.wrapping_add(1 + index), &plain);
        Self {
            query: Network::random(encoder, 3, config.dim, seed, &device.clone().autodiff()),
            key: Network::random(encoder, 3, config.dim, seed, &plain),
            queues: [queue(0), queue(1), queue(2)],
            has_own_date: Default::default(),
            config,
        }
    }

    /// The projections of the three keys through the three heads: `keys[head][view]`, each `[n, dim]`.
    fn project_keys(&self, views: [Tensor<4>; 3]) -> [[Tensor<2>; 3]; 3] {
        let [n, ..] = views[0].dims();
        // Each view is a batch of its own for BatchNorm, as in three forward passes.
        let features = self.key.features_of_batches(views.into(), self.config.norm_splits, self.config.shuffle_bn);
        std::array::from_fn(|head| {
            let projected = self.key.heads[head].forward(features.clone());
            let [_, dim] = projected.dims();
            std::array::from_fn(|view| projected.clone().slice([view * n..(view + 1) * n, 0..dim]))
        })
    }
}

impl Definition for Seco {
    type Config = SecoConfig;

    const NAME: &'static str = "seco";

    const PRESETS: &'static [Preset] = &[Preset::new(
        "seco",
        "one place at several dates, three subspaces",
        "Mañas et al. 2021",
        include_str!("../../presets/seco.toml"),
    )];

    fn init(config: SecoConfig, setup: Setup<'_>) -> Box<dyn Method> {
        Box::new(Self::new(config, setup.encoder, setup.seed, setup.device))
    }

    fn needs(config: &SecoConfig) -> Needs {
        Needs { dates: 3, queue: Some(config.queue), norm_splits: config.norm_splits, same_ground: false }
    }

    fn outline(config: &SecoConfig, encoder: &EncoderConfig, batch: usize) -> Outline {
        let queue = [config.queue, config.dim];
        // The keys are three views, each a batch of its own.
        Outline::of_queues(SUBSPACES.len(), queue, 3, encoder.feature_width(), batch)
    }

    fn exported(_config: &SecoConfig, _bands: usize) -> Exported {
        Exported { subspaces: &SUBSPACES, ..Exported::encoder() }
    }

    fn check(_config: &SecoConfig) -> Result<(), String> {
        Ok(())
    }

    fn warnings(config: &SecoConfig) -> Vec<String> {
        leaks(config.norm_splits, config.shuffle_bn)
    }
}

impl Method for Seco {
    fn views(&self) -> ViewSet {
        let view = |slot: usize, recipe: &Recipe| ViewSpec { slot, recipe: recipe.clone() };
        let (clean, augmented) = (&self.config.clean, &self.config.augmented);
        let q = view(0, clean);
        let (k0, k1, k2) = (view(1, augmented), view(2, clean), view(0, augmented));
        let with_replacement = self.config.dates_with_replacement;
        ViewSet { slots: 3, with_replacement, views: vec![q, k0, k1, k2] }
    }

    fn begin_step(&mut self, context: &StepContext<'_>) -> anyhow::Result<()> {
        // The slots of q, k0 and k1; k2 is of q's date by construction.
        let own = |slot: usize| context.dates.iter().map(|dates| dates[slot] == dates[0]).collect();
        self.has_own_date = if self.config.skip_same_date { [own(1), own(2)] } else { Default::default() };
        Ok(())
    }

    fn losses(&mut self, views: Vec<Tensor<4>>) -> Losses {
        let [q, k0, k1, k2]: [Tensor<4>; 4] = views.try_into().expect("seco takes four views: q, k0, k1, k2");

        // q: [n, bands, px, px] → [n, width] → three times [n, dim]
        let features = self.query.features(q.autodiff(), self.config.norm_splits);
        let query: [Tensor<2>; 3] = std::array::from_fn(|head| self.query.heads[head].forward(features.clone()));
        let embeddings = query[0].clone().without_autodiff();

        // The average moves first, then keys are encoded, with batch statistics and without gradient.
        self.key = update_average(self.key.clone(), &self.query, self.config.momentum);
        let keys = self.project_keys([k0, k1, k2]);

        let has_own_date = std::mem::take(&mut self.has_own_date);
        let results: [_; 3] = std::array::from_fn(|subspace| {
            let constant = |x: &Tensor<2>| x.clone().autodiff();
            let mut negatives = vec![Negatives::from(constant(&self.queues[subspace].keys()))];
            if subspace > 0 {
                // In Z1 and Z2 what Z0 would call alike are different things: the other two keys are negatives.
                let others = (0..3).filter(|&view| view != subspace);
                negatives.extend(others.map(|view| Negatives {
                    keys: constant(&keys[subspace][view]),
                    // Z1's negatives differ by augmentation, at any date.
                    skips_own: if subspace == 2 { has_own_date[view].clone() } else { Vec::new() },
                }));
            }
            let positive = constant(&keys[subspace][subspace]);
            info_nce(query[subspace].clone(), positive, &negatives, self.config.temperature)
        });

        // After the logits; queue i takes head i of key i and nothing else.
        for (subspace, queue) in self.queues.iter_mut().enumerate() {
            queue.enqueue(keys[subspace][subspace].clone());
        }

        let [z0, z1, z2] = results;
        let part = |loss: &Tensor<1>| loss.clone().without_autodiff();
        Losses {
            parts: vec![("z0", part(&z0.loss)), ("z1", part(&z1.loss)), ("z2", part(&z2.loss))],
            accuracy: vec![z0.accuracy, z1.accuracy, z2.accuracy],
            // The sum, not the mean.
            total: z0.loss + z1.loss + z2.loss,
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
        for (index, queue) in self.queues.iter().enumerate() {
            state.extend(queue.state(&format!("queue{index}")));
        }
        state
    }

    fn restore(&mut self, state: &TensorMap) -> anyhow::Result<()> {
        self.key = self.key.clone().restore("key", state)?;
        for (index, queue) in self.queues.iter_mut().enumerate() {
            queue.restore(&format!("queue{index}"), state)?;
        }
        Ok(())
    }
}
