//! Against scikit-learn, SciPy and NumPy; the values come from `tests/reference/eval.py`.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use serde::Deserialize;
use shared::tile::Tile;

use super::*;

#[derive(Deserialize)]
struct Reference {
    classes: usize,
    width: usize,
    train: Vec<f32>,
    train_labels: Vec<usize>,
    test: Vec<f32>,
    test_labels: Vec<usize>,
    knn: Vec<KnnCase>,
    logistic: Vec<LogisticCase>,
    svm: Vec<SvmCase>,
    calibration: CalibrationCase,
    statistics: StatisticsCase,
    principal: Vec<PrincipalCase>,
}

#[derive(Deserialize)]
struct KnnCase {
    k: usize,
    metric: String,
    neighbours: Vec<Vec<usize>>,
    predictions: Vec<usize>,
}

#[derive(Deserialize)]
struct LogisticCase {
    regulariser: f64,
    objective: f64,
    test_loss: f64,
    predictions: Vec<usize>,
}

#[derive(Deserialize)]
struct SvmCase {
    c: f64,
    decisions: Vec<f64>,
    predictions: Vec<usize>,
}

#[derive(Deserialize)]
struct CalibrationCase {
    logits: Vec<f32>,
    labels: Vec<usize>,
    temperature: f64,
    loss: f64,
}

#[derive(Deserialize)]
struct StatisticsCase {
    tile: Vec<f32>,
    expected: Vec<f32>,
}

#[derive(Deserialize)]
struct PrincipalCase {
    components: usize,
    power: f64,
    /// Scores of the test rows on the whitened components of the standardised training rows, up to the sign of each.
    scores: Vec<f64>,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../../../tests/reference/eval.json")).unwrap()
}

impl Reference {
    fn parts(&self) -> (Embedded, Embedded) {
        let part = |values: &Vec<f32>, labels: &Vec<usize>| Embedded::new(values.clone(), self.width, labels.clone());
        (part(&self.train, &self.train_labels).unwrap(), part(&self.test, &self.test_labels).unwrap())
    }
}

#[test]
fn neighbours_and_votes_equal_scikit_learns() {
    let reference = reference();
    let (train, test) = reference.parts();
    for case in &reference.knn {
        let metric = if case.metric == "cosine" { Metric::Cosine } else { Metric::Euclidean };
        let found = neighbours(case.k, metric, &train, &test).unwrap();
        let indices: Vec<Vec<usize>> = found.iter().map(|near| near.iter().map(|one| one.index).collect()).collect();
        assert_eq!(indices, case.neighbours, "{} neighbours by {}", case.k, case.metric);
        let voted: Vec<usize> = found.iter().map(|near| majority(near, &train.labels, reference.classes)).collect();
        assert_eq!(voted, case.predictions, "vote of {} by {}", case.k, case.metric);
    }
}

#[test]
fn the_linear_probe_equals_scikit_learns() {
    let reference = reference();
    let (train, test) = reference.parts();
    for case in &reference.logistic {
        // One regulariser: nothing to choose, so that any validation part will do.
        let outcome = linear_probe(&train, &test, reference.classes, &[case.regulariser], |_| {}).unwrap();
        let (fit, probe) = (outcome.grid[0], outcome.probe);
        // Both minimise a strictly convex function: at the minimum it is flat, and f32 products leave about 1e-6.
        assert!((fit.objective - case.objective).abs() < 1e-5, "{} against {}", fit.objective, case.objective);
        assert!(
            (fit.validation_loss - case.test_loss).abs() < 1e-4,
            "{} against {}",
            fit.validation_loss,
            case.test_loss
        );
        assert_eq!(probe.predict(&test), case.predictions, "regulariser {}", case.regulariser);
    }
}

#[test]
fn the_support_vector_machine_equals_scikit_learns() {
    let reference = reference();
    let (train, test) = reference.parts();
    for case in &reference.svm {
        let svm = fit_svm(&train, reference.classes, SvmSettings::new(case.c), |_| {}).unwrap();
        assert_eq!(svm.unfinished, 0);
        for (found, expected) in svm.classifier.logits(&test).iter().zip(&case.decisions) {
            // The standardisation is folded in, in single precision, with features of up to some tens.
            assert!((f64::from(*found) - expected).abs() < 1e-3, "C = {}: {found} against {expected}", case.c);
        }
        assert_eq!(svm.classifier.predict(&test), case.predictions, "C = {}", case.c);
    }
}

#[test]
fn the_temperature_equals_scipys() {
    let CalibrationCase { logits, labels, temperature, loss } = reference().calibration;
    let found = fit_temperature(&logits, &labels, 4);
    assert!((found - temperature).abs() < 1e-3 * temperature, "{found} against {temperature}");
    assert!((negative_log_likelihood(&logits, &labels, 4, found) - loss).abs() < 1e-6);
}

#[test]
fn statistics_equal_numpys() {
    let StatisticsCase { tile, expected } = reference().statistics;
    let found = image_statistics(&Tile::new(2, 5, 7, tile).unwrap());
    assert_eq!(found.len(), expected.len());
    for (ours, numpys) in found.iter().zip(expected) {
        assert!((ours - numpys).abs() < 1e-6, "{ours} against {numpys}");
    }
}

#[test]
fn readouts_are_scikit_learns_components() {
    let reference = reference();
    let (train, test) = reference.parts();
    for case in &reference.principal {
        let readout = fit_readout(&train.values, train.width, case.components, case.power).unwrap();
        let found = read_out(&test, &readout).unwrap();
        assert_eq!(found.width, case.components);
        for component in 0..case.components {
            let column = |values: &[f64]| -> Vec<f64> {
                values.iter().skip(component).step_by(case.components).copied().collect()
            };
            let ours = column(&found.values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>());
            let theirs = column(&case.scores);
            let sign = ours.iter().zip(&theirs).map(|(a, b)| a * b).sum::<f64>().signum();
            for (ours, theirs) in ours.iter().zip(&theirs) {
                assert!((ours - sign * theirs).abs() < 1e-4, "component {component}: {ours} against {theirs}");
            }
        }
    }
}

#[test]
fn a_readout_needs_tiles_and_variance() {
    let few = fit_readout(&[1.0, 2.0], 2, 2, 0.5).unwrap_err().to_string();
    assert!(few.contains("1 tiles\nhint: "), "{few}");
    let same = fit_readout(&[1.0; 40], 2, 2, 0.5).unwrap_err().to_string();
    assert!(same.contains("the same\nhint: "), "{same}");
    // One of two features is constant, and 16 tiles are too few for two components anyway.
    let rows: Vec<f32> = (0..16).flat_map(|at| [at as f32, 3.0]).collect();
    let readout = fit_readout(&rows, 2, 2, 1.0).unwrap();
    assert_eq!(readout.bias.len(), 1);
    let standard = |at: f32| (at - 7.5) / (85.0_f32 / 4.0).sqrt();
    for at in [0.0, 7.5, 15.0] {
        assert!((readout.apply(&[at, 3.0])[0] - standard(at)).abs() < 1e-6);
    }
}
