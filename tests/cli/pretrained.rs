//! A run that starts from the weights of an encoder.

use crate::{site, small_run, trainer};
use safetensors::SafeTensors;
use std::fs;
use std::path::Path;

/// A run that learns nothing, from `encoder`.
fn still(data: &Path, encoder: &Path, out: &Path) -> Vec<String> {
    let mut args = small_run(data, out);
    args.extend(["--pretrained".into(), encoder.display().to_string()]);
    for change in ["train.learning_rate=0.0", "train.epochs=1", "run.seed=7"] {
        args.extend(["--set".into(), change.into()]);
    }
    args
}

/// The values of a tensor in single precision, a filter at a time.
fn filters(file: &Path, name: &str) -> Vec<Vec<f32>> {
    let bytes = fs::read(file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = tensors.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(tensor.dtype(), safetensors::Dtype::F32);
    let values = tensor.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    let size = tensor.shape()[1..].iter().product();
    values.collect::<Vec<f32>>().chunks_exact(size).map(<[f32]>::to_vec).collect()
}

#[test]
fn a_run_starts_from_a_run_and_from_an_exported_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (data, first) = (path("tiles"), path("first"));
    site::tiles(&data, 20);
    let answer = trainer(small_run(&data, &first));
    assert_eq!(answer.code, 0, "{}", answer.err);
    let trained = |run: &str, name: &str| filters(&path(run).join("encoder.safetensors"), name);

    // Of a run: the very weights. Another place's pictures are on its record beside the first run's.
    let more = path("more");
    site::tiles(&more, 24);
    let answer = trainer(still(&more, &first, &path("second")));
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(answer.err.contains("starting from"), "{}", answer.err);
    let convolutions = ["conv1", "layer1.0.conv1", "layer2.0.downsample.0"].map(|name| format!("{name}.weight"));
    for name in &convolutions {
        assert_eq!(trained("first", name), trained("second", name), "{name}");
    }
    let seen = |run: &str| fs::read_to_string(path(run).join("seen.txt")).unwrap();
    assert!(seen("first").lines().skip(1).all(|line| seen("second").lines().any(|own| own == line)));
    assert!(seen("second").lines().count() > seen("first").lines().count());

    // Once begun, a run goes on without it.
    let config = path("second/config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("first", "gone").replace("epochs = 1", "epochs = 2")).unwrap();
    fs::remove_file(path("second/encoder.safetensors")).unwrap();
    let answer = trainer(["pretrain", "--resume", &path("second").display().to_string()]);
    assert_eq!(answer.code, 0, "{}", answer.err);

    // Of a model file, whose normalisation is folded in: the same filters but for their lengths.
    let models = path("models");
    let export = ["export", "--encoder", &first.display().to_string(), "--name", "tiny", "--device", "cpu", "--out"];
    let answer = trainer(export.map(String::from).into_iter().chain([models.display().to_string()]));
    assert_eq!(answer.code, 0, "{}", answer.err);
    let answer = trainer(still(&data, &models.join("tiny.safetensors"), &path("third")));
    assert_eq!(answer.code, 0, "{}", answer.err);
    for name in &convolutions {
        for (a, b) in trained("first", name).iter().zip(&trained("third", name)) {
            let dot = |a: &Vec<f32>, b: &Vec<f32>| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
            assert!(cosine > 0.9999, "{name}: {cosine}");
        }
    }
}

#[test]
fn an_encoder_that_does_not_fit_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (data, first) = (path("tiles"), path("first"));
    site::tiles(&data, 12);
    assert_eq!(trainer(small_run(&data, &first)).code, 0);

    let mut args = still(&data, &first, &path("other"));
    args.extend(["--set".into(), "encoder.architecture=resnet18".into()]);
    let answer = trainer(args);
    assert_eq!(answer.code, 2, "{}", answer.err);
    assert!(
        answer.err.contains("resnet18 (") && answer.err.contains("\nhint: --set encoder.architecture="),
        "{}",
        answer.err
    );
    assert!(!path("other").exists());

    let answer = trainer(still(&data, &path("nothing"), &path("other")));
    assert!(
        answer.code == 1 && answer.err.contains("no encoder at") && answer.err.contains("\nhint: "),
        "{}",
        answer.err
    );

    let mut args = still(&data, &first, &path("other"));
    args.extend(["--set".into(), "tiles.mean=[0.1, 0.1, 0.1]".into()]);
    let answer = trainer(args);
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(answer.err.contains("warning: ") && answer.err.contains("another normalisation"), "{}", answer.err);
}
