//! Sixty-four bytes at a time: which of them are equal to, or at most, a given byte, as one bit a byte.
//!
//! Scanners are written once over [`ByteLanes`]. A value of the type that implements it is the proof that its instructions may be used;
//! [`Baseline`] needs none (SSE2 belongs to every x86-64, elsewhere it is [`Portable`]). Bit `i` of a mask is byte `i` of the block.

use super::{Avx2, Avx512, Cpu, Kernel};

/// Comparisons of a block of 64 bytes.
pub trait ByteLanes: Copy {
    /// A loaded block.
    type Block: Copy;
    /// A comparison's outcome, in whatever form the CPU yields it.
    type Mask: Copy;
    /// Loads a block.
    fn load(self, bytes: &[u8; 64]) -> Self::Block;
    /// Nowhere.
    fn none(self) -> Self::Mask;
    /// Where the block has `byte`.
    fn equal(self, block: Self::Block, byte: u8) -> Self::Mask;
    /// Where the block has a byte of at most `byte`, unsigned.
    fn at_most(self, block: Self::Block, byte: u8) -> Self::Mask;
    /// Where the block has a byte of 0x80 or above, one bit a byte.
    fn high(self, block: Self::Block) -> u64;
    /// Where one of the two holds.
    fn or(self, a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// One bit a byte.
    fn bits(self, mask: Self::Mask) -> u64;
}

/// Code over [`ByteLanes`]. Implementations mark `run` `#[inline(always)]`, and everything hot that it calls.
pub trait ByteKernel {
    /// What the kernel yields.
    type Output;
    /// Runs with these lanes.
    fn run<L: ByteLanes>(self, lanes: L) -> Self::Output;
}

/// Runs `kernel` with the widest lanes of `cpu`.
#[inline]
pub fn with_bytes<K: ByteKernel>(cpu: Cpu, kernel: K) -> K::Output {
    if let Some(proof) = cpu.avx512() {
        proof.enter(Wide(kernel))
    } else if let Some(proof) = cpu.avx2() {
        proof.enter(Wide(kernel))
    } else {
        kernel.run(Baseline)
    }
}

struct Wide<K>(K);

impl<K: ByteKernel> Kernel<Avx2> for Wide<K> {
    type Output = K::Output;
    #[inline(always)]
    fn run(self, proof: Avx2) -> K::Output {
        self.0.run(proof)
    }
}

impl<K: ByteKernel> Kernel<Avx512> for Wide<K> {
    type Output = K::Output;
    #[inline(always)]
    fn run(self, proof: Avx512) -> K::Output {
        self.0.run(proof)
    }
}

/// The instructions that every CPU of the target has.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub struct Baseline;

/// The instructions that every CPU of the target has.
#[cfg(not(target_arch = "x86_64"))]
pub type Baseline = Portable;

/// No vector instructions: eight bytes in a general register.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

/// A byte in each of eight.
const fn splat(byte: u8) -> u64 {
    0x0101_0101_0101_0101 * byte as u64
}

/// Each of 64 bytes is handled apart, in eight words; a mask has the top bit of a byte for that byte.
impl ByteLanes for Portable {
    type Block = [u64; 8];
    type Mask = [u64; 8];

    #[inline(always)]
    fn load(self, bytes: &[u8; 64]) -> [u64; 8] {
        let (words, _) = bytes.as_chunks::<8>();
        let mut block = [0; 8];
        for (word, bytes) in block.iter_mut().zip(words) {
            *word = u64::from_le_bytes(*bytes);
        }
        block
    }

    #[inline(always)]
    fn none(self) -> [u64; 8] {
        [0; 8]
    }

    /// A byte of `x` is zero where the block has `byte`. `(x & 7F) + 7F` sets a byte's top bit where its low seven bits are not zero (at
    /// most 7F + 7F = FE, so nothing carries into the next byte); `x` itself has the eighth.
    #[inline(always)]
    fn equal(self, block: [u64; 8], byte: u8) -> [u64; 8] {
        let mut mask = [0; 8];
        for (word, found) in block.iter().zip(&mut mask) {
            let x = word ^ splat(byte);
            *found = !(((x & splat(0x7F)) + splat(0x7F)) | x) & splat(0x80);
        }
        mask
    }

    /// Of the low seven bits: `(80 | byte) − (x & 7F)` keeps its top bit where those of x are at most those of `byte` (it is at least
    /// 80 − 7F = 1, so nothing is borrowed). Where the top bits differ they decide, otherwise that bit does.
    #[inline(always)]
    fn at_most(self, block: [u64; 8], byte: u8) -> [u64; 8] {
        let limit = splat(byte);
        let mut mask = [0; 8];
        for (&x, found) in block.iter().zip(&mut mask) {
            let low = (limit | splat(0x80)) - (x & splat(0x7F));
            *found = ((limit & !x) | (!(limit ^ x) & low)) & splat(0x80);
        }
        mask
    }

    #[inline(always)]
    fn high(self, block: [u64; 8]) -> u64 {
        // Gathering looks at the top bits only.
        self.bits(block)
    }

    #[inline(always)]
    fn or(self, a: [u64; 8], b: [u64; 8]) -> [u64; 8] {
        let mut mask = a;
        for (found, also) in mask.iter_mut().zip(b) {
            *found |= also;
        }
        mask
    }

    /// Gathers eight top bits: bit 7 of byte k, moved to bit 0 of the byte, times 2^(56 − 7k) is bit 56 + k; no two products meet.
    #[inline(always)]
    fn bits(self, mask: [u64; 8]) -> u64 {
        let mut bits = 0;
        for (i, word) in mask.into_iter().enumerate() {
            bits |= ((word >> 7 & splat(1)).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i);
        }
        bits
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Avx2, Avx512, Baseline, ByteLanes};
    use std::arch::x86_64::*;

    // No adaptors of the standard library here, such as `array::map`: it calls its closure in code that was compiled without the
    // features, and drags its own unwinding along.

    impl ByteLanes for Baseline {
        type Block = [__m128i; 4];
        type Mask = [__m128i; 4];

        #[inline(always)]
        fn load(self, bytes: &[u8; 64]) -> Self::Block {
            let at = bytes.as_ptr();
            // SAFETY: SSE2 is part of x86-64; four unaligned loads of 16 bytes from an array of 64.
            unsafe {
                [
                    _mm_loadu_si128(at.cast()),
                    _mm_loadu_si128(at.add(16).cast()),
                    _mm_loadu_si128(at.add(32).cast()),
                    _mm_loadu_si128(at.add(48).cast()),
                ]
            }
        }

        #[inline(always)]
        fn none(self) -> Self::Mask {
            // SAFETY: SSE2 is part of x86-64.
            [unsafe { _mm_setzero_si128() }; 4]
        }

        #[inline(always)]
        fn equal(self, [a, b, c, d]: Self::Block, byte: u8) -> Self::Mask {
            // SAFETY: SSE2 is part of x86-64.
            unsafe {
                let byte = _mm_set1_epi8(byte.cast_signed());
                [_mm_cmpeq_epi8(a, byte), _mm_cmpeq_epi8(b, byte), _mm_cmpeq_epi8(c, byte), _mm_cmpeq_epi8(d, byte)]
            }
        }

        #[inline(always)]
        fn at_most(self, [a, b, c, d]: Self::Block, byte: u8) -> Self::Mask {
            // SAFETY: SSE2 is part of x86-64.
            unsafe {
                let byte = _mm_set1_epi8(byte.cast_signed());
                [
                    _mm_cmpeq_epi8(_mm_min_epu8(a, byte), a),
                    _mm_cmpeq_epi8(_mm_min_epu8(b, byte), b),
                    _mm_cmpeq_epi8(_mm_min_epu8(c, byte), c),
                    _mm_cmpeq_epi8(_mm_min_epu8(d, byte), d),
                ]
            }
        }

        #[inline(always)]
        fn high(self, block: Self::Block) -> u64 {
            self.bits(block)
        }

        #[inline(always)]
        fn or(self, a: Self::Mask, b: Self::Mask) -> Self::Mask {
            // SAFETY: SSE2 is part of x86-64.
            unsafe {
                [_mm_or_si128(a[0], b[0]), _mm_or_si128(a[1], b[1]), _mm_or_si128(a[2], b[2]), _mm_or_si128(a[3], b[3])]
            }
        }

        #[inline(always)]
        fn bits(self, [a, b, c, d]: Self::Mask) -> u64 {
            // SAFETY: SSE2 is part of x86-64.
            let [a, b, c, d] =
                unsafe { [_mm_movemask_epi8(a), _mm_movemask_epi8(b), _mm_movemask_epi8(c), _mm_movemask_epi8(d)] };
            let wide = |part: i32| u64::from(part.cast_unsigned());
            wide(a) | wide(b) << 16 | wide(c) << 32 | wide(d) << 48
        }
    }

    impl ByteLanes for Avx2 {
        type Block = [__m256i; 2];
        type Mask = [__m256i; 2];

        #[inline(always)]
        fn load(self, bytes: &[u8; 64]) -> Self::Block {
            let at = bytes.as_ptr();
            // SAFETY: `self` proves AVX2; two unaligned loads of 32 bytes from an array of 64.
            unsafe { [_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(at.add(32).cast())] }
        }

        #[inline(always)]
        fn none(self) -> Self::Mask {
            // SAFETY: `self` proves AVX2.
            [unsafe { _mm256_setzero_si256() }; 2]
        }

        #[inline(always)]
        fn equal(self, block: Self::Block, byte: u8) -> Self::Mask {
            // SAFETY: `self` proves AVX2.
            unsafe {
                let byte = _mm256_set1_epi8(byte.cast_signed());
                [_mm256_cmpeq_epi8(block[0], byte), _mm256_cmpeq_epi8(block[1], byte)]
            }
        }

        #[inline(always)]
        fn at_most(self, block: Self::Block, byte: u8) -> Self::Mask {
            // SAFETY: `self` proves AVX2.
            unsafe {
                let byte = _mm256_set1_epi8(byte.cast_signed());
                let [low, high] = block;
                [
                    _mm256_cmpeq_epi8(_mm256_min_epu8(low, byte), low),
                    _mm256_cmpeq_epi8(_mm256_min_epu8(high, byte), high),
                ]
            }
        }

        #[inline(always)]
        fn high(self, block: Self::Block) -> u64 {
            self.bits(block)
        }

        #[inline(always)]
        fn or(self, a: Self::Mask, b: Self::Mask) -> Self::Mask {
            // SAFETY: `self` proves AVX2.
            unsafe { [_mm256_or_si256(a[0], b[0]), _mm256_or_si256(a[1], b[1])] }
        }

        #[inline(always)]
        fn bits(self, mask: Self::Mask) -> u64 {
            // SAFETY: `self` proves AVX2.
            let (low, high) = unsafe { (_mm256_movemask_epi8(mask[0]), _mm256_movemask_epi8(mask[1])) };
            u64::from(low.cast_unsigned()) | u64::from(high.cast_unsigned()) << 32
        }
    }

    impl ByteLanes for Avx512 {
        type Block = __m512i;
        type Mask = u64;

        #[inline(always)]
        fn load(self, bytes: &[u8; 64]) -> __m512i {
            // SAFETY: `self` proves AVX-512 F; an unaligned load of 64 bytes from an array of 64.
            unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
        }

        #[inline(always)]
        fn none(self) -> u64 {
            0
        }

        #[inline(always)]
        fn equal(self, block: __m512i, byte: u8) -> u64 {
            // SAFETY: `self` proves AVX-512 BW.
            unsafe { _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8(byte.cast_signed())) }
        }

        #[inline(always)]
        fn at_most(self, block: __m512i, byte: u8) -> u64 {
            // SAFETY: `self` proves AVX-512 BW.
            unsafe { _mm512_cmple_epu8_mask(block, _mm512_set1_epi8(byte.cast_signed())) }
        }

        #[inline(always)]
        fn high(self, block: __m512i) -> u64 {
            // SAFETY: `self` proves AVX-512 BW.
            unsafe { _mm512_movepi8_mask(block) }
        }

        #[inline(always)]
        fn or(self, a: u64, b: u64) -> u64 {
            a | b
        }

        #[inline(always)]
        fn bits(self, mask: u64) -> u64 {
            mask
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod elsewhere {
    use super::{Avx2, Avx512, ByteLanes, Portable};

    // These proofs do not exist elsewhere; the code that is generic over them still has to compile.
    macro_rules! as_portable {
        ($($proof:ty),*) => {$(impl ByteLanes for $proof {
            type Block = [u64; 8];
            type Mask = [u64; 8];
            fn load(self, bytes: &[u8; 64]) -> [u64; 8] { Portable.load(bytes) }
            fn none(self) -> [u64; 8] { Portable.none() }
            fn equal(self, block: [u64; 8], byte: u8) -> [u64; 8] { Portable.equal(block, byte) }
            fn at_most(self, block: [u64; 8], byte: u8) -> [u64; 8] { Portable.at_most(block, byte) }
            fn high(self, block: [u64; 8]) -> u64 { Portable.high(block) }
            fn or(self, a: [u64; 8], b: [u64; 8]) -> [u64; 8] { Portable.or(a, b) }
            fn bits(self, mask: [u64; 8]) -> u64 { Portable.bits(mask) }
        })*};
    }
    as_portable!(Avx2, Avx512);
}

/// Most cache lines that [`prefetch`] asks for: what follows in order the hardware fetches by itself.
const PREFETCHED: usize = 8;

/// Asks for the first cache lines of `text`, for reading. A hint without an effect on any value.
#[inline]
pub fn prefetch(text: &[u8]) {
    for line in text.chunks(64).take(PREFETCHED) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch of an address inside a valid slice; it cannot fault and changes nothing.
        unsafe {
            use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = line;
    }
}

/// Asks for the first cache lines of `value`, for reading. A hint without an effect on any value.
#[inline]
pub fn prefetch_of<T>(value: &T) {
    for at in (0..size_of::<T>()).step_by(64).take(PREFETCHED) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch of an address inside a valid value; it cannot fault and changes nothing.
        unsafe {
            use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast::<i8>().add(at));
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (value, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Compare<'a>(&'a [u8; 64], u8);

    impl ByteKernel for Compare<'_> {
        type Output = [u64; 4];
        #[inline(always)]
        fn run<L: ByteLanes>(self, lanes: L) -> [u64; 4] {
            let block = lanes.load(self.0);
            let (equal, at_most) = (lanes.equal(block, self.1), lanes.at_most(block, self.1));
            let either = lanes.or(equal, lanes.at_most(block, 9));
            [lanes.bits(equal), lanes.bits(at_most), lanes.high(block), lanes.bits(either)]
        }
    }

    #[test]
    fn every_backend_agrees_with_plain_comparison() {
        let bit = |set: bool, i: usize| u64::from(set) << i;
        for limit in 0..=255u8 {
            for start in [0u8, 1, 0x3F, 0x7F, 0xC1] {
                // An odd step, so that the 64 bytes differ; over all limits every value comes to stand in every place.
                let block: [u8; 64] = std::array::from_fn(|i| start.wrapping_add((i as u8).wrapping_mul(limit | 1)));
                let mut expected = [0; 4];
                for (i, &byte) in block.iter().enumerate() {
                    expected[0] |= bit(byte == limit, i);
                    expected[1] |= bit(byte <= limit, i);
                    expected[2] |= bit(byte >= 0x80, i);
                    expected[3] |= bit(byte == limit || byte <= 9, i);
                }
                assert_eq!(Compare(&block, limit).run(Portable), expected, "portable, {limit}");
                for cpu in Cpu::variants() {
                    assert_eq!(with_bytes(cpu, Compare(&block, limit)), expected, "{cpu:?}, {limit}");
                }
            }
        }
    }
}
