//! Stochastic gradient descent with momentum and weight decay, as PyTorch's `SGD`, or Adam, with its state by parameter
//! name.
//!
//! Burn's own compute the same, but their state is keyed by identifiers drawn at random and is loaded on the
//! default device, a GPU that a machine may not have: no ground for a resume that is exact.

use crate::parts::{Adam, AdamConfig, Parameter, Slots, update};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use shared::kernels::optimisers::{Descent, descend};
use shared::tensors::{NamedTensor, TensorMap};

/// Prefix of Adam's moments in a checkpoint.
const ADAM: &str = "adam";
/// Prefix of SGD's velocities in a checkpoint.
const VELOCITY: &str = "velocity";

/// Which optimiser, by the name of its table: `sgd = { … }` or `adam = { … }`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimiserConfig {
    /// Stochastic gradient descent, with LARS if wanted.
    Sgd(SgdConfig),
    /// Adam.
    Adam(AdamConfig),
}

impl OptimiserConfig {
    /// Says what is wrong, if anything.
    ///
    /// # Errors
    /// One line and a hint.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Sgd(_) => Ok(()),
            Self::Adam(adam) => adam.check("train.adam"),
        }
    }
}

/// Hyper-parameters beside the learning rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SgdConfig {
    /// Momentum μ of `v ← μ·v + g`.
    pub momentum: f64,
    /// L2 penalty λ of `g ← g + λ·w`, on every parameter, as in the papers (with `lars`, on matrices and kernels only).
    pub weight_decay: f64,
    /// LARS (You et al. 2017, arXiv 1708.03888): the gradient of each matrix and kernel, its penalty included, is
    /// brought to the length of its weights times this; shifts and normalisations are left alone, as BYOL and MoCLR
    /// do. 0 is plain SGD.
    #[serde(default)]
    pub lars: f64,
}

/// The optimiser of a run.
#[derive(Debug)]
pub enum Optimiser {
    /// See [`Sgd`].
    Sgd(Sgd),
    /// See [`Adam`].
    Adam(Adam),
}

impl Optimiser {
    /// An optimiser at rest.
    #[must_use]
    pub fn new(config: OptimiserConfig) -> Self {
        match config {
            OptimiserConfig::Sgd(config) => Self::Sgd(Sgd::new(config)),
            OptimiserConfig::Adam(config) => Self::Adam(Adam::new(config)),
        }
    }

    /// One step.
    #[must_use]
    pub fn step<M: Module>(&mut self, lr: f64, network: M, gradients: GradientsParams) -> M {
        match self {
            Self::Sgd(sgd) => sgd.step(lr, network, gradients),
            Self::Adam(adam) => adam.step(lr, network, gradients),
        }
    }

    /// Forgets parameters whose names begin with `prefix`, because they were drawn anew.
    pub fn forget(&mut self, prefix: &str) {
        match self {
            Self::Sgd(sgd) => sgd.velocities.forget(prefix),
            Self::Adam(adam) => adam.forget(prefix),
        }
    }

    /// Everything that a resumed run needs.
    #[must_use]
    pub fn state(&self) -> Vec<NamedTensor> {
        match self {
            Self::Sgd(sgd) => sgd.state(),
            Self::Adam(adam) => adam.state(ADAM),
        }
    }

    /// Takes back [`Self::state`], on `device` (without autodiff).
    pub fn restore(&mut self, state: &TensorMap, device: &Device) {
        match self {
            Self::Sgd(sgd) => sgd.velocities.restore(VELOCITY, state, device),
            Self::Adam(adam) => adam.restore(ADAM, state, device),
        }
    }
}

/// SGD and its velocities.
#[derive(Debug)]
pub struct Sgd {
    config: SgdConfig,
    velocities: Slots,
}

impl Sgd {
    /// An optimiser at rest.
    #[must_use]
    pub fn new(config: SgdConfig) -> Self {
        Self { config, velocities: Slots::default() }
    }

    /// One step: `w ← w − lr·v`.
    #[must_use]
    pub fn step<M: Module>(&mut self, lr: f64, network: M, gradients: GradientsParams) -> M {
        update(network, gradients, |parameters| self.moved(lr, parameters))
    }

    fn moved(&mut self, lr: f64, parameters: Vec<Parameter>) -> Vec<Tensor<1>> {
        let SgdConfig { momentum, weight_decay, lars } = self.config;
        let mut places = Vec::with_capacity(parameters.len());
        let mut descents = Vec::with_capacity(parameters.len());
        for parameter in parameters {
            let is_adapted = lars > 0.0 && parameter.is_matrix();
            descents.push(Descent {
                velocity: self.velocities.take(&parameter.name),
                decay: if is_adapted || lars <= 0.0 { weight_decay } else { 0.0 },
                trust: is_adapted.then_some(lars),
                weight: parameter.weight,
                gradient: parameter.gradient,
            });
            places.push((parameter.name, parameter.shape));
        }
        let keep = |((name, shape), [weight, velocity]): ((String, Vec<usize>), [Tensor<1>; 2])| {
            self.velocities.put(name, shape, velocity);
            weight
        };
        places.into_iter().zip(descend(descents, lr, momentum)).map(keep).collect()
    }

    /// The velocities, under `velocity.`.
    #[must_use]
    pub fn state(&self) -> Vec<NamedTensor> {
        self.velocities.state(VELOCITY)
    }
}
