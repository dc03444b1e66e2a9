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
    /// As the model's own pictures were made.
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
    /// For numbers with a fraction, the smallest and the largest that were looked at.
    pub range: Option<[f32; 2]>,
}

impl Taken {
    /// Whether there is anything to choose.
    #[must_use]
    pub fn has_choices(&self) -> bool {
        self.is_reflectance || self.names.len() > self.planes.len()
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

#[cfg(test)]
mod tests {
    use super::*;

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
