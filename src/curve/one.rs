//! One claim alone, its additions spread over the lanes.
//!
//! The two scalars have 64 digits together, so 64 table entries are to be added up. Eight lie in each lane, and are added there as a tree:
//! four sums of two affine points, two of two sums, one of two. Then lanes are folded together, l with l xor 4, 2 and 1, by an addition that
//! both partners compute at once, each with its own half of the products. A comb's lane l holds column l of each byte and weighs 2^l: before
//! the folds the upper partner is doubled 4, 2 and 1 times. At the end every lane has the whole sum (up to the signs of Y and Z), lanes 0..4
//! compare it with the first candidate for x, lanes 4..8 with the second.
//!
//! An exceptional case anywhere makes Z = 0 there, and all Z after it are multiples of it: one test at the end finds it.

use std::marker::PhantomData;

use super::build::load;
use super::digits::Digits;
use super::jacobian::{Affine, Jacobian, double, groups};
use super::many::eight;
use super::table::{Shape, Spread};
use super::{Claim, Curve, Decision};
use crate::field::fe::{self, Fe, limbwise, mul, mul_add, select, square, to_montgomery, unpack, weak};
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

        // Z is a product, so below 2 p and zero only as 0 or p. x Z² - X + 2 p lies in 0.99 p .. 3.2 p: zero as p, 2 p or 3 p.
        let v = mul::<C::Field, L>(l, &square::<C::Field, L>(l, &sum.z), &x);
        let difference = fe::sub::<2, C::Field, L>(l, &v, &sum.x);
        let m = C::Field::LIMBS;
        let is =
            equals(l, &difference, m) | equals(l, &difference, multiple(m, 2)) | equals(l, &difference, multiple(m, 3));
        if equals(l, &sum.z, [0; 5]) | equals(l, &sum.z, m) != 0 {
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

/// Four points a lane: digit (lane, m) of scalar `which`, with its sign. x below p, y at most p.
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
        *out = Affine { x: a.x, y: select(l, negative, &a.y, &fe::negate::<1, C::Field, L>(l, &a.y)) };
    }
    out
}

/// Affine plus affine, x below p and y at most p: 4 multiplications and 2 squarings. Z = h.
#[inline(always)]
fn add_affine<C: Curve, L: Lanes52, const G: usize>(l: L, a: &[Affine<L>; G], b: &[Affine<L>; G]) -> [Jacobian<L>; G] {
    let p = C::Field::LIMBS;
    let h = groups!(l, |g| fe::sub::<1, C::Field, L>(l, &b[g].x, &a[g].x)); // 2
    let r = groups!(l, |g| fe::sub::<1, C::Field, L>(l, &b[g].y, &a[g].y)); // 2
    let hh = groups!(l, |g| square::<C::Field, L>(l, &h[g])); // 1.25
    let rr = groups!(l, |g| square::<C::Field, L>(l, &r[g])); // 1.25
    let v = groups!(l, |g| mul::<C::Field, L>(l, &a[g].x, &hh[g])); // 1.08
    let hhh = groups!(l, |g| mul::<C::Field, L>(l, &h[g], &hh[g])); // 1.16
    // Between 6 - 1.16 - 2.16 = 2.68 and 7.25.
    let x3 = groups!(l, |g| weak::<C::Field, L>(
        l,
        limbwise!(|I| l.add(l.sub(l.sub(rr[g][I], hhh[g][I]), l.add(v[g][I], v[g][I])), l.splat(6 * p[I])))
    ));
    let d = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &v[g], &x3[g])); // 3.08
    let minus_y = groups!(l, |g| fe::negate::<1, C::Field, L>(l, &a[g].y)); // 1
    let y3 = groups!(l, |g| mul_add::<C::Field, L>(l, &r[g], &d[g], &minus_y[g], &hhh[g])); // (2 * 3.08 + 1.16) / 16: 1.46
    let mut out = [a[0].to_jacobian::<C>(l); G];
    for g in 0..G {
        out[g] = Jacobian { x: x3[g], y: y3[g], z: h[g] }.checked::<C>(l);
    }
    out
}

/// Jacobian plus Jacobian: 11 multiplications, 4 squarings and one double product.
#[inline(always)]
fn add_full<C: Curve, L: Lanes52, const G: usize>(
    l: L,
    a: &[Jacobian<L>; G],
    b: &[Jacobian<L>; G],
) -> [Jacobian<L>; G] {
    let p = C::Field::LIMBS;
    let za = groups!(l, |g| square::<C::Field, L>(l, &a[g].z)); // 1.25
    let zb = groups!(l, |g| square::<C::Field, L>(l, &b[g].z)); // 1.25
    let ua = groups!(l, |g| mul::<C::Field, L>(l, &a[g].x, &zb[g])); // 1.08
    let ub = groups!(l, |g| mul::<C::Field, L>(l, &b[g].x, &za[g])); // 1.08
    let cb = groups!(l, |g| mul::<C::Field, L>(l, &b[g].z, &zb[g])); // 1.16
    let ca = groups!(l, |g| mul::<C::Field, L>(l, &a[g].z, &za[g])); // 1.16
    let h = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &ub[g], &ua[g])); // 3.08
    let sa = groups!(l, |g| mul::<C::Field, L>(l, &a[g].y, &cb[g])); // 2.5 * 1.16 / 16: 1.19
    let sb = groups!(l, |g| mul::<C::Field, L>(l, &b[g].y, &ca[g])); // 1.19
    let hh = groups!(l, |g| square::<C::Field, L>(l, &h[g])); // 1.60
    let r = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &sb[g], &sa[g])); // 3.19
    let zz = groups!(l, |g| mul::<C::Field, L>(l, &a[g].z, &b[g].z)); // 1.25
    let v = groups!(l, |g| mul::<C::Field, L>(l, &ua[g], &hh[g])); // 1.11
    let hhh = groups!(l, |g| mul::<C::Field, L>(l, &h[g], &hh[g])); // 1.31
    let rr = groups!(l, |g| square::<C::Field, L>(l, &r[g])); // 1.64
    let z3 = groups!(l, |g| mul::<C::Field, L>(l, &zz[g], &h[g])); // 1.25
    // Between 6 - 1.31 - 2.22 = 2.47 and 7.64.
    let x3 = groups!(l, |g| weak::<C::Field, L>(
        l,
        limbwise!(|I| l.add(l.sub(l.sub(rr[g][I], hhh[g][I]), l.add(v[g][I], v[g][I])), l.splat(6 * p[I])))
    ));
    let d = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &v[g], &x3[g])); // 3.11
    let minus_s = groups!(l, |g| fe::negate::<2, C::Field, L>(l, &sa[g])); // 2
    let y3 = groups!(l, |g| mul_add::<C::Field, L>(l, &r[g], &d[g], &minus_s[g], &hhh[g])); // (3.19 * 3.11 + 2 * 1.31) / 16: 1.79
    let mut out = *a;
    for g in 0..G {
        out[g] = Jacobian { x: x3[g], y: y3[g], z: z3[g] }.checked::<C>(l);
    }
    out
}

/// Lane l plus lane l xor `K`, in both: each computes U = X Z'² and S = Y Z'³ with its partner's Z' and takes the partner's U' and S' by a
/// swap. The partner's h and r have the other sign, so it gets the same X and the opposite Y and Z: the same point. `LAST` leaves Y out.
/// Bounds as in [`add_full`].
#[inline(always)]
fn fold<C: Curve, L: Lanes52, const K: usize, const LAST: bool>(l: L, a: &Jacobian<L>) -> Jacobian<L> {
    let p = C::Field::LIMBS;
    let other = swapped::<L, K>(l, &a.z);
    let zz = square::<C::Field, L>(l, &other);
    let u = mul::<C::Field, L>(l, &a.x, &zz);
    let c = mul::<C::Field, L>(l, &other, &zz);
    let h = fe::sub::<2, C::Field, L>(l, &swapped::<L, K>(l, &u), &u);
    let s = mul::<C::Field, L>(l, &a.y, &c);
    let hh = square::<C::Field, L>(l, &h);
    let r = fe::sub::<2, C::Field, L>(l, &swapped::<L, K>(l, &s), &s);
    let both = mul::<C::Field, L>(l, &a.z, &other);
    let rr = square::<C::Field, L>(l, &r);
    let v = mul::<C::Field, L>(l, &u, &hh);
    let hhh = mul::<C::Field, L>(l, &h, &hh);
    let z3 = mul::<C::Field, L>(l, &both, &h);
    let x3 =
        weak::<C::Field, L>(l, limbwise!(|I| l.add(l.sub(l.sub(rr[I], hhh[I]), l.add(v[I], v[I])), l.splat(6 * p[I]))));
    if LAST {
        return Jacobian { x: x3, y: x3, z: z3 }.checked::<C>(l);
    }
    let d = fe::sub::<2, C::Field, L>(l, &v, &x3);
    let minus_s = fe::negate::<2, C::Field, L>(l, &s);
    let y3 = mul_add::<C::Field, L>(l, &r, &d, &minus_s, &hhh);
    Jacobian { x: x3, y: y3, z: z3 }.checked::<C>(l)
}

#[inline(always)]
fn swapped<L: Lanes52, const K: usize>(l: L, x: &Fe<L>) -> Fe<L> {
    limbwise!(|I| l.swap::<K>(x[I]))
}

/// Doubles `times` in the lanes of `mask`.
#[inline(always)]
fn double_where<C: Curve, L: Lanes52>(l: L, a: &Jacobian<L>, times: usize, mask: u8) -> Jacobian<L> {
    let mut d = [*a];
    for _ in 0..times {
        double::<C, L, 1>(l, &mut d);
    }
    Jacobian { x: select(l, mask, &a.x, &d[0].x), y: select(l, mask, &a.y, &d[0].y), z: select(l, mask, &a.z, &d[0].z) }
}
