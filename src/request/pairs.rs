//! The parameters of queries and form bodies: `name=value` pairs, joined by `&`, percent-encoded.
//!
//! Pairs are split at the raw bytes first and decoded afterwards, each part exactly once, so that an encoded `&` or `=` never separates.
//! As in the URL standard (WHATWG, 5.1) empty pairs are passed over, the first `=` divides, and a pair without one has an empty value; the
//! value's span then tells whether a `=` was there. Stricter than there: a `%` needs two hexadecimal digits, the decoded text has to be
//! UTF-8, and control characters (below 0x20, and 0x7F) are refused where they stand unencoded.

use super::params::{AS_SENT, Entry, Kind, ParamError, Params, Piece, Source, Span, Store, offset};
use super::sizes::Sizes;
use super::stops::{Stops, Text, index};
use crate::codec::percent::{self, Plus};
use crate::lanes::ByteLanes;

/// Stops at what separates, what is encoded, and what may not be there.
#[derive(Clone, Copy)]
struct PairStops;

impl Stops for PairStops {
    #[inline(always)]
    fn find<L: ByteLanes>(self, lanes: L, block: L::Block) -> L::Mask {
        let separators = lanes.or(lanes.equal(block, b'&'), lanes.equal(block, b'='));
        let encoded = lanes.or(lanes.equal(block, b'%'), lanes.equal(block, b'+'));
        let controls = lanes.or(lanes.at_most(block, 0x1F), lanes.equal(block, 0x7F));
        lanes.or(lanes.or(separators, encoded), controls)
    }
}

impl Params {
    /// Adds the pairs of the query `text` (what follows the `?` of a target). It may be as long as [`Sizes::target`].
    ///
    /// # Errors
    /// Any [`ParamError`] but [`ParamError::TooDeep`] and [`ParamError::Duplicate`] (the latter [`Params::sort`] finds).
    pub fn parse_query(&mut self, text: &[u8], plus: Plus, sizes: &Sizes) -> Result<(), ParamError> {
        self.parse_pairs(text, plus, Source::Query, sizes.target, sizes)
    }

    /// Adds the pairs of the form body `text`, in which `+` is a space. It may be as long as [`Sizes::body`].
    ///
    /// # Errors
    /// As [`Params::parse_query`].
    pub fn parse_form(&mut self, text: &[u8], sizes: &Sizes) -> Result<(), ParamError> {
        self.parse_pairs(text, Plus::Space, Source::Form, sizes.body, sizes)
    }

    fn parse_pairs(
        &mut self,
        text: &[u8],
        plus: Plus,
        source: Source,
        most: usize,
        sizes: &Sizes,
    ) -> Result<(), ParamError> {
        if text.len() > most || text.len() >= u32::MAX as usize {
            return Err(ParamError::TooLong { source });
        }
        self.order.clear();
        let high = index(self.cpu, PairStops, text, &mut self.stops);
        let text = Text { bytes: text, stops: &self.stops };
        if high && simdutf8::basic::from_utf8(text.bytes).is_err() {
            let valid = std::str::from_utf8(text.bytes).map_or_else(|e| e.valid_up_to(), str::len);
            return Err(ParamError::BadEncoding { source, offset: offset(valid) });
        }
        let mark = self.store.mark();
        let walked = Pairs { text, plus, source }.walk(&mut self.store, sizes.params);
        if walked.is_err() {
            self.store.back_to(mark);
        }
        walked
    }
}

struct Pairs<'a> {
    text: Text<'a>,
    plus: Plus,
    source: Source,
}

impl Pairs<'_> {
    fn walk(&self, store: &mut Store, most: usize) -> Result<(), ParamError> {
        let end = self.text.bytes.len();
        let mut at = 0;
        while at < end {
            if self.text.at(at) == b'&' {
                at += 1;
                continue;
            }
            if store.entries.len() >= most {
                return Err(ParamError::TooMany { source: self.source });
            }
            let name = self.part(at, true, store)?;
            let divider = name.sent.end as usize;
            let value = if self.text.at(divider) == b'=' {
                self.part(divider + 1, false, store)?
            } else {
                Piece { sent: Span::new(divider, divider), decoded: AS_SENT }
            };
            at = value.sent.end as usize + 1;
            store.push(Entry { name, value, kind: Kind::Text, source: self.source }, self.text.bytes);
        }
        Ok(())
    }

    /// The name or value that begins at `start`: to the next `&`, a name also to the next `=`.
    #[inline(always)]
    fn part(&self, start: usize, is_name: bool, store: &mut Store) -> Result<Piece, ParamError> {
        let mut encoded = false;
        let mut at = start;
        loop {
            at = self.text.stop(at);
            match self.text.at(at) {
                b'&' => break,
                b'=' if is_name => break,
                b'=' => {}
                b'%' => encoded = true,
                b'+' => encoded |= self.plus == Plus::Space,
                _ if at == self.text.bytes.len() => break,
                _ => return Err(ParamError::Malformed { source: self.source, offset: offset(at) }),
            }
            at += 1;
        }
        let decoded = if encoded { self.decode(start, at, store)? } else { AS_SENT };
        Ok(Piece { sent: Span::new(start, at), decoded })
    }

    #[inline(never)]
    fn decode(&self, start: usize, end: usize, store: &mut Store) -> Result<u32, ParamError> {
        let source = self.source;
        let arena = store.arena.len();
        percent::decode(self.text.bytes.get(start..end).unwrap_or_default(), self.plus, &mut store.arena)
            .map_err(|at| ParamError::Malformed { source, offset: offset(start + at) })?;
        let text = store.arena.get(arena..).unwrap_or_default();
        // The text as sent is UTF-8, but escapes may stand for anything, and raw bytes may continue what escapes began: the decoded text
        // is checked as a whole.
        if !text.is_ascii() && simdutf8::basic::from_utf8(text).is_err() {
            return Err(ParamError::BadEncoding { source, offset: offset(start) });
        }
        store.decoded_from(arena).map_err(|_| ParamError::TooLong { source })
    }
}
