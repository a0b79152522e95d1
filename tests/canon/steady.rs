//! Nothing is allocated once the buffers have grown.
#![allow(unsafe_code)]

use crate::support::*;
use portcullis::canon::{Profile, Scratch, builtin};
use portcullis::request::{Header, Request, Sizes};
use serde_json::json;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local!(static ALLOCATIONS: Cell<u64> = const { Cell::new(0) });

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; the counter is a plain thread-local cell that allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise on `layout` is the system allocator's condition.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` came from `alloc` above, that is from the system, with this layout.
        unsafe { System.dealloc(at, layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as for `dealloc`; the caller's promise on `size` is the system's condition.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn round(profile: &Profile, requests: &[Request<'_>], scratch: &mut Scratch, out: &mut Vec<u8>) -> usize {
    let mut good = 0;
    for request in requests {
        if let Ok(extract) = profile.extract(request, scratch, &Sizes::default()) {
            out.clear();
            let name = if extract.signature.len() == 32 { "md5" } else { "rsa-pkcs1-sha256" };
            if profile.write_message(&extract, request, alg(name), out).is_some()
                && profile.decode_signature(extract.signature, alg(name), out).is_ok()
            {
                good += 1;
            }
        }
    }
    good
}

#[test]
fn no_allocation_in_steady_state() {
    let headers = [Header { name: b"content-type", value: b"application/json; charset=utf-8" }];
    let members =
        r#""partnerId":"p1","timestamp":1700000000,"nonce":"n","text":"\u4e2d\u6587","deep":[{"a":1}],"none":null"#;
    let body = format!("{{{members}}}");
    let hex = "0".repeat(32);
    let get = format!("/p?partnerId=p1&timestamp=1700000000&nonce=n&text=%E4%B8%AD+x&sign={hex}");
    let post = format!("/p?sign={}&channel=a%20b", "AAAA".repeat(85));
    let broken = format!("{{{members},");
    let requests = [
        Request::new(b"GET", get.as_bytes(), b""),
        Request { headers: &headers, ..Request::new(b"POST", post.as_bytes(), body.as_bytes()) },
        Request { headers: &headers, ..Request::new(b"POST", post.as_bytes(), broken.as_bytes()) },
        Request::new(b"GET", b"/p?sign=x", b""),
    ];
    for profile in [
        builtin("openapi").unwrap(),
        profile(&[("/encode", json!("values")), ("/values/delimiters", json!("refuse"))]).into(),
    ] {
        let (mut scratch, mut out) = (Scratch::new(), Vec::new());
        assert_eq!(round(&profile, &requests, &mut scratch, &mut out), 2);
        let before = ALLOCATIONS.get();
        for _ in 0..100 {
            assert_eq!(round(&profile, &requests, &mut scratch, &mut out), 2);
        }
        assert_eq!(ALLOCATIONS.get(), before);
    }
}

/// The good vectors of every scheme, over and over.
#[test]
fn schemes_allocate_nothing_in_steady_state() {
    use portcullis::canon::builtin_names;
    use portcullis::ndjson::Parser;
    let mut checked = 0;
    let named = builtin_names().iter().filter(|name| **name != "openapi").map(|name| (*name, "cases"));
    let read = |(name, file)| {
        let text = std::fs::read_to_string(format!("vectors/{name}/{file}.json")).unwrap();
        let file: serde_json::Value = serde_json::from_str(&text).unwrap();
        let good = file["cases"].as_array().unwrap().iter().filter(|c| c["reason"] == "ok").cloned();
        (name, file.clone(), good.collect::<Vec<_>>())
    };
    let files = named.chain([("rfc9421", "appendix-b")]).map(read);
    for (name, file, case) in
        files.flat_map(|(name, file, cases)| cases.into_iter().map(move |c| (name, file.clone(), c)))
    {
        let mut line = case["request"].to_string().into_bytes();
        let mut parser = Parser::new();
        let line = parser.parse(&mut line).unwrap();
        let profile = match &file["profile"] {
            serde_json::Value::Null => builtin(name).unwrap(),
            own => {
                let document = portcullis::codec::doc::Document::parse(own.to_string().as_bytes()).unwrap();
                std::sync::Arc::new(portcullis::canon::Profile::from_document(&document.root()).unwrap())
            }
        };
        let request = line.request();
        let algorithm = alg(file["app"]["credentials"][0]["alg"].as_str().unwrap());
        let (mut scratch, mut out) = (Scratch::new(), Vec::new());
        let mut once = || {
            out.clear();
            let extract = profile.extract(&request, &mut scratch, &Sizes::default()).unwrap();
            profile.write_message(&extract, &request, algorithm, &mut out).unwrap();
            for (text, _) in extract.signatures() {
                let _ = profile.decode_signature(text, algorithm, &mut out);
            }
        };
        for _ in 0..3 {
            once();
        }
        let before = ALLOCATIONS.get();
        for _ in 0..10 {
            once();
        }
        assert_eq!(ALLOCATIONS.get() - before, 0, "{name} {}", case["name"]);
        checked += 1;
    }
    assert!(checked > 100, "{checked}");
}
