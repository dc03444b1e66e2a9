//! One run: from a configuration to a trained encoder in a folder of its own.

use super::online_knn::OnlineKnn;
use super::pretrained;
use super::sources::{loader, open_sources};
use super::stop;
use super::teachers::load_teachers;
use crate::config::RunConfig;
use crate::data::Loader;
use crate::device::{self, Resolved};
use crate::encoder_file::{self, CHECKPOINT_FILE, CONFIG_FILE, ENCODER_FILE};
use crate::engine::checkpoint::{Progress, read_newest};
use crate::engine::event::Event;
use crate::engine::fit::{Fit, Outcome, Precision};
use crate::engine::optimiser::Optimiser;
use crate::error::UsageError;
use crate::methods::{Backbone, Method, Setup, Teachers};
use crate::parts::Frozen;
use crate::report::{Reporter, tile_grid_png};
use crate::seen::{SEEN_FILE, Seen};
use anyhow::Context;
use burn::tensor::FloatDType;
use shared::artifact::Projection;
use shared::encoder::module_tensors;
use shared::tensors::TensorMap;
use std::path::Path;
use std::{fs, io};

/// Name of the folder of generated tiles inside a run folder.
const GENERATED_FOLDER: &str = "generated";

/// Trains one run in `folder`, from the start or from its checkpoint.
///
/// # Errors
/// For bad usage, unreadable data, or a disk that refuses.
pub(super) fn train(
    config: &RunConfig,
    folder: &Path,
    resume: bool,
    reporter: &mut Reporter<'_>,
) -> anyhow::Result<()> {
    let checkpoint = folder.join(CHECKPOINT_FILE);
    // The cheap checks first: a typing error must not cost the reading of a data set.
    if !resume {
        check_free(folder)?;
    }
    let resolved = device::resolve(&config.run.device)?;
    check_precision(config.train.precision, &resolved)?;
    let teachers = match config.method.distillation() {
        Some(distill) => load_teachers(distill, config.tiles.bands.len(), &resolved.device)?,
        None => Teachers::default(),
    };
    // A run that has begun no longer needs what it began with.
    let pretrained = if resume && checkpoint.is_file() { None } else { pretrained::read(config)? };
    let mixture = open_sources(config, reporter)?;
    let encoder = config.encoder_config();
    let setup = Setup { encoder: &encoder, teachers, seed: config.run.seed, device: &resolved.device };
    let mut method = config.method.init(setup);
    let loader = loader(config, mixture, method.views())?;
    let mut optimiser = Optimiser::new(config.train.optimiser);
    let mut progress = Progress::default();
    if resume {
        atomic_file::clear(folder).with_context(|| format!("cannot tidy {}", folder.display()))?;
        if let Some(newest) = read_newest(&checkpoint, "checkpoint")? {
            newest.warning.iter().for_each(|warning| reporter.warning(warning));
            progress = newest.content;
            restore(&newest.tensors, method.as_mut(), &mut optimiser, &resolved)?;
        }
    }
    if let (Some(encoder), 0) = (&pretrained, progress.step) {
        encoder.warnings(config)?.iter().for_each(|what| reporter.warning(what));
        encoder.start(method.as_mut(), &loader, config.train.crop_px_at(0), &resolved.device)?;
        reporter.note(&encoder.describe());
    }
    let mut seen = record_of(config, folder, progress.step > 0, &loader)?;
    if !resume {
        atomic_file::write(&folder.join(CONFIG_FILE), config.to_toml()?.as_bytes())?;
    }
    reporter.note(&format!("device: {} ({})", resolved.name, resolved.reason));
    reporter.event(&Event::RunStarted {
        run_dir: folder.to_owned(),
        method: config.method.name().to_owned(),
        device: resolved.name.clone(),
        parameters: encoder.parameter_count(),
        steps_per_epoch: loader.steps_per_epoch(),
        epochs: config.train.epochs,
    });
    if resume {
        reporter.event(&Event::Resumed { step: progress.step });
    }
    stop::on_ctrl_c();
    let mut probe = OnlineKnn::open(config, &resolved.device)?;
    let mut fit = Fit {
        method,
        optimiser,
        loader,
        config: &config.train,
        device: resolved.device.clone(),
        checkpoint,
        stop: stop::flag(),
        on_event: &mut |event| {
            reporter.event(&event);
            Ok(())
        },
        probe: &mut |encoder, epoch| probe.measure(encoder, epoch),
        pictures: &mut |generated, epoch| {
            let path = Path::new(GENERATED_FOLDER).join(format!("epoch-{:04}.png", epoch + 1));
            atomic_file::write(&folder.join(&path), &tile_grid_png(generated)?)?;
            Ok(path)
        },
        record: &mut |loader| {
            let path = folder.join(SEEN_FILE);
            // Nothing new is a student's case, whose teacher saw the same: it has a record of its own all the same.
            let is_new = seen.extend(loader.fingerprints());
            if is_new || !path.is_file() { seen.write(&path) } else { Ok(()) }
        },
    };
    let outcome = fit.run(progress)?;
    let (method, steps) = (fit.method, config.train.epochs * fit.loader.steps_per_epoch());
    match outcome {
        Outcome::Interrupted => {
            reporter.note(&format!("saved; go on with: trainer pretrain --resume {}", folder.display()));
        }
        Outcome::Finished => {
            let encoder = folder.join(ENCODER_FILE);
            write_trained(&encoder, config, steps, method.as_ref())?;
            reporter.line(&format!("encoder: {}", encoder.display()));
        }
    }
    Ok(())
}

/// Whether the device computes in the precision that is asked for: some only store it, and give garbage without a word.
fn check_precision(precision: Precision, resolved: &Resolved) -> anyhow::Result<()> {
    if precision == Precision::F32 || resolved.device.supports_dtype(FloatDType::BF16) {
        return Ok(());
    }
    Err(UsageError::new(format!(
        "train.precision is \"bf16\", and {} does not compute in it\nhint: --set train.precision=f32, or another --device",
        resolved.name
    ))
    .into())
}

/// The record of what has been trained on so far, by this run, by its teachers, and by the encoder it started from. A run that
/// `has_begun` without one, by an older version, gets all pictures of its sources.
fn record_of(config: &RunConfig, folder: &Path, has_begun: bool, loader: &Loader) -> anyhow::Result<Seen> {
    let path = folder.join(SEEN_FILE);
    if path.is_file() {
        return Seen::read(&path);
    }
    let mut seen = Seen::default();
    if let Some(distill) = config.method.distillation() {
        for teacher in std::iter::once(&distill.teacher).chain(&distill.experts) {
            seen.add_teacher(Seen::of_encoder(teacher)?);
        }
    }
    if let Some(encoder) = &config.encoder.pretrained {
        seen.add_teacher(Seen::of_encoder(encoder)?);
    }
    if has_begun {
        loader.read_all();
    }
    Ok(seen)
}

/// Writes what was trained: an encoder with its heads, or a discriminator.
fn write_trained(path: &Path, config: &RunConfig, steps: usize, method: &dyn Method) -> anyhow::Result<()> {
    match method.query().backbone() {
        Backbone::Encoder(encoder) => {
            let description = encoder_file::describe(config, steps)?;
            let heads = projections(config, method);
            encoder_file::write_encoder(path, &description, encoder.named_tensors(), &heads)
        }
        Backbone::Discriminator(own) => {
            encoder_file::write_discriminator(path, config, *own.config(), steps, &own.tensors())
        }
    }
}

/// Refuses a `folder` that holds something.
///
/// # Errors
/// [`UsageError`] when a new run would overwrite anything.
pub(super) fn check_free(folder: &Path) -> anyhow::Result<()> {
    if !is_taken(folder) {
        return Ok(());
    }
    Err(UsageError::new(format!(
        "{} exists already and is not overwritten\nhint: choose another --out, or go on with --resume {0}",
        folder.display()
    ))
    .into())
}

/// Whether something is at `folder` that a new run would overwrite. A run killed before its configuration had a name left
/// nothing but unnamed scraps, which are in nobody's way.
fn is_taken(folder: &Path) -> bool {
    let is_scrap = |entry: io::Result<fs::DirEntry>| entry.is_ok_and(|entry| atomic_file::is_unfinished(&entry.path()));
    folder.exists() && fs::read_dir(folder).map_or(true, |mut entries| !entries.all(is_scrap))
}

/// The heads of a method with several subspaces; a single head is discarded, as all papers do.
fn projections(config: &RunConfig, method: &dyn Method) -> Vec<Projection> {
    let subspaces = config.method.exported(config.tiles.bands.len()).subspaces;
    let named = subspaces.iter().zip(&method.query().heads);
    let own = named.map(|(name, head)| Projection {
        name: (*name).to_owned(),
        tensors: module_tensors(head).into_values().collect(),
    });
    own.collect()
}

fn restore(
    tensors: &TensorMap,
    method: &mut dyn Method,
    optimiser: &mut Optimiser,
    resolved: &Resolved,
) -> anyhow::Result<()> {
    let query = method.query().clone().restore("query", tensors)?;
    method.set_query(query);
    method.restore(tensors)?;
    optimiser.restore(tensors, &resolved.device);
    Ok(())
}
