//! Batches of messages in pieces: every kernel says what plain code says.
//!
//! The input's first byte is the length of a secret, taken from its end; then each message takes three bytes: the lengths of its prefix,
//! body (in units of three bytes and the last byte's low bits) and suffix, all cut out of the input itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::hash::hmac::{Sha256Key, Sm3Key};
use portcullis::hash::{Message, Scratch, md5, sha256, sha512, sm3};
use portcullis::lanes::Cpu;

fuzz_target!(|input: &[u8]| {
    let Some((&first, rest)) = input.split_first() else { return };
    let secret = &rest[rest.len() - rest.len().min(first.into())..];
    let take = |from: usize, len: usize| rest.get(from..).map_or(&[][..], |rest| &rest[..len.min(rest.len())]);
    let messages: Vec<Message<'_>> = rest
        .chunks_exact(3)
        .take(100)
        .enumerate()
        .map(|(i, lengths)| Message {
            prefix: take(i, usize::from(lengths[0]) % 140),
            body: take(2 * i, 3 * usize::from(lengths[1]) + usize::from(lengths[2] >> 6)),
            suffix: take(3 * i, usize::from(lengths[2] & 63) * 3),
        })
        .collect();
    let mut scratch = Scratch::new();
    macro_rules! agree {
        ($each:expr, $digest:ty) => {{
            let mut all: Vec<Vec<$digest>> = Vec::new();
            for cpu in Cpu::variants() {
                let mut out = vec![<$digest>::default(); messages.len()];
                $each(cpu, &mut |i: usize, digest: &_| out[i] = *digest);
                all.push(out);
            }
            // The last is plain code.
            let plain = all.pop().unwrap_or_default();
            assert!(all.iter().all(|out| *out == plain));
            plain
        }};
    }
    let n = messages.len();
    agree!(
        |cpu, put: &mut dyn FnMut(usize, &[u8; 16])| md5::digest_each(cpu, n, |i| messages[i], put, &mut scratch),
        [u8; 16]
    );
    agree!(
        |cpu, put: &mut dyn FnMut(usize, &[u8; 32])| sm3::digest_each(cpu, n, |i| messages[i], put, &mut scratch),
        [u8; 32]
    );
    let plain = agree!(
        |cpu, put: &mut dyn FnMut(usize, &[u8; 32])| sha256::digest_each(cpu, n, |i| messages[i], put, &mut scratch),
        [u8; 32]
    );
    for (message, digest) in messages.iter().zip(plain) {
        assert_eq!(digest, sha256::digest(&[message.prefix, message.body, message.suffix].concat()));
    }
    for cpu in Cpu::variants() {
        sha512::digest_each(
            cpu,
            n,
            |i| messages[i],
            |i, digest| {
                let Message { prefix, body, suffix } = messages[i];
                assert_eq!(*digest, sha512::digest(&[prefix, body, suffix].concat()));
            },
            &mut scratch,
        );
    }
    let (sha, gm) = (Sha256Key::new(secret), Sm3Key::new(secret));
    agree!(
        |cpu, put: &mut dyn FnMut(usize, &[u8; 32])| Sha256Key::mac_each(
            cpu,
            n,
            |i| (&sha, messages[i]),
            put,
            &mut scratch
        ),
        [u8; 32]
    );
    agree!(
        |cpu, put: &mut dyn FnMut(usize, &[u8; 32])| Sm3Key::mac_each(
            cpu,
            n,
            |i| (&gm, messages[i]),
            put,
            &mut scratch
        ),
        [u8; 32]
    );
});
