//! Shape `structured-fields`: HTTP Message Signatures (RFC 9421), of requests, and of responses to them.
//!
//! Coded rather than made of segments: a request names in `Signature-Input`, a dictionary of structured fields (RFC 8941), what it signed,
//! and the signature's own parameters are signed with it. The signature base has a line for each component in the order of the request,
//! and last `"@signature-params"`, the inner list written in its one canonical form.
//!
//! Components: `@method`, `@authority`, `@scheme`, `@target-uri`, `@request-target`, `@path`, `@query`, `@query-param` with `name`, and
//! fields, also with `bs`, `key`, and `sf` where the field's type is known. Of a response ([`Answer`]) also `@status`, fields of its trailers
//! with `tr`, and with `req` everything of the request that it answers; a request has neither, and is refused with them. A component twice, one
//! that is missing, or a parameter that is not known is refused (RFC 9421, 2.5). `content-digest` (RFC 9530), where it is covered, is held
//! against the body.
//!
//! # Members
//!
//! | member | values (**default**) | meaning |
//! |---|---|---|
//! | `label` | name | which signature; without it a request must have just one |
//! | `must` | array of names, or of lists of which one must be covered | components |
//! | `with_body` | names (**`["content-digest"]`**) | components that must be covered when there is a body, of a request or a response |
//! | `answer_must` | as `must`; a name may end in `;req` | components that must be covered of a response, in place of `must` |
//! | `nonce` | **`optional`** \| `required` | the parameter `nonce`; without one, the whole signature base must not come twice |
//! | `tag` | text | the parameter `tag` must be this |
//! | `structured` | object from field to `item` \| `list` \| `dictionary` | types of fields for `sf`, beside those that are registered |

mod reader;
mod write;

use super::alg::{Alg, AlgSet};
use super::client::{Draft, Fill};
use super::extract::Rest;
use super::lint::{Cover, Coverage};
use super::{Caller, Extract, NonceMode, NonceScope, Refusal, Scratch};
use crate::codec::base64::{self, Variant};
use crate::codec::dates;
use crate::codec::doc::Object;
use crate::codec::percent::Plus;
use crate::error::DocumentError;
use crate::hash::{sha256, sha512};
use crate::request::{Header, Request, Sizes};
use crate::time::Millis;
use crate::verdict::{KID_MAX, Reason};
use reader::{Inner, Kind, Reader, string};
use std::ops::Range;
use write::{Signed, Writer, join};

/// Names of RFC 9421, 6.2.2, and what documents call them.
const ALGS: [(&str, &str); 6] = [
    ("rsa-pss-sha512", "rsa-pss-sha512"),
    ("rsa-v1_5-sha256", "rsa-pkcs1-sha256"),
    ("hmac-sha256", "hmac-sha256"),
    ("ecdsa-p256-sha256", "ecdsa-p256-sha256"),
    ("ecdsa-p384-sha384", "ecdsa-p384-sha384"),
    ("ed25519", "ed25519"),
];

/// Types of fields that are registered (RFC 8941's own, RFC 9421, 9530, 9440, 9218, 9211, 9209, 8942).
const FIELDS: [(&str, Kind); 14] = [
    ("accept-ch", Kind::List),
    ("accept-signature", Kind::Dictionary),
    ("cache-status", Kind::List),
    ("cdn-cache-control", Kind::Dictionary),
    ("client-cert", Kind::Item),
    ("client-cert-chain", Kind::List),
    ("content-digest", Kind::Dictionary),
    ("priority", Kind::Dictionary),
    ("proxy-status", Kind::List),
    ("repr-digest", Kind::Dictionary),
    ("signature", Kind::Dictionary),
    ("signature-input", Kind::Dictionary),
    ("want-content-digest", Kind::Dictionary),
    ("want-repr-digest", Kind::Dictionary),
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
    /// Of a response, as identifiers: `"@status"`, `"@method";req`.
    answer_must: Vec<Vec<String>>,
    with_body: Vec<String>,
    nonce_required: bool,
    tag: Option<String>,
    /// Types of fields, the document's own before the registered ones.
    structured: Vec<(Vec<u8>, Kind)>,
}

/// A response, and the request that it answers.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'r> {
    /// 100 to 599.
    pub status: u16,
    /// Its header lines.
    pub headers: &'r [Header<'r>],
    /// Its body.
    pub body: &'r [u8],
    /// Its trailer lines.
    pub trailers: &'r [Header<'r>],
    /// What it answers, for components with `req`.
    pub request: &'r Request<'r>,
}

/// Memory of one request at a time.
#[derive(Default)]
pub struct Memory {
    /// Header lines of one name, joined.
    joined: Vec<u8>,
    /// The chosen inner list.
    list: Inner,
    /// One that is read for its form alone.
    spare: Inner,
    /// Texts of fields.
    kept: Vec<u8>,
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
        let mut answer_must: Vec<Vec<String>> = Vec::new();
        if let Some(node) = object.optional("answer_must") {
            for group in node.array()? {
                let identifier = |name: &String| match name.strip_suffix(";req") {
                    Some(name) => format!("\"{name}\";req"),
                    None => format!("\"{name}\""),
                };
                let list: Vec<String> = names(&group)?.iter().map(identifier).collect();
                if list.iter().any(|n| n.starts_with("\"@") && n != "\"@status\"" && !n.ends_with(";req")) {
                    return Err(
                        group.error("expected @status, names of fields, or components of the request with ;req")
                    );
                }
                answer_must.push(list);
            }
        }
        let with_body = match object.optional("with_body") {
            Some(node) => node.strings()?.into_iter().map(str::to_owned).collect(),
            None => vec!["content-digest".to_owned()],
        };
        let nonce_required = object
            .optional("nonce")
            .map_or(Ok(false), |node| node.one_of(&[("optional", false), ("required", true)]))?;
        let mut structured = Vec::new();
        if let Some(node) = object.optional("structured") {
            for (name, node) in node.members()? {
                let kinds = [("item", Kind::Item), ("list", Kind::List), ("dictionary", Kind::Dictionary)];
                structured.push((name.to_ascii_lowercase().into_bytes(), node.one_of(&kinds)?));
            }
        }
        structured.extend(FIELDS.iter().map(|(name, kind)| (name.as_bytes().to_vec(), *kind)));
        Ok(Self { label: text("label")?, must, answer_must, with_body, nonce_required, tag: text("tag")?, structured })
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

    pub(super) fn signed_with_body(&self) -> Vec<String> {
        self.with_body.clone()
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
        self.extract_signed(Signed { own: request, answer: None }, scratch, sizes, admitted, signed)
    }

    /// The same of a response.
    pub(super) fn extract_answer<'r>(
        &self,
        answer: &Answer<'_>,
        scratch: &'r mut Scratch,
        sizes: &Sizes,
        admitted: AlgSet,
        signed: bool,
    ) -> Result<Extract<'r>, Refusal> {
        let own = Request { headers: answer.headers, ..Request::new(b"", b"", answer.body) };
        self.extract_signed(Signed { own: &own, answer: Some(answer) }, scratch, sizes, admitted, signed)
    }

    fn extract_signed<'r>(
        &self,
        message: Signed<'_, '_>,
        scratch: &'r mut Scratch,
        sizes: &Sizes,
        admitted: AlgSet,
        signed: bool,
    ) -> Result<Extract<'r>, Refusal> {
        let request = message.own;
        let Scratch { params, text: base, structured: memory, .. } = scratch;
        base.clear();
        memory.kept.clear();
        memory.joined.clear();
        if !join(request.headers, b"signature-input", &mut memory.joined) {
            return Err(Refusal::new(Reason::MissingSignature, "signature"));
        }
        let label = self.read_input(memory)?;
        let signature = read_signature(request, memory, label.clone(), signed)?;
        params.clear();
        let queried = memory.list.components.iter().any(|c| memory.list.get(&c.name) == b"@query-param");
        // Of a response a parameter can only be its request's.
        let query = message.answer.map_or(request, |answer| answer.request).query();
        if queried {
            params.parse_query(query, Plus::Space, sizes)?;
        }
        let Memory { joined, list, spare, .. } = &mut *memory;
        for (at, component) in list.components.iter().enumerate() {
            let identifier = list.get(&component.identifier);
            if list.components.iter().take(at).any(|other| list.get(&other.identifier) == identifier) {
                return Err(Refusal::duplicate("component"));
            }
            base.extend_from_slice(identifier);
            base.extend_from_slice(b": ");
            let mut writer = Writer { list, view: params.view(query, &[]), joined, spare, types: &self.structured };
            writer.value(message, component, base)?;
            base.push(b'\n');
        }
        base.extend_from_slice(b"\"@signature-params\": ");
        base.extend_from_slice(&memory.list.text);
        self.check_covered(request, message.answer.is_some(), memory)?;

        let param = |name: &str| {
            let mut own = memory.list.params(&memory.list.own);
            own.find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value)
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
        let Memory { joined, list, spare, kept } = memory;
        let (mut labels, mut twice) = (0usize, false);
        let mut chosen = None;
        list.clear();
        let mut reader = Reader { text: joined, at: 0 };
        let read = reader.dictionary(|key, reader| {
            reader.byte(b'=')?;
            let ours = self.label.as_ref().is_none_or(|label| label.as_bytes() == key);
            let out = if ours { &mut *list } else { &mut *spare };
            out.clear();
            reader.list(out)?;
            if ours {
                twice |= labels > 0;
                labels += 1;
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
    fn check_covered(&self, request: &Request<'_>, answer: bool, memory: &mut Memory) -> Result<(), Refusal> {
        let has = |name: &str| {
            // A component with parameters covers a part of a field only.
            let mut whole = memory.list.components.iter().filter(|c| c.params.is_empty());
            whole.any(|c| memory.list.get(&c.name) == name.as_bytes())
        };
        let body = !request.body.is_empty();
        let identified =
            |id: &str| memory.list.components.iter().any(|c| memory.list.get(&c.identifier) == id.as_bytes());
        let covered = match answer {
            true => self.answer_must.iter().all(|group| group.iter().any(|id| identified(id))),
            false => self.must.iter().all(|group| group.iter().any(|n| has(n))),
        };
        if !covered || (body && !self.with_body.iter().all(|n| has(n))) {
            return Err(INVALID);
        }
        if has("content-digest") {
            memory.joined.clear();
            join(request.headers, b"content-digest", &mut memory.joined);
            let (mut known, mut good) = (0, true);
            let mut reader = Reader { text: &memory.joined, at: 0 };
            let read = reader.dictionary(|key, reader| {
                reader.byte(b'=')?;
                let item = reader.item()?;
                let said = item.strip_prefix(b":")?.strip_suffix(b":")?;
                let mut text = [0; 88];
                let right = match key {
                    b"sha-256" => base64::encode(Variant::Standard, &sha256::digest(request.body), &mut text),
                    b"sha-512" => base64::encode(Variant::Standard, &sha512::digest(request.body), &mut text),
                    _ => return Some(()),
                };
                known += 1;
                good &= right.is_ok_and(|right| right == said);
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
        let first =
            |groups: &[Vec<String>]| -> Vec<String> { groups.iter().filter_map(|g| g.first()).cloned().collect() };
        let quote = |name: String| format!("\"{name}\"");
        let mut quoted: Vec<String> = match draft.answers {
            Some(_) => first(&self.answer_must),
            None => first(&self.must).into_iter().map(quote).collect(),
        };
        if !draft.body.is_empty() {
            quoted.extend(self.with_body.iter().cloned().map(quote));
            if draft.header(b"content-digest").is_none() {
                let digest = base64::to_string(Variant::Standard, &sha256::digest(&draft.body));
                draft.headers.push((b"content-digest".to_vec(), format!("sha-256=:{digest}:").into_bytes()));
            }
        }
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
    let there = join(request.headers, b"signature", &mut memory.joined);
    let mut found: Option<Range<usize>> = None;
    let Memory { joined, kept, spare, .. } = memory;
    spare.clear();
    let mut twice = false;
    let read = Reader { text: joined, at: 0 }.dictionary(|key, reader| {
        reader.byte(b'=')?;
        let item = reader.item()?;
        let text = item.strip_prefix(b":")?.strip_suffix(b":")?;
        reader.params(&mut spare.text, &mut spare.pool)?;
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
