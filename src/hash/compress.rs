//! What a hash is to the drivers: a compression function over lanes, and what the padding needs to know.

use super::message::{Blocks, Layout, Message};
use super::table::{Algorithm, Kernels};
use crate::lanes::words::{Block, Lanes, MAX_LANES, Word};

/// A compression function, written once over lanes, and what the padding needs to know. A state is `Q` rows of four words.
pub(super) trait Hash<const Q: usize>: 'static {
    /// The word.
    type Word: Word;
    /// For the table of kernels.
    const ALGORITHM: Algorithm;
    /// The initial state.
    const IV: &'static [[Self::Word; 4]; Q];
    /// Whether words and the length are big-endian.
    const BIG_ENDIAN: bool;
    /// The bytes of the length at the end.
    const LENGTH_BYTES: usize;
    /// Whether two groups of lanes are faster interleaved than one after the other.
    const INTERLEAVED: bool;
    /// Whether there is an HMAC over it here; it must be big-endian then.
    const KEYED: bool;

    /// A block's words into the state, for each of `S` groups of lanes. The words are in the hash's own byte order, and are used up.
    fn compress<V: Lanes<Word = Self::Word>, const S: usize>(
        proof: V::Proof,
        state: &mut [[[V; 4]; Q]; S],
        words: &mut [[V; 16]; S],
    );

    /// Finishes a few messages from their block `from` on.
    fn advance(
        kernels: Kernels,
        states: &mut [[[Self::Word; 4]; Q]],
        blocks: &[Blocks<'_, BlockOf<Self, Q>>],
        from: u32,
    ) {
        let _ = kernels;
        advance_scalar::<Self, Q>(states, blocks, from);
    }
}

/// The block of a hash.
pub(super) type BlockOf<H, const Q: usize> = <<H as Hash<Q>>::Word as Word>::Block;

/// The two states of an HMAC key: after the inner pad's block and after the outer pad's.
#[derive(Clone, Copy)]
pub(super) struct Pads<T, const Q: usize> {
    pub inner: [[T; 4]; Q],
    pub outer: [[T; 4]; Q],
}

/// A message to hash, under a key or not.
pub(super) struct Job<'a, H: Hash<Q> + ?Sized, const Q: usize> {
    pub message: Message<'a>,
    pub key: Option<&'a Pads<H::Word, Q>>,
}

impl<H: Hash<Q> + ?Sized, const Q: usize> Clone for Job<'_, H, Q> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<H: Hash<Q> + ?Sized, const Q: usize> Copy for Job<'_, H, Q> {}

impl<'a, H: Hash<Q>, const Q: usize> Job<'a, H, Q> {
    /// No job, for places that are not used.
    pub const NONE: Self = Self { message: Message::new(&[]), key: None };

    /// The bytes hashed before its message: a block where there is a key.
    #[inline(always)]
    pub fn before(&self) -> usize {
        usize::from(self.key.is_some()) * BlockOf::<H, Q>::LEN
    }

    /// The layout of its message.
    #[inline(always)]
    pub fn layout(&self) -> Layout<'a, BlockOf<H, Q>> {
        Layout::new::<H, Q>(&self.message, self.before())
    }

    /// The state to begin with.
    #[inline(always)]
    pub fn start(&self) -> &'a [[H::Word; 4]; Q] {
        match self.key {
            Some(key) => &key.inner,
            None => H::IV,
        }
    }

    /// The state that the outer hash begins with.
    #[inline(always)]
    pub fn outer(&self) -> &'a [[H::Word; 4]; Q] {
        match self.key {
            Some(key) => &key.outer,
            None => H::IV,
        }
    }
}

/// A state as little-endian words of the digest's bytes.
#[inline(always)]
pub(super) fn digest_order<H: Hash<Q>, const Q: usize>(state: &[[H::Word; 4]; Q]) -> [[H::Word; 4]; Q] {
    if H::BIG_ENDIAN { state.map(|row| row.map(Lanes::reverse_bytes)) } else { *state }
}

/// Finishes messages one after the other in general registers.
pub(super) fn advance_scalar<H: Hash<Q> + ?Sized, const Q: usize>(
    states: &mut [[[H::Word; 4]; Q]],
    blocks: &[Blocks<'_, BlockOf<H, Q>>],
    from: u32,
) {
    for (state, blocks) in states.iter_mut().zip(blocks) {
        let mut one = [*state];
        for b in from..blocks.count() {
            let mut words = [[H::Word::default(); 16]];
            H::Word::load((), &[blocks.block(b); MAX_LANES], &mut words[0]);
            if H::BIG_ENDIAN {
                words[0] = words[0].map(Lanes::reverse_bytes);
            }
            H::compress::<H::Word, 1>((), &mut one, &mut words);
        }
        [*state] = one;
    }
}
