//! Protocols that train the encoder with its head, or let its statistics adapt.

use std::path::Path;

use anyhow::{Context, Result};
use shared::artifact::Metric;
use shared::tensors::NamedTensor;
use shared::tile::Tile;

use super::super::cell::Cell;
use super::super::encoders::Candidate;
use super::super::fine_tune::{FineTuneConfig, Labelled, Tuned, fine_tune, some_pictures};
use super::super::protocol::Protocol;
use super::super::row::Measure;
use super::super::run::Run;
use super::frozen::Outcome;
use super::set::{Parts, SceneSet};
use crate::encoder_file::{ENCODER_FILE, write_encoder};
use crate::eval::{accuracy, accuracy_interval};
use crate::export::TunedModel;
use crate::report::Reporter;
use crate::views::PixelRange;

/// The classifier in the folder of its result.
const MODEL_FILE: &str = "model.safetensors";
/// Test pictures on which the model file must answer as the tuned network does.
const CHECKED_TILES: usize = 16;

/// The recipe of a protocol, with what was asked for.
#[must_use]
pub fn config(run: &Run<'_>, protocol: Protocol) -> FineTuneConfig {
    let own = match protocol {
        Protocol::SecoLinear => FineTuneConfig::seco_linear(),
        _ => FineTuneConfig::ours(),
    };
    let (epochs, rate) = (run.settings.epochs, run.settings.rate);
    FineTuneConfig { epochs: epochs.unwrap_or(own.epochs), learning_rate: rate.unwrap_or(own.learning_rate), ..own }
}

/// The protocol in one sentence, as it is done on such parts.
#[must_use]
pub fn procedure(config: &FineTuneConfig, parts: &Parts) -> String {
    let again = match parts.is_carved && config.takes_best {
        true => {
            "; no validation part: the best epoch is that of a stratified fifth of the training part, and the encoder is trained \
             again on all of it up to that epoch"
        }
        false => "",
    };
    format!("{}{again}; first draw of the split", config.sentence())
}

/// Trains on the first draw of a split and tests it.
///
/// # Errors
/// When a picture cannot be read, training diverges, or the disk refuses.
pub fn run(
    run: &Run<'_>,
    candidate: &Candidate,
    set: &SceneSet,
    parts: &Parts,
    protocol: Protocol,
    cell: &Cell,
    reporter: &mut Reporter<'_>,
) -> Result<Outcome> {
    let config = config(run, protocol);
    config.check().map_err(crate::error::UsageError::new)?;
    let device = &run.settings.device;
    let Some(description) = candidate.description() else { return Ok(Outcome::default()) };
    // SeCo reports its validation part.
    let tested = match protocol {
        Protocol::SecoLinear => &parts.validation,
        _ => &parts.test,
    };
    if tested.is_empty() {
        let what = "left out: what would be tested is empty, one picture a class is learned from";
        return Ok(Outcome { notes: vec![what.to_owned()], ..Outcome::default() });
    }
    let read = |row: usize| set.tile(row);
    let has_ceiling = run.task.data.file_bands.is_none() && set.bands().is_rgb();
    let data = Labelled {
        read: &read,
        labels: set.labels(),
        classes: set.classes().len(),
        train: &parts.train,
        validation: &parts.validation,
        test: tested,
        px: run.px(candidate),
        normalisation: &description.normalisation,
        band_names: &description.bands,
        range: if has_ceiling { PixelRange::Display } else { PixelRange::Open },
    };
    let what = format!("{} on {}: {protocol}", candidate.name, run.task.name);
    let mut notes = Vec::new();
    if candidate.loaded().is_some_and(|loaded| loaded.folded) {
        notes.push("the exported model's batch normalisation is set up anew from training pictures".to_owned());
    }
    let mut tune = |data: &Labelled<'_>, config: &FineTuneConfig, folder: &Path, what: &str| {
        let tiles = || some_pictures(data, device);
        let encoder = candidate.trainable(&device.clone().autodiff(), tiles)?.context("an encoder without weights")?;
        fine_tune(encoder, data, config, folder, run.settings.seed, device, |epoch, done, total| {
            reporter.progress(&format!("{what}, {epoch}"), done, total);
        })
    };
    let mut tuned = tune(&data, &config, &cell.work_folder(), &what)?;
    if parts.is_carved && config.takes_best && !parts.validation.is_empty() {
        let everything = [&parts.train[..], &parts.validation].concat();
        let all = Labelled { train: &everything, validation: &[], ..data };
        let up_to_best = FineTuneConfig { ends_after: Some(tuned.epoch), ..config.clone() };
        let again =
            tune(&all, &up_to_best, &cell.work_folder().join("all"), &format!("{what}, all of the training part"))?;
        tuned = Tuned { validation: tuned.validation, ..again };
    }
    let labels: Vec<usize> = tested.iter().map(|&row| set.labels()[row]).collect();
    let right: Vec<bool> = tuned.predictions.iter().zip(&labels).map(|(a, b)| a == b).collect();
    let interval = accuracy_interval(&right, run.settings.seed);
    let score = accuracy(&tuned.predictions, &labels);
    if protocol == Protocol::FineTune {
        let metric = Metric { name: "accuracy".to_owned(), value: score, protocol: procedure(&config, parts) };
        notes.extend(keep(run, candidate, set, (&tuned, metric, tested), cell)?);
    }
    if protocol == Protocol::SecoLinear {
        notes.push("tested on the validation part, as published".to_owned());
    }
    Ok(Outcome {
        measures: vec![Measure::with_interval("accuracy", score, interval)],
        notes,
        details: serde_json::json!({
            "tested_epoch": tuned.epoch, "validation_accuracy": tuned.validation, "recipe": config,
        }),
    })
}

/// Writes the tuned encoder, and the classifier as a model that the page loads; says where.
fn keep(
    run: &Run<'_>,
    candidate: &Candidate,
    set: &SceneSet,
    (tuned, metric, tested): (&Tuned, Metric, &[usize]),
    cell: &Cell,
) -> Result<Vec<String>> {
    let description = candidate.description().context("statistics are not tuned")?;
    let folder = cell.picture_folder();
    let own = |tensor: &NamedTensor| NamedTensor {
        name: tensor.name.trim_start_matches("encoder.").to_owned(),
        ..tensor.clone()
    };
    let tensors: Vec<NamedTensor> = tuned.network.iter().map(own).collect();
    let model = TunedModel {
        name: &format!("{}-{}", candidate.slug, run.task.name),
        description,
        px: run.px(candidate),
        classes: set.classes(),
        data: &format!("{} ({})", run.task.title, run.task.licence),
        metric,
    };
    let tiles: Vec<Tile> = tested.iter().take(CHECKED_TILES).map(|&row| set.tile(row)).collect::<Result<_>>()?;
    let bytes = model.bytes(&tensors, &tiles)?;
    // An encoder file like any other, with the classifier as head.weight and head.bias beside it.
    write_encoder(&folder.join(ENCODER_FILE), description, tensors, &[])?;
    atomic_file::write(&folder.join(MODEL_FILE), &bytes)?;
    let shown = folder.strip_prefix(&run.settings.out).unwrap_or(&folder);
    Ok(vec![
        format!("the tuned encoder is {}", shown.join(ENCODER_FILE).display()),
        format!("the classifier, as the page loads it, is {}", shown.join(MODEL_FILE).display()),
    ])
}
