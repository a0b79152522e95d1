//! Rows of a key: found by walking from the row that the key's hash names, taken for the key that needs one, used again for another key once
//! what they say is over.
//!
//! ```text
//! the section: words of its owner's | tags, one for each row | rows
//! tag:  63..32 tag of the key, never zero | 31..30 state | 29..0 number of the claim or the retirement        0: nobody's
//!
//!   0 ── claimed ──▶ settled ──▶ retiring ──▶ 0
//!          │            ▲            │
//!          ▼            └── rescued ─┘
//!          0
//! ```
//!
//! Two keys are taken for one with a chance below 10^-7.
//!
//! # Why a key never has two rows
//!
//! As a rate's cell (see the head of the room): a nobody's row is *claimed*, and the claimer then looks at the whole walk again. It gives up where
//! it sees its key's row, settled or retiring, or a claim of its key before its own; it takes claims after its own away; and having seen nothing
//! else of its key it settles the claim, by compare-and-swap from the claim's unique word. Who finds a claim of its key settles it likewise.
//! With the same steps in the same order the proof is the same.
//!
//! # Why nobody's row is taken from under it
//!
//! Where a walk has no nobody's row left, the first *spare* one is used again: what is in it is over, by its owner's judgement (`spare`). It is
//! first marked as retiring, by compare-and-swap; then judged again; and only then, by compare-and-swap from the mark's unique word, nobody's. Its
//! key keeps it by *rescuing* it: swapping the mark for the settled tag, whereupon the last swap fails. Whoever must not lose what it has
//! written (requests under way) writes first and then makes sure that the tag is settled ([`Tags::holds`]): if it is, the mark came later,
//! and the second judgement sees what was written (Dekker's pattern, see `sync`). A process that is killed in the middle leaves a claim or a mark,
//! and both can be undone by anybody.

use crate::error::Error;
use crate::hash::prf::{Kind, Prf};
use crate::shm::{Region, Section, SectionSpec, Shape};
use crate::sync::{AtomicU64, Ordering, publish_fence};

const WALK: u64 = 64;
/// Words for the owner that every section has at least; the last eight have the counter of claims.
pub(super) const LEAST: usize = 8;
/// Longest row, in words.
const ROW_MAX: usize = 160;

const TAG_SHIFT: u32 = 32;
const STATE: u64 = 3 << 30;
const SETTLED: u64 = 0;
const CLAIMED: u64 = 1 << 30;
const RETIRING: u64 = 2 << 30;
const NUMBER: u64 = (1 << 30) - 1;

/// The tag of a key in its place, from a hash.
pub(super) fn tag(hash: u64) -> u64 {
    (hash >> TAG_SHIFT).max(1) << TAG_SHIFT
}

fn same_tag(word: u64, tag: u64) -> bool {
    (word ^ tag) >> TAG_SHIFT == 0
}

/// How often a walk is begun anew because others changed what it saw. Each time somebody else got further.
const ATTEMPTS: usize = 100;

/// The tags that a key's walk goes through, and the key's own.
pub(super) struct Tags<'a> {
    pub words: &'a [AtomicU64],
    pub first: usize,
    pub tag: u64,
}

/// What a walk finds.
struct Found<'a> {
    /// The key's row, and its tag as it was seen.
    own: Option<(usize, u64)>,
    /// The first claim of the key.
    claimed: Option<(usize, u64)>,
    /// The first row of nobody.
    empty: Option<(usize, &'a AtomicU64)>,
}

impl<'a> Tags<'a> {
    /// Row numbers in the order of the walk, and their tags.
    fn walk(&self) -> impl Iterator<Item = (usize, &'a AtomicU64)> {
        let (words, first) = (self.words, self.first);
        (0..words.len().min(WALK as usize)).filter_map(move |step| {
            let number = (first + step) % words.len();
            Some((number, words.get(number)?))
        })
    }

    fn look(&self) -> Found<'a> {
        let mut found = Found { own: None, claimed: None, empty: None };
        for (number, word) in self.walk() {
            // SeqCst: a helper's look around (in `settle`) must come after the claim that it reads here.
            let seen = word.load(Ordering::SeqCst);
            if seen == 0 {
                found.empty = found.empty.or(Some((number, word)));
            } else if same_tag(seen, self.tag) {
                if seen & STATE != CLAIMED {
                    found.own = Some((number, seen));
                    return found;
                }
                found.claimed = found.claimed.or(Some((number, seen)));
            }
        }
        found
    }

    /// Whether the tag of row `number` is settled, after a rescue if need be. What the caller has written to the row before, with sequentially
    /// consistent accesses, then keeps the row its key's.
    pub fn holds(&self, number: usize) -> bool {
        publish_fence();
        let Some(place) = self.words.get(number) else { return false };
        // SeqCst: second half of Dekker's pattern.
        let mut word = place.load(Ordering::SeqCst);
        while same_tag(word, self.tag) {
            match word & STATE {
                SETTLED => return true,
                RETIRING => match place.compare_exchange(word, self.tag, Ordering::SeqCst, Ordering::SeqCst) {
                    Ok(_) => return true,
                    Err(now) => word = now,
                },
                _ => return false,
            }
        }
        false
    }

    /// The key's row, if it has one.
    pub fn find(&self) -> Option<usize> {
        (0..ATTEMPTS).find_map(|_| match self.look().own {
            None => Some(None),
            Some((number, word)) => (word & STATE == SETTLED || self.holds(number)).then_some(Some(number)),
        })?
    }

    /// The key's row, taken for it if it has none. `number` yields numbers that nobody else gets within 2^30. `spare` says of a row whether
    /// what is in it is over, and empties it if it is asked to by `true`. `None`: no row on the walk is nobody's or spare.
    pub fn find_or_take(
        &self,
        mut number: impl FnMut() -> u64,
        spare: impl Fn(usize, Judge<'_>) -> bool,
    ) -> Option<usize> {
        for _ in 0..ATTEMPTS {
            let found = self.look();
            if let Some((own, word)) = found.own {
                if word & STATE == SETTLED || self.holds(own) {
                    return Some(own);
                }
                continue;
            }
            let (row, mine) = match (found.claimed, found.empty) {
                (Some(claimed), _) => claimed,
                (None, Some((row, place))) => {
                    let mine = self.tag | CLAIMED | number() & NUMBER;
                    // SeqCst: first half of Dekker's pattern.
                    if place.compare_exchange(0, mine, Ordering::SeqCst, Ordering::Relaxed).is_err() {
                        continue;
                    }
                    (row, mine)
                }
                (None, None) => {
                    if !self.retire(&mut number, &spare) {
                        return None;
                    }
                    continue;
                }
            };
            if self.settle(row, mine) {
                return Some(row);
            }
        }
        None
    }

    /// Makes the claim `mine` on row `at` the one row of its key. `false`: look again from the start.
    fn settle(&self, at: usize, mine: u64) -> bool {
        publish_fence();
        let Some(own) = self.words.get(at) else { return false };
        let mut before = true;
        for (number, place) in self.walk() {
            if number == at {
                before = false;
                continue;
            }
            // SeqCst: the second half of Dekker's pattern; the first is the exchange that put the claim in.
            let mut word = place.load(Ordering::SeqCst);
            while same_tag(word, mine) {
                if word & STATE != CLAIMED || before {
                    // Relaxed: taking a claim away needs no order; it fails where somebody else has settled or removed it.
                    let _ = own.compare_exchange(mine, 0, Ordering::Relaxed, Ordering::Relaxed);
                    return false;
                }
                match place.compare_exchange(word, 0, Ordering::SeqCst, Ordering::SeqCst) {
                    Ok(_) => break,
                    Err(now) => word = now,
                }
            }
        }
        own.compare_exchange(mine, self.tag, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// Makes one row of the walk nobody's: the first spare one, else one that a claimer has left behind.
    fn retire(&self, number: &mut impl FnMut() -> u64, spare: &impl Fn(usize, Judge<'_>) -> bool) -> bool {
        for (row, place) in self.walk() {
            let word = place.load(Ordering::SeqCst);
            if word == 0 {
                return true;
            }
            if word & STATE == CLAIMED || !spare(row, Judge { mark: None }) {
                continue;
            }
            let mark = word >> TAG_SHIFT << TAG_SHIFT | RETIRING | number() & NUMBER;
            // SeqCst: first half of Dekker's pattern; the second are the loads of `spare`.
            if place.compare_exchange(word, mark, Ordering::SeqCst, Ordering::Relaxed).is_err() {
                continue;
            }
            publish_fence();
            let over = spare(row, Judge { mark: Some((place, mark)) });
            let next = if over { 0 } else { word >> TAG_SHIFT << TAG_SHIFT };
            if place.compare_exchange(mark, next, Ordering::SeqCst, Ordering::Relaxed).is_ok() && over {
                return true;
            }
        }
        // A claim lasts microseconds; its claimer, should it still be there, begins anew.
        self.walk().any(|(_, place)| {
            let word = place.load(Ordering::SeqCst);
            word & STATE == CLAIMED && place.compare_exchange(word, 0, Ordering::SeqCst, Ordering::Relaxed).is_ok()
        })
    }
}

/// For what a row is judged.
pub(super) struct Judge<'a> {
    /// The row's tag, and the mark that stands there; `None`: for a first look.
    mark: Option<(&'a AtomicU64, u64)>,
}

impl Judge<'_> {
    /// Judges `row` by its words, `over`, and, where it stands marked, replaces each by what `fresh` says. A word that its key changes meanwhile stays.
    pub fn words(&self, row: &[AtomicU64], over: impl Fn(&[u64]) -> bool, fresh: impl Fn(usize, u64) -> u64) -> bool {
        let mut words = [0; ROW_MAX];
        let count = row.len().min(ROW_MAX);
        for (word, place) in words.iter_mut().zip(row) {
            *word = place.load(Ordering::SeqCst);
        }
        if !over(&words[..count]) {
            return false;
        }
        if let Some((tag, mark)) = self.mark {
            // While the mark stands nobody has rescued the row: what was read is what is over.
            if tag.load(Ordering::SeqCst) != mark {
                return false;
            }
            for (at, (word, place)) in words.into_iter().zip(row).enumerate() {
                let _ = place.compare_exchange(word, fresh(at, word), Ordering::SeqCst, Ordering::Relaxed);
            }
        }
        true
    }
}

/// What a table of rows is made for.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// The section's name.
    pub section: &'static str,
    /// How the user knows the number of keys.
    pub fact: &'static str,
    /// Domain of the keyed hash.
    pub domain: u8,
    /// Words before the tags: at least [`LEAST`], of which the last eight are the table's own.
    pub control: usize,
    /// Words in a row.
    pub row: usize,
    /// Keys in use at one time.
    pub keys: u64,
}

impl Plan {
    fn rows(&self) -> u64 {
        self.keys.saturating_mul(2).max(WALK).saturating_add(7) / 8 * 8
    }

    fn words(&self) -> u64 {
        self.rows().saturating_mul(self.row as u64 + 1).saturating_add(self.control as u64)
    }

    pub fn spec(&self, kind: Kind) -> SectionSpec {
        SectionSpec {
            name: self.section,
            words: self.words(),
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
    rows: usize,
    row: usize,
    control: usize,
    domain: u8,
}

/// A key, hashed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowKey {
    first: usize,
    tag: u64,
}

impl Rows {
    pub fn open(region: &Region, plan: &Plan) -> Result<Self, Error> {
        let section = region.section_of(plan.section, plan.words())?;
        let prf =
            Prf::recorded(region.chosen(plan.section, "prf"), region.key(1)).ok_or_else(|| region.foreign_hash())?;
        // The section is as long as that: it fits an address space.
        let rows = usize::try_from(plan.rows()).unwrap_or(0);
        Ok(Self { section, prf, rows, row: plan.row, control: plan.control, domain: plan.domain })
    }

    /// Words before the tags, for the owner.
    pub fn control(&self) -> &[AtomicU64] {
        self.section.words().get(..self.control - LEAST).unwrap_or_default()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// The words of a row.
    pub fn row(&self, number: usize) -> Option<&[AtomicU64]> {
        let first = number.checked_mul(self.row)?.checked_add(self.control + self.rows)?;
        self.section.words().get(first..first.checked_add(self.row)?)
    }

    /// Hashes what the rows are keyed by.
    pub fn key(&self, parts: &[&[u8]]) -> RowKey {
        let (low, high) = self.prf.hash_in(self.domain, parts);
        RowKey { first: ((u128::from(low) * self.rows as u128) >> 64) as usize, tag: tag(high) }
    }

    /// The tags on the key's walk.
    pub fn tags(&self, key: RowKey) -> Tags<'_> {
        let words = self.section.words().get(self.control..self.control + self.rows).unwrap_or_default();
        Tags { words, first: key.first, tag: key.tag }
    }

    /// The key's row, taken for it if it has none. `None` where no row on its walk is nobody's or spare.
    pub fn find_or_take(&self, key: RowKey, spare: impl Fn(&[AtomicU64], Judge<'_>) -> bool) -> Option<usize> {
        let claims = self.section.words().get(self.control - LEAST)?;
        // Relaxed: only uniqueness counts.
        let number = || claims.fetch_add(1, Ordering::Relaxed);
        self.tags(key).find_or_take(number, |row, judge| self.row(row).is_some_and(|row| spare(row, judge)))
    }

    /// A hash of bytes under the region's key, for what is counted in a row.
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        self.prf.hash_in(self.domain + 1, &[bytes]).1
    }
}
