//! What was typed, nothing decided.

use crate::commands::{
    benchmark, completions, demo, devices, distill, embed, evaluate, export, fetch, gather, inspect_data, pretrain,
    publish, seasons, serve, study, superres,
};
use clap::{CommandFactory, Parser, Subcommand};

mod help;

/// Pre-train a compact satellite-tile encoder without labels, measure it, and export it for the browser
#[derive(Debug, Parser)]
#[command(name = "trainer", version, arg_required_else_help = true, max_term_width = 110)]
#[command(after_help = "A first run:
  trainer inspect-data tiles.tar
  trainer pretrain --preset compact --data kind=folder,path=tiles.tar --out runs/first
  trainer evaluate --encoder runs/first --data tiles.tar
  trainer export --encoder runs/first --data tiles.tar --out public/models")]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The whole command line, from which help, completions and manual pages are made.
#[must_use]
pub fn command() -> clap::Command {
    let mut command = Cli::command();
    let names: Vec<String> = command.get_subcommands().map(|own| own.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(name, |own| match own.get_after_help().map(ToString::to_string) {
            Some(text) => own.after_help(help::flowing(&text)),
            None => own,
        });
    }
    command
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train an encoder on unlabelled tiles (seco, moco-v2, moco-tp, deeper-cluster, …)
    Pretrain(pretrain::PretrainArgs),
    /// Teach a compact encoder what another one knows, without labels
    Distill(distill::DistillArgs),
    /// Which augmentations and temperature suit this imagery: a grid of runs and its table
    Study(study::StudyArgs),
    /// k-NN and linear accuracy of a frozen encoder, beside untrained baselines
    Evaluate(evaluate::EvaluateArgs),
    /// Data sets × encoders × protocols, with published figures beside ours
    Benchmark(Box<benchmark::BenchmarkArgs>),
    /// Whether a frozen encoder knows places again at other dates, and what moves its embeddings
    Seasons(seasons::SeasonsArgs),
    /// Write the model file for the browser, its gallery, ONNX, and weights for PyTorch
    Export(export::ExportArgs),
    /// Embed a folder of tiles into a gallery file
    Embed(embed::EmbedArgs),
    /// Index a site's models, gallery and samples for the page
    Publish(publish::PublishArgs),
    /// Download a public data set from its official address
    Fetch(fetch::FetchArgs),
    /// Gather unlabelled multi-season patches from a public archive
    Gather(Box<gather::GatherArgs>),
    /// Look at a data set: counts, bands, dates, statistics, contact sheet
    InspectData(inspect_data::InspectDataArgs),
    /// Enlarge a picture 2, 3 or 4 times: bicubic, Lanczos, deep image prior, migrated prior of another date
    Superres(superres::SuperresArgs),
    /// List the devices that can compute
    Devices(devices::DevicesArgs),
    /// Serve a folder to the browser, on this machine only
    Serve(serve::ServeArgs),
    /// The whole job on the embedded data: pre-train, evaluate, export, and serve
    Demo(demo::DemoArgs),
    /// Print what a shell reads to complete commands and flags
    Completions(completions::CompletionsArgs),
    /// Write manual pages
    Man(completions::ManArgs),
}
