//! A seeded source of damage for files: what transfers, disks and people do to them, and what an attacker might.

/// SplitMix64: small, seeded, good enough to break things.
pub(crate) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `limit` − 1; 0 for a limit of 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// 0 to 1.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

const NUMBERS: [&str; 12] = [
    "0",
    "1",
    "2",
    "-1",
    "255",
    "65536",
    "4294967295",
    "9223372036854775808",
    "18446744073709551615",
    "1e308",
    "0.5",
    "99999999999999999999999",
];
const WORDS: [&str; 14] = [
    "null", "true", "[]", "{}", "\"\"", "\"F32\"", "\"F16\"", "\"I8\"", "\"U16\"", "\"F64\"", "[0,0]", "[[[[[[[[",
    "\\u0000", "NaN",
];
const BYTES: [u8; 10] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'{', b'}', b',', b'9'];

/// Writes a damaged copy of `base` into `out`; `donor` is another file to take pieces from.
pub(crate) fn mutate(base: &[u8], donor: &[u8], random: &mut Random, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(base);
    for _ in 0..1 + random.below(3) {
        match random.below(10) {
            0 | 1 => {
                for _ in 0..1 + random.below(4) {
                    let at = random.below(out.len());
                    if let Some(byte) = out.get_mut(at) {
                        *byte ^= 1 << random.below(8);
                    }
                }
            }
            2 => {
                let at = random.below(out.len());
                if let Some(byte) = out.get_mut(at) {
                    *byte = random.pick(&BYTES);
                }
            }
            3 => out.truncate(random.below(out.len())),
            4 => out.extend((0..1 + random.below(16)).map(|at| (at * 37) as u8)),
            5 => {
                // a piece of another file over a piece of this one, lengths independent
                let piece = range(donor.len(), random);
                let gap = range(out.len(), random);
                out.splice(gap, donor[piece].iter().copied());
            }
            6 => {
                let gap = range(out.len(), random);
                out.drain(gap);
            }
            7 => {
                let length = match random.below(4) {
                    0 => random.next(),
                    1 => random.pick(&[0, 1, 7, u64::MAX, u64::MAX - 7, 1 << 63, 1 << 32, 16 << 20, 100_000_001]),
                    2 => header_len(out).wrapping_add(random.below(17) as u64).wrapping_sub(8),
                    _ => out.len() as u64,
                };
                set_header_len(out, length);
            }
            8 => edit_token(out, random, &NUMBERS, |byte| byte.is_ascii_digit()),
            _ => edit_token(out, random, &WORDS, |byte| byte.is_ascii_alphanumeric() || *byte == b'"'),
        }
    }
}

/// Replaces one token of the header, as someone with an editor would: the header stays as long as it says it is.
fn edit_token(out: &mut Vec<u8>, random: &mut Random, choices: &[&str], is_token: fn(&u8) -> bool) {
    let before = header_len(out);
    let header = 8..out.len().min(usize::try_from(before).unwrap_or(0).saturating_add(8)).max(8);
    let Some(text) = out.get(header.clone()) else { return };
    let from = random.below(text.len());
    let Some(start) = text[from..].iter().position(is_token).map(|at| from + at) else { return };
    let len = text[start..].iter().take_while(|byte| is_token(byte)).count();
    let new = random.pick(choices);
    out.splice(8 + start..8 + start + len, new.bytes());
    set_header_len(out, before.wrapping_add(new.len() as u64).wrapping_sub(len as u64));
}

/// The same for a text alone.
pub(crate) fn edit_text(text: &str, random: &mut Random) -> Option<String> {
    let mut file = (text.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(text.as_bytes());
    match random.below(3) {
        0 => edit_token(&mut file, random, &NUMBERS, |byte| byte.is_ascii_digit()),
        1 => edit_token(&mut file, random, &WORDS, |byte| byte.is_ascii_alphanumeric() || *byte == b'"'),
        _ => {
            let at = 8 + random.below(text.len());
            if let Some(byte) = file.get_mut(at) {
                *byte = random.pick(&BYTES);
            }
        }
    }
    String::from_utf8(file.split_off(8)).ok()
}

fn header_len(file: &[u8]) -> u64 {
    file.first_chunk().map_or(0, |length| u64::from_le_bytes(*length))
}

fn set_header_len(file: &mut [u8], length: u64) {
    if let Some(field) = file.first_chunk_mut() {
        *field = length.to_le_bytes();
    }
}

fn range(len: usize, random: &mut Random) -> std::ops::Range<usize> {
    let start = random.below(len);
    start..start + random.below((len - start).min(64))
}
