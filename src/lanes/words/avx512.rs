//! Sixteen messages of 32-bit words, eight of 64-bit words, on AVX-512: a rotation and any function of three words are one instruction each.
//!
//! Every vector comes from `splat`, `load`, `gather` or from an operation on vectors, and the first three take an [`Avx512`]; the same holds
//! for [`Counts32`] and [`Counts64`]. That is the invariant which the SAFETY comments name *by proof*.

use std::arch::x86_64::*;

use super::super::Avx512;
use super::{Lanes, MAX_LANES};

/// Sixteen 32-bit words.
#[derive(Clone, Copy)]
pub struct U32x16(__m512i);

/// Eight 64-bit words.
#[derive(Clone, Copy)]
pub struct U64x8(__m512i);

/// Sixteen counts of blocks.
#[derive(Clone, Copy)]
pub struct Counts32(__m512i);

/// Eight counts of blocks.
#[derive(Clone, Copy)]
pub struct Counts64(__m256i);

/// An expression of intrinsics that need no more than the features of [`Avx512`] and touch no memory.
macro_rules! by_proof {
    ($e:expr) => {
        // SAFETY: the features are there, by proof (kept by `Avx512`); no memory is touched.
        unsafe { $e }
    };
}

/// The operations that differ between the two word sizes in an intrinsic's name only.
macro_rules! operations {
    ($bits:literal, $add:ident, $rol:ident, $srl:ident, $logic:ident, $blend:ident, $swap:expr) => {
        #[inline(always)]
        fn add(self, other: Self) -> Self {
            Self(by_proof!($add(self.0, other.0)))
        }

        #[inline(always)]
        fn xor(self, other: Self) -> Self {
            Self(by_proof!(_mm512_xor_si512(self.0, other.0)))
        }

        #[inline(always)]
        fn xor3(self, b: Self, c: Self) -> Self {
            Self(by_proof!($logic::<0x96>(self.0, b.0, c.0)))
        }

        #[inline(always)]
        fn choose(self, yes: Self, no: Self) -> Self {
            Self(by_proof!($logic::<0xca>(self.0, yes.0, no.0)))
        }

        #[inline(always)]
        fn majority(self, b: Self, c: Self) -> Self {
            Self(by_proof!($logic::<0xe8>(self.0, b.0, c.0)))
        }

        #[inline(always)]
        fn xor_or_not(self, or: Self, not: Self) -> Self {
            // The bit of the constant at 4·self + 2·or + not is self ^ (or | !not).
            Self(by_proof!($logic::<0b0010_1101>(self.0, or.0, not.0)))
        }

        #[inline(always)]
        fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
            const { assert!(LEFT > 0 && RIGHT > 0 && LEFT + RIGHT == $bits) };
            Self(by_proof!($rol::<LEFT>(self.0)))
        }

        #[inline(always)]
        fn shift_right<const BITS: u32>(self) -> Self {
            Self(by_proof!($srl::<BITS>(self.0)))
        }

        #[inline(always)]
        fn reverse_bytes(self) -> Self {
            Self(by_proof!(_mm512_shuffle_epi8(self.0, _mm512_broadcast_i32x4($swap))))
        }

        #[inline(always)]
        fn keep(self, mask: Self::Mask, other: Self) -> Self {
            Self(by_proof!($blend(mask, other.0, self.0)))
        }

        #[inline(always)]
        fn put(_: Avx512, to: &mut [[u8; 2 * $bits]], at: usize, from: &[u8]) {
            let room = to.len() * (2 * $bits);
            assert!(at <= room && from.len() <= room - at, "the piece does not fit");
            let mut done = 0;
            while done < from.len() {
                let mask = first(from.len() - done);
                // SAFETY: the features are there, by proof. The mask selects at most |from| − done bytes, which both sides have (checked
                // above); bytes that it does not select are neither read nor written.
                unsafe {
                    let bytes = _mm512_maskz_loadu_epi8(mask, from.as_ptr().add(done).cast());
                    _mm512_mask_storeu_epi8(to.as_mut_ptr().cast::<i8>().add(at + done), mask, bytes);
                }
                done += 64;
            }
        }

        #[inline(always)]
        fn fill(_: Avx512, to: &mut [u8; 2 * $bits], from: &[u8]) {
            for part in 0..(2 * $bits) / 64 {
                let mask = first(from.len().saturating_sub(64 * part));
                // SAFETY: the features are there, by proof. The mask selects at most |from| − 64·part bytes, and none where that is below
                // zero (the address is not used then: `wrapping_add`); bytes that it does not select are not read. The write is of 64
                // bytes at 0 or 64 in the block.
                unsafe {
                    let bytes = _mm512_maskz_loadu_epi8(mask, from.as_ptr().wrapping_add(64 * part).cast());
                    _mm512_storeu_si512(to.as_mut_ptr().add(64 * part).cast(), bytes);
                }
            }
        }
    };
}

impl U32x16 {
    /// Lane `l` in word `l`.
    #[inline(always)]
    pub fn words(self) -> [u32; 16] {
        let mut out = [0; 16];
        // SAFETY: the features are there, by proof; the write is of the whole array of 64 bytes.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), self.0) };
        out
    }
}

impl Lanes for U32x16 {
    type Proof = Avx512;
    type Word = u32;
    type Counts = Counts32;
    type Mask = __mmask16;
    const COUNT: usize = 16;

    #[inline(always)]
    fn splat(_: Avx512, word: u32) -> Self {
        Self(by_proof!(_mm512_set1_epi32(word.cast_signed())))
    }

    /// A transposition of 16 × 16 words in 64 shuffles and inserts, 16 of which (the inserts, which read memory) are not bound to the one
    /// shuffle port: the halves of rows l and l + 4 share a vector, two rounds of unpacking transpose 4 × 4 words within each 128-bit
    /// part, and one shuffle brings the parts of rows 0–7 and 8–15 together.
    #[inline(always)]
    fn load(_: Avx512, blocks: &[&[u8; 64]; MAX_LANES], out: &mut [Self; 16]) {
        for half in 0..2 {
            // group[g][c]: parts (word c of rows 8g..8g+4, word 4+c of the same, word c of rows 8g+4..8g+8, word 4+c of the same).
            let mut group = [[by_proof!(_mm512_setzero_si512()); 4]; 2];
            for g in 0..2 {
                let mut x = [by_proof!(_mm512_setzero_si512()); 4];
                for l in 0..4 {
                    let low = blocks[8 * g + l].as_ptr();
                    let high = blocks[8 * g + 4 + l].as_ptr();
                    // SAFETY: the features are there, by proof; each read is of 32 bytes at 0 or 32 in an array of 64.
                    x[l] = unsafe {
                        let low = _mm512_castsi256_si512(_mm256_loadu_si256(low.add(32 * half).cast()));
                        _mm512_inserti64x4::<1>(low, _mm256_loadu_si256(high.add(32 * half).cast()))
                    };
                }
                group[g] = by_proof!(transpose4(x));
            }
            for c in 0..4 {
                out[8 * half + c] = Self(by_proof!(_mm512_shuffle_i32x4::<0b10_00_10_00>(group[0][c], group[1][c])));
                out[8 * half + 4 + c] =
                    Self(by_proof!(_mm512_shuffle_i32x4::<0b11_01_11_01>(group[0][c], group[1][c])));
            }
        }
    }

    #[inline(always)]
    fn gather(_: Avx512, rows: &[&[u32; 4]; MAX_LANES]) -> [Self; 4] {
        let mut x = [by_proof!(_mm512_setzero_si512()); 4];
        for l in 0..4 {
            // SAFETY: the features are there, by proof; each read is of a whole array of 16 bytes.
            x[l] =
                unsafe { parts(rows[l].as_ptr(), rows[4 + l].as_ptr(), rows[8 + l].as_ptr(), rows[12 + l].as_ptr()) };
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
                _mm_storeu_si128(rows[l].as_mut_ptr().cast(), _mm512_extracti32x4_epi32::<0>(y[l]));
                _mm_storeu_si128(rows[4 + l].as_mut_ptr().cast(), _mm512_extracti32x4_epi32::<1>(y[l]));
                _mm_storeu_si128(rows[8 + l].as_mut_ptr().cast(), _mm512_extracti32x4_epi32::<2>(y[l]));
                _mm_storeu_si128(rows[12 + l].as_mut_ptr().cast(), _mm512_extracti32x4_epi32::<3>(y[l]));
            }
        }
    }

    #[inline(always)]
    fn counts(_: Avx512, counts: &[u32; MAX_LANES]) -> Counts32 {
        // SAFETY: the features are there, by proof; the read is of the whole array of 64 bytes.
        Counts32(unsafe { _mm512_loadu_si512(counts.as_ptr().cast()) })
    }

    #[inline(always)]
    fn longer(_: Avx512, counts: Counts32, done: u32) -> __mmask16 {
        by_proof!(_mm512_cmpgt_epu32_mask(counts.0, _mm512_set1_epi32(done.cast_signed())))
    }

    operations! {
        32, _mm512_add_epi32, _mm512_rol_epi32, _mm512_srli_epi32, _mm512_ternarylogic_epi32,
        _mm512_mask_blend_epi32, _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3)
    }
}

impl Lanes for U64x8 {
    type Proof = Avx512;
    type Word = u64;
    type Counts = Counts64;
    type Mask = __mmask8;
    const COUNT: usize = 8;

    #[inline(always)]
    fn splat(_: Avx512, word: u64) -> Self {
        Self(by_proof!(_mm512_set1_epi64(word.cast_signed())))
    }

    /// Two words of the eight rows at a time: the even rows' 128-bit parts in one vector, the odd rows' in another, unpacked.
    #[inline(always)]
    fn load(_: Avx512, blocks: &[&[u8; 128]; MAX_LANES], out: &mut [Self; 16]) {
        for pair in 0..8 {
            // SAFETY: the features are there, by proof; each read is of 16 bytes at 0, 16, … 112 in an array of 128.
            unsafe {
                let at = |l: usize| blocks[l].as_ptr().add(16 * pair).cast();
                let even = parts(at(0), at(2), at(4), at(6));
                let odd = parts(at(1), at(3), at(5), at(7));
                out[2 * pair] = Self(_mm512_unpacklo_epi64(even, odd));
                out[2 * pair + 1] = Self(_mm512_unpackhi_epi64(even, odd));
            }
        }
    }

    #[inline(always)]
    fn gather(_: Avx512, rows: &[&[u64; 4]; MAX_LANES]) -> [Self; 4] {
        let mut out = [Self(by_proof!(_mm512_setzero_si512())); 4];
        for pair in 0..2 {
            // SAFETY: the features are there, by proof; each read is of 16 bytes at 0 or 16 in an array of 32.
            unsafe {
                let at = |l: usize| rows[l].as_ptr().add(2 * pair).cast();
                let even = parts(at(0), at(2), at(4), at(6));
                let odd = parts(at(1), at(3), at(5), at(7));
                out[2 * pair] = Self(_mm512_unpacklo_epi64(even, odd));
                out[2 * pair + 1] = Self(_mm512_unpackhi_epi64(even, odd));
            }
        }
        out
    }

    #[inline(always)]
    fn scatter(words: [Self; 4], rows: &mut [[u64; 4]; MAX_LANES]) {
        for pair in 0..2 {
            let (a, b) = (words[2 * pair].0, words[2 * pair + 1].0);
            let even = by_proof!(_mm512_unpacklo_epi64(a, b));
            let odd = by_proof!(_mm512_unpackhi_epi64(a, b));
            for (parity, y) in [even, odd].into_iter().enumerate() {
                // SAFETY: the features are there, by proof; each write is of 16 bytes at 0 or 16 in an array of 32.
                unsafe {
                    let mut put = |l: usize, part| {
                        _mm_storeu_si128(rows[l + parity].as_mut_ptr().add(2 * pair).cast(), part);
                    };
                    put(0, _mm512_extracti32x4_epi32::<0>(y));
                    put(2, _mm512_extracti32x4_epi32::<1>(y));
                    put(4, _mm512_extracti32x4_epi32::<2>(y));
                    put(6, _mm512_extracti32x4_epi32::<3>(y));
                }
            }
        }
    }

    #[inline(always)]
    fn counts(_: Avx512, counts: &[u32; MAX_LANES]) -> Counts64 {
        // SAFETY: the features are there, by proof; the read is of the first 32 bytes of an array of 64.
        Counts64(unsafe { _mm256_loadu_si256(counts.as_ptr().cast()) })
    }

    #[inline(always)]
    fn longer(_: Avx512, counts: Counts64, done: u32) -> __mmask8 {
        by_proof!(_mm256_cmpgt_epu32_mask(counts.0, _mm256_set1_epi32(done.cast_signed())))
    }

    operations! {
        64, _mm512_add_epi64, _mm512_rol_epi64, _mm512_srli_epi64, _mm512_ternarylogic_epi64,
        _mm512_mask_blend_epi64, _mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)
    }
}

/// A mask of the first `len` bytes, of 64 where there are more.
#[inline(always)]
fn first(len: usize) -> u64 {
    if len < 64 { !(u64::MAX << len) } else { u64::MAX }
}

/// Four 128-bit parts from four places.
///
/// # Safety
/// The features of [`Avx512`] are there and 16 bytes can be read at each place.
#[inline(always)]
unsafe fn parts(a: *const u32, b: *const u32, c: *const u32, d: *const u32) -> __m512i {
    // SAFETY: the caller's promise.
    unsafe {
        let x = _mm512_broadcast_i32x4(_mm_loadu_si128(a.cast()));
        let x = _mm512_mask_broadcast_i32x4(x, 0x00f0, _mm_loadu_si128(b.cast()));
        let x = _mm512_mask_broadcast_i32x4(x, 0x0f00, _mm_loadu_si128(c.cast()));
        _mm512_mask_broadcast_i32x4(x, 0xf000, _mm_loadu_si128(d.cast()))
    }
}

/// Transposes the 4 × 4 words in each 128-bit part.
///
/// # Safety
/// The features of [`Avx512`] are there.
#[inline(always)]
unsafe fn transpose4([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    by_proof!({
        let (ab0, ab1) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (cd0, cd1) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        [
            _mm512_unpacklo_epi64(ab0, cd0),
            _mm512_unpackhi_epi64(ab0, cd0),
            _mm512_unpacklo_epi64(ab1, cd1),
            _mm512_unpackhi_epi64(ab1, cd1),
        ]
    })
}
