//! The transforms of F(2 × 2, 3 × 3), written once for all instruction sets.
//!
//! With `Bᵀ`, `G` and `Aᵀ` of Lavin and Gray (2016), §4.1; elements of a 4 × 4 patch are counted row by row.

/// `Bᵀ d B` for one patch and some vectors of input channels.
pub(in crate::kernels::cpu) struct InputTransform<'a> {
    pub from: *const f32,
    /// From there to each element.
    pub places: &'a [usize; 16],
    pub vectors: usize,
    pub out: *mut f32,
    /// From one element's results to the next.
    pub step: usize,
}

/// `Aᵀ m A + bias` for one patch and some vectors of output channels.
pub(in crate::kernels::cpu) struct OutputTransform {
    pub products: *const f32,
    /// From one element's products to the next.
    pub step: usize,
    pub vectors: usize,
    pub bias: *const f32,
    /// Where the outputs (0, 0), (0, 1), (1, 0) and (1, 1) go.
    pub out: [*mut f32; 4],
}

/// `A y Aᵀ`, the transpose of [`OutputTransform`]: four output gradients to sixteen elements.
pub(in crate::kernels::cpu) struct GradientTransform {
    pub gradients: [*const f32; 4],
    pub vectors: usize,
    pub out: *mut f32,
    /// From one element's results to the next.
    pub step: usize,
}

/// `G g Gᵀ` (nine to sixteen) or its transpose `Gᵀ u G` (sixteen to nine) for some vectors of output channels.
pub(in crate::kernels::cpu) struct KernelTransform {
    pub from: *const f32,
    /// From one element of `from` to the next.
    pub from_step: usize,
    pub vectors: usize,
    pub out: *mut f32,
    /// From one element of `out` to the next.
    pub out_step: usize,
}

/// Defines the five transforms from six vector operations.
macro_rules! winograd {
    ($(#[$feature:meta])* $vector:ty, $width:literal, $splat:path, $load:path, $store:path, $mul_add:path, $add:path, $sub:path, $mul:path) => {
        use $crate::kernels::cpu::lanes::winograd::{
            GradientTransform, InputTransform, KernelTransform, OutputTransform,
        };

        $(#[$feature])*
        unsafe fn winograd_input(patch: &InputTransform) {
            // SAFETY: the addresses are the caller's promise.
            unsafe {
                for v in 0..patch.vectors {
                    let at = |i: usize, j: usize| $load(patch.from.add(patch.places[i * 4 + j] + v * $width));
                    let mut rows = [[at(0, 0); 4]; 4];
                    for j in 0..4 {
                        let [a, b, c, d] = [at(0, j), at(1, j), at(2, j), at(3, j)];
                        rows[0][j] = $sub(a, c);
                        rows[1][j] = $add(b, c);
                        rows[2][j] = $sub(c, b);
                        rows[3][j] = $sub(b, d);
                    }
                    for i in 0..4 {
                        let [a, b, c, d] = rows[i];
                        let out = patch.out.add(i * 4 * patch.step + v * $width);
                        $store(out, $sub(a, c));
                        $store(out.add(patch.step), $add(b, c));
                        $store(out.add(2 * patch.step), $sub(c, b));
                        $store(out.add(3 * patch.step), $sub(b, d));
                    }
                }
            }
        }

        $(#[$feature])*
        unsafe fn winograd_output(patch: &OutputTransform) {
            // SAFETY: the addresses are the caller's promise.
            unsafe {
                for v in 0..patch.vectors {
                    let at = |i: usize, j: usize| $load(patch.products.add((i * 4 + j) * patch.step + v * $width));
                    let bias = $load(patch.bias.add(v * $width));
                    let mut rows = [[bias; 4]; 2];
                    for j in 0..4 {
                        let [a, b, c, d] = [at(0, j), at(1, j), at(2, j), at(3, j)];
                        rows[0][j] = $add($add(a, b), c);
                        rows[1][j] = $sub($sub(b, c), d);
                    }
                    for i in 0..2 {
                        let [a, b, c, d] = rows[i];
                        $store(patch.out[i * 2].add(v * $width), $add($add($add(a, b), c), bias));
                        $store(patch.out[i * 2 + 1].add(v * $width), $add($sub($sub(b, c), d), bias));
                    }
                }
            }
        }

        $(#[$feature])*
        unsafe fn winograd_gradient(patch: &GradientTransform) {
            // SAFETY: the addresses are the caller's promise.
            unsafe {
                for v in 0..patch.vectors {
                    let [a, b, c, d]: [$vector; 4] = core::array::from_fn(|i| $load(patch.gradients[i].add(v * $width)));
                    let zero = $splat(0.0);
                    let rows = [[a, b], [$add(a, c), $add(b, d)], [$sub(a, c), $sub(b, d)], [$sub(zero, c), $sub(zero, d)]];
                    for i in 0..4 {
                        let [a, b] = rows[i];
                        let out = patch.out.add(i * 4 * patch.step + v * $width);
                        $store(out, a);
                        $store(out.add(patch.step), $add(a, b));
                        $store(out.add(2 * patch.step), $sub(a, b));
                        $store(out.add(3 * patch.step), $sub(zero, b));
                    }
                }
            }
        }

        $(#[$feature])*
        unsafe fn winograd_kernel(kernel: &KernelTransform) {
            // SAFETY: the addresses are the caller's promise.
            unsafe {
                let half = $splat(0.5);
                for v in 0..kernel.vectors {
                    let at = |i: usize| $load(kernel.from.add(i * kernel.from_step + v * $width));
                    let mut rows = [[half; 3]; 4];
                    for j in 0..3 {
                        let [a, b, c] = [at(j), at(3 + j), at(6 + j)];
                        let [ends, middle] = [$mul($add(a, c), half), $mul(b, half)];
                        rows[0][j] = a;
                        rows[1][j] = $add(ends, middle);
                        rows[2][j] = $sub(ends, middle);
                        rows[3][j] = c;
                    }
                    for i in 0..4 {
                        let [a, b, c] = rows[i];
                        let [ends, middle] = [$mul($add(a, c), half), $mul(b, half)];
                        let out = kernel.out.add(i * 4 * kernel.out_step + v * $width);
                        $store(out, a);
                        $store(out.add(kernel.out_step), $add(ends, middle));
                        $store(out.add(2 * kernel.out_step), $sub(ends, middle));
                        $store(out.add(3 * kernel.out_step), c);
                    }
                }
            }
        }

        $(#[$feature])*
        unsafe fn winograd_kernel_gradient(kernel: &KernelTransform) {
            // SAFETY: the addresses are the caller's promise.
            unsafe {
                let half = $splat(0.5);
                for v in 0..kernel.vectors {
                    let at = |i: usize, j: usize| $load(kernel.from.add((i * 4 + j) * kernel.from_step + v * $width));
                    let mut rows = [[half; 4]; 3];
                    for j in 0..4 {
                        let [a, b, c, d] = [at(0, j), at(1, j), at(2, j), at(3, j)];
                        rows[0][j] = $mul_add($add(b, c), half, a);
                        rows[1][j] = $mul($sub(b, c), half);
                        rows[2][j] = $mul_add($add(b, c), half, d);
                    }
                    for i in 0..3 {
                        let [a, b, c, d] = rows[i];
                        let out = kernel.out.add(i * 3 * kernel.out_step + v * $width);
                        $store(out, $mul_add($add(b, c), half, a));
                        $store(out.add(kernel.out_step), $mul($sub(b, c), half));
                        $store(out.add(2 * kernel.out_step), $mul_add($add(b, c), half, d));
                    }
                }
            }
        }

        pub(super) static WINOGRAD: $crate::kernels::cpu::lanes::Winograd = $crate::kernels::cpu::lanes::Winograd {
            input: winograd_input,
            output: winograd_output,
            gradient: winograd_gradient,
            kernel: winograd_kernel,
            kernel_gradient: winograd_kernel_gradient,
        };
    };
}
pub(super) use winograd;
