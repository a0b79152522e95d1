//! What the table is made for, the sizes that follow, and a table carried over to another size.

use super::page::WINDOW;
use super::period::Period;
use crate::hash::prf::Kind;
use crate::shm::{FoundSection, PAGE_WORDS, Resize, SectionSpec, Shape};
use crate::sync::{AtomicU64, Ordering};

pub(super) const SECTION: &str = "nonce";
/// Words in a page.
pub(super) const PAGE: usize = PAGE_WORDS;
/// Entries for which a page is provided: 0.72 of its 448 slots, seven standard deviations from full.
const PAGE_ENTRIES: u64 = 322;
/// Words before the first page: the sweep's and the counters, each on its own cache line.
pub(super) const CONTROL: usize = PAGE_WORDS;
/// Control word: next page to sweep.
pub(super) const CURSOR: usize = 8;

/// What the table is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonceConfig {
    /// Nonces that are live at one time without any refusal, in whatever rhythm they come.
    pub capacity: u64,
    /// How far a timestamp may lie in the past, in milliseconds.
    pub past_window_ms: u64,
    /// How far a timestamp may lie in the future, in milliseconds.
    pub future_window_ms: u64,
    /// Allowance for clocks of processes that disagree, in milliseconds.
    pub skew_ms: u64,
    /// Whether a new region refuses what an older one may have admitted.
    pub birth_rule: bool,
}

impl Default for NonceConfig {
    fn default() -> Self {
        Self { capacity: 1_000_000, past_window_ms: 300_000, future_window_ms: 5_000, skew_ms: 0, birth_rule: true }
    }
}

/// Sizes that follow from a configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub period: Period,
    pub pages: u64,
    pub words: u64,
}

impl NonceConfig {
    pub(super) fn geometry(&self) -> Geometry {
        let window = self.past_window_ms.saturating_add(self.future_window_ms).clamp(1000, 1 << 40);
        let span = window + self.skew_ms.min(1 << 40);
        let period = span.div_ceil(WINDOW);
        // A slot is used again after 9 generations, the live ones are those of the window: of 8, or less where clocks are allowed to differ.
        let entries = u128::from(self.capacity) * u128::from(period) * u128::from(WINDOW + 1) / u128::from(window) + 1;
        let pages = u64::try_from(entries.div_ceil(u128::from(PAGE_ENTRIES))).unwrap_or(u64::MAX);
        let words = pages.saturating_mul(PAGE_WORDS as u64).saturating_add(CONTROL as u64);
        Geometry { period: Period::new(i64::try_from(period).unwrap_or(i64::MAX)), pages, words }
    }

    /// The configuration that a section was made for.
    #[must_use]
    pub fn of_section(section: &FoundSection) -> Option<Self> {
        Some(Self {
            capacity: section.fact("nonces")?,
            past_window_ms: section.fact("past_window_ms")?,
            future_window_ms: section.fact("future_window_ms")?,
            skew_ms: section.fact("skew_ms")?,
            birth_rule: true,
        })
    }

    /// The next configuration for at least `capacity` nonces to which a table of this one can be carried over, and the section's change: one
    /// with a whole multiple of its pages.
    #[must_use]
    pub fn grown(&self, capacity: u64) -> Option<(Self, Resize)> {
        let old = self.geometry().pages;
        let of = |capacity| Self { capacity, ..*self };
        let pages = of(capacity.max(1)).geometry().pages.checked_next_multiple_of(old)?;
        // The most nonces for which so many pages are provided: between these two, as a page is provided for more than 64 and less than 512.
        let (mut low, mut high) = (pages.checked_mul(64)? / 2, pages.checked_mul(512)?);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if of(middle).geometry().pages <= pages { low = middle } else { high = middle - 1 }
        }
        let grown = of(low);
        let words = grown.geometry().words;
        (grown.geometry().pages == pages)
            .then_some((grown, Resize { section: SECTION, words, fact: "nonces", value: low }))
    }

    /// Milliseconds in a generation.
    pub(super) fn period(&self) -> i64 {
        self.geometry().period.ms()
    }

    /// The section to ask the region for. `kind` is used where this process creates the region.
    #[must_use]
    pub fn section(&self, kind: Kind) -> SectionSpec {
        let fact = |name, value| Shape { name, value, chosen: false };
        SectionSpec {
            name: SECTION,
            words: self.geometry().words,
            shape: vec![
                fact("nonces", self.capacity),
                fact("past_window_ms", self.past_window_ms),
                fact("future_window_ms", self.future_window_ms),
                fact("skew_ms", self.skew_ms),
                Shape { name: "prf", value: kind.number(), chosen: true },
            ],
        }
    }
}

/// Carries the words of a table over to one with a whole multiple of its pages. A message's page is floor(low × pages / 2^64), so with k times the
/// pages it is one of the k that stand where its old page stood: each of them gets a copy of the whole old page. Every entry is then where a walk
/// for it looks, at the same line and slot, and nobody else's; the copies go as their time passes. `false`: the sizes do not fit.
#[must_use]
pub fn carry(old: &[AtomicU64], new: &[AtomicU64]) -> bool {
    let (Some((old_control, old)), Some((new_control, new))) =
        (old.split_at_checked(CONTROL), new.split_at_checked(CONTROL))
    else {
        return false;
    };
    let (old, new) = (old.as_chunks::<PAGE>(), new.as_chunks::<PAGE>());
    if old.0.is_empty() || new.0.len() % old.0.len() != 0 || !old.1.is_empty() || !new.1.is_empty() {
        return false;
    }
    let times = new.0.len() / old.0.len();
    let copy = |from: &[AtomicU64], to: &[AtomicU64]| {
        for (from, to) in from.iter().zip(to) {
            // Acquire and Relaxed: nobody writes to the old table any more, nobody sees the new one yet.
            to.store(from.load(Ordering::Acquire), Ordering::Relaxed);
        }
    };
    copy(old_control, new_control);
    if let Some(cursor) = new_control.get(CURSOR) {
        cursor.store(0, Ordering::Relaxed);
    }
    for (number, page) in new.0.iter().enumerate() {
        copy(&old.0[number / times], page);
    }
    true
}
