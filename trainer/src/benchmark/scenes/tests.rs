//! Protocols on made-up features whose answers are known.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use super::frozen::SHOTS;
use super::*;

/// `count` rows of three classes around the corners of a triangle, `noise` apart.
fn cloud(count: usize, noise: f32, salt: usize) -> Embedded {
    let labels: Vec<usize> = (0..count).map(|row| row % 3).collect();
    let value = |row: usize, axis: usize| {
        let own = if labels[row] == axis { 1.0 } else { 0.2 };
        own + noise * (((row * 7919 + axis * 104_729 + salt * 31) % 997) as f32 / 498.5 - 1.0)
    };
    let values =
        (0..count).flat_map(|row| (0..3).map(move |axis| (row, axis))).map(|(row, axis)| value(row, axis)).collect();
    Embedded::new(values, 3, labels).unwrap()
}

fn drawn(noise: f32, salt: usize, is_carved: bool) -> Drawn {
    Drawn {
        train: cloud(180, noise, salt),
        validation: cloud(45, noise, salt + 1),
        test: cloud(90, noise, salt + 2),
        tested: (0..90).collect(),
        is_carved,
    }
}

fn value(outcome: &Outcome, name: &str) -> f64 {
    outcome.measures.iter().find(|measure| measure.name == name).and_then(|measure| measure.value).unwrap()
}

#[test]
fn classes_far_apart_are_told_apart_by_every_protocol() {
    let draws = [drawn(0.1, 1, true)];
    let silent = |_: usize, _: usize| {};
    assert_eq!(value(&neighbours(&draws, &[5, 20], Metric::Cosine, 0).unwrap(), "k-NN 20"), 1.0);
    assert_eq!(value(&linear(&draws, 3, 0, silent).unwrap(), "accuracy"), 1.0);
    assert_eq!(value(&svm(&draws, 3, 0, |_| {}).unwrap(), "accuracy"), 1.0);
    let few = few_shot(&draws[0], 3, 0);
    assert_eq!(few.measures.len(), SHOTS.len());
    assert_eq!((value(&few, "1 a class"), value(&few, "50 a class")), (1.0, 1.0));
    let shares = fractions(&draws[0], 3, 0, silent).unwrap();
    let names: Vec<&str> = shares.measures.iter().map(|measure| measure.name.as_str()).collect();
    assert_eq!(names, ["100 % of labels", "10 % of labels", "1 % of labels"]);
    let bench = torchgeo(&draws, 3, 0, silent).unwrap();
    assert_eq!((value(&bench, "linear"), value(&bench, "k-NN 5")), (1.0, 1.0));
}

#[test]
fn one_draw_has_an_interval_and_several_have_a_deviation() {
    let one = neighbours(&[drawn(1.2, 1, false)], &[5], Metric::Cosine, 0).unwrap();
    let interval = one.measures[0].interval.unwrap();
    let score = one.measures[0].value.unwrap();
    assert!(score < 1.0 && interval.low < score && score < interval.high, "{score}, {interval:?}");
    let three: Vec<Drawn> = (0..3).map(|salt| drawn(1.2, 10 * salt, false)).collect();
    let several = neighbours(&three, &[5], Metric::Cosine, 0).unwrap();
    assert!(several.measures[0].deviation.unwrap() > 0.0 && several.measures[0].draws == 3);
    // The same 90 pictures in every draw: three times as many answers make the interval narrower, not wider.
    let (score, own) = (several.measures[0].value.unwrap(), several.measures[0].interval.unwrap());
    assert!(own.low < score && score < own.high && own.high - own.low < interval.high - interval.low, "{own:?}");
    // The same answers thrice are as sure as once.
    let same: Vec<Drawn> = (0..3).map(|_| drawn(1.2, 1, false)).collect();
    let same = neighbours(&same, &[5], Metric::Cosine, 0).unwrap();
    assert_eq!(same.measures[0].interval.unwrap(), interval);
}

#[test]
fn what_cannot_be_measured_is_said() {
    let small = Drawn {
        train: cloud(9, 0.1, 1),
        validation: cloud(6, 0.1, 2),
        test: cloud(9, 0.1, 3),
        tested: (0..9).collect(),
        is_carved: false,
    };
    let found = neighbours(std::slice::from_ref(&small), &[5, 20], Metric::Cosine, 0).unwrap();
    assert_eq!((found.measures.len(), found.notes.len()), (1, 1));
    let few = few_shot(&small, 3, 0);
    let names: Vec<&str> = few.measures.iter().map(|measure| measure.name.as_str()).collect();
    assert_eq!(names, ["1 a class"]);
    assert!(few.notes.iter().any(|note| note.contains("50 labels a class")), "{:?}", few.notes);
}

#[test]
fn a_share_below_one_picture_a_class_is_left_out_and_what_is_carved_is_learned_from() {
    // 12 pictures a class with the validation part: a tenth is one, a hundredth none.
    let small = |is_carved| Drawn {
        train: cloud(27, 0.1, 1),
        validation: cloud(9, 0.1, 2),
        test: cloud(30, 0.1, 3),
        tested: (0..30).collect(),
        is_carved,
    };
    let found = fractions(&small(true), 3, 0, |_, _| {}).unwrap();
    let names: Vec<&str> = found.measures.iter().map(|measure| measure.name.as_str()).collect();
    assert_eq!(names, ["100 % of labels", "10 % of labels"]);
    assert!(found.notes.len() == 1 && found.notes[0].starts_with("1 % of labels left out"), "{:?}", found.notes);
    assert_eq!(value(&found, "100 % of labels"), 1.0);
}

#[test]
fn one_picture_a_class_is_learned_from_without_a_choice() {
    let none = Embedded::new(Vec::new(), 3, Vec::new()).unwrap();
    let drawn = Drawn {
        train: cloud(3, 0.1, 1),
        validation: none,
        test: cloud(30, 0.1, 3),
        tested: (0..30).collect(),
        is_carved: true,
    };
    let found = linear(std::slice::from_ref(&drawn), 3, 0, |_, _| {}).unwrap();
    assert_eq!(value(&found, "accuracy"), 1.0);
    assert!(found.notes.iter().any(|note| note.contains("none to choose the regulariser on")), "{:?}", found.notes);
    assert_eq!(value(&torchgeo(&[drawn], 3, 0, |_, _| {}).unwrap(), "linear"), 1.0);
}

fn trainer(args: &[&str]) -> (i32, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = crate::run(std::iter::once("trainer").chain(args.iter().copied()), &mut out, &mut err, false);
    (code, String::from_utf8(err).unwrap())
}

/// Class folders of bright and dark pictures, the third class with a single one.
fn class_folders(root: &std::path::Path) {
    for (class, count) in [("bright", 8), ("dark", 8), ("grey", 1)] {
        std::fs::create_dir_all(root.join(class)).unwrap();
        for at in 0..count {
            let noise = |x: u32, y: u32| ((x * 7919 + y * 104_729 + at * 31) % 40) as u8;
            let base = if class == "bright" { 180 } else { 20 };
            let picture = image::RgbImage::from_fn(32, 32, |x, y| image::Rgb([base + noise(x, y), noise(y, x), base]));
            picture.save(root.join(class).join(format!("{at}.png"))).unwrap();
        }
    }
}

#[test]
fn a_set_without_a_validation_part_is_measured_by_every_protocol() {
    let folder = tempfile::tempdir().unwrap();
    class_folders(&folder.path().join("ucmerced"));
    let [data, out] = [folder.path().display().to_string(), folder.path().join("out").display().to_string()];
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../public/models/compact-s.safetensors");
    let args = ["benchmark", "--data", &data, "--task", "uc-merced", "--encoder", model, "--no-baselines"];
    let protocols = "knn,linear,svm,few-shot,fractions,torchgeo-bench,fine-tune";
    let rest = ["--protocol", protocols, "--px", "32", "--epochs", "2", "--out", &out, "--device", "cpu"];
    let (code, said) = trainer(&[&args[..], &rest].concat());
    assert_eq!(code, 0, "{said}");
    let report = std::fs::read(folder.path().join("out/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    let rows = report["rows"].as_array().unwrap();
    let of = |protocol: &str| rows.iter().find(|row| row["protocol"] == protocol).unwrap();
    assert_eq!(rows.len(), 7);
    assert_eq!(
        of("fractions")["notes"].as_array().unwrap().iter().filter(|n| n.to_string().contains("left out")).count(),
        2
    );
    for protocol in ["linear", "torchgeo-bench", "fine-tune"] {
        let how = of(protocol)["procedure"].as_str().unwrap();
        assert!(how.contains("no validation part"), "{how}");
    }
    // The model is folded: without its batch normalisation given back there is none to tune.
    let tuned =
        std::fs::read(folder.path().join("out/results/uc-merced/share-80/compact-s/fine-tune/encoder.safetensors"));
    let tuned = safetensors::SafeTensors::deserialize(tuned.as_deref().unwrap()).unwrap();
    assert!(tuned.tensor("bn1.running_var").is_ok() && tuned.tensor("head.weight").is_ok());
    // And the page can load the classifier.
    let model =
        std::fs::read(folder.path().join("out/results/uc-merced/share-80/compact-s/fine-tune/model.safetensors"));
    let embedder = shared::embedder::Embedder::load(&model.unwrap(), &burn::tensor::Device::flex()).unwrap();
    assert_eq!(embedder.manifest().classes, ["bright", "dark", "grey"]);
    let tile = shared::tile::Tile::new(3, 32, 32, vec![0.2; 3072]).unwrap();
    assert_eq!(pollster::block_on(embedder.classify(&[tile])).unwrap().len(), 1);
}

#[test]
fn equal_runs_give_equal_digits() {
    let once = || {
        let draws = [drawn(0.9, 4, true)];
        let all = [
            linear(&draws, 3, 5, |_, _| {}).unwrap(),
            torchgeo(&draws, 3, 5, |_, _| {}).unwrap(),
            few_shot(&draws[0], 3, 5),
        ];
        all.into_iter().flat_map(|outcome| outcome.measures).collect::<Vec<_>>()
    };
    assert_eq!(once(), once());
}
