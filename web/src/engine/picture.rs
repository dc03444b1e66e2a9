//! JPEG, PNG and WebP, decoded whole, by the decoders that the trainer's `image` stands on and with its settings, so that
//! both see the same pixels.
//!
//! `image` itself would bring a second copy of each decoder into the worker, beside those that blocks of TIFFs are read with.

use std::fmt::Display;
use std::io::Cursor;

use image_webp::WebPDecoder;
use png::{BitDepth, ColorType, Transformations};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::tiff_rows::{Depth, damaged};
use crate::problem::Problem;
use crate::scene::bands::FileBands;

/// What kind of picture it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Its first bytes are those of a JPEG.
    Jpeg,
    /// Of a PNG.
    Png,
    /// Of a WebP.
    WebP,
}

/// A picture as it was decoded; its alpha is left out when it is read.
pub(super) struct Picture {
    name: &'static str,
    /// Pixels across.
    pub width: usize,
    /// What is known of its bands.
    pub bands: FileBands,
    /// How its samples are stored.
    pub depth: Depth,
    /// Samples of a pixel, alpha included.
    stride: usize,
    pixels: Pixels,
}

enum Pixels {
    Eight(Vec<u8>),
    Sixteen(Vec<u16>),
}

/// Pixels across, samples of a pixel, and the samples.
type Decoded = (usize, usize, Pixels);

impl Format {
    /// By the first bytes; `None` for none of them.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            _ => bytes.starts_with(b"\x89PNG\r\n\x1a\n").then_some(Self::Png),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
        }
    }

    /// Width and height from the header, so that they can be capped before anything is allocated.
    pub fn size(self, bytes: &[u8]) -> Result<(u32, u32), Problem> {
        match self {
            Self::Png => png_size(bytes).ok_or_else(|| broken("its header is cut short")),
            Self::WebP => Ok(webp(bytes)?.dimensions()),
            Self::Jpeg => {
                let mut decoder = jpeg(bytes);
                decoder.decode_headers().map_err(of_jpeg)?;
                let (width, height) = decoder.dimensions().ok_or_else(|| broken("it has no frame"))?;
                Ok((width as u32, height as u32))
            }
        }
    }

    /// Bytes that a picture takes once it is decoded.
    #[cfg(feature = "worker")]
    pub fn decoded_bytes(self, bytes: &[u8], (width, height): (u32, u32)) -> u64 {
        let (depth, kind) = (bytes.get(24).copied(), bytes.get(25).copied());
        let samples = match (self, kind) {
            (Self::Jpeg, _) | (Self::Png, Some(2)) => 3,
            (Self::Png, Some(0)) => 1,
            (Self::Png, Some(4)) => 2,
            _ => 4,
        };
        let wide = if self == Self::Png && depth == Some(16) { 2 } else { 1 };
        u64::from(width) * u64::from(height) * samples * wide
    }
}

impl Picture {
    /// Decodes it whole: cap its size first.
    pub fn decode(bytes: &[u8], format: Format) -> Result<Self, Problem> {
        let (width, stride, pixels) = match format {
            Format::Jpeg => decode_jpeg(bytes)?,
            Format::Png => decode_png(bytes)?,
            Format::WebP => decode_webp(bytes)?,
        };
        let count = if stride < 3 { 1 } else { 3 };
        let depth = if matches!(pixels, Pixels::Eight(_)) { Depth::U8 } else { Depth::U16 };
        let bands = FileBands {
            count,
            names: Vec::new(),
            is_rgb: count == 3,
            is_picture: depth == Depth::U8,
            ..FileBands::default()
        };
        Ok(Self { name: format.name(), width, bands, depth, stride, pixels })
    }

    /// Samples of some rows of one band.
    pub fn rows(&self, plane: usize, rows: std::ops::Range<usize>) -> Vec<f32> {
        let part = rows.start * self.width * self.stride..rows.end * self.width * self.stride;
        match &self.pixels {
            Pixels::Eight(values) => values[part][plane..].iter().step_by(self.stride).map(|v| f32::from(*v)).collect(),
            Pixels::Sixteen(values) => {
                values[part][plane..].iter().step_by(self.stride).map(|v| f32::from(*v)).collect()
            }
        }
    }

    /// Format and depth, in words.
    pub fn format(&self) -> String {
        if self.depth == Depth::U16 { format!("{}, 16-bit", self.name) } else { self.name.to_owned() }
    }
}

fn decode_jpeg(bytes: &[u8]) -> Result<Decoded, Problem> {
    let mut decoder = jpeg(bytes);
    decoder.decode_headers().map_err(of_jpeg)?;
    // Grey stays grey; all else becomes red, green and blue.
    let (out, stride) = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => (ColorSpace::Luma, 1),
        Some(ColorSpace::LumaA) => (ColorSpace::LumaA, 2),
        Some(ColorSpace::RGBA) => (ColorSpace::RGBA, 4),
        _ => (ColorSpace::RGB, 3),
    };
    let options = decoder.options().jpeg_set_out_colorspace(out);
    decoder.set_options(options);
    let pixels = decoder.decode().map_err(of_jpeg)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    if pixels.len() != width * height * stride {
        return Err(broken(format!("{} samples for {width} × {height} pixels", pixels.len())));
    }
    Ok((width, stride, Pixels::Eight(pixels)))
}

fn jpeg(bytes: &[u8]) -> JpegDecoder<ZCursor<&[u8]>> {
    let options = DecoderOptions::default().set_strict_mode(false).set_max_width(usize::MAX).set_max_height(usize::MAX);
    JpegDecoder::new_with_options(ZCursor::new(bytes), options)
}

fn decode_png(bytes: &[u8]) -> Result<Decoded, Problem> {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: usize::MAX });
    // Fewer bits than eight become eight, a palette its colours, a transparent colour an alpha.
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(broken)?;
    let (colour, depth) = reader.output_color_type();
    let stride = match colour {
        ColorType::Grayscale => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
        ColorType::Indexed => return Err(broken("its palette is missing")),
    };
    let len = reader.output_buffer_size().ok_or_else(|| broken("it is larger than memory"))?;
    let mut samples = vec![0; len];
    reader.next_frame(&mut samples).map_err(broken)?;
    let width = reader.info().width as usize;
    let pixels = match depth {
        BitDepth::Sixteen => {
            Pixels::Sixteen(samples.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect())
        }
        _ => Pixels::Eight(samples),
    };
    Ok((width, stride, pixels))
}

fn decode_webp(bytes: &[u8]) -> Result<Decoded, Problem> {
    let mut decoder = webp(bytes)?;
    let (width, _) = decoder.dimensions();
    let len = decoder.output_buffer_size().ok_or_else(|| broken("it is larger than memory"))?;
    let mut samples = vec![0; len];
    decoder.read_image(&mut samples).map_err(broken)?;
    Ok((width as usize, if decoder.has_alpha() { 4 } else { 3 }, Pixels::Eight(samples)))
}

fn webp(bytes: &[u8]) -> Result<WebPDecoder<Cursor<&[u8]>>, Problem> {
    WebPDecoder::new(Cursor::new(bytes)).map_err(broken)
}

/// Width and height in a PNG's header. (Its decoder refuses sizes that 32 bits cannot address before it tells them.)
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(8..16)?;
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    Some((number(0), number(4)))
}

fn broken(why: impl Display) -> Problem {
    damaged(&why)
}

fn of_jpeg(error: zune_jpeg::errors::DecodeErrors) -> Problem {
    let text = format!("{error:?}");
    broken(text.trim_matches('"'))
}

#[cfg(test)]
mod tests;
