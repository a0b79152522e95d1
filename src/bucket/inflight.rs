//! How many requests of a key are under way, over all workers, healing after workers that were killed.
//!
//! # Rows
//!
//! Each worker (a thread that serves requests) registers and gets a number below [`WORKERS`]. Each key has a row ([`super::rows`]) of one
//! counter of 16 bits for each worker number, four to a word. A counter is raised by its worker only, so a killed worker leaves exactly its own
//! counts behind, and who finds it dead sets them to zero. A key's requests under way are the sum of its row. A row whose sum is zero is spare:
//! where no other is left it is used for another key.
//!
//! # Entering
//!
//! A worker adds one to its own counter, then reads the sum; above the limit it takes the one back and refuses. Of all who enter at once, the
//! last to add (in the one order of sequentially consistent accesses) sees all the others: the sum of those admitted never exceeds the
//! limit. Racers at the limit may both see each other and both be refused: a slot that is free goes unused for that moment. Between adding and
//! reading it makes sure that the row is still its key's; if not, it takes the one back and finds the key's row anew.
//!
//! # Owners
//!
//! ```text
//! word of a worker number:  63 healing | 62..32 start time of the process, modulo 2^31 | 31..0 process id;   0: free
//! ```
//!
//! A process is dead where its id is not in use, or the process of that id has another start time. The healer puts its own id and start time
//! there, with the healing bit, by compare-and-swap; sets the number's counters to zero; and frees the number. Should it be killed on the
//! way, it is dead itself, and the next healer begins again. All of this needs one process-id namespace for all workers.

use super::flights::{self, Flights};
use super::rows::{Plan, RowKey, Rows, Tags};
use crate::error::Error;
use crate::hash::prf::Kind;
use crate::shm::{PAGE_WORDS, Process, Region, SectionSpec};
use crate::sync::{AtomicU64, Ordering};
use crate::time::Millis;
use std::sync::Arc;

const SECTION: &str = "inflight";
/// Most workers at one time.
pub const WORKERS: usize = 252;
/// Words in a key's row: a counter for each worker, and one to spare, so that a row is 8 cache lines.
const ROW: usize = WORKERS / 4 + 1;
/// Control word after the owners: when the dead were last looked for, in milliseconds since the epoch.
const HEALED: usize = 256;
const HEAL_EVERY_MS: u64 = 1000;
const HEALING: u64 = 1 << 63;
const COUNTER: u64 = 0xffff;

/// What the rows are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InflightConfig {
    /// Keys that have requests under way at one time.
    pub keys: u64,
}

impl InflightConfig {
    fn plan(&self) -> Plan {
        Plan { section: SECTION, fact: "concurrency_keys", domain: 5, control: PAGE_WORDS, row: ROW, keys: self.keys }
    }

    /// The section to ask the region for. `kind` is used where this process creates the region.
    #[must_use]
    pub fn section(&self, kind: Kind) -> SectionSpec {
        self.plan().spec(kind)
    }
}

/// What a limit is keyed by, hashed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InflightKey(RowKey);

/// The row in which a request is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InflightRow(usize);

/// The rows of one region.
#[derive(Clone, Debug)]
pub struct Inflight {
    rows: Rows,
    flights: Arc<Flights>,
}

/// The word of a row with the counter of worker `number`, and how far up it is.
fn counter(row: &[AtomicU64], number: usize) -> Option<(&AtomicU64, u32)> {
    Some((row.get(number / 4)?, number as u32 % 4 * 16))
}

/// The sum of a row's counters.
fn sum(row: &[AtomicU64]) -> u64 {
    const EVEN: u64 = 0x0000_ffff_0000_ffff;
    // Two counters of 32 bits each: 64 words of two counters below 2^16 are below 2^23. SeqCst: second half of Dekker's pattern, see `enter`.
    let pairs = row.iter().map(|word| word.load(Ordering::SeqCst)).map(|word| (word & EVEN) + (word >> 16 & EVEN));
    let pairs: u64 = pairs.sum();
    (pairs & 0xffff_ffff) + (pairs >> 32)
}

/// How often a row that has become another key's is looked for anew. Each time somebody else got further.
const ATTEMPTS: usize = 100;

/// Adds one to the counter of worker `own` in the row of the key whose tags these are, unless the sum would exceed `limit`. `find` finds or takes a
/// row for it, `row` gives its words. The row, for who got in.
pub(super) fn enter<'a>(
    tags: &Tags<'_>,
    find: impl Fn() -> Option<usize>,
    row: impl Fn(usize) -> Option<&'a [AtomicU64]>,
    own: usize,
    limit: u64,
) -> Option<usize> {
    for _ in 0..ATTEMPTS {
        let number = find()?;
        let row = row(number)?;
        // Read-only where it is hopeless.
        if sum(row) >= limit {
            if tags.holds(number) {
                return None;
            }
            continue;
        }
        if !add(row, own) {
            return None;
        }
        if !tags.holds(number) {
            take_away(row, own);
            continue;
        }
        if sum(row) <= limit {
            return Some(number);
        }
        take_away(row, own);
        return None;
    }
    None
}

/// Whether a row may be used for another key.
pub(super) fn is_spare(row: &[AtomicU64]) -> bool {
    sum(row) == 0
}

/// Adds one to the counter of worker `own`, which only this worker raises. `false`: the counter is full.
fn add(row: &[AtomicU64], own: usize) -> bool {
    let Some((word, shift)) = counter(row, own) else { return false };
    // Relaxed: others only lower it.
    if word.load(Ordering::Relaxed) >> shift & COUNTER == COUNTER {
        return false;
    }
    // SeqCst: first half of Dekker's pattern, see `sync` and the head.
    word.fetch_add(1 << shift, Ordering::SeqCst);
    true
}

/// Takes one from the counter of worker `number`, never below zero, whatever a caller does.
fn take_away(row: &[AtomicU64], number: usize) {
    let Some((word, shift)) = counter(row, number) else { return };
    let mut now = word.load(Ordering::Relaxed);
    while now >> shift & COUNTER > 0 {
        match word.compare_exchange_weak(now, now - (1 << shift), Ordering::SeqCst, Ordering::Relaxed) {
            Ok(_) => return,
            Err(other) => now = other,
        }
    }
}

/// Takes back what the dead `owner` of worker number `number` has under way, and frees the number. `false`: somebody else does.
pub(super) fn heal<'a>(
    word: &AtomicU64,
    owner: u64,
    healer: u64,
    rows: impl Iterator<Item = &'a [AtomicU64]>,
    number: usize,
) -> bool {
    // Whoever else finds it dead loses here.
    if word.compare_exchange(owner, healer, Ordering::SeqCst, Ordering::Relaxed).is_err() {
        return false;
    }
    for row in rows {
        clear(row, number);
    }
    // SeqCst: after the counters.
    let _ = word.compare_exchange(healer, 0, Ordering::SeqCst, Ordering::Relaxed);
    true
}

/// Sets the counter of worker `number` to zero.
fn clear(row: &[AtomicU64], number: usize) {
    if let Some((word, shift)) = counter(row, number) {
        word.fetch_and(!(COUNTER << shift), Ordering::SeqCst);
    }
}

/// What a request under way holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    rows: [u32; Held::ROWS],
    /// A number of the holder's own, given back with the rest.
    pub note: u64,
}

impl Held {
    /// Most rows that one request may be counted in.
    pub const ROWS: usize = 4;
    /// Nothing.
    pub const NOTHING: Self = Self { rows: [0; Self::ROWS], note: 0 };

    /// Adds a row in which the request was counted. `false`: there are too many.
    pub fn add(&mut self, row: InflightRow) -> bool {
        let row = u32::try_from(row.0 + 1).ok();
        match (self.rows.iter_mut().find(|row| **row == 0), row) {
            (Some(place), Some(row)) => {
                *place = row;
                true
            }
            _ => false,
        }
    }

    /// Whether there is nothing to give back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The rows.
    pub fn rows(&self) -> impl Iterator<Item = InflightRow> {
        self.rows.into_iter().filter(|row| *row != 0).map(|row| InflightRow(row as usize - 1))
    }

    fn to_words(self) -> [u64; flights::PARTS] {
        let [a, b, c, d] = self.rows.map(u64::from);
        [a | b << 32, c | d << 32, self.note]
    }

    fn from_words([low, high, note]: [u64; flights::PARTS]) -> Self {
        Self { rows: [low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32], note }
    }
}

/// One worker's number, given back on drop, with what is under way on it. For one thread at a time.
#[derive(Debug)]
pub struct Worker {
    inflight: Inflight,
    number: usize,
    owner: u64,
    cursor: usize,
}

fn owner_word(process: Process) -> u64 {
    u64::from(process.id) | (process.start & 0x7fff_ffff) << 32
}

impl Inflight {
    /// The rows in `region`, which was opened with [`InflightConfig::section`] of the same `config`.
    ///
    /// # Errors
    /// The region has no such section, or was made with a hash that this CPU cannot compute.
    pub fn open(region: &Region, config: &InflightConfig) -> Result<Self, Error> {
        Ok(Self { rows: Rows::open(region, &config.plan())?, flights: Arc::new(Flights::new()) })
    }

    fn owner(&self, number: usize) -> Option<&AtomicU64> {
        self.rows.control().get(number)
    }

    /// Hashes what a limit is keyed by.
    #[must_use]
    pub fn key(&self, parts: &[&[u8]]) -> InflightKey {
        InflightKey(self.rows.key(parts))
    }

    fn find_or_take(&self, key: InflightKey) -> Option<usize> {
        self.rows.find_or_take(key.0, |row, _| is_spare(row))
    }

    /// Requests of the key that are under way.
    #[must_use]
    pub fn under_way(&self, key: InflightKey) -> u64 {
        self.rows.tags(key.0).find().and_then(|number| self.rows.row(number)).map_or(0, sum)
    }

    /// Requests of all keys that are under way, of living workers and of dead ones.
    #[must_use]
    pub fn all_under_way(&self) -> u64 {
        (0..self.rows.len()).filter_map(|row| self.rows.row(row)).map(sum).sum()
    }

    /// Takes a worker number for a thread of this process.
    ///
    /// # Errors
    /// All numbers are taken by living processes.
    pub fn register(&self) -> Result<Worker, Error> {
        let own = owner_word(Process::own());
        for attempt in 0..2 {
            for number in 0..WORKERS {
                let Some(word) = self.owner(number) else { continue };
                // SeqCst: what the healer set to zero is zero for the new owner.
                if word.compare_exchange(0, own, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
                    return Ok(Worker { inflight: self.clone(), number, owner: own, cursor: 0 });
                }
            }
            if attempt == 0 {
                self.heal();
            }
        }
        Err(Error::Os {
            doing: "registering a worker".into(),
            message: format!("{WORKERS} workers are registered already"),
        })
    }

    /// Whether nobody has looked for dead workers for a while; if so, the caller should.
    fn heal_is_due(&self, now: Millis) -> bool {
        let (Some(word), now) = (self.rows.control().get(HEALED), now.0.cast_unsigned()) else { return false };
        // Relaxed: one of those who come at once looks; it does not matter which. A clock that was stepped back is as good as due.
        let last = word.load(Ordering::Relaxed);
        now.abs_diff(last) >= HEAL_EVERY_MS
            && word.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Takes back what dead workers have under way. How many workers that were.
    pub fn heal(&self) -> usize {
        let healer = owner_word(Process::own()) | HEALING;
        let mut healed = 0;
        for number in 0..WORKERS {
            let Some(word) = self.owner(number) else { continue };
            let owner = word.load(Ordering::Relaxed);
            let process = Process { id: owner as u32, start: (owner & !HEALING) >> 32 };
            if owner == 0 || process.is_alive(0x7fff_ffff) {
                continue;
            }
            let rows = (0..self.rows.len()).filter_map(|row| self.rows.row(row));
            healed += usize::from(heal(word, owner, healer, rows, number));
        }
        healed
    }
}

impl Inflight {
    /// Ends the request of `token`: takes it out of all its counts. What it held, for the one caller who ends it, on whatever thread; `None` for
    /// every other, and for what never was a token of this process.
    pub fn end(&self, token: u64) -> Option<Held> {
        let held = Held::from_words(self.flights.end(token)?);
        self.leave_all(&held, (token >> 56) as usize);
        Some(held)
    }

    /// Strikes the token out; the counts stay, to be left by their worker.
    pub fn forget(&self, token: u64) {
        self.flights.end(token);
    }

    fn leave_all(&self, held: &Held, number: usize) {
        for row in held.rows() {
            if let Some(row) = self.rows.row(row.0) {
                take_away(row, number);
            }
        }
    }
}

impl Worker {
    /// Whether this process registered the worker: not so in a child of a fork, which needs one of its own.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.owner as u32 == std::process::id()
    }

    /// Begins a request of `key`, of which at most `limit` may be under way. `None`: refuse. Every row needs one [`Self::leave`], or a place in
    /// the [`Held`] of [`Self::begin`].
    /// Before a refusal, once a second at most, the counts of dead workers are taken back.
    #[must_use]
    pub fn enter(&self, key: InflightKey, limit: u64, now: Millis) -> Option<InflightRow> {
        let inflight = &self.inflight;
        let tags = inflight.rows.tags(key.0);
        let enter = || enter(&tags, || inflight.find_or_take(key), |row| inflight.rows.row(row), self.number, limit);
        let again = || if inflight.heal_is_due(now) && inflight.heal() > 0 { enter() } else { None };
        enter().or_else(again).map(InflightRow)
    }

    /// Begins a request of `key` whatever the limit; to be ended like any other. `true`: more than `limit` are now under way; `None`: it could
    /// not be counted.
    #[must_use]
    pub fn enter_over(&self, key: InflightKey, limit: u64) -> Option<(InflightRow, bool)> {
        let rows = &self.inflight.rows;
        let tags = rows.tags(key.0);
        let row = enter(&tags, || self.inflight.find_or_take(key), |row| rows.row(row), self.number, u64::MAX)?;
        Some((InflightRow(row), rows.row(row).is_some_and(|row| sum(row) > limit)))
    }

    /// Writes down what an accepted request holds; [`Inflight::end`] with the token gives it back, once. `None`: too many requests are under
    /// way to remember this one; what it holds is still the caller's to give back.
    #[must_use]
    pub fn begin(&mut self, held: &Held) -> Option<u64> {
        self.inflight.flights.begin(self.number, &mut self.cursor, held.to_words())
    }

    /// Ends a request that this worker began.
    pub fn leave(&self, row: InflightRow) {
        if let Some(row) = self.inflight.rows.row(row.0) {
            take_away(row, self.number);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // In a child of a fork the number belongs to the parent.
        if owner_word(Process::own()) != self.owner {
            return;
        }
        // What is written down is given back one by one: another thread may be ending one of them at this moment, which must not be undone
        // for the next worker of this number.
        self.inflight.flights.end_all(self.number, |parts| {
            self.inflight.leave_all(&Held::from_words(parts), self.number);
        });
        if let Some(word) = self.inflight.owner(self.number) {
            let _ = word.compare_exchange(self.owner, 0, Ordering::SeqCst, Ordering::Relaxed);
        }
    }
}
