//! `trainer study`: a grid of augmentations, temperatures and seeds, and what helped.

use super::evaluate::warn;
use crate::checkpoint::{CONFIG_FILE, ENCODER_FILE, load_encoder};
use crate::config::{RunConfig, Typed};
use crate::data::LabelledSet;
use crate::device;
use crate::error::UsageError;
use crate::eval::{self, Embedded, EmbeddedSplits, score_features};
use crate::pretrain;
use crate::report::{Reporter, StudyPoint, Table, percent, study_svg};
use crate::study::{Cell, CellScore, DEFAULT_GRID, Grid, SCORE_VERSION, Spread, effects};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Neighbours that vote.
const K: usize = 20;
/// Name of a run's score inside its folder.
const SCORE_FILE: &str = "score.json";
/// Name of the grid inside the study's folder.
const GRID_FILE: &str = "study.toml";

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer study --data kind=folder,path=tiles.tar,split=train.csv --out runs/study \\
      --labelled tiles.tar --train-split train.csv --val-split val.csv
  trainer study --print-grid > own.toml
  trainer study --grid own.toml --shard 1/2 …          (the other machine: --shard 2/2)
  trainer study --grid own.toml --set train.epochs=4 --dry-run …

Every run is an ordinary run folder inside --out. The same command again goes on where it was stopped and trains nothing
twice; when all runs are there it only prints the table. Half of the validation tiles choose the linear probe's
regulariser, the other half are scored. --out receives study.md and study.svg.")]
pub struct StudyArgs {
    /// The grid (TOML) [default: LUPerson's menu of augmentations and temperatures]
    #[arg(long, value_name = "FILE")]
    pub grid: Option<PathBuf>,
    /// Print the grid and stop
    #[arg(long)]
    pub print_grid: bool,
    /// Change one value of every run, for example train.epochs=4 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// A source of tiles to train on, without labels (repeatable)
    #[arg(long, value_name = "KIND=…,PATH=…", required_unless_present = "print_grid")]
    pub data: Vec<String>,
    /// Labelled tiles to score on: a folder of class folders, or a tar of one
    #[arg(long, value_name = "DIR|TAR", required_unless_present = "print_grid")]
    pub labelled: Option<PathBuf>,
    /// List of the labelled tiles that are learned from
    #[arg(long, value_name = "FILE", required_unless_present = "print_grid")]
    pub train_split: Option<PathBuf>,
    /// List of the labelled tiles that are scored: a validation split, never the test split
    #[arg(long, value_name = "FILE", required_unless_present = "print_grid")]
    pub val_split: Option<PathBuf>,
    /// At most so many tiles of each list are used, evenly spread; 0 takes all
    #[arg(long, default_value_t = 3000, value_name = "COUNT")]
    pub limit: usize,
    /// Folder of the study
    #[arg(long, value_name = "DIR", required_unless_present_any = ["print_grid", "dry_run"])]
    pub out: Option<PathBuf>,
    /// Take only every N-th run, from the I-th on, counted from 1: several machines share a study
    #[arg(long, value_name = "I/N", value_parser = parse_shard)]
    pub shard: Option<(usize, usize)>,
    /// List the runs and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Device: auto, cpu, wgpu, cuda, or a name listed by `trainer devices`
    #[arg(long, default_value = "auto")]
    pub device: String,
}

fn parse_shard(text: &str) -> Result<(usize, usize), String> {
    let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    let fits = numbers.filter(|(i, n): &(usize, usize)| (1..=*n).contains(i));
    fits.ok_or_else(|| "a shard is I/N with I from 1 to N, for example 1/2".to_owned())
}

/// Runs the command.
///
/// # Errors
/// For bad usage, unreadable files, or a disk that refuses.
pub fn run(args: &StudyArgs, reporter: &mut Reporter<'_>) -> Result<()> {
    let (text, origin) = match &args.grid {
        None => (DEFAULT_GRID.to_owned(), "the shipped grid".to_owned()),
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|error| {
                UsageError::new(format!("cannot read grid {}: {error}\nhint: check the path", path.display()))
            })?;
            (text, path.display().to_string())
        }
    };
    if args.print_grid {
        reporter.line(text.trim_end());
        return Ok(());
    }
    let grid = Grid::parse(&text, &origin)?;
    let typed =
        Typed { set: args.set.clone(), data: args.data.clone(), device: Some(args.device.clone()), ..Typed::default() };
    let cells = grid.cells();
    // Every run must be possible before the first one starts.
    let configs = cells.iter().map(|cell| grid.config(cell, &typed)).collect::<Result<Vec<_>>>()?;
    let (first, step) = args.shard.unwrap_or((1, 1));
    let own = |at: &usize| at % step == first - 1;
    if args.dry_run {
        let mut table = Table::new(["run", "epochs", "here"]);
        for (at, (cell, config)) in cells.iter().zip(&configs).enumerate() {
            let here = if own(&at) { "yes" } else { "other shard" };
            table.row([cell.name.clone(), config.train.epochs.to_string(), here.to_owned()]);
        }
        reporter.table(&table);
        return pretrain::print_plan(&configs[0], reporter);
    }
    let Some(out) = &args.out else { unreachable!("clap requires --out here") };
    claim(out, &grid)?;
    let labelled = Labelled::open(args, reporter)?;
    for at in (0..cells.len()).filter(own) {
        let folder = out.join(&cells[at].name);
        if folder.join(SCORE_FILE).is_file() {
            continue;
        }
        reporter.note(&format!("run {} of {}: {}", at + 1, cells.len(), cells[at].name));
        train(&configs[at], &folder, reporter)?;
        if !folder.join(ENCODER_FILE).is_file() {
            reporter.note("interrupted; the same command goes on from here");
            return Ok(());
        }
        let score = labelled.score(&cells[at], &folder, &args.device, reporter)?;
        let text = serde_json::to_string_pretty(&score)?;
        atomic_file::write(&folder.join(SCORE_FILE), text.as_bytes())?;
    }
    summarise(&grid, &cells, out, &labelled, reporter)
}

/// Marks `out` as this grid's folder.
fn claim(out: &Path, grid: &Grid) -> Result<()> {
    let path = out.join(GRID_FILE);
    let text = toml::to_string_pretty(grid)?;
    if !path.is_file() {
        return atomic_file::write(&path, text.as_bytes());
    }
    let before = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    if Grid::parse(&before, &path.display().to_string())? != *grid {
        return Err(UsageError::new(format!(
            "{} holds the study of another grid\nhint: choose another --out, or --grid {}",
            out.display(),
            path.display()
        ))
        .into());
    }
    Ok(())
}

/// Trains a run, or goes on with it.
fn train(config: &RunConfig, folder: &Path, reporter: &mut Reporter<'_>) -> Result<()> {
    if folder.join(ENCODER_FILE).is_file() {
        return Ok(());
    }
    let path = folder.join(CONFIG_FILE);
    if !path.is_file() {
        return pretrain::train(config, folder, false, reporter);
    }
    let mut before = RunConfig::read(&path)?;
    before.run.device.clone_from(&config.run.device);
    if before != *config {
        return Err(UsageError::new(format!(
            "{} was begun with other settings\nhint: choose another --out, or leave --set and --data as they were",
            folder.display()
        ))
        .into());
    }
    pretrain::train(config, folder, true, reporter)
}

/// What runs are scored on.
struct Labelled {
    train: LabelledSet,
    val: LabelledSet,
}

impl Labelled {
    fn open(args: &StudyArgs, reporter: &mut Reporter<'_>) -> Result<Self> {
        let (Some(path), Some(train), Some(val)) = (&args.labelled, &args.train_split, &args.val_split) else {
            unreachable!("clap requires them here")
        };
        let mut warnings = Vec::new();
        let mut open = |split| LabelledSet::open(path, Some(split), &mut warnings);
        let own = Self { train: open(train)?.thinned(args.limit), val: open(val)?.thinned(args.limit) };
        warn(&warnings, reporter);
        Ok(own)
    }

    fn score(&self, cell: &Cell, run: &Path, device: &str, reporter: &mut Reporter<'_>) -> Result<CellScore> {
        let loaded = load_encoder(run)?;
        let device = device::resolve(device)?.device;
        let encoder = loaded.encoder(&device)?;
        let description = &loaded.description;
        let width = description.encoder.feature_width();
        let embed = |set: &LabelledSet| {
            let values = eval::features(&encoder, set, &description.normalisation, description.input_px, &device)?;
            Embedded::new(values, width, set.labels.clone())
        };
        let (train, val) = (embed(&self.train)?, embed(&self.val)?);
        let half = |odd: usize| (0..val.count()).filter(|at| at % 2 == odd).collect::<Vec<_>>();
        let parts = EmbeddedSplits { train, validation: val.subset(&half(0)), test: val.subset(&half(1)) };
        let k = K.min(parts.train.count());
        let what = format!("{}: linear probe", cell.name);
        let progress = |done, total| reporter.progress(&what, done, total);
        let scores = score_features(&cell.name, &parts, self.train.classes.len(), &[k], progress)?.scores;
        Ok(CellScore {
            version: SCORE_VERSION,
            view: cell.view,
            temperature: cell.temperature,
            seed: cell.seed,
            knn: scores.knn[0].accuracy,
            linear: scores.linear_accuracy,
        })
    }
}

/// The table and the picture of every run that is there, whichever shard made it.
fn summarise(grid: &Grid, cells: &[Cell], out: &Path, labelled: &Labelled, reporter: &mut Reporter<'_>) -> Result<()> {
    let mut scores = Vec::new();
    for cell in cells {
        let path = out.join(&cell.name).join(SCORE_FILE);
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let score: CellScore = serde_json::from_str(&text)
            .with_context(|| format!("cannot use {}\nhint: remove it to score the run again", path.display()))?;
        scores.push(score);
    }
    let mut all = Table::new(["augmentation", "temperature", "seeds", "k-NN 20", "linear"]);
    let mut points = Vec::new();
    for (view, named) in grid.views.iter().enumerate() {
        for &temperature in &grid.temperatures {
            let own: Vec<&CellScore> =
                scores.iter().filter(|s| s.view == view && s.temperature == temperature).collect();
            let of = |value: fn(&CellScore) -> f64| Spread::of(&own.iter().map(|s| value(s)).collect::<Vec<_>>());
            let (knn, linear) = (of(|s| s.knn), of(|s| s.linear));
            all.row([named.name.clone(), temperature.to_string(), own.len().to_string(), said(knn), said(linear)]);
            let values = own.iter().map(|score| score.knn).collect();
            points.push(StudyPoint { column: view, series: format!("T {temperature}"), values });
        }
    }
    let helped = |value| effects(grid, &scores, value);
    let (knn, linear) = (helped(|s: &CellScore| s.knn), helped(|s: &CellScore| s.linear));
    let mut table =
        Table::new([&format!("against {}", grid.views[0].name), "pairs", "k-NN 20", "linear"].map(String::from));
    for (view, named) in grid.views.iter().enumerate().skip(1) {
        let pairs = knn[view].map_or(0, |spread| spread.count);
        table.row([named.name.clone(), pairs.to_string(), gain(knn[view]), gain(linear[view])]);
    }
    let missing = cells.len() - scores.len();
    let names: Vec<String> = grid.views.iter().map(|view| view.name.clone()).collect();
    let note = format!(
        "{} of {} runs; {} training tiles, {} validation tiles, half of which choose the regulariser; ± is the standard \
         deviation over seeds, and over pairs of equal temperature and seed in the second table",
        scores.len(),
        cells.len(),
        labelled.train.len(),
        labelled.val.len()
    );
    reporter.table(&all);
    reporter.line("\nwhat helped on this imagery");
    reporter.table(&table);
    reporter.line(&format!("\n{note}"));
    if missing > 0 {
        reporter.note(&format!("{missing} runs are missing: other shards, or the same command again, make them"));
    }
    let markdown = format!("# What helped on this imagery\n\n{note}\n\n{}\n{}", table.markdown(), all.markdown());
    atomic_file::write(&out.join("study.md"), markdown.as_bytes())?;
    if !scores.is_empty() {
        let svg = study_svg("k-NN 20 accuracy of every run, and the mean over seeds", &names, &points)?;
        atomic_file::write(&out.join("study.svg"), svg.as_bytes())?;
    }
    Ok(())
}

fn said(spread: Option<Spread>) -> String {
    match spread {
        None => String::new(),
        Some(Spread { count: 1, mean, .. }) => percent(mean),
        Some(Spread { mean, deviation, .. }) => format!("{} ± {:.1}", percent(mean), 100.0 * deviation),
    }
}

fn gain(spread: Option<Spread>) -> String {
    match spread {
        None => String::new(),
        Some(Spread { count: 1, mean, .. }) => format!("{:+.1}", 100.0 * mean),
        Some(Spread { mean, deviation, .. }) => format!("{:+.1} ± {:.1}", 100.0 * mean, 100.0 * deviation),
    }
}
