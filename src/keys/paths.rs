//! Which API of the document a request calls: by method and path.
//!
//! # Patterns
//!
//! A pattern begins with `/`. A segment `*` stands for one segment, whatever it is; a `*` at the very end stands for any rest, slashes
//! and the empty rest included: `/pay/*` takes `/pay/` and `/pay/v1/transfer`, not `/pay`; `/v1/file-*` takes `/v1/file-7` and
//! `/v1/file-7/pages`. Where several patterns take a path, the most specific one that takes the method has it: compared from the left,
//! a literal segment goes before `*`, that before a rest, a longer prefix of a rest before a shorter one; then a named method before
//! any method.
//!
//! # One path, one spelling
//!
//! A permission that is checked on one spelling of a path and a server behind that reads another is a hole (`/pay/../admin`,
//! `/pay/%2e%2e/admin`, `/pay//x`, `/pay/..;/admin`). So percent-escapes are decoded once, segment by segment, and a path matches
//! nothing at all where servers are known to disagree: dot segments, empty segments other than the last, escaped slashes,
//! backslashes raw or escaped, control characters, a raw `#`, a broken escape. A path with a `;` (path parameters, which some servers
//! cut off before they route) is taken by patterns without `*` only.
//!
//! # Cost
//!
//! The patterns form a tree of segments; the children of all nodes share one [`Ids`] table, scope = parent. A path costs one look-up a
//! segment where no `*` branches off; it never visits a node twice, allocates nothing, and goes no deeper than the deepest pattern.
//! Patterns without `*` and escapes are also in a table by their whole text: a request for one, spelt so, costs one look-up (and it is the
//! most specific pattern that can take the path).

use super::ids::{Ids, IdsBuilder};
use std::collections::HashMap;

/// Greatest number of segments of a pattern.
const SEGMENTS_MAX: usize = 64;
/// Greatest length of a literal segment of a pattern, decoded.
const SEGMENT_MAX: usize = 255;

/// What the document says about a method and a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Match {
    /// The API of this index.
    Api(u32),
    /// The path is known, but not with this method.
    OtherMethod,
    /// No pattern takes the path.
    Unknown,
}

enum Segment {
    Literal(Vec<u8>),
    Any,
    Rest(Vec<u8>),
}

/// The APIs that end at one place: by method, and for any method.
#[derive(Default)]
struct Methods {
    named: Vec<(Box<[u8]>, u32)>,
    any: Option<u32>,
}

impl Methods {
    fn get(&self, method: &[u8], seen: &mut bool) -> Option<u32> {
        let api = self.named.iter().find(|(name, _)| **name == *method).map(|(_, api)| *api).or(self.any);
        *seen |= !self.named.is_empty() || api.is_some();
        api
    }

    fn insert(&mut self, method: Option<&str>, api: u32) -> Result<(), u32> {
        match method {
            None => match self.any {
                Some(there) => Err(there),
                None => {
                    self.any = Some(api);
                    Ok(())
                }
            },
            Some(name) => match self.named.iter().find(|(there, _)| **there == *name.as_bytes()) {
                Some((_, there)) => Err(*there),
                None => {
                    self.named.push((name.as_bytes().into(), api));
                    Ok(())
                }
            },
        }
    }
}

#[derive(Default)]
struct Place {
    here: Methods,
    any: Option<u32>,
    /// Patterns that end in a rest: what the rest must begin with, longest first.
    rests: Vec<(Vec<u8>, Methods)>,
}

/// Collects patterns for [`Paths`].
pub(super) struct PathsBuilder {
    places: Vec<Place>,
    children: HashMap<(u32, Vec<u8>), u32>,
    /// Where the patterns end that are one path, spelt in one way.
    plain: HashMap<Vec<u8>, u32>,
}

/// Why a pattern was not taken.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum PatternError {
    /// The pattern is malformed: what was expected.
    Form(&'static str),
    /// The API of this index has the same method and path.
    Twice(u32),
}

impl PathsBuilder {
    pub(super) fn new() -> Self {
        Self { places: vec![Place::default()], children: HashMap::new(), plain: HashMap::new() }
    }

    fn place(&mut self, index: u32) -> &mut Place {
        // Every index that is handed around was made by `fresh`.
        &mut self.places[index as usize]
    }

    fn fresh(&mut self) -> u32 {
        self.places.push(Place::default());
        u32::try_from(self.places.len() - 1).expect("patterns of one document stay below 2^32 segments")
    }

    /// Adds the API of index `api`; `method` of `None` takes any.
    pub(super) fn insert(&mut self, method: Option<&str>, path: &str, api: u32) -> Result<(), PatternError> {
        let mut at = 0;
        for segment in segments(path).map_err(PatternError::Form)? {
            match segment {
                Segment::Literal(bytes) => {
                    at = match self.children.get(&(at, bytes.clone())) {
                        Some(child) => *child,
                        None => {
                            let child = self.fresh();
                            self.children.insert((at, bytes), child);
                            child
                        }
                    };
                }
                Segment::Any => {
                    at = match self.place(at).any {
                        Some(child) => child,
                        None => {
                            let child = self.fresh();
                            self.place(at).any = Some(child);
                            child
                        }
                    };
                }
                Segment::Rest(prefix) => {
                    let rests = &mut self.place(at).rests;
                    // Longest first; of one length in byte order.
                    let found = rests.binary_search_by(|(there, _)| {
                        prefix.len().cmp(&there.len()).then_with(|| there.as_slice().cmp(&prefix))
                    });
                    let index = found.unwrap_or_else(|index| {
                        rests.insert(index, (prefix, Methods::default()));
                        index
                    });
                    return rests[index].1.insert(method, api).map_err(PatternError::Twice);
                }
            }
        }
        if !path.contains(['*', '%']) && reading_of(path.as_bytes()) == Reading::Plain {
            self.plain.insert(path.as_bytes().to_vec(), at);
        }
        self.place(at).here.insert(method, api).map_err(PatternError::Twice)
    }

    pub(super) fn build(self) -> Paths {
        let mut children = IdsBuilder::default();
        for ((parent, segment), child) in &self.children {
            children.push(*parent, segment, *child);
        }
        let mut plain = IdsBuilder::default();
        for (path, place) in &self.plain {
            plain.push(0, path, *place);
        }
        Paths { places: self.places.into_boxed_slice(), children: children.build(), plain: plain.build() }
    }
}

/// The segments of a pattern.
fn segments(path: &str) -> Result<Vec<Segment>, &'static str> {
    let Some(inner) = path.strip_prefix('/') else { return Err("expected a path that begins with /") };
    if inner.contains(['?', '#']) {
        return Err("expected a path alone, without ? or #");
    }
    let texts: Vec<&str> = inner.split('/').collect();
    if texts.len() > SEGMENTS_MAX {
        return Err("expected at most 64 segments");
    }
    let mut segments = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let last = index + 1 == texts.len();
        let (literal, star) = match text.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (*text, false),
        };
        if literal.contains('*') || (star && !last && !literal.is_empty()) {
            return Err("expected * as a whole segment or at the very end");
        }
        if star && !last {
            segments.push(Segment::Any);
            continue;
        }
        let no_prefix = star && literal.is_empty();
        if reading_of_segment(literal.as_bytes(), last) == Reading::Disputed && !no_prefix {
            return Err(
                "expected a path without empty or dot segments, escaped slashes, backslashes, control characters \
                        and broken escapes",
            );
        }
        let mut buffer = [0; SEGMENT_MAX + 1];
        let (decoded, whole) = decode(literal.as_bytes(), &mut buffer);
        if !whole || decoded.len() > SEGMENT_MAX {
            return Err("expected segments of at most 255 bytes");
        }
        segments.push(if star { Segment::Rest(decoded.to_vec()) } else { Segment::Literal(decoded.to_vec()) });
    }
    Ok(segments)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

/// The next byte of `text` after decoding and what follows it. A broken escape yields its `%`: [`reading_of_segment`] has refused it.
fn next(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'%', high, low, rest @ ..] => match (hex_digit(*high), hex_digit(*low)) {
            (Some(high), Some(low)) => Some((high << 4 | low, rest)),
            _ => Some((b'%', text.get(1..)?)),
        },
        [byte, rest @ ..] => Some((*byte, rest)),
        [] => None,
    }
}

/// The decoded segment, cut at the buffer's length; and whether it is whole.
fn decode<'b>(segment: &'b [u8], buffer: &'b mut [u8; SEGMENT_MAX + 1]) -> (&'b [u8], bool) {
    if memchr::memchr(b'%', segment).is_none() {
        return (segment, true);
    }
    let (mut rest, mut len) = (segment, 0);
    while let Some((byte, after)) = next(rest) {
        let Some(slot) = buffer.get_mut(len) else { return (&buffer[..], false) };
        (*slot, rest, len) = (byte, after, len + 1);
    }
    (buffer.get(..len).unwrap_or(&[]), true)
}

/// How servers read a path or a segment of one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// All alike.
    Plain,
    /// It has a `;`, at which some cut.
    Parameters,
    /// Not alike.
    Disputed,
}

/// How servers read this segment. Only the last one of a path may be empty.
fn reading_of_segment(segment: &[u8], last: bool) -> Reading {
    if segment.is_empty() {
        return if last { Reading::Plain } else { Reading::Disputed };
    }
    let mut reading = Reading::Plain;
    // Whether the segment, as far as it was read, is `.` or `..`.
    let (mut dots, mut only_dots) = (0, true);
    let mut rest = segment;
    while let Some((byte, after)) = next(rest) {
        let escaped = rest.len() - after.len() == 3;
        match byte {
            0..=0x1f | 0x7f | b'/' | b'\\' => return Reading::Disputed,
            b'%' | b'#' | b' ' if !escaped => return Reading::Disputed,
            b';' => {
                // `..;x` is a dot segment, and `;x` an empty one, to a server that cuts parameters off.
                if only_dots && dots <= 2 {
                    return Reading::Disputed;
                }
                reading = Reading::Parameters;
                only_dots = false;
            }
            b'.' => dots += 1,
            _ => only_dots = false,
        }
        rest = after;
    }
    if only_dots && dots <= 2 { Reading::Disputed } else { reading }
}

/// How servers read `path`.
fn reading_of(path: &[u8]) -> Reading {
    let mut reading = Reading::Plain;
    let Some((b'/', mut rest)) = path.split_first() else { return Reading::Disputed };
    loop {
        let slash = memchr::memchr(b'/', rest);
        let segment = slash.map_or(rest, |at| &rest[..at]);
        match reading_of_segment(segment, slash.is_none()) {
            Reading::Plain => {}
            Reading::Parameters => reading = Reading::Parameters,
            Reading::Disputed => return Reading::Disputed,
        }
        match slash {
            Some(at) => rest = &rest[at + 1..],
            None => return reading,
        }
    }
}

/// The patterns of a document, compiled.
pub(super) struct Paths {
    places: Box<[Place]>,
    children: Ids,
    plain: Ids,
}

struct Search<'p> {
    paths: &'p Paths,
    method: &'p [u8],
    /// Whether patterns with `*` may take the path.
    wild: bool,
    /// Whether some pattern took the path, but not with this method.
    seen: bool,
}

impl<'p> Search<'p> {
    fn end(&mut self, place: u32, tail: Option<&[u8]>) -> Option<u32> {
        match tail {
            Some(tail) => self.descend(place, tail),
            None => self.paths.places.get(place as usize)?.here.get(self.method, &mut self.seen),
        }
    }

    /// `rest`: what follows the slash after the segments walked so far.
    fn descend(&mut self, at: u32, rest: &[u8]) -> Option<u32> {
        let paths = self.paths;
        let place = paths.places.get(at as usize)?;
        let slash = memchr::memchr(b'/', rest);
        let segment = slash.map_or(rest, |at| &rest[..at]);
        let tail = slash.map(|at| &rest[at + 1..]);
        if memchr::memchr(b'%', segment).is_some() {
            let mut buffer = [0; SEGMENT_MAX + 1];
            let (decoded, whole) = decode(segment, &mut buffer);
            return self.step(at, place, decoded, whole, segment, tail);
        }
        self.step(at, place, segment, true, segment, tail)
    }

    /// From the place `at` on over a `segment` of which `decoded` is the text, or, if not `whole`, its beginning.
    fn step(
        &mut self,
        at: u32,
        place: &Place,
        decoded: &[u8],
        whole: bool,
        segment: &[u8],
        tail: Option<&[u8]>,
    ) -> Option<u32> {
        let paths = self.paths;
        if whole && let Some(child) = paths.children.get(at, decoded) {
            let found = self.end(child, tail);
            if found.is_some() {
                return found;
            }
        }
        if !self.wild {
            return None;
        }
        if !segment.is_empty()
            && let Some(child) = place.any
        {
            let found = self.end(child, tail);
            if found.is_some() {
                return found;
            }
        }
        let mut rests = place.rests.iter().filter(|(prefix, _)| decoded.starts_with(prefix));
        rests.find_map(|(_, methods)| methods.get(self.method, &mut self.seen))
    }
}

impl Paths {
    /// The API of `method` and `path` (as on the wire, without the query).
    pub(super) fn find(&self, method: &[u8], path: &[u8]) -> Match {
        if let Some(place) = self.plain.get(0, path)
            && let Some(api) = self.places.get(place as usize).and_then(|place| place.here.get(method, &mut false))
        {
            return Match::Api(api);
        }
        let reading = reading_of(path);
        if reading == Reading::Disputed {
            return Match::Unknown;
        }
        let mut search = Search { paths: self, method, wild: reading == Reading::Plain, seen: false };
        match (search.descend(0, path.get(1..).unwrap_or(&[])), search.seen) {
            (Some(api), _) => Match::Api(api),
            (None, true) => Match::OtherMethod,
            (None, false) => Match::Unknown,
        }
    }
}

#[cfg(test)]
mod tests;
