//! The word of a table's place: who builds there, who reads there. All that keeps a table from being written while it is read is here.
//!
//! ```text
//! 63 ready | 62 being built | 61 memory is reserved | 55..0 a pin for each member (a process, see `member`)
//! ```
//!
//! * **Free**: neither ready nor being built, and no pins. A member claims it by one exchange, from then on its own bit is set and it alone writes.
//! * **Being built**: nobody reads. The builder publishes by one exchange, or abandons.
//! * **Ready**: nobody writes. A member sets its bit by an exchange from a word that says *ready*, reads, and takes its bit away again. A
//!   member may claim the place for another table by an exchange from a word that says *ready* and has no pin at all.
//!
//! All is one word, so who pins and who claims at once cannot both succeed. The exchange of the one who claims acquires what those who unpinned
//! released: their reads are over. The exchange of the one who pins acquires what the builder released: the table is there as a whole. In between
//! all changes of the word are read-modify-writes, which carry both on.

use crate::sync::{AtomicU64, Ordering};

/// Most members at one time.
pub(in crate::shm) const MEMBERS: u32 = 56;
pub(super) const READY: u64 = 1 << 63;
pub(super) const BUILDING: u64 = 1 << 62;
pub(super) const RESERVED: u64 = 1 << 61;
pub(super) const PINS: u64 = (1 << MEMBERS) - 1;

pub(super) const fn bit(member: u32) -> u64 {
    1 << (member % MEMBERS)
}

/// What was there before a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Unused,
    Reserved,
    Table,
}

/// Whether a place with this word can be claimed.
pub(super) fn claimable(now: u64) -> bool {
    now & (BUILDING | PINS) == 0
}

/// Takes the place for a table of `member`, where it is free or has a table that nobody reads.
pub(super) fn claim(word: &AtomicU64, member: u32) -> Option<Before> {
    let now = word.load(Ordering::Relaxed);
    if !claimable(now) {
        return None;
    }
    // Acquire: the reads of those who unpinned are over. Relaxed failure: nothing is concluded.
    let claimed = BUILDING | now & RESERVED | bit(member);
    word.compare_exchange(now, claimed, Ordering::AcqRel, Ordering::Relaxed).ok()?;
    Some(match now & (READY | RESERVED) {
        0 => Before::Unused,
        RESERVED => Before::Reserved,
        _ => Before::Table,
    })
}

/// The table that `member` has built is ready, and pinned by it. `false`: it was taken for dead.
pub(super) fn publish(word: &AtomicU64, member: u32) -> bool {
    let own = bit(member);
    let mut now = word.load(Ordering::Relaxed);
    while now & BUILDING != 0 && now & PINS == own {
        // Release: who pins finds the table.
        match word.compare_exchange(now, READY | RESERVED | own, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(other) => now = other,
        }
    }
    false
}

/// Gives up a place that `member` has claimed; its memory stays reserved if `reserved`.
pub(super) fn abandon(word: &AtomicU64, member: u32, reserved: bool) {
    let now = word.load(Ordering::Relaxed);
    if now & BUILDING != 0 && now & PINS == bit(member) {
        // Release: what was written comes before whoever claims next. A failure: it was taken for dead.
        let free = if reserved { RESERVED } else { 0 };
        let _ = word.compare_exchange(now, free, Ordering::AcqRel, Ordering::Relaxed);
    }
}

/// Keeps the table from being taken away, if it is ready.
pub(super) fn pin(word: &AtomicU64, member: u32) -> bool {
    let mut now = word.load(Ordering::Relaxed);
    while now & READY != 0 {
        // Acquire: with the builder's Release.
        match word.compare_exchange(now, now | bit(member), Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(other) => now = other,
        }
    }
    false
}

/// `member` reads no more.
pub(super) fn unpin(word: &AtomicU64, member: u32) {
    // Release: its reads are over before anybody claims the place.
    word.fetch_and(!bit(member), Ordering::AcqRel);
}

/// Takes the pins of the `dead` away, and what they were building. By who makes sure that none of these members comes to life meanwhile.
pub(super) fn heal(word: &AtomicU64, dead: u64) {
    let mut now = word.load(Ordering::Relaxed);
    while now & dead & PINS != 0 {
        // The memory under what was being built counts as reserved: who claims it reserves it anyway.
        let healed = if now & BUILDING != 0 { RESERVED } else { now & !(dead & PINS) };
        match word.compare_exchange(now, healed, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return,
            Err(other) => now = other,
        }
    }
}
