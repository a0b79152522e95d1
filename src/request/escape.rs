//! Strings with escapes (RFC 8259, 7): checked, and decoded where someone wants the text.

use super::json::malformed;
use super::params::{ParamError, Source, offset};
use super::stops::{Text, chunk};
use crate::codec::percent::hex_pair;

/// What takes the decoded text, piece by piece.
pub(super) trait Sink {
    /// Bytes of `text` that stand for themselves.
    fn plain(&mut self, text: &[u8], start: usize, end: usize);
    /// What an escape stands for.
    fn escaped(&mut self, c: char);
}

impl Sink for Vec<u8> {
    // What is short is appended in a piece of one size, and what that has too much cut off again: no call of a copy that has to ask how
    // much it is.

    #[inline(always)]
    fn plain(&mut self, text: &[u8], start: usize, end: usize) {
        const SHORT: usize = 16;
        match chunk::<SHORT>(text, start) {
            Some(piece) if end.wrapping_sub(start) <= SHORT => {
                let len = self.len();
                self.extend_from_slice(piece);
                self.truncate(len + (end - start));
            }
            _ => self.extend_from_slice(text.get(start..end).unwrap_or_default()),
        }
    }

    #[inline(always)]
    fn escaped(&mut self, c: char) {
        let (len, mut bytes) = (self.len(), [0; 4]);
        let more = c.encode_utf8(&mut bytes).len();
        self.extend_from_slice(&bytes);
        self.truncate(len + more);
    }
}

/// Only the check is wanted.
pub(super) struct Nowhere;

impl Sink for Nowhere {
    #[inline(always)]
    fn plain(&mut self, _: &[u8], _: usize, _: usize) {}
    #[inline(always)]
    fn escaped(&mut self, _: char) {}
}

/// Walks the string that begins at `start` and has its first stop at `stop`; the place of its closing quote.
pub(super) fn walk(text: &Text<'_>, start: usize, stop: usize, sink: &mut impl Sink) -> Result<usize, ParamError> {
    let (mut start, mut stop) = (start, stop);
    loop {
        sink.plain(text.bytes, start, stop);
        match text.at(stop) {
            b'"' => return Ok(stop),
            b'\\' => {}
            // A control character, or the end.
            _ => return Err(malformed(stop)),
        }
        let simple = match text.at(stop + 1) {
            c @ (b'"' | b'\\' | b'/') => char::from(c),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let (c, behind) = unicode(text, stop)?;
                sink.escaped(c);
                start = behind;
                stop = text.stop(start);
                continue;
            }
            _ => return Err(malformed(stop)),
        };
        sink.escaped(simple);
        start = stop + 2;
        stop = text.stop(start);
    }
}

/// The code unit of the `\uXXXX` at `at`.
#[inline(always)]
fn unit(text: &Text<'_>, at: usize) -> Option<u32> {
    match text.bytes.get(at..at + 6)? {
        &[b'\\', b'u', a, b, c, d] => Some(u32::from(hex_pair(a, b)?) << 8 | u32::from(hex_pair(c, d)?)),
        _ => None,
    }
}

/// The character of the `\uXXXX` at `at`, or of the pair of them (a high surrogate, then a low one); and the place behind.
#[inline(always)]
fn unicode(text: &Text<'_>, at: usize) -> Result<(char, usize), ParamError> {
    let first = unit(text, at).ok_or_else(|| malformed(at))?;
    if let Some(c) = char::from_u32(first) {
        return Ok((c, at + 6));
    }
    // Not a character, hence a surrogate: U+D800 to U+DFFF.
    let alone = ParamError::BadEncoding { source: Source::Json, offset: offset(at) };
    match unit(text, at + 6) {
        Some(second @ 0xDC00..=0xDFFF) if first < 0xDC00 => {
            let scalar = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            Ok((char::from_u32(scalar).ok_or(alone)?, at + 12))
        }
        _ => Err(alone),
    }
}
