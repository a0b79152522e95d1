//! Reading a request: parameters from its sources, fields out of them and out of headers, and everything that is refused on sight.

use crate::codec::dates;
use crate::request::{Kind, Params, Request, Sizes, Source, View};
use crate::time::Millis;
use crate::verdict::Reason;

use super::super::alg::AlgSet;
use super::super::document::{Field, Place, TimeFormat};
use super::super::extract::Rest;
use super::super::names::{FIELDS, Role};
use super::super::{Extract, Refusal, Scratch};
use super::media::{self, Charset, Media};
use super::{ContentType, Encode, Nested, NullText, Program, Sources};

/// The index of no parameter.
pub(super) const NONE: u32 = u32::MAX;

/// What was found of each field.
struct Found<'r> {
    values: [Option<&'r [u8]>; FIELDS],
    /// Where it stands among the parameters, or [`NONE`].
    at: [u32; FIELDS],
}

impl<'r> Found<'r> {
    fn put(&mut self, role: Role, value: &'r [u8], at: u32) -> Result<(), Refusal> {
        match (self.values.get_mut(role as usize), self.at.get_mut(role as usize)) {
            (Some(slot @ None), Some(place)) => {
                *slot = Some(value);
                *place = at;
                Ok(())
            }
            _ => Err(Refusal::duplicate(role.name())),
        }
    }

    /// The value of a field that has one; an empty value is none.
    fn value(&self, field: &Field) -> Result<Option<&'r [u8]>, Refusal> {
        match self.values.get(field.role as usize).copied().flatten() {
            None | Some([]) => Ok(None),
            Some(value) if (field.min..=field.max).contains(&value.len()) => Ok(Some(value)),
            Some(_) => Err(Refusal::invalid(field.role.name())),
        }
    }
}

/// Whether `text` begins or ends with a space (U+0020).
#[inline]
fn edged(text: &[u8]) -> bool {
    matches!(text, [b' ', ..] | [.., b' '])
}

/// Whether a value could be read as the end of one parameter and the whole of others: an `&` and, before the next `&`, a `=`.
///
/// Refusing these, and names with `&` or `=`, makes the join unambiguous: of the pieces between `&`s exactly those with a `=` begin a
/// parameter, and the first `=` of such a piece ends its name.
fn splits(value: &[u8]) -> bool {
    value.split(|b| *b == b'&').skip(1).any(|piece| memchr::memchr(b'=', piece).is_some())
}

impl Program {
    /// Whether something by the signature's name stands in its place, as far as the target and the headers show.
    pub(in crate::canon) fn recognises(&self, request: &Request<'_>) -> bool {
        let Some(field) = self.field(Role::Signature) else { return false };
        let named = |text: &[u8]| field.names.iter().any(|name| name.as_bytes() == text);
        match field.place {
            Place::Header => {
                request.headers.iter().any(|h| field.names.iter().any(|n| h.name.eq_ignore_ascii_case(n.as_bytes())))
            }
            Place::Query | Place::Params => {
                let mut rest = request.query();
                loop {
                    let end = memchr::memchr(b'&', rest).unwrap_or(rest.len());
                    let (pair, after) = rest.split_at(end);
                    let name = memchr::memchr(b'=', pair).and_then(|at| pair.get(..at)).unwrap_or(pair);
                    if named(name) {
                        return true;
                    }
                    match after.split_first() {
                        Some((_, after)) => rest = after,
                        None => return field.place == Place::Params && !request.body.is_empty(),
                    }
                }
            }
            Place::Body => !request.body.is_empty(),
        }
    }

    /// Reads `request`; without `signed`, one that has no signature yet.
    pub(in crate::canon) fn extract<'r>(
        &self,
        request: &Request<'r>,
        scratch: &'r mut Scratch,
        sizes: &Sizes,
        admitted: AlgSet,
        signed: bool,
    ) -> Result<Extract<'r>, Refusal> {
        let sources = self.sources(request.method).ok_or_else(|| Refusal::new(Reason::MethodNotAllowed, "method"))?;
        let (query, body) = (request.query(), request.body);
        let params = &mut scratch.params;
        params.clear();
        params.parse_query(query, self.plus, sizes)?;
        let from_query = params.len();
        self.parse_body(sources, request, params, sizes)?;
        let two_sources = from_query > 0 && params.len() > from_query;
        params.sort(query, body)?;
        let scratch: &'r Scratch = scratch;
        let view = scratch.params.view(query, body);

        let mut found = Found { values: [None; FIELDS], at: [NONE; FIELDS] };
        let mut previous: Option<&[u8]> = None;
        for &at in view.sorted() {
            let name = view.name(at as usize);
            if two_sources {
                // Duplicates of one source were found by the sort; those of two stand side by side in its order.
                if previous == Some(name) {
                    return Err(Refusal::duplicate("parameter"));
                }
                previous = Some(name);
            }
            // Where a method's parameters do not come from its query, that may hold nothing but fields that are read there.
            let stray = !sources.query && view.source(at as usize) == Source::Query;
            match self.names.role(name) {
                None | Some(Role::Excluded) if stray => return Err(Refusal::invalid("query")),
                None => self.check(&view, name, at)?,
                Some(Role::Secret) => return Err(Refusal::invalid("secret")),
                Some(Role::Excluded) => {}
                Some(role) => {
                    let place = self.field(role).map_or(Place::Header, |field| field.place);
                    if stray && place != Place::Query {
                        return Err(Refusal::invalid("query"));
                    }
                    if !in_place(place, view.source(at as usize)) {
                        // Not where the field is read: a parameter like any other.
                        self.check(&view, name, at)?;
                        continue;
                    }
                    let value = match view.kind(at as usize) {
                        Kind::Text => view.value(at as usize),
                        Kind::Number if role != Role::Signature => view.value(at as usize),
                        Kind::Null => &[],
                        _ => return Err(Refusal::invalid(role.name())),
                    };
                    if role != Role::Signature {
                        self.check(&view, name, at).map_err(|_| Refusal::invalid(role.name()))?;
                    }
                    found.put(role, value, at)?;
                }
            }
        }
        for field in self.fields.iter().flatten().filter(|f| f.place == Place::Header) {
            for name in &field.names {
                for value in request.header_values(name.as_bytes()) {
                    found.put(field.role, value.trim_ascii(), NONE)?;
                }
            }
        }
        self.finish(&found, view, admitted, signed)
    }

    /// What the fields say, in the order in which a client would want to hear of mistakes: the signature first (9993), then who, when
    /// and which.
    fn finish<'r>(
        &self,
        found: &Found<'r>,
        view: View<'r>,
        admitted: AlgSet,
        signed: bool,
    ) -> Result<Extract<'r>, Refusal> {
        let optional = |role| match self.field(role) {
            Some(field) => found.value(field),
            None => Ok(None),
        };
        let required = |role: Role| match self.field(role) {
            Some(field) => found.value(field)?.map(Some).ok_or_else(|| Refusal::missing(role.name())),
            None => Ok(None),
        };
        let signature = match optional(Role::Signature)? {
            Some(text) if signed => text,
            None if signed => return Err(Refusal::new(Reason::MissingSignature, "signature")),
            Some(_) => return Err(Refusal::duplicate("signature")),
            None => &[],
        };
        let app_id = required(Role::AppId)?;
        let timestamp = required(Role::Timestamp)?;
        let nonce = required(Role::Nonce)?;
        let kid = optional(Role::KeyId)?;
        let timestamp = match (timestamp, self.time) {
            (None, _) => None,
            (Some(text), TimeFormat::UnixSeconds) => Some(dates::unix_seconds(text)),
            (Some(text), TimeFormat::UnixMillis) => Some(dates::unix_millis(text)),
        };
        let timestamp = match timestamp {
            Some(None) => return Err(Refusal::invalid("timestamp")),
            other => other.flatten().map(Millis),
        };
        let place = |role: Role| found.at.get(role as usize).copied().unwrap_or(NONE);
        let mut algorithms = admitted;
        let mut sign_type = NONE;
        if let Some(rules) = &self.sign_type {
            if !rules.signed {
                sign_type = place(Role::SignType);
            }
            if let (Some(text), false) = (optional(Role::SignType)?, rules.values.is_empty()) {
                let set = rules.values.iter().find(|(name, _)| **name == *text).map(|(_, set)| *set);
                algorithms = algorithms.and(set.ok_or_else(|| Refusal::invalid("sign_type"))?);
            }
        }
        let rest = Rest::Params { view, signature: place(Role::Signature), sign_type };
        Ok(Extract { app_id, kid, timestamp, nonce, signature, algorithms, rest })
    }

    /// What is refused of a parameter that is no field: spaces at its ends, and kinds and texts that the profile refuses.
    #[inline]
    fn check(&self, view: &View<'_>, name: &[u8], at: u32) -> Result<(), Refusal> {
        let rules = &self.values;
        // Encoded values hold no delimiter.
        let ambiguous = |value: &[u8]| rules.refuse_delimiters && self.encode != Encode::Values && splits(value);
        let bad_value = match view.kind(at as usize) {
            Kind::Number => false,
            Kind::Text => {
                let value = view.value(at as usize);
                (rules.refuse_spaces && edged(value)) || ambiguous(value)
            }
            Kind::Bool => rules.refuse_bool,
            Kind::Null => rules.null == NullText::Refuse,
            Kind::Object | Kind::Array => rules.nested == Nested::Refuse || ambiguous(view.raw(at as usize)),
        };
        let bad_name = (rules.refuse_spaces && edged(name))
            || (rules.refuse_delimiters && memchr::memchr2(b'&', b'=', name).is_some());
        if bad_value || bad_name { Err(Refusal::invalid("parameter")) } else { Ok(()) }
    }

    /// Adds the parameters of the body. A body that nothing reads would travel unsigned: it is refused.
    pub(super) fn parse_body(
        &self,
        sources: Sources,
        request: &Request<'_>,
        params: &mut Params,
        sizes: &Sizes,
    ) -> Result<(), Refusal> {
        if request.body.is_empty() {
            return Ok(());
        }
        if !sources.json && !sources.form {
            return Err(Refusal::invalid("body"));
        }
        let media = if self.content_type == ContentType::Ignore {
            if sources.json { Media::Json } else { Media::Form }
        } else {
            let mut types = request.header_values(b"content-type");
            let value = types.next().ok_or_else(|| Refusal::missing("content-type"))?;
            if types.next().is_some() {
                return Err(Refusal::duplicate("content-type"));
            }
            let (media, charset) = media::read(value).ok_or_else(|| Refusal::invalid("content-type"))?;
            let charset_ok = match charset {
                Charset::Utf8 => true,
                Charset::Unsaid => self.content_type != ContentType::RequireCharset,
                Charset::Other => false,
            };
            if !charset_ok {
                return Err(Refusal::invalid("content-type"));
            }
            media
        };
        match media {
            Media::Json if sources.json => params.parse_json(request.body, sizes)?,
            Media::Form if sources.form => params.parse_form(request.body, sizes)?,
            Media::Json | Media::Form => return Err(Refusal::invalid("content-type")),
        }
        Ok(())
    }
}

fn in_place(place: Place, source: Source) -> bool {
    match place {
        Place::Params => true,
        Place::Query => source == Source::Query,
        Place::Body => source != Source::Query,
        Place::Header => false,
    }
}
