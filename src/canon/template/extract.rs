//! Reading a request: where its pairs stand, its fields, the list of what it signed, and the digests that it carries.

use super::super::alg::{Alg, AlgSet};
use super::super::extract::Rest;
use super::super::params::media::{self, Charset, Media};
use super::super::{Extract, Refusal, Scratch};
use super::places::{Facts, Memory, PairAt, Span};
use super::write::digest;
use super::{
    Absent, DigestHeader, DigestText, Field, Hash, LIST_MAX, Payload, Place, Program, QueryMode, Segment, Segments,
    list, pairs, upload,
};
use crate::codec::civil::Format;
use crate::codec::percent::{self, Plus};
use crate::lanes::prefetch;
use crate::request::{Params, Request, Sizes, Source, View, same_name};
use crate::time::Millis;
use crate::verdict::Reason;

/// Longest that a request may say it is good for: seven days.
const EXPIRES_MAX: i64 = 604_800;

const BAD_SIGNATURE: Refusal = Refusal::new(Reason::BadSignature, "signature");

/// Whether two names are the same; most differ in their first bytes, if not in length.
#[inline(always)]
fn is_name(name: &[u8], sent: &[u8]) -> bool {
    name.len() == sent.len() && name.first() == sent.first() && name == sent
}

/// The one value of a header; an error where there are several.
pub(super) fn sole<'r>(request: &Request<'r>, name: &[u8], role: &'static str) -> Result<Option<&'r [u8]>, Refusal> {
    let mut values = request.headers.iter().filter(|h| same_name(h.name, name)).map(|h| h.value);
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Refusal::duplicate(role)),
        (value, None) => Ok(value.map(<[u8]>::trim_ascii)),
    }
}

/// The one parameter of that name from the query, from the body, or (`None`) from either.
fn parameter<'r>(
    view: &View<'r>,
    name: &[u8],
    query: Option<bool>,
    role: &'static str,
) -> Result<Option<usize>, Refusal> {
    let mut found = None;
    let mut from = 0;
    while let Some(at) = view.find_from(from, name) {
        if query.is_none_or(|query| (view.source(at) == Source::Query) == query) && found.replace(at).is_some() {
            return Err(Refusal::duplicate(role));
        }
        from = at + 1;
    }
    Ok(found)
}

impl Program {
    /// Whether something by the signature's name stands in its place, as far as the target and the headers show.
    pub(in crate::canon) fn recognises(&self, request: &Request<'_>) -> bool {
        let in_pairs = |text: &[u8], wanted: &[u8]| {
            text.split(|b| *b == b'&').any(|pair| {
                let end = memchr::memchr(b'=', pair).unwrap_or(pair.len());
                pair.get(..end) == Some(wanted)
            })
        };
        let in_query = |wanted: &[u8]| in_pairs(request.query(), wanted);
        match self.fields.get(self.signature).map(|f| &f.place) {
            Some(Place::Header(names)) => names.iter().any(|name| request.header_values(name).next().is_some()),
            Some(Place::Query(names)) => names.iter().any(|name| in_query(name)),
            Some(Place::Body(_)) => !request.body.is_empty(),
            Some(Place::Params(names)) => {
                let form = || {
                    matches!(media::read(request.header_values(b"content-type").next()?), Some((Media::Form, _)))
                        .then_some(request.body)
                };
                names.iter().any(|name| in_query(name) || form().is_some_and(|body| in_pairs(body, name)))
            }
            Some(Place::Pairs(_)) => self.pairs.as_ref().is_some_and(|rules| {
                let said = |name: &[u8]| request.header_values(name).any(|value| rules.text(value).is_some());
                rules.headers.iter().any(|name| said(name))
                    || rules.query.as_ref().is_some_and(|(_, marker)| in_query(marker))
            }),
            None => false,
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
        if !self.methods.is_empty() && !self.methods.iter().any(|m| **m == *request.method) {
            return Err(Refusal::new(Reason::MethodNotAllowed, "method"));
        }
        let (query, body) = (request.query(), request.body);
        if !self.reads_body {
            // Copied or hashed when all else is read: meanwhile it can come nearer.
            prefetch(body);
        }
        let Scratch { params, template: memory, .. } = scratch;
        params.clear();
        if self.reads_query {
            params.parse_query(query, self.plus, sizes)?;
        }
        if self.reads_body {
            parse_body(request, params, sizes)?;
        }
        let view = (*params).view(query, body);
        memory.clear(self.fields.len());
        let mut algorithms = admitted;
        self.find_pairs(request, &view, memory, &mut algorithms)?;
        let left_out = self.find_signatures(request, &view, memory, admitted, signed)?;
        for (index, field) in self.fields.iter().enumerate() {
            if index != self.signature {
                let value = match &field.place {
                    // Where nothing has to be cut off, as mostly.
                    Place::Pairs(_) if index < 64 && self.plain_pairs >> index & 1 == 1 => {
                        if memory.repeated >> index & 1 == 1 {
                            return Err(Refusal::duplicate(field.role));
                        }
                        continue;
                    }
                    _ => self.find(index, field, request, &view, memory)?,
                };
                if let Some(slot) = memory.values.get_mut(index) {
                    *slot = value;
                }
            }
        }
        let timestamp = self.finish_fields(memory, &mut algorithms)?;
        let expires = self.expires(memory)?;
        if self.list.is_some() || self.sorts_headers {
            list::sort_headers(request.headers, &mut memory.headers);
        }
        if let Some(rules) = &self.list {
            self.read_list(rules, request, memory)?;
        }
        for rule in &self.digests {
            check_digest(rule, request)?;
        }
        if let Some(rule) = &self.payload {
            read_payload(rule, request, memory, algorithms)?;
        }
        if let Some(rule) = &self.upload {
            memory.upload = upload::read(rule, request, memory, sizes)?;
        }
        self.check_segments(request, memory)?;
        self.sort_parameters(&view, memory, left_out);

        // Nothing is changed any more: what follows borrows.
        let params: &'r Params = params;
        let memory: &'r Memory = memory;
        let view = params.view(query, body);
        let signature = memory.signatures.first().map_or(&[][..], |(span, _)| memory.get(*span));
        Ok(Extract {
            app_id: memory.value(self.app_id),
            kid: memory.value(self.kid),
            timestamp: timestamp.map(Millis),
            nonce: memory.value(self.nonce),
            signature,
            algorithms,
            expires_at: expires.zip(timestamp).map(|(after, from)| Millis(from.saturating_add(after))),
            view: (self.reads_query || self.reads_body).then_some(view),
            rest: Rest::Template(Facts { memory, view }),
        })
    }

    /// Finds the pairs in their header, or in the query.
    fn find_pairs(
        &self,
        request: &Request<'_>,
        view: &View<'_>,
        memory: &mut Memory,
        algorithms: &mut AlgSet,
    ) -> Result<(), Refusal> {
        const MALFORMED: Refusal = Refusal::new(Reason::MalformedRequest, "authorization");
        let Some(rules) = &self.pairs else { return Ok(()) };
        let mut chosen = None;
        for name in &rules.headers {
            let mut found = request.header_values(name).filter_map(|value| rules.text(value));
            chosen = found.next();
            if found.next().is_some() {
                return Err(Refusal::duplicate("authorization"));
            }
            if chosen.is_some() {
                break;
            }
        }
        let mut scheme = None;
        if let Some((text, at)) = chosen {
            scheme = Some(at);
            memory.text = memory.keep(text);
            if rules.two {
                let end = memchr::memrchr(b':', text).ok_or(MALFORMED)?;
                for (name, from, to) in [(&b"id"[..], 0, end), (b"signature", end + 1, text.len())] {
                    let (name, fields) = (memory.keep(name), self.fields_of(name));
                    let value = Memory::piece(memory.text, from, to);
                    memory.take_pair(PairAt { name, value, start: from, fields }, self.plain_pairs);
                }
            } else {
                let mut marks = memory.marks.take();
                let good = pairs::each(text, (rules.divider, rules.equals), &mut marks, |pair| {
                    let name = Memory::piece(memory.text, pair.start, pair.start + pair.name.len());
                    let value = if pair.escaped {
                        let start = memory.arena.len();
                        pairs::unescape(pair.value, &mut memory.arena);
                        memory.since(start)
                    } else {
                        Memory::piece(memory.text, pair.value_at, pair.value_at + pair.value.len())
                    };
                    let fields = self.fields_of(pair.name);
                    memory.take_pair(PairAt { name, value, start: pair.start, fields }, self.plain_pairs);
                    memory.pairs.len() <= LIST_MAX
                });
                memory.marks = marks;
                memory.controls = good.ok_or(MALFORMED)?;
            }
        }
        if let Some((prefix, marker)) = &rules.query
            && let Some(at) = parameter(view, marker, Some(true), "authorization")?
        {
            if scheme.is_some() {
                return Err(Refusal::duplicate("authorization"));
            }
            let word = view.value(at);
            scheme = rules.schemes.iter().position(|(name, _)| **name == *word);
            if scheme.is_none() {
                return Err(Refusal::invalid("authorization"));
            }
            memory.in_query = true;
            for at in (0..view.len()).filter(|at| view.source(*at) == Source::Query) {
                if let Some(name) = view.name(at).strip_prefix(&**prefix) {
                    let fields = self.fields_of(name);
                    let (name, value) = (memory.keep(name), memory.keep(view.value(at)));
                    memory.take_pair(PairAt { name, value, start: at, fields }, self.plain_pairs);
                    if memory.pairs.len() > LIST_MAX {
                        return Err(MALFORMED);
                    }
                }
            }
        }
        if let Some((word, algs)) = scheme.and_then(|at| rules.schemes.get(at)) {
            memory.scheme = Some(memory.keep(word));
            if rules.narrows {
                *algorithms = algorithms.and(*algs);
            }
        }
        Ok(())
    }

    /// Finds the signatures; returns the parameter that holds one.
    fn find_signatures(
        &self,
        request: &Request<'_>,
        view: &View<'_>,
        memory: &mut Memory,
        admitted: AlgSet,
        signed: bool,
    ) -> Result<Option<usize>, Refusal> {
        let Some(field) = self.fields.get(self.signature) else { return Err(Refusal::missing("signature")) };
        let mut left_out = None;
        if let Place::Pairs(names) = &field.place {
            for at in 0..memory.pairs.len() {
                let Some(pair) = memory.pairs.get(at).copied() else { continue };
                if !Self::is_of(self.signature, names, &pair, memory) {
                    continue;
                }
                let sent = memory.get(pair.name);
                let Some(index) = names.iter().position(|name| is_name(name, sent)) else { continue };
                if memory.signatures.len() >= self.signatures {
                    return Err(Refusal::duplicate("signature"));
                }
                let algs = self.signature_algs.get(index).map_or(admitted, |(_, algs)| *algs);
                if pair.value.len() > 0 {
                    memory.signatures.push((pair.value, algs));
                }
                memory.signature_at = pair.start;
                if memory.in_query {
                    left_out = Some(pair.start);
                } else if self.signs_pairs() && at + 1 != memory.pairs.len() {
                    // What stands behind it would be read and not signed.
                    return Err(Refusal::invalid("signature"));
                }
            }
        } else if let Some(span) = self.find(self.signature, field, request, view, memory)? {
            memory.signatures.push((span, admitted));
            if let Place::Query(names) | Place::Body(names) | Place::Params(names) = &field.place {
                left_out = names.iter().find_map(|name| view.find(name));
            }
        }
        for (span, _) in &memory.signatures {
            if !(field.min..=field.max).contains(&span.len()) {
                return Err(Refusal::invalid("signature"));
            }
        }
        match (memory.signatures.is_empty(), signed) {
            (true, true) => Err(Refusal::new(Reason::MissingSignature, "signature")),
            (false, false) => Err(Refusal::duplicate("signature")),
            _ => Ok(left_out),
        }
    }

    /// The fields that are read from pairs of that name, as bits.
    #[inline(always)]
    fn fields_of(&self, name: &[u8]) -> u64 {
        self.pair_names.iter().filter(|(known, _)| is_name(known, name)).fold(0, |all, (_, fields)| all | fields)
    }

    /// Whether `pair` has one of `names`, which are those of the field at `index`.
    #[inline(always)]
    fn is_of(index: usize, names: &[Box<[u8]>], pair: &PairAt, memory: &Memory) -> bool {
        if index < 64 {
            return pair.fields >> index & 1 == 1;
        }
        let sent = memory.get(pair.name);
        names.iter().any(|name| is_name(name, sent))
    }

    /// The value of a field, `fields[index]`; an empty one is none.
    fn find(
        &self,
        index: usize,
        field: &Field,
        request: &Request<'_>,
        view: &View<'_>,
        memory: &mut Memory,
    ) -> Result<Option<Span>, Refusal> {
        let role = field.role;
        let mut found: Option<Span> = None;
        let put = |found: &mut Option<Span>, span: Span| {
            if found.replace(span).is_some() { Err(Refusal::duplicate(role)) } else { Ok(()) }
        };
        let params = |names: &[Box<[u8]>], query: Option<bool>, memory: &mut Memory| -> Result<Option<Span>, Refusal> {
            let mut found = None;
            for name in names {
                if let Some(at) = parameter(view, name, query, role)? {
                    put(&mut found, memory.keep(view.value(at)))?;
                }
            }
            Ok(found)
        };
        match (&field.place, &field.query) {
            (Place::Header(_), Some(name)) if memory.in_query => {
                found = params(std::slice::from_ref(name), Some(true), memory)?;
            }
            (Place::Header(names), _) => {
                // The first alternative that is there: a list that says which is signed decides whether it may be.
                for name in names {
                    if let Some(value) = sole(request, name, role)? {
                        found = Some(memory.keep(value));
                        break;
                    }
                }
            }
            (Place::Query(names), _) => found = params(names, Some(true), memory)?,
            (Place::Body(names), _) => found = params(names, Some(false), memory)?,
            (Place::Params(names), _) => found = params(names, None, memory)?,
            (Place::Pairs(names), _) => {
                for pair in &memory.pairs {
                    if Self::is_of(index, names, pair, memory) {
                        put(&mut found, pair.value)?;
                    }
                }
            }
        }
        let Some(mut span) = found else { return Ok(None) };
        if !field.prefix.is_empty() && span.len() > 0 {
            if !memory.get(span).starts_with(&field.prefix) {
                return Err(if role == "signature" { BAD_SIGNATURE } else { Refusal::invalid(role) });
            }
            span = Memory::piece(span, field.prefix.len(), span.len());
        }
        if let Some((divider, wanted, count)) = field.part {
            let text = memory.get(span);
            let mut bounds = None;
            let (mut from, mut pieces) = (0, 0);
            for piece in text.split(|b| *b == divider) {
                if pieces == wanted {
                    bounds = Some((from, from + piece.len()));
                }
                from += piece.len() + 1;
                pieces += 1;
            }
            let Some((from, to)) = bounds.filter(|_| pieces == count) else { return Err(Refusal::invalid(role)) };
            span = Memory::piece(span, from, to);
        }
        Ok((span.len() > 0).then_some(span))
    }

    /// Holds the fields against their rules; returns the moment.
    fn finish_fields(&self, memory: &Memory, algorithms: &mut AlgSet) -> Result<Option<i64>, Refusal> {
        for (index, field) in self.fields.iter().enumerate().filter(|(index, _)| *index != self.signature) {
            match memory.value(Some(index)) {
                None if field.required => return Err(Refusal::missing(field.role)),
                None => {}
                Some(value) => {
                    // What was looked for in the pairs' whole text is not in a piece of it.
                    let clean = !memory.controls && matches!(field.place, Place::Pairs(_));
                    let wrong = !(field.min..=field.max).contains(&value.len())
                        || !clean && value.iter().fold(false, |any, b| any | b.is_ascii_control())
                        || field.equals.as_deref().is_some_and(|text| text != value)
                        || field.ends.iter().any(|end| memchr::memchr(*end, value).is_some());
                    if wrong {
                        return Err(Refusal::invalid(field.role));
                    }
                }
            }
        }
        let timestamp = match memory.value(self.timestamp) {
            Some(text) => Some(self.time.read(text).ok_or(Refusal::invalid("timestamp"))?),
            None => None,
        };
        if let (Some(day), Some(at)) = (self.day, timestamp)
            && !memory.value(Some(day.field)).is_some_and(|text| day.format.is_day_of(text, at))
        {
            return Err(Refusal::invalid("date"));
        }
        if let (Some(text), false) = (memory.value(self.sign_type), self.sign_types.is_empty()) {
            let set = self.sign_types.iter().find(|(name, _)| **name == *text).map(|(_, set)| *set);
            *algorithms = algorithms.and(set.ok_or(Refusal::invalid("sign_type"))?);
        }
        Ok(timestamp)
    }

    /// How many milliseconds the request says it is good for.
    fn expires(&self, memory: &Memory) -> Result<Option<i64>, Refusal> {
        let Some(text) = memory.value(self.expires) else {
            // A signature in a query that never ends is one that anybody may keep.
            return if self.expires.is_some() && memory.in_query { Err(Refusal::missing("expires")) } else { Ok(None) };
        };
        match Format::UnixSeconds.read(text) {
            Some(ms) if (1000..=EXPIRES_MAX * 1000).contains(&ms) => Ok(Some(ms)),
            _ => Err(Refusal::invalid("expires")),
        }
    }

    fn signs_pairs(&self) -> bool {
        self.string.list.iter().any(|s| matches!(s, Segment::PairsBeforeSignature))
    }

    /// What the string would have no way to say: headers that must be there, and paths that decode to something with a line end.
    fn check_segments(&self, request: &Request<'_>, memory: &mut Memory) -> Result<(), Refusal> {
        if !self.checks_segments {
            return Ok(());
        }
        for segment in self.canonical.iter().chain([&self.string]).flat_map(|s: &Segments| &s.list) {
            match segment {
                Segment::Header { name, absent } => {
                    let value = sole(request, name, "header")?;
                    if *absent == Absent::Refuse && value.is_none() {
                        return Err(Refusal::missing("header"));
                    }
                }
                Segment::Path(mode) | Segment::Resource(mode, _) if mode.decodes() => {
                    let start = memory.arena.len();
                    let good = percent::decode(request.path(), Plus::Literal, &mut memory.arena).is_ok();
                    let decoded = memory.arena.get(start..).unwrap_or_default();
                    let clean = good && !decoded.iter().any(u8::is_ascii_control);
                    memory.arena.truncate(start);
                    if !clean {
                        return Err(Refusal::new(Reason::MalformedRequest, "path"));
                    }
                }
                Segment::Authority if request.authority.is_none() => {
                    sole(request, b"host", "host")?.ok_or(Refusal::missing("host"))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Puts the parameters in the order that the string wants.
    fn sort_parameters(&self, view: &View<'_>, memory: &mut Memory, left_out: Option<usize>) {
        let Some((mode, whole)) = self.order else { return };
        let taken = (0..view.len()).filter(|at| Some(*at) != left_out && (whole || view.source(*at) == Source::Query));
        memory.order.extend(taken.filter_map(|at| u32::try_from(at).ok()));
        let text = |at: u32| (view.name(at as usize), view.value(at as usize));
        match mode {
            QueryMode::Encoded => memory.order.sort_unstable_by(|a, b| {
                let ((name_a, value_a), (name_b, value_b)) = (text(*a), text(*b));
                let names = encoded(name_a).cmp(encoded(name_b));
                names.then_with(|| encoded(value_a).cmp(encoded(value_b))).then(a.cmp(b))
            }),
            QueryMode::DecodedOrder | QueryMode::RawSorted => {
                memory.order.sort_unstable_by(|a, b| text(*a).cmp(&text(*b)).then(a.cmp(b)));
            }
            QueryMode::Raw => {}
        }
    }
}

/// The bytes of `E(text)`, one after the other.
fn encoded(text: &[u8]) -> impl Iterator<Item = u8> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.iter().flat_map(|byte| {
        let plain = percent::is_unreserved(*byte);
        let marks = [b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        let (first, more) = if plain { (*byte, 0) } else { (marks[0], 2) };
        std::iter::once(first).chain(marks.into_iter().skip(1).take(more))
    })
}

fn parse_body(request: &Request<'_>, params: &mut Params, sizes: &Sizes) -> Result<(), Refusal> {
    if request.body.is_empty() {
        return Ok(());
    }
    match sole(request, b"content-type", "content-type")?.and_then(media::read) {
        Some((_, Charset::Other)) => Err(Refusal::invalid("content-type")),
        Some((Media::Json, _)) => Ok(params.parse_json(request.body, sizes)?),
        Some((Media::Form, _)) => Ok(params.parse_form(request.body, sizes)?),
        Some((Media::Xml, _)) => Ok(params.parse_xml(request.body, sizes)?),
        None => Err(Refusal::invalid("content-type")),
    }
}

fn check_digest(rule: &DigestHeader, request: &Request<'_>) -> Result<(), Refusal> {
    match sole(request, &rule.name, "digest")? {
        None | Some([]) if rule.required && !request.body.is_empty() => Err(Refusal::missing("digest")),
        None | Some([]) => Ok(()),
        Some(value) => {
            let said = value.get(..rule.prefix.len()).filter(|p| p.eq_ignore_ascii_case(&rule.prefix));
            said.ok_or(Refusal::invalid("digest"))?;
            let said = value.get(rule.prefix.len()..).unwrap_or_default();
            let right = digest(rule.hash, None, request.body).is_text(rule.text, said);
            if right { Ok(()) } else { Err(Refusal::new(Reason::BadDigest, "digest")) }
        }
    }
}

/// Takes the payload's digest out of its header, where there is one, and holds it against the body.
fn read_payload(rule: &Payload, request: &Request<'_>, memory: &mut Memory, algorithms: AlgSet) -> Result<(), Refusal> {
    let is = |hash: Hash, alg, value| digest(hash, alg, request.body).is_text(DigestText::Hex, value);
    for (name, hashes) in &rule.headers {
        let value = match sole(request, name, "digest")? {
            None | Some([]) => None,
            Some(value) => {
                let unsigned = rule.unsigned.as_deref() == Some(value);
                let right = |hash: &Hash| match hash {
                    // Of which algorithm the signature is, its key says later; the request has narrowed them.
                    Hash::OfAlgorithm => Alg::all().any(|alg| algorithms.has(alg) && is(*hash, Some(alg), value)),
                    _ => is(*hash, None, value),
                };
                if !unsigned && !hashes.iter().any(right) {
                    return Err(Refusal::new(Reason::BadDigest, "digest"));
                }
                Some(memory.keep(value))
            }
        };
        memory.payload.push(value);
    }
    Ok(())
}
