//! RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 8017, 8.1 and 8.2), verification.
//!
//! The signature is exactly k bytes, the length of the modulus, and below the modulus. PKCS#1 v1.5 compares the whole encoded message: no
//! padding is ever parsed. PSS takes the hash's own length of salt and MGF1 over the same hash (RFC 7518, 3.5; RFC 9421, 3.3.1), no other.

mod scalar;

use aws_lc_rs::signature::ParsedPublicKey;

use super::key::Material;
use super::scheme::{Batch, Scheme};
use super::{Algorithm, KeyError};
use crate::codec::hex;
use crate::lanes::Cpu;

/// Padding and hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::alg) enum Method {
    Pkcs1Sha1,
    Pkcs1Sha256,
    Pkcs1Sha512,
    PssSha256,
    PssSha512,
}

impl Method {
    pub fn of(alg: Algorithm) -> Option<Self> {
        Some(match alg {
            Algorithm::RsaPkcs1Sha1 => Self::Pkcs1Sha1,
            Algorithm::RsaPkcs1Sha256 => Self::Pkcs1Sha256,
            Algorithm::RsaPkcs1Sha512 => Self::Pkcs1Sha512,
            Algorithm::RsaPssSha256 => Self::PssSha256,
            Algorithm::RsaPssSha512 => Self::PssSha512,
            _ => return None,
        })
    }
}

/// A checked public key and its method.
pub(in crate::alg) struct RsaKey {
    /// Padding and hash: lane kernels share a group among all five.
    #[allow(dead_code, reason = "for lane kernels; the library's key holds its own")]
    pub method: Method,
    /// The modulus, big-endian, its first byte not zero.
    pub n: Box<[u8]>,
    /// The exponent: odd, 3 to 2^33 − 1.
    pub e: u64,
    bits: usize,
    parsed: ParsedPublicKey,
}

impl RsaKey {
    /// Takes n and e big-endian, leading zeros allowed.
    pub fn new(method: Method, n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        let (n, e) = (trim(n), trim(e));
        let bits = bits(n);
        if bits < 2048 {
            return Err(KeyError::RsaTooSmall(bits));
        }
        if bits > 8192 {
            return Err(KeyError::RsaTooLarge(bits));
        }
        if n.last().is_none_or(|b| b & 1 == 0) {
            return Err(KeyError::RsaEvenModulus);
        }
        let exponent = small(e).filter(|e| e & 1 == 1 && (3..1 << 33).contains(e));
        let exponent = exponent.ok_or_else(|| {
            KeyError::RsaExponent(small(e).map_or_else(|| format!("0x{}", hex::to_string(e)), |e| e.to_string()))
        })?;
        let parsed = scalar::parse(method, n, e)?;
        Ok(Self { method, n: n.into(), e: exponent, bits, parsed })
    }

    /// Limbs of 52 bits that hold the modulus, in steps of the kernels' 20 (40 limbs take 2048 bits, 60 take 3072, 80 take 4096); and the
    /// exponent, which needs 33 bits.
    pub fn group(&self) -> u64 {
        let limbs = self.bits.div_ceil(52).next_multiple_of(20);
        ((limbs as u64) << 40) | self.e
    }
}

fn trim(mut number: &[u8]) -> &[u8] {
    while let [0, rest @ ..] = number {
        number = rest;
    }
    number
}

/// The bit length of a number without leading zeros.
fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn small(number: &[u8]) -> Option<u64> {
    (number.len() <= 8).then(|| number.iter().fold(0, |sum, b| (sum << 8) | u64::from(*b)))
}

#[derive(Default)]
pub(in crate::alg) struct Rsa;

impl Scheme for Rsa {
    type Key = RsaKey;

    fn key(material: &Material) -> Option<&RsaKey> {
        match material {
            Material::Rsa(key) => Some(key),
            _ => None,
        }
    }

    fn verify(&mut self, _cpu: Cpu, batch: &mut Batch<'_, RsaKey>) {
        batch.each(|job| job.plain() && scalar::verify(job.key, job.message, job.signature));
    }
}
