//! What a flood of ever new keys costs the other apps: `cargo bench --bench flood`.
//!
//! 10,000 credentials (P-256, a key each; an app may have 256, so that it takes forty) are used in turn, so that every key asks for a table
//! again and again; 64 other apps have one key each. Measured are the other apps' batches: alone, each behind a batch of the flood in the same
//! worker, and while another thread's worker judges nothing but the flood; and the last two with requests of 64 further apps in place of the
//! flood, since any load takes caches and cores. Rounds in turn, medians. The tables' memory is printed beside their cap.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis::alg::{key_tables, set_key_table_bytes};
use portcullis::engine::{Engine, Options, Worker};
use portcullis::request::{Header, Request};
use portcullis::time::Millis;
use portcullis::verdict::{Reason, Verdict};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

const NOW_S: i64 = 1_700_000_000;
const NEW: usize = 10_000;
/// Credentials of an app of the flood.
const EACH: usize = 250;
const OTHERS: usize = 64;
const BATCH: usize = 64;
/// Requests of the others: 32 batches a round.
const COUNT: usize = 2_048;
const ROUNDS: usize = 25;
/// Batches of the flood before each row.
const SPENDING: usize = 48;
/// Room for the tables of some four thousand keys.
const CAP: usize = 128 << 20;

const PROFILE: &str = r#"{
    "name": "keyed", "about": "Parameters with a key's name", "shape": "params", "require_scheme": "any", "methods": { "POST": ["json"] },
    "legacy_unsafe": ["unsigned_path"],
    "fields": {
      "app_id": { "names": ["app"] }, "kid": { "names": ["key"] }, "timestamp": { "names": ["timestamp"], "format": "unix-seconds" },
      "nonce": { "names": ["nonce"], "mode": "strict", "scope": "app" }, "signature": { "names": ["x-signature"], "in": "header" }
    },
    "values": { "empty": "keep", "null": "refuse", "nested": "raw", "spaces": "refuse", "delimiters": "refuse" },
    "algorithms": { "ecdsa-p256-sha256": { "signature": "base64", "form": "either" } } }"#;

struct Credential {
    app: String,
    kid: String,
    pair: EcdsaKeyPair,
}

impl Credential {
    fn new(app: String, number: usize) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
        Self { app, kid: format!("k{number}"), pair }
    }

    fn member(&self) -> String {
        let key: String = self.pair.public_key().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{{\"kid\":\"{}\",\"alg\":\"ecdsa-p256-sha256\",\"public_key_hex\":\"{key}\"}}", self.kid)
    }
}

struct Signed {
    body: String,
    signature: String,
}

fn signed(credential: &Credential, nonce: usize) -> Signed {
    let Credential { app, kid, pair } = credential;
    let nonce = format!("flood{nonce:016}");
    let text = format!("amount=10.50&app={app}&key={kid}&nonce={nonce}&timestamp={NOW_S}");
    let signature = STANDARD.encode(pair.sign(&SystemRandom::new(), text.as_bytes()).expect("a signature"));
    let body =
        format!("{{\"app\":\"{app}\",\"key\":\"{kid}\",\"amount\":10.50,\"nonce\":\"{nonce}\",\"timestamp\":{NOW_S}}}");
    Signed { body, signature }
}

type Headers<'a> = [Header<'a>; 2];

fn headers(signed: &[Signed]) -> Vec<Headers<'_>> {
    let json = Header { name: b"content-type", value: b"application/json" };
    signed.iter().map(|one| [json, Header { name: b"x-signature", value: one.signature.as_bytes() }]).collect()
}

fn requests<'a>(signed: &'a [Signed], headers: &'a [Headers<'a>]) -> Vec<Request<'a>> {
    let of = |(one, headers): (&'a Signed, &'a Headers<'a>)| Request {
        headers,
        ..Request::new(b"POST", b"/pay", one.body.as_bytes())
    };
    signed.iter().zip(headers).map(of).collect()
}

/// Judges a batch of good requests, and forgets their nonces; the nanoseconds of the judging.
fn judge(worker: &mut Worker, requests: &[Request<'_>]) -> f64 {
    let mut verdicts = [Verdict::of(Reason::Internal); BATCH];
    let verdicts = &mut verdicts[..requests.len()];
    let start = Instant::now();
    worker.verify_batch(requests, verdicts);
    let spent = start.elapsed();
    for verdict in verdicts {
        assert!(verdict.ok(), "{verdict:?}");
        assert!(worker.release(&verdict.ticket));
    }
    spent.as_nanos() as f64
}

/// Of those keys; keys of one app stand together.
fn document(sets: &[Vec<Credential>]) -> String {
    let apps = sets.iter().flat_map(|keys| keys.chunk_by(|one, next| one.app == next.app)).map(|keys| {
        let members: Vec<String> = keys.iter().map(Credential::member).collect();
        format!(
            "{{\"app_id\":\"{}\",\"status\":\"active\",\"level\":\"A1\",\"profiles\":[\"keyed\"],\"credentials\":[{}]}}",
            keys[0].app,
            members.join(",")
        )
    });
    let apps: Vec<String> = apps.collect();
    format!("{{\"version\":1,\"state\":{{\"nonces\":100000}},\"profiles\":[{PROFILE}],\"apps\":[{}]}}", apps.join(","))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// What is measured: what is judged between the others' batches, and what on another thread; indices into the loads.
const ROWS: [(&str, Option<usize>, Option<usize>); 5] = [
    ("alone", None, None),
    ("behind batches of known keys", Some(KNOWN), None),
    ("behind batches of the flood", Some(FLOOD), None),
    ("beside a thread of known keys", None, Some(KNOWN)),
    ("beside a thread of the flood", None, Some(FLOOD)),
];
const FLOOD: usize = 0;
const KNOWN: usize = 1;

fn main() {
    set_key_table_bytes(CAP);
    let keys = |from: usize, count: usize, each: usize| -> Vec<Credential> {
        (from..from + count).map(|number| Credential::new(format!("p{}", number / each), number)).collect()
    };
    // Apps are numbered by the first of their keys' numbers, more or less: no two sets share one.
    let sets = [keys(0, OTHERS, 1), keys(100 * EACH, NEW, EACH), keys(10_000, OTHERS, 1)];
    let options = Options { now: Some(Millis(NOW_S * 1000)), closed_set: true, ..Options::default() };
    let engine = Engine::open_with(document(&sets).as_bytes(), &options).expect("the document");
    let signed = sets.each_ref().map(|keys| -> Vec<Signed> {
        (0..COUNT.max(keys.len())).map(|number| signed(&keys[number % keys.len()], number)).collect()
    });
    let headers = signed.each_ref().map(|signed| headers(signed));
    let requests = [0, 1, 2].map(|set| requests(&signed[set], &headers[set]));
    let [others, flood, known] = requests.each_ref().map(|all| all.chunks(BATCH).collect::<Vec<_>>());
    let loads = [flood, known];

    let mut worker = engine.worker();
    // Every key has been seen twice.
    for batch in
        [&others, &loads[FLOOD], &loads[KNOWN]].into_iter().flatten().cycle().take(2 * (NEW + 2 * COUNT) / BATCH)
    {
        judge(&mut worker, batch);
    }
    let (built, mut times, mut place, mut in_turn) = (key_tables().built, ROWS.map(|_| Vec::new()), 0, 0);
    let (load, ended, beside) = (AtomicUsize::new(usize::MAX), AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let mut other_worker = engine.worker();
        let (load, ended, beside, loads) = (&load, &ended, &beside, &loads);
        scope.spawn(move || {
            let mut place = 0;
            while !ended.load(Ordering::Relaxed) {
                let now = load.load(Ordering::Relaxed);
                match loads.get(now) {
                    Some(batches) => {
                        // From the other end, so that no nonce is in two workers' hands.
                        judge(&mut other_worker, batches[batches.len() - 1 - place % batches.len()]);
                        place += 1;
                        beside.fetch_add(usize::from(now == FLOOD), Ordering::Relaxed);
                    }
                    None => std::thread::yield_now(),
                }
            }
        });
        for _ in 0..ROUNDS {
            for ((_, between, on_thread), times) in ROWS.iter().zip(&mut times) {
                // What the worker has saved for building tables is spent first.
                for _ in 0..SPENDING {
                    judge(&mut worker, loads[FLOOD][place % loads[FLOOD].len()]);
                    place += 1;
                    in_turn += 1;
                }
                load.store(on_thread.unwrap_or(usize::MAX), Ordering::Relaxed);
                let mut spent = 0.0;
                for batch in &others {
                    if let Some(batches) = between.map(|load| &loads[load]) {
                        judge(&mut worker, batches[place % batches.len()]);
                        place += 1;
                        in_turn += usize::from(*between == Some(FLOOD));
                    }
                    spent += judge(&mut worker, batch);
                }
                times.push(spent / COUNT as f64);
                load.store(usize::MAX, Ordering::Relaxed);
            }
        }
        ended.store(true, Ordering::Relaxed);
    });
    let tables = key_tables();
    let times = times.map(median);
    println!("other apps' requests, medians of {ROUNDS} rounds of {COUNT}: ns a request");
    for ((name, ..), time) in ROWS.iter().zip(times) {
        println!("{name:<32} {time:>8.0}");
    }
    for (how, known, flood) in [("in one worker", times[1], times[2]), ("on another thread", times[3], times[4])] {
        println!("throughput beside the flood, {how}: {:.0} % of that beside known keys", 100.0 * known / flood);
    }
    println!(
        "tables: {} of {CAP} bytes; {} made in {} requests of the flood",
        tables.bytes,
        tables.built - built,
        (in_turn + beside.into_inner()) * BATCH
    );
    assert!(tables.bytes <= CAP, "{tables:?}");
}
