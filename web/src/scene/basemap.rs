//! Land and borders for a small map that says where a picture lies: Natural Earth, 1:110 million (`public/basemap/world.bin`, written by
//! `tests/reference/basemap.py`).

/// A line, longitude and latitude in degrees.
pub type Line = Vec<[f64; 2]>;

/// The whole world.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Basemap {
    /// Closed outlines.
    pub land: Vec<Line>,
    /// Lines between countries.
    pub borders: Vec<Line>,
}

impl Basemap {
    /// Reads the file; `None` when it is none.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut at = 0;
        let mut pair = || {
            let found = bytes.get(at..at + 2)?;
            at += 2;
            Some([found[0], found[1]])
        };
        let (rings, lines) = (u16::from_le_bytes(pair()?), u16::from_le_bytes(pair()?));
        let mut line = || {
            let count = u16::from_le_bytes(pair()?);
            let mut degrees = || Some(f64::from(i16::from_le_bytes(pair()?)) / 100.0);
            (0..count).map(|_| Some([degrees()?, degrees()?])).collect::<Option<Line>>()
        };
        let land = (0..rings).map(|_| line()).collect::<Option<_>>()?;
        let borders = (0..lines).map(|_| line()).collect::<Option<_>>()?;
        Some(Self { land, borders })
    }
}

/// A part of the world on a small canvas: parallels and meridians are straight, and true to scale in the middle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    middle: [f64; 2],
    size: [f64; 2],
    /// Pixels for a degree of latitude.
    scale: f64,
}

/// Degrees of latitude that a window shows.
const SHOWN_DEGREES: f64 = 24.0;

impl Window {
    /// Around a place, `size` pixels large.
    #[must_use]
    pub fn around([longitude, latitude]: [f64; 2], size: [f64; 2]) -> Self {
        let scale = size[1] / SHOWN_DEGREES;
        let reach = SHOWN_DEGREES / 2.0;
        // Beyond the poles there is nothing to be shown.
        Self { middle: [longitude, latitude.clamp(reach - 90.0, 90.0 - reach)], size, scale }
    }

    /// Where a place is; those on the other side of the date line lie beside those on this one.
    #[must_use]
    pub fn pixel(&self, [longitude, latitude]: [f64; 2]) -> [f64; 2] {
        let narrow = self.middle[1].to_radians().cos().max(0.1);
        let east = longitude - self.middle[0];
        [self.size[0] / 2.0 + east * self.scale * narrow, self.size[1] / 2.0 - (latitude - self.middle[1]) * self.scale]
    }

    /// Turns of the world, in degrees, under which lines may come into view.
    pub const TURNS: [f64; 3] = [-360.0, 0.0, 360.0];
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    /// Whether a place is on land, by the even-odd rule.
    fn is_land(map: &Basemap, [x, y]: [f64; 2]) -> bool {
        let crossings = |ring: &Line| {
            let edges = ring.iter().zip(ring.iter().cycle().skip(1));
            edges
                .filter(|(a, b)| (a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0])
                .count()
        };
        map.land.iter().map(crossings).sum::<usize>() % 2 == 1
    }

    #[test]
    fn the_worlds_land_is_where_it_is() {
        let bytes = include_bytes!("../../../public/basemap/world.bin");
        let map = Basemap::read(bytes).unwrap();
        for place in [[13.09, 42.79], [2.35, 48.85], [-47.9, -15.8], [114.2, 30.5], [145.0, -25.0], [-100.0, 45.0]] {
            assert!(is_land(&map, place), "{place:?}");
        }
        for place in [[-30.0, 40.0], [0.0, 0.0], [70.0, -40.0], [-150.0, 10.0], [18.0, 39.0]] {
            assert!(!is_land(&map, place), "{place:?}");
        }
        assert!(map.borders.len() > 200 && bytes.len() < 100_000);
        assert_eq!(Basemap::read(&bytes[..bytes.len() / 2]), None);
        assert_eq!(Basemap::read(b"x"), None);
    }

    #[test]
    fn a_window_has_its_place_in_the_middle() {
        let window = Window::around([13.0, 60.0], [160.0, 120.0]);
        assert_eq!(window.pixel([13.0, 60.0]), [80.0, 60.0]);
        let east = window.pixel([14.0, 60.0])[0] - 80.0;
        let north = 60.0 - window.pixel([13.0, 61.0])[1];
        assert!((east / north - 0.5).abs() < 1e-9, "a degree of longitude is half as long at 60 degrees");
        assert_eq!(Window::around([0.0, 89.0], [160.0, 120.0]).pixel([0.0, 90.0])[1], 0.0);
    }
}
