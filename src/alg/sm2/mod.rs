//! SM2 with SM3 (GB/T 32918.2, 7; GM/T 0009), verification.
//!
//! What is hashed is Z ‖ message, where Z = SM3(ENTL ‖ ID ‖ a ‖ b ‖ xG ‖ yG ‖ xA ‖ yA) binds the signer's identifier and public key
//! (GB/T 32918.2, 5.5); Z and the hash's state after it are held per key. Signatures are DER (GM/T 0009, 7.3) or r ‖ s.

mod scalar;

use super::key::Material;
use super::scheme::{Batch, Scheme};
use super::{KeyError, ec_signature};
use crate::lanes::Cpu;

pub(in crate::alg) use scalar::{Signer, point};

/// The identifier of a signer that names none (GM/T 0009, 10).
pub(in crate::alg) const DEFAULT_USER_ID: &[u8] = b"1234567812345678";

/// A point of the curve with its signer's identifier.
pub(in crate::alg) struct Sm2Key {
    /// The point as 04 ‖ x ‖ y, big-endian.
    #[allow(dead_code, reason = "for lane kernels; the library's key holds its own")]
    pub point: [u8; 65],
    /// What goes before the message into the hash.
    #[allow(dead_code, reason = "for lane kernels; the scalar path holds the state after it")]
    pub z: [u8; 32],
    parsed: scalar::Parsed,
}

impl Sm2Key {
    /// Takes 04 ‖ x ‖ y.
    pub fn new(point: &[u8; 65], user_id: &[u8]) -> Result<Self, KeyError> {
        let z = scalar::z(point, user_id)?;
        Ok(Self { point: *point, z, parsed: scalar::Parsed::new(point, &z)? })
    }
}

#[derive(Default)]
pub(in crate::alg) struct Sm2;

impl Scheme for Sm2 {
    type Key = Sm2Key;

    fn key(material: &Material) -> Option<&Sm2Key> {
        match material {
            Material::Sm2(key) => Some(key),
            _ => None,
        }
    }

    fn verify(&mut self, _cpu: Cpu, batch: &mut Batch<'_, Sm2Key>) {
        batch.each(|job| {
            let pair = ec_signature::read::<32>(job.form, job.signature);
            job.plain() && pair.is_some_and(|pair| job.key.parsed.verify(job.message, &pair))
        });
    }
}
