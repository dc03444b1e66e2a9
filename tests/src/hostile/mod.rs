//! Everything that takes bytes from strangers, each as one function of bytes: what the mutation run of the tests and the
//! targets of `cargo fuzz` feed. None may panic, or hold more memory than it states.

mod mutate;
mod seeds;

pub use mutate::{Random, mutate};

use std::cell::RefCell;
use std::io::Write;
use std::path::PathBuf;

use gather::archive::{Archive, BANDS, dn_offset};
use gather::geo::LonLat;
use gather::outline::Outline;
use gather::stac::Scene;
use raster::{Memory, Reader};
use shared::artifact::Artifact;
use shared::gallery::Gallery;
use trainer::data::{Store, decode_within, parse_list};
use trainer::encoder_file::load_encoder;

/// Most memory that a picture may take when it is decoded here; users have more.
const PICTURE_BYTES: u64 = 16 << 20;
const MIB: usize = 1 << 20;

/// One reader of bytes.
pub struct Decoder {
    /// Of the test and of the target of `cargo fuzz`.
    pub name: &'static str,
    /// Reads, and gives up what it read.
    pub read: fn(&[u8]),
    /// Real files, each with its name.
    pub seeds: fn() -> Vec<(String, Vec<u8>)>,
    /// Most memory that it may hold at once for a file of this many bytes.
    pub bound: fn(usize) -> usize,
}

/// All of them.
pub const DECODERS: [Decoder; 11] = [
    Decoder {
        name: "raster",
        read: raster,
        seeds: seeds::tiffs,
        // A block, and twice the pixels that are asked for below.
        bound: |len| 4 * len + raster::MAX_BLOCK_BYTES + 64 * MIB,
    },
    Decoder {
        name: "picture",
        read: picture,
        seeds: seeds::pictures,
        bound: |len| 4 * len + raster::MAX_BLOCK_BYTES + 4 * PICTURE_BYTES as usize,
    },
    Decoder { name: "npy", read: picture, seeds: seeds::arrays, bound: |len| 24 * len + MIB },
    Decoder { name: "list", read: list, seeds: seeds::lists, bound: |len| 64 * len + MIB },
    Decoder { name: "artifact", read: artifact, seeds: seeds::artifacts, bound: |len| 16 * len + MIB },
    Decoder { name: "gallery", read: gallery, seeds: seeds::galleries, bound: |len| 64 * len + MIB },
    Decoder { name: "encoder", read: encoder, seeds: seeds::encoders, bound: |len| 64 * len + 16 * MIB },
    Decoder { name: "pth", read: pth, seeds: seeds::state_dicts, bound: |len| 64 * len + 16 * MIB },
    Decoder { name: "tar", read: tar, seeds: seeds::tars, bound: |len| 64 * len + 4 * MIB },
    Decoder { name: "stac", read: stac, seeds: seeds::items, bound: |len| 256 * len + MIB },
    // An edge lies in all of the 720 bands of latitude that it crosses.
    Decoder { name: "geojson", read: geojson, seeds: seeds::regions, bound: |len| 2048 * len + MIB },
];

/// The decoder of this name.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn decoder(name: &str) -> &'static Decoder {
    let found = DECODERS.iter().find(|decoder| decoder.name == name);
    found.unwrap_or_else(|| panic!("no decoder is called {name}"))
}

fn raster(bytes: &[u8]) {
    let Ok(mut reader) = Reader::open(Memory(bytes)) else { return };
    let header = reader.header();
    let area = header.width.saturating_mul(header.height);
    // What a header claims is the caller's to cap.
    if area.saturating_mul(header.bands.len()) > 1 << 20 {
        return;
    }
    let (bands, height): (Vec<usize>, usize) = ((0..header.bands.len()).collect(), header.height);
    drop(reader.read(&bands, 0..height));
    // Backwards, a row at a time, as a page that is scrolled up.
    for row in (0..height).rev().take(8) {
        drop(reader.read(&bands[..1], row..row + 1));
    }
}

fn picture(bytes: &[u8]) {
    if let Ok(decoded) = decode_within(bytes, PICTURE_BYTES) {
        let _ = decoded.alpha_is_measured();
        let picture = decoded.without_alpha();
        let _ = trainer::data::fingerprint(&picture);
        drop(picture.tile(-1000));
    }
}

fn list(bytes: &[u8]) {
    drop(parse_list(bytes, &"list"));
}

fn artifact(bytes: &[u8]) {
    drop(Artifact::from_bytes(bytes));
}

fn gallery(bytes: &[u8]) {
    if let Ok(gallery) = Gallery::from_bytes(bytes)
        && let Some(first) = gallery.embedding(0)
    {
        drop(gallery.nearest(first, 3));
    }
}

fn encoder(bytes: &[u8]) {
    in_file("encoder.safetensors", bytes, |path| drop(load_encoder(path)));
}

fn pth(bytes: &[u8]) {
    in_file("encoder.pth", bytes, |path| drop(load_encoder(path)));
}

fn tar(bytes: &[u8]) {
    in_file("pictures.tar", bytes, |path| {
        if let Ok(store) = Store::open(path) {
            (0..store.names().len().min(8)).for_each(|index| drop(store.bytes(index)));
        }
    });
}

fn stac(bytes: &[u8]) {
    let archive = Archive::at("https://host/catalog.json");
    let Ok(items) = gather::catalog::items_in(bytes, "https://host/item.json", &|_| {}) else { return };
    for item in items {
        let _ = (item.moment(), item.cloud_cover(), item.epsg(), item.touches([-1.0, -1.0, 1.0, 1.0]));
        for band in BANDS {
            let _ = archive.asset(&item, band).map(|asset| dn_offset(&item, asset));
        }
        let _ = archive.scl_asset(&item);
    }
}

fn geojson(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for outline in Outline::from_geojson(text).unwrap_or_default() {
        let _ = (outline.bounds(), outline.contains(LonLat { lon: 179.5, lat: -16.5 }));
    }
}

/// Has `read` read the bytes from a file of this name, which every thread writes anew.
fn in_file(name: &str, bytes: &[u8], read: impl FnOnce(&std::path::Path)) {
    thread_local! {
        static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
    }
    let path: Option<PathBuf> = FOLDER.with_borrow_mut(|folder| {
        if folder.is_none() {
            *folder = tempfile::tempdir().ok();
        }
        folder.as_ref().map(|folder| folder.path().join(name))
    });
    let Some(path) = path else { return };
    if std::fs::File::create(&path).and_then(|mut file| file.write_all(bytes)).is_ok() {
        read(&path);
    }
}
