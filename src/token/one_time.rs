//! One-time tokens that were sent: reserved, used, or given back.
//!
//! A slot is two words, and a page 256 slots:
//!
//! ```text
//! name:    63..24 tag, never 0 | 23..0 generation, modulo 2^24                                       0: never used
//! state:   63..43 generation, modulo 2^21 | 42..41 reserved 1, used 2, given back 3 | 40..0 end of the lease, ms since 2020
//! ```
//! *One slot for a token.* The generation g is the time of issue, which the token says under its MAC, in periods of P: all who race with one
//! token agree on it. They walk one fixed order of slots and put the name into the first one that is free *for g*: never used, or of
//! a generation g - 9 or less. Generations in a slot only rise, so a slot that is once not free for g never becomes so, and two racers
//! cannot put one name into two slots; the argument is that of room `nonce`, word for word. With P at least an eighth of a token's
//! life, a name that is overwritten belongs to a token that is over.
//!
//! *One reservation at a time.* What becomes of the token is decided on the state word alone, by compare-and-swap. A state of another
//! generation is left from an earlier name and means "nothing yet". From nothing, from given back, and from a reservation whose lease
//! is over, one racer gets to reserved, with a later end than any before (a lease begins when the last one has ended), so each
//! reservation is its own word: it can be committed or given back once, by its holder, and not at all after another one took over.
//! Used is the end.
//!
//! A worker that is stopped between the two words leaves a name without a state: nobody's reservation. One that is stopped while it holds
//! a reservation leaves it to its lease.

use super::text::{STAMP_BITS, stamp};
use crate::sync::{AtomicU64, Ordering};
use crate::time::Millis;
use crate::verdict::Ticket;

const SLOT: usize = 2;
const SLOTS: usize = 256;
pub(super) const PAGE: usize = SLOT * SLOTS;
/// Tokens for which a page is provided: 0.65 of its slots, seven standard deviations from full.
const PAGE_TOKENS: u64 = 166;
/// Least period of a generation, so that 2^23 of them are 15 years.
const PERIOD_MIN_MS: u64 = 60_000;
/// Generations of a token's life, and one more.
const LIFE: u64 = 9;
const NAME_BITS: u32 = 24;
const NAME: u64 = (1 << NAME_BITS) - 1;
const STATE_SHIFT: u32 = STAMP_BITS + 2;
const STATE_GENERATION: u64 = (1 << (64 - STATE_SHIFT)) - 1;

/// Words for so many tokens used within one life.
pub(super) fn words(tokens: u64) -> u64 {
    tokens.div_ceil(PAGE_TOKENS).max(1).saturating_mul(PAGE as u64)
}

/// Milliseconds of a generation.
pub(super) fn period_ms(life_s: u32) -> u64 {
    (u64::from(life_s) * 1000).div_ceil(LIFE - 1).max(PERIOD_MIN_MS)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reserved = 1,
    Used = 2,
    GivenBack = 3,
}

fn state_word(generation: u64, state: State, end: u64) -> u64 {
    (generation & STATE_GENERATION) << STATE_SHIFT | (state as u64) << STAMP_BITS | end & ((1 << STAMP_BITS) - 1)
}

/// The state of the slot's present name; `None` where the word is of an earlier one.
fn state_of(word: u64, generation: u64) -> Option<(State, u64)> {
    if word >> STATE_SHIFT != generation & STATE_GENERATION {
        return None;
    }
    let end = word & ((1 << STAMP_BITS) - 1);
    match word >> STAMP_BITS & 3 {
        1 => Some((State::Reserved, end)),
        2 => Some((State::Used, end)),
        3 => Some((State::GivenBack, end)),
        _ => None,
    }
}

/// The answer to a reservation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reserve {
    /// It is the caller's, by this ticket.
    Ours(Ticket),
    /// Used before.
    Used,
    /// Another call holds it for so many milliseconds more.
    Held { ms: u64 },
    /// Its life is over by the table's measure.
    Over,
    /// No room.
    Full,
}

/// The pages.
#[derive(Clone, Copy)]
pub(super) struct OneTime<'w> {
    pub words: &'w [AtomicU64],
    pub period_ms: u64,
}

impl<'w> OneTime<'w> {
    fn slot(self, number: usize) -> Option<(&'w AtomicU64, &'w AtomicU64)> {
        match self.words.get(number.checked_mul(SLOT)?..)? {
            [name, state, ..] => Some((name, state)),
            _ => None,
        }
    }

    /// The slot of a token, its name put in where it is not there.
    fn find(self, (low, high): (u64, u64), generation: u64) -> Result<usize, Reserve> {
        let pages = (self.words.len() / PAGE) as u64;
        let place = u128::from(low) * u128::from(pages * SLOTS as u64);
        let home = (place >> 64) as usize;
        let (page, first) = (home / SLOTS * SLOTS, home % SLOTS);
        let want = (high >> NAME_BITS).max(1) << NAME_BITS | generation & NAME;
        for step in 0..SLOTS {
            let number = page + (first + step) % SLOTS;
            let (name, _) = self.slot(number).ok_or(Reserve::Full)?;
            // Relaxed would do for the argument above; Acquire costs nothing and lets the state word's reader see it no older than the name.
            let mut found = name.load(Ordering::Acquire);
            loop {
                if found == want {
                    return Ok(number);
                }
                let behind = generation.wrapping_sub(found) & NAME;
                if found != 0 && !(LIFE..=NAME - LIFE + 1).contains(&behind) {
                    break;
                }
                if found != 0 && behind > NAME / 2 {
                    return Err(Reserve::Over);
                }
                match name.compare_exchange_weak(found, want, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => return Ok(number),
                    Err(other) => found = other,
                }
            }
        }
        Err(Reserve::Full)
    }

    /// Reserves a token that was issued at `issued`, until `lease_ms` from now.
    pub fn reserve(self, hash: (u64, u64), issued: Millis, now: Millis, lease_ms: u64) -> Reserve {
        let generation = stamp(issued) / self.period_ms.max(1);
        let number = match self.find(hash, generation) {
            Ok(number) => number,
            Err(refused) => return refused,
        };
        let Some((_, state)) = self.slot(number) else { return Reserve::Full };
        let now = stamp(now);
        let mut word = state.load(Ordering::Acquire);
        loop {
            let end = match state_of(word, generation) {
                Some((State::Used, _)) => return Reserve::Used,
                Some((State::Reserved, end)) if now <= end => return Reserve::Held { ms: end - now + 1 },
                // Later than the reservation that was given back, too: every reservation is a word of its own.
                Some((_, end)) => now.saturating_add(lease_ms).max(end + 1),
                None => now.saturating_add(lease_ms),
            };
            let reserved = state_word(generation, State::Reserved, end);
            match state.compare_exchange_weak(word, reserved, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Reserve::Ours(Ticket::of([number as u64 + 1, reserved, 0])),
                Err(found) => word = found,
            }
        }
    }

    /// Ends a reservation. `false` where the ticket holds none, or not any more.
    pub fn settle(self, ticket: &Ticket, used: bool) -> bool {
        let [number, reserved, _] = ticket.words();
        let slot = number.checked_sub(1).and_then(|number| self.slot(usize::try_from(number).ok()?));
        let Some((_, state)) = slot else { return false };
        if reserved >> STAMP_BITS & 3 != State::Reserved as u64 {
            return false;
        }
        let (generation, end) = (reserved >> STATE_SHIFT, reserved & ((1 << STAMP_BITS) - 1));
        let next = state_word(generation, if used { State::Used } else { State::GivenBack }, end);
        state.compare_exchange(reserved, next, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}
