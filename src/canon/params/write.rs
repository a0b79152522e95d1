//! The string to sign, joined parameter by parameter, in the order in which they are handed in.

use crate::codec::percent::Encoder;
use crate::lanes::{ByteKernel, ByteLanes, Cpu, with_bytes};
use crate::request::{AsSent, Kind, On, Param};

use super::super::names::{Names, Role};
use super::{Encode, Nested, NullText, Values};

/// Bytes that are copied at once.
const PIECE: usize = 32;
/// The longest value that [`Joiner::push_quick`] takes.
const LONG: usize = 64;
/// A name, `=`, a value and `&`, at their longest.
const PAIR: usize = PIECE + 1 + LONG + 1;

/// What [`Joiner::push_quick`] needs of the rules and of the body, put together once for a request.
pub(super) struct Quick {
    cpu: Cpu,
    /// A bit for each [`Kind`] whose values it leaves to others.
    odd_kinds: u8,
    /// Nulls are empty texts (elsewhere they are the text that was sent).
    null_is_empty: bool,
    drop_empty: bool,
    refuse_spaces: bool,
    /// The body's last bytes with zeros behind them, so that texts there can be copied in pieces, too; and where in the body they begin.
    tail: [u8; 2 * LONG],
    tail_at: usize,
}

impl Quick {
    /// The bytes from `at` on, zeros behind the body's end.
    #[inline(always)]
    fn piece<'q>(&'q self, body: &'q [u8], at: usize) -> Option<&'q [u8; LONG]> {
        // A place in a body of less than 4 GiB, so that one comparison will do.
        let at = at as u32 as usize;
        let in_tail = || self.tail.get(at.wrapping_sub(self.tail_at)..)?.first_chunk();
        body.get(at..at + LONG).and_then(<[u8]>::first_chunk).or_else(in_tail)
    }
}

/// `name=value&name=value&…`, in a buffer with room for all of it and a [`PAIR`] more. Text that is not encoded is copied in pieces of one
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
            let room = most + 2 * count + PAIR;
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

    /// What holds for all pairs out of `body`; `None` where [`Joiner::push_quick`] is of no use: where text is encoded, and where delimiters
    /// are refused and some are there (`may_divide`).
    pub(super) fn quick(&self, cpu: Cpu, body: &[u8], may_divide: bool) -> Option<Quick> {
        let rules = &self.rules;
        if self.encode != Encode::Off || (rules.refuse_delimiters && may_divide) {
            return None;
        }
        let mut odd_kinds = 0;
        if rules.null == NullText::Refuse {
            odd_kinds |= 1 << Kind::Null as u8;
        }
        if rules.refuse_bool {
            odd_kinds |= 1 << Kind::Bool as u8;
        }
        if rules.nested != Nested::Raw {
            odd_kinds |= 1 << Kind::Object as u8 | 1 << Kind::Array as u8;
        }
        let (mut tail, tail_at) = ([0; 2 * LONG], body.len().saturating_sub(LONG));
        match body.last_chunk::<LONG>() {
            Some(last) => tail[..LONG].copy_from_slice(last),
            None => tail[..body.len()].copy_from_slice(body),
        }
        let null_is_empty = rules.null == NullText::Empty;
        let &Values { drop_empty, refuse_spaces, .. } = rules;
        Some(Quick { cpu, odd_kinds, null_is_empty, drop_empty, refuse_spaces, tail, tail_at })
    }

    /// Adds the parameters of `order`, one after the other, up to the first that is anything but ordinary: of some other source, decoded,
    /// refused, long, or with a role that `field` does not settle (it takes the role and the value, and says whether it has kept the value,
    /// and the parameter is signed). How many were added, those included that are empty and left out for that.
    ///
    /// Most parameters are ordinary: such a one is copied in pieces of fixed sizes, behind a single branch.
    #[inline(always)]
    pub(super) fn push_quick<'s>(
        &mut self,
        rules: &Quick,
        names: &Names,
        sent: AsSent<'s>,
        order: &[u32],
        field: impl FnMut(Role, Kind, &'s [u8]) -> bool,
    ) -> usize {
        let (out, len) = (self.out.as_mut_slice(), self.len);
        let (added, len) = with_bytes(rules.cpu, PushQuick { out, len, rules, names, sent, order, field });
        self.len = len;
        added
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

    /// Ends the string: how many bytes of the buffer it has, without what would join the last pair to a next one. What the buffer holds
    /// behind it stays, for the next request to write over.
    pub(super) fn finish(self) -> usize {
        let len = match self.encode {
            Encode::Off => self.len.saturating_sub(1),
            Encode::Values => self.out.len().saturating_sub(1),
            Encode::String | Encode::Whole => self.out.len().saturating_sub(3),
        };
        debug_assert!(len <= self.out.len(), "room for every pair");
        len
    }
}

/// [`Joiner::push_quick`], entered as a kernel so that a piece is a register or two where the CPU has such wide ones. Yields how many were
/// added, and the string's new length.
struct PushQuick<'a, 's, F> {
    out: &'a mut [u8],
    len: usize,
    rules: &'a Quick,
    names: &'a Names,
    sent: AsSent<'s>,
    order: &'a [u32],
    field: F,
}

impl<'s, F: FnMut(Role, Kind, &'s [u8]) -> bool> ByteKernel for PushQuick<'_, 's, F> {
    type Output = (usize, usize);

    #[inline(always)]
    fn run<L: ByteLanes>(self, _: L) -> (usize, usize) {
        let Self { out, mut len, rules, names, sent, order, mut field } = self;
        let body = sent.body();
        let mut added = 0;
        for &index in order {
            let Some(pair) = sent.get(index) else { break };
            let (Some(name), Some(value)) = (rules.piece(body, pair.name.0), rules.piece(body, pair.value.0)) else {
                break;
            };
            let empty_null = rules.null_is_empty & (pair.kind == Kind::Null);
            let value_len = if empty_null { 0 } else { pair.value.1.wrapping_sub(pair.value.0) };
            let value_last = value_len.saturating_sub(1);
            // An empty name's wraps, and is too far.
            let name_last = pair.name.1.wrapping_sub(pair.name.0).wrapping_sub(1);
            // Of an empty value it is the byte behind it that is looked at: a quote, or a letter.
            let edged = (name[0] == b' ')
                | (name[name_last % PIECE] == b' ')
                | (value[0] == b' ')
                | (value[value_last % LONG] == b' ');
            let odd = !pair.plain
                | (rules.odd_kinds >> (pair.kind as u8) & 1 != 0)
                | (rules.refuse_spaces & edged)
                | (name_last >= PIECE)
                | (value_len > LONG);
            if odd {
                break;
            }
            if names.may_mean(pair.key)
                && let Some(role) = names.search(&name[..name_last % PIECE + 1], pair.key)
                && !body.get(pair.value.0..pair.value.1).is_some_and(|value| field(role, pair.kind, value))
            {
                break;
            }
            // Always there: see `Joiner::new`.
            let Some(to) = out.get_mut(len..).and_then(|to| to.first_chunk_mut::<PAIR>()) else { break };
            let from = name_last % PIECE + 2;
            let end = value_len % (LONG + 1);
            to[..PIECE].copy_from_slice(&name[..PIECE]);
            to[from - 1] = b'=';
            to[from..from + LONG].copy_from_slice(value);
            to[from + end] = b'&';
            // What is left out is written over.
            len += if rules.drop_empty & (value_len == 0) { 0 } else { from + end + 1 };
            added += 1;
        }
        (added, len)
    }
}
