//! Profiles made of the built-in document and a few changes, and requests to read with them.

use portcullis::canon::{Alg, Profile, Refusal, Scratch, builtin_document};
use portcullis::codec::doc::Document;
use portcullis::error::DocumentError;
use portcullis::request::{Header, Request, Sizes};
use serde_json::Value;

/// The document of `openapi` with the values at these JSON pointers changed, or made where they are not there.
pub fn changed(changes: &[(&str, Value)]) -> Value {
    let mut document: Value = serde_json::from_str(builtin_document("openapi").unwrap()).unwrap();
    for (pointer, value) in changes {
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("no {pointer}"));
        parent[member] = value.clone();
    }
    document
}

/// Compiles and lints a document.
pub fn compile(document: &Value) -> Result<Profile, DocumentError> {
    Profile::from_document(&Document::parse(document.to_string().as_bytes())?.root())
}

/// The built-in profile with changes. Holes that they close or open are accepted as they come.
pub fn profile(changes: &[(&str, Value)]) -> Profile {
    let mut document = changed(changes);
    let loose = Document::parse(document.to_string().as_bytes()).unwrap();
    let holes: Vec<&str> = match Profile::compile(&loose.root()) {
        Ok(profile) => profile.lint().iter().map(|f| f.hole).collect(),
        Err(e) => panic!("{e}"),
    };
    document["legacy_unsafe"] = holes.into();
    compile(&document).unwrap()
}

pub fn alg(name: &str) -> Alg {
    Alg::from_name(name).unwrap()
}

pub const JSON: &[(&str, &str)] = &[("content-type", "application/json; charset=utf-8")];

/// What a test sees of an [`portcullis::canon::Extract`].
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub app_id: Option<String>,
    pub timestamp: Option<i64>,
    pub nonce: Option<String>,
    pub signature: String,
    pub string: String,
    pub append_secret: bool,
}

/// Reads a request and writes its string for `alg`.
pub fn read_as(
    profile: &Profile,
    algorithm: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Seen, Refusal> {
    let headers: Vec<Header<'_>> =
        headers.iter().map(|(n, v)| Header { name: n.as_bytes(), value: v.as_bytes() }).collect();
    let request = Request { headers: &headers, ..Request::new(method.as_bytes(), target.as_bytes(), body) };
    let mut scratch = Scratch::new();
    let extract = profile.extract(&request, &mut scratch, &Sizes::default())?;
    let mut out = b"before".to_vec();
    let message = profile.write_message(&extract, &request, alg(algorithm), &mut out).unwrap();
    assert!(out.starts_with(b"before"));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ok(Seen {
        app_id: extract.app_id.map(text),
        timestamp: extract.timestamp.map(|t| t.0),
        nonce: extract.nonce.map(text),
        signature: text(extract.signature),
        string: text(&out[6..]),
        append_secret: message.append_secret,
    })
}

/// [`read_as`] for an HMAC, whose string has nothing behind it.
pub fn get(profile: &Profile, query: &str) -> Result<Seen, Refusal> {
    read_as(profile, "hmac-sha256", "GET", &format!("/p?{query}"), &[], b"")
}

/// A POST with a JSON body and the signature in the query.
pub fn post(profile: &Profile, query: &str, body: &str) -> Result<Seen, Refusal> {
    read_as(profile, "hmac-sha256", "POST", &format!("/p?{query}"), JSON, body.as_bytes())
}
