//! Four 64-bit lanes in a ymm register.

use std::arch::x86_64::*;

use super::{MAX_LANES, Mul32, Words};
use crate::lanes::{Avx2, Kernel};

/// Four 64-bit lanes with 32-bit multiplication (AVX2).
#[derive(Clone, Copy)]
pub struct Wide4(__m256i);

/// One instruction on values that carry the proof of its feature.
macro_rules! with_feature {
    ($e:expr) => {
        // SAFETY: the function has a value of the type or its proof as an argument, and those exist only where the CPU has AVX2
        // (kept by `Cpu::hardware`; the constructors of the type are `splat`, `load` and `transpose`, which ask for the proof).
        unsafe { $e }
    };
}

impl Words for Wide4 {
    type Proof = Avx2;
    const LANES: usize = 4;

    #[inline(always)]
    fn enter<K: Kernel<Avx2>>(proof: Avx2, kernel: K) -> K::Output {
        proof.enter(kernel)
    }

    #[inline(always)]
    fn splat(_: Avx2, x: u64) -> Self {
        Self(with_feature!(_mm256_set1_epi64x(x.cast_signed())))
    }

    #[inline(always)]
    fn load(_: Avx2, from: &[u64]) -> Self {
        let mut words = [0; 4];
        let n = from.len().min(4);
        words[..n].copy_from_slice(&from[..n]);
        // SAFETY: reads the 32 bytes of `words`, unaligned; the feature is proved by the argument.
        Self(unsafe { _mm256_loadu_si256(words.as_ptr().cast()) })
    }

    #[inline(always)]
    fn words(self) -> [u64; MAX_LANES] {
        let mut words = [0; MAX_LANES];
        // SAFETY: writes the first 32 bytes of the 64 of `words`, unaligned; the feature is proved by `self`.
        unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), self.0) };
        words
    }

    #[inline(always)]
    fn transpose(_: Avx2, rows: &[&[u64]], out: &mut [Self]) {
        let rows: &[&[u64]; 4] = rows.try_into().expect("a row for each of the 4 lanes");
        let out: &mut [Self; 4] = out.try_into().expect("a vector for each of the 4 words");
        macro_rules! row {
            ($i:literal) => {{
                let row: &[u64; 4] = rows[$i].first_chunk().expect("a row of at least 4 words");
                // SAFETY: reads the 32 bytes of `row`, unaligned; the feature is proved by the argument.
                unsafe { _mm256_loadu_si256(row.as_ptr().cast()) }
            }};
        }
        let (r0, r1, r2, r3) = (row!(0), row!(1), row!(2), row!(3));
        with_feature!({
            let (l01, h01) = (_mm256_unpacklo_epi64(r0, r1), _mm256_unpackhi_epi64(r0, r1));
            let (l23, h23) = (_mm256_unpacklo_epi64(r2, r3), _mm256_unpackhi_epi64(r2, r3));
            *out = [
                Self(_mm256_permute2x128_si256::<0x20>(l01, l23)),
                Self(_mm256_permute2x128_si256::<0x20>(h01, h23)),
                Self(_mm256_permute2x128_si256::<0x31>(l01, l23)),
                Self(_mm256_permute2x128_si256::<0x31>(h01, h23)),
            ];
        });
    }

    #[inline(always)]
    fn add(self, b: Self) -> Self {
        Self(with_feature!(_mm256_add_epi64(self.0, b.0)))
    }

    #[inline(always)]
    fn sub(self, b: Self) -> Self {
        Self(with_feature!(_mm256_sub_epi64(self.0, b.0)))
    }

    #[inline(always)]
    fn and(self, b: Self) -> Self {
        Self(with_feature!(_mm256_and_si256(self.0, b.0)))
    }

    #[inline(always)]
    fn or(self, b: Self) -> Self {
        Self(with_feature!(_mm256_or_si256(self.0, b.0)))
    }

    #[inline(always)]
    fn shr_by(self, counts: Self) -> Self {
        Self(with_feature!(_mm256_srlv_epi64(self.0, counts.0)))
    }

    #[inline(always)]
    fn shl_by(self, counts: Self) -> Self {
        Self(with_feature!(_mm256_sllv_epi64(self.0, counts.0)))
    }

    #[inline(always)]
    fn shr<const BITS: u32>(self) -> Self {
        // The immediate form wants an i32 parameter; a constant count in a register folds to the same instruction.
        Self(with_feature!(_mm256_srl_epi64(self.0, _mm_cvtsi32_si128(BITS.cast_signed()))))
    }

    #[inline(always)]
    fn sar<const BITS: u32>(self) -> Self {
        // AVX2 has no arithmetic shift of 64-bit words: shift an offset value and take the offset away again.
        let offset = const { 1u64 << 63 };
        with_feature!({
            let offset = _mm256_set1_epi64x(offset.cast_signed());
            let raised = Self(_mm256_xor_si256(self.0, offset)).shr::<BITS>();
            raised.sub(Self(offset).shr::<BITS>())
        })
    }

    #[inline(always)]
    fn disjoint(self, mask: Self) -> u8 {
        with_feature!({
            let zero = _mm256_cmpeq_epi64(_mm256_and_si256(self.0, mask.0), _mm256_setzero_si256());
            _mm256_movemask_pd(_mm256_castsi256_pd(zero)) as u8
        })
    }
}

impl Mul32 for Wide4 {
    #[inline(always)]
    fn mul(self, b: Self) -> Self {
        Self(with_feature!(_mm256_mul_epu32(self.0, b.0)))
    }
}
