//! Ed25519 (RFC 8032, 5.1), pure, verification.
//!
//! The rule is aws-lc's, on every path: S < L, and the encoding of [S]B − [h]A equals the signature's first half byte for byte; no cofactor.
//! One thing more is refused, at load: keys of low order, under which a signature can be good for many messages, and keys that are not the
//! canonical encoding of a point.

mod batch;
mod point;
mod scalar;
mod selftest;

use std::sync::Arc;

use aws_lc_rs::signature::ParsedPublicKey;

use super::key::Material;
use super::scheme::{Batch, Scheme};
use super::{KeyError, ec};
use crate::lanes::{Cpu, Line};

pub(in crate::alg) use batch::Edwards;

/// A point of the curve, not of low order.
pub(in crate::alg) struct Ed25519Key {
    /// The encoding: y little-endian, the parity of x in the top bit.
    bytes: [u8; 32],
    /// The point's negative and its table, for the lanes.
    pub slot: Arc<ec::Slot>,
    parsed: ParsedPublicKey,
}

impl Ed25519Key {
    pub fn new(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        check(bytes)?;
        let slot = ec::Slot::new(negative(bytes).ok_or(KeyError::Ed25519Encoding)?);
        Ok(Self { bytes: *bytes, slot, parsed: scalar::parse(bytes)? })
    }
}

/// The negative of a point, as tables are built from it.
fn negative(bytes: &[u8; 32]) -> Option<Line> {
    let [x, y] = point::negated(&point::affine(bytes)?);
    Some(crate::curve::line(&x, &y))
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

/// See [`super::failed_kernels`].
pub(in crate::alg) fn failed_kernels(cpu: Cpu) -> Option<&'static str> {
    (cpu.avx512_ifma().is_some() && !selftest::trusted()).then_some("ed25519-lanes")
}

#[derive(Default)]
pub(in crate::alg) struct Ed25519 {
    decider: batch::Decider,
}

impl Scheme for Ed25519 {
    type Key = Ed25519Key;

    fn key(material: &Material) -> Option<&Ed25519Key> {
        match material {
            Material::Ed25519(key) => Some(key),
            _ => None,
        }
    }

    fn verify(&mut self, cpu: Cpu, batch: &mut Batch<'_, Ed25519Key>) {
        if batch::ready(cpu) {
            self.decider.verify(cpu, batch);
        } else {
            batch.each(|job| job.plain() && scalar::verify(job.key, job.message, job.signature));
        }
    }
}
