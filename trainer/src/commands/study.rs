//! `trainer study`: a grid of augmentations, temperatures and seeds, and what helped.

use crate::config::Typed;
use crate::error::UsageError;
use crate::pretrain;
use crate::report::{Reporter, Table};
use crate::study::{DEFAULT_GRID, Grid, Labelled, Study};
use anyhow::Result;
use std::fs;
use std::path::PathBuf;

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
    /// Labelled tiles to score on: a folder of class folders, or a tar of one; or kind=…,path=…,file_bands=[…] with any key of
    /// a [[data]] table
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
    let (Some(path), Some(train), Some(val)) = (&args.labelled, &args.train_split, &args.val_split) else {
        unreachable!("clap requires them here")
    };
    let own = (0..cells.len()).filter(own).collect();
    let study = Study { grid: &grid, cells: &cells, configs: &configs, own, out, device: &args.device };
    study.claim()?;
    let bands = &configs[0].tiles.bands;
    study.run(&Labelled::open(path, bands, [train, val], args.limit, reporter)?, reporter)
}
