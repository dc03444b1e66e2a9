//! A large picture in the worker: read a band of rows at a time, cut into patches, whose embeddings are kept for searching.
//!
//! The page asks for some patches after the others, and has them embedded by whichever worker is free; between two of its
//! questions others are answered.

use std::io::{Read, Seek};

use shared::compare::dot;
use shared::preprocess;
use shared::tile::Tile;

use super::decode;
use super::part_reader::PartReader;
use super::picture::{Format, Picture};
use super::protocol::Cutting;
use super::runtime::Runtime;
use super::tiff_rows::{TiffRows, damaged};
use super::units::{Extent, Units, Wanted};
use crate::problem::Problem;
use crate::scene::bands::Refusal;
use crate::scene::card::SceneCard;
use crate::scene::cells::{ANSWERED, NO_DATA, WAITING};
use crate::scene::doubt;
use crate::scene::grid::Grid;
use crate::scene::reading::Reading;
use crate::scene::step::{Cut, Traffic, packed};
use crate::season::patches::{MIN_SIDE_PX, Patches};

/// Largest JPEG, PNG or WebP, decoded: these cannot be read in parts.
const MAX_DECODED_BYTES: u64 = 448 << 20;
/// Largest such file.
const MAX_FILE_BYTES: u64 = 512 << 20;
/// Embeddings kept for searching.
const MAX_EMBEDDING_BYTES: usize = 512 << 20;
/// Longest side of the preview.
const PREVIEW_PX: usize = 2048;
/// Rows looked at to find out about a picture's values, and at how many places; a picture of few pixels is looked at whole.
const SAMPLED_ROWS: usize = 16;
const SAMPLED_PLACES: usize = 9;
/// Places looked at in a picture at an address: what lies there is fetched for it, and once more for the map.
const SAMPLED_PLACES_REMOTE: usize = 5;
const LOOKED_AT_WHOLE: usize = 4 << 20;

/// An open picture.
pub struct Scene {
    card: SceneCard,
    /// Side of what the encoder sees; patches of another size are resized to it.
    input_px: usize,
    source: Source,
    units: Units,
    /// The rows in work, on the unit scale, and which pixels are missing.
    window: Option<Window>,
    /// The next row of the preview.
    preview_row: usize,
    /// `[patches, width]`, of length 1; zeros where there is none.
    embeddings: Vec<f32>,
    states: Vec<u8>,
}

enum Source {
    /// Decoded whole.
    Picture(Box<Picture>),
    Tiff(Box<TiffRows<PartReader>>),
}

struct Window {
    first_row: usize,
    tile: Tile,
    missing: Vec<bool>,
}

impl Scene {
    /// Reads a picture's header, decides how it is cut and read, and looks at some of its rows.
    ///
    /// # Errors
    /// When it is no picture, is damaged, too large, too small, or has other bands.
    pub fn open(file: PartReader, runtime: &Runtime, cutting: Cutting, reading: &Reading) -> Result<Self, Refusal> {
        let wanted = runtime.wanted();
        let (mut source, mut units, (width, height), format) = open_source(file, &wanted, reading)?;
        let input_px = runtime.input_px();
        let grid = grid_of(width, height, input_px, cutting)?;
        check_patches(&grid, runtime.embedding_width())?;
        let georeference = match &source {
            Source::Tiff(rows) => rows.header().georeference.clone(),
            Source::Picture(_) => None,
        };
        let preview_step = width.max(height).div_ceil(PREVIEW_PX);
        // Two dates are compared as they are: a fit would take away what has changed between them.
        let extent = if cutting == Cutting::Squares { Extent::Tile } else { Extent::Scene };
        settle(&mut source, &mut units, (width, height), &wanted, extent, reading)?;
        let pixel_m = georeference.as_ref().map(|place| place.pixel_m(width, height));
        let of_values = units.taken.range.and_then(|[low, high]| doubt::of_values(low, high));
        let doubts = pixel_m.and_then(doubt::of_pixel_size).into_iter().chain(of_values).collect();
        let card = SceneCard { grid, format, taken: units.taken.clone(), georeference, preview_step, doubts };
        let (mut embeddings, states) = (Vec::new(), vec![WAITING; grid.count()]);
        let values = grid.count() * runtime.embedding_width();
        embeddings.try_reserve_exact(values).map_err(|_| too_many(&grid, 0))?;
        embeddings.resize(values, 0.0);
        Ok(Self { card, input_px, source, units, window: None, preview_row: 0, embeddings, states })
    }

    /// What the page is told.
    #[must_use]
    pub fn card(&self) -> SceneCard {
        self.card.clone()
    }

    /// Reads and cuts up to `patches` from `first` on; best in order, since files are read from top to bottom.
    ///
    /// # Errors
    /// When the file is damaged, or cannot be read any more.
    pub fn cut(&mut self, first: usize, patches: usize, is_to_look_at: bool) -> Result<Cut, Problem> {
        let preview_row = self.preview_row;
        let (mut pixels, mut states, mut preview) = (Vec::new(), Vec::new(), Vec::new());
        let patch_px = self.card.grid.patch_px;
        for patch in first..self.card.grid.count().min(first.saturating_add(patches)) {
            let (left, top) = self.card.grid.corner(patch);
            self.load(top, &mut preview)?;
            let Some(window) = &self.window else { break };
            if is_to_look_at {
                continue;
            }
            if window.is_empty_at(left, top, patch_px) {
                states.push(NO_DATA);
            } else {
                let tile = preprocess::crop(&window.tile, top - window.first_row, left, patch_px, patch_px);
                let mut tile = tile.map_err(|error| damaged(&error))?;
                if patch_px != self.input_px {
                    tile = preprocess::resize(&tile, self.input_px, self.input_px);
                }
                pixels.extend_from_slice(tile.pixels());
                states.push(ANSWERED);
            }
        }
        let traffic = match &mut self.source {
            Source::Picture(_) => Traffic::default(),
            Source::Tiff(rows) => rows.reader().traffic(),
        };
        Ok(Cut { states, pixels: packed(&pixels), traffic, preview_row, preview })
    }

    /// Keeps what became of the patches from `first` on: a state each, and the embeddings of those that were classified.
    pub fn keep(&mut self, first: usize, states: &[u8], embeddings: &[f32]) {
        let width = self.embeddings.len() / self.states.len().max(1);
        let mut embeddings = embeddings.chunks_exact(width.max(1));
        for (patch, state) in (first..self.states.len()).zip(states) {
            if *state == ANSWERED {
                let Some(embedding) = embeddings.next() else { return };
                self.embeddings[patch * width..(patch + 1) * width].copy_from_slice(embedding);
            }
            self.states[patch] = *state;
        }
    }

    /// Cosine similarity of every patch so far to one of them; NaN where there is no data. `None` when that one has none.
    #[must_use]
    pub fn similar(&self, patch: usize) -> Option<Vec<f32>> {
        let width = self.embeddings.len() / self.states.len().max(1);
        let query = self.embeddings.get(patch * width..(patch + 1) * width)?;
        if self.states.get(patch) != Some(&ANSWERED) || width == 0 {
            return None;
        }
        let similarity = |(state, row): (&u8, &[f32])| if *state == ANSWERED { dot(query, row) } else { f32::NAN };
        Some(self.states.iter().zip(self.embeddings.chunks_exact(width)).map(similarity).collect())
    }

    /// Makes sure that the rows of a patch are there; new ones go into the preview.
    fn load(&mut self, top: usize, preview: &mut Vec<u8>) -> Result<(), Problem> {
        if self.window.as_ref().is_some_and(|window| window.first_row == top) {
            return Ok(());
        }
        let grid = self.card.grid;
        let (bottom, step) = (top + grid.patch_px, self.card.preview_step);
        // A row of the preview may need rows of the picture from above the patch.
        let first = top.min(self.preview_row * step);
        let missing_and_tile = |samples: &[&[f32]], units: &Units, rows: usize| {
            let missing = (0..rows * grid.width).map(|pixel| units.is_missing(samples, pixel)).collect::<Vec<_>>();
            units.tile(samples, rows, grid.width).map(|tile| (missing, tile))
        };
        let rows = bottom - first;
        let planes = &self.units.taken.planes;
        let (missing, mut tile) = match &mut self.source {
            Source::Picture(picture) => {
                let samples: Vec<Vec<f32>> = planes.iter().map(|&plane| picture.rows(plane, first..bottom)).collect();
                let samples: Vec<&[f32]> = samples.iter().map(Vec::as_slice).collect();
                missing_and_tile(&samples, &self.units, rows)?
            }
            Source::Tiff(tiff) => missing_and_tile(&tiff.rows(planes, first..bottom)?, &self.units, rows)?,
        };
        // What is missing may be no number; the patches that are classified have little of it.
        for value in tile.pixels_mut().iter_mut().filter(|value| !value.is_finite()) {
            *value = 0.0;
        }
        let is_last = bottom >= grid.height;
        let ready = if is_last { grid.height.div_ceil(step) } else { bottom / step };
        for row in self.preview_row..ready {
            let (from, to) = (row * step - first, ((row + 1) * step).min(grid.height) - first);
            preview.extend(preview_line(&tile, &missing, from, to, step));
        }
        self.preview_row = self.preview_row.max(ready);
        self.window = Some(Window { first_row: first, tile, missing }.below(top, grid.width)?);
        Ok(())
    }
}

impl Window {
    /// Without what lies above `top`.
    fn below(mut self, top: usize, width: usize) -> Result<Self, Problem> {
        let above = top - self.first_row;
        if above > 0 {
            let rows = self.tile.height() - above;
            self.tile = preprocess::crop(&self.tile, above, 0, rows, width).map_err(|error| damaged(&error))?;
            self.missing.drain(..above * width);
            self.first_row = top;
        }
        Ok(self)
    }

    /// Whether more than half of a patch is missing.
    fn is_empty_at(&self, left: usize, top: usize, patch_px: usize) -> bool {
        let width = self.tile.width();
        let lines = self.missing.chunks_exact(width).skip(top - self.first_row).take(patch_px);
        let missing: usize = lines.map(|line| line[left..left + patch_px].iter().filter(|gone| **gone).count()).sum();
        missing * 2 > patch_px * patch_px
    }
}

/// One row of the preview: the mean of `step` × `step` pixels; transparent where all are missing.
fn preview_line(tile: &Tile, missing: &[bool], from: usize, to: usize, step: usize) -> Vec<u8> {
    let width = tile.width();
    let mut line = Vec::with_capacity(width.div_ceil(step) * 4);
    for left in (0..width).step_by(step) {
        let right = (left + step).min(width);
        let mut sums = [0.0_f32; 3];
        let mut seen = 0;
        for pixel in (from..to).flat_map(|row| (left..right).map(move |column| row * width + column)) {
            if !missing[pixel] {
                seen += 1;
                for (band, sum) in sums.iter_mut().enumerate() {
                    *sum += tile.plane(band.min(tile.bands() - 1))[pixel];
                }
            }
        }
        let byte = |sum: f32| (sum / seen.max(1) as f32 * 255.0).round().clamp(0.0, 255.0) as u8;
        line.extend(sums.map(byte));
        line.push(if seen > 0 { 255 } else { 0 });
    }
    line
}

type Opened = (Source, Units, (usize, usize), String);

fn open_source(mut reader: PartReader, wanted: &Wanted, reading: &Reading) -> Result<Opened, Refusal> {
    let mut head = vec![0; reader.len().min(64) as usize];
    reader.read_exact(&mut head).map_err(unreadable)?;
    let format = match Format::of(&head) {
        _ if raster::is_tiff(&head) => None,
        Some(format) => Some(format),
        None => return Err(decode::unknown_format(&head).into()),
    };
    let Some(format) = format else {
        reader.rewind().map_err(unreadable)?;
        let rows = TiffRows::open(reader)?;
        let header = rows.header();
        let units = Units::new(&header.bands, header.depth, header.no_data, wanted, reading)?;
        let format = format!("TIFF, {}", header.depth.label());
        let size = (header.width, header.height);
        return Ok((Source::Tiff(Box::new(rows)), units, size, format));
    };
    if reader.is_remote() {
        return Err(Problem::new(
            "Only TIFFs can be read in parts",
            "The file at this address is a picture of another kind, which must be decoded whole.",
            "Download it and open it from disk.",
        )
        .into());
    }
    if reader.len() > MAX_FILE_BYTES {
        return Err(too_large(&format!("The file has {} MB", reader.len() >> 20)).into());
    }
    let mut bytes = head;
    reader.read_to_end(&mut bytes).map_err(unreadable)?;
    let (width, height) = format.size(&bytes)?;
    if format.decoded_bytes(&bytes, (width, height)) > MAX_DECODED_BYTES {
        return Err(too_large(&format!("It is {width} × {height} pixels")).into());
    }
    let picture = Picture::decode(&bytes, format)?;
    let units = Units::new(&picture.bands, picture.depth, None, wanted, reading)?;
    let format = picture.format();
    Ok((Source::Picture(Box::new(picture)), units, (width as usize, height as usize), format))
}

/// The file, or a part of it, cannot be had.
pub fn unreadable(error: std::io::Error) -> Problem {
    Problem::new("This file cannot be read", format!("{error}."), "Choose the file again.")
}

/// Decides offset and stretch by some rows all over the picture.
fn settle(
    source: &mut Source,
    units: &mut Units,
    (width, height): (usize, usize),
    wanted: &Wanted,
    extent: Extent,
    reading: &Reading,
) -> Result<(), Problem> {
    let planes = units.taken.planes.clone();
    let mut samples = vec![Vec::new(); planes.len()];
    let is_remote = matches!(source, Source::Tiff(tiff) if tiff.reader().is_remote());
    let is_whole = width * height <= LOOKED_AT_WHOLE && !is_remote;
    let (places, count) = match (is_whole, is_remote) {
        (true, _) => (1, height),
        (false, true) => (SAMPLED_PLACES_REMOTE, SAMPLED_ROWS),
        (false, false) => (SAMPLED_PLACES, SAMPLED_ROWS),
    };
    for place in 0..places {
        let first = height.saturating_sub(count) * place / (places - 1).max(1);
        let rows = first..(first + count).min(height);
        match source {
            Source::Picture(picture) => {
                samples.iter_mut().zip(&planes).for_each(|(all, &plane)| all.extend(picture.rows(plane, rows.clone())));
            }
            Source::Tiff(tiff) => {
                let found = tiff.rows(&planes, rows)?;
                samples.iter_mut().zip(found).for_each(|(all, new)| all.extend_from_slice(new));
            }
        }
    }
    let in_metadata = match source {
        Source::Tiff(tiff) => tiff.header().dn_offset,
        Source::Picture(_) => None,
    };
    let samples: Vec<&[f32]> = samples.iter().map(Vec::as_slice).collect();
    units.settle(reading, in_metadata, wanted, extent, &samples);
    Ok(())
}

fn grid_of(width: usize, height: usize, input_px: usize, cutting: Cutting) -> Result<Grid, Problem> {
    let (grid, needs) = match cutting {
        Cutting::Map { stride_px } => (
            Grid::new(width, height, input_px, stride_px),
            format!("a patch is {input_px}, from one to the next {stride_px}"),
        ),
        Cutting::Squares => (
            Patches::of(width, height).map(|patches| patches.grid()),
            format!("its shorter side needs {MIN_SIDE_PX}, and it must be no narrow strip"),
        ),
    };
    grid.ok_or_else(|| {
        Problem::new(
            "This picture cannot be cut into patches",
            format!("It is {width} × {height} pixels; {needs}."),
            "Classify it as one tile, or choose a larger picture.",
        )
    })
}

fn check_patches(grid: &Grid, embedding_width: usize) -> Result<(), Problem> {
    let most = MAX_EMBEDDING_BYTES / (embedding_width * 4).max(1);
    if grid.count() <= most { Ok(()) } else { Err(too_many(grid, most)) }
}

fn too_many(grid: &Grid, most: usize) -> Problem {
    let limit = if most > 0 { format!("at most {most} fit") } else { "they do not fit".to_owned() };
    Problem::new(
        "These are too many patches for one map",
        format!("A patch every {} pixels makes {} of them; {limit} into memory.", grid.stride_px, grid.count()),
        "Choose a larger stride.",
    )
}

fn too_large(what: &str) -> Problem {
    Problem::new(
        "This picture is too large to be decoded",
        format!("{what}; a JPEG, PNG or WebP is decoded whole, and may take {} MB then.", MAX_DECODED_BYTES >> 20),
        "Convert it to a TIFF in tiles, which is read in parts: gdal_translate -co TILED=YES -co COMPRESS=DEFLATE.",
    )
}
