//! Reading a request: parameters from its sources, fields out of them and out of headers, and everything that is refused on sight.

use crate::request::{Kind, Param, Params, Request, Sizes, Source, View, same_name};
use crate::time::Millis;
use crate::verdict::Reason;

use super::super::alg::AlgSet;
use super::super::document::{Field, Place};
use super::super::extract::Rest;
use super::super::names::{FIELDS, Role};
use super::super::{Extract, Refusal, Scratch};
use super::media::{self, Charset, Media};
use super::write::{Joiner, Quick};
use super::{ContentType, Encode, Nested, NullText, Program, Sources};

/// What was found of each field.
struct Found<'r> {
    values: [Option<&'r [u8]>; FIELDS],
}

impl<'r> Found<'r> {
    fn put(&mut self, role: Role, value: &'r [u8]) -> Result<(), Refusal> {
        match self.values.get_mut(role as usize) {
            Some(slot @ None) => {
                *slot = Some(value);
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
    match text {
        [first, .., last] => (*first == b' ') | (*last == b' '),
        [only] => *only == b' ',
        [] => false,
    }
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
                request.headers.iter().any(|h| field.names.iter().any(|n| same_name(h.name, n.as_bytes())))
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
        let Scratch { params, text, padded, .. } = scratch;
        let params: &'r Params = params;
        let view = params.view(query, body);

        let mut joined = Joiner::new(text, view.most_bytes(), view.len(), self.values, self.encode, self.encoder);
        let mut found = Found { values: [None; FIELDS] };
        // Duplicates of one source were found by the sort; those of two stand side by side in its order.
        let two_sources = two_sources && !view.distinct();
        let mut previous: Option<&[u8]> = None;
        let mut quick = if two_sources || view.len() == from_query { None } else { joined.quick(&view, padded) };
        // What comes from the query beside a body is one parameter, as a rule, and the signature, which is not written.
        if let (Some(rules), 1, Some(param)) = (&mut quick, from_query, view.param(0)) {
            let name = param.name.text();
            if Quick::may_skip(name)
                && self.names.role_of(name, param.key) == Some(Role::Signature)
                && self.admit(&param, sources, &mut found) == Ok(false)
            {
                rules.skip(0);
            }
        }
        let in_body = self.body_fields;
        let mut order = view.sorted();
        loop {
            if let Some(rules) = &quick {
                let field = |role: Role, value| {
                    let slot = found.values.get_mut(role as usize).filter(|slot| slot.is_none());
                    match slot {
                        Some(slot) if in_body >> role as u8 & 1 == 1 => {
                            *slot = Some(value);
                            true
                        }
                        _ => false,
                    }
                };
                let added = joined.push_quick(rules, &self.names, view.as_sent(), order, field);
                order = order.get(added..).unwrap_or_default();
            }
            let Some((at, rest)) = order.split_first() else { break };
            order = rest;
            let Some(param) = view.param(*at) else { continue };
            if two_sources {
                let name = param.name.text();
                if previous == Some(name) {
                    return Err(Refusal::duplicate("parameter"));
                }
                previous = Some(name);
            }
            if self.admit(&param, sources, &mut found)? {
                joined.push(&param);
            }
        }
        let len = joined.finish();
        let text = text.get(..len).unwrap_or_default();
        for field in self.fields.iter().flatten().filter(|f| f.place == Place::Header) {
            for name in &field.names {
                for value in request.header_values(name.as_bytes()) {
                    found.put(field.role, value.trim_ascii())?;
                }
            }
        }
        self.finish(&found, view, text, admitted, signed)
    }

    /// Judges one parameter, and keeps its value where it is a field. Says whether it is signed.
    #[inline(never)]
    fn admit<'r>(&self, param: &Param<'r>, sources: Sources, found: &mut Found<'r>) -> Result<bool, Refusal> {
        let name = param.name.text();
        // Where a method's parameters do not come from its query, that may hold nothing but fields that are read there.
        let stray = !sources.query && param.source == Source::Query;
        match self.names.role_of(name, param.key) {
            None | Some(Role::Excluded) if stray => Err(Refusal::invalid("query")),
            None => self.check(param, name).map(|()| true),
            Some(Role::Secret) => Err(Refusal::invalid("secret")),
            Some(Role::Excluded) => Ok(false),
            Some(role) => self.take(role, param, stray, found),
        }
    }

    /// Takes a parameter that has the name of a field. Says whether it is signed: the signature is not, nor the algorithm's name in some
    /// schemes.
    fn take<'r>(&self, role: Role, param: &Param<'r>, stray: bool, found: &mut Found<'r>) -> Result<bool, Refusal> {
        let place = self.field(role).map_or(Place::Header, |field| field.place);
        if stray && place != Place::Query {
            return Err(Refusal::invalid("query"));
        }
        if !in_place(place, param.source) {
            // Not where the field is read: a parameter like any other.
            self.check(param, param.name.text())?;
            return Ok(true);
        }
        let value = match param.kind {
            Kind::Text => param.value.text(),
            Kind::Number if role != Role::Signature => param.value.text(),
            Kind::Null => &[],
            _ => return Err(Refusal::invalid(role.name())),
        };
        if role != Role::Signature {
            self.check(param, param.name.text()).map_err(|_| Refusal::invalid(role.name()))?;
        }
        found.put(role, value)?;
        Ok(match role {
            Role::Signature => false,
            Role::SignType => self.sign_type.as_ref().is_none_or(|rules| rules.signed),
            _ => true,
        })
    }

    /// What the fields say, in the order in which a client would want to hear of mistakes: the signature first (9993), then who, when
    /// and which.
    fn finish<'r>(
        &self,
        found: &Found<'r>,
        view: View<'r>,
        text: &'r [u8],
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
        let timestamp = match timestamp.map(|text| self.time.read(text)) {
            Some(None) => return Err(Refusal::invalid("timestamp")),
            other => other.flatten().map(Millis),
        };
        let mut algorithms = admitted;
        if let Some(rules) = &self.sign_type
            && let (Some(text), false) = (optional(Role::SignType)?, rules.values.is_empty())
        {
            let set = rules.values.iter().find(|(name, _)| **name == *text).map(|(_, set)| *set);
            algorithms = algorithms.and(set.ok_or_else(|| Refusal::invalid("sign_type"))?);
        }
        let rest = Rest::Params { text };
        let view = Some(view);
        Ok(Extract { app_id, kid, timestamp, nonce, signature, algorithms, expires_at: None, view, rest })
    }

    /// What is refused of a parameter that is no field: spaces at its ends, and kinds and texts that the profile refuses.
    #[inline(always)]
    fn check(&self, param: &Param<'_>, name: &[u8]) -> Result<(), Refusal> {
        let rules = &self.values;
        // Encoded values hold no delimiter; most requests hold none anywhere.
        let look = rules.refuse_delimiters && self.encode != Encode::Values && param.value_may_divide;
        // Without a branch for each kind, since kinds come in no order that could be foreseen.
        let value = param.value.text();
        let refused = (rules.refuse_bool & (param.kind == Kind::Bool))
            | ((rules.null == NullText::Refuse) & (param.kind == Kind::Null))
            | ((rules.nested == Nested::Refuse) & matches!(param.kind, Kind::Object | Kind::Array))
            | (rules.refuse_spaces & (param.kind == Kind::Text) & edged(value));
        let bad_value = refused || (look && splits(value));
        let bad_name = (rules.refuse_spaces && edged(name))
            || (rules.refuse_delimiters && param.name_may_divide && memchr::memchr2(b'&', b'=', name).is_some());
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
        if !sources.json && !sources.form && !sources.xml {
            return Err(Refusal::invalid("body"));
        }
        let media = if self.content_type == ContentType::Ignore {
            match (sources.json, sources.form) {
                (true, _) => Media::Json,
                (false, true) => Media::Form,
                (false, false) => Media::Xml,
            }
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
            Media::Xml if sources.xml => params.parse_xml(request.body, sizes)?,
            Media::Json | Media::Form | Media::Xml => return Err(Refusal::invalid("content-type")),
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
