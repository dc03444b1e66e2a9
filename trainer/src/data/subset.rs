//! Some places of a source: the part of the data that an expert sees.

use super::{SampleError, Source};
use crate::views::{PixelRange, ViewRng};
use shared::bands::Bands;
use shared::tile::Tile;

/// A source with fewer places.
pub struct Subset {
    whole: Box<dyn Source>,
    places: Vec<usize>,
}

impl Subset {
    /// The places of `whole` with these numbers, which must exist.
    #[must_use]
    pub fn new(whole: Box<dyn Source>, places: Vec<usize>) -> Self {
        Self { whole, places }
    }
}

impl Source for Subset {
    fn name(&self) -> &str {
        self.whole.name()
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    fn bands(&self) -> &Bands {
        self.whole.bands()
    }

    fn range(&self) -> PixelRange {
        self.whole.range()
    }

    fn is_redrawn(&self) -> bool {
        self.whole.is_redrawn()
    }

    fn dates(&self, place: usize) -> usize {
        self.whole.dates(self.places[place])
    }

    fn read(&self, place: usize, dates: &[usize], rng: &mut ViewRng) -> Result<Vec<Tile>, SampleError> {
        self.whole.read(self.places[place], dates, rng)
    }

    fn fingerprints(&self) -> Vec<u64> {
        self.whole.fingerprints()
    }

    fn read_all(&self) {
        self.whole.read_all();
    }

    fn describe(&self) -> String {
        format!("{} — {} places of it", self.whole.describe(), self.places.len())
    }
}
