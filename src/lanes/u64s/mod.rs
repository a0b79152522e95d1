//! Lanes of 64 bits for big numbers: one number a lane, one limb a vector.
//!
//! | type | lanes | multiplies | where |
//! |---|---|---|---|
//! | [`Ifma8`] | 8 | 52 × 52 bits, low or high 52 bits added ([`Mul52`]) | AVX-512 IFMA |
//! | [`Wide4`] | 4 | 32 × 32 bits, 64-bit product added ([`Mul32`]) | AVX2 |
//! | `Model8` | 8 | both | everywhere, in tests only: the plain-Rust model that the others have to agree with |
//!
//! (AVX-512 without IFMA takes the AVX2 kernels: eight lanes of 32-bit multiplication were measured to gain a fifth.)
//!
//! A value of a vector type can be made only from the proof of its features ([`Words::Proof`]), or from another value of the type. So
//! whoever holds one may use its instructions, and all methods are safe. They are `#[inline(always)]`: a kernel which uses them has to be
//! entered through [`Words::enter`], or each of them becomes a call.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(test)]
mod model;

#[cfg(target_arch = "x86_64")]
pub use avx2::Wide4;
#[cfg(target_arch = "x86_64")]
pub use avx512::Ifma8;
#[cfg(test)]
pub use model::{Anywhere, Model8};

use super::Kernel;

/// The greatest number of lanes that a type here has.
pub const MAX_LANES: usize = 8;

/// The low 52 bits.
pub const MASK52: u64 = (1 << 52) - 1;

/// A vector of unsigned 64-bit words; all arithmetic wraps.
pub trait Words: Copy {
    /// What proves that the instructions are there.
    type Proof: Copy;
    /// How many words it holds.
    const LANES: usize;
    /// Runs `kernel` with the features switched on.
    fn enter<K: Kernel<Self::Proof>>(proof: Self::Proof, kernel: K) -> K::Output;
    /// `x` in every lane.
    fn splat(proof: Self::Proof, x: u64) -> Self;
    /// Lane i is `from[i]`; lanes beyond the end of `from` are 0.
    fn load(proof: Self::Proof, from: &[u64]) -> Self;
    /// The lanes; those beyond [`Words::LANES`] are 0.
    fn words(self) -> [u64; MAX_LANES];
    /// `out[j]`'s lane i is `rows[i][j]`: turns one number a row into one limb a vector. `rows` and `out` hold [`Words::LANES`] elements
    /// each, and a row at least as many words.
    fn transpose(proof: Self::Proof, rows: &[&[u64]], out: &mut [Self]);
    /// a + b.
    fn add(self, b: Self) -> Self;
    /// a − b.
    fn sub(self, b: Self) -> Self;
    /// a and b, bit by bit.
    fn and(self, b: Self) -> Self;
    /// a or b, bit by bit.
    fn or(self, b: Self) -> Self;
    /// Each lane shifted down by as many bits as its lane of `counts` says, zeros coming in; from 64 bits on there is nothing left.
    fn shr_by(self, counts: Self) -> Self;
    /// The same, up.
    fn shl_by(self, counts: Self) -> Self;
    /// Shifted down by `BITS`, zeros coming in.
    fn shr<const BITS: u32>(self) -> Self;
    /// Shifted down by `BITS`, copies of bit 63 coming in.
    fn sar<const BITS: u32>(self) -> Self;
    /// Bit i is set where lane i has no bit in common with `mask`'s lane i.
    fn disjoint(self, mask: Self) -> u8;
}

/// Multiplication of 52-bit limbs. **The operands `a` and `b` are cut to their low 52 bits in silence**, as the instruction does: callers
/// either keep limbs below 2^52, or rely on the cut and say so.
pub trait Mul52: Words {
    /// `self` + the low 52 bits of a·b.
    fn lo(self, a: Self, b: Self) -> Self;
    /// `self` + the high 52 bits of a·b (a·b has 104).
    fn hi(self, a: Self, b: Self) -> Self;
}

/// Multiplication of the low 32 bits of each lane.
pub trait Mul32: Words {
    /// The 64-bit product of the low halves.
    fn mul(self, b: Self) -> Self;
    /// `self` + the 64-bit product of the low halves of a and b.
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        self.add(a.mul(b))
    }
}

/// What it takes to lay one number *across* the lanes: vector j holds limbs 8j … 8j+7, lane i limb 8j+i.
pub trait Across: Mul52 {
    /// Limbs moved down by one: lane i gets lane i+1 of `self`, the last lane gets lane 0 of `above`.
    fn down(self, above: Self) -> Self;
    /// Limbs moved up by one: lane i gets lane i−1 of `self`, lane 0 gets the last lane of `below`.
    fn up(self, below: Self) -> Self;
    /// Lane 0 in every lane.
    fn spread0(self) -> Self;
    /// Lane 1 in every lane.
    fn spread1(self) -> Self;
    /// Lanes whose bit in `keep` is clear become 0.
    fn keep(self, keep: u8) -> Self;
    /// 1 added to the lanes whose bit in `which` is set.
    fn increment(self, which: u8) -> Self;
    /// Bit i is set where lane i is greater than `b`'s.
    fn greater(self, b: Self) -> u8;
    /// Bit i is set where lane i equals `b`'s.
    fn equal(self, b: Self) -> u8;
}
