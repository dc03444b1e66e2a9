//! What is learned from.

use anyhow::Result;
use shared::bands::Bands;
use shared::preprocess::Normalisation;
use shared::tile::Tile;

use crate::views::PixelRange;

/// Labelled pictures, and rows of them.
pub struct Labelled<'a> {
    /// A picture by row.
    pub read: &'a (dyn Fn(usize) -> Result<Tile> + Sync),
    /// Class of every row.
    pub labels: &'a [usize],
    /// Number of classes.
    pub classes: usize,
    /// Rows that are learned from.
    pub train: &'a [usize],
    /// Rows that choices are made on.
    pub validation: &'a [usize],
    /// Rows that are tested on.
    pub test: &'a [usize],
    /// Side of the input.
    pub px: usize,
    /// What the encoder was normalised with.
    pub normalisation: &'a Normalisation,
    /// What the planes are.
    pub band_names: &'a Bands,
    /// Whether values have a ceiling.
    pub range: PixelRange,
}

impl Labelled<'_> {
    /// Planes of a picture.
    #[must_use]
    pub fn bands(&self) -> usize {
        self.band_names.len()
    }
}
