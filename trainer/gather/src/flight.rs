//! Scenes of one flight: taken within minutes, they fill each other's gaps.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::geo::LonLat;
use crate::stac::{Item, Scene};

/// Scenes taken within this time are one flight.
const FLIGHT_SECONDS: i64 = 300;

/// Several scenes of one flight, best first.
pub(crate) struct Flight {
    pub(crate) items: Vec<Arc<Item>>,
}

/// The zone with scenes of most dates, which must be all of them; among equals the place's own zone, then the smaller
/// number.
pub(crate) fn common_zone(scenes: &[Vec<Arc<Item>>], centre: LonLat) -> Option<u32> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for items in scenes {
        let mut zones: Vec<u32> = items.iter().filter_map(|item| item.epsg()).collect();
        zones.sort_unstable();
        zones.dedup();
        zones.into_iter().for_each(|zone| *counts.entry(zone).or_default() += 1);
    }
    counts.retain(|_, count| *count == scenes.len());
    let own = centre.utm_epsg();
    if counts.contains_key(&own) { Some(own) } else { counts.keys().next().copied() }
}

/// Scenes of one zone, newest first, gathered into flights; in a flight the latest processing comes first.
pub(crate) fn flights(items: Vec<Arc<Item>>, epsg: u32) -> Vec<Flight> {
    let mut flights: Vec<Flight> = Vec::new();
    for item in items.into_iter().filter(|item| item.epsg() == Some(epsg)) {
        let seconds = |item: &Arc<Item>| item.moment().map(|moment| moment.timestamp());
        let same = flights.last_mut().filter(|flight| {
            let both = flight.items.first().and_then(seconds).zip(seconds(&item));
            both.is_some_and(|(newest, own)| newest - own <= FLIGHT_SECONDS)
        });
        match same {
            Some(flight) => flight.items.push(item),
            None => flights.push(Flight { items: vec![item] }),
        }
    }
    for flight in &mut flights {
        let baseline = |item: &Arc<Item>| item.processing_baseline().unwrap_or(0.0);
        flight.items.sort_by(|a, b| baseline(b).total_cmp(&baseline(a)).then_with(|| a.id.cmp(&b.id)));
    }
    flights
}
