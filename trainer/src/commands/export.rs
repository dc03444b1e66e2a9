//! `trainer export`: from a trained encoder to what the browser fetches.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use burn::tensor::Device;
use shared::artifact::{Artifact, LinearHead, Manifest, Metric, Readout, WeightFormat, golden_tile};
use shared::encoder::{Encoder, Pooling};
use shared::gallery::Precision;
use shared::tile::Tile;

use super::evaluate::{SplitArgs, add_seen, file_name, parse_pooling, score_table, title};
use crate::checkpoint::{LoadedEncoder, load_encoder};
use crate::device::{self, Resolved};
use crate::error::UsageError;
use crate::eval::{
    BATCH, Comparison, FeatureSettings, LinearProbe, Reading, Splits, Subject, WHITENING_POWER, accuracy,
    compare_with_baselines, features_of, fit_readout, read_out_rows,
};
use crate::export::{
    Agreement, GalleryContent, agreement, build_gallery, embed, error_bound, model_bytes, onnx, pick_balanced,
    thumbnails, write_gallery, write_pytorch,
};
use crate::report::{Reporter, grouped, percent};
use crate::seen::{self, Seen};

#[cfg(test)]
mod tests;

/// Tiles that a written model is compared on.
const CHECKED_TILES: usize = 64;
/// Neighbours that vote in the metrics of a model file.
const KS: [usize; 2] = [5, 20];

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
    /// Labelled tiles for the linear head: a folder of class folders, or a tar of one
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
    let loaded = load_encoder(&args.encoder)?;
    let name = args.name.clone().unwrap_or_else(|| loaded.description.encoder.architecture.to_string());
    if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
        return Err(UsageError::new(format!(
            "{name:?} cannot be a file name\nhint: --name takes letters, digits, - and _"
        ))
        .into());
    }
    let resolved = device::resolve(&args.device)?;
    let mut artifact = folded(&loaded, &name, &args.licence)?;
    let splits = args.data.as_deref().map(|data| args.splits.open(data, reporter)).transpose()?;
    artifact.readout = readout(&loaded, &artifact, &args, splits.as_ref(), &resolved, reporter)?;
    if let Some(readout) = &artifact.readout {
        artifact.manifest.pooling = Pooling::Moments;
        artifact.manifest.embedding_width = readout.bias.len();
    }
    let exact_readout = artifact.readout.clone();
    let mut comparison = None;
    if let (Some(splits), Some(data)) = (&splits, &args.data) {
        let mut done = evaluate(&artifact, &args, &title(&loaded), splits, data, &resolved, reporter)?;
        add_seen(&mut done, &args.encoder, splits, reporter)?;
        add_head(&mut artifact, &done, splits.classes(), args.format)?;
        reporter.table(&score_table(&done.evaluation));
        comparison = Some(done);
    }
    let bytes = model_bytes(artifact, args.format)?;
    let path = args.out.join(format!("{name}.safetensors"));
    let (seen, record) = (Seen::of_encoder(&args.encoder)?, seen::beside(&path));
    // That of an older model of this name is not this one's.
    if record.is_file() && seen.is_none() {
        fs::remove_file(&record).with_context(|| format!("cannot remove {}", record.display()))?;
    }
    let mut written = None;
    atomic_file::write_checked(&path, &bytes, |on_disk| {
        let model = Artifact::from_bytes(on_disk)?;
        let worst = compare(&loaded, exact_readout.as_ref(), &model, splits.as_ref())?;
        let bound = error_bound(args.format, model.manifest.pooling);
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
    if args.onnx {
        let path = args.out.join(format!("{name}.onnx"));
        let bytes = onnx::encode_model(&model)?;
        atomic_file::write(&path, &bytes)?;
        reporter.line(&format!("{}: {} bytes, opset {}", path.display(), grouped(bytes.len()), onnx::OPSET));
    }
    if let Some(folder) = &args.pytorch {
        write_pytorch(folder, &loaded, &model)?;
        reporter.line(&format!("{}: weights, module and model card for PyTorch", folder.display()));
    }
    if let (Some(folder), Some(splits), Some(comparison)) = (&args.gallery, &splits, &comparison) {
        export_gallery(folder, &args, &model, splits, comparison, reporter)?;
    }
    Ok(())
}

fn parse_format(text: &str) -> Result<WeightFormat, String> {
    match text {
        "f32" => Ok(WeightFormat::F32),
        "f16" => Ok(WeightFormat::F16),
        "int8" => Ok(WeightFormat::Int8),
        _ => Err("one of f32, f16, int8".to_owned()),
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

/// The model's readout: what the loaded one has, or one fitted on the training part with the weights as they will be
/// stored; `None` for the mean.
fn readout(
    loaded: &LoadedEncoder,
    artifact: &Artifact,
    args: &ExportArgs,
    splits: Option<&Splits>,
    resolved: &Resolved,
    reporter: &mut Reporter<'_>,
) -> Result<Option<Readout>> {
    match (loaded.reading(args.readout, args.width.map(usize::from))?, splits) {
        (Reading::Mean | Reading::Fused, _) => Ok(None),
        (Reading::Given(readout), _) => Ok(Some(readout.clone())),
        (Reading::Fitted { .. }, None) if args.readout.is_none() => Ok(None),
        // 8 bits a weight leave too little of what a readout magnifies.
        (Reading::Fitted { .. }, _) if args.readout.is_none() && args.format == WeightFormat::Int8 => Ok(None),
        (Reading::Fitted { .. }, None) => {
            Err(UsageError::new("a readout of moments is fitted on tiles\nhint: add --data, or --readout mean").into())
        }
        (Reading::Fitted { width: values }, Some(splits)) => {
            let (stored, encoder) = stored(artifact, args.format, &resolved.device)?;
            let settings = FeatureSettings {
                normalisation: &stored.manifest.normalisation,
                px: stored.manifest.input_px,
                batch: BATCH,
                pooling: Pooling::Moments,
                device: &resolved.device,
            };
            let [train, ..] = splits.parts();
            let pooled = features_of(
                &encoder,
                train.len(),
                |index| splits.tile(train, index),
                settings,
                |done| {
                    reporter.progress("readout: features of training tiles", done, train.len());
                },
            )?;
            let width = encoder.config().pooled_width(Pooling::Moments);
            fit_readout(&pooled, width, values, WHITENING_POWER).map(Some)
        }
    }
}

/// The artifact as it will be read from disk, and its encoder.
fn stored(artifact: &Artifact, format: WeightFormat, device: &Device) -> Result<(Artifact, Encoder)> {
    let stored = Artifact::from_bytes(&artifact.to_bytes(format)?)?;
    let weights = shared::tensors::into_map(stored.encoder.clone());
    let encoder = stored.manifest.encoder.init_folded(device).load_named(&weights)?;
    Ok((stored, encoder))
}

/// Scores the weights as they will be stored, so that the numbers are those of the file.
fn evaluate(
    artifact: &Artifact,
    args: &ExportArgs,
    name: &str,
    splits: &Splits,
    data: &Path,
    resolved: &Resolved,
    reporter: &mut Reporter<'_>,
) -> Result<Comparison> {
    let (stored, encoder) = stored(artifact, args.format, &resolved.device)?;
    let manifest = &stored.manifest;
    reporter.note(&format!("device: {} ({})", resolved.name, resolved.reason));
    let subject = Subject {
        name: name.to_owned(),
        encoder: &encoder,
        bands: &manifest.bands,
        normalisation: &manifest.normalisation,
        px: manifest.input_px,
        device: &resolved.device,
        batch: BATCH,
        reading: stored.readout.as_ref().map_or(Reading::Mean, Reading::Given),
        ks: &KS,
        svm: None,
        seed: args.splits.seed,
    };
    compare_with_baselines(&subject, splits, file_name(data), reporter)
}

/// Makes the probe the model's head, and its scores the model's metrics.
fn add_head(artifact: &mut Artifact, comparison: &Comparison, classes: &[String], format: WeightFormat) -> Result<()> {
    let outcome = &comparison.encoder.probe;
    let LinearProbe { weight, bias, .. } = outcome.probe.clone();
    artifact.head = Some(LinearHead { weight, bias });
    artifact.manifest.classes = classes.to_vec();
    artifact.manifest.calibration_temperature = Some(outcome.temperature as f32);
    // What a user of the file gets: the head too is stored in `format`.
    let stored = Artifact::from_bytes(&artifact.to_bytes(format)?)?.head.context("the head was not stored")?;
    let test = &comparison.features.test;
    let probe = LinearProbe { weight: stored.weight, bias: stored.bias, width: test.width };
    let linear = accuracy(&probe.predict(test), &test.labels);
    let protocol = &comparison.evaluation.protocol;
    let protocol = format!("{}; {}", protocol.data, protocol.summary);
    let mut add = |name: String, value: f64| {
        artifact.manifest.metrics.push(Metric { name, value, protocol: protocol.clone() });
    };
    for (index, scores) in comparison.evaluation.scores.iter().enumerate() {
        let prefix = if index == 0 { String::new() } else { format!("{}: ", scores.name) };
        for knn in &scores.knn {
            add(format!("{prefix}k-NN-{} accuracy", knn.k), knn.accuracy);
        }
        add(format!("{prefix}linear accuracy"), if index == 0 { linear } else { scores.linear_accuracy });
    }
    Ok(())
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
    args: &ExportArgs,
    model: &Artifact,
    splits: &Splits,
    comparison: &Comparison,
    reporter: &mut Reporter<'_>,
) -> Result<()> {
    let rgb = super::embed::display_planes(splits.bands());
    let [train, ..] = splits.parts();
    let features = &comparison.features.train;
    let picked = pick_balanced(&features.labels, args.gallery_tiles, args.splits.seed);
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
        credit: args.credit.clone(),
        precision: Precision::F16,
    })?;
    let pictures = thumbnails(picked.len(), args.thumbnail_px, rgb, |index| splits.tile(train, picked[index]))?;
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
