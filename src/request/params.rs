//! Parameters: where they stand in the request, and their decoded text where it differs from what was sent.

use crate::lanes::Cpu;
use std::fmt;

/// Where a parameter comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Source {
    /// The query of the target.
    Query,
    /// A body of `application/x-www-form-urlencoded`.
    Form,
    /// The members of a JSON body's outermost object.
    Json,
}

impl Source {
    /// What an error calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Form => "form body",
            Self::Json => "JSON body",
        }
    }
}

/// What a value is. Those of queries and forms are [`Kind::Text`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Text: percent-decoded, or a JSON string without quotes and escapes.
    Text,
    /// A JSON number: its lexeme, as sent (`1.10`, `1e2`).
    Number,
    /// `true` or `false`.
    Bool,
    /// `null`.
    Null,
    /// A JSON object, as sent, from brace to brace.
    Object,
    /// A JSON array, as sent, from bracket to bracket.
    Array,
}

/// Why parameters were refused. Offsets count bytes from the start of the query or the body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParamError {
    /// The grammar does not allow what stands there: RFC 8259 for JSON, a control character or a malformed `%` for the others.
    Malformed {
        /// Where from.
        source: Source,
        /// Where in it.
        offset: u32,
    },
    /// Not UTF-8, or an escaped surrogate without its other half.
    BadEncoding {
        /// Where from.
        source: Source,
        /// Where in it.
        offset: u32,
    },
    /// More parameters than [`Sizes::params`](super::Sizes::params).
    TooMany {
        /// Where from.
        source: Source,
    },
    /// More bytes than [`Sizes::target`](super::Sizes::target) or [`Sizes::body`](super::Sizes::body).
    TooLong {
        /// Where from.
        source: Source,
    },
    /// Nested deeper than [`Sizes::depth`](super::Sizes::depth).
    TooDeep {
        /// Where from.
        source: Source,
        /// The bracket that was one too many.
        offset: u32,
    },
    /// Two parameters of one source have the same decoded name.
    Duplicate {
        /// Where from.
        source: Source,
        /// The later one's name.
        offset: u32,
    },
}

impl ParamError {
    /// Where the parameters came from.
    #[must_use]
    pub const fn source(self) -> Source {
        match self {
            Self::Malformed { source, .. }
            | Self::BadEncoding { source, .. }
            | Self::TooMany { source }
            | Self::TooLong { source }
            | Self::TooDeep { source, .. }
            | Self::Duplicate { source, .. } => source,
        }
    }
}

impl fmt::Display for ParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.source().name();
        match self {
            Self::Malformed { offset, .. } => write!(f, "{name}: malformed at byte {offset}"),
            Self::BadEncoding { offset, .. } => write!(f, "{name}: bad encoding at byte {offset}"),
            Self::TooMany { .. } => write!(f, "{name}: too many parameters"),
            Self::TooLong { .. } => write!(f, "{name}: too long"),
            Self::TooDeep { offset, .. } => write!(f, "{name}: nested too deep at byte {offset}"),
            Self::Duplicate { offset, .. } => write!(f, "{name}: a second parameter of one name at byte {offset}"),
        }
    }
}

impl std::error::Error for ParamError {}

/// An offset as errors and spans hold it. Texts of 4 GiB or more are refused before any offset is taken.
#[inline(always)]
pub(super) fn offset(at: usize) -> u32 {
    debug_assert!(at <= u32::MAX as usize);
    at as u32
}

/// Refuses what is not UTF-8.
#[inline(never)]
pub(super) fn check_utf8(text: &[u8], source: Source) -> Result<(), ParamError> {
    if simdutf8::basic::from_utf8(text).is_ok() {
        return Ok(());
    }
    let valid = std::str::from_utf8(text).map_or_else(|e| e.valid_up_to(), str::len);
    Err(ParamError::BadEncoding { source, offset: offset(valid) })
}

/// From a first byte to the one after the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    #[inline(always)]
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start: offset(start), end: offset(end) }
    }

    /// The bytes of `text` that it spans; nothing where `text` is shorter, which is not the text that was parsed then.
    #[inline(always)]
    pub(super) fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// A piece of text: where it was sent, and which decoded text stands for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) sent: Span,
    /// An index into [`Store::decoded`], or [`AS_SENT`].
    pub(super) decoded: u32,
}

/// The text needs no decoding: it is what was sent.
pub(super) const AS_SENT: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) name: Piece,
    /// For a JSON string the span is between its quotes.
    pub(super) value: Piece,
    pub(super) kind: Kind,
    pub(super) source: Source,
}

/// What parsing fills.
#[derive(Default)]
pub(super) struct Store {
    pub(super) entries: Vec<Entry>,
    /// For each entry the first eight bytes of its decoded name, zeros behind a shorter one, as a big-endian number: the order of two
    /// numbers that differ is the order of the names.
    pub(super) keys: Vec<u64>,
    /// Decoded texts, one after the other.
    pub(super) arena: Vec<u8>,
    /// Where each decoded text stands in the arena.
    pub(super) decoded: Vec<Span>,
    /// What stands somewhere in the body.
    pub(super) seen: Seen,
}

/// Which delimiters of canonical strings a JSON or XML body has anywhere: a text without any need not be searched name by name and value
/// by value. (A name or value of a query or form is divided at its `&`s, a name also at its `=`s; those that it still has were decoded.)
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) ampersand: bool,
    pub(super) equals: bool,
}

/// How much a store holds, to go back to.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    entries: usize,
    arena: usize,
    decoded: usize,
}

impl Store {
    pub(super) fn mark(&self) -> Mark {
        Mark { entries: self.entries.len(), arena: self.arena.len(), decoded: self.decoded.len() }
    }

    pub(super) fn back_to(&mut self, mark: Mark) {
        self.entries.truncate(mark.entries);
        self.keys.truncate(mark.entries);
        self.arena.truncate(mark.arena);
        self.decoded.truncate(mark.decoded);
    }

    /// Takes what was appended to the arena from `start` on as a decoded text.
    pub(super) fn decoded_from(&mut self, start: usize) -> Result<u32, TooMuch> {
        // The arena never outgrows the texts, since nothing grows by decoding; two texts together may pass 4 GiB.
        if self.arena.len() > u32::MAX as usize || self.decoded.len() >= AS_SENT as usize {
            return Err(TooMuch);
        }
        self.decoded.push(Span::new(start, self.arena.len()));
        Ok(offset(self.decoded.len() - 1))
    }

    #[inline(always)]
    pub(super) fn text<'s>(&'s self, piece: Piece, sent: &'s [u8]) -> &'s [u8] {
        if piece.decoded == AS_SENT {
            piece.sent.of(sent)
        } else {
            self.decoded.get(piece.decoded as usize).map_or(&[], |span| span.of(&self.arena))
        }
    }

    /// As [`Store::text`], with what follows it in the text or the arena.
    #[inline(always)]
    pub(super) fn text_on<'s>(&'s self, piece: Piece, sent: &'s [u8]) -> On<'s> {
        let (span, text) = match piece.decoded {
            AS_SENT => (piece.sent, sent),
            decoded => match self.decoded.get(decoded as usize) {
                Some(span) => (*span, &self.arena[..]),
                None => return On { bytes: &[], len: 0 },
            },
        };
        // Of a text that is not the one that was parsed there may be less.
        let bytes = text.get(span.start as usize..).unwrap_or_default();
        On { bytes, len: ((span.end - span.start) as usize).min(bytes.len()) }
    }

    /// Adds an entry whose texts were sent in `text`.
    #[inline(always)]
    pub(super) fn push(&mut self, entry: Entry, text: &[u8]) {
        let key = if entry.name.decoded == AS_SENT {
            key(text, entry.name.sent.start as usize, entry.name.sent.end as usize)
        } else {
            let name = self.text(entry.name, text);
            key(name, 0, name.len())
        };
        self.keys.push(key);
        self.entries.push(entry);
    }
}

/// Offsets of the arena would not fit.
pub(super) struct TooMuch;

/// The first eight bytes of `text[start..end]` as [`Store::keys`] holds them.
#[inline(always)]
pub(super) fn key(text: &[u8], start: usize, end: usize) -> u64 {
    let length = end - start;
    if let Some(eight) = text.get(start..).and_then(<[u8]>::first_chunk::<8>) {
        let eight = u64::from_be_bytes(*eight);
        // Of a shorter name the bytes behind it are someone else's.
        if length >= 8 { eight } else { eight & !(u64::MAX >> (8 * length)) }
    } else {
        let mut eight = [0; 8];
        if let Some(name) = text.get(start..end) {
            let length = name.len().min(8);
            eight[..length].copy_from_slice(&name[..length]);
        }
        u64::from_be_bytes(eight)
    }
}

/// The parameters of one request at a time; scratch memory that is kept from request to request, so that nothing is allocated once it
/// has grown to what requests need.
///
/// Filled from a query and at most one body; every error leaves it as it was before the call. Spans point into the texts, which are
/// handed in again where they are read ([`Params::view`]).
pub struct Params {
    pub(super) cpu: Cpu,
    pub(super) store: Store,
    /// One bit for each byte of the text that is being parsed; kept for its memory.
    pub(super) stops: Vec<u64>,
    /// Kinds of the containers around the current one; kept for its memory.
    pub(super) nesting: Vec<u64>,
    pub(super) order: super::order::Order,
}

impl Default for Params {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Params").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Params {
    /// No parameters, for this CPU.
    #[must_use]
    pub fn new() -> Self {
        Self::with_cpu(Cpu::detect())
    }

    /// No parameters; parsing uses the instructions of `cpu`.
    #[must_use]
    pub fn with_cpu(cpu: Cpu) -> Self {
        Self { cpu, store: Store::default(), stops: Vec::new(), nesting: Vec::new(), order: Default::default() }
    }

    /// Takes all parameters out; the memory stays.
    pub fn clear(&mut self) {
        self.store.back_to(Mark { entries: 0, arena: 0, decoded: 0 });
        self.store.seen = Seen::default();
        self.order.clear();
    }

    /// How many parameters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.store.entries.is_empty()
    }

    /// Puts the parameters in the byte-wise order of their decoded names, those of one name in the order of arrival.
    /// `query` and `body` are the texts that were parsed (nothing for one that was not).
    ///
    /// At most n log n comparisons of names.
    ///
    /// # Errors
    /// [`ParamError::Duplicate`] where two parameters of one source have the same name. The order stands all the same, for schemes that
    /// allow names to repeat.
    pub fn sort(&mut self, query: &[u8], body: &[u8]) -> Result<(), ParamError> {
        self.order.sort(self.cpu, &self.store, query, body)
    }

    /// The parameters together with the texts that they point into, which must be the ones that were parsed.
    #[must_use]
    pub fn view<'s>(&'s self, query: &'s [u8], body: &'s [u8]) -> View<'s> {
        View { params: self, query, body }
    }
}

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

/// The parameters of a JSON body that are what was sent: neither name nor value had to be decoded. Held apart from the rest, since most
/// parameters are such, and a loop over them wants its texts in registers.
#[derive(Clone, Copy)]
pub(crate) struct AsSent<'s> {
    entries: &'s [Entry],
    keys: &'s [u64],
    body: &'s [u8],
}

/// One of [`AsSent`]: where its texts stand in the body.
#[derive(Clone, Copy)]
pub(crate) struct Plain {
    /// As in [`Param`].
    pub(crate) key: u64,
    pub(crate) name: (usize, usize),
    pub(crate) value: (usize, usize),
    pub(crate) kind: Kind,
    /// `false`: it is of another source, or had to be decoded, and nothing else here may be used.
    pub(crate) plain: bool,
}

impl<'s> AsSent<'s> {
    /// The parameter of that index.
    #[inline(always)]
    pub(crate) fn get(&self, index: u32) -> Option<Plain> {
        let (entry, key) = (self.entries.get(index as usize)?, *self.keys.get(index as usize)?);
        let bounds = |piece: Piece| (piece.sent.start as usize, piece.sent.end as usize);
        Some(Plain {
            key,
            name: bounds(entry.name),
            value: bounds(entry.value),
            kind: entry.kind,
            plain: (entry.name.decoded == AS_SENT) & (entry.value.decoded == AS_SENT) & (entry.source == Source::Json),
        })
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

    /// Whether a JSON body has an `&` or a `=` anywhere.
    pub(crate) fn may_divide(&self) -> bool {
        let Seen { ampersand, equals } = self.params.store.seen;
        ampersand || equals
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
