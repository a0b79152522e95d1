//! What it costs to read the parameters of a request, beside the crates that one would take otherwise.
//!
//! Sixty-four documents are learned by heart by the branch predictor; of two thousand and forty-eight each is news. Throughput is in
//! documents (queries) a second; `build` writes the sorted `name=value&…` string as well.

#[path = "../tests/documents/mod.rs"]
mod documents;
mod joined;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use documents::{Rng, payment};
use joined::{push, serde};
use portcullis::lanes::{Backend, Cpu};
use portcullis::request::{Kind, Params, Plus, Sizes};
use std::hint::black_box;

/// Members that are not empty, not null and not `sign`, in order.
fn build(params: &Params, body: &[u8], out: &mut Vec<u8>) {
    let view = params.view(b"", body);
    out.clear();
    for &i in view.sorted() {
        if view.kind(i as usize) != Kind::Null {
            push(out, view.name(i as usize), view.value(i as usize));
        }
    }
}

fn json(c: &mut Criterion) {
    let sizes = Sizes::default();
    for count in [64, 2048] {
        let mut rng = Rng(2);
        let bodies: Vec<Vec<u8>> = (0..count).map(|_| payment(&mut rng, 512)).collect();
        let mut group = c.benchmark_group(format!("json-512-14/{count}"));
        group.throughput(Throughput::Elements(count));
        for cpu in [Cpu::detect(), Cpu::hardware().capped(Backend::Avx2), Cpu::SCALAR] {
            let mut params = Params::with_cpu(cpu);
            let mut out = Vec::new();
            group.bench_function(BenchmarkId::new("parse", cpu.backend().name()), |b| {
                b.iter(|| {
                    for body in &bodies {
                        params.clear();
                        params.parse_json(black_box(body), &sizes).unwrap();
                    }
                });
            });
            group.bench_function(BenchmarkId::new("parse-sort", cpu.backend().name()), |b| {
                b.iter(|| {
                    for body in &bodies {
                        params.clear();
                        params.parse_json(black_box(body), &sizes).unwrap();
                        params.sort(b"", body).unwrap();
                    }
                });
            });
            group.bench_function(BenchmarkId::new("parse-sort-build", cpu.backend().name()), |b| {
                b.iter(|| {
                    for body in &bodies {
                        params.clear();
                        params.parse_json(black_box(body), &sizes).unwrap();
                        params.sort(b"", body).unwrap();
                        build(&params, body, &mut out);
                        black_box(&out);
                    }
                });
            });
        }
        let mut out = Vec::new();
        group.bench_function("parse-sort-build/serde_json", |b| {
            b.iter(|| {
                for body in &bodies {
                    serde(black_box(body), &mut out);
                    black_box(&out);
                }
            });
        });
        let mut params = Params::new();
        let mut ours = Vec::new();
        for body in &bodies {
            params.clear();
            params.parse_json(body, &sizes).unwrap();
            params.sort(b"", body).unwrap();
            build(&params, body, &mut ours);
            serde(body, &mut out);
            assert_eq!(ours, out);
        }
    }
}

/// `version`, `sign_type` and a base64 signature of `bytes` bytes, percent-encoded.
fn query(rng: &mut Rng, bytes: usize) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut query = b"version=1.0&sign_type=RSA2&sign=".to_vec();
    let signature: Vec<u8> = (0..bytes.div_ceil(3) * 4 - 1).map(|_| rng.pick(alphabet)).chain([b'=']).collect();
    portcullis::codec::percent::encode(&signature, &mut query);
    query
}

fn queries(c: &mut Criterion) {
    let sizes = Sizes::default();
    for bytes in [32, 256] {
        for count in [64, 2048] {
            let mut rng = Rng(3);
            let queries: Vec<Vec<u8>> = (0..count).map(|_| query(&mut rng, bytes)).collect();
            let mut group = c.benchmark_group(format!("query-sign-{bytes}/{count}"));
            group.throughput(Throughput::Elements(count));
            for cpu in [Cpu::detect(), Cpu::hardware().capped(Backend::Avx2), Cpu::SCALAR] {
                let mut params = Params::with_cpu(cpu);
                group.bench_function(cpu.backend().name(), |b| {
                    b.iter(|| {
                        for query in &queries {
                            params.clear();
                            params.parse_query(black_box(query), Plus::Space, &sizes).unwrap();
                            let view = params.view(query, b"");
                            black_box(view.find(b"sign").map(|i| view.value(i)));
                        }
                    });
                });
            }
            group.bench_function("form_urlencoded", |b| {
                b.iter(|| {
                    for query in &queries {
                        let mut sign = None;
                        for (name, value) in form_urlencoded::parse(black_box(query)) {
                            if name == "sign" {
                                sign = Some(value);
                            }
                        }
                        black_box(sign);
                    }
                });
            });
        }
    }
}

criterion_group!(benches, json, queries);
criterion_main!(benches);
