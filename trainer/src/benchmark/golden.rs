//! The closed formulas of `tests/reference/patterns.py`, and comparisons with PyTorch's digests.

use serde_json::Value;
use shared::tensors::{NamedTensor, TensorMap};

fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |value, byte| (value ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

/// Values on [−1, 1).
pub fn uniform(name: &str, count: usize) -> Vec<f32> {
    let start = fnv1a(name);
    let value = |index: u64| {
        let z = start.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (2.0 * (((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24)) - 1.0) as f32
    };
    (1..=count as u64).map(value).collect()
}

/// Every tensor of `own` with the values that the pattern gives its name.
pub fn patterned(own: &TensorMap) -> TensorMap {
    let fill = |(name, tensor): (&String, &NamedTensor)| {
        let shape = &tensor.shape;
        let scale = |value: f32| match shape.len() {
            2.. => value * (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt() as f32,
            _ if name.ends_with("running_var") => 1.0 + 0.5 * value,
            _ if name.ends_with("bn2.weight") => 0.25 * (1.0 + 0.1 * value),
            _ if name.ends_with("weight") => 1.0 + 0.1 * value,
            _ => 0.1 * value,
        };
        let values = uniform(name, tensor.values.len()).into_iter().map(scale).collect();
        (name.clone(), NamedTensor { values, ..tensor.clone() })
    };
    own.iter().map(fill).collect()
}

/// Asserts that sampled values and the norm are the digest's, up to `tolerance` of the largest value.
pub fn assert_digest(what: &str, values: &[f32], digest: &Value, tolerance: f64) {
    let number = |key: &str| digest[key].as_f64().unwrap_or(f64::NAN);
    assert_eq!(values.len() as f64, number("count"), "{what}: number of values");
    let bound = tolerance * number("max");
    let expected = digest["values"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert!(!expected.is_empty(), "{what}: nothing to compare");
    for (at, (found, expected)) in values.iter().step_by(number("step") as usize).zip(expected).enumerate() {
        let error = (f64::from(*found) - expected.as_f64().unwrap_or(f64::NAN)).abs();
        assert!(error <= bound, "{what}, sample {at}: {found} is not {expected} ({error:.1e} of {bound:.1e})");
    }
    let norm = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    assert!((norm - number("norm")).abs() <= tolerance * number("norm"), "{what}: norm {norm}");
}
