//! The cells in a region.

use super::cell::{self, Outcome};
use super::gcra::{self, Rate};
use crate::error::Error;
use crate::hash::prf::{Kind, Prf};
use crate::shm::{
    LINE_WORDS, LineReader, LineWork, PAGE_WORDS, ReadLine, Region, Resize, Section, SectionSpec, Shape, prefetch,
};
use crate::sync::{AtomicU64, Ordering};
use crate::time::Millis;
use std::borrow::Borrow;

const SECTION: &str = "limits";
/// Slots in a group: 8 cache lines.
const SLOTS: usize = 64;
/// Lines of a group.
const LINES: u64 = (SLOTS / LINE_WORDS) as u64;
/// Keys for which a group is provided. A group of 64 slots with 28 keys on average overflows with a chance below 10^-8.
const GROUP_KEYS: u64 = 28;
const CONTROL: usize = PAGE_WORDS;
/// Control word: milliseconds since birth of the last whole sweep.
const SWEPT: usize = 0;
/// Control word: next group to sweep.
const CURSOR: usize = 8;
/// Control word: claims so far.
const CLAIMS: usize = 16;
/// Control word: requests refused for lack of a cell.
const FULL: usize = 24;
/// Sweep group by group after this many milliseconds, …
const SWEEP_AFTER: u64 = 240_000;
/// … all at once after this many, by whoever comes first. Cells of the finest unit would be misread 786 seconds after their debt was paid.
const SWEEP_NOW: u64 = 480_000;

/// What the table is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Keys with a debt at one time.
    pub keys: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { keys: 100_000 }
    }
}

impl LimitsConfig {
    fn groups(&self) -> u64 {
        self.keys.div_ceil(GROUP_KEYS).max(1)
    }

    fn words(&self) -> u64 {
        self.groups().saturating_mul(SLOTS as u64).saturating_add(CONTROL as u64)
    }

    /// The next configuration for at least `keys` keys to which a table of this one can be carried over, and the section's change: one with a
    /// whole multiple of its groups.
    #[must_use]
    pub fn grown(&self, keys: u64) -> Option<(Self, Resize)> {
        let groups = Self { keys }.groups().checked_next_multiple_of(self.groups())?;
        let keys = groups.checked_mul(GROUP_KEYS)?;
        let grown = Self { keys };
        Some((grown, Resize { section: SECTION, words: grown.words(), fact: "limit_keys", value: keys }))
    }

    /// The section to ask the region for. `kind` is used where this process creates the region.
    #[must_use]
    pub fn section(&self, kind: Kind) -> SectionSpec {
        SectionSpec {
            name: SECTION,
            words: self.words(),
            shape: vec![
                Shape { name: "limit_keys", value: self.keys, chosen: false },
                Shape { name: "prf", value: kind.number(), chosen: true },
            ],
        }
    }
}

/// Carries the words of a table over to one with a whole multiple of its groups: each new group gets a copy of the one that stood there, as
/// `nonce::carry` does it with pages. A key's debt is in its own group and, unreachable, in the copies, where it goes as it is paid.
#[must_use]
pub fn carry(old: &[AtomicU64], new: &[AtomicU64]) -> bool {
    let (Some((old_control, old)), Some((new_control, new))) =
        (old.split_at_checked(CONTROL), new.split_at_checked(CONTROL))
    else {
        return false;
    };
    let (old, new) = (old.as_chunks::<SLOTS>().0, new.as_chunks::<SLOTS>().0);
    if old.is_empty() || new.len() % old.len() != 0 {
        return false;
    }
    let times = new.len() / old.len();
    let pairs = new.iter().enumerate().flat_map(|(number, group)| old[number / times].iter().zip(group));
    for (from, to) in old_control.iter().zip(new_control).chain(pairs) {
        // Acquire and Relaxed: nobody writes to the old table any more, nobody sees the new one yet.
        to.store(from.load(Ordering::Acquire), Ordering::Relaxed);
    }
    if let Some(cursor) = new_control.get(CURSOR) {
        cursor.store(0, Ordering::Relaxed);
    }
    true
}

/// A key's place, hashed once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitKey {
    /// The line of the table that is looked at first.
    line: u64,
    tag: u64,
}

impl LimitKey {
    /// A place for a key.
    pub const NONE: Self = Self { line: 0, tag: 0 };
}

/// What a request has taken, to give it back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Debit {
    after: u64,
}

impl Debit {
    /// A place for a debit.
    pub const NONE: Self = Self { after: 0 };
}

/// The answer to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Take {
    /// Within the limit, and counted.
    Ok(Debit),
    /// Over the limit: not counted; the same request conforms so many milliseconds later if no other comes first.
    Limited {
        /// At least 1.
        retry_after_ms: u64,
    },
    /// No cell is free for the key: refuse.
    Full,
}

impl From<Outcome> for Take {
    #[inline(always)]
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok(after) => Self::Ok(Debit { after }),
            Outcome::Limited(retry_after_ms) => Self::Limited { retry_after_ms },
            Outcome::Full => Self::Full,
        }
    }
}

/// Why [`Limits::take_all`] took nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which of the limits.
    pub index: usize,
    /// Milliseconds after which the same request conforms to it; 0 where no cell was free.
    pub retry_after_ms: u64,
}

/// The limits of one region. Cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Limits {
    section: Section,
    prf: Prf,
    lines: LineReader,
    groups: u64,
    birth: Millis,
}

impl Limits {
    /// The limits in `region`, which was opened with [`LimitsConfig::section`] of the same `config`.
    ///
    /// # Errors
    /// The region has no such section, or was made with a hash that this CPU cannot compute.
    pub fn open(region: &Region, config: &LimitsConfig) -> Result<Self, Error> {
        let section = region.section_of(SECTION, config.words())?;
        let prf = Prf::recorded(region.chosen(SECTION, "prf"), region.key(1)).ok_or_else(|| region.foreign_hash())?;
        Ok(Self { section, prf, lines: LineReader::detect(), groups: config.groups(), birth: region.birth() })
    }

    /// Hashes what a limit is keyed by: its name and the values (`["per-ip-path", "203.0.113.7", "/pay"]`) to a cell's place. Two keys share
    /// a cell, and are then limited together, with a chance below 10^-6. Asks for the memory there.
    #[inline]
    #[must_use]
    pub fn key(&self, parts: &[&[u8]]) -> LimitKey {
        let (low, high) = match parts {
            [name, value] => self.prf.hash_two(3, name, value),
            _ => self.prf.hash_in(3, parts),
        };
        let group = ((u128::from(low) * u128::from(self.groups)) >> 64) as u64;
        let key = LimitKey { line: group * LINES + (high & (LINES - 1)), tag: cell::tag(high) };
        self.prefetch(&key);
        key
    }

    /// The group of a key, and the slot of it that is looked at first.
    fn group(&self, key: &LimitKey) -> Option<(&[AtomicU64; SLOTS], usize)> {
        Some((self.group_at(key.line / LINES)?, (key.line % LINES) as usize * LINE_WORDS))
    }

    /// The line of a key that is looked at first.
    #[inline(always)]
    fn line(&self, key: &LimitKey) -> Option<&[AtomicU64; LINE_WORDS]> {
        self.section.words().as_chunks().0.get((key.line as usize).wrapping_add(CONTROL / LINE_WORDS))
    }

    #[inline]
    fn group_at(&self, number: u64) -> Option<&[AtomicU64; SLOTS]> {
        // The control words have some groups.
        let number = usize::try_from(number).ok()?.checked_add(CONTROL / SLOTS)?;
        self.section.words().as_chunks().0.get(number)
    }

    /// Asks for the memory that the other calls will look at.
    #[inline]
    pub fn prefetch(&self, key: &LimitKey) {
        // A hint may be of any address, so that nothing is asked of the key's.
        let word = (key.line as usize).wrapping_mul(LINE_WORDS).wrapping_add(CONTROL);
        prefetch(self.section.words().as_ptr().wrapping_add(word));
    }

    /// Takes one request for `key`.
    pub fn take(&self, key: &LimitKey, rate: &Rate, now: Millis) -> Take {
        self.lines.enter(One(self, key, rate, now))
    }

    #[inline(always)]
    fn take_by<R: ReadLine<LINE_WORDS>>(&self, key: &LimitKey, rate: &Rate, now: Millis, reader: R) -> Take {
        if let Some(line) = self.line(key)
            && let Some(outcome) = cell::take_at_home(reader, line, key.tag, rate, now)
        {
            return outcome.into();
        }
        self.take_anywhere(key, rate, now)
    }

    /// [`Self::take`] for a key whose cell is not where it is looked for first, or that has none.
    #[cold]
    #[inline(never)]
    fn take_anywhere(&self, key: &LimitKey, rate: &Rate, now: Millis) -> Take {
        let (Some((group, start)), Some(claims)) = (self.group(key), self.section.words().get(CLAIMS)) else {
            return Take::Full;
        };
        // Relaxed: only uniqueness counts.
        let counter = || claims.fetch_add(1, Ordering::Relaxed);
        let take = cell::take(group, start, key.tag, rate, now, counter).into();
        if take == Take::Full
            && let Some(full) = self.section.words().get(FULL)
        {
            // Relaxed: a counter to look at.
            full.fetch_add(1, Ordering::Relaxed);
        }
        take
    }

    /// How many milliseconds a request for `key` would have to wait; 0 if it conforms now. Changes nothing and promises nothing.
    #[must_use]
    pub fn peek(&self, key: &LimitKey, rate: &Rate, now: Millis) -> u64 {
        self.lines.enter(Peek(self, key, rate, now))
    }

    /// Gives back what a request took under the same `key` and `rate`. Exact: as if it had never been taken, or, where its debt has been
    /// paid by time already, nothing (`false`).
    pub fn give_back(&self, key: &LimitKey, rate: &Rate, debit: Debit, now: Millis) -> bool {
        self.group(key).is_some_and(|(group, start)| cell::give_back(group, start, key.tag, rate, debit.after, now))
    }

    /// Takes one request from every limit, or from none: a refusal gives back what the limits before it gave. All are looked at first, so
    /// that an ordinary refusal writes nothing. Debits go to `debits`, which is as long as `limits`.
    ///
    /// # Errors
    /// The first limit that refuses.
    pub fn take_all(&self, limits: &[(LimitKey, Rate)], now: Millis, debits: &mut [Debit]) -> Result<(), Refusal> {
        for (index, (key, rate)) in limits.iter().enumerate() {
            let retry_after_ms = self.peek(key, rate, now);
            if retry_after_ms > 0 {
                return Err(Refusal { index, retry_after_ms });
            }
        }
        for (index, (key, rate)) in limits.iter().enumerate() {
            let retry_after_ms = match self.take(key, rate, now) {
                Take::Ok(debit) => {
                    if let Some(place) = debits.get_mut(index) {
                        *place = debit;
                    }
                    continue;
                }
                Take::Limited { retry_after_ms } => retry_after_ms,
                Take::Full => 0,
            };
            for ((key, rate), debit) in limits.iter().zip(debits.iter()).take(index) {
                self.give_back(key, rate, *debit, now);
            }
            return Err(Refusal { index, retry_after_ms });
        }
        Ok(())
    }

    /// [`Self::take`] for each pair in order, with the memory of the next ones under way. Writes as many answers as both slices have room for.
    pub fn take_batch<R: Borrow<Rate>>(&self, requests: &[(LimitKey, R)], now: Millis, out: &mut [Take]) {
        self.lines.enter(Many(self, requests, now, out));
    }

    /// Requests refused for lack of a cell since the region was made.
    #[must_use]
    pub fn refused_full(&self) -> u64 {
        // Relaxed: a counter to look at.
        self.section.words().get(FULL).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Bytes that the table takes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.section.len() as u64 * 8
    }

    #[inline]
    fn tend(&self, now: Millis) {
        let Some(swept) = self.section.words().get(SWEPT) else { return };
        // Acquire: see `cell::sweep`. A clock so wrong that this wraps is told apart there.
        let since = now.0.wrapping_sub(self.birth.0).wrapping_sub(swept.load(Ordering::Acquire).cast_signed());
        if since > SWEEP_AFTER.cast_signed() {
            self.sweep(now, swept);
        }
    }

    #[cold]
    fn sweep(&self, now: Millis, swept: &AtomicU64) {
        let age = now.since(self.birth).max(0).cast_unsigned();
        let Some(cursor) = self.section.words().get(CURSOR) else { return };
        // Acquire: see `cell::sweep`.
        let last = swept.load(Ordering::Acquire);
        let since = age.saturating_sub(last);
        if since <= SWEEP_AFTER {
            return;
        }
        if since > SWEEP_NOW {
            // Nobody takes from a table that is so long unswept without sweeping it: no cell has changed after `last` + SWEEP_NOW, and what
            // was owed then has been paid after the longest time of its class.
            let paid = gcra::LONGEST_MS.map(|longest| since > SWEEP_NOW + longest);
            for number in 0..self.groups {
                let still = || swept.load(Ordering::Acquire) == last;
                if !self.group_at(number).is_some_and(|group| cell::sweep(group, now, paid, still)) {
                    return;
                }
            }
        } else {
            // Relaxed: each group goes to one process; one that dies with its group leaves it for the next round, in time still.
            let number = cursor.fetch_add(1, Ordering::Relaxed);
            if let Some(group) = self.group_at(number).filter(|_| number < self.groups) {
                cell::sweep(group, now, [false; 3], || true);
                return;
            }
            cursor.store(0, Ordering::Relaxed);
        }
        // Release: who reads this has every emptied cell before it.
        swept.fetch_max(age, Ordering::Release);
    }
}

/// [`Limits::take`], however lines are read.
struct One<'a>(&'a Limits, &'a LimitKey, &'a Rate, Millis);

impl LineWork for One<'_> {
    type Output = Take;

    #[inline(always)]
    fn run<R: ReadLine<LINE_WORDS>>(self, reader: R) -> Take {
        self.0.tend(self.3);
        self.0.take_by(self.1, self.2, self.3, reader)
    }
}

/// [`Limits::peek`], however lines are read.
struct Peek<'a>(&'a Limits, &'a LimitKey, &'a Rate, Millis);

impl LineWork for Peek<'_> {
    type Output = u64;

    #[inline(always)]
    fn run<R: ReadLine<LINE_WORDS>>(self, reader: R) -> u64 {
        let Self(limits, key, rate, now) = self;
        if let Some(line) = limits.line(key)
            && let Some(wait) = cell::peek_at_home(reader, line, key.tag, rate, now)
        {
            return wait;
        }
        match limits.group(key) {
            Some((group, start)) => cell::peek(group, start, key.tag, rate, now),
            None => 0,
        }
    }
}

/// [`Limits::take_batch`], however lines are read.
struct Many<'a, R>(&'a Limits, &'a [(LimitKey, R)], Millis, &'a mut [Take]);

impl<B: Borrow<Rate>> LineWork for Many<'_, B> {
    type Output = ();

    #[inline(always)]
    fn run<R: ReadLine<LINE_WORDS>>(self, reader: R) {
        let Self(limits, requests, now, out) = self;
        for (requests, out) in requests.chunks(16).zip(out.chunks_mut(16)) {
            limits.tend(now);
            for (key, _) in requests {
                limits.prefetch(key);
            }
            for ((key, rate), out) in requests.iter().zip(out) {
                *out = limits.take_by(key, rate.borrow(), now, reader);
            }
        }
    }
}
