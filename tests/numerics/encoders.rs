//! Encoders against torchvision: inference, training mode with its buffers, and every gradient.

use crate::devices::tested;
use crate::pattern::{assert_digest, assert_digest_in_norm, golden, uniform, weight, weights};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use shared::encoder::{Architecture, EncoderConfig, NormMode, Pooling, Stem, module_tensors, tensor_name};
use std::collections::BTreeMap;

/// Forward passes: single precision over up to 53 layers.
const FORWARD: f64 = 1e-4;
/// Gradients: batch statistics amplify rounding on the way back.
const GRADIENT: f64 = 1e-3;
/// Reads the gradient of every parameter under its dotted name.
struct Gradients<'a> {
    path: Vec<String>,
    gradients: &'a GradientsParams,
    found: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor for Gradients<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let name = tensor_name(&self.path);
            self.found.insert(name, gradient.into_data().try_into_vec().unwrap());
        }
    }
}

fn check(file: &str, architecture: Architecture, stem: Stem, bias_shift: f32) {
    let golden = golden(file);
    let px = golden["px"].as_u64().unwrap() as usize;
    let config = EncoderConfig { architecture, stem, bands: 3 };
    let mut weights = weights(config.tensor_shapes(false), "");
    // See `fill` in patterns.py: keeps the activations of a deep network away from where a ReLU bends.
    let shifts = weights.values_mut().filter(|tensor| tensor.name.contains("bn") && tensor.name.ends_with("bias"));
    shifts.for_each(|tensor| tensor.values.iter_mut().for_each(|value| *value += bias_shift));
    let device = tested();
    let input = || TensorData::new(uniform("input", 4 * 3 * px * px), [4, 3, px, px]);

    let plain = config.init(&device).load_named(&weights).unwrap();
    let features = |tensor: Tensor<2>| tensor.into_data().try_into_vec::<f32>().unwrap();
    let inference = features(plain.forward(Tensor::from_data(input(), &device), NormMode::Running));
    assert_digest("inference", &inference, &golden["inference"], FORWARD, 0.0);

    // Folding is the same function.
    let folded = features(plain.fold().forward(Tensor::from_data(input(), &device), NormMode::Running));
    assert_digest("folded", &folded, &golden["inference"], FORWARD, 0.0);

    // A key encoder, without autodiff, uses batch statistics too.
    let key = features(plain.forward(Tensor::from_data(input(), &device), NormMode::Batch { splits: 1 }));
    assert_digest("key", &key, &golden["training"], FORWARD, 0.0);

    let device = device.autodiff();
    let encoder = config.init(&device).load_named(&weights).unwrap();
    let x = Tensor::<4>::from_data(input(), &device).require_grad();
    let output = encoder.forward(x.clone(), NormMode::Batch { splits: 1 });
    assert_digest("training", &features(output.clone()), &golden["training"], FORWARD, 0.0);
    let cotangent = uniform("cotangent", output.dims().iter().product());
    let cotangent = Tensor::<2>::from_data(TensorData::new(cotangent, output.dims()), &device);
    let gradients = (output * cotangent).sum().backward();
    let own = x.grad(&gradients).unwrap().into_data().try_into_vec::<f32>().unwrap();
    assert_digest_in_norm("input gradient", &own, &golden["input_gradient"], GRADIENT, 0.0);

    let gradients = GradientsParams::from_grads(gradients, &encoder);
    let mut reader = Gradients { path: Vec::new(), gradients: &gradients, found: BTreeMap::new() };
    encoder.visit(&mut reader);
    let expected = golden["gradients"].as_object().unwrap();
    assert_eq!(reader.found.keys().collect::<Vec<_>>().len(), expected.len(), "parameters with gradients");
    for (name, digest) in expected {
        let found = reader.found.get(name).unwrap_or_else(|| panic!("{name} has no gradient"));
        assert_digest_in_norm(name, found, digest, GRADIENT, 1e-2);
    }
    let state = module_tensors(&encoder);
    for (name, digest) in golden["buffers"].as_object().unwrap() {
        assert_digest(name, &state[name].values, digest, FORWARD, 0.0);
    }
}

#[test]
fn resnet18_with_imagenet_stem() {
    check("resnet18-imagenet", Architecture::Resnet18, Stem::Imagenet, 2.0);
}

#[test]
fn resnet18_with_small_stem() {
    check("resnet18-small", Architecture::Resnet18, Stem::Small, 2.0);
}

#[test]
fn resnet50_with_imagenet_stem() {
    check("resnet50-imagenet", Architecture::Resnet50, Stem::Imagenet, 2.0);
}

#[test]
fn compact_s() {
    check("compact-s-small", Architecture::CompactS, Stem::Small, 0.0);
}

#[test]
fn compact_m() {
    check("compact-m-small", Architecture::CompactM, Stem::Small, 0.0);
}

#[test]
fn parameter_counts_are_torchvisions() {
    let count = |architecture| EncoderConfig { architecture, stem: Stem::Imagenet, bands: 3 }.parameter_count();
    // torchvision's totals without the classifier's (width + 1) × 1000.
    assert_eq!(count(Architecture::Resnet18), 11_689_512 - 513_000);
    assert_eq!(count(Architecture::Resnet34), 21_797_672 - 513_000);
    assert_eq!(count(Architecture::Resnet50), 25_557_032 - 2_049_000);
    for compact in [Architecture::CompactXs, Architecture::CompactS, Architecture::CompactM] {
        assert!(EncoderConfig { architecture: compact, stem: Stem::Small, bands: 13 }.parameter_count() <= 3_000_000);
    }
}

#[test]
fn multiply_adds_are_the_published_ones() {
    // He et al. 2016, table 1: 1.8 G for ResNet-18 and 3.8 G for ResNet-50 (4.1 G with the stride on the 3 × 3).
    let cost = |architecture| EncoderConfig { architecture, stem: Stem::Imagenet, bands: 3 }.multiply_adds(224);
    assert_eq!(cost(Architecture::Resnet18) / 10_000_000, 181);
    assert_eq!(cost(Architecture::Resnet50) / 10_000_000, 408);
}

#[test]
fn split_batch_norm_is_separate_normalisation_of_interleaved_groups() {
    let config = EncoderConfig { architecture: Architecture::CompactXs, stem: Stem::Small, bands: 3 };
    let device = tested();
    let weights = weights(config.tensor_shapes(false), "");
    let encoder = || config.init(&device).load_named(&weights).unwrap();
    let (n, px) = (6, 16);
    let x = Tensor::<4>::from_data(TensorData::new(uniform("split", n * 3 * px * px), [n, 3, px, px]), &device);
    let split = encoder().forward(x.clone(), NormMode::Batch { splits: 2 });
    for group in 0..2 {
        let rows: Vec<Tensor<4>> = (group..n).step_by(2).map(|i| x.clone().narrow(0, i, 1)).collect();
        let alone = encoder().forward(Tensor::cat(rows, 0), NormMode::Batch { splits: 1 });
        let own: Vec<Tensor<2>> = (group..n).step_by(2).map(|i| split.clone().narrow(0, i, 1)).collect();
        let difference = (Tensor::cat(own, 0) - alone).abs().max().into_scalar::<f32>();
        assert!(difference < 1e-4, "group {group}: {difference}");
    }
}

/// `trainer export --pytorch` writes a module that builds every architecture in PyTorch; its answers on weights by formula
/// are committed (tests/reference/pytorch_module.py).
#[test]
fn the_pytorch_module_computes_what_the_encoders_do() {
    const WIDTH: usize = 20;
    for case in golden("pytorch-module")["cases"].as_array().unwrap() {
        let text = |key: &str| case[key].as_str().unwrap();
        let px = case["px"].as_u64().unwrap() as usize;
        let stem = text("stem").parse::<Stem>().unwrap();
        let architecture = text("architecture").parse::<Architecture>().unwrap();
        let what = format!("{architecture} {stem}");
        let config = EncoderConfig { architecture, stem, bands: 3 };
        let device = tested();
        let encoder = config.init(&device).load_named(&weights(config.tensor_shapes(false), "")).unwrap();
        let mut pixels = uniform("tiles", 2 * 3 * px * px);
        for (plane, values) in pixels.chunks_exact_mut(px * px).enumerate() {
            let (mean, std) = ([0.1, 0.2, 0.3][plane % 3], [0.5, 0.6, 0.7][plane % 3]);
            values.iter_mut().for_each(|value| *value = (*value - mean) / std);
        }
        let tiles = Tensor::<4>::from_data(TensorData::new(pixels, [2, 3, px, px]), &device);
        let pooling = if text("pooling") == "moments" { Pooling::Moments } else { Pooling::Mean };
        let mut embedding =
            encoder.pooled(tiles, pooling, NormMode::Running).into_data().try_into_vec::<f32>().unwrap();
        if pooling == Pooling::Moments {
            let width = config.pooled_width(pooling);
            let (matrix, bias) = (weight("readout.weight", &[WIDTH, width]), weight("readout.bias", &[WIDTH]));
            let row = |pooled: &[f32], output: usize| {
                let products = pooled.iter().zip(&matrix[output * width..]).map(|(a, b)| f64::from(*a) * f64::from(*b));
                (products.sum::<f64>() + f64::from(bias[output])) as f32
            };
            embedding = embedding
                .chunks_exact(width)
                .flat_map(|pooled| (0..WIDTH).map(|output| row(pooled, output)).collect::<Vec<_>>())
                .collect();
        }
        assert_digest(&what, &embedding, &case["embedding"], FORWARD, 0.0);
    }
}
