//! WebAssembly's 128-bit vectors, compiled in with `-C target-feature=+simd128`; with the feature `relaxed-simd` multiply-adds
//! are fused, where the processor can.

#[cfg(feature = "relaxed-simd")]
use core::arch::wasm32::f32x4_relaxed_madd as mul_add;
use core::arch::wasm32::{
    f32x4, f32x4_add, f32x4_mul, f32x4_splat, f32x4_sub, i32x4_shuffle, v128, v128_load, v128_store,
};

use super::Kernels;

#[inline(always)]
fn zero() -> v128 {
    f32x4(0.0, 0.0, 0.0, 0.0)
}

#[inline(always)]
unsafe fn load(from: *const f32) -> v128 {
    // SAFETY: four floats, by the caller's promise; the instruction needs no alignment.
    unsafe { v128_load(from.cast()) }
}

#[inline(always)]
unsafe fn store(to: *mut f32, value: v128) {
    // SAFETY: as for `load`.
    unsafe { v128_store(to.cast(), value) }
}

#[cfg(not(feature = "relaxed-simd"))]
#[inline(always)]
fn mul_add(a: v128, b: v128, c: v128) -> v128 {
    f32x4_add(f32x4_mul(a, b), c)
}

super::tiles::tiles!(
    #[cfg_attr(feature = "relaxed-simd", target_feature(enable = "relaxed-simd"))]
    v128,
    4,
    zero,
    f32x4_splat,
    load,
    store,
    mul_add
);
super::planes::planes!();
super::winograd::winograd!(
    #[cfg_attr(feature = "relaxed-simd", target_feature(enable = "relaxed-simd"))]
    v128,
    4,
    f32x4_splat,
    load,
    store,
    mul_add,
    f32x4_add,
    f32x4_sub,
    f32x4_mul
);

unsafe fn transpose8(source: *const f32, source_row: usize, target: *mut f32, target_row: usize) {
    for row in [0, 4] {
        for column in [0, 4] {
            // SAFETY: a quarter of the eight rows of eight floats that the caller promises.
            unsafe {
                let at = |r: usize| load(source.add((row + r) * source_row + column));
                let [a, b, c, d] = [at(0), at(1), at(2), at(3)];
                let [low_ab, high_ab] = [i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<2, 6, 3, 7>(a, b)];
                let [low_cd, high_cd] = [i32x4_shuffle::<0, 4, 1, 5>(c, d), i32x4_shuffle::<2, 6, 3, 7>(c, d)];
                let columns = [
                    i32x4_shuffle::<0, 1, 4, 5>(low_ab, low_cd),
                    i32x4_shuffle::<2, 3, 6, 7>(low_ab, low_cd),
                    i32x4_shuffle::<0, 1, 4, 5>(high_ab, high_cd),
                    i32x4_shuffle::<2, 3, 6, 7>(high_ab, high_cd),
                ];
                for (c, values) in columns.into_iter().enumerate() {
                    store(target.add((column + c) * target_row + row), values);
                }
            }
        }
    }
}

pub(super) static KERNELS: Kernels = Kernels {
    width: 4,
    gather_rows: &[6, 6],
    gather: &[gather::<6, 1>, gather::<6, 2>],
    reduce_rows: &[6, 6],
    reduce: &[reduce::<6, 1>, reduce::<6, 2>],
    transpose8,
    planes: &PLANES,
    winograd: &WINOGRAD,
};
