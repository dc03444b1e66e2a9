//! Files into tiles, with the decoders that the trainer uses, so that both see the same pixels.
//!
//! This runs inside the worker, off the main thread. Sizes are read from the header and capped before anything is
//! allocated.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, ImageReader};
use shared::bands::Bands;
use shared::preprocess;
use shared::tile::Tile;
use tiff::TiffError;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;

use crate::problem::Problem;

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

/// Decodes `bytes` for a model that wants `wanted`.
///
/// # Errors
/// When the file is no picture, is damaged, too large, or has other bands.
pub fn decode(bytes: &[u8], wanted: &Bands) -> Result<Decoded, Problem> {
    match image::guess_format(bytes) {
        Ok(ImageFormat::Tiff) => decode_tiff(bytes, wanted),
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) => {
            decode_picture(bytes, format, wanted)
        }
        _ => Err(unknown_format(bytes)),
    }
}

fn unknown_format(bytes: &[u8]) -> Problem {
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

fn damaged(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        "This picture is damaged",
        format!("Decoding stopped: {error}."),
        "Save or download the file again, and check that it opens elsewhere.",
    )
}

fn check_size(width: u32, height: u32) -> Result<(), Problem> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS || pixels == 0 {
        return Err(Problem::new(
            "This picture is too large to read as one tile",
            format!("It is {width} × {height} pixels; at most {} million are decoded at once.", MAX_PIXELS / 1_000_000),
            "Cut the area of interest out of it, or scale it down.",
        ));
    }
    Ok(())
}

/// JPEG, PNG, WebP.
fn decode_picture(bytes: &[u8], format: ImageFormat, wanted: &Bands) -> Result<Decoded, Problem> {
    let reader = || ImageReader::with_format(Cursor::new(bytes), format);
    let (width, height) = match png_size(bytes) {
        Some(size) => size,
        None => reader().into_dimensions().map_err(|error| damaged(&error))?,
    };
    check_size(width, height)?;
    let picture = reader().decode().map_err(|error| damaged(&error))?;
    let (w, h) = (width as usize, height as usize);
    let has_16_bits = picture.color().bytes_per_pixel() / picture.color().channel_count() == 2;
    let (bands, tile) = match picture {
        DynamicImage::ImageLuma8(grey) => (1, Tile::from_interleaved_u8(1, h, w, grey.as_raw())),
        DynamicImage::ImageLumaA8(_) => (1, Tile::from_interleaved_u8(1, h, w, picture.to_luma8().as_raw())),
        DynamicImage::ImageRgb8(rgb) => (3, Tile::from_interleaved_u8(3, h, w, rgb.as_raw())),
        DynamicImage::ImageLuma16(grey) => (1, Tile::from_interleaved_u16(1, h, w, grey.as_raw(), 0)),
        DynamicImage::ImageLumaA16(_) => (1, Tile::from_interleaved_u16(1, h, w, picture.to_luma16().as_raw(), 0)),
        DynamicImage::ImageRgb16(_) | DynamicImage::ImageRgba16(_) => {
            (3, Tile::from_interleaved_u16(3, h, w, picture.to_rgb16().as_raw(), 0))
        }
        other => (3, Tile::from_rgba8(h, w, other.to_rgba8().as_raw())),
    };
    let tile = tile.map_err(|error| damaged(&error))?;
    let name = match format {
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Png => "PNG",
        _ => "WebP",
    };
    Ok(Decoded {
        tile: match_bands(tile, wanted)?,
        bands,
        format: if has_16_bits { format!("{name}, 16-bit") } else { name.to_owned() },
        preview: None,
    })
}

/// Width and height in a PNG's header. (Its decoder refuses sizes that 32 bits cannot address before it tells them.)
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(8..16)?;
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    Some((number(0), number(4)))
}

/// TIFF and GeoTIFF: 8-bit, 16-bit digital numbers, or f32 reflectance; any number of bands, chunky or planar.
fn decode_tiff(bytes: &[u8], wanted: &Bands) -> Result<Decoded, Problem> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = 512 << 20;
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(|error| unreadable_tiff(&error))?.with_limits(limits);
    let (width, height) = decoder.dimensions().map_err(|error| unreadable_tiff(&error))?;
    check_size(width, height)?;
    let samples = usize::from(decoder.colortype().map_err(|error| unreadable_tiff(&error))?.num_samples());
    let is_planar = matches!(decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration), Ok(Some(2)));
    let mut raw = DecodingResult::U8(Vec::new());
    decoder.read_image_to_buffer(&mut raw).map_err(|error| unreadable_tiff(&error))?;
    let (w, h) = (width as usize, height as usize);
    let values = w * h * samples;
    let (depth, tile) = match &raw {
        DecodingResult::U8(data) if data.len() == values => {
            ("8-bit", Tile::from_interleaved_u8(samples, h, w, &interleaved(data, samples, is_planar)))
        }
        DecodingResult::U16(data) if data.len() == values => {
            ("16-bit", Tile::from_interleaved_u16(samples, h, w, &interleaved(data, samples, is_planar), 0))
        }
        DecodingResult::F32(data) if data.len() == values => {
            ("32-bit float", Tile::new(samples, h, w, planar(data, samples, is_planar)))
        }
        _ => {
            return Err(unsupported_tiff("Its samples are of another kind."));
        }
    };
    let mut tile = tile.map_err(|error| damaged(&error))?;
    if samples == 4 && wanted.len() == 3 {
        tile = tile.select(&[0, 1, 2]).map_err(|error| damaged(&error))?;
    }
    let tile = match_bands(tile, wanted)?;
    if !tile.pixels().iter().all(|value| value.is_finite()) {
        return Err(Problem::new(
            "This picture has holes",
            "Some of its values are NaN or infinite, the usual mark of missing data.",
            "Fill them, or cut an area without them.",
        ));
    }
    let preview = preview(&tile, depth != "8-bit");
    Ok(Decoded { tile, bands: samples, format: format!("TIFF, {depth}"), preview: Some(preview) })
}

fn unreadable_tiff(error: &TiffError) -> Problem {
    match error {
        TiffError::UnsupportedError(what) => unsupported_tiff(&format!("The reader says: {what}.")),
        _ => damaged(error),
    }
}

fn unsupported_tiff(why: &str) -> Problem {
    Problem::new(
        "This TIFF stores its samples in a way that is not supported",
        format!("{why} 8-bit, 16-bit unsigned and 32-bit float samples are read."),
        "Convert it, for example with gdal_translate -ot UInt16 -co COMPRESS=NONE.",
    )
}

/// `[band][pixel]` → `[pixel][band]`, when it is planar.
fn interleaved<T: Copy>(data: &[T], bands: usize, is_planar: bool) -> Vec<T> {
    let pixels = data.len() / bands;
    if !is_planar {
        return data.to_vec();
    }
    (0..pixels).flat_map(|pixel| (0..bands).map(move |band| data[band * pixels + pixel])).collect()
}

/// `[pixel][band]` → `[band][pixel]`, when it is not planar.
fn planar<T: Copy>(data: &[T], bands: usize, is_planar: bool) -> Vec<T> {
    let pixels = data.len() / bands;
    if is_planar {
        return data.to_vec();
    }
    (0..bands).flat_map(|band| (0..pixels).map(move |pixel| data[pixel * bands + band])).collect()
}

/// A grey picture stands for all bands of an RGB model; anything else must have the model's number of bands.
fn match_bands(tile: Tile, wanted: &Bands) -> Result<Tile, Problem> {
    if tile.bands() == wanted.len() {
        return Ok(tile);
    }
    if tile.bands() == 1 && *wanted == Bands::rgb() {
        return tile.select(&[0, 0, 0]).map_err(|error| damaged(&error));
    }
    let names: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    Err(Problem::new(
        "This picture has the wrong bands for the model",
        format!("It has {}; the model wants {} ({}).", tile.bands(), wanted.len(), names.join(", ")),
        format!("Export the bands {} in this order.", names.join(", ")),
    ))
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
