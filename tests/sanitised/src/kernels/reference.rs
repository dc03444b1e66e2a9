//! What the tests compare with: numbers without a pattern, and how near is near.

/// Numbers between -0.5 and 0.5 that look random and are the same everywhere.
pub(super) fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..len).map(|_| next()).collect()
}

/// Sums of some thousand single-precision products, relative to the largest.
pub(super) fn assert_close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    let largest = expected.iter().fold(1e-3_f64, |largest, value| largest.max(value.abs()));
    for (at, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs() / largest;
        assert!(error <= 2e-5, "{what}: element {at} is {found}, not {expected}");
    }
}
