//! Against scikit-learn, torchmetrics and SciPy; the values come from `tests/reference/metrics.py`.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Reference {
    multi_label: Vec<MultiLabelCase>,
    pixels: Vec<PixelCase>,
    calibration: Vec<CalibrationCase>,
    thresholds: ThresholdCase,
    bootstrap: Vec<BootstrapCase>,
}

#[derive(Deserialize)]
struct MultiLabelCase {
    name: String,
    classes: usize,
    scores: Vec<f32>,
    truth: Vec<bool>,
    batch: usize,
    micro_map: Option<f64>,
    macro_map: Option<f64>,
    batch_averaged_map: Option<f64>,
    micro_f1: Option<f64>,
    macro_f1: Option<f64>,
    per_class: Vec<Option<f64>>,
}

#[derive(Deserialize)]
struct PixelCase {
    name: String,
    classes: usize,
    truth: Vec<i64>,
    predicted: Vec<usize>,
    mean_iou: Option<f64>,
    mean_f1: Option<f64>,
    overall_accuracy: Option<f64>,
    iou: Vec<Option<f64>>,
    precision: Vec<Option<f64>>,
    recall: Vec<Option<f64>>,
}

#[derive(Deserialize)]
struct CalibrationCase {
    confidences: Vec<f32>,
    right: Vec<bool>,
    error: f64,
}

#[derive(Deserialize)]
struct ThresholdCase {
    probabilities: Vec<f32>,
    truth: Vec<bool>,
    best: f64,
    best_f1: f64,
    at: Vec<ThresholdScores>,
}

#[derive(Deserialize)]
struct ThresholdScores {
    threshold: f64,
    precision: f64,
    recall: f64,
    f1: f64,
    iou: f64,
}

#[derive(Deserialize)]
struct BootstrapCase {
    right: usize,
    rows: usize,
    low: f64,
    high: f64,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../../../tests/reference/metrics.json")).unwrap()
}

/// Torchmetrics computes in single precision.
fn assert_close(what: &str, ours: Option<f64>, expected: Option<f64>, tolerance: f64) {
    match (ours, expected) {
        (None, None) => {}
        (Some(ours), Some(expected)) if (ours - expected).abs() <= tolerance => {}
        _ => panic!("{what}: {ours:?} is not {expected:?}"),
    }
}

#[test]
fn average_precisions_are_scikit_learns() {
    for case in reference().multi_label {
        let set = MultiLabel { scores: &case.scores, truth: &case.truth, classes: case.classes };
        let ours = multi_label_scores(set, 0.5, case.batch);
        for (what, ours, expected) in [
            ("micro mAP", ours.micro_map, case.micro_map),
            ("macro mAP", ours.macro_map, case.macro_map),
            ("batch-averaged mAP", ours.batch_averaged_map, case.batch_averaged_map),
            ("micro F1", ours.micro_f1, case.micro_f1),
        ] {
            assert_close(&format!("{}: {what}", case.name), ours, expected, 1e-9);
        }
        if case.macro_f1.is_some() {
            assert_close(&format!("{}: macro F1", case.name), ours.macro_f1, case.macro_f1, 1e-9);
        }
        for (ours, expected) in ours.per_class.iter().zip(&case.per_class) {
            assert_close(&format!("{}: a label", case.name), *ours, *expected, 1e-9);
        }
    }
}

#[test]
fn map_scores_are_torchmetrics() {
    for case in reference().pixels {
        let mut confusion = PixelConfusion::new(case.classes);
        let half = case.truth.len() / 2;
        let truth = |from: &[i64]| from.iter().map(|&class| usize::try_from(class).ok()).collect::<Vec<_>>();
        // Two maps, counted apart.
        for part in [0..half, half..case.truth.len()] {
            let mut own = PixelConfusion::new(case.classes);
            own.add(truth(&case.truth[part.clone()]), case.predicted[part].iter().copied());
            confusion.merge(&own);
        }
        let name = &case.name;
        assert_close(&format!("{name}: mIoU"), confusion.mean_iou(), case.mean_iou, 1e-6);
        assert_close(&format!("{name}: F1"), confusion.mean_f1(), case.mean_f1, 1e-6);
        assert_close(&format!("{name}: OA"), confusion.overall_accuracy(), case.overall_accuracy, 1e-9);
        for (class, score) in confusion.class_scores().into_iter().enumerate() {
            assert_close(&format!("{name}: IoU of {class}"), score.iou, case.iou[class], 1e-9);
            assert_close(&format!("{name}: precision of {class}"), score.precision, case.precision[class], 1e-9);
            assert_close(&format!("{name}: recall of {class}"), score.recall, case.recall[class], 1e-9);
        }
    }
}

#[test]
fn calibration_errors_are_torchmetrics() {
    for case in reference().calibration {
        assert_close("ECE", calibration_error(&case.confidences, &case.right), Some(case.error), 1e-6);
    }
    assert_eq!(calibration_error(&[], &[]), None);
}

#[test]
fn thresholds_are_scikit_learns() {
    let case = reference().thresholds;
    let mut counts = Thresholds::default();
    case.probabilities.iter().zip(&case.truth).for_each(|(probability, truth)| counts.add(Some(*truth), *probability));
    for expected in &case.at {
        let ours = counts.at(expected.threshold);
        assert_close("precision", ours.precision, Some(expected.precision), 1e-9);
        assert_close("recall", ours.recall, Some(expected.recall), 1e-9);
        assert_close("F1", ours.f1, Some(expected.f1), 1e-9);
        assert_close("IoU", ours.iou, Some(expected.iou), 1e-9);
    }
    assert_eq!(counts.best(), case.best);
    assert_close("best F1", counts.at(counts.best()).f1, Some(case.best_f1), 1e-9);
}

#[test]
fn intervals_are_the_binomials() {
    for case in reference().bootstrap {
        let right: Vec<bool> = (0..case.rows).map(|row| row < case.right).collect();
        let interval = accuracy_interval(&right, 3).unwrap();
        // A quantile of 1 000 draws is within two hits of the exact one, nearly always.
        let tolerance = 2.5 / case.rows as f64 + 0.002;
        assert_close("low", Some(interval.low), Some(case.low), tolerance);
        assert_close("high", Some(interval.high), Some(case.high), tolerance);
    }
}
