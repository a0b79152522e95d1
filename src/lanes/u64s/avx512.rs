//! Eight 64-bit lanes in a zmm register.

use std::arch::x86_64::*;

use super::{Across, MAX_LANES, Mul52, Words};
use crate::lanes::{Avx512Ifma, Kernel};

/// Eight 64-bit lanes with 52-bit multiplication (AVX-512 IFMA).
#[derive(Clone, Copy)]
pub struct Ifma8(__m512i);

/// One instruction on values that carry the proof of its feature.
macro_rules! with_feature {
    ($e:expr) => {
        // SAFETY: the function has a value of the type or its proof as an argument, and those exist only where the CPU has the features
        // (kept by `Cpu::hardware`; the constructors of the types are `splat`, `load` and `transpose`, which ask for the proof).
        unsafe { $e }
    };
}

/// The lower eight elements of each row, transposed. Three rounds of pair swaps: words, pairs of words, halves.
#[inline(always)]
fn transposed(_: Avx512Ifma, rows: &[&[u64]]) -> [__m512i; 8] {
    let rows: &[&[u64]; 8] = rows.try_into().expect("a row for each of the 8 lanes");
    macro_rules! row {
        ($i:literal) => {{
            let row: &[u64; 8] = rows[$i].first_chunk().expect("a row of at least 8 words");
            // SAFETY: reads the 64 bytes of `row`, unaligned; the feature is proved by the argument.
            unsafe { _mm512_loadu_si512(row.as_ptr().cast()) }
        }};
    }
    let (r0, r1, r2, r3) = (row!(0), row!(1), row!(2), row!(3));
    let (r4, r5, r6, r7) = (row!(4), row!(5), row!(6), row!(7));
    with_feature!({
        // Pairs of lanes: p_ab holds, in each 128-bit quarter q, words 2q (l) or 2q+1 (h) of rows a and b.
        let (l01, h01) = (_mm512_unpacklo_epi64(r0, r1), _mm512_unpackhi_epi64(r0, r1));
        let (l23, h23) = (_mm512_unpacklo_epi64(r2, r3), _mm512_unpackhi_epi64(r2, r3));
        let (l45, h45) = (_mm512_unpacklo_epi64(r4, r5), _mm512_unpackhi_epi64(r4, r5));
        let (l67, h67) = (_mm512_unpacklo_epi64(r6, r7), _mm512_unpackhi_epi64(r6, r7));
        // Four quarters a vector: quarters 0 and 2 (0x88) or 1 and 3 (0xdd) of both.
        let (a0, a1) = (_mm512_shuffle_i64x2::<0x88>(l01, l23), _mm512_shuffle_i64x2::<0xdd>(l01, l23));
        let (b0, b1) = (_mm512_shuffle_i64x2::<0x88>(l45, l67), _mm512_shuffle_i64x2::<0xdd>(l45, l67));
        let (c0, c1) = (_mm512_shuffle_i64x2::<0x88>(h01, h23), _mm512_shuffle_i64x2::<0xdd>(h01, h23));
        let (d0, d1) = (_mm512_shuffle_i64x2::<0x88>(h45, h67), _mm512_shuffle_i64x2::<0xdd>(h45, h67));
        [
            _mm512_shuffle_i64x2::<0x88>(a0, b0),
            _mm512_shuffle_i64x2::<0x88>(c0, d0),
            _mm512_shuffle_i64x2::<0x88>(a1, b1),
            _mm512_shuffle_i64x2::<0x88>(c1, d1),
            _mm512_shuffle_i64x2::<0xdd>(a0, b0),
            _mm512_shuffle_i64x2::<0xdd>(c0, d0),
            _mm512_shuffle_i64x2::<0xdd>(a1, b1),
            _mm512_shuffle_i64x2::<0xdd>(c1, d1),
        ]
    })
}

impl Words for Ifma8 {
    type Proof = Avx512Ifma;
    const LANES: usize = 8;

    #[inline(always)]
    fn enter<K: Kernel<Avx512Ifma>>(proof: Avx512Ifma, kernel: K) -> K::Output {
        proof.enter(kernel)
    }

    #[inline(always)]
    fn splat(_: Avx512Ifma, x: u64) -> Self {
        Self(with_feature!(_mm512_set1_epi64(x.cast_signed())))
    }

    #[inline(always)]
    fn load(_: Avx512Ifma, from: &[u64]) -> Self {
        // A whole vector is read where it lies: in a copy it would have to wait for the parts that were written.
        if let Some(whole) = from.first_chunk::<8>() {
            // SAFETY: reads the 64 bytes of `whole`, unaligned; the feature is proved by the argument.
            return Self(unsafe { _mm512_loadu_si512(whole.as_ptr().cast()) });
        }
        let mut words = [0; 8];
        words[..from.len()].copy_from_slice(from);
        // SAFETY: reads the 64 bytes of `words`, unaligned; the feature is proved by the argument.
        Self(unsafe { _mm512_loadu_si512(words.as_ptr().cast()) })
    }

    #[inline(always)]
    fn words(self) -> [u64; MAX_LANES] {
        let mut words = [0; 8];
        // SAFETY: writes the 64 bytes of `words`, unaligned; the feature is proved by `self`.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), self.0) };
        words
    }

    #[inline(always)]
    fn transpose(proof: Avx512Ifma, rows: &[&[u64]], out: &mut [Self]) {
        let t = transposed(proof, rows);
        let out: &mut [Self; 8] = out.try_into().expect("a vector for each of the 8 words");
        for (out, t) in out.iter_mut().zip(t) {
            *out = Self(t);
        }
    }

    #[inline(always)]
    fn add(self, b: Self) -> Self {
        Self(with_feature!(_mm512_add_epi64(self.0, b.0)))
    }

    #[inline(always)]
    fn sub(self, b: Self) -> Self {
        Self(with_feature!(_mm512_sub_epi64(self.0, b.0)))
    }

    #[inline(always)]
    fn and(self, b: Self) -> Self {
        Self(with_feature!(_mm512_and_si512(self.0, b.0)))
    }

    #[inline(always)]
    fn or(self, b: Self) -> Self {
        Self(with_feature!(_mm512_or_si512(self.0, b.0)))
    }

    #[inline(always)]
    fn shr_by(self, counts: Self) -> Self {
        Self(with_feature!(_mm512_srlv_epi64(self.0, counts.0)))
    }

    #[inline(always)]
    fn shl_by(self, counts: Self) -> Self {
        Self(with_feature!(_mm512_sllv_epi64(self.0, counts.0)))
    }

    #[inline(always)]
    fn shr<const BITS: u32>(self) -> Self {
        Self(with_feature!(_mm512_srli_epi64::<BITS>(self.0)))
    }

    #[inline(always)]
    fn sar<const BITS: u32>(self) -> Self {
        Self(with_feature!(_mm512_srai_epi64::<BITS>(self.0)))
    }

    #[inline(always)]
    fn disjoint(self, mask: Self) -> u8 {
        with_feature!(_mm512_testn_epi64_mask(self.0, mask.0))
    }
}

impl Mul52 for Ifma8 {
    #[inline(always)]
    fn lo(self, a: Self, b: Self) -> Self {
        Self(with_feature!(_mm512_madd52lo_epu64(self.0, a.0, b.0)))
    }

    #[inline(always)]
    fn hi(self, a: Self, b: Self) -> Self {
        Self(with_feature!(_mm512_madd52hi_epu64(self.0, a.0, b.0)))
    }
}

impl Across for Ifma8 {
    #[inline(always)]
    fn down(self, above: Self) -> Self {
        Self(with_feature!(_mm512_alignr_epi64::<1>(above.0, self.0)))
    }

    #[inline(always)]
    fn up(self, below: Self) -> Self {
        Self(with_feature!(_mm512_alignr_epi64::<7>(self.0, below.0)))
    }

    #[inline(always)]
    fn spread0(self) -> Self {
        Self(with_feature!(_mm512_broadcastq_epi64(_mm512_castsi512_si128(self.0))))
    }

    #[inline(always)]
    fn spread1(self) -> Self {
        Self(with_feature!(_mm512_permutexvar_epi64(_mm512_set1_epi64(1), self.0)))
    }

    #[inline(always)]
    fn keep(self, keep: u8) -> Self {
        Self(with_feature!(_mm512_maskz_mov_epi64(keep, self.0)))
    }

    #[inline(always)]
    fn increment(self, which: u8) -> Self {
        Self(with_feature!(_mm512_mask_sub_epi64(self.0, which, self.0, _mm512_set1_epi64(-1))))
    }

    #[inline(always)]
    fn greater(self, b: Self) -> u8 {
        with_feature!(_mm512_cmpgt_epu64_mask(self.0, b.0))
    }

    #[inline(always)]
    fn equal(self, b: Self) -> u8 {
        with_feature!(_mm512_cmpeq_epi64_mask(self.0, b.0))
    }
}
