//! What the workers hand to the page with every step through a picture.

use serde::{Deserialize, Serialize};

/// What was fetched from elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Range requests.
    pub requests: u64,
    /// Bytes in their answers.
    pub bytes: u64,
}

/// Some patches, cut out of the picture, and the rows of the preview that came with them.
pub struct Cut {
    /// A state for each patch, as [`super::cells`] has them.
    pub states: Vec<u8>,
    /// Pixels of the patches that are to be classified, f32, `[patches, bands, px, px]`.
    pub pixels: Vec<u8>,
    /// What was fetched for the picture so far.
    pub traffic: Traffic,
    /// First row of the preview that is new.
    pub preview_row: usize,
    /// Its new rows, RGBA.
    pub preview: Vec<u8>,
}

/// What became of some patches.
pub struct Step {
    /// Its first patch.
    pub first: usize,
    /// A state for each patch.
    pub states: Vec<u8>,
    /// `[patches, classes]`.
    pub probabilities: Vec<f32>,
}
