//! A folder of tiles embedded: a gallery file, and rows for other programs.

use anyhow::Result;
use shared::artifact::Artifact;
use shared::encoder::Pooling;
use shared::gallery::{Gallery, Precision};
use std::fs;
use std::path::Path;

use super::atlas::{display_planes, thumbnails};
use super::gallery::{GalleryContent, build_gallery, order_by_place, write_gallery};
use super::rows::{write_csv, write_npy};
use crate::data::{Source, SourceKind, SourceSpec, TileSource};
use crate::device;
use crate::encoder_file::load_encoder;
use crate::error::UsageError;
use crate::eval::{
    BATCH, FeatureSettings, data_name, features_of, outside_normalisation, read_out_rows, sampled, weights_sha256,
};
use crate::report::{Reporter, grouped};
use crate::views::view_rng;

/// What is embedded, and what is written of it.
pub struct Embedding<'a> {
    /// Exported model, run folder, encoder file, or PyTorch state dict.
    pub encoder: &'a Path,
    /// The tiles, as they are typed.
    pub data: &'a Path,
    /// Folder for the gallery and the other files.
    pub out: &'a Path,
    /// Write embeddings.csv too.
    pub csv: bool,
    /// Write embeddings.npy too.
    pub npy: bool,
    /// Side of the input, where it is not what the encoder was trained for.
    pub px: Option<usize>,
    /// Of the gallery's values.
    pub precision: Precision,
    /// Side of a thumbnail.
    pub thumbnail_px: usize,
    /// Source, licence and credit of the tiles.
    pub credit: &'a str,
    /// Where it is computed.
    pub device: &'a str,
}

impl Embedding<'_> {
    /// Embeds every picture that can be read, and writes.
    ///
    /// # Errors
    /// For bad usage, unreadable files, or a disk that refuses.
    pub fn write(&self, reporter: &mut Reporter<'_>) -> Result<()> {
        let loaded = load_encoder(self.encoder)?;
        let description = &loaded.description;
        let resolved = device::resolve(self.device)?;
        let mut warnings = Vec::new();
        let typed = SourceSpec::typed(self.data)?.for_bands(&description.bands);
        let spec = SourceSpec { kind: typed.kind.or(Some(SourceKind::Folder)), ..typed };
        let source = spec.open_tiles(Path::new(""), &mut warnings)?;
        reporter.data_warnings(&warnings);
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
            px: self.px.unwrap_or(description.input_px),
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
        if self.csv {
            let path = self.out.join("embeddings.csv");
            atomic_file::write_with(&path, |file| write_csv(file, &names, &labels, source.classes(), &values, width))?;
            reporter.line(&format!("{}: {} rows", path.display(), grouped(names.len())));
        }
        if self.npy {
            let path = self.out.join("embeddings.npy");
            atomic_file::write_with(&path, |file| write_npy(file, &values, width))?;
            reporter.line(&format!("{}: {} × {width} f32", path.display(), grouped(names.len())));
        }
        let (model, model_sha256) = match exported(self.encoder) {
            Some(known) => known,
            None => (loaded.title(), weights_sha256(&encoder)),
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
            credit: format!("{} ({})", data_name(self.data), self.credit),
            precision: self.precision,
        })?;
        // What lies together on the map is seen together: its thumbnails are in the same picture.
        let order = order_by_place(&gallery.points);
        let gallery = gallery.reordered(&order)?;
        let planes = display_planes(source.bands());
        let pictures = thumbnails(order.len(), self.thumbnail_px, planes, |index| tile(order[index]))?;
        for file in write_gallery(self.out, gallery, &pictures)? {
            reporter.line(&file.display().to_string());
        }
        Ok(())
    }
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
