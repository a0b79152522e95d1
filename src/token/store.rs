//! The tokens of one region: issued, checked, refreshed, revoked; reserved, committed, released.

use super::apps::{self, Age, Apps, Row};
use super::batch::Read;
use super::one_time::{self, OneTime, Reserve};
use super::policy::Policy;
use super::revoked::{self, Revoked};
use super::text::{self, Claims, Kind, Of, TokenText};
use crate::error::Error;
use crate::hash::prf::{self, Prf};
use crate::shm::{PAGE_WORDS, Region, Section, SectionSpec, Shape};
use crate::sync::AtomicU64;
use crate::time::Millis;
use crate::verdict::{Reason, Ticket};

const SECTION: &str = "token";
/// Control words, each on its own cache line: up to when everything is revoked; the latest end of a revoked token's life; whether any app has a row.
const CONTROL: usize = PAGE_WORDS;
const REVOKED_ALL: usize = 0;
const REVOKED_LATEST: usize = 8;
const ANY_APP: usize = 16;
/// How far in the future a token may have been issued: clocks of machines differ.
pub(super) const AHEAD_MS: i64 = 5_000;
/// Domains of the keyed hash.
const OF_APP: u8 = 16;
const OF_TOKEN: u8 = 17;
const OF_ONE_TIME: u8 = 18;

/// What the section is made for. Cannot change while the region is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Apps that ever refresh or are revoked.
    pub apps: u64,
    /// Tokens revoked one by one and still within their life.
    pub revocations: u64,
    /// One-time tokens sent within their life (nine minutes, where that is longer).
    pub one_time: u64,
    /// Life of one-time tokens in seconds.
    pub one_time_life_s: u32,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { apps: 10_000, revocations: 10_000, one_time: 100_000, one_time_life_s: 600 }
    }
}

impl Sizes {
    /// First word of the apps' rows, of the revoked tokens, of the one-time tokens, and the end.
    fn places(&self) -> [u64; 4] {
        let apps = CONTROL as u64;
        let revoked = apps.saturating_add(apps::rows(self.apps).saturating_mul(apps::ROW as u64)).next_multiple_of(64);
        let one_time = revoked.saturating_add(revoked::words(self.revocations)).next_multiple_of(64);
        [apps, revoked, one_time, one_time.saturating_add(one_time::words(self.one_time))]
    }

    /// The section to ask the region for. `kind` is used where this process creates the region.
    #[must_use]
    pub fn section(&self, kind: prf::Kind) -> SectionSpec {
        let fact = |name, value| Shape { name, value, chosen: false };
        SectionSpec {
            name: SECTION,
            words: self.places()[3],
            shape: vec![
                fact("token_apps", self.apps),
                fact("revocations", self.revocations),
                fact("one_time", self.one_time),
                fact("one_time_life_s", self.one_time_life_s.into()),
                Shape { name: "prf", value: kind.number(), chosen: true },
            ],
        }
    }
}

/// Why a token was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// [`Reason::TokenInvalid`], [`Reason::TokenExpired`], [`Reason::TokenRevoked`], [`Reason::IdempotencyUsed`],
    /// [`Reason::NonceStoreFull`].
    pub reason: Reason,
    /// For a one-time token that another call holds: milliseconds after which that hold ends by itself.
    pub retry_after_ms: u64,
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self { reason, retry_after_ms: 0 }
    }
}

/// A token that was issued.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Issued {
    /// What the client sends.
    pub token: TokenText,
    /// Seconds that it lives (`expires_in` of the guide).
    pub expires_in_s: u32,
}

/// The tokens of one region. Cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Store {
    section: Section,
    pub(super) prf: Prf,
    pub(super) sizes: Sizes,
    places: [usize; 4],
    /// Tokens issued before are refused; `None` without the birth rule.
    pub(super) birth: Option<Millis>,
}

impl Store {
    /// The section in `region`, which was opened with [`Sizes::section`] of the same `sizes`.
    ///
    /// # Errors
    /// The region has no such section, or was made with a hash that this CPU cannot compute.
    pub fn open(region: &Region, sizes: &Sizes, birth_rule: bool) -> Result<Self, Error> {
        let section = region.section_of(SECTION, sizes.places()[3])?;
        let prf = Prf::recorded(region.chosen(SECTION, "prf"), region.key(1)).ok_or_else(|| region.foreign_hash())?;
        // They fit: the section has that length.
        let places = sizes.places().map(|place| usize::try_from(place).unwrap_or(0));
        Ok(Self { section, prf, sizes: *sizes, places, birth: birth_rule.then(|| region.birth()) })
    }

    /// What it was made for.
    #[must_use]
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    fn part(&self, which: usize) -> &[AtomicU64] {
        self.section.words().get(self.places[which]..self.places[which + 1]).unwrap_or_default()
    }

    fn apps(&self) -> Option<Apps<'_>> {
        Some(Apps { words: self.part(0), any: self.control(ANY_APP)? })
    }

    /// The app's row, if it has one.
    #[inline]
    fn row(&self, app: &[u8]) -> Option<Row<'_>> {
        self.apps()?.find(|| self.of_app(app))
    }

    /// The app's row, made where it has none; `None` where there is no room.
    fn made_row(&self, app: &[u8]) -> Option<Row<'_>> {
        self.apps()?.find_or_make(self.of_app(app))
    }

    fn control(&self, word: usize) -> Option<&AtomicU64> {
        self.section.words().get(word)
    }

    pub(super) fn revoked(&self) -> Option<Revoked<'_>> {
        Some(Revoked { words: self.part(1), latest: self.control(REVOKED_LATEST)? })
    }

    pub(super) fn one_time(&self) -> OneTime<'_> {
        OneTime { words: self.part(2), period_ms: one_time::period_ms(self.sizes.one_time_life_s) }
    }

    fn of_app(&self, app: &[u8]) -> (u64, u64) {
        self.prf.hash_in(OF_APP, &[app])
    }

    /// Issues a token to `app`, for `life_s` seconds or the policy's, capped by it; beside those that the app has. The caller has made
    /// sure who asks: by a signed request.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn issue(&self, policy: &Policy, app: &[u8], life_s: Option<u32>, now: Millis) -> Result<Issued, Error> {
        let generation = self.row(app).map_or(0, Row::generation);
        self.write(policy, app, life_s, generation, now)
    }

    /// Issues a token that takes the place of the app's earlier ones: those are good for the policy's overlap and no longer.
    ///
    /// # Errors
    /// There are more apps than the region was made for; or as for [`Store::issue`].
    pub fn refresh(&self, policy: &Policy, app: &[u8], life_s: Option<u32>, now: Millis) -> Result<Issued, Error> {
        let row = self.made_row(app).ok_or_else(|| full("refreshing a token", "apps"))?;
        let generation = row.refresh(now, policy.overlap_ms.max(1_000));
        self.write(policy, app, life_s, generation, now)
    }

    fn write(
        &self,
        policy: &Policy,
        app: &[u8],
        life_s: Option<u32>,
        generation: u32,
        now: Millis,
    ) -> Result<Issued, Error> {
        let longest = policy.max_life_s.min(Policy::LIFE_MAX_S);
        let life_s = life_s.unwrap_or(policy.life_s).clamp(1, longest.max(1));
        // What is revoked up to now would take a token of this very millisecond with it.
        let of_all = self.control(REVOKED_ALL).and_then(apps::revoked);
        let of_app = self.row(app).and_then(Row::revoked);
        let issued = [of_all, of_app].into_iter().flatten().map(|until| until.plus(1)).fold(now, Millis::max);
        let claims = Claims { key: 0, issued: issued.min(now.plus(AHEAD_MS)), life_s, generation, random: random()? };
        let token = make(policy, Kind::Access, claims, Of::app(app))?;
        Ok(Issued { token, expires_in_s: life_s })
    }

    /// Whether `token` is good for a call of `app` at `now`; where `max_age_ms` is given, it must not be older.
    ///
    /// # Errors
    /// [`Reason::TokenInvalid`]: not a token of ours for this app. [`Reason::TokenExpired`]: its life is over, it was superseded by a
    /// refresh, is too old for this call, or older than the region. [`Reason::TokenRevoked`].
    pub fn check(
        &self,
        policy: &Policy,
        app: &[u8],
        token: &[u8],
        max_age_ms: Option<i64>,
        now: Millis,
    ) -> Result<(), Reason> {
        let read = text::read(&policy.keys, Kind::Access, token, Of::app(app));
        self.judge(policy, app, read, max_age_ms, now)
    }

    /// [`Store::check`] of a token that was read before.
    pub(crate) fn judge(
        &self,
        policy: &Policy,
        app: &[u8],
        read: Read,
        max_age_ms: Option<i64>,
        now: Millis,
    ) -> Result<(), Reason> {
        let (claims, mac) = read.ok_or(Reason::TokenInvalid)?;
        let age = now.since(claims.issued);
        if age < -AHEAD_MS {
            return Err(Reason::TokenInvalid);
        }
        // The cap in force counts, also for tokens that were issued under another one.
        let life = i64::from(claims.life_s.min(policy.max_life_s)) * 1000;
        if age >= life.min(max_age_ms.unwrap_or(i64::MAX)) || self.birth.is_some_and(|birth| claims.issued < birth) {
            return Err(Reason::TokenExpired);
        }
        let row = self.row(app);
        let of_all = self.control(REVOKED_ALL).and_then(apps::revoked);
        let of_app = row.and_then(|row| row.revoked());
        if [of_all, of_app].into_iter().flatten().any(|until| claims.issued <= until) {
            return Err(Reason::TokenRevoked);
        }
        let hash = || self.prf.hash_in(OF_TOKEN, &[&mac]);
        if self.revoked().is_some_and(|revoked| revoked.has(hash, now)) {
            return Err(Reason::TokenRevoked);
        }
        // Without a row nothing was refreshed here; a token of a later generation was, elsewhere.
        let row = row.or_else(|| match claims.generation {
            0 => None,
            _ => self.made_row(app),
        });
        match row.map(|row| row.age(claims.generation, claims.issued, now, policy.overlap_ms.max(1_000))) {
            Some(Age::Over) => Err(Reason::TokenExpired),
            Some(Age::Current | Age::Overlap) | None => Ok(()),
        }
    }

    /// Revokes one token of `app`.
    ///
    /// # Errors
    /// [`Reason::TokenInvalid`]: not a token of ours for this app. [`Reason::NonceStoreFull`]: no room for it; revoke the app's.
    pub fn revoke(&self, policy: &Policy, app: &[u8], token: &[u8], now: Millis) -> Result<(), Reason> {
        let (claims, mac) = text::read(&policy.keys, Kind::Access, token, Of::app(app)).ok_or(Reason::TokenInvalid)?;
        let hash = self.prf.hash_in(OF_TOKEN, &[&mac]);
        let added = self.revoked().is_some_and(|revoked| revoked.add(hash, claims.expires(), now));
        if added { Ok(()) } else { Err(Reason::NonceStoreFull) }
    }

    /// Revokes every token of `app` that was issued at or before `until`.
    ///
    /// # Errors
    /// There are more apps than the region was made for.
    pub fn revoke_app(&self, app: &[u8], until: Millis) -> Result<(), Error> {
        let row = self.made_row(app).ok_or_else(|| full("revoking an app's tokens", "apps"))?;
        row.revoke(until);
        Ok(())
    }

    /// Revokes every token that was issued at or before `until`.
    pub fn revoke_all(&self, until: Millis) {
        if let Some(word) = self.control(REVOKED_ALL) {
            apps::revoke(word, until);
        }
    }

    /// Issues a one-time token to `app`.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn issue_one_time(&self, policy: &Policy, app: &[u8], now: Millis) -> Result<Issued, Error> {
        let life_s = policy.one_time.life_s.min(self.sizes.one_time_life_s).max(1);
        let claims = Claims { key: 0, issued: now, life_s, generation: random()?, random: random()? };
        let token = make(policy, Kind::OneTime, claims, Of::app(app))?;
        Ok(Issued { token, expires_in_s: life_s })
    }

    /// Reserves a one-time token for a call of `app`: of any number of calls with it, one gets the ticket. It ends by [`Store::commit`] or
    /// [`Store::release`]; failing both, after the policy's lease.
    ///
    /// # Errors
    /// [`Reason::TokenInvalid`], [`Reason::TokenExpired`]; [`Reason::IdempotencyUsed`] where it was used, or another call holds it
    /// (`retry_after_ms` then says for how long at most); [`Reason::NonceStoreFull`].
    pub fn reserve(&self, policy: &Policy, app: &[u8], token: &[u8], now: Millis) -> Result<Ticket, Refused> {
        let (claims, mac) = text::read(&policy.keys, Kind::OneTime, token, Of::app(app)).ok_or(Reason::TokenInvalid)?;
        let age = now.since(claims.issued);
        if age < -AHEAD_MS {
            return Err(Reason::TokenInvalid.into());
        }
        // A life beyond what the table remembers would be forgotten before its end.
        let life = i64::from(claims.life_s.min(self.sizes.one_time_life_s)) * 1000;
        if age >= life || self.birth.is_some_and(|birth| claims.issued < birth) {
            return Err(Reason::TokenExpired.into());
        }
        let hash = self.prf.hash_in(OF_ONE_TIME, &[&mac]);
        match self.one_time().reserve(hash, claims.issued, now, policy.one_time.lease_ms) {
            Reserve::Ours(ticket) => Ok(ticket),
            Reserve::Used => Err(Reason::IdempotencyUsed.into()),
            Reserve::Held { ms } => Err(Refused { reason: Reason::IdempotencyUsed, retry_after_ms: ms }),
            Reserve::Over => Err(Reason::TokenExpired.into()),
            Reserve::Full => Err(Reason::NonceStoreFull.into()),
        }
    }

    /// The call was done: its token is used for ever. `false` where the ticket holds no reservation, or lost it when its lease ended.
    #[must_use]
    pub fn commit(&self, ticket: &Ticket) -> bool {
        self.one_time().settle(ticket, true)
    }

    /// Nothing was done: the token is good again. `false` as for [`Store::commit`].
    #[must_use]
    pub fn release(&self, ticket: &Ticket) -> bool {
        self.one_time().settle(ticket, false)
    }
}

fn full(doing: &str, what: &str) -> Error {
    Error::Os { doing: doing.to_owned(), message: format!("more {what} than the state region was made for") }
}

pub(super) fn random() -> Result<u32, Error> {
    let mut bytes = [0; 4];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Error::Os { doing: "making a token".to_owned(), message: "no randomness".to_owned() })?;
    Ok(u32::from_le_bytes(bytes))
}

/// The token under the first key.
pub(super) fn make(policy: &Policy, kind: Kind, claims: Claims, of: Of<'_>) -> Result<TokenText, Error> {
    let keys = policy.keys.first();
    keys.and_then(|keys| text::write(keys, kind, &Claims { key: keys.number, ..claims }, of))
        .ok_or_else(|| Error::Os { doing: "making a token".to_owned(), message: "no key".to_owned() })
}
