//! AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) as PyTorch computes it, with a rate of its own for every layer.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use shared::tensors::{NamedTensor, TensorMap};

use crate::parts::{Rule, Slots, update};

/// Hyper-parameters beside the rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWConfig {
    /// Decay β₁ of the mean of gradients.
    pub beta1: f64,
    /// Decay β₂ of the mean of their squares.
    pub beta2: f64,
    /// ε, added to the square root of the latter.
    pub epsilon: f64,
    /// What matrices and kernels lose of themselves each step, times the rate; shifts and normalisations lose nothing.
    pub weight_decay: f64,
}

impl AdamWConfig {
    /// PyTorch's defaults, with this weight decay.
    #[must_use]
    pub fn new(weight_decay: f64) -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay }
    }
}

/// The optimiser and its moments.
#[derive(Debug)]
pub struct AdamW {
    config: AdamWConfig,
    means: Slots,
    squares: Slots,
    steps: BTreeMap<String, u32>,
}

impl AdamW {
    /// At rest.
    #[must_use]
    pub fn new(config: AdamWConfig) -> Self {
        Self { config, means: Slots::default(), squares: Slots::default(), steps: BTreeMap::new() }
    }

    /// One step; `rate` gives the learning rate of a parameter by its name.
    #[must_use]
    pub fn step<M: Module>(&mut self, rate: &dyn Fn(&str) -> f64, network: M, gradients: GradientsParams) -> M {
        update(&mut Step { rate, adam: self }, network, gradients)
    }

    /// The moments.
    #[must_use]
    pub fn state(&self) -> Vec<NamedTensor> {
        let mut state = self.means.state("adam.mean");
        state.extend(self.squares.state("adam.square"));
        // Exact: a run takes fewer than 2²⁴ steps.
        state.extend(self.steps.iter().map(|(name, &steps)| NamedTensor {
            name: format!("adam.steps.{name}"),
            shape: vec![1],
            values: vec![steps as f32],
        }));
        state
    }

    /// Takes back [`Self::state`], on `device` (without autodiff).
    pub fn restore(&mut self, state: &TensorMap, device: &Device) {
        self.means.restore("adam.mean", state, device);
        self.squares.restore("adam.square", state, device);
        let steps = state.iter().filter_map(|(name, tensor)| {
            Some((name.strip_prefix("adam.steps.")?.to_owned(), tensor.values.first().copied()? as u32))
        });
        self.steps = steps.collect();
    }
}

struct Step<'a> {
    rate: &'a dyn Fn(&str) -> f64,
    adam: &'a mut AdamW,
}

impl Rule for Step<'_> {
    fn moved<const D: usize>(&mut self, name: &str, weight: Tensor<D>, gradient: Tensor<D>) -> Tensor<D> {
        let AdamWConfig { beta1, beta2, epsilon, weight_decay } = self.adam.config;
        let rate = (self.rate)(name);
        let blend = |old: Option<Tensor<D>>, fresh: Tensor<D>, beta: f64| match old {
            Some(old) => old * beta + fresh * (1.0 - beta),
            None => fresh * (1.0 - beta),
        };
        let mean = blend(self.adam.means.take(name), gradient.clone(), beta1);
        let square = blend(self.adam.squares.take(name), gradient.powi_scalar(2), beta2);
        let steps = self.adam.steps.entry(name.to_owned()).or_default();
        *steps += 1;
        let correction = |beta: f64| 1.0 - beta.powf(f64::from(*steps));
        let scale = square.clone().sqrt() / correction(beta2).sqrt() + epsilon;
        let weight = if D > 1 && weight_decay > 0.0 { weight * (1.0 - rate * weight_decay) } else { weight };
        let weight = weight - mean.clone() / scale * (rate / correction(beta1));
        self.adam.means.put(name, mean);
        self.adam.squares.put(name, square);
        weight
    }
}
