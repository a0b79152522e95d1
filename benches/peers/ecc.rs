//! P-256 and Ed25519 beside aws-lc-rs (its strongest form: a parsed key, one signature at a time), Ed25519 also beside the batch equation of
//! ed25519-dalek, SM2 beside the `sm2` crate. Messages of 300 bytes, hashed on both sides.
//!
//! `…-batch` verifies 64 at a time with 256 keys in rotation, all of which have tables; the rows with a number have that many keys.
//! `…-newkey-batch` is without tables, `…-one` one signature at a time with tables, `…-plain` what a CPU without lanes does, with tables;
//! `p256-flood` has 4,096 keys in rotation and room for the tables of few.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    ParsedPublicKey,
};
use portcullis::alg::{Algorithm, Item, Key, MacInput, SignatureForm, SigningKey, Verifier, set_key_table_bytes};
use portcullis::lanes::Cpu;
use sm2::dsa::signature::Verifier as _;
use sm2::pkcs8::EncodePrivateKey;

use crate::harness::Bench;

/// Signatures in rotation: enough that a batch of 64 is another one each time.
const SIGNATURES: usize = 1024;

const BATCH: usize = 64;

struct Signed<P> {
    keys: Vec<Key>,
    peers: Vec<P>,
    messages: Vec<Vec<u8>>,
    signatures: Vec<Vec<u8>>,
}

impl<P> Signed<P> {
    fn new(alg: Algorithm, keys: usize, make: impl Fn(usize) -> (Vec<u8>, P)) -> Self {
        let mut out = Self { keys: Vec::new(), peers: Vec::new(), messages: Vec::new(), signatures: Vec::new() };
        let mut signers = Vec::new();
        for i in 0..keys {
            let (der, peer) = make(i);
            let pem = portcullis::codec::pem::encode("PRIVATE KEY", &der);
            let signing = SigningKey::from_pkcs8_pem(alg, &pem, None).expect("made a moment ago");
            let public = signing.public_key().expect("a key pair");
            out.keys.push(Key::public(alg, &public, None).expect("its own public key"));
            out.peers.push(peer);
            signers.push(signing);
        }
        for i in 0..SIGNATURES.max(keys) {
            let message: Vec<u8> = (0..300).map(|b| (b ^ i) as u8).collect();
            let signer = &signers[out.key_of(i)];
            out.signatures.push(signer.sign(&message, SignatureForm::Fixed, MacInput::Plain).expect("can sign"));
            out.messages.push(message);
        }
        out
    }

    /// A rotation in which neighbours have different keys.
    fn key_of(&self, i: usize) -> usize {
        i * 7 % self.keys.len()
    }

    fn items(&self) -> Vec<Item<'_>> {
        (0..self.messages.len())
            .map(|i| Item {
                key: &self.keys[self.key_of(i)],
                message: &self.messages[i],
                signature: &self.signatures[i],
                form: SignatureForm::Fixed,
                input: MacInput::Plain,
            })
            .collect()
    }

    fn row(&self, bench: &Bench, name: &str, peer: &str, batch: usize, theirs: impl Fn(&P, &[u8], &[u8]) -> bool) {
        self.row_on(Cpu::detect(), bench, name, peer, batch, theirs);
    }

    fn row_on(
        &self,
        cpu: Cpu,
        bench: &Bench,
        name: &str,
        peer: &str,
        batch: usize,
        theirs: impl Fn(&P, &[u8], &[u8]) -> bool,
    ) {
        let items = self.items();
        let mut verifier = Verifier::new(cpu);
        let mut ok = [false; BATCH];
        if cpu != Cpu::detect() {
            // Tables of plain code come with use.
            for items in items.chunks(BATCH).cycle().take(2 * SIGNATURES / BATCH) {
                verifier.verify(items, &mut ok[..items.len()]);
            }
        }
        let mut batches = items.chunks_exact(batch).cycle();
        let mut i = 0;
        bench.row(
            name,
            peer,
            (batch, || {
                let Some(items) = batches.next() else { return };
                verifier.verify(items, &mut ok[..items.len()]);
                assert!(ok[..items.len()].iter().all(|ok| *ok), "{name}: a good signature refused");
            }),
            (1, || {
                i = (i + 1) % self.messages.len();
                assert!(theirs(&self.peers[self.key_of(i)], &self.messages[i], &self.signatures[i]));
            }),
        );
    }
}

fn p256(_: usize) -> (Vec<u8>, ParsedPublicKey) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("random bytes");
    let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref()).expect("on the curve");
    (pair.to_pkcs8v1().expect("can be written").as_ref().to_vec(), parsed)
}

fn sm2_pair(_: usize) -> (Vec<u8>, sm2::dsa::VerifyingKey) {
    let mut number = [0; 32];
    aws_lc_rs::rand::fill(&mut number).expect("random bytes");
    number[0] &= 0x7f;
    let secret = sm2::SecretKey::from_slice(&number).expect("below the order");
    let key = sm2::dsa::VerifyingKey::new("1234567812345678", secret.public_key()).expect("a short identifier");
    (secret.to_pkcs8_der().expect("can be written").as_bytes().to_vec(), key)
}

/// The key as aws-lc-rs and as ed25519-dalek have it.
type Ed25519Peers = (ParsedPublicKey, ed25519_dalek::VerifyingKey);

fn ed25519(_: usize) -> (Vec<u8>, Ed25519Peers) {
    let pair = Ed25519KeyPair::generate().expect("random bytes");
    let bytes = pair.public_key().as_ref();
    let parsed = ParsedPublicKey::new(&ED25519, bytes).expect("on the curve");
    let dalek = ed25519_dalek::VerifyingKey::from_bytes(bytes.try_into().expect("32 bytes")).expect("on the curve");
    (pair.to_pkcs8v1().expect("can be written").as_ref().to_vec(), (parsed, dalek))
}

/// The rows of Ed25519.
fn ed25519_rows(bench: &Bench) {
    let aws = |key: &Ed25519Peers, message: &[u8], signature: &[u8]| key.0.verify_sig(message, signature).is_ok();
    for (name, one, keys) in [
        ("ed25519-batch-16", Some("ed25519-one"), 16),
        ("ed25519-batch", None, 256),
        ("ed25519-batch-4096", None, 4096),
    ] {
        if !bench.wants(name) && !one.is_some_and(|one| bench.wants(one)) {
            continue;
        }
        let signed = Signed::new(Algorithm::Ed25519, keys, ed25519);
        Key::prepare_tables(&signed.keys);
        signed.row(bench, name, "aws-lc-rs", BATCH, aws);
        if let Some(one) = one {
            signed.row(bench, one, "aws-lc-rs", 1, aws);
        }
        if keys == 256 {
            dalek_row(bench, name, &signed);
        }
    }
}

/// ed25519-dalek verifies 64 at a time by one equation, which says only whether all are good.
fn dalek_row(bench: &Bench, name: &str, signed: &Signed<Ed25519Peers>) {
    let count = signed.messages.len();
    let messages: Vec<&[u8]> = signed.messages.iter().map(Vec::as_slice).collect();
    let signatures: Vec<_> =
        signed.signatures.iter().map(|s| ed25519_dalek::Signature::from_slice(s).expect("64 bytes")).collect();
    let keys: Vec<_> = (0..count).map(|i| signed.peers[signed.key_of(i)].1).collect();
    let items = signed.items();
    let mut verifier = Verifier::new(Cpu::detect());
    let mut ok = [false; BATCH];
    let mut batches = items.chunks_exact(BATCH).cycle();
    let mut at = 0;
    bench.row(
        name,
        "ed25519-dalek-batch",
        (BATCH, || {
            let Some(items) = batches.next() else { return };
            verifier.verify(items, &mut ok);
            assert!(ok.iter().all(|ok| *ok), "{name}: a good signature refused");
        }),
        (BATCH, || {
            let of = at..at + BATCH;
            at = (at + BATCH) % (count - BATCH + 1);
            ed25519_dalek::verify_batch(&messages[of.clone()], &signatures[of.clone()], &keys[of]).expect("all good");
        }),
    );
}

fn p256_good(key: &ParsedPublicKey, message: &[u8], signature: &[u8]) -> bool {
    key.verify_sig(message, signature).is_ok()
}

fn sm2_good(key: &sm2::dsa::VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    sm2::dsa::Signature::from_slice(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
}

/// What a CPU without lanes has: plain code with tables.
fn plain_rows(bench: &Bench) {
    let cpu = Cpu::SCALAR;
    if bench.wants("p256-plain") {
        let signed = Signed::new(Algorithm::EcdsaP256Sha256, 16, p256);
        signed.row_on(cpu, bench, "p256-plain", "aws-lc-rs", BATCH, p256_good);
    }
    if bench.wants("sm2-plain") {
        let signed = Signed::new(Algorithm::Sm2Sm3, 16, sm2_pair);
        signed.row_on(cpu, bench, "sm2-plain", "sm2", BATCH, sm2_good);
    }
}

/// All rows.
pub fn rows(bench: &Bench) {
    const CAP: usize = 256 << 20;
    if Cpu::detect().avx512_ifma().is_none() {
        for (name, peer) in [
            ("p256-batch", "aws-lc-rs"),
            ("p256-one", "aws-lc-rs"),
            ("sm2-batch", "sm2"),
            ("sm2-one", "sm2"),
            ("ed25519-batch", "aws-lc-rs"),
            ("ed25519-batch", "ed25519-dalek-batch"),
            ("ed25519-one", "aws-lc-rs"),
        ] {
            bench.absent(name, peer, "needs AVX-512 IFMA");
        }
        plain_rows(bench);
        return;
    }
    let aws = p256_good;
    for (name, one, keys) in
        [("p256-batch-16", Some("p256-one"), 16), ("p256-batch", None, 256), ("p256-batch-4096", None, 4096)]
    {
        if !bench.wants(name) && !one.is_some_and(|one| bench.wants(one)) {
            continue;
        }
        let signed = Signed::new(Algorithm::EcdsaP256Sha256, keys, p256);
        Key::prepare_tables(&signed.keys);
        signed.row(bench, name, "aws-lc-rs", BATCH, aws);
        if let Some(one) = one {
            signed.row(bench, one, "aws-lc-rs", 1, aws);
        }
    }
    if bench.wants("p256-newkey-batch") {
        set_key_table_bytes(0);
        let signed = Signed::new(Algorithm::EcdsaP256Sha256, 256, p256);
        signed.row(bench, "p256-newkey-batch", "aws-lc-rs", BATCH, aws);
        set_key_table_bytes(CAP);
    }
    if bench.wants("p256-flood") {
        set_key_table_bytes(2 << 20);
        let signed = Signed::new(Algorithm::EcdsaP256Sha256, 4096, p256);
        signed.row(bench, "p256-flood", "aws-lc-rs", BATCH, aws);
        set_key_table_bytes(CAP);
    }
    let crate_ = sm2_good;
    for (name, one, keys) in
        [("sm2-batch-16", Some("sm2-one"), 16), ("sm2-batch", None, 256), ("sm2-batch-4096", None, 4096)]
    {
        if !bench.wants(name) && !one.is_some_and(|one| bench.wants(one)) {
            continue;
        }
        let signed = Signed::new(Algorithm::Sm2Sm3, keys, sm2_pair);
        Key::prepare_tables(&signed.keys);
        signed.row(bench, name, "sm2", BATCH, crate_);
        if let Some(one) = one {
            signed.row(bench, one, "sm2", 1, crate_);
        }
    }
    plain_rows(bench);
    ed25519_rows(bench);
}
