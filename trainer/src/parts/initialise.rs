//! Seeded initial weights, the same on every device: PyTorch's distributions for the layers we use.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shared::encoder::{Encoder, EncoderConfig};
use shared::tensors::{NamedTensor, TensorMap, into_map};

/// An encoder with random weights drawn from `seed`, as torchvision draws a ResNet's: convolutions Kaiming-normal by
/// fan-out, batch normalisation 1 and 0.
#[must_use]
pub fn random_encoder(config: &EncoderConfig, seed: u64, device: &burn::tensor::Device) -> Encoder {
    let weights = random_encoder_weights(config, seed);
    shared::encoder::load_module(config.init(device), &weights)
}

/// The weights of [`random_encoder`].
#[must_use]
pub fn random_encoder_weights(config: &EncoderConfig, seed: u64) -> TensorMap {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let tensors = config.tensor_shapes(false).into_iter().map(|(name, shape)| {
        let count = shape.iter().product();
        let values = if shape.len() == 4 {
            let fan_out = shape[0] * shape[2] * shape[3];
            normal(&mut rng, count, (2.0 / fan_out as f64).sqrt())
        } else if name.ends_with(".bias") || name.ends_with(".running_mean") {
            vec![0.0; count]
        } else {
            vec![1.0; count]
        };
        NamedTensor { name, shape, values }
    });
    into_map(tensors.collect())
}

/// PyTorch's default for `Linear(inputs, outputs)`: weight `[outputs, inputs]` and bias uniform in ±1/√inputs.
#[must_use]
pub fn linear(inputs: usize, outputs: usize, seed: u64) -> (Vec<f32>, Vec<f32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let bound = 1.0 / (inputs as f64).sqrt();
    let mut draw = |count: usize| (0..count).map(|_| rng.random_range(-bound..bound) as f32).collect();
    (draw(inputs * outputs), draw(outputs))
}

/// `count` normal values of mean 0 and standard deviation `std`.
#[must_use]
pub fn normal_values(count: usize, std: f64, seed: u64) -> Vec<f32> {
    normal(&mut ChaCha8Rng::seed_from_u64(seed), count, std)
}

/// `count` random directions of length 1, row-major `[count, dim]`.
#[must_use]
pub fn unit_vectors(count: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut values = normal(&mut rng, count * dim, 1.0);
    for row in values.chunks_exact_mut(dim) {
        shared::compare::l2_normalise(row);
    }
    values
}

/// Normal values by Box and Muller's transform.
fn normal(rng: &mut ChaCha8Rng, count: usize, std: f64) -> Vec<f32> {
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt() * std;
        let angle = std::f64::consts::TAU * rng.random::<f64>();
        values.push((radius * angle.cos()) as f32);
        values.push((radius * angle.sin()) as f32);
    }
    values.truncate(count);
    values
}
