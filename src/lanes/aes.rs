//! The block functions of the tables' keyed hash over the AES instructions (FIPS 197), and nothing else. What they are good for, and why, is said
//! there.
//!
//! - [`CbcMac`]: AES-128, block by block (the chaining of ISO/IEC 9797-1, algorithm 1, without padding). It takes whole blocks, and the caller sees
//!   to it that no message is a prefix of another (CBC-MAC is a pseudo-random function over prefix-free messages only).
//! - [`ShortMac`]: two short parts, all their blocks side by side, then AES-128 once.

use super::cpu::AesNi;
use std::fmt;

/// An expanded key, and the proof that the instructions are there.
#[derive(Clone, Copy)]
pub struct CbcMac {
    proof: AesNi,
    #[cfg(target_arch = "x86_64")]
    rounds: [core::arch::x86_64::__m128i; 11],
}

impl fmt::Debug for CbcMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CbcMac").field("proof", &self.proof).finish_non_exhaustive()
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{AesNi, CbcMac, ShortMac};
    use core::arch::x86_64::{
        __m128i, _mm_aesenc_si128, _mm_aesenclast_si128, _mm_aeskeygenassist_si128, _mm_cvtsi32_si128,
        _mm_cvtsi128_si64, _mm_extract_epi64, _mm_loadl_epi64, _mm_loadu_si128, _mm_set_epi32, _mm_set_epi64x,
        _mm_setzero_si128, _mm_shuffle_epi32, _mm_slli_si128, _mm_unpacklo_epi64, _mm_xor_si128,
    };

    #[inline]
    #[target_feature(enable = "aes,sse2,sse4.1")]
    fn load(block: &[u8; 16]) -> __m128i {
        // SAFETY: the reference is to 16 readable bytes, and the load asks for no alignment.
        unsafe { _mm_loadu_si128(block.as_ptr().cast()) }
    }

    /// One step of the key schedule (FIPS 197, section 5.2): the four words of the next round key from those of `last`.
    #[target_feature(enable = "aes,sse2,sse4.1")]
    fn step(last: __m128i, assist: __m128i) -> __m128i {
        let mut key = _mm_xor_si128(last, _mm_slli_si128::<4>(last));
        key = _mm_xor_si128(key, _mm_slli_si128::<8>(key));
        _mm_xor_si128(key, _mm_shuffle_epi32::<0xff>(assist))
    }

    #[target_feature(enable = "aes,sse2,sse4.1")]
    pub(super) fn expand(proof: AesNi, key: &[u8; 16]) -> CbcMac {
        let mut rounds = [load(key); 11];
        macro_rules! schedule {
            ($($round:literal, $constant:literal;)*) => {$(
                rounds[$round] = step(rounds[$round - 1], _mm_aeskeygenassist_si128::<$constant>(rounds[$round - 1]));
            )*};
        }
        schedule! { 1, 1; 2, 2; 3, 4; 4, 8; 5, 16; 6, 32; 7, 64; 8, 128; 9, 27; 10, 54; }
        CbcMac { proof, rounds }
    }

    /// The chaining value after one more block.
    #[inline]
    #[target_feature(enable = "aes,sse2,sse4.1")]
    fn chain(mac: &CbcMac, state: __m128i, block: __m128i) -> __m128i {
        let mut state = _mm_xor_si128(_mm_xor_si128(state, block), mac.rounds[0]);
        for round in &mac.rounds[1..10] {
            state = _mm_aesenc_si128(state, *round);
        }
        _mm_aesenclast_si128(state, mac.rounds[10])
    }

    #[inline]
    #[target_feature(enable = "aes,sse2,sse4.1")]
    fn halves(state: __m128i) -> [u64; 2] {
        [_mm_cvtsi128_si64(state).cast_unsigned(), _mm_extract_epi64::<1>(state).cast_unsigned()]
    }

    #[target_feature(enable = "aes,sse2,sse4.1")]
    pub(super) fn absorb(mac: &CbcMac, state: [u64; 2], blocks: &[[u8; 16]]) -> [u64; 2] {
        let mut state = _mm_set_epi64x(state[1].cast_signed(), state[0].cast_signed());
        for block in blocks {
            state = chain(mac, state, load(block));
        }
        halves(state)
    }

    /// `block` through four rounds (FIPS 197, section 5.1) under keys of its own. A last round key would change no difference, and there is none.
    #[inline]
    #[target_feature(enable = "aes,sse2,sse4.1")]
    fn four_rounds(keys: &[__m128i; 4], block: __m128i) -> __m128i {
        let mut state = _mm_xor_si128(block, keys[0]);
        for key in &keys[1..] {
            state = _mm_aesenc_si128(state, *key);
        }
        _mm_aesenc_si128(state, _mm_setzero_si128())
    }

    /// 1 to 15 bytes in one block; with their number they are known again.
    #[inline]
    #[target_feature(enable = "aes,sse2,sse4.1")]
    fn piece(bytes: &[u8]) -> __m128i {
        if bytes.len() >= 8 {
            // SAFETY: there are 8 bytes from the start, and 8 up to the end.
            return unsafe {
                let last = _mm_loadl_epi64(bytes.as_ptr().add(bytes.len() - 8).cast());
                _mm_unpacklo_epi64(_mm_loadl_epi64(bytes.as_ptr().cast()), last)
            };
        }
        if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            return _mm_set_epi32(0, 0, i32::from_le_bytes(*last), i32::from_le_bytes(*first));
        }
        let middle = bytes.get(bytes.len() / 2);
        let all = [bytes.first(), middle, bytes.last()].into_iter().flatten();
        _mm_cvtsi32_si128(all.fold(0, |all, byte| all << 8 | i32::from(*byte)))
    }

    /// The blocks of a part, each enciphered under keys of its own, and added to `sum`. No more blocks than there are keys.
    #[inline]
    #[target_feature(enable = "aes,sse2,sse4.1")]
    fn add<const BLOCKS: usize>(mut sum: __m128i, keys: &[[__m128i; 4]; BLOCKS], part: &[u8]) -> __m128i {
        if part.len() < 16 {
            return if part.is_empty() { sum } else { _mm_xor_si128(sum, four_rounds(&keys[0], piece(part))) };
        }
        // All blocks but the last, then that, counted from the end: the last whole one, or one that overlaps it.
        let last = part.len() - 16;
        // SAFETY: there are 16 bytes from `last` on, and so from anything less.
        let block = |at: usize| unsafe { _mm_loadu_si128(part.as_ptr().add(at.min(last)).cast()) };
        for (number, keys) in keys.iter().enumerate() {
            sum = _mm_xor_si128(sum, four_rounds(keys, block(number * 16)));
            if number * 16 >= last {
                break;
            }
        }
        sum
    }

    #[target_feature(enable = "aes,sse2,sse4.1")]
    pub(super) fn short(mac: &ShortMac, head: u64, stamp: u64, first: &[u8], second: &[u8]) -> (u64, u64) {
        let sum = _mm_set_epi64x(stamp.cast_signed(), head.cast_signed());
        let sum = add(add(sum, &mac.of_first, first), &mac.of_second, second);
        // In registers, as a pair goes.
        let [low, high] = halves(chain(&mac.last, _mm_setzero_si128(), sum));
        (low, high)
    }

    #[target_feature(enable = "aes,sse2,sse4.1")]
    pub(super) fn short_keys(key: &CbcMac) -> ShortMac {
        let mut next = 1;
        let last = key.derive(next);
        let mut of_block = |_| {
            std::array::from_fn(|_| {
                next += 1;
                load(&key.derive(next))
            })
        };
        let of_first = std::array::from_fn(&mut of_block);
        let of_second = std::array::from_fn(of_block);
        ShortMac { of_first, of_second, last: expand(key.proof, &last) }
    }
}

impl CbcMac {
    /// Expands `key`.
    #[must_use]
    pub fn new(proof: AesNi, key: &[u8; 16]) -> Self {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the proof stands for the features that `expand` is compiled with (kept by `Cpu::hardware`).
        unsafe {
            x86::expand(proof, key)
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = key;
            Self { proof }
        }
    }

    /// Another key: AES-128 of `number`, as a block in little-endian order.
    #[must_use]
    pub fn derive(&self, number: u64) -> [u8; 16] {
        let mut block = [0; 16];
        block[..8].copy_from_slice(&number.to_le_bytes());
        let [low, high] = self.absorb([0; 2], &[block]);
        (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
    }

    /// The chaining value after `blocks`, from the chaining value `state` (little-endian halves; zeros at the start of a message).
    #[inline]
    #[must_use]
    pub fn absorb(&self, state: [u64; 2], blocks: &[[u8; 16]]) -> [u64; 2] {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `self` holds the proof of the features that `absorb` is compiled with (kept by `Cpu::hardware`).
        unsafe {
            x86::absorb(self, state, blocks)
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            // No proof value exists on this architecture, so no value of this type does.
            let _ = blocks;
            state
        }
    }
}

/// The keys of a hash of two short parts: the parts' blocks go each through four rounds of AES under keys of its own, side by side, and their sum
/// with two words goes through AES-128 under one more key.
#[derive(Clone, Copy)]
pub struct ShortMac {
    #[cfg(target_arch = "x86_64")]
    of_first: [[core::arch::x86_64::__m128i; 4]; Self::FIRST / 16],
    #[cfg(target_arch = "x86_64")]
    of_second: [[core::arch::x86_64::__m128i; 4]; Self::SECOND / 16],
    last: CbcMac,
}

impl fmt::Debug for ShortMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShortMac").finish_non_exhaustive()
    }
}

impl ShortMac {
    /// Bytes that the first part may have.
    pub const FIRST: usize = 32;
    /// Bytes that the second part may have.
    pub const SECOND: usize = 64;

    /// Derives all keys from `key`: AES-128 of 1 (little-endian, 16 bytes) is the key of the last step, that of 2, 3, … those of the blocks, four each.
    #[must_use]
    pub fn new(key: &CbcMac) -> Self {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `key` holds the proof of the features that `short_keys` is compiled with (kept by `Cpu::hardware`).
        unsafe {
            x86::short_keys(key)
        }
        #[cfg(not(target_arch = "x86_64"))]
        Self { last: *key }
    }

    /// The hash of two parts of at most [`Self::FIRST`] and [`Self::SECOND`] bytes, with two words: of which the caller has `head` say how long the
    /// parts are.
    #[inline]
    #[must_use]
    pub fn hash(&self, head: u64, stamp: u64, first: &[u8], second: &[u8]) -> (u64, u64) {
        debug_assert!(first.len() <= Self::FIRST && second.len() <= Self::SECOND);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `self` holds the proof of the features that `short` is compiled with (kept by `Cpu::hardware`).
        unsafe {
            x86::short(self, head, stamp, first, second)
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            // No proof value exists on this architecture, so no value of this type does.
            let _ = (first, second);
            (head, stamp)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Cpu;

    fn bytes(state: [u64; 2]) -> Vec<u8> {
        state.iter().flat_map(|half| half.to_le_bytes()).collect()
    }

    #[test]
    fn one_block_is_aes_128() {
        let Some(proof) = Cpu::hardware().aes_ni() else { return };
        // FIPS 197, appendix C.1: key 00 01 .. 0f, plaintext 00 11 .. ff.
        let key = std::array::from_fn(|i| i as u8);
        let plain = std::array::from_fn(|i| (i * 0x11) as u8);
        let cipher = [0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a];
        assert_eq!(bytes(CbcMac::new(proof, &key).absorb([0; 2], &[plain])), cipher);
        // FIPS 197, appendix B.
        let key = [0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c];
        let plain = [0x32, 0x43, 0xf6, 0xa8, 0x88, 0x5a, 0x30, 0x8d, 0x31, 0x31, 0x98, 0xa2, 0xe0, 0x37, 0x07, 0x34];
        let cipher = [0x39, 0x25, 0x84, 0x1d, 0x02, 0xdc, 0x09, 0xfb, 0xdc, 0x11, 0x85, 0x97, 0x19, 0x6a, 0x0b, 0x32];
        assert_eq!(bytes(CbcMac::new(proof, &key).absorb([0; 2], &[plain])), cipher);
    }

    #[test]
    fn blocks_chain_as_cbc_does() {
        let Some(proof) = Cpu::hardware().aes_ni() else { return };
        // NIST SP 800-38A, F.2.1 (CBC-AES128), with the first plaintext block already mixed with the IV; last of two blocks.
        let key = [0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c];
        let mut first =
            [0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11, 0x73, 0x93, 0x17, 0x2a];
        for (at, byte) in first.iter_mut().enumerate() {
            *byte ^= at as u8;
        }
        let second = [0xae, 0x2d, 0x8a, 0x57, 0x1e, 0x03, 0xac, 0x9c, 0x9e, 0xb7, 0x6f, 0xac, 0x45, 0xaf, 0x8e, 0x51];
        let expected = [0x50, 0x86, 0xcb, 0x9b, 0x50, 0x72, 0x19, 0xee, 0x95, 0xdb, 0x11, 0x3a, 0x91, 0x76, 0x78, 0xb2];
        let mac = CbcMac::new(proof, &key);
        assert_eq!(bytes(mac.absorb([0; 2], &[first, second])), expected);
        assert_eq!(bytes(mac.absorb(mac.absorb([0; 2], &[first]), &[second])), expected);
    }
}
