//! Undoing prediction (TIFF 6.0, section 14; Adobe's technical note 3 for floating point), and the order of bytes.

use crate::compression::Compression;
use crate::error::{RECODE, RasterError};
use crate::sample::SampleKind;

/// What a sample is stored relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Predictor {
    /// Nothing.
    None,
    /// The same sample of the pixel to its left.
    Horizontal,
    /// As above, byte by byte, all first bytes of a row before all second ones.
    Float,
}

impl Predictor {
    pub(crate) fn of(number: u64, kind: SampleKind, compression: Compression) -> Result<Self, RasterError> {
        // The tag means something to these codecs only, whoever wrote it.
        if !matches!(compression, Compression::Lzw | Compression::Deflate | Compression::Zstd) {
            return Ok(Self::None);
        }
        let is_whole = matches!(kind.bits(), 8 | 16 | 32 | 64);
        match (number, kind) {
            (1, _) => Ok(Self::None),
            (2, _) if is_whole => Ok(Self::Horizontal),
            (3, SampleKind::Float(_)) => Ok(Self::Float),
            _ => Err(RasterError::unsupported(format!("predictor {number} of {kind} samples"), RECODE)),
        }
    }

    /// Turns a row as it was unpacked into samples in little-endian order.
    pub(crate) fn undo(self, row: &mut [u8], kind: SampleKind, stride: usize, is_little: bool, scratch: &mut Vec<u8>) {
        let width = usize::from(kind.bits()) / 8;
        if self != Self::Float && !is_little && matches!(kind.bits(), 16 | 32 | 64) {
            row.chunks_exact_mut(width).for_each(<[u8]>::reverse);
        }
        match self {
            Self::None => {}
            Self::Horizontal => match kind.bits() {
                8 => (stride..row.len()).for_each(|at| row[at] = row[at].wrapping_add(row[at - stride])),
                16 => add::<2>(row, stride, |a, b| {
                    u16::from_le_bytes(a).wrapping_add(u16::from_le_bytes(b)).to_le_bytes()
                }),
                32 => add::<4>(row, stride, |a, b| {
                    u32::from_le_bytes(a).wrapping_add(u32::from_le_bytes(b)).to_le_bytes()
                }),
                _ => add::<8>(row, stride, |a, b| {
                    u64::from_le_bytes(a).wrapping_add(u64::from_le_bytes(b)).to_le_bytes()
                }),
            },
            Self::Float => {
                (stride..row.len()).for_each(|at| row[at] = row[at].wrapping_add(row[at - stride]));
                scratch.clear();
                scratch.extend_from_slice(row);
                let count = row.len() / width.max(1);
                for (sample, bytes) in row.chunks_exact_mut(width).enumerate() {
                    // The highest byte comes first, whatever the order of the file.
                    for (place, byte) in bytes.iter_mut().enumerate() {
                        *byte = scratch[(width - 1 - place) * count + sample];
                    }
                }
            }
        }
    }
}

/// Adds to every number the one `stride` places before it.
fn add<const WIDTH: usize>(row: &mut [u8], stride: usize, sum: impl Fn([u8; WIDTH], [u8; WIDTH]) -> [u8; WIDTH]) {
    let (numbers, _) = row.as_chunks_mut::<WIDTH>();
    (stride..numbers.len()).for_each(|at| numbers[at] = sum(numbers[at], numbers[at - stride]));
}
