//! Gathering from a small archive of made-up scenes that GDAL and pystac wrote (`tests/reference/gather_archive.py`),
//! served by a server that can misbehave.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use chrono::NaiveDate;
use gather::UsageError;
use gather::archive::{Archive, BANDS};
use gather::cog::{Cogs, Plane, Square};
use gather::comb::Comb;
use gather::http::{Http, HttpConfig};
use gather::merge::merge;
use gather::patch::Record;
use gather::plan::{Plan, Shard};
use gather::run::{Effort, Outcome, Progress, Watch, run};
use gather::sample::Sampler;
use gather::store::{digest, geotiff};
use serde_json::Value;
use server::{Behaviour, Server};

/// The archive, unpacked once.
fn archive() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let packed = flate2::read::GzDecoder::new(&include_bytes!("archive.tar.gz")[..]);
            tar::Archive::new(packed).unpack(folder.path()).unwrap();
            // Inside the two neighbouring scenes, and reaching over their edge.
            let region = r#"{"type":"Polygon","coordinates":[[[16.36,48.165],[16.46,48.165],[16.46,48.19],[16.36,48.19],[16.36,48.165]]]}"#;
            std::fs::write(folder.path().join("region.geojson"), region).unwrap();
            folder
        })
        .path()
}

fn plan(stac: &str, per_tar: Option<usize>) -> Plan {
    Plan {
        version: 1,
        locations: 12,
        seed: 11,
        sampler: Sampler::Region { path: archive().join("region.geojson") },
        comb: Comb {
            dates: 2,
            half_window_days: 12.0,
            step_weeks: 3,
            ..Comb::seco(NaiveDate::from_ymd_opt(2021, 9, 19).unwrap())
        },
        archive: Archive::at(stac),
        bands: BANDS.map(str::to_owned).to_vec(),
        max_cloud: 20.0,
        max_patch_cloud: 0.0,
        patch_m: 480.0,
        places_per_tar: per_tar,
        max_candidates: 2_000,
    }
}

fn effort() -> Effort {
    let http = HttpConfig {
        retries: 12,
        first_pause: Duration::from_millis(2),
        patience: Duration::from_millis(700),
        // What the server has threads for from the beginning.
        connections: 4,
        ..HttpConfig::default()
    };
    Effort { places: 6, http, ..Effort::default() }
}

/// A reader of windows and its runtime.
struct Windows {
    runtime: tokio::runtime::Runtime,
    http: Http,
    cogs: Cogs,
}

impl Windows {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        Self { runtime, http: Http::new(HttpConfig::default()).unwrap(), cogs: Cogs::default() }
    }

    fn read(&self, address: &str, square: Square) -> anyhow::Result<Plane> {
        self.runtime.block_on(self.cogs.read(&self.http, address, address, square))
    }

    fn bytes_read(&self) -> u64 {
        self.http.traffic().bytes.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[derive(Default)]
struct Heard(Vec<String>);

impl Watch for Heard {
    fn progress(&mut self, _: &Progress) {}
    fn warning(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
}

fn gathered(plan: &Plan, folder: &Path, shard: Shard) -> Outcome {
    let outcome = run(plan, folder, shard, &effort(), &mut Heard::default()).unwrap();
    assert!(outcome.missing.is_empty(), "{:?}", outcome.missing);
    outcome
}

/// Every file of a folder, hidden ones apart, with its bytes' checksum.
fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with('.') {
                continue;
            }
            if path.is_dir() {
                left.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), digest(&std::fs::read(&path).unwrap()));
            }
        }
    }
    found
}

fn catalog() -> String {
    archive().join("catalog.json").to_string_lossy().into_owned()
}

/// What an undisturbed run from the files themselves writes.
fn undisturbed(per_tar: Option<usize>) -> BTreeMap<PathBuf, String> {
    static FOLDERS: OnceLock<BTreeMap<PathBuf, String>> = OnceLock::new();
    static TARS: OnceLock<BTreeMap<PathBuf, String>> = OnceLock::new();
    let kept = if per_tar.is_some() { &TARS } else { &FOLDERS };
    let all = kept.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        gathered(&plan(&catalog(), per_tar), folder.path(), Shard::WHOLE);
        files(folder.path())
    });
    all.clone()
}

/// As [`files`], without the file that names the archive's address.
fn data_files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = files(folder);
    all.remove(Path::new("gather.json"));
    all
}

fn undisturbed_data(per_tar: Option<usize>) -> BTreeMap<PathBuf, String> {
    let mut all = undisturbed(per_tar);
    all.remove(Path::new("gather.json"));
    all
}

#[test]
fn windows_are_those_that_rasterio_reads() {
    let server = Server::start(archive(), Behaviour::Good);
    let expected: Vec<Value> =
        serde_json::from_slice(&std::fs::read(archive().join("expected.json")).unwrap()).unwrap();
    assert_eq!(expected.len(), 60);
    for base in [archive().to_string_lossy().into_owned(), server.address()] {
        let windows = Windows::new();
        for window in &expected {
            let number = |key: &str| window[key].as_f64().unwrap();
            let square = Square { west: number("west"), north: number("north"), side: number("side") };
            let address = format!("{base}/{}", window["path"].as_str().unwrap());
            let plane = windows.read(&address, square).unwrap();
            assert_eq!(plane.px as f64, number("px"));
            assert_eq!(plane.valid.iter().filter(|valid| **valid).count() as f64, number("valid"), "{address}");
            let bytes: Vec<u8> = plane.values.iter().flat_map(|value| value.to_le_bytes()).collect();
            assert_eq!(digest(&bytes), window["sha256"].as_str().unwrap(), "{address}");
        }
    }
}

#[test]
fn files_in_strips_are_read_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("B4.tif");
    let values: Vec<u16> = (0..44u32 * 44).map(|at| (at * 7_919 % 60_000) as u16).collect();
    let square = Square { west: 600_000.0, north: 5_340_000.0, side: 440.0 };
    std::fs::write(&path, geotiff(&values, 44, 32_633, square).unwrap()).unwrap();
    let windows = Windows::new();
    for (east_px, south_px) in [(0i64, 0i64), (-5, 9), (30, -30), (50, 0)] {
        let own = Square {
            west: 600_000.0 + 10.0 * east_px as f64,
            north: 5_340_000.0 - 10.0 * south_px as f64,
            side: 200.0,
        };
        let plane = windows.read(path.to_str().unwrap(), own).unwrap();
        for row in 0..20i64 {
            for column in 0..20i64 {
                let (x, y) = (column + east_px, row + south_px);
                let inside = (0..44).contains(&x) && (0..44).contains(&y);
                let value = if inside { values[(y * 44 + x) as usize] } else { 0 };
                let at = (row * 20 + column) as usize;
                assert_eq!((plane.values[at], plane.valid[at]), (value, value != 0));
            }
        }
    }
    let askew = Square { west: 600_003.0, north: 5_340_000.0, side: 200.0 };
    let error = windows.read(path.to_str().unwrap(), askew).unwrap_err();
    assert!(format!("{error:#}").contains("does not meet the patch's"), "{error:#}");
}

#[test]
fn damaged_files_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(archive().join("33UWP/0/SCL.tif")).unwrap();
    let square = Square { west: 600_000.0, north: 5_340_000.0, side: 480.0 };
    let windows = Windows::new();
    for at in 0..200 {
        let mut bytes = whole.clone();
        let place = at * 37 % 1_500;
        bytes[place] ^= 0x55;
        bytes.truncate(if at % 3 == 0 { place + 1 } else { bytes.len() });
        let path = folder.path().join(format!("{at}.tif"));
        std::fs::write(&path, &bytes).unwrap();
        // It may still be readable; it must only not break anything.
        let _ = windows.read(path.to_str().unwrap(), square);
    }
}

#[test]
fn addresses_are_signed_where_the_archive_asks_for_it() {
    let server = Server::start(archive(), Behaviour::Signed);
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(&format!("{}/catalog.json", server.address()), None);
    plan.archive.sign = Some(format!("{}/token", server.address()));
    gathered(&plan, folder.path(), Shard::WHOLE);
    assert_eq!(data_files(folder.path()), undisturbed_data(None));
}

#[test]
fn only_the_tiles_that_a_window_touches_are_read() {
    let server = Server::start(archive(), Behaviour::Good);
    let windows = Windows::new();
    let address = format!("{}/33UWP/0/B02.tif", server.address());
    let read = |west: f64| {
        let before = windows.bytes_read();
        let plane = windows.read(&address, Square { west, north: 5_336_000.0 + 40.0, side: 480.0 }).unwrap();
        (windows.bytes_read() - before, plane.tile_bytes)
    };
    read(600_000.0);
    // The header is known now: the rest is the tiles, and a few bytes between neighbours.
    let (read_bytes, tile_bytes) = read(601_200.0);
    assert!(tile_bytes > 0 && read_bytes >= tile_bytes && read_bytes <= tile_bytes + 256, "{read_bytes} {tile_bytes}");
}

#[test]
fn places_have_all_dates_clear_and_measured() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(&catalog(), None);
    let outcome = gathered(&plan, folder.path(), Shard::WHOLE);
    assert_eq!(outcome.pictures, 24);
    assert!(outcome.progress.refused > 0, "made-up scenes have clouds and edges");
    let mut offsets = BTreeMap::new();
    for place in 0..plan.locations {
        let dates: Vec<PathBuf> = std::fs::read_dir(folder.path().join(format!("{place:06}")))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(dates.len(), 2);
        for date in dates {
            let record: Record = serde_json::from_slice(&std::fs::read(date.join("metadata.json")).unwrap()).unwrap();
            assert_eq!(record.patch_cloud, Some(0.0));
            assert!(record.scene_cloud.unwrap() < 20.0);
            assert_eq!((record.west % 60.0, record.north % 60.0), (0.0, 0.0));
            for (band, about) in &record.bands {
                let bytes = std::fs::read(date.join(format!("{band}.tif"))).unwrap();
                assert_eq!((digest(&bytes), bytes.len() as u64), (about.sha256.clone(), about.bytes));
                let metres = match band.as_str() {
                    "B2" | "B3" | "B4" | "B8" => 10,
                    "B1" | "B9" => 60,
                    _ => 20,
                };
                assert_eq!(about.px, 480 / metres);
                // Ground truth of the made-up scenes: 1500 + 250 a band, offset by the baseline, ± a few times 400.
                let mut decoder = tiff::decoder::Decoder::new(std::io::Cursor::new(bytes)).unwrap();
                let tiff::decoder::DecodingResult::U16(values) = decoder.read_image().unwrap() else {
                    panic!("16-bit numbers")
                };
                let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64;
                let at = BANDS.iter().position(|known| known == band).unwrap() as f64;
                assert!((mean - 1_620.0 - 250.0 * at).abs() < 1_500.0, "{band} {mean}");
                about.dn_offset.iter().for_each(|offset| *offsets.entry(*offset).or_insert(0) += 1);
            }
        }
    }
    assert_eq!(offsets.keys().copied().collect::<Vec<_>>(), [-1_000, 0], "both processing baselines");
}

/// The whole of a source file, decoded at once, with the position of its first pixel: metres a pixel, west, north.
fn whole_file(path: &Path) -> (Vec<u16>, usize, [f64; 3]) {
    let mut decoder = tiff::decoder::Decoder::new(std::fs::File::open(path).unwrap()).unwrap();
    let scale = decoder.get_tag_f64_vec(tiff::tags::Tag::ModelPixelScaleTag).unwrap();
    let tie = decoder.get_tag_f64_vec(tiff::tags::Tag::ModelTiepointTag).unwrap();
    let width = decoder.dimensions().unwrap().0 as usize;
    let tiff::decoder::DecodingResult::U16(values) = decoder.read_image().unwrap() else { panic!("16-bit numbers") };
    (values, width, [scale[0], tie[3], tie[4]])
}

#[test]
fn patches_over_the_edge_of_a_scene_are_filled_from_its_neighbour() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(&catalog(), None);
    let edge = r#"{"type":"Polygon","coordinates":[[[16.4245,48.165],[16.4287,48.165],[16.4287,48.19],[16.4245,48.19],[16.4245,48.165]]]}"#;
    std::fs::write(folder.path().join("edge.geojson"), edge).unwrap();
    plan.sampler = Sampler::Region { path: folder.path().join("edge.geojson") };
    plan.locations = 3;
    let set = folder.path().join("set");
    gathered(&plan, &set, Shard::WHOLE);
    let mut mosaics = 0;
    for place in 0..3 {
        for date in std::fs::read_dir(set.join(format!("{place:06}"))).unwrap().map(|entry| entry.unwrap().path()) {
            let record: Record = serde_json::from_slice(&std::fs::read(date.join("metadata.json")).unwrap()).unwrap();
            mosaics += usize::from(record.items.len() > 1);
            for band in ["B2", "B11", "B1"] {
                let (values, px, [metres, ..]) = whole_file(&date.join(format!("{band}.tif")));
                let sources: Vec<_> = record
                    .items
                    .iter()
                    .map(|id| {
                        let path = archive().join(format!("sentinel-2-l2a/{id}/{id}.json"));
                        let item: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                        let href = item["assets"][format!("B{:0>2}", &band[1..])]["href"].as_str().unwrap().to_owned();
                        let offset = if item["properties"]["s2:processing_baseline"] == "04.00" { 1_000 } else { 0 };
                        (whole_file(&path.parent().unwrap().join(href)), offset)
                    })
                    .collect();
                for (at, value) in values.iter().enumerate() {
                    let x = record.west + metres * (at % px) as f64;
                    let y = record.north - metres * (at / px) as f64;
                    let expected = sources.iter().find_map(|((values, width, [own, west, north]), offset)| {
                        let (column, row) = ((x - west) / own, (north - y) / own);
                        let inside = column >= 0.0 && row >= 0.0 && column < *width as f64;
                        let value = *values.get(row as usize * width + column as usize).filter(|_| inside)?;
                        (value != 0).then(|| value.saturating_sub(*offset))
                    });
                    assert_eq!(Some(*value), expected, "{band} of {} at {at}", date.display());
                }
            }
        }
    }
    assert!(mosaics > 0, "some patch lies over the edge");
}

#[test]
fn an_archive_that_misbehaves_gives_the_same_set() {
    let server = Server::start(archive(), Behaviour::Bad);
    let folder = tempfile::tempdir().unwrap();
    let outcome = gathered(&plan(&format!("{}/catalog.json", server.address()), None), folder.path(), Shard::WHOLE);
    assert!(outcome.progress.retries > 20, "{:?}", outcome.progress);
    assert_eq!(data_files(folder.path()), undisturbed_data(None));
}

#[test]
fn an_archive_that_is_down_is_named_and_the_rest_comes_later() {
    let server = Server::start(archive(), Behaviour::Down);
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(&format!("{}/catalog.json", server.address()), None);
    let patient = Effort { http: HttpConfig { retries: 1, ..effort().http }, ..effort() };
    let outcome = run(&plan, folder.path(), Shard::WHOLE, &patient, &mut Heard::default()).unwrap();
    assert_eq!(outcome.missing.len(), 12);
    assert!(outcome.missing[0].1.contains("status 503 (busy), 2 times"), "{}", outcome.missing[0].1);
    server.behave(Behaviour::Good);
    gathered(&plan, folder.path(), Shard::WHOLE);
    assert_eq!(data_files(folder.path()), undisturbed_data(None));
}

#[test]
fn a_search_with_pages_finds_what_the_catalog_holds() {
    let server = Server::start(archive(), Behaviour::Good);
    let folder = tempfile::tempdir().unwrap();
    gathered(&plan(&format!("{}/api", server.address()), None), folder.path(), Shard::WHOLE);
    assert!(server.pages() > 50, "searches have several pages");
    assert_eq!(data_files(folder.path()), undisturbed_data(None));
}

#[test]
fn what_was_stopped_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(&catalog(), None);
    gathered(&plan, folder.path(), Shard::WHOLE);
    // As a kill or a power cut may leave it.
    std::fs::remove_dir_all(folder.path().join("000003")).unwrap();
    let place = std::fs::read_dir(folder.path().join("000005")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(place.join("B4.tif"), b"II*").unwrap();
    std::fs::create_dir_all(folder.path().join(".work/half-000007/20210101T000000")).unwrap();
    std::fs::remove_file(folder.path().join("index.parquet")).unwrap();
    let refused = std::fs::read(folder.path().join("refused.jsonl")).unwrap();
    std::fs::write(folder.path().join("refused.jsonl"), &refused[..refused.len() / 2]).unwrap();
    let outcome = gathered(&plan, folder.path(), Shard::WHOLE);
    assert_eq!(outcome.progress.before, 10);
    let mut now = files(folder.path());
    let mut before = undisturbed(None);
    // Places that were there do not try their refused candidates again.
    now.remove(Path::new("refused.jsonl"));
    before.remove(Path::new("refused.jsonl"));
    assert_eq!(now, before);
    assert_eq!(std::fs::read_dir(folder.path().join(".work")).unwrap().count(), 0);
}

#[test]
fn parts_joined_are_the_whole() {
    for per_tar in [None, Some(2)] {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(&catalog(), per_tar);
        for index in 0..3 {
            let shard = Shard { index, count: 3 };
            if index == 2 {
                let lacking = merge(folder.path(), &mut |_, _| {}).unwrap_err().to_string();
                assert!(lacking.contains("1 of 3 parts are not"), "{lacking}");
            }
            gathered(&plan, &folder.path().join(shard.folder()), shard);
        }
        let merged = merge(folder.path(), &mut |_, _| {}).unwrap();
        assert_eq!((merged.shards, merged.places, merged.pictures), (3, 12, 24));
        assert_eq!(files(folder.path()), undisturbed(per_tar));
    }
}

#[test]
fn a_damaged_part_is_not_joined() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(&catalog(), None);
    for index in 0..2 {
        let shard = Shard { index, count: 2 };
        gathered(&plan, &folder.path().join(shard.folder()), shard);
    }
    let date = std::fs::read_dir(folder.path().join("shard-00001-of-00002/000003")).unwrap().next().unwrap().unwrap();
    let path = date.path().join("B4.tif");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = merge(folder.path(), &mut |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("B4.tif does not have its checksum\nhint:"), "{error}");
}

#[test]
fn tars_hold_every_place_once_in_order() {
    let all = undisturbed(Some(5));
    let tars: Vec<String> =
        all.keys().map(|path| path.to_string_lossy().into_owned()).filter(|name| name.ends_with(".tar")).collect();
    assert!(!tars.is_empty() && all.len() == tars.len() + 3, "{all:?}");
}

#[test]
fn other_settings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(&catalog(), None);
    plan.locations = 1;
    gathered(&plan, folder.path(), Shard::WHOLE);
    plan.seed = 12;
    let error = run(&plan, folder.path(), Shard::WHOLE, &effort(), &mut Heard::default()).unwrap_err();
    assert!(error.is::<UsageError>() && error.to_string().contains("seed (11 there, 12 now)"), "{error}");
}

#[test]
fn a_byte_rate_is_kept() {
    let http = Http::new(HttpConfig { bytes_per_second: 100_000, ..HttpConfig::default() }).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let address = archive().join("33UWP/0/B02.tif");
    let file = http.file(address.to_str().unwrap()).unwrap();
    let began = std::time::Instant::now();
    for part in 0..4 {
        runtime.block_on(file.range(5_000 * part..5_000 * (part + 1))).unwrap();
    }
    assert!((0.15..0.6).contains(&began.elapsed().as_secs_f64()), "20 kB at 100 kB a second: {:?}", began.elapsed());
}
