//! `evaluate`, `export` and `embed` on a small encoder and made-up tiles, in process.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use shared::artifact::{Artifact, Projection, Training};
use shared::bands::Bands;
use shared::embedder::Embedder;
use shared::encoder::{Architecture, EncoderConfig, Pooling, Stem};
use shared::gallery::{Gallery, Sprite};
use shared::preprocess::Normalisation;
use shared::tensors::NamedTensor;
use tempfile::TempDir;

use crate::encoder_file::{EncoderDescription, write_encoder};
use crate::eval::Evaluation;
use crate::parts::initialise::random_encoder_weights;

const CLASSES: [&str; 3] = ["Field", "Forest", "Water"];
const TILES_PER_CLASS: u32 = 30;

/// Tiles of 16 px in three overlapping colours, and an untrained encoder with SeCo's heads.
fn workshop() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (class, name) in CLASSES.iter().enumerate() {
        let own = folder.path().join("tiles").join(name);
        fs::create_dir_all(&own).unwrap();
        for number in 0..TILES_PER_CLASS {
            let picture = image::RgbImage::from_fn(16, 16, |x, y| {
                let noise = (x * 13 + y * 7 + number * 29) % 90;
                let mut pixel = [60 + noise as u8; 3];
                pixel[class] += (number % 5) as u8 * 12;
                image::Rgb(pixel)
            });
            picture.save(own.join(format!("{name}_{number}.png"))).unwrap();
        }
    }
    let encoder = EncoderConfig { architecture: Architecture::CompactXs, stem: Stem::Small, bands: 3 };
    let width = encoder.feature_width();
    let description = EncoderDescription {
        encoder,
        bands: Bands::rgb(),
        normalisation: Normalisation::imagenet(),
        input_px: 32,
        training: Training { method: "seco".into(), data: "tiles".into(), epochs: 1, seed: 0, steps: 1 },
    };
    let tensor = |name: &str, shape: Vec<usize>| {
        let values = (0..shape.iter().product::<usize>()).map(|index| (index % 7) as f32 / 70.0).collect();
        NamedTensor { name: name.to_owned(), shape, values }
    };
    let heads = ["a", "b", "c"].map(|name| Projection {
        name: name.to_owned(),
        tensors: vec![tensor("linear.bias", vec![8]), tensor("linear.weight", vec![8, width])],
    });
    let weights = random_encoder_weights(&encoder, 3).into_values().collect();
    write_encoder(&folder.path().join("encoder.safetensors"), &description, weights, &heads).unwrap();
    folder
}

/// Runs a command whose arguments name files in `folder` with a leading `@`.
fn trainer(folder: &Path, line: &str) -> (i32, String, String) {
    let argument = |word: &str| match word.strip_prefix('@') {
        Some(name) => folder.join(name).display().to_string(),
        None => word.to_owned(),
    };
    let args: Vec<String> =
        std::iter::once("trainer".to_owned()).chain(line.split_whitespace().map(argument)).collect();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = crate::run(args, &mut out, &mut err, false);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn an_export_is_complete_in_every_format() {
    let shop = workshop();
    let folder = shop.path();
    let mut sizes = Vec::new();
    for format in ["f32", "f16", "int8"] {
        let line = format!(
            "export --encoder @encoder.safetensors --out @{format} --name m --format {format} --data @tiles \
             --gallery @{format}/gallery --gallery-tiles 20 --onnx --licence CC0 --device cpu"
        );
        let (code, out, err) = trainer(folder, &line);
        assert_eq!(code, 0, "{format}: {err}");
        assert!(out.contains("read back and compared on 64 test tiles"), "{out}");
        assert_eq!(files(&folder.join(format)), ["gallery", "m.onnx", "m.safetensors"]);
        let bytes = fs::read(folder.join(format).join("m.safetensors")).unwrap();
        sizes.push(bytes.len());
        let model = Artifact::from_bytes(&bytes).unwrap();
        let manifest = &model.manifest;
        assert_eq!((manifest.folded, manifest.licence.as_str()), (true, "CC0"));
        assert_eq!(manifest.classes, CLASSES);
        assert_eq!(manifest.subspaces, ["a", "b", "c"]);
        let has_readout = format != "int8";
        assert_eq!(manifest.pooling, if has_readout { Pooling::Moments } else { Pooling::Mean });
        assert_eq!(model.readout.as_ref().map(|it| it.bias.len()), has_readout.then_some(manifest.embedding_width));
        let kinds = if has_readout { 4 } else { 3 };
        let metrics = manifest.metrics.len();
        assert_eq!(
            metrics,
            kinds * 3,
            "two k-NN and a linear accuracy for the encoder, its last map and each baseline"
        );
        assert!(manifest.metrics.iter().all(|metric| metric.protocol.contains("inference mode")));
        let golden = manifest.golden.clone().unwrap();
        let gallery =
            Gallery::from_bytes(&fs::read(folder.join(format).join("gallery/gallery.safetensors")).unwrap()).unwrap();
        assert_eq!((gallery.count(), gallery.manifest.model_sha256.as_str()), (20, manifest.sha256.as_str()));
        assert_eq!(files(&folder.join(format).join("gallery")), ["gallery.safetensors", "thumbnails-0.jpg"]);
        // The golden vector is of the stored weights: loading them gives it again exactly, whatever the format.
        let embedder = Embedder::from_artifact(model, &Device::flex()).unwrap();
        assert_eq!(pollster::block_on(embedder.self_test(&golden)).unwrap(), 0.0);
    }
    assert!(sizes[0] > sizes[1] && sizes[1] > sizes[2], "{sizes:?}");
}

#[test]
fn an_exported_model_can_be_evaluated_and_exported_again() {
    let shop = workshop();
    let (code, _, err) =
        trainer(shop.path(), "export --encoder @encoder.safetensors --out @a --format f32 --device cpu");
    assert_eq!(code, 0, "{err}");
    let (code, out, err) =
        trainer(shop.path(), "export --encoder @a/compact-xs.safetensors --out @b --format f32 --device cpu");
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("made-up tiles"), "{out}");
    let read = |name: &str| Artifact::from_bytes(&fs::read(shop.path().join(name)).unwrap()).unwrap();
    assert_eq!(read("a/compact-xs.safetensors").encoder, read("b/compact-xs.safetensors").encoder);
}

#[test]
fn an_evaluation_writes_its_results_and_leaves_the_encoder() {
    let shop = workshop();
    let encoder = shop.path().join("encoder.safetensors");
    let before = fs::read(&encoder).unwrap();
    let line = "evaluate --encoder @encoder.safetensors --data @tiles --out @results --k 1,3 --seed 7 --device cpu";
    let (code, out, err) = trainer(shop.path(), line);
    assert_eq!(code, 0, "{err}");
    for part in ["random weights (seed 7)", "image statistics", "stratified draw with seed 7", "k-NN 3", "unchanged"] {
        assert!(out.contains(part), "{part} is missing:\n{out}");
    }
    assert_eq!(fs::read(&encoder).unwrap(), before);
    assert_eq!(files(&shop.path().join("results")), ["confusion.svg", "results.json", "results.md"]);
    let results: Evaluation =
        serde_json::from_slice(&fs::read(shop.path().join("results/results.json")).unwrap()).unwrap();
    let names: Vec<&str> = results.scores.iter().map(|scores| scores.name.as_str()).collect();
    assert_eq!(names[1..], ["its last feature map alone", "random weights (seed 7)", "image statistics (7 a band)"]);
    assert_eq!(results.confusion.counts.iter().flatten().sum::<usize>(), 18, "a fifth of 90 tiles");
    assert_eq!(results.regulariser_grid.len(), 10);
    assert_eq!(trainer(shop.path(), line).1, out, "the same again");
    // The last feature map alone is what --readout mean is about.
    let (code, _, err) = trainer(shop.path(), &format!("{line} --readout mean"));
    assert_eq!(code, 0, "{err}");
    let of_mean: Evaluation =
        serde_json::from_slice(&fs::read(shop.path().join("results/results.json")).unwrap()).unwrap();
    assert_eq!(of_mean.scores.len(), 3);
    assert_eq!(of_mean.scores[0].knn, results.scores[1].knn);
    assert_eq!(of_mean.scores[0].linear_accuracy, results.scores[1].linear_accuracy);
}

#[test]
fn embeddings_of_a_folder_are_the_same_in_every_file() {
    let shop = workshop();
    fs::write(shop.path().join("tiles/Water/broken.png"), b"no picture").unwrap();
    let (code, _, err) =
        trainer(shop.path(), "embed --encoder @encoder.safetensors --data @tiles --out @e --csv --npy --device cpu");
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("broken"), "the unreadable file is named: {err}");
    let csv = fs::read_to_string(shop.path().join("e/embeddings.csv")).unwrap();
    let npy = fs::read(shop.path().join("e/embeddings.npy")).unwrap();
    let gallery = Gallery::from_bytes(&fs::read(shop.path().join("e/gallery.safetensors")).unwrap()).unwrap();
    assert_eq!((csv.lines().count(), gallery.count()), (91, 90));
    let last: Vec<&str> = csv.lines().last().unwrap().split(',').collect();
    assert_eq!(last[1], "Water");
    let values: Vec<f32> = last[2..].iter().map(|value| value.parse().unwrap()).collect();
    let tail: Vec<f32> =
        npy[npy.len() - values.len() * 4..].chunks(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    assert_eq!(values, tail);
    // The gallery is in the order of its map, and so are its thumbnails.
    let sheet = image::open(shop.path().join("e/thumbnails-0.jpg")).unwrap().to_rgb8();
    for line in csv.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let row = gallery.manifest.names.iter().position(|name| name == fields[0]).unwrap();
        let values: Vec<f32> = fields[2..].iter().map(|value| value.parse().unwrap()).collect();
        let cosine = shared::compare::cosine(&values, gallery.embedding(row).unwrap());
        assert!(cosine > 0.999, "{}: {cosine}", fields[0]);
        let Sprite { left_px, top_px, .. } = gallery.manifest.atlas.sprite(row).unwrap();
        let side = gallery.manifest.atlas.tile_px as u32;
        let thumbnail = image::imageops::crop_imm(&sheet, left_px as u32, top_px as u32, side, side).to_image();
        let tile = image::open(shop.path().join("tiles").join(fields[0])).unwrap().to_rgb8();
        for channel in 0..3 {
            let mean = |picture: &image::RgbImage| {
                let sum: u32 = picture.pixels().map(|pixel| u32::from(pixel.0[channel])).sum();
                f64::from(sum) / f64::from(picture.width() * picture.height())
            };
            let (found, expected) = (mean(&thumbnail), mean(&tile));
            assert!((found - expected).abs() < 4.0, "{}: channel {channel} is {found}, not {expected}", fields[0]);
        }
    }
}

#[test]
fn bad_input_gets_one_line_and_a_hint() {
    let shop = workshop();
    let list: PathBuf = shop.path().join("some.csv");
    fs::write(&list, "Field/Field_0.png,Field\n").unwrap();
    fs::write(shop.path().join("noise.safetensors"), b"noise").unwrap();
    for (line, code, what) in [
        ("evaluate --encoder @nothing --data @tiles", 1, "no encoder at"),
        ("evaluate --encoder @noise.safetensors --data @tiles --device cpu", 1, "noise.safetensors"),
        ("evaluate --encoder @encoder.safetensors --data @nothing --device cpu", 1, "nothing"),
        (
            "evaluate --encoder @encoder.safetensors --data @tiles --train-split @some.csv --device cpu",
            2,
            "split lists",
        ),
        ("evaluate --encoder @encoder.safetensors --data @tiles --k 0 --device cpu", 2, "neighbours"),
        ("evaluate --encoder @encoder.safetensors --data @tiles --k 1000 --device cpu", 1, "1000"),
        ("evaluate --encoder @encoder.safetensors --data @tiles --device gpu7", 2, "gpu7"),
        ("export --encoder @encoder.safetensors --out @x --name a/b --device cpu", 2, "a/b"),
        ("export --encoder @encoder.safetensors --out @noise.safetensors --device cpu", 1, "cannot write"),
        ("export --encoder @encoder.safetensors --out @x --readout moments --device cpu", 2, "fitted on tiles"),
        ("embed --encoder @encoder.safetensors --data @nothing --out @y --device cpu", 1, "nothing"),
    ] {
        let (found, _, err) = trainer(shop.path(), line);
        assert_eq!(found, code, "{line}: {err}");
        let error: Vec<&str> = err.lines().skip_while(|line| !line.starts_with("error:")).collect();
        assert_eq!(error.len(), 2, "{line}: {err}");
        assert!(error[0].contains(what) && error[1].starts_with("hint: "), "{line}: {err}");
    }
    assert!(!shop.path().join("x").exists() && !shop.path().join("y").exists());
}

#[test]
fn a_folder_for_pytorch_holds_the_encoder_unfolded() {
    let shop = workshop();
    let folder = shop.path();
    let line = "export --encoder @encoder.safetensors --out @m --name m --data @tiles --pytorch @hub --licence MIT --device cpu";
    let (code, _, err) = trainer(folder, line);
    assert_eq!(code, 0, "{err}");
    assert_eq!(files(&folder.join("hub")), ["README.md", "config.json", "model.safetensors", "modeling_solstice.py"]);
    let card = fs::read_to_string(folder.join("hub/README.md")).unwrap();
    assert!(card.starts_with("---\nlicense: mit\n") && card.contains("k-NN-20 accuracy"), "{card}");
    let read = |path: &str| {
        let bytes = fs::read(folder.join(path)).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.iter().map(|(name, view)| {
            let values: Vec<f32> = bytemuck::pod_collect_to_vec(view.data());
            (name.to_owned(), (view.shape().to_vec(), values))
        });
        tensors.collect::<std::collections::BTreeMap<_, _>>()
    };
    let (trained, exported) = (read("encoder.safetensors"), read("hub/model.safetensors"));
    for (name, tensor) in trained.iter().filter(|(name, _)| !name.starts_with("projection.")) {
        assert_eq!(exported.get(name), Some(tensor), "{name}: as it was trained, to the last bit");
    }
    let model = Artifact::from_bytes(&fs::read(folder.join("m/m.safetensors")).unwrap()).unwrap();
    let width = model.manifest.embedding_width;
    assert_eq!(exported["readout.bias"].1, model.readout.unwrap().bias);
    assert_eq!(exported["fc.weight"].0, [CLASSES.len(), width]);
    let config: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("hub/config.json")).unwrap()).unwrap();
    assert_eq!((&config["architecture"], &config["pooling"]), (&"compact-xs".into(), &"moments".into()));
    assert_eq!(config["bands"], serde_json::json!(["B04", "B03", "B02"]), "{config}");
}
