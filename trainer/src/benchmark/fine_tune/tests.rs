//! Fine-tuning against PyTorch (`tests/reference/fine_tune.py`), and its going on after a stop.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use serde_json::Value;
use shared::bands::Bands;
use shared::encoder::{Architecture, EncoderConfig, NormMode, Stem, load_module, module_tensors};
use shared::preprocess::Normalisation;
use shared::tile::Tile;

use super::super::golden::{assert_digest, patterned, uniform};
use super::config::Encoder as TunedPart;
use super::epoch::step;
use super::network::TunedNetwork;
use super::train::Tuned;
use super::*;
use crate::engine::schedule::Schedule;
use crate::parts::initialise::random_encoder;
use crate::parts::{Adam, AdamConfig, read};
use crate::views::{PixelRange, Recipe, Transform};

fn config() -> EncoderConfig {
    EncoderConfig { architecture: Architecture::CompactXs, stem: Stem::Small, bands: 3 }
}

fn input(name: &str, n: usize) -> Tensor<4> {
    Tensor::from_data(TensorData::new(uniform(name, n * 3 * 32 * 32), [n, 3, 32, 32]), &Device::flex())
}

#[test]
fn two_steps_are_pytorchs() {
    let golden: Value =
        serde_json::from_str(include_str!("../../../../tests/numerics/goldens/fine-tune.json")).unwrap();
    let tracked = Device::flex().autodiff();
    let network = TunedNetwork::new(config().init(&tracked), 5, 0, &tracked);
    let mut network = load_module(network.clone(), &patterned(&module_tensors(&network)));
    let recipe = FineTuneConfig { label_smoothing: 0.1, layer_decay: 0.75, ..FineTuneConfig::ours() };
    let mut optimiser = Adam::decayed(AdamConfig::PYTORCH, 0.05);
    for at in 0..2 {
        let labels = [0, 1, 2, 3, 4, at];
        let (next, loss) = step(network, &mut optimiser, input(&format!("input {at}"), 6), &labels, &recipe, 2e-3);
        network = next;
        let expected = golden["losses"][at].as_f64().unwrap();
        assert!((f64::from(read(loss)[0]) - expected).abs() < 1e-4 * expected, "loss of step {at}");
    }
    let tensors = module_tensors(&network);
    for (name, digest) in golden["tensors"].as_object().unwrap() {
        // Adam's first steps are the rate times the sign of a gradient, which rounding decides where it is next to nothing:
        // such a weight differs by 4e-3 at the most, of weights of order 0.1 to 1.
        assert_digest(name, &tensors[name].values, digest, 5e-3);
    }
    let logits = read(network.valid().logits(input("input 9", 4), NormMode::Running));
    for (found, expected) in logits.iter().zip(golden["logits"].as_array().unwrap()) {
        assert!((f64::from(*found) - expected.as_f64().unwrap()).abs() < 5e-3, "{found} is not {expected}");
    }
}

#[test]
fn layers_are_counted_from_the_head() {
    let depth = |name: &str| TunedNetwork::depth(name, 3);
    assert_eq!(["head.weight", "encoder.layer3.0.conv1.weight", "encoder.layer1.0.bn1.bias"].map(depth), [0, 1, 3]);
    assert_eq!(depth("encoder.conv1.weight"), 4);
    assert_eq!(TunedNetwork::depth("encoder.layer4.1.bn2.bias", 4), 1);
}

/// Two classes, told apart by the way their stripes run.
fn striped(row: usize) -> Tile {
    let value = |at: usize| {
        let (y, x) = (at % 256 / 16, at % 16);
        let along = if row.is_multiple_of(2) { x } else { y };
        let noise = (at * 31 + row * 17) % 23;
        (if along % 4 < 2 { 0.6 } else { 0.3 }) + noise as f32 / 100.0
    };
    Tile::new(3, 16, 16, (0..768).map(value).collect()).unwrap()
}

fn recipe(part: TunedPart, epochs: usize) -> FineTuneConfig {
    FineTuneConfig {
        encoder: part,
        epochs,
        patience: 0,
        batch: 8,
        learning_rate: 3e-3,
        schedule: Schedule::Constant,
        view: Recipe(vec![Transform::FlipHorizontal { p: 0.5 }]),
        ..FineTuneConfig::ours()
    }
}

fn run(part: TunedPart, epochs: usize, folder: &std::path::Path) -> Tuned {
    let device = Device::flex();
    let normalisation = Normalisation::new(vec![0.45; 3], vec![0.2; 3]).unwrap();
    let labels: Vec<usize> = (0..48).map(|row| row % 2).collect();
    let rows: Vec<usize> = (0..48).collect();
    let bands = Bands::rgb();
    let data = Labelled {
        read: &|row| Ok(striped(row)),
        labels: &labels,
        classes: 2,
        train: &rows[..24],
        validation: &rows[24..32],
        test: &rows[32..],
        px: 16,
        normalisation: &normalisation,
        band_names: &bands,
        range: PixelRange::Display,
    };
    let encoder = random_encoder(&config(), 1, &device.clone().autodiff());
    fine_tune(encoder, &data, &recipe(part, epochs), folder, 7, &device, |_, _, _| {}).unwrap()
}

#[test]
fn stripes_are_learned_and_a_stop_changes_nothing() {
    let [whole, parts] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let at_once = run(TunedPart::Whole, 5, whole.path());
    let right = at_once.predictions.iter().enumerate().filter(|(at, class)| at % 2 == **class).count();
    assert!(right >= 14, "{right} of 16 right; validation {:?}", at_once.validation);
    run(TunedPart::Whole, 2, parts.path());
    let gone_on = run(TunedPart::Whole, 5, parts.path());
    assert_eq!(gone_on.validation, at_once.validation);
    assert_eq!(gone_on.predictions, at_once.predictions);
    let values = |tuned: &Tuned| tuned.network.iter().map(|tensor| tensor.values.clone()).collect::<Vec<_>>();
    assert_eq!(values(&gone_on), values(&at_once));
}

#[test]
fn only_statistics_of_a_frozen_encoder_change() {
    let folder = tempfile::tempdir().unwrap();
    let tuned = run(TunedPart::StatisticsOnly, 1, folder.path());
    let before = module_tensors(&random_encoder(&config(), 1, &Device::flex()));
    for tensor in tuned.network.iter().filter(|tensor| tensor.name.starts_with("encoder.")) {
        let own = &before[tensor.name.trim_start_matches("encoder.")];
        let is_statistic = tensor.name.contains("running_");
        assert_eq!(own.values == tensor.values, !is_statistic, "{}", tensor.name);
    }
}
