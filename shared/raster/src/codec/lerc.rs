//! Blocks that are LERC blobs (Esri's limited error raster compression), perhaps packed once more.

use std::io::Read;

use flate2::bufread::ZlibDecoder;
use lerc::SampleData;
use ruzstd::decoding::StreamingDecoder;

use crate::MAX_BLOCK_BYTES;
use crate::error::RasterError;
use crate::layout::Layout;
use crate::sample::SampleKind;

/// The samples of a block, side by side, in little-endian order (of a big-endian file in the other one: their bytes were turned
/// before they became a blob).
pub(crate) fn decode(bytes: Vec<u8>, layout: &Layout) -> Result<Vec<u8>, RasterError> {
    let damaged = |why: String| RasterError::damaged(format!("a block's LERC cannot be decoded ({why})"));
    let blob = unpacked(bytes, layout.lerc_packing).map_err(|error| damaged(error.to_string()))?;
    let info = lerc::decode_info(&blob).map_err(|error| damaged(error.to_string()))?;
    let (width, height) = (info.width as usize, info.height as usize);
    let own = (info.depth as usize).saturating_mul(info.bands as usize);
    let wanted = layout.stride();
    // Opacities of 8 bits are kept as the blob's mask.
    let has_mask_for_alpha = own + 1 == wanted && layout.kind == SampleKind::Unsigned(8);
    if width != layout.block_width || height > layout.block_height || !(own == wanted || has_mask_for_alpha) {
        return Err(damaged(format!("{width} x {height} pixels of {own} samples")));
    }
    let image = lerc::decode(&blob).map_err(|error| damaged(error.to_string()))?;
    let kind = kind_of(&image.data);
    if kind != layout.kind {
        return Err(damaged(format!("samples of {kind}")));
    }
    let (area, depth) = (width * height, info.depth as usize);
    let is_valid = |pixel: usize, sample: usize| {
        let mask = image.valid_masks.get(sample / depth).or(image.valid_masks.first());
        mask.is_none_or(|mask| mask.is_valid(pixel))
    };
    let mut whole = Vec::with_capacity(area * wanted * usize::from(kind.bits()) / 8);
    // Bands follow one another; the samples of a pixel inside a band stand side by side.
    let place = |pixel: usize, sample: usize| (sample / depth * area + pixel) * depth + sample % depth;
    for pixel in 0..area {
        for sample in 0..own {
            put(&image.data, place(pixel, sample), is_valid(pixel, sample), &mut whole);
        }
        if has_mask_for_alpha {
            whole.push(if is_valid(pixel, 0) { 255 } else { 0 });
        }
    }
    Ok(whole)
}

/// The blob out of what it is packed with once more (the second number of tag 50674).
fn unpacked(bytes: Vec<u8>, packing: u64) -> std::io::Result<Vec<u8>> {
    let mut whole = Vec::new();
    let most = MAX_BLOCK_BYTES as u64;
    match packing {
        0 => return Ok(bytes),
        1 => ZlibDecoder::new(&bytes[..]).take(most).read_to_end(&mut whole)?,
        2 => {
            let reader = StreamingDecoder::new(&bytes[..]).map_err(std::io::Error::other)?;
            reader.take(most).read_to_end(&mut whole)?
        }
        other => return Err(std::io::Error::other(format!("packed with method {other}"))),
    };
    Ok(whole)
}

/// Adds a sample, or what stands where the blob says that nothing does: no number, or 0 where there is none such. A sample
/// that is not there is 0.
fn put(data: &SampleData, at: usize, is_valid: bool, whole: &mut Vec<u8>) {
    fn bytes<T: Copy + Default, const N: usize>(
        values: &[T],
        at: usize,
        nothing: Option<T>,
        bytes: impl Fn(T) -> [u8; N],
    ) -> [u8; N] {
        bytes(nothing.or_else(|| values.get(at).copied()).unwrap_or_default())
    }
    let none = !is_valid;
    match data {
        SampleData::I8(values) => whole.extend(bytes(values, at, none.then_some(0), i8::to_le_bytes)),
        SampleData::U8(values) => whole.extend(bytes(values, at, none.then_some(0), u8::to_le_bytes)),
        SampleData::I16(values) => whole.extend(bytes(values, at, none.then_some(0), i16::to_le_bytes)),
        SampleData::U16(values) => whole.extend(bytes(values, at, none.then_some(0), u16::to_le_bytes)),
        SampleData::I32(values) => whole.extend(bytes(values, at, none.then_some(0), i32::to_le_bytes)),
        SampleData::U32(values) => whole.extend(bytes(values, at, none.then_some(0), u32::to_le_bytes)),
        SampleData::F32(values) => whole.extend(bytes(values, at, none.then_some(f32::NAN), f32::to_le_bytes)),
        SampleData::F64(values) => whole.extend(bytes(values, at, none.then_some(f64::NAN), f64::to_le_bytes)),
    }
}

fn kind_of(data: &SampleData) -> SampleKind {
    match data {
        SampleData::I8(_) => SampleKind::Signed(8),
        SampleData::U8(_) => SampleKind::Unsigned(8),
        SampleData::I16(_) => SampleKind::Signed(16),
        SampleData::U16(_) => SampleKind::Unsigned(16),
        SampleData::I32(_) => SampleKind::Signed(32),
        SampleData::U32(_) => SampleKind::Unsigned(32),
        SampleData::F32(_) => SampleKind::Float(32),
        SampleData::F64(_) => SampleKind::Float(64),
    }
}
