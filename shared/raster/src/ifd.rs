//! Directories of tags, classic and big, in either byte order, of which nothing is believed before it is checked.

use std::collections::BTreeMap;

use crate::MAX_TAG_BYTES;
use crate::error::RasterError;
use crate::source::ByteSource;

/// A file cannot have more entries in one directory than 16 bits number.
const MAX_ENTRIES: u64 = 65_535;

/// The order of bytes, and the width of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) is_little: bool,
    is_big_tiff: bool,
}

/// Where a tag's values are, and of which type.
#[derive(Clone, Debug)]
struct Entry {
    kind: u16,
    count: u64,
    /// The values themselves when they are short, else where they are.
    field: Vec<u8>,
}

/// One directory: the tags of one picture.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    pub(crate) form: Form,
    entries: BTreeMap<u16, Entry>,
    pub(crate) next: Option<u64>,
}

impl Form {
    /// Of a file, with the address of its first directory.
    pub(crate) fn of(source: &impl ByteSource) -> Result<(Self, u64), RasterError> {
        let mut start = [0; 16];
        let len = source.byte_len().min(16) as usize;
        source.read_at(0, &mut start[..len]).map_err(|error| RasterError::Io(error.to_string()))?;
        if !crate::is_tiff(&start[..len]) {
            return Err(RasterError::NotTiff);
        }
        let is_little = start[0] == b'I';
        let form = Self { is_little, is_big_tiff: start[if is_little { 2 } else { 3 }] == 43 };
        let field = if form.is_big_tiff { &start[8..16] } else { &start[4..8] };
        if form.is_big_tiff && (form.number(&start[4..6]) != 8 || len < 16) || len < 8 {
            return Err(RasterError::damaged("its first bytes are those of no TIFF"));
        }
        Ok((form, form.number(field)))
    }

    /// An unsigned number of as many bytes as there are.
    pub(crate) fn number(self, bytes: &[u8]) -> u64 {
        let add = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
        if self.is_little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) }
    }
}

impl Directory {
    /// Reads the directory at `at`; values are read when they are asked for.
    pub(crate) fn read(source: &impl ByteSource, form: Form, at: u64) -> Result<Self, RasterError> {
        let (count_len, entry_len) = if form.is_big_tiff { (8, 20) } else { (2, 12) };
        let mut count = [0; 8];
        read(source, at, &mut count[..count_len])?;
        let count = form.number(&count[..count_len]);
        if count == 0 || count > MAX_ENTRIES {
            return Err(RasterError::damaged("its directory of tags is none"));
        }
        let mut bytes = vec![0; count as usize * entry_len];
        let start = at.saturating_add(count_len as u64);
        read(source, start, &mut bytes)?;
        let entry = |bytes: &[u8]| {
            let field = &bytes[4..];
            let (count, field) = field.split_at(field.len() / 2);
            let entry =
                Entry { kind: form.number(&bytes[2..4]) as u16, count: form.number(count), field: field.to_vec() };
            (form.number(&bytes[..2]) as u16, entry)
        };
        // Of a tag that is there twice, the first one counts, as for libtiff.
        let entries = bytes.chunks_exact(entry_len).rev().map(entry).collect();
        let mut next = [0; 8];
        let next = &mut next[..if form.is_big_tiff { 8 } else { 4 }];
        // Some writers leave the address of the next directory out.
        let next = match read(source, start.saturating_add(bytes.len() as u64), next) {
            Ok(()) => Some(form.number(next)).filter(|next| *next != 0),
            Err(_) => None,
        };
        Ok(Self { form, entries, next })
    }

    /// The bytes of a tag's values, and how many each takes.
    fn values(&self, source: &impl ByteSource, tag: u16) -> Result<Option<(u16, usize, Vec<u8>)>, RasterError> {
        let Some(entry) = self.entries.get(&tag) else { return Ok(None) };
        let width: usize = match entry.kind {
            1 | 2 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16..=18 => 8,
            // A type of the future: as if the tag were not there.
            _ => return Ok(None),
        };
        let len = entry.count.checked_mul(width as u64).filter(|len| *len <= MAX_TAG_BYTES.min(source.byte_len()));
        let Some(len) = len else {
            return Err(RasterError::damaged(format!("tag {tag} has {} values", entry.count)));
        };
        let len = len as usize;
        if let Some(inline) = entry.field.get(..len) {
            return Ok(Some((entry.kind, width, inline.to_vec())));
        }
        let mut bytes = vec![0; len];
        read(source, self.form.number(&entry.field), &mut bytes)?;
        Ok(Some((entry.kind, width, bytes)))
    }

    /// A tag's values as they stand.
    pub(crate) fn bytes(&self, source: &impl ByteSource, tag: u16) -> Result<Option<Vec<u8>>, RasterError> {
        Ok(self.values(source, tag)?.map(|(_, _, bytes)| bytes))
    }

    /// A tag's values as whole numbers of no sign; nothing when they are others.
    pub(crate) fn numbers(&self, source: &impl ByteSource, tag: u16) -> Result<Option<Vec<u64>>, RasterError> {
        Ok(self.values(source, tag)?.and_then(|(kind, width, bytes)| {
            let is_whole = matches!(kind, 1 | 3 | 4 | 7 | 13 | 16 | 18);
            is_whole.then(|| bytes.chunks_exact(width).map(|bytes| self.form.number(bytes)).collect())
        }))
    }

    /// A tag's first value as a whole number.
    pub(crate) fn number(&self, source: &impl ByteSource, tag: u16) -> Result<Option<u64>, RasterError> {
        Ok(self.numbers(source, tag)?.and_then(|numbers| numbers.first().copied()))
    }

    /// A tag's values as floating point; empty when there are none.
    pub(crate) fn doubles(&self, source: &impl ByteSource, tag: u16) -> Vec<f64> {
        let Ok(Some((kind, width, bytes))) = self.values(source, tag) else { return Vec::new() };
        let number = |bytes: &[u8]| {
            let bits = self.form.number(bytes);
            match kind {
                12 => f64::from_bits(bits),
                11 => f64::from(f32::from_bits(bits as u32)),
                _ => bits as f64,
            }
        };
        bytes.chunks_exact(width).map(number).collect()
    }

    /// A tag's text, up to its first zero; empty when there is none.
    pub(crate) fn text(&self, source: &impl ByteSource, tag: u16) -> String {
        let Ok(Some((1 | 2 | 7, _, bytes))) = self.values(source, tag) else { return String::new() };
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    }
}

fn read(source: &impl ByteSource, at: u64, into: &mut [u8]) -> Result<(), RasterError> {
    if at.checked_add(into.len() as u64).is_none_or(|end| end > source.byte_len()) {
        return Err(RasterError::damaged("it ends before its tags do"));
    }
    source.read_at(at, into).map_err(|error| RasterError::Io(error.to_string()))
}
