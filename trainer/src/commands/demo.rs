//! `trainer demo`: the whole job on the embedded data, in minutes: pre-train, evaluate, export, with the page served beside it.

use super::arguments::SplitArgs;
use super::evaluate::EvaluateArgs;
use super::export::ExportArgs;
use super::publish::PublishArgs;
use super::serve::{beside_program, bind, page_folder};
use super::{evaluate, export, publish};
use crate::config::{RunConfig, Typed};
use crate::encoder_file::{CONFIG_FILE, ENCODER_FILE};
use crate::error::UsageError;
use crate::pretrain;
use crate::report::Reporter;
use crate::site::list_shipped;
use serve::Site;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer demo
  trainer demo --page out/page
  trainer demo --out out/demo --device wgpu

600 EuroSAT tiles and 100 Blue Marble places in 12 months are embedded in public/demo, and 300 tiles more to test with.
The encoder is pre-trained on them without labels, scored on tiles that it has not seen, and exported with a gallery for
the browser. A demo that was interrupted goes on where it was. With a page, the shipped model is served from the start,
and the one that was trained here at an address of its own when it is done.")]
pub struct DemoArgs {
    /// Folder for the run, the results, the model and its gallery
    #[arg(long, default_value = "out/demo", value_name = "DIR")]
    pub out: PathBuf,
    /// The embedded data [default: public/demo, or the folder demo beside the program]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A built page to serve meanwhile [default: the folder page beside the program, if there is one]
    #[arg(long, value_name = "DIR")]
    pub page: Option<PathBuf>,
    /// Port of the page; 0 takes any free one
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Device: auto, cpu, wgpu, cuda, or a name listed by `trainer devices`
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Change one value of the recipe, for example train.epochs=5 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Of the tiles that the page shows.
const CREDIT: &str = "EuroSAT (Helber et al. 2019), MIT; contains modified Copernicus Sentinel data 2015-2017";
/// Where the page shows the model that was trained here.
const TRAINED: &str = "trained";
/// How often a served page looks whether it shall stop.
const PACE: Duration = Duration::from_millis(200);

/// Runs the command.
///
/// # Errors
/// For bad usage, unreadable data, or a disk that refuses.
pub fn run(args: &DemoArgs, reporter: &mut Reporter<'_>) -> anyhow::Result<()> {
    let data = data_folder(args)?;
    let site = args.out.join("site");
    let page = page_folder(args.page.as_deref())?;
    let address = page.as_deref().map(|page| serve(args, page, &site, reporter)).transpose()?;
    if !train(args, &data, reporter)? {
        reporter.note("interrupted; the same command goes on from here");
        return Ok(());
    }
    score_and_export(args, &data, &site, reporter)?;
    if let (Some(page), Some(address)) = (page, address) {
        list_shipped(&page, &site)?;
        reporter.line(&format!("the model trained here, beside the shipped one: {address}{TRAINED}/ (Ctrl-C stops)"));
        while !pretrain::is_asked_to_stop() {
            thread::sleep(PACE);
        }
    }
    Ok(())
}

/// Where the embedded data is.
fn data_folder(args: &DemoArgs) -> anyhow::Result<PathBuf> {
    let has_data = |folder: &Path| folder.join("eurosat.tar").is_file();
    let usual = || {
        let here = PathBuf::from("public/demo");
        if has_data(&here) { here } else { beside_program("demo").unwrap_or(here) }
    };
    let data = args.data.clone().unwrap_or_else(usual);
    if has_data(&data) {
        return Ok(data);
    }
    Err(UsageError::new(format!(
        "the embedded data is not at {}\nhint: run from the project's folder, or name it with --data",
        data.display()
    ))
    .into())
}

/// Serves the page from now on, and what is trained under an address of its own; returns the page's address.
fn serve(args: &DemoArgs, page: &Path, site: &Path, reporter: &mut Reporter<'_>) -> anyhow::Result<String> {
    let server = bind(args.port)?;
    let address = server.address();
    // The page is the same for every model: only the files beside it change.
    let site = Site::new(page).with(TRAINED, vec![site.to_owned(), page.to_owned()]);
    thread::spawn(move || server.run(&site));
    reporter.line(&format!("the page with the shipped model: {address}"));
    Ok(address)
}

/// Trains, or goes on with it; `false` when it was interrupted.
fn train(args: &DemoArgs, data: &Path, reporter: &mut Reporter<'_>) -> anyhow::Result<bool> {
    let run = args.out.join("run");
    reporter.note("1/3 pre-training without labels");
    if run.join(ENCODER_FILE).is_file() {
        reporter.note(&format!("{} is trained already; remove it to train again", run.display()));
    } else if run.join(CONFIG_FILE).is_file() {
        pretrain::train(&RunConfig::read(&run.join(CONFIG_FILE))?, &run, true, reporter)?;
    } else {
        pretrain::train(&config(args, data)?, &run, false, reporter)?;
    }
    Ok(run.join(ENCODER_FILE).is_file())
}

/// Scores the trained encoder, and writes what the page needs of it into `site`.
fn score_and_export(args: &DemoArgs, data: &Path, site: &Path, reporter: &mut Reporter<'_>) -> anyhow::Result<()> {
    let file = |name: &str| data.join(name);
    let tiles = file("eurosat.tar");
    let run = args.out.join("run");
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
            width: None,
            k: vec![5, 20],
            device: args.device.clone(),
        },
        reporter,
    )?;
    reporter.note("3/3 exporting the model and its gallery");
    export::run(
        ExportArgs {
            encoder: run,
            out: site.join("models"),
            name: Some("demo".to_owned()),
            format: shared::artifact::WeightFormat::F16,
            data: Some(tiles.clone()),
            readout: None,
            width: None,
            splits,
            gallery: Some(site.join("gallery")),
            gallery_tiles: 600,
            thumbnail_px: 64,
            onnx: false,
            pytorch: None,
            licence: "MIT OR Apache-2.0; contains modified Copernicus Sentinel data 2015-2017; NASA Earth Observatory"
                .into(),
            credit: CREDIT.into(),
            device: args.device.clone(),
        },
        reporter,
    )?;
    publish::run(
        &PublishArgs {
            site: site.to_owned(),
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

fn config(args: &DemoArgs, data: &Path) -> anyhow::Result<RunConfig> {
    let path = |name: &str| data.join(name).display().to_string();
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
        ..Typed::default()
    })
}
