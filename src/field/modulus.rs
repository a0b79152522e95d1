//! The moduli of Montgomery arithmetic: the primes and group orders of P-256 (NIST SP 800-186, 3.2.1.3) and of SM2 (GB/T 32918.5-2017, the
//! recommended curve), and the group order of edwards25519 (RFC 8032, 5.1).
//!
//! Only the modulus itself is typed in; all other constants follow from it at compile time.

use super::fe::{Fe, Wide, reduce_general, reduce_minus_one, reduce_sm2};
use super::words::{Limbs, Words, add, limbs, negated_inverse, power_of_two, sub};
use crate::lanes::{Lanes52, MASK52};

/// An odd modulus below 2^256, with the constants of Montgomery form for R = 2^260. (Bounds are proved for M / R < 1/16, which holds for
/// all; the order of edwards25519, near 2^252, leaves room to spare.)
pub trait Modulus: Copy + 'static {
    /// The modulus.
    const M: Words;
    /// The modulus in limbs.
    const LIMBS: Limbs = limbs(&Self::M);
    /// The modulus plus one, in limbs.
    const PLUS_ONE: Limbs = limbs(&add(&Self::M, &[1, 0, 0, 0]).0);
    /// -1/M mod 2^52.
    const N0: u64 = negated_inverse(Self::M[0]) & MASK52;
    /// R mod M: the Montgomery form of 1.
    const ONE: Limbs = limbs(&power_of_two(260, &Self::M));
    /// R^2 mod M: the factor that brings a number into Montgomery form.
    const R2: Limbs = limbs(&power_of_two(520, &Self::M));
    /// R^3 mod M: the factor that makes the inverse of a Montgomery form a Montgomery form again.
    const R3: Limbs = limbs(&power_of_two(780, &Self::M));

    /// Montgomery reduction of a sum of products, its limbs not yet carried (see [`super::fe`] for its bounds).
    fn reduce<L: Lanes52>(l: L, t: Wide<L>) -> Fe<L>;
}

/// A field prime: -1 modulo 2^52, and so near below 2^256 that what overflows 2^256 can be folded in again.
pub trait Prime: Modulus {
    /// 2^256 mod P, which is below 2^225 for both primes.
    const FOLD: Words = sub(&[0; 4], &Self::M).0;

    /// Adds `t * FOLD` to the limbs of `r` without carrying; `t < 2^8`.
    fn fold<L: Lanes52>(l: L, r: &mut Fe<L>, t: L::V);
}

/// The prime of P-256: 2^256 - 2^224 + 2^192 + 2^96 - 1.
#[derive(Clone, Copy, Debug)]
pub struct P256Prime;

/// The order of P-256.
#[derive(Clone, Copy, Debug)]
pub struct P256Order;

/// The prime of SM2: 2^256 - 2^224 - 2^96 + 2^64 - 1.
#[derive(Clone, Copy, Debug)]
pub struct Sm2Prime;

/// The order of SM2.
#[derive(Clone, Copy, Debug)]
pub struct Sm2Order;

/// The order of the base point of edwards25519.
#[derive(Clone, Copy, Debug)]
pub struct Ed25519Order;

impl Modulus for Ed25519Order {
    const M: Words = [0x5812_631a_5cf5_d3ed, 0x14de_f9de_a2f7_9cd6, 0, 0x1000_0000_0000_0000];
    #[inline(always)]
    fn reduce<L: Lanes52>(l: L, t: Wide<L>) -> Fe<L> {
        reduce_general::<Self, L>(l, t)
    }
}

impl Modulus for P256Prime {
    const M: Words = [0xffff_ffff_ffff_ffff, 0x0000_0000_ffff_ffff, 0, 0xffff_ffff_0000_0001];
    #[inline(always)]
    fn reduce<L: Lanes52>(l: L, t: Wide<L>) -> Fe<L> {
        reduce_minus_one::<Self, L>(l, t)
    }
}

impl Modulus for Sm2Prime {
    const M: Words = [0xffff_ffff_ffff_ffff, 0xffff_ffff_0000_0000, 0xffff_ffff_ffff_ffff, 0xffff_fffe_ffff_ffff];
    #[inline(always)]
    fn reduce<L: Lanes52>(l: L, t: Wide<L>) -> Fe<L> {
        reduce_sm2::<Self, L>(l, t)
    }
}

impl Modulus for P256Order {
    const M: Words = [0xf3b9_cac2_fc63_2551, 0xbce6_faad_a717_9e84, 0xffff_ffff_ffff_ffff, 0xffff_ffff_0000_0000];
    #[inline(always)]
    fn reduce<L: Lanes52>(l: L, t: Wide<L>) -> Fe<L> {
        reduce_general::<Self, L>(l, t)
    }
}

impl Modulus for Sm2Order {
    const M: Words = [0x53bb_f409_39d5_4123, 0x7203_df6b_21c6_052b, 0xffff_ffff_ffff_ffff, 0xffff_fffe_ffff_ffff];
    #[inline(always)]
    fn reduce<L: Lanes52>(l: L, t: Wide<L>) -> Fe<L> {
        reduce_general::<Self, L>(l, t)
    }
}

impl Prime for P256Prime {
    /// 2^224 - 2^192 - 2^96 + 1. In limbs: 2^224 = 2^16 * 2^208, 2^192 = 2^36 * 2^156, 2^96 = 2^44 * 2^52.
    #[inline(always)]
    fn fold<L: Lanes52>(l: L, r: &mut Fe<L>, t: L::V) {
        r[0] = l.add(r[0], t);
        r[1] = l.sub(r[1], l.shl::<44>(t));
        r[3] = l.sub(r[3], l.shl::<36>(t));
        r[4] = l.add(r[4], l.shl::<16>(t));
    }
}

impl Prime for Sm2Prime {
    /// 2^224 + 2^96 - 2^64 + 1. In limbs: 2^224 = 2^16 * 2^208, 2^96 = 2^44 * 2^52, 2^64 = 2^12 * 2^52.
    #[inline(always)]
    fn fold<L: Lanes52>(l: L, r: &mut Fe<L>, t: L::V) {
        r[0] = l.add(r[0], t);
        r[1] = l.add(r[1], l.sub(l.shl::<44>(t), l.shl::<12>(t)));
        r[4] = l.add(r[4], l.shl::<16>(t));
    }
}

/// What the arithmetic assumes of the moduli, checked by the compiler.
const _: () = {
    // The low limb of P + 1 is zero: P = -1 mod 2^52.
    assert!(P256Prime::PLUS_ONE[0] == 0 && Sm2Prime::PLUS_ONE[0] == 0);
    // 2^256 mod P < 2^225.
    assert!(P256Prime::FOLD[3] < 1 << 33 && Sm2Prime::FOLD[3] < 1 << 33);
    // The order of edwards25519 lies between 2^252 and 2^253.
    assert!(Ed25519Order::M[3] >> 60 == 1);
    // The other four lie above 2^256 - 2^225, so R is above 15.99 M, and 16 M is above R.
    assert!(P256Order::M[3] >= 0xffff_fffe_0000_0000 && Sm2Order::M[3] >= 0xffff_fffe_0000_0000);
    // Hasse: the order is below the prime for both curves, so an x-coordinate minus the order is below 2^129.
    assert!(sub(&P256Order::M, &P256Prime::M).1 && sub(&Sm2Order::M, &Sm2Prime::M).1);
};
