//! Dots drawn into a picture of our own: a hundred thousand of them cost a few milliseconds on any browser, without a GPU.

use super::palette::{Mark, Rgb};

/// Samples for each pixel's edge, across and down.
const SAMPLES: i32 = 4;

/// A picture, RGBA, opaque.
#[derive(Clone, Debug, Default)]
pub struct Raster {
    width: usize,
    height: usize,
    /// Four bytes a pixel, row by row.
    pub pixels: Vec<u8>,
}

/// One shape in one size: the pixels it touches, right and down from its middle, and how much of each, 0 to 256.
#[derive(Clone, Debug)]
pub struct Stamp {
    reach: i32,
    touched: Vec<(i32, i32, u32)>,
}

impl Stamp {
    /// A shape of about the area of a disc of `radius` pixels.
    #[must_use]
    pub fn new(mark: Mark, radius: f64) -> Self {
        // The farthest corner of any shape, less the half of a pixel that the middle one covers.
        let reach = (radius * 1.42 - 0.5).ceil().max(0.0) as i32;
        let sample = |pixel: i32, step: i32| f64::from(pixel) + (f64::from(step) + 0.5) / f64::from(SAMPLES) - 0.5;
        let mut touched = Vec::new();
        for row in -reach..=reach {
            for column in -reach..=reach {
                let steps = (0..SAMPLES).flat_map(|down| (0..SAMPLES).map(move |across| (down, across)));
                let hits = steps
                    .filter(|&(down, across)| {
                        is_inside(mark, sample(column, across) / radius, sample(row, down) / radius)
                    })
                    .count();
                if hits > 0 {
                    touched.push((column, row, hits as u32 * 256 / (SAMPLES * SAMPLES) as u32));
                }
            }
        }
        Self { reach, touched }
    }
}

/// Shapes around the origin, of about the area of the unit disc.
fn is_inside(mark: Mark, x: f64, y: f64) -> bool {
    match mark {
        Mark::Disc => x * x + y * y <= 1.0,
        Mark::Square => x.abs().max(y.abs()) <= 0.89,
        Mark::Diamond => x.abs() + y.abs() <= 1.25,
        Mark::Triangle => y <= 0.85 && y >= 1.65 * x.abs() - 1.4,
    }
}

impl Raster {
    /// A picture of this size in one colour, in place of what was there.
    pub fn reset(&mut self, width: usize, height: usize, [red, green, blue]: Rgb) {
        (self.width, self.height) = (width, height);
        self.pixels.clear();
        self.pixels.resize(width * height * 4, 255);
        for pixel in self.pixels.as_chunks_mut::<4>().0 {
            *pixel = [red, green, blue, 255];
        }
    }

    /// Width in pixels.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Lays a shape over the picture, centred on the pixel that holds `[x, y]`; `strength` 256 is opaque.
    pub fn stamp(&mut self, [x, y]: [f64; 2], stamp: &Stamp, rgb: Rgb, strength: u32) {
        let (x, y) = (x.floor() as i32, y.floor() as i32);
        let (width, height, reach) = (self.width as i32, self.height as i32, stamp.reach);
        let is_whole = x >= reach && y >= reach && x < width - reach && y < height - reach;
        let over = u32::from_le_bytes([rgb[0], rgb[1], rgb[2], 255]);
        let pixels = self.pixels.as_chunks_mut::<4>().0;
        for &(right, down, covered) in &stamp.touched {
            // Far outside, where sums would wrap, nothing is inside either.
            let (column, row) = (x.saturating_add(right), y.saturating_add(down));
            if !(is_whole || (0..width).contains(&column) && (0..height).contains(&row)) {
                continue;
            }
            if let Some(pixel) = pixels.get_mut((row * width + column) as usize) {
                *pixel = mixed(u32::from_le_bytes(*pixel), over, covered * strength / 256).to_le_bytes();
            }
        }
    }
}

/// `share` of 256 of one colour over another; two channels at a time.
fn mixed(under: u32, over: u32, share: u32) -> u32 {
    const EVEN: u32 = 0x00ff_00ff;
    let mix = |under: u32, over: u32| (under * (256 - share) + over * share + 0x0080_0080) >> 8 & EVEN;
    mix(under & EVEN, over & EVEN) | mix(under >> 8 & EVEN, over >> 8 & EVEN) << 8
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: [Mark; 4] = [Mark::Disc, Mark::Square, Mark::Triangle, Mark::Diamond];

    fn pixel(raster: &Raster, x: usize, y: usize) -> &[u8] {
        &raster.pixels[(y * raster.width() + x) * 4..][..4]
    }

    #[test]
    fn a_shape_covers_the_area_of_its_disc() {
        for mark in MARKS {
            for radius in [2.0, 5.0, 9.0] {
                let stamp = Stamp::new(mark, radius);
                let area: f64 = stamp.touched.iter().map(|(_, _, covered)| f64::from(*covered) / 256.0).sum();
                let disc = std::f64::consts::PI * radius * radius;
                assert!((area / disc - 1.0).abs() < 0.12, "{mark:?} of radius {radius}: {area:.1}, not {disc:.1}");
            }
        }
    }

    #[test]
    fn strength_is_a_share_of_the_colour() {
        let mut raster = Raster::default();
        raster.reset(9, 9, [100, 100, 100]);
        raster.stamp([4.7, 4.2], &Stamp::new(Mark::Disc, 2.0), [200, 0, 100], 256);
        assert_eq!(pixel(&raster, 4, 4), [200, 0, 100, 255]);
        assert_eq!(pixel(&raster, 0, 0), [100, 100, 100, 255]);
        raster.reset(9, 9, [100, 100, 100]);
        raster.stamp([4.0, 4.0], &Stamp::new(Mark::Square, 2.0), [200, 0, 100], 64);
        assert_eq!(pixel(&raster, 4, 4), [125, 75, 100, 255]);
    }

    #[test]
    fn what_lies_over_the_edge_is_cut_off() {
        let stamp = Stamp::new(Mark::Diamond, 4.0);
        let mut raster = Raster::default();
        raster.reset(20, 10, [0, 0, 0]);
        for place in [[0.0, 0.0], [19.9, 9.9], [-3.0, 5.0], [1e6, 5.0], [5.0, -1e6], [10.0, 12.0]] {
            raster.stamp(place, &stamp, [255, 255, 255], 256);
        }
        assert_eq!(raster.pixels.len(), 20 * 10 * 4);
        assert_eq!((pixel(&raster, 0, 0)[0], pixel(&raster, 19, 9)[0], pixel(&raster, 10, 9)[0]), (255, 255, 255));
        // A shape cut in half is the half of a whole one.
        let lit = |raster: &Raster| raster.pixels.iter().step_by(4).filter(|value| **value > 0).count();
        let mut whole = Raster::default();
        whole.reset(21, 21, [0, 0, 0]);
        whole.stamp([10.0, 10.0], &stamp, [255, 255, 255], 256);
        let mut half = Raster::default();
        half.reset(21, 11, [0, 0, 0]);
        half.stamp([10.0, 10.0], &stamp, [255, 255, 255], 256);
        let middle = (0..21).filter(|&x| pixel(&whole, x, 10)[0] > 0).count();
        assert_eq!(2 * lit(&half) - middle, lit(&whole));
    }
}
