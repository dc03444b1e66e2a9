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
    /// Pixels of the patches that are to be classified, `[patches, bands, px, px]`, as [`packed`] writes them.
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
    /// Of length 1, `[patches, width]`; zeros where there is none.
    pub embeddings: Vec<f32>,
}

/// Steps of a packed value between 0 and 1. Of 8-bit pictures every value is met exactly: 65 535 is 257 times 255.
const STEPS: f32 = 65_535.0;

/// Pixels on their way from one worker to another: two bytes a value between 0 and 1, four when there are others.
#[must_use]
pub fn packed(pixels: &[f32]) -> Vec<u8> {
    if pixels.iter().all(|value| (0.0..=1.0).contains(value)) {
        return pixels.iter().flat_map(|value| ((value * STEPS).round() as u16).to_le_bytes()).collect();
    }
    pixels.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Reads [`packed`], which wrote `count` values; `None` when it did not.
#[must_use]
pub fn unpacked(bytes: &[u8], count: usize) -> Option<Vec<f32>> {
    if bytes.len() == count * 2 {
        let values = bytes.as_chunks().0.iter();
        return Some(values.map(|pair| f32::from(u16::from_le_bytes(*pair)) / STEPS).collect());
    }
    (bytes.len() == count * 4).then(|| bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_travel_in_half_the_bytes_and_arrive_as_they_were() {
        let pixels: Vec<f32> = (0..=255_u8).map(|grey| f32::from(grey) / 255.0).collect();
        let bytes = packed(&pixels);
        assert_eq!(bytes.len(), pixels.len() * 2);
        assert_eq!(unpacked(&bytes, pixels.len()), Some(pixels));
        let reflectance = [0.1, 0.2, 1.4, -0.01];
        assert_eq!(unpacked(&packed(&reflectance), 4).as_deref(), Some(&reflectance[..]));
        assert_eq!(unpacked(&bytes, 3), None);
        let stretched: Vec<f32> = (0..=2750_u16).map(|number| f32::from(number) / 2750.0).collect();
        let arrived = unpacked(&packed(&stretched), stretched.len()).unwrap_or_default();
        // Thirty times less than one digital number is.
        assert!(stretched.iter().zip(&arrived).all(|(before, after)| (before - after).abs() < 0.03 / 2750.0));
    }
}
