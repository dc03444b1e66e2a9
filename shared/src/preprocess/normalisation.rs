//! Per-band value mappings: standardisation by mean and deviation, and the quantile stretch of SeCo's data.

use serde::{Deserialize, Serialize};

use super::PreprocessError;
use crate::tile::Tile;

/// Lower quantiles (2 %) of SeCo's red, green and blue bands, on the unit scale (methods: uint8 units 0, 2, 3 for
/// B4, B3, B2).
pub const SECO_STRETCH_LOW: [f32; 3] = [0.0 / 255.0, 2.0 / 255.0, 3.0 / 255.0];
/// Upper quantiles (98 %) of SeCo's red, green and blue bands, on the unit scale.
pub const SECO_STRETCH_HIGH: [f32; 3] = [129.0 / 255.0, 103.0 / 255.0, 88.0 / 255.0];

/// The reflectance that became white (255) when EuroSAT's 8-bit red, green and blue were made of Sentinel-2 L1C; 0 became
/// black.
///
/// The publishers do not give it; it follows from two sets of statistics. The thirteen-band EuroSAT's published band means are
/// 946.6, 1041.9 and 1117.2 (B04, B03, B02, digital numbers), the 8-bit ones' means, measured, 0.3443, 0.3803 and 0.4078 of
/// white: white is at 2749, 2740 and 2740, one figure for all three. (Clipping makes that an upper bound by a few units: 0.8 %
/// of red, 0.2 % of green and blue are at 255.) Black is at 0: the darkest thousandth of the 8-bit pixels is at 22, 40 and
/// 59, that is at digital numbers of 237, 431 and 636, which is how dark L1C gets (Norcia's and Paris's rasters: 277 to 449, 474
/// to 699, 707 to 1096), where a stretch from a quantile would have brought it to 0.
pub const EUROSAT_WHITE: f32 = 0.275;

/// Mean and standard deviation of each band on the unit scale; what the encoder sees is (value − mean) / std.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Normalisation {
    mean: Vec<f32>,
    std: Vec<f32>,
}

/// The same fields as they stand in a file.
#[derive(Deserialize)]
struct Unchecked {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl TryFrom<Unchecked> for Normalisation {
    type Error = PreprocessError;

    fn try_from(unchecked: Unchecked) -> Result<Self, PreprocessError> {
        Self::new(unchecked.mean, unchecked.std)
    }
}

impl Normalisation {
    /// One mean and one standard deviation for each band, in the order of the planes.
    ///
    /// # Errors
    /// When the lengths differ or are zero, or a value is not finite, or a deviation is not above 0.
    pub fn new(mean: Vec<f32>, std: Vec<f32>) -> Result<Self, PreprocessError> {
        let problem = |what: String| Err(PreprocessError::Normalisation(what));
        if mean.is_empty() || mean.len() != std.len() {
            return problem(format!("{} means, {} standard deviations", mean.len(), std.len()));
        }
        if let Some(value) = mean.iter().find(|value| !value.is_finite()) {
            return problem(format!("a mean of {value}"));
        }
        if let Some(value) = std.iter().find(|value| !value.is_normal() || **value < 0.0) {
            return problem(format!("a standard deviation of {value}"));
        }
        Ok(Self { mean, std })
    }

    /// The constants of torchvision's ImageNet models, for red, green and blue.
    #[must_use]
    pub fn imagenet() -> Self {
        Self { mean: vec![0.485, 0.456, 0.406], std: vec![0.229, 0.224, 0.225] }
    }

    /// Leaves the values as they are; `bands` of 0 counts as 1.
    #[must_use]
    pub fn identity(bands: usize) -> Self {
        Self { mean: vec![0.0; bands.max(1)], std: vec![1.0; bands.max(1)] }
    }

    /// Mean of each band.
    #[must_use]
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// Standard deviation of each band.
    #[must_use]
    pub fn std(&self) -> &[f32] {
        &self.std
    }

    /// Number of bands, at least 1.
    #[must_use]
    pub fn bands(&self) -> usize {
        self.mean.len()
    }
}

/// Standardises each plane in place: (value − mean) / std.
///
/// # Errors
/// When the tile has other bands than `normalisation`.
pub fn normalise(tile: &mut Tile, normalisation: &Normalisation) -> Result<(), PreprocessError> {
    check_bands(tile, normalisation.bands())?;
    for (band, (mean, std)) in normalisation.mean.iter().zip(&normalisation.std).enumerate() {
        for value in tile.plane_mut(band) {
            *value = (*value - mean) / std;
        }
    }
    Ok(())
}

/// Stretches each plane in place so that `low` becomes 0 and `high` becomes 1, clamped to that range: how SeCo turns
/// reflectance into a picture ([`SECO_STRETCH_LOW`], [`SECO_STRETCH_HIGH`]).
///
/// # Errors
/// When the tile has other bands than the bounds, or a high bound is not above its low one.
pub fn stretch(tile: &mut Tile, low: &[f32], high: &[f32]) -> Result<(), PreprocessError> {
    check_bands(tile, low.len())?;
    check_bands(tile, high.len())?;
    for (band, (&low, &high)) in low.iter().zip(high).enumerate() {
        if !(high > low && (high - low).is_finite()) {
            return Err(PreprocessError::Normalisation(format!("a stretch from {low} to {high}")));
        }
        for value in tile.plane_mut(band) {
            *value = ((*value - low) / (high - low)).clamp(0.0, 1.0);
        }
    }
    Ok(())
}

fn check_bands(tile: &Tile, expected: usize) -> Result<(), PreprocessError> {
    let found = tile.bands();
    if found == expected { Ok(()) } else { Err(PreprocessError::WrongBands { found, expected }) }
}
