//! The class map for virtual globes and phones (KML), and the lines that place a PNG (a world file).

use std::fmt::Write;

use super::card::SceneCard;
use super::dissolve::Area;
use super::georeference::Georeference;
use crate::map::palette::Rgb;

/// The areas as KML, coloured as the page shows them; `None` when longitude and latitude are not known.
#[must_use]
pub fn kml(name: &str, classes: &[(String, Rgb)], card: &SceneCard, areas: &[Area]) -> Option<String> {
    let place = card.georeference.as_ref().filter(|place| place.has_degrees())?;
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<kml xmlns=\"http://www.opengis.net/kml/2.2\"><Document><name>{}</name>\n",
        escaped(name)
    );
    for (class, (_, [red, green, blue])) in classes.iter().enumerate() {
        // Opacity, blue, green, red.
        let colour = format!("99{blue:02x}{green:02x}{red:02x}");
        let style = format!("<LineStyle><width>0</width></LineStyle><PolyStyle><color>{colour}</color></PolyStyle>");
        // Writing into a string cannot fail.
        let _ = writeln!(text, "<Style id=\"class{class}\">{style}</Style>");
    }
    for (class, (label, _)) in classes.iter().enumerate() {
        let _ = writeln!(text, "<Folder><name>{}</name>", escaped(label));
        for area in areas.iter().filter(|area| area.class == class) {
            let patches = if area.patches == 1 { "1 patch".to_owned() } else { format!("{} patches", area.patches) };
            let _ = write!(text, "<Placemark><name>{}</name><description>{patches}</description>", escaped(label));
            let _ = write!(text, "<styleUrl>#class{class}</styleUrl><Polygon>");
            for (number, ring) in area.rings.iter().enumerate() {
                let side = if number == 0 { "outerBoundaryIs" } else { "innerBoundaryIs" };
                let corners: Option<Vec<String>> = ring.iter().map(|corner| degrees(place, *corner)).collect();
                let corners = corners?.join(" ");
                let _ = write!(text, "<{side}><LinearRing><coordinates>{corners}</coordinates></LinearRing></{side}>");
            }
            text.push_str("</Polygon></Placemark>\n");
        }
        text.push_str("</Folder>\n");
    }
    text.push_str("</Document></kml>\n");
    Some(text)
}

/// The six lines beside a picture of `step` pixels for each of its own; `None` for one that is not placed.
#[must_use]
pub fn world_file(place: &Georeference, step: usize) -> String {
    let step = step as f64;
    let [a, b, c, d, e, f] = place.affine;
    // The place is that of the first pixel's middle.
    let [x, y] = [a + (b + c) * step / 2.0, d + (e + f) * step / 2.0];
    [b * step, e * step, c * step, f * step, x, y].map(|value| format!("{value:.10}\n")).concat()
}

fn degrees(place: &Georeference, [column, row]: [usize; 2]) -> Option<String> {
    let [longitude, latitude] = place.degrees(place.place(column as f64, row as f64))?;
    Some(format!("{longitude:.7},{latitude:.7}"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;
    use crate::scene::grid::Grid;

    fn card(epsg: u32) -> SceneCard {
        SceneCard::of_ten_metres(Grid::new(128, 64, 64, 64).unwrap(), epsg)
    }

    #[test]
    fn areas_are_in_degrees_and_in_the_colours_of_the_page() {
        let area = Area {
            class: 0,
            patches: 1,
            probability: 0.9,
            rings: vec![vec![[0, 0], [0, 64], [64, 64], [64, 0], [0, 0]]],
        };
        let classes = [("Crop & field".to_owned(), [255, 16, 1])];
        let text = kml("a.tif", &classes, &card(32_632), std::slice::from_ref(&area)).unwrap();
        assert!(text.contains("<color>990110ff</color>") && text.contains("Crop &amp; field"));
        // By PROJ, as in the test of GeoJSON.
        assert!(text.contains("<coordinates>10.3365910,47.8455613 10.3364431,47.8398045 "), "{text}");
        assert_eq!(kml("a.tif", &classes, &card(2056), &[area]), None, "a system whose degrees are not known");
    }

    #[test]
    fn a_world_file_names_the_middle_of_the_first_pixel() {
        let lines: Vec<f64> =
            world_file(&card(32_632).georeference.unwrap(), 2).lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(lines, [20.0, 0.0, 0.0, -20.0, 600_010.0, 5_299_990.0]);
    }
}
