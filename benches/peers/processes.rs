//! Tables without a peer: our state over 1, 2 and 4 processes (no crate beside it keeps its state in several), and the memory that an entry takes, by
//! what the kernel says is resident.
//!
//! `cargo bench --bench peers -- processes` and `-- memory`. The bench starts copies of itself.

use crate::harness::Bench;
use portcullis::bucket::{Limits, LimitsConfig, Rate, Take};
use portcullis::hash::prf::Kind;
use portcullis::lanes::Cpu;
use portcullis::nonce::{Admit, Mode, NonceConfig, Store};
use portcullis::shm::{Region, RegionSpec, Section, SectionSpec};
use portcullis::time::Millis;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const ROLE: &str = "PORTCULLIS_PEERS_WORKER";
const BIRTH: i64 = 1_700_000_000_000;
const LIVE: u64 = 1_000_000;
const KEYS: u64 = 1_000_000;
const BATCH: usize = 16;
const RUN: Duration = Duration::from_millis(600);

/// What every process opens: the tables, and words to agree on a start and to report.
struct Shared {
    store: Store,
    limits: Limits,
    words: Section,
}

const READY: usize = 0;
const GO: usize = 1;
const CLOCK: usize = 8;
const DONE: usize = 16;

fn open(path: &Path) -> Shared {
    let kind = Kind::best(Cpu::detect());
    let nonces = NonceConfig { capacity: LIVE, birth_rule: false, ..NonceConfig::default() };
    let rates = LimitsConfig { keys: KEYS };
    let words = SectionSpec { name: "words", words: 512, shape: Vec::new() };
    let spec = RegionSpec::new(Some(path.to_owned()), Millis(BIRTH));
    let spec = spec.with(nonces.section(kind)).with(rates.section(kind)).with(words);
    let region = Region::open(&spec).expect("a region");
    Shared {
        store: Store::open(&region, &nonces).expect("nonces"),
        limits: Limits::open(&region, &rates).expect("limits"),
        words: region.section("words").expect("words"),
    }
}

fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Shared {
    fn stamp(&self, id: u64) -> Millis {
        Millis(BIRTH + (u128::from(id) * 305_000 / u128::from(LIVE)) as i64)
    }

    /// A batch of nonces with the next ids of all processes; the first id. A window passes in some hundredths of a second here: were each
    /// process to count on its own, one that has to wait for a core would come back with messages as late as none is by right.
    fn nonces(&self, mode: Mode) -> u64 {
        let first = self.words.words()[CLOCK].fetch_add(BATCH as u64, Ordering::Relaxed);
        let now = self.stamp(first);
        let keys: [_; BATCH] = std::array::from_fn(|at| {
            let id = first + at as u64;
            let text = [mix(id), mix(id ^ 0x5555), id].map(u64::to_le_bytes);
            self.store.key(&(mix(id) % 1000).to_le_bytes(), text.as_flattened(), self.stamp(id), mode)
        });
        let mut out = [Admit::Full; BATCH];
        self.store.admit_batch(&keys, now, &mut out);
        assert!(!out.contains(&Admit::Full), "the capacity is a promise");
        first
    }

    fn rates(&self, random: &mut u64, now: Millis, keys: u64, rate: Rate) {
        let requests: [_; BATCH] = std::array::from_fn(|_| {
            *random = mix(*random);
            (self.limits.key(&[b"per-ip", &(*random % keys).to_le_bytes()]), rate)
        });
        let mut out = [Take::Full; BATCH];
        self.limits.take_batch(&requests, now, &mut out);
    }

    /// One measurement's work for `run`; operations done.
    fn work(&self, what: &str, worker: u64, run: Duration) -> u64 {
        let start = Instant::now();
        let (narrow, wide) = (rate(10, 10), rate(1 << 40, 1 << 30));
        let (mut random, mut count) = (mix(worker + 99), 0);
        while start.elapsed() < run {
            for _ in 0..64 {
                let now = Millis(BIRTH + start.elapsed().as_millis() as i64);
                match what {
                    "nonce" => _ = self.nonces(Mode::Strict),
                    "nonce-msg" => _ = self.nonces(Mode::Message),
                    "bucket" => self.rates(&mut random, now, KEYS, narrow),
                    "bucket-hot" => self.rates(&mut random, now, 1, narrow),
                    _ => self.rates(&mut random, now, 1, wide),
                }
                count += BATCH as u64;
            }
        }
        count
    }
}

fn rate(a_second: u64, burst: u64) -> Rate {
    Rate::new(a_second, 1000, burst).expect("a rate")
}

/// Does a worker's part, where this process was started as one.
pub fn worker() -> bool {
    let Ok(role) = std::env::var(ROLE) else { return false };
    let mut words = role.splitn(4, ' ');
    let mut word = || words.next().expect("four words").to_owned();
    let (what, number, workers, path) = (word(), word(), word(), word());
    let number: u64 = number.parse().expect("a number");
    let workers: u64 = workers.parse().expect("a number");
    let shared = open(Path::new(&path));
    let control = shared.words.words();
    // Filled to the live number and beyond, so that entries expire as others come.
    if what.starts_with("nonce") {
        let mode = if what == "nonce" { Mode::Strict } else { Mode::Message };
        while shared.nonces(mode) < LIVE + LIVE / 3 {}
    } else {
        for n in 0..KEYS / workers / BATCH as u64 {
            shared.rates(&mut mix(n ^ number << 40), Millis(BIRTH), KEYS, rate(10, 10));
        }
    }
    control[READY].fetch_add(1, Ordering::SeqCst);
    while control[GO].load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    let count = shared.work(&what, number, RUN);
    control[DONE + number as usize].store(count, Ordering::SeqCst);
    true
}

fn path(name: &str) -> PathBuf {
    let base = if Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
    base.join(format!("portcullis-peers-{}-{name}", std::process::id()))
}

/// Operations a second of `workers` processes together.
fn measure(what: &str, workers: u64) -> f64 {
    let path = path(what);
    let _ = std::fs::remove_file(&path);
    let shared = open(&path);
    let children: Vec<Child> = (0..workers)
        .map(|number| {
            Command::new(std::env::current_exe().expect("this program"))
                .env(ROLE, format!("{what} {number} {workers} {}", path.display()))
                .stdout(Stdio::null())
                .spawn()
                .expect("a copy of this program")
        })
        .collect();
    let control = shared.words.words();
    while control[READY].load(Ordering::SeqCst) < workers {
        std::thread::sleep(Duration::from_millis(1));
    }
    control[GO].store(1, Ordering::SeqCst);
    for mut child in children {
        assert!(child.wait().expect("its end").success());
    }
    let _ = std::fs::remove_file(&path);
    let count: u64 = control[DONE..DONE + workers as usize].iter().map(|word| word.load(Ordering::SeqCst)).sum();
    count as f64 / RUN.as_secs_f64()
}

/// Resident bytes of this process.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// Bytes of resident memory an entry, at the stated capacity.
fn memory() {
    let kind = Kind::best(Cpu::detect());
    for live in [100_000u64, 1_000_000, 10_000_000] {
        let config = NonceConfig { capacity: live, birth_rule: false, ..NonceConfig::default() };
        let before = resident();
        let region = Region::open(&RegionSpec::new(None, Millis(BIRTH)).with(config.section(kind))).expect("memory");
        let store = Store::open(&region, &config).expect("store");
        let used = resident() - before;
        drop((store, region));
        let keys = LimitsConfig { keys: live };
        let before = resident();
        let region = Region::open(&RegionSpec::new(None, Millis(BIRTH)).with(keys.section(kind))).expect("memory");
        let of_keys = resident() - before;
        drop(region);
        println!(
            "memory: {live:>9} nonces {:>6.2} bytes each, {live:>9} keys of rates {:>6.2} bytes each (resident)",
            used as f64 / live as f64,
            of_keys as f64 / live as f64
        );
    }
}

/// Both tables.
pub fn tables(bench: &Bench) {
    if !bench.speaks() {
        return;
    }
    if bench.wants("memory") {
        memory();
    }
    if bench.wants("processes") {
        println!(
            "processes, millions of operations a second together (batches of 16):   1 process   2 processes   4 processes"
        );
        for (what, name) in [
            ("nonce", "nonces, strict, 1M live"),
            ("nonce-msg", "nonces, message mode, 1M live"),
            ("bucket", "rates, 1M keys"),
            ("bucket-hot", "rates, one hot key over its limit: refusals"),
            ("bucket-open", "rates, one hot key within its limit: admissions"),
        ] {
            let rates = [1, 2, 4].map(|workers| measure(what, workers) / 1e6);
            println!("processes: {name:<58} {:>12.1} {:>13.1} {:>13.1}", rates[0], rates[1], rates[2]);
        }
    }
}
