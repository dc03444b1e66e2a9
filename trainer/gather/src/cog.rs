//! Reading windows of Cloud-Optimised GeoTIFFs: the header once a file, then just the tiles that a window touches.
//!
//! `async-tiff` reads directories and decodes tiles; this module says which ones, and cuts the window out of them.

mod decode;
mod header;

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use async_tiff::decoder::DecoderRegistry;
use async_tiff::error::{AsyncTiffError, AsyncTiffResult};
use async_tiff::{CompressedBytes, ImageFileDirectory, Tile};
use tokio::sync::{OnceCell, Semaphore};

use crate::cog::decode::Layout;
use crate::cog::header::{explained, read_head};
use crate::cpu::Cpu;
use crate::files::RangeReader;
use crate::http::Http;

/// Headers that are kept.
const KEPT_HEADS: usize = 4096;
/// A tile that is larger is damage.
const MAX_TILE_BYTES: u64 = 256 << 20;
/// A patch with a longer side is a mistake.
const MAX_PX: i64 = 16_384;
/// What memory is counted in.
const MEMORY_UNIT: u64 = 64 << 10;

/// A square cut from a file, in the file's own resolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// Pixels a side.
    pub px: usize,
    /// The stored numbers, row by row from the north-west; 0 where there is nothing.
    pub values: Vec<u16>,
    /// Whether there is a measurement: the pixel lies inside the file and is not "no data".
    pub valid: Vec<bool>,
    /// Bytes of the tiles that it touches, as stored.
    pub tile_bytes: u64,
}

impl Plane {
    /// Takes pixels that it lacks from another plane of its size.
    pub(crate) fn fill(&mut self, other: &Self) {
        self.tile_bytes += other.tile_bytes;
        for at in 0..self.values.len() {
            if !self.valid[at] && other.valid[at] {
                (self.values[at], self.valid[at]) = (other.values[at], true);
            }
        }
    }
}

/// A square on the ground, in the file's coordinate system.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Square {
    /// Western edge, metres.
    pub west: f64,
    /// Northern edge, metres.
    pub north: f64,
    /// Side, metres.
    pub side: f64,
}

/// What is known of a file after its header was read.
#[derive(Debug)]
struct Head {
    directory: ImageFileDirectory,
    decoders: DecoderRegistry,
    layout: Layout,
    width: usize,
    height: usize,
    tile_width: usize,
    tile_height: usize,
    /// Bytes of a decoded tile.
    tile_bytes: u64,
    /// Stored bytes of every tile.
    counts: Vec<u64>,
    /// West and north edge of the first pixel.
    origin: [f64; 2],
    /// Metres a pixel.
    scale: [f64; 2],
    nodata: Option<f64>,
}

/// The part of a file that a window covers, in its pixels.
struct Cut {
    px: usize,
    /// Column and row of the window's first pixel; may lie outside.
    start: [i64; 2],
    columns: Range<usize>,
    rows: Range<usize>,
}

/// Reads windows; keeps the headers of the files it has seen. Clones share everything.
#[derive(Clone)]
pub struct Cogs {
    heads: Arc<Mutex<Heads>>,
    memory: Arc<Semaphore>,
    cpu: Cpu,
    units: u32,
}

#[derive(Default)]
struct Heads {
    by_address: HashMap<String, Arc<OnceCell<Arc<Head>>>>,
    order: VecDeque<String>,
}

impl Default for Cogs {
    fn default() -> Self {
        Self::new(1 << 30, Cpu::default())
    }
}

impl Cogs {
    /// A reader that has seen nothing yet. Tiles that are being read and decoded take `memory_bytes` at most, or one window if
    /// that is more.
    #[must_use]
    pub fn new(memory_bytes: u64, cpu: Cpu) -> Self {
        let units = (memory_bytes / MEMORY_UNIT).clamp(1, 1 << 20) as u32;
        Self { heads: Arc::default(), memory: Arc::new(Semaphore::new(units as usize)), cpu, units }
    }

    /// Reads the square from the file at `address`; `key` names the file whatever is appended to its address.
    ///
    /// # Errors
    /// When the file cannot be read, is no single-band GeoTIFF of 8 or 16 bits, or its grid does not meet the square's.
    pub async fn read(&self, http: &Http, key: &str, address: &str, square: Square) -> Result<Plane> {
        let read = async {
            let reader = http.file(address)?;
            let cell = self.cell(key);
            let head = cell.get_or_try_init(|| async { read_head(&reader).await.map(Arc::new) }).await?;
            self.window(Arc::clone(head), &reader, square).await
        };
        read.await.with_context(|| format!("cannot read the scene file {key}"))
    }

    /// Where the header of a file is kept; the first who comes reads it, and the others wait.
    fn cell(&self, key: &str) -> Arc<OnceCell<Arc<Head>>> {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = heads.by_address.get(key) {
            return Arc::clone(cell);
        }
        let cell = Arc::default();
        heads.by_address.insert(key.to_owned(), Arc::clone(&cell));
        heads.order.push_back(key.to_owned());
        if heads.order.len() > KEPT_HEADS
            && let Some(oldest) = heads.order.pop_front()
        {
            heads.by_address.remove(&oldest);
        }
        cell
    }

    async fn window(&self, head: Arc<Head>, reader: &RangeReader, square: Square) -> Result<Plane> {
        let cut = head.cut(square)?;
        let tiles = head.tiles(&cut);
        let tile_bytes: u64 = tiles.iter().map(|&(column, row)| head.counts[head.index(column, row)]).sum();
        let need = (tile_bytes + head.tile_bytes).div_ceil(MEMORY_UNIT).clamp(1, u64::from(self.units)) as u32;
        let memory = Arc::clone(&self.memory).acquire_many_owned(need).await?;
        let fetched = head.directory.fetch_tiles(&tiles, reader).await.map_err(explained)?;
        let decode = move || {
            let _memory = memory;
            let mut plane =
                Plane { px: cut.px, values: vec![0; cut.px * cut.px], valid: vec![false; cut.px * cut.px], tile_bytes };
            fetched.iter().try_for_each(|tile| head.paste(tile, &cut, &mut plane))?;
            Ok(plane)
        };
        self.cpu.run(decode).await?
    }
}

impl Head {
    fn tiles_across(&self) -> usize {
        self.width.div_ceil(self.tile_width)
    }

    fn index(&self, column: usize, row: usize) -> usize {
        row * self.tiles_across() + column
    }

    /// The window of a square.
    fn cut(&self, square: Square) -> Result<Cut> {
        let whole = |value: f64| ((value - value.round()).abs() < 1e-3).then_some(value.round() as i64);
        let [sx, sy] = self.scale;
        let aligned = whole((square.west - self.origin[0]) / sx)
            .zip(whole((self.origin[1] - square.north) / sy))
            .zip(whole(square.side / sx).zip(whole(square.side / sy)).filter(|(across, down)| across == down));
        let Some(((left, top), (px, _))) = aligned else {
            bail!(
                "its grid of {sx} m does not meet the patch's\nhint: Sentinel-2's own grids start at multiples of 60 m"
            );
        };
        if !(1..=MAX_PX).contains(&px) {
            bail!("its pixels of {sx} m do not fit the patch");
        }
        // Columns and rows of the file.
        let span = |start: i64, len: usize| {
            let from = start.clamp(0, len as i64) as usize;
            from..((start.saturating_add(px)).clamp(from as i64, len as i64) as usize)
        };
        let (columns, rows) = (span(left, self.width), span(top, self.height));
        Ok(Cut { px: px as usize, start: [left, top], columns, rows })
    }

    /// Column and row of the tiles that a window touches. GDAL leaves out tiles without any data.
    fn tiles(&self, cut: &Cut) -> Vec<(usize, usize)> {
        if cut.columns.is_empty() || cut.rows.is_empty() {
            return Vec::new();
        }
        let columns = cut.columns.start / self.tile_width..=(cut.columns.end - 1) / self.tile_width;
        let rows = cut.rows.start / self.tile_height..=(cut.rows.end - 1) / self.tile_height;
        rows.flat_map(|row| columns.clone().map(move |column| (column, row)))
            .filter(|&(column, row)| self.counts[self.index(column, row)] > 0)
            .collect()
    }

    /// Decodes a tile and copies what lies inside the window.
    fn paste(&self, tile: &Tile, cut: &Cut, plane: &mut Plane) -> Result<()> {
        let (x0, y0) = (tile.x() * self.tile_width, tile.y() * self.tile_height);
        let decoded = self.decode(tile).map_err(explained).context("a tile is damaged")?;
        // Sentinel-2's products mean "no data" by 0 whether or not the file says so.
        let nodata = self.nodata.filter(|value| (0.0..=65_535.0).contains(value) && value.fract() == 0.0);
        let nodata = nodata.unwrap_or(0.0) as u16;
        let (from, until) = (cut.columns.start.max(x0), cut.columns.end.min(x0 + self.tile_width));
        let mut numbers = vec![0; until - x0];
        for y in cut.rows.start.max(y0)..cut.rows.end.min(y0 + self.tile_height) {
            self.layout.read(&decoded[(y - y0) * self.tile_width * self.layout.bytes()..], &mut numbers);
            let to = (y as i64 - cut.start[1]) as usize * cut.px + (from as i64 - cut.start[0]) as usize;
            let kept = plane.values[to..].iter_mut().zip(&mut plane.valid[to..]);
            for ((value, valid), &stored) in kept.zip(&numbers[from - x0..]) {
                *value = stored;
                *valid = stored != 0 && stored != nodata;
            }
        }
        Ok(())
    }

    /// The bytes of a tile, as long as all tiles of the file.
    fn decode(&self, tile: &Tile) -> AsyncTiffResult<Vec<u8>> {
        let (CompressedBytes::Chunky(bytes), method) = (tile.compressed_bytes(), tile.compression_method()) else {
            return Err(AsyncTiffError::General("it has several bands".to_owned()));
        };
        let decoder = self.decoders.as_ref().get(&method);
        let decoder =
            decoder.ok_or_else(|| AsyncTiffError::General(format!("its compression {method:?} is not known")))?;
        let (kind, bits) = (tile.photometric_interpretation(), 8 * self.layout.bytes() as u16);
        decoder.decode_tile(bytes.clone(), kind, tile.jpeg_tables().map(AsRef::as_ref), 1, bits, None)
    }
}
