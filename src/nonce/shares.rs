//! How many live nonces each app has, so that one app cannot fill the table for the others.
//!
//! A row of 16 words for each app: the app's tag, written once, and ten counters, one for each generation that may be live at a time.
//!
//! ```text
//! word 0: tag, never zero | words 1..=10, by generation mod 10: generation mod 2^20 (20 bits), count (44 bits) | the rest: zero
//! ```
//!
//! An app's rows in use are found by walking from the row that its hash names; a row's tag is a write-once register, so two processes
//! never give one app two rows. Where 64 rows on are all taken, the app shares the first row with its owner: its cap is then reached
//! sooner, never later.
//!
//! A nonce is counted after it was admitted, and the cap looked at before: at the cap as many more may pass as there are threads admitting
//! for that app at that moment. A process that is killed between the two leaves one nonce uncounted until its generation is over. Both
//! are of no consequence for what the cap is for.

use super::page::LIFE;
use super::store::NonceConfig;
use super::word;
use crate::error::Error;
use crate::hash::prf::{Kind, Prf};
use crate::shm::{Region, Section, SectionSpec, Shape};
use crate::sync::{AtomicU64, Ordering};
use crate::time::Millis;

const SECTION: &str = "shares";
const ROW: usize = 16;
/// Generations that may be live at once: from 8 before the current one to 1 after.
const COUNTERS: i64 = 10;
const WALK: u64 = 64;
const COUNT_BITS: u32 = 64 - word::GENERATION_BITS;

/// What the rows are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharesConfig {
    /// Apps that ever use the region.
    pub apps: u64,
}

impl SharesConfig {
    /// The section's name.
    pub const SECTION: &'static str = SECTION;
    fn rows(&self) -> u64 {
        self.apps.saturating_mul(2).max(WALK)
    }

    /// The section to ask the region for. `kind` is used where this process creates the region.
    #[must_use]
    pub fn section(&self, kind: Kind) -> SectionSpec {
        SectionSpec {
            name: SECTION,
            words: self.rows().saturating_mul(ROW as u64),
            shape: vec![
                Shape { name: "apps", value: self.apps, chosen: false },
                Shape { name: "prf", value: kind.number(), chosen: true },
            ],
        }
    }
}

/// An app's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareKey {
    row: u64,
}

/// The counts of one region. Cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Shares {
    section: Section,
    prf: Prf,
    rows: u64,
    period: i64,
}

impl Shares {
    /// The counts in `region`, which was opened with the sections of `config` and `nonces`.
    ///
    /// # Errors
    /// The region has no such section, or was made with a hash that this CPU cannot compute.
    pub fn open(region: &Region, config: &SharesConfig, nonces: &NonceConfig) -> Result<Self, Error> {
        let rows = config.rows();
        let section = region.section_of(SECTION, rows.saturating_mul(ROW as u64))?;
        let prf = Prf::recorded(region.chosen(SECTION, "prf"), region.key(0)).ok_or_else(|| region.foreign_hash())?;
        Ok(Self { section, prf, rows, period: nonces.period() })
    }

    fn word(&self, row: u64, word: usize) -> Option<&AtomicU64> {
        self.section.words().get(usize::try_from(row).ok()? * ROW + word)
    }

    /// Finds the app's row, or takes one for it. Do it once for each app and snapshot.
    #[must_use]
    pub fn key(&self, app: &[u8]) -> ShareKey {
        let (low, high) = self.prf.hash_in(4, &[app]);
        let first = ((u128::from(low) * u128::from(self.rows)) >> 64) as u64;
        let tag = high.max(1);
        for step in 0..WALK {
            let row = (first + step) % self.rows;
            let Some(word) = self.word(row, 0) else { break };
            // Relaxed: the tag is all there is to read, and it never changes once it is there.
            match word.compare_exchange(0, tag, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return ShareKey { row },
                Err(found) if found == tag => return ShareKey { row },
                Err(_) => {}
            }
        }
        ShareKey { row: first }
    }

    /// Live nonces of the app.
    #[must_use]
    pub fn used(&self, key: &ShareKey, now: Millis) -> u64 {
        let generation = now.0.div_euclid(self.period);
        let mut used = 0;
        for counter in 1..=COUNTERS as usize {
            // Relaxed: a count to compare with a cap (see the head).
            let word = self.word(key.row, counter).map_or(0, |word| word.load(Ordering::Relaxed));
            if word != 0 && word::ahead(word >> COUNT_BITS, generation).abs() < LIFE {
                used += word & ((1 << COUNT_BITS) - 1);
            }
        }
        used
    }

    /// Whether the app has fewer than `cap` live nonces.
    #[must_use]
    pub fn room(&self, key: &ShareKey, cap: u64, now: Millis) -> bool {
        self.used(key, now) < cap
    }

    /// Counts a nonce that was admitted under `timestamp`.
    pub fn count(&self, key: &ShareKey, timestamp: Millis) {
        let generation = timestamp.0.div_euclid(self.period);
        let counter = 1 + generation.rem_euclid(COUNTERS) as usize;
        let Some(place) = self.word(key.row, counter) else { return };
        let fresh = (generation.cast_unsigned() << COUNT_BITS) | 1;
        let mut word = place.load(Ordering::Relaxed);
        loop {
            let next = if word == 0 {
                fresh
            } else {
                match word::ahead(word >> COUNT_BITS, generation) {
                    0 => word + 1,
                    ahead if ahead < 0 => fresh,
                    // The counter has gone on to a later generation: this message's is over.
                    _ => return,
                }
            };
            // Relaxed: as in `used`.
            match place.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }
}
