//! Rows of bands.

use std::ops::Range;
use std::rc::Rc;

use crate::blocks::OpenBlock;
use crate::error::RasterError;
use crate::header::Header;
use crate::sample::SampleKind;
use crate::sample::samples;
use crate::source::ByteSource;

/// An open file.
pub struct Reader<S: ByteSource> {
    source: Rc<S>,
    header: Header,
    pixels: Pixels<S>,
    mask: Option<Pixels<S>>,
}

/// Some rows of some bands.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// For each band that was asked for, `[rows · width]`. A block that was left out holds the value that stands for
    /// nothing, or 0.
    pub bands: Vec<Vec<f32>>,
    /// For each of them, which samples stand for nothing: the file's own mark, its mask, and what is no number. Empty when
    /// none does.
    pub missing: Vec<Vec<bool>>,
}

/// The pixels of one directory, and the strips that are being read: one a plane, so that rows can follow rows.
struct Pixels<S: ByteSource> {
    open: Vec<OpenBlock<S>>,
}

impl<S: ByteSource> Reader<S> {
    /// Reads the header.
    ///
    /// # Errors
    /// When it is no TIFF, is damaged, or stores its pixels in a way that is not read.
    pub fn open(source: S) -> Result<Self, RasterError> {
        let header = Header::read(&source)?;
        let mask = header.mask.as_ref().map(|_| Pixels { open: Vec::new() });
        Ok(Self { source: Rc::new(source), header, pixels: Pixels { open: Vec::new() }, mask })
    }

    /// What the file says of itself.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Where its bytes come from.
    #[must_use]
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Reads `rows` of `bands` (numbers in [`Header::bands`]). Cheapest from top to bottom, in the steps that
    /// [`Header::step`] names.
    ///
    /// # Errors
    /// When the file is damaged, or a band or row lies outside.
    pub fn read(&mut self, bands: &[usize], rows: Range<usize>) -> Result<Rows, RasterError> {
        let Self { source, header, pixels, mask } = self;
        if rows.start > rows.end || rows.end > header.height || bands.iter().any(|band| *band >= header.bands.len()) {
            return Err(RasterError::damaged(format!("rows {rows:?} of bands {bands:?} are not in it")));
        }
        let area = rows.len() * header.width;
        let mut read = match &header.palette {
            Some(palette) => {
                let mut index = vec![vec![0.0f32; area]];
                pixels.read(source, header, &[0], rows.clone(), &mut index)?;
                let no_data = header.no_data;
                let missing = index[0].iter().map(|value| Some(f64::from(*value)) == no_data).collect::<Vec<_>>();
                let colour = |band: &usize| {
                    let entry = |value: &f32| palette.get(*value as usize).map_or(0.0, |entry| f32::from(entry[*band]));
                    index[0].iter().map(entry).collect()
                };
                Rows { bands: bands.iter().map(colour).collect(), missing: vec![missing; bands.len()] }
            }
            None => {
                let mut values = vec![vec![0.0f32; area]; bands.len()];
                pixels.read(source, header, bands, rows.clone(), &mut values)?;
                let no_data = header.no_data.map(|value| value as f32);
                let is_missing = |value: &f32| !value.is_finite() || Some(*value) == no_data;
                let missing = values.iter().map(|band| band.iter().map(is_missing).collect()).collect();
                if header.is_inverted {
                    let white = 2f64.powi(i32::from(header.kind.bits())) - 1.0;
                    values.iter_mut().flatten().for_each(|value| *value = (white - f64::from(*value)) as f32);
                }
                Rows { bands: values, missing }
            }
        };
        if let (Some(mask), Some(header)) = (mask, &header.mask) {
            let mut shown = vec![vec![0.0f32; area]];
            mask.read(source, header, &[0], rows, &mut shown)?;
            for missing in &mut read.missing {
                missing.iter_mut().zip(&shown[0]).for_each(|(missing, shown)| *missing |= *shown == 0.0);
            }
        }
        if !read.missing.iter().flatten().any(|missing| *missing) {
            read.missing.clear();
        }
        Ok(read)
    }
}

impl<S: ByteSource> Pixels<S> {
    /// Reads samples as they are stored into planes of `rows · width`.
    fn read(
        &mut self,
        source: &Rc<S>,
        header: &Header,
        wanted: &[usize],
        rows: Range<usize>,
        into: &mut [Vec<f32>],
    ) -> Result<(), RasterError> {
        let layout = &header.layout;
        let left_out = header.no_data.unwrap_or(0.0) as f32;
        let mut top = rows.start;
        while top < rows.end {
            let block_row = top / layout.block_height;
            let first = block_row * layout.block_height;
            let bottom = (first + layout.block_height).min(rows.end);
            for column in 0..layout.across() {
                // Side by side, bands are read in one pass; as planes, in one each.
                let passes = if layout.is_planar { wanted.len() } else { 1 };
                for pass in 0..passes {
                    let plane = if layout.is_planar { wanted[pass] } else { 0 };
                    let mut block = self.block(source, header, (plane, column, block_row), top - first)?;
                    let left = column * layout.block_width;
                    let columns = layout.block_width.min(layout.width - left);
                    let slots = if layout.is_planar { pass..pass + 1 } else { 0..wanted.len() };
                    for row in top..bottom {
                        let bytes = block.row(layout, row - first)?;
                        let to = (row - rows.start) * layout.width + left;
                        for slot in slots.clone() {
                            let values = &mut into[slot][to..to + columns];
                            let sample = if layout.is_planar { 0 } else { wanted[slot] };
                            match bytes {
                                Some(bytes) => samples(layout.kind, bytes, sample, layout.stride(), values),
                                None => values.fill(left_out),
                            }
                        }
                    }
                    if !layout.is_tiled {
                        self.open.push(block);
                    }
                }
            }
            top = bottom;
        }
        Ok(())
    }

    /// The block at a place, which may be open already, above `row`.
    fn block(
        &mut self,
        source: &Rc<S>,
        header: &Header,
        (plane, column, block_row): (usize, usize, usize),
        row: usize,
    ) -> Result<OpenBlock<S>, RasterError> {
        if let Some(at) = self.open.iter().position(|open| open.plane == plane) {
            let open = self.open.swap_remove(at);
            if open.block_row == block_row && open.next <= row {
                return Ok(open);
            }
        }
        OpenBlock::open(source, &header.layout, (plane, column, block_row))
    }
}

impl SampleKind {
    /// True for whole numbers.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        !matches!(self, Self::Float(_))
    }
}
