//! Ed25519 signatures, honest and bent, and keys of any bytes, in batches on every backend: each says what aws-lc-rs says.
//!
//! The first 32 bytes are a key, if they are one; then four bytes make an item: key, what is bent, where, and how.
#![no_main]

use std::sync::OnceLock;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use libfuzzer_sys::fuzz_target;
use portcullis::alg::{Algorithm, Item, Key, MacInput, PublicKey, SignatureForm, Verifier};
use portcullis::lanes::Cpu;

struct Signer {
    bytes: [u8; 32],
    key: Key,
    signed: [(Vec<u8>, Vec<u8>); 4],
}

fn key(bytes: &[u8; 32]) -> Option<Key> {
    let public = PublicKey::from_raw_ed25519(bytes).ok()?;
    Key::public(Algorithm::Ed25519, &public, None).ok()
}

fn signers() -> &'static [Signer] {
    static SIGNERS: OnceLock<Vec<Signer>> = OnceLock::new();
    SIGNERS.get_or_init(|| {
        let make = |seed: u8| {
            let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
            let bytes = pair.public_key().as_ref().try_into().unwrap();
            let signed = std::array::from_fn(|i| {
                let message = vec![seed; 67 * i];
                let signature = pair.sign(&message).as_ref().to_vec();
                (message, signature)
            });
            Signer { bytes, key: key(&bytes).unwrap(), signed }
        };
        let out: Vec<Signer> = (0..8).map(make).collect();
        Key::prepare_tables(out.iter().take(6).map(|signer| &signer.key));
        out
    })
}

/// L, and the encodings of points of low order, canonical or not, low byte first.
const EDGES: [[u8; 32]; 7] = {
    const fn filled(first: u8, middle: u8, last: u8) -> [u8; 32] {
        let mut out = [middle; 32];
        (out[0], out[31]) = (first, last);
        out
    }
    [
        [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ],
        filled(0, 0, 0),
        filled(1, 0, 0),
        filled(1, 0, 0x80),
        filled(0xec, 0xff, 0x7f),
        filled(0xed, 0xff, 0x7f),
        filled(0xee, 0xff, 0xff),
    ]
};

fuzz_target!(|input: &[u8]| {
    let Some((given, rest)) = input.split_first_chunk::<32>() else { return };
    let given_key = key(given);
    if let Some(key) = &given_key {
        Key::prepare_tables([key]);
    }
    let signers = signers();
    let mut bent = Vec::new();
    for &[which, kind, at, how] in rest.as_chunks::<4>().0.iter().take(140) {
        let signer = &signers[usize::from(which & 7)];
        let (message, signature) = &signer.signed[usize::from(which >> 3 & 3)];
        let (mut message, mut signature) = (message.clone(), signature.clone());
        let (mut bytes, mut key) = (&signer.bytes, &signer.key);
        let place = usize::from(at) % signature.len();
        let half = 32 * usize::from(at & 1);
        match kind % 8 {
            0 => signature[place] ^= how,
            1 => signature.truncate(place),
            2 => signature.insert(place, how),
            3 => message.push(how),
            4 => signature[half..half + 32].copy_from_slice(&EDGES[usize::from(how) % EDGES.len()]),
            // S + L
            5 => {
                let mut carry = 0;
                for (s, l) in signature[32..].iter_mut().zip(EDGES[0]) {
                    let sum = u16::from(*s) + u16::from(l) + carry;
                    (*s, carry) = (sum as u8, sum >> 8);
                }
            }
            6 => {
                if let Some(given_key) = &given_key {
                    (bytes, key) = (given, given_key);
                }
            }
            _ => {}
        }
        let good = UnparsedPublicKey::new(&ED25519, bytes).verify(&message, &signature).is_ok();
        bent.push((key, message, signature, good));
    }
    let items: Vec<Item<'_>> = bent
        .iter()
        .map(|(key, message, signature, _)| {
            let (form, input) = (SignatureForm::Either, MacInput::Plain);
            Item { key, message, signature, form, input }
        })
        .collect();
    let expected: Vec<bool> = bent.iter().map(|bent| bent.3).collect();
    for cpu in Cpu::variants() {
        let mut ok = vec![false; items.len()];
        Verifier::new(cpu).verify(&items, &mut ok);
        assert_eq!(ok, expected, "{cpu:?}");
    }
});
