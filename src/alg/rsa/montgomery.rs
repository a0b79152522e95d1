//! What the lane kernels of RSA have in common: almost-Montgomery arithmetic on one number a lane.
//!
//! A number is N limbs of B bits, lowest first; R = 2^(B·N). For a modulus n and numbers a, b a *product* here is
//!
//! ```text
//! (a·b + m·n) / R,   m = −a·b·n⁻¹ mod R < R
//! ```
//!
//! which is ≡ a·b·R⁻¹ mod n, and is **not** reduced further ("almost"). It stays small all the same: if a, b < 2n, then
//! a·b/R + m·n/R < n·(4n/R + 1). Every choice of B and N below has R ≥ 2^8·n (asserted where a key is prepared), so a product of numbers
//! below 2n is below n·(1 + 2⁻⁶), and so on for ever. No final subtraction is needed anywhere in a chain of products. (It starts with
//! s < n and with constants below n.)
//!
//! # The power, twisted
//!
//! `square` and `multiply` leave a factor R⁻¹ each. Start with x = s, walk the bits of e below the highest, square, and multiply by s
//! where the bit is set: if x = s^a·R^−(a−1), then its square is s^2a·R^−(2a−1), and that times s is s^(2a+1)·R^−2a. So the form
//! s^a·R^−(a−1) is kept, and the chain ends with
//!
//! ```text
//! x ≡ s^e · R^−(e−1)   mod n,    x < n·(1 + 2⁻⁶)
//! ```
//!
//! without any conversion into or out of the Montgomery domain. Instead, what x is compared with is multiplied by the same constant, and
//! that costs almost nothing, because of the encoded message only the digest h varies: EM = E₀ + h, with E₀ = EM of the all-zero digest.
//! A key holds k₁ = E₀·R^−(e−1) mod n and c = 2^(B·D)·R^−(e−1) mod n, and the chain is compared with
//!
//! ```text
//! y = (h·c + m'·n) / 2^(B·D) + k₁  ≡  EM · R^−(e−1),    m' < 2^(B·D)
//! ```
//!
//! a product with D ≪ N digits ([`Montgomery::expected`]). The factor R^−(e−1) is invertible, so x ≡ y mod n exactly where s^e ≡ EM.
//! With h < 2^(8·64) ≤ 2^(B·D) the first term is below n·(1 + 1), so y < 3n, and y − x lies in (−1.02n, 3n): the congruence holds exactly
//! where y − x is one of −n, 0, n, 2n. All four are tested ([`crate::alg::rsa::batch`]).
//!
//! Where the value itself is wanted (PSS), one more product takes the factor away: x·(R^e mod n) ≡ s^e·R^−(e−1)·R^e·R^−1 = s^e.
//!
//! Sources: P. Montgomery, *Modular multiplication without trial division* (1985); S. Gueron, *Efficient software implementations of
//! modular exponentiation* (2012) for the almost-Montgomery form; RFC 8017 for RSA.

use crate::lanes::u64s::Words;

/// The arithmetic of one limb size, one number of limbs and one vector type.
pub(super) trait Montgomery {
    /// The vector.
    type V: Words;
    /// N limbs, lowest first.
    type Number: Copy;
    /// Bits of a limb, B.
    const LIMB_BITS: u32;
    /// Limbs of a number, N.
    const LIMBS: usize;

    /// The number 0 in every lane.
    fn zero(proof: Proof<Self>) -> Self::Number;
    /// Its limbs.
    fn limbs(x: &Self::Number) -> &[Self::V];
    /// Its limbs, to be written.
    fn limbs_mut(x: &mut Self::Number) -> &mut [Self::V];

    /// `out` = a²/R. Limbs of `a` may carry dirt that this same function left (see the implementations); `out` may be dirty.
    fn square(proof: Proof<Self>, out: &mut Self::Number, a: &Self::Number, modulus: &Modulus<Self>);
    /// `out` = a·b/R, every limb of `out` below 2^B. `a` may be dirty, `b` is not.
    fn multiply(
        proof: Proof<Self>,
        out: &mut Self::Number,
        a: &Self::Number,
        b: &Self::Number,
        modulus: &Modulus<Self>,
    );
    /// `out` = h·c/2^(B·D) + k₁ with D = `digest.len()` as [`super::prepare::digest_limbs`] gives it; every limb of `out` below 2^B.
    fn expected(
        proof: Proof<Self>,
        out: &mut Self::Number,
        digest: &[Self::V],
        c: &Self::Number,
        k1: &Self::Number,
        modulus: &Modulus<Self>,
    );
    /// A signed word divided by 2^B, rounded down.
    fn carry(x: Self::V) -> Self::V;
}

/// The proof that a vector type asks for.
pub(super) type Proof<M> = <<M as Montgomery>::V as Words>::Proof;

/// The moduli of a group, one a lane.
pub(super) struct Modulus<M: Montgomery + ?Sized> {
    /// n.
    pub n: M::Number,
    /// −n⁻¹ mod 2^B.
    pub n0: M::V,
}
