//! Nonces and rates, in steady state: as many live entries as the row's name says, expiry going on at both sides, one request in a hundred a
//! replay.
//!
//! The peers get what a careful user would give them: keys inline without allocation, a fast hasher, expiry that costs no scan.
//! - `dashmap`: a sharded map with `entry`, and a ring of keys in order of arrival; each insertion removes the one that has expired.
//! - `moka`: a cache with `time_to_live` on its own clock, bounded to the live number (it then evicts by its policy, and so forgets live nonces).
//! - `governor`: the keyed limiter over dashmap.
//!
//! Ours runs in an anonymous region on the time that the workload sets. It has room for twice the live nonces, as dashmap has; the rows whose names
//! end in `-full` hold as many as it was made for, at 0.75 load and 14.3 bytes each. Rates read the clock that governor reads. Each call of a
//! closure does many operations in each thread, so that thread starts hardly count: four of them take some 0.15 ms, and now and then two begin on
//! one core.
//!
//! What is asked about is made sixteen messages at a time, on all sides: in a gateway it has come long before. Written word by word and read at once
//! in larger pieces it could not be had before the writes have retired, which would count against whoever reads so.

use crate::harness::Bench;
use crate::plot;
use dashmap::DashMap;
use governor::clock::{Clock, Reference};
use portcullis::bucket::{Limits, LimitsConfig, Rate, Take};
use portcullis::hash::prf::Kind;
use portcullis::lanes::Cpu;
use portcullis::nonce::{Admit, Mode, NonceConfig, Store};
use portcullis::shm::{Region, RegionSpec};
use portcullis::time::Millis;
use std::cell::RefCell;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

const BATCH: usize = 16;
/// Operations of one thread in one call.
const OPS: usize = 100_000 / BATCH * BATCH;
const BIRTH: i64 = 1_700_000_000_000;

fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A nonce of 24 bytes and an app id of 8 of 1,024 apps, as one key of 32 bytes. Made in few instructions, as making it counts on all sides.
fn key(id: u64) -> [u8; 32] {
    let some = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut key = [0; 32];
    key[..8].copy_from_slice(&(some >> 54).to_le_bytes());
    key[8..16].copy_from_slice(&some.to_le_bytes());
    key[16..24].copy_from_slice(&(some ^ some >> 29).to_le_bytes());
    key[24..].copy_from_slice(&id.to_le_bytes());
    key
}

/// One thread's stream of ids: fresh ones, and every hundredth one of the recent ones.
struct Ids {
    next: u64,
    step: u64,
    turn: u64,
}

impl Ids {
    fn new(thread: u64, threads: u64) -> Self {
        Self { next: thread, step: threads, turn: 0 }
    }

    fn next(&mut self) -> u64 {
        self.turn += 1;
        if self.turn.is_multiple_of(100) && self.next > self.step * 1000 {
            return self.next - self.step * (1 + mix(self.turn) % 1000);
        }
        self.next += self.step;
        self.next
    }
}

fn threads(count: u64, work: impl Fn(u64) + Sync) {
    if count == 1 {
        return work(0);
    }
    std::thread::scope(|scope| {
        for thread in 0..count {
            let work = &work;
            scope.spawn(move || work(thread));
        }
    });
}

struct Nonces {
    store: Store,
    /// Milliseconds from one request to the next, times 2^20.
    pace: u64,
    /// Requests so far, all threads: the time of the workload.
    clock: AtomicU64,
    mode: Mode,
}

impl Nonces {
    fn new(live: u64, capacity: u64, mode: Mode) -> Self {
        let config = NonceConfig { capacity, birth_rule: false, ..NonceConfig::default() };
        let spec = RegionSpec::new(None, Millis(BIRTH)).with(config.section(Kind::best(Cpu::detect())));
        let region = Region::open(&spec).expect("memory");
        let store = Store::open(&region, &config).expect("store");
        Self { store, pace: (305_000 << 20) / live, clock: AtomicU64::new(0), mode }
    }

    /// `live` requests in a window of 305 s, each stamped when it arrives: the id says when (ids are dealt in order over the threads).
    fn stamp(&self, id: u64) -> Millis {
        Millis(BIRTH + ((id * self.pace) >> 20) as i64)
    }

    fn run(&self, ids: &mut Ids, count: usize, batch: usize) {
        let mut keys = Vec::with_capacity(BATCH);
        let mut out = [Admit::Full; BATCH];
        let mut replays = 0u64;
        let mut count_answer = |answer: &Admit| match answer {
            Admit::Ok(_) => {}
            Admit::Replayed => replays += 1,
            // A thread that was off the processor for long comes back with old messages.
            Admit::Stale | Admit::TooNew => {}
            other => panic!("{other:?}"),
        };
        for _ in 0..count / BATCH {
            // A time that all threads have reached, more or less; a thread that runs ahead is within the future window. Set forward now and then
            // only: a gateway reads its time from a clock that nobody writes to.
            let mut newest = self.clock.load(Ordering::Relaxed);
            if ids.next > newest + 1000 {
                newest = self.clock.fetch_max(ids.next, Ordering::Relaxed).max(ids.next);
            }
            let now = self.stamp(newest);
            let messages: [_; BATCH] = std::array::from_fn(|_| {
                let id = ids.next();
                (key(id), self.stamp(id))
            });
            let hashed = |(text, stamp): &([u8; 32], Millis)| self.store.key(&text[..8], &text[8..], *stamp, self.mode);
            if batch == 1 {
                for message in &messages {
                    count_answer(&self.store.admit(&hashed(message), now));
                }
                continue;
            }
            keys.clear();
            keys.extend(messages.iter().map(hashed));
            self.store.admit_batch(&keys, now, &mut out);
            out.iter().for_each(&mut count_answer);
        }
        black_box(replays);
    }
}

type Hasher = foldhash::fast::RandomState;

struct Dash {
    map: DashMap<[u8; 32], u64, Hasher>,
}

impl Dash {
    fn new(live: u64) -> Self {
        Self { map: DashMap::with_capacity_and_hasher(live as usize * 2, Hasher::default()) }
    }

    fn run(&self, ids: &mut Ids, live: u64, count: usize) {
        let mut replays = 0u64;
        for _ in 0..count / BATCH {
            // The ring of keys in order of arrival, which here can be computed.
            let messages: [_; BATCH] = std::array::from_fn(|_| {
                let id = ids.next();
                (id, key(id), id.checked_sub(live).map(key))
            });
            for (id, text, old) in &messages {
                match self.map.entry(*text) {
                    dashmap::Entry::Occupied(_) => replays += 1,
                    dashmap::Entry::Vacant(vacant) => {
                        vacant.insert(*id);
                        if let Some(old) = old {
                            self.map.remove(old);
                        }
                    }
                }
            }
        }
        black_box(replays);
    }
}

struct Moka {
    cache: moka::sync::Cache<[u8; 32], u64, Hasher>,
}

impl Moka {
    fn new(live: u64) -> Self {
        let cache = moka::sync::Cache::builder()
            .max_capacity(live)
            .time_to_live(Duration::from_secs(305))
            .build_with_hasher(Hasher::default());
        Self { cache }
    }

    fn run(&self, ids: &mut Ids, count: usize) {
        let mut replays = 0u64;
        for _ in 0..count / BATCH {
            let messages: [_; BATCH] = std::array::from_fn(|_| {
                let id = ids.next();
                (id, key(id))
            });
            for (id, text) in &messages {
                let entry = self.cache.entry(*text).or_insert(*id);
                replays += u64::from(!entry.is_fresh());
            }
        }
        black_box(replays);
    }
}

fn nonce_row(
    bench: &Bench,
    name: &str,
    (live, capacity): (u64, u64),
    mode: Mode,
    count: u64,
    batch: usize,
    moka: bool,
) {
    if !bench.wants(name) {
        return;
    }
    let ours = Nonces::new(live, capacity, mode);
    let deal = || (0..count).map(|thread| RefCell::new(Ids::new(thread, count)).into()).collect::<Vec<Slot>>();
    let (our_ids, dash_ids, moka_ids) = (deal(), deal(), deal());
    let fill = (live + live / 3) as usize / count as usize / BATCH * BATCH;
    let run_ours = |ops: usize, batch| threads(count, |t| our_ids[t as usize].with(|ids| ours.run(ids, ops, batch)));
    run_ours(fill, BATCH);
    {
        let dash = Dash::new(live);
        let run_dash = |ops: usize| threads(count, |t| dash_ids[t as usize].with(|ids| dash.run(ids, live, ops)));
        run_dash(fill);
        let total = OPS * count as usize;
        bench.row(name, "dashmap", (total, || run_ours(OPS, batch)), (total, || run_dash(OPS)));
    }
    if moka {
        let cache = Moka::new(live);
        let run_moka = |ops: usize| threads(count, |t| moka_ids[t as usize].with(|ids| cache.run(ids, ops)));
        run_moka(fill);
        // moka is so much slower that it gets a tenth of the operations.
        let total = OPS * count as usize;
        let fewer = OPS / 10 / BATCH * BATCH;
        bench.row(name, "moka", (total, || run_ours(OPS, batch)), (fewer * count as usize, || run_moka(fewer)));
    }
}

/// A thread's own state between calls; never contended, nor on a cache line with another thread's.
#[repr(align(128))]
struct Slot(std::sync::Mutex<RefCell<Ids>>);

impl From<RefCell<Ids>> for Slot {
    fn from(ids: RefCell<Ids>) -> Self {
        Self(ids.into())
    }
}

impl Slot {
    fn with(&self, work: impl FnOnce(&mut Ids)) {
        let guard = self.0.lock().expect("not poisoned");
        work(&mut guard.borrow_mut());
    }
}

/// Uniform keys; a quarter of the requests is over the limit or none, by the key's luck: ten a second, a burst of ten.
fn bucket_row(bench: &Bench, name: &str, keys: u64, count: u64, batch: usize) {
    if !bench.wants(name) {
        return;
    }
    let config = LimitsConfig { keys };
    let spec = RegionSpec::new(None, Millis(BIRTH)).with(config.section(Kind::best(Cpu::detect())));
    let region = Region::open(&spec).expect("memory");
    let limits = Limits::open(&region, &config).expect("limits");
    let rate = Rate::new(10, 1000, 10).expect("rate");
    let quota = governor::Quota::per_second(NonZeroU32::new(10).expect("ten"));
    let governor = governor::RateLimiter::<[u8; 16], _, _>::dashmap(quota);
    // As with nonces, in few instructions.
    let name_of = |id: u64| {
        let some = (id + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut text = [0u8; 16];
        text[..8].copy_from_slice(&some.to_le_bytes());
        text[8..].copy_from_slice(&(some ^ some >> 29).to_le_bytes());
        text
    };
    let names_of = |random: &mut u64| -> [_; BATCH] {
        std::array::from_fn(|_| {
            *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            name_of(((*random >> 32) * keys) >> 32)
        })
    };
    let clock = governor::clock::DefaultClock::default();
    let start = clock.now();
    let seed = AtomicI64::new(1);
    let run_ours = |ops: usize, batch: usize| {
        threads(count, |_| {
            let mut random = mix(seed.fetch_add(1, Ordering::Relaxed).cast_unsigned());
            let mut requests = Vec::with_capacity(BATCH);
            let mut out = [Take::Full; BATCH];
            let mut passed = 0u64;
            let now = || Millis(BIRTH + (clock.now().duration_since(start).as_u64() / 1_000_000) as i64);
            let hashed = |name: &[u8; 16]| limits.key(&[b"per-ip", name]);
            for _ in 0..ops / BATCH {
                let names = names_of(&mut random);
                if batch == 1 {
                    for name in &names {
                        passed += u64::from(matches!(limits.take(&hashed(name), &rate, now()), Take::Ok(_)));
                    }
                    continue;
                }
                requests.clear();
                requests.extend(names.iter().map(|name| (hashed(name), &rate)));
                // The clock is read once for each batch, as a gateway does; governor reads it for each request.
                limits.take_batch(&requests, now(), &mut out);
                passed += out.iter().filter(|take| matches!(take, Take::Ok(_))).count() as u64;
            }
            black_box(passed);
        });
    };
    let run_governor = |ops: usize| {
        threads(count, |_| {
            let mut random = mix(seed.fetch_add(1, Ordering::Relaxed).cast_unsigned());
            let mut passed = 0u64;
            for _ in 0..ops / BATCH {
                for name in &names_of(&mut random) {
                    passed += u64::from(governor.check_key(name).is_ok());
                }
            }
            black_box(passed);
        });
    };
    let fill = keys as usize * 3 / count as usize / BATCH * BATCH;
    run_ours(fill, BATCH);
    run_governor(fill);
    let total = OPS * count as usize;
    bench.row(name, "governor", (total, || run_ours(OPS, batch)), (total, || run_governor(OPS)));
}

/// Millions of operations a second: the median of seven runs.
fn millions(ops: usize, mut run: impl FnMut(usize)) -> f64 {
    let mut rates: Vec<f64> = (0..7)
        .map(|_| {
            let start = std::time::Instant::now();
            run(ops);
            ops as f64 / start.elapsed().as_secs_f64() / 1e6
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    rates[3]
}

fn our_rate(live: u64, mode: Mode, count: u64) -> f64 {
    let ours = Nonces::new(live, live, mode);
    let ids: Vec<Slot> = (0..count).map(|thread| RefCell::new(Ids::new(thread, count)).into()).collect();
    let run = |ops: usize| {
        let each = ops / count as usize / BATCH * BATCH;
        threads(count, |t| ids[t as usize].with(|ids| ours.run(ids, each, BATCH)));
    };
    run((live + live / 3) as usize);
    millions(1_000_000, run)
}

/// Bytes of memory that are to be had.
fn available() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Throughput against live entries, in batches of 16, as lines of CSV and as bars: `cargo bench --bench peers -- curve`. Not among the rows: it takes
/// a minute, and some gigabytes.
pub fn curve(bench: &Bench) {
    if !bench.asked("curve") || !bench.speaks() {
        return;
    }
    println!("curve: millions of operations a second");
    println!("live,strict 1 thread,message 1 thread,strict 4 threads,message 4 threads,dashmap 1 thread");
    let mut bars = String::new();
    let line =
        |name: &str, red, green, blue| (name.to_owned(), plotters::style::RGBColor(red, green, blue), Vec::new());
    let mut plot: Vec<plot::Line> = vec![
        line("strict, 4 threads", 0x1f, 0x6f, 0xb2),
        line("strict, 1 thread", 0x5b, 0x9b, 0xd0),
        line("dashmap, 1 thread", 0x8f, 0x86, 0x78),
    ];
    for live in (4..=8).map(|power| 10u64.pow(power)) {
        if live * 15 * 3 / 2 > available() {
            println!("{live},not enough memory");
            continue;
        }
        let rates = [(Mode::Strict, 1), (Mode::Message, 1), (Mode::Strict, 4), (Mode::Message, 4)];
        let rates = rates.map(|(mode, count)| our_rate(live, mode, count));
        // dashmap takes some 70 bytes an entry, and half as much again while it is made.
        let peer = (live <= 10_000_000).then(|| {
            let dash = Dash::new(live);
            let mut ids = Ids::new(0, 1);
            dash.run(&mut ids, live, (live + live / 3) as usize);
            millions(1_000_000, |ops| dash.run(&mut ids, live, ops))
        });
        let columns =
            rates.iter().map(|rate| format!("{rate:.1}")).chain([peer.map_or("-".into(), |p| format!("{p:.1}"))]);
        println!("{live},{}", columns.collect::<Vec<_>>().join(","));
        let drawn = [("strict 4", Some(rates[2])), ("strict 1", Some(rates[0])), ("dashmap 1", peer)];
        for ((name, rate), (_, _, points)) in drawn.into_iter().zip(&mut plot) {
            let Some(rate) = rate else { continue };
            points.push((live as f64, rate));
            bars += &format!("{live:>10} {name:<9} {:6.1} {}\n", rate, "#".repeat(rate.round() as usize));
        }
    }
    print!("{bars}");
    if let Some(file) = bench.svg() {
        let title = "Admitting nonces in batches of 16";
        std::fs::write(file, plot::svg(title, &plot)).expect("the plot's file");
    }
}

/// All rows of this part.
pub fn rows(bench: &Bench) {
    let (roomy, full) = ((1_000_000, 2_000_000), (1_000_000, 1_000_000));
    nonce_row(bench, "nonce-1m-one", roomy, Mode::Strict, 1, 1, false);
    nonce_row(bench, "nonce-1m-one-full", full, Mode::Strict, 1, 1, false);
    nonce_row(bench, "nonce-1m-batch-4t", roomy, Mode::Strict, 4, BATCH, true);
    nonce_row(bench, "nonce-1m-batch-4t-full", full, Mode::Strict, 4, BATCH, false);
    nonce_row(bench, "nonce-msg-1m-one", roomy, Mode::Message, 1, 1, false);
    nonce_row(bench, "nonce-msg-1m-batch-4t", roomy, Mode::Message, 4, BATCH, false);
    bucket_row(bench, "bucket-100k-one", 100_000, 1, 1);
    bucket_row(bench, "bucket-1m-batch-4t", 1_000_000, 4, BATCH);
}
