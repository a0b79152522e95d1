//! Shapes `lines`, `canonical-request` and `header-list`: a string to sign made of segments.
//!
//! One engine drives the three: a document lists segments (a text, a field, the method, the path in some spelling, the query in some
//! order, the body, a digest of it, the headers that the request says it signed …) and what stands between them. The shapes differ in
//! what they must have: `lines` nothing more, `canonical-request` a list `canonical` whose digest the string holds (the AWS family), and
//! `header-list` a list of signed headers in the request.
//!
//! Compiled here into a [`Program`]; [`extract`](Program::extract) reads a request with it into memory that is kept from request to
//! request, [`write`](Program::write) appends the string to one buffer: a digest of segments is taken over the end of that buffer, which
//! then makes room for it, so that nothing is allocated in steady state.
//!
//! # Why fields cannot run into each other
//!
//! A field's value never has the byte that follows it in the string (the first of the join, or of the text behind it), nor a control
//! character, and paths and queries have no line end (a request target cannot, and a decoded one is looked at). So a string can be taken
//! apart in one way only.

mod client;
mod coverage;
mod document;
mod extract;
mod list;
mod pairs;
mod places;
mod segments;
mod upload;
mod write;

use super::alg::AlgSet;
use super::document::{SignTypes, TimeFormat};
use super::key::Recipe;
use super::{Caller, NonceMode, NonceScope};
use crate::codec::civil::DayFormat;
use crate::codec::percent::Plus;
use pairs::PairRules;

pub(super) use document::Kind;
pub(super) use places::Facts;
pub use places::Memory;

/// A hash that a document names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hash {
    Md5,
    Sha256,
    Sha512,
    Sm3,
    /// SM3 for the algorithms made of it, SHA-256 for all others.
    OfAlgorithm,
}

/// How a digest is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum DigestText {
    Hex,
    Base64,
}

/// Which spelling of the path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PathMode {
    /// As on the wire.
    Raw,
    /// Percent-decoded once.
    Decoded,
    /// Dots and double slashes taken out, then `E()` of the wire path, slashes kept (`%` becomes `%25`): SigV4.
    Normalised,
    /// Decoded once, `E()` of every piece between slashes.
    Reencoded,
    /// The same with a slash at the end.
    ReencodedSlash,
}

/// Which spelling and order of the query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum QueryMode {
    /// As on the wire.
    Raw,
    /// `E(name)=E(value)`, by encoded name, then encoded value.
    Encoded,
    /// `E(name)=E(value)`, by decoded name, then decoded value.
    DecodedOrder,
    /// The pieces as on the wire, by decoded name, then decoded value.
    RawSorted,
}

/// What a header that is not there does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Absent {
    /// The request is refused.
    Refuse,
    /// Its place is empty.
    Empty,
    /// Its place, and the join beside it, are left out.
    Skip,
    /// `name` and the separator stand alone, without the space of `": "`.
    Name,
}

/// How listed headers are written.
#[derive(Debug)]
struct ListStyle {
    separator: Box<[u8]>,
    absent: Absent,
    collapse: bool,
    lower: bool,
    /// Names as the list has them, not in lower case.
    names_as_sent: bool,
    join: Box<[u8]>,
    end: Box<[u8]>,
    /// Names that are no headers, and what they stand for.
    specials: Vec<(Box<[u8]>, Segments)>,
}

/// What a segment hashes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum DigestOf {
    Body,
    Canonical,
}

/// A piece of the string to sign.
#[derive(Debug)]
enum Segment {
    Text(Box<[u8]>),
    /// A field's value as sent, decoded once; it must not have the byte `until`.
    Field {
        index: usize,
        until: Option<u8>,
    },
    Method {
        lower: bool,
    },
    Target,
    Path(PathMode),
    Query(QueryMode),
    /// The path, and behind a `?` the query, if it is not empty.
    Resource(PathMode, QueryMode),
    Body,
    /// The body, or of one in parts the part that stands for it.
    Upload(upload::Upload),
    Scheme,
    Authority,
    Header {
        name: Box<[u8]>,
        absent: Absent,
    },
    /// Headers whose names begin so, sorted by name, a line each.
    HeadersFrom(Box<[u8]>),
    /// The parameters of query and form, `E(name)=E(value)` joined by `&`, sorted.
    Params,
    /// The pairs' text up to the signature.
    PairsBeforeSignature,
    ListedNames,
    Listed(ListStyle),
    Digest {
        of: DigestOf,
        hash: Hash,
        text: DigestText,
    },
    Payload,
    Encode(Segments),
    /// Several in place of one, with their own join.
    Group(Segments),
}

/// Segments and what stands between and behind them.
#[derive(Debug, Default)]
struct Segments {
    list: Vec<Segment>,
    join: Box<[u8]>,
    end: Box<[u8]>,
}

/// Where a field is read.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    /// A pair of the pairs' header (or of the query in its place).
    Pairs(Vec<Box<[u8]>>),
    Header(Vec<Box<[u8]>>),
    Query(Vec<Box<[u8]>>),
    Body(Vec<Box<[u8]>>),
    /// A parameter of the query or of the body, of one of them only.
    Params(Vec<Box<[u8]>>),
}

/// A field of a request.
#[derive(Debug)]
struct Field {
    /// What refusals call it.
    role: &'static str,
    /// What documents call it.
    name: String,
    place: Place,
    /// In a request whose pairs stand in the query, the query parameter that takes the place of a header.
    query: Option<Box<[u8]>>,
    /// A text that must stand before the value.
    prefix: Box<[u8]>,
    /// The value is one piece of several: divider, index, and how many there must be.
    part: Option<(u8, usize, usize)>,
    /// The only text that it may have.
    equals: Option<Box<[u8]>>,
    /// The bytes that end it in the string.
    ends: Vec<u8>,
    required: bool,
    min: usize,
    max: usize,
}

impl Field {
    /// How findings call the place.
    fn describe(&self) -> String {
        let (place, names) = match &self.place {
            Place::Pairs(names) => ("auth-param", names),
            Place::Header(names) => ("header", names),
            Place::Query(names) => ("query parameter", names),
            Place::Body(names) => ("body parameter", names),
            Place::Params(names) => ("parameter", names),
        };
        let names: Vec<_> = names.iter().map(|n| String::from_utf8_lossy(n)).collect();
        format!("{place} `{}`", names.join("` or `"))
    }
}

/// A day that must be the timestamp's.
#[derive(Clone, Copy, Debug)]
struct Day {
    field: usize,
    format: DayFormat,
}

/// Rules of the list of signed headers.
#[derive(Debug)]
struct ListRules {
    field: usize,
    divider: u8,
    /// What is signed where the request has no list.
    default: Vec<Box<[u8]>>,
    /// Of each group one must be in the list.
    must: Vec<Vec<Box<[u8]>>>,
    /// Headers that the request has and whose names begin so must be in it.
    must_prefix: Vec<Box<[u8]>>,
    /// These must be in it when there is a body.
    with_body: Vec<Box<[u8]>>,
    /// Headers that fields are read from must be in it.
    fields: bool,
}

/// A header that holds a digest of the body.
#[derive(Debug)]
struct DigestHeader {
    name: Box<[u8]>,
    hash: Hash,
    text: DigestText,
    prefix: Box<[u8]>,
    /// A request with a body must have it.
    required: bool,
}

/// The payload's digest in a canonical request: out of one of these headers, or of the body.
#[derive(Debug)]
struct Payload {
    /// By which hash: one of these.
    headers: Vec<(Box<[u8]>, Vec<Hash>)>,
    /// A value that stands for no digest at all (`UNSIGNED-PAYLOAD`).
    unsigned: Option<Box<[u8]>>,
    /// What stands for the payload where the pairs are in the query and there is no header.
    presigned: Option<Box<[u8]>>,
}

/// A compiled profile of one of the three shapes.
#[derive(Debug)]
pub(super) struct Program {
    methods: Vec<Box<[u8]>>,
    plus: Plus,
    pairs: Option<PairRules>,
    fields: Vec<Field>,
    /// The names of pairs that fields are read from, each with bits as in [`places::PairAt`].
    pair_names: Vec<(Box<[u8]>, u64)>,
    /// Of those fields the ones whose value is all of the pair's.
    plain_pairs: u64,
    /// Indices into `fields`.
    app_id: Option<usize>,
    kid: Option<usize>,
    timestamp: Option<usize>,
    nonce: Option<usize>,
    sign_type: Option<usize>,
    expires: Option<usize>,
    signature: usize,
    /// For signatures under several names which algorithms each may be of.
    signature_algs: Vec<(Box<[u8]>, AlgSet)>,
    /// How many signatures a request may carry.
    signatures: usize,
    time: TimeFormat,
    nonce_mode: NonceMode,
    nonce_scope: NonceScope,
    sign_types: SignTypes,
    day: Option<Day>,
    list: Option<ListRules>,
    digests: Vec<DigestHeader>,
    payload: Option<Payload>,
    canonical: Option<Segments>,
    string: Segments,
    /// Whether there are segments of which not every request has what they say.
    checks_segments: bool,
    recipe: Option<Recipe>,
    /// The fields that make the scope of a derived key.
    scope: Vec<usize>,
    reads_query: bool,
    reads_body: bool,
    /// How a body in parts is signed.
    upload: Option<upload::Upload>,
    /// The order in which the string wants the parameters, and whether those of the body are among them.
    order: Option<(QueryMode, bool)>,
    /// Whether it has headers by the beginnings of their names.
    sorts_headers: bool,
}

/// Longest list of signed headers, and most pairs of a header.
const LIST_MAX: usize = 128;

impl Program {
    pub(super) fn caller(&self) -> Caller {
        match (self.app_id, self.kid) {
            (Some(_), _) => Caller::AppId,
            (None, Some(_)) => Caller::KeyId,
            (None, None) => Caller::Unnamed,
        }
    }

    pub(super) fn nonce_mode(&self) -> NonceMode {
        if self.timestamp.is_none() { NonceMode::Arrival } else { self.nonce_mode }
    }

    pub(super) fn nonce_scope(&self) -> NonceScope {
        self.nonce_scope
    }

    /// The fields and where they are read.
    pub(super) fn places(&self) -> Vec<(String, String)> {
        self.fields.iter().map(|field| (field.name.clone(), field.describe())).collect()
    }

    pub(super) fn recipe(&self) -> Option<&Recipe> {
        self.recipe.as_ref()
    }
}
