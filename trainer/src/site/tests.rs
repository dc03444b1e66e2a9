//! Answers for the page's tests: many more tiles than are shipped as samples.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use super::*;

/// Tiles of each class; there are ten classes.
const PER_CLASS: usize = 20;

/// What a model makes of some tiles of each class, from the embedded test split.
fn answers_of(model: &[u8], sha256: &str, per_class: usize) -> Value {
    let public = Path::new(env!("CARGO_MANIFEST_DIR")).join("../public");
    let embedder = Embedder::load(model, &Device::flex()).unwrap();
    let split = public.join("demo/eurosat_test.csv");
    let set = LabelledSet::open(
        &public.join("demo/eurosat.tar"),
        Some(&split),
        &shared::bands::Bands::rgb(),
        &mut Vec::new(),
    )
    .unwrap();
    let labels = &set.labels;
    let of_class = |class: usize| (0..labels.len()).filter(move |&index| labels[index] == class).take(per_class);
    let indices: Vec<usize> = (0..set.classes.len()).flat_map(of_class).collect();
    let files: Vec<String> = indices.iter().map(|&index| set.names[index].clone()).collect();
    answers(&embedder, sha256, &set.tiles(&indices).unwrap(), &files).unwrap()
}

/// With `SOLSTICE_EXPECTED_DIR` set, `tiles.json` is written there for `tests/browser/trainer.test.mjs`: what the shipped
/// model makes of 200 EuroSAT tiles, decoded and embedded natively.
#[test]
fn files_for_the_page() {
    let Some(folder) = std::env::var_os("SOLSTICE_EXPECTED_DIR") else { return };
    let public = Path::new(env!("CARGO_MANIFEST_DIR")).join("../public");
    let index: Value = serde_json::from_slice(&fs::read(public.join("models/index.json")).unwrap()).unwrap();
    let model = fs::read(public.join("models").join(index["models"][0]["file"].as_str().unwrap())).unwrap();
    let answers = answers_of(&model, &entry_sha256(&index), PER_CLASS);
    assert_eq!(answers["tiles"].as_array().unwrap().len(), 200);
    write_json(&Path::new(&folder).join("tiles.json"), &answers).unwrap();
}

/// The trainer's own command line, which must succeed.
fn trainer(args: &[&str]) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let words = std::iter::once("trainer").chain(args.iter().copied()).map(std::ffi::OsString::from);
    let code = crate::run(words, &mut out, &mut err, false);
    assert_eq!(code, 0, "{args:?}: {}", String::from_utf8_lossy(&err));
}

/// With `SOLSTICE_EXPECTED_DIR` set, encoders of a whole small Divide and Contrast and of DeeperCluster with the paper's
/// Sobel input are trained and exported there, each with what it makes of 30 tiles, for the same test.
#[test]
fn files_for_the_page_of_other_methods() {
    let Some(folder) = std::env::var_os("SOLSTICE_EXPECTED_DIR") else { return };
    let folder = Path::new(&folder);
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../public/demo");
    let tar = demo.join("eurosat.tar").display().to_string();
    let source = format!("kind=folder,path={tar},split={}", demo.join("eurosat_val.csv").display());
    let splits = ["train", "val", "test"]
        .map(|part| format!("--{part}-split={}", demo.join(format!("eurosat_{part}.csv")).display()));
    let runs = tempfile::tempdir().unwrap();
    let common = ["train.batch=32", "train.crop_px=[[0,32]]", "train.learning_rate=0.02", "tiles.input_px=64"];
    let dnc = [
        "encoder.stem=small",
        "train.epochs=2",
        "train.schedule={kind=\"constant\"}",
        "method.hidden=64",
        "method.dim=32",
        "dnc.clusters=2",
        "dnc.expert_epochs=2",
        "dnc.distill_epochs=2",
        "dnc.distill.hidden=64",
        "dnc.distill.dim=32",
        "dnc.distill.centre_px=64",
    ];
    let deeper_cluster = [
        "encoder.stem=sobel",
        "train.epochs=2",
        "method.super_clusters=2",
        "method.sub_clusters=5",
        "method.every_epochs=1",
        "method.components=32",
    ];
    for (name, settings) in [("dnc", &dnc[..]), ("deeper-cluster", &deeper_cluster)] {
        let run = runs.path().join(name).display().to_string();
        let mut words = vec!["pretrain", "--preset", name, "--device", "cpu", "--data", &source, "--out", &run];
        words.extend(["--set", "encoder.architecture=compact-xs"]);
        words.extend(common.iter().chain(settings).flat_map(|setting| ["--set", *setting]));
        trainer(&words);
        let out = folder.display().to_string();
        let mut words = vec!["export", "--encoder", &run, "--out", &out, "--name", name, "--data", &tar];
        words.extend(splits.iter().map(String::as_str));
        words.extend(["--device", "cpu", "--format", "f32"]);
        trainer(&words);
        let file = format!("{name}.safetensors");
        let model = fs::read(folder.join(&file)).unwrap();
        let answers = answers_of(&model, file_entry(folder, &file).unwrap()["sha256"].as_str().unwrap(), 3);
        write_json(&folder.join(format!("{name}.json")), &answers).unwrap();
    }
}
