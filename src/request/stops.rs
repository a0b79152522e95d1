//! One bit for each byte of a text: whether a scanner has to stop there.
//!
//! Blocks of 64 bytes are classified by [`ByteLanes`], with nothing carried from block to block; what a stop means is decided by the one
//! who stops. Searching the next stop is then a shift and a count of zeros, for 64 bytes at once.

use super::params::offset;
use crate::lanes::{ByteKernel, ByteLanes, Cpu, with_bytes};

/// Which bytes are stops.
pub(crate) trait Stops: Copy {
    /// Where the block has stops.
    fn find<L: ByteLanes>(self, lanes: L, block: L::Block) -> L::Mask;
    /// Bytes of which the caller wants to know whether they are anywhere, of up to three kinds: where the block has them, or one of the blocks
    /// before had, which `before` says.
    #[inline(always)]
    fn notes<L: ByteLanes>(self, _: L, _: L::Block, before: [L::Mask; 3]) -> [L::Mask; 3] {
        before
    }
}

/// What is somewhere in a text.
#[derive(Clone, Copy, Default)]
pub(crate) struct Anywhere {
    /// A byte of 0x80 or above.
    pub(crate) high: bool,
    /// What [`Stops::notes`] look for.
    pub(crate) notes: [bool; 3],
}

/// As [`index`], for kernels that have entered their lanes already.
pub(super) struct Index<'a, S> {
    pub(super) kind: S,
    pub(super) text: &'a [u8],
    pub(super) bits: &'a mut Vec<Word>,
}

/// The stops of 64 bytes, the lowest bit of the first byte first.
pub(crate) type Word = [u8; 8];

const WORD: usize = size_of::<Word>();

/// Writes the stops of `text` to `bits`, and a stop at its end (and behind it). Says what was seen on the way.
pub(crate) fn index<S: Stops>(cpu: Cpu, kind: S, text: &[u8], bits: &mut Vec<Word>) -> Anywhere {
    with_bytes(cpu, Index { kind, text, bits })
}

impl<S: Stops> ByteKernel for Index<'_, S> {
    type Output = Anywhere;

    #[inline(always)]
    fn run<L: ByteLanes>(self, lanes: L) -> Anywhere {
        let Self { kind, text, bits } = self;
        let (blocks, rest) = text.as_chunks::<64>();
        // No branch between a comparison and the store of its bits (a `push` has one): a mask that lives across branches is taken apart
        // into bytes by the compiler. What the words held before is overwritten.
        bits.resize(blocks.len() + 2, [0; WORD]);
        let Some((words, [last, end])) = bits.split_last_chunk_mut() else { return Anywhere::default() };
        let (mut high, mut notes) = (0, [lanes.none(); 3]);
        for (bytes, word) in blocks.iter().zip(words) {
            let block = lanes.load(bytes);
            high |= lanes.high(block);
            notes = kind.notes(lanes, block, notes);
            *word = lanes.bits(kind.find(lanes, block)).to_le_bytes();
        }
        // The rest, less than a block: the text's last 64 bytes, shifted, or a padded copy where it has fewer.
        let (block, shift) = match text.last_chunk() {
            Some(bytes) => (lanes.load(bytes), 64 - rest.len()),
            None => {
                // Filled up with what stops nowhere.
                let mut padded = [b'x'; 64];
                padded[..rest.len()].copy_from_slice(rest);
                (lanes.load(&padded), 0)
            }
        };
        high |= lanes.high(block);
        let [first, second, third] = kind.notes(lanes, block, notes);
        let found = lanes.bits(kind.find(lanes, block)).checked_shr(shift as u32).unwrap_or(0);
        *last = (found | u64::MAX << rest.len()).to_le_bytes();
        *end = [0xFF; WORD];
        let any = |mask| lanes.bits(mask) != 0;
        Anywhere { high: high != 0, notes: [any(first), any(second), any(third)] }
    }
}

/// The `N` bytes of `text` from `at` on, where there are as many. `at` lies in a text of less than 4 GiB, or just behind it; knowing that
/// spares a comparison.
#[inline(always)]
pub(super) fn chunk<const N: usize>(text: &[u8], at: usize) -> Option<&[u8; N]> {
    let at = offset(at) as usize;
    text.get(at..at + N)?.first_chunk()
}

/// A text and its stops.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) bytes: &'a [u8],
    /// As [`index`] writes them.
    pub(crate) stops: &'a [u8],
}

impl Text<'_> {
    /// The byte at `at`; behind the end a NUL, which no grammar here allows.
    #[inline(always)]
    pub(super) fn at(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    /// The first stop at or after `at`: the end of the text at the latest.
    ///
    /// A word is read from where the byte of `at` is, so that 57 bytes or more from `at` on are seen at once: whether a string crosses a block
    /// is nothing that could be foreseen.
    #[inline(always)]
    pub(crate) fn stop(&self, at: usize) -> usize {
        let (byte, shift) = (at >> 3, at & 7);
        let Some(&word) = chunk(self.stops, byte) else { return self.bytes.len() };
        let window = u64::from_le_bytes(word) >> shift;
        if window != 0 { at + window.trailing_zeros() as usize } else { self.stop_beyond(byte + WORD) }
    }

    /// The first stop in the bits from `byte` on.
    fn stop_beyond(&self, mut byte: usize) -> usize {
        loop {
            match chunk(self.stops, byte).map(|word| u64::from_le_bytes(*word)) {
                // Less than a word of them: the last one's, which are all behind the text.
                None => return self.bytes.len(),
                Some(0) => byte += WORD,
                Some(bits) => return (byte << 3) + bits.trailing_zeros() as usize,
            }
        }
    }
}
