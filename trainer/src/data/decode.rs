//! Bytes of a JPEG, PNG, WebP, TIFF or NumPy file → [`Picture`]; the format is told by the content, not by the name.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, ImageReader};

use super::decode_error::DecodeError;
use super::decode_tiff::decode_tiff;
use super::decoded::Decoded;
use super::guard::guarded;
use super::npy::{decode_npy, is_npy};
use super::picture::{Picture, Samples};

/// No tile source needs more, and a damaged header cannot ask for more.
pub(super) const MAX_DECODED_BYTES: u64 = 4 << 30;

/// Decodes a picture; what is transparent is missing.
///
/// # Errors
/// One line that says why the bytes are no usable picture.
pub fn decode(bytes: &[u8]) -> Result<Picture, DecodeError> {
    decode_planes(bytes).map(Decoded::without_alpha)
}

/// Decodes a picture with every plane that it has.
///
/// # Errors
/// As [`decode`]. A fault of a decoding library is an error too.
pub fn decode_planes(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    decode_within(bytes, MAX_DECODED_BYTES)
}

/// As [`decode_planes`], refusing what takes more than `limit` bytes when it is decoded.
///
/// # Errors
/// As [`decode_planes`].
pub fn decode_within(bytes: &[u8], limit: u64) -> Result<Decoded, DecodeError> {
    guarded(|| decode_unguarded(bytes, limit)).unwrap_or_else(|fault| {
        Err(DecodeError::new(fault, "write it anew, for example with gdal_translate or ImageMagick"))
    })
}

fn decode_unguarded(bytes: &[u8], limit: u64) -> Result<Decoded, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::damaged("the file is empty"));
    }
    if raster::is_tiff(bytes) {
        return decode_tiff(bytes, limit);
    }
    if is_npy(bytes) {
        return decode_npy(bytes);
    }
    let format = match image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) => format,
        other => return Err(not_a_picture(bytes, other.ok())),
    };
    if format == ImageFormat::Jpeg && !jpeg_has_an_end(bytes) {
        return Err(DecodeError::damaged("the JPEG is cut off"));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(limit);
    reader.limits(limits);
    let decoded = from_image(reader.decode().map_err(|error| DecodeError::damaged(error.to_string()))?)?;
    if format == ImageFormat::Jpeg
        && let Some(rows) = made_up_rows(&decoded.picture)
    {
        let why = format!(
            "the JPEG's data end early: the last {rows} of its {} rows are made up by the decoder",
            decoded.picture.height
        );
        return Err(DecodeError::damaged(why));
    }
    Ok(decoded)
}

/// The refusal of bytes that are something else.
fn not_a_picture(bytes: &[u8], format: Option<ImageFormat>) -> DecodeError {
    const WANTED: &str = "JPEG, PNG, WebP, TIFF and NumPy arrays are read";
    let head = &bytes[..bytes.len().min(48)];
    let text = std::str::from_utf8(head).ok().filter(|text| !text.contains('\0'));
    match (format, text) {
        (Some(format), _) => DecodeError::new(
            format!("a {format:?} picture, whatever its name says; {WANTED}"),
            "convert it, for example with gdal_translate or ImageMagick",
        ),
        (None, Some(text)) => DecodeError::new(
            format!("its content is text, whatever its name says: {:?}", text.lines().next().unwrap_or_default()),
            "download the picture again: such a text is often a server's refusal",
        ),
        (None, None) => DecodeError::new(
            format!("its first bytes are of no format that is known here; {WANTED}"),
            "convert it, for example with gdal_translate or ImageMagick",
        ),
    }
}

/// Whether the last scan of a JPEG is followed by the end marker. Decoders fill what is missing and say nothing.
fn jpeg_has_an_end(bytes: &[u8]) -> bool {
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
    match (last([0xff, 0xda]), last([0xff, 0xd9])) {
        (Some(scan), Some(end)) => end > scan,
        _ => false,
    }
}

/// Rows at the end that a decoder made up because data were missing, when there is a whole block of them and the rest is
/// something else. Decoders say nothing of it: they repeat the last block, or take the middle of the scale.
fn made_up_rows(picture: &Picture) -> Option<usize> {
    const MIDDLE: u8 = 128;
    const BLOCK: usize = 8;
    /// Blocks are 8 pixels wide, or 16 where colours are halved.
    const PERIOD: usize = 16;
    let (Samples::U8(samples), bands) = (&picture.samples, picture.bands) else { return None };
    if picture.width < 2 * PERIOD {
        return None;
    }
    let rows = || samples.chunks_exact(picture.width * bands).rev();
    let is_repeated = |row: &[u8]| row[PERIOD * bands..] == row[..row.len() - PERIOD * bands];
    let count = rows().take_while(|row| is_repeated(row)).count();
    // Sea and borders repeat themselves too, but they are flat.
    let is_textured = rows().take(BLOCK).any(|row| row.chunks_exact(bands).any(|pixel| pixel != &row[..bands]));
    let is_middle = rows().take(BLOCK).all(|row| row.iter().all(|value| *value == MIDDLE));
    ((BLOCK..picture.height).contains(&count) && (is_textured || is_middle)).then_some(count)
}

fn from_image(image: DynamicImage) -> Result<Decoded, DecodeError> {
    let (height, width) = (image.height() as usize, image.width() as usize);
    let (bands, samples, is_transparent) = match image {
        DynamicImage::ImageLuma8(pixels) => (1, Samples::U8(pixels.into_raw()), false),
        DynamicImage::ImageRgb8(pixels) => (3, Samples::U8(pixels.into_raw()), false),
        DynamicImage::ImageLuma16(pixels) => (1, Samples::U16(pixels.into_raw()), false),
        DynamicImage::ImageRgb16(pixels) => (3, Samples::U16(pixels.into_raw()), false),
        DynamicImage::ImageLumaA8(pixels) => (2, Samples::U8(pixels.into_raw()), true),
        DynamicImage::ImageRgba8(pixels) => (4, Samples::U8(pixels.into_raw()), true),
        DynamicImage::ImageLumaA16(pixels) => (2, Samples::U16(pixels.into_raw()), true),
        DynamicImage::ImageRgba16(pixels) => (4, Samples::U16(pixels.into_raw()), true),
        other => {
            let why = format!("pixels of type {:?} are not read", other.color());
            return Err(DecodeError::new(why, "convert it to 8 or 16 bits, grey or red, green and blue"));
        }
    };
    let picture = Picture::whole(bands, height, width, samples);
    Ok(Decoded { alpha: is_transparent.then(|| bands - 1), ..Decoded::plain(picture) })
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
    fn a_jpeg_whose_data_end_early_is_an_error_though_it_has_an_end() {
        let whole =
            bytes_of(ImageBuffer::from_fn(96, 96, |x, y| Rgb([2 * x as u8, 2 * y as u8, 90])), ImageFormat::Jpeg);
        let cut = [&whole[..whole.len() * 2 / 3], &[0xff, 0xd9]].concat();
        let error = decode(&cut).map(|picture| picture.bands).unwrap_err();
        assert!(error.why.contains("made up by the decoder"), "{error}");
        let grey = bytes_of(ImageBuffer::from_pixel(32, 32, Rgb([128u8, 128, 128])), ImageFormat::Jpeg);
        assert!(decode(&grey).is_ok(), "a picture that is grey throughout");
    }

    #[test]
    fn what_is_no_picture_is_called_what_it_is() {
        for (bytes, why) in [
            (&b"GIF89a\x01\0\x01\0"[..], "a Gif picture, whatever its name says"),
            (b"<html><body>404</body>", "its content is text"),
            (b"\0\0\0\x0cjP  \r\n\x87\n", "no format that is known here"),
        ] {
            let error = decode(bytes).unwrap_err();
            assert!(error.why.contains(why) && !error.hint.is_empty(), "{error}");
        }
    }

    #[test]
    fn damage_is_an_error_in_one_line() {
        let good = bytes_of(ImageBuffer::from_fn(9, 9, |_, _| Rgb([1u8, 2, 3])), ImageFormat::Png);
        for bytes in [&[][..], b"hello", &good[..good.len() / 2], &good[..20]] {
            let DecodeError { why, hint } = decode(bytes).unwrap_err();
            assert!(!why.contains('\n') && !why.is_empty() && !hint.is_empty());
        }
    }
}
