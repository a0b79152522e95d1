//! Generations of timestamps, without a division.

use crate::time::Millis;

/// How long a generation is, and its reciprocal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    /// Milliseconds, at least 2.
    ms: i64,
    /// 2^64 / `ms`, rounded up.
    reciprocal: u64,
    /// Timestamps from 0 up to here are divided exactly by way of the reciprocal.
    exact: u64,
}

impl Period {
    /// Generations of `ms` milliseconds (of 2 where it is less).
    pub fn new(ms: i64) -> Self {
        let ms = ms.max(2);
        let reciprocal = u64::MAX / ms.cast_unsigned() + 1;
        // The reciprocal is too great by less than 1, so the quotient of n by less than n / 2^64. From one integer to the next it would have to be
        // too great by 1 / ms: not so while n < 2^64 / ms.
        Self { ms, reciprocal, exact: reciprocal - 1 }
    }

    /// The number of milliseconds.
    #[inline]
    pub const fn ms(self) -> i64 {
        self.ms
    }

    /// The generation of `timestamp`: floor(timestamp / ms).
    #[inline]
    pub fn of(self, timestamp: Millis) -> i64 {
        let time = timestamp.0.cast_unsigned();
        if time < self.exact {
            return ((u128::from(time) * u128::from(self.reciprocal)) >> 64).cast_signed() as i64;
        }
        self.divided(timestamp)
    }

    /// Before 1970, or thousands of years after.
    #[cold]
    #[inline(never)]
    fn divided(self, timestamp: Millis) -> i64 {
        timestamp.0.div_euclid(self.ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_what_division_says() {
        let mut seed = 7u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed ^ seed >> 31
        };
        let lengths = [2, 3, 7, 125, 126, 38_125, 65_536, 10_800_001, 10_800_000, 1 << 37, (1 << 38) - 1];
        let others: Vec<i64> = (0..200).map(|_| 2 + (random() >> 26).cast_signed()).collect();
        for ms in lengths.into_iter().chain(others) {
            let period = Period::new(ms);
            assert_eq!(period.ms(), ms);
            let quotients = [0, 1, (u64::MAX / ms.cast_unsigned() / ms.cast_unsigned()).cast_signed(), i64::MAX / ms];
            let near =
                quotients.into_iter().flat_map(|q| [-1, 0, 1].map(|more| q.saturating_mul(ms).saturating_add(more)));
            let exact = period.exact.cast_signed();
            let edges =
                [i64::MIN, i64::MIN + 1, -ms, -1, i64::MAX, exact.wrapping_sub(1), exact, exact.wrapping_add(1)];
            let some = (0..2000).map(|round| random().cast_signed() >> (round % 40)).collect::<Vec<_>>();
            for time in near.chain(edges).chain(some) {
                assert_eq!(period.of(Millis(time)), time.div_euclid(ms), "{time} by {ms}");
            }
        }
    }
}
