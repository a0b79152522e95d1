//! An engine of a document, and clients that sign what they send to it.
#![allow(dead_code, reason = "some helpers serve one file only")]

pub use crate::dir::Dir;
use num_bigint::BigUint;
use portcullis::alg::{Algorithm, MacInput, SignatureForm, SigningKey};
use portcullis::canon::client::{Draft, Fill};
use portcullis::canon::{self, Alg};
use portcullis::engine::{Engine, Options, Worker};
use portcullis::error::{DocumentError, Error};
use portcullis::request::{Header, Request, TlsVersion};
use portcullis::time::Millis;
use portcullis::verdict::{Reason, Verdict};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

/// When the tests take place.
pub const NOW: i64 = 1_700_000_000_000;
pub const SECRET: &str = "a secret of an app";
/// A U_API_ID of level A1, and one of A2.
pub const A1_API: &str = "OP1023450101000100000100";
pub const A2_API: &str = "OP1023450201000100000200";

/// An engine whose clock stands at [`NOW`].
pub fn engine(document: &Value) -> Engine {
    engine_at(document, NOW).unwrap_or_else(|e| panic!("{e}\n{document:#}"))
}

pub fn engine_at(document: &Value, now: i64) -> Result<Engine, Error> {
    let options = Options { now: Some(Millis(now)), closed_set: true, ..Options::default() };
    Engine::open_with(document.to_string().as_bytes(), &options)
}

/// The error of a document that must be refused.
#[track_caller]
pub fn refused(document: &Value) -> DocumentError {
    match engine_at(document, NOW) {
        Err(Error::Document(e)) => e,
        Err(e) => panic!("another error: {e}"),
        Ok(_) => panic!("taken, but should be refused: {document:#}"),
    }
}

/// A document with app `p1`, whose secret is [`SECRET`].
pub fn document() -> Value {
    json!({ "version": 1, "apps": [ app("p1") ] })
}

pub fn app(id: &str) -> Value {
    json!({ "app_id": id, "profiles": ["openapi"], "credentials": [ { "kid": "k1", "alg": "hmac-sha256", "secret": SECRET } ] })
}

/// `document` with one member set, by JSON pointer.
pub fn with(document: &Value, pointer: &str, value: Value) -> Value {
    let mut changed = document.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = changed.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"));
    match parent {
        Value::Array(items) if name == "-" => items.push(value),
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        parent => parent[name] = value,
    }
    changed
}

/// Who signs.
pub struct Client {
    pub app: String,
    pub key: SigningKey,
    pub alg: Algorithm,
    pub profile: std::sync::Arc<canon::Profile>,
    /// Who signs in place of `key`, where it is with SHA-1.
    pub sha1: Option<Sha1Pair>,
}

impl Client {
    pub fn new(app: &str) -> Self {
        Self::with_secret(app, Algorithm::HmacSha256, SECRET)
    }

    pub fn with_secret(app: &str, alg: Algorithm, secret: &str) -> Self {
        Self::with_key(app, alg, SigningKey::secret(alg, secret.as_bytes()).unwrap())
    }

    pub fn with_key(app: &str, alg: Algorithm, key: SigningKey) -> Self {
        Self { app: app.to_owned(), key, alg, profile: canon::builtin("openapi").unwrap(), sha1: None }
    }

    /// A signed call: `GET` of the target, or `POST` where there is a body.
    pub fn call(&self, target: &str, body: Option<Value>) -> Call {
        let method = if body.is_some() { "POST" } else { "GET" };
        self.call_as(method, target, body.map(|body| body.to_string()).as_deref(), NOW, &nonce())
    }

    pub fn call_as(&self, method: &str, target: &str, body: Option<&str>, at: i64, nonce: &str) -> Call {
        let mut draft = Draft {
            method: method.as_bytes().to_vec(),
            target: target.as_bytes().to_vec(),
            headers: Vec::new(),
            body: body.unwrap_or("").as_bytes().to_vec(),
            ..Draft::default()
        };
        let fill =
            Fill { app_id: Some(&self.app), kid: None, timestamp: Some(Millis(at)), nonce: Some(nonce), extra: &[] };
        self.profile.fill(&mut draft, self.alg(), &fill).unwrap();
        self.sign(draft)
    }

    fn alg(&self) -> Alg {
        Alg::from_name(self.alg.name()).unwrap()
    }

    /// Signs a draft that has all its fields.
    pub fn sign(&self, mut draft: Draft) -> Call {
        let mut text = Vec::new();
        let how = self.profile.sign_string(&draft, self.alg(), &mut text).unwrap();
        let form = match how.form {
            canon::SignatureForm::Fixed => SignatureForm::Fixed,
            _ => SignatureForm::Der,
        };
        let input = if how.append_secret { MacInput::AppendKey } else { MacInput::Plain };
        let signature = match &self.sha1 {
            Some(pair) => pair.sign(&text),
            None => self.key.sign(&text, form, input).unwrap(),
        };
        self.profile.place_signature(&mut draft, self.alg(), &signature).unwrap();
        Call { draft, text, ip: None, profile: None, app_id: None, tls: None, peer: None }
    }
}

/// A pair that signs with SHA-1 (PKCS#1 v1.5), which the library checks and never makes: by hand.
pub struct Sha1Pair {
    n: BigUint,
    d: BigUint,
}

impl Sha1Pair {
    /// A new pair, and the credential that a document has for it.
    pub fn new() -> (Self, Value) {
        // e = 65537 over two primes of 1,024 bits, found by Fermat's test: a key for a test.
        let mut random = crate::keys::Random(31);
        let mut prime = || loop {
            let mut bytes = random.bytes(128);
            bytes[0] |= 0xc0;
            bytes[127] |= 1;
            let p = BigUint::from_bytes_be(&bytes);
            let (one, e) = (BigUint::from(1u32), BigUint::from(65537u32));
            let fits = (&p - &one) % &e != BigUint::ZERO;
            if fits && BigUint::from(2u32).modpow(&(&p - &one), &p) == one {
                return p;
            }
        };
        let (p, q) = (prime(), prime());
        let n = &p * &q;
        let d = BigUint::from(65537u32).modinv(&((p - 1u32) * (q - 1u32))).unwrap();
        let integer = |number: &BigUint| {
            let bytes = [&[0], &number.to_bytes_be()[..]].concat();
            [&[2, 0x82][..], &(bytes.len() as u16).to_be_bytes(), &bytes].concat()
        };
        // RSAPublicKey (RFC 8017, A.1.1): SEQUENCE of n and e.
        let numbers = [&integer(&n)[..], &[2, 3, 1, 0, 1]].concat();
        let der = [&[0x30, 0x82][..], &(numbers.len() as u16).to_be_bytes(), &numbers].concat();
        let pem = portcullis::codec::pem::encode("RSA PUBLIC KEY", &der);
        (Self { n, d }, json!({ "alg": "rsa-pkcs1-sha1", "public_key_pem": pem }))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, message);
        // RFC 8017, 9.2: 00 01, ff, 00, the digest with its algorithm.
        let info = [0x30, 0x21, 0x30, 0x09, 6, 5, 0x2b, 14, 3, 2, 26, 5, 0, 4, 20];
        let mut text = vec![0xff; 256];
        text[..2].copy_from_slice(&[0, 1]);
        text[256 - 36] = 0;
        text[256 - 35..256 - 20].copy_from_slice(&info);
        text[256 - 20..].copy_from_slice(digest.as_ref());
        let signature = BigUint::from_bytes_be(&text).modpow(&self.d, &self.n).to_bytes_be();
        [vec![0; 256 - signature.len()], signature].concat()
    }
}

/// A nonce that no other call of this process has.
pub fn nonce() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("n{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A call on its way.
#[derive(Clone)]
pub struct Call {
    pub draft: Draft,
    /// What was signed.
    pub text: Vec<u8>,
    pub ip: Option<IpAddr>,
    pub profile: Option<&'static str>,
    pub app_id: Option<&'static str>,
    pub tls: Option<TlsVersion>,
    pub peer: Option<[u8; 32]>,
}

impl Call {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.draft.headers.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        self
    }

    pub fn from(mut self, ip: &str) -> Self {
        self.ip = Some(ip.parse().unwrap());
        self
    }

    pub fn peer(mut self, fingerprint: [u8; 32]) -> Self {
        self.peer = Some(fingerprint);
        self
    }

    /// The target changed after signing.
    pub fn target(mut self, change: impl FnOnce(&str) -> String) -> Self {
        self.draft.target = change(std::str::from_utf8(&self.draft.target).unwrap()).into_bytes();
        self
    }

    /// The body changed after signing.
    pub fn body(mut self, change: impl FnOnce(&str) -> String) -> Self {
        self.draft.body = change(std::str::from_utf8(&self.draft.body).unwrap()).into_bytes();
        self
    }

    pub fn lend<T>(&self, received: i64, judge: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<Header<'_>> = self.draft.headers.iter().map(|(name, value)| Header { name, value }).collect();
        judge(&Request {
            headers: &headers,
            client_ip: self.ip,
            received_at: Some(Millis(received)),
            profile: self.profile,
            app_id: self.app_id,
            tls: self.tls,
            peer_certificate: self.peer,
            ..Request::new(&self.draft.method, &self.draft.target, &self.draft.body)
        })
    }

    pub fn verdict_at(&self, worker: &mut Worker, received: i64) -> Verdict {
        self.lend(received, |request| worker.verify(request))
    }

    pub fn verdict(&self, worker: &mut Worker) -> Verdict {
        self.verdict_at(worker, NOW)
    }

    /// Judged by an engine of its own.
    pub fn by(&self, document: &Value) -> Reason {
        self.verdict(&mut engine(document).worker()).reason
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A new key of `alg` and the credential that a document has for it.
pub fn credential(alg: Algorithm) -> (SigningKey, Value) {
    use crate::keys::{ecdsa_pkcs8, ed25519_pkcs8, rsa_pkcs8, sm2_pkcs8};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature as aws;
    use aws_lc_rs::signature::KeyPair;
    if alg.is_mac() {
        let key = SigningKey::secret(alg, SECRET.as_bytes()).unwrap();
        return (key, json!({ "alg": alg.name(), "secret": SECRET }));
    }
    let name = alg.name();
    let (der, member, public) = match alg {
        _ if name.starts_with("rsa") => {
            let der = rsa_pkcs8(KeySize::Rsa2048);
            let pair = aws::RsaKeyPair::from_pkcs8(&der).unwrap();
            let pem = portcullis::codec::pem::encode("RSA PUBLIC KEY", pair.public_key().as_ref());
            (der, "public_key_pem", pem)
        }
        Algorithm::EcdsaP256Sha256 | Algorithm::EcdsaP384Sha384 => {
            let way = match alg {
                Algorithm::EcdsaP256Sha256 => &aws::ECDSA_P256_SHA256_FIXED_SIGNING,
                _ => &aws::ECDSA_P384_SHA384_FIXED_SIGNING,
            };
            let der = ecdsa_pkcs8(way);
            let pair = aws::EcdsaKeyPair::from_pkcs8(way, &der).unwrap();
            (der, "public_key_hex", hex(pair.public_key().as_ref()))
        }
        Algorithm::Ed25519 => {
            let der = ed25519_pkcs8();
            let pair = aws::Ed25519KeyPair::from_pkcs8(&der).unwrap();
            (der, "public_key_hex", hex(pair.public_key().as_ref()))
        }
        _ => {
            use sm2::pkcs8::DecodePrivateKey;
            let der = sm2_pkcs8();
            let point = sm2::SecretKey::from_pkcs8_der(&der).unwrap().public_key().to_sec1_bytes();
            (der, "public_key_hex", hex(&point))
        }
    };
    let pem = portcullis::codec::pem::encode("PRIVATE KEY", &der);
    // SHA-1 with RSA is checked, never made: see `Sha1Pair`.
    let signs = if alg == Algorithm::RsaPkcs1Sha1 { Algorithm::RsaPkcs1Sha256 } else { alg };
    (SigningKey::from_pkcs8_pem(signs, &pem, None).unwrap(), json!({ "alg": name, member: public }))
}
