//! TIFF and GeoTIFF: any number of bands, chunky or planar, striped or tiled, 8 and 16 bit integers and floats.

use std::io::Cursor;

use tiff::decoder::{BufferLayoutPreference, Decoder, DecodingResult, Limits};
use tiff::tags::{PhotometricInterpretation, Tag};
use tiff::{ColorType, TiffResult};

use super::decode::{MAX_DECODED_BYTES, one_line};
use super::picture::{Picture, Samples};

/// Decodes the first image of a TIFF file; the alpha channel of a colour picture is dropped.
pub(super) fn decode_tiff(bytes: &[u8]) -> Result<Picture, String> {
    let raw = read(bytes).map_err(|error| one_line(&error.to_string()))?;
    raw.into_picture()
}

/// What the file holds, in its own order.
struct Raw {
    color: ColorType,
    height: usize,
    width: usize,
    bands: usize,
    planar: bool,
    inverted: bool,
    samples: DecodingResult,
}

fn read(bytes: &[u8]) -> TiffResult<Raw> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_DECODED_BYTES as usize;
    let mut decoder = Decoder::new(Cursor::new(bytes))?.with_limits(limits);
    let (width, height) = decoder.dimensions()?;
    let color = decoder.colortype()?;
    let bands = decoder.find_tag_unsigned::<u16>(Tag::SamplesPerPixel)?.unwrap_or(1);
    let planar = decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration)? == Some(2) && bands > 1;
    let white_is_zero = PhotometricInterpretation::WhiteIsZero as u16;
    let inverted = decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation)? == Some(white_is_zero);
    let mut samples = DecodingResult::U8(Vec::new());
    let _layout: BufferLayoutPreference = decoder.read_image_to_buffer(&mut samples)?;
    Ok(Raw { color, height: height as usize, width: width as usize, bands: bands.into(), planar, inverted, samples })
}

impl Raw {
    fn into_picture(self) -> Result<Picture, String> {
        if matches!(self.color, ColorType::Palette(_) | ColorType::CMYK(_) | ColorType::CMYKA(_) | ColorType::Lab(_)) {
            return Err(format!("TIFF colours of type {:?} are not supported", self.color));
        }
        if self.color.bit_depth() < 8 || self.inverted {
            return Err("TIFF pictures of fewer than 8 bits or with white as zero are not supported".to_owned());
        }
        let Self { height, width, bands, planar, .. } = self;
        let keep = match self.color {
            ColorType::RGBA(_) | ColorType::GrayA(_) => bands - 1,
            _ => bands,
        };
        let shape = Shape { height, width, bands, keep, planar };
        let samples = match self.samples {
            DecodingResult::U8(values) => Samples::U8(shape.interleave(values)?),
            DecodingResult::U16(values) => Samples::U16(shape.interleave(values)?),
            // negative digital numbers mark missing pixels
            DecodingResult::I16(values) => {
                Samples::U16(shape.interleave(values.into_iter().map(|value| value.max(0) as u16).collect())?)
            }
            DecodingResult::F16(values) => {
                Samples::F32(shape.interleave(values.into_iter().map(|value| value.to_f32()).collect())?)
            }
            DecodingResult::F32(values) => Samples::F32(shape.interleave(values)?),
            DecodingResult::F64(values) => {
                Samples::F32(shape.interleave(values.into_iter().map(|value| value as f32).collect())?)
            }
            _ => return Err("TIFF samples must be 8 or 16 bit integers or floating point".to_owned()),
        };
        Ok(Picture { bands: keep, height, width, samples })
    }
}

/// The order of a file's samples.
struct Shape {
    height: usize,
    width: usize,
    bands: usize,
    keep: usize,
    planar: bool,
}

impl Shape {
    /// To `[height, width, keep]`.
    fn interleave<T: Copy>(&self, values: Vec<T>) -> Result<Vec<T>, String> {
        let area = self.height * self.width;
        if values.len() != area * self.bands || area == 0 {
            return Err(format!("{} samples for {} x {} x {}", values.len(), self.height, self.width, self.bands));
        }
        Ok(match (self.planar, self.keep == self.bands) {
            (false, true) => values,
            (false, false) => values.chunks_exact(self.bands).flat_map(|pixel| &pixel[..self.keep]).copied().collect(),
            (true, _) => (0..area)
                .flat_map(|at| (0..self.keep).map(move |band| (at, band)))
                .map(|(at, band)| values[band * area + at])
                .collect(),
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use tiff::encoder::{TiffEncoder, colortype};

    /// A minimal little-endian TIFF of one strip a plane (planar) or one in all (chunky), written by hand because no
    /// encoder at hand writes many bands.
    fn handmade(bands: u16, planar: bool, bits: u16, format: u16, data: &[u8]) -> Vec<u8> {
        compressed(1, bands, planar, bits, format, data)
    }

    /// As [`handmade`], with the number of a compression that `data` already underwent.
    fn compressed(compression: u32, bands: u16, planar: bool, bits: u16, format: u16, data: &[u8]) -> Vec<u8> {
        let (width, height) = (3u32, 2u32);
        let strips: u32 = if planar { bands.into() } else { 1 };
        let strip_len = data.len() as u32 / strips;
        let tags: u32 = 11;
        let after = 8 + 2 + 12 * tags + 4;
        let (bits_at, format_at) = (after, after + 2 * u32::from(bands));
        let offsets_at = format_at + 2 * u32::from(bands);
        let counts_at = offsets_at + 4 * strips;
        let data_at = counts_at + 4 * strips;
        let mut file = Vec::new();
        file.extend(b"II*\0");
        file.extend(8u32.to_le_bytes());
        file.extend((tags as u16).to_le_bytes());
        let mut tag = |id: u16, kind: u16, count: u32, value: u32| {
            file.extend(id.to_le_bytes());
            file.extend(kind.to_le_bytes());
            file.extend(count.to_le_bytes());
            file.extend(value.to_le_bytes());
        };
        let many = |count: u32, at: u32, value: u32| if count > 2 { at } else { value };
        tag(256, 4, 1, width);
        tag(257, 4, 1, height);
        tag(258, 3, bands.into(), many(bands.into(), bits_at, bits.into()));
        tag(259, 3, 1, compression);
        tag(262, 3, 1, 1);
        tag(273, 4, strips, if strips > 1 { offsets_at } else { data_at });
        tag(277, 3, 1, bands.into());
        tag(278, 4, 1, height);
        tag(279, 4, strips, if strips > 1 { counts_at } else { strip_len });
        tag(284, 3, 1, if planar { 2 } else { 1 });
        tag(339, 3, bands.into(), many(bands.into(), format_at, format.into()));
        file.extend(0u32.to_le_bytes());
        (0..bands).for_each(|_| file.extend(bits.to_le_bytes()));
        (0..bands).for_each(|_| file.extend(format.to_le_bytes()));
        (0..strips).for_each(|at| file.extend((data_at + at * strip_len).to_le_bytes()));
        (0..strips).for_each(|_| file.extend(strip_len.to_le_bytes()));
        file.extend(data);
        file
    }

    #[test]
    fn five_bands_of_sixteen_bits_chunky_and_planar_agree() {
        let interleaved: Vec<u16> = (0..30).map(|at| at * 300).collect();
        let planar: Vec<u16> = (0..5).flat_map(|band| (0..6).map(move |at| (at * 5 + band) * 300)).collect();
        let bytes = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let chunky = decode_tiff(&handmade(5, false, 16, 1, &bytes(&interleaved))).unwrap();
        assert_eq!(chunky, Picture { bands: 5, height: 2, width: 3, samples: Samples::U16(interleaved) });
        assert_eq!(decode_tiff(&handmade(5, true, 16, 1, &bytes(&planar))).unwrap(), chunky);
    }

    #[test]
    fn thirteen_floating_point_bands() {
        let values: Vec<f32> = (0..78).map(|at| at as f32 / 50.0).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let picture = decode_tiff(&handmade(13, false, 32, 3, &bytes)).unwrap();
        assert_eq!((picture.bands, &picture.samples), (13, &Samples::F32(values)));
    }

    #[test]
    fn signed_numbers_below_zero_are_missing_pixels() {
        let values: Vec<u8> = [-1i16, 5, 700, -9999, 0, 10_000].iter().flat_map(|value| value.to_le_bytes()).collect();
        let picture = decode_tiff(&handmade(1, false, 16, 2, &values)).unwrap();
        assert_eq!(picture.samples, Samples::U16(vec![0, 5, 700, 0, 0, 10_000]));
    }

    #[test]
    fn one_band_of_a_scene() {
        let values: Vec<u16> = (0..12).map(|at| at * 500).collect();
        let mut file = Cursor::new(Vec::new());
        TiffEncoder::new(&mut file).unwrap().write_image::<colortype::Gray16>(4, 3, &values).unwrap();
        let picture = decode_tiff(&file.into_inner()).unwrap();
        assert_eq!((picture.bands, picture.height, picture.width), (1, 3, 4));
        assert_eq!(picture.samples, Samples::U16(values));
    }

    #[test]
    fn bands_compressed_as_jpeg_as_in_secos_release() {
        let mut jpeg = Cursor::new(Vec::new());
        let grey = image::ImageBuffer::from_pixel(3, 2, image::Luma([117u8]));
        grey.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
        let picture = decode_tiff(&compressed(7, 1, false, 8, 1, &jpeg.into_inner())).unwrap();
        let Samples::U8(samples) = picture.samples else { panic!("an 8-bit picture") };
        assert!(samples.len() == 6 && samples.iter().all(|value| value.abs_diff(117) <= 1), "{samples:?}");
    }

    #[test]
    fn truncation_never_panics() {
        let whole = handmade(5, true, 16, 1, &[7; 60]);
        for len in 0..whole.len() {
            assert!(decode_tiff(&whole[..len]).is_err());
        }
    }
}
