//! Shape `structured-fields`: HTTP Message Signatures (RFC 9421), requests.
//!
//! Coded rather than made of segments: a request names in `Signature-Input`, a dictionary of structured fields (RFC 8941), what it signed,
//! and the signature's own parameters are signed with it. The signature base has a line for each component in the order of the request,
//! and last `"@signature-params"`, the inner list written in its one canonical form.
//!
//! Components: `@method`, `@authority`, `@scheme`, `@target-uri`, `@request-target`, `@path`, `@query`, `@query-param` with `name`, and
//! fields, also with `bs` and `key`. `sf`, `req` and `tr` are refused: nothing here knows the types of other fields, and a request has
//! neither another request nor trailers. A component twice, one that is missing, or a parameter that is not known is refused
//! (RFC 9421, 2.5). `content-digest` (RFC 9530), where it is covered, is held against the body.
//!
//! # Members
//!
//! | member | values (**default**) | meaning |
//! |---|---|---|
//! | `label` | name | which signature; without it a request must have just one |
//! | `must` | array of names, or of lists of which one must be covered | components |
//! | `with_body` | names (**`["content-digest"]`**) | components that must be covered when there is a body |
//! | `nonce` | **`optional`** \| `required` | the parameter `nonce`; without one, the whole signature base must not come twice |
//! | `tag` | text | the parameter `tag` must be this |

mod reader;

use super::alg::{Alg, AlgSet};
use super::client::{Draft, Fill};
use super::extract::Rest;
use super::lint::{Cover, Coverage};
use super::{Caller, Extract, NonceMode, NonceScope, Refusal, Scratch};
use crate::codec::base64::{self, Variant};
use crate::codec::dates;
use crate::codec::doc::Object;
use crate::codec::percent::{self, Plus};
use crate::error::DocumentError;
use crate::hash::{sha256, sha512};
use crate::request::{Request, Sizes};
use crate::time::Millis;
use crate::verdict::{KID_MAX, Reason};
use reader::{Component, Pairs, Reader, string};
use std::ops::Range;

/// Names of RFC 9421, 6.2.2, and what documents call them.
const ALGS: [(&str, &str); 6] = [
    ("rsa-pss-sha512", "rsa-pss-sha512"),
    ("rsa-v1_5-sha256", "rsa-pkcs1-sha256"),
    ("hmac-sha256", "hmac-sha256"),
    ("ecdsa-p256-sha256", "ecdsa-p256-sha256"),
    ("ecdsa-p384-sha384", "ecdsa-p384-sha384"),
    ("ed25519", "ed25519"),
];

/// Most components, and most labels.
const MOST: usize = 128;

const MALFORMED: Refusal = Refusal::new(Reason::MalformedRequest, "signature_input");
const INVALID: Refusal = Refusal::invalid("signature_input");

/// A compiled profile of this shape.
#[derive(Debug)]
pub(super) struct Program {
    label: Option<String>,
    must: Vec<Vec<String>>,
    with_body: Vec<String>,
    nonce_required: bool,
    tag: Option<String>,
}

/// Memory of one request at a time.
#[derive(Default)]
pub struct Memory {
    /// Header lines of one name, joined.
    joined: Vec<u8>,
    /// The chosen inner list in canonical form.
    list: Vec<u8>,
    /// The components: identifier, name, and parameters, as places in `list`.
    components: Vec<Component>,
    /// The parameters of the list: key and value.
    params: Pairs,
    /// Texts of fields.
    kept: Vec<u8>,
}

/// The header lines of one name as one value (RFC 9421, 2.1): trimmed, joined by a comma and a space.
fn join(request: &Request<'_>, name: &[u8], out: &mut Vec<u8>) -> bool {
    let mut any = false;
    for value in request.headers.iter().filter(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value) {
        if any {
            out.extend_from_slice(b", ");
        }
        any = true;
        out.extend_from_slice(value.trim_ascii());
    }
    any
}

/// Appends host and port in lower case, without the scheme's own port.
fn authority(request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut hosts = request.header_values(b"host");
    let host = match (request.authority, hosts.next(), hosts.next()) {
        (Some(host), _, _) | (None, Some(host), None) => host.trim_ascii(),
        (None, Some(_), Some(_)) => return Err(Refusal::duplicate("host")),
        (None, None, _) => return Err(Refusal::missing("host")),
    };
    let own: &[u8] = match request.scheme {
        Some(scheme) if scheme.eq_ignore_ascii_case(b"http") => b":80",
        _ => b":443",
    };
    out.extend(host.strip_suffix(own).unwrap_or(host).iter().map(u8::to_ascii_lowercase));
    Ok(())
}

/// Percent-encodes as RFC 9421, 2.2.8 asks: the form's set, a space as `%20`.
fn encode_param(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"*-._".contains(byte) {
            out.push(*byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}

impl Program {
    pub(super) fn compile(object: &Object<'_>) -> Result<Self, DocumentError> {
        let text = |name| object.optional(name).map(|node| node.str().map(str::to_owned)).transpose();
        let names = |node: &crate::codec::doc::Node<'_>| -> Result<Vec<String>, DocumentError> {
            let list: Vec<String> = if node.is_str() {
                vec![node.str()?.to_owned()]
            } else {
                node.strings()?.into_iter().map(str::to_owned).collect()
            };
            if list.is_empty() || list.iter().any(|n| n.is_empty() || n.bytes().any(|b| b.is_ascii_uppercase())) {
                return Err(node.error("expected names of components, in lower case"));
            }
            Ok(list)
        };
        let mut must = Vec::new();
        if let Some(node) = object.optional("must") {
            for group in node.array()? {
                must.push(names(&group)?);
            }
        }
        let with_body = match object.optional("with_body") {
            Some(node) => node.strings()?.into_iter().map(str::to_owned).collect(),
            None => vec!["content-digest".to_owned()],
        };
        let nonce_required = object
            .optional("nonce")
            .map_or(Ok(false), |node| node.one_of(&[("optional", false), ("required", true)]))?;
        Ok(Self { label: text("label")?, must, with_body, nonce_required, tag: text("tag")? })
    }

    pub(super) fn caller(&self) -> Caller {
        Caller::KeyId
    }

    pub(super) fn nonce_mode(&self) -> NonceMode {
        NonceMode::Strict
    }

    pub(super) fn nonce_scope(&self) -> NonceScope {
        NonceScope::App
    }

    pub(super) fn coverage(&self) -> Coverage {
        // Whichever of a group the client chooses.
        let covers = |names: &[&str]| self.must.iter().any(|group| group.iter().all(|n| names.contains(&n.as_str())));
        let digest = self.with_body.iter().any(|n| n == "content-digest") || covers(&["content-digest"]);
        Coverage {
            timestamp: Cover::Signed,
            nonce: if self.nonce_required { Cover::Signed } else { Cover::Absent },
            app_id: Cover::Absent,
            algorithm: Cover::Signed,
            method: covers(&["@method"]),
            path: covers(&["@path", "@target-uri", "@request-target"]),
            query: covers(&["@query", "@target-uri", "@request-target"]),
            body_gap: (!digest).then_some("the digest of a body need not be covered"),
            loose_digests: if digest { Vec::new() } else { vec!["content-digest".into()] },
            endpoint_scope: false,
            movable: false,
            empty_dropped: false,
            ambiguous: false,
            excluded: Vec::new(),
        }
    }

    pub(super) fn places(&self) -> Vec<(String, String)> {
        let param = |name: &str| format!("parameter `{name}` of header `Signature-Input`");
        [("kid", "keyid"), ("timestamp", "created"), ("nonce", "nonce"), ("expires", "expires")]
            .into_iter()
            .map(|(name, key)| (name.to_owned(), param(key)))
            .chain([("signature".to_owned(), "header `Signature`".to_owned())])
            .collect()
    }

    pub(super) fn recognises(&self, request: &Request<'_>) -> bool {
        request.header_values(b"signature-input").next().is_some()
    }

    pub(super) fn extract<'r>(
        &self,
        request: &Request<'r>,
        scratch: &'r mut Scratch,
        sizes: &Sizes,
        admitted: AlgSet,
        signed: bool,
    ) -> Result<Extract<'r>, Refusal> {
        let Scratch { params, text: base, structured: memory, .. } = scratch;
        base.clear();
        memory.kept.clear();
        memory.joined.clear();
        if !join(request, b"signature-input", &mut memory.joined) {
            return Err(Refusal::new(Reason::MissingSignature, "signature"));
        }
        let label = self.read_input(memory)?;
        let signature = read_signature(request, memory, label.clone(), signed)?;
        params.clear();
        let queried = memory.components.iter().any(|c| memory.list.get(c.name.clone()) == Some(b"@query-param"));
        if queried {
            params.parse_query(request.query(), Plus::Space, sizes)?;
        }
        for at in 0..memory.components.len() {
            let Some(component) = memory.components.get(at) else { continue };
            if memory
                .components
                .iter()
                .take(at)
                .any(|other| memory.list.get(other.identifier.clone()) == memory.list.get(component.identifier.clone()))
            {
                return Err(Refusal::duplicate("component"));
            }
            base.extend_from_slice(memory.list.get(component.identifier.clone()).unwrap_or_default());
            base.extend_from_slice(b": ");
            value(request, &memory.list, component, &params.view(request.query(), &[]), &mut memory.joined, base)?;
            base.push(b'\n');
        }
        base.extend_from_slice(b"\"@signature-params\": ");
        base.extend_from_slice(&memory.list);
        self.check_covered(request, memory)?;

        let param = |name: &str| {
            let found = memory.params.iter().find(|(key, _)| memory.list.get(key.clone()) == Some(name.as_bytes()));
            found.and_then(|(_, value)| memory.list.get(value.clone()))
        };
        let text = |name: &'static str| match param(name) {
            None => Ok(None),
            Some(item) => string(item).map(Some).ok_or(Refusal::invalid(name)),
        };
        let moment = |name: &'static str| match param(name) {
            None => Ok(None),
            Some(item) => dates::unix_seconds(item).map(Some).ok_or(Refusal::invalid(name)),
        };
        let created = moment("created")?.ok_or(Refusal::missing("timestamp"))?;
        let expires = moment("expires")?;
        let (kid, nonce) = (text("keyid")?, text("nonce")?);
        if kid.is_some_and(|kid| kid.len() > KID_MAX) || nonce.is_some_and(|nonce| nonce.len() > 1024) {
            return Err(INVALID);
        }
        let (kid, nonce) = (kid.filter(|k| !k.is_empty()), nonce.filter(|n| !n.is_empty()));
        if self.nonce_required && nonce.is_none() {
            return Err(Refusal::missing("nonce"));
        }
        if self.tag.as_deref().is_some_and(|tag| text("tag").ok().flatten() != Some(tag.as_bytes())) {
            return Err(Refusal::invalid("tag"));
        }
        let mut algorithms = admitted;
        if let Some(said) = text("alg")? {
            let named =
                ALGS.iter().find(|(name, _)| name.as_bytes() == said).and_then(|(_, name)| Alg::from_name(name));
            algorithms = algorithms.and(AlgSet::EMPTY.with(named.ok_or(Refusal::invalid("alg"))?));
        }
        let keep = |text: Option<&[u8]>, kept: &mut Vec<u8>| {
            text.map(|text| {
                let start = kept.len();
                kept.extend_from_slice(text);
                start..kept.len()
            })
        };
        let mut kept = std::mem::take(&mut memory.kept);
        let (kid, nonce) = (keep(kid, &mut kept), keep(nonce, &mut kept));
        memory.kept = kept;
        let (kept, base): (&'r [u8], &'r [u8]) = (&memory.kept, base);
        let at = |range: Option<Range<usize>>| range.and_then(|range| kept.get(range));
        Ok(Extract {
            app_id: None,
            kid: at(kid),
            timestamp: Some(Millis(created)),
            nonce: at(nonce),
            signature: at(Some(signature)).unwrap_or_default(),
            algorithms,
            expires_at: expires.map(Millis),
            view: None,
            rest: Rest::Params { text: base },
        })
    }

    /// Reads `Signature-Input`, and keeps the list of the one label that counts.
    fn read_input(&self, memory: &mut Memory) -> Result<Range<usize>, Refusal> {
        let Memory { joined, list, components, params, kept } = memory;
        let (mut labels, mut twice) = (0usize, false);
        let mut chosen = None;
        list.clear();
        let mut reader = Reader { text: joined, at: 0 };
        let mut spare = Vec::new();
        let read = reader.dictionary(|key, reader| {
            reader.byte(b'=')?;
            let ours = self.label.as_ref().is_none_or(|label| label.as_bytes() == key);
            let out = if ours { &mut *list } else { &mut spare };
            out.clear();
            let (found, found_params) = reader.list(out)?;
            if ours {
                twice |= labels > 0;
                labels += 1;
                (*components, *params) = (found, found_params);
                let start = kept.len();
                kept.extend_from_slice(key);
                chosen = Some(start..kept.len());
            }
            Some(())
        });
        read.ok_or(MALFORMED)?;
        if twice {
            return Err(Refusal::duplicate("signature_input"));
        }
        chosen.ok_or(Refusal::new(Reason::MissingSignature, "signature"))
    }

    /// Whether everything is covered that must be, and the body's digest the right one.
    fn check_covered(&self, request: &Request<'_>, memory: &mut Memory) -> Result<(), Refusal> {
        let has = |name: &str| {
            // A component with parameters covers a part of a field only.
            let mut whole = memory.components.iter().filter(|c| c.params.is_empty());
            whole.any(|c| memory.list.get(c.name.clone()) == Some(name.as_bytes()))
        };
        let body = !request.body.is_empty();
        if !self.must.iter().all(|group| group.iter().any(|n| has(n)))
            || (body && !self.with_body.iter().all(|n| has(n)))
        {
            return Err(INVALID);
        }
        if has("content-digest") {
            memory.joined.clear();
            join(request, b"content-digest", &mut memory.joined);
            let (mut known, mut good) = (0, true);
            let mut reader = Reader { text: &memory.joined, at: 0 };
            let read = reader.dictionary(|key, reader| {
                reader.byte(b'=')?;
                let item = reader.item()?;
                let said = item.strip_prefix(b":")?.strip_suffix(b":")?;
                let right = match key {
                    b"sha-256" => base64::to_string(Variant::Standard, &sha256::digest(request.body)),
                    b"sha-512" => base64::to_string(Variant::Standard, &sha512::digest(request.body)),
                    _ => return Some(()),
                };
                known += 1;
                good &= right.as_bytes() == said;
                Some(())
            });
            if read.is_none() || known == 0 {
                return Err(Refusal::invalid("digest"));
            }
            if !good {
                return Err(Refusal::new(Reason::BadDigest, "digest"));
            }
        }
        Ok(())
    }

    pub(super) fn fill(&self, draft: &mut Draft, _alg: Alg, fill: &Fill<'_>) -> Result<(), Refusal> {
        if draft.header(b"signature-input").is_some() {
            return Ok(());
        }
        let mut names: Vec<&str> = self.must.iter().filter_map(|g| g.first()).map(String::as_str).collect();
        if !draft.body.is_empty() {
            names.extend(self.with_body.iter().map(String::as_str));
            if draft.header(b"content-digest").is_none() {
                let digest = base64::to_string(Variant::Standard, &sha256::digest(&draft.body));
                draft.headers.push((b"content-digest".to_vec(), format!("sha-256=:{digest}:").into_bytes()));
            }
        }
        let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let label = self.label.as_deref().unwrap_or("sig1");
        let mut text = format!("{label}=({})", quoted.join(" "));
        if let Some(at) = fill.timestamp {
            text += &format!(";created={}", at.0.div_euclid(1000));
        }
        for (key, value) in [("keyid", fill.kid), ("nonce", fill.nonce), ("tag", self.tag.as_deref())] {
            if let Some(value) = value {
                if value.contains(['"', '\\']) || value.chars().any(char::is_control) {
                    return Err(INVALID);
                }
                text += &format!(";{key}=\"{value}\"");
            }
        }
        draft.headers.push((b"signature-input".to_vec(), text.into_bytes()));
        Ok(())
    }

    pub(super) fn place_signature(&self, draft: &mut Draft, text: &str) -> Result<(), Refusal> {
        let label = self.label.as_deref().unwrap_or("sig1");
        draft.headers.push((b"signature".to_vec(), format!("{label}=:{text}:").into_bytes()));
        Ok(())
    }
}

/// Reads `Signature`, and keeps the text of the label's signature.
fn read_signature(
    request: &Request<'_>,
    memory: &mut Memory,
    label: Range<usize>,
    signed: bool,
) -> Result<Range<usize>, Refusal> {
    memory.joined.clear();
    let there = join(request, b"signature", &mut memory.joined);
    let mut found: Option<Range<usize>> = None;
    let Memory { joined, kept, .. } = memory;
    let mut twice = false;
    let read = Reader { text: joined, at: 0 }.dictionary(|key, reader| {
        reader.byte(b'=')?;
        let item = reader.item()?;
        let text = item.strip_prefix(b":")?.strip_suffix(b":")?;
        reader.params(&mut Vec::new())?;
        if kept.get(label.clone()) == Some(key) {
            twice |= found.is_some();
            let start = kept.len();
            kept.extend_from_slice(text);
            found = Some(start..kept.len());
        }
        Some(())
    });
    if there && read.is_none() {
        return Err(Refusal::new(Reason::MalformedRequest, "signature"));
    }
    match found.filter(|range| !range.is_empty()) {
        _ if twice => Err(Refusal::duplicate("signature")),
        Some(_) if !signed => Err(Refusal::duplicate("signature")),
        Some(range) => Ok(range),
        None if signed => Err(Refusal::new(Reason::MissingSignature, "signature")),
        None => Ok(0..0),
    }
}

/// Appends the value of a component.
fn value(
    request: &Request<'_>,
    list: &[u8],
    component: &Component,
    view: &crate::request::View<'_>,
    joined: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let identifier = list.get(component.identifier.clone()).unwrap_or_default();
    let name = list.get(component.name.clone()).unwrap_or_default();
    // A string, without escapes, and in lower case.
    if !identifier.starts_with(b"\"") || name.iter().any(|b| b.is_ascii_uppercase() || matches!(b, b'\\' | b'"' | b' '))
    {
        return Err(INVALID);
    }
    let (mut bytes, mut key, mut param) = (false, None, None);
    for (word, value) in &component.params {
        let value = list.get(value.clone()).unwrap_or_default();
        match list.get(word.clone()).unwrap_or_default() {
            b"bs" if value.is_empty() => bytes = true,
            b"key" => key = Some(string(value).ok_or(INVALID)?),
            b"name" => param = Some(string(value).ok_or(INVALID)?),
            _ => return Err(INVALID),
        }
    }
    let derived = name.starts_with(b"@");
    if (derived && (bytes || key.is_some()))
        || (param.is_some() != (name == b"@query-param"))
        || (bytes && key.is_some())
    {
        return Err(INVALID);
    }
    match name {
        b"@method" => out.extend_from_slice(request.method),
        b"@authority" => authority(request, out)?,
        b"@scheme" | b"@target-uri" => {
            let scheme = request.scheme.ok_or(Refusal::missing("scheme"))?;
            out.extend(scheme.iter().map(u8::to_ascii_lowercase));
            if name == b"@target-uri" {
                out.extend_from_slice(b"://");
                authority(request, out)?;
                out.extend_from_slice(request.target);
            }
        }
        b"@request-target" => out.extend_from_slice(request.target),
        b"@path" if request.path().is_empty() => out.push(b'/'),
        b"@path" => out.extend_from_slice(request.path()),
        b"@query" => {
            out.push(b'?');
            out.extend_from_slice(request.query());
        }
        b"@query-param" => {
            let mut wanted = Vec::new();
            percent::decode(param.unwrap_or_default(), Plus::Literal, &mut wanted).map_err(|_| INVALID)?;
            let at = view.find(&wanted).ok_or(Refusal::missing("component"))?;
            // One that is there twice cannot be signed alone (RFC 9421, 2.2.8).
            if view.find_from(at + 1, &wanted).is_some() {
                return Err(Refusal::duplicate("component"));
            }
            encode_param(view.value(at), out);
        }
        _ if derived => return Err(INVALID),
        _ if bytes => {
            let mut any = false;
            for value in request.headers.iter().filter(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value) {
                if any {
                    out.extend_from_slice(b", ");
                }
                any = true;
                out.extend_from_slice(
                    format!(":{}:", base64::to_string(Variant::Standard, value.trim_ascii())).as_bytes(),
                );
            }
            if !any {
                return Err(Refusal::missing("component"));
            }
        }
        _ => {
            joined.clear();
            if !join(request, name, joined) {
                return Err(Refusal::missing("component"));
            }
            let Some(key) = key else {
                out.extend_from_slice(joined);
                return Ok(());
            };
            let start = out.len();
            let mut found = false;
            let read = Reader { text: joined, at: 0 }.dictionary(|member, reader| {
                let ours = member == key;
                if ours {
                    out.truncate(start);
                    found = true;
                }
                let mut spare = Vec::new();
                let to = if ours { &mut *out } else { &mut spare };
                if reader.byte(b'=').is_none() {
                    to.extend_from_slice(b"?1");
                    reader.params(to)?;
                } else if reader.peek() == Some(b'(') {
                    reader.list(to)?;
                } else {
                    to.extend_from_slice(reader.item()?);
                    reader.params(to)?;
                }
                Some(())
            });
            read.ok_or(Refusal::new(Reason::MalformedRequest, "component"))?;
            if !found {
                return Err(Refusal::missing("component"));
            }
        }
    }
    Ok(())
}
