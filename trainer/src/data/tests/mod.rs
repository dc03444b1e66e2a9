//! Tests on small trees with the real folder names, types and formats.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod cases;
mod labelled;
mod layouts;
mod loading;
mod sources;

use std::path::Path;

use image::{ImageBuffer, Rgb};
use tiff::encoder::{TiffEncoder, colortype};

use super::{Source, SourceSpec, TileSource, Warning};

/// A picture of one colour, lossless or not by its extension.
fn picture(path: &Path, side: u32, colour: [u8; 3]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    ImageBuffer::from_pixel(side, side, Rgb(colour)).save(path).unwrap();
}

/// A picture whose pixels all differ from each other and from those of other seeds.
fn textured(path: &Path, (width, height): (u32, u32), seed: u32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let pixel = |x: u32, y: u32| {
        let hash = (x + 977 * y + 7919 * seed).wrapping_mul(2_654_435_761);
        Rgb([(hash >> 8) as u8, (hash >> 16) as u8, (hash >> 24) as u8])
    };
    ImageBuffer::from_fn(width, height, pixel).save(path).unwrap();
}

/// One band of a scene, 8 bit.
fn band(path: &Path, side: u32, value: impl Fn(u32, u32) -> u8) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let values: Vec<u8> = (0..side * side).map(|at| value(at % side, at / side)).collect();
    let file = std::fs::File::create(path).unwrap();
    TiffEncoder::new(file).unwrap().write_image::<colortype::Gray8>(side, side, &values).unwrap();
}

fn open(spec: &SourceSpec) -> (TileSource, Vec<Warning>) {
    let mut warnings = Vec::new();
    let source = spec.open_tiles(Path::new(""), &mut warnings).unwrap();
    (source, warnings)
}

fn error_of(spec: &SourceSpec) -> String {
    format!("{:#}", spec.open_tiles(Path::new(""), &mut Vec::new()).err().unwrap())
}

/// All places read at all their dates with a fixed generator.
fn first_tile(source: &TileSource, place: usize, date: usize) -> Vec<f32> {
    source.read(place, &[date], &mut crate::views::view_rng(0, 0, 0)).unwrap().remove(0).into_pixels()
}
