//! What is read out of a request, and why one is refused before its signature is looked at.

use crate::request::{ParamError, Params, View};
use crate::time::Millis;
use crate::verdict::Reason;

use super::alg::AlgSet;

/// Why a request was refused while it was read: the outcome, and what it is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The outcome.
    pub reason: Reason,
    /// What it is about, by the name that documents use: `app_id`, `timestamp`, `nonce`, `signature`, `body`, `content-type`, … Never
    /// a text out of the request.
    pub field: &'static str,
}

impl Refusal {
    pub(super) const fn new(reason: Reason, field: &'static str) -> Self {
        Self { reason, field }
    }

    pub(super) const fn invalid(field: &'static str) -> Self {
        Self::new(Reason::InvalidField, field)
    }

    pub(super) const fn missing(field: &'static str) -> Self {
        Self::new(Reason::MissingField, field)
    }

    pub(super) const fn duplicate(field: &'static str) -> Self {
        Self::new(Reason::DuplicateField, field)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.reason, self.field)
    }
}

impl std::error::Error for Refusal {}

impl From<ParamError> for Refusal {
    fn from(e: ParamError) -> Self {
        let field = match e.source() {
            crate::request::Source::Query => "query",
            crate::request::Source::Form | crate::request::Source::Json => "body",
        };
        match e {
            ParamError::Duplicate { .. } => Self::duplicate(field),
            _ => Self::new(Reason::MalformedRequest, field),
        }
    }
}

/// Memory for reading one request at a time; kept from request to request, so that nothing is allocated in steady state.
#[derive(Default)]
pub struct Scratch {
    pub(super) params: Params,
    pub(super) template: super::template::Memory,
    pub(super) jose: super::jose::Memory,
    pub(super) structured: super::structured::Memory,
    /// What is signed of the request that was read last.
    pub(super) text: Vec<u8>,
    /// The body once more, with zeros behind it.
    pub(super) padded: Vec<u8>,
}

/// What it holds is out of a request: not printed.
impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

impl Scratch {
    /// With nothing in it yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// What a profile read out of a request. Borrows the request and the scratch memory: nothing is copied.
#[derive(Clone, Copy, Debug)]
pub struct Extract<'r> {
    /// The app that the request claims to come from, where the profile reads one: 1 to 64 bytes.
    pub app_id: Option<&'r [u8]>,
    /// The key id, where the profile reads one and the request has one: 1 to 64 bytes.
    pub kid: Option<&'r [u8]>,
    /// The timestamp, where the profile reads one. Not compared with any clock yet.
    pub timestamp: Option<Millis>,
    /// The nonce, where the profile reads one.
    pub nonce: Option<&'r [u8]>,
    /// The signature as text, decoded once; see [`super::Profile::decode_signature`].
    pub signature: &'r [u8],
    /// The algorithms that may have made it: those of the profile, narrowed by what the request says where the profile reads that.
    pub algorithms: AlgSet,
    /// The parameters, where the shape reads them.
    pub(super) view: Option<View<'r>>,
    /// Until when the request says it is good, where the profile reads that.
    pub expires_at: Option<Millis>,
    pub(super) rest: Rest<'r>,
}

impl<'r> Extract<'r> {
    /// The value of a parameter of that name: in the query, the form or the top level of a JSON body, where the shape reads them.
    #[must_use]
    pub fn param(&self, name: &[u8]) -> Option<&'r [u8]> {
        let view = self.view?;
        view.find(name).map(|index| view.value(index))
    }

    /// The parameters, each decoded once; `None` where the scheme reads none.
    #[must_use]
    pub fn params(&self) -> Option<&View<'r>> {
        self.view.as_ref()
    }
}

/// What the shape needs to write the string to sign.
#[derive(Clone, Copy)]
pub(super) enum Rest<'r> {
    /// Shape `params`: the parameters, joined; what an algorithm adds is missing.
    Params { text: &'r [u8] },
    /// The three shapes of segments.
    Template(super::template::Facts<'r>),
}

impl std::fmt::Debug for Rest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Params { text } => f.debug_struct("Params").field("len", &text.len()).finish_non_exhaustive(),
            Self::Template(_) => f.debug_struct("Template").finish_non_exhaustive(),
        }
    }
}

impl<'r> Extract<'r> {
    /// Every signature that the request carries, with the algorithms that each may be of: one, but for schemes that allow several.
    pub fn signatures(&self) -> impl Iterator<Item = (&'r [u8], AlgSet)> + use<'r> {
        let (one, more) = match &self.rest {
            Rest::Params { .. } => (Some((self.signature, self.algorithms)), None),
            Rest::Template(facts) => (None, Some(facts.signatures())),
        };
        one.into_iter().chain(more.into_iter().flatten())
    }
}
