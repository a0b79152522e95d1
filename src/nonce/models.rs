//! Every interleaving, and every order that the memory model allows, of a few messages on a small page; run with
//! `RUSTFLAGS="--cfg loom" cargo test --release --lib models`. The variants that look right and are not must be caught.

use super::page::{Claim, LIFE, Walk, release};
use super::word::{RELEASED, ahead, entry};
use crate::shm::{Look, OneByOne, Question, ReadLine};
use crate::sync::{AtomicU64, Ordering};
use loom::thread;
use std::sync::Arc;

/// Two lines of one slot each: the second slot is a line away from home.
const N: usize = 4;
const LINE: usize = 2;
/// A generation in the middle of a block.
const G: i64 = 100;

type Page = Arc<[AtomicU64; N]>;

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 20_000;
    builder.preemption_bound = Some(if std::env::var_os("PORTCULLIS_SLOW").is_some() { 5 } else { 3 });
    builder.check(run);
}

fn page(slots: [u64; 2]) -> Page {
    Arc::new([0, slots[0], 0, slots[1]].map(AtomicU64::new))
}

fn tag(number: u64) -> u64 {
    number << 40
}

/// One message of `tag` and `generation`: whether it is admitted.
fn admit(page: &Page, number: u64, generation: i64, strict: bool) -> Claim {
    let reader = OneByOne;
    Walk::<N, LINE, _> { page, home: 0, want: entry(tag(number), generation), generation, strict, reader }.admit()
}

/// Runs the messages at once; their answers in order.
fn race(page: &Page, messages: &[(u64, i64, bool)], admit: fn(&Page, u64, i64, bool) -> Claim) -> Vec<Claim> {
    let others: Vec<_> = messages[1..]
        .iter()
        .map(|&(number, generation, strict)| {
            let page = page.clone();
            thread::spawn(move || admit(&page, number, generation, strict))
        })
        .collect();
    let (number, generation, strict) = messages[0];
    let mut answers = vec![admit(page, number, generation, strict)];
    answers.extend(others.into_iter().map(|thread| thread.join().unwrap()));
    answers
}

fn won(answers: &[Claim]) -> usize {
    answers.iter().filter(|claim| matches!(claim, Claim::Won(_))).count()
}

#[test]
fn of_two_copies_and_another_message_each_is_admitted_once() {
    model(|| {
        let page = page([0, 0]);
        let answers = race(&page, &[(7, G, false), (7, G, false), (8, G, false)], admit);
        assert_eq!(won(&answers[..2]), 1);
        assert_eq!(won(&answers[2..]), 1);
        assert_eq!(admit(&page, 7, G, false), Claim::Present);
    });
}

#[test]
fn copies_that_take_over_old_slots_while_a_newer_generation_does_too() {
    model(|| {
        // Free for generation G and later; the second is free only for what is newer than G.
        let page = page([entry(tag(3), G - LIFE), entry(tag(4), G - LIFE + 1)]);
        let answers = race(&page, &[(7, G, false), (7, G, false), (9, G + LIFE, false)], admit);
        assert!(won(&answers[..2]) <= 1);
        assert!(
            won(&answers[..2]) == 1
                || answers[..2].iter().all(|a| matches!(a, Claim::Stale | Claim::Full | Claim::Present))
        );
    });
}

/// The page on which a message of G takes the first slot and one of G - 1 goes on to the second.
fn split() -> Page {
    page([entry(tag(3), G - LIFE), 0])
}

#[test]
fn strict_mode_admits_one_of_two_timestamps() {
    model(|| {
        let page = split();
        let answers = race(&page, &[(7, G, true), (7, G - 1, true)], admit);
        assert!(won(&answers) <= 1, "{answers:?}");
        assert_eq!(won(&[admit(&page, 7, G, true), admit(&page, 7, G - 1, true), admit(&page, 7, G + 1, true)]), 0);
    });
}

#[test]
fn strict_mode_admits_one_of_two_timestamps_while_a_third_message_is_in_the_way() {
    model(|| {
        let page = page([entry(tag(3), G - LIFE), entry(tag(4), G - LIFE - 1)]);
        let answers = race(&page, &[(7, G, true), (7, G - 1, true), (8, G, true)], admit);
        assert!(won(&answers[..2]) <= 1, "{answers:?}");
    });
}

#[test]
fn a_nonce_given_back_is_taken_by_one() {
    model(|| {
        let page = page([0, 0]);
        let Claim::Won(at) = admit(&page, 7, G, true) else { panic!() };
        let giver = {
            let page = page.clone();
            thread::spawn(move || assert!(release::<N, LINE>(&page, at, entry(tag(7), G))))
        };
        let answers = race(&page, &[(7, G, true), (7, G, true)], admit);
        giver.join().unwrap();
        // Before it is given back nobody gets it, afterwards one.
        assert!(won(&answers) <= 1);
        let after = admit(&page, 7, G, true);
        assert_eq!(won(&answers) + won(&[after]), 1);
        assert_eq!(admit(&page, 7, G - 1, true), Claim::Present);
    });
}

#[test]
fn a_nonce_given_back_is_not_to_be_had_under_another_timestamp() {
    model(|| {
        let page = split();
        let Claim::Won(at) = admit(&page, 7, G, true) else { panic!() };
        assert!(release::<N, LINE>(&page, at, entry(tag(7), G)));
        let answers = race(&page, &[(7, G, true), (7, G - 1, true)], admit);
        assert_eq!(answers[1], Claim::Present);
        assert_eq!(won(&answers[..1]), 1);
    });
}

/// A nonce is given back when its generation is over, while a later message takes its slot; the later message comes twice.
fn late_release(release: fn(&Page, usize, u64) -> bool) {
    model(move || {
        let page = page([entry(tag(7), G), 0]);
        let giver = {
            let page = page.clone();
            thread::spawn(move || release(&page, 1, entry(tag(7), G)))
        };
        let first = admit(&page, 8, G + LIFE, false);
        giver.join().unwrap();
        let again = admit(&page, 8, G + LIFE, false);
        assert_eq!(won(&[first, again]), 1, "twice");
    });
}

#[test]
fn a_nonce_given_back_late_takes_nobodys_place() {
    late_release(|page, at, want| release::<N, LINE>(page, at, want));
}

/// Reads a line from its last word to its first: a vector load reads the words in no particular order.
#[derive(Clone, Copy)]
struct Backwards;

impl<const LINE: usize> ReadLine<LINE> for Backwards {
    fn look<const FROM: usize>(self, line: &[AtomicU64; LINE], question: &Question, order: Ordering) -> Look<LINE> {
        let mut all = Look { words: [0; LINE], tagged: 0, near: 0 };
        for at in (FROM..LINE).rev() {
            let look = OneByOne.look::<0>(std::array::from_ref(&line[at]), question, order);
            all.words[at] = look.words[0];
            all.tagged |= look.tagged << at;
            all.near |= look.near << at;
        }
        all
    }
}

/// Races on one line of three slots, which are read in any order: forwards by the first message's thread, backwards by the others'.
fn race_on_a_line(slots: [u64; 3], messages: &[(u64, i64, bool)]) -> Vec<Claim> {
    fn admit(page: &[AtomicU64; 4], (number, generation, strict): (u64, i64, bool), reader: impl ReadLine<4>) -> Claim {
        Walk::<4, 4, _> { page, home: 0, want: entry(tag(number), generation), generation, strict, reader }.admit()
    }
    let page = Arc::new([0, slots[0], slots[1], slots[2]].map(AtomicU64::new));
    let others: Vec<_> = messages[1..]
        .iter()
        .map(|&message| {
            let page = page.clone();
            thread::spawn(move || admit(&page, message, Backwards))
        })
        .collect();
    let mut answers = vec![admit(&page, messages[0], OneByOne)];
    answers.extend(others.into_iter().map(|thread| thread.join().unwrap()));
    if won(&answers) > 0 {
        for message in messages {
            assert_eq!(won(&[admit(&page, *message, Backwards)]), 0, "{answers:?}");
        }
    }
    answers
}

#[test]
fn a_line_may_be_read_in_any_order_by_copies() {
    model(|| {
        let slots = [entry(tag(3), G - LIFE + 1), entry(tag(4), G - LIFE), 0];
        let answers = race_on_a_line(slots, &[(7, G, false), (7, G, false)]);
        assert_eq!(won(&answers), 1, "{answers:?}");
    });
}

#[test]
fn a_line_may_be_read_in_any_order_by_two_timestamps() {
    for swapped in [false, true] {
        model(move || {
            // Free for G, and not for G - 1; free for both.
            let slots = [entry(tag(3), G - LIFE), entry(tag(4), G - LIFE - 1), 0];
            let (one, two) = ((7, G, true), (7, G - 1, true));
            let answers = race_on_a_line(slots, &if swapped { [two, one] } else { [one, two] });
            assert!(won(&answers) <= 1, "{answers:?}");
        });
    }
}

// What must be caught.

#[test]
#[should_panic(expected = "twice")]
fn giving_back_by_a_store_is_caught() {
    late_release(|page, at, want| {
        let there = page[at].load(Ordering::SeqCst) == want;
        if there {
            page[at].store(want | RELEASED, Ordering::SeqCst);
        }
        there
    });
}

/// Goes on to the next slot when an exchange is lost.
fn skips_after_losing(page: &Page, number: u64, generation: i64, _: bool) -> Claim {
    let want = entry(tag(number), generation);
    for at in [1, 3] {
        let word = page[at].load(Ordering::SeqCst);
        if word == want {
            return Claim::Present;
        }
        let free = word == 0 || ahead(word, generation) <= -LIFE;
        if free && page[at].compare_exchange(word, want, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            return Claim::Won(at);
        }
    }
    Claim::Full
}

#[test]
#[should_panic(expected = "twice")]
fn going_on_after_a_lost_exchange_is_caught() {
    model(|| {
        let answers = race(&page([0, 0]), &[(7, G, false), (7, G, false)], skips_after_losing);
        assert!(won(&answers) <= 1, "twice");
    });
}

/// Looks for the tag everywhere, then takes the first slot that has expired by its own clock, which is `generation` here.
fn expires_by_the_clock(page: &Page, number: u64, clock: i64, _: bool) -> Claim {
    let want = entry(tag(number), G);
    loop {
        let words = [1, 3].map(|at| (at, page[at].load(Ordering::SeqCst)));
        if words.iter().any(|(_, word)| *word == want) {
            return Claim::Present;
        }
        let Some((at, word)) = words.into_iter().find(|(_, word)| *word == 0 || ahead(*word, clock) <= -LIFE) else {
            return Claim::Full;
        };
        if page[at].compare_exchange(word, want, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            return Claim::Won(at);
        }
    }
}

#[test]
#[should_panic(expected = "twice")]
fn expiry_by_the_clock_is_caught() {
    model(|| {
        // The same message, judged by clocks a generation apart.
        let answers = race(&split(), &[(7, G, false), (7, G - 1, false)], expires_by_the_clock);
        assert!(won(&answers) <= 1, "twice");
    });
}

/// Strict mode without the second look.
fn looks_once(page: &Page, number: u64, generation: i64, _: bool) -> Claim {
    let want = entry(tag(number), generation);
    let other = entry(tag(number), if generation == G { G - 1 } else { G });
    if [1, 3].iter().any(|at| page[*at].load(Ordering::SeqCst) == other) {
        return Claim::Present;
    }
    Walk::<N, LINE, _> { page, home: 0, want, generation, strict: false, reader: OneByOne }.admit()
}

#[test]
#[should_panic(expected = "twice")]
fn strict_mode_without_the_second_look_is_caught() {
    model(|| {
        let answers = race(&split(), &[(7, G, true), (7, G - 1, true)], looks_once);
        assert!(won(&answers) <= 1, "twice");
    });
}

/// Strict mode with the second look, but with the fence between writing and looking left out.
fn looks_without_fence(page: &Page, number: u64, generation: i64, _: bool) -> Claim {
    let want = entry(tag(number), generation);
    let (own, other) = if generation == G { (1, 3) } else { (3, 1) };
    let old = page[own].load(Ordering::Relaxed);
    if page[own].compare_exchange(old, want, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        return Claim::Full;
    }
    let word = page[other].load(Ordering::Acquire);
    if word == entry(tag(number), if generation == G { G - 1 } else { G }) { Claim::Present } else { Claim::Won(own) }
}

#[test]
#[should_panic(expected = "twice")]
fn the_second_look_without_a_fence_is_caught() {
    model(|| {
        let answers = race(&split(), &[(7, G, true), (7, G - 1, true)], looks_without_fence);
        assert!(won(&answers) <= 1, "twice");
    });
}
