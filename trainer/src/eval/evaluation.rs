//! The scores of a set of features under one protocol: what `trainer evaluate` reports and a model file records.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::features::Embedded;
use super::knn::{Metric, majority, neighbours};
use super::metrics::{ClassScore, Confusion, accuracy};
use super::negative_log_likelihood;
use super::probe::{GridPoint, ProbeOutcome, linear_probe, regularisers};
use super::readout::{Reading, WHITENING_POWER};
use super::svm::{SvmSettings, fit_svm};

/// Raised with every change of [`Evaluation`].
pub const RESULTS_VERSION: u32 = 3;

/// The results of one evaluation, as written to `results.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Version of this structure.
    pub version: u32,
    /// What the numbers mean.
    pub protocol: Protocol,
    /// The encoder first, with a readout followed by its last feature map alone; then the untrained baselines.
    pub scores: Vec<FeatureScores>,
    /// Confusion of the encoder's linear probe on the test split.
    pub confusion: Confusion,
    /// Per-class scores of the same.
    pub class_scores: Vec<ClassScore>,
    /// Every regulariser that was tried for the encoder's probe.
    pub regulariser_grid: Vec<GridPoint>,
    /// SHA-256 of the encoder's weights, the same before and after.
    pub weights_sha256: String,
}

/// How the numbers were made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protocol {
    /// Where the tiles are from.
    pub data: String,
    /// Where the parts are from, and the tiles in training, validation and test part.
    pub split: String,
    /// Side of the input.
    pub input_px: usize,
    /// The whole procedure in one sentence.
    pub summary: String,
}

impl Protocol {
    /// The procedure of this module on tiles of `input_px`.
    #[must_use]
    pub fn new(data: String, split: String, input_px: usize, reading: Reading, svm: Option<f64>) -> Self {
        let features = match reading {
            Reading::Mean => "mean of the last feature map".to_owned(),
            Reading::Fused => "fusion layer, the last three feature maps max-pooled to 4 × 4".to_owned(),
            Reading::Fitted { .. } | Reading::Given(_) => format!(
                "mean and deviation of every channel of all stages, standardised and turned to their principal components \
                 over the deviation to the power of {WHITENING_POWER}, fitted on the training part without labels"
            ),
        };
        let svm = svm.map(|c| {
            format!("SVM: linear, one class against the rest, squared hinge, C = {c}, on the same features; ")
        });
        let summary = format!(
            "frozen encoder, inference mode; tiles at {input_px} px; features: {features}; k-NN: cosine, majority vote of training tiles; \
             linear: multinomial logistic regression (L-BFGS) on features standardised by the training part, \
             regulariser of {} chosen on the validation part; {}accuracy on the test part of {split}",
            regularisers().len(),
            svm.unwrap_or_default()
        );
        Self { data, split, input_px, summary }
    }
}

/// Accuracy of a vote among `k` neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct KnnScore {
    /// Neighbours that vote.
    pub k: usize,
    /// Share of test tiles that are right.
    pub accuracy: f64,
}

/// Accuracy of a linear support vector machine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SvmScore {
    /// Its C.
    pub c: f64,
    /// Share of test tiles that are right.
    pub accuracy: f64,
    /// Classes whose fit ended at the limit of passes.
    pub unfinished: usize,
}

/// How well one kind of feature separates the classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureScores {
    /// What made the features.
    pub name: String,
    /// Length of a feature vector.
    pub width: usize,
    /// Test accuracy by neighbours with the cosine.
    pub knn: Vec<KnnScore>,
    /// The same with Euclidean distance on standardised features; only for image statistics, which it suits better.
    pub knn_euclidean: Vec<KnnScore>,
    /// Test accuracy of the linear probe.
    pub linear_accuracy: f64,
    /// Its regulariser.
    pub regulariser: f64,
    /// Test accuracy of the linear support vector machine, if one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub svm: Option<SvmScore>,
    /// The temperature that calibrates it, fitted on the validation part.
    pub temperature: f64,
    /// Mean cross-entropy on the test part as fitted.
    pub test_loss: f64,
    /// The same after calibration.
    pub calibrated_test_loss: f64,
}

/// Scores of features with the probe behind them.
#[derive(Clone, Debug)]
pub struct Scored {
    /// The numbers.
    pub scores: FeatureScores,
    /// The linear probe.
    pub probe: ProbeOutcome,
    /// Its predictions on the test part.
    pub predictions: Vec<usize>,
}

/// Feature vectors of the three parts of a data set.
#[derive(Clone, Debug)]
pub struct EmbeddedSplits {
    /// What is learned from.
    pub train: Embedded,
    /// What choices are made on.
    pub validation: Embedded,
    /// What is reported on.
    pub test: Embedded,
}

impl EmbeddedSplits {
    /// The same change to each part.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn map(&self, change: impl Fn(&Embedded) -> Result<Embedded>) -> Result<Self> {
        Ok(Self { train: change(&self.train)?, validation: change(&self.validation)?, test: change(&self.test)? })
    }
}

/// Scores features by k-NN for each of `ks` and by a linear probe. `progress` hears how many of `total` probe fits are
/// done.
///
/// # Errors
/// When a part is empty, or smaller than the largest k.
pub fn score_features(
    name: &str,
    parts: &EmbeddedSplits,
    classes: usize,
    ks: &[usize],
    mut progress: impl FnMut(usize, usize),
) -> Result<Scored> {
    let EmbeddedSplits { train, validation, test } = parts;
    ensure!(test.count() > 0, "the test part is empty\nhint: it needs at least one tile");
    let knn = knn_scores(Metric::Cosine, train, test, classes, ks)?;
    let grid = regularisers();
    let probe = linear_probe(train, validation, classes, &grid, |done| progress(done, grid.len()))?;
    let logits = probe.probe.logits(test);
    let predictions = probe.probe.predict(test);
    let loss = |temperature| negative_log_likelihood(&logits, &test.labels, classes, temperature);
    let scores = FeatureScores {
        name: name.to_owned(),
        width: train.width,
        knn,
        knn_euclidean: Vec::new(),
        linear_accuracy: accuracy(&predictions, &test.labels),
        regulariser: probe.regulariser,
        svm: None,
        temperature: probe.temperature,
        test_loss: loss(1.0),
        calibrated_test_loss: loss(probe.temperature),
    };
    Ok(Scored { scores, probe, predictions })
}

/// Accuracy of a support vector machine of this C. `progress` hears how many classes are done.
///
/// # Errors
/// When the training part is empty.
pub fn svm_score(parts: &EmbeddedSplits, classes: usize, c: f64, progress: impl Fn(usize) + Sync) -> Result<SvmScore> {
    let svm = fit_svm(&parts.train, classes, SvmSettings::new(c), progress)?;
    let accuracy = accuracy(&svm.classifier.predict(&parts.test), &parts.test.labels);
    Ok(SvmScore { c, accuracy, unfinished: svm.unfinished })
}

/// Accuracy of the vote for each of `ks`, from one search for the largest.
///
/// # Errors
/// When a k is 0 or exceeds the number of training tiles.
pub fn knn_scores(
    metric: Metric,
    train: &Embedded,
    test: &Embedded,
    classes: usize,
    ks: &[usize],
) -> Result<Vec<KnnScore>> {
    let Some(&most) = ks.iter().max() else { return Ok(Vec::new()) };
    let found = neighbours(most, metric, train, test)?;
    let score = |&k: &usize| {
        let vote = |near: &Vec<_>| majority(&near[..k], &train.labels, classes);
        let predictions: Vec<usize> = found.iter().map(vote).collect();
        KnnScore { k, accuracy: accuracy(&predictions, &test.labels) }
    };
    Ok(ks.iter().map(score).collect())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn scores_of_version_2_are_read() {
        let old = r#"{"name": "image statistics", "width": 21, "knn": [{"k": 5, "accuracy": 0.5}], "knn_euclidean": [],
            "linear_accuracy": 0.75, "regulariser": 0.001, "temperature": 1.5, "test_loss": 0.9,
            "calibrated_test_loss": 0.8}"#;
        let scores: FeatureScores = serde_json::from_str(old).unwrap();
        assert_eq!((scores.width, scores.linear_accuracy, scores.svm), (21, 0.75, None));
        assert!(!serde_json::to_string(&scores).unwrap().contains("svm"));
    }
}
