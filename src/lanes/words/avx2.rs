//! Eight messages of 32-bit words, four of 64-bit words, on AVX2.
//!
//! Every vector comes from `splat`, `load`, `gather` or from an operation on vectors, and the first three take an [`Avx2`]; the same holds
//! for counts and masks. That is the invariant which the SAFETY comments name *by proof*.

use std::arch::x86_64::*;

use super::super::Avx2;
use super::{Lanes, MAX_LANES};

/// Eight 32-bit words.
#[derive(Clone, Copy)]
pub struct U32x8(__m256i);

/// Four 64-bit words.
#[derive(Clone, Copy)]
pub struct U64x4(__m256i);

/// Counts of blocks, as wide as the words.
#[derive(Clone, Copy)]
pub struct Counts(__m256i);

/// Lanes chosen by words of ones.
#[derive(Clone, Copy)]
pub struct Mask(__m256i);

/// An expression of intrinsics that need no more than the features of [`Avx2`] and touch no memory.
macro_rules! by_proof {
    ($e:expr) => {
        // SAFETY: the features are there, by proof (kept by `Avx2`); no memory is touched.
        unsafe { $e }
    };
}

/// The operations that differ between the two word sizes in an intrinsic's name only.
macro_rules! operations {
    ($bits:literal, $add:ident, $sll:ident, $srl:ident, $srl_by:ident, $gt:ident, $swap:expr) => {
        #[inline(always)]
        fn add(self, other: Self) -> Self {
            Self(by_proof!($add(self.0, other.0)))
        }

        #[inline(always)]
        fn xor(self, other: Self) -> Self {
            Self(by_proof!(_mm256_xor_si256(self.0, other.0)))
        }

        #[inline(always)]
        fn xor3(self, b: Self, c: Self) -> Self {
            self.xor(b).xor(c)
        }

        #[inline(always)]
        fn choose(self, yes: Self, no: Self) -> Self {
            // The two sides have no bit in common.
            Self(by_proof!(_mm256_or_si256(_mm256_and_si256(self.0, yes.0), _mm256_andnot_si256(self.0, no.0))))
        }

        #[inline(always)]
        fn majority(self, b: Self, c: Self) -> Self {
            Self(by_proof!(_mm256_or_si256(
                _mm256_and_si256(self.0, b.0),
                _mm256_and_si256(c.0, _mm256_or_si256(self.0, b.0))
            )))
        }

        #[inline(always)]
        fn xor_or_not(self, or: Self, not: Self) -> Self {
            // or | !not = !(not & !or), so the whole is ones ^ self ^ (not & !or).
            Self(by_proof!({
                let ones = _mm256_set1_epi8(-1);
                _mm256_xor_si256(_mm256_xor_si256(self.0, ones), _mm256_andnot_si256(or.0, not.0))
            }))
        }

        #[inline(always)]
        fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
            const { assert!(LEFT > 0 && RIGHT > 0 && LEFT + RIGHT == $bits) };
            Self(by_proof!(_mm256_or_si256($sll::<LEFT>(self.0), $srl::<RIGHT>(self.0))))
        }

        #[inline(always)]
        fn shift_right<const BITS: u32>(self) -> Self {
            Self(by_proof!($srl_by(self.0, _mm_cvtsi32_si128(BITS.cast_signed()))))
        }

        #[inline(always)]
        fn reverse_bytes(self) -> Self {
            Self(by_proof!(_mm256_shuffle_epi8(self.0, _mm256_broadcastsi128_si256($swap))))
        }

        #[inline(always)]
        fn keep(self, mask: Mask, other: Self) -> Self {
            Self(by_proof!(_mm256_blendv_epi8(other.0, self.0, mask.0)))
        }

        // Plain copies: there are no masked reads of bytes before AVX-512.
        #[inline(always)]
        fn put(_: Avx2, to: &mut [[u8; 2 * $bits]], at: usize, from: &[u8]) {
            <Self::Word as Lanes>::put((), to, at, from);
        }

        #[inline(always)]
        fn fill(_: Avx2, to: &mut [u8; 2 * $bits], from: &[u8]) {
            <Self::Word as Lanes>::fill((), to, from);
        }
    };
}

impl Lanes for U32x8 {
    type Proof = Avx2;
    type Word = u32;
    type Counts = Counts;
    type Mask = Mask;
    const COUNT: usize = 8;

    #[inline(always)]
    fn splat(_: Avx2, word: u32) -> Self {
        Self(by_proof!(_mm256_set1_epi32(word.cast_signed())))
    }

    /// Four words of the eight rows at a time: rows l and l + 4 share a vector, and 4 × 4 words are transposed in each half.
    #[inline(always)]
    fn load(_: Avx2, blocks: &[&[u8; 64]; MAX_LANES], out: &mut [Self; 16]) {
        for quarter in 0..4 {
            let mut x = [by_proof!(_mm256_setzero_si256()); 4];
            for l in 0..4 {
                // SAFETY: the features are there, by proof; each read is of 16 bytes at 0, 16, 32 or 48 in an array of 64.
                x[l] = unsafe {
                    halves(blocks[l].as_ptr().add(16 * quarter).cast(), blocks[4 + l].as_ptr().add(16 * quarter).cast())
                };
            }
            let y = by_proof!(transpose4(x));
            for c in 0..4 {
                out[4 * quarter + c] = Self(y[c]);
            }
        }
    }

    #[inline(always)]
    fn gather(_: Avx2, rows: &[&[u32; 4]; MAX_LANES]) -> [Self; 4] {
        let mut x = [by_proof!(_mm256_setzero_si256()); 4];
        for l in 0..4 {
            // SAFETY: the features are there, by proof; each read is of a whole array of 16 bytes.
            x[l] = unsafe { halves(rows[l].as_ptr(), rows[4 + l].as_ptr()) };
        }
        let [a, b, c, d] = by_proof!(transpose4(x));
        [Self(a), Self(b), Self(c), Self(d)]
    }

    #[inline(always)]
    fn scatter(words: [Self; 4], rows: &mut [[u32; 4]; MAX_LANES]) {
        let [a, b, c, d] = words;
        let y = by_proof!(transpose4([a.0, b.0, c.0, d.0]));
        for l in 0..4 {
            // SAFETY: the features are there, by proof; each write is of a whole array of 16 bytes.
            unsafe {
                _mm_storeu_si128(rows[l].as_mut_ptr().cast(), _mm256_castsi256_si128(y[l]));
                _mm_storeu_si128(rows[4 + l].as_mut_ptr().cast(), _mm256_extracti128_si256::<1>(y[l]));
            }
        }
    }

    #[inline(always)]
    fn counts(_: Avx2, counts: &[u32; MAX_LANES]) -> Counts {
        // SAFETY: the features are there, by proof; the read is of the first 32 bytes of an array of 64.
        Counts(unsafe { _mm256_loadu_si256(counts.as_ptr().cast()) })
    }

    #[inline(always)]
    fn longer(_: Avx2, counts: Counts, done: u32) -> Mask {
        // The comparison is of signed words; turning the top bit of both makes it one of unsigned words.
        Mask(by_proof!({
            let top = _mm256_set1_epi32(i32::MIN);
            let done = _mm256_set1_epi32((done ^ 0x8000_0000).cast_signed());
            _mm256_cmpgt_epi32(_mm256_xor_si256(counts.0, top), done)
        }))
    }

    operations! {
        32, _mm256_add_epi32, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_srl_epi32, _mm256_cmpgt_epi32,
        _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3)
    }
}

impl Lanes for U64x4 {
    type Proof = Avx2;
    type Word = u64;
    type Counts = Counts;
    type Mask = Mask;
    const COUNT: usize = 4;

    #[inline(always)]
    fn splat(_: Avx2, word: u64) -> Self {
        Self(by_proof!(_mm256_set1_epi64x(word.cast_signed())))
    }

    /// Two words of the four rows at a time: rows 0 and 2 in one vector, 1 and 3 in another, unpacked.
    #[inline(always)]
    fn load(_: Avx2, blocks: &[&[u8; 128]; MAX_LANES], out: &mut [Self; 16]) {
        for pair in 0..8 {
            // SAFETY: the features are there, by proof; each read is of 16 bytes at 0, 16, … 112 in an array of 128.
            unsafe {
                let at = |l: usize| blocks[l].as_ptr().add(16 * pair).cast();
                let (even, odd) = (halves(at(0), at(2)), halves(at(1), at(3)));
                out[2 * pair] = Self(_mm256_unpacklo_epi64(even, odd));
                out[2 * pair + 1] = Self(_mm256_unpackhi_epi64(even, odd));
            }
        }
    }

    #[inline(always)]
    fn gather(_: Avx2, rows: &[&[u64; 4]; MAX_LANES]) -> [Self; 4] {
        let mut out = [Self(by_proof!(_mm256_setzero_si256())); 4];
        for pair in 0..2 {
            // SAFETY: the features are there, by proof; each read is of 16 bytes at 0 or 16 in an array of 32.
            unsafe {
                let at = |l: usize| rows[l].as_ptr().add(2 * pair).cast();
                let (even, odd) = (halves(at(0), at(2)), halves(at(1), at(3)));
                out[2 * pair] = Self(_mm256_unpacklo_epi64(even, odd));
                out[2 * pair + 1] = Self(_mm256_unpackhi_epi64(even, odd));
            }
        }
        out
    }

    #[inline(always)]
    fn scatter(words: [Self; 4], rows: &mut [[u64; 4]; MAX_LANES]) {
        for pair in 0..2 {
            let (a, b) = (words[2 * pair].0, words[2 * pair + 1].0);
            // SAFETY: the features are there, by proof; each write is of 16 bytes at 0 or 16 in an array of 32.
            unsafe {
                let (even, odd) = (_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
                let mut put = |l: usize, part| _mm_storeu_si128(rows[l].as_mut_ptr().add(2 * pair).cast(), part);
                put(0, _mm256_castsi256_si128(even));
                put(1, _mm256_castsi256_si128(odd));
                put(2, _mm256_extracti128_si256::<1>(even));
                put(3, _mm256_extracti128_si256::<1>(odd));
            }
        }
    }

    #[inline(always)]
    fn counts(_: Avx2, counts: &[u32; MAX_LANES]) -> Counts {
        // SAFETY: the features are there, by proof; the read is of the first 16 bytes of an array of 64.
        Counts(unsafe { _mm256_cvtepu32_epi64(_mm_loadu_si128(counts.as_ptr().cast())) })
    }

    #[inline(always)]
    fn longer(_: Avx2, counts: Counts, done: u32) -> Mask {
        // Both sides are below 2^32, so the comparison of signed words is right.
        Mask(by_proof!(_mm256_cmpgt_epi64(counts.0, _mm256_set1_epi64x(i64::from(done)))))
    }

    operations! {
        64, _mm256_add_epi64, _mm256_slli_epi64, _mm256_srli_epi64, _mm256_srl_epi64, _mm256_cmpgt_epi64,
        _mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)
    }
}

/// Two 128-bit halves from two places.
///
/// # Safety
/// The features of [`Avx2`] are there and 16 bytes can be read at each place.
#[inline(always)]
unsafe fn halves(low: *const u32, high: *const u32) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let low = _mm256_castsi128_si256(_mm_loadu_si128(low.cast()));
        _mm256_inserti128_si256::<1>(low, _mm_loadu_si128(high.cast()))
    }
}

/// Transposes the 4 × 4 words in each half.
///
/// # Safety
/// The features of [`Avx2`] are there.
#[inline(always)]
unsafe fn transpose4([a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
    by_proof!({
        let (ab0, ab1) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
        let (cd0, cd1) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
        [
            _mm256_unpacklo_epi64(ab0, cd0),
            _mm256_unpackhi_epi64(ab0, cd0),
            _mm256_unpacklo_epi64(ab1, cd1),
            _mm256_unpackhi_epi64(ab1, cd1),
        ]
    })
}
