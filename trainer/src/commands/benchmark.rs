//! `trainer benchmark`: data sets × encoders × protocols, ending in a report card.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::benchmark::{
    Candidate, Card, DataFolders, Findings, Protocol, Settings, Task, points, run as measure, table,
};
use crate::device;
use crate::error::UsageError;
use crate::report::{Reporter, Table, study_svg};

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer benchmark --list
  trainer benchmark --data /data --encoder runs/seco --encoder resnet18.pth --out runs/benchmark
  trainer benchmark --data /data --encoder runs/seco --task eurosat-rgb --protocol fine-tune --out runs/benchmark
  trainer benchmark --at eurosat-rgb=/data/eurosat_rgb.tar --encoder runs/seco --out runs/benchmark --limit 200
  trainer benchmark --print-task oscd > own.toml      (a data set of your own: --task own.toml)

Measures every encoder, random weights of its architecture and image statistics on every data set that the disk has;
the rest is said, with what was looked for and how to get it. Nothing is downloaded. Protocols that train for long
(seco-linear, fine-tune, unet, seco-unet, tuned-unet) are run when they are named.
Every result is kept in --out as soon as it is there: the same command goes on where it was stopped.
--out receives report.md, report.json, report.svg, and maps of change and classes.")]
pub struct BenchmarkArgs {
    /// Run folder, encoder file, exported model, or PyTorch .pth (repeatable)
    #[arg(long, value_name = "RUN|FILE")]
    pub encoder: Vec<PathBuf>,
    /// Folder that data sets lie in (repeatable)
    #[arg(long, value_name = "DIR")]
    pub data: Vec<PathBuf>,
    /// Where one data set lies (repeatable)
    #[arg(long, value_name = "TASK=PATH", value_parser = parse_place)]
    pub at: Vec<(String, PathBuf)>,
    /// Shipped tasks by name, or files [default: all shipped ones]
    #[arg(long, value_delimiter = ',', value_name = "NAME|FILE")]
    pub task: Vec<String>,
    /// knn, linear, svm, few-shot, fractions, torchgeo-bench, seco-linear, fine-tune, tiny, unet, seco-unet, tuned-unet,
    /// seasons [default: those that do not train for long]
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub protocol: Vec<Protocol>,
    /// Splits by name, or all [default: the first of each task that the disk has]
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub split: Vec<String>,
    /// Folder of the results
    #[arg(long, value_name = "DIR", required_unless_present_any = ["list", "print_task"])]
    pub out: Option<PathBuf>,
    /// Side of the input in pixels [default: the task's, else what the encoder was trained for]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(8..=1024))]
    pub px: Option<u16>,
    /// At most so many pictures of each part, evenly spread; 0 takes all
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    pub limit: usize,
    /// Epochs of the protocols that train [default: the protocol's own]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub epochs: Option<u32>,
    /// Learning rate of the protocols that train, of the head or decoder [default: the protocol's own]
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub rate: Option<f64>,
    /// Leave out random weights and image statistics
    #[arg(long)]
    pub no_baselines: bool,
    /// Seed of draws, random weights and training
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// List tasks and what is on the disk, and stop
    #[arg(long)]
    pub list: bool,
    /// Print a shipped task and stop
    #[arg(long, value_name = "NAME", conflicts_with = "list")]
    pub print_task: Option<String>,
    /// Device: auto, cpu, wgpu, cuda, or a name listed by `trainer devices`
    #[arg(long, default_value = "auto")]
    pub device: String,
}

/// What `--at` takes.
fn parse_place(text: &str) -> Result<(String, PathBuf), String> {
    let parts = text.split_once('=').filter(|(task, path)| !task.is_empty() && !path.is_empty());
    parts.map(|(task, path)| (task.to_owned(), path.into())).ok_or_else(|| "TASK=PATH, as in aid=/data/AID".to_owned())
}

/// What `--rate` takes.
fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| "a number above 0, as in 0.001".to_owned())
}

/// Runs the command.
///
/// # Errors
/// For bad usage, or a disk that refuses.
pub fn run(args: &BenchmarkArgs, reporter: &mut Reporter<'_>) -> Result<()> {
    if let Some(name) = &args.print_task {
        reporter.line(toml::to_string_pretty(&shipped(name)?)?.trim_end());
        return Ok(());
    }
    let tasks = tasks(&args.task)?;
    let folders = DataFolders { folders: args.data.clone(), named: args.at.clone() };
    folders.check()?;
    if let Some((name, _)) = args.at.iter().find(|(name, _)| !tasks.iter().any(|task| task.name == *name)) {
        return Err(UsageError::new(format!("--at {name}: no such task here\nhint: {}", names(&tasks))).into());
    }
    if args.list {
        return list(&tasks, &folders, reporter);
    }
    let Some(out) = &args.out else { unreachable!("clap requires --out here") };
    if folders.folders.is_empty() && folders.named.is_empty() {
        return Err(UsageError::new("no data\nhint: --data names a folder that data sets lie in").into());
    }
    check_splits(args, &tasks)?;
    let candidates = Candidate::all(&args.encoder, !args.no_baselines, args.seed)?;
    if candidates.is_empty() {
        return Err(UsageError::new("nothing to measure\nhint: --encoder names a run or a file").into());
    }
    let resolved = device::resolve(&args.device)?;
    reporter.note(&format!("device: {} ({})", resolved.name, resolved.reason));
    let settings = Settings {
        out: out.clone(),
        folders,
        protocols: args.protocol.clone(),
        splits: args.split.clone(),
        px: args.px.map(usize::from),
        limit: args.limit,
        epochs: args.epochs.map(|epochs| epochs as usize),
        rate: args.rate,
        seed: args.seed,
        device: resolved.device,
    };
    let findings = measure(&tasks, &candidates, &settings, reporter, &mut |findings| write(out, findings, &tasks))?;
    // Once more, with what is not on the disk.
    write(out, &findings, &tasks)?;
    show(&findings, &tasks, reporter);
    reporter.note(&format!("wrote report.md, report.json and report.svg to {}", out.display()));
    if let Some(first) = findings.failed.first() {
        let hint = "the report names all; what was measured is kept, and the same command goes on from there";
        bail!(
            "{} data sets broke off, {}\nhint: {hint}",
            findings.failed.len(),
            first.split('\n').next().unwrap_or_default()
        );
    }
    Ok(())
}

/// Shipped tasks and files by what was typed.
fn tasks(typed: &[String]) -> Result<Vec<Task>> {
    if typed.is_empty() {
        return Task::shipped();
    }
    let one = |name: &String| {
        if !name.ends_with(".toml") {
            return shipped(name);
        }
        let text = std::fs::read_to_string(name)
            .map_err(|error| UsageError::new(format!("cannot read {name}: {error}\nhint: check the path")))?;
        Task::parse(&text, name)
    };
    let tasks: Vec<Task> = typed.iter().map(one).collect::<Result<_>>()?;
    for (at, task) in tasks.iter().enumerate() {
        if tasks[..at].iter().any(|other| other.name == task.name) {
            let what = format!("two tasks are called {}\nhint: name each once", task.name);
            return Err(UsageError::new(what).into());
        }
    }
    Ok(tasks)
}

fn shipped(name: &str) -> Result<Task> {
    let all = Task::shipped()?;
    let hint = names(&all);
    let found = all.into_iter().find(|task| task.name == name);
    found.ok_or_else(|| UsageError::new(format!("no task {name:?}\nhint: {hint}, or a file that ends in .toml")).into())
}

fn names(tasks: &[Task]) -> String {
    let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
    format!("one of {}", names.join(", "))
}

fn check_splits(args: &BenchmarkArgs, tasks: &[Task]) -> Result<()> {
    let is_known =
        |name: &String| name == "all" || tasks.iter().flat_map(|task| &task.splits).any(|split| split.name == *name);
    match args.split.iter().find(|name| !is_known(name)) {
        Some(name) => {
            let what =
                format!("no task has a split {name:?}\nhint: `trainer benchmark --print-task NAME` shows a task's");
            Err(UsageError::new(what).into())
        }
        None => Ok(()),
    }
}

fn list(tasks: &[Task], folders: &DataFolders, reporter: &mut Reporter<'_>) -> Result<()> {
    let mut table = Table::new(["task", "kind", "splits", "licence", "data"]);
    for task in tasks {
        let found = folders.candidates(task)?;
        let place = found.first().map_or_else(|| "not found".to_owned(), |path| path.display().to_string());
        let splits: Vec<&str> = task.splits.iter().map(|split| split.name.as_str()).collect();
        table.row([task.name.clone(), task.what.name().to_owned(), splits.join(" "), task.licence.clone(), place]);
    }
    reporter.table(&table);
    Ok(())
}

/// The report as it stands, after every result.
fn write(out: &Path, findings: &Findings, tasks: &[Task]) -> Result<()> {
    let card = Card::new(findings, tasks);
    atomic_file::write(&out.join("report.md"), card.markdown().as_bytes())?;
    let json = serde_json::to_string_pretty(&card).context("cannot put the report into JSON")?;
    atomic_file::write(&out.join("report.json"), json.as_bytes())?;
    let (columns, points) = points(&findings.rows);
    if !points.is_empty() {
        let svg = study_svg("Benchmark: first measure of each protocol", &columns, &points)?;
        atomic_file::write(&out.join("report.svg"), svg.as_bytes())?;
    }
    Ok(())
}

fn show(findings: &Findings, tasks: &[Task], reporter: &mut Reporter<'_>) {
    for task in tasks {
        let own: Vec<_> = findings.rows.iter().filter(|row| row.task == task.name).collect();
        if !own.is_empty() {
            reporter.line(&format!("\n{} ({})", task.title, task.licence));
            reporter.table(&table(task, own.into_iter()));
        }
    }
    for what in &findings.left_out {
        reporter.note(&format!("left out: {what}"));
    }
    for what in &findings.absent {
        reporter.note(&format!("not measured: {what}"));
    }
    if findings.kept > 0 {
        reporter.note(&format!("{} results were there already", findings.kept));
    }
}
