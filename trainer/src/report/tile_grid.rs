//! Generated tiles side by side, as a picture.

use crate::methods::Generated;
use anyhow::Result;
use image::{ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

/// Pixels between two tiles.
const GAP: u32 = 2;
/// What shows between them.
const BACKGROUND: Rgb<u8> = Rgb([255; 3]);

/// A PNG of all tiles in rows of equal length: the first three bands as red, green and blue, or the first one as grey.
///
/// # Errors
/// Never in practice: the picture is encoded in memory.
pub fn tile_grid_png(tiles: &Generated) -> Result<Vec<u8>> {
    let columns = (tiles.count as f64).sqrt().ceil().max(1.0) as usize;
    let rows = tiles.count.div_ceil(columns);
    let px = tiles.px as u32;
    let side = |count: usize| count as u32 * (px + GAP) - GAP.min(count as u32 * (px + GAP));
    let mut picture = RgbImage::from_pixel(side(columns), side(rows), BACKGROUND);
    let plane = tiles.px * tiles.px;
    for (index, tile) in tiles.values.chunks_exact(tiles.bands * plane).enumerate() {
        let left = (index % columns) as u32 * (px + GAP);
        let top = (index / columns) as u32 * (px + GAP);
        for at in 0..plane {
            let value = |band: usize| {
                let band = if tiles.bands < 3 { 0 } else { band };
                (tile[band * plane + at].clamp(0.0, 1.0) * 255.0).round() as u8
            };
            let (x, y) = (at % tiles.px, at / tiles.px);
            picture.put_pixel(left + x as u32, top + y as u32, Rgb([value(0), value(1), value(2)]));
        }
    }
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_is_where_it_belongs() {
        // Three tiles of 2 × 2: two in the first row, one in the second. Band b of tile t has the value t / 4 + b / 8.
        let values =
            (0..3).flat_map(|tile| (0..3).flat_map(move |band| vec![tile as f32 / 4.0 + band as f32 / 8.0; 4]));
        let tiles = Generated { values: values.collect(), count: 3, bands: 3, px: 2, spread: 1.0 };
        let picture = image::load_from_memory(&tile_grid_png(&tiles).unwrap()).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (6, 6));
        let pixel = |x, y| picture.get_pixel(x, y).0;
        assert_eq!(pixel(0, 0), [0, 32, 64]);
        assert_eq!(pixel(5, 1), [64, 96, 128], "the second tile, top right");
        assert_eq!(pixel(1, 4), [128, 159, 191], "the third, below");
        assert_eq!((pixel(2, 0), pixel(5, 5)), ([255; 3], [255; 3]), "between and beside them");
    }

    #[test]
    fn fewer_than_three_bands_are_grey() {
        let tiles = Generated { values: vec![1.0, 0.0], count: 1, bands: 2, px: 1, spread: 1.0 };
        let picture = image::load_from_memory(&tile_grid_png(&tiles).unwrap()).unwrap().to_rgb8();
        assert_eq!((picture.dimensions(), picture.get_pixel(0, 0).0), ((1, 1), [255; 3]));
    }
}
