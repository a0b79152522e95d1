//! The string to sign, joined parameter by parameter, in the order in which they are handed in.

use crate::codec::percent::Encoder;
use crate::lanes::{ByteKernel, ByteLanes, Cpu, with_bytes};
use crate::request::{AsSent, Kind, On, Param, Plain, View};

use super::super::names::{Names, Role};
use super::{Encode, Nested, NullText, Values};

/// Bytes that are copied at once.
const PIECE: usize = 32;
/// Bytes of a value that are copied at once, which is all of most.
const LONG: usize = 64;
/// A name, `=`, a value that is not longer, and `&`, at their longest.
const PAIR: usize = PIECE + 1 + LONG + 1;

/// What [`Joiner::push_quick`] needs of the rules and of the body, put together once for a request.
pub(super) struct Quick<'q> {
    cpu: Cpu,
    /// The body with zeros behind it, so that all of its texts can be copied in pieces.
    padded: &'q [u8],
    /// Marks of the values that it leaves to others.
    odd: u8,
    /// Marks of the values that are empty texts.
    empty: u8,
    /// Bytes that a value needs to be written at all.
    least: usize,
    /// Whether some texts were decoded, which are not in the body.
    decoded: bool,
    /// Whether spaces at the ends of texts are to be looked for.
    edges: bool,
    /// The parameter that is passed over; [`u32::MAX`] for none.
    skip: u32,
}

/// The mark of the parameter that is passed over. No kind has it.
const SKIPPED: u8 = 0x40;

/// A parameter as [`Quick`] sees it.
struct Look<'q> {
    name: &'q [u8; PIECE],
    /// Less one: of an empty name it wraps, and is too many.
    name_last: usize,
    value: &'q [u8; LONG],
    value_len: usize,
    value_at: usize,
    marks: u8,
    key: u64,
}

impl<'q> Look<'q> {
    /// Whether name or value may begin or end with a space. Of an empty value it is the byte behind it that is looked at: a quote, or a letter.
    #[inline(always)]
    fn edged(&self) -> bool {
        let last = self.value_len.saturating_sub(1);
        (self.name[0] == b' ')
            | (self.name[self.name_last % PIECE] == b' ')
            | (self.value[0] == b' ')
            | (self.value.get(last).is_none_or(|&last| last == b' '))
    }

    /// How many bytes it adds to the string.
    #[inline(always)]
    fn len(&self, least: usize) -> usize {
        let left_out = (self.marks & SKIPPED != 0) | (self.value_len < least);
        if left_out { 0 } else { self.name_last + self.value_len + 3 }
    }
}

impl<'q> Quick<'q> {
    /// The parameter of that index, if it is ordinary.
    #[inline(always)]
    fn look(&self, sent: AsSent<'_>, index: u32) -> Option<Look<'q>> {
        let (pair, key) = sent.get(index)?;
        // What is passed over stands in another text: a place in this one instead.
        let skipped = index == self.skip;
        let marks = if skipped { SKIPPED } else { pair.marks };
        let (name_at, value_at) = if skipped { (0, 0) } else { (pair.name.0, pair.value.0) };
        let name = self.padded.get(name_at as usize..name_at as usize + PIECE)?.first_chunk()?;
        let value = self.padded.get(value_at as usize..value_at as usize + LONG)?.first_chunk()?;
        let name_last = pair.name.1.wrapping_sub(pair.name.0).wrapping_sub(1) as usize;
        let value_len = if marks & self.empty != 0 { 0 } else { pair.value.1.wrapping_sub(pair.value.0) as usize };
        let odd = (marks & self.odd != 0) | (name_last >= PIECE);
        let look = Look { name, name_last, value, value_len, value_at: value_at as usize, marks, key };
        if odd || (self.decoded && !skipped && pair.decoded) || (self.edges && !skipped && look.edged()) {
            return None;
        }
        Some(look)
    }

    /// Whether a parameter of that name may be passed over.
    pub(super) fn may_skip(name: &[u8]) -> bool {
        (1..=PIECE).contains(&name.len())
    }

    /// The parameter of that index, which [`Quick::may_skip`], is passed over: it has been dealt with.
    pub(super) fn skip(&mut self, index: u32) {
        self.skip = index;
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

    /// What holds for all pairs out of a body, of which `padded` is given a copy with zeros behind it; `None` where [`Joiner::push_quick`] is of no
    /// use: where text is encoded, and where delimiters are refused and some are there.
    pub(super) fn quick<'q>(&self, view: &View<'_>, padded: &'q mut Vec<u8>) -> Option<Quick<'q>> {
        let rules = &self.rules;
        if self.encode != Encode::Off || (rules.refuse_delimiters && view.may_divide()) {
            return None;
        }
        let mut odd = Plain::OTHER;
        if rules.null == NullText::Refuse {
            odd |= Plain::mark_of(Kind::Null);
        }
        if rules.refuse_bool {
            odd |= Plain::mark_of(Kind::Bool);
        }
        if rules.nested != Nested::Raw {
            odd |= Plain::mark_of(Kind::Object) | Plain::mark_of(Kind::Array);
        }
        // Elsewhere a null is the text that was sent.
        let nulls = if rules.null == NullText::Empty { Plain::mark_of(Kind::Null) } else { 0 };
        padded.clear();
        padded.extend_from_slice(view.as_sent().body());
        padded.extend_from_slice(&[0; LONG]);
        Some(Quick {
            cpu: view.cpu(),
            padded,
            odd,
            empty: nulls | SKIPPED,
            least: usize::from(rules.drop_empty),
            decoded: view.any_decoded(),
            edges: rules.refuse_spaces && view.has_space(),
            skip: u32::MAX,
        })
    }

    /// Adds the parameters of `order`, one after the other, up to the first that is anything but ordinary: of some other source, decoded,
    /// refused, with a long name, or with a role that `field` does not settle (it takes the role and the value, which is a text or a number, and
    /// says whether it has kept the value, and the parameter is signed). How many were added, those included that are left out.
    ///
    /// Most parameters are ordinary: such a one is copied in pieces of fixed sizes, behind branches that can be foreseen.
    #[inline(always)]
    pub(super) fn push_quick<'s>(
        &mut self,
        rules: &Quick<'_>,
        names: &Names,
        sent: AsSent<'s>,
        order: &[u32],
        field: impl FnMut(Role, &'s [u8]) -> bool,
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
    rules: &'a Quick<'a>,
    names: &'a Names,
    sent: AsSent<'s>,
    order: &'a [u32],
    field: F,
}

/// As many parameters are written before those among them are looked at whose names may mean something: which ones these are nothing could
/// foresee, so that a branch for each would cost more than to write some of them in vain.
const RUN: usize = 32;

impl<'s, F: FnMut(Role, &'s [u8]) -> bool> ByteKernel for PushQuick<'_, 's, F> {
    type Output = (usize, usize);

    #[inline(always)]
    fn run<L: ByteLanes>(mut self, _: L) -> (usize, usize) {
        let mut added = 0;
        for run in self.order.chunks(RUN) {
            let before = self.len;
            let (mut meant, mut count) = ([0u8; RUN], 0);
            let mut done = 0;
            for &index in run {
                let Some(look) = self.rules.look(self.sent, index) else { break };
                if !self.write(&look) {
                    break;
                }
                meant[count % RUN] = done as u8;
                count += usize::from(self.names.may_mean(look.key) & (look.marks & SKIPPED == 0));
                self.len += look.len(self.rules.least);
                done += 1;
            }
            for &at in meant.iter().take(count) {
                let at = usize::from(at);
                if !run.get(at).is_some_and(|&index| self.settle(index)) {
                    // Not to be written, or not by us: back to where it stood.
                    let looks = run.iter().take(at).filter_map(|&index| self.rules.look(self.sent, index));
                    let len = looks.fold(before, |len, look| len + look.len(self.rules.least));
                    return (added + at, len);
                }
            }
            added += done;
            if done < run.len() {
                break;
            }
        }
        (added, self.len)
    }
}

impl<'s, F: FnMut(Role, &'s [u8]) -> bool> PushQuick<'_, 's, F> {
    /// Writes a parameter at the string's end. There is always room: see [`Joiner::new`].
    #[inline(always)]
    fn write(&mut self, look: &Look<'_>) -> bool {
        let Some(to) = self.out.get_mut(self.len..).and_then(|to| to.first_chunk_mut::<PAIR>()) else { return false };
        let from = look.name_last % PIECE + 2;
        to[..PIECE].copy_from_slice(look.name);
        to[from - 1] = b'=';
        to[from..from + LONG].copy_from_slice(look.value);
        if look.value_len <= LONG {
            to[from + look.value_len] = b'&';
            return true;
        }
        let text = self.rules.padded.get(look.value_at..look.value_at + look.value_len);
        let to = self.out.get_mut(self.len + from..).and_then(|to| to.get_mut(..=look.value_len)?.split_last_mut());
        let (Some(text), Some((and, to))) = (text, to) else { return false };
        to.copy_from_slice(text);
        *and = b'&';
        true
    }

    /// What a name means that may mean something: whether the parameter belongs where it was written.
    #[inline(always)]
    fn settle(&mut self, index: u32) -> bool {
        const TEXTS: u8 = Plain::mark_of(Kind::Text) | Plain::mark_of(Kind::Number);
        let Some((pair, key)) = self.sent.get(index) else { return false };
        let body = self.sent.body();
        let text = |(start, end): (u32, u32)| body.get(start as usize..end as usize);
        let (Some(name), Some(value)) = (text(pair.name), text(pair.value)) else { return false };
        match self.names.search(name, key) {
            None => true,
            Some(role) => pair.marks & TEXTS != 0 && (self.field)(role, value),
        }
    }
}
