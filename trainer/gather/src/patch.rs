//! One place at all its dates: which scenes, what is read of them, and what is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use futures::stream::{StreamExt, iter};

use crate::archive::{Signer, dn_offset};
use crate::catalog::{Catalog, Warn};
use crate::cities::cities;
use crate::cog::{Cogs, Plane, Square};
use crate::comb::Window;
use crate::cpu::Cpu;
use crate::flight::{Flight, common_zone, flights};
use crate::geo::{GRID_M, LonLat, Utm, is_utm};
use crate::http::{Http, HttpError};
use crate::one_line;
use crate::plan::Plan;
pub use crate::record::{BandRecord, Patch, Record};
use crate::sample::Candidate;
use crate::stac::{Item, Scene};
use crate::store::{digest, geotiff};

/// Classes of the scene classification that count as cloud: medium and high probability, and thin cirrus.
const CLOUDS: [u16; 3] = [8, 9, 10];
/// Metres in a degree of latitude, to widen a search with; a generous one.
const METRES_A_DEGREE: f64 = 110_000.0;

/// What became of a candidate.
pub enum Verdict {
    /// Pictures of all dates, newest first.
    Whole(Vec<Patch>),
    /// A date is missing; why.
    Refused(String),
}

/// What reading needs.
pub struct Reading {
    /// The settings.
    pub plan: Plan,
    /// Where scenes are found.
    pub catalog: Catalog,
    /// How files are reached.
    pub http: Http,
    /// Headers of files.
    pub cogs: Cogs,
    /// Where pictures are encoded.
    pub cpu: Cpu,
    /// Adds tokens to addresses.
    pub signer: Signer,
    /// Told of scenes that cannot be used.
    pub warn: Box<Warn>,
}

/// The square in which all dates are cut.
#[derive(Clone, Copy)]
struct Ground {
    epsg: u32,
    square: Square,
}

/// A candidate and what its scene classification said.
struct About<'a> {
    place: u64,
    round: u64,
    candidate: &'a Candidate,
    patch_cloud: Option<f64>,
    scl_bytes: u64,
}

/// One file of each scene.
#[derive(Clone, Copy)]
enum File<'a> {
    Classes,
    Band(&'a str),
}

/// A flight without clouds over the patch: which one, the share of cloudy pixels, and the bytes that it took to know.
type Clear = (usize, Option<f64>, u64);

/// A band as it is written, and the bytes of the tiles that it was cut from.
struct Encoded {
    bytes: Vec<u8>,
    record: BandRecord,
    tile_bytes: u64,
}

impl Reading {
    /// Reads all dates of a candidate for `place`.
    ///
    /// # Errors
    /// When the archive cannot be read; a candidate without a clear picture for some date is no error.
    pub async fn candidate(&self, place: u64, round: u64, candidate: &Candidate) -> Result<Verdict> {
        let refused = |why: &str| Ok(Verdict::Refused(why.to_owned()));
        let mut scenes = Vec::new();
        for window in self.plan.comb.windows(candidate.shift_days) {
            let items = self.search(candidate.centre, window).await?;
            if items.is_empty() {
                return refused("no scene");
            }
            scenes.push(items);
        }
        let Some(epsg) = common_zone(&scenes, candidate.centre) else {
            return refused("no zone with scenes of all dates");
        };
        let ground = self.ground(candidate.centre, epsg)?;
        let flights: Vec<Vec<Flight>> = scenes.into_iter().map(|items| flights(items, epsg)).collect();
        // The small classification of all dates before the large bands of any.
        let mut chosen = Vec::new();
        for flights in &flights {
            match self.first_clear(flights, 0, ground).await? {
                Some(found) => chosen.push(found),
                None => return refused("clouds or no data"),
            }
        }
        let mut patches = Vec::new();
        for (flights, first) in flights.iter().zip(chosen) {
            let mut next = Some(first);
            let patch = loop {
                let Some((at, patch_cloud, scl_bytes)) = next else {
                    return refused("no data");
                };
                let about = About { place, round, candidate, patch_cloud, scl_bytes };
                match self.bands(&flights[at], ground, about).await? {
                    Some(patch) => break patch,
                    None => next = self.first_clear(flights, at + 1, ground).await?,
                }
            };
            patches.push(patch);
        }
        Ok(Verdict::Whole(patches))
    }

    async fn search(&self, centre: LonLat, window: Window) -> Result<Vec<Arc<Item>>> {
        let tall = self.plan.patch_m / 2.0 / METRES_A_DEGREE;
        let wide = tall / centre.lat.to_radians().cos().max(0.05);
        let area = [
            (centre.lon - wide).max(-180.0),
            (centre.lat - tall).max(-90.0),
            (centre.lon + wide).min(180.0),
            (centre.lat + tall).min(90.0),
        ];
        let mut items = self.catalog.search(&self.http, area, window, self.plan.max_cloud, &*self.warn).await?;
        if let Some(item) = items.iter().find(|item| item.epsg().is_none()) {
            (self.warn)(format!("scenes such as {} say no coordinate system (proj:code) and are passed over", item.id));
        } else if let Some(item) = items.iter().find(|item| !item.epsg().is_some_and(is_utm)) {
            (self.warn)(format!("scenes such as {} are not in UTM and are passed over", item.id));
        }
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
    async fn first_clear(&self, flights: &[Flight], from: usize, ground: Ground) -> Result<Option<Clear>> {
        for (at, flight) in flights.iter().enumerate().skip(from) {
            if let Some(Some((cloud, bytes))) = self.usable(self.sky(flight, ground).await)? {
                return Ok(Some((at, cloud, bytes)));
            }
        }
        Ok(None)
    }

    /// The share of cloudy pixels, if it is small enough, and the bytes of the tiles that say so.
    async fn sky(&self, flight: &Flight, ground: Ground) -> Result<Option<(Option<f64>, u64)>> {
        if self.plan.archive.scl.is_none() {
            return Ok(Some((None, 0)));
        }
        let Some((plane, _)) = self.mosaic(flight, ground, File::Classes).await? else { return Ok(None) };
        let cloudy = plane.values.iter().filter(|class| CLOUDS.contains(class)).count();
        let share = cloudy as f64 / plane.values.len().max(1) as f64;
        Ok((share <= self.plan.max_patch_cloud).then_some((Some(share), plane.tile_bytes)))
    }

    /// All bands, or nothing when some pixel of some band was not measured.
    async fn bands(&self, flight: &Flight, ground: Ground, about: About<'_>) -> Result<Option<Patch>> {
        let mut files = Vec::new();
        let mut bands = BTreeMap::new();
        let mut tile_bytes = about.scl_bytes;
        let mut used = 1;
        // All at once, but judged in their order.
        let reads = self.plan.bands.iter().map(|band| async move { (band, self.band(flight, ground, band).await) });
        let mut reads = iter(reads.collect::<Vec<_>>()).buffered(self.plan.bands.len().max(1));
        while let Some((band, read)) = reads.next().await {
            let Some(Some(encoded)) = self.usable(read)? else { return Ok(None) };
            tile_bytes += encoded.tile_bytes;
            used = used.max(encoded.record.dn_offset.len());
            bands.insert(band.clone(), encoded.record);
            files.push((band.clone(), encoded.bytes));
        }
        let items = &flight.items[..used.min(flight.items.len())];
        let Some(datetime) = flight.items.first().and_then(|item| item.moment()) else { return Ok(None) };
        let city = about.candidate.city.and_then(|at| cities().get(at));
        let record = Record {
            version: 1,
            place: about.place,
            round: about.round,
            longitude: about.candidate.centre.lon,
            latitude: about.candidate.centre.lat,
            city: city.map(|city| city.name.clone()),
            country: city.map(|city| city.country.clone()),
            datetime,
            items: items.iter().map(|item| item.id.clone()).collect(),
            epsg: ground.epsg,
            west: ground.square.west,
            north: ground.square.north,
            side: ground.square.side,
            scene_cloud: items.iter().filter_map(|item| item.cloud_cover()).max_by(f64::total_cmp),
            patch_cloud: about.patch_cloud,
            tile_bytes,
            bands,
        };
        Ok(Some(Patch { record, files }))
    }

    /// One band, or nothing when some pixel of it was not measured.
    async fn band(&self, flight: &Flight, ground: Ground, band: &str) -> Result<Option<Encoded>> {
        let Some((plane, dn_offset)) = self.mosaic(flight, ground, File::Band(band)).await? else { return Ok(None) };
        let encode = move || {
            let bytes = geotiff(&plane.values, plane.px, ground.epsg, ground.square)?;
            let record = BandRecord { px: plane.px, dn_offset, bytes: bytes.len() as u64, sha256: digest(&bytes) };
            Ok(Some(Encoded { bytes, record, tile_bytes: plane.tile_bytes }))
        };
        self.cpu.run(encode).await?
    }

    /// Reads one file of every scene of the flight until every pixel is measured, the offset applied; nothing when some
    /// pixel is not. Also the offset of each scene that was read.
    async fn mosaic(&self, flight: &Flight, ground: Ground, file: File<'_>) -> Result<Option<(Plane, Vec<i32>)>> {
        let mut whole: Option<Plane> = None;
        let mut offsets = Vec::new();
        for item in &flight.items {
            let (href, offset) = self.source(item, file)?;
            let address = self.signer.sign(&self.http, href).await?;
            let mut plane = self.cogs.read(&self.http, href, &address, ground.square).await?;
            let mut below_zero = 0;
            for (value, valid) in plane.values.iter_mut().zip(&plane.valid) {
                let sum = i32::from(*value) + offset;
                below_zero += usize::from(*valid && sum < 0);
                *value = sum.clamp(0, i32::from(u16::MAX)) as u16;
            }
            let seen = plane.valid.iter().filter(|valid| **valid).count();
            if seen > 0 && below_zero * 10 > seen * 9 {
                (self.warn)(format!(
                    "{}: with its offset of {offset}, nearly all numbers of a patch fall below zero; was the offset taken out already?",
                    item.id
                ));
            }
            offsets.push(offset);
            match &mut whole {
                None => whole = Some(plane),
                Some(whole) if whole.px == plane.px => whole.fill(&plane),
                Some(_) => anyhow::bail!("the scenes of {} are of different resolutions", item.id),
            }
            if whole.as_ref().is_some_and(|whole| whole.valid.iter().all(|valid| *valid)) {
                return Ok(whole.map(|whole| (whole, offsets)));
            }
        }
        Ok(None)
    }

    /// The address of a scene's file, and what must be added to its numbers.
    fn source<'a>(&self, item: &'a Item, file: File<'_>) -> Result<(&'a str, i32)> {
        let archive = &self.plan.archive;
        let (asset, name) = match file {
            File::Classes => (archive.scl_asset(item), "SCL"),
            File::Band(band) => (archive.asset(item, band), band),
        };
        let asset = asset.with_context(|| format!("the scene {} has no file of {name}", item.id))?;
        let offset = match file {
            File::Classes => Some(0),
            File::Band(_) => dn_offset(item, asset),
        };
        let offset =
            offset.with_context(|| format!("the scene {} says neither offset nor processing baseline", item.id))?;
        Ok((&asset.href, offset))
    }

    /// Tells a scene that is of no use, which is warned of, from an archive that cannot be read.
    fn usable<T>(&self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) => match error.downcast_ref::<HttpError>() {
                Some(HttpError::Unreachable(_)) => Err(error),
                _ => {
                    (self.warn)(one_line(&error));
                    Ok(None)
                }
            },
        }
    }
}
