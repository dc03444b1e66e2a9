//! The results of an evaluation: tables, and the files that keep them.

use super::{Table, confusion_svg, percent};
use crate::eval::{Comparison, Evaluation, FeatureScores, KnnScore};
use anyhow::Result;
use std::path::Path;

/// Accuracies of the encoder and its baselines.
#[must_use]
pub fn score_table(evaluation: &Evaluation) -> Table {
    let ks: Vec<usize> = evaluation.scores.iter().flat_map(|scores| &scores.knn).map(|score| score.k).collect();
    let columns = evaluation.scores.first().map_or(0, |scores| scores.knn.len());
    let has_svm = evaluation.scores.iter().any(|scores| scores.svm.is_some());
    let head = ["features".to_owned(), "width".to_owned()]
        .into_iter()
        .chain(ks.iter().take(columns).map(|k| format!("k-NN {k}")))
        .chain(["linear".to_owned()])
        .chain(has_svm.then(|| "SVM".to_owned()));
    let mut table = Table::new(head);
    let row = |scores: &FeatureScores, name: String, knn: &[KnnScore], linear: Vec<String>| {
        let accuracies = knn.iter().map(|score| percent(score.accuracy));
        [name, scores.width.to_string()].into_iter().chain(accuracies).chain(linear).collect::<Vec<_>>()
    };
    for scores in &evaluation.scores {
        let svm = has_svm.then(|| scores.svm.map(|svm| percent(svm.accuracy)).unwrap_or_default());
        let linear: Vec<String> = std::iter::once(percent(scores.linear_accuracy)).chain(svm).collect();
        let none = vec![String::new(); linear.len()];
        table.row(row(scores, scores.name.clone(), &scores.knn, linear));
        if !scores.knn_euclidean.is_empty() {
            table.row(row(scores, format!("{}, Euclidean", scores.name), &scores.knn_euclidean, none));
        }
    }
    table
}

/// Recall and precision of each class.
#[must_use]
pub fn class_table(evaluation: &Evaluation) -> Table {
    let mut table = Table::new(["class (linear probe)", "test tiles", "recall", "precision"]);
    for class in &evaluation.class_scores {
        table.row([class.class.clone(), class.tiles.to_string(), percent(class.recall), percent(class.precision)]);
    }
    table
}

/// Writes `results.json`, `results.md` and `confusion.svg` into `folder`.
///
/// # Errors
/// When the disk refuses.
pub fn write_results(folder: &Path, comparison: &Comparison) -> Result<()> {
    let evaluation = &comparison.evaluation;
    let accuracy = percent(evaluation.scores[0].linear_accuracy);
    let title = format!("{}: linear probe, {accuracy}", evaluation.scores[0].name);
    let subtitle = format!("{} · {} px", evaluation.protocol.split, evaluation.protocol.input_px);
    let confusion = &evaluation.confusion;
    let picture = confusion_svg(&title, &subtitle, &confusion.classes, &confusion.counts)?;
    let markdown = format!(
        "# {title}\n\n{}\n\n{}\n{}",
        evaluation.protocol.summary,
        score_table(evaluation).markdown(),
        class_table(evaluation).markdown()
    );
    atomic_file::write(&folder.join("confusion.svg"), picture.as_bytes())?;
    atomic_file::write(&folder.join("results.md"), markdown.as_bytes())?;
    atomic_file::write(&folder.join("results.json"), serde_json::to_string_pretty(evaluation)?.as_bytes())
}
