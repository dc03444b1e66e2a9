//! The class map as GeoJSON: a polygon for every painted patch, or for patches of a class that touch.

use std::ops::Range;

use serde_json::{Value, json};

use super::card::SceneCard;
use super::cells::{Cells, Filter, Look};
use super::dissolve::{Area, areas};
use super::georeference::Georeference;

/// What becomes a polygon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shapes {
    /// Every patch.
    Patches,
    /// All patches of one class that touch.
    Areas,
}

/// What is written of a map: classes by name, in degrees of WGS 84 as RFC 7946 has it where the picture's system is one of those that
/// [`super::georeference::Georeference::degrees`] knows; else in the picture's own, or in pixels when it has none.
///
/// The text comes in parts, since a map may have half a million patches: [`Self::head`], the features with commas between them, and
/// [`FOOT`].
pub struct Document<'a> {
    /// The picture's name.
    pub name: &'a str,
    /// The model's.
    pub model: &'a str,
    /// Names of the model's classes.
    pub classes: &'a [String],
    /// The picture.
    pub card: &'a SceneCard,
    /// The user's choices.
    pub filter: &'a Filter,
}

/// What ends the document.
pub const FOOT: &str = "]}\n";

impl Document<'_> {
    /// Everything up to the first feature.
    #[must_use]
    pub fn head(&self, has_neighbours: bool) -> String {
        let card = self.card;
        let place = card.georeference.as_ref();
        let is_in_degrees = place.is_some_and(Georeference::has_degrees);
        let coordinates = match place {
            Some(place) if is_in_degrees => {
                format!("longitude and latitude, WGS 84; the picture has {}", place.system())
            }
            Some(place) => format!("of the picture's own coordinate system, {}", place.system()),
            None => "pixels of the picture: columns to the right, rows downwards; it is not georeferenced".to_owned(),
        };
        let mut document = json!({
            "type": "FeatureCollection",
            "name": self.name,
            "solstice": {
                "model": self.model,
                "coordinates": coordinates,
                "patch_px": card.grid.patch_px,
                "stride_px": card.grid.stride_px,
                "neighbours_have_a_say": has_neighbours,
                "left_out_under_probability": two_decimals(self.filter.threshold),
                "bands": card.taken.taken_names(),
                "warnings": card.doubts.iter().map(|doubt| doubt.why()).collect::<Vec<_>>(),
            },
        });
        if let Some(epsg) = place.and_then(|place| place.epsg).filter(|_| !is_in_degrees) {
            // GeoJSON of 2008: GDAL and QGIS read it; without it, coordinates mean degrees.
            document["crs"] =
                json!({ "type": "name", "properties": { "name": format!("urn:ogc:def:crs:EPSG::{epsg}") } });
        }
        let text = document.to_string();
        format!("{},\"features\":[", text.strip_suffix('}').unwrap_or(&text))
    }

    /// Some patches, each as a polygon, with commas between them.
    #[must_use]
    pub fn patches(&self, cells: &Cells, patches: Range<usize>) -> String {
        let features = patches.filter_map(|patch| feature(patch, self.classes, self.card, cells, self.filter));
        joined(features)
    }

    /// Patches of one class that touch, each as a polygon, with commas between them.
    #[must_use]
    pub fn areas(&self, cells: &Cells) -> String {
        joined(areas(&self.card.grid, cells, self.filter).iter().map(|area| of_area(area, self.classes, self.card)))
    }
}

fn joined(features: impl Iterator<Item = Value>) -> String {
    features.map(|feature| feature.to_string()).collect::<Vec<_>>().join(",")
}

fn feature(patch: usize, classes: &[String], card: &SceneCard, cells: &Cells, filter: &Filter) -> Option<Value> {
    let (top, probability) = cells.top(patch)?;
    // A guess is written as one; as sure as it may look, it is left out no sooner than others.
    let (class, is_guess) = match cells.look(patch, filter) {
        Look::Class(class) => (class, false),
        Look::Unlike if probability >= filter.threshold && !filter.hidden.contains(&top) => (top, true),
        _ => return None,
    };
    let cell = card.grid.cell(patch);
    let corner = |column: usize, row: usize| corner(card, column, row);
    // Against the clock, as GeoJSON wants the outside, for a picture whose rows go south.
    let ring = [
        corner(cell.left, cell.top),
        corner(cell.left, cell.bottom),
        corner(cell.right, cell.bottom),
        corner(cell.right, cell.top),
        corner(cell.left, cell.top),
    ];
    let columns = card.grid.columns().max(1);
    let mut feature = json!({
        "type": "Feature",
        "properties": {
            "class": classes.get(class),
            "probability": (f64::from(probability) * 1e4).round() / 1e4,
            "row": patch / columns,
            "column": patch % columns,
        },
        "geometry": { "type": "Polygon", "coordinates": [ring] },
    });
    if is_guess {
        feature["properties"]["unlike_known"] = json!(true);
    }
    Some(feature)
}

fn of_area(area: &Area, classes: &[String], card: &SceneCard) -> Value {
    let rings: Vec<Vec<[f64; 2]>> =
        area.rings.iter().map(|ring| ring.iter().map(|&[column, row]| corner(card, column, row)).collect()).collect();
    json!({
        "type": "Feature",
        "properties": {
            "class": classes.get(area.class),
            "mean_probability": (f64::from(area.probability) * 1e4).round() / 1e4,
            "patches": area.patches,
        },
        "geometry": { "type": "Polygon", "coordinates": rings },
    })
}

/// A corner of pixels in the coordinates of the file.
fn corner(card: &SceneCard, column: usize, row: usize) -> [f64; 2] {
    match &card.georeference {
        Some(place) => {
            let own = place.place(column as f64, row as f64);
            let degrees = place.degrees(own);
            // A tenth of a millimetre, in metres or in degrees.
            let decimals = if degrees.is_some() || place.is_geographic { 1e9 } else { 1e4 };
            degrees.unwrap_or(own).map(|value| (value * decimals).round() / decimals)
        }
        None => [column as f64, row as f64],
    }
}

fn two_decimals(value: f32) -> f64 {
    (f64::from(value) * 100.0).round() / 100.0
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;
    use crate::scene::cells::ANSWERED;
    use crate::scene::grid::Grid;
    use crate::scene::reading::Taken;

    fn map(georeference: Option<Georeference>) -> Value {
        shaped(georeference, Shapes::Patches)
    }

    fn shaped(georeference: Option<Georeference>, shapes: Shapes) -> Value {
        let grid = Grid::new(128, 64, 64, 64).unwrap();
        let card = SceneCard {
            grid,
            format: String::new(),
            taken: Taken::default(),
            georeference,
            preview_step: 1,
            doubts: Vec::new(),
        };
        let mut cells = Cells::new(2, 2);
        cells.put(0, &[ANSWERED; 2], &[0.25, 0.75, 0.5, 0.5]);
        let classes = ["Forest".to_owned(), "River".to_owned()];
        let filter = Filter { threshold: 0.6, ..Filter::default() };
        written(
            &Document { name: "a.tif", model: "m", classes: &classes, card: &card, filter: &filter },
            &cells,
            shapes,
        )
    }

    /// The parts together; patches come one at a time.
    fn written(document: &Document<'_>, cells: &Cells, shapes: Shapes) -> Value {
        let features = match shapes {
            Shapes::Patches => {
                let each = (0..cells.len()).map(|patch| document.patches(cells, patch..patch + 1));
                each.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(",")
            }
            Shapes::Areas => document.areas(cells),
        };
        serde_json::from_str(&format!("{}{features}{FOOT}", document.head(false))).unwrap()
    }

    fn placed(epsg: u32) -> Value {
        let affine = [600_000.0, 10.0, 0.0, 5_300_000.0, 0.0, -10.0];
        map(Some(Georeference { affine, epsg: Some(epsg), is_geographic: false, metres_per_unit: 1.0 }))
    }

    #[test]
    fn a_picture_in_a_utm_zone_gives_degrees() {
        let document = placed(32632);
        assert_eq!(document["crs"], Value::Null, "degrees of WGS 84 need no word");
        assert!(document["solstice"]["coordinates"].as_str().unwrap().contains("EPSG:32632"));
        assert_eq!(document["features"].as_array().unwrap().len(), 1, "the unsure patch is left out");
        let feature = &document["features"][0];
        assert_eq!(feature["properties"], json!({ "class": "River", "probability": 0.75, "row": 0, "column": 0 }));
        // By PROJ: 600 000 5 300 000, then 640 m south, east, north and west.
        let expected = [
            [10.3365909749, 47.8455612525],
            [10.3364430776, 47.8398044628],
            [10.3449938846, 47.8397045891],
            [10.3451427274, 47.8454613587],
            [10.3365909749, 47.8455612525],
        ];
        let ring = feature["geometry"]["coordinates"][0].as_array().unwrap();
        assert_eq!(ring.len(), expected.len());
        for (corner, expected) in ring.iter().zip(expected) {
            for (axis, degrees) in expected.into_iter().enumerate() {
                assert!((corner[axis].as_f64().unwrap() - degrees).abs() < 2e-9, "{corner} instead of {expected:?}");
            }
        }
    }

    #[test]
    fn one_in_another_system_gives_that_systems_coordinates_and_names_it() {
        let document = placed(2056);
        assert_eq!(document["crs"]["properties"]["name"], "urn:ogc:def:crs:EPSG::2056");
        let ring = json!([
            [600_000.0, 5_300_000.0],
            [600_000.0, 5_299_360.0],
            [600_640.0, 5_299_360.0],
            [600_640.0, 5_300_000.0],
            [600_000.0, 5_300_000.0]
        ]);
        assert_eq!(document["features"][0]["geometry"]["coordinates"][0], ring);
    }

    #[test]
    fn a_guess_is_written_as_one() {
        let grid = Grid::new(128, 64, 64, 64).unwrap();
        let doubts = vec![crate::scene::doubt::Doubt::PixelSize { metres: 2.0 }];
        let card = SceneCard {
            grid,
            format: String::new(),
            taken: Taken::default(),
            georeference: None,
            preview_step: 1,
            doubts,
        };
        let mut cells = Cells::new(2, 2);
        cells.put(0, &[ANSWERED, crate::scene::cells::UNLIKE], &[0.1, 0.9, 0.95, 0.05]);
        let classes = ["Forest".to_owned(), "River".to_owned()];
        let filter = Filter::default();
        let document = Document { name: "a.png", model: "m", classes: &classes, card: &card, filter: &filter };
        let document = written(&document, &cells, Shapes::Patches);
        assert_eq!(document["features"][0]["properties"]["unlike_known"], Value::Null);
        assert_eq!(document["features"][1]["properties"]["unlike_known"], json!(true));
        assert_eq!(document["features"][1]["properties"]["class"], "Forest");
        assert!(document["solstice"]["warnings"][0].as_str().unwrap().contains("2 m wide"));
    }

    #[test]
    fn areas_have_the_same_coordinates_and_no_patch_of_their_own() {
        let document = shaped(None, Shapes::Areas);
        let feature = &document["features"][0];
        assert_eq!(document["features"].as_array().unwrap().len(), 1);
        assert_eq!(feature["properties"], json!({ "class": "River", "mean_probability": 0.75, "patches": 1 }));
        assert_eq!(feature["geometry"]["coordinates"][0], map(None)["features"][0]["geometry"]["coordinates"][0]);
    }

    #[test]
    fn an_unplaced_one_gives_pixels_and_says_so() {
        let document = map(None);
        assert_eq!(document["crs"], Value::Null);
        assert!(document["solstice"]["coordinates"].as_str().unwrap().contains("pixels"));
        assert_eq!(document["features"][0]["geometry"]["coordinates"][0][2], json!([64.0, 64.0]));
    }
}
