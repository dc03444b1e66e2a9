//! Steps of optimisers over all parameters of a network at once: on GPUs a launch or two in place of hundreds.

use burn::tensor::Tensor;

pub use super::parameters::{Adaptation, Averaged, Decays, Descent};

/// `momentum · old + (1 - momentum) · fresh` of every parameter; none of the tensors may be tracked.
#[must_use]
pub fn average(parameters: Vec<Averaged>, momentum: f64) -> Vec<Tensor<1>> {
    #[cfg(feature = "cube")]
    if let Some(found) = super::gpu::average(&parameters, momentum) {
        return found;
    }
    parameters.into_iter().map(|Averaged { old, fresh }| old * momentum + fresh * (1.0 - momentum)).collect()
}

/// A step of stochastic gradient descent, as PyTorch takes it: `v ← momentum · v + g`, `w ← w - rate · v`. Weights and
/// velocities after it, in order; none of the tensors may be tracked.
#[must_use]
pub fn descend(parameters: Vec<Descent>, rate: f64, momentum: f64) -> Vec<[Tensor<1>; 2]> {
    #[cfg(feature = "cube")]
    if let Some(found) = super::gpu::descend(&parameters, rate, momentum) {
        return found;
    }
    let step = |Descent { weight, gradient, velocity, decay, trust }: Descent| {
        let gradient = if decay > 0.0 { gradient + weight.clone() * decay } else { gradient };
        let gradient = match trust {
            Some(trust) => with_trust(gradient, &weight, trust),
            None => gradient,
        };
        let velocity = match velocity {
            Some(old) => old * momentum + gradient,
            None => gradient,
        };
        [weight - velocity.clone() * rate, velocity]
    };
    parameters.into_iter().map(step).collect()
}

/// `gradient` × trust · ‖weight‖ / ‖gradient‖; as it is where either length is 0.
fn with_trust(gradient: Tensor<1>, weight: &Tensor<1>, trust: f64) -> Tensor<1> {
    let length = |x: &Tensor<1>| x.clone().powi_scalar(2).sum().sqrt();
    let (of_weight, of_gradient) = (length(weight), length(&gradient));
    let is_flat = of_weight.clone().equal_elem(0.0).bool_or(of_gradient.clone().equal_elem(0.0));
    gradient * (of_weight * trust / of_gradient).mask_fill(is_flat, 1.0)
}

/// A step of Adam (Kingma and Ba 2015, arXiv 1412.6980), as PyTorch takes it: `w ← w - rate · m̂ / (√v̂ + ε)`. Weights, means
/// and squares after it, in order; none of the tensors may be tracked.
#[must_use]
pub fn adapt(parameters: Vec<Adaptation>, decays: Decays) -> Vec<[Tensor<1>; 3]> {
    #[cfg(feature = "cube")]
    if let Some(found) = super::gpu::adapt(&parameters, decays) {
        return found;
    }
    let Decays { beta1, beta2, epsilon } = decays;
    let blend = |old: Option<Tensor<1>>, fresh: Tensor<1>, beta: f64| match old {
        Some(old) => old * beta + fresh * (1.0 - beta),
        None => fresh * (1.0 - beta),
    };
    let step = |parameter: Adaptation| {
        let kept = parameter.kept();
        let [by_mean, by_square] = parameter.corrections(decays);
        let (mean, square) = parameter.moments.map_or((None, None), |[mean, square]| (Some(mean), Some(square)));
        let mean = blend(mean, parameter.gradient.clone(), beta1);
        let square = blend(square, parameter.gradient.powi_scalar(2), beta2);
        let scale = square.clone().sqrt() / by_square.sqrt() + epsilon;
        let weight = if kept < 1.0 { parameter.weight * kept } else { parameter.weight };
        [weight - mean.clone() / scale * (parameter.rate / by_mean), mean, square]
    };
    parameters.into_iter().map(step).collect()
}
