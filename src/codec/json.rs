//! Writing JSON.

/// Appends `text` as a JSON string, quotes included (RFC 8259, section 7).
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    // Most texts have nothing to escape. All bytes are looked at, without a branch at each: the compiler makes vectors of that.
    let odd = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\' || byte == 0x7f;
    if !text.bytes().fold(false, |found, byte| found | odd(byte)) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    out.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f | 0x7f => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Appends an integer in decimal.
pub fn write_number(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let (mut at, mut rest) = (digits.len(), number);
    loop {
        at -= 1;
        // A number of 64 bits has at most 20 digits, so `at` stays in range.
        if let Some(digit) = digits.get_mut(at) {
            *digit = b'0' + (rest % 10) as u8;
        }
        rest /= 10;
        if rest == 0 || at == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_what_a_parser_reads() {
        for number in [0, 1, 9, 10, 99, 100, 1_700_000_000_000, u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            write_number(number, &mut out);
            assert_eq!(std::str::from_utf8(&out).unwrap(), number.to_string());
        }
        for text in
            ["", "abc", "a\"b", "\\", "\u{7f}", "\n\r\t\u{1}", "未知 ü", "0123456789abcdef0123456789abcdef0123456789\""]
        {
            let mut out = Vec::new();
            write_string(text, &mut out);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
            assert!(out.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f));
        }
    }
}
