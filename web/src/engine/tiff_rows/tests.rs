//! Rows against the samples that were written, by way of the same crate's encoder and by hand.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::io::Cursor;

use tiff::encoder::{Compression, DeflateLevel, Predictor, TiffEncoder, colortype};

use super::*;
use crate::scene::bands::choose;
use crate::scene::peek::{Peek, peek};

/// Red, green and blue of the shipped scene.
const NORCIA_MEANS: [f32; 3] = [1041.11, 1055.23, 1086.67];

/// A value that no other place has.
fn value(x: usize, y: usize, band: usize) -> u16 {
    (x * 7 + y * 131 + band * 1009) as u16
}

fn rgb16(width: usize, height: usize, rows_per_strip: u32, compression: Compression) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let samples: Vec<u16> = (0..height * width * 3).map(|at| value(at / 3 % width, at / 3 / width, at % 3)).collect();
    let predictor =
        if matches!(compression, Compression::Uncompressed) { Predictor::None } else { Predictor::Horizontal };
    let mut encoder = TiffEncoder::new(&mut file).unwrap().with_compression(compression).with_predictor(predictor);
    let mut image = encoder.new_image::<colortype::RGB16>(width as u32, height as u32).unwrap();
    image.rows_per_strip(rows_per_strip).unwrap();
    image.write_data(&samples).unwrap();
    file.into_inner()
}

/// Reads in overlapping windows, as a map does, and compares every sample.
fn assert_rows(file: &[u8], width: usize, height: usize, planes: &[usize]) {
    let mut rows = TiffRows::open(Cursor::new(file)).unwrap();
    assert_eq!((rows.header().width, rows.header().height), (width, height));
    let starts = (0..height).step_by(16).chain([3, 0]);
    for start in starts {
        let end = (start + 64).min(height);
        for (found, &band) in rows.rows(planes, start..end).unwrap().iter().zip(planes) {
            let expected: Vec<f32> =
                (start..end).flat_map(|y| (0..width).map(move |x| f32::from(value(x, y, band)))).collect();
            assert_eq!(*found, expected, "rows {start} to {end}, band {band}");
        }
    }
}

#[test]
fn strips_of_any_height_and_compression_give_the_same_rows() {
    for compression in [Compression::Uncompressed, Compression::Lzw, Compression::Deflate(DeflateLevel::Fast)] {
        for rows_per_strip in [1, 13, 64, 200] {
            let file = rgb16(70, 200, rows_per_strip, compression);
            assert_rows(&file, 70, 200, &[2, 0, 0]);
        }
    }
}

#[test]
fn a_huge_strip_is_read_a_few_rows_at_a_time() {
    let (width, height) = (1500, 700);
    for compression in [Compression::Uncompressed, Compression::Deflate(DeflateLevel::Fast)] {
        let file = rgb16(width, height, height as u32, compression);
        assert_rows(&file, width, height, &[0, 1, 2]);
        let mut rows = TiffRows::open(Cursor::new(&file)).unwrap();
        rows.rows(&[1], 0..64).unwrap();
        rows.rows(&[1], 600..664).unwrap();
        assert!(rows.samples[0].len() <= 2 * 64 * width, "what lies above is not kept");
    }
}

#[test]
fn what_is_no_longer_needed_is_let_go() {
    let file = rgb16(100, 640, 10, Compression::Lzw);
    let mut rows = TiffRows::open(Cursor::new(&file)).unwrap();
    for start in (0..576).step_by(64) {
        rows.rows(&[0, 1, 2], start..start + 64).unwrap();
        assert!(rows.samples[0].len() <= 90 * 100, "{} samples are held", rows.samples[0].len());
    }
}

#[test]
fn a_file_cut_short_is_damaged_and_rubbish_is_refused() {
    let file = rgb16(70, 200, 13, Compression::Lzw);
    assert!(TiffRows::open(Cursor::new(&file[..40])).is_err());
    assert!(TiffRows::open(Cursor::new(b"II*\0 nonsense")).is_err());
    let mut broken = file.clone();
    broken[8..2000].fill(0xff);
    let outcome = TiffRows::open(Cursor::new(&broken)).and_then(|mut rows| rows.rows(&[0], 0..200).map(|_| ()));
    assert!(outcome.is_err());
}

#[test]
fn the_shipped_scene_is_read_as_what_it_is() {
    let file = include_bytes!("../../../../public/scenes/norcia.tif");
    assert_eq!(
        peek(file, 0, &file[..1000]),
        Peek::ReadAt(u64::from(u32::from_le_bytes([file[4], file[5], file[6], file[7]])))
    );
    assert_eq!(peek(file, 0, file), Peek::Size(385, 241));
    let mut rows = TiffRows::open(Cursor::new(file)).unwrap();
    let header = rows.header().clone();
    assert_eq!((header.width, header.height, header.depth), (385, 241, Depth::U16));
    let wanted = ["B04", "B03", "B02"].map(str::to_owned);
    let taken = choose(&header.bands, &wanted, None).unwrap();
    assert_eq!((taken.planes.as_slice(), taken.order.as_str()), (&[2, 1, 0][..], "named in the file"));
    let place = header.georeference.unwrap();
    assert_eq!(place.epsg, Some(4326));
    let pixel_m = place.pixel_m(385, 241);
    assert!((9.0..13.0).contains(&pixel_m), "{pixel_m} m, and Sentinel-2 has 10");
    // The means of the bands as the Onera dataset has them, taken with Pillow.
    let samples = rows.rows(&taken.planes, 0..241).unwrap();
    let means = samples.iter().map(|band| band.iter().sum::<f32>() / band.len() as f32).collect::<Vec<_>>();
    for (mean, expected) in means.iter().zip(NORCIA_MEANS) {
        assert!((mean - expected).abs() < 0.5, "{means:?}");
    }
}

/// A picture of one band, with GDAL's mark for nothing.
fn grey(samples: &[u8], width: u32, no_data: Option<&str>) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    let mut image = encoder.new_image::<colortype::Gray8>(width, samples.len() as u32 / width).unwrap();
    if let Some(text) = no_data {
        image.encoder().write_tag(tiff::tags::Tag::GdalNodata, text).unwrap();
    }
    image.write_data(samples).unwrap();
    file.into_inner()
}

#[test]
fn what_stands_for_nothing_is_no_number() {
    let samples = [7, 200, 7, 90, 91, 92];
    let whole = grey(&samples, 3, None);
    let mut rows = TiffRows::open(Cursor::new(&whole)).unwrap();
    assert_eq!(rows.header().no_data, None);
    assert_eq!(rows.rows(&[0], 0..2).unwrap()[0], samples.map(f32::from));
    let marked = grey(&samples, 3, Some("7"));
    let mut rows = TiffRows::open(Cursor::new(&marked)).unwrap();
    assert!(rows.header().no_data.is_some_and(f32::is_nan));
    let found = rows.rows(&[0], 0..2).unwrap()[0].to_vec();
    assert!(found[0].is_nan() && found[2].is_nan(), "{found:?}");
    assert_eq!((found[1], &found[3..]), (200.0, &[90.0, 91.0, 92.0][..]));
}
