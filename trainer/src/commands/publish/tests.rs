//! Answers for the page's tests: many more tiles than are shipped as samples.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use super::*;

/// Tiles of each class; there are ten classes.
const PER_CLASS: usize = 20;

/// With `SOLSTICE_EXPECTED_DIR` set, `tiles.json` is written there for `tests/browser/trainer.test.mjs`: what the shipped
/// model makes of 200 EuroSAT tiles, decoded and embedded natively.
#[test]
fn files_for_the_page() {
    let Some(folder) = std::env::var_os("SOLSTICE_EXPECTED_DIR") else { return };
    let public = Path::new(env!("CARGO_MANIFEST_DIR")).join("../public");
    let index: Value = serde_json::from_slice(&fs::read(public.join("models/index.json")).unwrap()).unwrap();
    let model = fs::read(public.join("models").join(index["models"][0]["file"].as_str().unwrap())).unwrap();
    let embedder = Embedder::load(&model, &Device::flex()).unwrap();
    let split = public.join("demo/eurosat_test.csv");
    let set = LabelledSet::open(&public.join("demo/eurosat.tar"), Some(&split), &mut Vec::new()).unwrap();
    let labels = &set.labels;
    let of_class = |class: usize| (0..labels.len()).filter(move |&index| labels[index] == class).take(PER_CLASS);
    let indices: Vec<usize> = (0..set.classes.len()).flat_map(of_class).collect();
    assert_eq!(indices.len(), 200);
    let files: Vec<String> = indices.iter().map(|&index| set.names[index].clone()).collect();
    let answers = answers(&embedder, &entry_sha256(&index), &set.tiles(&indices).unwrap(), &files).unwrap();
    write_json(&Path::new(&folder).join("tiles.json"), &answers).unwrap();
}
