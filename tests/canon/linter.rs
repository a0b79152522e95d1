//! Every hole that a `params` profile can have: found, refused, and taken where the document names it.

use crate::support::*;
use portcullis::canon::{HOLES, Profile, builtin};
use portcullis::codec::doc::Document;
use serde_json::{Value, json};

/// A profile without a hole but the two that the shape cannot close.
fn tight() -> Vec<(&'static str, Value)> {
    vec![
        ("/legacy_unsafe", json!(["unsigned_path"])),
        ("/methods", json!({"POST": ["json"]})),
        ("/values/empty", json!("keep")),
        ("/values/delimiters", json!("refuse")),
    ]
}

#[test]
fn a_tight_profile_has_only_the_hole_of_its_shape() {
    let profile = compile(&changed(&tight())).unwrap();
    let holes: Vec<_> = profile.lint().into_iter().map(|f| (f.hole, f.accepted)).collect();
    assert_eq!(holes, [("unsigned_path", true)]);
}

#[test]
fn each_hole_is_refused_until_it_is_named() {
    let header = |field: &str, name: &str| (format!("/fields/{field}"), json!({"names": [name], "in": "header"}));
    let sign_type = json!({"names": ["sign_type"], "signed": false, "values": {"RSA2": ["rsa-pkcs1-sha256"]}});
    let cases: Vec<(&str, (String, Value))> = vec![
        ("no_timestamp", ("/fields/timestamp".into(), json!(null))),
        ("unsigned_timestamp", header("timestamp", "X-Date")),
        ("no_nonce", ("/fields/nonce".into(), json!(null))),
        ("unsigned_nonce", header("nonce", "X-Nonce")),
        ("endpoint_nonce_scope", ("/fields/nonce/scope".into(), json!("endpoint"))),
        ("unsigned_app_id", header("app_id", "X-App")),
        ("unsigned_method", ("/methods".into(), json!({"GET": ["query"], "DELETE": ["query"]}))),
        ("unsigned_source", ("/methods".into(), json!({"POST": ["json", "form"]}))),
        ("unsigned_body", ("/values/nested".into(), json!("drop"))),
        ("unsigned_parameter", ("/exclude".into(), json!(["file"]))),
        ("unsigned_empty", ("/values/empty".into(), json!("drop"))),
        ("ambiguous_join", ("/values/delimiters".into(), json!("keep"))),
        ("algorithm_from_request", ("/fields/sign_type".into(), sign_type)),
        ("a2_mac", ("/level".into(), json!("A2"))),
    ];
    for (hole, (pointer, value)) in &cases {
        let mut changes = tight();
        changes.push((pointer, value.clone()));
        let refused = compile(&changed(&changes)).unwrap_err();
        assert!(refused.message.contains(&format!("unsafe profile: {hole} (")), "{hole}: {refused}");
        changes.push(("/legacy_unsafe", json!(["unsigned_path", hole])));
        let taken = compile(&changed(&changes)).unwrap_or_else(|e| panic!("{hole}: {e}"));
        let finding = taken.lint().into_iter().find(|f| f.hole == *hole).unwrap();
        assert!(finding.accepted);
        assert!(finding.sentence.len() > 40, "{}", finding.sentence);
    }
    // The one that no profile of this shape can be without.
    let mut changes = tight();
    changes.push(("/legacy_unsafe", json!([])));
    assert!(compile(&changed(&changes)).unwrap_err().message.contains("unsafe profile: unsigned_path ("));
    let tested: Vec<&str> = cases.iter().map(|(hole, _)| *hole).chain(["unsigned_path"]).collect();
    // Those that only other shapes can have are tested with them.
    for (hole, _) in HOLES.iter().filter(|(hole, _)| !["unsigned_query", "unsigned_digest"].contains(hole)) {
        assert!(tested.contains(hole), "{hole} has no case here");
    }
}

#[test]
fn what_closes_a_hole_is_no_finding() {
    for (pointer, value) in [
        // A signed name of the algorithm, one that chooses nothing, and one that is no parameter.
        ("/fields/sign_type", json!({"names": ["t"], "values": {"R": ["rsa-pkcs1-sha256"]}})),
        ("/fields/sign_type", json!({"names": ["t"], "signed": false})),
        ("/values/nested", json!("refuse")),
        ("/exclude", json!([])),
        ("/fields/signature", json!({"names": ["X-Sign"], "in": "header"})),
        ("/fields/app_id", json!(null)),
    ] {
        let mut changes = tight();
        changes.push((pointer, value));
        let profile = compile(&changed(&changes)).unwrap_or_else(|e| panic!("{pointer}: {e}"));
        assert_eq!(profile.lint().len(), 1, "{pointer}");
    }
    let signatures = json!({"rsa-pkcs1-sha256": {"signature": "base64"}, "ed25519": {"signature": "base64"}});
    let mut changes = tight();
    changes.extend([("/level", json!("A2")), ("/algorithms", signatures)]);
    assert!(compile(&changed(&changes)).is_ok_and(|p| p.level_a2()));
}

#[test]
fn a_name_that_is_no_hole_of_the_profile_is_an_error() {
    let mut changes = tight();
    changes.push(("/legacy_unsafe", json!(["unsigned_path", "no_nonce"])));
    let error = compile(&changed(&changes)).unwrap_err();
    assert_eq!(error.to_string(), "/legacy_unsafe: this profile has no hole \"no_nonce\": leave it out");
    changes.push(("/legacy_unsafe", json!(["unsigned_path", "anything"])));
    let error = compile(&changed(&changes)).unwrap_err();
    assert!(error.to_string().starts_with("/legacy_unsafe/1: no such hole; known: no_timestamp, "), "{error}");
}

#[test]
fn the_builtin_profile_says_what_it_leaves_open() {
    let holes: Vec<_> = builtin("openapi").unwrap().lint().into_iter().map(|f| f.hole).collect();
    assert_eq!(holes, ["unsigned_method", "unsigned_path", "unsigned_source", "unsigned_empty", "ambiguous_join"]);
}

/// Every error of a document names its place.
#[test]
fn broken_documents_are_refused_by_pointer() {
    for (pointer, value, at, says) in [
        ("/name", json!("Open API"), "/name", "expected 1 to 64 of a-z 0-9 - _ ."),
        ("/name", json!(""), "/name", "expected 1 to 64"),
        ("/shape", json!("magic"), "/shape", "expected one of params"),
        ("/surprise", json!(1), "/surprise", "unknown member"),
        ("/level", json!("A3"), "/level", "expected one of A1, A2"),
        ("/clock", json!({"past_ms": 1}), "/clock/past_ms", "unknown member"),
        ("/clock", json!({"past_window_ms": -1}), "/clock/past_window_ms", "expected an integer from 0"),
        ("/clock", json!({"past_window_ms": u64::MAX}), "/clock/past_window_ms", "expected an integer from 0"),
        ("/methods", json!({}), "/methods", "at least one method"),
        ("/methods", json!({"post": ["query"]}), "/methods/post", "method in capitals"),
        ("/methods", json!({"POST": []}), "/methods/POST", "at least one source"),
        ("/methods", json!({"POST": ["query", "yaml"]}), "/methods/POST/1", "expected one of query, json, form"),
        ("/methods", json!({"POST": ["query", "query"]}), "/methods/POST/1", "twice"),
        ("/content_type", json!("no"), "/content_type", "expected one of check"),
        ("/fields/signature", json!(null), "/", "without a signature"),
        ("/fields/signature/in", json!("path"), "/fields/signature/in", "expected one of params"),
        ("/fields/signature/max", json!(5000), "/fields/signature/max", "from 1 to 4096"),
        ("/fields/app_id/max", json!(65), "/fields/app_id/max", "from 1 to 64"),
        ("/fields/nonce/min", json!(33), "/fields/nonce/min", "from 1 to 32"),
        ("/fields/nonce/names", json!([]), "/fields/nonce/names", "at least one name"),
        ("/fields/nonce/names", json!(["a", "a"]), "/fields/nonce/names/1", "twice"),
        ("/fields/nonce/names", json!(["a b"]), "/fields/nonce/names/0", "without spaces"),
        ("/fields/nonce/names", json!(["a=b"]), "/fields/nonce/names/0", "without spaces"),
        ("/fields/nonce/names", json!(["x".repeat(65)]), "/fields/nonce/names/0", "1 to 64 bytes"),
        ("/fields/nonce/names", json!(["sign"]), "/", "\"sign\" is named for nonce and for signature"),
        ("/fields/nonce/names", json!(["PARTNERKEY"]), "/", "is named for nonce and for secret"),
        ("/fields/nonce/mode", json!("loose"), "/fields/nonce/mode", "expected one of strict, message"),
        ("/fields/nonce/format", json!("hex"), "/fields/nonce/format", "unknown member"),
        ("/fields/timestamp/format", json!("iso"), "/fields/timestamp/format", "expected one of unix-seconds"),
        ("/fields/kid", json!({"max": 3}), "/fields/kid", "member \"names\" is missing"),
        ("/fields/what", json!(1), "/fields/what", "unknown member"),
        ("/fields/nonce", json!({"names": ["中"], "in": "header"}), "/fields/nonce/in", "cannot be a header's name"),
        ("/exclude", json!(["sign"]), "/", "is named for signature and for exclude"),
        ("/exclude", json!("file"), "/exclude", "expected an array"),
        ("/values/empty", json!("trim"), "/values/empty", "expected one of drop, keep"),
        ("/values/what", json!(1), "/values/what", "unknown member"),
        ("/encode", json!("all"), "/encode", "expected one of off"),
        ("/encoder", json!("java"), "/encoder", "expected one of rfc3986, form"),
        ("/algorithms", json!({}), "/algorithms", "at least one algorithm"),
        ("/algorithms/none", json!({"signature": "hex"}), "/algorithms/none", "no such algorithm; known: md5"),
        ("/algorithms/md5", json!({"signature": "hex"}), "/algorithms/md5", "md5 needs \"secret_suffix\""),
        ("/algorithms/md5/signature", json!("octal"), "/algorithms/md5/signature", "expected one of hex"),
        ("/algorithms/md5/form", json!("der"), "/algorithms/md5/form", "only ECDSA and SM2"),
        ("/algorithms/ed25519/secret_suffix", json!("x"), "/algorithms/ed25519/secret_suffix", "no secret"),
        ("/algorithms/sm2-sm3/form", json!("raw"), "/algorithms/sm2-sm3/form", "expected one of der, fixed"),
        (
            "/fields/sign_type",
            json!({"names": ["t"], "values": {"A": ["hmac-sha1"]}}),
            "/fields/sign_type/values/A/0",
            "that this profile admits",
        ),
        ("/fields/sign_type", json!({"names": ["t"], "values": {"A": []}}), "/fields/sign_type/values/A", "at least"),
    ] {
        let error = compile(&changed(&[(pointer, value.clone())])).map(|_| ()).expect_err(pointer);
        let place = if error.pointer.is_empty() { "/" } else { &error.pointer };
        assert_eq!(place, at, "{pointer} = {value}: {error}");
        assert!(error.message.contains(says), "{pointer} = {value}: {error}");
    }
    for needed in ["name", "shape", "algorithms"] {
        let mut document = changed(&[]);
        document.as_object_mut().unwrap().remove(needed);
        assert!(compile(&document).unwrap_err().message.contains(&format!("member \"{needed}\" is missing")));
    }
}

/// What the guide says is what a document gets that says nothing.
#[test]
fn defaults_are_the_guide() {
    let written = builtin("openapi").unwrap();
    let short = json!({
        "name": "openapi",
        "shape": "params",
        "about": written.about(),
        "legacy_unsafe": ["unsigned_method", "unsigned_path", "unsigned_source", "unsigned_empty", "ambiguous_join"],
        "algorithms": changed(&[])["algorithms"],
    });
    let text = short.to_string();
    let document = Document::parse(text.as_bytes()).unwrap();
    let short = Profile::from_document(&document.root()).unwrap();
    assert_eq!(format!("{short:?}"), format!("{written:?}"));
}
