//! Hexadecimal (RFC 4648, 8), either case in, lower or upper out.

use super::Malformed;

const BAD: u8 = 0xff;

const VALUES: [u8; 256] = {
    let mut table = [BAD; 256];
    let mut i = 0;
    while i < 10 {
        table[b'0' as usize + i] = i as u8;
        i += 1;
    }
    let mut i = 0;
    while i < 6 {
        table[b'a' as usize + i] = 10 + i as u8;
        table[b'A' as usize + i] = 10 + i as u8;
        i += 1;
    }
    table
};

/// The greatest number of bytes that `len` digits stand for.
#[must_use]
pub const fn decoded_len(len: usize) -> usize {
    len / 2
}

/// Decodes `text` into the front of `out` and returns what was written.
///
/// # Errors
/// An odd number of digits, anything but a digit of either case, or more bytes than `out` holds.
pub fn decode<'o>(text: &[u8], out: &'o mut [u8]) -> Result<&'o mut [u8], Malformed> {
    let (pairs, odd) = text.as_chunks::<2>();
    let out = out.get_mut(..pairs.len()).ok_or(Malformed)?;
    if !odd.is_empty() {
        return Err(Malformed);
    }
    let mut all = 0;
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        let (high, low) = (VALUES[usize::from(*high)], VALUES[usize::from(*low)]);
        // A bad digit is 0xff, a good one is below 0x10: the high half of the union tells.
        all |= high | low;
        *byte = (high << 4) | (low & 0x0f);
    }
    if all < 0x10 { Ok(out) } else { Err(Malformed) }
}

/// Decodes into a new vector: for set-up.
///
/// # Errors
/// As [`decode`].
pub fn decode_vec(text: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut out = vec![0; decoded_len(text.len())];
    decode(text, &mut out)?;
    Ok(out)
}

fn encode<'o>(digits: &[u8; 16], bytes: &[u8], out: &'o mut [u8]) -> Result<&'o mut [u8], Malformed> {
    let wanted = bytes.len().checked_mul(2).ok_or(Malformed)?;
    let out = out.get_mut(..wanted).ok_or(Malformed)?;
    for (pair, byte) in out.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]];
    }
    Ok(out)
}

/// Writes lower-case digits into the front of `out`.
///
/// # Errors
/// `out` is shorter than two digits for each byte.
pub fn encode_lower<'o>(bytes: &[u8], out: &'o mut [u8]) -> Result<&'o mut [u8], Malformed> {
    encode(b"0123456789abcdef", bytes, out)
}

/// Writes upper-case digits into the front of `out`.
///
/// # Errors
/// `out` is shorter than two digits for each byte.
pub fn encode_upper<'o>(bytes: &[u8], out: &'o mut [u8]) -> Result<&'o mut [u8], Malformed> {
    encode(b"0123456789ABCDEF", bytes, out)
}

/// Lower-case digits in a new string: for set-up and messages.
#[must_use]
pub fn to_string(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|d| char::from_digit(u32::from(d), 16).unwrap_or('0')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_goes_round_in_both_cases() {
        let all: Vec<u8> = (0..=255).collect();
        let (mut lower, mut upper, mut back) = ([0; 512], [0; 512], [0; 256]);
        encode_lower(&all, &mut lower).unwrap();
        encode_upper(&all, &mut upper).unwrap();
        assert_eq!(decode(&lower, &mut back).unwrap(), all);
        assert_eq!(decode(&upper, &mut back).unwrap(), all);
        assert_eq!(to_string(&all).as_bytes(), lower);
        assert_eq!(upper[510..], *b"FF");
    }

    #[test]
    fn only_digits_are_digits() {
        for byte in 0..=255u8 {
            let good = byte.is_ascii_hexdigit();
            assert_eq!(decode_vec(&[byte, b'0']).is_ok(), good, "{byte:#x} first");
            assert_eq!(decode_vec(&[b'0', byte]).is_ok(), good, "{byte:#x} second");
        }
    }

    #[test]
    fn odd_lengths_and_short_buffers_are_refused() {
        assert_eq!(decode_vec(b"abc"), Err(Malformed));
        assert_eq!(decode(b"abcd", &mut [0; 1]), Err(Malformed));
        assert_eq!(encode_lower(b"ab", &mut [0; 3]), Err(Malformed));
        assert_eq!(decode_vec(b"").unwrap(), b"");
    }
}
