//! The list of signed headers, and headers by name.

use super::super::Refusal;
use super::super::document::is_token;
use super::places::Memory;
use super::{Absent, LIST_MAX, ListRules, Place, Program, Segment};
use crate::request::{Header, Request, same_name};
use std::cmp::Ordering;

/// Orders texts as their lower-case forms.
pub(super) fn compare_names(a: &[u8], b: &[u8]) -> Ordering {
    a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase))
}

/// Puts the headers in the order of their names, those of one name in the order of arrival: n log n, once a request.
pub(super) fn sort_headers(headers: &[Header<'_>], order: &mut Vec<u32>) {
    order.clear();
    order.extend(0..u32::try_from(headers.len()).unwrap_or(u32::MAX));
    let name = |at: &u32| headers.get(*at as usize).map_or(&[][..], |h| h.name);
    order.sort_unstable_by(|a, b| compare_names(name(a), name(b)).then(a.cmp(b)));
}

/// The values of the header `name` in the order of arrival, found by halving.
pub(super) fn values<'r>(
    headers: &'r [Header<'r>],
    order: &'r [u32],
    name: &'r [u8],
) -> impl Iterator<Item = &'r [u8]> + Clone {
    let named = |at: &u32| headers.get(*at as usize).map_or(&[][..], |h| h.name);
    let from = order.partition_point(|at| compare_names(named(at), name) == Ordering::Less);
    let same = order.get(from..).unwrap_or_default();
    same.iter().filter_map(|at| headers.get(*at as usize)).take_while(move |h| same_name(h.name, name)).map(|h| h.value)
}

/// A name in a list: a header's, or one of those with an `@` in front.
fn is_name(text: &[u8]) -> bool {
    !text.is_empty() && is_token(text.strip_prefix(b"@").unwrap_or(text))
}

impl Program {
    /// Reads the list and holds it against the rules.
    pub(super) fn read_list(
        &self,
        rules: &ListRules,
        request: &Request<'_>,
        memory: &mut Memory,
    ) -> Result<(), Refusal> {
        const WRONG: Refusal = Refusal::invalid("signed_headers");
        match memory.values.get(rules.field).copied().flatten() {
            Some(span) => {
                let mut from = 0;
                let text_len = span.len();
                loop {
                    let text = memory.get(Memory::piece(span, from, text_len));
                    let len = memchr::memchr(rules.divider, text).unwrap_or(text.len());
                    let name = text.get(..len).unwrap_or_default();
                    if !is_name(name) || memory.listed.len() >= LIST_MAX {
                        return Err(WRONG);
                    }
                    // A copy in lower case, behind everything else.
                    let start = memory.arena.len();
                    let name = Memory::piece(span, from, from + len);
                    for at in 0..name.len() {
                        let byte = memory.get(name).get(at).copied().unwrap_or_default();
                        memory.arena.push(byte.to_ascii_lowercase());
                    }
                    let lower = memory.since(start);
                    memory.listed.push((lower, name));
                    from += len + 1;
                    if from > text_len {
                        break;
                    }
                }
            }
            None if rules.default.is_empty() => return Err(Refusal::missing("signed_headers")),
            None => {
                for name in &rules.default {
                    let span = memory.keep(name);
                    memory.listed.push((span, span));
                }
            }
        }
        // At most 128 names: comparing each with those before it stays below nine thousand looks at first bytes.
        for (at, (name, _)) in memory.listed.iter().enumerate() {
            if memory.listed.iter().take(at).any(|(other, _)| memory.get(*other) == memory.get(*name)) {
                return Err(WRONG);
            }
        }
        let has = |name: &[u8]| memory.listed.iter().any(|(n, _)| memory.get(*n).eq_ignore_ascii_case(name));
        if !rules.must.iter().all(|group| group.iter().any(|name| has(name))) {
            return Err(WRONG);
        }
        if !request.body.is_empty() && !rules.with_body.iter().all(|name| has(name)) {
            return Err(WRONG);
        }
        for prefix in &rules.must_prefix {
            let named = |h: &&Header<'_>| h.name.get(..prefix.len()).is_some_and(|n| n.eq_ignore_ascii_case(prefix));
            if !request.headers.iter().filter(named).all(|h| has(h.name)) {
                return Err(WRONG);
            }
        }
        if rules.fields {
            for (index, field) in self.fields.iter().enumerate() {
                let read = memory.values.get(index).copied().flatten().is_some();
                let from_header = !(memory.in_query && field.query.is_some());
                if let (Place::Header(names), true, true) = (&field.place, read && from_header, self.must_list(index)) {
                    let present = names.iter().find(|n| request.header_values(n).next().is_some());
                    if !present.is_some_and(|name| has(name)) {
                        return Err(WRONG);
                    }
                }
            }
        }
        self.check_listed(request, memory)
    }

    /// What must be in the list where there is a body.
    pub(in crate::canon) fn signed_with_body(&self) -> Vec<String> {
        let names = self.list.iter().flat_map(|rules| &rules.with_body);
        names.map(|name| String::from_utf8_lossy(name).to_ascii_lowercase()).collect()
    }

    /// Whether a field out of a header is signed by the list alone.
    pub(super) fn must_list(&self, index: usize) -> bool {
        let is_list = self.list.as_ref().is_some_and(|list| list.field == index);
        index != self.signature && !is_list && !self.field_in_string(index)
    }

    /// Refuses listed headers that are not there, where the string has no way to say so.
    fn check_listed(&self, request: &Request<'_>, memory: &Memory) -> Result<(), Refusal> {
        let lists = self.canonical.iter().chain([&self.string]).flat_map(|segments| &segments.list);
        for segment in lists {
            let Segment::Listed(style) = segment else { continue };
            for (name, _) in &memory.listed {
                let name = memory.get(*name);
                let special = style.specials.iter().any(|(special, _)| **special == *name);
                if special {
                    continue;
                }
                // What stands for something else than a header must be known.
                if name.starts_with(b"@") {
                    return Err(Refusal::invalid("signed_headers"));
                }
                let there = values(request.headers, &memory.headers, name).next().is_some();
                if !there && style.absent == Absent::Refuse {
                    return Err(Refusal::missing("header"));
                }
            }
        }
        Ok(())
    }
}
