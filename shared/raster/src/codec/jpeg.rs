//! Blocks that are JPEGs, whose tables may stand in a tag of their own.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::MAX_BLOCK_BYTES;
use crate::error::{RECODE, RasterError};
use crate::layout::Layout;

/// The samples of a block, as wide as blocks are.
pub(crate) fn decode(bytes: &[u8], layout: &Layout) -> Result<Vec<u8>, RasterError> {
    let damaged = |why: String| RasterError::damaged(format!("a block's JPEG cannot be decoded ({why})"));
    // A file of tables is one without a picture: its end gives way to the block's beginning.
    let whole = match layout.jpeg_tables.as_deref().and_then(|tables| tables.strip_suffix(&[0xff, 0xd9])) {
        Some(tables) => [tables, bytes.strip_prefix(&[0xff, 0xd8]).unwrap_or(bytes)].concat(),
        None => bytes.to_vec(),
    };
    if has_deep_samples(&whole) {
        return Err(RasterError::unsupported("JPEG compression of 12 bits", RECODE));
    }
    let mut decoder = JpegDecoder::new(ZCursor::new(whole.as_slice()));
    decoder.decode_headers().map_err(|error| damaged(one_line(&error)))?;
    let info = decoder.info().ok_or_else(|| damaged("no header".to_owned()))?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    let samples = usize::from(info.components);
    if samples != layout.stride() {
        return Err(damaged(format!("{samples} components for {} samples", layout.stride())));
    }
    if width.saturating_mul(height).saturating_mul(samples) > MAX_BLOCK_BYTES {
        return Err(damaged(format!("{width} x {height} pixels")));
    }
    // What the block's samples are stands in the TIFF: the JPEG's own guess is only undone where they are Y, Cb, Cr.
    let own = decoder.input_colorspace().unwrap_or(ColorSpace::Unknown);
    let out = if layout.is_ycbcr && samples == 3 { ColorSpace::RGB } else { own };
    decoder.set_options(DecoderOptions::default().set_strict_mode(true).jpeg_set_out_colorspace(out));
    let pixels = decoder.decode().map_err(|error| damaged(one_line(&error)))?;
    if pixels.len() != width * height * samples {
        return Err(damaged(format!("{} samples", pixels.len())));
    }
    let (from, to) = (width * samples, layout.block_width * layout.stride());
    if from == to {
        return Ok(pixels);
    }
    let mut rows = vec![0; to * height];
    for (row, line) in rows.chunks_exact_mut(to).zip(pixels.chunks_exact(from)) {
        let shared = from.min(to);
        row[..shared].copy_from_slice(&line[..shared]);
    }
    Ok(rows)
}

/// Whether the frame's header says more than 8 bits a sample.
fn has_deep_samples(jpeg: &[u8]) -> bool {
    let mut rest = jpeg.get(2..).unwrap_or_default();
    while let [0xff, marker, tail @ ..] = rest {
        let [high, low, body @ ..] = tail else { return false };
        if matches!(marker, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf) {
            return body.first().is_some_and(|bits| *bits > 8);
        }
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        rest = tail.get(len..).unwrap_or_default();
    }
    false
}

fn one_line(error: &dyn std::fmt::Debug) -> String {
    format!("{error:?}").chars().filter(|letter| !letter.is_control()).take(120).collect()
}
