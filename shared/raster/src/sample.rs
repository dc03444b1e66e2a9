//! How samples are stored; bytes of a row, in little-endian order, as `f32`.

use half::f16;

/// How a sample is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKind {
    /// A whole number without sign, of this many bits.
    Unsigned(u16),
    /// A whole number with sign.
    Signed(u16),
    /// Floating point.
    Float(u16),
}

impl SampleKind {
    /// Bits of a sample.
    #[must_use]
    pub const fn bits(self) -> u16 {
        match self {
            Self::Unsigned(bits) | Self::Signed(bits) | Self::Float(bits) => bits,
        }
    }
}

impl std::fmt::Display for SampleKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unsigned(bits) => write!(formatter, "{bits}-bit"),
            Self::Signed(bits) => write!(formatter, "signed {bits}-bit"),
            Self::Float(bits) => write!(formatter, "{bits}-bit float"),
        }
    }
}

/// Writes `into.len()` samples from number `first` on, each `stride` after the one before. The row has enough of them.
pub(crate) fn samples(kind: SampleKind, row: &[u8], first: usize, stride: usize, into: &mut [f32]) {
    match kind {
        SampleKind::Unsigned(8) => pick::<1>(row, first, stride, into, |[byte]| f32::from(byte)),
        SampleKind::Unsigned(16) => pick(row, first, stride, into, |bytes| f32::from(u16::from_le_bytes(bytes))),
        SampleKind::Unsigned(32) => pick(row, first, stride, into, |bytes| u32::from_le_bytes(bytes) as f32),
        SampleKind::Unsigned(64) => pick(row, first, stride, into, |bytes| u64::from_le_bytes(bytes) as f32),
        SampleKind::Signed(8) => pick::<1>(row, first, stride, into, |[byte]| f32::from(byte as i8)),
        SampleKind::Signed(16) => pick(row, first, stride, into, |bytes| f32::from(i16::from_le_bytes(bytes))),
        SampleKind::Signed(32) => pick(row, first, stride, into, |bytes| i32::from_le_bytes(bytes) as f32),
        SampleKind::Signed(_) => pick(row, first, stride, into, |bytes| i64::from_le_bytes(bytes) as f32),
        SampleKind::Float(16) => pick(row, first, stride, into, |bytes| f16::from_le_bytes(bytes).to_f32()),
        SampleKind::Float(32) => pick(row, first, stride, into, f32::from_le_bytes),
        SampleKind::Float(_) => pick(row, first, stride, into, |bytes| f64::from_le_bytes(bytes) as f32),
        SampleKind::Unsigned(bits) => {
            let numbers = (first..).step_by(stride);
            into.iter_mut()
                .zip(numbers)
                .for_each(|(value, number)| *value = packed(row, number, usize::from(bits)) as f32);
        }
    }
}

fn pick<const WIDTH: usize>(
    row: &[u8],
    first: usize,
    stride: usize,
    into: &mut [f32],
    number: impl Fn([u8; WIDTH]) -> f32,
) {
    let (all, _) = row.as_chunks::<WIDTH>();
    let wanted = all.get(first..).unwrap_or_default().iter().step_by(stride);
    into.iter_mut().zip(wanted).for_each(|(value, bytes)| *value = number(*bytes));
}

/// A number of any width, the highest bit first, its neighbours in the same bytes.
fn packed(row: &[u8], number: usize, bits: usize) -> u32 {
    let start = number * bits;
    (start..start + bits).fold(0, |value, bit| {
        let byte = row.get(bit / 8).copied().unwrap_or_default();
        (value << 1) | u32::from(byte >> (7 - bit % 8) & 1)
    })
}
