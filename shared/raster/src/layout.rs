//! How samples are laid out in a file: strips or tiles, one plane a band or bands side by side.

use crate::MAX_BLOCK_BYTES;
use crate::compression::Compression;
use crate::error::{RECODE, RETILE, RasterError};
use crate::ifd::Directory;
use crate::predictor::Predictor;
use crate::sample::SampleKind;
use crate::source::ByteSource;

/// Blocks, and how one is unpacked.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Samples of a pixel in the file.
    pub(crate) samples: usize,
    /// How a sample is stored (of a palette: an index).
    pub(crate) kind: SampleKind,
    pub(crate) is_tiled: bool,
    pub(crate) is_planar: bool,
    pub(crate) block_width: usize,
    pub(crate) block_height: usize,
    pub(crate) is_little: bool,
    /// FillOrder 2: the bits of every compressed byte are the other way round.
    pub(crate) is_bit_reversed: bool,
    pub(crate) compression: Compression,
    pub(crate) predictor: Predictor,
    /// Whether JPEG blocks hold Y, Cb and Cr.
    pub(crate) is_ycbcr: bool,
    pub(crate) jpeg_tables: Option<Vec<u8>>,
    /// What LERC's blobs are packed with once more.
    #[cfg_attr(not(feature = "lerc"), expect(dead_code, reason = "of use to LERC alone"))]
    pub(crate) lerc_packing: u64,
    offsets: Vec<u64>,
    counts: Vec<u64>,
}

impl Layout {
    pub(crate) fn of(
        source: &impl ByteSource,
        tags: &Directory,
        (width, height, samples): (usize, usize, usize),
        kind: SampleKind,
        compression: Compression,
        photometric: u64,
    ) -> Result<Self, RasterError> {
        let number = |tag| tags.number(source, tag);
        let is_tiled = number(322)?.is_some();
        let is_planar = number(284)?.unwrap_or(1) == 2 && samples > 1;
        let (block_width, block_height) = if is_tiled {
            (number(322)?.unwrap_or(0), number(323)?.unwrap_or(0))
        } else {
            // A strip may claim any number of rows, and does when there is one.
            (width as u64, number(278)?.unwrap_or(height as u64).min(height as u64))
        };
        if !(1..=1 << 24).contains(&block_width) || !(1..=1 << 24).contains(&block_height) {
            return Err(RasterError::damaged(format!("blocks of {block_width} x {block_height} pixels")));
        }
        let predictor = Predictor::of(number(317)?.unwrap_or(1), kind, compression)?;
        let (offsets_tag, counts_tag) = if is_tiled { (324, 325) } else { (273, 279) };
        let offsets = tags
            .numbers(source, offsets_tag)?
            .or(tags.numbers(source, 273)?)
            .ok_or_else(|| RasterError::damaged("it does not say where its pixels are"))?;
        let counts = tags.numbers(source, counts_tag)?.or(tags.numbers(source, 279)?).unwrap_or_default();
        let mut layout = Self {
            width,
            height,
            samples,
            kind,
            is_tiled,
            is_planar,
            block_width: block_width as usize,
            block_height: block_height as usize,
            is_little: tags.form.is_little,
            is_bit_reversed: number(266)?.unwrap_or(1) == 2,
            compression,
            predictor,
            is_ycbcr: photometric == 6,
            jpeg_tables: tags.bytes(source, 347)?.filter(|_| compression == Compression::Jpeg),
            // Its first number is the version.
            lerc_packing: tags.numbers(source, 50_674)?.and_then(|all| all.get(1).copied()).unwrap_or(0),
            offsets,
            counts,
        };
        layout.check(source.byte_len())?;
        Ok(layout)
    }

    fn check(&mut self, file_len: u64) -> Result<(), RasterError> {
        let planes = if self.is_planar { self.samples } else { 1 };
        let down = self.height.div_ceil(self.block_height);
        let blocks = self.across().checked_mul(down).and_then(|blocks| blocks.checked_mul(planes));
        let blocks = blocks.ok_or_else(|| RasterError::damaged("it has too many blocks"))?;
        if self.offsets.len() < blocks {
            return Err(RasterError::damaged(format!("it says where {} of {blocks} blocks are", self.offsets.len())));
        }
        let bytes = self.row_bytes().and_then(|row| row.checked_mul(self.block_height));
        let is_whole = self.is_tiled || self.compression.is_whole();
        if self.row_bytes().is_none_or(|row| row > MAX_BLOCK_BYTES)
            || is_whole && bytes.is_none_or(|bytes| bytes > MAX_BLOCK_BYTES)
        {
            let what = format!("a block of more than {} MiB", MAX_BLOCK_BYTES >> 20);
            return Err(RasterError::unsupported(what, RETILE));
        }
        if matches!(self.compression, Compression::Jpeg | Compression::WebP) && self.kind != SampleKind::Unsigned(8) {
            let what = format!("{} of {} samples", self.compression, self.kind);
            return Err(RasterError::unsupported(what, RECODE));
        }
        if self.counts.len() < blocks {
            // Old writers leave the lengths out: a block then ends where the file does, or where its pixels do.
            self.counts =
                self.offsets.iter().map(|at| if *at == 0 { 0 } else { file_len.saturating_sub(*at) }).collect();
        }
        Ok(())
    }

    /// Blocks side by side.
    pub(crate) fn across(&self) -> usize {
        self.width.div_ceil(self.block_width)
    }

    /// Samples side by side in a row of a block.
    pub(crate) fn stride(&self) -> usize {
        if self.is_planar { 1 } else { self.samples }
    }

    /// Bytes of a row of a block; rows start at whole bytes.
    pub(crate) fn row_bytes(&self) -> Option<usize> {
        let bits = self.block_width.checked_mul(self.stride())?.checked_mul(usize::from(self.kind.bits()))?;
        Some(bits.div_ceil(8))
    }

    /// Where a block is, and its length; nothing for one that was left out.
    pub(crate) fn block(&self, plane: usize, column: usize, row: usize) -> Option<(u64, u64)> {
        let down = self.height.div_ceil(self.block_height);
        let plane = if self.is_planar { plane } else { 0 };
        let index = (plane * down + row) * self.across() + column;
        let (offset, count) = (*self.offsets.get(index)?, *self.counts.get(index)?);
        (offset > 0 && count > 0).then_some((offset, count))
    }
}
