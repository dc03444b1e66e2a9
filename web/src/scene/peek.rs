//! The size of a picture from its first bytes, so that a large one is never read whole to find out.

/// What the bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peek {
    /// Width and height.
    Size(u32, u32),
    /// The answer lies at this offset of the file.
    ReadAt(u64),
    /// No header that is known here, or a damaged one: whoever decodes it will say so.
    Unknown,
}

/// Reads `bytes`, which begin at `offset` of the file. Ask first with offset 0, then with whatever [`Peek::ReadAt`] names;
/// `head` are the file's first bytes again.
#[must_use]
pub fn peek(head: &[u8], offset: u64, bytes: &[u8]) -> Peek {
    let found = if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        pair(head.get(16..24), u32::from_be_bytes).map(size)
    } else if head.starts_with(b"\xff\xd8") {
        jpeg(offset.max(2), if offset == 0 { bytes.get(2..).unwrap_or(&[]) } else { bytes })
    } else if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") {
        webp(head)
    } else if head.starts_with(b"II") || head.starts_with(b"MM") {
        tiff(head, offset, bytes)
    } else {
        None
    };
    found.unwrap_or(Peek::Unknown)
}

fn size((width, height): (u32, u32)) -> Peek {
    Peek::Size(width, height)
}

fn pair(bytes: Option<&[u8]>, number: fn([u8; 4]) -> u32) -> Option<(u32, u32)> {
    let [a, b, c, d, e, f, g, h] = *bytes? else { return None };
    Some((number([a, b, c, d]), number([e, f, g, h])))
}

/// Goes from marker to marker until a start of frame; `bytes` begin at `offset`, which is a marker.
fn jpeg(offset: u64, bytes: &[u8]) -> Option<Peek> {
    let mut at = 0_usize;
    loop {
        let Some(segment) = bytes.get(at..at + 9) else {
            // Past what was read (a long comment or profile lies before the frame); or nothing more is there.
            return (at > 0).then_some(Peek::ReadAt(offset + at as u64));
        };
        let [0xff, kind, length_1, length_0, _, height_1, height_0, width_1, width_0] = *segment else { return None };
        let is_frame = matches!(kind, 0xc0..=0xcf) && !matches!(kind, 0xc4 | 0xc8 | 0xcc);
        if is_frame {
            let word = |bytes: [u8; 2]| u32::from(u16::from_be_bytes(bytes));
            return Some(Peek::Size(word([width_1, width_0]), word([height_1, height_0])));
        }
        // 0xff may fill up before a marker.
        at += if kind == 0xff { 1 } else { 2 + usize::from(u16::from_be_bytes([length_1, length_0])) };
    }
}

fn webp(head: &[u8]) -> Option<Peek> {
    let byte = |at: usize| head.get(at).copied().map(u32::from);
    let (width, height) = match head.get(12..16)? {
        b"VP8X" => {
            let triple = |at: usize| Some(byte(at)? | byte(at + 1)? << 8 | byte(at + 2)? << 16);
            (triple(24)? + 1, triple(27)? + 1)
        }
        b"VP8L" => {
            let bits = byte(21)? | byte(22)? << 8 | byte(23)? << 16 | byte(24)? << 24;
            ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
        }
        b"VP8 " => ((byte(26)? | byte(27)? << 8) & 0x3fff, (byte(28)? | byte(29)? << 8) & 0x3fff),
        _ => return None,
    };
    Some(Peek::Size(width, height))
}

/// The first directory of a TIFF or BigTIFF.
fn tiff(head: &[u8], offset: u64, bytes: &[u8]) -> Option<Peek> {
    let is_little = head.starts_with(b"II");
    let number = |bytes: &[u8]| {
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        if is_little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) }
    };
    // Bytes of: an offset, the count of entries, an entry, and where its value is.
    let (directory_at, count_len, entry_len, value_at) = match number(head.get(2..4)?) {
        42 => (number(head.get(4..8)?), 2, 12, 8),
        43 => (number(head.get(8..16)?), 8, 20, 12),
        _ => return None,
    };
    let start = usize::try_from(directory_at.checked_sub(offset)?).ok()?;
    let away = (offset != directory_at).then_some(Peek::ReadAt(directory_at));
    let Some(count) = bytes.get(start..start.checked_add(count_len)?) else { return away };
    let (mut width, mut height) = (None, None);
    for entry in 0..number(count).min(512) as usize {
        let at = start + count_len + entry * entry_len;
        let Some(entry) = bytes.get(at..at + entry_len) else { return away };
        // Type 3 is a 16-bit number, 4 one of 32 bits, 16 one of 64.
        let value_len = match number(&entry[2..4]) {
            3 => 2,
            4 => 4,
            16 => 8,
            _ => continue,
        };
        let value = entry.get(value_at..value_at + value_len).map(number);
        match number(&entry[..2]) {
            256 => width = value,
            257 => height = value,
            _ => {}
        }
        if let (Some(width), Some(height)) = (width, height) {
            return Some(Peek::Size(u32::try_from(width).ok()?, u32::try_from(height).ok()?));
        }
    }
    None
}

/// A picture of at least so many patches becomes a map, whatever its shape; a smaller one is a tile.
const PATCHES_OF_A_MAP: u64 = 16;

/// Whether a picture is one to be mapped: as a tile, most of it would not be looked at.
#[must_use]
pub fn is_large(width: u32, height: u32, patch_px: usize) -> bool {
    let (width, height, patch) = (u64::from(width), u64::from(height), patch_px as u64);
    width.min(height) >= patch && width * height >= PATCHES_OF_A_MAP * patch * patch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn png_and_webp_tell_in_their_first_bytes() {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        png.extend([0, 0, 0x2a, 0xe4, 0, 0, 0x75, 0x30, 8, 2]);
        assert_eq!(peek(&png, 0, &png), Peek::Size(10_980, 30_000));
        let mut webp = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f".to_vec();
        webp.extend((4999_u32 | 2699 << 14).to_le_bytes());
        assert_eq!(peek(&webp, 0, &webp), Peek::Size(5000, 2700));
        let mut extended = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0".to_vec();
        extended.extend([0x17, 0x15, 0, 0x8b, 0x0a, 0]);
        assert_eq!(peek(&extended, 0, &extended), Peek::Size(0x1518, 0x0a8c));
    }

    #[test]
    fn a_jpeg_with_a_long_profile_is_read_on() {
        let mut file = vec![0xff, 0xd8, 0xff, 0xe1, 0x40, 0x00];
        file.resize(2 + 2 + 0x4000, 7);
        file.extend([0xff, 0xdb, 0, 4, 1, 1, 0xff, 0xc2, 0, 17, 8, 0x0a, 0x8c, 0x15, 0x18, 3]);
        let head = &file[..100];
        let Peek::ReadAt(next) = peek(head, 0, head) else { unreachable!("the frame lies further on") };
        assert_eq!(next, 4 + 0x4000);
        assert_eq!(peek(head, next, &file[next as usize..]), Peek::Size(5400, 2700));
        assert_eq!(peek(&file, 0, &file), Peek::Size(5400, 2700));
        assert_eq!(peek(head, next, &[]), Peek::Unknown, "cut short");
    }

    #[test]
    fn a_tiff_may_have_its_directory_at_the_end() {
        let mut file = b"MM\0\x2a\0\0\x03\xe8".to_vec();
        file.resize(1000, 0);
        file.extend([0, 2, 1, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0x2a, 0xe4, 1, 1, 0, 3, 0, 0, 0, 1, 0x0a, 0x8c, 0, 0]);
        assert_eq!(peek(&file[..64], 0, &file[..64]), Peek::ReadAt(1000));
        assert_eq!(peek(&file[..64], 1000, &file[1000..]), Peek::Size(10_980, 2700));
        assert_eq!(peek(&file[..64], 1000, &file[1000..1010]), Peek::Unknown);
    }

    #[test]
    fn a_long_strip_is_as_large_as_a_square_of_its_area() {
        assert!(is_large(256, 256, 64) && is_large(4000, 100, 64) && is_large(64, 1024, 64));
        assert!(!is_large(255, 256, 64) && !is_large(64, 64, 64));
        assert!(!is_large(5000, 63, 64), "no patch fits into it");
    }

    #[test]
    fn anything_else_is_left_to_the_decoder() {
        assert_eq!(peek(b"", 0, b""), Peek::Unknown);
        assert_eq!(peek(b"dear diary", 0, b"dear diary"), Peek::Unknown);
        assert_eq!(peek(b"\xff\xd8", 0, b"\xff\xd8"), Peek::Unknown);
    }
}
