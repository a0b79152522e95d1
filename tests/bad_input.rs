//! What a hostile client may send: each is a verdict with its reason, in time and memory that grow with the input and no faster.

use md5::{Digest, Md5};
use portcullis::engine::{Engine, Options, Worker};
use portcullis::request::{Header, Request};
use portcullis::time::Millis;
use portcullis::verdict::Reason;
use std::fmt::Write as _;

const NOW: i64 = 1_700_000_000_000;

fn worker() -> Worker {
    let config = br#"{"version":1,"state":{"nonces":1000},"apps":[{"app_id":"p10001","status":"active","level":"A1",
        "profiles":["openapi"],"allow_weak":true,"credentials":[{"kid":"k","alg":"md5","secret":"k3y"}]}]}"#;
    let options = Options { now: Some(Millis(NOW)), closed_set: true, ..Options::default() };
    Engine::open_with(config, &options).unwrap().worker()
}

fn md5(text: &str) -> String {
    let digest = Md5::digest(format!("{text}&partnerKey=k3y"));
    digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

const JSON: &[Header<'_>] = &[Header { name: b"content-type", value: b"application/json" }];

fn get(worker: &mut Worker, target: &str) -> Reason {
    worker.verify(&Request::new(b"GET", target.as_bytes(), b"")).reason
}

fn post(worker: &mut Worker, target: &str, body: &[u8]) -> Reason {
    worker.verify(&Request { headers: JSON, ..Request::new(b"POST", target.as_bytes(), body) }).reason
}

/// A target with the given parameters before a good signature over them.
fn signed(nonce: &str, timestamp: &str) -> String {
    let text = format!("nonce={nonce}&partnerId=p10001&timestamp={timestamp}");
    format!("/t?{text}&sign={}", md5(&text))
}

#[test]
fn timestamps() {
    let mut worker = worker();
    assert_eq!(get(&mut worker, &signed("n0", "1700000000")), Reason::Ok);
    for (timestamp, reason) in [
        ("", Reason::MissingField),
        ("-1700000000", Reason::InvalidField),
        ("1700000000.5", Reason::InvalidField),
        ("1.7e9", Reason::InvalidField),
        ("0x6553f100", Reason::InvalidField),
        ("1700000000000000000000000000000000000000000000000000000", Reason::InvalidField),
        ("9223372036854775807", Reason::InvalidField),
        ("18446744073709551616", Reason::InvalidField),
        ("%2017000000", Reason::InvalidField),
        ("1700000006", Reason::TimestampTooNew),
        ("1699999699", Reason::TimestampTooOld),
        ("0", Reason::TimestampTooOld),
    ] {
        let reason_found = get(&mut worker, &signed("n1", timestamp));
        assert_eq!(reason_found, reason, "timestamp {timestamp:?}");
    }
}

#[test]
fn signatures_and_duplicates() {
    let mut worker = worker();
    let good = signed("n2", "1700000000");
    let (head, sign) = good.split_once("&sign=").unwrap();
    for (target, reason) in [
        (format!("{head}&sign={sign}&sign={sign}"), Reason::DuplicateField),
        (format!("{head}&sign="), Reason::MissingSignature),
        (head.to_owned(), Reason::MissingSignature),
        (format!("{head}&sign={sign}0"), Reason::BadSignature),
        (format!("{head}&sign=zz{}", &sign[2..]), Reason::BadSignature),
        (format!("{head}&sign={sign}&nonce=n3"), Reason::DuplicateField),
        (format!("{head}&sign={sign}&partnerKey=k3y"), Reason::InvalidField),
        (format!("{head}&sign={}", "a".repeat(10_000)), Reason::InvalidField),
        (format!("{head}&sign={sign}&x=%"), Reason::MalformedRequest),
        (format!("{head}&sign={sign}&x=%zz"), Reason::MalformedRequest),
        (format!("{head}&sign={sign}&x=%ff"), Reason::MalformedRequest),
        (format!("{head}&sign={sign}&x=\u{0}"), Reason::MalformedRequest),
        (format!("{head}&sign={sign}&x=a b"), Reason::MalformedRequest),
        (format!("/{}?x", "a".repeat(100_000)), Reason::MalformedRequest),
        (String::new(), Reason::MalformedRequest),
    ] {
        assert_eq!(get(&mut worker, &target), reason, "{}", &target[..target.len().min(200)]);
    }
    // After all of these the nonce is still unused.
    assert_eq!(get(&mut worker, &good), Reason::Ok);
    assert_eq!(get(&mut worker, &good), Reason::Replayed);
}

#[test]
fn bodies() {
    let mut worker = worker();
    let text = "nonce=n4&partnerId=p10001&timestamp=1700000000";
    let body = r#"{"partnerId":"p10001","timestamp":1700000000,"nonce":"n4"}"#;
    let target = format!("/t?sign={}", md5(text));
    assert_eq!(post(&mut worker, &target, b""), Reason::MissingField);
    for cut in 1..body.len() {
        assert_eq!(post(&mut worker, &target, &body.as_bytes()[..cut]), Reason::MalformedRequest, "cut at {cut}");
    }
    let with = |more: &str| format!("{}{more}}}", &body[..body.len() - 1]);
    for (body, reason) in [
        (with(",\"nonce\":\"n4\""), Reason::DuplicateField),
        (with(",\"n\\u006fnce\":\"n4\""), Reason::DuplicateField),
        (with(",\"sign\":\"x\""), Reason::DuplicateField),
        (with(",\"a\":\"\\ud800\""), Reason::MalformedRequest),
        (with(",\"a\":01"), Reason::MalformedRequest),
        (with(",\"a\":\"\u{1}\""), Reason::MalformedRequest),
        (with(&format!(",\"a\":{}1{}", "[".repeat(5000), "]".repeat(5000))), Reason::MalformedRequest),
        (format!("{body}x"), Reason::MalformedRequest),
        (format!("[{body}]"), Reason::MalformedRequest),
    ] {
        assert_eq!(post(&mut worker, &target, body.as_bytes()), reason, "{}", &body[..body.len().min(120)]);
    }
    let mut broken = body.as_bytes().to_vec();
    broken[20] = 0xff;
    assert_eq!(post(&mut worker, &target, &broken), Reason::MalformedRequest);
    assert_eq!(post(&mut worker, &target, b"\xef\xbb\xbf{}"), Reason::MalformedRequest);
    assert_eq!(post(&mut worker, &target, body.as_bytes()), Reason::Ok);
}

#[test]
fn base64_is_canonical_or_refused() {
    // A signature of an RSA app, spelled in ways that other decoders take.
    let config = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/demo/config.json")).unwrap();
    let options = Options { now: Some(Millis(NOW)), closed_set: true, ..Options::default() };
    let mut worker = Engine::open_with(&config, &options).unwrap().worker();
    let lines = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/demo/requests.ndjson")).unwrap();
    let mut parser = portcullis::ndjson::Parser::new();
    let mut tried = 0;
    for (line, verdict) in lines.lines().zip(
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/demo/expected.ndjson")).unwrap().lines(),
    ) {
        if !(verdict.contains("\"ok\":true") && verdict.contains("p10004")) || tried == 5 {
            continue;
        }
        tried += 1;
        let mut bytes = line.as_bytes().to_vec();
        let parsed = parser.parse(&mut bytes).unwrap();
        let request = parsed.request();
        let target = std::str::from_utf8(request.target).unwrap();
        let at = target.find("sign=").unwrap() + 5;
        let end = target[at..].find('&').map_or(target.len(), |len| at + len);
        let text = &target[at..end];
        assert!(text.ends_with("%3D%3D"), "256 bytes end in two pads");
        // The last character before the padding carries four bits that must be zero.
        let last = text.as_bytes()[text.len() - 7];
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let value = alphabet.iter().position(|c| *c == last).unwrap();
        assert_eq!(value % 16, 0);
        let loose = char::from(alphabet[value + 1]);
        for wrong in [
            format!("{}{loose}%3D%3D", &text[..text.len() - 7]),
            text.trim_end_matches("%3D").to_owned(),
            format!("{}%3D", text.trim_end_matches("%3D")),
            format!("{text}%3D"),
            format!("{text}%0A"),
            format!("%20{text}"),
        ] {
            let target = format!("{}{wrong}{}", &target[..at], &target[end..]);
            let reason = worker.verify(&Request { target: target.as_bytes(), ..request }).reason;
            assert_eq!(reason, Reason::BadSignature, "{wrong}");
        }
        assert_eq!(worker.verify(&request).reason, Reason::Ok);
    }
    assert_eq!(tried, 5);
}

#[test]
fn headers_and_methods() {
    let mut worker = worker();
    let target = signed("n5", "1700000000");
    let mut with = |method: &[u8], headers: &[Header<'_>]| {
        worker.verify(&Request { headers, ..Request::new(method, target.as_bytes(), b"") }).reason
    };
    for header in [
        Header { name: b"", value: b"" },
        Header { name: b"a b", value: b"" },
        Header { name: b"a:", value: b"" },
        Header { name: b"a\r\nb", value: b"" },
        Header { name: b"a", value: b"x\r\ny: z" },
        Header { name: b"a", value: b"x\0" },
    ] {
        assert_eq!(with(b"GET", &[header]), Reason::MalformedRequest, "{header:?}");
    }
    assert_eq!(with(b"GET", &[Header { name: b"a", value: b"b" }; 10_000]), Reason::MalformedRequest);
    assert_eq!(with(b"", &[]), Reason::MalformedRequest);
    assert_eq!(with(b"G T", &[]), Reason::MalformedRequest);
    assert_eq!(with(b"DELETE", &[]), Reason::MethodNotAllowed);
    assert_eq!(with(b"GET", &[Header { name: b"a", value: b"b" }]), Reason::Ok);
}

#[test]
fn large_bodies_and_many_parameters() {
    let mut worker = worker();
    // 10 MB in one value, signed well: judged like any other.
    let big = "x".repeat(10 << 20);
    let text = format!("big={big}&nonce=n6&partnerId=p10001&timestamp=1700000000");
    let body = format!(r#"{{"partnerId":"p10001","timestamp":1700000000,"nonce":"n6","big":"{big}"}}"#);
    assert_eq!(post(&mut worker, &format!("/t?sign={}", md5(&text)), body.as_bytes()), Reason::Ok);
    // Beyond the bound of the document (16 MiB): refused by its length alone.
    let huge = vec![b' '; (16 << 20) + 1];
    assert_eq!(post(&mut worker, "/t?sign=00", &huge), Reason::MalformedRequest);
    // 10,000 members are beyond the bound of parameters.
    let mut many = String::from(r#"{"partnerId":"p10001","timestamp":1700000000,"nonce":"n7""#);
    for n in 0..10_000 {
        let _ = write!(many, ",\"m{n}\":1");
    }
    many.push('}');
    assert_eq!(post(&mut worker, "/t?sign=00", many.as_bytes()), Reason::MalformedRequest);
    let query: String = (0..10_000).fold(String::from("/t?"), |mut q, n| {
        let _ = write!(q, "{n}&");
        q
    });
    assert_eq!(get(&mut worker, &query), Reason::MalformedRequest);
}

#[test]
fn raised_bounds_take_ten_thousand_parameters() {
    let config = br#"{"version":1,"state":{"nonces":1000},"sizes":{"params":20000},"apps":[{"app_id":"p10001","status":"active",
        "level":"A1","profiles":["openapi"],"allow_weak":true,"credentials":[{"kid":"k","alg":"md5","secret":"k3y"}]}]}"#;
    let options = Options { now: Some(Millis(NOW)), closed_set: true, ..Options::default() };
    let mut worker = Engine::open_with(config, &options).unwrap().worker();
    // Names that share long beginnings, in falling order: the worst for a careless sort.
    let mut members: Vec<(String, String)> =
        (0..10_000).map(|n| (format!("{}{n:05}", "z".repeat(40)), n.to_string())).collect();
    members.extend([
        ("partnerId".to_owned(), "p10001".to_owned()),
        ("timestamp".to_owned(), "1700000000".to_owned()),
        ("nonce".to_owned(), "n8".to_owned()),
    ]);
    members.sort();
    let text: Vec<String> = members.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let body: Vec<String> = members.iter().rev().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
    let target = format!("/t?sign={}", md5(&text.join("&")));
    assert_eq!(post(&mut worker, &target, format!("{{{}}}", body.join(",")).as_bytes()), Reason::Ok);
}
