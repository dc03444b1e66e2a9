//! How the numbers in a file become what the model sees: which bands, which offset, which stretch. Chosen by the user or
//! found out, and always said.

use serde::{Deserialize, Serialize};

/// Sentinel-2's digital numbers have this added since processing baseline 04.00 (January 2022).
pub const BASELINE_4_OFFSET: i32 = -1000;
/// No surface that is not a cloud, snow or bare desert keeps a whole picture above this in its darkest band.
const DARKEST_DN: f32 = 1000.0;

/// The offset that the user wants added to digital numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OffsetChoice {
    /// What the file says, or its values suggest.
    #[default]
    Auto,
    /// 0: products before processing baseline 04.00, or already corrected.
    None,
    /// [`BASELINE_4_OFFSET`].
    Baseline4,
}

/// The stretch that the user wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StretchChoice {
    /// A scene is fitted to the look of the model's pictures; a tile is stretched as they were made.
    #[default]
    Auto,
    /// As EuroSAT's 8-bit pictures were made.
    Picture,
    /// Reflectance as it is.
    None,
}

/// All choices for one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Bands of the file, counted from 0, in the model's order; `None` leaves it to their names and number.
    pub planes: Option<Vec<usize>>,
    /// Added to 16-bit numbers.
    pub offset: OffsetChoice,
    /// From reflectance to what the model saw.
    pub stretch: StretchChoice,
}

/// What was taken from a file, and why: shown on the page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// A name for each band in the file.
    pub names: Vec<String>,
    /// How those names are known.
    pub order: String,
    /// How numbers became reflectance, in a sentence, when they are no digital numbers of 16 bits.
    pub scaling: String,
    /// The bands taken, counted from 0, in the model's order.
    pub planes: Vec<usize>,
    /// Whether values are reflectance, so that offset and stretch matter.
    pub is_reflectance: bool,
    /// Digital numbers: what was added.
    pub offset: i32,
    /// Why that.
    pub offset_why: String,
    /// The reflectance that became white; `None` without a stretch.
    pub white: Option<f32>,
    /// Why that.
    pub stretch_why: String,
    /// Whether it is a scene, of which enough is seen to tell how it was stretched.
    pub is_scene: bool,
    /// When the picture's own contrast is fitted to that of the model's: for each band taken, where its contrast lies and where
    /// it is brought to, on the unit scale.
    pub fitted: Vec<Fit>,
    /// For numbers with a fraction, the smallest and the largest that were looked at.
    pub range: Option<[f32; 2]>,
}

impl Taken {
    /// Whether there is anything to choose.
    #[must_use]
    pub fn has_choices(&self) -> bool {
        self.is_reflectance || self.is_scene || self.names.len() > self.planes.len()
    }

    /// The bands taken, by name.
    #[must_use]
    pub fn taken_names(&self) -> Vec<String> {
        let name = |plane: &usize| self.names.get(*plane).cloned().unwrap_or_else(|| format!("band {}", plane + 1));
        self.planes.iter().map(name).collect()
    }
}

/// The offset of 16-bit numbers: as chosen, as the file's metadata says, or as its darkest values suggest.
///
/// `darkest` is the value that 1 % of the darkest band is under.
#[must_use]
pub fn offset(choice: OffsetChoice, in_metadata: Option<i32>, darkest: Option<f32>) -> (i32, String) {
    let shift = BASELINE_4_OFFSET;
    match (choice, in_metadata, darkest) {
        (OffsetChoice::None, ..) => (0, "you chose it".to_owned()),
        (OffsetChoice::Baseline4, ..) => (shift, "you chose it".to_owned()),
        (OffsetChoice::Auto, Some(found), _) => (found, "the file's metadata says so".to_owned()),
        (OffsetChoice::Auto, None, Some(darkest)) if darkest >= DARKEST_DN => {
            (shift, format!("nothing is darker than {darkest:.0}, as in processing baseline 04.00 and later"))
        }
        (OffsetChoice::Auto, None, Some(darkest)) => {
            (0, format!("its darkest values are {darkest:.0}, too dark for processing baseline 04.00"))
        }
        (OffsetChoice::Auto, None, None) => (0, "the file says nothing of one".to_owned()),
    }
}

/// Whether reflectance is stretched, and why. `trained_mean` is the mean that the model's pictures had on the unit scale.
///
/// Reflectance of land averages about 0.1 in the visible bands (EuroSAT: 0.095 to 0.112), stretched pictures 0.3 and more:
/// the model's own normalisation tells which of both it saw.
#[must_use]
pub fn is_stretched(choice: StretchChoice, trained_mean: f32) -> (bool, String) {
    match choice {
        StretchChoice::Picture => (true, "you chose it".to_owned()),
        StretchChoice::None => (false, "you chose it".to_owned()),
        StretchChoice::Auto if trained_mean > 0.2 => {
            (true, format!("the model learned from stretched pictures, of mean {trained_mean:.2}"))
        }
        StretchChoice::Auto => (false, format!("the model learned from reflectance, of mean {trained_mean:.2}")),
    }
}

/// What stays of the contrast beyond a band's ends: a lake in the darkest 3 % is still no flat colour.
const TAIL: f32 = 0.1;
/// A picture of so little contrast that it would have to be enlarged by more shows too little to tell its stretch by: one of
/// the sea alone, say.
const MOST_GAIN: f32 = 4.0;
/// Deviations from the mean of the model's pictures at which the ends of a scene's contrast lie: the means over the three bands of Sentinel-2
/// L1C at Norcia, Bercy and Paris, two dates each, stretched as EuroSAT's publishers did. (One scene spans less than all of EuroSAT.)
const ENDS: [f32; 2] = [-0.7, 1.7];

/// How one band of a scene is brought to the look that the model learned from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// What 3 % of its values are under, and what 3 % are over.
    pub from: [f32; 2],
    /// What these become.
    pub to: [f32; 2],
}

impl Fit {
    /// What a value becomes.
    #[must_use]
    pub fn value(&self, value: f32) -> f32 {
        let share = (value - self.from[0]) / (self.from[1] - self.from[0]);
        let share = if share < 0.0 {
            share * TAIL
        } else if share > 1.0 {
            1.0 + (share - 1.0) * TAIL
        } else {
            share
        };
        (self.to[0] + share * (self.to[1] - self.to[0])).clamp(0.0, 1.0)
    }
}

/// Fits a scene's contrast to that of the pictures that a model learned from: the same for 8 and 16 bits and for every linear stretch
/// that may lie between them, because nothing but the scene's own values decides.
///
/// `ends` are what 3 % of each band's values are under and over; `trained` are the mean and the deviation of each band in the model's
/// pictures; `usual` is the value that is white without a fit. `None` when the scene has too little contrast.
#[must_use]
pub fn fit(ends: &[[f32; 2]], trained: &[[f32; 2]], usual: f32) -> Option<Vec<Fit>> {
    let fits: Vec<Fit> = ends
        .iter()
        .zip(trained)
        .map(|(&from, [mean, deviation])| {
            let to = ENDS.map(|end| (mean + end * deviation).clamp(0.0, 1.0));
            Fit { from, to }
        })
        .collect();
    let gain = |fit: &Fit| (fit.to[1] - fit.to[0]) / (fit.from[1] - fit.from[0]).max(f32::MIN_POSITIVE) * usual;
    let is_seen =
        fits.len() == ends.len() && fits.iter().all(|fit| fit.from[1] > fit.from[0] && gain(fit) <= MOST_GAIN);
    is_seen.then_some(fits)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn every_linear_stretch_of_a_scene_becomes_the_same() {
        let trained = [[0.345, 0.203]; 1];
        let values = [0.03_f32, 0.05, 0.08, 0.2, 0.24];
        let fitted = |black: f32, white: f32| -> Vec<f32> {
            let shown = values.map(|value| (value - black) / (white - black));
            let fit = fit(&[[shown[1], shown[3]]], &trained, 0.275).unwrap();
            shown.iter().map(|value| fit[0].value(*value)).collect()
        };
        let expected = fitted(0.0, 1.0);
        assert!(
            (expected[1] - (0.345 - 0.7 * 0.203)).abs() < 1e-6 && (expected[3] - (0.345 + 1.7 * 0.203)).abs() < 1e-6
        );
        assert!(expected[0] < expected[1] && expected[4] > expected[3], "tails are pressed, not cut: {expected:?}");
        for (black, white) in [(0.0, 0.275), (0.03, 0.24), (-0.2, 0.9)] {
            for (found, expected) in fitted(black, white).iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-5, "{black} to {white}: {found} instead of {expected}");
            }
        }
    }

    #[test]
    fn a_scene_of_the_sea_alone_is_not_fitted() {
        let trained = [[0.345, 0.203]; 3];
        assert!(fit(&[[0.03, 0.04]; 3], &trained, 0.275).is_none());
        assert!(fit(&[[0.2, 0.2]; 3], &trained, 1.0).is_none());
        assert!(fit(&[[0.1, 0.8]; 3], &trained[..2], 1.0).is_none());
        assert!(fit(&[[0.1, 0.8]; 3], &trained, 1.0).is_some());
    }

    #[test]
    fn the_users_choice_goes_before_metadata_and_values() {
        assert_eq!(offset(OffsetChoice::None, Some(-1000), Some(1200.0)).0, 0);
        assert_eq!(offset(OffsetChoice::Baseline4, Some(0), Some(200.0)).0, -1000);
        assert_eq!(offset(OffsetChoice::Auto, Some(0), Some(1200.0)), (0, "the file's metadata says so".to_owned()));
        assert_eq!(offset(OffsetChoice::Auto, None, Some(1045.0)).0, -1000);
        assert_eq!(offset(OffsetChoice::Auto, None, Some(386.0)).0, 0);
        assert_eq!(offset(OffsetChoice::Auto, None, None).0, 0);
    }

    #[test]
    fn the_models_own_mean_tells_what_it_learned_from() {
        assert!(is_stretched(StretchChoice::Auto, 0.3775).0);
        assert!(!is_stretched(StretchChoice::Auto, 0.1035).0);
        assert!(is_stretched(StretchChoice::Picture, 0.1).0);
        assert!(!is_stretched(StretchChoice::None, 0.4).0);
    }
}
