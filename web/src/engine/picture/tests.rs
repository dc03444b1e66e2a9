//! The same samples as `image` reads, which is what the trainer reads by.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::io::Cursor;

use image::{ColorType, DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat};

use super::{Format, Picture};
use crate::engine::tiff_rows::Depth;

const WIDTH: usize = 21;
const HEIGHT: usize = 13;

/// `[bands][rows · width]` by `image`, without alpha.
fn by_image(bytes: &[u8]) -> Vec<Vec<f32>> {
    let picture = image::load_from_memory(bytes).unwrap();
    let plane = |samples: Vec<u16>, stride: usize, band: usize| -> Vec<f32> {
        samples.chunks_exact(stride).map(|pixel| f32::from(pixel[band])).collect()
    };
    let is_wide = matches!(picture.color(), ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16);
    // Eight bits become sixteen by a factor of 257.
    let share = if is_wide { 1.0 } else { 257.0 };
    let planes = if picture.color().has_color() {
        let samples = picture.to_rgb16().into_raw();
        (0..3).map(|band| plane(samples.clone(), 3, band)).collect::<Vec<_>>()
    } else {
        vec![plane(picture.to_luma16().into_raw(), 1, 0)]
    };
    planes.into_iter().map(|plane| plane.into_iter().map(|value| value / share).collect()).collect()
}

fn check(name: &str, bytes: &[u8]) {
    let format = Format::of(bytes).unwrap();
    let (width, height) = format.size(bytes).unwrap();
    let picture = Picture::decode(bytes, format).unwrap();
    let expected = by_image(bytes);
    assert_eq!((picture.width, picture.bands.count), (width as usize, expected.len()), "{name}");
    for (band, expected) in expected.iter().enumerate() {
        assert_eq!(&picture.rows(band, 0..height as usize), expected, "{name}, band {band}");
    }
}

/// Samples without order, so that nothing is the same by accident.
fn samples(count: usize) -> Vec<u8> {
    (0..count as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn png_of(colour: ExtendedColorType, samples: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(Cursor::new(&mut bytes));
    encoder.write_image(samples, WIDTH as u32, HEIGHT as u32, colour).unwrap();
    bytes
}

#[test]
fn jpegs_of_the_page_are_what_image_reads() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../public/samples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let jpegs: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "jpg")).collect();
    assert!(jpegs.len() > 5);
    for path in jpegs {
        check(&path.display().to_string(), &std::fs::read(&path).unwrap());
    }
    let grey = DynamicImage::new_luma8(WIDTH as u32, HEIGHT as u32);
    let mut bytes = Vec::new();
    grey.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Jpeg).unwrap();
    check("grey", &bytes);
}

#[test]
fn pngs_of_every_kind_are_what_image_reads() {
    for (colour, stride) in [
        (ExtendedColorType::L8, 1),
        (ExtendedColorType::La8, 2),
        (ExtendedColorType::Rgb8, 3),
        (ExtendedColorType::Rgba8, 4),
        (ExtendedColorType::L16, 2),
        (ExtendedColorType::La16, 4),
        (ExtendedColorType::Rgb16, 6),
        (ExtendedColorType::Rgba16, 8),
    ] {
        check(&format!("{colour:?}"), &png_of(colour, &samples(WIDTH * HEIGHT * stride)));
    }
}

#[test]
fn palettes_and_few_bits_are_what_image_reads() {
    for (depth, per_byte) in [(png::BitDepth::One, 8), (png::BitDepth::Four, 2), (png::BitDepth::Eight, 1)] {
        for is_palette in [false, true] {
            let mut bytes = Vec::new();
            let mut encoder = png::Encoder::new(&mut bytes, WIDTH as u32, HEIGHT as u32);
            encoder.set_depth(depth);
            encoder.set_color(if is_palette { png::ColorType::Indexed } else { png::ColorType::Grayscale });
            if is_palette {
                encoder.set_palette(samples(3 << (8 / per_byte)));
                encoder.set_trns(vec![0, 255]);
            }
            let rows = samples(WIDTH.div_ceil(per_byte) * HEIGHT);
            encoder.write_header().unwrap().write_image_data(&rows).unwrap();
            check(&format!("{depth:?}, palette {is_palette}"), &bytes);
        }
    }
}

#[test]
fn webps_are_what_image_reads() {
    for (colour, stride) in [(ExtendedColorType::Rgb8, 3), (ExtendedColorType::Rgba8, 4)] {
        let mut bytes = Vec::new();
        let encoder = image::codecs::webp::WebPEncoder::new_lossless(Cursor::new(&mut bytes));
        encoder.write_image(&samples(WIDTH * HEIGHT * stride), WIDTH as u32, HEIGHT as u32, colour).unwrap();
        check(&format!("{colour:?}"), &bytes);
    }
}

#[test]
fn what_is_cut_short_is_damaged_and_nothing_else_is_taken() {
    let png = png_of(ExtendedColorType::Rgb8, &samples(WIDTH * HEIGHT * 3));
    let whole = Picture::decode(&png, Format::Png).unwrap();
    assert!(whole.depth == Depth::U8 && whole.format() == "PNG");
    assert_eq!(Picture::decode(&png[..png.len() / 2], Format::Png).err().unwrap().what, "This picture is damaged");
    assert!(Format::Png.size(&png[..20]).is_err());
    for other in [&b"GIF89a"[..], b"II*\0", b"\xff\xd8", b"RIFF1234WAVE", b""] {
        assert_eq!(Format::of(other), None);
    }
}
