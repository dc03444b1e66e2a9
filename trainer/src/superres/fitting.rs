//! One window's fit: the generator's weights, and through them the migrated part of its input, are the unknowns.

use super::degradation::{enlarge, project_back};
use super::{Hourglass, HourglassShape, Mode, Objective, Prior, Settings};
use crate::parts::{Adam, AdamConfig, initialise};
use crate::views::keyed_rng;
use anyhow::ensure;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
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

/// A fit in progress.
#[derive(Debug)]
pub struct Fitting {
    settings: Settings,
    low: Tile,
    objective: Objective,
    generator: Hourglass,
    adam: Adam,
    jitter: Vec<f32>,
    seed: u64,
    device: Device,
    standing: Standing,
    average: Option<Tensor<4>>,
    best: Option<Tensor<4>>,
}

impl Fitting {
    /// A fit at its start. `prior` makes it a migrated prior's, otherwise it is a plain deep image prior's. `window`
    /// keeps the random numbers of a picture's windows apart.
    #[must_use]
    pub fn new(settings: &Settings, low: &Tile, prior: Option<&Prior>, window: usize, device: &Device) -> Self {
        let shape = hourglass_shape(settings, low.bands(), if prior.is_some() { Mode::Mip } else { Mode::Dip });
        let seed = settings.seed.wrapping_add(1_000_003 * window as u64);
        let device = device.clone().without_autodiff();
        let [height, width] = [low.height(), low.width()].map(|side| side * settings.scale);
        let size = shape.noise() * height * width;
        let mut rng = keyed_rng(seed, 0, 0, INPUT);
        let noise = (0..size).map(|_| rng.random_range(0.0..NOISE)).collect();
        let held_out = held_out(settings.held_out, low.height() * low.width(), seed);
        let objective = Objective::new(settings.scale, settings.texture, low, prior, noise, &held_out, &device);
        let count = if settings.jitter > 0.0 { size + JITTER_STARTS } else { 0 };
        let beside = AdamConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
        Self {
            settings: settings.clone(),
            low: low.clone(),
            objective,
            generator: Hourglass::random(shape, seed, &device.clone().autodiff()),
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

    /// One optimiser step; every few steps a look at the held-out pixels.
    ///
    /// # Errors
    /// When the picture is no longer finite.
    pub fn step(&mut self) -> anyhow::Result<()> {
        let picture = self.objective.picture(&self.generator, self.jitter());
        let loss = self.objective.loss(picture.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &self.generator);
        self.generator = self.adam.step(self.settings.learning_rate, self.generator.clone(), gradients);
        self.take_in(picture.without_autodiff());
        if self.standing.step.is_multiple_of(LOOK) || self.standing.step == self.settings.steps {
            self.look()?;
        }
        Ok(())
    }

    /// What is added to the noise at this step: a stretch of the table of normal values that begins anywhere. Drawing as
    /// many afresh would take as long as the step itself.
    fn jitter(&self) -> Option<Tensor<4>> {
        let shape = self.objective.noise_shape();
        let count: usize = shape.iter().product();
        let start = keyed_rng(self.seed, self.standing.step as u64, 0, JITTER).random_range(0..JITTER_STARTS);
        let added = self.jitter.get(start..start + count)?.to_vec();
        Some(Tensor::from_data(TensorData::new(added, shape), &self.device.clone().autodiff()))
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
        let error = self.objective.held_out_error(average.clone());
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
}

/// The generator of a fit.
#[must_use]
pub fn hourglass_shape(settings: &Settings, bands: usize, mode: Mode) -> HourglassShape {
    let Settings { channels, levels, .. } = *settings;
    HourglassShape { bands, channels, levels, has_reference: mode == Mode::Mip }
}

/// 1 for `share` of the pixels, drawn at random and at least one, 0 for the others.
fn held_out(share: f64, pixels: usize, seed: u64) -> Vec<f32> {
    let held = ((pixels as f64 * share).round() as usize).max(1);
    let mut order: Vec<usize> = (0..pixels).collect();
    order.shuffle(&mut keyed_rng(seed, 0, 0, HELD_OUT));
    let mut mask = vec![0.0; pixels];
    order[..held].iter().for_each(|&pixel| mask[pixel] = 1.0);
    mask
}

fn values(picture: Tensor<4>) -> anyhow::Result<Vec<f32>> {
    picture.into_data().convert::<f32>().try_into_vec().map_err(|error| anyhow::anyhow!("the device failed: {error:?}"))
}
