//! Every hash kernel answers to the RustCrypto crates: one and many, each set of CPU features, lengths around every boundary, ragged batches,
//! messages in pieces, and messages that end where readable memory ends.
#![allow(unsafe_code)]

use hmac::{Hmac, KeyInit, Mac};
use md5::Digest;
use portcullis::hash::hmac::{Sha256Key, Sm3Key};
use portcullis::hash::{Kernels, Message, Scratch, md5 as our_md5, sha256, sha512, sm3 as our_sm3};
use portcullis::lanes::Cpu;
use proptest::prelude::*;

/// Lengths at which something changes, with the reason.
const LENGTHS: &[(usize, &str)] = &[
    (0, "no byte at all: the padding is the block"),
    (1, "the shortest message"),
    (15, "below a 128-bit part"),
    (16, "a 128-bit part"),
    (31, "below half a block"),
    (32, "half a block"),
    (33, "above half a block"),
    (55, "the longest that one 64-byte block holds with padding"),
    (56, "the length no longer fits: a second block of zeros and length"),
    (63, "the marker is a block's last byte"),
    (64, "a whole block: the marker begins the next"),
    (65, "one byte in the second block"),
    (111, "the longest that one 128-byte block holds with padding"),
    (112, "SHA-512's length no longer fits"),
    (119, "as 55, a block on"),
    (120, "as 56, a block on"),
    (127, "as 63, for both block sizes"),
    (128, "two blocks of 64, one of 128"),
    (129, "one byte more"),
    (183, "as 55, two blocks on"),
    (184, "as 56, two blocks on"),
    (191, "as 63, two blocks on"),
    (192, "three blocks of 64"),
    (239, "as 111, a block on"),
    (240, "as 112, a block on"),
    (255, "the length in bits below 2^11"),
    (256, "four blocks of 64, two of 128"),
    (300, "what the benchmarks hash"),
    (8191, "more bits than 16 hold"),
    (8192, "the same, on a boundary"),
];

/// Bytes that depend on a seed (SplitMix64), so that a failure can be repeated.
fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        out.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    out.truncate(len);
    out
}

fn scale(quick: usize, slow: usize) -> usize {
    if std::env::var_os("PORTCULLIS_SLOW").is_some() { slow } else { quick }
}

/// Every set of features, and each with the hash lanes that a test can switch off.
fn kernels() -> Vec<Kernels> {
    Cpu::variants().into_iter().map(Kernels::from).collect()
}

/// Holds one batch against the oracle, in every hash.
fn check(kernels: Kernels, messages: &[Message<'_>], scratch: &mut Scratch) {
    macro_rules! hash {
        ($ours:ident, $theirs:ty) => {
            let mut seen = vec![0; messages.len()];
            let put = |i: usize, digest: &$ours::Digest| {
                seen[i] += 1;
                let Message { prefix, body, suffix } = messages[i];
                let expected = <$theirs>::new().chain_update(prefix).chain_update(body).chain_update(suffix).finalize();
                assert_eq!(
                    digest[..],
                    expected[..],
                    "{} message {i} of {}: {} ‖ {} ‖ {} bytes, {kernels:?}",
                    stringify!($theirs),
                    messages.len(),
                    prefix.len(),
                    body.len(),
                    suffix.len()
                );
            };
            $ours::digest_each(kernels, messages.len(), |i| messages[i], put, scratch);
            assert!(seen.iter().all(|&n| n == 1), "each message is answered once");
        };
    }
    hash!(our_md5, md5::Md5);
    hash!(sha256, sha2::Sha256);
    hash!(sha512, sha2::Sha512);
    hash!(our_sm3, sm3::Sm3);
}

/// Holds one batch of codes against the oracle.
fn check_macs(kernels: Kernels, secrets: &[Vec<u8>], messages: &[Message<'_>], scratch: &mut Scratch) {
    macro_rules! mac {
        ($key:ident, $theirs:ty) => {
            let keys: Vec<$key> = secrets.iter().map(|secret| $key::new(secret)).collect();
            let mut seen = vec![0; messages.len()];
            let put = |i: usize, code: &[u8; 32]| {
                seen[i] += 1;
                let Message { prefix, body, suffix } = messages[i];
                let secret = &secrets[i % secrets.len()];
                let expected = Hmac::<$theirs>::new_from_slice(secret)
                    .unwrap()
                    .chain_update(prefix)
                    .chain_update(body)
                    .chain_update(suffix)
                    .finalize();
                assert_eq!(code[..], expected.into_bytes()[..], "{i} of {}, {kernels:?}", messages.len());
            };
            $key::mac_each(kernels, messages.len(), |i| (&keys[i % keys.len()], messages[i]), put, scratch);
            assert!(seen.iter().all(|&n| n == 1), "each message is answered once");
        };
    }
    mac!(Sha256Key, sha2::Sha256);
    mac!(Sm3Key, sm3::Sm3);
}

#[test]
fn one_message_of_each_length() {
    for &(len, why) in LENGTHS {
        let message = bytes(len as u64, len);
        assert_eq!(our_md5::digest(&message)[..], md5::Md5::digest(&message)[..], "{len}: {why}");
        assert_eq!(sha256::digest(&message)[..], sha2::Sha256::digest(&message)[..], "{len}: {why}");
        assert_eq!(sha512::digest(&message)[..], sha2::Sha512::digest(&message)[..], "{len}: {why}");
        assert_eq!(our_sm3::digest(&message)[..], sm3::Sm3::digest(&message)[..], "{len}: {why}");
    }
}

#[test]
fn batches_of_every_size_and_every_length() {
    let text = bytes(7, 9000);
    let mut scratch = Scratch::new();
    for kernels in kernels() {
        // All of one length, one more message than the widest group, so that a message is left over.
        for &(len, _) in LENGTHS.iter().filter(|(len, _)| *len < 300) {
            let messages: Vec<Message<'_>> = (0..33).map(|i| Message::new(&text[i..i + len])).collect();
            check(kernels, &messages, &mut scratch);
        }
        // Ragged: neighbours that differ by one block, by many, and one that outlives all others.
        for size in 1..=130 {
            let messages: Vec<Message<'_>> = (0..size)
                .map(|i| {
                    let len = if i == size / 2 { 5000 } else { LENGTHS[(i * 7 + size) % 28].0 };
                    Message::new(&text[i % 64..i % 64 + len])
                })
                .collect();
            check(kernels, &messages, &mut scratch);
        }
    }
}

#[test]
fn messages_in_pieces() {
    let text = bytes(11, 3000);
    let mut scratch = Scratch::new();
    // Prefixes: none, Z of SM2, R and the key of Ed25519, around a block, more than one; suffixes: secrets of many lengths.
    let prefixes = [0, 1, 32, 63, 64, 65, 128, 200];
    let suffixes = [0, 1, 16, 32, 55, 64, 65, 130, 300];
    for kernels in kernels() {
        for &prefix in &prefixes {
            let messages: Vec<Message<'_>> = LENGTHS
                .iter()
                .filter(|(len, _)| *len < 400)
                .flat_map(|&(len, _)| suffixes.map(|suffix| (len, suffix)))
                .map(|(len, suffix)| Message {
                    prefix: &text[..prefix],
                    body: &text[500..500 + len],
                    suffix: &text[1000..1000 + suffix],
                })
                .collect();
            for some in messages.chunks(37) {
                check(kernels, some, &mut scratch);
            }
        }
    }
}

#[test]
fn codes_under_many_keys() {
    let text = bytes(13, 6000);
    let mut scratch = Scratch::new();
    // Secrets around the block: one longer than 64 bytes stands for its digest.
    let secrets: Vec<Vec<u8>> =
        [0, 1, 32, 63, 64, 65, 100, 200].into_iter().map(|len| bytes(len as u64 + 99, len)).collect();
    for kernels in kernels() {
        for size in (1..=70).chain([128, 130]) {
            let messages: Vec<Message<'_>> = (0..size)
                .map(|i| {
                    let len = if i == size / 3 { 4000 } else { LENGTHS[(i * 5 + size) % 28].0 };
                    Message::with_suffix(&text[i..i + len], if i % 3 == 0 { &text[..i % 70] } else { &[] })
                })
                .collect();
            check_macs(kernels, &secrets, &messages, &mut scratch);
        }
    }
    let key = Sha256Key::new(b"Jefe");
    let expected = Hmac::<sha2::Sha256>::new_from_slice(b"Jefe").unwrap().chain_update(b"what do ya want for nothing?");
    assert_eq!(key.mac(Message::new(b"what do ya want for nothing?"))[..], expected.finalize().into_bytes()[..]);
    assert_eq!(format!("{key:?}"), "Sha256Key { .. }");
}

#[test]
fn slices_and_closures_give_the_same() {
    let text = bytes(17, 1000);
    let messages: Vec<&[u8]> = (0..50).map(|i| &text[i..i * 7]).collect();
    let mut out = vec![[0; 32]; 50];
    let mut scratch = Scratch::new();
    sha256::digest_many(Cpu::detect(), &messages, &mut out, &mut scratch);
    for (message, digest) in messages.iter().zip(&out) {
        assert_eq!(*digest, sha256::digest(message));
    }
    let key = Sm3Key::new(b"key");
    let items: Vec<(&Sm3Key, &[u8], &[u8])> = messages.iter().map(|m| (&key, *m, &b"suffix"[..])).collect();
    Sm3Key::mac_many(Cpu::detect(), &items, &mut out, &mut scratch);
    for (message, code) in messages.iter().zip(&out) {
        assert_eq!(*code, key.mac(Message::with_suffix(message, b"suffix")));
    }
}

/// A page that may be read, before one that may not.
struct Edge {
    start: *mut u8,
    page: usize,
}

impl Edge {
    fn new() -> Self {
        use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};
        // A multiple of every page size there is.
        let page = 1 << 16;
        // SAFETY: fresh anonymous memory, its second page made unreadable, unmapped in `drop`.
        unsafe {
            let start =
                mmap_anonymous(std::ptr::null_mut(), 2 * page, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
                    .unwrap();
            mprotect(start.byte_add(page), page, MprotectFlags::empty()).unwrap();
            Self { start: start.cast(), page }
        }
    }

    /// The last `len` bytes before the edge.
    fn last(&self, len: usize) -> &[u8] {
        assert!(len <= self.page);
        // SAFETY: within the readable page, which lives as long as self and is not written after `fill`.
        unsafe { std::slice::from_raw_parts(self.start.add(self.page - len), len) }
    }

    fn fill(&mut self, from: &[u8]) {
        // SAFETY: within the page, which nobody else reads now (`&mut self`).
        unsafe { self.start.copy_from_nonoverlapping(from.as_ptr(), self.page.min(from.len())) }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length.
        unsafe { rustix::mm::munmap(self.start.cast(), 2 * self.page).unwrap() }
    }
}

/// A read beyond a message's end, or before its beginning where that is a page's, would kill the test.
#[test]
fn nothing_beyond_a_message_is_read() {
    let mut edge = Edge::new();
    edge.fill(&bytes(19, edge.page));
    let mut scratch = Scratch::new();
    for kernels in kernels() {
        for len in 0..=320 {
            let ends = edge.last(len);
            check(kernels, &[Message::new(ends); 17], &mut scratch);
            let all = Message { prefix: ends, body: ends, suffix: edge.last(len % 67) };
            check(kernels, &[all; 3], &mut scratch);
            if len % 16 < 2 {
                check_macs(kernels, &[edge.last(32).to_vec()], &[all; 17], &mut scratch);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scale(48, 4000) as u32))]

    #[test]
    fn any_batch_in_any_order(
        seed in any::<u64>(),
        shapes in prop::collection::vec((0usize..70, 0usize..700, 0usize..70), 1..100),
    ) {
        let text = bytes(seed, 1024);
        let mut messages: Vec<Message<'_>> = shapes
            .iter()
            .map(|&(prefix, body, suffix)| Message {
                prefix: &text[..if seed % 3 == 0 { prefix } else { 0 }],
                body: &text[100 + prefix..100 + prefix + body],
                suffix: &text[900..900 + if seed % 2 == 0 { suffix } else { 0 }],
            })
            .collect();
        let mut scratch = Scratch::new();
        for kernels in kernels() {
            check(kernels, &messages, &mut scratch);
            check_macs(kernels, &[text[..32].to_vec(), text[32..48].to_vec()], &messages, &mut scratch);
            messages.reverse();
        }
    }
}
