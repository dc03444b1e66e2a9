//! Counting what a source holds: sizes, dates, classes, damaged files, and mean and deviation of each band.

use std::collections::BTreeMap;

use rayon::prelude::*;
use shared::bands::Band;
use shared::tile::Tile;

use super::dates::date_in;
use super::{SampleError, Source, TileSource};

/// Values of one band, unit scale, after the source's offset and stretch.
#[derive(Clone, Debug, PartialEq)]
pub struct BandSurvey {
    /// The band.
    pub band: Band,
    /// Mean over all pixels.
    pub mean: f64,
    /// Standard deviation over all pixels.
    pub std: f64,
    /// Least value.
    pub min: f32,
    /// Greatest value.
    pub max: f32,
}

/// What a source holds.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Pictures of all places and dates.
    pub pictures: usize,
    /// Pictures that cannot be read.
    pub damaged: Vec<SampleError>,
    /// Height and width of pictures, with their number.
    pub sizes: Vec<((usize, usize), usize)>,
    /// Number of dates of a place, with the number of such places.
    pub dates_of_places: Vec<(usize, usize)>,
    /// Pictures of each month of the year, January first.
    pub months: [usize; 12],
    /// First and last year and month found in names.
    pub span: Option<((u16, u8), (u16, u8))>,
    /// Tiles that are partly missing, most of it first, with the share of their pixels that is.
    pub holes: Vec<(String, f64)>,
    /// Pictures in whose names no month was found.
    pub undated: usize,
    /// Pictures of each class.
    pub classes: Vec<(String, usize)>,
    /// Statistics of each band. Of a mosaic, over the windows side by side that pass its rule.
    pub bands: Vec<BandSurvey>,
}

/// Sums over the pixels of one band.
#[derive(Clone, Copy)]
struct Sums {
    count: u64,
    sum: f64,
    squares: f64,
    min: f32,
    max: f32,
}

impl Survey {
    /// Reads every picture of `source`, on all cores.
    #[must_use]
    pub fn of(source: &TileSource) -> Self {
        let per_place: Vec<PlaceSurvey> =
            (0..source.len()).into_par_iter().map(|place| PlaceSurvey::of(source, place)).collect();
        let mut survey = Self {
            pictures: source.picture_count(),
            damaged: Vec::new(),
            sizes: Vec::new(),
            dates_of_places: Vec::new(),
            months: [0; 12],
            span: None,
            holes: Vec::new(),
            undated: 0,
            classes: Vec::new(),
            bands: Vec::new(),
        };
        let mut sizes = BTreeMap::new();
        let mut classes = vec![0; source.classes().len()];
        let mut sums = vec![Sums::NONE; source.bands().len()];
        for (place, found) in per_place.into_iter().enumerate() {
            found.sizes.into_iter().for_each(|size| *sizes.entry(size).or_default() += 1);
            sums.iter_mut().zip(found.sums).for_each(|(all, one)| *all = all.with(one));
            if let Some(label) = source.label(place) {
                classes[label] += 1;
            }
            survey.damaged.extend(found.damaged);
            survey.holes.extend(found.holes);
        }
        survey.holes.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        survey.damaged.sort_by(|a, b| a.name.cmp(&b.name));
        survey.damaged.dedup();
        survey.sizes = sizes.into_iter().collect();
        survey.classes = source.classes().iter().cloned().zip(classes).collect();
        survey.bands = source.bands().iter().zip(sums).map(|(band, sums)| sums.survey(band.clone())).collect();
        survey.count_dates(source);
        survey
    }

    fn count_dates(&mut self, source: &TileSource) {
        let mut counts = BTreeMap::new();
        source.date_counts().for_each(|dates| *counts.entry(dates).or_default() += 1);
        self.dates_of_places = counts.into_iter().collect();
        for name in source.picture_names() {
            // the date may be the file's name or, with one file a band, its folder's: the last part that has one
            match name.rsplit('/').find_map(date_in).map(|date| (date.year, date.month)) {
                Some(date) => {
                    self.months[usize::from(date.1) - 1] += 1;
                    self.span = Some(self.span.map_or((date, date), |(first, last)| (first.min(date), last.max(date))));
                }
                None => self.undated += 1,
            }
        }
    }
}

/// What one place adds.
struct PlaceSurvey {
    sizes: Vec<(usize, usize)>,
    damaged: Vec<SampleError>,
    holes: Vec<(String, f64)>,
    sums: Vec<Sums>,
}

impl PlaceSurvey {
    fn of(source: &TileSource, place: usize) -> Self {
        let sums = vec![Sums::NONE; source.bands().len()];
        let mut found = Self { sizes: Vec::new(), damaged: Vec::new(), holes: Vec::new(), sums };
        for date in 0..source.dates(place) {
            match source.fixed_with_holes(place, date) {
                Ok((tile, missing)) => {
                    found.sizes.push((tile.height(), tile.width()));
                    let holes = missing.chunks_exact(tile.bands()).filter(|pixel| pixel.contains(&true)).count();
                    if holes > 0 {
                        let share = holes as f64 / (tile.height() * tile.width()) as f64;
                        found.holes.push((source.date_name(place, date).to_owned(), share));
                    }
                    found.add(&tile, &missing);
                }
                Err(error) => found.damaged.push(error),
            }
        }
        found
    }

    /// `missing`: `[height, width, bands]`, or empty.
    fn add(&mut self, tile: &Tile, missing: &[bool]) {
        for (band, sums) in self.sums.iter_mut().enumerate() {
            let mut own = Sums::NONE;
            for (pixel, &value) in tile.plane(band).iter().enumerate() {
                if missing.get(pixel * tile.bands() + band).copied().unwrap_or(false) {
                    continue;
                }
                own.count += 1;
                own.sum += f64::from(value);
                own.squares += f64::from(value) * f64::from(value);
                own.min = own.min.min(value);
                own.max = own.max.max(value);
            }
            *sums = sums.with(own);
        }
    }
}

impl Sums {
    const NONE: Self = Self { count: 0, sum: 0.0, squares: 0.0, min: f32::INFINITY, max: f32::NEG_INFINITY };

    fn with(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            squares: self.squares + other.squares,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    fn survey(self, band: Band) -> BandSurvey {
        let count = self.count.max(1) as f64;
        let mean = self.sum / count;
        let std = (self.squares / count - mean * mean).max(0.0).sqrt();
        // Of nothing there is neither least nor greatest.
        let (min, max) = if self.count == 0 { (0.0, 0.0) } else { (self.min, self.max) };
        BandSurvey { band, mean, std, min, max }
    }
}

impl TileSource {
    /// A tile at a date; of a mosaic, the fixed window that the place stands for.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub fn read_fixed(&self, place: usize, date: usize) -> Result<Tile, SampleError> {
        self.fixed_with_holes(place, date).map(|(tile, _)| tile)
    }

    /// The same, and which of its samples were missing: `[height, width, bands]`, or nothing.
    fn fixed_with_holes(&self, place: usize, date: usize) -> Result<(Tile, Vec<bool>), SampleError> {
        let (name, picture) = self.date_picture(place, date)?;
        Ok(match self.fixed_window(place) {
            None => (self.seen_tile(&picture, name)?, picture.missing.clone()),
            Some((top, left, px)) => {
                let window = picture.window(top, left, px);
                (self.seen_tile(&window, name)?, window.missing)
            }
        })
    }
}
