//! A line of NDJSON: what is taken is JSON for serde_json too, and says the same; what is written is JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::ndjson::{Parser, write_verdict};
use portcullis::verdict::{Label, Reason, Verdict};
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    let mut line = input.to_vec();
    let mut parser = Parser::new();
    let oracle: Option<Value> = serde_json::from_slice(input).ok();
    let Ok(parsed) = parser.parse(&mut line) else { return };
    let oracle = oracle.expect("taken by us, JSON for nobody else");
    let request = parsed.request();
    let text = |name: &str| oracle[name].as_str().map(str::as_bytes);
    assert_eq!(text("method"), Some(request.method));
    assert_eq!(text("target"), Some(request.target));
    assert_eq!(text("scheme"), request.scheme);
    assert_eq!(text("authority"), request.authority);
    assert_eq!(text("profile"), request.profile.map(str::as_bytes));
    assert_eq!(text("app_id"), request.app_id.map(str::as_bytes));
    if oracle.get("body_base64").is_none() {
        assert_eq!(text("body").unwrap_or_default(), request.body);
    }
    match &oracle["headers"] {
        Value::Array(list) => {
            assert_eq!(list.len(), request.headers.len());
            for (pair, header) in list.iter().zip(request.headers) {
                assert_eq!(pair[0].as_str().map(str::as_bytes), Some(header.name));
                assert_eq!(pair[1].as_str().map(str::as_bytes), Some(header.value));
            }
        }
        // A name that is there twice counts once for serde_json.
        Value::Object(map) => assert!(map.len() <= request.headers.len()),
        _ => assert!(request.headers.is_empty()),
    }
    let mut verdict = Verdict::of(Reason::BadSignature);
    verdict.app_id = Label::from_bytes_or_empty(request.target);
    verdict.kid = Label::from_bytes_or_empty(request.method);
    let mut out = Vec::new();
    write_verdict(parsed.id.as_deref(), &verdict, &mut out);
    let written: Value = serde_json::from_slice(&out).expect("a verdict is JSON");
    assert_eq!(written["id"].as_str(), parsed.id.as_deref());
    assert_eq!(written["app_id"].as_str().unwrap_or(""), verdict.app_id.as_str());
});
