//! MD5 over a message and a secret that follows it: what the open-API guide (4.1) and many older platforms call signing with MD5.
//!
//! It is not a MAC in the sense of any proof; it is here because requests carry it, and only where an app's document says `allow_weak`.

mod scalar;

use zeroize::Zeroizing;

use super::MacInput;
use super::key::Material;
use super::scheme::{Batch, Scheme, same_tag};
use crate::hash::{Algorithm, Kernels, Message, Scratch, md5, selftest};
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
pub(in crate::alg) struct Keyed {
    scratch: Scratch,
    tags: Vec<md5::Digest>,
}

impl Scheme for Keyed {
    type Key = Md5Key;

    fn key(material: &Material) -> Option<&Md5Key> {
        match material {
            Material::Md5(key) => Some(key),
            _ => None,
        }
    }

    fn verify(&mut self, cpu: Cpu, batch: &mut Batch<'_, Md5Key>) {
        let kernels = selftest::trusted(cpu);
        if batch.len() < kernels.break_even(Algorithm::Md5) {
            batch.each(|job| {
                job.key.tag(job.message, job.input).is_some_and(|tag| same_tag(tag.as_slice(), job.signature))
            });
        } else {
            self.many(kernels, batch);
        }
    }
}

impl Keyed {
    /// In lanes; the secret is the message's suffix. An item whose secret would not be part of it is hashed in vain and refused.
    fn many(&mut self, kernels: Kernels, batch: &mut Batch<'_, Md5Key>) {
        let Self { scratch, tags } = self;
        tags.resize(batch.len(), [0; 16]);
        let message = |i: usize| match batch.job(i) {
            Some(job) => Message::with_suffix(job.message, &job.key.secret),
            None => Message::default(),
        };
        let put = |i: usize, tag: &md5::Digest| {
            if let Some(place) = tags.get_mut(i) {
                *place = *tag;
            }
        };
        md5::digest_each(kernels, batch.len(), message, put, scratch);
        let mut tags = tags.iter();
        batch.each(|job| {
            let right = tags.next().is_some_and(|tag| same_tag(tag.as_slice(), job.signature));
            right && job.input == MacInput::AppendKey
        });
    }
}
