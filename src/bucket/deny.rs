//! Who is refused for a while, in every process at once: blacklists, revocations, suspensions.
//!
//! A row of two words for each key: its tag, written once, and until when the key is denied. A key's row is found by walking from the row that
//! its hash names; the walk ends at a row without a tag. Rows of keys that are denied no more stay, for when they are again. Reading costs
//! one cache line and no write.

use crate::error::Error;
use crate::hash::prf::{Kind, Prf};
use crate::shm::{Region, Section, SectionSpec, Shape};
use crate::sync::{AtomicU64, Ordering};
use crate::time::Millis;

const SECTION: &str = "deny";
const ROW: usize = 2;
const WALK: u64 = 64;

/// What the rows are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenyConfig {
    /// Keys that are ever denied in the life of the region.
    pub keys: u64,
}

impl DenyConfig {
    fn rows(&self) -> u64 {
        self.keys.saturating_mul(2).max(WALK)
    }

    /// The section to ask the region for. `kind` is used where this process creates the region.
    #[must_use]
    pub fn section(&self, kind: Kind) -> SectionSpec {
        SectionSpec {
            name: SECTION,
            words: self.rows().saturating_mul(ROW as u64),
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

/// The denied keys of one region. Cheap to clone, usable from any thread.
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
        let fail = |message: &str| Error::Region { path: region.name(), message: message.into() };
        let section = region.section(SECTION).ok_or_else(|| fail("has no section for denied keys"))?;
        let rows = config.rows();
        if section.len() as u64 != rows.saturating_mul(ROW as u64) {
            return Err(fail("was opened for another number of denied keys than it is used with"));
        }
        let kind = region.chosen(SECTION, "prf").and_then(Kind::from_number);
        let prf = kind
            .and_then(|kind| Prf::of(kind, region.key(1)))
            .ok_or_else(|| fail("was made with a hash that this CPU cannot compute; remove the file"))?;
        Ok(Self { section, prf, rows })
    }

    /// Hashes what is denied: a kind and a value (`["ip", "203.0.113.7"]`, `["token", "…"]`).
    #[must_use]
    pub fn key(&self, parts: &[&[u8]]) -> DenyKey {
        let (low, high) = self.prf.hash_in(6, parts);
        DenyKey { first: ((u128::from(low) * u128::from(self.rows)) >> 64) as u64, tag: high.max(1) }
    }

    fn row(&self, key: &DenyKey, step: u64) -> Option<(&AtomicU64, &AtomicU64)> {
        let first = usize::try_from((key.first + step) % self.rows).ok()? * ROW;
        match self.section.words().get(first..first + ROW)? {
            [tag, until] => Some((tag, until)),
            _ => None,
        }
    }

    /// Denies the key up to and including `until`; a moment in the past allows it again.
    ///
    /// # Errors
    /// No row is free for the key.
    pub fn deny(&self, key: &DenyKey, until: Millis) -> Result<(), Error> {
        for (tag, word) in (0..WALK).filter_map(|step| self.row(key, step)) {
            // Relaxed: a tag is written once, and until its second word is written the key is allowed, as before.
            let claimed = tag.compare_exchange(0, key.tag, Ordering::Relaxed, Ordering::Relaxed);
            if claimed.is_ok() || claimed == Err(key.tag) {
                // Release: who sees the denial sees what led to it.
                word.store(until.0.max(0).cast_unsigned(), Ordering::Release);
                return Ok(());
            }
        }
        Err(Error::Os { doing: "denying a key".into(), message: "the table of denied keys is full".into() })
    }

    /// Whether the key is denied at `now`.
    #[must_use]
    pub fn is_denied(&self, key: &DenyKey, now: Millis) -> bool {
        for (tag, word) in (0..WALK).filter_map(|step| self.row(key, step)) {
            // Relaxed: see `deny`.
            match tag.load(Ordering::Relaxed) {
                0 => return false,
                found if found == key.tag => {
                    let until = word.load(Ordering::Acquire);
                    return until != 0 && now.0 <= until.cast_signed();
                }
                _ => {}
            }
        }
        false
    }
}
