//! NumPy's array files: stacks of bands as pictures, and image series.
//!
//! Read are whole numbers of 8 to 64 bits, with and without sign, and floating point of 16 to 64, in either byte order, in C
//! and in Fortran order. What becomes of them is what becomes of the same numbers in a TIFF.

mod element;

use super::decode_error::DecodeError;
use super::decoded::Decoded;
use super::picture::{Picture, Samples, some_or_none};
use element::element;

/// How every file begins.
const MAGIC: &[u8] = b"\x93NUMPY";

/// An array in C order: its shape and values.
#[derive(Debug)]
pub(super) struct NpyArray {
    pub(super) shape: Vec<usize>,
    pub(super) samples: Samples,
}

/// Whether bytes begin as a `.npy` file does.
pub(super) fn is_npy(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Whether a file's name is that of an array.
pub(super) fn is_npy_name(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("npy"))
}

/// A picture: `[height, width]`, `[bands, height, width]` or `[height, width, bands]`, told apart by the side that differs.
/// What is no number is missing.
pub(super) fn decode_npy(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    const HINT: &str =
        "save one array of [bands, height, width] or [height, width, bands], of numbers, with numpy.save";
    let array = parse_npy(bytes).map_err(|why| DecodeError::new(why, HINT))?;
    let sides: Vec<usize> = match array.shape.split_first() {
        Some((1, rest)) if rest.len() == 3 => rest.to_vec(),
        _ => array.shape.clone(),
    };
    let shape = match sides[..] {
        [height, width] => Some((1, height, width, false)),
        [first, second, third] => match bands_are_first(first, second, third) {
            Some(true) => Some((first, second, third, true)),
            Some(false) => Some((third, first, second, false)),
            None => {
                let why = format!("an array of shape {sides:?}, which may be {first} bands or {third}");
                return Err(DecodeError::new(why, HINT));
            }
        },
        _ => None,
    };
    let Some((bands, height, width, is_planar)) = shape.filter(|(bands, height, width, _)| bands * height * width > 0)
    else {
        return Err(DecodeError::new(format!("an array of shape {sides:?} is no picture"), HINT));
    };
    let samples =
        if is_planar { array.samples.reordered(bands * height * width, interleaved(bands)) } else { array.samples };
    Ok(Decoded::plain(Picture::whole(bands, height, width, samples).without_no_numbers()))
}

/// Whether the first side counts the bands, or the last does; nothing where either may.
fn bands_are_first(first: usize, second: usize, third: usize) -> Option<bool> {
    match (second == third && first != second, first == second && third != second) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ if first < second.min(third) => Some(true),
        _ if third < first.min(second) => Some(false),
        _ => None,
    }
}

/// Where the sample at a place of `[pixels, bands]` is in `[bands, pixels]`.
fn interleaved(bands: usize) -> impl Fn(usize, usize) -> usize {
    move |at, len| at % bands * (len / bands) + at / bands
}

/// Reads a `.npy` file.
pub(super) fn parse_npy(bytes: &[u8]) -> Result<NpyArray, String> {
    let magic = bytes.strip_prefix(MAGIC).ok_or("not a NumPy array file")?;
    let short = "the file is cut off";
    let major = *magic.first().ok_or(short)?;
    let (len, start): (usize, usize) = if major == 1 {
        (usize::from(u16::from_le_bytes(magic.get(2..4).and_then(|raw| raw.try_into().ok()).ok_or(short)?)), 4)
    } else {
        (u32::from_le_bytes(magic.get(2..6).and_then(|raw| raw.try_into().ok()).ok_or(short)?) as usize, 6)
    };
    let header = magic.get(start..start.saturating_add(len)).ok_or(short)?;
    let header = std::str::from_utf8(header).map_err(|_| "the header is not text")?;
    let is_fortran = match after(header, "fortran_order") {
        Some(rest) if rest.starts_with("False") => false,
        Some(rest) if rest.starts_with("True") => true,
        _ => return Err("the header does not say the order of the values".to_owned()),
    };
    let kind = after(header, "descr").and_then(quoted).ok_or("the header names no type of numbers")?;
    let (element, is_little) = element(kind)?;
    let shape = after(header, "shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')'));
    let shape: Vec<usize> = shape
        .ok_or("the header names no shape")?
        .0
        .split(',')
        .map(str::trim)
        .filter(|side| !side.is_empty())
        .map(|side| side.parse::<usize>().map_err(|_| format!("a side of {side:?}")))
        .collect::<Result<_, _>>()?;
    let count =
        shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side)).ok_or("the array is too large")?;
    let data = &magic[start + len..];
    if count.checked_mul(element.bytes()) != Some(data.len()) {
        return Err(format!("{} bytes of values for the shape {shape:?} of {kind}", data.len()));
    }
    let samples = element.read(data, is_little);
    let samples = if is_fortran && shape.len() > 1 { samples.reordered(count, c_order(&shape)) } else { samples };
    Ok(NpyArray { shape, samples })
}

/// What follows a key of the header's dictionary.
fn after<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let at = header.find(key)? + key.len();
    let rest = header[at..].strip_prefix(['\'', '"'])?.trim_start();
    Some(rest.strip_prefix(':')?.trim_start())
}

fn quoted(text: &str) -> Option<&str> {
    let mark = text.chars().next().filter(|mark| matches!(mark, '\'' | '"'))?;
    text[1..].split_once(mark).map(|(inside, _)| inside)
}

/// Where the value at a place of C order is in Fortran's.
fn c_order(shape: &[usize]) -> impl Fn(usize, usize) -> usize {
    move |mut at, _| {
        let mut place = vec![0; shape.len()];
        for (axis, side) in shape.iter().enumerate().rev() {
            place[axis] = at % side;
            at /= side;
        }
        place.iter().zip(shape).rev().fold(0, |found, (own, side)| found * side + own)
    }
}

impl Samples {
    /// The same values in another order: `from(at, len)` is where the value at `at` comes from.
    fn reordered(self, len: usize, from: impl Fn(usize, usize) -> usize) -> Self {
        fn moved<T: Copy>(values: &[T], len: usize, from: impl Fn(usize, usize) -> usize) -> Vec<T> {
            (0..len).map(|at| values[from(at, len)]).collect()
        }
        match self {
            Self::U8(values) => Self::U8(moved(&values, len, from)),
            Self::U16(values) => Self::U16(moved(&values, len, from)),
            Self::I16(values) => Self::I16(moved(&values, len, from)),
            Self::F32(values) => Self::F32(moved(&values, len, from)),
        }
    }
}

impl Picture {
    /// The picture with what is no number marked as missing.
    pub(super) fn without_no_numbers(mut self) -> Self {
        if let Samples::F32(values) = &self.samples
            && values.iter().any(|value| !value.is_finite())
        {
            self.missing.resize(values.len(), false);
            self.missing.iter_mut().zip(values).for_each(|(missing, value)| *missing |= !value.is_finite());
        }
        self.missing = some_or_none(self.missing);
        self
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
pub(super) mod tests {
    use super::*;
    use half::f16;

    /// A version 1 file.
    pub(in crate::data) fn npy(kind: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
        ordered(kind, shape, data, "False")
    }

    fn ordered(kind: &str, shape: &[usize], data: &[u8], is_fortran: &str) -> Vec<u8> {
        let shape: Vec<String> = shape.iter().map(ToString::to_string).collect();
        let header =
            format!("{{'descr': '{kind}', 'fortran_order': {is_fortran}, 'shape': ({}), }}\n", shape.join(", "));
        [&b"\x93NUMPY\x01\0"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
    }

    #[test]
    fn numbers_of_every_type_are_read() {
        let values = |kind: &str, data: &[u8]| parse_npy(&npy(kind, &[1], data)).unwrap().samples;
        assert_eq!(values("|u1", &[7]), Samples::U8(vec![7]));
        assert_eq!(values("<u2", &[1, 2]), Samples::U16(vec![513]));
        assert_eq!(values(">u2", &[1, 2]), Samples::U16(vec![258]));
        assert_eq!(values("<i2", &[0xff, 0xff]), Samples::I16(vec![-1]));
        assert_eq!(values("<i4", &(-20_000_i32).to_le_bytes()), Samples::F32(vec![-2.0]));
        assert_eq!(values("<u8", &5000_u64.to_le_bytes()), Samples::F32(vec![0.5]));
        assert_eq!(values("|i1", &[0x80]), Samples::F32(vec![-128.0 / 255.0]));
        assert_eq!(values("<f2", &f16::from_f32(0.25).to_le_bytes()), Samples::F32(vec![0.25]));
        assert_eq!(values("<f4", &1.5f32.to_le_bytes()), Samples::F32(vec![1.5]));
        assert_eq!(values(">f8", &1.5f64.to_be_bytes()), Samples::F32(vec![1.5]));
    }

    #[test]
    fn fortrans_order_gives_the_same_array() {
        // [[[0, 1], [2, 3], [4, 5]], [[6, 7], [8, 9], [10, 11]]] of shape [2, 3, 2], its first side running fastest
        let file = ordered("|u1", &[2, 3, 2], &[0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11], "True");
        assert_eq!(parse_npy(&file).unwrap().samples, Samples::U8((0..12).collect()));
    }

    #[test]
    fn bands_are_the_side_that_differs() {
        let picture = |shape: &[usize]| {
            let count = shape.iter().product::<usize>();
            decode_npy(&npy("|u1", shape, &(0..count).map(|at| at as u8).collect::<Vec<_>>())).map(|it| it.picture)
        };
        let planar = picture(&[2, 3, 4]).unwrap();
        assert_eq!((planar.bands, planar.height, planar.width), (2, 3, 4));
        assert!((planar.unit(0, 1, 1) - 13.0 / 255.0).abs() < 1e-6);
        let chunky = picture(&[3, 4, 2]).unwrap();
        assert_eq!((chunky.bands, chunky.height, chunky.width), (2, 3, 4));
        assert!((chunky.unit(0, 1, 1) - 3.0 / 255.0).abs() < 1e-6);
        let sides = |shape: &[usize]| picture(shape).map(|it| (it.bands, it.height, it.width)).ok();
        assert_eq!(sides(&[13, 8, 8]), Some((13, 8, 8)), "more bands than pixels a side");
        assert_eq!(sides(&[8, 8, 13]), Some((13, 8, 8)));
        assert_eq!(sides(&[1, 4, 9, 8]), Some((4, 9, 8)), "a batch of one");
        assert_eq!(sides(&[5, 6]), Some((1, 5, 6)));
        for shape in [&[8, 8, 8][..], &[3, 9, 3], &[4], &[2, 2, 2, 2], &[0, 4, 4]] {
            assert!(sides(shape).is_none(), "{shape:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_missing() {
        let data: Vec<u8> = [0.5f32, f32::NAN, 0.25, 1.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(decode_npy(&npy("<f4", &[2, 2], &data)).unwrap().picture.missing, [false, true, false, false]);
    }

    #[test]
    fn damage_is_an_error() {
        let whole = npy("<u2", &[2, 2], &[0; 8]);
        for len in 0..whole.len() {
            assert!(parse_npy(&whole[..len]).is_err());
        }
        assert!(parse_npy(&npy("<c8", &[1], &[0; 8])).unwrap_err().contains("<c8"));
        assert!(parse_npy(&npy("<u2", &[usize::MAX, 3], &[])).is_err());
        assert!(parse_npy(&npy("|b1", &[1], &[0])).unwrap_err().contains("|b1"));
    }
}
