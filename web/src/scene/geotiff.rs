//! The class map as a cloud-optimised GeoTIFF: one byte a pixel with a palette, tiles of 256, overviews, no data where nothing
//! is painted, in the picture's own system.
//!
//! Written here because there is no small writer for it that runs in a page; packing is left to the browser.

use super::card::SceneCard;
use super::cells::{Cells, Filter, Look};
use super::georeference::Georeference;
use crate::map::palette::Rgb;
use crate::order;

/// Side of a tile.
pub const TILE_PX: usize = 256;
/// What is not painted; the first class is 1.
pub const NO_DATA: u8 = 0;
/// Pictures of more pixels are written coarser: every second pixel, every fourth …
const MAX_PIXELS: usize = 128 << 20;

/// One size of the picture, in tiles.
pub struct Level {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Row by row; [`TILE_PX`]² bytes each, until they are packed.
    pub tiles: Vec<Vec<u8>>,
}

/// How tiles were packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// As they are.
    None,
    /// zlib.
    Deflate,
}

/// The map's pixels, and pixels of the picture for each of them: the whole map first, then half of it, and so on.
#[must_use]
pub fn levels(card: &SceneCard, cells: &Cells, filter: &Filter) -> (Vec<Level>, usize) {
    let grid = card.grid;
    let mut step = 1;
    while grid.width.div_ceil(step) * grid.height.div_ceil(step) > MAX_PIXELS {
        step *= 2;
    }
    let value = |patch: usize| match cells.look(patch, filter) {
        Look::Class(class) => u8::try_from(class + 1).unwrap_or(NO_DATA),
        _ => NO_DATA,
    };
    let values: Vec<u8> = (0..cells.len()).map(value).collect();
    // Which column of cells each column of pixels is in, and the same for rows.
    let along = |length: usize, cell_at: &dyn Fn(f64) -> Option<usize>| -> Vec<usize> {
        (0..length).map(|at| cell_at(at as f64 + 0.5).unwrap_or(0)).collect()
    };
    let columns = grid.columns().max(1);
    let across = along(grid.width, &|x| grid.patch_at(x, 0.5).map(|patch| patch % columns));
    let down = along(grid.height, &|y| grid.patch_at(0.5, y).map(|patch| patch / columns));
    let mut levels = Vec::new();
    let mut scale = step;
    loop {
        let (width, height) = (grid.width.div_ceil(scale), grid.height.div_ceil(scale));
        let pixel = |x: usize, y: usize| {
            // The middle of what it stands for.
            let place = |at: usize, length: usize| (at * scale + scale / 2).min(length - 1);
            values[down[place(y, grid.height)] * columns + across[place(x, grid.width)]]
        };
        levels.push(level(width, height, pixel));
        if width.max(height) <= TILE_PX {
            return (levels, step);
        }
        scale *= 2;
    }
}

fn level(width: usize, height: usize, pixel: impl Fn(usize, usize) -> u8) -> Level {
    let tile = |left: usize, top: usize| {
        let mut bytes = vec![NO_DATA; TILE_PX * TILE_PX];
        for y in top..(top + TILE_PX).min(height) {
            for x in left..(left + TILE_PX).min(width) {
                bytes[(y - top) * TILE_PX + x - left] = pixel(x, y);
            }
        }
        bytes
    };
    let corners = (0..height).step_by(TILE_PX).flat_map(|top| (0..width).step_by(TILE_PX).map(move |left| (left, top)));
    Level { width, height, tiles: corners.map(|(left, top)| tile(left, top)).collect() }
}

/// The file: `levels` as [`levels`] made them, their tiles packed; `step` pixels of the picture for one of the map's.
#[must_use]
pub fn file(
    levels: &[Level],
    packing: Packing,
    step: usize,
    place: Option<&Georeference>,
    classes: &[(String, Rgb)],
) -> Vec<u8> {
    let directories: Vec<Vec<Tag>> = levels
        .iter()
        .enumerate()
        .map(|(number, level)| {
            let mut tags = tags_of(level, packing, number > 0, classes);
            if number == 0 {
                tags.extend(place.into_iter().flat_map(|place| place_tags(place, step)));
                tags.push(Tag::text(42_112, &metadata(classes)));
                tags.push(Tag::text(42_113, &NO_DATA.to_string()));
            }
            order::sort_by_key(&mut tags, |tag| tag.number);
            tags
        })
        .collect();
    // All directories come first, then the tiles, those of the smallest picture before the others.
    let sizes: Vec<usize> = directories.iter().map(|tags| directory_bytes(tags)).collect();
    let mut at = 8 + sizes.iter().sum::<usize>();
    let mut offsets: Vec<Vec<u32>> = vec![Vec::new(); levels.len()];
    for (number, level) in levels.iter().enumerate().rev() {
        for tile in &level.tiles {
            offsets[number].push(at as u32);
            at += tile.len();
        }
    }
    let mut file = Vec::with_capacity(at);
    file.extend(b"II\x2a\0\x08\0\0\0");
    for (number, tags) in directories.into_iter().enumerate() {
        let start = file.len();
        let next = if number + 1 < levels.len() { (start + sizes[number]) as u32 } else { 0 };
        write_directory(&mut file, tags, &offsets[number], next);
    }
    levels.iter().rev().flat_map(|level| &level.tiles).for_each(|tile| file.extend(tile));
    file
}

struct Tag {
    number: u16,
    kind: u16,
    count: usize,
    bytes: Vec<u8>,
}

const TILE_OFFSETS: u16 = 324;

impl Tag {
    fn shorts(number: u16, values: &[u16]) -> Self {
        Self {
            number,
            kind: 3,
            count: values.len(),
            bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }

    fn longs(number: u16, values: &[u32]) -> Self {
        Self {
            number,
            kind: 4,
            count: values.len(),
            bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }

    fn doubles(number: u16, values: &[f64]) -> Self {
        Self {
            number,
            kind: 12,
            count: values.len(),
            bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }

    fn text(number: u16, text: &str) -> Self {
        let bytes: Vec<u8> = text.bytes().chain([0]).collect();
        Self { number, kind: 2, count: bytes.len(), bytes }
    }
}

fn tags_of(level: &Level, packing: Packing, is_overview: bool, classes: &[(String, Rgb)]) -> Vec<Tag> {
    let mut palette = vec![0_u16; 3 * 256];
    for (value, (_, rgb)) in (1..256).zip(classes) {
        for (band, part) in rgb.iter().enumerate() {
            palette[band * 256 + value] = u16::from(*part) * 257;
        }
    }
    let lengths: Vec<u32> = level.tiles.iter().map(|tile| tile.len() as u32).collect();
    vec![
        Tag::longs(254, &[u32::from(is_overview)]),
        Tag::longs(256, &[level.width as u32]),
        Tag::longs(257, &[level.height as u32]),
        Tag::shorts(258, &[8]),
        Tag::shorts(259, &[if packing == Packing::Deflate { 8 } else { 1 }]),
        Tag::shorts(262, &[3]),
        Tag::shorts(277, &[1]),
        Tag::shorts(284, &[1]),
        Tag::shorts(320, &palette),
        Tag::shorts(322, &[TILE_PX as u16]),
        Tag::shorts(323, &[TILE_PX as u16]),
        // Filled in when it is known where the tiles lie.
        Tag::longs(TILE_OFFSETS, &vec![0; lengths.len()]),
        Tag::longs(325, &lengths),
        Tag::shorts(339, &[1]),
    ]
}

/// Where the picture lies, as GeoTIFF says it.
fn place_tags(place: &Georeference, step: usize) -> Vec<Tag> {
    let step = step as f64;
    let [a, b, c, d, e, f] = place.affine;
    let (b, c, e, f) = (b * step, c * step, e * step, f * step);
    let mut tags = if c == 0.0 && e == 0.0 && b > 0.0 && f < 0.0 {
        vec![Tag::doubles(33_550, &[b, -f, 0.0]), Tag::doubles(33_922, &[0.0, 0.0, 0.0, a, d, 0.0])]
    } else {
        vec![Tag::doubles(34_264, &[b, c, 0.0, a, e, f, 0.0, d, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])]
    };
    let (model, key) = if place.is_geographic { (2, 2048) } else { (1, 3072) };
    // Pixels are areas; a system without a number is left to who knows it.
    let system = place.epsg.and_then(|epsg| u16::try_from(epsg).ok()).unwrap_or(32_767);
    tags.push(Tag::shorts(34_735, &[1, 1, 0, 3, 1024, 0, 1, model, 1025, 0, 1, 1, key, 0, 1, system]));
    tags
}

/// Class names, as GDAL keeps what TIFF has no place for.
fn metadata(classes: &[(String, Rgb)]) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let item = |(at, (name, _)): (usize, &(String, Rgb))| {
        format!("<Item name=\"CLASS_{}\" sample=\"0\">{}</Item>", at + 1, escaped(name))
    };
    format!("<GDALMetadata>{}</GDALMetadata>", classes.iter().enumerate().map(item).collect::<String>())
}

/// A directory with what does not fit into its entries.
fn directory_bytes(tags: &[Tag]) -> usize {
    let outside = tags.iter().map(|tag| if tag.bytes.len() > 4 { tag.bytes.len().next_multiple_of(2) } else { 0 });
    2 + tags.len() * 12 + 4 + outside.sum::<usize>()
}

fn write_directory(file: &mut Vec<u8>, tags: Vec<Tag>, offsets: &[u32], next: u32) {
    let mut outside_at = file.len() + 2 + tags.len() * 12 + 4;
    let mut outside = Vec::new();
    file.extend((tags.len() as u16).to_le_bytes());
    for mut tag in tags {
        if tag.number == TILE_OFFSETS {
            tag = Tag::longs(TILE_OFFSETS, offsets);
        }
        file.extend(tag.number.to_le_bytes());
        file.extend(tag.kind.to_le_bytes());
        file.extend((tag.count as u32).to_le_bytes());
        if tag.bytes.len() <= 4 {
            tag.bytes.resize(4, 0);
            file.extend(tag.bytes);
        } else {
            file.extend((outside_at as u32).to_le_bytes());
            tag.bytes.resize(tag.bytes.len().next_multiple_of(2), 0);
            outside_at += tag.bytes.len();
            outside.extend(tag.bytes);
        }
    }
    file.extend(next.to_le_bytes());
    file.extend(outside);
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use std::io::Cursor;

    use tiff::decoder::Decoder;
    use tiff::tags::Tag as Number;

    use super::*;
    use crate::scene::cells::ANSWERED;
    use crate::scene::grid::Grid;

    fn card(width: usize, height: usize, stride_px: usize) -> SceneCard {
        SceneCard::of_ten_metres(Grid::new(width, height, 64, stride_px).unwrap(), 32_632)
    }

    #[test]
    fn every_pixel_has_the_class_of_its_cell_and_unsure_ones_none() {
        let card = card(700, 333, 16);
        let count = card.grid.count();
        let mut cells = Cells::new(count, 3);
        for patch in 0..count {
            let mut shares = [0.3, 0.3, 0.3];
            if !patch.is_multiple_of(5) {
                shares[patch * 7 % 3] = 0.9;
            }
            cells.put(patch, &[ANSWERED], &shares);
        }
        let filter = Filter { threshold: 0.5, ..Filter::default() };
        let classes = [
            ("Crop & field".to_owned(), [255, 0, 10]),
            ("River".to_owned(), [0, 20, 255]),
            ("Town".to_owned(), [1, 2, 3]),
        ];
        let (levels, step) = levels(&card, &cells, &filter);
        let sizes: Vec<(usize, usize)> = levels.iter().map(|level| (level.width, level.height)).collect();
        assert_eq!((sizes, step), (vec![(700, 333), (350, 167), (175, 84)], 1));
        let bytes = file(&levels, Packing::None, step, card.georeference.as_ref(), &classes);
        let mut decoder = Decoder::new(Cursor::new(&bytes)).unwrap();
        assert_eq!(decoder.dimensions().unwrap(), (700, 333));
        assert_eq!(
            decoder.get_tag_f64_vec(Number::ModelTiepointTag).unwrap(),
            [0.0, 0.0, 0.0, 600_000.0, 5_300_000.0, 0.0]
        );
        assert_eq!(decoder.get_tag_ascii_string(Number::GdalNodata).unwrap(), "0");
        assert!(decoder.get_tag_ascii_string(Number::Unknown(42_112)).unwrap().contains("Crop &amp; field"));
        let palette = decoder.get_tag_u16_vec(Number::ColorMap).unwrap();
        assert_eq!(
            (palette[1], palette[257], palette[512 + 2]),
            (65_535, 0, 65_535),
            "red of the first class, blue of the second"
        );
        // That reader knows no palettes: the tiles are taken from where it says that they lie.
        let offsets = decoder.get_tag_u32_vec(Number::TileOffsets).unwrap();
        let lengths = decoder.get_tag_u32_vec(Number::TileByteCounts).unwrap();
        assert_eq!((offsets.len(), lengths), (6, vec![65_536; 6]));
        for (x, y) in [(0, 0), (39, 39), (40, 40), (255, 300), (256, 10), (699, 332), (512, 256)] {
            let patch = card.grid.patch_at(x as f64 + 0.5, y as f64 + 0.5).unwrap();
            let expected = if patch.is_multiple_of(5) { NO_DATA } else { (patch * 7 % 3 + 1) as u8 };
            let tile = offsets[y / 256 * 3 + x / 256] as usize;
            assert_eq!(bytes[tile + y % 256 * 256 + x % 256], expected, "{x}, {y}");
        }
        decoder.next_image().unwrap();
        assert_eq!(decoder.dimensions().unwrap(), (350, 167));
    }

    #[test]
    fn a_rotated_picture_keeps_its_matrix() {
        let mut place = card(64, 64, 64).georeference.unwrap();
        place.affine = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let tags = place_tags(&place, 2);
        assert_eq!(tags[0].number, 34_264);
        assert_eq!(tags[0].bytes[..8], 4.0_f64.to_le_bytes());
    }
}
