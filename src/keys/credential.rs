//! A credential: a prepared key, when and whether it counts, and the names that requests call it by.

use super::settings::KeyStatus;
use super::snapshot::ApiIndex;
use crate::alg::{Algorithm, Key};
use crate::canon::Alg;
use crate::time::Millis;
use crate::verdict::{KID_MAX, Label, Reason};
use std::fmt;
use zeroize::Zeroizing;

/// A shared secret. Wiped when dropped, never printed.
pub struct Secret(Zeroizing<Box<[u8]>>);

impl Secret {
    /// A copy of the bytes; what they came in wipes itself.
    #[must_use]
    pub fn new(bytes: &Zeroizing<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.as_slice().into()))
    }

    /// The bytes: for schemes that derive keys from the secret, and for signing.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What a credential that came as a certificate has besides its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateFacts {
    /// The serial number in upper-case hexadecimal (what `serial_no` of WeChat Pay holds).
    pub serial_hex: String,
    /// The serial number in decimal (what `certId` of UnionPay holds).
    pub serial_decimal: String,
    /// SHA-256 of the DER.
    pub sha256_fingerprint: [u8; 32],
}

/// A credential of an app.
pub struct Credential {
    /// The key id; for a certificate without one its serial number in hexadecimal, where that fits; else empty.
    pub kid: Label<KID_MAX>,
    /// The algorithm as profiles know it.
    pub alg: Alg,
    /// Whether it counts.
    pub status: KeyStatus,
    /// Valid from here on, this moment included.
    pub not_before: Millis,
    /// Valid up to here, this moment included.
    pub not_after: Millis,
    /// The prepared key.
    pub key: Key,
    /// The APIs that it may call, sorted, where that is less than its app may (a department's key); `None` is all of them.
    pub(super) allow_apis: Option<Box<[ApiIndex]>>,
    /// The certificate that it came as.
    pub certificate: Option<CertificateFacts>,
    /// Whether `kid` was given (or taken from a JWK), as against borrowed from a certificate.
    pub(super) named: bool,
    pub(super) secret: Option<Secret>,
}

impl Credential {
    /// The one algorithm that it is good for.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// The shared secret, where there is one: for schemes that derive keys from it, and for signing.
    #[must_use]
    pub fn secret(&self) -> Option<&Secret> {
        self.secret.as_ref()
    }

    /// Whether a request that says `kid` means this credential. A certificate without a key id of its own answers to its serial number,
    /// in hexadecimal of either case and in decimal.
    #[must_use]
    pub fn answers_to(&self, kid: &[u8]) -> bool {
        match &self.certificate {
            Some(facts) if !self.named => {
                facts.serial_hex.as_bytes().eq_ignore_ascii_case(kid) || facts.serial_decimal.as_bytes() == kid
            }
            _ => !self.kid.is_empty() && self.kid.as_bytes() == kid,
        }
    }

    /// The spellings under which it stands in an index of key ids.
    pub(super) fn names(&self) -> Vec<String> {
        match &self.certificate {
            Some(facts) if !self.named => {
                let upper = facts.serial_hex.to_ascii_uppercase();
                let mut names = vec![upper.to_ascii_lowercase(), upper, facts.serial_decimal.clone()];
                names.sort();
                names.dedup();
                names
            }
            _ if self.kid.is_empty() => Vec::new(),
            _ => vec![self.kid.as_str().to_owned()],
        }
    }

    /// Whether it counts at `now`.
    ///
    /// # Errors
    /// [`Reason::KeyRevoked`] where it is revoked, whatever its dates; [`Reason::KeyExpired`] outside them, on either side.
    pub fn valid_at(&self, now: Millis) -> Result<(), Reason> {
        match self.status {
            KeyStatus::Revoked => Err(Reason::KeyRevoked),
            KeyStatus::Active if now < self.not_before || now > self.not_after => Err(Reason::KeyExpired),
            KeyStatus::Active => Ok(()),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm().name())
            .field("status", &self.status)
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}
