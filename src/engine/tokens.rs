//! Tokens on the way of a request, and the calls that issue, refresh, revoke and settle them.

use super::memory::Memory;
use super::order::Refused;
use super::{Engine, Worker};
use crate::error::{DocumentError, Error};
use crate::keys::{Api, App, OneTime, Snapshot};
use crate::request::Request;
use crate::time::Millis;
use crate::token::{Check, Checker, Grant, Issued, Read, Scope, Store, TokenText};
use crate::verdict::{Reason, Ticket};

impl From<crate::token::Refused> for Refused {
    fn from(refused: crate::token::Refused) -> Self {
        Self { reason: refused.reason, retry_after_ms: refused.retry_after_ms }
    }
}

/// The one value of a header; none is `None`.
fn only<'r>(request: &Request<'r>, name: &str) -> Result<Option<&'r [u8]>, Reason> {
    let mut values = request.header_values(name.as_bytes());
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(Reason::DuplicateField),
    }
}

/// The access token of a call that needs one (open-API guide, 5.3), as it was sent; `None` where the call needs none.
pub(super) fn sent<'r>(
    snapshot: &Snapshot,
    request: &Request<'r>,
    api: Option<&Api>,
) -> Result<Option<&'r [u8]>, Reason> {
    let Some(tokens) = snapshot.tokens() else { return Ok(None) };
    if !api.map_or(tokens.policy.required, |api| api.tokens.access) {
        return Ok(None);
    }
    let sent = only(request, &tokens.policy.header)?.ok_or(Reason::TokenInvalid)?;
    match sent.split_at_checked(7) {
        Some((word, token)) if tokens.policy.bearer && word.eq_ignore_ascii_case(b"bearer ") => Ok(Some(token)),
        _ if tokens.policy.bearer => Err(Reason::TokenInvalid),
        _ => Ok(Some(sent)),
    }
}

/// Looked at after the signature (guide, 4.4), so the app is proven. `read` is what the token says, from [`Batch`](super::Batch)'s look at all of them.
pub(super) fn check(
    snapshot: &Snapshot,
    memory: &Memory,
    request: &Request<'_>,
    app: &App,
    api: Option<&Api>,
    read: Read,
    now: Millis,
) -> Result<(), Reason> {
    let (Some(tokens), Some(_)) = (snapshot.tokens(), sent(snapshot, request, api)?) else { return Ok(()) };
    let store = memory.tokens().ok_or(Reason::Internal)?;
    let max_age = api.and_then(|api| api.tokens.max_age_ms);
    store.judge(&tokens.policy, app.id.as_bytes(), read, max_age, now)
}

/// What a call took of things that are good once: its one-time token and its grant; [`Ticket::NONE`] where there is none.
#[derive(Clone, Copy)]
pub(super) struct Reserved {
    pub one_time: Ticket,
    grant: Ticket,
}

impl Reserved {
    /// Of a call that has none.
    pub const NOTHING: Self = Self { one_time: Ticket::NONE, grant: Ticket::NONE };
}

/// Reserves the one-time token and the grant of a call that has them: writes into `reserved`, which held nothing, what it took. Where it fails it has
/// given back what that holds.
#[allow(clippy::too_many_arguments)]
pub(super) fn reserve(
    snapshot: &Snapshot,
    memory: &Memory,
    request: &Request<'_>,
    app: &App,
    api: Option<&Api>,
    user: &[u8],
    now: Millis,
    reserved: &mut Reserved,
) -> Result<(), Refused> {
    let (Some(tokens), Some(api)) = (snapshot.tokens(), api) else { return Ok(()) };
    let rule = &api.tokens;
    if rule.one_time == OneTime::Off && !rule.grant {
        return Ok(());
    }
    let store = memory.tokens().ok_or(Reason::Internal)?;
    let policy = &tokens.policy;
    if rule.grant {
        let sent = only(request, &policy.grant_header)?.ok_or(Reason::TokenInvalid)?;
        let user = std::str::from_utf8(user).map_err(|_| Reason::InvalidField)?;
        let scope = Scope { app: app.id.as_str(), api: api.id.as_str(), user };
        reserved.grant = store.reserve_grant(policy, &scope, sent, now)?;
    }
    if rule.one_time != OneTime::Off {
        let one_time = match only(request, &policy.one_time.header) {
            Ok(Some(token)) => store.reserve(policy, app.id.as_bytes(), token, now).map_err(Refused::from),
            Ok(None) if rule.one_time == OneTime::Required => Err(Reason::MissingField.into()),
            Ok(None) => Ok(Ticket::NONE),
            Err(reason) => Err(reason.into()),
        };
        match one_time {
            Ok(ticket) => reserved.one_time = ticket,
            Err(refused) => {
                give_back(memory, reserved);
                return Err(refused);
            }
        }
    }
    Ok(())
}

/// Gives back what [`reserve`] reserved for a call that was then refused.
pub(super) fn give_back(memory: &Memory, reserved: &Reserved) {
    let Some(tokens) = memory.tokens() else { return };
    for ticket in [&reserved.one_time, &reserved.grant] {
        if *ticket != Ticket::NONE {
            // `false` only where the lease ended meanwhile, and then somebody else's call may hold it: rightly untouched.
            let _ = tokens.release(ticket);
        }
    }
}

/// The call is accepted: a grant that was good once is used. (Its one-time token is the gateway's to commit.)
pub(super) fn accepted(memory: &Memory, reserved: &Reserved) {
    if let Some(tokens) = memory.tokens().filter(|_| reserved.grant != Ticket::NONE) {
        // Reserved in this very call, so it is held: a lease is a second at least.
        let _ = tokens.commit(&reserved.grant);
    }
}

impl Engine {
    fn with_tokens<T>(
        &self,
        call: impl FnOnce(&Store, &crate::token::Policy, Millis) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let snapshot = self.snapshot();
        match (snapshot.tokens(), self.shared.memory.tokens()) {
            (Some(tokens), Some(store)) => call(store, &tokens.policy, self.shared.now()),
            _ => {
                let message = "the document has no section \"tokens\"".to_owned();
                Err(DocumentError { pointer: "/tokens".to_owned(), message }.into())
            }
        }
    }

    /// Issues an access token to an app whose signed request for one was accepted, for `life_s` seconds or as long as the document says;
    /// never longer than its `max_life_s`. The app's other tokens stay as they are.
    ///
    /// # Errors
    /// The document has no section `tokens`.
    pub fn issue_token(&self, app_id: &str, life_s: Option<u32>) -> Result<Issued, Error> {
        self.with_tokens(|store, policy, now| store.issue(policy, app_id.as_bytes(), life_s, now))
    }

    /// As [`Engine::issue_token`]; the app's earlier tokens are then good for the overlap of the document (five minutes) and no longer.
    ///
    /// # Errors
    /// The document has no section `tokens`, or more apps refresh than its `apps` says.
    pub fn refresh_token(&self, app_id: &str, life_s: Option<u32>) -> Result<Issued, Error> {
        self.with_tokens(|store, policy, now| store.refresh(policy, app_id.as_bytes(), life_s, now))
    }

    /// Whether `token` is good for a call of the app now.
    ///
    /// # Errors
    /// [`Reason::TokenInvalid`], [`Reason::TokenExpired`], [`Reason::TokenRevoked`]; [`Reason::Internal`] without a section `tokens`.
    pub fn check_token(&self, app_id: &str, token: &[u8]) -> Result<(), Reason> {
        let checked =
            self.with_tokens(|store, policy, now| Ok(store.check(policy, app_id.as_bytes(), token, None, now)));
        checked.unwrap_or(Err(Reason::Internal))
    }

    /// As [`Engine::check_token`] for each of `checks`, in order, for as many as both slices have. The answers are the same; their MACs are computed side by side.
    pub fn check_tokens(&self, checks: &[Check<'_>], checker: &mut Checker, answers: &mut [Result<(), Reason>]) {
        answers.iter_mut().zip(checks).for_each(|(answer, _)| *answer = Err(Reason::Internal));
        // Without a section `tokens` those answers stay.
        let _ = self.with_tokens(|store, policy, now| {
            store.check_batch(policy, checks, now, checker, answers);
            Ok(())
        });
    }

    /// Revokes one token of an app, in every process at once.
    ///
    /// # Errors
    /// [`Reason::TokenInvalid`] where it is none of this app's; [`Reason::NonceStoreFull`] where the document's `revocations` are used up
    /// (then revoke the app's); [`Reason::Internal`] without a section `tokens`.
    pub fn revoke_token(&self, app_id: &str, token: &[u8]) -> Result<(), Reason> {
        let revoked = self.with_tokens(|store, policy, now| Ok(store.revoke(policy, app_id.as_bytes(), token, now)));
        revoked.unwrap_or(Err(Reason::Internal))
    }

    /// Revokes every token of an app that was issued up to `until` (`None`: up to now), in every process at once.
    ///
    /// # Errors
    /// The document has no section `tokens`, or more apps than its `apps` says.
    pub fn revoke_tokens_of(&self, app_id: &str, until: Option<Millis>) -> Result<(), Error> {
        self.with_tokens(|store, _, now| store.revoke_app(app_id.as_bytes(), until.unwrap_or(now)))
    }

    /// Revokes every token of everybody that was issued up to `until` (`None`: up to now), in every process at once.
    ///
    /// # Errors
    /// The document has no section `tokens`.
    pub fn revoke_all_tokens(&self, until: Option<Millis>) -> Result<(), Error> {
        self.with_tokens(|store, _, now| {
            store.revoke_all(until.unwrap_or(now));
            Ok(())
        })
    }

    /// Issues a one-time token to an app, for one call that must not happen twice (open-API guide, section 3).
    ///
    /// # Errors
    /// The document has no section `tokens`.
    pub fn issue_one_time_token(&self, app_id: &str) -> Result<Issued, Error> {
        self.with_tokens(|store, policy, now| store.issue_one_time(policy, app_id.as_bytes(), now))
    }

    /// Reserves a one-time token for a call: what the engine does itself for APIs that say `one_time`.
    ///
    /// # Errors
    /// As [`Store::reserve`]; [`Reason::Internal`] without a section `tokens`.
    pub fn reserve_one_time_token(&self, app_id: &str, token: &[u8]) -> Result<Ticket, crate::token::Refused> {
        let reserved = self.with_tokens(|store, policy, now| Ok(store.reserve(policy, app_id.as_bytes(), token, now)));
        reserved.unwrap_or(Err(Reason::Internal.into()))
    }

    /// Issues a grant: the authorisation of an app to call an API for a user, once, for a time or for the contract (JR/T 0185-2020, 9.3.2).
    ///
    /// # Errors
    /// The document has no section `tokens`; a time that is over or too far away; a text of the scope with a control character.
    pub fn issue_grant(&self, scope: &Scope<'_>, grant: Grant) -> Result<TokenText, Error> {
        self.with_tokens(|store, policy, now| store.issue_grant(policy, scope, grant, now))
    }

    /// Uses a grant for one call: one that is good once is good for exactly one of any number of calls, over all processes.
    ///
    /// # Errors
    /// As [`Store::use_grant`]; [`Reason::Internal`] without a section `tokens`.
    pub fn use_grant(&self, scope: &Scope<'_>, grant: &[u8]) -> Result<(), Reason> {
        let used = self.with_tokens(|store, policy, now| Ok(store.use_grant(policy, scope, grant, now)));
        used.unwrap_or(Err(Reason::Internal))
    }

    /// Takes a grant back, in every process at once.
    ///
    /// # Errors
    /// As [`Store::revoke_grant`]; [`Reason::Internal`] without a section `tokens`.
    pub fn revoke_grant(&self, scope: &Scope<'_>, grant: &[u8]) -> Result<(), Reason> {
        let revoked = self.with_tokens(|store, policy, now| Ok(store.revoke_grant(policy, scope, grant, now)));
        revoked.unwrap_or(Err(Reason::Internal))
    }

    /// The call was done: its one-time token is used for ever. `false` where the ticket holds no reservation, or lost it with its lease.
    #[must_use]
    pub fn commit_one_time_token(&self, ticket: &Ticket) -> bool {
        self.shared.memory.tokens().is_some_and(|store| store.commit(ticket))
    }

    /// Nothing of the call was done: its one-time token is good again. `false` as for [`Engine::commit_one_time_token`].
    #[must_use]
    pub fn release_one_time_token(&self, ticket: &Ticket) -> bool {
        self.shared.memory.tokens().is_some_and(|store| store.release(ticket))
    }
}

impl Worker {
    /// As [`Engine::commit_one_time_token`].
    #[must_use]
    pub fn commit_one_time_token(&self, ticket: &Ticket) -> bool {
        self.shared.memory.tokens().is_some_and(|store| store.commit(ticket))
    }

    /// As [`Engine::release_one_time_token`].
    #[must_use]
    pub fn release_one_time_token(&self, ticket: &Ticket) -> bool {
        self.shared.memory.tokens().is_some_and(|store| store.release(ticket))
    }
}
