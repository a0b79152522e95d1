//! What the lane kernels of RSA have in common: almost-Montgomery arithmetic on one number a lane.
//!
//! A number is N limbs of B bits, lowest first; R = 2^(B·N). For a modulus n and numbers a, b a *product* here is
//!
//! ```text
//! (a·b + m·n) / R,   m = −a·b·n⁻¹ mod R < R
//! ```
//!
//! which is ≡ a·b·R⁻¹ mod n, and is **not** reduced further ("almost"), or another number ≡ a·b·R⁻¹ below a·b/R + 2.01·n (see
//! [`super::radix52`]). It stays small all the same: every choice of B and N below has R ≥ 2^8·n (asserted where a key is prepared), so
//! if a, b < 3n, then a·b/R < n·9/2^8, and the product is below 2.05·n, and so on for ever. No final subtraction is needed anywhere in a
//! chain of products. (It starts with s < n and with constants below n.)
//!
//! # The power, twisted
//!
//! `square` and `multiply` leave a factor R⁻¹ each. Start with x = s, walk the bits of e below the highest, square, and multiply by s
//! where the bit is set: if x = s^a·R^−(a−1), then its square is s^2a·R^−(2a−1), and that times s is s^(2a+1)·R^−2a. So the form
//! s^a·R^−(a−1) is kept, and the chain, before its last product by s (e is odd), stands at
//!
//! ```text
//! x ≡ s^(e−1) · R^−(e−2)   mod n,    x < 2.05·n
//! ```
//!
//! without any conversion into or out of the Montgomery domain. Instead, what s^e is compared with is multiplied by the same constant, and
//! that costs almost nothing, because of the encoded message only the digest h varies: EM = E₀ + h, with E₀ = EM of the all-zero digest.
//! A key holds k₁ = −E₀·R^−(e−1) mod n and c = −R·R^−(e−1) mod n, and the last product takes them in
//! ([`Montgomery::difference`]):
//!
//! ```text
//! z = (x·s + h·c)/R + k₁  ≡  (s^e − EM) · R^−(e−1)   mod n
//! ```
//!
//! The factor R^−(e−1) is invertible, so s^e ≡ EM mod n exactly where z is a multiple of n ([`Montgomery::multiples`]). With h < 2^512 ≤ n
//! the term h·c/R is below n/2^8, so z < 3.1·n.
//!
//! Where the value itself is wanted (PSS), the last product is plain, and one more takes the factor away:
//! s^e·R^−(e−1)·(R^e mod n)·R^−1 ≡ s^e.
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
    /// Whether it wants [`Modulus::fold`].
    const FOLDS: bool;

    /// The number 0 in every lane.
    fn zero(proof: Proof<Self>) -> Self::Number;
    /// Its limbs.
    fn limbs(x: &Self::Number) -> &[Self::V];
    /// Its limbs, to be written.
    fn limbs_mut(x: &mut Self::Number) -> &mut [Self::V];

    /// `out` = a²/R. Limbs of `a` may carry dirt that this same function left (see the implementations); `out` may be dirty.
    fn square(proof: Proof<Self>, out: &mut Self::Number, a: &Self::Number, modulus: &mut Modulus<Self>);
    /// `out` = a·b/R, every limb of `out` below 2^B. `a` may be dirty, `b` is not.
    fn multiply(
        proof: Proof<Self>,
        out: &mut Self::Number,
        a: &Self::Number,
        b: &Self::Number,
        modulus: &mut Modulus<Self>,
    );
    /// `out` = (a·b + h·c)/R + k₁, every limb of `out` below 2^B. `a` may be dirty, the others are not. `digest` holds the limbs of h, at
    /// most those of a number of 512 bits.
    fn difference(
        proof: Proof<Self>,
        out: &mut Self::Number,
        ab: (&Self::Number, &Self::Number),
        digest: &[Self::V],
        constants: (&Self::Number, &Self::Number),
        modulus: &mut Modulus<Self>,
    );
    /// Bit i is set where lane i of `z` is a multiple of n, 0 among them; z has clean limbs and is below 2^B·n.
    ///
    /// With the digit q = −z·n⁻¹ mod 2^B, the number z + q·n has B zeros at its end. Where z = j·n with 0 < j < 2^B, q is 2^B − j, and what
    /// is above the zeros is n; and where it is n, z = (2^B − q)·n. So z is a multiple exactly where that is so or z is 0.
    fn multiples(proof: Proof<Self>, z: &Self::Number, modulus: &Modulus<Self>) -> u8;
    /// A signed word divided by 2^B, rounded down.
    fn carry(x: Self::V) -> Self::V;
}

/// The proof that a vector type asks for.
pub(super) type Proof<M> = <<M as Montgomery>::V as Words>::Proof;

/// The moduli of a group, one a lane.
pub(super) struct Modulus<M: Montgomery + ?Sized> {
    /// n.
    pub n: M::Number,
    /// 2^−520 mod n, where the arithmetic wants it; otherwise 0.
    pub fold: M::Number,
    /// Scratch for a product: the digits of its low half.
    pub digits: M::Number,
    /// −n⁻¹ mod 2^B.
    pub n0: M::V,
}
