//! Ed25519 through the verifier, on every backend, against aws-lc-rs: honest signatures, spoilt ones, and those whose verdict depends on the
//! rule: points of low order, keys with a torsion component, encodings and scalars out of range. Batches of every length, key tables there,
//! not there, and made while batches run.

mod support;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, ParsedPublicKey};
use curve25519_dalek::EdwardsPoint;
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::scalar::Scalar;
use portcullis::alg::{Algorithm, Item, Key, MacInput, PublicKey, SignatureForm, Verifier, key_tables};
use portcullis::lanes::Cpu;
use sha2::{Digest, Sha512};
use support::{Random, scale};

/// A private scalar, the point of it with a torsion component, and that as keys.
struct Signer {
    secret: Scalar,
    bytes: [u8; 32],
    key: Key,
    oracle: ParsedPublicKey,
}

fn scalar(random: &mut Random) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&random.bytes(64).try_into().unwrap())
}

impl Signer {
    fn new(secret: Scalar, torsion: EdwardsPoint) -> Self {
        let bytes = (EdwardsPoint::mul_base(&secret) + torsion).compress().to_bytes();
        let public = PublicKey::from_raw_ed25519(&bytes).unwrap();
        let key = Key::public(Algorithm::Ed25519, &public, None).unwrap();
        Self { secret, bytes, key, oracle: ParsedPublicKey::new(&ED25519, bytes).unwrap() }
    }

    fn challenge(&self, r: &[u8; 32], message: &[u8]) -> Scalar {
        let digest = Sha512::new().chain_update(r).chain_update(self.bytes).chain_update(message).finalize();
        Scalar::from_bytes_mod_order_wide(&digest.into())
    }

    /// R as given, S = r + h a.
    fn sign(&self, r: &[u8; 32], nonce: &Scalar, message: &[u8]) -> Vec<u8> {
        let s = nonce + self.challenge(r, message) * self.secret;
        [*r, s.to_bytes()].concat()
    }

    fn good(&self, message: &[u8], signature: &[u8]) -> bool {
        self.oracle.verify_sig(message, signature).is_ok()
    }
}

/// How many honest keys there are.
const HONEST: usize = 12;

/// Keys of every kind that is taken: honest ones, small multiples of the base point and their negatives, all of them with each torsion
/// component as well.
fn signers(random: &mut Random) -> Vec<Signer> {
    let mut out: Vec<Signer> = (0..HONEST).map(|_| Signer::new(scalar(random), EIGHT_TORSION[0])).collect();
    for secret in [Scalar::ONE, -Scalar::ONE, Scalar::from(2u8), scalar(random)] {
        out.extend(EIGHT_TORSION.iter().map(|torsion| Signer::new(secret, *torsion)));
    }
    out
}

struct Case {
    signer: usize,
    message: Vec<u8>,
    signature: Vec<u8>,
    good: bool,
}

/// L, little-endian.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn add_l(s: &mut [u8]) {
    let mut carry = 0;
    for (s, l) in s.iter_mut().zip(L) {
        let sum = u16::from(*s) + u16::from(l) + carry;
        (*s, carry) = (sum as u8, sum >> 8);
    }
}

fn case(signers: &[Signer], random: &mut Random) -> Case {
    // Half of the keys are honest ones, which come first.
    let mut signer = if random.below(2) == 0 { random.below(HONEST) } else { random.below(signers.len()) };
    let length = [random.below(300), random.below(80)][random.below(2)];
    let mut message = random.bytes(length);
    let by = &signers[signer];
    let nonce = scalar(random);
    let honest = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
    let torsion = EIGHT_TORSION[random.below(8)];
    let mut signature = match random.below(12) {
        // R of low order, S = h a: the sum is the neutral element but for the key's torsion.
        0 => by.sign(&torsion.compress().to_bytes(), &Scalar::ZERO, &message),
        // The other encodings of points of low order: y above p, or x = 0 with the sign bit.
        1 => {
            let mut r = [0xff; 32];
            (r[0], r[31]) = ([0xed, 0xee, 0xec, 0x01, 0x00][random.below(5)], [0x7f, 0xff][random.below(2)]);
            if r[0] < 2 {
                r[1..31].fill(0);
                r[31] &= 0x80;
            }
            by.sign(&r, &Scalar::ZERO, &message)
        }
        // R with a torsion component, or the other sign of x.
        2 => by.sign(&(EdwardsPoint::mul_base(&nonce) + torsion).compress().to_bytes(), &nonce, &message),
        3 => by.sign(&honest, &-nonce, &message),
        _ => by.sign(&honest, &nonce, &message),
    };
    match random.below(16) {
        0 => {
            let bit = random.below(signature.len() * 8);
            signature[bit / 8] ^= 1 << (bit % 8);
        }
        1 => message.push(7),
        2 => signer = random.below(signers.len()),
        3 => signature.truncate(random.below(signature.len())),
        4 => signature.push(0),
        // S + L, S = L, S = 0, S = L - 1, S all ones.
        5 => add_l(&mut signature[32..]),
        6 => {
            signature[32..].copy_from_slice(&L);
            signature[32] -= random.below(2) as u8;
        }
        7 => signature[32..].fill([0, 0xff][random.below(2)]),
        _ => {}
    }
    let good = signers[signer].good(&message, &signature);
    Case { signer, message, signature, good }
}

fn items<'a>(signers: &'a [Signer], cases: &'a [Case]) -> Vec<Item<'a>> {
    cases
        .iter()
        .map(|case| Item {
            key: &signers[case.signer].key,
            message: &case.message,
            signature: &case.signature,
            form: SignatureForm::Either,
            input: MacInput::Plain,
        })
        .collect()
}

fn check(verifier: &mut Verifier, items: &[Item<'_>], cases: &[Case]) {
    let mut ok = vec![false; items.len()];
    verifier.verify(items, &mut ok);
    for (i, (case, ok)) in cases.iter().zip(ok).enumerate() {
        assert_eq!(ok, case.good, "{verifier:?}, item {i} of {}: {:x?}", items.len(), case.signature);
    }
}

#[test]
fn batches_of_every_length_on_every_backend_judge_as_aws_lc_does() {
    let mut random = Random(3);
    let signers = signers(&mut random);
    let cases: Vec<Case> = (0..2000 * scale()).map(|_| case(&signers, &mut random)).collect();
    let good = cases.iter().filter(|c| c.good).count();
    assert!(good > cases.len() / 6 && good < cases.len() * 4 / 5, "{good} of {}", cases.len());
    let items = items(&signers, &cases);
    for cpu in Cpu::variants() {
        let lanes = cpu.avx512_ifma().is_some();
        let mut verifier = Verifier::new(cpu);
        // Every length from 1 to 130, at places that move on. On the way keys get their tables, at their second use.
        let (mut at, mut length) = (0, 1);
        let end = if lanes { items.len() } else { items.len().min(300) };
        while at < end {
            let to = (at + length).min(end);
            check(&mut verifier, &items[at..to], &cases[at..to]);
            (at, length) = (to, length % 130 + 1);
        }
        if lanes {
            assert!(key_tables().built > 0, "no key got a table: {:?}", key_tables());
            Key::prepare_tables(signers.iter().map(|s| &s.key));
            for length in 1..=130 {
                let from = random.below(items.len() - length);
                check(&mut verifier, &items[from..from + length], &cases[from..from + length]);
            }
            // One by one: the kernel for one claim.
            for (item, case) in items.iter().zip(&cases).take(300) {
                check(&mut verifier, std::slice::from_ref(item), std::slice::from_ref(case));
            }
        }
    }
}

#[test]
fn signatures_of_the_library_are_good() {
    let pair = Ed25519KeyPair::generate().unwrap();
    let public = PublicKey::from_raw_ed25519(pair.public_key().as_ref()).unwrap();
    let key = Key::public(Algorithm::Ed25519, &public, None).unwrap();
    Key::prepare_tables([&key]);
    for length in (0..700).step_by(13) {
        let message = vec![length as u8; length];
        let mut signature = pair.sign(&message).as_ref().to_vec();
        let mut ok = [false];
        for good in [true, false] {
            let (form, input) = (SignatureForm::Either, MacInput::Plain);
            let item = Item { key: &key, message: &message, signature: &signature, form, input };
            Verifier::new(Cpu::detect()).verify(&[item], &mut ok);
            assert_eq!(ok, [good], "{length} bytes");
            signature[length % 64] ^= 4;
        }
    }
}

#[test]
fn points_of_low_order_and_other_spellings_are_no_keys() {
    for torsion in EIGHT_TORSION {
        let bytes = torsion.compress().to_bytes();
        assert!(PublicKey::from_raw_ed25519(&bytes).is_err(), "{bytes:x?}");
    }
    // y = p + 3, the point with y = 3 being on the curve or not: never a key.
    for low in 0xed..=0xff {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (low, 0x7f);
        assert!(PublicKey::from_raw_ed25519(&bytes).is_err(), "{bytes:x?}");
    }
}
