//! The first directory of a TIFF or BigTIFF, as it stands: tags with their values as bytes.

/// Pixels across.
pub const WIDTH: u16 = 256;
/// Pixels down.
pub const HEIGHT: u16 = 257;
/// Bits of a sample.
pub const BITS: u16 = 258;
/// Samples of a pixel.
pub const SAMPLES: u16 = 277;
/// Whole numbers with or without a sign, or others.
pub const SAMPLE_FORMAT: u16 = 339;
/// Where strips are, and how long.
pub const STRIPS: [u16; 2] = [273, 279];
/// Where tiles are, and how long.
pub const TILES: [u16; 2] = [324, 325];
/// GDAL's items.
pub const ITEMS: u16 = 42_112;
/// GDAL's mark for nothing.
pub const NO_DATA: u16 = 42_113;

/// Longer values are damage.
const MAX_VALUE_BYTES: u64 = 32 << 20;
const MAX_ENTRIES: u64 = 512;

/// One tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its number.
    pub number: u16,
    /// The type of its values.
    pub kind: u16,
    /// How many values.
    pub count: u64,
    /// The values, in the order of bytes of the file.
    pub bytes: Vec<u8>,
}

/// All tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Whether numbers begin with their last byte.
    pub is_little: bool,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// By number.
    pub tags: Vec<Tag>,
}

impl Directory {
    /// Reads it through `read`, which is asked for bytes from one place to another; `None` for what is no TIFF, or a damaged one.
    pub async fn read(file_bytes: u64, read: impl AsyncFn(u64, u64) -> Option<Vec<u8>>) -> Option<Self> {
        let part = async |from: u64, bytes: u64| {
            let to = from.checked_add(bytes).filter(|to| *to <= file_bytes)?;
            read(from, to).await.filter(|found| found.len() as u64 == bytes)
        };
        let head = part(0, 16.min(file_bytes)).await?;
        let is_little = match head.get(..2)? {
            b"II" => true,
            b"MM" => false,
            _ => return None,
        };
        let number = |bytes: &[u8]| number(is_little, bytes);
        // Bytes of: the count of entries, an entry, and a field.
        let (at, count_len, entry_len, field_len) = match number(head.get(2..4)?) {
            42 => (number(head.get(4..8)?), 2, 12, 4),
            43 => (number(head.get(8..16)?), 8, 20, 8),
            _ => return None,
        };
        let count = number(&part(at, count_len).await?);
        let entries = part(at + count_len, count.min(MAX_ENTRIES) * entry_len).await?;
        let mut tags = Vec::new();
        for entry in entries.chunks_exact(entry_len as usize) {
            let (tag, kind) = (number(&entry[..2]) as u16, number(&entry[2..4]) as u16);
            let (values, field) = entry[4..].split_at(field_len);
            let count = number(values);
            let Some(width) = width_of(kind) else { continue };
            let bytes = count.checked_mul(width).filter(|bytes| *bytes <= MAX_VALUE_BYTES)?;
            let bytes = match field.get(..bytes as usize) {
                Some(inline) => inline.to_vec(),
                None => part(number(field), bytes).await?,
            };
            tags.push(Tag { number: tag, kind, count, bytes });
        }
        Some(Self { is_little, file_bytes, tags })
    }

    /// A tag.
    #[must_use]
    pub fn tag(&self, number: u16) -> Option<&Tag> {
        self.tags.iter().find(|tag| tag.number == number)
    }

    /// The values of a tag of whole numbers.
    #[must_use]
    pub fn numbers(&self, tag: u16) -> Option<Vec<u64>> {
        let tag = self.tag(tag).filter(|tag| matches!(tag.kind, 1 | 3 | 4 | 13 | 16 | 18))?;
        let width = width_of(tag.kind)? as usize;
        Some(tag.bytes.chunks_exact(width).map(|bytes| number(self.is_little, bytes)).collect())
    }

    /// The first value of a tag of whole numbers.
    #[must_use]
    pub fn number(&self, tag: u16) -> Option<u64> {
        self.numbers(tag)?.first().copied()
    }

    /// A tag's text, up to its first zero.
    #[must_use]
    pub fn text(&self, tag: u16) -> String {
        let bytes = self.tag(tag).map_or(&[][..], |tag| &tag.bytes);
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    }
}

fn number(is_little: bool, bytes: &[u8]) -> u64 {
    let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    if is_little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) }
}

/// Bytes of a value of a type; types of the future are as if they were not there.
fn width_of(kind: u16) -> Option<u64> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16..=18 => Some(8),
        _ => None,
    }
}
