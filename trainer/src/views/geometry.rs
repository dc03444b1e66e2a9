//! Where random crops and erased rectangles lie, and turns by right angles; the pixels themselves are moved by
//! [`shared::preprocess`] wherever anything is cut or resized.

use rand::RngExt;
use shared::tile::Tile;

use super::ViewRng;

/// Draws before a random crop falls back to the middle and an erased rectangle is given up, as in torchvision.
const TRIES: usize = 10;

/// A rectangle inside a tile, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// Height and width of a rectangle of `area` pixels whose width is `aspect` times its height, rounded half to even.
#[must_use]
pub fn rectangle(area: f64, aspect: f64) -> (usize, usize) {
    ((area / aspect).sqrt().round_ties_even() as usize, (area * aspect).sqrt().round_ties_even() as usize)
}

/// torchvision's `RandomResizedCrop`: a share of the area uniform in `scale`, an aspect (width / height) log-uniform in
/// `ratio`, a place uniform among those that fit; after 10 draws that do not fit, the middle.
#[must_use]
pub fn random_crop(height: usize, width: usize, scale: [f64; 2], ratio: [f64; 2], rng: &mut ViewRng) -> Window {
    for _ in 0..TRIES {
        let area = (height * width) as f64 * uniform(rng, scale);
        let (crop_height, crop_width) = rectangle(area, log_uniform(rng, ratio));
        if (1..=height).contains(&crop_height) && (1..=width).contains(&crop_width) {
            let top = rng.random_range(0..=height - crop_height);
            let left = rng.random_range(0..=width - crop_width);
            return Window { top, left, height: crop_height, width: crop_width };
        }
    }
    fallback_crop(height, width, ratio)
}

/// The largest window in the middle whose aspect lies in `ratio`.
#[must_use]
pub fn fallback_crop(height: usize, width: usize, ratio: [f64; 2]) -> Window {
    let aspect = width as f64 / height as f64;
    let (crop_height, crop_width) = if aspect < ratio[0] {
        (((width as f64 / ratio[0]).round_ties_even() as usize).clamp(1, height), width)
    } else if aspect > ratio[1] {
        (height, ((height as f64 * ratio[1]).round_ties_even() as usize).clamp(1, width))
    } else {
        (height, width)
    };
    Window { top: (height - crop_height) / 2, left: (width - crop_width) / 2, height: crop_height, width: crop_width }
}

/// torchvision's `RandomErasing`: as a random crop, but smaller than the tile in both directions (here `ratio` is
/// height / width); `None` when 10 draws did not fit.
#[must_use]
pub fn random_erasing(
    height: usize,
    width: usize,
    scale: [f64; 2],
    ratio: [f64; 2],
    rng: &mut ViewRng,
) -> Option<Window> {
    for _ in 0..TRIES {
        let area = (height * width) as f64 * uniform(rng, scale);
        let (across, down) = rectangle(area, log_uniform(rng, ratio));
        if down < height && across < width {
            let top = rng.random_range(0..=height - down);
            let left = rng.random_range(0..=width - across);
            return Some(Window { top, left, height: down, width: across });
        }
    }
    None
}

/// Sets a window of every band to that band's `fill` (0 where there is none).
pub fn erase(tile: &mut Tile, window: Window, fill: &[f32]) {
    let width = tile.width();
    for band in 0..tile.bands() {
        let value = fill.get(band).copied().unwrap_or(0.0);
        for row in tile.plane_mut(band).chunks_exact_mut(width).skip(window.top).take(window.height) {
            row[window.left..window.left + window.width].fill(value);
        }
    }
}

/// Mirrors top and bottom in place.
pub fn flip_vertical(tile: &mut Tile) {
    let (height, width) = (tile.height(), tile.width());
    for band in 0..tile.bands() {
        let plane = tile.plane_mut(band);
        for y in 0..height / 2 {
            let (upper, lower) = plane.split_at_mut((height - 1 - y) * width);
            upper[y * width..(y + 1) * width].swap_with_slice(&mut lower[..width]);
        }
    }
}

/// Turns a square tile by `quarters` × 90° counter-clockwise in place; a tile that is not square only by 180°.
pub fn rotate(tile: &mut Tile, quarters: usize) {
    let (height, width) = (tile.height(), tile.width());
    if quarters % 4 >= 2 {
        for band in 0..tile.bands() {
            tile.plane_mut(band).reverse();
        }
    }
    if quarters % 2 == 1 && height == width {
        // a quarter turn counter-clockwise: transpose, then upside down
        for band in 0..tile.bands() {
            let plane = tile.plane_mut(band);
            for y in 0..height {
                for x in y + 1..width {
                    plane.swap(y * width + x, x * width + y);
                }
            }
        }
        flip_vertical(tile);
    }
}

/// Uniform between the two bounds (the same bound twice is allowed).
pub(super) fn uniform(rng: &mut ViewRng, [low, high]: [f64; 2]) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

fn log_uniform(rng: &mut ViewRng, [low, high]: [f64; 2]) -> f64 {
    uniform(rng, [low.ln(), high.ln()]).exp()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use crate::views::view_rng;

    const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

    #[test]
    fn crops_lie_inside_and_keep_scale_and_ratio() {
        let mut rng = view_rng(1, 2, 3);
        for _ in 0..2000 {
            let window = random_crop(64, 50, [0.2, 1.0], RATIO, &mut rng);
            assert!(window.top + window.height <= 64 && window.left + window.width <= 50);
            let area = (window.height * window.width) as f64 / (64.0 * 50.0);
            assert!((0.18..=1.0).contains(&area));
        }
    }

    #[test]
    fn a_strip_falls_back_to_its_middle() {
        let window = random_crop(4, 400, [0.9, 1.0], RATIO, &mut view_rng(0, 0, 0));
        assert_eq!(window, Window { top: 0, left: 197, height: 4, width: 5 });
    }

    #[test]
    fn four_quarter_turns_are_none_and_one_moves_the_right_edge_up() {
        let before = Tile::new(1, 2, 2, vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let mut tile = before.clone();
        rotate(&mut tile, 1);
        assert_eq!(tile.pixels(), [2.0, 4.0, 1.0, 3.0]);
        rotate(&mut tile, 3);
        assert_eq!(tile, before);
        rotate(&mut tile, 2);
        assert_eq!(tile.pixels(), [4.0, 3.0, 2.0, 1.0]);
        flip_vertical(&mut tile);
        assert_eq!(tile.pixels(), [2.0, 1.0, 4.0, 3.0]);
    }

    #[test]
    fn erasing_fills_each_band_with_its_mean() {
        let mut tile = Tile::new(2, 4, 4, vec![9.0; 32]).unwrap();
        erase(&mut tile, Window { top: 1, left: 2, height: 2, width: 1 }, &[0.5, 0.25]);
        assert_eq!(tile.plane(0).iter().filter(|&&value| value == 0.5).count(), 2);
        assert_eq!(tile.plane(1)[4 + 2], 0.25);
        assert_eq!(tile.plane(1)[0], 9.0);
    }
}
