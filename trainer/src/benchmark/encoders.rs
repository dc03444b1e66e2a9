//! What is compared: encoders from files, random weights of the same architectures, and statistics of the pictures.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use burn::tensor::{Device, Tensor};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use shared::bands::Bands;
use shared::encoder::Encoder;
use shared::preprocess::Normalisation;
use shared::tile::Tile;

use crate::encoder_file::{EncoderDescription, LoadedEncoder, load_encoder};
use crate::error::UsageError;
use crate::eval::{
    BATCH, Embedded, FeatureSettings, READOUT_WIDTH, Reading, Standardisation, WHITENING_POWER, features_of,
    fit_readout, image_statistics, read_out, usual_pooling,
};
use crate::parts::initialise::random_encoder;
use crate::seen::Seen;

/// One of those that are compared.
pub struct Candidate {
    /// What tables call it.
    pub name: String,
    /// The same for folders: lower-case letters, digits, dashes.
    pub slug: String,
    /// What it was read from.
    path: Option<PathBuf>,
    kind: Kind,
}

enum Kind {
    Learned(Box<LoadedEncoder>),
    Random(EncoderDescription, u64),
    Statistics,
}

/// Pooled features of some tiles, before any readout.
pub struct Pooled {
    /// `[tiles, width]`
    pub values: Vec<f32>,
    /// Length of a vector.
    pub width: usize,
}

impl Candidate {
    /// Reads an encoder from a run, a file or an exported model.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(path: &Path) -> Result<Self> {
        let loaded = load_encoder(path)?;
        loaded.reading(None, None)?;
        let stem = path.file_stem().map_or_else(|| "encoder".to_owned(), |stem| stem.to_string_lossy().into_owned());
        // All runs have the same file in them.
        let own = if stem == "encoder" { path.parent().and_then(Path::file_stem) } else { None };
        let name = own.map_or(stem, |own| own.to_string_lossy().into_owned());
        Ok(Self { slug: slug(&name), name, path: Some(path.to_owned()), kind: Kind::Learned(Box::new(loaded)) })
    }

    /// Random weights of an encoder's architecture, with its normalisation.
    #[must_use]
    pub fn random(like: &EncoderDescription, seed: u64) -> Self {
        let name = format!("random {}", like.encoder.architecture);
        Self { slug: slug(&name), name, path: None, kind: Kind::Random(like.clone(), seed) }
    }

    /// Statistics of every band.
    #[must_use]
    pub fn statistics() -> Self {
        let name = "image statistics".to_owned();
        Self { slug: slug(&name), name, path: None, kind: Kind::Statistics }
    }

    /// Everything that is compared: `paths`, and with `baselines` random weights of every architecture among them and
    /// statistics.
    ///
    /// # Errors
    /// When an encoder cannot be read, or two have the same name.
    pub fn all(paths: &[PathBuf], baselines: bool, seed: u64) -> Result<Vec<Self>> {
        let mut all: Vec<Self> = paths.iter().map(|path| Self::read(path)).collect::<Result<_>>()?;
        for (at, candidate) in all.iter().enumerate() {
            if all[..at].iter().any(|other| other.slug == candidate.slug) {
                return Err(UsageError::new(format!(
                    "two encoders are called {:?}\nhint: give one of the files another name",
                    candidate.name
                ))
                .into());
            }
        }
        if baselines {
            let mut random: Vec<Self> = Vec::new();
            for candidate in &all {
                let Some(description) = candidate.description() else { continue };
                let other = Self::random(description, seed);
                let is_known = |known: &Self| {
                    known.description().is_some_and(|known| {
                        known.encoder == description.encoder && known.normalisation == description.normalisation
                    })
                };
                if !random.iter().any(is_known) {
                    let taken = random.iter().filter(|known| known.slug.starts_with(&other.slug)).count();
                    random.push(match taken {
                        0 => other,
                        _ => Self {
                            name: format!("{}, normalised as for {}", other.name, candidate.name),
                            slug: format!("{}-{}", other.slug, taken + 1),
                            ..other
                        },
                    });
                }
            }
            all.extend(random);
            all.push(Self::statistics());
        }
        Ok(all)
    }

    /// What the encoder is; nothing for statistics.
    #[must_use]
    pub fn description(&self) -> Option<&EncoderDescription> {
        match &self.kind {
            Kind::Learned(loaded) => Some(&loaded.description),
            Kind::Random(description, _) => Some(description),
            Kind::Statistics => None,
        }
    }

    /// Whether it was learned, and not drawn or counted.
    #[must_use]
    pub fn is_learned(&self) -> bool {
        matches!(self.kind, Kind::Learned(_))
    }

    /// What it was read from, where it was.
    #[must_use]
    pub fn loaded(&self) -> Option<&LoadedEncoder> {
        match &self.kind {
            Kind::Learned(loaded) => Some(loaded),
            _ => None,
        }
    }

    /// The pictures that it was trained on, where that is on record.
    ///
    /// # Errors
    /// When the record is damaged.
    pub fn seen(&self) -> Result<Option<Seen>> {
        self.path.as_deref().map_or(Ok(None), Seen::of_encoder)
    }

    /// The bands it reads; any for statistics.
    #[must_use]
    pub fn bands(&self) -> Option<&Bands> {
        self.description().map(|description| &description.bands)
    }

    /// The normalisation it was trained with.
    #[must_use]
    pub fn normalisation(&self) -> Option<&Normalisation> {
        self.description().map(|description| &description.normalisation)
    }

    /// How values are normalised, in words.
    #[must_use]
    pub fn normalisation_text(&self) -> String {
        match self.normalisation() {
            None => "none".to_owned(),
            Some(own) => {
                let list =
                    |values: &[f32]| values.iter().map(|value| format!("{value:.3}")).collect::<Vec<_>>().join(" ");
                format!("the encoder's: mean {}, deviation {}", list(own.mean()), list(own.std()))
            }
        }
    }

    /// What tells this candidate from any other: a hash of its weights, or the seed of them.
    #[must_use]
    pub fn identity(&self) -> String {
        match &self.kind {
            Kind::Statistics => "statistics".to_owned(),
            Kind::Random(description, seed) => format!("random {seed} {description:?}"),
            Kind::Learned(loaded) => {
                let mut hash = Sha256::new();
                hash.update(format!("{:?}", loaded.description));
                for (name, tensor) in &loaded.weights {
                    hash.update(name.as_bytes());
                    tensor.values.iter().for_each(|value| hash.update(value.to_le_bytes()));
                }
                if let Some(readout) = &loaded.readout {
                    readout.weight.iter().chain(&readout.bias).for_each(|value| hash.update(value.to_le_bytes()));
                }
                hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
            }
        }
    }

    /// The network on `device`; none for statistics.
    ///
    /// # Errors
    /// When the weights do not fit the architecture.
    pub fn encoder(&self, device: &Device) -> Result<Option<Encoder>> {
        Ok(match &self.kind {
            Kind::Learned(loaded) => Some(loaded.encoder(device)?),
            Kind::Random(description, seed) => Some(random_encoder(&description.encoder, *seed, device)),
            Kind::Statistics => None,
        })
    }

    /// The network on `device` with batch normalisation, for protocols that train it or let its statistics adapt; none for
    /// statistics. `tiles` are pictures that are learned from, `[n, bands, h, w]` without autodiff: an exported model, whose
    /// batch normalisation is folded in, has it set up from them.
    ///
    /// # Errors
    /// Those of `tiles`; when the weights do not fit the architecture.
    pub fn trainable(&self, device: &Device, tiles: impl FnOnce() -> Result<Tensor<4>>) -> Result<Option<Encoder>> {
        let Kind::Learned(loaded) = &self.kind else { return self.encoder(device) };
        let weights = loaded.trainable(tiles)?;
        Ok(Some(loaded.description.encoder.init(device).load_named(&weights)?))
    }

    /// How the features are read: by the readout of a model, by one fitted to the training part, or as they are.
    #[must_use]
    pub fn reading(&self) -> Reading<'_> {
        match &self.kind {
            // It was asked when the file was read.
            Kind::Learned(loaded) => loaded.reading(None, None).unwrap_or(Reading::Mean),
            Kind::Random(description, _) => match usual_pooling(&description.encoder) {
                shared::encoder::Pooling::Mean => Reading::Mean,
                shared::encoder::Pooling::Moments => Reading::Fitted { width: READOUT_WIDTH },
            },
            Kind::Statistics => Reading::Mean,
        }
    }

    /// Features of `count` tiles that `read` gives. `progress` hears how many are done.
    ///
    /// # Errors
    /// When a tile cannot be read, or a feature is no finite number.
    pub fn pooled(
        &self,
        count: usize,
        read: impl Fn(usize) -> Result<Tile> + Sync,
        px: usize,
        device: &Device,
        progress: impl FnMut(usize),
    ) -> Result<Pooled> {
        let (Some(encoder), Some(normalisation)) = (self.encoder(device)?, self.normalisation()) else {
            let row = |index: usize| Ok(image_statistics(&read(index)?));
            let rows: Vec<Vec<f32>> = (0..count).into_par_iter().map(row).collect::<Result<_>>()?;
            let width = rows.first().map_or(1, Vec::len);
            ensure!(rows.iter().all(|row| row.len() == width), "pictures have different bands\nhint: name file_bands");
            return Ok(Pooled { values: rows.concat(), width });
        };
        let pooling = self.reading().pooling();
        let settings = FeatureSettings { normalisation, px, batch: BATCH, pooling, device };
        let width = crate::parts::Frozen::width(&encoder, pooling);
        let values = features_of(&encoder, count, read, settings, progress)
            .with_context(|| format!("features of {}", self.name))?;
        Ok(Pooled { values, width })
    }

    /// What is classified: pooled features of all parts as this candidate reads them; what is fitted is fitted to the first
    /// part.
    ///
    /// # Errors
    /// When the first part is too small to fit a readout to.
    pub fn embeddings<const N: usize>(&self, parts: [Embedded; N]) -> Result<[Embedded; N]> {
        let through = |change: &dyn Fn(&Embedded) -> Result<Embedded>| -> Result<[Embedded; N]> {
            let changed: Vec<Embedded> = parts.iter().map(change).collect::<Result<_>>()?;
            changed.try_into().map_err(|_| anyhow::anyhow!("a part was lost\nhint: please report this"))
        };
        match (&self.kind, self.reading()) {
            (Kind::Statistics, _) => {
                let standardisation = Standardisation::of(&parts[0]);
                through(&|rows| Embedded::new(standardisation.apply(rows), rows.width, rows.labels.clone()))
            }
            (_, Reading::Given(readout)) => through(&|rows| read_out(rows, readout)),
            (_, Reading::Fitted { width }) => {
                let own = fit_readout(&parts[0].values, parts[0].width, width, WHITENING_POWER)?;
                through(&|rows| read_out(rows, &own))
            }
            (_, Reading::Mean | Reading::Fused) => Ok(parts),
        }
    }

    /// What the features are, in words.
    #[must_use]
    pub fn features_text(&self) -> &'static str {
        match (&self.kind, self.reading()) {
            (Kind::Statistics, _) => "seven statistics a band, standardised by the training part",
            (_, Reading::Given(_)) => "the model's embedding",
            (_, Reading::Fitted { .. }) => {
                "moments of all stages through a readout fitted to the training part without labels"
            }
            (_, Reading::Mean | Reading::Fused) => "mean of the last feature map",
        }
    }
}

/// Lower-case letters, digits and dashes of a name.
fn slug(name: &str) -> String {
    let plain: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let parts: Vec<&str> = plain.split('-').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "encoder".to_owned() } else { parts.join("-") }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;
    use burn::tensor::TensorData;
    use shared::encoder::NormMode;

    #[test]
    fn an_exported_model_has_its_normalisation_back_and_computes_the_same() {
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../public/models/compact-s.safetensors");
        let candidate = Candidate::read(Path::new(model)).unwrap();
        let device = Device::flex();
        let tiles = |n: usize, salt: usize| {
            let value = |at: usize| ((at * 37 + salt * 101 + at / 640 * 11) % 255) as f32 / 64.0 - 2.0;
            let values: Vec<f32> = (0..n * 3072).map(value).collect();
            Tensor::<4>::from_data(TensorData::new(values, [n, 3, 32, 32]), &device)
        };
        let folded = candidate.encoder(&device).unwrap().unwrap();
        let trainable = candidate.trainable(&device, || Ok(tiles(16, 1))).unwrap().unwrap();
        assert!(folded.is_folded() && !trainable.is_folded());
        let [own, other] = [folded, trainable].map(|encoder| encoder.forward(tiles(4, 2), NormMode::Running));
        let scale: f32 = own.clone().abs().max().into_scalar();
        let difference: f32 = (own - other).abs().max().into_scalar();
        assert!(difference < 1e-3 * scale, "{difference} of {scale}");
    }
}
