//! RSA signatures through every backend that the CPU can be held to: the scalar path, which is aws-lc, is the oracle.
//!
//! The input is cut into items of three bytes and an edit: which algorithm, which of the good signatures, how it is changed. So groups of
//! every fill and mix come up, and the way to acceptance is open.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::alg::{Algorithm, Item, Key, MacInput, SignatureForm, SigningKey, Verifier};
use portcullis::lanes::Cpu;
use std::sync::OnceLock;

const PEM: &str = include_str!("../../vectors/demo/keys/p10004-2026.pem");
const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::RsaPkcs1Sha256, Algorithm::RsaPkcs1Sha512, Algorithm::RsaPssSha256, Algorithm::RsaPssSha512];

struct Good {
    key: Key,
    signed: Vec<(Vec<u8>, Vec<u8>)>,
}

fn goods() -> &'static [Good] {
    static GOODS: OnceLock<Vec<Good>> = OnceLock::new();
    GOODS.get_or_init(|| {
        let good = |alg| {
            let signing = SigningKey::from_pkcs8_pem(alg, PEM, None).unwrap();
            let key = Key::public(alg, &signing.public_key().unwrap(), None).unwrap();
            let signed = (0..4u8)
                .map(|i| {
                    let message = vec![i; 40 * usize::from(i)];
                    let signature = signing.sign(&message, SignatureForm::Either, MacInput::Plain).unwrap();
                    (message, signature)
                })
                .collect();
            Good { key, signed }
        };
        ALGORITHMS.into_iter().map(good).collect()
    })
}

fuzz_target!(|input: &[u8]| {
    let goods = goods();
    let mut held = Vec::new();
    let mut rest = input;
    while let [which, how, at, after @ ..] = rest
        && held.len() < 40
    {
        let good = &goods[usize::from(which & 3)];
        let (message, signature) = &good.signed[usize::from(which >> 2 & 3)];
        let (mut message, mut signature) = (message.clone(), signature.clone());
        let length = usize::from(which >> 4).min(after.len());
        let (edit, after) = after.split_at(length);
        rest = after;
        match how % 8 {
            // As it is, more often than not.
            0..=3 => {}
            4 => signature.iter_mut().skip(usize::from(*at)).zip(edit).for_each(|(s, e)| *s = *e),
            5 => signature.truncate(usize::from(*at)),
            6 => signature.extend(edit),
            _ => message.extend(edit),
        }
        held.push((&good.key, message, signature));
    }
    let items: Vec<_> = held
        .iter()
        .map(|(key, message, signature)| Item {
            key,
            message,
            signature,
            form: SignatureForm::Either,
            input: MacInput::Plain,
        })
        .collect();
    let mut expected = vec![false; items.len()];
    Verifier::new(Cpu::SCALAR).verify(&items, &mut expected);
    for cpu in Cpu::variants() {
        let mut ok = vec![false; items.len()];
        Verifier::new(cpu).verify(&items, &mut ok);
        assert_eq!(ok, expected, "{cpu:?}");
    }
});
