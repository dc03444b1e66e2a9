//! Files as scenes: the planes that an encoder reads, and a class for every pixel.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use shared::bands::Bands;
use shared::preprocess::{SECO_STRETCH_HIGH, SECO_STRETCH_LOW, stretch};
use shared::tile::Tile;

use super::super::dense::{IGNORED, Item, Scene};
use super::super::task::{DataSpec, Kind, PixelClass};
use crate::data::{Picture, Samples, Stretch, decode, decode_planes, fingerprint};
use crate::seen::Seen;

/// Pictures and map of an item. `bands` are those that are wanted; those of the file when absent.
///
/// # Errors
/// When a file cannot be read, does not have the bands, or is of another size than the rest.
pub fn scene(item: &Item, data: &DataSpec, kind: &Kind, is_coloured: bool, bands: Option<&Bands>) -> Result<Scene> {
    let tile = |path| stretched(picture(path, data, bands)?.tile(data.dn_offset)?, data);
    let pictures = item.pictures.iter().map(|path| tile(path)).collect::<Result<Vec<Tile>>>()?;
    let (size, classes) = classes(&item.mask, kind, is_coloured)?;
    for (tile, path) in pictures.iter().zip(&item.pictures) {
        let own = [tile.height(), tile.width()];
        ensure!(
            own == size,
            "{} has {} x {} pixels, its map {} x {}\nhint: they must show the same ground",
            path.display(),
            own[1],
            own[0],
            size[1],
            size[0]
        );
    }
    Ok(Scene { pictures, classes })
}

/// Says what keeps an encoder from reading the task's files, if anything.
#[must_use]
pub fn bands_problem(data: &DataSpec, wanted: Option<&Bands>) -> Option<String> {
    let wanted = wanted?;
    let file = data.file_bands.clone().unwrap_or_else(Bands::rgb);
    let is_there = if data.as_rgb { wanted.is_rgb() } else { file.positions(wanted).is_some() };
    (!is_there).then(|| format!("it reads {wanted}, the files have {file}"))
}

fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}\nhint: is it complete?", path.display()))
}

/// A picture with the planes that are wanted.
fn picture(path: &Path, data: &DataSpec, bands: Option<&Bands>) -> Result<Picture> {
    let shown = path.display();
    let decoded =
        decode(&bytes_of(path)?).map_err(|error| anyhow!("cannot use {shown}: {error}\nhint: {}", error.hint))?;
    let file = data.file_bands.clone().unwrap_or_else(Bands::rgb);
    ensure!(
        decoded.bands == file.len(),
        "{shown} has {} planes, not {}\nhint: the task's file_bands say what they are",
        decoded.bands,
        file.len()
    );
    Ok(match bands {
        Some(wanted) if !data.as_rgb && *wanted != file => {
            let places = file.positions(wanted).ok_or_else(|| anyhow!("{shown} has no {wanted}"))?;
            decoded.select(&places)
        }
        _ => decoded,
    })
}

/// Whether any picture of an item is among those that an encoder was trained on.
///
/// # Errors
/// When a picture cannot be read.
pub fn is_seen(item: &Item, data: &DataSpec, bands: Option<&Bands>, seen: &Seen) -> Result<bool> {
    for path in &item.pictures {
        if seen.contains(fingerprint(&picture(path, data, bands)?)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn stretched(mut tile: Tile, data: &DataSpec) -> Result<Tile> {
    match &data.stretch {
        None => {}
        Some(Stretch::Named(name)) if name == "seco" => stretch(&mut tile, &SECO_STRETCH_LOW, &SECO_STRETCH_HIGH)?,
        Some(Stretch::Named(name)) => bail!("no stretch {name:?}\nhint: \"seco\", or low and high"),
        Some(Stretch::Bounds { low, high }) => stretch(&mut tile, low, high)?,
    }
    Ok(tile)
}

/// Size and class of every pixel of a mask.
fn classes(path: &Path, kind: &Kind, is_coloured: bool) -> Result<([usize; 2], Vec<u8>)> {
    let bytes = bytes_of(path)?;
    let mask = match palette_indices(&bytes) {
        Some(indices) if !is_coloured => indices,
        _ => {
            let decoded = decode_planes(&bytes);
            let decoded =
                decoded.map_err(|error| anyhow!("cannot use {}: {error}\nhint: {}", path.display(), error.hint))?;
            decoded.picture
        }
    };
    let (size, area) = ([mask.height, mask.width], mask.height * mask.width);
    let value = |pixel: usize, plane: usize| {
        let at = pixel * mask.bands + plane;
        if mask.missing.get(at).copied().unwrap_or(false) {
            return None;
        }
        match &mask.samples {
            Samples::U8(values) => Some(i32::from(values[at])),
            Samples::U16(values) => Some(i32::from(values[at])),
            Samples::I16(values) => Some(i32::from(values[at])),
            Samples::F32(values) => values[at].is_finite().then(|| values[at].round() as i32),
        }
    };
    let class: Box<dyn Fn(usize) -> u8> = match kind {
        Kind::Change { changed, ignored, .. } => Box::new(move |pixel| {
            let is_among = |values: &[u8], own: i32| values.iter().any(|value| i32::from(*value) == own);
            match value(pixel, 0) {
                None => IGNORED,
                Some(own) if is_among(changed, own) => 1,
                Some(0) => 0,
                Some(own) if is_among(ignored, own) => IGNORED,
                // Neither is an edge of a map that was resized: it belongs to no side.
                Some(_) => IGNORED,
            }
        }),
        Kind::Segmentation { classes, .. } if is_coloured && mask.bands >= 3 => Box::new(move |pixel| {
            let own = [0, 1, 2].map(|plane| value(pixel, plane).unwrap_or(-1));
            number(classes, |class| class.colour.map(i32::from) == own)
        }),
        Kind::Segmentation { classes, .. } => Box::new(move |pixel| {
            value(pixel, 0).map_or(IGNORED, |own| number(classes, |class| i32::from(class.value) == own))
        }),
        _ => bail!("{} is no task of pixels", path.display()),
    };
    Ok((size, (0..area).map(class).collect()))
}

fn number(classes: &[PixelClass], is_it: impl Fn(&PixelClass) -> bool) -> u8 {
    classes.iter().position(is_it).and_then(|at| u8::try_from(at).ok()).unwrap_or(IGNORED)
}

/// The numbers of a PNG with a palette: what they are called is up to the palette, what they mean to the data set.
fn palette_indices(bytes: &[u8]) -> Option<Picture> {
    // The color type stands behind signature, length, name, width, height and depth.
    if !bytes.starts_with(b"\x89PNG") || bytes.get(25) != Some(&3) {
        return None;
    }
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().ok()?;
    let mut packed = vec![0; reader.output_buffer_size()?];
    let info = reader.next_frame(&mut packed).ok()?;
    let (height, width) = (info.height as usize, info.width as usize);
    let bits = usize::from(info.bit_depth as u8);
    let index = |row: usize, column: usize| {
        let byte = packed[row * info.line_size + column * bits / 8];
        let shift = 8 - bits - column * bits % 8;
        byte >> shift & (((1_u16 << bits) - 1) as u8)
    };
    let indices = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
    Some(Picture::whole(1, height, width, Samples::U8(indices.map(|(row, column)| index(row, column)).collect())))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::super::super::task::Task;
    use super::*;
    use image::{GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};

    fn task(name: &str) -> Task {
        Task::shipped().unwrap().into_iter().find(|task| task.name == name).unwrap()
    }

    #[test]
    fn maps_of_every_kind_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.png");
        let found = |name: &str, is_coloured: bool| classes(&path, &task(name).what, is_coloured).unwrap().1;
        GrayImage::from_fn(4, 1, |x, _| Luma([[0, 255, 1, 130][x as usize]])).save(&path).unwrap();
        assert_eq!(found("levir-cd", false), [0, 1, 1, IGNORED]);
        GrayImage::from_fn(4, 1, |x, _| Luma([[0, 1, 7, 99][x as usize]])).save(&path).unwrap();
        assert_eq!(found("loveda", false), [IGNORED, 0, 6, IGNORED]);
        // OSCD's have four planes, whose last one does not matter.
        RgbaImage::from_fn(2, 1, |x, _| Rgba([255 * x as u8, 255 * x as u8, 255 * x as u8, 0])).save(&path).unwrap();
        assert_eq!(found("oscd", false), [0, 1]);
        RgbImage::from_fn(3, 1, |x, _| Rgb([[255, 255, 255], [0, 0, 255], [9, 9, 9]][x as usize])).save(&path).unwrap();
        assert_eq!(found("potsdam", true), [0, 1, IGNORED]);
    }

    #[test]
    fn palettes_do_not_hide_the_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.png");
        for (depth, row) in [(png::BitDepth::Eight, vec![1, 7, 0]), (png::BitDepth::Four, vec![0x17, 0x00])] {
            let mut bytes = Vec::new();
            let mut encoder = png::Encoder::new(&mut bytes, 3, 1);
            encoder.set_color(png::ColorType::Indexed);
            encoder.set_depth(depth);
            encoder.set_palette(vec![200; 48]);
            encoder.write_header().unwrap().write_image_data(&row).unwrap();
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(classes(&path, &task("loveda").what, false).unwrap().1, [0, 6, IGNORED], "{depth:?}");
        }
    }

    #[test]
    fn bands_are_picked_or_refused() {
        let flood = task("sen1floods11").data;
        assert_eq!(bands_problem(&flood, Some(&Bands::rgb())), None);
        assert_eq!(bands_problem(&flood, None), None);
        assert!(bands_problem(&task("oscd").data, Some(&Bands::sentinel_2_l2a())).is_some());
        assert!(bands_problem(&task("ombria").data, Some(&Bands::sentinel_2_l1c())).is_some());
    }
}
