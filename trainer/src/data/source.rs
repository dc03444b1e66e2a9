//! The one implementation of [`Source`]: frames grouped into places, read whole or through windows.

use std::sync::Arc;

use rayon::prelude::*;
use shared::bands::Bands;
use shared::preprocess::stretch;
use shared::tile::Tile;

use super::frames::Frames;
use super::layout::PlaceFrames;
use super::picture::{Picture, SampleKind};
use super::spec::{Placement, SourceKind};
use super::windows::{AreaWindows, TRIES};
use super::{SampleError, Source};
use crate::views::{PixelRange, ViewRng};

/// A tile of which more is missing is left out.
const MOST_MISSING: f64 = 0.5;

/// How stored numbers become tile values.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) dn_offset: i32,
    /// Per band: what becomes 0 and what becomes 1, unit scale.
    pub(super) stretch: Option<(Vec<f32>, Vec<f32>)>,
}

/// Windows of every area of a mosaic source.
pub(super) struct Windows {
    pub(super) px: usize,
    pub(super) placement: Placement,
    /// One an area.
    pub(super) areas: Vec<AreaWindows>,
    /// Area and corner of every window that fits side by side with the others.
    pub(super) cells: Vec<(usize, usize, usize)>,
}

/// An opened source.
pub struct TileSource {
    pub(super) name: String,
    pub(super) kind: SourceKind,
    pub(super) bands: Bands,
    pub(super) frames: Frames,
    pub(super) places: Vec<PlaceFrames>,
    pub(super) windows: Option<Windows>,
    pub(super) values: Values,
    pub(super) classes: Vec<String>,
}

impl TileSource {
    /// The convention by which the files were read.
    #[must_use]
    pub fn kind(&self) -> SourceKind {
        self.kind
    }

    /// Names of the classes, sorted; empty where folders are not classes.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Index of a place's class.
    #[must_use]
    pub fn label(&self, place: usize) -> Option<usize> {
        self.files_of(place).label
    }

    /// What a place is called.
    #[must_use]
    pub fn place_name(&self, place: usize) -> &str {
        &self.files_of(place).name
    }

    /// What a date of a place is called: the picture's path.
    #[must_use]
    pub fn date_name(&self, place: usize, date: usize) -> &str {
        self.frames.name(self.files_of(place).frames[date])
    }

    /// What the picture of a place at a date is by its content; nothing before it has been read. See
    /// [`fingerprint`](super::fingerprint).
    #[must_use]
    pub fn fingerprint(&self, place: usize, date: usize) -> Option<u64> {
        self.frames.fingerprint(self.files_of(place).frames[date])
    }

    /// Memory that decoded pictures take at present.
    #[must_use]
    pub fn cached_bytes(&self) -> usize {
        self.frames.cache().used_bytes()
    }

    /// Number of pictures, whatever place they belong to.
    #[must_use]
    pub fn picture_count(&self) -> usize {
        self.frames.len()
    }

    /// A picture by number, with the wanted bands, in its stored type.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub fn picture(&self, index: usize) -> Result<Arc<Picture>, SampleError> {
        self.frames.picture(index)
    }

    /// A stored picture as a tile.
    ///
    /// # Errors
    /// When a picture cannot be turned into one (an empty picture).
    pub fn to_tile(&self, picture: &Picture, name: &str) -> Result<Tile, SampleError> {
        let mut tile = picture.tile(self.values.dn_offset).map_err(|error| SampleError::new(name, error))?;
        if let Some((low, high)) = &self.values.stretch {
            stretch(&mut tile, low, high).map_err(|error| SampleError::new(name, error))?;
        }
        Ok(tile)
    }

    /// A stored picture as a tile, unless most of it is missing.
    pub(super) fn seen_tile(&self, picture: &Picture, name: &str) -> Result<Tile, SampleError> {
        check_seen(picture, name)?;
        self.to_tile(picture, name)
    }

    /// Number of dates of every place, or of every area of a mosaic.
    pub(super) fn date_counts(&self) -> impl Iterator<Item = usize> {
        self.places.iter().map(|place| place.frames.len())
    }

    /// Paths of all pictures.
    pub(super) fn picture_names(&self) -> impl Iterator<Item = &str> {
        (0..self.frames.len()).map(|index| self.frames.name(index))
    }

    /// The window that a place of a mosaic stands for: first row, first column, side.
    pub(super) fn fixed_window(&self, place: usize) -> Option<(usize, usize, usize)> {
        self.windows.as_ref().map(|windows| {
            let (_, top, left) = windows.cells[place];
            (top, left, windows.px)
        })
    }

    /// The whole picture of a place at a date, and its name.
    pub(super) fn date_picture(&self, place: usize, date: usize) -> Result<(&str, Arc<Picture>), SampleError> {
        let frame = self.files_of(place).frames[date];
        Ok((self.frames.name(frame), self.frames.picture(frame)?))
    }

    /// The place, or the area that a window lies in.
    fn files_of(&self, place: usize) -> &PlaceFrames {
        match &self.windows {
            Some(windows) => &self.places[windows.cells[place].0],
            None => &self.places[place],
        }
    }

    /// Where to cut: corner and side.
    fn window(&self, place: usize, rng: &mut ViewRng) -> Result<Option<(usize, usize, usize)>, SampleError> {
        let Some(windows) = &self.windows else { return Ok(None) };
        let (area, top, left) = windows.cells[place];
        let (top, left) = match windows.placement {
            Placement::Grid => (top, left),
            Placement::Random => windows.areas[area].draw(rng).ok_or_else(|| {
                SampleError::new(&self.places[area].name, format!("no window with content in {TRIES} draws"))
            })?,
        };
        Ok(Some((top, left, windows.px)))
    }
}

/// Refuses a picture of which most is missing.
pub(super) fn check_seen(picture: &Picture, name: &str) -> Result<(), SampleError> {
    let share = picture.missing_share();
    if share > MOST_MISSING {
        return Err(SampleError::new(name, format!("{:.0} % of it is no data", 100.0 * share)));
    }
    Ok(())
}

impl Source for TileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.windows.as_ref().map_or(self.places.len(), |windows| windows.cells.len())
    }

    fn bands(&self) -> &Bands {
        &self.bands
    }

    fn range(&self) -> PixelRange {
        let has_ceiling = self.values.stretch.is_some() || self.frames.kind() == Some(SampleKind::U8);
        if has_ceiling && self.bands.is_rgb() { PixelRange::Display } else { PixelRange::Open }
    }

    fn is_redrawn(&self) -> bool {
        self.windows.as_ref().is_some_and(|windows| windows.placement == Placement::Random)
    }

    fn dates(&self, place: usize) -> usize {
        self.files_of(place).frames.len()
    }

    fn read(&self, place: usize, dates: &[usize], rng: &mut ViewRng) -> Result<Vec<Tile>, SampleError> {
        let window = self.window(place, rng)?;
        let mut tiles: Vec<Tile> = Vec::with_capacity(dates.len());
        for (slot, &date) in dates.iter().enumerate() {
            if let Some(earlier) = dates[..slot].iter().position(|&earlier| earlier == date) {
                tiles.push(tiles[earlier].clone());
                continue;
            }
            let (name, picture) = self.date_picture(place, date)?;
            tiles.push(match window {
                Some((top, left, px)) => self.seen_tile(&picture.window(top, left, px), name)?,
                None => self.seen_tile(&picture, name)?,
            });
        }
        Ok(tiles)
    }

    fn fingerprints(&self) -> Vec<u64> {
        (0..self.frames.len()).filter_map(|frame| self.frames.fingerprint(frame)).collect()
    }

    fn read_all(&self) {
        // What cannot be read was not trained on either.
        (0..self.frames.len()).into_par_iter().for_each(|frame| drop(self.frames.picture(frame)));
    }

    fn describe(&self) -> String {
        let (least, most) = (0..self.places.len())
            .map(|place| self.places[place].frames.len())
            .fold((usize::MAX, 0), |(least, most), dates| (least.min(dates), most.max(dates)));
        let dates = if least == most { format!("{most}") } else { format!("{least}–{most}") };
        let plural = if most == 1 { "date" } else { "dates" };
        let bands: Vec<String> = self.bands.iter().map(ToString::to_string).collect();
        let what = match &self.windows {
            Some(windows) => format!(
                "{} areas, {} windows of {} px side by side",
                self.places.len(),
                windows.cells.len(),
                windows.px
            ),
            None => format!("{} places", self.places.len()),
        };
        format!("{} ({}): {what} × {dates} {plural}, bands {}", self.name, self.kind, bands.join(" "))
    }
}
