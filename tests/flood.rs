//! A flood of requests under ever new keys: 10,000 credentials, each used twice, so that each asks for a table. The tables stay within their
//! cap, and every verdict is right, those on other apps' requests included.
//!
//! (Throughput of such a flood is the row `p256-flood` of `benches/peers`; what it costs other apps is `benches/flood.rs`.)

use std::fmt::Write as _;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis::alg::{key_tables, set_key_table_bytes};
use portcullis::engine::{Engine, Options};
use portcullis::request::{Header, Request};
use portcullis::time::Millis;
use portcullis::verdict::{Reason, Verdict};

const NOW_S: i64 = 1_700_000_000;
const NEW: usize = 10_000;
const OLD: usize = 8;
const BATCH: usize = 64;

struct App {
    id: String,
    pair: EcdsaKeyPair,
}

struct Signed {
    target: String,
    body: String,
    good: bool,
}

/// A request of `app`; a signature that is not good is one of another text.
fn request(app: &App, nonce: usize, good: bool) -> Signed {
    let App { id, pair } = app;
    let text = format!("amount=10.50&nonce=flood{nonce:016}&partnerId={id}&timestamp={NOW_S}");
    let signed = if good { text } else { text.replace("10.50", "99.50") };
    let signature = STANDARD.encode(pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap());
    let escaped: String = form_urlencoded::byte_serialize(signature.as_bytes()).collect();
    let body =
        format!("{{\"partnerId\":\"{id}\",\"amount\":10.50,\"nonce\":\"flood{nonce:016}\",\"timestamp\":{NOW_S}}}");
    Signed { target: format!("/pay/v1/transfer?sign={escaped}"), body, good }
}

#[test]
fn ten_thousand_new_keys_leave_tables_within_their_cap_and_verdicts_right() {
    // Room for the tables of a hundred keys or so.
    const CAP: usize = 4 << 20;
    set_key_table_bytes(CAP);
    let apps: Vec<App> = (0..NEW + OLD)
        .map(|i| App { id: format!("p{i:05}"), pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap() })
        .collect();
    let mut document = String::from(
        "{\"version\":1,\"state\":{\"nonces\":100000},\"apis\":[{\"api_id\":\"OP1023450102000100001000\",\
         \"method\":\"POST\",\"path\":\"/pay/v1/transfer\",\"level\":\"A1\"}],\"apps\":[",
    );
    for (i, app) in apps.iter().enumerate() {
        let key: String = app.pair.public_key().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = write!(
            document,
            "{}{{\"app_id\":\"{}\",\"status\":\"active\",\"level\":\"A1\",\"profiles\":[\"openapi\"],\
             \"allow_apis\":[\"OP1023450102000100001000\"],\
             \"credentials\":[{{\"alg\":\"ecdsa-p256-sha256\",\"public_key_hex\":\"{key}\"}}]}}",
            if i == 0 { "" } else { "," },
            app.id,
        );
    }
    document.push_str("]}");
    let options = Options { now: Some(Millis(NOW_S * 1000)), closed_set: true, ..Options::default() };
    let engine = Engine::open_with(document.as_bytes(), &options).unwrap();
    let mut worker = engine.worker();
    let headers = [
        Header { name: b"host", value: b"api.bank.example" },
        Header { name: b"content-type", value: b"application/json" },
    ];

    // Old apps between the new ones: every eighth request is theirs. One request in five is not good.
    let (new, old) = apps.split_at(NEW);
    let signed: Vec<Signed> = (0..NEW + NEW / 7)
        .map(|i| request(if i % 8 == 7 { &old[i / 8 % OLD] } else { &new[i - i / 8] }, i, i % 5 != 3))
        .collect();
    let requests: Vec<Request<'_>> = signed
        .iter()
        .map(|s| Request { headers: &headers, ..Request::new(b"POST", s.target.as_bytes(), s.body.as_bytes()) })
        .collect();
    let mut verdicts = vec![Verdict::of(Reason::Internal); BATCH];
    let built = key_tables().built;
    for pass in 0..2 {
        for (i, (requests, signed)) in requests.chunks(BATCH).zip(signed.chunks(BATCH)).enumerate() {
            let verdicts = &mut verdicts[..requests.len()];
            worker.verify_batch(requests, verdicts);
            for (verdict, signed) in verdicts.iter().zip(signed) {
                assert_eq!(verdict.ok(), signed.good, "pass {pass}, batch {i}: {verdict:?}");
                if !signed.good {
                    assert_eq!(verdict.reason, Reason::BadSignature, "pass {pass}, batch {i}");
                }
                worker.release(&verdict.ticket);
            }
            let tables = key_tables();
            assert!(tables.bytes <= CAP, "pass {pass}, batch {i}: {tables:?}");
        }
    }
    let tables = key_tables();
    assert!(tables.built > built && tables.tables > 0, "{tables:?}");
    assert!(tables.tables * (32 << 10) <= CAP, "{tables:?}");
}
