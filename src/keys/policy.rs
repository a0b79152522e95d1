//! The checks that are pure functions of a snapshot and facts of a request. Each answers one question; their order is the engine's.

use super::settings::{ApiState, AppStatus, Level};
use super::snapshot::{Api, App, Snapshot};
use crate::alg::Algorithm;
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

/// Whether the app may call from `address`. An app with a list may not call from an address that the gateway does not know.
///
/// # Errors
/// [`Reason::IpNotAllowed`].
pub fn ip_allowed(app: &App, address: Option<IpAddr>) -> Result<(), Reason> {
    match (&app.allow_ips, address) {
        (None, _) => Ok(()),
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
