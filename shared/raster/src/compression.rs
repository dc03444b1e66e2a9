//! How the blocks of a file are compressed.

use crate::error::{RECODE, RasterError};

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
    Zstd,
    Jpeg,
    WebP,
    #[cfg(feature = "lerc")]
    Lerc,
}

impl Compression {
    pub(crate) fn of(number: u64) -> std::result::Result<Self, RasterError> {
        let name = match number {
            1 => return Ok(Self::None),
            5 => return Ok(Self::Lzw),
            7 => return Ok(Self::Jpeg),
            8 | 32_946 => return Ok(Self::Deflate),
            32_773 => return Ok(Self::PackBits),
            50_000 => return Ok(Self::Zstd),
            50_001 => return Ok(Self::WebP),
            2..=4 => "CCITT fax compression",
            6 => "JPEG compression of the old kind (6)",
            #[cfg(feature = "lerc")]
            34_887 => return Ok(Self::Lerc),
            #[cfg(not(feature = "lerc"))]
            34_887 => "LERC compression",
            34_925 => "LZMA compression",
            33_003 | 33_005 | 34_712 => "JPEG 2000 compression",
            50_002 | 52_546 => "JPEG XL compression",
            other => return Err(RasterError::unsupported(format!("compression number {other}"), RECODE)),
        };
        Err(RasterError::unsupported(name, RECODE))
    }

    /// Whether a block is decoded at once.
    pub(crate) const fn is_whole(self) -> bool {
        !matches!(self, Self::None | Self::Lzw | Self::Deflate | Self::PackBits | Self::Zstd)
    }
}

impl std::fmt::Display for Compression {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::None => "no compression",
            Self::Lzw => "LZW compression",
            Self::Deflate => "Deflate compression",
            Self::PackBits => "PackBits compression",
            Self::Zstd => "ZSTD compression",
            Self::Jpeg => "JPEG compression",
            Self::WebP => "WebP compression",
            #[cfg(feature = "lerc")]
            Self::Lerc => "LERC compression",
        })
    }
}
