//! Where bytes come from: memory, a file, or whatever gives ranges of them.

use std::cell::{Ref, RefCell};
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};

/// Ranges of the bytes of a file.
pub trait ByteSource {
    /// How many there are.
    fn byte_len(&self) -> u64;

    /// Fills `into` with the bytes from `at` on.
    ///
    /// # Errors
    /// When they are not all there, or cannot be read.
    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<()>;
}

/// A file in memory.
#[derive(Clone, Debug)]
pub struct Memory<T>(pub T);

impl<T: AsRef<[u8]>> ByteSource for Memory<T> {
    fn byte_len(&self) -> u64 {
        self.0.as_ref().len() as u64
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<()> {
        let start = usize::try_from(at).map_err(|_| ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(into.len()).ok_or(ErrorKind::UnexpectedEof)?;
        into.copy_from_slice(self.0.as_ref().get(start..end).ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A file that is read and sought in.
#[derive(Debug)]
pub struct Seekable<R> {
    reader: RefCell<R>,
    len: u64,
}

impl<R: Read + Seek> Seekable<R> {
    /// Finds out how long it is.
    ///
    /// # Errors
    /// When its end cannot be found.
    pub fn new(mut reader: R) -> Result<Self> {
        let len = reader.seek(SeekFrom::End(0))?;
        Ok(Self { reader: RefCell::new(reader), len })
    }

    /// What it reads from.
    ///
    /// # Panics
    /// Never: nothing holds it longer than a call of [`ByteSource::read_at`].
    pub fn inner(&self) -> Ref<'_, R> {
        self.reader.borrow()
    }
}

impl<R: Read + Seek> ByteSource for Seekable<R> {
    fn byte_len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<()> {
        if at.checked_add(into.len() as u64).is_none_or(|end| end > self.len) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let mut reader = self.reader.try_borrow_mut().map_err(Error::other)?;
        reader.seek(SeekFrom::Start(at))?;
        reader.read_exact(into)
    }
}
