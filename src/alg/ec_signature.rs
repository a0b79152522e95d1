//! The pair (r, s) of ECDSA and SM2 as bytes: two fixed-length numbers, or strict DER of `SEQUENCE { INTEGER, INTEGER }`.
//!
//! DER has one spelling for a pair (X.690, 10.1 and 8.3.2): the length in the fewest bytes, integers in the fewest bytes, no sign bit on a
//! positive number, nothing after the end. Everything else is refused here. Whether r and s lie in [1, n) is the verifier's business.

use super::SignatureForm;

/// Reads r ‖ s, each of `N` bytes, from a signature of that form.
pub(in crate::alg) fn read<const N: usize>(form: SignatureForm, bytes: &[u8]) -> Option<[[u8; N]; 2]> {
    match form {
        SignatureForm::Fixed => fixed(bytes),
        SignatureForm::Der => der(bytes),
        SignatureForm::Either if bytes.len() == 2 * N => fixed(bytes),
        SignatureForm::Either => der(bytes),
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Option<[[u8; N]; 2]> {
    let (r, s) = bytes.split_at_checked(N)?;
    Some([r.try_into().ok()?, s.try_into().ok()?])
}

fn der<const N: usize>(bytes: &[u8]) -> Option<[[u8; N]; 2]> {
    let (body, rest) = element(0x30, bytes)?;
    let (r, body) = element(0x02, body)?;
    let (s, body) = element(0x02, body)?;
    if !rest.is_empty() || !body.is_empty() {
        return None;
    }
    Some([unsigned(r)?, unsigned(s)?])
}

/// The contents of the element with that tag at the front, and what follows it.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = match bytes {
        // The short form alone: a pair takes 102 bytes at most (P-384), and DER forbids the long form below 128.
        [t, len @ 0..=0x7f, rest @ ..] if *t == tag => (usize::from(*len), rest),
        _ => return None,
    };
    rest.split_at_checked(len)
}

/// A non-negative integer in its shortest form, as `N` bytes.
fn unsigned<const N: usize>(integer: &[u8]) -> Option<[u8; N]> {
    let magnitude = match integer {
        [] | [0x80..=0xff, ..] => return None,
        [0] => &[],
        [0, rest @ ..] if rest.first().is_some_and(|b| *b >= 0x80) => rest,
        [0, ..] => return None,
        all => all,
    };
    let mut out = [0; N];
    let at = N.checked_sub(magnitude.len())?;
    out.get_mut(at..)?.copy_from_slice(magnitude);
    Some(out)
}

/// Writes a pair in that form; `Either` is DER.
pub(in crate::alg) fn write<const N: usize>(form: SignatureForm, [r, s]: &[[u8; N]; 2]) -> Vec<u8> {
    if form == SignatureForm::Fixed {
        return [r.as_slice(), s].concat();
    }
    let mut body = Vec::with_capacity(2 * N + 6);
    for number in [r, s] {
        let skip = number.iter().take_while(|b| **b == 0).count().min(N - 1);
        let magnitude = number.get(skip..).unwrap_or_default();
        let sign = usize::from(magnitude.first().is_some_and(|b| *b >= 0x80));
        body.extend([0x02, (magnitude.len() + sign) as u8]);
        body.extend(std::iter::repeat_n(0, sign));
        body.extend(magnitude);
    }
    let mut out = vec![0x30, body.len() as u8];
    out.append(&mut body);
    out
}

#[cfg(test)]
mod tests {
    use super::SignatureForm::*;
    use super::*;

    fn pair(r: &[u8], s: &[u8]) -> [[u8; 4]; 2] {
        let pad = |x: &[u8]| [&vec![0; 4 - x.len()], x].concat().try_into().unwrap();
        [pad(r), pad(s)]
    }

    #[test]
    fn every_pair_has_one_der_and_comes_back() {
        for r in [&[0u8][..], &[1], &[0x7f], &[0x80], &[0xff; 4], &[1, 0], &[0x80, 0, 0], &[0x7f, 0xff, 0xff, 0xff]] {
            for s in [&[1u8][..], &[0xff], &[0x80, 0, 0, 0]] {
                let pair = pair(r, s);
                let text = write(Der, &pair);
                assert_eq!(read(Der, &text), Some(pair));
                assert_eq!(read(Fixed, &write(Fixed, &pair)), Some(pair));
                // Any change of one bit is refused or is another pair: one pair never has two texts.
                for bit in 0..text.len() * 8 {
                    let mut changed = text.clone();
                    changed[bit / 8] ^= 1 << (bit % 8);
                    if let Some(other) = read::<4>(Der, &changed) {
                        assert_ne!(other, pair);
                        assert_eq!(write(Der, &other), changed);
                    }
                }
                for len in 0..text.len() {
                    assert_eq!(read::<4>(Der, &text[..len]), None);
                }
                assert_eq!(read::<4>(Der, &[text.as_slice(), &[0]].concat()), None);
            }
        }
    }

    #[test]
    fn what_ber_forgives_is_refused() {
        for (why, text) in [
            ("long form of a short length", &[0x30, 0x81, 0x06, 2, 1, 1, 2, 1, 1][..]),
            ("indefinite length", &[0x30, 0x80, 2, 1, 1, 2, 1, 1, 0, 0]),
            ("leading zero", &[0x30, 7, 2, 2, 0, 1, 2, 1, 1]),
            ("negative", &[0x30, 6, 2, 1, 0x80, 2, 1, 1]),
            ("empty integer", &[0x30, 5, 2, 0, 2, 1, 1]),
            ("trailing inside", &[0x30, 8, 2, 1, 1, 2, 1, 1, 5, 0]),
            ("trailing outside", &[0x30, 6, 2, 1, 1, 2, 1, 1, 0]),
            ("third integer", &[0x30, 9, 2, 1, 1, 2, 1, 1, 2, 1, 1]),
            ("wrong tag", &[0x31, 6, 2, 1, 1, 2, 1, 1]),
            ("too long for the curve", &[0x30, 10, 2, 5, 1, 0, 0, 0, 0, 2, 1, 1]),
        ] {
            assert_eq!(read::<4>(Der, text), None, "{why}");
        }
        assert_eq!(read::<4>(Der, &[0x30, 6, 2, 1, 1, 2, 1, 1]), Some(pair(&[1], &[1])));
    }

    #[test]
    fn either_is_told_by_length_alone() {
        let pair = pair(&[1, 2, 3, 4], &[5, 6, 7, 8]);
        assert_eq!(read(Either, &write(Fixed, &pair)), Some(pair));
        assert_eq!(read(Either, &write(Der, &pair)), Some(pair));
        // 8 bytes that are DER of (1, 1), and r = 30060201, s = 01020101 as well: read as the latter.
        let both = [0x30, 6, 2, 1, 1, 2, 1, 1];
        assert_eq!(read::<4>(Either, &both), Some([[0x30, 6, 2, 1], [1, 2, 1, 1]]));
    }
}
