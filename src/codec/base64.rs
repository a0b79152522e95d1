//! Base64 (RFC 4648, 4 and 5), strict and canonical: one text for one string of bytes.
//!
//! Refused: white space and line breaks, characters of the other alphabet, padding that is missing, extra or out of place, and unused
//! bits of the last character that are not zero. A signature thus has exactly one spelling, which matters wherever a text is compared or
//! remembered rather than its bytes.

use base64_simd::{AsOut, Base64, STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::Malformed;

/// The alphabet, and whether `=` fills the last group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// `+` and `/`, padded: what signatures in headers and parameters use.
    Standard,
    /// `+` and `/`, never padded.
    StandardNoPad,
    /// `-` and `_`, padded.
    UrlSafe,
    /// `-` and `_`, never padded: JWS, JWK.
    UrlSafeNoPad,
}

impl Variant {
    const fn codec(self) -> &'static Base64 {
        match self {
            Self::Standard => &STANDARD,
            Self::StandardNoPad => &STANDARD_NO_PAD,
            Self::UrlSafe => &URL_SAFE,
            Self::UrlSafeNoPad => &URL_SAFE_NO_PAD,
        }
    }
}

/// The greatest number of bytes that `len` characters stand for, in any variant.
#[must_use]
pub const fn decoded_len(len: usize) -> usize {
    len.div_ceil(4).saturating_mul(3)
}

/// The number of characters for `len` bytes, padding counted: enough for any variant.
#[must_use]
pub const fn encoded_len(len: usize) -> usize {
    len.div_ceil(3).saturating_mul(4)
}

/// Decodes `text` into the front of `out` and returns what was written. What `out` holds after an error is not told.
///
/// # Errors
/// The text is not canonical in this variant, or stands for more bytes than `out` holds.
pub fn decode<'o>(variant: Variant, text: &[u8], out: &'o mut [u8]) -> Result<&'o mut [u8], Malformed> {
    let codec = variant.codec();
    // The crate looks at the last two characters of any text that is not empty; no text of one character is base64.
    if text.len() == 1 || codec.decoded_length(text).map_err(|_| Malformed)? > out.len() {
        return Err(Malformed);
    }
    codec.decode(text, out.as_out()).map_err(|_| Malformed)
}

/// The number from 0 to 63 that a character of the alphabet of URLs stands for; 0xff for any other. Without an index or a branch.
#[inline(always)]
fn sextet(character: u8) -> u8 {
    let (upper, lower) = (character.wrapping_sub(b'A'), character.wrapping_sub(b'a'));
    let number = character.wrapping_sub(b'0');
    // All ones where it is such a character.
    let all = |is: bool| 0u8.wrapping_sub(u8::from(is));
    let (is_upper, is_lower, is_number) = (all(upper < 26), all(lower < 26), all(number < 10));
    let (is_dash, is_line) = (all(character == b'-'), all(character == b'_'));
    (upper & is_upper)
        | (lower.wrapping_add(26) & is_lower)
        | (number.wrapping_add(52) & is_number)
        | (62 & is_dash)
        | (63 & is_line)
        | !(is_upper | is_lower | is_number | is_dash | is_line)
}

/// Decodes `N` times eight characters of the alphabet of URLs: six bytes each, as numbers of 48 bits, big-endian. For secrets of one length, such as tokens: in
/// constant time but for the answer whether they are characters of the alphabet, and some 60 instructions for 40 characters.
#[inline]
pub(crate) fn decode_eights<const N: usize>(text: &[[u8; 8]; N]) -> Option<[u64; N]> {
    let sextets = text.map(|eight| eight.map(sextet));
    if sextets.iter().flatten().fold(0, |all, sextet| all | sextet) > 63 {
        return None;
    }
    Some(sextets.map(|eight| {
        let eight = u64::from_be_bytes(eight);
        // Neighbours together: 8 times 6 bits, 4 times 12, 2 times 24, 48.
        let twelve = (eight & 0x003f_003f_003f_003f) | (eight & 0x3f00_3f00_3f00_3f00) >> 2;
        let twenty_four = (twelve & 0x0000_0fff_0000_0fff) | (twelve & 0x0fff_0000_0fff_0000) >> 4;
        (twenty_four & 0xff_ffff) | (twenty_four & 0x00ff_ffff_0000_0000) >> 8
    }))
}

/// Decodes into a new vector: for set-up.
///
/// # Errors
/// The text is not canonical in this variant.
pub fn decode_vec(variant: Variant, text: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut out = vec![0; decoded_len(text.len())];
    let len = decode(variant, text, &mut out)?.len();
    out.truncate(len);
    Ok(out)
}

/// Writes the text of `bytes` into the front of `out`.
///
/// # Errors
/// `out` is too short.
pub fn encode<'o>(variant: Variant, bytes: &[u8], out: &'o mut [u8]) -> Result<&'o mut [u8], Malformed> {
    // The crate's own length function may not be asked about more than isize::MAX, which no slice has.
    let codec = variant.codec();
    if codec.encoded_length(bytes.len()) > out.len() {
        return Err(Malformed);
    }
    Ok(codec.encode(bytes, out.as_out()))
}

/// The text of `bytes` in a new string: for set-up and messages.
#[must_use]
pub fn to_string(variant: Variant, bytes: &[u8]) -> String {
    variant.codec().encode_to_string(bytes)
}

#[cfg(test)]
mod tests {
    use super::Variant::*;
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(to_string(Standard, bytes.as_bytes()), text);
            assert_eq!(decode_vec(Standard, text.as_bytes()).unwrap(), bytes.as_bytes());
            let bare = text.trim_end_matches('=');
            assert_eq!(to_string(UrlSafeNoPad, bytes.as_bytes()), bare);
            assert_eq!(decode_vec(UrlSafeNoPad, bare.as_bytes()).unwrap(), bytes.as_bytes());
        }
    }

    /// At every length up to a few vectors' worth: what we accept is exactly what encodes back to itself.
    #[test]
    fn one_text_for_one_string_of_bytes() {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_ \n\r\t.\0\xff";
        for variant in [Standard, StandardNoPad, UrlSafe, UrlSafeNoPad] {
            for len in 0..100usize {
                let bytes: Vec<u8> = (0..len).map(|i| (i * 151 + len * 7) as u8).collect();
                let text = to_string(variant, &bytes).into_bytes();
                assert_eq!(decode_vec(variant, &text).unwrap(), bytes);
                for at in 0..text.len() {
                    for &other in alphabet.iter().filter(|c| **c != text[at]) {
                        let mut changed = text.clone();
                        changed[at] = other;
                        if let Ok(back) = decode_vec(variant, &changed) {
                            assert_eq!(to_string(variant, &back).as_bytes(), changed, "not canonical");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn eights_are_what_the_library_decodes() {
        let mut text = *b"AZaz09-_QmFzZTY0dXJsX3RleHRz";
        for at in 0..16 {
            for byte in 0..=255u8 {
                let before = std::mem::replace(&mut text[at], byte);
                let eights = text[..16].as_chunks().0.try_into().unwrap();
                let expected = decode_vec(UrlSafeNoPad, &text[..16]).ok();
                let found = decode_eights::<2>(eights).map(|two| two.map(|n| n.to_be_bytes()));
                let found = found.map(|[one, two]| [&one[2..], &two[2..]].concat());
                assert_eq!(found, expected, "{at} {byte}");
                text[at] = before;
            }
        }
    }

    #[test]
    fn what_others_forgive_is_refused() {
        for text in [
            "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9v\n", " Zm9v", "Zm 9v", "Zm9v====", "=", "==", "====", "A",
            "Z===", "Zg==Zg==",
        ] {
            assert_eq!(decode_vec(Standard, text.as_bytes()), Err(Malformed), "{text:?}");
        }
        assert_eq!(decode_vec(UrlSafeNoPad, b"Zg=="), Err(Malformed));
        assert_eq!(decode_vec(UrlSafeNoPad, b"Zh"), Err(Malformed));
        assert_eq!(decode_vec(Standard, b"-_-_"), Err(Malformed));
        assert_eq!(decode_vec(UrlSafe, b"+/+/"), Err(Malformed));
    }

    #[test]
    fn a_short_buffer_is_an_error() {
        assert_eq!(decode(Standard, b"Zm9v", &mut [0; 2]), Err(Malformed));
        assert_eq!(decode(Standard, b"Zm9v", &mut [0; 3]).unwrap(), b"foo");
        assert_eq!(encode(Standard, b"foo", &mut [0; 3]), Err(Malformed));
        assert_eq!(encode(Standard, b"foo", &mut [0; 9]).unwrap(), b"Zm9v");
    }
}
