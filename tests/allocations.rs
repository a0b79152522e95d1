//! In steady state a request costs no heap allocation: counted by an allocator of this test's own.

use portcullis::engine::{Engine, Options};
use portcullis::ndjson::{Line, Parser};
use portcullis::request::Request;
use portcullis::time::Millis;
use portcullis::verdict::{Reason, Verdict};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<Option<u64>> = const { Cell::new(None) };
}

struct Counting;

fn count() {
    let _ = COUNT.try_with(|c| c.set(c.get().map(|n| n + 1)));
}

// SAFETY: every call is passed on to the system's allocator unchanged.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counted(work: impl FnOnce()) -> u64 {
    COUNT.with(|c| c.set(Some(0)));
    work();
    COUNT.with(|c| c.replace(None)).unwrap()
}

#[test]
fn verification_allocates_nothing_in_steady_state() {
    let root = env!("CARGO_MANIFEST_DIR");
    let config = std::fs::read(format!("{root}/vectors/demo/config.json")).unwrap();
    let mut lines: Vec<Vec<u8>> = std::fs::read(format!("{root}/vectors/demo/requests.ndjson"))
        .unwrap()
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    let mut parser = Parser::new();
    let lines: Vec<Line<'_>> = lines.iter_mut().map(|l| parser.parse(l).unwrap()).collect();
    let requests: Vec<Request<'_>> = lines.iter().map(Line::request).collect();
    let options = Options { now: Some(Millis(1_700_000_000_000)), closed_set: true, ..Options::default() };

    for batch in [1, 16, 256] {
        let engine = Engine::open_with(&config, &options).unwrap();
        let mut worker = engine.worker();
        let mut verdicts = vec![Verdict::of(Reason::Internal); requests.len()];
        let half = requests.len() / 2;
        // The first half warms the worker and the keys: tables of keys are built in the first uses, and in wider form after some more.
        // Tickets are given back, so that every pass verifies every signature.
        for _ in 0..60 {
            for (r, v) in requests[..half].chunks(batch).zip(verdicts[..half].chunks_mut(batch)) {
                worker.verify_batch(r, v);
            }
            for verdict in &verdicts[..half] {
                worker.release(&verdict.ticket);
            }
        }
        // The second half is counted: fresh requests, accepted and refused for every reason.
        let allocations = counted(|| {
            for (r, v) in requests[half..].chunks(batch).zip(verdicts[half..].chunks_mut(batch)) {
                worker.verify_batch(r, v);
            }
        });
        let accepted = verdicts[half..].iter().filter(|v| v.ok()).count();
        assert!(accepted > 500, "the counted half is real work: {accepted} accepted");
        assert_eq!(allocations, 0, "batches of {batch}, {} requests", requests.len() - half);
    }
}
