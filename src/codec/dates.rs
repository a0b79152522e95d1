//! Moments as signing schemes write them, read strictly into milliseconds since 1970-01-01T00:00:00Z.
//!
//! One spelling for one moment: no sign, no white space, no leading zero, no fraction, no exponent. What does not fit 64 bits of
//! milliseconds is refused, never wrapped or held at the end of the range.

/// The digits of `text` as a number; `None` for anything but `0` or digits without a leading zero, or above `i64::MAX`.
fn whole(text: &[u8]) -> Option<i64> {
    match text {
        [] => None,
        [b'0', _, ..] => None,
        // Seventeen fit whatever they are: 255 times 11…1 is below 2^63.
        _ if text.len() <= 17 => {
            let (mut number, mut good) = (0, true);
            for digit in text.iter().map(|c| c.wrapping_sub(b'0')) {
                good &= digit <= 9;
                number = number * 10 + i64::from(digit);
            }
            good.then_some(number)
        }
        _ => text.iter().try_fold(0i64, |n, c| match c {
            b'0'..=b'9' => n.checked_mul(10)?.checked_add(i64::from(c - b'0')),
            _ => None,
        }),
    }
}

/// Whole seconds since the epoch (`1700000000`), as milliseconds.
#[must_use]
pub fn unix_seconds(text: &[u8]) -> Option<i64> {
    whole(text)?.checked_mul(1000)
}

/// Whole milliseconds since the epoch (`1700000000000`).
#[must_use]
pub fn unix_millis(text: &[u8]) -> Option<i64> {
    whole(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_only() {
        assert_eq!(unix_seconds(b"1700000000"), Some(1_700_000_000_000));
        assert_eq!(unix_millis(b"1700000000123"), Some(1_700_000_000_123));
        assert_eq!(unix_seconds(b"0"), Some(0));
        for length in 1..=20 {
            let nines = "9".repeat(length);
            assert_eq!(unix_millis(nines.as_bytes()), nines.parse().ok(), "{nines}");
            assert_eq!(unix_millis(&vec![0xFF; length]), None);
            assert_eq!(unix_millis(&vec![b'/'; length]), None);
        }
        for bad in
            ["", "-1", "+1", " 1", "1 ", "1.0", "1e9", "00", "017", "0x10", "１", "1_000", "1700000000\n", "nan", "\0"]
        {
            assert_eq!(unix_seconds(bad.as_bytes()), None, "{bad:?}");
            assert_eq!(unix_millis(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn overflow_is_refused_not_wrapped() {
        assert_eq!(unix_millis(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(unix_millis(b"9223372036854775808"), None);
        assert_eq!(unix_seconds(b"9223372036854775"), Some(9_223_372_036_854_775_000));
        assert_eq!(unix_seconds(b"9223372036854776"), None);
        assert_eq!(unix_millis(b"18446744073709551616"), None);
        assert_eq!(unix_millis(&[b'9'; 10_000]), None);
    }
}
