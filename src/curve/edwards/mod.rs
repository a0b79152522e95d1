//! edwards25519 in lanes: is the encoding of S B - h A the bytes R that a signature claims?
//!
//! The curve is -x² + y² = 1 + d x² y² over the field of 2^255 - 19 (RFC 8032, 5.1). Verification as it is done here (and by the library
//! that does it one at a time) is *cofactorless*: S is below L, h is SHA-512(R ‖ A ‖ M) mod L, and the encoding of the sum equals R byte
//! for byte.
//!
//! * [`point`]: the formulas. They are complete: no exceptional case, for any two points of the curve, torsion included.
//! * [`table`]: shapes as in [`super::table`], three coordinates an entry.
//! * [`many`]: claims in groups of eight; [`one`]: one claim across the lanes.
//!
//! **Keys with a torsion component** are keys all the same, so a digit sum must stand for the integer h itself, not for another one that is
//! congruent modulo L: an even h is made odd by adding 1, and A is added once more. The base point has order L, so S may be replaced by
//! L - S.

pub mod many;
pub mod one;
pub mod point;
pub mod table;

use crate::field::fe::{self, Fe, canonical, limbwise, mul_add, select, unpack};
use crate::field::fe25519;
use crate::field::modulus::{Ed25519Order, Modulus};
use crate::field::words::{Limbs, Words, limbs, lt, power_of_two};
use crate::lanes::{Lanes52, Line};

/// d = -121665/121666.
pub const D: Words = [0x75eb_4dca_1359_78a3, 0x0070_0a4d_4141_d8ab, 0x8cc7_4079_7779_e898, 0x5203_6cee_2b6f_fe73];

/// 2 d, in limbs.
const TWO_D: Limbs = limbs(&crate::field::words::add_mod(&D, &D, &fe25519::P));

/// x of the base point B.
pub const BX: Words = [0xc956_2d60_8f25_d51a, 0x692c_c760_9525_a7b2, 0xc0a4_e231_fdd6_dc5c, 0x2169_36d3_cd6e_53fe];

/// y of the base point B: 4/5.
pub const BY: Words = [0x6666_6666_6666_6658, 0x6666_6666_6666_6666, 0x6666_6666_6666_6666, 0x6666_6666_6666_6666];

/// What a signature says.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// R in words 0..4 and S, which is below L, in words 4..8; bytes read little-endian.
    pub signature: Line,
    /// SHA-512(R ‖ A ‖ M), read little-endian.
    pub digest: Line,
}

/// Whether S, the second half of a signature, is below L.
#[must_use]
pub fn is_scalar(s: &Words) -> bool {
    lt(s, &Ed25519Order::M)
}

/// h = (low + 2^256 high) mod L for both halves of eight digests.
///
/// One Montgomery reduction for both products: low * 2^260 + high * 2^516, divided by 2^260. Halves are below 2^256 < 16 L and the factors
/// below L, so the sum is below 2^257 L, and what the reduction leaves is below (2^257 / 2^260 + 1) L: below 2 L, as `canonical` asks.
#[inline(always)]
fn reduce<L: Lanes52>(l: L, low: &Fe<L>, high: &Fe<L>) -> Fe<L> {
    const LOW: Limbs = Ed25519Order::ONE;
    const HIGH: Limbs = limbs(&power_of_two(516, &Ed25519Order::M));
    let sum = mul_add::<Ed25519Order, L>(l, low, &fe::constant(l, LOW), high, &fe::constant(l, HIGH));
    canonical::<Ed25519Order, L>(l, &sum)
}

/// The scalars of eight claims, odd: h or h + 1, and S or L - S; and the lanes in which it is the latter.
struct Scalars<L: Lanes52> {
    h: Fe<L>,
    h_even: u8,
    s: Fe<L>,
    s_even: u8,
    /// The words of R.
    r: [L::V; 4],
}

#[inline(always)]
fn scalars<L: Lanes52>(l: L, signatures: [&Line; 8], digests: [&Line; 8]) -> Scalars<L> {
    let w = l.lines(digests);
    let mut h = reduce(l, &unpack(l, [w[0], w[1], w[2], w[3]]), &unpack(l, [w[4], w[5], w[6], w[7]]));
    let one = l.splat(1);
    let h_even = l.disjoint(h[0], one);
    h[0] = l.or(h[0], one);
    let w = l.lines(signatures);
    let s = unpack(l, [w[4], w[5], w[6], w[7]]);
    let s_even = l.disjoint(s[0], one);
    let turned = fe::carry(l, limbwise!(|I| l.sub(l.splat(Ed25519Order::LIMBS[I]), s[I])));
    Scalars { h, h_even, s: select(l, s_even, &s, &turned), s_even, r: [w[0], w[1], w[2], w[3]] }
}

/// Lanes in which the encoding of (x, y), both weak, is `r`: y in 255 bits, the parity of x above (RFC 8032, 5.1.2).
#[inline(always)]
fn is_encoding<L: Lanes52>(l: L, x: &Fe<L>, y: &Fe<L>, r: &[L::V; 4]) -> u8 {
    let mut w = fe::pack(l, &fe25519::canonical(l, y));
    w[3] = l.or(w[3], l.shl::<63>(fe25519::canonical(l, x)[0]));
    l.eq(w[0], r[0]) & l.eq(w[1], r[1]) & l.eq(w[2], r[2]) & l.eq(w[3], r[3])
}

#[cfg(test)]
mod tests;
