//! The string to sign, written into one buffer.

use super::super::alg::Alg;
use super::places::Facts;
use super::{Absent, DigestOf, DigestText, Hash, ListStyle, PathMode, Program, QueryMode, Segment, Segments, list};
use crate::codec::percent::{self, Plus};
use crate::codec::{base64, hex};
use crate::hash::{md5, sha256, sha512, sm3};
use crate::request::Request;

/// A digest of at most 64 bytes.
pub(super) struct Digest {
    bytes: [u8; 64],
    len: usize,
}

impl Hash {
    /// SHA-256 or SM3, whichever the algorithm is made of.
    pub(super) fn of(self, alg: Option<Alg>) -> Self {
        match self {
            Self::OfAlgorithm if alg.is_some_and(|alg| alg.name().ends_with("sm3")) => Self::Sm3,
            Self::OfAlgorithm => Self::Sha256,
            other => other,
        }
    }
}

/// The digest of `text`.
pub(super) fn digest(hash: Hash, alg: Option<Alg>, text: &[u8]) -> Digest {
    let mut out = Digest { bytes: [0; 64], len: 0 };
    let mut put = |bytes: &[u8]| {
        if let Some(place) = out.bytes.get_mut(..bytes.len()) {
            place.copy_from_slice(bytes);
            out.len = bytes.len();
        }
    };
    match hash.of(alg) {
        Hash::Md5 => put(&md5::digest(text)),
        Hash::Sha512 => put(&sha512::digest(text)),
        Hash::Sm3 => put(&sm3::digest(text)),
        Hash::Sha256 | Hash::OfAlgorithm => put(&sha256::digest(text)),
    }
    out
}

impl Digest {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Hands over the text: at most 128 bytes.
    fn with_text<T>(&self, text: DigestText, take: impl FnOnce(&[u8]) -> T) -> T {
        let mut room = [0u8; 128];
        let written = match text {
            DigestText::Hex => hex::encode_lower(self.bytes(), &mut room).map(|t| t.len()),
            DigestText::Base64 => base64::encode(base64::Variant::Standard, self.bytes(), &mut room).map(|t| t.len()),
        };
        take(room.get(..written.unwrap_or_default()).unwrap_or_default())
    }

    pub(super) fn append(&self, text: DigestText, out: &mut Vec<u8>) {
        self.with_text(text, |text| out.extend_from_slice(text));
    }

    /// Whether `said` is its text: hexadecimal in lower case, base64 with padding. Public data.
    pub(super) fn is_text(&self, text: DigestText, said: &[u8]) -> bool {
        self.with_text(text, |text| text == said)
    }
}

impl PathMode {
    pub(super) fn decodes(self) -> bool {
        matches!(self, Self::Decoded | Self::Reencoded | Self::ReencodedSlash)
    }

    fn write(self, path: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Raw => out.extend_from_slice(path),
            // Malformed paths were refused when the request was read.
            Self::Decoded => _ = percent::decode(path, Plus::Literal, out),
            Self::Normalised => normalise(path, out),
            Self::Reencoded | Self::ReencodedSlash => {
                let start = out.len();
                for (at, piece) in path.split(|b| *b == b'/').enumerate() {
                    if at > 0 {
                        out.push(b'/');
                    }
                    reencode(piece, out);
                }
                if out.len() == start || (self == Self::ReencodedSlash && out.last() != Some(&b'/')) {
                    out.push(b'/');
                }
            }
        }
    }
}

/// Decodes once and encodes again, byte by byte.
fn reencode(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        let (byte, after) = match (byte, after) {
            (b'%', [high, low, after @ ..]) => match percent::hex_pair(*high, *low) {
                Some(byte) => (byte, after),
                None => (b'%', &rest[1..]),
            },
            _ => (*byte, after),
        };
        percent::encode(&[byte], out);
        rest = after;
    }
}

/// Takes out `.`, `..` and empty pieces, and encodes every piece as it was sent: `%` becomes `%25`. A piece that `..` takes back was written
/// once, so that the whole is linear. Unlike RFC 3986, 5.2.4, the path ends in a slash only where it was sent with one: so do AWS's own
/// clients (`/a/.` is `/a`), and their suite has no such path.
fn normalise(path: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    for piece in path.split(|b| *b == b'/') {
        match piece {
            b"" | b"." => {}
            b".." => {
                let written = out.get(start..).unwrap_or_default();
                let keep = memchr::memrchr(b'/', written).unwrap_or_default();
                out.truncate(start + keep);
            }
            piece => {
                out.push(b'/');
                percent::encode(piece, out);
            }
        }
    }
    if out.len() == start || path.ends_with(b"/") {
        out.push(b'/');
    }
}

/// Appends a header's value: without space at its ends, runs of space as one where `collapse`.
fn header_value(value: &[u8], collapse: bool, lower: bool, out: &mut Vec<u8>) {
    let start = out.len();
    let value = value.trim_ascii();
    if collapse {
        let mut space = false;
        for byte in value {
            let blank = byte.is_ascii_whitespace();
            if !(blank && space) {
                out.push(if blank { b' ' } else { *byte });
            }
            space = blank;
        }
    } else {
        out.extend_from_slice(value);
    }
    if lower && let Some(written) = out.get_mut(start..) {
        written.make_ascii_lowercase();
    }
}

/// Appends what is a single byte, mostly: no call of a copy for that.
#[inline(always)]
fn append(text: &[u8], out: &mut Vec<u8>) {
    match text {
        [byte] => out.push(*byte),
        _ => out.extend_from_slice(text),
    }
}

/// What a string is written from.
struct From<'a> {
    program: &'a Program,
    request: &'a Request<'a>,
    facts: &'a Facts<'a>,
    alg: Alg,
}

impl Program {
    /// Appends the string to sign.
    pub(in crate::canon) fn write(&self, facts: &Facts<'_>, request: &Request<'_>, alg: Alg, out: &mut Vec<u8>) {
        From { program: self, request, facts, alg }.segments(&self.string, out);
    }

    /// Appends the canonical request, for people; `false` where the shape has none.
    pub(in crate::canon) fn write_canonical(
        &self,
        facts: &Facts<'_>,
        request: &Request<'_>,
        alg: Alg,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(canonical) = &self.canonical else { return false };
        From { program: self, request, facts, alg }.segments(canonical, out);
        true
    }

    /// The texts of the fields that a derived key depends on.
    pub(in crate::canon) fn scope<'r>(&self, facts: &Facts<'r>) -> ([&'r [u8]; 4], usize) {
        let mut texts: [&[u8]; 4] = [&[]; 4];
        let mut count = 0;
        for (text, index) in texts.iter_mut().zip(&self.scope) {
            *text = facts.memory.value(Some(*index)).unwrap_or_default();
            count += 1;
        }
        (texts, count)
    }
}

impl From<'_> {
    fn segments(&self, segments: &Segments, out: &mut Vec<u8>) {
        let mut first = true;
        for segment in &segments.list {
            let before = out.len();
            if !first {
                append(&segments.join, out);
            }
            if self.one(segment, out) {
                first = false;
            } else {
                out.truncate(before);
            }
        }
        append(&segments.end, out);
    }

    /// Appends one segment; `false` where it is left out.
    fn one(&self, segment: &Segment, out: &mut Vec<u8>) -> bool {
        let (request, memory) = (self.request, self.facts.memory);
        match segment {
            Segment::Text(text) => out.extend_from_slice(text),
            Segment::Field { index, .. } => out.extend_from_slice(memory.value(Some(*index)).unwrap_or_default()),
            Segment::Method { lower: true } => out.extend(request.method.iter().map(u8::to_ascii_lowercase)),
            Segment::Method { lower: false } => out.extend_from_slice(request.method),
            Segment::Target => out.extend_from_slice(request.target),
            Segment::Path(mode) => mode.write(request.path(), out),
            Segment::Query(mode) => self.query(*mode, out),
            Segment::Resource(path, query) => {
                path.write(request.path(), out);
                out.push(b'?');
                let before = out.len();
                self.query(*query, out);
                if out.len() == before {
                    out.pop();
                }
            }
            Segment::Body => out.extend_from_slice(request.body),
            Segment::Upload(_) => out.extend_from_slice(match memory.upload {
                Some((from, to)) => request.body.get(from..to).unwrap_or_default(),
                None => request.body,
            }),
            Segment::Scheme => out.extend_from_slice(memory.scheme.map_or(&[], |span| memory.get(span))),
            Segment::Authority => {
                let host = request.authority.or_else(|| request.header_values(b"host").next());
                out.extend(host.unwrap_or_default().trim_ascii().iter().map(u8::to_ascii_lowercase));
            }
            Segment::Header { name, absent } => match request.header_values(name).next() {
                Some(value) => out.extend_from_slice(value.trim_ascii()),
                None => return *absent != Absent::Skip,
            },
            Segment::HeadersFrom(prefix) => return self.headers_from(prefix, out),
            Segment::Params => self.query(QueryMode::Encoded, out),
            Segment::PairsBeforeSignature => {
                let text = memory.get(memory.text);
                let signed = if memory.signatures.is_empty() { Some(text) } else { text.get(..memory.signature_at) };
                let divider = self.program.pairs.as_ref().map_or(b',', |rules| rules.divider);
                let signed = signed.unwrap_or_default().trim_ascii_end();
                out.extend_from_slice(signed.strip_suffix(&[divider]).unwrap_or(signed));
            }
            Segment::ListedNames => {
                let list = self.program.list.as_ref();
                let as_sent = list.and_then(|list| memory.value(Some(list.field)));
                match as_sent {
                    Some(text) => out.extend_from_slice(text),
                    None => {
                        for (at, (name, _)) in memory.listed.iter().enumerate() {
                            if at > 0 {
                                out.extend(list.map(|list| list.divider));
                            }
                            out.extend_from_slice(memory.get(*name));
                        }
                    }
                }
            }
            Segment::Listed(style) => self.listed(style, out),
            Segment::Digest { of: DigestOf::Body, hash, text } => {
                digest(*hash, Some(self.alg), request.body).append(*text, out);
            }
            Segment::Digest { of: DigestOf::Canonical, hash, text } => {
                let start = out.len();
                if let Some(canonical) = &self.program.canonical {
                    self.segments(canonical, out);
                }
                let digest = digest(*hash, Some(self.alg), out.get(start..).unwrap_or_default());
                out.truncate(start);
                digest.append(*text, out);
            }
            Segment::Payload => self.payload(out),
            Segment::Group(inner) => self.segments(inner, out),
            Segment::Encode(inner) => {
                let start = out.len();
                self.segments(inner, out);
                let end = out.len();
                // Encoded behind itself, then moved over itself.
                for at in start..end {
                    let byte = out.get(at).copied().unwrap_or_default();
                    percent::encode(&[byte], out);
                }
                out.drain(start..end);
            }
        }
        true
    }

    fn query(&self, mode: QueryMode, out: &mut Vec<u8>) {
        let (view, memory) = (&self.facts.view, self.facts.memory);
        if mode == QueryMode::Raw {
            out.extend_from_slice(self.request.query());
            return;
        }
        for (at, index) in memory.order.iter().map(|index| *index as usize).enumerate() {
            if at > 0 {
                out.push(b'&');
            }
            if mode == QueryMode::RawSorted {
                out.extend_from_slice(view.raw_name(index));
                if view.has_value(index) {
                    out.push(b'=');
                    out.extend_from_slice(view.raw(index));
                }
            } else {
                percent::encode(view.name(index), out);
                out.push(b'=');
                percent::encode(view.value(index), out);
            }
        }
    }

    fn headers_from(&self, prefix: &[u8], out: &mut Vec<u8>) -> bool {
        let headers = self.request.headers;
        let named = self.facts.memory.headers.iter().filter_map(|at| headers.get(*at as usize));
        let mut any = false;
        for header in named.filter(|h| h.name.get(..prefix.len()).is_some_and(|n| n.eq_ignore_ascii_case(prefix))) {
            if any {
                out.push(b'\n');
            }
            any = true;
            out.extend(header.name.iter().map(u8::to_ascii_lowercase));
            out.push(b':');
            header_value(header.value, false, false, out);
        }
        any
    }

    fn listed(&self, style: &ListStyle, out: &mut Vec<u8>) {
        let memory = self.facts.memory;
        let mut first = true;
        for (name, as_sent) in &memory.listed {
            let (name, as_sent) = (memory.get(*name), memory.get(*as_sent));
            let shown = if style.names_as_sent { as_sent } else { name };
            let before = out.len();
            if !first {
                out.extend_from_slice(&style.join);
            }
            if let Some((_, segments)) = style.specials.iter().find(|(special, _)| **special == *name) {
                self.segments(segments, out);
                first = false;
                continue;
            }
            let mut values = list::values(self.request.headers, &memory.headers, name).peekable();
            if values.peek().is_none() {
                match style.absent {
                    Absent::Skip => {
                        out.truncate(before);
                        continue;
                    }
                    Absent::Name => {
                        out.extend_from_slice(shown);
                        out.extend_from_slice(style.separator.trim_ascii_end());
                    }
                    Absent::Empty | Absent::Refuse => {
                        out.extend_from_slice(shown);
                        out.extend_from_slice(&style.separator);
                    }
                }
                first = false;
                continue;
            }
            out.extend_from_slice(shown);
            out.extend_from_slice(&style.separator);
            for (at, value) in values.enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                header_value(value, style.collapse, style.lower, out);
            }
            first = false;
        }
        if !first {
            out.extend_from_slice(&style.end);
        }
    }

    fn payload(&self, out: &mut Vec<u8>) {
        let memory = self.facts.memory;
        let Some(rule) = &self.program.payload else { return };
        let hash = Hash::OfAlgorithm.of(Some(self.alg));
        // The header of the algorithm's own hash, or the other one, which was held against the body as well.
        let is_own = |of: &[Hash]| of.iter().any(|of| *of == hash || *of == Hash::OfAlgorithm);
        let own = rule.headers.iter().zip(&memory.payload).find_map(|((_, of), value)| value.filter(|_| is_own(of)));
        let any = || memory.payload.iter().find_map(|value| *value);
        match (own.or_else(any), &rule.presigned) {
            (Some(span), _) => out.extend_from_slice(memory.get(span)),
            (None, Some(text)) if memory.in_query => out.extend_from_slice(text),
            (None, _) => digest(hash, None, self.request.body).append(DigestText::Hex, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(mode: PathMode, text: &str) -> String {
        let mut out = b"x".to_vec();
        mode.write(text.as_bytes(), &mut out);
        String::from_utf8(out[1..].to_vec()).unwrap()
    }

    #[test]
    fn paths_are_normalised_as_the_aws_suite_has_them() {
        for (sent, expected) in [
            ("/", "/"),
            ("//", "/"),
            ("/./", "/"),
            ("//example//", "/example/"),
            ("/example/..", "/"),
            ("/example1/example2/../..", "/"),
            ("/./example", "/example"),
            ("/../../a", "/a"),
            ("/a/b/../c/", "/a/c/"),
            // botocore and Smithy agree: no slash at the end that was not sent.
            ("/a/.", "/a"),
            ("/a/b/..", "/a"),
            ("/a/b/../", "/a/"),
            ("/..", "/"),
            ("/-._~0123Aa", "/-._~0123Aa"),
            ("/a%20b:c", "/a%2520b%3Ac"),
            ("/\u{1234}", "/%E1%88%B4"),
        ] {
            assert_eq!(path(PathMode::Normalised, sent), expected, "{sent}");
        }
    }

    #[test]
    fn other_spellings_of_paths() {
        assert_eq!(path(PathMode::Reencoded, "/a%20b:c/%e4%B8%ad"), "/a%20b%3Ac/%E4%B8%AD");
        assert_eq!(path(PathMode::ReencodedSlash, "/v1/x"), "/v1/x/");
        assert_eq!(path(PathMode::ReencodedSlash, "/v1/x/"), "/v1/x/");
        assert_eq!(path(PathMode::ReencodedSlash, ""), "/");
        assert_eq!(path(PathMode::Decoded, "/a%20b+c"), "/a b+c");
        assert_eq!(path(PathMode::Raw, "/a%20b+c"), "/a%20b+c");
    }

    #[test]
    fn header_values_are_trimmed_and_collapsed() {
        let value = |text: &str, collapse, lower| {
            let mut out = Vec::new();
            header_value(text.as_bytes(), collapse, lower, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(value("  a   b\t c ", true, false), "a b c");
        assert_eq!(value("  A   b ", false, true), "a   b");
    }
}
