//! One signature at a time, by aws-lc with a parsed key.

use aws_lc_rs::signature::{ED25519, ParsedPublicKey};

use super::Ed25519Key;
use crate::alg::KeyError;

pub fn parse(bytes: &[u8; 32]) -> Result<ParsedPublicKey, KeyError> {
    ParsedPublicKey::new(&ED25519, bytes).map_err(|_| KeyError::Ed25519Encoding)
}

pub fn verify(key: &Ed25519Key, message: &[u8], signature: &[u8]) -> bool {
    signature.len() == 64 && key.parsed.verify_sig(message, signature).is_ok()
}
