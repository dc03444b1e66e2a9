//! Model files: round trips, an independent reader, and one test for each kind of damage.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod fuzz;
pub(crate) mod mutation;

use super::*;
use crate::bands::{Band, Bands};
use crate::encoder::{Architecture, EncoderConfig, Pooling, Stem};
use crate::preprocess::Normalisation;
use mutation::Random;

/// Two tensors instead of an encoder's dozens: files small enough for a million mutations.
fn tiny_shapes(_: &Manifest) -> Vec<(String, Vec<usize>)> {
    vec![("conv1.weight".into(), vec![3, 2, 2, 2]), ("conv1.bias".into(), vec![3])]
}

/// Width of the embedding that the sample reads out.
const READ_OUT: usize = 1;

/// A complete model of one band, with a readout, a linear head of two classes and one projection, over `shapes`.
fn sample(shapes: Vec<(String, Vec<usize>)>) -> Artifact {
    let mut random = Random::new(11);
    let mut values = |shape: &[usize]| -> Vec<f32> {
        (0..shape.iter().product::<usize>()).map(|_| random.unit() * 2.0 - 1.0).collect()
    };
    let config = EncoderConfig { architecture: Architecture::CompactXs, stem: Stem::Small, bands: 1 };
    let (width, pooled) = (config.feature_width(), config.pooled_width(Pooling::Moments));
    let bands = Bands::new(vec![Band::B08]).unwrap();
    let mut manifest = Manifest::new("tiny", config, bands, Normalisation::new(vec![0.3], vec![0.1]).unwrap(), 64);
    manifest.folded = true;
    manifest.pooling = Pooling::Moments;
    manifest.embedding_width = READ_OUT;
    manifest.classes = vec!["River".into(), "Forêt".into()];
    manifest.calibration_temperature = Some(1.25);
    manifest.metrics = vec![Metric { name: "accuracy".into(), value: 0.5, protocol: "none".into() }];
    let readout = Readout { weight: values(&[READ_OUT, pooled]), bias: values(&[READ_OUT]) };
    let head = LinearHead { weight: values(&[2, READ_OUT]), bias: values(&[2]) };
    let mut tensor = |name: &str, shape: Vec<usize>| NamedTensor { name: name.into(), values: values(&shape), shape };
    let projection =
        Projection { name: "z0".into(), tensors: vec![tensor("0.bias", vec![1]), tensor("0.weight", vec![1, width])] };
    let encoder = shapes.into_iter().map(|(name, shape)| tensor(&name, shape)).collect();
    Artifact { manifest, encoder, readout: Some(readout), head: Some(head), projections: vec![projection] }
}

/// A file with tiny tensors, which [`Artifact::to_bytes`] would refuse to write.
fn tiny_bytes(format: WeightFormat) -> Vec<u8> {
    let artifact = sample(tiny_shapes(&sample(Vec::new()).manifest));
    let manifest = Manifest { weight_format: format, subspaces: vec!["z0".into()], ..artifact.manifest.clone() };
    let mut tensors = BTreeMap::new();
    for tensor in &artifact.encoder {
        weights::store(&mut tensors, format!("encoder.{}", tensor.name), tensor, format).unwrap();
    }
    parts::store_readout(&mut tensors, artifact.readout.as_ref(), &manifest).unwrap();
    parts::store_head(&mut tensors, artifact.head.as_ref(), &manifest).unwrap();
    parts::store_projections(&mut tensors, &artifact.projections, &manifest).unwrap();
    sealed::seal(manifest, tensors).unwrap()
}

fn read_tiny(bytes: &[u8]) -> Result<Artifact, ArtifactError> {
    read(bytes, tiny_shapes)
}

/// Changes a tiny file from inside and gives it a valid checksum again.
fn resealed(change: impl FnOnce(&mut Manifest, &mut BTreeMap<String, RawTensor<'_>>)) -> Vec<u8> {
    let bytes = tiny_bytes(WeightFormat::F32);
    let Container { text, mut tensors } = Container::read(&bytes, Manifest::KEY).unwrap();
    let (mut manifest, _) = sealed::parse::<Manifest>(&text.unwrap()).unwrap();
    change(&mut manifest, &mut tensors);
    sealed::seal(manifest, tensors).unwrap()
}

fn all_values(artifact: &Artifact) -> Vec<f32> {
    let (readout, head) = (artifact.readout.as_ref().unwrap(), artifact.head.as_ref().unwrap());
    let projections = artifact.projections.iter().flat_map(|projection| &projection.tensors);
    let tensors = artifact.encoder.iter().chain(projections).flat_map(|tensor| tensor.values.clone());
    let tensors = tensors.chain(readout.weight.clone()).chain(readout.bias.clone());
    tensors.chain(head.weight.clone()).chain(head.bias.clone()).collect()
}

#[test]
fn f32_is_lossless() {
    let artifact = sample(tiny_shapes(&sample(Vec::new()).manifest));
    let read = read_tiny(&tiny_bytes(WeightFormat::F32)).unwrap();
    assert_eq!(read.encoder, artifact.encoder);
    assert_eq!(read.readout, artifact.readout);
    assert_eq!(read.head, artifact.head);
    assert_eq!(read.projections, artifact.projections);
    assert_eq!(read.manifest.classes, artifact.manifest.classes);
    assert_eq!(read.manifest.calibration_temperature, Some(1.25));
}

#[test]
fn f16_errs_by_half_a_unit_in_the_last_of_its_eleven_bits() {
    let exact = all_values(&read_tiny(&tiny_bytes(WeightFormat::F32)).unwrap());
    let read = all_values(&read_tiny(&tiny_bytes(WeightFormat::F16)).unwrap());
    for (exact, read) in exact.iter().zip(&read) {
        // 2^-11 of the magnitude for normal numbers, 2^-25 below 2^-14
        assert!((exact - read).abs() <= (exact.abs() / 2048.0).max(2.0f32.powi(-25)), "{exact} became {read}");
    }
}

#[test]
fn int8_errs_by_half_a_step_of_its_own_channel() {
    let values = vec![1.0, -0.5, 0.25, 0.001, 0.0, 0.0, 0.0, 0.0, 1e-3, -2e-3, 1.27e-1, 5e-4];
    let tensor = NamedTensor { name: "w".into(), shape: vec![3, 4], values };
    let mut raw = BTreeMap::new();
    weights::store(&mut raw, "w".into(), &tensor, WeightFormat::Int8).unwrap();
    assert_eq!(raw["w"].bytes.len(), 12);
    let read = weights::load(&mut raw, "w", "w", Some(&[3, 4]), WeightFormat::Int8).unwrap();
    assert!(raw.is_empty(), "the scales are taken out, too");
    for (channel, largest) in [1.0f32, 0.0, 0.127].into_iter().enumerate() {
        for at in channel * 4..channel * 4 + 4 {
            let error = (read.values[at] - tensor.values[at]).abs();
            assert!(error <= largest / 127.0 * 0.5001, "channel {channel} errs by {error}");
        }
    }
    assert_eq!(read.values[4..8], [0.0; 4], "a channel of zeros stays one");
    assert_eq!(read.values[0], 1.0, "the largest weight of a channel is exact");
}

#[test]
fn vectors_stay_f32_in_every_format() {
    let exact = read_tiny(&tiny_bytes(WeightFormat::F32)).unwrap();
    for format in [WeightFormat::F16, WeightFormat::Int8] {
        let read = read_tiny(&tiny_bytes(format)).unwrap();
        assert_eq!(read.encoder[1], exact.encoder[1]);
        assert_eq!(read.head.unwrap().bias, exact.head.clone().unwrap().bias);
    }
}

#[test]
fn the_safetensors_crate_reads_the_same() {
    for format in [WeightFormat::F32, WeightFormat::F16, WeightFormat::Int8] {
        let bytes = tiny_bytes(format);
        let ours = Container::read(&bytes, Manifest::KEY).unwrap();
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap().get(Manifest::KEY), ours.text.as_ref());
        let theirs = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(theirs.len(), ours.tensors.len());
        for (name, tensor) in &ours.tensors {
            let view = theirs.tensor(name).unwrap();
            assert_eq!((view.shape(), view.data()), (&tensor.shape[..], &tensor.bytes[..]));
        }
    }
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    assert_eq!(tiny_bytes(WeightFormat::Int8), tiny_bytes(WeightFormat::Int8));
}

#[test]
fn every_truncation_is_called_one() {
    let bytes = tiny_bytes(WeightFormat::Int8);
    for len in 0..bytes.len() {
        let error = read_tiny(&bytes[..len]).unwrap_err();
        assert!(matches!(error, ArtifactError::Container(ContainerError::Truncated { .. })), "{len} bytes: {error}");
    }
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    let bytes = tiny_bytes(WeightFormat::Int8);
    let mut damaged = bytes.clone();
    for bit in 0..bytes.len() * 8 {
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(read_tiny(&damaged).is_err(), "bit {} of byte {}", bit % 8, bit / 8);
        damaged[bit / 8] = bytes[bit / 8];
    }
}

#[test]
fn damaged_weights_and_manifests_fail_the_checksum() {
    let mut bytes = tiny_bytes(WeightFormat::F32);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert!(matches!(read_tiny(&bytes), Err(ArtifactError::ChecksumMismatch { .. })));

    let mut bytes = tiny_bytes(WeightFormat::F32);
    let at = bytes.windows(5).position(|window| window == b"River").unwrap();
    bytes[at] = b'L'; // still a valid manifest
    assert!(matches!(read_tiny(&bytes), Err(ArtifactError::ChecksumMismatch { .. })));
}

#[test]
fn a_later_version_is_recognised_before_all_else() {
    let container = Container {
        text: Some(r#"{"format_version":7,"encoder":"something new","novelty":[1,2]}"#.into()),
        tensors: BTreeMap::new(),
    };
    let error = read_tiny(&container.write(Manifest::KEY).unwrap()).unwrap_err();
    assert_eq!(error, ArtifactError::FromTheFuture { found: 7, supported: FORMAT_VERSION });
    assert!(error.to_string().contains("\nhint: "));
}

#[test]
fn other_files_are_recognised() {
    let page = b"<!DOCTYPE html><html><body>404 Not Found</body></html>";
    assert!(matches!(read_tiny(page), Err(ArtifactError::Container(ContainerError::NotSafetensors(_)))));
    let foreign = Container { text: None, tensors: BTreeMap::new() }.write("other").unwrap();
    assert_eq!(read_tiny(&foreign), Err(ArtifactError::MissingManifest));
    let mut longer = tiny_bytes(WeightFormat::F32);
    longer.push(0);
    assert!(matches!(read_tiny(&longer), Err(ArtifactError::Container(ContainerError::Malformed(_)))));
}

#[test]
fn tensors_must_be_those_of_the_manifest() {
    let renamed = resealed(|_, tensors| {
        let tensor = tensors.remove("encoder.conv1.bias").unwrap();
        tensors.insert("encoder.conv2.bias".into(), tensor);
    });
    assert_eq!(read_tiny(&renamed), Err(ArtifactError::MissingTensor { name: "encoder.conv1.bias".into() }));

    let reshaped = resealed(|_, tensors| tensors.get_mut("encoder.conv1.weight").unwrap().shape = vec![2, 3, 2, 2]);
    let (found, expected) = (vec![2, 3, 2, 2], vec![3, 2, 2, 2]);
    assert_eq!(
        read_tiny(&reshaped),
        Err(ArtifactError::WrongShape { name: "encoder.conv1.weight".into(), found, expected })
    );

    let surplus = resealed(|_, tensors| {
        let tensor = tensors["encoder.conv1.bias"].clone();
        tensors.insert("encoder.conv9.bias".into(), tensor);
    });
    assert_eq!(read_tiny(&surplus), Err(ArtifactError::UnexpectedTensor { name: "encoder.conv9.bias".into() }));

    let not_a_number = resealed(|_, tensors| {
        tensors.get_mut("head.bias").unwrap().bytes.to_mut()[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    assert_eq!(read_tiny(&not_a_number), Err(ArtifactError::NonFinite { name: "head.bias".into() }));

    let other_format = resealed(|manifest, _| manifest.weight_format = WeightFormat::F16);
    assert!(matches!(read_tiny(&other_format), Err(ArtifactError::WrongElement { .. })));
}

#[test]
fn contradictory_manifests_are_refused() {
    let changes: [fn(&mut Manifest); 9] = [
        |manifest| manifest.bands = Bands::rgb(),
        |manifest| manifest.encoder.bands = usize::MAX,
        |manifest| manifest.input_px = 1 << 40,
        |manifest| manifest.embedding_width = 0,
        |manifest| manifest.embedding_width = 721, // the pooled features are 720
        |manifest| manifest.pooling = Pooling::Mean,
        |manifest| manifest.calibration_temperature = Some(0.0),
        |manifest| manifest.subspaces = vec!["z0".into(), "z0".into()],
        |manifest| manifest.golden = Some(Golden { input_pattern: 1, embedding: vec![0.0; 3] }),
    ];
    for change in changes {
        let error = read_tiny(&resealed(|manifest, _| change(manifest))).unwrap_err();
        assert!(matches!(error, ArtifactError::Inconsistent(_)), "{error}");
    }
}

#[test]
fn writing_checks_the_weights_against_the_architecture() {
    let shapes = |manifest: &Manifest| manifest.encoder_shapes();
    let good = sample(shapes(&sample(Vec::new()).manifest));
    let read = Artifact::from_bytes(&good.to_bytes(WeightFormat::F32).unwrap()).unwrap();
    assert_eq!((&read.encoder, &read.head), (&good.encoder, &good.head));
    assert_eq!(read.manifest.sha256.len(), 64);

    let mut short = good.clone();
    let missing = short.encoder.pop().unwrap();
    let error = ArtifactError::MissingTensor { name: format!("encoder.{}", missing.name) };
    assert_eq!(short.to_bytes(WeightFormat::F32), Err(error));

    let mut unfolded = good.clone();
    unfolded.manifest.folded = false;
    assert!(matches!(unfolded.to_bytes(WeightFormat::F32), Err(ArtifactError::UnexpectedTensor { .. })));

    let mut large = good.clone();
    large.encoder[0].values[0] = 1e6; // beyond f16
    assert!(matches!(large.to_bytes(WeightFormat::F16), Err(ArtifactError::NonFinite { .. })));

    let mut unread = good.clone();
    unread.readout = None;
    let error = ArtifactError::MissingTensor { name: "readout.weight".into() };
    assert_eq!(unread.to_bytes(WeightFormat::F32), Err(error));

    let mut headless = good;
    headless.head = None;
    assert!(matches!(headless.to_bytes(WeightFormat::F32), Err(ArtifactError::MissingTensor { .. })));
}

#[test]
fn a_projection_is_linear_relu_linear() {
    let tensor = |name: &str, shape: Vec<usize>, values: Vec<f32>| NamedTensor { name: name.into(), shape, values };
    let projection = Projection {
        name: "z1".into(),
        tensors: vec![
            tensor("2.weight", vec![1, 2], vec![10.0, 100.0]),
            tensor("0.weight", vec![2, 2], vec![1.0, 2.0, -1.0, 0.0]),
            tensor("0.bias", vec![2], vec![0.5, 0.5]),
            tensor("2.bias", vec![1], vec![-3.0]),
        ],
    };
    // hidden: relu(1·2 + 2·3 + 0.5) = 8.5, relu(−2 + 0.5) = 0
    assert_eq!(projection.apply(&[2.0, 3.0]), Some(vec![82.0]));
    assert_eq!(projection.apply(&[2.0, 3.0, 4.0]), None);
}

#[test]
fn golden_tiles_are_on_the_unit_scale_and_differ() {
    let tile = golden_tile(1, 3, 64);
    assert_eq!((tile.bands(), tile.height(), tile.width()), (3, 64, 64));
    assert!(tile.pixels().iter().all(|value| (0.0..=1.0).contains(value)));
    assert_ne!(tile, golden_tile(2, 3, 64));
    assert_ne!(tile.plane(0), tile.plane(1));
    // pinned: old files carry embeddings of exactly these pixels
    let sum: u32 = tile.to_interleaved_u8().iter().map(|&value| u32::from(value)).sum();
    assert_eq!((sum, tile.to_interleaved_u8()[..6].to_vec()), (1562223, vec![16, 51, 113, 52, 59, 117]));
}
