//! Scalars as digits without a zero.
//!
//! An odd u below 2^n is a sum of n signed bits: with b = (u >> 1) + 2^(n-1), u = Σ (2 b_i - 1) 2^i, where each term is +2^i or -2^i. A
//! *digit* gathers w of the signed bits; its sign is that of the highest of them, and its absolute value one of 2^(w-1) sums, numbered by
//! the w - 1 lower bits (complemented where the sign is negative). No digit is zero, so no addition is ever left out, and all lanes do the
//! same work. An even u is replaced by the odd order - u, with all signs turned (0 becomes the order itself, whose multiple is the neutral
//! element as well). Scalars must be below the order.

use super::Curve;
use crate::field::fe::{Fe, carry, limbwise, pack, select};
use crate::field::modulus::Modulus;
use crate::lanes::Lanes52;

/// The largest number of digits: a five-bit window over 256 bits.
pub const MOST: usize = 52;

/// Digits of eight scalars in the order in which they are added.
#[derive(Clone)]
pub struct Digits {
    /// Which table entry, for each lane.
    pub index: [[u16; 8]; MOST],
    /// In which lanes it is subtracted.
    pub negative: [u8; MOST],
}

impl Digits {
    /// Room for digits.
    pub const EMPTY: Self = Self { index: [[0; 8]; MOST], negative: [0; MOST] };

    #[inline(always)]
    fn set<L: Lanes52>(&mut self, l: L, at: usize, digit: L::V, width: usize, flipped: u8) {
        let half = 1u64 << (width - 1);
        let below = l.lt(digit, l.splat(half));
        let turned = l.select(below, digit, l.xor(digit, l.splat(u64::MAX)));
        self.index[at] = l.store16(l.and(turned, l.splat(half - 1)));
        self.negative[at] = below ^ flipped;
    }
}

/// The bits b of eight scalars, in words, and the lanes whose scalar was even; bit n - 1 is yet to be set.
#[inline(always)]
pub fn signed_bits<C: Curve, L: Lanes52>(l: L, u: &Fe<L>) -> ([L::V; 6], u8) {
    let even = l.disjoint(u[0], l.splat(1));
    let turned = carry(l, limbwise!(|I| l.sub(l.splat(C::Order::LIMBS[I]), u[I])));
    (halved(l, &select(l, even, u, &turned)), even)
}

/// The bits b of eight scalars that are odd, in words; bit n - 1 is yet to be set.
#[inline(always)]
pub fn halved<L: Lanes52>(l: L, u: &Fe<L>) -> [L::V; 6] {
    let w = pack(l, u);
    let half = |l: L, a, b| l.or(l.shr::<1>(a), l.shl::<63>(b));
    let zero = l.splat(0);
    [half(l, w[0], w[1]), half(l, w[1], w[2]), half(l, w[2], w[3]), l.shr::<1>(w[3]), zero, zero]
}

/// Digits of `WIDTH` consecutive bits, the lowest first or, with `DOWN`, the highest first.
#[inline(always)]
pub fn windows<C: Curve, L: Lanes52, const WIDTH: usize, const DOWN: bool>(l: L, u: &Fe<L>, out: &mut Digits) {
    let (b, even) = signed_bits::<C, L>(l, u);
    cut_windows::<L, WIDTH, DOWN>(l, b, even, out);
}

/// The bits b as [`windows`]; the signs of the lanes in `flipped` are turned.
#[inline(always)]
pub fn cut_windows<L: Lanes52, const WIDTH: usize, const DOWN: bool>(
    l: L,
    mut b: [L::V; 6],
    flipped: u8,
    out: &mut Digits,
) {
    let count = 256usize.div_ceil(WIDTH);
    let top = count * WIDTH - 1;
    b[top / 64] = l.or(b[top / 64], l.splat(1 << (top % 64)));
    let mask = l.splat((1 << WIDTH) - 1);
    for j in 0..count {
        let (word, shift) = (j * WIDTH / 64, (j * WIDTH % 64) as u32);
        let bits = l.or(l.shr_by(b[word], shift), l.shl_by(b[word + 1], 64 - shift));
        let at = if DOWN { count - 1 - j } else { j };
        out.set(l, at, l.and(bits, mask), WIDTH, flipped);
    }
}

/// Digits of the comb of eight teeth, 32 bits apart: for column c the bits c, c + 32, .. c + 224. Columns are taken as c = 8 j + i, i from 7
/// down (a doubling between), and under each i the four j.
///
/// The eight bytes at j of the eight 32-bit halves form a matrix of 8 by 8 bits; transposed, its byte i is the digit of column 8 j + i.
///
/// The signs of the lanes in `flipped` are turned.
#[inline(always)]
pub fn cut_comb<L: Lanes52>(l: L, mut b: [L::V; 6], flipped: u8, out: &mut Digits) {
    b[3] = l.or(b[3], l.splat(1 << 63));
    let byte = l.splat(255);
    for j in 0..4 {
        let mut m = l.splat(0);
        for tooth in 0..8 {
            let bits = l.and(l.shr_by(b[tooth / 2], (32 * (tooth % 2) + 8 * j) as u32), byte);
            m = l.or(m, l.shl_by(bits, 8 * tooth as u32));
        }
        let t = l.and(l.xor(m, l.shr::<7>(m)), l.splat(0x00aa_00aa_00aa_00aa));
        m = l.xor(m, l.xor(t, l.shl::<7>(t)));
        let t = l.and(l.xor(m, l.shr::<14>(m)), l.splat(0x0000_cccc_0000_cccc));
        m = l.xor(m, l.xor(t, l.shl::<14>(t)));
        let t = l.and(l.xor(m, l.shr::<28>(m)), l.splat(0x0000_0000_f0f0_f0f0));
        m = l.xor(m, l.xor(t, l.shl::<28>(t)));
        for i in 0..8 {
            out.set(l, 4 * (7 - i) + j, l.and(l.shr_by(m, 8 * i as u32), byte), 8, flipped);
        }
    }
}
