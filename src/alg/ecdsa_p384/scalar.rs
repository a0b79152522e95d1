//! One signature at a time, by aws-lc with a parsed key.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, ParsedPublicKey};

use super::P384Key;
use crate::alg::KeyError;

const NOT_ON_CURVE: KeyError = KeyError::PointNotOnCurve("P-384");

/// The library's form of a point; checks that it is on the curve.
pub fn parse(point: &[u8]) -> Result<ParsedPublicKey, KeyError> {
    ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).map_err(|_| NOT_ON_CURVE)
}

/// Checks a point (02 or 03 ‖ x, or 04 ‖ x ‖ y) and writes it as 04 ‖ x ‖ y.
pub fn point(bytes: &[u8]) -> Result<[u8; 97], KeyError> {
    // A SubjectPublicKeyInfo ends with the point, which the library always writes in full.
    let spki = parse(bytes)?.as_der().map_err(|_| NOT_ON_CURVE)?;
    match spki.as_ref().last_chunk::<97>() {
        Some(point @ [4, ..]) => Ok(*point),
        _ => Err(NOT_ON_CURVE),
    }
}

/// The library checks the range of r and s.
pub fn verify(key: &P384Key, message: &[u8], [r, s]: &[[u8; 48]; 2]) -> bool {
    let mut fixed = [0; 96];
    let (left, right) = fixed.split_at_mut(48);
    left.copy_from_slice(r);
    right.copy_from_slice(s);
    key.parsed.verify_sig(message, &fixed).is_ok()
}
