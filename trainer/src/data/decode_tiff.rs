//! TIFF and GeoTIFF through the reader that the page uses too, as the trainer keeps pictures.
//!
//! Whole numbers of more than 8 bits count as digital numbers of reflectance; a scale and an offset that the file states
//! make them what it says they are. GDAL's mark for "no data", masks and what is no number become missing samples.

use raster::{Colour, Header, Memory, RasterError, Reader, Role, SampleKind};

use super::decode_error::DecodeError;
use super::decoded::{Decoded, named};
use super::picture::{Picture, Samples, some_or_none};

/// Sentinel-2's own scale of reflectance, which digital numbers have by themselves.
const USUAL_SCALE: f64 = 1e-4;

/// Decodes the first image of a TIFF file.
pub(super) fn decode_tiff(bytes: &[u8], limit: u64) -> Result<Decoded, DecodeError> {
    let mut reader = Reader::open(Memory(bytes))?;
    let header = reader.header().clone();
    let (bands, height, width) = (header.bands.len(), header.height, header.width);
    let needed = (bands as u64).saturating_mul(height as u64).saturating_mul(width as u64).saturating_mul(4);
    if needed > limit {
        return Err(DecodeError::new(
            format!("{width} x {height} pixels of {bands} bands take more than {} MiB", limit >> 20),
            "cut it into parts, for example with gdal_retile.py",
        ));
    }
    let is_scaled = is_scaled(&header);
    let mut samples = Stored::of(&header, is_scaled).empty(bands * height * width);
    let mut missing = Vec::new();
    let all: Vec<usize> = (0..bands).collect();
    let mut top = 0;
    while top < height {
        let rows = top..header.step(top).end.max(top + 1);
        let read = reader.read(&all, rows.clone())?;
        if !read.missing.is_empty() {
            missing.resize(bands * height * width, false);
        }
        for at in 0..rows.len() * width {
            let pixel = (top * width + at) * bands;
            for band in 0..bands {
                push(&mut samples, read.bands[band][at], &header, band, is_scaled);
                if let Some(marks) = read.missing.get(band) {
                    missing[pixel + band] = marks[at];
                }
            }
        }
        top = rows.end;
    }
    let (alpha, names) = said_of_bands(&header);
    if header.no_data == Some(0.0) {
        // A dark pixel may be 0 in one band; nothing is there when it is 0 in all.
        for pixel in missing.chunks_exact_mut(bands) {
            let is_hole = pixel.iter().enumerate().all(|(band, missing)| *missing || Some(band) == alpha);
            pixel.fill(is_hole);
        }
    }
    let picture = Picture { bands, height, width, samples, missing: some_or_none(missing) };
    let dn_offset = header.metadata.product_dn_offset().filter(|_| !is_scaled && header.kind.is_whole());
    Ok(Decoded { picture, alpha, names, dn_offset })
}

/// The type in which a file's numbers are kept.
#[derive(Clone, Copy)]
enum Stored {
    U8,
    U16,
    I16,
    F32,
}

impl Stored {
    fn of(header: &Header, is_scaled: bool) -> Self {
        match header.kind {
            _ if is_scaled => Self::F32,
            SampleKind::Unsigned(..=8) => Self::U8,
            SampleKind::Unsigned(..=16) => Self::U16,
            SampleKind::Signed(16) => Self::I16,
            _ => Self::F32,
        }
    }

    fn empty(self, len: usize) -> Samples {
        match self {
            Self::U8 => Samples::U8(Vec::with_capacity(len)),
            Self::U16 => Samples::U16(Vec::with_capacity(len)),
            Self::I16 => Samples::I16(Vec::with_capacity(len)),
            Self::F32 => Samples::F32(Vec::with_capacity(len)),
        }
    }
}

/// Whether the file states another scale than digital numbers have anyway.
fn is_scaled(header: &Header) -> bool {
    let is_usual = |scale: f64| (scale - USUAL_SCALE).abs() < 1e-9 && header.kind.is_whole() && header.kind.bits() > 8;
    header.bands.iter().any(|band| band.offset != 0.0 || band.scale != 1.0 && !is_usual(band.scale))
}

fn push(samples: &mut Samples, value: f32, header: &Header, band: usize, is_scaled: bool) {
    match samples {
        // Few bits are grey levels too: all of them set is white.
        Samples::U8(all) if header.kind.bits() < 8 => {
            let white = f32::from((1u16 << header.kind.bits()) - 1);
            all.push((value * 255.0 / white).round() as u8);
        }
        Samples::U8(all) => all.push(value as u8),
        Samples::U16(all) => all.push(value as u16),
        Samples::I16(all) => all.push(value as i16),
        Samples::F32(all) => {
            let band = &header.bands[band];
            all.push(match header.kind {
                // An offset alone is one of digital numbers, and leaves them some.
                kind if is_scaled && band.scale == 1.0 && kind.is_whole() && kind.bits() > 8 => {
                    ((f64::from(value) + band.offset) * USUAL_SCALE) as f32
                }
                _ if is_scaled => (f64::from(value) * band.scale + band.offset) as f32,
                SampleKind::Float(_) => value,
                SampleKind::Signed(8) => value / 255.0,
                _ => (f64::from(value) * USUAL_SCALE) as f32,
            });
        }
    }
}

/// Which band holds opacities, and what the others are.
fn said_of_bands(header: &Header) -> (Option<usize>, Option<shared::bands::Bands>) {
    let described = header.bands.iter().map(|band| band.description.as_deref());
    let mut names = raster::sentinel_2_names(described);
    for (name, band) in names.iter_mut().zip(&header.bands) {
        let of_colour = match band.colour {
            Some(Colour::Red) => "B04",
            Some(Colour::Green) => "B03",
            Some(Colour::Blue) => "B02",
            Some(Colour::NearInfrared) => "B08",
            Some(Colour::Grey) | None => continue,
        };
        if band.description.is_none() {
            *name = Some(of_colour.to_owned());
        }
    }
    // A band with the name of a wavelength is measured, whatever its mark.
    let is_alpha = |(band, name): (&raster::Band, &Option<String>)| band.role == Role::Alpha && name.is_none();
    let alpha = header.bands.iter().zip(&names).position(is_alpha).filter(|_| header.bands.len() > 1);
    let others = names.into_iter().enumerate().filter(|(band, _)| Some(*band) != alpha).map(|(_, name)| name).collect();
    (alpha, named(others))
}

impl From<RasterError> for DecodeError {
    fn from(error: RasterError) -> Self {
        Self::new(error.to_string(), error.hint())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::data::decode::MAX_DECODED_BYTES as LIMIT;
    use shared::bands::Bands;
    use tiff::encoder::{TiffEncoder, colortype};
    use tiff::tags::Tag;

    /// Four pixels of one band with GDAL's metadata and mark for "no data".
    fn scene(values: &[u16; 4], metadata: &str, no_data: Option<&str>) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut file).unwrap();
        let mut image = encoder.new_image::<colortype::Gray16>(2, 2).unwrap();
        image
            .encoder()
            .write_tag(Tag::Unknown(42_112), format!("<GDALMetadata>{metadata}</GDALMetadata>").as_str())
            .unwrap();
        if let Some(text) = no_data {
            image.encoder().write_tag(Tag::GdalNodata, text).unwrap();
        }
        image.write_data(values).unwrap();
        file.into_inner()
    }

    #[test]
    fn a_scale_multiplies_and_an_offset_is_added() {
        // Landsat's: 7273 is nothing, 18 639 is 0.3125725.
        let metadata = "<Item name=\"SCALE\" sample=\"0\" role=\"scale\">2.75e-05</Item><Item name=\"OFFSET\" sample=\"0\" role=\"offset\">-0.2</Item>";
        let picture = decode_tiff(&scene(&[7_273, 18_639, 0, 40_000], metadata, Some("0")), LIMIT).unwrap().picture;
        let Samples::F32(values) = &picture.samples else { panic!("reflectance") };
        for (value, expected) in values.iter().zip([0.000_007_5f32, 0.312_572_5, -0.2, 0.9]) {
            assert!((value - expected).abs() < 1e-6, "{values:?}");
        }
        assert_eq!(picture.missing, [false, false, true, false]);
    }

    #[test]
    fn an_offset_alone_is_one_of_digital_numbers() {
        let metadata = "<Item name=\"OFFSET\" sample=\"0\" role=\"offset\">-1000</Item>";
        let picture = decode_tiff(&scene(&[1_000, 3_000, 500, 11_000], metadata, None), LIMIT).unwrap().picture;
        assert_eq!(picture.samples, Samples::F32(vec![0.0, 0.2, -0.05, 1.0]));
    }

    #[test]
    fn sentinels_own_scale_leaves_digital_numbers() {
        let metadata = "<Item name=\"SCALE\" sample=\"0\" role=\"scale\">0.0001</Item>";
        let picture = decode_tiff(&scene(&[1, 2, 3, 4], metadata, None), LIMIT).unwrap().picture;
        assert_eq!(picture, Picture::whole(1, 2, 2, Samples::U16(vec![1, 2, 3, 4])));
    }

    #[test]
    fn bands_are_what_their_descriptions_say() {
        let metadata = "<Item name=\"DESCRIPTION\" sample=\"0\" role=\"description\">B8, near infrared</Item>";
        let decoded = decode_tiff(&scene(&[1, 2, 3, 4], metadata, None), LIMIT).unwrap();
        assert_eq!(decoded.names, Some(Bands::new(vec!["B08".parse().unwrap()]).unwrap()));
        assert_eq!(decode_tiff(&scene(&[1, 2, 3, 4], "", None), LIMIT).unwrap().names, None);
    }

    #[test]
    fn truncation_never_panics() {
        let whole = scene(&[1, 2, 3, 4], "", None);
        for len in 0..whole.len() {
            // What stands behind the pixels may be cut off.
            drop(decode_tiff(&whole[..len], LIMIT));
        }
        assert!(decode_tiff(&whole[..whole.len() / 2], LIMIT).is_err());
    }
}
