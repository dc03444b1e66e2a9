//! A seeded source of damage for files: what transfers, disks and people do to them, and what an attacker might.

/// SplitMix64: small, seeded, good enough to break things.
pub struct Random(u64);

impl Random {
    /// The same numbers for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `limit` − 1; 0 for a limit of 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.draw() % limit.max(1) as u64) as usize
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// Numbers at the edges of types.
const NUMBERS: [u64; 14] =
    [0, 1, 2, 7, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 32, 1 << 62, i64::MAX as u64, u64::MAX];
/// The same in text, and other words that formats know.
const WORDS: [&str; 24] = [
    "0",
    "1",
    "-1",
    "255",
    "65536",
    "4294967295",
    "9223372036854775808",
    "99999999999999999999999",
    "1e308",
    "-1e400",
    "0.5",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "NaN",
    "[[[[[[[[",
    "\\u0000",
    "\u{feff}",
    "e\u{301}",
    "\"",
    "\r\n",
    "../..",
];
const BYTES: [u8; 12] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'{', b'}', b',', b'9', b'\n', b'/'];

/// Writes a damaged copy of `base` into `out`; `donor` is another file to take pieces from.
pub fn mutate(base: &[u8], donor: &[u8], random: &mut Random, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(base);
    for _ in 0..1 + random.below(4) {
        match random.below(11) {
            0 | 1 => {
                for _ in 0..1 + random.below(4) {
                    let at = place(out.len(), random);
                    if let Some(byte) = out.get_mut(at) {
                        *byte ^= 1 << random.below(8);
                    }
                }
            }
            2 => {
                let at = place(out.len(), random);
                if let Some(byte) = out.get_mut(at) {
                    *byte = random.pick(&BYTES);
                }
            }
            3 => out.truncate(random.below(out.len())),
            4 => out.extend((0..1 + random.below(16)).map(|at| (at * 37) as u8)),
            5 => {
                // a piece of another file over a piece of this one, lengths independent
                let (piece, gap) = (range(donor.len(), random), range(out.len(), random));
                out.splice(gap, donor[piece].iter().copied());
            }
            6 => {
                let gap = range(out.len(), random);
                out.drain(gap);
            }
            7 | 8 => number(out, random),
            _ => token(out, random),
        }
    }
}

/// Somewhere, mostly where formats have their headers: at the beginning and at the end.
fn place(len: usize, random: &mut Random) -> usize {
    let near = len.min(400);
    match random.below(3) {
        0 => random.below(len),
        1 => random.below(near),
        _ => len - near + random.below(near),
    }
}

/// A number of two, four or eight bytes in either order, at an edge or beside what stood there.
fn number(out: &mut [u8], random: &mut Random) {
    let (width, at) = (random.pick(&[2usize, 4, 8]), place(out.len(), random));
    let Some(field) = out.get_mut(at..at + width) else { return };
    let is_little = random.below(2) == 0;
    let old = field.iter().rev().fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
    let new = match random.below(3) {
        0 => random.draw(),
        1 => old.wrapping_add(random.below(17) as u64).wrapping_sub(8),
        _ => random.pick(&NUMBERS),
    };
    let bytes = if is_little { new.to_le_bytes() } else { (new << (64 - 8 * width)).to_be_bytes() };
    field.copy_from_slice(&bytes[..width]);
}

/// Replaces one word or number of a text, as someone with an editor would.
fn token(out: &mut Vec<u8>, random: &mut Random) {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'"');
    let from = random.below(out.len());
    let Some(start) = out[from..].iter().take(200).position(is_token).map(|at| from + at) else { return };
    let len = out[start..].iter().take(40).take_while(|byte| is_token(byte)).count();
    out.splice(start..start + len, random.pick(&WORDS).bytes());
}

fn range(len: usize, random: &mut Random) -> std::ops::Range<usize> {
    let start = random.below(len);
    start..start + random.below((len - start).min(96))
}
