//! Reading windows of Cloud-Optimised GeoTIFFs: the header once a file, then just the tiles that a window touches.
//!
//! The `tiff` crate reads directories and decodes tiles; this module tells it which bytes there are, and fetches them.

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use libdeflater::Decompressor;
use tiff::decoder::{ChunkType, Decoder, DecodingResult, Limits};
use tiff::tags::{ByteOrder, Tag};

use crate::http::{Http, HttpError};

/// Read of every file first: GDAL's header of a whole Sentinel-2 band with all its overviews is shorter.
const HEAD_BYTES: u64 = 8 << 10;
/// Read when a header goes on.
const MORE_HEAD_BYTES: u64 = 16 << 10;
/// Tiles this close in the file are fetched together: GDAL keeps eight bytes between neighbours.
const GAP_BYTES: u64 = 256;
/// Headers that are kept.
const KEPT_HEADS: usize = 4096;
/// A tile that is larger is damage.
const MAX_TILE_BYTES: u64 = 256 << 20;

/// A patch with a longer side is a mistake.
const MAX_PX: i64 = 16_384;

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
struct Head {
    parts: Vec<(u64, Vec<u8>)>,
    width: usize,
    height: usize,
    tile_width: usize,
    tile_height: usize,
    offsets: Vec<u64>,
    counts: Vec<u64>,
    /// West and north edge of the first pixel.
    origin: [f64; 2],
    /// Metres a pixel.
    scale: [f64; 2],
    nodata: Option<f64>,
    /// How tiles are stored, when it is the usual way.
    deflated: Option<Deflated>,
}

/// Deflated tiles of little-endian numbers, as all public archives have them; others are left to the `tiff` crate.
#[derive(Clone, Copy)]
struct Deflated {
    /// Bytes a number: 1 or 2.
    bytes: usize,
    /// Whether a number is stored as its difference from its left neighbour.
    is_predicted: bool,
}

/// Reads windows; keeps the headers of the files it has seen.
pub struct Cogs {
    heads: Mutex<Heads>,
}

#[derive(Default)]
struct Heads {
    by_address: HashMap<String, Arc<Head>>,
    order: VecDeque<String>,
}

impl Default for Cogs {
    fn default() -> Self {
        Self::new()
    }
}

impl Cogs {
    /// A reader that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { heads: Mutex::default() }
    }

    /// Reads the square from the file at `address`; `key` names the file whatever is appended to its address.
    ///
    /// # Errors
    /// When the file cannot be read, is no single-band GeoTIFF of 8 or 16 bits, or its grid does not meet the square's.
    pub fn read(&self, http: &Http, key: &str, address: &str, square: Square) -> Result<Plane> {
        let head = self.head(http, key, address).with_context(|| format!("cannot read the scene file {key}"))?;
        head.window(http, address, square).with_context(|| format!("cannot read the scene file {key}"))
    }

    fn head(&self, http: &Http, key: &str, address: &str) -> Result<Arc<Head>> {
        if let Some(head) = self.heads.lock().unwrap_or_else(PoisonError::into_inner).by_address.get(key) {
            return Ok(Arc::clone(head));
        }
        let head = Arc::new(Head::read(http, address)?);
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        if heads.by_address.insert(key.to_owned(), Arc::clone(&head)).is_none() {
            heads.order.push_back(key.to_owned());
        }
        if heads.order.len() > KEPT_HEADS
            && let Some(oldest) = heads.order.pop_front()
        {
            heads.by_address.remove(&oldest);
        }
        Ok(head)
    }
}

impl Head {
    fn read(http: &Http, address: &str) -> Result<Self> {
        let first = http.range(address, 0, HEAD_BYTES)?.bytes;
        let mut sparse = Sparse::new(vec![(0, first)], Some((http, address)));
        let parsed = Self::parse(&mut sparse);
        if let Some(failure) = sparse.failure.take() {
            return Err(failure.into());
        }
        let mut head = parsed?;
        head.parts = sparse.parts;
        Ok(head)
    }

    fn parse(sparse: &mut Sparse<'_>) -> Result<Self> {
        let mut decoder = Decoder::new(sparse)?;
        let (width, height) = decoder.dimensions()?;
        let (tile_width, tile_height) = decoder.chunk_dimensions();
        let (offsets, counts) = match decoder.get_chunk_type() {
            ChunkType::Tile => (Tag::TileOffsets, Tag::TileByteCounts),
            ChunkType::Strip => (Tag::StripOffsets, Tag::StripByteCounts),
        };
        let (offsets, counts) = (decoder.get_tag_u64_vec(offsets)?, decoder.get_tag_u64_vec(counts)?);
        let samples: Option<u16> = decoder.find_tag_unsigned(Tag::SamplesPerPixel)?;
        if samples.unwrap_or(1) != 1 {
            bail!("it has several bands\nhint: the archive must have one file a band");
        }
        let no_grid = "it has no position on the ground (GeoTIFF tags)";
        let scale = decoder.get_tag_f64_vec(Tag::ModelPixelScaleTag).context(no_grid)?;
        let tie = decoder.get_tag_f64_vec(Tag::ModelTiepointTag).context(no_grid)?;
        let ([sx, sy, ..], [i, j, _, x, y, ..]) = (&scale[..], &tie[..]) else { bail!(no_grid) };
        if *sx <= 0.0 || *sy <= 0.0 || tile_width == 0 || tile_height == 0 {
            bail!(no_grid);
        }
        let deflated = deflated(&mut decoder)?;
        let nodata = decoder.find_tag(Tag::GdalNodata)?.and_then(|value| value.into_string().ok());
        let head = Self {
            parts: Vec::new(),
            width: width as usize,
            height: height as usize,
            tile_width: tile_width as usize,
            tile_height: tile_height as usize,
            origin: [x - i * sx, y + j * sy],
            scale: [*sx, *sy],
            nodata: nodata.and_then(|text| text.trim_matches(['\0', ' ']).parse().ok()),
            offsets,
            counts,
            deflated,
        };
        let tiles = head.tiles_across() * head.height.div_ceil(head.tile_height);
        let tile_bytes = head.tile_width as u64 * head.tile_height as u64 * 2;
        if head.offsets.len() < tiles || head.counts.len() < tiles || tile_bytes > MAX_TILE_BYTES {
            bail!("its header is damaged");
        }
        Ok(head)
    }

    fn tiles_across(&self) -> usize {
        self.width.div_ceil(self.tile_width)
    }

    fn window(&self, http: &Http, address: &str, square: Square) -> Result<Plane> {
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
        let px = px as usize;
        let mut plane = Plane { px, values: vec![0; px * px], valid: vec![false; px * px], tile_bytes: 0 };
        // The part of the window inside the file: columns and rows of the file.
        let span = |start: i64, len: usize| {
            let from = start.clamp(0, len as i64) as usize;
            from..((start + px as i64).clamp(from as i64, len as i64) as usize)
        };
        let (columns, rows) = (span(left, self.width), span(top, self.height));
        if columns.is_empty() || rows.is_empty() {
            return Ok(plane);
        }
        let mut tiles = Vec::new();
        for row in rows.start / self.tile_height..=(rows.end - 1) / self.tile_height {
            for column in columns.start / self.tile_width..=(columns.end - 1) / self.tile_width {
                let index = row * self.tiles_across() + column;
                // GDAL leaves out tiles without any data.
                if self.counts[index] > 0 {
                    tiles.push((index, row, column));
                }
            }
        }
        plane.tile_bytes = tiles.iter().map(|&(index, ..)| self.counts[index]).sum();
        let mut parts = self.parts.clone();
        for (offset, len) in self.runs(&tiles)? {
            if !parts.iter().any(|(start, bytes)| *start <= offset && offset + len <= start + bytes.len() as u64) {
                parts.push((offset, http.range(address, offset, len)?.bytes));
            }
        }
        let mut keep = |x: usize, y: usize, value: u16| {
            let to = (y as i64 - top) as usize * px + (x as i64 - left) as usize;
            plane.values[to] = value;
            // Sentinel-2's products mean "no data" by 0 whether or not the file says so.
            plane.valid[to] = value != 0 && self.nodata != Some(f64::from(value));
        };
        if let Some(deflated) = self.deflated {
            let mut numbers = vec![0; self.tile_width * self.tile_height * deflated.bytes];
            for (index, row, column) in tiles {
                deflated.inflate(self.stored(&parts, index)?, &mut numbers)?;
                let (x0, y0) = (column * self.tile_width, row * self.tile_height);
                for y in rows.start.max(y0)..rows.end.min(y0 + self.tile_height) {
                    let line = &numbers[(y - y0) * self.tile_width * deflated.bytes..];
                    let until = columns.end.min(x0 + self.tile_width);
                    for (x, value) in (x0..until).zip(deflated.numbers(line)) {
                        if x >= columns.start {
                            keep(x, y, value);
                        }
                    }
                }
            }
            return Ok(plane);
        }
        let mut sparse = Sparse::new(parts, None);
        let mut limits = Limits::default();
        limits.decoding_buffer_size = MAX_TILE_BYTES as usize;
        let mut decoder = Decoder::new(&mut sparse)?.with_limits(limits);
        for (index, row, column) in tiles {
            let chunk = u32::try_from(index).context("it has too many tiles")?;
            let (width, _) = decoder.chunk_data_dimensions(chunk);
            let values = decoder.read_chunk(chunk)?;
            let (x0, y0) = (column * self.tile_width, row * self.tile_height);
            for y in rows.start.max(y0)..rows.end.min(y0 + self.tile_height) {
                for x in columns.start.max(x0)..columns.end.min(x0 + width as usize) {
                    let at = (y - y0) * width as usize + (x - x0);
                    let value = match &values {
                        DecodingResult::U8(values) => values.get(at).map(|value| u16::from(*value)),
                        DecodingResult::U16(values) => values.get(at).copied(),
                        _ => bail!("it holds other numbers than unsigned ones of 8 or 16 bits"),
                    };
                    keep(x, y, value.context("a tile is too short")?);
                }
            }
        }
        Ok(plane)
    }

    /// The bytes of a tile among the parts that were read.
    fn stored<'a>(&self, parts: &'a [(u64, Vec<u8>)], index: usize) -> Result<&'a [u8]> {
        let (offset, len) = (self.offsets[index], self.counts[index] as usize);
        let inside = |(start, bytes): &'a (u64, Vec<u8>)| {
            let at = usize::try_from(offset.checked_sub(*start)?).ok()?;
            bytes.get(at..at.checked_add(len)?)
        };
        parts.iter().find_map(inside).context("the file ends before its tiles do")
    }

    /// Ranges of bytes that hold the tiles, neighbours joined: offset and length.
    fn runs(&self, tiles: &[(usize, usize, usize)]) -> Result<Vec<(u64, u64)>> {
        let mut spans: Vec<(u64, u64)> =
            tiles.iter().map(|&(index, ..)| (self.offsets[index], self.counts[index])).collect();
        spans.sort_unstable();
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for (offset, len) in spans {
            if len > MAX_TILE_BYTES || offset > u64::MAX - len {
                bail!("its header is damaged");
            }
            match runs.last_mut() {
                Some((start, total)) if offset <= *start + *total + GAP_BYTES => {
                    *total = (*total).max(offset + len - *start);
                }
                _ => runs.push((offset, len)),
            }
        }
        Ok(runs)
    }
}

/// How tiles are stored, when it is the usual way.
fn deflated(decoder: &mut Decoder<&mut Sparse<'_>>) -> Result<Option<Deflated>> {
    let mut tag = |tag, usual| decoder.find_tag_unsigned::<u16>(tag).map(|value| value.unwrap_or(usual));
    let compression = tag(Tag::Compression, 1)?;
    let (predictor, bits, kind) = (tag(Tag::Predictor, 1)?, tag(Tag::BitsPerSample, 1)?, tag(Tag::SampleFormat, 1)?);
    let is_usual = matches!(compression, 8 | 32_946)
        && matches!(predictor, 1 | 2)
        && matches!(bits, 8 | 16)
        && kind == 1
        && decoder.get_chunk_type() == ChunkType::Tile
        && decoder.byte_order() == ByteOrder::LittleEndian;
    Ok(is_usual.then_some(Deflated { bytes: usize::from(bits / 8), is_predicted: predictor == 2 }))
}

impl Deflated {
    fn inflate(self, stored: &[u8], numbers: &mut [u8]) -> Result<()> {
        let len = Decompressor::new().zlib_decompress(stored, numbers).context("a tile is damaged")?;
        if len != numbers.len() {
            bail!("a tile is too short");
        }
        Ok(())
    }

    /// The numbers of a line from its left end on.
    fn numbers(self, line: &[u8]) -> impl Iterator<Item = u16> {
        let mask = if self.bytes == 1 { 0xff } else { 0xffff };
        line.chunks_exact(self.bytes).scan(0u16, move |last, bytes| {
            let own = bytes.iter().rev().fold(0u16, |number, byte| (number << 8) | u16::from(*byte));
            *last = if self.is_predicted { last.wrapping_add(own) & mask } else { own };
            Some(*last)
        })
    }
}

/// A file of which some parts are here; others are fetched if there is somewhere to fetch them from.
struct Sparse<'a> {
    parts: Vec<(u64, Vec<u8>)>,
    position: u64,
    source: Option<(&'a Http, &'a str)>,
    failure: Option<HttpError>,
}

impl<'a> Sparse<'a> {
    fn new(parts: Vec<(u64, Vec<u8>)>, source: Option<(&'a Http, &'a str)>) -> Self {
        Self { parts, position: 0, source, failure: None }
    }
}

impl Read for Sparse<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        for fetched in [false, true] {
            for (start, bytes) in &self.parts {
                let inside = self.position.checked_sub(*start).filter(|at| *at < bytes.len() as u64);
                if let Some(at) = inside {
                    let rest = &bytes[at as usize..];
                    let count = rest.len().min(buffer.len());
                    buffer[..count].copy_from_slice(&rest[..count]);
                    self.position += count as u64;
                    return Ok(count);
                }
            }
            let Some((http, address)) = self.source.filter(|_| !fetched) else { break };
            match http.range(address, self.position, MORE_HEAD_BYTES) {
                Ok(part) => self.parts.push((self.position, part.bytes)),
                Err(failure) => {
                    self.failure = Some(failure);
                    return Err(std::io::Error::other("the header cannot be read"));
                }
            }
        }
        Ok(0)
    }
}

impl Seek for Sparse<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(_) => None,
        }
        .ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
