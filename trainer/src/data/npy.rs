//! NumPy's array files, as far as image series need them.

use super::picture::Samples;

/// An array in C order: its shape and values.
#[derive(Debug)]
pub(super) struct NpyArray {
    pub(super) shape: Vec<usize>,
    pub(super) samples: Samples,
}

/// Reads a `.npy` file of little-endian `u1`, `u2`, `i2` or `f4` values. Signed values below zero become 0.
pub(super) fn parse_npy(bytes: &[u8]) -> Result<NpyArray, String> {
    let magic = bytes.strip_prefix(b"\x93NUMPY").ok_or("not a NumPy array file")?;
    let short = "the file is cut off";
    let major = *magic.first().ok_or(short)?;
    let (len, start) = if major == 1 {
        (usize::from(u16::from_le_bytes(magic.get(2..4).and_then(|raw| raw.try_into().ok()).ok_or(short)?)), 4)
    } else {
        (u32::from_le_bytes(magic.get(2..6).and_then(|raw| raw.try_into().ok()).ok_or(short)?) as usize, 6)
    };
    let header = magic.get(start..start + len).ok_or(short)?;
    let header = std::str::from_utf8(header).map_err(|_| "the header is not text")?;
    if !header.contains("'fortran_order': False") {
        return Err("the array must be in C order".to_owned());
    }
    let kind = between(header, "'descr': '", "'").ok_or("the header names no type")?;
    let shape = between(header, "'shape': (", ")").ok_or("the header names no shape")?;
    let shape: Vec<usize> = shape
        .split(',')
        .map(str::trim)
        .filter(|side| !side.is_empty())
        .map(|side| side.parse::<usize>().map_err(|_| format!("a side of {side:?}")))
        .collect::<Result<_, _>>()?;
    let count =
        shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side)).ok_or("the array is too large")?;
    let data = &magic[start + len..];
    let width = match kind {
        "|u1" | "<u1" => 1,
        "<u2" | "<i2" => 2,
        "<f4" => 4,
        other => return Err(format!("values of type {other} are not supported (u1, u2, i2, f4 are)")),
    };
    if count.checked_mul(width) != Some(data.len()) {
        return Err(format!("{} bytes of values for the shape {shape:?} of {kind}", data.len()));
    }
    let pairs = || data.chunks_exact(2).map(|raw| [raw[0], raw[1]]);
    let samples = match kind {
        "<u2" => Samples::U16(pairs().map(u16::from_le_bytes).collect()),
        "<i2" => Samples::U16(pairs().map(|raw| i16::from_le_bytes(raw).max(0) as u16).collect()),
        "<f4" => {
            Samples::F32(data.chunks_exact(4).map(|raw| f32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]])).collect())
        }
        _ => Samples::U8(data.to_vec()),
    };
    Ok(NpyArray { shape, samples })
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    rest.find(after).map(|end| &rest[..end])
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
pub(super) mod tests {
    use super::*;

    /// A version 1 file.
    pub(in crate::data) fn npy(kind: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
        let shape: Vec<String> = shape.iter().map(ToString::to_string).collect();
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({}), }}\n", shape.join(", "));
        [&b"\x93NUMPY\x01\0"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
    }

    #[test]
    fn reads_integers_and_floats() {
        let array = parse_npy(&npy("<i2", &[1, 2], &[0xff, 0xff, 5, 0])).unwrap();
        assert_eq!((array.shape, array.samples), (vec![1, 2], Samples::U16(vec![0, 5])));
        let array = parse_npy(&npy("<f4", &[1], &1.5f32.to_le_bytes())).unwrap();
        assert_eq!(array.samples, Samples::F32(vec![1.5]));
    }

    #[test]
    fn damage_is_an_error() {
        let whole = npy("<u2", &[2, 2], &[0; 8]);
        for len in 0..whole.len() {
            assert!(parse_npy(&whole[..len]).is_err());
        }
        assert!(parse_npy(&npy("<f8", &[1], &[0; 8])).unwrap_err().contains("<f8"));
        assert!(parse_npy(&npy("<u2", &[usize::MAX, 3], &[])).is_err());
    }
}
