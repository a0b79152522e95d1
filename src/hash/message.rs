//! A message in pieces, and where its padded blocks lie.
//!
//! A Merkle–Damgård hash reads its message in blocks, the last one or two padded with a one bit, zeros and the length in bits. Here the
//! message is `prefix ‖ body ‖ suffix`: the body is long and lies anywhere, the other two are short (a secret that follows the message; R
//! and the public key before it in Ed25519; Z in SM2). Whole blocks of the body are read where they lie; only the blocks that the prefix,
//! the suffix or the padding touch are *built* in a buffer:
//!
//! ```text
//!           ├── built: head ──┤├────────── whole, in place ──────────┤├──── built: tail ────┤
//! bytes     prefix │ body …    … body …                               … body │ suffix │ 80 00 … length
//! ```
//!
//! A prefix that ends on a block boundary takes nothing of the body into the head. Where the body ends before the first boundary after the
//! prefix, everything is built.

use super::compress::{BlockOf, Hash};
use crate::lanes::words::{Block, Lanes, Pieces, Run, Word};

/// A message to hash: three pieces, one after the other.
#[derive(Clone, Copy, Default)]
pub struct Message<'a> {
    /// Comes first; short, or else copied in vain.
    pub prefix: &'a [u8],
    /// Read where it lies.
    pub body: &'a [u8],
    /// Comes last; short, or else copied in vain. Its copy is wiped after use.
    pub suffix: &'a [u8],
}

impl<'a> Message<'a> {
    /// A message in one piece.
    #[must_use]
    pub const fn new(body: &'a [u8]) -> Self {
        Self { prefix: &[], body, suffix: &[] }
    }

    /// A message with a suffix, such as the secret of a keyed digest.
    #[must_use]
    pub const fn with_suffix(body: &'a [u8], suffix: &'a [u8]) -> Self {
        Self { prefix: &[], body, suffix }
    }

    /// Bytes in all.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.prefix.len() + self.body.len() + self.suffix.len()
    }

    /// Whether there is no byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The blocks of its padded form.
    #[inline(always)]
    pub(super) fn blocks<H: Hash<Q>, const Q: usize>(&self) -> u32 {
        let blocks = (self.len() + H::LENGTH_BYTES) / BlockOf::<H, Q>::LEN + 1;
        // 2^32 blocks are 256 GiB; a slice that long cannot be a request.
        u32::try_from(blocks).unwrap_or(u32::MAX)
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(body: &'a [u8]) -> Self {
        Self::new(body)
    }
}

/// A message laid out: what lies in place, and of what the rest is built.
#[derive(Clone, Copy)]
pub(super) struct Layout<'a, B> {
    /// What is built, in order: the prefix, the body's start, the body's end, the suffix.
    pieces: [&'a [u8]; 4],
    /// The blocks in place.
    whole: &'a [B],
    /// The built blocks before them.
    head: u32,
    /// The built blocks.
    pub built: usize,
    /// Bytes that are built.
    end: usize,
    /// The length in bits that the padding states.
    bits: u64,
}

impl<'a, B: Block> Layout<'a, B> {
    /// No fewer than the blocks that are built of `messages` messages whose prefixes and suffixes have `bytes` bytes in all.
    #[inline(always)]
    pub fn at_most(messages: usize, bytes: usize) -> usize {
        bytes / B::LEN + 4 * messages
    }

    /// The layout of `message`. `before` is the number of bytes hashed before it (a block, where the state is that of an HMAC key), which
    /// count in the length.
    #[inline(always)]
    pub fn new<H: Hash<Q, Word: Word<Block = B>>, const Q: usize>(message: &Message<'a>, before: usize) -> Self {
        let Message { prefix, body, suffix } = *message;
        let over = prefix.len() % B::LEN;
        let taken = if over == 0 { 0 } else { B::LEN - over };
        let (start, rest, head) = match body.split_at_checked(taken) {
            Some((start, rest)) => (start, rest, (prefix.len() + taken) / B::LEN),
            None => (body, &[][..], 0),
        };
        let (whole, rest) = B::split(rest);
        let count = message.blocks::<H, Q>();
        Self {
            pieces: [prefix, start, rest, suffix],
            whole,
            head: head as u32,
            built: count as usize - whole.len(),
            end: message.len() - whole.len() * B::LEN,
            // Below 2^64, as memory is; SHA-512's 16 bytes of length begin with zeros, which are there.
            bits: (before + message.len()) as u64 * 8,
        }
    }

    /// Writes the blocks that are built; `built` has as many.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // no iterators in lanes: see `group`
    pub fn build<H: Hash<Q, Word: Word<Block = B>>, V: Lanes<Word = H::Word>, const Q: usize>(
        &self,
        proof: V::Proof,
        built: &mut [B],
    ) {
        let [prefix, start, rest, suffix] = self.pieces;
        for i in 0..built.len() {
            V::fill(proof, &mut built[i], &[]);
        }
        V::put(proof, built, 0, prefix);
        V::put(proof, built, prefix.len(), start);
        V::put(proof, built, prefix.len() + start.len(), rest);
        V::put(proof, built, prefix.len() + start.len() + rest.len(), suffix);
        built[self.end / B::LEN].set(self.end % B::LEN, 0x80);
        built[built.len() - 1].set_end(length::<H, Q>(self.bits));
    }

    /// The blocks, of which `built` were written by [`build`](Self::build).
    #[inline(always)]
    pub fn blocks(&self, built: &'a [B]) -> Blocks<'a, B> {
        Blocks(Pieces::new(self.head as usize, self.whole, built))
    }
}

/// The length in bits as the padding states it.
#[inline(always)]
fn length<H: Hash<Q>, const Q: usize>(bits: u64) -> [u8; 8] {
    if H::BIG_ENDIAN { bits.to_be_bytes() } else { bits.to_le_bytes() }
}

/// The blocks of a padded message: some in place, some built.
#[derive(Clone, Copy)]
pub(super) struct Blocks<'a, B>(Pieces<'a, B>);

impl<'a, B: Block> Blocks<'a, B> {
    /// No block at all: what an unused lane has.
    pub const NONE: Self = Self(Pieces::NONE);

    /// Whether [`of_short`](Self::of_short) can make a message whose suffix is that long.
    #[inline(always)]
    pub fn is_short<H: Hash<Q>, const Q: usize>(suffix: usize) -> bool {
        suffix <= B::LEN - H::LENGTH_BYTES
    }

    /// The blocks of a body and a short suffix, the common case, whose padding ends in the first or the second built block: one masked read
    /// and two whole writes, whichever it is.
    #[inline(always)]
    pub fn of_short<H: Hash<Q, Word: Word<Block = B>>, V: Lanes<Word = H::Word>, const Q: usize>(
        proof: V::Proof,
        body: &'a [u8],
        suffix: &[u8],
        before: usize,
        room: &'a mut [B; 2],
    ) -> Self {
        let (whole, rest) = B::split(body);
        V::fill(proof, &mut room[0], rest);
        V::fill(proof, &mut room[1], &[]);
        if !suffix.is_empty() {
            V::put(proof, room, rest.len(), suffix);
        }
        let end = rest.len() + suffix.len();
        room[end / B::LEN].set(end % B::LEN, 0x80);
        let last = (end + H::LENGTH_BYTES) / B::LEN;
        room[last].set_end(length::<H, Q>((before + body.len() + suffix.len()) as u64 * 8));
        Self(Pieces::new(0, whole, &room[..=last]))
    }

    /// Built blocks alone.
    #[inline(always)]
    pub fn of_built(built: &'a [B]) -> Self {
        Self(Pieces::new(0, &[], built))
    }

    /// How many there are.
    #[inline(always)]
    pub fn count(&self) -> u32 {
        self.0.count()
    }

    /// Those in place.
    #[inline(always)]
    pub fn in_place(&self) -> Run<'a, B> {
        self.0.whole()
    }

    /// Those that are built and come after them.
    #[inline(always)]
    pub fn built_after(&self) -> Run<'a, B> {
        self.0.tail()
    }

    /// Block `b`; zeros beyond the last.
    #[inline(always)]
    pub fn block(&self, b: u32) -> &'a B {
        self.0.get(b).unwrap_or(B::ZERO)
    }
}
