//! Average precision of labels that do not exclude each other: the figures of multi-label classification.
//!
//! Average precision is the step-wise area under precision over recall (no interpolation), equal scores counted as one
//! step: scikit-learn's `average_precision_score`.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::ratio::ratio;

/// Scores and truth of a whole set: `[count, classes]`, row-major.
#[derive(Clone, Copy, Debug)]
pub struct MultiLabel<'a> {
    /// A higher score means that the label is more likely; logits and probabilities of one logistic function rank alike.
    pub scores: &'a [f32],
    /// Which labels apply.
    pub truth: &'a [bool],
    /// Labels a row.
    pub classes: usize,
}

/// What is reported of multi-label classification. `None`: there is nothing that the figure could be of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultiLabelScores {
    /// Average precision of all pairs of row and label together.
    pub micro_map: Option<f64>,
    /// Mean over the labels that occur of each one's average precision.
    pub macro_map: Option<f64>,
    /// Mean over batches in order of each one's [`micro_map`](Self::micro_map), every batch weighted by its rows: what
    /// SeCo's published figures are. It depends on the size and order of the batches.
    pub batch_averaged_map: Option<f64>,
    /// Rows of a batch of the former.
    pub batch: usize,
    /// F1 of all pairs together, a label predicted where its score exceeds the threshold.
    pub micro_f1: Option<f64>,
    /// Mean F1 over the labels that occur or are predicted.
    pub macro_f1: Option<f64>,
    /// Average precision of each label; `None` for one that never occurs.
    pub per_class: Vec<Option<f64>>,
}

/// Average precision of `scores` that should be high where `truth`; `None` when nothing is true or a score is no number.
#[must_use]
pub fn average_precision(scores: &[f32], truth: &[bool]) -> Option<f64> {
    let mut ranked: Vec<(f32, bool)> = scores.iter().copied().zip(truth.iter().copied()).collect();
    if ranked.iter().any(|(score, _)| score.is_nan()) {
        return None;
    }
    ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let positives = ranked.iter().filter(|(_, is_true)| *is_true).count();
    let (mut seen, mut found, mut sum) = (0, 0, 0.0);
    for equal in ranked.chunk_by(|a, b| a.0 == b.0) {
        let here = equal.iter().filter(|(_, is_true)| *is_true).count();
        seen += equal.len();
        found += here;
        sum += here as f64 * found as f64 / seen as f64;
    }
    (positives > 0).then(|| sum / positives as f64)
}

/// All figures; a label is predicted where its score exceeds `threshold`, and batches have `batch` rows.
#[must_use]
pub fn multi_label_scores(set: MultiLabel<'_>, threshold: f32, batch: usize) -> MultiLabelScores {
    let MultiLabel { scores, truth, classes } = set;
    let classes = classes.max(1);
    let column = |class: usize| -> (Vec<f32>, Vec<bool>) {
        let every = |at: usize| (scores[at], truth[at]);
        (class..scores.len().min(truth.len())).step_by(classes).map(every).unzip()
    };
    let columns: Vec<(Option<f64>, [usize; 3])> = (0..classes)
        .into_par_iter()
        .map(|class| {
            let (scores, truth) = column(class);
            (average_precision(&scores, &truth), counts(&scores, &truth, threshold))
        })
        .collect();
    let per_class: Vec<Option<f64>> = columns.iter().map(|(precision, _)| *precision).collect();
    let sums = columns.iter().fold([0; 3], |sums, (_, own)| std::array::from_fn(|at| sums[at] + own[at]));
    let rows = batch.max(1) * classes;
    let batches: Vec<(f64, Option<f64>)> = scores
        .par_chunks(rows)
        .zip(truth.par_chunks(rows))
        .map(|(scores, truth)| (scores.len() as f64, average_precision(scores, truth)))
        .collect();
    // A batch without a single label has no average precision, and no say.
    let weighted = batches.iter().filter_map(|(weight, precision)| precision.map(|precision| (*weight, precision)));
    let (weights, sum) = weighted.fold((0.0, 0.0), |(w, s), (weight, precision)| (w + weight, s + weight * precision));
    MultiLabelScores {
        micro_map: average_precision(scores, truth),
        macro_map: mean(per_class.iter().flatten().copied()),
        batch_averaged_map: (weights > 0.0).then(|| sum / weights),
        batch,
        micro_f1: f1(sums),
        macro_f1: mean(columns.iter().filter_map(|(_, counts)| f1(*counts))),
        per_class,
    }
}

/// Right, wrong and missed.
fn counts(scores: &[f32], truth: &[bool], threshold: f32) -> [usize; 3] {
    let mut counts = [0; 3];
    for (score, is_true) in scores.iter().zip(truth) {
        match (*score > threshold, is_true) {
            (true, true) => counts[0] += 1,
            (true, false) => counts[1] += 1,
            (false, true) => counts[2] += 1,
            (false, false) => {}
        }
    }
    counts
}

fn f1([right, wrong, missed]: [usize; 3]) -> Option<f64> {
    ratio(2 * right as u64, (2 * right + wrong + missed) as u64)
}

/// The mean; `None` of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_usize, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn precision_by_hand() {
        // Ranked: true, false, true → (1 + 2/3) / 2.
        assert_eq!(average_precision(&[0.9, 0.8, 0.7], &[true, false, true]), Some((1.0 + 2.0 / 3.0) / 2.0));
        // All equal: one step, precision is the share of what is true.
        assert_eq!(average_precision(&[0.5; 4], &[true, false, false, false]), Some(0.25));
        assert_eq!(average_precision(&[0.5, 0.1], &[false, false]), None);
        assert_eq!(average_precision(&[], &[]), None);
        assert_eq!(average_precision(&[f32::NAN, 0.1], &[true, false]), None);
    }

    #[test]
    fn batches_are_weighted_by_their_rows_and_empty_ones_have_no_say() {
        // Three rows of one label in batches of two: (1/2 at weight 2) and (1 at weight 1).
        let set = MultiLabel { scores: &[0.9, 0.1, 0.3], truth: &[false, true, true], classes: 1 };
        let scores = multi_label_scores(set, 0.5, 2);
        assert!((scores.batch_averaged_map.unwrap() - (2.0 * 0.5 + 1.0) / 3.0).abs() < 1e-12);
        let none = MultiLabel { scores: &[0.9, 0.1, 0.3], truth: &[false; 3], classes: 1 };
        let scores = multi_label_scores(none, 0.5, 2);
        assert_eq!((scores.micro_map, scores.batch_averaged_map, scores.macro_map), (None, None, None));
        assert_eq!(scores.micro_f1, Some(0.0), "one is predicted that is not true");
    }
}
