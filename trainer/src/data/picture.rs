//! Decoded pictures as they are stored: interleaved integers or floats, small enough to keep in memory.

use shared::tile::{Tile, TileError};

/// The samples of a picture, `[height, width, bands]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// 8 bit.
    U8(Vec<u8>),
    /// 16 bit, digital numbers of reflectance.
    U16(Vec<u16>),
    /// Floating point, reflectance.
    F32(Vec<f32>),
}

/// The type of a picture's samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKind {
    /// 8 bit.
    U8,
    /// 16 bit.
    U16,
    /// Floating point.
    F32,
}

impl std::fmt::Display for SampleKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::U8 => "8-bit",
            Self::U16 => "16-bit",
            Self::F32 => "floating-point",
        })
    }
}

/// A decoded picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Samples a pixel.
    pub bands: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[height, width, bands]`
    pub samples: Samples,
}

impl Picture {
    /// The type of the samples.
    #[must_use]
    pub fn kind(&self) -> SampleKind {
        match self.samples {
            Samples::U8(_) => SampleKind::U8,
            Samples::U16(_) => SampleKind::U16,
            Samples::F32(_) => SampleKind::F32,
        }
    }

    /// Memory taken by the samples.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.samples {
            Samples::U8(samples) => samples.len(),
            Samples::U16(samples) => 2 * samples.len(),
            Samples::F32(samples) => 4 * samples.len(),
        }
    }

    /// The bands at `indices`, in that order; all of them lie below [`Picture::bands`].
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        fn pick<T: Copy>(samples: &[T], bands: usize, indices: &[usize]) -> Vec<T> {
            samples.chunks_exact(bands).flat_map(|pixel| indices.iter().map(|&index| pixel[index])).collect()
        }
        let samples = match &self.samples {
            Samples::U8(samples) => Samples::U8(pick(samples, self.bands, indices)),
            Samples::U16(samples) => Samples::U16(pick(samples, self.bands, indices)),
            Samples::F32(samples) => Samples::F32(pick(samples, self.bands, indices)),
        };
        Self { bands: indices.len(), samples, ..*self }
    }

    /// The `px` × `px` window whose first pixel is (`top`, `left`), which lies inside.
    #[must_use]
    pub fn window(&self, top: usize, left: usize, px: usize) -> Self {
        fn cut<T: Copy>(samples: &[T], row_len: usize, top: usize, start: usize, len: usize, rows: usize) -> Vec<T> {
            samples
                .chunks_exact(row_len)
                .skip(top)
                .take(rows)
                .flat_map(|row| row[start..start + len].iter().copied())
                .collect()
        }
        let (row_len, start, len) = (self.width * self.bands, left * self.bands, px * self.bands);
        let samples = match &self.samples {
            Samples::U8(samples) => Samples::U8(cut(samples, row_len, top, start, len, px)),
            Samples::U16(samples) => Samples::U16(cut(samples, row_len, top, start, len, px)),
            Samples::F32(samples) => Samples::F32(cut(samples, row_len, top, start, len, px)),
        };
        Self { bands: self.bands, height: px, width: px, samples }
    }

    /// One sample on the unit scale, for statistics.
    #[must_use]
    pub fn unit(&self, row: usize, column: usize, band: usize) -> f32 {
        let at = (row * self.width + column) * self.bands + band;
        match &self.samples {
            Samples::U8(samples) => f32::from(samples[at]) / 255.0,
            Samples::U16(samples) => f32::from(samples[at]) / 10_000.0,
            Samples::F32(samples) => samples[at],
        }
    }

    /// The tile that the encoder's preprocessing starts from.
    ///
    /// # Shapes
    /// `[height, width, bands]` → `[bands, height, width]`, unit scale
    ///
    /// # Errors
    /// When the picture is empty.
    pub fn tile(&self, dn_offset: i32) -> Result<Tile, TileError> {
        let Self { bands, height, width, .. } = *self;
        match &self.samples {
            Samples::U8(samples) => Tile::from_interleaved_u8(bands, height, width, samples),
            Samples::U16(samples) => Tile::from_interleaved_u16(bands, height, width, samples, dn_offset),
            Samples::F32(samples) => {
                let finite = |value: f32| if value.is_finite() { value } else { 0.0 };
                let plane = |band: usize| samples.iter().skip(band).step_by(bands).map(move |&value| finite(value));
                Tile::new(bands, height, width, (0..bands).flat_map(plane).collect())
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn counted() -> Picture {
        Picture { bands: 2, height: 3, width: 4, samples: Samples::U8((0..24).collect()) }
    }

    #[test]
    fn windows_and_bands_are_cut_where_they_say() {
        let window = counted().window(1, 2, 2);
        assert_eq!(window.samples, Samples::U8(vec![12, 13, 14, 15, 20, 21, 22, 23]));
        assert_eq!(window.select(&[1]).samples, Samples::U8(vec![13, 15, 21, 23]));
        assert_eq!(counted().unit(2, 3, 1), 23.0 / 255.0);
    }

    #[test]
    fn every_type_becomes_reflectance() {
        let picture = |samples| Picture { bands: 2, height: 1, width: 2, samples };
        let from_u8 = picture(Samples::U8(vec![255, 0, 51, 102])).tile(0).unwrap();
        assert_eq!(from_u8.pixels(), [1.0, 0.2, 0.0, 0.4]);
        let from_u16 = picture(Samples::U16(vec![11_000, 1000, 500, 2000])).tile(-1000).unwrap();
        assert_eq!(from_u16.pixels(), [1.0, 0.0, 0.0, 0.1]);
        let from_f32 = picture(Samples::F32(vec![0.5, f32::NAN, -0.1, 1.5])).tile(0).unwrap();
        assert_eq!(from_f32.pixels(), [0.5, -0.1, 0.0, 1.5]);
    }
}
