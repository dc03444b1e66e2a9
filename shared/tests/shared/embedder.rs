//! The embedder on the CPU: chunks, heads, subspaces, self-test, and bad input.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use burn::tensor::Device;
use shared::artifact::{Artifact, LinearHead, Manifest, Projection, Readout, WeightFormat, golden_tile};
use shared::bands::{Band, Bands};
use shared::embedder::{Embedder, EmbedderError};
use shared::encoder::{Architecture, EncoderConfig, Pooling, Stem};
use shared::preprocess::{Normalisation, PreprocessError, resize};
use shared::tensors::NamedTensor;
use shared::tile::Tile;

use crate::pattern;

/// Native read-backs are ready at once or soon.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        std::thread::yield_now();
    }
}

/// A tensor of repeatable values around 0, scaled so that activations neither vanish nor explode.
fn tensor(name: &str, shape: Vec<usize>) -> NamedTensor {
    let fan_in = shape.iter().skip(1).product::<usize>() as f32;
    let seed = name.bytes().map(usize::from).sum::<usize>() * 7919;
    let count = shape.iter().product::<usize>();
    let centred = (0..count).map(|index| pattern(seed + index) - 0.5);
    let values = centred.map(|value| value * (6.0 / fan_in).sqrt()).collect();
    NamedTensor { name: name.into(), shape, values }
}

fn model() -> Artifact {
    let encoder = EncoderConfig { architecture: Architecture::CompactXs, stem: Stem::Small, bands: 2 };
    let width = encoder.feature_width();
    let bands = Bands::new(vec![Band::B04, Band::B08]).unwrap();
    let normalisation = Normalisation::new(vec![0.5, 0.4], vec![0.2, 0.3]).unwrap();
    let mut manifest = Manifest::new("test", encoder, bands, normalisation, 32);
    manifest.folded = true;
    manifest.classes = ["a", "b", "c"].map(String::from).to_vec();
    manifest.calibration_temperature = Some(1.7);
    let head = LinearHead { weight: tensor("head", vec![3, width]).values, bias: vec![0.1, -0.2, 0.3] };
    let projection =
        Projection { name: "z0".into(), tensors: vec![tensor("0.weight", vec![4, width]), tensor("0.bias", vec![4])] };
    let weights = encoder.tensor_shapes(true).into_iter().map(|(name, shape)| tensor(&name, shape)).collect();
    Artifact { manifest, encoder: weights, readout: None, head: Some(head), projections: vec![projection] }
}

/// The same with an embedding of six values, read out of the moments of all stages.
fn model_of_moments() -> Artifact {
    let mut artifact = model();
    let pooled = artifact.manifest.encoder.pooled_width(Pooling::Moments);
    artifact.manifest.pooling = Pooling::Moments;
    artifact.manifest.embedding_width = 6;
    artifact.readout = Some(Readout {
        weight: tensor("readout", vec![6, pooled]).values,
        bias: vec![0.5, -0.5, 0.25, 0.0, 1.0, -1.0],
    });
    artifact.head = Some(LinearHead { weight: tensor("head", vec![3, 6]).values, bias: vec![0.1, -0.2, 0.3] });
    artifact
}

fn embedder(artifact: Artifact) -> Embedder {
    let bytes = artifact.to_bytes(WeightFormat::F32).unwrap();
    Embedder::load(&bytes, &Device::flex()).unwrap()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn any_batch_gives_what_single_tiles_give() {
    let embedder = embedder(model());
    let tiles: Vec<Tile> = (0..45).map(|index| golden_tile(index, 2, 32)).collect();
    assert!(block_on(embedder.embed(&[])).unwrap().is_empty());
    let together = block_on(embedder.embed(&tiles)).unwrap(); // 32, 8, 5 padded to 8
    assert_eq!(together.len(), 45);
    for (tile, together) in tiles.iter().zip(&together) {
        let alone = &block_on(embedder.embed(std::slice::from_ref(tile))).unwrap()[0];
        assert_eq!(alone.len(), embedder.manifest().embedding_width);
        // the same sums, perhaps blocked otherwise for another batch size
        assert!(largest_difference(alone, together) < 1e-4);
    }
    let spread = largest_difference(&together[0], &together[1]);
    assert!(spread > 1e-2, "embeddings must tell tiles apart, they differ by {spread}");
}

#[test]
fn tiles_of_other_sizes_are_fitted() {
    let embedder = embedder(model());
    let large = golden_tile(3, 2, 61);
    let fitted = resize(&large, 32, 32);
    let found = block_on(embedder.embed(&[large, fitted])).unwrap();
    assert!(largest_difference(&found[0], &found[1]) < 1e-4);
}

#[test]
fn probabilities_are_a_calibrated_softmax_of_the_linear_head() {
    let artifact = model();
    let head = artifact.head.clone().unwrap();
    let embedder = embedder(artifact);
    let answers = block_on(embedder.classify(&[golden_tile(1, 2, 32), golden_tile(2, 2, 32)])).unwrap();
    for answer in answers {
        let width = answer.embedding.len();
        let mut exponentials = [0.0f64; 3];
        for (class, exponential) in exponentials.iter_mut().enumerate() {
            let mut logit = f64::from(head.bias[class]);
            for (index, value) in answer.embedding.iter().enumerate() {
                logit += f64::from(head.weight[class * width + index]) * f64::from(*value);
            }
            *exponential = (logit / f64::from(1.7f32)).exp();
        }
        let total: f64 = exponentials.iter().sum();
        for (probability, exponential) in answer.probabilities.iter().zip(exponentials) {
            assert!((f64::from(*probability) - exponential / total).abs() < 1e-5);
        }
        assert_eq!(embedder.project(&answer.embedding, "z0").unwrap().len(), 4);
        assert_eq!(embedder.project(&answer.embedding, "z1"), None);
    }
}

#[test]
fn moments_begin_with_the_mean_and_are_read_out() {
    let (plain, moments) = (embedder(model()), embedder(model_of_moments()));
    let tiles: Vec<Tile> = (0..10).map(|index| golden_tile(index, 2, 32)).collect();
    let means = block_on(plain.embed(&tiles)).unwrap();
    let pooled = block_on(moments.pooled(&tiles)).unwrap();
    let embeddings = block_on(moments.embed(&tiles)).unwrap();
    let readout = model_of_moments().readout.unwrap();
    for ((mean, pooled), embedding) in means.iter().zip(&pooled).zip(&embeddings) {
        // stem 24, stages 48, 96, 192: as many means and deviations
        assert_eq!(pooled.len(), 2 * (24 + 48 + 96 + 192));
        assert!(largest_difference(mean, &pooled[..mean.len()]) < 1e-5);
        assert!(pooled[360..].iter().all(|&deviation| deviation >= 0.0), "the second half are deviations");
        for (output, value) in embedding.iter().enumerate() {
            let row = &readout.weight[output * pooled.len()..(output + 1) * pooled.len()];
            let sum: f64 = row.iter().zip(pooled).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!((f64::from(*value) - sum - f64::from(readout.bias[output])).abs() < 1e-4);
        }
        // Heads read the mean of the last map, whatever the embedding is.
        let [by_mean, by_moments] =
            [(&plain, mean), (&moments, pooled)].map(|(embedder, pooled)| embedder.project(pooled, "z0").unwrap());
        assert!(largest_difference(&by_mean, &by_moments) < 1e-4);
    }
    let golden = block_on(moments.golden(3)).unwrap();
    assert_eq!(golden.embedding.len(), 6);
    assert!(block_on(moments.self_test(&golden)).unwrap() < 1e-6);
}

#[test]
fn a_golden_proves_the_device() {
    let mut artifact = model();
    let golden = block_on(embedder(artifact.clone()).golden(5)).unwrap();
    artifact.manifest.golden = Some(golden.clone());
    let exact = embedder(artifact.clone());
    let kept = exact.manifest().golden.clone().unwrap();
    assert!(block_on(exact.self_test(&kept)).unwrap() < 1e-6);

    artifact.encoder[0].values[0] += 0.5;
    assert!(block_on(embedder(artifact).self_test(&kept)).unwrap() > 1e-4);
    let mut short = golden;
    short.embedding.pop();
    assert_eq!(block_on(exact.self_test(&short)).unwrap(), f32::INFINITY);
}

#[test]
fn smaller_formats_stay_close() {
    let artifact = model();
    let tiles = [golden_tile(9, 2, 32)];
    let exact = block_on(embedder(artifact.clone()).embed(&tiles)).unwrap().remove(0);
    let scale = exact.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    // eleven and seven bits of each weight, errors averaging out over hundreds of products
    for (format, tolerance) in [(WeightFormat::F16, 2e-3), (WeightFormat::Int8, 5e-2)] {
        let bytes = artifact.to_bytes(format).unwrap();
        let embedder = Embedder::load(&bytes, &Device::flex()).unwrap();
        let found = block_on(embedder.embed(&tiles)).unwrap().remove(0);
        let error = largest_difference(&exact, &found) / scale;
        assert!(error < tolerance, "{format:?} differs by {error} of the largest value");
    }
}

#[test]
fn bad_input_names_the_tile() {
    let embedder = embedder(model());
    let good = golden_tile(1, 2, 32);
    let wrong = Tile::new(3, 4, 4, vec![0.0; 48]).unwrap();
    let source = PreprocessError::WrongBands { found: 3, expected: 2 };
    assert_eq!(block_on(embedder.embed(&[good.clone(), wrong])), Err(EmbedderError::Preprocess { tile: 1, source }));
    let mut tiles = vec![good; 40];
    tiles[36].plane_mut(1)[7] = f32::NAN;
    assert_eq!(block_on(embedder.embed(&tiles)), Err(EmbedderError::NonFiniteTile { tile: 36 }));
}

#[test]
fn an_embedding_that_is_not_finite_is_said() {
    let mut artifact = model();
    for tensor in &mut artifact.encoder {
        tensor.values.iter_mut().for_each(|value| *value *= 1e12);
    }
    let error = block_on(embedder(artifact).embed(&[golden_tile(1, 2, 32)])).unwrap_err();
    assert_eq!(error, EmbedderError::NonFiniteEmbedding { tile: 0 });
}

#[test]
fn a_model_without_classes_does_not_classify() {
    let mut artifact = model();
    artifact.manifest.classes.clear();
    artifact.head = None;
    let error = block_on(embedder(artifact).classify(&[golden_tile(1, 2, 32)])).unwrap_err();
    assert_eq!(error, EmbedderError::NoHead { name: "test".into() });
}
