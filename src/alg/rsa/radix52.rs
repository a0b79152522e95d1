//! Products on limbs of 52 bits, for vectors that multiply 52 × 52 bits and add the low or the high half ([`Mul52`], AVX-512 IFMA).
//!
//! # Columns, blocks and tiles
//!
//! The product a·b + m·n is computed column by column from the lowest (product scanning), ten columns at a time. Column c collects the low
//! halves of all a_i·b_j and m_i·n_j with i + j = c and the high halves of those with i + j = c − 1. A *block* k is the columns 10k … 10k+9;
//! its eleven accumulators (the eleventh takes the high halves that belong to the next block) stay in registers.
//!
//! What a block needs of a·b is cut into *tiles*: ten limbs of a (block i of a) against the parallelogram of b's limbs that meets the ten
//! columns, which lies in blocks k−i−1 and k−i of b. A full tile is 200 multiply-adds for 20 loads. Only the tiles at the ends are
//! triangles. A squaring takes the pairs i < j once, doubles all accumulators, and then adds the ten halves of the diagonal.
//!
//! In the low blocks the quotient's digits follow: column by column m = lo(column·n0'), then m·n's part of the remaining columns of the
//! block is added (the serial triangle of ten steps, which the processor overlaps with the next block's tiles). In the high blocks the
//! carries are settled and the result is written.
//!
//! # Bounds
//!
//! One multiply-add adds less than 2^52 to an accumulator. Column c receives at most N low and N high halves of a·b and as many of m·n: at
//! most 4N of them. The doubling of a squaring is within that count (each pair of it is counted twice). With the carry from below, at most
//! (4N + 1)·2^52 / 2^52 < 2^9, and k₁'s limb, a column is below (4N + 2)·2^52. For N = 80 that is below 2^60.4: no accumulator overflows
//! 64 bits, and adding 2^52 − 1 for the rounding does not either.
//!
//! *The low carry.* With col the finished column and m = lo(col·n0'), col + lo(m·n_0) ≡ 0 mod 2^52, and lo(m·n_0) < 2^52, so their sum is
//! col rounded up to a multiple of 2^52: the carry is (col + 2^52 − 1) >> 52, and lo(m·n_0) needs not be computed. hi(m·n_0) is added to
//! that carry directly, which starts the next column.
//!
//! *Dirt.* A squaring writes its columns without masking off what has been carried on: bits 52 and up of a limb are dirt, which the
//! multiplication ignores ([`Mul52`]). Only products that are compared ([`Montgomery::multiply`], [`Montgomery::expected`]) mask.

use std::marker::PhantomData;

use super::montgomery::{Modulus, Montgomery, Proof};
use crate::lanes::Kernel;
use crate::lanes::u64s::{MASK52, Mul52};

/// Columns of a block.
const W: usize = 10;

type Block<V> = [V; W];
type Columns<V> = [V; W + 1];

/// The body once for each index of a block, as a constant: accumulators must be known by number to live in registers.
macro_rules! ten {
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
        {
            const $i: usize = 5;
            $body
        }
        {
            const $i: usize = 6;
            $body
        }
        {
            const $i: usize = 7;
            $body
        }
        {
            const $i: usize = 8;
            $body
        }
        {
            const $i: usize = 9;
            $body
        }
    }};
}

/// Every pair of the parallelogram.
const FULL: u8 = 0;
/// Only the limbs of block k−i of b: the lowest tile of a row.
const AT: u8 = 1;
/// Only the limbs of block k−i−1 of b: the highest tile of a row.
const BELOW: u8 = 2;
/// The upper half of a·a's middle tile in an even block: pairs i < j of one and the same block.
const EVEN: u8 = 3;
/// The same in an odd block, where the pairs lie in two neighbouring blocks.
const ODD: u8 = 4;
/// Both `BELOW` and `ODD`: the highest tile of all.
const TOP: u8 = 5;
/// `AT` without the diagonal: what a digit of the quotient adds to the columns after its own.
const LATER: u8 = 6;

/// Whether limb `i` of the tile's rows meets column `c`.
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

/// The limb that row limb `i` meets in column `c`: number c − i counted from the start of `at`, which lies just above `below`.
#[inline(always)]
fn limb<V: Copy>(below: &Block<V>, at: &Block<V>, i: usize, c: usize) -> V {
    if c >= i { at[c - i] } else { below[W + c - i] }
}

/// Adds a tile of products: the first `ROWS` limbs of `a` against the limbs of `below` and `at`.
#[inline(always)]
fn tile<V: Mul52, const SHAPE: u8, const ROWS: usize>(
    l: &mut Columns<V>,
    a: &Block<V>,
    below: &Block<V>,
    at: &Block<V>,
) {
    ten!(I => {
        if I < ROWS {
            let x = a[I];
            ten!(C => { if meets(SHAPE, I, C) { l[C] = l[C].lo(x, limb(below, at, I, C)); } });
            ten!(C => { if meets(SHAPE, I, C) { l[C + 1] = l[C + 1].hi(x, limb(below, at, I, C)); } });
        }
    });
}

/// Determines the ten digits of the quotient in a low block, and leaves in `carry` what goes to the next block.
#[inline(always)]
fn settle_low<V: Mul52>(
    zero: V,
    mask: V,
    mut l: Columns<V>,
    carry: &mut V,
    digits: &mut Block<V>,
    n: &Block<V>,
    n0: V,
) {
    let mut t = *carry;
    ten!(D => {
        let column = l[D].add(t);
        let m = zero.lo(column, n0);
        digits[D] = m;
        let rounded = column.add(mask).shr::<52>();
        ten!(C => { if meets(LATER, D, C) { l[C] = l[C].lo(m, limb(n, n, D, C)); } });
        t = rounded.hi(m, n[0]);
        ten!(C => { if meets(LATER, D, C) { l[C + 1] = l[C + 1].hi(m, limb(n, n, D, C)); } });
    });
    *carry = t.add(l[W]);
}

/// Carries through a high block and writes it.
#[inline(always)]
fn settle_high<V: Mul52, const CLEAN: bool>(mask: V, l: &Columns<V>, carry: &mut V, out: &mut Block<V>) {
    let mut t = *carry;
    ten!(D => {
        let column = l[D].add(t);
        out[D] = if CLEAN { column.and(mask) } else { column };
        t = column.shr::<52>();
    });
    *carry = t.add(l[W]);
}

/// Adds m·n's tiles to block `k` and settles it. There are `digits` blocks of quotient digits m.
///
/// Where there are as many as the result has blocks, they live in `out` itself (`own` is empty): block i of m is needed for the last time in
/// block k = i + `BLOCKS`, at the end of which block i of the result takes its place.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn reduce<V: Mul52, const BLOCKS: usize, const CLEAN: bool>(
    (zero, mask): (V, V),
    k: usize,
    digits: usize,
    mut l: Columns<V>,
    carry: &mut V,
    own: &mut [Block<V>],
    n: &[Block<V>; BLOCKS],
    n0: V,
    out: &mut [Block<V>; BLOCKS],
) {
    let m = if own.is_empty() { &mut out[..] } else { own };
    let last = k.min(digits);
    let mut first = 0;
    if k >= BLOCKS {
        first = k - BLOCKS + 1;
        tile::<V, BELOW, W>(&mut l, &m[k - BLOCKS], &n[BLOCKS - 1], &n[BLOCKS - 1]);
    }
    for i in first..last {
        tile::<V, FULL, W>(&mut l, &m[i], &n[k - i - 1], &n[k - i]);
    }
    if k < digits {
        settle_low(zero, mask, l, carry, &mut m[k], &n[0], n0);
    } else {
        settle_high::<V, CLEAN>(mask, &l, carry, &mut out[k - digits]);
    }
}

/// `out` = a²/R.
struct Square<'a, V: Mul52, const BLOCKS: usize> {
    out: &'a mut [Block<V>; BLOCKS],
    a: &'a [Block<V>; BLOCKS],
    n: &'a [Block<V>; BLOCKS],
    n0: V,
}

impl<V: Mul52, const BLOCKS: usize> Kernel<V::Proof> for Square<'_, V, BLOCKS> {
    type Output = ();

    #[inline(always)]
    fn run(self, proof: V::Proof) {
        let Self { out, a, n, n0 } = self;
        let (zero, mask) = (V::splat(proof, 0), V::splat(proof, MASK52));
        let mut carry = zero;
        for k in 0..2 * BLOCKS {
            let mut l = [zero; W + 1];
            // Pairs (block i, block j ≥ i) of a with i + j = k or k − 1.
            let mut first = 0;
            if k >= BLOCKS {
                let i = k - BLOCKS;
                first = i + 1;
                if i == BLOCKS - 1 {
                    tile::<V, TOP, W>(&mut l, &a[i], &a[BLOCKS - 1], &a[BLOCKS - 1]);
                } else {
                    tile::<V, BELOW, W>(&mut l, &a[i], &a[BLOCKS - 1], &a[BLOCKS - 1]);
                }
            }
            for i in first..k / 2 {
                tile::<V, FULL, W>(&mut l, &a[i], &a[k - i - 1], &a[k - i]);
            }
            let i = k / 2;
            if k % 2 == 0 && i >= first && i < BLOCKS {
                tile::<V, EVEN, W>(&mut l, &a[i], &a[i], &a[i]);
            } else if k % 2 == 1 && i >= first && i + 1 < BLOCKS {
                tile::<V, ODD, W>(&mut l, &a[i], &a[i], &a[i + 1]);
            }
            ten!(C => { l[C] = l[C].add(l[C]); });
            l[W] = l[W].add(l[W]);
            // The diagonal: limbs 5k … 5k+4, which are one half of block k/2.
            let block = &a[k / 2];
            let half: [V; W / 2] = if k % 2 == 0 {
                [block[0], block[1], block[2], block[3], block[4]]
            } else {
                [block[5], block[6], block[7], block[8], block[9]]
            };
            ten!(C => {
                let x = half[C / 2];
                l[C] = if C.is_multiple_of(2) { l[C].lo(x, x) } else { l[C].hi(x, x) };
            });
            reduce::<V, BLOCKS, false>((zero, mask), k, BLOCKS, l, &mut carry, &mut [], n, n0, out);
        }
    }
}

/// `out` = a·b/2^(520·DIGITS) + k₁, of each of a's blocks only the first `ROWS` limbs (the others being 0). `DIGITS` is 1 or `BLOCKS`.
struct Product<'a, V: Mul52, const DIGITS: usize, const ROWS: usize, const BLOCKS: usize> {
    out: &'a mut [Block<V>; BLOCKS],
    a: &'a [Block<V>; DIGITS],
    b: &'a [Block<V>; BLOCKS],
    plus: Option<&'a [Block<V>; BLOCKS]>,
    n: &'a [Block<V>; BLOCKS],
    n0: V,
}

impl<V: Mul52, const DIGITS: usize, const ROWS: usize, const BLOCKS: usize> Kernel<V::Proof>
    for Product<'_, V, DIGITS, ROWS, BLOCKS>
{
    type Output = ();

    #[inline(always)]
    fn run(self, proof: V::Proof) {
        let Self { out, a, b, plus, n, n0 } = self;
        let (zero, mask) = (V::splat(proof, 0), V::splat(proof, MASK52));
        let mut own = [[zero; W]];
        let own = if DIGITS == 1 { &mut own[..] } else { &mut [] };
        let mut carry = zero;
        for k in 0..DIGITS + BLOCKS {
            let mut l = [zero; W + 1];
            if let Some(plus) = plus
                && k >= DIGITS
            {
                l[..W].copy_from_slice(&plus[k - DIGITS]);
            }
            let mut first = 0;
            if k >= BLOCKS {
                first = k - BLOCKS + 1;
                tile::<V, BELOW, ROWS>(&mut l, &a[k - BLOCKS], &b[BLOCKS - 1], &b[BLOCKS - 1]);
            }
            for i in first..k.min(DIGITS) {
                tile::<V, FULL, ROWS>(&mut l, &a[i], &b[k - i - 1], &b[k - i]);
            }
            if k < DIGITS {
                tile::<V, AT, ROWS>(&mut l, &a[k], &b[0], &b[0]);
            }
            reduce::<V, BLOCKS, true>((zero, mask), k, DIGITS, l, &mut carry, own, n, n0, out);
        }
    }
}

/// Numbers of `BLOCKS` × 10 limbs of 52 bits.
pub(super) struct Radix52<V, const BLOCKS: usize>(PhantomData<V>);

impl<V: Mul52, const BLOCKS: usize> Montgomery for Radix52<V, BLOCKS> {
    type V = V;
    type Number = [Block<V>; BLOCKS];
    const LIMB_BITS: u32 = 52;
    const LIMBS: usize = W * BLOCKS;

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
    fn square(proof: Proof<Self>, out: &mut Self::Number, a: &Self::Number, modulus: &Modulus<Self>) {
        V::enter(proof, Square { out, a, n: &modulus.n, n0: modulus.n0 });
    }

    #[inline(always)]
    fn multiply(
        proof: Proof<Self>,
        out: &mut Self::Number,
        a: &Self::Number,
        b: &Self::Number,
        modulus: &Modulus<Self>,
    ) {
        V::enter(proof, Product::<V, BLOCKS, W, BLOCKS> { out, a, b, plus: None, n: &modulus.n, n0: modulus.n0 });
    }

    /// D is 10: 2^520 holds any digest up to SHA-512's. A digest of up to 260 bits has only five limbs, and of its rows only those are
    /// multiplied.
    #[inline(always)]
    fn expected(
        proof: Proof<Self>,
        out: &mut Self::Number,
        digest: &[V],
        c: &Self::Number,
        k1: &Self::Number,
        modulus: &Modulus<Self>,
    ) {
        let (n, n0, plus) = (&modulus.n, modulus.n0, Some(k1));
        let mut a = [[V::splat(proof, 0); W]];
        let used = digest.len().min(W);
        a[0][..used].copy_from_slice(&digest[..used]);
        if used <= W / 2 {
            V::enter(proof, Product::<V, 1, 5, BLOCKS> { out, a: &a, b: c, plus, n, n0 });
        } else {
            V::enter(proof, Product::<V, 1, W, BLOCKS> { out, a: &a, b: c, plus, n, n0 });
        }
    }

    #[inline(always)]
    fn carry(x: V) -> V {
        x.sar::<52>()
    }
}
