//! One window's fit: the generator's weights, and through them the migrated part of its input, are the unknowns.

use super::degradation::{Resampler, enlarge, project_back};
use super::{Generator, GeneratorShape, Mode, Prior, Settings};
use crate::parts::{Adam, AdamConfig, initialise};
use crate::views::keyed_rng;
use anyhow::ensure;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData, activation::sigmoid};
use rand::RngExt;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use shared::encoder::{load_module, module_tensors};
use shared::tensors::{NamedTensor, TensorMap};
use shared::tile::Tile;

/// Largest value of the noise that the generator starts from.
const NOISE: f32 = 0.1;
/// Share of the output's running average that stays at every step, once there have been enough of them.
const AVERAGE: f64 = 0.98;
/// Steps between two looks at the held-out pixels.
const LOOK: usize = 20;
/// Where in the table of jitter a step may begin.
const JITTER_STARTS: usize = 1 << 16;
/// Streams of random numbers.
const INPUT: u64 = u64::from_le_bytes(*b"srnoise.");
const HELD_OUT: u64 = u64::from_le_bytes(*b"srheldou");
const JITTER: u64 = u64::from_le_bytes(*b"srjitter");

/// Where a fit stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Steps taken.
    pub step: usize,
    /// Steps after which the held-out pixels were met best; 0 before the first look.
    pub best_step: usize,
    /// Bits of the mean square error there (f64).
    pub best_error_bits: u64,
}

impl Standing {
    /// Mean square error of the best picture so far on the held-out pixels, infinite before the first look.
    #[must_use]
    pub fn best_error(&self) -> f64 {
        if self.best_step == 0 { f64::INFINITY } else { f64::from_bits(self.best_error_bits) }
    }
}

/// What one optimiser step found.
#[derive(Clone, Debug)]
pub struct Step {
    /// Mean square error on the pixels that are learned from, `[1]`.
    pub fidelity: Tensor<1>,
    /// Mean square distance from the detail that the prior expects, `[1]`; 0 without one.
    pub texture: Tensor<1>,
}

/// A fit in progress.
#[derive(Debug)]
pub struct Fit {
    settings: Settings,
    low: Tile,
    target: Target,
    generator: Generator,
    adam: Adam,
    jitter: Vec<f32>,
    seed: u64,
    device: Device,
    standing: Standing,
    average: Option<Tensor<4>>,
    best: Option<Tensor<4>>,
}

/// Everything that stays as it is; on the autodiff device.
#[derive(Debug)]
struct Target {
    noise: Tensor<4>,
    low: Tensor<4>,
    /// 1 where a pixel is learned from.
    learned: Tensor<4>,
    /// 1 where a pixel is held out; on the plain device.
    held_out: Tensor<4>,
    counts: [f64; 2],
    reduction: Resampler,
    plain_reduction: Resampler,
    prior: Option<TargetPrior>,
}

#[derive(Debug)]
struct TargetPrior {
    /// On [−1, 1].
    reference: Tensor<4>,
    detail: Tensor<4>,
    /// What the generator's output is added to.
    base: Tensor<4>,
    enlargement: Resampler,
}

impl Fit {
    /// A fit at its start. `prior` makes it a migrated prior's, otherwise it is a plain deep image prior's. `window`
    /// keeps the random numbers of a picture's windows apart.
    #[must_use]
    pub fn new(settings: &Settings, low: &Tile, prior: Option<&Prior>, window: usize, device: &Device) -> Self {
        let shape = generator_shape(settings, low.bands(), if prior.is_some() { Mode::Mip } else { Mode::Dip });
        let seed = settings.seed.wrapping_add(1_000_003 * window as u64);
        let device = device.clone().without_autodiff();
        let target = Target::new(settings, low, prior, shape.noise(), seed, &device);
        let [_, channels, height, width] = target.noise.dims();
        let count = if settings.jitter > 0.0 { channels * height * width + JITTER_STARTS } else { 0 };
        let beside = AdamConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
        Self {
            settings: settings.clone(),
            low: low.clone(),
            target,
            generator: Generator::random(shape, seed, &device.clone().autodiff()),
            adam: Adam::new(beside),
            jitter: initialise::normal_values(count, settings.jitter, seed ^ JITTER),
            seed,
            device,
            standing: Standing::default(),
            average: None,
            best: None,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether it is over: all steps are taken, or the held-out pixels have long not been met better.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let Standing { step, best_step, .. } = self.standing;
        step >= self.settings.steps || (best_step > 0 && step >= best_step + self.settings.patience)
    }

    /// The picture at this step, `[1, bands, h, w]`, with the noise as `jittered` or as it is.
    fn picture(&self, jittered: Option<Tensor<4>>) -> Tensor<4> {
        let noise = jittered.unwrap_or_else(|| self.target.noise.clone());
        match &self.target.prior {
            Some(prior) => prior.base.clone() + self.generator.forward(noise, Some(prior.reference.clone())),
            None => sigmoid(self.generator.forward(noise, None)),
        }
    }

    /// One optimiser step; every few steps a look at the held-out pixels.
    ///
    /// # Errors
    /// When the picture is no longer finite.
    pub fn step(&mut self) -> anyhow::Result<Step> {
        let picture = self.picture(self.jittered());
        let (total, step) = self.target.losses(picture.clone(), self.settings.texture);
        let gradients = GradientsParams::from_grads(total.backward(), &self.generator);
        self.generator = self.adam.step(self.settings.learning_rate, self.generator.clone(), gradients);
        self.take_in(picture.without_autodiff());
        if self.standing.step.is_multiple_of(LOOK) || self.standing.step == self.settings.steps {
            self.look()?;
        }
        Ok(step)
    }

    /// The noise of this step: the fixed one, and a stretch of the table of normal values that begins anywhere.
    fn jittered(&self) -> Option<Tensor<4>> {
        let shape = self.target.noise.dims();
        let count: usize = shape.iter().product();
        let start = keyed_rng(self.seed, self.standing.step as u64, 0, JITTER).random_range(0..JITTER_STARTS);
        let added = self.jitter.get(start..start + count)?.to_vec();
        Some(self.target.noise.clone() + Tensor::from_data(TensorData::new(added, shape), &self.target.noise.device()))
    }

    /// Counts the step and adds its picture to the running average.
    fn take_in(&mut self, picture: Tensor<4>) {
        let step = self.standing.step as f64;
        let kept = AVERAGE.min((1.0 + step) / (10.0 + step));
        self.average = Some(match self.average.take() {
            Some(average) => average * kept + picture * (1.0 - kept),
            None => picture,
        });
        self.standing.step += 1;
    }

    /// Keeps the average if it meets the held-out pixels better than any before.
    fn look(&mut self) -> anyhow::Result<()> {
        let Some(average) = &self.average else { return Ok(()) };
        let error = self.target.held_out_error(average.clone());
        ensure!(
            error.is_finite(),
            "the picture is not finite after step {}\nhint: lower --learning-rate",
            self.standing.step
        );
        if error < self.standing.best_error() {
            self.standing.best_step = self.standing.step;
            self.standing.best_error_bits = error.to_bits();
            self.best = Some(average.clone());
        }
        Ok(())
    }

    /// The picture that met the held-out pixels best, with all pixels projected back into it.
    ///
    /// # Errors
    /// When the device fails.
    pub fn result(&self) -> anyhow::Result<Tile> {
        let [bands, low_height, low_width] = [self.low.bands(), self.low.height(), self.low.width()];
        let (height, width) = (low_height * self.settings.scale, low_width * self.settings.scale);
        let picture = match self.best.as_ref().or(self.average.as_ref()) {
            Some(picture) => Tile::new(bands, height, width, values(picture.clone())?)?,
            None => enlarge(&self.low, height, width),
        };
        Ok(project_back(&picture, &self.low))
    }

    /// Everything that a resumed fit needs beside its [`Standing`].
    #[must_use]
    pub fn state(&self) -> Vec<NamedTensor> {
        let weights = module_tensors(&self.generator).into_values();
        let mut state: Vec<NamedTensor> =
            weights.map(|tensor| NamedTensor { name: format!("generator.{}", tensor.name), ..tensor }).collect();
        state.extend(self.adam.state("adam"));
        for (name, picture) in [("average", &self.average), ("best", &self.best)] {
            let Some(picture) = picture else { continue };
            let shape = picture.dims().to_vec();
            let values = values(picture.clone()).unwrap_or_default();
            state.push(NamedTensor { name: name.to_owned(), shape, values });
        }
        state
    }

    /// Takes back [`Self::state`].
    ///
    /// # Errors
    /// When a weight is missing or has another shape.
    pub fn restore(&mut self, standing: Standing, state: &TensorMap) -> anyhow::Result<()> {
        let mut weights = TensorMap::new();
        for (name, tensor) in module_tensors(&self.generator) {
            let stored = state.get(&format!("generator.{name}")).filter(|stored| stored.shape == tensor.shape);
            let Some(stored) = stored else {
                anyhow::bail!(
                    "the interrupted fit has no fitting {name:?}\nhint: remove the output folder and start again"
                )
            };
            weights.insert(name, stored.clone());
        }
        self.generator = load_module(self.generator.clone(), &weights);
        self.adam.restore("adam", state, &self.device);
        let picture = |name: &str| {
            let stored = state.get(name)?;
            let data = TensorData::new(stored.values.clone(), stored.shape.clone());
            Some(Tensor::<4>::from_data(data, &self.device))
        };
        (self.average, self.best) = (picture("average"), picture("best"));
        self.standing = standing;
        Ok(())
    }

    /// The generator, for comparison with another implementation.
    #[must_use]
    pub fn generator(&self) -> &Generator {
        &self.generator
    }
}

/// The generator of a fit.
#[must_use]
pub fn generator_shape(settings: &Settings, bands: usize, mode: Mode) -> GeneratorShape {
    let Settings { channels, levels, .. } = *settings;
    GeneratorShape { bands, channels, levels, has_reference: mode == Mode::Mip }
}

impl Target {
    fn new(
        settings: &Settings,
        low: &Tile,
        prior: Option<&Prior>,
        channels: usize,
        seed: u64,
        device: &Device,
    ) -> Self {
        let tracked = device.clone().autodiff();
        let from = [low.height(), low.width()];
        let to = from.map(|side| side * settings.scale);
        let mut rng = keyed_rng(seed, 0, 0, INPUT);
        let noise = (0..channels * to[0] * to[1]).map(|_| rng.random_range(0.0..NOISE)).collect::<Vec<_>>();
        let (held_out, counts) = held_out(settings.held_out, low, seed);
        let learned = held_out.iter().map(|held| 1.0 - held).collect::<Vec<_>>();
        let mask = |values: Vec<f32>, device: &Device| {
            Tensor::<4>::from_data(TensorData::new(values, [1, 1, from[0], from[1]]), device)
        };
        let prior = prior.map(|prior| TargetPrior {
            reference: tensor(&prior.reference, &tracked) * 2.0 - 1.0,
            detail: tensor(&prior.detail, &tracked),
            base: tensor(&prior.expected(low), &tracked),
            enlargement: Resampler::enlargement(from, to, &tracked),
        });
        Self {
            noise: Tensor::from_data(TensorData::new(noise, [1, channels, to[0], to[1]]), &tracked),
            low: tensor(low, &tracked),
            learned: mask(learned, &tracked),
            held_out: mask(held_out, device),
            counts,
            reduction: Resampler::reduction(to, from, &tracked),
            plain_reduction: Resampler::reduction(to, from, device),
            prior,
        }
    }

    /// What is minimised, and its parts.
    fn losses(&self, picture: Tensor<4>, weight: f64) -> (Tensor<1>, Step) {
        let reduced = self.reduction.forward(picture.clone());
        let error = (reduced.clone() - self.low.clone()).powi_scalar(2) * self.learned.clone();
        let fidelity = error.sum() / self.counts[0];
        let Some(prior) = &self.prior else {
            let nothing = fidelity.clone().without_autodiff().zeros_like();
            return (fidelity.clone(), Step { fidelity: fidelity.without_autodiff(), texture: nothing });
        };
        let detail = picture - prior.enlargement.forward(reduced);
        let texture = (detail - prior.detail.clone()).powi_scalar(2).mean();
        let step = Step { fidelity: fidelity.clone().without_autodiff(), texture: texture.clone().without_autodiff() };
        (fidelity + texture * weight, step)
    }

    /// Mean square error of a picture (without autodiff) on the pixels that are not learned from.
    fn held_out_error(&self, picture: Tensor<4>) -> f64 {
        let low = self.low.clone().without_autodiff();
        let error = (self.plain_reduction.forward(picture) - low).powi_scalar(2) * self.held_out.clone();
        f64::from(error.sum().into_scalar::<f32>()) / self.counts[1]
    }
}

/// 1 for `share` of the pixels of `low`, drawn at random and at least one, and how many values are learned from and held
/// out.
fn held_out(share: f64, low: &Tile, seed: u64) -> (Vec<f32>, [f64; 2]) {
    let pixels = low.height() * low.width();
    let held = ((pixels as f64 * share).round() as usize).max(1);
    let mut order: Vec<usize> = (0..pixels).collect();
    order.shuffle(&mut keyed_rng(seed, 0, 0, HELD_OUT));
    let mut mask = vec![0.0; pixels];
    order[..held].iter().for_each(|&pixel| mask[pixel] = 1.0);
    (mask, [pixels - held, held].map(|count| (count * low.bands()) as f64))
}

/// `[1, bands, h, w]`
fn tensor(tile: &Tile, device: &Device) -> Tensor<4> {
    let shape = [1, tile.bands(), tile.height(), tile.width()];
    Tensor::from_data(TensorData::new(tile.pixels().to_vec(), shape), device)
}

fn values(picture: Tensor<4>) -> anyhow::Result<Vec<f32>> {
    picture.into_data().convert::<f32>().try_into_vec().map_err(|error| anyhow::anyhow!("the device failed: {error:?}"))
}
