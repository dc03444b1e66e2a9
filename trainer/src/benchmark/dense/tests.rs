//! Decoders against PyTorch (`tests/reference/fine_tune.py`), and a whole training on made-up changes.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use serde_json::Value;
use shared::encoder::{Architecture, EncoderConfig, NormMode, Stem, load_module, module_tensors, tensor_name};
use shared::preprocess::Normalisation;
use shared::tile::Tile;

use super::super::golden::{assert_digest, patterned, uniform};
use super::decoder::Decoder;
use super::loss::pixel_loss;
use super::network::{TrunkPart, weights};
use super::train::Fitted;
use super::*;
use crate::eval::Thresholds;
use crate::parts::initialise::random_encoder;
use crate::parts::read;

struct Gradients<'a> {
    path: Vec<String>,
    gradients: &'a GradientsParams,
    expected: &'a Value,
    seen: usize,
}

impl ModuleVisitor for Gradients<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = tensor_name(&self.path);
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            // Batch statistics amplify rounding on the way back.
            assert_digest(&name, &read(gradient), &self.expected[&name], 1e-3);
            self.seen += 1;
        }
    }
}

#[test]
fn decoders_and_their_gradients_are_pytorchs() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../../../tests/numerics/goldens/decoder.json")).unwrap();
    assert_eq!(cases.len(), 4);
    let plain = Device::flex();
    let tracked = plain.clone().autodiff();
    for case in &cases {
        let kind = if case["kind"] == "unet" { DecoderKind::Unet } else { DecoderKind::Tiny(6) };
        let outputs = case["classes"].as_u64().unwrap() as usize;
        let decoder = Decoder::random(kind, &[8, 12, 16], outputs, 0, &tracked);
        let decoder = load_module(decoder.clone(), &patterned(&module_tensors(&decoder)));
        assert_eq!(weights(&decoder) as u64, case["parameters"].as_u64().unwrap());
        let map = |(at, (c, [h, w])): (usize, (usize, [usize; 2]))| {
            let values = uniform(&format!("map {at}"), 2 * c * h * w);
            relu(Tensor::<4>::from_data(TensorData::new(values, [2, c, h, w]), &plain)).autodiff()
        };
        let maps = [(8, [7, 9]), (12, [4, 5]), (16, [2, 3])].into_iter().enumerate().map(map).collect();
        let logits = decoder.forward(maps, [13, 18], NormMode::Batch { splits: 1 });
        assert_digest("logits", &read(logits.clone().without_autodiff()), &case["logits"], 1e-4);
        let classes = case["target"].as_array().unwrap().iter();
        let classes: Vec<u8> = classes.map(|class| u8::try_from(class.as_i64().unwrap()).unwrap_or(IGNORED)).collect();
        let loss = pixel_loss(logits, &classes);
        let expected = case["loss"].as_f64().unwrap();
        let found = f64::from(read(loss.clone().without_autodiff())[0]);
        assert!((found - expected).abs() < 1e-5 * expected, "{found} is not {expected}");
        let gradients = GradientsParams::from_grads(loss.backward(), &decoder);
        let expected = &case["gradients"];
        let mut visitor = Gradients { path: Vec::new(), gradients: &gradients, expected, seen: 0 };
        decoder.visit(&mut visitor);
        assert_eq!(visitor.seen, expected.as_object().unwrap().len());
    }
}

#[test]
fn a_patch_without_classes_costs_nothing() {
    let logits = |outputs: usize| Tensor::<4>::ones([1, outputs, 2, 2], &Device::flex()) * 90.0;
    for outputs in [1, 3] {
        assert_eq!(read(pixel_loss(logits(outputs), &[IGNORED; 4]))[0], 0.0);
    }
    assert!((read(pixel_loss(logits(1), &[0, IGNORED, IGNORED, IGNORED]))[0] - 90.0).abs() < 1e-4);
    assert!((read(pixel_loss(logits(3), &[2; 4]))[0] - 3.0_f32.ln()).abs() < 1e-5);
}

/// Before and after of a ground of noise; a bright square appears.
fn scene(row: usize) -> Scene {
    let noise = |at: usize, salt: usize| ((at * 7919 + salt * 104_729 + row * 31) % 97) as f32 / 970.0 + 0.3;
    let (top, left) = (row * 11 % 20, row * 7 % 20);
    let is_new = |at: usize| (top..top + 12).contains(&(at / 32)) && (left..left + 12).contains(&(at % 32));
    let picture = |salt: usize, changed: bool| {
        let value = |at: usize| noise(at % 1024, salt) + if changed && is_new(at % 1024) { 0.3 } else { 0.0 };
        Tile::new(3, 32, 32, (0..3072).map(value).collect()).unwrap()
    };
    let classes = (0..1024).map(|at| if at % 32 == 31 { IGNORED } else { u8::from(is_new(at)) }).collect();
    Scene { pictures: vec![picture(1, false), picture(2, true)], classes }
}

fn items() -> Vec<Item> {
    let item = |row: usize| Item {
        name: row.to_string(),
        id: row.to_string(),
        part: None,
        pictures: Vec::new(),
        mask: "".into(),
    };
    (0..8).map(item).collect()
}

fn run(config: &DenseConfig, folder: &std::path::Path, with_encoder: bool) -> (Fitted, f64) {
    let items = items();
    let store = Store::new(&items, |item| Ok(scene(item.id.parse()?)));
    let device = Device::flex();
    let tracked = device.clone().autodiff();
    let normalisation = Normalisation::new(vec![0.4; 3], vec![0.15; 3]).unwrap();
    let encoder = EncoderConfig { architecture: Architecture::CompactXs, stem: Stem::Small, bands: 3 };
    let encoder = with_encoder.then(|| random_encoder(&encoder, 1, &tracked));
    let network = DenseNetwork::new(encoder, 3, config.decoder, 1, 5, &tracked);
    let data = DenseData { store: &store, train: &[0, 1, 2, 3, 4], normalisation: &normalisation };
    let f1_of = |network: &DenseNetwork, rows: &[usize]| {
        let mut counts = Thresholds::default();
        for &row in rows {
            let scene = store.scene(row)?;
            let found = probabilities(network, 1, &scene, &normalisation, config.window_px, &device)?;
            let truth = |class: u8| (class != IGNORED).then_some(class == 1);
            scene.classes.iter().zip(found).for_each(|(class, found)| counts.add(truth(*class), found));
        }
        Ok(counts.at(0.5).f1.unwrap_or(0.0))
    };
    let mut validate = |network: &DenseNetwork| f1_of(network, &[5]);
    let fitted = fit(network, &data, config, folder, 3, &device, &mut validate, &mut |_, _, _| {}).unwrap();
    let score = f1_of(&fitted.network, &[6, 7]).unwrap();
    (fitted, score)
}

fn small(decoder: DecoderKind, trunk: TrunkPart, epochs: usize) -> DenseConfig {
    DenseConfig {
        trunk,
        epochs,
        patience: 0,
        batch: 4,
        patch_px: 32,
        window_px: 24,
        learning_rate: 1e-2,
        ..DenseConfig::frozen(decoder)
    }
}

#[test]
fn squares_that_appear_are_found_and_a_stop_changes_nothing() {
    let [whole, parts] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let config = small(DecoderKind::Tiny(8), TrunkPart::Frozen, 12);
    let (at_once, score) = run(&config, whole.path(), true);
    assert!(score > 0.7, "F1 {score}, validation {:?}", at_once.validation);
    drop(parts);
    // The rate of the schedule depends on how many epochs there will be.
    let constant = DenseConfig { schedule: crate::engine::schedule::Schedule::Constant, ..config };
    let [whole, parts] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (at_once, score) = run(&constant, whole.path(), true);
    run(&DenseConfig { epochs: 5, ..constant.clone() }, parts.path(), true);
    let (gone_on, again) = run(&constant, parts.path(), true);
    assert_eq!((at_once.validation, at_once.epoch, score), (gone_on.validation, gone_on.epoch, again));
}

#[test]
fn plain_differences_and_every_part_of_a_trunk_can_be_trained() {
    let folder = || tempfile::tempdir().unwrap();
    let (_, score) = run(&small(DecoderKind::Unet, TrunkPart::Frozen, 10), folder().path(), false);
    assert!(score > 0.5, "plain differences: {score}");
    for trunk in [TrunkPart::StatisticsOnly, TrunkPart::Whole] {
        let (fitted, _) = run(&small(DecoderKind::Unet, trunk, 2), folder().path(), true);
        let encoder = EncoderConfig { architecture: Architecture::CompactXs, stem: Stem::Small, bands: 3 };
        let before = module_tensors(&random_encoder(&encoder, 1, &Device::flex()));
        let after = module_tensors(&fitted.network);
        for (name, tensor) in &before {
            let is_same = after[&format!("encoder.{name}")].values == tensor.values;
            let may_change = trunk == TrunkPart::Whole || name.contains("running_");
            assert_eq!(is_same, !may_change, "{trunk:?}: {name}");
        }
    }
}
