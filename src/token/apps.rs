//! A row for each app that ever refreshed or was revoked: its generation and since when, and up to when its tokens are revoked.
//!
//! ```text
//! row:   tag, written once | refresh | revoked | 0
//! refresh:  63..41 generation, modulo 2^23 | 40..0 when it began, ms since 2020        0: never refreshed
//! revoked:  40..0 tokens issued up to here are revoked, plus one                       0: none
//! ```
//! Both words change by compare-and-swap of the whole word, and only forward. Rows are found by walking from the row that the app's keyed
//! hash names, up to [`WALK`] rows; they are never given back, as there are as many apps as the document has.

use super::text::{GENERATION_BITS, STAMP_BITS, moment, stamp};
use crate::sync::{AtomicU64, Ordering};
use crate::time::Millis;

pub(super) const ROW: usize = 4;
const WALK: u64 = 64;
const STAMP: u64 = (1 << STAMP_BITS) - 1;

/// Rows for so many apps.
pub(super) fn rows(apps: u64) -> u64 {
    apps.saturating_mul(2).max(WALK)
}

/// The rows.
#[derive(Clone, Copy)]
pub(super) struct Apps<'w> {
    pub words: &'w [AtomicU64],
    /// Not 0 before any app has a row: until then nobody looks for one.
    pub any: &'w AtomicU64,
}

/// An app's row.
#[derive(Clone, Copy)]
pub(super) struct Row<'w> {
    refresh: &'w AtomicU64,
    revoked: &'w AtomicU64,
}

impl<'w> Apps<'w> {
    fn walk(self, (low, _): (u64, u64)) -> impl Iterator<Item = (&'w AtomicU64, Row<'w>)> {
        let rows = (self.words.len() / ROW) as u64;
        let first = ((u128::from(low) * u128::from(rows)) >> 64) as u64;
        (0..WALK.min(rows)).filter_map(move |step| {
            let row = first + step;
            let at = usize::try_from(if row < rows { row } else { row - rows }).ok()? * ROW;
            match self.words.get(at..at + ROW)? {
                [tag, refresh, revoked, _] => Some((tag, Row { refresh, revoked })),
                _ => None,
            }
        })
    }

    /// The app's row, if it has one. `hash` is called where any app has.
    #[inline]
    pub fn find(self, hash: impl FnOnce() -> (u64, u64)) -> Option<Row<'w>> {
        // Acquire: the word is set before the first row is made, so who does not see it set looks before whoever makes that row is done.
        if self.any.load(Ordering::Acquire) == 0 {
            return None;
        }
        let hash = hash();
        for (tag, row) in self.walk(hash) {
            // Acquire: with the tag come the words that its first writer knew.
            match tag.load(Ordering::Acquire) {
                0 => return None,
                found if found == hash.1.max(1) => return Some(row),
                _ => {}
            }
        }
        None
    }

    /// The app's row, made where it has none; `None` where there is no room.
    pub fn find_or_make(self, hash: (u64, u64)) -> Option<Row<'w>> {
        let own = hash.1.max(1);
        if self.any.load(Ordering::Relaxed) == 0 {
            self.any.store(1, Ordering::Release);
        }
        self.walk(hash).find_map(|(tag, row)| match tag.compare_exchange(0, own, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Some(row),
            Err(found) => (found == own).then_some(row),
        })
    }
}

/// How an app's generation stands to a token's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Age {
    /// Good.
    Current,
    /// Of the generation before, within the overlap.
    Overlap,
    /// Superseded.
    Over,
}

impl Row<'_> {
    /// The generation for a new token.
    pub fn generation(self) -> u32 {
        (self.refresh.load(Ordering::Acquire) >> STAMP_BITS) as u32
    }

    /// Begins another generation, unless one began less than `overlap_ms` ago; returns the one that is current then.
    pub fn refresh(self, now: Millis, overlap_ms: u64) -> u32 {
        let at = stamp(now);
        let mut word = self.refresh.load(Ordering::Acquire);
        loop {
            let (generation, began) = (word >> STAMP_BITS, word & STAMP);
            // A clock that was stepped back counts as within the overlap.
            if word != 0 && at < began.saturating_add(overlap_ms) {
                return generation as u32;
            }
            let next = (generation + 1) << STAMP_BITS | at;
            match self.refresh.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return (next >> STAMP_BITS) as u32,
                Err(found) => word = found,
            }
        }
    }

    /// How a token of `generation`, issued at `issued`, stands at `now`. A token that is ahead was refreshed on another machine: its
    /// generation becomes this one's too.
    pub fn age(self, generation: u32, issued: Millis, now: Millis, overlap_ms: u64) -> Age {
        const MASK: u64 = (1 << GENERATION_BITS) - 1;
        let mut word = self.refresh.load(Ordering::Acquire);
        loop {
            let (own, began) = (word >> STAMP_BITS, word & STAMP);
            let behind = own.wrapping_sub(u64::from(generation)) & MASK;
            if behind == 0 {
                return Age::Current;
            }
            if behind <= MASK / 2 {
                let overlap = behind == 1 && stamp(now) < began.saturating_add(overlap_ms);
                return if overlap { Age::Overlap } else { Age::Over };
            }
            let ahead = (MASK + 1) - behind;
            let next = (own + ahead) << STAMP_BITS | stamp(issued).max(began);
            match self.refresh.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Age::Current,
                Err(found) => word = found,
            }
        }
    }

    /// Revokes what was issued up to `until`.
    pub fn revoke(self, until: Millis) {
        revoke(self.revoked, until);
    }

    /// Up to when tokens are revoked.
    pub fn revoked(self) -> Option<Millis> {
        revoked(self.revoked)
    }
}

/// Revokes, in `word`, what was issued up to `until`. Never backward.
pub(super) fn revoke(word: &AtomicU64, until: Millis) {
    // Release: who sees the revocation sees what led to it.
    word.fetch_max(stamp(until) + 1, Ordering::AcqRel);
}

/// Up to when tokens are revoked by `word`.
pub(super) fn revoked(word: &AtomicU64) -> Option<Millis> {
    word.load(Ordering::Acquire).checked_sub(1).map(moment)
}
