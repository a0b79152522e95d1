//! RSA beside aws-lc-rs with parsed keys: whole verifications, the hashing of a 300-byte message included on both sides.

use crate::harness::Bench;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_SHA256,
};
use portcullis::alg::{Algorithm, Item, Key, MacInput, PublicKey, SignatureForm, Verifier};
use portcullis::lanes::Cpu;
use std::hint::black_box;

/// Signed messages with the keys of both sides.
struct Set {
    keys: Vec<Key>,
    theirs: Vec<ParsedPublicKey>,
    /// (key, message, signature).
    signed: Vec<(usize, Vec<u8>, Vec<u8>)>,
}

impl Set {
    fn new(size: KeySize, alg: Algorithm, (pairs, keys): (usize, usize), count: usize) -> Self {
        let pss = alg == Algorithm::RsaPssSha256;
        let (padding, parameters): (&'static dyn aws_lc_rs::signature::RsaEncoding, _) = if pss {
            (&RSA_PSS_SHA256, &RSA_PSS_2048_8192_SHA256)
        } else {
            (&RSA_PKCS1_SHA256, &RSA_PKCS1_2048_8192_SHA256)
        };
        let pairs: Vec<KeyPair> = (0..pairs).map(|_| KeyPair::generate(size).expect("a key pair")).collect();
        let mut set = Self { keys: Vec::new(), theirs: Vec::new(), signed: Vec::new() };
        for pair in (0..keys).map(|i| &pairs[i % pairs.len()]) {
            let der: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a public key");
            let public = PublicKey::from_spki_der(der.as_ref()).expect("the same key");
            set.keys.push(Key::public(alg, &public, None).expect("the same key"));
            set.theirs.push(ParsedPublicKey::new(parameters, der.as_ref()).expect("the same key"));
        }
        let random = SystemRandom::new();
        for i in 0..count {
            let key = i % keys;
            let pair = &pairs[key % pairs.len()];
            let message: Vec<u8> = (0..300).map(|j| (i * 31 + j * 7) as u8).collect();
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(padding, &random, &message, &mut signature).expect("a signature");
            set.signed.push((key, message, signature));
        }
        set
    }

    fn items(&self) -> Vec<Item<'_>> {
        self.signed
            .iter()
            .map(|(key, message, signature)| Item {
                key: &self.keys[*key],
                message,
                signature,
                form: SignatureForm::Either,
                input: MacInput::Plain,
            })
            .collect()
    }

    /// A row in which ours verifies `fill` at a time.
    fn row(&self, bench: &Bench, name: &str, fill: usize) {
        if !bench.wants(name) {
            return;
        }
        let items = self.items();
        let count = items.len();
        let mut verifier = Verifier::new(Cpu::detect());
        let mut ok = vec![false; count];
        let ours = || {
            for (items, ok) in items.chunks(fill).zip(ok.chunks_mut(fill)) {
                verifier.verify(black_box(items), ok);
            }
            assert!(ok.iter().all(|&ok| ok));
        };
        let theirs = || {
            for (key, message, signature) in &self.signed {
                assert!(self.theirs[*key].verify_sig(black_box(message), black_box(signature)).is_ok());
            }
        };
        bench.row(name, "aws-lc-rs", (count, ours), (count, theirs));
    }
}

/// All rows.
pub fn rows(bench: &Bench) {
    let pkcs1 = Algorithm::RsaPkcs1Sha256;
    let any = |names: &[&str]| names.iter().any(|name| bench.wants(name));
    if any(&["rsa2048-batch", "rsa2048-one", "rsa2048-fill-2", "rsa2048-fill-3", "rsa2048-fill-5", "rsa2048-fill-13"]) {
        let set = Set::new(KeySize::Rsa2048, pkcs1, (16, 16), 256);
        set.row(bench, "rsa2048-batch", 64);
        set.row(bench, "rsa2048-one", 1);
        // Groups that are not full.
        set.row(bench, "rsa2048-fill-2", 2);
        set.row(bench, "rsa2048-fill-3", 3);
        set.row(bench, "rsa2048-fill-5", 5);
        set.row(bench, "rsa2048-fill-13", 13);
    }
    if bench.wants("rsa3072-batch") {
        Set::new(KeySize::Rsa3072, pkcs1, (4, 4), 64).row(bench, "rsa3072-batch", 64);
    }
    if bench.wants("rsa4096-batch") {
        Set::new(KeySize::Rsa4096, pkcs1, (4, 4), 64).row(bench, "rsa4096-batch", 64);
    }
    if bench.wants("rsa2048-pss-batch") {
        Set::new(KeySize::Rsa2048, Algorithm::RsaPssSha256, (16, 16), 256).row(bench, "rsa2048-pss-batch", 64);
    }
    // As many keys as signatures, so that each key's constants come from memory. Pairs take long to make: the keys are copies of a few, each
    // in its own place.
    if bench.wants("rsa2048-keys-4096") {
        Set::new(KeySize::Rsa2048, pkcs1, (16, 4096), 4096).row(bench, "rsa2048-keys-4096", 64);
    }
}
