//! What a fit minimises: fidelity to the coarse picture, and with a prior the distance from the detail it expects.

use super::degradation::Resampler;
use super::{Hourglass, Prior};
use burn::tensor::{Device, Tensor, TensorData, activation::sigmoid};
use shared::tile::Tile;

/// Everything of a fit that stays as it is; on the autodiff device unless said otherwise.
#[derive(Debug)]
pub struct Objective {
    noise: Tensor<4>,
    low: Tensor<4>,
    /// 1 where a pixel is learned from.
    learned: Tensor<4>,
    /// 1 where a pixel is held out; on the plain device.
    held_out: Tensor<4>,
    learned_values: f64,
    held_out_values: f64,
    reduction: Resampler,
    /// The same on the plain device.
    plain_reduction: Resampler,
    prior: Option<Migrated>,
}

/// A prior on the device.
#[derive(Debug)]
struct Migrated {
    /// On [−1, 1].
    reference: Tensor<4>,
    detail: Tensor<4>,
    /// What the generator's output is added to.
    base: Tensor<4>,
    enlargement: Resampler,
    weight: f64,
}

impl Objective {
    /// For `low` enlarged by `scale`, with the weight of the prior's `texture`; on `device`, which is plain.
    ///
    /// # Shapes
    /// `noise` `[channels, scale · h, scale · w]`, `held_out` `[h, w]`: 1 where a pixel is not learned from, else 0.
    #[must_use]
    pub fn new(
        scale: usize,
        texture: f64,
        low: &Tile,
        prior: Option<&Prior>,
        noise: Vec<f32>,
        held_out: &[f32],
        device: &Device,
    ) -> Self {
        let tracked = device.clone().autodiff();
        let from = [low.height(), low.width()];
        let to = from.map(|side| side * scale);
        let mask = |values: Vec<f32>, device: &Device| {
            Tensor::<4>::from_data(TensorData::new(values, [1, 1, from[0], from[1]]), device)
        };
        let held = held_out.iter().filter(|&&held| held > 0.0).count();
        let prior = prior.map(|prior| Migrated {
            reference: tensor(&prior.reference, &tracked) * 2.0 - 1.0,
            detail: tensor(&prior.detail, &tracked),
            base: tensor(&prior.expected(low), &tracked),
            enlargement: Resampler::enlargement(from, to, &tracked),
            weight: texture,
        });
        let channels = noise.len() / (to[0] * to[1]);
        Self {
            noise: Tensor::from_data(TensorData::new(noise, [1, channels, to[0], to[1]]), &tracked),
            low: tensor(low, &tracked),
            learned: mask(held_out.iter().map(|held| 1.0 - held).collect(), &tracked),
            held_out: mask(held_out.to_vec(), device),
            learned_values: ((held_out.len() - held) * low.bands()) as f64,
            held_out_values: (held * low.bands()) as f64,
            reduction: Resampler::reduction(to, from, &tracked),
            plain_reduction: Resampler::reduction(to, from, device),
            prior,
        }
    }

    /// `[1, channels, h, w]`
    #[must_use]
    pub fn noise_shape(&self) -> [usize; 4] {
        self.noise.dims()
    }

    /// What `generator` makes of the noise with `jitter` added, `[1, bands, h, w]`.
    #[must_use]
    pub fn picture(&self, generator: &Hourglass, jitter: Option<Tensor<4>>) -> Tensor<4> {
        let noise = match jitter {
            Some(jitter) => self.noise.clone() + jitter,
            None => self.noise.clone(),
        };
        match &self.prior {
            Some(prior) => prior.base.clone() + generator.forward(noise, Some(prior.reference.clone())),
            None => sigmoid(generator.forward(noise, None)),
        }
    }

    /// The mean square error of the reduced picture on the pixels that are learned from; with a prior, plus the mean square
    /// distance of the picture's detail from the expected one times its weight. `[1]`
    #[must_use]
    pub fn loss(&self, picture: Tensor<4>) -> Tensor<1> {
        let reduced = self.reduction.forward(picture.clone());
        let error = (reduced.clone() - self.low.clone()).powi_scalar(2) * self.learned.clone();
        let fidelity = error.sum() / self.learned_values;
        let Some(prior) = &self.prior else { return fidelity };
        let detail = picture - prior.enlargement.forward(reduced);
        fidelity + (detail - prior.detail.clone()).powi_scalar(2).mean() * prior.weight
    }

    /// The mean square error of the reduced `picture` (without autodiff) on the pixels that are held out.
    #[must_use]
    pub fn held_out_error(&self, picture: Tensor<4>) -> f64 {
        let low = self.low.clone().without_autodiff();
        let error = (self.plain_reduction.forward(picture) - low).powi_scalar(2) * self.held_out.clone();
        f64::from(error.sum().into_scalar::<f32>()) / self.held_out_values
    }
}

/// `[1, bands, h, w]`
fn tensor(tile: &Tile, device: &Device) -> Tensor<4> {
    let shape = [1, tile.bands(), tile.height(), tile.width()];
    Tensor::from_data(TensorData::new(tile.pixels().to_vec(), shape), device)
}
