//! Steps of optimisers over all parameters of a network at once: on GPUs a launch or two in place of hundreds.

use burn::tensor::Tensor;

/// A parameter of [`average`].
#[derive(Clone, Debug)]
pub struct Averaged {
    /// What moves, `[values]`.
    pub old: Tensor<1>,
    /// What it moves to, `[values]`.
    pub fresh: Tensor<1>,
}

/// `momentum · old + (1 - momentum) · fresh` of every parameter; none of the tensors may be tracked.
#[must_use]
pub fn average(parameters: Vec<Averaged>, momentum: f64) -> Vec<Tensor<1>> {
    #[cfg(feature = "cube")]
    if let Some(found) = super::gpu::average(&parameters, momentum) {
        return found;
    }
    parameters.into_iter().map(|Averaged { old, fresh }| old * momentum + fresh * (1.0 - momentum)).collect()
}

/// A parameter of [`descend`].
#[derive(Clone, Debug)]
pub struct Descent {
    /// `[values]`
    pub weight: Tensor<1>,
    /// `[values]`
    pub gradient: Tensor<1>,
    /// What the last step left, `[values]`; in the first step there is none, and the gradient takes its place.
    pub velocity: Option<Tensor<1>>,
    /// Share of the weight that is added to the gradient.
    pub decay: f64,
    /// LARS's trust, where this parameter is adapted (You et al. 2017, arXiv 1708.03888).
    pub trust: Option<f64>,
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

/// A parameter of [`adapt`].
#[derive(Clone, Debug)]
pub struct Adaptation {
    /// `[values]`
    pub weight: Tensor<1>,
    /// `[values]`
    pub gradient: Tensor<1>,
    /// Means of gradients and of their squares after the last step, `[values]` each; none in the first.
    pub moments: Option<[Tensor<1>; 2]>,
    /// Steps that this parameter has taken, this one included.
    pub steps: u32,
    /// The learning rate.
    pub rate: f64,
    /// Share of itself that the weight loses, times the rate (AdamW; Loshchilov and Hutter 2019, arXiv 1711.05101).
    pub decay: f64,
}

/// Adam's β₁, β₂ and ε.
#[derive(Clone, Copy, Debug)]
pub struct Decays {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of their squares.
    pub beta2: f64,
    /// Added to the square root of the latter.
    pub epsilon: f64,
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

impl Adaptation {
    /// What the weight is multiplied by.
    pub(super) fn kept(&self) -> f64 {
        1.0 - self.rate * self.decay
    }

    /// The corrections of means and squares, which begin at zero.
    pub(super) fn corrections(&self, decays: Decays) -> [f64; 2] {
        [decays.beta1, decays.beta2].map(|beta| 1.0 - beta.powf(f64::from(self.steps)))
    }
}
