//! What time tells of a secret: dudect's test (Reparaz, Balasch, Verbauwhede, 2017) on the comparison of MACs and on the opening of sealed fields.
//!
//! Two kinds of input that fail for different reasons are given in random order, each call is timed, and Welch's t-test asks whether the two
//! kinds take different times on average: over all calls, and over those below each of several percentiles, as interrupts make the slowest ones. The largest |t|
//! of these decides, with dudect's two thresholds: below 4.5 no leak is seen, from 4.5 to 10 it is to be looked at with more calls, above 10 there is one. It is
//! evidence from this machine and this many calls, not a proof. The first line is a control that must
//! leak: a comparison that ends at the first difference. It is a report: nothing is asserted.
//!
//! `cargo bench --bench timing -- [thousands of calls, 20 if left out; a tenth of it where a private key is used]`

use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, Pkcs1PublicEncryptingKey, PrivateDecryptingKey,
};
use portcullis::alg::{Algorithm, Item, Key, MacInput, SignatureForm, SigningKey, Verifier};
use portcullis::hash::prf::Kind;
use portcullis::lanes::Cpu;
use portcullis::seal::{Cipher, Opener, Wrap};
use portcullis::shm::{Region, RegionSpec};
use portcullis::time::Millis;
use portcullis::token;
use portcullis::verdict::{Reason, Verdict};
use std::hint::black_box;
use std::time::Instant;

/// Mean and variance as they come in (Welford).
#[derive(Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let off = value - self.mean;
        self.mean += off / self.count;
        self.squares += off * (value - self.mean);
    }

    fn error(&self) -> f64 {
        if self.count < 2.0 { 0.0 } else { self.squares / (self.count - 1.0) / self.count }
    }
}

/// Welch's t of the calls that took at most `most`.
fn t(samples: &[(bool, u64)], most: u64) -> (f64, [f64; 2]) {
    let mut kinds = [Moments::default(), Moments::default()];
    for (kind, took) in samples.iter().filter(|(_, took)| *took <= most) {
        kinds[usize::from(*kind)].add(*took as f64);
    }
    let error = (kinds[0].error() + kinds[1].error()).sqrt();
    let t = if error == 0.0 { 0.0 } else { (kinds[0].mean - kinds[1].mean) / error };
    (t, [kinds[0].mean, kinds[1].mean])
}

fn report(name: &str, count: usize, mut call: impl FnMut(bool)) {
    let mut random = vec![0; count];
    aws_lc_rs::rand::fill(&mut random).unwrap();
    for byte in random.iter().take(count / 10) {
        call(byte & 1 == 1);
    }
    let samples: Vec<(bool, u64)> = random
        .iter()
        .map(|byte| {
            let kind = byte & 1 == 1;
            let start = Instant::now();
            call(kind);
            (kind, start.elapsed().as_nanos() as u64)
        })
        .collect();
    let mut sorted: Vec<u64> = samples.iter().map(|(_, took)| *took).collect();
    sorted.sort_unstable();
    let at = |permille: usize| sorted[(count * permille / 1000).min(count - 1)];
    let (all, means) = t(&samples, u64::MAX);
    let worst = [500, 700, 800, 900, 950, 990]
        .into_iter()
        .map(|permille| t(&samples, at(permille)).0)
        .fold(all, |worst, t| if t.abs() > worst.abs() { t } else { worst });
    let word = match worst.abs() {
        ..4.5 => "no leak seen",
        ..10.0 => "TO BE LOOKED AT",
        _ => "DIFFERENT",
    };
    println!(
        "{name:<58} {count:>8} calls  {:>9.1} / {:>9.1} ns  t {all:>8.2}  worst {worst:>8.2}  {word}",
        means[0], means[1]
    );
}

/// A MAC that is wrong in its first byte, or in its last.
fn macs(count: usize) {
    let secret = b"a secret of thirty-two bytes, ok";
    let message = vec![7; 300];
    for alg in [Algorithm::HmacSha256, Algorithm::HmacSm3, Algorithm::HmacSha512, Algorithm::Md5] {
        let input = if alg == Algorithm::Md5 { MacInput::AppendKey } else { MacInput::Plain };
        let form = SignatureForm::Either;
        let key = Key::secret(alg, secret).unwrap();
        let good = SigningKey::secret(alg, secret).unwrap().sign(&message, form, input).unwrap();
        let (mut first, mut last) = (good.clone(), good);
        first[0] ^= 1;
        *last.last_mut().unwrap() ^= 1;
        let mut verifier = Verifier::new(Cpu::detect());
        report(&format!("{alg}: wrong in the first byte / in the last"), count, |kind| {
            let signature = if kind { &last } else { &first };
            let mut ok = [true];
            verifier.verify(&[Item { key: &key, message: &message, signature, form, input }], black_box(&mut ok));
            assert!(!ok[0]);
        });
    }
}

fn tokens(count: usize) {
    let now = Millis(1_700_000_000_000);
    let sizes = token::Sizes::default();
    let spec = RegionSpec::new(None, now).with(sizes.section(Kind::best(Cpu::detect())));
    let store = token::Store::open(&Region::open(&spec).unwrap(), &sizes, false).unwrap();
    let policy = token::Policy::new(&[(0, b"a secret for tokens, 32 bytes or more")]).unwrap();
    let good = store.issue(&policy, b"p10001", None, now).unwrap().token.as_str().to_owned();
    let wrong = |at: usize| {
        let mut text = good.clone().into_bytes();
        text[at] = if text[at] == b'A' { b'B' } else { b'A' };
        text
    };
    // Characters 19 to 39 are the MAC's alone.
    let (first, last) = (wrong(19), wrong(39));
    report("access token: wrong in the MAC's first byte / in its last", count, |kind| {
        let token = if kind { &last } else { &first };
        assert_eq!(store.check(&policy, b"p10001", black_box(token), None, now), Err(Reason::TokenInvalid));
    });
}

/// AES-CBC of blocks as they are, whatever padding they have.
fn cbc(key: &[u8; 16], iv: [u8; 16], blocks: &[u8]) -> Vec<u8> {
    let mut text = blocks.to_vec();
    let key = EncryptingKey::cbc(UnboundCipherKey::new(&AES_128, key).unwrap()).unwrap();
    key.less_safe_encrypt(&mut text, EncryptionContext::Iv128(FixedLength::from(iv))).unwrap();
    text
}

fn fields(count: usize) {
    let accepted = Verdict::of(Reason::Ok);
    let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::as_der(&private).unwrap();
    let (key, iv) = ([5; 16], [9; 16]);
    // Padding that is wrong in its last byte; padding of sixteen that is wrong in its first.
    let (mut short, mut long) = ([b'x'; 64], [b'x'; 64]);
    short[63] = 0;
    long[48..].fill(16);
    long[48] = 15;
    let (short, long) = (cbc(&key, iv, &short), cbc(&key, iv, &long));
    for wrap in [Wrap::RsaPkcs1, Wrap::RsaOaepSha256] {
        let opener = Opener::from_pkcs8(wrap, der.as_ref()).unwrap();
        let mut wrapped = vec![0; 256];
        let mut too_long = vec![0; 256];
        for (key, out) in [(&key[..], &mut wrapped), (&[5; 24][..], &mut too_long)] {
            if wrap == Wrap::RsaPkcs1 {
                Pkcs1PublicEncryptingKey::new(private.public_key()).unwrap().encrypt(key, out).unwrap();
            } else {
                let public = OaepPublicEncryptingKey::new(private.public_key()).unwrap();
                public.encrypt(&OAEP_SHA256_MGF1SHA256, key, out, None).unwrap();
            }
        }
        let mut broken = wrapped.clone();
        broken[200] ^= 1;
        for (what, one, other) in [
            ("a good key, the field's padding wrong / no key at all", &wrapped, &broken),
            ("a key of the wrong length / no key at all", &too_long, &broken),
        ] {
            report(&format!("{wrap:?}: {what}"), count / 10, |kind| {
                let wrapped = if kind { other } else { one };
                let key = opener.request_key(&accepted, Cipher::Aes128Cbc, black_box(wrapped)).unwrap();
                assert!(key.open(&iv, &short, b"").is_err());
            });
        }
        let request = opener.request_key(&accepted, Cipher::Aes128Cbc, &wrapped).unwrap();
        if wrap == Wrap::RsaPkcs1 {
            report("AES-CBC: padding wrong in its last byte / in its first", count, |kind| {
                let text = if kind { &long } else { &short };
                assert!(request.open(&iv, black_box(text), b"").is_err());
            });
        }
    }
}

/// The system's random numbers, as the crate of SM2 asks for them.
struct System;

impl sm2::elliptic_curve::rand_core::TryRng for System {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.try_next_u64().map(|word| word as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        aws_lc_rs::rand::fill(out).unwrap();
        Ok(())
    }
}

impl sm2::elliptic_curve::rand_core::TryCryptoRng for System {}

/// A key wrapped by SM2: good, with a wrong digest, of the wrong length. (A point that is not on the curve is told at once: the point is public.)
fn sm2_fields(count: usize) {
    use sm2::pkcs8::EncodePrivateKey;
    let accepted = Verdict::of(Reason::Ok);
    let mut number = [0; 32];
    aws_lc_rs::rand::fill(&mut number).unwrap();
    number[0] &= 0x7f;
    let secret = sm2::SecretKey::from_slice(&number).unwrap();
    let opener = Opener::from_pkcs8(Wrap::Sm2, secret.to_pkcs8_der().unwrap().as_bytes()).unwrap();
    let wrapping = sm2::pke::EncryptingKey::new(secret.public_key());
    let wrapped = wrapping.encrypt(&mut System, &[5; 16]).unwrap();
    let too_long = wrapping.encrypt(&mut System, &[5; 24]).unwrap();
    let iv = [9; 16];
    let text = cbc(&[5; 16], iv, &[0; 64]);
    let mut broken = wrapped.clone();
    // In the digest: after the point, or at the end, it is within the last 48 bytes with the key's own 16.
    let at = broken.len() - 20;
    broken[at] ^= 1;
    for (what, one, other) in [
        ("a good key, the field's padding wrong / no key at all", &wrapped, &broken),
        ("a key of the wrong length / no key at all", &too_long, &broken),
    ] {
        report(&format!("{:?}: {what}", Wrap::Sm2), count / 10, |kind| {
            let wrapped = if kind { other } else { one };
            let key = opener.request_key(&accepted, Cipher::Aes128Cbc, black_box(wrapped)).unwrap();
            assert!(key.open(&iv, &text, b"").is_err());
        });
    }
}

fn main() {
    // cargo passes `--bench`.
    let thousands = std::env::args().skip(1).find_map(|word| word.parse::<usize>().ok()).unwrap_or(20);
    let count = thousands.clamp(1, 100_000) * 1000;
    println!("largest |t| below 4.5: no leak seen; to 10: to be looked at with more calls; above: different times\n");
    let (good, mut first, mut last) = ([7u8; 4096], [7u8; 4096], [7u8; 4096]);
    first[0] = 0;
    last[4095] = 0;
    report("CONTROL, must differ: 4,096 bytes by ==, first / last wrong", count, |kind| {
        let other = if kind { &last } else { &first };
        assert!(black_box(&good) != black_box(other));
    });
    macs(count);
    tokens(count);
    fields(count);
    sm2_fields(count);
}
