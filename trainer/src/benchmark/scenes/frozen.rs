//! Protocols on frozen features: neighbours, linear classifiers, few labels.

use std::collections::BTreeMap;

use anyhow::Result;
use label_head::{Lesson, probabilities};
use rayon::prelude::*;
use shared::compare::argmax;

use super::super::row::Measure;
use super::super::share;
use crate::eval::{
    DRAWS, Embedded, Interval, LinearProbe, LogisticData, Metric, PAPER_C, SvmSettings, accuracy, accuracy_interval,
    bootstrap, calibration_error, fit_logistic, fit_svm, knn, linear_probe, regularisers,
};

/// Labels a class that the few-shot protocol has.
pub const SHOTS: [usize; 4] = [1, 5, 10, 50];
/// Draws of those labels.
pub const SHOT_DRAWS: usize = 10;
/// Shares of the training labels.
pub const FRACTIONS: [f64; 3] = [0.01, 0.1, 1.0];
/// Draws of a share, where it is not all.
pub const FRACTION_DRAWS: usize = 3;
/// The regulariser where no picture is left to choose it on: the middle of those that are tried.
const UNCHOSEN: f64 = 1e-4;
/// torchgeo-bench's values of scikit-learn's C: 40 from 10⁻⁶ to 10⁴.
const TORCHGEO_C: (f64, f64, usize) = (-6.0, 4.0, 40);

/// Features of the parts of one draw.
pub struct Drawn {
    /// What is learned from.
    pub train: Embedded,
    /// What choices are made on.
    pub validation: Embedded,
    /// What is tested on.
    pub test: Embedded,
    /// Which picture each row of the test part is.
    pub tested: Vec<usize>,
    /// Whether validation belongs to training once choices are made.
    pub is_carved: bool,
}

/// What a protocol measured, and what is to be known of it.
#[derive(Default)]
pub struct Outcome {
    /// The scores.
    pub measures: Vec<Measure>,
    /// What to know.
    pub notes: Vec<String>,
    /// What is no score.
    pub details: serde_json::Value,
}

impl Drawn {
    /// Training and validation part together, where the second was taken out of the first.
    fn all_learned(&self) -> Result<Embedded> {
        if self.is_carved { joined(&self.train, &self.validation) } else { Ok(self.train.clone()) }
    }
}

fn joined(first: &Embedded, second: &Embedded) -> Result<Embedded> {
    let labels = [&first.labels[..], &second.labels].concat();
    Embedded::new([&first.values[..], &second.values].concat(), first.width, labels)
}

/// One score of every draw with an interval over the test pictures, and a deviation where there are several draws.
fn measure(name: String, predictions: &[Vec<usize>], draws: &[Drawn], seed: u64) -> Measure {
    let scores: Vec<f64> =
        predictions.iter().zip(draws).map(|(predictions, drawn)| accuracy(predictions, &drawn.test.labels)).collect();
    match (&scores[..], predictions, draws) {
        ([score], [predictions], [drawn]) => {
            let right: Vec<bool> = predictions.iter().zip(&drawn.test.labels).map(|(a, b)| a == b).collect();
            Measure::with_interval(name, *score, accuracy_interval(&right, seed))
        }
        _ => Measure { interval: interval_of_draws(predictions, draws, seed), ..Measure::of_draws(name, &scores) },
    }
}

/// The interval of the mean over several draws: pictures are drawn, each with its answers of all draws that test it.
fn interval_of_draws(predictions: &[Vec<usize>], draws: &[Drawn], seed: u64) -> Option<Interval> {
    let mut pictures: BTreeMap<usize, [usize; 2]> = BTreeMap::new();
    for (predictions, drawn) in predictions.iter().zip(draws) {
        for ((found, label), picture) in predictions.iter().zip(&drawn.test.labels).zip(&drawn.tested) {
            let counts = pictures.entry(*picture).or_default();
            counts[0] += usize::from(found == label);
            counts[1] += 1;
        }
    }
    let counts: Vec<[usize; 2]> = pictures.into_values().collect();
    bootstrap(counts.len(), DRAWS, seed, |rows| {
        let [right, all] = [0, 1].map(|which| rows.iter().map(|&row| counts[row][which]).sum::<usize>());
        Some(right as f64 / all as f64)
    })
}

/// Votes of the nearest training pictures by cosine.
///
/// # Errors
/// When a part is empty.
pub fn neighbours(draws: &[Drawn], ks: &[usize], metric: Metric, seed: u64) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let learned: Vec<Embedded> = draws.iter().map(Drawn::all_learned).collect::<Result<_>>()?;
    for &k in ks {
        let fewest = learned.iter().map(Embedded::count).min().unwrap_or(0);
        if fewest < k {
            outcome.notes.push(format!("k-NN {k} left out: {fewest} training pictures"));
            continue;
        }
        let predictions = learned.iter().zip(draws).map(|(train, drawn)| knn(k, metric, train, &drawn.test));
        let predictions: Vec<Vec<usize>> = predictions.collect::<Result<_>>()?;
        outcome.measures.push(measure(format!("k-NN {k}"), &predictions, draws, seed));
    }
    Ok(outcome)
}

/// Logistic regression on standardised features, its regulariser chosen on the validation part.
///
/// # Errors
/// When a part is empty.
pub fn linear(draws: &[Drawn], classes: usize, seed: u64, mut progress: impl FnMut(usize, usize)) -> Result<Outcome> {
    let grid = regularisers();
    let total = draws.len() * grid.len();
    let mut predictions = Vec::new();
    let (mut chosen, mut unfinished, mut errors) = (Vec::new(), 0, Vec::new());
    for (at, drawn) in draws.iter().enumerate() {
        let (probe, regulariser, waiting) = probe(drawn, classes, |done| progress(at * grid.len() + done, total))?;
        unfinished += waiting;
        chosen.push(regulariser);
        let logits = probe.logits(&drawn.test);
        let found: Vec<usize> = logits.chunks_exact(classes).map(|row| argmax(row).unwrap_or(0)).collect();
        errors.extend(calibration_of(&logits, classes, &drawn.test.labels));
        predictions.push(found);
    }
    let mut outcome =
        Outcome { measures: vec![measure("accuracy".into(), &predictions, draws, seed)], ..Outcome::default() };
    outcome.measures.push(Measure::of_draws("calibration error", &errors));
    if draws.iter().any(|drawn| drawn.validation.count() == 0) {
        outcome.notes.push(format!("one picture a class: none to choose the regulariser on, {UNCHOSEN} is taken"));
    }
    if unfinished > 0 {
        outcome
            .notes
            .push(format!("{unfinished} of {total} fits did not come to rest; the best that was found counts"));
    }
    outcome.details = serde_json::json!({ "regularisers": chosen });
    Ok(outcome)
}

/// A probe with the best regulariser, fitted to all that may be learned from; its regulariser, and fits that did not end.
fn probe(drawn: &Drawn, classes: usize, progress: impl FnMut(usize)) -> Result<(LinearProbe, f64, usize)> {
    if drawn.validation.count() == 0 {
        let only = linear_probe(&drawn.train, &drawn.train, classes, &[UNCHOSEN], progress)?;
        return Ok((only.probe, UNCHOSEN, only.grid.iter().filter(|point| !point.is_converged).count()));
    }
    let found = linear_probe(&drawn.train, &drawn.validation, classes, &regularisers(), progress)?;
    let waiting = found.grid.iter().filter(|point| !point.is_converged).count();
    if !drawn.is_carved {
        return Ok((found.probe, found.regulariser, waiting));
    }
    let again = linear_probe(&drawn.all_learned()?, &drawn.validation, classes, &[found.regulariser], |_| {})?;
    Ok((again.probe, found.regulariser, waiting))
}

fn calibration_of(logits: &[f32], classes: usize, labels: &[usize]) -> Option<f64> {
    let rows = logits.chunks_exact(classes).zip(labels).map(|(row, label)| {
        let best = argmax(row).unwrap_or(0);
        let total: f32 = row.iter().map(|logit| (logit - row[best]).exp()).sum();
        (1.0 / total, best == *label)
    });
    let (confidences, right): (Vec<f32>, Vec<bool>) = rows.unzip();
    calibration_error(&confidences, &right)
}

/// A linear support vector machine, one class against the rest, C as MARTA GANs have it.
///
/// # Errors
/// When a part is empty.
pub fn svm(draws: &[Drawn], classes: usize, seed: u64, progress: impl Fn(usize) + Sync) -> Result<Outcome> {
    let mut predictions = Vec::new();
    let mut unfinished = 0;
    for drawn in draws {
        let machine = fit_svm(&drawn.all_learned()?, classes, SvmSettings::new(PAPER_C), &progress)?;
        unfinished += machine.unfinished;
        predictions.push(machine.classifier.predict(&drawn.test));
    }
    let mut outcome =
        Outcome { measures: vec![measure("accuracy".into(), &predictions, draws, seed)], ..Outcome::default() };
    if unfinished > 0 {
        outcome.notes.push(format!("{unfinished} of the classes' fits ended at their limit of passes"));
    }
    Ok(outcome)
}

/// The page's own head on a few labels of every class, over [`SHOT_DRAWS`] draws of them.
#[must_use]
pub fn few_shot(drawn: &Drawn, classes: usize, seed: u64) -> Outcome {
    let mut outcome = Outcome::default();
    // No choice is made here.
    let learned = drawn.all_learned().unwrap_or_else(|_| drawn.train.clone());
    let all: Vec<usize> = (0..learned.count()).collect();
    for shots in SHOTS {
        let draw = |draw: usize| {
            let seed = seed.wrapping_add((1000 * shots + draw) as u64);
            let taken = share::some_of_each(&all, &learned.labels, shots, seed)?;
            Some(accuracy_of_head(&learned.subset(&taken), &drawn.test, classes))
        };
        let scores: Option<Vec<f64>> = (0..SHOT_DRAWS).into_par_iter().map(draw).collect();
        match scores {
            Some(scores) => outcome.measures.push(Measure::of_draws(format!("{shots} a class"), &scores)),
            None => outcome.notes.push(format!("{shots} labels a class left out: a class has fewer")),
        }
    }
    outcome
}

/// Share of `test` that the page's head names rightly after learning `marked`.
fn accuracy_of_head(marked: &Embedded, test: &Embedded, classes: usize) -> f64 {
    // The head wants a row of every class; classes without a label cannot be named.
    let mut present: Vec<usize> = marked.labels.clone();
    present.sort_unstable();
    present.dedup();
    debug_assert!(present.iter().all(|class| *class < classes));
    let place = |label: &usize| present.binary_search(label).unwrap_or(0);
    let rows: Vec<&[f32]> = marked.rows().collect();
    let lesson = Lesson::new(&rows, marked.labels.iter().map(place).collect(), present.len());
    let (weight, bias) = lesson.learn();
    let named = |row: &[f32]| argmax(&probabilities(&weight, &bias, row)).map(|class| present[class]);
    let predictions: Vec<usize> = test.rows().map(|row| named(row).unwrap_or(usize::MAX)).collect();
    accuracy(&predictions, &test.labels)
}

/// The linear classifier on shares of the training labels. Choices are made on the same share of the validation part; where
/// that was taken out of the training part, on a fifth of the share, which is learned from once they are made.
///
/// # Errors
/// When a part is empty.
pub fn fractions(drawn: &Drawn, classes: usize, seed: u64, mut progress: impl FnMut(usize, usize)) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let total = (FRACTIONS.len() - 1) * FRACTION_DRAWS + 1;
    let mut done = 0;
    let learned = drawn.all_learned()?;
    for fraction in FRACTIONS {
        let share = format!("{:.0} % of labels", 100.0 * fraction);
        if (smallest_class(&learned.labels) as f64 * fraction).round() < 1.0 {
            outcome.notes.push(format!("{share} left out: no picture of the smallest class"));
            continue;
        }
        let draws = if fraction < 1.0 { FRACTION_DRAWS } else { 1 };
        let mut scores = Vec::new();
        for draw in 0..draws {
            let seed = seed.wrapping_add(draw as u64);
            let split = |part: &Embedded, share: f64| {
                let all: Vec<usize> = (0..part.count()).collect();
                let (first, second) = share::stratified(&all, &part.labels, share, seed);
                (part.subset(&first), part.subset(&second))
            };
            let (train, validation) = match (fraction < 1.0, drawn.is_carved) {
                (false, _) => (drawn.train.clone(), drawn.validation.clone()),
                (true, false) => (split(&drawn.train, fraction).0, split(&drawn.validation, fraction).0),
                (true, true) => split(&split(&learned, fraction).0, share::LEARNED),
            };
            let small = Drawn {
                train,
                validation,
                test: drawn.test.clone(),
                tested: drawn.tested.clone(),
                is_carved: drawn.is_carved,
            };
            let (probe, ..) = probe(&small, classes, |_| {})?;
            scores.push(accuracy(&probe.predict(&drawn.test), &drawn.test.labels));
            done += 1;
            progress(done, total);
        }
        outcome.measures.push(Measure::of_draws(share, &scores));
    }
    outcome.measures.reverse();
    Ok(outcome)
}

/// Rows of the class that has the fewest, of those that occur.
fn smallest_class(labels: &[usize]) -> usize {
    let mut counts = vec![0; labels.iter().max().map_or(0, |highest| highest + 1)];
    labels.iter().for_each(|&label| counts[label] += 1);
    counts.into_iter().filter(|count| *count > 0).min().unwrap_or(0)
}

/// torchgeo-bench's protocol: five neighbours by Euclidean distance, and logistic regression on features as they are, C
/// chosen on the validation part, fitted again to training and validation part.
///
/// # Errors
/// When a part is empty.
pub fn torchgeo(draws: &[Drawn], classes: usize, seed: u64, mut progress: impl FnMut(usize, usize)) -> Result<Outcome> {
    let mut outcome = neighbours_of_training(draws, seed)?;
    let (low, high, count) = TORCHGEO_C;
    let grid: Vec<f64> =
        (0..count).map(|step| 10_f64.powf(low + (high - low) * step as f64 / (count - 1) as f64)).collect();
    let (mut predictions, mut chosen, mut unfinished) = (Vec::new(), Vec::new(), 0);
    for (at, drawn) in draws.iter().enumerate() {
        let mut fit = |rows: &Embedded, c: f64, start: Option<&[f64]>| {
            let data = LogisticData::new(rows.values.clone(), rows.width, &rows.labels, classes)?;
            let found = fit_logistic(&data, 1.0 / (c * rows.count() as f64), start)?;
            unfinished += usize::from(!found.is_converged);
            anyhow::Ok(found.parameters)
        };
        let mut start: Option<Vec<f64>> = None;
        // scikit-learn's own where nothing is left to choose on.
        let mut best = (f64::NEG_INFINITY, 1.0);
        let tried: &[f64] = if drawn.validation.count() == 0 { &[] } else { &grid };
        for (step, &c) in tried.iter().enumerate() {
            let parameters = fit(&drawn.train, c, start.as_deref())?;
            let score = accuracy(
                &unstandardised(&parameters, drawn.train.width, classes).predict(&drawn.validation),
                &drawn.validation.labels,
            );
            if score > best.0 {
                best = (score, c);
            }
            start = Some(parameters);
            progress(at * count + step + 1, draws.len() * count);
        }
        let everything = joined(&drawn.train, &drawn.validation)?;
        let parameters = fit(&everything, best.1, start.as_deref())?;
        predictions.push(unstandardised(&parameters, everything.width, classes).predict(&drawn.test));
        chosen.push(best.1);
    }
    outcome.measures.insert(0, measure("linear".into(), &predictions, draws, seed));
    if unfinished > 0 {
        outcome.notes.push(format!("{unfinished} fits did not come to rest; the best that was found counts"));
    }
    outcome.details = serde_json::json!({ "C": chosen });
    Ok(outcome)
}

/// Five neighbours in the training part alone: there the validation part is not used.
fn neighbours_of_training(draws: &[Drawn], seed: u64) -> Result<Outcome> {
    let without = |drawn: &Drawn| Drawn {
        train: drawn.train.clone(),
        validation: drawn.validation.clone(),
        test: drawn.test.clone(),
        tested: drawn.tested.clone(),
        is_carved: false,
    };
    neighbours(&draws.iter().map(without).collect::<Vec<_>>(), &[5], Metric::Euclidean, seed)
}

/// Parameters `[width, classes]` and biases as a classifier.
fn unstandardised(parameters: &[f64], width: usize, classes: usize) -> LinearProbe {
    let (weights, bias) = parameters.split_at(width * classes);
    let line = |class: usize| (0..width).map(move |feature| weights[feature * classes + class] as f32);
    LinearProbe {
        weight: (0..classes).flat_map(line).collect(),
        bias: bias.iter().map(|&value| value as f32).collect(),
        width,
    }
}
