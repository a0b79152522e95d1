//! Grants: that an app may call an API for a user, once, for a time, or for the contract (JR/T 0185-2020, 9.3.2).
//!
//! A grant is a token like the others, under a key of its own, with app ‖ 0 ‖ API ‖ 0 ‖ user under its MAC. Its generation says what it is:
//! 0 once, with its life in seconds, used up in the table of one-time tokens; 1 for a time, with its life in hours, rounded down. A grant
//! that is not for once needs no place in memory until it is taken back.

use super::one_time::Reserve;
use super::policy::Policy;
use super::store::{self, Refused, Store};
use super::text::{self, Claims, Kind, Of, TokenText};
use crate::error::Error;
use crate::time::Millis;
use crate::verdict::{API_ID_MAX, APP_ID_MAX, Reason, Ticket};

const HOUR_MS: i64 = 3_600_000;
/// Longest life in hours: four years, as far as revocations are remembered. Contracts that last longer have their grants renewed.
const HOURS_MAX: i64 = 4 * 365 * 24;
/// Domains of the keyed hash.
const OF_GRANT: u8 = 19;
const OF_SINGLE: u8 = 20;
const SINGLE: u32 = 0;
const PERIOD: u32 = 1;

/// How long a grant is good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grant {
    /// For one call, within the life of one-time tokens.
    Once,
    /// Up to a moment, in whole hours from now, four years at most.
    Until(Millis),
    /// As long as the contract lasts: until it is taken back, four years at most.
    Contract,
}

/// What a grant is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope<'a> {
    /// The app's id.
    pub app: &'a str,
    /// The API's id.
    pub api: &'a str,
    /// The user, as the application names them.
    pub user: &'a str,
}

/// Room for app ‖ 0 ‖ API ‖ 0.
const HEAD_MAX: usize = APP_ID_MAX + 1 + API_ID_MAX + 1;
/// Greatest length of a user's name in bytes.
const USER_MAX: usize = 256;

impl Scope<'_> {
    /// Lends what stands under the MAC; `None` where a part could be mistaken for two, or is too long.
    fn with<T>(&self, lend: impl FnOnce(Of<'_>) -> T) -> Option<T> {
        let parts = [self.app, self.api, self.user];
        if parts.iter().any(|part| part.chars().any(char::is_control)) || self.user.len() > USER_MAX {
            return None;
        }
        let mut head = [0; HEAD_MAX];
        let (app, api) = (self.app.as_bytes(), self.api.as_bytes());
        head.get_mut(..app.len())?.copy_from_slice(app);
        head.get_mut(app.len() + 1..app.len() + 1 + api.len())?.copy_from_slice(api);
        let head = head.get(..app.len() + 1 + api.len() + 1)?;
        Some(lend(Of { head, tail: self.user.as_bytes() }))
    }
}

impl Store {
    /// Issues a grant.
    ///
    /// # Errors
    /// A time that is over or less than an hour away or more than four years; a part of the scope with a control character; no randomness.
    pub fn issue_grant(
        &self,
        policy: &Policy,
        scope: &Scope<'_>,
        grant: Grant,
        now: Millis,
    ) -> Result<TokenText, Error> {
        let fail = |message: &str| Error::Os { doing: "issuing a grant".to_owned(), message: message.to_owned() };
        let (generation, life) = match grant {
            Grant::Once => (SINGLE, i64::from(self.sizes.one_time_life_s)),
            Grant::Until(until) => (PERIOD, until.since(now) / HOUR_MS),
            Grant::Contract => (PERIOD, HOURS_MAX),
        };
        let life_s = u32::try_from(life).ok().filter(|life| *life > 0 && i64::from(*life) <= HOURS_MAX);
        let life_s = life_s.ok_or_else(|| fail("expected a time from one hour to four years ahead"))?;
        let claims = Claims { key: 0, issued: now, life_s, generation, random: store::random()? };
        let made = scope.with(|of| store::make(policy, Kind::Grant, claims, of));
        made.ok_or_else(|| fail("a name of the scope is too long, or has a control character"))?
    }

    /// Reserves a grant for one call: of any number of calls with one that is good once, one gets the ticket, which ends by
    /// [`Store::commit`] or [`Store::release`], and failing both after the policy's lease. Others are good again and again, and need no ticket:
    /// [`Ticket::NONE`].
    ///
    /// # Errors
    /// [`Reason::TokenInvalid`]: not a grant of ours for this scope. [`Reason::TokenExpired`], [`Reason::TokenRevoked`];
    /// [`Reason::IdempotencyUsed`] where it was good once and is used, or held by another call; [`Reason::NonceStoreFull`].
    pub fn reserve_grant(
        &self,
        policy: &Policy,
        scope: &Scope<'_>,
        grant: &[u8],
        now: Millis,
    ) -> Result<Ticket, Refused> {
        let (claims, mac) = self.read_grant(policy, scope, grant)?;
        if now.since(claims.issued) < -store::AHEAD_MS {
            return Err(Reason::TokenInvalid.into());
        }
        if now.0 >= ends(&claims).0 {
            return Err(Reason::TokenExpired.into());
        }
        let revoked = |revoked: super::revoked::Revoked<'_>| revoked.has(|| self.prf.hash_in(OF_GRANT, &[&mac]), now);
        if self.revoked().is_some_and(revoked) {
            return Err(Reason::TokenRevoked.into());
        }
        if claims.generation != SINGLE {
            return Ok(Ticket::NONE);
        }
        // What a lost region knew of single grants is lost with it.
        if self.birth.is_some_and(|birth| claims.issued < birth) {
            return Err(Reason::TokenExpired.into());
        }
        let hash = self.prf.hash_in(OF_SINGLE, &[&mac]);
        match self.one_time().reserve(hash, claims.issued, now, policy.one_time.lease_ms) {
            Reserve::Ours(ticket) => Ok(ticket),
            Reserve::Used => Err(Reason::IdempotencyUsed.into()),
            Reserve::Held { ms } => Err(Refused { reason: Reason::IdempotencyUsed, retry_after_ms: ms }),
            Reserve::Over => Err(Reason::TokenExpired.into()),
            Reserve::Full => Err(Reason::NonceStoreFull.into()),
        }
    }

    /// Uses a grant for one call: reserved and committed.
    ///
    /// # Errors
    /// As [`Store::reserve_grant`].
    pub fn use_grant(&self, policy: &Policy, scope: &Scope<'_>, grant: &[u8], now: Millis) -> Result<(), Reason> {
        let ticket = self.reserve_grant(policy, scope, grant, now).map_err(|refused| refused.reason)?;
        if ticket == Ticket::NONE || self.commit(&ticket) { Ok(()) } else { Err(Reason::IdempotencyUsed) }
    }

    /// Takes a grant back.
    ///
    /// # Errors
    /// [`Reason::TokenInvalid`]: not a grant of ours for this scope; [`Reason::NonceStoreFull`]: no room for another revocation.
    pub fn revoke_grant(&self, policy: &Policy, scope: &Scope<'_>, grant: &[u8], now: Millis) -> Result<(), Reason> {
        let (claims, mac) = self.read_grant(policy, scope, grant)?;
        let hash = self.prf.hash_in(OF_GRANT, &[&mac]);
        let added = self.revoked().is_some_and(|revoked| revoked.add(hash, ends(&claims), now));
        if added { Ok(()) } else { Err(Reason::NonceStoreFull) }
    }

    fn read_grant(&self, policy: &Policy, scope: &Scope<'_>, grant: &[u8]) -> Result<(Claims, [u8; 16]), Reason> {
        scope.with(|of| text::read(&policy.keys, Kind::Grant, grant, of)).flatten().ok_or(Reason::TokenInvalid)
    }
}

fn ends(claims: &Claims) -> Millis {
    let unit = if claims.generation == SINGLE { 1000 } else { HOUR_MS };
    claims.issued.plus(i64::from(claims.life_s) * unit)
}
