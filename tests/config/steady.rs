//! What a request asks of a snapshot allocates nothing.

use super::*;
use portcullis::keys::policy;
use portcullis::time::Millis;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

thread_local! {
    /// Allocations of this thread; a constant initialiser, so that counting allocates nothing itself.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[allow(unsafe_code, reason = "a global allocator is an unsafe trait; this one hands everything to the system's")]
// SAFETY: every call goes to `System` unchanged; the counter touches no memory that is being handed out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps `alloc`'s contract, which is passed on as it is.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above; the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn asking_a_snapshot_allocates_nothing() {
    let live = portcullis::keys::Live::new(read(&whole()).unwrap());
    let mut reader = live.reader();
    let round = |reader: &mut portcullis::keys::Reader<'_>| {
        let s = reader.load();
        for (id, kid, ip, path) in [
            ("p10001", "2026", "203.0.113.7", "/pay/v1/%E4%BB%98/transfer"),
            ("p10002", SERIAL_DECIMAL, "2001:db8::1", "/accounts/7/balance"),
            ("nobody", "", "::ffff:203.0.113.7", "/pay/../x"),
        ] {
            let api = s.api_for(b"POST", path.as_bytes());
            black_box(s.profile_named("openapi"));
            let Some(app) = s.app(id.as_bytes()) else { continue };
            black_box(policy::app_status(app)).ok();
            black_box(policy::ip_allowed(app, None, ip.parse().ok())).ok();
            if let Ok(api) = api {
                black_box(policy::api_allowed(s, app, api)).ok();
                black_box(policy::api_served(api)).ok();
            }
            let credential = app.credential(kid.as_bytes()).unwrap();
            black_box(credential.valid_at(Millis(0))).ok();
            black_box(policy::strength(app, credential.algorithm())).ok();
            black_box(app.limits.after_signature.iter().filter(|l| s.limit(**l).is_some()).count());
            black_box(s.clock(app.profiles[0]));
        }
        black_box(live.load().generation());
    };
    round(&mut reader);
    let before = COUNT.with(Cell::get);
    for _ in 0..1000 {
        round(&mut reader);
    }
    assert_eq!(COUNT.with(Cell::get) - before, 0);
    drop(black_box(vec![1_u8]));
    assert_eq!(COUNT.with(Cell::get) - before, 1, "the counter counts");
}
