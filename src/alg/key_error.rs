//! Why a key is refused, in words that an operator can act on.

use super::Algorithm;
use crate::codec::pem::PemError;

/// Why a key, secret or certificate is refused. Never holds a secret's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not PEM.
    #[error("not PEM: {0}")]
    Pem(#[from] PemError),
    /// PEM of something else.
    #[error("PEM label `{found}`, {expected} needed")]
    PemLabel {
        /// The label that is there.
        found: String,
        /// What is taken here, and what to do where that is not plain.
        expected: &'static str,
    },
    /// Not the DER of what it should be: truncated, trailing bytes, wrong structure.
    #[error("not the DER of {what}: {why}")]
    Der {
        /// What was being read.
        what: &'static str,
        /// The reader's word.
        why: String,
    },
    /// A key algorithm or curve that is not taken.
    #[error("{what} {oid} is not taken ({taken})")]
    Oid {
        /// `key algorithm` or `curve`.
        what: &'static str,
        /// The object identifier, dotted.
        oid: String,
        /// Those that are.
        taken: &'static str,
    },
    /// A certificate that does not lead to a root of the document's.
    #[error("no chain to a root of \"certificate_roots\": {0}")]
    Chain(String),
    /// Not hexadecimal or base64.
    #[error("not {0}")]
    Encoding(&'static str),
    /// A modulus below 2048 bits.
    #[error("RSA modulus of {0} bits, at least 2048 needed")]
    RsaTooSmall(usize),
    /// A modulus above 8192 bits.
    #[error("RSA modulus of {0} bits, at most 8192 taken")]
    RsaTooLarge(usize),
    /// A modulus that is no product of two odd primes.
    #[error("RSA modulus is even")]
    RsaEvenModulus,
    /// An exponent that makes no signature scheme, or one that no library takes.
    #[error("RSA exponent {0}, an odd number from 3 to 2^33 - 1 needed")]
    RsaExponent(String),
    /// A point of the wrong length or with an unknown first byte.
    #[error("{curve} point of {len} bytes that begins with {first}: expected {expected}")]
    PointEncoding {
        /// The curve.
        curve: &'static str,
        /// Its length.
        len: usize,
        /// Its first byte, `0x..`, or `nothing`.
        first: String,
        /// The forms that are taken.
        expected: &'static str,
    },
    /// The point at infinity.
    #[error("{0} point at infinity is not a public key")]
    PointAtInfinity(&'static str),
    /// Coordinates that satisfy no curve equation, or that are not below the field's prime.
    #[error("{0} point is not on the curve")]
    PointNotOnCurve(&'static str),
    /// An Ed25519 key that is not 32 bytes.
    #[error("Ed25519 key of {0} bytes, 32 needed")]
    Ed25519Length(usize),
    /// An Ed25519 key that RFC 8032 does not decode, or decodes from a second spelling.
    #[error("Ed25519 key is not the canonical encoding of a point on the curve")]
    Ed25519Encoding,
    /// An Ed25519 key under which one signature is good for many messages.
    #[error("Ed25519 key is a point of low order")]
    Ed25519LowOrder,
    /// The key is of another kind than the algorithm needs.
    #[error("{algorithm} needs {needed}, this is {found}")]
    Mismatch {
        /// The algorithm.
        algorithm: Algorithm,
        /// The kind of key that it needs.
        needed: &'static str,
        /// The kind of key that this is.
        found: &'static str,
    },
    /// A secret without a byte.
    #[error("the secret is empty")]
    EmptySecret,
    /// A user id that does not fit SM2's two-byte count of bits.
    #[error("SM2 user id of {0} bytes, at most 8191 taken")]
    UserIdTooLong(usize),
    /// A JWK member that is missing, unknown in value, or not base64url.
    #[error("JWK: {0}")]
    Jwk(String),
    /// A private key that does not hold together.
    #[error("private key refused: {0}")]
    Private(String),
    /// Something that cannot be signed.
    #[error("cannot sign: {0}")]
    Sign(&'static str),
}
