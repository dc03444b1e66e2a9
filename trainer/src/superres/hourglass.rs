//! The generator: an hourglass with short cuts, noise in and a picture out (Ulyanov et al., CVPR 2018, supplement), and the
//! encoder that turns the reference into part of its input.

use super::Resampler;
use crate::parts::initialise;
use burn::module::{Module, Param};
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, Tensor, TensorData};
use shared::kernels;
use shared::preprocess::Filter;

/// Channels of the input.
const INPUTS: usize = 32;
/// Channels of a short cut.
const SKIP: usize = 4;
/// Slope of the activations below 0.
const SLOPE: f64 = 0.2;
const EPSILON: f64 = 1e-5;

/// Sizes of a [`Hourglass`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourglassShape {
    /// Bands of the picture.
    pub bands: usize,
    /// Channels of every convolution.
    pub channels: usize,
    /// Times that the input is halved.
    pub levels: usize,
    /// Whether half of the input comes from a reference.
    pub has_reference: bool,
}

impl HourglassShape {
    /// Channels of noise.
    #[must_use]
    pub fn noise(&self) -> usize {
        if self.has_reference { INPUTS / 2 } else { INPUTS }
    }

    /// Inputs, outputs, side of the kernel, and how often the picture is halved where the convolution runs.
    fn convolutions(&self) -> Vec<([usize; 3], usize)> {
        let (c, latent) = (self.channels, INPUTS - self.noise());
        let mut all = vec![([c, self.bands, 1], 0)];
        if self.has_reference {
            all.extend([([self.bands, latent, 3], 0), ([latent, latent, 3], 0)]);
        }
        for level in 0..self.levels {
            let inputs = if level == 0 { INPUTS } else { c };
            all.extend([([inputs, SKIP, 1], level), ([inputs, c, 3], level + 1), ([c, c, 3], level + 1)]);
            all.extend([([SKIP + c, c, 3], level), ([c, c, 1], level)]);
        }
        all
    }

    /// Trainable parameters.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        let weights = |&([inputs, outputs, kernel], _): &([usize; 3], usize)| inputs * outputs * kernel * kernel;
        // Every convolution but the head, and every merge, has a scale and a shift; the head has a bias.
        let norms: usize = self.convolutions()[1..].iter().map(|([_, outputs, _], _)| 2 * outputs).sum();
        let merges = self.levels * 2 * (SKIP + self.channels);
        self.convolutions().iter().map(weights).sum::<usize>() + norms + merges + self.bands
    }

    /// Multiplications and additions of one forward pass at `height` × `width`.
    #[must_use]
    pub fn multiply_adds(&self, height: usize, width: usize) -> u64 {
        let side = |length: usize, halvings: usize| length.div_ceil(1 << halvings) as u64;
        let cost = |&([inputs, outputs, kernel], halvings): &([usize; 3], usize)| {
            (inputs * outputs * kernel * kernel) as u64 * side(height, halvings) * side(width, halvings)
        };
        self.convolutions().iter().map(cost).sum()
    }

    /// Values that one forward pass keeps for its gradients at `height` × `width`: each convolution's output before and
    /// after its normalisation and activation.
    #[must_use]
    pub fn activations(&self, height: usize, width: usize) -> u64 {
        let side = |length: usize, halvings: usize| length.div_ceil(1 << halvings) as u64;
        let kept = |&([_, outputs, _], halvings): &([usize; 3], usize)| {
            3 * outputs as u64 * side(height, halvings) * side(width, halvings)
        };
        self.convolutions().iter().map(kept).sum()
    }
}

/// Scale and shift of a batch normalisation; the statistics are always those of the picture.
#[derive(Module, Debug)]
struct Norm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
}

/// Convolution, batch normalisation, leaky ReLU.
#[derive(Module, Debug)]
struct Layer {
    weight: Param<Tensor<4>>,
    norm: Norm,
    stride: usize,
}

/// What happens at one resolution of the hourglass.
#[derive(Module, Debug)]
struct Level {
    skip: Layer,
    halve: Layer,
    deep: Layer,
    merge: Norm,
    join: Layer,
    mix: Layer,
}

/// Hourglass and, with a reference, its encoder.
#[derive(Module, Debug)]
pub struct Hourglass {
    reference: Vec<Layer>,
    levels: Vec<Level>,
    head: Param<Tensor<4>>,
    head_bias: Param<Tensor<1>>,
}

impl Hourglass {
    /// PyTorch's default weights drawn from `seed`; with a reference the last convolution starts at 0, so that the first
    /// picture is the one that residuals are added to.
    #[must_use]
    pub fn random(shape: HourglassShape, seed: u64, device: &Device) -> Self {
        let mut next = seed;
        let mut layer = |inputs: usize, outputs: usize, kernel: usize, stride: usize| {
            next = next.wrapping_add(1);
            let (values, _) = initialise::linear(inputs * kernel * kernel, outputs, next);
            let weight = Tensor::from_data(TensorData::new(values, [outputs, inputs, kernel, kernel]), device);
            Layer { weight: Param::from_tensor(weight), norm: Norm::identity(outputs, device), stride }
        };
        let (c, latent) = (shape.channels, INPUTS - shape.noise());
        let reference = match shape.has_reference {
            true => vec![layer(shape.bands, latent, 3, 1), layer(latent, latent, 3, 1)],
            false => Vec::new(),
        };
        let levels = (0..shape.levels).map(|level| {
            let inputs = if level == 0 { INPUTS } else { c };
            Level {
                skip: layer(inputs, SKIP, 1, 1),
                halve: layer(inputs, c, 3, 2),
                deep: layer(c, c, 3, 1),
                merge: Norm::identity(SKIP + c, device),
                join: layer(SKIP + c, c, 3, 1),
                mix: layer(c, c, 1, 1),
            }
        });
        let levels = levels.collect();
        let (mut head, mut bias) = initialise::linear(c, shape.bands, next.wrapping_add(1));
        if shape.has_reference {
            head.fill(0.0);
            bias.fill(0.0);
        }
        Self {
            reference,
            levels,
            head: Param::from_tensor(Tensor::from_data(TensorData::new(head, [shape.bands, c, 1, 1]), device)),
            head_bias: Param::from_tensor(Tensor::from_data(TensorData::new(bias, [shape.bands]), device)),
        }
    }

    /// `noise` `[1, noise channels, h, w]` and, where the generator has its encoder, `reference` `[1, bands, h, w]` on
    /// [−1, 1] → `[1, bands, h, w]`, unbounded.
    #[must_use]
    pub fn forward(&self, noise: Tensor<4>, reference: Option<Tensor<4>>) -> Tensor<4> {
        let input = match reference {
            Some(reference) => Tensor::cat(vec![noise, self.latent(reference)], 1),
            None => noise,
        };
        kernels::conv2d(self.level(input, 0), self.head.val(), Some(self.head_bias.val()), [1; 2], [0; 2])
    }

    /// `[1, bands, h, w]` → `[1, latent, h, w]`: the reference in latent space, what migrates.
    fn latent(&self, reference: Tensor<4>) -> Tensor<4> {
        self.reference.iter().fold(reference, |x, layer| layer.forward(x))
    }

    fn level(&self, x: Tensor<4>, at: usize) -> Tensor<4> {
        let Some(level) = self.levels.get(at) else { return x };
        let [_, _, height, width] = x.dims();
        let deep = self.level(level.deep.forward(level.halve.forward(x.clone())), at + 1);
        let [_, _, h, w] = deep.dims();
        let deep = Resampler::new([h, w], [height, width], Filter::Triangle, &deep.device()).forward(deep);
        let joined = level.merge.forward(Tensor::cat(vec![level.skip.forward(x), deep], 1));
        level.mix.forward(level.join.forward(joined))
    }
}

impl Norm {
    fn identity(channels: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::ones([channels], device)),
            bias: Param::from_tensor(Tensor::zeros([channels], device)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        {
            let x = kernels::Convolved::new(x, 1);
            kernels::batch_norm_train(x, self.weight.val(), self.bias.val(), kernels::After::default(), EPSILON).output
        }
    }
}

impl Layer {
    /// NOTE: zeros at the borders, where the authors reflect: our kernels pad with zeros.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, _, kernel, _] = self.weight.dims();
        let x = kernels::conv2d(x, self.weight.val(), None, [self.stride; 2], [kernel / 2; 2]);
        leaky_relu(self.norm.forward(x), SLOPE)
    }
}
