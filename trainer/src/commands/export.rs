//! `trainer export`: from a trained encoder to what the browser fetches.

use super::arguments::{SplitArgs, parse_pooling};
use crate::export::Export;
use crate::report::Reporter;
use anyhow::Result;
use shared::artifact::WeightFormat;
use shared::encoder::Pooling;
use std::path::PathBuf;

#[cfg(test)]
mod tests;

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer export --encoder runs/first --out models
  trainer export --encoder runs/first --out models --data tiles.tar --gallery gallery --onnx
  trainer export --encoder resnet50.pth --out models --pytorch hub/resnet50
  trainer export --encoder runs/first --out models --name small --format int8 --data tiles.tar \\
      --train-split train.csv --val-split val.csv --test-split test.csv

Batch normalisation is folded into the convolutions. A readout turns the moments of all stages
into the embedding; it is fitted on the training tiles without their labels. With --data (class folders) a linear probe
is fitted on the weights as they are stored: it becomes the model's head, and its accuracy beside
the untrained baselines goes into the manifest. The file is read back from disk and its embeddings
of 64 tiles are compared with the encoder's before it gets its name.")]
pub struct ExportArgs {
    /// Run folder, encoder file, exported model, or PyTorch .pth
    #[arg(long, value_name = "RUN|FILE")]
    pub encoder: PathBuf,
    /// Folder for the model (NAME.safetensors, NAME.onnx)
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Name of the model [default: its architecture]
    #[arg(long)]
    pub name: Option<String>,
    /// Weights: f32, f16 (half the size) or int8 (a quarter)
    #[arg(long, default_value = "f16", value_parser = parse_format)]
    pub format: WeightFormat,
    /// Labelled tiles for the linear head: a folder of class folders, or a tar of one; or kind=…,path=…,file_bands=[…] with
    /// any key of a [[data]] table
    #[arg(long, value_name = "DIR|TAR")]
    pub data: Option<PathBuf>,
    /// What is read out of the network: the last feature map's mean, or mean and deviation of every channel of all
    /// stages through a readout fitted on the training part without labels [default: with --data moments for the
    /// compact family in f32 and f16; otherwise mean]
    #[arg(long, value_name = "mean|moments", value_parser = parse_pooling)]
    pub readout: Option<Pooling>,
    /// Values of the embedding that a readout of moments is fitted to, at most [default: the exported model's own, 256]
    #[arg(long, value_name = "VALUES", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub width: Option<u16>,
    /// How the data is split
    #[command(flatten)]
    pub splits: SplitArgs,
    /// Folder for a gallery of training tiles: embeddings, maps, thumbnails
    #[arg(long, value_name = "DIR", requires = "data")]
    pub gallery: Option<PathBuf>,
    /// Tiles in the gallery, evenly over the classes
    #[arg(long, default_value_t = 1000, value_name = "COUNT")]
    pub gallery_tiles: usize,
    /// Side of a thumbnail in pixels
    #[arg(long, default_value_t = 64, value_name = "PIXELS")]
    pub thumbnail_px: usize,
    /// Write NAME.onnx too
    #[arg(long)]
    pub onnx: bool,
    /// Folder for PyTorch and the Hugging Face hub: weights by torchvision's names, a module that loads them, a model card
    #[arg(long, value_name = "DIR")]
    pub pytorch: Option<PathBuf>,
    /// Licence of the weights, and the credits it asks for
    #[arg(long, default_value = "not stated", value_name = "TEXT")]
    pub licence: String,
    /// Source, licence and credit of the gallery's tiles
    #[arg(long, default_value = "not stated", value_name = "TEXT")]
    pub credit: String,
    /// Device for features: auto, cpu, wgpu, cuda, or a name listed by `trainer devices`
    #[arg(long, default_value = "auto")]
    pub device: String,
}

/// Runs the command.
///
/// # Errors
/// For bad usage, unreadable files, a model that does not agree with its encoder, or a disk that refuses.
pub fn run(args: ExportArgs, reporter: &mut Reporter<'_>) -> Result<()> {
    let export = Export {
        encoder: &args.encoder,
        out: &args.out,
        name: args.name.as_deref(),
        format: args.format,
        data: args.data.as_deref(),
        lists: args.splits.lists(),
        readout: args.readout,
        width: args.width.map(usize::from),
        gallery: args.gallery.as_deref(),
        gallery_tiles: args.gallery_tiles,
        thumbnail_px: args.thumbnail_px,
        onnx: args.onnx,
        pytorch: args.pytorch.as_deref(),
        licence: &args.licence,
        credit: &args.credit,
        seed: args.splits.seed,
        device: &args.device,
    };
    export.run(reporter)
}

fn parse_format(text: &str) -> Result<WeightFormat, String> {
    match text {
        "f32" => Ok(WeightFormat::F32),
        "f16" => Ok(WeightFormat::F16),
        "int8" => Ok(WeightFormat::Int8),
        _ => Err("one of f32, f16, int8".to_owned()),
    }
}
