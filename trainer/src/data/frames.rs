//! Frames: one picture of one place at one date, from one file or from one file a band.

use std::sync::{Arc, OnceLock};

use shared::bands::{Band, Bands};
use shared::preprocess::resize;
use shared::tile::Tile;

use super::SampleError;
use super::cache::Cache;
use super::decode::decode_planes;
use super::decoded::Decoded;
use super::fingerprint::fingerprint;
use super::picture::{Picture, SampleKind, Samples, some_or_none};
use super::store::Store;

/// The files of one picture.
#[derive(Clone, Debug)]
pub(super) enum FrameFiles {
    /// All bands in one file (an index into the store).
    Whole(usize),
    /// One file a band, in the order of the wanted bands.
    PerBand(Vec<usize>),
    /// In memory already.
    Ready(Arc<Picture>),
}

/// One picture and what it is called.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) name: String,
    pub(super) files: FrameFiles,
}

/// All pictures of a source, decoded when asked for and kept within the cache's bound.
pub(super) struct Frames {
    store: Option<Store>,
    frames: Vec<Frame>,
    cache: Cache,
    /// Of every picture that has been read.
    fingerprints: Vec<OnceLock<u64>>,
    /// What the planes of a file with all bands are.
    file_bands: Option<Bands>,
    /// Which planes of a file with all bands are taken; `None` for all.
    selection: Option<Vec<usize>>,
    /// Set once the first picture is known; all others must agree.
    kind: Option<SampleKind>,
}

impl Frames {
    pub(super) fn new(store: Option<Store>, frames: Vec<Frame>, cache_bytes: usize) -> Self {
        let cache = Cache::new(frames.len(), cache_bytes);
        let fingerprints = (0..frames.len()).map(|_| OnceLock::new()).collect();
        Self { store, frames, cache, fingerprints, file_bands: None, selection: None, kind: None }
    }

    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn name(&self, index: usize) -> &str {
        &self.frames[index].name
    }

    pub(super) fn cache(&self) -> &Cache {
        &self.cache
    }

    pub(super) fn kind(&self) -> Option<SampleKind> {
        self.kind
    }

    /// The fingerprint of a picture that has been read.
    pub(super) fn fingerprint(&self, index: usize) -> Option<u64> {
        self.fingerprints[index].get().copied()
    }

    /// What every picture from now on must be; `selection` picks planes of files with all bands.
    pub(super) fn expect(&mut self, file_bands: Bands, selection: Option<Vec<usize>>, kind: SampleKind) {
        self.file_bands = Some(file_bands);
        self.selection = selection;
        self.kind = Some(kind);
    }

    /// The bytes decoded, with nothing selected or checked or kept.
    pub(super) fn decode_raw(&self, index: usize) -> Result<Decoded, SampleError> {
        let frame = &self.frames[index];
        match &frame.files {
            FrameFiles::Whole(file) => self.decode_file(*file, &frame.name),
            FrameFiles::PerBand(files) => self.decode_bands(files, &frame.name).map(Decoded::plain),
            FrameFiles::Ready(picture) => Ok(Decoded::plain(picture.as_ref().clone())),
        }
    }

    /// The wanted planes of a file: opacities too when they are named as a band.
    fn fitted(&self, decoded: Decoded) -> Picture {
        match &self.file_bands {
            Some(bands) if bands.len() == decoded.picture.bands => decoded.picture,
            _ => decoded.without_alpha(),
        }
    }

    /// The picture with the wanted bands.
    pub(super) fn picture(&self, index: usize) -> Result<Arc<Picture>, SampleError> {
        let frame = &self.frames[index];
        if let (FrameFiles::Ready(picture), None) = (&frame.files, &self.selection) {
            self.fingerprints[index].get_or_init(|| fingerprint(picture));
            return Ok(Arc::clone(picture));
        }
        self.cache.get(index, || {
            let picture = self.fitted(self.decode_raw(index)?);
            self.check(&picture, &frame.name)?;
            let picture = match &self.selection {
                Some(indices) => picture.select(indices),
                None => picture,
            };
            self.fingerprints[index].get_or_init(|| fingerprint(&picture));
            Ok(picture)
        })
    }

    fn check(&self, picture: &Picture, name: &str) -> Result<(), SampleError> {
        let kind = picture.kind();
        if self.kind.is_some_and(|expected| expected != kind) {
            let expected = self.kind.unwrap_or(kind);
            return Err(SampleError::new(
                name,
                format!("it holds {kind} samples, the rest of the source {expected} ones"),
            ));
        }
        match &self.file_bands {
            Some(bands) if bands.len() != picture.bands => Err(SampleError::new(
                name,
                format!("it has {} bands, the rest of the source {}", picture.bands, bands.len()),
            )),
            _ => Ok(()),
        }
    }

    fn decode_file(&self, file: usize, name: &str) -> Result<Decoded, SampleError> {
        let store = self.store.as_ref().ok_or_else(|| SampleError::new(name, "it has no file"))?;
        let bytes = store.bytes(file).map_err(|error| SampleError::new(name, error))?;
        decode_planes(&bytes).map_err(|error| SampleError::of_bytes(name, &error))
    }

    /// Stacks one file a band, each resampled to the finest grid among them (10 m where a 10 m band is taken).
    fn decode_bands(&self, files: &[usize], name: &str) -> Result<Picture, SampleError> {
        let problem = |why: String| SampleError::new(name, why);
        let planes = files
            .iter()
            .map(|&file| {
                let path = self.store.as_ref().and_then(|store| store.names().get(file)).map_or(name, String::as_str);
                let plane = self.decode_file(file, path)?.without_alpha();
                (plane.bands == 1)
                    .then_some(plane)
                    .ok_or_else(|| SampleError::new(path, "a file of one band has several"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let height = planes.iter().map(|plane| plane.height).max().unwrap_or(0);
        let width = planes.iter().map(|plane| plane.width).max().unwrap_or(0);
        let kind = planes.first().map_or(SampleKind::U8, Picture::kind);
        if planes.iter().any(|plane| plane.kind() != kind) {
            return Err(problem("its bands are of different types".to_owned()));
        }
        let bands = planes.len();
        let mut missing = Vec::new();
        let mut stacked = vec![0.0f32; height * width * bands]; // [height, width, bands], in the files' own units
        for (band, plane) in planes.iter().enumerate() {
            let tile = raw_tile(plane).map_err(|error| problem(error.to_string()))?;
            let grid = if (plane.height, plane.width) == (height, width) { tile } else { resize(&tile, height, width) };
            for (pixel, value) in stacked.chunks_exact_mut(bands).zip(grid.plane(0)) {
                pixel[band] = *value;
            }
            if !plane.missing.is_empty() {
                missing.resize(height * width * bands, false);
                for (at, pixel) in missing.chunks_exact_mut(bands).enumerate() {
                    let (row, column) = (at / width * plane.height / height, at % width * plane.width / width);
                    pixel[band] = plane.is_missing(row, column, 0);
                }
            }
        }
        let samples = match kind {
            SampleKind::U8 => Samples::U8(stacked.iter().map(|value| value.round() as u8).collect()),
            SampleKind::U16 => Samples::U16(stacked.iter().map(|value| value.round() as u16).collect()),
            SampleKind::I16 => Samples::I16(stacked.iter().map(|value| value.round() as i16).collect()),
            SampleKind::F32 => Samples::F32(stacked),
        };
        Ok(Picture { bands, height, width, samples, missing: some_or_none(missing) })
    }
}

/// One band with its stored numbers unscaled, for resampling: integers up to 65 535 are exact in f32. What is missing
/// takes the mean of the rest, so that no neighbour is blended with a mark.
fn raw_tile(plane: &Picture) -> Result<Tile, shared::tile::TileError> {
    let mut values: Vec<f32> = match &plane.samples {
        Samples::U8(samples) => samples.iter().map(|&value| f32::from(value)).collect(),
        Samples::U16(samples) => samples.iter().map(|&value| f32::from(value)).collect(),
        Samples::I16(samples) => samples.iter().map(|&value| f32::from(value)).collect(),
        Samples::F32(samples) => samples.clone(),
    };
    let seen: Vec<f64> = values
        .iter()
        .zip(&plane.missing)
        .filter(|(_, missing)| !**missing)
        .map(|(value, _)| f64::from(*value))
        .collect();
    let mean = (seen.iter().sum::<f64>() / seen.len().max(1) as f64) as f32;
    values.iter_mut().zip(&plane.missing).filter(|(_, missing)| **missing).for_each(|(value, _)| *value = mean);
    Tile::new(1, plane.height, plane.width, values)
}

/// What the planes of a picture with `count` bands are called when nobody says: red, green, blue for three, else
/// `band1`, `band2`, …
pub(super) fn default_bands(count: usize) -> Result<Bands, shared::bands::BandsError> {
    if count == 3 {
        return Ok(Bands::rgb());
    }
    Bands::new((1..=count).map(|at| Band::Other(format!("band{at}"))).collect())
}
