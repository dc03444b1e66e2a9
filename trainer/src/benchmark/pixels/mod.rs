//! Change detection and segmentation: a decoder on the maps of a frozen or trained encoder, whole pictures, maps as pictures.

mod items;
mod read;
mod score;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use shared::bands::Bands;
use shared::preprocess::Normalisation;

use super::cell::Cell;
use super::dense::{
    DecoderKind, DenseConfig, DenseData, DenseNetwork, Store, TINY_CHANNELS, TrunkPart, fit, probabilities,
    some_patches,
};
use super::encoders::Candidate;
use super::protocol::Protocol;
use super::row::Row;
use super::run::{Findings, Run};
use super::task::SplitSpec;
use crate::eval::{outside_normalisation, sampled};
use crate::report::Reporter;
use items::{Fold, Found, find, folds};
use read::{bands_problem, is_seen, scene};
use score::{Question, Scores};

/// The recipe of a protocol, with what was asked for.
fn config(run: &Run<'_>, protocol: Protocol) -> DenseConfig {
    let own = match protocol {
        Protocol::SecoUnet => DenseConfig::seco(),
        Protocol::TunedUnet => DenseConfig::tuned(),
        Protocol::Tiny => DenseConfig::frozen(DecoderKind::Tiny(TINY_CHANNELS)),
        _ => DenseConfig::frozen(DecoderKind::Unet),
    };
    let (epochs, rate) = (run.settings.epochs, run.settings.rate);
    DenseConfig { epochs: epochs.unwrap_or(own.epochs), learning_rate: rate.unwrap_or(own.learning_rate), ..own }
}

/// Runs every protocol that was asked for.
///
/// # Errors
/// `Unusable` when the data is of no form of the task; or when a result cannot be written.
pub fn run(
    run: &Run<'_>,
    findings: &mut Findings,
    reporter: &mut Reporter<'_>,
    on_change: &mut dyn FnMut(&Findings) -> Result<()>,
) -> Result<()> {
    let found = find(&run.task.what, run.path)?;
    let settings = run.settings;
    let mut is_any = false;
    for split in run.task.splits.iter().filter(|split| settings.wants(split)) {
        let Some(folds) = folds(&found.items, split, settings.limit, settings.seed)? else {
            if settings.splits.contains(&split.name) {
                let what = format!("{}: its parts are not all here ({:?})", split.name, split.by);
                findings.left_out.push(format!("{}, split {what}", run.task.name));
            }
            continue;
        };
        if let Some(fold) = folds.iter().find(|fold| fold.train.is_empty() || fold.validation.is_empty()) {
            let what =
                format!("{} pictures to learn from and {} to choose on", fold.train.len(), fold.validation.len());
            findings.left_out.push(format!("{}, split {}: {what}", run.task.name, split.name));
            continue;
        }
        is_any = true;
        for candidate in run.candidates {
            if let Some(why) = bands_problem(&run.task.data, candidate.bands()) {
                let what = format!("{} on {}: {why}", candidate.name, run.task.name);
                if !findings.left_out.contains(&what) {
                    findings.left_out.push(what);
                }
                continue;
            }
            one_candidate(run, candidate, &found, (split, &folds), findings, reporter, on_change)?;
        }
        if settings.splits.is_empty() {
            break;
        }
    }
    if !is_any && settings.splits.is_empty() {
        let what =
            format!("{}: {} pictures with maps are too few for any of its splits", run.task.name, found.items.len());
        findings.left_out.push(what);
    }
    Ok(())
}

fn one_candidate(
    run: &Run<'_>,
    candidate: &Candidate,
    found: &Found,
    (split, folds): (&SplitSpec, &[Fold]),
    findings: &mut Findings,
    reporter: &mut Reporter<'_>,
    on_change: &mut dyn FnMut(&Findings) -> Result<()>,
) -> Result<()> {
    let wanted: Option<Bands> = candidate.bands().cloned();
    let store = Store::new(&found.items, |item| {
        scene(item, &run.task.data, &run.task.what, found.is_coloured, wanted.as_ref())
            .with_context(|| format!("{} of {}", item.name, run.task.name))
    });
    let names: Vec<&str> = found.items.iter().map(|item| item.name.as_str()).collect();
    for protocol in run.settings.protocols_of(&run.task.what) {
        if protocol.needs_network() && candidate.description().is_none() {
            continue;
        }
        let config = config(run, protocol);
        let also = (&split.by, &names, &config, folds);
        let cell = run.cell(&split.name, candidate, protocol, &also)?;
        if let Some(row) = cell.kept()? {
            findings.rows.push(row);
            findings.kept += 1;
            continue;
        }
        let row = measure(run, candidate, &store, found, (split, folds), (protocol, &config), &cell, reporter)?;
        cell.keep(&row)?;
        findings.rows.push(row);
        on_change(findings)?;
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "what a row is of")]
fn measure(
    run: &Run<'_>,
    candidate: &Candidate,
    store: &Store<'_>,
    found: &Found,
    (split, folds): (&SplitSpec, &[Fold]),
    (protocol, config): (Protocol, &DenseConfig),
    cell: &Cell,
    reporter: &mut Reporter<'_>,
) -> Result<Row> {
    let device = &run.settings.device;
    let bands = store.scene(folds[0].train[0])?.pictures[0].bands();
    let normalisation = candidate.normalisation().cloned().unwrap_or_else(|| Normalisation::identity(bands));
    let question = || Question::of(&run.task.what);
    let outputs = question().outputs();
    let pictures = cell.picture_folder();
    // Maps of an earlier computation would stand beside ours.
    if pictures.is_dir() {
        fs::remove_dir_all(&pictures).with_context(|| format!("cannot remove {}", pictures.display()))?;
    }
    let mut scores = Scores::new(question());
    let (mut epochs, mut validation) = (Vec::new(), Vec::new());
    let mut decoder_weights = 0;
    for (turn, fold) in folds.iter().enumerate() {
        let tracked = device.clone().autodiff();
        let encoder = match config.trunk {
            // As it is: what an exported model's batch normalisation would be set up for is neither trained nor adapted.
            TrunkPart::Frozen => candidate.encoder(&tracked)?,
            TrunkPart::StatisticsOnly | TrunkPart::Whole => candidate.trainable(&tracked, || {
                some_patches(store, &fold.train, config, run.settings.seed, &normalisation, device)
            })?,
        };
        let network = DenseNetwork::new(encoder, bands, config.decoder, outputs, run.settings.seed, &tracked);
        decoder_weights = network.decoder_weights();
        // Who makes no choice learns from the validation part too.
        let train = match config.takes_best {
            true => fold.train.clone(),
            false => [&fold.train[..], &fold.validation].concat(),
        };
        let data = DenseData { store, train: &train, normalisation: &normalisation };
        let answers = |network: &DenseNetwork, rows: &[usize]| -> Result<Vec<(Arc<super::dense::Scene>, Vec<f32>)>> {
            let answer = |&row: &usize| {
                let scene = store.scene(row)?;
                let found = probabilities(network, outputs, &scene, &normalisation, config.window_px, device)?;
                Ok((scene, found))
            };
            rows.iter().map(answer).collect()
        };
        let validated = |network: &DenseNetwork| -> Result<(f64, f64)> {
            question().validate(answers(network, &fold.validation)?.into_iter().map(Ok))
        };
        let what = format!("{} on {}: {protocol}, fold {}/{}", candidate.name, run.task.name, turn + 1, folds.len());
        let fitted = fit(
            network,
            &data,
            config,
            &cell.work_folder().join(turn.to_string()),
            run.settings.seed,
            device,
            &mut |network| Ok(validated(network)?.0),
            &mut |epoch, done, total| reporter.progress(&format!("{what}, {epoch}"), done, total),
        )?;
        scores.begin_fold(validated(&fitted.network)?.1);
        for &row in &fold.test {
            for (scene, answer) in answers(&fitted.network, &[row])? {
                scores.add(&store.items()[row], &scene, &answer, &pictures)?;
            }
        }
        epochs.push(fitted.epoch);
        validation.push(fitted.validation);
    }
    let counts = [&folds[0].train, &folds[0].validation, &folds[0].test].map(Vec::len);
    let mut row = run.row(&split.name, candidate, protocol, counts);
    row.input_px = config.window_px;
    let (measures, mut details) = scores.finish(run.settings.seed);
    row.measures = measures;
    details["tested_epochs"] = serde_json::json!(epochs);
    details["validation"] = serde_json::json!(validation);
    details["decoder_weights"] = serde_json::json!(decoder_weights);
    row.details = details;
    row.procedure = procedure(candidate, config, folds.len());
    if config.trunk != TrunkPart::Frozen && candidate.loaded().is_some_and(|loaded| loaded.folded) {
        row.notes.push("the exported model's batch normalisation is set up anew from training pictures".to_owned());
    }
    if found.without_mask > 0 {
        row.notes.push(format!("{} pictures have no map and are left out", found.without_mask));
    }
    if let (Some(normalisation), Some(bands)) = (candidate.normalisation(), candidate.bands()) {
        let train = &folds[0].train;
        let some = sampled(train.len()).filter_map(|at| Some(store.scene(train[at]).ok()?.pictures[0].clone()));
        row.notes.extend(outside_normalisation(normalisation, bands, some));
    }
    if let Some(seen) = candidate.seen()? {
        let tested: Vec<usize> = folds.iter().flat_map(|fold| fold.test.iter().copied()).collect();
        let mut count = 0;
        for &at in &tested {
            count += usize::from(is_seen(&found.items[at], &run.task.data, candidate.bands(), &seen)?);
        }
        row.notes.push(format!("the encoder was trained on {count} of {} test pictures", tested.len()));
    }
    row.notes.push(format!("maps in {}", shown(&run.settings.out, &pictures)));
    Ok(row)
}

/// A path as the report names it: from its own folder.
fn shown(out: &Path, path: &Path) -> String {
    path.strip_prefix(out).unwrap_or(path).display().to_string()
}

fn procedure(candidate: &Candidate, config: &DenseConfig, folds: usize) -> String {
    let trunk = if candidate.description().is_some() {
        ""
    } else {
        "the pixels themselves, halved four times, in place of an encoder's maps; "
    };
    let turns =
        if folds > 1 { format!("; {folds} folds, scores of all their test pictures together") } else { String::new() };
    format!("{trunk}{}{turns}; interval: 95 % of 1000 bootstrap samples of the test pictures", config.sentence())
}
