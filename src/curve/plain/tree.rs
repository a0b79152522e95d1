//! Sums of the entries of many claims by affine additions that share inversions: [`super::super::tree`], in plain code.
//!
//! In each level point i and point i + ⌈n/2⌉ of every claim are added, all under one inversion. Points lie in the order of
//! [`super::super::tree`]'s combs, so that two levels make the eight columns of the key's and seven sums of the generator's entries. Where there are
//! enough claims to share the inversions, these seven are added in the same way.
//!
//! Where two points have the same x, which has no inverse to take part with, the claim is noted, and 1 takes the place of the difference: the others
//! are none the worse.

use super::{
    Affine, CLAIMS, Claim, Comb, Jacobian, Table, Window10, add_mixed, comb_digits, generator, pick, signed_bits, twice,
};
use crate::curve::Curve;
use crate::curve::table::Shape;
use crate::field::inverse::Inverter;
use crate::field::modulus::Modulus;
use crate::field::plain::{Constants, mul, square, sub};
use crate::field::words::{Words, is_zero};

/// From how many claims on the sums of the generator's entries are added under shared inversions too.
const MANY: usize = 8;

/// How many points a claim has, after the first level, and after the second.
const POINTS: [usize; 3] = [58, 29, 15];

/// The columns come first.
const COLUMNS: usize = 8;

const _: () = assert!(Comb::ROUNDS == COLUMNS && Comb::SUBTABLES == 4 && Window10::SUBTABLES == 26);

/// Points and products of the claims of one call; kept from call to call.
#[derive(Default)]
pub struct Room {
    points: Vec<Affine>,
    products: Vec<Words>,
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Room")
    }
}

impl Room {
    /// u1 G + u2 Q of at most [`CLAIMS`] claims; `None` where an exceptional case was met.
    pub(super) fn add<C: Curve>(&mut self, claims: &[Claim], tables: &[&Table]) -> [Option<Jacobian>; CLAIMS] {
        let row = claims.len().min(tables.len()).min(CLAIMS);
        let none = Affine { x: [0; 4], y: [0; 4] };
        if self.points.len() < POINTS[0] * row {
            self.points.resize(POINTS[0] * row, none);
            self.products.resize(POINTS[1] * row, [0; 4]);
        }
        let Self { points, products } = self;
        for (at, (claim, table)) in claims.iter().zip(tables).take(row).enumerate() {
            entries::<C>(claim, table, &mut points[at..], row);
        }
        let mut lost = [false; CLAIMS];
        let mut level = |points: &mut [Affine]| add_level::<C>(points, products, row, &mut lost);
        level(&mut points[..POINTS[0] * row]);
        level(&mut points[..POINTS[1] * row]);
        let mut count = POINTS[2];
        if row >= MANY {
            while count > COLUMNS + 1 {
                level(&mut points[COLUMNS * row..count * row]);
                count = COLUMNS + (count - COLUMNS).div_ceil(2);
            }
        }
        let mut sums = [None; CLAIMS];
        for (at, sum) in sums.iter_mut().enumerate().take(row).filter(|(at, _)| !lost[*at]) {
            let mut total = points[at].to_jacobian::<C>();
            for i in 1..count {
                if i < COLUMNS {
                    total = twice::<C>(&total);
                }
                total = add_mixed::<C>(&total, &points[i * row + at]);
            }
            *sum = Some(total);
        }
        sums
    }
}

/// Writes the entries of a claim, with their signs, to every `row`-th of the points.
///
/// Point i, counted in both halves of 29: the first (or third) entries of the columns from the highest on, seven of the generator's, the second
/// (or fourth) of the columns, six of the generator's.
fn entries<C: Curve>(claim: &Claim, table: &Table, points: &mut [Affine], row: usize) {
    let [a, b, c, d, e, f, g, h] = claim.scalars.0;
    let (bits, turned) = signed_bits::<C>(&[e, f, g, h], 255);
    let digits = comb_digits(&bits);
    for (half, j) in [(0, 0), (0, 1), (1, 2), (1, 3)] {
        let first = 29 * half + 15 * (j % 2);
        for column in 0..COLUMNS {
            let digit = digits[j] >> (8 * (7 - column)) & 255;
            points[(first + column) * row] = pick::<C, Comb>(table, j, digit as usize, turned);
        }
    }
    let (bits, turned) = signed_bits::<C>(&[a, b, c, d], 259);
    let table = generator::<C>();
    for j in 0..Window10::SUBTABLES {
        let (word, shift) = (10 * j / 64, 10 * j % 64);
        // Two words side by side, of which ten bits are taken.
        let both = u128::from(bits[word]) | u128::from(bits[word + 1]) << 64;
        let digit = (both >> shift) as usize & 1023;
        let (half, at) = (j / 13, j % 13);
        let place = 29 * half + if at < 7 { 8 + at } else { 23 + at - 7 };
        points[place * row] = pick::<C, Window10>(table, j, digit, turned);
    }
}

/// x2 - x1, or 1 where that is 0; the claim is noted then.
#[inline(always)]
fn difference<C: Curve>(a: &Affine, b: &Affine, lost: &mut bool) -> Words {
    let d = sub::<C::Field>(&b.x, &a.x);
    if is_zero(&d) {
        *lost = true;
        return Constants::<C::Field>::ONE;
    }
    d
}

/// Adds the second half of the points to the first; the one in the middle stays where their number is odd. Two chains of products go hand in
/// hand.
fn add_level<C: Curve>(points: &mut [Affine], products: &mut [Words], row: usize, lost: &mut [bool; CLAIMS]) {
    let half = (points.len() / row).div_ceil(2);
    let (left, right) = points.split_at_mut(half * row);
    let mut chains = [Constants::<C::Field>::ONE; 2];
    for (at, (a, b)) in left.iter().zip(right.iter()).enumerate() {
        let d = difference::<C>(a, b, &mut lost[at % row]);
        products[at] = chains[at % 2];
        chains[at % 2] = mul::<C::Field>(&chains[at % 2], &d);
    }
    let [even, odd] = chains;
    let inverse = Inverter::new(&<C::Field as Modulus>::M).invert(&mul::<C::Field>(&even, &odd));
    let inverse = mul::<C::Field>(&inverse, &Constants::<C::Field>::R3);
    let mut inverses = [mul::<C::Field>(&inverse, &odd), mul::<C::Field>(&inverse, &even)];
    for (at, (a, b)) in left.iter_mut().zip(right.iter()).enumerate().rev() {
        let d = difference::<C>(a, b, &mut lost[at % row]);
        let own = mul::<C::Field>(&inverses[at % 2], &products[at]);
        inverses[at % 2] = mul::<C::Field>(&inverses[at % 2], &d);
        let slope = mul::<C::Field>(&sub::<C::Field>(&b.y, &a.y), &own);
        let x = sub::<C::Field>(&sub::<C::Field>(&square::<C::Field>(&slope), &a.x), &b.x);
        let y = sub::<C::Field>(&mul::<C::Field>(&slope, &sub::<C::Field>(&a.x, &x)), &a.y);
        *a = Affine { x, y };
    }
}
