//! From the samples of a file to what the model saw: bands, offset and stretch as chosen or found out.

use shared::bands::Bands;
use shared::preprocess::{self, EUROSAT_WHITE, reflectance_from_dn};
use shared::tile::Tile;

use super::tiff_rows::{Depth, damaged};
use crate::problem::Problem;
use crate::scene::bands::{FileBands, Refusal, choose};
use crate::scene::reading::{self, Reading, Taken};

/// What a model wants of a picture.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its bands, in order.
    pub bands: Bands,
    /// The mean of the pictures it learned from, on the unit scale.
    pub trained_mean: f32,
}

impl Wanted {
    /// Names of the bands.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.bands.iter().map(ToString::to_string).collect()
    }
}

/// How samples become values on the unit scale.
#[derive(Clone, Debug)]
pub struct Units {
    /// What was taken, and why.
    pub taken: Taken,
    depth: Depth,
    no_data: Option<f32>,
}

impl Units {
    /// Decides which bands; offset and stretch follow in [`Self::settle`].
    ///
    /// # Errors
    /// When the bands cannot be told.
    pub fn new(
        file: &FileBands,
        depth: Depth,
        no_data: Option<f32>,
        wanted: &Wanted,
        reading: &Reading,
    ) -> Result<Self, Refusal> {
        let taken = choose(file, &wanted.names(), reading.planes.as_deref())?;
        Ok(Self { taken, depth, no_data })
    }

    /// Decides offset and stretch, having looked at some samples.
    pub fn settle(&mut self, reading: &Reading, in_metadata: Option<i32>, wanted: &Wanted, samples: &[&[f32]]) {
        let taken = &mut self.taken;
        taken.is_reflectance = self.depth != Depth::U8;
        if self.depth == Depth::U16 {
            let darkest = samples.iter().filter_map(|band| one_percent(band, self.no_data)).reduce(f32::min);
            (taken.offset, taken.offset_why) = reading::offset(reading.offset, in_metadata, darkest);
        }
        if self.depth == Depth::F32 {
            let no_data = self.no_data;
            let seen = samples.iter().flat_map(|band| band.iter().copied());
            taken.range = seen.filter(|value| value.is_finite() && Some(*value) != no_data).fold(
                None,
                |range, value| match range {
                    Some([low, high]) => Some([value.min(low), value.max(high)]),
                    None => Some([value; 2]),
                },
            );
        }
        if taken.is_reflectance {
            let (is_stretched, why) = reading::is_stretched(reading.stretch, wanted.trained_mean);
            taken.white = is_stretched.then_some(EUROSAT_WHITE);
            taken.stretch_why = why;
        }
    }

    /// Samples, `[rows · width]` for each band, as the model saw its own pictures; missing ones become 0.
    ///
    /// # Errors
    /// When sizes do not fit, which is a damaged file.
    pub fn tile(&self, samples: &[&[f32]], rows: usize, width: usize) -> Result<Tile, Problem> {
        let unit = |sample: f32| match self.depth {
            Depth::U8 => sample / 255.0,
            Depth::U16 => reflectance_from_dn(sample as u16, self.taken.offset),
            Depth::F32 => sample,
        };
        let values = samples.iter().flat_map(|band| band.iter().map(|sample| unit(*sample))).collect();
        let mut tile = Tile::new(samples.len(), rows, width, values).map_err(|error| damaged(&error))?;
        if let Some(white) = self.taken.white {
            let bands = tile.bands();
            preprocess::stretch(&mut tile, &vec![0.0; bands], &vec![white; bands]).map_err(|error| damaged(&error))?;
        }
        Ok(tile)
    }

    /// Whether a pixel is missing: not a number, the file's own mark, or a digital number of 0 in every band, which is
    /// Sentinel-2's.
    #[must_use]
    pub fn is_missing(&self, samples: &[&[f32]], pixel: usize) -> bool {
        if self.depth == Depth::U8 && self.no_data.is_none() {
            return false;
        }
        let mut values = samples.iter().filter_map(|band| band.get(pixel).copied());
        let is_mark = |value: f32| !value.is_finite() || Some(value) == self.no_data;
        values.clone().any(is_mark) || self.depth == Depth::U16 && values.all(|value| value == 0.0)
    }
}

/// What 1 % of a band's samples are under; missing ones do not count.
fn one_percent(samples: &[f32], no_data: Option<f32>) -> Option<f32> {
    let mut seen: Vec<f32> =
        samples.iter().copied().filter(|value| *value > 0.0 && Some(*value) != no_data && value.is_finite()).collect();
    let at = seen.len() / 100;
    (!seen.is_empty()).then(|| *seen.select_nth_unstable_by(at, f32::total_cmp).1)
}
