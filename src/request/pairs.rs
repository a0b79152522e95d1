//! The parameters of queries and form bodies: `name=value` pairs, joined by `&`, percent-encoded.
//!
//! Pairs are split at the raw bytes first and decoded afterwards, each part exactly once, so that an encoded `&` or `=` never separates.
//! As in the URL standard (WHATWG, 5.1) empty pairs are passed over, the first `=` divides, and a pair without one has an empty value; the
//! value's span then tells whether a `=` was there. Stricter than there: a `%` needs two hexadecimal digits, the decoded text has to be
//! UTF-8, and control characters (below 0x20, and 0x7F) are refused where they stand unencoded.

use super::params::{AS_SENT, Entry, Kind, ParamError, Params, Piece, Source, Span, Store, check_utf8, offset};
use super::sizes::Sizes;
use super::stops::{Stops, Text, chunk, index};
use crate::codec::percent::{Plus, hex_pair};
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
        let mark = self.store.mark();
        let walked = self.walk_pairs(text, plus, source, sizes);
        if walked.is_err() {
            self.store.back_to(mark);
        }
        walked
    }

    fn walk_pairs(&mut self, text: &[u8], plus: Plus, source: Source, sizes: &Sizes) -> Result<(), ParamError> {
        if index(self.cpu, PairStops, text, &mut self.stops).high {
            check_utf8(text, source)?;
        }
        Pairs { text: Text { bytes: text, stops: self.stops.as_flattened() }, plus, source }
            .walk(&mut self.store, sizes.params)
    }
}

/// Appends `text[start..end]`: what is short in a piece of one size, of which what is too much is cut off again, so that no copy has to ask how
/// much it is. (A signature in base64 is a dozen such pieces between escapes.)
#[inline(always)]
fn append(out: &mut Vec<u8>, text: &[u8], start: usize, end: usize) {
    const SHORT: usize = 64;
    match chunk::<SHORT>(text, start) {
        Some(piece) if end.wrapping_sub(start) <= SHORT => {
            let len = out.len();
            out.extend_from_slice(piece);
            out.truncate(len + (end - start));
        }
        _ => out.extend_from_slice(text.get(start..end).unwrap_or_default()),
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
            let (name, divider) = self.part(at, true, store)?;
            let (value, end) = if self.text.at(divider) == b'=' {
                self.part(divider + 1, false, store)?
            } else {
                (Piece { sent: Span::new(divider, divider), decoded: AS_SENT }, divider)
            };
            at = end + 1;
            store.push(Entry::new(name, value, Kind::Text, self.source), self.text.bytes);
        }
        Ok(())
    }

    /// Whether the byte at `at` ends a value, or a name. The stop that is no byte is the end of the text.
    #[inline(always)]
    fn ends(&self, at: usize, is_name: bool) -> bool {
        match self.text.at(at) {
            b'&' => true,
            b'=' => is_name,
            0 => at == self.text.bytes.len(),
            _ => false,
        }
    }

    /// The name or value that begins at `start`, and its end: the next `&`, for a name also the next `=`.
    #[inline(always)]
    fn part(&self, start: usize, is_name: bool, store: &mut Store) -> Result<(Piece, usize), ParamError> {
        let mut end = self.text.stop(start);
        let mut decoded = AS_SENT;
        if !self.ends(end, is_name) {
            (end, decoded) = self.decode(start, end, is_name, store)?;
        }
        Ok((Piece { sent: Span::new(start, end), decoded }, end))
    }

    /// The same for a part that goes on behind its first stop: where it ends, and its decoded text, if that is another.
    fn decode(&self, start: usize, stop: usize, is_name: bool, store: &mut Store) -> Result<(usize, u32), ParamError> {
        let source = self.source;
        let malformed = |at| ParamError::Malformed { source, offset: offset(at) };
        let arena = store.arena.len();
        // What stands before is in the arena already.
        let mut copied = start;
        let mut at = stop;
        while !self.ends(at, is_name) {
            let (byte, length) = match self.text.bytes.get(at..) {
                Some(&[b'%', high, low, ..]) => (hex_pair(high, low).ok_or_else(|| malformed(at))?, 3),
                Some([b'+', ..]) if self.plus == Plus::Space => (b' ', 1),
                Some([b'+' | b'=', ..]) => {
                    at = self.text.stop(at + 1);
                    continue;
                }
                // A control character, or a `%` at the end.
                _ => return Err(malformed(at)),
            };
            append(&mut store.arena, self.text.bytes, copied, at);
            store.arena.push(byte);
            copied = at + length;
            at = self.text.stop(copied);
        }
        if copied == start {
            return Ok((at, AS_SENT));
        }
        append(&mut store.arena, self.text.bytes, copied, at);
        // The text as sent is UTF-8, but escapes may stand for anything, and raw bytes may continue what escapes began: the decoded text
        // is checked as a whole.
        let text = store.arena.get(arena..).unwrap_or_default();
        if !text.is_ascii() && simdutf8::basic::from_utf8(text).is_err() {
            return Err(ParamError::BadEncoding { source, offset: offset(start) });
        }
        let decoded = store.decoded_from(arena).map_err(|_| ParamError::TooLong { source })?;
        Ok((at, decoded))
    }
}
