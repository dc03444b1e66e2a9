//! What a step of an optimiser knows of one parameter.

use burn::tensor::Tensor;

/// A parameter of [`average`](super::optimisers::average).
#[derive(Clone, Debug)]
pub struct Averaged {
    /// What moves, `[values]`.
    pub old: Tensor<1>,
    /// What it moves to, `[values]`.
    pub fresh: Tensor<1>,
}

/// A parameter of [`descend`](super::optimisers::descend).
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

/// A parameter of [`adapt`](super::optimisers::adapt).
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
