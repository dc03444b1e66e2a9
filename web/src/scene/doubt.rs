//! When the model is asked about what it cannot know: rules on pixels and pixel size, stated here and said on the page.
//!
//! A classifier answers whatever it is shown, and is often surest about what it never saw. The rules below look at the
//! picture as the model sees it, bands on the unit scale; their limits lie outside what EuroSAT's own tiles reach
//! (`tests/browser/doubt.mjs` measures both sides). What passes them may still be unlike the gallery, which is told by similarity.

use serde::{Deserialize, Serialize};

/// The pixel size of Sentinel-2's visible bands, which the models learned from, in metres.
pub const TRAINED_PIXEL_M: f64 = 10.0;
/// Pixels up to so many times larger or smaller still show what a model has learned.
const PIXEL_RATIO: f64 = 2.0;
/// One step of an 8-bit picture.
const STEP: f32 = 1.0 / 255.0;
/// A flat picture spans no more than this in any band.
const FLAT_SPAN: f32 = 4.0 * STEP;
/// Bands whose values differ by less, on average, are one band.
const SAME_BAND: f32 = 1.5 * STEP;
/// Drawn pictures have areas of one exact colour: more than this share of neighbouring pixels are equal …
const DRAWN_SHARE: f32 = 0.55;
/// … although the picture has contrast.
const DRAWN_SPAN: f32 = 0.25;
/// Reflectance of land, water, snow and clouds lies between these, sun glint and noise included.
const REFLECTANCE: [f32; 2] = [-0.5, 2.5];

/// Which of a picture's nearest known tiles must still resemble it. The first alone says little: among thousands, one odd
/// tile resembles almost anything.
pub const KNOWN_RANK: usize = 20;
/// The share of known tiles that are themselves less like the others: so many good pictures are called unlike.
const REFUSED: f32 = 0.01;
/// The limit lies a little under theirs: devices and decoders differ in the last digits, and known tiles lie close to it.
const MARGIN: f32 = 0.95;

/// The similarity that a picture's [`KNOWN_RANK`]-th nearest known tile must reach, out of those that known tiles reach among
/// themselves; `None` for too few to tell.
#[must_use]
pub fn known_from(mut among_themselves: Vec<f32>) -> Option<f32> {
    among_themselves.retain(|similarity| similarity.is_finite());
    let at = (among_themselves.len() as f32 * REFUSED) as usize;
    let is_enough = among_themselves.len() >= 5 * KNOWN_RANK;
    is_enough.then(|| MARGIN * *among_themselves.select_nth_unstable_by(at, f32::total_cmp).1)
}

/// Why an answer is no more than a guess.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Doubt {
    /// Its pixels are much larger or smaller than those that the model learned from.
    PixelSize {
        /// Side of a pixel on the ground.
        metres: f64,
    },
    /// One colour, or next to nothing else.
    Flat,
    /// All bands are the same.
    OneBand,
    /// Areas of one exact colour: a drawing, a map or a screenshot.
    Drawn,
    /// Values that no reflectance has.
    Values {
        /// The smallest.
        low: f32,
        /// The largest.
        high: f32,
    },
}

impl Doubt {
    /// In a few words, for a table.
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Self::PixelSize { metres } => format!("pixels of {}", super::card::metres(metres)),
            Self::Flat => "one flat colour".to_owned(),
            Self::OneBand => "one band repeated".to_owned(),
            Self::Drawn => "a drawing or screenshot".to_owned(),
            Self::Values { .. } => "values are no reflectance".to_owned(),
        }
    }

    /// In a sentence.
    #[must_use]
    pub fn why(self) -> String {
        match self {
            Self::PixelSize { metres } => format!(
                "A pixel is {} wide; the model learned from pixels of {}, where things look another size.",
                super::card::metres(metres),
                super::card::metres(TRAINED_PIXEL_M)
            ),
            Self::Flat => "The picture is one flat colour.".to_owned(),
            Self::OneBand => {
                "All bands hold the same values: it is a grey picture, while the model learned from colours.".to_owned()
            }
            Self::Drawn => "It has large areas of one exact colour, as drawings and screenshots do.".to_owned(),
            Self::Values { low, high } => {
                format!("Its values go from {low} to {high}; reflectance lies between 0 and about 1.")
            }
        }
    }
}

/// Whether pixels of `metres` are far from those that the models learned from.
#[must_use]
pub fn of_pixel_size(metres: f64) -> Option<Doubt> {
    let ratio = metres / TRAINED_PIXEL_M;
    let is_near = (1.0 / PIXEL_RATIO..=PIXEL_RATIO).contains(&ratio);
    (metres.is_finite() && metres > 0.0 && !is_near).then_some(Doubt::PixelSize { metres })
}

/// Whether values between `low` and `high` can be reflectance.
#[must_use]
pub fn of_values(low: f32, high: f32) -> Option<Doubt> {
    (low < REFLECTANCE[0] || high > REFLECTANCE[1]).then_some(Doubt::Values { low, high })
}

/// What a picture's pixels say: `pixels` are `[bands, height · width]` on the unit scale, rows of `width`.
#[must_use]
pub fn of_pixels(pixels: &[f32], bands: usize, width: usize) -> Option<Doubt> {
    let plane = pixels.len() / bands.max(1);
    if plane == 0 || width == 0 {
        return None;
    }
    let planes: Vec<&[f32]> = pixels.chunks_exact(plane).collect();
    let span = planes.iter().map(|band| span(band)).fold(0.0, f32::max);
    if span <= FLAT_SPAN {
        return Some(Doubt::Flat);
    }
    let is_same = |pair: &[&[f32]]| {
        let apart: f32 = pair[0].iter().zip(pair[1]).map(|(a, b)| (a - b).abs()).sum();
        apart / plane as f32 <= SAME_BAND
    };
    if planes.len() > 1 && planes.windows(2).all(is_same) {
        return Some(Doubt::OneBand);
    }
    (span > DRAWN_SPAN && equal_neighbours(&planes, width) > DRAWN_SHARE).then_some(Doubt::Drawn)
}

fn span(band: &[f32]) -> f32 {
    let (low, high) =
        band.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)));
    high - low
}

/// The share of pixels that equal the one to their right in every band.
fn equal_neighbours(planes: &[&[f32]], width: usize) -> f32 {
    let rows = planes[0].len() / width;
    let pairs = rows * (width - 1);
    let is_equal = |at: usize| planes.iter().all(|band| band[at] == band[at + 1]);
    let equal =
        (0..rows).flat_map(|row| (0..width - 1).map(move |column| row * width + column)).filter(|&at| is_equal(at));
    equal.count() as f32 / pairs.max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 16;

    /// `[3, SIDE · SIDE]`, each value by band, row and column.
    fn picture(value: impl Fn(usize, usize, usize) -> f32) -> Vec<f32> {
        let place = |at: usize| (at / (SIDE * SIDE), at / SIDE % SIDE, at % SIDE);
        (0..3 * SIDE * SIDE).map(place).map(|(band, row, column)| value(band, row, column)).collect()
    }

    fn doubt(value: impl Fn(usize, usize, usize) -> f32) -> Option<Doubt> {
        of_pixels(&picture(value), 3, SIDE)
    }

    #[test]
    fn black_white_and_nearly_flat_pictures_are_told() {
        assert_eq!(doubt(|_, _, _| 0.0), Some(Doubt::Flat));
        assert_eq!(doubt(|_, _, _| 1.0), Some(Doubt::Flat));
        assert_eq!(doubt(|band, row, _| 0.2 * band as f32 + (row % 4) as f32 / 255.0), Some(Doubt::Flat));
    }

    #[test]
    fn one_band_three_times_is_told_from_colours() {
        let grey = |row: usize, column: usize| ((row * 31 + column * 17) % 97) as f32 / 97.0;
        assert_eq!(doubt(|_, row, column| grey(row, column)), Some(Doubt::OneBand));
        assert_eq!(doubt(|band, row, column| grey(row, column) * 0.5 + 0.05 * band as f32), None);
    }

    #[test]
    fn a_drawing_has_areas_of_one_colour_and_a_calm_sea_has_not() {
        let drawn = |band: usize, row: usize, column: usize| {
            let is_box = (4..12).contains(&row) && (2..9).contains(&column);
            if is_box { 0.9 - 0.3 * band as f32 } else { 0.1 * band as f32 }
        };
        assert_eq!(doubt(drawn), Some(Doubt::Drawn));
        // Equal neighbours without contrast: compressed water.
        let sea = |band: usize, row: usize, column: usize| {
            0.1 * band as f32 + ((row / 8 + column / 8) % 2) as f32 * 8.0 / 255.0
        };
        assert_eq!(doubt(sea), None);
    }

    #[test]
    fn pixels_of_another_size_are_told() {
        for metres in [5.0, 10.0, 11.12, 20.0] {
            assert_eq!(of_pixel_size(metres), None, "{metres}");
        }
        for metres in [0.5, 4.9, 30.0, 78_000.0] {
            assert_eq!(of_pixel_size(metres), Some(Doubt::PixelSize { metres }));
        }
        assert_eq!(of_pixel_size(f64::NAN), None);
        assert!(Doubt::PixelSize { metres: 0.5 }.why().starts_with("A pixel is 0.5 m wide"));
    }

    #[test]
    fn the_limit_lies_a_little_under_one_in_a_hundred_known_tiles() {
        let similarities: Vec<f32> = (0..1000).map(|at| (at * 7 % 1000) as f32 / 1000.0).collect();
        let limit = known_from(similarities.clone()).unwrap_or(f32::NAN);
        let under = |limit: f32| similarities.iter().filter(|similarity| **similarity < limit).count();
        assert_eq!((under(limit), under(limit / MARGIN)), (10, 10));
        assert!((limit - 0.0095).abs() < 1e-6, "a twentieth under 0.010: {limit}");
        assert_eq!(known_from(vec![0.5; 99]), None, "too few to tell");
        assert_eq!(known_from([vec![f32::NAN; 50], vec![0.5; 60]].concat()), None);
    }

    #[test]
    fn elevation_is_no_reflectance() {
        assert_eq!(of_values(0.01, 1.4), None);
        assert_eq!(of_values(120.0, 890.0), Some(Doubt::Values { low: 120.0, high: 890.0 }));
        assert!(of_values(-32768.0, 0.3).is_some());
    }
}
