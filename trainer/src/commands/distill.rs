//! `trainer distill`: any encoder into a compact one.

use crate::config::{RunConfig, Typed};
use crate::encoder_file::{CONFIG_FILE, load_encoder};
use crate::error::UsageError;
use crate::pretrain;
use crate::report::Reporter;
use std::path::PathBuf;

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer distill --teacher resnet50.pth --data kind=folder,path=tiles.tar --out runs/small
  trainer distill --teacher runs/large --data kind=folder,path=tiles.tar --out runs/small \\
      --set encoder.architecture=compact-xs --set train.epochs=20
  trainer distill --teacher runs/large --data kind=folder,path=tiles --dry-run
  trainer distill --resume runs/small

The student learns to predict the teacher's feature vectors, without labels. It takes over the teacher's bands,
normalisation and input size. A run folder is the same as `trainer pretrain` makes, and so is all else: --set, Ctrl-C,
--resume, evaluate, export.")]
pub struct DistillArgs {
    /// Run folder, encoder file, exported model, or PyTorch .pth to learn from
    #[arg(long, value_name = "RUN|FILE", required_unless_present = "resume")]
    pub teacher: Option<PathBuf>,
    /// Recipe to start from
    #[arg(long, default_value = "distill")]
    pub preset: String,
    /// Configuration file (TOML) over the preset; it may hold only what differs
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Change one value, for example encoder.architecture=compact-m (repeatable)
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
    #[arg(long, value_name = "DIR", conflicts_with_all = ["teacher", "config", "set", "data", "out"])]
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
/// For bad usage, unreadable files, or a disk that refuses.
pub fn run(args: &DistillArgs, reporter: &mut Reporter<'_>) -> anyhow::Result<()> {
    if let Some(folder) = &args.resume {
        return pretrain::resume(folder, args.device.as_deref(), reporter);
    }
    let Some(teacher) = &args.teacher else { unreachable!("clap requires --teacher here") };
    if args.out.as_ref().is_some_and(|out| out.join(CONFIG_FILE).exists()) {
        return Err(UsageError::new("--out is the folder of a run already\nhint: --resume goes on with it").into());
    }
    let description = load_encoder(teacher)?.description;
    let (bands, normalisation) = (&description.bands, &description.normalisation);
    // The teacher's tiles are the student's: what both see is prepared once, in one way.
    let mut set = vec![
        format!("method.teacher={}", toml::Value::String(teacher.display().to_string())),
        format!("tiles.bands={}", serde_json::to_string(bands)?),
        format!("tiles.mean={:?}", normalisation.mean()),
        format!("tiles.std={:?}", normalisation.std()),
        format!("tiles.input_px={}", description.input_px),
        format!("method.centre_px={}", description.input_px),
    ];
    set.extend(args.set.iter().cloned());
    let config = RunConfig::resolve(&Typed {
        preset: Some(args.preset.clone()),
        config: args.config.clone(),
        set,
        data: args.data.clone(),
        device: args.device.clone(),
        ..Typed::default()
    })?;
    if args.print_config {
        reporter.line(config.to_toml()?.trim_end());
        return Ok(());
    }
    if args.dry_run {
        return pretrain::print_plan(&config, reporter);
    }
    let Some(out) = &args.out else { unreachable!("clap requires --out here") };
    pretrain::train(&config, out, false, reporter)
}
