//! Strict reading of configuration documents: every value is asked for by name and type, every error carries its JSON pointer
//! (RFC 6901), unknown and duplicate members are errors.
//!
//! The text is parsed by simd-json into a tape; the tape is turned into a small tree whose strings are wiped when it is dropped, since
//! any of them may be a secret.

use super::fault;
use crate::error::DocumentError;
use simd_json::{Node as TapeNode, StaticNode};
use std::cell::Cell;
use zeroize::{Zeroize, Zeroizing};

/// Deepest nesting of a document.
const DEPTH_MAX: usize = 64;

enum Json {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(Zeroizing<String>),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Unsigned(_) | Self::Signed(_) => "an integer",
            Self::Float(_) => "a fraction",
            Self::Text(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// A parsed document.
pub struct Document {
    root: Json,
}

fn fail(pointer: &str, message: impl Into<String>) -> DocumentError {
    DocumentError { pointer: pointer.to_owned(), message: message.into() }
}

fn child(pointer: &str, token: &str) -> String {
    format!("{pointer}/{}", token.replace('~', "~0").replace('/', "~1"))
}

impl Document {
    /// Parses `text` (JSON, UTF-8).
    ///
    /// # Errors
    /// Where the text is not JSON (RFC 8259), names a member twice, or nests deeper than 64.
    pub fn parse(text: &[u8]) -> Result<Self, DocumentError> {
        let text = match simdutf8::compat::from_utf8(text) {
            Ok(text) => text,
            Err(e) => return Err(fail("", format!("not UTF-8: byte {} begins no character", e.valid_up_to()))),
        };
        let mut copy = Zeroizing::new(text.as_bytes().to_vec());
        let tape = simd_json::to_tape(&mut copy).map_err(|e| {
            fail(
                "",
                match fault::find(text) {
                    Some(fault) => format!("not JSON: line {}, column {}: {}", fault.line, fault.column, fault.message),
                    // Its own word for what is JSON, but more than it takes: numbers beyond 64 bits, nesting beyond its bound.
                    None => format!("not JSON that can be taken: {:?} at byte {}", e.error(), e.index()),
                },
            )
        })?;
        let mut at = 0;
        let root = Self::build(&tape.0, &mut at, "", 0)?;
        Ok(Self { root })
    }

    fn build(tape: &[TapeNode<'_>], at: &mut usize, pointer: &str, depth: usize) -> Result<Json, DocumentError> {
        if depth > DEPTH_MAX {
            return Err(fail(pointer, format!("nested deeper than {DEPTH_MAX}")));
        }
        let node = tape.get(*at).ok_or_else(|| fail(pointer, "ends early"))?;
        *at += 1;
        Ok(match *node {
            TapeNode::Static(StaticNode::Null) => Json::Null,
            TapeNode::Static(StaticNode::Bool(b)) => Json::Bool(b),
            TapeNode::Static(StaticNode::U64(n)) => Json::Unsigned(n),
            TapeNode::Static(StaticNode::I64(n)) => u64::try_from(n).map_or(Json::Signed(n), Json::Unsigned),
            TapeNode::Static(StaticNode::F64(n)) => Json::Float(n),
            TapeNode::String(s) => Json::Text(Zeroizing::new(s.to_owned())),
            TapeNode::Array { len, .. } => {
                let mut items = Vec::with_capacity(len);
                for index in 0..len {
                    items.push(Self::build(tape, at, &format!("{pointer}/{index}"), depth + 1)?);
                }
                Json::Array(items)
            }
            TapeNode::Object { len, .. } => {
                let mut members: Vec<(String, Json)> = Vec::with_capacity(len);
                let mut seen = std::collections::HashSet::with_capacity(len);
                for _ in 0..len {
                    let Some(TapeNode::String(name)) = tape.get(*at) else { return Err(fail(pointer, "ends early")) };
                    *at += 1;
                    let here = child(pointer, name);
                    if !seen.insert(*name) {
                        return Err(fail(&here, "member is there twice"));
                    }
                    members.push(((*name).to_owned(), Self::build(tape, at, &here, depth + 1)?));
                }
                Json::Object(members)
            }
        })
    }

    /// The outermost value.
    #[must_use]
    pub fn root(&self) -> Node<'_> {
        Node { value: &self.root, pointer: String::new() }
    }
}

/// A value and where it stands.
#[derive(Clone)]
pub struct Node<'d> {
    value: &'d Json,
    pointer: String,
}

impl<'d> Node<'d> {
    /// The JSON pointer of this value.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// An error that names this place.
    pub fn error(&self, message: impl Into<String>) -> DocumentError {
        fail(&self.pointer, message)
    }

    /// An error that says what was expected here and of which kind the value is instead.
    pub fn wrong(&self, expected: &str) -> DocumentError {
        self.error(format!("expected {expected}, found {}", self.value.kind()))
    }

    /// The string here.
    pub fn str(&self) -> Result<&'d str, DocumentError> {
        match self.value {
            Json::Text(s) => Ok(s.as_str()),
            _ => Err(self.wrong("a string")),
        }
    }

    /// The boolean here.
    pub fn bool(&self) -> Result<bool, DocumentError> {
        match self.value {
            Json::Bool(b) => Ok(*b),
            _ => Err(self.wrong("true or false")),
        }
    }

    /// The integer here, if it lies in `range`.
    pub fn u64_in(&self, range: std::ops::RangeInclusive<u64>) -> Result<u64, DocumentError> {
        match self.value {
            Json::Unsigned(n) if range.contains(n) => Ok(*n),
            Json::Unsigned(_) | Json::Signed(_) => {
                Err(self.error(format!("expected an integer from {} to {}", range.start(), range.end())))
            }
            _ => Err(self.wrong("an integer")),
        }
    }

    /// The integer here, with its sign, if it lies in `range`.
    pub fn i64_in(&self, range: std::ops::RangeInclusive<i64>) -> Result<i64, DocumentError> {
        let number = match self.value {
            Json::Unsigned(n) => i64::try_from(*n).ok(),
            Json::Signed(n) => Some(*n),
            _ => return Err(self.wrong("an integer")),
        };
        let expected = || self.error(format!("expected an integer from {} to {}", range.start(), range.end()));
        number.filter(|n| range.contains(n)).ok_or_else(expected)
    }

    /// The number here as a fraction, if it is finite and above zero.
    pub fn positive_f64(&self) -> Result<f64, DocumentError> {
        let n = match self.value {
            Json::Unsigned(n) => *n as f64,
            Json::Signed(n) => *n as f64,
            Json::Float(n) => *n,
            _ => return Err(self.wrong("a number")),
        };
        if n.is_finite() && n > 0.0 { Ok(n) } else { Err(self.error("expected a number above 0")) }
    }

    /// Whether the value is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.value, Json::Null)
    }

    /// Whether the value is a string (for members that may be a string or something else).
    #[must_use]
    pub fn is_str(&self) -> bool {
        matches!(self.value, Json::Text(_))
    }

    /// Whether the value is an integer.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        matches!(self.value, Json::Unsigned(_) | Json::Signed(_))
    }

    /// Whether the value is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        matches!(self.value, Json::Object(_))
    }

    /// One of `choices` by its name.
    pub fn one_of<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, DocumentError> {
        let text = self.str()?;
        choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.error(format!("expected one of {}", names.join(", ")))
        })
    }

    /// The array here, as its values.
    pub fn array(&self) -> Result<Vec<Node<'d>>, DocumentError> {
        match self.value {
            Json::Array(items) => Ok(items
                .iter()
                .enumerate()
                .map(|(index, value)| Node { value, pointer: format!("{}/{index}", self.pointer) })
                .collect()),
            _ => Err(self.wrong("an array")),
        }
    }

    /// The array of strings here.
    pub fn strings(&self) -> Result<Vec<&'d str>, DocumentError> {
        self.array()?.iter().map(Node::str).collect()
    }

    /// The object here. Ask for its members, then call [`Object::finish`].
    pub fn object(&self) -> Result<Object<'d>, DocumentError> {
        match self.value {
            Json::Object(members) => Ok(Object {
                members,
                pointer: self.pointer.clone(),
                asked: members.iter().map(|_| Cell::new(false)).collect(),
                known: Cell::new(Vec::new()),
            }),
            _ => Err(self.wrong("an object")),
        }
    }

    /// The members of the object here in document order, for maps with free names.
    pub fn members(&self) -> Result<Vec<(&'d str, Node<'d>)>, DocumentError> {
        match self.value {
            Json::Object(members) => Ok(members
                .iter()
                .map(|(name, value)| (name.as_str(), Node { value, pointer: child(&self.pointer, name) }))
                .collect()),
            _ => Err(self.wrong("an object")),
        }
    }
}

/// An object whose members are asked for by name; those never asked for are errors.
pub struct Object<'d> {
    members: &'d [(String, Json)],
    pointer: String,
    asked: Vec<Cell<bool>>,
    known: Cell<Vec<&'static str>>,
}

impl<'d> Object<'d> {
    /// The member `name`, if there.
    pub fn optional(&self, name: &'static str) -> Option<Node<'d>> {
        let mut known = self.known.take();
        if !known.contains(&name) {
            known.push(name);
        }
        self.known.set(known);
        let index = self.members.iter().position(|(n, _)| n == name)?;
        self.asked[index].set(true);
        Some(Node { value: &self.members[index].1, pointer: child(&self.pointer, name) })
    }

    /// The member `name`.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn required(&self, name: &'static str) -> Result<Node<'d>, DocumentError> {
        self.optional(name).ok_or_else(|| fail(&self.pointer, format!("member \"{name}\" is missing")))
    }

    /// An error that names this object.
    pub fn error(&self, message: impl Into<String>) -> DocumentError {
        fail(&self.pointer, message)
    }

    /// The JSON pointer of this object.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Refuses members that nobody asked for.
    ///
    /// # Errors
    /// Names the first unknown member and lists the known ones.
    pub fn finish(self) -> Result<(), DocumentError> {
        match self.asked.iter().position(|asked| !asked.get()) {
            None => Ok(()),
            Some(index) => Err(fail(
                &child(&self.pointer, &self.members[index].0),
                format!("unknown member; known here: {}", self.known.take().join(", ")),
            )),
        }
    }
}

impl Drop for Document {
    fn drop(&mut self) {
        // Strings wipe themselves; member names are not secret. Numbers could be, by mistake: overwrite them too.
        fn wipe(value: &mut Json) {
            match value {
                Json::Unsigned(n) => n.zeroize(),
                Json::Signed(n) => n.zeroize(),
                Json::Float(n) => n.zeroize(),
                Json::Array(items) => items.iter_mut().for_each(wipe),
                Json::Object(members) => members.iter_mut().for_each(|(_, v)| wipe(v)),
                Json::Null | Json::Bool(_) | Json::Text(_) => {}
            }
        }
        wipe(&mut self.root);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str, read: impl Fn(&Node<'_>) -> Result<(), DocumentError>) -> String {
        match Document::parse(text.as_bytes()) {
            Err(e) => e.to_string(),
            Ok(doc) => read(&doc.root()).expect_err("should fail").to_string(),
        }
    }

    #[test]
    fn errors_name_the_place() {
        let nothing = |_: &Node<'_>| Ok(());
        assert_eq!(error(r#"{"a":{"b":1,"b":2}}"#, nothing), "/a/b: member is there twice");
        assert!(error("{", nothing).starts_with("/: not JSON"));
        assert!(error("\"\u{0}", nothing).starts_with("/: not JSON"));
        assert_eq!(
            error(r#"{"a":[{"x/y":1}]}"#, |n| n.object()?.required("a")?.array()?[0].object()?.finish()),
            "/a/0/x~1y: unknown member; known here: "
        );
        assert_eq!(
            error(r#"{"a":"1"}"#, |n| n.object()?.required("a")?.u64_in(0..=9).map(drop)),
            "/a: expected an integer, found a string"
        );
        assert_eq!(
            error(r#"{"a":10}"#, |n| n.object()?.required("a")?.u64_in(0..=9).map(drop)),
            "/a: expected an integer from 0 to 9"
        );
        assert_eq!(error("{}", |n| n.object()?.required("a").map(drop)), "/: member \"a\" is missing");
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert!(error(&deep, nothing).ends_with("nested deeper than 64"));
    }
}
