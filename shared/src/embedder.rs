//! A loaded model: tiles in, embeddings or class probabilities out, on any device, natively and in the browser.

use std::collections::VecDeque;

use burn::tensor::{Device, ExecutionError, Tensor, TensorData};

use crate::artifact::{Artifact, ArtifactError, Golden, LinearHead, Manifest, Projection, Readout, golden_tile};
use crate::compare::softmax;
use crate::encoder::{Encoder, EncoderError, NormMode};
use crate::kernels::computes_together;
use crate::preprocess::{self, PreprocessError};
use crate::tensors::into_map;
use crate::tile::Tile;

/// The only batch sizes that ever run, the largest on graphics devices alone: every new shape can mean new GPU kernels.
pub const CHUNK_SIZES: [usize; 4] = [128, 32, 8, 1];
/// Chunks that a device may be computing while the answer to an earlier one is awaited.
const IN_FLIGHT: usize = 1;
/// A rest of at least this many tiles runs as one padded chunk of 8; a smaller one runs tile by tile.
const PAD_FROM: usize = 3;

/// Why a model could not be loaded or did not give an answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EmbedderError {
    /// The model file is damaged, from a later version, or not one.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The weights do not fit the architecture.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    /// A tile does not suit the model.
    #[error("tile {tile}: {source}")]
    Preprocess {
        /// Which tile, counted from 0.
        tile: usize,
        /// What is wrong with it.
        source: PreprocessError,
    },
    /// A tile holds NaN or infinite values.
    #[error("tile {tile} holds values that are not finite\nhint: fill its no-data pixels, or leave the tile out")]
    NonFiniteTile {
        /// Which tile, counted from 0.
        tile: usize,
    },
    /// The device computed NaN or infinity from finite values.
    #[error(
        "the embedding of tile {tile} is not finite\nhint: try another device; if it stays, the model file is unusable"
    )]
    NonFiniteEmbedding {
        /// Which tile, counted from 0.
        tile: usize,
    },
    /// The model has no linear head.
    #[error("model {name:?} has no classes\nhint: export it with a linear head, or compare embeddings instead")]
    NoHead {
        /// The model.
        name: String,
    },
    /// The device failed.
    #[error("the device failed: {0}\nhint: try again on another device")]
    Device(String),
}

/// One tile's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Classified {
    /// The raw embedding, `[width]`.
    pub embedding: Vec<f32>,
    /// `[classes]`, summing to 1, calibrated when the model is.
    pub probabilities: Vec<f32>,
}

/// A model on a device.
#[derive(Debug)]
pub struct Embedder {
    encoder: Encoder,
    device: Device,
    manifest: Manifest,
    readout: Option<Readout>,
    head: Option<LinearHead>,
    projections: Vec<Projection>,
}

impl Embedder {
    /// Reads a model file and puts its weights on `device`.
    ///
    /// # Errors
    /// When the file is damaged, from a later version, or not a model.
    pub fn load(bytes: &[u8], device: &Device) -> Result<Self, EmbedderError> {
        Self::from_artifact(Artifact::from_bytes(bytes)?, device)
    }

    /// Puts the weights of a model on `device`.
    ///
    /// # Errors
    /// When the weights do not fit the architecture in the manifest.
    pub fn from_artifact(artifact: Artifact, device: &Device) -> Result<Self, EmbedderError> {
        let Artifact { manifest, encoder, readout, head, projections } = artifact;
        let config = manifest.encoder;
        let blank = if manifest.folded { config.init_folded(device) } else { config.init(device) };
        let encoder = blank.load_named(&into_map(encoder))?;
        Ok(Self { encoder, device: device.clone(), manifest, readout, head, projections })
    }

    /// What the model is.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Raw embeddings, one a tile, in order; not normalised ([`crate::compare`] does that where it matters). Tiles of any
    /// size are brought to the model's by [`preprocess::fit`].
    ///
    /// # Shapes
    /// n tiles `[bands, any, any]` → n × `[width]`
    ///
    /// # Errors
    /// When a tile has other bands than the model or values that are not finite, or the device fails.
    pub async fn embed(&self, tiles: &[Tile]) -> Result<Vec<Vec<f32>>, EmbedderError> {
        let pooled = self.pooled(tiles).await?;
        Ok(pooled.into_iter().map(|pooled| self.read_out(pooled)).collect())
    }

    /// Pooled features, one vector a tile, in order: what [`read_out`](Self::read_out) and [`project`](Self::project)
    /// start from.
    ///
    /// # Shapes
    /// n tiles `[bands, any, any]` → n × `[pooled width]`
    ///
    /// # Errors
    /// As [`embed`](Self::embed).
    pub async fn pooled(&self, tiles: &[Tile]) -> Result<Vec<Vec<f32>>, EmbedderError> {
        let mut pooled = Vec::with_capacity(tiles.len());
        let mut launched = VecDeque::new();
        let mut first = 0;
        for (count, size) in chunks(tiles.len(), computes_together(&self.device)) {
            let output = self.launch(&tiles[first..first + count], first, size)?;
            launched.push_back((first, count, output));
            first += count;
            // A graphics device computes this chunk while the answer to the one before is read.
            if launched.len() > IN_FLIGHT
                && let Some((first, count, output)) = launched.pop_front()
            {
                pooled.extend(self.collect(output, first, count).await?);
            }
        }
        for (first, count, output) in launched {
            pooled.extend(self.collect(output, first, count).await?);
        }
        Ok(pooled)
    }

    /// The embedding that pooled features stand for: themselves, for a model without a readout.
    #[must_use]
    pub fn read_out(&self, pooled: Vec<f32>) -> Vec<f32> {
        match &self.readout {
            Some(readout) => readout.apply(&pooled),
            None => pooled,
        }
    }

    /// Embeddings and class probabilities, one a tile, in order.
    ///
    /// # Errors
    /// As [`embed`](Self::embed), and when the model has no linear head.
    pub async fn classify(&self, tiles: &[Tile]) -> Result<Vec<Classified>, EmbedderError> {
        if self.head.is_none() {
            return Err(EmbedderError::NoHead { name: self.manifest.name.clone() });
        }
        let embeddings = self.embed(tiles).await?;
        let answer = |embedding: Vec<f32>| {
            let probabilities = self.probabilities(&embedding).unwrap_or_default();
            Classified { embedding, probabilities }
        };
        Ok(embeddings.into_iter().map(answer).collect())
    }

    /// Class probabilities of an embedding from [`embed`](Self::embed): softmax(logits / calibration temperature);
    /// `None` when the model has no linear head.
    #[must_use]
    pub fn probabilities(&self, embedding: &[f32]) -> Option<Vec<f32>> {
        let logits = self.head.as_ref()?.logits(embedding);
        Some(softmax(&logits, self.manifest.calibration_temperature.unwrap_or(1.0)))
    }

    /// Features from [`pooled`](Self::pooled) in one of the manifest's subspaces, not normalised; `None` when the model
    /// does not have that subspace. The heads were trained on the mean of the last feature map, which comes first.
    #[must_use]
    pub fn project(&self, pooled: &[f32], subspace: &str) -> Option<Vec<f32>> {
        let mean = pooled.get(..self.manifest.encoder.feature_width())?;
        self.projections.iter().find(|projection| projection.name == subspace)?.apply(mean)
    }

    /// The embedding of the golden tile `pattern` on this device: what an exporter puts into the manifest.
    ///
    /// # Errors
    /// As [`embed`](Self::embed).
    pub async fn golden(&self, pattern: u32) -> Result<Golden, EmbedderError> {
        let tile = golden_tile(pattern, self.manifest.bands.len(), self.manifest.input_px);
        let embedding = self.embed(&[tile]).await?.pop().unwrap_or_default();
        Ok(Golden { input_pattern: pattern, embedding })
    }

    /// Largest absolute difference between this device's embedding of the golden tile and the expected one; infinite
    /// when their widths differ. Shader errors reach only a log: this is how a device is proven before it is trusted.
    ///
    /// # Errors
    /// As [`embed`](Self::embed).
    pub async fn self_test(&self, golden: &Golden) -> Result<f32, EmbedderError> {
        let found = self.golden(golden.input_pattern).await?.embedding;
        if found.len() != golden.embedding.len() {
            return Ok(f32::INFINITY);
        }
        let differences = found.iter().zip(&golden.embedding).map(|(found, expected)| (found - expected).abs());
        Ok(differences.fold(0.0, f32::max))
    }

    /// At most `size` tiles as one batch of exactly `size`; `first` is the number of the first, for messages. `[size, pooled width]`.
    fn launch(&self, tiles: &[Tile], first: usize, size: usize) -> Result<Tensor<2>, EmbedderError> {
        let (bands, px) = (self.manifest.bands.len(), self.manifest.input_px);
        let mut values = Vec::with_capacity(size * bands * px * px);
        for (index, tile) in tiles.iter().enumerate() {
            let tile_number = first + index;
            if !tile.pixels().iter().all(|value| value.is_finite()) {
                return Err(EmbedderError::NonFiniteTile { tile: tile_number });
            }
            let fitted = preprocess::batch(std::slice::from_ref(tile), &self.manifest.normalisation, px)
                .map_err(|source| EmbedderError::Preprocess { tile: tile_number, source })?;
            values.extend(fitted);
        }
        values.resize(size * bands * px * px, 0.0); // padding: zeros are the mean of every band
        let input = Tensor::<4>::from_data(TensorData::new(values, [size, bands, px, px]), &self.device);
        Ok(self.encoder.pooled(input, self.manifest.pooling, NormMode::Running))
    }

    /// The first `count` rows of what [`launch`](Self::launch) gave, read back.
    async fn collect(&self, output: Tensor<2>, first: usize, count: usize) -> Result<Vec<Vec<f32>>, EmbedderError> {
        let [size, width] = output.dims();
        let failed = |error: ExecutionError| EmbedderError::Device(error.to_string());
        let data = output.into_data_async().await.map_err(failed)?;
        let unreadable = |error| EmbedderError::Device(format!("its answer cannot be read: {error:?}"));
        let values = data.convert::<f32>().try_into_vec::<f32>().map_err(unreadable)?;
        if values.len() != size * width {
            return Err(EmbedderError::Device(format!("it gave {} values, not {size} x {width}", values.len())));
        }
        let pooled: Vec<Vec<f32>> = values.chunks_exact(width).take(count).map(<[f32]>::to_vec).collect();
        let finite = |features: &Vec<f32>| features.iter().all(|value| value.is_finite());
        match pooled.iter().position(|features| !finite(features)) {
            Some(index) => Err(EmbedderError::NonFiniteEmbedding { tile: first + index }),
            None => Ok(pooled),
        }
    }
}

/// Splits `count` tiles greedily into chunks: (tiles taken, size run), the size being one of [`CHUNK_SIZES`].
fn chunks(count: usize, is_graphics: bool) -> impl Iterator<Item = (usize, usize)> {
    let [largest, large, medium, single] = CHUNK_SIZES;
    let mut rest = count;
    std::iter::from_fn(move || {
        let chunk = match rest {
            0 => return None,
            _ if is_graphics && rest >= largest => (largest, largest),
            _ if rest >= large => (large, large),
            _ if rest >= PAD_FROM => (rest.min(medium), medium),
            _ => (single, single),
        };
        rest -= chunk.0;
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::chunks;

    #[test]
    fn batches_are_split_into_few_sizes() {
        let split = |count| chunks(count, false).collect::<Vec<_>>();
        assert_eq!(split(0), []);
        assert_eq!(split(1), [(1, 1)]);
        assert_eq!(split(2), [(1, 1), (1, 1)]);
        assert_eq!(split(5), [(5, 8)]);
        assert_eq!(split(10), [(8, 8), (1, 1), (1, 1)]);
        assert_eq!(split(32), [(32, 32)]);
        assert_eq!(split(71), [(32, 32), (32, 32), (7, 8)]);
        assert_eq!(chunks(300, true).collect::<Vec<_>>(), [(128, 128), (128, 128), (32, 32), (8, 8), (4, 8)]);
        for count in 0..400 {
            for is_graphics in [false, true] {
                assert_eq!(chunks(count, is_graphics).map(|(taken, _)| taken).sum::<usize>(), count);
            }
        }
    }
}
