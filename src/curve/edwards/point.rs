//! The addition formulas for a = -1 in extended coordinates: (X, Y, Z, T) stands for (X/Z, Y/Z), and T = X Y / Z. They are those of Hisil,
//! Wong, Carter and Dawson ("Twisted Edwards curves revisited", 2008, 3.1 and 3.3).
//!
//! **Complete.** -1 is a square modulo p and d is not, so for any two points of the curve the denominators are not zero (there, theorem 1
//! and section 3.1). Hence Z is never zero, whatever a signature or a key holds.
//!
//! Bounds are in units of 2^255 (see `fe25519`). All coordinates of a point are weak, as every product is or as small, where it goes into nothing but a
//! sum; sums and differences of the formulas stay below 5 units, far from the 32 that a multiplication takes.

use super::TWO_D;
use crate::curve::jacobian::groups;
use crate::field::fe::{self, Fe, carry, limbwise, select};
use crate::field::fe25519::{LIMBS, add, mul, mul_loose, reduce, square_loose, sub};
use crate::lanes::{Kernel, Lanes52};

/// Eight points in extended coordinates, all weak.
#[derive(Clone, Copy)]
pub struct Extended<L: Lanes52> {
    /// X.
    pub x: Fe<L>,
    /// Y.
    pub y: Fe<L>,
    /// Z, never zero.
    pub z: Fe<L>,
    /// X Y / Z.
    pub t: Fe<L>,
}

/// Eight points as tables hold them, all weak: (y + x, y - x, 2 d x y).
#[derive(Clone, Copy)]
pub struct Niels<L: Lanes52> {
    /// y + x.
    pub plus: Fe<L>,
    /// y - x.
    pub minus: Fe<L>,
    /// 2 d x y.
    pub product: Fe<L>,
}

impl<L: Lanes52> Niels<L> {
    /// From affine coordinates, both weak.
    #[inline(always)]
    pub fn new(l: L, x: &Fe<L>, y: &Fe<L>) -> Self {
        Self {
            plus: reduce(l, &add(l, y, x)),
            minus: reduce(l, &sub(l, y, x)),
            product: mul(l, &mul(l, x, y), &fe::constant(l, TWO_D)),
        }
    }

    /// The neutral element.
    #[inline(always)]
    pub fn neutral(l: L) -> Self {
        let one = fe::constant(l, [1, 0, 0, 0, 0]);
        Self { plus: one, minus: one, product: fe::zero(l) }
    }

    /// `other` in the lanes of `mask`.
    #[inline(always)]
    pub fn or(&self, l: L, mask: u8, other: &Self) -> Self {
        Self {
            plus: select(l, mask, &self.plus, &other.plus),
            minus: select(l, mask, &self.minus, &other.minus),
            product: select(l, mask, &self.product, &other.product),
        }
    }

    /// The points, negated in the lanes of `negative`, with Z = 4: 2 x and 2 y are sums of the coordinates, and T = 4 x y their product.
    #[inline(always)]
    pub fn to_extended(&self, l: L, negative: u8) -> Extended<L> {
        let upper = select(l, negative, &self.plus, &self.minus);
        let lower = select(l, negative, &self.minus, &self.plus);
        let x = sub(l, &upper, &lower); // 3
        let y = add(l, &upper, &lower); // 2
        Extended {
            x: reduce(l, &add(l, &x, &x)), // from 6
            y: reduce(l, &add(l, &y, &y)), // from 4
            z: fe::constant(l, [4, 0, 0, 0, 0]),
            t: mul(l, &x, &y),
        }
    }
}

impl<L: Lanes52> Extended<L> {
    /// The neutral element.
    #[inline(always)]
    pub fn neutral(l: L) -> Self {
        let one = fe::constant(l, [1, 0, 0, 0, 0]);
        Self { x: fe::zero(l), y: one, z: one, t: fe::zero(l) }
    }
}

/// `a += ±b` for each group, `b` negated in the lanes of `negative`: 7 multiplications. The negative of an entry has the first two
/// coordinates swapped and the third negated, which swaps two intermediate values.
#[inline(always)]
pub fn add_niels<L: Lanes52, const G: usize>(l: L, a: &mut [Extended<L>; G], b: &[Niels<L>; G], negative: &[u8; G]) {
    l.call(AddNiels { a, b, negative });
}

/// Always a function of its own, as the additions of [`crate::curve::jacobian`] are.
struct AddNiels<'a, L: Lanes52, const G: usize> {
    a: &'a mut [Extended<L>; G],
    b: &'a [Niels<L>; G],
    negative: &'a [u8; G],
}

impl<L: Lanes52, const G: usize> Kernel<L> for AddNiels<'_, L, G> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let Self { a, b, negative } = self;
        let lower = groups!(l, |g| mul_loose(
            l,
            &sub(l, &a[g].y, &a[g].x), // 3
            &select(l, negative[g], &b[g].minus, &b[g].plus)
        ));
        let upper = groups!(l, |g| mul_loose(
            l,
            &add(l, &a[g].y, &a[g].x), // 2
            &select(l, negative[g], &b[g].plus, &b[g].minus)
        ));
        let c = groups!(l, |g| mul_loose(l, &a[g].t, &b[g].product));
        let e = groups!(l, |g| sub(l, &upper[g], &lower[g])); // 3
        let h = groups!(l, |g| add(l, &upper[g], &lower[g])); // 2
        // 2 Z - c + 2 p and 2 Z + c.
        let less = groups!(l, |g| carry(
            l,
            limbwise!(|I| {
                let z = a[g].z[I];
                l.add(l.sub(l.add(z, z), c[g][I]), l.splat(2 * LIMBS[I]))
            })
        )); // 4
        let more = groups!(l, |g| carry(l, limbwise!(|I| l.add(l.add(a[g].z[I], a[g].z[I]), c[g][I])))); // 3
        for g in 0..G {
            let f = select(l, negative[g], &less[g], &more[g]);
            let k = select(l, negative[g], &more[g], &less[g]);
            a[g] = Extended { x: mul(l, &e[g], &f), y: mul(l, &k, &h[g]), z: mul(l, &f, &k), t: mul(l, &e[g], &h[g]) };
        }
    }
}

/// `a + b`: 9 multiplications.
#[inline(always)]
pub fn add_extended<L: Lanes52>(l: L, a: &Extended<L>, b: &Extended<L>) -> Extended<L> {
    l.call(AddExtended(a, b))
}

struct AddExtended<'a, L: Lanes52>(&'a Extended<L>, &'a Extended<L>);

impl<L: Lanes52> Kernel<L> for AddExtended<'_, L> {
    type Output = Extended<L>;
    #[inline(always)]
    fn run(self, l: L) -> Extended<L> {
        let Self(a, b) = self;
        let lower = mul_loose(l, &sub(l, &a.y, &a.x), &sub(l, &b.y, &b.x)); // from 3 and 3
        let upper = mul_loose(l, &add(l, &a.y, &a.x), &add(l, &b.y, &b.x)); // from 2 and 2
        let c = mul_loose(l, &mul(l, &a.t, &b.t), &fe::constant(l, TWO_D));
        let z = mul_loose(l, &a.z, &b.z);
        let zz = add(l, &z, &z); // 2
        let (e, h) = (sub(l, &upper, &lower), add(l, &upper, &lower)); // 3, 2
        let (f, k) = (sub(l, &zz, &c), add(l, &zz, &c)); // 4, 3
        Extended { x: mul(l, &e, &f), y: mul(l, &k, &h), z: mul(l, &f, &k), t: mul(l, &e, &h) }
    }
}

/// `a *= 2` for each group: 4 multiplications and 4 squarings.
#[inline(always)]
pub fn double<L: Lanes52, const G: usize>(l: L, a: &mut [Extended<L>; G]) {
    l.call(Double { a });
}

struct Double<'a, L: Lanes52, const G: usize> {
    a: &'a mut [Extended<L>; G],
}

impl<L: Lanes52, const G: usize> Kernel<L> for Double<'_, L, G> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let a = self.a;
        let xx = groups!(l, |g| square_loose(l, &a[g].x));
        let yy = groups!(l, |g| square_loose(l, &a[g].y));
        let zz = groups!(l, |g| square_loose(l, &a[g].z));
        let ss = groups!(l, |g| square_loose(l, &add(l, &a[g].x, &a[g].y)));
        let h = groups!(l, |g| add(l, &xx[g], &yy[g])); // 2
        let e = groups!(l, |g| sub(l, &h[g], &ss[g])); // 4
        let k = groups!(l, |g| sub(l, &xx[g], &yy[g])); // 3
        let f = groups!(l, |g| carry(l, limbwise!(|I| l.add(l.add(zz[g][I], zz[g][I]), k[g][I])))); // 5
        for g in 0..G {
            a[g] = Extended {
                x: mul(l, &e[g], &f[g]),
                y: mul(l, &k[g], &h[g]),
                z: mul(l, &f[g], &k[g]),
                t: mul(l, &e[g], &h[g]),
            };
        }
    }
}
