//! One lane: plain words.

use super::{Lanes, MAX_LANES, Word};

macro_rules! scalar {
    ($word:ident, $bytes:literal, $block:literal, $avx2:ident, $avx512:ident) => {
        impl Word for $word {
            type Block = [u8; $block];
            #[cfg(target_arch = "x86_64")]
            type Avx2 = super::$avx2;
            #[cfg(target_arch = "x86_64")]
            type Avx512 = super::$avx512;
            const ZEROS: &'static [Self; 4] = &[0; 4];

            #[inline(always)]
            fn from_u32(value: u32) -> Self {
                Self::from(value)
            }

            #[inline]
            fn read(bytes: &[u8]) -> Self {
                let mut word = [0; $bytes];
                word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                Self::from_le_bytes(word)
            }

            #[inline(always)]
            fn write(self, to: &mut [u8]) {
                to.iter_mut().zip(self.to_le_bytes()).for_each(|(to, from)| *to = from);
            }
        }

        impl Lanes for $word {
            type Proof = ();
            type Word = Self;
            type Counts = u32;
            type Mask = bool;
            const COUNT: usize = 1;

            #[inline(always)]
            fn splat((): (), word: Self) -> Self {
                word
            }

            #[inline(always)]
            fn load((): (), blocks: &[&[u8; $block]; MAX_LANES], words: &mut [Self; 16]) {
                let (bytes, _) = blocks[0].as_chunks::<$bytes>();
                for (word, bytes) in words.iter_mut().zip(bytes) {
                    *word = Self::from_le_bytes(*bytes);
                }
            }

            #[inline(always)]
            fn gather((): (), rows: &[&[Self; 4]; MAX_LANES]) -> [Self; 4] {
                *rows[0]
            }

            #[inline(always)]
            fn scatter(words: [Self; 4], rows: &mut [[Self; 4]; MAX_LANES]) {
                rows[0] = words;
            }

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline(always)]
            fn xor(self, other: Self) -> Self {
                self ^ other
            }

            #[inline(always)]
            fn xor3(self, b: Self, c: Self) -> Self {
                self ^ b ^ c
            }

            #[inline(always)]
            fn choose(self, yes: Self, no: Self) -> Self {
                no ^ (self & (yes ^ no))
            }

            #[inline(always)]
            fn majority(self, b: Self, c: Self) -> Self {
                (self & b) ^ (c & (self ^ b))
            }

            #[inline(always)]
            fn xor_or_not(self, or: Self, not: Self) -> Self {
                self ^ (or | !not)
            }

            #[inline(always)]
            fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
                const { assert!(LEFT > 0 && RIGHT > 0 && LEFT + RIGHT == 8 * $bytes) };
                self.rotate_left(LEFT as u32)
            }

            #[inline(always)]
            fn shift_right<const BITS: u32>(self) -> Self {
                self >> BITS
            }

            #[inline(always)]
            fn reverse_bytes(self) -> Self {
                self.swap_bytes()
            }

            #[inline(always)]
            fn counts((): (), counts: &[u32; MAX_LANES]) -> u32 {
                counts[0]
            }

            #[inline(always)]
            fn longer((): (), counts: u32, done: u32) -> bool {
                counts > done
            }

            #[inline(always)]
            fn keep(self, mask: bool, other: Self) -> Self {
                if mask { self } else { other }
            }

            #[inline(always)]
            fn put((): (), to: &mut [[u8; $block]], at: usize, from: &[u8]) {
                to.as_flattened_mut()[at..at + from.len()].copy_from_slice(from);
            }

            #[inline(always)]
            fn fill((): (), to: &mut [u8; $block], from: &[u8]) {
                *to = [0; $block];
                let len = from.len().min($block);
                to[..len].copy_from_slice(&from[..len]);
            }
        }
    };
}

scalar!(u32, 4, 64, U32x8, U32x16);
scalar!(u64, 8, 128, U64x4, U64x8);
