//! The header of a GeoTIFF: its first directory, checked before anything is built on it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, bail};
use async_tiff::error::{AsyncTiffError, AsyncTiffResult};
use async_tiff::metadata::{ImageFileDirectoryReader, MetadataFetch, TiffMetadataReader};
use async_tiff::reader::Endianness;
use async_tiff::tags::{PlanarConfiguration, SampleFormat, Tag};
use async_tiff::{ImageFileDirectory, TagValue};
use async_trait::async_trait;
use bytes::Bytes;

use super::decode::{Layout, decoders};
use super::{Head, MAX_TILE_BYTES};
use crate::files::RangeReader;
use crate::http::HttpError;

/// Read of every file first: GDAL's header of a whole Sentinel-2 band with all its overviews is shorter.
const HEAD_BYTES: u64 = 8 << 10;
/// Read when a header goes on.
const MORE_HEAD_BYTES: u64 = 16 << 10;
/// A header with a longer entry is damaged.
const MAX_ENTRY_BYTES: u64 = 64 << 20;

/// The tags that are of use here; others may be damaged as they like.
const WANTED: [Tag; 18] = [
    Tag::ImageWidth,
    Tag::ImageLength,
    Tag::BitsPerSample,
    Tag::Compression,
    Tag::SamplesPerPixel,
    Tag::PlanarConfiguration,
    Tag::Predictor,
    Tag::TileWidth,
    Tag::TileLength,
    Tag::TileOffsets,
    Tag::TileByteCounts,
    Tag::SampleFormat,
    Tag::JPEGTables,
    Tag::ModelPixelScale,
    Tag::ModelTiepoint,
    Tag::GdalNodata,
    Tag::RowsPerStrip,
    Tag::GeoKeyDirectory,
];
/// Strips are read as tiles that are as wide as the file.
const STRIPS: [(Tag, Tag); 2] = [(Tag::StripOffsets, Tag::TileOffsets), (Tag::StripByteCounts, Tag::TileByteCounts)];

/// The parts of a header that were read, and where to get more from.
#[derive(Clone, Debug)]
struct Source {
    reader: RangeReader,
    parts: Arc<Mutex<Vec<(u64, Bytes)>>>,
}

impl Source {
    fn known(&self, range: &Range<u64>) -> Option<Bytes> {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().find_map(|(start, bytes)| {
            let from = usize::try_from(range.start.checked_sub(*start)?).ok()?;
            let until = usize::try_from(range.end.checked_sub(*start)?).ok()?;
            (until <= bytes.len()).then(|| bytes.slice(from..until))
        })
    }
}

#[async_trait]
impl MetadataFetch for Source {
    async fn fetch(&self, range: Range<u64>) -> AsyncTiffResult<Bytes> {
        if let Some(bytes) = self.known(&range) {
            return Ok(bytes);
        }
        let len = range.end.saturating_sub(range.start);
        if len > MAX_ENTRY_BYTES || range.end > u64::MAX / 2 {
            return Err(AsyncTiffError::EndOfFile(len, 0));
        }
        let more = if range.start == 0 { HEAD_BYTES } else { MORE_HEAD_BYTES };
        let asked = range.start..range.end.max(range.start + more);
        let bytes = self.reader.range(asked).await.map_err(|error| AsyncTiffError::External(Box::new(error)))?;
        let got = bytes.len() as u64;
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).push((range.start, bytes));
        self.known(&range).ok_or(AsyncTiffError::EndOfFile(len, got))
    }
}

/// What `async-tiff` says, or what stopped it.
pub(super) fn explained(error: AsyncTiffError) -> anyhow::Error {
    match error {
        AsyncTiffError::External(inner) => match inner.downcast::<HttpError>() {
            Ok(own) => anyhow::Error::new(*own),
            Err(inner) => anyhow!(inner),
        },
        error => anyhow::Error::new(error),
    }
}

/// Reads the header of a file.
pub(super) async fn read_head(reader: &RangeReader) -> Result<Head> {
    let source = Source { reader: reader.clone(), parts: Arc::default() };
    let start = TiffMetadataReader::try_open(&source).await.map_err(explained)?;
    let mut tags = read_tags(&source, &start).await?;
    strips_as_tiles(&mut tags)?;
    let is_point = tags.remove(&Tag::GeoKeyDirectory).is_some_and(is_pixel_point);
    let predictor = tags.remove(&Tag::Predictor).map_or(Ok(1), TagValue::into_u16)?;
    // Whatever the numbers mean, they are wanted as they are.
    tags.insert(Tag::PhotometricInterpretation, TagValue::Short(1));
    tags.entry(Tag::SamplesPerPixel).or_insert(TagValue::Short(1));
    for tag in [Tag::ImageWidth, Tag::ImageLength, Tag::BitsPerSample] {
        if !tags.contains_key(&tag) {
            bail!("its header is damaged");
        }
    }
    let layout = Layout {
        is_wide: false,
        is_big_endian: start.endianness() == Endianness::BigEndian,
        is_predicted: match predictor {
            1 => false,
            2 => true,
            _ => bail!("it holds other numbers than unsigned ones of 8 or 16 bits"),
        },
    };
    head(ImageFileDirectory::from_tags(tags, start.endianness()).map_err(explained)?, layout, is_point)
}

/// Whether coordinates name the middle of a pixel: GeoTIFF's key 1025 is 2. A header of four numbers comes first, then four for
/// each key: its number, where its value is (0: here), how many, the value.
fn is_pixel_point(keys: TagValue) -> bool {
    let keys = keys.into_u16_vec().unwrap_or_default();
    keys.get(4..).unwrap_or(&[]).as_chunks::<4>().0.contains(&[1025, 0, 1, 2])
}

/// The wanted entries of the first directory. Each is looked at before `async-tiff` reads it, which panics at types that it
/// does not know.
async fn read_tags(source: &Source, start: &TiffMetadataReader) -> Result<HashMap<Tag, TagValue>> {
    let (is_big, endianness) = (start.bigtiff(), start.endianness());
    let at = start.next_ifd_offset().filter(|at| *at < u64::MAX / 4).context("its header is damaged")?;
    let number = |bytes: &[u8]| {
        let add = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
        match endianness {
            Endianness::LittleEndian => bytes.iter().rev().fold(0, add),
            Endianness::BigEndian => bytes.iter().fold(0, add),
        }
    };
    let (count_len, entry_len) = if is_big { (8, 20) } else { (2, 12) };
    let count = number(&source.fetch(at..at + count_len).await.map_err(explained)?);
    if count > u64::from(u16::MAX) {
        bail!("its header is damaged");
    }
    let directory = ImageFileDirectoryReader::open(source, at, is_big, endianness).await.map_err(explained)?;
    let mut tags = HashMap::new();
    for entry in 0..count {
        let from = at + count_len + entry * entry_len;
        let bytes = source.fetch(from..from + entry_len).await.map_err(explained)?;
        let tag = Tag::from_u16_exhaustive(number(&bytes[..2]) as u16);
        if !WANTED.contains(&tag) && STRIPS.iter().all(|(strip, _)| *strip != tag) {
            continue;
        }
        let kind = number(&bytes[2..4]);
        let value_len = (entry_len as usize - 4) / 2;
        let (values, inline) = bytes[4..].split_at(value_len);
        if !is_readable(kind, number(values), inline, is_big) {
            bail!("its header is damaged");
        }
        let (tag, value) = directory.read_tag(source, entry).await.map_err(explained)?;
        tags.insert(tag, value);
    }
    Ok(tags)
}

/// Whether `async-tiff` reads an entry of this type, number of values and inline value without panicking.
fn is_readable(kind: u64, values: u64, inline: &[u8], is_big: bool) -> bool {
    let len = match kind {
        1 | 2 | 7 => 1,
        3 => 2,
        4 => 4,
        12 => 8,
        16 if is_big => 8,
        _ => return false,
    };
    let is_inline = values.checked_mul(len).is_some_and(|len| len <= inline.len() as u64);
    let is_text = || inline.get(..values as usize).is_some_and(|text| text.is_ascii() && text.ends_with(&[0]));
    values.checked_mul(len).is_some_and(|len| len <= MAX_ENTRY_BYTES) && (kind != 2 || !is_inline || is_text())
}

fn strips_as_tiles(tags: &mut HashMap<Tag, TagValue>) -> Result<()> {
    let rows = tags.remove(&Tag::RowsPerStrip);
    if tags.contains_key(&Tag::TileWidth) {
        return Ok(());
    }
    for (strip, tile) in STRIPS {
        let value = tags.remove(&strip).context("its header is damaged")?;
        tags.insert(tile, value);
    }
    let (Some(width), Some(height)) = (tags.get(&Tag::ImageWidth), tags.get(&Tag::ImageLength)) else {
        bail!("its header is damaged");
    };
    let (width, height) = (width.clone().into_u32()?, height.clone().into_u32()?);
    let rows = rows.map_or(Ok(height), TagValue::into_u32)?;
    tags.insert(Tag::TileWidth, TagValue::Unsigned(width));
    tags.insert(Tag::TileLength, TagValue::Unsigned(rows.min(height)));
    // The last strip ends where the file does.
    tags.insert(Tag::RowsPerStrip, TagValue::Unsigned(height % rows.max(1)));
    Ok(())
}

fn head(directory: ImageFileDirectory, layout: Layout, is_point: bool) -> Result<Head> {
    let no_grid = "it has no position on the ground (GeoTIFF tags)";
    let is_single = directory.samples_per_pixel() == 1;
    if !is_single || directory.planar_configuration() != PlanarConfiguration::Chunky {
        bail!("it has several bands\nhint: the archive must have one file a band");
    }
    let (scale, tie) = (directory.model_pixel_scale().context(no_grid)?, directory.model_tiepoint().context(no_grid)?);
    let ([sx, sy, ..], [i, j, _, x, y, ..]) = (scale, tie) else { bail!(no_grid) };
    let bits = match (directory.bits_per_sample(), directory.sample_format()) {
        ([bits @ (8 | 16)], [SampleFormat::Uint]) => usize::from(*bits),
        _ => bail!("it holds other numbers than unsigned ones of 8 or 16 bits"),
    };
    let (width, height) = (directory.image_width() as usize, directory.image_height() as usize);
    let tile = directory.tile_width().zip(directory.tile_height()).filter(|(width, height)| *width > 0 && *height > 0);
    let (tile_width, tile_height) = tile.context("its header is damaged")?;
    let (tile_width, tile_height) = (tile_width as usize, tile_height as usize);
    if *sx <= 0.0 || *sy <= 0.0 || width == 0 || height == 0 {
        bail!(no_grid);
    }
    let row_bytes = tile_width * bits / 8;
    let tile_bytes = row_bytes as u64 * tile_height as u64;
    let tiles =
        width.div_ceil(tile_width).checked_mul(height.div_ceil(tile_height)).context("its header is damaged")?;
    let (offsets, counts) = (directory.tile_offsets().unwrap_or(&[]), directory.tile_byte_counts().unwrap_or(&[]));
    let is_sound = |(offset, count): (&u64, &u64)| *count <= MAX_TILE_BYTES && *offset < u64::MAX / 4;
    if tile_bytes > MAX_TILE_BYTES
        || offsets.len() < tiles
        || counts.len() < tiles
        || !offsets.iter().zip(counts).all(is_sound)
    {
        bail!("its header is damaged");
    }
    let last_rows = directory.rows_per_strip().filter(|rows| *rows > 0).map_or(tile_height, |rows| rows as usize);
    let decoders = decoders(tile_bytes as usize, row_bytes * last_rows.min(tile_height));
    let compression = directory.compression();
    if !decoders.as_ref().contains_key(&compression) {
        bail!("its compression ({compression:?}) is not known\nhint: deflate, LZW, ZSTD, JPEG and none are");
    }
    let middle = if is_point { 0.5 } else { 0.0 };
    let nodata = directory.gdal_nodata().and_then(|text| text.trim_matches(['\0', ' ']).parse().ok());
    Ok(Head {
        layout: Layout { is_wide: bits == 16, ..layout },
        decoders,
        width,
        height,
        tile_width,
        tile_height,
        tile_bytes,
        counts: counts.to_vec(),
        // The corner of the first pixel.
        origin: [x - (i + middle) * sx, y + (j + middle) * sy],
        scale: [*sx, *sy],
        nodata,
        directory,
    })
}
