//! DeeperCluster (Caron et al. 2019, arXiv 1905.01278): the network predicts pseudo-labels that k-means found on its own
//! features, crossed with the turn of the tile. DeepCluster (1807.05520) is one super-cluster without turns, RotNet
//! (1803.07728) one super-cluster of one sub-cluster with turns: settings of the same code.

use super::{
    Definition, EpochContext, EpochPlan, Exported, Losses, Method, Needs, Network, Outline, Preset, Setup, StepContext,
};
use crate::losses::two_level;
use crate::parts::projection::l2_normalise;
use crate::parts::{KMeans, Linear, Rows, Similarity, Whitening};
use crate::views::{Recipe, ViewSet, ViewSpec, keyed_rng};
use anyhow::{Context, ensure};
use burn::tensor::{Device, Int, Tensor, TensorData};
use partition::Partition;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use shared::encoder::{EncoderConfig, Pooling};
use shared::tensors::{NamedTensor, TensorMap};
use std::collections::HashMap;

mod partition;
#[cfg(test)]
mod tests;

/// Streams of random numbers.
const CLUSTERING: u64 = u64::from_le_bytes(*b"clusters");
const TURNS: u64 = u64::from_le_bytes(*b"rotation");
/// Standard deviation of a fresh classifier's weights (released code).
const HEAD_STD: f64 = 0.01;
/// Index of each classifier in the network.
const SUPER: usize = 0;
const SUB: usize = 1;

/// Hyper-parameters; the presets give each its source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeeperClusterConfig {
    /// Clusters m of the first level, over all tiles.
    pub super_clusters: usize,
    /// Clusters k inside each of them.
    pub sub_clusters: usize,
    /// 4: a tile is turned by 0°, 90°, 180° or 270° and the turn is part of its super-class; 1: it is not.
    pub rotations: usize,
    /// Epochs between two clusterings.
    pub every_epochs: usize,
    /// Whitened principal components that k-means sees.
    pub components: usize,
    /// Lloyd iterations.
    pub iterations: usize,
    /// Groups in which a batch is normalised; 1 is none, as in the paper.
    pub norm_splits: usize,
    /// What is done to a tile before it is turned.
    pub view: Recipe,
}

impl DeeperClusterConfig {
    /// Super-classes: first-level clusters × turns.
    #[must_use]
    pub fn super_classes(&self) -> usize {
        self.super_clusters * self.rotations
    }

    /// Whether there is anything to cluster (RotNet has not).
    #[must_use]
    pub fn clusters(&self) -> bool {
        self.super_clusters * self.sub_clusters > 1
    }
}

/// The network, its pseudo-labels, and what the coming step was told.
#[derive(Debug)]
pub struct DeeperCluster {
    config: DeeperClusterConfig,
    seed: u64,
    network: Network,
    device: Device,
    /// The pseudo-labels; none before the first clustering.
    partition: Option<Partition>,
    /// Which number each place has in it.
    numbers: HashMap<(usize, usize), usize>,
    /// Of the coming step: turn and labels of each sample.
    turns: Vec<usize>,
    labels: Vec<(usize, usize)>,
}

impl DeeperCluster {
    /// Weights drawn from `seed`.
    #[must_use]
    pub fn new(config: DeeperClusterConfig, encoder: &EncoderConfig, seed: u64, device: &Device) -> Self {
        let plain = device.clone().without_autodiff();
        let mut network = Network::random(encoder, 0, 0, seed, &device.clone().autodiff());
        network.classifiers = classifiers(&config, encoder.feature_width(), seed, &plain);
        Self {
            config,
            seed,
            network,
            device: plain,
            partition: None,
            numbers: HashMap::new(),
            turns: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// The pseudo-labels of all places, from the network as it is (§3.3: "hierarchical k-means").
    fn cluster(&self, context: &mut EpochContext<'_>) -> anyhow::Result<Partition> {
        let config = &self.config;
        // Upright middle crops, with running statistics.
        let encoder = self.network.frozen();
        let survey = (context.embed)(context.px, &|x| encoder.pooled(x, Pooling::Mean))?;
        let known: Vec<usize> = (0..context.places.len()).filter(|&place| survey.is_known[place]).collect();
        ensure!(
            known.len() >= config.super_clusters * config.sub_clusters,
            "{} tiles cannot be put into {} clusters\nhint: lower method.sub_clusters",
            known.len(),
            config.super_clusters * config.sub_clusters
        );
        let all = Rows::new(survey.values, survey.width, &self.device);
        let all = if known.len() == context.places.len() { all } else { all.subset(&known) };
        let rows = Whitening::fit(&all, config.components).apply(all).normalised();

        let mut rng = keyed_rng(self.seed, context.epoch as u64, 0, CLUSTERING);
        let k_means = |clusters| KMeans { clusters, iterations: config.iterations, similarity: Similarity::Euclidean };
        let first = k_means(config.super_clusters).run(&rows, &mut rng);
        let mut partition = Partition::unknown(context.places.len());
        partition.reseeded = first.reseeded;
        for cluster in 0..config.super_clusters {
            let members: Vec<usize> = (0..known.len()).filter(|&row| first.labels[row] == cluster).collect();
            let own = if members.len() == known.len() { rows.clone() } else { rows.subset(&members) };
            let second = k_means(config.sub_clusters).run(&own, &mut rng);
            partition.reseeded += second.reseeded;
            for (&member, &sub) in members.iter().zip(&second.labels) {
                partition.set(known[member], cluster, sub);
            }
        }
        Ok(partition)
    }
}

impl Definition for DeeperCluster {
    type Config = DeeperClusterConfig;

    const NAME: &'static str = "deeper-cluster";

    const PRESETS: &'static [Preset] = &[
        Preset::new(
            "deeper-cluster",
            "clusters of the network's own features, level by level, and how a picture was turned",
            "Caron et al. 2019",
            include_str!("../../presets/deeper-cluster.toml"),
        ),
        Preset::new(
            "deep-cluster",
            "clusters of the network's own features",
            "Caron et al. 2018",
            include_str!("../../presets/deep-cluster.toml"),
        ),
        Preset::new(
            "rotnet",
            "how a picture was turned",
            "Gidaris et al. 2018",
            include_str!("../../presets/rotnet.toml"),
        ),
    ];

    fn init(config: DeeperClusterConfig, setup: Setup<'_>) -> Box<dyn Method> {
        Box::new(Self::new(config, setup.encoder, setup.seed, setup.device))
    }

    fn needs(config: &DeeperClusterConfig) -> Needs {
        // A place's label is of what was seen there.
        Needs { dates: 1, queue: None, norm_splits: config.norm_splits, same_ground: config.clusters() }
    }

    fn outline(config: &DeeperClusterConfig, encoder: &EncoderConfig, batch: usize) -> Outline {
        let (count, subs) = (config.super_classes(), config.sub_clusters);
        Outline {
            rows: vec![
                ("super-class logits", format!("[{batch}, {count}]")),
                ("sub-class logits", format!("[{batch}, {count} × {subs}]")),
                ("clustered", format!("every {} epochs", config.every_epochs)),
            ],
            head_parameters: (encoder.feature_width() + 1) * count * (1 + subs),
            ..Outline::default()
        }
    }

    fn exported(_config: &DeeperClusterConfig, _bands: usize) -> Exported {
        Exported::encoder()
    }

    fn check(config: &DeeperClusterConfig) -> Result<(), String> {
        let counts =
            [config.super_clusters, config.sub_clusters, config.every_epochs, config.components, config.iterations];
        if counts.contains(&0) {
            return Err(
                "method.super_clusters, sub_clusters, every_epochs, components and iterations must be at least 1\n\
                        hint: --print-config shows the preset's values"
                    .into(),
            );
        }
        if ![1, 4].contains(&config.rotations) {
            return Err(format!(
                "method.rotations must be 1 (none) or 4 (quarter turns), not {}\nhint: --set method.rotations=4",
                config.rotations
            ));
        }
        if config.super_classes() * config.sub_clusters == 1 {
            return Err(
                "one cluster without rotations leaves nothing to predict\nhint: raise method.sub_clusters, or set \
                        method.rotations=4"
                    .into(),
            );
        }
        Ok(())
    }
}

impl Method for DeeperCluster {
    fn views(&self) -> ViewSet {
        let view = ViewSpec { slot: 0, recipe: self.config.view.clone() };
        ViewSet { slots: 1, with_replacement: false, views: vec![view] }
    }

    fn begin_epoch(&mut self, context: &mut EpochContext<'_>) -> anyhow::Result<EpochPlan> {
        if !self.config.clusters() {
            return Ok(EpochPlan::default());
        }
        let mut plan = EpochPlan::default();
        if !context.is_begun && context.epoch.is_multiple_of(self.config.every_epochs) {
            let fresh = self.cluster(context)?;
            plan.clustering = Some(fresh.summary(self.partition.as_ref(), &self.config));
            self.partition = Some(fresh);
            // The old classifiers predict labels that are no more.
            let width = self.network.frozen().width(Pooling::Mean);
            let seed = self.seed.wrapping_add(1 + context.epoch as u64);
            self.network.classifiers = classifiers(&self.config, width, seed, &self.device);
            plan.fresh_parameters = "classifiers.".to_owned();
        }
        let partition = self.partition.as_ref().context("the checkpoint has no pseudo-labels")?;
        ensure!(
            partition.places() == context.places.len(),
            "the checkpoint has pseudo-labels of {} tiles, the data has {}\nhint: resume with the data of the run",
            partition.places(),
            context.places.len()
        );
        self.numbers = context.places.iter().enumerate().map(|(number, &place)| (place, number)).collect();
        let mut rng = keyed_rng(self.seed, context.epoch as u64, 1, CLUSTERING);
        let order = partition.uniform_order(context.samples, &mut rng);
        plan.order = Some(order.into_iter().map(|place| context.places[place]).collect());
        Ok(plan)
    }

    fn begin_step(&mut self, context: &StepContext<'_>) -> anyhow::Result<()> {
        let mut rng = keyed_rng(self.seed, context.step as u64, 0, TURNS);
        self.turns = context.places.iter().map(|_| rng.random_range(0..self.config.rotations)).collect();
        // Without a clustering (RotNet) everything is in the one cluster.
        let label = |place| Some(self.partition.as_ref()?.get(*self.numbers.get(place)?));
        self.labels = context.places.iter().map(|place| label(place).unwrap_or((0, 0))).collect();
        Ok(())
    }

    fn losses(&mut self, views: Vec<Tensor<4>>) -> Losses {
        let [x]: [Tensor<4>; 1] = views.try_into().expect("deeper-cluster takes one view");
        let rotations = self.config.rotations;
        let (x, order) = turned(x, &self.turns);
        let super_class: Vec<i32> =
            order.iter().map(|&at| (self.labels[at].0 * rotations + self.turns[at]) as i32).collect();
        let sub_class: Vec<i32> = order.iter().map(|&at| self.labels[at].1 as i32).collect();
        let n = order.len();
        let class = |values: Vec<i32>| Tensor::<1, Int>::from_data(TensorData::new(values, [n]), &self.device);

        // [n, bands, px, px] → [n, width]; the encoder ends in a ReLU and an average: the head's own ReLU changes nothing.
        let features = self.network.features(x.autodiff(), self.config.norm_splits);
        let embeddings = l2_normalise(features.clone().without_autodiff());
        let [super_logits, sub_logits] = [SUPER, SUB].map(|at| self.network.classifiers[at].forward(features.clone()));
        let found = two_level(super_logits, sub_logits, class(super_class).autodiff(), class(sub_class).autodiff());

        let mut right = Vec::new();
        if self.config.super_classes() > 1 {
            right.push(found.super_accuracy);
        }
        if self.config.sub_clusters > 1 {
            right.push(found.sub_accuracy);
        }
        let accuracy = Tensor::cat(right, 0).mean();
        let part = |loss: &Tensor<1>| loss.clone().without_autodiff();
        Losses {
            parts: vec![("super-class", part(&found.super_loss)), ("sub-class", part(&found.sub_loss))],
            total: found.super_loss + found.sub_loss,
            accuracy: vec![accuracy],
            embeddings,
        }
    }

    fn query(&self) -> &Network {
        &self.network
    }

    fn set_query(&mut self, network: Network) {
        self.network = network;
    }

    fn state(&self) -> Vec<NamedTensor> {
        self.partition.as_ref().map(|partition| partition.state("partition")).unwrap_or_default()
    }

    fn restore(&mut self, state: &TensorMap) -> anyhow::Result<()> {
        self.partition = Partition::restore("partition", state);
        Ok(())
    }
}

/// Fresh classifiers: of the super-class, and of the sub-classes of all super-classes side by side.
///
/// NOTE: every super-class has classifiers of its own for its sub-classes (§3.3), though the four turns of a cluster
/// share one partition, since it is found on upright tiles.
fn classifiers(config: &DeeperClusterConfig, width: usize, seed: u64, device: &Device) -> Vec<Linear> {
    let count = config.super_classes();
    let classifier =
        |outputs: usize, seed: u64| Linear::normal(width, outputs, HEAD_STD, seed, &device.clone().autodiff());
    let seed = seed.wrapping_mul(2).wrapping_add(CLUSTERING);
    vec![classifier(count, seed), classifier(count * config.sub_clusters, seed.wrapping_add(1))]
}

/// The tiles turned by `turns[i]` × 90° counter-clockwise, those of equal turn together, and which sample each was.
///
/// # Shapes
/// `[n, bands, px, px]` → the same
fn turned(x: Tensor<4>, turns: &[usize]) -> (Tensor<4>, Vec<usize>) {
    let mut order = Vec::with_capacity(turns.len());
    let mut groups = Vec::new();
    for turn in 0..4 {
        let own: Vec<usize> = (0..turns.len()).filter(|&at| turns[at] == turn).collect();
        if own.is_empty() {
            continue;
        }
        let indices: Vec<i32> = own.iter().map(|&at| at as i32).collect();
        let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [own.len()]), &x.device());
        let group = x.clone().select(0, indices);
        groups.push(match turn {
            0 => group,
            1 => group.swap_dims(2, 3).flip([2]),
            2 => group.flip([2, 3]),
            _ => group.swap_dims(2, 3).flip([3]),
        });
        order.extend(own);
    }
    (Tensor::cat(groups, 0), order)
}
