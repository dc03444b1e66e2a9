//! Compressed blocks as streams of bytes: each codec gives just as many as are asked for.

mod jpeg;
#[cfg(feature = "lerc")]
mod lerc;
mod lzw;
mod packbits;
mod webp;

use std::io::{BufRead, Cursor, Read, Result};
use std::rc::Rc;

use flate2::bufread::ZlibDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use crate::MAX_BLOCK_BYTES;
use crate::compression::Compression;
use crate::error::{RECODE, RasterError};
use crate::layout::Layout;
use crate::source::ByteSource;
use lzw::Lzw;
use packbits::PackBits;

/// Compressed bytes that are read at once.
const PART_BYTES: u64 = 256 << 10;

/// The compressed bytes of one block, a part at a time.
pub(crate) struct Compressed<S> {
    source: Rc<S>,
    at: u64,
    end: u64,
    part: Vec<u8>,
    used: usize,
    is_bit_reversed: bool,
}

/// A block that is being unpacked.
pub(crate) enum Unpacker<S: ByteSource> {
    Plain(Compressed<S>),
    Lzw(Box<Lzw<Compressed<S>>>),
    Deflate(Box<ZlibDecoder<Compressed<S>>>),
    PackBits(PackBits<Compressed<S>>),
    Zstd(Box<StreamingDecoder<Compressed<S>, FrameDecoder>>),
    /// Of a codec that gives whole pictures.
    Whole(Cursor<Vec<u8>>),
}

impl<S: ByteSource> Unpacker<S> {
    /// Starts on the block of `len` bytes at `at`.
    pub(crate) fn open(
        source: &Rc<S>,
        layout: &Layout,
        (at, len): (u64, u64),
    ) -> std::result::Result<Self, RasterError> {
        // JPEG and WebP have an order of bits of their own.
        let is_bit_reversed = layout.is_bit_reversed && !layout.compression.is_whole();
        let end = at.saturating_add(len).min(source.byte_len());
        let source = Rc::clone(source);
        let mut packed = Compressed { source, at, end, part: Vec::new(), used: 0, is_bit_reversed };
        Ok(match layout.compression {
            Compression::None => Self::Plain(packed),
            Compression::Lzw => {
                // Before 1993 codes were packed the other way round: such blocks begin with 0 and an odd byte.
                if let Ok([0, second, ..]) = packed.fill_buf()
                    && second & 1 == 1
                {
                    return Err(RasterError::unsupported("LZW compression of before 1993", RECODE));
                }
                Self::Lzw(Box::new(Lzw::new(packed)))
            }
            Compression::Deflate => Self::Deflate(Box::new(ZlibDecoder::new(packed))),
            Compression::PackBits => Self::PackBits(PackBits::new(packed)),
            Compression::Zstd => {
                let unpack = StreamingDecoder::new(packed);
                let damaged = |error| RasterError::damaged(format!("a block of pixels cannot be unpacked ({error})"));
                Self::Zstd(Box::new(unpack.map_err(damaged)?))
            }
            Compression::Jpeg => Self::Whole(Cursor::new(jpeg::decode(&packed.all()?, layout)?)),
            Compression::WebP => Self::Whole(Cursor::new(webp::decode(&packed.all()?, layout)?)),
            #[cfg(feature = "lerc")]
            Compression::Lerc => Self::Whole(Cursor::new(lerc::decode(packed.all()?, layout)?)),
        })
    }

    /// Passes over bytes that are not wanted.
    pub(crate) fn skip(&mut self, bytes: u64) -> Result<()> {
        match self {
            Self::Plain(packed) => {
                packed.skip(bytes);
                Ok(())
            }
            Self::Whole(all) => {
                all.set_position(all.position().saturating_add(bytes));
                Ok(())
            }
            _ => {
                let passed = std::io::copy(&mut self.by_ref().take(bytes), &mut std::io::sink())?;
                if passed < bytes { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
            }
        }
    }
}

impl<S: ByteSource> Read for Unpacker<S> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(into),
            Self::Lzw(reader) => reader.read(into),
            Self::Deflate(reader) => reader.read(into),
            Self::PackBits(reader) => reader.read(into),
            Self::Zstd(reader) => reader.read(into),
            Self::Whole(reader) => reader.read(into),
        }
    }
}

impl<S: ByteSource> Compressed<S> {
    fn skip(&mut self, bytes: u64) {
        let held = (self.part.len() - self.used) as u64;
        if bytes <= held {
            self.used += bytes as usize;
        } else {
            self.at = self.at.saturating_add(bytes - held).min(self.end);
            self.part.clear();
            self.used = 0;
        }
    }

    /// All that is left, for codecs that want it in one piece.
    fn all(mut self) -> std::result::Result<Vec<u8>, RasterError> {
        let len = self.end.saturating_sub(self.at);
        if len > MAX_BLOCK_BYTES as u64 {
            return Err(RasterError::damaged("a compressed block is longer than its pixels"));
        }
        let mut bytes = vec![0; len as usize];
        self.read_exact(&mut bytes).map_err(|error| RasterError::of_codec(&error))?;
        Ok(bytes)
    }
}

impl<S: ByteSource> BufRead for Compressed<S> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        if self.used >= self.part.len() {
            let len = self.end.saturating_sub(self.at).min(PART_BYTES);
            self.part.resize(len as usize, 0);
            self.used = 0;
            self.source.read_at(self.at, &mut self.part).map_err(|error| RasterError::Io(error.to_string()))?;
            self.at += len;
            if self.is_bit_reversed {
                self.part.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
            }
        }
        Ok(&self.part[self.used..])
    }

    fn consume(&mut self, amount: usize) {
        self.used = (self.used + amount).min(self.part.len());
    }
}

impl<S: ByteSource> Read for Compressed<S> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}
