//! How a signature is written as text, and read back strictly.

use crate::codec::{base64, hex};

use super::alg::{Alg, Class};

/// The text form of a signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TextForm {
    /// Hexadecimal, either case; written in lower case.
    Hex,
    /// Hexadecimal, lower case only.
    HexLower,
    /// Hexadecimal, upper case only.
    HexUpper,
    /// Base64 (RFC 4648, 4), padded, canonical.
    Base64,
    /// Base64url (RFC 4648, 5), not padded, canonical.
    Base64Url,
}

impl TextForm {
    pub(super) const NAMES: &'static [(&'static str, Self)] = &[
        ("hex", Self::Hex),
        ("hex-lower", Self::HexLower),
        ("hex-upper", Self::HexUpper),
        ("base64", Self::Base64),
        ("base64url", Self::Base64Url),
    ];

    fn variant(self) -> Option<base64::Variant> {
        match self {
            Self::Base64 => Some(base64::Variant::Standard),
            Self::Base64Url => Some(base64::Variant::UrlSafeNoPad),
            Self::Hex | Self::HexLower | Self::HexUpper => None,
        }
    }

    /// Appends the bytes that `text` stands for to `out`; `false`, and `out` as it was, where `text` is not of this form or, for
    /// algorithms whose signatures have one length, of another length.
    pub(super) fn decode(self, text: &[u8], alg: Alg, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let case_ok = match self {
            Self::HexLower => !text.iter().any(u8::is_ascii_uppercase),
            Self::HexUpper => !text.iter().any(u8::is_ascii_lowercase),
            _ => true,
        };
        if text.is_empty() || !case_ok {
            return false;
        }
        let room = match self.variant() {
            Some(_) => base64::decoded_len(text.len()),
            None => hex::decoded_len(text.len()),
        };
        out.resize(start.saturating_add(room), 0);
        let space = out.get_mut(start..).unwrap_or_default();
        let len = match self.variant() {
            Some(variant) => base64::decode(variant, text, space).map(|bytes| bytes.len()),
            None => hex::decode(text, space).map(|bytes| bytes.len()),
        };
        let fits = len.is_ok_and(|len| match alg.class() {
            Class::Mac(bytes) => len == bytes,
            Class::Edwards => len == 64,
            Class::Rsa | Class::Curve => len > 0,
        });
        out.truncate(if fits { start.saturating_add(len.unwrap_or(0)) } else { start });
        fits
    }

    /// The text of `bytes`.
    pub(super) fn encode(self, bytes: &[u8]) -> String {
        match self.variant() {
            Some(variant) => base64::to_string(variant, bytes),
            None if self == Self::HexUpper => hex::to_string(bytes).to_ascii_uppercase(),
            None => hex::to_string(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: TextForm, alg: &str, text: &str) -> Option<Vec<u8>> {
        let mut out = b"before".to_vec();
        let ok = form.decode(text.as_bytes(), Alg::from_name(alg).unwrap(), &mut out);
        assert!(out.starts_with(b"before"));
        assert!(ok || out == b"before");
        ok.then(|| out[6..].to_vec())
    }

    #[test]
    fn hex_of_either_case_or_of_one() {
        let lower = "2f9ca37c0612118fb1b01b74e6854589";
        let upper = lower.to_ascii_uppercase();
        let mixed = format!("{}{}", &lower[..16], &upper[16..]);
        for (form, l, u, m) in [
            (TextForm::Hex, true, true, true),
            (TextForm::HexLower, true, false, false),
            (TextForm::HexUpper, false, true, false),
        ] {
            assert_eq!(read(form, "md5", lower).is_some(), l);
            assert_eq!(read(form, "md5", &upper).is_some(), u);
            assert_eq!(read(form, "md5", &mixed).is_some(), m);
        }
        for bad in ["", &lower[..31], &lower[..30], &format!("{lower}00"), &format!("{}g", &lower[..31])] {
            assert_eq!(read(TextForm::Hex, "md5", bad), None, "{bad}");
        }
        assert_eq!(read(TextForm::Hex, "hmac-sha256", lower), None, "too short for the algorithm");
    }

    #[test]
    fn base64_is_canonical() {
        assert_eq!(read(TextForm::Base64, "rsa-pkcs1-sha256", "AQID"), Some(vec![1, 2, 3]));
        assert_eq!(read(TextForm::Base64, "rsa-pkcs1-sha256", "AQ=="), Some(vec![1]));
        for bad in ["", "AQ", "AR==", "AQ= =", "AQ==\n", "A-_/", "AQI D"] {
            assert_eq!(read(TextForm::Base64, "rsa-pkcs1-sha256", bad), None, "{bad:?}");
        }
        assert_eq!(read(TextForm::Base64Url, "rsa-pkcs1-sha256", "AQ"), Some(vec![1]));
        assert_eq!(read(TextForm::Base64Url, "rsa-pkcs1-sha256", "AQ=="), None);
        assert_eq!(read(TextForm::Base64, "ed25519", "AQID"), None, "Ed25519 signatures have 64 bytes");
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes: Vec<u8> = (0..64).collect();
        for (_, form) in TextForm::NAMES {
            assert_eq!(read(*form, "hmac-sha512", &form.encode(&bytes)), Some(bytes.clone()));
        }
    }
}
