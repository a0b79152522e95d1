//! P-256 and SM2 in lanes: is x(u1 G + u2 Q) the number that a signature claims?
//!
//! ECDSA and SM2 verification both come down to a [`Claim`]: two scalars, a point Q, and one or two x-coordinates of which the sum must
//! have one. This room decides claims; what the scalars are is the business of the algorithms.
//!
//! * [`jacobian`]: the addition formulas, with the bounds of every intermediate value.
//! * [`digits`]: scalars as digits that are never zero, cut for a table's shape.
//! * [`table`]: the shapes, and [`build`], which makes tables for eight keys at once.
//! * [`many`]: claims in groups of eight, for keys with a table.
//! * [`fresh`]: the same for keys without.
//! * [`tree`]: the sums of many groups by affine additions, under shared inversions.
//! * [`one`]: one claim alone, its additions spread over the lanes.
//! * [`plain`]: one claim alone in plain code, for CPUs without lanes.
//! * [`edwards`]: the same for Ed25519, over the curve of its own.
//!
//! **Exceptional cases.** The formulas are incomplete: where the two points are equal or opposite they yield Z = 0, and so does every later
//! addition and doubling of such a result (each Z is a multiple of the one before). One test at the end therefore finds all of them, and
//! such claims are handed back as [`Decision::Exceptional`], to be decided by complete arithmetic elsewhere. A tree that meets one leaves its call
//! to the other way, and the next calls too. Scalars that bring such cases about among multiples of the generator alone, or of a key alone,
//! would have to be relations modulo the order between a few digits; between the two only the holder of a key knows any.

// Lanes and limbs are numbers in the mathematics; loops over them say so.
#![allow(clippy::needless_range_loop)]

pub mod build;
pub mod digits;
pub mod edwards;
pub mod fresh;
pub mod jacobian;
pub mod many;
pub mod one;
pub mod plain;
pub mod table;
mod tree;

use crate::field::modulus::{Modulus, P256Order, P256Prime, Prime, Sm2Order, Sm2Prime};
use crate::field::words::Words;
use crate::lanes::Line;

/// A curve y² = x³ - 3x + b over a prime field, of prime order.
pub trait Curve: Copy + 'static {
    /// The field.
    type Field: Prime;
    /// The order of the group.
    type Order: Modulus;
    /// The generator's x.
    const GX: Words;
    /// The generator's y.
    const GY: Words;
    /// The b of the equation.
    const B: Words;
    /// The generator's tables, built at first use, shared by the process.
    fn generator() -> &'static table::Generator;
    /// Where plain code keeps its table of the generator.
    fn plain_generator() -> &'static plain::GeneratorCell;
}

/// NIST P-256 (SP 800-186, 3.2.1.3).
#[derive(Clone, Copy, Debug)]
pub struct P256;

/// The recommended curve of SM2 (GB/T 32918.5-2017).
#[derive(Clone, Copy, Debug)]
pub struct Sm2;

impl Curve for P256 {
    type Field = P256Prime;
    type Order = P256Order;
    const GX: Words = [0xf4a1_3945_d898_c296, 0x7703_7d81_2deb_33a0, 0xf8bc_e6e5_63a4_40f2, 0x6b17_d1f2_e12c_4247];
    const GY: Words = [0xcbb6_4068_37bf_51f5, 0x2bce_3357_6b31_5ece, 0x8ee7_eb4a_7c0f_9e16, 0x4fe3_42e2_fe1a_7f9b];
    const B: Words = [0x3bce_3c3e_27d2_604b, 0x651d_06b0_cc53_b0f6, 0xb3eb_bd55_7698_86bc, 0x5ac6_35d8_aa3a_93e7];
    fn generator() -> &'static table::Generator {
        static TABLES: std::sync::OnceLock<table::Generator> = std::sync::OnceLock::new();
        TABLES.get_or_init(table::Generator::new::<Self>)
    }
    fn plain_generator() -> &'static plain::GeneratorCell {
        static TABLE: plain::GeneratorCell = std::sync::OnceLock::new();
        &TABLE
    }
}

impl Curve for Sm2 {
    type Field = Sm2Prime;
    type Order = Sm2Order;
    const GX: Words = [0x715a_4589_334c_74c7, 0x8fe3_0bbf_f266_0be1, 0x5f99_0446_6a39_c994, 0x32c4_ae2c_1f19_8119];
    const GY: Words = [0x02df_32e5_2139_f0a0, 0xd0a9_877c_c62a_4740, 0x59bd_cee3_6b69_2153, 0xbc37_36a2_f4f6_779c];
    const B: Words = [0xddbc_bd41_4d94_0e93, 0xf397_89f5_15ab_8f92, 0x4d5a_9e4b_cf65_09a7, 0x28e9_fa9e_9d9f_5e34];
    fn generator() -> &'static table::Generator {
        static TABLES: std::sync::OnceLock<table::Generator> = std::sync::OnceLock::new();
        TABLES.get_or_init(table::Generator::new::<Self>)
    }
    fn plain_generator() -> &'static plain::GeneratorCell {
        static TABLE: plain::GeneratorCell = std::sync::OnceLock::new();
        &TABLE
    }
}

/// The statement that x(u1 G + u2 Q), reduced or not, is one of two numbers.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// u1 in words 0..4, u2 in words 4..8; u1 below the order, u2 in 1..order.
    pub scalars: Line,
    /// The two candidates for x, each below the prime; the same twice where there is one.
    pub x: Line,
}

impl Claim {
    /// From the parts.
    #[must_use]
    pub fn new(u1: &Words, u2: &Words, x1: &Words, x2: &Words) -> Self {
        Self { scalars: line(u1, u2), x: line(x1, x2) }
    }
}

/// Two numbers in one line.
#[must_use]
#[inline]
pub fn line(a: &Words, b: &Words) -> Line {
    Line([a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]])
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is true.
    True,
    /// It is false.
    False,
    /// The formulas met an exceptional case; not decided.
    Exceptional,
}

/// A point as tables and kernels take it: x and y (below the prime) in Montgomery form with R = 2^260, below p.
#[must_use]
pub fn montgomery_point<C: Curve>(x: &Words, y: &Words) -> Line {
    use crate::field::words::{add_mod, lt};
    debug_assert!(lt(x, &C::Field::M) && lt(y, &C::Field::M));
    let shift = |v: &Words| (0..260).fold(*v, |v, _| add_mod(&v, &v, &C::Field::M));
    line(&shift(x), &shift(y))
}

#[cfg(test)]
pub(crate) mod tests;
