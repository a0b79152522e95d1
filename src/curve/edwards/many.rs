//! Claims in groups of eight, for keys with a table.
//!
//! As [`crate::curve::many`]: digits of all groups first; then the additions, two groups hand in hand, the lines of an entry asked for some
//! additions before its turn; at the end one inversion brings all sums to affine form, for an encoding has to be compared and not a quotient.

use std::marker::PhantomData;

use super::point::{Extended, add_niels, double};
use super::table::{Flat, correction, entry, itself, pick};
use super::{Claim, is_encoding, scalars};
use crate::curve::digits::{Digits, halved};
use crate::curve::many::{AHEAD, CLAIMS, GROUPS, Scratch, eight, nth};
use crate::curve::table::Window10;
use crate::field::fe::{self, Fe};
use crate::field::fe25519::{invert_lanes, mul};
use crate::lanes::{Kernel, Lanes52};

/// Claims whose keys all have a table of shape `S`.
pub struct Known<'a, S: Flat> {
    /// At most [`CLAIMS`] of them.
    pub claims: &'a [Claim],
    /// The tables of the negatives of their keys.
    pub tables: &'a [&'a S::Niels],
    /// The base point's.
    pub base: &'a <Window10 as Flat>::Niels,
    /// Kept from call to call.
    pub scratch: &'a mut Scratch,
    /// As long as `claims`; set where a claim is true.
    pub good: &'a mut [bool],
}

impl<S: Flat, L: Lanes52> Kernel<L> for Known<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self, l: L) {
        let count = self.claims.len().min(CLAIMS);
        if count == 0 || self.tables.len() < count {
            return;
        }
        let (claims, tables) = (&self.claims[..count], &self.tables[..count]);
        let groups = count.div_ceil(8);
        let mut r = [[l.splat(0); 4]; GROUPS];
        let mut even = [0; GROUPS];
        for group in 0..groups {
            let of_group = scalars(
                l,
                eight!(|LANE| &nth(claims, group, LANE).signature),
                eight!(|LANE| &nth(claims, group, LANE).digest),
            );
            (r[group], even[group]) = (of_group.r, of_group.h_even);
            let key = &mut self.scratch.key[group];
            S::cut(l, halved(l, &of_group.h), 0, key);
            <Window10 as crate::curve::table::Shape>::cut(
                l,
                halved(l, &of_group.s),
                of_group.s_even,
                &mut self.scratch.generator[group],
            );
        }
        let mut sums = [Extended::neutral(l); GROUPS];
        let mut group = 0;
        while group < groups {
            let rest = Rest {
                tables,
                base: self.base,
                key: &self.scratch.key[group..],
                base_digits: &self.scratch.generator[group..],
                even: &even[group..],
                group,
                shape: PhantomData::<S>,
            };
            if group + 1 < groups {
                [sums[group], sums[group + 1]] = l.call(Pair(rest));
                group += 2;
            } else {
                [sums[group]] = l.call(Single(rest));
                group += 1;
            }
        }
        // before[g] = Z_0 .. Z_(g-1)
        let (mut before, mut product): ([Fe<L>; GROUPS], _) = ([sums[0].z; GROUPS], sums[0].z);
        for g in 1..groups {
            before[g] = product;
            product = mul(l, &product, &sums[g].z);
        }
        let mut inverse = invert_lanes(l, &product);
        for g in (0..groups).rev() {
            let mut z = inverse;
            if g > 0 {
                z = mul(l, &inverse, &before[g]);
                inverse = mul(l, &inverse, &sums[g].z);
            }
            let is = is_encoding(l, &mul(l, &sums[g].x, &z), &mul(l, &sums[g].y, &z), &r[g]);
            for (lane, good) in self.good.iter_mut().skip(8 * g).take(8).enumerate() {
                *good = is >> lane & 1 == 1;
            }
        }
    }
}

/// Asks for the entries that digit `at` picks, if there is such a digit.
#[inline(always)]
fn ask<S: Flat, L: Lanes52>(l: L, tables: &[&S::Niels; 8], digits: &Digits, at: usize) {
    if at < S::ROUNDS * S::SUBTABLES {
        let index = &digits.index[at];
        for lane in 0..8 {
            let (first, second) = entry::<S>(tables[lane], at % S::SUBTABLES, index[lane]);
            l.prefetch(first);
            l.prefetch(second);
        }
    }
}

/// What is left of a call once the digits are cut.
struct Rest<'a, 'd, S: Flat> {
    tables: &'a [&'a S::Niels],
    base: &'a <Window10 as Flat>::Niels,
    key: &'d [Digits],
    base_digits: &'d [Digits],
    even: &'d [u8],
    group: usize,
    shape: PhantomData<S>,
}

impl<S: Flat> Rest<'_, '_, S> {
    #[inline(always)]
    fn sum<L: Lanes52, const G: usize>(self, l: L) -> [Extended<L>; G] {
        let mut tables: [[&S::Niels; 8]; G] = [[self.tables[0]; 8]; G];
        for g in 0..G {
            tables[g] = eight!(|LANE| *nth(self.tables, self.group + g, LANE));
            for at in 0..=AHEAD {
                ask::<S, L>(l, &tables[g], &self.key[g], at);
            }
            for table in tables[g] {
                let (first, second) = itself::<S>(table);
                l.prefetch(first);
                l.prefetch(second);
            }
        }
        let mut a = [Extended::neutral(l); G];
        for g in 0..G {
            let first = pick::<S, L>(l, &tables[g], [0; 8], &self.key[g].index[0]);
            a[g] = first.to_extended(l, self.key[g].negative[0]);
        }
        let mut negative = [0; G];
        for round in 0..S::ROUNDS {
            if round > 0 {
                double::<L, G>(l, &mut a);
            }
            for j in usize::from(round == 0)..S::SUBTABLES {
                let at = round * S::SUBTABLES + j;
                let mut b = [super::point::Niels { plus: fe::zero(l), minus: fe::zero(l), product: fe::zero(l) }; G];
                for g in 0..G {
                    let next = at + AHEAD;
                    ask::<S, L>(l, &tables[g], &self.key[g], next);
                    if let Some(next) = next.checked_sub(S::ROUNDS * S::SUBTABLES) {
                        ask::<Window10, L>(l, &[self.base; 8], &self.base_digits[g], next);
                    }
                    b[g] = pick::<S, L>(l, &tables[g], [j; 8], &self.key[g].index[at]);
                    negative[g] = self.key[g].negative[at];
                }
                add_niels::<L, G>(l, &mut a, &b, &negative);
            }
        }
        let mut b = [super::point::Niels::neutral(l); G];
        for g in 0..G {
            b[g] = correction::<S, L>(l, &tables[g], self.even[g]);
        }
        add_niels::<L, G>(l, &mut a, &b, &[0xff; G]);
        for at in 0..<Window10 as crate::curve::table::Shape>::SUBTABLES {
            for g in 0..G {
                ask::<Window10, L>(l, &[self.base; 8], &self.base_digits[g], at + AHEAD);
                b[g] = pick::<Window10, L>(l, &[self.base; 8], [at; 8], &self.base_digits[g].index[at]);
                negative[g] = self.base_digits[g].negative[at];
            }
            add_niels::<L, G>(l, &mut a, &b, &negative);
        }
        a
    }
}

struct Pair<'a, 'd, S: Flat>(Rest<'a, 'd, S>);
struct Single<'a, 'd, S: Flat>(Rest<'a, 'd, S>);

impl<S: Flat, L: Lanes52> Kernel<L> for Pair<'_, '_, S> {
    type Output = [Extended<L>; 2];
    #[inline(always)]
    fn run(self, l: L) -> Self::Output {
        self.0.sum::<L, 2>(l)
    }
}

impl<S: Flat, L: Lanes52> Kernel<L> for Single<'_, '_, S> {
    type Output = [Extended<L>; 1];
    #[inline(always)]
    fn run(self, l: L) -> Self::Output {
        self.0.sum::<L, 1>(l)
    }
}
