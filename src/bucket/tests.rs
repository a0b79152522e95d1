use super::cell::{self, Outcome};
use super::deny::Walk;
use super::*;
use crate::hash::prf::Kind;
use crate::shm::{Region, RegionSpec};
use crate::time::Millis;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const NOW: Millis = Millis(1_700_000_000_000);

fn open(keys: u64) -> Limits {
    let config = LimitsConfig { keys };
    let region = Region::open(&RegionSpec::new(None, NOW).with(config.section(Kind::Sip))).unwrap();
    Limits::open(&region, &config).unwrap()
}

fn ok(take: Take) -> bool {
    matches!(take, Take::Ok(_))
}

#[test]
fn a_key_without_a_debt_keeps_its_cell_while_others_are_empty() {
    let rate = Rate::new(1, 10, 1).unwrap();
    let group: [AtomicU64; 64] = std::array::from_fn(|_| AtomicU64::new(0));
    let take = |number: u64, now: Millis| cell::take(&group, 8, cell::tag(number << 40), &rate, now, || number);
    // One after the other, each when the debt of all before it is paid: 64 keys find 64 cells.
    for number in 1..=64 {
        let now = NOW.plus(100 * i64::try_from(number).unwrap());
        assert!(matches!(take(number, now), Outcome::Ok(_)));
        assert!(matches!(take(number, now), Outcome::Limited(10)));
    }
    let tags = |group: &[AtomicU64]| group.iter().map(|cell| cell.load(Ordering::Relaxed) >> 40).collect::<Vec<_>>();
    let in_order: Vec<u64> = (57..=64).chain(1..=56).collect();
    assert_eq!(tags(&group), in_order, "from the eighth on, wrapped");
    // None is empty any more: the next key takes the first that is paid.
    assert!(matches!(take(65, NOW.plus(10_000)), Outcome::Ok(_)));
    assert_eq!(tags(&group)[8..10], [65, 2]);
}

#[test]
fn a_burst_passes_then_the_rate() {
    let limits = open(100);
    let rate = Rate::new(10, 1000, 5).unwrap();
    let key = limits.key(&[b"per-app", b"a"]);
    for _ in 0..5 {
        assert_eq!(limits.peek(&key, &rate, NOW), 0);
        assert!(ok(limits.take(&key, &rate, NOW)));
    }
    assert_eq!(limits.take(&key, &rate, NOW), Take::Limited { retry_after_ms: 100 });
    assert_eq!(limits.peek(&key, &rate, NOW), 100);
    assert_eq!(limits.take(&key, &rate, NOW.plus(99)), Take::Limited { retry_after_ms: 1 });
    assert!(ok(limits.take(&key, &rate, NOW.plus(100))));
    assert_eq!(limits.take(&key, &rate, NOW.plus(100)), Take::Limited { retry_after_ms: 100 });
    assert!(ok(limits.take(&limits.key(&[b"per-app", b"b"]), &rate, NOW)), "another key");
    let later = NOW.plus(10_000);
    assert_eq!((0..20).filter(|_| ok(limits.take(&key, &rate, later))).count(), 5);
}

#[test]
fn giving_back_is_exact() {
    let limits = open(100);
    let rate = Rate::new(1, 1000, 2).unwrap();
    let key = limits.key(&[b"x"]);
    let Take::Ok(first) = limits.take(&key, &rate, NOW) else { panic!() };
    let Take::Ok(second) = limits.take(&key, &rate, NOW) else { panic!() };
    assert!(!ok(limits.take(&key, &rate, NOW)));
    assert!(limits.give_back(&key, &rate, second, NOW.plus(10)));
    assert!(ok(limits.take(&key, &rate, NOW.plus(10))));
    assert!(!ok(limits.take(&key, &rate, NOW.plus(10))));
    // The first request's own debt is paid a second later: then there is nothing to give.
    assert!(!limits.give_back(&key, &rate, first, NOW.plus(1000)));
    assert!(ok(limits.take(&key, &rate, NOW.plus(1000))));
    assert!(!ok(limits.take(&key, &rate, NOW.plus(1000))));
}

#[test]
fn several_limits_are_all_or_nothing() {
    let limits = open(100);
    let wide = Rate::new(1, 60_000, 10).unwrap();
    let narrow = Rate::new(1, 60_000, 3).unwrap();
    let both = [(limits.key(&[b"wide"]), wide), (limits.key(&[b"narrow"]), narrow)];
    let mut debits = [Debit::default(); 2];
    for _ in 0..3 {
        assert_eq!(limits.take_all(&both, NOW, &mut debits), Ok(()));
    }
    for _ in 0..20 {
        assert_eq!(limits.take_all(&both, NOW, &mut debits), Err(Refusal { index: 1, retry_after_ms: 60_000 }));
    }
    // The same key twice: the look lets both pass, the second take refuses, and the first is given back.
    let twice = [(limits.key(&[b"twice"]), Rate::new(1, 1000, 1).unwrap()); 2];
    assert_eq!(limits.take_all(&twice, NOW, &mut debits), Err(Refusal { index: 1, retry_after_ms: 1000 }));
    assert_eq!(limits.take_all(&twice[..1], NOW, &mut debits), Ok(()));
    assert_eq!((0..20).filter(|_| ok(limits.take(&both[0].0, &wide, NOW))).count(), 7);
}

#[test]
fn cells_are_used_again_and_the_stated_number_of_keys_fits() {
    let keys = 3000u32;
    let limits = open(u64::from(keys));
    let rate = Rate::new(1, 1000, 1).unwrap();
    // Two keys of one group share a tag, and so a cell, with a chance of 10^-7: three times in this test is as good as never.
    let mut shared = 0;
    for round in 0..20u32 {
        let now = NOW.plus(i64::from(round) * 1000);
        for n in 0..keys {
            let key = limits.key(&[&round.to_le_bytes(), &n.to_le_bytes()]);
            shared += u32::from(!ok(limits.take(&key, &rate, now)));
            assert!(!ok(limits.take(&key, &rate, now)));
        }
    }
    assert!(shared < 3, "{shared}");
    assert_eq!(limits.refused_full(), 0);
    // Far beyond: refused, and nobody's limit is lost.
    let now = NOW.plus(100_000);
    let taken: Vec<_> = (0..keys * 5)
        .map(|n| limits.key(&[b"many", &n.to_le_bytes()]))
        .filter(|key| ok(limits.take(key, &rate, now)))
        .collect();
    assert!(taken.len() >= keys as usize && limits.refused_full() > 0);
    assert!(taken.iter().all(|key| !ok(limits.take(key, &rate, now))));
}

#[test]
fn limits_of_every_unit_hold_over_long_times_and_changes() {
    for (name, rate) in [
        ("fine", Rate::new(1000, 1000, 100).unwrap()),
        ("middle", Rate::new(100, 3_600_000, 100).unwrap()),
        ("coarse", Rate::new(100, 86_400_000, 100).unwrap()),
    ] {
        let limits = open(1000);
        let key = limits.key(&[name.as_bytes()]);
        let mut now = NOW;
        // Silence of every length that matters for wrapping: none may be read as a debt.
        for silence in [
            0,
            1 << 17,
            1 << 18,
            700_000,
            786_432,
            900_000,
            1_048_575,
            1_048_576,
            1 << 20,
            1 << 22,
            1 << 28,
            500_000_000,
            1 << 31,
            1 << 34,
            1 << 35,
            1 << 40,
        ] {
            now =
                now.plus(silence + 86_400_000 * i64::from(name == "coarse") + 3_600_000 * i64::from(name == "middle"));
            if name == "fine" {
                now = now.plus(1000);
            }
            let passed = (0..300).filter(|_| ok(limits.take(&key, &rate, now))).count();
            assert_eq!(passed, 100, "{name} after {silence}");
        }
    }
    let limits = open(1000);
    // A limit changed at run time keeps what the key owes, in whatever unit.
    let key = limits.key(&[b"changed"]);
    let now = NOW.plus(1 << 41);
    let (day, second) = (Rate::new(10, 86_400_000, 10).unwrap(), Rate::new(10, 1000, 10).unwrap());
    assert!((0..10).all(|_| ok(limits.take(&key, &second, now))));
    assert!(ok(limits.take(&key, &day, now)), "one second owed is little of a day");
    let key = limits.key(&[b"changed the other way"]);
    assert!((0..10).all(|_| ok(limits.take(&key, &day, now))));
    assert!(!ok(limits.take(&key, &second, now)));
}

#[test]
fn threads_on_one_limit_admit_exactly_its_burst() {
    let rounds = if std::env::var_os("PORTCULLIS_SLOW").is_some() { 20_000 } else { 500u32 };
    let limits = open(50_000);
    let rate = Rate::new(1, 3_600_000, 20).unwrap();
    let counts: Vec<AtomicUsize> = (0..rounds).map(|_| AtomicUsize::new(0)).collect();
    let gate = std::sync::Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..rounds {
                    if round % 16 == 0 {
                        gate.wait();
                    }
                    let key = limits.key(&[&round.to_le_bytes()]);
                    for _ in 0..20 {
                        if ok(limits.take(&key, &rate, NOW)) {
                            counts[round as usize].fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let wrong: Vec<_> = counts.iter().map(|c| c.load(Ordering::Relaxed)).filter(|count| *count != 20).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn threads_with_more_keys_than_cells_never_exceed_a_limit() {
    // Few cells, short debts: claims, recycling and sweeping all the time.
    let limits = open(28);
    let rate = Rate::new(1, 5, 2).unwrap();
    let log: Vec<std::sync::Mutex<HashMap<(u32, i64), usize>>> = (0..4).map(|_| HashMap::new().into()).collect();
    std::thread::scope(|scope| {
        for (thread, log) in log.iter().enumerate() {
            let limits = &limits;
            scope.spawn(move || {
                let mut seed = thread as u64 + 1;
                let mut log = log.lock().unwrap();
                for step in 0..60_000i64 {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let id = (seed >> 40) as u32 % 100;
                    // One moment for all: a thread that lags is a clock that lags, which may admit what its lag brings.
                    let now = NOW.plus(step / 20_000 * 10);
                    if ok(limits.take(&limits.key(&[&id.to_le_bytes()]), &rate, now)) {
                        *log.entry((id, now.0)).or_insert(0) += 1;
                    }
                }
            });
        }
    });
    let mut total: HashMap<u32, usize> = HashMap::new();
    for ((id, _), count) in log.iter().flat_map(|log| log.lock().unwrap().clone()) {
        *total.entry(id).or_insert(0) += count;
    }
    // Three moments, 10 ms apart, in which both of a burst come back.
    assert!(total.values().all(|count| *count <= 3 * 2 + 2), "{:?}", total.values().max());
    assert!(total.len() > 50);
}

#[test]
fn batches_answer_as_one_by_one() {
    let (one, many) = (open(500), open(500));
    let rate = Rate::new(1, 1000, 2).unwrap();
    let ids: Vec<u32> = (0..1000).map(|n| n * n % 300).collect();
    let requests: Vec<_> = ids.iter().map(|id| (many.key(&[&id.to_le_bytes()]), rate)).collect();
    let mut out = vec![Take::Full; ids.len()];
    many.take_batch(&requests, NOW, &mut out);
    for (id, out) in ids.iter().zip(out) {
        assert_eq!(ok(one.take(&one.key(&[&id.to_le_bytes()]), &rate, NOW)), ok(out));
    }
}

fn inflight(keys: u64) -> Inflight {
    let config = InflightConfig { keys };
    let region = Region::open(&RegionSpec::new(None, NOW).with(config.section(Kind::Sip))).unwrap();
    Inflight::open(&region, &config).unwrap()
}

#[test]
fn requests_under_way_are_counted_over_workers() {
    let inflight = inflight(10);
    let (one, two) = (inflight.register().unwrap(), inflight.register().unwrap());
    let key = inflight.key(&[b"pay", b"app"]);
    assert_eq!(inflight.key(&[b"pay", b"app"]), key);
    let other = inflight.key(&[b"pay", b"other"]);
    let row = one.enter(key, 3, NOW).unwrap();
    assert!(two.enter(key, 3, NOW) == Some(row) && two.enter(key, 3, NOW) == Some(row));
    assert!(one.enter(key, 3, NOW).is_none() && two.enter(key, 3, NOW).is_none());
    let elsewhere = one.enter(other, 1, NOW).unwrap();
    assert!(elsewhere != row && two.enter(other, 1, NOW).is_none());
    two.leave(row);
    assert!(one.enter(key, 3, NOW).is_some() && two.enter(key, 3, NOW).is_none());
    // A worker that goes takes along what is written down for it.
    let mut one = one;
    let mut held = Held::default();
    assert!(held.add(row) && held.add(row) && held.add(elsewhere));
    assert!(one.begin(&held).is_some());
    drop(one);
    assert_eq!((inflight.under_way(key), inflight.under_way(other)), (1, 0));
    two.leave(row);
    two.leave(row);
    assert_eq!(inflight.under_way(key), 0, "never below zero");
    assert!(two.enter(key, 0, NOW).is_none());
}

#[test]
fn threads_never_have_more_under_way_than_the_limit() {
    let inflight = inflight(10);
    let key = inflight.key(&[b"hot"]);
    let (now, most, entered) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let worker = inflight.register().unwrap();
                for _ in 0..3000 {
                    if let Some(row) = worker.enter(key, 2, NOW) {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        entered.fetch_add(1, Ordering::SeqCst);
                        std::hint::spin_loop();
                        now.fetch_sub(1, Ordering::SeqCst);
                        worker.leave(row);
                    }
                }
            });
        }
    });
    assert!(most.load(Ordering::SeqCst) <= 2 && entered.load(Ordering::SeqCst) > 0);
    assert_eq!(inflight.under_way(key), 0);
}

#[test]
fn the_denied_are_denied_for_their_time() {
    let config = DenyConfig { keys: 100 };
    let region = Region::open(&RegionSpec::new(None, NOW).with(config.section(Kind::Sip))).unwrap();
    let (deny, elsewhere) = (Deny::open(&region, &config).unwrap(), Deny::open(&region, &config).unwrap());
    let keys: Vec<_> = (0..100u32).map(|n| deny.key(&[b"ip", &n.to_le_bytes()])).collect();
    for (n, key) in keys.iter().enumerate() {
        assert!(!deny.is_denied(key, NOW));
        deny.deny(key, NOW.plus(n as i64), NOW).unwrap();
    }
    for (n, key) in keys.iter().enumerate() {
        assert!(elsewhere.is_denied(key, NOW.plus(n as i64)) && !elsewhere.is_denied(key, NOW.plus(n as i64 + 1)));
    }
    deny.deny(&keys[50], Millis(i64::MAX), NOW).unwrap();
    assert!(elsewhere.is_denied(&keys[50], Millis(1 << 42)));
    deny.deny(&keys[50], Millis(0), NOW).unwrap();
    assert!(!elsewhere.is_denied(&keys[50], NOW));
    assert!(!deny.is_denied(&deny.key(&[b"app", &50u32.to_le_bytes()]), NOW), "another kind");
    // A full table says so, and forgets nobody; rows that are over for a minute are used again.
    let more = |now: Millis| {
        let mark = |n: &u32| deny.deny(&deny.key(&[b"more", &n.to_le_bytes()]), now.plus(10_000), now);
        (0..1000u32).filter(|n| mark(n).is_err()).count()
    };
    assert!(more(NOW) > 0);
    assert!(deny.is_denied(&keys[99], NOW.plus(99)));
    let later = NOW.plus(80_000);
    let many: Vec<_> = (0..100u32).map(|n| deny.key(&[b"later", &n.to_le_bytes()])).collect();
    for (n, key) in many.iter().enumerate() {
        deny.set(key, Mark { until: later.plus(5_000), value: n as u64 }, later).unwrap();
    }
    for (n, key) in many.iter().enumerate() {
        assert_eq!(elsewhere.mark(key, later), Some(Mark { until: later.plus(5_000), value: n as u64 }));
    }
    assert_eq!(deny.in_force(later), 100);
    assert!(keys.iter().all(|key| !deny.is_denied(key, later)));
}

#[test]
fn a_row_that_somebody_has_claimed_and_not_named_is_neither_the_end_nor_the_last_one() {
    let words: Vec<AtomicU64> = (0..2 * 64).map(|_| AtomicU64::new(0)).collect();
    let walk = |tag| Walk { words: &words, first: 3, tag };
    let mark = Mark { until: NOW.plus(1000), value: 7 };
    // Another process has just claimed the row that the key would take, and is stopped there.
    words[6].store(0, Ordering::SeqCst);
    words[7].store(1 << 63 | NOW.0.cast_unsigned() << 21 & !(1 << 63), Ordering::SeqCst);
    assert!(walk(99).set(mark, NOW, || 1), "there is room behind it");
    assert_eq!(walk(99).find(NOW), Some(mark));
    assert_eq!(walk(98).find(NOW), None);
}

#[test]
fn marks_of_racing_threads_are_lost_to_nobody() {
    let config = DenyConfig { keys: 32 };
    let region = Region::open(&RegionSpec::new(None, NOW).with(config.section(Kind::Sip))).unwrap();
    let deny = Deny::open(&region, &config).unwrap();
    for round in 0..300i64 {
        // Every round finds the rows of the last one over.
        let now = NOW.plus(round * 100_000);
        let gate = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let (deny, gate) = (&deny, &gate);
                scope.spawn(move || {
                    gate.wait();
                    for n in 0..8u64 {
                        // Keys of its own, and one that all mark.
                        let key = deny.key(&[&round.to_le_bytes(), &(thread * 8 + n).to_le_bytes()]);
                        deny.deny(&key, now.plus(1000), now).unwrap();
                        assert!(deny.is_denied(&key, now));
                        deny.deny(&deny.key(&[b"all"]), now.plus(1000), now).unwrap();
                    }
                });
            }
        });
        let own = (0..32u64).filter(|n| deny.is_denied(&deny.key(&[&round.to_le_bytes(), &n.to_le_bytes()]), now));
        assert_eq!(own.count(), 32);
        assert!(deny.is_denied(&deny.key(&[b"all"]), now));
        deny.deny(&deny.key(&[b"all"]), Millis(0), now).unwrap();
        assert!(!deny.is_denied(&deny.key(&[b"all"]), now), "taken away from every row");
    }
}

#[test]
fn what_a_request_holds_is_given_back_once_by_any_thread() {
    let inflight = inflight(10);
    let mut worker = inflight.register().unwrap();
    let (a, b) = (inflight.key(&[b"a"]), inflight.key(&[b"b"]));
    let mut begin = || {
        let [c, d] = [a, b].map(|key| worker.enter(key, 100, NOW).unwrap());
        let mut held = Held::default();
        assert!(held.add(c) && held.add(d) && held.add(c) && held.add(d) && !held.add(c));
        let mut held = Held::default();
        assert!(held.add(c) && held.add(d));
        worker.begin(&held).unwrap()
    };
    let tokens: Vec<u64> = (0..100).map(|_| begin()).collect();
    assert_eq!((inflight.under_way(a), inflight.under_way(b)), (100, 100));
    let (row, over) = worker.enter_over(a, 100).unwrap();
    assert!(over);
    worker.leave(row);
    let ended: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| tokens.iter().filter(|token| inflight.end(**token).is_some()).count()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(ended, 100);
    assert_eq!((inflight.under_way(a), inflight.under_way(b)), (0, 0));
    assert!(worker.is_own());
}

#[test]
fn rows_without_requests_under_way_are_used_for_other_keys() {
    let inflight = inflight(10);
    let worker = inflight.register().unwrap();
    let busy: Vec<_> = (0..10u32).map(|n| inflight.key(&[b"busy", &n.to_le_bytes()])).collect();
    let held: Vec<_> = busy.iter().map(|key| worker.enter(*key, 1, NOW).unwrap()).collect();
    // A hundred times as many keys as there are rows, one after the other.
    for n in 0..6400u32 {
        let key = inflight.key(&[b"passing", &n.to_le_bytes()]);
        let row = worker.enter(key, 1, NOW).unwrap();
        assert!(worker.enter(key, 1, NOW).is_none() && inflight.under_way(key) == 1);
        worker.leave(row);
    }
    assert!(busy.iter().all(|key| worker.enter(*key, 1, NOW).is_none()), "the busy ones kept theirs");
    // More at once than rows: refused, and none of the others loses its count.
    let many: Vec<_> = (0..200u32).map(|n| inflight.key(&[b"many", &n.to_le_bytes()])).collect();
    let entered: Vec<_> = many.iter().filter_map(|key| Some((key, worker.enter(*key, 1, NOW)?))).collect();
    assert_eq!(entered.len(), 64 - 10);
    assert!(many.iter().chain(&busy).all(|key| worker.enter(*key, 1, NOW).is_none()));
    for row in held.into_iter().chain(entered.into_iter().map(|(_, row)| row)) {
        worker.leave(row);
    }
    assert_eq!(inflight.all_under_way(), 0);
    assert!(many.iter().rev().take(64).all(|key| worker.enter(*key, 1, NOW).is_some()));
}

#[test]
fn threads_with_more_keys_than_rows_never_exceed_a_limit() {
    let inflight = inflight(1);
    let under_way: Vec<AtomicUsize> = (0..150).map(|_| AtomicUsize::new(0)).collect();
    let entered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let (inflight, under_way, entered) = (&inflight, &under_way, &entered);
            scope.spawn(move || {
                let worker = inflight.register().unwrap();
                let mut seed = thread + 1;
                let mut holds = Vec::new();
                for _ in 0..20_000 {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let id = (seed >> 40) as usize % under_way.len();
                    if let Some(row) = worker.enter(inflight.key(&[&id.to_le_bytes()]), 2, NOW) {
                        assert!(under_way[id].fetch_add(1, Ordering::SeqCst) < 2);
                        entered.fetch_add(1, Ordering::Relaxed);
                        holds.push((id, row));
                    }
                    if holds.len() > 8 {
                        let (id, row) = holds.swap_remove((seed >> 20) as usize % 9);
                        under_way[id].fetch_sub(1, Ordering::SeqCst);
                        worker.leave(row);
                    }
                }
                for (id, row) in holds {
                    under_way[id].fetch_sub(1, Ordering::SeqCst);
                    worker.leave(row);
                }
            });
        }
    });
    assert!(entered.load(Ordering::Relaxed) > 40_000);
    assert_eq!(inflight.all_under_way(), 0);
}
