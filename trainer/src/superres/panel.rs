//! Pictures side by side, to be looked at.

use shared::tile::Tile;

/// Space between pictures.
const GAP_PX: usize = 4;

/// The pictures from left to right, of equal size, with white between them; `None` for no picture.
#[must_use]
pub fn side_by_side(pictures: &[&Tile]) -> Option<Tile> {
    let first = pictures.first()?;
    let (bands, height, own) = (first.bands(), first.height(), first.width());
    let width = pictures.len() * (own + GAP_PX) - GAP_PX;
    let mut panel = Tile::new(bands, height, width, vec![1.0; bands * height * width]).ok()?;
    for (index, picture) in pictures.iter().enumerate() {
        let left = index * (own + GAP_PX);
        for band in 0..bands {
            let rows = panel.plane_mut(band).chunks_exact_mut(width);
            for (target, source) in rows.zip(picture.plane(band).chunks_exact(own)) {
                target[left..left + own].copy_from_slice(source);
            }
        }
    }
    Some(panel)
}

/// `tile` with every pixel repeated `scale` times on both sides.
#[must_use]
pub fn nearest(tile: &Tile, scale: usize) -> Tile {
    let (height, width) = (tile.height() * scale, tile.width() * scale);
    let value = |band: usize, at: usize| {
        let (row, column) = (at / width / scale, at % width / scale);
        tile.plane(band)[row * tile.width() + column]
    };
    let pixels = (0..tile.bands()).flat_map(|band| (0..height * width).map(move |at| value(band, at)));
    // A tile has pixels, so its enlargement has.
    Tile::new(tile.bands(), height, width, pixels.collect()).unwrap_or_else(|_| tile.clone())
}
