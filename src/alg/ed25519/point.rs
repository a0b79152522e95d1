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

/// √−1 = 2^((p−1)/4).
const ROOT_OF_MINUS_ONE: Number =
    [0xc4ee_1b27_4a0e_a0b0, 0x2f43_1806_ad2f_e478, 0x2b4d_0099_3dfb_d7a7, 0x2b83_2480_4fc1_df0b];

/// a^((p−5)/8). The exponent is 2^252 − 3: bits 251 down to 0 all set but bit 1.
fn eighth(a: &Number) -> Number {
    (0..252).rev().fold(ONE, |power, bit| {
        let square = mul(&power, &power);
        if bit == 1 { square } else { mul(&square, a) }
    })
}

/// A root of u/v, if it is a square; v is not 0. For p = 5 (mod 8) the candidate is u·v³·(u·v⁷)^((p−5)/8), a root of u/v or of −u/v where
/// either has one (RFC 8032, 5.1.3, steps 2 and 3).
fn root_of_quotient(u: &Number, v: &Number) -> Option<Number> {
    let v3 = mul(&mul(v, v), v);
    let v7 = mul(&mul(&v3, &v3), v);
    let root = mul(&mul(u, &v3), &eighth(&mul(u, &v7)));
    let check = mul(v, &mul(&root, &root));
    if check == *u {
        Some(root)
    } else if check == sub(&[0; 4], u) {
        Some(mul(&root, &ROOT_OF_MINUS_ONE))
    } else {
        None
    }
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

/// x and y of a point from its canonical encoding; `None` for all other bytes.
pub fn affine(bytes: &[u8; 32]) -> Option<[Number; 2]> {
    let (y, parity) = split(bytes);
    if !less(&y, &P) {
        return None;
    }
    let square = mul(&y, &y);
    // d·y² + 1 is never 0, for −1/d is no square.
    let x = root_of_quotient(&sub(&square, &ONE), &add(&mul(&D, &square), &ONE))?;
    match (x == [0; 4], (x[0] & 1 == 1) == parity) {
        (true, _) if parity => None,
        (_, true) => Some([x, y]),
        (_, false) => Some([sub(&[0; 4], &x), y]),
    }
}

/// The point with the opposite x.
pub fn negated([x, y]: &[Number; 2]) -> [Number; 2] {
    [sub(&[0; 4], x), *y]
}

/// Whether these bytes are what encoding some point of the curve gives.
pub fn is_canonical(bytes: &[u8; 32]) -> bool {
    affine(bytes).is_some()
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
        assert_eq!(mul(&ROOT_OF_MINUS_ONE, &ROOT_OF_MINUS_ONE), sub(&[0; 4], &ONE));
        let root = root_of_quotient(&[4, 0, 0, 0], &[9, 0, 0, 0]).unwrap();
        assert_eq!(mul(&mul(&root, &root), &[9, 0, 0, 0]), [4, 0, 0, 0]);
        // 2 is no square modulo p = 5 (mod 8); −1 is one, for p = 1 (mod 4).
        assert_eq!(root_of_quotient(&[2, 0, 0, 0], &ONE), None);
        assert!(root_of_quotient(&sub(&[0; 4], &ONE), &ONE).is_some());
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
    fn coordinates_lie_on_the_curve_and_have_the_parity_asked_for() {
        let mut points = 0;
        for i in 0..200u8 {
            let mut encoding = [7; 32];
            (encoding[0], encoding[31]) = (i, 0x33 | i << 7);
            let Some([x, y]) = affine(&encoding) else { continue };
            let (xx, yy) = (mul(&x, &x), mul(&y, &y));
            assert_eq!(sub(&yy, &xx), add(&ONE, &mul(&D, &mul(&xx, &yy))));
            assert_eq!(x[0] & 1 == 1, i & 1 == 1);
            assert_eq!(negated(&negated(&[x, y])), [x, y]);
            assert_ne!(negated(&[x, y])[0], x);
            points += 1;
        }
        assert!(points > 60, "{points}");
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
