//! The section `limits`.

use super::{Seen, items, name};
use crate::codec::doc::{Node, Object};
use crate::error::DocumentError;
use crate::keys::limits::{Action, KeyPart, KeyParts, Limit, Rate};

/// Greatest length of a limit's name in bytes.
const NAME_MAX: usize = 64;
/// Greatest rate and burst.
const COUNT_MAX: u64 = 1_000_000_000;
/// Greatest span of a rate: a day. Longer quotas are counted by the calendar, not by rate.
const SPAN_MAX_MS: u64 = 24 * 60 * 60 * 1000;
/// Longest suspension: thirty days.
const SUSPENSION_MAX_MS: u64 = 30 * SPAN_MAX_MS;

pub(super) fn read(section: Option<Node<'_>>) -> Result<Vec<Limit>, DocumentError> {
    let mut limits = Vec::new();
    let mut seen = Seen::default();
    for node in items(section)? {
        let object = node.object()?;
        let name_node = object.required("name")?;
        let name = name(&name_node, NAME_MAX)?;
        seen.add(name, &name_node)?;
        let key = key(&object.required("key")?)?;
        let rate = rate(&object)?;
        let concurrency = match object.optional("concurrency") {
            Some(node) => Some(u32::try_from(node.u64_in(1..=1_000_000)?).map_err(|_| node.error("expected less"))?),
            None => None,
        };
        if rate.is_none() && concurrency.is_none() {
            return Err(object.error("expected \"rate\" with \"per_ms\", or \"concurrency\""));
        }
        let action = action(&object)?;
        let before_signature = before_signature(&object, key, concurrency.is_some())?;
        object.finish()?;
        limits.push(Limit { name: name.to_owned(), key, rate, concurrency, action, before_signature });
    }
    Ok(limits)
}

fn key(node: &Node<'_>) -> Result<KeyParts, DocumentError> {
    let mut key = KeyParts::default();
    for item in node.array()? {
        let part = item.one_of(&KeyPart::NAMES)?;
        if key.has(part) {
            return Err(item.error("is there twice"));
        }
        key = key.with(part);
    }
    if key == KeyParts::default() {
        return Err(node.error("expected at least one part of the key"));
    }
    Ok(key)
}

fn rate(object: &Object<'_>) -> Result<Option<Rate>, DocumentError> {
    let (per, burst) = (object.optional("per_ms"), object.optional("burst"));
    let Some(rate) = object.optional("rate") else {
        return match per.or(burst) {
            Some(node) => Err(node.error("is of use beside \"rate\" only")),
            None => Ok(None),
        };
    };
    let count = rate.u64_in(1..=COUNT_MAX)?;
    let per_ms = object.required("per_ms")?.u64_in(1..=SPAN_MAX_MS)?;
    let burst = burst.map_or(Ok(count), |node| node.u64_in(1..=COUNT_MAX))?;
    Rate::new(count, per_ms, burst).map(Some).map_err(|e| rate.error(e.to_string()))
}

fn action(object: &Object<'_>) -> Result<Action, DocumentError> {
    #[derive(Clone, Copy, PartialEq)]
    enum Name {
        Reject,
        Alert,
        Suspend,
    }
    let choices = [("reject", Name::Reject), ("alert", Name::Alert), ("suspend", Name::Suspend)];
    let name = object.optional("action").map_or(Ok(Name::Reject), |node| node.one_of(&choices))?;
    let span = object.optional("suspend_ms");
    match (name, span) {
        (Name::Suspend, Some(node)) => Ok(Action::Suspend { for_ms: node.u64_in(1..=SUSPENSION_MAX_MS)? }),
        (Name::Suspend, None) => object.required("suspend_ms").map(|_| Action::Reject),
        (_, Some(node)) => Err(node.error("is of use beside the action \"suspend\" only")),
        (Name::Alert, None) => Ok(Action::Alert),
        (Name::Reject, None) => Ok(Action::Reject),
    }
}

fn before_signature(object: &Object<'_>, key: KeyParts, concurrency: bool) -> Result<bool, DocumentError> {
    let Some(node) = object.optional("before_signature") else { return Ok(false) };
    if !node.bool()? {
        return Ok(false);
    }
    if !key.iter().all(KeyPart::known_before_signature) {
        return Err(node.error(
            "before the signature only client_ip, path and method are known; expected a key of these alone (anybody could use \
             up another's allowance)",
        ));
    }
    if concurrency {
        return Err(node.error("requests in flight are counted after the signature; expected a rate alone"));
    }
    Ok(true)
}
