//! A TIFF read a few rows at a time, however large it is: only the bands that are wanted, strip by strip or tile by tile.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use tiff::TiffError;
use tiff::decoder::{ChunkType, Decoder, DecodingResult, Limits};
use tiff::tags::{ByteOrder, PhotometricInterpretation, Tag};

use crate::problem::Problem;
use crate::scene::bands::FileBands;
use crate::scene::gdal::Metadata;
use crate::scene::georeference::{GeoTags, Georeference};

/// Largest block that is decoded at once.
const MAX_BLOCK_BYTES: usize = 256 << 20;
/// Larger uncompressed strips are read row by row.
const LARGE_STRIP_BYTES: usize = 4 << 20;
/// Rows of such a strip read at once.
const ROWS_AT_ONCE: usize = 64;
/// GDAL's metadata, as XML.
const GDAL_METADATA: Tag = Tag::Unknown(42_112);

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// A picture's grey levels.
    U8,
    /// Digital numbers.
    U16,
    /// Reflectance.
    F32,
}

/// What a TIFF says before its pixels are read.
#[derive(Clone, Debug)]
pub struct TiffHeader {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// What is known of its bands.
    pub bands: FileBands,
    /// How samples are stored.
    pub depth: Depth,
    /// Where it lies.
    pub georeference: Option<Georeference>,
    /// What its metadata says is to be added to digital numbers.
    pub dn_offset: Option<i32>,
    /// The value that stands for "nothing here".
    pub no_data: Option<f32>,
}

/// A TIFF with the rows that were read last. Rows are best asked for from top to bottom.
pub struct TiffRows<R: Read + Seek> {
    decoder: Decoder<R>,
    header: TiffHeader,
    blocks: Blocks,
    /// Rows that are held, the bands they are of, and their samples, `[bands][rows · width]`.
    held: Range<usize>,
    planes: Vec<usize>,
    samples: Vec<Vec<f32>>,
}

/// How the samples are laid out in the file.
struct Blocks {
    width: usize,
    height: usize,
    across: usize,
    per_plane: usize,
    is_planar: bool,
    /// Uncompressed strips too large to be read whole: where each starts, and in which order bytes come.
    strips: Option<(Vec<u64>, ByteOrder)>,
}

impl<R: Read + Seek> TiffRows<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// When it is no TIFF, is damaged, or stores its samples in a way that is not read.
    pub fn open(reader: R) -> Result<Self, Problem> {
        Self::try_open(reader).map_err(|error| unreadable_tiff(&error))?
    }

    /// What the file says of itself.
    #[must_use]
    pub const fn header(&self) -> &TiffHeader {
        &self.header
    }

    /// Where it is read from.
    pub fn reader(&mut self) -> &R {
        self.decoder.inner()
    }

    fn try_open(reader: R) -> Result<Result<Self, Problem>, TiffError> {
        let mut limits = Limits::default();
        limits.decoding_buffer_size = MAX_BLOCK_BYTES;
        limits.intermediate_buffer_size = MAX_BLOCK_BYTES;
        limits.ifd_value_size = 64 << 20;
        let mut decoder = Decoder::new(reader)?.with_limits(limits);
        let (width, height) = decoder.dimensions()?;
        let colour = decoder.colortype()?;
        let format = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat)?.and_then(|all| all.first().copied());
        let depth = match (colour.bit_depth(), format.unwrap_or(1)) {
            (8, 1) => Depth::U8,
            (16, 1) => Depth::U16,
            (32, 3) => Depth::F32,
            _ => return Ok(Err(unsupported_tiff("Its samples are of another kind."))),
        };
        let is_planar = decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration)? == Some(2);
        let samples = decoder.find_tag_unsigned::<u16>(Tag::SamplesPerPixel)?.unwrap_or(1);
        // Of interleaved extra samples, the decoder gives those that it has a colour for.
        let count = usize::from(if is_planar { samples } else { colour.num_samples() });
        let photometric = decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation)?;
        let is_colour = photometric.and_then(PhotometricInterpretation::from_u16).is_some_and(|photometric| {
            matches!(photometric, PhotometricInterpretation::RGB | PhotometricInterpretation::YCbCr)
        });
        let metadata = Metadata::parse(&decoder.get_tag_ascii_string(GDAL_METADATA).unwrap_or_default());
        let mut doubles = |tag| decoder.get_tag_f64_vec(tag).unwrap_or_default();
        let tags = GeoTags {
            pixel_scale: doubles(Tag::ModelPixelScaleTag),
            tie_point: doubles(Tag::ModelTiepointTag),
            matrix: doubles(Tag::ModelTransformationTag),
            keys: decoder.get_tag_u16_vec(Tag::GeoKeyDirectoryTag).unwrap_or_default(),
        };
        let no_data = decoder.get_tag_ascii_string(Tag::GdalNodata).ok();
        let header = TiffHeader {
            width: width as usize,
            height: height as usize,
            bands: FileBands {
                count,
                names: metadata.band_names(count),
                is_rgb: is_colour,
                is_picture: depth == Depth::U8,
            },
            depth,
            georeference: Georeference::from_tags(&tags),
            dn_offset: metadata.dn_offset(),
            no_data: no_data.and_then(|text| text.trim_matches(['\0', ' ']).parse().ok()),
        };
        let blocks = Blocks::of(&mut decoder, &header, is_planar)?;
        Ok(blocks.map(|blocks| Self { decoder, header, blocks, held: 0..0, planes: Vec::new(), samples: Vec::new() }))
    }

    /// The samples of some rows of some bands as they stand in the file: one slice of `rows · width` for each band.
    ///
    /// # Errors
    /// When the file is damaged or stores them in a way that is not read.
    pub fn rows(&mut self, planes: &[usize], rows: Range<usize>) -> Result<Vec<&[f32]>, Problem> {
        let rows = rows.start..rows.end.min(self.header.height);
        if self.planes != planes || rows.start < self.held.start || rows.start > self.held.end {
            let first = self.blocks.start_of(rows.start);
            (self.held, self.planes) = (first..first, planes.to_vec());
            self.samples = vec![Vec::new(); planes.len()];
        }
        let width = self.header.width;
        let passed = self.blocks.start_of(rows.start).clamp(self.held.start, self.held.end) - self.held.start;
        self.samples.iter_mut().for_each(|samples| drop(samples.drain(..passed * width)));
        self.held.start += passed;
        while self.held.end < rows.end {
            self.read_on().map_err(|error| unreadable_tiff(&error))?;
        }
        let part = (rows.start - self.held.start) * width..(rows.end - self.held.start) * width;
        Ok(self.samples.iter().map(|samples| &samples[part.clone()]).collect())
    }

    /// Reads the next row of blocks below what is held.
    fn read_on(&mut self) -> Result<(), TiffError> {
        let (first, width) = (self.held.end, self.header.width);
        let blocks = &self.blocks;
        let rows_left = blocks.height - first % blocks.height;
        let rows = if blocks.strips.is_some() { rows_left.min(ROWS_AT_ONCE) } else { rows_left };
        let rows = rows.min(self.header.height - first);
        let base = (first - self.held.start) * width;
        self.samples.iter_mut().for_each(|samples| samples.resize(base + rows * width, 0.0));
        let row_of_blocks = first / blocks.height;
        for across in 0..blocks.across {
            let index = row_of_blocks * blocks.across + across;
            let left = across * blocks.width;
            let passes = if blocks.is_planar { self.planes.len() } else { 1 };
            for pass in 0..passes {
                let plane = if blocks.is_planar { self.planes[pass] } else { 0 };
                let block = plane * blocks.per_plane + index;
                let (values, columns) = if let Some((starts, order)) = &blocks.strips {
                    let start = starts.get(block).copied().unwrap_or(u64::MAX);
                    let wide = width * if blocks.is_planar { 1 } else { self.header.bands.count };
                    let skipped = (first % blocks.height) * wide;
                    let depth = self.header.depth;
                    (read_plainly(self.decoder.inner(), start, skipped, rows * wide, depth, *order)?, width)
                } else {
                    let block = u32::try_from(block)?;
                    (numbers(self.decoder.read_chunk(block)?), self.decoder.chunk_data_dimensions(block).0 as usize)
                };
                let stride = if blocks.is_planar { 1 } else { self.header.bands.count };
                if values.len() < rows * columns * stride || left + columns > width {
                    return Err(TiffError::FormatError(tiff::TiffFormatError::InconsistentSizesEncountered));
                }
                let targets = if blocks.is_planar { pass..pass + 1 } else { 0..self.planes.len() };
                for target in targets {
                    let offset = if blocks.is_planar { 0 } else { self.planes[target] };
                    for row in 0..rows {
                        let line = &values[row * columns * stride..(row + 1) * columns * stride];
                        let to = base + row * width + left;
                        let into = &mut self.samples[target][to..to + columns];
                        into.iter_mut().zip(line[offset..].iter().step_by(stride)).for_each(|(to, from)| *to = *from);
                    }
                }
            }
        }
        self.held.end += rows;
        Ok(())
    }
}

impl Blocks {
    fn of<R: Read + Seek>(
        decoder: &mut Decoder<R>,
        header: &TiffHeader,
        is_planar: bool,
    ) -> Result<Result<Self, Problem>, TiffError> {
        let (width, height) = decoder.chunk_dimensions();
        let (width, height) = (width.max(1) as usize, (height.max(1) as usize).min(header.height));
        let across = header.width.div_ceil(width);
        let per_plane = across * header.height.div_ceil(height);
        let values = width.saturating_mul(height).saturating_mul(if is_planar { 1 } else { header.bands.count });
        let bytes = values.saturating_mul(header.depth.bytes());
        let is_plain = decoder.find_tag_unsigned::<u16>(Tag::Compression)?.unwrap_or(1) == 1
            && decoder.find_tag_unsigned::<u16>(Tag::Predictor)?.unwrap_or(1) == 1
            && decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation)? != Some(0);
        let samples = decoder.find_tag_unsigned::<u16>(Tag::SamplesPerPixel)?.map_or(1, usize::from);
        let is_strip = decoder.get_chunk_type() == ChunkType::Strip && samples == header.bands.count;
        let strips = if bytes > LARGE_STRIP_BYTES && is_plain && is_strip {
            Some((decoder.get_tag_u64_vec(Tag::StripOffsets)?, decoder.byte_order()))
        } else {
            None
        };
        if strips.is_none() && bytes > MAX_BLOCK_BYTES {
            return Ok(Err(one_huge_block(bytes)));
        }
        Ok(Ok(Self { width, height, across, per_plane, is_planar, strips }))
    }

    /// The first row that can be read without its predecessors, at or above `row`.
    fn start_of(&self, row: usize) -> usize {
        if self.strips.is_some() { row } else { row / self.height * self.height }
    }
}

impl Depth {
    /// Bytes in a sample.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::F32 => 4,
        }
    }

    /// In words.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::U8 => "8-bit",
            Self::U16 => "16-bit",
            Self::F32 => "32-bit float",
        }
    }
}

fn numbers(decoded: DecodingResult) -> Vec<f32> {
    match decoded {
        DecodingResult::U8(values) => values.into_iter().map(f32::from).collect(),
        DecodingResult::U16(values) => values.into_iter().map(f32::from).collect(),
        DecodingResult::F32(values) => values,
        // Refused when the header was read.
        _ => Vec::new(),
    }
}

/// `count` samples of an uncompressed strip, after `skipped` others.
fn read_plainly<R: Read + Seek>(
    reader: &mut R,
    start: u64,
    skipped: usize,
    count: usize,
    depth: Depth,
    order: ByteOrder,
) -> Result<Vec<f32>, TiffError> {
    let at = start.saturating_add((skipped * depth.bytes()) as u64);
    reader.seek(SeekFrom::Start(at))?;
    let mut bytes = vec![0; count * depth.bytes()];
    reader.read_exact(&mut bytes)?;
    let is_little = order == ByteOrder::LittleEndian;
    Ok(match depth {
        Depth::U8 => bytes.into_iter().map(f32::from).collect(),
        Depth::U16 => {
            let number = if is_little { u16::from_le_bytes } else { u16::from_be_bytes };
            bytes.as_chunks().0.iter().map(|bytes| f32::from(number(*bytes))).collect()
        }
        Depth::F32 => {
            let number = if is_little { f32::from_le_bytes } else { f32::from_be_bytes };
            bytes.as_chunks().0.iter().map(|bytes| number(*bytes)).collect()
        }
    })
}

/// A picture that cannot be decoded to its end.
#[must_use]
pub fn damaged(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        "This picture is damaged",
        format!("Decoding stopped: {error}."),
        "Save or download the file again, and check that it opens elsewhere.",
    )
}

fn unreadable_tiff(error: &TiffError) -> Problem {
    match error {
        TiffError::UnsupportedError(what) => unsupported_tiff(&format!("The reader says: {what}.")),
        _ => damaged(error),
    }
}

fn unsupported_tiff(why: &str) -> Problem {
    Problem::new(
        "This TIFF stores its samples in a way that is not supported",
        format!("{why} 8-bit, 16-bit unsigned and 32-bit float samples are read."),
        "Convert it, for example with gdal_translate -ot UInt16 -co COMPRESS=NONE.",
    )
}

fn one_huge_block(bytes: usize) -> Problem {
    Problem::new(
        "This TIFF is compressed as one huge block",
        format!("A block of it takes {} MB; at most {} MB are unpacked at once.", bytes >> 20, MAX_BLOCK_BYTES >> 20),
        "Write it in tiles, for example with gdal_translate -co TILED=YES -co COMPRESS=DEFLATE.",
    )
}

#[cfg(test)]
mod tests;
