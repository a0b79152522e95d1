//! Sums of many entries by affine additions that share inversions.
//!
//! An affine addition has an inversion in it, but where many are made at once one inversion serves all of them (the trick of Montgomery),
//! and then each takes five multiplications and a squaring, against eight and three of a mixed one. The entries that belong to a claim are
//! therefore added as a tree: in each level point i and point i + ⌈n/2⌉ of every claim, all additions of the level under one inversion.
//! The last [`LEFT`] points are added by mixed additions, for another level would save less than its inversion costs. Of a comb the columns are
//! made in this way, and then doubled and added as ever.
//!
//! With d = x2 - x1 and λ = (y2 - y1)/d: x3 = λ² - x1 - x2, y3 = λ (x1 - x3) - y1. Going up, the products of all d before each addition are
//! kept; going down, the inverse of each d falls out of the inverse of the whole product. Two chains of products go hand in hand, one of
//! the even groups and one of the odd ones.
//!
//! **Exceptional cases.** d = 0 where two points are equal or opposite, and then the whole product of that lane is 0: it is tested before
//! the inversion, and the caller decides the claims in another way. So nothing wrong is ever computed from an inverse that does not exist.
//!
//! Bounds in units of p; a product of values below α and β is below 1 + αβ/16 (see [`fe`]). Points that are kept have x and y below 1.01, but
//! for a negated y of an entry, which is p - y, between 0 and 1, in limbs that are not carried.

use std::marker::PhantomData;

use super::build::load;
use super::digits::Digits;
use super::jacobian::{Affine, Jacobian, add_mixed, double, groups};
use super::many::{ask, decide, eight, nth};
use super::table::{Shape, Window10};
use super::{Claim, Curve, Decision};
use crate::field::fe::{self, Fe, carry, limbwise, mul, mul_loose, select, square_loose, weak};
use crate::field::inverse::invert_lanes;
use crate::field::modulus::Modulus;
use crate::lanes::{Kernel, Lanes52, Line};

/// From how many groups on this is the faster way.
pub(super) const LEAST: usize = 4;

/// How many points of a claim are left to mixed additions where there are no doublings.
const LEFT: usize = 4;

/// How many are left of a comb: the eight columns, between which everything is doubled, and seven sums of the generator's entries.
const LEFT_OF_COMB: usize = 15;

const fn left<S: Shape>() -> usize {
    if S::ROUNDS == 1 { LEFT } else { LEFT_OF_COMB }
}

/// An entry of the key's, by the number of its digit, or of the generator's.
#[derive(Clone, Copy)]
enum Which {
    Key(usize),
    Generator(usize),
}

/// What point `at` of a claim is. For a comb the two levels add what belongs to one column: with four entries a column, points 0..8 are
/// the first ones, followed by 7 of the generator's, 8 second ones, 6 of the generator's; and then the third and fourth ones in the same way.
#[inline(always)]
fn which<S: Shape>(at: usize) -> Which {
    if S::ROUNDS == 1 {
        return if at < S::SUBTABLES { Which::Key(at) } else { Which::Generator(at - S::SUBTABLES) };
    }
    const { assert!(S::ROUNDS == 1 || (S::ROUNDS == 8 && S::SUBTABLES == 4 && Window10::SUBTABLES == 26)) };
    let (half, at) = (at / 29, at % 29);
    match at {
        0..8 => Which::Key(4 * at + 2 * half),
        8..15 => Which::Generator(at - 8 + 13 * half),
        15..23 => Which::Key(4 * (at - 15) + 1 + 2 * half),
        _ => Which::Generator(at - 23 + 7 + 13 * half),
    }
}

/// How many groups go hand in hand.
pub(super) const G: usize = 2;

/// The limbs of x and of y of eight points.
pub(super) type Point = [Line; 10];

/// The limbs of eight numbers.
pub(super) type Number = [Line; 5];

/// Points and products of the claims of one call; kept from call to call.
#[derive(Default)]
pub(super) struct Room {
    points: Vec<Point>,
    products: Vec<Number>,
}

#[inline(always)]
pub(super) fn keep<L: Lanes52>(l: L, to: &mut Number, a: &Fe<L>) {
    for i in 0..5 {
        to[i] = l.store(a[i]);
    }
}

#[inline(always)]
pub(super) fn kept<L: Lanes52>(l: L, from: &Number) -> Fe<L> {
    limbwise!(|I| l.load(&from[I]))
}

#[inline(always)]
pub(super) fn keep_point<L: Lanes52>(l: L, to: &mut Point, a: &Affine<L>) {
    for i in 0..5 {
        to[i] = l.store(a.x[i]);
        to[5 + i] = l.store(a.y[i]);
    }
}

#[inline(always)]
pub(super) fn kept_point<L: Lanes52>(l: L, from: &Point) -> Affine<L> {
    Affine { x: limbwise!(|I| l.load(&from[I])), y: limbwise!(|I| l.load(&from[5 + I])) }
}

/// Decides claims whose keys all have a table of shape `S`; as many as make groups of a multiple of [`G`]. `false`: an exceptional case was met, and nothing is decided.
pub(super) struct Tree<'a, C, S: Shape> {
    pub claims: &'a [Claim],
    pub tables: &'a [&'a S::Table],
    pub generator: &'a <Window10 as Shape>::Table,
    /// The digits of the groups.
    pub key: &'a [Digits],
    pub generator_digits: &'a [Digits],
    pub room: &'a mut Room,
    pub decisions: &'a mut [Decision],
    pub curve: PhantomData<C>,
}

impl<C: Curve, S: Shape, L: Lanes52> Kernel<L> for Tree<'_, C, S> {
    type Output = bool;

    #[inline(always)]
    fn run(self, l: L) -> bool {
        let Self { claims, tables, generator, key, generator_digits, room, decisions, .. } = self;
        // The groups, and how far it is from one point of a claim to the next.
        let row = claims.len().div_ceil(8);
        debug_assert!(row.is_multiple_of(G));
        let mut count = S::ROUNDS * S::SUBTABLES + Window10::SUBTABLES;
        if room.points.len() < count * row {
            room.points.resize(count * row, [Line::ZERO; 10]);
            room.products.resize(count.div_ceil(2) * row, [Line::ZERO; 5]);
        }
        let entries = Entries { tables, generator, key, generator_digits, groups: row, shape: PhantomData::<S> };
        let Room { points, products } = room;
        let points = &mut points[..count * row];
        let mut chains =
            l.call(First::<C, S> { entries, points: &mut *points, products: &mut *products, row, curve: PhantomData });
        loop {
            let half = count.div_ceil(2);
            let [even, odd] = chains;
            let product = mul::<C::Field, L>(l, &even, &odd);
            if fe::is_zero::<C::Field, L>(l, &product) != 0 {
                return false;
            }
            let inverse = invert_lanes::<C::Field, L>(l, &product);
            let inverses = [mul::<C::Field, L>(l, &inverse, &odd), mul::<C::Field, L>(l, &inverse, &even)];
            l.call(Down::<C, L> {
                points: &mut points[..count * row],
                products: &*products,
                half,
                row,
                inverses,
                curve: PhantomData,
            });
            count = half;
            if count <= left::<S>() {
                break;
            }
            chains =
                l.call(Up::<C> { points: &points[..count * row], products: &mut *products, row, curve: PhantomData });
        }
        l.call(Last::<C, S> { claims, points: &points[..count * row], row, decisions, curve: PhantomData });
        true
    }
}

/// Where the entries are.
struct Entries<'a, S: Shape> {
    tables: &'a [&'a S::Table],
    generator: &'a <Window10 as Shape>::Table,
    key: &'a [Digits],
    generator_digits: &'a [Digits],
    groups: usize,
    shape: PhantomData<S>,
}

impl<S: Shape> Entries<'_, S> {
    /// Point `at` of a group.
    #[inline(always)]
    fn entry<C: Curve, L: Lanes52>(&self, l: L, group: usize, at: usize) -> Affine<L> {
        let (a, negative) = match which::<S>(at) {
            Which::Key(at) => {
                let digits = &self.key[group];
                let index = &digits.index[at];
                let lines = eight!(|LANE| S::entry(*nth(self.tables, group, LANE), at % S::SUBTABLES, index[LANE]));
                (load(l, lines), digits.negative[at])
            }
            Which::Generator(at) => {
                let digits = &self.generator_digits[group];
                let index = &digits.index[at];
                (load(l, eight!(|LANE| Window10::entry(self.generator, at, index[LANE]))), digits.negative[at])
            }
        };
        let p = C::Field::LIMBS;
        let minus = limbwise!(|I| l.sub(l.splat(p[I]), a.y[I]));
        Affine { x: a.x, y: select(l, negative, &a.y, &minus) }
    }

    /// Asks for point `at` of a group.
    #[inline(always)]
    fn ask<L: Lanes52>(&self, l: L, group: usize, at: usize) {
        match which::<S>(at) {
            Which::Key(at) => ask::<S, L>(l, &eight!(|LANE| *nth(self.tables, group, LANE)), &self.key[group], at),
            Which::Generator(at) => ask::<Window10, L>(l, &[self.generator; 8], &self.generator_digits[group], at),
        }
    }
}

/// The first level going up: entries are read, kept as points, and their products kept. The whole products of the two chains.
struct First<'a, C, S: Shape> {
    entries: Entries<'a, S>,
    points: &'a mut [Point],
    products: &'a mut [Number],
    row: usize,
    curve: PhantomData<C>,
}

impl<C: Curve, S: Shape, L: Lanes52> Kernel<L> for First<'_, C, S> {
    type Output = [Fe<L>; G];

    #[inline(always)]
    fn run(self, l: L) -> Self::Output {
        let Self { entries, points, products, row, .. } = self;
        let count = S::ROUNDS * S::SUBTABLES + Window10::SUBTABLES;
        let half = count.div_ceil(2);
        let mut chains = [fe::constant(l, C::Field::ONE); G];
        for group in 0..entries.groups {
            entries.ask(l, group, 0);
            entries.ask(l, group, half);
        }
        for i in 0..half {
            let pair = i + half < count;
            for first in (0..row).step_by(G) {
                let mut d = [fe::zero(l); G];
                for g in 0..G {
                    let group = first + g;
                    // The next row's: asked for as long before as a row takes.
                    if i + 1 < half {
                        entries.ask(l, group, i + 1);
                        entries.ask(l, group, (i + 1 + half).min(count - 1));
                    }
                    let a = entries.entry::<C, L>(l, group, i);
                    keep_point(l, &mut points[i * row + group], &a);
                    if pair {
                        let b = entries.entry::<C, L>(l, group, i + half);
                        keep_point(l, &mut points[(i + half) * row + group], &b);
                        d[g] = fe::sub::<2, C::Field, L>(l, &b.x, &a.x); // 3
                    }
                }
                if pair {
                    multiply_up::<C, L>(l, &mut chains, &d, &mut products[i * row + first..]);
                }
            }
        }
        chains
    }
}

/// Keeps the product so far of each chain, and multiplies it on: below 1 + 3.01 * 1.3 / 16 = 1.25.
#[inline(always)]
pub(super) fn multiply_up<C: Curve, L: Lanes52>(
    l: L,
    chains: &mut [Fe<L>; G],
    d: &[Fe<L>; G],
    products: &mut [Number],
) {
    for g in 0..G {
        keep(l, &mut products[g], &chains[g]);
    }
    *chains = groups!(l, |g| mul::<C::Field, L>(l, &chains[g], &d[g]));
}

/// The point that a line through `a` and a point of that x, or the tangent at `a`, leads to: its third one, negated. The slope below 1.3.
#[inline(always)]
pub(super) fn third<C: Curve, L: Lanes52>(
    l: L,
    slope: &[Fe<L>; G],
    a: &[Affine<L>; G],
    x: &[Fe<L>; G],
) -> [Affine<L>; G] {
    let p = C::Field::LIMBS;
    let squared = groups!(l, |g| square_loose::<C::Field, L>(l, &slope[g])); // 1.3² / 16: 1.11
    // Between 3 - 2.02 and 4.11.
    let x3 = groups!(l, |g| weak::<C::Field, L>(
        l,
        limbwise!(|I| l.add(l.sub(squared[g][I], l.add(a[g].x[I], x[g][I])), l.splat(3 * p[I])))
    ));
    let back = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &a[g].x, &x3[g])); // 3.01
    let fall = groups!(l, |g| mul_loose::<C::Field, L>(l, &slope[g], &back[g])); // 1.3 * 3.01: 1.25
    // Between 2 - 1.01 and 3.25.
    let y3 =
        groups!(l, |g| weak::<C::Field, L>(l, limbwise!(|I| l.add(l.sub(fall[g][I], a[g].y[I]), l.splat(2 * p[I])))));
    let mut out = *a;
    for g in 0..G {
        out[g] = Affine { x: x3[g], y: y3[g] };
    }
    out
}

/// A later level going up.
struct Up<'a, C> {
    points: &'a [Point],
    products: &'a mut [Number],
    row: usize,
    curve: PhantomData<C>,
}

impl<C: Curve, L: Lanes52> Kernel<L> for Up<'_, C> {
    type Output = [Fe<L>; G];

    #[inline(always)]
    fn run(self, l: L) -> Self::Output {
        let Self { points, products, row, .. } = self;
        let across = (points.len() / row).div_ceil(2) * row;
        let mut chains = [fe::constant(l, C::Field::ONE); G];
        let (left, right) = points.split_at(across);
        for at in (0..right.len()).step_by(G) {
            let d = groups!(l, |g| fe::sub::<2, C::Field, L>(
                l,
                &kept_point(l, &right[at + g]).x,
                &kept_point(l, &left[at + g]).x
            )); // 3.01
            multiply_up::<C, L>(l, &mut chains, &d, &mut products[at..]);
        }
        chains
    }
}

/// A level going down: the sums take the place of its first half of points.
struct Down<'a, C, L: Lanes52> {
    points: &'a mut [Point],
    products: &'a [Number],
    half: usize,
    row: usize,
    /// Of the whole products.
    inverses: [Fe<L>; G],
    curve: PhantomData<C>,
}

impl<C: Curve, L: Lanes52> Kernel<L> for Down<'_, C, L> {
    type Output = ();

    #[inline(always)]
    fn run(self, l: L) {
        let Self { points, products, half, row, mut inverses, .. } = self;
        let p = C::Field::LIMBS;
        let (left, right) = points.split_at_mut(half * row);
        for at in (0..right.len()).step_by(G).rev() {
            let none = Affine { x: fe::zero(l), y: fe::zero(l) };
            let (mut a, mut b) = ([none; G], [none; G]);
            for g in 0..G {
                a[g] = kept_point(l, &left[at + g]);
                b[g] = kept_point(l, &right[at + g]);
            }
            let d = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &b[g].x, &a[g].x)); // 3.01
            let inverse = groups!(l, |g| mul::<C::Field, L>(l, &inverses[g], &kept(l, &products[at + g]))); // 1.4 * 1.25: 1.11
            inverses = groups!(l, |g| mul::<C::Field, L>(l, &inverses[g], &d[g])); // 1.4 * 3.01: 1.27
            let dy = groups!(l, |g| carry(l, limbwise!(|I| l.add(l.sub(b[g].y[I], a[g].y[I]), l.splat(2 * p[I]))))); // 3.01
            let slope = groups!(l, |g| mul::<C::Field, L>(l, &dy[g], &inverse[g])); // 3.01 * 1.11: 1.21
            let mut x = [none.x; G];
            for g in 0..G {
                x[g] = b[g].x;
            }
            let sums = third::<C, L>(l, &slope, &a, &x);
            for g in 0..G {
                keep_point(l, &mut left[at + g], &sums[g]);
            }
        }
    }
}

/// The points that are left, by mixed additions, and what becomes of the claims.
struct Last<'a, C, S> {
    claims: &'a [Claim],
    points: &'a [Point],
    row: usize,
    decisions: &'a mut [Decision],
    curve: PhantomData<(C, S)>,
}

impl<C: Curve, S: Shape, L: Lanes52> Kernel<L> for Last<'_, C, S> {
    type Output = ();

    #[inline(always)]
    fn run(self, l: L) {
        let Self { claims, points, row, decisions, .. } = self;
        for first in (0..row).step_by(G) {
            let none = Affine { x: fe::zero(l), y: fe::zero(l) };
            let mut sum: [Jacobian<L>; G] = [none.to_jacobian::<C>(l); G];
            for g in 0..G {
                sum[g] = kept_point(l, &points[first + g]).to_jacobian::<C>(l);
            }
            for (at, row) in points.chunks_exact(row).enumerate().skip(1) {
                if at < S::ROUNDS {
                    double::<C, L, G>(l, &mut sum);
                }
                let mut b = [none; G];
                for g in 0..G {
                    b[g] = kept_point(l, &row[first + g]);
                }
                add_mixed::<C, L, G>(l, &mut sum, &b, &[0; G]);
            }
            for g in 0..G {
                decide::<C, L>(l, claims, first + g, &sum[g], decisions);
            }
        }
    }
}
