//! Whole requests, from bytes to verdict: ours in batches of 64 beside what a team would assemble, over 512-byte JSON bodies.
//!
//! Both see the same requests: 2,048 distinct ones from many apps (and 64 of them, which the branch predictor learns by heart; the larger
//! set is the one to quote). Before each round, untimed, both forget the nonces of the round before: ours by the release of every ticket,
//! the peer by taking them out of its maps. Both hold room for a million live nonces (the peer's maps do hold them).

use crate::assembled::{Assembled, PeerApp, PeerKey};
use crate::harness::Bench;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, KeyPair, ParsedPublicKey};
use aws_lc_rs::{hmac, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use portcullis::alg::key_tables;
use portcullis::engine::{Engine, Options};
use portcullis::request::{Header, Request};
use portcullis::time::Millis;
use portcullis::verdict::{Reason, Verdict};
use sm2::dsa::signature::Signer;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::net::IpAddr;
use std::time::Instant;

const NOW_S: u64 = 1_700_000_000;
const BATCH: usize = 64;

/// splitmix64: the same requests on every run.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    fn letters(&mut self, n: usize) -> String {
        (0..n).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }
}

enum Signing {
    Md5(Vec<u8>),
    Hmac(Vec<u8>),
    Rsa(rsa::KeyPair),
    P256(Box<signature::EcdsaKeyPair>),
    Sm2(Box<sm2::dsa::SigningKey>),
}

const SM2_ID: &str = "1234567812345678";

impl Signing {
    fn new(alg: &str, rng: &mut Rng) -> Self {
        let random = SystemRandom::new();
        match alg {
            "md5" => Self::Md5(rng.letters(32).into_bytes()),
            "hmac-sha256" => Self::Hmac(rng.letters(32).into_bytes()),
            "rsa-pkcs1-sha256" => Self::Rsa(rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap()),
            "ecdsa-p256-sha256" => {
                let kind = &signature::ECDSA_P256_SHA256_ASN1_SIGNING;
                let document = signature::EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
                Self::P256(Box::new(signature::EcdsaKeyPair::from_pkcs8(kind, document.as_ref()).unwrap()))
            }
            _ => {
                let mut secret = [0x11; 32];
                secret[24..].copy_from_slice(&rng.next().to_be_bytes());
                Self::Sm2(Box::new(sm2::dsa::SigningKey::from_slice(SM2_ID, &secret).unwrap()))
            }
        }
    }

    fn sign(&self, text: &str) -> String {
        let random = SystemRandom::new();
        match self {
            Self::Md5(secret) => {
                let mut hash = Md5::new();
                hash.update(text);
                hash.update(b"&partnerKey=");
                hash.update(secret);
                hex::encode(hash.finalize())
            }
            Self::Hmac(secret) => hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes())),
            Self::Rsa(pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut out).unwrap();
                STANDARD.encode(out)
            }
            Self::P256(pair) => STANDARD.encode(pair.sign(&random, text.as_bytes()).unwrap()),
            Self::Sm2(key) => {
                let signature: sm2::dsa::Signature = key.sign(text.as_bytes());
                STANDARD.encode(signature.to_der().as_ref())
            }
        }
    }

    /// The credential's key as a member of the document.
    fn member(&self) -> String {
        match self {
            Self::Md5(secret) | Self::Hmac(secret) => {
                format!("\"secret\":\"{}\"", std::str::from_utf8(secret).unwrap())
            }
            Self::Rsa(pair) => {
                use aws_lc_rs::encoding::AsDer;
                let der: aws_lc_rs::encoding::PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
                format!("\"public_key_base64\":\"{}\"", STANDARD.encode(der.as_ref()))
            }
            Self::P256(pair) => format!("\"public_key_hex\":\"{}\"", hex::encode(pair.public_key().as_ref())),
            Self::Sm2(key) => format!("\"public_key_hex\":\"{}\"", hex::encode(key.verifying_key().to_sec1_bytes())),
        }
    }

    fn peer(&self) -> PeerKey {
        match self {
            Self::Md5(secret) => PeerKey::Md5(secret.clone()),
            Self::Hmac(secret) => PeerKey::HmacSha256(hmac::Key::new(hmac::HMAC_SHA256, secret)),
            Self::Rsa(pair) => PeerKey::Public(
                ParsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref()).unwrap(),
            ),
            Self::P256(pair) => PeerKey::Public(
                ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, pair.public_key().as_ref()).unwrap(),
            ),
            Self::Sm2(key) => PeerKey::Sm2(Box::new(key.verifying_key().clone())),
        }
    }
}

struct Signed {
    target: String,
    body: String,
    /// `app:nonce`, as the peer keeps it.
    nonce: String,
}

/// A body of about 512 bytes and 14 members, signed by `app`.
fn request(rng: &mut Rng, app: &str, key: &Signing) -> Signed {
    let mut members: Vec<(String, String, String)> = vec![
        ("partnerId".into(), format!("\"{app}\""), app.into()),
        ("timestamp".into(), format!("{}", NOW_S - rng.below(200)), String::new()),
        ("nonce".into(), String::new(), rng.letters(24)),
    ];
    members[1].2 = members[1].1.clone();
    members[2].1 = format!("\"{}\"", members[2].2);
    for _ in 0..11 {
        let len = 4 + rng.below(10) as usize;
        let name = rng.letters(len);
        let (json, value) = match rng.below(8) {
            0 => (String::from("1.10"), String::from("1.10")),
            1 => (format!("{}", rng.below(1 << 40)), String::new()),
            2 => (String::from("true"), String::from("true")),
            3 => {
                let text = rng.letters(12);
                (format!("{{\"a\":[1,2,\"{text}\"]}}"), String::new())
            }
            4 => (String::from("\"转账给李雷和韩梅梅\""), String::from("转账给李雷和韩梅梅")),
            _ => {
                let len = 16 + rng.below(30) as usize;
                let text = rng.letters(len);
                (format!("\"{text}\""), text)
            }
        };
        let value = if value.is_empty() { json.clone() } else { value };
        members.push((name, json, value));
    }
    let nonce = format!("{app}:{}", members[2].2);
    for at in (1..members.len()).rev() {
        members.swap(at, rng.below(at as u64 + 1) as usize);
    }
    let mut body = String::from("{");
    for (index, (name, json, _)) in members.iter().enumerate() {
        let _ = write!(body, "{}\"{name}\":{json}", if index == 0 { "" } else { "," });
    }
    // Up to 512 bytes with one more member.
    let left = 512usize.saturating_sub(body.len() + "\"zzfill\":\"\",}".len());
    let fill = rng.letters(left.max(1));
    let _ = write!(body, ",\"zzfill\":\"{fill}\"}}");
    members.push(("zzfill".into(), String::new(), fill));
    members.sort();
    let text: Vec<String> = members.iter().map(|(name, _, value)| format!("{name}={value}")).collect();
    let signature = key.sign(&text.join("&"));
    let escaped: String = form_urlencoded::byte_serialize(signature.as_bytes()).collect();
    Signed { target: format!("/pay/v1/transfer?sign={escaped}"), body, nonce }
}

/// One row: `count` distinct requests of `apps` apps.
fn row(bench: &Bench, name: &str, alg: &str, apps: usize, count: usize) {
    if !bench.wants(name) {
        return;
    }
    let mut rng = Rng(7);
    let keys: Vec<(String, Signing)> = (0..apps).map(|n| (format!("p{n:05}"), Signing::new(alg, &mut rng))).collect();
    let mut document = String::from(
        "{\"version\":1,\"state\":{\"nonces\":1000000},\"apis\":[{\"api_id\":\"OP1023450102000100001000\",\"method\":\"POST\",\"path\":\"/pay/v1/transfer\",\"level\":\"A1\"}],",
    );
    document.push_str("\"limits\":[{\"name\":\"rate\",\"key\":[\"app\"],\"rate\":1000000000,\"per_ms\":1000,\"burst\":1000000000,\"action\":\"reject\"}],\"apps\":[");
    for (index, (app, key)) in keys.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(
            document,
            "{comma}{{\"app_id\":\"{app}\",\"status\":\"active\",\"level\":\"A1\",\"profiles\":[\"openapi\"],\"allow_weak\":true,\
             \"allow_ips\":[\"203.0.113.0/24\"],\"allow_apis\":[\"OP1023450102000100001000\"],\"limits\":[\"rate\"],\
             \"credentials\":[{{\"alg\":\"{alg}\",{}}}]}}",
            key.member()
        );
    }
    document.push_str("]}");
    let now = Millis(NOW_S as i64 * 1000);
    let options = Options { now: Some(now), closed_set: true, ..Options::default() };
    let engine = Engine::open_with(document.as_bytes(), &options).unwrap();
    let mut worker = engine.worker();

    let signed: Vec<Signed> = (0..count)
        .map(|_| {
            let (app, key) = &keys[rng.below(apps as u64) as usize];
            request(&mut rng, app, key)
        })
        .collect();
    let ip: IpAddr = "203.0.113.7".parse().unwrap();
    let headers = [
        Header { name: b"host", value: b"api.bank.example" },
        Header { name: b"content-type", value: b"application/json; charset=utf-8" },
    ];
    let requests: Vec<Request<'_>> = signed
        .iter()
        .map(|s| Request {
            headers: &headers,
            client_ip: Some(ip),
            ..Request::new(b"POST", s.target.as_bytes(), s.body.as_bytes())
        })
        .collect();
    let mut verdicts = vec![Verdict::of(Reason::Internal); count];

    let peer_apps: HashMap<String, PeerApp> = keys
        .iter()
        .map(|(app, key)| {
            (app.clone(), PeerApp { key: key.peer(), allow_ips: vec!["203.0.113.0/24".parse().unwrap()] })
        })
        .collect();
    let nonces: Vec<String> = signed.iter().map(|s| s.nonce.clone()).collect();
    let mut peer = Assembled::new(peer_apps, &[("POST", "/pay/v1/transfer")]);

    // Steady state: every key has the table that a key in use comes to have (the one for few keys from 256 uses on), as in the rows of signatures
    // alone. It is reached when none is built any more while every key could have asked for one.
    let mut idle = 0;
    while idle < 512 * apps {
        let built = key_tables().built;
        for (requests, verdicts) in requests.chunks(BATCH).zip(verdicts.chunks_mut(BATCH)) {
            worker.verify_batch(requests, verdicts);
        }
        for verdict in &verdicts {
            assert!(worker.release(&verdict.ticket), "a ticket of an accepted request");
        }
        idle = if key_tables().built == built { idle + count } else { 0 };
    }
    bench.timed_row(
        name,
        "assembled",
        || {
            let start = Instant::now();
            for (requests, verdicts) in requests.chunks(BATCH).zip(verdicts.chunks_mut(BATCH)) {
                worker.verify_batch(black_box(requests), verdicts);
            }
            let spent = start.elapsed();
            let accepted = verdicts.iter().filter(|v| v.ok()).count();
            assert_eq!(accepted, count, "ours refused: {:?}", verdicts.iter().find(|v| !v.ok()));
            for verdict in &verdicts {
                assert!(worker.release(&verdict.ticket), "a ticket of an accepted request");
            }
            spent.as_nanos() as f64 / count as f64
        },
        || {
            peer.forget(&nonces);
            let mut accepted = 0;
            let start = Instant::now();
            for one in &signed {
                accepted +=
                    usize::from(peer.verify("POST", black_box(&one.target), black_box(one.body.as_bytes()), ip, NOW_S));
            }
            let spent = start.elapsed();
            assert_eq!(accepted, count, "the peer refused some");
            spent.as_nanos() as f64 / count as f64
        },
    );
}

/// The rows of whole requests.
pub fn rows(bench: &Bench) {
    for (short, alg, apps) in [
        ("md5", "md5", 256),
        ("hmac-sha256", "hmac-sha256", 256),
        ("rsa2048", "rsa-pkcs1-sha256", 64),
        ("p256", "ecdsa-p256-sha256", 256),
        ("sm2", "sm2-sm3", 256),
    ] {
        row(bench, &format!("pipeline-{short}-512"), alg, apps, 2048);
        row(bench, &format!("pipeline-{short}-512-of-64"), alg, apps.min(64), 64);
    }
}
