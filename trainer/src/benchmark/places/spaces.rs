//! The vectors of pictures in every space that an encoder has: its embedding, its last feature map, its subspaces.

use anyhow::{Result, ensure};
use burn::tensor::Device;
use shared::encoder::Pooling;
use shared::tile::Tile;

use super::super::encoders::Candidate;
use crate::eval::{
    BATCH, FeatureSettings, STATISTICS_PER_BAND, features_of, image_statistics, read_out_rows, unit_rows,
};
use crate::parts::Frozen;

/// Vectors of length 1, of the pictures as they are and as each change leaves them.
pub struct Space {
    /// What it is called.
    pub name: String,
    /// Length of a vector.
    pub width: usize,
    /// One list for the pictures, then one for each change.
    pub lists: Vec<Vec<f32>>,
}

impl Space {
    fn new(name: impl Into<String>, width: usize, lists: Vec<Vec<f32>>) -> Self {
        let lists = lists.iter().map(|values| unit_rows(values, width)).collect();
        Self { name: name.into(), width, lists }
    }
}

/// Every space of a candidate for lists of fitted pictures.
///
/// # Errors
/// When a feature is no finite number, or a projection does not fit.
pub fn spaces(candidate: &Candidate, lists: &[&[Tile]], px: usize, device: &Device) -> Result<Vec<Space>> {
    let (Some(encoder), Some(normalisation)) = (candidate.encoder(device)?, candidate.normalisation()) else {
        let of = |tiles: &&[Tile]| -> Vec<f32> { tiles.iter().flat_map(image_statistics).collect() };
        let bands = lists.iter().flat_map(|tiles| tiles.first()).map(Tile::bands).next().unwrap_or(1);
        return Ok(vec![Space::new("statistics", bands * STATISTICS_PER_BAND, lists.iter().map(of).collect())]);
    };
    let loaded = candidate.loaded();
    let readout = loaded.and_then(|loaded| loaded.readout.as_ref());
    let pooling = if readout.is_some() { Pooling::Moments } else { Pooling::Mean };
    let settings = FeatureSettings { normalisation, px, batch: BATCH, pooling, device };
    let (width, mean_width) = (encoder.width(pooling), encoder.width(Pooling::Mean));
    let pooled = lists
        .iter()
        .map(|tiles| features_of(&encoder, tiles.len(), |at| Ok(tiles[at].clone()), settings, |_| {}))
        .collect::<Result<Vec<_>>>()?;
    let mut spaces = Vec::new();
    if let Some(readout) = readout {
        let lists = pooled.iter().map(|values| read_out_rows(values, width, readout)).collect();
        spaces.push(Space::new("embedding", readout.bias.len(), lists));
    }
    let mean = |values: &Vec<f32>| -> Vec<f32> {
        values.chunks_exact(width).flat_map(|row| &row[..mean_width]).copied().collect()
    };
    let means: Vec<Vec<f32>> = pooled.iter().map(mean).collect();
    for projection in loaded.map(|loaded| &loaded.projections[..]).unwrap_or_default() {
        let project = |values: &Vec<f32>| -> Option<Vec<f32>> {
            let rows: Option<Vec<Vec<f32>>> =
                values.chunks_exact(mean_width).map(|row| projection.apply(row)).collect();
            rows.map(|rows| rows.concat())
        };
        let lists: Option<Vec<Vec<f32>>> = means.iter().map(project).collect();
        ensure!(
            lists.is_some(),
            "projection {:?} does not fit the encoder\nhint: the file is damaged",
            projection.name
        );
        let lists = lists.unwrap_or_default();
        let rows = (means[0].len() / mean_width).max(1);
        spaces.push(Space::new(format!("subspace {}", projection.name), lists[0].len() / rows, lists));
    }
    spaces.insert(usize::from(readout.is_some()), Space::new("last feature map", mean_width, means));
    Ok(spaces)
}
