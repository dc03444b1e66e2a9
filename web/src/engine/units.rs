//! From the samples of a file to what the model saw: bands, offset and stretch as chosen or found out.

use shared::bands::Bands;
use shared::preprocess::{self, EUROSAT_WHITE, reflectance_from_dn};
use shared::tile::Tile;

use super::tiff_rows::{Depth, damaged};
use crate::problem::Problem;
use crate::scene::bands::{FileBands, Refusal, choose};
use crate::scene::reading::{self, Reading, StretchChoice, Taken};

/// The share of a band's values that lie beyond each end of its contrast: more than programs cut off when they stretch (2 %).
const ENDS_SHARE: f32 = 0.03;

/// What a model wants of a picture.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its bands, in order.
    pub bands: Bands,
    /// Mean and deviation of each band in the pictures that it learned from, on the unit scale.
    pub trained: Vec<[f32; 2]>,
}

impl Wanted {
    /// Names of the bands.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.bands.iter().map(ToString::to_string).collect()
    }

    /// The mean of the pictures that it learned from.
    #[must_use]
    pub fn trained_mean(&self) -> f32 {
        self.trained.iter().map(|[mean, _]| mean).sum::<f32>() / self.trained.len().max(1) as f32
    }
}

/// Whether enough of a picture is seen to tell how it was stretched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// One tile may be all forest, or all sea.
    Tile,
    /// A scene.
    Scene,
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
    pub fn settle(
        &mut self,
        reading: &Reading,
        in_metadata: Option<i32>,
        wanted: &Wanted,
        extent: Extent,
        samples: &[&[f32]],
    ) {
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
            let (is_stretched, why) = reading::is_stretched(reading.stretch, wanted.trained_mean());
            taken.white = is_stretched.then_some(EUROSAT_WHITE);
            taken.stretch_why = why;
        }
        // A model that learned from reflectance wants it as it is.
        let is_picture_model = reading::is_stretched(StretchChoice::Auto, wanted.trained_mean()).0;
        taken.is_scene = extent == Extent::Scene && is_picture_model;
        if taken.is_scene && reading.stretch == StretchChoice::Auto {
            let usual = if taken.is_reflectance { EUROSAT_WHITE } else { 1.0 };
            let ends = self.ends(samples);
            let taken = &mut self.taken;
            match reading::fit(&ends, &wanted.trained, usual) {
                Some(fitted) => {
                    taken.fitted = fitted;
                    "the same for every stretch of a scene, and for 8 and 16 bits".clone_into(&mut taken.stretch_why);
                }
                None => {
                    "the scene has too little contrast to be fitted to the look that the model learned"
                        .clone_into(&mut taken.stretch_why);
                }
            }
        }
    }

    /// What 3 % of each band's values are under, and what 3 % are over, on the unit scale. Pixels of which nothing is there do not
    /// count, nor those that are black throughout, as borders are.
    fn ends(&self, samples: &[&[f32]]) -> Vec<[f32; 2]> {
        let pixels = samples.first().map_or(0, |band| band.len());
        let is_black = |pixel: usize| samples.iter().all(|band| band[pixel] == 0.0);
        let seen: Vec<usize> =
            (0..pixels).filter(|pixel| !self.is_missing(samples, *pixel) && !is_black(*pixel)).collect();
        let end = |values: &mut Vec<f32>, share: f32| {
            let at = ((values.len().max(1) - 1) as f32 * share).round() as usize;
            if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(at, f32::total_cmp).1 }
        };
        let ends = |band: &&[f32]| {
            let mut values: Vec<f32> = seen.iter().map(|pixel| self.unit(band[*pixel])).collect();
            [end(&mut values, ENDS_SHARE), end(&mut values, 1.0 - ENDS_SHARE)]
        };
        samples.iter().map(ends).collect()
    }

    /// A sample on the unit scale: reflectance, or the share of white.
    fn unit(&self, sample: f32) -> f32 {
        match self.depth {
            Depth::U8 => sample / 255.0,
            Depth::U16 => reflectance_from_dn(sample as u16, self.taken.offset),
            Depth::F32 => sample,
        }
    }

    /// Samples, `[rows · width]` for each band, as the model saw its own pictures; missing ones become 0.
    ///
    /// # Errors
    /// When sizes do not fit, which is a damaged file.
    pub fn tile(&self, samples: &[&[f32]], rows: usize, width: usize) -> Result<Tile, Problem> {
        let values = samples.iter().flat_map(|band| band.iter().map(|sample| self.unit(*sample))).collect();
        let mut tile = Tile::new(samples.len(), rows, width, values).map_err(|error| damaged(&error))?;
        if !self.taken.fitted.is_empty() {
            for (band, fit) in self.taken.fitted.iter().enumerate().take(tile.bands()) {
                tile.plane_mut(band).iter_mut().for_each(|value| *value = fit.value(*value));
            }
        } else if let Some(white) = self.taken.white {
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
