//! The string to sign, joined parameter by parameter, in the order in which they are handed in.

use crate::codec::percent::Encoder;
use crate::request::{Kind, On, Param};

use super::{Encode, Nested, NullText, Values};

/// Bytes that are copied at once.
const PIECE: usize = 32;

/// `name=value&name=value&…`, in a buffer with room for all of it and a [`PIECE`] more. Text that is not encoded is copied in pieces of one
/// size, which spares a call each; what a piece has too much is overwritten by the next.
pub(super) struct Joiner<'o> {
    out: &'o mut Vec<u8>,
    len: usize,
    rules: Values,
    encode: Encode,
    encoder: Encoder,
}

impl<'o> Joiner<'o> {
    /// Joins into `out`, of which nothing is kept. `most`: bytes that the names and values have together, not encoded, at most; `count`:
    /// how many pairs there are, at most.
    pub(super) fn new(
        out: &'o mut Vec<u8>,
        most: usize,
        count: usize,
        rules: Values,
        encode: Encode,
        encoder: Encoder,
    ) -> Self {
        if encode == Encode::Off {
            let room = most + 2 * count + PIECE;
            // What the buffer holds from before is written over, or cut off.
            if out.len() < room {
                out.resize(room, 0);
            }
        } else {
            out.clear();
        }
        Self { out, len: 0, rules, encode, encoder }
    }

    /// What stands behind the `=`, before encoding; `None` where the parameter is left out.
    #[inline(always)]
    fn text<'s>(&self, param: &Param<'s>) -> Option<On<'s>> {
        const NULL: &[u8] = b"null";
        if matches!(param.kind, Kind::Text | Kind::Number | Kind::Bool)
            || self.rules.nested == Nested::Raw && param.kind != Kind::Null
        {
            return if param.value.len == 0 && self.rules.drop_empty { None } else { Some(param.value) };
        }
        let text = match param.kind {
            Kind::Null if self.rules.null == NullText::Text => On { bytes: NULL, len: NULL.len() },
            Kind::Null => On { bytes: &[], len: 0 },
            Kind::Object | Kind::Array if self.rules.nested == Nested::Drop => return None,
            _ => param.value,
        };
        if text.len == 0 && self.rules.drop_empty { None } else { Some(text) }
    }

    /// Adds a parameter, unless it is one that is left out.
    #[inline(always)]
    pub(super) fn push(&mut self, param: &Param<'_>) {
        let Some(value) = self.text(param) else { return };
        if self.encode == Encode::Off {
            self.put(param.name);
            self.byte(b'=');
            self.put(value);
            self.byte(b'&');
        } else {
            self.push_encoded(param.name.text(), value.text());
        }
    }

    #[inline(always)]
    fn put(&mut self, from: On<'_>) {
        let to = self.out.get_mut(self.len..).unwrap_or_default();
        match (from.bytes.first_chunk::<PIECE>(), to.first_chunk_mut::<PIECE>()) {
            (Some(from_piece), Some(to)) if from.len <= PIECE => *to = *from_piece,
            _ => {
                if let Some(to) = to.get_mut(..from.len) {
                    to.copy_from_slice(from.text());
                }
            }
        }
        self.len += from.len;
    }

    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        if let Some(to) = self.out.get_mut(self.len) {
            *to = byte;
        }
        self.len += 1;
    }

    #[inline(never)]
    fn push_encoded(&mut self, name: &[u8], value: &[u8]) {
        let (encoder, out) = (self.encoder, &mut *self.out);
        if self.encode == Encode::Values {
            out.extend_from_slice(name);
            out.push(b'=');
            encoder.append(value, out);
            out.push(b'&');
        } else {
            // Encoding the joined string is encoding its pieces: the encoder looks at one byte at a time.
            encoder.append(name, out);
            out.extend_from_slice(b"%3D");
            encoder.append(value, out);
            out.extend_from_slice(b"%26");
        }
    }

    /// Ends the string: without what would join the last pair to a next one.
    pub(super) fn finish(self) {
        let len = match self.encode {
            Encode::Off => self.len.saturating_sub(1),
            Encode::Values => self.out.len().saturating_sub(1),
            Encode::String | Encode::Whole => self.out.len().saturating_sub(3),
        };
        debug_assert!(len <= self.out.len(), "room for every pair");
        self.out.truncate(len);
    }
}
