//! The ways in which signing schemes write a moment, read strictly and written back.
//!
//! Every format has one spelling for one moment, as in [`dates`]: exact lengths, no white space around, fields in range
//! (a 30th of February is none), and the day's name of RFC 1123 that of the date. Leap seconds (`:60`) are refused: the clocks that a
//! moment is held against do not have them. Years run from 1970 to 9999, so that nothing here comes near the ends of 64 bits.

use super::{dates, rfc3339};

/// How a scheme writes moments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Whole seconds since 1970: `1700000000`.
    UnixSeconds,
    /// Whole milliseconds since 1970: `1700000000000`.
    UnixMillis,
    /// RFC 1123 (IMF-fixdate of RFC 9110, 5.6.7): `Thu, 22 Jun 2017 17:15:21 GMT`.
    Rfc1123,
    /// ISO 8601, basic, UTC: `20150830T123600Z`.
    Iso8601Basic,
    /// ISO 8601, extended, as RFC 3339 has it: `2023-10-26T10:22:32Z`.
    Iso8601,
    /// `2024-01-31 13:05:59`, in the zone that is so many minutes east of UTC.
    DateTime {
        /// Minutes east of UTC.
        east: i16,
    },
    /// `20240131130559`, in the zone that is so many minutes east of UTC.
    Compact {
        /// Minutes east of UTC.
        east: i16,
    },
}

/// The day of a moment, as credential scopes write it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DayFormat {
    /// `20150830`.
    Basic,
    /// `2015-08-30`.
    Extended,
}

const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const DAY_MS: i64 = 86_400_000;

/// Digits as a number; at most nine of them, so that it fits.
fn number(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 9 {
        return None;
    }
    text.iter().try_fold(0, |n, c| c.is_ascii_digit().then(|| n * 10 + i64::from(c - b'0')))
}

fn leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, `1970 <= year <= 9999`: whole years with their leap days, then whole months.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=month_days(year, month)).contains(&day) {
        return None;
    }
    let before = year - 1;
    let leaps = before / 4 - before / 100 + before / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let months: i64 = (1..month).map(|m| month_days(year, m)).sum();
    Some((year - 1970) * 365 + leaps + months + day - 1)
}

/// Year, month, day of a day since 1970; `None` outside 1970 to 9999.
fn date(days_since: i64) -> Option<(i64, i64, i64)> {
    // 400 years have 146,097 days. The estimate is at most a year off, either way.
    let mut year = 1970 + days_since * 400 / 146_097;
    while days(year, 1, 1)? > days_since {
        year -= 1;
    }
    while year < 9999 && days(year + 1, 1, 1)? <= days_since {
        year += 1;
    }
    let mut rest = days_since - days(year, 1, 1)?;
    let mut month = 1;
    while rest >= month_days(year, month) {
        rest -= month_days(year, month);
        month += 1;
        if month > 12 {
            return None;
        }
    }
    Some((year, month, rest + 1))
}

fn clock(hour: &[u8], minute: &[u8], second: &[u8]) -> Option<i64> {
    let (hour, minute, second) = (number(hour)?, number(minute)?, number(second)?);
    (hour < 24 && minute < 60 && second < 60).then_some(((hour * 60 + minute) * 60 + second) * 1000)
}

fn moment(year: &[u8], month: &[u8], day: &[u8], of_day: i64) -> Option<i64> {
    Some(days(number(year)?, number(month)?, number(day)?)? * DAY_MS + of_day)
}

impl Format {
    /// Milliseconds since 1970-01-01T00:00:00Z; `None` for what is not of this format.
    #[must_use]
    pub fn read(self, text: &[u8]) -> Option<i64> {
        match self {
            Self::UnixSeconds => dates::unix_seconds(text),
            Self::UnixMillis => dates::unix_millis(text),
            Self::Iso8601 => rfc3339::parse(std::str::from_utf8(text).ok()?),
            Self::Rfc1123 => rfc1123(text),
            Self::Iso8601Basic => {
                let text: &[u8; 16] = text.try_into().ok()?;
                if text[8] != b'T' || text[15] != b'Z' {
                    return None;
                }
                let of_day = clock(&text[9..11], &text[11..13], &text[13..15])?;
                moment(&text[..4], &text[4..6], &text[6..8], of_day)
            }
            Self::DateTime { east } => {
                let text: &[u8; 19] = text.try_into().ok()?;
                let marks = [(4, b'-'), (7, b'-'), (10, b' '), (13, b':'), (16, b':')];
                if marks.iter().any(|(at, mark)| text[*at] != *mark) {
                    return None;
                }
                let of_day = clock(&text[11..13], &text[14..16], &text[17..])?;
                Some(moment(&text[..4], &text[5..7], &text[8..10], of_day)? - i64::from(east) * 60_000)
            }
            Self::Compact { east } => {
                let text: &[u8; 14] = text.try_into().ok()?;
                let of_day = clock(&text[8..10], &text[10..12], &text[12..])?;
                Some(moment(&text[..4], &text[4..6], &text[6..8], of_day)? - i64::from(east) * 60_000)
            }
        }
    }

    /// A moment in this format; one outside 1970 to 9999 as 1970 begins.
    #[must_use]
    pub fn write(self, ms: i64) -> String {
        let east = match self {
            Self::DateTime { east } | Self::Compact { east } => i64::from(east) * 60_000,
            _ => 0,
        };
        let local = ms.saturating_add(east);
        let (day, of_day) = (local.div_euclid(DAY_MS), local.rem_euclid(DAY_MS) / 1000);
        let ((year, month, date), of_day) = date(day).map_or(((1970, 1, 1), 0), |date| (date, of_day));
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        let name = |list: &[&[u8; 3]], at: i64| {
            let at = usize::try_from(at).unwrap_or_default() % list.len();
            String::from_utf8_lossy(list[at]).into_owned()
        };
        match self {
            Self::UnixSeconds => ms.div_euclid(1000).to_string(),
            Self::UnixMillis => ms.to_string(),
            Self::Rfc1123 => format!(
                "{}, {date:02} {} {year:04} {hour:02}:{minute:02}:{second:02} GMT",
                name(&DAYS, day.rem_euclid(7)),
                name(&MONTHS, month - 1)
            ),
            Self::Iso8601Basic => format!("{year:04}{month:02}{date:02}T{hour:02}{minute:02}{second:02}Z"),
            Self::Iso8601 => format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z"),
            Self::DateTime { .. } => format!("{year:04}-{month:02}-{date:02} {hour:02}:{minute:02}:{second:02}"),
            Self::Compact { .. } => format!("{year:04}{month:02}{date:02}{hour:02}{minute:02}{second:02}"),
        }
    }
}

fn rfc1123(text: &[u8]) -> Option<i64> {
    let text: &[u8; 29] = text.try_into().ok()?;
    let marks = [(3, b','), (4, b' '), (7, b' '), (11, b' '), (16, b' '), (19, b':'), (22, b':')];
    if marks.iter().any(|(at, mark)| text[*at] != *mark) || !text.ends_with(b" GMT") {
        return None;
    }
    let month = MONTHS.iter().position(|m| text[8..11] == m[..])? as i64 + 1;
    let day = days(number(&text[12..16])?, month, number(&text[5..7])?)?;
    let name = DAYS.get(usize::try_from(day % 7).ok()?)?;
    let of_day = clock(&text[17..19], &text[20..22], &text[23..25])?;
    (text[..3] == name[..]).then_some(day * DAY_MS + of_day)
}

impl DayFormat {
    /// Whether `text` is the UTC day of the moment.
    #[must_use]
    pub fn is_day_of(self, text: &[u8], ms: i64) -> bool {
        let read = match (self, text) {
            (Self::Basic, [..]) if text.len() == 8 => moment(&text[..4], &text[4..6], &text[6..], 0),
            (Self::Extended, [_, _, _, _, b'-', _, _, b'-', _, _]) => moment(&text[..4], &text[5..7], &text[8..], 0),
            _ => None,
        };
        read == Some(ms.div_euclid(DAY_MS) * DAY_MS)
    }

    /// The UTC day of the moment.
    #[must_use]
    pub fn write(self, ms: i64) -> String {
        let (year, month, day) = date(ms.div_euclid(DAY_MS)).unwrap_or((1970, 1, 1));
        match self {
            Self::Basic => format!("{year:04}{month:02}{day:02}"),
            Self::Extended => format!("{year:04}-{month:02}-{day:02}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Format; 7] = [
        Format::UnixSeconds,
        Format::UnixMillis,
        Format::Rfc1123,
        Format::Iso8601Basic,
        Format::Iso8601,
        Format::DateTime { east: 480 },
        Format::Compact { east: 480 },
    ];

    #[test]
    fn moments_known_from_elsewhere() {
        for (format, text, seconds) in [
            (Format::Rfc1123, "Thu, 22 Jun 2017 17:15:21 GMT", 1_498_151_721),
            (Format::Rfc1123, "Fri, 06 Sep 2024 09:16:16 GMT", 1_725_614_176),
            (Format::Iso8601Basic, "20150830T123600Z", 1_440_938_160),
            (Format::Iso8601, "2023-10-26T10:22:32Z", 1_698_315_752),
            (Format::DateTime { east: 480 }, "2014-07-24 03:07:50", 1_406_142_470),
            (Format::Compact { east: 480 }, "20200229000000", 1_582_905_600),
        ] {
            assert_eq!(format.read(text.as_bytes()), Some(seconds * 1000), "{text}");
            assert_eq!(format.write(seconds * 1000), text);
        }
        assert!(DayFormat::Extended.is_day_of(b"2019-02-25", 1_551_113_065_000));
        assert!(!DayFormat::Extended.is_day_of(b"2019-02-26", 1_551_113_065_000));
        assert!(DayFormat::Basic.is_day_of(b"20190225", 1_551_113_065_000));
        assert!(!DayFormat::Basic.is_day_of(b"2019-0225", 1_551_113_065_000));
    }

    #[test]
    fn anything_else_is_refused() {
        for (format, text) in [
            (Format::Rfc1123, "Wed, 22 Jun 2017 17:15:21 GMT"),
            (Format::Rfc1123, "Thu, 22 Jun 2017 17:15:21 UTC"),
            (Format::Rfc1123, "Thu, 22 jun 2017 17:15:21 GMT"),
            (Format::Rfc1123, "Thursday, 22-Jun-17 17:15:21 GMT"),
            (Format::Rfc1123, " hu, 22 Jun 2017 17:15:21 GMT"),
            (Format::Rfc1123, ""),
            (Format::Iso8601Basic, "20150830T123660Z"),
            (Format::Iso8601Basic, "20150830T243600Z"),
            (Format::Iso8601Basic, "20150230T123600Z"),
            (Format::Iso8601Basic, "20150830T123600z"),
            (Format::Iso8601Basic, "20150830T1236000"),
            (Format::DateTime { east: 0 }, "2015-08-30T12:36:00"),
            (Format::DateTime { east: 0 }, "2015-13-01 12:36:00"),
            (Format::DateTime { east: 0 }, "2015-08-30 12:36:0"),
            (Format::Compact { east: 0 }, "2015083012360+"),
            (Format::Compact { east: 0 }, "19690830123600"),
            (Format::Compact { east: 0 }, "20150800123600"),
        ] {
            assert_eq!(format.read(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        /// Held against `jiff`, through RFC 3339.
        #[test]
        fn every_second_is_read_as_it_is_written(seconds in 0i64..253_402_214_400) {
            let ms = seconds * 1000;
            for format in ALL {
                let text = format.write(ms);
                prop_assert_eq!(format.read(text.as_bytes()), Some(ms), "{}", text);
            }
            prop_assert_eq!(rfc3339::parse(&Format::Iso8601.write(ms)), Some(ms));
            for format in [DayFormat::Basic, DayFormat::Extended] {
                prop_assert!(format.is_day_of(format.write(ms).as_bytes(), ms));
            }
        }

        #[test]
        fn nothing_panics(text: Vec<u8>, ms: i64) {
            for format in ALL {
                let _ = (format.read(&text), format.write(ms));
            }
            let _ = DayFormat::Basic.is_day_of(&text, ms);
            let _ = DayFormat::Extended.is_day_of(&text, ms);
        }
    }
}
