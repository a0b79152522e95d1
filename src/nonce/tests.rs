use super::*;
use crate::hash::prf::Kind;
use crate::shm::{Region, RegionSpec};
use crate::time::Millis;
use std::sync::atomic::{AtomicUsize, Ordering};

const NOW: Millis = Millis(1_700_000_000_000);

fn open(config: NonceConfig, birth: Millis) -> Store {
    let region = Region::open(&RegionSpec::new(None, birth).with(config.section(Kind::Sip))).unwrap();
    Store::open(&region, &config).unwrap()
}

/// A store that has been there for long.
fn settled(capacity: u64) -> Store {
    open(NonceConfig { capacity, ..NonceConfig::default() }, NOW.plus(-86_400_000))
}

fn admitted(answer: Admit) -> Option<Ticket> {
    match answer {
        Admit::Ok(ticket) => Some(ticket),
        _ => None,
    }
}

#[test]
fn a_nonce_is_admitted_once() {
    let store = settled(1000);
    for mode in [Mode::Strict, Mode::Message] {
        let key = store.key(b"app", b"n-1", NOW, mode);
        assert!(!store.peek(&key));
        assert!(admitted(store.admit(&key, NOW)).is_some());
        assert!(store.peek(&key));
        assert_eq!(store.admit(&key, NOW), Admit::Replayed);
        for (app, nonce) in [("app", "n-2"), ("app2", "n-1"), ("appn", "-1")] {
            assert!(admitted(store.admit(&store.key(app.as_bytes(), nonce.as_bytes(), NOW, mode), NOW)).is_some());
        }
    }
}

#[test]
fn strict_mode_refuses_a_nonce_under_any_timestamp_of_the_window() {
    let store = settled(1000);
    let mut nonce = 0u32;
    // Half-minutes over the whole window of 305 seconds, against each other.
    let moments: Vec<Millis> = (-10..=0).map(|step| NOW.plus(step * 30_000)).chain([NOW.plus(5_000)]).collect();
    for first in &moments {
        for second in &moments {
            nonce += 1;
            let text = nonce.to_le_bytes();
            let (one, two) =
                (store.key(b"a", &text, *first, Mode::Strict), store.key(b"a", &text, *second, Mode::Strict));
            assert!(admitted(store.admit(&one, NOW)).is_some());
            assert!(store.peek(&two), "{first:?} {second:?}");
            assert_eq!(store.admit(&two, NOW), Admit::Replayed, "{first:?} {second:?}");
            let (one, two) =
                (store.key(b"a", &text, *first, Mode::Message), store.key(b"a", &text, *second, Mode::Message));
            assert!(admitted(store.admit(&one, NOW)).is_some());
            assert_eq!(admitted(store.admit(&two, NOW)).is_some(), first != second);
        }
    }
}

#[test]
fn timestamps_outside_the_windows_and_before_birth_are_refused() {
    let store = settled(1000);
    let mut count = 0u32;
    let mut ask = |store: &Store, timestamp: i64, now: Millis| {
        count += 1;
        store.admit(&store.key(b"a", &count.to_le_bytes(), Millis(timestamp), Mode::Strict), now)
    };
    assert_eq!(ask(&store, NOW.0 - 300_001, NOW), Admit::Stale);
    assert!(admitted(ask(&store, NOW.0 - 300_000, NOW)).is_some());
    assert!(admitted(ask(&store, NOW.0 + 5_000, NOW)).is_some());
    assert_eq!(ask(&store, NOW.0 + 5_001, NOW), Admit::TooNew);
    assert_eq!(ask(&store, i64::MIN, NOW), Admit::Stale);
    assert_eq!(ask(&store, i64::MAX, NOW), Admit::TooNew);
    assert_eq!(ask(&store, i64::MAX, Millis(i64::MIN)), Admit::TooNew);
    assert_eq!(ask(&store, i64::MIN, Millis(i64::MAX)), Admit::Stale);

    let young = open(NonceConfig { capacity: 1000, skew_ms: 100, ..NonceConfig::default() }, NOW);
    let later = NOW.plus(10_000);
    assert_eq!(ask(&young, NOW.0 - 1, later), Admit::BeforeBirth);
    assert_eq!(ask(&young, NOW.0 + 5_100, later), Admit::BeforeBirth);
    assert!(admitted(ask(&young, NOW.0 + 5_101, later)).is_some());
    let lax = open(NonceConfig { capacity: 1000, birth_rule: false, ..NonceConfig::default() }, NOW);
    assert!(admitted(ask(&lax, NOW.0 - 1, NOW)).is_some());
}

#[test]
fn where_generations_wrap_messages_are_admitted_once() {
    // There an empty slot, which is all zeros, reads as one of a generation that is not over.
    let config = NonceConfig { capacity: 1000, ..NonceConfig::default() };
    let period = open(config, NOW).occupancy(NOW).period_ms.cast_signed();
    let wrap = Millis((NOW.0 / period / (1 << 20) + 1) * (1 << 20) * period);
    for step in -20..=20 {
        let now = wrap.plus(step * period);
        let store = open(config, now.plus(-3_600_000));
        for mode in [Mode::Strict, Mode::Message] {
            for nonce in 0..200u32 {
                let key = store.key(b"a", &nonce.to_le_bytes(), now, mode);
                assert!(admitted(store.admit(&key, now)).is_some(), "{step} {mode:?} {nonce}");
                assert_eq!(store.admit(&key, now), Admit::Replayed, "{step} {mode:?} {nonce}");
            }
        }
    }
}

#[test]
fn a_nonce_that_is_given_back_is_taken_once_more() {
    let store = settled(1000);
    for mode in [Mode::Strict, Mode::Message] {
        let key = store.key(b"a", b"given", NOW, mode);
        let ticket = admitted(store.admit(&key, NOW)).unwrap();
        for _ in 0..3 {
            assert!(store.release(ticket));
            assert!(!store.release(ticket), "only once");
            assert!(!store.peek(&key));
            if mode == Mode::Strict {
                let other = store.key(b"a", b"given", NOW.plus(-100_000), mode);
                assert_eq!(store.admit(&other, NOW), Admit::Replayed, "another timestamp stays refused");
            }
            assert_eq!(admitted(store.admit(&key, NOW)), Some(ticket));
            assert_eq!(store.admit(&key, NOW), Admit::Replayed);
        }
    }
    let forged = Ticket::default();
    assert!(!store.release(forged));
}

#[test]
fn the_stated_capacity_is_kept_window_after_window() {
    let capacity = if std::env::var_os("PORTCULLIS_SLOW").is_some() { 1_000_000 } else { 30_000 };
    let store = settled(capacity);
    // Evenly over the time, 8 windows long, each message stamped when it arrives.
    let window = 305_000;
    for n in 0..capacity * 8 {
        let now = NOW.plus(i64::try_from(n * window / capacity).unwrap());
        let key = store.key(b"a", &n.to_le_bytes(), now, Mode::Strict);
        assert!(admitted(store.admit(&key, now)).is_some(), "message {n} of {capacity}");
        if n >= 100 && n % 7 == 0 {
            let old = n - 1 - n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % capacity.min(n - 1).min(capacity * 295 / 305);
            let then = NOW.plus(i64::try_from(old * window / capacity).unwrap());
            assert_eq!(store.admit(&store.key(b"a", &old.to_le_bytes(), then, Mode::Strict), now), Admit::Replayed);
        }
    }
    assert_eq!(store.refused_full(), 0);
    assert!(store.bytes() <= capacity * 15 + 2 * 4096, "{} bytes", store.bytes());
}

#[test]
fn the_stated_capacity_is_kept_however_the_messages_come() {
    let capacity = 20_000u32;
    for stamp in [|_| 0, |n: i64| -(n % 300_000), |n: i64| if n % 2 == 0 { 5_000 } else { -290_000 }] {
        let store = settled(u64::from(capacity));
        for n in 0..capacity {
            let key = store.key(b"a", &n.to_le_bytes(), NOW.plus(stamp(i64::from(n) * 97)), Mode::Strict);
            assert!(admitted(store.admit(&key, NOW)).is_some(), "message {n}");
        }
        assert_eq!(store.refused_full(), 0);
    }
}

#[test]
fn past_the_capacity_nothing_live_is_forgotten() {
    let store = settled(2000);
    let mut kept = Vec::new();
    let mut full = 0;
    for n in 0..10_000u32 {
        let key = store.key(b"a", &n.to_le_bytes(), NOW, Mode::Strict);
        match store.admit(&key, NOW) {
            Admit::Ok(_) => kept.push(key),
            Admit::Full => full += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(full > 0 && kept.len() >= 2000, "{full} {}", kept.len());
    assert_eq!(store.refused_full(), full);
    for key in kept {
        assert_eq!(store.admit(&key, NOW), Admit::Replayed);
    }
}

#[test]
fn batches_answer_as_one_by_one_and_of_two_copies_one_wins() {
    let (store, other) = (settled(5000), settled(5000));
    let nonces: Vec<u32> = (0..500u32).flat_map(|n| [n, n / 3, n]).collect();
    let keys = |store: &Store| -> Vec<NonceKey> {
        nonces.iter().map(|n| store.key(b"a", &n.to_le_bytes(), NOW, Mode::Strict)).collect()
    };
    let mut answers = vec![Admit::Full; nonces.len()];
    store.admit_batch(&keys(&store), NOW, &mut answers);
    let alone: Vec<Admit> = keys(&other).iter().map(|key| other.admit(key, NOW)).collect();
    let ok = |answers: &[Admit]| answers.iter().map(|a| admitted(*a).is_some()).collect::<Vec<_>>();
    assert_eq!(ok(&answers), ok(&alone));
    assert_eq!(answers.iter().filter(|a| admitted(**a).is_some()).count(), 500);
}

#[test]
fn clocks_that_step_back_never_admit_twice() {
    let store = settled(1000);
    let mut admits = std::collections::HashMap::new();
    let mut now = NOW;
    for round in 0..4000u32 {
        // Forward by seven seconds, every hundredth time back by an hour.
        now = now.plus(if round % 100 == 99 { -3_600_000 } else { 7_000 });
        for n in 0..4u32 {
            let id = (n, now.0 / 20_000);
            let key = store.key(
                b"a",
                &[id.0.to_le_bytes(), (id.1 as u32).to_le_bytes()].concat(),
                Millis(id.1 * 20_000),
                Mode::Strict,
            );
            if admitted(store.admit(&key, now)).is_some() {
                *admits.entry(id).or_insert(0) += 1;
            }
        }
    }
    assert!(admits.len() > 100, "{}", admits.len());
    assert!(admits.values().all(|count| *count == 1));
}

#[test]
fn a_table_untouched_for_many_generations_is_swept() {
    let config = NonceConfig { capacity: 3000, past_window_ms: 900, future_window_ms: 100, ..NonceConfig::default() };
    let store = open(config, NOW.plus(-10_000));
    let period = 250;
    let fill = |now: Millis| {
        let mut full = 0;
        for n in 0..800u32 {
            let key = store.key(b"a", &[&n.to_le_bytes()[..], &now.0.to_le_bytes()].concat(), now, Mode::Message);
            match store.admit(&key, now) {
                Admit::Ok(_) => {}
                Admit::Full => full += 1,
                other => panic!("{other:?} at {now:?}"),
            }
            assert!(!matches!(store.admit(&key, now), Admit::Ok(_)));
        }
        assert_eq!(full, 0);
    };
    // Without the sweep, an entry 2^19 generations old reads as the future and refuses what comes to its slot.
    let mut now = NOW;
    for leap in [1, 1 << 17, (1 << 17) + 5, 1 << 18, 1 << 19, (1 << 19) + 1, (1 << 20) - 3, 1 << 20, 3 << 18] {
        for step in 0..8 {
            fill(now.plus(step * period));
        }
        now = now.plus((8 + leap) * period);
    }
    // Light traffic that never reaches the slots deep in a page, for as long.
    for _ in 0..2000 {
        now = now.plus(period << 9);
        let key = store.key(b"a", &now.0.to_le_bytes(), now, Mode::Message);
        assert!(admitted(store.admit(&key, now)).is_some());
    }
    fill(now.plus(period));
}

#[test]
fn threads_racing_with_the_same_nonces_admit_each_once() {
    let ids: usize = if std::env::var_os("PORTCULLIS_SLOW").is_some() { 2_000_000 } else { 50_000 };
    for mode in [Mode::Strict, Mode::Message] {
        // A store for each: the second run begins where the first did, which for one store would be a clock stepped back.
        let store = settled(400_000);
        let admits: Vec<AtomicUsize> = (0..ids).map(|_| AtomicUsize::new(0)).collect();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for (id, count) in admits.iter().enumerate() {
                        let now = NOW.plus(i64::try_from(id).unwrap());
                        let key = store.key(b"a", &id.to_le_bytes(), now, mode);
                        if admitted(store.admit(&key, now)).is_some() {
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let once = admits.iter().filter(|count| count.load(Ordering::Relaxed) == 1).count();
        assert_eq!(once, ids, "{mode:?}");
    }
}

#[test]
fn threads_racing_with_one_nonce_under_many_timestamps_admit_at_most_one() {
    let store = settled(400_000);
    let ids = 20_000usize;
    let admits: Vec<AtomicUsize> = (0..ids).map(|_| AtomicUsize::new(0)).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (store, admits) = (&store, &admits);
            scope.spawn(move || {
                for (id, count) in admits.iter().enumerate() {
                    let key = store.key(b"a", &id.to_le_bytes(), NOW.plus(-80_000 * thread), Mode::Strict);
                    if admitted(store.admit(&key, NOW)).is_some() {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert!(admits.iter().all(|count| count.load(Ordering::Relaxed) <= 1));
    assert!(admits.iter().any(|count| count.load(Ordering::Relaxed) == 1));
}

#[test]
fn threads_racing_for_a_nonce_that_is_given_back_take_it_once_each_time() {
    let store = settled(1000);
    let key = store.key(b"a", b"once", NOW, Mode::Strict);
    let taken = AtomicUsize::new(0);
    let given = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    if let Some(ticket) = admitted(store.admit(&key, NOW)) {
                        assert_eq!(
                            taken.fetch_add(1, Ordering::SeqCst),
                            given.load(Ordering::SeqCst),
                            "one holder at a time"
                        );
                        given.fetch_add(1, Ordering::SeqCst);
                        assert!(store.release(ticket));
                    }
                }
            });
        }
    });
    assert!(taken.load(Ordering::SeqCst) > 0);
}

#[test]
fn an_app_at_its_cap_leaves_the_others_their_room() {
    let config = NonceConfig { capacity: 2000, ..NonceConfig::default() };
    let shares_config = SharesConfig { apps: 50 };
    let spec = RegionSpec::new(None, NOW.plus(-86_400_000))
        .with(config.section(Kind::Sip))
        .with(shares_config.section(Kind::Sip));
    let region = Region::open(&spec).unwrap();
    let store = Store::open(&region, &config).unwrap();
    let shares = Shares::open(&region, &shares_config, &config).unwrap();
    let (greedy, modest) = (shares.key(b"greedy", NOW), shares.key(b"modest", NOW));
    assert_ne!(greedy, modest);
    assert_eq!(greedy, shares.key(b"greedy", NOW));
    let ask = |app: &[u8], share: &ShareKey, n: u32, now: Millis| {
        let key = store.key(app, &n.to_le_bytes(), now, Mode::Strict);
        admitted(store.admit_within(&key, now, &shares, share, 1000)).is_some()
    };
    assert_eq!((0..5000).filter(|n| ask(b"greedy", &greedy, *n, NOW)).count(), 1000);
    assert_eq!(shares.used(&greedy, NOW), 1000);
    assert!((0..1000).all(|n| ask(b"modest", &modest, n, NOW)));
    // A replay is not counted.
    assert!(!ask(b"modest", &modest, 5, NOW));
    assert_eq!(shares.used(&modest, NOW), 1000);
    // When the window has passed there is room again.
    let later = NOW.plus(400_000);
    assert_eq!(shares.used(&greedy, later), 0);
    assert!((0..1000).all(|n| ask(b"greedy", &greedy, n, later)));
    // Apps whose nonces are all over leave their rows to others: ten times as many as there are rows, one after the other.
    for app in 0..1000u32 {
        let now = later.plus(i64::from(app) * 400_000);
        let share = shares.key(&app.to_le_bytes(), now);
        assert_eq!(shares.used(&share, now), 0);
        assert!(ask(&app.to_le_bytes(), &share, app, now));
        assert_eq!((share, shares.used(&share, now)), (shares.key(&app.to_le_bytes(), now), 1));
    }
    // More at once than rows: they share rows, and never get more than the cap.
    let now = later.plus(1000 * 400_000);
    for app in 0..500u32 {
        let share = shares.key(&app.to_le_bytes(), now);
        shares.count(&share, now);
        assert!((1..=500).contains(&shares.used(&shares.key(&app.to_le_bytes(), now), now)));
    }
}

#[test]
fn the_picture_of_a_table_counts_every_slot_once() {
    let store = settled(1000);
    let empty = store.occupancy(NOW);
    assert_eq!((empty.slots, empty.slots % 448), (empty.empty, 0));
    let mut tickets = Vec::new();
    for n in 0..300u32 {
        // A hundred each of the current generation, of three before, and of those that are over two windows later.
        let stamp = NOW.plus(-i64::from(n / 100) * 3 * i64::try_from(empty.period_ms).unwrap() / 2);
        tickets.extend(admitted(store.admit(&store.key(b"a", &n.to_le_bytes(), stamp, Mode::Strict), NOW)));
    }
    assert!(store.release(tickets[0]));
    let picture = store.occupancy(NOW);
    assert_eq!((picture.live.iter().sum::<u64>(), picture.released, picture.over, picture.ahead), (300, 1, 0, 0));
    assert_eq!(picture.live[8], 100);
    assert_eq!(picture.empty + 300, picture.slots);
    let later = store.occupancy(NOW.plus(700_000));
    assert_eq!((later.live.iter().sum::<u64>(), later.over), (0, 300));
    assert_eq!(store.occupancy(NOW.plus(-700_000)).ahead, 300);
}
