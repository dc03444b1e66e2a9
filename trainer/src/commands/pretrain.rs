//! `trainer pretrain`: from unlabelled tiles to an encoder.

use crate::config::{RunConfig, Typed, preset_names};
use crate::methods::presets;
use crate::pretrain;
use crate::report::Reporter;
use std::path::PathBuf;

const EXAMPLES: &str = "Examples:
  trainer pretrain --preset compact --data kind=folder,path=eurosat_rgb.tar --out runs/first
  trainer pretrain --preset seco --data kind=seco,path=seasonal_contrast_100k --out runs/seco --device cuda
  trainer pretrain --preset moco-v2 --set encoder.architecture=resnet18 --set train.epochs=50 --dry-run \\
      --data kind=folder,path=tiles
  trainer pretrain --preset compact --data kind=folder,path=tiles.tar --data kind=mosaic,path=months,weight=0.3 --out runs/mixed
  trainer pretrain --preset seco --data kind=mosaic,path=oscd/images,keep_places=[beirut,paris,pisa] --out runs/cities
  trainer pretrain --preset compact --pretrained public/models/compact-s.safetensors --data kind=folder,path=own --out runs/own
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
checkpoint.previous.safetensors to checkpoint.safetensors first.";

/// Examples, and the list of presets.
fn after_help() -> String {
    let mut text = format!("{EXAMPLES}\n\nPresets: what each learns from, and where it comes from");
    for preset in presets().filter(|preset| preset.command == "pretrain") {
        text += &format!("\n  {:<15} {} ({})", preset.name, preset.about, preset.source);
    }
    text
}

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub struct PretrainArgs {
    /// Recipe to start from; below is what each learns from
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
    /// Start from the weights of an encoder: a run folder, an encoder or model file, a PyTorch state dict
    #[arg(long, value_name = "ENCODER")]
    pub pretrained: Option<PathBuf>,
    /// Run folder to create
    #[arg(long, value_name = "DIR", required_unless_present_any = ["resume", "print_config", "dry_run"])]
    pub out: Option<PathBuf>,
    /// Device: auto, cpu, wgpu, cuda, or a name listed by `trainer devices`
    #[arg(long)]
    pub device: Option<String>,
    /// Go on with an interrupted run
    #[arg(long, value_name = "DIR", conflicts_with_all = ["preset", "config", "set", "data", "pretrained", "out"])]
    pub resume: Option<PathBuf>,
    /// Print the resolved configuration and stop
    #[arg(long)]
    pub print_config: bool,
    /// Print shapes, parameters, cost and memory, and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs the command.
///
/// # Errors
/// For bad usage, unreadable data, or a disk that refuses.
pub fn run(args: &PretrainArgs, reporter: &mut Reporter<'_>) -> anyhow::Result<()> {
    if let Some(folder) = &args.resume {
        return pretrain::resume(folder, args.device.as_deref(), reporter);
    }
    let config = RunConfig::resolve(&Typed {
        preset: args.preset.clone(),
        config: args.config.clone(),
        set: args.set.clone(),
        data: args.data.clone(),
        pretrained: args.pretrained.clone(),
        device: args.device.clone(),
    })?;
    if args.print_config {
        reporter.line(config.to_toml()?.trim_end());
        return Ok(());
    }
    config.method.warnings().iter().for_each(|what| reporter.warning(what));
    if args.dry_run {
        return pretrain::print_plan(&config, reporter);
    }
    let Some(out) = &args.out else { unreachable!("clap requires --out here") };
    pretrain::train(&config, out, false, reporter)
}
