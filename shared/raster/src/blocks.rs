//! The rows of one block, unpacked one after the other.

use std::io::Read;
use std::rc::Rc;

use crate::codec::Unpacker;
use crate::error::RasterError;
use crate::layout::Layout;
use crate::source::ByteSource;

/// A block that is read from top to bottom.
pub(crate) struct OpenBlock<S: ByteSource> {
    /// Which one: its plane, and the row of blocks that it stands in.
    pub(crate) plane: usize,
    pub(crate) block_row: usize,
    /// The row that comes next.
    pub(crate) next: usize,
    /// Nothing for a block that was left out.
    unpacker: Option<Unpacker<S>>,
    row: Vec<u8>,
    scratch: Vec<u8>,
}

impl<S: ByteSource> OpenBlock<S> {
    pub(crate) fn open(
        source: &Rc<S>,
        layout: &Layout,
        (plane, column, block_row): (usize, usize, usize),
    ) -> Result<Self, RasterError> {
        let place = layout.block(plane, column, block_row);
        let unpacker = place.map(|place| Unpacker::open(source, layout, place)).transpose()?;
        let bytes = layout.row_bytes().filter(|_| unpacker.is_some()).unwrap_or(0);
        Ok(Self { plane, block_row, next: 0, unpacker, row: vec![0; bytes], scratch: Vec::new() })
    }

    /// The samples of row `at`, at or below the one that comes next, in little-endian order; nothing for a block that was
    /// left out.
    pub(crate) fn row(&mut self, layout: &Layout, at: usize) -> Result<Option<&[u8]>, RasterError> {
        let skipped = at.saturating_sub(self.next) as u64;
        self.next = at + 1;
        let Some(unpacker) = &mut self.unpacker else { return Ok(None) };
        let explained = |error: std::io::Error| RasterError::of_codec(&error);
        if skipped > 0 {
            unpacker.skip(skipped * self.row.len() as u64).map_err(explained)?;
        }
        unpacker.read_exact(&mut self.row).map_err(explained)?;
        layout.predictor.undo(&mut self.row, layout.kind, layout.stride(), layout.is_little, &mut self.scratch);
        Ok(Some(&self.row))
    }
}
