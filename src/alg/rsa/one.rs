//! One signature across the lanes: for groups too small to fill lanes with signatures.
//!
//! Vector j holds limbs 8j … 8j+7 of 52 bits; the radix, R and the key's constants are those of [`super::radix52`], and so is the way a
//! signature is compared ([`super::montgomery`]).
//!
//! # A product
//!
//! The accumulators are a window on the columns: lane 0 of the first is column 8q. Step q adds a's limbs, moved up by r lanes, times each of
//! the eight digits b_(8q+r); moving costs nothing where the limbs are read from memory, with zeros around them, r words lower. High halves
//! weigh one column more: for them the limbs are read as for r + 1. Low and high halves have accumulators of their own, which keeps the
//! chains short.
//!
//! After step q the window's first vector is complete. Its eight columns are carried through in general registers: eight digits L_r, below
//! 2^416 together, which are *folded* as in [`super::radix52`], here with c = 2^−416 mod n: the window moves up by a vector, and c's limbs
//! times L_r are added just as a's times b_r. The next step's a·b goes between, so that the vector units have work while carries run.
//!
//! A fold reaches N + 8 columns up, so the last eight to fifteen digits take Montgomery's quotient, digit by digit, in a *frame* that moves
//! up by one column a step (all lanes down). What binds there is the chain from one digit m_i of the quotient to the next. If it ran
//! through the vectors (multiply, shift lanes, multiply) it would cost 25 cycles a step. So the column in question is kept apart, in two
//! parts that are *the same in all lanes*:
//!
//! - `column`: what all but the digits m have brought to column i, and m_{<i−1}·n too: lane 0 of the frame, spread;
//! - `y`: what m_{i−1} has brought to it: the carry from column i−1, lo(n_1·m_{i−1}) and hi(n_0·m_{i−1}).
//!
//! Then m_i = lo(column·n0') + lo(y·n0') (cut to 52 bits by whoever multiplies with it), the carry is
//! (column + y + 2^52 − 1) >> 52 as in [`super::radix52`], and the next y is that carry + lo(n_1·m_i) + hi(n_0·m_i). The chain is two
//! multiplications and an addition: nine cycles. n_0 and n_1 are masked out of the vector row lo(m_i·n), n_0 out of hi(m_i·n): they have
//! been counted in y. The next `column` is lane 1 of x_0 before m_i's row is added (which is 0 there), off the chain.
//!
//! # Bounds
//!
//! The last fold adds less than n·2^(52·8F + 416), where F is the number of folds, and 8F + 8 ≤ N: as in [`super::radix52`], a product is
//! below (2 + 2^−4)·n. A lane that will become column c collects at most the same 4N + 20 terms below 2^52 as a column there, and the carry
//! in y: below 2^61. Columns below the final frame vanish in carries. The last carry lies in y and is added to lane 0.
//!
//! # Carries across lanes
//!
//! After the products a limb has up to 61 bits. First every limb keeps its low 52 bits and hands the rest, below 2^9, to the next lane:
//! now a limb is below 2^52 + 2^9. What is left is carries of one bit, and those are a question for an adder: with g the lanes above
//! 2^52 − 1 and p the lanes equal to it, as numbers with one bit a limb, the carries into the lanes are ((2g + p) ^ p): adding 2g to p runs
//! each carry through the row of full limbs above it, exactly as the limbs would. Nothing is carried out at the top: the values here are
//! below 7n, and R ≥ 2^8·n.

// Several arrays are walked in step, and by constant indices once unrolled; iterator adapters stay calls inside a kernel.
#![allow(clippy::needless_range_loop)]

use super::batch::{Claim, canonical, to_bytes};
use super::prepare::{MAX_BYTES, STRIDE, strip};
use crate::lanes::Kernel;
use crate::lanes::u64s::{Across, MASK52};

/// Limbs of the greatest number, in whole vectors.
const MAX_WORDS: usize = 80;

/// The modulus, in the forms that a product uses.
struct Modulus<V, const VECTORS: usize> {
    n: [V; VECTORS],
    /// 2^−416 mod n.
    fold: Padded,
    /// n_0 in every lane.
    first: V,
    /// n_1 in every lane.
    second: V,
    /// −n⁻¹ mod 2^52 in every lane.
    n0: V,
    zero: V,
    mask: V,
}

/// Limbs in memory, with a vector of zeros on either side: the limbs start at [`STRIDE`].
///
/// On a cache line, so that of the reads at all distances only those that must lie on two of them do.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Padded([u64; MAX_WORDS + 2 * STRIDE]);

impl Padded {
    const ZERO: Self = Self([0; MAX_WORDS + 2 * STRIDE]);
}

#[inline(always)]
fn padded<V: Across, const VECTORS: usize>(x: &[V; VECTORS]) -> Padded {
    let mut words = Padded::ZERO;
    for j in 0..VECTORS {
        words.0[STRIDE * (j + 1)..][..STRIDE].copy_from_slice(&x[j].words());
    }
    words
}

/// Limbs moved up by `r` ≤ 8 lanes.
#[inline(always)]
fn moved<V: Across, const WIDE: usize>(proof: V::Proof, x: &Padded, r: usize) -> [V; WIDE] {
    let mut out = [V::splat(proof, 0); WIDE];
    for v in 0..WIDE {
        out[v] = V::load(proof, &x.0[STRIDE * (v + 1) - r..][..STRIDE]);
    }
    out
}

/// Accumulators: low halves and high halves.
struct Window<V, const WIDE: usize> {
    low: [V; WIDE],
    high: [V; WIDE],
}

impl<V: Across, const WIDE: usize> Window<V, WIDE> {
    /// Adds x times `COUNT` ≤ 8 digits, the lowest of them at column 8·`AT` of the window.
    #[inline(always)]
    fn add<const COUNT: usize, const AT: usize>(&mut self, proof: V::Proof, x: &Padded, digits: &[u64]) {
        let mut here = moved::<V, WIDE>(proof, x, 0);
        for r in 0..COUNT {
            let digit = V::splat(proof, digits[r]);
            let above = moved::<V, WIDE>(proof, x, r + 1);
            for v in AT..WIDE {
                self.low[v] = self.low[v].lo(here[v - AT], digit);
                self.high[v] = self.high[v].hi(above[v - AT], digit);
            }
            here = above;
        }
    }

    /// Moves up by a vector. Yields the digits that are left below: with dirt above 52 bits.
    #[inline(always)]
    fn step(&mut self, proof: V::Proof) -> [u64; STRIDE] {
        let mut digits = self.low[0].add(self.high[0]).words();
        let mut carry = 0;
        for digit in &mut digits {
            *digit += carry;
            carry = *digit >> 52;
        }
        for v in 1..WIDE {
            self.low[v - 1] = self.low[v];
            self.high[v - 1] = self.high[v];
        }
        let zero = V::splat(proof, 0);
        (self.low[WIDE - 1], self.high[WIDE - 1]) = (zero, zero);
        self.low[0] = self.low[0].add(V::load(proof, &[carry, 0, 0, 0, 0, 0, 0, 0]));
        digits
    }
}

/// (a·b + c·h)·2^(−52·count), where b has `count` digits (40, 60 or 80, in `VECTORS` vectors; `WIDE` is one more) and h at most 10; not yet
/// normalised.
#[inline(always)]
fn product<V: Across, const VECTORS: usize, const WIDE: usize>(
    proof: V::Proof,
    a: &Padded,
    b: &Padded,
    count: usize,
    also: Option<(&Padded, &[u64; 2 * STRIDE])>,
    modulus: &Modulus<V, VECTORS>,
) -> [V; VECTORS] {
    const { assert!(WIDE == VECTORS + 1) };
    let &Modulus { n, ref fold, first, second, n0, zero, mask } = modulus;
    let folds = count / STRIDE - 1;
    let mut window = Window { low: [zero; WIDE], high: [zero; WIDE] };
    window.add::<STRIDE, 0>(proof, a, &b.0[STRIDE..][..STRIDE]);
    if let Some((c, h)) = also {
        window.add::<STRIDE, 0>(proof, c, &h[..STRIDE]);
    }
    for q in 0..folds {
        let left = window.step(proof);
        window.add::<STRIDE, 0>(proof, a, &b.0[STRIDE * (q + 2)..][..STRIDE]);
        if q == 0
            && let Some((c, h)) = also
        {
            window.add::<2, 0>(proof, c, &h[STRIDE..]);
        }
        window.add::<STRIDE, 0>(proof, fold, &left);
    }
    // 60 digits leave four more; of those beyond `count` digits all are 0.
    let rest = count - STRIDE * folds;
    if rest > STRIDE {
        window.add::<4, 1>(proof, a, &b.0[STRIDE * (folds + 2)..]);
    }

    let low = n[0].keep(0b1111_1100);
    let high = n[0].keep(0b1111_1110);
    let mut x = window.low;
    for v in 0..WIDE {
        x[v] = x[v].add(window.high[v]);
    }
    let mut column = x[0].spread0();
    let mut y = zero;
    for _ in 0..rest {
        let m = zero.lo(column, n0).lo(y, n0);
        let carry = column.add(y).add(mask).shr::<52>();
        y = carry.lo(second, m).add(zero.hi(first, m));
        column = x[0].spread1();
        x[0] = x[0].lo(low, m);
        for j in 1..VECTORS {
            x[j] = x[j].lo(n[j], m);
        }
        for j in 0..WIDE {
            let above = if j + 1 < WIDE { x[j + 1] } else { zero };
            x[j] = x[j].down(above);
        }
        x[0] = x[0].hi(high, m);
        for j in 1..VECTORS {
            x[j] = x[j].hi(n[j], m);
        }
    }
    let mut out = [zero; VECTORS];
    out.copy_from_slice(&x[..VECTORS]);
    out[0] = out[0].add(y.keep(1));
    out
}

/// Settles the carries: every limb below 2^52.
#[inline(always)]
fn normalised<V: Across, const VECTORS: usize>(mut x: [V; VECTORS], zero: V, mask: V) -> [V; VECTORS] {
    let (mut generate, mut full) = (0u128, 0u128);
    let mut below = zero;
    for (j, x) in x.iter_mut().enumerate() {
        let carry = x.shr::<52>();
        *x = x.and(mask).add(carry.up(below));
        below = carry;
        generate |= u128::from(x.greater(mask)) << (8 * j);
        full |= u128::from(x.equal(mask)) << (8 * j);
    }
    let carries = full.wrapping_add(generate << 1) ^ full;
    for (j, x) in x.iter_mut().enumerate() {
        *x = x.increment((carries >> (8 * j)) as u8).and(mask);
    }
    x
}

#[inline(always)]
fn sum<V: Across, const VECTORS: usize>(
    a: &[V; VECTORS],
    b: &[V; VECTORS],
    modulus: &Modulus<V, VECTORS>,
) -> [V; VECTORS] {
    let mut sum = *a;
    for j in 0..VECTORS {
        sum[j] = a[j].add(b[j]);
    }
    normalised(sum, modulus.zero, modulus.mask)
}

#[inline(always)]
fn same<V: Across, const VECTORS: usize>(a: &[V; VECTORS], b: &[V; VECTORS]) -> bool {
    let mut all = 0xff;
    for j in 0..VECTORS {
        all &= a[j].equal(b[j]);
    }
    all == 0xff
}

/// The limbs of a stored number.
#[inline(always)]
fn load<V: Across, const VECTORS: usize>(proof: V::Proof, words: &[u64]) -> [V; VECTORS] {
    let mut x = [V::splat(proof, 0); VECTORS];
    for (x, chunk) in x.iter_mut().zip(words.chunks_exact(STRIDE)) {
        *x = V::load(proof, chunk);
    }
    x
}

/// The same, left in memory.
#[inline(always)]
fn pad(words: &[u64]) -> Padded {
    let mut padded = Padded::ZERO;
    padded.0[STRIDE..STRIDE + words.len()].copy_from_slice(words);
    padded
}

#[inline(always)]
fn modulus<V: Across, const VECTORS: usize>(proof: V::Proof, claim: &Claim<'_>) -> Modulus<V, VECTORS> {
    let words = claim.constants.number(0);
    Modulus {
        n: load(proof, words),
        fold: pad(claim.constants.fold_across()),
        first: V::splat(proof, words[0]),
        second: V::splat(proof, words[1]),
        n0: V::splat(proof, claim.constants.n0),
        zero: V::splat(proof, 0),
        mask: V::splat(proof, MASK52),
    }
}

/// s, and s^(e−1)·R^−(e−2) for an odd e ≥ 3 (all products but the last, by s), both normalised.
#[inline(always)]
fn power<V: Across, const VECTORS: usize, const WIDE: usize>(
    proof: V::Proof,
    claim: &Claim<'_>,
    e: u64,
    modulus: &Modulus<V, VECTORS>,
) -> (Padded, Padded) {
    let count = claim.constants.limbs();
    let mut s = Padded::ZERO;
    for i in 0..VECTORS {
        s.0[STRIDE * (i + 1)..][..STRIDE].copy_from_slice(&strip(claim.signature, 52, i));
    }
    let mut x = s;
    for bit in (0..e.ilog2()).rev() {
        x = normal(product::<V, VECTORS, WIDE>(proof, &x, &x, count, None, modulus), modulus);
        if bit > 0 && e >> bit & 1 == 1 {
            x = normal(product::<V, VECTORS, WIDE>(proof, &s, &x, count, None, modulus), modulus);
        }
    }
    (s, x)
}

/// Settles the carries, and puts the limbs into memory.
#[inline(always)]
fn normal<V: Across, const VECTORS: usize>(x: [V; VECTORS], modulus: &Modulus<V, VECTORS>) -> Padded {
    padded(&normalised(x, modulus.zero, modulus.mask))
}

/// Checks one PKCS#1 v1.5 signature; the constants are for limbs of 52 bits, at most 8·`VECTORS` of them. `WIDE` is `VECTORS` + 1.
pub(super) struct Pkcs1One<'a, V, const VECTORS: usize, const WIDE: usize> {
    pub claim: Claim<'a>,
    pub e: u64,
    pub vector: std::marker::PhantomData<V>,
}

impl<V: Across, const VECTORS: usize, const WIDE: usize> Kernel<V::Proof> for Pkcs1One<'_, V, VECTORS, WIDE> {
    type Output = bool;

    #[inline(always)]
    fn run(self, proof: V::Proof) -> bool {
        let claim = &self.claim;
        let count = claim.constants.limbs();
        let modulus = modulus::<V, VECTORS>(proof, claim);
        let (s, x) = power::<V, VECTORS, WIDE>(proof, claim, self.e, &modulus);
        // The digest has at most 10 limbs.
        let mut digest = [0; 2 * STRIDE];
        digest[..STRIDE].copy_from_slice(&strip(claim.digest, 52, 0));
        digest[STRIDE..].copy_from_slice(&strip(claim.digest, 52, 1));
        let c = pad(claim.constants.number(1));
        let z = product::<V, VECTORS, WIDE>(proof, &s, &x, count, Some((&c, &digest)), &modulus);
        let z = sum(&z, &load(proof, claim.constants.number(2)), &modulus);
        // z is below 3.1·n.
        let two = sum(&modulus.n, &modulus.n, &modulus);
        same(&z, &[modulus.zero; VECTORS])
            || same(&z, &modulus.n)
            || same(&z, &two)
            || same(&z, &sum(&two, &modulus.n, &modulus))
    }
}

/// Recovers s^e mod n: `value` is written as k big-endian bytes at the end of its place, zeros before them.
pub(super) struct RecoverOne<'a, V, const VECTORS: usize, const WIDE: usize> {
    pub claim: Claim<'a>,
    pub e: u64,
    pub value: &'a mut [u8; MAX_BYTES],
    pub vector: std::marker::PhantomData<V>,
}

impl<V: Across, const VECTORS: usize, const WIDE: usize> Kernel<V::Proof> for RecoverOne<'_, V, VECTORS, WIDE> {
    type Output = ();

    #[inline(always)]
    fn run(self, proof: V::Proof) {
        let claim = &self.claim;
        let count = claim.constants.limbs();
        let modulus = modulus::<V, VECTORS>(proof, claim);
        let (s, x) = power::<V, VECTORS, WIDE>(proof, claim, self.e, &modulus);
        let x = normal(product::<V, VECTORS, WIDE>(proof, &s, &x, count, None, &modulus), &modulus);
        let z = pad(claim.constants.number(1));
        let mut x = normal(product::<V, VECTORS, WIDE>(proof, &z, &x, count, None, &modulus), &modulus);
        let limbs = &mut x.0[STRIDE..STRIDE + count];
        canonical(limbs, &claim.constants.number(0)[..count], 52);
        self.value.fill(0);
        to_bytes(limbs, 52, self.value);
    }
}
