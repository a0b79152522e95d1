//! X.509 certificates (RFC 5280): the key, the dates and the names that schemes refer to. Chains are not followed here.

use std::fmt;
use std::fmt::Write as _;

use aws_lc_rs::digest;
use der::{Decode, Encode};
use x509_cert::ext::pkix::KeyUsage;

use super::{KeyError, PublicKey};
use crate::codec::{hex, pem};

/// A certificate, parsed, with its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    key: PublicKey,
    not_before: i64,
    not_after: i64,
    serial: Vec<u8>,
    subject: String,
    issuer: String,
    signs: bool,
}

const WHAT: &str = "an X.509 certificate";

fn broken(why: impl ToString) -> KeyError {
    KeyError::Der { what: WHAT, why: why.to_string() }
}

impl Certificate {
    /// Reads PEM with one block, `CERTIFICATE`.
    ///
    /// # Errors
    /// Not PEM, another label, and as [`from_der`](Self::from_der).
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let block = pem::only(text)?;
        if block.label != "CERTIFICATE" {
            let found = block.label.chars().take(64).collect();
            return Err(KeyError::PemLabel { found, expected: "`CERTIFICATE`" });
        }
        Self::from_der(&block.der)
    }

    /// Reads DER.
    ///
    /// # Errors
    /// Not DER, bytes after its end, a key that is not taken.
    pub fn from_der(bytes: &[u8]) -> Result<Self, KeyError> {
        let parsed = x509_cert::Certificate::from_der(bytes).map_err(broken)?;
        let body = parsed.tbs_certificate();
        let spki = body.subject_public_key_info().to_der().map_err(broken)?;
        let millis = |time: x509_cert::time::Time| {
            i64::try_from(time.to_unix_duration().as_millis()).map_err(|_| broken("a date beyond all reason"))
        };
        Ok(Self {
            key: PublicKey::from_spki_der(&spki)?,
            not_before: millis(body.validity().not_before)?,
            not_after: millis(body.validity().not_after)?,
            serial: magnitude(&body.serial_number().to_der().map_err(broken)?)?,
            subject: body.subject().to_string(),
            issuer: body.issuer().to_string(),
            signs: body
                .get_extension::<KeyUsage>()
                .map_err(broken)?
                .is_none_or(|(_, usage)| usage.digital_signature() || usage.non_repudiation()),
            der: bytes.to_vec(),
        })
    }

    /// The subject's public key.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// The first moment of validity: milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn not_before(&self) -> i64 {
        self.not_before
    }

    /// The last second of validity, at its beginning: milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// The serial number in upper-case hexadecimal, two digits a byte, as `openssl x509 -serial` and WeChat Pay's `serial_no` write it.
    #[must_use]
    pub fn serial_hex(&self) -> String {
        hex::to_string(&self.serial).to_ascii_uppercase()
    }

    /// The serial number in decimal, as Alipay's certificate serial is made from.
    #[must_use]
    pub fn serial_decimal(&self) -> String {
        // Long division by 10^9 over bytes: a serial number has 20 bytes (RFC 5280, 4.1.2.2).
        let mut number = self.serial.clone();
        let mut groups = Vec::new();
        while number.iter().any(|b| *b != 0) {
            let mut rest = 0u64;
            for byte in &mut number {
                rest = (rest << 8) | u64::from(*byte);
                *byte = (rest / 1_000_000_000) as u8;
                rest %= 1_000_000_000;
            }
            groups.push(rest);
        }
        let mut text = groups.pop().unwrap_or(0).to_string();
        for group in groups.iter().rev() {
            let _ = write!(text, "{group:09}");
        }
        text
    }

    /// The subject's distinguished name (RFC 4514: most specific first).
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The issuer's distinguished name (RFC 4514: most specific first).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// SHA-256 of the certificate, by which gateways name it.
    #[must_use]
    pub fn sha256_fingerprint(&self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(digest::digest(&digest::SHA256, &self.der).as_ref());
        out
    }

    /// Whether its key may be used for signatures on messages: the key usage says so, or there is none (RFC 5280, 4.2.1.3). False for the
    /// encryption half of a pair of certificates, as SM2 users are given them.
    #[must_use]
    pub fn signs(&self) -> bool {
        self.signs
    }

    /// The bytes.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

/// The bytes of a serial number, from its DER, without the sign byte. RFC 5280, 4.1.2.2: it is positive, and of 20 bytes at most.
fn magnitude(integer: &[u8]) -> Result<Vec<u8>, KeyError> {
    match integer {
        [2, _, 0x80..=0xff, ..] => Err(broken("the serial number is negative")),
        [2, _, 0, rest @ ..] if !rest.is_empty() => Ok(rest.to_vec()),
        [2, _, all @ ..] if !all.is_empty() => Ok(all.to_vec()),
        _ => Err(broken("the serial number")),
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject)
            .field("serial", &self.serial_hex())
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
