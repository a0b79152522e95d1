//! X.509 certificates (RFC 5280): the key, the dates and the names that schemes refer to. Chains are followed in [`chain`](super::chain).

use std::fmt;
use std::fmt::Write as _;

use aws_lc_rs::digest;
use der::asn1::{BitStringRef, ObjectIdentifier};
use der::{Decode, Encode, Reader, SliceReader};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

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
    chain: Chain,
}

/// What chains are followed by.
#[derive(Clone, PartialEq, Eq)]
struct Chain {
    subject: Vec<u8>,
    issuer: Vec<u8>,
    /// The DER that is signed.
    signed: Vec<u8>,
    signature: Vec<u8>,
    oid: ObjectIdentifier,
    inner_oid: ObjectIdentifier,
    /// Whether it is a CA, and how many CAs it may have below it.
    ca: Option<Option<u8>>,
    signs_certificates: bool,
    unknown_critical: Option<ObjectIdentifier>,
}

/// Extensions that are understood, or that may be passed over without harm to what is checked here (RFC 5280, 4.2.1): key usage, names of the
/// subject, basic constraints, certificate policies, extended key usage.
const UNDERSTOOD: [ObjectIdentifier; 5] = [
    ObjectIdentifier::new_unwrap("2.5.29.15"),
    ObjectIdentifier::new_unwrap("2.5.29.17"),
    ObjectIdentifier::new_unwrap("2.5.29.19"),
    ObjectIdentifier::new_unwrap("2.5.29.32"),
    ObjectIdentifier::new_unwrap("2.5.29.37"),
];

impl Chain {
    fn of(bytes: &[u8], parsed: &x509_cert::Certificate) -> Result<Self, KeyError> {
        let mut reader = SliceReader::new(bytes).map_err(broken)?;
        let (signed, signature) = reader
            .sequence(|body| {
                let signed = body.tlv_bytes()?;
                body.tlv_bytes()?;
                let signature: BitStringRef<'_> = body.decode()?;
                Ok::<_, der::Error>((signed, signature))
            })
            .map_err(broken)?;
        let signature = signature.as_bytes().ok_or_else(|| broken("the signature is not a whole number of bytes"))?;
        let body = parsed.tbs_certificate();
        let constraints = body.get_extension::<BasicConstraints>().map_err(broken)?;
        let usage = body.get_extension::<KeyUsage>().map_err(broken)?;
        let unknown = |e: &&x509_cert::ext::Extension| e.critical && !UNDERSTOOD.contains(&e.extn_id);
        Ok(Self {
            subject: body.subject().to_der().map_err(broken)?,
            issuer: body.issuer().to_der().map_err(broken)?,
            signed: signed.to_vec(),
            signature: signature.to_vec(),
            oid: parsed.signature_algorithm().oid,
            inner_oid: body.signature().oid,
            ca: constraints.filter(|(_, c)| c.ca).map(|(_, c)| c.path_len_constraint),
            signs_certificates: usage.is_none_or(|(_, usage)| usage.key_cert_sign()),
            unknown_critical: body.extensions().and_then(|all| all.iter().find(unknown)).map(|e| e.extn_id),
        })
    }
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

    /// Reads PEM with one or more blocks `CERTIFICATE`: an app's certificate, and those of the CAs between it and its root.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem), for the first block that is wrong.
    pub fn several_from_pem(text: &str) -> Result<Vec<Self>, KeyError> {
        let (mut found, mut rest) = (Vec::new(), text);
        while found.is_empty() || !rest.trim_ascii().is_empty() {
            let (block, after) = pem::first(rest)?;
            if block.label != "CERTIFICATE" {
                let found = block.label.chars().take(64).collect();
                return Err(KeyError::PemLabel { found, expected: "`CERTIFICATE`" });
            }
            found.push(Self::from_der(&block.der)?);
            rest = after;
        }
        Ok(found)
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
            chain: Chain::of(bytes, &parsed)?,
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

    pub(super) fn subject_der(&self) -> &[u8] {
        &self.chain.subject
    }

    pub(super) fn issuer_der(&self) -> &[u8] {
        &self.chain.issuer
    }

    /// What is signed.
    pub(super) fn signed(&self) -> &[u8] {
        &self.chain.signed
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.chain.signature
    }

    pub(super) fn signature_oid(&self) -> ObjectIdentifier {
        self.chain.oid
    }

    /// The algorithm as it stands under the signature; RFC 5280, 4.1.1.2: the same.
    pub(super) fn inner_signature_oid(&self) -> ObjectIdentifier {
        self.chain.inner_oid
    }

    /// `None`: no CA. `Some(Some(n))`: a CA with at most n CAs below it.
    pub(super) fn ca(&self) -> Option<Option<u8>> {
        self.chain.ca
    }

    pub(super) fn signs_certificates(&self) -> bool {
        self.chain.signs_certificates
    }

    /// A critical extension that is not understood here (RFC 5280, 4.2: the certificate must be rejected).
    pub(super) fn unknown_critical(&self) -> Option<ObjectIdentifier> {
        self.chain.unknown_critical
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
