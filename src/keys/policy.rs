//! The checks that are pure functions of a snapshot and facts of a request. Each answers one question; their order is the engine's.

use super::credential::Credential;
use super::settings::{ApiState, AppStatus, Level};
use super::snapshot::{Api, App, Demands, Snapshot};
use crate::alg::Algorithm;
use crate::policy::Behind;
use crate::request::Request;
use crate::time::Millis;
use crate::verdict::Reason;
use std::net::IpAddr;

/// Whether an app of this status may call.
///
/// # Errors
/// [`Reason::AppSuspended`], [`Reason::AppExited`].
pub fn app_status(app: &App) -> Result<(), Reason> {
    match app.status {
        AppStatus::Active => Ok(()),
        AppStatus::Suspended => Err(Reason::AppSuspended),
        AppStatus::Exited => Err(Reason::AppExited),
    }
}

/// Whether the app may call `api` from `address`. An app with a list may not call from an address that the gateway does not know; APIs that say
/// so (the call for a token) may be called from anywhere.
///
/// # Errors
/// [`Reason::IpNotAllowed`].
pub fn ip_allowed(app: &App, api: Option<&Api>, address: Option<IpAddr>) -> Result<(), Reason> {
    match (&app.allow_ips, address) {
        (None, _) => Ok(()),
        _ if api.is_some_and(|api| api.any_ip) => Ok(()),
        (Some(list), Some(address)) if list.contains(address) => Ok(()),
        _ => Err(Reason::IpNotAllowed),
    }
}

/// Whether the app may call `api` (what [`Snapshot::api_for`] found). Without a list of its own an app may call anything where the
/// document lists no APIs, and nothing where it does.
///
/// # Errors
/// [`Reason::ApiNotAllowed`].
pub fn api_allowed(snapshot: &Snapshot, app: &App, api: Option<&Api>) -> Result<(), Reason> {
    let allowed = match api {
        None => snapshot.apis().is_empty() && app.allow_apis.is_none(),
        Some(api) => app.allow_apis.as_ref().is_some_and(|list| list.binary_search(&api.index).is_ok()),
    };
    if allowed { Ok(()) } else { Err(Reason::ApiNotAllowed) }
}

/// Whether the API is still served.
///
/// # Errors
/// [`Reason::ApiRetired`].
pub fn api_served(api: Option<&Api>) -> Result<(), Reason> {
    match api {
        Some(api) if api.state == ApiState::Retired => Err(Reason::ApiRetired),
        _ => Ok(()),
    }
}

/// The level that an algorithm reaches: a MAC cannot prove to a third party who signed (JR/T 0185-2020, 7.2.2).
#[must_use]
pub fn level_of(algorithm: Algorithm) -> Level {
    if algorithm.is_mac() { Level::A1 } else { Level::A2 }
}

/// Whether the algorithm reaches the level that the app and the API ask for, the higher of the two.
///
/// # Errors
/// [`Reason::LevelTooLow`].
pub fn level(app: &App, api: Option<&Api>, algorithm: Algorithm) -> Result<(), Reason> {
    let asked = api.map_or(app.level, |api| api.level.max(app.level));
    if level_of(algorithm) >= asked { Ok(()) } else { Err(Reason::LevelTooLow) }
}

/// Whether the app may use the algorithm: MD5 and SHA-1 only where its entry says so.
///
/// # Errors
/// [`Reason::WeakAlgorithm`].
pub fn strength(app: &App, algorithm: Algorithm) -> Result<(), Reason> {
    if algorithm.is_weak() && !app.allow_weak { Err(Reason::WeakAlgorithm) } else { Ok(()) }
}

/// Whether the connection has a certificate that the app has registered: one that it lists, or that of a credential that counts.
#[must_use]
pub fn peer_certificate(app: &App, request: &Request<'_>, now: Millis) -> bool {
    let Some(sent) = &request.peer_certificate else { return false };
    let of_credential = |c: &Credential| {
        c.certificate.as_ref().is_some_and(|facts| facts.sha256_fingerprint == *sent) && c.valid_at(now).is_ok()
    };
    app.peer_certificates.contains(sent) || app.credentials.iter().any(of_credential)
}

/// Whether the connection is what the document and the API ask for: the version of TLS, and a certificate of the client
/// (JR/T 0185-2020, 9.2.2, 9.2.1b2). What the gateway does not tell is not taken for granted.
///
/// # Errors
/// [`Reason::LevelTooLow`].
pub fn channel(demands: &Demands, api: Option<&Api>, request: &Request<'_>, peer: bool) -> Result<(), Reason> {
    let tls = demands.tls_min.is_none_or(|least| request.tls.is_some_and(|version| version >= least));
    if tls && (peer || !api.is_some_and(|api| api.peer_certificate)) { Ok(()) } else { Err(Reason::LevelTooLow) }
}

/// Whether what stands behind a request signed with `credential` is what the app requires (JR/T 0185-2020, 7.2.1a1).
///
/// # Errors
/// [`Reason::LevelTooLow`].
pub fn behind(app: &App, credential: &Credential, peer_certificate: bool) -> Result<(), Reason> {
    let secret = credential.algorithm().is_mac();
    let certificate = credential.certificate.is_some();
    let behind = Behind { secret, key_pair: !secret, certificate, peer_certificate };
    if app.require.is_none_or(|require| require.is_met(behind)) { Ok(()) } else { Err(Reason::LevelTooLow) }
}

/// Whether a department's key may call `api`: those that its own list and roles give it, within what its app may.
///
/// # Errors
/// [`Reason::ApiNotAllowed`].
pub fn key_allowed(credential: &Credential, api: Option<&Api>) -> Result<(), Reason> {
    let Some(list) = &credential.allow_apis else { return Ok(()) };
    if api.is_some_and(|api| list.binary_search(&api.index).is_ok()) { Ok(()) } else { Err(Reason::ApiNotAllowed) }
}

/// Whether the key is not in use for longer than keys may be at the level of this call (JR/T 0185-2020, 7.3.4).
///
/// # Errors
/// [`Reason::KeyExpired`].
pub fn key_age(demands: &Demands, app: &App, api: Option<&Api>, key: &Credential, now: Millis) -> Result<(), Reason> {
    let greatest = match api.map_or(app.level, |api| api.level.max(app.level)) {
        Level::A1 => demands.key_max_age_ms.0,
        Level::A2 => demands.key_max_age_ms.1,
    };
    match greatest {
        Some(greatest) if now.since(key.not_before) > greatest => Err(Reason::KeyExpired),
        _ => Ok(()),
    }
}
