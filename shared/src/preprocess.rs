//! The only resizing, cropping, normalisation and reflectance scaling of the whole project: what the encoder was trained
//! on and what the browser feeds it cannot differ.

mod normalisation;
mod resample;

pub use normalisation::{EUROSAT_WHITE, Normalisation, SECO_STRETCH_HIGH, SECO_STRETCH_LOW, normalise, stretch};

pub use resample::Filter;

use crate::tile::Tile;
pub use crate::tile::reflectance_from_dn;
use resample::{Axis, resample};

/// What is wrong with a request to preprocess a tile.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PreprocessError {
    /// A window that does not lie inside the tile, or is empty.
    #[error(
        "the window of {height} x {width} at row {top}, column {left} does not fit a tile of {tile_height} x {tile_width}\nhint: choose a smaller window or a larger tile"
    )]
    OutsideTile {
        /// First row of the window.
        top: usize,
        /// First column of the window.
        left: usize,
        /// Rows of the window.
        height: usize,
        /// Columns of the window.
        width: usize,
        /// Rows of the tile.
        tile_height: usize,
        /// Columns of the tile.
        tile_width: usize,
    },
    /// A tile whose bands are not those of the normalisation.
    #[error(
        "the tile has {found} bands, the model expects {expected}\nhint: give a tile with the model's bands, in its order"
    )]
    WrongBands {
        /// Bands of the tile.
        found: usize,
        /// Bands of the normalisation.
        expected: usize,
    },
    /// Mean and standard deviation that cannot be used.
    #[error("unusable normalisation: {0}\nhint: give one finite mean and one standard deviation above 0 for each band")]
    Normalisation(String),
}

/// Bilinear resize to `height` × `width`, anti-aliased when shrinking: the triangle filter of PIL's `BILINEAR` and of
/// torchvision with `antialias=True`, in floating point. A size of 0 counts as 1.
///
/// # Shapes
/// `[bands, h, w]` → `[bands, height, width]`
#[must_use]
pub fn resize(tile: &Tile, height: usize, width: usize) -> Tile {
    resample(tile, &Axis::whole(tile.height(), height.max(1)), &Axis::whole(tile.width(), width.max(1)))
}

/// [`resize`] with another filter: Pillow's `BICUBIC` and `LANCZOS` in floating point, anti-aliased when shrinking.
///
/// # Shapes
/// `[bands, h, w]` → `[bands, height, width]`
#[must_use]
pub fn resize_with(tile: &Tile, height: usize, width: usize, filter: Filter) -> Tile {
    let axis = |input: usize, output: usize| Axis::filtered(input, output.max(1), filter);
    resample(tile, &axis(tile.height(), height), &axis(tile.width(), width))
}

/// The weights of [`resize_with`] along one side, for arithmetic that needs its gradient: row-major
/// `[output_len, input_len]`, every row summing to 1.
#[must_use]
pub fn resize_matrix(input_len: usize, output_len: usize, filter: Filter) -> Vec<f32> {
    Axis::filtered(input_len, output_len, filter).matrix(input_len)
}

/// The window of `height` × `width` whose first pixel is (`top`, `left`).
///
/// # Errors
/// When the window is empty or reaches beyond the tile.
pub fn crop(tile: &Tile, top: usize, left: usize, height: usize, width: usize) -> Result<Tile, PreprocessError> {
    check_window(tile, top, left, height, width)?;
    let mut pixels = Vec::with_capacity(tile.bands() * height * width);
    for band in 0..tile.bands() {
        for row in tile.plane(band).chunks_exact(tile.width()).skip(top).take(height) {
            pixels.extend_from_slice(&row[left..left + width]);
        }
    }
    Ok(Tile::from_parts(tile.bands(), height, width, pixels))
}

/// [`crop`], then [`resize`] to `out_px` × `out_px`: the geometry of a random resized crop, in one pass.
///
/// # Errors
/// When the window is empty or reaches beyond the tile.
pub fn resized_crop(
    tile: &Tile,
    top: usize,
    left: usize,
    height: usize,
    width: usize,
    out_px: usize,
) -> Result<Tile, PreprocessError> {
    check_window(tile, top, left, height, width)?;
    let out_px = out_px.max(1);
    Ok(resample(tile, &Axis::window(top, height, out_px), &Axis::window(left, width, out_px)))
}

/// The window of `height` × `width` in the middle, its corner rounded half to even as torchvision's `CenterCrop` does.
///
/// # Errors
/// When the tile is smaller than that, or the window empty.
pub fn center_crop(tile: &Tile, height: usize, width: usize) -> Result<Tile, PreprocessError> {
    let top = middle(tile.height(), height);
    let left = middle(tile.width(), width);
    crop(tile, top, left, height, width)
}

/// Brings any tile to `px` × `px`: the short side is resized to `px` (the long one in proportion, rounded down), then the
/// middle is cut out: torchvision's `Resize(px)`, `CenterCrop(px)`. A tile of that size already is only copied.
#[must_use]
pub fn fit(tile: &Tile, px: usize) -> Tile {
    let px = px.max(1);
    if (tile.height(), tile.width()) == (px, px) {
        return tile.clone();
    }
    let short = tile.height().min(tile.width());
    let axis = |len: usize| {
        // u128: px × len may exceed 64 bits
        let resized = usize::try_from(px as u128 * len as u128 / short as u128).unwrap_or(usize::MAX);
        // only the middle of a resized long side is ever computed
        Axis::part(len, resized, middle(resized, px), px)
    };
    resample(tile, &axis(tile.height()), &axis(tile.width()))
}

/// Mirrors left and right.
#[must_use]
pub fn flip_horizontal(tile: &Tile) -> Tile {
    let mut pixels = tile.pixels().to_vec();
    pixels.chunks_exact_mut(tile.width()).for_each(<[f32]>::reverse);
    Tile::from_parts(tile.bands(), tile.height(), tile.width(), pixels)
}

/// What the encoder reads: each tile through [`fit`] and [`normalise`].
///
/// # Shapes
/// n tiles `[bands, any, any]` → `[n, bands, px, px]`
///
/// # Errors
/// When a tile has other bands than `normalisation`.
pub fn batch(tiles: &[Tile], normalisation: &Normalisation, px: usize) -> Result<Vec<f32>, PreprocessError> {
    let mut values = Vec::with_capacity(tiles.len() * normalisation.bands() * px * px);
    for tile in tiles {
        let mut fitted = fit(tile, px);
        normalise(&mut fitted, normalisation)?;
        values.extend_from_slice(fitted.pixels());
    }
    Ok(values)
}

/// Where a window of `inner` starts in the middle of `outer`: half the rest, rounded half to even; 0 when it does not fit.
fn middle(outer: usize, inner: usize) -> usize {
    let rest = outer.saturating_sub(inner);
    rest / 2 + usize::from(rest % 4 == 3)
}

fn check_window(tile: &Tile, top: usize, left: usize, height: usize, width: usize) -> Result<(), PreprocessError> {
    let fits =
        |start: usize, len: usize, limit: usize| len > 0 && start.checked_add(len).is_some_and(|end| end <= limit);
    if fits(top, height, tile.height()) && fits(left, width, tile.width()) {
        return Ok(());
    }
    let (tile_height, tile_width) = (tile.height(), tile.width());
    Err(PreprocessError::OutsideTile { top, left, height, width, tile_height, tile_width })
}
