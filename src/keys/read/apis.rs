//! The section `apis`.

use super::{Names, Seen, items, name};
use crate::bucket::BreakerRule;
use crate::codec::doc::Node;
use crate::error::DocumentError;
use crate::keys::paths::{Paths, PathsBuilder, PatternError};
use crate::keys::settings::{ApiState, Level};
use crate::keys::snapshot::{Api, ApiIndex, Tokens};
use crate::verdict::{API_ID_MAX, Label};

pub(super) const LEVELS: [(&str, Level); 2] = [("A1", Level::A1), ("A2", Level::A2)];

pub(super) fn read(
    section: Option<Node<'_>>,
    names: &mut Names<'_>,
    tokens: Option<&Tokens>,
) -> Result<(Vec<Api>, Paths), DocumentError> {
    let mut apis = Vec::new();
    let mut paths = PathsBuilder::new();
    let mut seen = Seen::default();
    for node in items(section)? {
        let object = node.object()?;
        let number = u32::try_from(apis.len()).map_err(|_| node.error("too many APIs"))?;
        let id_node = object.required("api_id")?;
        let id = name(&id_node, API_ID_MAX)?;
        seen.add(id, &id_node)?;
        let method = method(&object.required("method")?)?;
        let path = object.required("path")?;
        paths.insert(method, path.str()?, number).map_err(|e| match e {
            PatternError::Form(expected) => path.error(expected),
            PatternError::Twice(first) => path.error(format!("/apis/{first} has the same method and path")),
        })?;
        let level = object.required("level")?.one_of(&LEVELS)?;
        let states = [("active", ApiState::Active), ("retired", ApiState::Retired)];
        let state = object.optional("state").map_or(Ok(ApiState::Active), |node| node.one_of(&states))?;
        super::rules::api_id(&id_node, id, level)?;
        let rules = super::rules::of_api(&object)?;
        let peer_certificate = object.optional("peer_certificate").map_or(Ok(false), |node| node.bool())?;
        let any_ip = object.optional("any_ip").map_or(Ok(false), |node| node.bool())?;
        let user = rules.as_ref().is_some_and(|rules| rules.user.is_some());
        let tokens = super::tokens::of_api(&object, tokens, user)?;
        let limits = names.lists(object.optional("limits"))?;
        let breaker = object.optional("breaker").map(|node| breaker(&node)).transpose()?;
        object.finish()?;
        let id = Label::new(id).ok_or_else(|| id_node.error("too long"))?;
        let index = ApiIndex(number);
        apis.push(Api { index, id, level, state, tokens, rules, peer_certificate, any_ip, limits, breaker });
    }
    Ok((apis, paths.build()))
}

/// A circuit breaker.
fn breaker(node: &Node<'_>) -> Result<BreakerRule, DocumentError> {
    /// A day: longer than any service is left alone.
    const SPAN_MAX_MS: u64 = 24 * 60 * 60 * 1000;
    let object = node.object()?;
    let failures = object.required("failures")?.u64_in(1..=100)?;
    let number = |name, max, left_out| object.optional(name).map_or(Ok(left_out), |node| node.u64_in(1..=max));
    let least = number("least", 100_000, 20)?;
    let window_ms = number("window_ms", SPAN_MAX_MS, 10_000)?;
    let open_ms = number("open_ms", SPAN_MAX_MS, 5_000)?;
    let probes = number("probes", 1000, 1)?;
    object.finish()?;
    // All within their types: bounded above.
    Ok(BreakerRule {
        failures: failures as u8,
        least: least as u32,
        window_ms: window_ms as u32,
        open_ms: open_ms as u32,
        probes: probes as u16,
    })
}

/// A method as requests spell it (RFC 9110, 9.1: case matters); `None` for `*`, any.
fn method<'d>(node: &Node<'d>) -> Result<Option<&'d str>, DocumentError> {
    let text = node.str()?;
    let token = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    match text {
        "*" => Ok(None),
        _ if (1..=32).contains(&text.len()) && text.bytes().all(token) => Ok(Some(text)),
        _ => Err(node.error("expected a method in capitals such as \"POST\", or \"*\" for any")),
    }
}
