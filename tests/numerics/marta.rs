//! MARTA GANs' numbers against PyTorch: one turn of the discriminator and two of the generator, with Adam.

use crate::devices::tested;
use crate::pattern::{assert_digest, assert_digest_in_norm, golden, uniform, weight};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use serde_json::Value;
use shared::encoder::{Architecture, EncoderConfig, NormMode, Stem, module_tensors};
use shared::tensors::{NamedTensor, TensorMap, into_map};
use trainer::engine::optimiser::{Optimiser, OptimiserConfig};
use trainer::methods::{DiscriminatorConfig, GeneratorShape, Marta, MartaConfig, MartaTrunk, Method};
use trainer::parts::AdamConfig;
use trainer::views::Recipe;

const N: usize = 8;
const PX: usize = 32;
const LATENT: usize = 6;
const LR: f64 = 1e-2;
/// A large epsilon: with a small one Adam's first steps are signs, of rounding too.
const ADAM: AdamConfig = AdamConfig { beta1: 0.5, beta2: 0.999, epsilon: 1e-2 };
const ENCODER: EncoderConfig = EncoderConfig { architecture: Architecture::CompactXs, stem: Stem::Small, bands: 3 };

/// The golden's weights in both networks.
fn marta(discriminator: MartaTrunk, generator_updates: usize) -> Marta {
    let config = MartaConfig {
        px: PX,
        discriminator,
        latent: LATENT,
        generator_width: 16,
        generator_updates,
        feature_weight: 0.01,
        generator_adam: ADAM,
        view: Recipe::default(),
    };
    let mut marta = Marta::new(config, &ENCODER, 0, &tested());
    let named = |name: String, shape: Vec<usize>| {
        let values = weight(&name, &shape);
        (name.clone(), NamedTensor { name, shape, values })
    };
    let mut state: TensorMap = marta.state().into_iter().map(|tensor| named(tensor.name, tensor.shape)).collect();
    state.extend(
        module_tensors(marta.query()).into_values().map(|tensor| named(format!("query.{}", tensor.name), tensor.shape)),
    );
    let query = marta.query().clone().restore("query", &state).unwrap();
    marta.set_query(query);
    marta.restore(&state).unwrap();
    marta
}

fn tensor<const D: usize>(name: &str, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(uniform(name, shape.iter().product()), shape), &tested())
}

fn assert_losses(what: &str, parts: &[(&str, Tensor<1>)], expected: &Value, tolerance: f64) {
    let expected: Vec<f64> = expected.as_array().unwrap().iter().map(|loss| loss.as_f64().unwrap()).collect();
    assert_eq!(parts.len(), expected.len());
    for ((name, loss), expected) in parts.iter().zip(expected) {
        let found = f64::from(loss.clone().into_scalar::<f32>());
        assert!((found - expected).abs() < tolerance * expected, "{what} {name}: {found} is not {expected}");
    }
}

/// `floor` is below what counts: shifts before a batch normalisation have no gradient but rounding.
fn assert_gradients(what: &str, moments: &TensorMap, prefix: &str, expected: &Value, tolerance: f64) {
    for (name, digest) in expected.as_object().unwrap() {
        let mean = &moments[&format!("{prefix}.mean.{name}")].values;
        // The first mean of gradients is (1 − β₁) of the gradient.
        let gradient: Vec<f32> = mean.iter().map(|value| value / (1.0 - ADAM.beta1) as f32).collect();
        assert_digest_in_norm(&format!("{what} {name}"), &gradient, digest, tolerance, 1e-4);
    }
}

fn assert_weights(what: &str, found: &TensorMap, prefix: &str, expected: &Value, tolerance: f64) {
    for (name, digest) in expected.as_object().unwrap() {
        let found = &found[&format!("{prefix}{name}")].values;
        assert_digest(&format!("{what} {name}"), found, digest, tolerance, 1e-3);
    }
}

fn check(trunk: MartaTrunk, name: &str) {
    let golden = &golden("marta")[name];
    for updates in [1, 2] {
        let mut marta = marta(trunk, updates);
        let mut optimiser = Optimiser::new(OptimiserConfig::Adam(ADAM));
        let losses = marta.losses_with(tensor("marta.real", [N, 3, PX, PX]), tensor("marta.z", [N, LATENT]));
        assert_losses(name, &losses.parts, &golden["discriminator"], 1e-4);
        let gradients = GradientsParams::from_grads(losses.total.backward(), marta.query());
        let network = optimiser.step(LR, marta.query().clone(), gradients);
        marta.set_query(network);
        let moments = into_map(optimiser.state());
        assert_gradients(name, &moments, "adam", &golden["discriminator_gradients"], 2e-3);
        let after = into_map(marta.query().state("query"));
        assert_weights(name, &after, "query.", &golden["discriminator_after"], 1e-3);

        let parts = marta.end_step(LR);
        let expected = &golden["updates"][updates - 1];
        let what = format!("{name}, update {updates}");
        assert_losses(&what, &parts, &expected["losses"], 1e-3 * updates as f64);
        let state = into_map(marta.state());
        if updates == 1 {
            assert_gradients(&what, &state, "generator-adam", &expected["gradients"], 5e-3);
        }
        assert_weights(&what, &state, "generator.", &expected["after"], 2e-3 * updates as f64);
        // The generator's turn leaves the discriminator as it was, its running statistics included.
        assert!(into_map(marta.query().state("query")) == after);
    }
}

#[test]
fn a_step_with_the_papers_discriminator_is_pytorchs() {
    check(MartaTrunk::Paper, "paper");
}

#[test]
fn a_step_with_an_encoder_as_trunk_is_pytorchs() {
    check(MartaTrunk::Encoder, "encoder");
}

#[test]
fn generated_tiles_are_pytorchs() {
    let golden = &golden("marta")["paper"]["tiles"];
    let shape = GeneratorShape { latent: LATENT, width: 16, px: PX, bands: 3 };
    let empty = shape.random(0, &tested());
    let named = module_tensors(&empty).into_values().map(|tensor| {
        let values = weight(&format!("generator.{}", tensor.name), &tensor.shape);
        (tensor.name.clone(), NamedTensor { values, ..tensor })
    });
    let generator = shared::encoder::load_module(empty, &named.collect());
    let tiles = generator.forward(tensor("marta.z", [N, LATENT]), NormMode::Batch { splits: 1 });
    assert_eq!(tiles.dims(), [N, 3, PX, PX]);
    assert_digest("tiles", &tiles.into_data().try_into_vec::<f32>().unwrap(), golden, 1e-4, 1e-3);
}

#[test]
fn sizes_are_the_papers() {
    let device = tested();
    for (px, convs, width) in [(64, 4, 3_584), (128, 5, 7_168), (256, 6, 14_336)] {
        let config = DiscriminatorConfig { px, bands: 3 };
        let channels: Vec<usize> = [3, 16, 32, 64, 128, 256, 512][..=convs].to_vec();
        assert_eq!((config.channels(), config.fused_width()), (channels, width));
        let discriminator = config.random(0, &device);
        let features = discriminator.fused(Tensor::zeros([1, 3, px, px], &device), NormMode::Running);
        assert_eq!(features.dims(), [1, width]);
        let count = |tensors: TensorMap| -> usize {
            let own = tensors.into_values().filter(|tensor| !tensor.name.contains("running_"));
            own.map(|tensor| tensor.values.len()).sum()
        };
        assert_eq!(count(module_tensors(&discriminator)), config.parameter_count());
        let shape = GeneratorShape { latent: 100, width: 512, px, bands: 3 };
        let whole: &[usize] = &[512, 256, 128, 64, 32, 16];
        assert_eq!(shape.channels(), [&whole[..convs], &[3]].concat());
        assert_eq!(count(module_tensors(&shape.random(0, &device))), shape.parameter_count());
    }
}

#[test]
fn an_encoders_fusion_layer_has_the_width_it_says() {
    let device = tested();
    for (architecture, stem, px) in [
        (Architecture::CompactXs, Stem::Small, 64),
        (Architecture::CompactXs, Stem::Imagenet, 64),
        (Architecture::Resnet18, Stem::Imagenet, 64),
        (Architecture::Resnet18, Stem::Small, 32),
    ] {
        let encoder = EncoderConfig { architecture, stem, bands: 3 };
        let config = MartaConfig {
            px,
            discriminator: MartaTrunk::Encoder,
            latent: 4,
            generator_width: 16,
            generator_updates: 1,
            feature_weight: 1.0,
            generator_adam: ADAM,
            view: Recipe::default(),
        };
        let width = config.fused_width(&encoder);
        let marta = Marta::new(config, &encoder, 0, &device);
        let x = Tensor::<4>::zeros([1, 3, px, px], &device).autodiff();
        assert_eq!(marta.query().fused(x, NormMode::Running).dims(), [1, width], "{architecture} {stem} {px}");
    }
}
