//! What it costs to read a request by a profile and write its string to sign, beside a straightforward implementation.
//!
//! Sixty-four requests are learned by heart by the branch predictor; of two thousand and forty-eight each is news.
//!
//! `cargo bench --bench canon -- --ratios [--quick]` prints ratios instead, both sides measured turn about in one run: for machines on which two figures taken
//! a minute apart say nothing.

#[path = "../tests/documents/mod.rs"]
mod documents;
#[path = "peers/harness.rs"]
mod harness;
#[path = "../tests/canon/straight.rs"]
mod straight;

use criterion::{Criterion, Throughput, criterion_group};
use documents::{Rng, payment};
use portcullis::canon::{Alg, Profile, Scratch, builtin_document};
use portcullis::codec::doc::Document;
use portcullis::request::{Header, Request, Sizes};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hint::black_box;

/// The members of a body as it came, with their text as sent.
type Members<'b> = BTreeMap<String, &'b RawValue>;

type Read = fn(&[u8]) -> Option<Members<'_>>;

/// As one reads bytes with serde_json.
fn from_slice(body: &[u8]) -> Option<Members<'_>> {
    serde_json::from_slice(body).ok()
}

/// The bytes checked as UTF-8 first: a second way, which costs less.
fn from_text(body: &[u8]) -> Option<Members<'_>> {
    serde_json::from_str(std::str::from_utf8(body).ok()?).ok()
}

/// The guide's scheme as one writes it with serde_json and a `BTreeMap`: members by name with their text as sent, strings unescaped, one buffer
/// for the result. It refuses nothing but what serde_json refuses, duplicates in body and query aside. Like ours it gets the bytes that came.
fn straight_openapi(query: &str, body: &[u8], members: Read) -> Option<String> {
    let mut params: BTreeMap<Cow<'_, str>, Cow<'_, str>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "sign") {
        if params.insert(name, value).is_some() {
            return None;
        }
    }
    if !body.is_empty() {
        for (name, raw) in members(body)? {
            let value = match raw.get() {
                text if text.starts_with('"') => Cow::Owned(serde_json::from_str(text).ok()?),
                "null" => Cow::Borrowed(""),
                text => Cow::Borrowed(text),
            };
            if params.insert(Cow::Owned(name), value).is_some() {
                return None;
            }
        }
    }
    let mut out = String::with_capacity(query.len() + body.len());
    for (name, value) in params.iter().filter(|(_, value)| !value.is_empty()) {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        out.push_str(value);
    }
    Some(out)
}

/// Method, query and body.
type Made = (&'static str, String, String);

fn read(profile: &Profile, alg: Alg, made: &[Made], scratch: &mut Scratch, out: &mut Vec<u8>) {
    let headers = [Header { name: b"content-type", value: b"application/json; charset=utf-8" }];
    for (method, target, body) in made {
        let request = Request {
            headers: &headers,
            ..Request::new(method.as_bytes(), black_box(target.as_bytes()), black_box(body.as_bytes()))
        };
        let extract = profile.extract(&request, scratch, &Sizes::default()).unwrap();
        out.clear();
        black_box(profile.write_message(&extract, &request, alg, out));
    }
}

fn straight_all(made: &[Made], members: Read) {
    for (_, target, body) in made {
        let query = black_box(target).split_once('?').unwrap().1;
        black_box(straight_openapi(query, black_box(body.as_bytes()), members).unwrap());
    }
}

/// The guide's profile, and `count` requests of it by POST and by GET, which both sides read alike.
fn openapi_requests(count: usize) -> (Profile, Alg, [(&'static str, Vec<Made>); 2]) {
    // The documents' ids are longer than the guide allows.
    let document = builtin_document("openapi").unwrap().replace("\"max\": 32", "\"max\": 64");
    let profile = Profile::from_document(&Document::parse(document.as_bytes()).unwrap().root()).unwrap();
    let alg = Alg::from_name("hmac-sha256").unwrap();
    let sign = "0123456789abcdef".repeat(4);
    let mut rng = Rng(7);
    let posts: Vec<Made> = (0..count)
        .map(|_| ("POST", format!("/pay?sign={sign}"), String::from_utf8(payment(&mut rng, 512)).unwrap()))
        .collect();
    let gets: Vec<Made> = (0..count)
        .map(|_| {
            let (app, nonce, stamp) = (rng.digits(5), rng.word(24), rng.digits(10));
            let query = format!("nonce={nonce}&partnerId=p{app}&timestamp={stamp}&city=%E5%8C%97%E4%BA%AC&sign={sign}");
            ("GET", format!("/token?{query}"), String::new())
        })
        .collect();
    let (mut scratch, mut out) = (Scratch::new(), Vec::new());
    for one in posts.iter().chain(&gets) {
        read(&profile, alg, std::slice::from_ref(one), &mut scratch, &mut out);
        let query = one.1.split_once('?').unwrap().1;
        for members in [from_slice as Read, from_text] {
            assert_eq!(String::from_utf8_lossy(&out), straight_openapi(query, one.2.as_bytes(), members).unwrap());
        }
    }
    (profile, alg, [("post-512-14", posts), ("get", gets)])
}

fn openapi(c: &mut Criterion) {
    for count in [64, 2048] {
        let (profile, alg, sets) = openapi_requests(count);
        for (name, made) in &sets {
            let mut group = c.benchmark_group(format!("openapi-{name}/{count}"));
            let (mut scratch, mut out) = (Scratch::new(), Vec::new());
            let bytes: usize = made.iter().map(|(_, target, body)| target.len() + body.len()).sum();
            for (unit, throughput) in
                [("requests", Throughput::Elements(count as u64)), ("bytes", Throughput::Bytes(bytes as u64))]
            {
                group.throughput(throughput);
                group.bench_function(format!("ours/{unit}"), |b| {
                    b.iter(|| read(&profile, alg, made, &mut scratch, &mut out));
                });
            }
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function("straightforward", |b| {
                b.iter(|| straight_all(made, from_slice));
            });
        }
    }
}

/// A straightforward implementation of a scheme.
type Straight = fn(&straight::Sent) -> Option<String>;

const COUNT: usize = 2048;

/// Requests of a scheme.
fn sent(name: &str) -> Vec<straight::Sent> {
    let sha256: straight::Sha256 = |bytes| portcullis::hash::sha256::digest(bytes).to_vec();
    let mut rng = Rng(11);
    (0..COUNT)
            .map(|_| {
                let body = String::from_utf8(payment(&mut rng, 512)).unwrap();
                let (word, digits) = (rng.word(24), rng.digits(10));
                let digest = sha256(body.as_bytes());
                let digest = portcullis::codec::base64::to_string(portcullis::codec::base64::Variant::Standard, &digest);
                let (target, headers) = match name {
                    "wechatpay-v3" => (
                        format!("/v3/pay/{word}?mchid={digits}"),
                        vec![(
                            "Authorization",
                            format!(
                                r#"WECHATPAY2-SHA256-RSA2048 mchid="{digits}",nonce_str="{word}",timestamp="1{digits:.9}",serial_no="1DDE55AD98ED71D6EDD4A4A16996DE7B47773A8C",signature="{}""#,
                                "AAAA".repeat(85) + "AA=="
                            ),
                        )],
                    ),
                    "aws-sigv4" => (
                        format!("/a%20b/{word}?b={digits}&a=1&c=%E4%B8%AD"),
                        vec![
                            ("Host", "api.example.com".to_owned()),
                            ("Content-Type", "application/json".to_owned()),
                            ("X-Amz-Date", "20231114T221320Z".to_owned()),
                            (
                                "Authorization",
                                format!(
                                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20231114/eu-west-1/execute-api/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature={}",
                                    "0123456789abcdef".repeat(4)
                                ),
                            ),
                        ],
                    ),
                    "kong-hmac" => (
                        format!("/a/{word}?b={digits}"),
                        vec![
                            ("Host", "api.example.com".to_owned()),
                            ("Date", "Tue, 14 Nov 2023 22:13:20 GMT".to_owned()),
                            ("Digest", format!("SHA-256={digest}")),
                            (
                                "Authorization",
                                r#"hmac username="k", algorithm="hmac-sha256", headers="date @request-target digest", signature="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=""#
                                    .to_owned(),
                            ),
                        ],
                    ),
                    "jws-detached" => {
                        let head = "http://openbanking.org.uk/";
                        let json = format!(
                            r#"{{"alg":"PS256","kid":"{word}","crit":["{head}iat","{head}iss","{head}tan"],"{head}iat":1700000000,"{head}iss":"i{digits}","{head}tan":"t.example"}}"#
                        );
                        let jws = format!("{}..{}", straight::base64url(json.as_bytes()), "AAAA".repeat(85) + "AA");
                        (format!("/pay/{word}"), vec![("x-jws-signature", jws)])
                    }
                    _ => (
                        format!("/hook/{word}"),
                        vec![("Stripe-Signature", format!("t=1{digits:.9},v1={}", "0123456789abcdef".repeat(4)))],
                    ),
                };
                straight::Sent {
                    method: "POST".to_owned(),
                    target,
                    headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                    body,
                }
            })
            .collect()
}

/// The schemes: name, algorithm, straightforward implementation.
fn table() -> [(&'static str, &'static str, Straight); 5] {
    [
        ("wechatpay-v3", "rsa-pkcs1-sha256", straight::wechat),
        ("aws-sigv4", "hmac-sha256", |sent| {
            straight::sigv4(sent, |bytes| portcullis::hash::sha256::digest(bytes).to_vec())
        }),
        ("kong-hmac", "hmac-sha256", straight::kong),
        ("jws-detached", "rsa-pss-sha256", |sent| straight::detached(sent, |_| false).map(|(_, string)| string)),
        ("stripe", "hmac-sha256", |sent| {
            let header = &sent.headers.first()?.1;
            let stamp = straight::pairs(header).into_iter().find(|(name, _)| name == "t")?.1;
            Some(format!("{stamp}.{}", sent.body))
        }),
    ]
}

fn write(
    profile: &Profile,
    alg: Alg,
    sent: &straight::Sent,
    headers: &[Header<'_>],
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) {
    let sent = black_box(sent);
    let request =
        Request { headers, ..Request::new(sent.method.as_bytes(), sent.target.as_bytes(), sent.body.as_bytes()) };
    let extract = profile.extract(&request, scratch, &Sizes::default()).unwrap();
    out.clear();
    profile.write_message(&extract, &request, alg, out).unwrap();
}

fn headers(made: &[straight::Sent]) -> Vec<Vec<Header<'_>>> {
    made.iter()
        .map(|sent| sent.headers.iter().map(|(n, v)| Header { name: n.as_bytes(), value: v.as_bytes() }).collect())
        .collect()
}

/// One request of a scheme of each shape, two thousand and forty-eight times with another path, nonce and body: reading it and writing its
/// string, ours and straightforwardly. For AWS that includes the digests of body and canonical request, which both have from the same
/// library or better. `lines` are also held against their floor: the body copied once and hashed once.
fn schemes(c: &mut Criterion) {
    for (name, alg, plain) in table() {
        let (profile, alg) = (portcullis::canon::builtin(name).unwrap(), Alg::from_name(alg).unwrap());
        let made = sent(name);
        let headers = headers(&made);
        let bytes: usize = made
            .iter()
            .map(|s| {
                s.target.len() + s.body.len() + s.headers.iter().map(|(n, v)| n.len() + v.len() + 4).sum::<usize>()
            })
            .sum();
        let (mut scratch, mut out) = (Scratch::new(), Vec::new());
        let write = |at: usize, scratch: &mut Scratch, out: &mut Vec<u8>| {
            write(&profile, alg, &made[at], &headers[at], scratch, out)
        };
        let mut strings = Vec::new();
        // What is compared is the same.
        for (at, sent) in made.iter().enumerate() {
            write(at, &mut scratch, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), plain(sent).unwrap());
            strings.push(out.clone());
        }
        let mut group = c.benchmark_group(format!("scheme-{name}"));
        for (unit, throughput) in
            [("requests", Throughput::Elements(COUNT as u64)), ("bytes", Throughput::Bytes(bytes as u64))]
        {
            group.throughput(throughput);
            group.bench_function(format!("ours/{unit}"), |b| {
                b.iter(|| (0..COUNT).for_each(|at| write(at, &mut scratch, &mut out)));
            });
        }
        group.throughput(Throughput::Elements(COUNT as u64));
        group.bench_function("straightforward", |b| {
            b.iter(|| made.iter().for_each(|sent| _ = black_box(plain(black_box(sent)))));
        });
        // Reading, writing and hashing the string, against copying it and hashing it.
        if LINES.contains(&name) {
            group.bench_function("ours-and-hash", |b| {
                b.iter(|| {
                    for at in 0..COUNT {
                        write(at, &mut scratch, &mut out);
                        black_box(portcullis::hash::sha256::digest(&out));
                    }
                });
            });
            group.bench_function("memcpy-and-hash", |b| b.iter(|| copy_and_hash(&made, &strings, &mut out)));
        }
    }
}

/// The schemes of shape `lines`.
const LINES: [&str; 2] = ["wechatpay-v3", "stripe"];

/// The floor: what the string is made of copied out of the request, target and body, the rest of it from elsewhere, and the whole hashed.
fn copy_and_hash(made: &[straight::Sent], strings: &[Vec<u8>], out: &mut Vec<u8>) {
    for (sent, string) in made.iter().zip(strings) {
        out.clear();
        out.extend_from_slice(black_box(sent.target.as_bytes()));
        out.extend_from_slice(black_box(sent.body.as_bytes()));
        out.extend_from_slice(string.get(out.len()..).unwrap_or_default());
        black_box(portcullis::hash::sha256::digest(out));
    }
}

/// Both sides turn about.
fn ratios() {
    let bench = harness::Bench::from_args();
    for count in [64, COUNT] {
        let (profile, alg, sets) = openapi_requests(count);
        for (name, made) in &sets {
            let (mut scratch, mut out) = (Scratch::new(), Vec::new());
            for (peer, members) in [("straightforward", from_slice as Read), ("checked-as-text-first", from_text)] {
                bench.row(
                    &format!("openapi-{name}/{count}"),
                    peer,
                    (count, || read(&profile, alg, made, &mut scratch, &mut out)),
                    (count, || straight_all(made, members)),
                );
            }
        }
    }
    for (name, alg, plain) in table() {
        if !bench.wants(&format!("scheme-{name}-and-hash/{COUNT}")) {
            continue;
        }
        let (profile, alg) = (portcullis::canon::builtin(name).unwrap(), Alg::from_name(alg).unwrap());
        let (made, mut strings) = (sent(name), Vec::new());
        let headers = headers(&made);
        let (mut scratch, mut out, mut other) = (Scratch::new(), Vec::new(), Vec::new());
        for (sent, headers) in made.iter().zip(&headers) {
            write(&profile, alg, sent, headers, &mut scratch, &mut out);
            strings.push(out.clone());
        }
        for count in [64, COUNT] {
            let (made, headers) = (&made[..count], &headers[..count]);
            bench.row(
                &format!("scheme-{name}/{count}"),
                "straightforward",
                (count, || {
                    for (sent, headers) in made.iter().zip(headers) {
                        write(&profile, alg, sent, headers, &mut scratch, &mut out);
                    }
                }),
                (count, || made.iter().for_each(|sent| _ = black_box(plain(black_box(sent))))),
            );
            if LINES.contains(&name) {
                bench.row(
                    &format!("scheme-{name}-and-hash/{count}"),
                    "memcpy-and-hash",
                    (count, || {
                        for (sent, headers) in made.iter().zip(headers) {
                            write(&profile, alg, sent, headers, &mut scratch, &mut out);
                            black_box(portcullis::hash::sha256::digest(&out));
                        }
                    }),
                    (count, || copy_and_hash(made, &strings, &mut other)),
                );
            }
        }
    }
}

criterion_group!(benches, openapi, schemes);

fn main() {
    if std::env::args().any(|argument| argument == "--ratios") {
        return ratios();
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
