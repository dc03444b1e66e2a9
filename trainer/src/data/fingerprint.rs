//! What a picture is by its content, whatever it is called, whichever folder or tar it lies in, and in whichever lossless
//! format.
//!
//! A fingerprint is the first 64 bits of the SHA-256 of bands, height, width and bits a sample (each a little-endian u32)
//! and the samples as they are stored, `[height, width, bands]`, little-endian, of the bands that are taken. A picture that
//! was scaled, stretched or compressed anew with loss is another one.

use sha2::{Digest, Sha256};

use super::picture::{Picture, Samples};

/// The fingerprint of a decoded picture.
#[must_use]
pub fn fingerprint(picture: &Picture) -> u64 {
    let bits = match picture.samples {
        Samples::U8(_) => 8,
        Samples::U16(_) | Samples::I16(_) => 16,
        Samples::F32(_) => 32,
    };
    let mut hash = Sha256::new();
    for number in [picture.bands, picture.height, picture.width, bits] {
        hash.update((number as u32).to_le_bytes());
    }
    match &picture.samples {
        Samples::U8(samples) => hash.update(samples),
        Samples::U16(samples) => update_in_pieces(&mut hash, samples, u16::to_le_bytes),
        Samples::I16(samples) => update_in_pieces(&mut hash, samples, i16::to_le_bytes),
        Samples::F32(samples) => update_in_pieces(&mut hash, samples, f32::to_le_bytes),
    }
    let digest = hash.finalize();
    digest.iter().take(8).fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// Hashes values a few thousand at a time: byte by byte would be slow, and all at once a second copy of the picture.
fn update_in_pieces<T: Copy, const N: usize>(hash: &mut Sha256, values: &[T], bytes: impl Fn(T) -> [u8; N]) {
    for piece in values.chunks(4096) {
        let piece: Vec<u8> = piece.iter().flat_map(|&value| bytes(value)).collect();
        hash.update(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(bands: usize, height: usize, width: usize, samples: Samples) -> Picture {
        Picture { bands, height, width, samples, missing: Vec::new() }
    }

    #[test]
    fn it_is_what_another_program_computes() {
        // python3: hashlib.sha256(struct.pack("<4I", 1, 1, 3, 16) + struct.pack("<3H", 1, 500, 65535)).hexdigest()[:16]
        assert_eq!(fingerprint(&picture(1, 1, 3, Samples::U16(vec![1, 500, 65_535]))), 0xf571_ec52_a720_3aa6);
        // python3: hashlib.sha256(struct.pack("<4I", 3, 1, 2, 8) + bytes(range(6))).hexdigest()[:16]
        assert_eq!(fingerprint(&picture(3, 1, 2, Samples::U8((0..6).collect()))), 0x16fa_31eb_3857_d274);
    }

    #[test]
    fn shape_type_and_every_sample_count() {
        let samples: Vec<u8> = (0..12).collect();
        let base = picture(3, 2, 2, Samples::U8(samples.clone()));
        let wide = picture(3, 1, 4, Samples::U8(samples.clone()));
        let deep = picture(3, 2, 2, Samples::U16(samples.iter().map(|&value| u16::from(value)).collect()));
        let mut other = samples;
        other[11] = 13;
        let found = [base.clone(), wide, deep, picture(3, 2, 2, Samples::U8(other))].map(|one| fingerprint(&one));
        let distinct: std::collections::BTreeSet<u64> = found.into_iter().collect();
        assert_eq!(distinct.len(), 4);
        assert_eq!(fingerprint(&base), found[0]);
    }
}
