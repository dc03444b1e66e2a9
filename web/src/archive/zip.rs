//! Zip: a list of files at the end, which says where each lies and how it was packed.

/// The list's own place is in the last bytes: a record of 22, and a comment of 65 535 at most.
pub const TAIL_BYTES: u64 = 22 + 65_535;
/// Before a file lies a header of so many bytes, a name, and further fields.
pub const LOCAL_HEADER: u64 = 30;

/// How a file was packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packed {
    /// As it is.
    Stored,
    /// By DEFLATE.
    Deflated,
    /// In another way, or under a password: it cannot be read.
    Unknown,
}

/// A file in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path.
    pub path: String,
    /// How it was packed.
    pub packed: Packed,
    /// Bytes that it takes in the archive.
    pub packed_bytes: u64,
    /// Where its header lies.
    pub header_at: u64,
}

/// Where the list lies, and its length, out of the archive's last bytes; `None` for what is no zip, and for archives of more
/// than 4 GB, whose list has another form.
#[must_use]
pub fn list_at(tail: &[u8]) -> Option<(u64, u64)> {
    let at = tail.windows(4).rposition(|four| four == b"PK\x05\x06")?;
    let record = tail.get(at..at + 22)?;
    let (bytes, from) = (long(record, 12)?, long(record, 16)?);
    (from != u64::from(u32::MAX)).then_some((from, bytes))
}

/// The files in a list, folders left out; as many as can be read.
#[must_use]
pub fn entries(list: &[u8]) -> Vec<Entry> {
    let (mut found, mut rest) = (Vec::new(), list);
    while let Some((entry, next)) = entry(rest) {
        if !entry.path.ends_with('/') {
            found.push(entry);
        }
        rest = next;
    }
    found
}

/// Where a file's bytes begin, behind its own header.
#[must_use]
pub fn content_at(header: &[u8], header_at: u64) -> Option<u64> {
    header.starts_with(b"PK\x03\x04").then_some(())?;
    Some(header_at + LOCAL_HEADER + short(header, 26)? + short(header, 28)?)
}

fn entry(list: &[u8]) -> Option<(Entry, &[u8])> {
    list.starts_with(b"PK\x01\x02").then_some(())?;
    let is_secret = short(list, 8)? & 1 == 1;
    let packed = match short(list, 10)? {
        _ if is_secret => Packed::Unknown,
        0 => Packed::Stored,
        8 => Packed::Deflated,
        _ => Packed::Unknown,
    };
    let (name, further, comment) = (short(list, 28)?, short(list, 30)?, short(list, 32)?);
    let path = String::from_utf8_lossy(list.get(46..46 + name as usize)?).replace('\\', "/");
    let entry = Entry { path, packed, packed_bytes: long(list, 20)?, header_at: long(list, 42)? };
    Some((entry, list.get((46 + name + further + comment) as usize..)?))
}

fn short(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    /// Written by Python's `zipfile`: a folder, a stored and a deflated file.
    const ARCHIVE: &[u8] = include_bytes!("three.zip");

    #[test]
    fn an_archive_of_another_writer_is_read() {
        let (from, bytes) = list_at(ARCHIVE).unwrap();
        let list = entries(&ARCHIVE[from as usize..(from + bytes) as usize]);
        let paths: Vec<(&str, Packed)> = list.iter().map(|entry| (entry.path.as_str(), entry.packed)).collect();
        assert_eq!(paths, [("Forest/1.txt", Packed::Stored), ("River/2.txt", Packed::Deflated)]);
        let header = &ARCHIVE[list[0].header_at as usize..][..30];
        let at = content_at(header, list[0].header_at).unwrap() as usize;
        assert_eq!(&ARCHIVE[at..at + list[0].packed_bytes as usize], b"stored as it is");
    }

    #[test]
    fn what_is_no_zip_is_told() {
        assert_eq!(list_at(b"PK\x03\x04 the beginning alone"), None);
        assert_eq!(list_at(b""), None);
        assert!(entries(b"PK\x01\x02cut short").is_empty());
    }
}
