//! What was found of a request, and the memory it is kept in from request to request.

use std::fmt;

use super::super::alg::AlgSet;
use super::pairs::Marks;
use super::upload::Range;
use crate::request::{Params, View};

/// From a first byte to the one after the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Span {
    start: usize,
    end: usize,
}

impl Span {
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }
}

/// A pair of the pairs' header.
#[derive(Clone, Copy)]
pub(super) struct PairAt {
    pub name: Span,
    pub value: Span,
    /// Where it begins in the pairs' text.
    pub start: usize,
    /// A bit for each field of a program's first 64 that is read from pairs of that name.
    pub fields: u64,
}

/// Memory of one request at a time. Texts are copied into one arena: a few hundred bytes, which then borrow from nothing.
#[derive(Default)]
pub struct Memory {
    pub(super) arena: Vec<u8>,
    /// The pairs' text, whole.
    pub(super) text: Span,
    pub(super) pairs: Vec<PairAt>,
    /// For cutting texts into pairs.
    pub(super) marks: Marks,
    /// Whether a control character may stand in the pairs' text.
    pub(super) controls: bool,
    /// Of a program's first 64 fields those that stand in a pair, and in several: a bit each.
    pub(super) seen: u64,
    pub(super) repeated: u64,
    /// By field.
    pub(super) values: Vec<Option<Span>>,
    pub(super) signatures: Vec<(Span, AlgSet)>,
    /// Where in the pairs' text the signature's pair begins.
    pub(super) signature_at: usize,
    /// The word before the pairs.
    pub(super) scheme: Option<Span>,
    /// Whether the pairs stand in the query.
    pub(super) in_query: bool,
    /// Names in the list of signed headers: in lower case, and as sent.
    pub(super) listed: Vec<(Span, Span)>,
    /// Request headers by name, then arrival.
    pub(super) headers: Vec<u32>,
    /// Parameters in the order of the string to sign, without the signature.
    pub(super) order: Vec<u32>,
    /// For each header of the payload rule its value.
    pub(super) payload: Vec<Option<Span>>,
    /// Where in the body the part stands that is signed in its place.
    pub(super) upload: Option<Range>,
    /// Its members.
    pub(super) part: Option<Box<Params>>,
}

/// It may hold what nobody should read in a log.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Memory {
    pub(super) fn clear(&mut self, fields: usize) {
        self.arena.clear();
        self.text = Span::default();
        self.pairs.clear();
        self.controls = true;
        (self.seen, self.repeated) = (0, 0);
        self.values.clear();
        self.values.resize(fields, None);
        self.signatures.clear();
        self.signature_at = 0;
        self.scheme = None;
        self.in_query = false;
        self.listed.clear();
        self.headers.clear();
        self.order.clear();
        self.payload.clear();
        self.upload = None;
    }

    /// Keeps a copy of `text`.
    pub(super) fn keep(&mut self, text: &[u8]) -> Span {
        let start = self.arena.len();
        self.arena.extend_from_slice(text);
        Span { start, end: self.arena.len() }
    }

    /// What was put into the arena from `start` on.
    pub(super) fn since(&self, start: usize) -> Span {
        Span { start, end: self.arena.len() }
    }

    /// Takes a pair in; `plain` are the fields whose value is all of a pair's.
    #[inline(always)]
    pub(super) fn take_pair(&mut self, pair: PairAt, plain: u64) {
        self.repeated |= self.seen & pair.fields;
        self.seen |= pair.fields;
        let mut fields = if pair.value.len() > 0 { pair.fields & plain } else { 0 };
        while fields != 0 {
            if let Some(slot) = self.values.get_mut(fields.trailing_zeros() as usize) {
                *slot = Some(pair.value);
            }
            fields &= fields - 1;
        }
        self.pairs.push(pair);
    }

    /// A piece of what `span` holds, by offsets into it.
    pub(super) fn piece(span: Span, from: usize, to: usize) -> Span {
        let to = span.start.saturating_add(to).min(span.end);
        Span { start: span.start.saturating_add(from).min(to), end: to }
    }

    pub(super) fn get(&self, span: Span) -> &[u8] {
        self.arena.get(span.start..span.end).unwrap_or_default()
    }

    pub(super) fn value(&self, field: Option<usize>) -> Option<&[u8]> {
        Some(self.get(self.values.get(field?).copied().flatten()?))
    }
}

/// What the string is written from.
#[derive(Clone, Copy, Debug)]
pub(in crate::canon) struct Facts<'r> {
    pub(super) memory: &'r Memory,
    pub(super) view: View<'r>,
}

impl<'r> Facts<'r> {
    /// The signatures that the request carries, with the algorithms that each may be of.
    pub(in crate::canon) fn signatures(&self) -> impl Iterator<Item = (&'r [u8], AlgSet)> + use<'r> {
        let memory = self.memory;
        memory.signatures.iter().map(|(span, algs)| (memory.get(*span), *algs))
    }
}
