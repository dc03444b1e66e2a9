//! Feature vectors of tiles from a frozen encoder in inference mode.

use std::ops::Range;

use anyhow::{Context, Result, anyhow, ensure};
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use shared::encoder::Pooling;
use shared::preprocess::{self, Normalisation};
use shared::tile::Tile;

use crate::data::LabelledSet;
use crate::parts::Frozen;

/// Feature vectors with their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    /// `[count, width]`, row-major.
    pub values: Vec<f32>,
    /// Length of one vector.
    pub width: usize,
    /// One class a row.
    pub labels: Vec<usize>,
}

impl Embedded {
    /// Puts vectors and labels together.
    ///
    /// # Errors
    /// When `values` is not `labels.len()` vectors of `width`.
    pub fn new(values: Vec<f32>, width: usize, labels: Vec<usize>) -> Result<Self> {
        ensure!(
            width > 0 && values.len() == width * labels.len(),
            "{} values are not {} vectors of {width}",
            values.len(),
            labels.len()
        );
        Ok(Self { values, width, labels })
    }

    /// Number of vectors.
    #[must_use]
    pub fn count(&self) -> usize {
        self.labels.len()
    }

    /// The vectors, one after the other.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }

    /// The first `width` values of every row.
    ///
    /// # Errors
    /// When a row has fewer.
    pub fn leading(&self, width: usize) -> Result<Self> {
        ensure!(width <= self.width, "{} values do not begin with {width}", self.width);
        let values = self.rows().flat_map(|row| &row[..width]).copied().collect();
        Self::new(values, width, self.labels.clone())
    }

    /// The rows named by `indices`, in that order.
    #[must_use]
    pub fn subset(&self, indices: &[usize]) -> Self {
        let row = |&index: &usize| &self.values[index * self.width..(index + 1) * self.width];
        Self {
            values: indices.iter().flat_map(row).copied().collect(),
            width: self.width,
            labels: indices.iter().map(|&index| self.labels[index]).collect(),
        }
    }
}

/// How tiles become input.
#[derive(Clone, Copy, Debug)]
pub struct FeatureSettings<'a> {
    /// Per-band mean and deviation.
    pub normalisation: &'a Normalisation,
    /// Side of the square that every tile is fitted to.
    pub px: usize,
    /// Tiles a forward pass.
    pub batch: usize,
    /// What is read out of the feature maps.
    pub pooling: Pooling,
    /// Where the encoder's weights are.
    pub device: &'a Device,
}

/// Tiles a forward pass, where nobody says otherwise.
pub const BATCH: usize = 128;

/// Features of every tile of `set`, the mean of the last feature map: `[set.len(), width]`.
///
/// # Errors
/// See [`features_of`].
pub fn features(
    encoder: &dyn Frozen,
    set: &LabelledSet,
    normalisation: &Normalisation,
    px: usize,
    device: &Device,
) -> Result<Vec<f32>> {
    let settings = FeatureSettings { normalisation, px, batch: BATCH, pooling: Pooling::Mean, device };
    features_of(encoder, set.len(), |index| Ok(set.tile(index)?), settings, |_| {})
}

/// Features of `count` tiles that `read` gives one by one, on all cores: `[count, width]`. The encoder runs with its
/// running statistics and is not changed. `progress` hears how many are done.
///
/// # Errors
/// When a tile cannot be read or does not fit the normalisation, or a feature is not a finite number.
pub fn features_of(
    encoder: &dyn Frozen,
    count: usize,
    read: impl Fn(usize) -> Result<Tile> + Sync,
    settings: FeatureSettings,
    mut progress: impl FnMut(usize),
) -> Result<Vec<f32>> {
    let FeatureSettings { normalisation, px, batch, pooling, device } = settings;
    let width = encoder.width(pooling);
    let bands = encoder.bands();
    let mut values = Vec::with_capacity(count * width);
    // The result of one batch is fetched while the next one is being prepared: a GPU works in between.
    let mut pending: Option<Tensor<2>> = None;
    let starts: Vec<usize> = (0..count).step_by(batch.max(1)).collect();
    for start in starts {
        let end = (start + batch.max(1)).min(count);
        let pixels = read_batch(&read, start..end, normalisation, px)?;
        let input = TensorData::new(pixels, [end - start, bands, px, px]);
        // [n, bands, px, px] → [n, width]
        let output = encoder.pooled(Tensor::from_data(input, device), pooling);
        if let Some(done) = pending.replace(output) {
            append(&mut values, done)?;
            progress(values.len() / width);
        }
    }
    if let Some(done) = pending {
        append(&mut values, done)?;
        progress(values.len() / width);
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(anyhow!(
            "the embedding of tile {} is not a finite number\nhint: the encoder may have diverged in training, or the tile holds \"no data\" values",
            at / width
        )),
        None => Ok(values),
    }
}

/// `[n, bands, px, px]` of the tiles in `range`.
fn read_batch(
    read: &(impl Fn(usize) -> Result<Tile> + Sync),
    range: Range<usize>,
    normalisation: &Normalisation,
    px: usize,
) -> Result<Vec<f32>> {
    let prepare = |index: usize| {
        let tile = read(index)?;
        preprocess::batch(std::slice::from_ref(&tile), normalisation, px).with_context(|| format!("tile {index}"))
    };
    let tiles: Vec<Vec<f32>> = range.into_par_iter().map(prepare).collect::<Result<_>>()?;
    Ok(tiles.concat())
}

fn append(values: &mut Vec<f32>, features: Tensor<2>) -> Result<()> {
    let data = features.into_data().convert::<f32>();
    let slice = data.as_slice::<f32>().map_err(|error| anyhow!("cannot read features from the device: {error:?}"))?;
    values.extend_from_slice(slice);
    Ok(())
}

/// SHA-256 over every weight's name, shape and bytes: equal before and after an evaluation that froze the encoder.
#[must_use]
pub fn weights_sha256(encoder: &dyn Frozen) -> String {
    let mut hash = Sha256::new();
    for tensor in encoder.tensors() {
        hash.update(tensor.name.as_bytes());
        hash.update(format!("{:?}", tensor.shape));
        tensor.values.iter().for_each(|value| hash.update(value.to_le_bytes()));
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
