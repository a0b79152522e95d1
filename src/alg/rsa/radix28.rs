//! Products on limbs of 27 or 28 bits, for vectors that multiply 32 × 32 bits ([`Mul32`]: AVX2, AVX-512 without IFMA).
//!
//! The same order as in [`super::radix52`] (columns, blocks, tiles: see there), with five columns a block, because there are sixteen
//! registers: five accumulators, a row limb, and the limbs it meets. A product of two limbs goes whole into the column of its weight, so
//! there is no sixth accumulator.
//!
//! # Bounds
//!
//! A column of a·b + h·c + m·n collects at most 2N + 20 products, each below 2^2B, a carry from below and k₁'s limb:
//!
//! | key | B | N | (2N + 20)·2^2B |
//! |---|---|---|---|
//! | up to 2048 bits | 28 | 75 | 2^63.5 |
//! | up to 3072 bits | 28 | 110 | 2^63.91 |
//! | up to 4096 bits | 27 | 155 | 2^62.4 |
//!
//! The carry is below 2^(64−B) ≤ 2^37, the limb below 2^28: far less than the 16·2^56 that the greatest of them leaves below 2^64. So no
//! column reaches 2^64. (4096 bits in limbs of 28 would: 300·2^56 > 2^64. Hence 27.) The doubling of a squaring
//! counts each pair twice, as the bound does.
//!
//! Limbs are always written clean: 32-bit multiplication would see the dirt.

use std::marker::PhantomData;

use super::montgomery::{Modulus, Montgomery, Proof};
use crate::lanes::Kernel;
use crate::lanes::u64s::Mul32;

/// Columns of a block.
const W: usize = 5;

type Block<V> = [V; W];

/// The body once for each index of a block, as a constant.
macro_rules! five {
    ($i:ident => $body:block) => {{
        {
            const $i: usize = 0;
            $body
        }
        {
            const $i: usize = 1;
            $body
        }
        {
            const $i: usize = 2;
            $body
        }
        {
            const $i: usize = 3;
            $body
        }
        {
            const $i: usize = 4;
            $body
        }
    }};
}

/// The shapes of tiles, as in [`super::radix52`].
const FULL: u8 = 0;
const AT: u8 = 1;
const BELOW: u8 = 2;
const EVEN: u8 = 3;
const ODD: u8 = 4;
const TOP: u8 = 5;
const LATER: u8 = 6;

#[inline(always)]
const fn meets(shape: u8, i: usize, c: usize) -> bool {
    match shape {
        FULL => true,
        AT => c >= i,
        BELOW => c < i,
        EVEN => c > 2 * i,
        ODD => c + W > 2 * i,
        TOP => c < i && c + W > 2 * i,
        _ => c > i,
    }
}

/// The limb that row limb `i` meets in column `c`.
#[inline(always)]
fn limb<V: Copy>(below: &Block<V>, at: &Block<V>, i: usize, c: usize) -> V {
    if c >= i { at[c - i] } else { below[W + c - i] }
}

/// Adds a tile of products.
#[inline(always)]
fn tile<V: Mul32, const SHAPE: u8>(l: &mut Block<V>, a: &Block<V>, below: &Block<V>, at: &Block<V>) {
    five!(I => {
        let x = a[I];
        five!(C => { if meets(SHAPE, I, C) { l[C] = l[C].mul_add(x, limb(below, at, I, C)); } });
    });
}

/// Adds m·n's tiles to block `k`, carries through it, and writes the digits or the result.
///
/// The quotient's digits live in `out` itself: block i of m is needed for the last time in block k = i + `BLOCKS`, at the end of which block i
/// of the result takes its place.
#[inline(always)]
fn reduce<V: Mul32, const BITS: u32, const BLOCKS: usize>(
    mask: V,
    k: usize,
    mut l: Block<V>,
    carry: &mut V,
    n: &[Block<V>; BLOCKS],
    n0: V,
    out: &mut [Block<V>; BLOCKS],
) {
    let last = k.min(BLOCKS);
    let mut first = 0;
    if k >= BLOCKS {
        first = k - BLOCKS + 1;
        tile::<V, BELOW>(&mut l, &out[k - BLOCKS], &n[BLOCKS - 1], &n[BLOCKS - 1]);
    }
    for i in first..last {
        tile::<V, FULL>(&mut l, &out[i], &n[k - i - 1], &n[k - i]);
    }
    let mut t = *carry;
    if k < BLOCKS {
        let m = &mut out[k];
        five!(D => {
            let column = l[D].add(t);
            // The product's low 32 bits depend on the column's low 32 bits only, and of them the digit's B.
            let digit = column.mul(n0).and(mask);
            m[D] = digit;
            five!(C => { if meets(LATER, D, C) { l[C] = l[C].mul_add(digit, limb(&n[0], &n[0], D, C)); } });
            t = column.mul_add(digit, n[0][0]).shr::<BITS>();
        });
    } else {
        let out = &mut out[k - BLOCKS];
        five!(D => {
            let column = l[D].add(t);
            out[D] = column.and(mask);
            t = column.shr::<BITS>();
        });
    }
    *carry = t;
}

/// `out` = a²/R.
struct Square<'a, V: Mul32, const BITS: u32, const BLOCKS: usize> {
    out: &'a mut [Block<V>; BLOCKS],
    a: &'a [Block<V>; BLOCKS],
    n: &'a [Block<V>; BLOCKS],
    n0: V,
}

impl<V: Mul32, const BITS: u32, const BLOCKS: usize> Kernel<V::Proof> for Square<'_, V, BITS, BLOCKS> {
    type Output = ();

    #[inline(always)]
    fn run(self, proof: V::Proof) {
        let Self { out, a, n, n0 } = self;
        let (zero, mask) = (V::splat(proof, 0), V::splat(proof, (1 << BITS) - 1));
        let mut carry = zero;
        for k in 0..2 * BLOCKS {
            let mut l = [zero; W];
            let mut first = 0;
            if k >= BLOCKS {
                let i = k - BLOCKS;
                first = i + 1;
                if i == BLOCKS - 1 {
                    tile::<V, TOP>(&mut l, &a[i], &a[BLOCKS - 1], &a[BLOCKS - 1]);
                } else {
                    tile::<V, BELOW>(&mut l, &a[i], &a[BLOCKS - 1], &a[BLOCKS - 1]);
                }
            }
            for i in first..k / 2 {
                tile::<V, FULL>(&mut l, &a[i], &a[k - i - 1], &a[k - i]);
            }
            let i = k / 2;
            if k % 2 == 0 && i >= first && i < BLOCKS {
                tile::<V, EVEN>(&mut l, &a[i], &a[i], &a[i]);
            } else if k % 2 == 1 && i >= first && i + 1 < BLOCKS {
                tile::<V, ODD>(&mut l, &a[i], &a[i], &a[i + 1]);
            }
            five!(C => { l[C] = l[C].add(l[C]); });
            // The diagonal: limb j goes to column 2j. An even block has three of them, an odd one two.
            let block = &a[i];
            if k % 2 == 0 {
                l[0] = l[0].mul_add(block[0], block[0]);
                l[2] = l[2].mul_add(block[1], block[1]);
                l[4] = l[4].mul_add(block[2], block[2]);
            } else {
                l[1] = l[1].mul_add(block[3], block[3]);
                l[3] = l[3].mul_add(block[4], block[4]);
            }
            reduce::<V, BITS, BLOCKS>(mask, k, l, &mut carry, n, n0, out);
        }
    }
}

/// c and k₁ of [`Montgomery::difference`].
type Constants<'a, V, const BLOCKS: usize> = (&'a [Block<V>; BLOCKS], &'a [Block<V>; BLOCKS]);

/// `out` = (a·b + h·c)/R + k₁: h has `ROWS` blocks, and without any nothing is added.
struct Product<'a, V: Mul32, const BITS: u32, const ROWS: usize, const BLOCKS: usize> {
    out: &'a mut [Block<V>; BLOCKS],
    a: &'a [Block<V>; BLOCKS],
    b: &'a [Block<V>; BLOCKS],
    digest: [Block<V>; ROWS],
    constants: Option<Constants<'a, V, BLOCKS>>,
    n: &'a [Block<V>; BLOCKS],
    n0: V,
}

impl<V: Mul32, const BITS: u32, const ROWS: usize, const BLOCKS: usize> Kernel<V::Proof>
    for Product<'_, V, BITS, ROWS, BLOCKS>
{
    type Output = ();

    #[inline(always)]
    fn run(self, proof: V::Proof) {
        let Self { out, a, b, digest, constants, n, n0 } = self;
        let (zero, mask) = (V::splat(proof, 0), V::splat(proof, (1 << BITS) - 1));
        let mut carry = zero;
        for k in 0..2 * BLOCKS {
            let mut l = [zero; W];
            if let Some((c, k1)) = constants {
                if k >= BLOCKS {
                    l = k1[k - BLOCKS];
                }
                for i in 0..ROWS {
                    if k == i {
                        tile::<V, AT>(&mut l, &digest[i], &c[0], &c[0]);
                    } else if k > i && k < i + BLOCKS {
                        tile::<V, FULL>(&mut l, &digest[i], &c[k - i - 1], &c[k - i]);
                    } else if k == i + BLOCKS {
                        tile::<V, BELOW>(&mut l, &digest[i], &c[BLOCKS - 1], &c[BLOCKS - 1]);
                    }
                }
            }
            let mut first = 0;
            if k >= BLOCKS {
                first = k - BLOCKS + 1;
                tile::<V, BELOW>(&mut l, &a[k - BLOCKS], &b[BLOCKS - 1], &b[BLOCKS - 1]);
            }
            for i in first..k.min(BLOCKS) {
                tile::<V, FULL>(&mut l, &a[i], &b[k - i - 1], &b[k - i]);
            }
            if k < BLOCKS {
                tile::<V, AT>(&mut l, &a[k], &b[0], &b[0]);
            }
            reduce::<V, BITS, BLOCKS>(mask, k, l, &mut carry, n, n0, out);
        }
    }
}

/// See [`Montgomery::multiples`].
struct Multiples<'a, V: Mul32, const BITS: u32, const BLOCKS: usize> {
    z: &'a [Block<V>; BLOCKS],
    n: &'a [Block<V>; BLOCKS],
    n0: V,
}

impl<V: Mul32, const BITS: u32, const BLOCKS: usize> Kernel<V::Proof> for Multiples<'_, V, BITS, BLOCKS> {
    type Output = u8;

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "iterator adapters stay calls inside a kernel")]
    fn run(self, proof: V::Proof) -> u8 {
        let (mask, all) = (V::splat(proof, (1 << BITS) - 1), V::splat(proof, u64::MAX));
        let (z, n) = (self.z.as_flattened(), self.n.as_flattened());
        let q = z[0].mul(self.n0).and(mask);
        // Column 0 comes out as 0 in the low bits.
        let mut carry = z[0].mul_add(q, n[0]).shr::<BITS>();
        let (mut none, mut same) = (z[0].disjoint(all), 0xff);
        for i in 1..W * BLOCKS {
            none &= z[i].disjoint(all);
            let column = z[i].mul_add(q, n[i]).add(carry);
            carry = column.shr::<BITS>();
            same &= column.and(mask).sub(n[i - 1]).disjoint(all);
        }
        same &= carry.sub(n[W * BLOCKS - 1]).disjoint(all);
        none | same
    }
}

/// Numbers of `BLOCKS` × 5 limbs of `BITS` bits.
pub(super) struct Radix28<V, const BITS: u32, const BLOCKS: usize>(PhantomData<V>);

impl<V: Mul32, const BITS: u32, const BLOCKS: usize> Montgomery for Radix28<V, BITS, BLOCKS> {
    type V = V;
    type Number = [Block<V>; BLOCKS];
    const LIMB_BITS: u32 = BITS;
    const LIMBS: usize = W * BLOCKS;
    const FOLDS: bool = false;

    #[inline(always)]
    fn zero(proof: Proof<Self>) -> Self::Number {
        [[V::splat(proof, 0); W]; BLOCKS]
    }

    #[inline(always)]
    fn limbs(x: &Self::Number) -> &[V] {
        x.as_flattened()
    }

    #[inline(always)]
    fn limbs_mut(x: &mut Self::Number) -> &mut [V] {
        x.as_flattened_mut()
    }

    #[inline(always)]
    fn square(proof: Proof<Self>, out: &mut Self::Number, a: &Self::Number, modulus: &mut Modulus<Self>) {
        V::enter(proof, Square::<V, BITS, BLOCKS> { out, a, n: &modulus.n, n0: modulus.n0 });
    }

    #[inline(always)]
    fn multiply(
        proof: Proof<Self>,
        out: &mut Self::Number,
        a: &Self::Number,
        b: &Self::Number,
        modulus: &mut Modulus<Self>,
    ) {
        let Modulus { n, n0, .. } = modulus;
        V::enter(proof, Product::<V, BITS, 0, BLOCKS> { out, a, b, digest: [], constants: None, n, n0: *n0 });
    }

    /// Two blocks hold a digest of up to 256 bits, four one of 512.
    #[inline(always)]
    fn difference(
        proof: Proof<Self>,
        out: &mut Self::Number,
        (a, b): (&Self::Number, &Self::Number),
        digest: &[V],
        constants: (&Self::Number, &Self::Number),
        modulus: &mut Modulus<Self>,
    ) {
        let Modulus { n, n0, .. } = modulus;
        let (constants, n0) = (Some(constants), *n0);
        let mut rows = [[V::splat(proof, 0); W]; 4];
        let used = digest.len().min(4 * W);
        rows.as_flattened_mut()[..used].copy_from_slice(&digest[..used]);
        if used <= 2 * W {
            let digest = [rows[0], rows[1]];
            V::enter(proof, Product::<V, BITS, 2, BLOCKS> { out, a, b, digest, constants, n, n0 });
        } else {
            V::enter(proof, Product::<V, BITS, 4, BLOCKS> { out, a, b, digest: rows, constants, n, n0 });
        }
    }

    #[inline(always)]
    fn multiples(proof: Proof<Self>, z: &Self::Number, modulus: &Modulus<Self>) -> u8 {
        V::enter(proof, Multiples::<V, BITS, BLOCKS> { z, n: &modulus.n, n0: modulus.n0 })
    }

    #[inline(always)]
    fn carry(x: V) -> V {
        x.sar::<BITS>()
    }
}
