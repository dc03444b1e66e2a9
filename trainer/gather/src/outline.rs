//! Outlines on the globe (the land mask, a region) and whether a point lies inside.

use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use geojson::{GeoJson, GeometryValue};

use crate::geo::LonLat;

/// Natural Earth's land at 1:50 million: one ring a line, differences of longitude and latitude in thousandths of a
/// degree; rings over the date line go on beyond 180; deflated.
const LAND: &[u8] = include_bytes!("../data/land.txt.z");
/// Height of the bands of latitude that edges are sorted into, in degrees.
const BAND: f64 = 0.25;
const BANDS: usize = 720;

/// Closed rings; a point is inside when a line from it crosses them an odd number of times, so that holes and islands in
/// them come out right.
pub struct Outline {
    rings: Vec<Vec<[f64; 2]>>,
    /// All edges that do not run east or west.
    edges: Vec<[f64; 4]>,
    /// Numbers of those that touch each band of latitude, south to north.
    bands: Vec<Vec<u32>>,
}

impl Outline {
    /// Takes rings of longitude and latitude in degrees; the first point need not be repeated at the end.
    #[must_use]
    pub fn new(rings: Vec<Vec<[f64; 2]>>) -> Self {
        let (mut edges, mut bands) = (Vec::new(), vec![Vec::new(); BANDS]);
        for ring in &rings {
            for (at, &[x0, y0]) in ring.iter().enumerate() {
                let [x1, y1] = ring[(at + 1) % ring.len()];
                if y0 != y1 {
                    let number = edges.len() as u32;
                    (band(y0.min(y1))..=band(y0.max(y1))).for_each(|band| bands[band].push(number));
                    edges.push([x0, y0, x1, y1]);
                }
            }
        }
        Self { rings, edges, bands }
    }

    /// The land of the Earth, without its lakes taken out (Natural Earth, 1:50 million).
    #[must_use]
    pub fn land() -> &'static Self {
        static OUTLINE: OnceLock<Outline> = OnceLock::new();
        OUTLINE.get_or_init(|| Self::new(parse_land(&inflate(LAND))))
    }

    /// The polygons of a GeoJSON file, each an outline with its holes.
    ///
    /// # Errors
    /// When the file cannot be read, is no GeoJSON, or holds no polygon.
    pub fn from_geojson_file(path: &Path) -> Result<Vec<Self>> {
        let shown = path.display();
        let hint = "hint: a GeoJSON file with Polygons or MultiPolygons in longitude and latitude";
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the region {shown}\n{hint}"))?;
        Self::from_geojson(&text).with_context(|| format!("the region {shown} is of no use\n{hint}"))
    }

    /// The polygons of GeoJSON.
    ///
    /// # Errors
    /// When it is none, holds no polygon, or is not in degrees.
    pub fn from_geojson(text: &str) -> Result<Vec<Self>> {
        let parsed: GeoJson = text.parse().context("it is not GeoJSON")?;
        let mut polygons = Vec::new();
        match parsed {
            GeoJson::Geometry(geometry) => collect(&geometry.value, &mut polygons),
            GeoJson::Feature(feature) => {
                feature.geometry.iter().for_each(|geometry| collect(&geometry.value, &mut polygons));
            }
            GeoJson::FeatureCollection(all) => {
                let geometries = all.features.iter().filter_map(|feature| feature.geometry.as_ref());
                geometries.for_each(|geometry| collect(&geometry.value, &mut polygons));
            }
        }
        let has_area = |outer: &Vec<[f64; 2]>| (0..2).all(|axis| outer.iter().any(|at| at[axis] != outer[0][axis]));
        polygons.retain(|rings| rings.first().is_some_and(|outer| outer.len() >= 3 && has_area(outer)));
        if polygons.is_empty() {
            bail!("it holds no polygon");
        }
        let mut points = polygons.iter().flatten().flatten();
        if let Some([x, y]) = points.find(|[x, y]| !(x.abs() <= 540.0 && y.abs() <= 90.0)) {
            bail!("{x}, {y} are no degrees (ogr2ogr -t_srs EPSG:4326 out.geojson in.geojson makes some)");
        }
        Ok(polygons.into_iter().map(Self::new).collect())
    }

    /// Whether the point lies inside.
    #[must_use]
    pub fn contains(&self, point: LonLat) -> bool {
        // A ring over the date line goes on beyond 180 degrees.
        let turns = [-360.0, 0.0, 360.0];
        let crossings = |number: &u32| {
            let [x0, y0, x1, y1] = self.edges[*number as usize];
            if (y0 > point.lat) == (y1 > point.lat) {
                return 0;
            }
            let x = (x1 - x0) * (point.lat - y0) / (y1 - y0) + x0;
            turns.iter().filter(|turn| point.lon + **turn < x).count()
        };
        self.bands[band(point.lat)].iter().map(crossings).sum::<usize>() % 2 == 1
    }

    /// The rings, longitude and latitude in degrees.
    #[must_use]
    pub fn rings(&self) -> &[Vec<[f64; 2]>] {
        &self.rings
    }

    /// The box round all rings: west, south, east, north.
    #[must_use]
    pub fn bounds(&self) -> [f64; 4] {
        self.rings.iter().flatten().fold([180.0, 90.0, -180.0, -90.0], |[w, s, e, n], &[x, y]| {
            [f64::min(w, x), f64::min(s, y), f64::max(e, x), f64::max(n, y)]
        })
    }
}

fn band(lat: f64) -> usize {
    (((lat + 90.0) / BAND).max(0.0) as usize).min(BANDS - 1)
}

/// Rings of one polygon, the outer one first.
type Rings = Vec<Vec<[f64; 2]>>;

fn collect(value: &GeometryValue, polygons: &mut Vec<Rings>) {
    let ring = |ring: &Vec<geojson::Position>| {
        unwrapped(ring.iter().filter(|at| at.len() >= 2).map(|at| [at[0], at[1]]).collect::<Vec<_>>())
    };
    match value {
        GeometryValue::Polygon { coordinates } => polygons.push(coordinates.iter().map(ring).collect()),
        GeometryValue::MultiPolygon { coordinates } => {
            polygons.extend(coordinates.iter().map(|polygon| polygon.iter().map(ring).collect::<Rings>()));
        }
        GeometryValue::GeometryCollection { geometries } => {
            geometries.iter().for_each(|geometry| collect(&geometry.value, polygons));
        }
        _ => {}
    }
}

/// A ring whose edges take the short way: one from 177 to −178 crosses the date line (RFC 7946, section 3.1.9), and goes on to
/// 182. Edges round the whole globe stay.
fn unwrapped(mut ring: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    let mut turn = 0.0;
    for at in 1..ring.len() {
        let step = ring[at][0] + turn - ring[at - 1][0];
        if step.abs() > 180.0 && step.abs() < 360.0 {
            turn -= 360.0 * step.signum();
        }
        ring[at][0] += turn;
    }
    // A ring that comes back a whole turn further lies round a pole: that one which it is nearer to.
    if let (Some(&[first, south]), Some(&[last, north])) = (ring.first(), ring.last())
        && (last - first).abs() == 360.0
        && south == north
    {
        let mean = ring.iter().map(|[_, lat]| lat).sum::<f64>() / ring.len() as f64;
        let pole = 90.0_f64.copysign(mean);
        ring.extend([[last, pole], [first, pole]]);
    }
    ring
}

/// The text of a deflated file that the crate carries; empty if it were damaged, which a test rules out.
pub(crate) fn inflate(bytes: &[u8]) -> String {
    let mut text = String::new();
    match flate2::read::ZlibDecoder::new(bytes).read_to_string(&mut text) {
        Ok(_) => text,
        Err(_) => String::new(),
    }
}

fn parse_land(text: &str) -> Vec<Vec<[f64; 2]>> {
    let ring = |line: &str| {
        let numbers: Vec<i64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
        let (mut x, mut y) = (0, 0);
        let mut points = Vec::with_capacity(numbers.len() / 2);
        for step in numbers.chunks_exact(2) {
            (x, y) = (x + step[0], y + step[1]);
            points.push([x as f64 / 1e3, y as f64 / 1e3]);
        }
        points
    };
    text.lines().map(ring).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn known_points_are_on_land_or_at_sea() {
        let on_land = [
            (16.4, 48.2),
            (-60.0, -15.0),
            (134.0, -25.0),
            (0.0, -85.0),
            (27.0, 65.0),
            (-150.0, 65.0),
            (179.0, 68.0),
            (-175.0, 66.6),
        ];
        let at_sea = [
            (-30.0, 40.0),
            (170.0, -10.0),
            (18.0, 40.0),
            (5.0, 57.0),
            (-75.0, 35.0),
            (80.0, -40.0),
            (-179.0, 60.0),
            (179.0, 60.0),
        ];
        for (lon, lat) in on_land {
            assert!(Outline::land().contains(LonLat { lon, lat }), "{lon} {lat}");
        }
        for (lon, lat) in at_sea {
            assert!(!Outline::land().contains(LonLat { lon, lat }), "{lon} {lat}");
        }
    }

    /// The share of a uniform grid over the sphere; textbooks say 29.2 %.
    #[test]
    fn land_covers_its_share_of_the_globe() {
        let (mut land, mut all) = (0.0, 0.0);
        for row in 0..360 {
            let lat = -89.75 + 0.5 * f64::from(row);
            for column in 0..720 {
                let weight = lat.to_radians().cos();
                all += weight;
                if Outline::land().contains(LonLat { lon: -179.75 + 0.5 * f64::from(column), lat }) {
                    land += weight;
                }
            }
        }
        assert!((land / all - 0.292_f64).abs() < 0.005, "{}", land / all);
    }

    #[test]
    fn a_region_may_have_a_hole() {
        let text = r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":
            {"type":"Polygon","coordinates":[[[0,0],[10,0],[10,10],[0,10],[0,0]],[[4,4],[6,4],[6,6],[4,6],[4,4]]]}}]}"#;
        let [region] = &Outline::from_geojson(text).unwrap()[..] else { panic!("one polygon") };
        assert!(region.contains(LonLat { lon: 2.0, lat: 5.0 }));
        assert!(!region.contains(LonLat { lon: 5.0, lat: 5.0 }));
        assert!(!region.contains(LonLat { lon: 11.0, lat: 5.0 }));
        assert_eq!(region.bounds(), [0.0, 0.0, 10.0, 10.0]);
        assert!(Outline::from_geojson(r#"{"type":"Point","coordinates":[1,2]}"#).is_err());
    }

    #[test]
    fn a_region_may_lie_over_the_date_line_in_either_spelling() {
        for east in [182.0, -178.0] {
            let text = format!(
                r#"{{"type":"Polygon","coordinates":[[[177,-19],[{east},-19],[{east},-16],[177,-16],[177,-19]]]}}"#
            );
            let [region] = &Outline::from_geojson(&text).unwrap()[..] else { panic!("one polygon") };
            assert_eq!(region.bounds(), [177.0, -19.0, 182.0, -16.0]);
            for (lon, is_inside) in [(179.0, true), (-179.0, true), (-177.0, false), (0.0, false), (176.0, false)] {
                assert_eq!(region.contains(LonLat { lon, lat: -17.0 }), is_inside, "{east} {lon}");
            }
        }
        let world = r#"{"type":"Polygon","coordinates":[[[-180,-90],[180,-90],[180,90],[-180,90],[-180,-90]]]}"#;
        assert_eq!(Outline::from_geojson(world).unwrap()[0].bounds(), [-180.0, -90.0, 180.0, 90.0]);
    }

    #[test]
    fn a_ring_round_a_pole_holds_the_pole() {
        for (lat, inside, outside) in [(75.0, 80.0, 70.0), (-60.0, -75.0, -50.0)] {
            for order in [&[0, 90, 180, -90][..], &[0, -90, 180, 90], &[-180, -60, 60]] {
                let points: Vec<String> = order.iter().chain(&order[..1]).map(|lon| format!("[{lon},{lat}]")).collect();
                let text = format!(r#"{{"type":"Polygon","coordinates":[[{}]]}}"#, points.join(","));
                let [region] = &Outline::from_geojson(&text).unwrap()[..] else { panic!("one polygon") };
                for lon in [-170.0, -60.0, 10.0, 60.0, 170.0] {
                    assert!(region.contains(LonLat { lon, lat: inside }), "{text} {lon}");
                    assert!(!region.contains(LonLat { lon, lat: outside }), "{text} {lon}");
                }
            }
        }
    }

    #[test]
    fn metres_are_no_degrees() {
        let text = r#"{"type":"Polygon","coordinates":[[[600000,5340000],[601000,5340000],[601000,5341000],[600000,5340000]]]}"#;
        let error = Outline::from_geojson(text).err().unwrap().to_string();
        assert!(error.contains("are no degrees") && error.contains("EPSG:4326"), "{error}");
    }
}
