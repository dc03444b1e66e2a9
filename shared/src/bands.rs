//! Spectral bands and their order, as types: an encoder that was trained on `[B04, B03, B02]` cannot be handed the
//! same pixels in another order by mistake.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest accepted name of a band that is not one of Sentinel-2's.
const MAX_NAME_LEN: usize = 32;

/// One spectral band: a Sentinel-2 band, or any other by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Band {
    /// Coastal aerosol, 443 nm, 60 m.
    B01,
    /// Blue, 490 nm, 10 m.
    B02,
    /// Green, 560 nm, 10 m.
    B03,
    /// Red, 665 nm, 10 m.
    B04,
    /// Red edge, 705 nm, 20 m.
    B05,
    /// Red edge, 740 nm, 20 m.
    B06,
    /// Red edge, 783 nm, 20 m.
    B07,
    /// Near infrared, 842 nm, 10 m.
    B08,
    /// Narrow near infrared, 865 nm, 20 m.
    B8A,
    /// Water vapour, 945 nm, 60 m.
    B09,
    /// Cirrus, 1375 nm, 60 m; absent from surface reflectance (L2A) products.
    B10,
    /// Short-wave infrared, 1610 nm, 20 m.
    B11,
    /// Short-wave infrared, 2190 nm, 20 m.
    B12,
    /// A band of another sensor: 1–32 ASCII letters, digits, `_`, `-` or `.`.
    Other(String),
}

/// The thirteen bands of Sentinel-2 in order of wavelength, with their canonical names.
const SENTINEL_2: [(Band, &str); 13] = [
    (Band::B01, "B01"),
    (Band::B02, "B02"),
    (Band::B03, "B03"),
    (Band::B04, "B04"),
    (Band::B05, "B05"),
    (Band::B06, "B06"),
    (Band::B07, "B07"),
    (Band::B08, "B08"),
    (Band::B8A, "B8A"),
    (Band::B09, "B09"),
    (Band::B10, "B10"),
    (Band::B11, "B11"),
    (Band::B12, "B12"),
];

/// What is wrong with a band or a set of bands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BandsError {
    /// A band's name is empty, too long or holds other characters.
    #[error(
        "invalid band name {0:?}\nhint: use a Sentinel-2 band (B01 … B12, B8A) or 1-32 letters, digits, '_', '-', '.'"
    )]
    InvalidName(String),
    /// A band set without a band.
    #[error("a band set must not be empty\nhint: name at least one band, for example B04")]
    Empty,
    /// A band that occurs twice in one set.
    #[error("band {0} occurs twice in one band set\nhint: name every band once")]
    Duplicate(Band),
}

impl fmt::Display for Band {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(name) => formatter.write_str(name),
            known => {
                let name = SENTINEL_2.iter().find(|(band, _)| band == known).map_or("", |(_, name)| name);
                formatter.write_str(name)
            }
        }
    }
}

impl FromStr for Band {
    type Err = BandsError;

    /// Reads `B04`, `B4`, `b04` (all the same band), or any other valid name as [`Band::Other`].
    fn from_str(text: &str) -> Result<Self, BandsError> {
        let is_known = |name: &str| {
            name.eq_ignore_ascii_case(text) || (name[1..].starts_with('0') && short(name).eq_ignore_ascii_case(text))
        };
        if let Some((band, _)) = SENTINEL_2.iter().find(|(_, name)| is_known(name)) {
            return Ok(band.clone());
        }
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if text.is_empty() || text.len() > MAX_NAME_LEN || !text.chars().all(valid) {
            return Err(BandsError::InvalidName(text.chars().take(2 * MAX_NAME_LEN).collect()));
        }
        Ok(Self::Other(text.to_owned()))
    }
}

/// `B04` → `B4`, the spelling that SeCo's files use.
fn short(name: &str) -> String {
    name.replacen('0', "", 1)
}

impl TryFrom<String> for Band {
    type Error = BandsError;

    fn try_from(text: String) -> Result<Self, BandsError> {
        text.parse()
    }
}

impl From<Band> for String {
    fn from(band: Band) -> Self {
        band.to_string()
    }
}

/// An ordered, non-empty set of bands: the meaning of a tile's planes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<Band>", into = "Vec<Band>")]
pub struct Bands(Vec<Band>);

impl Bands {
    /// Takes the bands in the order of the planes.
    ///
    /// # Errors
    /// When there is none, or when one occurs twice.
    pub fn new(bands: Vec<Band>) -> Result<Self, BandsError> {
        if bands.is_empty() {
            return Err(BandsError::Empty);
        }
        let mut seen = std::collections::BTreeSet::new();
        if let Some(twice) = bands.iter().find(|band| !seen.insert(*band)) {
            return Err(BandsError::Duplicate(twice.clone()));
        }
        Ok(Self(bands))
    }

    /// Red, green, blue: what an ordinary picture holds.
    #[must_use]
    pub fn rgb() -> Self {
        Self(vec![Band::B04, Band::B03, Band::B02])
    }

    /// The twelve bands of a Sentinel-2 surface reflectance product: all but B10.
    #[must_use]
    pub fn sentinel_2_l2a() -> Self {
        Self(SENTINEL_2.iter().map(|(band, _)| band.clone()).filter(|band| *band != Band::B10).collect())
    }

    /// The thirteen bands of a Sentinel-2 top-of-atmosphere product.
    #[must_use]
    pub fn sentinel_2_l1c() -> Self {
        Self(SENTINEL_2.iter().map(|(band, _)| band.clone()).collect())
    }

    /// Number of bands, at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a band set is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The bands in the order of the planes.
    pub fn iter(&self) -> std::slice::Iter<'_, Band> {
        self.0.iter()
    }

    /// The bands in the order of the planes.
    #[must_use]
    pub fn as_slice(&self) -> &[Band] {
        &self.0
    }

    /// Which plane holds `band`.
    #[must_use]
    pub fn position(&self, band: &Band) -> Option<usize> {
        self.0.iter().position(|own| own == band)
    }

    /// Where each of `wanted` lies in this set, for [`Tile::select`](crate::tile::Tile::select); `None` when one is missing.
    #[must_use]
    pub fn positions(&self, wanted: &Bands) -> Option<Vec<usize>> {
        wanted.iter().map(|band| self.position(band)).collect()
    }

    /// Whether this is exactly red, green, blue in that order, so that colour operations make sense.
    #[must_use]
    pub fn is_rgb(&self) -> bool {
        self.0 == [Band::B04, Band::B03, Band::B02]
    }
}

impl fmt::Display for Bands {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, band) in self.0.iter().enumerate() {
            write!(formatter, "{}{band}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl<'a> IntoIterator for &'a Bands {
    type Item = &'a Band;
    type IntoIter = std::slice::Iter<'a, Band>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl TryFrom<Vec<Band>> for Bands {
    type Error = BandsError;

    fn try_from(bands: Vec<Band>) -> Result<Self, BandsError> {
        Self::new(bands)
    }
}

impl From<Bands> for Vec<Band> {
    fn from(bands: Bands) -> Self {
        bands.0
    }
}
