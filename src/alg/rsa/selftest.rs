//! Known answers for every lane kernel, computed by plain code ([`super::prepare`]) and tried once before a kernel is used.
//!
//! A public multi-buffer library once shipped a kernel that refused valid signatures on some processors. A kernel that fails here is not
//! used: its work goes to the next best one, in the end to the scalar path, and its name is reported.

use super::batch::Claim;
use super::dispatch::{Unit, Units};
use super::padding::{Digest, Padding};
use super::prepare::{Constants, MAX_BYTES, difference, limbs28, limbs52, power};
use crate::lanes::u64s::MAX_LANES;

/// Bytes that look random: successive words of a linear congruential generator (Knuth's MMIX), upper halves.
fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

/// A modulus, a signature and a digest for each lane.
struct Case {
    n: Vec<u8>,
    s: Vec<u8>,
    digest: Vec<u8>,
    power: Vec<u8>,
    /// The all-zero-digest encoding under which `s` is a good signature of `digest`: s^e − digest mod n.
    encoding: Vec<u8>,
}

impl Case {
    fn new(k: usize, e: u64, lane: u64) -> Self {
        let (mut n, mut s) = (bytes(lane + 1, k), bytes(lane + 101, k));
        // Carries are stressed in every other lane: limbs all ones, limbs all zero.
        match lane {
            1 => n.fill(0xff),
            3 => n[1..k - 1].fill(0),
            5 => s.fill(0xff),
            _ => {}
        }
        n[0] |= 0x80;
        n[k - 1] |= 1;
        s[0] = 0x7f;
        let digest = bytes(lane + 201, 32);
        let power = power(&n, &s, e);
        let encoding = difference(&n, &power, &digest);
        Self { n, s, digest, power, encoding }
    }
}

/// Whether a unit computes rightly for keys of `k` bytes: values, good signatures, and signatures whose digest is off by one bit.
fn passes(units: Units, unit: Unit, k: usize, e: u64) -> bool {
    let (bits, limbs) = if unit.wide() { (52, limbs52(k)) } else { limbs28(k) };
    let cases: Vec<Case> = (0..unit.lanes() as u64).map(|lane| Case::new(k, e, lane)).collect();

    let pss: Vec<Constants> =
        cases.iter().map(|c| Constants::new(&c.n, e, Padding::Pss(Digest::Sha256), bits, limbs)).collect();
    let claims: Vec<_> =
        cases.iter().zip(&pss).map(|(c, constants)| Claim { constants, signature: &c.s, digest: &[] }).collect();
    let mut values = [[0; MAX_BYTES]; MAX_LANES];
    if units.recover(unit, &claims, e, &mut values).is_none() {
        return false;
    }
    let recovered = cases.iter().zip(&values).all(|(c, value)| value[MAX_BYTES - k..] == c.power[..]);

    let pkcs1: Vec<Constants> =
        cases.iter().map(|c| Constants::with_encoding(&c.n, e, &c.encoding, bits, limbs)).collect();
    let mut digests: Vec<Vec<u8>> = cases.iter().map(|c| c.digest.clone()).collect();
    let check = |digests: &[Vec<u8>]| {
        let claims: Vec<_> = cases
            .iter()
            .zip(&pkcs1)
            .zip(digests)
            .map(|((c, constants), digest)| Claim { constants, signature: &c.s, digest })
            .collect();
        units.pkcs1(unit, &claims, e)
    };
    let all = u8::MAX >> (MAX_LANES - unit.lanes());
    let accepted = check(&digests) == Some(all);
    // Every other lane, then all of them.
    for digest in digests.iter_mut().step_by(2) {
        digest[31] ^= 1;
    }
    let half = check(&digests) == Some(all & 0b1010_1010);
    for digest in digests.iter_mut().skip(1).step_by(2) {
        digest[0] ^= 0x80;
    }
    recovered && accepted && half && check(&digests) == Some(0)
}

/// The units among `units` that fail.
pub(super) fn failures(units: Units) -> Vec<Unit> {
    Unit::ALL
        .into_iter()
        .filter(|&unit| units.has(unit))
        .filter(|&unit| ![256, 384, 512].into_iter().all(|k| passes(units, unit, k, 65537)))
        .collect()
}
