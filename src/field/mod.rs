//! Arithmetic modulo the primes and group orders of P-256, SM2 and edwards25519.
//!
//! * [`words`]: numbers below 2^256 as four 64-bit words, one at a time: comparison, carries, bytes.
//! * [`inverse`]: the variable-time inverse modulo an odd number (public data only).
//! * [`modulus`]: the moduli of Montgomery arithmetic, and every constant that follows from them, computed by the compiler from the modulus itself.
//! * [`fe`]: elements in eight lanes of 52-bit limbs, Montgomery form with R = 2^260.
//! * [`fe25519`]: elements modulo 2^255 - 19, as they are.
//! * [`plain`]: one element at a time in plain code.

// Lanes and limbs are numbers in the mathematics; loops over them say so.
#![allow(clippy::needless_range_loop)]

pub mod fe;
pub mod fe25519;
pub mod inverse;
pub mod modulus;
pub mod plain;
pub mod words;

#[cfg(test)]
pub(crate) mod tests;
