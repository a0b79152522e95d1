//! P-256 and SM2 signatures, honest and bent, in batches on every backend: each says what aws-lc-rs, or the `sm2` crate, says.
//!
//! Four bytes make an item: key and form, what is bent, where, and how. Tables for some of the keys are built at the start.
#![no_main]

use std::sync::OnceLock;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey, VerificationAlgorithm,
};
use libfuzzer_sys::fuzz_target;
use portcullis::alg::{Algorithm, Item, Key, MacInput, SignatureForm, SigningKey, Verifier};
use portcullis::codec::pem;
use portcullis::lanes::Cpu;
use sm2::dsa::signature::Verifier as _;
use sm2::pkcs8::EncodePrivateKey;

enum Oracle {
    P256(Vec<u8>),
    Sm2(sm2::dsa::VerifyingKey),
}

struct Signer {
    key: Key,
    oracle: Oracle,
    /// A message with its signature as DER and as r ‖ s.
    signed: [(Vec<u8>, [Vec<u8>; 2]); 4],
}

impl Signer {
    fn new(alg: Algorithm, der: &[u8], oracle: Oracle) -> Self {
        let signing = SigningKey::from_pkcs8_pem(alg, &pem::encode("PRIVATE KEY", der), None).unwrap();
        let key = Key::public(alg, &signing.public_key().unwrap(), None).unwrap();
        let signed = std::array::from_fn(|i| {
            let message = vec![i as u8; 40 * i];
            let sign = |form| signing.sign(&message, form, MacInput::Plain).unwrap();
            let both = [sign(SignatureForm::Der), sign(SignatureForm::Fixed)];
            (message, both)
        });
        Self { key, oracle, signed }
    }

    fn good(&self, message: &[u8], signature: &[u8], der: bool) -> bool {
        match &self.oracle {
            Oracle::P256(point) => {
                let alg: &'static dyn VerificationAlgorithm =
                    if der { &ECDSA_P256_SHA256_ASN1 } else { &ECDSA_P256_SHA256_FIXED };
                UnparsedPublicKey::new(alg, point).verify(message, signature).is_ok()
            }
            Oracle::Sm2(key) => {
                let read = if der { sm2::dsa::Signature::from_der } else { sm2::dsa::Signature::from_slice };
                read(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
            }
        }
    }
}

fn signers() -> &'static [Signer] {
    static SIGNERS: OnceLock<Vec<Signer>> = OnceLock::new();
    SIGNERS.get_or_init(|| {
        let mut out = Vec::new();
        for i in 0..4u8 {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let point = pair.public_key().as_ref().to_vec();
            out.push(Signer::new(Algorithm::EcdsaP256Sha256, pair.to_pkcs8v1().unwrap().as_ref(), Oracle::P256(point)));
            let secret = sm2::SecretKey::from_slice(&[i + 1; 32]).unwrap();
            let key = sm2::dsa::VerifyingKey::new("1234567812345678", secret.public_key()).unwrap();
            out.push(Signer::new(Algorithm::Sm2Sm3, secret.to_pkcs8_der().unwrap().as_bytes(), Oracle::Sm2(key)));
        }
        Key::prepare_tables(out.iter().take(6).map(|signer| &signer.key));
        out
    })
}

/// The order of P-256 and that of SM2's curve.
const ORDERS: [[u64; 4]; 2] = [
    [0xffff_ffff_0000_0000, 0xffff_ffff_ffff_ffff, 0xbce6_faad_a717_9e84, 0xf3b9_cac2_fc63_2551],
    [0xffff_fffe_ffff_ffff, 0xffff_ffff_ffff_ffff, 0x7203_df6b_21c6_052b, 0x53bb_f409_39d5_4123],
];

fuzz_target!(|input: &[u8]| {
    let signers = signers();
    let mut bent = Vec::new();
    for &[which, kind, at, how] in input.as_chunks::<4>().0.iter().take(140) {
        let signer = &signers[usize::from(which & 7)];
        let (message, both) = &signer.signed[usize::from(which >> 3 & 3)];
        let der = which & 0x20 != 0;
        let mut signature = both[usize::from(!der)].clone();
        let mut message = message.clone();
        let place = usize::from(at) % signature.len();
        let half = 32 * usize::from(at & 1);
        match kind % 8 {
            0 => signature[place] ^= how,
            1 => signature.truncate(place),
            2 => signature.insert(place, how),
            3 => message.push(how),
            // r or s: an edge, n - 1, n or n + 1, or n - s.
            4 if !der => signature[half..half + 32].fill(how),
            5 if !der => {
                let order = ORDERS[usize::from(which & 1)];
                for (bytes, word) in signature[half..half + 32].chunks_exact_mut(8).zip(order) {
                    bytes.copy_from_slice(&word.to_be_bytes());
                }
                signature[half + 31] = signature[half + 31].wrapping_add(how % 3).wrapping_sub(1);
            }
            6 if !der => {
                let order = ORDERS[usize::from(which & 1)].map(u64::to_be_bytes);
                let mut borrow = 0;
                for (byte, of_order) in signature[32..].iter_mut().zip(order.as_flattened()).rev() {
                    let difference = i16::from(*of_order) - i16::from(*byte) - borrow;
                    (*byte, borrow) = (difference as u8, i16::from(difference < 0));
                }
            }
            _ => {}
        }
        let good = signer.good(&message, &signature, der);
        bent.push((signer, message, signature, der, good));
    }
    let items: Vec<Item<'_>> = bent
        .iter()
        .map(|(signer, message, signature, der, _)| Item {
            key: &signer.key,
            message,
            signature,
            form: if *der { SignatureForm::Der } else { SignatureForm::Fixed },
            input: MacInput::Plain,
        })
        .collect();
    let expected: Vec<bool> = bent.iter().map(|bent| bent.4).collect();
    for cpu in Cpu::variants() {
        let mut ok = vec![false; items.len()];
        Verifier::new(cpu).verify(&items, &mut ok);
        assert_eq!(ok, expected, "{cpu:?}");
    }
});
