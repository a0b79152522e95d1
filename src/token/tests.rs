use super::*;
use crate::hash::prf::Kind;
use crate::shm::{Region, RegionSpec};
use crate::time::Millis;
use crate::verdict::{Reason, Ticket};

const NOW: Millis = Millis(1_700_000_000_000);
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn store(sizes: Sizes, birth_rule: bool) -> Store {
    let spec = RegionSpec::new(None, NOW).with(sizes.section(Kind::Sip));
    Store::open(&Region::open(&spec).unwrap(), &sizes, birth_rule).unwrap()
}

fn policy() -> Policy {
    Policy::new(&[(0, SECRET)]).unwrap()
}

#[test]
fn a_changed_token_is_refused_whatever_the_change() {
    let (store, policy) = (store(Sizes::default(), false), policy());
    let issued = store.issue(&policy, b"app", None, NOW).unwrap();
    let text = issued.token.as_str().as_bytes();
    assert_eq!(text.len(), 40);
    assert_eq!(store.check(&policy, b"app", text, None, NOW), Ok(()));
    assert_eq!(store.check(&policy, b"ap", text, None, NOW), Err(Reason::TokenInvalid));
    for at in 0..text.len() {
        for by in 1..=255u8 {
            let mut changed = text.to_vec();
            changed[at] ^= by;
            assert_eq!(store.check(&policy, b"app", &changed, None, NOW), Err(Reason::TokenInvalid), "{at} {by}");
        }
    }
    for cut in [0, 39] {
        assert_eq!(store.check(&policy, b"app", &text[..cut], None, NOW), Err(Reason::TokenInvalid));
    }
    assert_eq!(store.check(&policy, b"app", &[text, b"A"].concat(), None, NOW), Err(Reason::TokenInvalid));
    assert_eq!(format!("{issued:?}").find(issued.token.as_str()), None, "Debug shows no token");
    assert!(!format!("{policy:?}").contains("0123456789abcdef"));
}

#[test]
fn a_key_in_retirement_checks_and_signs_no_more() {
    let store = store(Sizes::default(), false);
    let other: &[u8] = b"another secret of thirty-two byte";
    let (old, both) = (policy(), Policy::new(&[(1, other), (0, SECRET)]).unwrap());
    let new = Policy::new(&[(1, other)]).unwrap();
    let first = store.issue(&old, b"app", None, NOW).unwrap();
    let second = store.issue(&both, b"app", None, NOW).unwrap();
    assert_eq!(store.check(&both, b"app", first.token.as_str().as_bytes(), None, NOW), Ok(()));
    assert_eq!(store.check(&new, b"app", second.token.as_str().as_bytes(), None, NOW), Ok(()));
    assert_eq!(store.check(&new, b"app", first.token.as_str().as_bytes(), None, NOW), Err(Reason::TokenInvalid));
    assert_eq!(Policy::new(&[]).unwrap_err(), PolicyError::Keys);
    assert_eq!(Policy::new(&[(16, SECRET)]).unwrap_err(), PolicyError::KeyNumber);
    assert_eq!(Policy::new(&[(1, SECRET), (1, other)]).unwrap_err(), PolicyError::KeyNumber);
    assert_eq!(Policy::new(&[(1, &SECRET[1..])]).unwrap_err(), PolicyError::ShortSecret);
}

#[test]
fn refreshing_without_end_gives_the_first_token_five_minutes_and_no_more() {
    let (store, policy) = (store(Sizes::default(), false), policy());
    let first = store.issue(&policy, b"app", None, NOW).unwrap();
    let mut later = Vec::new();
    for second in 0..300 {
        let now = NOW.plus(second * 1000);
        later.push(store.refresh(&policy, b"app", None, now).unwrap());
        assert_eq!(store.check(&policy, b"app", first.token.as_str().as_bytes(), None, now), Ok(()), "{second}");
    }
    let over = NOW.plus(300_000);
    assert_eq!(store.check(&policy, b"app", first.token.as_str().as_bytes(), None, over), Err(Reason::TokenExpired));
    for token in &later {
        assert_eq!(store.check(&policy, b"app", token.token.as_str().as_bytes(), None, over), Ok(()));
    }
    // The next generation: two before it are over at once, one before has its overlap.
    store.refresh(&policy, b"app", None, over).unwrap();
    assert_eq!(store.check(&policy, b"app", first.token.as_str().as_bytes(), None, over), Err(Reason::TokenExpired));
    let one = later[0].token.as_str().as_bytes();
    assert_eq!(store.check(&policy, b"app", one, None, over.plus(299_999)), Ok(()));
    assert_eq!(store.check(&policy, b"app", one, None, over.plus(300_000)), Err(Reason::TokenExpired));
}

#[test]
fn a_generation_of_another_machine_becomes_this_ones_too() {
    let (here, there, policy) = (store(Sizes::default(), false), store(Sizes::default(), false), policy());
    let old = here.issue(&policy, b"app", None, NOW).unwrap();
    let new = there.refresh(&policy, b"app", None, NOW).unwrap();
    assert_eq!(here.check(&policy, b"app", new.token.as_str().as_bytes(), None, NOW), Ok(()));
    let old = old.token.as_str().as_bytes();
    assert_eq!(here.check(&policy, b"app", old, None, NOW.plus(299_999)), Ok(()));
    assert_eq!(here.check(&policy, b"app", old, None, NOW.plus(300_000)), Err(Reason::TokenExpired));
}

#[test]
fn as_many_tokens_are_revoked_as_the_region_was_made_for_and_then_forgotten() {
    let sizes = Sizes { revocations: 1000, ..Sizes::default() };
    let (store, policy) = (store(sizes, false), policy());
    // Six times over, a day and more apart: what is over makes room.
    for round in 0..6 {
        let now = NOW.plus(round * 8_000_000);
        let tokens: Vec<_> = (0..1000).map(|_| store.issue(&policy, b"app", Some(7200), now).unwrap()).collect();
        for (i, token) in tokens.iter().enumerate() {
            let text = token.token.as_str().as_bytes();
            assert_eq!(store.check(&policy, b"app", text, None, now), Ok(()), "{round} {i}");
            assert_eq!(store.revoke(&policy, b"app", text, now), Ok(()), "{round} {i}");
            assert_eq!(store.revoke(&policy, b"app", text, now), Ok(()), "{round} {i}: twice");
        }
        for token in &tokens {
            let text = token.token.as_str().as_bytes();
            for at in [0, 7_199_999] {
                assert_eq!(store.check(&policy, b"app", text, None, now.plus(at)), Err(Reason::TokenRevoked));
            }
        }
    }
    assert_eq!(store.revoke(&policy, b"app", b"no token", NOW), Err(Reason::TokenInvalid));
}

#[test]
fn what_is_revoked_up_to_now_leaves_what_is_issued_next() {
    let (store, policy) = (store(Sizes::default(), false), policy());
    let issue = |app: &[u8]| store.issue(&policy, app, None, NOW).unwrap().token;
    let check = |app: &[u8], token: &TokenText| store.check(&policy, app, token.as_str().as_bytes(), None, NOW);
    let (a, b) = (issue(b"a"), issue(b"b"));
    store.revoke_app(b"a", NOW).unwrap();
    let next = issue(b"a");
    assert_eq!((check(b"a", &a), check(b"b", &b)), (Err(Reason::TokenRevoked), Ok(())));
    assert_eq!(check(b"a", &next), Ok(()));
    store.revoke_all(NOW.plus(10));
    assert_eq!((check(b"a", &next), check(b"b", &b)), (Err(Reason::TokenRevoked), Err(Reason::TokenRevoked)));
    assert_eq!(check(b"b", &issue(b"b")), Ok(()));
    // Never backward.
    store.revoke_all(NOW.plus(-1000));
    assert_eq!(check(b"b", &b), Err(Reason::TokenRevoked));
}

#[test]
fn a_new_region_refuses_what_an_old_one_issued() {
    let (with, without, policy) = (store(Sizes::default(), true), store(Sizes::default(), false), policy());
    let before = without.issue(&policy, b"app", None, NOW.plus(-1)).unwrap();
    let text = before.token.as_str().as_bytes();
    assert_eq!(without.check(&policy, b"app", text, None, NOW), Ok(()));
    assert_eq!(with.check(&policy, b"app", text, None, NOW), Err(Reason::TokenExpired));
    let once = without.issue_one_time(&policy, b"app", NOW.plus(-1)).unwrap();
    assert_eq!(
        with.reserve(&policy, b"app", once.token.as_str().as_bytes(), NOW).unwrap_err().reason,
        Reason::TokenExpired
    );
}

#[test]
fn a_one_time_token_goes_through_its_states() {
    let (store, policy) = (store(Sizes::default(), false), policy());
    let token = store.issue_one_time(&policy, b"app", NOW).unwrap().token;
    let text = token.as_str().as_bytes();
    let lease = i64::try_from(policy.one_time.lease_ms).unwrap();
    let reserve = |at: i64| store.reserve(&policy, b"app", text, NOW.plus(at));
    let held = |ms| Err(Refused { reason: Reason::IdempotencyUsed, retry_after_ms: ms });

    let first = reserve(0).unwrap();
    assert_eq!(reserve(0), held(60_001));
    assert_eq!(reserve(lease), held(1));
    assert!(store.release(&first));
    assert!(!store.release(&first), "once");
    assert!(!store.commit(&first), "given back");
    // Again in the same millisecond: another reservation, which the first ticket does not hold.
    let second = reserve(0).unwrap();
    assert!(!store.release(&first) && !store.commit(&first));
    // The worker dies; the lease ends; somebody else takes over, and the late holder has lost it.
    let third = reserve(lease + 2).unwrap();
    assert!(!store.commit(&second) && !store.release(&second));
    assert!(store.commit(&third));
    for at in [0, lease + 2, 2 * lease, 599_999] {
        assert_eq!(reserve(at), held(0), "{at}");
    }
    assert_eq!(reserve(600_000).unwrap_err().reason, Reason::TokenExpired);
    assert!(!store.release(&third) && !store.commit(&third));
    for words in [[0; 3], [1, 0, 0], [u64::MAX; 3], [1 << 40, first.words()[1], 0]] {
        assert!(!store.release(&Ticket::of(words)));
    }
    // An access token is no one-time token, and the other way round.
    let access = store.issue(&policy, b"app", None, NOW).unwrap().token;
    let other = store.reserve(&policy, b"app", access.as_str().as_bytes(), NOW);
    assert_eq!(other.unwrap_err().reason, Reason::TokenInvalid);
    assert_eq!(store.check(&policy, b"app", text, None, NOW), Err(Reason::TokenInvalid));
    let other_app = store.issue_one_time(&policy, b"app", NOW).unwrap().token;
    assert_eq!(
        store.reserve(&policy, b"other", other_app.as_str().as_bytes(), NOW).unwrap_err().reason,
        Reason::TokenInvalid
    );
}

#[test]
fn the_table_of_one_time_tokens_holds_what_it_was_made_for_life_after_life() {
    let sizes = Sizes { one_time: 2000, ..Sizes::default() };
    let (store, policy) = (store(sizes, false), policy());
    let mut used = Vec::new();
    // Ten lives, two thousand tokens each, spread over the life; every token is used once and refused ever after.
    for n in 0..20_000i64 {
        let now = NOW.plus(n * 300);
        let token = store.issue_one_time(&policy, b"app", now).unwrap().token;
        let ticket = store.reserve(&policy, b"app", token.as_str().as_bytes(), now).unwrap();
        assert!(store.commit(&ticket));
        used.push(token);
        for back in [0, 1, 100, 1000, 1900] {
            if let Some(token) = usize::try_from(n - back).ok().and_then(|at| used.get(at)) {
                let again = store.reserve(&policy, b"app", token.as_str().as_bytes(), now);
                assert_eq!(again.unwrap_err().reason, Reason::IdempotencyUsed, "{n} - {back}");
            }
        }
        if let Some(token) = usize::try_from(n - 2000).ok().and_then(|at| used.get(at)) {
            let again = store.reserve(&policy, b"app", token.as_str().as_bytes(), now);
            assert_eq!(again.unwrap_err().reason, Reason::TokenExpired);
        }
    }
}

#[test]
fn a_full_table_refuses_and_forgets_nothing() {
    let sizes = Sizes { one_time: 1, ..Sizes::default() };
    let (store, policy) = (store(sizes, false), policy());
    let mut used = Vec::new();
    for _ in 0..1000 {
        let token = store.issue_one_time(&policy, b"app", NOW).unwrap().token;
        match store.reserve(&policy, b"app", token.as_str().as_bytes(), NOW) {
            Ok(ticket) => {
                assert!(store.commit(&ticket));
                used.push(token);
            }
            Err(refused) => assert_eq!(refused.reason, Reason::NonceStoreFull),
        }
    }
    assert_eq!(used.len(), 256);
    for token in &used {
        let again = store.reserve(&policy, b"app", token.as_str().as_bytes(), NOW);
        assert_eq!(again.unwrap_err().reason, Reason::IdempotencyUsed);
    }
}

#[test]
fn threads_that_race_with_one_token_get_one_reservation() {
    let (store, policy) = (store(Sizes { one_time: 500, ..Sizes::default() }, false), policy());
    for round in 0..500 {
        let token = store.issue_one_time(&policy, b"app", NOW).unwrap().token;
        let barrier = std::sync::Barrier::new(4);
        let wins: usize = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        usize::from(store.reserve(&policy, b"app", token.as_str().as_bytes(), NOW).is_ok())
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).sum()
        });
        assert_eq!(wins, 1, "{round}");
    }
}

#[test]
fn a_token_gets_the_same_answer_in_a_batch_of_any_size() {
    let (store, other_key) =
        (store(Sizes::default(), false), Policy::new(&[(3, b"another secret of thirty-two byte")]).unwrap());
    let policy = Policy::new(&[(0, SECRET), (3, b"another secret of thirty-two byte"), (4, &[7; 40])]).unwrap();
    let late = NOW.plus(3_700_000);
    let apps: Vec<Vec<u8>> = (0..5).map(|n| vec![b'a' + n; 1 + 20 * usize::from(n)]).collect();
    let mut tokens: Vec<(&[u8], Vec<u8>)> = Vec::new();
    for (n, app) in apps.iter().enumerate() {
        for turn in 0..30usize {
            // Good; over; revoked; superseded by a refresh; another app's; changed; of no form; of another kind; of a key that is not there.
            let at = if turn % 10 == 1 { NOW } else { late.plus(-1000 * turn as i64) };
            let by = if turn % 10 == 9 { &other_key } else { &policy };
            let issued = store.issue(by, app, None, at).unwrap();
            let mut text = issued.token.as_str().as_bytes().to_vec();
            let mut of: &[u8] = app;
            match turn % 10 {
                2 => store.revoke(&policy, app, &text, late).unwrap(),
                3 if n == 1 => drop(store.refresh(&policy, app, None, at.plus(-400_000)).unwrap()),
                4 => of = &apps[(n + 1) % apps.len()],
                5 => text[turn % 40] ^= 1,
                6 => text.truncate(turn),
                7 => text = store.issue_one_time(&policy, app, at).unwrap().token.as_str().as_bytes().to_vec(),
                8 if turn == 8 => text = b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_vec(),
                _ => {}
            }
            tokens.push((of, text));
        }
    }
    let max_age = |at: usize| at.is_multiple_of(7).then_some(9_000);
    let alone: Vec<_> =
        tokens.iter().enumerate().map(|(at, (app, text))| store.check(&policy, app, text, max_age(at), late)).collect();
    for reason in [Reason::TokenInvalid, Reason::TokenExpired, Reason::TokenRevoked] {
        assert!(alone.iter().filter(|answer| **answer == Err(reason)).count() >= 5, "{reason}");
    }
    assert!(alone.iter().filter(|answer| answer.is_ok()).count() >= 20);
    let checks: Vec<Check<'_>> =
        tokens.iter().enumerate().map(|(at, (app, token))| Check { app, token, max_age_ms: max_age(at) }).collect();
    let mut checker = Checker::new();
    for size in 0..=130 {
        for start in [0, 3 * size % (checks.len() - size)] {
            let mut answers = vec![Err(Reason::Internal); size + 1];
            store.check_batch(&policy, &checks[start..start + size], late, &mut checker, &mut answers);
            assert_eq!(answers[..size], alone[start..start + size], "{size} {start}");
            assert_eq!(answers[size], Err(Reason::Internal), "left alone");
        }
    }
    let mut answers = vec![Err(Reason::Internal); checks.len()];
    store.check_batch(&policy, &checks, late, &mut checker, &mut answers);
    assert_eq!(answers, alone);
}
