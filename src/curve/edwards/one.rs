//! One claim alone, its additions spread over the lanes, as [`crate::curve::one`] does.
//!
//! The two scalars have 64 digits together, eight of them in each lane: four of the key's and four of the base point's, added in two chains
//! hand in hand and then together. Where the shape is a comb, lane l holds what weighs 2^l. Lanes are folded, l with l xor 4, 2 and 1; the
//! addition is complete and symmetric, so both partners come to the same sum. The correction for an even h is added to the whole.

use super::point::{Extended, Niels, add_extended, add_niels, double};
use super::table::{Flat, correction, pick};
use super::{Claim, is_encoding, scalars};
use crate::curve::digits::{Digits, halved};
use crate::curve::table::Spread;
use crate::field::fe::{Fe, limbwise, select};
use crate::field::fe25519::{invert_same, mul};
use crate::lanes::{Kernel, Lanes52};

/// A claim, the table of the negative of its key, and the base point's of the same shape.
pub struct One<'a, S: Flat> {
    /// The claim.
    pub claim: &'a Claim,
    /// The key's table.
    pub table: &'a S::Niels,
    /// The base point's table.
    pub base: &'a S::Niels,
}

impl<S: Flat + Spread, L: Lanes52> Kernel<L> for One<'_, S> {
    type Output = bool;

    #[inline(always)]
    fn run(self, l: L) -> bool {
        let of = scalars(l, [&self.claim.signature; 8], [&self.claim.digest; 8]);
        // h in lane 0, S in lane 1.
        let mut digits = Digits::EMPTY;
        let turned = of.s_even & 2;
        S::cut(l, halved(l, &select(l, 2, &of.h, &of.s)), turned, &mut digits);

        let tables = [&[self.table; 8], &[self.base; 8]];
        let (key, base) = (picked::<S, L>(l, tables[0], &digits, 0, 0), picked::<S, L>(l, tables[1], &digits, 0, 1));
        let mut sums = [key.0.to_extended(l, key.1), base.0.to_extended(l, base.1)];
        for m in 1..4 {
            let (key, base) =
                (picked::<S, L>(l, tables[0], &digits, m, 0), picked::<S, L>(l, tables[1], &digits, m, 1));
            add_niels::<L, 2>(l, &mut sums, &[key.0, base.0], &[key.1, base.1]);
        }
        let mut sum = [add_extended(l, &sums[0], &sums[1])];
        if S::ROUNDS > 1 {
            double_where::<L>(l, &mut sum, 4, 0xf0);
            fold::<L, 4>(l, &mut sum);
            double_where::<L>(l, &mut sum, 2, 0xcc);
            fold::<L, 2>(l, &mut sum);
            double_where::<L>(l, &mut sum, 1, 0xaa);
            fold::<L, 1>(l, &mut sum);
        } else {
            fold::<L, 4>(l, &mut sum);
            fold::<L, 2>(l, &mut sum);
            fold::<L, 1>(l, &mut sum);
        }
        add_niels::<L, 1>(l, &mut sum, &[correction::<S, L>(l, tables[0], of.h_even)], &[0xff]);
        let [sum] = sum;
        let z = invert_same(l, &sum.z);
        is_encoding(l, &mul(l, &sum.x, &z), &mul(l, &sum.y, &z), &of.r) & 1 == 1
    }
}

/// The `m`-th entry of each lane for scalar `which`, and the lanes in which it is subtracted. (Not a closure: that would be compiled without
/// the vector features.)
#[inline(always)]
fn picked<S: Flat + Spread, L: Lanes52>(
    l: L,
    tables: &[&S::Niels; 8],
    digits: &Digits,
    m: usize,
    which: usize,
) -> (Niels<L>, u8) {
    let (mut index, mut j, mut negative) = ([0; 8], [0; 8], 0);
    for lane in 0..8 {
        let (at, subtable) = S::spread(lane, m);
        index[lane] = digits.index[at][which];
        j[lane] = subtable;
        negative |= (digits.negative[at] >> which & 1) << lane;
    }
    (pick::<S, L>(l, tables, j, &index), negative)
}

/// Lane l plus lane l xor `K`, in both.
#[inline(always)]
fn fold<L: Lanes52, const K: usize>(l: L, a: &mut [Extended<L>; 1]) {
    let [own] = a;
    let other = Extended {
        x: swapped::<L, K>(l, &own.x),
        y: swapped::<L, K>(l, &own.y),
        z: swapped::<L, K>(l, &own.z),
        t: swapped::<L, K>(l, &own.t),
    };
    a[0] = add_extended(l, own, &other);
}

#[inline(always)]
fn swapped<L: Lanes52, const K: usize>(l: L, x: &Fe<L>) -> Fe<L> {
    limbwise!(|I| l.swap::<K>(x[I]))
}

/// Doubles `times` in the lanes of `mask`.
#[inline(always)]
fn double_where<L: Lanes52>(l: L, a: &mut [Extended<L>; 1], times: usize, mask: u8) {
    let [before] = *a;
    for _ in 0..times {
        double::<L, 1>(l, a);
    }
    let [after] = a;
    *after = Extended {
        x: select(l, mask, &before.x, &after.x),
        y: select(l, mask, &before.y, &after.y),
        z: select(l, mask, &before.z, &after.z),
        t: select(l, mask, &before.t, &after.t),
    };
}
