//! Claims in groups of eight, with a table for every key.
//!
//! A *known* claim needs no doublings of its own: both scalars' digits pick entries of tables that are added one after the other, the key's
//! first. Two groups go hand in hand. The lines that an addition reads are asked for [`AHEAD`] additions before, so that tables that lie in
//! main memory are near when their turn comes, and the few lines that are under way do not drive each other out. Where there are many
//! groups the entries are rather added as a [`tree`].

use super::build::load;
use super::digits::Digits;
use super::jacobian::{Affine, Jacobian, add_mixed, double, is_exceptional, x_is};
use super::table::{Shape, Window10};
use super::{Claim, Curve, Decision, fresh, tree};
use crate::field::fe::{self, square, to_montgomery, unpack};
use crate::lanes::{Kernel, Lanes52};
use std::marker::PhantomData;

/// How many groups one call takes at most.
pub const GROUPS: usize = 8;

/// How many additions before its turn an entry is asked for: some microsecond, which is several times what main memory takes.
pub(super) const AHEAD: usize = 3;

/// How many calls go without a tree after one whose tree met an exceptional case, which costs all of the call the time of both ways: whoever brings
/// such cases about takes that from others once in so many calls, and from the calls between what the tree would have saved.
const WARY: u32 = 16;

/// How many claims one call takes at most.
pub const CLAIMS: usize = 8 * GROUPS;

/// Digits of the claims of one call; kept by the caller from call to call.
pub struct Scratch {
    pub(super) key: Box<[Digits]>,
    pub(super) generator: Box<[Digits]>,
    tree: tree::Room,
    pub(super) fresh: fresh::Room,
    /// How many calls yet go without a tree.
    pub(super) wary: u32,
}

impl Default for Scratch {
    fn default() -> Self {
        let room = || vec![Digits::EMPTY; GROUPS].into_boxed_slice();
        Self { key: room(), generator: room(), tree: tree::Room::default(), fresh: fresh::Room::default(), wary: 0 }
    }
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scratch")
    }
}

/// Claims whose keys all have a table of shape `S`.
pub struct Known<'a, C, S: Shape> {
    /// At most [`CLAIMS`] of them.
    pub claims: &'a [Claim],
    /// The tables of their keys.
    pub tables: &'a [&'a S::Table],
    /// The generator's.
    pub generator: &'a <Window10 as Shape>::Table,
    /// Kept from call to call.
    pub scratch: &'a mut Scratch,
    /// As long as `claims`.
    pub decisions: &'a mut [Decision],
    /// The curve.
    pub curve: PhantomData<C>,
}

/// Item `8 group + lane`, or the last one where there are no more.
#[inline(always)]
pub(super) fn nth<T>(items: &[T], group: usize, lane: usize) -> &T {
    &items[(8 * group + lane).min(items.len() - 1)]
}

/// The eight of a group.
macro_rules! eight {
    (|$lane:ident| $e:expr) => {
        [
            { const $lane: usize = 0; $e },
            { const $lane: usize = 1; $e },
            { const $lane: usize = 2; $e },
            { const $lane: usize = 3; $e },
            { const $lane: usize = 4; $e },
            { const $lane: usize = 5; $e },
            { const $lane: usize = 6; $e },
            { const $lane: usize = 7; $e },
        ]
    };
}

pub(super) use eight;

/// The scalars (u1, u2) of a group.
#[inline(always)]
pub(super) fn scalars<L: Lanes52>(l: L, claims: &[Claim], group: usize) -> (fe::Fe<L>, fe::Fe<L>) {
    let w = l.lines(eight!(|LANE| &nth(claims, group, LANE).scalars));
    (unpack(l, [w[0], w[1], w[2], w[3]]), unpack(l, [w[4], w[5], w[6], w[7]]))
}

/// Compares and writes down what became of a group.
#[inline(always)]
pub(super) fn decide<C: Curve, L: Lanes52>(
    l: L,
    claims: &[Claim],
    group: usize,
    sum: &Jacobian<L>,
    decisions: &mut [Decision],
) {
    let w = l.lines(eight!(|LANE| &nth(claims, group, LANE).x));
    let zz = square::<C::Field, L>(l, &sum.z);
    let first = to_montgomery::<C::Field, L>(l, &unpack(l, [w[0], w[1], w[2], w[3]]));
    let mut is = x_is::<C, L>(l, sum, &zz, &first);
    // The second candidate differs only for x-coordinates above the order: hardly ever.
    if l.eq(w[0], w[4]) & l.eq(w[1], w[5]) & l.eq(w[2], w[6]) & l.eq(w[3], w[7]) != 0xff {
        let second = to_montgomery::<C::Field, L>(l, &unpack(l, [w[4], w[5], w[6], w[7]]));
        is |= x_is::<C, L>(l, sum, &zz, &second);
    }
    let exceptional = is_exceptional::<C, L>(l, sum);
    for (lane, out) in decisions.iter_mut().skip(8 * group).take(8).enumerate() {
        *out = match (exceptional >> lane & 1, is >> lane & 1) {
            (1, _) => Decision::Exceptional,
            (_, 1) => Decision::True,
            _ => Decision::False,
        };
    }
}

/// The entries that digit `at` of a group picks from subtable `j` of eight tables.
#[inline(always)]
fn pick<S: Shape, L: Lanes52>(l: L, tables: &[&S::Table; 8], digits: &Digits, at: usize, j: usize) -> Affine<L> {
    let index = &digits.index[at];
    load(l, eight!(|LANE| S::entry(tables[LANE], j, index[LANE])))
}

/// Asks for the entries that digit `at` picks, if there is such a digit, of tables of shape `S`.
#[inline(always)]
pub(super) fn ask<S: Shape, L: Lanes52>(l: L, tables: &[&S::Table; 8], digits: &Digits, at: usize) {
    if at < S::ROUNDS * S::SUBTABLES {
        let index = &digits.index[at];
        for lane in 0..8 {
            l.prefetch(S::entry(tables[lane], at % S::SUBTABLES, index[lane]));
        }
    }
}

/// Adds the generator's entries, of which the first [`AHEAD`] were asked for.
#[inline(always)]
pub(super) fn add_generator<C: Curve, L: Lanes52, const G: usize>(
    l: L,
    a: &mut [Jacobian<L>; G],
    table: &<Window10 as Shape>::Table,
    digits: &[Digits],
) {
    for at in 0..Window10::SUBTABLES {
        for g in 0..G {
            ask::<Window10, L>(l, &[table; 8], &digits[g], at + AHEAD);
        }
        let mut b = [Affine { x: fe::zero(l), y: fe::zero(l) }; G];
        let mut negative = [0; G];
        for g in 0..G {
            b[g] = pick::<Window10, L>(l, &[table; 8], &digits[g], at, at);
            negative[g] = digits[g].negative[at];
        }
        add_mixed::<C, L, G>(l, a, &b, &negative);
    }
}

impl<C: Curve, S: Shape, L: Lanes52> Kernel<L> for Known<'_, C, S> {
    type Output = ();

    #[inline(always)]
    fn run(self, l: L) {
        let count = self.claims.len().min(CLAIMS);
        if count == 0 || self.tables.len() < count {
            return;
        }
        let (claims, tables) = (&self.claims[..count], &self.tables[..count]);
        let groups = count.div_ceil(8);
        for group in 0..groups {
            let (u1, u2) = scalars(l, claims, group);
            let key = &mut self.scratch.key[group];
            S::digits::<C, L>(l, &u2, key);
            Window10::digits::<C, L>(l, &u1, &mut self.scratch.generator[group]);
        }
        let mut group = 0;
        let grouped = groups / tree::G * tree::G;
        let wary = self.scratch.wary;
        self.scratch.wary = wary.saturating_sub(1);
        if grouped >= tree::LEAST && wary == 0 {
            let Scratch { key, generator: generator_digits, tree: room, wary, .. } = &mut *self.scratch;
            let (generator, decisions) = (self.generator, &mut *self.decisions);
            let claims = &claims[..count.min(8 * grouped)];
            let decided = l.call(tree::Tree::<C, S> {
                claims,
                tables,
                generator,
                key,
                generator_digits,
                room,
                decisions,
                curve: PhantomData,
            });
            if decided {
                group = grouped;
            } else {
                *wary = WARY;
            }
        }
        while group < groups {
            let rest = Rest {
                claims,
                tables,
                generator: self.generator,
                key: &self.scratch.key[group..],
                generator_digits: &self.scratch.generator[group..],
                group,
                decisions: self.decisions,
                shape: PhantomData::<(C, S)>,
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

/// What is left of a call once the digits are cut.
struct Rest<'a, 'd, C, S: Shape> {
    claims: &'a [Claim],
    tables: &'a [&'a S::Table],
    generator: &'a <Window10 as Shape>::Table,
    key: &'d [Digits],
    generator_digits: &'d [Digits],
    group: usize,
    decisions: &'d mut [Decision],
    shape: PhantomData<(C, S)>,
}

impl<C: Curve, S: Shape> Sum for Rest<'_, '_, C, S> {
    #[inline(always)]
    fn sum<L: Lanes52, const G: usize>(self, l: L) {
        let mut tables: [[&S::Table; 8]; G] = [[self.tables[0]; 8]; G];
        for g in 0..G {
            tables[g] = eight!(|LANE| *nth(self.tables, self.group + g, LANE));
            for at in 0..=AHEAD {
                ask::<S, L>(l, &tables[g], &self.key[g], at);
            }
        }
        let mut a = [Affine { x: fe::zero(l), y: fe::zero(l) }.to_jacobian::<C>(l); G];
        for g in 0..G {
            let first = pick::<S, L>(l, &tables[g], &self.key[g], 0, 0);
            a[g] = first.negate_where::<C>(l, self.key[g].negative[0]).to_jacobian::<C>(l);
        }
        for round in 0..S::ROUNDS {
            if round > 0 {
                double::<C, L, G>(l, &mut a);
            }
            for j in usize::from(round == 0)..S::SUBTABLES {
                let at = round * S::SUBTABLES + j;
                let mut b = [Affine { x: fe::zero(l), y: fe::zero(l) }; G];
                let mut negative = [0; G];
                for g in 0..G {
                    let next = at + AHEAD;
                    ask::<S, L>(l, &tables[g], &self.key[g], next);
                    if let Some(next) = next.checked_sub(S::ROUNDS * S::SUBTABLES) {
                        ask::<Window10, L>(l, &[self.generator; 8], &self.generator_digits[g], next);
                    }
                    b[g] = pick::<S, L>(l, &tables[g], &self.key[g], at, j);
                    negative[g] = self.key[g].negative[at];
                }
                add_mixed::<C, L, G>(l, &mut a, &b, &negative);
            }
        }
        add_generator::<C, L, G>(l, &mut a, self.generator, self.generator_digits);
        for g in 0..G {
            decide::<C, L>(l, self.claims, self.group + g, &a[g], self.decisions);
        }
    }
}

/// What sums up the claims of `G` groups at once.
pub(super) trait Sum {
    fn sum<L: Lanes52, const G: usize>(self, l: L);
}

/// Code of its own for so many groups.
pub(super) struct InGroups<R, const G: usize>(pub R);

impl<R: Sum, L: Lanes52, const G: usize> Kernel<L> for InGroups<R, G> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        self.0.sum::<L, G>(l);
    }
}
