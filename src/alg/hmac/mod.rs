//! HMAC (RFC 2104) over SHA-1, SHA-256, SHA-384, SHA-512 and SM3, with the key's inner and outer states held.
//!
//! A tag is good only in full length: a truncated one is refused. Comparison takes the same time wherever the first difference is.

mod scalar;

use aws_lc_rs::hmac as aws;
use zeroize::Zeroizing;

use super::key::Material;
use super::scheme::{Batch, Scheme, same_tag};
use super::{KeyError, MacInput};
use crate::hash::hmac::{Sha256Key, Sm3Key};
use crate::hash::{Algorithm, Message, Scratch, Unit, selftest};
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
    /// For SHA-256: the held states of the lanes; they wipe themselves.
    lanes: Option<Sha256Key>,
}

impl HmacKey {
    pub fn new(hash: Hash, secret: &[u8]) -> Self {
        let algorithm = match hash {
            Hash::Sha1 => aws::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => aws::HMAC_SHA256,
            Hash::Sha384 => aws::HMAC_SHA384,
            Hash::Sha512 => aws::HMAC_SHA512,
        };
        let lanes = (hash == Hash::Sha256).then(|| Sha256Key::new(secret));
        Self { hash, secret: Zeroizing::new(secret.into()), held: aws::Key::new(algorithm, secret), lanes }
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
    /// The same for lanes.
    lanes: Sm3Key,
}

impl HmacSm3Key {
    pub fn new(secret: &[u8]) -> Result<Self, KeyError> {
        let held = scalar::held_sm3(secret)?;
        Ok(Self { secret: Zeroizing::new(secret.into()), held, lanes: Sm3Key::new(secret) })
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

/// Buffers of the lanes.
#[derive(Default)]
struct Lanes {
    scratch: Scratch,
    tags: Vec<[u8; 32]>,
}

#[derive(Default)]
pub(in crate::alg) struct Hmac {
    lanes: Lanes,
}

impl Scheme for Hmac {
    type Key = HmacKey;

    fn key(material: &Material) -> Option<&HmacKey> {
        match material {
            Material::Hmac(key) => Some(key),
            _ => None,
        }
    }

    fn verify(&mut self, cpu: Cpu, batch: &mut Batch<'_, HmacKey>) {
        let kernels = selftest::trusted(cpu);
        // All keys of a group have one hash. Two by two on the SHA instructions is faster than the library even where lanes are not.
        let one_hash = batch.job(0).is_some_and(|job| job.key.hash == Hash::Sha256);
        let enough = batch.len() >= kernels.break_even(Algorithm::Sha256)
            || (batch.len() > 1 && kernels.has(Algorithm::Sha256, Unit::ShaNi));
        if !(one_hash && enough) {
            return batch.each(|job| same_tag(job.key.tag(job.message, job.input).as_slice(), job.signature));
        }
        let Lanes { scratch, tags } = &mut self.lanes;
        tags.resize(batch.len(), [0; 32]);
        let held = |i: usize| batch.job(i).and_then(|job| Some((job.key.lanes.as_ref()?, job)));
        let Some((blank, _)) = held(0) else { return };
        let item = |i: usize| match held(i) {
            Some((key, job)) => (key, Message::with_suffix(job.message, appended(job.input, &job.key.secret))),
            None => (blank, Message::default()),
        };
        let put = |i: usize, tag: &[u8; 32]| {
            if let Some(place) = tags.get_mut(i) {
                *place = *tag;
            }
        };
        Sha256Key::mac_each(kernels, batch.len(), item, put, scratch);
        let mut tags = tags.iter();
        batch.each(|job| {
            let right = tags.next().is_some_and(|tag| same_tag(tag.as_slice(), job.signature));
            right && job.key.lanes.is_some()
        });
    }
}

#[derive(Default)]
pub(in crate::alg) struct HmacSm3 {
    lanes: Lanes,
}

impl Scheme for HmacSm3 {
    type Key = HmacSm3Key;

    fn key(material: &Material) -> Option<&HmacSm3Key> {
        match material {
            Material::HmacSm3(key) => Some(key),
            _ => None,
        }
    }

    fn verify(&mut self, cpu: Cpu, batch: &mut Batch<'_, HmacSm3Key>) {
        let kernels = selftest::trusted(cpu);
        let Some(blank) = batch.job(0).filter(|_| batch.len() >= kernels.break_even(Algorithm::Sm3)) else {
            return batch.each(|job| same_tag(job.key.tag(job.message, job.input).as_slice(), job.signature));
        };
        let Lanes { scratch, tags } = &mut self.lanes;
        tags.resize(batch.len(), [0; 32]);
        let item = |i: usize| match batch.job(i) {
            Some(job) => (&job.key.lanes, Message::with_suffix(job.message, appended(job.input, &job.key.secret))),
            None => (&blank.key.lanes, Message::default()),
        };
        let put = |i: usize, tag: &[u8; 32]| {
            if let Some(place) = tags.get_mut(i) {
                *place = *tag;
            }
        };
        Sm3Key::mac_each(kernels, batch.len(), item, put, scratch);
        let mut tags = tags.iter();
        batch.each(|job| tags.next().is_some_and(|tag| same_tag(tag.as_slice(), job.signature)));
    }
}
