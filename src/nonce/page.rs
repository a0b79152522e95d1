//! The atomic steps on one page of the table. The proof is in the head of the room.
//!
//! A page is `N` words in lines of `LINE` words, both powers of two (512 and 8 in a region; models use small ones). The first word of a line is
//! its *reach*, the others are slots. A message walks the slots from the start of its home line, line after line, wrapped in the page.
//!
//! ```text
//! reach:   63                                24  23      18  17      12  11       6  5        0
//!         +------------------------------------+-----------+-----------+-----------+-----------+
//!         | newest block of generations, mod 2^40 | 3 before  | 2 before  | 1 before  | newest    |
//!         +------------------------------------+-----------+-----------+-----------+-----------+
//! ```
//!
//! How many lines past this home line entries of strict mode were put, the most for each block of 8 generations. Raised before an entry is put
//! in, so that who looks for a tag need not walk further. It only rises, and blocks only pass out of it at the old end. 0: nothing yet.

use super::word::{GENERATION, GENERATION_BITS, RELEASED, TAG, ahead, same_tag};
use crate::shm::{Glance, Look, Question, ReadLine, prefetch};
use crate::sync::{AtomicU64, Ordering, publish_fence};
use std::ops::RangeInclusive;

/// Generations in a window.
pub(super) const WINDOW: u64 = 8;
/// An entry's slot may be used again by a message this many generations younger, no less.
pub(super) const LIFE: i64 = WINDOW.cast_signed() + 1;
const REACH_BITS: u32 = 6;
const REACH_MASK: u64 = (1 << REACH_BITS) - 1;
const REACH_BLOCKS: u64 = 4;
const BLOCK_SHIFT: u32 = REACH_BITS * 4;
const BLOCK_BITS: u32 = 64 - BLOCK_SHIFT;

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Claim {
    /// Admitted, at this word of the page.
    Won(usize),
    /// It is there, or in strict mode its tag is, under another generation.
    Present,
    /// Newer generations have been over its place: it may have been there.
    Stale,
    /// No slot is free for its generation.
    Full,
}

/// What a look finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Find {
    /// The message, or in strict mode its tag.
    Present,
    /// The message, given back.
    Released,
    /// Neither.
    Absent,
}

/// All slots of a line, in masks.
const SLOTS: u32 = !1;

/// A page, and a message on it. What is asked of it by value is asked on paths where it should stay in registers.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a, const N: usize, const LINE: usize, R> {
    pub page: &'a [AtomicU64; N],
    /// Home line.
    pub home: usize,
    /// The entry.
    pub want: u64,
    pub generation: i64,
    /// Whether the tag must be unique over generations.
    pub strict: bool,
    /// How lines are read.
    pub reader: R,
}

#[inline]
fn block(generation: i64) -> u64 {
    generation.div_euclid(WINDOW.cast_signed()).cast_unsigned() & ((1 << BLOCK_BITS) - 1)
}

/// How many blocks `newest` is ahead of `block`, serially.
#[inline]
fn blocks_ahead(reach: u64, block: u64) -> i64 {
    ((reach >> BLOCK_SHIFT).wrapping_sub(block) << BLOCK_SHIFT).cast_signed() >> BLOCK_SHIFT
}

/// Lines that a message of `generation` must look at beyond its home line; `None` where the reach has gone on beyond it.
#[inline(always)]
fn reach_of(reach: u64, generation: i64) -> Option<usize> {
    if reach == 0 { Some(0) } else { reach_in(reach, generation) }
}

/// [`reach_of`] of one that was raised before.
#[inline(never)]
fn reach_in(reach: u64, generation: i64) -> Option<usize> {
    // Entries up to 8 generations away on either side are in the message's own block or a neighbouring one.
    let ahead = blocks_ahead(reach, block(generation));
    if ahead >= REACH_BLOCKS.cast_signed() - 1 {
        return None;
    }
    if ahead < -1 {
        return Some(0);
    }
    let mut most = 0;
    for back in (ahead - 1).max(0)..=ahead + 1 {
        if (0..REACH_BLOCKS.cast_signed()).contains(&back) {
            most = most.max(reach >> (back.cast_unsigned() as u32 * REACH_BITS) & REACH_MASK);
        }
    }
    Some(most as usize)
}

/// `reach` raised to `lines` for the block of `generation`; `None` where the reach has gone on beyond it.
fn raised(reach: u64, generation: i64, lines: u64) -> Option<u64> {
    let block = block(generation);
    let fresh = block << BLOCK_SHIFT | lines;
    if reach == 0 {
        return Some(fresh);
    }
    let ahead = blocks_ahead(reach, block);
    if ahead >= REACH_BLOCKS.cast_signed() {
        return None;
    }
    if ahead < 0 {
        let by = ahead.unsigned_abs().min(REACH_BLOCKS) as u32 * REACH_BITS;
        let kept = ((reach & ((1 << BLOCK_SHIFT) - 1)) << by) & ((1 << BLOCK_SHIFT) - 1);
        return Some(fresh | kept);
    }
    let shift = ahead.cast_unsigned() as u32 * REACH_BITS;
    let most = (reach >> shift & REACH_MASK).max(lines);
    Some(reach & !(REACH_MASK << shift) | most << shift)
}

/// Asks for the two lines after line `home`: at the stated capacity most walks of strict mode look at two or three.
#[inline(always)]
pub(super) fn prefetch_more<const N: usize, const LINE: usize>(page: &[AtomicU64; N], home: usize) {
    for lines in [1, 2] {
        prefetch(&page[((home + lines) * LINE) & (N - 1)]);
    }
}

impl<const N: usize, const LINE: usize, R: ReadLine<LINE>> Walk<'_, N, LINE, R> {
    /// Word number of slot `slot` (from 1) of the line that is `lines` after the home line.
    #[inline(always)]
    fn at(&self, lines: usize, slot: usize) -> usize {
        ((self.home + lines) * LINE + slot) & (N - 1)
    }

    #[inline(always)]
    fn reach_word(&self) -> &AtomicU64 {
        &self.page[self.at(0, 0)]
    }

    /// Reads the slots of the line that is `lines` after the home line: *tagged* are those with the tag, *near* those of generations less than
    /// [`LIFE`] away, which may be live together with this message's. An empty slot is never near. The slots are read in no particular order:
    /// neither the proof nor strict mode needs one (see the head of the room, which speaks of single slots and of one's own exchange).
    #[inline(always)]
    fn line(&self, lines: usize, order: Ordering) -> Look<LINE> {
        self.reader.look::<1>(self.line_at(lines), &self.question(), order)
    }

    #[inline(always)]
    fn question(&self) -> Question {
        Question {
            tag: self.want,
            tag_bits: TAG,
            from: self.generation.wrapping_sub(LIFE - 1).cast_unsigned(),
            span: 2 * LIFE.cast_unsigned() - 1,
            near_bits: GENERATION,
        }
    }

    #[inline(always)]
    fn line_at(&self, lines: usize) -> &[AtomicU64; LINE] {
        &self.page.as_chunks().0[(self.home + lines) & (N / LINE - 1)]
    }

    /// Message mode's usual case, in few instructions: the message goes into the first slot of its home line that is not taken. `None`: it may be
    /// there, the line is full, somebody else came first, or it is no usual case; nothing is changed then.
    #[inline(always)]
    pub fn admit_at_home(self) -> Option<usize> {
        let question = self.question();
        // An empty slot is not asked for: it reads as one of generation 0, whose time is over, but for some minutes in a year or more.
        let empty = 0u64.wrapping_sub(question.from) & GENERATION;
        if !self.reader.common(self.line_at(0)) || empty < question.span {
            return None;
        }
        let Glance { alike, far } = self.reader.glance(self.line_at(0), &question, Ordering::Acquire);
        let far = far & SLOTS;
        if far == 0 {
            return None;
        }
        // All before the end are near. One of them may be the message: half of its tag says so.
        let end = far.trailing_zeros();
        if alike & SLOTS & !(u32::MAX << end) != 0 {
            return None;
        }
        // Once more by itself, which is shorter than to keep all words. What counts is this value, and it must be free like any other: empty, or
        // of a generation that is over, which is then less than `from`. (Serial arithmetic, as always; what is 2^19 generations away has long been
        // swept.)
        let at = self.at(0, end as usize);
        let word = self.page[at].load(Ordering::Relaxed);
        let over = (word.wrapping_sub(question.from) >> (GENERATION_BITS - 1)) | u64::from(word == 0);
        if over & 1 == 0 {
            return None;
        }
        // The slot's own order decides. (Release: for `sweep`.)
        self.page[at].compare_exchange(word, self.want, Ordering::Release, Ordering::Relaxed).ok().map(|_| at)
    }

    /// Puts the message in unless it is there.
    #[inline(always)]
    pub fn admit(self) -> Claim {
        if !self.strict
            && let Some(at) = self.admit_at_home()
        {
            return Claim::Won(at);
        }
        self.admit_anywhere()
    }

    /// [`Self::admit`] where [`Self::admit_at_home`] has been tried, or is not to be.
    #[inline(always)]
    pub fn admit_anywhere(self) -> Claim {
        loop {
            let Some((lines, at, word)) = (match self.vacancy() {
                Ok(vacancy) => vacancy,
                Err(claim) => return claim,
            }) else {
                return Claim::Full;
            };
            if self.strict && lines > 0 && !self.raise(lines as u64) {
                return Claim::Stale;
            }
            // SeqCst: first half of Dekker's pattern of strict mode (see `sync`).
            let Ok(previous) = self.page[at].compare_exchange(word, self.want, Ordering::SeqCst, Ordering::Relaxed)
            else {
                // Lost: from the start, so that the slot that was lost is looked at again. Somebody else got in.
                continue;
            };
            if !self.strict {
                return Claim::Won(at);
            }
            publish_fence();
            return match self.after(previous).elsewhere(at) {
                Some(false) => Claim::Won(at),
                Some(true) => Claim::Present,
                None => Claim::Stale,
            };
        }
    }

    /// The first slot that is free for the message: how many lines after home, its word number, its content. `Err` where the walk to it
    /// has the answer.
    #[inline(always)]
    fn vacancy(self) -> Result<Option<(usize, usize, u64)>, Claim> {
        for lines in 0..N / LINE {
            // Acquire for strict mode: what we walk past was put in before our own entry, also for others. (Message mode needs the coherence
            // of single words only: nothing is published through a slot but the slot.)
            let Look { words, tagged, near } = self.line(lines, Ordering::Acquire);
            // The first slot that is not taken ends the walk, so only tags before it count, or in it: a free one holds no live tag.
            let end = (!near & !1).trailing_zeros().min(LINE as u32) as usize;
            if tagged & near & !(u32::MAX << end) != 0
                && let Some(claim) = self.met(lines, &words[..end])
            {
                return Err(claim);
            }
            if end < LINE {
                let word = words[end];
                // Never used, it is free for every message: nobody has ever gone past it. Otherwise it is free where its entry's generation is
                // over for this message, and one for whose generation this message's is over has been given away already. That is relative to
                // the message, not to any clock: the heart of the proof. (One branch, as nobody can foresee where a slot was never used.)
                if (word != 0) & (ahead(word, self.generation) >= LIFE) {
                    return Err(Claim::Stale);
                }
                return Ok(Some((lines, self.at(lines, end), word)));
            }
        }
        Ok(None)
    }

    /// What follows from meeting the tag among `words`, the start of a line.
    #[cold]
    fn met(self, lines: usize, words: &[u64]) -> Option<Claim> {
        let mut sighted = None;
        for (slot_number, word) in words.iter().copied().enumerate().skip(1) {
            if word == self.want {
                return Some(Claim::Present);
            }
            if word == self.want | RELEASED {
                // Of all who see it given back, one exchange succeeds. Relaxed: the slot's own order decides.
                let at = self.at(lines, slot_number);
                let taken = self.page[at].compare_exchange(word, self.want, Ordering::Relaxed, Ordering::Relaxed);
                return Some(if taken.is_ok() { Claim::Won(at) } else { Claim::Present });
            }
            if self.strict && same_tag(word, self.want) {
                sighted = Some(Claim::Present);
            }
        }
        // The message itself may be further on, given back.
        if sighted.is_some() && self.find() == Find::Released {
            return None;
        }
        sighted
    }

    /// Raises the reach of the home line. `false`: it has gone on beyond this generation.
    fn raise(&self, lines: u64) -> bool {
        let word = self.reach_word();
        // Acquire: what others have raised was raised before our entry goes in, also for who looks for it.
        let mut reach = word.load(Ordering::Acquire);
        loop {
            let Some(more) = raised(reach, self.generation, lines) else { return false };
            if more == reach {
                return true;
            }
            // SeqCst: before the entry itself in the one order (see `sync`).
            match word.compare_exchange(reach, more, Ordering::SeqCst, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => reach = now,
            }
        }
    }

    /// This walk, in places that the processor does not know before an exchange has returned `previous`.
    ///
    /// It would otherwise read the line again while the exchange is under way, take that back once the line has changed, and start over with all
    /// that comes after: 10 to 30 ns (AMD Zen 4). Nothing but speed hangs on this.
    #[inline(always)]
    fn after(self, previous: u64) -> Self {
        let zero = std::hint::black_box(previous) ^ previous;
        Self { home: self.home + zero as usize, ..self }
    }

    /// Whether the tag is in a slot other than `own`, under a generation that may be live together with this one. `None`: cannot be told.
    #[inline(always)]
    fn elsewhere(&self, own: usize) -> Option<bool> {
        // SeqCst here and below: second half of Dekker's pattern.
        let bound = reach_of(self.reach_word().load(Ordering::SeqCst), self.generation)?;
        for lines in 0..=bound.min(N / LINE - 1) {
            let look = self.line(lines, Ordering::SeqCst);
            let own = if own / LINE == self.at(lines, 0) / LINE { 1 << (own % LINE) } else { 0 };
            if look.tagged & look.near & !own != 0 {
                return Some(true);
            }
        }
        Some(false)
    }

    /// Looks for the message, and in strict mode for its tag, changing nothing.
    #[inline(always)]
    pub fn find(&self) -> Find {
        let reach = self.reach_word().load(Ordering::Relaxed);
        let Some(bound) = (if self.strict { reach_of(reach, self.generation) } else { Some(0) }) else {
            return Find::Absent;
        };
        let mut found = Find::Absent;
        let mut beyond = false;
        for lines in 0..N / LINE {
            if beyond && lines > bound {
                break;
            }
            let look = self.line(lines, Ordering::Relaxed);
            if look.tagged & look.near != 0 {
                for word in look.words {
                    if word == self.want {
                        return Find::Present;
                    }
                    if word == self.want | RELEASED {
                        return Find::Released;
                    }
                }
                if self.strict {
                    found = Find::Present;
                }
            }
            beyond |= !look.near & SLOTS & ((1 << LINE) - 1) != 0;
        }
        found
    }
}

/// Gives the entry `want` at word `at` back. `false` where it is not there any more, or has been given back already.
pub(super) fn release<const N: usize, const LINE: usize>(page: &[AtomicU64; N], at: usize, want: u64) -> bool {
    let at = at & (N - 1);
    if want & RELEASED != 0 || same_tag(want, 0) || at.is_multiple_of(LINE) {
        return false;
    }
    // Relaxed: the slot's own order decides between two releases and the next taker; nothing else hangs on it.
    page[at].compare_exchange(want, want | RELEASED, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

/// Replaces whatever is not within the generations `keep` relative to `generation` by `blank`, whose generation is over for anything
/// acceptable and newer than anything that far in the past. `still` says that nobody has put anything in since the table fell silent;
/// `false`: it does not hold any more, and somebody else has swept.
pub(super) fn sweep<const N: usize, const LINE: usize>(
    page: &[AtomicU64; N],
    generation: i64,
    keep: &RangeInclusive<i64>,
    blank: u64,
    still: impl Fn() -> bool,
) -> bool {
    let mut words = [0; N];
    for (word, slot) in words.iter_mut().zip(page) {
        // Acquire: who reads an entry put in since then reads below that the table was swept, as the one who put it in did.
        *word = slot.load(Ordering::Acquire);
    }
    if !still() {
        return false;
    }
    for (at, (word, slot)) in words.into_iter().zip(page).enumerate() {
        if word != 0 && !at.is_multiple_of(LINE) && !keep.contains(&ahead(word, generation)) {
            // Relaxed: a failed exchange means that a newer entry has come.
            let _ = slot.compare_exchange(word, blank, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reach_keeps_the_most_of_four_blocks() {
        let at = |block: i64| block * 8 + 3;
        let mut reach = 0;
        for (block, lines) in [(100, 2), (101, 5), (99, 7), (101, 1)] {
            reach = raised(reach, at(block), lines).unwrap();
        }
        // Blocks 99, 100 and 101 hold 7, 2 and 5; a message looks at its own block and both neighbours.
        assert_eq!(reach_of(reach, at(97)), None, "three blocks behind the newest: its neighbour may have passed out");
        assert_eq!(reach_of(reach, at(99)), Some(7));
        assert_eq!(reach_of(reach, at(100)), Some(7));
        assert_eq!(reach_of(reach, at(101)), Some(5));
        assert_eq!(reach_of(reach, at(102)), Some(5));
        assert_eq!(reach_of(reach, at(103)), Some(0));
        assert_eq!(raised(reach, at(97), 1), None);
        let later = raised(reach, at(103), 1).unwrap();
        assert_eq!(reach_of(later, at(103)), Some(1));
        assert_eq!(reach_of(later, at(102)), Some(5));
        assert_eq!(reach_of(raised(later, at(500), 9).unwrap(), at(501)), Some(9));
        assert_eq!(reach_of(raised(0, -5, 9).unwrap(), 3), Some(9), "block -1 and block 0 are neighbours");
    }
}
