//! The 10 000 most populous cities of the world, from GeoNames.

use std::sync::OnceLock;

use crate::geo::LonLat;
use crate::outline::inflate;

/// GeoNames' cities above 15 000 inhabitants, the first 10 000 by population; latitude and longitude in 1e-4 degrees,
/// population, country, name; deflated. GeoNames, CC BY 4.0.
const CITIES: &[u8] = include_bytes!("../data/cities.tsv.z");

/// A city.
#[derive(Clone, Debug, PartialEq)]
pub struct City {
    /// Its name in the local spelling.
    pub name: String,
    /// ISO 3166-1 alpha-2 code of its country.
    pub country: String,
    /// Inhabitants.
    pub population: u64,
    /// Its centre.
    pub position: LonLat,
}

/// All cities, most populous first.
#[must_use]
pub fn cities() -> &'static [City] {
    static CITY_LIST: OnceLock<Vec<City>> = OnceLock::new();
    CITY_LIST.get_or_init(|| inflate(CITIES).lines().filter_map(parse).collect())
}

fn parse(line: &str) -> Option<City> {
    let mut fields = line.split('\t');
    let mut degrees = || Some(fields.next()?.parse::<f64>().ok()? / 1e4);
    let (lat, lon) = (degrees()?, degrees()?);
    let population = fields.next()?.parse().ok()?;
    let country = fields.next()?.to_owned();
    Some(City { name: fields.next()?.to_owned(), country, population, position: LonLat { lon, lat } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_cities_by_population() {
        assert_eq!(cities().len(), 10_000);
        assert!(cities().is_sorted_by(|a, b| a.population >= b.population));
        let vienna = cities().iter().find(|city| city.name == "Vienna").expect("Vienna is a large city");
        assert_eq!(vienna.country, "AT");
        assert!(vienna.position.distance_m(LonLat { lon: 16.372, lat: 48.208 }) < 2_000.0);
    }
}
