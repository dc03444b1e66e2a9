//! What a map has around it: a scale bar, coordinates in words, and a grid of meridians and parallels.

use super::card::{SceneCard, metres};
use super::georeference::Georeference;

/// Cells of the lattice that lines of the grid are found in: they are nearly straight inside one.
const LATTICE: usize = 16;
/// Lines across the picture that the grid has at most.
const MOST_LINES: f64 = 6.0;

/// A bar of a round length.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// How long it is on the screen.
    pub px: f64,
    /// How long it is on the ground.
    pub label: String,
}

/// The longest bar of 1, 2 or 5 times a power of ten that is no longer than `most_px` on the screen; `unit` is what a pixel of the screen
/// shows: metres, or, without a place, pixels of the picture.
#[must_use]
pub fn bar(unit: f64, most_px: f64, is_metres: bool) -> Option<Bar> {
    let most = unit * most_px;
    if !most.is_finite() || most <= 0.0 {
        return None;
    }
    let length = round_down(most);
    let label = if is_metres { length_on_ground(length) } else { format!("{length} px") };
    Some(Bar { px: length / unit, label })
}

/// `500 m`, `2 km`.
fn length_on_ground(length: f64) -> String {
    if length >= 1000.0 { format!("{} km", length / 1000.0) } else { metres(length) }
}

/// The largest of 1, 2 and 5 times a power of ten that is not over `value`.
fn round_down(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    // Rounding must not lose a whole step.
    let lead = value / power * (1.0 + 1e-9);
    power
        * if lead >= 5.0 {
            5.0
        } else if lead >= 2.0 {
            2.0
        } else {
            1.0
        }
}

/// A place of the picture in words: `42.7946° N, 13.0932° E · pixel 192, 120`.
#[must_use]
pub fn place_in_words(card: &SceneCard, x: f64, y: f64) -> String {
    let pixel = format!("pixel {}, {}", x.floor(), y.floor());
    let Some(place) = &card.georeference else { return pixel };
    let own = place.place(x, y);
    let ground = match place.degrees(own) {
        Some([longitude, latitude]) => in_degrees(longitude, latitude),
        None if place.is_geographic => in_degrees(own[0], own[1]),
        None => format!("{:.0}, {:.0} ({})", own[0], own[1], place.system()),
    };
    format!("{ground} · {pixel}")
}

/// `42.7946° N, 13.0932° E`.
fn in_degrees(longitude: f64, latitude: f64) -> String {
    let side = |value: f64, [positive, negative]: [char; 2]| if value < 0.0 { negative } else { positive };
    format!(
        "{:.4}° {}, {:.4}° {}",
        latitude.abs(),
        side(latitude, ['N', 'S']),
        longitude.abs(),
        side(longitude, ['E', 'W'])
    )
}

/// One line of the grid.
#[derive(Clone, Debug, PartialEq)]
pub struct GridLine {
    /// What it says at its end.
    pub label: String,
    /// True for lines that go up and down: meridians.
    pub is_meridian: bool,
    /// Pieces in pixels of the picture, `[from, to]`.
    pub pieces: Vec<[[f64; 2]; 2]>,
}

/// Meridians and parallels over a picture, at round degrees; lines of its own system where degrees are not known.
#[must_use]
pub fn graticule(place: &Georeference, width: usize, height: usize) -> Vec<GridLine> {
    let is_degrees = place.has_degrees() || place.is_geographic;
    let at = |column: usize, row: usize| {
        [column as f64 * width as f64 / LATTICE as f64, row as f64 * height as f64 / LATTICE as f64]
    };
    let value = |column: usize, row: usize| {
        let [x, y] = at(column, row);
        let own = place.place(x, y);
        place.degrees(own).unwrap_or(own)
    };
    let nodes: Vec<([f64; 2], [f64; 2])> = (0..=LATTICE)
        .flat_map(|row| (0..=LATTICE).map(move |column| (column, row)))
        .map(|(column, row)| (at(column, row), value(column, row)))
        .collect();
    (0..2).flat_map(|axis| lines_along(axis, &nodes, is_degrees)).collect()
}

/// Lines on which one coordinate is round.
fn lines_along(axis: usize, nodes: &[([f64; 2], [f64; 2])], is_degrees: bool) -> Vec<GridLine> {
    let values = nodes.iter().map(|(_, value)| value[axis]);
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    let span = high - low;
    if !span.is_finite() || span <= 0.0 {
        return Vec::new();
    }
    let smallest = round_down(span / MOST_LINES);
    let step =
        [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| smallest * factor).into_iter().find(|step| span / step <= MOST_LINES);
    let step = step.unwrap_or(span);
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    let line = |number: i64| {
        let level = number as f64 * step;
        let pieces = pieces_at(axis, nodes, level);
        (!pieces.is_empty()).then(|| GridLine {
            label: label(level, step, axis, is_degrees),
            is_meridian: axis == 0,
            pieces,
        })
    };
    (first..=last).filter_map(line).collect()
}

fn label(level: f64, step: f64, axis: usize, is_degrees: bool) -> String {
    let decimals =
        (-step.log10().floor()).max(0.0) as usize + usize::from((step / round_down(step) - 1.25).abs() < 1e-6);
    if !is_degrees {
        return format!("{level:.decimals$}");
    }
    let sides = if axis == 0 { ['E', 'W'] } else { ['N', 'S'] };
    format!("{:.decimals$}° {}", level.abs(), if level < 0.0 { sides[1] } else { sides[0] })
}

/// Where a coordinate has a value, as pieces inside the cells of the lattice.
fn pieces_at(axis: usize, nodes: &[([f64; 2], [f64; 2])], level: f64) -> Vec<[[f64; 2]; 2]> {
    let node = |column: usize, row: usize| nodes[row * (LATTICE + 1) + column];
    let mut pieces = Vec::new();
    for row in 0..LATTICE {
        for column in 0..LATTICE {
            let corners = [node(column, row), node(column + 1, row), node(column + 1, row + 1), node(column, row + 1)];
            let crossings: Vec<[f64; 2]> = (0..4)
                .filter_map(|side| {
                    let ((from, a), (to, b)) = (corners[side], corners[(side + 1) % 4]);
                    let (a, b) = (a[axis] - level, b[axis] - level);
                    let share = a / (a - b);
                    ((a < 0.0) != (b < 0.0)).then(|| [0, 1].map(|part| from[part] + share * (to[part] - from[part])))
                })
                .collect();
            if let [from, to] = crossings[..] {
                pieces.push([from, to]);
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::grid::Grid;

    fn card() -> SceneCard {
        SceneCard::of_ten_metres(Grid { width: 2000, height: 1000, patch_px: 64, stride_px: 64 }, 32_632)
    }

    #[test]
    fn bars_are_round_and_fit() {
        let found = |unit, most| bar(unit, most, true).map(|bar| (bar.label, bar.px));
        assert_eq!(found(10.0, 120.0), Some(("1 km".into(), 100.0)));
        assert_eq!(found(10.0, 100.0), Some(("1 km".into(), 100.0)));
        assert_eq!(found(3.0, 120.0), Some(("200 m".into(), 200.0 / 3.0)));
        assert_eq!(found(0.1, 120.0), Some(("10 m".into(), 100.0)));
        assert_eq!(bar(0.5, 120.0, false).map(|bar| bar.label).as_deref(), Some("50 px"));
        assert_eq!(bar(f64::NAN, 120.0, true), None);
        assert_eq!(bar(0.0, 120.0, true), None);
    }

    #[test]
    fn places_are_said_in_degrees() {
        // By PROJ: 600 000, 5 300 000 in UTM zone 32.
        assert_eq!(place_in_words(&card(), 0.0, 0.0), "47.8456° N, 10.3366° E · pixel 0, 0");
        let other = SceneCard::of_ten_metres(card().grid, 2056);
        assert_eq!(place_in_words(&other, 10.5, 2.0), "600105, 5299980 (EPSG:2056) · pixel 10, 2");
        assert_eq!(place_in_words(&SceneCard { georeference: None, ..card() }, 7.9, 8.1), "pixel 7, 8");
        assert_eq!(in_degrees(-43.2, -22.9), "22.9000° S, 43.2000° W");
    }

    #[test]
    fn every_piece_of_a_line_lies_where_its_label_says() {
        let card = card();
        let place = card.georeference.clone().unwrap_or_else(|| unreachable!());
        let lines = graticule(&place, card.grid.width, card.grid.height);
        let meridians = lines.iter().filter(|line| line.is_meridian).count();
        assert!((2..=7).contains(&meridians) && (2..=7).contains(&(lines.len() - meridians)), "{lines:?}");
        for line in &lines {
            let value: f64 = line.label.split('°').next().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN);
            for [x, y] in line.pieces.iter().flatten() {
                let degrees = place.degrees(place.place(*x, *y)).unwrap_or_default();
                let found = degrees[usize::from(!line.is_meridian)];
                assert!((found - value).abs() < 2e-5, "{found} on {}", line.label);
            }
        }
    }
}
