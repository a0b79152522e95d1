//! MD5 over a message and a secret that follows it: what the open-API guide (4.1) and many older platforms call signing with MD5.
//!
//! It is not a MAC in the sense of any proof; it is here because requests carry it, and only where an app's document says `allow_weak`.

mod scalar;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::MacInput;
use super::key::Material;
use super::scheme::{Batch, Scheme};
use crate::lanes::Cpu;

/// The secret that follows the message.
pub(in crate::alg) struct Md5Key {
    pub secret: Zeroizing<Box<[u8]>>,
}

impl Md5Key {
    pub fn new(secret: &[u8]) -> Self {
        Self { secret: Zeroizing::new(secret.into()) }
    }

    /// The digest, or nothing where the secret would not be part of it.
    pub fn tag(&self, message: &[u8], input: MacInput) -> Option<[u8; 16]> {
        match input {
            MacInput::AppendKey => Some(scalar::digest(message, &self.secret)),
            MacInput::Plain => None,
        }
    }
}

#[derive(Default)]
pub(in crate::alg) struct Keyed;

impl Scheme for Keyed {
    type Key = Md5Key;

    fn key(material: &Material) -> Option<&Md5Key> {
        match material {
            Material::Md5(key) => Some(key),
            _ => None,
        }
    }

    fn verify(&mut self, _cpu: Cpu, batch: &mut Batch<'_, Md5Key>) {
        batch.each(|job| {
            job.key.tag(job.message, job.input).is_some_and(|tag| bool::from(tag.as_slice().ct_eq(job.signature)))
        });
    }
}
