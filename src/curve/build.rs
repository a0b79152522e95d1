//! Building of tables, for eight points at once, one a lane.
//!
//! 1. The powers 2^i Q, by doubling in Jacobian coordinates; those that the shape needs are kept and brought to affine form under one
//!    inversion.
//! 2. In each subtable entry 0 is the power at the highest position less those at the lower ones. Bit k of an entry's number turns
//!    -2^(e_k) Q into +2^(e_k) Q, that is, adds 2^(e_k + 1) Q. So the table doubles in size level by level: entries 2^k .. 2^(k+1) are
//!    entries 0 .. 2^k plus 2^(e_k + 1) Q, affine additions (6 multiplications each) that share one inversion a level.
//!
//! **No exceptional case.** Every sum and difference that occurs is m Q with |m| = 2^a * b, 0 < b < 2^11 (windows), or 0 < |m| < 2^250 (comb:
//! sums of distinct signed powers), never a multiple of the order, which is a prime above 2^255. So no two points that are added are equal
//! or opposite, and no inversion meets a zero. The points must be on the curve and not the neutral element; that is checked where keys are
//! imported.

use super::Curve;
use super::jacobian::{Affine, Jacobian, add_mixed, double, groups};
use super::table::Shape;
use crate::field::fe::{self, Fe, limbwise, mul, mul_loose, square, square_loose, weak};
use crate::field::inverse::invert_lanes;
use crate::field::modulus::Modulus;
use crate::lanes::{Kernel, Lanes52, Line};
use std::marker::PhantomData;

/// The kernel: points in Montgomery form (see [`super::montgomery_point`]) to tables.
pub struct Build<'a, 'b, C, S: Shape> {
    points: &'a [Line],
    out: &'a mut [&'b mut S::Table],
    curve: PhantomData<C>,
}

impl<'a, 'b, C: Curve, S: Shape> Build<'a, 'b, C, S> {
    /// Tables for `points`, at most eight, as many as `out` has room for.
    #[must_use]
    pub fn new(points: &'a [Line], out: &'a mut [&'b mut S::Table]) -> Self {
        Self { points, out, curve: PhantomData }
    }
}

impl<C: Curve, S: Shape, L: Lanes52> Kernel<L> for Build<'_, '_, C, S> {
    type Output = ();

    #[inline(always)]
    fn run(self, l: L) {
        let Some(first) = self.points.first() else { return };
        // Lanes without a point of their own compute the first one's table, which is then not stored.
        let points: [&Line; 8] = std::array::from_fn(|lane| self.points.get(lane).unwrap_or(first));
        let powers = l.call(Powers::<C, S> { points, curve: PhantomData });
        if S::SUBTABLES.is_multiple_of(4) {
            for j in (0..S::SUBTABLES).step_by(4) {
                l.call(Subtables::<C, S, L, 4> { powers: &powers, j, out: &mut *self.out, curve: PhantomData });
            }
        } else {
            for j in (0..S::SUBTABLES).step_by(2) {
                l.call(Subtables::<C, S, L, 2> { powers: &powers, j, out: &mut *self.out, curve: PhantomData });
            }
        }
    }
}

/// Affine points by the power of two that they are; `None` where the shape needs none.
struct Powers<'a, C, S> {
    points: [&'a Line; 8],
    curve: PhantomData<(C, S)>,
}

impl<C: Curve, S: Shape, L: Lanes52> Kernel<L> for Powers<'_, C, S> {
    type Output = Vec<Option<Affine<L>>>;

    #[inline(always)]
    fn run(self, l: L) -> Self::Output {
        let mut wanted = vec![false; S::POWERS + 1];
        for j in 0..S::SUBTABLES {
            for k in 0..S::WIDTH {
                wanted[S::position(j, k)] = true;
                if k + 1 < S::WIDTH {
                    wanted[S::position(j, k) + 1] = true;
                }
            }
        }
        let mut a = [load(l, self.points).to_jacobian::<C>(l)];
        let mut kept = Vec::with_capacity(S::POWERS);
        for (i, wanted) in wanted[..S::POWERS].iter().enumerate() {
            if *wanted {
                kept.push(a[0]);
            }
            if i + 1 < S::POWERS {
                double::<C, L, 1>(l, &mut a);
            }
        }
        let mut affine = l.call(Normalize::<C, L> { points: &kept, curve: PhantomData }).into_iter();
        wanted[..S::POWERS].iter().map(|w| if *w { affine.next() } else { None }).collect()
    }
}

/// Loads eight packed affine points.
#[inline(always)]
pub fn load<L: Lanes52>(l: L, points: [&Line; 8]) -> Affine<L> {
    let w = l.lines(points);
    Affine { x: fe::unpack(l, [w[0], w[1], w[2], w[3]]), y: fe::unpack(l, [w[4], w[5], w[6], w[7]]) }
}

/// Packs eight affine points, both coordinates brought below p.
#[inline(always)]
pub fn store<C: Curve, L: Lanes52>(l: L, a: &Affine<L>) -> [Line; 8] {
    let x = fe::pack(l, &fe::canonical::<C::Field, L>(l, &a.x));
    let y = fe::pack(l, &fe::canonical::<C::Field, L>(l, &a.y));
    l.unlines([x[0], x[1], x[2], x[3], y[0], y[1], y[2], y[3]])
}

/// Jacobian points, none of them exceptional, to affine ones, under one inversion.
pub struct Normalize<'a, C, L: Lanes52> {
    /// The points.
    pub points: &'a [Jacobian<L>],
    /// The curve.
    pub curve: PhantomData<C>,
}

impl<C: Curve, L: Lanes52> Kernel<L> for Normalize<'_, C, L> {
    type Output = Vec<Affine<L>>;

    #[inline(always)]
    fn run(self, l: L) -> Self::Output {
        // products[i] = z_0 .. z_(i-1)
        let mut products = Vec::with_capacity(self.points.len());
        let mut product = fe::constant(l, C::Field::ONE);
        for point in self.points {
            products.push(product);
            product = mul::<C::Field, L>(l, &product, &point.z);
        }
        let mut inverse = invert_lanes::<C::Field, L>(l, &product);
        let mut out = Vec::with_capacity(self.points.len());
        for (point, product) in self.points.iter().zip(&products).rev() {
            let z = mul::<C::Field, L>(l, &inverse, product);
            inverse = mul::<C::Field, L>(l, &inverse, &point.z);
            out.push(scale::<C, L>(l, point, &z));
        }
        out.reverse();
        out
    }
}

/// (X z², Y z³) for z = 1/Z.
#[inline(always)]
pub fn scale<C: Curve, L: Lanes52>(l: L, point: &Jacobian<L>, z: &Fe<L>) -> Affine<L> {
    let zz = square::<C::Field, L>(l, z);
    let zzz = mul::<C::Field, L>(l, &zz, z);
    Affine {
        x: weak::<C::Field, L>(l, mul::<C::Field, L>(l, &point.x, &zz)),
        y: weak::<C::Field, L>(l, mul::<C::Field, L>(l, &point.y, &zzz)),
    }
}

/// `K` subtables from the `j`-th on, whose additions go hand in hand.
struct Subtables<'a, 'o, 'b, C, S: Shape, L: Lanes52, const K: usize> {
    powers: &'a [Option<Affine<L>>],
    j: usize,
    out: &'o mut [&'b mut S::Table],
    curve: PhantomData<C>,
}

impl<C: Curve, S: Shape, L: Lanes52, const K: usize> Subtables<'_, '_, '_, C, S, L, K> {
    /// 2^(position + above) Q of each subtable.
    #[inline(always)]
    fn power(&self, l: L, k: usize, above: usize) -> [Affine<L>; K] {
        let mut out = [Affine { x: fe::zero(l), y: fe::zero(l) }; K];
        for (c, out) in out.iter_mut().enumerate() {
            let at = S::position(self.j + c, k) + above;
            match self.powers.get(at) {
                Some(Some(power)) => *out = *power,
                _ => unreachable!("`Powers` keeps every power at a position and the one above it"),
            }
        }
        out
    }
}

impl<C: Curve, S: Shape, L: Lanes52, const K: usize> Kernel<L> for Subtables<'_, '_, '_, C, S, L, K> {
    type Output = ();

    #[inline(always)]
    fn run(self, l: L) {
        let mut entries = Vec::with_capacity(S::HALF);
        let mut products = Vec::with_capacity(S::HALF / 2);
        entries.push(if S::position(0, 1) == 1 {
            // A window: 2^(w-1) - 2^(w-2) - .. - 1 = 1.
            self.power(l, 0, 0)
        } else {
            let mut a = [Affine { x: fe::zero(l), y: fe::zero(l) }.to_jacobian::<C>(l); K];
            for (a, top) in a.iter_mut().zip(self.power(l, S::WIDTH - 1, 0)) {
                *a = top.to_jacobian::<C>(l);
            }
            for k in 0..S::WIDTH - 1 {
                add_mixed::<C, L, K>(l, &mut a, &self.power(l, k, 0), &[0xff; K]);
            }
            let mut first = self.power(l, 0, 0);
            let affine = l.call(Normalize::<C, L> { points: &a, curve: PhantomData });
            first.copy_from_slice(&affine);
            first
        });
        for k in 0..S::WIDTH - 1 {
            l.call(Level::<C, L, K> {
                entries: &mut entries,
                products: &mut products,
                step: self.power(l, k, 1),
                curve: PhantomData,
            });
        }
        for (i, entry) in entries.iter().enumerate() {
            for c in 0..K {
                let lines = store::<C, L>(l, &entry[c]);
                for (table, line) in self.out.iter_mut().zip(lines) {
                    if let Some(place) = table.as_mut().get_mut((self.j + c) * S::HALF + i) {
                        *place = line;
                    }
                }
            }
        }
    }
}

/// Doubles a list of affine points: appends each plus `step`, under one inversion for all; `K` lists hand in hand.
struct Level<'a, C, L: Lanes52, const K: usize> {
    entries: &'a mut Vec<[Affine<L>; K]>,
    products: &'a mut Vec<[Fe<L>; K]>,
    step: [Affine<L>; K],
    curve: PhantomData<C>,
}

impl<C: Curve, L: Lanes52, const G: usize> Kernel<L> for Level<'_, C, L, G> {
    type Output = ();

    /// λ = (y2 - y1)/(x2 - x1), x3 = λ² - x1 - x2, y3 = λ (x1 - x3) - y1.
    #[inline(always)]
    fn run(self, l: L) {
        let p = C::Field::LIMBS;
        let (entries, products, step) = (self.entries, self.products, &self.step);
        let old = entries.len();
        products.clear();
        let mut product = [fe::constant(l, C::Field::ONE); G];
        for i in 0..old {
            products.push(product);
            let dx = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &step[g].x, &entries[i][g].x)); // 3.01
            product = groups!(l, |g| mul::<C::Field, L>(l, &product[g], &dx[g])); // 1.25 * 3.01 / 16: 1.24
        }
        // One inversion for the K products: theirs in turn.
        let mut prefix = product;
        for g in 1..G {
            prefix[g] = mul::<C::Field, L>(l, &prefix[g - 1], &product[g]);
        }
        let mut rest = invert_lanes::<C::Field, L>(l, &prefix[G - 1]);
        let mut inverse = product;
        for g in (1..G).rev() {
            inverse[g] = mul::<C::Field, L>(l, &rest, &prefix[g - 1]);
            rest = mul::<C::Field, L>(l, &rest, &product[g]);
        }
        inverse[0] = rest;
        let nothing = Affine { x: fe::zero(l), y: fe::zero(l) };
        entries.resize(2 * old, [nothing; G]);
        for i in (0..old).rev() {
            let entry = entries[i];
            let dx = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &step[g].x, &entry[g].x)); // 3.01
            let dy = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &step[g].y, &entry[g].y)); // 3.01
            let quotient = groups!(l, |g| mul::<C::Field, L>(l, &inverse[g], &products[i][g])); // 1.10
            inverse = groups!(l, |g| mul::<C::Field, L>(l, &inverse[g], &dx[g])); // 1.25
            let lambda = groups!(l, |g| mul::<C::Field, L>(l, &dy[g], &quotient[g])); // 1.21
            let square = groups!(l, |g| square_loose::<C::Field, L>(l, &lambda[g])); // 1.10
            // Between 4 - 2.02 = 1.98 and 5.10.
            let x3 = groups!(l, |g| weak::<C::Field, L>(
                l,
                limbwise!(|I| l.add(l.sub(l.sub(square[g][I], entry[g].x[I]), step[g].x[I]), l.splat(4 * p[I])))
            ));
            let d = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &entry[g].x, &x3[g])); // 3.01
            let t = groups!(l, |g| mul_loose::<C::Field, L>(l, &lambda[g], &d[g])); // 1.23
            // Between 2 - 1.01 = 0.99 and 3.23.
            let y3 = groups!(l, |g| weak::<C::Field, L>(
                l,
                limbwise!(|I| l.add(l.sub(t[g][I], entry[g].y[I]), l.splat(2 * p[I])))
            ));
            for g in 0..G {
                entries[old + i][g] = Affine { x: x3[g], y: y3[g] };
            }
        }
    }
}
