//! Elements in eight lanes: five limbs of 52 bits, Montgomery form with R = 2^260.
//!
//! # Representation and bounds
//!
//! An [`Fe`] holds in each lane a number x = Σ limb_i * 2^(52 i). It is *normal* when every limb is below 2^52, so x < 2^260. Numbers are
//! not kept below the modulus: bounds are stated as multiples of M, and since 2^255.99 < M < 2^256, a normal number is below 16.01 M, and
//! R = 2^260 lies between 16 M and 16.01 M.
//!
//! **Columns.** A product has columns t_0 .. t_9; column k gathers the low halves of a_i b_j with i + j = k and the high halves with
//! i + j = k - 1. That is at most 5 + 5 terms below 2^52 a product. The reduction adds at most 5 + 5 more and one carry below 2^12. For
//! two products under one reduction that makes 30 terms, below 2^57, and for a product and eight squares 100, below 2^59: no column overflows its
//! 64 bits. Squaring doubles the cross terms, which counts the same terms twice and stays within the same bound.
//!
//! **Reduction.** Five rounds each clear the lowest column by adding m * M, m < 2^52, and move its carry up. The result is
//! (T + m M) / R with m < R, so for T = Σ a b it is below T / R + M. With a < αM and b < βM: below (1 + αβ / 16) M, as M / R < 1 / 16.
//! The highest limb takes what is left: the result is normal as long as αβ ≤ 239. The curve formulas keep αβ (or αβ + γδ) below 26.
//!
//! **Loose limbs.** What a reduction leaves are five columns of the same number, each above -2^53 and below 2^57, before they are carried. A
//! number that goes into nothing but a sum, which is carried itself, may stay so ([`mul_loose`], [`square_loose`]): eight of them at most, so
//! that no limb of the sum exceeds 2^61.
//!
//! **IFMA reads 52 bits.** An operand above would be cut in silence; hence [`carry`] before a sum is multiplied, and the debug assertions
//! in [`mul`], [`square`] and [`mul_add`].

use super::modulus::{Modulus, Prime};
use super::words::Limbs;
use crate::lanes::{Kernel, Lanes52, MASK52};
use std::marker::PhantomData;

/// Five vectors of limbs, the lowest first: eight numbers.
pub type Fe<L> = [<L as Lanes52>::V; 5];

/// Ten columns of a product, the lowest first.
pub type Wide<L> = [<L as Lanes52>::V; 10];

/// An array literal over the five limbs. A closure would be compiled without the vector features before it is inlined.
macro_rules! limbwise {
    (|$i:ident| $e:expr) => {
        [
            { const $i: usize = 0; $e },
            { const $i: usize = 1; $e },
            { const $i: usize = 2; $e },
            { const $i: usize = 3; $e },
            { const $i: usize = 4; $e },
        ]
    };
}
pub(crate) use limbwise;

/// Debug builds only: all limbs of `x` are below 2^52 and its lanes are below `hundredths`/100 times `M`, up to one part in 2^47.
#[inline(always)]
pub fn check<M: Modulus, L: Lanes52>(l: L, x: &Fe<L>, hundredths: u64) {
    if cfg!(debug_assertions) {
        let rows = limbwise!(|I| l.store(x[I]).0);
        check_rows(&rows, hundredths * (M::LIMBS[4] + 1) / 100);
    }
}

#[inline(never)]
#[track_caller]
fn check_rows(rows: &[[u64; 8]; 5], top: u64) {
    for (i, row) in rows.iter().enumerate() {
        for &limb in row {
            assert!(limb <= MASK52, "limb {i} has more than 52 bits: {limb:#x}");
            assert!(i < 4 || limb <= top, "highest limb out of bounds: {limb:#x} above {top:#x}");
        }
    }
}

/// The same constant in all lanes.
#[inline(always)]
pub fn constant<L: Lanes52>(l: L, c: Limbs) -> Fe<L> {
    limbwise!(|I| l.splat(c[I]))
}

/// Zero.
#[inline(always)]
pub fn zero<L: Lanes52>(l: L) -> Fe<L> {
    [l.splat(0); 5]
}

/// `b` in the lanes of `mask`, `a` in the others.
#[inline(always)]
pub fn select<L: Lanes52>(l: L, mask: u8, a: &Fe<L>, b: &Fe<L>) -> Fe<L> {
    limbwise!(|I| l.select(mask, a[I], b[I]))
}

/// Makes limbs normal: carries from each to the next, arithmetically, so limbs may be negative as long as the number is not. Limbs must
/// be below 2^62 in magnitude; the number must be below 2^260. (The debug assertions of whatever multiplies the result check both.)
#[inline(always)]
pub fn carry<L: Lanes52>(l: L, mut r: Fe<L>) -> Fe<L> {
    let mask = l.splat(MASK52);
    for i in 0..4 {
        r[i + 1] = l.add(r[i + 1], l.sar::<52>(r[i]));
        r[i] = l.and(r[i], mask);
    }
    r
}

/// `a - b + K M`, normal. The caller knows that it is neither negative nor above 2^260. `K` is at most 15.
#[inline(always)]
pub fn sub<const K: u64, M: Modulus, L: Lanes52>(l: L, a: &Fe<L>, b: &Fe<L>) -> Fe<L> {
    carry(l, limbwise!(|I| l.add(l.sub(a[I], b[I]), l.splat(K * M::LIMBS[I]))))
}

/// `K M - a`, normal; `a` at most `K M`.
#[inline(always)]
pub fn negate<const K: u64, M: Modulus, L: Lanes52>(l: L, a: &Fe<L>) -> Fe<L> {
    carry(l, limbwise!(|I| l.sub(l.splat(K * M::LIMBS[I]), a[I])))
}

/// Brings a number below 16 M, its limbs not yet carried and below 2^61 in magnitude, below 1.01 M: what lies above 2^256 is folded in again as
/// t * (2^256 mod P), t < 2^4 (+ a unit for carries that have not come up), which is below 2^229. The number must not be negative, and
/// either its limbs are none of them negative or it is at least M / 4; then no partial sum goes below zero.
///
/// The carries that have not come up are below 2^10 units of the highest limb, of which it takes 2^48 to make a unit of t; what they add to the result, less than
/// 2^218, is far below M / 100. If the lower limbs are negative, the highest still shows the number's floor within 2^10, so t is right up to
/// one unit for numbers of at least M / 4: with t = 0 nothing changes but the carries, and with t ≥ 1 the fold adds at least 2^223, more than
/// the lower limbs can take away (less than 2^218).
#[inline(always)]
pub fn weak<P: Prime, L: Lanes52>(l: L, r: Fe<L>) -> Fe<L> {
    if L::OUT_OF_LINE { l.call(Weak::<P, L>(r, PhantomData)) } else { weak_here::<P, L>(l, r) }
}

struct Weak<P, L: Lanes52>(Fe<L>, PhantomData<P>);

impl<P: Prime, L: Lanes52> Kernel<L> for Weak<P, L> {
    type Output = Fe<L>;
    #[inline(always)]
    fn run(self, l: L) -> Fe<L> {
        weak_here::<P, L>(l, self.0)
    }
}

#[inline(always)]
fn weak_here<P: Prime, L: Lanes52>(l: L, mut r: Fe<L>) -> Fe<L> {
    let t = l.shr::<48>(r[4]);
    r[4] = l.and(r[4], l.splat((1 << 48) - 1));
    P::fold(l, &mut r, t);
    let r = carry(l, r);
    check::<P, L>(l, &r, 101);
    r
}

#[inline(always)]
fn add_product<L: Lanes52>(l: L, t: &mut Wide<L>, a: &Fe<L>, b: &Fe<L>) {
    // By rows: low halves to columns i + j, then high halves to i + j + 1, so that consecutive instructions hit different columns.
    for i in 0..5 {
        for j in 0..5 {
            t[i + j] = l.madd_lo(t[i + j], a[i], b[j]);
        }
        for j in 0..5 {
            t[i + j + 1] = l.madd_hi(t[i + j + 1], a[i], b[j]);
        }
    }
}

/// Montgomery reduction modulo a modulus that is -1 mod 2^52: -1/M = 1, so m is the low part of the column itself (IFMA takes its low
/// 52 bits), and m M = m (M + 1) - m, where the subtraction cancels the column's low part exactly and leaves its carry. Limbs of M + 1
/// that are zero cost nothing.
#[inline(always)]
pub fn reduce_minus_one<M: Modulus, L: Lanes52>(l: L, mut t: Wide<L>) -> Fe<L> {
    for i in 0..5 {
        let m = t[i];
        t[i + 1] = l.add(t[i + 1], l.shr::<52>(m));
        for j in 1..5 {
            if M::PLUS_ONE[j] != 0 {
                t[i + j] = l.madd_lo(t[i + j], m, l.splat(M::PLUS_ONE[j]));
            }
        }
        for j in 1..5 {
            if M::PLUS_ONE[j] != 0 {
                t[i + j + 1] = l.madd_hi(t[i + j + 1], m, l.splat(M::PLUS_ONE[j]));
            }
        }
    }
    [t[5], t[6], t[7], t[8], t[9]]
}

/// Montgomery reduction modulo the prime of SM2, the case of [`reduce_minus_one`] with limbs of M + 1 that are nearly all ones. With
/// B = 2^52 it is l1 B + (B - 1) B^2 + (B - 1) B^3 + l4 B^4 = l1 B - B^2 + (l4 + 1) B^4, so two of four limb products become one
/// subtraction of m. Columns may go below zero by 2^52 on the way, hence arithmetic shifts; the sum T + m M does not.
#[inline(always)]
pub fn reduce_sm2<M: Modulus, L: Lanes52>(l: L, mut t: Wide<L>) -> Fe<L> {
    const { assert!(M::PLUS_ONE[0] == 0 && M::PLUS_ONE[2] == MASK52 && M::PLUS_ONE[3] == MASK52) };
    let (l1, l4, mask) = (l.splat(M::PLUS_ONE[1]), l.splat(M::PLUS_ONE[4] + 1), l.splat(MASK52));
    for i in 0..5 {
        let m = t[i];
        t[i + 1] = l.add(t[i + 1], l.sar::<52>(m));
        t[i + 1] = l.madd_lo(t[i + 1], m, l1);
        t[i + 2] = l.madd_hi(t[i + 2], m, l1);
        t[i + 2] = l.sub(t[i + 2], l.and(m, mask));
        t[i + 4] = l.madd_lo(t[i + 4], m, l4);
        t[i + 5] = l.madd_hi(t[i + 5], m, l4);
    }
    [t[5], t[6], t[7], t[8], t[9]]
}

/// Montgomery reduction modulo any odd modulus. The low half of m M's lowest limb product makes the column's low 52 bits zero, so it is not
/// computed: the carry is the column divided by 2^52, rounded up.
#[inline(always)]
pub fn reduce_general<M: Modulus, L: Lanes52>(l: L, mut t: Wide<L>) -> Fe<L> {
    let (zero, n0, mask) = (l.splat(0), l.splat(M::N0), l.splat(MASK52));
    for i in 0..5 {
        let m = l.madd_lo(zero, t[i], n0);
        t[i + 1] = l.add(t[i + 1], l.shr::<52>(l.add(t[i], mask)));
        for j in 1..5 {
            t[i + j] = l.madd_lo(t[i + j], m, l.splat(M::LIMBS[j]));
        }
        for j in 0..5 {
            t[i + j + 1] = l.madd_hi(t[i + j + 1], m, l.splat(M::LIMBS[j]));
        }
    }
    [t[5], t[6], t[7], t[8], t[9]]
}

/// `a b / R`: for a < αM, b < βM below (1 + αβ/16) M. Inputs normal.
#[inline(always)]
pub fn mul<M: Modulus, L: Lanes52>(l: L, a: &Fe<L>, b: &Fe<L>) -> Fe<L> {
    carry(l, mul_loose::<M, L>(l, a, b))
}

/// As [`mul`], with loose limbs.
#[inline(always)]
pub fn mul_loose<M: Modulus, L: Lanes52>(l: L, a: &Fe<L>, b: &Fe<L>) -> Fe<L> {
    if L::OUT_OF_LINE { l.call(Product::<M, L, 2>([a, b], PhantomData)) } else { mul_here::<M, L>(l, a, b) }
}

#[inline(always)]
fn mul_here<M: Modulus, L: Lanes52>(l: L, a: &Fe<L>, b: &Fe<L>) -> Fe<L> {
    check::<M, L>(l, a, 1601);
    check::<M, L>(l, b, 1601);
    let mut t = [l.splat(0); 10];
    add_product(l, &mut t, a, b);
    M::reduce(l, t)
}

/// `a a / R`: for a < αM below (1 + α²/16) M. Input normal.
#[inline(always)]
pub fn square<M: Modulus, L: Lanes52>(l: L, a: &Fe<L>) -> Fe<L> {
    carry(l, square_loose::<M, L>(l, a))
}

/// As [`square`], with loose limbs.
#[inline(always)]
pub fn square_loose<M: Modulus, L: Lanes52>(l: L, a: &Fe<L>) -> Fe<L> {
    if L::OUT_OF_LINE { l.call(Product::<M, L, 1>([a], PhantomData)) } else { square_here::<M, L>(l, a) }
}

#[inline(always)]
fn square_here<M: Modulus, L: Lanes52>(l: L, a: &Fe<L>) -> Fe<L> {
    M::reduce(l, square_columns::<M, L>(l, a))
}

#[inline(always)]
fn square_columns<M: Modulus, L: Lanes52>(l: L, a: &Fe<L>) -> Wide<L> {
    check::<M, L>(l, a, 1601);
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
    t
}

/// `(a b + c d) / R` under one reduction: below (1 + (αβ + γδ)/16) M. Inputs normal.
#[inline(always)]
pub fn mul_add<M: Modulus, L: Lanes52>(l: L, a: &Fe<L>, b: &Fe<L>, c: &Fe<L>, d: &Fe<L>) -> Fe<L> {
    let loose = if L::OUT_OF_LINE {
        l.call(Product::<M, L, 4>([a, b, c, d], PhantomData))
    } else {
        mul_add_here::<M, L>(l, a, b, c, d)
    };
    carry(l, loose)
}

/// `(a b + 8 c c) / R` under one reduction: below (1 + (αβ + 8 γ²)/16) M. Inputs normal.
#[inline(always)]
pub fn mul_add_eight_squares<M: Modulus, L: Lanes52>(l: L, a: &Fe<L>, b: &Fe<L>, c: &Fe<L>) -> Fe<L> {
    let loose = if L::OUT_OF_LINE {
        l.call(Product::<M, L, 3>([a, b, c], PhantomData))
    } else {
        mul_add_eight_squares_here::<M, L>(l, a, b, c)
    };
    carry(l, loose)
}

/// One factor: its square; two: their product; three: the product of two and eight squares of the third; four: the sum of two products. Loose.
struct Product<'a, M, L: Lanes52, const N: usize>([&'a Fe<L>; N], PhantomData<M>);

impl<M: Modulus, L: Lanes52, const N: usize> Kernel<L> for Product<'_, M, L, N> {
    type Output = Fe<L>;
    #[inline(always)]
    fn run(self, l: L) -> Fe<L> {
        match *self.0.as_slice() {
            [a] => square_here::<M, L>(l, a),
            [a, b] => mul_here::<M, L>(l, a, b),
            [a, b, c] => mul_add_eight_squares_here::<M, L>(l, a, b, c),
            [a, b, c, d] => mul_add_here::<M, L>(l, a, b, c, d),
            _ => unreachable!("made in four places, with one to four factors"),
        }
    }
}

#[inline(always)]
fn mul_add_here<M: Modulus, L: Lanes52>(l: L, a: &Fe<L>, b: &Fe<L>, c: &Fe<L>, d: &Fe<L>) -> Fe<L> {
    for x in [a, b, c, d] {
        check::<M, L>(l, x, 1601);
    }
    let mut t = [l.splat(0); 10];
    add_product(l, &mut t, a, b);
    add_product(l, &mut t, c, d);
    M::reduce(l, t)
}

#[inline(always)]
fn mul_add_eight_squares_here<M: Modulus, L: Lanes52>(l: L, a: &Fe<L>, b: &Fe<L>, c: &Fe<L>) -> Fe<L> {
    check::<M, L>(l, a, 1601);
    check::<M, L>(l, b, 1601);
    let mut t = square_columns::<M, L>(l, c);
    for column in &mut t {
        *column = l.shl::<3>(*column);
    }
    add_product(l, &mut t, a, b);
    M::reduce(l, t)
}

/// Into Montgomery form: `a R`, below 2 M.
#[inline(always)]
pub fn to_montgomery<M: Modulus, L: Lanes52>(l: L, a: &Fe<L>) -> Fe<L> {
    mul::<M, L>(l, a, &constant(l, M::R2))
}

/// The one number below M, for an input below 2 M.
#[inline(always)]
pub fn canonical<M: Modulus, L: Lanes52>(l: L, a: &Fe<L>) -> Fe<L> {
    check::<M, L>(l, a, 200);
    let d = carry(l, limbwise!(|I| l.sub(a[I], l.splat(M::LIMBS[I]))));
    // The highest limb of the difference keeps the sign.
    select(l, l.negative(d[4]), &d, a)
}

/// Lanes whose number, any representative (input normal), is zero modulo M. A Montgomery multiplication by 1 leaves at most M: 0 or M.
#[inline(always)]
pub fn is_zero<M: Modulus, L: Lanes52>(l: L, a: &Fe<L>) -> u8 {
    let mut one = zero(l);
    one[0] = l.splat(1);
    let r = mul::<M, L>(l, a, &one);
    let mut any = r[0];
    let mut is_modulus = l.eq(r[0], l.splat(M::LIMBS[0]));
    for i in 1..5 {
        any = l.or(any, r[i]);
        is_modulus &= l.eq(r[i], l.splat(M::LIMBS[i]));
    }
    l.disjoint(any, any) | is_modulus
}

/// Four vectors of 64-bit words into limbs.
#[inline(always)]
pub fn unpack<L: Lanes52>(l: L, w: [L::V; 4]) -> Fe<L> {
    let mask = l.splat(MASK52);
    [
        l.and(w[0], mask),
        l.and(l.or(l.shr::<52>(w[0]), l.shl::<12>(w[1])), mask),
        l.and(l.or(l.shr::<40>(w[1]), l.shl::<24>(w[2])), mask),
        l.and(l.or(l.shr::<28>(w[2]), l.shl::<36>(w[3])), mask),
        l.shr::<16>(w[3]),
    ]
}

/// Normal limbs of numbers below 2^256 into 64-bit words.
#[inline(always)]
pub fn pack<L: Lanes52>(l: L, a: &Fe<L>) -> [L::V; 4] {
    [
        l.or(a[0], l.shl::<52>(a[1])),
        l.or(l.shr::<12>(a[1]), l.shl::<40>(a[2])),
        l.or(l.shr::<24>(a[2]), l.shl::<28>(a[3])),
        l.or(l.shr::<36>(a[3]), l.shl::<16>(a[4])),
    ]
}
