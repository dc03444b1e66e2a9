//! Files into tiles, with the decoders that the trainer uses, so that both see the same pixels.
//!
//! This runs inside the worker, off the main thread. Sizes are read from the header and capped before anything is
//! allocated.

use std::io::Cursor;

use shared::preprocess;
use shared::tile::Tile;

use super::picture::{Format, Picture};
use super::tiff_rows::TiffRows;
use super::units::{Extent, Units, Wanted};
use crate::problem::Problem;
use crate::scene::bands::Refusal;
use crate::scene::reading::{Reading, Taken};

/// Largest picture that is decoded whole: 4096 × 4096.
pub const MAX_PIXELS: u64 = 4096 * 4096;
/// Longest side of a preview.
const PREVIEW_PX: usize = 192;

/// A decoded file.
pub struct Decoded {
    /// As many bands as the model wants.
    pub tile: Tile,
    /// Bands in the file.
    pub bands: usize,
    /// Format and depth, in words.
    pub format: String,
    /// Which of its bands were taken, and how their values are read.
    pub taken: Taken,
    /// For formats that a browser cannot show by itself.
    pub preview: Option<Preview>,
}

/// A small RGBA picture.
pub struct Preview {
    /// Pixels across.
    pub width: usize,
    /// `width · height · 4` bytes.
    pub rgba: Vec<u8>,
}

/// Decodes `bytes` for a model that wants `wanted`, reading values as `reading` says.
///
/// # Errors
/// When the file is no picture, is damaged, too large, or has other bands.
pub fn decode(bytes: &[u8], wanted: &Wanted, reading: &Reading) -> Result<Decoded, Refusal> {
    if raster::is_tiff(bytes) {
        return decode_tiff(bytes, wanted, reading);
    }
    match Format::of(bytes) {
        Some(format) => decode_picture(bytes, format, wanted, reading),
        None => Err(unknown_format(bytes).into()),
    }
}

/// The refusal of a file that is no picture.
pub(super) fn unknown_format(bytes: &[u8]) -> Problem {
    let what = "This file is not a picture that can be read";
    let remedy = "Use a PNG, JPEG, WebP, TIFF or GeoTIFF file.";
    let head = &bytes[..bytes.len().min(64)];
    if bytes.is_empty() {
        return Problem::new(what, "The file is empty.", remedy);
    }
    let why = match std::str::from_utf8(head) {
        Ok(text) if !text.contains('\0') => {
            let start: String = text.chars().take(24).map(|c| if c.is_control() { ' ' } else { c }).collect();
            format!("Its content is text, whatever its name says; it begins “{}”.", start.trim())
        }
        _ => "Its first bytes belong to no known picture format.".to_owned(),
    };
    Problem::new(what, why, remedy)
}

fn check_size(width: u32, height: u32) -> Result<(), Problem> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS || pixels == 0 {
        return Err(Problem::new(
            "This picture is too large to read as one tile",
            format!("It is {width} × {height} pixels; at most {} million are decoded at once.", MAX_PIXELS / 1_000_000),
            "Drop it alone to get a class map of it, cut the area of interest out of it, or scale it down.",
        ));
    }
    Ok(())
}

/// JPEG, PNG, WebP.
fn decode_picture(bytes: &[u8], format: Format, wanted: &Wanted, reading: &Reading) -> Result<Decoded, Refusal> {
    let (width, height) = format.size(bytes)?;
    check_size(width, height)?;
    let picture = Picture::decode(bytes, format)?;
    let mut units = Units::new(&picture.bands, picture.depth, None, wanted, reading)?;
    let samples: Vec<Vec<f32>> =
        units.taken.planes.iter().map(|&plane| picture.rows(plane, 0..height as usize)).collect();
    let samples: Vec<&[f32]> = samples.iter().map(Vec::as_slice).collect();
    units.settle(reading, None, wanted, Extent::Tile, &samples);
    Ok(Decoded {
        tile: units.tile(&samples, height as usize, width as usize)?,
        bands: picture.bands.count,
        format: picture.format(),
        taken: units.taken,
        preview: None,
    })
}

/// TIFF and GeoTIFF: 8-bit, 16-bit digital numbers, or f32 reflectance; any number of bands, chunky or planar.
fn decode_tiff(bytes: &[u8], wanted: &Wanted, reading: &Reading) -> Result<Decoded, Refusal> {
    let mut rows = TiffRows::open(Cursor::new(bytes))?;
    let header = rows.header().clone();
    let (width, height) = (header.width, header.height);
    check_size(width as u32, height as u32)?;
    let mut units = Units::new(&header.bands, header.depth, header.no_data, wanted, reading)?;
    let read = rows.rows(&units.taken.planes, 0..height)?;
    let samples =
        if header.no_data.is_some() { filled(&read)? } else { read.iter().map(|band| band.to_vec()).collect() };
    let samples: Vec<&[f32]> = samples.iter().map(Vec::as_slice).collect();
    units.settle(reading, header.dn_offset, wanted, Extent::Tile, &samples);
    let tile = units.tile(&samples, height, width)?;
    if samples.iter().any(|band| !band.iter().all(|value| value.is_finite())) {
        return Err(Problem::new(
            "This picture has holes",
            "Some of its values are NaN or infinite, the usual mark of missing data.",
            "Fill them, or cut an area without them.",
        )
        .into());
    }
    let is_dark = units.taken.is_reflectance && units.taken.white.is_none();
    let preview = preview(&tile, is_dark);
    let format = format!("TIFF, {}", header.stored);
    Ok(Decoded { tile, bands: header.bands.count, format, taken: units.taken, preview: Some(preview) })
}

/// Bands in which what stands for nothing has the mean of the rest, as the trainer has it.
fn filled(bands: &[&[f32]]) -> Result<Vec<Vec<f32>>, Problem> {
    let pixels = bands.first().map_or(0, |band| band.len());
    let missing = (0..pixels).filter(|pixel| bands.iter().any(|band| band[*pixel].is_nan())).count();
    if missing * 2 > pixels {
        return Err(Problem::new(
            "Most of this picture is missing",
            format!("{} % of its pixels hold what the file says stands for nothing.", missing * 100 / pixels.max(1)),
            "Cut an area out of it that is there.",
        ));
    }
    let fill = |band: &&[f32]| {
        let seen = || band.iter().filter(|value| !value.is_nan());
        let mean = (seen().map(|value| f64::from(*value)).sum::<f64>() / seen().count().max(1) as f64) as f32;
        band.iter().map(|value| if value.is_nan() { mean } else { *value }).collect()
    };
    Ok(bands.iter().map(fill).collect())
}

/// The first three bands; reflectance, which is dark as it is, is stretched between the tile's own extremes.
fn preview(tile: &Tile, is_reflectance: bool) -> Preview {
    let scale = PREVIEW_PX as f32 / tile.height().max(tile.width()) as f32;
    let small = if scale < 1.0 {
        let side = |length: usize| ((length as f32 * scale).round() as usize).max(1);
        preprocess::resize(tile, side(tile.height()), side(tile.width()))
    } else {
        tile.clone()
    };
    let channel = |index: usize| small.plane(index.min(small.bands() - 1));
    let (low, high) = if is_reflectance { extremes((0..3).flat_map(&channel).copied()) } else { (0.0, 1.0) };
    let byte = |value: f32| ((value - low) / (high - low) * 255.0).round().clamp(0.0, 255.0) as u8;
    let rgba = (0..small.height() * small.width())
        .flat_map(|pixel| [byte(channel(0)[pixel]), byte(channel(1)[pixel]), byte(channel(2)[pixel]), 255])
        .collect();
    Preview { width: small.width(), rgba }
}

/// What 1 % of the values are under, and what 1 % are over.
fn extremes(values: impl Iterator<Item = f32>) -> (f32, f32) {
    let mut sorted: Vec<f32> = values.filter(|value| value.is_finite()).collect();
    sorted.sort_by(f32::total_cmp);
    let quantile = |q: f32| sorted.get(((sorted.len().max(1) - 1) as f32 * q) as usize).copied().unwrap_or(0.0);
    (quantile(0.01), quantile(0.99).max(quantile(0.01) + 1e-6))
}
