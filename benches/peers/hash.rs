//! Hashes and codes of 300-byte messages in batches, beside the fastest crate that does one at a time.

use std::hint::black_box;

use ::hmac::{Hmac, KeyInit, Mac};
use aws_lc_rs::{digest, hmac};
use md5::Digest;
use portcullis::hash::hmac::{Sha256Key, Sm3Key};
use portcullis::hash::{Scratch, md5 as our_md5, sha256, sm3 as our_sm3};
use portcullis::lanes::{Backend, Cpu};

use super::harness::Bench;

/// Messages in a batch.
const BATCH: usize = 1024;
/// Distinct keys.
const KEYS: usize = 64;

/// Messages at odd addresses in a buffer of 4 MiB: not all in the first cache, as requests are not.
fn messages(text: &[u8], length: impl Fn(usize) -> usize) -> Vec<&[u8]> {
    (0..BATCH).map(|i| &text[i * 4001..][..length(i)]).collect()
}

fn consume<T>(value: T) {
    let _ = black_box(value);
}

/// All rows.
pub fn rows(bench: &Bench) {
    if Cpu::detect().backend() == Backend::Scalar {
        let rows = [
            ("md5", "md-5"),
            ("sha256", "aws-lc-rs"),
            ("sm3", "sm3"),
            ("hmac-sha256", "aws-lc-rs"),
            ("hmac-sm3", "hmac-sm3"),
        ];
        for (name, peer) in rows {
            bench.absent(&format!("{name}-300-batch"), peer, "no vector lanes on this CPU");
        }
        return;
    }
    let text: Vec<u8> = (0..5_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let fixed = messages(&text, |_| 300);
    let ragged = messages(&text, |i| 100 + (i * 7919) % 501);
    for (name, messages) in [("300", &fixed), ("100-to-600", &ragged)] {
        digests(bench, name, messages);
        codes(bench, name, messages);
    }
}

fn digests(bench: &Bench, name: &str, messages: &[&[u8]]) {
    let cpu = Cpu::detect();
    let mut scratch = Scratch::new();
    let mut out16 = vec![[0; 16]; BATCH];
    let mut out32 = vec![[0; 32]; BATCH];
    bench.row(
        &format!("md5-{name}-batch"),
        "md-5",
        (BATCH, || our_md5::digest_many(cpu, black_box(messages), black_box(&mut out16), &mut scratch)),
        (BATCH, || messages.iter().for_each(|m| consume(md5::Md5::digest(black_box(m))))),
    );
    let mut scratch = Scratch::new();
    bench.row(
        &format!("sha256-{name}-batch"),
        "aws-lc-rs",
        (BATCH, || sha256::digest_many(cpu, black_box(messages), black_box(&mut out32), &mut scratch)),
        (BATCH, || messages.iter().for_each(|m| consume(digest::digest(&digest::SHA256, black_box(m))))),
    );
    let mut scratch = Scratch::new();
    bench.row(
        &format!("sm3-{name}-batch"),
        "sm3",
        (BATCH, || our_sm3::digest_many(cpu, black_box(messages), black_box(&mut out32), &mut scratch)),
        (BATCH, || messages.iter().for_each(|m| consume(sm3::Sm3::digest(black_box(m))))),
    );
}

fn codes(bench: &Bench, name: &str, messages: &[&[u8]]) {
    let cpu = Cpu::detect();
    let mut scratch = Scratch::new();
    let mut out = vec![[0; 32]; BATCH];
    let secrets: Vec<[u8; 32]> = (0..KEYS).map(|i| std::array::from_fn(|j| (i * 37 + j * 11) as u8)).collect();

    let ours: Vec<Sha256Key> = secrets.iter().map(|s| Sha256Key::new(s)).collect();
    let theirs: Vec<hmac::Key> = secrets.iter().map(|s| hmac::Key::new(hmac::HMAC_SHA256, s)).collect();
    let items: Vec<(&Sha256Key, &[u8], &[u8])> =
        messages.iter().enumerate().map(|(i, m)| (&ours[i % KEYS], *m, &[][..])).collect();
    bench.row(
        &format!("hmac-sha256-{name}-batch"),
        "aws-lc-rs",
        (BATCH, || Sha256Key::mac_many(cpu, black_box(&items), black_box(&mut out), &mut scratch)),
        (BATCH, || {
            for (i, m) in messages.iter().enumerate() {
                consume(hmac::sign(&theirs[i % KEYS], black_box(m)));
            }
        }),
    );

    let ours: Vec<Sm3Key> = secrets.iter().map(|s| Sm3Key::new(s)).collect();
    let theirs: Vec<Hmac<sm3::Sm3>> = secrets.iter().map(|s| Hmac::new_from_slice(s).expect("any length")).collect();
    let items: Vec<(&Sm3Key, &[u8], &[u8])> =
        messages.iter().enumerate().map(|(i, m)| (&ours[i % KEYS], *m, &[][..])).collect();
    bench.row(
        &format!("hmac-sm3-{name}-batch"),
        "hmac-sm3",
        (BATCH, || Sm3Key::mac_many(cpu, black_box(&items), black_box(&mut out), &mut scratch)),
        (BATCH, || {
            for (i, m) in messages.iter().enumerate() {
                // The held key: a copy of the state after both pads' blocks, as that crate offers it.
                let mut mac = theirs[i % KEYS].clone();
                mac.update(black_box(m));
                consume(mac.finalize());
            }
        }),
    );
}
