//! Scene classification: one class a picture.

mod frozen;
mod set;
#[cfg(test)]
mod tests;
mod tuned;

pub use frozen::{Drawn, Outcome, few_shot, fractions, linear, neighbours, svm, torchgeo};
pub use set::{Parts, SceneSet};

use anyhow::Result;
use shared::bands::Bands;

use super::cell::Cell;
use super::encoders::Candidate;
use super::protocol::Protocol;
use super::run::{Findings, Run, Unusable};
use super::task::SplitSpec;
use crate::eval::{Embedded, Metric, outside_normalisation, sampled};
use crate::report::Reporter;

/// Neighbours that vote.
const KS: [usize; 2] = [5, 20];

/// What is left to do for one candidate on one split.
struct Todo<'a> {
    split: &'a SplitSpec,
    draws: Vec<Parts>,
    cells: Vec<(Protocol, Cell)>,
    notes: Vec<String>,
}

/// Runs every protocol that was asked for.
///
/// # Errors
/// [`Unusable`] when the data is no set of class folders; or when a result cannot be written.
pub fn run(
    run: &Run<'_>,
    findings: &mut Findings,
    reporter: &mut Reporter<'_>,
    on_change: &mut dyn FnMut(&Findings) -> Result<()>,
) -> Result<()> {
    let mut opened: Vec<(Option<Bands>, SceneSet)> = Vec::new();
    for candidate in run.candidates {
        let wanted = candidate.bands().cloned();
        // Where the files' bands are not named, everybody reads the same.
        let key = wanted.clone().filter(|_| run.task.data.file_bands.is_some());
        let at = match opened.iter().position(|(bands, _)| *bands == key) {
            Some(at) => at,
            None => {
                if let Some(why) = bands_problem(run, wanted.as_ref()) {
                    findings.left_out.push(format!("{} on {}: {why}", candidate.name, run.task.name));
                    continue;
                }
                let mut warnings = Vec::new();
                let set = SceneSet::open(run.task, run.path, wanted.as_ref(), &mut warnings);
                let set = set.map_err(|error| Unusable(crate::error::render(&error).replacen("error: ", "", 1)))?;
                reporter.data_warnings(&warnings);
                opened.push((key, set));
                opened.len() - 1
            }
        };
        let set = &opened[at].1;
        if wanted.as_ref().is_some_and(|wanted| wanted != set.bands()) {
            let (own, wanted) = (set.bands(), wanted.as_ref().map(ToString::to_string).unwrap_or_default());
            findings
                .left_out
                .push(format!("{} on {}: it reads {wanted}, the files have {own}", candidate.name, run.task.name));
            continue;
        }
        one_candidate(run, candidate, set, findings, reporter, on_change)?;
    }
    Ok(())
}

fn bands_problem(run: &Run<'_>, wanted: Option<&Bands>) -> Option<String> {
    let (file, wanted) = (run.task.data.file_bands.as_ref()?, wanted?);
    file.positions(wanted).is_none().then(|| format!("it reads {wanted}, the files have {file}"))
}

fn one_candidate(
    run: &Run<'_>,
    candidate: &Candidate,
    set: &SceneSet,
    findings: &mut Findings,
    reporter: &mut Reporter<'_>,
    on_change: &mut dyn FnMut(&Findings) -> Result<()>,
) -> Result<()> {
    let todo = todo(run, candidate, set, findings, reporter)?;
    let mut rows: Vec<usize> = todo
        .iter()
        .flat_map(|todo| &todo.draws)
        .flat_map(|d| [&d.train, &d.validation, &d.test])
        .flatten()
        .copied()
        .collect();
    rows.sort_unstable();
    rows.dedup();
    let is_frozen = |(protocol, _): &(Protocol, Cell)| !protocol.needs_network();
    let pooled = match todo.iter().any(|todo| todo.cells.iter().any(is_frozen)) {
        true => {
            let what = format!("{} on {}: features", candidate.name, run.task.name);
            let read = |at: usize| set.tile(rows[at]);
            let progress = |done: usize| reporter.progress(&what, done, rows.len());
            Some(candidate.pooled(rows.len(), read, run.px(candidate), &run.settings.device, progress)?)
        }
        false => None,
    };
    for todo in &todo {
        let classes = set.classes().len();
        let drawn = match &pooled {
            Some(pooled) => {
                let part = |part: &[usize]| {
                    let places = part.iter().map(|row| rows.binary_search(row).unwrap_or(0));
                    let values = places.flat_map(|at| &pooled.values[at * pooled.width..][..pooled.width]).copied();
                    Embedded::new(values.collect(), pooled.width, part.iter().map(|&row| set.labels()[row]).collect())
                };
                let draw = |parts: &Parts| {
                    let own = [part(&parts.train)?, part(&parts.validation)?, part(&parts.test)?];
                    let [train, validation, test] = candidate.embeddings(own)?;
                    anyhow::Ok(Drawn {
                        train,
                        validation,
                        test,
                        tested: parts.test.clone(),
                        is_carved: parts.is_carved,
                    })
                };
                todo.draws.iter().map(draw).collect::<Result<Vec<_>>>()?
            }
            None => Vec::new(),
        };
        for (protocol, cell) in &todo.cells {
            let mut row = run.row(&todo.split.name, candidate, *protocol, todo.draws[0].counts());
            row.notes.clone_from(&todo.notes);
            let what = format!("{} on {} ({}): {protocol}", candidate.name, run.task.name, todo.split.name);
            let outcome = match protocol {
                Protocol::SecoLinear | Protocol::FineTune => {
                    tuned::run(run, candidate, set, &todo.draws[0], *protocol, cell, reporter)?
                }
                _ => measure(*protocol, &drawn, classes, run.settings.seed, &what, reporter)?,
            };
            row.procedure = procedure(*protocol, candidate, todo);
            if let Protocol::SecoLinear | Protocol::FineTune = protocol {
                row.procedure = tuned::procedure(&tuned::config(run, *protocol), &todo.draws[0]);
            }
            row.measures = outcome.measures;
            row.notes.extend(outcome.notes);
            row.details = outcome.details;
            cell.keep(&row)?;
            findings.rows.push(row);
            on_change(findings)?;
        }
    }
    Ok(())
}

/// What is not done yet; what is goes to the findings.
fn todo<'a>(
    run: &'a Run<'_>,
    candidate: &Candidate,
    set: &SceneSet,
    findings: &mut Findings,
    reporter: &mut Reporter<'_>,
) -> Result<Vec<Todo<'a>>> {
    let settings = run.settings;
    let mut todo = Vec::new();
    for split in run.task.splits.iter().filter(|split| settings.wants(split)) {
        let mut warnings = Vec::new();
        let Some(draws) = set.draws(split, &settings.folders, settings.limit, settings.seed, &mut warnings)? else {
            if !settings.splits.is_empty() {
                let what = format!(
                    "{}, split {}: its lists are not there; looked for {:?}",
                    run.task.name, split.name, split.by
                );
                if !findings.left_out.contains(&what) {
                    findings.left_out.push(what);
                }
            }
            continue;
        };
        reporter.data_warnings(&warnings);
        if let Some(why) = draws.iter().find_map(|parts| problem(parts, set)) {
            findings.left_out.push(format!("{} on {}, split {}: {why}", candidate.name, run.task.name, split.name));
            continue;
        }
        let mut cells = Vec::new();
        for protocol in settings.protocols_of(&run.task.what) {
            if protocol.needs_network() && candidate.description().is_none() {
                continue;
            }
            let of_data = (&split.by, set.names(), set.classes(), &draws);
            let cell = match protocol.needs_network() {
                true => run.cell(&split.name, candidate, protocol, &(of_data, tuned::config(run, protocol)))?,
                false => run.cell(&split.name, candidate, protocol, &of_data)?,
            };
            match cell.kept()? {
                Some(row) => {
                    findings.rows.push(row);
                    findings.kept += 1;
                }
                None => cells.push((protocol, cell)),
            }
        }
        if !cells.is_empty() {
            let own = Todo { split, notes: notes(run, candidate, set, &draws)?, draws, cells };
            own.notes.iter().for_each(|note| reporter.note(&format!("{}: {note}", run.task.name)));
            todo.push(own);
        }
        if settings.splits.is_empty() {
            break;
        }
    }
    Ok(todo)
}

fn problem(parts: &Parts, set: &SceneSet) -> Option<String> {
    let [train, _, test] = parts.counts();
    if train == 0 || test == 0 {
        return Some(format!("{train} pictures to learn from and {test} to test on: neither may be 0"));
    }
    let first = set.labels()[parts.train[0]];
    parts.train.iter().all(|&row| set.labels()[row] == first).then(|| "only one class is learned from".to_owned())
}

fn notes(run: &Run<'_>, candidate: &Candidate, set: &SceneSet, draws: &[Parts]) -> Result<Vec<String>> {
    let mut notes = set.notes(draws, candidate.seen()?.as_ref());
    if let super::task::Kind::Scenes { classes } = run.task.what
        && classes != set.classes().len()
    {
        notes.push(format!("{} of {classes} classes are here", set.classes().len()));
    }
    if let (Some(normalisation), Some(bands)) = (candidate.normalisation(), candidate.bands()) {
        let train = &draws[0].train;
        let some = sampled(train.len()).filter_map(|at| set.tile(train[at]).ok());
        notes.extend(outside_normalisation(normalisation, bands, some));
    }
    Ok(notes)
}

fn measure(
    protocol: Protocol,
    drawn: &[Drawn],
    classes: usize,
    seed: u64,
    what: &str,
    reporter: &mut Reporter<'_>,
) -> Result<Outcome> {
    match protocol {
        Protocol::Knn => neighbours(drawn, &KS, Metric::Cosine, seed),
        Protocol::Linear => linear(drawn, classes, seed, |done, total| reporter.progress(what, done, total)),
        Protocol::Svm => svm(drawn, classes, seed, |_| {}),
        Protocol::FewShot => Ok(few_shot(&drawn[0], classes, seed)),
        Protocol::Fractions => fractions(&drawn[0], classes, seed, |done, total| reporter.progress(what, done, total)),
        Protocol::TorchgeoBench => torchgeo(drawn, classes, seed, |done, total| reporter.progress(what, done, total)),
        _ => Ok(Outcome::default()),
    }
}

/// The protocol in one sentence.
fn procedure(protocol: Protocol, candidate: &Candidate, todo: &Todo<'_>) -> String {
    let how = match protocol {
        Protocol::Knn => "k nearest training pictures by cosine, majority vote",
        Protocol::Linear => {
            "multinomial logistic regression (L-BFGS) on standardised features, the best of ten regularisers by the validation part"
        }
        Protocol::Svm => "linear support vector machines, one class against the rest, squared hinge, C = 1000",
        Protocol::FewShot => {
            "the page's own head (logistic regression on unit vectors, regulariser 1e-3) on a few labels a class, mean of ten draws"
        }
        Protocol::Fractions => "the linear classifier on a share of the labels, mean of three draws",
        Protocol::TorchgeoBench => {
            "torchgeo-bench: five neighbours by Euclidean distance; L-BFGS on features as they are, 40 values of C from 1e-6 to \
             1e4 by the validation part, fitted again to training and validation part"
        }
        _ => "",
    };
    let carved = match todo.draws[0].is_carved {
        true => {
            "; no validation part: choices are made on a stratified fifth of the training part, which is learned from too once \
             they are made"
        }
        false => "",
    };
    let draws = match todo.draws.len() {
        1 => "interval: 95 % of 1000 bootstrap samples of the test part".to_owned(),
        count => format!(
            "mean and deviation of {count} draws of the training part, interval: 95 % of 1000 bootstrap samples of the pictures \
             that are tested"
        ),
    };
    format!("frozen encoder, {}; {how}{carved}; {draws}", candidate.features_text())
}
