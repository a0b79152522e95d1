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

/// As [`VALUES`], computed: without an index, for many digits at once.
#[inline(always)]
fn value(digit: u8) -> u8 {
    let (number, letter) = (digit.wrapping_sub(b'0'), (digit | 0x20).wrapping_sub(b'a'));
    // All ones where it is such a digit.
    let (is_number, is_letter) = (0u8.wrapping_sub(u8::from(number < 10)), 0u8.wrapping_sub(u8::from(letter < 6)));
    (number & is_number) | (letter.wrapping_add(10) & is_letter) | (BAD & !(is_number | is_letter))
}

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
    let (long, short) = pairs.as_chunks::<16>();
    let (out_long, out_short) = out.as_chunks_mut::<16>();
    let mut all = [0; 16];
    for (to, pairs) in out_long.iter_mut().zip(long) {
        // Loops over arrays, which the compiler turns into vector instructions that every x86-64 has.
        let (mut high, mut low) = ([0; 16], [0; 16]);
        for ((high, low), [first, second]) in high.iter_mut().zip(&mut low).zip(pairs) {
            (*high, *low) = (value(*first), value(*second));
        }
        for (((all, to), high), low) in all.iter_mut().zip(to).zip(high).zip(low) {
            *all |= high | low;
            *to = (high << 4) | (low & 0x0f);
        }
    }
    let mut all = all.into_iter().fold(0, |all, one| all | one);
    for (byte, [high, low]) in out_short.iter_mut().zip(short) {
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
    fn a_bad_digit_is_found_at_every_place() {
        for length in [2, 30, 32, 34, 64, 96, 128] {
            let text = vec![b'7'; length];
            assert_eq!(decode_vec(&text).unwrap(), vec![0x77; length / 2]);
            for at in 0..length {
                for byte in 0..=255u8 {
                    let mut text = text.clone();
                    text[at] = byte;
                    assert_eq!(decode_vec(&text).is_ok(), byte.is_ascii_hexdigit(), "{byte:#x} at {at} of {length}");
                }
            }
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
