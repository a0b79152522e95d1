//! How many live nonces each app has, so that one app cannot fill the table for the others.
//!
//! A row of 16 words for each app: the app's tag, written once, and ten counters, one for each generation that may be live at a time.
//!
//! ```text
//! word 0: tag, never zero | words 1..=10, by generation mod 10: generation mod 2^20 (20 bits), count (44 bits) | the rest: zero
//! ```
//!
//! An app's row is found by walking from the row that its hash names, 64 rows at most. Where it has none it takes the first that was never used,
//! else the first whose nonces are all over. Two processes that do so at once, for one app, while the first row's last nonces expire,
//! may take two; all then find the first, and the cap may be exceeded by what the other counted in that moment. Where no row is to be had,
//! the app shares the first with its owner: its cap is then reached sooner.
//!
//! A nonce is counted after it was admitted, and the cap looked at before: at the cap as many more may pass as there are threads admitting
//! for that app at that moment. A process that is killed between the two leaves one nonce uncounted until its generation is over. Both
//! are of no consequence for what the cap is for.

use super::config::NonceConfig;
use super::page::LIFE;
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
    /// Apps with live nonces at one time.
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

    /// Finds the app's row, or takes one for it.
    #[must_use]
    pub fn key(&self, app: &[u8], now: Millis) -> ShareKey {
        let (low, high) = self.prf.hash_in(4, &[app]);
        let first = ((u128::from(low) * u128::from(self.rows)) >> 64) as u64;
        let tag = high.max(1);
        let walk = || (0..WALK).map(|step| (first + step) % self.rows);
        // Relaxed, here and below: a row without live nonces says the same of every app, so nothing is read through its tag.
        let tag_of = |row: u64| self.word(row, 0).map_or(0, |word| word.load(Ordering::Relaxed));
        let mut vacant = None;
        for row in walk() {
            match tag_of(row) {
                found if found == tag => return ShareKey { row },
                0 if vacant.is_none() => vacant = Some(row),
                _ => {}
            }
        }
        let over = || walk().find(|row| self.used(&ShareKey { row: *row }, now) == 0);
        while let Some(row) = vacant.or_else(over) {
            let Some(word) = self.word(row, 0) else { break };
            let old = if vacant.take().is_some() { 0 } else { word.load(Ordering::Relaxed) };
            match word.compare_exchange(old, tag, Ordering::Relaxed, Ordering::Relaxed) {
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
