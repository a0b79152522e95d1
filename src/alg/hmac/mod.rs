//! HMAC (RFC 2104) over SHA-1, SHA-256, SHA-384, SHA-512 and SM3, with the key's inner and outer states held.
//!
//! A tag is good only in full length: a truncated one is refused. Comparison takes the same time wherever the first difference is.

mod scalar;

use aws_lc_rs::hmac as aws;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::key::Material;
use super::scheme::{Batch, Scheme};
use super::{KeyError, MacInput};
use crate::lanes::Cpu;

pub(in crate::alg) use scalar::Tag;

/// The hash under an [`HmacKey`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(in crate::alg) enum Hash {
    Sha1 = 1,
    Sha256 = 2,
    Sha384 = 3,
    Sha512 = 4,
}

/// A key over one of the SHA family.
pub(in crate::alg) struct HmacKey {
    pub hash: Hash,
    /// The secret itself, for [`MacInput::AppendKey`] and for lane kernels that hold states of their own.
    pub secret: Zeroizing<Box<[u8]>>,
    /// The library's held state; it wipes itself.
    held: aws::Key,
}

impl HmacKey {
    pub fn new(hash: Hash, secret: &[u8]) -> Self {
        let algorithm = match hash {
            Hash::Sha1 => aws::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => aws::HMAC_SHA256,
            Hash::Sha384 => aws::HMAC_SHA384,
            Hash::Sha512 => aws::HMAC_SHA512,
        };
        Self { hash, secret: Zeroizing::new(secret.into()), held: aws::Key::new(algorithm, secret) }
    }

    pub fn group(&self) -> u64 {
        self.hash as u64
    }

    pub fn tag(&self, message: &[u8], input: MacInput) -> Tag {
        scalar::sha(&self.held, message, appended(input, &self.secret))
    }
}

/// A key over SM3.
pub(in crate::alg) struct HmacSm3Key {
    pub secret: Zeroizing<Box<[u8]>>,
    /// The state after the inner and outer pads; it wipes itself.
    held: scalar::HeldSm3,
}

impl HmacSm3Key {
    pub fn new(secret: &[u8]) -> Result<Self, KeyError> {
        Ok(Self { secret: Zeroizing::new(secret.into()), held: scalar::held_sm3(secret)? })
    }

    pub fn tag(&self, message: &[u8], input: MacInput) -> Tag {
        scalar::sm3(&self.held, message, appended(input, &self.secret))
    }
}

fn appended(input: MacInput, secret: &[u8]) -> &[u8] {
    match input {
        MacInput::Plain => &[],
        MacInput::AppendKey => secret,
    }
}

#[derive(Default)]
pub(in crate::alg) struct Hmac;

impl Scheme for Hmac {
    type Key = HmacKey;

    fn key(material: &Material) -> Option<&HmacKey> {
        match material {
            Material::Hmac(key) => Some(key),
            _ => None,
        }
    }

    fn verify(&mut self, _cpu: Cpu, batch: &mut Batch<'_, HmacKey>) {
        batch.each(|job| job.key.tag(job.message, job.input).as_slice().ct_eq(job.signature).into());
    }
}

#[derive(Default)]
pub(in crate::alg) struct HmacSm3;

impl Scheme for HmacSm3 {
    type Key = HmacSm3Key;

    fn key(material: &Material) -> Option<&HmacSm3Key> {
        match material {
            Material::HmacSm3(key) => Some(key),
            _ => None,
        }
    }

    fn verify(&mut self, _cpu: Cpu, batch: &mut Batch<'_, HmacSm3Key>) {
        batch.each(|job| job.key.tag(job.message, job.input).as_slice().ct_eq(job.signature).into());
    }
}
