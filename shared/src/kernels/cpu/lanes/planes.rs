//! The loops of batch normalisation over one plane of one image, written once for all instruction sets.

/// What a plane goes through after (and before, for its gradient) the normalisation.
#[derive(Clone, Copy)]
pub(in crate::kernels::cpu) struct Affine {
    /// `output = (x - mean) * scale + shift`
    pub mean: f32,
    pub scale: f32,
    pub shift: f32,
    /// Whether negative outputs become zero.
    pub relu: bool,
}

/// The gradient of a plane's input: `(gradient - offset - (x - mean) * slope) * scale`.
#[derive(Clone, Copy)]
pub(in crate::kernels::cpu) struct Slope {
    pub mean: f32,
    pub scale: f32,
    pub offset: f32,
    pub slope: f32,
}

/// Defines the four loops; plain Rust that compilers turn into vectors of the enabled instruction set.
macro_rules! planes {
    ($(#[$feature:meta])*) => {
        use $crate::kernels::cpu::lanes::planes::{Affine, Slope};

        /// Sums are kept in this many parts, so that they can be vectors.
        const PARTS: usize = 32;

        $(#[$feature])*
        fn total(parts: &[f32; PARTS]) -> f64 {
            parts.iter().map(|&part| f64::from(part)).sum()
        }

        /// `Σ (x - around)` and `Σ (x - around)²`
        $(#[$feature])*
        unsafe fn moments(x: &[f32], around: f32) -> [f64; 2] {
            let (mut first, mut second) = ([0.0f32; PARTS], [0.0f32; PARTS]);
            let mut step = |x: &[f32]| {
                for ((first, second), &x) in first.iter_mut().zip(&mut second).zip(x) {
                    let distance = x - around;
                    *first += distance;
                    *second += distance * distance;
                }
            };
            let (whole, rest) = x.as_chunks::<PARTS>();
            for part in whole {
                step(part);
            }
            step(rest);
            [total(&first), total(&second)]
        }

        $(#[$feature])*
        unsafe fn normalise(x: &[f32], residual: Option<&[f32]>, affine: Affine, output: &mut [f32]) {
            let Affine { mean, scale, shift, relu } = affine;
            match residual {
                Some(residual) => {
                    for ((output, &x), &residual) in output.iter_mut().zip(x).zip(residual) {
                        *output = (x - mean) * scale + shift + residual;
                    }
                }
                None => {
                    for (output, &x) in output.iter_mut().zip(x) {
                        *output = (x - mean) * scale + shift;
                    }
                }
            }
            if relu {
                for output in output {
                    // Not `max`: not-a-number stays visible.
                    *output = if *output < 0.0 { 0.0 } else { *output };
                }
            }
        }

        /// Passes `gradient` where `output` is positive, then `Σ gradient` and `Σ gradient * (x - mean)`.
        $(#[$feature])*
        unsafe fn gradient_sums(gradient: &[f32], x: &[f32], mean: f32) -> [f64; 2] {
            let (mut first, mut second) = ([0.0f32; PARTS], [0.0f32; PARTS]);
            let mut step = |gradient: &[f32], x: &[f32]| {
                for (((first, second), &gradient), &x) in first.iter_mut().zip(&mut second).zip(gradient).zip(x) {
                    *first += gradient;
                    *second += gradient * (x - mean);
                }
            };
            let (gradients, gradient_rest) = gradient.as_chunks::<PARTS>();
            let (xs, x_rest) = x.as_chunks::<PARTS>();
            for (gradient, x) in gradients.iter().zip(xs) {
                step(gradient, x);
            }
            step(gradient_rest, x_rest);
            [total(&first), total(&second)]
        }

        /// `masked = gradient` where `output` is positive, else zero.
        $(#[$feature])*
        unsafe fn mask(gradient: &[f32], output: &[f32], masked: &mut [f32]) {
            for ((masked, &gradient), &output) in masked.iter_mut().zip(gradient).zip(output) {
                *masked = if output <= 0.0 { 0.0 } else { gradient };
            }
        }

        $(#[$feature])*
        unsafe fn input_gradient(gradient: &[f32], x: &[f32], slope: Slope, result: &mut [f32]) {
            let Slope { mean, scale, offset, slope } = slope;
            for ((result, &gradient), &x) in result.iter_mut().zip(gradient).zip(x) {
                *result = (gradient - offset - (x - mean) * slope) * scale;
            }
        }

        pub(super) static PLANES: $crate::kernels::cpu::lanes::Planes =
            $crate::kernels::cpu::lanes::Planes { moments, normalise, gradient_sums, mask, input_gradient };
    };
}
pub(super) use planes;
