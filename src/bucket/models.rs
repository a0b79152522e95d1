//! Every interleaving, and every order that the memory model allows, of a few requests on a small group; run with
//! `RUSTFLAGS="--cfg loom" cargo test --release --lib models`. The variants that look right and are not must be caught.

use super::cell::{self, Outcome, tag};
use super::deny::{Mark, Walk};
use super::gcra::{Rate, TAT_MASK};
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
    cell::take(group, 0, key(number), &once(), now, || id)
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

/// Counters of eight workers after the tag, of which three are used, in two words.
fn row() -> Arc<[AtomicU64; 3]> {
    Arc::new([7, 0, 0].map(AtomicU64::new))
}

fn enter_at_once(enter: fn(&[AtomicU64], usize, u64) -> bool) -> usize {
    let row = row();
    let threads: Vec<_> = [2, 5]
        .into_iter()
        .map(|own| {
            let row = row.clone();
            thread::spawn(move || enter(row.as_slice(), own, 1))
        })
        .collect();
    let own = enter(row.as_slice(), 1, 1);
    usize::from(own) + threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum::<usize>()
}

#[test]
fn of_three_that_enter_one_place_at_most_one_gets_in() {
    model(|| assert!(enter_at_once(super::inflight::enter) <= 1));
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

// What must be caught.

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
    fn looks_first_only(row: &[AtomicU64], own: usize, limit: u64) -> bool {
        let free = row[1..].iter().all(|word| word.load(Ordering::SeqCst) < limit);
        free && {
            row[1 + own / 4].fetch_add(1 << (own % 4 * 16), Ordering::SeqCst);
            true
        }
    }
    model(|| assert!(enter_at_once(looks_first_only) <= 1, "more than the limit"));
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
