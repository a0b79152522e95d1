//! Chains of certificates (RFC 5280, 6.1): from the certificate of an app up to a root that the document names.
//!
//! What is checked: each certificate's signature by the key of the one above it; that those above are CAs (`basicConstraints`, with its
//! `pathLenConstraint`) whose key usage, where there is one, lets them sign certificates; that nobody on the way has a critical extension that is not
//! understood here (name constraints among them: refused, never passed over). The dates of a chain are those that all of it has in
//! common: a key is good for that time, and `key_expired` outside. Revocation lists are not read; a credential is voided in the document.
//!
//! Signatures by SHA-1 or MD5 are refused, RSA keys below 2,048 bits are no keys to begin with. Not on the way of a request.

use super::certificate::Certificate;
use super::import::Public;
use super::{Algorithm, Item, Key, KeyError, MacInput, SignatureForm, Verifier};
use crate::lanes::Cpu;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use der::asn1::ObjectIdentifier;

/// Most certificates between the app's and the root.
const BETWEEN_MAX: usize = 6;

const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
const ED25519_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// SM2 with SM3 (GM/T 0006), with the identifier that everybody has by default.
const SM2_SM3: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.501");

/// The time that a whole chain is valid: from, to, in milliseconds since 1970.
pub type Span = (i64, i64);

fn refused(why: impl Into<String>) -> KeyError {
    KeyError::Chain(why.into())
}

/// Follows `leaf` over any of `between` to one of `roots`: the time for which all of that chain is valid.
///
/// # Errors
/// [`KeyError::Chain`]: why the way that came furthest ends.
pub fn follow(leaf: &Certificate, between: &[Certificate], roots: &[Certificate]) -> Result<Span, KeyError> {
    if between.len() > BETWEEN_MAX {
        return Err(refused(format!("more than {BETWEEN_MAX} certificates between it and its root")));
    }
    understood(leaf)?;
    if roots.iter().any(|root| root.der() == leaf.der()) {
        return Ok(span(leaf));
    }
    let span = climb(leaf, between, roots, &mut Vec::new())?;
    if span.0 > span.1 { Err(refused("the dates of its certificates have no time in common")) } else { Ok(span) }
}

fn span(certificate: &Certificate) -> Span {
    (certificate.not_before(), certificate.not_after())
}

/// From `at`, which stands above the certificates `below` (places in `between`), the leaf not counted.
fn climb(
    at: &Certificate,
    between: &[Certificate],
    roots: &[Certificate],
    below: &mut Vec<usize>,
) -> Result<Span, KeyError> {
    let mut why = None;
    let meet = |one: Span, other: Span| (one.0.max(other.0), one.1.min(other.1));
    for root in roots.iter().filter(|root| root.subject_der() == at.issuer_der()) {
        match issued(root, at, below.len()) {
            Ok(()) => return Ok(meet(span(at), span(root))),
            Err(e) => why = why.or(Some(e)),
        }
    }
    for (place, next) in between.iter().enumerate() {
        if next.subject_der() != at.issuer_der() || below.contains(&place) || next.der() == at.der() {
            continue;
        }
        let above = issued(next, at, below.len()).and_then(|()| {
            below.push(place);
            let above = climb(next, between, roots, below);
            below.pop();
            above
        });
        match above {
            Ok(above) => return Ok(meet(span(at), above)),
            // What is wrong further up says more.
            Err(e) => why = Some(e),
        }
    }
    Err(why.unwrap_or_else(|| refused(format!("nobody here issued it; expected the certificate of {}", at.issuer()))))
}

/// Whether `issuer` may have issued `certificate`, with `below` CAs between that and the leaf, and did.
fn issued(issuer: &Certificate, certificate: &Certificate, below: usize) -> Result<(), KeyError> {
    understood(issuer)?;
    let name = issuer.subject();
    let ca = issuer.ca().ok_or_else(|| refused(format!("{name} is no CA (basicConstraints)")))?;
    if ca.is_some_and(|most| below > usize::from(most)) {
        return Err(refused(format!("{name} may not have so many CAs below it (pathLenConstraint)")));
    }
    if !issuer.signs_certificates() {
        return Err(refused(format!("the key of {name} may not sign certificates (keyUsage)")));
    }
    if certificate.inner_signature_oid() != certificate.signature_oid() {
        return Err(refused("it names two signature algorithms"));
    }
    if verifies(issuer, certificate)? {
        Ok(())
    } else {
        Err(refused(format!("the signature on {} is not by the key of {name}", certificate.subject())))
    }
}

fn understood(certificate: &Certificate) -> Result<(), KeyError> {
    match certificate.unknown_critical() {
        None => Ok(()),
        Some(oid) => Err(refused(format!("critical extension {oid} of {} is not understood", certificate.subject()))),
    }
}

fn verifies(issuer: &Certificate, certificate: &Certificate) -> Result<bool, KeyError> {
    let (text, signature) = (certificate.signed(), certificate.signature());
    let oid = certificate.signature_oid();
    let plain = |way: &'static dyn VerificationAlgorithm, key: &[u8]| {
        UnparsedPublicKey::new(way, key).verify(text, signature).is_ok()
    };
    let good = match (&issuer.public_key().public, oid) {
        (Public::Rsa { n, e }, RSA_SHA256 | RSA_SHA384 | RSA_SHA512) => {
            let way = match oid {
                RSA_SHA256 => &RSA_PKCS1_2048_8192_SHA256,
                RSA_SHA384 => &RSA_PKCS1_2048_8192_SHA384,
                _ => &RSA_PKCS1_2048_8192_SHA512,
            };
            RsaPublicKeyComponents { n, e }.verify(way, text, signature).is_ok()
        }
        (Public::P256(point), ECDSA_SHA256) => plain(&ECDSA_P256_SHA256_ASN1, point),
        (Public::P256(point), ECDSA_SHA384) => plain(&ECDSA_P256_SHA384_ASN1, point),
        (Public::P256(point), ECDSA_SHA512) => plain(&ECDSA_P256_SHA512_ASN1, point),
        (Public::P384(point), ECDSA_SHA256) => plain(&ECDSA_P384_SHA256_ASN1, point),
        (Public::P384(point), ECDSA_SHA384) => plain(&ECDSA_P384_SHA384_ASN1, point),
        (Public::P384(point), ECDSA_SHA512) => plain(&ECDSA_P384_SHA512_ASN1, point),
        (Public::Ed25519(key), ED25519_OID) => plain(&ED25519, key),
        (Public::Sm2(_), SM2_SM3) => {
            let key = Key::public(Algorithm::Sm2Sm3, issuer.public_key(), None)?;
            let form = SignatureForm::Der;
            let item = Item { key: &key, message: text, signature, form, input: MacInput::Plain };
            let mut ok = [false];
            Verifier::new(Cpu::detect()).verify(&[item], &mut ok);
            ok == [true]
        }
        _ => {
            return Err(refused(format!(
                "signature algorithm {oid} of {} is not taken, or does not fit the key of its issuer (RSA PKCS#1 v1.5 and ECDSA with SHA-256, \
                 SHA-384 or SHA-512, Ed25519 and SM2 with SM3 are)",
                certificate.subject()
            )));
        }
    };
    Ok(good)
}
