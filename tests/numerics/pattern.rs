//! The closed formulas of `tests/reference/patterns.py`, and the comparison with a digest of a PyTorch tensor.

use serde_json::Value;
use shared::tensors::{NamedTensor, TensorMap, into_map};

fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |value, byte| (value ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

/// Values on [−1, 1) with 24 random bits each: splitmix64 of a counter that starts at the name's hash.
pub fn uniform(name: &str, count: usize) -> Vec<f32> {
    let start = fnv1a(name);
    let value = |index: u64| {
        let z = start.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let unit = ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24);
        (2.0 * unit - 1.0) as f32
    };
    (1..=count as u64).map(value).collect()
}

/// A plausible weight for a tensor of this name and shape.
pub fn weight(name: &str, shape: &[usize]) -> Vec<f32> {
    let values = uniform(name, shape.iter().product());
    let scaled: Box<dyn Fn(f32) -> f32> = if shape.len() >= 2 {
        let fan_in: usize = shape[1..].iter().product();
        let bound = (6.0 / fan_in as f64).sqrt() as f32;
        Box::new(move |v| v * bound)
    } else if name.ends_with("running_var") {
        Box::new(|v| 1.0 + 0.5 * v)
    } else if name.ends_with("bn2.weight") || name.ends_with("bn3.weight") {
        // Residual branches start small: see patterns.py.
        Box::new(|v| 0.25 * (1.0 + 0.1 * v))
    } else if name.ends_with("weight") {
        Box::new(|v| 1.0 + 0.1 * v)
    } else {
        Box::new(|v| 0.1 * v)
    };
    values.into_iter().map(scaled).collect()
}

/// Patterned weights for tensors of these names and shapes; `prefix` goes into the pattern, not into the name.
pub fn weights(shapes: impl IntoIterator<Item = (String, Vec<usize>)>, prefix: &str) -> TensorMap {
    let tensors = shapes.into_iter().map(|(name, shape)| {
        let values = weight(&format!("{prefix}{name}"), &shape);
        NamedTensor { name, shape, values }
    });
    into_map(tensors.collect())
}

/// Rows of length 1, as `torch.nn.functional.normalize`.
pub fn unit_rows(mut values: Vec<f32>, dim: usize) -> Vec<f32> {
    for row in values.chunks_exact_mut(dim) {
        let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        row.iter_mut().for_each(|v| *v /= norm);
    }
    values
}

/// Asserts that `values` are those of the digest, up to `tolerance` times the largest magnitude in it (and `floor`, below
/// which a magnitude is rounding noise: a gradient that is zero in exact arithmetic, say).
pub fn assert_digest(what: &str, values: &[f32], digest: &Value, tolerance: f64, floor: f64) {
    let number = |key: &str| digest[key].as_f64().unwrap();
    assert_eq!(values.len() as u64, digest["count"].as_u64().unwrap(), "{what}: number of values");
    let bound = tolerance * number("max").max(floor);
    let step = digest["step"].as_u64().unwrap() as usize;
    let expected = digest["values"].as_array().unwrap();
    for (index, (found, expected)) in values.iter().step_by(step).zip(expected).enumerate() {
        let expected = expected.as_f64().unwrap();
        let error = (f64::from(*found) - expected).abs();
        assert!(
            error <= bound,
            "{what}[{}]: {found} is not {expected} (error {error:.2e}, bound {bound:.2e})",
            index * step
        );
    }
    let norm = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let error = (norm - number("norm")).abs();
    let bound = tolerance * number("norm").max(floor * (values.len() as f64).sqrt());
    assert!(error <= bound, "{what}: norm {norm} is not {} (error {error:.2e})", number("norm"));
}

/// Asserts that `values` are those of the digest up to a relative error in the Euclidean norm.
///
/// For gradients of deep networks: an activation within rounding of zero falls on either side of a ReLU, which changes a
/// few gradient values by a finite amount and the whole by almost nothing. `floor` is a root mean square below which a
/// gradient is rounding noise.
pub fn assert_digest_in_norm(what: &str, values: &[f32], digest: &Value, tolerance: f64, floor: f64) {
    assert_eq!(values.len() as u64, digest["count"].as_u64().unwrap(), "{what}: number of values");
    let step = digest["step"].as_u64().unwrap() as usize;
    let expected: Vec<f64> = digest["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    let found = values.iter().step_by(step).map(|value| f64::from(*value));
    let mean_square = |squares: f64| (squares / expected.len() as f64).sqrt();
    let error = mean_square(found.zip(&expected).map(|(found, expected)| (found - expected).powi(2)).sum());
    let size = mean_square(expected.iter().map(|value| value * value).sum()).max(floor);
    assert!(error <= tolerance * size, "{what}: relative error {:.2e}, more than {tolerance:.0e}", error / size);
    let norm = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    let expected = digest["norm"].as_f64().unwrap();
    let size = expected.max(floor * (values.len() as f64).sqrt());
    assert!((norm - expected).abs() <= tolerance * size, "{what}: norm {norm} is not {expected}");
}

/// A golden file.
pub fn golden(name: &str) -> Value {
    let path = solstice_tests::repository().join("tests/numerics/goldens").join(format!("{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
