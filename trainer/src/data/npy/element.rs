//! The numbers of an array, as they are stored.

use half::f16;

use crate::data::picture::Samples;

/// Reflectance of one step of digital numbers.
const DN_SCALE: f64 = 1e-4;

/// How one value is stored.
#[derive(Clone, Copy)]
pub(super) enum Element {
    Unsigned(usize),
    Signed(usize),
    Float(usize),
}

/// The type of `<u2` and the like, and whether its lowest byte comes first.
pub(super) fn element(kind: &str) -> Result<(Element, bool), String> {
    let (order, rest) = match kind.as_bytes().first() {
        Some(order @ (b'<' | b'>' | b'|' | b'=')) => (*order, &kind[1..]),
        _ => (b'=', kind),
    };
    let element = match rest {
        "u1" => Element::Unsigned(1),
        "u2" => Element::Unsigned(2),
        "u4" => Element::Unsigned(4),
        "u8" => Element::Unsigned(8),
        "i1" => Element::Signed(1),
        "i2" => Element::Signed(2),
        "i4" => Element::Signed(4),
        "i8" => Element::Signed(8),
        "f2" => Element::Float(2),
        "f4" => Element::Float(4),
        "f8" => Element::Float(8),
        _ => {
            return Err(format!("values of type {kind} are not read (whole numbers and floating point are)"));
        }
    };
    Ok((element, order != b'>'))
}

impl Element {
    /// Of one number.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Unsigned(bytes) | Self::Signed(bytes) | Self::Float(bytes) => bytes,
        }
    }

    /// The numbers in `data`.
    pub(super) fn read(self, data: &[u8], is_little: bool) -> Samples {
        fn all<const N: usize, T>(data: &[u8], is_little: bool, number: impl Fn([u8; N]) -> T) -> Vec<T> {
            let number = |raw: &[u8; N]| {
                let mut raw = *raw;
                if !is_little {
                    raw.reverse();
                }
                number(raw)
            };
            data.as_chunks().0.iter().map(number).collect()
        }
        let dn = |value: f64| (value * DN_SCALE) as f32;
        match self {
            Self::Unsigned(1) => Samples::U8(data.to_vec()),
            Self::Unsigned(2) => Samples::U16(all(data, is_little, u16::from_le_bytes)),
            Self::Unsigned(4) => Samples::F32(all(data, is_little, |raw| dn(f64::from(u32::from_le_bytes(raw))))),
            Self::Unsigned(_) => Samples::F32(all(data, is_little, |raw| dn(u64::from_le_bytes(raw) as f64))),
            Self::Signed(1) => Samples::F32(data.iter().map(|&value| f32::from(value as i8) / 255.0).collect()),
            Self::Signed(2) => Samples::I16(all(data, is_little, i16::from_le_bytes)),
            Self::Signed(4) => Samples::F32(all(data, is_little, |raw| dn(f64::from(i32::from_le_bytes(raw))))),
            Self::Signed(_) => Samples::F32(all(data, is_little, |raw| dn(i64::from_le_bytes(raw) as f64))),
            Self::Float(2) => Samples::F32(all(data, is_little, |raw| f16::from_le_bytes(raw).to_f32())),
            Self::Float(4) => Samples::F32(all(data, is_little, f32::from_le_bytes)),
            Self::Float(_) => Samples::F32(all(data, is_little, |raw| f64::from_le_bytes(raw) as f32)),
        }
    }
}
