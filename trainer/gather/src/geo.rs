//! Points on the globe: distances in metres, steps along it, and UTM coordinates.

use anyhow::{Context, Result, anyhow};
use proj4rs::Proj;
use proj4rs::transform::transform;

/// Metres that all of Sentinel-2's grids (10, 20 and 60 m) have in common.
pub const GRID_M: f64 = 60.0;
/// Mean radius of the Earth, in metres.
pub const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// Longitude and latitude on WGS 84, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LonLat {
    /// East of Greenwich, −180 to 180.
    pub lon: f64,
    /// North of the equator, −90 to 90.
    pub lat: f64,
}

impl LonLat {
    /// The point as a vector of length 1.
    #[must_use]
    pub fn unit(self) -> [f64; 3] {
        let (lon, lat) = (self.lon.to_radians(), self.lat.to_radians());
        [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
    }

    /// Where one arrives after `east_m` and `north_m` metres, measured along the great circle that starts in that
    /// direction.
    #[must_use]
    pub fn offset(self, east_m: f64, north_m: f64) -> Self {
        let angle = east_m.hypot(north_m) / EARTH_RADIUS_M;
        let bearing = east_m.atan2(north_m);
        let lat0 = self.lat.to_radians();
        let sin_lat = (lat0.sin() * angle.cos() + lat0.cos() * angle.sin() * bearing.cos()).clamp(-1.0, 1.0);
        let turn = (bearing.sin() * angle.sin() * lat0.cos()).atan2(angle.cos() - lat0.sin() * sin_lat);
        Self { lon: wrapped(self.lon + turn.to_degrees()), lat: sin_lat.asin().to_degrees() }
    }

    /// Distance along the great circle, in metres.
    #[must_use]
    pub fn distance_m(self, other: Self) -> f64 {
        let (a, b) = (self.unit(), other.unit());
        let chord = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        2.0 * EARTH_RADIUS_M * (chord / 2.0).clamp(-1.0, 1.0).asin()
    }

    /// The EPSG code of the UTM zone that the point lies in, with the exceptions of Norway and Svalbard.
    #[must_use]
    pub fn utm_epsg(self) -> u32 {
        let mut zone = ((self.lon + 180.0) / 6.0).floor().clamp(0.0, 59.0) as u32 + 1;
        if (56.0..64.0).contains(&self.lat) && (3.0..12.0).contains(&self.lon) {
            zone = 32;
        }
        if self.lat >= 72.0 && (0.0..42.0).contains(&self.lon) {
            zone = match self.lon {
                lon if lon < 9.0 => 31,
                lon if lon < 21.0 => 33,
                lon if lon < 33.0 => 35,
                _ => 37,
            };
        }
        if self.lat < 0.0 { 32_700 + zone } else { 32_600 + zone }
    }
}

/// A longitude brought into −180 to 180.
#[must_use]
pub fn wrapped(lon: f64) -> f64 {
    (lon + 180.0).rem_euclid(360.0) - 180.0
}

/// Whether `epsg` is a UTM zone on WGS 84.
#[must_use]
pub fn is_utm(epsg: u32) -> bool {
    (32_601..=32_660).contains(&epsg) || (32_701..=32_760).contains(&epsg)
}

/// Transforms between WGS 84 and one UTM zone.
pub struct Utm {
    zone: Proj,
    globe: Proj,
}

impl Utm {
    /// The zone with this EPSG code.
    ///
    /// # Errors
    /// When the code is not that of a UTM zone on WGS 84.
    pub fn new(epsg: u32) -> Result<Self> {
        if !is_utm(epsg) {
            return Err(anyhow!("EPSG:{epsg} is not a UTM zone\nhint: scenes must be in UTM on WGS 84"));
        }
        let south = if epsg > 32_700 { " +south" } else { "" };
        let text = format!("+proj=utm +zone={}{south} +datum=WGS84 +units=m +no_defs", epsg % 100);
        let broken = || format!("cannot set up the projection EPSG:{epsg}");
        let zone = Proj::from_proj_string(&text).with_context(broken)?;
        let globe = Proj::from_proj_string("+proj=longlat +datum=WGS84 +no_defs").with_context(broken)?;
        Ok(Self { zone, globe })
    }

    /// Easting and northing in metres.
    ///
    /// # Errors
    /// When the point is too far from the zone to be projected.
    pub fn project(&self, point: LonLat) -> Result<[f64; 2]> {
        let mut position = (point.lon.to_radians(), point.lat.to_radians(), 0.0);
        transform(&self.globe, &self.zone, &mut position)
            .with_context(|| format!("cannot project {:.4}, {:.4}", point.lon, point.lat))?;
        Ok([position.0, position.1])
    }

    /// Longitude and latitude of an easting and a northing in metres.
    ///
    /// # Errors
    /// When the point is too far from the zone.
    pub fn unproject(&self, x: f64, y: f64) -> Result<LonLat> {
        let mut position = (x, y, 0.0);
        transform(&self.zone, &self.globe, &mut position)
            .with_context(|| format!("cannot unproject {x:.0}, {y:.0}"))?;
        Ok(LonLat { lon: position.0.to_degrees(), lat: position.1.to_degrees() })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn steps_have_their_length_and_come_back() {
        for (lon, lat) in [(0.0, 0.0), (179.9, 10.0), (25.0, 70.0), (-60.0, -50.0)] {
            let start = LonLat { lon, lat };
            let end = start.offset(30_000.0, -40_000.0);
            assert!((start.distance_m(end) - 50_000.0).abs() < 1e-3, "{start:?}");
            assert!(end.lat < start.lat);
        }
    }

    /// Computed with pyproj 3.7.2 (`Transformer.from_crs(4326, epsg, always_xy=True)`).
    #[test]
    fn utm_coordinates_are_those_of_proj() {
        let cases = [
            (16.37, 48.21, 32_633, 601_779.33_f64, 5_340_548.62_f64),
            (-58.38, -34.6, 32_721, 373_458.61, 6_170_448.51),
            (5.3, 60.4, 32_632, 296_191.55, 6_701_684.48),
            (15.6, 78.2, 32_633, 513_696.95, 8_680_760.05),
            (179.95, -16.5, 32_760, 814_945.78, 8_173_451.90),
            (-0.1, 51.5, 32_630, 701_277.67, 5_709_417.12),
            (2.9, 0.01, 32_631, 488_872.50, 1_105.30),
        ];
        for (lon, lat, epsg, x, y) in cases {
            let point = LonLat { lon, lat };
            assert_eq!(point.utm_epsg(), epsg);
            let utm = Utm::new(epsg).unwrap();
            let [easting, northing] = utm.project(point).unwrap();
            assert!((easting - x).abs() < 0.1 && (northing - y).abs() < 0.1, "{easting} {northing}");
            let back = utm.unproject(easting, northing).unwrap();
            assert!(back.distance_m(point) < 0.01);
        }
    }
}
