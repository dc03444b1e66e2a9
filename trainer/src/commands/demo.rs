//! `trainer demo`: the whole job on the embedded data, in minutes: pre-train, evaluate, export.

use super::evaluate::{EvaluateArgs, SplitArgs};
use super::export::ExportArgs;
use super::publish::PublishArgs;
use super::{evaluate, export, pretrain, publish};
use crate::checkpoint::{CONFIG_FILE, ENCODER_FILE};
use crate::config::{RunConfig, Typed};
use crate::error::UsageError;
use crate::report::Reporter;
use std::path::PathBuf;

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer demo
  trainer demo --out out/demo --device wgpu

1 000 EuroSAT tiles and 100 Blue Marble places in 12 months are embedded in public/demo. The encoder is pre-trained on
them without labels, scored on tiles that it has not seen, and exported with a gallery for the browser. A demo that was
interrupted goes on where it was.")]
pub struct DemoArgs {
    /// Folder for the run, the results, the model and its gallery
    #[arg(long, default_value = "out/demo", value_name = "DIR")]
    pub out: PathBuf,
    /// The embedded data
    #[arg(long, default_value = "public/demo", value_name = "DIR")]
    pub data: PathBuf,
    /// Device: auto, cpu, wgpu, cuda, or a name listed by `trainer devices`
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Change one value of the recipe, for example train.epochs=5 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Of the tiles that the page shows.
const CREDIT: &str = "EuroSAT (Helber et al. 2019), MIT; contains modified Copernicus Sentinel data 2015-2017";

/// Runs the command.
///
/// # Errors
/// For bad usage, unreadable data, or a disk that refuses.
pub fn run(args: &DemoArgs, reporter: &mut Reporter<'_>) -> anyhow::Result<()> {
    let file = |name: &str| args.data.join(name);
    let tiles = file("eurosat.tar");
    if !tiles.is_file() {
        return Err(UsageError::new(format!(
            "the embedded data is not at {}\nhint: run from the project's folder, or name it with --data",
            args.data.display()
        ))
        .into());
    }
    let run = args.out.join("run");
    reporter.note("1/3 pre-training without labels");
    if run.join(ENCODER_FILE).is_file() {
        reporter.note(&format!("{} is trained already; remove it to train again", run.display()));
    } else if run.join(CONFIG_FILE).is_file() {
        pretrain::train(&RunConfig::read(&run.join(CONFIG_FILE))?, &run, true, reporter)?;
    } else {
        pretrain::train(&config(args)?, &run, false, reporter)?;
    }
    if !run.join(ENCODER_FILE).is_file() {
        reporter.note("interrupted; the same command goes on from here");
        return Ok(());
    }
    let splits = SplitArgs {
        train_split: Some(file("eurosat_train.csv")),
        val_split: Some(file("eurosat_val.csv")),
        test_split: Some(file("eurosat_test.csv")),
        seed: 0,
    };
    reporter.note("2/3 evaluating the frozen encoder beside untrained baselines");
    evaluate::run(
        EvaluateArgs {
            encoder: run.clone(),
            data: tiles.clone(),
            splits: splits.clone(),
            out: Some(args.out.join("evaluation")),
            px: None,
            svm: None,
            readout: None,
            k: vec![5, 20],
            device: args.device.clone(),
        },
        reporter,
    )?;
    let site = args.out.join("site");
    reporter.note("3/3 exporting the model and its gallery");
    export::run(
        ExportArgs {
            encoder: run,
            out: site.join("models"),
            name: Some("demo".to_owned()),
            format: shared::artifact::WeightFormat::F16,
            data: Some(tiles.clone()),
            readout: None,
            splits,
            gallery: Some(site.join("gallery")),
            gallery_tiles: 600,
            thumbnail_px: 64,
            onnx: false,
            licence: "MIT OR Apache-2.0; contains modified Copernicus Sentinel data 2015-2017; NASA Earth Observatory"
                .into(),
            credit: CREDIT.into(),
            device: args.device.clone(),
        },
        reporter,
    )?;
    publish::run(
        &PublishArgs {
            site,
            model: "demo".to_owned(),
            title: Some("Demonstration, trained here".to_owned()),
            data: tiles,
            test_split: file("eurosat_test.csv"),
            samples: 2,
            credit: CREDIT.into(),
        },
        reporter,
    )
}

fn config(args: &DemoArgs) -> anyhow::Result<RunConfig> {
    let path = |name: &str| args.data.join(name).display().to_string();
    let (eurosat, train) = (path("eurosat.tar"), path("eurosat_train.csv"));
    RunConfig::resolve(&Typed {
        preset: Some("demo".to_owned()),
        config: None,
        set: args.set.clone(),
        data: vec![
            format!("kind=folder,path={eurosat},split={train},name=eurosat-demo"),
            format!("kind=places,path={},name=blue-marble-demo", path("blue_marble.tar")),
        ],
        device: Some(args.device.clone()),
    })
}
