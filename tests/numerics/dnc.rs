//! Divide and Contrast's numbers against PyTorch: MoCLR with LARS and its rising momentum, and the distillation loss.

use crate::devices::tested;
use crate::pattern::{assert_digest, assert_digest_in_norm, golden, uniform, weight, weights};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use shared::encoder::{Architecture, EncoderConfig, Stem, module_tensors};
use shared::tensors::{NamedTensor, TensorMap, into_map};
use trainer::engine::optimiser::{Sgd, SgdConfig};
use trainer::methods::{
    Distill, DistillConfig, Layer, Losses, Method, Moclr, MoclrConfig, StepContext, Targets, Teacher, Teachers,
};
use trainer::views::Recipe;

const N: usize = 8;
const PX: usize = 32;
const HIDDEN: usize = 32;
const DIM: usize = 16;
const ENCODER: EncoderConfig = EncoderConfig { architecture: Architecture::CompactXs, stem: Stem::Small, bands: 3 };

/// Puts the golden's weights into a method, under every one of `sides`.
fn pattern(method: &mut dyn Method, sides: &[&str]) {
    let mut state = TensorMap::new();
    for (name, tensor) in module_tensors(method.query()) {
        let values = weight(&format!("query.{name}"), &tensor.shape);
        for side in sides {
            let name = format!("{side}.{name}");
            state.insert(name.clone(), NamedTensor { name, shape: tensor.shape.clone(), values: values.clone() });
        }
    }
    let query = method.query().clone().restore("query", &state).unwrap();
    method.set_query(query);
    method.restore(&state).unwrap();
}

fn view(name: &str) -> Tensor<4> {
    let values = uniform(name, N * 3 * PX * PX);
    Tensor::from_data(TensorData::new(values, [N, 3, PX, PX]), &tested())
}

fn optimise(method: &mut dyn Method, optimiser: &mut Sgd, losses: &Losses, lr: f64) {
    let network = method.query().clone();
    let gradients = GradientsParams::from_grads(losses.total.backward(), &network);
    let network = optimiser.step(lr, network, gradients);
    method.set_query(network);
}

fn assert_parts(what: &str, losses: &Losses, expected: &serde_json::Value, tolerance: f64) {
    let expected: Vec<f64> = expected.as_array().unwrap().iter().map(|loss| loss.as_f64().unwrap()).collect();
    assert_eq!(losses.parts.len(), expected.len());
    for ((name, loss), expected) in losses.parts.iter().zip(expected) {
        let found = f64::from(loss.clone().into_scalar::<f32>());
        assert!((found - expected).abs() < tolerance * expected, "{what} {name}: {found} is not {expected}");
    }
}

fn moclr_config() -> MoclrConfig {
    MoclrConfig {
        temperature: 0.1,
        momentum: 0.9,
        hidden: HIDDEN,
        dim: DIM,
        norm_splits: 1,
        temporal: false,
        view: Recipe::default(),
        other_view: Recipe::default(),
    }
}

#[test]
fn three_moclr_steps_with_lars_are_pytorchs() {
    let mut moclr = Moclr::new(moclr_config(), &ENCODER, 0, &tested());
    pattern(&mut moclr, &["query", "target"]);
    let mut optimiser = Sgd::new(SgdConfig { momentum: 0.9, weight_decay: 1e-2, lars: 0.02 });
    let places: Vec<(usize, usize)> = (0..N).map(|place| (0, place)).collect();
    for (step, expected) in golden("dnc")["moclr"]["steps"].as_array().unwrap().iter().enumerate() {
        moclr.begin_step(&StepContext { step, total_steps: 3, places: &places, dates: &[] }).unwrap();
        let losses = moclr.losses((0..2).map(|v| view(&format!("moclr{step}.view{v}"))).collect());
        // Rounding grows over the steps: each passes through statistics of eight samples and a temperature of 0.1.
        let tolerance = [1e-3, 5e-3, 2e-2][step];
        assert_parts(&format!("step {step}"), &losses, &expected["losses"], tolerance);
        let total = f64::from(losses.total.clone().without_autodiff().into_scalar::<f32>());
        let parts: f64 = losses.parts.iter().map(|(_, loss)| f64::from(loss.clone().into_scalar::<f32>())).sum();
        assert!((total - parts / 2.0).abs() < 1e-5, "the mean of both directions");
        optimise(&mut moclr, &mut optimiser, &losses, 0.5);
        let (velocity, target) = (into_map(optimiser.state()), into_map(moclr.state()));
        for (name, digest) in expected["velocity"].as_object().unwrap() {
            let found = &velocity[&format!("velocity.{name}")].values;
            assert_digest_in_norm(&format!("step {step} velocity {name}"), found, digest, 10.0 * tolerance, 1e-4);
        }
        for (name, digest) in expected["target"].as_object().unwrap() {
            let found = &target[&format!("target.{name}")].values;
            assert_digest(&format!("step {step} target {name}"), found, digest, tolerance, 1e-3);
        }
    }
}

#[test]
fn lars_brings_each_kernel_to_its_trust_and_leaves_shifts_alone() {
    // Closed form: without momentum every matrix moves by lr · trust · its own length, whatever the gradient's.
    let mut moclr = Moclr::new(moclr_config(), &ENCODER, 3, &tested());
    let before = module_tensors(moclr.query());
    let mut optimiser = Sgd::new(SgdConfig { momentum: 0.0, weight_decay: 0.0, lars: 0.01 });
    let losses = moclr.losses(vec![view("a"), view("b")]);
    optimise(&mut moclr, &mut optimiser, &losses, 0.5);
    let length = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    for (name, after) in module_tensors(moclr.query()) {
        let before = &before[&name];
        if before.shape.len() < 2 {
            continue;
        }
        let pairs = before.values.iter().zip(&after.values);
        let moved = length(&mut pairs.map(|(a, b)| f64::from(a - b)));
        let own = length(&mut before.values.iter().map(|&value| f64::from(value)));
        assert!((moved - 0.005 * own).abs() < 1e-3 * 0.005 * own, "{name}: {moved} of {own}");
    }
}

fn distillation(targets: Targets) -> Distill {
    let config = DistillConfig {
        teacher: "unused".into(),
        experts: Vec::new(),
        clusters: "".into(),
        layer: Layer::Features,
        targets,
        centre_px: PX,
        hidden: HIDDEN,
        dim: DIM,
        base_weight: 1.0,
        expert_weight: 1.0,
        norm_splits: 1,
        view: Recipe::default(),
    };
    let teacher = |index: usize| {
        let named = weights(ENCODER.tensor_shapes(false), &format!("teacher{index}."));
        let encoder = ENCODER.init(&tested()).load_named(&named).unwrap();
        Teacher { encoder, head: None, width: 192 }
    };
    let clusters = [0, 1, 0, 0, 1, 1, 0, 1].into_iter().enumerate().map(|(place, cluster)| ((0, place), cluster));
    let teachers = Teachers { networks: (0..3).map(teacher).collect(), clusters: clusters.collect() };
    let mut distill = Distill::new(config, teachers, &ENCODER, 0, &tested());
    pattern(&mut distill, &["query"]);
    distill
}

fn check_distillation(distill: &mut Distill) {
    let golden = &golden("dnc")["distill"];
    let places: Vec<(usize, usize)> = (0..N).map(|place| (0, place)).collect();
    distill.begin_step(&StepContext { step: 0, total_steps: 1, places: &places, dates: &[] }).unwrap();
    let losses = distill.losses(vec![view("distill.view")]);
    assert_parts("distill", &losses, &golden["losses"], 1e-3);
    let mut optimiser = Sgd::new(SgdConfig { momentum: 0.9, weight_decay: 0.0, lars: 0.0 });
    optimise(distill, &mut optimiser, &losses, 0.1);
    // The first velocity is the gradient.
    let gradients = into_map(optimiser.state());
    for (name, digest) in golden["gradients"].as_object().unwrap() {
        let found = &gradients[&format!("velocity.{name}")].values;
        // The floor: a shift before a batch normalisation has no gradient but rounding.
        assert_digest_in_norm(name, found, digest, 5e-3, 1e-2);
    }
}

#[test]
fn a_distillation_step_is_pytorchs() {
    check_distillation(&mut distillation(Targets::View));
}

#[test]
fn stored_targets_are_those_of_the_view_they_were_made_of() {
    let mut distill = distillation(Targets::Centre);
    let places: Vec<(usize, usize)> = (0..N).map(|place| (0, place)).collect();
    let mut embed = |px: usize, encode: &trainer::methods::Encode<'_>| {
        assert_eq!(px, PX);
        let rows = encode(view("distill.view"));
        let [_, width] = rows.dims();
        let values = rows.into_data().try_into_vec::<f32>().unwrap();
        Ok(trainer::methods::PlaceFeatures { values, width, is_known: vec![true; N] })
    };
    let mut context = trainer::methods::EpochContext {
        epoch: 0,
        is_begun: false,
        samples: N,
        places: &places,
        px: 16,
        embed: &mut embed,
    };
    distill.begin_epoch(&mut context).unwrap();
    check_distillation(&mut distill);
}
