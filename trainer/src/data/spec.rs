//! What a preset says about a source of data.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use shared::bands::Bands;

/// How files are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// `<class>/<file>`: every picture a place, its folder its class (if there are any).
    #[serde(alias = "tar")]
    Folder,
    /// `<place>/<date>.<ext>`.
    Places,
    /// `<place>/<date>/<band>.tif`, as SeCo's data; lower resolutions are resampled to the finest grid taken.
    Seco,
    /// Big co-registered pictures: those in one folder show one area at several dates; windows are cut from them.
    Mosaic,
    /// NumPy arrays with an `index.json`.
    Series,
}

impl std::fmt::Display for SourceKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Folder => "folder",
            Self::Places => "places",
            Self::Seco => "seco",
            Self::Mosaic => "mosaic",
            Self::Series => "series",
        })
    }
}

/// Where the windows of a mosaic lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// Anywhere, new each time.
    #[default]
    Random,
    /// Side by side, always the same.
    Grid,
}

/// A per-band stretch to [0, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Stretch {
    /// A known one by name: `"seco"` (the quantiles of SeCo's red, green and blue).
    Named(String),
    /// What becomes 0 and what becomes 1, unit scale, one number a band.
    Bounds {
        /// Becomes 0.
        low: Vec<f32>,
        /// Becomes 1.
        high: Vec<f32>,
    },
}

/// One `[[data]]` table of a preset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSpec {
    /// The folder or tar, relative to where the command runs.
    pub path: PathBuf,
    /// How the files are laid out; guessed from their names when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<SourceKind>,
    /// What messages call it; the last part of the path when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Share of the samples of an epoch, relative to the other sources; its number of places when no source has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// A list of the pictures to take, one `<class>/<file>[,<class>]` a line (kind `folder`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<PathBuf>,
    /// Take only files whose path contains this, such as `/pair/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include: Option<String>,
    /// Take only these places (areas of a mosaic), by name: `beirut` takes `beirut/pair`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep_places: Vec<String>,
    /// Take none of these places, such as those that are tested on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip_places: Vec<String>,
    /// The bands to take, in the encoder's order; all of the file's when absent (red, green, blue for kind `seco`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bands: Option<Bands>,
    /// What the planes of a file are; red, green, blue for three, `band1`, `band2`, … else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_bands: Option<Bands>,
    /// Added to 16-bit digital numbers: −1000 for Sentinel-2 products of baseline 04.00 and later.
    #[serde(default)]
    pub dn_offset: i32,
    /// Turns reflectance into display values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stretch: Option<Stretch>,
    /// Memory for decoded pictures, MiB; what does not fit is decoded each time (a mosaic must fit).
    #[serde(default = "default_cache_mib")]
    pub cache_mib: usize,
    /// Side of the windows cut out of every picture; 64 for mosaics, whole pictures else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_px: Option<usize>,
    /// Where windows lie.
    #[serde(default)]
    pub placement: Placement,
    /// Longitudes of the left and right edge of a mosaic.
    #[serde(default = "whole_world")]
    pub extent_longitude: [f64; 2],
    /// Windows lie wholly inside one of these ranges of longitude; everywhere when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep_longitude: Vec<[f64; 2]>,
    /// Windows touch none of these ranges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip_longitude: Vec<[f64; 2]>,
    /// A point changes when its standard deviation over the dates reaches this, unit scale: one 8-bit step.
    #[serde(default = "default_min_date_std")]
    pub min_date_std: f32,
    /// Windows in which a smaller share of the points changes are drawn again; 0 takes all.
    #[serde(default = "default_min_share")]
    pub min_share: f32,
    /// Leave out dates that the index of a series does not call clear.
    #[serde(default = "yes")]
    pub clear_only: bool,
}

fn default_cache_mib() -> usize {
    2048
}
fn whole_world() -> [f64; 2] {
    [-180.0, 180.0]
}
fn default_min_date_std() -> f32 {
    1.0 / 255.0
}
fn default_min_share() -> f32 {
    0.5
}
fn yes() -> bool {
    true
}

impl SourceSpec {
    /// A source with default settings.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            kind: None,
            name: None,
            weight: None,
            split: None,
            include: None,
            keep_places: Vec::new(),
            skip_places: Vec::new(),
            bands: None,
            file_bands: None,
            dn_offset: 0,
            stretch: None,
            cache_mib: default_cache_mib(),
            window_px: None,
            placement: Placement::Random,
            extent_longitude: whole_world(),
            keep_longitude: Vec::new(),
            skip_longitude: Vec::new(),
            min_date_std: default_min_date_std(),
            min_share: default_min_share(),
            clear_only: true,
        }
    }

    /// The source with these bands taken, in this order, unless it names its own.
    #[must_use]
    pub fn for_bands(self, bands: &Bands) -> Self {
        Self { bands: Some(self.bands.unwrap_or_else(|| bands.clone())), ..self }
    }
}
