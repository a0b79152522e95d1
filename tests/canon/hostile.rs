//! Bad input: each a refusal with its reason, in time that is linear in its size.

use crate::support::*;
use portcullis::canon::{Scratch, builtin};
use portcullis::request::{Header, Request, Sizes};
use portcullis::verdict::Reason::{self, *};

const ID: &str = "partnerId=p&timestamp=1700000000&nonce=n&sign=x";
const MEMBERS: &str = r#""partnerId":"p","timestamp":1700000000,"nonce":"n""#;

fn bytes(method: &str, target: &[u8], body: &[u8]) -> Reason {
    let profile = builtin("openapi").unwrap();
    let headers = [Header { name: b"Content-Type", value: b"application/json" }];
    let request = Request { headers: &headers, ..Request::new(method.as_bytes(), target, body) };
    profile.extract(&request, &mut Scratch::new(), &Sizes::default()).map_or_else(|refusal| refusal.reason, |_| Ok)
}

#[test]
fn queries() {
    for (query, reason) in [
        ("", MissingSignature),
        ("sign", MissingSignature),
        ("sign=", MissingSignature),
        ("sign=x&sign=y", DuplicateField),
        ("sign=x&s%69gn=y", DuplicateField),
        ("SIGN=x", MissingSignature),
        ("sign=x", MissingField),
        ("sign=x&partnerId=p&timestamp=1700000000", MissingField),
        ("sign=x&partnerId=&timestamp=1700000000&nonce=n", MissingField),
        (&format!("{ID}&a=%"), MalformedRequest),
        (&format!("{ID}&a=%4"), MalformedRequest),
        (&format!("{ID}&a=%zz"), MalformedRequest),
        (&format!("{ID}&a=%ff"), MalformedRequest),
        (&format!("{ID}&a=%ed%a0%80"), MalformedRequest),
        (&format!("{ID}&a=1&a=1"), DuplicateField),
        (&format!("{ID}&a=1&%61=2"), DuplicateField),
        (&format!("{ID}&nonce=n"), DuplicateField),
        (&format!("{ID}&a=1"), Ok),
    ] {
        assert_eq!(bytes("GET", format!("/p?{query}").as_bytes(), b""), reason, "{query}");
    }
    assert_eq!(bytes("GET", format!("/p?{ID}&a=\0").as_bytes(), b""), MalformedRequest);
    assert_eq!(bytes("GET", &[format!("/p?{ID}&a=").as_bytes(), b"\xff"].concat(), b""), MalformedRequest);
    assert_eq!(bytes("GET", b"", b""), MissingSignature);
}

#[test]
fn timestamps() {
    for (text, reason) in [
        ("1700000000", Ok),
        ("0", Ok),
        ("", MissingField),
        ("-1", InvalidField),
        ("%2B1", InvalidField),
        ("1700000000.5", InvalidField),
        ("1700000000.0", InvalidField),
        ("1.7e9", InvalidField),
        ("017", InvalidField),
        ("9223372036854775807", InvalidField),
        ("99999999999999999999999999", InvalidField),
        ("now", InvalidField),
        ("0x10", InvalidField),
        ("%D9%A1", InvalidField),
    ] {
        let query = format!("/p?partnerId=p&timestamp={text}&nonce=n&sign=x");
        assert_eq!(bytes("GET", query.as_bytes(), b""), reason, "{text}");
    }
    for (text, reason) in [
        ("1700000000", Ok),
        ("\"1700000000\"", Ok),
        ("1.7e9", InvalidField),
        ("-1700000000", InvalidField),
        ("true", InvalidField),
        ("[1700000000]", InvalidField),
        ("{}", InvalidField),
        ("null", MissingField),
        ("\"\"", MissingField),
    ] {
        let body = format!(r#"{{"partnerId":"p","nonce":"n","timestamp":{text}}}"#);
        assert_eq!(bytes("POST", b"/p?sign=x", body.as_bytes()), reason, "{text}");
    }
}

#[test]
fn bodies() {
    for (body, reason) in [
        (format!("{{{MEMBERS}}}"), Ok),
        (format!("{{{MEMBERS}"), MalformedRequest),
        (format!("{{{MEMBERS},}}"), MalformedRequest),
        (format!("{{{MEMBERS}}} x"), MalformedRequest),
        (format!("[{{{MEMBERS}}}]"), MalformedRequest),
        ("1".into(), MalformedRequest),
        (" ".into(), MalformedRequest),
        (format!("\u{feff}{{{MEMBERS}}}"), MalformedRequest),
        (format!(r#"{{{MEMBERS},"a":"\ud800"}}"#), MalformedRequest),
        (format!(r#"{{{MEMBERS},"a":01}}"#), MalformedRequest),
        (format!(r#"{{{MEMBERS},"a":1,"a":2}}"#), DuplicateField),
        (format!(r#"{{{MEMBERS},"a":1,"\u0061":2}}"#), DuplicateField),
        (format!(r#"{{{MEMBERS},"sign":"x"}}"#), DuplicateField),
        (format!(r#"{{{MEMBERS},"q":1}}"#), DuplicateField),
        (format!(r#"{{{MEMBERS},"q":null}}"#), DuplicateField),
        (format!(r#"{{{MEMBERS},"a":{}1{}}}"#, "[".repeat(1000), "]".repeat(1000)), MalformedRequest),
        (r#"{"partnerId":true,"timestamp":1700000000,"nonce":"n"}"#.into(), InvalidField),
        (r#"{"partnerId":{"a":1},"timestamp":1700000000,"nonce":"n"}"#.into(), InvalidField),
        (r#"{"partnerId":10001,"timestamp":1700000000,"nonce":7}"#.into(), Ok),
    ] {
        let shown: String = body.chars().take(80).collect();
        assert_eq!(bytes("POST", b"/p?sign=x&q=", body.as_bytes()), reason, "{shown}");
    }
    let bad = [format!("{{{MEMBERS},\"a\":\"").as_bytes(), b"\xff\"}"].concat();
    assert_eq!(bytes("POST", b"/p?sign=x", &bad), MalformedRequest);
    assert_eq!(bytes("POST", format!("/p?{ID}").as_bytes(), b""), Ok, "no body: nothing but the query");
}

/// Any prefix of a good request, and any byte of it changed, is judged without a panic.
#[test]
fn prefixes_and_changed_bytes() {
    let body = format!(r#"{{{MEMBERS},"a":{{"b":[1,"\u4e2d",null]}},"c":"中\n","d":-1.5e+3}}"#);
    let target = format!("/p?sign=x%2B&q={}", "%E4%B8%AD");
    for end in 0..body.len() {
        bytes("POST", target.as_bytes(), &body.as_bytes()[..end]);
    }
    for end in 0..target.len() {
        bytes("POST", &target.as_bytes()[..end], body.as_bytes());
    }
    for at in 0..body.len() {
        for byte in [0, b'"', b'\\', b'}', b',', b'9', 0x80, 0xff] {
            let mut changed = body.clone().into_bytes();
            changed[at] = byte;
            bytes("POST", target.as_bytes(), &changed);
        }
    }
}

#[test]
fn sizes() {
    let many: String = (0..10_000).map(|i| format!("&k{i}=v")).collect();
    assert_eq!(bytes("GET", format!("/p?{ID}{many}").as_bytes(), b""), MalformedRequest, "target too long");
    let many: String = (0..10_000).map(|i| format!(",\"k{i}\":1")).collect();
    assert_eq!(bytes("POST", b"/p?sign=x", format!("{{{MEMBERS}{many}}}").as_bytes()), MalformedRequest);
    let big = "x".repeat(10 << 20);
    assert_eq!(bytes("POST", b"/p?sign=x", format!(r#"{{{MEMBERS},"a":"{big}"}}"#).as_bytes()), Ok);
    let bigger = "x".repeat(17 << 20);
    assert_eq!(bytes("POST", b"/p?sign=x", format!(r#"{{{MEMBERS},"a":"{bigger}"}}"#).as_bytes()), MalformedRequest);
    let roomy = Sizes { params: 20_000, ..Sizes::default() };
    let profile = builtin("openapi").unwrap();
    let body = format!("{{{MEMBERS}{many}}}");
    let headers = [Header { name: b"content-type", value: b"application/json" }];
    let request = Request { headers: &headers, ..Request::new(b"POST", b"/p?sign=x", body.as_bytes()) };
    assert!(profile.extract(&request, &mut Scratch::new(), &roomy).is_ok());
}

#[test]
fn a_cheap_look_finds_the_signature_by_name() {
    let profile = builtin("openapi").unwrap();
    let looks = |target: &str| profile.recognises(&Request::new(b"GET", target.as_bytes(), b""));
    for yes in ["/?sign=x", "/?a=1&sign=", "/?sign", "?b&sign=x&c", "/?a=1&&sign=2"] {
        assert!(looks(yes), "{yes}");
    }
    for no in ["", "/", "/?", "/sign=x", "/?signs=x", "/?a=sign", "/?a=1&asign=x", "/?Sign=x"] {
        assert!(!looks(no), "{no}");
    }
    let header =
        crate::support::profile(&[("/fields/signature", serde_json::json!({"names": ["X-Sign"], "in": "header"}))]);
    let headers = [Header { name: b"x-sign", value: b"" }];
    assert!(header.recognises(&Request { headers: &headers, ..Request::new(b"GET", b"/?sign=x", b"") }));
    assert!(!header.recognises(&Request::new(b"GET", b"/?sign=x", b"")));
    assert_eq!(get(&header, "sign=x").unwrap_err().reason, MissingSignature);
}
