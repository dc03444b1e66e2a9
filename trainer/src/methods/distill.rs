//! Distillation (Tian et al. 2021, arXiv 2105.08054, §3.3): a student's projection predicts the embeddings of a teacher,
//! and for Divide and Contrast also those of the expert of the sample's own cluster. With a single teacher of any
//! architecture it makes a compact encoder of a large one.

use super::{
    Definition, EpochContext, EpochPlan, Exported, Losses, Method, Needs, Network, Outline, Preset, Setup, StepContext,
};
use crate::losses::half_squared_distance;
use crate::parts::Mlp;
use crate::parts::mlp::MlpShape;
use crate::parts::projection::l2_normalise;
use crate::views::{ViewSet, ViewSpec};
use anyhow::Context;
use burn::tensor::{Device, Tensor, TensorData};
use shared::encoder::{EncoderConfig, NormMode};
use shared::tensors::{NamedTensor, TensorMap};
use std::collections::HashMap;

mod config;
mod teachers;

pub use config::{DistillConfig, Layer, Targets};
pub use teachers::{Teacher, Teachers};

/// The student, its teachers, and what the coming step was told.
#[derive(Debug)]
pub struct Distill {
    config: DistillConfig,
    network: Network,
    teachers: Teachers,
    device: Device,
    /// Of middle crops, by place: the base's and the own expert's target, one after the other.
    targets: HashMap<(usize, usize), Vec<f32>>,
    /// Of the coming step: which expert each sample belongs to, and what was stored of it.
    experts: Vec<usize>,
    stored: Option<TargetPair>,
}

/// The base's targets and those of each sample's own expert, `[n, width]` each.
type TargetPair = (Tensor<2>, Option<Tensor<2>>);

impl Distill {
    /// Weights drawn from `seed`: `mlps` of the network are the projection, the base's regressor, and one an expert.
    #[must_use]
    pub fn new(config: DistillConfig, teachers: Teachers, encoder: &EncoderConfig, seed: u64, device: &Device) -> Self {
        let tracked = device.clone().autodiff();
        let mut network = Network::random(encoder, 0, 0, seed, &tracked);
        let seeds = (0..).map(|index| seed.wrapping_add(2000 + 10 * index));
        let shapes = config.shapes(encoder.feature_width(), teachers.networks.iter().map(|teacher| teacher.width));
        network.mlps = shapes.into_iter().zip(seeds).map(|(shape, seed)| Mlp::random(shape, seed, &tracked)).collect();
        let device = device.clone().without_autodiff();
        Self { config, network, teachers, device, targets: HashMap::new(), experts: Vec::new(), stored: None }
    }

    /// The stored targets of a batch: `[n, width]` of the base and, with experts, `[n, width]` of each sample's own.
    fn stored_targets(&self, places: &[(usize, usize)]) -> anyhow::Result<TargetPair> {
        let width = self.teachers.networks[0].width;
        let (mut base, mut own) = (Vec::new(), Vec::new());
        for place in places {
            let row = self.targets.get(place).with_context(|| {
                format!(
                    "place {} of source {} could be read only now and has no target\nhint: resume the run",
                    place.1, place.0
                )
            })?;
            base.extend_from_slice(&row[..width]);
            own.extend_from_slice(&row[width..]);
        }
        let tensor =
            |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, [places.len(), width]), &self.device);
        let own = (!own.is_empty()).then(|| tensor(own));
        Ok((tensor(base), own))
    }

    /// The teachers' answers to a batch of views.
    fn targets_of(&self, x: &Tensor<4>) -> TargetPair {
        let [base, experts @ ..] = self.teachers.networks.as_slice() else { unreachable!("there is a teacher") };
        let own = experts
            .iter()
            .enumerate()
            .map(|(index, expert)| expert.embed(x.clone()) * mask(&self.experts, index, &self.device));
        (base.embed(x.clone()), own.reduce(|sum, rows| sum + rows))
    }
}

impl DistillConfig {
    /// The projection, the base's regressor, and one an expert, for teachers of these widths.
    fn shapes(&self, features: usize, teachers: impl Iterator<Item = usize>) -> Vec<MlpShape> {
        let projection = MlpShape { width: features, hidden: self.hidden, dim: self.dim, is_normalised: true };
        let regressor = |dim| MlpShape { width: self.dim, hidden: self.hidden, dim, is_normalised: false };
        std::iter::once(projection).chain(teachers.map(regressor)).collect()
    }
}

/// 1 where `own[i]` is `index`, else 0: `[n, 1]`.
fn mask(own: &[usize], index: usize, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = own.iter().map(|&own| if own == index { 1.0 } else { 0.0 }).collect();
    Tensor::from_data(TensorData::new(values, [own.len(), 1]), device)
}

impl Definition for Distill {
    type Config = DistillConfig;

    const NAME: &'static str = "distill";

    const PRESETS: &'static [Preset] = &[Preset {
        command: "distill",
        ..Preset::new(
            "distill",
            "what another encoder answers",
            "Tian et al. 2021",
            include_str!("../../presets/distill.toml"),
        )
    }];

    fn init(config: DistillConfig, setup: Setup<'_>) -> Box<dyn Method> {
        Box::new(Self::new(config, setup.teachers, setup.encoder, setup.seed, setup.device))
    }

    fn needs(config: &DistillConfig) -> Needs {
        // Targets of the middle crop, and the cluster of an expert, are kept by place.
        let same_ground = config.targets == Targets::Centre || !config.experts.is_empty();
        Needs { dates: 1, queue: None, norm_splits: config.norm_splits, same_ground }
    }

    /// Regressors are counted as wide as the projection, since the teachers are not open, and their cost is left out.
    fn outline(config: &DistillConfig, encoder: &EncoderConfig, batch: usize) -> Outline {
        let width = encoder.feature_width();
        let regressors = 1 + config.experts.len();
        let shapes = config.shapes(width, std::iter::repeat_n(config.dim, regressors));
        Outline {
            rows: vec![
                (
                    "projection",
                    format!("[{batch}, {width}] → [{batch}, {}] → [{batch}, {}]", config.hidden, config.dim),
                ),
                (
                    "regressors",
                    format!("{regressors} × [{batch}, {}] → [{batch}, {}] → teacher", config.dim, config.hidden),
                ),
            ],
            head_parameters: shapes.iter().map(MlpShape::parameters).sum(),
            ..Outline::default()
        }
    }

    fn exported(_config: &DistillConfig, _bands: usize) -> Exported {
        Exported::encoder()
    }

    fn check(config: &DistillConfig) -> Result<(), String> {
        if config.teacher.as_os_str().is_empty() {
            return Err("there is no teacher\nhint: trainer distill --teacher RUN, or --set method.teacher=RUN".into());
        }
        if config.experts.is_empty() != config.clusters.as_os_str().is_empty() {
            return Err(
                "experts need method.clusters, and clusters need method.experts\nhint: `trainer pretrain --preset \
                        dnc` makes both"
                    .into(),
            );
        }
        if config.hidden == 0 || config.dim == 0 || !(8..=1024).contains(&config.centre_px) {
            return Err("method.hidden and method.dim must be at least 1, method.centre_px 8 to 1024\nhint: --set \
                        method.dim=256"
                .into());
        }
        Ok(())
    }

    fn distillation(config: &DistillConfig) -> Option<&DistillConfig> {
        Some(config)
    }
}

impl Method for Distill {
    fn views(&self) -> ViewSet {
        let view = ViewSpec { slot: 0, recipe: self.config.view.clone() };
        ViewSet { slots: 1, with_replacement: false, views: vec![view] }
    }

    fn begin_epoch(&mut self, context: &mut EpochContext<'_>) -> anyhow::Result<EpochPlan> {
        if self.config.targets == Targets::View || !self.targets.is_empty() {
            return Ok(EpochPlan::default());
        }
        // Teachers never change: a resumed run finds the same targets again.
        let networks = &self.teachers.networks;
        let survey = (context.embed)(self.config.centre_px, &|x| {
            Tensor::cat(networks.iter().map(|teacher| teacher.embed(x.clone())).collect(), 1)
        })?;
        let width = networks[0].width;
        let rows = survey.values.chunks_exact(survey.width).zip(context.places).zip(&survey.is_known);
        for ((row, &place), _) in rows.filter(|(_, is_known)| **is_known) {
            let mut kept = row[..width].to_vec();
            if let Some(cluster) = self.teachers.clusters.get(&place) {
                kept.extend_from_slice(&row[width * (1 + cluster)..width * (2 + cluster)]);
            }
            self.targets.insert(place, kept);
        }
        Ok(EpochPlan::default())
    }

    fn begin_step(&mut self, context: &StepContext<'_>) -> anyhow::Result<()> {
        let clusters = &self.teachers.clusters;
        self.experts = context.places.iter().map(|place| clusters.get(place).copied().unwrap_or(0)).collect();
        self.stored = match self.config.targets {
            Targets::Centre => Some(self.stored_targets(context.places)?),
            Targets::View => None,
        };
        Ok(())
    }

    fn losses(&mut self, views: Vec<Tensor<4>>) -> Losses {
        let [x]: [Tensor<4>; 1] = views.try_into().expect("distillation takes one view");
        let mode = NormMode::Batch { splits: self.config.norm_splits };
        let (base, own) = self.stored.take().unwrap_or_else(|| self.targets_of(&x));

        // [n, bands, px, px] → [n, width] → z [n, dim]
        let features = self.network.features(x.autodiff(), self.config.norm_splits);
        let z = self.network.mlps[0].forward(features, mode);
        let embeddings = l2_normalise(z.clone().without_autodiff());
        let predicted = self.network.mlps[1].forward(z.clone(), mode);
        let accuracy = own_is_nearest(predicted.clone().without_autodiff(), &base);
        let base_loss = half_squared_distance(predicted, base.autodiff());
        let part = |loss: &Tensor<1>| loss.clone().without_autodiff();
        let mut parts = vec![("base", part(&base_loss))];
        let mut total = base_loss * self.config.base_weight;
        if let Some(own) = own {
            // Every regressor sees the whole batch; only the one of a sample's own cluster is asked about it.
            let regressors = self.network.mlps[2..].iter().enumerate();
            let predicted = regressors
                .map(|(index, mlp)| mlp.forward(z.clone(), mode) * mask(&self.experts, index, &self.device).autodiff())
                .reduce(|sum, rows| sum + rows);
            if let Some(predicted) = predicted {
                let loss = half_squared_distance(predicted, own.autodiff());
                parts.push(("expert", part(&loss)));
                total = total + loss * self.config.expert_weight;
            }
        }
        Losses { total, parts, accuracy: vec![accuracy], embeddings }
    }

    fn query(&self) -> &Network {
        &self.network
    }

    fn set_query(&mut self, network: Network) {
        self.network = network;
    }

    fn state(&self) -> Vec<NamedTensor> {
        Vec::new()
    }

    fn restore(&mut self, _state: &TensorMap) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Share of rows of `predicted` whose most similar row of `targets` (of length 1) is their own, `[1]`.
fn own_is_nearest(predicted: Tensor<2>, targets: &Tensor<2>) -> Tensor<1> {
    let [n, _] = predicted.dims();
    let own = Tensor::<1, burn::tensor::Int>::arange(0..n as i64, &predicted.device()).reshape([n, 1]);
    predicted.matmul(targets.clone().transpose()).argmax(1).equal(own).float().mean()
}
