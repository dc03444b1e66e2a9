//! What enlargements are worth: the metrics file, its table, and the encoder's distance.

use super::picture::Pictures;
use crate::error::UsageError;
use crate::report::{Reporter, Table};
use crate::superres::{Mode, Quality, quality};
use anyhow::{Context, Result};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use shared::compare::cosine;
use shared::embedder::Embedder;
use shared::preprocess::crop;
use shared::tile::Tile;
use std::fs;
use std::path::Path;

/// One mode's line in the metrics file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) mode: Mode,
    pub(super) file: String,
    /// Beside the truth, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quality: Option<Quality>,
    /// By window: steps taken and the step whose picture was kept.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(super) fits: Vec<(usize, usize)>,
    /// Seconds that it took, interruptions and what was lost by them left out.
    pub(super) secs: f64,
}

/// The metrics file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Metrics {
    pub(super) version: u32,
    /// Pictures of panel.png from left to right.
    pub(super) panel: Vec<String>,
    pub(super) results: Vec<Entry>,
}

/// Reads the model for the feature distance, which must see what the pictures hold.
pub(super) fn load_embedder(path: &Path, pictures: &Pictures, device: &Device) -> Result<Embedder> {
    if pictures.truth.is_none() {
        return Err(UsageError::new(
            "--encoder measures the distance from a truth, and there is none\nhint: --truth FILE, or --reduce",
        )
        .into());
    }
    let bytes = fs::read(path).with_context(|| format!("cannot read {}\nhint: check --encoder", path.display()))?;
    let embedder = Embedder::load(&bytes, device).with_context(|| {
        format!("cannot use {}\nhint: the feature distance takes a model that `trainer export` wrote", path.display())
    })?;
    let (expected, found) = (embedder.manifest().bands.len(), pictures.low.bands());
    if expected == found {
        return Ok(embedder);
    }
    Err(UsageError::new(format!(
        "{} reads {expected} bands, the pictures have {found}\nhint: leave out --encoder, or name a model with that many",
        path.display()
    ))
    .into())
}

/// What `tile` is worth beside `truth`.
pub(super) fn measure(tile: &Tile, truth: &Tile, encoder: Option<&Embedder>) -> Result<Quality> {
    let feature_distance = encoder.map(|encoder| feature_distance(encoder, tile, truth)).transpose()?;
    Ok(Quality { feature_distance, ..quality(tile, truth) })
}

/// 1 − cosine of embeddings, mean over the squares of the encoder's input size that lie inside; of the whole picture where
/// none does.
fn feature_distance(encoder: &Embedder, tile: &Tile, truth: &Tile) -> Result<f64> {
    let px = encoder.manifest().input_px;
    let squares = |tile: &Tile| -> Result<Vec<Tile>> {
        let (rows, columns) = (tile.height() / px, tile.width() / px);
        if rows * columns == 0 {
            return Ok(vec![tile.clone()]);
        }
        let cut = |at: usize| Ok(crop(tile, at / columns * px, at % columns * px, px, px)?);
        (0..rows * columns).map(cut).collect()
    };
    let embed = |tile: &Tile| -> Result<Vec<Vec<f32>>> { Ok(pollster::block_on(encoder.embed(&squares(tile)?))?) };
    let (own, other) = (embed(tile)?, embed(truth)?);
    let distances = own.iter().zip(&other).map(|(own, other)| 1.0 - f64::from(cosine(own, other)));
    Ok(distances.sum::<f64>() / own.len() as f64)
}

/// Prints the table.
pub(super) fn show(metrics: &Metrics, reporter: &mut Reporter<'_>) -> Result<()> {
    let mut table =
        Table::new(["mode", "PSNR, dB", "PSNR of luma, dB", "SSIM of luma", "feature distance", "steps", "seconds"]);
    for entry in &metrics.results {
        let said = |value: fn(&Quality) -> Option<String>| entry.quality.as_ref().and_then(value).unwrap_or_default();
        let steps: usize = entry.fits.iter().map(|(steps, _)| steps).sum();
        table.row([
            entry.mode.name().to_owned(),
            said(|quality| Some(format!("{:.2}", quality.psnr_db))),
            said(|quality| Some(format!("{:.2}", quality.psnr_luma_db))),
            said(|quality| Some(format!("{:.4}", quality.ssim))),
            said(|quality| quality.feature_distance.map(|distance| format!("{distance:.4}"))),
            if steps > 0 { steps.to_string() } else { String::new() },
            format!("{:.1}", entry.secs),
        ]);
    }
    reporter.table(&table);
    reporter.line(&format!("panel.png from left to right: {}", metrics.panel.join(", ")));
    Ok(())
}
