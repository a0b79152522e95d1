//! Requests through the C ABI: one at a time on one engine, as a batch on another; the verdicts are the same, and nothing crashes.
//!
//! The input is cut into requests at the byte 0xfe and into members at 0xff; a few members are made to be signed well, so that the way
//! to acceptance is open.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::ffi::{
    portcullis_engine, portcullis_engine_open, portcullis_header, portcullis_release, portcullis_request,
    portcullis_result, portcullis_slice, portcullis_verdict, portcullis_verify, portcullis_verify_batch,
    portcullis_worker, portcullis_worker_open,
};
use std::sync::OnceLock;

const CONFIG: &str = r#"{"version":1,"state":{"nonces":1000,"birth_rule":"off"},
 "limits":[{"name":"all","key":["client_ip"],"rate":1000000000,"per_ms":1,"burst":1000000000,"before_signature":true}],
 "apps":[{"app_id":"p10001","status":"active","level":"A1","profiles":["openapi"],"allow_weak":true,
 "credentials":[{"kid":"k1","alg":"md5","secret":"k3y"},{"kid":"k2","alg":"hmac-sha256","secret":"another"},
 {"kid":"k3","alg":"ecdsa-p256-sha256","public_key_hex":"046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"},
 {"kid":"k4","alg":"sm2-sm3","public_key_hex":"0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"}]}]}"#;
const GOOD: &[u8] = b"/t?nonce=abc123&partnerId=p10001&timestamp=1700000000&sign=2f9ca37c0612118fb1b01b74e6854589";

#[derive(Clone, Copy)]
struct Worker(*mut portcullis_worker);
// SAFETY: a handle is a number.
unsafe impl Send for Worker {}
// SAFETY: as above; a second thread would get a result.
unsafe impl Sync for Worker {}

fn workers() -> [Worker; 2] {
    static WORKERS: OnceLock<[Worker; 2]> = OnceLock::new();
    *WORKERS.get_or_init(|| {
        [(); 2].map(|()| {
            let (mut engine, mut worker): (*mut portcullis_engine, _) = (std::ptr::null_mut(), std::ptr::null_mut());
            // SAFETY: every pointer is to memory of this function.
            unsafe {
                let opened = portcullis_engine_open(slice(CONFIG.as_bytes()), &mut engine, std::ptr::null_mut(), 0);
                assert_eq!(opened, portcullis_result::PORTCULLIS_OK);
                assert_eq!(portcullis_worker_open(engine, &mut worker), portcullis_result::PORTCULLIS_OK);
            }
            Worker(worker)
        })
    })
}

fn slice(bytes: &[u8]) -> portcullis_slice {
    portcullis_slice { ptr: bytes.as_ptr(), len: bytes.len() }
}

fn blank() -> portcullis_verdict {
    // SAFETY: a verdict is numbers and texts; zero is good for all of them.
    let mut verdict: portcullis_verdict = unsafe { std::mem::zeroed() };
    verdict.struct_size = size_of::<portcullis_verdict>() as u32;
    verdict
}

fuzz_target!(|input: &[u8]| {
    let mut headers = Vec::new();
    let mut requests: Vec<portcullis_request> = Vec::new();
    for one in input.split(|b| *b == 0xfe).take(40) {
        let mut parts = one.split(|b| *b == 0xff);
        let flags = parts.next().unwrap_or_default().first().copied().unwrap_or(0);
        let mut next = || slice(parts.next().unwrap_or_default());
        // SAFETY: a request is numbers and slices; zero is good for all of them.
        let mut request: portcullis_request = unsafe { std::mem::zeroed() };
        request.struct_size = size_of::<portcullis_request>() as u32;
        request.received_at_ms = 1_700_000_000_000;
        request.method = match flags & 3 {
            0 | 1 => slice(b"GET"),
            2 => slice(b"POST"),
            _ => next(),
        };
        request.target = if flags & 4 != 0 { slice(GOOD) } else { next() };
        request.body = if flags & 8 != 0 { next() } else { slice(b"") };
        request.client_ip = if flags & 16 != 0 { slice(b"203.0.113.7") } else { slice(b"") };
        request.profile = if flags & 32 != 0 { slice(b"openapi") } else { slice(b"") };
        let first = headers.len();
        while headers.len() < first + usize::from(flags >> 6) {
            let (name, value) = (next(), next());
            headers.push(portcullis_header { name, value });
        }
        request.header_count = headers.len() - first;
        requests.push(request);
    }
    let mut at = 0;
    for request in &mut requests {
        request.headers = headers[at..].as_ptr();
        at += request.header_count;
    }
    let [one, many] = workers();
    let mut alone: Vec<portcullis_verdict> = requests.iter().map(|_| blank()).collect();
    let mut together = alone.clone();
    // SAFETY: requests and verdicts are this function's, of equal number, their slices of the input or of constants.
    unsafe {
        for (request, verdict) in requests.iter().zip(&mut alone) {
            assert_eq!(portcullis_verify(one.0, request, verdict), portcullis_result::PORTCULLIS_OK);
        }
        let result = portcullis_verify_batch(many.0, requests.as_ptr(), requests.len(), together.as_mut_ptr());
        assert_eq!(result, portcullis_result::PORTCULLIS_OK);
        for (a, b) in alone.iter().zip(&together) {
            assert_eq!(
                (a.reason, a.http_status, a.code, a.app_id, a.kid),
                (b.reason, b.http_status, b.code, b.app_id, b.kid)
            );
            assert!(a.reason != 35, "internal");
            let mut released = false;
            for (worker, verdict) in [(one.0, a), (many.0, b)] {
                assert_eq!(portcullis_release(worker, verdict, &mut released), portcullis_result::PORTCULLIS_OK);
                assert_eq!(released, verdict.reason == 0);
            }
        }
    }
});
