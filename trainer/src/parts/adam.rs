//! Adam (Kingma and Ba 2015, arXiv 1412.6980) and AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) as PyTorch computes
//! them, with their state by parameter name.

use super::{Parameter, Slots, update};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use shared::kernels::optimisers::{Adaptation, Decays, adapt};
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
    /// PyTorch's defaults.
    pub const PYTORCH: Self = Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

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
    /// What matrices and kernels lose of themselves each step, times the rate; shifts and scales lose nothing.
    weight_decay: f64,
    means: Slots,
    squares: Slots,
    /// Steps that each parameter has taken.
    steps: BTreeMap<String, u32>,
}

impl Adam {
    /// An optimiser at rest.
    #[must_use]
    pub fn new(config: AdamConfig) -> Self {
        Self::decayed(config, 0.0)
    }

    /// AdamW at rest.
    #[must_use]
    pub fn decayed(config: AdamConfig, weight_decay: f64) -> Self {
        let (means, squares) = (Slots::default(), Slots::default());
        Self { config, weight_decay, means, squares, steps: BTreeMap::new() }
    }

    /// One step: `w ← w − lr · m̂ / (√v̂ + ε)`.
    #[must_use]
    pub fn step<M: Module>(&mut self, lr: f64, network: M, gradients: GradientsParams) -> M {
        self.step_by_rates(&|_| lr, network, gradients)
    }

    /// One step; `rate` gives the learning rate of a parameter by its name.
    #[must_use]
    pub fn step_by_rates<M: Module>(
        &mut self,
        rate: &dyn Fn(&str) -> f64,
        network: M,
        gradients: GradientsParams,
    ) -> M {
        update(network, gradients, |parameters| self.moved(rate, parameters))
    }

    fn moved(&mut self, rate: &dyn Fn(&str) -> f64, parameters: Vec<Parameter>) -> Vec<Tensor<1>> {
        let mut places = Vec::with_capacity(parameters.len());
        let mut adaptations = Vec::with_capacity(parameters.len());
        for parameter in parameters {
            let steps = self.steps.entry(parameter.name.clone()).or_default();
            *steps += 1;
            adaptations.push(Adaptation {
                steps: *steps,
                rate: rate(&parameter.name),
                decay: if parameter.is_matrix() { self.weight_decay } else { 0.0 },
                moments: self
                    .means
                    .take(&parameter.name)
                    .zip(self.squares.take(&parameter.name))
                    .map(|(mean, square)| [mean, square]),
                weight: parameter.weight,
                gradient: parameter.gradient,
            });
            places.push((parameter.name, parameter.shape));
        }
        let AdamConfig { beta1, beta2, epsilon } = self.config;
        let moved = adapt(adaptations, Decays { beta1, beta2, epsilon });
        let keep = |((name, shape), [weight, mean, square]): ((String, Vec<usize>), [Tensor<1>; 3])| {
            self.means.put(name.clone(), shape.clone(), mean);
            self.squares.put(name, shape, square);
            weight
        };
        places.into_iter().zip(moved).map(keep).collect()
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
