//! Contact sheets: tiles in rows and columns on one picture, to be looked at.

use std::path::Path;

use anyhow::{Context, Result};
use image::RgbImage;
use shared::bands::{Band, Bands};
use shared::preprocess::{fit, stretch};
use shared::tile::Tile;

use crate::views::PixelRange;

/// Space between tiles.
const GAP_PX: usize = 4;
/// What shows between tiles and in empty places.
const GROUND: [u8; 3] = [24, 26, 30];

/// Rows of tiles of one source.
pub struct ContactSheet {
    rows: Vec<Vec<Option<Tile>>>,
    shown: Vec<usize>,
    range: PixelRange,
    tile_px: usize,
}

impl ContactSheet {
    /// An empty sheet for tiles with these bands. Red, green and blue are shown where there are all three, else the first
    /// band in grey.
    #[must_use]
    pub fn new(bands: &Bands, range: PixelRange, tile_px: usize) -> Self {
        let rgb: Option<Vec<usize>> =
            [Band::B04, Band::B03, Band::B02].iter().map(|band| bands.position(band)).collect();
        Self { rows: Vec::new(), shown: rgb.unwrap_or_else(|| vec![0; 3]), range, tile_px: tile_px.max(1) }
    }

    /// Adds a row; `None` leaves a place empty.
    pub fn row(&mut self, tiles: Vec<Option<Tile>>) {
        self.rows.push(tiles);
    }

    /// Paints the sheet. Values without a ceiling are stretched between the 2 % and 98 % quantile of the sheet.
    ///
    /// # Errors
    /// When a tile lacks a band.
    pub fn paint(&self) -> Result<RgbImage> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let pitch = self.tile_px + GAP_PX;
        let side = |count: usize| (count.max(1) * pitch + GAP_PX) as u32;
        let mut sheet = RgbImage::from_pixel(side(columns), side(self.rows.len()), image::Rgb(GROUND));
        let mut tiles = Vec::new();
        for (row, column, tile) in self.placed() {
            tiles.push((row, column, fit(&tile.select(&self.shown)?, self.tile_px)));
        }
        if self.range == PixelRange::Open {
            let (low, high) = quantiles(tiles.iter().map(|(_, _, tile)| tile));
            for (_, _, tile) in &mut tiles {
                stretch(tile, &low, &high)?;
            }
        }
        for (row, column, tile) in &tiles {
            let (top, left) = (GAP_PX + row * pitch, GAP_PX + column * pitch);
            for (at, pixel) in tile.to_interleaved_u8().chunks_exact(3).enumerate() {
                let (x, y) = (left + at % self.tile_px, top + at / self.tile_px);
                sheet.put_pixel(x as u32, y as u32, image::Rgb([pixel[0], pixel[1], pixel[2]]));
            }
        }
        Ok(sheet)
    }

    /// Paints the sheet into a PNG file.
    ///
    /// # Errors
    /// When a tile lacks a band or the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let sheet = self.paint()?;
        sheet.save_with_format(path, image::ImageFormat::Png).with_context(|| {
            format!("cannot write {}\nhint: check the folder and the space left on the disk", path.display())
        })
    }

    fn placed(&self) -> impl Iterator<Item = (usize, usize, &Tile)> {
        self.rows.iter().enumerate().flat_map(|(row, tiles)| {
            tiles.iter().enumerate().filter_map(move |(column, tile)| tile.as_ref().map(|tile| (row, column, tile)))
        })
    }
}

/// The 2 % and 98 % quantile of each of three planes.
fn quantiles<'a>(tiles: impl Iterator<Item = &'a Tile> + Clone) -> (Vec<f32>, Vec<f32>) {
    (0..3)
        .map(|band| {
            let mut values: Vec<f32> = tiles
                .clone()
                .flat_map(|tile| tile.plane(band).iter().step_by(7).copied())
                .filter(|value| value.is_finite())
                .collect();
            values.sort_by(f32::total_cmp);
            let at = |share: f64| {
                values.get((share * values.len().saturating_sub(1) as f64) as usize).copied().unwrap_or(0.0)
            };
            let (low, high) = (at(0.02), at(0.98));
            (low, if high > low { high } else { low + 1.0 })
        })
        .unzip()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn tiles_lie_where_they_belong() {
        let red = Tile::new(3, 2, 2, [[1.0; 4], [0.0; 4], [0.0; 4]].concat()).unwrap();
        let mut sheet = ContactSheet::new(&Bands::rgb(), PixelRange::Display, 8);
        sheet.row(vec![None, Some(red.clone())]);
        sheet.row(vec![Some(red)]);
        let painted = sheet.paint().unwrap();
        assert_eq!(painted.dimensions(), (28, 28));
        let is_red = |x, y| painted.get_pixel(x, y).0 == [255, 0, 0];
        assert!(is_red(16, 4) && is_red(4, 16) && !is_red(4, 4) && !is_red(16, 16));
    }

    #[test]
    fn reflectance_is_stretched() {
        let bands = Bands::sentinel_2_l2a();
        let pixels = (0..12 * 100).map(|at| (at % 100) as f32 / 1000.0).collect();
        let mut sheet = ContactSheet::new(&bands, PixelRange::Open, 10);
        sheet.row(vec![Some(Tile::new(12, 10, 10, pixels).unwrap())]);
        let painted = sheet.paint().unwrap();
        assert_eq!(painted.get_pixel(4, 4).0, [0; 3]);
        assert_eq!(painted.get_pixel(13, 13).0, [255; 3]);
    }
}
