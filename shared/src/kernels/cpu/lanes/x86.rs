//! AVX-512 and AVX2 with fused multiply-add.

use std::arch::x86_64::*;

use super::Kernels;

/// Those that this processor has, the best first.
pub(super) fn available() -> impl Iterator<Item = &'static Kernels> {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = avx2 && is_x86_feature_detected!("avx512f");
    [avx512.then_some(&avx512::KERNELS), avx2.then_some(&avx2::KERNELS)].into_iter().flatten()
}

mod avx512 {
    use super::*;

    crate::kernels::cpu::lanes::tiles::tiles!(
        #[target_feature(enable = "avx512f")]
        __m512,
        16,
        _mm512_setzero_ps,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps
    );
    crate::kernels::cpu::lanes::planes::planes!(#[target_feature(enable = "avx512f")]);
    crate::kernels::cpu::lanes::winograd::winograd!(
        #[target_feature(enable = "avx512f")]
        __m512,
        16,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_mul_ps
    );

    pub(super) static KERNELS: Kernels = Kernels {
        width: 16,
        gather_rows: &[8, 8],
        gather: &[gather::<8, 1>, gather::<8, 2>],
        reduce_rows: &[8, 8],
        reduce: &[reduce::<8, 1>, reduce::<8, 2>],
        transpose8: super::transpose8,
        planes: &PLANES,
        winograd: &WINOGRAD,
    };
}

mod avx2 {
    use super::*;

    crate::kernels::cpu::lanes::tiles::tiles!(
        #[target_feature(enable = "avx2,fma")]
        __m256,
        8,
        _mm256_setzero_ps,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps
    );
    crate::kernels::cpu::lanes::planes::planes!(#[target_feature(enable = "avx2,fma")]);
    crate::kernels::cpu::lanes::winograd::winograd!(
        #[target_feature(enable = "avx2,fma")]
        __m256,
        8,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps
    );

    pub(super) static KERNELS: Kernels = Kernels {
        width: 8,
        gather_rows: &[8, 6],
        gather: &[gather::<8, 1>, gather::<6, 2>],
        reduce_rows: &[8, 6],
        reduce: &[reduce::<8, 1>, reduce::<6, 2>],
        transpose8: super::transpose8,
        planes: &PLANES,
        winograd: &WINOGRAD,
    };
}

#[target_feature(enable = "avx")]
unsafe fn transpose8(source: *const f32, source_row: usize, target: *mut f32, target_row: usize) {
    // SAFETY: eight rows of eight floats on both sides, by the caller's promise.
    unsafe {
        let row = |r: usize| _mm256_loadu_ps(source.add(r * source_row));
        // Pairs of rows interleaved, then pairs of pairs: every vector holds four rows' values of two columns.
        let quarters = |r: usize| {
            let [a, b, c, d] = [row(r), row(r + 1), row(r + 2), row(r + 3)];
            let [low_ab, high_ab] = [_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b)];
            let [low_cd, high_cd] = [_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d)];
            [
                _mm256_shuffle_ps::<0x44>(low_ab, low_cd),
                _mm256_shuffle_ps::<0xee>(low_ab, low_cd),
                _mm256_shuffle_ps::<0x44>(high_ab, high_cd),
                _mm256_shuffle_ps::<0xee>(high_ab, high_cd),
            ]
        };
        let [upper, lower] = [quarters(0), quarters(4)];
        for c in 0..4 {
            _mm256_storeu_ps(target.add(c * target_row), _mm256_permute2f128_ps::<0x20>(upper[c], lower[c]));
            _mm256_storeu_ps(target.add((c + 4) * target_row), _mm256_permute2f128_ps::<0x31>(upper[c], lower[c]));
        }
    }
}
