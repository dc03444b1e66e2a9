//! A satellite tile in memory: planar floating point, its size checked once when it is built.
//!
//! Values are on the *unit scale*: an 8-bit picture's value / 255, or surface reflectance (digital number / 10 000).

/// What is wrong with the parts of a tile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// A tile needs at least one band, row and column.
    #[error("a tile cannot be empty: {bands} bands x {height} x {width}\nhint: give every dimension at least 1")]
    Empty {
        /// Number of bands asked for.
        bands: usize,
        /// Rows asked for.
        height: usize,
        /// Columns asked for.
        width: usize,
    },
    /// The number of values is not the product of the dimensions.
    #[error(
        "a tile of {bands} bands x {height} x {width} does not have {found} values\nhint: check width, height and number of bands"
    )]
    WrongLength {
        /// Number of bands asked for.
        bands: usize,
        /// Rows asked for.
        height: usize,
        /// Columns asked for.
        width: usize,
        /// Values given.
        found: usize,
    },
    /// A plane that the tile does not have.
    #[error("no band {index} in a tile of {bands} bands\nhint: planes are counted from 0")]
    NoSuchBand {
        /// The plane asked for, counted from 0.
        index: usize,
        /// Planes the tile has.
        bands: usize,
    },
}

/// A tile: f32 `[bands, height, width]`, row-major, unit scale; no dimension is zero.
///
/// Values need not be finite: a source's "no data" may be NaN. The embedder reports a NaN that reaches an embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    bands: usize,
    height: usize,
    width: usize,
    pixels: Vec<f32>,
}

impl Tile {
    /// Takes `pixels` as `[bands, height, width]`.
    ///
    /// # Errors
    /// When a dimension is zero or the length is not their product.
    pub fn new(bands: usize, height: usize, width: usize, pixels: Vec<f32>) -> Result<Self, TileError> {
        check(bands, height, width, pixels.len())?;
        Ok(Self { bands, height, width, pixels })
    }

    /// For sizes that are right by construction.
    pub(crate) fn from_parts(bands: usize, height: usize, width: usize, pixels: Vec<f32>) -> Self {
        debug_assert_eq!(check(bands, height, width, pixels.len()), Ok(()));
        Self { bands, height, width, pixels }
    }

    /// From an 8-bit picture `[height, width, bands]`: value / 255.
    ///
    /// # Errors
    /// As [`Tile::new`].
    pub fn from_interleaved_u8(bands: usize, height: usize, width: usize, values: &[u8]) -> Result<Self, TileError> {
        check(bands, height, width, values.len())?;
        Ok(deinterleave(bands, bands, height, width, values, |value| f32::from(value) / 255.0))
    }

    /// From an RGBA picture `[height, width, 4]`, the form in which browsers decode; alpha is dropped.
    ///
    /// # Errors
    /// As [`Tile::new`].
    pub fn from_rgba8(height: usize, width: usize, values: &[u8]) -> Result<Self, TileError> {
        check(4, height, width, values.len())?;
        Ok(deinterleave(3, 4, height, width, values, |value| f32::from(value) / 255.0))
    }

    /// From 16-bit digital numbers `[height, width, bands]`: `max(dn + dn_offset, 0) / 10 000`. Sentinel-2 products of
    /// processing baseline 04.00 and later need `dn_offset = -1000`, older ones 0.
    ///
    /// # Errors
    /// As [`Tile::new`].
    pub fn from_interleaved_u16(
        bands: usize,
        height: usize,
        width: usize,
        values: &[u16],
        dn_offset: i32,
    ) -> Result<Self, TileError> {
        check(bands, height, width, values.len())?;
        Ok(deinterleave(bands, bands, height, width, values, |dn| reflectance_from_dn(dn, dn_offset)))
    }

    /// Number of planes.
    #[must_use]
    pub fn bands(&self) -> usize {
        self.bands
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values, `[bands, height, width]`.
    #[must_use]
    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }

    /// All values, `[bands, height, width]`.
    #[must_use]
    pub fn pixels_mut(&mut self) -> &mut [f32] {
        &mut self.pixels
    }

    /// The values, `[bands, height, width]`, without a copy.
    #[must_use]
    pub fn into_pixels(self) -> Vec<f32> {
        self.pixels
    }

    /// One plane, `[height, width]`.
    ///
    /// # Panics
    /// When `band` is not below [`bands`](Self::bands), as indexing does.
    #[must_use]
    pub fn plane(&self, band: usize) -> &[f32] {
        let area = self.height * self.width;
        &self.pixels[band * area..(band + 1) * area]
    }

    /// One plane, `[height, width]`.
    ///
    /// # Panics
    /// When `band` is not below [`bands`](Self::bands), as indexing does.
    #[must_use]
    pub fn plane_mut(&mut self, band: usize) -> &mut [f32] {
        let area = self.height * self.width;
        &mut self.pixels[band * area..(band + 1) * area]
    }

    /// The planes named by `indices`, in that order (a plane may be taken twice).
    ///
    /// # Errors
    /// When an index is out of range or there is none.
    pub fn select(&self, indices: &[usize]) -> Result<Self, TileError> {
        let (bands, height, width) = (indices.len(), self.height, self.width);
        if bands == 0 {
            return Err(TileError::Empty { bands, height, width });
        }
        let mut pixels = Vec::with_capacity(bands * height * width);
        for &index in indices {
            if index >= self.bands {
                return Err(TileError::NoSuchBand { index, bands: self.bands });
            }
            pixels.extend_from_slice(self.plane(index));
        }
        Ok(Self { bands, height, width, pixels })
    }

    /// As an 8-bit picture `[height, width, bands]`: 255 × value, rounded, clamped; NaN becomes 0.
    #[must_use]
    pub fn to_interleaved_u8(&self) -> Vec<u8> {
        let area = self.height * self.width;
        let mut picture = vec![0; self.pixels.len()];
        for (index, &value) in self.pixels.iter().enumerate() {
            // a float to integer cast saturates and sends NaN to 0
            picture[(index % area) * self.bands + index / area] = (value * 255.0).round() as u8;
        }
        picture
    }
}

/// Checks the dimensions against each other and the number of values.
fn check(bands: usize, height: usize, width: usize, found: usize) -> Result<(), TileError> {
    if bands == 0 || height == 0 || width == 0 {
        return Err(TileError::Empty { bands, height, width });
    }
    match bands.checked_mul(height).and_then(|rows| rows.checked_mul(width)) {
        Some(expected) if expected == found => Ok(()),
        _ => Err(TileError::WrongLength { bands, height, width, found }),
    }
}

/// Digital number (16-bit Sentinel-2 product) → surface reflectance: `max(dn + offset, 0) / 10 000`. `offset` is −1000
/// for products of processing baseline 04.00 and later (from 25 January 2022), else 0.
#[must_use]
pub fn reflectance_from_dn(dn: u16, offset: i32) -> f32 {
    i32::from(dn).saturating_add(offset).max(0) as f32 / 10_000.0
}

/// `[height, width, stride]` → `[bands, height, width]`, the first `bands` of every `stride` values.
fn deinterleave<T: Copy>(
    bands: usize,
    stride: usize,
    height: usize,
    width: usize,
    values: &[T],
    unit: impl Fn(T) -> f32,
) -> Tile {
    let mut pixels = Vec::with_capacity(bands * height * width);
    for band in 0..bands {
        pixels.extend(values[band..].iter().step_by(stride).map(|&value| unit(value)));
    }
    Tile { bands, height, width, pixels }
}
