//! Batch normalisation with the statistics of the batch, fused with what follows it in a residual network: the
//! addition of the short cut and the ReLU. Two passes over a channel forward, two backward, while it is in the cache.

use std::ops::Range;

use super::lanes::{Affine, Kernels, PARTS, Slope, Sums};
use super::threads::{Output, for_each};

/// Images, channels, and elements per plane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormShape {
    pub n: usize,
    pub channels: usize,
    pub plane: usize,
}

impl NormShape {
    fn len(self) -> usize {
        self.n * self.channels * self.plane
    }

    /// Where the planes of a channel lie.
    fn planes(self, channel: usize) -> impl Iterator<Item = Range<usize>> {
        (0..self.n).map(move |image| {
            let start = (image * self.channels + channel) * self.plane;
            start..start + self.plane
        })
    }
}

/// Elements whose sums stay in single precision before they are added in double.
const STRETCH: usize = 8192;

impl NormShape {
    /// Two sums over a channel: `add` adds those of a plane. The order depends on the shape only.
    fn sum(self, channel: usize, mut add: impl FnMut(Range<usize>, &mut Sums)) -> [f64; 2] {
        let mut totals = [0.0; 2];
        let at_once = (STRETCH / self.plane.max(1)).max(1);
        for first in (0..self.n).step_by(at_once) {
            let mut sums = [[0.0; PARTS]; 2];
            for range in self.planes(channel).skip(first).take(at_once) {
                add(range, &mut sums);
            }
            for (total, parts) in totals.iter_mut().zip(sums) {
                *total += parts.into_iter().map(f64::from).sum::<f64>();
            }
        }
        totals
    }
}

/// A channel's way from input to output. From the stored statistics, so that the backward pass finds the same signs.
fn affine([mean, variance, gamma, beta]: [f32; 4], relu: bool, epsilon: f64) -> Affine {
    let scale = (f64::from(gamma) / (f64::from(variance) + epsilon).sqrt()) as f32;
    Affine { mean, scale, shift: beta, relu }
}

/// The forward pass' results: output `[n, c, …]`, mean `[c]`, biased variance `[c]`.
pub(in crate::kernels) struct Forward {
    pub output: Vec<f32>,
    pub mean: Vec<f32>,
    pub variance: Vec<f32>,
}

/// `relu?((x - mean) / √(variance + epsilon) · gamma + beta + residual?)`
pub(in crate::kernels) fn forward(
    shape: NormShape,
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    residual: Option<&[f32]>,
    relu: bool,
    epsilon: f64,
) -> Forward {
    let planes = Kernels::get().planes;
    let (output, target) = Output::reserve(shape.len());
    let (mut mean, mut variance) = (vec![0.0; shape.channels], vec![0.0; shape.channels]);
    let (means, variances) = (Output::of(&mut mean), Output::of(&mut variance));
    let count = (shape.n * shape.plane) as f64;
    for_each(shape.channels, |channel| {
        // Around one of its own values, a channel's squares lose no digits however far it is from zero.
        let around = x.get(channel * shape.plane).copied().unwrap_or(0.0);
        let sums = shape.sum(channel, |range, sums| {
            // SAFETY: `Kernels::get` returned loops that this machine can run.
            unsafe { (planes.moments)(&x[range], around, sums) };
        });
        let distance = sums[0] / count;
        let mean = (f64::from(around) + distance) as f32;
        let variance = (sums[1] / count - distance * distance).max(0.0) as f32;
        let affine = affine([mean, variance, gamma[channel], beta[channel]], relu, epsilon);
        for range in shape.planes(channel) {
            let residual = residual.map(|residual| &residual[range.clone()]);
            // SAFETY: this plane is written by this piece of work alone; loops as above.
            unsafe { (planes.normalise)(&x[range.clone()], residual, affine, target.part(range.start, shape.plane)) };
        }
        // SAFETY: each channel is written once.
        unsafe {
            *means.at(channel) = mean;
            *variances.at(channel) = variance;
        }
    });
    // SAFETY: every plane of every channel was written.
    let output = unsafe { Output::finish(output, shape.len()) };
    Forward { output, mean, variance }
}

/// What the backward pass needs to know of the forward pass.
pub(in crate::kernels) struct Saved<'a> {
    pub x: &'a [f32],
    pub gamma: &'a [f32],
    pub mean: &'a [f32],
    pub variance: &'a [f32],
    pub relu: Relu<'a>,
    pub epsilon: f64,
}

/// What followed the normalisation.
#[derive(Clone, Copy)]
pub(in crate::kernels) enum Relu<'a> {
    /// No ReLU.
    None,
    /// One on the normalised values themselves, whose signs are found again with this `beta`.
    Alone(&'a [f32]),
    /// One on the sum with a residual, which was this output.
    Joined(&'a [f32]),
}

/// Gradients: of `x`, `gamma`, `beta`, and of the residual when it had a ReLU (without one it is the output's).
pub(in crate::kernels) struct Gradients {
    pub x: Vec<f32>,
    pub gamma: Vec<f32>,
    pub beta: Vec<f32>,
    pub residual: Option<Vec<f32>>,
}

/// The gradients of [`forward`], from that of its output.
pub(in crate::kernels) fn backward(shape: NormShape, saved: &Saved, gradient: &[f32]) -> Gradients {
    let planes = Kernels::get().planes;
    let (result, target) = Output::reserve(shape.len());
    let (mut gamma, mut beta) = (vec![0.0; shape.channels], vec![0.0; shape.channels]);
    let (gammas, betas) = (Output::of(&mut gamma), Output::of(&mut beta));
    let masked = matches!(saved.relu, Relu::Joined(_)).then(|| Output::reserve(shape.len()));
    let masked_target = masked.as_ref().map(|(_, target)| *target);
    let count = (shape.n * shape.plane) as f64;
    for_each(shape.channels, |channel| {
        let [mean, variance, gamma] = [saved.mean, saved.variance, saved.gamma].map(|of| of[channel]);
        let beta = if let Relu::Alone(beta) = saved.relu { beta[channel] } else { 0.0 };
        let affine = affine([mean, variance, gamma, beta], matches!(saved.relu, Relu::Alone(_)), saved.epsilon);
        // The plane's gradient before a ReLU on the sum with a residual.
        let before = |range: Range<usize>| match masked_target {
            // SAFETY: written below, in the first pass, by this same piece of work.
            Some(masked) => unsafe { std::slice::from_raw_parts(masked.at(range.start), shape.plane) },
            None => &gradient[range],
        };
        let sums = shape.sum(channel, |range, sums| {
            if let (Some(masked), Relu::Joined(output)) = (masked_target, saved.relu) {
                // SAFETY: this plane is written by this piece of work alone; loops as below.
                unsafe {
                    let to = masked.part(range.start, shape.plane);
                    (planes.mask)(&gradient[range.clone()], &output[range.clone()], to);
                }
            }
            // SAFETY: `Kernels::get` returned loops that this machine can run.
            unsafe { (planes.gradient_sums)(before(range.clone()), &saved.x[range], affine, sums) };
        });
        let precision = 1.0 / (f64::from(variance) + saved.epsilon);
        let slope = Slope { offset: (sums[0] / count) as f32, slope: (sums[1] / count * precision) as f32 };
        for range in shape.planes(channel) {
            // SAFETY: this plane is written by this piece of work alone; loops as above.
            unsafe {
                let to = target.part(range.start, shape.plane);
                (planes.input_gradient)(before(range.clone()), &saved.x[range], affine, slope, to);
            }
        }
        // SAFETY: each channel is written once.
        unsafe {
            *gammas.at(channel) = (sums[1] * precision.sqrt()) as f32;
            *betas.at(channel) = sums[0] as f32;
        }
    });
    // SAFETY: every plane of every channel was written, in the mask too where there is one.
    unsafe {
        Gradients {
            x: Output::finish(result, shape.len()),
            gamma,
            beta,
            residual: masked.map(|(masked, _)| Output::finish(masked, shape.len())),
        }
    }
}
