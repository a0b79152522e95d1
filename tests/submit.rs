//! Submit and reap from many threads at once: every request comes back once, with the verdict that it would get alone.
#![allow(unsafe_code)]

use portcullis::ffi::*;
use portcullis_result::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const CONFIG: &str = r#"{"version":1,"state":{"nonces":200000,"birth_rule":"off"},"apps":[{"app_id":"p10001","status":"active","level":"A1",
    "profiles":["openapi"],"allow_weak":true,"credentials":[{"kid":"k1","alg":"md5","secret":"k3y"}]}]}"#;
const SUBMITTERS: usize = 4;
const REAPERS: usize = 2;

struct Handle(*mut portcullis_queue);
// SAFETY: handles are numbers dressed as pointers; the library does not follow them, and takes them from any thread.
unsafe impl Sync for Handle {}

impl Handle {
    fn get(&self) -> *mut portcullis_queue {
        self.0
    }
}

fn slice(text: &str) -> portcullis_slice {
    portcullis_slice { ptr: text.as_ptr(), len: text.len() }
}

fn md5(text: &str) -> String {
    portcullis::codec::hex::to_string(&portcullis::hash::md5::digest(text.as_bytes()))
}

/// The target of request `number`, and whether it is to be accepted: of four, one is tampered with, and two carry the same nonce.
fn target(number: usize) -> (String, Option<bool>) {
    let nonce = if number % 4 == 3 { number - 1 } else { number };
    let query = format!("nonce={nonce}&partnerId=p10001&timestamp=1700000000");
    let sign = md5(&format!("{query}&partnerKey=k3y"));
    match number % 4 {
        1 => (format!("/t?{query}&sign={sign}&memo=1"), Some(false)),
        0 => (format!("/t?{query}&sign={sign}"), Some(true)),
        // One of the pair is accepted, whichever is first.
        _ => (format!("/t?{query}&sign={sign}"), None),
    }
}

#[test]
fn of_many_threads_requests_each_comes_back_once_with_its_own_verdict() {
    let each = if std::env::var_os("PORTCULLIS_SLOW").is_some() { 100_000 } else { 4_000 };
    let all = SUBMITTERS * each;
    let (mut engine, mut queue, mut descriptor) = (std::ptr::null_mut(), std::ptr::null_mut(), -1);
    let options = portcullis_queue_options { struct_size: 16, threads: 3, capacity: 300, flags: 0 };
    // SAFETY: everything that is passed is alive and writable.
    unsafe {
        assert_eq!(portcullis_engine_open(slice(CONFIG), &mut engine, std::ptr::null_mut(), 0), PORTCULLIS_OK);
        assert_eq!(portcullis_queue_open(engine, &options, &mut queue, &mut descriptor), PORTCULLIS_OK);
    }
    let queue = Handle(queue);
    let verdicts = Mutex::new(BTreeMap::new());
    let (reaped, full) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..SUBMITTERS {
            let (queue, full) = (&queue, &full);
            scope.spawn(move || {
                for number in thread * each..(thread + 1) * each {
                    let (target, _) = target(number);
                    // SAFETY: all zeros is a request without anything.
                    let mut request: portcullis_request = unsafe { std::mem::zeroed() };
                    request.struct_size = size_of::<portcullis_request>() as u32;
                    request.received_at_ms = 1_700_000_000_000;
                    (request.method, request.target) = (slice("GET"), slice(&target));
                    loop {
                        // SAFETY: the request's texts live until after the call.
                        match unsafe { portcullis_submit(queue.get(), &request, number as u64) } {
                            PORTCULLIS_OK => break,
                            PORTCULLIS_BUSY => {
                                full.fetch_add(1, Ordering::Relaxed);
                                std::thread::yield_now();
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                }
            });
        }
        for _ in 0..REAPERS {
            let (queue, verdicts, reaped) = (&queue, &verdicts, &reaped);
            scope.spawn(move || {
                // SAFETY: all zeros is a completion; the descriptor lives as long as the queue.
                let (mut blank, readable) = unsafe {
                    (std::mem::zeroed::<portcullis_completion>(), rustix::fd::BorrowedFd::borrow_raw(descriptor))
                };
                blank.struct_size = size_of::<portcullis_completion>() as u32;
                let mut done = [blank; 7];
                while reaped.load(Ordering::SeqCst) < all {
                    // Woken by the descriptor alone, so that a lost call is a test that does not end; the other reaper may have taken it all.
                    let mut wanted = [PollFd::new(&readable, PollFlags::IN)];
                    let a_while = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
                    if poll(&mut wanted, Some(&a_while)).unwrap() == 0 {
                        continue;
                    }
                    let mut count = 0;
                    // SAFETY: seven completions with their sizes.
                    let result = unsafe { portcullis_reap(queue.get(), done.as_mut_ptr(), done.len(), &mut count) };
                    assert_eq!(result, PORTCULLIS_OK);
                    let mut verdicts = verdicts.lock().unwrap();
                    for one in &done[..count] {
                        assert!(
                            verdicts.insert(one.user as usize, one.verdict.reason).is_none(),
                            "{} came twice",
                            one.user
                        );
                    }
                    reaped.fetch_add(count, Ordering::SeqCst);
                }
            });
        }
    });
    let verdicts = verdicts.into_inner().unwrap();
    assert_eq!(verdicts.len(), all);
    let (accepted, bad_signature, replayed) = (0u16, 19, 24);
    for (number, reason) in &verdicts {
        match target(*number).1 {
            Some(true) => assert_eq!(*reason, accepted, "request {number}"),
            Some(false) => assert_eq!(*reason, bad_signature, "request {number}"),
            None => assert!([accepted, replayed].contains(reason), "request {number}: {reason}"),
        }
    }
    for pair in (2..all).step_by(4) {
        let both = [verdicts[&pair], verdicts[&(pair + 1)]];
        assert!(both == [accepted, replayed] || both == [replayed, accepted], "of a pair exactly one: {both:?}");
    }
    println!("{all} requests, the queue was found full {} times", full.into_inner());
    assert_eq!(portcullis_queue_close(queue.get()), PORTCULLIS_OK);
    assert_eq!(portcullis_queue_close(queue.get()), PORTCULLIS_BAD_HANDLE);
    assert_eq!(portcullis_engine_close(engine), PORTCULLIS_OK);
}

/// A document in which both apps have the secret `secret`.
fn document(secret: &str) -> String {
    let app = |id: &str| {
        format!(
            r#"{{"app_id":"{id}","status":"active","level":"A1","profiles":["openapi"],"allow_weak":true,
            "credentials":[{{"kid":"{secret}","alg":"md5","secret":"{secret}"}}]}}"#
        )
    };
    format!(
        r#"{{"version":1,"state":{{"nonces":400000,"birth_rule":"off"}},"apps":[{},{}]}}"#,
        app("p10001"),
        app("p10002")
    )
}

#[test]
fn documents_swapped_under_load_judge_every_batch_by_one_of_them() {
    const SWAPS: usize = 1_000;
    let documents = ["one", "two"].map(document);
    let mut engine = std::ptr::null_mut();
    // SAFETY: everything that is passed is alive and writable.
    let opened = unsafe { portcullis_engine_open(slice(&documents[0]), &mut engine, std::ptr::null_mut(), 0) };
    assert_eq!(opened, PORTCULLIS_OK);
    let engine = engine.addr();
    let (stop, judged) = (std::sync::atomic::AtomicBool::new(false), [const { AtomicUsize::new(0) }; 2]);
    std::thread::scope(|scope| {
        let threads = [0, 1, 2, 3].map(|thread| {
            let (stop, judged) = (&stop, &judged);
            scope.spawn(move || {
                let mut worker = std::ptr::null_mut();
                let engine = std::ptr::without_provenance_mut(engine);
                // SAFETY: writable.
                assert_eq!(unsafe { portcullis_worker_open(engine, &mut worker) }, PORTCULLIS_OK);
                for number in 0.. {
                    // Between two swaps at least, so that the test means something on any machine; no more than there is room for.
                    if stop.load(Ordering::SeqCst) || number == 20_000 {
                        break;
                    }
                    let secret = ["one", "two"][number % 2];
                    let targets = ["p10001", "p10002"].map(|app| {
                        let query = format!("nonce={thread}-{number}&partnerId={app}&timestamp=1700000000");
                        format!("/t?{query}&sign={}", md5(&format!("{query}&partnerKey={secret}")))
                    });
                    // SAFETY: all zeros is a request without anything, and a verdict.
                    let (mut requests, mut verdicts) =
                        unsafe { std::mem::zeroed::<([portcullis_request; 2], [portcullis_verdict; 2])>() };
                    for (request, target) in requests.iter_mut().zip(&targets) {
                        request.struct_size = size_of::<portcullis_request>() as u32;
                        request.received_at_ms = 1_700_000_000_000;
                        (request.method, request.target) = (slice("GET"), slice(target));
                    }
                    verdicts
                        .iter_mut()
                        .for_each(|verdict| verdict.struct_size = size_of::<portcullis_verdict>() as u32);
                    // SAFETY: two of each, alive.
                    let result =
                        unsafe { portcullis_verify_batch(worker, requests.as_ptr(), 2, verdicts.as_mut_ptr()) };
                    assert_eq!(result, PORTCULLIS_OK);
                    let reasons = verdicts.map(|verdict| verdict.reason);
                    assert!(
                        reasons == [0, 0] || reasons == [19, 19],
                        "half by one document, half by the other: {reasons:?}"
                    );
                    judged[usize::from(reasons[0] == 0)].fetch_add(1, Ordering::Relaxed);
                }
                assert_eq!(portcullis_worker_close(worker), PORTCULLIS_OK);
            })
        });
        for swap in 1..=SWAPS {
            let text = &documents[swap % 2];
            let engine = std::ptr::without_provenance_mut(engine);
            // SAFETY: the document is alive.
            let loaded = unsafe { portcullis_engine_load(engine, slice(text), std::ptr::null_mut(), 0) };
            assert_eq!(loaded, PORTCULLIS_OK);
            // One in ten is refused, and changes nothing.
            if swap % 10 == 0 {
                // SAFETY: as above.
                let refused = unsafe { portcullis_engine_load(engine, slice(&text[..60]), std::ptr::null_mut(), 0) };
                assert_eq!(refused, PORTCULLIS_BAD_CONFIG);
            }
        }
        // On a machine so busy that they have not come to both yet, they get the time; one of two requests is good by any document.
        while judged.iter().any(|count| count.load(Ordering::SeqCst) == 0)
            && !threads.iter().all(|one| one.is_finished())
        {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::SeqCst);
    });
    let [refused, accepted] = judged.map(AtomicUsize::into_inner);
    assert!(refused > 0 && accepted > 0, "{refused} batches refused, {accepted} accepted");
    println!("{SWAPS} swaps, {} batches", refused + accepted);
    assert_eq!(portcullis_engine_close(std::ptr::without_provenance_mut(engine)), PORTCULLIS_OK);
}
