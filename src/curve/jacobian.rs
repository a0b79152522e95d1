//! The addition formulas, in lanes, for a = -3, in Jacobian coordinates: (X, Y, Z) stands for (X/Z², Y/Z³).
//!
//! Every value is in Montgomery form. Invariant of a [`Jacobian`] point: **x < 1.01 p, y < 2.5 p, z at most 3 p**. Of an [`Affine`] one: x, y < 1.01 p.
//! A product of values below α p and β p is below (1 + αβ/16) p; the bound of each line stands beside it, and the debug assertions of
//! [`fe`] check them on every value of every test.
//!
//! The formulas take `G` independent groups of eight and advance them together, multiplication by multiplication, so that the chains of
//! dependent instructions of one hide behind those of the other.

use super::Curve;
use crate::field::fe::{
    self, Fe, carry, check, limbwise, mul, mul_add, mul_add_eight_squares, mul_loose, select, square, square_loose,
    weak,
};
use crate::field::modulus::Modulus;
use crate::lanes::{Kernel, Lanes52};
use std::marker::PhantomData;

/// Eight points in Jacobian coordinates.
#[derive(Clone, Copy)]
pub struct Jacobian<L: Lanes52> {
    /// Below 1.01 p.
    pub x: Fe<L>,
    /// Below 2.5 p.
    pub y: Fe<L>,
    /// At most 3 p; a multiple of p where an exceptional case was met.
    pub z: Fe<L>,
}

/// Eight points in affine coordinates, both below 1.01 p.
#[derive(Clone, Copy)]
pub struct Affine<L: Lanes52> {
    /// x.
    pub x: Fe<L>,
    /// y.
    pub y: Fe<L>,
}

/// An array over the groups, built without a closure (see [`fe::limbwise`]).
macro_rules! groups {
    ($l:expr, |$g:ident| $e:expr) => {{
        let mut out = [fe::zero($l); G];
        for $g in 0..G {
            out[$g] = $e;
        }
        out
    }};
}
pub(super) use groups;

impl<L: Lanes52> Affine<L> {
    /// The same points with Z = 1.
    #[inline(always)]
    pub fn to_jacobian<C: Curve>(self, l: L) -> Jacobian<L> {
        Jacobian { x: self.x, y: self.y, z: fe::constant(l, C::Field::ONE) }
    }

    /// The points of the lanes in `mask` negated; their y becomes 2 p - y, below 2 p.
    #[inline(always)]
    pub fn negate_where<C: Curve>(self, l: L, mask: u8) -> Self {
        let y = select(l, mask, &self.y, &fe::negate::<2, C::Field, L>(l, &self.y));
        Self { x: self.x, y }
    }
}

impl<L: Lanes52> Jacobian<L> {
    /// Checks the invariant, in debug builds.
    #[inline(always)]
    pub fn checked<C: Curve>(self, l: L) -> Self {
        check::<C::Field, L>(l, &self.x, 101);
        check::<C::Field, L>(l, &self.y, 250);
        check::<C::Field, L>(l, &self.z, 300);
        self
    }
}

/// `a += ±b` for each group, `b` negated in the lanes of `negative`: 8 multiplications and 3 squarings.
///
/// With h = x2 Z² - X and r = ±y2 Z³ - Y: X3 = r² - h³ - 2 X h², Y3 = r (X h² - X3) - Y h³, Z3 = Z h. h = 0 where the points are equal
/// or opposite, and then Z3 = 0. Computed are X3, -Y3 and -Z3, which is the same point.
#[inline(always)]
pub fn add_mixed<C: Curve, L: Lanes52, const G: usize>(
    l: L,
    a: &mut [Jacobian<L>; G],
    b: &[Affine<L>; G],
    negative: &[u8; G],
) {
    l.call(AddMixed::<C, L, G> { a, b, negative, curve: PhantomData });
}

/// Always a function of its own: its operands do not fit the registers anyway, and the loops around it stay small.
struct AddMixed<'a, C, L: Lanes52, const G: usize> {
    a: &'a mut [Jacobian<L>; G],
    b: &'a [Affine<L>; G],
    negative: &'a [u8; G],
    curve: PhantomData<C>,
}

impl<C: Curve, L: Lanes52, const G: usize> Kernel<L> for AddMixed<'_, C, L, G> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let Self { a, b, negative, .. } = self;
        let p = C::Field::LIMBS;
        let zz = groups!(l, |g| square::<C::Field, L>(l, &a[g].z)); // 3 * 3 / 16: 1.57
        let zzz = groups!(l, |g| mul::<C::Field, L>(l, &a[g].z, &zz[g])); // 3 * 1.57 / 16: 1.30
        let u = groups!(l, |g| mul_loose::<C::Field, L>(l, &b[g].x, &zz[g])); // 1.01 * 1.57 / 16: 1.10
        let h = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &u[g], &a[g].x)); // 3.10
        let s = groups!(l, |g| mul_loose::<C::Field, L>(l, &b[g].y, &zzz[g])); // 2 * 1.30 / 16: 1.17
        let hh = groups!(l, |g| square::<C::Field, L>(l, &h[g])); // 3.10² / 16: 1.61
        // ±s - y + 3 p: between 0.5 p - and 5 p: s or 2 p - s is in 0 ..= 2 p, y in 0 .. 2.5 p.
        let r = groups!(l, |g| carry(
            l,
            limbwise!(|I| {
                let signed = l.select(negative[g], s[g][I], l.sub(l.splat(2 * p[I]), s[g][I]));
                l.add(l.sub(signed, a[g].y[I]), l.splat(3 * p[I]))
            })
        ));
        let hhh = groups!(l, |g| mul::<C::Field, L>(l, &h[g], &hh[g])); // 3.10 * 1.61 / 16: 1.32
        let v = groups!(l, |g| mul_loose::<C::Field, L>(l, &a[g].x, &hh[g])); // 1.01 * 1.61 / 16: 1.11
        let rr = groups!(l, |g| square_loose::<C::Field, L>(l, &r[g])); // 25 / 16: 2.57
        let zh = groups!(l, |g| mul_loose::<C::Field, L>(l, &a[g].z, &h[g])); // 3 * 3.10 / 16: 1.59
        let z3 = groups!(l, |g| fe::negate::<2, C::Field, L>(l, &zh[g])); // 2
        // rr - hhh - 2 v + 6 p: between 6 - 1.32 - 2.22 = 2.46 and 8.57.
        let x3 = groups!(l, |g| weak::<C::Field, L>(
            l,
            limbwise!(|I| l.add(l.sub(l.sub(rr[g][I], hhh[g][I]), l.add(v[g][I], v[g][I])), l.splat(6 * p[I])))
        ));
        // x3 - v: more than 0.89 below 2 p, as v is below 1.11.
        let d = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &x3[g], &v[g])); // 3.01
        let y3 = groups!(l, |g| mul_add::<C::Field, L>(l, &r[g], &d[g], &a[g].y, &hhh[g])); // (5 * 3.01 + 2.5 * 1.32) / 16: 2.15
        for g in 0..G {
            a[g] = Jacobian { x: x3[g], y: y3[g], z: z3[g] }.checked::<C>(l);
        }
    }
}

/// `a *= 2` for each group: 4 multiplications, 3 squarings, and a product and a square under one reduction.
///
/// With δ = Z², γ = Y², β = X γ, α = 3 (X - δ)(X + δ): X3 = α² - 8 β, Z3 = 2 Y Z, Y3 = α (4 β - X3) - 8 γ². Computed are X3, -Y3 and -Z3,
/// which is the same point, and where all is added up that belongs to one number.
#[inline(always)]
pub fn double<C: Curve, L: Lanes52, const G: usize>(l: L, a: &mut [Jacobian<L>; G]) {
    l.call(Double::<C, L, G> { a, curve: PhantomData });
}

/// A function of its own, as [`AddMixed`] is.
struct Double<'a, C, L: Lanes52, const G: usize> {
    a: &'a mut [Jacobian<L>; G],
    curve: PhantomData<C>,
}

impl<C: Curve, L: Lanes52, const G: usize> Kernel<L> for Double<'_, C, L, G> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let a = self.a;
        let p = C::Field::LIMBS;
        let delta = groups!(l, |g| square_loose::<C::Field, L>(l, &a[g].z)); // 3 * 3 / 16: 1.57
        let gamma = groups!(l, |g| square::<C::Field, L>(l, &a[g].y)); // 2.5² / 16: 1.40
        let minus = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &a[g].x, &delta[g])); // 3.01
        let plus = groups!(l, |g| carry(l, limbwise!(|I| l.add(a[g].x[I], delta[g][I])))); // 2.58
        let beta = groups!(l, |g| mul_loose::<C::Field, L>(l, &a[g].x, &gamma[g])); // 1.01 * 1.40 / 16: 1.09
        let m = groups!(l, |g| mul_loose::<C::Field, L>(l, &minus[g], &plus[g])); // 3.01 * 2.58 / 16: 1.49
        let yz = groups!(l, |g| mul_loose::<C::Field, L>(l, &a[g].y, &a[g].z)); // 2.5 * 3 / 16: 1.47
        // 3 m: below 4.47.
        let alpha = groups!(l, |g| carry(l, limbwise!(|I| l.add(m[g][I], l.add(m[g][I], m[g][I])))));
        let aa = groups!(l, |g| square_loose::<C::Field, L>(l, &alpha[g])); // 4.47² / 16: 2.25
        // 3 p - 2 yz: between 0.06 and 3.
        let z3 = groups!(l, |g| carry(l, limbwise!(|I| l.sub(l.splat(3 * p[I]), l.add(yz[g][I], yz[g][I])))));
        // aa - 8 β + 10 p: between 10 - 8.72 = 1.28 and 12.25.
        let x3 = groups!(l, |g| weak::<C::Field, L>(
            l,
            limbwise!(|I| l.add(l.sub(aa[g][I], l.shl::<3>(beta[g][I])), l.splat(10 * p[I])))
        ));
        // x3 - 4 β + 5 p: between 5 - 4.36 = 0.64 and 6.01.
        let d = groups!(l, |g| weak::<C::Field, L>(
            l,
            limbwise!(|I| l.add(l.sub(x3[g][I], l.shl::<2>(beta[g][I])), l.splat(5 * p[I])))
        ));
        // (4.47 * 1.01 + 8 * 1.40²) / 16: 2.27
        let y3 = groups!(l, |g| mul_add_eight_squares::<C::Field, L>(l, &alpha[g], &d[g], &gamma[g]));
        for g in 0..G {
            a[g] = Jacobian { x: x3[g], y: y3[g], z: z3[g] }.checked::<C>(l);
        }
    }
}

/// Lanes in which Z is zero: an exceptional case was met somewhere on the way.
#[inline(always)]
pub fn is_exceptional<C: Curve, L: Lanes52>(l: L, a: &Jacobian<L>) -> u8 {
    fe::is_zero::<C::Field, L>(l, &a.z)
}

/// Lanes in which X/Z² is `x` (Montgomery form, normal, below 2 p), for Z not zero: X = x Z².
#[inline(always)]
pub fn x_is<C: Curve, L: Lanes52>(l: L, a: &Jacobian<L>, zz: &Fe<L>, x: &Fe<L>) -> u8 {
    let v = mul_loose::<C::Field, L>(l, x, zz); // 2 * 1.57 / 16: 1.20
    fe::is_zero::<C::Field, L>(l, &fe::sub::<2, C::Field, L>(l, &v, &a.x))
}
