//! Reads TIFF and GeoTIFF of every kind that satellite pictures come in, a few rows at a time.
//!
//! It serves the trainer, which has the bytes of a file in memory, and the page's worker, which asks the browser for
//! parts of a file: all it needs is a [`ByteSource`]. [`Reader::open`] reads the first directory into a [`Header`];
//! [`Reader::read`] gives rows of bands as `f32`, and says which samples stand for nothing.
//!
//! Beside the rows that are asked for, memory is bounded by the tags (none longer than [`MAX_TAG_BYTES`] or than the file)
//! and, for each band that is read, by 256 KiB of compressed bytes with either one decoded tile, JPEG or WebP block
//! ([`MAX_BLOCK_BYTES`] at most, else refused; LERC holds it twice) or one row of a strip; ZSTD adds its window, 100 MiB at most. Damaged
//! files give errors: nothing here panics by itself, though a codec might (see the trainer's `decode`).
//!
//! # Why neither `tiff` nor `async-tiff` reads the blocks
//! Of the 990 files of the matrix that must read (tests/reference/tiff_matrix.py), `tiff` 0.11.3 reads 515 right and 71
//! wrong, refuses 287 and panics on 117: it panics on planar tiles at edges, decodes the header as pixels where blocks are
//! left out, demands the end code of LZW, drops extra samples and gives Y, Cb, Cr for colours; `async-tiff` 0.4 decodes whole tiles only, with a
//! ZSTD in C that the browser cannot run, and panics at unknown types of tags. Directories and blocks are therefore
//! walked here; the codecs are those crates' own or better: `weezl`, `flate2`, `zune-jpeg`, `image-webp`, `ruzstd`, `lerc-rs`.

mod bands;
mod blocks;
mod codec;
mod compression;
mod error;
mod header;
mod ifd;
mod layout;
mod metadata;
mod naming;
mod predictor;
mod reader;
mod sample;
mod source;

pub use bands::{Band, Colour, Role};
pub use error::RasterError;
pub use header::{GeoTags, Header};
pub use metadata::Metadata;
pub use naming::{Numbering, numbering, sentinel_2_name, sentinel_2_names};
pub use reader::{Reader, Rows};
pub use sample::SampleKind;
pub use source::{ByteSource, Memory, Seekable};

/// Longest value of a tag that is read.
pub const MAX_TAG_BYTES: u64 = 64 << 20;
/// Largest tile, or block that must be decoded whole.
pub const MAX_BLOCK_BYTES: usize = 256 << 20;

/// Whether bytes begin as a TIFF does, classic or big, in either byte order.
#[must_use]
pub fn is_tiff(bytes: &[u8]) -> bool {
    matches!(bytes.get(..4), Some(b"II\x2a\0" | b"MM\0\x2a" | b"II\x2b\0" | b"MM\0\x2b"))
}
