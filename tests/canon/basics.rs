//! The scheme as the guide has it.

use crate::support::*;
use portcullis::canon::builtin;
use portcullis::verdict::Reason;

#[test]
fn the_vector_of_the_scheme() {
    let profile = builtin("openapi").unwrap();
    let target = "/auth?nonce=abc123&partnerId=p10001&timestamp=1700000000&sign=2f9ca37c0612118fb1b01b74e6854589";
    let seen = read_as(&profile, "md5", "GET", target, &[], b"").unwrap();
    assert_eq!(seen.string, "nonce=abc123&partnerId=p10001&timestamp=1700000000&partnerKey=");
    assert!(seen.append_secret);
    assert_eq!(seen.app_id.as_deref(), Some("p10001"));
    assert_eq!(seen.timestamp, Some(1_700_000_000_000));
    assert_eq!(seen.nonce.as_deref(), Some("abc123"));
    use md5::Digest;
    let digest = md5::Md5::digest(format!("{}k3y", seen.string));
    let mut signature = Vec::new();
    profile.decode_signature(seen.signature.as_bytes(), alg("md5"), &mut signature).unwrap();
    assert_eq!(signature, digest[..]);
}

#[test]
fn post_signs_the_members_of_the_body() {
    let profile = builtin("openapi").unwrap();
    let body = r#" { "z" : [1, 2,{"b":0}], "timestamp":1700000000, "nonce":"n", "amount":1.10, "e":1e2, "memo":"",
        "text":"\u4e2d\u6587 a+b%26&c=d", "none":null, "yes":true, "partnerId":"p1" } "#;
    let seen = post(&profile, "sign=AbC%2B%2F%3D", body).unwrap();
    assert_eq!(
        seen.string,
        "amount=1.10&e=1e2&nonce=n&partnerId=p1&text=中文 a+b%26&c=d&timestamp=1700000000&yes=true&z=[1, 2,{\"b\":0}]"
    );
    assert_eq!(seen.signature, "AbC+/=");
    assert!(!seen.append_secret);
}

#[test]
fn missing_signature_comes_before_missing_fields() {
    let profile = builtin("openapi").unwrap();
    assert_eq!(get(&profile, "a=1").unwrap_err().reason, Reason::MissingSignature);
    assert_eq!(get(&profile, "sign=&a=1").unwrap_err().reason, Reason::MissingSignature);
    let missing = get(&profile, "sign=x").unwrap_err();
    assert_eq!((missing.reason, missing.field), (Reason::MissingField, "app_id"));
}
