//! The sections `state`, `clock`, `sizes` and `codes`.

use crate::codec::doc::Node;
use crate::error::DocumentError;
use crate::keys::settings::{Clock, Codes, NonceMode, State};
use crate::request::Sizes;
use crate::verdict::{CODE_MAX, Label, Reason};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// Greatest window on either side: a week, what presigned requests of the AWS family ask for.
const WINDOW_MAX_MS: u64 = 7 * 24 * 60 * 60 * 1000;

pub(super) fn state(section: Option<Node<'_>>) -> Result<State, DocumentError> {
    let mut state = State::default();
    let Some(section) = section else { return Ok(state) };
    let object = section.object()?;
    if let Some(node) = object.optional("path") {
        let path = node.str()?;
        if path.is_empty() || path.contains('\0') {
            return Err(node.error("expected the path of a file"));
        }
        state.path = Some(PathBuf::from(path));
    }
    if let Some(node) = object.optional("nonces") {
        state.nonces = node.u64_in(1..=1 << 36)?;
    }
    if let Some(node) = object.optional("limit_keys") {
        state.limit_keys = node.u64_in(1..=1 << 32)?;
    }
    for (name, slot, max) in [
        ("concurrency_keys", &mut state.concurrency_keys, 1 << 24),
        ("deny_keys", &mut state.deny_keys, 1 << 32),
        ("capped_apps", &mut state.capped_apps, 1 << 24),
        ("breakers", &mut state.breakers, 1 << 19),
        ("distinct_keys", &mut state.distinct_keys, 1 << 24),
        ("anomaly_keys", &mut state.anomaly_keys, 1 << 24),
    ] {
        if let Some(node) = object.optional(name) {
            *slot = node.u64_in(1..=max)?;
        }
    }
    if let Some(node) = object.optional("key_table_bytes") {
        state.key_table_bytes = node.u64_in(0..=1 << 40)?;
    }
    if let Some(node) = object.optional("birth_rule") {
        state.birth_rule = if node.is_str() { node.one_of(&[("on", true), ("off", false)])? } else { node.bool()? };
    }
    if let Some(node) = object.optional("mode") {
        state.mode = mode(&node)?;
    }
    if let Some(node) = object.optional("group") {
        state.group = Some(group(&node)?);
    }
    if let Some(node) = object.optional("nonce_mode") {
        state.nonce_mode = node.one_of(&[("strict", NonceMode::Strict), ("message", NonceMode::Message)])?;
    }
    object.finish()?;
    Ok(state)
}

/// A group by number, or by its name in `/etc/group`.
fn group(node: &Node<'_>) -> Result<u32, DocumentError> {
    if !node.is_str() {
        let id = node.u64_in(0..=u64::from(u32::MAX - 1))?;
        return u32::try_from(id).map_err(|_| node.error("expected the number of a group"));
    }
    let name = super::name(node, 32)?;
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    group_named(name, &groups)
        .ok_or_else(|| node.error(format!("/etc/group has no \"{name}\"; expected a group there, or its number")))
}

/// The number of the group `name` in the text of `/etc/group`: lines of `name:password:number:members`.
fn group_named(name: &str, groups: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() == Some(name) { fields.nth(1)?.parse().ok() } else { None }
    })
}

/// Permission bits as `chmod` takes them. JSON has no octal numbers, so only a string will do: 600 would be read as 01130.
fn mode(node: &Node<'_>) -> Result<u32, DocumentError> {
    let expected = || {
        node.error(
            "expected a string of octal digits such as \"0660\": reading and writing for the owner at least, \
                                  nothing to execute",
        )
    };
    if !node.is_str() {
        return Err(expected());
    }
    let text = node.str()?;
    let digits = text.bytes().all(|b| b.is_ascii_digit()) && (3..=4).contains(&text.len());
    match u32::from_str_radix(text, 8) {
        Ok(mode) if digits && mode & 0o600 == 0o600 && mode & !0o666 == 0 => Ok(mode),
        _ => Err(expected()),
    }
}

pub(super) fn clock(section: Option<Node<'_>>) -> Result<Clock, DocumentError> {
    let mut clock = Clock::default();
    let Some(section) = section else { return Ok(clock) };
    let object = section.object()?;
    let window = |node: Node<'_>, range: RangeInclusive<u64>| {
        let ms = node.u64_in(range)?;
        i64::try_from(ms).map_err(|_| node.error("expected fewer milliseconds"))
    };
    if let Some(node) = object.optional("past_window_ms") {
        clock.past_window_ms = window(node, 1..=WINDOW_MAX_MS)?;
    }
    if let Some(node) = object.optional("future_window_ms") {
        clock.future_window_ms = window(node, 0..=WINDOW_MAX_MS)?;
    }
    object.finish()?;
    Ok(clock)
}

pub(super) fn sizes(section: Option<Node<'_>>) -> Result<Sizes, DocumentError> {
    let mut sizes = Sizes::default();
    let Some(section) = section else { return Ok(sizes) };
    let object = section.object()?;
    let members = [
        ("target", &mut sizes.target, 1 << 20),
        ("headers", &mut sizes.headers, 10_000),
        ("header_bytes", &mut sizes.header_bytes, 16 << 20),
        ("body", &mut sizes.body, (1 << 32) - 1),
        ("params", &mut sizes.params, 1 << 20),
        ("depth", &mut sizes.depth, 1024),
    ];
    for (name, slot, max) in members {
        if let Some(node) = object.optional(name) {
            let size = node.u64_in(1..=max)?;
            *slot = usize::try_from(size).map_err(|_| node.error("expected a size that this machine can hold"))?;
        }
    }
    object.finish()?;
    Ok(sizes)
}

/// Greatest integer code: as many digits as a code has room for, less one.
const CODE_INTEGER_MAX: u64 = 999_999_999_999_999;

pub(super) fn codes(section: Option<Node<'_>>) -> Result<Codes, DocumentError> {
    let mut codes = Codes::default();
    let Some(section) = section else { return Ok(codes) };
    for (name, node) in section.members()? {
        let Some(reason) = Reason::from_name(name) else {
            let names: Vec<&str> = Reason::ALL.iter().map(|r| r.name()).collect();
            return Err(node.error(format!("no such reason; known here: {}", names.join(", "))));
        };
        let integer;
        let text = if node.is_str() {
            node.str()?
        } else if node.is_integer() {
            integer = node.u64_in(0..=CODE_INTEGER_MAX)?.to_string();
            &integer
        } else {
            return Err(node.wrong("a string or an integer"));
        };
        let printable = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        match Label::new(text) {
            Some(code) if printable => codes.set(reason, code, !node.is_str()),
            _ => return Err(node.error(format!("expected 1 to {CODE_MAX} printable ASCII characters"))),
        }
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::group_named;

    #[test]
    fn groups_are_found_by_their_whole_name() {
        let groups = "root:x:0:\nwww:x:33:a,b\nwww-data:x:34:\nbroken\nodd:x:many:\n";
        assert_eq!(group_named("root", groups), Some(0));
        assert_eq!(group_named("www", groups), Some(33));
        assert_eq!(group_named("www-data", groups), Some(34));
        for name in ["ww", "x", "", "broken", "odd", "a"] {
            assert_eq!(group_named(name, groups), None, "{name}");
        }
    }
}
