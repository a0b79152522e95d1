//! Ed25519 (RFC 8032, 5.1), pure, verification.
//!
//! The rule is aws-lc's, on every path: S < L, and the encoding of [S]B − [h]A equals the signature's first half byte for byte; no cofactor.
//! One thing more is refused, at load: keys of low order, under which a signature can be good for many messages, and keys that are not the
//! canonical encoding of a point.

mod point;
mod scalar;

use aws_lc_rs::signature::ParsedPublicKey;

use super::KeyError;
use super::key::Material;
use super::scheme::{Batch, Scheme};
use crate::lanes::Cpu;

/// A point of the curve, not of low order.
pub(in crate::alg) struct Ed25519Key {
    /// The encoding: y little-endian, the parity of x in the top bit.
    #[allow(dead_code, reason = "for lane kernels; the library's key holds its own")]
    pub bytes: [u8; 32],
    parsed: ParsedPublicKey,
}

impl Ed25519Key {
    pub fn new(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        check(bytes)?;
        Ok(Self { bytes: *bytes, parsed: scalar::parse(bytes)? })
    }
}

/// Refuses what is no key.
pub(in crate::alg) fn check(bytes: &[u8; 32]) -> Result<(), KeyError> {
    if !point::is_canonical(bytes) {
        Err(KeyError::Ed25519Encoding)
    } else if point::is_low_order(bytes) {
        Err(KeyError::Ed25519LowOrder)
    } else {
        Ok(())
    }
}

#[derive(Default)]
pub(in crate::alg) struct Ed25519;

impl Scheme for Ed25519 {
    type Key = Ed25519Key;

    fn key(material: &Material) -> Option<&Ed25519Key> {
        match material {
            Material::Ed25519(key) => Some(key),
            _ => None,
        }
    }

    fn verify(&mut self, _cpu: Cpu, batch: &mut Batch<'_, Ed25519Key>) {
        batch.each(|job| job.plain() && scalar::verify(job.key, job.message, job.signature));
    }
}
