//! Access tokens, one-time tokens and grants.

use super::calls::engine_of;
use super::support::*;
use super::types::*;
use crate::engine::Engine;
use crate::error::Error;
use crate::token::{Grant, Issued, Scope, TokenText};
use crate::verdict::{Reason, Ticket};
use portcullis_result::*;
use std::ffi::c_char;

/// # Safety
/// `token` is NULL or points to a token with its size.
unsafe fn write_token(
    token: *mut portcullis_token,
    text: &TokenText,
    expires_in_s: u32,
) -> Result<(), portcullis_result> {
    // SAFETY: this function's contract.
    let out = unsafe { sized_mut(token) }?;
    out.expires_in_s = expires_in_s;
    out.text.fill(0);
    for (to, from) in out.text.iter_mut().zip(text.as_str().bytes()) {
        *to = c_char::from_ne_bytes([from]);
    }
    Ok(())
}

/// What the calls that issue a token have in common.
///
/// # Safety
/// `app_id` describes readable memory; `token` is NULL or points to a token; `message` is NULL or has `message_len` writable bytes.
unsafe fn issue(
    engine: *mut portcullis_engine,
    app_id: portcullis_slice,
    token: *mut portcullis_token,
    message: *mut c_char,
    message_len: usize,
    how: impl FnOnce(&Engine, &str) -> Result<Issued, Error>,
) -> portcullis_result {
    guard(|| {
        // SAFETY: this function's contract.
        unsafe {
            let (app_id, _) = (app_id.text()?, sized_mut(token)?);
            let issued = told(how(&engine_of(engine)?, app_id), message, message_len)?;
            write_token(token, &issued.token, issued.expires_in_s)
        }
    })
}

/// Writes why, or `PORTCULLIS_REASON_OK`.
///
/// # Safety
/// `reason` is NULL or points to writable memory.
unsafe fn answer(outcome: Result<(), Reason>, reason: *mut u16) -> Result<(), portcullis_result> {
    if reason.is_null() {
        return Err(PORTCULLIS_NULL);
    }
    // SAFETY: not NULL (checked), writable (this function's contract).
    unsafe { put(reason, outcome.err().unwrap_or(Reason::Ok) as u16) };
    Ok(())
}

const fn life(life_s: u32) -> Option<u32> {
    if life_s == 0 { None } else { Some(life_s) }
}

/// Issues an access token to an app whose signed request for one was accepted, for `life_s` seconds (0: as the document says; never more than its
/// `max_life_s`). Earlier tokens of the app stay as they are. The token is written into the caller's struct; nothing is kept of it.
///
/// Threads: any.
/// Results: `PORTCULLIS_BAD_CONFIG` with a message where the document has no section `tokens`, `PORTCULLIS_BAD_STRUCT_SIZE`, `PORTCULLIS_NULL`.
/// Example: `portcullis_token token = {sizeof token}; portcullis_token_issue(engine, app, 0, &token, message, sizeof message);`
///
/// # Safety
/// `app_id` describes readable memory; `token` is NULL or points to a token; `message` is NULL or has `message_len` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_token_issue(
    engine: *mut portcullis_engine,
    app_id: portcullis_slice,
    life_s: u32,
    token: *mut portcullis_token,
    message: *mut c_char,
    message_len: usize,
) -> portcullis_result {
    // SAFETY: this function's contract is that of `issue`.
    unsafe { issue(engine, app_id, token, message, message_len, |engine, app| engine.issue_token(app, life(life_s))) }
}

/// As `portcullis_token_issue`; the app's earlier tokens are then good for the overlap of the document (five minutes) and no longer.
///
/// Threads: any.
/// Results: as for `portcullis_token_issue`, and `PORTCULLIS_BAD_STATE` where more apps refresh than the document's `apps` says.
/// Example: `portcullis_token_refresh(engine, app, 0, &token, message, sizeof message);`
///
/// # Safety
/// As for `portcullis_token_issue`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_token_refresh(
    engine: *mut portcullis_engine,
    app_id: portcullis_slice,
    life_s: u32,
    token: *mut portcullis_token,
    message: *mut c_char,
    message_len: usize,
) -> portcullis_result {
    // SAFETY: this function's contract is that of `issue`.
    unsafe { issue(engine, app_id, token, message, message_len, |engine, app| engine.refresh_token(app, life(life_s))) }
}

/// Whether an access token is good for a call of the app now: `*reason` is `PORTCULLIS_REASON_OK`, or one of `PORTCULLIS_REASON_TOKEN_INVALID`,
/// `_EXPIRED`, `_REVOKED` (`_INTERNAL` without a section `tokens`). What the engine does itself for APIs that say `token`.
///
/// Threads: any.
/// Results: `PORTCULLIS_OK` whatever the answer, `PORTCULLIS_NULL`, `PORTCULLIS_BAD_HANDLE`, `PORTCULLIS_BAD_ARGUMENT`.
/// Example: `uint16_t reason; portcullis_token_check(engine, app, token, &reason);`
///
/// # Safety
/// `app_id` and `token` describe readable memory; `reason` is NULL or points to writable memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_token_check(
    engine: *mut portcullis_engine,
    app_id: portcullis_slice,
    token: portcullis_slice,
    reason: *mut u16,
) -> portcullis_result {
    // SAFETY: the caller's promise for each.
    guard(|| unsafe { answer(engine_of(engine)?.check_token(app_id.text()?, token.bytes()?), reason) })
}

/// Revokes one access token of an app, in every process at once. `*reason` is `PORTCULLIS_REASON_OK`, `_TOKEN_INVALID` where it is none of this app's,
/// or `_NONCE_STORE_FULL` where the document's `revocations` are used up (then revoke the app's).
///
/// Threads: any.
/// Results: as for `portcullis_token_check`.
/// Example: `portcullis_token_revoke(engine, app, token, &reason);`
///
/// # Safety
/// As for `portcullis_token_check`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_token_revoke(
    engine: *mut portcullis_engine,
    app_id: portcullis_slice,
    token: portcullis_slice,
    reason: *mut u16,
) -> portcullis_result {
    // SAFETY: the caller's promise for each.
    guard(|| unsafe { answer(engine_of(engine)?.revoke_token(app_id.text()?, token.bytes()?), reason) })
}

/// Revokes every access token of an app (of everybody, where `app_id` is empty) that was issued up to `until_ms`, in milliseconds since 1970
/// (0: up to now), in every process at once.
///
/// Threads: any.
/// Results: `PORTCULLIS_BAD_CONFIG` where the document has no section `tokens`, `PORTCULLIS_BAD_STATE` where it knows more apps than it has room for.
/// Example: `portcullis_token_revoke_all(engine, app, 0, message, sizeof message);`
///
/// # Safety
/// `app_id` describes readable memory; `message` is NULL or has `message_len` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_token_revoke_all(
    engine: *mut portcullis_engine,
    app_id: portcullis_slice,
    until_ms: i64,
    message: *mut c_char,
    message_len: usize,
) -> portcullis_result {
    guard(|| {
        // SAFETY: the caller's promise for each.
        unsafe {
            let (engine, until) = (engine_of(engine)?, moment(until_ms));
            let revoked = match app_id.optional()? {
                Some(app_id) => engine.revoke_tokens_of(app_id, until),
                None => engine.revoke_all_tokens(until),
            };
            told(revoked, message, message_len)
        }
    })
}

/// Issues a one-time token to an app, for one call that must not happen twice.
///
/// Threads: any.
/// Results: as for `portcullis_token_issue`.
/// Example: `portcullis_one_time_issue(engine, app, &token, message, sizeof message);`
///
/// # Safety
/// As for `portcullis_token_issue`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_one_time_issue(
    engine: *mut portcullis_engine,
    app_id: portcullis_slice,
    token: *mut portcullis_token,
    message: *mut c_char,
    message_len: usize,
) -> portcullis_result {
    // SAFETY: this function's contract is that of `issue`.
    unsafe { issue(engine, app_id, token, message, message_len, Engine::issue_one_time_token) }
}

/// Reserves a one-time token for a call: of any number of calls with it exactly one gets `PORTCULLIS_REASON_OK` and a ticket (three words, written to
/// `ticket`). Others are `_IDEMPOTENCY_USED`, with milliseconds in `*retry_after_ms` (if not NULL) where the call that holds it may yet give
/// it back. What the engine does itself for APIs that say `one_time`; the ticket is then in the verdict's `one_time`.
///
/// Threads: any.
/// Results: as for `portcullis_token_check`.
/// Example: `uint64_t ticket[3]; portcullis_one_time_reserve(engine, app, token, ticket, &reason, NULL);`
///
/// # Safety
/// `app_id` and `token` describe readable memory; `ticket` is NULL or points to three words; `reason` and `retry_after_ms` are NULL or point to
/// writable memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_one_time_reserve(
    engine: *mut portcullis_engine,
    app_id: portcullis_slice,
    token: portcullis_slice,
    ticket: *mut u64,
    reason: *mut u16,
    retry_after_ms: *mut u64,
) -> portcullis_result {
    guard(|| {
        if ticket.is_null() || reason.is_null() {
            return Err(PORTCULLIS_NULL);
        }
        // SAFETY: the caller's promise for each; `ticket` is not NULL (checked).
        unsafe {
            let reserved = engine_of(engine)?.reserve_one_time_token(app_id.text()?, token.bytes()?);
            let (words, why) = match reserved {
                Ok(ticket) => (ticket.words(), Ok(())),
                Err(refused) => {
                    put(retry_after_ms, refused.retry_after_ms);
                    (Ticket::NONE.words(), Err(refused.reason))
                }
            };
            put(ticket.cast(), words);
            answer(why, reason)
        }
    })
}

/// The call was done: its one-time token is used for ever. `*done` (if not NULL) is false where the ticket (three words) holds no reservation, or
/// lost it with its lease.
///
/// Threads: any.
/// Results: `PORTCULLIS_NULL`, `PORTCULLIS_BAD_HANDLE`.
/// Example: `portcullis_one_time_commit(engine, verdict.one_time, NULL);`
///
/// # Safety
/// `ticket` is NULL or points to three words; `done` is NULL or points to writable memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_one_time_commit(
    engine: *mut portcullis_engine,
    ticket: *const u64,
    done: *mut bool,
) -> portcullis_result {
    // SAFETY: the caller's promise for each.
    guard(|| unsafe {
        let ticket = ticket.cast::<[u64; 3]>().as_ref().ok_or(PORTCULLIS_NULL)?;
        put(done, engine_of(engine)?.commit_one_time_token(&Ticket::of(*ticket)));
        Ok(())
    })
}

/// Nothing of the call was done: its one-time token is good again. `*done` as for `portcullis_one_time_commit`.
///
/// Threads: any.
/// Results: `PORTCULLIS_NULL`, `PORTCULLIS_BAD_HANDLE`.
/// Example: `portcullis_one_time_release(engine, verdict.one_time, NULL);`
///
/// # Safety
/// As for `portcullis_one_time_commit`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_one_time_release(
    engine: *mut portcullis_engine,
    ticket: *const u64,
    done: *mut bool,
) -> portcullis_result {
    // SAFETY: the caller's promise for each.
    guard(|| unsafe {
        let ticket = ticket.cast::<[u64; 3]>().as_ref().ok_or(PORTCULLIS_NULL)?;
        put(done, engine_of(engine)?.release_one_time_token(&Ticket::of(*ticket)));
        Ok(())
    })
}

/// # Safety
/// The slices describe readable memory for `'a`.
unsafe fn scope<'a>(
    app_id: portcullis_slice,
    api_id: portcullis_slice,
    user: portcullis_slice,
) -> Result<Scope<'a>, portcullis_result> {
    // SAFETY: this function's contract.
    unsafe { Ok(Scope { app: app_id.text()?, api: api_id.text()?, user: user.text()? }) }
}

/// Issues a grant: the authorisation of an app to call an API for a user. `kind` is `PORTCULLIS_GRANT_ONCE`, `PORTCULLIS_GRANT_UNTIL` (until
/// `until_ms`, milliseconds since 1970, at least an hour and at most four years ahead) or `PORTCULLIS_GRANT_CONTRACT`.
///
/// Threads: any.
/// Results: as for `portcullis_token_issue`; `PORTCULLIS_BAD_STATE` with a message for a time or a text that cannot be, `PORTCULLIS_BAD_ARGUMENT`.
/// Example: `portcullis_grant_issue(engine, app, api, user, PORTCULLIS_GRANT_ONCE, 0, &grant, message, sizeof message);`
///
/// # Safety
/// The slices describe readable memory; `grant` is NULL or points to a token; `message` is NULL or has `message_len` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_grant_issue(
    engine: *mut portcullis_engine,
    app_id: portcullis_slice,
    api_id: portcullis_slice,
    user: portcullis_slice,
    kind: u32,
    until_ms: i64,
    grant: *mut portcullis_token,
    message: *mut c_char,
    message_len: usize,
) -> portcullis_result {
    guard(|| {
        let wanted = match kind {
            PORTCULLIS_GRANT_ONCE => Grant::Once,
            PORTCULLIS_GRANT_UNTIL => Grant::Until(moment(until_ms).ok_or(PORTCULLIS_BAD_ARGUMENT)?),
            PORTCULLIS_GRANT_CONTRACT => Grant::Contract,
            _ => return Err(PORTCULLIS_BAD_ARGUMENT),
        };
        // SAFETY: the caller's promise for each.
        unsafe {
            let (scope, _) = (scope(app_id, api_id, user)?, sized_mut(grant)?);
            let text = told(engine_of(engine)?.issue_grant(&scope, wanted), message, message_len)?;
            write_token(grant, &text, 0)
        }
    })
}

/// Uses a grant for one call: one that is good once is good for exactly one of any number of calls, over all processes. `*reason` is
/// `PORTCULLIS_REASON_OK`, `_TOKEN_INVALID`, `_TOKEN_EXPIRED`, `_TOKEN_REVOKED`, `_IDEMPOTENCY_USED` or `_NONCE_STORE_FULL`.
///
/// Threads: any.
/// Results: as for `portcullis_token_check`.
/// Example: `portcullis_grant_use(engine, app, api, user, grant, &reason);`
///
/// # Safety
/// The slices describe readable memory; `reason` is NULL or points to writable memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_grant_use(
    engine: *mut portcullis_engine,
    app_id: portcullis_slice,
    api_id: portcullis_slice,
    user: portcullis_slice,
    grant: portcullis_slice,
    reason: *mut u16,
) -> portcullis_result {
    // SAFETY: the caller's promise for each; `reason` is looked at before the grant is used up.
    guard(|| unsafe {
        if reason.is_null() {
            return Err(PORTCULLIS_NULL);
        }
        answer(engine_of(engine)?.use_grant(&scope(app_id, api_id, user)?, grant.bytes()?), reason)
    })
}

/// Takes a grant back, in every process at once. `*reason` is `PORTCULLIS_REASON_OK`, `_TOKEN_INVALID` or `_NONCE_STORE_FULL`.
///
/// Threads: any.
/// Results: as for `portcullis_token_check`.
/// Example: `portcullis_grant_revoke(engine, app, api, user, grant, &reason);`
///
/// # Safety
/// As for `portcullis_grant_use`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_grant_revoke(
    engine: *mut portcullis_engine,
    app_id: portcullis_slice,
    api_id: portcullis_slice,
    user: portcullis_slice,
    grant: portcullis_slice,
    reason: *mut u16,
) -> portcullis_result {
    // SAFETY: the caller's promise for each.
    guard(|| unsafe {
        if reason.is_null() {
            return Err(PORTCULLIS_NULL);
        }
        answer(engine_of(engine)?.revoke_grant(&scope(app_id, api_id, user)?, grant.bytes()?), reason)
    })
}
