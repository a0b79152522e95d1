//! One key's cell, in one word, and how racing processes agree on it. The proof is in the head of the room.
//!
//! ```text
//!  63                36  35  34  33                                    0
//! +--------------------+-------+----------------------------------------+
//! | tag, never zero    | class | TAT in the class's unit, or a claim id |
//! +--------------------+-------+----------------------------------------+
//! ```
//!
//! `0`: empty. Class 0, 1, 2: *settled*, with its time. Class 3: *claimed*; the low bits then hold the claim's id, which no other claim
//! of this slot shares for as long as anybody may still have it in hand: 20 bits of milliseconds, 14 of a counter.

use super::gcra::{self, Rate, TAT_BITS, TAT_MASK};
use crate::shm::ReadLine;
use crate::sync::{AtomicU64, Ordering, publish_fence};
use crate::time::Millis;

const CLASS_SHIFT: u32 = TAT_BITS;
const TAG_SHIFT: u32 = TAT_BITS + 2;
/// The tag.
const TAG: u64 = u64::MAX << TAG_SHIFT;
const CLAIMED: u8 = 3;
const CLAIM_COUNTER_BITS: u32 = 14;
const CLAIM_TIME_MASK: u64 = (1 << (TAT_BITS - CLAIM_COUNTER_BITS)) - 1;
/// A claim is given up by its owner or settled within microseconds; after this many milliseconds its owner is dead or stopped.
const CLAIM_AGE: u64 = 1000;

/// Tag bits in their place, from a hash. Never zero.
#[inline]
pub(super) fn tag(hash: u64) -> u64 {
    (hash >> TAG_SHIFT).max(1) << TAG_SHIFT
}

#[inline]
fn same_tag(word: u64, tag: u64) -> bool {
    (word ^ tag) >> TAG_SHIFT == 0
}

#[inline]
fn class(word: u64) -> u8 {
    (word >> CLASS_SHIFT) as u8 & 3
}

#[inline]
fn settled(tag: u64, class: u8, tat: u64) -> u64 {
    tag | u64::from(class) << CLASS_SHIFT | tat & TAT_MASK
}

#[inline]
fn claim(tag: u64, now: Millis, counter: u64) -> u64 {
    let id =
        (now.0.cast_unsigned() & CLAIM_TIME_MASK) << CLAIM_COUNTER_BITS | counter & ((1 << CLAIM_COUNTER_BITS) - 1);
    tag | u64::from(CLAIMED) << CLASS_SHIFT | id
}

/// Whether the slot may be taken for another key: empty, or settled without a debt.
#[inline]
fn free(word: u64, now: Millis) -> bool {
    word == 0 || (class(word) != CLAIMED && gcra::debt(word & TAT_MASK, gcra::units(class(word), now)) == 0)
}

/// The debt in `word`, settled, in the units of `rate`, in which `units` is `now`.
fn debt(word: u64, rate: &Rate, units: u64, now: Millis) -> u64 {
    if class(word) == rate.class() { gcra::debt(word & TAT_MASK, units) } else { foreign_debt(word, rate, now) }
}

/// [`debt`] of a key whose limit had other units: it was changed.
fn foreign_debt(word: u64, rate: &Rate, now: Millis) -> u64 {
    let class = class(word);
    gcra::convert(gcra::debt(word & TAT_MASK, gcra::units(class, now)), class, rate.class())
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// Conforms; the TAT after it, in units of the rate.
    Ok(u64),
    /// Does not conform until so many milliseconds later.
    Limited(u64),
    /// No slot is free for the key.
    Full,
}

/// What a walk over the group finds.
enum Found {
    Settled(usize, u64),
    Claimed(usize, u64),
    Free(usize, u64),
    Nothing,
}

/// Looks for the cell of `tag`: settled, else the lowest claim, else a free slot. Slots in the order `start`, `start + 1`, … (wrapped). An empty
/// slot is preferred to one without a debt, wherever it is: whoever had that one is likely to come again, and would have to claim anew.
fn find<const N: usize>(group: &[AtomicU64; N], start: usize, tag: u64, now: Millis) -> Found {
    let mut claimed: Option<(usize, u64)> = None;
    let (mut empty, mut paid) = (None, None);
    for step in 0..N {
        let at = (start + step) & (N - 1);
        // SeqCst: a helper's look around (in `settle`) must come after the claim that it reads here. On x86 a plain load.
        let word = group[at].load(Ordering::SeqCst);
        if same_tag(word, tag) {
            if class(word) != CLAIMED {
                return Found::Settled(at, word);
            }
            if claimed.is_none_or(|(lowest, _)| at < lowest) {
                claimed = Some((at, word));
            }
        } else if word == 0 {
            empty = empty.or(Some((at, word)));
        } else if empty.is_none() && paid.is_none() && free(word, now) {
            paid = Some((at, word));
        }
    }
    let vacant = empty.or(paid);
    match (claimed, vacant) {
        (Some((at, word)), _) => Found::Claimed(at, word),
        (None, Some((at, word))) => Found::Free(at, word),
        (None, None) => Found::Nothing,
    }
}

/// Makes the claim `mine` at `at` the one settled cell of its tag, with the time `then`. `false`: look again from the start.
fn settle<const N: usize>(group: &[AtomicU64; N], at: usize, mine: u64, then: u64) -> bool {
    publish_fence();
    let give_up = || {
        // Relaxed: taking a claim away needs no order; it fails where somebody else has settled or removed it.
        let _ = group[at].compare_exchange(mine, 0, Ordering::Relaxed, Ordering::Relaxed);
        false
    };
    for (other, slot) in group.iter().enumerate() {
        if other == at {
            continue;
        }
        // SeqCst: the second half of Dekker's pattern (see `sync`); the first is the exchange that put the claim in.
        let mut word = slot.load(Ordering::SeqCst);
        while same_tag(word, mine) {
            if class(word) != CLAIMED || other < at {
                return give_up();
            }
            // A claim at a higher position yields to ours. SeqCst as a fresh look if it has changed meanwhile.
            match slot.compare_exchange(word, 0, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
    }
    // SeqCst on success for the readers in `find`; on failure nothing is read.
    group[at].compare_exchange(mine, then, Ordering::SeqCst, Ordering::Relaxed).is_ok()
}

/// How often a walk is begun anew because others changed what it saw. Each time somebody else got further.
const ATTEMPTS: usize = 1000;

/// The settled cell of `tag` in units of `class`, if it is in `line`, as it nearly always is: its slot, and what it holds beside its tag and its
/// class.
#[inline(always)]
fn find_at_home<const LINE: usize, R: ReadLine<LINE>>(
    reader: R,
    line: &[AtomicU64; LINE],
    tag: u64,
    class: u8,
) -> Option<(&AtomicU64, u64)> {
    // Relaxed, in any order: the one settled cell of its tag is what it is; only its own order of changes counts from here. Where there is no tag
    // any slot is looked at, and has another.
    let tagged = reader.tagged(line, tag, TAG, Ordering::Relaxed);
    let slot = &line[tagged.trailing_zeros() as usize % LINE];
    let tat = slot.load(Ordering::Relaxed) ^ settled(tag, class, 0);
    if tat <= TAT_MASK { Some((slot, tat)) } else { None }
}

/// Takes one request of `rate` for the key `tag` where its cell is in `line`, its first one, as it nearly always is. `None`: it is not there, or is
/// kept in other units; nothing is changed then.
#[inline(always)]
pub(super) fn take_at_home<const LINE: usize, R: ReadLine<LINE>>(
    reader: R,
    line: &[AtomicU64; LINE],
    tag: u64,
    rate: &Rate,
    now: Millis,
) -> Option<Outcome> {
    let (slot, mut tat) = find_at_home(reader, line, tag, rate.class())?;
    let base = settled(tag, rate.class(), 0);
    let units = rate.now(now);
    loop {
        let after = match rate.conforms(gcra::debt(tat, units), now) {
            Ok(after) => units.wrapping_add(after) & TAT_MASK,
            // Read-only: a hot key that is over its limit costs no write.
            Err(wait) => return Some(Outcome::Limited(wait)),
        };
        // This cell is the only one of its key, and its own order of changes is all that counts. (Release: for `sweep`.)
        match slot.compare_exchange(base | tat, base | after, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return Some(Outcome::Ok(after)),
            Err(now) if now ^ base <= TAT_MASK => tat = now ^ base,
            Err(_) => return None,
        }
    }
}

/// [`take_at_home`] from the settled cell of the key at `at`, which was `word`, in whatever units. `None`: it is no longer there.
fn take_from<const N: usize>(
    group: &[AtomicU64; N],
    at: usize,
    mut word: u64,
    tag: u64,
    rate: &Rate,
    now: Millis,
) -> Option<Outcome> {
    let units = rate.now(now);
    loop {
        let after = match rate.conforms(debt(word, rate, units, now), now) {
            Ok(after) => units.wrapping_add(after),
            Err(wait) => return Some(Outcome::Limited(wait)),
        };
        // As above.
        let new = settled(tag, rate.class(), after);
        match group[at].compare_exchange(word, new, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return Some(Outcome::Ok(after & TAT_MASK)),
            Err(now) if same_tag(now, tag) && class(now) != CLAIMED => word = now,
            Err(_) => return None,
        }
    }
}

/// Takes one request of `rate` for the key `tag`, wherever its cell is, or where it has none. `counter` yields numbers that no other claim of this
/// region gets within 2^14.
#[cold]
#[inline(never)]
pub(super) fn take<const N: usize>(
    group: &[AtomicU64; N],
    start: usize,
    tag: u64,
    rate: &Rate,
    now: Millis,
    mut counter: impl FnMut() -> u64,
) -> Outcome {
    let units = rate.now(now);
    for _ in 0..ATTEMPTS {
        match find(group, start, tag, now) {
            Found::Settled(at, word) => {
                if let Some(outcome) = take_from(group, at, word, tag, rate, now) {
                    return outcome;
                }
            }
            found @ (Found::Claimed(..) | Found::Free(..)) => {
                // A key without a cell has its whole burst.
                let after = match rate.conforms(0, now) {
                    Ok(after) => units.wrapping_add(after),
                    Err(wait) => return Outcome::Limited(wait),
                };
                let (at, mine) = match found {
                    Found::Free(at, word) => {
                        let mine = claim(tag, now, counter());
                        // SeqCst: first half of Dekker's pattern.
                        if group[at].compare_exchange(word, mine, Ordering::SeqCst, Ordering::Relaxed).is_err() {
                            continue;
                        }
                        (at, mine)
                    }
                    Found::Claimed(at, word) => (at, word),
                    Found::Settled(..) | Found::Nothing => continue,
                };
                if settle(group, at, mine, settled(tag, rate.class(), after)) {
                    return Outcome::Ok(after & TAT_MASK);
                }
            }
            Found::Nothing => return Outcome::Full,
        }
    }
    Outcome::Full
}

/// Whether a request would conform, where the cell of the key `tag` is in `line`, changing nothing: milliseconds to wait, 0 for none. `None`: it is
/// not there, or is kept in other units.
#[inline(always)]
pub(super) fn peek_at_home<const LINE: usize, R: ReadLine<LINE>>(
    reader: R,
    line: &[AtomicU64; LINE],
    tag: u64,
    rate: &Rate,
    now: Millis,
) -> Option<u64> {
    let (_, tat) = find_at_home(reader, line, tag, rate.class())?;
    Some(rate.conforms(gcra::debt(tat, rate.now(now)), now).err().unwrap_or(0))
}

/// [`peek_at_home`], wherever the cell is.
#[cold]
#[inline(never)]
pub(super) fn peek<const N: usize>(group: &[AtomicU64; N], start: usize, tag: u64, rate: &Rate, now: Millis) -> u64 {
    match find(group, start, tag, now) {
        Found::Settled(_, word) => rate.conforms(debt(word, rate, rate.now(now), now), now).err().unwrap_or(0),
        _ => 0,
    }
}

/// Gives back a request whose TAT afterwards was `after`. Until that moment has come the key has owed without a break, so that taking and
/// giving back commute; from then on its debt is paid and there is nothing to give.
pub(super) fn give_back<const N: usize>(
    group: &[AtomicU64; N],
    start: usize,
    tag: u64,
    rate: &Rate,
    after: u64,
    now: Millis,
) -> bool {
    if !rate.returnable(gcra::debt(after, rate.now(now)), now) {
        return false;
    }
    let Found::Settled(at, mut word) = find(group, start, tag, now) else { return false };
    let units = rate.now(now);
    while same_tag(word, tag) && class(word) != CLAIMED {
        let owed = debt(word, rate, units, now).saturating_sub(rate.interval());
        let new = settled(tag, rate.class(), units.wrapping_add(owed));
        // Release: as in `take`.
        match group[at].compare_exchange(word, new, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(now) => word = now,
        }
    }
    false
}

/// Empties slots without a debt, and claims that their owners have left behind. `paid` says of each class that whatever has it must have been
/// paid, however it reads now, as long as `still` holds: nobody has changed a cell since the table fell silent. `false`: it does not hold
/// any more, and somebody else has swept.
pub(super) fn sweep<const N: usize>(
    group: &[AtomicU64; N],
    now: Millis,
    paid: [bool; 3],
    still: impl Fn() -> bool,
) -> bool {
    let mut words = [0; N];
    for (word, slot) in words.iter_mut().zip(group) {
        // Acquire: who reads a cell changed since then reads below that the table was swept, as the one who changed it did.
        *word = slot.load(Ordering::Acquire);
    }
    if !still() {
        return false;
    }
    for (word, slot) in words.into_iter().zip(group) {
        let idle = match class(word) {
            _ if word == 0 => false,
            CLAIMED => {
                let age =
                    (now.0.cast_unsigned().wrapping_sub((word & TAT_MASK) >> CLAIM_COUNTER_BITS)) & CLAIM_TIME_MASK;
                (CLAIM_AGE..=CLAIM_TIME_MASK / 2).contains(&age)
            }
            class => paid[usize::from(class)] || free(word, now),
        };
        if idle {
            // Relaxed: a cell without a debt and no cell are the same; a failed exchange means that somebody uses it.
            let _ = slot.compare_exchange(word, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
    true
}
