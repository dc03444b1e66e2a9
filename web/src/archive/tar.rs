//! Tar: blocks of 512 bytes, a header before each file.

/// Size of a header, and what the files between are filled up to.
pub const BLOCK: u64 = 512;

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// A file of so many bytes, behind the header.
    File(String, u64),
    /// The next file's name, which is too long for a header: so many bytes, behind this one.
    LongName(u64),
    /// Attributes of the next file, `path` among them: so many bytes, behind this one.
    Attributes(u64),
    /// Something else, to be skipped: so many bytes.
    Other(u64),
    /// The end.
    End,
    /// No header at all.
    Broken,
}

/// Reads a header.
#[must_use]
pub fn header(block: &[u8]) -> Header {
    let Some(block) = block.get(..512) else { return Header::Broken };
    if block.iter().all(|byte| *byte == 0) {
        return Header::End;
    }
    // The sum of all bytes, those of the sum itself as spaces.
    let sum: u64 =
        block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) }).sum();
    let (Some(size), Some(written)) = (number(&block[124..136]), number(&block[148..156])) else {
        return Header::Broken;
    };
    if sum != written {
        return Header::Broken;
    }
    match block[156] {
        b'0' | 0 => {
            let (name, prefix) = (text(&block[..100]), text(&block[345..500]));
            let is_ustar = &block[257..262] == b"ustar";
            Header::File(if is_ustar && !prefix.is_empty() { format!("{prefix}/{name}") } else { name }, size)
        }
        b'L' => Header::LongName(size),
        b'x' => Header::Attributes(size),
        _ => Header::Other(size),
    }
}

/// The `path` among a file's attributes: lines of `length key=value`.
#[must_use]
pub fn path_attribute(attributes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(attributes);
    text.lines().find_map(|line| Some(line.split_once(' ')?.1.strip_prefix("path=")?.to_owned()))
}

/// Bytes of a file with what it is filled up with.
#[must_use]
pub const fn padded(size: u64) -> u64 {
    size.div_ceil(BLOCK) * BLOCK
}

/// Text up to the first zero.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

/// An octal number; or, with its first bit set, a binary one.
fn number(field: &[u8]) -> Option<u64> {
    if let [128, rest @ ..] = field {
        return rest.iter().try_fold(0_u64, |number, byte| number.checked_mul(256)?.checked_add(u64::from(*byte)));
    }
    let digits = text(field);
    u64::from_str_radix(digits.trim_matches([' ', '\0']), 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `tar -c --format=ustar` writes it.
    fn block(name: &str, size: &str, kind: u8) -> Vec<u8> {
        let mut block = vec![0; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..124 + size.len()].copy_from_slice(size.as_bytes());
        block[156] = kind;
        block[257..263].copy_from_slice(b"ustar\0");
        block[148..156].fill(b' ');
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    #[test]
    fn files_folders_and_long_names() {
        assert_eq!(header(&block("Forest/1.jpg", "00000003012", b'0')), Header::File("Forest/1.jpg".into(), 0o3012));
        assert_eq!(header(&block("Forest/", "00000000000", b'5')), Header::Other(0));
        assert_eq!(header(&block("././@LongLink", "00000000200", b'L')), Header::LongName(128));
        assert_eq!(header(&[0; 512]), Header::End);
        assert_eq!(padded(513), 1024);
    }

    #[test]
    fn a_prefix_is_a_part_of_the_path_and_so_is_an_attribute() {
        let mut long = block("1.jpg", "00000000001", b'0');
        long[345..350].copy_from_slice(b"a/b/c");
        long[148..156].fill(b' ');
        let sum: u64 = long.iter().map(|byte| u64::from(*byte)).sum();
        long[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert_eq!(header(&long), Header::File("a/b/c/1.jpg".into(), 1));
        assert_eq!(
            path_attribute(b"20 mtime=1700000000\n22 path=\xc3\xa9t\xc3\xa9/1.jpg\n").as_deref(),
            Some("été/1.jpg")
        );
    }

    #[test]
    fn what_is_no_tar_is_told() {
        assert_eq!(header(&[7; 512]), Header::Broken);
        assert_eq!(header(b"short"), Header::Broken);
        let mut damaged = block("1.jpg", "00000000001", b'0');
        damaged[3] ^= 1;
        assert_eq!(header(&damaged), Header::Broken);
    }
}
