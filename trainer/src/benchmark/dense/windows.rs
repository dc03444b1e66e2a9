//! Whole pictures of any size by overlapping windows: what two windows see is averaged, the middle of a window counting more
//! than its edge.

use anyhow::{Result, ensure};
use burn::tensor::{Device, Tensor, TensorData, activation};
use shared::preprocess::{Normalisation, crop, normalise};

use super::network::{DenseNetwork, TrunkPart};
use super::scene::Scene;
use crate::parts::read;

/// First pixels of windows of `window` over `length`, each overlapping the one before by half or more.
fn starts(length: usize, window: usize) -> Vec<usize> {
    if length <= window {
        return vec![0];
    }
    let last = length - window;
    let steps = last.div_ceil((window / 2).max(1));
    (0..=steps).map(|step| step * last / steps).collect()
}

/// What a pixel of a window counts: 1 in the middle, falling towards the edges, never 0.
fn weight(at: usize, length: usize) -> f32 {
    let from_edge = (at.min(length - 1 - at) + 1) as f32;
    2.0 * from_edge / (length + 1) as f32
}

/// Probabilities of every pixel: of change for one output (`[h · w]`), of each class for more (`[outputs · h · w]`).
///
/// # Errors
/// When an answer is no finite number.
pub fn probabilities(
    network: &DenseNetwork,
    outputs: usize,
    scene: &Scene,
    normalisation: &Normalisation,
    window: usize,
    device: &Device,
) -> Result<Vec<f32>> {
    let [height, width] = scene.size();
    let area = height * width;
    let (mut sums, mut weights) = (vec![0.0_f32; outputs * area], vec![0.0_f32; area]);
    let (rows, columns) = (window.min(height), window.min(width));
    for &top in &starts(height, rows) {
        for &left in &starts(width, columns) {
            let picture = |tile| -> Result<Tensor<4>> {
                let mut own = crop(tile, top, left, rows, columns)?;
                normalise(&mut own, normalisation)?;
                let shape = [1, own.bands(), rows, columns];
                Ok(Tensor::from_data(TensorData::new(own.into_pixels(), shape), device))
            };
            let pictures = scene.pictures.iter().map(picture).collect::<Result<Vec<_>>>()?;
            let logits = network.forward(pictures, TrunkPart::Frozen, false);
            let found = read(if outputs == 1 { activation::sigmoid(logits) } else { activation::softmax(logits, 1) });
            ensure!(found.iter().all(|value| value.is_finite()), "an answer of the decoder is no finite number");
            for y in 0..rows {
                for x in 0..columns {
                    let weight = weight(y, rows) * weight(x, columns);
                    let at = (top + y) * width + left + x;
                    weights[at] += weight;
                    for output in 0..outputs {
                        sums[output * area + at] += weight * found[(output * rows + y) * columns + x];
                    }
                }
            }
        }
    }
    for plane in sums.chunks_exact_mut(area.max(1)) {
        plane.iter_mut().zip(&weights).for_each(|(sum, weight)| *sum /= weight);
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_everything_and_overlap_by_half() {
        for (length, window) in [(10, 16), (16, 16), (17, 16), (40, 16), (1024, 256), (385, 96), (3, 1)] {
            let starts = starts(length, window);
            let window = window.min(length);
            assert_eq!((starts[0], starts[starts.len() - 1] + window), (0, length), "{length} by {window}");
            for pair in starts.windows(2) {
                assert!(
                    pair[1] > pair[0] && pair[1] - pair[0] <= (window / 2).max(1),
                    "{length} by {window}: {pair:?}"
                );
            }
        }
        assert_eq!([0, 1, 2, 3, 4].map(|at| weight(at, 5)), [1.0 / 3.0, 2.0 / 3.0, 1.0, 2.0 / 3.0, 1.0 / 3.0]);
    }
}
