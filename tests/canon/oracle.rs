//! The openapi scheme once more, straightforwardly, on serde_json and a `BTreeMap`: the oracle of tests, fuzzing and benchmarks.
#![allow(dead_code)] // Each user takes its part.

use portcullis::verdict::Reason;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the rules of a generated profile say.
#[derive(Clone, Debug)]
pub struct Rules {
    pub keep_empty: bool,
    pub null: &'static str,
    pub nested: &'static str,
    pub keep_spaces: bool,
    pub refuse_delimiters: bool,
    pub encode: &'static str,
}

impl Rules {
    /// What to change in the document of `openapi`.
    pub fn changes(&self) -> [(&'static str, Value); 6] {
        [
            ("/values/empty", json!(if self.keep_empty { "keep" } else { "drop" })),
            ("/values/null", json!(self.null)),
            ("/values/nested", json!(self.nested)),
            ("/values/spaces", json!(if self.keep_spaces { "keep" } else { "refuse" })),
            ("/values/delimiters", json!(if self.refuse_delimiters { "refuse" } else { "keep" })),
            ("/encode", json!(self.encode)),
        ]
    }
}

pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

fn decode(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        match b {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                let digits = std::str::from_utf8(&digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
                out.push(u8::from_str_radix(digits, 16).ok()?);
            }
            b => out.push(b),
        }
    }
    String::from_utf8(out).ok()
}

/// The string to sign, or why there is none. Only what generated requests can be wrong in is looked at.
pub fn naive(rules: &Rules, query: &str, body: Option<&str>) -> Result<String, Reason> {
    let mut params: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut invalid = false;
    let mut signature = None;
    let edged = |s: &str| s.starts_with(' ') || s.ends_with(' ');
    let splits = |s: &str| s.split('&').skip(1).any(|p| p.contains('='));
    let wrong = |name: &str, value: &str| {
        (!rules.keep_spaces && (edged(name) || edged(value)))
            || (rules.refuse_delimiters && ((rules.encode != "values" && splits(value)) || name.contains(['&', '='])))
    };
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name).ok_or(Reason::MalformedRequest)?;
        let value = decode(value).ok_or(Reason::MalformedRequest)?;
        if name == "sign" {
            if signature.replace(value).is_some() {
                return Err(Reason::DuplicateField);
            }
            continue;
        }
        invalid |= wrong(&name, &value);
        if params.insert(name, Some(value)).is_some() {
            return Err(Reason::DuplicateField);
        }
    }
    if let Some(body) = body {
        // Keeps every member, the second of one name too.
        struct Members(Vec<(String, Box<RawValue>)>);
        impl<'de> serde::Deserialize<'de> for Members {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct V;
                impl<'de> serde::de::Visitor<'de> for V {
                    type Value = Members;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                        let mut members = Vec::new();
                        while let Some(entry) = map.next_entry()? {
                            members.push(entry);
                        }
                        Ok(Members(members))
                    }
                }
                d.deserialize_map(V)
            }
        }
        let members: Members = serde_json::from_str(body).map_err(|_| Reason::MalformedRequest)?;
        for (name, raw) in members.0 {
            let raw = raw.get();
            let value = match serde_json::from_str(raw).map_err(|_| Reason::MalformedRequest)? {
                Value::String(text) => {
                    invalid |= wrong(&name, &text);
                    Some(text)
                }
                Value::Null => {
                    invalid |= wrong(&name, "");
                    invalid |= rules.null == "refuse";
                    Some(if rules.null == "text" { "null".into() } else { String::new() })
                }
                Value::Object(_) | Value::Array(_) => {
                    invalid |= wrong(&name, raw);
                    invalid |= rules.nested == "refuse";
                    (rules.nested != "drop").then(|| raw.to_owned())
                }
                Value::Number(_) | Value::Bool(_) => {
                    invalid |= wrong(&name, raw);
                    Some(raw.to_owned())
                }
            };
            if name == "sign" || params.insert(name, value).is_some() {
                return Err(Reason::DuplicateField);
            }
        }
    }
    if invalid {
        return Err(Reason::InvalidField);
    }
    let joined: Vec<String> = params
        .iter()
        .filter_map(|(name, value)| value.as_ref().map(|v| (name, v)))
        .filter(|(_, value)| rules.keep_empty || !value.is_empty())
        .map(|(name, value)| match rules.encode {
            "values" => format!("{name}={}", encode(value)),
            _ => format!("{name}={value}"),
        })
        .collect();
    let joined = joined.join("&");
    Ok(if rules.encode == "string" { encode(&joined) } else { joined })
}
