//! Stochastic gradient descent with momentum and weight decay, as PyTorch's `SGD`, with its state by parameter name.
//!
//! Burn's own SGD computes the same, but its state is keyed by identifiers drawn at random and is loaded on the
//! default device, a GPU that a machine may not have: no ground for a resume that is exact.

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use shared::encoder::tensor_name;
use shared::tensors::{NamedTensor, TensorMap};
use std::any::Any;
use std::collections::BTreeMap;

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

/// The optimiser and its velocities.
#[derive(Debug)]
pub struct Sgd {
    config: SgdConfig,
    velocities: BTreeMap<String, Velocity>,
}

/// What a tensor holds.
type ShapeAndValues = (Vec<usize>, Vec<f32>);

/// A tensor whose rank is known where it is used.
#[derive(Debug)]
struct Velocity {
    tensor: Box<dyn Any>,
    read: fn(&dyn Any) -> ShapeAndValues,
}

impl Sgd {
    /// An optimiser at rest.
    #[must_use]
    pub fn new(config: SgdConfig) -> Self {
        Self { config, velocities: BTreeMap::new() }
    }

    /// One step: `w ← w − lr·v`.
    #[must_use]
    pub fn step<M: Module>(&mut self, lr: f64, network: M, gradients: GradientsParams) -> M {
        let config = self.config;
        network.map(&mut Step { path: Vec::new(), lr, config, gradients, velocities: &mut self.velocities })
    }

    /// Forgets the velocities of parameters whose names begin with `prefix`, because they were drawn anew.
    pub fn forget(&mut self, prefix: &str) {
        self.velocities.retain(|name, _| !name.starts_with(prefix));
    }

    /// The velocities, under `velocity.`.
    #[must_use]
    pub fn state(&self) -> Vec<NamedTensor> {
        let tensors = self.velocities.iter().map(|(name, velocity)| {
            let (shape, values) = (velocity.read)(velocity.tensor.as_ref());
            NamedTensor { name: format!("velocity.{name}"), shape, values }
        });
        tensors.collect()
    }

    /// Takes back [`Self::state`], on `device` (without autodiff).
    pub fn restore(&mut self, state: &TensorMap, device: &Device) {
        self.velocities.clear();
        for (name, tensor) in state {
            let Some(name) = name.strip_prefix("velocity.") else { continue };
            let velocity = match tensor.shape.len() {
                1 => stored::<1>(tensor, device),
                2 => stored::<2>(tensor, device),
                _ => stored::<4>(tensor, device),
            };
            self.velocities.insert(name.to_owned(), velocity);
        }
    }
}

fn stored<const D: usize>(tensor: &NamedTensor, device: &Device) -> Velocity {
    let data = TensorData::new(tensor.values.clone(), tensor.shape.clone());
    velocity(Tensor::<D>::from_data(data, device))
}

fn velocity<const D: usize>(tensor: Tensor<D>) -> Velocity {
    let read = |any: &dyn Any| match any.downcast_ref::<Tensor<D>>() {
        Some(tensor) => (tensor.dims().to_vec(), tensor.clone().into_data().try_into_vec().unwrap_or_default()),
        None => (Vec::new(), Vec::new()),
    };
    Velocity { tensor: Box::new(tensor), read }
}

struct Step<'a> {
    path: Vec<String>,
    lr: f64,
    config: SgdConfig,
    gradients: GradientsParams,
    velocities: &'a mut BTreeMap<String, Velocity>,
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
        let SgdConfig { momentum, weight_decay, lars } = self.config;
        let is_adapted = lars > 0.0 && D > 1;
        let gradient = match weight_decay {
            decay if decay > 0.0 && (is_adapted || lars <= 0.0) => gradient + weight.clone() * decay,
            _ => gradient,
        };
        let gradient = if is_adapted { with_trust(gradient, &weight, lars) } else { gradient };
        let name = tensor_name(&self.path);
        let old = self.velocities.remove(&name).and_then(|old| old.tensor.downcast::<Tensor<D>>().ok());
        // PyTorch's first step takes the gradient itself.
        let fresh = match old {
            Some(old) => *old * momentum + gradient,
            None => gradient,
        };
        let weight = weight - fresh.clone() * self.lr;
        self.velocities.insert(name, velocity(fresh));
        Param::from_mapped_value(id, weight.autodiff().require_grad(), mapper)
    }
}

/// `gradient` × trust · ‖weight‖ / ‖gradient‖; as it is where either length is 0.
fn with_trust<const D: usize>(gradient: Tensor<D>, weight: &Tensor<D>, trust: f64) -> Tensor<D> {
    let length = |x: &Tensor<D>| x.clone().powi_scalar(2).sum().sqrt();
    let (of_weight, of_gradient) = (length(weight), length(&gradient));
    let is_flat = of_weight.clone().equal_elem(0.0).bool_or(of_gradient.clone().equal_elem(0.0));
    let scale = (of_weight * trust / of_gradient).mask_fill(is_flat, 1.0);
    gradient * scale.reshape([1; D])
}
