//! What a document says about tokens: the keys, how long tokens live, where requests carry them.

use super::text::MacKeys;

/// Least length of a secret in bytes: that of the MAC's hash (NIST SP 800-107, 5.3.4, asks for no more than that).
pub const SECRET_MIN: usize = 32;
/// Greatest life of an access token: a day.
const LIFE_MAX_S: u32 = 86_400;
/// Greatest life of a one-time token: an hour.
const ONE_TIME_MAX_S: u32 = 3_600;

/// What is wrong with a policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PolicyError {
    /// A secret is too short.
    #[error("expected a secret of at least {SECRET_MIN} bytes, random")]
    ShortSecret,
    /// A key's number is used twice, or above 15.
    #[error("expected a number from 0 to 15 that no other key has")]
    KeyNumber,
    /// There is no key, or there are more than numbers.
    #[error("expected 1 to 16 keys")]
    Keys,
}

/// One-time tokens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OneTimePolicy {
    /// The header that carries them, in lower case.
    pub header: String,
    /// Seconds that a token lives, unused: 1 to 3,600.
    pub life_s: u32,
    /// Milliseconds after which the reservation of a worker that died ends: longer than any call takes.
    pub lease_ms: u64,
}

impl Default for OneTimePolicy {
    fn default() -> Self {
        Self { header: "idempotency-token".to_owned(), life_s: 600, lease_ms: 60_000 }
    }
}

/// What a document says about tokens.
#[derive(Debug)]
pub struct Policy {
    /// The first one signs; all of them check. Never empty.
    pub(super) keys: Box<[MacKeys]>,
    /// Seconds that an access token lives where nothing else is asked for.
    pub life_s: u32,
    /// Seconds that an access token may live.
    pub max_life_s: u32,
    /// Milliseconds for which the tokens before a refresh stay good: 1,000 at least.
    pub overlap_ms: u64,
    /// The header that carries access tokens, in lower case.
    pub header: String,
    /// Whether the token follows the word `Bearer` and a space (RFC 6750), or stands alone as in the guide.
    pub bearer: bool,
    /// Whether calls need an access token where the API does not say.
    pub required: bool,
    /// The header that carries grants, in lower case.
    pub grant_header: String,
    /// One-time tokens.
    pub one_time: OneTimePolicy,
}

impl Policy {
    /// Greatest `max_life_s`.
    pub const LIFE_MAX_S: u32 = LIFE_MAX_S;
    /// Greatest life of a one-time token in seconds.
    pub const ONE_TIME_MAX_S: u32 = ONE_TIME_MAX_S;

    /// A policy of these keys, each with its number, and the guide's defaults: 3,600 seconds, 7,200 at most, an overlap of five minutes.
    ///
    /// # Errors
    /// A secret below [`SECRET_MIN`], a number that is used twice or above 15, no key.
    pub fn new(keys: &[(u8, &[u8])]) -> Result<Self, PolicyError> {
        if keys.is_empty() || keys.len() > 16 {
            return Err(PolicyError::Keys);
        }
        let mut made: Vec<MacKeys> = Vec::with_capacity(keys.len());
        for (number, secret) in keys {
            if secret.len() < SECRET_MIN {
                return Err(PolicyError::ShortSecret);
            }
            if *number > 15 || made.iter().any(|key| key.number == *number) {
                return Err(PolicyError::KeyNumber);
            }
            made.push(MacKeys::new(*number, secret));
        }
        Ok(Self {
            keys: made.into_boxed_slice(),
            life_s: 3_600,
            max_life_s: 7_200,
            overlap_ms: 300_000,
            header: "authorization".to_owned(),
            bearer: false,
            required: false,
            grant_header: "authorization-grant".to_owned(),
            one_time: OneTimePolicy::default(),
        })
    }
}
