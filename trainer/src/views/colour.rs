//! Colour operations with fixed factors, as torchvision's `adjust_*` and `rgb_to_grayscale` define them.
//!
//! Each works in place on planar `[bands, h, w]`. NOTE: grey uses the ITU-R BT.601 weights 0.299, 0.587, 0.114;
//! torchvision's tensor path rounds the first to 0.2989, a difference below 0.0001.

use shared::tile::Tile;

use super::{Palette, PixelRange};

const RED: f32 = 0.299;
const GREEN: f32 = 0.587;
const BLUE: f32 = 0.114;

/// Multiplies every value by `factor`.
pub fn brightness(tile: &mut Tile, factor: f32, palette: Palette<'_>) {
    let range = palette.range;
    tile.pixels_mut().iter_mut().for_each(|value| *value = range.limit(*value * factor));
}

/// Blends with the mean: of the grey picture for red, green, blue, else of each band by itself.
pub fn contrast(tile: &mut Tile, factor: f32, palette: Palette<'_>) {
    let range = palette.range;
    if palette.rgb {
        let [red, green, blue] = planes(tile);
        let grey = RED * mean(red) + GREEN * mean(green) + BLUE * mean(blue);
        blend(tile.pixels_mut(), grey, factor, range);
    } else {
        for band in 0..tile.bands() {
            let plane = tile.plane_mut(band);
            let middle = mean(plane);
            blend(plane, middle, factor, range);
        }
    }
}

/// Blends with the grey picture; red, green, blue only.
pub fn saturation(tile: &mut Tile, factor: f32, palette: Palette<'_>) {
    if !palette.rgb {
        return;
    }
    let range = palette.range;
    let [red, green, blue] = planes(tile);
    for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
        let rest = (1.0 - factor) * grey_value(*r, *g, *b);
        *r = range.limit(factor * *r + rest);
        *g = range.limit(factor * *g + rest);
        *b = range.limit(factor * *b + rest);
    }
}

/// Turns the hue by `shift` of a full circle (−0.5 to 0.5); red, green, blue only.
///
/// The hexcone (HSV) model of torchvision, written by chroma instead of by saturation so that it needs no division by
/// the value and holds for values outside [0, 1]: maximum and minimum of a pixel stay, what lies between moves.
pub fn hue(tile: &mut Tile, shift: f32, palette: Palette<'_>) {
    if !palette.rgb {
        return;
    }
    let turn = 6.0 * shift.clamp(-0.5, 0.5);
    let [red, green, blue] = planes(tile);
    for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
        let high = r.max(*g).max(*b);
        let chroma = high - r.min(*g).min(*b);
        let per_chroma = if chroma > 0.0 { 1.0 / chroma } else { 0.0 };
        // which sixth of the circle: −1 to 5, 0 is red
        let sixth = if high == *r {
            (*g - *b) * per_chroma
        } else if high == *g {
            (*b - *r) * per_chroma + 2.0
        } else {
            (*r - *g) * per_chroma + 4.0
        };
        let turned = wrap(sixth + turn);
        *r = high - chroma * dip(turned + 5.0);
        *g = high - chroma * dip(turned + 3.0);
        *b = high - chroma * dip(turned + 1.0);
    }
}

/// Replaces all three bands by the grey picture; red, green, blue only.
pub fn grey(tile: &mut Tile, palette: Palette<'_>) {
    if !palette.rgb {
        return;
    }
    let [red, green, blue] = planes(tile);
    for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
        let value = grey_value(*r, *g, *b);
        (*r, *g, *b) = (value, value, value);
    }
}

/// Values of one band between `low` and `high` spread over 0 to 1 and raised to `exponent`; negative values keep their sign.
pub fn stretch(plane: &mut [f32], [low, high]: [f32; 2], exponent: f32, range: PixelRange) {
    let scale = (high - low).recip();
    for value in plane {
        let linear = (*value - low) * scale;
        *value = range.limit(linear.abs().powf(exponent).copysign(linear));
    }
}

/// Mirrors every value from `threshold` on: v becomes 1 − v. Only where values have a ceiling of 1.
pub fn solarise(tile: &mut Tile, threshold: f32, palette: Palette<'_>) {
    if palette.range == PixelRange::Display {
        tile.pixels_mut().iter_mut().filter(|value| **value >= threshold).for_each(|value| *value = 1.0 - *value);
    }
}

#[inline]
fn grey_value(red: f32, green: f32, blue: f32) -> f32 {
    RED * red + GREEN * green + BLUE * blue
}

/// How far a channel lies below the maximum, 0 to 1 in chroma, at `sixth` (0 to 12) seen from that channel.
#[inline]
fn dip(sixth: f32) -> f32 {
    let sixth = if sixth >= 6.0 { sixth - 6.0 } else { sixth };
    sixth.min(4.0 - sixth).clamp(0.0, 1.0)
}

/// −6 to 12 → 0 to 6.
#[inline]
fn wrap(sixth: f32) -> f32 {
    let sixth = if sixth < 0.0 { sixth + 6.0 } else { sixth };
    if sixth >= 6.0 { sixth - 6.0 } else { sixth }
}

fn blend(values: &mut [f32], middle: f32, factor: f32, range: PixelRange) {
    let rest = (1.0 - factor) * middle;
    values.iter_mut().for_each(|value| *value = range.limit(factor * *value + rest));
}

fn mean(values: &[f32]) -> f32 {
    (values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64) as f32
}

/// The three planes of a red-green-blue tile.
fn planes(tile: &mut Tile) -> [&mut [f32]; 3] {
    let area = tile.height() * tile.width();
    let (red, rest) = tile.pixels_mut().split_at_mut(area);
    let (green, blue) = rest.split_at_mut(area);
    [red, green, blue]
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    const DISPLAY: Palette<'_> = Palette { rgb: true, range: PixelRange::Display, fill: &[] };
    const OPEN: Palette<'_> = Palette { rgb: true, range: PixelRange::Open, fill: &[] };
    const SPECTRAL: Palette<'_> = Palette { rgb: false, range: PixelRange::Open, fill: &[] };

    fn pixel(values: &[f32]) -> Tile {
        Tile::new(values.len(), 1, 1, values.to_vec()).unwrap()
    }

    #[test]
    fn a_third_of_a_turn_moves_red_to_green() {
        let mut tile = pixel(&[0.8, 0.1, 0.1]);
        hue(&mut tile, 1.0 / 3.0, DISPLAY);
        let expected = [0.1, 0.8, 0.1];
        assert!(tile.pixels().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", tile.pixels());
    }

    #[test]
    fn solarising_mirrors_bright_values_where_there_is_a_ceiling() {
        let mut tile = pixel(&[0.4, 0.5, 0.9]);
        solarise(&mut tile, 0.5, DISPLAY);
        assert!(tile.pixels().iter().zip([0.4, 0.5, 0.1]).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", tile.pixels());
        let mut tile = pixel(&[0.4, 0.5, 1.9]);
        solarise(&mut tile, 0.5, OPEN);
        assert_eq!(tile.pixels(), [0.4, 0.5, 1.9]);
    }

    #[test]
    fn a_stretch_is_its_formula_and_saturates_where_there_is_a_ceiling() {
        for (range, expected) in
            [(PixelRange::Display, [0.0, 0.0, 0.25, 1.0, 1.0]), (PixelRange::Open, [-0.0625, 0.0, 0.25, 1.0, 2.25])]
        {
            let mut plane = [0.0, 0.2, 0.6, 1.0, 1.4];
            stretch(&mut plane, [0.2, 1.0], 2.0, range);
            assert!(plane.iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6), "{plane:?}");
        }
    }

    #[test]
    fn open_values_are_not_clipped_and_display_values_are() {
        let mut tile = pixel(&[0.9, 1.4, -0.7]);
        brightness(&mut tile, 1.4, OPEN);
        assert_eq!(tile.pixels(), [0.9 * 1.4, 1.4 * 1.4, -0.7 * 1.4]);
        let mut tile = pixel(&[0.9, 0.2, 0.1]);
        brightness(&mut tile, 1.4, DISPLAY);
        assert_eq!(tile.pixels()[0], 1.0);
    }

    #[test]
    fn hue_of_standardised_values_keeps_their_span_and_turns_back() {
        let before = pixel(&[-1.3, 2.0, 0.4]);
        let mut tile = before.clone();
        hue(&mut tile, 0.1, OPEN);
        let high = tile.pixels().iter().copied().fold(f32::MIN, f32::max);
        let low = tile.pixels().iter().copied().fold(f32::MAX, f32::min);
        assert!((high - 2.0).abs() < 1e-6 && (low + 1.3).abs() < 1e-6);
        hue(&mut tile, -0.1, OPEN);
        assert!(tile.pixels().iter().zip(before.pixels()).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn colours_of_other_band_sets_stay() {
        let before = pixel(&[0.1, 0.5, 0.9, 1.2, 0.3]);
        let mut tile = before.clone();
        saturation(&mut tile, 1.4, SPECTRAL);
        hue(&mut tile, 0.1, SPECTRAL);
        grey(&mut tile, SPECTRAL);
        assert_eq!(tile, before);
    }

    #[test]
    fn contrast_of_other_band_sets_is_about_each_bands_mean() {
        let mut tile = Tile::new(2, 1, 2, vec![0.0, 1.0, 10.0, 30.0]).unwrap();
        contrast(&mut tile, 0.5, SPECTRAL);
        assert_eq!(tile.pixels(), [0.25, 0.75, 15.0, 25.0]);
    }
}
