//! Broken documents: each is one change to the whole document, and must be refused at its exact pointer, in words that say what was
//! expected, without a secret.

use super::*;

/// Sets (or with `null`-like `Value::Null` given by [`gone`] removes) what is at `pointer`.
fn changed(pointer: &str, value: Value) -> Value {
    let mut document = whole();
    let (parent, last) = pointer.rsplit_once('/').expect("a pointer below the root");
    let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}: no such parent"));
    match parent {
        Value::Object(members) => {
            members.insert(last.replace("~1", "/").replace("~0", "~"), value);
        }
        Value::Array(items) => match last {
            "-" => items.push(value),
            _ => items[last.parse::<usize>().unwrap()] = value,
        },
        _ => panic!("{pointer}: parent is neither an object nor an array"),
    }
    document
}

fn without(pointer: &str) -> Value {
    let mut document = whole();
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(last).expect("was there");
    document
}

#[test]
#[rustfmt::skip]
fn every_broken_value_is_named_by_its_pointer() {
    // Where the value goes; the value; where the error is reported ("" for the same place); what the message holds.
    let cases: Vec<(&str, Value, &str, &str)> = vec![
        ("/version", json!(2), "", "integer from 1 to 1"),
        ("/version", json!("1"), "", "expected an integer, found a string"),
        ("/extra", json!(1), "", "unknown member; known here: version, state"),
        ("/a~1b", json!(1), "", "unknown member"),
        ("/state", json!([]), "", "expected an object, found an array"),
        ("/state/path", json!(""), "", "expected the path"),
        ("/state/path", json!("a\u{0}b"), "", "expected the path"),
        ("/state/nonces", json!(0), "", "integer from 1"),
        ("/state/nonces", json!(-5), "", "integer from 1"),
        ("/state/nonces", json!(1.5), "", "expected an integer, found a fraction"),
        ("/state/limit_keys", json!(null), "", "found null"),
        ("/state/birth_rule", json!("yes"), "", "expected one of on, off"),
        ("/state/birth_rule", json!(1), "", "expected true or false"),
        ("/state/mode", json!(600), "", "string of octal digits"),
        ("/state/mode", json!("0999"), "", "octal"),
        ("/state/mode", json!("0777"), "", "nothing to execute"),
        ("/state/mode", json!("0066"), "", "for the owner"),
        ("/state/mode", json!("+600"), "", "octal"),
        ("/state/group", json!(""), "", "1 to 32 bytes"),
        ("/state/group", json!("no-such-group"), "", "/etc/group has no"),
        ("/state/group", json!(-1), "", "integer from 0"),
        ("/state/nonce_mode", json!("lax"), "", "expected one of strict, message"),
        ("/state/size", json!(1), "", "unknown member; known here: path, nonces"),
        ("/tokens/keys", json!([]), "", "1 to 16 keys"),
        ("/tokens/keys/0/number", json!(16), "", "from 0 to 15"),
        ("/tokens/keys/1/number", json!(3), "", "that no other key has"),
        ("/tokens/keys/0/secret", json!("a secret of 31 bytes is too few"), "", "at least 32 bytes"),
        ("/tokens/keys/0/secret_env", json!("X"), "/tokens/keys/0", "expected one of secret, secret_base64"),
        ("/tokens/life_s", json!(3601), "", "from 1 to 3600"),
        ("/tokens/max_life_s", json!(86_401), "", "from 1 to 86400"),
        ("/tokens/overlap_s", json!(0), "", "from 1"),
        ("/tokens/header", json!("a b"), "", "header's name"),
        ("/tokens/required", json!(true), "", "found a boolean"),
        ("/tokens/one_time/life_s", json!(3601), "", "from 1 to 3600"),
        ("/tokens/one_time/lease_s", json!(0), "", "from 1"),
        ("/apis/0/token", json!(1), "", "true or false"),
        ("/apis/0/one_time", json!("maybe"), "", "off, optional, required"),
        ("/clock/past_window_ms", json!(0), "", "from 1 to 604800000"),
        ("/clock/future_window_ms", json!(604_800_001_u64), "", "from 0 to 604800000"),
        ("/clock/window", json!(1), "", "unknown member"),
        ("/sizes/params", json!(0), "", "integer from 1"),
        ("/sizes/depth", json!(1025), "", "from 1 to 1024"),
        ("/sizes/body", json!(1_u64 << 32), "", "from 1 to 4294967295"),
        ("/codes", json!(["9991"]), "", "expected an object"),
        ("/codes/nope", json!("1"), "", "no such reason; known here: ok, malformed_request"),
        ("/codes/ok", json!(""), "", "1 to 16 printable"),
        ("/codes/ok", json!("12345678901234567"), "", "1 to 16 printable"),
        ("/codes/ok", json!("a b"), "", "printable ASCII"),
        ("/codes/ok", json!("\u{540d}"), "", "printable ASCII"),
        ("/codes/ok", json!(1.5), "", "expected a string or an integer, found a fraction"),
        ("/codes/ok", json!(-1), "", "integer from 0"),
        ("/profiles", json!({}), "", "expected an array, found an object"),
        ("/profiles/0/name", json!("openapi"), "", "built-in profile"),
        ("/profiles/-", own_profile("my-bank"), "/profiles/1/name", "twice, first at /profiles/0"),
        ("/profiles/0/shape", json!("round"), "", "expected one of params"),
        ("/profiles/0/nope", json!(1), "", "unknown member"),
        ("/limits/0/name", json!(""), "", "1 to 64 bytes"),
        ("/limits/0/name", json!("a\nb"), "", "without control characters"),
        ("/limits/1/name", json!("door"), "", "twice, first at /limits/0/name"),
        ("/limits/0/key", json!([]), "", "at least one part"),
        ("/limits/0/key", json!("app"), "", "expected an array, found a string"),
        ("/limits/0/key", json!(["ip"]), "/limits/0/key/0", "expected one of app, client_ip, path, method, api, kid"),
        ("/limits/2/key", json!(["path", "path"]), "/limits/2/key/1", "twice"),
        ("/limits/0/key", json!(["client_ip", "app"]), "/limits/0/before_signature", "client_ip, path and method"),
        ("/limits/2/rate", json!(0), "", "integer from 1"),
        ("/limits/2/per_ms", json!(86_400_001), "", "from 1 to 86400000"),
        ("/limits/2/burst", json!("2"), "", "found a string"),
        ("/limits/2/burst", json!(1_000_000_000_u64), "/limits/2/rate", "burst × per_ms / rate must be at most"),
        ("/limits/2/action", json!("shout"), "", "expected one of reject, alert, suspend"),
        ("/limits/2/suspend_ms", json!(5), "", "action \"suspend\" only"),
        ("/limits/2/action", json!("suspend"), "/limits/2", "\"suspend_ms\" is missing"),
        ("/limits/3/per_ms", json!(5), "", "beside \"rate\" only"),
        ("/limits/3/burst", json!(5), "", "beside \"rate\" only"),
        ("/limits/3/concurrency", json!(0), "", "integer from 1"),
        ("/limits/0/concurrency", json!(3), "/limits/0/before_signature", "expected a rate alone"),
        ("/limits/0/before_signature", json!("true"), "", "expected true or false"),
        ("/limits/0/kye", json!([]), "", "unknown member"),
        ("/apis/1/api_id", json!("OP1023450202000100001000"), "", "twice, first at /apis/0/api_id"),
        ("/apis/1/api_id", json!("x".repeat(33)), "", "1 to 32 bytes"),
        ("/apis/0/method", json!("post"), "", "method in capitals"),
        ("/apis/0/path", json!("pay/*"), "", "begins with /"),
        ("/apis/0/path", json!("/pay/*x"), "", "whole segment"),
        ("/apis/0/path", json!("/pay/../x"), "", "dot segments"),
        ("/apis/-", json!({ "api_id": "twin", "method": "GET", "path": "/accounts/*/b%61lance", "level": "A1" }), "/apis/3/path",
         "/apis/1 has the same"),
        ("/apis/0/level", json!("A3"), "", "expected one of A1, A2"),
        ("/apis/0/state", json!("asleep"), "", "expected one of active, retired"),
        ("/apis/0/limits/0", json!("nope"), "", "there is no \"nope\""),
        ("/apis/0/limits/0", json!("door-pay"), "/apis/0/limits/1", "twice, first at /apis/0/limits/0"),
        ("/apis/0/rate", json!(1), "", "unknown member"),
        ("/apps/0", json!("p10001"), "", "expected an object"),
        ("/apps/1/app_id", json!("p10001"), "", "twice, first at /apps/0/app_id"),
        ("/apps/0/app_id", json!("x".repeat(65)), "", "1 to 64 bytes"),
        ("/apps/0/app_id", json!("\u{540d}".repeat(22)), "", "1 to 64 bytes"),
        ("/apps/0/app_id", json!(10001), "", "expected a string, found an integer"),
        ("/apps/0/status", json!("asleep"), "", "expected one of active, suspended, exited"),
        ("/apps/0/level", json!("a1"), "", "expected one of A1, A2"),
        ("/apps/0/level", json!("A2"), "/apps/0/credentials/0/alg", "md5 is a MAC, level A2"),
        ("/apps/0/allow_weak", json!(false), "/apps/0/credentials/0/alg", "md5 is weak"),
        ("/apps/0/profiles/0", json!("nope"), "", "there is no \"nope\""),
        ("/apps/0/profiles/1", json!("openapi"), "", "twice"),
        ("/apps/0/allow_ips/0", json!("203.0.113.0/33"), "", "expected an IPv4 or IPv6 address or a block"),
        ("/apps/0/allow_ips/0", json!("203.0.113.1/24"), "", "expected 203.0.113.0/24"),
        ("/apps/0/allow_ips/0", json!(7), "", "expected a string"),
        ("/apps/0/allow_apis/0", json!("nope"), "", "there is no \"nope\""),
        ("/apps/0/allow_apis/1", json!("balance"), "", "twice"),
        ("/apps/0/limits/0", json!("nope"), "", "there is no \"nope\""),
        ("/apps/0/limits", json!("pay"), "", "expected an array"),
        ("/apps/0/limits", json!(vec!["watch"; 17]), "", "at most 16 limits"),
        ("/apps/0/secret", json!("x"), "", "unknown member"),
        ("/apps/0/credentials/0/alg", json!("MD5"), "", "expected one of md5, hmac-sha1"),
        ("/apps/0/credentials/0/status", json!("on"), "", "expected one of active, revoked"),
        ("/apps/0/credentials/1/kid", json!("2026"), "/apps/0/credentials/1", "key id \"2026\" belongs to another"),
        ("/apps/1/credentials/5/kid", json!(SERIAL_DECIMAL), "/apps/1/credentials/5", "belongs to another"),
        ("/apps/0/credentials/0/kid", json!(""), "", "1 to 64 bytes"),
        ("/apps/0/credentials/0/secret", json!(""), "", "the secret is empty"),
        ("/apps/0/credentials/0/secret", json!(["hush"]), "", "expected a string, found an array"),
        ("/apps/0/credentials/0/secret_hex", json!("00"), "", "beside secret; expected one source"),
        ("/apps/0/credentials/1/secret_base64", json!("hush!"), "", "expected base64"),
        ("/apps/0/credentials/1/secret_base64", json!("AAE"), "", "padded"),
        ("/apps/0/credentials/1/secret_base64", json!("AAEC\n"), "", "without white space"),
        ("/apps/0/credentials/2/secret_env", json!("PORTCULLIS_NOT_SET"), "", "variable PORTCULLIS_NOT_SET is not set"),
        ("/apps/0/credentials/2/alg", json!("ed25519"), "/apps/0/credentials/2/secret_env", "ed25519 needs a public key"),
        ("/apps/0/credentials/3/secret_hex", json!("abc"), "", "pairs of hexadecimal"),
        ("/apps/0/credentials/3/user_id", json!("x"), "", "sm2-sm3 only"),
        ("/apps/0/credentials/3/pin", json!("x"), "", "unknown member"),
        ("/apps/1/credentials/0/alg", json!("hmac-sha256"), "", "hmac-sha256 is a MAC"),
        ("/apps/1/credentials/12/alg", json!("rsa-pkcs1-sha256"), "/apps/1/credentials/12/secret", "needs a public key"),
        ("/apps/1/credentials/12/status", json!("active"), "/apps/1/credentials/12/alg", "level A2"),
        ("/apps/1/credentials/0/public_key_pem", json!(RSA_1024), "", "RSA modulus of 1024 bits, at least 2048 needed"),
        ("/apps/1/credentials/0/public_key_pem", json!(P256), "", "needs an RSA key, this is"),
        ("/apps/1/credentials/0/public_key_pem", json!("hush"), "", "not PEM"),
        ("/apps/1/credentials/0/public_key_pem", json!(P256_CERTIFICATE), "", "PEM label `CERTIFICATE`"),
        ("/apps/1/credentials/0/not_before", json!("2026-01-01"), "", "RFC 3339"),
        ("/apps/1/credentials/0/not_before", json!(1), "", "expected a string"),
        ("/apps/1/credentials/0/not_after", json!("2025-01-01T00:00:00Z"), "", "ends before it begins"),
        ("/apps/1/credentials/4/not_before", json!("2027-01-01T00:00:00Z"), "/apps/1/credentials/4", "certificate's own dates"),
        ("/apps/1/credentials/1/public_key_base64", json!("MIIB"), "", "not the DER of"),
        ("/apps/1/credentials/2/public_key_hex", json!(P256_POINT), "", "SM2 point is not on the curve"),
        ("/apps/1/credentials/2/public_key_hex", json!("04"), "", "SM2 point"),
        ("/apps/1/credentials/2/user_id", json!(""), "", "at least one byte"),
        ("/apps/1/credentials/2/user_id", json!("x".repeat(8192)), "/apps/1/credentials/2/public_key_hex", "user id of 8192 bytes"),
        ("/apps/1/credentials/4/certificate_pem", json!(P256), "", "PEM label `PUBLIC KEY`"),
        ("/apps/1/credentials/4/certificate_pem", json!(include_str!("keys/p256-encryption-cert.pem")), "", "key usage is not signing"),
        ("/apps/1/credentials/4/alg", json!("rsa-pkcs1-sha256"), "/apps/1/credentials/4/certificate_pem", "needs an RSA key"),
        ("/apps/1/credentials/8/public_key_base64", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), "", "Ed25519 key"),
        ("/apps/1/credentials/9/public_key_hex", json!("00"), "", "Ed25519 key of 1 bytes, 32 needed"),
        ("/apps/1/credentials/11/public_key_jwk", json!("{}"), "", "expected an object"),
        ("/apps/1/credentials/11/public_key_jwk/kty", json!("oct"), "/apps/1/credentials/11/public_key_jwk", "JWK"),
        ("/apps/1/credentials/11/public_key_jwk/d", json!("hush"), "/apps/1/credentials/11/public_key_jwk", "JWK"),
        ("/apps/1/credentials/11/public_key_jwk/d", json!(7), "", "expected a string"),
        ("/apps/1/credentials/11/public_key_jwk/use", json!("enc"), "", "expected \"sig\""),
        ("/apps/1/credentials/11/public_key_jwk/kid", json!("x".repeat(65)), "", "1 to 64 bytes"),
        ("/apps/2/credentials", json!([{}]), "/apps/2/credentials/0", "\"alg\" is missing"),
        ("/apps/2/credentials", json!([{ "alg": "hmac-sha256" }]), "/apps/2/credentials/0", "no key; expected one of secret,"),
    ];
    for (at, value, reported, fragment) in cases {
        let e = refused(&changed(at, value.clone()));
        let expected = if reported.is_empty() { at } else { reported };
        assert_eq!(e.pointer, expected, "{at} = {value}: {}", e.message);
        assert!(e.message.contains(fragment), "{at} = {value}: {} does not hold: {fragment}", e.message);
        assert!(!e.to_string().contains("hush"), "{at}: {e} tells the value");
    }
}

#[test]
#[rustfmt::skip]
fn members_that_must_be_there() {
    for (at, member) in [
        ("", "version"), ("/limits/0", "name"), ("/limits/0", "key"), ("/limits/2", "per_ms"), ("/apis/0", "api_id"), ("/apis/0", "method"),
        ("/apis/0", "path"), ("/apis/0", "level"), ("/apps/0", "app_id"), ("/apps/0/credentials/0", "alg"), ("/profiles/0", "name"),
        ("/profiles/0", "shape"),
    ] {
        let e = refused(&without(&format!("{at}/{member}")));
        assert_eq!((e.pointer.as_str(), e.message), (at, format!("member \"{member}\" is missing")));
    }
    assert_eq!(refused(&without("/limits/3/concurrency")).pointer, "/limits/3");
}

#[test]
fn texts_that_are_no_document() {
    let whole = whole().to_string();
    let error = |text: &[u8]| match Config::from_json_with(text, &environment) {
        Err(e) => e.to_string(),
        Ok(_) => panic!("taken: {}", String::from_utf8_lossy(text)),
    };
    for cut in (0..whole.len()).step_by(97).chain([whole.len() - 1]) {
        assert!(error(&whole.as_bytes()[..cut]).starts_with("/: not JSON"), "cut at {cut}");
    }
    assert!(error(b"\xff{}").starts_with("/: not UTF-8"));
    assert!(error(b"{\"version\":1,\"apps\":[{\"app_id\":\"\xc3\x28\"}]}").starts_with("/: not UTF-8"));
    assert!(error(b"{\"version\":1}\0").starts_with("/: not JSON"));
    assert!(error(b"{\"version\":1}{}").starts_with("/: not JSON"));
    assert!(error(b"{\"version\":1,}").starts_with("/: not JSON"));
    assert!(error(b"{\"version\":1,\"version\":1}").starts_with("/version: member is there twice"));
    assert!(
        error(b"{\"version\":1,\"apps\":[{\"app_id\":\"a\",\"level\":\"A1\",\"l\\u0065vel\":\"A2\"}]}")
            .starts_with("/apps/0/level: member")
    );
    assert!(error(b"[]").starts_with("/: expected an object"));
    assert!(error(b"1").starts_with("/: expected an object"));
    let deep = |levels: usize| {
        error(format!("{{\"version\":1,\"x\":{}{}}}", "[".repeat(levels), "]".repeat(levels)).as_bytes())
    };
    assert!(deep(65).ends_with("nested deeper than 64"));
    assert!(deep(1_000_000).starts_with("/"), "an error, not a stack that overflows");
    assert!(error(b"{\"version\":1e0}").starts_with("/version: expected an integer, found a fraction"));
    assert!(error(b"{\"version\":99999999999999999999999}").starts_with("/: not JSON that can be taken"));
    assert_eq!(
        error(b"{\"version\": 1,\n \"apps\": []\n \"apis\": []}"),
        "/: not JSON: line 3, column 2: expected , or }"
    );
}
