//! Whether 32 bytes are the canonical encoding of a point of edwards25519, and whether that point has low order. Run once a key, at load.
//!
//! The curve is −x² + y² = 1 + d·x²·y² over the field of p = 2^255 − 19 (RFC 8032, 5.1). An encoding is y in 255 bits and the parity of x
//! above it. It is canonical where y < p, where x² = (y² − 1)/(d·y² + 1) has a root, and where the parity bit is clear if that root is 0
//! (RFC 8032, 5.1.3, and the check of its step 4).
//!
//! Numbers are four 64-bit limbs, little-endian, always fully reduced: plain rather than fast.

type Number = [u64; 4];

const P: Number = [0xffff_ffff_ffff_ffed, u64::MAX, u64::MAX, 0x7fff_ffff_ffff_ffff];
const ONE: Number = [1, 0, 0, 0];
/// d = −121665/121666.
const D: Number = [0x75eb_4dca_1359_78a3, 0x0070_0a4d_4141_d8ab, 0x8cc7_4079_7779_e898, 0x5203_6cee_2b6f_fe73];

fn less(a: &Number, b: &Number) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

/// a − b modulo 2^256.
fn wrapping_sub(a: &Number, b: &Number) -> Number {
    let mut out = [0; 4];
    let mut borrow = false;
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        let (difference, one) = a.overflowing_sub(*b);
        let (difference, two) = difference.overflowing_sub(u64::from(borrow));
        *out = difference;
        borrow = one | two;
    }
    out
}

/// a + b modulo 2^256; below 2^256 for numbers below p, whose sum is below 2^256 − 38.
fn wrapping_add(a: &Number, b: &Number) -> Number {
    let mut out = [0; 4];
    let mut carry = 0;
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        let sum = u128::from(*a) + u128::from(*b) + carry;
        *out = sum as u64;
        carry = sum >> 64;
    }
    out
}

/// Brings a number below 2p below p.
fn reduce_once(a: Number) -> Number {
    if less(&a, &P) { a } else { wrapping_sub(&a, &P) }
}

fn add(a: &Number, b: &Number) -> Number {
    reduce_once(wrapping_add(a, b))
}

fn sub(a: &Number, b: &Number) -> Number {
    add(a, &wrapping_sub(&P, b))
}

/// a·b mod p. The product is below p² < 2^510; 2^256 ≡ 38, so high·38 + low is below 39·2^256, and the 6 bits above 2^256 times 38 once
/// more leave a number below 2^256 + 2^12, whose top carry, if any, is worth 38 again. Then below 2^256 < 3p: two subtractions at most.
fn mul(a: &Number, b: &Number) -> Number {
    let mut wide = [0u64; 8];
    for (i, a) in a.iter().enumerate() {
        let mut carry = 0;
        for (j, b) in b.iter().enumerate() {
            let sum = u128::from(*a) * u128::from(*b) + u128::from(wide[i + j]) + carry;
            wide[i + j] = sum as u64;
            carry = sum >> 64;
        }
        wide[i + 4] = carry as u64;
    }
    let (low, high) = wide.split_at(4);
    let mut out = [0; 4];
    let mut carry = 0;
    for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
        let sum = u128::from(*low) + u128::from(*high) * 38 + carry;
        *out = sum as u64;
        carry = sum >> 64;
    }
    while carry != 0 {
        carry *= 38;
        for out in &mut out {
            let sum = u128::from(*out) + carry;
            *out = sum as u64;
            carry = sum >> 64;
        }
    }
    reduce_once(reduce_once(out))
}

/// a^((p−1)/2): 1 for a square, p − 1 for any other number but 0. The exponent is 2^254 − 10: bits 253 down to 0 all set but bits 0 and 3.
fn legendre(a: &Number) -> Number {
    (0..254).rev().fold(ONE, |power, bit| {
        let square = mul(&power, &power);
        if matches!(bit, 0 | 3) { square } else { mul(&square, a) }
    })
}

/// y and the parity of x.
fn split(bytes: &[u8; 32]) -> (Number, bool) {
    let mut y = [0; 4];
    for (limb, bytes) in y.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *limb = u64::from_le_bytes(*bytes);
    }
    let parity = y[3] >> 63 == 1;
    y[3] &= u64::MAX >> 1;
    (y, parity)
}

/// Whether these bytes are what encoding some point of the curve gives.
pub fn is_canonical(bytes: &[u8; 32]) -> bool {
    let (y, parity) = split(bytes);
    if !less(&y, &P) {
        return false;
    }
    let square = mul(&y, &y);
    let numerator = sub(&square, &ONE);
    if numerator == [0; 4] {
        return !parity;
    }
    // u/v is a square exactly where u·v is, and v is never 0, for −1/d is no square.
    let denominator = add(&mul(&D, &square), &ONE);
    legendre(&mul(&numerator, &denominator)) == ONE
}

/// Whether the point of a canonical encoding has order 1, 2, 4 or 8. Those are the eight points with y of: 1 (order 1), −1 (2), 0 (4), and
/// the roots of d·y⁴ + 2·y² − 1 (8; doubling them gives y = 0). The latter comes from the doubling formula: 2·(x, y) has the ordinate
/// (y² + x²)/(2 − y² + x²), which is 0 where x² = −y², and with that the curve's equation reads 2·y² = 1 − d·y⁴.
pub fn is_low_order(bytes: &[u8; 32]) -> bool {
    let (y, _) = split(bytes);
    let square = mul(&y, &y);
    let order_8 = sub(&add(&mul(&D, &mul(&square, &square)), &add(&square, &square)), &ONE);
    y == [0; 4] || square == ONE || order_8 == [0; 4]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hex;

    fn bytes(text: &str) -> [u8; 32] {
        hex::decode_vec(text.as_bytes()).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_constants_are_what_they_are_called() {
        // d·121666 + 121665 = 0
        assert_eq!(add(&mul(&D, &[121_666, 0, 0, 0]), &[121_665, 0, 0, 0]), [0; 4]);
        assert_eq!(legendre(&[4, 0, 0, 0]), ONE);
        // 2 is no square modulo p = 5 (mod 8); −1 is one, for p = 1 (mod 4).
        assert_eq!(legendre(&[2, 0, 0, 0]), sub(&[0; 4], &ONE));
        assert_eq!(legendre(&sub(&[0; 4], &ONE)), ONE);
    }

    #[test]
    fn multiplication_agrees_with_small_numbers_and_the_top() {
        let top = sub(&[0; 4], &ONE);
        assert_eq!(mul(&top, &top), ONE);
        assert_eq!(mul(&[u64::MAX, 0, 0, 0], &[u64::MAX, 0, 0, 0]), [1, u64::MAX - 1, 0, 0]);
        // 2^128 · 2^128 = 2^256 = 38
        assert_eq!(mul(&[0, 0, 1, 0], &[0, 0, 1, 0]), [38, 0, 0, 0]);
    }

    /// The eight, and the six second spellings that RFC 8032 decoders have been seen to take.
    #[test]
    fn every_point_of_low_order_is_known() {
        let mut canonical = 0;
        for (text, good) in [
            ("0100000000000000000000000000000000000000000000000000000000000000", true),
            ("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", true),
            ("0000000000000000000000000000000000000000000000000000000000000000", true),
            ("0000000000000000000000000000000000000000000000000000000000000080", true),
            ("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", true),
            ("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", true),
            ("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", true),
            ("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", true),
            ("0100000000000000000000000000000000000000000000000000000000000080", false),
            ("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", false),
            ("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", false),
            ("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", false),
            ("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", false),
            ("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", false),
        ] {
            assert_eq!(is_canonical(&bytes(text)), good, "{text}");
            if good {
                assert!(is_low_order(&bytes(text)), "{text}");
                canonical += 1;
            }
        }
        assert_eq!(canonical, 8);
    }

    #[test]
    fn half_of_all_ordinates_are_on_the_curve() {
        let good = (0..1000u32)
            .filter(|i| {
                let mut y = [0; 32];
                y[..4].copy_from_slice(&(i + 2).to_le_bytes());
                is_canonical(&y)
            })
            .count();
        assert!((400..600).contains(&good), "{good}");
        // The base point, y = 4/5, and its negative.
        let base = bytes("5866666666666666666666666666666666666666666666666666666666666666");
        assert!(is_canonical(&base) && !is_low_order(&base));
        // y = 2 is no point's ordinate.
        let mut two = [0; 32];
        two[0] = 2;
        assert!(!is_canonical(&two));
    }
}
