//! The first look at a request: its sizes, and the bytes that may stand where.

use super::{Request, Sizes};
use std::fmt;

/// Why a request was refused before anything in it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestError {
    /// The method is not a token (RFC 9110, 5.6.2).
    Method,
    /// The target is empty, or has a space or a control character.
    Target,
    /// The target has more bytes than [`Sizes::target`].
    TargetTooLong,
    /// A name that is not a token, or a value with a control character other than a tab (RFC 9110, 5.5).
    Header {
        /// Which header line.
        index: u32,
    },
    /// There are more header lines than [`Sizes::headers`].
    TooManyHeaders,
    /// Header names and values together have more bytes than [`Sizes::header_bytes`].
    HeadersTooLong,
    /// The body has more bytes than [`Sizes::body`].
    BodyTooLong,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method => f.write_str("the method is not a token"),
            Self::Target => f.write_str("the target is empty or has a space or control character"),
            Self::TargetTooLong => f.write_str("the target is too long"),
            Self::Header { index } => write!(f, "header line {index} is malformed"),
            Self::TooManyHeaders => f.write_str("there are too many header lines"),
            Self::HeadersTooLong => f.write_str("the header lines are too long"),
            Self::BodyTooLong => f.write_str("the body is too long"),
        }
    }
}

impl std::error::Error for RequestError {}

/// A character of a token (RFC 9110, 5.6.2).
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_token(byte as u8);
        byte += 1;
    }
    table
};

fn token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| TOKEN[byte as usize])
}

/// Whether no byte is `below` (less than 0x7F) or less, but for tabs where they are `tab`, nor DEL. Linear; sixteen bytes at once, and only a
/// text with something suspicious in it, be it a tab, byte by byte.
fn printable(text: &[u8], below: u8, tab: bool) -> bool {
    // A loop over an array, which the compiler turns into vector instructions that every x86-64 has.
    let wrong = |any: &mut [u8; 16], sixteen: &[u8; 16]| {
        for (any, &byte) in any.iter_mut().zip(sixteen) {
            *any |= u8::from(byte <= below) | u8::from(byte == 0x7F);
        }
    };
    let quick = text.last_chunk::<16>().map(|last| {
        let mut any = [0; 16];
        wrong(&mut any, last);
        for sixteen in text.as_chunks::<16>().0 {
            wrong(&mut any, sixteen);
        }
        u128::from_le_bytes(any) == 0
    });
    quick == Some(true) || text.iter().all(|&byte| (byte > below || (tab && byte == b'\t')) && byte != 0x7F)
}

impl Request<'_> {
    /// Refuses what is greater than `sizes`, and bytes that cannot have come over HTTP: they would be the gateway's mistake, or a way to
    /// smuggle line ends into a string to sign. Time is linear in the target and the header lines; the body's length alone is looked at.
    ///
    /// # Errors
    /// The first [`RequestError`] that applies.
    pub fn check(&self, sizes: &Sizes) -> Result<(), RequestError> {
        if self.target.len() > sizes.target {
            return Err(RequestError::TargetTooLong);
        }
        if self.body.len() > sizes.body {
            return Err(RequestError::BodyTooLong);
        }
        if self.headers.len() > sizes.headers {
            return Err(RequestError::TooManyHeaders);
        }
        let bytes =
            self.headers.iter().try_fold(0usize, |sum, h| sum.checked_add(h.name.len())?.checked_add(h.value.len()));
        if bytes.is_none_or(|bytes| bytes > sizes.header_bytes) {
            return Err(RequestError::HeadersTooLong);
        }
        if !token(self.method) {
            return Err(RequestError::Method);
        }
        if self.target.is_empty() || !printable(self.target, b' ', false) {
            return Err(RequestError::Target);
        }
        match self.headers.iter().position(|h| !token(h.name) || !printable(h.value, 0x1F, true)) {
            Some(index) => Err(RequestError::Header { index: index as u32 }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Header;
    use super::*;

    #[test]
    fn a_byte_that_may_not_be_there_is_found_at_every_place() {
        for length in 0..70 {
            let mut text = vec![b'x'; length];
            assert!(printable(&text, b' ', false) && printable(&text, 0x1F, true), "{length}");
            for at in 0..length {
                for (byte, in_target, in_value) in [
                    (b'\r', false, false),
                    (0x7F, false, false),
                    (b'\t', false, true),
                    (b' ', false, true),
                    (0x80, true, true),
                ] {
                    text[at] = byte;
                    assert_eq!(printable(&text, b' ', false), in_target, "{byte} at {at} of {length}");
                    assert_eq!(printable(&text, 0x1F, true), in_value, "{byte} at {at} of {length}");
                }
                text[at] = b'x';
            }
        }
    }

    #[test]
    fn sizes_and_bytes_are_checked() {
        let sizes = Sizes { target: 10, headers: 2, header_bytes: 20, body: 4, ..Sizes::default() };
        let header =
            |name: &'static str, value: &'static str| Header { name: name.as_bytes(), value: value.as_bytes() };
        let check = |method: &str, target: &str, headers: &[Header<'_>], body: &str| {
            Request { headers, ..Request::new(method.as_bytes(), target.as_bytes(), body.as_bytes()) }.check(&sizes)
        };
        let fine = [header("x-y_z", "a\tb \u{e9}"), header("host", "")];
        assert_eq!(check("GET", "/a?b=%20", &fine, "1234"), Ok(()));
        assert_eq!(check("GET", "/0123456789", &[], ""), Err(RequestError::TargetTooLong));
        assert_eq!(check("GET", "/", &[], "12345"), Err(RequestError::BodyTooLong));
        assert_eq!(check("GET", "/", &[header("a", "b"); 3], ""), Err(RequestError::TooManyHeaders));
        assert_eq!(
            check("GET", "/", &[header("0123456789", "0"), header("0123456789", "")], ""),
            Err(RequestError::HeadersTooLong)
        );
        for method in ["", "GE T", "GET\r", "(", "é"] {
            assert_eq!(check(method, "/", &[], ""), Err(RequestError::Method), "{method:?}");
        }
        for target in ["", "/ ", "/\n", "/\0", "/\u{7f}"] {
            assert_eq!(check("GET", target, &[], ""), Err(RequestError::Target), "{target:?}");
        }
        for bad in [
            header("", "v"),
            header("a:b", "v"),
            header("a", "v\r"),
            header("a", "\n"),
            header("a", "\0"),
            header("a", "\u{7f}"),
        ] {
            assert_eq!(check("GET", "/", &[fine[1], bad], ""), Err(RequestError::Header { index: 1 }), "{bad:?}");
        }
    }
}
