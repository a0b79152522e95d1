//! What the rooms between parsing and the verdict cost, one at a time and in batches: hashes, signatures, nonces, rates, tokens, records, and
//! whole requests of the demonstration. (`request`, `canon` and `keys` have benches of their own; `peers` compares with others.)

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portcullis::alg::{Algorithm, Item, Key, MacInput, SignatureForm, SigningKey, Verifier};
use portcullis::audit::{AuditKey, Chain, Form, Record, Retention, split_first};
use portcullis::bucket::{Limits, LimitsConfig, Rate};
use portcullis::engine::{Engine, Options, Worker};
use portcullis::hash::prf::Kind;
use portcullis::hash::{Scratch, md5, selftest, sha256, sm3};
use portcullis::lanes::Cpu;
use portcullis::ndjson::Parser;
use portcullis::nonce::{Mode, NonceConfig, Store};
use portcullis::request::Request;
use portcullis::shm::{Region, RegionSpec};
use portcullis::time::Millis;
use portcullis::token;
use portcullis::verdict::{Label, Reason, Verdict};
use std::hint::black_box;
use std::time::{Duration, Instant};

const NOW: Millis = Millis(1_700_000_000_000);
const BATCH: usize = 64;

fn hashes(c: &mut Criterion) {
    let mut group = c.benchmark_group("hash/300-bytes");
    let kernels = selftest::trusted(Cpu::detect());
    let texts: Vec<Vec<u8>> = (0..BATCH).map(|i| vec![i as u8; 300]).collect();
    let messages: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    let mut scratch = Scratch::new();
    for count in [1, BATCH] {
        group.throughput(Throughput::Elements(count as u64));
        let messages = &messages[..count];
        let mut short = vec![[0; 16]; count];
        group.bench_function(BenchmarkId::new("md5", count), |b| {
            b.iter(|| md5::digest_many(kernels, black_box(messages), &mut short, &mut scratch));
        });
        let mut long = vec![[0; 32]; count];
        group.bench_function(BenchmarkId::new("sha256", count), |b| {
            b.iter(|| sha256::digest_many(kernels, black_box(messages), &mut long, &mut scratch));
        });
        group.bench_function(BenchmarkId::new("sm3", count), |b| {
            b.iter(|| sm3::digest_many(kernels, black_box(messages), &mut long, &mut scratch));
        });
    }
    group.finish();
}

fn signatures(c: &mut Criterion) {
    let mut group = c.benchmark_group("alg");
    let rsa = include_str!("../vectors/demo/keys/p10004-2026.pem");
    let secret = b"a secret of thirty-two bytes, ok";
    let mac = |alg| (SigningKey::secret(alg, secret).unwrap(), Key::secret(alg, secret).unwrap());
    let pair = |alg| {
        let signing = SigningKey::from_pkcs8_pem(alg, rsa, None).unwrap();
        let key = Key::public(alg, &signing.public_key().unwrap(), None).unwrap();
        (signing, key)
    };
    for (name, input, (signing, key)) in [
        ("md5", MacInput::AppendKey, mac(Algorithm::Md5)),
        ("hmac-sha256", MacInput::Plain, mac(Algorithm::HmacSha256)),
        ("hmac-sm3", MacInput::Plain, mac(Algorithm::HmacSm3)),
        ("rsa-pkcs1-sha256", MacInput::Plain, pair(Algorithm::RsaPkcs1Sha256)),
        ("rsa-pss-sha256", MacInput::Plain, pair(Algorithm::RsaPssSha256)),
    ] {
        let form = SignatureForm::Either;
        let signed: Vec<(Vec<u8>, Vec<u8>)> = (0..BATCH)
            .map(|i| {
                let message = vec![i as u8; 300];
                let signature = signing.sign(&message, form, input).unwrap();
                (message, signature)
            })
            .collect();
        let items: Vec<Item<'_>> =
            signed.iter().map(|(message, signature)| Item { key: &key, message, signature, form, input }).collect();
        let mut verifier = Verifier::new(Cpu::detect());
        for count in [1, BATCH] {
            let mut ok = vec![false; count];
            // Once in any case: a filter may leave the measurement out.
            verifier.verify(&items[..count], &mut ok);
            assert!(ok.iter().all(|ok| *ok), "{name}");
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(BenchmarkId::new(name, count), |b| {
                b.iter(|| verifier.verify(black_box(&items[..count]), &mut ok));
            });
        }
    }
    group.finish();
}

/// A nonce a millisecond: the table holds 305,000 live ones and forgets as many.
fn nonces(c: &mut Criterion) {
    let config = NonceConfig { birth_rule: false, ..NonceConfig::default() };
    let spec = RegionSpec::new(None, NOW).with(config.section(Kind::best(Cpu::detect())));
    let store = Store::open(&Region::open(&spec).unwrap(), &config).unwrap();
    let mut at = NOW;
    let mut group = c.benchmark_group("nonce");
    for (name, mode) in [("strict", Mode::Strict), ("message", Mode::Message)] {
        group.bench_function(BenchmarkId::new("admit", name), |b| {
            b.iter(|| {
                at = at.plus(1);
                let key = store.key(b"p10001", &at.0.to_be_bytes(), at, mode);
                black_box(store.admit(&key, at))
            });
        });
    }
    group.finish();
}

fn rates(c: &mut Criterion) {
    let config = LimitsConfig { keys: 100_000 };
    let spec = RegionSpec::new(None, NOW).with(config.section(Kind::best(Cpu::detect())));
    let limits = Limits::open(&Region::open(&spec).unwrap(), &config).unwrap();
    let rate = Rate::new(1_000_000, 1000, 1_000_000).unwrap();
    let (mut n, mut group) = (0u32, c.benchmark_group("bucket"));
    group.bench_function("take", |b| {
        b.iter(|| {
            n = (n + 7919) % 50_000;
            let key = limits.key(&[b"rate", &n.to_be_bytes()]);
            black_box(limits.take(&key, &rate, NOW.plus(i64::from(n))))
        });
    });
    group.finish();
}

fn tokens(c: &mut Criterion) {
    let sizes = token::Sizes::default();
    let spec = RegionSpec::new(None, NOW).with(sizes.section(Kind::best(Cpu::detect())));
    let store = token::Store::open(&Region::open(&spec).unwrap(), &sizes, false).unwrap();
    let policy = token::Policy::new(&[(0, b"a secret for tokens, 32 bytes or more")]).unwrap();
    let issued: Vec<_> =
        (0..1000).map(|n| store.issue(&policy, b"p10001", Some(600 + n), NOW).unwrap().token).collect();
    let mut tokens = issued.iter().cycle();
    let mut group = c.benchmark_group("token");
    group.bench_function("check", |b| {
        b.iter(|| {
            let token = tokens.next().map_or("", |token| token.as_str());
            store.check(&policy, b"p10001", black_box(token.as_bytes()), None, NOW).unwrap();
        });
    });
    let checks: Vec<token::Check<'_>> = issued[..BATCH]
        .iter()
        .map(|token| token::Check { app: b"p10001", token: token.as_str().as_bytes(), max_age_ms: None })
        .collect();
    let (mut checker, mut answers) = (token::Checker::new(), vec![Err(Reason::Internal); BATCH]);
    store.check_batch(&policy, &checks, NOW, &mut checker, &mut answers);
    assert!(answers.iter().all(Result::is_ok));
    // Where no app ever refreshed or was revoked there is no row to look for.
    for others in ["", ", rows of apps"] {
        if !others.is_empty() {
            store.revoke_app(b"p10002", NOW).unwrap();
            group.bench_function(format!("check{others}"), |b| {
                b.iter(|| {
                    let token = tokens.next().map_or("", |token| token.as_str());
                    store.check(&policy, b"p10001", black_box(token.as_bytes()), None, NOW).unwrap();
                });
            });
        }
        group.throughput(Throughput::Elements(BATCH as u64));
        group.bench_function(BenchmarkId::new(format!("check_batch{others}"), BATCH), |b| {
            b.iter(|| store.check_batch(&policy, black_box(&checks), NOW, &mut checker, &mut answers));
        });
    }
    group.finish();
}

/// A record with its link in the chain, in both forms: all that a record may have but evidence, and what every one has; the same in a chain that is sealed; and
/// verification. Beside them one block of SHA-256, by which runs on machines of different load can be held against each other.
fn records(c: &mut Criterion) {
    let key = AuditKey::new(&[7; 32]).unwrap();
    let mut verdict = Verdict::of(Reason::Ok);
    verdict.app_id = Label::new("p10001").unwrap();
    verdict.api_id = Label::new("OP1023450201000100000100").unwrap();
    verdict.kid = Label::new("2026").unwrap();
    let whole = Record {
        at: NOW,
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
        verdict: &verdict,
        duration_us: Some(1200),
        account: Some("6222021234567890123"),
        evidence: None,
    };
    let plain = Record { trace_id: None, account: None, ..whole };
    let mut group = c.benchmark_group("audit");
    group.throughput(Throughput::Elements(1));
    group.bench_function("yardstick, a block of SHA-256", |b| {
        b.iter(|| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, black_box(&[7; 32])));
    });
    for (form, name) in [(Form::Ndjson, "line"), (Form::Binary, "frame")] {
        let mut out = Vec::new();
        let mut open = |seals| Chain::open_in(form, &key, seals, Retention::Bank, None, NOW, &mut out).unwrap();
        let (mut chain, mut sealed) = (open(None), open(Some(Algorithm::Ed25519)));
        group.throughput(Throughput::Elements(1));
        for (what, record) in [("record", &whole), ("record, plain", &plain)] {
            group.bench_function(BenchmarkId::new(what, name), |b| {
                b.iter(|| {
                    out.clear();
                    chain.write(black_box(record), &mut out);
                });
            });
        }
        group.bench_function(BenchmarkId::new("record, sealed chain", name), |b| {
            b.iter(|| {
                out.clear();
                sealed.write(black_box(&whole), &mut out);
            });
        });
        const LINES: usize = 10_000;
        let mut log = Vec::new();
        let mut chain = Chain::open_in(form, &key, None, Retention::Bank, None, NOW, &mut log).unwrap();
        for _ in 1..LINES {
            chain.write(&whole, &mut log);
        }
        group.throughput(Throughput::Elements(LINES as u64));
        group.bench_function(BenchmarkId::new("verify", name), |b| {
            b.iter(|| {
                let mut verifier = portcullis::audit::Verifier::new(&key);
                let mut rest = log.as_slice();
                while let Some((record, after)) = split_first(rest) {
                    verifier.line(record).unwrap();
                    rest = after;
                }
                assert_eq!(verifier.report().lines, LINES as u64);
            });
        });
    }
    group.finish();
}

/// The demonstration's document without its limits, which would end the measurement.
fn unlimited() -> Vec<u8> {
    let mut document: serde_json::Value = serde_json::from_str(include_str!("../vectors/demo/config.json")).unwrap();
    let members = document.as_object_mut().unwrap();
    members.remove("limits");
    for list in ["apps", "apis"] {
        for entry in members.get_mut(list).and_then(|list| list.as_array_mut()).into_iter().flatten() {
            entry.as_object_mut().unwrap().remove("limits");
        }
    }
    serde_json::to_vec(&document).unwrap()
}

/// The requests of the demonstration that are accepted without limits; their nonces are given back between rounds, untimed.
fn requests(c: &mut Criterion) {
    let document = unlimited();
    let options = Options { now: Some(NOW), closed_set: true, cpu: None };
    let mut texts: Vec<Vec<u8>> =
        include_str!("../vectors/demo/requests.ndjson").lines().map(|line| line.as_bytes().to_vec()).collect();
    let mut parser = Parser::new();
    let lines: Vec<_> = texts.iter_mut().map(|text| parser.parse(text).unwrap()).collect();
    // All at one time: the demonstration's own times would carry its first requests out of their window before the second round.
    let all: Vec<Request<'_>> = lines.iter().map(|line| Request { received_at: None, ..line.request() }).collect();
    let mut verdicts = vec![Verdict::of(Reason::Internal); all.len()];
    let mut worker = Engine::open_with(&document, &options).unwrap().worker();
    worker.verify_batch(&all, &mut verdicts);
    let good: Vec<Request<'_>> = all.iter().zip(&verdicts).filter(|(_, v)| v.ok()).map(|(r, _)| *r).collect();
    let give_back = |worker: &mut Worker, verdicts: &[Verdict]| {
        let mut accepted = verdicts.iter().filter(|v| v.ok());
        assert!(accepted.all(|v| worker.release(&v.ticket)), "a nonce was not given back");
    };
    give_back(&mut worker, &verdicts);
    let mut verdicts = vec![Verdict::of(Reason::Internal); good.len()];
    let mut group = c.benchmark_group("engine");
    group.sample_size(20).throughput(Throughput::Elements(good.len() as u64));
    for batch in [1, BATCH] {
        group.bench_function(BenchmarkId::new("verify", batch), |b| {
            b.iter_custom(|rounds| {
                let mut spent = Duration::ZERO;
                for _ in 0..rounds {
                    let start = Instant::now();
                    for (requests, verdicts) in good.chunks(batch).zip(verdicts.chunks_mut(batch)) {
                        worker.verify_batch(black_box(requests), verdicts);
                    }
                    spent += start.elapsed();
                    assert!(verdicts.iter().all(Verdict::ok), "an accepted request was refused");
                    give_back(&mut worker, &verdicts);
                }
                spent
            });
        });
    }
    group.finish();
    c.bench_function("engine/open", |b| b.iter(|| Engine::open_with(&document, &options).unwrap()));
}

criterion_group!(benches, hashes, signatures, nonces, rates, tokens, records, requests);
criterion_main!(benches);
