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

/// Which characters stand for themselves on the way out, and what becomes of a space. A signature depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoder {
    /// RFC 3986, 2.3, the `E()` of most schemes: `A-Z a-z 0-9 - _ . ~` stand for themselves; a space is `%20`.
    Rfc3986,
    /// HTML forms (`application/x-www-form-urlencoded`; `URLEncoder.encode` of Java): `A-Z a-z 0-9 - _ . *` stand for themselves; a
    /// space is `+`.
    Form,
}

static KEPT: [[bool; 256]; 2] = {
    let mut kept = [[false; 256]; 2];
    let mut byte = 0;
    while byte < 256 {
        kept[0][byte] = is_unreserved(byte as u8);
        kept[1][byte] = (is_unreserved(byte as u8) && byte as u8 != b'~') || byte as u8 == b'*';
        byte += 1;
    }
    kept
};

impl Encoder {
    fn kept(self) -> &'static [bool; 256] {
        &KEPT[self as usize]
    }

    /// Whether every byte of `text` stands for itself.
    #[must_use]
    pub fn keeps(self, text: &[u8]) -> bool {
        let kept = self.kept();
        text.iter().all(|b| kept[usize::from(*b)])
    }

    /// Appends the encoding of `text` to `out`, every byte that does not stand for itself as `%` and two upper-case hexadecimal digits:
    /// at most three times its length.
    pub fn append(self, text: &[u8], out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let kept = self.kept();
        let mut rest = text;
        loop {
            // A run that stands for itself is copied whole.
            let run = rest.iter().position(|b| !kept[usize::from(*b)]).unwrap_or(rest.len());
            let (plain, marked) = rest.split_at(run);
            out.extend_from_slice(plain);
            let Some((&byte, after)) = marked.split_first() else { break };
            if byte == b' ' && self == Self::Form {
                out.push(b'+');
            } else {
                out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
            }
            rest = after;
        }
    }
}

/// Appends `E(text)` to `out`: unreserved bytes as they are, every other byte as `%` and two upper-case hexadecimal digits.
pub fn encode(text: &[u8], out: &mut Vec<u8>) {
    Encoder::Rfc3986.append(text, out);
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
    fn the_two_encoders_differ_in_space_tilde_and_star() {
        let encoded = |encoder: Encoder, text: &str| {
            let mut out = Vec::new();
            encoder.append(text.as_bytes(), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(encoded(Encoder::Rfc3986, "a b~c*d+e"), "a%20b~c%2Ad%2Be");
        assert_eq!(encoded(Encoder::Form, "a b~c*d+e"), "a+b%7Ec*d%2Be");
        assert_eq!(encoded(Encoder::Rfc3986, "中=&%/"), "%E4%B8%AD%3D%26%25%2F");
        for encoder in [Encoder::Rfc3986, Encoder::Form] {
            for byte in 0..=255u8 {
                let mut out = Vec::new();
                encoder.append(&[byte], &mut out);
                assert_eq!(encoder.keeps(&[byte]), out == [byte], "{byte:#x}");
            }
            assert_eq!((0..=255u8).filter(|b| encoder.keeps(&[*b])).count(), 66);
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
