//! Blocks that are WebP pictures.

use std::io::Cursor;

use image_webp::WebPDecoder;

use crate::MAX_BLOCK_BYTES;
use crate::error::RasterError;
use crate::layout::Layout;

/// The samples of a block, as wide as blocks are.
pub(crate) fn decode(bytes: &[u8], layout: &Layout) -> Result<Vec<u8>, RasterError> {
    let damaged = |why: String| RasterError::damaged(format!("a block's WebP cannot be decoded ({why})"));
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|error| damaged(error.to_string()))?;
    decoder.set_memory_limit(MAX_BLOCK_BYTES);
    let (width, height) = decoder.dimensions();
    let (width, height, wanted) = (width as usize, height as usize, layout.stride());
    let own = if decoder.has_alpha() { 4 } else { 3 };
    let len = decoder.output_buffer_size().filter(|len| *len <= MAX_BLOCK_BYTES && *len == width * height * own);
    let len = len.ok_or_else(|| damaged(format!("{width} x {height} pixels")))?;
    if width != layout.block_width || !(wanted == own || wanted == 4 && own == 3) {
        return Err(damaged(format!("{width} pixels of {own} samples across")));
    }
    let mut pixels = vec![0; len];
    decoder.read_image(&mut pixels).map_err(|error| damaged(error.to_string()))?;
    if wanted == own {
        return Ok(pixels);
    }
    // A block that is opaque throughout is stored without its alpha.
    Ok(pixels.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]).collect())
}
