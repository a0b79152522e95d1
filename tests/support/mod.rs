//! Keys for tests: made anew in every run, for every algorithm that signs.
#![allow(dead_code, reason = "each test binary uses its part")]

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, RsaKeyPair,
};
use portcullis::alg::{Algorithm, Key, MacInput, SigningKey};
use portcullis::codec::pem;
use sm2::pkcs8::EncodePrivateKey;

/// A signing key and the verification key to it.
pub struct Pair {
    pub signing: SigningKey,
    pub key: Key,
}

impl Pair {
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// The input under which this algorithm's signatures are good.
    pub fn input(&self) -> MacInput {
        if self.algorithm() == Algorithm::Md5 { MacInput::AppendKey } else { MacInput::Plain }
    }

    pub fn secret(alg: Algorithm, secret: &[u8]) -> Self {
        Self { signing: SigningKey::secret(alg, secret).unwrap(), key: Key::secret(alg, secret).unwrap() }
    }

    pub fn pkcs8(alg: Algorithm, der: &[u8]) -> Self {
        let signing = SigningKey::from_pkcs8_pem(alg, &pem::encode("PRIVATE KEY", der), None).unwrap();
        let key = Key::public(alg, &signing.public_key().unwrap(), None).unwrap();
        Self { signing, key }
    }
}

pub fn rsa_pkcs8(size: KeySize) -> Vec<u8> {
    RsaKeyPair::generate(size).unwrap().as_der().unwrap().as_ref().to_vec()
}

pub fn ecdsa_pkcs8(alg: &'static EcdsaSigningAlgorithm) -> Vec<u8> {
    EcdsaKeyPair::generate(alg).unwrap().to_pkcs8v1().unwrap().as_ref().to_vec()
}

pub fn ed25519_pkcs8() -> Vec<u8> {
    Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap().as_ref().to_vec()
}

pub fn sm2_pkcs8() -> Vec<u8> {
    let mut number = [0; 32];
    aws_lc_rs::rand::fill(&mut number).unwrap();
    number[0] &= 0x7f; // below n
    sm2::SecretKey::from_slice(&number).unwrap().to_pkcs8_der().unwrap().as_bytes().to_vec()
}

/// `each` pairs of every algorithm that signs (`rsa-pkcs1-sha1` does not); RSA of 2048 bits and one of 3072.
pub fn pairs(each: usize) -> Vec<Pair> {
    use Algorithm::*;
    let mut rsa: Vec<Vec<u8>> = (1..each).map(|_| rsa_pkcs8(KeySize::Rsa2048)).collect();
    rsa.push(rsa_pkcs8(if each > 1 { KeySize::Rsa3072 } else { KeySize::Rsa2048 }));
    let mut pairs = Vec::new();
    for (i, rsa) in rsa.iter().enumerate() {
        for alg in [Md5, HmacSha1, HmacSha256, HmacSha384, HmacSha512, HmacSm3] {
            pairs.push(Pair::secret(alg, format!("{i} secret of {alg}").repeat(1 + i * 3).as_bytes()));
        }
        for alg in [RsaPkcs1Sha256, RsaPkcs1Sha512, RsaPssSha256, RsaPssSha512] {
            pairs.push(Pair::pkcs8(alg, rsa));
        }
        pairs.push(Pair::pkcs8(EcdsaP256Sha256, &ecdsa_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING)));
        pairs.push(Pair::pkcs8(EcdsaP384Sha384, &ecdsa_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING)));
        pairs.push(Pair::pkcs8(Algorithm::Ed25519, &ed25519_pkcs8()));
        pairs.push(Pair::pkcs8(Sm2Sm3, &sm2_pkcs8()));
    }
    pairs
}

/// xorshift64*: enough to mix test cases, the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 32) as usize % n
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// 1, or what `PORTCULLIS_SLOW=1` scales counts up by.
pub fn scale() -> usize {
    if std::env::var_os("PORTCULLIS_SLOW").is_some_and(|v| v == "1") { 50 } else { 1 }
}
