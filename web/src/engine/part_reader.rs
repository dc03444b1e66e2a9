//! A file, of the user's or at an address, as something to read from and seek in: only the parts that are asked for come
//! into memory.

use std::io::{Error, Read, Result, Seek, SeekFrom};

use js_sys::Uint8Array;
use web_sys::{Blob, FileReaderSync};

use super::remote::Remote;
use crate::scene::step::Traffic;

/// Read ahead when little is asked for.
const BUFFER_BYTES: u64 = 256 << 10;

enum Origin {
    Disk(Blob, FileReaderSync),
    Web(Remote),
}

/// A file, read synchronously, as only workers may.
pub struct PartReader {
    origin: Origin,
    len: u64,
    at: u64,
    /// Bytes of the file from `buffered_at` on.
    buffer: Vec<u8>,
    buffered_at: u64,
}

impl PartReader {
    /// A reader at the start of a file of the user's.
    ///
    /// # Errors
    /// When the browser has no such reader.
    pub fn of_disk(blob: Blob) -> Result<Self> {
        let reader = FileReaderSync::new().map_err(|_| Error::other("the browser cannot read files in a worker"))?;
        let len = blob.size() as u64;
        Ok(Self { origin: Origin::Disk(blob, reader), len, at: 0, buffer: Vec::new(), buffered_at: 0 })
    }

    /// A reader at the start of a file on the web, whose beginning is here already.
    #[must_use]
    pub fn of_web(remote: Remote) -> Self {
        let (len, buffer) = (remote.file_bytes(), remote.head());
        Self { origin: Origin::Web(remote), len, at: 0, buffer, buffered_at: 0 }
    }

    /// What came over the network; nothing for a file of the user's.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        match &self.origin {
            Origin::Disk(..) => Traffic::default(),
            Origin::Web(remote) => remote.traffic(),
        }
    }

    /// True for a file on the web.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        matches!(self.origin, Origin::Web(_))
    }

    /// Length of the file.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// True for an empty file.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes from `start` to `end`.
    fn fetch(&self, start: u64, end: u64) -> Result<Uint8Array> {
        let (blob, reader) = match &self.origin {
            Origin::Disk(blob, reader) => (blob, reader),
            Origin::Web(remote) => return remote.fetch(start, end),
        };
        let gone = |_| Error::other("the file cannot be read any more: it was moved, changed or removed");
        let part = blob.slice_with_f64_and_f64(start as f64, end as f64).map_err(gone)?;
        let bytes = reader.read_as_array_buffer(&part).map_err(gone)?;
        Ok(Uint8Array::new(&bytes))
    }
}

impl Read for PartReader {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let wanted = (into.len() as u64).min(self.len.saturating_sub(self.at));
        if wanted == 0 {
            return Ok(0);
        }
        let buffered = self.buffered_at..self.buffered_at + self.buffer.len() as u64;
        if !buffered.contains(&self.at) {
            if wanted >= BUFFER_BYTES {
                let bytes = self.fetch(self.at, self.at + wanted)?;
                let count = (bytes.length() as usize).min(into.len());
                bytes.copy_to(&mut into[..count]);
                self.at += count as u64;
                return Ok(count);
            }
            self.buffer = self.fetch(self.at, (self.at + BUFFER_BYTES).min(self.len))?.to_vec();
            self.buffered_at = self.at;
        }
        let from = (self.at - self.buffered_at) as usize;
        let count = (self.buffer.len() - from).min(into.len());
        into[..count].copy_from_slice(&self.buffer[from..from + count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for PartReader {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(offset) => self.len.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
        };
        self.at = place.ok_or_else(|| Error::other("a place before the start of the file"))?;
        Ok(self.at)
    }
}
