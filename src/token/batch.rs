//! Access tokens checked side by side: their MACs eight at a time, then each against what shared memory holds.
//!
//! A token's text and MAC say the same whenever they are looked at, so they are read for all tokens together; revocation, refresh and time are looked at
//! one token after the other, in order, by the code that checks one token alone. So a token's answer does not depend on what stands beside it.

use super::policy::Policy;
use super::store::Store;
use super::text::{self, Claims, Decoded, Kind, MAC, Of};
use crate::time::Millis;
use crate::verdict::Reason;

/// Tokens that are read together: in the nearest cache.
const CHUNK: usize = 128;

/// One token to check, of many.
#[derive(Clone, Copy, Debug)]
pub struct Check<'a> {
    /// The app that sent it.
    pub app: &'a [u8],
    /// Its text.
    pub token: &'a [u8],
    /// How old it may be, where the call says.
    pub max_age_ms: Option<i64>,
}

/// What a token says, where one of our keys made it for its app: its claims and its MAC, which names it among all tokens.
pub(crate) type Read = Option<(Claims, [u8; MAC])>;

/// Scratch memory for tokens that are checked together: nothing is allocated once it has grown.
#[derive(Default)]
pub struct Checker {
    decoded: Vec<Decoded>,
    /// The places of those that name a key.
    order: Vec<u32>,
    good: Vec<bool>,
}

impl std::fmt::Debug for Checker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checker").finish_non_exhaustive()
    }
}

impl Checker {
    /// For one thread.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads `count` access tokens: `sent(i)` is the app that sent the i-th, and its text, if it sent one.
    pub(crate) fn read<'a>(
        &mut self,
        policy: &Policy,
        count: usize,
        sent: impl Fn(usize) -> Option<(&'a [u8], &'a [u8])>,
    ) {
        let Self { decoded, order, good } = self;
        decoded.clear();
        order.clear();
        for at in 0..count {
            let found = sent(at).and_then(|(_, token)| text::decode(&policy.keys, token));
            if found.is_some() {
                order.push(at as u32);
            }
            decoded.push(found.unwrap_or(Decoded::NONE));
        }
        good.clear();
        good.resize(count, false);
        for (number, keys) in policy.keys.iter().enumerate() {
            let of_key = order.iter().map(|at| *at as usize).filter(|at| decoded[*at].key == number);
            let message = |at: usize| Of::app(sent(at).map_or(&[], |(app, _)| app)).message(decoded[at].packed());
            keys.of(Kind::Access).mac_each(of_key, message, |at, code| good[at] = decoded[at].fits(code));
        }
    }

    /// What the token at `at` of those that were read says.
    pub(crate) fn said(&self, at: usize) -> Read {
        let good = self.good.get(at) == Some(&true);
        self.decoded.get(at).filter(|_| good).map(|found| (found.claims, found.mac()))
    }

    /// Wipes what was read: without their MACs tokens are worth nothing.
    pub(crate) fn wipe(&mut self) {
        self.decoded.iter_mut().for_each(Decoded::wipe);
        self.good.clear();
    }
}

impl Store {
    /// As [`Store::check`] for each of `checks`, in order, for as many as both slices have; the answers are the same.
    pub fn check_batch(
        &self,
        policy: &Policy,
        checks: &[Check<'_>],
        now: Millis,
        checker: &mut Checker,
        answers: &mut [Result<(), Reason>],
    ) {
        for (checks, answers) in checks.chunks(CHUNK).zip(answers.chunks_mut(CHUNK)) {
            checker.read(policy, checks.len().min(answers.len()), |at| {
                checks.get(at).map(|check| (check.app, check.token))
            });
            for (at, (check, answer)) in checks.iter().zip(answers).enumerate() {
                *answer = self.judge(policy, check.app, checker.said(at), check.max_age_ms, now);
            }
            checker.wipe();
        }
    }
}
