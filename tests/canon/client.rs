//! The client's side: what it makes, the server's side reads.

use crate::support::*;
use portcullis::canon::client::{Draft, Fill};
use portcullis::canon::{Profile, Scratch};
use portcullis::request::Sizes;
use portcullis::time::Millis;
use portcullis::verdict::Reason;
use serde_json::json;

const FILL: Fill<'_> = Fill {
    app_id: Some("p\"1\\&"),
    kid: Some("k1"),
    timestamp: Some(Millis(1_700_000_000_999)),
    nonce: Some("n+1"),
    extra: &[],
};

fn draft(method: &str, target: &str, body: &str) -> Draft {
    Draft {
        method: method.as_bytes().to_vec(),
        target: target.as_bytes().to_vec(),
        body: body.as_bytes().to_vec(),
        ..Draft::default()
    }
}

/// Fills, signs with eight bytes that stand for a signature, and reads what comes out.
fn round(profile: &Profile, mut draft: Draft) -> (Draft, String) {
    let ed = alg("ed25519");
    profile.fill(&mut draft, ed, &FILL).unwrap();
    let mut string = Vec::new();
    profile.sign_string(&draft, ed, &mut string).unwrap();
    profile.place_signature(&mut draft, ed, &[0xfb; 64]).unwrap();
    let mut scratch = Scratch::new();
    draft.lend(|request| {
        assert!(profile.recognises(request));
        let extract = profile.extract(request, &mut scratch, &Sizes::default()).unwrap();
        assert_eq!(extract.app_id, Some(b"p\"1\\&".as_slice()));
        assert_eq!(extract.timestamp, Some(Millis(1_700_000_000_000)));
        assert_eq!(extract.nonce, Some(b"n+1".as_slice()));
        let (mut again, mut signature) = (Vec::new(), Vec::new());
        profile.write_message(&extract, request, ed, &mut again).unwrap();
        profile.decode_signature(extract.signature, ed, &mut signature).unwrap();
        assert_eq!((&again, signature.as_slice()), (&string, [0xfb; 64].as_slice()));
    });
    (draft, String::from_utf8(string).unwrap())
}

#[test]
fn what_is_signed_is_read() {
    let guide = profile(&[]);
    let full = "nonce=n+1&partnerId=p\"1\\&&timestamp=1700000000";
    for target in ["/p", "/p?", "/p?&"] {
        let (made, string) = round(&guide, draft("GET", target, ""));
        assert_eq!(string, full);
        assert!(made.body.is_empty());
        assert!(made.headers.is_empty());
    }
    assert_eq!(round(&guide, draft("GET", "/p?z=a+b", "")).1, format!("{full}&z=a b"));
    for body in ["", "{}", " { } ", "{\n}\n"] {
        let (made, string) = round(&guide, draft("POST", "/p", body));
        assert_eq!(string, full, "{body:?}");
        assert_eq!(made.header(b"Content-Type"), Some(b"application/json; charset=utf-8".as_slice()));
        assert!(made.target.starts_with(b"/p?sign="));
    }
    let (made, string) = round(&guide, draft("POST", "/p?q=1", r#"{"a":{"b":"}"},"nonce":"n+1"} "#));
    assert_eq!(string, "a={\"b\":\"}\"}&nonce=n+1&partnerId=p\"1\\&&q=1&timestamp=1700000000");
    assert_eq!(
        String::from_utf8(made.body).unwrap(),
        r#"{"a":{"b":"}"},"nonce":"n+1","partnerId":"p\"1\\&","timestamp":1700000000}"#
    );
}

#[test]
fn other_places() {
    let form = profile(&[("/methods", json!({"POST": ["query", "form"]})), ("/fields/signature/in", json!("params"))]);
    let (made, _) = round(&form, draft("POST", "/p", "a=%26"));
    assert!(made.body.starts_with(b"a=%26&partnerId=p%221%5C%26&timestamp=1700000000&nonce=n%2B1&sign="));
    let header = profile(&[
        ("/fields/signature", json!({"names": ["X-Sign"], "in": "header"})),
        ("/fields/nonce", json!({"names": ["X-Nonce"], "in": "header"})),
        ("/fields/kid", json!({"names": ["key"]})),
        ("/fields/sign_type", json!({"names": ["type"], "values": {"MD5": ["md5"], "ED": ["ed25519"]}})),
    ]);
    let (made, string) = round(&header, draft("GET", "/p", ""));
    assert_eq!(string, "key=k1&partnerId=p\"1\\&&timestamp=1700000000&type=ED");
    assert_eq!(made.header(b"x-nonce"), Some(b"n+1".as_slice()));
}

#[test]
fn what_cannot_be_signed_says_why() {
    let guide = profile(&[]);
    let refused =
        |draft: &Draft, algorithm: &str| guide.sign_string(draft, alg(algorithm), &mut Vec::new()).unwrap_err().reason;
    let good = draft("GET", "/p?partnerId=p&timestamp=1&nonce=n", "");
    assert!(guide.sign_string(&good, alg("md5"), &mut Vec::new()).is_ok_and(|m| m.append_secret));
    assert_eq!(refused(&good, "hmac-sha1"), Reason::WeakAlgorithm);
    assert_eq!(refused(&draft("GET", "/p?partnerId=p&timestamp=1&nonce=n&sign=x", ""), "md5"), Reason::DuplicateField);
    assert_eq!(refused(&draft("GET", "/p?partnerId=p&timestamp=1", ""), "md5"), Reason::MissingField);
    assert_eq!(refused(&draft("PATCH", "/p", ""), "md5"), Reason::MethodNotAllowed);
    let mut broken = draft("POST", "/p", "{\"a\":");
    assert_eq!(guide.fill(&mut broken, alg("md5"), &FILL).unwrap_err().reason, Reason::MalformedRequest);
}
