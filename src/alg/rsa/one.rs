//! One signature across the lanes: for groups too small to fill lanes with signatures.
//!
//! Vector j holds limbs 8j … 8j+7 of 52 bits; the radix, R and the key's constants are those of [`super::radix52`], and so is the way a
//! signature is compared ([`super::montgomery`]).
//!
//! # A product
//!
//! a·b·R⁻¹ is computed digit by digit of b. The accumulators x are seen in a *frame*: in step i, lane 0 of x_0 is column i. Step i adds the
//! rows lo(a·b_i) and lo(m_i·n), moves the frame up by one (all lanes down), and adds the rows hi(a·b_i) and hi(m_i·n), which weigh one
//! column more.
//!
//! What binds is the chain from one digit m_i of the quotient to the next. If it ran through the vectors (multiply, shift lanes, multiply)
//! it would cost 25 cycles a step. So the column in question is kept apart, in two parts that are *the same in all lanes*:
//!
//! - `column`: what a·b has brought to column i, and m_{<i−1}·n too: lane 0 of the frame, spread;
//! - `y`: what m_{i−1} has brought to it: the carry from column i−1, lo(n_1·m_{i−1}) and hi(n_0·m_{i−1}).
//!
//! Then m_i = lo(column·n0') + lo(y·n0') (cut to 52 bits by whoever multiplies with it), the carry is
//! (column + y + 2^52 − 1) >> 52 as in [`super::radix52`], and the next y is that carry + lo(n_1·m_i) + hi(n_0·m_i). The chain is two
//! multiplications and an addition: nine cycles. n_0 and n_1 are masked out of the vector row lo(m_i·n), n_0 out of hi(m_i·n): they have
//! been counted in y. The next `column` is lane 1 of x_0 before m_i's row is added (which is 0 there) plus lane 0 of the new a·b part,
//! off the chain. That new part, t = hi(a·b_i) + lo(a·b_{i+1}), has accumulators of its own, which shortens the second chain, the one
//! through x.
//!
//! # Bounds
//!
//! A lane that will become column c collects at most the same 4N terms below 2^52 as a column of [`super::radix52`] and the carry in y:
//! below 2^61. Columns below the final frame vanish in carries. The last carry lies in y and is added to lane 0.
//!
//! # Carries across lanes
//!
//! After the products a limb has up to 61 bits. First every limb keeps its low 52 bits and hands the rest, below 2^9, to the next lane:
//! now a limb is below 2^52 + 2^9. What is left is carries of one bit, and those are a question for an adder: with g the lanes above
//! 2^52 − 1 and p the lanes equal to it, as numbers with one bit a limb, the carries into the lanes are ((2g + p) ^ p): adding 2g to p runs
//! each carry through the row of full limbs above it, exactly as the limbs would. Nothing is carried out at the top: the values here are
//! below 4n, and R ≥ 2^8·n.

use super::batch::{Claim, canonical, to_bytes};
use super::prepare::{MAX_BYTES, STRIDE, strip};
use crate::lanes::Kernel;
use crate::lanes::u64s::{Across, MASK52};

/// Limbs of the greatest number, in whole vectors.
const MAX_WORDS: usize = 80;

/// The modulus, in the forms that a product uses.
struct Modulus<V, const VECTORS: usize> {
    n: [V; VECTORS],
    /// n_0 in every lane.
    first: V,
    /// n_1 in every lane.
    second: V,
    /// −n⁻¹ mod 2^52 in every lane.
    n0: V,
    zero: V,
    mask: V,
}

/// Limbs in memory, for reading one at a time.
type Digits = [u64; MAX_WORDS];

#[inline(always)]
fn digits<V: Across, const VECTORS: usize>(x: &[V; VECTORS]) -> Digits {
    let mut digits = [0; MAX_WORDS];
    for (chunk, x) in digits.chunks_exact_mut(STRIDE).zip(x) {
        chunk.copy_from_slice(&x.words());
    }
    digits
}

/// (a·b + c·h)·2^(−52·count), where b has `count` digits and h at most 10; not yet normalised.
#[inline(always)]
#[allow(
    clippy::needless_range_loop,
    reason = "several arrays are walked in step, and by constant indices once unrolled"
)]
fn product<V: Across, const VECTORS: usize>(
    proof: V::Proof,
    a: &[V; VECTORS],
    b: &[u64],
    also: Option<(&[V; VECTORS], &[u64; 2 * STRIDE])>,
    modulus: &Modulus<V, VECTORS>,
) -> [V; VECTORS] {
    let Modulus { n, first, second, n0, zero, mask } = *modulus;
    let low = n[0].keep(0b1111_1100);
    let high = n[0].keep(0b1111_1110);
    let mut x = [zero; VECTORS];
    let mut digit = V::splat(proof, b[0]);
    for j in 0..VECTORS {
        x[j] = zero.lo(a[j], digit);
    }
    if let Some((c, h)) = also {
        let digit = V::splat(proof, h[0]);
        for j in 0..VECTORS {
            x[j] = x[j].lo(c[j], digit);
        }
    }
    let mut column = x[0].spread0();
    let mut y = zero;
    for i in 0..b.len() {
        let next = V::splat(proof, if i + 1 < b.len() { b[i + 1] } else { 0 });
        let m = zero.lo(column, n0).lo(y, n0);
        let carry = column.add(y).add(mask).shr::<52>();
        y = carry.lo(second, m).add(zero.hi(first, m));

        let mut t = [zero; VECTORS];
        for j in 0..VECTORS {
            t[j] = zero.hi(a[j], digit).lo(a[j], next);
        }
        if let Some((c, h)) = also
            && i + 1 < h.len()
        {
            let (digit, next) = (V::splat(proof, h[i]), V::splat(proof, h[i + 1]));
            for j in 0..VECTORS {
                t[j] = t[j].hi(c[j], digit).lo(c[j], next);
            }
        }
        column = x[0].spread1().add(t[0].spread0());

        x[0] = x[0].lo(low, m);
        for j in 1..VECTORS {
            x[j] = x[j].lo(n[j], m);
        }
        for j in 0..VECTORS {
            let above = if j + 1 < VECTORS { x[j + 1] } else { zero };
            x[j] = x[j].down(above).add(t[j]);
        }
        x[0] = x[0].hi(high, m);
        for j in 1..VECTORS {
            x[j] = x[j].hi(n[j], m);
        }
        digit = next;
    }
    x[0] = x[0].add(y.keep(1));
    x
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

#[inline(always)]
fn modulus<V: Across, const VECTORS: usize>(proof: V::Proof, claim: &Claim<'_>) -> Modulus<V, VECTORS> {
    let words = claim.constants.number(0);
    Modulus {
        n: load(proof, words),
        first: V::splat(proof, words[0]),
        second: V::splat(proof, words[1]),
        n0: V::splat(proof, claim.constants.n0),
        zero: V::splat(proof, 0),
        mask: V::splat(proof, MASK52),
    }
}

/// s, and s^(e−1)·R^−(e−2) for an odd e ≥ 3 (all products but the last, by s), both normalised.
#[inline(always)]
fn power<V: Across, const VECTORS: usize>(
    proof: V::Proof,
    claim: &Claim<'_>,
    e: u64,
    modulus: &Modulus<V, VECTORS>,
) -> ([V; VECTORS], [V; VECTORS]) {
    let count = claim.constants.limbs();
    let mut words = [0; MAX_WORDS];
    for (i, chunk) in words.chunks_exact_mut(STRIDE).enumerate().take(VECTORS) {
        chunk.copy_from_slice(&strip(claim.signature, 52, i));
    }
    let s: [V; VECTORS] = load(proof, &words);
    let mut x = s;
    for bit in (0..e.ilog2()).rev() {
        x = normalised(product(proof, &x, &digits(&x)[..count], None, modulus), modulus.zero, modulus.mask);
        if bit > 0 && e >> bit & 1 == 1 {
            x = normalised(product(proof, &s, &digits(&x)[..count], None, modulus), modulus.zero, modulus.mask);
        }
    }
    (s, x)
}

/// Checks one PKCS#1 v1.5 signature; the constants are for limbs of 52 bits, at most 8·`VECTORS` of them.
pub(super) struct Pkcs1One<'a, V, const VECTORS: usize> {
    pub claim: Claim<'a>,
    pub e: u64,
    pub vector: std::marker::PhantomData<V>,
}

impl<V: Across, const VECTORS: usize> Kernel<V::Proof> for Pkcs1One<'_, V, VECTORS> {
    type Output = bool;

    #[inline(always)]
    fn run(self, proof: V::Proof) -> bool {
        let claim = &self.claim;
        let count = claim.constants.limbs();
        let modulus = modulus::<V, VECTORS>(proof, claim);
        let (s, x) = power(proof, claim, self.e, &modulus);
        // The digest has at most 10 limbs.
        let mut digest = [0; 2 * STRIDE];
        digest[..STRIDE].copy_from_slice(&strip(claim.digest, 52, 0));
        digest[STRIDE..].copy_from_slice(&strip(claim.digest, 52, 1));
        let c = load(proof, claim.constants.number(1));
        let z = product(proof, &s, &digits(&x)[..count], Some((&c, &digest)), &modulus);
        let z = sum(&z, &load(proof, claim.constants.number(2)), &modulus);
        // z is below 3n.
        same(&z, &[modulus.zero; VECTORS]) || same(&z, &modulus.n) || same(&z, &sum(&modulus.n, &modulus.n, &modulus))
    }
}

/// Recovers s^e mod n: `value` is written as k big-endian bytes at the end of its place.
pub(super) struct RecoverOne<'a, V, const VECTORS: usize> {
    pub claim: Claim<'a>,
    pub e: u64,
    pub value: &'a mut [u8; MAX_BYTES],
    pub vector: std::marker::PhantomData<V>,
}

impl<V: Across, const VECTORS: usize> Kernel<V::Proof> for RecoverOne<'_, V, VECTORS> {
    type Output = ();

    #[inline(always)]
    fn run(self, proof: V::Proof) {
        let claim = &self.claim;
        let count = claim.constants.limbs();
        let modulus = modulus::<V, VECTORS>(proof, claim);
        let (s, x) = power(proof, claim, self.e, &modulus);
        let x = product(proof, &s, &digits(&x)[..count], None, &modulus);
        let x = normalised(x, modulus.zero, modulus.mask);
        let z = load(proof, claim.constants.number(1));
        let x = product(proof, &z, &digits(&x)[..count], None, &modulus);
        let mut limbs = digits(&normalised(x, modulus.zero, modulus.mask));
        canonical(&mut limbs[..count], &claim.constants.number(0)[..count], 52);
        to_bytes(&limbs[..count], 52, self.value);
    }
}
