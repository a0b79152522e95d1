//! The client's side of shape `params`: putting fields where the profile reads them.

use crate::codec::percent;
use crate::request::{Params, Sizes};
use crate::verdict::Reason;

use super::super::client::{Draft, Fill};
use super::super::document::{Field, Place, TimeFormat};
use super::super::names::Role;
use super::super::{Alg, Refusal};
use super::media::{self, Media};
use super::{Program, Sources};

/// A value to put in: text, or a number for JSON bodies.
struct Value<'a> {
    text: &'a str,
    number: bool,
}

/// Appends `text` as a JSON string (RFC 8259, 7).
fn json_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
            '\0'..='\x1f' => out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes()),
            _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// Adds a member at the end of the object that `body` is, or makes the object. `empty` says whether it has no member yet.
fn add_member(body: &mut Vec<u8>, empty: bool, name: &str, value: &Value<'_>) -> Result<(), Refusal> {
    if body.is_empty() {
        body.extend_from_slice(b"{}");
    }
    let end = body.iter().rposition(|b| *b == b'}').ok_or(Refusal::new(Reason::MalformedRequest, "body"))?;
    body.truncate(end);
    if !empty {
        body.push(b',');
    }
    json_string(name, body);
    body.push(b':');
    if value.number {
        body.extend_from_slice(value.text.as_bytes());
    } else {
        json_string(value.text, body);
    }
    body.push(b'}');
    Ok(())
}

/// Adds `name=value` to a query or form, with the separator that it needs.
fn add_pair(text: &mut Vec<u8>, separator: Option<u8>, name: &str, value: &str) {
    text.extend(separator);
    percent::encode(name.as_bytes(), text);
    text.push(b'=');
    percent::encode(value.as_bytes(), text);
}

/// Adds an element at the end of a flat document, or makes the document.
fn add_element(body: &mut Vec<u8>, name: &str, value: &str) -> Result<(), Refusal> {
    if body.is_empty() {
        body.extend_from_slice(b"<xml></xml>");
    }
    let end = memchr::memmem::rfind(body, b"</").ok_or(Refusal::new(Reason::MalformedRequest, "body"))?;
    let text = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let element = format!("<{name}>{text}</{name}>");
    body.splice(end..end, element.into_bytes());
    Ok(())
}

impl Program {
    /// The kind of body that a draft has or would get; `None` where its method reads none.
    fn body_kind(&self, sources: Sources, draft: &Draft) -> Option<Media> {
        let said = draft.header(b"content-type").and_then(media::read).map(|(media, _)| media);
        let read = [(sources.json, Media::Json), (sources.form, Media::Form), (sources.xml, Media::Xml)];
        let mut read = read.into_iter().filter(|(on, _)| *on).map(|(_, media)| media);
        match (read.next(), read.next()) {
            (first, None) => first,
            (first, Some(_)) => said.or(first),
        }
    }

    fn draft_sources(&self, draft: &Draft) -> Result<Sources, Refusal> {
        self.sources(&draft.method).ok_or(Refusal::new(Reason::MethodNotAllowed, "method"))
    }

    /// Parses the draft and hands the parameters' names to `look`.
    fn with_params<T>(&self, draft: &Draft, look: impl FnOnce(&Params, &[u8], &[u8]) -> T) -> Result<T, Refusal> {
        let sources = self.draft_sources(draft)?;
        draft.lend(|request| {
            let mut params = Params::new();
            params.parse_query(request.query(), self.plus, &Sizes::default())?;
            self.parse_body(sources, request, &mut params, &Sizes::default())?;
            Ok(look(&params, request.query(), request.body))
        })
    }

    fn has(&self, draft: &Draft, field: &Field) -> Result<bool, Refusal> {
        if field.place == Place::Header {
            return Ok(field.names.iter().any(|n| draft.header(n.as_bytes()).is_some()));
        }
        self.with_params(draft, |params, query, body| {
            let view = params.view(query, body);
            field.names.iter().any(|n| view.find(n.as_bytes()).is_some())
        })
    }

    /// Puts a field under the first of its names.
    fn put(&self, draft: &mut Draft, field: &Field, value: &Value<'_>) -> Result<(), Refusal> {
        let Some(name) = field.names.first() else { return Ok(()) };
        let sources = self.draft_sources(draft)?;
        let body_kind = self.body_kind(sources, draft);
        match (field.place, body_kind) {
            (Place::Header, _) => draft.headers.push((name.as_bytes().to_vec(), value.text.as_bytes().to_vec())),
            (Place::Body, None) => return Err(Refusal::invalid(field.role.name())),
            (Place::Query, _) | (Place::Params, None) => {
                let separator = match memchr::memchr(b'?', &draft.target) {
                    None => Some(b'?'),
                    Some(at) if at + 1 == draft.target.len() => None,
                    Some(_) if draft.target.ends_with(b"&") => None,
                    Some(_) => Some(b'&'),
                };
                add_pair(&mut draft.target, separator, name, value.text);
            }
            (Place::Params | Place::Body, Some(media)) => {
                self.say_type(draft, media);
                match media {
                    Media::Json => {
                        let empty = draft.body.is_empty()
                            || self.with_params(draft, |params, query, body| {
                                let view = params.view(query, body);
                                !(0..view.len()).any(|i| view.source(i) != crate::request::Source::Query)
                            })?;
                        add_member(&mut draft.body, empty, name, value)?;
                    }
                    Media::Form => {
                        let separator = (!draft.body.is_empty()).then_some(b'&');
                        add_pair(&mut draft.body, separator, name, value.text);
                    }
                    Media::Xml => add_element(&mut draft.body, name, value.text)?,
                }
            }
        }
        Ok(())
    }

    /// Adds a content type where there is none.
    fn say_type(&self, draft: &mut Draft, media: Media) {
        if draft.header(b"content-type").is_none() {
            let value: &[u8] = match media {
                Media::Json => b"application/json; charset=utf-8",
                Media::Form => b"application/x-www-form-urlencoded; charset=utf-8",
                Media::Xml => b"text/xml; charset=utf-8",
            };
            draft.headers.push((b"content-type".to_vec(), value.to_vec()));
        }
    }

    pub(in crate::canon) fn fill(&self, draft: &mut Draft, alg: Alg, fill: &Fill<'_>) -> Result<(), Refusal> {
        let sources = self.draft_sources(draft)?;
        if let (false, Some(media)) = (draft.body.is_empty(), self.body_kind(sources, draft)) {
            self.say_type(draft, media);
        }
        let time = fill.timestamp.map(|t| self.time.write(t.0));
        let number = matches!(self.time, TimeFormat::UnixSeconds | TimeFormat::UnixMillis);
        let sign_type = self.sign_type.as_ref().and_then(|rules| {
            let named = rules.values.iter().find(|(_, set)| set.has(alg));
            named.and_then(|(name, _)| std::str::from_utf8(name).ok())
        });
        for (role, text, number) in [
            (Role::AppId, fill.app_id, false),
            (Role::KeyId, fill.kid, false),
            (Role::Timestamp, time.as_deref(), number),
            (Role::Nonce, fill.nonce, false),
            (Role::SignType, sign_type, false),
        ] {
            if let (Some(field), Some(text)) = (self.field(role), text)
                && !self.has(draft, field)?
            {
                self.put(draft, field, &Value { text, number })?;
            }
        }
        Ok(())
    }

    pub(in crate::canon) fn place_signature(&self, draft: &mut Draft, text: &str) -> Result<(), Refusal> {
        match self.field(Role::Signature) {
            Some(field) => self.put(draft, field, &Value { text, number: false }),
            None => Err(Refusal::missing("signature")),
        }
    }
}
