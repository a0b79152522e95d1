//! What the channel and the parameters of a request must be like, before its signature is looked at.

use super::guard::Subject;
use super::memory::Memory;
use crate::canon::{Extract, Profile};
use crate::codec::dates;
use crate::keys::{Api, App};
use crate::policy::params::value;
use crate::request::Kind;
use crate::time::Millis;
use crate::verdict::Reason;

/// What an API asks of the parameters: their forms, the user's consent, and that the user has not switched the service off. Returns the user of a
/// call that needs a grant.
pub(super) fn check<'e>(
    memory: &Memory,
    profile: &Profile,
    app: &App,
    api: Option<&Api>,
    extract: &'e Extract<'_>,
    now: Millis,
) -> Result<Option<&'e [u8]>, Reason> {
    let Some((api, rules)) = api.and_then(|api| Some((api, api.rules.as_deref()?))) else { return Ok(None) };
    // A scheme that signs no parameters cannot meet rules about them.
    let view = extract.params().ok_or(Reason::MissingField)?;
    rules.params.check(view, |name| profile.reads(name))?;
    if let Some(consent) = &rules.consent {
        value(view, &consent.param).ok_or(Reason::MissingField)?;
        let (kind, until) = value(view, &consent.until).ok_or(Reason::MissingField)?;
        let until = dates::unix_seconds(until).filter(|_| matches!(kind, Kind::Text | Kind::Number));
        if now.0 >= until.ok_or(Reason::InvalidField)? {
            return Err(Reason::ApiNotAllowed);
        }
    }
    if let Some(name) = &rules.user {
        let (_, sent) = value(view, name).ok_or(Reason::MissingField)?;
        let user = std::str::from_utf8(sent).map_err(|_| Reason::InvalidField)?;
        let service = Subject::Service { user, app: app.id.as_str(), api: api.id.as_str() };
        if memory.guard.is_denied(service, now) {
            return Err(Reason::ApiNotAllowed);
        }
        return Ok(api.tokens.grant.then_some(sent));
    }
    Ok(None)
}
