//! Parameters that were parsed, together with the texts that they point into.

use super::params::{AS_SENT, Entry, Kind, Params, Seen, Source, Span, Store, key};
use crate::lanes::Cpu;
use std::fmt;

/// A text with whatever stands behind it, so that it can be copied in pieces of one size.
#[derive(Clone, Copy)]
pub(crate) struct On<'s> {
    /// Begins with the text.
    pub(crate) bytes: &'s [u8],
    /// Bytes of the text, no more than there are.
    pub(crate) len: usize,
}

impl<'s> On<'s> {
    /// The text itself.
    #[inline(always)]
    pub(crate) fn text(self) -> &'s [u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// A parameter as scanners found it.
#[derive(Clone, Copy)]
pub(crate) struct Param<'s> {
    /// The decoded name.
    pub(crate) name: On<'s>,
    /// Its first eight bytes as a big-endian number, zeros behind a shorter one.
    pub(crate) key: u64,
    /// The value, as [`View::value`] has it.
    pub(crate) value: On<'s>,
    pub(crate) kind: Kind,
    pub(crate) source: Source,
    /// `false` where the name surely has neither `&` nor `=`.
    pub(crate) name_may_divide: bool,
    /// `false` where the value surely has no `&`.
    pub(crate) value_may_divide: bool,
}

/// The parameters, for who reads those of a JSON body that are what was sent: neither name nor value had to be decoded. Held apart from the rest,
/// since most parameters are such, and a loop over them wants its texts in registers.
#[derive(Clone, Copy)]
pub(crate) struct AsSent<'s> {
    entries: &'s [Entry],
    keys: &'s [u64],
    body: &'s [u8],
}

/// One of [`AsSent`]: where its texts stand in the body, from the first byte to the one behind the last.
#[derive(Clone, Copy)]
pub(crate) struct Plain {
    pub(crate) name: (u32, u32),
    pub(crate) value: (u32, u32),
    /// [`Plain::mark_of`] its kind; with [`Plain::OTHER`] it is of another source, and nothing else here may be used.
    pub(crate) marks: u8,
    /// Whether name or value had to be decoded: then nothing else here may be used.
    pub(crate) decoded: bool,
}

impl Plain {
    pub(crate) const OTHER: u8 = Entry::OTHER;

    #[inline(always)]
    pub(crate) const fn mark_of(kind: Kind) -> u8 {
        Entry::mark_of(kind)
    }
}

impl<'s> AsSent<'s> {
    /// The parameter of that index, and its key as in [`Param`].
    #[inline(always)]
    pub(crate) fn get(&self, index: u32) -> Option<(Plain, u64)> {
        let (entry, key) = (self.entries.get(index as usize)?, *self.keys.get(index as usize)?);
        let (name, value) = (entry.name.sent, entry.value.sent);
        let plain = Plain {
            name: (name.start, name.end),
            value: (value.start, value.end),
            marks: entry.marks,
            decoded: entry.is_decoded(),
        };
        Some((plain, key))
    }

    /// The text that the bounds are of.
    #[inline(always)]
    pub(crate) fn body(&self) -> &'s [u8] {
        self.body
    }
}

/// Parameters that can be read. Indices run from 0 to `len()`, in the order of arrival: the order of the parse calls.
#[derive(Clone, Copy)]
pub struct View<'s> {
    params: &'s Params,
    query: &'s [u8],
    body: &'s [u8],
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<'s> View<'s> {
    #[inline(always)]
    pub(super) fn new(params: &'s Params, query: &'s [u8], body: &'s [u8]) -> Self {
        Self { params, query, body }
    }

    /// How many parameters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.params.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.params.is_empty()
    }

    #[inline(always)]
    fn entry(&self, index: usize) -> &'s Entry {
        &self.params.store.entries[index]
    }

    #[inline(always)]
    fn sent(&self, source: Source) -> &'s [u8] {
        match source {
            Source::Query => self.query,
            Source::Form | Source::Json => self.body,
        }
    }

    /// The decoded name.
    ///
    /// # Panics
    /// As all that take an index: where it is not below `len()`.
    #[inline]
    #[must_use]
    pub fn name(&self, index: usize) -> &'s [u8] {
        let entry = self.entry(index);
        self.params.store.text(entry.name, self.sent(entry.source))
    }

    /// The decoded value: percent-decoded text, the text of a JSON string, the lexeme of a number, and of everything else what was sent.
    #[inline]
    #[must_use]
    pub fn value(&self, index: usize) -> &'s [u8] {
        let entry = self.entry(index);
        self.params.store.text(entry.value, self.sent(entry.source))
    }

    /// All of one parameter at once; `None` where there is none of that index.
    #[inline(always)]
    pub(crate) fn param(&self, index: u32) -> Option<Param<'s>> {
        let Store { entries, keys, seen, .. } = &self.params.store;
        let (entry, key) = (entries.get(index as usize)?, *keys.get(index as usize)?);
        let sent = self.sent(entry.source);
        let body = entry.source != Source::Query;
        Some(Param {
            name: self.params.store.text_on(entry.name, sent),
            key,
            value: self.params.store.text_on(entry.value, sent),
            kind: entry.kind,
            source: entry.source,
            name_may_divide: entry.name.decoded != AS_SENT || (body && (seen.ampersand || seen.equals)),
            value_may_divide: entry.value.decoded != AS_SENT || (body && seen.ampersand),
        })
    }

    /// Those that are what was sent.
    #[inline(always)]
    pub(crate) fn as_sent(&self) -> AsSent<'s> {
        AsSent { entries: &self.params.store.entries, keys: &self.params.store.keys, body: self.body }
    }

    /// The CPU that they were parsed with.
    pub(crate) fn cpu(&self) -> Cpu {
        self.params.cpu
    }

    /// Whether a JSON body has an `&` or a `=` anywhere.
    pub(crate) fn may_divide(&self) -> bool {
        let Seen { ampersand, equals, .. } = self.params.store.seen;
        ampersand || equals
    }

    /// Whether some name or value had to be decoded.
    pub(crate) fn any_decoded(&self) -> bool {
        !self.params.store.decoded.is_empty()
    }

    /// Whether a JSON body has a space anywhere.
    pub(crate) fn has_space(&self) -> bool {
        self.params.store.seen.space
    }

    /// Whether the sort noticed that all names differ, those of two sources included.
    pub(crate) fn distinct(&self) -> bool {
        self.params.order.distinct()
    }

    /// Bytes that all names and values, decoded or as sent, cannot exceed together.
    pub(crate) fn most_bytes(&self) -> usize {
        self.query.len() + self.body.len() + self.params.store.arena.len()
    }

    /// The name as sent: still encoded, without quotes.
    #[must_use]
    pub fn raw_name(&self, index: usize) -> &'s [u8] {
        let entry = self.entry(index);
        entry.name.sent.of(self.sent(entry.source))
    }

    /// The value as sent: still encoded; a JSON string with its quotes.
    #[must_use]
    pub fn raw(&self, index: usize) -> &'s [u8] {
        let entry = self.entry(index);
        let mut span = entry.value.sent;
        if entry.source == Source::Json && entry.kind == Kind::Text {
            // A string was parsed with a quote on either side.
            span = Span { start: span.start - 1, end: span.end + 1 };
        }
        span.of(self.sent(entry.source))
    }

    /// Whether a query or form parameter was sent with a `=`. True for members of JSON.
    #[must_use]
    pub fn has_value(&self, index: usize) -> bool {
        let entry = self.entry(index);
        entry.value.sent.start > entry.name.sent.end
    }

    /// What the value is.
    #[inline]
    #[must_use]
    pub fn kind(&self, index: usize) -> Kind {
        self.entry(index).kind
    }

    /// Where the parameter comes from.
    #[inline]
    #[must_use]
    pub fn source(&self, index: usize) -> Source {
        self.entry(index).source
    }

    /// The indices in the byte-wise order of decoded names, after [`Params::sort`]; empty before it.
    #[inline]
    #[must_use]
    pub fn sorted(&self) -> &'s [u32] {
        self.params.order.indices()
    }

    /// The first parameter of that decoded name, in the order of arrival.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        self.find_from(0, name)
    }

    /// The first parameter of that decoded name at `start` or later.
    #[must_use]
    pub fn find_from(&self, start: usize, name: &[u8]) -> Option<usize> {
        let wanted = key(name, 0, name.len());
        let keys = self.params.store.keys.get(start..)?;
        let same = keys.iter().enumerate().filter(|&(_, &key)| key == wanted).map(|(index, _)| start + index);
        // Names of up to eight bytes may differ by zeros at the end only; the rest by what follows.
        same.into_iter().find(|&index| self.name(index) == name)
    }
}
