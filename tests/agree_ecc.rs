//! P-256 and SM2 through the verifier, on every backend, against aws-lc-rs and the `sm2` crate: batches of every length, good and bad
//! mixed, key tables there, not there, and evicted while batches run.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, VerificationAlgorithm};
use portcullis::alg::{
    Algorithm, Item, Key, MacInput, SignatureForm, SigningKey, Verifier, key_tables, set_key_table_bytes,
};
use portcullis::lanes::Cpu;
use sm2::dsa::signature::Verifier as _;
use sm2::pkcs8::DecodePrivateKey;
use support::{Random, ecdsa_pkcs8, scale, sm2_pkcs8};

/// What another implementation says.
enum Oracle {
    P256(Vec<u8>),
    Sm2(Box<sm2::dsa::VerifyingKey>),
}

struct Signer {
    signing: SigningKey,
    key: Key,
    oracle: Oracle,
}

impl Signer {
    fn p256() -> Self {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
        let der = ecdsa_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING);
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).unwrap();
        Self::new(Algorithm::EcdsaP256Sha256, &der, Oracle::P256(pair.public_key().as_ref().to_vec()))
    }

    fn sm2() -> Self {
        let der = sm2_pkcs8();
        let public = sm2::SecretKey::from_pkcs8_der(&der).unwrap().public_key();
        let key = sm2::dsa::VerifyingKey::new("1234567812345678", public).unwrap();
        Self::new(Algorithm::Sm2Sm3, &der, Oracle::Sm2(Box::new(key)))
    }

    fn new(alg: Algorithm, der: &[u8], oracle: Oracle) -> Self {
        let pem = portcullis::codec::pem::encode("PRIVATE KEY", der);
        let signing = SigningKey::from_pkcs8_pem(alg, &pem, None).unwrap();
        let key = Key::public(alg, &signing.public_key().unwrap(), None).unwrap();
        Self { signing, key, oracle }
    }

    fn good(&self, message: &[u8], signature: &[u8], form: SignatureForm) -> bool {
        match &self.oracle {
            Oracle::P256(point) => {
                let alg: &'static dyn VerificationAlgorithm = match form {
                    SignatureForm::Der => &ECDSA_P256_SHA256_ASN1,
                    _ => &ECDSA_P256_SHA256_FIXED,
                };
                alg.verify_sig(point, message, signature).is_ok()
            }
            Oracle::Sm2(key) => match form {
                SignatureForm::Der => {
                    sm2::dsa::Signature::from_der(signature).is_ok_and(|s| key.verify(message, &s).is_ok())
                }
                _ => sm2::dsa::Signature::from_slice(signature).is_ok_and(|s| key.verify(message, &s).is_ok()),
            },
        }
    }
}

struct Case {
    signer: usize,
    message: Vec<u8>,
    signature: Vec<u8>,
    form: SignatureForm,
    good: bool,
}

fn case(signers: &[Signer], random: &mut Random) -> Case {
    let mut signer = random.below(signers.len());
    let length = random.below(300);
    let mut message = random.bytes(length);
    let form = [SignatureForm::Der, SignatureForm::Fixed][random.below(2)];
    let mut signature = signers[signer].signing.sign(&message, form, MacInput::Plain).unwrap();
    match random.below(10) {
        0 => {
            let bit = random.below(signature.len() * 8);
            signature[bit / 8] ^= 1 << (bit % 8);
        }
        1 => message.push(7),
        2 => signer = random.below(signers.len()),
        3 => signature.truncate(random.below(signature.len())),
        4 if form == SignatureForm::Fixed => signature[..32].fill(0),
        5 if form == SignatureForm::Fixed => signature[32..].fill(0xff),
        _ => {}
    }
    let good = signers[signer].good(&message, &signature, form);
    Case { signer, message, signature, form, good }
}

fn items<'a>(signers: &'a [Signer], cases: &'a [Case]) -> Vec<Item<'a>> {
    cases
        .iter()
        .map(|case| Item {
            key: &signers[case.signer].key,
            message: &case.message,
            signature: &case.signature,
            form: case.form,
            input: MacInput::Plain,
        })
        .collect()
}

fn check(verifier: &mut Verifier, items: &[Item<'_>], cases: &[Case]) {
    let mut ok = vec![false; items.len()];
    verifier.verify(items, &mut ok);
    for (i, (case, ok)) in cases.iter().zip(ok).enumerate() {
        assert_eq!(ok, case.good, "{verifier:?}, item {i} of {}: {:?} {:x?}", items.len(), case.form, case.signature);
    }
}

fn signers(each: usize) -> Vec<Signer> {
    (0..each).flat_map(|_| [Signer::p256(), Signer::sm2()]).collect()
}

#[test]
fn batches_of_every_length_on_every_backend() {
    let mut random = Random(1);
    let signers = signers(20);
    let cases: Vec<Case> = (0..1500 * scale()).map(|_| case(&signers, &mut random)).collect();
    let good = cases.iter().filter(|c| c.good).count();
    assert!(good > cases.len() / 3 && good < cases.len() * 9 / 10);
    let items = items(&signers, &cases);
    for cpu in Cpu::variants() {
        let mut verifier = Verifier::new(cpu);
        // Every length from 1 to 130, at places that move on.
        let (mut at, mut length) = (0, 1);
        // One-at-a-time backends need no more than a sample.
        let end = if cpu.avx512_ifma().is_some() { items.len() } else { items.len().min(300) };
        while at < end {
            let to = (at + length).min(end);
            check(&mut verifier, &items[at..to], &cases[at..to]);
            (at, length) = (to, length % 130 + 1);
        }
        if cpu.avx512_ifma().is_some() {
            // All lengths over again, now with tables for some keys.
            Key::prepare_tables(signers.iter().take(13).map(|s| &s.key));
            for length in 1..=130 {
                let from = random.below(items.len() - length);
                check(&mut verifier, &items[from..from + length], &cases[from..from + length]);
            }
        }
    }
}

#[test]
fn tables_come_and_go_while_batches_run() {
    let mut random = Random(2);
    let signers = signers(24);
    let cases: Vec<Case> = (0..600).map(|_| case(&signers, &mut random)).collect();
    let items = items(&signers, &cases);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for seed in 0..2 {
            let (items, cases, stop) = (&items, &cases, &stop);
            scope.spawn(move || {
                let mut random = Random(100 + seed);
                let mut verifier = Verifier::new(Cpu::detect());
                for _ in 0..60 * scale() {
                    let length = 1 + random.below(130);
                    let from = random.below(items.len() - length);
                    check(&mut verifier, &items[from..from + length], &cases[from..from + length]);
                }
                stop.store(true, Ordering::Relaxed);
            });
        }
        // Caps that hold none, one comb, a few combs, a wide one, everything.
        while !stop.load(Ordering::Relaxed) {
            for cap in [0, 40 << 10, 100 << 10, 600 << 10, 64 << 20] {
                set_key_table_bytes(cap);
                Key::prepare_tables(signers.iter().map(|s| &s.key));
                std::thread::sleep(std::time::Duration::from_millis(3));
            }
        }
    });
    set_key_table_bytes(256 << 20);
    if Cpu::detect().avx512_ifma().is_some() {
        let tables = key_tables();
        assert!(tables.built > 0 && tables.evicted > 0, "{tables:?}");
    }
}
