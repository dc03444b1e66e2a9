//! Why a file is not read: what is wrong, and what mends it.

/// Why a file, or a part of it, is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RasterError {
    /// The first bytes are those of something else.
    #[error("not a TIFF")]
    NotTiff,
    /// The file contradicts itself, or ends too early.
    #[error("the TIFF is damaged: {0}")]
    Damaged(String),
    /// It is sound, but stores its pixels in a way that is not read.
    #[error("{what} is not read")]
    Unsupported {
        /// What is not read, by its name.
        what: String,
        /// A command that turns the file into one that is.
        hint: &'static str,
    },
    /// The bytes could not be had.
    #[error("cannot read the file: {0}")]
    Io(String),
}

/// The usual remedies.
pub(crate) const RECODE: &str = "gdal_translate -co COMPRESS=DEFLATE in.tif out.tif";
pub(crate) const RETYPE: &str = "gdal_translate -ot Float32 in.tif out.tif";
pub(crate) const RETILE: &str = "gdal_translate -co TILED=YES -co COMPRESS=DEFLATE in.tif out.tif";
pub(crate) const TO_RGB: &str =
    "convert it to red, green, blue, for example with gdalwarp or ImageMagick's -colorspace sRGB";

impl RasterError {
    /// What mends it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NotTiff => "is it a picture? gdalinfo says what a file is",
            Self::Damaged(_) | Self::Io(_) => "is the file complete? copy or download it again",
            Self::Unsupported { hint, .. } => hint,
        }
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }

    pub(crate) fn unsupported(what: impl Into<String>, hint: &'static str) -> Self {
        Self::Unsupported { what: what.into(), hint }
    }

    /// What a codec says: an end too early is damage, as is everything that it does not like.
    pub(crate) fn of_codec(error: &std::io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
            Some(own) => own.clone(),
            None if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Self::damaged("a block of pixels ends too early")
            }
            None => Self::damaged(format!("a block of pixels cannot be unpacked ({error})")),
        }
    }
}

impl From<RasterError> for std::io::Error {
    fn from(error: RasterError) -> Self {
        Self::other(error)
    }
}
