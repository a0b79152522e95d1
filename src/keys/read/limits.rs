//! The section `limits`.

use super::{Seen, items, name};
use crate::codec::doc::{Node, Object};
use crate::error::DocumentError;
use crate::keys::limits::{Action, Distinct, KeyPart, KeyParts, Limit, Rate};

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
        let window = Window::read(&object)?;
        let rate = rate(&object)?;
        let quota = quota(&object, &window)?;
        if let (Some(_), Some(node)) = (rate, object.optional("quota")) {
            return Err(node.error("beside \"rate\"; expected one of the two, or a limit for each"));
        }
        let distinct = distinct(&object, &window)?;
        if quota.is_none() && distinct.is_none() {
            window.unused()?;
        }
        let rate = rate.or(quota);
        let concurrency = match object.optional("concurrency") {
            Some(node) => Some(u32::try_from(node.u64_in(1..=1_000_000)?).map_err(|_| node.error("expected less"))?),
            None => None,
        };
        if rate.is_none() && concurrency.is_none() && distinct.is_none() {
            return Err(object.error(
                "expected \"rate\" with \"per_ms\", \"quota\" with a window, \"distinct\" with \"of\" and a window, or \"concurrency\"",
            ));
        }
        let action = action(&object)?;
        let before_signature = before_signature(&object, key, concurrency.is_some(), distinct.is_some())?;
        object.finish()?;
        limits.push(Limit { name: name.to_owned(), key, rate, distinct, concurrency, action, before_signature });
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

/// The window of a quota or of distinct values: by name, or in milliseconds.
struct Window<'d> {
    length: Option<(Node<'d>, u64)>,
    offset: Option<(Node<'d>, i64)>,
}

impl<'d> Window<'d> {
    fn read(object: &Object<'d>) -> Result<Self, DocumentError> {
        const MINUTE: u64 = 60_000;
        let names =
            [("minute", MINUTE), ("hour", 60 * MINUTE), ("day", 24 * 60 * MINUTE), ("week", 7 * 24 * 60 * MINUTE)];
        let length = match (object.optional("window"), object.optional("window_ms")) {
            (Some(_), Some(node)) => return Err(node.error("beside \"window\"; expected one of the two")),
            (Some(node), None) => Some(node.one_of(&names).map(|ms| (node, ms))?),
            (None, Some(node)) => Some(node.u64_in(1..=1 << 31).map(|ms| (node, ms))?),
            (None, None) => None,
        };
        let offset = match object.optional("utc_offset_minutes") {
            Some(node) => {
                let minutes = node.i64_in(-14 * 60..=14 * 60)?;
                Some((node, minutes * 60_000))
            }
            None => None,
        };
        Ok(Self { length, offset })
    }

    /// Length and offset. The weeks since the epoch begin on Thursdays; those of the calendar on Mondays.
    fn needed(&self, for_what: &Node<'_>) -> Result<(u64, i64), DocumentError> {
        const WEEK: u64 = 7 * 24 * 60 * 60_000;
        const MONDAY: i64 = 3 * 24 * 60 * 60_000;
        let Some((_, length)) = self.length else {
            return Err(for_what.error("expected \"window\" or \"window_ms\" beside it"));
        };
        let offset = self.offset.as_ref().map_or(0, |(_, ms)| *ms);
        Ok((length, if length == WEEK { offset + MONDAY } else { offset }))
    }

    fn unused(&self) -> Result<(), DocumentError> {
        let node = self.length.as_ref().map(|(node, _)| node).or(self.offset.as_ref().map(|(node, _)| node));
        node.map_or(Ok(()), |node| Err(node.error("is of use beside \"quota\" and \"distinct\" only")))
    }
}

fn quota(object: &Object<'_>, window: &Window<'_>) -> Result<Option<Rate>, DocumentError> {
    let Some(node) = object.optional("quota") else { return Ok(None) };
    let count = node.u64_in(1..=COUNT_MAX)?;
    let (length, offset) = window.needed(&node)?;
    Rate::window(count, length, offset).map(Some).map_err(|e| node.error(e.to_string()))
}

fn distinct(object: &Object<'_>, window: &Window<'_>) -> Result<Option<Distinct>, DocumentError> {
    let Some(node) = object.optional("distinct") else {
        return match object.optional("of") {
            Some(of) => Err(of.error("is of use beside \"distinct\" only")),
            None => Ok(None),
        };
    };
    let most = node.u64_in(1..=1_000_000)?;
    let of = name(&object.required("of")?, NAME_MAX)?.to_owned();
    let (window_ms, offset_ms) = window.needed(&node)?;
    Ok(Some(Distinct { of, most, window_ms, offset_ms }))
}

fn before_signature(
    object: &Object<'_>,
    key: KeyParts,
    concurrency: bool,
    distinct: bool,
) -> Result<bool, DocumentError> {
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
    if distinct {
        return Err(node.error("values of parameters are counted after the signature; expected a rate alone"));
    }
    Ok(true)
}
