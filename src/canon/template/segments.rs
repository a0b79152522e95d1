//! From a document's segments to a program's.

use super::document::{HASHES, TEXTS, bytes, choice, lower, name_list, text_of};
use super::upload::Upload;
use super::{Absent, DigestOf, DigestText, Field, Hash, ListStyle, PathMode, QueryMode, Segment, Segments};
use crate::codec::doc::Node;
use crate::error::DocumentError;

const PATHS: &[(&str, PathMode)] = &[
    ("raw", PathMode::Raw),
    ("decoded", PathMode::Decoded),
    ("normalised", PathMode::Normalised),
    ("reencoded", PathMode::Reencoded),
    ("reencoded-slash", PathMode::ReencodedSlash),
];
const QUERIES: &[(&str, QueryMode)] = &[
    ("raw", QueryMode::Raw),
    ("encoded", QueryMode::Encoded),
    ("decoded-order", QueryMode::DecodedOrder),
    ("raw-sorted", QueryMode::RawSorted),
];
const ABSENT: &[(&str, Absent)] =
    &[("refuse", Absent::Refuse), ("empty", Absent::Empty), ("skip", Absent::Skip), ("name", Absent::Name)];

/// The fields by their documents' names.
pub(super) struct Compiler<'p> {
    pub fields: &'p [Field],
    pub has_list: bool,
    pub has_payload: bool,
    pub has_canonical: bool,
    pub pairs: bool,
}

impl Compiler<'_> {
    fn index(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == name)
    }

    /// An array of segments, or an object with `segments`, `join` and `end`.
    pub fn segments(&self, node: &Node<'_>, join: &str) -> Result<Segments, DocumentError> {
        let mut out = Segments { join: bytes(join), ..Segments::default() };
        let list = if node.is_object() {
            let object = node.object()?;
            out.join = text_of(&object, "join", join)?;
            out.end = text_of(&object, "end", "")?;
            let list = object.required("segments")?;
            object.finish()?;
            list
        } else {
            node.clone()
        };
        for item in list.array()? {
            out.list.push(self.segment(&item)?);
        }
        if out.list.is_empty() {
            return Err(node.error("expected at least one segment"));
        }
        self.bounds(&mut out, node)?;
        Ok(out)
    }

    /// Says for each field which byte ends it.
    fn bounds(&self, segments: &mut Segments, node: &Node<'_>) -> Result<(), DocumentError> {
        let count = segments.list.len();
        for at in 0..count {
            let Some(Segment::Field { .. }) = segments.list.get(at) else { continue };
            let next = match (segments.join.first(), segments.list.get(at + 1)) {
                (_, None) => segments.end.first().copied(),
                (Some(byte), Some(_)) => Some(*byte),
                (None, Some(Segment::Text(text))) => text.first().copied(),
                (None, Some(_)) => return Err(node.error("a field needs a join or a text behind it")),
            };
            if let Some(Segment::Field { until, .. }) = segments.list.get_mut(at) {
                *until = next;
            }
        }
        Ok(())
    }

    fn segment(&self, node: &Node<'_>) -> Result<Segment, DocumentError> {
        if node.is_object() {
            return self.object(node);
        }
        let name = node.str()?;
        Ok(match name {
            "method" => Segment::Method { lower: false },
            "target" => Segment::Target,
            "path" => Segment::Path(PathMode::Raw),
            "query" => Segment::Query(QueryMode::Raw),
            "body" => Segment::Body,
            "authority" => Segment::Authority,
            "params" => Segment::Params,
            "scheme" if self.pairs => Segment::Scheme,
            "auth-before-signature" if self.pairs => Segment::PairsBeforeSignature,
            "signed_headers" if self.has_list => Segment::ListedNames,
            "payload" if self.has_payload => Segment::Payload,
            _ => match self.index(name) {
                Some(index) => Segment::Field { index, until: None },
                None => {
                    return Err(node.error(format!(
                        "expected a segment (method, target, path, query, body, authority, params, scheme, \
                         auth-before-signature, signed_headers, payload, a field of this profile, or an object); \
                         there is no {name:?}"
                    )));
                }
            },
        })
    }

    fn object(&self, node: &Node<'_>) -> Result<Segment, DocumentError> {
        let members = node.members()?;
        let object = node.object()?;
        let kind = [
            "text",
            "method",
            "body",
            "path",
            "query",
            "resource",
            "header",
            "headers_from",
            "headers",
            "digest",
            "encode",
            "group",
        ]
        .into_iter()
        .find(|kind| members.iter().any(|(name, _)| name == kind));
        let Some(kind) = kind else {
            return Err(node.error(
                "expected one of text, method, body, path, query, resource, header, headers_from, headers, digest, encode, group",
            ));
        };
        let value = object.required(kind)?;
        let segment = match kind {
            "text" => Segment::Text(bytes(value.str()?)),
            "method" => Segment::Method { lower: value.one_of(&[("lower", true), ("as-sent", false)])? },
            "body" => {
                let upload = value.object()?;
                let (part, file) = (upload.required("part")?, upload.required("file")?);
                let (part, file) = (bytes(part.str()?), bytes(file.str()?));
                if part == file {
                    return Err(value.error("expected two names"));
                }
                let (digest, filename) =
                    (text_of(&upload, "digest", "sha256")?, text_of(&upload, "filename", "filename")?);
                let hash = choice(&upload, "hash", HASHES, Hash::Sha256)?;
                upload.finish()?;
                Segment::Upload(Upload { part, file, digest, hash, filename })
            }
            "path" => Segment::Path(value.one_of(PATHS)?),
            "query" => Segment::Query(value.one_of(QUERIES)?),
            "resource" => {
                let modes = value.object()?;
                let path = choice(&modes, "path", PATHS, PathMode::Raw)?;
                let query = choice(&modes, "query", QUERIES, QueryMode::Raw)?;
                modes.finish()?;
                Segment::Resource(path, query)
            }
            "header" => {
                let Some(name) = lower(name_list(&value, true)?).into_iter().next() else {
                    return Err(value.error("expected a name"));
                };
                let absent = choice(&object, "absent", ABSENT, Absent::Refuse)?;
                if absent == Absent::Name {
                    return Err(node.error("\"absent\": \"name\" is for listed headers"));
                }
                Segment::Header { name, absent }
            }
            "headers_from" => Segment::HeadersFrom(value.str()?.to_ascii_lowercase().as_bytes().into()),
            "headers" if self.has_list => Segment::Listed(self.style(&value)?),
            "headers" => return Err(node.error("\"headers\" needs the member \"signed_headers\" of the profile")),
            "digest" => {
                let digest = value.object()?;
                let of =
                    digest.required("of")?.one_of(&[("body", DigestOf::Body), ("canonical", DigestOf::Canonical)])?;
                if of == DigestOf::Canonical && !self.has_canonical {
                    return Err(value.error("there is no \"canonical\" in this profile, or this stands in it"));
                }
                let hash = choice(&digest, "hash", HASHES, Hash::Sha256)?;
                let text = choice(&digest, "as", TEXTS, DigestText::Hex)?;
                digest.finish()?;
                Segment::Digest { of, hash, text }
            }
            "group" => Segment::Group(self.segments(&value, "")?),
            _ => Segment::Encode(self.segments(&value, "")?),
        };
        object.finish()?;
        Ok(segment)
    }

    fn style(&self, node: &Node<'_>) -> Result<ListStyle, DocumentError> {
        let object = node.object()?;
        let mut specials = Vec::new();
        if let Some(node) = object.optional("specials") {
            for (name, node) in node.members()? {
                let name = name.to_ascii_lowercase();
                specials.push((bytes(&name), self.segments(&node, "")?));
            }
        }
        let style = ListStyle {
            separator: text_of(&object, "separator", ":")?,
            absent: choice(&object, "absent", ABSENT, Absent::Refuse)?,
            collapse: object.optional("collapse").map_or(Ok(false), |n| n.bool())?,
            lower: object.optional("lower").map_or(Ok(false), |n| n.bool())?,
            names_as_sent: choice(&object, "names", &[("lower", false), ("as-sent", true)], false)?,
            join: text_of(&object, "join", "\n")?,
            end: text_of(&object, "end", "")?,
            specials,
        };
        object.finish()?;
        if style.join.first().is_none_or(|b| *b != b'\n') {
            return Err(node.error("expected a \"join\" that begins with a line end: header values cannot hold one"));
        }
        Ok(style)
    }
}
