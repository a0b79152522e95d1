//! Shape `jose`: JSON Web Signatures (RFC 7515) and Tokens (RFC 7519), compact or detached, with unencoded payloads (RFC 7797).
//!
//! Coded rather than made of segments: what is signed is the header as sent, a dot and the payload, and everything else is in JSON inside
//! base64url. What narrows the keys is `alg`, which is signed; it never chooses one, since a key is bound to its algorithm, and `none` is
//! no algorithm at all. Headers are read strictly: a member twice, a `crit` that names what is not understood, is empty or names what is
//! not there (RFC 7515, 4.1.11), `b64` without being critical (RFC 7797, 6), base64url with padding: each is refused.
//!
//! # Members
//!
//! | member | values (**default**) | meaning |
//! |---|---|---|
//! | `form` | `detached` \| `compact`, required | `detached`: `header..signature`, the body is the payload; `compact`: a token with its claims |
//! | `header` | name (**`Authorization`**) | where it stands |
//! | `scheme` | text | the word before it, such as `Bearer` |
//! | `crit` | names (**none**) | critical members that are understood beside `b64` |
//! | `require_crit` | **`false`** \| `true` | all of those must be there and critical |
//! | `fields` | object | names of members (of the header when detached, of the claims when compact): `app_id`, `timestamp`, `nonce`, `expires`, `not_before`, in seconds; `kid` is always the header's |
//! | `expect` | object | from a member to the texts that it may have (`aud`, `iss`, `typ`): a text, or an array that has one of them |

use super::alg::{Alg, AlgSet};
use super::client::{Draft, Fill};
use super::document::{field_name, is_token};
use super::extract::Rest;
use super::lint::{Cover, Coverage};
use super::{Caller, Extract, NonceMode, NonceScope, Refusal, Scratch};
use crate::codec::base64::{self, Variant};
use crate::codec::dates;
use crate::codec::doc::Object;
use crate::error::DocumentError;
use crate::request::{Kind, Params, Request, Sizes, View};
use crate::time::Millis;
use crate::verdict::{APP_ID_MAX, KID_MAX, Reason};

/// `alg` of RFC 7518, 3.1 and RFC 8037, 3.1, and what documents call it.
const ALGS: [(&str, &str); 11] = [
    ("RS256", "rsa-pkcs1-sha256"),
    ("RS512", "rsa-pkcs1-sha512"),
    ("PS256", "rsa-pss-sha256"),
    ("PS512", "rsa-pss-sha512"),
    ("ES256", "ecdsa-p256-sha256"),
    ("ES384", "ecdsa-p384-sha384"),
    ("EdDSA", "ed25519"),
    ("Ed25519", "ed25519"),
    ("HS256", "hmac-sha256"),
    ("HS384", "hmac-sha384"),
    ("HS512", "hmac-sha512"),
];

const MALFORMED: Refusal = Refusal::new(Reason::MalformedRequest, "jws");

/// Longest nonce.
const NONCE_MAX: usize = 1024;

/// What a member is to hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    AppId,
    Timestamp,
    Nonce,
    Expires,
    NotBefore,
}

const ROLES: [(Role, &str); 5] = [
    (Role::AppId, "app_id"),
    (Role::Timestamp, "timestamp"),
    (Role::Nonce, "nonce"),
    (Role::Expires, "expires"),
    (Role::NotBefore, "not_before"),
];

/// A compiled profile of this shape.
#[derive(Debug)]
pub(super) struct Program {
    detached: bool,
    header: String,
    scheme: Option<String>,
    crit: Vec<String>,
    require_crit: bool,
    fields: Vec<(Role, String)>,
    expect: Vec<(String, Vec<String>)>,
}

/// Appends what base64url stands for; strict, without padding.
fn decode(text: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    let start = out.len();
    out.resize(start.saturating_add(base64::decoded_len(text.len())), 0);
    let room = out.get_mut(start..).unwrap_or_default();
    let len = base64::decode(Variant::UrlSafeNoPad, text, room).map(|bytes| bytes.len());
    out.truncate(start + *len.as_ref().unwrap_or(&0));
    len.map(drop).map_err(|_| MALFORMED)
}

/// The texts of an array as sent; `false` from `take` or anything but texts without escapes ends it.
fn texts(raw: &[u8], mut take: impl FnMut(&[u8]) -> bool) -> bool {
    let Some(mut rest) = raw.trim_ascii().strip_prefix(b"[").and_then(|r| r.strip_suffix(b"]")) else { return false };
    loop {
        rest = rest.trim_ascii_start();
        let Some(inner) = rest.strip_prefix(b"\"") else { return false };
        let Some(end) = memchr::memchr2(b'"', b'\\', inner) else { return false };
        if inner.get(end) != Some(&b'"') || !take(inner.get(..end).unwrap_or_default()) {
            return false;
        }
        rest = inner.get(end + 1..).unwrap_or_default().trim_ascii_start();
        match rest.split_first() {
            None => return true,
            Some((b',', after)) => rest = after,
            Some(_) => return false,
        }
    }
}

/// What was read of a header or of claims, by offsets into the memory of texts.
#[derive(Default)]
struct Read {
    app_id: Option<(usize, usize)>,
    nonce: Option<(usize, usize)>,
    timestamp: Option<i64>,
    expires: Option<i64>,
    not_before: Option<i64>,
}

impl Program {
    pub(super) fn compile(object: &Object<'_>) -> Result<Self, DocumentError> {
        let detached = object.required("form")?.one_of(&[("detached", true), ("compact", false)])?;
        let token = |name: &'static str| -> Result<Option<String>, DocumentError> {
            match object.optional(name) {
                None => Ok(None),
                Some(node) if !node.str()?.is_empty() && is_token(node.str()?.as_bytes()) => {
                    Ok(Some(node.str()?.to_owned()))
                }
                Some(node) => Err(node.error("expected a token (RFC 9110, 5.6.2)")),
            }
        };
        let (header, scheme) = (token("header")?.unwrap_or_else(|| "authorization".into()), token("scheme")?);
        let mut crit = Vec::new();
        if let Some(node) = object.optional("crit") {
            for item in node.array()? {
                crit.push(field_name(&item)?);
            }
        }
        let require_crit = object.optional("require_crit").map_or(Ok(false), |node| node.bool())?;
        let mut fields: Vec<(Role, String)> = Vec::new();
        if let Some(node) = object.optional("fields") {
            for (name, node) in node.members()? {
                let role = ROLES.iter().find(|(_, known)| *known == name).map(|(role, _)| *role);
                let role =
                    role.ok_or_else(|| node.error("expected app_id, timestamp, nonce, expires or not_before"))?;
                if !node.is_null() {
                    fields.push((role, field_name(&node)?));
                }
            }
        }
        let mut expect = Vec::new();
        if let Some(node) = object.optional("expect") {
            for (name, node) in node.members()? {
                let texts: Vec<String> = node.strings()?.into_iter().map(str::to_owned).collect();
                if texts.is_empty() {
                    return Err(node.error("expected at least one text"));
                }
                expect.push((name.to_owned(), texts));
            }
        }
        Ok(Self { detached, header, scheme, crit, require_crit, fields, expect })
    }

    fn has(&self, role: Role) -> bool {
        self.fields.iter().any(|(r, _)| *r == role)
    }

    pub(super) fn caller(&self) -> Caller {
        if self.has(Role::AppId) { Caller::AppId } else { Caller::KeyId }
    }

    pub(super) fn nonce_mode(&self) -> NonceMode {
        if self.has(Role::Timestamp) { NonceMode::Strict } else { NonceMode::Arrival }
    }

    pub(super) fn nonce_scope(&self) -> NonceScope {
        NonceScope::App
    }

    pub(super) fn coverage(&self) -> Coverage {
        let cover = |role| if self.has(role) { Cover::Signed } else { Cover::Absent };
        Coverage {
            timestamp: cover(Role::Timestamp),
            nonce: cover(Role::Nonce),
            app_id: cover(Role::AppId),
            algorithm: Cover::Signed,
            method: false,
            path: false,
            query: false,
            body_gap: (!self.detached).then_some("a token signs its own claims and nothing of the body"),
            loose_digests: Vec::new(),
            endpoint_scope: false,
            movable: false,
            empty_dropped: false,
            ambiguous: false,
            excluded: Vec::new(),
        }
    }

    pub(super) fn places(&self) -> Vec<(String, String)> {
        let part = if self.detached { "JOSE header" } else { "claim" };
        let names = ROLES.iter().filter_map(|(role, name)| {
            let member = self.fields.iter().find(|(r, _)| r == role).map(|(_, member)| member)?;
            Some(((*name).to_owned(), format!("{part} `{member}` of header `{}`", self.header)))
        });
        let own = [("kid", "JOSE header `kid`".to_owned()), ("signature", format!("header `{}`", self.header))];
        names.chain(own.into_iter().map(|(name, place)| (name.to_owned(), place))).collect()
    }

    fn text<'r>(&self, value: &'r [u8]) -> Option<&'r [u8]> {
        let value = value.trim_ascii();
        let Some(scheme) = &self.scheme else { return Some(value) };
        let (word, rest) = value.split_at_checked(scheme.len())?;
        (word.eq_ignore_ascii_case(scheme.as_bytes()) && rest.first() == Some(&b' ')).then(|| rest.trim_ascii_start())
    }

    pub(super) fn recognises(&self, request: &Request<'_>) -> bool {
        let looks = |value| self.text(value).is_some_and(|text| text.iter().filter(|b| **b == b'.').count() == 2);
        request.header_values(self.header.as_bytes()).any(looks)
    }

    pub(super) fn extract<'r>(
        &self,
        request: &Request<'r>,
        scratch: &'r mut Scratch,
        sizes: &Sizes,
        admitted: AlgSet,
        signed: bool,
    ) -> Result<Extract<'r>, Refusal> {
        let mut found = request.header_values(self.header.as_bytes()).filter_map(|value| self.text(value));
        let text = match (found.next(), found.next()) {
            (Some(_), Some(_)) => return Err(Refusal::duplicate("jws")),
            (Some(text), None) if !text.is_empty() => text,
            _ => return Err(Refusal::new(Reason::MissingSignature, "signature")),
        };
        let mut parts = text.split(|b| *b == b'.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(MALFORMED);
        };
        match (signature.is_empty(), signed) {
            (true, true) => return Err(Refusal::new(Reason::MissingSignature, "signature")),
            (false, false) => return Err(Refusal::duplicate("signature")),
            _ => {}
        }
        if signature.len() > 4096 {
            return Err(Refusal::invalid("signature"));
        }
        if self.detached && !payload.is_empty() {
            return Err(MALFORMED);
        }
        let Scratch { params, text: string, jose: Memory { decoded, kept }, .. } = scratch;
        decoded.clear();
        kept.clear();
        string.clear();
        decode(header, decoded)?;
        parse(params, decoded, sizes)?;
        let view = params.view(&[], decoded);
        let (narrowed, encoded) = self.read_header(&view)?;
        let kid = match member(&view, "kid") {
            Some(at) if view.kind(at) == Kind::Text => keep(view.value(at), KID_MAX, kept, "kid")?,
            Some(_) => return Err(Refusal::invalid("kid")),
            None => None,
        };
        string.extend_from_slice(header);
        string.push(b'.');
        let read = if self.detached {
            let read = self.read_fields(&view, kept)?;
            if encoded {
                let start = string.len();
                string.resize(start.saturating_add(base64::encoded_len(request.body.len())), 0);
                let room = string.get_mut(start..).unwrap_or_default();
                let len = base64::encode(Variant::UrlSafeNoPad, request.body, room).map_or(0, |text| text.len());
                string.truncate(start + len);
            } else {
                string.extend_from_slice(request.body);
            }
            read
        } else {
            if !encoded {
                // RFC 7797, 7: not in tokens.
                return Err(Refusal::invalid("b64"));
            }
            string.extend_from_slice(payload);
            decoded.clear();
            decode(payload, decoded)?;
            parse(params, decoded, sizes)?;
            self.read_fields(&params.view(&[], decoded), kept)?
        };
        let (string, kept): (&'r [u8], &'r [u8]) = (string, kept);
        let text = |span: Option<(usize, usize)>| span.and_then(|(from, to)| kept.get(from..to));
        // What must not be used yet counts as made later.
        let timestamp = read.timestamp.map(|at| at.max(read.not_before.unwrap_or(at)));
        Ok(Extract {
            app_id: text(read.app_id),
            kid: text(kid),
            timestamp: timestamp.map(Millis),
            nonce: text(read.nonce),
            signature,
            algorithms: admitted.and(narrowed),
            expires_at: read.expires.map(Millis),
            view: None,
            rest: Rest::Params { text: string },
        })
    }

    /// The algorithms that the header names, and whether the payload is base64url.
    fn read_header(&self, view: &View<'_>) -> Result<(AlgSet, bool), Refusal> {
        let alg = member(view, "alg").filter(|at| view.kind(*at) == Kind::Text).ok_or(Refusal::missing("alg"))?;
        let named = ALGS.iter().find(|(name, _)| name.as_bytes() == view.value(alg));
        let alg = named.and_then(|(_, name)| Alg::from_name(name)).ok_or(Refusal::invalid("alg"))?;
        let encoded = match member(view, "b64") {
            None => None,
            Some(at) if view.kind(at) == Kind::Bool => Some(view.value(at) == b"true"),
            Some(_) => return Err(Refusal::invalid("b64")),
        };
        let (mut b64_is_critical, mut known) = (false, 0);
        if let Some(at) = member(view, "crit") {
            let mut count = 0;
            let raw = view.raw(at);
            let named_before = |name: &[u8], count: usize| {
                let (mut place, mut found) = (0, false);
                texts(raw, |other| {
                    place += 1;
                    found |= place < count && other == name;
                    place < count
                });
                found
            };
            let good = view.kind(at) == Kind::Array
                && texts(raw, |name| {
                    count += 1;
                    b64_is_critical |= name == b"b64";
                    let ours = self.crit.iter().any(|known| known.as_bytes() == name);
                    known += usize::from(ours);
                    // At most as many as we know: a longer list names one twice, or one that we do not know.
                    (ours || name == b"b64")
                        && count <= self.crit.len() + 1
                        && view.find(name).is_some()
                        && !named_before(name, count)
                });
            if !good {
                return Err(Refusal::invalid("crit"));
            }
        }
        if encoded.is_some() != b64_is_critical || (self.require_crit && known != self.crit.len()) {
            return Err(Refusal::invalid("crit"));
        }
        Ok((AlgSet::EMPTY.with(alg), encoded.unwrap_or(true)))
    }

    /// The fields of a header or of claims.
    fn read_fields(&self, view: &View<'_>, kept: &mut Vec<u8>) -> Result<Read, Refusal> {
        let mut read = Read::default();
        for (role, name) in &self.fields {
            let word = ROLES.iter().find(|(r, _)| r == role).map_or("field", |(_, word)| *word);
            let optional = matches!(role, Role::NotBefore);
            let Some(at) = member(view, name) else {
                if optional {
                    continue;
                }
                return Err(Refusal::missing(word));
            };
            let (kind, value) = (view.kind(at), view.value(at));
            let text = || if kind == Kind::Text { Ok(value) } else { Err(Refusal::invalid(word)) };
            let moment = || match kind {
                Kind::Number => dates::unix_seconds(value).ok_or(Refusal::invalid(word)),
                _ => Err(Refusal::invalid(word)),
            };
            match role {
                Role::AppId => read.app_id = keep(text()?, APP_ID_MAX, kept, word)?,
                Role::Nonce => read.nonce = keep(text()?, NONCE_MAX, kept, word)?,
                Role::Timestamp => read.timestamp = Some(moment()?),
                Role::Expires => read.expires = Some(moment()?),
                Role::NotBefore => read.not_before = Some(moment()?),
            }
            if matches!(role, Role::AppId if read.app_id.is_none())
                || matches!(role, Role::Nonce if read.nonce.is_none())
            {
                return Err(Refusal::missing(word));
            }
        }
        for (name, allowed) in &self.expect {
            let at = member(view, name).ok_or(Refusal::missing("expect"))?;
            let known = |text: &[u8]| allowed.iter().any(|a| a.as_bytes() == text);
            let good = match view.kind(at) {
                Kind::Text => known(view.value(at)),
                Kind::Array => {
                    let mut any = false;
                    texts(view.raw(at), |text| {
                        any |= known(text);
                        true
                    }) && any
                }
                _ => false,
            };
            if !good {
                return Err(Refusal::invalid("expect"));
            }
        }
        Ok(read)
    }

    /// Writes the header, and the claims, of a draft; its signature is put behind them.
    pub(super) fn fill(&self, draft: &mut Draft, alg: Alg, fill: &Fill<'_>) -> Result<(), Refusal> {
        if draft.header(self.header.as_bytes()).is_some() {
            return Ok(());
        }
        let word = ALGS.iter().find(|(_, name)| *name == alg.name()).map(|(word, _)| *word);
        let mut header = format!("{{\"alg\":{}", quoted(word.ok_or(Refusal::invalid("alg"))?)?);
        if let Some(kid) = fill.kid {
            header += &format!(",\"kid\":{}", quoted(kid)?);
        }
        let mut members = String::new();
        for (role, name) in &self.fields {
            let seconds = fill.timestamp.map(|t| t.0.div_euclid(1000));
            let value = match role {
                Role::AppId => fill.app_id.map(quoted).transpose()?,
                Role::Nonce => fill.nonce.map(quoted).transpose()?,
                Role::Timestamp => seconds.map(|s| s.to_string()),
                Role::Expires => seconds.map(|s| (s + 300).to_string()),
                Role::NotBefore => None,
            };
            if let Some(value) = value {
                members += &format!(",{}:{value}", quoted(name)?);
            }
        }
        for (name, allowed) in &self.expect {
            if let Some(first) = allowed.first() {
                members += &format!(",{}:{}", quoted(name)?, quoted(first)?);
            }
        }
        // Critical members that are of no use to us, such as an issuer.
        let known =
            |name: &str| self.fields.iter().any(|(_, n)| n == name) || self.expect.iter().any(|(n, _)| n == name);
        for (name, value) in fill.extra {
            if self.crit.iter().any(|critical| critical == name) && !known(name) {
                members += &format!(",{}:{}", quoted(name)?, quoted(value)?);
            }
        }
        let encode = |text: &str| base64::to_string(Variant::UrlSafeNoPad, text.as_bytes());
        let mut text = self.scheme.as_ref().map(|scheme| format!("{scheme} ")).unwrap_or_default();
        if self.detached {
            header += &members;
            if self.require_crit && !self.crit.is_empty() {
                let names: Result<Vec<String>, Refusal> = self.crit.iter().map(|name| quoted(name)).collect();
                header += &format!(",\"crit\":[{}]", names?.join(","));
            }
            text += &format!("{}..", encode(&(header + "}")));
        } else {
            let claims = format!("{{{}}}", members.strip_prefix(',').unwrap_or_default());
            text += &format!("{}.{}.", encode(&(header + "}")), encode(&claims));
        }
        draft.headers.push((self.header.clone().into_bytes(), text.into_bytes()));
        Ok(())
    }

    pub(super) fn place_signature(&self, draft: &mut Draft, text: &str) -> Result<(), Refusal> {
        let header = draft.headers.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(self.header.as_bytes()));
        header.ok_or(Refusal::missing("jws"))?.1.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// A JSON string of a text that needs no escapes.
fn quoted(text: &str) -> Result<String, Refusal> {
    if text.chars().any(|c| c.is_control() || matches!(c, '"' | '\\')) {
        return Err(Refusal::invalid("jws"));
    }
    Ok(format!("\"{text}\""))
}

fn parse(params: &mut Params, text: &[u8], sizes: &Sizes) -> Result<(), Refusal> {
    params.clear();
    params.parse_json(text, sizes).map_err(|_| MALFORMED)?;
    params.sort(&[], text).map_err(|_| Refusal::duplicate("jws"))
}

/// The member of that name. Duplicates were refused by the sort.
fn member(view: &View<'_>, name: &str) -> Option<usize> {
    view.find(name.as_bytes())
}

/// Keeps a copy of a text of at most `max` bytes; an empty one is none.
fn keep(text: &[u8], max: usize, kept: &mut Vec<u8>, role: &'static str) -> Result<Option<(usize, usize)>, Refusal> {
    if text.len() > max || text.iter().any(u8::is_ascii_control) {
        return Err(Refusal::invalid(role));
    }
    let start = kept.len();
    kept.extend_from_slice(text);
    Ok((!text.is_empty()).then_some((start, kept.len())))
}

/// Memory of one request at a time.
#[derive(Default)]
pub struct Memory {
    /// JSON out of base64url.
    decoded: Vec<u8>,
    /// Texts of fields.
    kept: Vec<u8>,
}
