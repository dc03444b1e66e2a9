//! One place at all its dates: which scenes, what is read of them, and what is refused.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::archive::{Archive, Signer, dn_offset};
use crate::cities::cities;
use crate::cog::{Cogs, Plane, Square};
use crate::comb::Window;
use crate::geo::{LonLat, Utm, is_utm};
use crate::http::{Http, HttpError};
use crate::plan::Plan;
use crate::sample::Candidate;
use crate::stac::{Asset, Catalog, Item};
use crate::store::{digest, geotiff};

/// Metres that all of Sentinel-2's grids (10, 20 and 60 m) have in common.
pub const GRID_M: f64 = 60.0;
/// Scenes taken within this time are one flight.
const FLIGHT_SECONDS: i64 = 300;
/// Classes of the scene classification that count as cloud: medium and high probability, and thin cirrus.
const CLOUDS: [u16; 3] = [8, 9, 10];
/// Metres in a degree of latitude, to widen a search with; a generous one.
const METRES_A_DEGREE: f64 = 110_000.0;

/// One picture of a place: what is written beside its bands, and what the index is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this description.
    pub version: u32,
    /// The place's number.
    pub place: u64,
    /// Which of the place's candidates was taken, from 0.
    pub round: u64,
    /// Centre of the place, degrees.
    pub longitude: f64,
    /// Centre of the place, degrees.
    pub latitude: f64,
    /// The city that it was drawn round.
    pub city: Option<String>,
    /// That city's country, ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// When the picture was taken.
    pub datetime: DateTime<Utc>,
    /// The scenes that it was cut from, the first one before the others where they overlap.
    pub items: Vec<String>,
    /// Coordinate system of the pixels.
    pub epsg: u32,
    /// Western edge in that system, metres.
    pub west: f64,
    /// Northern edge in that system, metres.
    pub north: f64,
    /// Side, metres.
    pub side: f64,
    /// Cloud cover of the cloudiest of the scenes, percent.
    pub scene_cloud: Option<f64>,
    /// Share of cloudy pixels in the patch by the scene classification, 0 to 1.
    pub patch_cloud: Option<f64>,
    /// Bytes of all tiles that the patch touches, as the archive stores them.
    pub tile_bytes: u64,
    /// The bands.
    pub bands: BTreeMap<String, BandRecord>,
}

/// One band of a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BandRecord {
    /// Pixels a side.
    pub px: usize,
    /// What was added to the archive's numbers, one a scene.
    pub dn_offset: Vec<i32>,
    /// Size of its file.
    pub bytes: u64,
    /// SHA-256 of its file.
    pub sha256: String,
}

impl Record {
    /// The name of its folder: the moment it was taken.
    #[must_use]
    pub fn date_name(&self) -> String {
        self.datetime.format("%Y%m%dT%H%M%S").to_string()
    }
}

/// A picture with its files.
pub struct Patch {
    /// What is known of it.
    pub record: Record,
    /// Band → GeoTIFF.
    pub files: Vec<(String, Vec<u8>)>,
}

/// What became of a candidate.
pub enum Verdict {
    /// Pictures of all dates, newest first.
    Whole(Vec<Patch>),
    /// A date is missing; why.
    Refused(String),
}

/// What reading needs.
pub struct Reading<'a> {
    /// The settings.
    pub plan: &'a Plan,
    /// Where scenes are found.
    pub catalog: &'a Catalog,
    /// How files are reached.
    pub http: &'a Http,
    /// Headers of files.
    pub cogs: &'a Cogs,
    /// Adds tokens to addresses.
    pub signer: &'a Signer,
    /// Told of scenes that cannot be used.
    pub warn: &'a (dyn Fn(String) + Sync),
}

/// Several scenes of one flight, best first.
struct Flight {
    items: Vec<Item>,
}

/// The square in which all dates are cut.
struct Ground {
    epsg: u32,
    square: Square,
}

/// What the scene classification says.
enum Sky {
    Clear(Option<f64>, u64),
    Refused,
}

impl Reading<'_> {
    /// Reads all dates of a candidate for `place`.
    ///
    /// # Errors
    /// When the archive cannot be read; a candidate without a clear picture for some date is no error.
    pub fn candidate(&self, place: u64, round: u64, candidate: &Candidate) -> Result<Verdict> {
        let windows = self.plan.comb.windows(candidate.shift_days);
        let mut scenes = Vec::new();
        for window in &windows {
            let items = self.search(candidate.centre, *window)?;
            if items.is_empty() {
                return Ok(Verdict::Refused("no scene".to_owned()));
            }
            scenes.push(items);
        }
        let Some(epsg) = common_zone(&scenes, candidate.centre) else {
            return Ok(Verdict::Refused("no zone with scenes of all dates".to_owned()));
        };
        let ground = self.ground(candidate.centre, epsg)?;
        let flights: Vec<Vec<Flight>> = scenes.into_iter().map(|items| flights(items, epsg)).collect();
        // The small classification of all dates before the large bands of any.
        let mut chosen = Vec::new();
        for flights in &flights {
            match self.first_clear(flights, 0, &ground)? {
                Some(found) => chosen.push(found),
                None => return Ok(Verdict::Refused("clouds or no data".to_owned())),
            }
        }
        let mut patches = Vec::new();
        for (flights, first) in flights.iter().zip(chosen) {
            let mut next = Some(first);
            let patch = loop {
                let Some((at, cloud, scl_bytes)) = next else {
                    return Ok(Verdict::Refused("no data".to_owned()));
                };
                let about = (place, round, candidate, cloud, scl_bytes);
                match self.bands(&flights[at], &ground, about)? {
                    Some(patch) => break patch,
                    None => next = self.first_clear(flights, at + 1, &ground)?,
                }
            };
            patches.push(patch);
        }
        Ok(Verdict::Whole(patches))
    }

    fn search(&self, centre: LonLat, window: Window) -> Result<Vec<Item>> {
        let tall = self.plan.patch_m / 2.0 / METRES_A_DEGREE;
        let wide = tall / centre.lat.to_radians().cos().max(0.05);
        let area = [
            (centre.lon - wide).max(-180.0),
            (centre.lat - tall).max(-90.0),
            (centre.lon + wide).min(180.0),
            (centre.lat + tall).min(90.0),
        ];
        let mut items = self.catalog.search(self.http, area, window, self.plan.max_cloud)?;
        items.retain(|item| item.epsg().is_some_and(is_utm));
        Ok(items)
    }

    /// The square round a centre, its edges on the grid that all resolutions share.
    fn ground(&self, centre: LonLat, epsg: u32) -> Result<Ground> {
        let [x, y] = Utm::new(epsg)?.project(centre)?;
        let side = self.plan.patch_m;
        let snap = |value: f64| (value / GRID_M).round() * GRID_M;
        Ok(Ground { epsg, square: Square { west: snap(x - side / 2.0), north: snap(y + side / 2.0), side } })
    }

    /// The first flight from `from` on whose classification shows no clouds over the patch.
    fn first_clear(
        &self,
        flights: &[Flight],
        from: usize,
        ground: &Ground,
    ) -> Result<Option<(usize, Option<f64>, u64)>> {
        for (at, flight) in flights.iter().enumerate().skip(from) {
            match self.usable(self.sky(flight, ground))? {
                Some(Sky::Clear(cloud, bytes)) => return Ok(Some((at, cloud, bytes))),
                Some(Sky::Refused) | None => {}
            }
        }
        Ok(None)
    }

    fn sky(&self, flight: &Flight, ground: &Ground) -> Result<Sky> {
        if self.plan.archive.scl.is_none() {
            return Ok(Sky::Clear(None, 0));
        }
        let find = |item: &'_ Item| self.plan.archive.scl_asset(item).cloned();
        let Some((plane, _)) = self.mosaic(flight, ground, "SCL", &find, &|_, _| Some(0))? else {
            return Ok(Sky::Refused);
        };
        let cloudy = plane.values.iter().filter(|class| CLOUDS.contains(class)).count();
        let share = cloudy as f64 / plane.values.len().max(1) as f64;
        Ok(if share <= self.plan.max_patch_cloud { Sky::Clear(Some(share), plane.tile_bytes) } else { Sky::Refused })
    }

    /// All bands, or nothing when some pixel of some band was not measured.
    fn bands(
        &self,
        flight: &Flight,
        ground: &Ground,
        (place, round, candidate, patch_cloud, scl_bytes): (u64, u64, &Candidate, Option<f64>, u64),
    ) -> Result<Option<Patch>> {
        let mut files = Vec::new();
        let mut bands = BTreeMap::new();
        let mut tile_bytes = scl_bytes;
        let mut used = 1;
        for band in &self.plan.bands {
            let find = |item: &'_ Item| self.plan.archive.asset(item, band).cloned();
            let read = self.mosaic(flight, ground, band, &find, &dn_offset);
            let Some(Some((plane, offsets))) = self.usable(read)? else { return Ok(None) };
            tile_bytes += plane.tile_bytes;
            used = used.max(offsets.len());
            let bytes = geotiff(&plane.values, plane.px, ground.epsg, ground.square)?;
            let record =
                BandRecord { px: plane.px, dn_offset: offsets, bytes: bytes.len() as u64, sha256: digest(&bytes) };
            bands.insert(band.clone(), record);
            files.push((band.clone(), bytes));
        }
        let items = &flight.items[..used.min(flight.items.len())];
        let Some(datetime) = flight.items.first().and_then(Item::datetime) else { return Ok(None) };
        let city = candidate.city.and_then(|at| cities().get(at));
        let record = Record {
            version: 1,
            place,
            round,
            longitude: candidate.centre.lon,
            latitude: candidate.centre.lat,
            city: city.map(|city| city.name.clone()),
            country: city.map(|city| city.country.clone()),
            datetime,
            items: items.iter().map(|item| item.id.clone()).collect(),
            epsg: ground.epsg,
            west: ground.square.west,
            north: ground.square.north,
            side: ground.square.side,
            scene_cloud: items.iter().filter_map(Item::cloud_cover).max_by(f64::total_cmp),
            patch_cloud,
            tile_bytes,
            bands,
        };
        Ok(Some(Patch { record, files }))
    }

    /// Reads one file of every scene of the flight until every pixel is measured, the offset applied; nothing when some
    /// pixel is not. Also the offset of each scene that was read.
    fn mosaic(
        &self,
        flight: &Flight,
        ground: &Ground,
        band: &str,
        find: &dyn Fn(&Item) -> Option<Asset>,
        offset_of: &dyn Fn(&Item, &Asset) -> Option<i32>,
    ) -> Result<Option<(Plane, Vec<i32>)>> {
        let mut whole: Option<Plane> = None;
        let mut offsets = Vec::new();
        for item in &flight.items {
            let asset = find(item).with_context(|| format!("the scene {} has no file of {band}", item.id))?;
            let offset = offset_of(item, &asset)
                .with_context(|| format!("the scene {} says neither offset nor processing baseline", item.id))?;
            let address = self.signer.sign(self.http, &asset.href)?;
            let mut plane = self.cogs.read(self.http, &asset.href, &address, ground.square)?;
            for value in &mut plane.values {
                *value = (i32::from(*value) + offset).clamp(0, i32::from(u16::MAX)) as u16;
            }
            offsets.push(offset);
            match &mut whole {
                None => whole = Some(plane),
                Some(whole) if whole.px == plane.px => {
                    whole.tile_bytes += plane.tile_bytes;
                    for at in 0..whole.values.len() {
                        if !whole.valid[at] && plane.valid[at] {
                            (whole.values[at], whole.valid[at]) = (plane.values[at], true);
                        }
                    }
                }
                Some(_) => anyhow::bail!("the scenes of {} are of different resolutions", item.id),
            }
            if whole.as_ref().is_some_and(|whole| whole.valid.iter().all(|valid| *valid)) {
                return Ok(whole.map(|whole| (whole, offsets)));
            }
        }
        Ok(None)
    }

    /// Tells a scene that is of no use, which is warned of, from an archive that cannot be read.
    fn usable<T>(&self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) => match error.downcast_ref::<HttpError>() {
                Some(HttpError::Unreachable(_) | HttpError::Stopped) => Err(error),
                _ => {
                    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
                    let line = causes.join(": ");
                    (self.warn)(line.split("\nhint:").next().unwrap_or(&line).to_owned());
                    Ok(None)
                }
            },
        }
    }
}

/// The zone with scenes of most dates, which must be all of them; among equals the place's own zone, then the smaller
/// number.
fn common_zone(scenes: &[Vec<Item>], centre: LonLat) -> Option<u32> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for items in scenes {
        let mut zones: Vec<u32> = items.iter().filter_map(Item::epsg).collect();
        zones.sort_unstable();
        zones.dedup();
        zones.into_iter().for_each(|zone| *counts.entry(zone).or_default() += 1);
    }
    counts.retain(|_, count| *count == scenes.len());
    let own = centre.utm_epsg();
    if counts.contains_key(&own) { Some(own) } else { counts.keys().next().copied() }
}

/// Scenes of one zone, newest first, gathered into flights; in a flight the latest processing comes first.
fn flights(items: Vec<Item>, epsg: u32) -> Vec<Flight> {
    let mut flights: Vec<Flight> = Vec::new();
    for item in items.into_iter().filter(|item| item.epsg() == Some(epsg)) {
        let seconds = |item: &Item| item.datetime().map(|moment| moment.timestamp());
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
        let baseline = |item: &Item| item.processing_baseline().unwrap_or(0.0);
        flight.items.sort_by(|a, b| baseline(b).total_cmp(&baseline(a)).then_with(|| a.id.cmp(&b.id)));
    }
    flights
}

/// The settings' archive, for those who only need that.
impl Plan {
    /// A signer for the archive.
    #[must_use]
    pub fn signer(&self) -> Signer {
        let Archive { sign, .. } = &self.archive;
        Signer::new(sign.clone())
    }
}
