//! `trainer pretrain`: from unlabelled tiles to an encoder.

use crate::checkpoint::{self, CHECKPOINT_FILE, CONFIG_FILE, ENCODER_FILE};
use crate::clusters;
use crate::config::{RunConfig, Typed, preset_names};
use crate::data::{Loader, LoaderConfig, Mixture, Warning};
use crate::device::{self, Resolved};
use crate::engine::checkpoint::{Progress, read_newest};
use crate::engine::event::Event;
use crate::engine::fit::{Fit, Outcome};
use crate::engine::optimiser::Optimiser;
use crate::error::UsageError;
use crate::eval::{outside_normalisation, sampled};
use crate::methods::{Backbone, Method, Setup, Teachers};
use crate::parts::Frozen;
use crate::report::{Reporter, tile_grid_png};
use crate::seen::{SEEN_FILE, Seen};
use crate::teachers::load_teachers;
use crate::views::{ViewSet, view_rng};
use anyhow::Context;
use shared::artifact::Projection;
use shared::encoder::module_tensors;
use shared::tensors::TensorMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, io};

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer pretrain --preset compact --data kind=folder,path=eurosat_rgb.tar --out runs/first
  trainer pretrain --preset seco --data kind=seco,path=seasonal_contrast_100k --out runs/seco --device cuda
  trainer pretrain --preset moco-v2 --set encoder.architecture=resnet18 --set train.epochs=50 --dry-run \\
      --data kind=folder,path=tiles
  trainer pretrain --preset compact --data kind=folder,path=tiles.tar --data kind=mosaic,path=months,weight=0.3 --out runs/mixed
  trainer pretrain --preset seco --data kind=mosaic,path=oscd/images,keep_places=[beirut,paris,pisa] --out runs/cities
  trainer pretrain --resume runs/first

Nothing that is tested on should be trained on: seen.txt lists what a run has read, by content, and from it `trainer evaluate`
says how many of its test tiles are among them, and `trainer inspect-data DATA --seen-by RUN` how many pictures of any data.
Of a source that holds more than may be trained on, keep_places=[…] takes only the places named and skip_places=[…] leaves
them out; a name is a part of a place's path, such as a city's folder.

A run folder holds config.toml (every value), events.jsonl, metrics.csv, curves.svg, event files for TensorBoard (tensorboard
--logdir runs), seen.txt, checkpoint.safetensors, the one before it (checkpoint.previous.safetensors) and, at the end,
encoder.safetensors; of marta also generated/, a picture an epoch. Ctrl-C saves; --resume goes on from there: on the CPU bit for
bit as if nothing had happened. A checkpoint holds finite numbers only; a damaged one is set aside, and the one before it used.
After a training that diverged, lower train.learning_rate in config.toml and resume; to go back one checkpoint more, rename
checkpoint.previous.safetensors to checkpoint.safetensors first.")]
pub struct PretrainArgs {
    /// Recipe to start from
    #[arg(long, help = format!("Recipe to start from: {}", preset_names().join(", ")))]
    pub preset: Option<String>,
    /// Configuration file (TOML); with --preset it may hold only what differs
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Change one value, for example train.epochs=50 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// A source of tiles, for example kind=folder,path=tiles (repeatable; sources are mixed by weight)
    #[arg(long, value_name = "KIND=…,PATH=…")]
    pub data: Vec<String>,
    /// Run folder to create
    #[arg(long, value_name = "DIR", required_unless_present_any = ["resume", "print_config", "dry_run"])]
    pub out: Option<PathBuf>,
    /// Device: auto, cpu, wgpu, cuda, or a name listed by `trainer devices`
    #[arg(long)]
    pub device: Option<String>,
    /// Go on with an interrupted run
    #[arg(long, value_name = "DIR", conflicts_with_all = ["preset", "config", "set", "data", "out"])]
    pub resume: Option<PathBuf>,
    /// Print the resolved configuration and stop
    #[arg(long)]
    pub print_config: bool,
    /// Print shapes, parameters, cost and memory, and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// Name of the folder of generated tiles inside a run folder.
const GENERATED_FOLDER: &str = "generated";

/// Set by Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);

/// Runs the command.
///
/// # Errors
/// For bad usage, unreadable data, or a disk that refuses.
pub fn run(args: &PretrainArgs, reporter: &mut Reporter<'_>) -> anyhow::Result<()> {
    if let Some(folder) = &args.resume {
        return resume(folder, args.device.as_deref(), reporter);
    }
    let config = RunConfig::resolve(&Typed {
        preset: args.preset.clone(),
        config: args.config.clone(),
        set: args.set.clone(),
        data: args.data.clone(),
        device: args.device.clone(),
    })?;
    if args.print_config {
        reporter.line(config.to_toml()?.trim_end());
        return Ok(());
    }
    config.method.warnings().iter().for_each(|what| reporter.warning(what));
    if args.dry_run {
        return super::plan::print(&config, reporter);
    }
    let Some(out) = &args.out else { unreachable!("clap requires --out here") };
    train(&config, out, false, reporter)
}

/// Goes on with the run in `folder`, on another device if one is named.
///
/// # Errors
/// As [`train`].
pub fn resume(folder: &Path, device: Option<&str>, reporter: &mut Reporter<'_>) -> anyhow::Result<()> {
    let mut config = RunConfig::read(&folder.join(CONFIG_FILE))?;
    if let Some(device) = device {
        config.run.device = device.to_owned();
    }
    if folder.join(ENCODER_FILE).is_file() {
        reporter.note(&format!("{} is complete: nothing to resume", folder.display()));
        return Ok(());
    }
    train(&config, folder, true, reporter)
}

/// Trains in `folder`, from the start or from its checkpoint.
///
/// # Errors
/// For bad usage, unreadable data, or a disk that refuses.
pub fn train(config: &RunConfig, folder: &Path, resume: bool, reporter: &mut Reporter<'_>) -> anyhow::Result<()> {
    let checkpoint = folder.join(CHECKPOINT_FILE);
    // The cheap checks first: a typing error must not cost the reading of a data set.
    if !resume && is_taken(folder) {
        return Err(UsageError::new(format!(
            "{} exists already and is not overwritten\nhint: choose another --out, or go on with --resume {0}",
            folder.display()
        ))
        .into());
    }
    if let Some(dnc) = &config.dnc {
        if !resume {
            atomic_file::write(&folder.join(CONFIG_FILE), config.to_toml()?.as_bytes())?;
        }
        return super::dnc::train(config, dnc, folder, reporter);
    }
    let resolved = device::resolve(&config.run.device)?;
    let teachers = match config.method.distillation() {
        Some(distill) => load_teachers(distill, config.tiles.bands.len(), &resolved.device)?,
        None => Teachers::default(),
    };
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
    stop_on_ctrl_c();
    let mut probe = super::probe::Probe::open(config, &resolved.device)?;
    let mut fit = Fit {
        method,
        optimiser,
        loader,
        config: &config.train,
        device: resolved.device.clone(),
        checkpoint,
        stop: &STOP,
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

/// The record of what has been trained on so far, by this run and by its teachers. A run that `has_begun` without one, by
/// an older version, gets all pictures of its sources.
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
    if has_begun {
        loader.read_all();
    }
    Ok(seen)
}

/// Writes what was trained: an encoder with its heads, or a discriminator.
fn write_trained(path: &Path, config: &RunConfig, steps: usize, method: &dyn Method) -> anyhow::Result<()> {
    match method.query().backbone() {
        Backbone::Encoder(encoder) => {
            let description = checkpoint::describe(config, steps)?;
            let heads = projections(config, method);
            checkpoint::write_encoder(path, &description, encoder.named_tensors(), &heads)
        }
        Backbone::Discriminator(own) => {
            checkpoint::write_discriminator(path, config, *own.config(), steps, &own.tensors())
        }
    }
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

/// Opens every source, and says what each holds and what could not be read.
pub(super) fn open_sources(config: &RunConfig, reporter: &mut Reporter<'_>) -> anyhow::Result<Mixture> {
    if config.data.is_empty() {
        return Err(UsageError::new(
            "no data to train on\nhint: --data kind=folder,path=tiles (or places, seco, mosaic, series; a tar is read like a folder)",
        )
        .into());
    }
    let mut warnings = Vec::new();
    let mut sources: Vec<clusters::WeightedSource> = Vec::new();
    for spec in &config.data {
        let source = spec.open(Path::new(""), &mut warnings)?;
        let (found, wanted) = (source.bands().len(), config.tiles.bands.len());
        if found != wanted {
            return Err(UsageError::new(format!(
                "{} has {found} bands, the configuration {wanted} ({})\nhint: set tiles.bands, or pick bands of the source",
                source.name(),
                config.tiles.bands
            ))
            .into());
        }
        if config.remembers_places() && source.is_redrawn() {
            return Err(UsageError::new(format!(
                "{} draws its windows anew each time, and {} remembers what it saw at each place\nhint: add \
                 placement=grid to that --data",
                source.name(),
                config.name()
            ))
            .into());
        }
        reporter.note(&source.describe());
        let first = |place: usize| source.read(place, &[0], &mut view_rng(0, 0, 0)).ok()?.pop();
        let some = sampled(source.len()).filter_map(first);
        let outside = outside_normalisation(&config.normalisation()?, &config.tiles.bands, some);
        warnings.extend(outside.map(|what| Warning { what: format!("{}: {what}", source.name()), count: 1 }));
        sources.push((source, spec.weight));
    }
    for warning in &warnings {
        reporter.warning(&warning.what);
    }
    Mixture::new(match &config.part {
        Some(part) => clusters::limit(sources, part)?,
        None => sources,
    })
}

/// The loader of a run.
pub(super) fn loader(config: &RunConfig, mixture: Mixture, views: ViewSet) -> anyhow::Result<Loader> {
    let settings = LoaderConfig {
        batch: config.train.batch,
        px: config.train.crop_px_at(0),
        seed: config.run.seed,
        threads: config.run.threads,
        samples_per_epoch: config.run.samples_per_epoch,
        normalisation: config.normalisation()?,
    };
    Loader::new(Arc::new(mixture), views, settings)
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

/// Whether Ctrl-C was pressed since the last run began, for commands that go on after one.
pub(super) fn is_asked_to_stop() -> bool {
    STOP.load(Ordering::SeqCst)
}

fn stop_on_ctrl_c() {
    STOP.store(false, Ordering::SeqCst);
    // A second run in one process (the demo, tests) finds its handler in place: that is no error.
    let _ = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::SeqCst) {
            // Asked twice: at once. The checkpoint on disk is whole.
            std::process::exit(130);
        }
    });
}
