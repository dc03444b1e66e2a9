//! A picture as its file has it: every plane, and what the file says of them.

use shared::bands::{Band, Bands};

use super::picture::{Picture, Samples, some_or_none};

/// Pixels that are neither opaque nor transparent make a plane of opacities a measurement when they are more than one in
/// this many.
const TRANSLUCENT: usize = 10;

/// A decoded file.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// All planes, one of opacities too.
    pub picture: Picture,
    /// Which plane is one of opacities.
    pub alpha: Option<usize>,
    /// What the other planes are, when the file says it of all of them.
    pub names: Option<Bands>,
    /// What the file says is to be added to its digital numbers.
    pub dn_offset: Option<i32>,
}

impl Decoded {
    /// A picture without opacities or names.
    pub(super) fn plain(picture: Picture) -> Self {
        Self { picture, alpha: None, names: None, dn_offset: None }
    }

    /// Number of planes that are not opacities.
    #[must_use]
    pub fn bands(&self) -> usize {
        self.picture.bands - usize::from(self.alpha.is_some())
    }

    /// The picture without its opacities: where they are 0, nothing is there.
    #[must_use]
    pub fn without_alpha(self) -> Picture {
        let Some(alpha) = self.alpha else { return self.picture };
        let bands = self.picture.bands;
        let others: Vec<usize> = (0..bands).filter(|band| *band != alpha).collect();
        let mut picture = self.picture.select(&others);
        let holes = holes(&self.picture.samples, alpha, bands);
        if holes.contains(&true) {
            picture.missing.resize(holes.len() * others.len(), false);
            for (pixel, is_hole) in picture.missing.chunks_exact_mut(others.len()).zip(holes) {
                pixel.iter_mut().for_each(|missing| *missing |= is_hole);
            }
        }
        picture.missing = some_or_none(picture.missing);
        picture
    }

    /// Whether the plane of opacities looks like a measured band: many values are neither none nor all.
    #[must_use]
    pub fn alpha_is_measured(&self) -> bool {
        let Some(alpha) = self.alpha else { return false };
        let Picture { bands, height, width, samples, .. } = &self.picture;
        let between = match samples {
            Samples::U8(values) => {
                values[alpha..].iter().step_by(*bands).filter(|value| !matches!(value, 0 | 255)).count()
            }
            Samples::U16(values) => {
                values[alpha..].iter().step_by(*bands).filter(|value| !matches!(value, 0 | 255 | 65_535)).count()
            }
            Samples::I16(values) => values[alpha..].iter().step_by(*bands).filter(|value| **value > 1).count(),
            Samples::F32(values) => {
                values[alpha..].iter().step_by(*bands).filter(|value| **value > 0.0 && **value < 1.0).count()
            }
        };
        between * TRANSLUCENT > height * width
    }
}

/// Where a plane is 0.
fn holes(samples: &Samples, plane: usize, bands: usize) -> Vec<bool> {
    fn zeros<T: Copy + PartialEq + Default>(values: &[T], plane: usize, bands: usize) -> Vec<bool> {
        values.iter().skip(plane).step_by(bands).map(|value| *value == T::default()).collect()
    }
    match samples {
        Samples::U8(values) => zeros(values, plane, bands),
        Samples::U16(values) => zeros(values, plane, bands),
        Samples::I16(values) => zeros(values, plane, bands),
        Samples::F32(values) => zeros(values, plane, bands),
    }
}

/// Bands of these names, if they are all known and no two are the same.
pub(super) fn named(names: Vec<Option<String>>) -> Option<Bands> {
    let known = |name: String| name.parse().ok().filter(|band| !matches!(band, Band::Other(_)));
    Bands::new(names.into_iter().map(|name| known(name?)).collect::<Option<Vec<_>>>()?).ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn transparent_pixels_are_missing() {
        let picture = Picture::whole(2, 1, 3, Samples::U8(vec![10, 255, 20, 0, 30, 255]));
        let decoded = Decoded { picture, alpha: Some(1), names: None, dn_offset: None };
        assert_eq!(decoded.bands(), 1);
        assert!(!decoded.alpha_is_measured());
        let picture = decoded.without_alpha();
        assert_eq!((picture.bands, &picture.samples), (1, &Samples::U8(vec![10, 20, 30])));
        assert_eq!(picture.missing, [false, true, false]);
    }

    #[test]
    fn near_infrared_that_is_marked_alpha_is_seen_to_be_one() {
        let samples = (0..100u16).flat_map(|at| [7, at * 300]).collect();
        let picture = Picture::whole(2, 10, 10, Samples::U16(samples));
        let decoded = Decoded { picture, alpha: Some(1), names: None, dn_offset: None };
        assert!(decoded.alpha_is_measured());
    }

    #[test]
    fn names_are_taken_when_all_are_known() {
        let names = |all: &[&str]| named(all.iter().map(|name| Some((*name).to_owned())).collect());
        assert_eq!(names(&["B02", "B08"]).unwrap().as_slice(), [Band::B02, Band::B08]);
        assert_eq!(names(&["B02", "B02"]), None);
        assert_eq!(names(&["B02", "thermal"]), None);
    }
}
