//! Elements of the field of p = 2^255 - 19 in eight lanes: five limbs of 52 bits, no Montgomery form.
//!
//! # Representation and bounds
//!
//! As in [`super::fe`] a number is *normal* when every limb is below 2^52, so it is below 2^260 = 32 * 2^255. Bounds are stated in units of
//! 2^255. A number is *weak* when it is normal and below 2^255 + 2^212: one, that is, up to one part in 2^43. Every product is weak.
//! Sums and differences of a few weak numbers are normal as they are and are multiplied without a reduction between: [`mul`] takes any
//! normal numbers.
//!
//! **Columns.** The product of normal a, b has columns t_0 .. t_9 with at most 5 low and 5 high halves, each below 2^52: below 2^55.4.
//! Carrying t_5 .. t_9 upwards leaves in them a number of at most five limbs, for the whole product is below 2^520: nothing comes out at
//! the top. (They are not masked: IFMA reads the low 52 bits only.)
//!
//! **Folding.** 2^260 = 608 modulo p, so column k takes the low half of 608 t_(k+5) and column k + 1 the high half. The high half that
//! belongs above column 4 is below 608; shifted up by 52 bits it is below 2^61.3 and is added to column 4 itself, which stays below
//! 2^61.5. The lower columns stay below 2^55.4 + 2^52 + 608 < 2^55.6.
//!
//! **Weak reduction.** What of column 4 lies above 2^47, that is above 2^255 of the number, is below 2^14.5 and comes back to column 0 times
//! 19. The carry chain then takes at most 2^3.7 from each column to the next; column 4 ends below 2^47 + 2^4: weak.
//!
//! **Loose limbs.** Before that carry chain the number is the same and as small: column 4 is below 2^47 and the others, below 2^55.7, make less than
//! 2^212. A product that goes into nothing but sums, which are carried themselves, may stay so ([`mul_loose`], [`square_loose`]).

use super::fe::{Fe, Wide, carry, limbwise};
use super::inverse::{Invert, Inverter};
use super::words::{Limbs, Words, limbs};
use crate::lanes::{Kernel, Lanes52, MASK52};

/// The prime.
pub const P: Words = [0xffff_ffff_ffff_ffed, u64::MAX, u64::MAX, 0x7fff_ffff_ffff_ffff];

/// The prime in limbs.
pub const LIMBS: Limbs = limbs(&P);

/// What lies above this bit of the highest limb lies above 2^255.
const TOP: u32 = 47;

const MASK47: u64 = (1 << TOP) - 1;

/// Debug builds only: `x` is normal, and below `units` times 2^255 but for one part in 2^40.
#[inline(always)]
pub fn check<L: Lanes52>(l: L, x: &Fe<L>, units: u64) {
    if cfg!(debug_assertions) {
        let rows = limbwise!(|I| l.store(x[I]).0);
        check_rows(&rows, units * ((1 << TOP) + (1 << 7)));
    }
}

#[inline(never)]
#[track_caller]
fn check_rows(rows: &[[u64; 8]; 5], top: u64) {
    for (i, row) in rows.iter().enumerate() {
        for &limb in row {
            assert!(limb <= MASK52, "limb {i} has more than 52 bits: {limb:#x}");
            assert!(i < 4 || limb < top, "highest limb out of bounds: {limb:#x}, not below {top:#x}");
        }
    }
}

/// Brings limbs that are none of them negative, the lower four below 2^56 and the highest below 2^62, to a number as small as a weak one, its limbs
/// not carried.
#[inline(always)]
fn small<L: Lanes52>(l: L, mut r: Fe<L>) -> Fe<L> {
    let t = l.shr::<TOP>(r[4]);
    r[4] = l.and(r[4], l.splat(MASK47));
    r[0] = l.madd_lo(r[0], t, l.splat(19));
    r
}

/// [`carry`] for such a number.
#[inline(always)]
fn carry_up<L: Lanes52>(l: L, mut r: Fe<L>) -> Fe<L> {
    for i in 0..4 {
        r[i + 1] = l.add(r[i + 1], l.shr::<52>(r[i]));
        r[i] = l.and(r[i], l.splat(MASK52));
    }
    check(l, &r, 1);
    r
}

/// A weak number congruent to a normal one.
#[inline(always)]
pub fn reduce<L: Lanes52>(l: L, a: &Fe<L>) -> Fe<L> {
    check(l, a, 31);
    carry_up(l, small(l, *a))
}

/// Columns of one product to a number as small as a weak one, its limbs loose.
#[inline(always)]
fn fold<L: Lanes52>(l: L, mut t: Wide<L>) -> Fe<L> {
    let c = l.splat(608);
    for k in 5..9 {
        t[k + 1] = l.add(t[k + 1], l.shr::<52>(t[k]));
    }
    if cfg!(debug_assertions) {
        assert!(l.store(t[9]).0.iter().all(|&limb| limb <= MASK52), "a product of 2^520 or more");
    }
    for k in 0..5 {
        t[k] = l.madd_lo(t[k], t[k + 5], c);
    }
    let above = l.madd_hi(l.splat(0), t[9], c);
    for k in 0..4 {
        t[k + 1] = l.madd_hi(t[k + 1], t[k + 5], c);
    }
    small(l, [t[0], t[1], t[2], t[3], l.add(t[4], l.shl::<52>(above))])
}

/// `a b`, weak. Inputs normal.
#[inline(always)]
pub fn mul<L: Lanes52>(l: L, a: &Fe<L>, b: &Fe<L>) -> Fe<L> {
    carry_up(l, mul_loose(l, a, b))
}

/// As [`mul`], with loose limbs.
#[inline(always)]
pub fn mul_loose<L: Lanes52>(l: L, a: &Fe<L>, b: &Fe<L>) -> Fe<L> {
    if L::OUT_OF_LINE { l.call(Product(a, b)) } else { mul_here(l, a, b) }
}

struct Product<'a, L: Lanes52>(&'a Fe<L>, &'a Fe<L>);

impl<L: Lanes52> Kernel<L> for Product<'_, L> {
    type Output = Fe<L>;
    #[inline(always)]
    fn run(self, l: L) -> Fe<L> {
        mul_here(l, self.0, self.1)
    }
}

#[inline(always)]
fn mul_here<L: Lanes52>(l: L, a: &Fe<L>, b: &Fe<L>) -> Fe<L> {
    check(l, a, 31);
    check(l, b, 31);
    let mut t = [l.splat(0); 10];
    for i in 0..5 {
        for j in 0..5 {
            t[i + j] = l.madd_lo(t[i + j], a[i], b[j]);
        }
        for j in 0..5 {
            t[i + j + 1] = l.madd_hi(t[i + j + 1], a[i], b[j]);
        }
    }
    fold(l, t)
}

/// `a a`, weak. Input normal. The cross terms are gathered once and doubled: the columns are those of the product.
#[inline(always)]
pub fn square<L: Lanes52>(l: L, a: &Fe<L>) -> Fe<L> {
    carry_up(l, square_loose(l, a))
}

/// As [`square`], with loose limbs.
#[inline(always)]
pub fn square_loose<L: Lanes52>(l: L, a: &Fe<L>) -> Fe<L> {
    if L::OUT_OF_LINE { l.call(Square(a)) } else { square_here(l, a) }
}

struct Square<'a, L: Lanes52>(&'a Fe<L>);

impl<L: Lanes52> Kernel<L> for Square<'_, L> {
    type Output = Fe<L>;
    #[inline(always)]
    fn run(self, l: L) -> Fe<L> {
        square_here(l, self.0)
    }
}

#[inline(always)]
fn square_here<L: Lanes52>(l: L, a: &Fe<L>) -> Fe<L> {
    check(l, a, 31);
    let mut t = [l.splat(0); 10];
    for i in 0..4 {
        for j in i + 1..5 {
            t[i + j] = l.madd_lo(t[i + j], a[i], a[j]);
        }
        for j in i + 1..5 {
            t[i + j + 1] = l.madd_hi(t[i + j + 1], a[i], a[j]);
        }
    }
    for column in &mut t[1..9] {
        *column = l.add(*column, *column);
    }
    for i in 0..5 {
        t[2 * i] = l.madd_lo(t[2 * i], a[i], a[i]);
        t[2 * i + 1] = l.madd_hi(t[2 * i + 1], a[i], a[i]);
    }
    fold(l, t)
}

/// `a + b`, normal: bounds add up.
#[inline(always)]
pub fn add<L: Lanes52>(l: L, a: &Fe<L>, b: &Fe<L>) -> Fe<L> {
    carry(l, limbwise!(|I| l.add(a[I], b[I])))
}

/// `a - b + 2 p`, normal, for a weak b, or one as small: at most two units more than a.
#[inline(always)]
pub fn sub<L: Lanes52>(l: L, a: &Fe<L>, b: &Fe<L>) -> Fe<L> {
    if cfg!(debug_assertions) {
        check(l, &carry(l, *b), 1);
    }
    carry(l, limbwise!(|I| l.add(l.sub(a[I], b[I]), l.splat(2 * LIMBS[I]))))
}

/// The one number below p, for a weak number (which is below 2 p).
#[inline(always)]
pub fn canonical<L: Lanes52>(l: L, a: &Fe<L>) -> Fe<L> {
    check(l, a, 1);
    let d = carry(l, limbwise!(|I| l.sub(a[I], l.splat(LIMBS[I]))));
    super::fe::select(l, l.negative(d[4]), &d, a)
}

/// The inverses of eight weak numbers by one inversion: none of them may be zero. As [`super::inverse::invert_lanes`].
#[inline(always)]
pub fn invert_lanes<L: Lanes52>(l: L, a: &Fe<L>) -> Fe<L> {
    const INVERTER: Inverter = Inverter::new(&P);
    let swapped4 = limbwise!(|I| l.swap::<4>(a[I]));
    let fours = mul(l, a, &swapped4);
    let swapped2 = limbwise!(|I| l.swap::<2>(fours[I]));
    let twos = mul(l, &fours, &swapped2);
    let swapped1 = limbwise!(|I| l.swap::<1>(twos[I]));
    let whole = mul(l, &twos, &swapped1);
    let inverse = invert_first(l, &INVERTER, &whole);
    let inverse = mul(l, &inverse, &swapped1);
    let inverse = mul(l, &inverse, &swapped2);
    mul(l, &inverse, &swapped4)
}

/// The inverse of the weak number in lane 0, not zero, in all lanes.
#[inline(always)]
fn invert_first<L: Lanes52>(l: L, inverter: &Inverter, a: &Fe<L>) -> Fe<L> {
    let w = super::fe::pack(l, &canonical(l, a));
    let number = [l.store(w[0]).0[0], l.store(w[1]).0[0], l.store(w[2]).0[0], l.store(w[3]).0[0]];
    debug_assert!(!super::words::is_zero(&number), "a zero among numbers to be inverted");
    super::fe::constant(l, limbs(&l.call(Invert(inverter, &number))))
}

/// The inverse of a weak number that is the same in all lanes and not zero.
#[inline(always)]
pub fn invert_same<L: Lanes52>(l: L, a: &Fe<L>) -> Fe<L> {
    const INVERTER: Inverter = Inverter::new(&P);
    invert_first(l, &INVERTER, a)
}

#[cfg(test)]
mod tests {
    use super::super::fe;
    use super::super::tests::{Random, mul_mod};
    use super::super::words::{add_mod, power_of_two, sub_mod};
    use super::*;
    use crate::lanes::{Cpu, Line, Model};

    /// Normal limbs: random, all ones, zero, multiples of p and their neighbours; the highest limb below `top`.
    fn rows(random: &mut Random, top: u64) -> [Line; 5] {
        let mut out = [Line::ZERO; 5];
        for lane in 0..8 {
            let mut x = [0u64; 5];
            match random.word() % 6 {
                0 => {}
                1 => x = [MASK52, MASK52, MASK52, MASK52, top - 1],
                2 => {
                    x = LIMBS;
                    x[0] += random.word() % 19;
                }
                3 => {
                    x = LIMBS;
                    x[0] -= random.word() % 3;
                }
                _ => {
                    for limb in &mut x {
                        *limb = random.word() & MASK52;
                    }
                    x[4] %= top;
                }
            }
            for (row, limb) in out.iter_mut().zip(x) {
                row.0[lane] = limb;
            }
        }
        out
    }

    fn value<L: Lanes52>(l: L, x: &Fe<L>, lane: usize) -> Words {
        let rows = limbwise!(|I| l.store(x[I]).0[lane]);
        let shift = power_of_two(52, &P);
        rows.iter().rev().fold([0; 4], |acc, &limb| add_mod(&mul_mod(&acc, &shift, &P), &[limb, 0, 0, 0], &P))
    }

    struct All {
        normal: [[Line; 5]; 2],
        weak: [[Line; 5]; 2],
    }

    impl<L: Lanes52> Kernel<L> for All {
        type Output = ();
        #[inline(always)]
        fn run(self, l: L) {
            let load = |rows: &[Line; 5]| limbwise!(|I| l.load(&rows[I]));
            let (a, b, c, d) = (load(&self.normal[0]), load(&self.normal[1]), load(&self.weak[0]), load(&self.weak[1]));
            let results = [mul(l, &a, &b), square(l, &a), add(l, &c, &d), sub(l, &c, &d), canonical(l, &c)];
            check(l, &results[2], 2);
            check(l, &results[3], 3);
            for lane in 0..8 {
                let [a, b, c, d] = [&a, &b, &c, &d].map(|x| value(l, x, lane));
                let expected = [mul_mod(&a, &b, &P), mul_mod(&a, &a, &P), add_mod(&c, &d, &P), sub_mod(&c, &d, &P), c];
                for (i, (got, want)) in results.iter().zip(expected).enumerate() {
                    assert_eq!(value(l, got, lane), want, "operation {i}");
                }
                assert_eq!(limbwise!(|I| l.store(results[4][I]).0[lane]), limbs(&c), "canonical");
            }
            // Without zeros: 1 where there was one.
            let zero = fe::select(l, 0xff, &c, &canonical(l, &c));
            let mut is_zero = 0xff;
            for limb in zero {
                is_zero &= l.eq(limb, l.splat(0));
            }
            let one = fe::constant(l, [1, 0, 0, 0, 0]);
            let c = fe::select(l, is_zero, &c, &one);
            let product = canonical(l, &mul(l, &c, &invert_lanes(l, &c)));
            let first = fe::limbwise!(|I| l.broadcast::<0>(c[I]));
            let same = canonical(l, &mul(l, &first, &invert_same(l, &first)));
            for i in 0..5 {
                assert_eq!(l.eq(product[i], one[i]) & l.eq(same[i], one[i]), 0xff);
            }
        }
    }

    #[test]
    fn every_operation_agrees_with_schoolbook_arithmetic_up_to_its_bounds() {
        let mut random = Random(9);
        for _ in 0..60 {
            let mut weak = || [rows(&mut random, (1 << TOP) + 4), rows(&mut random, (1 << TOP) + 4)];
            let weak = weak();
            // 31 units: as much as a check admits.
            let normal = [rows(&mut random, 31 << TOP), rows(&mut random, 31 << TOP)];
            let all = || All { normal, weak };
            Model.call(all());
            if let Some(ifma) = Cpu::hardware().avx512_ifma() {
                ifma.call(all());
            }
        }
    }
}
