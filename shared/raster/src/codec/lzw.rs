//! LZW as TIFF has it, by way of `weezl`. It ends where the pixels do: many writers leave the end code out, or cut it off.

use std::io::{BufRead, Error, Read, Result};

use weezl::BitOrder;
use weezl::LzwStatus;
use weezl::decode::Decoder;

pub(crate) struct Lzw<R> {
    packed: R,
    decoder: Decoder,
}

impl<R: BufRead> Lzw<R> {
    pub(crate) fn new(packed: R) -> Self {
        Self { packed, decoder: Decoder::with_tiff_size_switch(BitOrder::Msb, 8) }
    }
}

impl<R: BufRead> Read for Lzw<R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            let bytes = self.packed.fill_buf()?;
            let is_end = bytes.is_empty();
            let step = self.decoder.decode_bytes(bytes, into);
            self.packed.consume(step.consumed_in);
            if step.consumed_out > 0 {
                return Ok(step.consumed_out);
            }
            match step.status {
                Ok(LzwStatus::Done) => return Ok(0),
                Ok(LzwStatus::NoProgress) if is_end || step.consumed_in == 0 => return Ok(0),
                Ok(_) if is_end => return Ok(0),
                Ok(_) => {}
                Err(error) => return Err(Error::other(error.to_string())),
            }
        }
    }
}
