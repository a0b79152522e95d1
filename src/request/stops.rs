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
    /// Bytes of which the caller wants to know whether they are anywhere: a bit for each of two kinds of them in the block.
    #[inline(always)]
    fn notes<L: ByteLanes>(self, _: L, _: L::Block) -> [u64; 2] {
        [0; 2]
    }
}

/// What is somewhere in a text.
#[derive(Clone, Copy, Default)]
pub(crate) struct Anywhere {
    /// A byte of 0x80 or above.
    pub(crate) high: bool,
    /// What [`Stops::notes`] look for. In a text shorter than a block what is behind its end is none of them.
    pub(crate) notes: [bool; 2],
}

/// As [`index`], for kernels that have entered their lanes already.
pub(super) struct Index<'a, S> {
    pub(super) kind: S,
    pub(super) text: &'a [u8],
    pub(super) bits: &'a mut Vec<u64>,
}

/// Writes the stops of `text` to `bits`, and a stop at its end (and behind it). Says what was seen on the way.
pub(crate) fn index<S: Stops>(cpu: Cpu, kind: S, text: &[u8], bits: &mut Vec<u64>) -> Anywhere {
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
        bits.resize(blocks.len() + 2, 0);
        let Some((words, [last, end])) = bits.split_last_chunk_mut() else { return Anywhere::default() };
        let (mut high, mut notes) = (0, [0u64; 2]);
        for (bytes, word) in blocks.iter().zip(words) {
            let block = lanes.load(bytes);
            high |= lanes.high(block);
            let [first, second] = kind.notes(lanes, block);
            notes = [notes[0] | first, notes[1] | second];
            *word = lanes.bits(kind.find(lanes, block));
        }
        // The rest, less than a block: the text's last 64 bytes, shifted, or a padded copy where it has fewer.
        let (block, shift) = match text.last_chunk() {
            Some(bytes) => (lanes.load(bytes), 64 - rest.len()),
            None => {
                let mut padded = [0; 64];
                padded[..rest.len()].copy_from_slice(rest);
                (lanes.load(&padded), 0)
            }
        };
        high |= lanes.high(block);
        let [first, second] = kind.notes(lanes, block);
        notes = [notes[0] | first, notes[1] | second];
        let found = lanes.bits(kind.find(lanes, block)).checked_shr(shift as u32).unwrap_or(0);
        *last = found | u64::MAX << rest.len();
        *end = u64::MAX;
        Anywhere { high: high != 0, notes: notes.map(|bits| bits != 0) }
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
    pub(crate) stops: &'a [u64],
}

impl Text<'_> {
    /// The byte at `at`; behind the end a NUL, which no grammar here allows.
    #[inline(always)]
    pub(super) fn at(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    /// The first stop at or after `at`: the end of the text at the latest.
    ///
    /// Two words are put together, so that the 64 bytes from `at` on are seen at once: whether a string crosses a block is nothing that
    /// could be foreseen.
    #[inline(always)]
    pub(crate) fn stop(&self, at: usize) -> usize {
        let (word, shift) = (at >> 6, at & 63);
        // No overflow can be here, hence a single comparison.
        let Some(&[low, high]) = self.stops.get(word..word + 2) else { return self.bytes.len() };
        // In two steps, since `high` has to vanish where the shift is 0.
        let window = low >> shift | high << 1 << (63 - shift);
        if window != 0 { at + window.trailing_zeros() as usize } else { self.stop_beyond(word + 1) }
    }

    /// The first stop in `word` or later.
    fn stop_beyond(&self, mut word: usize) -> usize {
        loop {
            match self.stops.get(word) {
                None => return self.bytes.len(),
                Some(0) => word += 1,
                Some(bits) => return (word << 6) + bits.trailing_zeros() as usize,
            }
        }
    }
}
