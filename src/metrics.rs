//! Counters of verdicts and a histogram of durations in the shared region, and their text for Prometheus (JR/T 0185-2020, 10.1.1: duration,
//! volume and rate of success).
//!
//! ```text
//! a shard:  0..64    verdicts by number of reason
//!           64..96   durations: bucket i counts those of at most 2^i microseconds (and more than the bucket before); the last all others
//!           96       sum of durations in microseconds
//!           97       requests that the service behind answered,  98: those that failed there
//! ```
//! A worker counts in a shard of its own, so that workers do not take one cache line from each other; there are [`SHARDS`], given out
//! in turn. All words only ever rise, by relaxed additions: nothing is decided on them. A reader adds the shards up.

use crate::error::Error;
use crate::shm::{Region, Section, SectionSpec, TableCounts, Tables, tables_path};
use crate::sync::{AtomicU64, Ordering};
use crate::verdict::{Reason, Verdict};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

const SECTION: &str = "metrics";
/// Shards.
pub const SHARDS: usize = 32;
/// Words of a shard: whole cache lines.
const SHARD: usize = 128;
const REASONS: usize = 64;
const BUCKETS: usize = 32;
const SUM: usize = REASONS + BUCKETS;
const ANSWERED: usize = SUM + 1;
const FAILED: usize = SUM + 2;

const _: () = assert!(Reason::ALL.len() <= REASONS, "a word for each reason");

/// The section to ask the region for.
#[must_use]
pub fn section() -> SectionSpec {
    SectionSpec { name: SECTION, words: (SHARDS * SHARD) as u64, shape: Vec::new() }
}

/// Appends what tables of keys amount to.
fn write_tables(tables: &TableCounts, out: &mut String) {
    let rows = [
        ("key_tables", "gauge", "Tables of public keys that processes share.", tables.tables),
        ("key_tables_held", "gauge", "Those of them that some process holds.", tables.held),
        ("key_table_bytes", "gauge", "Memory of tables of public keys that processes share.", tables.bytes),
        ("key_table_limit_bytes", "gauge", "The most that it may be.", tables.limit),
        ("key_tables_built_total", "counter", "Tables built.", tables.built),
        ("key_tables_evicted_total", "counter", "Tables that made room for others.", tables.evicted),
        ("key_tables_damaged_total", "counter", "Tables found damaged, and not used.", tables.damaged),
    ];
    for (name, kind, help, value) in rows {
        // Writing into a String cannot fail.
        let _ = writeln!(
            out,
            "# HELP portcullis_{name} {help}\n# TYPE portcullis_{name} {kind}\nportcullis_{name} {value}"
        );
    }
}

/// The counters of one region, as one worker or reader holds them.
#[derive(Clone, Debug)]
pub struct Metrics {
    section: Section,
    shard: usize,
    /// The region's file.
    path: Option<Arc<Path>>,
}

impl Metrics {
    /// The counters in `region`, which was opened with [`section`]; they are counted in shard `shard` modulo [`SHARDS`].
    ///
    /// # Errors
    /// The region has no such section.
    pub fn open(region: &Region, shard: usize) -> Result<Self, Error> {
        let found = region.section(SECTION).filter(|section| section.len() == SHARDS * SHARD);
        match found {
            Some(section) => Ok(Self { section, shard: shard % SHARDS, path: region.path().map(Arc::from) }),
            None => {
                Err(Error::Region { path: region.name(), message: "has no section for metrics of this version".into() })
            }
        }
    }

    /// The counters of the region at `path`, to be read.
    ///
    /// # Errors
    /// There is no such region, or it has none.
    pub fn of_file(path: &Path) -> Result<Self, Error> {
        Self::open(&Region::open_found(path)?.0, 0)
    }

    /// The same counters, counted in another shard.
    #[must_use]
    pub fn in_shard(&self, shard: usize) -> Self {
        Self { section: self.section.clone(), shard: shard % SHARDS, path: self.path.clone() }
    }

    fn word(&self, at: usize) -> Option<&AtomicU64> {
        self.section.words().get(self.shard * SHARD + at)
    }

    fn add(&self, at: usize, count: u64) {
        if let Some(word) = self.word(at) {
            word.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Counts a batch of verdicts: one addition for each reason that occurs.
    pub fn count(&self, verdicts: &[Verdict]) {
        if verdicts.len() <= 4 {
            return verdicts.iter().for_each(|verdict| self.add(verdict.reason as usize, 1));
        }
        let mut counts = [0u32; REASONS];
        for verdict in verdicts {
            if let Some(count) = counts.get_mut(verdict.reason as usize) {
                *count += 1;
            }
        }
        for (at, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.add(at, u64::from(*count));
        }
    }

    /// Counts how long a request took, the service behind included, as the gateway measured it.
    pub fn observe(&self, duration_us: u64) {
        // The least i with duration <= 2^i.
        let bucket = (64 - duration_us.saturating_sub(1).leading_zeros()) as usize;
        self.add(REASONS + bucket.min(BUCKETS - 1), 1);
        self.add(SUM, duration_us);
    }

    /// Counts how the service behind answered an accepted request.
    pub fn outcome(&self, success: bool) {
        self.add(if success { ANSWERED } else { FAILED }, 1);
    }

    /// The sum of all shards' words at `at`.
    fn total(&self, at: usize) -> u64 {
        let shards = self.section.words().chunks_exact(SHARD);
        shards.filter_map(|shard| shard.get(at)).fold(0, |sum, word| sum.wrapping_add(word.load(Ordering::Relaxed)))
    }

    /// How many verdicts of that reason there were.
    #[must_use]
    pub fn verdicts(&self, reason: Reason) -> u64 {
        self.total(reason as usize)
    }

    /// Appends everything in the text format of Prometheus (version 0.0.4), and what there is of key tables in the file beside the region.
    pub fn write_prometheus(&self, out: &mut String) {
        self.write_counters(out);
        let tables = self.path.as_deref().map(|path| Tables::inspect(&tables_path(path)));
        if let Some(Ok(Some(tables))) = tables {
            write_tables(&tables, out);
        }
    }

    fn write_counters(&self, out: &mut String) {
        // Writing into a String cannot fail.
        out.push_str(
            "# HELP portcullis_verdicts_total Requests judged, by reason.\n# TYPE portcullis_verdicts_total counter\n",
        );
        for reason in Reason::ALL {
            let _ = writeln!(out, "portcullis_verdicts_total{{reason=\"{reason}\"}} {}", self.verdicts(*reason));
        }
        out.push_str(
            "# HELP portcullis_outcomes_total Accepted requests, by how the service behind answered.\n\
             # TYPE portcullis_outcomes_total counter\n",
        );
        for (name, at) in [("success", ANSWERED), ("failure", FAILED)] {
            let _ = writeln!(out, "portcullis_outcomes_total{{outcome=\"{name}\"}} {}", self.total(at));
        }
        out.push_str(
            "# HELP portcullis_duration_seconds Time that requests took, the service behind included.\n\
             # TYPE portcullis_duration_seconds histogram\n",
        );
        let mut below = 0;
        for bucket in 0..BUCKETS {
            below += self.total(REASONS + bucket);
            if bucket + 1 == BUCKETS {
                let _ = writeln!(out, "portcullis_duration_seconds_bucket{{le=\"+Inf\"}} {below}");
            } else {
                let us = 1u64 << bucket;
                let (seconds, rest) = (us / 1_000_000, us % 1_000_000);
                let _ = writeln!(out, "portcullis_duration_seconds_bucket{{le=\"{seconds}.{rest:06}\"}} {below}");
            }
        }
        let sum = self.total(SUM);
        let _ = writeln!(out, "portcullis_duration_seconds_sum {}.{:06}", sum / 1_000_000, sum % 1_000_000);
        let _ = writeln!(out, "portcullis_duration_seconds_count {below}");
    }
}
