//! Lanes of machine words for hash kernels: one word of each of several messages side by side.
//!
//! A hash of the Merkle–Damgård family is a long chain of additions, rotations and three-input functions of one word size. It gains nothing
//! from vectors inside one message and everything from vectors across messages: lane `i` of every vector belongs to message `i`. A
//! compression function is written once over [`Lanes`] and runs on
//!
//! | type | word | messages | features |
//! |---|---|---|---|
//! | `u32`, `u64` | itself | 1 | none |
//! | [`U32x8`], [`U64x4`] | `u32`, `u64` | 8, 4 | AVX2 |
//! | [`U32x16`], [`U64x8`] | `u32`, `u64` | 16, 8 | AVX-512 F, BW, VL |
//!
//! A vector can be made only from a proof of its features (`splat`, `load`, `gather`), so everything that takes a vector already knows
//! that the features are there; that is why the methods are safe to call. They are fast only inside a kernel entered through that proof:
//! elsewhere each is a call.
//!
//! Words enter as they lie in memory, little-endian; a big-endian hash turns them with [`Lanes::reverse_bytes`].

use std::marker::PhantomData;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod scalar;

#[cfg(target_arch = "x86_64")]
pub use avx2::{U32x8, U64x4};
#[cfg(target_arch = "x86_64")]
pub use avx512::{U32x16, U64x8};

/// The most lanes that any backend has; tables of rows are this long, and a backend reads as many of them as it has lanes.
pub const MAX_LANES: usize = 16;

/// A block of a message: sixteen words.
pub trait Block: Copy + AsRef<[u8]> + AsMut<[u8]> + 'static {
    /// Bytes.
    const LEN: usize;
    /// All zero.
    const ZERO: &'static Self;
    /// `bytes` as whole blocks, and what is left.
    fn split(bytes: &[u8]) -> (&[Self], &[u8]);
    /// `bytes` as whole blocks.
    fn split_mut(bytes: &mut [u8]) -> &mut [Self];
    /// Blocks as bytes.
    fn bytes_mut(blocks: &mut [Self]) -> &mut [u8];
    /// Sets a byte; nothing beyond the end.
    fn set(&mut self, at: usize, byte: u8);
    /// Sets the last eight bytes.
    fn set_end(&mut self, bytes: [u8; 8]);
}

macro_rules! block {
    ($len:literal) => {
        impl Block for [u8; $len] {
            const LEN: usize = $len;
            const ZERO: &'static Self = &[0; $len];

            #[inline(always)]
            fn split(bytes: &[u8]) -> (&[Self], &[u8]) {
                bytes.as_chunks()
            }

            #[inline(always)]
            fn split_mut(bytes: &mut [u8]) -> &mut [Self] {
                bytes.as_chunks_mut().0
            }

            #[inline(always)]
            fn bytes_mut(blocks: &mut [Self]) -> &mut [u8] {
                blocks.as_flattened_mut()
            }

            #[inline(always)]
            fn set(&mut self, at: usize, byte: u8) {
                if at < $len {
                    self[at] = byte;
                }
            }

            #[inline(always)]
            fn set_end(&mut self, bytes: [u8; 8]) {
                let (_, end) = self.split_last_chunk_mut().expect("a block is longer than that");
                *end = bytes;
            }
        }
    };
}

block!(64);
block!(128);

/// `u32` or `u64`, and the block that sixteen of them make.
pub trait Word: Lanes<Word = Self, Proof = ()> + Default + PartialEq + Send + Sync + 'static {
    /// Sixteen words.
    type Block: Block;
    /// The vector of AVX2.
    #[cfg(target_arch = "x86_64")]
    type Avx2: Lanes<Word = Self, Proof = super::Avx2>;
    /// The vector of AVX-512.
    #[cfg(target_arch = "x86_64")]
    type Avx512: Lanes<Word = Self, Proof = super::Avx512>;
    /// Four zeros.
    const ZEROS: &'static [Self; 4];
    /// From a number of 32 bits.
    fn from_u32(value: u32) -> Self;
    /// The bytes, read as a little-endian word, zeros above them.
    fn read(bytes: &[u8]) -> Self;
    /// The low bytes, little-endian, as many as `to` holds.
    fn write(self, to: &mut [u8]);
}

/// One word of each of `COUNT` messages.
pub trait Lanes: Copy {
    /// The proof that the features are there.
    type Proof: Copy;
    /// The word.
    type Word: Word;
    /// A number of blocks for each lane.
    type Counts: Copy;
    /// A choice of lanes.
    type Mask: Copy;
    /// Messages side by side.
    const COUNT: usize;

    /// The same word in each lane.
    fn splat(proof: Self::Proof, word: Self::Word) -> Self;
    /// Word `i` of the block of lane `l` into lane `l` of vector `i`.
    fn load(proof: Self::Proof, blocks: &[&<Self::Word as Word>::Block; MAX_LANES], words: &mut [Self; 16]);
    /// Word `i` of row `l` into lane `l` of vector `i`.
    fn gather(proof: Self::Proof, rows: &[&[Self::Word; 4]; MAX_LANES]) -> [Self; 4];
    /// The inverse of [`gather`](Self::gather); rows beyond the lanes stay as they are.
    fn scatter(words: [Self; 4], rows: &mut [[Self::Word; 4]; MAX_LANES]);

    /// Sum modulo 2^word.
    fn add(self, other: Self) -> Self;
    /// Exclusive or.
    fn xor(self, other: Self) -> Self;
    /// Exclusive or of three.
    fn xor3(self, b: Self, c: Self) -> Self;
    /// Bits of `yes` where this has ones, of `no` where it has zeros (`Ch` of FIPS 180-4, `F` of RFC 1321).
    fn choose(self, yes: Self, no: Self) -> Self;
    /// The bit that two or three of the three have (`Maj` of FIPS 180-4).
    fn majority(self, b: Self, c: Self) -> Self;
    /// `self ^ (or | !not)` (`I` of RFC 1321).
    fn xor_or_not(self, or: Self, not: Self) -> Self;
    /// Rotation by `LEFT` bits to the left, which is by `RIGHT` to the right; they add up to the word's bits and neither is 0.
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self;
    /// Shift to the right, zeros coming in.
    fn shift_right<const BITS: u32>(self) -> Self;
    /// Each word's bytes in reverse.
    fn reverse_bytes(self) -> Self;

    /// The counts of the lanes; entries beyond the lanes are not read.
    fn counts(proof: Self::Proof, counts: &[u32; MAX_LANES]) -> Self::Counts;
    /// The lanes whose count is greater than `done`.
    fn longer(proof: Self::Proof, counts: Self::Counts, done: u32) -> Self::Mask;
    /// `self` in the lanes of `mask`, `other` in the rest.
    fn keep(self, mask: Self::Mask, other: Self) -> Self;

    /// Copies `from` into the blocks, to begin at byte `at`; reads and writes not a byte beyond either.
    ///
    /// # Panics
    /// Where it does not fit.
    fn put(proof: Self::Proof, to: &mut [<Self::Word as Word>::Block], at: usize, from: &[u8]);
    /// Makes the block `from` with zeros after it; bytes of `from` beyond a block's are not read.
    fn fill(proof: Self::Proof, to: &mut <Self::Word as Word>::Block, from: &[u8]);
}

/// Numbered blocks in two pieces of memory: `built[..head]`, then `whole`, then the rest of `built`.
#[derive(Clone, Copy)]
pub struct Pieces<'a, B> {
    /// Block n of `head..tail` is at `whole + n`.
    whole: *const B,
    /// Block n of `tail..count` is at `built + n`, and block n of `0..head` at `built + (tail - head) + n`; all of them, and those in
    /// `whole`, live for 'a.
    built: *const B,
    head: u32,
    tail: u32,
    count: u32,
    lives: PhantomData<&'a [B]>,
}

impl<'a, B> Pieces<'a, B> {
    /// No blocks.
    pub const NONE: Self =
        Self { whole: std::ptr::null(), built: std::ptr::null(), head: 0, tail: 0, count: 0, lives: PhantomData };

    /// `built[..head]`, `whole` and the rest of `built`.
    ///
    /// # Panics
    /// Where `built` has fewer than `head` blocks, or where there are 2^32 blocks or more in all.
    #[inline(always)]
    pub fn new(head: usize, whole: &'a [B], built: &'a [B]) -> Self {
        let (tail, count) = (head + whole.len(), whole.len() + built.len());
        assert!(head <= built.len() && count <= u32::MAX as usize);
        Self {
            whole: whole.as_ptr().wrapping_sub(head),
            built: built.as_ptr().wrapping_sub(whole.len()),
            head: head as u32,
            tail: tail as u32,
            count: count as u32,
            lives: PhantomData,
        }
    }

    /// How many blocks there are.
    #[inline(always)]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Those in one piece before those built at the end.
    #[inline(always)]
    pub fn whole(&self) -> Run<'a, B> {
        Run { zeroth: self.whole, from: self.head, to: self.tail, lives: PhantomData }
    }

    /// Those built at the end.
    #[inline(always)]
    pub fn tail(&self) -> Run<'a, B> {
        Run { zeroth: self.built, from: self.tail, to: self.count, lives: PhantomData }
    }

    /// Block `number`, where there is one.
    #[inline(always)]
    pub fn get(&self, number: u32) -> Option<&'a B> {
        if number >= self.count {
            return None;
        }
        let zeroth = if number >= self.tail {
            self.built
        } else if number >= self.head {
            self.whole
        } else {
            self.built.wrapping_add((self.tail - self.head) as usize)
        };
        // SAFETY: the invariants of `whole` and `built`, kept by `new`.
        Some(unsafe { &*zeroth.wrapping_add(number as usize) })
    }
}

/// Some of the blocks of [`Pieces`] that lie side by side.
#[derive(Clone, Copy)]
pub struct Run<'a, B> {
    /// Where block 0 would be: block n of `from..to` is at `zeroth + n` and lives for 'a.
    zeroth: *const B,
    from: u32,
    to: u32,
    lives: PhantomData<&'a [B]>,
}

/// A run of blocks for each lane: the numbers that are in every lane's run are taken with one check for all lanes.
#[derive(Clone, Copy)]
pub struct Runs<'a, B> {
    /// Each lane's `zeroth`. For each n in `from..to`, n is a number of the lane's run.
    zeroth: [*const B; MAX_LANES],
    from: u32,
    to: u32,
    lives: PhantomData<&'a [B]>,
}

impl<'a, B> Runs<'a, B> {
    /// No blocks.
    pub const NONE: Self = Self { zeroth: [std::ptr::null(); MAX_LANES], from: 0, to: 0, lives: PhantomData };

    /// The runs of the first `lanes` lanes; the other lanes have the first one's.
    ///
    /// # Panics
    /// Where there is no lane, or more than [`MAX_LANES`].
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // no iterators in lanes: see `hash::group`
    pub fn new(lanes: usize, run: impl Fn(usize) -> Run<'a, B>) -> Self {
        assert!(lanes > 0 && lanes <= MAX_LANES);
        let Run { zeroth, mut from, mut to, lives } = run(0);
        let mut all = [zeroth; MAX_LANES];
        for l in 1..lanes {
            let run = run(l);
            all[l] = run.zeroth;
            from = from.max(run.from);
            to = to.min(run.to);
        }
        Self { zeroth: all, from, to, lives }
    }

    /// Whether every lane has a block of that number.
    #[inline(always)]
    pub fn has(&self, number: u32) -> bool {
        number >= self.from && number < self.to
    }

    /// The block of that number in each lane.
    ///
    /// # Panics
    /// Where a lane has none.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // no iterators in lanes: see `hash::group`
    pub fn at(&self, number: u32) -> [&'a B; MAX_LANES] {
        assert!(self.has(number));
        let mut at = self.zeroth;
        for l in 0..MAX_LANES {
            at[l] = at[l].wrapping_add(number as usize);
        }
        // SAFETY: pointers and references have one layout. The number is in each lane's run (kept by `new`: `from` is the greatest of
        // theirs, `to` the least), so that by the invariant of that run's `zeroth` each pointer is that of a block that lives for 'a.
        unsafe { *(&raw const at).cast::<[&'a B; MAX_LANES]>() }
    }
}

#[cfg(test)]
mod tests;
