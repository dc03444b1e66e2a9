//! Which bands of a file are the model's: by their names in the file, or by Sentinel-2's usual orders.

use raster::{Numbering, numbering, sentinel_2_name, sentinel_2_names};

use super::reading::Taken;
use crate::problem::Problem;

/// The usual orders of Sentinel-2 stacks without names, by number of bands.
const ORDERS: [(&str, &[&str]); 4] = [
    (
        "Sentinel-2 L1C, thirteen bands",
        &["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"],
    ),
    (
        "Sentinel-2 L2A, twelve bands",
        &["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"],
    ),
    ("Sentinel-2's ten bands of 10 and 20 m", &["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]),
    ("Sentinel-2's four bands of 10 m", &["B02", "B03", "B04", "B08"]),
];
const RGB: [&str; 3] = ["B04", "B03", "B02"];

/// What a file says of its bands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileBands {
    /// How many.
    pub count: usize,
    /// What it calls them; empty where it does not.
    pub names: Vec<String>,
    /// True when it declares the first three to be red, green and blue.
    pub is_rgb: bool,
    /// True for 8 bits: a picture, not measurements.
    pub is_picture: bool,
    /// How numbers become reflectance, in a sentence, when they are no digital numbers of 16 bits.
    pub scaling: String,
}

/// Why a picture was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What went wrong.
    pub problem: Problem,
    /// The picture's bands, when choosing among them would help; empty when it would not.
    pub bands: Vec<String>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem, bands: Vec::new() }
    }
}

/// Finds the bands that the model wants, or takes those that the user chose; fills the first half of a [`Taken`].
///
/// # Errors
/// When they cannot be told, or the file does not have them.
pub fn choose(file: &FileBands, wanted: &[String], chosen: Option<&[usize]>) -> Result<Taken, Refusal> {
    let (names, order) = name_all(file, wanted);
    let scaling = file.scaling.clone();
    let refusal = || {
        let bands = if file.count > 1 { names.clone() } else { Vec::new() };
        Refusal { problem: not_there(file, wanted), bands }
    };
    let taken = |planes: Vec<usize>| Taken {
        names: names.clone(),
        order: order.clone(),
        planes,
        scaling: scaling.clone(),
        ..Taken::default()
    };
    if let Some(chosen) = chosen {
        let fits = chosen.len() == wanted.len() && chosen.iter().all(|plane| *plane < file.count);
        return if fits { Ok(taken(chosen.to_vec())) } else { Err(refusal()) };
    }
    let known = sentinel_2_names(names.iter().map(|name| Some(name.as_str())));
    let position = |band: &String| known.iter().position(|name| name.as_ref() == Some(band));
    if let Some(planes) = wanted.iter().map(position).collect::<Option<Vec<_>>>() {
        return Ok(taken(planes));
    }
    // Names of other bands are not overruled.
    if file.count == wanted.len() && !is_named(file) {
        return Ok(taken((0..file.count).collect()));
    }
    if file.count == 1 && wanted == RGB {
        return Ok(taken(vec![0; 3]));
    }
    Err(refusal())
}

/// A name for every band, and how they are known.
fn name_all(file: &FileBands, wanted: &[String]) -> (Vec<String>, String) {
    let own = |plane: usize| file.names.get(plane).filter(|name| !name.is_empty()).cloned();
    let numbered = |plane: usize| own(plane).unwrap_or_else(|| format!("band {}", plane + 1));
    if is_named(file) {
        let order = match numbering(described(file)) {
            Numbering::LandsatTm => "named in the file, by the numbers of Landsat 4, 5 and 7",
            Numbering::LandsatOli => "named in the file, by the numbers of Landsat 8 and 9",
            Numbering::Sentinel2 | Numbering::Unclear => "named in the file",
        };
        return ((0..file.count).map(numbered).collect(), order.to_owned());
    }
    let unnamed = if file.names.iter().all(String::is_empty) {
        "not named in the file"
    } else {
        "the file's names for them are none that are known"
    };
    if file.is_rgb && file.count >= 3 || file.is_picture && file.count == 4 {
        let name = |plane: usize| RGB.get(plane).map_or_else(|| numbered(plane), |name| (*name).to_owned());
        let order = if file.is_rgb {
            "the file says red, green, blue".to_owned()
        } else {
            format!("{unnamed}: assumed to be red, green, blue and one more, as in most pictures")
        };
        return ((0..file.count).map(name).collect(), order);
    }
    if file.count == wanted.len() {
        return (wanted.to_vec(), format!("{unnamed}: taken as the model's, in its order"));
    }
    if let Some((title, names)) = ORDERS.iter().find(|(_, names)| names.len() == file.count) {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        return (names, format!("{unnamed}: assumed to be {title}, in the usual order"));
    }
    ((0..file.count).map(numbered).collect(), unnamed.to_owned())
}

fn described(file: &FileBands) -> impl Iterator<Item = Option<&str>> + Clone {
    file.names.iter().map(|name| Some(name.as_str()))
}

/// Whether the file calls any band by a name that is known.
fn is_named(file: &FileBands) -> bool {
    sentinel_2_names(described(file)).iter().any(Option::is_some)
}

/// `B4, central wavelength 665 nm`, `b04`, `Red` → `B04`.
#[must_use]
pub fn canonical(name: &str) -> Option<String> {
    sentinel_2_name(name)
}

fn not_there(file: &FileBands, wanted: &[String]) -> Problem {
    let found = match file.count {
        1 => "one band".to_owned(),
        count if file.names.iter().all(String::is_empty) => format!("{count}, without names"),
        count => format!("{count} ({})", file.names.join(", ")),
    };
    Problem::new(
        "This picture has the wrong bands for the model",
        format!("It has {found}; the model wants {} ({}).", wanted.len(), wanted.join(", ")),
        format!("Choose below which of them are {}, or export these bands in this order.", wanted.join(", ")),
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    fn rgb() -> Vec<String> {
        RGB.map(str::to_owned).to_vec()
    }

    fn file(count: usize) -> FileBands {
        FileBands { count, ..FileBands::default() }
    }

    #[test]
    fn the_usual_orders_are_known_by_their_length() {
        for (count, planes) in [(13, [3, 2, 1]), (12, [3, 2, 1]), (10, [2, 1, 0]), (4, [2, 1, 0])] {
            let taken = choose(&file(count), &rgb(), None).unwrap();
            assert_eq!(taken.planes, planes, "{count} bands");
            assert_eq!(taken.taken_names(), RGB);
            assert!(taken.order.contains("assumed"), "{}", taken.order);
        }
        assert_eq!(choose(&file(3), &rgb(), None).unwrap().planes, [0, 1, 2]);
        assert_eq!(choose(&file(1), &rgb(), None).unwrap().planes, [0, 0, 0]);
    }

    #[test]
    fn names_in_the_file_go_before_any_order() {
        let names = ["B2", "B8A, narrow near infrared", "Red", "B03"].map(str::to_owned).to_vec();
        let taken = choose(&FileBands { names, ..file(4) }, &rgb(), None).unwrap();
        assert_eq!(taken.planes, [2, 3, 0]);
        assert_eq!(taken.order, "named in the file");
    }

    #[test]
    fn a_declared_red_green_blue_is_believed() {
        let taken = choose(&FileBands { is_rgb: true, ..file(4) }, &rgb(), None).unwrap();
        assert_eq!(taken.planes, [0, 1, 2]);
        assert_eq!(choose(&FileBands { is_picture: true, ..file(4) }, &rgb(), None).unwrap().planes, [0, 1, 2]);
    }

    #[test]
    fn five_nameless_bands_are_asked_about_and_the_answer_is_taken() {
        let Refusal { problem, bands } = choose(&file(5), &rgb(), None).unwrap_err();
        assert_eq!(bands.len(), 5);
        assert!(problem.why.contains("It has 5, without names; the model wants 3"), "{}", problem.why);
        assert_eq!(choose(&file(5), &rgb(), Some(&[4, 0, 2])).unwrap().planes, [4, 0, 2]);
        assert!(choose(&file(5), &rgb(), Some(&[5, 0, 2])).is_err());
        assert!(choose(&file(5), &rgb(), Some(&[0, 2])).is_err());
    }

    #[test]
    fn what_the_file_does_not_say_is_called_assumed() {
        let four = choose(&FileBands { is_picture: true, ..file(4) }, &rgb(), None).unwrap();
        assert!(four.order.contains("assumed") && !four.order.contains("the file says"), "{}", four.order);
    }

    #[test]
    fn landsats_numbers_are_not_taken_for_sentinels() {
        let named = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            choose(&FileBands { count: names.len(), names, ..FileBands::default() }, &rgb(), None)
        };
        let thematic = named(&["B1", "B2", "B3", "B4", "B5", "B7"]).unwrap();
        assert_eq!(
            (thematic.planes.as_slice(), thematic.taken_names().join(" ")),
            (&[2, 1, 0][..], "B3 B2 B1".to_owned())
        );
        assert!(thematic.order.contains("Landsat 4, 5 and 7"), "{}", thematic.order);
        assert!(named(&["B1", "B2", "B3", "B4", "B5", "B6", "B7"]).is_err(), "of 5 or of 8: it cannot be told");
    }

    #[test]
    fn names_of_other_bands_are_not_overruled() {
        let named = |names: [&str; 3], is_rgb: bool| {
            let names = names.map(str::to_owned).to_vec();
            choose(&FileBands { names, is_rgb, is_picture: true, ..file(3) }, &rgb(), None)
        };
        let refusal = named(["B08", "B04", "B03"], true).unwrap_err();
        assert_eq!(refusal.bands, ["B08", "B04", "B03"]);
        let unknown = named(["first", "second", "third"], false).unwrap();
        assert_eq!(unknown.planes, [0, 1, 2]);
        assert!(unknown.order.contains("none that are known"), "{}", unknown.order);
    }
}
