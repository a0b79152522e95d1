//! What it costs to ask a snapshot, beside the containers that one would take otherwise, and to read a document.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portcullis::keys::{Config, Snapshot, policy};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

fn document(apps: usize) -> String {
    let mut text = String::from(r#"{"version":1,"apps":["#);
    for n in 0..apps {
        let comma = if n == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"app_id":"p{n}","profiles":["openapi"],"credentials":[{{"kid":"k","alg":"hmac-sha256","secret":"s{n}"}}]}}"#
        )
        .expect("a string takes everything");
    }
    text.push_str("]}");
    text
}

fn read(text: &str) -> Snapshot {
    Config::from_json(text.as_bytes()).expect("a good document")
}

/// An order without a habit: steps by a number prime to every power of two.
fn order(count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |n| n.wrapping_mul(0x9e37_79b1) % count)
}

fn apps(c: &mut Criterion) {
    let mut group = c.benchmark_group("keys/app");
    for count in [10, 10_000, 1_000_000] {
        let snapshot = read(&document(count));
        let hits: Vec<String> = order(count).take(4096).map(|n| format!("p{n}")).collect();
        let misses: Vec<String> = hits.iter().map(|id| format!("x{id}")).collect();
        let peer: HashMap<Vec<u8>, usize> = (0..count).map(|n| (format!("p{n}").into_bytes(), n)).collect();
        for (kind, ids) in [("hit", &hits), ("miss", &misses)] {
            group.throughput(Throughput::Elements(ids.len() as u64));
            group.bench_function(BenchmarkId::new(format!("ours/{kind}"), count), |b| {
                b.iter(|| ids.iter().filter(|id| black_box(snapshot.app(id.as_bytes())).is_some()).count());
            });
            group.bench_function(BenchmarkId::new(format!("std-hashmap/{kind}"), count), |b| {
                b.iter(|| ids.iter().filter(|id| black_box(peer.get(id.as_bytes())).is_some()).count());
            });
        }
    }
    group.finish();
}

fn apis(c: &mut Criterion) {
    let mut group = c.benchmark_group("keys/api");
    for count in [10, 5_000] {
        let apis: Vec<String> = (0..count)
            .map(|n| match n % 3 {
                0 => format!(
                    r#"{{"api_id":"a{n}","method":"POST","path":"/v{}/service{n}/transfer","level":"A1"}}"#,
                    n % 4
                ),
                1 => format!(
                    r#"{{"api_id":"a{n}","method":"GET","path":"/v{}/service{n}/*/balance","level":"A1"}}"#,
                    n % 4
                ),
                _ => format!(r#"{{"api_id":"a{n}","method":"POST","path":"/v{}/service{n}/*","level":"A1"}}"#, n % 4),
            })
            .collect();
        let snapshot = read(&format!(r#"{{"version":1,"apis":[{}]}}"#, apis.join(",")));
        let requests: Vec<(&[u8], String)> = order(count)
            .take(4096)
            .map(|n| match n % 3 {
                0 => (b"POST".as_slice(), format!("/v{}/service{n}/transfer", n % 4)),
                1 => (b"GET".as_slice(), format!("/v{}/service{n}/12345/balance", n % 4)),
                _ => (b"POST".as_slice(), format!("/v{}/service{n}/some/where", n % 4)),
            })
            .collect();
        group.throughput(Throughput::Elements(requests.len() as u64));
        group.bench_function(BenchmarkId::new("ours", count), |b| {
            b.iter(|| requests.iter().filter(|(m, p)| black_box(snapshot.api_for(m, p.as_bytes())).is_ok()).count());
        });
    }
    group.finish();
}

fn ips(c: &mut Criterion) {
    let mut group = c.benchmark_group("keys/ip");
    for count in [3_u32, 300] {
        let block = |n: u32| format!("{}/24", Ipv4Addr::from(0x0a00_0000 + (n << 9)));
        let blocks: Vec<String> = (0..count).map(block).collect();
        let snapshot =
            read(&format!(r#"{{"version":1,"apps":[{{"app_id":"a","allow_ips":["{}"]}}]}}"#, blocks.join("\",\"")));
        let app = snapshot.app(b"a").expect("the app");
        let nets: Vec<ipnet::IpNet> = blocks.iter().map(|b| b.parse().expect("a block")).collect();
        let addresses: Vec<IpAddr> =
            order(count as usize * 512).take(4096).map(|n| Ipv4Addr::from(0x0a00_0000 + n as u32).into()).collect();
        group.throughput(Throughput::Elements(addresses.len() as u64));
        group.bench_function(BenchmarkId::new("ours", count), |b| {
            b.iter(|| addresses.iter().filter(|ip| policy::ip_allowed(app, None, Some(**ip)).is_ok()).count());
        });
        group.bench_function(BenchmarkId::new("ipnet-one-by-one", count), |b| {
            b.iter(|| addresses.iter().filter(|ip| nets.iter().any(|net| net.contains(*ip))).count());
        });
    }
    group.finish();
}

fn documents(c: &mut Criterion) {
    let mut group = c.benchmark_group("keys/read");
    group.sample_size(10);
    for count in [100, 10_000] {
        let text = document(count);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("apps", count), |b| b.iter(|| read(black_box(&text)).apps().len()));
    }
    group.finish();
}

criterion_group!(benches, apps, apis, ips, documents);
criterion_main!(benches);
