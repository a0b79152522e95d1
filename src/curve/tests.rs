//! Tables and claims of every backend against the points of the RustCrypto crates.

use super::build::Build;
use super::fresh::Fresh;
use super::many::{Known, Scratch};
use super::one::One;
use super::table::{Comb, Shape, Wide};
use super::{Claim, Curve, Decision, P256, Sm2, montgomery_point};
use crate::field::modulus::Modulus;
use crate::field::tests::{Random, mul_mod};
use crate::field::words::{Words, add_mod, from_be_bytes, lt, power_of_two, sub_mod, to_be_bytes};
use crate::lanes::{Cpu, Kernel, Lanes52, Line, Model};
use std::marker::PhantomData;

/// A curve with somebody else's arithmetic beside it.
pub trait Oracle: Curve {
    /// x and y of k G; `None` for the neutral element.
    fn multiple(k: &Words) -> Option<(Words, Words)>;
}

macro_rules! oracle {
    ($curve:ty, $krate:ident) => {
        impl Oracle for $curve {
            fn multiple(k: &Words) -> Option<(Words, Words)> {
                use $krate::elliptic_curve::PrimeField;
                use $krate::elliptic_curve::sec1::ToSec1Point;
                let k = Option::from($krate::Scalar::from_repr(to_be_bytes(k).into())).expect("below the order");
                let point = ($krate::ProjectivePoint::GENERATOR * &k).to_affine().to_sec1_point(false);
                let bytes: &[u8; 65] = point.as_bytes().try_into().ok()?;
                Some((from_be_bytes(bytes[1..33].try_into().unwrap()), from_be_bytes(bytes[33..].try_into().unwrap())))
            }
        }
    };
}

oracle!(P256, p256);
oracle!(Sm2, sm2);

fn point<C: Oracle>(k: &Words) -> Line {
    let (x, y) = C::multiple(k).unwrap();
    montgomery_point::<C>(&x, &y)
}

/// The scalar that entry `i` of subtable `j` stands for, times `d`.
fn entry_scalar<C: Curve, S: Shape>(d: &Words, j: usize, i: usize) -> Words {
    let n = &C::Order::M;
    let power = |k: usize| power_of_two(S::position(j, k) as u32, n);
    let lower = (0..S::WIDTH - 1).fold(power(S::WIDTH - 1), |sum, k| {
        if i >> k & 1 == 1 { add_mod(&sum, &power(k), n) } else { sub_mod(&sum, &power(k), n) }
    });
    mul_mod(&lower, d, n)
}

fn check_table<C: Oracle, S: Shape>(table: &S::Table, d: &Words, random: &mut Random, samples: usize) {
    for sample in 0..samples {
        let i = match sample {
            0 => 0,
            1 => S::HALF - 1,
            _ => random.word() as usize % S::HALF,
        };
        let j = random.word() as usize % S::SUBTABLES;
        assert_eq!(*S::entry(table, j, i as u16), point::<C>(&entry_scalar::<C, S>(d, j, i)), "subtable {j} entry {i}");
    }
}

/// One backend, all that it can do.
struct Backend<'a, C> {
    claims: &'a [Claim],
    /// The private key of each claim's key.
    keys: &'a [Words],
    curve: PhantomData<C>,
}

impl<C: Oracle, L: Lanes52> Kernel<L> for Backend<'_, C> {
    type Output = [Vec<Decision>; 5];

    #[inline(always)]
    fn run(self, l: L) -> Self::Output {
        let mut distinct = self.keys.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let points: Vec<Line> = distinct.iter().map(point::<C>).collect();
        let mut combs: Vec<_> = points.iter().map(|_| Comb::room()).collect();
        let mut wides: Vec<_> = points.iter().map(|_| Wide::room()).collect();
        for (points, tables) in points.chunks(8).zip(combs.chunks_mut(8)) {
            l.call(Build::<C, Comb>::new(points, &mut tables.iter_mut().map(|t| &mut **t).collect::<Vec<_>>()));
        }
        for (points, tables) in points.chunks(8).zip(wides.chunks_mut(8)) {
            l.call(Build::<C, Wide>::new(points, &mut tables.iter_mut().map(|t| &mut **t).collect::<Vec<_>>()));
        }
        let mut random = Random(11);
        for (i, d) in distinct.iter().enumerate() {
            check_table::<C, Comb>(&combs[i], d, &mut random, 12);
            check_table::<C, Wide>(&wides[i], d, &mut random, 12);
        }
        let of = |d: &Words| distinct.binary_search(d).unwrap();
        let generator = &C::generator().window10;
        let mut scratch = Scratch::default();
        let mut out = [vec![], vec![], vec![], vec![], vec![]];
        for (claim, d) in self.claims.iter().zip(self.keys) {
            let (table, generator) = (&*combs[of(d)], &*C::generator().comb);
            out[3].push(l.call(One::<C, Comb> { claim, table, generator, curve: PhantomData }));
            let (table, generator) = (&*wides[of(d)], &*C::generator().wide);
            out[4].push(l.call(One::<C, Wide> { claim, table, generator, curve: PhantomData }));
        }
        for (claims, keys) in self.claims.chunks(37).zip(self.keys.chunks(37)) {
            let mut decisions = vec![Decision::Exceptional; claims.len()];
            let tables: Vec<_> = keys.iter().map(|d| &*combs[of(d)]).collect();
            // Whatever a call before has met.
            scratch.wary = 0;
            l.call(Known::<C, Comb> {
                claims,
                tables: &tables,
                generator,
                scratch: &mut scratch,
                decisions: &mut decisions,
                curve: PhantomData,
            });
            out[0].extend_from_slice(&decisions);
            decisions.fill(Decision::Exceptional);
            let tables: Vec<_> = keys.iter().map(|d| &*wides[of(d)]).collect();
            scratch.wary = 0;
            l.call(Known::<C, Wide> {
                claims,
                tables: &tables,
                generator,
                scratch: &mut scratch,
                decisions: &mut decisions,
                curve: PhantomData,
            });
            out[1].extend_from_slice(&decisions);
            decisions.fill(Decision::Exceptional);
            let points: Vec<_> = keys.iter().map(|d| points[of(d)]).collect();
            l.call(Fresh::<C> {
                claims,
                points: &points,
                generator,
                scratch: &mut scratch,
                decisions: &mut decisions,
                curve: PhantomData,
            });
            out[2].extend_from_slice(&decisions);
        }
        out
    }
}

/// A claim with its key and its truth.
pub struct Case {
    pub claim: Claim,
    pub key: Words,
    pub truth: bool,
    /// Whether the formulas may meet an exceptional case.
    pub crafted: bool,
}

/// A claim over u1, u2 and the key d that tells x truly, or falsely in one of several ways.
pub fn case<C: Oracle>(random: &mut Random, d: &Words, u1: &Words, u2: &Words, crafted: bool) -> Case {
    let n = &C::Order::M;
    let sum = add_mod(u1, &mul_mod(u2, d, n), n);
    let other = random.below(n);
    let Some((x, _)) = C::multiple(&sum) else {
        // The neutral element has no x: every claim is false, that of 0 too.
        let x = if random.word() & 1 == 0 { [0; 4] } else { other };
        return Case { claim: Claim::new(u1, u2, &x, &x), key: *d, truth: false, crafted: true };
    };
    let (claim, truth) = match random.word() % 6 {
        0 => (Claim::new(u1, u2, &other, &other), false),
        1 => (Claim::new(u1, u2, &other, &x), true),
        2 => (Claim::new(u1, u2, &x, &other), true),
        3 => (Claim::new(u1, u2, &[0; 4], &[0; 4]), false),
        _ => (Claim::new(u1, u2, &x, &x), true),
    };
    Case { claim, key: *d, truth, crafted }
}

/// Random claims and crafted ones: small keys, small scalars, sums that vanish, scalars at the ends.
pub fn cases<C: Oracle>(seed: u64, rounds: usize) -> Vec<Case> {
    let n = &C::Order::M;
    let mut random = Random(seed);
    let minus = |k: &Words| sub_mod(&[0; 4], k, n);
    let mut out = Vec::new();
    let few: Vec<Words> = (0..5).map(|_| random.below(n)).collect();
    for _ in 0..rounds {
        let d = few[random.word() as usize % few.len()];
        let (u1, u2) = (random.below(n), random.below(n));
        out.push(case::<C>(&mut random, &d, &u1, &u2, false));
        let small = |random: &mut Random| [1 + random.word() % 300, 0, 0, 0];
        let s = small(&mut random);
        let d = match random.word() % 5 {
            0 => [1, 0, 0, 0],
            1 => minus(&[1, 0, 0, 0]),
            2 => minus(&s),
            3 => power_of_two(random.word() as u32 % 256, n),
            _ => s,
        };
        let end = [[0; 4], [1, 0, 0, 0], minus(&[1, 0, 0, 0]), minus(&[2, 0, 0, 0])];
        let (u1, u2) = match random.word() % 6 {
            0 => (minus(&mul_mod(&u2, &d, n)), u2),
            1 => (mul_mod(&u2, &d, n), u2),
            2 => (small(&mut random), small(&mut random)),
            3 => (end[random.word() as usize % 4], u2),
            4 => (u1, end[1 + random.word() as usize % 3]),
            _ => (end[random.word() as usize % 4], end[1 + random.word() as usize % 3]),
        };
        assert!(lt(&u1, n) && lt(&u2, n));
        out.push(case::<C>(&mut random, &d, &u1, &u2, true));
    }
    out
}

fn run<C: Oracle>(seed: u64) {
    let check = |cases: &[Case], decide: &dyn Fn(Backend<'_, C>) -> [Vec<Decision>; 5]| {
        let claims: Vec<Claim> = cases.iter().map(|c| c.claim).collect();
        let keys: Vec<Words> = cases.iter().map(|c| c.key).collect();
        let decisions = decide(Backend { claims: &claims, keys: &keys, curve: PhantomData });
        for (kernel, decisions) in ["comb", "wide", "fresh", "one, comb", "one, wide"].iter().zip(decisions) {
            assert_eq!(decisions.len(), cases.len());
            for (i, (case, decision)) in cases.iter().zip(decisions).enumerate() {
                let truth = if case.truth { Decision::True } else { Decision::False };
                let allowed = case.crafted && decision == Decision::Exceptional;
                assert!(
                    decision == truth || allowed,
                    "{kernel}, claim {i}: {decision:?} for {truth:?}: {:?}",
                    case.claim
                );
            }
        }
    };
    // A single exceptional case sends all of a call the way of no tree, so most of these have none, or are the only ones with it.
    let rarely_crafted = |cases: Vec<Case>| {
        let mut i = 0;
        cases
            .into_iter()
            .filter(move |case| {
                i += 1;
                !case.crafted || i % 256 == 0
            })
            .collect::<Vec<_>>()
    };
    check(&cases::<C>(seed, 20), &|backend| Model.call(backend));
    check(&rarely_crafted(cases::<C>(seed + 2, 37)), &|backend| Model.call(backend));
    if let Some(ifma) = Cpu::hardware().avx512_ifma() {
        check(&cases::<C>(seed + 1, 400), &|backend| ifma.call(backend));
        check(&rarely_crafted(cases::<C>(seed + 3, 1000)), &|backend| ifma.call(backend));
    }
}

#[test]
fn p256_claims_and_tables() {
    run::<P256>(21);
}

#[test]
fn sm2_claims_and_tables() {
    run::<Sm2>(22);
}

#[test]
fn the_generators_are_those_of_the_crates_and_their_tables_hold() {
    fn of<C: Oracle>() {
        assert_eq!(C::multiple(&[1, 0, 0, 0]), Some((C::GX, C::GY)));
        let p = &C::Field::M;
        let three = |x: &Words| add_mod(&add_mod(x, x, p), x, p);
        let x = C::GX;
        let right = add_mod(&sub_mod(&mul_mod(&mul_mod(&x, &x, p), &x, p), &three(&x), p), &C::B, p);
        assert_eq!(mul_mod(&C::GY, &C::GY, p), right);
        let tables = C::generator();
        let mut random = Random(5);
        let one = [1, 0, 0, 0];
        check_table::<C, super::table::Window10>(&tables.window10, &one, &mut random, 100);
        check_table::<C, Wide>(&tables.wide, &one, &mut random, 50);
        check_table::<C, Comb>(&tables.comb, &one, &mut random, 50);
    }
    of::<P256>();
    of::<Sm2>();
}
