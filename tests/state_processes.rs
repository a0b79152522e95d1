//! The shared region under real processes: this binary starts copies of itself. Moderate counts by default, the full ones with
//! `PORTCULLIS_SLOW=1`.

#[path = "support/dir.rs"]
mod dir;

use dir::Dir;
use portcullis::bucket::{Inflight, InflightConfig, Limits, LimitsConfig, Rate, Take};
use portcullis::hash::prf::Kind;
use portcullis::lanes::Cpu;
use portcullis::nonce::{Admit, Mode, NonceConfig, Store};
use portcullis::shm::{Region, RegionSpec, Section, SectionSpec};
use portcullis::time::Millis;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

const START: i64 = 1_700_000_000_000;
const ROLE: &str = "PORTCULLIS_TEST_ROLE";
const LIVE: u64 = 20_000;

fn slow() -> bool {
    std::env::var_os("PORTCULLIS_SLOW").is_some()
}

/// The region under test.
struct State {
    store: Store,
    limits: Limits,
    region: Region,
}

fn nonce_config() -> NonceConfig {
    NonceConfig { capacity: LIVE, ..NonceConfig::default() }
}

fn state(dir: &Path, birth: i64) -> State {
    let limits_config = LimitsConfig { keys: if slow() { 30_000 } else { 1000 } };
    let kind = Kind::best(Cpu::detect());
    let spec = RegionSpec::new(Some(dir.join("region")), Millis(birth))
        .with(nonce_config().section(kind))
        .with(limits_config.section(kind));
    let region = Region::open(&spec).unwrap();
    State {
        store: Store::open(&region, &nonce_config()).unwrap(),
        limits: Limits::open(&region, &limits_config).unwrap(),
        region,
    }
}

/// A second region for the test's own book-keeping: how often each id was admitted, how far each worker is, a clock.
struct Book {
    counts: Section,
    control: Section,
}

fn book(dir: &Path, ids: u64) -> Book {
    let section = |name, words| SectionSpec { name, words, shape: Vec::new() };
    let spec =
        RegionSpec::new(Some(dir.join("book")), Millis(0)).with(section("counts", ids)).with(section("control", 64));
    let region = Region::open(&spec).unwrap();
    Book { counts: region.section("counts").unwrap(), control: region.section("control").unwrap() }
}

impl Book {
    fn count(&self, id: u64) -> u64 {
        self.counts.words()[id as usize].fetch_add(1, SeqCst)
    }

    fn counts(&self) -> Vec<u64> {
        self.counts.words().iter().map(|word| word.load(SeqCst)).collect()
    }

    fn control(&self, word: usize) -> &std::sync::atomic::AtomicU64 {
        &self.control.words()[word]
    }
}

/// Words of the control section.
const GO: usize = 0;
const DOUBLE: usize = 1;
const ADMITTED: usize = 2;
const PROGRESS: usize = 8;

fn start(role: &str, dir: &Path, worker: u64, ids: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["a_copy_of_this_binary", "--exact", "--nocapture"])
        .env(ROLE, format!("{role} {worker} {ids} {}", dir.display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn finish(children: Vec<Child>) {
    for mut child in children {
        assert!(child.wait().unwrap().success(), "a worker failed");
    }
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(120), "{what} took too long");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

/// When message `id` was made: `LIVE` of them in a window.
fn stamp(id: u64) -> i64 {
    START + (id * 305_000 / LIVE) as i64
}

fn admitted(state: &State, id: u64, now: i64) -> bool {
    let mode = if id.is_multiple_of(2) { Mode::Strict } else { Mode::Message };
    let key = state.store.key(b"app", &id.to_le_bytes(), Millis(stamp(id)), mode);
    matches!(state.store.admit(&key, Millis(now)), Admit::Ok(_))
}

/// What the copies do. A test like any other to the harness; it does nothing unless it was started as a worker.
#[test]
fn a_copy_of_this_binary() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let mut words = role.splitn(4, ' ');
    let role = words.next().unwrap();
    let worker: u64 = words.next().unwrap().parse().unwrap();
    let ids: u64 = words.next().unwrap().parse().unwrap();
    let dir = PathBuf::from(words.next().unwrap());
    let book = book(&dir, ids);
    let mut seed = worker * 7919 + 17;
    match role {
        "same" => {
            book.control(GO).fetch_add(1, SeqCst);
            wait_until("start", || book.control(GO).load(SeqCst) >= 4);
            let state = state(&dir, START - 86_400_000);
            for id in 0..ids {
                // Loosely in step, so that the racers meet.
                if id.is_multiple_of(16) {
                    book.control(PROGRESS + worker as usize).store(id, SeqCst);
                    let behind = || (0..4).any(|other| book.control(PROGRESS + other).load(SeqCst) + 32 < id);
                    while behind() {
                        std::thread::yield_now();
                    }
                }
                for _ in 0..random(&mut seed) % 40 {
                    std::hint::spin_loop();
                }
                if admitted(&state, id, stamp(id) + 100) {
                    book.count(id);
                }
            }
            book.control(PROGRESS + worker as usize).store(u64::MAX / 2, SeqCst);
        }
        "frontier" => {
            // Goes along with the frontier that all workers push on, tries what is new and some of what is old, until killed or done.
            let state = state(&dir, START - 86_400_000);
            let skew = [0, 700, -900, 4_000][worker as usize % 4];
            loop {
                let front = book.control(GO).fetch_add(1, SeqCst);
                if front >= ids {
                    break;
                }
                // Every so often this worker's clock is an hour back for a while.
                let step = if (front / 3000) % 7 == worker % 7 { -3_600_000 } else { 0 };
                for _ in 0..2 {
                    let back = if random(&mut seed).is_multiple_of(3) {
                        random(&mut seed) % 1000
                    } else {
                        random(&mut seed) % 8
                    };
                    let id = front.saturating_sub(back);
                    if admitted(&state, id, stamp(front) + skew + step) {
                        if book.count(id) != 0 {
                            book.control(DOUBLE).fetch_add(1, SeqCst);
                        }
                        book.control(ADMITTED).fetch_add(1, SeqCst);
                    }
                }
            }
        }
        "limit" => {
            book.control(GO).fetch_add(1, SeqCst);
            wait_until("start", || book.control(GO).load(SeqCst) >= 4);
            let state = state(&dir, START);
            let rate = Rate::new(1, 3_600_000, 100).unwrap();
            for round in 0..ids {
                book.control(PROGRESS + worker as usize).store(round, SeqCst);
                while (0..4).any(|other| book.control(PROGRESS + other).load(SeqCst) < round) {
                    std::thread::yield_now();
                }
                let key = state.limits.key(&[b"limit", &round.to_le_bytes()]);
                for _ in 0..60 {
                    if matches!(state.limits.take(&key, &rate, Millis(START)), Take::Ok(_)) {
                        book.count(round);
                    }
                }
            }
            book.control(PROGRESS + worker as usize).store(u64::MAX / 2, SeqCst);
        }
        "one-limit" => {
            let state = state(&dir, START);
            let rate = Rate::new(1000, 86_400_000, 1000).unwrap();
            let key = state.limits.key(&[b"one limit of a thousand"]);
            book.control(GO).fetch_add(1, SeqCst);
            wait_until("start", || book.control(GO).load(SeqCst) >= 4);
            for _ in 0..ids {
                if matches!(state.limits.take(&key, &rate, Millis(START)), Take::Ok(_)) {
                    book.count(0);
                }
            }
        }
        "create" => {
            book.control(GO).fetch_add(1, SeqCst);
            wait_until("start", || book.control(GO).load(SeqCst) >= 8);
            let state = state(&dir, START + worker as i64);
            book.control(ADMITTED).fetch_add(u64::from(state.region.created()), SeqCst);
            book.control(PROGRESS + worker as usize).store(state.region.birth().0 as u64, SeqCst);
        }
        "hold" => {
            let inflight = inflight(&dir);
            let own = inflight.register().unwrap();
            let key = inflight.key(&[b"held"]);
            assert!((0..2).all(|_| own.enter(key, 100, Millis(START)).is_some()));
            book.control(GO).fetch_add(1, SeqCst);
            std::thread::sleep(Duration::from_secs(600));
        }
        other => panic!("no role {other}"),
    }
}

#[test]
fn four_processes_with_the_same_nonces_admit_each_once() {
    let dir = Dir::new("same");
    let ids = if slow() { 2_000_000 } else { 20_000 };
    let book = book(&dir.0, ids);
    finish((0..4).map(|worker| start("same", &dir.0, worker, ids)).collect());
    let counts = book.counts();
    assert_eq!(counts.iter().filter(|count| **count == 1).count() as u64, ids, "most: {:?}", counts.iter().max());
}

/// Four workers go along with the frontier; `kills` times one of them is killed and another started. Every admission is counted: none twice. How
/// many there were.
fn kill_and_count(dir: &Dir, ids: u64, kills: u64, mut seed: u64) -> u64 {
    let book = book(&dir.0, ids);
    let mut workers: Vec<Child> = (0..4).map(|worker| start("frontier", &dir.0, worker, ids)).collect();
    for kill in 0..kills {
        let before = book.control(GO).load(SeqCst);
        wait_until("progress", || book.control(GO).load(SeqCst) > before + 100 || book.control(GO).load(SeqCst) >= ids);
        let victim = random(&mut seed) as usize % 4;
        workers[victim].kill().unwrap();
        workers[victim].wait().unwrap();
        workers[victim] = start("frontier", &dir.0, kill % 4, ids);
    }
    for mut worker in workers {
        let _ = worker.kill();
        let _ = worker.wait();
    }
    let front = book.control(GO).load(SeqCst);
    assert_eq!(book.control(DOUBLE).load(SeqCst), 0);
    assert!(book.control(ADMITTED).load(SeqCst) > 1000);
    let counts = book.counts();
    assert!(counts.iter().all(|count| *count <= 1), "each is counted once at most");
    // Afterwards: everything that was admitted and is live is still refused.
    let state = state(&dir.0, START);
    let now = stamp(front);
    let live: Vec<u64> =
        (front.saturating_sub(LIVE / 2)..front.min(ids)).filter(|id| counts[*id as usize] > 0).collect();
    assert!(!live.is_empty());
    assert!(live.iter().all(|id| !admitted(&state, *id, now)));
    counts.iter().sum()
}

#[test]
fn workers_that_are_killed_and_started_again_admit_nothing_twice() {
    let (ids, kills) = if slow() { (20_000_000, 1_000) } else { (2_000_000, 25) };
    kill_and_count(&Dir::new("kill"), ids, kills, 5);
}

/// Opt-in: `PORTCULLIS_SOAK=1` for ten minutes, a greater number for that many seconds. Rounds of a few hundred windows each, with kills.
#[test]
fn a_soak_over_many_generations_with_kills_admits_nothing_twice() {
    let Some(seconds) = std::env::var("PORTCULLIS_SOAK").ok().and_then(|text| text.parse().ok()) else { return };
    let length = Duration::from_secs(if seconds == 1 { 600 } else { seconds });
    let start = Instant::now();
    let (mut rounds, mut admissions) = (0, 0);
    while start.elapsed() < length {
        admissions += kill_and_count(&Dir::new(&format!("soak-{rounds}")), 5_000_000, 60, rounds + 100);
        rounds += 1;
    }
    eprintln!("{rounds} rounds with 60 kills each, {admissions} admissions, none twice");
}

#[test]
fn workers_that_are_stopped_for_longer_than_the_window_admit_nothing_twice() {
    use rustix::process::{Pid, Signal, kill_process};
    let dir = Dir::new("stop");
    let ids = if slow() { 5_000_000 } else { 400_000 };
    let book = book(&dir.0, ids);
    let mut workers: Vec<Child> = (0..4).map(|worker| start("frontier", &dir.0, worker, ids)).collect();
    wait_until("start", || book.control(GO).load(SeqCst) > 100);
    let mut stops = 0;
    while book.control(GO).load(SeqCst) < ids {
        let pid = Pid::from_child(&workers[stops % 4]);
        let _ = kill_process(pid, Signal::STOP);
        // Longer than a window of the others' time.
        let before = book.control(GO).load(SeqCst);
        wait_until("progress", || {
            let front = book.control(GO).load(SeqCst);
            front > before + LIVE + LIVE / 2 || front >= ids
        });
        let _ = kill_process(pid, Signal::CONT);
        stops += 1;
    }
    for worker in &mut workers {
        worker.wait().unwrap();
    }
    assert!(stops >= 3);
    assert_eq!(book.control(DOUBLE).load(SeqCst), 0);
    assert!(book.counts().iter().all(|count| *count <= 1));
}

#[test]
fn four_processes_on_one_limit_admit_exactly_its_burst() {
    let dir = Dir::new("limit");
    let rounds = if slow() { 20_000 } else { 300 };
    let rounds_book = book(&dir.0, rounds);
    finish((0..4).map(|worker| start("limit", &dir.0, worker, rounds)).collect());
    let counts = rounds_book.counts();
    assert!(
        counts.iter().all(|count| *count == 100),
        "{:?}",
        counts.iter().filter(|count| **count != 100).collect::<Vec<_>>()
    );

    let dir = Dir::new("one-limit");
    let book = book(&dir.0, 2_000);
    finish((0..4).map(|worker| start("one-limit", &dir.0, worker, 2_000)).collect());
    assert_eq!(book.counts()[0], 1000);
}

#[test]
fn of_eight_processes_one_creates_the_region() {
    for round in 0..if slow() { 50 } else { 3 } {
        let dir = Dir::new(&format!("create-{round}"));
        let book = book(&dir.0, 1);
        finish((0..8).map(|worker| start("create", &dir.0, worker, 1)).collect());
        assert_eq!(book.control(ADMITTED).load(SeqCst), 1);
        let births: Vec<u64> = (0..8).map(|worker| book.control(PROGRESS + worker).load(SeqCst)).collect();
        assert!(births.iter().all(|birth| *birth == births[0]), "{births:?}");
        assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 2, "nothing temporary is left");
    }
}

#[test]
fn after_the_region_is_lost_nothing_it_may_have_admitted_is_admitted() {
    let dir = Dir::new("lost");
    let old = state(&dir.0, START - 86_400_000);
    let ids = 5_000;
    let lost_at = stamp(ids - 1) + 50;
    let taken: Vec<u64> = (0..ids).filter(|id| admitted(&old, *id, stamp(*id) - 4_000)).collect();
    assert!(taken.len() > 4_000);
    drop(old);
    std::fs::remove_file(dir.0.join("region")).unwrap();
    let new = state(&dir.0, lost_at);
    assert!(new.region.created());
    assert!((0..ids).all(|id| !admitted(&new, id, lost_at + 10)));
    // What is stamped after the birth and the future window passes.
    let later = (0..).find(|id| stamp(*id) > lost_at + 5_000).unwrap();
    assert!(admitted(&new, later, stamp(later)));
}

fn inflight(dir: &Path) -> Inflight {
    let config = InflightConfig { keys: 10 };
    let spec =
        RegionSpec::new(Some(dir.join("inflight")), Millis(START)).with(config.section(Kind::best(Cpu::detect())));
    Inflight::open(&Region::open(&spec).unwrap(), &config).unwrap()
}

#[test]
fn what_killed_workers_had_under_way_is_taken_back() {
    let dir = Dir::new("hold");
    let book = book(&dir.0, 1);
    let mut workers: Vec<Child> = (0..3).map(|worker| start("hold", &dir.0, worker, 1)).collect();
    wait_until("holding", || book.control(GO).load(SeqCst) == 3);
    let inflight = inflight(&dir.0);
    let own = inflight.register().unwrap();
    let key = inflight.key(&[b"held"]);
    assert_eq!(inflight.under_way(key), 6);
    assert!(own.enter(key, 6, Millis(START + 5_000)).is_none(), "the living keep theirs");
    workers[1].kill().unwrap();
    workers[1].wait().unwrap();
    assert!(own.enter(key, 6, Millis(START + 5_500)).is_none(), "looked for a moment ago");
    assert!(own.enter(key, 6, Millis(START + 10_000)).is_some());
    assert_eq!(inflight.under_way(key), 5);
    for worker in &mut workers {
        let _ = worker.kill();
        worker.wait().unwrap();
    }
    assert_eq!(inflight.heal(), 2);
    assert_eq!(inflight.under_way(key), 1);
}
