//! Claims in plain code, with tables: for CPUs without the lanes' instructions.
//!
//! A key's table is a comb of eight teeth in four subtables (32 KiB, see [`super::table::Comb`]), the generator's has 26 windows of ten bits;
//! numbering and digits are those of [`super::digits`]. Entries are in Montgomery form with R = 2^256. They are added as [`tree`]s, by affine
//! additions under inversions that all claims of a call share, down to the eight columns of the key's comb and the sum of the generator's part;
//! these are doubled and added in Jacobian coordinates.
//!
//! Exceptional cases are those of [`super::tree`] and [`super::jacobian`]: a tree notes the claim whose points have the same x, and where two points
//! are equal or opposite in Jacobian coordinates Z becomes zero and stays so. Such claims are decided elsewhere.

mod tree;

use std::sync::OnceLock;

use super::table::{Comb, Shape, Window10};
use super::{Claim, Curve, Decision, line};
use crate::field::inverse::Inverter;
use crate::field::modulus::Modulus;
use crate::field::plain::{Constants, double, mul, square, sub, sum as plus};
use crate::field::words::{Words, is_zero, sub as difference};
use crate::lanes::Line;
pub use tree::Room;

/// A key's table.
pub type Table = <Comb as Shape>::Table;

/// The generator's table.
pub type GeneratorTable = <Window10 as Shape>::Table;

#[derive(Clone, Copy)]
struct Affine {
    x: Words,
    y: Words,
}

#[derive(Clone, Copy)]
struct Jacobian {
    x: Words,
    y: Words,
    z: Words,
}

impl Affine {
    fn of_line(Line([a, b, c, d, e, f, g, h]): &Line) -> Self {
        Self { x: [*a, *b, *c, *d], y: [*e, *f, *g, *h] }
    }

    fn negated<C: Curve>(&self) -> Self {
        Self { x: self.x, y: sub::<C::Field>(&[0; 4], &self.y) }
    }

    fn to_jacobian<C: Curve>(self) -> Jacobian {
        Jacobian { x: self.x, y: self.y, z: Constants::<C::Field>::ONE }
    }
}

/// `a + b`: 8 multiplications and 3 squarings.
fn add_mixed<C: Curve>(a: &Jacobian, b: &Affine) -> Jacobian {
    let zz = square::<C::Field>(&a.z);
    let zzz = mul::<C::Field>(&a.z, &zz);
    let h = sub::<C::Field>(&mul::<C::Field>(&b.x, &zz), &a.x);
    let r = sub::<C::Field>(&mul::<C::Field>(&b.y, &zzz), &a.y);
    let hh = square::<C::Field>(&h);
    let hhh = mul::<C::Field>(&h, &hh);
    let v = mul::<C::Field>(&a.x, &hh);
    let x = sub::<C::Field>(&sub::<C::Field>(&square::<C::Field>(&r), &hhh), &double::<C::Field>(&v));
    let y = sub::<C::Field>(&mul::<C::Field>(&r, &sub::<C::Field>(&v, &x)), &mul::<C::Field>(&a.y, &hhh));
    Jacobian { x, y, z: mul::<C::Field>(&a.z, &h) }
}

/// `2 a`, as [`super::jacobian::double`] has it.
fn twice<C: Curve>(a: &Jacobian) -> Jacobian {
    let (delta, gamma) = (square::<C::Field>(&a.z), square::<C::Field>(&a.y));
    let beta = mul::<C::Field>(&a.x, &gamma);
    let m = mul::<C::Field>(&sub::<C::Field>(&a.x, &delta), &plus::<C::Field>(&a.x, &delta));
    let alpha = plus::<C::Field>(&m, &double::<C::Field>(&m));
    let four_beta = double::<C::Field>(&double::<C::Field>(&beta));
    let x = sub::<C::Field>(&square::<C::Field>(&alpha), &double::<C::Field>(&four_beta));
    let two_gamma = double::<C::Field>(&gamma);
    let y = sub::<C::Field>(
        &mul::<C::Field>(&alpha, &sub::<C::Field>(&four_beta, &x)),
        &double::<C::Field>(&square::<C::Field>(&two_gamma)),
    );
    Jacobian { x, y, z: double::<C::Field>(&mul::<C::Field>(&a.y, &a.z)) }
}

/// Affine points, under one inversion; none of them the neutral element.
fn normalize<C: Curve>(points: &[Jacobian]) -> Vec<Affine> {
    let mut before = Vec::with_capacity(points.len());
    let mut product = Constants::<C::Field>::ONE;
    for point in points {
        before.push(product);
        product = mul::<C::Field>(&product, &point.z);
    }
    let inverse = Inverter::new(&<C::Field as Modulus>::M).invert(&product);
    let mut inverse = mul::<C::Field>(&inverse, &Constants::<C::Field>::R3);
    let mut out = vec![Affine { x: [0; 4], y: [0; 4] }; points.len()];
    for ((point, before), out) in points.iter().zip(&before).zip(&mut out).rev() {
        let z = mul::<C::Field>(&inverse, before);
        inverse = mul::<C::Field>(&inverse, &point.z);
        let zz = square::<C::Field>(&z);
        *out = Affine { x: mul::<C::Field>(&point.x, &zz), y: mul::<C::Field>(&point.y, &mul::<C::Field>(&zz, &z)) };
    }
    out
}

/// A table of shape `S` for a point in the lanes' Montgomery form (see [`super::montgomery_point`]). No sum is exceptional, for the reason
/// given in [`super::build`].
fn build<C: Curve, S: Shape>(point: &Line) -> Box<S::Table> {
    let Affine { x, y } = Affine::of_line(point);
    let own = |v: &Words| mul::<C::Field>(v, &Constants::<C::Field>::FROM_LANES);
    let mut power = Affine { x: own(&x), y: own(&y) }.to_jacobian::<C>();
    let mut powers = Vec::with_capacity(S::POWERS + 1);
    for _ in 0..=S::POWERS {
        powers.push(power);
        power = twice::<C>(&power);
    }
    let powers = normalize::<C>(&powers);
    let mut entries = Vec::with_capacity(S::SUBTABLES * S::HALF);
    for j in 0..S::SUBTABLES {
        let at = |k: usize| S::position(j, k);
        let first = entries.len();
        // A window's entry 0 is its lowest power itself: 2^(w-1) - 2^(w-2) - .. - 1 = 1.
        entries.push(if at(1) == at(0) + 1 {
            powers[at(0)].to_jacobian::<C>()
        } else {
            (0..S::WIDTH - 1).fold(powers[at(S::WIDTH - 1)].to_jacobian::<C>(), |sum, k| {
                add_mixed::<C>(&sum, &powers[at(k)].negated::<C>())
            })
        });
        for k in 0..S::WIDTH - 1 {
            for i in 0..1 << k {
                entries.push(add_mixed::<C>(&entries[first + i], &powers[at(k) + 1]));
            }
        }
    }
    let mut table = S::room();
    for (line_, entry) in (*table).as_mut().iter_mut().zip(normalize::<C>(&entries)) {
        *line_ = line(&entry.x, &entry.y);
    }
    table
}

/// A key's table, from its point in the lanes' Montgomery form.
#[must_use]
pub fn table<C: Curve>(point: &Line) -> Box<Table> {
    build::<C, Comb>(point)
}

/// The generator's table, built at first use.
fn generator<C: Curve>() -> &'static GeneratorTable {
    C::plain_generator().get_or_init(|| build::<C, Window10>(&super::montgomery_point::<C>(&C::GX, &C::GY)))
}

/// Where the process keeps the generator's table of a curve.
pub type GeneratorCell = OnceLock<Box<GeneratorTable>>;

/// The signed bits of a scalar (see [`super::digits`]), of which bit `top` is the highest, and whether all signs are turned.
fn signed_bits<C: Curve>(u: &Words, top: usize) -> ([u64; 6], bool) {
    let even = u[0] & 1 == 0;
    let w = if even { difference(&<C::Order as Modulus>::M, u).0 } else { *u };
    let mut bits = [w[0] >> 1 | w[1] << 63, w[1] >> 1 | w[2] << 63, w[2] >> 1 | w[3] << 63, w[3] >> 1, 0, 0];
    bits[top / 64] |= 1 << (top % 64);
    (bits, even)
}

/// The entry that a digit names in subtable `j` of a table of shape `S`, with its sign.
#[inline(always)]
fn pick<C: Curve, S: Shape>(table: &S::Table, j: usize, digit: usize, turned: bool) -> Affine {
    let below = digit < S::HALF;
    let index = if below { !digit } else { digit } & (S::HALF - 1);
    let entry = Affine::of_line(S::entry(table, j, index as u16));
    if below == turned { entry } else { entry.negated::<C>() }
}

/// The digits of the comb: those of the columns 8 j, 8 j + 1, .. 8 j + 7 are the bytes of word j (see [`super::digits::cut_comb`]).
fn comb_digits(bits: &[u64; 6]) -> [u64; 4] {
    let mut out = [0; 4];
    for (j, out) in out.iter_mut().enumerate() {
        let byte = |tooth: usize| bits[tooth / 2] >> (32 * (tooth % 2) + 8 * j) & 255;
        let mut m = (0..8).fold(0, |m, tooth| m | byte(tooth) << (8 * tooth));
        let t = (m ^ m >> 7) & 0x00aa_00aa_00aa_00aa;
        m ^= t ^ t << 7;
        let t = (m ^ m >> 14) & 0x0000_cccc_0000_cccc;
        m ^= t ^ t << 14;
        let t = (m ^ m >> 28) & 0x0000_0000_f0f0_f0f0;
        *out = m ^ t ^ t << 28;
    }
    out
}

/// How many claims share inversions.
pub const CLAIMS: usize = 32;

/// Decides claims, any number of them, each under the table of its key.
pub fn decide<C: Curve>(claims: &[Claim], tables: &[&Table], room: &mut Room, decisions: &mut [Decision]) {
    let parts = claims.chunks(CLAIMS).zip(tables.chunks(CLAIMS)).zip(decisions.chunks_mut(CLAIMS));
    for ((claims, tables), decisions) in parts {
        let sums = room.add::<C>(claims, tables);
        for ((claim, decision), sum) in claims.iter().zip(decisions).zip(sums) {
            *decision = sum.map_or(Decision::Exceptional, |sum| compare::<C>(claim, &sum));
        }
    }
}

/// Whether the point is of one of the two x.
fn compare<C: Curve>(claim: &Claim, sum: &Jacobian) -> Decision {
    if is_zero(&sum.z) {
        return Decision::Exceptional;
    }
    let zz = square::<C::Field>(&sum.z);
    let is = |x: &[u64]| {
        let x = mul::<C::Field>(&[x[0], x[1], x[2], x[3]], &Constants::<C::Field>::R2);
        mul::<C::Field>(&x, &zz) == sum.x
    };
    let (first, second) = claim.x.0.split_at(4);
    if is(first) || first != second && is(second) { Decision::True } else { Decision::False }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Oracle, cases};
    use super::super::{P256, Sm2, montgomery_point};
    use super::*;

    fn run<C: Oracle>(seed: u64) {
        let mut keys = std::collections::HashMap::new();
        let cases = cases::<C>(seed, 300);
        for case in &cases {
            keys.entry(case.key).or_insert_with(|| {
                let (x, y) = C::multiple(&case.key).unwrap();
                table::<C>(&montgomery_point::<C>(&x, &y))
            });
        }
        let mut room = Room::default();
        // Alone, in calls that are not full, and many at once.
        for count in [1, 5, 13, CLAIMS, 300] {
            for (part, cases) in cases.chunks(count).enumerate() {
                let claims: Vec<_> = cases.iter().map(|case| case.claim).collect();
                let tables: Vec<&Table> = cases.iter().map(|case| &*keys[&case.key]).collect();
                let mut decisions = vec![Decision::Exceptional; cases.len()];
                decide::<C>(&claims, &tables, &mut room, &mut decisions);
                for (i, (case, decision)) in cases.iter().zip(decisions).enumerate() {
                    let truth = if case.truth { Decision::True } else { Decision::False };
                    let allowed = case.crafted && decision == Decision::Exceptional;
                    let i = part * count + i;
                    assert!(decision == truth || allowed, "claim {i}: {decision:?} for {truth:?}: {:?}", case.claim);
                }
            }
        }
    }

    #[test]
    fn claims_agree_with_the_crates() {
        run::<P256>(51);
        run::<Sm2>(52);
    }
}
