//! One claim alone, its additions spread over the lanes.
//!
//! The two scalars have 64 digits together, so 64 table entries are to be added up. Eight lie in each lane, and are added there as a tree:
//! four sums of two affine points, two of two sums, one of two. Then lanes are folded together, l with l xor 4, 2 and 1, by an addition that
//! both partners compute at once, each with its own half of the products. A comb's lane l holds column l of each byte and weighs 2^l: before
//! the folds the upper partner is doubled 4, 2 and 1 times. At the end every lane has the whole sum, lanes 0..4 compare it with the first
//! candidate for x, lanes 4..8 with the second.
//!
//! What is to be had alone is late rather than much: each addition waits for the one before. Sums are therefore kept as (X, Y, ZZ, ZZZ), which stands for
//! (X/ZZ, Y/ZZZ) with ZZ³ = ZZZ²: an addition is four multiplications deep, where one in Jacobian coordinates is five (Z², Z³, Y Z³, r², r d).
//!
//! An exceptional case anywhere makes ZZ = 0 there, and all ZZ after it are multiples of it: one test at the end finds it.

use std::marker::PhantomData;

use super::build::load;
use super::digits::Digits;
use super::jacobian::{Affine, groups};
use super::many::eight;
use super::table::{Shape, Spread};
use super::{Claim, Curve, Decision};
use crate::field::fe::{
    self, Fe, carry, check, limbwise, mul, mul_add, mul_add_eight_squares, mul_loose, select, square, square_loose,
    to_montgomery, unpack, weak,
};
use crate::field::modulus::Modulus;
use crate::field::words::Limbs;
use crate::lanes::{Kernel, Lanes52, MASK52};

/// A claim, the table of its key, and the generator's of the same shape.
pub struct One<'a, C, S: Shape> {
    /// The claim.
    pub claim: &'a Claim,
    /// The key's table.
    pub table: &'a S::Table,
    /// The generator's table.
    pub generator: &'a S::Table,
    /// The curve.
    pub curve: PhantomData<C>,
}

/// `k M`, carried.
const fn multiple(limbs: Limbs, k: u64) -> Limbs {
    let (mut out, mut carry, mut i) = ([0; 5], 0, 0);
    while i < 5 {
        let sum = limbs[i] * k + carry;
        (out[i], carry, i) = (sum & MASK52, sum >> 52, i + 1);
    }
    out
}

/// Lanes in which normal limbs are those of `c`.
#[inline(always)]
fn equals<L: Lanes52>(l: L, a: &Fe<L>, c: Limbs) -> u8 {
    let mut is = 0xff;
    for i in 0..5 {
        is &= l.eq(a[i], l.splat(c[i]));
    }
    is
}

impl<C: Curve, S: Spread, L: Lanes52> Kernel<L> for One<'_, C, S> {
    type Output = Decision;

    #[inline(always)]
    fn run(self, l: L) -> Decision {
        // u1 in lane 0, u2 in lane 1; the other lanes repeat u2.
        let w = l.lines([
            &self.claim.scalars,
            &self.claim.scalars,
            &self.claim.scalars,
            &self.claim.scalars,
            &self.claim.x,
            &self.claim.x,
            &self.claim.x,
            &self.claim.x,
        ]);
        let u = unpack(l, limbs4(l, 0xfe, &w));
        let mut digits = Digits::EMPTY;
        S::digits::<C, L>(l, &u, &mut digits);
        // Lanes 4..8 of the lines hold the candidates: swapped down, and the second ones blended in.
        let mut x = [l.splat(0); 4];
        for i in 0..4 {
            x[i] = l.select(0xf0, l.swap::<4>(w[i]), w[4 + i]);
        }
        let x = to_montgomery::<C::Field, L>(l, &unpack(l, x));

        let of_generator = points::<C, S, L>(l, self.generator, &digits, 0);
        let of_key = points::<C, S, L>(l, self.table, &digits, 1);
        let [a, b, c, d] = of_key;
        let [e, f, g, h] = of_generator;
        let key = add_affine::<C, L, 2>(l, &[a, c], &[b, d]);
        let generator = add_affine::<C, L, 2>(l, &[e, g], &[f, h]);
        let both = add_full::<C, L, 2>(l, &key, &generator);
        let [mut sum] = add_full::<C, L, 1>(l, &[both[0]], &[both[1]]);
        if S::ROUNDS > 1 {
            sum = double_where::<C, L>(l, &sum, 4, 0xf0);
        }
        sum = fold::<C, L, 4, false>(l, &sum);
        if S::ROUNDS > 1 {
            sum = double_where::<C, L>(l, &sum, 2, 0xcc);
        }
        sum = fold::<C, L, 2, false>(l, &sum);
        if S::ROUNDS > 1 {
            sum = double_where::<C, L>(l, &sum, 1, 0xaa);
        }
        sum = fold::<C, L, 1, true>(l, &sum);

        // ZZ is a product, so below 2 p and zero only as 0 or p. x ZZ - X + 2 p lies in 0.99 p .. 3.2 p: zero as p, 2 p or 3 p.
        let v = mul_loose::<C::Field, L>(l, &sum.zz, &x);
        let difference = fe::sub::<2, C::Field, L>(l, &v, &sum.x);
        let m = C::Field::LIMBS;
        let is =
            equals(l, &difference, m) | equals(l, &difference, multiple(m, 2)) | equals(l, &difference, multiple(m, 3));
        if equals(l, &sum.zz, [0; 5]) | equals(l, &sum.zz, m) != 0 {
            Decision::Exceptional
        } else if is != 0 {
            Decision::True
        } else {
            Decision::False
        }
    }
}

/// The low four vectors, with the high four in the lanes of `mask`.
#[inline(always)]
fn limbs4<L: Lanes52>(l: L, mask: u8, w: &[L::V; 8]) -> [L::V; 4] {
    let mut out = [l.splat(0); 4];
    for i in 0..4 {
        // Only lanes 0..4 hold scalars; lanes above take theirs by the swap.
        let high = l.select(0xf0, w[4 + i], l.swap::<4>(w[4 + i]));
        out[i] = l.select(mask, w[i], high);
    }
    out
}

/// Four points a lane: digit (lane, m) of scalar `which`, with its sign. x below p, y at most p, its limbs not carried.
#[inline(always)]
fn points<C: Curve, S: Spread, L: Lanes52>(l: L, table: &S::Table, digits: &Digits, which: usize) -> [Affine<L>; 4] {
    let mut out = [Affine { x: fe::zero(l), y: fe::zero(l) }; 4];
    for (m, out) in out.iter_mut().enumerate() {
        let entry = |lane: usize| {
            let (at, j) = S::spread(lane, m);
            S::entry(table, j, digits.index[at][which])
        };
        let mut negative = 0;
        for lane in 0..8 {
            negative |= (digits.negative[S::spread(lane, m).0] >> which & 1) << lane;
        }
        let a = load(l, eight!(|LANE| entry(LANE)));
        let minus = limbwise!(|I| l.sub(l.splat(C::Field::LIMBS[I]), a.y[I]));
        *out = Affine { x: a.x, y: select(l, negative, &a.y, &minus) };
    }
    out
}

/// Eight points (X/ZZ, Y/ZZZ).
#[derive(Clone, Copy)]
struct Sum<L: Lanes52> {
    /// Below 1.01 p.
    x: Fe<L>,
    /// Below 2.5 p.
    y: Fe<L>,
    /// Below 1.5 p; a multiple of p where an exceptional case was met.
    zz: Fe<L>,
    /// Below 1.5 p.
    zzz: Fe<L>,
}

impl<L: Lanes52> Sum<L> {
    /// Checks the invariant, in debug builds.
    #[inline(always)]
    fn checked<C: Curve>(self, l: L) -> Self {
        check::<C::Field, L>(l, &self.x, 101);
        check::<C::Field, L>(l, &self.y, 250);
        check::<C::Field, L>(l, &self.zz, 150);
        check::<C::Field, L>(l, &self.zzz, 150);
        self
    }
}

/// Affine plus affine, x below p and y at most p: 3 multiplications, 2 squarings, one double product.
#[inline(always)]
fn add_affine<C: Curve, L: Lanes52, const G: usize>(l: L, a: &[Affine<L>; G], b: &[Affine<L>; G]) -> [Sum<L>; G] {
    let p = C::Field::LIMBS;
    let h = groups!(l, |g| fe::sub::<1, C::Field, L>(l, &b[g].x, &a[g].x)); // 2
    let r = groups!(l, |g| fe::sub::<1, C::Field, L>(l, &b[g].y, &a[g].y)); // 2
    let hh = groups!(l, |g| square::<C::Field, L>(l, &h[g])); // 1.25
    let rr = groups!(l, |g| square_loose::<C::Field, L>(l, &r[g])); // 1.25
    let v = groups!(l, |g| mul_loose::<C::Field, L>(l, &a[g].x, &hh[g])); // 1.08
    let hhh = groups!(l, |g| mul::<C::Field, L>(l, &h[g], &hh[g])); // 1.16
    // Between 6 - 1.16 - 2.16 = 2.68 and 7.25.
    let x3 = groups!(l, |g| weak::<C::Field, L>(
        l,
        limbwise!(|I| l.add(l.sub(l.sub(rr[g][I], hhh[g][I]), l.add(v[g][I], v[g][I])), l.splat(6 * p[I])))
    ));
    let d = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &v[g], &x3[g])); // 3.08
    let minus_y = groups!(l, |g| fe::negate::<1, C::Field, L>(l, &a[g].y)); // 1
    let y3 = groups!(l, |g| mul_add::<C::Field, L>(l, &r[g], &d[g], &minus_y[g], &hhh[g])); // (2 * 3.08 + 1.16) / 16: 1.46
    let mut out = [Sum { x: hh[0], y: hh[0], zz: hh[0], zzz: hh[0] }; G];
    for g in 0..G {
        out[g] = Sum { x: x3[g], y: y3[g], zz: hh[g], zzz: hhh[g] }.checked::<C>(l);
    }
    out
}

/// Sum plus sum: 10 multiplications, 2 squarings and one double product.
///
/// With U = X ZZ', S = Y ZZZ' (and U', S' the other way round), P = U' - U and R = S' - S: X3 = R² - P³ - 2 U P², Y3 = R (U P² - X3) - S P³,
/// ZZ3 = ZZ ZZ' P², ZZZ3 = ZZZ ZZZ' P³.
#[inline(always)]
fn add_full<C: Curve, L: Lanes52, const G: usize>(l: L, a: &[Sum<L>; G], b: &[Sum<L>; G]) -> [Sum<L>; G] {
    let ua = groups!(l, |g| mul_loose::<C::Field, L>(l, &a[g].x, &b[g].zz)); // 1.01 * 1.5 / 16: 1.10
    let ub = groups!(l, |g| mul_loose::<C::Field, L>(l, &b[g].x, &a[g].zz)); // 1.10
    let sa = groups!(l, |g| mul_loose::<C::Field, L>(l, &a[g].y, &b[g].zzz)); // 2.5 * 1.5 / 16: 1.24
    let sb = groups!(l, |g| mul_loose::<C::Field, L>(l, &b[g].y, &a[g].zzz)); // 1.24
    let zz = groups!(l, |g| mul::<C::Field, L>(l, &a[g].zz, &b[g].zz)); // 1.5 * 1.5 / 16: 1.15
    let zzz = groups!(l, |g| mul::<C::Field, L>(l, &a[g].zzz, &b[g].zzz)); // 1.15
    let h = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &ub[g], &ua[g])); // 3.10
    let r = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &sb[g], &sa[g])); // 3.24
    let u = groups!(l, |g| carry(l, ua[g]));
    finish::<C, L, G, false>(l, &u, &sa, [&h, &r], [&zz, &zzz])
}

/// The rest of an addition, of U, S (with loose limbs), P, R, ZZ ZZ' and ZZZ ZZZ'. `LAST` leaves Y and ZZZ out.
#[inline(always)]
fn finish<C: Curve, L: Lanes52, const G: usize, const LAST: bool>(
    l: L,
    u: &[Fe<L>; G],
    s: &[Fe<L>; G],
    [h, r]: [&[Fe<L>; G]; 2],
    [zz, zzz]: [&[Fe<L>; G]; 2],
) -> [Sum<L>; G] {
    let p = C::Field::LIMBS;
    let hh = groups!(l, |g| square::<C::Field, L>(l, &h[g])); // 3.10² / 16: 1.61
    let rr = groups!(l, |g| square_loose::<C::Field, L>(l, &r[g])); // 3.24² / 16: 1.66
    let v = groups!(l, |g| mul_loose::<C::Field, L>(l, &u[g], &hh[g])); // 1.10 * 1.61 / 16: 1.12
    let hhh = groups!(l, |g| mul::<C::Field, L>(l, &h[g], &hh[g])); // 3.10 * 1.61 / 16: 1.32
    let zz3 = groups!(l, |g| mul::<C::Field, L>(l, &zz[g], &hh[g])); // 1.15 * 1.61 / 16: 1.12
    // Between 6 - 1.32 - 2.24 = 2.44 and 7.66.
    let x3 = groups!(l, |g| weak::<C::Field, L>(
        l,
        limbwise!(|I| l.add(l.sub(l.sub(rr[g][I], hhh[g][I]), l.add(v[g][I], v[g][I])), l.splat(6 * p[I])))
    ));
    let (mut y3, mut zzz3) = (x3, zz3);
    if !LAST {
        zzz3 = groups!(l, |g| mul::<C::Field, L>(l, &zzz[g], &hhh[g])); // 1.15 * 1.32 / 16: 1.10
        let minus_s = groups!(l, |g| fe::negate::<2, C::Field, L>(l, &s[g])); // 2
        let d = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &v[g], &x3[g])); // 3.12
        y3 = groups!(l, |g| mul_add::<C::Field, L>(l, &r[g], &d[g], &minus_s[g], &hhh[g])); // (3.24 * 3.12 + 2 * 1.32) / 16: 1.80
    }
    let mut out = [Sum { x: x3[0], y: y3[0], zz: zz3[0], zzz: zzz3[0] }; G];
    for g in 0..G {
        out[g] = Sum { x: x3[g], y: y3[g], zz: zz3[g], zzz: zzz3[g] }.checked::<C>(l);
    }
    out
}

/// Lane l plus lane l xor `K`, in both: each computes U = X ZZ' and S = Y ZZZ' with its partner's ZZ' and ZZZ' and takes the partner's U' and
/// S' by a swap. The partner's P and R have the other sign, so it gets the same X and ZZ and the opposite Y and ZZZ: the same point. `LAST`
/// leaves Y and ZZZ out. Bounds as in [`add_full`].
#[inline(always)]
fn fold<C: Curve, L: Lanes52, const K: usize, const LAST: bool>(l: L, a: &Sum<L>) -> Sum<L> {
    let (zz, zzz) = (swapped::<L, K>(l, &a.zz), swapped::<L, K>(l, &a.zzz));
    let u = mul_loose::<C::Field, L>(l, &a.x, &zz);
    let s = mul_loose::<C::Field, L>(l, &a.y, &zzz);
    let h = fe::sub::<2, C::Field, L>(l, &swapped::<L, K>(l, &u), &u);
    let r = fe::sub::<2, C::Field, L>(l, &swapped::<L, K>(l, &s), &s);
    let both = mul::<C::Field, L>(l, &a.zz, &zz);
    let thrice = if LAST { both } else { mul::<C::Field, L>(l, &a.zzz, &zzz) };
    let [sum] = finish::<C, L, 1, LAST>(l, &[carry(l, u)], &[s], [&[h], &[r]], [&[both], &[thrice]]);
    sum
}

#[inline(always)]
fn swapped<L: Lanes52, const K: usize>(l: L, x: &Fe<L>) -> Fe<L> {
    limbwise!(|I| l.swap::<K>(x[I]))
}

/// Doubles `times` in the lanes of `mask`.
#[inline(always)]
fn double_where<C: Curve, L: Lanes52>(l: L, a: &Sum<L>, times: usize, mask: u8) -> Sum<L> {
    let mut d = *a;
    for _ in 0..times {
        d = l.call(Double::<C, L> { a: &d, curve: PhantomData });
    }
    Sum {
        x: select(l, mask, &a.x, &d.x),
        y: select(l, mask, &a.y, &d.y),
        zz: select(l, mask, &a.zz, &d.zz),
        zzz: select(l, mask, &a.zzz, &d.zzz),
    }
}

/// With γ = Y², β = X γ, α = 3 (X - ZZ)(X + ZZ): X3 = α² - 8 β, Y3 = α (4 β - X3) - 8 γ², ZZ3 = 4 γ ZZ, ZZZ3 = 8 Y γ ZZZ. Computed are -Y3 and
/// -ZZZ3, which is the same point.
struct Double<'a, C, L: Lanes52> {
    a: &'a Sum<L>,
    curve: PhantomData<C>,
}

impl<C: Curve, L: Lanes52> Kernel<L> for Double<'_, C, L> {
    type Output = Sum<L>;

    #[inline(always)]
    fn run(self, l: L) -> Sum<L> {
        let (a, p) = (self.a, C::Field::LIMBS);
        let gamma = square::<C::Field, L>(l, &a.y); // 2.5² / 16: 1.40
        let minus = fe::sub::<2, C::Field, L>(l, &a.x, &a.zz); // 3.01
        let plus = carry(l, limbwise!(|I| l.add(a.x[I], a.zz[I]))); // 2.51
        let m = mul_loose::<C::Field, L>(l, &minus, &plus); // 3.01 * 2.51 / 16: 1.48
        let alpha = carry(l, limbwise!(|I| l.add(m[I], l.add(m[I], m[I])))); // 4.44
        let beta = mul_loose::<C::Field, L>(l, &a.x, &gamma); // 1.01 * 1.40 / 16: 1.09
        let aa = square_loose::<C::Field, L>(l, &alpha); // 4.44² / 16: 2.24
        let gamma_zz = mul::<C::Field, L>(l, &gamma, &a.zz); // 1.40 * 1.5 / 16: 1.14
        let zz3 = weak::<C::Field, L>(l, limbwise!(|I| l.shl::<2>(gamma_zz[I])));
        let y_gamma = mul_loose::<C::Field, L>(l, &a.y, &gamma); // 2.5 * 1.40 / 16: 1.22
        // 11 p - 8 y γ: between 1.24 and 11.
        let w = weak::<C::Field, L>(l, limbwise!(|I| l.sub(l.splat(11 * p[I]), l.shl::<3>(y_gamma[I]))));
        let zzz3 = mul::<C::Field, L>(l, &w, &a.zzz); // 1.01 * 1.5 / 16: 1.10
        // Between 10 - 8.72 = 1.28 and 12.24.
        let x3 = weak::<C::Field, L>(l, limbwise!(|I| l.add(l.sub(aa[I], l.shl::<3>(beta[I])), l.splat(10 * p[I]))));
        // Between 5 - 4.36 = 0.64 and 6.01.
        let d = weak::<C::Field, L>(l, limbwise!(|I| l.add(l.sub(x3[I], l.shl::<2>(beta[I])), l.splat(5 * p[I]))));
        let y3 = mul_add_eight_squares::<C::Field, L>(l, &alpha, &d, &gamma); // (4.44 * 1.01 + 8 * 1.40²) / 16: 2.27
        Sum { x: x3, y: y3, zz: zz3, zzz: zzz3 }.checked::<C>(l)
    }
}
