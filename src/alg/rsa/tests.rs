//! The lane kernels against num-bigint.

use std::marker::PhantomData;

use num_bigint::BigUint;

use super::batch::{Claim, Pkcs1, Recover};
use super::dispatch::{Unit, Units};
use super::failed_kernels;
use super::montgomery::{Montgomery, Proof};
use super::one::{Pkcs1One, RecoverOne};
use super::padding::{Digest, Padding};
use super::prepare::{Constants, MAX_BYTES, limbs28, limbs52, pkcs1_encoding};
use super::radix28::Radix28;
use super::radix52::Radix52;
use crate::lanes::Cpu;
use crate::lanes::u64s::{Across, Anywhere, MAX_LANES, Model8, Words};
#[cfg(target_arch = "x86_64")]
use crate::lanes::u64s::{Ifma8, Wide4};

/// A small generator of test data (xorshift64*): the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| (self.next() >> 32) as u8).collect()
    }
}

/// Moduli of `k` bytes that stress carries: random, all ones, sparse, and long runs of either.
fn modulus(random: &mut Random, k: usize, kind: u64) -> Vec<u8> {
    let mut n = random.bytes(k);
    match kind % 6 {
        0 => n.fill(0xff),
        1 => n.fill(0),
        2 => n[k / 3..].fill(0xff),
        3 => n[k / 3..].fill(0),
        4 => n[1..k / 2].fill(0xff),
        _ => {}
    }
    n[0] |= 0x80;
    n[k - 1] |= 1;
    n
}

/// Numbers below n that stress carries.
fn number(random: &mut Random, n: &BigUint, k: usize, kind: u64) -> Vec<u8> {
    let x = match kind % 7 {
        0 => n - 1u32,
        1 => BigUint::from(0u32),
        2 => BigUint::from(1u32),
        3 => (BigUint::from(1u32) << (8 * k - 1)) - 1u32,
        4 => n >> 1u32,
        _ => BigUint::from_bytes_be(&random.bytes(k)),
    } % n;
    padded(&x, k)
}

fn padded(x: &BigUint, k: usize) -> Vec<u8> {
    let bytes = x.to_bytes_be();
    let mut out = vec![0; k - bytes.len()];
    out.extend(bytes);
    out
}

/// How a kernel is run: one signature a lane, or one across the lanes.
trait Runner {
    const LANES: usize;
    fn limbs(k: usize) -> (u32, usize);
    fn recover(&self, claims: &[Claim<'_>], e: u64, values: &mut [[u8; MAX_BYTES]]);
    fn pkcs1(&self, claims: &[Claim<'_>], e: u64) -> u8;
}

struct InLanes<M: Montgomery>(Proof<M>);

impl<M: Montgomery> Runner for InLanes<M> {
    const LANES: usize = M::V::LANES;

    fn limbs(_: usize) -> (u32, usize) {
        (M::LIMB_BITS, M::LIMBS)
    }

    fn recover(&self, claims: &[Claim<'_>], e: u64, values: &mut [[u8; MAX_BYTES]]) {
        M::V::enter(self.0, Recover::<M> { claims, e, values, arithmetic: PhantomData });
    }

    fn pkcs1(&self, claims: &[Claim<'_>], e: u64) -> u8 {
        M::V::enter(self.0, Pkcs1::<M> { claims, e, arithmetic: PhantomData })
    }
}

struct AcrossLanes<V: Across, const VECTORS: usize, const WIDE: usize>(V::Proof);

impl<V: Across, const VECTORS: usize, const WIDE: usize> Runner for AcrossLanes<V, VECTORS, WIDE> {
    const LANES: usize = 1;

    fn limbs(k: usize) -> (u32, usize) {
        (52, limbs52(k))
    }

    fn recover(&self, claims: &[Claim<'_>], e: u64, values: &mut [[u8; MAX_BYTES]]) {
        let kernel = RecoverOne::<V, VECTORS, WIDE> { claim: claims[0], e, value: &mut values[0], vector: PhantomData };
        V::enter(self.0, kernel);
    }

    fn pkcs1(&self, claims: &[Claim<'_>], e: u64) -> u8 {
        u8::from(V::enter(self.0, Pkcs1One::<V, VECTORS, WIDE> { claim: claims[0], e, vector: PhantomData }))
    }
}

/// Takes groups of random claims through a kernel, and compares with the oracle.
fn agree<R: Runner>(runner: &R, k: usize, e: u64, rounds: u64) {
    let (bits, limbs) = R::limbs(k);
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ k as u64 ^ e);
    let mut goods = 0;
    for round in 0..rounds {
        let digest = [Digest::Sha1, Digest::Sha256, Digest::Sha512][round as usize % 3];
        let count = 1 + round as usize % R::LANES;
        let mut values = [[0; MAX_BYTES]; MAX_LANES];
        let mut expected = Vec::new();
        let mut held = Vec::new();
        for lane in 0..count as u64 {
            let n = modulus(&mut random, k, round + lane);
            let modulus = BigUint::from_bytes_be(&n);
            let s = number(&mut random, &modulus, k, round / 3 + lane);
            expected.push(padded(&BigUint::from_bytes_be(&s).modpow(&BigUint::from(e), &modulus), k));
            let pss = Constants::new(&n, e, Padding::Pss(digest), bits, limbs);
            held.push((pss, s));
        }
        let claims: Vec<_> = held.iter().map(|(constants, s)| Claim { constants, signature: s, digest: &[] }).collect();
        runner.recover(&claims, e, &mut values);
        for (value, power) in values.iter().zip(&expected) {
            assert_eq!(value[MAX_BYTES - k..], power[..], "round {round}");
            assert!(value[..MAX_BYTES - k].iter().all(|&b| b == 0));
        }

        // PKCS#1: e-th roots are not at hand for arbitrary moduli, so the comparison is tested the other way round: the constant k₁ is
        // computed for the encoding that s^e happens to be, whatever it looks like.
        let mut held = Vec::new();
        let mut wanted = 0;
        for lane in 0..count as u64 {
            let n = modulus(&mut random, k, round + lane);
            let modulus = BigUint::from_bytes_be(&n);
            let s = number(&mut random, &modulus, k, round / 3 + lane);
            let hash = match random.next() % 4 {
                0 => vec![0xff; digest.bytes()],
                1 => vec![0; digest.bytes()],
                _ => random.bytes(digest.bytes()),
            };
            let power = BigUint::from_bytes_be(&s).modpow(&BigUint::from(e), &modulus);
            let base = (&power + &modulus - BigUint::from_bytes_be(&hash) % &modulus) % &modulus;
            let constants = Constants::with_encoding(&n, e, &padded(&base, k), bits, limbs);
            let mut claimed = hash.clone();
            if random.next().is_multiple_of(3) {
                let at = random.next() as usize % claimed.len();
                claimed[at] ^= 1 << (random.next() % 8);
            } else {
                wanted |= 1 << lane;
                goods += 1;
            }
            held.push((constants, s, claimed));
        }
        let claims: Vec<_> =
            held.iter().map(|(constants, s, digest)| Claim { constants, signature: s, digest }).collect();
        let good = runner.pkcs1(&claims, e);
        assert_eq!(good, wanted, "round {round}");
    }
    assert!(goods > 0 || rounds < 4);
}

/// More of everything with `PORTCULLIS_SLOW=1`.
fn rounds(moderate: u64) -> u64 {
    if std::env::var_os("PORTCULLIS_SLOW").is_some() { moderate * 100 } else { moderate }
}

fn in_lanes<M: Montgomery>(proof: Proof<M>, k: usize, e: u64, moderate: u64) {
    agree(&InLanes::<M>(proof), k, e, rounds(moderate));
}

fn across<V: Across, const VECTORS: usize, const WIDE: usize>(proof: V::Proof, k: usize, e: u64, moderate: u64) {
    agree(&AcrossLanes::<V, VECTORS, WIDE>(proof), k, e, rounds(moderate));
}

#[test]
fn the_model_agrees_with_big_integers() {
    in_lanes::<Radix52<Model8, 4>>(Anywhere, 256, 65537, 6);
    in_lanes::<Radix52<Model8, 6>>(Anywhere, 384, 3, 6);
    in_lanes::<Radix52<Model8, 8>>(Anywhere, 512, 17, 6);
    across::<Model8, 5, 6>(Anywhere, 256, 65537, 6);
    across::<Model8, 8, 9>(Anywhere, 384, 3, 6);
    across::<Model8, 10, 11>(Anywhere, 512, 17, 6);
    in_lanes::<Radix28<Model8, 28, 15>>(Anywhere, 256, 65537, 6);
    in_lanes::<Radix28<Model8, 28, 22>>(Anywhere, 384, 3, 6);
    in_lanes::<Radix28<Model8, 27, 31>>(Anywhere, 512, 17, 6);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn every_backend_agrees_with_big_integers() {
    let cpu = Cpu::hardware();
    for e in [3, 65537, 0xffff_fffb] {
        if let Some(proof) = cpu.avx512_ifma() {
            in_lanes::<Radix52<Ifma8, 4>>(proof, 256, e, 40);
            in_lanes::<Radix52<Ifma8, 6>>(proof, 384, e, 20);
            in_lanes::<Radix52<Ifma8, 6>>(proof, 257, e, 10);
            in_lanes::<Radix52<Ifma8, 8>>(proof, 512, e, 20);
            across::<Ifma8, 5, 6>(proof, 256, e, 60);
            across::<Ifma8, 8, 9>(proof, 384, e, 30);
            across::<Ifma8, 8, 9>(proof, 257, e, 10);
            across::<Ifma8, 10, 11>(proof, 512, e, 30);
        }
        if let Some(proof) = cpu.avx2() {
            in_lanes::<Radix28<Wide4, 28, 15>>(proof, 256, e, 20);
            in_lanes::<Radix28<Wide4, 28, 22>>(proof, 384, e, 10);
            in_lanes::<Radix28<Wide4, 27, 31>>(proof, 512, e, 10);
        }
    }
}

#[test]
fn no_kernel_fails_its_known_answers() {
    for cpu in Cpu::variants() {
        assert_eq!(failed_kernels(cpu), Vec::<&str>::new());
    }
}

#[test]
fn shares_are_the_cheapest() {
    let units = Units::untested(Cpu::hardware());
    if units.has(Unit::Eight) {
        let shares: Vec<_> = (1..=12).map(|n| units.share(256, n).groups.map_or(0, |g| g.1)).collect();
        assert_eq!(shares, [0, 0, 3, 4, 5, 6, 7, 8, 8, 8, 11, 12]);
        // Without the kernel for one, a group pays from two.
        let shares: Vec<_> = (1..=3).map(|n| units.only(Unit::Eight).share(256, n).groups.map_or(0, |g| g.1)).collect();
        assert_eq!(shares, [0, 2, 3]);
    }
    if units.has(Unit::Four) {
        let shares: Vec<_> = (1..=6).map(|n| units.only(Unit::Four).share(256, n).groups.map_or(0, |g| g.1)).collect();
        assert_eq!(shares, [0, 0, 3, 4, 4, 4]);
    }
    assert_eq!(Units::untested(Cpu::SCALAR).share(512, 9).groups, None);
}

#[test]
fn limb_counts_hold_every_modulus() {
    for k in 256..=512 {
        let (bits, limbs) = limbs28(k);
        assert!(8 * k + 8 <= bits as usize * limbs && ((2 * limbs as u128 + 20) << (2 * bits)) < 1 << 64);
        assert!(8 * k + 8 <= 52 * limbs52(k));
    }
}

#[test]
fn the_encoding_is_the_standards() {
    let mut em = [0; 64];
    pkcs1_encoding(Digest::Sha1, &[7; 20], &mut em);
    assert_eq!(em[..2], [0, 1]);
    assert!(em[2..28].iter().all(|&b| b == 0xff));
    assert_eq!(em[28..44], [0, 0x30, 0x21, 0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0, 4, 0x14]);
    assert_eq!(em[44..], [7; 20]);
}
