//! How many distinct objects a key has asked for in a window, without remembering them: defence against enumeration.
//!
//! HyperLogLog (Flajolet, Fusy, Gandouet and Meunier, 2007) with m = 1,152 registers: an object's hash names a register and has a rank (the place
//! of its first one bit); a register keeps the greatest rank. The number of distinct objects is estimated from all registers, with linear
//! counting where many are still empty. Its standard error is 1.04 / √m = 3.1 %, and below that while the count is under some 2,000.
//!
//! ```text
//! word 0: when the last window ends, milliseconds since the epoch | words 1..=128: 63..54 number of the window, mod 2^10 | 53..0 nine registers of 6 bits
//! ```
//!
//! A row ([`super::rows`]) is spare a minute after its last window has ended, and is emptied before it is another key's.
//!
//! Each word carries its window: one of another window reads as nine empty registers, so nothing is ever wiped. (After 1,024 windows of silence
//! a number comes again: such a word is then taken for its old content once, and the key has less room for that window.)
//!
//! An object that changes no register has been seen, or is taken for one that was: it passes. One that would change a register passes while the
//! estimate is below the limit. So those asked for before may be asked for again, and the number of new ones is bounded, within the error.
//! Of objects never seen, the share that changes no register grows as the count does beyond m: the bound is on the estimate.

use super::rows::{Judge, LEAST, Plan, Rows};
use crate::error::Error;
use crate::hash::prf::Kind;
use crate::shm::{Region, SectionSpec};
use crate::sync::{AtomicU64, Ordering};
use crate::time::Millis;

const WORDS: usize = 128;
const EACH: usize = 9;
const REGISTERS: usize = WORDS * EACH;
const WINDOW_SHIFT: u32 = 54;
/// Clocks of processes may differ by this much before a row is used again too early.
const REST_MS: u64 = 60_000;

/// What the rows are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectsConfig {
    /// Keys that count in a window at one time, of 2 KiB each.
    pub keys: u64,
}

impl ObjectsConfig {
    fn plan(&self) -> Plan {
        Plan { section: "objects", fact: "distinct_keys", domain: 9, control: LEAST, row: WORDS + 1, keys: self.keys }
    }

    /// The section to ask the region for. `kind` is used where this process creates the region.
    #[must_use]
    pub fn section(&self, kind: Kind) -> SectionSpec {
        self.plan().spec(kind)
    }
}

/// The sketches of one region. Cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Objects {
    rows: Rows,
}

/// The registers of `word` as of `window`.
fn registers(word: u64, window: u64) -> u64 {
    if word >> WINDOW_SHIFT == window { word & ((1 << WINDOW_SHIFT) - 1) } else { 0 }
}

/// The number of distinct objects behind the words.
fn estimate(words: &[AtomicU64], window: u64) -> f64 {
    let (mut empty, mut sum) = (0u32, 0.0f64);
    for word in words {
        let registers = registers(word.load(Ordering::Relaxed), window);
        for place in 0..EACH {
            let rank = registers >> (6 * place) & 63;
            empty += u32::from(rank == 0);
            // 2^-rank, from its bits.
            sum += f64::from_bits((1023 - rank) << 52);
        }
    }
    let m = REGISTERS as f64;
    let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
    if raw <= 2.5 * m && empty > 0 { m * (m / f64::from(empty)).ln() } else { raw }
}

impl Objects {
    /// The rows in `region`, which was opened with [`ObjectsConfig::section`] of the same `config`.
    ///
    /// # Errors
    /// The region has no such section, or was made with a hash that this CPU cannot compute.
    pub fn open(region: &Region, config: &ObjectsConfig) -> Result<Self, Error> {
        Ok(Self { rows: Rows::open(region, &config.plan())? })
    }

    /// Hashes an object.
    #[must_use]
    pub fn object(&self, bytes: &[u8]) -> u64 {
        self.rows.hash(bytes)
    }

    /// Counts an object for the key in the window of that number and end, of which `most` distinct ones may pass. `None` where no row is free for
    /// the key.
    #[must_use]
    pub fn take(
        &self,
        key: &[&[u8]],
        object: u64,
        (window, end): (u64, Millis),
        most: u64,
        now: Millis,
    ) -> Option<bool> {
        let (now, end) = (now.0.max(0).cast_unsigned(), end.0.max(0).cast_unsigned());
        let spare = |row: &[AtomicU64], judge: Judge<'_>| {
            judge.words(row, |words| words.first().is_some_and(|end| end.saturating_add(REST_MS) < now), |_, _| 0)
        };
        let (last, words) = self.rows.row(self.rows.find_or_take(self.rows.key(key), spare)?)?.split_first()?;
        // Relaxed: a moment that only goes up.
        if last.load(Ordering::Relaxed) < end {
            last.fetch_max(end, Ordering::Relaxed);
        }
        // The low half names the register, the high half has the rank, 1 to 33.
        let register = (((object & 0xffff_ffff) * REGISTERS as u64) >> 32) as usize;
        let rank = u64::from(((object >> 32) as u32).leading_zeros()) + 1;
        let (word, shift) = (words.get(register / EACH)?, register % EACH * 6);
        let window = window & 0x3ff;
        let mut current = word.load(Ordering::Relaxed);
        loop {
            let now = registers(current, window);
            if now >> shift & 63 >= rank {
                return Some(true);
            }
            if estimate(words, window) >= most as f64 {
                return Some(false);
            }
            let next = window << WINDOW_SHIFT | now & !(63 << shift) | rank << shift;
            // Relaxed: an estimate. Threads that count at once may pass one more each.
            match word.compare_exchange_weak(current, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(true),
                Err(other) => current = other,
            }
        }
    }

    /// The estimate for the key in that window.
    #[must_use]
    pub fn count(&self, key: &[&[u8]], window: u64) -> f64 {
        let row = self.rows.tags(self.rows.key(key)).find().and_then(|number| self.rows.row(number));
        row.and_then(|row| row.get(1..)).map_or(0.0, |words| estimate(words, window & 0x3ff))
    }
}

/// The number of the window of `now`, and the milliseconds to its end.
#[must_use]
pub fn window_of(now: Millis, length_ms: u64, offset_ms: i64) -> (u64, u64) {
    let length = i64::try_from(length_ms.max(1)).unwrap_or(i64::MAX);
    let now = now.plus(offset_ms).0;
    // 1 on: the number 0 is that of words never used.
    let number = now.div_euclid(length).cast_unsigned() % 1023 + 1;
    (number, (length - now.rem_euclid(length)).cast_unsigned())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::shm::RegionSpec;

    fn open() -> Objects {
        let config = ObjectsConfig { keys: 40 };
        let region = Region::open(&RegionSpec::new(None, Millis(0)).with(config.section(Kind::Sip))).unwrap();
        Objects::open(&region, &config).unwrap()
    }

    #[test]
    fn estimates_stay_within_their_stated_error() {
        let objects = open();
        // Four standard errors, of a few hundred estimates.
        for (key, count) in [10u32, 50, 100, 500, 1000, 2000, 5000, 20_000, 100_000].into_iter().enumerate() {
            let name = (key as u64).to_le_bytes();
            let mut seen = 0;
            for number in 0..count {
                let object = objects.object(&[&name[..], &number.to_le_bytes()[..]].concat());
                assert_eq!(objects.take(&[&name], object, (7, Millis(1000)), 1 << 40, Millis(0)), Some(true));
                seen = number + 1;
            }
            let estimate = objects.count(&[&name], 7);
            let error = (estimate / f64::from(seen) - 1.0).abs();
            assert!(error < 4.0 * 0.031, "{estimate} for {count}");
            assert_eq!(objects.count(&[&name], 8), 0.0, "another window");
        }
    }

    #[test]
    fn new_objects_are_bounded_and_old_ones_pass() {
        for most in [20u64, 200, 3000] {
            let objects = open();
            let hash = |n: u32| objects.object(&n.to_le_bytes());
            let take = |key: &[u8], n: u32, window: u64| {
                objects.take(&[key], hash(n), (window, Millis(1000)), most, Millis(0))
            };
            let passed: Vec<u32> = (0..20_000).filter(|n| take(b"app", *n, 3).unwrap()).collect();
            let new = objects.count(&[b"app"], 3);
            assert!(new >= most as f64 && new < most as f64 * 1.05 + 2.0, "{new} of {most}");
            assert!(passed.iter().all(|n| take(b"app", *n, 3) == Some(true)), "again");
            assert_eq!(take(b"other", 19_999, 3), Some(true));
            assert_eq!(take(b"app", 19_999, 4), Some(true), "the next window");
        }
    }

    #[test]
    fn rows_whose_window_is_over_are_used_again_and_begin_empty() {
        let objects = open();
        let object = |n: u64| objects.object(&n.to_le_bytes());
        // Of the same number in every window: what a key left must not be read as the next one's.
        let take = |key: u64, n: u64, end: i64, now: i64| {
            objects.take(&[&key.to_le_bytes()], object(n), (5, Millis(end)), 10, Millis(now))
        };
        let now = 1_000_000;
        let full = (0..200).filter(|key| take(*key, 1, now + 1000, now).is_none()).count();
        assert!(full > 100, "rows for 40 keys");
        assert!(
            (0..200).all(|key| take(key, 2, now + 1000, now).is_none_or(|passed| passed)),
            "the living keep theirs"
        );
        for round in 1..10 {
            let now = now + round * 100_000;
            for key in 0..40 {
                let name = (round * 1000 + key).cast_unsigned();
                let passed = (0..60).filter(|n| take(name, *n, now + 1000, now) == Some(true)).count();
                assert!(passed >= 10, "{passed} in round {round}");
            }
        }
    }

    #[test]
    fn windows_have_ends() {
        assert_eq!(window_of(Millis(0), 1000, 0), (1, 1000));
        assert_eq!(window_of(Millis(999), 1000, 0), (1, 1));
        assert_eq!(window_of(Millis(1000), 1000, 0), (2, 1000));
        assert_eq!(window_of(Millis(999), 1000, 1), (2, 1000));
        assert_eq!(window_of(Millis(-1), 1000, 0).1, 1);
    }
}
