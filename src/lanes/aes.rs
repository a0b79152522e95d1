//! AES-128 in CBC-MAC form over the AES instructions (FIPS 197; the chaining of ISO/IEC 9797-1, algorithm 1, without padding).
//!
//! This is the block function of the tables' keyed hash and nothing else: it takes whole blocks, and the caller sees to it that no message
//! is a prefix of another (CBC-MAC is a pseudo-random function over prefix-free messages only).

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
    use super::{AesNi, CbcMac};
    use core::arch::x86_64::{
        __m128i, _mm_aesenc_si128, _mm_aesenclast_si128, _mm_aeskeygenassist_si128, _mm_cvtsi128_si64,
        _mm_extract_epi64, _mm_loadu_si128, _mm_or_si128, _mm_set_epi64x, _mm_setzero_si128, _mm_shuffle_epi8,
        _mm_shuffle_epi32, _mm_slli_si128, _mm_xor_si128,
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

    /// Sixteen bytes that make nothing, sixteen that name every byte, sixteen that make nothing: a window into it is a shuffle that moves a
    /// register by whole bytes.
    static MOVES: [u8; 48] = {
        let mut moves = [0x80; 48];
        let mut byte = 0;
        while byte < 16 {
            moves[16 + byte as usize] = byte;
            byte += 1;
        }
        moves
    };

    /// `value` moved up by `bytes` (down, where negative), -16 to 16, zeros moving in.
    #[inline]
    #[target_feature(enable = "aes,sse2,sse4.1")]
    fn moved(value: __m128i, bytes: isize) -> __m128i {
        let window = MOVES.get(16usize.wrapping_add_signed(-bytes)..).and_then(<[u8]>::first_chunk);
        window.map_or_else(|| _mm_setzero_si128(), |window| _mm_shuffle_epi8(value, load(window)))
    }

    /// At most 32 bytes in two registers, zeros after them.
    #[inline]
    #[target_feature(enable = "aes,sse2,sse4.1")]
    fn part(bytes: &[u8]) -> [__m128i; 2] {
        if let (Some(first), Some(last)) = (bytes.first_chunk::<16>(), bytes.last_chunk::<16>()) {
            return [load(first), moved(load(last), bytes.len().min(32) as isize - 32)];
        }
        let low = if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
            let beyond = u64::from_le_bytes(*last).checked_shr(128 - 8 * bytes.len() as u32).unwrap_or(0);
            _mm_set_epi64x(beyond.cast_signed(), i64::from_le_bytes(*first))
        } else {
            let number = bytes.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
            _mm_set_epi64x(0, number.cast_signed())
        };
        [low, _mm_setzero_si128()]
    }

    /// Two registers moved up by `bytes`, 0 to 15, in three.
    #[inline]
    #[target_feature(enable = "aes,sse2,sse4.1")]
    fn moved_up([low, high]: [__m128i; 2], bytes: usize) -> [__m128i; 3] {
        let by = bytes as isize;
        [moved(low, by), _mm_or_si128(moved(low, by - 16), moved(high, by)), moved(high, by - 16)]
    }

    #[target_feature(enable = "aes,sse2,sse4.1")]
    pub(super) fn short<const AT: usize>(mac: &CbcMac, head: [u64; 3], first: &[u8], second: &[u8]) -> [u64; 2] {
        let mut blocks = [_mm_setzero_si128(); 6];
        blocks[0] = _mm_set_epi64x(head[1].cast_signed(), head[0].cast_signed());
        blocks[1] = _mm_set_epi64x(0, head[2].cast_signed());
        let three = moved_up(part(first), AT % 16);
        blocks[AT / 16] = _mm_or_si128(blocks[AT / 16], three[0]);
        blocks[AT / 16 + 1] = _mm_or_si128(blocks[AT / 16 + 1], three[1]);
        blocks[AT / 16 + 2] = three[2];
        let at = AT + first.len();
        for (block, more) in blocks.iter_mut().skip(at / 16).zip(moved_up(part(second), at % 16)) {
            *block = _mm_or_si128(*block, more);
        }
        let mut state = _mm_setzero_si128();
        for block in blocks.iter().take((at + second.len()).div_ceil(16)) {
            state = chain(mac, state, *block);
        }
        halves(state)
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

    /// The chaining value of the first `AT` bytes of `head` (little-endian; the rest is zero), `first` and `second`, one after the other and
    /// padded with zeros to whole blocks. The parts have at most [`Self::SHORT`] bytes each. They are put together in registers: blocks that
    /// were written piecemeal could not be read whole before the writes have retired, which costs more than the encryption.
    #[inline]
    #[must_use]
    pub fn short<const AT: usize>(&self, head: [u64; 3], first: &[u8], second: &[u8]) -> [u64; 2] {
        const { assert!(AT <= 24) };
        debug_assert!(first.len().max(second.len()) <= Self::SHORT);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `self` holds the proof of the features that `short` is compiled with (kept by `Cpu::hardware`).
        unsafe {
            x86::short::<AT>(self, head, first, second)
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            // No proof value exists on this architecture, so no value of this type does.
            let _ = (first, second);
            [head[0], head[1]]
        }
    }

    /// Longest part of [`Self::short`].
    pub const SHORT: usize = 32;

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
