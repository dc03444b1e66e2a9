//! `trainer evaluate`: how good a frozen encoder is, beside untrained baselines.

use super::arguments::{SplitArgs, parse_pooling};
use crate::device;
use crate::encoder_file::load_evaluable;
use crate::error::UsageError;
use crate::eval::{BATCH, Candidate, PAPER_C, Subject, add_seen, compare_with_baselines, data_name};
use crate::report::{Reporter, class_table, score_table, write_results};
use anyhow::Result;
use shared::encoder::Pooling;
use std::path::PathBuf;

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer evaluate --encoder runs/first --data tiles.tar
  trainer evaluate --encoder models/compact-s.safetensors --data EuroSAT_RGB --out results
  trainer evaluate --encoder resnet18.pth --px 64 --device cuda --data eurosat_rgb.tar \\
      --train-split train.csv --val-split val.csv --test-split test.csv

The data is a folder of class folders, or a tar of one. A split list has one `Class/file.jpg` a
line; without lists the tiles are split 60/20/20 by class. The encoder stays frozen, in inference
mode. Random weights of the same architecture and per-band image statistics are scored beside it.
Lists that share a picture, by name or by content, are refused. How many of the test tiles the encoder
was trained on is said, from the record that `trainer pretrain` keeps (seen.txt).
--svm adds a linear support vector machine.
--out receives results.json, results.md and confusion.svg.")]
pub struct EvaluateArgs {
    /// Run folder, encoder file, exported model, or PyTorch .pth
    #[arg(long, value_name = "RUN|FILE")]
    pub encoder: PathBuf,
    /// Folder of class folders, or a tar of one; or kind=…,path=…,file_bands=[…] with any key of a [[data]] table
    #[arg(long, value_name = "DIR|TAR")]
    pub data: PathBuf,
    /// How the data is split
    #[command(flatten)]
    pub splits: SplitArgs,
    /// Folder for results.json, results.md and confusion.svg
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Side of the input in pixels [default: what the encoder was trained for]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(8..=1024))]
    pub px: Option<u16>,
    /// What is read out of the network: the last feature map's mean, or mean and deviation of every channel of all
    /// stages through a readout fitted on the training part without labels [default: the exported model's own, moments
    /// for the compact family, mean for the ResNets]
    #[arg(long, value_name = "mean|moments", value_parser = parse_pooling)]
    pub readout: Option<Pooling>,
    /// Values of the embedding that a readout of moments is fitted to, at most [default: the exported model's own, 256]
    #[arg(long, value_name = "VALUES", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub width: Option<u16>,
    /// Neighbours that vote
    #[arg(long, value_delimiter = ',', default_value = "5,20", value_name = "K")]
    pub k: Vec<usize>,
    /// Fit a linear support vector machine too, one class against the rest [default C: 1000, that of MARTA GANs]
    #[arg(long, value_name = "C", num_args = 0..=1, default_missing_value = "1000", value_parser = parse_c)]
    pub svm: Option<f64>,
    /// Device: auto, cpu, wgpu, cuda, or a name listed by `trainer devices`
    #[arg(long, default_value = "auto")]
    pub device: String,
}

/// Runs the command.
///
/// # Errors
/// For bad usage, unreadable files, or a disk that refuses.
pub fn run(args: EvaluateArgs, reporter: &mut Reporter<'_>) -> Result<()> {
    if args.k.contains(&0) || args.k.is_empty() {
        return Err(UsageError::new("0 neighbours cannot vote\nhint: --k 5,20").into());
    }
    let evaluable = load_evaluable(&args.encoder)?;
    let candidate = Candidate::of(&evaluable, args.px.map(usize::from), args.readout, args.width.map(usize::from))?;
    let resolved = device::resolve(&args.device)?;
    let splits = args.splits.open(&args.data, candidate.bands, reporter)?;
    let encoder = candidate.frozen(&resolved.device)?;
    reporter.note(&format!("device: {} ({})", resolved.name, resolved.reason));
    let subject = Subject {
        name: candidate.name,
        encoder: encoder.as_ref(),
        bands: candidate.bands,
        normalisation: candidate.normalisation,
        px: candidate.px,
        device: &resolved.device,
        batch: BATCH,
        reading: candidate.reading,
        ks: &args.k,
        svm: args.svm,
        seed: args.splits.seed,
    };
    let mut comparison = compare_with_baselines(&subject, &splits, data_name(&args.data), reporter)?;
    add_seen(&mut comparison, &args.encoder, &splits, reporter)?;
    let evaluation = &comparison.evaluation;
    reporter.line(&evaluation.protocol.summary);
    reporter.line("");
    reporter.table(&score_table(evaluation));
    reporter.line("");
    reporter.table(&class_table(evaluation));
    reporter.line(&format!("\nencoder weights unchanged (sha256 {}…)", &evaluation.weights_sha256[..12]));
    if let Some(folder) = &args.out {
        write_results(folder, &comparison)?;
        reporter.note(&format!("wrote results.json, results.md and confusion.svg to {}", folder.display()));
    }
    Ok(())
}

/// What `--svm` takes.
fn parse_c(text: &str) -> Result<f64, String> {
    let c = text.parse::<f64>().ok().filter(|c| c.is_finite() && *c > 0.0);
    c.ok_or_else(|| format!("a number above 0, such as {PAPER_C}"))
}
