//! The graph is decoded and executed by plain loops that know nothing of the encoder, for every architecture.
//!
//! With `SOLSTICE_ONNX_DIR` set, the models and their outputs are written there for `tests/browser/onnx.test.mjs`,
//! which runs them in ONNX Runtime.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::Device;
use prost::Message;
use shared::artifact::{Artifact, LinearHead, Manifest, Readout, golden_tile};
use shared::bands::Bands;
use shared::encoder::{Architecture, EncoderConfig, Pooling, Stem};
use shared::preprocess::Normalisation;
use shared::tensors::{NamedTensor, TensorMap, into_map};

use super::encode_model;
use super::proto::{Model, Node};
use crate::parts::initialise::random_encoder_weights;

const CLASSES: usize = 3;
/// Width of the embedding where moments are read out.
const READ_OUT: usize = 20;

/// Random weights with running statistics that are not trivial, folded, under a random head; the compact family reads
/// out moments.
fn model(architecture: Architecture, stem: Stem, px: usize) -> Artifact {
    let config = EncoderConfig { architecture, stem, bands: 3 };
    let mut weights = random_encoder_weights(&config, 5);
    for tensor in weights.values_mut() {
        let wave = |index: usize| ((index * 31 % 17) as f32 - 8.0) / 80.0;
        if tensor.name.ends_with("running_mean") || (tensor.name.contains("bn") && tensor.name.ends_with("bias")) {
            tensor.values = (0..tensor.values.len()).map(wave).collect();
        } else if tensor.name.ends_with("running_var") {
            tensor.values = (0..tensor.values.len()).map(|index| 1.0 + wave(index)).collect();
        }
    }
    let folded = config.init(&Device::flex()).load_named(&weights).unwrap().fold();
    let wave = |index: usize, period: usize| ((index * 7 % period) as f32 - 6.0) / 60.0;
    let readout = (architecture.plan().pooling == Pooling::Moments).then(|| Readout {
        weight: (0..READ_OUT * config.pooled_width(Pooling::Moments)).map(|index| wave(index, 13)).collect(),
        bias: (0..READ_OUT).map(|index| wave(index, 11)).collect(),
    });
    let width = if readout.is_some() { READ_OUT } else { config.feature_width() };
    let mut manifest = Manifest::new("test", config, Bands::rgb(), Normalisation::imagenet(), px);
    manifest.folded = true;
    manifest.embedding_width = width;
    if readout.is_some() {
        manifest.pooling = Pooling::Moments;
    }
    manifest.classes = (0..CLASSES).map(|class| format!("class {class}")).collect();
    let weight = (0..CLASSES * width).map(|index| wave(index, 13)).collect();
    let head = Some(LinearHead { weight, bias: vec![0.1, -0.2, 0.3] });
    Artifact { manifest, encoder: folded.named_tensors(), readout, head, projections: Vec::new() }
}

/// What the model answers, computed by the code that exports compare with: tiles, embeddings, logits.
fn expected(artifact: &Artifact) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let tiles = [1, 2].map(|pattern| golden_tile(pattern, 3, artifact.manifest.input_px));
    let embeddings = crate::export::embed(artifact, &tiles).unwrap();
    let logits = embeddings.iter().flat_map(|embedding| artifact.head.as_ref().unwrap().logits(embedding)).collect();
    (tiles.iter().flat_map(|tile| tile.pixels().to_vec()).collect(), embeddings.concat(), logits)
}

fn close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0_f32, |scale, value| scale.max(value.abs()));
    let difference = found.iter().zip(expected).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(difference <= 1e-4 * scale, "{what}: {difference} of {scale}");
}

#[test]
fn the_graph_computes_what_the_encoder_does() {
    // Plain loops: the compact and basic-block networks on small tiles, the bottleneck once.
    for (architecture, stem, px) in [
        (Architecture::CompactXs, Stem::Sobel, 32),
        (Architecture::CompactS, Stem::Small, 32),
        (Architecture::CompactM, Stem::Imagenet, 32),
        (Architecture::Resnet18, Stem::Imagenet, 32),
        (Architecture::Resnet50, Stem::Imagenet, 32),
    ] {
        let artifact = model(architecture, stem, px);
        let (tiles, embedding, logits) = expected(&artifact);
        let graph = Graph::decode(&encode_model(&artifact).unwrap());
        let found = graph.run(Value { shape: vec![2, 3, px, px], values: tiles });
        close(&found["embedding"].values, &embedding, &format!("{architecture} {stem} embedding"));
        close(&found["logits"].values, &logits, &format!("{architecture} {stem} logits"));
    }
}

#[test]
fn files_for_onnx_runtime() {
    let Some(folder) = std::env::var_os("SOLSTICE_ONNX_DIR") else { return };
    let folder = Path::new(&folder);
    for architecture in Architecture::ALL {
        for stem in [Stem::Small, Stem::Imagenet, Stem::Sobel] {
            let artifact = model(architecture, stem, 64);
            let (tiles, embedding, logits) = expected(&artifact);
            let name = format!("{architecture}-{stem}");
            atomic_file::write(&folder.join(format!("{name}.onnx")), &encode_model(&artifact).unwrap()).unwrap();
            let tensor = |name: &str, shape: Vec<usize>, values| NamedTensor { name: name.to_owned(), shape, values };
            let width = artifact.manifest.embedding_width;
            let tensors = [
                tensor("tiles", vec![2, 3, 64, 64], tiles),
                tensor("embedding", vec![2, width], embedding),
                tensor("logits", vec![2, CLASSES], logits),
            ];
            let path = folder.join(format!("{name}.safetensors"));
            crate::engine::checkpoint::write(&path, "onnx", &name, &tensors).unwrap();
        }
    }
}

/// A tensor of the executed graph.
#[derive(Clone)]
struct Value {
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// A decoded graph.
struct Graph {
    nodes: Vec<Node>,
    constants: TensorMap,
}

impl Graph {
    fn decode(bytes: &[u8]) -> Self {
        let graph = Model::decode(bytes).unwrap().graph.unwrap();
        let constants = graph.initializer.iter().map(|tensor| NamedTensor {
            name: tensor.name.clone(),
            shape: tensor.dims.iter().map(|&size| size as usize).collect(),
            values: tensor.raw_data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        });
        Self { nodes: graph.node, constants: into_map(constants.collect()) }
    }

    fn run(&self, tiles: Value) -> HashMap<String, Value> {
        let mut values = HashMap::from([("tiles".to_owned(), tiles)]);
        for (name, tensor) in &self.constants {
            values.insert(name.clone(), Value { shape: tensor.shape.clone(), values: tensor.values.clone() });
        }
        for node in &self.nodes {
            let inputs: Vec<&Value> = node.input.iter().map(|name| &values[name]).collect();
            let output = execute(node, &inputs);
            values.insert(node.output[0].clone(), output);
        }
        values
    }
}

fn ints(node: &Node, name: &str) -> Vec<usize> {
    let found = node.attribute.iter().find(|attribute| attribute.name == name).unwrap();
    found.ints.iter().map(|&value| value as usize).collect()
}

fn execute(node: &Node, inputs: &[&Value]) -> Value {
    let x = inputs[0];
    let map =
        |f: &dyn Fn(f32) -> f32| Value { shape: x.shape.clone(), values: x.values.iter().map(|&v| f(v)).collect() };
    // [1, c, 1, 1] or [n, c, 1, 1] against [n, c, h, w]
    let per_channel = |f: &dyn Fn(f32, f32) -> f32| {
        let area = x.shape[2] * x.shape[3];
        let value = |(at, &v): (usize, &f32)| f(v, inputs[1].values[at / area % inputs[1].values.len()]);
        Value { shape: x.shape.clone(), values: x.values.iter().enumerate().map(value).collect() }
    };
    let by_value = |f: &dyn Fn(f32, f32) -> f32| Value {
        shape: x.shape.clone(),
        values: x.values.iter().zip(&inputs[1].values).map(|(&a, &b)| f(a, b)).collect(),
    };
    match node.op_type.as_str() {
        "Relu" => map(&|value| value.max(0.0)),
        "Sub" => per_channel(&|a, b| a - b),
        "Div" => per_channel(&|a, b| a / b),
        "Add" => by_value(&|a, b| a + b),
        "Mul" => by_value(&|a, b| a * b),
        "Sqrt" => map(&f32::sqrt),
        // along the channels
        "Concat" => {
            let row = |n: usize| {
                let part = move |input: &&Value| {
                    let channels = input.shape[1];
                    input.values[n * channels..(n + 1) * channels].to_vec()
                };
                inputs.iter().flat_map(part).collect::<Vec<_>>()
            };
            let values: Vec<f32> = (0..x.shape[0]).flat_map(row).collect();
            Value { shape: vec![x.shape[0], values.len() / x.shape[0], 1, 1], values }
        }
        "GlobalAveragePool" => {
            let area = x.shape[2] * x.shape[3];
            let mean = |plane: &[f32]| plane.iter().sum::<f32>() / area as f32;
            Value { shape: vec![x.shape[0], x.shape[1], 1, 1], values: x.values.chunks_exact(area).map(mean).collect() }
        }
        "Flatten" => Value { shape: vec![x.shape[0], x.values.len() / x.shape[0]], values: x.values.clone() },
        "Gemm" => {
            let (weight, bias) = (inputs[1], inputs[2]);
            let rows = x.values.chunks_exact(x.shape[1]);
            let product = |row: &[f32], class: usize| {
                let weights = &weight.values[class * row.len()..(class + 1) * row.len()];
                row.iter().zip(weights).map(|(a, b)| a * b).sum::<f32>() + bias.values[class]
            };
            let classes = weight.shape[0];
            let values = rows.flat_map(|row| (0..classes).map(|class| product(row, class)).collect::<Vec<_>>());
            Value { shape: vec![x.shape[0], classes], values: values.collect() }
        }
        "MaxPool" => windows(node, x, x.shape[1], |n, channel, at| {
            at.iter().map(|&(_, row, column)| x.at(n, channel, row, column)).fold(f32::NEG_INFINITY, f32::max)
        }),
        "Conv" => {
            let (weight, bias) = (inputs[1], inputs[2]);
            let (inputs, area) = (weight.shape[1], weight.shape[2] * weight.shape[3]);
            windows(node, x, weight.shape[0], |n, output, at| {
                let mut sum = bias.values[output];
                for &(tap, row, column) in at {
                    for input in 0..inputs {
                        sum += weight.values[(output * inputs + input) * area + tap] * x.at(n, input, row, column);
                    }
                }
                sum
            })
        }
        other => panic!("no operator {other}"),
    }
}

impl Value {
    fn at(&self, n: usize, channel: usize, row: usize, column: usize) -> f32 {
        self.values[((n * self.shape[1] + channel) * self.shape[2] + row) * self.shape[3] + column]
    }
}

/// Slides the node's kernel over `x`; `value` gets image, output channel, and (tap, row, column) of the taps inside.
fn windows(
    node: &Node,
    x: &Value,
    channels: usize,
    value: impl Fn(usize, usize, &[(usize, usize, usize)]) -> f32,
) -> Value {
    let (kernel, stride, pad) = (ints(node, "kernel_shape")[0], ints(node, "strides")[0], ints(node, "pads")[0]);
    let side = |size: usize| (size + 2 * pad - kernel) / stride + 1;
    let (height, width) = (side(x.shape[2]), side(x.shape[3]));
    let mut values = Vec::new();
    for n in 0..x.shape[0] {
        for channel in 0..channels {
            for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row, column))) {
                let mut taps = Vec::new();
                for tap in 0..kernel * kernel {
                    let (y, x_at) = (row * stride + tap / kernel, column * stride + tap % kernel);
                    if (pad..pad + x.shape[2]).contains(&y) && (pad..pad + x.shape[3]).contains(&x_at) {
                        taps.push((tap, y - pad, x_at - pad));
                    }
                }
                values.push(value(n, channel, &taps));
            }
        }
    }
    Value { shape: vec![x.shape[0], channels, height, width], values }
}
