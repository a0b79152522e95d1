//! Parameters: where they stand in the request, and their decoded text where it differs from what was sent.

use super::stops::{Word, chunk};
use super::view::{On, View};
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

/// A parameter. Of a size by which places are found with a shift.
#[derive(Clone, Copy, Debug)]
#[repr(align(16))]
pub(super) struct Entry {
    pub(super) name: Piece,
    /// For a JSON string the span is between its quotes.
    pub(super) value: Piece,
    pub(super) kind: Kind,
    pub(super) source: Source,
    /// See [`Entry::mark_of`].
    pub(super) marks: u8,
}

impl Entry {
    #[inline(always)]
    pub(super) fn new(name: Piece, value: Piece, kind: Kind, source: Source) -> Self {
        let marks = Self::mark_of(kind) | if source == Source::Json { 0 } else { Self::OTHER };
        Self { name, value, kind, source, marks }
    }

    /// The mark of a kind.
    #[inline(always)]
    pub(super) const fn mark_of(kind: Kind) -> u8 {
        1 << kind as u8
    }

    /// The mark of what is no member of a JSON body.
    pub(super) const OTHER: u8 = 0x80;

    /// Whether name or value had to be decoded.
    #[inline(always)]
    pub(super) fn is_decoded(&self) -> bool {
        self.name.decoded & self.value.decoded != AS_SENT
    }
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
    /// Likewise a space; one inside a name or value or around them.
    pub(super) space: bool,
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
    if let Some(eight) = chunk::<8>(text, start) {
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
    pub(super) stops: Vec<Word>,
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
        View::new(self, query, body)
    }
}
