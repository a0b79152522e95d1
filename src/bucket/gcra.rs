//! The generic cell rate algorithm (ITU-T I.371, annex A, virtual scheduling form), as pure arithmetic.
//!
//! A key's whole state is its *theoretical arrival time* (TAT). With T the interval between requests at the full rate and τ = burst × T,
//! a request at `now` conforms iff max(TAT, now) + T ≤ now + τ, and then TAT becomes max(TAT, now) + T. A key whose TAT has passed has its
//! whole burst again: that is the default state, in which nothing need be remembered.
//!
//! # Units
//!
//! TAT is kept in 34 bits, in one of three units that follow from τ, so that τ ≤ 2^31 units. T is rounded up to whole units: the rate is never
//! exceeded, and falls short by at most one unit in T. Times wrap and are compared serially.
//!
//! | class | unit | τ up to | wraps after |
//! |---|---|---|---|
//! | 0 | 1 ms | 24.8 days | 198 days |
//! | 1 | 2^-5 ms (31 µs) | 18.6 hours | 6.2 days |
//! | 2 | 2^-14 ms (61 ns) | 131 seconds | 17.4 minutes |
//!
//! # Fixed windows
//!
//! A quota counts by the calendar: `count` requests in each window of W milliseconds. It is kept in the same cells. With k requests counted in the
//! window that ends at E, "TAT" is E + k units: a debt for as long as the window lasts, and none after it. The unit is such that count ≤ W in
//! units, so what is left from an earlier window never lies beyond the end of the current one, and reads as k = 0.
//!
//! A difference TAT − now in (0, 2^32] is a debt; any other is none. (One beyond τ comes from a clock that was stepped back, or a
//! limit that was lowered: the key then waits until it is paid.) The table sweeps paid-up cells long before they have aged 2^34 - 2^32
//! units and would be read as a debt.

use crate::time::Millis;

pub(super) const TAT_BITS: u32 = 34;
pub(super) const TAT_MASK: u64 = (1 << TAT_BITS) - 1;
/// Binary logarithm of the units in a millisecond, by class.
const SHIFTS: [u8; 3] = [0, 5, 14];
/// τ is at most this many units.
const TAU_MAX: u128 = 1 << 31;
/// The longest debt of each class, in milliseconds, rounded up.
pub(super) const LONGEST_MS: [u64; 3] = [1 << 31, 1 << 26, 1 << 17];
/// A debt is at most this many units.
const DEBT_MAX: u64 = 1 << 32;

/// A limit: `rate` requests in `per_ms` milliseconds on average, `burst` at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    rate: u64,
    per_ms: u64,
    burst: u64,
    class: u8,
    /// Binary logarithm of the units in a millisecond.
    shift: u8,
    /// T in units.
    interval: u64,
    /// τ in units.
    tau: u64,
    /// Where it counts by the calendar: how far windows begin before the multiples of `per_ms` since the epoch, in milliseconds.
    window: Option<i64>,
}

/// Why numbers are no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// One of the three is zero.
    #[error("rate, per_ms and burst must be at least 1")]
    Zero,
    /// The time in which the burst comes back is too long.
    #[error("burst × per_ms / rate must be at most 2147483648 ms (24.8 days)")]
    TooLong,
    /// More requests in a window than can be counted.
    #[error("a quota is at most 16384 for each millisecond of a window up to 131 s, 32 up to 18.6 hours, 1 beyond")]
    TooMany,
}

impl Rate {
    /// Prepares a limit.
    ///
    /// # Errors
    /// A number is zero, or the whole burst takes more than 2^31 ms to come back.
    pub fn new(rate: u64, per_ms: u64, burst: u64) -> Result<Self, RateError> {
        if rate == 0 || per_ms == 0 || burst == 0 {
            return Err(RateError::Zero);
        }
        for class in (0..3u8).rev() {
            let interval = (u128::from(per_ms) << shift(class)).div_ceil(u128::from(rate));
            let tau = interval.saturating_mul(u128::from(burst));
            if tau <= TAU_MAX {
                // Both fit: interval ≤ τ ≤ 2^35.
                let (interval, tau) = (interval as u64, tau as u64);
                let shift = shift(class);
                return Ok(Self { rate, per_ms, burst, class, shift, interval, tau, window: None });
            }
        }
        Err(RateError::TooLong)
    }

    /// Prepares a quota: `count` requests in each window of `window_ms`. Windows begin at the multiples of `window_ms` since the epoch, less
    /// `offset_ms` (days in UTC+8: 28,800,000).
    ///
    /// # Errors
    /// A number is zero, the window is longer than 2^31 ms, or the count is too great for it.
    pub fn window(count: u64, window_ms: u64, offset_ms: i64) -> Result<Self, RateError> {
        if count == 0 || window_ms == 0 {
            return Err(RateError::Zero);
        }
        if window_ms > 1 << 31 {
            return Err(RateError::TooLong);
        }
        for class in (0..3u8).rev() {
            let units = u128::from(window_ms) << shift(class);
            // A debt is at most the window and the count: 2 W units, within DEBT_MAX.
            if units <= TAU_MAX && u128::from(count) <= units {
                let window = Some(offset_ms);
                return Ok(Self {
                    rate: count,
                    per_ms: window_ms,
                    burst: count,
                    class,
                    shift: shift(class),
                    interval: 1,
                    tau: count,
                    window,
                });
            }
        }
        Err(RateError::TooMany)
    }

    /// Units from `now` to the end of its window.
    fn left(&self, now: Millis, offset: i64) -> u64 {
        let length = self.per_ms.cast_signed();
        let gone = now.plus(offset).0.rem_euclid(length);
        (length - gone).cast_unsigned() << self.shift
    }

    /// The limit at `permille` thousandths: of the rate and of the burst, one request at least. `None` where nothing is left.
    #[must_use]
    pub fn scaled(&self, permille: u64) -> Option<Self> {
        if permille == 0 {
            return None;
        }
        let burst = (self.burst.saturating_mul(permille) / 1000).max(1);
        if let Some(offset) = self.window {
            return Self::window(burst, self.per_ms, offset).ok();
        }
        Self::new(self.rate.saturating_mul(permille), self.per_ms.saturating_mul(1000), burst).ok()
    }

    /// Requests in [`Self::per_ms`].
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.rate
    }

    /// The time to which the rate refers, in milliseconds.
    #[must_use]
    pub fn per_ms(&self) -> u64 {
        self.per_ms
    }

    /// Requests at once.
    #[must_use]
    pub fn burst(&self) -> u64 {
        self.burst
    }

    pub(super) fn class(&self) -> u8 {
        self.class
    }

    /// `now` in this rate's units.
    #[inline]
    pub(super) fn now(&self, now: Millis) -> u64 {
        units_of(self.shift, now)
    }

    /// The debt at `now` (in units) after one more request, where it conforms; otherwise the milliseconds after which it would.
    #[inline(always)]
    pub(super) fn conforms(&self, debt: u64, now: Millis) -> Result<u64, u64> {
        if let Some(offset) = self.window {
            return self.conforms_in_window(debt, now, offset);
        }
        let after = debt + self.interval;
        if after <= self.tau {
            return Ok(after);
        }
        // Rounded up to milliseconds: a shift, as the compiler cannot know that it divides by a power of two.
        Err((after - self.tau + ((1 << self.shift) - 1)) >> self.shift)
    }

    /// [`Self::conforms`] of a quota. Apart, so that the code of rates stays short.
    #[cold]
    #[inline(never)]
    fn conforms_in_window(&self, debt: u64, now: Millis, offset: i64) -> Result<u64, u64> {
        let left = self.left(now, offset);
        let used = debt.saturating_sub(left);
        if used < self.tau { Ok(left + used + 1) } else { Err(left >> self.shift) }
    }

    /// Whether there is still something to give back of a request after which the debt was `debt` as of `now`.
    pub(super) fn returnable(&self, debt: u64, now: Millis) -> bool {
        match self.window {
            None => debt > 0,
            Some(offset) => debt > self.left(now, offset),
        }
    }

    /// T in units.
    pub(super) fn interval(&self) -> u64 {
        self.interval
    }
}

/// `now` in the units of `class`, modulo 2^34.
#[inline]
pub(super) fn units(class: u8, now: Millis) -> u64 {
    units_of(shift(class), now)
}

/// [`units`], where a millisecond has 2^`shift` of them.
#[inline(always)]
fn units_of(shift: u8, now: Millis) -> u64 {
    now.0.cast_unsigned().wrapping_shl(shift.into()) & TAT_MASK
}

/// Binary logarithm of the units in a millisecond.
#[inline]
fn shift(class: u8) -> u8 {
    SHIFTS[usize::from(class.min(2))]
}

/// How far `tat` lies after `now`, both in one unit; 0 where it does not.
#[inline]
pub(super) fn debt(tat: u64, now: u64) -> u64 {
    let ahead = tat.wrapping_sub(now) & TAT_MASK;
    if ahead <= DEBT_MAX { ahead } else { 0 }
}

/// `debt` of units of `from` in units of `to`, rounded up, at most the greatest debt.
pub(super) fn convert(debt: u64, from: u8, to: u8) -> u64 {
    let (from, to) = (shift(from), shift(to));
    let scaled = if to >= from { debt << (to - from) } else { debt.div_ceil(1 << (from - to)) };
    scaled.min(DEBT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_get_the_finest_unit_they_fit() {
        assert_eq!(Rate::new(0, 1, 1), Err(RateError::Zero));
        assert_eq!(Rate::new(1, (1 << 31) + 1, 1), Err(RateError::TooLong));
        assert_eq!(Rate::new(1, u64::MAX, u64::MAX), Err(RateError::TooLong));
        assert_eq!(Rate::new(100, 1000, 200).unwrap().class, 2);
        assert_eq!(Rate::new(1000, 3_600_000, 1000).unwrap().class, 1);
        assert_eq!(Rate::new(1000, 86_400_000, 1000).unwrap().class, 0);
        assert_eq!(Rate::new(u64::MAX, 1, 5).unwrap().interval, 1);
        let fast = Rate::new(1_000_000, 1000, 1000).unwrap();
        assert_eq!((fast.interval, fast.class), (17, 2), "16.384 rounded up");
    }

    /// The algorithm with exact fractions: TAT and now in units of 1/rate ms.
    fn exact(rate: u64, per_ms: u64, burst: u64, arrivals: &[u64]) -> Vec<bool> {
        let mut tat = 0u128;
        let mut answers = Vec::new();
        for now in arrivals {
            let now = u128::from(*now) * u128::from(rate);
            let next = tat.max(now) + u128::from(per_ms);
            let ok = next <= now + u128::from(burst) * u128::from(per_ms);
            if ok {
                tat = next;
            }
            answers.push(ok);
        }
        answers
    }

    #[test]
    fn arithmetic_agrees_with_exact_fractions_where_the_interval_is_whole() {
        let mut seed = 7u64;
        let mut random = move |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for (rate, per_ms, burst) in
            [(1, 10, 1), (1, 10, 3), (4, 1000, 8), (1, 3_600_000, 2), (8, 86_400_000, 9), (512, 1000, 1)]
        {
            let limit = Rate::new(rate, per_ms, burst).unwrap();
            let mut now = 1_700_000_000_000u64;
            let arrivals: Vec<u64> = (0..3000)
                .map(|_| {
                    now += random(2 * per_ms / rate + 2);
                    now
                })
                .collect();
            let mut tat = None;
            let ours: Vec<bool> = arrivals
                .iter()
                .map(|at| {
                    let now = limit.now(Millis(at.cast_signed()));
                    let owed = tat.map_or(0, |tat| debt(tat, now));
                    match limit.conforms(owed, Millis(at.cast_signed())) {
                        Ok(after) => {
                            tat = Some((now + after) & TAT_MASK);
                            true
                        }
                        Err(wait) => {
                            // Exact: not a millisecond earlier.
                            let then = limit.now(Millis((at + wait).cast_signed()));
                            let before = limit.now(Millis((at + wait - 1).cast_signed()));
                            let owes = |at| tat.map_or(0, |tat| debt(tat, at));
                            let unused = Millis(0);
                            assert!(
                                limit.conforms(owes(then), unused).is_ok()
                                    && limit.conforms(owes(before), unused).is_err()
                            );
                            false
                        }
                    }
                })
                .collect();
            assert_eq!(ours, exact(rate, per_ms, burst, &arrivals), "{limit:?}");
        }
    }

    #[test]
    fn windows_are_counted_by_the_calendar() {
        assert_eq!(Rate::window(0, 1, 0), Err(RateError::Zero));
        assert_eq!(Rate::window(1, (1 << 31) + 1, 0), Err(RateError::TooLong));
        assert_eq!(Rate::window(16_385, 1, 0), Err(RateError::TooMany));
        assert_eq!(Rate::window(86_400_001, 86_400_000, 0), Err(RateError::TooMany));
        for (count, window_ms, offset) in
            [(3, 1000, 0), (16_384, 1, 0), (5, 86_400_000, 28_800_000), (7, 3_600_000, -1), (9, 1 << 31, 12_345)]
        {
            let quota = Rate::window(count, window_ms, offset).unwrap();
            let length = window_ms.cast_signed();
            let mut tat = 0;
            // Windows one after the other, entered at their first, some middle and their last millisecond; then after long silences.
            for (number, at) in [
                (0, 0),
                (1, length / 3),
                (2, length - 1),
                (3, 0),
                (4, length - 1),
                (5, 0),
                (6 + 700_000 / length, length / 2),
            ] {
                let now = Millis(number * length - offset + at);
                let units = quota.now(now);
                for request in 0..=count {
                    match quota.conforms(debt(tat, units), now) {
                        Ok(after) => {
                            assert!(request < count, "{quota:?}");
                            assert!(quota.returnable(after, now));
                            tat = (units + after) & TAT_MASK;
                        }
                        Err(wait) => {
                            assert_eq!((request, wait), (count, (length - at).cast_unsigned()), "{quota:?} {number}");
                        }
                    }
                }
                let next = Millis(now.0 + length - at);
                assert!(!quota.returnable(debt(tat, quota.now(next)), next), "of the window before");
            }
        }
        assert_eq!(Rate::window(1000, 1000, 7).unwrap().scaled(100), Rate::window(100, 1000, 7).ok());
    }

    #[test]
    fn debts_convert_upwards() {
        assert_eq!(convert(1, 2, 0), 1);
        assert_eq!(convert(3, 0, 2), 3 << 14);
        assert_eq!(convert(DEBT_MAX, 0, 2), DEBT_MAX);
        assert_eq!(debt(5, 5), 0);
        assert_eq!(debt(4, TAT_MASK), 5);
        assert_eq!(debt(TAT_MASK, 4), 0);
    }
}
