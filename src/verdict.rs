//! Every outcome of a request: a stable number, a stable name, a return code, an HTTP status and its meaning in a line.
//!
//! Numbers are never reused. Default return codes are those of the open-API guide, section 5 (0000, 9991 to 9999).

use std::fmt;

macro_rules! reasons {
    ($($variant:ident = $number:literal, $name:literal, $code:literal, $http:literal, $meaning:literal;)*) => {
        /// Why a request was accepted or refused.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        #[repr(u16)]
        #[non_exhaustive]
        pub enum Reason { $(#[doc = $meaning] $variant = $number,)* }

        impl Reason {
            /// All of them, by number.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)*];

            /// The stable `snake_case` name.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Reason::$variant => $name,)* } }

            /// The default return code (open-API guide, section 5); a document may map it anew.
            #[must_use]
            pub const fn default_code(self) -> &'static str { match self { $(Reason::$variant => $code,)* } }

            /// The HTTP status a gateway should answer with.
            #[must_use]
            pub const fn http_status(self) -> u16 { match self { $(Reason::$variant => $http,)* } }

            /// The stable name as a C string.
            #[must_use]
            pub const fn c_name(self) -> &'static std::ffi::CStr {
                match self {
                    $(Reason::$variant => match std::ffi::CStr::from_bytes_with_nul(concat!($name, "\0").as_bytes()) {
                        Ok(name) => name,
                        Err(_) => c"",
                    },)*
                }
            }

            /// One line, for documentation. Safe to show a client: it names nothing internal.
            #[must_use]
            pub const fn meaning(self) -> &'static str { match self { $(Reason::$variant => $meaning,)* } }
        }
    };
}

reasons! {
    Ok = 0, "ok", "0000", 200, "accepted";
    MalformedRequest = 1, "malformed_request", "9996", 400, "the request cannot be parsed, or exceeds a size limit";
    NoProfile = 2, "no_profile", "9997", 401, "no signing profile that the app may use fits the request";
    MissingSignature = 3, "missing_signature", "9993", 401, "the request carries no signature";
    MissingField = 4, "missing_field", "9995", 400, "a required field is absent or empty";
    InvalidField = 5, "invalid_field", "9996", 400, "a field has the wrong form";
    DuplicateField = 6, "duplicate_field", "9996", 400, "a field occurs more than once";
    UnknownApp = 7, "unknown_app", "9997", 401, "the app id is not known";
    AppSuspended = 8, "app_suspended", "9997", 403, "the app is suspended";
    AppExited = 9, "app_exited", "9997", 403, "the app has left";
    Blacklisted = 10, "blacklisted", "9997", 403, "the caller is on a deny list";
    IpNotAllowed = 11, "ip_not_allowed", "9997", 403, "the client address is not on the app's list";
    ApiNotAllowed = 12, "api_not_allowed", "9997", 403, "the app may not call this API";
    ApiRetired = 13, "api_retired", "9997", 410, "service terminated";
    MethodNotAllowed = 14, "method_not_allowed", "9994", 405, "the method is not allowed here";
    WeakAlgorithm = 15, "weak_algorithm", "9997", 403, "the algorithm is too weak for this app";
    LevelTooLow = 16, "level_too_low", "9997", 403, "the credential does not reach the level of the API";
    TimestampTooOld = 17, "timestamp_too_old", "9997", 401, "the timestamp lies before the window";
    TimestampTooNew = 18, "timestamp_too_new", "9997", 401, "the timestamp lies after the window";
    BadSignature = 19, "bad_signature", "9992", 401, "the signature does not verify";
    BadDigest = 20, "bad_digest", "9992", 401, "the body does not match its signed digest";
    UnknownKey = 21, "unknown_key", "9997", 401, "the key id is not known";
    KeyExpired = 22, "key_expired", "9997", 401, "the key is not valid at this time";
    KeyRevoked = 23, "key_revoked", "9997", 401, "the key is revoked";
    Replayed = 24, "replayed", "9997", 409, "this request was accepted before";
    NonceStoreFull = 25, "nonce_store_full", "9999", 503, "no room to remember another request";
    RateLimited = 26, "rate_limited", "9997", 429, "too many requests";
    ConcurrencyLimited = 27, "concurrency_limited", "9997", 429, "too many requests at once";
    Suspended = 28, "suspended", "9997", 403, "suspended for a while after exceeding a limit";
    CircuitOpen = 29, "circuit_open", "9997", 503, "the service behind is failing";
    TokenInvalid = 30, "token_invalid", "9991", 401, "the access token is not valid";
    TokenExpired = 31, "token_expired", "9991", 401, "the access token has expired";
    TokenRevoked = 32, "token_revoked", "9991", 401, "the access token is revoked";
    IdempotencyUsed = 33, "idempotency_used", "9997", 409, "the one-time token was used before";
    SharedUnavailable = 34, "shared_unavailable", "9999", 503, "the shared tier cannot be reached";
    Internal = 35, "internal", "9998", 500, "internal error";
}

impl Reason {
    /// The reason of that number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied().filter(|r| *r as u16 == number)
    }

    /// The reason of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|r| r.name() == name)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A short string of at most `N` bytes, held inline, so that a verdict borrows nothing and allocates nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

impl<const N: usize> Label<N> {
    /// The empty label.
    pub const EMPTY: Self = Self { len: 0, bytes: [0; N] };

    /// A label of `text`; `None` where it is longer than `N` bytes.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        const { assert!(N <= 255) };
        let mut label = Self::EMPTY;
        label.bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        label.len = u8::try_from(text.len()).ok()?;
        Some(label)
    }

    /// A label of `text`, of which only the first `N` bytes are kept: for texts of the program's own, in ASCII.
    const fn cut(text: &'static str) -> Self {
        let mut label = Self::EMPTY;
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() && at < N && bytes[at].is_ascii() {
            label.bytes[at] = bytes[at];
            at += 1;
        }
        label.len = at as u8;
        label
    }

    /// A label of `text`, or the empty one where `text` does not fit or is not UTF-8.
    #[must_use]
    pub fn from_bytes_or_empty(text: &[u8]) -> Self {
        if text.len() > N {
            return Self::EMPTY;
        }
        std::str::from_utf8(text).ok().and_then(Self::new).unwrap_or(Self::EMPTY)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only whole &str values are ever stored.
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or("")
    }

    /// The bytes of the text.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The bytes of the text, zeros behind a shorter one.
    #[inline]
    pub(crate) const fn padded(&self) -> &[u8; N] {
        &self.bytes
    }

    /// Whether there is no text.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<const N: usize> Default for Label<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> fmt::Debug for Label<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What the holder of an accepted request reports its end with, and may give its nonce back with, where nothing reached the upstream; or
/// the reservation of a one-time token. Opaque; good for the engine whose verdict it came with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ticket([u64; 3]);

impl Ticket {
    /// The ticket of a request that was not accepted.
    pub const NONE: Self = Self([0; 3]);

    /// A ticket of the words that [`Ticket::words`] gave.
    #[must_use]
    pub const fn of(words: [u64; 3]) -> Self {
        Self(words)
    }

    /// The ticket as three words, to be carried across a border.
    #[must_use]
    pub const fn words(&self) -> [u64; 3] {
        self.0
    }
}

/// Greatest length of an app id in bytes.
pub const APP_ID_MAX: usize = 64;
/// Greatest length of a key id in bytes.
pub const KID_MAX: usize = 64;
/// Length of a U_API_ID in bytes (JR/T 0185-2020, Appendix B).
pub const API_ID_MAX: usize = 32;
/// Greatest length of a return code in bytes.
pub const CODE_MAX: usize = 16;

/// The outcome of one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Why.
    pub reason: Reason,
    /// The return code: the guide's default, or the document's.
    pub code: Label<CODE_MAX>,
    /// The app that the request claims to come from (checked only where `reason` is [`Reason::Ok`]); empty where none was found.
    pub app_id: Label<APP_ID_MAX>,
    /// The key id of the credential that verified the signature, or that the request named; empty where there is none.
    pub kid: Label<KID_MAX>,
    /// The API of the document that the request was matched to; empty where none was.
    pub api_id: Label<API_ID_MAX>,
    /// For [`Reason::RateLimited`] and its like: milliseconds after which the same request may pass; otherwise 0.
    pub retry_after_ms: u64,
    /// For [`Reason::Ok`]: what reports the end of the request and gives its nonce back ([`Ticket::NONE`] otherwise).
    pub ticket: Ticket,
    /// For [`Reason::Ok`] of a call with a one-time token: its reservation, to be committed or released ([`Ticket::NONE`] otherwise).
    pub one_time: Ticket,
    /// For [`Reason::Ok`]: the place in the document's `limits` of the first limit with the action `alert` that the request exceeded.
    pub alert: Option<u32>,
}

impl Verdict {
    /// A verdict of `reason` with its default code and nothing else known.
    #[must_use]
    pub const fn of(reason: Reason) -> Self {
        Self {
            reason,
            code: Label::cut(reason.default_code()),
            app_id: Label::EMPTY,
            kid: Label::EMPTY,
            api_id: Label::EMPTY,
            retry_after_ms: 0,
            ticket: Ticket::NONE,
            one_time: Ticket::NONE,
            alert: None,
        }
    }

    /// Whether the request is accepted.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.reason == Reason::Ok
    }
}

impl Default for Verdict {
    fn default() -> Self {
        Self::of(Reason::Internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique_and_found_again() {
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
            assert_eq!(Reason::from_number(*reason as u16), Some(*reason));
            assert_eq!(Reason::from_name(reason.name()), Some(*reason));
        }
        assert_eq!(Reason::from_number(Reason::ALL.len() as u16), None);
    }

    #[test]
    fn labels_hold_whole_strings_or_nothing() {
        assert_eq!(Label::<4>::new("abcd").map(|l| l.as_str().to_owned()).as_deref(), Some("abcd"));
        assert_eq!(Label::<4>::new("abcde"), None);
        assert!(Label::<4>::from_bytes_or_empty(b"\xff").is_empty());
    }
}
