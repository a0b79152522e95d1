//! RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 8017, 8.1 and 8.2), verification.
//!
//! The signature is exactly k bytes, the length of the modulus, and below the modulus. PKCS#1 v1.5 compares the whole encoded message: no
//! padding is ever parsed. PSS takes the hash's own length of salt and MGF1 over the same hash (RFC 7518, 3.5; RFC 9421, 3.3.1), no other.
//!
//! Keys of 2048 to 4096 bits with an exponent below 2^32 are computed in vector lanes where the CPU has them: many signatures at a time, one
//! a lane, or one alone across the lanes. All others, and every key on other CPUs, go to aws-lc one at a time.
//!
//! | file | holds |
//! |---|---|
//! | `montgomery` | the arithmetic that the kernels share, and why the comparison is exact |
//! | `radix52`, `radix28` | products of one number a lane, in limbs of 52 bits (AVX-512 IFMA) and of 27 or 28 bits (AVX2) |
//! | `batch` | a group of signatures, one a lane |
//! | `one` | one signature across the lanes |
//! | `prepare` | what a key holds for them |
//! | `pss`, `padding`, `digests` | encodings and hashes |
//! | `dispatch` | which kernel runs, by measured cost |
//! | `selftest` | known answers before use |
//! | `scalar` | one signature at a time, by aws-lc |

mod batch;
mod digests;
mod dispatch;
mod montgomery;
mod one;
mod padding;
mod prepare;
mod pss;
mod radix28;
mod radix52;
mod scalar;
mod selftest;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use aws_lc_rs::signature::ParsedPublicKey;
use batch::Claim;
use digests::MAX_DIGEST;
use dispatch::{Unit, Units};
use padding::{Digest, Padding};
use prepare::{Constants, MAX_BYTES, MAX_EXPONENT, limbs28, limbs52};

use super::key::Material;
use super::scheme::{Batch, Scheme};
use super::{Algorithm, KeyError};
use crate::codec::hex;
use crate::hash::{Message, Scratch};
use crate::lanes::Cpu;
use crate::lanes::u64s::MAX_LANES;

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

impl From<Method> for Padding {
    fn from(method: Method) -> Self {
        match method {
            Method::Pkcs1Sha1 => Self::Pkcs1(Digest::Sha1),
            Method::Pkcs1Sha256 => Self::Pkcs1(Digest::Sha256),
            Method::Pkcs1Sha512 => Self::Pkcs1(Digest::Sha512),
            Method::PssSha256 => Self::Pss(Digest::Sha256),
            Method::PssSha512 => Self::Pss(Digest::Sha512),
        }
    }
}

/// A checked public key and its method.
pub(in crate::alg) struct RsaKey {
    padding: Padding,
    /// The modulus, big-endian, its first byte not zero.
    n: Box<[u8]>,
    /// The exponent: odd, 3 to 2^33 − 1.
    e: u64,
    bits: usize,
    parsed: ParsedPublicKey,
    /// The constants of the lane kernels, in limbs of 52 bits and of 27 or 28. Those that this CPU's best kernels want are computed at load,
    /// the others when they are first asked for (by a verifier that is held to less than the CPU has).
    wide: OnceLock<Constants>,
    narrow: OnceLock<Constants>,
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
        let (wide, narrow) = (OnceLock::new(), OnceLock::new());
        let key = Self { padding: method.into(), n: n.into(), e: exponent, bits, parsed, wide, narrow };
        if key.in_lanes() {
            let units = Units::of(Cpu::detect());
            if let Some(unit) = Unit::ALL.into_iter().find(|&unit| units.has(unit)) {
                key.constants(unit);
            }
        }
        Ok(key)
    }

    /// Modulus, big-endian, and exponent.
    pub fn numbers(&self) -> (&[u8], u64) {
        (&self.n, self.e)
    }

    /// Whether the lane kernels take it.
    fn in_lanes(&self) -> bool {
        self.n.len() <= MAX_BYTES && self.e <= MAX_EXPONENT
    }

    /// The constants for a unit; only for keys that the lane kernels take.
    fn constants(&self, unit: Unit) -> &Constants {
        let k = self.n.len();
        let (place, (bits, limbs)) =
            if unit.wide() { (&self.wide, (52, limbs52(k))) } else { (&self.narrow, limbs28(k)) };
        place.get_or_init(|| Constants::new(&self.n, self.e, self.padding, bits, limbs))
    }

    /// Whether a signature is as long as the modulus and, as a number, below it.
    fn in_range(&self, signature: &[u8]) -> bool {
        signature.len() == self.n.len() && *signature < *self.n
    }

    /// The limb count of the kernels (40 limbs of 52 bits up to 2048 bits, 60 up to 3072, 80 up to 4096; 0 beyond), and the exponent, which
    /// needs 33 bits.
    pub fn group(&self) -> u64 {
        let limbs = if self.in_lanes() { limbs52(self.n.len()) } else { 0 };
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

/// Signatures whose messages are hashed together, and whose encodings are.
const RUN: usize = 64;

/// The scheme, with its scratch.
#[derive(Default)]
pub(in crate::alg) struct Rsa {
    /// Signatures that are long enough and in range: (padding, index in the batch).
    picks: Vec<(Padding, u32)>,
    /// The digests of a run's messages.
    digests: Vec<[u8; MAX_DIGEST]>,
    /// Recovered encodings of PSS, and what is known of them.
    values: Vec<pss::Value>,
    encoded: Vec<pss::Encoded>,
    texts: pss::Texts,
    hash: Scratch,
}

/// The names of the lane kernels that `cpu` has but that failed their known answers, and are therefore not used.
#[must_use]
pub(in crate::alg) fn failed_kernels(cpu: Cpu) -> Vec<&'static str> {
    let (all, good) = (Units::untested(cpu), Units::of(cpu));
    Unit::ALL.into_iter().filter(|&unit| all.has(unit) && !good.has(unit)).map(Unit::name).collect()
}

impl Scheme for Rsa {
    type Key = RsaKey;

    fn key(material: &Material) -> Option<&RsaKey> {
        match material {
            Material::Rsa(key) => Some(key),
            _ => None,
        }
    }

    fn verify(&mut self, cpu: Cpu, batch: &mut Batch<'_, RsaKey>) {
        let Some(first) = batch.job(0) else { return };
        if !first.key.in_lanes() {
            return batch.each(|job| job.plain() && scalar::verify(job.key, job.message, job.signature));
        }
        let mut picks = std::mem::take(&mut self.picks);
        picks.clear();
        for i in 0..batch.len() {
            if let Some(job) = batch.job(i)
                && job.plain()
                && job.key.in_range(job.signature)
            {
                picks.push((job.key.padding, i as u32));
            }
        }
        // One padding after the other: a group has one kind of constants, and its messages one hash.
        picks.sort_unstable();
        for picks in picks.chunk_by(|a, b| a.0 == b.0) {
            self.share(cpu, batch, picks);
        }
        self.picks = picks;
    }
}

impl Rsa {
    /// Settles signatures of one padding.
    fn share(&mut self, cpu: Cpu, batch: &mut Batch<'_, RsaKey>, picks: &[(Padding, u32)]) {
        let Some(first) = picks.first().and_then(|p| batch.job(p.1 as usize)) else { return };
        let units = Units::of(cpu);
        let shares = units.share(first.key.n.len(), picks.len());
        let (grouped, others) = picks.split_at(shares.groups.map_or(0, |g| g.1));
        let grouped = shares.groups.map(|g| (g.0, grouped));
        let across = shares.across.then_some((Unit::Across, others));
        for (unit, picks) in grouped.into_iter().chain(across) {
            for picks in picks.chunks(RUN) {
                self.run(cpu, units, unit, batch, picks);
            }
        }
        if across.is_none() {
            for pick in others {
                let i = pick.1 as usize;
                if let Some(job) = batch.job(i) {
                    batch.settle(i, scalar::verify(job.key, job.message, job.signature));
                }
            }
        }
    }

    /// Settles at most [`RUN`] signatures of one padding in groups of `unit`.
    fn run(&mut self, cpu: Cpu, units: Units, unit: Unit, batch: &mut Batch<'_, RsaKey>, picks: &[(Padding, u32)]) {
        let Some(&(padding, _)) = picks.first() else { return };
        let hash = padding.digest();
        // Whole blocks of scratch, nothing of which is read before it has been written.
        if self.digests.is_empty() {
            self.digests.resize(RUN, [0; MAX_DIGEST]);
        }
        if self.values.is_empty() && matches!(padding, Padding::Pss(_)) {
            self.values.resize(RUN, [0; MAX_BYTES]);
        }
        let digests = &mut self.digests;
        let message = |i: usize| Message::new(batch.job(picks[i].1 as usize).map_or(&[], |job| job.message));
        let put = |i: usize, digest: &[u8]| digests[i][..hash.bytes()].copy_from_slice(digest);
        digests::each(cpu, hash, picks.len(), message, put, &mut self.hash);

        self.encoded.clear();
        for start in (0..picks.len()).step_by(unit.lanes()) {
            self.group(units, unit, batch, &picks[start..picks.len().min(start + unit.lanes())], start);
        }
        if let Padding::Pss(hash) = padding {
            let Self { encoded, values, digests, texts, hash: scratch, .. } = self;
            pss::verify(cpu, hash, encoded, values, digests, texts, scratch);
            for (pick, one) in picks.iter().zip(&self.encoded) {
                batch.settle(pick.1 as usize, one.good);
            }
        }
    }

    /// Settles one group, or recovers its encodings: the signatures of a run from number `start` on.
    fn group(
        &mut self,
        units: Units,
        unit: Unit,
        batch: &mut Batch<'_, RsaKey>,
        picks: &[(Padding, u32)],
        start: usize,
    ) {
        let Some(first) = picks.first().and_then(|p| batch.job(p.1 as usize)) else { return };
        let end = start + picks.len();
        let blank = Claim { constants: first.key.constants(unit), signature: &[], digest: &[] };
        let mut claims = [blank; MAX_LANES];
        for ((claim, pick), digest) in claims.iter_mut().zip(picks).zip(&self.digests[start..end]) {
            let Some(job) = batch.job(pick.1 as usize) else { return };
            let digest = &digest[..pick.0.digest().bytes()];
            *claim = Claim { constants: job.key.constants(unit), signature: job.signature, digest };
            if let Padding::Pss(_) = pick.0 {
                self.encoded.push(pss::Encoded::new(job.key.bits));
            }
        }
        let (claims, e) = (&claims[..picks.len()], first.key.e);
        match first.key.padding {
            Padding::Pkcs1(_) => {
                let good = units.pkcs1(unit, claims, e).unwrap_or(0);
                for (i, pick) in picks.iter().enumerate() {
                    batch.settle(pick.1 as usize, good >> i & 1 == 1);
                }
            }
            Padding::Pss(_) => {
                let values = &mut self.values[start..end];
                if units.recover(unit, claims, e, values).is_none() {
                    // It cannot be: the unit has been chosen from those that are there. Zeros are refused.
                    values.fill([0; MAX_BYTES]);
                }
            }
        }
    }
}
