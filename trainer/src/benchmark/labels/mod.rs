//! Multi-label classification: a linear classifier a label on frozen features.

mod nomenclature;
mod set;
#[cfg(test)]
mod tests;

use anyhow::Result;
use rayon::prelude::*;

use super::encoders::Candidate;
use super::protocol::Protocol;
use super::row::Measure;
use super::run::{Findings, Run};
use super::task::{Kind, SplitSpec};
use crate::eval::{
    Embedded, LogisticData, MultiLabel, MultiLabelScores, Standardisation, bootstrap, fit_logistic, multi_label_scores,
    outside_normalisation, regularisers, sampled,
};
use crate::report::Reporter;
use set::{LabelSet, Parts};

/// Rows of a batch of the batch-averaged figure, in the order of the test part.
const BATCH: usize = 1024;
/// Pairs of picture and label above which no interval is drawn, and draws below.
const MOST_PAIRS: usize = 1_000_000;
const INTERVAL_DRAWS: usize = 200;

/// Runs the linear protocol.
///
/// # Errors
/// `Unusable` when the data is of another form; or when a result cannot be written.
pub fn run(
    run: &Run<'_>,
    findings: &mut Findings,
    reporter: &mut Reporter<'_>,
    on_change: &mut dyn FnMut(&Findings) -> Result<()>,
) -> Result<()> {
    let Kind::Labels { form } = run.task.what else { return Ok(()) };
    let settings = run.settings;
    let set = LabelSet::open(form, run.path, &settings.folders)?;
    for split in run.task.splits.iter().filter(|split| settings.wants(split)) {
        let Some(draws) = set.draws(split, run.path, &settings.folders, settings.limit, settings.seed)? else {
            if settings.splits.contains(&split.name) {
                findings
                    .left_out
                    .push(format!("{}, split {}: its lists are not here ({:?})", run.task.name, split.name, split.by));
            }
            continue;
        };
        let is_too_small = |parts: &Parts| parts.train.is_empty() || parts.test.is_empty();
        if let Some(parts) = draws.iter().find(|parts| is_too_small(parts)) {
            let (train, test) = (parts.train.len(), parts.test.len());
            findings.left_out.push(format!(
                "{}, split {}: {train} pictures to learn from and {test} to test on: neither may be 0",
                run.task.name, split.name
            ));
        } else {
            for candidate in run.candidates {
                one_candidate(run, candidate, &set, (split, &draws), findings, reporter, on_change)?;
            }
        }
        if settings.splits.is_empty() {
            break;
        }
    }
    Ok(())
}

fn one_candidate(
    run: &Run<'_>,
    candidate: &Candidate,
    set: &LabelSet,
    (split, draws): (&SplitSpec, &[Parts]),
    findings: &mut Findings,
    reporter: &mut Reporter<'_>,
    on_change: &mut dyn FnMut(&Findings) -> Result<()>,
) -> Result<()> {
    let own = set.bands();
    let bands = candidate.bands().cloned().unwrap_or_else(|| own.clone());
    if own.positions(&bands).is_none() {
        findings
            .left_out
            .push(format!("{} on {}: it reads {bands}, the files have {own}", candidate.name, run.task.name));
        return Ok(());
    }
    let counts: Vec<[usize; 3]> = draws.iter().map(|p| [p.train.len(), p.validation.len(), p.test.len()]).collect();
    let cell = run.cell(&split.name, candidate, Protocol::Linear, &(&split.by, &set.names, &set.classes, draws))?;
    if let Some(row) = cell.kept()? {
        findings.rows.push(row);
        findings.kept += 1;
        return Ok(());
    }
    let mut rows: Vec<usize> =
        draws.iter().flat_map(|parts| [&parts.train, &parts.validation, &parts.test]).flatten().copied().collect();
    rows.sort_unstable();
    rows.dedup();
    let px = run.task.data.px;
    let what = format!("{} on {}: features", candidate.name, run.task.name);
    let read = |at: usize| set.tile(rows[at], &bands, px);
    let progress = |done: usize| reporter.progress(&what, done, rows.len());
    let pooled = candidate.pooled(rows.len(), read, run.px(candidate), &run.settings.device, progress)?;
    let part = |part: &[usize]| {
        let places = part.iter().map(|row| rows.binary_search(row).unwrap_or(0));
        let values = places.flat_map(|at| &pooled.values[at * pooled.width..][..pooled.width]).copied().collect();
        // Which picture a row is of, so that its labels are found.
        Embedded::new(values, pooled.width, part.to_vec())
    };
    let mut scores = Vec::new();
    let mut interval = None;
    let mut chosen = Vec::new();
    for parts in draws {
        let own = [part(&parts.train)?, part(&parts.validation)?, part(&parts.test)?];
        let [train, validation, test] = candidate.embeddings(own)?;
        let (answers, regulariser) = answers(set, &train, &validation, &test, parts.is_carved)?;
        chosen.push(regulariser);
        let truth = truth(set, &test.labels);
        let classes = set.classes.len();
        scores.push(multi_label_scores(MultiLabel { scores: &answers, truth: &truth, classes }, 0.0, BATCH));
        if draws.len() == 1 && truth.len() <= MOST_PAIRS {
            interval = bootstrap(test.count(), INTERVAL_DRAWS, run.settings.seed, |rows| {
                let pick = |row: &usize| row * classes..(row + 1) * classes;
                let scores: Vec<f32> = rows.iter().flat_map(|row| &answers[pick(row)]).copied().collect();
                let truth: Vec<bool> = rows.iter().flat_map(|row| &truth[pick(row)]).copied().collect();
                crate::eval::average_precision(&scores, &truth)
            });
        }
    }
    let mut row = run.row(&split.name, candidate, Protocol::Linear, counts[0]);
    row.measures = measures(&scores, interval);
    row.procedure = procedure(candidate, draws);
    row.details = serde_json::json!({
        "regularisers": chosen, "labels": set.classes, "average_precision": scores[0].per_class,
        "batch": BATCH,
    });
    row.notes = notes(run, candidate, set, (&bands, px), draws);
    cell.keep(&row)?;
    findings.rows.push(row);
    on_change(findings)
}

/// Labels of some pictures, one row after the other.
fn truth(set: &LabelSet, rows: &[usize]) -> Vec<bool> {
    let classes = set.classes.len();
    rows.iter().flat_map(|row| &set.truth[row * classes..(row + 1) * classes]).copied().collect()
}

/// Scores of every label of the test rows (above 0: it applies), and the regulariser that the validation part likes best.
/// A validation part that was taken out of the training part is learned from once that is known. Rows are labelled by their
/// pictures.
fn answers(
    set: &LabelSet,
    train: &Embedded,
    validation: &Embedded,
    test: &Embedded,
    is_carved: bool,
) -> Result<(Vec<f32>, f64)> {
    let grid: Vec<f64> = regularisers().into_iter().step_by(2).collect();
    let chosen = match validation.count() {
        // A single picture was left to learn from: the middle.
        0 => grid.len() / 2,
        _ => {
            let truth = truth(set, &validation.labels);
            let score = |scores: &[f32]| crate::eval::average_precision(scores, &truth).unwrap_or(0.0);
            let scores: Vec<f64> = scores(set, train, validation, &grid)?.iter().map(|own| score(own)).collect();
            (0..grid.len()).fold(0, |best, step| if scores[step] > scores[best] { step } else { best })
        }
    };
    let learned = match is_carved {
        true => Embedded::new(
            [&train.values[..], &validation.values].concat(),
            train.width,
            [&train.labels[..], &validation.labels].concat(),
        )?,
        false => train.clone(),
    };
    // From the stronger neighbours' solutions on.
    let path = scores(set, &learned, test, &grid[..=chosen])?;
    Ok((path.into_iter().next_back().unwrap_or_default(), grid[chosen]))
}

/// Scores of every label of `judged` by what was learned from `train`, `[rows, labels]`, for every value of `grid`.
fn scores(set: &LabelSet, train: &Embedded, judged: &Embedded, grid: &[f64]) -> Result<Vec<Vec<f32>>> {
    let (classes, width) = (set.classes.len(), train.width);
    let standardisation = Standardisation::of(train);
    let [train_values, judged_values] = [train, judged].map(|part| standardisation.apply(part));
    // [grid][rows]
    let of_label = |class: usize| -> Result<Vec<Vec<f32>>> {
        let labels: Vec<usize> = train.labels.iter().map(|row| usize::from(set.truth[row * classes + class])).collect();
        if labels.iter().all(|label| *label == labels[0]) {
            // Nothing can be learned of a label that always or never applies.
            let constant = if labels[0] == 1 { 1.0 } else { -1.0 };
            return Ok(vec![vec![constant; judged.count()]; grid.len()]);
        }
        let data = LogisticData::new(train_values.clone(), width, &labels, 2)?;
        let mut start: Option<Vec<f64>> = None;
        let mut all = Vec::new();
        for &regulariser in grid {
            let fit = fit_logistic(&data, regulariser, start.as_deref())?;
            let (weights, bias) = fit.parameters.split_at(2 * width);
            let score = |row: &[f32]| {
                let products =
                    row.iter().enumerate().map(|(at, x)| f64::from(*x) * (weights[2 * at + 1] - weights[2 * at]));
                (products.sum::<f64>() + bias[1] - bias[0]) as f32
            };
            all.push(judged_values.chunks_exact(width).map(score).collect());
            start = Some(fit.parameters);
        }
        Ok(all)
    };
    let labels: Vec<Vec<Vec<f32>>> = (0..classes).into_par_iter().map(of_label).collect::<Result<_>>()?;
    let interleaved = |step: usize| -> Vec<f32> {
        (0..judged.count()).flat_map(|row| labels.iter().map(move |label| label[step][row])).collect()
    };
    Ok((0..grid.len()).map(interleaved).collect())
}

fn measures(scores: &[MultiLabelScores], interval: Option<crate::eval::Interval>) -> Vec<Measure> {
    let measure = |name: &str, of: &dyn Fn(&MultiLabelScores) -> Option<f64>| match scores {
        [one] => Measure::single(name, of(one)),
        several => Measure::of_draws(name, &several.iter().filter_map(of).collect::<Vec<_>>()),
    };
    vec![
        Measure { interval, ..measure("micro mAP", &|own| own.micro_map) },
        measure("macro mAP", &|own| own.macro_map),
        measure("batch-averaged mAP", &|own| own.batch_averaged_map),
        measure("micro F1", &|own| own.micro_f1),
        measure("macro F1", &|own| own.macro_f1),
    ]
}

fn procedure(candidate: &Candidate, draws: &[Parts]) -> String {
    let spread = if draws.len() == 1 {
        format!(
            "interval of micro mAP: 95 % of {INTERVAL_DRAWS} bootstrap samples of the test part, below {MOST_PAIRS} pairs"
        )
    } else {
        format!("mean and deviation of {} draws", draws.len())
    };
    let carved = match draws.iter().any(|parts| parts.is_carved) {
        true => "no validation part: a fifth of the training part, which is learned from too once the choice is made; ",
        false => "",
    };
    format!(
        "frozen encoder, {}; a logistic regression (L-BFGS) a label on standardised features, one regulariser of five for all by \
         micro mAP on the validation part; {carved}mAP over the whole test part, micro over all pairs of picture and label, macro over \
         the labels that occur; batch-averaged: micro mAP of batches of {BATCH} in order, weighted by their size; {spread}",
        candidate.features_text()
    )
}

fn notes(
    run: &Run<'_>,
    candidate: &Candidate,
    set: &LabelSet,
    (bands, px): (&shared::bands::Bands, usize),
    draws: &[Parts],
) -> Vec<String> {
    let mut notes = Vec::new();
    if set.without > 0 {
        notes.push(format!("{} pictures without any label are left out", set.without));
    }
    if let Some(normalisation) = candidate.normalisation() {
        let train = &draws[0].train;
        let some = sampled(train.len()).filter_map(|at| set.tile(train[at], bands, px).ok());
        notes.extend(outside_normalisation(normalisation, bands, some));
    }
    if run.settings.limit > 0 {
        notes.push(format!("at most {} pictures of each part", run.settings.limit));
    }
    notes
}
