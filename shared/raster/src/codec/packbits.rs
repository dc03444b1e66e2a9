//! PackBits: runs of one byte, and stretches of bytes as they are (TIFF 6.0, section 9).

use std::io::{BufRead, Read, Result};

pub(crate) struct PackBits<R> {
    packed: R,
    /// Bytes that are still to come, and the byte that is repeated when it is a run.
    left: usize,
    run: Option<u8>,
}

impl<R: BufRead> PackBits<R> {
    pub(crate) fn new(packed: R) -> Self {
        Self { packed, left: 0, run: None }
    }

    fn byte(&mut self) -> Result<Option<u8>> {
        let byte = self.packed.fill_buf()?.first().copied();
        self.packed.consume(usize::from(byte.is_some()));
        Ok(byte)
    }
}

impl<R: BufRead> Read for PackBits<R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        while self.left == 0 {
            let Some(head) = self.byte()? else { return Ok(0) };
            match head as i8 {
                -128 => {}
                literal @ 0.. => (self.left, self.run) = (literal as usize + 1, None),
                repeated => {
                    let Some(byte) = self.byte()? else { return Ok(0) };
                    (self.left, self.run) = (usize::from(repeated.unsigned_abs()) + 1, Some(byte));
                }
            }
        }
        let wanted = self.left.min(into.len());
        let count = match self.run {
            Some(byte) => {
                into[..wanted].fill(byte);
                wanted
            }
            None => self.packed.read(&mut into[..wanted])?,
        };
        self.left -= count;
        Ok(count)
    }
}
