//! What the string of a program covers, for the linter: found from the segments, not from what a document says of itself.

use super::super::NonceScope;
use super::super::lint::{Cover, Coverage};
use super::{Absent, DigestOf, Field, ListStyle, Place, Program, QueryMode, Segment, Segments};

/// Calls `look` for every segment, those inside others included.
fn walk<'s>(segments: &'s Segments, look: &mut dyn FnMut(&'s Segment)) {
    for segment in &segments.list {
        look(segment);
        if let Segment::Encode(inner) | Segment::Group(inner) = segment {
            walk(inner, look);
        }
    }
}

/// What a list of segments has of a request's line.
#[derive(Clone, Copy, Default)]
struct Line {
    method: bool,
    path: bool,
    query: bool,
}

impl Line {
    fn of(segments: &Segments) -> Self {
        let mut line = Self::default();
        walk(segments, &mut |segment| match segment {
            Segment::Method { .. } => line.method = true,
            Segment::Target | Segment::Resource(..) => (line.path, line.query) = (true, true),
            Segment::Path(_) => line.path = true,
            Segment::Query(_) | Segment::Params => line.query = true,
            _ => {}
        });
        line
    }

    fn and(self, other: Self) -> Self {
        Self { method: self.method && other.method, path: self.path && other.path, query: self.query && other.query }
    }

    fn or(self, other: Self) -> Self {
        Self { method: self.method || other.method, path: self.path || other.path, query: self.query || other.query }
    }
}

impl Program {
    /// Notes what is asked of the segments at every request.
    pub(super) fn note_segments(&mut self) {
        fn order(segments: &Segments) -> Option<(QueryMode, bool)> {
            segments.list.iter().find_map(|segment| match segment {
                Segment::Query(mode) | Segment::Resource(_, mode) if *mode != QueryMode::Raw => Some((*mode, false)),
                Segment::Params => Some((QueryMode::Encoded, true)),
                Segment::Encode(inner) | Segment::Group(inner) => order(inner),
                _ => None,
            })
        }
        self.order = self.canonical.iter().chain([&self.string]).find_map(order);
        let outer = self.canonical.iter().chain([&self.string]).flat_map(|segments| &segments.list);
        self.sorts_headers = outer.into_iter().any(|segment| matches!(segment, Segment::HeadersFrom(_)));
        for segments in self.canonical.iter().chain([&self.string]) {
            walk(segments, &mut |segment| match segment {
                Segment::Field { index, until: Some(byte) } => {
                    // No value has a control character anyway.
                    let wanted = |field: &&mut Field| !byte.is_ascii_control() && !field.ends.contains(byte);
                    if let Some(field) = self.fields.get_mut(*index).filter(wanted) {
                        field.ends.push(*byte);
                    }
                }
                Segment::Upload(upload) => self.upload = Some(upload.clone()),
                _ => {}
            });
        }
    }

    pub(super) fn canonical_is_signed(&self) -> bool {
        let mut found = false;
        walk(&self.string, &mut |s| found |= matches!(s, Segment::Digest { of: DigestOf::Canonical, .. }));
        found
    }

    /// Whether a segment of the string, or of what it digests, is of a kind.
    pub(super) fn any_segment(&self, is: impl Fn(&Segment) -> bool) -> bool {
        let mut found = false;
        for segments in self.canonical.iter().chain([&self.string]) {
            walk(segments, &mut |segment| found |= is(segment));
        }
        found
    }

    /// Whether a field's value stands in the string by itself, not by way of a list of headers.
    pub(super) fn field_in_string(&self, index: usize) -> bool {
        let by_itself = self.any_segment(|segment| match segment {
            Segment::Field { index: at, .. } => *at == index,
            Segment::ListedNames => self.list.as_ref().is_some_and(|list| list.field == index),
            _ => false,
        });
        let Some(field) = self.fields.get(index) else { return false };
        by_itself
            || match &field.place {
                Place::Pairs(_) => self.any_segment(|s| matches!(s, Segment::PairsBeforeSignature)),
                Place::Query(_) => self.line().query,
                Place::Body(_) => self.body_gap().is_none(),
                Place::Params(_) => self.any_segment(|s| matches!(s, Segment::Params)),
                Place::Header(names) => {
                    let signed = |name: &[u8]| {
                        self.any_segment(|segment| match segment {
                            Segment::Header { name: signed, .. } => **signed == *name,
                            Segment::HeadersFrom(prefix) => name.starts_with(prefix),
                            _ => false,
                        })
                    };
                    names.iter().all(|name| signed(name))
                }
            }
    }

    fn style(&self) -> Option<&ListStyle> {
        let lists = self.canonical.iter().chain([&self.string]).flat_map(|s| &s.list);
        lists.into_iter().find_map(|segment| match segment {
            Segment::Listed(style) => Some(style),
            _ => None,
        })
    }

    /// Whether a header must be in the list of signed ones, wherever it is read.
    fn must_be_listed(&self, name: &[u8], with_body: bool) -> bool {
        let (Some(list), Some(_)) = (&self.list, self.style()) else { return false };
        list.must.iter().any(|group| matches!(&group[..], [only] if **only == *name))
            || list.must_prefix.iter().any(|prefix| name.starts_with(prefix))
            || (with_body && list.with_body.iter().any(|n| **n == *name))
    }

    /// What of the request's line is signed, whatever the request says.
    fn line(&self) -> Line {
        let mut line = self.canonical.iter().map(Line::of).fold(Line::of(&self.string), Line::or);
        if let (Some(list), Some(style)) = (&self.list, self.style()) {
            for group in &list.must {
                let of = |name: &[u8]| style.specials.iter().find(|(special, _)| **special == *name);
                // What every one of the group has, its choice being the client's.
                let common = group.iter().map(|name| of(name).map(|(_, s)| Line::of(s)).unwrap_or_default());
                line = line.or(common.reduce(Line::and).unwrap_or_default());
            }
        }
        line
    }

    /// Headers with a digest of the body that need not be signed.
    fn loose_digests(&self) -> Vec<String> {
        let signed = |name: &[u8]| {
            self.must_be_listed(name, true)
                || self.any_segment(|s| match s {
                    Segment::Header { name: signed, .. } => **signed == *name,
                    Segment::HeadersFrom(prefix) => name.starts_with(prefix),
                    _ => false,
                })
        };
        let loose = self.digests.iter().filter(|rule| !signed(&rule.name));
        loose.map(|rule| String::from_utf8_lossy(&rule.name).into_owned()).collect()
    }

    fn body_gap(&self) -> Option<&'static str> {
        let whole = self.any_segment(|s| {
            matches!(
                s,
                Segment::Body | Segment::Upload(_) | Segment::Params | Segment::Digest { of: DigestOf::Body, .. }
            )
        });
        if whole {
            return None;
        }
        if self.any_segment(|s| matches!(s, Segment::Payload)) {
            let open = self.payload.as_ref().is_some_and(|p| p.unsigned.is_some() || p.presigned.is_some());
            return open.then_some("a request may say that its payload is not signed");
        }
        let loose = self.loose_digests();
        let digest =
            |rule: &super::DigestHeader| rule.required && !loose.iter().any(|name| name.as_bytes() == &*rule.name);
        if self.digests.iter().any(digest) {
            return None;
        }
        Some("neither the body nor a digest that must be there is part of the string to sign")
    }

    /// Whether two requests can make one string: more than one piece whose end is not marked.
    fn ambiguous(&self) -> bool {
        let of = |segments: &Segments| {
            let lines = segments.join.first() == Some(&b'\n');
            let (mut open, mut skips) = (0, false);
            for segment in &segments.list {
                match segment {
                    Segment::Body | Segment::Upload(_) => open += 1,
                    Segment::Header { absent: Absent::Skip, .. } => skips = true,
                    Segment::Method { .. } if lines || !self.methods.is_empty() => {}
                    // None of these can hold a line end.
                    Segment::Target | Segment::Path(_) | Segment::Query(_) | Segment::Resource(..) if lines => {}
                    Segment::Header { .. } | Segment::HeadersFrom(_) | Segment::Listed(_) if lines => {}
                    Segment::Authority | Segment::ListedNames | Segment::PairsBeforeSignature if lines => {}
                    Segment::Method { .. }
                    | Segment::Target
                    | Segment::Path(_)
                    | Segment::Query(_)
                    | Segment::Resource(..)
                    | Segment::Header { .. }
                    | Segment::HeadersFrom(_)
                    | Segment::Listed(_)
                    | Segment::Authority
                    | Segment::ListedNames
                    | Segment::PairsBeforeSignature => open += 1,
                    Segment::Text(_)
                    | Segment::Field { .. }
                    | Segment::Scheme
                    | Segment::Digest { .. }
                    | Segment::Payload
                    | Segment::Params
                    | Segment::Encode(_)
                    | Segment::Group(_) => {}
                }
            }
            open > 1 || (open == 1 && skips)
        };
        self.canonical.iter().chain([&self.string]).any(of)
    }

    fn cover(&self, index: Option<usize>) -> Cover {
        let Some((index, field)) = index.and_then(|at| Some((at, self.fields.get(at)?))) else { return Cover::Absent };
        if self.field_in_string(index) || self.listed_field(field) {
            Cover::Signed
        } else {
            Cover::Unsigned(field.describe())
        }
    }

    fn listed_field(&self, field: &Field) -> bool {
        let Place::Header(names) = &field.place else { return false };
        let listed = self.list.as_ref().is_some_and(|list| list.fields) && self.style().is_some();
        listed || names.iter().all(|name| self.must_be_listed(name, false))
    }

    /// What the string covers.
    pub(in crate::canon) fn coverage(&self) -> Coverage {
        let line = self.line();
        let algorithm = match (&self.pairs, self.sign_type) {
            (Some(rules), _) if rules.narrows && !self.any_segment(|s| matches!(s, Segment::Scheme)) => {
                Cover::Unsigned("the scheme's name before the auth-params".into())
            }
            (_, Some(index)) if !self.sign_types.is_empty() => self.cover(Some(index)),
            _ => Cover::Absent,
        };
        let nonce = match (self.cover(self.nonce), self.nonce.and_then(|at| self.fields.get(at))) {
            // One that a request may leave out is as good as none.
            (Cover::Signed, Some(field)) if !field.required => Cover::Absent,
            (nonce, _) => nonce,
        };
        Coverage {
            timestamp: self.cover(self.timestamp),
            nonce,
            app_id: self.cover(self.app_id),
            algorithm,
            method: line.method || self.methods.len() == 1,
            path: line.path,
            query: line.query,
            body_gap: self.body_gap(),
            loose_digests: self.loose_digests(),
            endpoint_scope: self.nonce_scope == NonceScope::Endpoint,
            movable: false,
            empty_dropped: false,
            ambiguous: self.ambiguous(),
            excluded: Vec::new(),
        }
    }
}
