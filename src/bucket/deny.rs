//! What is said of a key for a while, in every process at once: that it is denied (blacklists, revocations, suspensions), or by how much its
//! limit is changed.
//!
//! # Rows
//!
//! ```text
//! word 0: tag, never zero                                                       0: nobody's yet
//! word 1:  63 = 0 | 62..20 until, milliseconds since the epoch | 19..0 value    a mark
//!          63 = 1 | 62..0 who is about to use the row                           a claim
//! ```
//!
//! A key's row is found by walking from the row that its hash names, 64 rows at most; the walk ends at a row that was never used, of which
//! both words are zero. Reading costs
//! one cache line and no write, and nothing at all (one word that nobody writes) while no mark is in force.
//!
//! # Using a row again
//!
//! A row whose mark ended a minute ago may be taken for another key. Who takes it first *claims* it: swaps its second word, from the mark that
//! it read, for a claim that nobody else's equals; then swaps the tag; then the claim for the new mark. Every write is a compare-and-swap
//! from a value that says whose row it is: a mark renewed by its own key meanwhile makes the claim fail, a claim makes the renewal fail (it looks
//! again, and takes another row). A claim without an end after a second belongs to the dead and may be claimed in turn; should its owner
//! wake up after all, its swaps fail. So a mark is lost to nobody but its own key.
//!
//! Two that mark one key at once may use two rows: readers take a mark from any row of their tag, and who marks again, or takes the mark
//! away, does so in all of them.

use crate::error::Error;
use crate::hash::prf::{Kind, Prf};
use crate::shm::{PAGE_WORDS, Region, Section, SectionSpec, Shape};
use crate::sync::{AtomicU64, Ordering};
use crate::time::Millis;

const SECTION: &str = "deny";
const ROW: usize = 2;
const WALK: usize = 64;
const CONTROL: usize = PAGE_WORDS;
/// Control word: the latest moment at which any mark ends.
const LATEST: usize = 0;
/// Control word: claims so far.
const CLAIMS: usize = 8;
const VALUE_BITS: u32 = 20;
/// Greatest value of a mark.
pub const VALUE_MAX: u64 = (1 << VALUE_BITS) - 1;
const CLAIMED: u64 = 1 << 63;
const CLAIM_TIME_SHIFT: u32 = 21;
const UNTIL_MAX: i64 = (1 << (63 - VALUE_BITS)) - 1;
/// Clocks of processes may differ by this much before a row is used again too early.
const REST_MS: i64 = 60_000;
/// A claim lasts microseconds; after this many milliseconds its owner is dead or stopped.
const CLAIM_AGE_MS: u64 = 1000;

/// What the rows are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenyConfig {
    /// Keys with a mark at one time.
    pub keys: u64,
}

impl DenyConfig {
    fn rows(&self) -> u64 {
        self.keys.saturating_mul(2).max(WALK as u64)
    }

    fn words(&self) -> u64 {
        self.rows().saturating_mul(ROW as u64).saturating_add(CONTROL as u64)
    }

    /// The section to ask the region for. `kind` is used where this process creates the region.
    #[must_use]
    pub fn section(&self, kind: Kind) -> SectionSpec {
        SectionSpec {
            name: SECTION,
            words: self.words(),
            shape: vec![
                Shape { name: "deny_keys", value: self.keys, chosen: false },
                Shape { name: "prf", value: kind.number(), chosen: true },
            ],
        }
    }
}

/// A key, hashed once. Two keys are taken for one with a chance below 2^-57.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenyKey {
    first: u64,
    tag: u64,
}

/// What is said of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The last moment at which it is in force.
    pub until: Millis,
    /// At most [`VALUE_MAX`]; what it means is the caller's.
    pub value: u64,
}

impl Mark {
    fn word(self) -> u64 {
        self.until.0.clamp(0, UNTIL_MAX).cast_unsigned() << VALUE_BITS | self.value.min(VALUE_MAX)
    }

    fn of(word: u64) -> Self {
        Self { until: Millis((word >> VALUE_BITS).cast_signed()), value: word & VALUE_MAX }
    }
}

/// Whether a row may be used for another key.
fn is_over(word: u64, now: Millis) -> bool {
    if word & CLAIMED == 0 {
        return Mark::of(word).until.plus(REST_MS) < now;
    }
    let mask = (1 << (63 - CLAIM_TIME_SHIFT)) - 1;
    let age = now.0.cast_unsigned().wrapping_sub((word & !CLAIMED) >> CLAIM_TIME_SHIFT) & mask;
    (CLAIM_AGE_MS..mask / 2).contains(&age)
}

/// The rows that a key may be in, wrapped at the end of the table.
pub(super) struct Walk<'a> {
    pub words: &'a [AtomicU64],
    pub first: usize,
    pub tag: u64,
}

impl Walk<'_> {
    fn rows(&self) -> impl Iterator<Item = (&AtomicU64, &AtomicU64)> {
        let rows = self.words.len() / ROW;
        (0..rows.min(WALK)).filter_map(move |step| {
            let at = (self.first + step) % rows * ROW;
            Some((self.words.get(at)?, self.words.get(at + 1)?))
        })
    }

    /// The mark of the key that is in force.
    pub fn find(&self, now: Millis) -> Option<Mark> {
        for (tag, word) in self.rows() {
            // Acquire, here and below: the mark that is read was put in for the tag that stands there before and after.
            match tag.load(Ordering::Acquire) {
                // Claimed and not yet named: not the end, since others go past such a row.
                0 if word.load(Ordering::Acquire) == 0 => return None,
                found if found == self.tag => {
                    let mark = word.load(Ordering::Acquire);
                    if mark & CLAIMED == 0 && now <= Mark::of(mark).until && tag.load(Ordering::Acquire) == found {
                        return Some(Mark::of(mark));
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Marks the key. `claim` yields numbers of which no two are alike within 2^21. `false`: no row is free.
    pub fn set(&self, mark: Mark, now: Millis, mut claim: impl FnMut() -> u64) -> bool {
        // Each round ends, or somebody else got further.
        for _ in 0..ATTEMPTS {
            let mut vacant = None;
            let mut done = false;
            for (tag, word) in self.rows() {
                // SeqCst: of two that mark one key one after the other, the second sees the first's row.
                let found = tag.load(Ordering::SeqCst);
                let mut current = word.load(Ordering::SeqCst);
                // The tag again after the word: then the word was this tag's, and a swap from it fails where the row has been claimed.
                while found == self.tag && current & CLAIMED == 0 && tag.load(Ordering::SeqCst) == found {
                    match word.compare_exchange(current, mark.word(), Ordering::SeqCst, Ordering::SeqCst) {
                        Ok(_) => {
                            done = true;
                            break;
                        }
                        Err(now) => current = now,
                    }
                }
                if vacant.is_none() && is_over(current, now) {
                    vacant = Some((tag, word, found, current));
                }
                // One that somebody else has just claimed, or named, is not the end.
                if found == 0 && current == 0 {
                    break;
                }
            }
            if done || mark.until < now {
                return true;
            }
            let Some((tag, word, found, current)) = vacant else { return false };
            let mine = CLAIMED
                | (now.0.cast_unsigned() << CLAIM_TIME_SHIFT) & !CLAIMED
                | claim() & ((1 << CLAIM_TIME_SHIFT) - 1);
            // SeqCst: the claim, the tag, the mark, in this order for everybody.
            let won = word.compare_exchange(current, mine, Ordering::SeqCst, Ordering::Relaxed).is_ok()
                && tag.compare_exchange(found, self.tag, Ordering::SeqCst, Ordering::Relaxed).is_ok()
                && word.compare_exchange(mine, mark.word(), Ordering::SeqCst, Ordering::Relaxed).is_ok();
            if won {
                return true;
            }
        }
        false
    }
}

const ATTEMPTS: usize = 100;

/// The marked keys of one region. Cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Deny {
    section: Section,
    prf: Prf,
    rows: u64,
}

impl Deny {
    /// The rows in `region`, which was opened with [`DenyConfig::section`] of the same `config`.
    ///
    /// # Errors
    /// The region has no such section, or was made with a hash that this CPU cannot compute.
    pub fn open(region: &Region, config: &DenyConfig) -> Result<Self, Error> {
        let section = region.section_of(SECTION, config.words())?;
        let prf = Prf::recorded(region.chosen(SECTION, "prf"), region.key(1)).ok_or_else(|| region.foreign_hash())?;
        Ok(Self { section, prf, rows: config.rows() })
    }

    /// Hashes what is marked: a kind and a value (`["ip", "203.0.113.7"]`, `["token", "…"]`).
    #[must_use]
    pub fn key(&self, parts: &[&[u8]]) -> DenyKey {
        let (low, high) = self.prf.hash_in(6, parts);
        DenyKey { first: ((u128::from(low) * u128::from(self.rows)) >> 64) as u64, tag: high.max(1) }
    }

    fn walk(&self, key: &DenyKey) -> Walk<'_> {
        let words = self.section.words().get(CONTROL..).unwrap_or_default();
        Walk { words, first: usize::try_from(key.first).unwrap_or(0), tag: key.tag }
    }

    /// Whether any key may have a mark in force. One word, which nobody writes while nobody is marked.
    #[inline]
    #[must_use]
    pub fn any(&self, now: Millis) -> bool {
        // Acquire: raised before the mark is in, and before `set` returns.
        let latest = self.section.words().get(LATEST).map_or(0, |word| word.load(Ordering::Acquire));
        latest != 0 && now.0 <= latest.cast_signed()
    }

    /// Marks the key with `value` up to and including `until`; a moment in the past takes the mark away.
    ///
    /// # Errors
    /// No row is free for the key.
    pub fn set(&self, key: &DenyKey, mark: Mark, now: Millis) -> Result<(), Error> {
        let full = || Error::Os { doing: "marking a key".into(), message: "the table of denied keys is full".into() };
        let words = self.section.words();
        let (Some(latest), Some(claims)) = (words.get(LATEST), words.get(CLAIMS)) else { return Err(full()) };
        let mark = Mark { until: Millis(mark.until.0.clamp(0, UNTIL_MAX)), ..mark };
        if now <= mark.until {
            // Release: see `any`.
            latest.fetch_max(mark.until.0.cast_unsigned(), Ordering::Release);
        }
        // Relaxed: only uniqueness counts.
        let claim = || claims.fetch_add(1, Ordering::Relaxed);
        if self.walk(key).set(mark, now, claim) { Ok(()) } else { Err(full()) }
    }

    /// The key's mark that is in force at `now`.
    #[must_use]
    pub fn mark(&self, key: &DenyKey, now: Millis) -> Option<Mark> {
        if self.any(now) { self.walk(key).find(now) } else { None }
    }

    /// Denies the key up to and including `until`; a moment in the past allows it again.
    ///
    /// # Errors
    /// No row is free for the key.
    pub fn deny(&self, key: &DenyKey, until: Millis, now: Millis) -> Result<(), Error> {
        self.set(key, Mark { until, value: 0 }, now)
    }

    /// Whether the key is marked at `now`.
    #[must_use]
    pub fn is_denied(&self, key: &DenyKey, now: Millis) -> bool {
        self.mark(key, now).is_some()
    }

    /// Marks in force at `now`, read while others change them.
    #[must_use]
    pub fn in_force(&self, now: Millis) -> u64 {
        let rows = self.section.words().get(CONTROL..).unwrap_or_default().chunks_exact(ROW);
        let live = |row: &&[AtomicU64]| {
            let word = row[1].load(Ordering::Relaxed);
            row[0].load(Ordering::Relaxed) != 0 && word & CLAIMED == 0 && now <= Mark::of(word).until
        };
        rows.filter(live).count() as u64
    }
}
