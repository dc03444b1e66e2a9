//! The first directory of a file, checked before anything is built on it.

use crate::bands::{Band, Colour, describe};
use crate::compression::Compression;
use crate::error::{RETYPE, RasterError, TO_RGB};
use crate::ifd::{Directory, Form};
use crate::layout::Layout;
use crate::metadata::Metadata;
use crate::sample::SampleKind;
use crate::source::ByteSource;

/// A side that is longer is damage.
const MAX_SIDE: u64 = 1 << 24;
/// A pixel of more samples is damage.
const MAX_SAMPLES: u64 = 4096;
/// Rows of a strip read at once.
const ROWS_AT_ONCE: usize = 64;
/// Directories looked at for a mask.
const MAX_DIRECTORIES: usize = 64;

/// Where the picture lies on the ground: GeoTIFF's tags as they stand, empty where there are none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GeoTags {
    /// 33550: size of a pixel.
    pub pixel_scale: Vec<f64>,
    /// 33922: a pixel and its place.
    pub tie_point: Vec<f64>,
    /// 34264: a whole matrix, in place of both.
    pub matrix: Vec<f64>,
    /// 34735: what the numbers mean.
    pub keys: Vec<u16>,
}

/// What a file says before its pixels are read.
#[derive(Clone, Debug)]
pub struct Header {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// How samples are stored. A palette's entries become 8-bit red, green and blue.
    pub kind: SampleKind,
    /// What is read: samples of a pixel, or red, green and blue of a palette.
    pub bands: Vec<Band>,
    /// The value that stands for "nothing here", as stored.
    pub no_data: Option<f64>,
    /// Place on the ground.
    pub geo: GeoTags,
    /// What else GDAL wrote.
    pub metadata: Metadata,
    pub(crate) layout: Layout,
    pub(crate) palette: Option<Vec<[u8; 3]>>,
    pub(crate) is_inverted: bool,
    pub(crate) mask: Option<Box<Header>>,
}

impl Header {
    /// Reads the first directory, and the mask that may follow it.
    pub(crate) fn read(source: &impl ByteSource) -> Result<Self, RasterError> {
        let (form, at) = Form::of(source)?;
        let first = Directory::read(source, form, at)?;
        let mut header = Self::of(source, &first)?;
        let mut next = first.next;
        for _ in 0..MAX_DIRECTORIES {
            let Some(at) = next else { break };
            // What follows may be damaged as it likes.
            let Ok(directory) = Directory::read(source, form, at) else { break };
            // Bit 2 of the kind: a mask; bit 0: of a smaller version.
            if matches!(directory.number(source, 254), Ok(Some(kind)) if kind & 5 == 4) {
                let mask = Self::of(source, &directory)?;
                if (mask.width, mask.height, mask.bands.len()) == (header.width, header.height, 1) {
                    header.mask = Some(Box::new(mask));
                }
                break;
            }
            next = directory.next;
        }
        Ok(header)
    }

    fn of(source: &impl ByteSource, tags: &Directory) -> Result<Self, RasterError> {
        let number = |tag| tags.number(source, tag);
        let side = |tag, name: &str| match number(tag)? {
            Some(side) if (1..=MAX_SIDE).contains(&side) => Ok(side as usize),
            Some(side) => Err(RasterError::damaged(format!("a {name} of {side} pixels"))),
            None => Err(RasterError::damaged(format!("it says nothing of its {name}"))),
        };
        let (width, height) = (side(256, "width")?, side(257, "height")?);
        let samples = number(277)?.unwrap_or(1);
        if !(1..=MAX_SAMPLES).contains(&samples) {
            return Err(RasterError::damaged(format!("{samples} samples a pixel")));
        }
        let samples = samples as usize;
        let compression = Compression::of(number(259)?.unwrap_or(1))?;
        let kind = sample_kind(
            &tags.numbers(source, 258)?.unwrap_or_else(|| vec![1]),
            &tags.numbers(source, 339)?.unwrap_or_else(|| vec![1]),
        )?;
        // Some writers leave the interpretation out; 1 is what most pictures are.
        let photometric = number(262)?.unwrap_or(1);
        let is_ycbcr_jpeg = photometric == 6 && compression == Compression::Jpeg;
        let (colours, is_palette): (&[Colour], bool) = match photometric {
            0 | 1 | 4 => (&[], false),
            2 => (&[Colour::Red, Colour::Green, Colour::Blue], false),
            3 => (&[], true),
            6 if is_ycbcr_jpeg => (&[Colour::Red, Colour::Green, Colour::Blue], false),
            other => return Err(RasterError::unsupported(photometric_name(other), TO_RGB)),
        };
        let palette = if is_palette { Some(palette(tags.numbers(source, 320)?, samples, kind)?) } else { None };
        let metadata = Metadata::parse(&tags.text(source, 42_112));
        let extra = tags.numbers(source, 338)?.unwrap_or_default();
        let bands = match &palette {
            Some(_) => describe(3, &[Colour::Red, Colour::Green, Colour::Blue], &[], &Metadata::default()),
            None => describe(samples, colours, &extra, &metadata),
        };
        let doubles = |tag| tags.doubles(source, tag);
        let geo = GeoTags {
            pixel_scale: doubles(33_550),
            tie_point: doubles(33_922),
            matrix: doubles(34_264),
            keys: tags.numbers(source, 34_735)?.unwrap_or_default().into_iter().map(|key| key as u16).collect(),
        };
        let no_data = tags.text(source, 42_113);
        let layout = Layout::of(source, tags, (width, height, samples), kind, compression, photometric)?;
        Ok(Self {
            width,
            height,
            kind: if palette.is_some() { SampleKind::Unsigned(8) } else { kind },
            bands,
            no_data: no_data.trim().parse().ok(),
            geo,
            metadata,
            layout,
            palette,
            is_inverted: photometric == 0 && matches!(kind, SampleKind::Unsigned(_)),
            mask: None,
        })
    }

    /// True when the first three bands are declared to be red, green and blue.
    #[must_use]
    pub fn is_rgb(&self) -> bool {
        let wanted = [Some(Colour::Red), Some(Colour::Green), Some(Colour::Blue)];
        self.bands.len() >= 3 && self.bands.iter().zip(wanted).all(|(band, colour)| band.colour == colour)
    }

    /// Whether samples can stand for nothing by the file's own word.
    #[must_use]
    pub fn can_miss(&self) -> bool {
        self.no_data.is_some() || self.mask.is_some()
    }

    /// The row from which reading is cheapest, at or above `row`, and the row where to stop: rows of tiles are decoded
    /// whole, strips a few rows at a time.
    #[must_use]
    pub fn step(&self, row: usize) -> std::ops::Range<usize> {
        let rows = self.layout.block_height;
        let start = if self.layout.is_tiled { row / rows * rows } else { row };
        let end = (row / rows).saturating_add(1).saturating_mul(rows);
        let end = if self.layout.is_tiled { end } else { end.min(row + ROWS_AT_ONCE) };
        start..end.min(self.height)
    }
}

fn sample_kind(bits: &[u64], formats: &[u64]) -> Result<SampleKind, RasterError> {
    let is_one = |values: &[u64]| values.windows(2).all(|pair| pair[0] == pair[1]);
    if !is_one(bits) || !is_one(formats) {
        return Err(RasterError::unsupported("a pixel whose samples are of different types", RETYPE));
    }
    let (bits, format) = (bits.first().copied().unwrap_or(1), formats.first().copied().unwrap_or(1));
    match (format, bits) {
        (1 | 4, 1..=32 | 64) => Ok(SampleKind::Unsigned(bits as u16)),
        (2, 8 | 16 | 32 | 64) => Ok(SampleKind::Signed(bits as u16)),
        (3, 16 | 32 | 64) => Ok(SampleKind::Float(bits as u16)),
        (5 | 6, _) => Err(RasterError::unsupported("a picture of complex numbers", RETYPE)),
        (_, bits) => Err(RasterError::unsupported(format!("a sample of {bits} bits of format {format}"), RETYPE)),
    }
}

/// Red, green and blue of every index. Entries have 16 bits, or 8 where none needs more.
fn palette(map: Option<Vec<u64>>, samples: usize, kind: SampleKind) -> Result<Vec<[u8; 3]>, RasterError> {
    let SampleKind::Unsigned(bits @ 1..=16) = kind else {
        return Err(RasterError::damaged("a palette for samples that are no indices"));
    };
    let map = map.unwrap_or_default();
    let len = 1usize << bits;
    if map.len() < 3 * len || samples != 1 {
        return Err(RasterError::damaged("its palette is too short"));
    }
    let is_wide = map.iter().any(|entry| *entry > 255);
    let byte = |entry: u64| if is_wide { (entry >> 8) as u8 } else { entry as u8 };
    Ok((0..len).map(|at| [byte(map[at]), byte(map[len + at]), byte(map[2 * len + at])]).collect())
}

fn photometric_name(number: u64) -> String {
    match number {
        5 => "a picture of inks (CMYK)".to_owned(),
        6 => "uncompressed YCbCr".to_owned(),
        8..=10 => "a picture in CIE L*a*b*".to_owned(),
        32_803 => "a raw picture of a camera (CFA)".to_owned(),
        32_844 | 32_845 => "a picture in CIE Log L".to_owned(),
        other => format!("the photometric interpretation {other}"),
    }
}
