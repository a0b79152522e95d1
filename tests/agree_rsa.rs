//! RSA in lanes: every backend that the CPU can be held to, the scalar path, and aws-lc-rs called directly say the same of every signature.
//!
//! Encodings that no honest signer makes are signed by raw RSA with num-bigint.

mod support;

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
};
use base64::Engine as _;
use num_bigint::BigUint;
use portcullis::alg::{Algorithm, Item, Key, MacInput, PublicKey, SignatureForm, SigningKey, Verifier};
use portcullis::codec::pem;
use portcullis::lanes::Cpu;
use sha2::{Digest, Sha256, Sha512};
use support::{Random, rsa_pkcs8, scale};

const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::RsaPkcs1Sha1,
    Algorithm::RsaPkcs1Sha256,
    Algorithm::RsaPkcs1Sha512,
    Algorithm::RsaPssSha256,
    Algorithm::RsaPssSha512,
];

fn parameters(alg: Algorithm) -> &'static RsaParameters {
    match alg {
        Algorithm::RsaPkcs1Sha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::RsaPkcs1Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RsaPkcs1Sha512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::RsaPssSha256 => &RSA_PSS_2048_8192_SHA256,
        _ => &RSA_PSS_2048_8192_SHA512,
    }
}

/// A key pair with its numbers laid open.
struct Raw {
    n: BigUint,
    e: BigUint,
    d: BigUint,
    pkcs8: Vec<u8>,
}

impl Raw {
    /// A pair with the usual exponent, and one over the same primes for each other exponent that fits them.
    fn family(size: KeySize, exponents: &[u32]) -> Vec<Self> {
        let pkcs8 = rsa_pkcs8(size);
        let numbers = integers(&pkcs8);
        // RSAPrivateKey: version, n, e, d, p, q, … (RFC 8017, A.1.2).
        let [_, n, e, d, p, q] = &numbers[..6] else { panic!("six integers") };
        let phi = (p - 1u32) * (q - 1u32);
        let mut family = vec![Self { n: n.clone(), e: e.clone(), d: d.clone(), pkcs8: pkcs8.clone() }];
        for &e in exponents {
            let e = BigUint::from(e);
            if let Some(d) = e.modinv(&phi) {
                family.push(Self { n: n.clone(), e, d, pkcs8: pkcs8.clone() });
            }
        }
        family
    }

    fn k(&self) -> usize {
        self.n.bits().div_ceil(8) as usize
    }

    fn key(&self, alg: Algorithm) -> Key {
        let text = |x: &BigUint| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(x.to_bytes_be());
        let (n, e) = (text(&self.n), text(&self.e));
        let public = PublicKey::from_jwk(&[("kty", "RSA"), ("n", &n), ("e", &e)]).unwrap();
        Key::public(alg, &public, None).unwrap()
    }

    /// em^d mod n as k bytes.
    fn raw(&self, em: &[u8]) -> Vec<u8> {
        padded(&BigUint::from_bytes_be(em).modpow(&self.d, &self.n), self.k())
    }

    /// What aws-lc-rs says.
    fn oracle(&self, alg: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let key = RsaPublicKeyComponents { n: self.n.to_bytes_be(), e: self.e.to_bytes_be() };
        key.verify(parameters(alg), message, signature).is_ok()
    }

    /// A good signature: by aws-lc where it can, for other exponents by hand.
    fn sign(&self, alg: Algorithm, message: &[u8]) -> Vec<u8> {
        if self.e == BigUint::from(65537u32) && alg != Algorithm::RsaPkcs1Sha1 {
            let signing = SigningKey::from_pkcs8_pem(alg, &pem::encode("PRIVATE KEY", &self.pkcs8), None).unwrap();
            return signing.sign(message, SignatureForm::Either, MacInput::Plain).unwrap();
        }
        self.raw(&match alg {
            Algorithm::RsaPssSha256 => pss::<Sha256>(self.n.bits() as usize, message, &[7; 32]),
            Algorithm::RsaPssSha512 => pss::<Sha512>(self.n.bits() as usize, message, &[9; 64]),
            _ => pkcs1(self.k(), &info(alg), &digest(alg, message)),
        })
    }
}

fn padded(x: &BigUint, k: usize) -> Vec<u8> {
    let bytes = x.to_bytes_be();
    let mut out = vec![0; k.saturating_sub(bytes.len())];
    out.extend(bytes);
    out
}

/// The integers inside a PKCS#8 RSA key: goes into SEQUENCEs and the OCTET STRING, skips the rest. The outer version comes first and is
/// dropped.
fn integers(der: &[u8]) -> Vec<BigUint> {
    fn walk(mut der: &[u8], out: &mut Vec<BigUint>) {
        while let [tag, first, rest @ ..] = der {
            let wide = if first & 0x80 == 0 { 0 } else { usize::from(first & 0x7f) };
            let long = rest[..wide].iter().fold(0, |n, &b| n << 8 | usize::from(b));
            let length = if wide == 0 { usize::from(*first) } else { long };
            let (body, after) = rest[wide..].split_at(length);
            match tag {
                0x02 => out.push(BigUint::from_bytes_be(body)),
                0x30 | 0x04 => walk(body, out),
                _ => {}
            }
            der = after;
        }
    }
    let mut out = Vec::new();
    walk(der, &mut out);
    out.remove(0);
    out
}

fn digest(alg: Algorithm, message: &[u8]) -> Vec<u8> {
    match alg {
        Algorithm::RsaPkcs1Sha1 => {
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, message).as_ref().to_vec()
        }
        Algorithm::RsaPkcs1Sha512 | Algorithm::RsaPssSha512 => Sha512::digest(message).to_vec(),
        _ => Sha256::digest(message).to_vec(),
    }
}

/// The DER before the digest (RFC 8017, 9.2, note 1).
fn info(alg: Algorithm) -> Vec<u8> {
    let (oid, len): (&[u8], u8) = match alg {
        Algorithm::RsaPkcs1Sha1 => (&[0x2b, 14, 3, 2, 26], 20),
        Algorithm::RsaPkcs1Sha512 => (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3], 64),
        _ => (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1], 32),
    };
    let mut out = vec![0x30, len + oid.len() as u8 + 8, 0x30, oid.len() as u8 + 4, 6, oid.len() as u8];
    out.extend(oid);
    out.extend([5, 0, 4, len]);
    out
}

/// 00 01 FF … FF 00 info digest.
fn pkcs1(k: usize, info: &[u8], digest: &[u8]) -> Vec<u8> {
    let mut em = vec![0xff; k];
    let tail = k - info.len() - digest.len();
    (em[0], em[1], em[tail - 1]) = (0, 1, 0);
    em[tail..tail + info.len()].copy_from_slice(info);
    em[tail + info.len()..].copy_from_slice(digest);
    em
}

/// EMSA-PSS-ENCODE (RFC 8017, 9.1.1) with a salt of any length.
fn pss<H: Digest>(bits: usize, message: &[u8], salt: &[u8]) -> Vec<u8> {
    let h_len = <H as Digest>::output_size();
    let em_len = (bits - 1).div_ceil(8);
    let mut again = vec![0; 8];
    again.extend(H::digest(message));
    again.extend(salt);
    let h = H::digest(&again).to_vec();
    let mut db = vec![0; em_len - h_len - 1];
    let at = db.len() - salt.len();
    db[at - 1] = 1;
    db[at..].copy_from_slice(salt);
    for (i, chunk) in db.chunks_mut(h_len).enumerate() {
        let mut seed = h.clone();
        seed.extend((i as u32).to_be_bytes());
        for (d, m) in chunk.iter_mut().zip(H::digest(&seed)) {
            *d ^= m;
        }
    }
    db[0] &= 0xff >> (8 * em_len - (bits - 1));
    db.extend(h);
    db.push(0xbc);
    db
}

/// A signature, and whether it is good.
struct Case {
    key: usize,
    message: Vec<u8>,
    signature: Vec<u8>,
    good: bool,
    what: String,
}

/// Runs `cases` through every backend in one batch and in small ones, and compares.
fn settle(keys: &[Key], cases: &[Case]) {
    let items: Vec<_> = cases.iter().map(|case| item(keys, case)).collect();
    for cpu in Cpu::variants() {
        let mut verifier = Verifier::new(cpu);
        for batch in [1, 2, 3, 5, 8, 64, usize::MAX] {
            let mut ok = vec![false; items.len()];
            for (items, ok) in items.chunks(batch.min(items.len())).zip(ok.chunks_mut(batch.min(items.len()))) {
                verifier.verify(items, ok);
            }
            for (case, ok) in cases.iter().zip(ok) {
                assert_eq!(ok, case.good, "{} {cpu:?} in batches of {batch}", case.what);
            }
        }
    }
}

fn item<'a>(keys: &'a [Key], case: &'a Case) -> Item<'a> {
    let (message, signature) = (&case.message, &case.signature);
    Item { key: &keys[case.key], message, signature, form: SignatureForm::Either, input: MacInput::Plain }
}

/// Signatures at the edges of what a key takes.
fn edges(raw: &Raw, alg: Algorithm, key: usize, random: &mut Random) -> Vec<Case> {
    let k = raw.k();
    let message = b"the edges".to_vec();
    let good = raw.sign(alg, &message);
    let s = BigUint::from_bytes_be(&good);
    let one = BigUint::from(1u32);
    let mut all: Vec<(String, Vec<u8>)> = vec![
        ("good".into(), good.clone()),
        ("0".into(), vec![0; k]),
        ("1".into(), padded(&one, k)),
        ("n - 1".into(), padded(&(&raw.n - 1u32), k)),
        ("n".into(), padded(&raw.n, k)),
        ("n + 1".into(), padded(&(&raw.n + 1u32), k)),
        ("n - s".into(), padded(&(&raw.n - &s), k)),
        ("s + n".into(), padded(&(&s + &raw.n), k)),
        ("all ones".into(), vec![0xff; k]),
        ("a zero before".into(), [&[0], &good[..]].concat()),
        ("a zero after".into(), [&good[..], &[0]].concat()),
        ("the first byte missing".into(), good[1..].to_vec()),
        ("the last byte missing".into(), good[..k - 1].to_vec()),
        ("twice".into(), [&good[..], &good[..]].concat()),
        ("empty".into(), vec![]),
    ];
    for i in (0..k).step_by(if k > 256 { 13 } else { 1 }) {
        let mut bad = good.clone();
        bad[i] ^= 1 << (random.next() % 8);
        all.push((format!("signature edited at {i}"), bad));
    }
    all.into_iter()
        .map(|(what, signature)| Case {
            good: raw.oracle(alg, &message, &signature),
            what: format!("{alg} {} bits: {what}", raw.n.bits()),
            key,
            message: message.clone(),
            signature,
        })
        .collect()
}

/// Encodings that come near a good one.
fn encodings(raw: &Raw, alg: Algorithm, every: usize) -> Vec<(String, Vec<u8>)> {
    let k = raw.k();
    let bits = raw.n.bits() as usize;
    let message = b"the edges";
    let hash = digest(alg, message);
    let mut all = Vec::new();
    let base = match alg {
        Algorithm::RsaPssSha256 => {
            for len in [0, 20, 31, 33, 64] {
                all.push((format!("salt of {len}"), pss::<Sha256>(bits, message, &vec![5; len])));
            }
            pss::<Sha256>(bits, message, &[5; 32])
        }
        Algorithm::RsaPssSha512 => {
            for len in [0, 32, 63, 65] {
                all.push((format!("salt of {len}"), pss::<Sha512>(bits, message, &vec![5; len])));
            }
            pss::<Sha512>(bits, message, &[5; 64])
        }
        _ => {
            let info = info(alg);
            let with = |info: &[u8]| pkcs1(k, info, &hash);
            // X.690 in its longer forms: lengths in two and three bytes, no parameters, other parameters.
            let mut long = vec![0x30, 0x81];
            long.extend(&info[1..]);
            all.push(("a length in two bytes".into(), with(&long)));
            let mut longer = vec![0x30, 0x82, 0];
            longer.extend(&info[1..]);
            all.push(("a length in three bytes".into(), with(&longer)));
            let mut bare = info.clone();
            let null = bare.len() - 4;
            bare.drain(null..null + 2);
            (bare[1], bare[3]) = (bare[1] - 2, bare[3] - 2);
            all.push(("no NULL".into(), with(&bare)));
            let mut other = info.clone();
            other[null] = 4;
            all.push(("an OCTET STRING for the NULL".into(), with(&other)));
            all.push(("the digest alone".into(), with(&[])));
            let foreign = [Algorithm::RsaPkcs1Sha256, Algorithm::RsaPkcs1Sha512];
            for foreign in foreign.into_iter().filter(|&foreign| foreign != alg) {
                let mut name = crate::info(foreign);
                let last = name.len() - 1;
                name[last] = hash.len() as u8;
                all.push((format!("under the name of {foreign}"), with(&name)));
            }
            // Padding cut short, and what is gained put after the digest (Bleichenbacher 2006) or into the name.
            for cut in [1, 8, k - info.len() - hash.len() - 12] {
                let mut em = pkcs1(k - cut, &info, &hash);
                em.extend(vec![0xa5; cut]);
                all.push((format!("{cut} bytes after the digest"), em));
                let mut em = pkcs1(k - cut, &info, &hash);
                em.splice(2..2, vec![0; cut]);
                all.push((format!("{cut} zeros in the padding"), em));
            }
            let mut encrypted = with(&info);
            encrypted[1] = 2;
            all.push(("block type 2".into(), encrypted));
            let mut typeless = with(&info);
            typeless[1] = 0;
            all.push(("block type 0".into(), typeless));
            with(&info)
        }
    };
    for i in (0..base.len()).step_by(every) {
        let mut em = base.clone();
        em[i] ^= if i == 0 { 1 } else { 1 << (i % 8) };
        all.push((format!("EM edited at {i}"), em));
    }
    all.push(("the encoding itself".into(), base));
    all
}

#[test]
fn the_edges_of_signatures_and_encodings() {
    let mut random = Random(0x11_0000_0001);
    for (size, exponents) in [(KeySize::Rsa2048, &[3, 5, 17][..]), (KeySize::Rsa3072, &[]), (KeySize::Rsa4096, &[])] {
        let family = Raw::family(size, exponents);
        let mut keys = Vec::new();
        let mut cases = Vec::new();
        for (f, raw) in family.iter().enumerate() {
            for alg in ALGORITHMS {
                let key = keys.len();
                keys.push(raw.key(alg));
                cases.extend(edges(raw, alg, key, &mut random));
                // Raw signing takes milliseconds: every byte of one key's encodings, some of the others'.
                let thorough = f == 0 && raw.k() == 256 && alg != Algorithm::RsaPkcs1Sha512;
                for (what, em) in encodings(
                    raw,
                    alg,
                    match (thorough, scale() > 1) {
                        (true, true) => 1,
                        (true, false) => 5,
                        (false, _) => 61,
                    },
                ) {
                    let (message, signature) = (b"the edges".to_vec(), raw.raw(&em));
                    let good = raw.oracle(alg, &message, &signature);
                    assert_eq!(good, what == "the encoding itself", "{alg} {what}");
                    cases.push(Case { key, message, signature, good, what: format!("{alg} {what}") });
                }
            }
        }
        assert!(cases.iter().filter(|case| case.good).count() >= 2 * keys.len());
        settle(&keys, &cases);
    }
}

#[test]
fn batches_of_every_length_and_mix() {
    let mut random = Random(0x12_0000_0001);
    let mut raws = Raw::family(KeySize::Rsa2048, &[3, 17]);
    raws.extend(Raw::family(KeySize::Rsa2048, &[]));
    raws.extend(Raw::family(KeySize::Rsa3072, &[5]));
    raws.extend(Raw::family(KeySize::Rsa4096, &[]));
    let (mut keys, mut pool) = (Vec::new(), Vec::new());
    for raw in &raws {
        for alg in ALGORITHMS {
            let key = keys.len();
            keys.push(raw.key(alg));
            for i in 0..4u8 {
                let message = vec![i; 40 * usize::from(i)];
                let mut signature = raw.sign(alg, &message);
                let what = format!("{alg} {i}");
                pool.push(Case { key, message: message.clone(), signature: signature.clone(), good: true, what });
                let at = random.below(signature.len());
                signature[at] ^= 1 << (random.next() % 8);
                let good = raw.oracle(alg, &message, &signature);
                pool.push(Case { key, message, signature, good, what: format!("{alg} {i} edited at {at}") });
            }
        }
    }
    for cpu in Cpu::variants() {
        let mut verifier = Verifier::new(cpu);
        for len in 1..=130 {
            // Many of one kind, so that groups fill, and some of any.
            let kind = random.below(keys.len());
            let picks: Vec<&Case> = (0..len)
                .map(|_| {
                    loop {
                        let case = &pool[random.below(pool.len())];
                        if random.next().is_multiple_of(4) || keys[case.key].algorithm() == keys[kind].algorithm() {
                            break case;
                        }
                    }
                })
                .collect();
            let items: Vec<_> = picks.iter().map(|case| item(&keys, case)).collect();
            let mut ok = vec![false; len];
            verifier.verify(&items, &mut ok);
            for (case, ok) in picks.iter().zip(ok) {
                assert_eq!(ok, case.good, "{} {cpu:?} in a batch of {len}", case.what);
            }
        }
    }
}

/// Signatures made anew for every comparison: good ones, and good ones with something changed. The scalar path, which is aws-lc, is the oracle.
#[test]
fn many_mixed_signatures() {
    let mut random = Random(0x13_0000_0001);
    let raws: Vec<Raw> = (0..4).flat_map(|_| Raw::family(KeySize::Rsa2048, &[])).collect();
    let (mut keys, mut pool) = (Vec::new(), Vec::new());
    for raw in &raws {
        for alg in [Algorithm::RsaPkcs1Sha256, Algorithm::RsaPssSha256] {
            let key = keys.len();
            keys.push(raw.key(alg));
            for i in 0..32u8 {
                let message = vec![i; 50];
                let signature = raw.sign(alg, &message);
                pool.push(Case { key, message, signature, good: true, what: String::new() });
            }
        }
    }
    let rounds = if scale() > 1 { 1_000_000 / 128 + 1 } else { 24 };
    let mut goods = 0;
    for _ in 0..rounds {
        let cases: Vec<Case> = (0..128)
            .map(|_| {
                let from = &pool[random.below(pool.len())];
                let (mut key, mut message, mut signature) = (from.key, from.message.clone(), from.signature.clone());
                match random.next() % 8 {
                    0 => signature[random.below(256)] ^= 1 << (random.next() % 8),
                    1 => message[random.below(50)] ^= 1,
                    2 => key = random.below(keys.len()),
                    3 => signature.iter_mut().for_each(|b| *b = random.next() as u8),
                    _ => {}
                }
                Case { key, message, signature, good: false, what: String::new() }
            })
            .collect();
        let items: Vec<_> = cases.iter().map(|case| item(&keys, case)).collect();
        let mut expected = [false; 128];
        Verifier::new(Cpu::SCALAR).verify(&items, &mut expected);
        goods += expected.iter().filter(|&&good| good).count();
        for cpu in [Cpu::hardware(), Cpu::hardware().without_ifma()] {
            let mut ok = [false; 128];
            Verifier::new(cpu).verify(&items, &mut ok);
            assert_eq!(ok, expected, "{cpu:?}");
        }
    }
    assert!(goods > rounds * 128 / 4 && goods < rounds * 128 * 3 / 4);
}
