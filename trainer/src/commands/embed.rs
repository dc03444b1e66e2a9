//! `trainer embed`: embeddings of any folder of tiles, as a gallery and for other programs.

use crate::export::Embedding;
use crate::report::Reporter;
use anyhow::Result;
use shared::gallery::Precision;
use std::path::PathBuf;

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer embed --encoder models/compact-s.safetensors --data my_tiles --out my_gallery
  trainer embed --encoder runs/first --data tiles.tar --out embedded --csv --npy

Every picture of the folder (or tar) is embedded; pictures in class folders keep their class. The
gallery holds vectors of length 1, in the order in which they lie on its map; the CSV and NumPy files
hold them as the encoder gives them, in the order of the files.")]
pub struct EmbedArgs {
    /// Exported model, run folder, encoder file, or PyTorch .pth
    #[arg(long, value_name = "FILE|RUN")]
    pub encoder: PathBuf,
    /// Folder of pictures, or a tar of one; or kind=…,path=…,file_bands=[…] with any key of a [[data]] table
    #[arg(long, value_name = "DIR|TAR")]
    pub data: PathBuf,
    /// Folder for the gallery and the other files
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Write embeddings.csv too: name, class, values
    #[arg(long)]
    pub csv: bool,
    /// Write embeddings.npy too: f32, one row a tile
    #[arg(long)]
    pub npy: bool,
    /// Side of the input in pixels [default: what the encoder was trained for]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(8..=1024))]
    pub px: Option<u16>,
    /// Keep 8 bits of each value in the gallery: half the size, and similarities to two digits
    #[arg(long)]
    pub int8: bool,
    /// Side of a thumbnail in pixels
    #[arg(long, default_value_t = 64, value_name = "PIXELS")]
    pub thumbnail_px: usize,
    /// Source, licence and credit of the tiles
    #[arg(long, default_value = "not stated", value_name = "TEXT")]
    pub credit: String,
    /// Device: auto, cpu, wgpu, cuda, or a name listed by `trainer devices`
    #[arg(long, default_value = "auto")]
    pub device: String,
}

/// Runs the command.
///
/// # Errors
/// For bad usage, unreadable files, or a disk that refuses.
pub fn run(args: EmbedArgs, reporter: &mut Reporter<'_>) -> Result<()> {
    let embedding = Embedding {
        encoder: &args.encoder,
        data: &args.data,
        out: &args.out,
        csv: args.csv,
        npy: args.npy,
        px: args.px.map(usize::from),
        precision: if args.int8 { Precision::Int8 } else { Precision::F16 },
        thumbnail_px: args.thumbnail_px,
        credit: &args.credit,
        device: &args.device,
    };
    embedding.write(reporter)
}
