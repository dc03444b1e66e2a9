//! Decoding tiles: `async-tiff`'s decoders, told how long a tile must be, and the numbers of just the lines that are wanted.

use std::sync::Arc;

use async_tiff::decoder::{Decoder, DecoderRegistry};
use async_tiff::error::{AsyncTiffError, AsyncTiffResult};
use async_tiff::tags::{Compression, PhotometricInterpretation};
use bytes::Bytes;
use libdeflater::Decompressor;

/// How the numbers of a tile are laid out. (`async-tiff` would undo the prediction of whole tiles, which took more of the
/// time than anything else.)
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Two bytes a number, or one.
    pub(super) is_wide: bool,
    pub(super) is_big_endian: bool,
    /// Whether a number is stored as its difference from its left neighbour.
    pub(super) is_predicted: bool,
}

impl Layout {
    /// Bytes a number.
    pub(super) fn bytes(self) -> usize {
        if self.is_wide { 2 } else { 1 }
    }

    /// The numbers of a line from its left end on, as many as `numbers` has room for.
    pub(super) fn read(self, line: &[u8], numbers: &mut [u16]) {
        let pairs = || line.as_chunks::<2>().0.iter();
        match (self.is_wide, self.is_big_endian) {
            (false, _) => numbers.iter_mut().zip(line).for_each(|(number, &byte)| *number = u16::from(byte)),
            (_, false) => {
                numbers.iter_mut().zip(pairs()).for_each(|(number, &pair)| *number = u16::from_le_bytes(pair))
            }
            (_, true) => numbers.iter_mut().zip(pairs()).for_each(|(number, &pair)| *number = u16::from_be_bytes(pair)),
        }
        if self.is_predicted {
            let mask = if self.is_wide { u16::MAX } else { 0xff };
            let mut last = 0u16;
            for number in numbers {
                last = last.wrapping_add(*number) & mask;
                *number = last;
            }
        }
    }
}

/// Decoders for tiles of `len` bytes, the last of which may be cut off after `least`.
pub(super) fn decoders(len: usize, least: usize) -> DecoderRegistry {
    let mut registry = DecoderRegistry::default();
    let usual = std::mem::take(registry.as_mut());
    for (compression, decoder) in usual {
        let inner = match compression {
            Compression::Deflate | Compression::OldDeflate => None,
            _ => Some(Arc::from(decoder)),
        };
        registry.as_mut().insert(compression, Box::new(Sized { inner, len, least }));
    }
    registry
}

/// A decoder whose answers have one length: what is cut off is 0.
#[derive(Debug)]
struct Sized {
    /// The usual decoder; libdeflate's when absent.
    inner: Option<Arc<dyn Decoder>>,
    len: usize,
    least: usize,
}

impl Decoder for Sized {
    fn decode_tile(
        &self,
        buffer: Bytes,
        photometric_interpretation: PhotometricInterpretation,
        jpeg_tables: Option<&[u8]>,
        samples_per_pixel: u16,
        bits_per_sample: u16,
        lerc_parameters: Option<&[u32]>,
    ) -> AsyncTiffResult<Vec<u8>> {
        let (mut decoded, got) = match &self.inner {
            None => {
                let mut decoded = vec![0; self.len];
                let got = Decompressor::new()
                    .zlib_decompress(&buffer, &mut decoded)
                    .map_err(|error| AsyncTiffError::External(Box::new(error)))?;
                (decoded, got)
            }
            Some(inner) => {
                let (kind, tables) = (photometric_interpretation, jpeg_tables);
                let decoded =
                    inner.decode_tile(buffer, kind, tables, samples_per_pixel, bits_per_sample, lerc_parameters)?;
                let got = decoded.len();
                (decoded, got)
            }
        };
        if got < self.least {
            return Err(AsyncTiffError::General(format!("it has {got} of {} bytes", self.len)));
        }
        decoded.resize(self.len, 0);
        Ok(decoded)
    }
}
