//! How near the places of two sets come to each other: places that share ground must not be in two splits.

use rstar::RTree;
use rstar::primitives::GeomWithData;

use crate::geo::LonLat;

/// Places of `ours` with a place of `theirs` nearer than `limit_m` metres: position in each, and the distance in metres;
/// nearest first.
#[must_use]
pub fn near(ours: &[LonLat], theirs: &[LonLat], limit_m: f64) -> Vec<(usize, usize, f64)> {
    let nodes = theirs.iter().enumerate().map(|(at, place)| GeomWithData::new(place.unit(), at)).collect();
    let tree = RTree::bulk_load(nodes);
    let nearest = |(at, place): (usize, &LonLat)| {
        let other = tree.nearest_neighbor(place.unit())?.data;
        let distance = place.distance_m(theirs[other]);
        (distance < limit_m).then_some((at, other, distance))
    };
    let mut pairs: Vec<_> = ours.iter().enumerate().filter_map(nearest).collect();
    pairs.sort_by(|a, b| a.2.total_cmp(&b.2));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_places_are_those_of_the_slow_way() {
        let scattered = |seed: u32, count: u32| -> Vec<LonLat> {
            let degrees = |at: u32| f64::from(at.wrapping_mul(2_654_435_761) % 10_000) / 10_000.0;
            (0..count)
                .map(|at| LonLat { lon: 179.0 + 2.0 * degrees(seed + 2 * at), lat: 60.0 + degrees(seed + 2 * at + 1) })
                .map(|place| LonLat { lon: crate::geo::wrapped(place.lon), ..place })
                .collect()
        };
        let (ours, theirs) = (scattered(3, 200), scattered(1_001, 150));
        let found = near(&ours, &theirs, 4_000.0);
        let slow = ours.iter().filter(|place| theirs.iter().any(|other| place.distance_m(*other) < 4_000.0)).count();
        assert!(slow > 5 && found.len() == slow, "{slow} {}", found.len());
        assert!(found.is_sorted_by(|a, b| a.2 <= b.2));
    }
}
