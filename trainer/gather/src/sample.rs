//! Where to look: candidates for places, the same for every number of machines and in whatever order they are tried.
//!
//! A set of N places has N *slots*. Candidates come in rounds of one a slot: slot i first tries its candidate of round 0;
//! when the archive lacks a date there, that of round 1, and so on (the original's rule: a new location is drawn). Every
//! candidate keeps its distance from all candidates of other slots before it, used or not. So candidates depend on the
//! settings and the seed alone, never on what the archive answered or which machine asked.

use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::Result;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rstar::RTree;
use rstar::primitives::GeomWithData;
use serde::{Deserialize, Serialize};

use crate::cities::cities;
use crate::geo::{EARTH_RADIUS_M, LonLat, wrapped};
use crate::outline::Outline;

/// Draws for one candidate before its slot counts as full.
const MAX_DRAWS: usize = 5_000;
/// Days by which a place's comb of dates is shifted back: 0 to this.
const MAX_SHIFT_DAYS: u16 = 364;

/// How candidates are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Sampler {
    /// Round cities: one of the 10 000 largest, uniformly, then a 2-D Gaussian round its centre.
    Cities {
        /// Standard deviation east and north, in metres.
        sigma_m: f64,
    },
    /// As the original's code does it: the Gaussian in degrees (the same for longitude and latitude, so that it shrinks
    /// east–west with the latitude), on sea as well, overlaps allowed.
    Original {
        /// Standard deviation, in metres of a great circle.
        sigma_m: f64,
    },
    /// Uniform over the land of the Earth, by area.
    Land,
    /// Uniform over the land inside the polygons of a GeoJSON file, by area.
    Region {
        /// The file.
        path: PathBuf,
    },
}

/// A place that might be gathered.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its centre.
    pub centre: LonLat,
    /// Position of the city it was drawn round in [`cities`].
    pub city: Option<usize>,
    /// Days by which its comb of dates is shifted back.
    pub shift_days: u16,
}

/// All candidates, drawn round by round as they are asked for.
pub struct Candidates {
    sampler: Sampler,
    region: Option<Region>,
    slots: usize,
    seed: u64,
    separation_m: f64,
    drawn: Mutex<Drawn>,
}

type Taken = RTree<GeomWithData<[f64; 3], usize>>;

#[derive(Default)]
struct Drawn {
    rounds: Vec<Vec<Option<Candidate>>>,
    /// Candidates as vectors of length 1, with their slots.
    taken: Taken,
}

impl Candidates {
    /// Candidates for `slots` places whose centres keep `separation_m` metres from each other.
    ///
    /// # Errors
    /// When the region's file is of no use.
    pub fn new(sampler: Sampler, slots: usize, seed: u64, separation_m: f64) -> Result<Self> {
        let region = match &sampler {
            Sampler::Region { path } => Some(Region::new(Outline::from_geojson_file(path)?)),
            _ => None,
        };
        Ok(Self { sampler, region, slots, seed, separation_m, drawn: Mutex::default() })
    }

    /// Number of slots.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// The candidate of a slot in a round; `None` when there is no room left for one.
    #[must_use]
    pub fn get(&self, slot: usize, round: usize) -> Option<Candidate> {
        // A poisoned lock means that a draw panicked, which none does.
        let mut drawn = self.drawn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        while drawn.rounds.len() <= round {
            let at = drawn.rounds.len();
            let candidates = (0..self.slots).map(|slot| self.draw(slot, at, &mut drawn.taken)).collect();
            drawn.rounds.push(candidates);
        }
        drawn.rounds[round].get(slot).cloned().flatten()
    }

    fn draw(&self, slot: usize, round: usize, taken: &mut Taken) -> Option<Candidate> {
        let mut rng = slot_rng(self.seed, slot, round);
        let is_original = matches!(self.sampler, Sampler::Original { .. });
        let chord = 2.0 * (self.separation_m / EARTH_RADIUS_M / 2.0).sin();
        for _ in 0..MAX_DRAWS {
            let (centre, city) = self.point(&mut rng);
            let shift_days = rng.random_range(0..=MAX_SHIFT_DAYS);
            if !is_original {
                let is_inside = self.region.as_ref().is_none_or(|region| region.contains(centre));
                // Sentinel-2 images land between 56° south and 83° north.
                if !is_inside || !(-56.0..83.0).contains(&centre.lat) || !Outline::land().contains(centre) {
                    continue;
                }
                let unit = centre.unit();
                if taken.locate_within_distance(unit, chord * chord).any(|other| other.data != slot) {
                    continue;
                }
                taken.insert(GeomWithData::new(unit, slot));
            }
            return Some(Candidate { centre, city, shift_days });
        }
        None
    }

    fn point(&self, rng: &mut ChaCha8Rng) -> (LonLat, Option<usize>) {
        match self.sampler {
            Sampler::Cities { sigma_m } => {
                let city = rng.random_range(0..cities().len());
                let [east, north] = gaussian(rng);
                (cities()[city].position.offset(sigma_m * east, sigma_m * north), Some(city))
            }
            Sampler::Original { sigma_m } => {
                let city = rng.random_range(0..cities().len());
                let [east, north] = gaussian(rng);
                let degrees = (sigma_m / EARTH_RADIUS_M).to_degrees();
                let centre = cities()[city].position;
                let lat = (centre.lat + degrees * north).clamp(-90.0, 90.0);
                (LonLat { lon: wrapped(centre.lon + degrees * east), lat }, Some(city))
            }
            Sampler::Land => (uniform(rng, [-180.0, -56.0, 180.0, 83.0]), None),
            Sampler::Region { .. } => match &self.region {
                Some(region) => (region.point(rng), None),
                None => (uniform(rng, [-180.0, -90.0, 180.0, 90.0]), None),
            },
        }
    }
}

/// Polygons, which may overlap, with the boxes round them, so that small ones far apart are hit.
struct Region {
    polygons: Vec<Outline>,
    boxes: Vec<[f64; 4]>,
    /// Sums of the boxes' areas up to each.
    areas: Vec<f64>,
}

impl Region {
    fn new(polygons: Vec<Outline>) -> Self {
        let boxes: Vec<[f64; 4]> = polygons.iter().map(Outline::bounds).collect();
        let mut sum = 0.0;
        let areas = boxes
            .iter()
            .map(|[west, south, east, north]| {
                sum += (east - west) * (north.to_radians().sin() - south.to_radians().sin());
                sum
            })
            .collect();
        Self { polygons, boxes, areas }
    }

    fn contains(&self, point: LonLat) -> bool {
        self.polygons.iter().any(|polygon| polygon.contains(point))
    }

    /// A point that is uniform by area over all boxes together: one in several boxes counts once.
    fn point(&self, rng: &mut ChaCha8Rng) -> LonLat {
        loop {
            let at = rng.random::<f64>() * self.areas.last().copied().unwrap_or(0.0);
            let chosen = self.areas.partition_point(|sum| *sum <= at).min(self.boxes.len() - 1);
            let point = uniform(rng, self.boxes[chosen]);
            let inside = |[west, south, east, north]: &&[f64; 4]| {
                (*west..=*east).contains(&point.lon) && (*south..=*north).contains(&point.lat)
            };
            let count = self.boxes.iter().filter(inside).count().max(1);
            if rng.random::<f64>() * count as f64 <= 1.0 {
                // A box over the date line goes on beyond 180 degrees.
                let is_beyond = point.lon.abs() > 180.0;
                return if is_beyond { LonLat { lon: wrapped(point.lon), ..point } } else { point };
            }
        }
    }
}

/// Centres of patches this far apart never overlap, however their grids are turned: the patch's diagonal, and one step of
/// `grid_m` in each direction by which each of them may be shifted onto its grid.
#[must_use]
pub fn separation_m(patch_m: f64, grid_m: f64) -> f64 {
    (patch_m + grid_m) * std::f64::consts::SQRT_2
}

fn slot_rng(seed: u64, slot: usize, round: usize) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (part, value) in
        key.chunks_exact_mut(8).zip([seed, slot as u64, round as u64, u64::from_le_bytes(*b"gathered")])
    {
        part.copy_from_slice(&value.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// Two independent standard normal numbers (Box and Muller's).
fn gaussian(rng: &mut ChaCha8Rng) -> [f64; 2] {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    let angle = std::f64::consts::TAU * rng.random::<f64>();
    [radius * angle.cos(), radius * angle.sin()]
}

/// Uniform by area over a rectangle of longitudes and latitudes: west, south, east, north.
fn uniform(rng: &mut ChaCha8Rng, [west, south, east, north]: [f64; 4]) -> LonLat {
    let (low, high) = (south.to_radians().sin(), north.to_radians().sin());
    let lat = (low + (high - low) * rng.random::<f64>()).clamp(-1.0, 1.0).asin().to_degrees();
    LonLat { lon: west + (east - west) * rng.random::<f64>(), lat }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    fn points(sampler: Sampler, slots: usize, round: usize) -> Vec<Candidate> {
        let all = Candidates::new(sampler, slots, 7, separation_m(2_640.0, 60.0)).unwrap();
        (0..slots).filter_map(|slot| all.get(slot, round)).collect()
    }

    #[test]
    fn cities_are_left_by_fifty_kilometres_in_true_metres() {
        let all = points(Sampler::Cities { sigma_m: 50_000.0 }, 4_000, 0);
        assert_eq!(all.len(), 4_000);
        assert!(all.iter().all(|candidate| Outline::land().contains(candidate.centre)));
        // East–west and north–south spread are alike at high latitudes too, where a degree of longitude is short.
        let (mut east, mut north, mut count) = (0.0, 0.0, 0.0);
        for candidate in &all {
            let city = cities()[candidate.city.unwrap()].position;
            if city.lat.abs() > 45.0 {
                let lon = wrapped(candidate.centre.lon - city.lon).to_radians();
                east += (lon * city.lat.to_radians().cos() * EARTH_RADIUS_M).powi(2);
                north += ((candidate.centre.lat - city.lat).to_radians() * EARTH_RADIUS_M).powi(2);
                count += 1.0;
            }
        }
        let (east, north) = ((east / count).sqrt(), (north / count).sqrt());
        assert!((east / 50_000.0 - 1.0_f64).abs() < 0.08, "{east}");
        assert!((north / 50_000.0 - 1.0_f64).abs() < 0.08, "{north}");
    }

    #[test]
    fn no_two_places_are_close_by_the_slow_way_of_looking() {
        let candidates =
            Candidates::new(Sampler::Cities { sigma_m: 50_000.0 }, 1_000, 3, separation_m(2_640.0, 60.0)).unwrap();
        let mut all = Vec::new();
        for round in 0..2 {
            all.extend((0..1_000).filter_map(|slot| Some((slot, candidates.get(slot, round)?))));
        }
        for (at, (slot, one)) in all.iter().enumerate() {
            for (_, other) in all[..at].iter().filter(|(other, _)| other != slot) {
                assert!(one.centre.distance_m(other.centre) >= 2_700.0 * 2.0_f64.sqrt() - 1e-3);
            }
        }
    }

    #[test]
    fn the_order_of_asking_changes_nothing() {
        let new = || Candidates::new(Sampler::Land, 50, 1, 4_000.0).unwrap();
        let (one, other) = (new(), new());
        let late = one.get(49, 2);
        for round in 0..3 {
            for slot in 0..50 {
                assert_eq!(one.get(slot, round), other.get(slot, round));
            }
        }
        assert_eq!(late, other.get(49, 2));
        assert_ne!(one.get(0, 0), Candidates::new(Sampler::Land, 50, 2, 4_000.0).unwrap().get(0, 0));
    }

    #[test]
    fn land_is_sampled_by_area() {
        let all = points(Sampler::Land, 4_000, 0);
        // Africa's share of the land between 56° S and 83° N is 30.4 of about 135 million km².
        let africa = all.iter().filter(|at| {
            let LonLat { lon, lat } = at.centre;
            (-18.0..51.5).contains(&lon)
                && (-35.0..37.5).contains(&lat)
                && !(lon > 34.0 && lat > 12.5 && lon > 43.0 - (lat - 12.5) * 0.56)
        });
        let share = africa.count() as f64 / all.len() as f64;
        assert!((share - 0.225).abs() < 0.03, "{share}");
    }

    #[test]
    fn small_polygons_far_apart_get_their_shares() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let squares = r#"{"type":"MultiPolygon","coordinates":[
            [[[16,48],[17,48],[17,49],[16,49],[16,48]]], [[[-60,-30],[-58,-30],[-58,-29],[-60,-29],[-60,-30]]],
            [[[16,48],[16.5,48],[16.5,48.5],[16,48.5],[16,48]]]]}"#;
        std::fs::write(file.path(), squares).unwrap();
        let all = points(Sampler::Region { path: file.path().to_owned() }, 600, 0);
        assert!(all.len() > 590, "{}", all.len());
        // The third polygon lies in the first and adds nothing.
        let width = |south: f64, north: f64| north.to_radians().sin() - south.to_radians().sin();
        let (first, second) = (width(48.0, 49.0), 2.0 * width(-30.0, -29.0));
        let share = all.iter().filter(|candidate| candidate.centre.lon > 0.0).count() as f64 / all.len() as f64;
        assert!((share - first / (first + second)).abs() < 0.06, "{share} {}", first / (first + second));
    }

    #[test]
    fn a_full_region_says_so() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let square = r#"{"type":"Polygon","coordinates":[[[16,48],[16.1,48],[16.1,48.1],[16,48.1],[16,48]]]}"#;
        std::fs::write(file.path(), square).unwrap();
        let all = points(Sampler::Region { path: file.path().to_owned() }, 50, 0);
        // 7.4 km × 11.1 km hold a handful of patches that keep 3.8 km from each other.
        assert!((4..=16).contains(&all.len()), "{}", all.len());
    }

    #[test]
    fn the_original_allows_sea_and_shrinks_eastwards() {
        let all = points(Sampler::Original { sigma_m: 50_000.0 }, 4_000, 0);
        assert!(all.iter().any(|candidate| !Outline::land().contains(candidate.centre)));
        let degrees: Vec<f64> = all
            .iter()
            .map(|candidate| wrapped(candidate.centre.lon - cities()[candidate.city.unwrap()].position.lon))
            .collect();
        let spread = (degrees.iter().map(|degrees| degrees * degrees).sum::<f64>() / degrees.len() as f64).sqrt();
        assert!((spread - 0.449_66).abs() < 0.02, "{spread}");
    }
}
