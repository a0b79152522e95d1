//! Tokens revoked one by one: a set of tags that forgets each when its token's life is over anyway.
//!
//! ```text
//! one word a token:  63..20 tag, never 0 | 19..0 end of life in units of 256 s since 2020, rounded up, modulo 2^20      0: never used
//! ```
//! A tag's hash names a group of 64 words; it goes into the first that was never used or whose end has passed, by compare-and-swap. A word
//! never returns to 0, so everything in a group stands before its first 0, where a search may stop. Ends compare serially: one that is more
//! than 2^19 units (4 years) away in either direction reads as the other side; tokens live a day and grants four years, so a live one never does, and a
//! forgotten one that does takes up a word until it reads as past again. A stranger's token is taken for a revoked one with a chance below
//! 64 · 2^-44.
//!
//! The control word holds the latest end of all: while none is in the future, nothing is revoked and no group is looked at.

use super::text::stamp;
use crate::sync::{AtomicU64, Ordering};
use crate::time::Millis;

pub(super) const GROUP: usize = 64;
const UNIT_BITS: u32 = 20;
const UNIT: u64 = (1 << UNIT_BITS) - 1;
const UNIT_MS: u64 = 256_000;

/// Words for so many tokens, at a load of one half: 32 of 64 words on average, six standard deviations from full.
pub(super) fn words(tokens: u64) -> u64 {
    tokens.saturating_mul(2).max(GROUP as u64).next_multiple_of(GROUP as u64)
}

/// The groups, and the control word.
#[derive(Clone, Copy)]
pub(super) struct Revoked<'w> {
    pub words: &'w [AtomicU64],
    pub latest: &'w AtomicU64,
}

fn unit(at: Millis) -> u64 {
    stamp(at) / UNIT_MS
}

fn is_over(word: u64, now: u64) -> bool {
    (word & UNIT).wrapping_sub(now) & UNIT > UNIT / 2
}

impl<'w> Revoked<'w> {
    fn group(self, hash: (u64, u64)) -> (&'w [AtomicU64], u64) {
        let groups = (self.words.len() / GROUP) as u64;
        let group = ((u128::from(hash.0) * u128::from(groups)) >> 64) as usize;
        let words = self.words.get(group * GROUP..(group + 1) * GROUP).unwrap_or_default();
        (words, (hash.1 >> UNIT_BITS).max(1) << UNIT_BITS)
    }

    /// Revokes a token whose life ends at `end`. `false` where there is no room.
    pub fn add(self, hash: (u64, u64), end: Millis, now: Millis) -> bool {
        let (words, tag) = self.group(hash);
        let (end, now) = (unit(end) + 1, unit(now));
        let own = tag | (end & UNIT);
        // Before the tag: who might see the tag also looks.
        self.latest.fetch_max(end, Ordering::AcqRel);
        for word in words {
            let mut found = word.load(Ordering::Acquire);
            loop {
                if found == own {
                    return true;
                }
                if found != 0 && !is_over(found, now) {
                    break;
                }
                match word.compare_exchange_weak(found, own, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => return true,
                    Err(other) => found = other,
                }
            }
        }
        false
    }

    /// Whether the token is revoked.
    pub fn has(self, hash: impl FnOnce() -> (u64, u64), now: Millis) -> bool {
        if self.latest.load(Ordering::Acquire) < unit(now) {
            return false;
        }
        let (words, tag) = self.group(hash());
        words
            .iter()
            .map(|word| word.load(Ordering::Acquire))
            .take_while(|word| *word != 0)
            .any(|word| word & !UNIT == tag)
    }
}
