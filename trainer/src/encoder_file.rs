//! Trained encoders from wherever they are: a run folder, an encoder file, a PyTorch state dict, an exported model.

use crate::config::RunConfig;
use crate::data::SourceSpec;
use crate::data::guard::guarded;
use crate::engine::checkpoint::{self, Progress};
use crate::error::UsageError;
use crate::eval::{READOUT_WIDTH, Reading, usual_pooling};
use anyhow::{Context, anyhow, bail};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use shared::artifact::{Artifact, Projection, Readout, Training};
use shared::bands::Bands;
use shared::encoder::{Architecture, Encoder, EncoderConfig, Pooling};
use shared::preprocess::Normalisation;
use shared::tensors::{NamedTensor, TensorMap};
use std::fs;
use std::io::Read;
use std::path::Path;

mod discriminator;
mod unfold;

pub use discriminator::{
    DiscriminatorDescription, Evaluable, LoadedDiscriminator, load_evaluable, write_discriminator,
};

/// Name of the trained encoder inside a run folder.
pub const ENCODER_FILE: &str = "encoder.safetensors";
/// Name of the checkpoint inside a run folder.
pub const CHECKPOINT_FILE: &str = "checkpoint.safetensors";
/// Name of the resolved configuration inside a run folder.
pub const CONFIG_FILE: &str = "config.toml";
/// Metadata key of an encoder file.
const KEY: &str = "solstice.encoder";

/// What an encoder file says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderDescription {
    /// Architecture, stem, number of bands.
    pub encoder: EncoderConfig,
    /// Which bands.
    pub bands: Bands,
    /// Their normalisation.
    pub normalisation: Normalisation,
    /// Side of a tile at evaluation.
    pub input_px: usize,
    /// How it was trained.
    pub training: Training,
}

/// An encoder with all that is needed to use it.
#[derive(Clone, Debug)]
pub struct LoadedEncoder {
    /// What it is.
    pub description: EncoderDescription,
    /// Its weights by torchvision's names.
    pub weights: TensorMap,
    /// Whether batch normalisation has been folded in already.
    pub folded: bool,
    /// An exported model's linear map from pooled features to its embedding.
    pub readout: Option<Readout>,
    /// SeCo's projection heads, when the run had more than one.
    pub projections: Vec<Projection>,
}

impl LoadedEncoder {
    /// The encoder on `device`.
    ///
    /// # Errors
    /// When the weights do not fit the architecture.
    pub fn encoder(&self, device: &Device) -> anyhow::Result<Encoder> {
        let config = self.description.encoder;
        let empty = if self.folded { config.init_folded(device) } else { config.init(device) };
        Ok(empty.load_named(&self.weights)?)
    }

    /// The weights of an encoder with batch normalisation, for those who train it further: its own, or for a folded one
    /// weights that compute the same, normalised by the statistics of `tiles`, `[n, bands, h, w]` without autodiff.
    ///
    /// # Errors
    /// Those of `tiles`, which is asked for a folded encoder only.
    pub fn trainable(&self, tiles: impl FnOnce() -> anyhow::Result<Tensor<4>>) -> anyhow::Result<TensorMap> {
        Ok(match self.folded {
            true => unfold::unfold(&self.description.encoder, &self.weights, tiles()?),
            false => self.weights.clone(),
        })
    }

    /// What it is called in results: method and architecture.
    #[must_use]
    pub fn title(&self) -> String {
        let EncoderDescription { training, encoder, .. } = &self.description;
        format!("{} {} ({} epochs)", training.method, encoder.architecture, training.epochs)
    }

    /// How it is read: by the readout it has; without one as asked for, or as is usual for its architecture. A readout
    /// that is still to be fitted gives `width` values at most; asked for, it is fitted even where the model has one.
    ///
    /// # Errors
    /// When a width is asked for and no readout is fitted.
    pub fn reading(&self, asked: Option<Pooling>, width: Option<usize>) -> Result<Reading<'_>, UsageError> {
        match (asked.unwrap_or_else(|| usual_pooling(&self.description.encoder)), &self.readout, width) {
            (Pooling::Mean, _, None) => Ok(Reading::Mean),
            (Pooling::Mean, _, Some(_)) => Err(UsageError::new(
                "--width is that of a readout of moments, and the mean of the last feature map is read\nhint: --readout moments",
            )),
            (Pooling::Moments, Some(readout), None) => Ok(Reading::Given(readout)),
            (Pooling::Moments, _, width) => Ok(Reading::Fitted { width: width.unwrap_or(READOUT_WIDTH) }),
        }
    }
}

/// Reads an encoder from a run folder, an encoder file, an exported model, or a PyTorch `.pth` / `.ckpt`.
///
/// # Errors
/// When there is nothing at `path`, or nothing that fits.
pub fn load_encoder(path: &Path) -> anyhow::Result<LoadedEncoder> {
    discriminator::refuse(path)?;
    if path.is_dir() {
        let trained = path.join(ENCODER_FILE);
        return if trained.is_file() { from_file(&trained) } else { from_checkpoint(path) };
    }
    if !path.exists() {
        bail!(
            "no encoder at {}\nhint: name a run folder, an encoder .safetensors, or a PyTorch .pth or .ckpt",
            path.display()
        );
    }
    if is_pytorch(path) { from_pytorch(path) } else { from_file(path) }
}

/// Whether a file begins as torch.save writes it, whatever its ending says (MoCo's is `.pth.tar`), or has an ending that
/// says so, as damaged ones do.
fn is_pytorch(path: &Path) -> bool {
    let mut start = [0; 4];
    let is_read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok();
    let has_ending = path
        .extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|ending| matches!(ending, "pth" | "pt" | "ckpt" | "bin" | "tar"));
    // The second is PyTorch's old format: a pickle that begins with a long number.
    is_read && matches!(start, [b'P', b'K', 3, 4] | [0x80, 2..=5, 0x8a, 0x0a]) || has_ending
}

/// Writes the trained encoder and its heads; `heads[i]` belongs to `subspaces[i]`.
///
/// # Errors
/// When the disk refuses.
pub fn write_encoder(
    path: &Path,
    description: &EncoderDescription,
    encoder: Vec<NamedTensor>,
    projections: &[Projection],
) -> anyhow::Result<()> {
    let mut tensors = encoder;
    for projection in projections {
        tensors.extend(projection.tensors.iter().map(|tensor| NamedTensor {
            name: format!("projection.{}.{}", projection.name, tensor.name),
            ..tensor.clone()
        }));
    }
    checkpoint::write(path, KEY, description, &tensors)
}

fn from_file(path: &Path) -> anyhow::Result<LoadedEncoder> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}\nhint: check the path", path.display()))?;
    let Ok((description, tensors)) = checkpoint::decode::<EncoderDescription>(&bytes, KEY) else {
        return from_artifact(path, &bytes);
    };
    let mut weights = TensorMap::new();
    let mut projections: Vec<Projection> = Vec::new();
    for (name, tensor) in tensors {
        let Some(rest) = name.strip_prefix("projection.") else {
            weights.insert(name, tensor);
            continue;
        };
        let Some((subspace, own)) = rest.split_once('.') else { continue };
        let tensor = NamedTensor { name: own.to_owned(), ..tensor };
        match projections.iter_mut().find(|projection| projection.name == subspace) {
            Some(projection) => projection.tensors.push(tensor),
            None => projections.push(Projection { name: subspace.to_owned(), tensors: vec![tensor] }),
        }
    }
    Ok(LoadedEncoder { description, weights, folded: false, readout: None, projections })
}

fn from_artifact(path: &Path, bytes: &[u8]) -> anyhow::Result<LoadedEncoder> {
    let artifact = Artifact::from_bytes(bytes).with_context(|| format!("cannot use {}", path.display()))?;
    let manifest = artifact.manifest;
    let description = EncoderDescription {
        encoder: manifest.encoder,
        bands: manifest.bands,
        normalisation: manifest.normalisation,
        input_px: manifest.input_px,
        training: manifest.training,
    };
    let weights = shared::tensors::into_map(artifact.encoder);
    let Artifact { readout, projections, .. } = artifact;
    Ok(LoadedEncoder { description, weights, folded: manifest.folded, readout, projections })
}

/// The newest checkpoint of an unfinished run: its query encoder.
fn from_checkpoint(run: &Path) -> anyhow::Result<LoadedEncoder> {
    let config = RunConfig::read(&run.join(CONFIG_FILE))?;
    let (progress, tensors): (Progress, _) = checkpoint::read(&run.join(CHECKPOINT_FILE), "checkpoint")?;
    let weights = under("query.encoder.", tensors);
    let description = describe(&config, progress.step)?;
    Ok(LoadedEncoder { description, weights, folded: false, readout: None, projections: Vec::new() })
}

/// The tensors whose names begin with `prefix`, by what follows it.
pub(crate) fn under(prefix: &str, tensors: TensorMap) -> TensorMap {
    let own = tensors.into_iter().filter_map(|(name, tensor)| {
        let name = name.strip_prefix(prefix)?.to_owned();
        Some((name.clone(), NamedTensor { name, ..tensor }))
    });
    own.collect()
}

/// What a run's configuration says of the encoder it trains, after `steps` steps.
///
/// # Errors
/// When the normalisation does not fit the bands.
pub fn describe(config: &RunConfig, steps: usize) -> anyhow::Result<EncoderDescription> {
    Ok(EncoderDescription {
        encoder: config.encoder_config(),
        bands: config.tiles.bands.clone(),
        normalisation: config.normalisation()?,
        input_px: config.tiles.input_px,
        training: training(config, steps)?,
    })
}

/// What a run's configuration says of the training, after `steps` steps.
fn training(config: &RunConfig, steps: usize) -> anyhow::Result<Training> {
    let sources: Vec<String> = config.data.iter().map(source_name).collect();
    let mut data = sources.join(" + ");
    if let Some(path) = &config.encoder.pretrained {
        // A run's encoder is called what its folder is called.
        let is_runs = path.file_name().is_some_and(|name| name == ENCODER_FILE);
        let named = if is_runs { path.parent().unwrap_or(path) } else { path };
        let name = named.file_stem().unwrap_or_default().to_string_lossy();
        data = format!("{data}, from the weights of {name}");
    }
    Ok(Training {
        method: config.method.name().to_owned(),
        data,
        epochs: u32::try_from(config.train.epochs)?,
        seed: config.run.seed,
        steps: steps as u64,
    })
}

/// The source's own name, or that of its file: never a path of the machine it was trained on.
fn source_name(source: &SourceSpec) -> String {
    let file = || source.path.file_stem().map(|name| name.to_string_lossy().into_owned());
    source.name.clone().or_else(file).unwrap_or_else(|| "unnamed".to_owned())
}

fn from_pytorch(path: &Path) -> anyhow::Result<LoadedEncoder> {
    let damaged =
        |fault: String| anyhow!("cannot use {}: {fault}\nhint: fetch the file or save it again", path.display());
    let weights = guarded(|| shared::pytorch::read_state_dict(path)).map_err(damaged)?;
    let weights = weights.with_context(|| format!("cannot use {}", path.display()))?;
    let encoder = shared::pytorch::detect_config(&weights).with_context(|| {
        let known = Architecture::ALL.into_iter().filter(|architecture| architecture.plan().is_torchvisions);
        let names: Vec<&str> = known.map(Architecture::name).collect();
        format!("{} holds no architecture known here\nhint: torchvision's {} are", path.display(), names.join(", "))
    })?;
    // ImageNet's normalisation is what torchvision's, MoCo's and SeCo's releases were trained with.
    let normalisation = match encoder.bands {
        3 => Normalisation::new(vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225])?,
        bands => bail!(
            "{} reads {bands} bands, and a state dict does not say which or how they are normalised\nhint: only \
             red-green-blue state dicts can be read as they are",
            path.display()
        ),
    };
    let training =
        Training { method: "imported".into(), data: "a PyTorch state dict".into(), epochs: 0, seed: 0, steps: 0 };
    let description = EncoderDescription { encoder, bands: Bands::rgb(), normalisation, input_px: 224, training };
    Ok(LoadedEncoder { description, weights, folded: false, readout: None, projections: Vec::new() })
}
