//! Adam (Kingma and Ba 2015, arXiv 1412.6980) as PyTorch computes it, with its state by parameter name.

use super::Slots;
use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use shared::encoder::tensor_name;
use shared::tensors::{NamedTensor, TensorMap};
use std::collections::BTreeMap;

/// Hyper-parameters beside the learning rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamConfig {
    /// Decay β₁ of the mean of gradients.
    pub beta1: f64,
    /// Decay β₂ of the mean of their squares.
    pub beta2: f64,
    /// ε, added to the square root of the latter.
    pub epsilon: f64,
}

impl AdamConfig {
    /// Says what is wrong with the values of the table `key`, if anything.
    ///
    /// # Errors
    /// One line and a hint.
    pub fn check(&self, key: &str) -> Result<(), String> {
        let is_decay = |beta: f64| (0.0..1.0).contains(&beta);
        if is_decay(self.beta1) && is_decay(self.beta2) && self.epsilon > 0.0 {
            return Ok(());
        }
        Err(format!(
            "{key} needs beta1 and beta2 from 0 to below 1, and epsilon above 0\nhint: --set {key}.beta1=0.5, beta2=0.999, \
             epsilon=1e-8"
        ))
    }
}

/// The optimiser and its moments.
#[derive(Debug)]
pub struct Adam {
    config: AdamConfig,
    means: Slots,
    squares: Slots,
    /// Steps that each parameter has taken.
    steps: BTreeMap<String, u32>,
}

impl Adam {
    /// An optimiser at rest.
    #[must_use]
    pub fn new(config: AdamConfig) -> Self {
        Self { config, means: Slots::default(), squares: Slots::default(), steps: BTreeMap::new() }
    }

    /// One step: `w ← w − lr · m̂ / (√v̂ + ε)`.
    #[must_use]
    pub fn step<M: Module>(&mut self, lr: f64, network: M, gradients: GradientsParams) -> M {
        network.map(&mut Step { path: Vec::new(), lr, gradients, adam: self })
    }

    /// Forgets parameters whose names begin with `prefix`, because they were drawn anew.
    pub fn forget(&mut self, prefix: &str) {
        self.means.forget(prefix);
        self.squares.forget(prefix);
        self.steps.retain(|name, _| !name.starts_with(prefix));
    }

    /// The moments, under `prefix.`.
    #[must_use]
    pub fn state(&self, prefix: &str) -> Vec<NamedTensor> {
        let mut state = self.means.state(&format!("{prefix}.mean"));
        state.extend(self.squares.state(&format!("{prefix}.square")));
        // Exact: a run takes fewer than 2²⁴ steps.
        state.extend(self.steps.iter().map(|(name, &steps)| NamedTensor {
            name: format!("{prefix}.steps.{name}"),
            shape: vec![1],
            values: vec![steps as f32],
        }));
        state
    }

    /// Takes back [`Self::state`], on `device` (without autodiff).
    pub fn restore(&mut self, prefix: &str, state: &TensorMap, device: &Device) {
        self.means.restore(&format!("{prefix}.mean"), state, device);
        self.squares.restore(&format!("{prefix}.square"), state, device);
        let under = format!("{prefix}.steps.");
        let steps = state.iter().filter_map(|(name, tensor)| {
            Some((name.strip_prefix(&under)?.to_owned(), tensor.values.first().copied()? as u32))
        });
        self.steps = steps.collect();
    }
}

struct Step<'a> {
    path: Vec<String>,
    lr: f64,
    gradients: GradientsParams,
    adam: &'a mut Adam,
}

impl ModuleMapper for Step<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        // Buffers and unused parameters have no gradient.
        let Some(gradient) = self.gradients.remove::<D>(param.id) else { return param };
        let (id, weight, mapper) = param.consume();
        let weight = weight.without_autodiff();
        let name = tensor_name(&self.path);
        let AdamConfig { beta1, beta2, epsilon } = self.adam.config;
        let blend = |old: Option<Tensor<D>>, fresh: Tensor<D>, beta: f64| match old {
            Some(old) => old * beta + fresh * (1.0 - beta),
            None => fresh * (1.0 - beta),
        };
        let mean = blend(self.adam.means.take(&name), gradient.clone(), beta1);
        let square = blend(self.adam.squares.take(&name), gradient.powi_scalar(2), beta2);
        let steps = self.adam.steps.entry(name.clone()).or_default();
        *steps += 1;
        let correction = |beta: f64| 1.0 - beta.powf(f64::from(*steps));
        let scale = square.clone().sqrt() / correction(beta2).sqrt() + epsilon;
        let weight = weight - mean.clone() / scale * (self.lr / correction(beta1));
        self.adam.means.put(&name, mean);
        self.adam.squares.put(&name, square);
        Param::from_mapped_value(id, weight.autodiff().require_grad(), mapper)
    }
}
