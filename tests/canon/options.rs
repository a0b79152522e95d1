//! Every option of a profile's document, both ways. The letters are those of the guide's contradictions.

use crate::support::*;
use portcullis::canon::{NonceMode, NonceScope, Profile, Scratch};
use portcullis::request::{Request, Sizes};
use portcullis::verdict::Reason;
use serde_json::json;

const ID: &str = "partnerId=p&timestamp=1700000000&nonce=n&sign=x";
const MEMBERS: &str = r#""partnerId":"p","timestamp":1700000000,"nonce":"n""#;
const SIGNED: &str = "nonce=n&partnerId=p&timestamp=1700000000";

fn reason<T: std::fmt::Debug>(result: Result<T, portcullis::canon::Refusal>) -> (Reason, &'static str) {
    let refusal = result.unwrap_err();
    (refusal.reason, refusal.field)
}

/// a: the secret alone, or behind `&partnerKey=`; for HMAC not at all, or as WeChat does.
#[test]
fn a_how_the_secret_is_appended() {
    let string = |profile: &Profile, alg: &str| {
        let seen = read_as(profile, alg, "GET", &format!("/?{ID}"), &[], b"").unwrap();
        (seen.string, seen.append_secret)
    };
    assert_eq!(string(&profile(&[]), "md5"), (format!("{SIGNED}&partnerKey="), true));
    let raw = profile(&[("/algorithms/md5/secret_suffix", json!(""))]);
    assert_eq!(string(&raw, "md5"), (SIGNED.into(), true));
    assert_eq!(string(&raw, "hmac-sha256"), (SIGNED.into(), false));
    let wechat = profile(&[("/algorithms/hmac-sha256/secret_suffix", json!("&key="))]);
    assert_eq!(string(&wechat, "hmac-sha256"), (format!("{SIGNED}&key="), true));
    assert_eq!(string(&wechat, "rsa-pkcs1-sha256"), (SIGNED.into(), false));
}

/// b: every nonce is kept; c, d and j are not the profile's. What is the profile's: how nonces are kept, and (k) within what.
#[test]
fn b_and_k_nonces() {
    let guide = profile(&[]);
    assert_eq!((guide.nonce_mode(), guide.nonce_scope()), (NonceMode::Strict, NonceScope::App));
    let other = profile(&[("/fields/nonce/mode", json!("message")), ("/fields/nonce/scope", json!("endpoint"))]);
    assert_eq!((other.nonce_mode(), other.nonce_scope()), (NonceMode::Message, NonceScope::Endpoint));
    assert_eq!(profile(&[("/fields/timestamp", json!(null))]).nonce_mode(), NonceMode::Arrival);
}

/// e: an `http://` URL in the guide's example against its own HTTPS rule.
#[test]
fn e_require_scheme() {
    let target = format!("/?{ID}");
    let read = |profile: &Profile, scheme: Option<&str>| {
        let request = Request { scheme: scheme.map(str::as_bytes), ..Request::new(b"GET", target.as_bytes(), b"") };
        profile.extract(&request, &mut Scratch::new(), &Sizes::default()).map(|_| ())
    };
    for scheme in [None, Some("http"), Some("https")] {
        assert_eq!(read(&profile(&[]), scheme), Ok(()));
    }
    let strict = profile(&[("/require_scheme", json!("https"))]);
    assert_eq!(read(&strict, Some("HTTPS")), Ok(()));
    assert_eq!(reason(read(&strict, Some("http"))), (Reason::InvalidField, "scheme"));
    assert_eq!(reason(read(&strict, None)), (Reason::MissingField, "scheme"));
}

/// f: lengths. By default a signature of RSA-4096 in base64 fits, and 32 bytes of nonce and app id.
#[test]
fn f_lengths() {
    let read = |profile: &Profile, app: usize, nonce: usize, sign: usize| {
        let [app, nonce, sign] = [app, nonce, sign].map(|n| "a".repeat(n));
        get(profile, &format!("partnerId={app}&timestamp=1700000000&nonce={nonce}&sign={sign}")).map(|_| ())
    };
    let guide = profile(&[]);
    assert_eq!(read(&guide, 32, 32, 684), Ok(()));
    assert_eq!(reason(read(&guide, 33, 32, 684)), (Reason::InvalidField, "app_id"));
    assert_eq!(reason(read(&guide, 32, 33, 684)), (Reason::InvalidField, "nonce"));
    assert_eq!(reason(read(&guide, 32, 32, 685)), (Reason::InvalidField, "signature"));
    let other = profile(&[
        ("/fields/app_id/max", json!(64)),
        ("/fields/nonce/max", json!(40)),
        ("/fields/nonce/min", json!(8)),
        ("/fields/signature/max", json!(256)),
    ]);
    assert_eq!(read(&other, 64, 40, 256), Ok(()));
    assert_eq!(reason(read(&other, 65, 40, 256)), (Reason::InvalidField, "app_id"));
    assert_eq!(reason(read(&other, 64, 41, 256)), (Reason::InvalidField, "nonce"));
    assert_eq!(reason(read(&other, 64, 7, 256)), (Reason::InvalidField, "nonce"));
    assert_eq!(reason(read(&other, 64, 8, 257)), (Reason::InvalidField, "signature"));
}

/// g: the case of the hexadecimal digits.
#[test]
fn g_case_of_hex() {
    let (lower, upper) = ("2f9ca37c0612118fb1b01b74e6854589", "2F9CA37C0612118FB1B01B74E6854589");
    let takes = |profile: &Profile, text: &str| {
        let mut out = Vec::new();
        match profile.decode_signature(text.as_bytes(), alg("md5"), &mut out) {
            Ok(()) => out.len() == 16,
            Err(reason) => {
                assert_eq!((reason, out.len()), (Reason::BadSignature, 0));
                false
            }
        }
    };
    for (form, takes_lower, takes_upper) in
        [("hex", true, true), ("hex-lower", true, false), ("hex-upper", false, true), ("base64", false, false)]
    {
        let profile = profile(&[("/algorithms/md5/signature", json!(form))]);
        assert_eq!((takes(&profile, lower), takes(&profile, upper)), (takes_lower, takes_upper), "{form}");
    }
    assert!(takes(&profile(&[("/algorithms/md5/signature", json!("base64"))]), "L5yjfAYSEY+xsBt05oVFiQ=="));
    assert!(takes(&profile(&[("/algorithms/md5/signature", json!("base64url"))]), "L5yjfAYSEY-xsBt05oVFiQ"));
    let none = profile(&[]);
    assert_eq!(none.decode_signature(b"00", alg("hmac-sha1"), &mut Vec::new()), Err(Reason::BadSignature));
}

/// h: nested values, numbers, null, booleans.
#[test]
fn h_values_that_are_not_text() {
    let body = format!(r#"{{{MEMBERS},"o":{{"b": 1,"a":[]}},"l":[1, 2],"i":1.10,"j":-0,"k":1e2,"t":true,"z":null}}"#);
    let read = |changes: &[(&str, serde_json::Value)]| post(&profile(changes), "sign=x", &body).map(|s| s.string);
    let raw = r#"i=1.10&j=-0&k=1e2&l=[1, 2]&nonce=n&o={"b": 1,"a":[]}&partnerId=p&t=true&timestamp=1700000000"#;
    assert_eq!(read(&[]).unwrap(), raw);
    assert_eq!(
        read(&[("/values/nested", json!("drop"))]).unwrap(),
        "i=1.10&j=-0&k=1e2&nonce=n&partnerId=p&t=true&timestamp=1700000000"
    );
    assert_eq!(reason(read(&[("/values/nested", json!("refuse"))])), (Reason::InvalidField, "parameter"));
    assert_eq!(read(&[("/values/null", json!("text"))]).unwrap(), format!("{raw}&z=null"));
    assert_eq!(read(&[("/values/empty", json!("keep"))]).unwrap(), format!("{raw}&z="));
    assert_eq!(reason(read(&[("/values/null", json!("refuse"))])), (Reason::InvalidField, "parameter"));
    assert_eq!(reason(read(&[("/values/bool", json!("refuse"))])), (Reason::InvalidField, "parameter"));
}

/// i: the damaged `&timestamp` of the guide's example (`×tamp`, from an HTML entity) is a request without a timestamp.
#[test]
fn i_the_damaged_example() {
    let refused = get(&profile(&[]), "nonce=xxx&partnerId=xxx\u{d7}tamp=1700000000&sign=xxx");
    // Raw UTF-8 in a target is taken for what it is: the name `timestamp` is not there.
    assert_eq!(reason(refused), (Reason::MissingField, "timestamp"));
}

#[test]
fn empty_values() {
    let body = format!(r#"{{{MEMBERS},"a":"","o":{{}}}}"#);
    let read = |profile: &Profile| post(profile, "sign=x&q=&flag", &body).unwrap().string;
    assert_eq!(read(&profile(&[])), "nonce=n&o={}&partnerId=p&timestamp=1700000000");
    let keep = profile(&[("/values/empty", json!("keep"))]);
    assert_eq!(read(&keep), "a=&flag=&nonce=n&o={}&partnerId=p&q=&timestamp=1700000000");
}

#[test]
fn spaces_are_refused_or_kept_never_trimmed() {
    let keep = profile(&[("/values/spaces", json!("keep"))]);
    for (pair, kept) in [("+a=b", " a=b"), ("a=b%20", "a=b "), ("a+=b", "a =b"), ("a=+b", "a= b"), ("a=+", "a= ")] {
        assert_eq!(reason(get(&profile(&[]), &format!("{ID}&{pair}"))), (Reason::InvalidField, "parameter"), "{pair}");
        assert!(get(&keep, &format!("{ID}&{pair}")).unwrap().string.contains(kept), "{pair}");
    }
    assert!(get(&profile(&[]), &format!("{ID}&a=b+c")).unwrap().string.starts_with("a=b c&"));
    assert!(get(&profile(&[]), &format!("{ID}&a=b%0A")).unwrap().string.starts_with("a=b\n&"), "spaces alone");
    let spaced = "partnerId=p&timestamp=1700000000&nonce=+n&sign=x";
    assert_eq!(reason(get(&profile(&[]), spaced)), (Reason::InvalidField, "nonce"));
    assert_eq!(get(&keep, spaced).unwrap().nonce.as_deref(), Some(" n"));
    let stamp = "partnerId=p&timestamp=1700000000+&nonce=n&sign=x";
    assert_eq!(reason(get(&keep, stamp)), (Reason::InvalidField, "timestamp"));
}

#[test]
fn url_encoding_before_signing() {
    let query = format!("{ID}&a=x+y~z*%26%3D&%E4%B8%AD=%2B");
    let read = |encode: &str, encoder: &str, alg: &str| {
        let profile = profile(&[("/encode", json!(encode)), ("/encoder", json!(encoder))]);
        read_as(&profile, alg, "GET", &format!("/?{query}"), &[], b"").unwrap().string
    };
    let id = "nonce=n&partnerId=p&timestamp=1700000000";
    let id_encoded = "nonce%3Dn%26partnerId%3Dp%26timestamp%3D1700000000";
    assert_eq!(read("off", "rfc3986", "md5"), format!("a=x y~z*&=&{id}&中=+&partnerKey="));
    assert_eq!(read("values", "rfc3986", "md5"), format!("a=x%20y~z%2A%26%3D&{id}&中=%2B&partnerKey="));
    assert_eq!(read("values", "form", "md5"), format!("a=x+y%7Ez*%26%3D&{id}&中=%2B&partnerKey="));
    let whole = format!("a%3Dx%20y~z%2A%26%3D%26{id_encoded}%26%E4%B8%AD%3D%2B");
    assert_eq!(read("string", "rfc3986", "md5"), format!("{whole}&partnerKey="));
    assert_eq!(read("whole", "rfc3986", "md5"), format!("{whole}%26partnerKey%3D"));
    assert_eq!(read("whole", "rfc3986", "hmac-sha256"), whole);
    assert_eq!(read("string", "form", "hmac-sha256"), format!("a%3Dx+y%7Ez*%26%3D%26{id_encoded}%26%E4%B8%AD%3D%2B"));
}

#[test]
fn a_secret_that_whole_encoding_would_change_is_refused_at_load() {
    let whole = profile(&[("/encode", json!("whole"))]);
    assert!(whole.check_secret(alg("md5"), b"Az09-_.~").is_ok());
    assert!(whole.check_secret(alg("md5"), b"a+b").is_err());
    assert!(whole.check_secret(alg("hmac-sha256"), b"a+b").is_ok(), "not appended");
    assert!(profile(&[("/encode", json!("string"))]).check_secret(alg("md5"), b"a+b").is_ok());
}

#[test]
fn delimiters_that_make_two_requests_one() {
    let (keep, refuse) = (profile(&[]), profile(&[("/values/delimiters", json!("refuse"))]));
    // The ambiguity that the option closes: other parameters, same string.
    let merged = get(&keep, &format!("{ID}&a=1%26b%3D2")).unwrap().string;
    assert_eq!(merged, get(&keep, &format!("{ID}&a=1&b=2")).unwrap().string);
    for bad in ["a=1%26b%3D2", "a%3D1%26b=2", "a%26=1", "a%3D=1", "a=%26%3D", "a=x%26y%26z%3D"] {
        assert_eq!(reason(get(&refuse, &format!("{ID}&{bad}"))), (Reason::InvalidField, "parameter"), "{bad}");
    }
    for good in ["a=1%26b", "a=%3D", "a=x%3Dy%26z", "a=%26%26", "a=https://h/?x%3D1"] {
        assert!(get(&refuse, &format!("{ID}&{good}")).is_ok(), "{good}");
    }
    let encoded = profile(&[("/values/delimiters", json!("refuse")), ("/encode", json!("values"))]);
    assert!(get(&encoded, &format!("{ID}&a=1%26b%3D2")).unwrap().string.starts_with("a=1%26b%3D2&"));
    assert_eq!(reason(get(&encoded, &format!("{ID}&a%3D1%26b=2"))), (Reason::InvalidField, "parameter"));
    let nested = format!(r#"{{{MEMBERS},"o":{{"u":"?a&b=c"}}}}"#);
    assert_eq!(reason(post(&refuse, "sign=x", &nested)), (Reason::InvalidField, "parameter"));
    assert!(post(&keep, "sign=x", &nested).is_ok());
    // In XML they may stand as they are, or escaped.
    let xml = |bad: &str| {
        let profile = profile(&[
            ("/values/delimiters", json!("refuse")),
            ("/methods", json!({"POST": ["xml"]})),
            ("/content_type", json!("ignore")),
            ("/fields/signature/in", json!("body")),
        ]);
        let body = format!(
            "<x><partnerId>p</partnerId><timestamp>1700000000</timestamp><nonce>n</nonce><a>{bad}</a><sign>x</sign></x>"
        );
        post(&profile, "", &body)
    };
    assert_eq!(xml("1 and 2").unwrap().string, "a=1 and 2&nonce=n&partnerId=p&timestamp=1700000000");
    assert_eq!(reason(xml("<![CDATA[1&b=2]]>")), (Reason::InvalidField, "parameter"));
    assert_eq!(reason(xml("1&amp;b=2")), (Reason::InvalidField, "parameter"));
    assert_eq!(
        reason(get(&refuse, "partnerId=p&timestamp=1700000000&nonce=n%26a%3Db&sign=x")),
        (Reason::InvalidField, "nonce")
    );
}

#[test]
fn names_of_fields() {
    let guide = profile(&[]);
    let seen = get(&guide, "appId=p&timestamp=1700000000&requestId=n&sign=x").unwrap();
    assert_eq!((seen.app_id.as_deref(), seen.nonce.as_deref()), (Some("p"), Some("n")));
    assert_eq!(seen.string, "appId=p&requestId=n&timestamp=1700000000");
    assert_eq!(reason(get(&guide, &format!("{ID}&appId=q"))), (Reason::DuplicateField, "app_id"));
    assert_eq!(reason(get(&guide, &format!("{ID}&requestId=q"))), (Reason::DuplicateField, "nonce"));
    let other = profile(&[
        ("/fields/app_id/names", json!(["app_id"])),
        ("/fields/timestamp/names", json!(["ts"])),
        ("/fields/timestamp/format", json!("unix-milliseconds")),
        ("/fields/nonce/names", json!(["nonce_str"])),
        ("/fields/signature/names", json!(["signature"])),
    ]);
    let seen = get(&other, "app_id=p&ts=1700000000123&nonce_str=n&signature=x&sign=business").unwrap();
    assert_eq!(seen.timestamp, Some(1_700_000_000_123));
    assert_eq!(seen.string, "app_id=p&nonce_str=n&sign=business&ts=1700000000123");
}

#[test]
fn places_of_fields() {
    let in_body = profile(&[("/fields/signature/in", json!("params")), ("/fields/nonce/in", json!("body"))]);
    let body = format!(r#"{{{MEMBERS},"sign":"x"}}"#);
    assert_eq!(post(&in_body, "", &body).unwrap().string, SIGNED);
    let split = r#"{"partnerId":"p","timestamp":1700000000}"#;
    assert_eq!(reason(post(&in_body, "sign=x&nonce=n", split)), (Reason::MissingField, "nonce"));
    // By default the signature is read from the query alone.
    assert_eq!(reason(post(&profile(&[]), "", &body)), (Reason::MissingSignature, "signature"));
    assert_eq!(reason(post(&profile(&[]), "sign=x", &body)), (Reason::DuplicateField, "parameter"));

    let header = profile(&[
        ("/fields/signature/in", json!("header")),
        ("/fields/signature/names", json!(["X-Sign"])),
        ("/fields/nonce/in", json!("header")),
        ("/fields/nonce/names", json!(["X-Nonce"])),
    ]);
    let query = "/?partnerId=p&timestamp=1700000000";
    let read = |headers: &[(&str, &str)]| read_as(&header, "hmac-sha256", "GET", query, headers, b"");
    let seen = read(&[("x-sign", " s "), ("X-NONCE", "n")]).unwrap();
    assert_eq!((&*seen.signature, seen.nonce.as_deref()), ("s", Some("n")));
    assert_eq!(seen.string, "partnerId=p&timestamp=1700000000");
    assert_eq!(reason(read(&[("x-sign", "s")])), (Reason::MissingField, "nonce"));
    assert_eq!(reason(read(&[("x-sign", "s"), ("x-nonce", "n"), ("X-Nonce", "m")])), (Reason::DuplicateField, "nonce"));
}

#[test]
fn the_key_id_and_the_name_of_the_algorithm() {
    let values = json!({"MD5": ["md5"], "RSA2": ["rsa-pkcs1-sha256", "rsa-pkcs1-sha512"]});
    let sign_type = |signed: bool| json!({"names": ["sign_type"], "signed": signed, "values": values});
    let kid = json!({"names": ["key"], "max": 8});
    for signed in [true, false] {
        let profile = profile(&[("/fields/sign_type", sign_type(signed)), ("/fields/kid", kid.clone())]);
        let target = format!("/?{ID}&sign_type=RSA2&key=k1");
        let request = Request::new(b"GET", target.as_bytes(), b"");
        let mut scratch = Scratch::new();
        let extract = profile.extract(&request, &mut scratch, &Sizes::default()).unwrap();
        assert_eq!(extract.kid, Some(b"k1".as_slice()));
        let names: Vec<&str> = extract.algorithms.iter().map(|a| a.name()).collect();
        assert_eq!(names, ["rsa-pkcs1-sha256", "rsa-pkcs1-sha512"]);
        let mut out = Vec::new();
        profile.write_message(&extract, &request, alg("rsa-pkcs1-sha256"), &mut out).unwrap();
        let tail = if signed { "&sign_type=RSA2" } else { "" };
        let expected = format!("key=k1&nonce=n&partnerId=p{tail}&timestamp=1700000000");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(reason(get(&profile, &format!("{ID}&sign_type=none"))), (Reason::InvalidField, "sign_type"));
        assert_eq!(reason(get(&profile, &format!("{ID}&key=123456789"))), (Reason::InvalidField, "kid"));
        assert!(get(&profile, ID).is_ok(), "both are optional");
    }
}

#[test]
fn methods_and_sources() {
    let guide = profile(&[]);
    let target = format!("/?{ID}");
    for method in ["PUT", "DELETE", "get", "Post", "", "HEAD"] {
        let refused = read_as(&guide, "hmac-sha256", method, &target, &[], b"");
        assert_eq!(reason(refused), (Reason::MethodNotAllowed, "method"), "{method}");
    }
    let body = format!("{{{MEMBERS}}}");
    let refused = read_as(&guide, "hmac-sha256", "GET", "/?sign=x", JSON, body.as_bytes());
    assert_eq!(reason(refused), (Reason::InvalidField, "body"), "nothing reads the body of a GET");
    let body_only = profile(&[("/methods", json!({"POST": ["json"]}))]);
    assert_eq!(post(&body_only, "sign=x", &body).unwrap().string, SIGNED);
    for query in ["sign=x&a=1", "sign=x&nonce=n", "sign=x&a="] {
        let members = if query.contains("nonce") { body.replace(",\"nonce\":\"n\"", "") } else { body.clone() };
        assert_eq!(reason(post(&body_only, query, &members)), (Reason::InvalidField, "query"), "{query}");
    }
    let rest = profile(&[("/methods", json!({"GET": ["query"], "PUT": ["query", "json", "form"]}))]);
    assert_eq!(read_as(&rest, "hmac-sha256", "PUT", "/?sign=x", JSON, body.as_bytes()).unwrap().string, SIGNED);
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let pairs = b"partnerId=p&timestamp=1700000000&nonce=n";
    assert_eq!(read_as(&rest, "hmac-sha256", "PUT", "/?sign=x", &form, pairs).unwrap().string, SIGNED);
    assert_eq!(
        reason(read_as(&guide, "hmac-sha256", "POST", "/?sign=x", &form, pairs)),
        (Reason::InvalidField, "content-type")
    );
}

#[test]
fn content_types() {
    let body = format!("{{{MEMBERS}}}");
    let read = |rule: &str, headers: &[(&str, &str)]| {
        let profile = profile(&[("/content_type", json!(rule))]);
        read_as(&profile, "hmac-sha256", "POST", "/?sign=x", headers, body.as_bytes()).map(|_| ())
    };
    let bare = [("content-type", "application/json")];
    let gbk = [("content-type", "application/json; charset=gbk")];
    let other = [("content-type", "text/plain")];
    let twice = [JSON[0], JSON[0]];
    for rule in ["check", "require_charset", "ignore"] {
        assert_eq!(read(rule, JSON), Ok(()), "{rule}");
    }
    assert_eq!(read("check", &bare), Ok(()));
    assert_eq!(reason(read("require_charset", &bare)), (Reason::InvalidField, "content-type"));
    assert_eq!(reason(read("check", &gbk)), (Reason::InvalidField, "content-type"));
    assert_eq!(reason(read("check", &other)), (Reason::InvalidField, "content-type"));
    assert_eq!(reason(read("check", &[])), (Reason::MissingField, "content-type"));
    assert_eq!(reason(read("check", &twice)), (Reason::DuplicateField, "content-type"));
    for headers in [&bare[..], &gbk, &other, &[], &twice] {
        assert_eq!(read("ignore", headers), Ok(()));
    }
}

#[test]
fn plus_in_a_query() {
    let query = format!("{ID}&a=x+y%2Bz");
    assert!(get(&profile(&[]), &query).unwrap().string.starts_with("a=x y+z&"));
    let literal = profile(&[("/plus", json!("literal"))]);
    assert!(get(&literal, &query).unwrap().string.starts_with("a=x+y+z&"));
}

#[test]
fn names_that_must_not_be_sent_and_names_left_out() {
    let guide = profile(&[]);
    for name in ["partnerKey", "appKey", "APPKEY", "partnerkey"] {
        assert_eq!(reason(get(&guide, &format!("{ID}&{name}=x"))), (Reason::InvalidField, "secret"), "{name}");
        assert_eq!(reason(get(&guide, &format!("{ID}&{name}="))), (Reason::InvalidField, "secret"), "{name}");
    }
    let other = profile(&[("/secret_names", json!(["key"])), ("/exclude", json!(["file", "bytes"]))]);
    assert_eq!(reason(get(&other, &format!("{ID}&Key=1"))), (Reason::InvalidField, "secret"));
    let seen = get(&other, &format!("{ID}&file=+x&appKey=1&files=2&bytes=3")).unwrap();
    assert_eq!(seen.string, format!("appKey=1&files=2&{SIGNED}"));
    assert_eq!(profile(&[("/secret_names", json!([]))]).name(), "openapi");
}

#[test]
fn windows() {
    assert_eq!((profile(&[]).past_window(), profile(&[]).future_window()), (None, None));
    let own = profile(&[("/clock", json!({"past_window_ms": 5000}))]);
    assert_eq!((own.past_window(), own.future_window()), (Some(5000), None));
}
