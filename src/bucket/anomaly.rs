//! Who draws attention: refusals that speak of unauthorised or impersonated use, counted for each app and each address
//! (JR/T 0185-2020, 10.1.2).
//!
//! A row of 16 words: tag, when it was last counted, a counter for each kind, the name in plain bytes (so that an operator reads names, not
//! hashes). The hash of a name leads to a group of eight rows; a name without a row takes one that was never used, else the one that was
//! quiet for longest. So the loudest stay, whatever flood of names passes by: that is what the counters are for. They are not exact: two that
//! take one row at once, or count while a row changes hands, may lose or misplace a count. The totals beside them are exact.

use crate::error::Error;
use crate::hash::prf::{Kind, Prf};
use crate::shm::{PAGE_WORDS, Region, Section, SectionSpec, Shape};
use crate::sync::{AtomicU64, Ordering};
use crate::time::Millis;

const SECTION: &str = "anomalies";
const ROW: usize = 16;
const GROUP: usize = 8;
const CONTROL: usize = PAGE_WORDS;
const LAST: usize = 1;
const FIRST: usize = 2;
/// What the name is of (bits 8 and up), and its length.
const LABEL: usize = 7;
const NAME: usize = 8;
/// Bytes of a name that are kept.
const NAME_MAX: usize = (ROW - NAME) * 8;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Anomaly {
    /// An app id that is not known.
    UnknownApp,
    /// A signature that does not verify.
    BadSignature,
    /// A request that was accepted before.
    Replay,
    /// A key or an algorithm that the app does not have, or that is too weak for it.
    Algorithm,
}

impl Anomaly {
    /// All of them, in the order of the counters.
    pub const ALL: [Self; 4] = [Self::UnknownApp, Self::BadSignature, Self::Replay, Self::Algorithm];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownApp => "unknown_app",
            Self::BadSignature => "bad_signature",
            Self::Replay => "replayed",
            Self::Algorithm => "algorithm_mismatch",
        }
    }
}

/// What a counter is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Whose {
    /// An app, by its id.
    App = 1,
    /// An address, by its 4 or 16 bytes.
    Address = 2,
}

/// What the table is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnomaliesConfig {
    /// Names counted at one time.
    pub keys: u64,
}

impl AnomaliesConfig {
    fn groups(&self) -> u64 {
        self.keys.saturating_mul(2).div_ceil(GROUP as u64).max(1)
    }

    fn words(&self) -> u64 {
        self.groups().saturating_mul((GROUP * ROW) as u64).saturating_add(CONTROL as u64)
    }

    /// The section to ask the region for. `kind` is used where this process creates the region.
    #[must_use]
    pub fn section(&self, kind: Kind) -> SectionSpec {
        SectionSpec {
            name: SECTION,
            words: self.words(),
            shape: vec![
                Shape { name: "anomaly_keys", value: self.keys, chosen: false },
                Shape { name: "prf", value: kind.number(), chosen: true },
            ],
        }
    }
}

/// Counts since a row was taken, in the order of [`Anomaly::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The counts.
    pub by_kind: [u64; 4],
    /// When the last one was counted.
    pub last: Millis,
}

impl Counts {
    /// All counts together.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.by_kind.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The count of one kind.
    #[must_use]
    pub fn of(&self, anomaly: Anomaly) -> u64 {
        self.by_kind.get(anomaly as usize).copied().unwrap_or(0)
    }
}

/// The counters of one region. Cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Anomalies {
    section: Section,
    prf: Prf,
    groups: u64,
}

impl Anomalies {
    /// The rows in `region`, which was opened with [`AnomaliesConfig::section`] of the same `config`.
    ///
    /// # Errors
    /// The region has no such section, or was made with a hash that this CPU cannot compute.
    pub fn open(region: &Region, config: &AnomaliesConfig) -> Result<Self, Error> {
        let section = region.section_of(SECTION, config.words())?;
        let prf = Prf::recorded(region.chosen(SECTION, "prf"), region.key(1)).ok_or_else(|| region.foreign_hash())?;
        Ok(Self { section, prf, groups: config.groups() })
    }

    fn rows(&self) -> impl Iterator<Item = &[AtomicU64; ROW]> {
        self.section.words().get(CONTROL..).unwrap_or_default().as_chunks().0.iter()
    }

    /// The name's tag, and its group's rows.
    fn group(&self, whose: Whose, name: &[u8]) -> (u64, &[[AtomicU64; ROW]]) {
        let (low, high) = self.prf.hash_in(11, &[&[whose as u8], name]);
        let group = ((u128::from(low) * u128::from(self.groups)) >> 64) as usize;
        let first = CONTROL + group * GROUP * ROW;
        let words = self.section.words().get(first..first + GROUP * ROW).unwrap_or_default();
        (high.max(1), words.as_chunks().0)
    }

    /// Counts one more in the total. Once for each anomaly, whatever names it is counted for.
    pub fn count(&self, anomaly: Anomaly) {
        if let Some(total) = self.section.words().get(anomaly as usize) {
            // Relaxed, here and below: counters to look at.
            total.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts one more for a name.
    pub fn count_for(&self, whose: Whose, name: &[u8], anomaly: Anomaly, now: Millis) {
        let (tag, rows) = self.group(whose, name);
        let mut oldest: Option<(&[AtomicU64; ROW], u64)> = None;
        for row in rows {
            let found = row[0].load(Ordering::Relaxed);
            if found == tag {
                row[FIRST + anomaly as usize].fetch_add(1, Ordering::Relaxed);
                row[LAST].store(now.0.cast_unsigned(), Ordering::Relaxed);
                return;
            }
            let last = if found == 0 { 0 } else { row[LAST].load(Ordering::Relaxed) };
            if oldest.is_none_or(|(_, then)| last < then) {
                oldest = Some((row, last));
            }
        }
        let Some((row, _)) = oldest else { return };
        let found = row[0].load(Ordering::Relaxed);
        if found != tag && row[0].compare_exchange(found, tag, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        for kind in Anomaly::ALL {
            row[FIRST + kind as usize].store(u64::from(kind == anomaly), Ordering::Relaxed);
        }
        row[LAST].store(now.0.cast_unsigned(), Ordering::Relaxed);
        let length = name.len().min(NAME_MAX);
        row[LABEL].store(u64::from(whose as u8) << 8 | length as u64, Ordering::Relaxed);
        for (word, bytes) in row[NAME..].iter().zip(name[..length].chunks(8)) {
            let word_of = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
            word.store(word_of(bytes), Ordering::Relaxed);
        }
    }

    fn counts(row: &[AtomicU64; ROW]) -> Counts {
        let load = |at: usize| row[at].load(Ordering::Relaxed);
        Counts { by_kind: std::array::from_fn(|kind| load(FIRST + kind)), last: Millis(load(LAST).cast_signed()) }
    }

    /// What is counted for a name; zeros where it has no row.
    #[must_use]
    pub fn of(&self, whose: Whose, name: &[u8]) -> Counts {
        let (tag, rows) = self.group(whose, name);
        rows.iter().find(|row| row[0].load(Ordering::Relaxed) == tag).map_or_else(Counts::default, Self::counts)
    }

    /// The totals since the region was made, in the order of [`Anomaly::ALL`].
    #[must_use]
    pub fn totals(&self) -> [u64; 4] {
        let words = self.section.words();
        std::array::from_fn(|kind| words.get(kind).map_or(0, |word| word.load(Ordering::Relaxed)))
    }

    /// The `most` names with the greatest counts, greatest first.
    #[must_use]
    pub fn loudest(&self, most: usize) -> Vec<(Whose, Vec<u8>, Counts)> {
        let mut found: Vec<_> = self
            .rows()
            .filter(|row| row[0].load(Ordering::Relaxed) != 0)
            .filter_map(|row| {
                let label = row[LABEL].load(Ordering::Relaxed);
                let whose = if label >> 8 == Whose::App as u64 { Whose::App } else { Whose::Address };
                let bytes: Vec<u8> =
                    row[NAME..].iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
                Some((whose, bytes.get(..(label & 0xff) as usize)?.to_vec(), Self::counts(row)))
            })
            .collect();
        found.sort_by_key(|(_, _, counts)| std::cmp::Reverse(counts.all()));
        found.truncate(most);
        found
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::shm::RegionSpec;

    #[test]
    fn the_loud_stay_counted_through_a_flood_of_names() {
        let config = AnomaliesConfig { keys: 100 };
        let region = Region::open(&RegionSpec::new(None, Millis(0)).with(config.section(Kind::Sip))).unwrap();
        let anomalies = Anomalies::open(&region, &config).unwrap();
        let mut now = Millis(1_000);
        for n in 0..20_000u32 {
            now = now.plus(1);
            anomalies.count_for(Whose::Address, &n.to_be_bytes(), Anomaly::UnknownApp, now);
            if n % 10 == 0 {
                anomalies.count(Anomaly::BadSignature);
                anomalies.count_for(Whose::App, b"p10001", Anomaly::BadSignature, now);
            }
            if n % 40 == 0 {
                anomalies.count_for(Whose::App, b"p10001", Anomaly::Replay, now);
            }
        }
        let counts = anomalies.of(Whose::App, b"p10001");
        assert_eq!(counts.by_kind, [0, 2000, 500, 0]);
        assert_eq!((counts.of(Anomaly::Replay), counts.last), (500, now.plus(-9)));
        assert_eq!(anomalies.totals(), [0, 2000, 0, 0]);
        assert_eq!(anomalies.of(Whose::Address, b"p10001"), Counts::default());
        let loudest = anomalies.loudest(3);
        assert_eq!((loudest[0].0, loudest[0].1.as_slice()), (Whose::App, &b"p10001"[..]));
        assert_eq!(loudest.len(), 3);
        assert_eq!(loudest[1].2.by_kind, [1, 0, 0, 0]);
        let long = [b'x'; 100];
        anomalies.count_for(Whose::App, &long, Anomaly::Algorithm, now);
        assert_eq!(anomalies.of(Whose::App, &long).of(Anomaly::Algorithm), 1);
    }
}
