//! Sources of tiles, their mixture, and the loader that turns them into batches of views on all cores.
//!
//! A *place* is a piece of ground, a *date* one picture of it. Every source answers the same questions ([`Source`]); how
//! its files are laid out is decided once, when it is opened from a [`SourceSpec`].
//!
//! Values: 8-bit pictures become value / 255, whole numbers of more bits count as digital numbers of reflectance (value /
//! 10 000, after an optional offset), floating point is taken as it is, and a scale that a file states is applied. "No
//! data" is no colour: statistics leave it out, tiles hold the mean of their band there, and a tile of which more than half
//! is missing is left out with a warning.

mod cache;
mod dates;
mod decode;
mod decode_error;
mod decode_tiff;
mod decoded;
mod detect;
mod fingerprint;
mod frames;
pub(crate) mod guard;
mod labelled;
mod layout;
mod lists;
mod loader;
mod mixture;
mod mosaic;
mod npy;
mod open;
mod picture;
mod selection;
mod series;
mod sheet;
mod source;
mod spec;
mod store;
mod subset;
mod survey;
#[cfg(test)]
mod tests;
mod typed;
mod windows;

pub use decode::{decode, decode_planes, decode_within};
pub use decode_error::DecodeError;
pub use decoded::Decoded;
pub use fingerprint::fingerprint;
pub use labelled::LabelledSet;
pub use lists::{Listed, parse_list};
pub use loader::{Batch, Loader, LoaderConfig, LoaderEpoch, MiddleCrops};
pub use mixture::{Mixture, shares_by_dates};
pub use picture::{Picture, SampleKind, Samples};
pub use sheet::ContactSheet;
pub use source::TileSource;
pub use spec::{Placement, SourceKind, SourceSpec, Stretch};
pub use store::Store;
pub use subset::Subset;
pub use survey::{BandSurvey, Survey};
pub(crate) use typed::{data_table, scalar};

use shared::bands::Bands;
use shared::tile::Tile;

use crate::views::{PixelRange, ViewRng};

/// Something to read tiles from.
pub trait Source: Send + Sync {
    /// What messages call it.
    fn name(&self) -> &str;

    /// Number of places. A mosaic counts the windows that fit side by side and pass its rule.
    fn len(&self) -> usize;

    /// Whether there is no place at all (an opened source has at least one).
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The planes of its tiles.
    fn bands(&self) -> &Bands;

    /// Whether its values have a ceiling.
    fn range(&self) -> PixelRange;

    /// Whether a place is another piece of ground each time it is read (a mosaic's random windows).
    fn is_redrawn(&self) -> bool {
        false
    }

    /// Number of dates of a place, at least 1.
    fn dates(&self, place: usize) -> usize;

    /// The same ground at each of `dates`; `rng` picks the window of a mosaic.
    ///
    /// # Errors
    /// When a picture cannot be read, or has other bands or another type than the rest of the source.
    fn read(&self, place: usize, dates: &[usize], rng: &mut ViewRng) -> Result<Vec<Tile>, SampleError>;

    /// The fingerprints of the pictures that have been read so far, and perhaps of more of its pictures; see
    /// [`fingerprint`].
    fn fingerprints(&self) -> Vec<u64>;

    /// Reads every picture once, for its fingerprint.
    fn read_all(&self);

    /// One line for people: how many places, dates, bands, where from.
    fn describe(&self) -> String;
}

/// At most `most` of `count` indices, evenly spaced.
pub fn evenly_spaced(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let taken = count.min(most);
    (0..taken).map(move |at| at * count / taken)
}

/// A picture that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {name}: {why}")]
pub struct SampleError {
    /// The file, relative to its source.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
    /// What mends it; empty when nothing is known to.
    pub hint: &'static str,
}

impl SampleError {
    pub(crate) fn new(name: impl Into<String>, why: impl ToString) -> Self {
        Self { name: name.into(), why: why.to_string(), hint: "" }
    }

    /// What was wrong with its bytes.
    pub(crate) fn of_bytes(name: impl Into<String>, error: &DecodeError) -> Self {
        Self { hint: error.hint, ..Self::new(name, error) }
    }

    /// With what mends it, in one line.
    #[must_use]
    pub fn in_full(&self) -> String {
        if self.hint.is_empty() { self.to_string() } else { format!("{self} ({})", self.hint) }
    }
}

/// Something that went wrong without ending the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What happened, to which file.
    pub what: String,
    /// How often.
    pub count: usize,
}

impl Warning {
    pub(crate) fn once(what: impl Into<String>) -> Self {
        Self { what: what.into(), count: 1 }
    }

    /// The first few pictures that cannot be used by name, the rest by number.
    pub(crate) fn of_pictures(errors: &[SampleError]) -> Vec<Self> {
        const NAMED: usize = 5;
        let mut warnings: Vec<Self> = errors.iter().take(NAMED).map(|error| Self::once(error.in_full())).collect();
        if errors.len() > NAMED {
            let count = errors.len() - NAMED;
            warnings.push(Self { what: "further pictures cannot be used; inspect-data names them".to_owned(), count });
        }
        warnings
    }
}
