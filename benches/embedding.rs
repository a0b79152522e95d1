//! What the C ABI costs: `cargo bench --bench embedding [-- PART...]`, all parts but the last or those that are named:
//!
//! - `border`: a call of `portcullis_verify` against the Rust call, the same request in the same thread, round by round in turn;
//! - `reload`: calls while documents are put in force;
//! - `queue`: requests through a queue against `portcullis_verify_batch` on as many threads, and a lone request through an idle queue;
//! - `instructions`: both calls of `border` under `valgrind --tool=callgrind` (which has no AVX-512), counted: the same on any machine, however loaded.
#![allow(unsafe_code)]

use portcullis::engine::Engine;
use portcullis::ffi::*;
use portcullis::request::{Header, Request};
use portcullis::time::Millis;
use portcullis_result::PORTCULLIS_OK;
use rustix::event::{PollFd, PollFlags, poll};
use std::hint::black_box;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const NOW: i64 = 1_700_000_000_000;
const THREADS: usize = 4;
/// A public key: the generator.
const P256_G: &str = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                      4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

fn slice(text: &str) -> portcullis_slice {
    portcullis_slice { ptr: text.as_ptr(), len: text.len() }
}

fn request(target: &str) -> portcullis_request {
    // SAFETY: all zeros is a request without anything.
    let mut request: portcullis_request = unsafe { std::mem::zeroed() };
    request.struct_size = size_of::<portcullis_request>() as u32;
    request.received_at_ms = NOW;
    (request.method, request.target) = (slice("GET"), slice(target));
    request
}

fn median(values: Vec<f64>) -> f64 {
    quarters(values)[2]
}

/// The least, the quartiles and the greatest.
fn quarters(mut values: Vec<f64>) -> [f64; 5] {
    values.sort_by(f64::total_cmp);
    [0, 1, 2, 3, 4].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

struct Handles {
    engine: *mut portcullis_engine,
    worker: *mut portcullis_worker,
}

fn open(document: &str) -> Handles {
    let (mut engine, mut worker) = (std::ptr::null_mut(), std::ptr::null_mut());
    let mut message = [0; 256];
    // SAFETY: everything that is passed is alive and writable.
    unsafe {
        let opened = portcullis_engine_open(slice(document), &mut engine, message.as_mut_ptr(), message.len());
        assert_eq!(opened, PORTCULLIS_OK, "{:?}", std::ffi::CStr::from_ptr(message.as_ptr()));
        assert_eq!(portcullis_worker_open(engine, &mut worker), PORTCULLIS_OK);
    }
    Handles { engine, worker }
}

fn document(credential: &str) -> String {
    format!(
        r#"{{"version":1,"state":{{"nonces":1000000,"birth_rule":"off"}},"apps":[{{"app_id":"p10001","status":"active","level":"A1",
        "profiles":["openapi"],"allow_weak":true,"credentials":[{credential}]}}]}}"#
    )
}

/// A request as both sides have it.
struct Pair {
    name: &'static str,
    method: &'static str,
    target: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    client_ip: &'static str,
    reason: u16,
}

/// One that is refused at once, one that is judged whole, and one as gateways have them; no nonce is taken, so that calls are alike.
const PAIRS: [Pair; 3] = [
    Pair { name: "refused at once", method: "GET", target: "/t", headers: &[], body: "", client_ip: "", reason: 3 },
    Pair {
        name: "MD5",
        method: "GET",
        target: "/t?nonce=1&partnerId=p10001&timestamp=1700000000&sign=2f9ca37c0612118fb1b01b74e6854589",
        headers: &[],
        body: "",
        client_ip: "",
        reason: 19,
    },
    Pair {
        name: "MD5, 8 headers, body, address",
        method: "POST",
        target: "/pay?sign=2f9ca37c0612118fb1b01b74e6854589",
        headers: &[
            ("Host", "api.example"),
            ("User-Agent", "partner/7.1 (Linux)"),
            ("Accept", "application/json"),
            ("Accept-Encoding", "gzip, br"),
            ("Content-Type", "application/json"),
            ("Content-Length", "93"),
            ("X-Request-Id", "0f8fad5b-d9cb-469f-a165-70867728950e"),
            ("Connection", "keep-alive"),
        ],
        body: r#"{"nonce":"1","partnerId":"p10001","timestamp":"1700000000","amount":"100.00","payee":"6222021"}"#,
        client_ip: "203.0.113.7",
        reason: 19,
    },
];

const BORDER: &str = r#"{"alg":"md5","secret":"k3y"}"#;

/// Calls `work` with one call through Rust, and with one through C, of which each gives the reason's number.
fn both(pair: &Pair, mut work: impl FnMut(&mut dyn FnMut(usize) -> u16, &mut dyn FnMut(usize) -> u16)) {
    let document = document(BORDER);
    let handles = open(&document);
    let mut worker = Engine::open(document.as_bytes()).expect("the document").worker();
    let lines: Vec<Header<'_>> =
        pair.headers.iter().map(|(name, value)| Header { name: name.as_bytes(), value: value.as_bytes() }).collect();
    let own = Request {
        headers: &lines,
        received_at: Some(Millis(NOW)),
        client_ip: pair.client_ip.parse().ok(),
        ..Request::new(pair.method.as_bytes(), pair.target.as_bytes(), pair.body.as_bytes())
    };
    let headers: Vec<portcullis_header> =
        pair.headers.iter().map(|(name, value)| portcullis_header { name: slice(name), value: slice(value) }).collect();
    let mut theirs = request(pair.target);
    (theirs.method, theirs.body, theirs.client_ip) = (slice(pair.method), slice(pair.body), slice(pair.client_ip));
    (theirs.headers, theirs.header_count) = (headers.as_ptr(), headers.len());
    // SAFETY: all zeros is a verdict.
    let mut verdict: portcullis_verdict = unsafe { std::mem::zeroed() };
    verdict.struct_size = size_of::<portcullis_verdict>() as u32;
    let mut rust = |count| {
        let mut reason = 0;
        for _ in 0..count {
            reason = black_box(worker.verify(black_box(&own))).reason as u16;
        }
        reason
    };
    let mut c = |count| {
        for _ in 0..count {
            // SAFETY: the request's texts are alive.
            let result = unsafe { portcullis_verify(handles.worker, black_box(&theirs), black_box(&mut verdict)) };
            assert_eq!(result, PORTCULLIS_OK);
        }
        verdict.reason
    };
    work(&mut rust, &mut c);
    assert_eq!(portcullis_worker_close(handles.worker), PORTCULLIS_OK);
    assert_eq!(portcullis_engine_close(handles.engine), PORTCULLIS_OK);
}

/// The border alone, in time.
fn border() {
    const ROUNDS: usize = 2_001;
    const CALLS: usize = 100;
    for pair in &PAIRS {
        both(pair, |rust, c| {
            assert_eq!([rust(CALLS), c(CALLS)], [pair.reason; 2], "both are judged alike");
            let mut times = [const { Vec::new() }; 3];
            let time = |calls: &mut dyn FnMut(usize) -> u16| {
                let start = Instant::now();
                calls(CALLS);
                start.elapsed().as_nanos() as f64 / CALLS as f64
            };
            for round in 0..ROUNDS {
                // Whichever comes first has the other's traces in the caches.
                let (own, theirs) = if round % 2 == 0 {
                    let own = time(rust);
                    (own, time(c))
                } else {
                    let theirs = time(c);
                    (time(rust), theirs)
                };
                times[0].push(own);
                times[1].push(theirs);
                times[2].push(theirs - own);
            }
            let [rust, c, border] = times.map(quarters);
            println!(
                "one request, {}: Rust {:.0} ns (least {:.0}), C {:.0} (least {:.0}); the border {:.0} ns, half of the rounds {:.0} to {:.0}; least against least {:.0}",
                pair.name,
                rust[2],
                rust[0],
                c[2],
                c[0],
                border[2],
                border[1],
                border[3],
                c[0] - rust[0]
            );
        });
    }
}

/// The border alone, in instructions: this program again under callgrind, calling one side a few times more.
fn instructions() {
    let program = std::env::current_exe().expect("this program");
    let counted = |pair: usize, side: &str, count: usize| {
        let ran = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(&program)
            .args(["calls", &pair.to_string(), side, &count.to_string()])
            .output()
            .ok()?;
        let said = String::from_utf8_lossy(&ran.stderr);
        said.split("Collected : ").nth(1)?.split_whitespace().next()?.parse::<f64>().ok()
    };
    for (at, pair) in PAIRS.iter().enumerate() {
        let each = ["rust", "c"].map(|side| Some((counted(at, side, 3_000)? - counted(at, side, 1_000)?) / 2_000.0));
        match each {
            [Some(rust), Some(c)] => println!(
                "one request, {}: Rust {rust:.0} instructions, C {c:.0}, the border {:.0}",
                pair.name,
                c - rust
            ),
            _ => println!("skipped: valgrind is not to be had here"),
        }
    }
}

/// What [`instructions`] has counted.
fn calls(pair: &str, side: &str, count: &str) {
    let (pair, count) = (pair.parse::<usize>().expect("a number"), count.parse().expect("a number"));
    both(&PAIRS[pair], |rust, c| {
        black_box(if side == "c" { c(count) } else { rust(count) });
    });
}

struct Shared<T>(T);
// SAFETY: handles are numbers; the requests point to texts that outlive the threads.
unsafe impl<T> Sync for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Shared<T> {}
impl<T> Shared<T> {
    fn get(&self) -> &T {
        &self.0
    }
}

/// Requests with tampered signatures (whole work, and no nonce taken, so that rounds are alike).
fn throughput(name: &str, credential: &str, signature_len: usize, count: usize) {
    assert_eq!(signature_len % 3, 1);
    let handles = open(&document(credential));
    // Base64 of bytes in range for every algorithm, which no key made.
    let sign = "BBBB".repeat(signature_len / 3) + "BA%3D%3D";
    let targets: Vec<String> = (0..count)
        .map(|n| format!("/t?nonce=n{n}&partnerId=p10001&timestamp=1700000000&amount=100&sign={sign}"))
        .collect();
    let requests = Shared(targets.iter().map(|target| request(target)).collect::<Vec<_>>());
    let workers: Vec<_> = (0..THREADS).map(|_| open_worker(handles.engine)).collect();
    let workers = Shared(workers);
    let (mut queue, mut descriptor) = (std::ptr::null_mut(), -1);
    let options = portcullis_queue_options { struct_size: 16, threads: THREADS as u32, capacity: 8192, flags: 0 };
    // SAFETY: all of it is alive and writable.
    assert_eq!(unsafe { portcullis_queue_open(handles.engine, &options, &mut queue, &mut descriptor) }, PORTCULLIS_OK);
    let queue = Shared(queue);
    // SAFETY: all zeros is a verdict; the same for completions.
    let (mut blank, mut done) =
        unsafe { (std::mem::zeroed::<portcullis_verdict>(), std::mem::zeroed::<portcullis_completion>()) };
    blank.struct_size = size_of::<portcullis_verdict>() as u32;
    done.struct_size = size_of::<portcullis_completion>() as u32;
    let mut completions = vec![done; 256];
    let (mut batches, mut queued) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for (thread, own) in requests.get().chunks(count / THREADS).enumerate() {
                let (own, workers) = (Shared(own), &workers);
                scope.spawn(move || {
                    let mut verdicts = vec![blank; own.get().len()];
                    let worker = workers.get()[thread];
                    // SAFETY: as many verdicts as requests.
                    unsafe {
                        portcullis_verify_batch(worker, own.get().as_ptr(), own.get().len(), verdicts.as_mut_ptr())
                    };
                });
            }
        });
        batches.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for one in requests.get() {
                    // SAFETY: the request's texts are alive.
                    while unsafe { portcullis_submit(*queue.get(), one, 0) } != PORTCULLIS_OK {
                        std::thread::yield_now();
                    }
                }
            });
            reap(*queue.get(), descriptor, &mut completions, count);
        });
        queued.push(start.elapsed().as_secs_f64());
    }
    assert_eq!(completions[0].verdict.reason, 19, "bad_signature");
    let (batches, queued) = (median(batches), median(queued));
    let rate = |seconds: f64| count as f64 / seconds / 1e3;
    println!(
        "{name}: verify_batch on {THREADS} threads {:.0} k/s, through the queue {:.0} k/s: {:.0} %",
        rate(batches),
        rate(queued),
        100.0 * batches / queued
    );
    let mut alone = Vec::new();
    for one in requests.get().iter().cycle().take(2000) {
        std::thread::sleep(std::time::Duration::from_micros(200));
        let start = Instant::now();
        // SAFETY: the request's texts are alive.
        assert_eq!(unsafe { portcullis_submit(*queue.get(), one, 0) }, PORTCULLIS_OK);
        reap(*queue.get(), descriptor, &mut completions, 1);
        alone.push(start.elapsed().as_nanos() as f64 / 1e3);
    }
    let mut inline = Vec::new();
    let mut verdict = blank;
    for one in requests.get().iter().cycle().take(2000) {
        std::thread::sleep(std::time::Duration::from_micros(200));
        let start = Instant::now();
        // SAFETY: as above.
        unsafe { portcullis_verify(handles.worker, one, &mut verdict) };
        inline.push(start.elapsed().as_nanos() as f64 / 1e3);
    }
    let (alone, inline) = (median(alone), median(inline));
    println!(
        "{name}: a lone request through the queue {alone:.1} µs, called directly {inline:.1} µs, after its own time {:.1} µs",
        alone - inline
    );
    portcullis_queue_close(*queue.get());
}

fn open_worker(engine: *mut portcullis_engine) -> *mut portcullis_worker {
    let mut worker = std::ptr::null_mut();
    // SAFETY: writable.
    assert_eq!(unsafe { portcullis_worker_open(engine, &mut worker) }, PORTCULLIS_OK);
    worker
}

fn reap(queue: *mut portcullis_queue, descriptor: i32, completions: &mut [portcullis_completion], mut left: usize) {
    // SAFETY: the descriptor lives as long as the queue.
    let readable = unsafe { rustix::fd::BorrowedFd::borrow_raw(descriptor) };
    while left > 0 {
        poll(&mut [PollFd::new(&readable, PollFlags::IN)], None).expect("poll");
        let mut count = 0;
        // SAFETY: as many completions, with their sizes.
        unsafe { portcullis_reap(queue, completions.as_mut_ptr(), completions.len(), &mut count) };
        left -= count;
    }
}

/// What each call of four threads takes, first with one document in force all the time, then while another is put in force a thousand times.
fn reload() {
    const CALLS: usize = 100_000;
    const SWAPS: usize = 1_000;
    let documents = ["one", "two"].map(|secret| document(&format!(r#"{{"alg":"md5","secret":"{secret}"}}"#)));
    let handles = open(&documents[0]);
    let engine = Shared(handles.engine);
    for swaps in [0, SWAPS] {
        let calling = AtomicUsize::new(THREADS);
        let mut each: Vec<f64> = Vec::new();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|_| {
                    let (engine, calling) = (&engine, &calling);
                    scope.spawn(move || {
                        let worker = open_worker(*engine.get());
                        let request = request(
                            "/t?nonce=1&partnerId=p10001&timestamp=1700000000&sign=2f9ca37c0612118fb1b01b74e6854589",
                        );
                        // SAFETY: all zeros is a verdict.
                        let mut verdict: portcullis_verdict = unsafe { std::mem::zeroed() };
                        verdict.struct_size = size_of::<portcullis_verdict>() as u32;
                        let call = |_| {
                            let start = Instant::now();
                            // SAFETY: the request's texts are alive.
                            unsafe { portcullis_verify(worker, &request, &mut verdict) };
                            start.elapsed().as_nanos() as f64
                        };
                        let times: Vec<f64> = (0..CALLS).map(call).collect();
                        calling.fetch_sub(1, Ordering::SeqCst);
                        assert_eq!(portcullis_worker_close(worker), PORTCULLIS_OK);
                        times
                    })
                })
                .collect();
            let mut done = 0;
            while done < swaps && calling.load(Ordering::SeqCst) > 0 {
                done += 1;
                let text = slice(&documents[done % 2]);
                // SAFETY: the document is alive; no message is asked for.
                let loaded = unsafe { portcullis_engine_load(*engine.get(), text, std::ptr::null_mut(), 0) };
                assert_eq!(loaded, PORTCULLIS_OK);
            }
            for thread in threads {
                each.extend(thread.join().expect("a thread that calls"));
            }
            print!("{done} documents put in force under {THREADS} threads: ");
        });
        each.sort_by(f64::total_cmp);
        let at = |part: f64| each[(each.len() as f64 * part) as usize];
        println!(
            "a call takes {:.0} ns, in 99 of 100 at most {:.0}, in 999 of 1,000 {:.0}",
            at(0.5),
            at(0.99),
            at(0.999)
        );
    }
}

fn main() {
    let said: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [word, pair, side, count] = &said[..]
        && word == "calls"
    {
        return calls(pair, side, count);
    }
    let wanted = |part: &str| said.is_empty() || said.iter().any(|word| word == part);
    if wanted("border") {
        border();
    }
    if wanted("reload") {
        reload();
    }
    if !said.is_empty() && wanted("instructions") {
        instructions();
    }
    if !wanted("queue") {
        return;
    }
    let rsa = std::fs::read_to_string("vectors/demo/config.json").expect("the demonstration");
    let pem = rsa.split("\"public_key_pem\": \"").nth(1).and_then(|rest| rest.split('"').next()).expect("an RSA key");
    throughput("rsa2048", &format!(r#"{{"alg":"rsa-pkcs1-sha256","public_key_pem":"{pem}"}}"#), 256, 16_384);
    let key = P256_G;
    throughput("p256", &format!(r#"{{"alg":"ecdsa-p256-sha256","public_key_hex":"{key}"}}"#), 64, 65_536);
}
