//! Crafted hashes and signatures, which no message can be found for, through the same decider as messages' hashes: lanes = aws-lc-rs for
//! P-256, = the `sm2` crate for SM2.

use std::sync::Arc;

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};

use super::{Claims, Decider, Plain, PlainDecider, Signing, Slot, build_now, build_plain_now, coordinates};
use crate::alg::ecdsa_p256::Ecdsa;
use crate::alg::sm2::Sm2Scalars;
use crate::curve::tests::Oracle;
use crate::curve::{Decision, P256, Sm2, montgomery_point};
use crate::field::inverse::Inverter;
use crate::field::modulus::Modulus;
use crate::field::tests::{Random, mul_mod};
use crate::field::words::{Words, add, add_mod, from_be_bytes, is_zero, reduce_once, sub_mod, to_be_bytes};
use crate::lanes::Cpu;

/// A signature of a hash under a key.
#[derive(Clone)]
struct Signed {
    point: [u8; 65],
    r: Words,
    s: Words,
    e: Words,
}

/// A scheme over a curve, and another implementation of it.
trait Scheme: Oracle + Signing {
    type Claims: Claims<Self>;
    /// r and s from the two scalars and the x-coordinate of their sum; e as well where it follows from them.
    fn craft(u1: &Words, u2: &Words, x: &Words, e: Option<&Words>) -> Option<(Words, Words, Words)>;
    /// r and s of the hash e, signed by d with the nonce k.
    fn sign(d: &Words, k: &Words, e: &Words) -> Option<(Words, Words)>;
    /// The other implementation's verdict.
    fn oracle(signed: &Signed) -> bool;
    /// (R - u1 G) / u2 for some point R whose x is not below the order, and that x.
    fn high_x(u1: &Words, u2: &Words) -> ([u8; 65], Words);
}

fn order<C: Scheme>() -> &'static Words {
    &<C::Order as Modulus>::M
}

fn quotient<C: Scheme>(a: &Words, b: &Words) -> Words {
    mul_mod(a, &Inverter::new(order::<C>()).invert(b), order::<C>())
}

macro_rules! high_x {
    ($krate:ident) => {
        fn high_x(u1: &Words, u2: &Words) -> ([u8; 65], Words) {
            use $krate::elliptic_curve::PrimeField;
            use $krate::elliptic_curve::sec1::{FromSec1Point, ToSec1Point};
            let scalar = |k: &Words| $krate::Scalar::from_repr(to_be_bytes(k).into()).unwrap();
            let mut x = *order::<Self>();
            let point = loop {
                x = add(&x, &[1, 0, 0, 0]).0;
                let bytes: Vec<u8> = [&[2][..], &to_be_bytes(&x)].concat();
                let encoded = $krate::Sec1Point::from_bytes(&bytes).unwrap();
                if let Some(point) = Option::<$krate::AffinePoint>::from($krate::AffinePoint::from_sec1_point(&encoded))
                {
                    break $krate::ProjectivePoint::from(point);
                }
            };
            let key = (point - $krate::ProjectivePoint::GENERATOR * scalar(u1)) * scalar(u2).invert().unwrap();
            (key.to_affine().to_sec1_point(false).as_bytes().try_into().unwrap(), x)
        }
    };
}

impl Scheme for P256 {
    type Claims = Ecdsa;

    fn craft(u1: &Words, u2: &Words, x: &Words, _: Option<&Words>) -> Option<(Words, Words, Words)> {
        let r = reduce_once(x, false, order::<Self>());
        let s = quotient::<Self>(&r, u2);
        Some((r, s, mul_mod(u1, &s, order::<Self>())))
    }

    fn sign(d: &Words, k: &Words, e: &Words) -> Option<(Words, Words)> {
        let n = order::<Self>();
        let r = reduce_once(&Self::multiple(k)?.0, false, n);
        let s = add_mod(&reduce_once(e, false, n), &mul_mod(&r, d, n), n);
        Some((r, quotient::<Self>(&s, k)))
    }

    fn oracle(signed: &Signed) -> bool {
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, signed.point).unwrap();
        let digest = Digest::import_less_safe(&to_be_bytes(&signed.e), &SHA256).unwrap();
        key.verify_digest_sig(&digest, [to_be_bytes(&signed.r), to_be_bytes(&signed.s)].as_flattened()).is_ok()
    }

    high_x!(p256);
}

impl Scheme for Sm2 {
    type Claims = Sm2Scalars;

    fn craft(u1: &Words, u2: &Words, x: &Words, e: Option<&Words>) -> Option<(Words, Words, Words)> {
        // s = u1, r = t - s, e = r - x.
        let n = order::<Self>();
        let r = sub_mod(u2, u1, n);
        let e = e.copied().unwrap_or_else(|| sub_mod(&r, &reduce_once(x, false, n), n));
        Some((r, *u1, e))
    }

    fn sign(d: &Words, k: &Words, e: &Words) -> Option<(Words, Words)> {
        let n = order::<Self>();
        let r = add_mod(&reduce_once(e, false, n), &reduce_once(&Self::multiple(k)?.0, false, n), n);
        let s = sub_mod(k, &mul_mod(&r, d, n), n);
        Some((r, quotient::<Self>(&s, &add_mod(d, &[1, 0, 0, 0], n))))
    }

    fn oracle(signed: &Signed) -> bool {
        use sm2::dsa::signature::hazmat::PrehashVerifier;
        let key = sm2::dsa::VerifyingKey::from_sec1_bytes("", &signed.point).unwrap();
        sm2::dsa::Signature::from_slice([to_be_bytes(&signed.r), to_be_bytes(&signed.s)].as_flattened())
            .is_ok_and(|signature| key.verify_prehash(&to_be_bytes(&signed.e), &signature).is_ok())
    }

    high_x!(sm2);
}

fn uncompressed<C: Scheme>(d: &Words) -> [u8; 65] {
    let (x, y) = C::multiple(d).unwrap();
    let mut out = [4; 65];
    out[1..33].copy_from_slice(&to_be_bytes(&x));
    out[33..].copy_from_slice(&to_be_bytes(&y));
    out
}

/// A signature of one of many kinds: honest, crafted by its scalars, or spoilt.
fn one<C: Scheme>(random: &mut Random, keys: &[Words]) -> Signed {
    let n = order::<C>();
    let minus = |k: u64| sub_mod(&[0; 4], &[k, 0, 0, 0], n);
    let small = |random: &mut Random| [1 + random.word() % 200, 0, 0, 0];
    let d = match random.word() % 4 {
        0 => [[1, 0, 0, 0], minus(1), minus(2), [2, 0, 0, 0]][random.word() as usize % 4],
        1 => small(random),
        _ => keys[random.word() as usize % keys.len()],
    };
    let hashes = [[0; 4], minus(1), *n, [u64::MAX; 4], add(n, &[1, 0, 0, 0]).0, [1, 0, 0, 0]];
    let point = uncompressed::<C>(&d);
    let (u1, u2) = (random.below(n), random.below(n));
    let mut signed = match random.word() % 8 {
        // Scalars that make a crafted sum: u1 G = ± u2 Q, small ones, 0.
        kind @ 0..=2 => {
            let (u1, u2) = match (kind, random.word() % 3) {
                (0, 0) => (mul_mod(&u2, &d, n), u2),
                (0, 1) => (sub_mod(&[0; 4], &mul_mod(&u2, &d, n), n), u2),
                (0, _) => ([0; 4], u2),
                (1, _) => (small(random), small(random)),
                (_, _) => (u1, [[1, 0, 0, 0], minus(1), minus(3)][random.word() as usize % 3]),
            };
            let sum = add_mod(&u1, &mul_mod(&u2, &d, n), n);
            let x = C::multiple(&sum).map_or_else(|| random.below(n), |(x, _)| x);
            let Some((r, s, e)) = C::craft(&u1, &u2, &x, None) else { unreachable!() };
            Signed { point, r, s, e }
        }
        3 => {
            let (point, x) = C::high_x(&u1, &u2);
            let (r, s, e) = C::craft(&u1, &u2, &x, None).unwrap();
            Signed { point, r, s, e }
        }
        kind => {
            let e = if kind == 4 { hashes[random.word() as usize % hashes.len()] } else { random.words() };
            let (r, s) = C::sign(&d, &u2, &e).unwrap();
            Signed { point, r, s, e }
        }
    };
    let edges = [[0; 4], [1, 0, 0, 0], minus(1), *n, add(n, &[1, 0, 0, 0]).0, [u64::MAX; 4]];
    match random.word() % 16 {
        0 => signed.r = edges[random.word() as usize % edges.len()],
        1 => signed.s = edges[random.word() as usize % edges.len()],
        2 => {
            let (r, carry) = add(&signed.r, n);
            signed.r = if carry { [u64::MAX; 4] } else { r };
        }
        3 => signed.s = sub_mod(&[0; 4], &reduce_once(&signed.s, false, n), n),
        // SM2: t = 0.
        4 => signed.s = sub_mod(&[0; 4], &reduce_once(&signed.r, false, n), n),
        5 => signed.e[random.word() as usize % 4] ^= 1 << (random.word() % 64),
        6 => signed.r[random.word() as usize % 4] ^= 1 << (random.word() % 64),
        7 => std::mem::swap(&mut signed.r, &mut signed.s),
        _ => {}
    }
    signed
}

fn run<C: Scheme>(seed: u64, count: usize) {
    let cpu = Cpu::hardware();
    if cpu.avx512_ifma().is_none() {
        return;
    }
    assert!(Decider::<C, C::Claims>::ready(cpu), "the kernels did not give their known answers");
    let mut random = Random(seed);
    let keys: Vec<Words> = (0..12).map(|_| random.below(order::<C>())).collect();
    let cases: Vec<(Signed, bool)> = (0..count)
        .map(|_| {
            let signed = one::<C>(&mut random, &keys);
            let good = C::oracle(&signed);
            (signed, good)
        })
        .collect();
    let good = cases.iter().filter(|c| c.1).count();
    assert!(good > count / 3 && good < count * 9 / 10, "{good} of {count} are good");
    let slot = |point: &[u8; 65]| {
        let (x, y) = coordinates(point);
        Slot::new(montgomery_point::<C>(&x, &y))
    };
    // Without tables, with tables from the start, and with tables that come while it runs.
    for tables in 0..3 {
        let mut slots: std::collections::HashMap<[u8; 65], Arc<Slot>> =
            cases.iter().map(|(signed, _)| (signed.point, slot(&signed.point))).collect();
        if tables == 1 {
            build_now::<C>(&slots.values().cloned().collect::<Vec<_>>());
        }
        let mut decider = Decider::<C, C::Claims>::default();
        let mut at = 0;
        let mut exceptional = 0;
        while at < cases.len() {
            let batch = &cases[at..(at + 1 + random.word() as usize % 130).min(cases.len())];
            at += batch.len();
            if tables == 0 {
                slots = batch.iter().map(|(signed, _)| (signed.point, slot(&signed.point))).collect();
            }
            decider.begin();
            for (i, (signed, _)) in batch.iter().enumerate() {
                decider.push(i, &slots[&signed.point], &[to_be_bytes(&signed.r), to_be_bytes(&signed.s)]);
            }
            decider.hash(|indices, put| {
                for (i, index) in indices.iter().enumerate() {
                    put(i, &to_be_bytes(&batch[*index].0.e));
                }
            });
            let mut verdicts = vec![Decision::False; batch.len()];
            decider.finish(cpu, false, |i, decision| verdicts[i] = decision);
            for ((signed, good), decision) in batch.iter().zip(verdicts) {
                let verdict = match decision {
                    Decision::Exceptional => {
                        exceptional += 1;
                        *good
                    }
                    decision => decision == Decision::True,
                };
                assert_eq!(
                    verdict, *good,
                    "tables {tables}: r {:x?} s {:x?} e {:x?} key {:x?}",
                    signed.r, signed.s, signed.e, signed.point
                );
            }
        }
        // Those are the crafted sums, not more.
        assert!(exceptional * 4 < count, "{exceptional} of {count} exceptional");
    }
}

/// The same, in plain code: with tables from the start, and with tables that come while it runs.
fn run_plain<C: Scheme>(seed: u64, count: usize) {
    let mut random = Random(seed);
    let keys: Vec<Words> = (0..6).map(|_| random.below(order::<C>())).collect();
    let mut slots = std::collections::HashMap::new();
    let (mut exceptional, mut without) = (0, 0);
    // Batches of 1 to 70.
    let mut batch = Vec::new();
    let mut decider = PlainDecider::<C, C::Claims>::default();
    for i in 0..count {
        let signed = one::<C>(&mut random, &keys);
        let slot = slots.entry(signed.point).or_insert_with(|| {
            let (x, y) = coordinates(&signed.point);
            let slot = Slot::new(montgomery_point::<C>(&x, &y));
            if i % 2 == 0 {
                build_plain_now::<Plain<C>>(std::slice::from_ref(&slot));
            }
            slot
        });
        batch.push((signed, slot.clone()));
        if batch.len() <= i % 70 && i + 1 < count {
            continue;
        }
        assert!(decider.begin());
        let mut decisions = vec![None; batch.len()];
        let had_table: Vec<bool> = batch.iter().map(|(_, slot)| slot.has_table()).collect();
        for (i, (signed, slot)) in batch.iter().enumerate() {
            let pair = [to_be_bytes(&signed.r), to_be_bytes(&signed.s)];
            decisions[i] = decider.push(i, slot, &pair, || to_be_bytes(&signed.e));
        }
        decider.finish(8 * batch.len(), |i, decision| {
            assert_eq!(decisions[i].replace(decision), None, "said twice");
        });
        for (((signed, _), decision), had_table) in batch.drain(..).zip(decisions).zip(had_table) {
            match decision {
                Some(Decision::Exceptional) if had_table => exceptional += 1,
                Some(Decision::Exceptional) => without += 1,
                Some(decision) => {
                    assert_eq!(decision == Decision::True, C::oracle(&signed), "{:x?}", (signed.r, signed.s, signed.e))
                }
                None => panic!("not decided"),
            }
        }
    }
    assert!(exceptional * 4 < count && without < count / 2, "{exceptional} exceptional, {without} without a table");
}

fn count() -> usize {
    if std::env::var_os("PORTCULLIS_SLOW").is_some_and(|v| v == "1") { 60_000 } else { 900 }
}

#[test]
fn crafted_ecdsa_signatures_are_judged_as_aws_lc_judges_them() {
    run::<P256>(31, count());
    run_plain::<P256>(33, count());
}

#[test]
fn crafted_sm2_signatures_are_judged_as_the_crate_judges_them() {
    run::<Sm2>(32, count());
    run_plain::<Sm2>(34, count());
}

#[test]
fn bytes_of_a_point_are_its_coordinates() {
    let point = uncompressed::<P256>(&[1, 0, 0, 0]);
    assert_eq!(
        coordinates(&point),
        (<P256 as crate::curve::Curve>::GX, from_be_bytes(point[33..].try_into().unwrap()))
    );
    assert!(!is_zero(&coordinates(&point).1));
}
