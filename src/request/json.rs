//! The members of a JSON body's outermost object (RFC 8259), found by our own scanner.
//!
//! A first pass marks, for each byte, whether a string may have to stop there: a quote, a backslash or a control character
//! ([`super::stops`]). Since a string is searched from its opening quote on, the first stop decides: a quote ends the string, which is then
//! plain and stays where it was sent; a control character is an error; only a backslash sends the string through [`super::escape`].
//! Nothing has to know whether a byte lies inside a string before the walk comes there.
//!
//! The second pass is one scalar walk with the whole grammar, inside nested values as well. UTF-8 is checked for the whole body at once,
//! and only where a byte of 0x80 or above is there; the walk itself never splits a sequence, since all it stops at is ASCII.
//!
//! What is refused though the grammar allows it: surrogates that are not pairs (RFC 8259, 8.2 calls their handling unpredictable), nesting
//! beyond the given depth, a byte order mark, and, when sorting, a second member of one name. Numbers are not converted, so none is too
//! great.

use super::escape::{self, Nowhere};
use super::params::{AS_SENT, Entry, Kind, ParamError, Params, Piece, Source, Span, Store, check_utf8, offset};
use super::sizes::Sizes;
use super::stops::{Index, Stops, Text, Word, chunk};
use crate::lanes::{ByteKernel, ByteLanes, with_bytes};

#[derive(Clone, Copy)]
struct JsonStops;

impl Stops for JsonStops {
    #[inline(always)]
    fn find<L: ByteLanes>(self, lanes: L, block: L::Block) -> L::Mask {
        let marks = lanes.or(lanes.equal(block, b'"'), lanes.equal(block, b'\\'));
        lanes.or(marks, lanes.at_most(block, 0x1F))
    }

    #[inline(always)]
    fn notes<L: ByteLanes>(self, lanes: L, block: L::Block, before: [L::Mask; 3]) -> [L::Mask; 3] {
        let or = |before, byte| lanes.or(before, lanes.equal(block, byte));
        let [ampersand, equals, space] = before;
        [or(ampersand, b'&'), or(equals, b'='), or(space, b' ')]
    }
}

pub(super) fn malformed(at: usize) -> ParamError {
    ParamError::Malformed { source: Source::Json, offset: offset(at) }
}

/// How many of the bytes are decimal digits, up to the first that is none.
#[inline(always)]
fn leading_digits(eight: &[u8; 8]) -> usize {
    const ONES: u64 = u64::MAX / 0xFF;
    // A digit has 0 to 9 left without its 0x30; from 10 on, or with a top bit, a byte's top bit is set below. 0x7F + 0x76 carries nothing
    // into the next byte.
    let x = u64::from_le_bytes(*eight) ^ (ONES * 0x30);
    let others = (((x & (ONES * 0x7F)) + ONES * 0x76) | x) & (ONES * 0x80);
    others.trailing_zeros() as usize / 8
}

impl Params {
    /// Adds the members of the object that `body` is, without white space around it. `body` may be as long as [`Sizes::body`].
    ///
    /// # Errors
    /// Any [`ParamError`] but [`ParamError::Duplicate`], which [`Params::sort`] finds.
    pub fn parse_json(&mut self, body: &[u8], sizes: &Sizes) -> Result<(), ParamError> {
        if body.len() > sizes.body || body.len() >= u32::MAX as usize {
            return Err(ParamError::TooLong { source: Source::Json });
        }
        self.order.clear();
        let mark = self.store.mark();
        let walked = self.walk_json(body, sizes);
        if walked.is_err() {
            self.store.back_to(mark);
        }
        walked
    }

    fn walk_json(&mut self, body: &[u8], sizes: &Sizes) -> Result<(), ParamError> {
        let start = Text { bytes: body, stops: &[] }.skip(0);
        if body.get(start) != Some(&b'{') {
            return Err(malformed(start));
        }
        let Self { stops, store, nesting, .. } = self;
        with_bytes(self.cpu, Walk { body, start, stops, store, nesting, sizes })
    }
}

/// Both passes over a body whose outermost object opens at `start`. The second one is no vector code, but is made of shifts and counts of
/// zeros, for which the wider backends have better instructions, too.
struct Walk<'a> {
    body: &'a [u8],
    start: usize,
    stops: &'a mut Vec<Word>,
    store: &'a mut Store,
    nesting: &'a mut Vec<u64>,
    sizes: &'a Sizes,
}

impl ByteKernel for Walk<'_> {
    type Output = Result<(), ParamError>;

    #[inline(always)]
    fn run<L: ByteLanes>(self, lanes: L) -> Self::Output {
        let Self { body, start, stops, store, nesting, sizes } = self;
        let anywhere = Index { kind: JsonStops, text: body, bits: stops }.run(lanes);
        if anywhere.high {
            check_utf8(body, Source::Json)?;
        }
        // Of several bodies, any.
        let [ampersand, equals, space] = anywhere.notes;
        store.seen.ampersand |= ampersand;
        store.seen.equals |= equals;
        store.seen.space |= space;
        Text { bytes: body, stops: stops.as_flattened() }.members(start, store, nesting, sizes)
    }
}

impl Text<'_> {
    /// The first byte at or after `at` that is not white space.
    #[inline(always)]
    fn skip(&self, at: usize) -> usize {
        if self.at(at) > b' ' { at } else { self.skip_more(at) }
    }

    #[inline(never)]
    fn skip_more(&self, mut at: usize) -> usize {
        while matches!(self.at(at), b' ' | b'\t' | b'\n' | b'\r') {
            at += 1;
        }
        at
    }

    /// Walks the members of the object that opens at `start`, to the end of the text.
    #[inline(always)]
    fn members(
        &self,
        start: usize,
        store: &mut Store,
        nesting: &mut Vec<u64>,
        sizes: &Sizes,
    ) -> Result<(), ParamError> {
        if sizes.depth == 0 {
            return Err(ParamError::TooDeep { source: Source::Json, offset: offset(start) });
        }
        let mut at = self.skip(start + 1);
        if self.at(at) == b'}' {
            return self.finish(at + 1);
        }
        'member: loop {
            if self.at(at) != b'"' {
                return Err(malformed(at));
            }
            // Where the name begins. Members without white space, as programs write them, go from here to here.
            let mut start = at + 1;
            loop {
                if store.entries.len() >= sizes.params {
                    return Err(ParamError::TooMany { source: Source::Json });
                }
                let (name, end) = self.string(start, store)?;
                // `":` and the value's first byte, in one look; else with white space between them.
                at = match self.three(end) {
                    Some([_, b':', first]) if first > b' ' => end + 2,
                    _ => {
                        at = self.skip(end + 1);
                        if self.at(at) != b':' {
                            return Err(malformed(at));
                        }
                        self.skip(at + 1)
                    }
                };
                let first = self.at(at);
                if first == b'"' {
                    let (value, end) = self.string(at + 1, store)?;
                    store.push(Entry::new(name, value, Kind::Text, Source::Json), self.bytes);
                    if let Some([_, b',', b'"']) = self.three(end) {
                        start = end + 3;
                        continue;
                    }
                    at = end + 1;
                } else {
                    let (end, kind) = match first {
                        b'{' | b'[' => {
                            let kind = if first == b'{' { Kind::Object } else { Kind::Array };
                            (self.nested(at, nesting, sizes.depth)?, kind)
                        }
                        _ => self.scalar(at)?,
                    };
                    let value = Piece { sent: Span::new(at, end), decoded: AS_SENT };
                    store.push(Entry::new(name, value, kind, Source::Json), self.bytes);
                    if let Some([b',', b'"', _]) = self.three(end) {
                        start = end + 2;
                        continue;
                    }
                    at = end;
                }
                at = self.skip(at);
                match self.at(at) {
                    b',' => at = self.skip(at + 1),
                    b'}' => return self.finish(at + 1),
                    _ => return Err(malformed(at)),
                }
                continue 'member;
            }
        }
    }

    /// The three bytes from `at` on, where there are as many.
    #[inline(always)]
    fn three(&self, at: usize) -> Option<[u8; 3]> {
        chunk(self.bytes, at).copied()
    }

    /// Only white space may follow the outermost object.
    fn finish(&self, at: usize) -> Result<(), ParamError> {
        let end = self.skip(at);
        if end == self.bytes.len() { Ok(()) } else { Err(malformed(end)) }
    }

    /// The string whose first byte behind the quote is at `start`, and where its closing quote is (which is in the piece, too; handed out
    /// apart so that it stays in a register: the walk goes on from there).
    #[inline(always)]
    fn string(&self, start: usize, store: &mut Store) -> Result<(Piece, usize), ParamError> {
        let mut end = self.stop(start);
        let mut decoded = AS_SENT;
        if self.at(end) != b'"' {
            (end, decoded) = self.escaped(start, end, store)?;
        }
        Ok((Piece { sent: Span::new(start, end), decoded }, end))
    }

    #[cold]
    #[inline(never)]
    fn escaped(&self, start: usize, stop: usize, store: &mut Store) -> Result<(usize, u32), ParamError> {
        let arena = store.arena.len();
        let end = escape::walk(self, start, stop, &mut store.arena)?;
        let decoded = store.decoded_from(arena).map_err(|_| ParamError::TooLong { source: Source::Json })?;
        Ok((end, decoded))
    }

    /// The same, for the grammar only; the closing quote's place.
    #[inline(always)]
    fn nested_string(&self, start: usize) -> Result<usize, ParamError> {
        let stop = self.stop(start);
        if self.at(stop) == b'"' { Ok(stop) } else { escape::walk(self, start, stop, &mut Nowhere) }
    }

    /// The end of a number or literal.
    #[inline(always)]
    fn scalar(&self, at: usize) -> Result<(usize, Kind), ParamError> {
        match self.at(at) {
            b'-' | b'0'..=b'9' => Ok((self.number(at)?, Kind::Number)),
            b't' => Ok((self.literal(at, b"true")?, Kind::Bool)),
            b'f' => Ok((self.literal(at, b"false")?, Kind::Bool)),
            b'n' => Ok((self.literal(at, b"null")?, Kind::Null)),
            _ => Err(malformed(at)),
        }
    }

    #[inline(always)]
    fn literal(&self, at: usize, word: &[u8]) -> Result<usize, ParamError> {
        if self.bytes[at..].starts_with(word) { Ok(at + word.len()) } else { Err(malformed(at)) }
    }

    /// The first byte at or after `at` that is no digit: eight at once, without a branch for each.
    #[inline(always)]
    fn digits(&self, mut at: usize) -> usize {
        while let Some(eight) = chunk(self.bytes, at) {
            let digits = leading_digits(eight);
            at += digits;
            if digits < 8 {
                return at;
            }
        }
        while self.at(at).is_ascii_digit() {
            at += 1;
        }
        at
    }

    /// One digit or more.
    #[inline(always)]
    fn some_digits(&self, at: usize) -> Result<usize, ParamError> {
        let end = self.digits(at);
        if end == at { Err(malformed(at)) } else { Ok(end) }
    }

    /// `-`, then `0` or digits that do not begin with it, then a fraction, then an exponent (RFC 8259, 6). What follows is not looked at:
    /// a digit behind a leading zero is refused by whoever expects a comma there.
    #[inline(always)]
    fn number(&self, mut at: usize) -> Result<usize, ParamError> {
        if self.at(at) == b'-' {
            at += 1;
        }
        at = if self.at(at) == b'0' { at + 1 } else { self.some_digits(at)? };
        if self.at(at) == b'.' {
            at = self.some_digits(at + 1)?;
        }
        if matches!(self.at(at), b'e' | b'E') {
            at += 1;
            if matches!(self.at(at), b'+' | b'-') {
                at += 1;
            }
            at = self.some_digits(at)?;
        }
        Ok(at)
    }

    /// A nested member's name and colon from `at` on; where its value begins.
    #[inline(always)]
    fn nested_name(&self, at: usize) -> Result<usize, ParamError> {
        if self.at(at) != b'"' {
            return Err(malformed(at));
        }
        let end = self.nested_string(at + 1)?;
        if let Some([_, b':', first]) = self.three(end)
            && first > b' '
        {
            return Ok(end + 2);
        }
        let colon = self.skip(end + 1);
        if self.at(colon) == b':' { Ok(self.skip(colon + 1)) } else { Err(malformed(colon)) }
    }

    /// Walks the object or array that opens at `at`, in which `most` containers may stand inside each other, the outermost object
    /// included; the place behind its closing bracket.
    ///
    /// The containers around the current place are bits of a word, the innermost lowest, one for an object; full words go to `nesting`.
    #[inline(always)]
    fn nested(&self, mut at: usize, nesting: &mut Vec<u64>, most: usize) -> Result<usize, ParamError> {
        nesting.clear();
        let mut around = 0u64;
        // How many containers of this value are open.
        let mut depth = 0;
        'value: loop {
            let opening = self.at(at);
            match opening {
                b'{' | b'[' => {
                    if depth + 1 >= most {
                        return Err(ParamError::TooDeep { source: Source::Json, offset: offset(at) });
                    }
                    if depth % 64 == 0 && depth > 0 {
                        nesting.push(around);
                    }
                    depth += 1;
                    around = around << 1 | u64::from(opening == b'{');
                    at = self.skip(at + 1);
                    if self.at(at) != opening + 2 {
                        if opening == b'{' {
                            at = self.nested_name(at)?;
                        }
                        continue 'value;
                    }
                    // An empty one: closed below.
                }
                b'"' => at = self.skip(self.nested_string(at + 1)? + 1),
                _ => at = self.skip(self.scalar(at)?.0),
            }
            // Behind a value, or at the bracket that closes an empty container.
            loop {
                let object = around & 1 == 1;
                match self.at(at) {
                    b',' => {
                        at = self.skip(at + 1);
                        if object {
                            at = self.nested_name(at)?;
                        }
                        continue 'value;
                    }
                    b'}' if object => {}
                    b']' if !object => {}
                    _ => return Err(malformed(at)),
                }
                at += 1;
                depth -= 1;
                if depth == 0 {
                    return Ok(at);
                }
                around >>= 1;
                if depth % 64 == 0 {
                    around = nesting.pop().unwrap_or(0);
                }
                at = self.skip(at);
            }
        }
    }
}
