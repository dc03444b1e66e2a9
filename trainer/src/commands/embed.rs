//! `trainer embed`: embeddings of any folder of tiles, as a gallery and for other programs.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use shared::artifact::Artifact;
use shared::bands::{Band, Bands};
use shared::encoder::Pooling;
use shared::gallery::{Gallery, Precision};

use super::evaluate::{file_name, title, warn};
use crate::checkpoint::load_encoder;
use crate::data::{Source, SourceKind, SourceSpec, TileSource};
use crate::device;
use crate::error::UsageError;
use crate::eval::{BATCH, FeatureSettings, features_of, outside_normalisation, read_out_rows, sampled, weights_sha256};
use crate::export::{GalleryContent, build_gallery, order_by_place, thumbnails, write_gallery};
use crate::report::{Reporter, grouped};
use crate::views::view_rng;

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
    let loaded = load_encoder(&args.encoder)?;
    let description = &loaded.description;
    let resolved = device::resolve(&args.device)?;
    let mut warnings = Vec::new();
    let typed = SourceSpec::typed(&args.data)?;
    let spec = SourceSpec { kind: typed.kind.or(Some(SourceKind::Folder)), ..typed };
    let source = spec.open_tiles(Path::new(""), &mut warnings)?;
    warn(&warnings, reporter);
    if source.bands() != &description.bands {
        return Err(UsageError::new(format!(
            "the tiles have bands {}, the encoder reads {}\nhint: --data path=…,file_bands=[…],bands=[…] takes the encoder's bands out of files that hold more",
            source.bands(),
            description.bands
        ))
        .into());
    }
    let readable = readable(&source, reporter)?;
    let some = sampled(readable.len()).filter_map(|at| read(&source, readable[at]).ok());
    if let Some(warning) = outside_normalisation(&description.normalisation, &description.bands, some) {
        reporter.warning(&warning);
    }
    let encoder = loaded.encoder(&resolved.device)?;
    // A run folder has no readout: its embedding is the mean of the last feature map.
    let pooling = if loaded.readout.is_some() { Pooling::Moments } else { Pooling::Mean };
    let pooled_width = description.encoder.pooled_width(pooling);
    let settings = FeatureSettings {
        normalisation: &description.normalisation,
        px: args.px.map_or(description.input_px, usize::from),
        batch: BATCH,
        pooling,
        device: &resolved.device,
    };
    let tile = |index: usize| read(&source, readable[index]);
    let pooled = features_of(&encoder, readable.len(), tile, settings, |done| {
        reporter.progress("tiles embedded", done, readable.len());
    })?;
    let (values, width) = match &loaded.readout {
        None => (pooled, pooled_width),
        Some(readout) => (read_out_rows(&pooled, pooled_width, readout), readout.bias.len()),
    };
    let names: Vec<String> = readable.iter().map(|&place| source.place_name(place).to_owned()).collect();
    let labels: Vec<Option<usize>> = readable.iter().map(|&place| source.label(place)).collect();
    if args.csv {
        let path = args.out.join("embeddings.csv");
        atomic_file::write_with(&path, |file| write_csv(file, &names, &labels, source.classes(), &values, width))?;
        reporter.line(&format!("{}: {} rows", path.display(), grouped(names.len())));
    }
    if args.npy {
        let path = args.out.join("embeddings.npy");
        atomic_file::write_with(&path, |file| write_npy(file, &values, width))?;
        reporter.line(&format!("{}: {} × {width} f32", path.display(), grouped(names.len())));
    }
    let (model, model_sha256) = match exported(&args.encoder) {
        Some(known) => known,
        None => (title(&loaded), weights_sha256(&encoder)),
    };
    reporter.note(&format!("gallery: laying out {} tiles", grouped(names.len())));
    let gallery: Gallery = build_gallery(GalleryContent {
        embeddings: values,
        width,
        labels,
        classes: source.classes().to_vec(),
        names,
        model,
        model_sha256,
        credit: format!("{} ({})", file_name(&args.data), args.credit),
        precision: if args.int8 { Precision::Int8 } else { Precision::F16 },
    })?;
    // What lies together on the map is seen together: its thumbnails are in the same picture.
    let order = order_by_place(&gallery.points);
    let gallery = gallery.reordered(&order)?;
    let planes = display_planes(source.bands());
    let pictures = thumbnails(order.len(), args.thumbnail_px, planes, |index| tile(order[index]))?;
    for file in write_gallery(&args.out, gallery, &pictures)? {
        reporter.line(&file.display().to_string());
    }
    Ok(())
}

/// The planes that are shown as red, green and blue: those bands where there are, else the first three, else the first.
pub fn display_planes(bands: &Bands) -> [usize; 3] {
    let named = [Band::B04, Band::B03, Band::B02].map(|band| bands.position(&band));
    if let [Some(red), Some(green), Some(blue)] = named {
        return [red, green, blue];
    }
    if bands.len() >= 3 { [0, 1, 2] } else { [0; 3] }
}

/// The places whose picture can be read; the others are named.
fn readable(source: &TileSource, reporter: &mut Reporter<'_>) -> Result<Vec<usize>> {
    let mut good = Vec::with_capacity(source.len());
    for place in 0..source.len() {
        match source.read(place, &[0], &mut view_rng(0, 0, 0)) {
            Ok(_) => good.push(place),
            Err(error) => reporter.warning(&error.in_full()),
        }
        reporter.progress("pictures read", place + 1, source.len());
    }
    anyhow::ensure!(
        !good.is_empty(),
        "none of the {} pictures can be read\nhint: are the files complete?",
        source.len()
    );
    Ok(good)
}

fn read(source: &TileSource, place: usize) -> Result<shared::tile::Tile> {
    let mut tiles = source.read(place, &[0], &mut view_rng(0, 0, 0))?;
    tiles.pop().ok_or_else(|| anyhow::anyhow!("{} has no picture", source.place_name(place)))
}

/// Name and checksum of an exported model.
fn exported(path: &Path) -> Option<(String, String)> {
    let manifest = Artifact::manifest_of(&fs::read(path).ok()?).ok()?;
    Some((manifest.name, manifest.sha256))
}

fn write_csv(
    file: &mut dyn Write,
    names: &[String],
    labels: &[Option<usize>],
    classes: &[String],
    values: &[f32],
    width: usize,
) -> std::io::Result<()> {
    write!(file, "name,class")?;
    (0..width).try_for_each(|column| write!(file, ",{column}"))?;
    for ((name, label), row) in names.iter().zip(labels).zip(values.chunks_exact(width)) {
        let class = label.and_then(|label| classes.get(label)).map_or("", String::as_str);
        write!(file, "\n{},{}", quoted(name), quoted(class))?;
        row.iter().try_for_each(|value| write!(file, ",{value}"))?;
    }
    writeln!(file)
}

/// A CSV field: in quotation marks where it needs them.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// NumPy's format 1.0: a magic string, the header's length, the header padded to a multiple of 64 bytes, the values.
fn write_npy(file: &mut dyn Write, values: &[f32], width: usize) -> std::io::Result<()> {
    const PREAMBLE: usize = 10;
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {width}), }}", values.len() / width);
    let padding = (64 - (PREAMBLE + header.len() + 1) % 64) % 64;
    header.push_str(&" ".repeat(padding));
    header.push('\n');
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&u16::try_from(header.len()).map_err(std::io::Error::other)?.to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    values.iter().try_for_each(|value| file.write_all(&value.to_le_bytes()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn numpy_reads_the_header() {
        let mut file = Vec::new();
        write_npy(&mut file, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3).unwrap();
        assert_eq!(file.len(), 128 + 24, "a header of two 64-byte blocks at most, then the values");
        let header = usize::from(u16::from_le_bytes([file[8], file[9]]));
        assert_eq!((10 + header) % 64, 0);
        assert!(String::from_utf8_lossy(&file[10..10 + header]).contains("'shape': (2, 3)"));
        assert_eq!(file[10 + header..][..4], 1.0_f32.to_le_bytes());
    }

    #[test]
    fn csv_fields_with_commas_are_quoted() {
        let mut file = Vec::new();
        let classes = ["a \"field\"".to_owned()];
        write_csv(&mut file, &["x,y.jpg".into(), "z.jpg".into()], &[Some(0), None], &classes, &[0.5, 1.0], 1).unwrap();
        assert_eq!(String::from_utf8_lossy(&file), "name,class,0\n\"x,y.jpg\",\"a \"\"field\"\"\",0.5\nz.jpg,,1\n");
    }
}
