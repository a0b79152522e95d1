//! Percent-encoding (RFC 3986, 2.1): decoded exactly once and strictly, encoded exactly as signing schemes write `E()`.

/// What `+` stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plus {
    /// A space: `application/x-www-form-urlencoded` (WHATWG URL, 5.1), which most query strings follow.
    Space,
    /// Itself: RFC 3986.
    Literal,
}

/// Values of the hexadecimal digits; 0xFF for every other byte.
static NIBBLES: [u8; 256] = {
    let mut table = [0xFF; 256];
    let mut digit = 0;
    while digit < 16 {
        table[b"0123456789abcdef"[digit] as usize] = digit as u8;
        table[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
        digit += 1;
    }
    table
};

/// The byte that two hexadecimal digits of either case stand for.
#[inline]
#[must_use]
pub fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let (high, low) = (NIBBLES[high as usize], NIBBLES[low as usize]);
    // Every digit's value is below 16, so a sum of bits above says that one of the two is no digit.
    if high | low < 16 { Some(high << 4 | low) } else { None }
}

/// Appends `text` to `out`, each `%XX` turned into its byte, once: `%2541` becomes `%41`.
///
/// # Errors
/// The offset of the first `%` that two hexadecimal digits do not follow. `out` then holds what came before.
pub fn decode(text: &[u8], plus: Plus, out: &mut Vec<u8>) -> Result<(), usize> {
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let run = match plus {
            Plus::Space => memchr::memchr2(b'%', b'+', rest),
            Plus::Literal => memchr::memchr(b'%', rest),
        };
        let Some(run) = run else {
            out.extend_from_slice(rest);
            break;
        };
        let (plain, marked) = rest.split_at(run);
        out.extend_from_slice(plain);
        match *marked {
            [b'+', ..] => {
                out.push(b' ');
                at += run + 1;
            }
            [b'%', high, low, ..] => {
                out.push(hex_pair(high, low).ok_or(at + run)?);
                at += run + 3;
            }
            _ => return Err(at + run),
        }
    }
    Ok(())
}

/// Whether `E()` leaves the byte as it is: `A-Za-z0-9-_.~`, the unreserved characters of RFC 3986, 2.3.
#[inline]
#[must_use]
pub const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~')
}

/// Appends `E(text)` to `out`: unreserved bytes as they are, every other byte as `%` and two upper-case hexadecimal digits.
pub fn encode(text: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        if is_unreserved(byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', DIGITS[(byte >> 4) as usize], DIGITS[(byte & 15) as usize]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(text: &[u8], plus: Plus) -> Result<Vec<u8>, usize> {
        let mut out = Vec::new();
        decode(text, plus, &mut out).map(|()| out)
    }

    #[test]
    fn decodes_once_and_strictly() {
        assert_eq!(decoded(b"a%2541+b%2Bc", Plus::Space).unwrap(), b"a%41 b+c");
        assert_eq!(decoded(b"a+b%20%e4%B8%ad", Plus::Literal).unwrap(), "a+b 中".as_bytes());
        assert_eq!(decoded(b"", Plus::Space).unwrap(), b"");
        for (text, at) in [("%", 0), ("%4", 0), ("ab%g0", 2), ("%41%0", 3), ("%%41", 0), ("+%+1", 1), ("%4\u{e9}", 0)] {
            assert_eq!(decoded(text.as_bytes(), Plus::Space), Err(at), "{text}");
        }
    }

    #[test]
    fn encodes_all_but_unreserved() {
        let every: Vec<u8> = (0..=255).collect();
        let mut out = Vec::new();
        encode(&every, &mut out);
        let mut expected = String::new();
        for byte in every {
            let c = char::from(byte);
            if c.is_ascii_alphanumeric() || "-_.~".contains(c) {
                expected.push(c);
            } else {
                expected += &format!("%{byte:02X}");
            }
        }
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(text: Vec<u8>) {
            let mut encoded = Vec::new();
            encode(&text, &mut encoded);
            prop_assert_eq!(decoded(&encoded, Plus::Space).unwrap(), text.clone());
            prop_assert_eq!(decoded(&encoded, Plus::Literal).unwrap(), text);
        }
    }
}
