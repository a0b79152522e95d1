//! How many requests of a key are under way, over all workers, healing after workers that were killed.
//!
//! # Rows
//!
//! Each worker (a thread that serves requests) registers and gets a number below [`WORKERS`]. Each key has a row of one tag word and one
//! counter for each worker number. A counter is written by its worker only, so a killed worker leaves exactly its own counts behind, and
//! who finds it dead sets them to zero. A key's requests under way are the sum of its row.
//!
//! # Entering
//!
//! A worker adds one to its own counter, then reads the sum; above the limit it takes the one back and refuses. Of all who enter at once, the
//! last to add (in the one order of sequentially consistent accesses) sees all the others: the sum of those admitted never exceeds the
//! limit. Racers at the limit may both see each other and both be refused: a slot that is free goes unused for that moment.
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

use crate::error::Error;
use crate::hash::prf::{Kind, Prf};
use crate::shm::{PAGE_WORDS, Process, Region, Section, SectionSpec, Shape};
use crate::sync::{AtomicU64, Ordering, publish_fence};
use crate::time::Millis;

const SECTION: &str = "inflight";
/// Most workers at one time.
pub const WORKERS: usize = 255;
/// Words in a key's row: its tag, and a counter for each worker.
const ROW: usize = WORKERS + 1;
const CONTROL: usize = PAGE_WORDS;
/// Control word after the owners: when the dead were last looked for, in milliseconds since the epoch.
const HEALED: usize = 256;
const HEAL_EVERY_MS: u64 = 1000;
const HEALING: u64 = 1 << 63;
const WALK: u64 = 64;

/// What the rows are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InflightConfig {
    /// Keys that are ever limited in the life of the region.
    pub keys: u64,
}

impl InflightConfig {
    fn rows(&self) -> u64 {
        self.keys.saturating_mul(2).max(WALK)
    }

    /// The section to ask the region for. `kind` is used where this process creates the region.
    #[must_use]
    pub fn section(&self, kind: Kind) -> SectionSpec {
        SectionSpec {
            name: SECTION,
            words: self.rows().saturating_mul(ROW as u64).saturating_add(CONTROL as u64),
            shape: vec![
                Shape { name: "concurrency_keys", value: self.keys, chosen: false },
                Shape { name: "prf", value: kind.number(), chosen: true },
            ],
        }
    }
}

/// A key's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InflightKey {
    row: u64,
}

/// The rows of one region.
#[derive(Clone, Debug)]
pub struct Inflight {
    section: Section,
    prf: Prf,
    rows: u64,
}

/// The sum of a row's counters.
fn sum(row: &[AtomicU64]) -> u64 {
    // SeqCst: second half of Dekker's pattern, see `enter`.
    row.iter().skip(1).map(|counter| counter.load(Ordering::SeqCst)).sum()
}

/// Adds one to counter `own` of the row unless the sum would exceed `limit`.
pub(super) fn enter(row: &[AtomicU64], own: usize, limit: u64) -> bool {
    let Some(own) = row.get(own) else { return false };
    // Read-only where it is hopeless.
    if sum(row) >= limit {
        return false;
    }
    // SeqCst: first half of Dekker's pattern, see `sync` and the head.
    own.fetch_add(1, Ordering::SeqCst);
    publish_fence();
    if sum(row) <= limit {
        return true;
    }
    own.fetch_sub(1, Ordering::SeqCst);
    false
}

/// One worker's number, given back on drop, with what is under way on it. For one thread at a time.
#[derive(Debug)]
pub struct Worker {
    inflight: Inflight,
    number: usize,
    owner: u64,
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
        let fail = |message: &str| Error::Region { path: region.name(), message: message.into() };
        let section = region.section(SECTION).ok_or_else(|| fail("has no section for concurrency limits"))?;
        let rows = config.rows();
        if section.len() as u64 != rows.saturating_mul(ROW as u64).saturating_add(CONTROL as u64) {
            return Err(fail("was opened for another number of concurrency keys than it is used with"));
        }
        let kind = region.chosen(SECTION, "prf").and_then(Kind::from_number);
        let prf = kind
            .and_then(|kind| Prf::of(kind, region.key(1)))
            .ok_or_else(|| fail("was made with a hash that this CPU cannot compute; remove the file"))?;
        Ok(Self { section, prf, rows })
    }

    fn owner(&self, number: usize) -> Option<&AtomicU64> {
        self.section.words().get(number)
    }

    fn row(&self, key: InflightKey) -> Option<&[AtomicU64]> {
        let first = CONTROL + usize::try_from(key.row).ok()? * ROW;
        self.section.words().get(first..first + ROW)
    }

    /// Finds the row of what a limit is keyed by, or takes one for it. `None` where 64 rows on are all taken: refuse.
    #[must_use]
    pub fn key(&self, parts: &[&[u8]]) -> Option<InflightKey> {
        let (low, high) = self.prf.hash_in(5, parts);
        let first = ((u128::from(low) * u128::from(self.rows)) >> 64) as u64;
        let tag = high.max(1);
        (0..WALK).map(|step| InflightKey { row: (first + step) % self.rows }).find(|key| {
            // Relaxed: a tag is written once and is all there is to read.
            self.row(*key).and_then(<[AtomicU64]>::first).is_some_and(|word| {
                match word.compare_exchange(0, tag, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => true,
                    Err(found) => found == tag,
                }
            })
        })
    }

    /// Requests of the key that are under way.
    #[must_use]
    pub fn under_way(&self, key: InflightKey) -> u64 {
        self.row(key).map_or(0, sum)
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
                    return Ok(Worker { inflight: self.clone(), number, owner: own });
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
        let (Some(word), now) = (self.section.words().get(HEALED), now.0.cast_unsigned()) else { return false };
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
            // Whoever else finds it dead loses here.
            if word.compare_exchange(owner, healer, Ordering::SeqCst, Ordering::Relaxed).is_err() {
                continue;
            }
            for row in 0..self.rows {
                if let Some(counter) = self.row(InflightKey { row }).and_then(|row| row.get(number + 1)) {
                    counter.store(0, Ordering::SeqCst);
                }
            }
            // SeqCst: after the counters.
            let _ = word.compare_exchange(healer, 0, Ordering::SeqCst, Ordering::Relaxed);
            healed += 1;
        }
        healed
    }
}

impl Worker {
    /// Begins a request of `key`, of which at most `limit` may be under way. `false`: refuse. Every `true` needs one [`Self::leave`].
    /// Before a refusal, once a second at most, the counts of dead workers are taken back.
    #[must_use]
    pub fn enter(&self, key: InflightKey, limit: u64, now: Millis) -> bool {
        let Some(row) = self.inflight.row(key) else { return false };
        enter(row, self.number + 1, limit)
            || (self.inflight.heal_is_due(now) && { self.inflight.heal() > 0 && enter(row, self.number + 1, limit) })
    }

    /// Ends a request of `key` that this worker began.
    pub fn leave(&self, key: InflightKey) {
        if let Some(own) = self.inflight.row(key).and_then(|row| row.get(self.number + 1)) {
            // Never below zero, whatever a caller does. Only this worker writes here.
            let now = own.load(Ordering::Relaxed);
            if now > 0 {
                own.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // In a child of a fork the number belongs to the parent.
        if owner_word(Process::own()) != self.owner {
            return;
        }
        for row in 0..self.inflight.rows {
            if let Some(counter) = self.inflight.row(InflightKey { row }).and_then(|row| row.get(self.number + 1)) {
                counter.store(0, Ordering::SeqCst);
            }
        }
        if let Some(word) = self.inflight.owner(self.number) {
            let _ = word.compare_exchange(self.owner, 0, Ordering::SeqCst, Ordering::Relaxed);
        }
    }
}
