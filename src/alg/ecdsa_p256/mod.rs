//! ECDSA over P-256 with SHA-256 (FIPS 186-5, 6.4.2), verification.
//!
//! r and s lie in [1, n). Both s and n − s are good: the standard asks for no low s, and signers do not make it.

mod batch;
mod scalar;

#[cfg(test)]
pub(in crate::alg) use batch::Ecdsa;
pub(in crate::alg) use batch::candidates;

use aws_lc_rs::signature::ParsedPublicKey;

use super::key::Material;
use super::scheme::{Batch, Scheme};
use super::{KeyError, ec, ec_signature};
use crate::curve::{Decision, P256, montgomery_point};
use crate::hash::{Message, Scratch, sha256};
use crate::lanes::Cpu;
use std::sync::Arc;

/// A point of the curve, not infinity.
pub(in crate::alg) struct P256Key {
    /// The point and its table, for the lanes.
    pub slot: Arc<ec::Slot>,
    parsed: ParsedPublicKey,
}

impl P256Key {
    /// Takes 04 ‖ x ‖ y.
    pub fn new(point: &[u8; 65]) -> Result<Self, KeyError> {
        let parsed = scalar::parse(point)?;
        let (x, y) = ec::coordinates(point);
        Ok(Self { slot: ec::Slot::new(montgomery_point::<P256>(&x, &y)), parsed })
    }

    /// The library's form of it.
    pub fn parsed(&self) -> &ParsedPublicKey {
        &self.parsed
    }
}

#[derive(Default)]
pub(in crate::alg) struct EcdsaP256 {
    decider: ec::Decider<P256, batch::Ecdsa>,
    plain: ec::PlainDecider<P256, batch::Ecdsa>,
    hash: Scratch,
}

impl Scheme for EcdsaP256 {
    type Key = P256Key;

    fn key(material: &Material) -> Option<&P256Key> {
        match material {
            Material::P256(key) => Some(key),
            _ => None,
        }
    }

    fn verify(&mut self, cpu: Cpu, batch: &mut Batch<'_, P256Key>) {
        if !ec::Decider::<P256, batch::Ecdsa>::ready(cpu) {
            let plain = &mut self.plain;
            let ready = plain.begin();
            for i in 0..batch.len() {
                let Some(job) = batch.job(i) else { continue };
                let said = match ec_signature::read::<32>(job.form, job.signature).filter(|_| job.plain()) {
                    None => Some(Decision::False),
                    Some(_) if !ready => Some(Decision::Exceptional),
                    Some(pair) => plain.push(i, &job.key.slot, &pair, || sha256::digest(job.message)),
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
        ec::Decider::<P256, batch::Ecdsa>::prefetch(keys);
        for i in 0..batch.len() {
            let Some(job) = batch.job(i).filter(super::scheme::Job::plain) else { continue };
            if let Some(pair) = ec_signature::read::<32>(job.form, job.signature) {
                decider.push(i, &job.key.slot, &pair);
            }
        }
        decider.hash(|indices, put| {
            let job = |i: usize| indices.get(i).and_then(|i| batch.job(*i));
            let message = |i: usize| Message::new(job(i).map_or(&[], |job| job.message));
            sha256::digest_each(cpu, indices.len(), message, put, hash);
        });
        decider.finish(cpu, true, |i, decision| settle(batch, i, decision));
    }
}

/// Settles an item as it was decided; what was not, one at a time.
fn settle(batch: &mut Batch<'_, P256Key>, i: usize, decision: Decision) {
    let good = match decision {
        Decision::True => true,
        Decision::False => false,
        Decision::Exceptional => batch.job(i).is_some_and(|job| {
            let pair = ec_signature::read::<32>(job.form, job.signature).filter(|_| job.plain());
            pair.is_some_and(|pair| scalar::verify(job.key, job.message, &pair))
        }),
    };
    batch.settle(i, good);
}

/// A point in any of its forms, checked, as 04 ‖ x ‖ y.
pub(in crate::alg) fn point(bytes: &[u8]) -> Result<[u8; 65], KeyError> {
    scalar::point(bytes)
}
