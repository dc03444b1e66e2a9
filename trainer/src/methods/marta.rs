//! MARTA GANs (Lin et al. 2017, arXiv 1612.08879): a discriminator that tells real tiles from generated ones learns
//! features without labels; the generator has to match them layer by layer.

use super::network::{module_state, restore_module};
use super::{
    Definition, EpochEnd, Exported, Generated, Inputs, Losses, Method, Needs, Network, Outline, Preset, Setup,
    StepContext,
};
use crate::losses::{binary_cross_entropy, feature_matching};
use crate::parts::projection::l2_normalise;
use crate::parts::{Adam, Linear, as_constant, without_statistics};
use crate::views::{ViewSet, ViewSpec, keyed_rng};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use shared::encoder::{EncoderConfig, NormMode};
use shared::tensors::{NamedTensor, TensorMap};

mod config;
mod discriminator;
mod generator;

pub use config::{MartaConfig, Trunk};
pub use discriminator::{Discriminator, DiscriminatorConfig, fuse};
pub use generator::{Generator, GeneratorShape};

/// Streams of random numbers: of a step's noise, and of the noise that stays the same.
const LATENT: u64 = u64::from_le_bytes(*b"marta  z");
const FIXED: u64 = u64::from_le_bytes(*b"marta fz");
/// Tiles that are generated after each epoch.
const SHOWN: usize = 64;
/// Statistics of the whole batch; real and generated tiles are batches of their own.
const BATCH: NormMode = NormMode::Batch { splits: 1 };
/// Prefixes in a checkpoint.
const GENERATOR: &str = "generator";
const ADAM: &str = "generator-adam";
/// Below this share of the real tiles' spread, generated tiles count as all alike.
const LEAST_SPREAD: f64 = 0.1;
/// Below this mean loss the discriminator is always right, and the generator has nothing to go by. Guessing costs
/// 2 ln 2 = 1.39.
const LEAST_LOSS: f64 = 0.02;
/// Standard deviation of initial weights, DCGAN's.
const WEIGHT_STD: f64 = 0.02;

/// The discriminator, which the loop optimises, and the generator with an optimiser of its own.
#[derive(Debug)]
pub struct Marta {
    config: MartaConfig,
    seed: u64,
    /// Trunk, and one classifier on its fusion layer: real or generated.
    discriminator: Network,
    generator: Generator,
    adam: Adam,
    device: Device,
    /// Steps done before the coming one.
    step: usize,
    /// Of the step under way, for the generator's turn.
    turn: Option<Turn>,
    /// The real tiles of the last step, beside which the generated ones are looked at after an epoch.
    real: Option<Tensor<4>>,
}

/// What the discriminator's turn leaves to the generator's.
#[derive(Debug)]
struct Turn {
    /// `[n, bands, px, px]`, on the plain device.
    real: Tensor<4>,
    /// `[n, latent]`, on the plain device.
    z: Tensor<2>,
    /// What the generator made of it, with its graph.
    generated: Tensor<4>,
}

impl Marta {
    /// Weights drawn from `seed`.
    #[must_use]
    pub fn new(config: MartaConfig, encoder: &EncoderConfig, seed: u64, device: &Device) -> Self {
        let tracked = device.clone().autodiff();
        let mut discriminator = match config.own_discriminator(encoder.bands) {
            Some(own) => Network::of_discriminator(own.random(seed, &tracked)),
            // NOTE: an encoder of this project starts as always (Kaiming), and has ReLU for LeakyReLU.
            None => Network::random(encoder, 0, 0, seed, &tracked),
        };
        let width = config.fused_width(encoder);
        discriminator.classifiers = vec![Linear::normal(width, 1, WEIGHT_STD, seed.wrapping_add(1000), &tracked)];
        Self {
            generator: config.generator(encoder.bands).random(seed.wrapping_add(2000), &tracked),
            adam: Adam::new(config.generator_adam),
            discriminator,
            config,
            seed,
            device: device.clone().without_autodiff(),
            step: 0,
            turn: None,
            real: None,
        }
    }

    /// The discriminator's turn with this noise, `[n, latent]`; what [`Method::losses`] does with noise of its own.
    pub fn losses_with(&mut self, real: Tensor<4>, z: Tensor<2>) -> Losses {
        let generated = self.generator.forward(z.clone().autodiff(), BATCH);
        let seen = generated.clone().without_autodiff().autodiff();
        let network = &self.discriminator;
        let real_features = network.fused(real.clone().autodiff(), BATCH);
        // NOTE: the running statistics, which the encoder is used with later, are those of real tiles alone; the paper
        // does not say.
        let generated_features = without_statistics(network, || network.fused(seen, BATCH));
        let embeddings = l2_normalise(real_features.clone().without_autodiff());
        let [real_logits, generated_logits] =
            [real_features, generated_features].map(|features| network.classifiers[0].forward(features));

        let right = |logits: &Tensor<2>| logits.clone().without_autodiff().greater_elem(0.0).float().mean();
        let accuracy = (right(&real_logits) - right(&generated_logits) + 1.0) * 0.5;
        let real_loss = binary_cross_entropy(real_logits, true);
        let generated_loss = binary_cross_entropy(generated_logits, false);
        self.turn = Some(Turn { real, z, generated });
        let part = |loss: &Tensor<1>| loss.clone().without_autodiff();
        Losses {
            parts: vec![("real", part(&real_loss)), ("generated", part(&generated_loss))],
            total: real_loss + generated_loss,
            accuracy: vec![accuracy],
            embeddings,
        }
    }

    /// The generator's turn: some steps of its own optimiser against the discriminator as it is now. The losses of the
    /// last one.
    fn train_generator(&mut self, turn: Turn, lr: f64) -> Vec<(&'static str, Tensor<1>)> {
        let frozen = self.discriminator.valid();
        let target = frozen.fused(turn.real.clone(), BATCH).autodiff();
        let judge = as_constant(frozen);
        let mut parts = Vec::new();
        let mut generated = Some(turn.generated);
        for _ in 0..self.config.generator_updates {
            // The first update goes on from the tiles that the discriminator has just seen.
            let tiles = generated.take();
            let tiles = tiles.unwrap_or_else(|| self.generator.forward(turn.z.clone().autodiff(), BATCH));
            let features = judge.fused(tiles, BATCH);
            let fooled = binary_cross_entropy(judge.classifiers[0].forward(features.clone()), true);
            let matched = feature_matching(target.clone(), features);
            parts = vec![
                ("generator", fooled.clone().without_autodiff()),
                ("features", matched.clone().without_autodiff()),
            ];
            let total = fooled + matched * self.config.feature_weight;
            let gradients = GradientsParams::from_grads(total.backward(), &self.generator);
            self.generator = self.adam.step(lr, self.generator.clone(), gradients);
        }
        self.real = Some(turn.real);
        parts
    }

    /// Noise uniform on [−1, 1), `[n, latent]`.
    fn noise(&self, n: usize, first: u64, stream: u64) -> Tensor<2> {
        let mut rng = keyed_rng(self.seed, first, 0, stream);
        let values: Vec<f32> = (0..n * self.config.latent).map(|_| rng.random_range(-1.0_f32..1.0)).collect();
        Tensor::from_data(TensorData::new(values, [n, self.config.latent]), &self.device)
    }
}

impl Definition for Marta {
    type Config = MartaConfig;

    const NAME: &'static str = "marta";

    const PRESETS: &'static [Preset] = &[Preset::new(
        "marta",
        "telling real tiles from generated ones",
        "Lin et al. 2017",
        include_str!("../../presets/marta.toml"),
    )];

    fn init(config: MartaConfig, setup: Setup<'_>) -> Box<dyn Method> {
        Box::new(Self::new(config, setup.encoder, setup.seed, setup.device))
    }

    fn needs(_config: &MartaConfig) -> Needs {
        Needs { dates: 1, queue: None, norm_splits: 1, same_ground: false }
    }

    fn outline(config: &MartaConfig, encoder: &EncoderConfig, batch: usize) -> Outline {
        config.outline(encoder, batch)
    }

    fn exported(config: &MartaConfig, bands: usize) -> Exported {
        Exported { discriminator: config.own_discriminator(bands), ..Exported::encoder() }
    }

    fn check(config: &MartaConfig) -> Result<(), String> {
        config.check()
    }

    fn check_inputs(config: &MartaConfig, inputs: &Inputs<'_>) -> Result<(), String> {
        config.check_inputs(inputs)
    }
}

impl Method for Marta {
    fn views(&self) -> ViewSet {
        let view = ViewSpec { slot: 0, recipe: self.config.view.clone() };
        ViewSet { slots: 1, with_replacement: false, views: vec![view] }
    }

    fn begin_step(&mut self, context: &StepContext<'_>) -> anyhow::Result<()> {
        self.step = context.step;
        Ok(())
    }

    fn losses(&mut self, views: Vec<Tensor<4>>) -> Losses {
        let [real]: [Tensor<4>; 1] = views.try_into().expect("marta takes one view");
        let z = self.noise(real.dims()[0], self.step as u64, LATENT);
        self.losses_with(real, z)
    }

    fn end_step(&mut self, lr: f64) -> Vec<(&'static str, Tensor<1>)> {
        self.turn.take().map(|turn| self.train_generator(turn, lr)).unwrap_or_default()
    }

    fn end_epoch(&mut self, loss: f64) -> anyhow::Result<EpochEnd> {
        let tiles = self.generator.valid().forward(self.noise(SHOWN, 0, FIXED), NormMode::Running);
        let [count, bands, px, _] = tiles.dims();
        let of_real = self.real.take().map_or(0.0, spread);
        let spread = spread(tiles.clone()) / of_real.max(f64::MIN_POSITIVE);
        let values = (tiles * 0.5 + 0.5).into_data().convert::<f32>().try_into_vec::<f32>()?;
        let warnings = collapse_warnings(spread, loss);
        Ok(EpochEnd { generated: Some(Generated { values, count, bands, px, spread }), warnings })
    }

    fn query(&self) -> &Network {
        &self.discriminator
    }

    fn set_query(&mut self, network: Network) {
        self.discriminator = network;
    }

    fn state(&self) -> Vec<NamedTensor> {
        let mut state = module_state(&self.generator, GENERATOR);
        state.extend(self.adam.state(ADAM));
        state
    }

    fn restore(&mut self, state: &TensorMap) -> anyhow::Result<()> {
        self.generator = restore_module(self.generator.clone(), GENERATOR, state)?;
        self.adam.restore(ADAM, state, &self.device);
        Ok(())
    }
}

/// Mean standard deviation over the tiles, of every pixel of every band.
fn spread(tiles: Tensor<4>) -> f64 {
    let variance = (tiles.clone() - tiles.mean_dim(0)).powi_scalar(2).mean_dim(0);
    f64::from(variance.sqrt().mean().into_scalar::<f32>())
}

/// What is wrong, if anything: `spread` is that of generated tiles over that of real ones, `loss` the discriminator's
/// mean over an epoch.
fn collapse_warnings(spread: f64, loss: f64) -> Vec<String> {
    let mut warnings = Vec::new();
    if spread < LEAST_SPREAD {
        warnings.push(format!(
            "the generator has collapsed: its tiles differ {:.0} % as much as real ones (warned of below {:.0} %)",
            100.0 * spread,
            100.0 * LEAST_SPREAD
        ));
    }
    if loss < LEAST_LOSS {
        warnings.push(format!(
            "the discriminator is always right (mean loss {loss:.3}, warned of below {LEAST_LOSS}): the generator has \
             nothing to learn from"
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collapse_is_warned_of_and_nothing_else() {
        assert!(collapse_warnings(1.0, 2.0 * std::f64::consts::LN_2).is_empty());
        let alike = collapse_warnings(0.05, 1.0);
        assert!(alike.len() == 1 && alike[0].contains("differ 5 % as much"), "{alike:?}");
        let beaten = collapse_warnings(0.5, 0.001);
        assert!(beaten.len() == 1 && beaten[0].contains("mean loss 0.001"), "{beaten:?}");
        assert_eq!(collapse_warnings(0.0, 0.0).len(), 2);
    }

    #[test]
    fn spread_is_the_mean_deviation_of_a_pixel() {
        // Two tiles of two pixels: deviations 1 and 3.
        let tiles =
            Tensor::<4>::from_data(TensorData::new(vec![0.0_f32, 1.0, 2.0, 7.0], [2, 1, 1, 2]), &Device::flex());
        assert!((spread(tiles) - 2.0).abs() < 1e-6);
        assert!(spread(Tensor::ones([4, 1, 2, 2], &Device::flex())) < 1e-9);
    }
}
