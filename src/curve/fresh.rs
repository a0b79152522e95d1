//! Claims in groups of eight, of keys without a table.
//!
//! The sixteen odd multiples Q, 3 Q .. 31 Q of each key are made in its own lane, and the digits of u2, five-bit windows, walk over them from the
//! top; the generator's part comes from its table.
//!
//! **The multiples** of all groups are made together by affine additions under shared inversions: 2 Q; then, level by level, 2^k Q is added to
//! the odd multiples below 2^k, which makes those below 2^(k+1), and doubled. So five inversions serve a whole call.
//!
//! No sum is exceptional: the odd multiples of Q below 32 and 2^k Q are neither equal nor opposite, nor is 2^k Q its own opposite, in a group
//! whose order is a large prime. So no inversion meets a zero.
//!
//! Bounds in units of p, as in [`super::tree`]. Points that are kept have x and y below 1.01.

use super::build::{load, store};
use super::digits::{self, Digits, MOST};
use super::jacobian::{Affine, add_mixed, double, groups};
use super::many::{AHEAD, CLAIMS, InGroups, Scratch, Sum, add_generator, ask, decide, eight, nth, scalars};
use super::table::{Shape, Window10};
use super::tree::{G, Number, Point, keep_point, kept, kept_point, multiply_up, third};
use super::{Claim, Curve, Decision};
use crate::field::fe::{self, carry, limbwise, mul, mul_loose};
use crate::field::inverse::invert_lanes;
use crate::field::modulus::Modulus;
use crate::lanes::{Kernel, Lanes52, Line};
use std::marker::PhantomData;

/// Claims of any keys.
pub struct Fresh<'a, C> {
    /// At most [`CLAIMS`] of them.
    pub claims: &'a [Claim],
    /// The keys, in Montgomery form (see [`super::montgomery_point`]).
    pub points: &'a [Line],
    /// The generator's table.
    pub generator: &'a <Window10 as Shape>::Table,
    /// Kept from call to call.
    pub scratch: &'a mut Scratch,
    /// As long as `claims`.
    pub decisions: &'a mut [Decision],
    /// The curve.
    pub curve: PhantomData<C>,
}

/// How many odd multiples a lane makes of its key: 2^(5 - 1).
const MULTIPLES: usize = 16;

/// The multiples of eight keys: multiple 2 i + 1 of lane l is line \[i\]\[l\].
type Table = [[Line; 8]; MULTIPLES];

/// What the making of multiples needs; kept from call to call.
#[derive(Default)]
pub(super) struct Room {
    /// The multiples, and after them the power of two, of each group.
    points: Vec<[Point; MULTIPLES + 1]>,
    /// The products so far of each pair of groups.
    products: Vec<[[Number; G]; MULTIPLES / 2 + 1]>,
    tables: Vec<Table>,
}

impl<C: Curve, L: Lanes52> Kernel<L> for Fresh<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run(self, l: L) {
        let count = self.claims.len().min(CLAIMS);
        if count == 0 || self.points.len() < count {
            return;
        }
        let (claims, points) = (&self.claims[..count], &self.points[..count]);
        let groups = count.div_ceil(8);
        for group in 0..groups {
            let (u1, u2) = scalars(l, claims, group);
            digits::windows::<C, L, 5, true>(l, &u2, &mut self.scratch.key[group]);
            Window10::digits::<C, L>(l, &u1, &mut self.scratch.generator[group]);
        }
        let Scratch { key, generator: generator_digits, fresh: room, .. } = self.scratch;
        l.call(Multiples::<C> { points, groups, room: &mut *room, curve: PhantomData });
        let mut group = 0;
        while group < groups {
            let rest = Rest {
                claims,
                tables: &room.tables[group..],
                generator: self.generator,
                key: &key[group..],
                generator_digits: &generator_digits[group..],
                group,
                decisions: self.decisions,
                curve: PhantomData::<C>,
            };
            if group + 1 < groups {
                l.call(InGroups::<_, 2>(rest));
                group += 2;
            } else {
                l.call(InGroups::<_, 1>(rest));
                group += 1;
            }
        }
    }
}

/// Makes the tables of all groups.
struct Multiples<'a, C> {
    points: &'a [Line],
    groups: usize,
    room: &'a mut Room,
    curve: PhantomData<C>,
}

impl<C: Curve, L: Lanes52> Kernel<L> for Multiples<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run(self, l: L) {
        let Self { points, groups, room, .. } = self;
        // A group that is odd has a partner with the last key in all lanes.
        let groups = groups.next_multiple_of(G);
        if room.points.len() < groups {
            room.points.resize(groups, [[Line::ZERO; 10]; MULTIPLES + 1]);
            room.products.resize(groups / G, [[[Line::ZERO; 5]; G]; MULTIPLES / 2 + 1]);
            room.tables.resize(groups, [[Line::ZERO; 8]; MULTIPLES]);
        }
        for group in 0..groups {
            let lines = eight!(|LANE| nth(points, group, LANE));
            let first = load(l, lines);
            keep_point(l, &mut room.points[group][0], &first);
            keep_point(l, &mut room.points[group][MULTIPLES], &first);
            room.tables[group][0] = lines.map(|line| *line);
        }
        l.call(Level::<C, 0> { groups, room: &mut *room, curve: PhantomData });
        l.call(Level::<C, 1> { groups, room: &mut *room, curve: PhantomData });
        l.call(Level::<C, 2> { groups, room: &mut *room, curve: PhantomData });
        l.call(Level::<C, 4> { groups, room: &mut *room, curve: PhantomData });
        l.call(Level::<C, 8> { groups, room, curve: PhantomData });
    }
}

/// Adds the power of two to the first `N` multiples, and doubles it, unless these are the last.
struct Level<'a, C, const N: usize> {
    groups: usize,
    room: &'a mut Room,
    curve: PhantomData<C>,
}

impl<C: Curve, L: Lanes52, const N: usize> Kernel<L> for Level<'_, C, N> {
    type Output = ();

    #[inline(always)]
    fn run(self, l: L) {
        let one = fe::constant(l, C::Field::ONE);
        let Room { points, products, tables } = self.room;
        let (points, products, tables) =
            (&mut points[..self.groups], &mut products[..self.groups / G], &mut tables[..self.groups]);
        let doubled = 2 * N < MULTIPLES;
        let none = Affine { x: one, y: one };
        let mut chains = [one; G];
        for (points, products) in points.chunks_exact(G).zip(&mut *products) {
            let mut power = [none; G];
            for g in 0..G {
                power[g] = kept_point(l, &points[g][MULTIPLES]);
            }
            if doubled {
                let d = groups!(l, |g| carry(l, limbwise!(|I| l.add(power[g].y[I], power[g].y[I])))); // 2.02
                multiply_up::<C, L>(l, &mut chains, &d, &mut products[MULTIPLES / 2]);
            }
            for i in 0..N {
                let d = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &power[g].x, &kept_point(l, &points[g][i]).x)); // 3.01
                multiply_up::<C, L>(l, &mut chains, &d, &mut products[i]);
            }
        }
        let [even, odd] = chains;
        let inverse = invert_lanes::<C::Field, L>(l, &mul::<C::Field, L>(l, &even, &odd));
        let mut inverses = [mul::<C::Field, L>(l, &inverse, &odd), mul::<C::Field, L>(l, &inverse, &even)];
        let pairs = points.chunks_exact_mut(G).zip(products).zip(tables.chunks_exact_mut(G));
        for ((points, products), tables) in pairs.rev() {
            let mut power = [none; G];
            for g in 0..G {
                power[g] = kept_point(l, &points[g][MULTIPLES]);
            }
            for i in (0..N).rev() {
                let mut a = [none; G];
                for g in 0..G {
                    a[g] = kept_point(l, &points[g][i]);
                }
                let d = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &power[g].x, &a[g].x)); // 3.01
                let rise = groups!(l, |g| fe::sub::<2, C::Field, L>(l, &power[g].y, &a[g].y)); // 3.01
                let own = groups!(l, |g| mul::<C::Field, L>(l, &inverses[g], &kept(l, &products[i][g]))); // 1.4 * 1.25: 1.11
                inverses = groups!(l, |g| mul::<C::Field, L>(l, &inverses[g], &d[g])); // 1.4 * 3.01: 1.27
                let slope = groups!(l, |g| mul::<C::Field, L>(l, &rise[g], &own[g])); // 3.01 * 1.11: 1.21
                let mut x = [one; G];
                for g in 0..G {
                    x[g] = power[g].x;
                }
                let sums = third::<C, L>(l, &slope, &a, &x);
                for g in 0..G {
                    if doubled {
                        keep_point(l, &mut points[g][N + i], &sums[g]);
                    }
                    tables[g][N + i] = store::<C, L>(l, &sums[g]);
                }
            }
            if doubled {
                let d = groups!(l, |g| carry(l, limbwise!(|I| l.add(power[g].y[I], power[g].y[I])))); // 2.02
                let own = groups!(l, |g| mul::<C::Field, L>(l, &inverses[g], &kept(l, &products[MULTIPLES / 2][g]))); // 1.11
                inverses = groups!(l, |g| mul::<C::Field, L>(l, &inverses[g], &d[g])); // 1.4 * 2.02: 1.18
                // 3 (x - 1)(x + 1) = 3 x² + a
                let minus = groups!(l, |g| fe::sub::<1, C::Field, L>(l, &power[g].x, &one)); // 2.01
                let plus = groups!(l, |g| carry(l, limbwise!(|I| l.add(power[g].x[I], one[I])))); // 2.01
                let m = groups!(l, |g| mul_loose::<C::Field, L>(l, &minus[g], &plus[g])); // 1.26
                let rise = groups!(l, |g| carry(l, limbwise!(|I| l.add(m[g][I], l.add(m[g][I], m[g][I]))))); // 3.78
                let slope = groups!(l, |g| mul::<C::Field, L>(l, &rise[g], &own[g])); // 3.78 * 1.11: 1.27
                let mut x = [one; G];
                for g in 0..G {
                    x[g] = power[g].x;
                }
                let twice = third::<C, L>(l, &slope, &power, &x);
                for g in 0..G {
                    keep_point(l, &mut points[g][MULTIPLES], &twice[g]);
                }
            }
        }
    }
}

/// One or two groups of a call, once the digits are cut and the multiples made.
struct Rest<'a, 'd, C> {
    claims: &'a [Claim],
    tables: &'a [Table],
    generator: &'a <Window10 as Shape>::Table,
    key: &'d [Digits],
    generator_digits: &'d [Digits],
    group: usize,
    decisions: &'d mut [Decision],
    curve: PhantomData<C>,
}

impl<C: Curve> Sum for Rest<'_, '_, C> {
    #[inline(always)]
    fn sum<L: Lanes52, const G: usize>(self, l: L) {
        let tables = self.tables;
        let mut a = [Affine { x: fe::zero(l), y: fe::zero(l) }.to_jacobian::<C>(l); G];
        for at in 0..MOST {
            if at > 0 {
                for _ in 0..5 {
                    double::<C, L, G>(l, &mut a);
                }
            }
            let mut b = [Affine { x: fe::zero(l), y: fe::zero(l) }; G];
            let mut negative = [0; G];
            for g in 0..G {
                let index = &self.key[g].index[at];
                b[g] = load(l, eight!(|LANE| &tables[g][usize::from(index[LANE]) & (MULTIPLES - 1)][LANE]));
                negative[g] = self.key[g].negative[at];
                if let Some(next) = (at + AHEAD).checked_sub(MOST) {
                    ask::<Window10, L>(l, &[self.generator; 8], &self.generator_digits[g], next);
                }
            }
            if at == 0 {
                for g in 0..G {
                    a[g] = b[g].negate_where::<C>(l, negative[g]).to_jacobian::<C>(l);
                }
            } else {
                add_mixed::<C, L, G>(l, &mut a, &b, &negative);
            }
        }
        add_generator::<C, L, G>(l, &mut a, self.generator, self.generator_digits);
        for g in 0..G {
            decide::<C, L>(l, self.claims, self.group + g, &a[g], self.decisions);
        }
    }
}
