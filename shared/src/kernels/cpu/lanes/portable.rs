//! Arrays of eight floats, which compilers turn into whatever vectors the target has.

use super::Kernels;

type Lanes = [f32; 8];

#[inline(always)]
fn zero() -> Lanes {
    [0.0; 8]
}

#[inline(always)]
fn splat(value: f32) -> Lanes {
    [value; 8]
}

#[inline(always)]
unsafe fn load(from: *const f32) -> Lanes {
    // SAFETY: eight floats, by the caller's promise.
    unsafe { from.cast::<Lanes>().read_unaligned() }
}

#[inline(always)]
unsafe fn store(to: *mut f32, value: Lanes) {
    // SAFETY: as for `load`.
    unsafe { to.cast::<Lanes>().write_unaligned(value) }
}

#[inline(always)]
fn mul_add(a: Lanes, b: Lanes, c: Lanes) -> Lanes {
    // A fused instruction where the target has one: elsewhere `f32::mul_add` is a slow function.
    core::array::from_fn(|i| if cfg!(target_arch = "aarch64") { a[i].mul_add(b[i], c[i]) } else { a[i] * b[i] + c[i] })
}

#[inline(always)]
fn add(a: Lanes, b: Lanes) -> Lanes {
    core::array::from_fn(|i| a[i] + b[i])
}

#[inline(always)]
fn sub(a: Lanes, b: Lanes) -> Lanes {
    core::array::from_fn(|i| a[i] - b[i])
}

#[inline(always)]
fn mul(a: Lanes, b: Lanes) -> Lanes {
    core::array::from_fn(|i| a[i] * b[i])
}

super::tiles::tiles!(Lanes, 8, zero, splat, load, store, mul_add);
super::planes::planes!();
super::winograd::winograd!(Lanes, 8, splat, load, store, mul_add, add, sub, mul);

unsafe fn transpose8(source: *const f32, source_row: usize, target: *mut f32, target_row: usize) {
    for r in 0..8 {
        // SAFETY: eight rows of eight floats on both sides, by the caller's promise.
        let row = unsafe { load(source.add(r * source_row)) };
        for (c, value) in row.into_iter().enumerate() {
            // SAFETY: as above.
            unsafe { *target.add(c * target_row + r) = value };
        }
    }
}

pub(super) static KERNELS: Kernels = Kernels {
    width: 8,
    gather_rows: &[6, 4],
    gather: &[gather::<6, 1>, gather::<4, 2>],
    reduce_rows: &[6, 4],
    reduce: &[reduce::<6, 1>, reduce::<4, 2>],
    transpose8,
    planes: &PLANES,
    winograd: &WINOGRAD,
};
