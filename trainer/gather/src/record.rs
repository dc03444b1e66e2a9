//! What is known of a picture: written beside its bands, and gathered in the index.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One picture of a place: what is written beside its bands, and what the index is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this description.
    pub version: u32,
    /// The place's number.
    pub place: u64,
    /// Which of the place's candidates was taken, from 0.
    pub round: u64,
    /// Centre of the place, degrees.
    pub longitude: f64,
    /// Centre of the place, degrees.
    pub latitude: f64,
    /// The city that it was drawn round.
    pub city: Option<String>,
    /// That city's country, ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// When the picture was taken.
    pub datetime: DateTime<Utc>,
    /// The scenes that it was cut from, the first one before the others where they overlap.
    pub items: Vec<String>,
    /// Coordinate system of the pixels.
    pub epsg: u32,
    /// Western edge in that system, metres.
    pub west: f64,
    /// Northern edge in that system, metres.
    pub north: f64,
    /// Side, metres.
    pub side: f64,
    /// Cloud cover of the cloudiest of the scenes, percent.
    pub scene_cloud: Option<f64>,
    /// Share of cloudy pixels in the patch by the scene classification, 0 to 1.
    pub patch_cloud: Option<f64>,
    /// Bytes of all tiles that the patch touches, as the archive stores them.
    pub tile_bytes: u64,
    /// The bands.
    pub bands: BTreeMap<String, BandRecord>,
}

/// One band of a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BandRecord {
    /// Pixels a side.
    pub px: usize,
    /// What was added to the archive's numbers, one a scene.
    pub dn_offset: Vec<i32>,
    /// Size of its file.
    pub bytes: u64,
    /// SHA-256 of its file.
    pub sha256: String,
}

impl Record {
    /// The name of its folder: the moment it was taken.
    #[must_use]
    pub fn date_name(&self) -> String {
        self.datetime.format("%Y%m%dT%H%M%S").to_string()
    }
}

/// A picture with its files.
pub struct Patch {
    /// What is known of it.
    pub record: Record,
    /// Band → GeoTIFF.
    pub files: Vec<(String, Vec<u8>)>,
}
