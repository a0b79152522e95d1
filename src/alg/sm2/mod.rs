//! SM2 with SM3 (GB/T 32918.2, 7; GM/T 0009), verification.
//!
//! What is hashed is Z ‖ message, where Z = SM3(ENTL ‖ ID ‖ a ‖ b ‖ xG ‖ yG ‖ xA ‖ yA) binds the signer's identifier and public key
//! (GB/T 32918.2, 5.5); Z and the hash's state after it are held per key. Signatures are DER (GM/T 0009, 7.3) or r ‖ s.

mod batch;
mod scalar;

use super::key::Material;
use super::scheme::{Batch, Scheme};
use super::{KeyError, ec, ec_signature};
use crate::curve::{self, Decision, montgomery_point};
use crate::hash::{Message, Scratch, sm3};
use crate::lanes::Cpu;
use std::sync::Arc;

#[cfg(test)]
pub(in crate::alg) use batch::Sm2Scalars;
pub(in crate::alg) use scalar::{Signer, point};

/// The identifier of a signer that names none (GM/T 0009, 10).
pub(in crate::alg) const DEFAULT_USER_ID: &[u8] = b"1234567812345678";

/// A point of the curve with its signer's identifier.
pub(in crate::alg) struct Sm2Key {
    /// The point and its table, for the lanes.
    pub slot: Arc<ec::Slot>,
    /// What goes before the message into the hash.
    z: [u8; 32],
    parsed: scalar::Parsed,
}

impl Sm2Key {
    /// Takes 04 ‖ x ‖ y.
    pub fn new(point: &[u8; 65], user_id: &[u8]) -> Result<Self, KeyError> {
        let z = scalar::z(point, user_id)?;
        let parsed = scalar::Parsed::new(point, &z)?;
        let (x, y) = ec::coordinates(point);
        Ok(Self { slot: ec::Slot::new(montgomery_point::<curve::Sm2>(&x, &y)), z, parsed })
    }

    /// Whether (r, s) is the message's.
    pub fn signed(&self, message: &[u8], pair: &[[u8; 32]; 2]) -> bool {
        self.parsed.verify(message, pair)
    }

    /// Whether it is one of the message without Z before it, which no standard knows.
    pub fn signed_without_id(&self, message: &[u8], pair: &[[u8; 32]; 2]) -> bool {
        self.parsed.verify_hash(&sm3::digest(message), pair)
    }

    /// Whether it is one of the message by a signer of that identifier.
    pub fn signed_with_id(&self, message: &[u8], pair: &[[u8; 32]; 2], id: &[u8]) -> bool {
        let point = self.parsed.point();
        let z = point.and_then(|point| scalar::z(&point, id).ok());
        z.is_some_and(|z| self.parsed.verify_hash(&sm3::digest(&[&z[..], message].concat()), pair))
    }
}

#[derive(Default)]
pub(in crate::alg) struct Sm2 {
    decider: ec::Decider<curve::Sm2, batch::Sm2Scalars>,
    plain: ec::PlainDecider<curve::Sm2, batch::Sm2Scalars>,
    hash: Scratch,
}

impl Scheme for Sm2 {
    type Key = Sm2Key;

    fn key(material: &Material) -> Option<&Sm2Key> {
        match material {
            Material::Sm2(key) => Some(key),
            _ => None,
        }
    }

    fn verify(&mut self, cpu: Cpu, batch: &mut Batch<'_, Sm2Key>) {
        if !ec::Decider::<curve::Sm2, batch::Sm2Scalars>::ready(cpu) {
            let plain = &mut self.plain;
            let ready = plain.begin();
            for i in 0..batch.len() {
                let Some(job) = batch.job(i) else { continue };
                let said = match ec_signature::read::<32>(job.form, job.signature).filter(|_| job.plain()) {
                    None => Some(Decision::False),
                    Some(_) if !ready => Some(Decision::Exceptional),
                    Some(pair) => plain.push(i, &job.key.slot, &pair, || job.key.parsed.hash(job.message)),
                };
                if let Some(decision) = said {
                    settle(batch, i, decision);
                }
            }
            return plain.finish(batch.len(), |i, decision| settle(batch, i, decision));
        }
        let Self { decider, hash, .. } = self;
        decider.begin();
        let keys = (0..batch.len()).filter_map(|i| batch.job(i)).map(|job| &job.key.slot);
        ec::Decider::<curve::Sm2, batch::Sm2Scalars>::prefetch(keys);
        for i in 0..batch.len() {
            let Some(job) = batch.job(i).filter(super::scheme::Job::plain) else { continue };
            if let Some(pair) = ec_signature::read::<32>(job.form, job.signature) {
                decider.push(i, &job.key.slot, &pair);
            }
        }
        decider.hash(|indices, put| {
            let message = |i: usize| match indices.get(i).and_then(|i| batch.job(*i)) {
                Some(job) => Message { prefix: &job.key.z, body: job.message, suffix: &[] },
                None => Message::default(),
            };
            sm3::digest_each(cpu, indices.len(), message, put, hash);
        });
        // The crate takes longer than a whole group of lanes, so even a key that is alone goes there.
        decider.finish(cpu, false, |i, decision| settle(batch, i, decision));
    }
}

/// Settles an item as it was decided; what was not, one at a time.
fn settle(batch: &mut Batch<'_, Sm2Key>, i: usize, decision: Decision) {
    let good = match decision {
        Decision::True => true,
        Decision::False => false,
        Decision::Exceptional => batch.job(i).is_some_and(|job| {
            let pair = ec_signature::read::<32>(job.form, job.signature).filter(|_| job.plain());
            pair.is_some_and(|pair| job.key.parsed.verify(job.message, &pair))
        }),
    };
    batch.settle(i, good);
}
