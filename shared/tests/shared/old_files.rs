//! Files of every format version, as committed when it was current, must be read for ever.
//!
//! `artifact-v1.header` is the beginning of a ResNet-18 in 8 bits, `artifact-v2.header` that of a compact-xs with a
//! readout; their weights follow a formula and are put behind them here. `gallery-v1.safetensors` is complete.

use shared::artifact::{Artifact, LinearHead, Manifest, Metric, Readout, Training, WeightFormat};
use shared::bands::Bands;
use shared::encoder::{Architecture, EncoderConfig, Pooling, Stem};
use shared::gallery::{Atlas, Gallery, GalleryManifest, NO_LABEL, Precision};
use shared::preprocess::Normalisation;
use shared::tensors::NamedTensor;

use crate::fixture;

/// Scale of every 8-bit channel: a power of two, so that weights are exact.
const SCALE: f32 = 0.5;

/// The 8-bit weight at `index` of a tensor with `width` weights a channel; the first of each channel is the largest.
fn int8(index: usize, width: usize) -> i8 {
    if index.is_multiple_of(width) { 127 } else { ((index * 37 + 11) % 255) as i16 as i8 }.max(-127)
}

/// The f32 value at `index` of a vector.
fn vector(index: usize) -> f32 {
    (index % 17) as f32 / 16.0 - 0.5
}

fn tensor(name: String, shape: Vec<usize>) -> NamedTensor {
    let count = shape.iter().product::<usize>();
    let values = if shape.len() < 2 {
        (0..count).map(vector).collect()
    } else {
        let width = count / shape[0];
        (0..count).map(|index| f32::from(int8(index, width)) * SCALE).collect()
    };
    NamedTensor { name, shape, values }
}

fn artifact_v1() -> Artifact {
    let encoder = EncoderConfig { architecture: Architecture::Resnet18, stem: Stem::Imagenet, bands: 3 };
    let mut manifest = Manifest::new("old", encoder, Bands::rgb(), Normalisation::imagenet(), 64);
    manifest.folded = true;
    manifest.classes = vec!["Forest".into(), "River".into()];
    manifest.calibration_temperature = Some(1.5);
    manifest.training = Training {
        method: "seco".into(),
        data: "none: weights follow a formula".into(),
        epochs: 3,
        seed: 42,
        steps: 99,
    };
    manifest.metrics = vec![Metric { name: "linear accuracy".into(), value: 0.25, protocol: "not measured".into() }];
    manifest.licence = "CC0-1.0".into();
    let encoder = encoder.tensor_shapes(true).into_iter().map(|(name, shape)| tensor(name, shape)).collect();
    let weight = tensor(String::new(), vec![2, 512]).values;
    let head = LinearHead { weight, bias: tensor(String::new(), vec![2]).values };
    Artifact { manifest, encoder, readout: None, head: Some(head), projections: Vec::new() }
}

fn artifact_v2() -> Artifact {
    let v1 = artifact_v1();
    let config = EncoderConfig { architecture: Architecture::CompactXs, stem: Stem::Small, bands: 3 };
    let manifest = Manifest { encoder: config, pooling: Pooling::Moments, embedding_width: 4, ..v1.manifest };
    let encoder = config.tensor_shapes(true).into_iter().map(|(name, shape)| tensor(name, shape)).collect();
    let values = |shape: Vec<usize>| tensor(String::new(), shape).values;
    let readout = Readout { weight: values(vec![4, 720]), bias: values(vec![4]) };
    let head = LinearHead { weight: values(vec![2, 4]), bias: values(vec![2]) };
    Artifact { manifest, encoder, readout: Some(readout), head: Some(head), projections: Vec::new() }
}

/// The data section that belongs to `header`, by the formulas, in the order of the header's offsets.
fn data_for(header: &[u8]) -> Vec<u8> {
    let header: serde_json::Value = serde_json::from_slice(header).unwrap();
    let tensors = header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__");
    let mut tensors: Vec<_> = tensors.collect();
    tensors.sort_by_key(|(_, entry)| entry["data_offsets"][0].as_u64());
    let mut data = Vec::new();
    for (name, entry) in tensors {
        let shape = entry["shape"].as_array().unwrap().iter().map(|size| size.as_u64().unwrap() as usize);
        let shape: Vec<usize> = shape.collect();
        let count = shape.iter().product::<usize>();
        match entry["dtype"].as_str().unwrap() {
            "I8" => data.extend((0..count).map(|index| int8(index, count / shape[0]) as u8)),
            "F32" if name.ends_with(".scale") => data.extend((0..count).flat_map(|_| SCALE.to_le_bytes())),
            "F32" => data.extend((0..count).flat_map(|index| vector(index).to_le_bytes())),
            other => panic!("{name} holds {other}"),
        }
    }
    data
}

fn reads_as(fixture_name: &str, version: u32, expected: Artifact) {
    let mut bytes = std::fs::read(fixture(fixture_name)).unwrap();
    bytes.extend(data_for(&bytes[8..]));
    let read = Artifact::from_bytes(&bytes).unwrap();
    assert_eq!(read.encoder, expected.encoder);
    assert_eq!((&read.readout, &read.head), (&expected.readout, &expected.head));
    assert_eq!((read.manifest.format_version, read.manifest.weight_format), (version, WeightFormat::Int8));
    let Manifest { sha256, format_version, weight_format, .. } = read.manifest.clone();
    assert_eq!(read.manifest, Manifest { sha256, format_version, weight_format, ..expected.manifest });
    assert_eq!(Artifact::manifest_of(&bytes).unwrap(), read.manifest);
}

/// Version 1 knew no pooling but the mean.
#[test]
fn a_model_of_version_1_is_read() {
    reads_as("artifact-v1.header", 1, artifact_v1());
}

#[test]
fn a_model_of_version_2_is_read() {
    reads_as("artifact-v2.header", 2, artifact_v2());
}

/// The fixture is what this release writes: how it was made, and a guard against a silent change of the format.
#[test]
fn a_model_of_version_2_is_written_as_ever() {
    let bytes = artifact_v2().to_bytes(WeightFormat::Int8).unwrap();
    let header_len = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    assert!(bytes[8 + header_len..] == data_for(&bytes[8..8 + header_len]));
    assert!(std::fs::read(fixture("artifact-v2.header")).unwrap() == bytes[..8 + header_len]);
}

fn gallery_v1() -> Gallery {
    let manifest = GalleryManifest {
        format_version: 1,
        model: "old".into(),
        model_sha256: "ab".repeat(32),
        embedding_width: 2,
        classes: vec!["Forest".into(), "River".into()],
        names: vec!["a.jpg".into(), "b.jpg".into(), "c.jpg".into()],
        layout: "umap".into(),
        atlas: Atlas { tile_px: 64, columns: 2, rows: 2, files: vec!["gallery.webp".into()] },
        credit: "nobody".into(),
        sha256: String::new(),
    };
    Gallery {
        manifest,
        // exact in f16, and of length 1
        embeddings: vec![1.0, 0.0, 0.0, -1.0, 0.0, 1.0],
        labels: vec![1, 0, NO_LABEL],
        points: vec![[0.0, 0.5], [1.0, -1.0], [2.0, 0.125]],
        points_pca: vec![[-1.0, 0.0], [0.0, 1.0], [3.0, 3.0]],
        precision: Precision::F16,
        nearest: Vec::new(),
    }
}

#[test]
fn a_gallery_of_version_1_is_read() {
    let read = Gallery::from_bytes(&std::fs::read(fixture("gallery-v1.safetensors")).unwrap()).unwrap();
    let mut expected = gallery_v1();
    expected.manifest.sha256 = read.manifest.sha256.clone();
    assert_eq!(read, expected);
}

#[test]
fn a_gallery_of_version_1_is_written_as_ever() {
    assert!(std::fs::read(fixture("gallery-v1.safetensors")).unwrap() == gallery_v1().to_bytes().unwrap());
}
