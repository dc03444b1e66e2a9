//! Stacks against the samples of the files that they are made of: written by the `tiff` crate or by hand, read by the worker's reader.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::io::Cursor;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tiff::encoder::{Compression, DeflateLevel, TiffEncoder, colortype};
use tiff::tags::Tag;

use super::*;
use crate::engine::tiff_rows::{Depth, TiffRows};
use crate::stack::names::band_file;

const W: usize = 37;
const H: usize = 50;

fn value(pixel: usize, band: usize) -> u16 {
    (pixel * 7 + band * 1009 + 1) as u16
}

fn file(width: usize, band: usize, compression: Compression, items: &str) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap().with_compression(compression);
    let mut image = encoder.new_image::<colortype::Gray16>(width as u32, H as u32).unwrap();
    image.rows_per_strip(13).unwrap();
    image.encoder().write_tag(Tag::ModelPixelScaleTag, &[10.0, 10.0, 0.0][..]).unwrap();
    image.encoder().write_tag(Tag::ModelTiepointTag, &[0.0, 0.0, 0.0, 6e5, 5.3e6, 0.0][..]).unwrap();
    if !items.is_empty() {
        image.encoder().write_tag(Tag::Unknown(42_112), items).unwrap();
    }
    image.write_data(&(0..width * H).map(|pixel| value(pixel, band)).collect::<Vec<_>>()).unwrap();
    file.into_inner()
}

fn directory(file: &[u8]) -> Option<Directory> {
    let read = async |from: u64, to: u64| file.get(from as usize..to as usize).map(<[u8]>::to_vec);
    let work = pin!(Directory::read(file.len() as u64, read));
    match work.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(directory) => directory,
        Poll::Pending => unreachable!("memory does not wait"),
    }
}

fn part(name: &str, file: &[u8]) -> Part {
    Part { file: name.to_owned(), named: band_file(name).unwrap(), directory: directory(file).unwrap() }
}

fn stacked(files: &[(&str, &[u8])]) -> Vec<u8> {
    let parts: Vec<Part> = files.iter().map(|(name, file)| part(name, file)).collect();
    let mut stack = head::head(&parts.iter().collect::<Vec<_>>());
    files.iter().for_each(|(_, file)| stack.extend_from_slice(file));
    stack
}

#[test]
fn a_stack_has_the_samples_and_names_of_its_files() {
    for compression in [Compression::Uncompressed, Compression::Lzw, Compression::Deflate(DeflateLevel::Fast)] {
        let names = ["a_B02.tif", "a_B03_10m.tif", "a_B8A.tif"];
        let files: Vec<Vec<u8>> = (0..3).map(|band| file(W, band, compression, "")).collect();
        let files: Vec<(&str, &[u8])> = names.into_iter().zip(files.iter().map(Vec::as_slice)).collect();
        let stack = stacked(&files);
        let mut rows = TiffRows::open(Cursor::new(stack)).unwrap();
        let header = rows.header().clone();
        assert_eq!((header.width, header.height, header.depth), (W, H, Depth::U16));
        assert_eq!(header.bands.names, ["B02", "B03", "B8A"]);
        let place = header.georeference.unwrap();
        assert_eq!(place.place(0.0, 0.0), [6e5, 5.3e6]);
        for (found, band) in rows.rows(&[2, 0, 1], 0..H).unwrap().iter().zip([2, 0, 1]) {
            let expected: Vec<f32> = (0..W * H).map(|pixel| f32::from(value(pixel, band))).collect();
            assert_eq!(*found, expected, "band {band}");
        }
    }
}

#[test]
fn what_the_files_say_is_said_of_the_stack() {
    let items = "<GDALMetadata>\n<Item name=\"PROCESSING_BASELINE\">05.09</Item>\n\
                 <Item name=\"DESCRIPTION\" sample=\"0\" role=\"description\">own</Item></GDALMetadata>";
    let scaled = "<GDALMetadata><Item name=\"SCALE\" sample=\"0\" role=\"scale\">2</Item></GDALMetadata>";
    let (one, two) = (file(W, 0, Compression::Lzw, items), file(W, 1, Compression::Lzw, items));
    let stack = stacked(&[("B02.tif", &one), ("B03.tif", &two)]);
    assert_eq!(TiffRows::open(Cursor::new(stack)).unwrap().header().dn_offset, Some(-1000));
    let (one, two) = (file(W, 0, Compression::Lzw, ""), file(W, 1, Compression::Lzw, scaled));
    let mut rows = TiffRows::open(Cursor::new(stacked(&[("B02.tif", &one), ("B03.tif", &two)]))).unwrap();
    let found: Vec<f32> = rows.rows(&[0, 1], 0..1).unwrap().iter().map(|band| band[3]).collect();
    assert_eq!(found, [f32::from(value(3, 0)) * 1e-4, f32::from(value(3, 1)) * 2.0]);
}

#[test]
fn landsats_second_level_has_its_scale_and_other_numbers() {
    let (red, green) = (file(W, 3, Compression::Lzw, ""), file(W, 2, Compression::Lzw, ""));
    let names =
        ["LT05_L2SP_198029_19900715_20200915_02_T1_SR_B3.TIF", "LT05_L2SP_198029_19900715_20200915_02_T1_SR_B2.TIF"];
    let mut rows = TiffRows::open(Cursor::new(stacked(&[(names[0], &red), (names[1], &green)]))).unwrap();
    assert_eq!(rows.header().bands.names, ["Red", "Green"]);
    let found = rows.rows(&[0], 0..1).unwrap()[0][5];
    assert!((f64::from(found) - (f64::from(value(5, 3)) * 2.75e-5 - 0.2)).abs() < 1e-6, "{found}");
}

/// Two pixels of 16 bits, the numbers the other way round.
fn big_endian(low: u16) -> Vec<u8> {
    let mut file = b"MM\0\x2a\0\0\0\x0c".to_vec();
    file.extend([low, low + 1].iter().flat_map(|value| value.to_be_bytes()));
    let tags: [(u16, u16, u16); 8] =
        [(256, 3, 2), (257, 3, 1), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 3, 8), (278, 3, 1), (279, 3, 4)];
    file.extend((tags.len() as u16).to_be_bytes());
    for (tag, kind, value) in tags {
        file.extend([tag, kind, 0, 1, value, 0].iter().flat_map(|number| number.to_be_bytes()));
    }
    file.extend([0; 4]);
    file
}

#[test]
fn the_order_of_bytes_stays() {
    let (one, two) = (big_endian(300), big_endian(500));
    let mut rows = TiffRows::open(Cursor::new(stacked(&[("B02.tif", &one), ("B03.tif", &two)]))).unwrap();
    assert_eq!(rows.rows(&[0, 1], 0..1).unwrap(), [&[300.0, 301.0][..], &[500.0, 501.0][..]]);
}

#[test]
fn what_does_not_fit_is_left_out_with_the_reason() {
    let wanted = ["B04", "B03", "B02"].map(str::to_owned);
    let mut elsewhere = file(W, 0, Compression::Lzw, "");
    let at = elsewhere.windows(8).position(|bytes| bytes == 6e5_f64.to_le_bytes()).unwrap();
    elsewhere[at..at + 8].copy_from_slice(&7e5_f64.to_le_bytes());
    let parts = [
        part("s_B05_20m.tif", &file(W - 1, 0, Compression::Lzw, "")),
        part("s_B03_10m.tif", &file(W, 0, Compression::Lzw, "")),
        part("s_B02_10m.tif", &file(W, 0, Compression::Lzw, "")),
        part("s_B02_20m.tif", &file(W - 1, 0, Compression::Lzw, "")),
        part("s_B08_10m.tif", &elsewhere),
        part("s_B04_10m.tif", &file(W, 0, Compression::Deflate(DeflateLevel::Fast), "")),
    ];
    let sorted = sort(&parts[..5], &wanted);
    assert_eq!(sorted.bands, [2, 1]);
    let said: Vec<(usize, &str)> = sorted.left_out.iter().map(|(at, reason)| (*at, reason.as_str())).collect();
    let size = "it has 36 × 50 pixels, not 37 × 50";
    assert_eq!(said, [(3, size), (0, size), (4, "it lies in another place")]);
    assert_eq!(sort(&parts[1..6], &wanted).left_out.iter().filter(|(_, why)| why.contains("another way")).count(), 1);
}

#[test]
fn names_tell_scene_and_band() {
    let of = |path: &str| band_file(path).map(|found| (found.scene, found.band));
    let is = |scene: &str, band: &str| Some((scene.to_owned(), band.to_owned()));
    assert_eq!(of("T31TCJ_20210315T105031_B02_10m.tif"), is("T31TCJ_20210315T105031", "B02"));
    assert_eq!(of("R20m/T31TCJ_20210315T105031_B8A_20m.TIFF"), is("T31TCJ_20210315T105031", "B8A"));
    assert_eq!(of("2021-03-15/B4.tif"), is("2021-03-15/", "B04"));
    assert_eq!(of("2021-03-15_B04.tif"), is("2021-03-15", "B04"));
    assert_eq!(of("B04-field.north_20m.tif"), is("field.north", "B04"));
    assert_eq!(of("b11.tif"), is("", "B11"));
    assert_eq!(of("red.tif"), is("", "Red"));
    let landsat = |name: &str, number: u8| of(&format!("{name}_L1TP_198029_20200915_02_T1_B{number}.TIF")).unwrap().1;
    assert_eq!([landsat("LE07", 3), landsat("LC08", 3), landsat("LC09", 6)], ["Red", "Green", "SWIR 1"]);
    for none in ["B13.tif", "B04.jpg", "TCI_10m.tif", "Forest_1.tif", "B104.tif", "AB4.tif", "B+4.tif"] {
        assert_eq!(of(none), None, "{none}");
    }
}

#[test]
fn rubbish_has_no_directory() {
    let whole = file(W, 0, Compression::Lzw, "");
    for bytes in [&whole[..7], &whole[..40], b"", b"II*\0", b"MM\0\x2b\0\x08\0\0\xff\xff\xff\xff\xff\xff\xff\xff"] {
        assert_eq!(directory(bytes), None);
    }
}
