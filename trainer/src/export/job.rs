//! An export from its encoder to its files: nothing gets its name before it was read back and compared.

use anyhow::{Context, Result, ensure};
use burn::tensor::Device;
use shared::artifact::{Artifact, Manifest, Readout, WeightFormat, golden_tile};
use shared::bands::Bands;
use shared::encoder::Pooling;
use shared::gallery::Precision;
use shared::tile::Tile;
use std::fs;
use std::path::{Path, PathBuf};

use super::atlas::{display_planes, thumbnails};
use super::gallery::{GalleryContent, build_gallery, pick_balanced, write_gallery};
use super::model::{Agreement, agreement, embed, error_bound, model_bytes};
use super::onnx;
use super::pytorch::write_pytorch;
use super::readout_and_head::{Asked, add_head, evaluate, readout};
use crate::device;
use crate::encoder_file::{LoadedEncoder, load_encoder};
use crate::error::UsageError;
use crate::eval::{BATCH, Comparison, FeatureSettings, Splits, accuracy, add_seen, features_of, read_out_rows};
use crate::report::{Reporter, grouped, percent, score_table};
use crate::seen::{self, Seen};

/// Tiles that a written model is compared on.
const CHECKED_TILES: usize = 64;

/// What is exported, and what is written.
pub struct Export<'a> {
    /// Run folder, encoder file, exported model, or PyTorch state dict.
    pub encoder: &'a Path,
    /// Folder for the model.
    pub out: &'a Path,
    /// The model's name, where it is not its architecture's.
    pub name: Option<&'a str>,
    /// How weights are stored.
    pub format: WeightFormat,
    /// Labelled tiles for readout, head and gallery, as they are typed.
    pub data: Option<&'a Path>,
    /// Lists of the training, validation and test part; all or none.
    pub lists: [Option<&'a PathBuf>; 3],
    /// What is read out of the network, where it is not what is usual.
    pub readout: Option<Pooling>,
    /// Values of the embedding that a readout of moments is fitted to, at most, where it is not the usual number.
    pub width: Option<usize>,
    /// Folder for a gallery of training tiles.
    pub gallery: Option<&'a Path>,
    /// Tiles in it.
    pub gallery_tiles: usize,
    /// Side of a thumbnail.
    pub thumbnail_px: usize,
    /// Write an ONNX graph too.
    pub onnx: bool,
    /// Folder for PyTorch.
    pub pytorch: Option<&'a Path>,
    /// Licence of the weights.
    pub licence: &'a str,
    /// Source, licence and credit of the gallery's tiles.
    pub credit: &'a str,
    /// Seed of the random baseline, of the gallery's tiles, and of the split where no lists are given.
    pub seed: u64,
    /// Where features are computed.
    pub device: &'a str,
}

impl Export<'_> {
    /// Exports.
    ///
    /// # Errors
    /// For bad usage, unreadable files, a model that does not agree with its encoder, or a disk that refuses.
    pub fn run(&self, reporter: &mut Reporter<'_>) -> Result<()> {
        let loaded = load_encoder(self.encoder)?;
        let name = self.name.map_or_else(|| loaded.description.encoder.architecture.to_string(), str::to_owned);
        if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(UsageError::new(format!(
                "{name:?} cannot be a file name\nhint: --name takes letters, digits, - and _"
            ))
            .into());
        }
        let resolved = device::resolve(self.device)?;
        let asked = Asked { readout: self.readout, width: self.width, format: self.format, seed: self.seed };
        let mut artifact = folded(&loaded, &name, self.licence)?;
        let splits = self.splits(&loaded.description.bands, reporter)?;
        artifact.readout = readout(&loaded, &artifact, asked, splits.as_ref(), &resolved, reporter)?;
        if let Some(readout) = &artifact.readout {
            artifact.manifest.pooling = Pooling::Moments;
            artifact.manifest.embedding_width = readout.bias.len();
        }
        let exact_readout = artifact.readout.clone();
        let mut comparison = None;
        if let (Some(splits), Some(data)) = (&splits, self.data) {
            let mut done = evaluate(&artifact, asked, &loaded.title(), splits, data, &resolved, reporter)?;
            add_seen(&mut done, self.encoder, splits, reporter)?;
            add_head(&mut artifact, &done, splits.classes(), self.format)?;
            reporter.table(&score_table(&done.evaluation));
            comparison = Some(done);
        }
        let bytes = model_bytes(artifact, self.format)?;
        let path = self.out.join(format!("{name}.safetensors"));
        let (seen, record) = (Seen::of_encoder(self.encoder)?, seen::beside(&path));
        // That of an older model of this name is not this one's.
        if record.is_file() && seen.is_none() {
            fs::remove_file(&record).with_context(|| format!("cannot remove {}", record.display()))?;
        }
        let mut written = None;
        atomic_file::write_checked(&path, &bytes, |on_disk| {
            let model = Artifact::from_bytes(on_disk)?;
            let worst = compare(&loaded, exact_readout.as_ref(), &model, splits.as_ref())?;
            let bound = error_bound(self.format, model.manifest.pooling);
            ensure!(
                worst.max_relative_error <= bound,
                "the model's embeddings differ from the encoder's by {:.2e} of their largest value, more than {bound:.0e}\nhint: try --format f32",
                worst.max_relative_error
            );
            written = Some((model, worst));
            Ok(())
        })?;
        let (model, worst) = written.context("the model was not checked")?;
        let tiles = if splits.is_some() { "test tiles" } else { "made-up tiles" };
        reporter.line(&format!(
            "{}: {} bytes, {} parameters; read back and compared on {CHECKED_TILES} {tiles}: largest difference {:.1e} of the \
             largest value, cosine at least {:.6}",
            path.display(),
            grouped(bytes.len()),
            grouped(loaded.description.encoder.parameter_count()),
            worst.max_relative_error,
            worst.min_cosine
        ));
        if let Some(seen) = seen {
            seen.write(&record)?;
            let pictures = grouped(seen.len());
            reporter.line(&format!("{}: the {pictures} pictures that it was trained on, by content", record.display()));
        }
        if self.onnx {
            let path = self.out.join(format!("{name}.onnx"));
            let bytes = onnx::encode_model(&model)?;
            atomic_file::write(&path, &bytes)?;
            reporter.line(&format!("{}: {} bytes, opset {}", path.display(), grouped(bytes.len()), onnx::OPSET));
        }
        if let Some(folder) = self.pytorch {
            write_pytorch(folder, &loaded, &model)?;
            reporter.line(&format!("{}: weights, module and model card for PyTorch", folder.display()));
        }
        if let (Some(folder), Some(splits), Some(comparison)) = (self.gallery, &splits, &comparison) {
            export_gallery(folder, self, &model, splits, comparison, reporter)?;
        }
        Ok(())
    }

    /// The labelled tiles in their three parts, with the bands that the encoder reads.
    fn splits(&self, bands: &Bands, reporter: &mut Reporter<'_>) -> Result<Option<Splits>> {
        let Some(data) = self.data else { return Ok(None) };
        let mut warnings = Vec::new();
        let splits = Splits::open(data, bands, self.lists, self.seed, &mut warnings)?;
        reporter.data_warnings(&warnings);
        Ok(Some(splits))
    }
}

/// The encoder with batch normalisation folded, its projection heads, and what is known of its training.
fn folded(loaded: &LoadedEncoder, name: &str, licence: &str) -> Result<Artifact> {
    let description = &loaded.description;
    let encoder = loaded.encoder(&Device::flex())?.fold();
    let mut manifest = Manifest::new(
        name,
        description.encoder,
        description.bands.clone(),
        description.normalisation.clone(),
        description.input_px,
    );
    manifest.folded = true;
    manifest.training = description.training.clone();
    manifest.licence = licence.to_owned();
    let projections = loaded.projections.clone();
    Ok(Artifact { manifest, encoder: encoder.named_tensors(), readout: None, head: None, projections })
}

/// The written model beside the encoder it came from, on real tiles where there are any.
fn compare(
    loaded: &LoadedEncoder,
    readout: Option<&Readout>,
    model: &Artifact,
    splits: Option<&Splits>,
) -> Result<Agreement> {
    let description = &loaded.description;
    let tiles: Vec<Tile> = match splits {
        Some(splits) => {
            let [train, _, test] = splits.parts();
            let of_test = (0..test.len()).map(|index| splits.tile(test, index));
            let of_train = (0..train.len()).map(|index| splits.tile(train, index));
            of_test.chain(of_train).take(CHECKED_TILES).collect::<Result<_>>()?
        }
        None => (0..CHECKED_TILES as u32)
            .map(|pattern| golden_tile(pattern, description.bands.len(), description.input_px))
            .collect(),
    };
    let device = Device::flex();
    let settings = FeatureSettings {
        normalisation: &description.normalisation,
        px: description.input_px,
        batch: BATCH,
        pooling: model.manifest.pooling,
        device: &device,
    };
    let encoder = loaded.encoder(&device)?;
    let mut reference = features_of(&encoder, tiles.len(), |index| Ok(tiles[index].clone()), settings, |_| {})?;
    if let Some(readout) = readout {
        let width = encoder.config().pooled_width(model.manifest.pooling);
        reference = read_out_rows(&reference, width, readout);
    }
    agreement(&reference, &embed(model, &tiles)?.concat(), model.manifest.embedding_width)
}

fn export_gallery(
    folder: &Path,
    asked: &Export<'_>,
    model: &Artifact,
    splits: &Splits,
    comparison: &Comparison,
    reporter: &mut Reporter<'_>,
) -> Result<()> {
    let rgb = display_planes(splits.bands());
    let [train, ..] = splits.parts();
    let features = &comparison.features.train;
    let picked = pick_balanced(&features.labels, asked.gallery_tiles, asked.seed);
    let chosen = features.subset(&picked);
    let recognised = accuracy(&comparison.encoder.probe.probe.predict(&chosen), &chosen.labels);
    reporter.note(&format!("gallery: laying out {} tiles", grouped(picked.len())));
    let gallery = build_gallery(GalleryContent {
        width: chosen.width,
        embeddings: chosen.values,
        labels: chosen.labels.into_iter().map(Some).collect(),
        classes: splits.classes().to_vec(),
        names: picked.iter().map(|&index| splits.name(train, index).to_owned()).collect(),
        model: model.manifest.name.clone(),
        model_sha256: model.manifest.sha256.clone(),
        credit: asked.credit.to_owned(),
        precision: Precision::F16,
    })?;
    let pictures = thumbnails(picked.len(), asked.thumbnail_px, rgb, |index| splits.tile(train, picked[index]))?;
    let size: usize = pictures.pages.iter().map(Vec::len).sum();
    let files = write_gallery(folder, gallery, &pictures)?;
    reporter.line(&format!(
        "{}: {} tiles, {} bytes of thumbnails in {} pictures; the head, which was fitted on them, recognises {}",
        files.last().unwrap_or(&folder.to_owned()).display(),
        grouped(picked.len()),
        grouped(size),
        pictures.pages.len(),
        percent(recognised)
    ));
    Ok(())
}
