//! Thumbnails as sprite atlases: many tiles in a few JPEG pictures, each small enough to fetch and decode at once.

use anyhow::{Context, Result, ensure};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use rayon::prelude::*;
use shared::bands::{Band, Bands};
use shared::preprocess;
use shared::tile::Tile;

/// Tiles a page has across and down.
const COLUMNS: usize = 16;
/// Tiles on one page.
const PER_PAGE: usize = COLUMNS * COLUMNS;
/// JPEG quality of the thumbnails.
const QUALITY: u8 = 82;

/// Thumbnail pages in rows of squares; the last page has as many rows as it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnails {
    /// Side of a thumbnail.
    pub tile_px: usize,
    /// Thumbnails across a page.
    pub columns: usize,
    /// Rows of every page but the last.
    pub rows: usize,
    /// JPEG files.
    pub pages: Vec<Vec<u8>>,
}

/// Draws `count` tiles that `read` gives one by one; `rgb` says which planes are red, green and blue.
///
/// # Errors
/// When a tile cannot be read or lacks a plane.
pub fn thumbnails(
    count: usize,
    tile_px: usize,
    rgb: [usize; 3],
    read: impl Fn(usize) -> Result<Tile> + Sync,
) -> Result<Thumbnails> {
    ensure!((8..=256).contains(&tile_px), "thumbnails of {tile_px} pixels\nhint: give 8 to 256");
    let starts: Vec<usize> = (0..count).step_by(PER_PAGE).collect();
    let pages = starts.iter().map(|&start| page(start, (start + PER_PAGE).min(count), tile_px, rgb, &read));
    Ok(Thumbnails { tile_px, columns: COLUMNS, rows: COLUMNS, pages: pages.collect::<Result<_>>()? })
}

fn page(
    start: usize,
    end: usize,
    tile_px: usize,
    rgb: [usize; 3],
    read: &(impl Fn(usize) -> Result<Tile> + Sync),
) -> Result<Vec<u8>> {
    let thumbnail = |index: usize| -> Result<Vec<u8>> {
        let tile = read(index)?;
        let picture = tile.select(&rgb).context("a thumbnail needs three planes")?;
        Ok(preprocess::fit(&picture, tile_px).to_interleaved_u8())
    };
    let thumbnails: Vec<Vec<u8>> = (start..end).into_par_iter().map(thumbnail).collect::<Result<_>>()?;
    let rows = thumbnails.len().div_ceil(COLUMNS);
    let (width, height) = (COLUMNS * tile_px, rows * tile_px);
    // [height, width, 3]
    let mut pixels = vec![0_u8; width * height * 3];
    for (position, thumbnail) in thumbnails.iter().enumerate() {
        let (top, left) = (position / COLUMNS * tile_px, position % COLUMNS * tile_px);
        for (row, line) in thumbnail.chunks_exact(tile_px * 3).enumerate() {
            let at = ((top + row) * width + left) * 3;
            pixels[at..at + line.len()].copy_from_slice(line);
        }
    }
    let mut jpeg = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut jpeg, QUALITY);
    encoder
        .write_image(&pixels, width as u32, height as u32, ExtendedColorType::Rgb8)
        .context("the thumbnails cannot be encoded")?;
    Ok(jpeg)
}

/// The planes that are shown as red, green and blue: those bands where there are, else the first three, else the first.
#[must_use]
pub fn display_planes(bands: &Bands) -> [usize; 3] {
    let named = [Band::B04, Band::B03, Band::B02].map(|band| bands.position(&band));
    if let [Some(red), Some(green), Some(blue)] = named {
        return [red, green, blue];
    }
    if bands.len() >= 3 { [0, 1, 2] } else { [0; 3] }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_lie_where_their_index_says() {
        let grey = |index: usize| (index % 250) as f32 / 255.0;
        let read = |index: usize| Ok(Tile::new(3, 20, 30, vec![grey(index); 3 * 20 * 30])?);
        let atlas = thumbnails(300, 8, [0, 1, 2], read).unwrap();
        assert_eq!(atlas.pages.len(), 2);
        for index in [0, 17, 255, 256, 299] {
            let page = image::load_from_memory(&atlas.pages[index / PER_PAGE]).unwrap().to_rgb8();
            let position = index % PER_PAGE;
            let (x, y) = (position % COLUMNS * 8 + 4, position / COLUMNS * 8 + 4);
            let found = page.get_pixel(x as u32, y as u32).0[0];
            // JPEG at this quality keeps a flat 8 × 8 block to within a few levels.
            assert!(found.abs_diff((index % 250) as u8) <= 4, "tile {index}: {found}");
        }
        assert_eq!(image::load_from_memory(&atlas.pages[1]).unwrap().height(), 3 * 8);
    }
}
