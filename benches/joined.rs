//! The sorted `name=value&…` string of a JSON body, as one writes it with serde_json.

use super::documents::Members;
use std::borrow::Cow;

/// Adds a member that is not empty, not null and not `sign`.
pub fn push(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    if value.is_empty() || value == b"null" || name == b"sign" {
        return;
    }
    if !out.is_empty() {
        out.push(b'&');
    }
    out.extend_from_slice(name);
    out.push(b'=');
    out.extend_from_slice(value);
}

/// serde_json: borrowed names, raw values, strings decoded only where they have escapes.
pub fn serde(body: &[u8], out: &mut Vec<u8>) {
    let Members(mut members) = serde_json::from_slice(body).unwrap();
    members.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    assert!(members.windows(2).all(|two| two[0].0 != two[1].0));
    out.clear();
    for (name, raw) in &members {
        let raw = raw.get();
        let value = match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(_) if raw.contains('\\') => Cow::Owned(serde_json::from_str::<String>(raw).unwrap()),
            Some(inner) => Cow::Borrowed(inner),
            None => Cow::Borrowed(raw),
        };
        push(out, name.as_bytes(), value.as_bytes());
    }
}
