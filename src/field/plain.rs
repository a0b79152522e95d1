//! Numbers modulo the four moduli of P-256 and SM2, one at a time, in four 64-bit words: for CPUs without the lanes' instructions. Montgomery
//! form with R = 2^256; always fully reduced. Variable time: for public data.

use super::modulus::Modulus;
use super::words::{Words, add, negated_inverse, power_of_two};

/// `t + a b + carry` as a word and what is above it: at most (2^64 - 1) + (2^64 - 1)² + (2^64 - 1) = 2^128 - 1.
#[inline(always)]
const fn mac(t: u64, a: u64, b: u64, carry: u64) -> (u64, u64) {
    let sum = t as u128 + a as u128 * b as u128 + carry as u128;
    (sum as u64, (sum >> 64) as u64)
}

/// The product in eight words.
#[inline(always)]
fn product(a: &Words, b: &Words) -> [u64; 8] {
    let mut t = [0; 8];
    for i in 0..4 {
        let mut carry = 0;
        for j in 0..4 {
            (t[i + j], carry) = mac(t[i + j], a[i], b[j], carry);
        }
        t[i + 4] = carry;
    }
    t
}

/// The square in eight words: cross terms once, doubled, and the squares of the words. The cross terms are below 2^511, so doubling loses
/// nothing.
#[inline(always)]
fn squared(a: &Words) -> [u64; 8] {
    let mut t = [0; 8];
    for i in 0..3 {
        let mut carry = 0;
        for j in i + 1..4 {
            (t[i + j], carry) = mac(t[i + j], a[i], a[j], carry);
        }
        t[i + 4] = carry;
    }
    for i in (1..8).rev() {
        t[i] = t[i] << 1 | t[i - 1] >> 63;
    }
    let mut carry = 0;
    for i in 0..4 {
        let square = a[i] as u128 * a[i] as u128;
        let low = t[2 * i] as u128 + (square as u64) as u128 + carry as u128;
        let high = t[2 * i + 1] as u128 + (square >> 64) + (low >> 64);
        (t[2 * i], t[2 * i + 1], carry) = (low as u64, high as u64, (high >> 64) as u64);
    }
    t
}

/// `t / R`, below M, for t < R M. Each round adds a multiple of M that clears the lowest word. Where M is -1 modulo 2^64, as both primes are,
/// the multiple is the word itself, and m M = m (M + 1) - m: the subtraction is the clearing, and the lowest word of M + 1 is zero. (Other
/// words of M + 1 that are 0 or a power of two cost no multiplication: they are constants here.)
#[inline(always)]
fn reduce<M: Modulus>(mut t: [u64; 8]) -> Words {
    let minus_one = M::M[0] == u64::MAX;
    let plus_one = add(&M::M, &[1, 0, 0, 0]).0;
    let mut top = 0;
    for i in 0..4 {
        let mut carry = 0;
        if minus_one {
            let m = t[i];
            for j in 1..4 {
                (t[i + j], carry) = mac(t[i + j], m, plus_one[j], carry);
            }
        } else {
            let m = t[i].wrapping_mul(negated_inverse(M::M[0]));
            for j in 0..4 {
                (t[i + j], carry) = mac(t[i + j], m, M::M[j], carry);
            }
        }
        let sum = t[i + 4] as u128 + carry as u128 + top as u128;
        (t[i + 4], top) = (sum as u64, (sum >> 64) as u64);
    }
    // Below 2 M: t / R < M, and what was added, divided by R, too.
    below::<M>(&[t[4], t[5], t[6], t[7]], top)
}

/// `a + top * 2^256`, which is below 2 M, brought below M. Without branches: nobody could predict them.
#[inline(always)]
fn below<M: Modulus>(a: &Words, top: u64) -> Words {
    let (d, borrow) = super::words::sub(a, &M::M);
    // All ones where a itself is below M.
    let keep = (u64::from(borrow) & !top & 1).wrapping_neg();
    [a[0] & keep | d[0] & !keep, a[1] & keep | d[1] & !keep, a[2] & keep | d[2] & !keep, a[3] & keep | d[3] & !keep]
}

/// `a b / R mod M` for a b < R M: one of them below M, or both not far above.
#[inline(always)]
pub fn mul<M: Modulus>(a: &Words, b: &Words) -> Words {
    reduce::<M>(product(a, b))
}

/// `a a / R mod M`.
#[inline(always)]
pub fn square<M: Modulus>(a: &Words) -> Words {
    reduce::<M>(squared(a))
}

/// `2 a mod M`.
#[inline(always)]
pub fn double<M: Modulus>(a: &Words) -> Words {
    sum::<M>(a, a)
}

/// `a + b mod M`.
#[inline(always)]
pub fn sum<M: Modulus>(a: &Words, b: &Words) -> Words {
    let (sum, carry) = add(a, b);
    below::<M>(&sum, u64::from(carry))
}

/// `a - b mod M`.
#[inline(always)]
pub fn sub<M: Modulus>(a: &Words, b: &Words) -> Words {
    let (d, borrow) = super::words::sub(a, b);
    let borrowed = u64::from(borrow).wrapping_neg();
    let m = &M::M;
    add(&d, &[m[0] & borrowed, m[1] & borrowed, m[2] & borrowed, m[3] & borrowed]).0
}

/// R mod M: the Montgomery form of 1.
pub struct Constants<M>(std::marker::PhantomData<M>);

impl<M: Modulus> Constants<M> {
    /// R mod M: the Montgomery form of 1.
    pub const ONE: Words = power_of_two(256, &M::M);
    /// R² mod M: the factor that brings a number into Montgomery form.
    pub const R2: Words = power_of_two(512, &M::M);
    /// R³ mod M: the factor that makes the inverse of a Montgomery form a Montgomery form again.
    pub const R3: Words = power_of_two(768, &M::M);
    /// The factor that turns the lanes' Montgomery form, R = 2^260, into this one.
    pub const FROM_LANES: Words = power_of_two(252, &M::M);
}

#[cfg(test)]
mod tests {
    use super::super::modulus::{P256Order, P256Prime, Sm2Order, Sm2Prime};
    use super::super::tests::{Random, mul_mod};
    use super::super::words::{add_mod, reduce_once, sub_mod};
    use super::*;

    fn check<M: Modulus>(random: &mut Random) {
        let minus = |k: u64| sub_mod(&[0; 4], &[k, 0, 0, 0], &M::M);
        let edges = [[0; 4], [1, 0, 0, 0], minus(1), minus(2), Constants::<M>::ONE, [u64::MAX, u64::MAX, u64::MAX, 0]];
        for i in 0..600 {
            let pick = |random: &mut Random, i: usize| edges.get(i).copied().unwrap_or_else(|| random.below(&M::M));
            let (a, b) = (pick(random, i % 8), pick(random, i / 8 % 8));
            let back = |x: &Words| mul_mod(x, &Constants::<M>::ONE, &M::M);
            assert_eq!(back(&mul::<M>(&a, &b)), mul_mod(&a, &b, &M::M));
            assert_eq!(back(&square::<M>(&a)), mul_mod(&a, &a, &M::M));
            assert_eq!(mul::<M>(&a, &Constants::<M>::R2), back(&a));
            assert_eq!(sum::<M>(&a, &b), add_mod(&a, &b, &M::M));
            assert_eq!(sub::<M>(&a, &b), sub_mod(&a, &b, &M::M));
            assert_eq!(double::<M>(&a), add_mod(&a, &a, &M::M));
            let lanes = mul_mod(&a, &power_of_two(260, &M::M), &M::M);
            assert_eq!(mul::<M>(&lanes, &Constants::<M>::FROM_LANES), back(&a));
            // One factor may be any number of four words.
            assert_eq!(
                back(&mul::<M>(&[u64::MAX; 4], &a)),
                mul_mod(&reduce_once(&[u64::MAX; 4], false, &M::M), &a, &M::M)
            );
        }
    }

    #[test]
    fn products_agree_with_schoolbook_arithmetic() {
        let mut random = Random(41);
        check::<P256Prime>(&mut random);
        check::<Sm2Prime>(&mut random);
        check::<P256Order>(&mut random);
        check::<Sm2Order>(&mut random);
    }
}
