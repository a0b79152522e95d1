//! The exchange of snapshots.

use super::*;
use portcullis::keys::Live;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A document whose parts all carry the same number, so that a mixture of two would show.
fn numbered(n: u64) -> Value {
    json!({
        "version": 1,
        "codes": { "ok": n },
        "limits": [{ "name": format!("limit-{n}"), "key": ["app"], "rate": n + 1, "per_ms": 1000 }],
        "apps": [{ "app_id": format!("app-{n}"), "limits": [format!("limit-{n}")],
                   "credentials": [{ "kid": format!("kid-{n}"), "alg": "hmac-sha256", "secret": format!("secret-{n}") }] }]
    })
}

fn consistent(s: &Snapshot) -> u64 {
    let n: u64 = s.code(portcullis::verdict::Reason::Ok).as_str().parse().unwrap();
    let app = s.app(format!("app-{n}").as_bytes()).expect("the app of this document");
    let credential = app.credential(format!("kid-{n}").as_bytes()).expect("the credential of this document");
    assert_eq!(credential.secret().unwrap().expose(), format!("secret-{n}").as_bytes());
    let limit = s.limit(app.limits.after_signature[0]).unwrap();
    assert_eq!((limit.name.as_str(), limit.rate.unwrap().rate()), (format!("limit-{n}").as_str(), n + 1));
    n
}

#[test]
fn r38_readers_see_whole_documents_only_while_they_are_swapped() {
    let rounds = if std::env::var_os("PORTCULLIS_SLOW").is_some() { 20_000 } else { 500 };
    let live = Live::new(read(&numbered(0)).unwrap());
    let done = AtomicBool::new(false);
    let reads = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (live, done, reads) = (&live, &done, &reads);
            scope.spawn(move || {
                let mut reader = live.reader();
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let snapshot = if worker % 2 == 0 { reader.load().clone() } else { live.load_full() };
                    let n = consistent(&snapshot);
                    assert_eq!(snapshot.generation(), n + 1);
                    assert!(n >= last, "never back to an older document");
                    last = n;
                    reads.fetch_add(1, Ordering::Relaxed);
                }
                assert_eq!(consistent(reader.load()), rounds);
            });
        }
        for n in 1..=rounds {
            assert_eq!(live.reload(numbered(n).to_string().as_bytes()).unwrap(), n + 1);
            assert!(live.reload(b"{\"version\":1,").is_err());
        }
        while reads.load(Ordering::Relaxed) < 100 {
            std::thread::yield_now();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(consistent(&live.load()), rounds);
}

#[test]
fn r38_a_bad_document_changes_nothing() {
    let live = Live::new(read(&numbered(7)).unwrap());
    for bad in ["", "{}", "{\"version\":2}", "{\"version\":1,\"apps\":[{\"app_id\":\"x\",\"level\":\"A3\"}]}"] {
        assert!(live.reload(bad.as_bytes()).is_err(), "{bad}");
        assert_eq!((live.load().generation(), consistent(&live.load())), (1, 7));
    }
}

#[test]
fn the_region_keeps_what_it_was_laid_out_for() {
    let mut document = numbered(1);
    document["clock"] = json!({ "past_window_ms": 60_000, "future_window_ms": 1_000 });
    let live = Live::new(read(&document).unwrap());
    let swap = |document: &Value| live.reload(document.to_string().as_bytes()).map_err(|e| e.to_string());

    document["state"] = json!({ "nonces": 5 });
    assert!(swap(&document).unwrap_err().starts_with("/state: differs"));
    document["state"] = json!({});
    document["clock"]["past_window_ms"] = json!(60_001);
    assert!(swap(&document).unwrap_err().starts_with("/clock: wider"));
    document["clock"] = json!({ "past_window_ms": 60_000, "future_window_ms": 1_001 });
    assert!(swap(&document).unwrap_err().starts_with("/clock: wider"));
    assert_eq!(live.load().generation(), 1);
    document["clock"] = json!({ "past_window_ms": 30_000, "future_window_ms": 0 });
    assert_eq!(swap(&document), Ok(2), "narrower is fine");
    document["clock"] = json!({ "past_window_ms": 60_000, "future_window_ms": 1_000 });
    assert_eq!(swap(&document), Ok(3), "and back to what the region was laid out for");
}
