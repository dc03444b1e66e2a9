//! What the worker hands to the page with every step through a picture.

/// Some patches more, and the rows of the preview that came with them.
pub struct Step {
    /// Its first patch.
    pub first: usize,
    /// A state for each patch, as [`super::cells`] has them; none when all were classified before.
    pub states: Vec<u8>,
    /// `[patches, classes]`.
    pub probabilities: Vec<f32>,
    /// First row of the preview that is new.
    pub preview_row: usize,
    /// Its new rows, RGBA.
    pub preview: Vec<u8>,
}
