//! Moments as RFC 3339 writes them (`2026-01-01T00:00:00Z`, `2026-01-01T08:00:00.250+08:00`).

/// Reads `text` into milliseconds since 1970-01-01T00:00:00Z; finer fractions are cut off.
///
/// The grammar is that of RFC 3339, 5.6, with capital `T` and `Z`. Leap seconds (`:60`) are refused: the clocks that such a moment is
/// held against do not have them.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (moment, rest) = bytes.split_at_checked(19)?;
    let shape = moment.iter().enumerate().all(|(at, byte)| match at {
        4 | 7 => *byte == b'-',
        10 => *byte == b'T',
        13 | 16 => *byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let fraction = match rest.strip_prefix(b".") {
        Some(digits) => match digits.iter().take_while(|b| b.is_ascii_digit()).count() {
            0 => return None,
            count => 1 + count,
        },
        None => 0,
    };
    let zone = match rest.get(fraction..)? {
        b"Z" => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => [h1, h2, m1, m2].into_iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !shape || !zone || moment.ends_with(b"60") || fraction > 10 {
        return None;
    }
    text.parse::<jiff::Timestamp>().ok().map(|t| t.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn moments_known_from_elsewhere() {
        assert_eq!(parse("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse("2026-01-01T00:00:00Z"), Some(1_767_225_600_000));
        assert_eq!(parse("2026-01-01T08:00:00.250+08:00"), Some(1_767_225_600_250));
        assert_eq!(parse("2025-12-31T16:30:00-07:30"), Some(1_767_225_600_000));
        assert_eq!(parse("2024-02-29T23:59:59.9999Z"), Some(1_709_251_199_999));
        assert_eq!(parse("1969-12-31T23:59:59Z"), Some(-1000));
        assert_eq!(parse("0001-01-01T00:00:00Z"), Some(-62_135_596_800_000));
    }

    #[test]
    #[rustfmt::skip]
    fn anything_else_is_refused() {
        for text in [
            "", "2026", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-01-01t00:00:00z", "2026-01-01T00:00Z",
            "2026-13-01T00:00:00Z", "2025-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+0800", "2026-01-01T00:00:00+8", "2026-01-01T00:00:00Z ", " 2026-01-01T00:00:00Z", "20260101T000000Z",
            "2026-01-01T00:00:00+99:00", "2026-01-01T00:00:00Z[UTC]", "+002026-01-01T00:00:00Z", "2026-01-01T00:00:00.0000000000Z",
            "２026-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
