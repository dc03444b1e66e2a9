//! The loops of batch normalisation over one plane of one image, written once for all instruction sets.

use core::mem::MaybeUninit;

/// What becomes of a plane: `relu?((x - mean) * scale + shift + residual?)`.
#[derive(Clone, Copy)]
pub(in crate::kernels::cpu) struct Affine {
    pub mean: f32,
    pub scale: f32,
    pub shift: f32,
    /// Whether negative outputs become zero, and their gradients too.
    pub relu: bool,
}

impl Affine {
    /// Gradients pass where this is positive or not a number, without a branch: everywhere, if there is no ReLU.
    #[inline(always)]
    pub fn gate(self) -> impl Fn(f32) -> f32 {
        let (scale, shift) = if self.relu { (self.scale, self.shift) } else { (0.0, 1.0) };
        move |x| (x - self.mean) * scale + shift
    }
}

/// The gradient of a plane's input: `(gradient - offset - (x - mean) * slope) * scale`, mean and scale being [`Affine`]'s.
#[derive(Clone, Copy)]
pub(in crate::kernels::cpu) struct Slope {
    pub offset: f32,
    pub slope: f32,
}

/// Sums are kept in this many parts, so that they are vectors.
pub(in crate::kernels::cpu) const PARTS: usize = 16;

/// Where a plane is written, whatever was there.
pub(in crate::kernels::cpu) type Room<'a> = &'a mut [MaybeUninit<f32>];

/// Two sums in parts.
pub(in crate::kernels::cpu) type Sums = [[f32; PARTS]; 2];

/// `exp(x)` for `x` from -87 to 0 within two units in the last place, of less as if it were -87; not-a-number stays.
#[inline(always)]
pub(in crate::kernels::cpu) fn exponential(x: f32) -> f32 {
    /// Adding and subtracting it rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first with so few digits that multiples are exact.
    const LN2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let x = if x < -87.0 { -87.0 } else { x };
    let twos = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let rest = (x - twos * LN2[0]) - twos * LN2[1];
    // Taylor's series: the next term is below 2⁻²⁶ on ±ln 2 / 2.
    let mut power = 1.0 / 5040.0;
    for factor in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        power = power * rest + factor;
    }
    power * f32::from_bits((((twos as i32) + 127) << 23) as u32)
}

/// Defines the six loops; plain Rust that compilers turn into vectors of the enabled instruction set.
macro_rules! planes {
    ($(#[$feature:meta])*) => {
        use $crate::kernels::cpu::lanes::planes::{Affine, PARTS, Room, Slope, Sums};

        /// Adds `Σ (x - around)` and `Σ (x - around)²`.
        $(#[$feature])*
        unsafe fn moments(x: &[f32], around: f32, sums: &mut Sums) {
            let [mut first, mut second] = *sums;
            let (whole, rest) = x.as_chunks::<PARTS>();
            for x in whole {
                for i in 0..PARTS {
                    let distance = x[i] - around;
                    first[i] += distance;
                    second[i] += distance * distance;
                }
            }
            for (i, &x) in rest.iter().enumerate() {
                let distance = x - around;
                first[i] += distance;
                second[i] += distance * distance;
            }
            *sums = [first, second];
        }

        /// Adds `Σ gradient` and `Σ gradient * (x - mean)`, of the gradients that pass.
        $(#[$feature])*
        unsafe fn gradient_sums(gradient: &[f32], x: &[f32], affine: Affine, sums: &mut Sums) {
            let (mean, gate) = (affine.mean, affine.gate());
            let passed = |gradient: f32, x: f32| if gate(x) <= 0.0 { 0.0 } else { gradient };
            let [mut first, mut second] = *sums;
            let (gradients, gradient_rest) = gradient.as_chunks::<PARTS>();
            let (xs, x_rest) = x.as_chunks::<PARTS>();
            for (gradient, x) in gradients.iter().zip(xs) {
                for i in 0..PARTS {
                    let gradient = passed(gradient[i], x[i]);
                    first[i] += gradient;
                    second[i] += gradient * (x[i] - mean);
                }
            }
            for (i, (&gradient, &x)) in gradient_rest.iter().zip(x_rest).enumerate() {
                let gradient = passed(gradient, x);
                first[i] += gradient;
                second[i] += gradient * (x - mean);
            }
            *sums = [first, second];
        }

        $(#[$feature])*
        unsafe fn normalise(x: &[f32], residual: Option<&[f32]>, affine: Affine, output: Room) {
            let Affine { mean, scale, shift, relu } = affine;
            let plain = |x: f32| (x - mean) * scale + shift;
            // Not `max`: not-a-number stays visible.
            let rectified = |x: f32| if x < 0.0 { 0.0 } else { x };
            match (residual, relu) {
                (None, false) => output.iter_mut().zip(x).for_each(|(y, &x)| _ = y.write(plain(x))),
                (None, true) => output.iter_mut().zip(x).for_each(|(y, &x)| _ = y.write(rectified(plain(x)))),
                (Some(residual), false) => {
                    output.iter_mut().zip(x).zip(residual).for_each(|((y, &x), &r)| _ = y.write(plain(x) + r));
                }
                (Some(residual), true) => {
                    let inputs = output.iter_mut().zip(x).zip(residual);
                    inputs.for_each(|((y, &x), &r)| _ = y.write(rectified(plain(x) + r)));
                }
            }
        }

        /// `masked = gradient` where `output` is positive or not a number, else zero.
        $(#[$feature])*
        unsafe fn mask(gradient: &[f32], output: &[f32], masked: Room) {
            for ((masked, &gradient), &output) in masked.iter_mut().zip(gradient).zip(output) {
                masked.write(if output <= 0.0 { 0.0 } else { gradient });
            }
        }

        $(#[$feature])*
        unsafe fn input_gradient(gradient: &[f32], x: &[f32], affine: Affine, slope: Slope, result: Room) {
            let (Affine { mean, scale, .. }, gate) = (affine, affine.gate());
            let Slope { offset, slope } = slope;
            for ((result, &gradient), &x) in result.iter_mut().zip(gradient).zip(x) {
                let gradient = if gate(x) <= 0.0 { 0.0 } else { gradient };
                result.write((gradient - offset - (x - mean) * slope) * scale);
            }
        }

        $(#[$feature])*
        unsafe fn exponentials(values: &mut [f32], highest: f32, scale: f32) -> f32 {
            use $crate::kernels::cpu::lanes::planes::exponential;

            let mut sums = [0.0f32; PARTS];
            let (whole, rest) = values.as_chunks_mut::<PARTS>();
            for values in whole {
                for (value, sum) in values.iter_mut().zip(&mut sums) {
                    *value = exponential((*value - highest) * scale);
                    *sum += *value;
                }
            }
            for (value, sum) in rest.iter_mut().zip(&mut sums) {
                *value = exponential((*value - highest) * scale);
                *sum += *value;
            }
            sums.into_iter().sum()
        }

        pub(super) static PLANES: $crate::kernels::cpu::lanes::Planes =
            $crate::kernels::cpu::lanes::Planes {
                moments,
                normalise,
                gradient_sums,
                mask,
                input_gradient,
                exponentials,
            };
    };
}
pub(super) use planes;
