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
