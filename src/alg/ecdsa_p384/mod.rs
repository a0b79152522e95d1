//! ECDSA over P-384 with SHA-384 (FIPS 186-5, 6.4.2), verification.
//!
//! r and s lie in [1, n). Both s and n − s are good: the standard asks for no low s, and signers do not make it.

mod scalar;

use aws_lc_rs::signature::ParsedPublicKey;

use super::key::Material;
use super::scheme::{Batch, Scheme};
use super::{KeyError, ec_signature};
use crate::lanes::Cpu;

/// A point of the curve, not infinity.
pub(in crate::alg) struct P384Key {
    /// The point as 04 ‖ x ‖ y, big-endian.
    #[allow(dead_code, reason = "for lane kernels; the library's key holds its own")]
    pub point: [u8; 97],
    parsed: ParsedPublicKey,
}

impl P384Key {
    /// Takes 04 ‖ x ‖ y.
    pub fn new(point: &[u8; 97]) -> Result<Self, KeyError> {
        Ok(Self { point: *point, parsed: scalar::parse(point)? })
    }

    /// The library's form of it.
    pub fn parsed(&self) -> &ParsedPublicKey {
        &self.parsed
    }
}

#[derive(Default)]
pub(in crate::alg) struct EcdsaP384;

impl Scheme for EcdsaP384 {
    type Key = P384Key;

    fn key(material: &Material) -> Option<&P384Key> {
        match material {
            Material::P384(key) => Some(key),
            _ => None,
        }
    }

    fn verify(&mut self, _cpu: Cpu, batch: &mut Batch<'_, P384Key>) {
        batch.each(|job| {
            let pair = ec_signature::read::<48>(job.form, job.signature);
            job.plain() && pair.is_some_and(|pair| scalar::verify(job.key, job.message, &pair))
        });
    }
}

/// A point in any of its forms, checked, as 04 ‖ x ‖ y.
pub(in crate::alg) fn point(bytes: &[u8]) -> Result<[u8; 97], KeyError> {
    scalar::point(bytes)
}
