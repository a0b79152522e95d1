//! Bytes for people: masked, escaped, dumped, and where two differ.

use std::fmt::Write;

/// The text with what may be secret or personal replaced by `*`, byte for byte, so that places and lengths stay.
///
/// Of every run of letters, digits and bytes above ASCII that is longer than four, all but the first two are replaced. Names stay (runs
/// before `=` or `:`), and so do runs of capitals and of hyphens between such: methods, words of schemes.
#[must_use]
pub fn mask(text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    let word = |b: u8| b.is_ascii_alphanumeric() || b >= 0x80 || b == b'_';
    let mut at = 0;
    while at < text.len() {
        let len = text.iter().skip(at).take_while(|b| word(**b)).count();
        if len == 0 {
            at += 1;
            continue;
        }
        let run = text.get(at..at + len).unwrap_or_default();
        let name = matches!(text.get(at + len), Some(b'=' | b':'));
        let shouted = run.iter().all(u8::is_ascii_uppercase) && len < 12;
        if len > 4 && !name && !shouted {
            out.iter_mut().skip(at + 2).take(len - 2).for_each(|b| *b = b'*');
        }
        at += len;
    }
    out
}

/// The text on one line: control characters, quotes, backslashes and what is no UTF-8 as escapes.
#[must_use]
pub fn escape(text: &[u8]) -> String {
    let mut out = String::new();
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\\' => out.push_str("\\\\"),
                // Also what would turn or hide the text on a terminal.
                c if c.is_control()
                    || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
                {
                    let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Sixteen bytes a line: offset, hexadecimal, ASCII.
#[must_use]
pub fn dump(text: &[u8]) -> String {
    let mut out = String::new();
    for (line, bytes) in text.chunks(16).enumerate() {
        let _ = write!(out, "    {:06x} ", line * 16);
        for at in 0..16 {
            match bytes.get(at) {
                Some(byte) => {
                    let _ = write!(out, " {byte:02x}");
                }
                None => out.push_str("   "),
            }
        }
        out.push_str("  ");
        out.extend(bytes.iter().map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '.' }));
        out.push('\n');
    }
    out
}

/// Where two texts differ first, if they do.
#[must_use]
pub fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    let common = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    (common < a.len() || common < b.len()).then_some(common)
}

/// A few bytes on either side of a place.
#[must_use]
pub fn around(text: &[u8], at: usize) -> &[u8] {
    let from = at.saturating_sub(24).min(text.len());
    text.get(from..at.saturating_add(24).min(text.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_masked_and_names_stay() {
        let masked = |text: &str| String::from_utf8_lossy(&mask(text.as_bytes())).into_owned();
        assert_eq!(masked("accountNumber=6222021234567890&a=1.10"), "accountNumber=62**************&a=1.10");
        assert_eq!(masked("DELETE\n/users/alexander\n"), "DELETE\n/us***/al*******\n");
        assert_eq!(masked("{\"cardholder\":\"Alexander\"}"), "{\"ca********\":\"Al*******\"}");
        let text = "name=李雷李雷";
        assert_eq!(mask(text.as_bytes()).len(), text.len());
    }

    #[test]
    fn nothing_reaches_the_terminal_as_it_is() {
        assert_eq!(escape(b"a\n\x1b[31m\\\xff\xe4\xb8\xad\xe2\x80\xae"), "a\\n\\u{1b}[31m\\\\\\xff中\\u{202e}");
        assert_eq!(dump(b"ab\n"), format!("    000000  61 62 0a{}  ab.\n", "   ".repeat(13)));
        assert_eq!(dump(&[0; 17]).lines().count(), 2);
    }

    #[test]
    fn differences_are_found() {
        assert_eq!(first_difference(b"abc", b"abc"), None);
        assert_eq!(first_difference(b"abc", b"abd"), Some(2));
        assert_eq!(first_difference(b"abc", b"ab"), Some(2));
        assert_eq!(first_difference(b"", b"a"), Some(0));
        assert_eq!(around(b"0123456789", 40), b"");
    }
}
