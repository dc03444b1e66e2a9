//! Batch normalisation and contrast beside their definitions in double precision.

use super::cpu::NormShape;
use super::cpu::contrast::{Bank, contrast};
use super::cpu::normalisation::{Relu, Saved, backward, forward};
use super::reference::{assert_close, noise};

const EPSILON: f64 = 1e-5;

fn doubles(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

#[test]
fn normalisation_and_its_gradients() {
    let large = if cfg!(miri) { (2, 2, 19) } else { (5, 3, 70) };
    for (n, channels, plane) in [(1, 1, 3), (3, 2, 1), (2, 4, 16), large] {
        let shape = NormShape { n, channels, plane };
        let len = n * channels * plane;
        let (x, residual, gradient) = (noise(len, 1), noise(len, 2), noise(len, 3));
        let (gamma, beta) = (noise(channels, 4), noise(channels, 5));
        for joined in [None, Some(&residual[..])] {
            let what = format!("{shape:?}, residual {}", joined.is_some());
            let found = forward(shape, &x, &gamma, &beta, joined, true, EPSILON);
            let (mut y, mut by_x) = (vec![0.0; len], vec![0.0; len]);
            let (mut by_gamma, mut by_beta) = (vec![0.0; channels], vec![0.0; channels]);
            let mut masked = vec![0.0; len];
            for channel in 0..channels {
                let own: Vec<usize> = (0..len).filter(|at| at / plane % channels == channel).collect();
                let count = own.len() as f64;
                let mean = own.iter().map(|&at| f64::from(x[at])).sum::<f64>() / count;
                let variance = own.iter().map(|&at| (f64::from(x[at]) - mean).powi(2)).sum::<f64>() / count;
                let normal = |at: usize| (f64::from(x[at]) - mean) / (variance + EPSILON).sqrt();
                let (gamma, beta) = (f64::from(gamma[channel]), f64::from(beta[channel]));
                for &at in &own {
                    let sum = normal(at) * gamma + beta + joined.map_or(0.0, |residual| f64::from(residual[at]));
                    y[at] = sum.max(0.0);
                    masked[at] = if sum > 0.0 { f64::from(gradient[at]) } else { 0.0 };
                }
                by_beta[channel] = own.iter().map(|&at| masked[at]).sum();
                by_gamma[channel] = own.iter().map(|&at| masked[at] * normal(at)).sum();
                for &at in &own {
                    let rest = masked[at] - by_beta[channel] / count - normal(at) * by_gamma[channel] / count;
                    by_x[at] = rest * gamma / (variance + EPSILON).sqrt();
                }
            }
            assert_close(&found.output, &y, &what);
            let relu = if joined.is_some() { Relu::Joined(&found.output) } else { Relu::Alone(&beta) };
            let (mean, variance) = (&found.mean[..], &found.variance[..]);
            let saved = Saved { x: &x, gamma: &gamma, mean, variance, relu, epsilon: EPSILON };
            let gradients = backward(shape, &saved, &gradient);
            // One element a channel has no gradient: what is left of it is rounding.
            if n * plane > 1 {
                assert_close(&gradients.x, &by_x, &format!("by x, {what}"));
            }
            assert_close(&gradients.gamma, &by_gamma, &format!("by gamma, {what}"));
            assert_close(&gradients.beta, &by_beta, &format!("by beta, {what}"));
            if let Some(residual) = gradients.residual {
                assert_close(&residual, &masked, &format!("by the residual, {what}"));
            }
        }
    }
}

#[test]
fn contrast_and_its_gradient() {
    let large = if cfg!(miri) { (3, 9, 17) } else { (37, 33, 300) };
    for (n, width, keys) in [(1, 4, 1), (2, 8, 5), large] {
        let (queries, positives) = (noise(n * width, 1), noise(n * width, 2));
        let (shared, own) = (noise(keys * width, 3), noise(n * width, 4));
        let skips: Vec<bool> = (0..n).map(|row| row % 2 == 0).collect();
        let banks = [Bank { keys: &shared, skips_own: &[] }, Bank { keys: &own, skips_own: &skips }];
        let found = contrast(width, &queries, &positives, &banks, 0.2);
        let (mut losses, mut gradients, mut wins) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..n {
            let query = &doubles(&queries)[row * width..][..width];
            let all = shared.chunks_exact(width).chain(
                own.chunks_exact(width).enumerate().filter_map(|(at, key)| (at != row || !skips[row]).then_some(key)),
            );
            let mut vectors = vec![doubles(&positives[row * width..][..width])];
            vectors.extend(all.map(doubles));
            let logit = |key: &Vec<f64>| key.iter().zip(query).map(|(a, b)| a * b).sum::<f64>() / 0.2;
            let logits: Vec<f64> = vectors.iter().map(logit).collect();
            let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
            losses.push(total.ln() - logits[0]);
            wins.push(f64::from(u8::from(logits[1..].iter().all(|logit| *logit < logits[0]))));
            for at in 0..width {
                let mean: f64 = vectors.iter().zip(&logits).map(|(key, logit)| key[at] * logit.exp() / total).sum();
                gradients.push((mean - vectors[0][at]) / 0.2);
            }
        }
        let what = format!("{n} queries of {width} among {keys}");
        assert_close(&found.losses, &losses, &what);
        assert_close(&found.gradients, &gradients, &format!("gradient, {what}"));
        assert_close(&found.wins, &wins, &format!("wins, {what}"));
    }
}
