//! Numbers below 2^256 as four 64-bit words, the lowest first; and their cutting into five 52-bit limbs. All of it `const`, so that the
//! constants of the moduli are derived by the compiler and not typed in. Variable time: for public data.

/// A number below 2^256, lowest word first.
pub type Words = [u64; 4];

/// The same number as 52-bit limbs, lowest first (the highest holds 48 bits).
pub type Limbs = [u64; 5];

/// `a + b` modulo 2^256, and the carry out.
#[must_use]
#[inline]
pub const fn add(a: &Words, b: &Words) -> (Words, bool) {
    let (mut out, mut carry, mut i) = ([0; 4], false, 0);
    while i < 4 {
        let (x, c1) = a[i].overflowing_add(b[i]);
        let (x, c2) = x.overflowing_add(carry as u64);
        (out[i], carry, i) = (x, c1 | c2, i + 1);
    }
    (out, carry)
}

/// `a - b` modulo 2^256, and whether it borrowed, that is `a < b`.
#[must_use]
#[inline]
pub const fn sub(a: &Words, b: &Words) -> (Words, bool) {
    let (mut out, mut borrow, mut i) = ([0; 4], false, 0);
    while i < 4 {
        let (x, b1) = a[i].overflowing_sub(b[i]);
        let (x, b2) = x.overflowing_sub(borrow as u64);
        (out[i], borrow, i) = (x, b1 | b2, i + 1);
    }
    (out, borrow)
}

/// `a < b`.
#[must_use]
#[inline]
pub const fn lt(a: &Words, b: &Words) -> bool {
    sub(a, b).1
}

/// `a = 0`.
#[must_use]
#[inline]
pub const fn is_zero(a: &Words) -> bool {
    a[0] | a[1] | a[2] | a[3] == 0
}

/// `a mod m` for `a < 2m`, given whether `a` carried out of 2^256.
#[must_use]
#[inline]
pub const fn reduce_once(a: &Words, carry: bool, m: &Words) -> Words {
    let (d, borrow) = sub(a, m);
    if carry || !borrow { d } else { *a }
}

/// `a + b mod m` for `a, b < m`.
#[must_use]
#[inline]
pub const fn add_mod(a: &Words, b: &Words, m: &Words) -> Words {
    let (s, carry) = add(a, b);
    reduce_once(&s, carry, m)
}

/// `a - b mod m` for `a, b < m`.
#[must_use]
#[inline]
pub const fn sub_mod(a: &Words, b: &Words, m: &Words) -> Words {
    let (d, borrow) = sub(a, b);
    if borrow { add(&d, m).0 } else { d }
}

/// `2^e mod m`, by doubling; for constants.
#[must_use]
pub const fn power_of_two(e: u32, m: &Words) -> Words {
    let (mut x, mut i) = ([1, 0, 0, 0], 0);
    while i < e {
        (x, i) = (add_mod(&x, &x, m), i + 1);
    }
    x
}

/// Thirty-two bytes, the highest first.
#[must_use]
#[inline]
pub const fn from_be_bytes(bytes: &[u8; 32]) -> Words {
    let (mut out, mut i) = ([0; 4], 0);
    while i < 32 {
        (out[3 - i / 8], i) = (out[3 - i / 8] << 8 | bytes[i] as u64, i + 1);
    }
    out
}

/// The bytes of a number, the highest first.
#[must_use]
#[inline]
pub fn to_be_bytes(a: &Words) -> [u8; 32] {
    let mut out = [0; 32];
    for (chunk, word) in out.chunks_exact_mut(8).zip(a.iter().rev()) {
        chunk.copy_from_slice(&word.to_be_bytes());
    }
    out
}

/// Cuts into 52-bit limbs.
#[must_use]
#[inline]
pub const fn limbs(a: &Words) -> Limbs {
    const M: u64 = (1 << 52) - 1;
    [a[0] & M, (a[0] >> 52 | a[1] << 12) & M, (a[1] >> 40 | a[2] << 24) & M, (a[2] >> 28 | a[3] << 36) & M, a[3] >> 16]
}

/// `-1/a mod 2^64` for an odd `a`: Newton's iteration doubles the number of correct bits from 3 up.
#[must_use]
pub const fn negated_inverse(a: u64) -> u64 {
    let (mut x, mut i) = (a, 0);
    while i < 5 {
        (x, i) = (x.wrapping_mul(2u64.wrapping_sub(a.wrapping_mul(x))), i + 1);
    }
    x.wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_and_borrows() {
        const MAX: Words = [u64::MAX; 4];
        assert_eq!(add(&MAX, &[1, 0, 0, 0]), ([0; 4], true));
        assert_eq!(sub(&[0; 4], &[1, 0, 0, 0]), (MAX, true));
        assert_eq!(add(&[u64::MAX, 0, 0, 0], &[1, 0, 0, 0]), ([0, 1, 0, 0], false));
        assert!(lt(&[9, 0, 0, 0], &[0, 1, 0, 0]) && !lt(&MAX, &MAX) && is_zero(&[0; 4]) && !is_zero(&[0, 0, 0, 1]));
        assert_eq!(add_mod(&[5, 0, 0, 0], &[6, 0, 0, 0], &[7, 0, 0, 0]), [4, 0, 0, 0]);
        assert_eq!(sub_mod(&[5, 0, 0, 0], &[6, 0, 0, 0], &[7, 0, 0, 0]), [6, 0, 0, 0]);
        assert_eq!(power_of_two(10, &[1000, 0, 0, 0]), [24, 0, 0, 0]);
        for a in [1, 3, u64::MAX, 0x1234_5678_9abc_def1] {
            assert_eq!(a.wrapping_mul(negated_inverse(a)), u64::MAX);
        }
    }

    #[test]
    fn bytes_and_limbs_are_the_same_number() {
        let mut bytes = [0; 32];
        for (i, b) in bytes.iter_mut().enumerate() {
            *b = 0xf0 ^ (i as u8).wrapping_mul(37);
        }
        let w = from_be_bytes(&bytes);
        assert_eq!(to_be_bytes(&w), bytes);
        assert_eq!(w[3] >> 56, 0xf0);
        let l = limbs(&w);
        let back = [l[0] | l[1] << 52, l[1] >> 12 | l[2] << 40, l[2] >> 24 | l[3] << 28, l[3] >> 36 | l[4] << 16];
        assert_eq!(back, w);
    }
}
