//! Rows of a key for the life of the region: found by walking from the row that the key's hash names, taken by writing its tag once.

use crate::error::Error;
use crate::hash::prf::{Kind, Prf};
use crate::shm::{Region, Section, SectionSpec, Shape};
use crate::sync::{AtomicU64, Ordering};

const WALK: u64 = 64;

/// What a table of rows is made for.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// The section's name.
    pub section: &'static str,
    /// How the user knows the number of keys.
    pub fact: &'static str,
    /// Domain of the keyed hash.
    pub domain: u8,
    /// Words in a row, the tag's included.
    pub row: usize,
    /// Keys over the life of the region.
    pub keys: u64,
}

impl Plan {
    fn rows(&self) -> u64 {
        self.keys.saturating_mul(2).max(WALK)
    }

    pub fn spec(&self, kind: Kind) -> SectionSpec {
        SectionSpec {
            name: self.section,
            words: self.rows().saturating_mul(self.row as u64),
            shape: vec![
                Shape { name: self.fact, value: self.keys, chosen: false },
                Shape { name: "prf", value: kind.number(), chosen: true },
            ],
        }
    }
}

/// The rows of one region.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    section: Section,
    prf: Prf,
    rows: u64,
    row: usize,
    domain: u8,
}

impl Rows {
    pub fn open(region: &Region, plan: &Plan) -> Result<Self, Error> {
        let rows = plan.rows();
        let section = region.section_of(plan.section, rows.saturating_mul(plan.row as u64))?;
        let prf =
            Prf::recorded(region.chosen(plan.section, "prf"), region.key(1)).ok_or_else(|| region.foreign_hash())?;
        Ok(Self { section, prf, rows, row: plan.row, domain: plan.domain })
    }

    /// The words of a row.
    pub fn row(&self, number: u64) -> Option<&[AtomicU64]> {
        let first = usize::try_from(number).ok()?.checked_mul(self.row)?;
        self.section.words().get(first..first.checked_add(self.row)?)
    }

    /// The key's row, taken for it if it has none. `None` where 64 rows on are all taken.
    pub fn find_or_take(&self, parts: &[&[u8]]) -> Option<u64> {
        let (low, high) = self.prf.hash_in(self.domain, parts);
        let first = ((u128::from(low) * u128::from(self.rows)) >> 64) as u64;
        let tag = high.max(1);
        (0..WALK).map(|step| (first + step) % self.rows).find(|number| {
            // Relaxed: a tag is written once and is all there is to read.
            self.row(*number).and_then(<[AtomicU64]>::first).is_some_and(|word| match word.load(Ordering::Relaxed) {
                0 => match word.compare_exchange(0, tag, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => true,
                    Err(found) => found == tag,
                },
                found => found == tag,
            })
        })
    }

    /// A hash of bytes under the region's key, for what is counted in a row.
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        self.prf.hash_in(self.domain + 1, &[bytes]).1
    }
}
