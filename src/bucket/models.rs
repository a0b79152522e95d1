//! Every interleaving, and every order that the memory model allows, of a few requests on a small group; run with
//! `RUSTFLAGS="--cfg loom" cargo test --release --lib models`. The variants that look right and are not must be caught.

use super::breaker::{self, BreakerRule, Passed};
use super::cell::{self, Outcome, tag};
use super::deny::{Mark, Walk};
use super::flights::{PARTS, Record};
use super::gcra::{Rate, TAT_MASK};
use super::inflight;
use super::rows::{self, Tags};
use crate::shm::OneByOne;
use crate::sync::{AtomicU64, Ordering};
use crate::time::Millis;
use loom::thread;
use std::sync::Arc;

const N: usize = 2;
const NOW: Millis = Millis(1_700_000_000_000);

type Group = Arc<[AtomicU64; N]>;

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 20_000;
    builder.preemption_bound = Some(if std::env::var_os("PORTCULLIS_SLOW").is_some() { 4 } else { 3 });
    builder.check(run);
}

fn once() -> Rate {
    Rate::new(1, 3_600_000, 1).unwrap()
}

fn key(number: u64) -> u64 {
    tag(number << 50)
}

/// A group whose first slot is settled for another key, owing until `NOW` + `ms`.
fn group(ms: i64) -> Group {
    let rate = Rate::new(1, 1000, 1).unwrap();
    let other = u64::from(rate.class()) << 34 | rate.now(NOW.plus(ms)) & TAT_MASK | key(9);
    Arc::new([AtomicU64::new(other), AtomicU64::new(0)])
}

fn take(group: &Group, number: u64, now: Millis, id: u64) -> Outcome {
    // As the table does it; here a line is a group.
    cell::take_at_home(OneByOne, &**group, key(number), &once(), now)
        .unwrap_or_else(|| cell::take(&**group, 0, key(number), &once(), now, || id))
}

type Taker = fn(&Group, u64, Millis, u64) -> Outcome;

fn race(group: &Group, requests: &[(u64, Millis)], take: Taker) -> Vec<Outcome> {
    let threads: Vec<_> = requests[1..]
        .iter()
        .enumerate()
        .map(|(id, &(number, now))| {
            let group = group.clone();
            thread::spawn(move || take(&group, number, now, id as u64 + 1))
        })
        .collect();
    let mut outcomes = vec![take(group, requests[0].0, requests[0].1, 0)];
    outcomes.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
    outcomes
}

fn passed(outcomes: &[Outcome]) -> usize {
    outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Ok(_))).count()
}

#[test]
fn a_new_key_passes_once() {
    model(|| {
        let group: Group = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        assert_eq!(passed(&race(&group, &[(1, NOW), (1, NOW)], take)), 1);
        assert_eq!(passed(&[take(&group, 1, NOW, 7)]), 0);
    });
}

#[test]
fn a_new_key_passes_once_where_the_takers_see_different_slots_free() {
    model(|| {
        // The first slot is paid for one taker's clock, owes for the other's: they claim different slots.
        let group = group(5);
        assert_eq!(passed(&race(&group, &[(1, NOW), (1, NOW.plus(5))], take)), 1);
        assert_eq!(passed(&[take(&group, 1, NOW.plus(5), 7)]), 0);
    });
}

#[test]
fn two_new_keys_for_one_slot() {
    model(|| {
        let group = group(1000);
        let outcomes = race(&group, &[(1, NOW), (2, NOW)], take);
        assert!(passed(&outcomes[..1]) <= 1 && passed(&outcomes[1..]) <= 1);
        assert!(passed(&outcomes) >= 1, "{outcomes:?}");
    });
}

#[test]
fn a_sweep_at_the_same_time_takes_nothing_that_is_owed() {
    model(|| {
        let group = group(5);
        let sweeper = {
            let group = group.clone();
            thread::spawn(move || cell::sweep(&group, NOW.plus(5), [false; 3], || true))
        };
        assert_eq!(passed(&race(&group, &[(1, NOW), (1, NOW.plus(5))], take)), 1);
        sweeper.join().unwrap();
        assert_eq!(passed(&[take(&group, 1, NOW.plus(5), 7)]), 0);
    });
}

#[test]
fn taking_and_giving_back_at_once() {
    model(|| {
        let group: Group = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let Outcome::Ok(after) = take(&group, 1, NOW, 0) else { panic!() };
        let giver = {
            let group = group.clone();
            thread::spawn(move || assert!(cell::give_back(&group, 0, key(1), &once(), after, NOW)))
        };
        let first = passed(&[take(&group, 1, NOW, 1)]);
        giver.join().unwrap();
        let second = passed(&[take(&group, 1, NOW, 2)]);
        assert_eq!(first + second, 1);
    });
}

/// A table of two rows with the counters of eight workers, of which three are used.
struct Table {
    tags: [AtomicU64; 2],
    rows: [[AtomicU64; 2]; 2],
    numbers: AtomicU64,
}

/// The first row is the first key's, the second as given.
fn table(second: u64) -> Arc<Table> {
    let row = || [0, 0].map(AtomicU64::new);
    Arc::new(Table {
        tags: [rows::tag(1 << 40), second].map(AtomicU64::new),
        rows: [row(), row()],
        numbers: AtomicU64::new(1),
    })
}

impl Table {
    fn walk(&self, key: u64) -> Tags<'_> {
        Tags { words: &self.tags, first: 0, tag: rows::tag(key << 40) }
    }

    fn row(&self, number: usize) -> Option<&[AtomicU64]> {
        Some(&self.rows[number])
    }

    fn find_or_take(&self, tags: &Tags<'_>) -> Option<usize> {
        let number = || self.numbers.fetch_add(1, Ordering::Relaxed);
        tags.find_or_take(number, |row, _| inflight::is_spare(&self.rows[row]))
    }

    fn enter(&self, key: u64, own: usize) -> bool {
        let tags = self.walk(key);
        inflight::enter(&tags, || self.find_or_take(&tags), |row| self.row(row), own, 1).is_some()
    }
}

type Enter = fn(&Table, u64, usize) -> bool;

/// Who gets in of those that enter at once, each under its key, on a worker of its own.
fn enter_at_once(table: &Arc<Table>, keys: &[u64], enter: Enter) -> Vec<bool> {
    let threads: Vec<_> = keys[1..]
        .iter()
        .enumerate()
        .map(|(number, &key)| {
            let table = table.clone();
            thread::spawn(move || enter(&table, key, 3 * number + 2))
        })
        .collect();
    let mut entered = vec![enter(table, keys[0], 1)];
    entered.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
    entered
}

fn count(entered: &[bool]) -> usize {
    entered.iter().filter(|entered| **entered).count()
}

#[test]
fn of_three_that_enter_one_place_at_most_one_gets_in() {
    model(|| assert!(count(&enter_at_once(&table(0), &[1, 1, 1], Table::enter)) <= 1));
}

#[test]
fn of_two_with_a_new_key_at_most_one_gets_in() {
    model(|| {
        let table = table(0);
        assert!(count(&enter_at_once(&table, &[2, 2], Table::enter)) <= 1);
        let tags = table.tags.iter().filter(|tag| tag.load(Ordering::SeqCst) == rows::tag(2 << 40)).count();
        assert_eq!(tags, 1, "one row for one key");
    });
}

/// The key's own row is spare while others need a row: at most one request of each key is under way, counted under its key.
#[test]
fn a_row_that_is_used_again_takes_nobody_along() {
    model(|| {
        let table = table(rows::tag(9 << 40));
        // The second row is busy: the first is the only one to be had.
        table.rows[1][0].store(1, Ordering::SeqCst);
        let entered = enter_at_once(&table, &[1, 2, 1], Table::enter);
        assert!(usize::from(entered[0]) + usize::from(entered[2]) <= 1, "more than the limit");
        let under_way = |key: u64| {
            table
                .walk(key)
                .find()
                .map_or(0, |row| table.rows[row].iter().filter(|w| w.load(Ordering::SeqCst) != 0).count())
        };
        assert_eq!(under_way(1), usize::from(entered[0]) + usize::from(entered[2]), "counted under its key");
        assert_eq!(under_way(2), usize::from(entered[1]), "counted under its key");
    });
}

#[test]
fn two_new_keys_for_two_rows_that_are_spare() {
    model(|| {
        let table = table(rows::tag(9 << 40));
        let entered = enter_at_once(&table, &[2, 3], Table::enter);
        for (key, entered) in [2, 3].into_iter().zip(&entered) {
            let row = table.walk(key).find();
            let under_way =
                row.map_or(0, |row| table.rows[row].iter().filter(|w| w.load(Ordering::SeqCst) != 0).count());
            assert_eq!(under_way, usize::from(*entered), "counted under its key");
        }
    });
}

/// A request that is under way on a dead worker's number is taken back once, and one that another worker begins meanwhile stays.
#[test]
fn of_two_that_heal_a_dead_worker_one_does_and_the_living_keep_theirs() {
    model(|| {
        const DEAD: u64 = 77;
        let (table, owner) = (table(0), Arc::new(AtomicU64::new(DEAD)));
        table.rows[0][0].store(1, Ordering::SeqCst);
        let healers: Vec<_> = [1, 2]
            .map(|healer| {
                let (table, owner) = (table.clone(), owner.clone());
                thread::spawn(move || {
                    let rows = || (0..2).filter_map(|row| table.row(row));
                    let healed = inflight::heal(&owner, DEAD, healer | 1 << 63, rows(), 0);
                    // The number is free: the healer takes it for itself.
                    let own = owner.compare_exchange(0, healer, Ordering::SeqCst, Ordering::Relaxed).is_ok();
                    (healed, own && table.enter(1, 0))
                })
            })
            .into_iter()
            .collect();
        let entered = table.enter(1, 1);
        let healers: Vec<_> = healers.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(healers.iter().filter(|(healed, _)| *healed).count(), 1, "healed once");
        let under_way = usize::from(entered) + healers.iter().filter(|(_, entered)| *entered).count();
        assert!(under_way <= 1, "more than the limit");
        let counted: u64 =
            table.rows[0].iter().map(|word| word.load(Ordering::SeqCst)).map(|w| u64::from(w.count_ones())).sum();
        assert_eq!(counted, under_way as u64, "the living keep theirs");
    });
}

/// One row whose mark is over, and room for no other: two keys want it, or one wants it while its own key renews its mark.
fn marks(tag: u64) -> Arc<[AtomicU64; 2]> {
    Arc::new([AtomicU64::new(tag), AtomicU64::new(5 << 20)])
}

fn set(row: &Arc<[AtomicU64; 2]>, tag: u64, id: u64) -> bool {
    let mark = Mark { until: NOW.plus(1000), value: tag };
    Walk { words: row.as_slice(), first: 0, tag }.set(mark, NOW, || id)
}

fn marked(row: &Arc<[AtomicU64; 2]>, tag: u64) -> bool {
    Walk { words: row.as_slice(), first: 0, tag }.find(NOW).is_some_and(|mark| mark.value == tag)
}

#[test]
fn of_two_keys_for_one_row_one_gets_it_and_the_other_is_told() {
    model(|| {
        let row = marks(9);
        let other = {
            let row = row.clone();
            thread::spawn(move || set(&row, 2, 2))
        };
        let own = set(&row, 1, 1);
        let other = other.join().unwrap();
        assert_eq!((marked(&row, 1), marked(&row, 2)), (own, other));
    });
}

#[test]
fn a_mark_that_is_renewed_while_its_row_is_taken_is_not_lost() {
    model(|| {
        let row = marks(1);
        let other = {
            let row = row.clone();
            thread::spawn(move || set(&row, 2, 2))
        };
        let own = set(&row, 1, 1);
        let other = other.join().unwrap();
        assert_eq!((marked(&row, 1), marked(&row, 2)), (own, other));
        assert!(own || other);
    });
}

const RULE: BreakerRule = BreakerRule { failures: 100, least: 2, window_ms: 1 << 20, open_ms: 50, probes: 1 };

/// A breaker that has seen one failure of the two that open it, and its window.
fn breaker() -> Arc<[AtomicU64; 2]> {
    let breaker: Arc<[AtomicU64; 2]> = Arc::new([0, 0].map(AtomicU64::new));
    assert!(!breaker::outcome(&breaker[0], &breaker[1], &RULE, 0, false, 10));
    breaker
}

/// Opened at 10 and so half open from 60 on.
fn opened() -> Arc<[AtomicU64; 2]> {
    let breaker = breaker();
    assert!(breaker::outcome(&breaker[0], &breaker[1], &RULE, 0, false, 10));
    breaker
}

type Allow = fn(&AtomicU64, u64, u64, u64) -> Result<Passed, u64>;

fn probe_at_once(allow: Allow) -> usize {
    let breaker = opened();
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let breaker = breaker.clone();
            thread::spawn(move || allow(&breaker[0], 50, 1, 60).is_ok())
        })
        .collect();
    let own = allow(&breaker[0], 50, 1, 60).is_ok();
    usize::from(own) + threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum::<usize>()
}

#[test]
fn of_three_that_find_a_breaker_due_one_probes() {
    model(|| assert_eq!(probe_at_once(breaker::allow), 1));
}

#[test]
fn of_two_probes_of_which_one_fails_the_breaker_opens_once_and_stays_open() {
    model(|| {
        let breaker = opened();
        let probe = || breaker::allow(&breaker[0], 50, 2, 60);
        assert_eq!((probe(), probe()), (Ok(Passed::Probe(60)), Ok(Passed::Probe(60))));
        let threads: Vec<_> = [true, false]
            .map(|well| {
                let breaker = breaker.clone();
                thread::spawn(move || breaker::probed(&breaker[0], 50, 2, 60, Some(well), 70))
            })
            .into_iter()
            .collect();
        let late = breaker::allow(&breaker[0], 50, 2, 70);
        let answers: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(answers, [None, Some(true)]);
        assert!(late.is_err(), "both probes are under way, or it is open");
        assert_eq!(breaker::allow(&breaker[0], 50, 2, 70), Err(50));
    });
}

type Report = fn(&AtomicU64, &AtomicU64, &BreakerRule, u64, bool, u64) -> bool;

/// Two failures are reported, one of them late, each of which would open the breaker; as soon as it is open it is probed and closed again. It was
/// opened once, and is closed at the end if it was closed again.
fn failures_and_a_recovery(report: Report) {
    let breaker = breaker();
    let late = {
        let breaker = breaker.clone();
        thread::spawn(move || report(&breaker[0], &breaker[1], &RULE, 0, false, 10))
    };
    let opened = report(&breaker[0], &breaker[1], &RULE, 0, false, 10);
    let closed = match breaker::allow(&breaker[0], 50, 1, 60) {
        Ok(Passed::Probe(since)) => breaker::probed(&breaker[0], 50, 1, since, Some(true), 61) == Some(false),
        _ => false,
    };
    assert_eq!(usize::from(opened) + usize::from(late.join().unwrap()), 1, "opened by what is over");
    assert!(closed, "it was open when it was probed");
    assert_eq!(breaker::allow(&breaker[0], 50, 1, 62), Ok(Passed::Closed(61)), "opened by what is over");
}

#[test]
fn failures_that_come_late_do_not_open_a_breaker_that_has_closed_again() {
    model(|| failures_and_a_recovery(breaker::outcome));
}

// What must be caught.

#[test]
#[should_panic(expected = "one probe")]
fn probing_without_an_exchange_is_caught() {
    fn writes(place: &AtomicU64, _: u64, _: u64, now: u64) -> Result<Passed, u64> {
        if place.load(Ordering::SeqCst) >> 62 != 1 {
            return Err(1);
        }
        place.store(2 << 62 | now << 20 | 1 << 10, Ordering::SeqCst);
        Ok(Passed::Probe(now))
    }
    model(|| assert_eq!(probe_at_once(writes), 1, "one probe"));
}

/// As it was: every closed time is the same word, so that an exchange from it succeeds in the next one too.
#[test]
#[should_panic(expected = "opened by what is over")]
fn closed_times_that_look_alike_are_caught() {
    fn forgets_since_when(place: &AtomicU64, window: &AtomicU64, _: &BreakerRule, _: u64, _: bool, now: u64) -> bool {
        let closed = place.load(Ordering::SeqCst);
        if closed >> 62 != 0 {
            return false;
        }
        let failures = window.fetch_add(1, Ordering::SeqCst) & 0xf_ffff;
        let closed = place.load(Ordering::SeqCst);
        failures >= 1
            && closed >> 62 == 0
            && place.compare_exchange(closed, 1 << 62 | (now + 50) << 20, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
    model(|| failures_and_a_recovery(forgets_since_when));
}

#[test]
#[should_panic(expected = "lost")]
fn taking_a_row_without_a_claim_is_caught() {
    fn takes(row: &Arc<[AtomicU64; 2]>, tag: u64) -> bool {
        let mark = Mark { until: NOW.plus(1000), value: tag };
        row[0].store(tag, Ordering::SeqCst);
        row[1].store((mark.until.0.cast_unsigned() << 20) | tag, Ordering::SeqCst);
        true
    }
    model(|| {
        let row = marks(1);
        let other = {
            let row = row.clone();
            thread::spawn(move || takes(&row, 2))
        };
        let own = set(&row, 1, 1);
        let other = other.join().unwrap();
        assert_eq!((marked(&row, 1), marked(&row, 2)), (own, other), "lost");
    });
}

#[test]
#[should_panic(expected = "more than the limit")]
fn entering_without_looking_again_is_caught() {
    fn looks_first_only(table: &Table, _: u64, own: usize) -> bool {
        let row = &table.rows[0];
        let free = row.iter().all(|word| word.load(Ordering::SeqCst) == 0);
        free && {
            row[own / 4].fetch_add(1 << (own % 4 * 16), Ordering::SeqCst);
            true
        }
    }
    model(|| assert!(count(&enter_at_once(&table(0), &[1, 1, 1], looks_first_only)) <= 1, "more than the limit"));
}

/// Finds its row, or takes the first that is spare by writing its tag there at once.
fn takes_a_spare_row_at_once(table: &Table, key: u64, own: usize) -> bool {
    let tag = rows::tag(key << 40);
    let own_row = || (0..2).find(|row| table.tags[*row].load(Ordering::SeqCst) == tag);
    let taken = || {
        (0..2).find(|row| {
            let old = table.tags[*row].load(Ordering::SeqCst);
            inflight::is_spare(&table.rows[*row])
                && table.tags[*row].compare_exchange(old, tag, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        })
    };
    let tags = table.walk(key);
    inflight::enter(&tags, || own_row().or_else(taken), |row| table.row(row), own, 1).is_some()
}

#[test]
#[should_panic(expected = "more than the limit")]
fn using_a_row_again_without_a_mark_is_caught() {
    model(|| {
        let table = table(rows::tag(9 << 40));
        table.rows[1][0].store(1, Ordering::SeqCst);
        let entered = enter_at_once(&table, &[1, 2, 1], takes_a_spare_row_at_once);
        assert!(usize::from(entered[0]) + usize::from(entered[2]) <= 1, "more than the limit");
        let row = (0..2).find(|row| table.tags[*row].load(Ordering::SeqCst) == rows::tag(1 << 40));
        let counted = row.is_some_and(|row| table.rows[row].iter().any(|w| w.load(Ordering::SeqCst) != 0));
        assert_eq!(counted, entered[0] || entered[2], "more than the limit could get in");
    });
}

#[test]
#[should_panic(expected = "the living keep theirs")]
fn healing_without_taking_the_number_first_is_caught() {
    model(|| {
        const DEAD: u64 = 77;
        let (table, owner) = (table(0), Arc::new(AtomicU64::new(DEAD)));
        table.rows[0][0].store(1, Ordering::SeqCst);
        let healers: Vec<_> = [1, 2]
            .map(|healer| {
                let (table, owner) = (table.clone(), owner.clone());
                thread::spawn(move || {
                    // Finds it dead, sets its counts to zero, frees the number; and so does the other.
                    if owner.load(Ordering::SeqCst) == DEAD {
                        table.rows[0][0].fetch_and(!0xffff, Ordering::SeqCst);
                        let _ = owner.compare_exchange(DEAD, 0, Ordering::SeqCst, Ordering::SeqCst);
                    }
                    let own = owner.compare_exchange(0, healer, Ordering::SeqCst, Ordering::Relaxed).is_ok();
                    own && table.enter(1, 0)
                })
            })
            .into_iter()
            .collect();
        let under_way = healers.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum::<usize>();
        let counted = table.rows[0].iter().filter(|word| word.load(Ordering::SeqCst) != 0).count();
        assert_eq!(counted, under_way, "the living keep theirs");
    });
}

/// Two report the end of request 1 while its worker waits for the record and writes request 2 into it, whose end is then reported too.
fn records_are_struck_out(strike: fn(&Record, u64) -> Option<[u64; PARTS]>) {
    model(move || {
        let record = Arc::new(Record::default());
        record.write(1, [11; PARTS]);
        let reporters: Vec<_> = (0..2)
            .map(|_| {
                let record = Arc::clone(&record);
                thread::spawn(move || strike(&record, 1))
            })
            .collect();
        let second = record.is_free().then(|| {
            record.write(2, [22; PARTS]);
            strike(&record, 2)
        });
        let found: Vec<_> = reporters.into_iter().filter_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(found, [[11; PARTS]], "what request 1 held is given back once");
        assert!(second.is_none_or(|found| found == Some([22; PARTS])), "and what request 2 held");
    });
}

#[test]
fn what_a_request_held_is_given_back_once_and_whole() {
    records_are_struck_out(Record::strike);
}

#[test]
#[should_panic(expected = "once")]
fn striking_out_by_a_store_is_caught() {
    records_are_struck_out(|record, serial| {
        let found = (record.serial.load(Ordering::SeqCst) == serial).then(|| record.parts());
        if found.is_some() {
            record.serial.store(0, Ordering::SeqCst);
        }
        found
    });
}

#[test]
#[should_panic(expected = "once")]
fn reading_after_striking_out_is_caught() {
    records_are_struck_out(|record, serial| {
        record.serial.compare_exchange(serial, 0, Ordering::SeqCst, Ordering::SeqCst).ok().map(|_| record.parts())
    });
}

/// Settles in the first free slot without looking around.
fn settles_at_once(group: &Group, number: u64, now: Millis, _: u64) -> Outcome {
    let rate = once();
    let word_of = |after| key(number) | u64::from(rate.class()) << 34 | (rate.now(now) + after) & TAT_MASK;
    loop {
        let words: [u64; N] = std::array::from_fn(|at| group[at].load(Ordering::SeqCst));
        if words.iter().any(|word| *word >> 36 == key(number) >> 36) {
            return Outcome::Limited(1);
        }
        let free = |word: u64| {
            word == 0 || (word & TAT_MASK).wrapping_sub(Rate::new(1, 1000, 1).unwrap().now(now)) & TAT_MASK == 0
        };
        let Some(at) = words.iter().position(|word| free(*word)) else { return Outcome::Full };
        let after = rate.conforms(0, now).unwrap();
        if group[at].compare_exchange(words[at], word_of(after), Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            return Outcome::Ok(after);
        }
    }
}

#[test]
#[should_panic(expected = "more than the limit")]
fn settling_without_looking_around_is_caught() {
    model(|| {
        let outcomes = race(&group(5), &[(1, NOW), (1, NOW.plus(5))], settles_at_once);
        assert!(passed(&outcomes) <= 1, "more than the limit");
    });
}
