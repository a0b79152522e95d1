//! Circuit breakers: a service that keeps failing is left alone for a while, in every process at once (JR/T 0185-2020, 10.1.2).
//!
//! ```text
//! word 1: 63..62 state | 61..20 a moment, milliseconds since the epoch | 19..10 probes let through | 9..0 probes that came back well
//!         (closed: the moment at which it closed, so that no two closed times look alike)
//! word 2: 63..40 number of the window | 39..20 outcomes in it | 19..0 failures among them
//! word 3: window_ms | open_ms << 32         word 4: failures in % | least << 8 | probes << 40         (the rule, as last used)
//! word 5: how often it has opened           word 6: requests refused                                 (counters to look at)
//!
//! closed ── share of failures reached ──▶ open until a moment ── that moment ──▶ half-open since a moment ── probes well ──▶ closed
//!                                           ▲                                        │  a probe fails
//!                                           └────────────────────────────────────────┘
//! ```
//!
//! The state changes by compare-and-swap of word 1 alone, so each change happens once, whoever sees its time come. Half-open lets through as
//! many probes as the rule says and refuses the rest. A probe's outcome counts for the half-open time that it was let through in and no
//! other; probes that never report (their process was killed) are replaced after another `open_ms`. So it is with every closed time: its
//! outcomes are counted under a number of their own, and only they open it. A report that was on its way while the breaker opened and closed
//! again changes nothing. A row ([`super::rows`]) is spare while its breaker is closed and has counted nothing for two windows. A closed breaker costs a request two words that are read.

use super::rows::{Judge, LEAST, Plan, Rows};
use crate::error::Error;
use crate::hash::prf::Kind;
use crate::shm::{Region, SectionSpec};
use crate::sync::{AtomicU64, Ordering};
use crate::time::Millis;

/// What the rows are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakersConfig {
    /// Breakers in use at one time; at most 2^19.
    pub breakers: u64,
}

impl BreakersConfig {
    fn plan(&self) -> Plan {
        Plan { section: "breakers", fact: "breakers", domain: 7, control: LEAST, row: 8, keys: self.breakers }
    }

    /// The section to ask the region for. `kind` is used where this process creates the region.
    #[must_use]
    pub fn section(&self, kind: Kind) -> SectionSpec {
        self.plan().spec(kind)
    }
}

/// When a breaker opens, and how it closes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRule {
    /// Share of failures in percent, 1 to 100, …
    pub failures: u8,
    /// … among at least this many outcomes, at most 2^20 - 1, …
    pub least: u32,
    /// … in a window of this many milliseconds.
    pub window_ms: u32,
    /// How long it stays open.
    pub open_ms: u32,
    /// Requests let through afterwards to see whether all is well, at most 1023.
    pub probes: u16,
}

impl BreakerRule {
    fn words(&self) -> [u64; 2] {
        [
            u64::from(self.window_ms) | u64::from(self.open_ms) << 32,
            u64::from(self.failures) | u64::from(self.least) << 8 | u64::from(self.probes) << 40,
        ]
    }

    fn of([low, high]: [u64; 2]) -> Self {
        Self {
            failures: high as u8,
            least: (high >> 8) as u32,
            window_ms: low as u32,
            open_ms: (low >> 32) as u32,
            probes: (high >> 40) as u16,
        }
    }
}

/// A request that a breaker let through, in one number: the row, and the moment since when it was closed, or half open. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass(u64);

const TIME_BITS: u32 = 42;
const TIME: u64 = (1 << TIME_BITS) - 1;
const PROBE: u64 = 1 << TIME_BITS;
const ROW_SHIFT: u32 = TIME_BITS + 1;

impl Pass {
    /// The number.
    #[must_use]
    pub fn to_word(self) -> u64 {
        self.0
    }

    /// The pass of a number; `None` for 0.
    #[must_use]
    pub fn from_word(word: u64) -> Option<Self> {
        (word != 0).then_some(Self(word))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { since: u64 },
    Open { until: u64 },
    HalfOpen { since: u64, granted: u64, well: u64 },
}

fn state(word: u64) -> State {
    let (time, granted, well) = (word >> 20 & TIME, word >> 10 & 0x3ff, word & 0x3ff);
    match word >> 62 {
        1 => State::Open { until: time },
        2 => State::HalfOpen { since: time, granted, well },
        _ => State::Closed { since: time },
    }
}

fn word(state: State) -> u64 {
    match state {
        State::Closed { since } => (since & TIME) << 20,
        State::Open { until } => 1 << 62 | (until & TIME) << 20,
        State::HalfOpen { since, granted, well } => {
            2 << 62 | (since & TIME) << 20 | granted.min(0x3ff) << 10 | well.min(0x3ff)
        }
    }
}

/// What a request that may pass passes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Passed {
    /// The closed time since that moment.
    Closed(u64),
    /// The half-open time since that moment, as a probe.
    Probe(u64),
}

/// Whether a request may pass. Otherwise the milliseconds to wait.
pub(super) fn allow(place: &AtomicU64, open_ms: u64, probes: u64, now: u64) -> Result<Passed, u64> {
    // SeqCst here and below: one word, whose own order is all that counts; nothing is read through it.
    let mut current = place.load(Ordering::SeqCst);
    loop {
        let fresh = State::HalfOpen { since: now, granted: 1, well: 0 };
        let (next, since) = match state(current) {
            State::Closed { since } => return Ok(Passed::Closed(since)),
            // A moment further away than a breaker is ever open comes from a clock that was stepped back.
            State::Open { until } if now < until && until - now <= open_ms => return Err(until - now),
            State::Open { .. } => (fresh, now),
            State::HalfOpen { since, granted, well } if granted < probes => {
                (State::HalfOpen { since, granted: granted + 1, well }, since)
            }
            State::HalfOpen { since, .. } if now.abs_diff(since) < open_ms => return Err(open_ms - now.abs_diff(since)),
            State::HalfOpen { .. } => (fresh, now),
        };
        match place.compare_exchange(current, word(next), Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => return Ok(Passed::Probe(since & TIME)),
            Err(other) => current = other,
        }
    }
}

/// A probe's outcome; `None`: it never reached the service, another may go. Whether the breaker has opened again, or closed, by it.
pub(super) fn probed(
    place: &AtomicU64,
    open_ms: u64,
    probes: u64,
    since: u64,
    well: Option<bool>,
    now: u64,
) -> Option<bool> {
    let mut current = place.load(Ordering::SeqCst);
    loop {
        let State::HalfOpen { since: then, granted, well: before } = state(current) else { return None };
        if then != since {
            return None;
        }
        let (next, answer) = match well {
            None => (State::HalfOpen { since, granted: granted.saturating_sub(1), well: before }, None),
            Some(false) => (State::Open { until: now + open_ms }, Some(true)),
            Some(true) if before + 1 >= probes => (State::Closed { since: now }, Some(false)),
            Some(true) => (State::HalfOpen { since, granted, well: before + 1 }, None),
        };
        match place.compare_exchange(current, word(next), Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => return answer,
            Err(other) => current = other,
        }
    }
}

/// The outcome of a request that passed in the closed time since `since`. Whether the breaker has opened by it.
pub(super) fn outcome(
    place: &AtomicU64,
    window: &AtomicU64,
    rule: &BreakerRule,
    since: u64,
    well: bool,
    now: u64,
) -> bool {
    let closed = word(State::Closed { since });
    if place.load(Ordering::SeqCst) != closed {
        return false;
    }
    // Windows of two closed times have numbers of their own: both moments and windows go up. Never the number of a word never used.
    let number = window_number(rule, since, now);
    let (all, failures) = count(window, number, !well);
    let enough = all >= u64::from(rule.least) && failures * 100 >= all * u64::from(rule.failures);
    let open = word(State::Open { until: now + u64::from(rule.open_ms.max(1)) });
    // From the very closed time in which this request passed and was counted: however late this comes, it opens no other.
    !well && enough && place.compare_exchange(closed, open, Ordering::SeqCst, Ordering::Relaxed).is_ok()
}

fn window_number(rule: &BreakerRule, since: u64, now: u64) -> u64 {
    (now / u64::from(rule.window_ms.max(1))).wrapping_add(since) % COUNT_WINDOWS + 1
}

/// Whether the breaker of a row is closed and its counts are over.
fn is_over(row: &[u64], now: u64) -> bool {
    let [_, place, window, low, high, ..] = *row else { return false };
    let State::Closed { since } = state(place) else { return false };
    let number = window_number(&BreakerRule::of([low, high]), since, now);
    let age = (number + COUNT_WINDOWS).wrapping_sub(window >> 40) % COUNT_WINDOWS;
    window == 0 || (2..COUNT_WINDOWS / 2).contains(&age)
}

/// The state of a row that is used again: closed, since another moment than before, so that old passes say nothing.
fn fresh(place: u64, now: u64) -> u64 {
    match state(place) {
        State::Closed { since } if since == now => word(State::Closed { since: now + 1 }),
        _ => word(State::Closed { since: now }),
    }
}

const COUNT: u64 = (1 << 20) - 1;
const COUNT_WINDOWS: u64 = (1 << 24) - 1;

/// Counts an outcome in the window of that number: outcomes and failures in it. (A report of a window that is over, or of a closed time that is
/// over, if it was stopped in here, begins the count anew: the breaker then opens later, never for what is over.)
fn count(place: &AtomicU64, number: u64, failed: bool) -> (u64, u64) {
    let mut current = place.load(Ordering::Relaxed);
    loop {
        let (all, failures) = if current >> 40 == number { (current >> 20 & COUNT, current & COUNT) } else { (0, 0) };
        let (all, failures) = ((all + 1).min(COUNT), (failures + u64::from(failed)).min(COUNT));
        // Relaxed: counts.
        match place.compare_exchange_weak(
            current,
            number << 40 | all << 20 | failures,
            Ordering::Relaxed,
            Ordering::Relaxed,
        ) {
            Ok(_) => return (all, failures),
            Err(other) => current = other,
        }
    }
}

/// The breakers of one region. Cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Breakers {
    rows: Rows,
}

impl Breakers {
    /// The rows in `region`, which was opened with [`BreakersConfig::section`] of the same `config`.
    ///
    /// # Errors
    /// The region has no such section, or was made with a hash that this CPU cannot compute.
    pub fn open(region: &Region, config: &BreakersConfig) -> Result<Self, Error> {
        Ok(Self { rows: Rows::open(region, &config.plan())? })
    }

    /// Lets a request through the breaker of that name, or says how many milliseconds it is shut. Every pass is to be reported once. Where there
    /// is no room for the breaker, everything passes, without a pass to report.
    ///
    /// # Errors
    /// The milliseconds after which to try again.
    pub fn allow(&self, name: &[u8], rule: &BreakerRule, now: Millis) -> Result<Option<Pass>, u64> {
        let moment = now.0.max(0).cast_unsigned() & TIME;
        let spare = |row: &[AtomicU64], judge: Judge<'_>| {
            judge.words(row, |words| is_over(words, moment), |at, word| if at == 1 { fresh(word, moment) } else { 0 })
        };
        let number = self.rows.find_or_take(self.rows.key(&[name]), spare);
        let Some(number) = number.filter(|number| *number < 1 << (63 - ROW_SHIFT)) else {
            return Ok(None);
        };
        let Some([_, place, _, low, high, _, refused, ..]) = self.rows.row(number) else { return Ok(None) };
        for (place, value) in [low, high].into_iter().zip(rule.words()) {
            // Relaxed: a rule changes with the document, for all processes.
            if place.load(Ordering::Relaxed) != value {
                place.store(value, Ordering::Relaxed);
            }
        }
        match allow(place, u64::from(rule.open_ms.max(1)), u64::from(rule.probes.max(1)), moment) {
            Ok(Passed::Closed(since)) => Ok(Some(Pass((number as u64 + 1) << ROW_SHIFT | since))),
            Ok(Passed::Probe(since)) => Ok(Some(Pass((number as u64 + 1) << ROW_SHIFT | PROBE | since))),
            Err(wait) => {
                refused.fetch_add(1, Ordering::Relaxed);
                Err(wait)
            }
        }
    }

    /// Reports how a request that passed went on; `None`: it never reached the service.
    pub fn report(&self, pass: Pass, well: Option<bool>, now: Millis) {
        let Some(number) = (pass.0 >> ROW_SHIFT).checked_sub(1) else { return };
        let Some([_, place, window, low, high, opened, ..]) = self.rows.row(number as usize) else { return };
        let rule = BreakerRule::of([low.load(Ordering::Relaxed), high.load(Ordering::Relaxed)]);
        let (since, now) = (pass.0 & TIME, now.0.max(0).cast_unsigned() & TIME);
        let has_opened = if pass.0 & PROBE != 0 {
            let (open_ms, probes) = (u64::from(rule.open_ms.max(1)), u64::from(rule.probes.max(1)));
            probed(place, open_ms, probes, since, well, now) == Some(true)
        } else {
            well.is_some_and(|well| outcome(place, window, &rule, since, well, now))
        };
        if has_opened {
            opened.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::shm::RegionSpec;

    const NOW: Millis = Millis(1_700_000_000_000);
    const RULE: BreakerRule = BreakerRule { failures: 50, least: 4, window_ms: 10_000, open_ms: 5_000, probes: 2 };

    fn open() -> Breakers {
        let config = BreakersConfig { breakers: 10 };
        let region = Region::open(&RegionSpec::new(None, NOW).with(config.section(Kind::Sip))).unwrap();
        Breakers::open(&region, &config).unwrap()
    }

    #[test]
    fn a_breaker_opens_probes_and_closes() {
        let breakers = open();
        let pass = |now| breakers.allow(b"pay", &RULE, now);
        let late = pass(NOW).unwrap().unwrap();
        for well in [true, true, false] {
            breakers.report(pass(NOW).unwrap().unwrap(), Some(well), NOW);
        }
        assert!(pass(NOW).is_ok(), "one of three, of which four are needed");
        breakers.report(pass(NOW).unwrap().unwrap(), Some(false), NOW);
        assert_eq!(pass(NOW), Err(5_000));
        assert!(breakers.allow(b"other", &RULE, NOW).is_ok());
        assert_eq!(pass(NOW.plus(4_999)), Err(1));
        // Two probes and no more; what passed before it opened does not count.
        let (one, two) = (pass(NOW.plus(5_000)).unwrap().unwrap(), pass(NOW.plus(5_001)).unwrap().unwrap());
        assert_eq!(pass(NOW.plus(5_002)), Err(4_998));
        breakers.report(late, Some(false), NOW.plus(5_003));
        breakers.report(one, Some(true), NOW.plus(5_003));
        breakers.report(two, None, NOW.plus(5_003));
        let again = pass(NOW.plus(5_004)).unwrap().unwrap();
        breakers.report(again, Some(false), NOW.plus(5_100));
        assert_eq!(pass(NOW.plus(5_100)), Err(5_000), "a probe failed");
        breakers.report(one, Some(true), NOW.plus(5_200));
        let probes: Vec<Pass> = (0..2).map(|_| pass(NOW.plus(10_100)).unwrap().unwrap()).collect();
        for probe in probes {
            breakers.report(probe, Some(true), NOW.plus(10_200));
        }
        for _ in 0..3 {
            breakers.report(pass(NOW.plus(10_300)).unwrap().unwrap(), Some(false), NOW.plus(10_300));
        }
        assert!(pass(NOW.plus(10_300)).is_ok(), "counted anew");
        // Requests from before it opened report at last: that time is over.
        for _ in 0..4 {
            breakers.report(late, Some(false), NOW.plus(10_300));
        }
        assert!(pass(NOW.plus(10_300)).is_ok(), "what passed before it opened is not counted after it closed");
        breakers.report(pass(NOW.plus(10_300)).unwrap().unwrap(), Some(false), NOW.plus(10_300));
        assert_eq!(pass(NOW.plus(10_300)), Err(5_000));
    }

    #[test]
    fn probes_that_never_report_and_clocks_that_step_back_do_not_hold_it_shut() {
        let breakers = open();
        let pass = |now| breakers.allow(b"pay", &RULE, now);
        let passes: Vec<Pass> = (0..4).map(|_| pass(NOW).unwrap().unwrap()).collect();
        for one in passes {
            breakers.report(one, Some(false), NOW);
        }
        assert!(pass(NOW.plus(6_000)).is_ok() && pass(NOW.plus(6_000)).is_ok());
        assert_eq!(pass(NOW.plus(7_000)), Err(4_000));
        assert!(pass(NOW.plus(11_000)).is_ok(), "another round of probes");
        let breakers = open();
        for _ in 0..4 {
            let one = breakers.allow(b"pay", &RULE, NOW).unwrap().unwrap();
            breakers.report(one, Some(false), NOW);
        }
        assert!(breakers.allow(b"pay", &RULE, NOW.plus(-3_600_000)).is_ok(), "an hour back");
        // Nonsense is no pass.
        breakers.report(Pass(u64::MAX), Some(true), NOW);
        breakers.report(Pass(PROBE), Some(true), NOW);
    }

    #[test]
    fn of_racing_threads_as_many_probe_as_the_rule_says() {
        for round in 0..200 {
            let breakers = open();
            for _ in 0..4 {
                let one = breakers.allow(b"pay", &RULE, NOW).unwrap().unwrap();
                breakers.report(one, Some(false), NOW);
            }
            let gate = std::sync::Barrier::new(4);
            let passed: usize = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            gate.wait();
                            usize::from(breakers.allow(b"pay", &RULE, NOW.plus(5_000)).is_ok())
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum()
            });
            assert_eq!(passed, 2, "round {round}");
        }
    }
}
