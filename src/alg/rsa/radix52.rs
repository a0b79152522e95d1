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
//! In all low blocks but the last the carries are settled, and what then stands in the block's ten columns, a number L below 2^520, is
//! *folded*: c = 2^−520 mod n is a constant of the key, and L at the columns of block k is L·c at those of block k + 1, modulo n. That is
//! what Montgomery's quotient would bring too, and as many multiplications, but nothing has to be found out column after column. A fold
//! reaches N + 10 columns up, so that the last low block, which must not reach beyond 2N columns, takes the quotient: column by column
//! m = lo(column·n0'), then m·n's part of the remaining columns of the block is added (the serial triangle of ten steps, which the processor
//! overlaps with the next block's tiles). In the high blocks the carries are settled and the result is written.
//!
//! # How large a result is
//!
//! Folding block i takes L·2^520i away and adds L·c·2^(520(i+1)) < n·2^(520(i+2)). With B blocks in a number, the folds of blocks
//! 0 … B−2 add together less than n·2^520B·(1 + 2^−519) = n·R·(1 + 2^−519), the last block's quotient less than n·R. So the result of a
//! product of numbers a and b is below a·b/R + n·(2 + 2^−519): with a, b < 3n and R ≥ 2^8·n, below (2 + 2^−4)·n.
//!
//! # Bounds
//!
//! One multiply-add adds less than 2^52 to an accumulator. Column c receives at most N low and N high halves of a·b and as many of the
//! digits' products: at most 4N of them. The doubling of a squaring is within that count (each pair of it is counted twice). A digest brings
//! 20 more. With the carry from below, at most (4N + 21)·2^52 / 2^52 < 2^9, and k₁'s limb, a column is below (4N + 22)·2^52. For N = 80
//! that is below 2^60.5: no accumulator overflows 64 bits, and adding 2^52 − 1 for the rounding does not either.
//!
//! *The quotient's carry.* With col the finished column and m = lo(col·n0'), col + lo(m·n_0) ≡ 0 mod 2^52, and lo(m·n_0) < 2^52, so their
//! sum is col rounded up to a multiple of 2^52: the carry is (col + 2^52 − 1) >> 52, and lo(m·n_0) needs not be computed. hi(m·n_0) is added
//! to that carry directly, which starts the next column.
//!
//! *Dirt.* Digits are written without masking off what has been carried on, and so is the result of a squaring: bits 52 and up of a limb
//! are dirt, which the multiplication ignores ([`Mul52`]). Only products ([`Montgomery::multiply`], [`Montgomery::difference`]) mask.

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

/// Carries through a low block whose ten digits are folded, and writes them. What leaves the block is in `carry`.
#[inline(always)]
fn settle_folded<V: Mul52>(l: &Columns<V>, carry: &mut V, digits: &mut Block<V>) {
    let mut t = *carry;
    ten!(D => {
        let column = l[D].add(t);
        digits[D] = column;
        t = column.shr::<52>();
    });
    *carry = t.add(l[W]);
}

/// Determines the ten digits of the quotient in the last low block, and leaves in `carry` what goes to the next block.
#[inline(always)]
fn settle_quotient<V: Mul52>(
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

/// The moduli of a group, as the kernels see them.
#[derive(Clone, Copy)]
struct Reducer<'a, V, const BLOCKS: usize> {
    n: &'a [Block<V>; BLOCKS],
    fold: &'a [Block<V>; BLOCKS],
    n0: V,
    zero: V,
    mask: V,
}

impl<'a, V: Mul52, const BLOCKS: usize> Reducer<'a, V, BLOCKS> {
    #[inline(always)]
    fn new(proof: V::Proof, modulus: &'a mut Modulus<Radix52<V, BLOCKS>>) -> (Self, &'a mut [Block<V>; BLOCKS]) {
        let Modulus { n, fold, digits, n0 } = modulus;
        (Self { n, fold, n0: *n0, zero: V::splat(proof, 0), mask: V::splat(proof, MASK52) }, digits)
    }

    /// Adds to block `k` what the digits below it bring to it, and settles it: its digits go to `m`, or its limbs to `out`.
    #[inline(always)]
    fn settle<const CLEAN: bool>(
        self,
        k: usize,
        mut l: Columns<V>,
        carry: &mut V,
        m: &mut [Block<V>; BLOCKS],
        out: &mut [Block<V>; BLOCKS],
    ) {
        let Self { n, fold, n0, zero, mask } = self;
        // Digits i < BLOCKS − 1 are folded: they meet block j of c in blocks i + 1 + j and i + 2 + j. The last digits meet block j of n in
        // blocks BLOCKS − 1 + j and BLOCKS + j.
        if k > BLOCKS {
            tile::<V, BELOW, W>(&mut l, &m[k - BLOCKS - 1], &fold[BLOCKS - 1], &fold[BLOCKS - 1]);
        }
        let last = match k {
            _ if k < BLOCKS => k.saturating_sub(1),
            _ if k + 1 < 2 * BLOCKS => BLOCKS,
            _ => BLOCKS - 1,
        };
        for i in k.saturating_sub(BLOCKS)..last {
            let (below, at) =
                if i + 1 < BLOCKS { (&fold[k - i - 2], &fold[k - i - 1]) } else { (&n[k - i - 1], &n[k - i]) };
            tile::<V, FULL, W>(&mut l, &m[i], below, at);
        }
        if k > 0 && k < BLOCKS {
            tile::<V, AT, W>(&mut l, &m[k - 1], &fold[0], &fold[0]);
        }
        if k + 1 == 2 * BLOCKS {
            tile::<V, BELOW, W>(&mut l, &m[BLOCKS - 1], &n[BLOCKS - 1], &n[BLOCKS - 1]);
        }
        if k + 1 < BLOCKS {
            settle_folded(&l, carry, &mut m[k]);
        } else if k < BLOCKS {
            settle_quotient(zero, mask, l, carry, &mut m[k], &n[0], n0);
        } else {
            settle_high::<V, CLEAN>(mask, &l, carry, &mut out[k - BLOCKS]);
        }
    }
}

/// `out` = a²/R.
struct Square<'a, V: Mul52, const BLOCKS: usize> {
    out: &'a mut [Block<V>; BLOCKS],
    a: &'a [Block<V>; BLOCKS],
    modulus: &'a mut Modulus<Radix52<V, BLOCKS>>,
}

impl<V: Mul52, const BLOCKS: usize> Kernel<V::Proof> for Square<'_, V, BLOCKS> {
    type Output = ();

    #[inline(always)]
    fn run(self, proof: V::Proof) {
        let Self { out, a, modulus } = self;
        let (reducer, m) = Reducer::new(proof, modulus);
        let zero = reducer.zero;
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
            reducer.settle::<false>(k, l, &mut carry, m, out);
        }
    }
}

/// What is added to a product: `digest`·c/R + k₁, of the digest only the first `ROWS` limbs (the others being 0).
struct Addend<'a, V, const BLOCKS: usize> {
    digest: Block<V>,
    c: &'a [Block<V>; BLOCKS],
    k1: &'a [Block<V>; BLOCKS],
}

/// `out` = a·b/R, plus what is to be added.
struct Product<'a, V: Mul52, const ROWS: usize, const BLOCKS: usize> {
    out: &'a mut [Block<V>; BLOCKS],
    a: &'a [Block<V>; BLOCKS],
    b: &'a [Block<V>; BLOCKS],
    addend: Option<Addend<'a, V, BLOCKS>>,
    modulus: &'a mut Modulus<Radix52<V, BLOCKS>>,
}

impl<V: Mul52, const ROWS: usize, const BLOCKS: usize> Kernel<V::Proof> for Product<'_, V, ROWS, BLOCKS> {
    type Output = ();

    #[inline(always)]
    fn run(self, proof: V::Proof) {
        let Self { out, a, b, addend, modulus } = self;
        let (reducer, m) = Reducer::new(proof, modulus);
        let zero = reducer.zero;
        let mut carry = zero;
        for k in 0..2 * BLOCKS {
            let mut l = [zero; W + 1];
            if ROWS > 0
                && let Some(Addend { digest, c, k1 }) = &addend
            {
                if k >= BLOCKS {
                    l[..W].copy_from_slice(&k1[k - BLOCKS]);
                }
                if k == 0 {
                    tile::<V, AT, ROWS>(&mut l, digest, &c[0], &c[0]);
                } else if k < BLOCKS {
                    tile::<V, FULL, ROWS>(&mut l, digest, &c[k - 1], &c[k]);
                } else if k == BLOCKS {
                    tile::<V, BELOW, ROWS>(&mut l, digest, &c[BLOCKS - 1], &c[BLOCKS - 1]);
                }
            }
            let mut first = 0;
            if k >= BLOCKS {
                first = k - BLOCKS + 1;
                tile::<V, BELOW, W>(&mut l, &a[k - BLOCKS], &b[BLOCKS - 1], &b[BLOCKS - 1]);
            }
            for i in first..k.min(BLOCKS) {
                tile::<V, FULL, W>(&mut l, &a[i], &b[k - i - 1], &b[k - i]);
            }
            if k < BLOCKS {
                tile::<V, AT, W>(&mut l, &a[k], &b[0], &b[0]);
            }
            reducer.settle::<true>(k, l, &mut carry, m, out);
        }
    }
}

/// See [`Montgomery::multiples`].
struct Multiples<'a, V: Mul52, const BLOCKS: usize> {
    z: &'a [Block<V>; BLOCKS],
    modulus: &'a Modulus<Radix52<V, BLOCKS>>,
}

impl<V: Mul52, const BLOCKS: usize> Kernel<V::Proof> for Multiples<'_, V, BLOCKS> {
    type Output = u8;

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "iterator adapters stay calls inside a kernel")]
    fn run(self, proof: V::Proof) -> u8 {
        let (zero, mask, all) = (V::splat(proof, 0), V::splat(proof, MASK52), V::splat(proof, u64::MAX));
        let (z, n) = (self.z.as_flattened(), self.modulus.n.as_flattened());
        let q = zero.lo(z[0], self.modulus.n0);
        // Column 0 comes out as 0 in the low 52 bits.
        let mut carry = z[0].lo(n[0], q).shr::<52>();
        let (mut none, mut same) = (z[0].disjoint(all), 0xff);
        for i in 1..W * BLOCKS {
            none &= z[i].disjoint(all);
            let column = z[i].lo(n[i], q).hi(n[i - 1], q).add(carry);
            carry = column.shr::<52>();
            same &= column.and(mask).sub(n[i - 1]).disjoint(all);
        }
        let last = n[W * BLOCKS - 1];
        same &= carry.hi(last, q).sub(last).disjoint(all);
        none | same
    }
}

/// Numbers of `BLOCKS` × 10 limbs of 52 bits.
pub(super) struct Radix52<V, const BLOCKS: usize>(PhantomData<V>);

impl<V: Mul52, const BLOCKS: usize> Montgomery for Radix52<V, BLOCKS> {
    type V = V;
    type Number = [Block<V>; BLOCKS];
    const LIMB_BITS: u32 = 52;
    const LIMBS: usize = W * BLOCKS;
    const FOLDS: bool = true;

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
        V::enter(proof, Square { out, a, modulus });
    }

    #[inline(always)]
    fn multiply(
        proof: Proof<Self>,
        out: &mut Self::Number,
        a: &Self::Number,
        b: &Self::Number,
        modulus: &mut Modulus<Self>,
    ) {
        V::enter(proof, Product::<V, 0, BLOCKS> { out, a, b, addend: None, modulus });
    }

    /// 10 limbs hold any digest up to SHA-512's. A digest of up to 260 bits has only five, and of its rows only those are multiplied.
    #[inline(always)]
    fn difference(
        proof: Proof<Self>,
        out: &mut Self::Number,
        (a, b): (&Self::Number, &Self::Number),
        digest: &[V],
        (c, k1): (&Self::Number, &Self::Number),
        modulus: &mut Modulus<Self>,
    ) {
        let mut rows = [V::splat(proof, 0); W];
        let used = digest.len().min(W);
        rows[..used].copy_from_slice(&digest[..used]);
        let addend = Some(Addend { digest: rows, c, k1 });
        if used <= W / 2 {
            V::enter(proof, Product::<V, 5, BLOCKS> { out, a, b, addend, modulus });
        } else {
            V::enter(proof, Product::<V, W, BLOCKS> { out, a, b, addend, modulus });
        }
    }

    #[inline(always)]
    fn multiples(proof: Proof<Self>, z: &Self::Number, modulus: &Modulus<Self>) -> u8 {
        V::enter(proof, Multiples { z, modulus })
    }

    #[inline(always)]
    fn carry(x: V) -> V {
        x.sar::<52>()
    }
}
