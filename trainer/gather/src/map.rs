//! Places on a map of the world, before anything is gathered: SVG and GeoJSON.

use std::fmt::Write as _;

use serde_json::json;

use crate::cities::cities;
use crate::outline::Outline;
use crate::sample::Candidate;

/// Pixels a degree.
const SCALE: f64 = 4.0;
/// Latitudes shown.
const NORTH: f64 = 84.0;
const SOUTH: f64 = -60.0;

/// A map of the world with a dot a place.
#[must_use]
pub fn svg(places: &[Candidate]) -> String {
    let (width, height) = (360.0 * SCALE, (NORTH - SOUTH) * SCALE);
    let at = |lon: f64, lat: f64| ((lon + 180.0) * SCALE, (NORTH - lat) * SCALE);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>{} places</title>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#dbe7f0\"/>\n\
         <path fill=\"#f4f1ea\" stroke=\"#b8b2a5\" stroke-width=\".4\" fill-rule=\"evenodd\" d=\"",
        places.len()
    );
    // Rings over the date line are drawn on both sides of the map.
    let rings = Outline::land().rings().iter().flat_map(|ring| {
        let is_over = ring.iter().any(|[lon, _]| lon.abs() > 180.0);
        [0.0, -360.0, 360.0].into_iter().filter(move |turn| *turn == 0.0 || is_over).map(move |turn| (ring, turn))
    });
    for (ring, turn) in rings {
        let mut last = (f64::MAX, f64::MAX);
        for (index, &[lon, lat]) in ring.iter().enumerate() {
            let (x, y) = at(lon + turn, lat);
            // Half a pixel is not to be seen.
            if index > 0 && (x - last.0).abs() < 0.5 && (y - last.1).abs() < 0.5 {
                continue;
            }
            last = (x, y);
            // Writing to a string cannot fail.
            let _ = write!(text, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
        }
        text.push('Z');
    }
    text.push_str("\"/>\n<g fill=\"#c2410c\" fill-opacity=\".55\">\n");
    let radius = (60.0 / (places.len().max(1) as f64).sqrt()).clamp(0.5, 3.0);
    for place in places {
        let (x, y) = at(place.centre.lon, place.centre.lat);
        let _ = writeln!(text, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"/>");
    }
    text.push_str("</g>\n</svg>\n");
    text
}

/// The places as GeoJSON points with the city that they were drawn round and the shift of their dates.
#[must_use]
pub fn geojson(places: &[Candidate]) -> String {
    let feature = |(place, candidate): (usize, &Candidate)| {
        let city = candidate.city.and_then(|at| cities().get(at));
        json!({
            "type": "Feature",
            "geometry": { "type": "Point", "coordinates": [candidate.centre.lon, candidate.centre.lat] },
            "properties": {
                "place": place,
                "city": city.map(|city| &city.name),
                "country": city.map(|city| &city.country),
                "shift_days": candidate.shift_days,
            },
        })
    };
    let features: Vec<_> = places.iter().enumerate().map(feature).collect();
    let mut text = json!({ "type": "FeatureCollection", "features": features }).to_string();
    text.push('\n');
    text
}
