//! Every interleaving of processes at one place; run with `RUSTFLAGS="--cfg loom" cargo test --release --lib models`.
//!
//! The table is a cell that loom watches: a write beside a read, or a read that is not ordered after the write, is found as such. Each process is a
//! thread with a number. The locks of numbers and of claiming, which the kernel keeps, are mutexes.

use super::word::{self, BUILDING, READY, RESERVED, bit};
use crate::sync::{AtomicU64, Mutex, Ordering};
use loom::cell::UnsafeCell;
use loom::thread;
use std::sync::Arc;

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(if std::env::var_os("PORTCULLIS_SLOW").is_some() { 3 } else { 2 });
    builder.check(run);
}

struct Place {
    word: AtomicU64,
    /// The record: whose table it is.
    owner: AtomicU64,
    table: UnsafeCell<u64>,
    number: Mutex<()>,
}

// SAFETY: loom's cell checks every access.
unsafe impl Sync for Place {}
// SAFETY: as above.
unsafe impl Send for Place {}

fn place(word: u64, owner: u64) -> Arc<Place> {
    Arc::new(Place {
        word: AtomicU64::new(word),
        owner: AtomicU64::new(owner),
        table: UnsafeCell::new(owner),
        number: Mutex::new(()),
    })
}

/// What a process does, as it is and as it must not be.
#[derive(Clone, Copy)]
struct Ways {
    pin: fn(&AtomicU64, u32) -> bool,
    claim: fn(&AtomicU64, u32) -> bool,
    heal: fn(&Place, u64),
    publish_first: bool,
    unpin_first: bool,
}

const WAYS: Ways = Ways {
    pin: word::pin,
    claim: |word, member| word::claim(word, member).is_some(),
    heal: |place, dead| {
        // Who gets the lock of a number knows that nobody has it.
        if let Ok(_number) = place.number.try_lock() {
            word::heal(&place.word, dead);
        }
    },
    publish_first: false,
    unpin_first: false,
};

impl Place {
    fn look(&self, key: u64) {
        // SAFETY: loom checks that nobody writes.
        self.table.with(|table| assert_eq!(unsafe { *table }, key, "another key's table"));
    }

    /// Reads the table of `key` if it is there.
    fn read(&self, ways: Ways, member: u32, key: u64) {
        if !(ways.pin)(&self.word, member) {
            return;
        }
        let mine = self.owner.load(Ordering::Relaxed) == key;
        if ways.unpin_first {
            word::unpin(&self.word, member);
        }
        if mine {
            self.look(key);
        }
        if !ways.unpin_first {
            word::unpin(&self.word, member);
        }
    }

    /// Builds the table of `key` here if the place can be had, and reads it.
    fn build(&self, ways: Ways, member: u32, key: u64) -> bool {
        if !(ways.claim)(&self.word, member) {
            return false;
        }
        self.owner.store(key, Ordering::Relaxed);
        let write = || {
            // SAFETY: loom checks that nobody reads or writes.
            self.table.with_mut(|table| unsafe { *table = key });
        };
        if ways.publish_first {
            assert!(word::publish(&self.word, member));
            write();
        } else {
            write();
            assert!(word::publish(&self.word, member));
        }
        self.look(key);
        word::unpin(&self.word, member);
        true
    }
}

fn together(place: &Arc<Place>, doing: Vec<Box<dyn FnOnce(&Place) + Send>>) {
    let threads: Vec<_> = doing
        .into_iter()
        .map(|what| {
            let place = place.clone();
            thread::spawn(move || what(&place))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// The table of key 1 is read, while another process takes its place for key 2, which a third one reads.
fn readers_and_a_builder(ways: Ways) {
    model(move || {
        let place = place(READY | RESERVED, 1);
        let other = place.clone();
        let doing: Vec<Box<dyn FnOnce(&Place) + Send>> =
            vec![Box::new(move |place| place.read(ways, 0, 1)), Box::new(move |place| place.read(ways, 1, 2))];
        let builder = thread::spawn(move || other.build(ways, 2, 2));
        together(&place, doing);
        builder.join().unwrap();
        assert_eq!(place.word.load(Ordering::SeqCst), READY | RESERVED, "nobody is left");
    });
}

#[test]
fn nobody_writes_to_a_table_that_is_read() {
    readers_and_a_builder(WAYS);
}

#[test]
fn of_two_that_claim_a_free_place_one_has_it() {
    model(|| {
        let place = place(0, 0);
        let other = place.clone();
        let builder = thread::spawn(move || other.build(WAYS, 0, 1));
        let reader = place.clone();
        let reader = thread::spawn(move || reader.read(WAYS, 1, 1));
        let own = place.build(WAYS, 2, 2);
        reader.join().unwrap();
        assert!(own | builder.join().unwrap());
    });
}

/// Number 0 was killed while it was building; its number is taken by a process that pins the place under it, while others look for the dead, and for room.
fn the_killed_and_the_living(ways: Ways, word: u64) {
    model(move || {
        let place = place(word, 1);
        let (healer, builder) = (place.clone(), place.clone());
        let healer = thread::spawn(move || {
            (ways.heal)(&healer, bit(0));
            healer.read(ways, 1, 1);
        });
        let builder = thread::spawn(move || builder.build(ways, 2, 2));
        {
            // Whoever joins takes the lock first, and away what the dead one left; it has the lock as long as it lives.
            let _number = place.number.lock().unwrap();
            word::heal(&place.word, bit(0));
            place.read(ways, 0, 1);
        }
        healer.join().unwrap();
        builder.join().unwrap();
        let left = place.word.load(Ordering::SeqCst);
        assert!(left == READY | RESERVED || left == RESERVED, "nobody is left: {left:x}");
    });
}

#[test]
fn what_a_killed_builder_left_is_free_and_what_the_next_of_its_number_pins_stays() {
    the_killed_and_the_living(WAYS, BUILDING | bit(0));
}

#[test]
fn the_pins_of_the_killed_go_and_those_of_the_next_of_its_number_stay() {
    the_killed_and_the_living(WAYS, READY | RESERVED | bit(0));
}

/// Two processes want one key's table and there are two places: how often it is built.
fn built(look_again: bool) {
    model(move || {
        let places = [place(0, 0), place(0, 0)];
        let lock = Arc::new(Mutex::new(()));
        let count = Arc::new(AtomicU64::new(0));
        let find = |places: &[Arc<Place>; 2]| {
            places.iter().any(|place| {
                place.word.load(Ordering::Acquire) & (READY | BUILDING) != 0 && place.owner.load(Ordering::Relaxed) == 1
            })
        };
        let process = move |places: [Arc<Place>; 2], lock: Arc<Mutex<()>>, count: Arc<AtomicU64>, member: u32| {
            if find(&places) {
                return;
            }
            let _claiming = lock.lock().unwrap();
            if look_again && find(&places) {
                return;
            }
            if let Some(place) = places.iter().find(|place| word::claim(&place.word, member).is_some()) {
                place.owner.store(1, Ordering::Relaxed);
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        let other = {
            let (places, lock, count) = (places.clone(), lock.clone(), count.clone());
            thread::spawn(move || process(places, lock, count, 0))
        };
        process(places, lock, count.clone(), 1);
        other.join().unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 1, "built once");
    });
}

#[test]
fn of_two_that_want_a_table_one_builds_it() {
    built(true);
}

// What must be caught.

#[test]
#[should_panic(expected = "built once")]
fn building_without_looking_again_is_caught() {
    built(false);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn claiming_whatever_is_pinned_is_caught() {
    readers_and_a_builder(Ways {
        claim: |word, member| {
            word.store(BUILDING | RESERVED | bit(member), Ordering::SeqCst);
            true
        },
        ..WAYS
    });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn pinning_by_a_look_and_an_addition_is_caught() {
    readers_and_a_builder(Ways {
        pin: |word, member| {
            let ready = word.load(Ordering::SeqCst) & READY != 0;
            if ready {
                word.fetch_or(bit(member), Ordering::SeqCst);
            }
            ready
        },
        ..WAYS
    });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn publishing_before_writing_is_caught() {
    readers_and_a_builder(Ways { publish_first: true, ..WAYS });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn unpinning_before_the_last_look_is_caught() {
    readers_and_a_builder(Ways { unpin_first: true, ..WAYS });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn healing_a_number_that_somebody_may_have_taken_is_caught() {
    the_killed_and_the_living(
        Ways { heal: |place, dead| word::heal(&place.word, dead), ..WAYS },
        READY | RESERVED | bit(0),
    );
}
