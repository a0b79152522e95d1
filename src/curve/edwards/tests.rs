//! Tables and claims of every backend against the arithmetic of curve25519-dalek.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;

use super::many::Known;
use super::one::One;
use super::table::{Build, Flat, entry};
use super::{BX, BY, Claim, D};
use crate::curve::line;
use crate::curve::many::Scratch;
use crate::curve::table::{Comb, Shape, Wide, Window10};
use crate::field::fe25519::P;
use crate::field::inverse::Inverter;
use crate::field::tests::{Random, mul_mod};
use crate::field::words::{Words, add_mod, sub_mod};
use crate::lanes::{Cpu, Kernel, Lanes52, Line, Model};

fn words(bytes: &[u8; 32]) -> Words {
    let mut out = [0; 4];
    for (word, bytes) in out.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    out
}

fn bytes(words: &Words) -> [u8; 32] {
    let mut out = [0; 32];
    for (bytes, word) in out.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    out
}

fn scalar(random: &mut Random) -> Scalar {
    let mut wide = [0; 64];
    wide[..32].copy_from_slice(&bytes(&random.words()));
    wide[32..].copy_from_slice(&bytes(&random.words()));
    Scalar::from_bytes_mod_order_wide(&wide)
}

/// x and y: y and the parity of x from the encoding, x from the equation x² = (y² - 1)/(d y² + 1) by way of the point's other encodings:
/// 2 x y / (1 + d x² y²) is the x of the double, so it is taken by trial of both signs of the root.
fn affine(point: &EdwardsPoint) -> (Words, Words) {
    let encoding = point.compress().to_bytes();
    let mut y = words(&encoding);
    let parity = y[3] >> 63;
    y[3] &= u64::MAX >> 1;
    let one = [1, 0, 0, 0];
    let yy = mul_mod(&y, &y, &P);
    let u = sub_mod(&yy, &one, &P);
    let v = add_mod(&mul_mod(&D, &yy, &P), &one, &P);
    let square = mul_mod(&u, &Inverter::new(&P).invert(&v), &P);
    // The root of a square a: a^((p+3)/8), or that times 2^((p-1)/4).
    let power = |a: &Words, e: &Words| {
        (0..256).rev().fold(one, |out, bit| {
            let out = mul_mod(&out, &out, &P);
            if e[bit / 64] >> (bit % 64) & 1 == 1 { mul_mod(&out, a, &P) } else { out }
        })
    };
    let root = power(&square, &[u64::MAX - 1, u64::MAX, u64::MAX, 0x0fff_ffff_ffff_ffff]);
    let other = power(&[2, 0, 0, 0], &[0xffff_ffff_ffff_fffb, u64::MAX, u64::MAX, 0x1fff_ffff_ffff_ffff]);
    let mut x = if mul_mod(&root, &root, &P) == square { root } else { mul_mod(&root, &other, &P) };
    assert_eq!(mul_mod(&x, &x, &P), square);
    if x[0] & 1 != parity {
        x = sub_mod(&[0; 4], &x, &P);
    }
    (x, y)
}

/// The scalar that entry `i` of subtable `j` stands for.
fn entry_scalar<S: Shape>(j: usize, i: usize) -> Scalar {
    let power = |k: usize| (0..S::position(j, k)).fold(Scalar::ONE, |x, _| x + x);
    (0..S::WIDTH - 1).fold(power(S::WIDTH - 1), |sum, k| if i >> k & 1 == 1 { sum + power(k) } else { sum - power(k) })
}

fn expected(point: &EdwardsPoint) -> [Words; 3] {
    let (x, y) = affine(point);
    let xy = mul_mod(&x, &y, &P);
    [add_mod(&y, &x, &P), sub_mod(&y, &x, &P), mul_mod(&add_mod(&D, &D, &P), &xy, &P)]
}

/// The point must be of odd order, for the entries' scalars are taken modulo L.
fn check_table<S: Flat>(table: &S::Niels, point: &EdwardsPoint, random: &mut Random, samples: usize) {
    let check = |(first, second): (&Line, &Line), odd: usize, point: &EdwardsPoint| {
        let [plus, minus, product] = expected(point);
        assert_eq!((first.0[..4].to_vec(), first.0[4..].to_vec()), (plus.to_vec(), minus.to_vec()));
        assert_eq!(second.0[4 * odd..][..4], product);
    };
    for sample in 0..samples {
        let i = match sample {
            0 => 0,
            1 => S::HALF - 1,
            _ => random.word() as usize % S::HALF,
        };
        let j = random.word() as usize % S::SUBTABLES;
        check(entry::<S>(table, j, i as u16), i & 1, &(point * entry_scalar::<S>(j, i)));
    }
    let lines = table.as_ref();
    check((&lines[S::ENTRIES], &lines[S::ENTRIES + 1 + S::ENTRIES / 2]), 0, point);
}

struct Case {
    key: usize,
    claim: Claim,
    good: bool,
}

/// One backend, all that it can do.
struct Backend<'a> {
    keys: &'a [EdwardsPoint],
    cases: &'a [Case],
    samples: usize,
}

impl<L: Lanes52> Kernel<L> for Backend<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, l: L) {
        let points: Vec<Line> = self
            .keys
            .iter()
            .map(|key| {
                let (x, y) = affine(&-key);
                line(&x, &y)
            })
            .collect();
        let mut combs: Vec<_> = points.iter().map(|_| Comb::flat_room()).collect();
        let mut wides: Vec<_> = points.iter().map(|_| Wide::flat_room()).collect();
        for (points, tables) in points.chunks(8).zip(combs.chunks_mut(8)) {
            let out = &mut tables.iter_mut().map(|t| &mut **t).collect::<Vec<_>>();
            l.call(Build::<Comb> { points, out });
        }
        for (points, tables) in points.chunks(8).zip(wides.chunks_mut(8)) {
            let out = &mut tables.iter_mut().map(|t| &mut **t).collect::<Vec<_>>();
            l.call(Build::<Wide> { points, out });
        }
        let mut random = Random(77);
        for (i, key) in self.keys.iter().enumerate().filter(|(_, key)| key.is_torsion_free()) {
            check_table::<Comb>(&combs[i], &-key, &mut random, self.samples);
            check_table::<Wide>(&wides[i], &-key, &mut random, self.samples);
        }
        let (base, base_comb, base_wide) = (Window10::base(), Comb::base(), Wide::base());
        let mut scratch = Scratch::default();
        for (chunk, cases) in self.cases.chunks(37).enumerate() {
            let claims: Vec<Claim> = cases.iter().map(|case| case.claim).collect();
            let mut good = vec![false; claims.len()];
            let tables: Vec<_> = cases.iter().map(|case| &*combs[case.key]).collect();
            l.call(Known::<Comb> { claims: &claims, tables: &tables, base, scratch: &mut scratch, good: &mut good });
            let mut wide = vec![false; claims.len()];
            let tables: Vec<_> = cases.iter().map(|case| &*wides[case.key]).collect();
            l.call(Known::<Wide> { claims: &claims, tables: &tables, base, scratch: &mut scratch, good: &mut wide });
            for (i, case) in cases.iter().enumerate() {
                let claim = &case.claim;
                let (comb_table, wide_table) = (&*combs[case.key], &*wides[case.key]);
                let one = l.call(One::<Comb> { claim, table: comb_table, base: base_comb });
                let one_wide = l.call(One::<Wide> { claim, table: wide_table, base: base_wide });
                assert_eq!([good[i], wide[i], one, one_wide], [case.good; 4], "chunk {chunk}, {i}: {claim:x?}");
            }
        }
    }
}

fn cases(random: &mut Random, keys: &[EdwardsPoint], count: usize) -> Vec<Case> {
    (0..count)
        .map(|i| {
            let key = random.word() as usize % keys.len();
            let mut digest = [0; 64];
            digest[..32].copy_from_slice(&bytes(&random.words()));
            digest[32..].copy_from_slice(&bytes(&random.words()));
            match random.word() % 8 {
                0 => digest.fill(0),
                1 => digest.fill(0xff),
                2 => digest[1..].fill(0),
                _ => {}
            }
            let h = Scalar::from_bytes_mod_order_wide(&digest);
            let s = match random.word() % 8 {
                0 => Scalar::ZERO,
                1 => Scalar::ONE,
                2 => -Scalar::ONE,
                _ => scalar(random),
            };
            // S B - h A, with the integer h: a key may have a torsion component.
            let sum = EdwardsPoint::mul_base(&s) - integer_multiple(&keys[key], &h);
            let torsion = EIGHT_TORSION[1 + i % 7];
            let (r, good) = match random.word() % 6 {
                // The sum and a point of low order: good if there were a cofactor.
                0 => ((sum + torsion).compress().to_bytes(), false),
                1 => {
                    let mut r = sum.compress().to_bytes();
                    r[random.word() as usize % 32] ^= 1 << (random.word() % 8);
                    (r, false)
                }
                2 => (torsion.compress().to_bytes(), sum == torsion),
                _ => (sum.compress().to_bytes(), true),
            };
            let mut wide = [0; 8];
            for (word, bytes) in wide.iter_mut().zip(digest.as_chunks::<8>().0) {
                *word = u64::from_le_bytes(*bytes);
            }
            Case { key, claim: Claim { signature: line(&words(&r), &words(s.as_bytes())), digest: Line(wide) }, good }
        })
        .collect()
}

/// By doubling and adding: the crate's own multiplication may replace a scalar by a congruent one.
fn integer_multiple(point: &EdwardsPoint, k: &Scalar) -> EdwardsPoint {
    let bits = words(k.as_bytes());
    (0..256).rev().fold(EdwardsPoint::default(), |sum, bit| {
        let sum = sum + sum;
        if bits[bit / 64] >> (bit % 64) & 1 == 1 { sum + point } else { sum }
    })
}

#[test]
fn claims_and_tables_agree_with_the_crate() {
    let mut random = Random(5);
    // Honest keys, keys with a torsion component, the base point and its negative.
    let mut keys: Vec<EdwardsPoint> = (0..4).map(|_| EdwardsPoint::mul_base(&scalar(&mut random))).collect();
    keys.extend([EdwardsPoint::mul_base(&Scalar::ONE), EdwardsPoint::mul_base(&-Scalar::ONE)]);
    for torsion in [EIGHT_TORSION[1], EIGHT_TORSION[2], EIGHT_TORSION[4], EIGHT_TORSION[7]] {
        keys.push(EdwardsPoint::mul_base(&scalar(&mut random)) + torsion);
    }
    let few = cases(&mut random, &keys, 24);
    let many = cases(&mut random, &keys, 600);
    for cases in [&few, &many] {
        let good = cases.iter().filter(|case| case.good).count();
        assert!(good > cases.len() / 4 && good < cases.len() * 4 / 5);
    }
    Model.call(Backend { keys: &keys[3..9], cases: &few_keys(&few, 3, 6), samples: 2 });
    if let Some(ifma) = Cpu::hardware().avx512_ifma() {
        ifma.call(Backend { keys: &keys, cases: &many, samples: 12 });
    }
}

/// Those cases whose keys are among `count` from `from` on.
fn few_keys(cases: &[Case], from: usize, count: usize) -> Vec<Case> {
    let of = |case: &Case| case.key.checked_sub(from).filter(|key| *key < count);
    cases.iter().filter_map(|c| of(c).map(|key| Case { key, claim: c.claim, good: c.good })).collect()
}

#[test]
fn the_base_point_is_that_of_the_crate_and_its_tables_hold() {
    let base = EdwardsPoint::mul_base(&Scalar::ONE);
    assert_eq!(affine(&base), (BX, BY));
    assert_eq!(CompressedEdwardsY(bytes(&BY)).decompress(), Some(base));
    // d = -121665/121666
    assert_eq!(add_mod(&mul_mod(&D, &[121_666, 0, 0, 0], &P), &[121_665, 0, 0, 0], &P), [0; 4]);
    let mut random = Random(6);
    check_table::<Window10>(Window10::base(), &base, &mut random, 60);
    check_table::<Wide>(Wide::base(), &base, &mut random, 40);
    check_table::<Comb>(Comb::base(), &base, &mut random, 40);
}
