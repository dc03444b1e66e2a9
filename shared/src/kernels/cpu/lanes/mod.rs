//! The inner loops, once per instruction set: AVX-512, AVX2, WebAssembly's and a portable one.
//!
//! A tile is a few rows (positions or weights) by one or two vectors ("lanes"); its sums stay in registers.

mod planes;
mod portable;
mod tiles;
mod winograd;

#[cfg(test)]
mod tests;
#[cfg(target_arch = "wasm32")]
mod wasm;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86;

pub(super) use planes::{Affine, PARTS, Room, Slope, Sums};
pub(super) use winograd::{GradientTransform, InputTransform, KernelTransform, OutputTransform};

/// The most rows and vectors that any instruction set's tiles have.
pub(in crate::kernels) const MAX_ROWS: usize = 16;

/// Sum over channels and taps for some positions (rows) and output channels (lanes):
/// `out[r] = seed[r] + Σ_channel Σ_tap starts[r][channel * plane + offsets[tap]] * weights[channel, tap]`.
pub(super) struct GatherTile<'a> {
    /// Where each row is read; rows that are not wanted repeat another.
    pub starts: [*const f32; MAX_ROWS],
    pub channels: usize,
    pub plane: usize,
    pub offsets: &'a [usize],
    /// `[channels, taps, lanes]`.
    pub weights: *const f32,
    /// What the sums start from: `seed + r * seed_row`.
    pub seed: *const f32,
    pub seed_row: usize,
    /// `[rows, lanes]`; all rows are written.
    pub out: *mut f32,
    /// From one row of `out` to the next.
    pub out_row: usize,
}

/// Sum over positions for some weights (rows) and output channels (lanes):
/// `out[r] = out[r]? + Σ_image Σ_line Σ_i starts[r][image * image_step + line * line_step + i * step] * lanes[position]`.
pub(super) struct ReduceTile {
    /// Where each weight reads at the first position; rows that are not wanted repeat another.
    pub starts: [*const f32; MAX_ROWS],
    pub images: usize,
    pub image_step: usize,
    pub lines: usize,
    pub line_step: usize,
    pub length: usize,
    pub step: usize,
    /// `[images, lines, length, lanes]`, without gaps but between images.
    pub lanes: *const f32,
    pub lanes_image: usize,
    /// `[rows, lanes]`.
    pub out: *mut f32,
    pub out_row: usize,
    /// Whether what is there already is part of the sum.
    pub adds: bool,
}

impl ReduceTile {
    /// A matrix product, of which addresses, `length`, `step` and `out_row` are still to be given.
    pub(super) const PRODUCT: Self = Self {
        starts: [std::ptr::null(); MAX_ROWS],
        images: 1,
        image_step: 0,
        lines: 1,
        line_step: 0,
        length: 0,
        step: 1,
        lanes: std::ptr::null(),
        lanes_image: 0,
        out: std::ptr::null_mut(),
        out_row: 0,
        adds: false,
    };
}

/// The inner loops of one instruction set.
pub(super) struct Kernels {
    /// Floats per vector.
    pub width: usize,
    /// Rows of a [`GatherTile`] of 1, 2, … vectors.
    pub gather_rows: &'static [usize],
    /// By vectors per row, minus one.
    ///
    /// # Safety
    /// Every address the tile describes must be readable, or writable for `out`.
    pub gather: &'static [unsafe fn(&GatherTile)],
    /// Rows of a [`ReduceTile`] of 1, 2, … vectors.
    pub reduce_rows: &'static [usize],
    /// By vectors per row, minus one.
    ///
    /// # Safety
    /// As for `gather`.
    pub reduce: &'static [unsafe fn(&ReduceTile)],
    /// Transposes 8×8 floats: `(source, source row, target, target row)`.
    ///
    /// # Safety
    /// Eight rows of eight floats must be readable and writable at these distances.
    pub transpose8: unsafe fn(*const f32, usize, *mut f32, usize),
    pub planes: &'static Planes,
    pub winograd: &'static Winograd,
}

/// The transforms of Winograd's convolution.
///
/// # Safety
/// Every address that is described must be readable, or writable for `out`.
pub(super) struct Winograd {
    pub input: unsafe fn(&InputTransform),
    pub output: unsafe fn(&OutputTransform),
    pub gradient: unsafe fn(&GradientTransform),
    pub kernel: unsafe fn(&KernelTransform),
    pub kernel_gradient: unsafe fn(&KernelTransform),
}

/// Batch normalisation of one plane, and what a softmax needs of a row.
///
/// # Safety
/// All of them need nothing but the instruction set they were compiled for; slices of one call are equally long.
pub(super) struct Planes {
    pub moments: unsafe fn(&[f32], f32, &mut Sums),
    pub gradient_sums: unsafe fn(&[f32], &[f32], Affine, &mut Sums),
    pub normalise: unsafe fn(&[f32], Option<&[f32]>, Affine, Room),
    pub mask: unsafe fn(&[f32], &[f32], Room),
    pub input_gradient: unsafe fn(&[f32], &[f32], Affine, Slope, Room),
    /// Replaces each `x` by `exp((x - highest) * scale)`, and gives their sum; `(x - highest) * scale` is at most 0.
    pub exponentials: unsafe fn(&mut [f32], f32, f32) -> f32,
}

impl Kernels {
    /// The best that this machine has.
    pub(super) fn get() -> &'static Self {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        if let Some(found) = x86::available().next() {
            return found;
        }
        #[cfg(target_arch = "wasm32")]
        if cfg!(target_feature = "simd128") {
            return &wasm::KERNELS;
        }
        &portable::KERNELS
    }

    /// How many vectors the widest tile has.
    pub(super) fn max_vectors(&self) -> usize {
        self.gather.len()
    }

    /// `target[c, r] = source[r, c]`.
    ///
    /// # Safety
    /// `rows` × `columns` floats are readable at `source` and writable at `target` with these distances between rows.
    pub(super) unsafe fn transpose(
        &self,
        [rows, columns]: [usize; 2],
        source: *const f32,
        source_row: usize,
        target: *mut f32,
        target_row: usize,
    ) {
        /// Rows that stay in the nearest cache while their columns are visited eight by eight.
        const ROWS: usize = 64;
        let whole = [rows / 8 * 8, columns / 8 * 8];
        for first in (0..whole[0]).step_by(ROWS) {
            for column in (0..whole[1]).step_by(8) {
                for row in (first..(first + ROWS).min(whole[0])).step_by(8) {
                    // SAFETY: an 8×8 block inside the matrix.
                    unsafe {
                        (self.transpose8)(
                            source.add(row * source_row + column),
                            source_row,
                            target.add(column * target_row + row),
                            target_row,
                        );
                    }
                }
            }
        }
        for row in 0..rows {
            let edge = if row < whole[0] { whole[1] } else { 0 };
            for column in edge..columns {
                // SAFETY: inside the matrix.
                unsafe { *target.add(column * target_row + row) = *source.add(row * source_row + column) };
            }
        }
    }
}
