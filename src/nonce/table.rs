//! The atomic steps on one page of the table. The proof is in the head of the room.

use super::word::{RELEASED, ahead, same_tag};
use crate::sync::{AtomicU64, Ordering};
use std::ops::RangeInclusive;

/// What became of a claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Claim {
    /// Put in at this slot.
    Won(usize),
    /// Was there, given back, and is taken again at this slot.
    Retaken(usize),
    /// It is there.
    Present,
    /// A newer generation has been over its place: it may have been there.
    Stale,
    /// All slots are taken by entries of its generation.
    Full,
}

/// Puts `want`, an entry of `generation`, into the first slot of `page` in the order `start`, `start + 1`, … (wrapped) that is empty or of
/// an older generation, unless it is found on the way. `N` is a power of two.
///
/// `SeqCst` on the exchange: strict mode reads other words after it (see `sync`). Everything else needs no more than the coherence of
/// each single word, which relaxed accesses have: nothing is published through a slot but the slot.
#[inline]
pub(super) fn claim<const N: usize>(page: &[AtomicU64; N], start: usize, want: u64, generation: i64) -> Claim {
    for step in 0..N {
        let at = (start + step) & (N - 1);
        let slot = &page[at];
        let mut word = slot.load(Ordering::Relaxed);
        loop {
            if word == want {
                return Claim::Present;
            }
            let free = if word == 0 {
                true
            } else {
                match ahead(word, generation) {
                    0 if word == want | RELEASED => {
                        // Of all who see the released entry, one exchange succeeds; the others then see `want`.
                        match slot.compare_exchange(word, want, Ordering::SeqCst, Ordering::Relaxed) {
                            Ok(_) => return Claim::Retaken(at),
                            Err(now) => {
                                word = now;
                                continue;
                            }
                        }
                    }
                    0 => false,
                    difference if difference > 0 => return Claim::Stale,
                    _ => true,
                }
            };
            if !free {
                break;
            }
            match slot.compare_exchange(word, want, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return Claim::Won(at),
                // Lost: the same slot again, never the next, for the winner may have put in what we bring.
                Err(now) => word = now,
            }
        }
    }
    Claim::Full
}

/// What a look finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// It is there.
    Present,
    /// It is there, given back.
    Released(usize),
    /// It is not there.
    Absent,
}

/// Looks for `want`, an entry of `generation`, in the order of [`claim`], changing nothing.
#[inline]
pub(super) fn find<const N: usize>(page: &[AtomicU64; N], start: usize, want: u64, generation: i64) -> Found {
    for step in 0..N {
        let at = (start + step) & (N - 1);
        let word = page[at].load(Ordering::Relaxed);
        if word == want {
            return Found::Present;
        }
        if word == want | RELEASED {
            return Found::Released(at);
        }
        if word == 0 || ahead(word, generation) != 0 {
            return Found::Absent;
        }
    }
    Found::Absent
}

/// Takes `want` again where it has been given back; its slot.
pub(super) fn retake<const N: usize>(page: &[AtomicU64; N], start: usize, want: u64, generation: i64) -> Option<usize> {
    match find(page, start, want, generation) {
        // Relaxed: as in `release`.
        Found::Released(at) => {
            page[at].compare_exchange(want | RELEASED, want, Ordering::Relaxed, Ordering::Relaxed).is_ok().then_some(at)
        }
        _ => None,
    }
}

/// Replaces whatever is not within the generations `keep` relative to `generation` by `blank`, whose generation is older than anything
/// acceptable and newer than anything that far in the past. `still` says that nobody has put anything in since the table fell silent;
/// `false`: it does not hold any more, and somebody else has swept.
pub(super) fn sweep<const N: usize>(
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
    for (word, slot) in words.into_iter().zip(page) {
        if word != 0 && !keep.contains(&ahead(word, generation)) {
            // Relaxed: as in `claim`; a failed exchange means that a newer entry has come.
            let _ = slot.compare_exchange(word, blank, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
    true
}

/// Whether an entry with the tag of `want` may be there under a generation of `oldest` or later. Same order as [`claim`].
///
/// An entry of generation g lies at or before the first slot that is empty or older than g, and so before the first that is empty or older
/// than `oldest`: the walk ends there. `SeqCst` on the loads: strict mode's second half of Dekker's pattern (see `sync`).
#[inline]
pub(super) fn contains_tag<const N: usize>(page: &[AtomicU64; N], start: usize, want: u64, oldest: i64) -> bool {
    for step in 0..N {
        let word = page[(start + step) & (N - 1)].load(Ordering::SeqCst);
        if word == 0 || ahead(word, oldest) < 0 {
            return false;
        }
        if same_tag(word, want) {
            return true;
        }
    }
    false
}

/// Gives the entry `want` at `at` back. `false` where it is not there any more, or has been given back already.
pub(super) fn release<const N: usize>(page: &[AtomicU64; N], at: usize, want: u64) -> bool {
    if want & RELEASED != 0 || same_tag(want, 0) {
        return false;
    }
    // Relaxed: the slot's own coherence decides between two releases and the next taker; nothing else hangs on it.
    page[at & (N - 1)].compare_exchange(want, want | RELEASED, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}
