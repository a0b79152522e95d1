//! Unwrapping of a key.

use crate::error::Error;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, Pkcs1PrivateDecryptingKey,
    PrivateDecryptingKey,
};
use sm2::pkcs8::DecodePrivateKey;
use sm2::pke::DecryptingKey;
use subtle::Choice;
use zeroize::Zeroizing;

/// Greatest modulus in bytes.
const RSA_MAX: usize = 1024;

/// How the key of a request is wrapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrap {
    /// RSA-OAEP with SHA-256 (RFC 8017, 7.1).
    RsaOaepSha256,
    /// RSA-OAEP with SHA-1, the default of Java.
    RsaOaepSha1,
    /// RSA with the padding of PKCS#1 v1.5 (RFC 8017, 7.2): for clients that have nothing better.
    RsaPkcs1,
    /// SM2 (GB/T 32918.4), C1 ‖ C3 ‖ C2 with an uncompressed point.
    Sm2,
}

fn malformed() -> Error {
    Error::Key("expected a private key in PKCS#8: RSA of 2048 bits at least, or SM2".to_owned())
}

pub(super) enum Unwrapper {
    Oaep(OaepPrivateDecryptingKey, &'static aws_lc_rs::rsa::OaepAlgorithm),
    Pkcs1(Pkcs1PrivateDecryptingKey),
    Sm2(Box<DecryptingKey>),
}

impl Unwrapper {
    pub fn from_pkcs8(wrap: Wrap, der: &[u8]) -> Result<Self, Error> {
        if wrap == Wrap::Sm2 {
            let secret = sm2::SecretKey::from_pkcs8_der(der).map_err(|_| malformed())?;
            return Ok(Self::Sm2(Box::new(DecryptingKey::new(secret))));
        }
        let key = PrivateDecryptingKey::from_pkcs8(der).map_err(|_| malformed())?;
        let made = match wrap {
            Wrap::RsaOaepSha256 => {
                OaepPrivateDecryptingKey::new(key).map(|key| Self::Oaep(key, &OAEP_SHA256_MGF1SHA256))
            }
            Wrap::RsaOaepSha1 => OaepPrivateDecryptingKey::new(key).map(|key| Self::Oaep(key, &OAEP_SHA1_MGF1SHA1)),
            _ => Pkcs1PrivateDecryptingKey::new(key).map(Self::Pkcs1),
        };
        made.map_err(|_| malformed())
    }

    /// Unwraps a key of `len` bytes into `key`; whether it was one.
    pub fn unwrap(&self, wrapped: &[u8], len: usize, key: &mut [u8; 32]) -> Choice {
        let mut out = Zeroizing::new([0u8; RSA_MAX]);
        let sm2;
        let opened: &[u8] = match self {
            Self::Oaep(rsa, algorithm) => {
                rsa.decrypt(algorithm, wrapped, out.as_mut_slice(), None).map_or(&[], |key| &*key)
            }
            Self::Pkcs1(rsa) => rsa.decrypt(wrapped, out.as_mut_slice()).map_or(&[], |key| &*key),
            Self::Sm2(secret) => {
                sm2 = Zeroizing::new(secret.decrypt(wrapped).unwrap_or_default());
                &sm2
            }
        };
        for (to, from) in key.iter_mut().zip(opened) {
            *to = *from;
        }
        Choice::from(u8::from(opened.len() == len))
    }
}
