//! Decoded pictures as they are stored: interleaved integers or floats, small enough to keep in memory, and which of
//! their samples stand for nothing.

use shared::tile::{Tile, TileError};

/// The samples of a picture, `[height, width, bands]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// 8 bit.
    U8(Vec<u8>),
    /// 16 bit, digital numbers of reflectance.
    U16(Vec<u16>),
    /// 16 bit with sign, digital numbers too.
    I16(Vec<i16>),
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
    /// 16 bit with sign.
    I16,
    /// Floating point.
    F32,
}

impl std::fmt::Display for SampleKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::U8 => "8-bit",
            Self::U16 => "16-bit",
            Self::I16 => "signed 16-bit",
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
    /// Which samples stand for nothing, in the same order; empty when none does.
    pub missing: Vec<bool>,
}

/// Applies the same to the numbers of any type.
macro_rules! each {
    ($samples:expr, $values:ident => $made:expr) => {
        match $samples {
            Samples::U8($values) => Samples::U8($made),
            Samples::U16($values) => Samples::U16($made),
            Samples::I16($values) => Samples::I16($made),
            Samples::F32($values) => Samples::F32($made),
        }
    };
}

impl Picture {
    /// A picture of which nothing is missing.
    #[must_use]
    pub fn whole(bands: usize, height: usize, width: usize, samples: Samples) -> Self {
        Self { bands, height, width, samples, missing: Vec::new() }
    }

    /// The share of pixels of which some sample stands for nothing.
    #[must_use]
    pub fn missing_share(&self) -> f64 {
        let holes = self.missing.chunks_exact(self.bands.max(1)).filter(|pixel| pixel.contains(&true)).count();
        holes as f64 / (self.height * self.width).max(1) as f64
    }

    /// The type of the samples.
    #[must_use]
    pub fn kind(&self) -> SampleKind {
        match self.samples {
            Samples::U8(_) => SampleKind::U8,
            Samples::U16(_) => SampleKind::U16,
            Samples::I16(_) => SampleKind::I16,
            Samples::F32(_) => SampleKind::F32,
        }
    }

    /// Memory taken by the samples.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let samples = match &self.samples {
            Samples::U8(samples) => samples.len(),
            Samples::U16(samples) => 2 * samples.len(),
            Samples::I16(samples) => 2 * samples.len(),
            Samples::F32(samples) => 4 * samples.len(),
        };
        samples + self.missing.len()
    }

    /// The bands at `indices`, in that order; all of them lie below [`Picture::bands`].
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        fn pick<T: Copy>(samples: &[T], bands: usize, indices: &[usize]) -> Vec<T> {
            samples.chunks_exact(bands).flat_map(|pixel| indices.iter().map(|&index| pixel[index])).collect()
        }
        let samples = each!(&self.samples, values => pick(values, self.bands, indices));
        let missing = pick(&self.missing, self.bands, indices);
        Self { bands: indices.len(), samples, missing: some_or_none(missing), ..*self }
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
        let samples = each!(&self.samples, values => cut(values, row_len, top, start, len, px));
        let missing = cut(&self.missing, row_len, top, start, len, px);
        Self { bands: self.bands, height: px, width: px, samples, missing: some_or_none(missing) }
    }

    /// Whether a sample stands for nothing.
    #[must_use]
    pub fn is_missing(&self, row: usize, column: usize, band: usize) -> bool {
        self.missing.get((row * self.width + column) * self.bands + band).copied().unwrap_or(false)
    }

    /// One sample on the unit scale, for statistics.
    #[must_use]
    pub fn unit(&self, row: usize, column: usize, band: usize) -> f32 {
        let at = (row * self.width + column) * self.bands + band;
        match &self.samples {
            Samples::U8(samples) => f32::from(samples[at]) / 255.0,
            Samples::U16(samples) => f32::from(samples[at]) / 10_000.0,
            Samples::I16(samples) => f32::from(samples[at]) / 10_000.0,
            Samples::F32(samples) => samples[at],
        }
    }

    /// The tile that the encoder's preprocessing starts from. What is missing in a band becomes the mean of what is not, so
    /// that it moves neither the mean nor a crop's colours.
    ///
    /// # Shapes
    /// `[height, width, bands]` → `[bands, height, width]`, unit scale
    ///
    /// # Errors
    /// When the picture is empty.
    pub fn tile(&self, dn_offset: i32) -> Result<Tile, TileError> {
        fn planes<T: Copy>(samples: &[T], bands: usize, unit: impl Fn(T) -> f32) -> Vec<f32> {
            (0..bands).flat_map(|band| samples.iter().skip(band).step_by(bands).map(|value| unit(*value))).collect()
        }
        let Self { bands, height, width, .. } = *self;
        let mut tile = match &self.samples {
            Samples::U8(samples) => Tile::from_interleaved_u8(bands, height, width, samples)?,
            Samples::U16(samples) => Tile::from_interleaved_u16(bands, height, width, samples, dn_offset)?,
            Samples::I16(samples) => {
                let unit = |dn: i16| (i32::from(dn) + dn_offset) as f32 / 10_000.0;
                Tile::new(bands, height, width, planes(samples, bands, unit))?
            }
            Samples::F32(samples) => {
                let finite = |value: f32| if value.is_finite() { value } else { 0.0 };
                Tile::new(bands, height, width, planes(samples, bands, finite))?
            }
        };
        if !self.missing.is_empty() {
            for (band, plane) in tile.pixels_mut().chunks_exact_mut(height * width).enumerate() {
                let is_missing = |pixel: usize| self.missing[pixel * bands + band];
                let (count, sum) = (0..plane.len())
                    .filter(|pixel| !is_missing(*pixel))
                    .fold((0u64, 0.0), |(count, sum), pixel| (count + 1, sum + f64::from(plane[pixel])));
                let mean = (sum / count.max(1) as f64) as f32;
                (0..plane.len()).filter(|pixel| is_missing(*pixel)).for_each(|pixel| plane[pixel] = mean);
            }
        }
        Ok(tile)
    }
}

/// Marks, or none when nothing is marked.
pub(super) fn some_or_none(missing: Vec<bool>) -> Vec<bool> {
    if missing.contains(&true) { missing } else { Vec::new() }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn counted() -> Picture {
        Picture::whole(2, 3, 4, Samples::U8((0..24).collect()))
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
        let picture = |samples| Picture::whole(2, 1, 2, samples);
        let from_u8 = picture(Samples::U8(vec![255, 0, 51, 102])).tile(0).unwrap();
        assert_eq!(from_u8.pixels(), [1.0, 0.2, 0.0, 0.4]);
        let from_u16 = picture(Samples::U16(vec![11_000, 1000, 500, 2000])).tile(-1000).unwrap();
        assert_eq!(from_u16.pixels(), [1.0, 0.0, 0.0, 0.1]);
        let from_f32 = picture(Samples::F32(vec![0.5, f32::NAN, -0.1, 1.5])).tile(0).unwrap();
        assert_eq!(from_f32.pixels(), [0.5, -0.1, 0.0, 1.5]);
    }
    #[test]
    fn what_is_missing_takes_the_mean_of_the_rest_of_its_band() {
        let samples = Samples::I16(vec![-9999, 100, 200, 100, 400, -9999, 600, 400]);
        let missing = vec![true, false, false, false, false, true, false, false];
        let picture = Picture { missing, ..Picture::whole(2, 2, 2, samples) };
        assert_eq!(picture.missing_share(), 0.5);
        assert_eq!(picture.tile(0).unwrap().pixels(), [0.04, 0.02, 0.04, 0.06, 0.01, 0.01, 0.02, 0.04]);
        assert!(picture.select(&[1]).is_missing(1, 0, 0));
        assert!(picture.window(1, 1, 1).missing.is_empty());
        let negative = Picture::whole(1, 1, 2, Samples::I16(vec![-2500, 500]));
        assert_eq!(negative.tile(0).unwrap().pixels(), [-0.25, 0.05]);
    }
}
