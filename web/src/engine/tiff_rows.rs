//! A TIFF read a few rows at a time, however large it is: only the bands that are wanted, strip by strip or tile by tile.

use std::cell::Ref;
use std::io::{Read, Seek};
use std::ops::Range;

use raster::{Band, Colour, Header, RasterError, Reader, Role, SampleKind, Seekable};

use crate::problem::Problem;
use crate::scene::bands::{FileBands, canonical};
use crate::scene::gdal;
use crate::scene::georeference::{GeoTags, Georeference};

/// Reflectance of one step of Sentinel-2's digital numbers.
const DN_SCALE: f64 = 1e-4;

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
    /// What its samples are given as.
    pub depth: Depth,
    /// How they are stored, in words.
    pub stored: String,
    /// Where it lies.
    pub georeference: Option<Georeference>,
    /// What its metadata says is to be added to digital numbers.
    pub dn_offset: Option<i32>,
    /// What samples are that stand for "nothing here": no number, where the file can say so.
    pub no_data: Option<f32>,
}

/// A TIFF with the rows that were read last. Rows are best asked for from top to bottom.
pub struct TiffRows<R: Read + Seek> {
    reader: Reader<Seekable<R>>,
    header: TiffHeader,
    /// The band of opacities.
    alpha: Option<usize>,
    /// Rows that are held, the bands they are of, and their samples, `[bands][rows · width]`.
    held: Range<usize>,
    planes: Vec<usize>,
    samples: Vec<Vec<f32>>,
}

impl<R: Read + Seek> TiffRows<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// When it is no TIFF, is damaged, or stores its samples in a way that is not read.
    pub fn open(reader: R) -> Result<Self, Problem> {
        let source = Seekable::new(reader).map_err(|error| damaged(&error))?;
        let reader = Reader::open(source).map_err(|error| unreadable_tiff(&error))?;
        let own = reader.header();
        let depth = Depth::of(own);
        // A band with the name of a wavelength is measured, whatever its mark.
        let names = band_names(own);
        let is_alpha = |(band, name): (&Band, &String)| band.role == Role::Alpha && canonical(name).is_none();
        let alpha = own.bands.iter().zip(&names).position(is_alpha).filter(|_| own.bands.len() > 1);
        let is_scaled = depth == Depth::F32 && own.kind.is_whole();
        let header = TiffHeader {
            width: own.width,
            height: own.height,
            bands: FileBands {
                count: own.bands.len(),
                names,
                is_rgb: own.is_rgb(),
                is_picture: depth == Depth::U8,
                scaling: if depth == Depth::F32 { gdal::scaling(own) } else { String::new() },
            },
            depth,
            stored: own.kind.to_string(),
            georeference: Georeference::from_tags(&GeoTags {
                pixel_scale: own.geo.pixel_scale.clone(),
                tie_point: own.geo.tie_point.clone(),
                matrix: own.geo.matrix.clone(),
                keys: own.geo.keys.clone(),
            }),
            dn_offset: if is_scaled { None } else { gdal::dn_offset(&own.metadata) },
            no_data: (own.can_miss() || alpha.is_some()).then_some(f32::NAN),
        };
        Ok(Self { reader, header, alpha, held: 0..0, planes: Vec::new(), samples: Vec::new() })
    }

    /// What the file says of itself.
    #[must_use]
    pub const fn header(&self) -> &TiffHeader {
        &self.header
    }

    /// Where it is read from.
    pub fn reader(&self) -> Ref<'_, R> {
        self.reader.source().inner()
    }

    /// The samples of some rows of some bands: one slice of `rows · width` for each band. They are as they stand in the file,
    /// but for those that become reflectance by the file's own scale, and for those that stand for nothing, which are no
    /// numbers.
    ///
    /// # Errors
    /// When the file is damaged or stores them in a way that is not read.
    pub fn rows(&mut self, planes: &[usize], rows: Range<usize>) -> Result<Vec<&[f32]>, Problem> {
        let rows = rows.start..rows.end.min(self.header.height);
        let start_of = |row: usize| self.reader.header().step(row).start;
        if self.planes != planes || rows.start < self.held.start || rows.start > self.held.end {
            let first = start_of(rows.start);
            (self.held, self.planes) = (first..first, planes.to_vec());
            self.samples = vec![Vec::new(); planes.len()];
        }
        let width = self.header.width;
        let passed = start_of(rows.start).clamp(self.held.start, self.held.end) - self.held.start;
        self.samples.iter_mut().for_each(|samples| drop(samples.drain(..passed * width)));
        self.held.start += passed;
        while self.held.end < rows.end {
            self.read_on().map_err(|error| unreadable_tiff(&error))?;
        }
        let part = (rows.start - self.held.start) * width..(rows.end - self.held.start) * width;
        Ok(self.samples.iter().map(|samples| &samples[part.clone()]).collect())
    }

    /// Reads the next rows below what is held.
    fn read_on(&mut self) -> Result<(), RasterError> {
        let first = self.held.end;
        let rows = first..self.reader.header().step(first).end.max(first + 1);
        // Opacities are of use only beside other bands.
        let alpha = self.alpha.filter(|alpha| !self.planes.contains(alpha));
        let wanted: Vec<usize> = self.planes.iter().copied().chain(alpha).collect();
        let mut read = self.reader.read(&wanted, rows.clone())?;
        let header = self.reader.header();
        let opacity = alpha.and_then(|_| read.bands.pop());
        for (slot, band) in read.bands.iter_mut().enumerate() {
            let about = &header.bands[self.planes[slot]];
            for (at, value) in band.iter_mut().enumerate() {
                let is_missing = read.missing.get(slot).is_some_and(|missing| missing[at]);
                let is_clear = opacity.as_ref().is_some_and(|opacity| opacity[at] == 0.0);
                *value = if is_missing || is_clear { f32::NAN } else { self.header.depth.value(*value, header, about) };
            }
            self.samples[slot].extend_from_slice(band);
        }
        self.held.end = rows.end;
        Ok(())
    }
}

impl Depth {
    /// As which the samples of a file are given: numbers of other types and other scales become reflectance.
    fn of(header: &Header) -> Self {
        let is_usual =
            |band: &Band| band.scale == 1.0 || header.kind.bits() > 8 && (band.scale - DN_SCALE).abs() < 1e-9;
        match header.kind {
            _ if !header.bands.iter().all(is_usual) => Self::F32,
            SampleKind::Unsigned(..=8) => Self::U8,
            SampleKind::Unsigned(..=16) => Self::U16,
            _ => Self::F32,
        }
    }

    /// A stored sample as one of this kind.
    fn value(self, stored: f32, header: &Header, band: &Band) -> f32 {
        match (self, header.kind) {
            // Few bits are grey levels too: all of them set is white.
            (Self::U8, SampleKind::Unsigned(bits)) if bits < 8 => stored * 255.0 / f32::from((1u16 << bits) - 1),
            (Self::U8 | Self::U16, _) => stored,
            // An offset alone is one of digital numbers.
            (_, kind) if kind.is_whole() && kind.bits() > 8 && band.scale == 1.0 => {
                ((f64::from(stored) + band.offset) * DN_SCALE) as f32
            }
            _ if band.scale != 1.0 || band.offset != 0.0 => (f64::from(stored) * band.scale + band.offset) as f32,
            (_, SampleKind::Float(_)) => stored,
            (_, SampleKind::Signed(8)) => stored / 255.0,
            _ => (f64::from(stored) * DN_SCALE) as f32,
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

/// What each band is called: the file's own words, else the colour that it gives it.
fn band_names(header: &Header) -> Vec<String> {
    let is_rgb = header.is_rgb();
    let name = |band: &Band| match (&band.description, band.colour) {
        (Some(description), _) => description.clone(),
        (None, Some(Colour::NearInfrared)) => "NIR".to_owned(),
        // Of a picture that is red, green, blue it is said once, not band by band.
        (None, Some(Colour::Red)) if !is_rgb => "Red".to_owned(),
        (None, Some(Colour::Green)) if !is_rgb => "Green".to_owned(),
        (None, Some(Colour::Blue)) if !is_rgb => "Blue".to_owned(),
        _ => String::new(),
    };
    header.bands.iter().map(name).collect()
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

fn unreadable_tiff(error: &RasterError) -> Problem {
    match error {
        RasterError::Unsupported { what, hint } => Problem::new(
            "This TIFF stores its pixels in a way that is not read",
            format!("What is not read: {what}."),
            format!("This mends it: {hint}."),
        ),
        _ => damaged(error),
    }
}

#[cfg(test)]
mod tests;
