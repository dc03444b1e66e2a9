//! Bytes of a JPEG, PNG, WebP or TIFF file → [`Picture`]; the format is told by the content, not by the name.

use std::io::Cursor;

use image::{ColorType, DynamicImage, ImageFormat, ImageReader};

use super::decode_tiff::decode_tiff;
use super::picture::{Picture, Samples};

/// No tile source needs more, and a damaged header cannot ask for more.
pub(super) const MAX_DECODED_BYTES: u64 = 4 << 30;

/// Decodes a picture; an alpha channel is dropped.
///
/// # Errors
/// One line that says why the bytes are no usable picture.
pub fn decode(bytes: &[u8]) -> Result<Picture, String> {
    if bytes.is_empty() {
        return Err("the file is empty".to_owned());
    }
    let format = image::guess_format(bytes).map_err(|_| "not a JPEG, PNG, WebP or TIFF picture".to_owned())?;
    if format == ImageFormat::Tiff {
        return decode_tiff(bytes);
    }
    if format == ImageFormat::Jpeg && !jpeg_has_an_end(bytes) {
        return Err("the JPEG is cut off".to_owned());
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    from_image(reader.decode().map_err(|error| one_line(&error.to_string()))?)
}

/// Whether the last scan of a JPEG is followed by the end marker. Decoders fill what is missing with grey and say nothing.
fn jpeg_has_an_end(bytes: &[u8]) -> bool {
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
    match (last([0xff, 0xda]), last([0xff, 0xd9])) {
        (Some(scan), Some(end)) => end > scan,
        _ => false,
    }
}

fn from_image(image: DynamicImage) -> Result<Picture, String> {
    let (height, width) = (image.height() as usize, image.width() as usize);
    let (bands, samples) = match image {
        DynamicImage::ImageLuma8(pixels) => (1, Samples::U8(pixels.into_raw())),
        DynamicImage::ImageRgb8(pixels) => (3, Samples::U8(pixels.into_raw())),
        DynamicImage::ImageLuma16(pixels) => (1, Samples::U16(pixels.into_raw())),
        DynamicImage::ImageRgb16(pixels) => (3, Samples::U16(pixels.into_raw())),
        other => match other.color() {
            ColorType::La8 => (1, Samples::U8(other.into_luma8().into_raw())),
            ColorType::Rgba8 => (3, Samples::U8(other.into_rgb8().into_raw())),
            ColorType::La16 => (1, Samples::U16(other.into_luma16().into_raw())),
            ColorType::Rgba16 => (3, Samples::U16(other.into_rgb16().into_raw())),
            color => return Err(format!("pixels of type {color:?} are not supported")),
        },
    };
    Ok(Picture { bands, height, width, samples })
}

/// A library's message, cut to what fits a line.
pub(super) fn one_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().chars().take(200).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use image::{ImageBuffer, Luma, LumaA, Rgb, Rgba};

    fn bytes_of(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn lossless_formats_keep_every_value() {
        let rgb = ImageBuffer::from_fn(5, 4, |x, y| Rgb([x as u8, y as u8, 200]));
        for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Tiff] {
            let picture = decode(&bytes_of(rgb.clone(), format)).unwrap();
            assert_eq!((picture.bands, picture.height, picture.width), (3, 4, 5), "{format:?}");
            assert_eq!(picture.samples, Samples::U8(rgb.as_raw().clone()), "{format:?}");
        }
    }

    #[test]
    fn sixteen_bits_grey_and_alpha() {
        let deep = ImageBuffer::from_fn(3, 2, |x, y| Rgb([x as u16 * 1000, y as u16 * 2000, 65_535]));
        let picture = decode(&bytes_of(deep.clone(), ImageFormat::Png)).unwrap();
        assert_eq!(picture.samples, Samples::U16(deep.into_raw()));
        let grey = ImageBuffer::from_fn(3, 2, |x, _| Luma([x as u16 * 1000]));
        assert_eq!(decode(&bytes_of(grey, ImageFormat::Png)).unwrap().bands, 1);
        let alpha = ImageBuffer::from_fn(1, 1, |_, _| Rgba([1u8, 2, 3, 4]));
        assert_eq!(decode(&bytes_of(alpha, ImageFormat::Png)).unwrap().samples, Samples::U8(vec![1, 2, 3]));
        let alpha = ImageBuffer::from_fn(1, 1, |_, _| LumaA([7u8, 4]));
        assert_eq!(decode(&bytes_of(alpha, ImageFormat::Png)).unwrap().samples, Samples::U8(vec![7]));
    }

    #[test]
    fn jpeg_is_close() {
        let rgb = ImageBuffer::from_fn(16, 16, |x, y| Rgb([100 + x as u8, 90 + y as u8, 120]));
        let Samples::U8(samples) = decode(&bytes_of(rgb.clone(), ImageFormat::Jpeg)).unwrap().samples else {
            panic!("an 8-bit picture")
        };
        assert!(samples.iter().zip(rgb.as_raw()).all(|(a, b)| a.abs_diff(*b) < 16));
    }

    #[test]
    fn a_jpeg_that_is_cut_off_anywhere_is_an_error() {
        let whole =
            bytes_of(ImageBuffer::from_fn(32, 32, |x, y| Rgb([8 * x as u8, 8 * y as u8, 0])), ImageFormat::Jpeg);
        assert!(decode(&whole).is_ok());
        for len in 0..whole.len() - 1 {
            assert!(decode(&whole[..len]).is_err(), "{len} of {} bytes", whole.len());
        }
    }

    #[test]
    fn damage_is_an_error_in_one_line() {
        let good = bytes_of(ImageBuffer::from_fn(9, 9, |_, _| Rgb([1u8, 2, 3])), ImageFormat::Png);
        for bytes in [&[][..], b"hello", &good[..good.len() / 2], &good[..20]] {
            let why = decode(bytes).unwrap_err();
            assert!(!why.contains('\n') && !why.is_empty());
        }
    }
}
