//! What it costs to read a request by a profile and write its string to sign, beside a straightforward implementation.
//!
//! Sixty-four requests are learned by heart by the branch predictor; of two thousand and forty-eight each is news.

#[path = "../tests/documents/mod.rs"]
mod documents;
#[path = "../tests/canon/oracle.rs"]
mod oracle;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use documents::{Rng, payment};
use oracle::{Rules, naive};
use portcullis::canon::{Alg, Profile, Scratch, builtin_document};
use portcullis::codec::doc::Document;
use portcullis::request::{Header, Request, Sizes};
use std::hint::black_box;

const GUIDE: Rules = Rules {
    keep_empty: false,
    null: "empty",
    nested: "raw",
    keep_spaces: false,
    refuse_delimiters: false,
    encode: "off",
};

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
        black_box(profile.decode_signature(extract.signature, alg, out).is_ok());
    }
}

fn openapi(c: &mut Criterion) {
    // The documents' ids are longer than the guide allows.
    let document = builtin_document("openapi").unwrap().replace("\"max\": 32", "\"max\": 64");
    let profile = Profile::from_document(&Document::parse(document.as_bytes()).unwrap().root()).unwrap();
    let alg = Alg::from_name("hmac-sha256").unwrap();
    let sign = "0123456789abcdef".repeat(4);
    for count in [64, 2048] {
        let mut rng = Rng(7);
        let posts: Vec<Made> = (0..count)
            .map(|_| ("POST", format!("/pay?sign={sign}"), String::from_utf8(payment(&mut rng, 512)).unwrap()))
            .collect();
        let gets: Vec<Made> = (0..count)
            .map(|_| {
                let (app, nonce, stamp) = (rng.digits(5), rng.word(24), rng.digits(10));
                let query =
                    format!("nonce={nonce}&partnerId=p{app}&timestamp={stamp}&city=%E5%8C%97%E4%BA%AC&sign={sign}");
                ("GET", format!("/token?{query}"), String::new())
            })
            .collect();
        for (name, made) in [("post-512-14", &posts), ("get", &gets)] {
            let mut group = c.benchmark_group(format!("openapi-{name}/{count}"));
            group.throughput(Throughput::Elements(count as u64));
            let (mut scratch, mut out) = (Scratch::new(), Vec::new());
            group.bench_function("ours", |b| b.iter(|| read(&profile, alg, made, &mut scratch, &mut out)));
            group.bench_function("straightforward", |b| {
                b.iter(|| {
                    for (_, target, body) in made {
                        let query = target.split_once('?').unwrap().1;
                        black_box(
                            naive(&GUIDE, black_box(query), (!body.is_empty()).then_some(body.as_str())).unwrap(),
                        );
                    }
                });
            });
        }
    }
}

criterion_group!(benches, openapi);
criterion_main!(benches);
