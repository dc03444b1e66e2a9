//! Where on the ground a picture lies, out of a GeoTIFF's tags.

use serde::{Deserialize, Serialize};

/// Radius of the sphere that has the Earth's surface, in metres.
const AUTHALIC_RADIUS_M: f64 = 6_371_007.2;
/// Radius of Web Mercator's sphere, in metres.
const MERCATOR_RADIUS_M: f64 = 6_378_137.0;
const WEB_MERCATOR: u32 = 3857;
/// Stands for "not in the register".
const USER_DEFINED: u16 = 32_767;

/// A picture's place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Georeference {
    /// `x = a + b · column + c · row`, `y = d + e · column + f · row`, of the corner of a pixel.
    pub affine: [f64; 6],
    /// The coordinate system's number in the EPSG register.
    pub epsg: Option<u32>,
    /// True for degrees of longitude and latitude.
    pub is_geographic: bool,
    /// Metres in one unit of a projected system.
    pub metres_per_unit: f64,
}

/// The tags as they stand in the file; empty where there are none.
#[derive(Clone, Debug, Default)]
pub struct GeoTags {
    /// 33550: size of a pixel.
    pub pixel_scale: Vec<f64>,
    /// 33922: a pixel and its place.
    pub tie_point: Vec<f64>,
    /// 34264: a whole matrix, in place of both.
    pub matrix: Vec<f64>,
    /// 34735: what the numbers mean.
    pub keys: Vec<u16>,
}

impl Georeference {
    /// `None` when the tags do not place the picture.
    #[must_use]
    pub fn from_tags(tags: &GeoTags) -> Option<Self> {
        let mut affine = match (&tags.pixel_scale[..], &tags.tie_point[..], &tags.matrix[..]) {
            ([across, down, ..], [column, row, _, x, y, ..], _) => {
                [x - across * column, *across, 0.0, y + down * row, 0.0, -down]
            }
            (_, _, [b, c, _, a, e, f, _, d, ..]) => [*a, *b, *c, *d, *e, *f],
            _ => return None,
        };
        if !affine.iter().all(|value| value.is_finite()) || affine[1] * affine[5] - affine[2] * affine[4] == 0.0 {
            return None;
        }
        // A header of four numbers, then four for each key: its number, where its value is (0: here), how many, the value.
        let (keys, _) = tags.keys.get(4..).unwrap_or(&[]).as_chunks::<4>();
        let key = |wanted: u16| {
            let found = keys.iter().find(|[id, place, ..]| *id == wanted && *place == 0);
            found.map(|[.., value]| *value).filter(|value| *value != USER_DEFINED)
        };
        let is_point = key(1025) == Some(2);
        if is_point {
            // Coordinates name the middle of a pixel; ours, its corner.
            affine[0] -= (affine[1] + affine[2]) / 2.0;
            affine[3] -= (affine[4] + affine[5]) / 2.0;
        }
        let is_geographic = key(1024) == Some(2);
        let metres_per_unit = match key(3076) {
            Some(9002) => 0.3048,
            Some(9003) => 1200.0 / 3937.0,
            _ => 1.0,
        };
        let epsg = key(if is_geographic { 2048 } else { 3072 }).map(u32::from);
        Some(Self { affine, epsg, is_geographic, metres_per_unit })
    }

    /// Whether two pictures of one size show the same ground: no corner is more than half a pixel from its counterpart.
    #[must_use]
    pub fn is_same_ground(&self, other: &Self, width: usize, height: usize) -> bool {
        let [_, b, c, _, e, f] = self.affine;
        let half_pixel = (b * f - c * e).abs().sqrt() / 2.0;
        let is_near = |(column, row): (usize, usize)| {
            let [here, there] = [self, other].map(|place| place.place(column as f64, row as f64));
            (here[0] - there[0]).abs().max((here[1] - there[1]).abs()) <= half_pixel
        };
        self.epsg == other.epsg
            && self.is_geographic == other.is_geographic
            && [(0, 0), (width, 0), (0, height), (width, height)].into_iter().all(is_near)
    }

    /// Its first corner, in words: `600000, 5300000 (EPSG:32632)`.
    #[must_use]
    pub fn corner(&self) -> String {
        let [x, y] = self.place(0.0, 0.0);
        let decimals = if self.is_geographic { 5 } else { 0 };
        format!("{x:.decimals$}, {y:.decimals$} ({})", self.system())
    }

    /// The place of a pixel's corner.
    #[must_use]
    pub fn place(&self, column: f64, row: f64) -> [f64; 2] {
        let [a, b, c, d, e, f] = self.affine;
        [a + b * column + c * row, d + e * column + f * row]
    }

    /// Square metres of a rectangle of pixels. Degrees are taken on the sphere of the Earth's surface, good to half a percent.
    #[must_use]
    pub fn area_m2(&self, [left, top, right, bottom]: [f64; 4]) -> f64 {
        let [_, b, c, _, e, f] = self.affine;
        let pixels = (right - left) * (bottom - top);
        let in_units = (b * f - c * e).abs() * pixels;
        if self.is_geographic {
            // A band between two parallels, for pictures whose rows are parallels; the determinant takes care of the rest.
            let [_, north] = self.place(left, top);
            let [_, south] = self.place(left, bottom);
            let cosine = match (north - south).abs().to_radians() {
                0.0 => north.to_radians().cos(),
                height => (north.to_radians().sin() - south.to_radians().sin()).abs() / height,
            };
            return in_units.to_radians().to_radians() * AUTHALIC_RADIUS_M.powi(2) * cosine;
        }
        if self.epsg == Some(WEB_MERCATOR) {
            let [_, y] = self.place((left + right) / 2.0, (top + bottom) / 2.0);
            return in_units / (y / MERCATOR_RADIUS_M).cosh().powi(2);
        }
        in_units * self.metres_per_unit.powi(2)
    }

    /// Metres along the side of a pixel in the middle of a picture.
    #[must_use]
    pub fn pixel_m(&self, width: usize, height: usize) -> f64 {
        let (column, row) = (width as f64 / 2.0, height as f64 / 2.0);
        self.area_m2([column, row, column + 1.0, row + 1.0]).sqrt()
    }

    /// Longitude and latitude of a place, WGS 84, in degrees; `None` in systems other than these: degrees of WGS 84 or
    /// ETRS 89, their UTM zones, and Web Mercator.
    #[must_use]
    pub fn degrees(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        match self.epsg? {
            4326 | 4258 if self.is_geographic => Some([x, y]),
            WEB_MERCATOR => {
                Some([(x / MERCATOR_RADIUS_M).to_degrees(), (y / MERCATOR_RADIUS_M).sinh().atan().to_degrees()])
            }
            number @ (32_601..=32_660 | 32_701..=32_760 | 25_828..=25_838) => {
                let false_northing = if (32_701..=32_760).contains(&number) { 10_000_000.0 } else { 0.0 };
                let [east, latitude] = utm_degrees([x, y - false_northing]);
                Some([f64::from(number % 100) * 6.0 - 183.0 + east, latitude])
            }
            _ => None,
        }
    }

    /// Whether [`Self::degrees`] knows the system.
    #[must_use]
    pub fn has_degrees(&self) -> bool {
        self.degrees(self.place(0.0, 0.0)).is_some()
    }

    /// `EPSG:32632`.
    #[must_use]
    pub fn system(&self) -> String {
        match self.epsg {
            Some(number) => format!("EPSG:{number}"),
            None => "a coordinate system that the file does not number".to_owned(),
        }
    }
}

/// Degrees east of a UTM zone's meridian, and of latitude: Krüger's series (1912) to the fourth order of the third
/// flattening, good to less than a millimetre inside the zone.
fn utm_degrees([easting, northing]: [f64; 2]) -> [f64; 2] {
    const SEMI_MAJOR_M: f64 = 6_378_137.0;
    const FLATTENING: f64 = 1.0 / 298.257_223_563;
    const SCALE: f64 = 0.9996;
    let n = FLATTENING / (2.0 - FLATTENING);
    let [n2, n3, n4] = [2, 3, 4].map(|power| n.powi(power));
    let rectifying_radius = SEMI_MAJOR_M / (1.0 + n) * (1.0 + n2 / 4.0 + n4 / 64.0);
    let betas = [
        n / 2.0 - n2 * 2.0 / 3.0 + n3 * 37.0 / 96.0 - n4 / 360.0,
        n2 / 48.0 + n3 / 15.0 - n4 * 437.0 / 1440.0,
        n3 * 17.0 / 480.0 - n4 * 37.0 / 840.0,
        n4 * 4397.0 / 161_280.0,
    ];
    let deltas = [
        n * 2.0 - n2 * 2.0 / 3.0 - n3 * 2.0 + n4 * 116.0 / 45.0,
        n2 * 7.0 / 3.0 - n3 * 8.0 / 5.0 - n4 * 227.0 / 45.0,
        n3 * 56.0 / 15.0 - n4 * 136.0 / 35.0,
        n4 * 4279.0 / 630.0,
    ];
    let [xi, eta] = [northing, easting - 500_000.0].map(|metres| metres / (SCALE * rectifying_radius));
    let (mut north, mut east) = (xi, eta);
    for (beta, twice) in betas.into_iter().zip([2.0, 4.0, 6.0, 8.0]) {
        north -= beta * (twice * xi).sin() * (twice * eta).cosh();
        east -= beta * (twice * xi).cos() * (twice * eta).sinh();
    }
    let conformal = (north.sin() / east.cosh()).asin();
    let terms = deltas.into_iter().zip([2.0, 4.0, 6.0, 8.0]);
    let latitude = conformal + terms.map(|(delta, twice)| delta * (twice * conformal).sin()).sum::<f64>();
    [east.sinh().atan2(north.cos()).to_degrees(), latitude.to_degrees()]
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    fn utm() -> GeoTags {
        GeoTags {
            pixel_scale: vec![10.0, 10.0, 0.0],
            tie_point: vec![0.0, 0.0, 0.0, 600_000.0, 5_300_000.0, 0.0],
            keys: vec![1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32632],
            ..GeoTags::default()
        }
    }

    fn degrees(scale: f64, latitude: f64) -> Georeference {
        let tags = GeoTags {
            pixel_scale: vec![scale, scale, 0.0],
            tie_point: vec![0.0, 0.0, 0.0, 13.0, latitude, 0.0],
            keys: vec![1, 1, 0, 2, 1024, 0, 1, 2, 2048, 0, 1, 4326],
            ..GeoTags::default()
        };
        Georeference::from_tags(&tags).unwrap()
    }

    #[test]
    fn two_pictures_lie_over_each_other_up_to_half_a_pixel() {
        let place = |x: f64, epsg: u32| Georeference {
            affine: [x, 10.0, 0.0, 5_300_000.0, 0.0, -10.0],
            epsg: Some(epsg),
            is_geographic: false,
            metres_per_unit: 1.0,
        };
        let here = place(600_000.0, 32632);
        assert!(here.is_same_ground(&place(600_004.0, 32632), 100, 100));
        assert!(!here.is_same_ground(&place(600_006.0, 32632), 100, 100));
        assert!(!here.is_same_ground(&place(600_000.0, 32633), 100, 100), "the same numbers in another system");
        let coarser = Georeference { affine: [600_000.0, 20.0, 0.0, 5_300_000.0, 0.0, -20.0], ..here.clone() };
        assert!(!here.is_same_ground(&coarser, 100, 100));
        assert_eq!(here.corner(), "600000, 5300000 (EPSG:32632)");
    }

    #[test]
    fn a_utm_tile_lies_where_its_tie_point_says() {
        let found = Georeference::from_tags(&utm()).unwrap();
        assert_eq!(found.system(), "EPSG:32632");
        assert_eq!(found.place(0.0, 0.0), [600_000.0, 5_300_000.0]);
        assert_eq!(found.place(64.0, 128.0), [600_640.0, 5_298_720.0]);
        assert!((found.area_m2([0.0, 0.0, 64.0, 64.0]) - 409_600.0).abs() < 1e-6);
        assert!((found.pixel_m(640, 640) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_tie_point_may_be_any_pixel_and_may_mean_its_middle() {
        let shifted = GeoTags { tie_point: vec![10.0, 20.0, 0.0, 600_100.0, 5_299_800.0, 0.0], ..utm() };
        assert_eq!(Georeference::from_tags(&shifted).unwrap().place(0.0, 0.0), [600_000.0, 5_300_000.0]);
        let keys = vec![1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 2, 3072, 0, 1, 32632];
        let point = Georeference::from_tags(&GeoTags { keys, ..utm() }).unwrap();
        assert_eq!(point.place(0.0, 0.0), [599_995.0, 5_300_005.0]);
    }

    #[test]
    fn a_matrix_does_as_well() {
        let matrix = vec![10.0, 0.0, 0.0, 6e5, 0.0, -10.0, 0.0, 5.3e6, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let tags = GeoTags { matrix, keys: utm().keys, ..GeoTags::default() };
        assert_eq!(Georeference::from_tags(&tags), Georeference::from_tags(&utm()));
    }

    #[test]
    fn degrees_shrink_towards_the_pole() {
        // The whole sphere, in one pixel of 180° × 180° twice: 4 π R².
        let half = degrees(180.0, 90.0).area_m2([0.0, 0.0, 1.0, 1.0]);
        let whole = 4.0 * std::f64::consts::PI * AUTHALIC_RADIUS_M.powi(2);
        assert!((half * 2.0 / whole - 1.0).abs() < 1e-9);
        let (equator, sixty) = (degrees(1e-4, 0.0), degrees(1e-4, 60.0));
        let ratio = sixty.area_m2([0.0, 0.0, 1.0, 1.0]) / equator.area_m2([0.0, 0.0, 1.0, 1.0]);
        assert!((ratio - 0.5).abs() < 1e-4, "cos 60° = 0.5, not {ratio}");
        assert!((equator.pixel_m(10, 10) - 11.12).abs() < 0.01, "{}", equator.pixel_m(10, 10));
    }

    #[test]
    fn without_a_place_there_is_no_georeference() {
        assert_eq!(Georeference::from_tags(&GeoTags::default()), None);
        assert_eq!(Georeference::from_tags(&GeoTags { pixel_scale: vec![0.0, 0.0, 0.0], ..utm() }), None);
        assert_eq!(Georeference::from_tags(&GeoTags { pixel_scale: vec![f64::NAN, 1.0, 0.0], ..utm() }), None);
        let unnumbered = GeoTags { keys: vec![1, 1, 0, 1, 3072, 0, 1, 32767], ..utm() };
        assert_eq!(Georeference::from_tags(&unnumbered).unwrap().epsg, None);
    }

    #[test]
    fn places_become_the_degrees_that_proj_gives() {
        for (epsg, place, expected) in [
            (32632, [600000.0000, 5300000.0000], [10.3365909749, 47.8455612525]),
            (32632, [166021.4400, 10.0000], [5.9999999724, 0.0000903483]),
            (32733, [833978.5000, 6100000.2500], [18.6675112728, -35.1874890296]),
            (32760, [500000.0000, 1200000.0000], [177.0000000000, -79.2690278644]),
            (25832, [399960.0000, 5700000.0000], [7.5605478501, 51.4423452536]),
            (3857, [1113194.9079, 6800125.4544], [9.9999999997, 52.0000000000]),
            (32601, [700000.0000, 9200000.0000], [-162.8920728546, 82.6326587311]),
        ] {
            let georeference = Georeference { epsg: Some(epsg), ..Georeference::from_tags(&utm()).unwrap() };
            let found = georeference.degrees(place).unwrap();
            for axis in 0..2 {
                assert!((found[axis] - expected[axis]).abs() < 2e-9, "EPSG:{epsg}: {found:?} instead of {expected:?}");
            }
        }
        assert_eq!(degrees(0.1, 50.0).degrees([13.5, 50.25]), Some([13.5, 50.25]));
        let swiss = Georeference { epsg: Some(2056), ..Georeference::from_tags(&utm()).unwrap() };
        assert_eq!(swiss.degrees([2_600_000.0, 1_200_000.0]), None);
    }
}
